/* See world.h. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "codec/agent_json.h"

static void set(char *out, const char *text)
{
    memcpy(out, text, strlen(text) + 1);
}

static struct happening *happen(struct world *w, enum agent_event_type type)
{
    MU_VEC_PUSH_ZERO(&w->due);
    struct happening *h = &w->due.v[w->due.count - 1];
    h->ev.type = type;
    return h;
}

static struct happening *happen_to(struct world *w,
                                   enum agent_event_type type,
                                   const struct mu_container_id *id,
                                   int status,
                                   const char *text)
{
    struct happening *h = happen(w, type);
    h->id = *id;
    h->ev.status = status;
    (void)snprintf(h->text, sizeof(h->text), "%s", text);
    return h;
}

static struct container *find(struct world *w, const struct mu_container_id *id)
{
    for (size_t i = 0; i < w->containers.count; i++) {
        if (strcmp(w->containers.v[i].id.s, id->s) == 0) {
            return &w->containers.v[i];
        }
    }
    return NULL;
}

void world_message(struct world *w, struct mu_msg *m)
{
    struct happening *h = happen(w, AGENT_EV_MESSAGE);
    h->ev.link = w->link;
    mu_msg_move(&h->msg, m);
}

static void master_takes(struct world *w, const struct mu_msg *m)
{
    if (!w->has_master) {
        return;
    }
    if (m->type == MU_MSG_REGISTER || m->type == MU_MSG_REREGISTER) {
        struct mu_msg answer;
        mu_msg_init(&answer,
                    m->type == MU_MSG_REGISTER ? MU_MSG_REGISTERED : MU_MSG_REREGISTERED);
        set(answer.agent_id.s, m->type == MU_MSG_REGISTER ? "m-S0" : m->agent->id.s);
        answer.heartbeat_ms = 75000;
        answer.epoch = w->epoch;
        w->registrations++;
        world_message(w, &answer);
    } else if (m->type == MU_MSG_STATUS_UPDATE && w->acknowledges &&
               m->statuses[0].uuid.s[0] != '\0') {
        world_ack(w, &m->statuses[0]);
    }
}

void world_ack(struct world *w, const struct mu_task_status *s)
{
    struct mu_msg ack;
    mu_msg_init(&ack, MU_MSG_ACK_UPDATE);
    ack.framework_id = s->framework_id;
    ack.task_id = s->task_id;
    ack.uuid = s->uuid;
    world_message(w, &ack);
}

static void launch(struct world *w, const struct agent_effect *fx)
{
    struct container *c = find(w, &fx->container_id);
    if (c == NULL) {
        MU_VEC_PUSH_ZERO(&w->containers);
        c = &w->containers.v[w->containers.count - 1];
        c->id = fx->container_id;
        c->task = fx->task->id;
        mu_pairs_copy(&c->env, &fx->env);
    }
    if (w->launch_status < 0) {
        happen_to(w, AGENT_EV_LAUNCHED, &fx->container_id, w->launch_status,
                  "no such image");
        return;
    }
    c->starts++;
    c->running = true;
    c->removed = false;
    if (!w->is_slow) {
        struct happening *h = happen_to(w, AGENT_EV_LAUNCHED, &fx->container_id, 0, "");
        h->status = (struct mu_container_status){.struct_size = sizeof(h->status),
                                                 .ip = "172.17.0.2",
                                                 .pid = 4711,
                                                 .detail = ""};
        h->ev.container = &h->status; /* re-pointed when it is taken */
    }
}

void world_exit(struct world *w, struct container *c, int wait_status, bool oom)
{
    c->running = false;
    c->exit = (struct mu_container_exit){.struct_size = sizeof(c->exit),
                                         .has_status = true,
                                         .wait_status = wait_status,
                                         .oom = oom,
                                         .message = "it has ended"};
    if (w->a != NULL) {
        struct happening *h = happen_to(w, AGENT_EV_EXITED, &c->id, 0, "");
        h->exit = c->exit;
    }
}

static void destroy(struct world *w, const struct agent_effect *fx)
{
    struct container *c = find(w, &fx->container_id);
    if (w->destroy_status < 0) {
        happen_to(w, AGENT_EV_DESTROYED, &fx->container_id, w->destroy_status,
                  "device is busy");
        return;
    }
    if (c != NULL && c->running) {
        world_exit(w, c, SIGKILL, false);
    }
    if (c != NULL) {
        c->removed = true;
    }
    happen_to(w, AGENT_EV_DESTROYED, &fx->container_id, 0, "");
}

static void
on_known(void *arg, const char *containerizer, const struct mu_container_known *k)
{
    struct world *w = arg;
    struct container *c = find(w, &k->spec.id);
    struct happening *h = happen_to(w, AGENT_EV_CONTAINER, &k->spec.id, 0, "");
    if (containerizer[0] == '\0') {
        assert_true(
            c == NULL ||
            c->starts ==
                0); /* nothing may be started before its containerizer is durable */
        return;
    }
    if (c != NULL && c->running) {
        h->ev.running = true;
        h->status = (struct mu_container_status){.struct_size = sizeof(h->status),
                                                 .ip = "172.17.0.2",
                                                 .pid = 4711,
                                                 .detail = ""};
    } else if (c != NULL && c->starts > 0) {
        h->exit = c->removed ? (struct mu_container_exit){.struct_size = sizeof(h->exit),
                                                          .message = "forgotten"}
                             : c->exit;
    }
}

/* Whatever runs under the agent's label and was not asked for is destroyed, as every
 * containerizer does. */
static void remove_orphans(struct world *w)
{
    for (size_t i = 0; i < w->containers.count; i++) {
        bool known = false;
        for (size_t k = 0; k < w->due.count; k++) {
            known = known || (w->due.v[k].ev.type == AGENT_EV_CONTAINER &&
                              strcmp(w->due.v[k].id.s, w->containers.v[i].id.s) == 0);
        }
        if (!known) {
            w->containers.v[i].running = false;
            w->containers.v[i].removed = true;
        }
    }
}

static void journalled(struct world *w, uint64_t token)
{
    struct happening *h = happen(w, AGENT_EV_JOURNALLED);
    h->ev.token = token;
    h->ev.status = w->journal_status;
}

static void take_record(void *arg, const struct agent_record *r)
{
    struct world *w = arg;
    MU_VEC_PUSH_ZERO(&w->journal);
    mu_buf_init(&w->journal.v[w->journal.count - 1], MU_JOURNAL_RECORD_MAX);
    agent_record_encode(&w->journal.v[w->journal.count - 1], r);
}

static void compact(struct world *w, uint64_t token)
{
    struct happening *h = happen(w, AGENT_EV_COMPACTED);
    h->ev.token = token;
    h->ev.status = w->journal_status;
    if (w->journal_status < 0) {
        return;
    }
    for (size_t i = 0; i < w->journal.count; i++) {
        mu_buf_release(&w->journal.v[i]);
    }
    w->journal.count = 0;
    agent_snapshot(w->a, take_record, w);
}

static void apply(struct world *w, struct agent_effect *fx)
{
    struct container *c = find(w, &fx->container_id);
    switch ((enum agent_effect_type)fx->type) {
    case AGENT_FX_JOURNAL:
        if (w->journal_status == 0) {
            MU_VEC_PUSH_ZERO(&w->journal);
            struct mu_buf *b = &w->journal.v[w->journal.count - 1];
            mu_buf_init(b, MU_JOURNAL_RECORD_MAX);
            agent_record_encode(b, &fx->record);
        }
        journalled(w, fx->token);
        break;
    case AGENT_FX_SEND:
        assert_int_equal(fx->link, w->link);
        MU_VEC_PUSH_ZERO(&w->sent);
        mu_msg_copy(&w->sent.v[w->sent.count - 1], &fx->msg);
        master_takes(w, &fx->msg);
        break;
    case AGENT_FX_RECONNECT:
        w->reconnects++;
        break;
    case AGENT_FX_RECOVER:
        (void)agent_known(w->a, on_known, w);
        remove_orphans(w);
        happen(w, AGENT_EV_RECOVERED);
        break;
    case AGENT_FX_CHOOSE:
        happen_to(w, AGENT_EV_CHOSEN, &fx->container_id, w->choose_status,
                  w->choose_status < 0 ? "no containerizer takes it" : "mesos");
        break;
    case AGENT_FX_PREPARE:
        if (!w->is_slow_fetch) {
            happen_to(w, AGENT_EV_PREPARED, &fx->container_id, w->prepare_status,
                      w->prepare_status < 0 ? "fetch 'x': no such file" : "");
        }
        break;
    case AGENT_FX_LAUNCH:
        launch(w, fx);
        break;
    case AGENT_FX_SIGNAL:
        assert_int_equal(fx->signal, SIGTERM);
        if (c != NULL && c->running) {
            c->terms++;
            if (!w->ignores_term) {
                world_exit(w, c, SIGTERM, false);
            }
        }
        break;
    case AGENT_FX_DESTROY:
        destroy(w, fx);
        break;
    case AGENT_FX_REMOVE_SANDBOX:
        MU_VEC_PUSH(&w->removed, mu_xstrdup(fx->sandbox));
        break;
    case AGENT_FX_COMPACT:
        w->compactions++;
        compact(w, fx->token);
        break;
    case AGENT_FX_SHUTDOWN:
        w->shutdowns++;
        break;
    case AGENT_FX_LOG:
        assert_true(fx->text[0] != '\0');
        break;
    }
}

static void step(struct world *w, struct agent_event *ev)
{
    ev->now = w->now;
    struct agent_effects fx = {0};
    agent_step(w->a, ev, &fx);
    struct mu_error err;
    if (agent_check(w->a, &err) < 0) {
        fail_msg("invariant: %s", err.text);
    }
    for (size_t i = 0; i < fx.count; i++) {
        apply(w, &fx.v[i]);
    }
    agent_effects_release(&fx);
    free(fx.v);
}

bool world_step(struct world *w)
{
    if (w->due.count == 0) {
        return false;
    }
    struct happening h = w->due.v[0];
    MU_VEC_REMOVE(&w->due, 0);
    h.ev.container_id = &h.id;
    h.ev.text = h.text;
    h.ev.msg = &h.msg;
    h.ev.container = h.status.struct_size != 0 ? &h.status : NULL;
    h.ev.exit = h.exit.struct_size != 0 ? &h.exit : NULL;
    step(w, &h.ev);
    mu_msg_release(&h.msg);
    return true;
}

void world_settle(struct world *w)
{
    for (unsigned i = 0; world_step(w); i++) {
        assert_true(i < 100000); /* it must come to rest */
    }
}

void world_pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now.mono_ms + ms;
    world_settle(w);
    for (;;) {
        uint64_t at = agent_deadline_ms(w->a);
        if (at > end) {
            break;
        }
        uint64_t to = at > w->now.mono_ms ? at : w->now.mono_ms + 1;
        w->now.wall_ms += (int64_t)(to - w->now.mono_ms);
        w->now.mono_ms = to;
        struct agent_event tick = {.type = AGENT_EV_TICK};
        step(w, &tick);
        world_settle(w);
    }
    if (end > w->now.mono_ms) {
        w->now.wall_ms += (int64_t)(end - w->now.mono_ms);
        w->now.mono_ms = end;
    }
}

void world_init(struct world *w)
{
    *w = (struct world){.now = {1000, 1399360089000},
                        .seed = 7,
                        .has_master = true,
                        .acknowledges = true,
                        .max_tasks = 10,
                        .gc_delay_ms = 3600000};
}

void world_boot(struct world *w)
{
    assert_null(w->a);
    struct agent_config cfg = {
        .work_dir = "/w",
        .seed = ++w->seed,
        .registration_backoff_ms = 1000,
        .default_kill_grace_ms = 3000,
        .max_completed_tasks = w->max_tasks,
        .gc_delay_ms = w->gc_delay_ms,
    };
    cfg.info.ip = mu_xstrdup("10.0.0.9");
    cfg.info.port = 5051;
    struct mu_error err;
    assert_int_equal(mu_resources_parse("cpus:4;mem:4096;ports:[31000-32000]", "*",
                                        &cfg.info.resources, &err),
                     0);
    w->a = agent_create(&cfg);
    mu_agent_info_release(&cfg.info);
    for (size_t i = 0; i < w->journal.count; i++) {
        struct agent_record r;
        assert_int_equal(
            agent_record_decode(w->journal.v[i].data, w->journal.v[i].len, &r, &err), 0);
        struct agent_event ev = {.type = AGENT_EV_REPLAY, .record = &r};
        step(w, &ev);
        agent_record_release(&r);
    }
    struct agent_event ev = {.type = AGENT_EV_REPLAYED};
    step(w, &ev);
    world_dial(w);
}

void world_dial(struct world *w)
{
    w->link++;
    happen(w, AGENT_EV_MASTER)->ev.link = w->link;
}

void world_crash(struct world *w)
{
    agent_destroy(w->a);
    w->a = NULL;
    for (size_t i = 0; i < w->due.count; i++) {
        mu_msg_release(&w->due.v[i].msg);
    }
    w->due.count = 0;
}

void world_release(struct world *w)
{
    world_crash(w);
    free(w->due.v);
    for (size_t i = 0; i < w->journal.count; i++) {
        mu_buf_release(&w->journal.v[i]);
    }
    free(w->journal.v);
    for (size_t i = 0; i < w->sent.count; i++) {
        mu_msg_release(&w->sent.v[i]);
    }
    free(w->sent.v);
    for (size_t i = 0; i < w->removed.count; i++) {
        free(w->removed.v[i]);
    }
    free(w->removed.v);
    for (size_t i = 0; i < w->containers.count; i++) {
        mu_pairs_release(&w->containers.v[i].env);
    }
    free(w->containers.v);
}

void world_run(struct world *w, const char *task, const char *resources)
{
    struct mu_task_info *t = mu_task_info_create();
    set(t->id.s, task);
    set(t->framework_id.s, "m-0000");
    set(t->agent_id.s, "m-S0");
    struct mu_error err;
    assert_int_equal(mu_resources_parse(resources, "*", &t->resources, &err), 0);
    mu_pairs_add(&t->command.env, "MESOS_TASK_ID", "mine wins");
    struct mu_framework_info f = {.capabilities = 0, .role = w->role};
    set(f.id.s, "m-0000");
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RUN_TASK);
    mu_msg_add_framework(&m, &f);
    mu_msg_add_task(&m, t);
    mu_task_info_unref(t);
    world_message(w, &m);
}

void world_kill(struct world *w, const char *task, bool has_grace, uint64_t grace_ms)
{
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_KILL_TASK);
    set(m.framework_id.s, "m-0000");
    set(m.task_id.s, task);
    m.has_grace = has_grace;
    m.grace_ms = grace_ms;
    world_message(w, &m);
}

struct container *world_container(struct world *w, const char *task)
{
    for (size_t i = 0; i < w->containers.count; i++) {
        if (strcmp(w->containers.v[i].task.s, task) == 0) {
            return &w->containers.v[i];
        }
    }
    return NULL;
}

static bool is_update_of(const struct mu_msg *m, const char *task)
{
    return m->type == MU_MSG_STATUS_UPDATE && strcmp(m->statuses[0].task_id.s, task) == 0;
}

const char *world_states(struct world *w, const char *task, char *out, size_t size)
{
    size_t n = 0;
    const char *last = "";
    out[0] = '\0';
    for (size_t i = 0; i < w->sent.count; i++) {
        if (is_update_of(&w->sent.v[i], task) &&
            strcmp(w->sent.v[i].statuses[0].uuid.s, last) != 0) {
            last = w->sent.v[i].statuses[0].uuid.s;
            n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? " " : "",
                                  mu_task_state_name(w->sent.v[i].statuses[0].state));
        }
    }
    return out;
}

const struct mu_task_status *world_last_status(struct world *w, const char *task)
{
    for (size_t i = w->sent.count; i-- > 0;) {
        if (is_update_of(&w->sent.v[i], task)) {
            return &w->sent.v[i].statuses[0];
        }
    }
    return NULL;
}

size_t world_count_sent(const struct world *w, enum mu_msg_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < w->sent.count; i++) {
        n += w->sent.v[i].type == type;
    }
    return n;
}

struct mu_msg *world_last_sent(struct world *w, enum mu_msg_type type)
{
    for (size_t i = w->sent.count; i-- > 0;) {
        if (w->sent.v[i].type == type) {
            return &w->sent.v[i];
        }
    }
    return NULL;
}

static void count_live(void *arg, const void *row)
{
    size_t *n = arg;
    *n += !((const struct mu_local_task_row *)row)->completed;
}

size_t world_live_tasks(struct world *w)
{
    size_t n = 0;
    assert_true(agent_query(w->a, MU_Q_LOCAL_TASKS, NULL, count_live, &n) >= 0);
    return n;
}
