/* See scheduler_run.h.
 *
 * Inputs belong to the reign in which they came: what is left of one that has ended is
 * dropped, and its commands are answered so.
 */
#include "runtime/scheduler_run.h"

#include <errno.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/scheduler_json.h"
#include "runtime/store.h"

/* What waits to be stepped: a message of the master's, a command, a change of the link.
 */
struct input {
    uint32_t type;
    uint64_t token;
    struct mu_msg msg;
    struct mu_command_request command; /* deep copy */
};

/* A command that has not been answered. */
struct waiting {
    uint64_t token;
    mu_command_cb cb;
    void *arg;
};

struct mu_watch {
    struct scheduler_run *run;
    struct mu_list node;
    mu_event_cb cb; /* NULL: unwatched while events go out */
    void *arg;
};

struct scheduler_run {
    struct scheduler_run_config cfg;
    const struct mu_host *host;
    struct scheduler *machine;
    struct rt_store *store;
    MU_VEC(struct input) inputs;
    MU_VEC(struct waiting) waiting;
    struct mu_list watches;
    struct mu_timer *turn, *deadline;
    uint64_t last_token, reign; /* reign: how many have ended */
    size_t publishing;          /* depth: unwatch only marks while > 0 */
    bool stepping, leading, stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

static void step(struct scheduler_run *r, struct scheduler_event *ev);

static struct mu_now now(const struct scheduler_run *r)
{
    return (struct mu_now){r->host->now_ms(r->host), r->host->wall_ms(r->host)};
}

/* ---- commands: deep copies, since they wait for their turn ---- */

static void command_copy(struct mu_command_request *dst,
                         const struct mu_command_request *src)
{
    *dst = *src;
    const struct mu_app **apps = mu_xcalloc(src->app_count + 1, sizeof(*apps));
    for (size_t i = 0; i < src->app_count; i++) {
        apps[i] = mu_app_ref(src->apps[i]);
    }
    char **ids = mu_xcalloc(src->id_count + 1, sizeof(*ids));
    for (size_t i = 0; i < src->id_count; i++) {
        ids[i] = mu_xstrdup(src->ids[i]);
    }
    dst->apps = apps;
    dst->ids = (const char *const *)ids;
    dst->client_ip = mu_xstrdup(src->client_ip);
    dst->uri = mu_xstrdup(src->uri);
}

static void free_const(const void *p)
{
    void *q;
    memcpy(&q, &p, sizeof(q)); /* ours to free although published as const */
    free(q);
}

static void command_release(struct mu_command_request *c)
{
    for (size_t i = 0; i < c->app_count; i++) {
        mu_app_unref(c->apps[i]);
    }
    for (size_t i = 0; i < c->id_count; i++) {
        free_const(c->ids[i]);
    }
    free_const(c->apps);
    free_const(c->ids);
    free_const(c->client_ip);
    free_const(c->uri);
}

static void
reply(struct scheduler_run *r, uint64_t token, const struct mu_command_result *result)
{
    for (size_t i = 0; i < r->waiting.count; i++) {
        struct waiting w = r->waiting.v[i];
        if (w.token == token) {
            MU_VEC_REMOVE(&r->waiting, i);
            w.cb(w.arg, result);
            return;
        }
    }
}

static const char lost_text[] =
    "leadership was lost; whether the change was stored is not known";

static void reply_lost(struct scheduler_run *r, uint64_t token)
{
    const struct mu_command_result lost = {
        .struct_size = sizeof(lost), .status = MU_E_NOT_LEADER, .text = lost_text};
    reply(r, token, &lost);
}

static void reply_effect(struct scheduler_run *r, const struct scheduler_effect *fx)
{
    const struct scheduler_reply *rep = &fx->reply;
    struct mu_command_result result = {
        .struct_size = sizeof(result),
        .status = rep->status,
        .text = rep->text == NULL ? "" : rep->text,
        .path = rep->path,
        .version_ms = rep->version_ms,
        .deployment_id = rep->deployment_id.s[0] == '\0' ? NULL : rep->deployment_id.s,
        .conflicts = (const char *const *)rep->conflicts.v,
        .conflict_count = rep->conflicts.count,
        .apps = rep->apps,
        .app_count = rep->app_count,
    };
    reply(r, fx->token, &result);
}

/* ---- effects ---- */

static void publish(struct scheduler_run *r, const struct mu_event *ev)
{
    r->publishing++;
    mu_list_foreach (node, &r->watches) {
        struct mu_watch *w = mu_list_entry(node, struct mu_watch, node);
        if (w->cb != NULL) {
            w->cb(w->arg, ev);
        }
    }
    r->publishing--;
    if (r->publishing > 0) {
        return;
    }
    mu_list_foreach_safe (node, &r->watches) {
        struct mu_watch *w = mu_list_entry(node, struct mu_watch, node);
        if (w->cb == NULL) {
            mu_list_remove(&w->node);
            free(w);
        }
    }
}

static void commit(struct scheduler_run *r, const struct scheduler_effect *fx)
{
    struct mu_registry_op *ops = mu_xcalloc(fx->record_count + 1, sizeof(*ops));
    struct mu_buf *bufs = mu_xcalloc(2 * fx->record_count + 1, sizeof(*bufs));
    for (size_t i = 0; i < fx->record_count; i++) {
        struct mu_buf *key = &bufs[2 * i], *value = &bufs[2 * i + 1];
        mu_buf_init(key, 4096);
        mu_buf_init(value, 4 * MU_REGISTRY_VALUE_MAX); /* the registry refuses what is
                                                          over its own limit, by name */
        scheduler_record_key(&fx->records[i], key);
        ops[i].key = mu_buf_str(key);
        if (!fx->records[i].remove) {
            scheduler_record_encode(value, &fx->records[i]);
            ops[i].value = mu_buf_str(value);
            ops[i].value_len = value->len;
        }
    }
    rt_store_commit(r->store, ops, fx->record_count, fx->token);
    for (size_t i = 0; i < 2 * fx->record_count; i++) {
        mu_buf_release(&bufs[i]);
    }
    free(bufs);
    free(ops);
}

static void apply(struct scheduler_run *r, struct scheduler_effect *fx)
{
    switch ((enum scheduler_effect_type)fx->type) {
    case SCHED_FX_LOAD:
        rt_store_recover(r->store, fx->epoch);
        break;
    case SCHED_FX_COMMIT:
        commit(r, fx);
        break;
    case SCHED_FX_SEND:
        r->cfg.send(r->cfg.arg, &fx->msg);
        break;
    case SCHED_FX_REPLY:
        reply_effect(r, fx);
        break;
    case SCHED_FX_EVENT:
        publish(r, &fx->event);
        break;
    case SCHED_FX_ABDICATE:
        r->cfg.abdicate(r->cfg.arg);
        break;
    case SCHED_FX_LOG:
        r->host->log(r->host, fx->level, "app scheduler", "what=%s", fx->text);
        break;
    }
}

static void on_deadline(void *arg)
{
    struct scheduler_run *r = arg;
    r->deadline = NULL;
    struct scheduler_event ev = {.type = SCHED_EV_TICK};
    step(r, &ev);
}

static void arm(struct scheduler_run *r)
{
    r->host->timer_cancel(r->host, r->deadline);
    r->deadline = NULL;
    uint64_t at = scheduler_deadline_ms(r->machine);
    uint64_t t = r->host->now_ms(r->host);
    if (at != MU_NEVER_MS && !r->stopping) {
        r->deadline = r->host->timer_start(r->host, at > t ? at - t : 0, on_deadline, r);
    }
}

/* What is left of effects when the leadership is not certain any more: nothing is sent or
 * stored, so nobody is told that it was done. */
static void apply_lost(struct scheduler_run *r, struct scheduler_effect *fx)
{
    if (fx->type == SCHED_FX_REPLY) {
        reply_lost(r, fx->token);
    } else if (fx->type == SCHED_FX_LOG) {
        apply(r, fx);
    }
}

static void step(struct scheduler_run *r, struct scheduler_event *ev)
{
    MU_PRE(!r->stepping);
    r->stepping = true;
    ev->now = now(r);
    struct scheduler_effects fx = {0};
    scheduler_step(r->machine, ev, &fx);
    bool is_lost = r->leading && fx.count > 0 && !r->cfg.may_act(r->cfg.arg);
    for (size_t i = 0; i < fx.count; i++) {
        if (is_lost) {
            apply_lost(r, &fx.v[i]);
        } else {
            apply(r, &fx.v[i]);
        }
    }
    scheduler_effects_release(&fx);
    free(fx.v);
    r->stepping = false;
    arm(r);
    if (is_lost) {
        r->cfg.lost(r->cfg.arg);
    }
}

/* ---- inputs ---- */

static void input_release(struct input *in)
{
    mu_msg_release(&in->msg);
    if (in->type == SCHED_EV_COMMAND) {
        command_release(&in->command);
    }
}

static void take_inputs(struct scheduler_run *r)
{
    struct input *batch = r->inputs.v;
    size_t count = r->inputs.count;
    uint64_t reign = r->reign;
    r->inputs.v = NULL;
    r->inputs.count = r->inputs.cap = 0;
    for (size_t i = 0; i < count; i++) {
        struct input *in = &batch[i];
        struct scheduler_event ev = {.type = in->type,
                                     .token = in->token,
                                     .msg = &in->msg,
                                     .command = &in->command};
        if (r->leading && r->reign == reign) { /* any step may end it */
            step(r, &ev);
        } else if (in->type == SCHED_EV_COMMAND) {
            reply_lost(r, in->token);
        }
        input_release(in);
    }
    free(batch);
}

static void on_turn(void *arg)
{
    struct scheduler_run *r = arg;
    r->turn = NULL;
    take_inputs(r);
}

static struct input *queue(struct scheduler_run *r, uint32_t type)
{
    MU_VEC_PUSH_ZERO(&r->inputs);
    struct input *in = &r->inputs.v[r->inputs.count - 1];
    in->type = type;
    if (r->turn == NULL) {
        r->turn = r->host->timer_start(r->host, 0, on_turn, r);
    }
    return in;
}

/* ---- the registry's answers ---- */

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct scheduler_run *r = arg;
    struct scheduler_record rec;
    struct mu_error err;
    if (scheduler_record_decode(key, value, len, &rec, &err) < 0) {
        r->host->log(r->host, MU_ERROR, "app scheduler: registry entry left out",
                     "error=%s", err.text);
        return;
    }
    struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = &rec};
    step(r, &ev);
    scheduler_record_release(&rec);
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct scheduler_run *r = arg;
    struct scheduler_event ev = {.type = SCHED_EV_LOADED, .status = status, .text = text};
    step(r, &ev);
    if (status == MU_E_FENCED || rt_store_is_away(status)) {
        r->host->log(r->host, MU_WARN,
                     "the apps cannot be read now: standing for election again",
                     "error=%s", text);
        r->cfg.abdicate(r->cfg.arg);
    } else if (status < 0) {
        r->cfg.failed(r->cfg.arg, text);
    }
}

static void on_committed(void *arg, uint64_t token, int status, const char *text)
{
    struct scheduler_run *r = arg;
    struct scheduler_event ev = {
        .type = SCHED_EV_COMMITTED, .token = token, .status = status, .text = text};
    step(r, &ev);
}

static void on_fenced(void *arg)
{
    struct scheduler_run *r = arg;
    r->host->log(r->host, MU_WARN,
                 "app scheduler: the registry takes no more changes from this master",
                 NULL);
    r->cfg.abdicate(r->cfg.arg);
}

static const struct rt_store_events store_events = {on_entry, on_recovered, on_committed,
                                                    on_fenced};

/* ---- life ---- */

struct scheduler_run *scheduler_run_create(const struct scheduler_run_config *cfg)
{
    struct scheduler_run *r = MU_NEW(struct scheduler_run);
    r->cfg = *cfg;
    r->host = cfg->host;
    r->machine = scheduler_create(cfg->machine);
    r->store = rt_store_create(cfg->host, cfg->registry, cfg->registry_instance, "apps",
                               &store_events, r);
    mu_list_init(&r->watches);
    return r;
}

void scheduler_run_lead(struct scheduler_run *r, uint64_t epoch)
{
    r->leading = true;
    struct scheduler_event ev = {.type = SCHED_EV_START, .epoch = epoch};
    step(r, &ev);
}

void scheduler_run_follow(struct scheduler_run *r)
{
    if (!r->leading) {
        return;
    }
    r->leading = false;
    r->reign++;
    rt_store_drop(r->store);
    struct scheduler_event ev = {.type = SCHED_EV_STOP};
    step(r, &ev);
    take_inputs(r); /* their commands' turn must not come in another reign */
}

void scheduler_run_connected(struct scheduler_run *r, bool connected)
{
    queue(r, connected ? SCHED_EV_CONNECTED : SCHED_EV_DISCONNECTED);
}

void scheduler_run_receive(struct scheduler_run *r, const struct mu_msg *msg)
{
    mu_msg_copy(&queue(r, SCHED_EV_MESSAGE)->msg, msg);
}

static void on_store_stopped(void *arg)
{
    struct scheduler_run *r = arg;
    r->stopped_cb(r->stopped_arg);
}

void scheduler_run_stop(struct scheduler_run *r, mu_cb cb, void *arg)
{
    scheduler_run_follow(r); /* answers every command */
    r->stopping = true;
    r->stopped_cb = cb;
    r->stopped_arg = arg;
    r->host->timer_cancel(r->host, r->deadline);
    r->host->timer_cancel(r->host, r->turn);
    r->deadline = r->turn = NULL;
    while (r->waiting.count > 0) {
        reply_lost(r, r->waiting.v[0].token);
    }
    rt_store_stop(r->store, on_store_stopped, r);
}

void scheduler_run_destroy(struct scheduler_run *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->inputs.count; i++) {
        input_release(&r->inputs.v[i]);
    }
    free(r->inputs.v);
    free(r->waiting.v);
    mu_list_foreach_safe (node, &r->watches) {
        free(mu_list_entry(node, struct mu_watch, node));
    }
    scheduler_destroy(r->machine);
    rt_store_destroy(r->store);
    free(r);
}

/* ---- the three calls of an api plugin ---- */

int scheduler_run_submit(struct scheduler_run *r,
                         const struct mu_command_request *cmd,
                         mu_command_cb cb,
                         void *arg,
                         struct mu_error *err)
{
    if (!r->leading || r->stopping) {
        return mu_fail(err, MU_E_NOT_LEADER, "this master does not lead");
    }
    struct waiting w = {.token = ++r->last_token, .cb = cb, .arg = arg};
    MU_VEC_PUSH(&r->waiting, w);
    struct input *in = queue(r, SCHED_EV_COMMAND);
    in->token = w.token;
    command_copy(&in->command, cmd);
    return 0;
}

int scheduler_run_query(
    struct scheduler_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    if (!r->leading) {
        return MU_E_NOT_LEADER;
    }
    struct mu_now t = now(r);
    return scheduler_query(r->machine, &t, type, key, cb, arg);
}

struct mu_watch *scheduler_run_watch(struct scheduler_run *r, mu_event_cb cb, void *arg)
{
    struct mu_watch *w = MU_NEW(struct mu_watch);
    w->run = r;
    w->cb = cb;
    w->arg = arg;
    mu_list_append(&r->watches, &w->node);
    return w;
}

void scheduler_run_unwatch(struct mu_watch *w)
{
    if (w == NULL) {
        return;
    }
    if (w->run->publishing > 0) {
        w->cb = NULL;
        return;
    }
    mu_list_remove(&w->node);
    free(w);
}

void scheduler_run_metrics(struct scheduler_run *r,
                           void (*cb)(void *arg, const char *name, double value),
                           void *arg)
{
    scheduler_metrics(r->machine, cb, arg);
}
