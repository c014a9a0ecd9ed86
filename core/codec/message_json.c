/* See message_json.h. Members that a type does not use are zero and left out; the decoder
 * takes any subset. */
#include "codec/message_json.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "codec/task_json.h"

void framework_info_encode(struct mu_jw *w, const struct mu_framework_info *f)
{
    mu_jw_object_begin(w);
    mu_jw_opt_string(w, "id", f->id.s);
    mu_jw_opt_text(w, "name", f->name);
    mu_jw_opt_text(w, "user", f->user);
    mu_jw_opt_text(w, "role", f->role);
    mu_jw_opt_text(w, "hostname", f->hostname);
    mu_jw_opt_text(w, "principal", f->principal);
    mu_jw_opt_text(w, "webui", f->webui_url);
    mu_jw_opt_uint(w, "failover", f->failover_timeout_ms);
    mu_jw_opt_true(w, "checkpoint", f->checkpoint);
    mu_jw_opt_uint(w, "caps", f->capabilities);
    mu_jw_object_end(w);
}

void framework_info_decode(struct mu_jr *r,
                           const json_t *o,
                           struct mu_framework_info *out)
{
    *out = (struct mu_framework_info){0};
    MU_JR_ID(r, o, "id", &out->id);
    out->name = mu_jr_strdup(r, o, "name");
    out->user = mu_jr_strdup(r, o, "user");
    out->role = mu_jr_strdup(r, o, "role");
    out->hostname = mu_jr_strdup(r, o, "hostname");
    out->principal = mu_jr_strdup(r, o, "principal");
    out->webui_url = mu_jr_strdup(r, o, "webui");
    out->failover_timeout_ms = mu_jr_uint(r, o, "failover", INT64_MAX);
    out->checkpoint = mu_jr_bool(r, o, "checkpoint");
    out->capabilities = (uint32_t)mu_jr_uint(r, o, "caps", UINT32_MAX);
}

void agent_info_encode(struct mu_jw *w, const struct mu_agent_info *a)
{
    mu_jw_object_begin(w);
    mu_jw_opt_string(w, "id", a->id.s);
    mu_jw_opt_text(w, "hostname", a->hostname);
    mu_jw_opt_text(w, "ip", a->ip);
    mu_jw_opt_text(w, "version", a->version);
    mu_jw_opt_uint(w, "port", a->port);
    mu_jw_key(w, "res");
    mu_resources_encode(w, &a->resources);
    if (a->attributes.count > 0) {
        mu_jw_key(w, "attrs");
        mu_pairs_encode(w, &a->attributes);
    }
    mu_jw_object_end(w);
}

void agent_info_decode(struct mu_jr *r, const json_t *o, struct mu_agent_info *out)
{
    *out = (struct mu_agent_info){0};
    MU_JR_ID(r, o, "id", &out->id);
    out->hostname = mu_jr_strdup(r, o, "hostname");
    out->ip = mu_jr_strdup(r, o, "ip");
    out->version = mu_jr_strdup(r, o, "version");
    out->port = (uint32_t)mu_jr_uint(r, o, "port", UINT16_MAX);
    mu_resources_decode(r, o, "res", &out->resources);
    mu_pairs_decode(r, o, "attrs", &out->attributes);
}

static void offer_encode(struct mu_jw *w, const struct mu_offer *o)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", o->id.s);
    mu_jw_opt_string(w, "fw", o->framework_id.s);
    mu_jw_kv_string(w, "agent", o->agent_id.s);
    mu_jw_opt_text(w, "hostname", o->hostname);
    mu_jw_opt_text(w, "ip", o->ip);
    mu_jw_opt_uint(w, "port", o->port);
    mu_jw_key(w, "res");
    mu_resources_encode(w, &o->resources);
    if (o->attributes.count > 0) {
        mu_jw_key(w, "attrs");
        mu_pairs_encode(w, &o->attributes);
    }
    mu_jw_object_end(w);
}

static void offer_decode(struct mu_jr *r, const json_t *o, struct mu_offer *out)
{
    *out = (struct mu_offer){0};
    MU_JR_ID(r, o, "id", &out->id);
    MU_JR_ID(r, o, "fw", &out->framework_id);
    MU_JR_ID(r, o, "agent", &out->agent_id);
    out->hostname = mu_jr_strdup(r, o, "hostname");
    out->ip = mu_jr_strdup(r, o, "ip");
    out->port = (uint32_t)mu_jr_uint(r, o, "port", UINT16_MAX);
    mu_resources_decode(r, o, "res", &out->resources);
    mu_pairs_decode(r, o, "attrs", &out->attributes);
}

static void record_encode(struct mu_jw *w, const struct mu_task_record *x)
{
    mu_jw_object_begin(w);
    mu_jw_key(w, "info");
    task_info_encode(w, x->info);
    mu_jw_kv_int(w, "state", x->state);
    mu_jw_key(w, "status");
    task_status_encode(w, &x->status);
    mu_jw_opt_true(w, "acked", x->terminal_acknowledged);
    mu_jw_object_end(w);
}

static void lists_encode(struct mu_jw *w, const struct mu_msg *m)
{
    if (m->offer_id_count > 0) {
        mu_jw_key(w, "offer_ids");
        mu_jw_array_begin(w);
        for (size_t i = 0; i < m->offer_id_count; i++) {
            mu_jw_string(w, m->offer_ids[i].s);
        }
        mu_jw_array_end(w);
    }
/* One list member: its name, its array and count in the message, and the call that writes
 * an element. */
#define LIST(key, count, call)                                                           \
    if (m->count > 0) {                                                                  \
        mu_jw_key(w, key);                                                               \
        mu_jw_array_begin(w);                                                            \
        for (size_t i = 0; i < m->count; i++) {                                          \
            call;                                                                        \
        }                                                                                \
        mu_jw_array_end(w);                                                              \
    }
    LIST("offers", offer_count, offer_encode(w, &m->offers[i]))
    LIST("tasks", task_count, task_info_encode(w, m->tasks[i]))
    LIST("statuses", status_count, task_status_encode(w, &m->statuses[i]))
    LIST("records", record_count, record_encode(w, &m->records[i]))
    LIST("frameworks", framework_count, framework_info_encode(w, &m->frameworks[i]))
#undef LIST
}

void message_encode(struct mu_buf *out, const struct mu_msg *m)
{
    struct mu_jw jw, *w = &jw;
    mu_jw_init(w, out);
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "type", mu_msg_type_name((enum mu_msg_type)m->type));
    mu_jw_opt_string(w, "fw", m->framework_id.s);
    mu_jw_opt_string(w, "agent_id", m->agent_id.s);
    mu_jw_opt_string(w, "task_id", m->task_id.s);
    mu_jw_opt_string(w, "uuid", m->uuid.s);
    mu_jw_opt_uint(w, "refuse", m->refuse_ms);
    mu_jw_opt_uint(w, "heartbeat", m->heartbeat_ms);
    mu_jw_opt_uint(w, "epoch", m->epoch);
    if (m->has_grace) {
        mu_jw_key(w, "grace");
        mu_jw_uint(w, m->grace_ms);
    }
    mu_jw_opt_uint(w, "latest", m->latest_state);
    mu_jw_opt_text(w, "text", m->text);
    if (m->framework != NULL) {
        mu_jw_key(w, "framework");
        framework_info_encode(w, m->framework);
    }
    if (m->agent != NULL) {
        mu_jw_key(w, "agent");
        agent_info_encode(w, m->agent);
    }
    lists_encode(w, m);
    mu_jw_object_end(w);
}

static void offer_ids_decode(struct mu_jr *r, const json_t *o, struct mu_msg *m)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, "offer_ids"), i, e) {
        struct mu_offer_id id;
        if (!json_is_string(e) ||
            MU_ID_SET(&id, "offer id", json_string_value(e), r->err) < 0) {
            mu_jr_fail(r, "offer_ids", "a list of offer ids was expected");
            return;
        }
        mu_msg_add_offer_id(m, &id);
    }
}

static void tasks_decode(struct mu_jr *r, const json_t *o, struct mu_msg *m)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, "tasks"), i, e) {
        struct mu_task_info *t = task_info_decode(r, e);
        if (t == NULL) {
            return;
        }
        mu_msg_add_task(m, t);
        mu_task_info_unref(t);
    }
    json_array_foreach (mu_jr_array(r, o, "records"), i, e) {
        struct mu_task_info *t = task_info_decode(r, json_object_get(e, "info"));
        if (t == NULL) {
            return;
        }
        struct mu_task_record rec = {.info = t};
        rec.state = (uint32_t)mu_jr_uint(r, e, "state", MU_TASK_STATE_COUNT - 1);
        task_status_decode(r, json_object_get(e, "status"), &rec.status);
        rec.terminal_acknowledged = mu_jr_bool(r, e, "acked");
        mu_msg_add_record(m, &rec);
        mu_task_info_unref(t);
    }
}

static void infos_decode(struct mu_jr *r, const json_t *o, struct mu_msg *m)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, "offers"), i, e) {
        struct mu_offer x;
        offer_decode(r, e, &x);
        mu_msg_add_offer(m, &x);
        mu_offer_release(&x);
    }
    json_array_foreach (mu_jr_array(r, o, "statuses"), i, e) {
        struct mu_task_status s;
        task_status_decode(r, e, &s);
        mu_msg_add_status(m, &s);
    }
    json_array_foreach (mu_jr_array(r, o, "frameworks"), i, e) {
        struct mu_framework_info f;
        framework_info_decode(r, e, &f);
        mu_msg_add_framework(m, &f);
        mu_framework_info_release(&f);
    }
    json_t *framework = mu_jr_object(r, o, "framework");
    if (framework != NULL) {
        m->framework = mu_xcalloc(1, sizeof(*m->framework));
        framework_info_decode(r, framework, m->framework);
    }
    json_t *agent = mu_jr_object(r, o, "agent");
    if (agent != NULL) {
        m->agent = mu_xcalloc(1, sizeof(*m->agent));
        agent_info_decode(r, agent, m->agent);
    }
}

/* The members without which a type means nothing; so that no machine has to test for
 * them. */
static void require_members(struct mu_jr *r, const struct mu_msg *m)
{
    static const struct {
        uint32_t type;
        const char *member;
        size_t offset; /* of a pointer that must not be NULL */
    } required[] = {
        {MU_MSG_SUBSCRIBE, "framework", offsetof(struct mu_msg, framework)},
        {MU_MSG_REGISTER, "agent", offsetof(struct mu_msg, agent)},
        {MU_MSG_REREGISTER, "agent", offsetof(struct mu_msg, agent)},
        {MU_MSG_UPDATE, "statuses", offsetof(struct mu_msg, statuses)},
        {MU_MSG_STATUS_UPDATE, "statuses", offsetof(struct mu_msg, statuses)},
        {MU_MSG_RUN_TASK, "tasks", offsetof(struct mu_msg, tasks)},
        {MU_MSG_RUN_TASK, "frameworks", offsetof(struct mu_msg, frameworks)},
    };
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        void *const *member =
            (void *const *)(const void *)((const char *)m + required[i].offset);
        if (m->type == required[i].type && *member == NULL) {
            mu_jr_fail(r, required[i].member, "this type of message needs it");
        }
    }
}

int message_decode(const void *data, size_t len, struct mu_msg *out, struct mu_error *err)
{
    struct mu_jr reader = {.err = err}, *r = &reader;
    json_auto_t *o = mu_jr_load(r, data, len, MU_MESSAGE_MAX);
    if (o == NULL) {
        return r->status;
    }
    const char *name = mu_jr_string(r, o, "type");
    int type = name == NULL ? -1 : mu_msg_type_parse(name);
    if (type < 0) {
        return mu_fail(err, MU_E_INVALID, "message type '%s' is unknown",
                       name == NULL ? "" : name);
    }
    struct mu_msg m;
    mu_msg_init(&m, (enum mu_msg_type)type);
    MU_JR_ID(r, o, "fw", &m.framework_id);
    MU_JR_ID(r, o, "agent_id", &m.agent_id);
    MU_JR_ID(r, o, "task_id", &m.task_id);
    MU_JR_ID(r, o, "uuid", &m.uuid);
    m.refuse_ms = mu_jr_uint(r, o, "refuse", INT64_MAX);
    m.heartbeat_ms = mu_jr_uint(r, o, "heartbeat", INT64_MAX);
    m.epoch = mu_jr_uint(r, o, "epoch", INT64_MAX);
    m.has_grace = json_object_get(o, "grace") != NULL;
    m.grace_ms = mu_jr_uint(r, o, "grace", INT64_MAX);
    m.latest_state = (uint32_t)mu_jr_uint(r, o, "latest", MU_TASK_STATE_COUNT - 1);
    m.text = mu_jr_strdup(r, o, "text");
    offer_ids_decode(r, o, &m);
    tasks_decode(r, o, &m);
    infos_decode(r, o, &m);
    require_members(r, &m);
    if (r->status < 0) {
        mu_msg_release(&m);
        return r->status;
    }
    mu_msg_move(out, &m);
    return 0;
}
