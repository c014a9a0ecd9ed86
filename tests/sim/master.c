/* The master's process: the master and app scheduler machines, wired as core/runtime
 * wires them, on a registry that is two ordered maps. */
#include "sim.h"

#include <errno.h>
#include <string.h>

#include "codec/master_json.h"
#include "codec/message_json.h"
#include "codec/scheduler_json.h"

static void master_step_now(struct sim *s, struct master_event *ev);
static void scheduler_step_now(struct sim *s, struct scheduler_event *ev);

static bool is_current(const struct sim *s, const struct event *e)
{
    return s->master_up && e->gen == s->master_gen;
}

static struct event *later(struct sim *s,
                           uint64_t delay,
                           const char *name,
                           void (*run)(struct sim *s, struct event *e))
{
    struct event *e = sim_later(s, delay, name, run);
    e->gen = s->master_gen;
    return e;
}

/* ---- the registry ---- */

static void commit_free(struct commit *c)
{
    for (size_t i = 0; i < c->keys.count; i++) {
        free(c->keys.v[i]);
        mu_buf_release(&c->values.v[i]);
    }
    free(c->keys.v);
    free(c->values.v);
    free(c);
}

static void apply(struct sim *s, struct commit *c)
{
    struct mu_omap *map = &s->store[c->is_apps];
    for (size_t i = 0; i < c->keys.count; i++) {
        struct mu_buf *old;
        if (c->values.v[i].data == NULL) {
            old = mu_omap_remove(map, c->keys.v[i]);
        } else {
            struct mu_buf *value = MU_NEW(struct mu_buf);
            *value = c->values.v[i];
            c->values.v[i] = (struct mu_buf){0};
            old = mu_omap_put(map, c->keys.v[i], value);
        }
        if (old != NULL) {
            mu_buf_release(old);
            free(old);
        }
    }
}

static void on_commit_done(struct sim *s, struct event *e)
{
    if (s->commits.count == 0 || s->commits.v[0]->serial != e->number) {
        return; /* its commit was lost with an earlier process */
    }
    struct commit *c = s->commits.v[0]; /* in order: the event is about the oldest */
    MU_VEC_REMOVE(&s->commits, 0);
    int status = sim_chance(s, s->faults.commit_fails) ? MU_E_UNKNOWN_OUTCOME : 0;
    if (status == 0 || sim_chance(s, 500000)) {
        apply(s, c);
    }
    if (is_current(s, e) && c->gen == s->master_gen) {
        if (c->is_apps) {
            struct scheduler_event ev = {.type = SCHED_EV_COMMITTED,
                                         .token = c->token,
                                         .status = status,
                                         .text = "the registry failed"};
            scheduler_step_now(s, &ev);
        } else {
            struct master_event ev = {.type = MASTER_EV_COMMITTED,
                                      .token = c->token,
                                      .status = status,
                                      .text = "the registry failed"};
            master_step_now(s, &ev);
        }
    }
    commit_free(c);
}

static struct commit *commit_create(struct sim *s, bool is_apps, uint64_t token)
{
    struct commit *c = MU_NEW(struct commit);
    c->is_apps = is_apps;
    c->token = token;
    c->gen = s->master_gen;
    c->serial = ++s->commit_serial;
    return c;
}

static void commit_add(struct commit *c, struct mu_buf *key, struct mu_buf *value)
{
    MU_VEC_PUSH(&c->keys, mu_buf_take(key));
    MU_VEC_PUSH(&c->values, *value);
}

static void commit_submit(struct sim *s, struct commit *c)
{
    MU_VEC_PUSH(&s->commits, c);
    uint64_t delay =
        sim_chance(s, s->faults.slow_commit) ? sim_rand(s, 500, 8000) : sim_rand(s, 1, 5);
    uint64_t at = s->now.mono_ms + delay;
    s->commit_at = at > s->commit_at ? at : s->commit_at;
    later(s, s->commit_at - s->now.mono_ms, "commit", on_commit_done)->number = c->serial;
}

/* A process that dies leaves a prefix of what it had asked for. */
static void lose_commits(struct sim *s)
{
    size_t kept = s->commits.count == 0 ? 0 : sim_rand(s, 0, s->commits.count);
    for (size_t i = 0; i < s->commits.count; i++) {
        if (i < kept) {
            apply(s, s->commits.v[i]);
        }
        commit_free(s->commits.v[i]);
    }
    s->commits.count = 0;
    s->commit_at = 0;
}

void sim_stores_release(struct sim *s)
{
    lose_commits(s);
    free(s->commits.v);
    for (size_t k = 0; k < 2; k++) {
        mu_omap_foreach (e, &s->store[k]) {
            mu_buf_release(e->value);
            free(e->value);
        }
        mu_omap_release(&s->store[k]);
    }
}

static void on_recover(struct sim *s, struct event *e)
{
    if (!is_current(s, e) || e->number != s->epoch) {
        return;
    }
    mu_omap_foreach (entry, &s->store[0]) {
        const struct mu_buf *value = entry->value;
        struct master_record rec;
        struct mu_error err;
        if (master_record_decode(value->data, value->len, &rec, &err) < 0) {
            sim_fail(s, "registry entry %s: %s", entry->key, err.text);
            return;
        }
        struct master_event ev = {.type = MASTER_EV_ENTRY, .record = &rec};
        master_step_now(s, &ev);
        mu_agent_info_release(&rec.agent);
    }
    struct master_event ev = {.type = MASTER_EV_RECOVERED, .epoch = e->number};
    master_step_now(s, &ev);
    struct scheduler_event connected = {.type = SCHED_EV_CONNECTED};
    scheduler_step_now(s, &connected);
}

static void on_load(struct sim *s, struct event *e)
{
    if (!is_current(s, e) || e->number != s->epoch) {
        return;
    }
    mu_omap_foreach (entry, &s->store[1]) {
        const struct mu_buf *value = entry->value;
        struct scheduler_record rec;
        struct mu_error err;
        if (scheduler_record_decode(entry->key, value->data, value->len, &rec, &err) <
            0) {
            sim_fail(s, "registry entry %s: %s", entry->key, err.text);
            return;
        }
        struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = &rec};
        scheduler_step_now(s, &ev);
        scheduler_record_release(&rec);
    }
    struct scheduler_event ev = {.type = SCHED_EV_LOADED};
    scheduler_step_now(s, &ev);
}

/* ---- the link between the two, in this process ---- */

static void on_to_scheduler(struct sim *s, struct event *e)
{
    struct mu_msg m;
    if (is_current(s, e) && s->leading && e->number == s->epoch &&
        message_decode(e->bytes.data, e->bytes.len, &m, NULL) == 0) {
        struct scheduler_event ev = {.type = SCHED_EV_MESSAGE, .msg = &m};
        scheduler_step_now(s, &ev);
        mu_msg_release(&m);
    }
}

static void on_to_master(struct sim *s, struct event *e)
{
    struct mu_msg m;
    if (is_current(s, e) && s->leading && e->number == s->epoch &&
        message_decode(e->bytes.data, e->bytes.len, &m, NULL) == 0) {
        struct master_event ev = {
            .type = MASTER_EV_MESSAGE, .link = s->scheduler_link, .msg = &m};
        master_step_now(s, &ev);
        mu_msg_release(&m);
    }
}

static void pass(struct sim *s,
                 const struct mu_msg *m,
                 const char *name,
                 void (*run)(struct sim *s, struct event *e))
{
    struct event *e = later(s, 0, name, run);
    e->number = s->epoch;
    mu_buf_init(&e->bytes, MU_MESSAGE_MAX);
    message_encode(&e->bytes, m);
    sim_note(s, "%s %s", name, mu_msg_type_name((enum mu_msg_type)m->type));
}

/* ---- effects ---- */

static void on_elected(struct sim *s, struct event *e)
{
    if (!is_current(s, e) || s->leading) {
        return;
    }
    s->leading = true;
    s->abdicating = false;
    s->epoch++;
    s->scheduler_link = ++s->last_master_link;
    sim_story(s, "elected, epoch %llu", (unsigned long long)s->epoch);
    struct master_event ev = {.type = MASTER_EV_ELECTED, .epoch = s->epoch};
    master_step_now(s, &ev);
    struct scheduler_event start = {.type = SCHED_EV_START, .epoch = s->epoch};
    scheduler_step_now(s, &start);
}

static void on_abdicate(struct sim *s, struct event *e)
{
    if (!is_current(s, e) || !s->leading) {
        return;
    }
    s->leading = false;
    s->scheduler_link = 0;
    sim_story(s, "stepped down");
    lose_commits(s);
    struct scheduler_event stop = {.type = SCHED_EV_STOP};
    scheduler_step_now(s, &stop);
    for (size_t i = 0; i < s->agent_count; i++) {
        sim_agent_cut(s, i);
    }
    struct master_event ev = {.type = MASTER_EV_LOST, .text = "abdicated"};
    master_step_now(s, &ev);
    sim_user_master_died(s);
    later(s, sim_rand(s, 10, 2000), "elected", on_elected);
}

static void abdicate(struct sim *s)
{
    if (!s->abdicating) {
        s->abdicating = true;
        later(s, 0, "abdicate", on_abdicate);
    }
}

static void send(struct sim *s, uint64_t link, const struct mu_msg *m)
{
    if (link == s->scheduler_link) {
        pass(s, m, "to_scheduler", on_to_scheduler);
        return;
    }
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].conn.open && s->agents[i].conn.master_link == link) {
            sim_agent_deliver(s, i, m);
        }
    }
}

static void close_link(struct sim *s, uint64_t link)
{
    if (link == s->scheduler_link) {
        s->scheduler_link = ++s->last_master_link;
        struct event *e =
            later(s, 0, "reconnected",
                  on_to_scheduler); /* nothing to decode: only the order of things */
        e->number = 0;
        return;
    }
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].conn.open && s->agents[i].conn.master_link == link) {
            s->agents[i].conn.master_link = 0;
            sim_agent_cut(s, i);
        }
    }
}

static void master_apply(struct sim *s, struct master_effect *fx)
{
    switch ((enum master_effect_type)fx->type) {
    case MASTER_FX_SEND:
        send(s, fx->link, &fx->msg);
        break;
    case MASTER_FX_CLOSE:
        close_link(s, fx->link);
        break;
    case MASTER_FX_RECOVER:
        later(s, sim_rand(s, 1, 100), "recover", on_recover)->number = fx->epoch;
        break;
    case MASTER_FX_COMMIT: {
        struct commit *c = commit_create(s, false, fx->token);
        struct mu_buf key, value = {0};
        mu_buf_init(&key, 512);
        master_record_key(&fx->record, &key);
        if (!fx->record.remove) {
            mu_buf_init(&value, 4 * MU_REGISTRY_VALUE_MAX);
            master_record_encode(&value, &fx->record);
        }
        commit_add(c, &key, &value);
        commit_submit(s, c);
        break;
    }
    case MASTER_FX_LOG:
        sim_note(s, "master: %s", fx->text);
        break;
    case MASTER_FX_ABDICATE:
        sim_note(s, "master gives up: %s", fx->text);
        abdicate(s);
        break;
    }
}

static void scheduler_commit(struct sim *s, const struct scheduler_effect *fx)
{
    struct commit *c = commit_create(s, true, fx->token);
    for (size_t i = 0; i < fx->record_count; i++) {
        struct mu_buf key, value = {0};
        mu_buf_init(&key, 2048);
        scheduler_record_key(&fx->records[i], &key);
        sim_note(s, "store %s%s", mu_buf_str(&key),
                 fx->records[i].remove ? " (deleted)" : "");
        if (!fx->records[i].remove) {
            mu_buf_init(&value, 4 * MU_REGISTRY_VALUE_MAX);
            scheduler_record_encode(&value, &fx->records[i]);
        }
        commit_add(c, &key, &value);
    }
    commit_submit(s, c);
}

static void scheduler_apply(struct sim *s, struct scheduler_effect *fx)
{
    switch ((enum scheduler_effect_type)fx->type) {
    case SCHED_FX_LOAD:
        later(s, sim_rand(s, 1, 100), "load", on_load)->number = fx->epoch;
        break;
    case SCHED_FX_COMMIT:
        scheduler_commit(s, fx);
        break;
    case SCHED_FX_SEND:
        if (fx->msg.type == MU_MSG_KILL) {
            mu_omap_put(&s->asked_to_stop, fx->msg.task_id.s, s);
        }
        pass(s, &fx->msg, "to_master", on_to_master);
        break;
    case SCHED_FX_REPLY:
        sim_user_reply(s, fx->token, &fx->reply);
        break;
    case SCHED_FX_EVENT:
        sim_note(s, "event of type %u", fx->event.type);
        break;
    case SCHED_FX_ABDICATE:
        abdicate(s);
        break;
    case SCHED_FX_LOG:
        sim_note(s, "scheduler: %s", fx->text);
        break;
    }
}

/* ---- steps ---- */

static void on_wake(struct sim *s, struct event *e)
{
    if (!is_current(s, e) || e->number != s->master_wake_gen) {
        return;
    }
    struct master_event mev = {.type = MASTER_EV_TICK};
    struct scheduler_event sev = {.type = SCHED_EV_TICK};
    if (master_deadline_ms(s->master) <= s->now.mono_ms) {
        master_step_now(s, &mev);
    }
    if (is_current(s, e) && scheduler_deadline_ms(s->scheduler) <= s->now.mono_ms) {
        scheduler_step_now(s, &sev);
    }
}

static void arm(struct sim *s)
{
    uint64_t a = master_deadline_ms(s->master), b = scheduler_deadline_ms(s->scheduler);
    uint64_t at = a < b ? a : b;
    s->master_wake_gen++;
    if (at != UINT64_MAX) {
        later(s, at > s->now.mono_ms ? at - s->now.mono_ms : 0, "wake", on_wake)->number =
            s->master_wake_gen;
    }
}

static void master_step_now(struct sim *s, struct master_event *ev)
{
    ev->now = s->now;
    struct master_effects fx = {0};
    master_step(s->master, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        master_apply(s, &fx.v[i]);
    }
    master_effects_release(&fx);
    free(fx.v);
    arm(s);
}

static void scheduler_step_now(struct sim *s, struct scheduler_event *ev)
{
    ev->now = s->now;
    struct scheduler_effects fx = {0};
    scheduler_step(s->scheduler, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        scheduler_apply(s, &fx.v[i]);
    }
    scheduler_effects_release(&fx);
    free(fx.v);
    arm(s);
}

/* ---- what the others call ---- */

void sim_master_start(struct sim *s)
{
    struct master_config mc = {
        .hostname = "master",
        .ip = "10.0.0.1",
        .version = "sim",
        .port = 5050,
        .seed = sim_rand(s, 1, UINT64_MAX - 1),
        .agent_ping_timeout_ms = 15000,
        .max_agent_ping_timeouts = 5,
        .agent_reregister_timeout_ms = 600000,
        .allocation_interval_ms = 1000,
        .framework_heartbeat_ms = 15000,
        .max_completed_frameworks = 50,
        .max_completed_tasks = 1000,
    };
    struct mu_uuid id;
    mu_uuid_make(sim_rand(s, 1, UINT64_MAX - 1), sim_rand(s, 1, UINT64_MAX - 1), &id);
    memcpy(mc.id.s, id.s, sizeof(mc.id.s));
    const struct scheduler_config sc = {
        .name = "marathon",
        .role = "*",
        .hostname = "master",
        .webui_url = "",
        .seed = sim_rand(s, 1, UINT64_MAX - 1),
        .failover_timeout_ms = 604800000,
        .decline_ms = 120000,
        .min_revive_interval_ms = 5000,
        .reconcile_initial_ms = 15000,
        .reconcile_interval_ms = 600000,
        .scale_apps_initial_ms = 15000,
        .scale_apps_interval_ms = 300000,
        .launch_confirm_timeout_ms = 300000,
        .launch_timeout_ms = 300000,
        .kill_retry_ms = 30000,
        .max_tasks_per_offer = 100,
        .local_port_min = 10000,
        .local_port_max = 20000,
        .max_versions = 5,
        .max_running_deployments = 100,
    };
    s->master_up = true;
    s->leading = s->abdicating = false;
    s->master_gen++;
    s->master = master_create(&mc);
    s->scheduler = scheduler_create(&sc);
    sim_story(s, "master process starts");
    later(s, sim_rand(s, 1, 200), "elected", on_elected);
}

void sim_master_crash(struct sim *s)
{
    if (!s->master_up) {
        return;
    }
    sim_story(s, "master process dies");
    s->crashes++;
    s->master_up = s->leading = false;
    s->master_gen++;
    s->scheduler_link = 0;
    lose_commits(s);
    master_destroy(s->master);
    scheduler_destroy(s->scheduler);
    s->master = NULL;
    s->scheduler = NULL;
    for (size_t i = 0; i < s->agent_count; i++) {
        sim_agent_cut(s, i);
    }
    sim_user_master_died(s);
}

void sim_master_message(struct sim *s, uint64_t link, const struct mu_msg *m)
{
    if (s->master_up && s->leading) {
        struct master_event ev = {.type = MASTER_EV_MESSAGE, .link = link, .msg = m};
        master_step_now(s, &ev);
    }
}

void sim_master_link_closed(struct sim *s, uint64_t link)
{
    if (s->master_up && s->leading) {
        struct master_event ev = {.type = MASTER_EV_LINK_CLOSED, .link = link};
        master_step_now(s, &ev);
    }
}

static void take_recovered(void *arg, const void *row)
{
    *(bool *)arg = ((const struct mu_scheduler_row *)row)->recovered;
}

bool sim_ready(const struct sim *s)
{
    bool recovered = false;
    if (s->master_up && s->leading) {
        (void)scheduler_query(s->scheduler, &s->now, MU_Q_SCHEDULER, NULL, take_recovered,
                              &recovered);
    }
    return recovered;
}

void sim_command(struct sim *s, const struct mu_command_request *cmd, uint64_t token)
{
    struct scheduler_event ev = {
        .type = SCHED_EV_COMMAND, .token = token, .command = cmd};
    scheduler_step_now(s, &ev);
}
