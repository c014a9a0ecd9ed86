/* See agent_json.h. */
#include "codec/agent_json.h"

#include "codec/message_json.h"
#include "codec/task_json.h"

void agent_record_encode(struct mu_buf *out, const struct agent_record *r)
{
    struct mu_jw jw, *w = &jw;
    mu_jw_init(w, out);
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "rec", r->type);
    mu_jw_opt_string(w, "agent_id", r->agent_id.s);
    mu_jw_opt_string(w, "fw_id", r->framework_id.s);
    mu_jw_opt_string(w, "task_id", r->task_id.s);
    mu_jw_opt_string(w, "container", r->container_id.s);
    mu_jw_opt_string(w, "uuid", r->uuid.s);
    if (r->task != NULL) {
        mu_jw_key(w, "task");
        task_info_encode(w, r->task);
    }
    if (r->type == AGENT_REC_TASK) {
        mu_jw_key(w, "framework");
        framework_info_encode(w, &r->framework);
    }
    if (!MU_ID_EMPTY(r->status.task_id)) {
        mu_jw_key(w, "status");
        task_status_encode(w, &r->status);
    }
    mu_jw_opt_string(w, "by", r->containerizer);
    mu_jw_opt_int(w, "pid", r->pid);
    mu_jw_opt_int(w, "time", r->wall_ms);
    if (r->has_grace) {
        mu_jw_key(w, "grace");
        mu_jw_uint(w, r->grace_ms);
    }
    if (r->type == AGENT_REC_EPOCH) {
        mu_jw_key(w, "epoch");
        mu_jw_uint(w, r->epoch);
    }
    mu_jw_opt_text(w, "sandbox", r->sandbox);
    mu_jw_object_end(w);
}

int agent_record_decode(const void *data,
                        size_t len,
                        struct agent_record *out,
                        struct mu_error *err)
{
    struct mu_jr reader = {.err = err}, *r = &reader;
    json_auto_t *o = mu_jr_load(r, data, len, MU_JOURNAL_RECORD_MAX);
    if (o == NULL) {
        return r->status;
    }
    struct agent_record x = {.type = (uint32_t)mu_jr_uint(r, o, "rec", AGENT_REC_LAST)};
    MU_JR_ID(r, o, "agent_id", &x.agent_id);
    MU_JR_ID(r, o, "fw_id", &x.framework_id);
    MU_JR_ID(r, o, "task_id", &x.task_id);
    MU_JR_ID(r, o, "container", &x.container_id);
    MU_JR_ID(r, o, "uuid", &x.uuid);
    json_t *task = mu_jr_object(r, o, "task");
    if (task != NULL) {
        x.task = task_info_decode(r, task);
    }
    json_t *framework = mu_jr_object(r, o, "framework");
    if (framework != NULL) {
        framework_info_decode(r, framework, &x.framework);
    }
    json_t *status = mu_jr_object(r, o, "status");
    if (status != NULL) {
        task_status_decode(r, status, &x.status);
    }
    mu_jr_text(r, o, "by", x.containerizer, sizeof(x.containerizer));
    x.pid = mu_jr_int(r, o, "pid");
    x.wall_ms = mu_jr_int(r, o, "time");
    x.has_grace = json_object_get(o, "grace") != NULL;
    x.grace_ms = mu_jr_uint(r, o, "grace", INT64_MAX);
    x.epoch = mu_jr_uint(r, o, "epoch", INT64_MAX);
    x.sandbox = mu_jr_strdup(r, o, "sandbox");
    if (x.type == 0) {
        mu_jr_fail(r, "rec", "a record type was expected");
    } else if (x.type == AGENT_REC_TASK && x.task == NULL) {
        mu_jr_fail(r, "task", "this record needs it");
    }
    if (r->status < 0) {
        agent_record_release(&x);
        return r->status;
    }
    *out = x;
    return 0;
}
