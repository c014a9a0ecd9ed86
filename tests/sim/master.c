/* The masters' processes: each has the master and app scheduler machines, wired as
 * core/runtime wires them. A process does nothing as the leader once its lease is over,
 * whatever event it finds first when it wakes up. */
#include "sim.h"

#include <errno.h>
#include <string.h>

#include "codec/master_json.h"
#include "codec/message_json.h"
#include "codec/scheduler_json.h"

struct event *sim_master_later(struct sim *s,
                               size_t k,
                               uint64_t delay,
                               const char *name,
                               void (*run)(struct sim *s, struct event *e))
{
    struct event *e = sim_later(s, delay, name, run);
    e->gen = s->masters[k].gen;
    e->master = k;
    return e;
}

bool sim_leads(const struct sim *s, size_t k)
{
    const struct master_node *n = &s->masters[k];
    return n->up && n->leading && n->frozen_until <= s->now.mono_ms &&
           s->now.mono_ms < n->lease_until;
}

bool sim_master_runs(struct sim *s, struct event *e)
{
    struct master_node *n = &s->masters[e->master];
    if (!n->up || e->gen != n->gen) {
        return false;
    }
    if (n->frozen_until > s->now.mono_ms) {
        struct event *again =
            sim_later(s, n->frozen_until - s->now.mono_ms, e->name, e->run);
        struct mu_heap_node node = again->node;
        *again = *e;
        again->node = node;
        e->bytes = (struct mu_buf){0};
        return false;
    }
    if (n->leading && s->now.mono_ms >= n->lease_until) {
        sim_master_lost(s, e->master, "its lease is over");
    }
    return n->up && e->gen == n->gen;
}

/* ---- the link between the two, in this process ---- */

static bool of_reign(const struct sim *s, const struct event *e)
{
    const struct master_node *n = &s->masters[e->master];
    return n->leading && e->number == n->epoch;
}

static void on_to_scheduler(struct sim *s, struct event *e)
{
    struct mu_msg m;
    if (sim_master_runs(s, e) && of_reign(s, e) &&
        message_decode(e->bytes.data, e->bytes.len, &m, NULL) == 0) {
        struct scheduler_event ev = {.type = SCHED_EV_MESSAGE, .msg = &m};
        sim_scheduler_step(s, e->master, &ev);
        mu_msg_release(&m);
    }
}

static void on_to_master(struct sim *s, struct event *e)
{
    struct mu_msg m;
    if (sim_master_runs(s, e) && of_reign(s, e) &&
        message_decode(e->bytes.data, e->bytes.len, &m, NULL) == 0) {
        struct master_event ev = {.type = MASTER_EV_MESSAGE,
                                  .link = s->masters[e->master].scheduler_link,
                                  .msg = &m};
        sim_master_step(s, e->master, &ev);
        mu_msg_release(&m);
    }
}

static void pass(struct sim *s,
                 size_t k,
                 const struct mu_msg *m,
                 const char *name,
                 void (*run)(struct sim *s, struct event *e))
{
    struct event *e = sim_master_later(s, k, 0, name, run);
    e->number = s->masters[k].epoch;
    mu_buf_init(&e->bytes, MU_MESSAGE_MAX);
    message_encode(&e->bytes, m);
    sim_note(s, "%s %s", name, mu_msg_type_name((enum mu_msg_type)m->type));
}

/* ---- effects ---- */

void sim_master_elected(struct sim *s, size_t k, uint64_t epoch)
{
    struct master_node *n = &s->masters[k];
    n->leading = true;
    n->abdicating = false;
    n->epoch = epoch;
    n->scheduler_link = ++s->last_link;
    sim_story(s, "master %zu is elected, epoch %llu", k, (unsigned long long)epoch);
    struct master_event ev = {.type = MASTER_EV_ELECTED, .epoch = epoch};
    sim_master_step(s, k, &ev);
    struct scheduler_event start = {.type = SCHED_EV_START, .epoch = epoch};
    sim_scheduler_step(s, k, &start);
    for (size_t i = 0; i < s->agent_count; i++) {
        sim_agent_new_leader(s, i);
    }
}

static void cut_agents(struct sim *s, size_t k)
{
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].conn.master == k) {
            sim_agent_cut(s, i);
        }
    }
}

void sim_master_lost(struct sim *s, size_t k, const char *why)
{
    struct master_node *n = &s->masters[k];
    n->leading = false;
    n->scheduler_link = 0;
    sim_story(s, "master %zu steps down: %s", k, why);
    sim_commits_lost(s, k);
    struct scheduler_event stop = {.type = SCHED_EV_STOP};
    sim_scheduler_step(s, k, &stop);
    cut_agents(s, k);
    struct master_event ev = {.type = MASTER_EV_LOST, .text = why};
    sim_master_step(s, k, &ev);
    sim_user_master_died(s, k);
    sim_election_leave(s, k);
}

static void on_abdicate(struct sim *s, struct event *e)
{
    if (sim_master_runs(s, e) && s->masters[e->master].leading) {
        sim_master_lost(s, e->master, "abdicated");
    }
}

static void abdicate(struct sim *s, size_t k)
{
    if (!s->masters[k].abdicating) {
        s->masters[k].abdicating = true;
        sim_master_later(s, k, 0, "abdicate", on_abdicate);
    }
}

static void send(struct sim *s, size_t k, uint64_t link, const struct mu_msg *m)
{
    if (link == s->masters[k].scheduler_link) {
        pass(s, k, m, "to_scheduler", on_to_scheduler);
        return;
    }
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].conn.open && s->agents[i].conn.master_link == link) {
            sim_agent_deliver(s, i, m);
        }
    }
}

static void close_link(struct sim *s, size_t k, uint64_t link)
{
    if (link == s->masters[k].scheduler_link) {
        s->masters[k].scheduler_link = ++s->last_link;
        struct event *e = sim_master_later(
            s, k, 0, "reconnected",
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

static void master_apply(struct sim *s, size_t k, struct master_effect *fx)
{
    switch ((enum master_effect_type)fx->type) {
    case MASTER_FX_SEND:
        send(s, k, fx->link, &fx->msg);
        break;
    case MASTER_FX_CLOSE:
        close_link(s, k, fx->link);
        break;
    case MASTER_FX_RECOVER:
        sim_recover(s, k, fx->epoch);
        break;
    case MASTER_FX_COMMIT: {
        struct commit *c = sim_commit_create(s, k, false, fx->token);
        struct mu_buf key, value = {0};
        mu_buf_init(&key, 512);
        master_record_key(&fx->record, &key);
        if (!fx->record.remove) {
            mu_buf_init(&value, 4 * MU_REGISTRY_VALUE_MAX);
            master_record_encode(&value, &fx->record);
        }
        sim_commit_add(c, &key, &value);
        sim_commit_submit(s, k, c);
        break;
    }
    case MASTER_FX_LOG:
        sim_note(s, "master %zu: %s", k, fx->text);
        break;
    case MASTER_FX_ABDICATE:
        sim_note(s, "master %zu gives up: %s", k, fx->text);
        abdicate(s, k);
        break;
    }
}

static void scheduler_commit(struct sim *s, size_t k, const struct scheduler_effect *fx)
{
    struct commit *c = sim_commit_create(s, k, true, fx->token);
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
        sim_commit_add(c, &key, &value);
    }
    sim_commit_submit(s, k, c);
}

static void scheduler_apply(struct sim *s, size_t k, struct scheduler_effect *fx)
{
    switch ((enum scheduler_effect_type)fx->type) {
    case SCHED_FX_LOAD:
        sim_load(s, k, fx->epoch);
        break;
    case SCHED_FX_COMMIT:
        scheduler_commit(s, k, fx);
        break;
    case SCHED_FX_SEND:
        if (fx->msg.type == MU_MSG_KILL) {
            mu_omap_put(&s->asked_to_stop, fx->msg.task_id.s, s);
        }
        pass(s, k, &fx->msg, "to_master", on_to_master);
        break;
    case SCHED_FX_REPLY:
        sim_user_reply(s, fx->token, &fx->reply);
        break;
    case SCHED_FX_EVENT:
        sim_note(s, "event of type %u", fx->event.type);
        break;
    case SCHED_FX_ABDICATE:
        abdicate(s, k);
        break;
    case SCHED_FX_LOG:
        sim_note(s, "scheduler %zu: %s", k, fx->text);
        break;
    }
}

/* ---- steps ---- */

static void on_wake(struct sim *s, struct event *e)
{
    if (!sim_master_runs(s, e) || e->number != s->masters[e->master].wake_gen) {
        return;
    }
    struct master_node *n = &s->masters[e->master];
    struct master_event mev = {.type = MASTER_EV_TICK};
    struct scheduler_event sev = {.type = SCHED_EV_TICK};
    if (master_deadline_ms(n->master) <= s->now.mono_ms) {
        sim_master_step(s, e->master, &mev);
    }
    if (n->up && e->gen == n->gen &&
        scheduler_deadline_ms(n->scheduler) <= s->now.mono_ms) {
        sim_scheduler_step(s, e->master, &sev);
    }
}

static void arm(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    uint64_t a = master_deadline_ms(n->master), b = scheduler_deadline_ms(n->scheduler);
    uint64_t at = a < b ? a : b;
    n->wake_gen++;
    if (at != UINT64_MAX) {
        sim_master_later(s, k, at > s->now.mono_ms ? at - s->now.mono_ms : 0, "wake",
                         on_wake)
            ->number = n->wake_gen;
    }
}

void sim_master_step(struct sim *s, size_t k, struct master_event *ev)
{
    ev->now = s->now;
    struct master_effects fx = {0};
    master_step(s->masters[k].master, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        master_apply(s, k, &fx.v[i]);
    }
    master_effects_release(&fx);
    free(fx.v);
    arm(s, k);
}

void sim_scheduler_step(struct sim *s, size_t k, struct scheduler_event *ev)
{
    ev->now = s->now;
    struct scheduler_effects fx = {0};
    scheduler_step(s->masters[k].scheduler, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        scheduler_apply(s, k, &fx.v[i]);
    }
    scheduler_effects_release(&fx);
    free(fx.v);
    arm(s, k);
}

/* ---- what the others call ---- */

void sim_master_start(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
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
    n->up = true;
    n->leading = n->abdicating = false;
    n->frozen_until = 0;
    n->told_leader = MASTERS_MAX;
    n->gen++;
    n->master = master_create(&mc);
    n->scheduler = scheduler_create(&sc);
    sim_story(s, "master %zu starts", k);
    sim_election_start(s, k);
}

void sim_master_crash(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    if (!n->up) {
        return;
    }
    sim_story(s, "master %zu dies", k);
    s->crashes++;
    sim_commits_lost(s, k);
    n->up = n->leading = false;
    n->gen++;
    n->scheduler_link = 0;
    n->frozen_until = 0;
    master_destroy(n->master);
    scheduler_destroy(n->scheduler);
    n->master = NULL;
    n->scheduler = NULL;
    sim_store_release(&n->own);
    cut_agents(s, k);
    sim_user_master_died(s, k);
    sim_election_died(s, k);
}

void sim_master_release(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    sim_commits_lost(s, k);
    free(n->commits.v);
    master_destroy(n->master);
    scheduler_destroy(n->scheduler);
    sim_store_release(&n->own);
}

void sim_master_message(struct sim *s, size_t k, uint64_t link, const struct mu_msg *m)
{
    if (sim_leads(s, k)) {
        struct master_event ev = {.type = MASTER_EV_MESSAGE, .link = link, .msg = m};
        sim_master_step(s, k, &ev);
    }
}

void sim_master_link_closed(struct sim *s, size_t k, uint64_t link)
{
    if (s->masters[k].up && s->masters[k].leading) {
        struct master_event ev = {.type = MASTER_EV_LINK_CLOSED, .link = link};
        sim_master_step(s, k, &ev);
    }
}

static void take_recovered(void *arg, const void *row)
{
    *(bool *)arg = ((const struct mu_scheduler_row *)row)->recovered;
}

bool sim_takes(const struct sim *s, size_t k)
{
    bool recovered = false;
    if (sim_leads(s, k)) {
        (void)scheduler_query(s->masters[k].scheduler, &s->now, MU_Q_SCHEDULER, NULL,
                              take_recovered, &recovered);
    }
    return recovered;
}

size_t sim_ready(const struct sim *s)
{
    for (size_t k = 0; k < s->master_count; k++) {
        if (!sim_is_cut(s, k) && sim_takes(s, k)) {
            return k;
        }
    }
    return MASTERS_MAX;
}

void sim_command(struct sim *s,
                 size_t k,
                 const struct mu_command_request *cmd,
                 uint64_t token)
{
    struct scheduler_event ev = {
        .type = SCHED_EV_COMMAND, .token = token, .command = cmd};
    sim_scheduler_step(s, k, &ev);
}
