/* See master_json.h. */
#include "codec/master_json.h"

#include "codec/message_json.h"

void master_record_key(const struct master_record *rec, struct mu_buf *out)
{
    mu_buf_printf(out, "agents/%s", rec->agent.id.s);
}

void master_record_encode(struct mu_buf *out, const struct master_record *rec)
{
    struct mu_jw jw, *w = &jw;
    mu_jw_init(w, out);
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "state", rec->state);
    mu_jw_kv_int(w, "since", rec->since_ms);
    mu_jw_key(w, "agent");
    agent_info_encode(w, &rec->agent);
    mu_jw_object_end(w);
}

int master_record_decode(const void *data,
                         size_t len,
                         struct master_record *out,
                         struct mu_error *err)
{
    struct mu_jr reader = {.err = err}, *r = &reader;
    json_auto_t *o = mu_jr_load(r, data, len, MU_JOURNAL_RECORD_MAX);
    if (o == NULL) {
        return r->status;
    }
    struct master_record x = {
        .state = (uint32_t)mu_jr_uint(r, o, "state", MASTER_AGENT_GONE),
        .since_ms = mu_jr_int(r, o, "since"),
    };
    agent_info_decode(r, json_object_get(o, "agent"), &x.agent);
    if (x.state == 0 || MU_ID_EMPTY(x.agent.id)) {
        mu_jr_fail(r, "agent", "a state and an agent with an id were expected");
    }
    if (r->status < 0) {
        mu_agent_info_release(&x.agent);
        return r->status;
    }
    *out = x;
    return 0;
}
