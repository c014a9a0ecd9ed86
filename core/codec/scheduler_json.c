/* See scheduler_json.h. */
#include "codec/scheduler_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "codec/app_json.h"

void scheduler_record_key(const struct scheduler_record *rec, struct mu_buf *out)
{
    switch ((enum scheduler_record_kind)rec->kind) {
    case SCHED_REC_FRAMEWORK:
        mu_buf_puts(out, "framework");
        return;
    case SCHED_REC_APP:
        mu_buf_printf(out, "apps%s", rec->app->id);
        return;
    case SCHED_REC_VERSION:
        mu_buf_printf(out, "versions%s/%020" PRId64, rec->app->id, rec->app->version_ms);
        return;
    case SCHED_REC_DEPLOYMENT:
        mu_buf_printf(out, "deployments/%s", rec->deployment->id.s);
        return;
    case SCHED_REC_TASK:
        mu_buf_printf(out, "tasks/%s", rec->task->id.s);
        return;
    case SCHED_REC_FAILURE:
        mu_buf_printf(out, "failures%s", rec->failure->app_id);
        return;
    case SCHED_REC_DELAY:
        mu_buf_printf(out, "delays%s", rec->delay->app_id);
        return;
    }
    MU_NEVER("scheduler record of an unknown kind");
}

static void task_encode(struct mu_jw *w, const struct scheduler_task_record *t)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", t->id.s);
    mu_jw_kv_string(w, "app", t->app_id);
    mu_jw_kv_int(w, "version", t->version_ms);
    mu_jw_kv_int(w, "staged", t->staged_ms);
    mu_jw_kv_int(w, "started", t->started_ms);
    mu_jw_opt_string(w, "agent", t->agent_id.s);
    mu_jw_opt_text(w, "host", t->host);
    mu_jw_opt_string(w, "ip", t->ip);
    mu_jw_kv_int(w, "state", t->state);
    mu_jw_opt_true(w, "killing", t->killing);
    mu_jw_key(w, "ports");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < t->port_count; i++) {
        mu_jw_int(w, t->ports[i]);
    }
    mu_jw_array_end(w);
    mu_jw_key(w, "attrs");
    mu_pairs_encode(w, &t->attributes);
    mu_jw_object_end(w);
}

static struct scheduler_task_record *task_decode(struct mu_jr *r, const json_t *o)
{
    struct scheduler_task_record *t = mu_xcalloc(1, sizeof(*t));
    MU_JR_ID(r, o, "id", &t->id);
    t->app_id = mu_jr_strdup(r, o, "app");
    t->version_ms = mu_jr_int(r, o, "version");
    t->staged_ms = mu_jr_int(r, o, "staged");
    t->started_ms = mu_jr_int(r, o, "started");
    MU_JR_ID(r, o, "agent", &t->agent_id);
    t->host = mu_jr_strdup(r, o, "host");
    mu_jr_text(r, o, "ip", t->ip, sizeof(t->ip));
    t->state = (uint32_t)mu_jr_uint(r, o, "state", MU_TASK_STATE_COUNT - 1);
    t->killing = mu_jr_bool(r, o, "killing");
    json_t *ports = mu_jr_array(r, o, "ports");
    t->port_count = json_array_size(ports);
    if (t->port_count > 0) {
        t->ports = mu_xcalloc(t->port_count, sizeof(*t->ports));
    }
    for (size_t i = 0; i < t->port_count; i++) {
        json_int_t p = json_integer_value(json_array_get(ports, i));
        if (p < 0 || p > UINT16_MAX) {
            mu_jr_fail(r, "ports", "a port number was expected");
            break;
        }
        t->ports[i] = (uint16_t)p;
    }
    mu_pairs_decode(r, o, "attrs", &t->attributes);
    if (MU_ID_EMPTY(t->id) || t->app_id == NULL) {
        mu_jr_fail(r, "id", "a task record needs a task and an app");
    }
    return t;
}

/* A definition by its version, which has a record of its own: a change of thousands of
 * apps must fit into one value. Records of before hold it themselves. */
static void
definition_encode(struct mu_jw *w, const char *key, const struct mu_app *app, int64_t ms)
{
    if (app != NULL) {
        mu_jw_key(w, key);
        app_encode(w, app);
    } else if (ms != 0) {
        mu_jw_kv_int(w, key, ms);
    }
}

static void deployment_encode(struct mu_jw *w,
                              const struct scheduler_deployment_record *d)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", d->id.s);
    mu_jw_kv_int(w, "version", d->version_ms);
    mu_jw_key(w, "changes");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < d->change_count; i++) {
        const struct scheduler_change *c = &d->changes[i];
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "app", c->app_id);
        mu_jw_opt_true(w, "restart", c->restart);
        definition_encode(w, "from", c->from, c->from_ms);
        definition_encode(w, "to", c->to, c->to_ms);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_key(w, "victims");
    mu_strings_encode(w, &d->victims);
    mu_jw_object_end(w);
}

static void definition_decode(struct mu_jr *r,
                              const json_t *e,
                              const char *key,
                              const struct mu_app **out_app,
                              int64_t *out_ms)
{
    if (json_is_integer(json_object_get(e, key))) {
        *out_ms = mu_jr_int(r, e, key);
        return;
    }
    json_t *app = mu_jr_object(r, e, key);
    *out_app = app == NULL ? NULL : app_decode(r, app);
}

static void change_decode(struct mu_jr *r, const json_t *e, struct scheduler_change *c)
{
    c->app_id = mu_jr_strdup(r, e, "app");
    c->restart = mu_jr_bool(r, e, "restart");
    definition_decode(r, e, "from", &c->from, &c->from_ms);
    definition_decode(r, e, "to", &c->to, &c->to_ms);
    if (c->app_id == NULL) {
        mu_jr_fail(r, "app", "a change needs one");
    }
}

static struct scheduler_deployment_record *deployment_decode(struct mu_jr *r,
                                                             const json_t *o)
{
    struct scheduler_deployment_record *d = mu_xcalloc(1, sizeof(*d));
    MU_JR_ID(r, o, "id", &d->id);
    d->version_ms = mu_jr_int(r, o, "version");
    json_t *changes = mu_jr_array(r, o, "changes");
    d->change_count = json_array_size(changes);
    if (d->change_count > 0) {
        d->changes = mu_xcalloc(d->change_count, sizeof(*d->changes));
    }
    for (size_t i = 0; i < d->change_count; i++) {
        change_decode(r, json_array_get(changes, i), &d->changes[i]);
    }
    mu_strings_decode(r, o, "victims", &d->victims);
    return d;
}

static void failure_encode(struct mu_jw *w, const struct scheduler_failure_record *f)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "app", f->app_id);
    mu_jw_opt_text(w, "task", f->task_id);
    mu_jw_opt_text(w, "host", f->host);
    mu_jw_opt_text(w, "message", f->message);
    mu_jw_opt_string(w, "agent", f->agent_id.s);
    mu_jw_kv_int(w, "state", f->state);
    mu_jw_kv_int(w, "time", f->wall_ms);
    mu_jw_kv_int(w, "version", f->version_ms);
    mu_jw_object_end(w);
}

static struct scheduler_failure_record *failure_decode(struct mu_jr *r, const json_t *o)
{
    struct scheduler_failure_record *f = mu_xcalloc(1, sizeof(*f));
    f->app_id = mu_jr_strdup(r, o, "app");
    f->task_id = mu_jr_strdup(r, o, "task");
    f->host = mu_jr_strdup(r, o, "host");
    f->message = mu_jr_strdup(r, o, "message");
    MU_JR_ID(r, o, "agent", &f->agent_id);
    f->state = (uint32_t)mu_jr_uint(r, o, "state", MU_TASK_STATE_COUNT - 1);
    f->wall_ms = mu_jr_int(r, o, "time");
    f->version_ms = mu_jr_int(r, o, "version");
    if (f->app_id == NULL) {
        mu_jr_fail(r, "app", "a failure needs one");
    }
    return f;
}

static void delay_encode(struct mu_jw *w, const struct scheduler_delay_record *d)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "app", d->app_id);
    mu_jw_kv_int(w, "config", d->config_ms);
    mu_jw_kv_int(w, "failed", d->failed_ms);
    mu_jw_opt_uint(w, "delay", d->delay_ms);
    mu_jw_object_end(w);
}

static struct scheduler_delay_record *delay_decode(struct mu_jr *r, const json_t *o)
{
    struct scheduler_delay_record *d = mu_xcalloc(1, sizeof(*d));
    d->app_id = mu_jr_strdup(r, o, "app");
    d->config_ms = mu_jr_int(r, o, "config");
    d->failed_ms = mu_jr_int(r, o, "failed");
    d->delay_ms = mu_jr_uint(r, o, "delay", INT64_MAX);
    if (d->app_id == NULL) {
        mu_jr_fail(r, "app", "a delay needs one");
    }
    return d;
}

void scheduler_record_encode(struct mu_buf *out, const struct scheduler_record *rec)
{
    struct mu_jw jw, *w = &jw;
    mu_jw_init(w, out);
    switch ((enum scheduler_record_kind)rec->kind) {
    case SCHED_REC_FRAMEWORK:
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "id", rec->framework_id.s);
        mu_jw_object_end(w);
        return;
    case SCHED_REC_APP:
    case SCHED_REC_VERSION:
        app_encode(w, rec->app);
        return;
    case SCHED_REC_DEPLOYMENT:
        deployment_encode(w, rec->deployment);
        return;
    case SCHED_REC_TASK:
        task_encode(w, rec->task);
        return;
    case SCHED_REC_FAILURE:
        failure_encode(w, rec->failure);
        return;
    case SCHED_REC_DELAY:
        delay_encode(w, rec->delay);
        return;
    }
    MU_NEVER("scheduler record of an unknown kind");
}

static uint32_t kind_of_key(const char *key)
{
    static const struct {
        const char *prefix;
        uint32_t kind;
    } kinds[] = {
        {"framework", SCHED_REC_FRAMEWORK}, {"apps/", SCHED_REC_APP},
        {"versions/", SCHED_REC_VERSION},   {"deployments/", SCHED_REC_DEPLOYMENT},
        {"tasks/", SCHED_REC_TASK},         {"failures/", SCHED_REC_FAILURE},
        {"delays/", SCHED_REC_DELAY},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(key, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            return kinds[i].kind;
        }
    }
    return 0;
}

int scheduler_record_decode(const char *key,
                            const void *data,
                            size_t len,
                            struct scheduler_record *out,
                            struct mu_error *err)
{
    struct scheduler_record rec = {.kind = kind_of_key(key)};
    if (rec.kind == 0) {
        return mu_fail(err, MU_E_INVALID,
                       "registry key '%s' is none of the app scheduler's", key);
    }
    struct mu_jr reader = {.err = err}, *r = &reader;
    json_auto_t *o = mu_jr_load(r, data, len, MU_REGISTRY_VALUE_MAX);
    if (o == NULL) {
        return mu_wrap(err, r->status, "registry key '%s'", key);
    }
    switch ((enum scheduler_record_kind)rec.kind) {
    case SCHED_REC_FRAMEWORK:
        MU_JR_ID(r, o, "id", &rec.framework_id);
        break;
    case SCHED_REC_APP:
    case SCHED_REC_VERSION:
        rec.app = app_decode(r, o);
        break;
    case SCHED_REC_DEPLOYMENT:
        rec.deployment = deployment_decode(r, o);
        break;
    case SCHED_REC_TASK:
        rec.task = task_decode(r, o);
        break;
    case SCHED_REC_FAILURE:
        rec.failure = failure_decode(r, o);
        break;
    case SCHED_REC_DELAY:
        rec.delay = delay_decode(r, o);
        break;
    }
    if (r->status < 0) {
        scheduler_record_release(&rec);
        return mu_wrap(err, r->status, "registry key '%s'", key);
    }
    *out = rec;
    return 0;
}
