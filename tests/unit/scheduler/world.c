#include "world.h"

#include <stdio.h>

#include "domain/message.h"

#define RESEND_MS 10000

static void pump(struct world *w);

/* ---- registry ---- */

static char *key_of(const struct scheduler_record *r)
{
    switch (r->kind) {
    case SCHED_REC_FRAMEWORK:
        return mu_xstrdup("framework");
    case SCHED_REC_APP:
        return mu_xasprintf("apps/%s", r->app->id);
    case SCHED_REC_VERSION:
        return mu_xasprintf("versions/%s/%020lld", r->app->id,
                            (long long)r->app->version_ms);
    case SCHED_REC_DEPLOYMENT:
        return mu_xasprintf("deployments/%s", r->deployment->id.s);
    case SCHED_REC_TASK:
        return mu_xasprintf("tasks/%s", r->task->id.s);
    case SCHED_REC_FAILURE:
        return mu_xasprintf("failures/%s", r->failure->app_id);
    }
    fail_msg("record of kind %u", r->kind);
    return NULL;
}

static void drop_record(struct scheduler_record *r)
{
    if (r != NULL) {
        scheduler_record_release(r);
        free(r);
    }
}

static void make_durable(struct world *w, struct world_commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        mu_auto_free char *key = key_of(&c->records[i]);
        if (c->records[i].remove) {
            drop_record(mu_omap_remove(&w->records, key));
            scheduler_record_release(&c->records[i]);
            continue;
        }
        struct scheduler_record *r = MU_NEW(struct scheduler_record);
        *r = c->records[i];
        drop_record(mu_omap_put(&w->records, key, r));
    }
    free(c->records);
    w->durable++;
}

static void drop_commit(struct world_commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        scheduler_record_release(&c->records[i]);
    }
    free(c->records);
}

void world_commit_one(struct world *w, int status)
{
    assert_true(w->commits.count > 0);
    struct world_commit c = w->commits.v[0];
    MU_VEC_REMOVE(&w->commits, 0);
    if (status < 0) {
        drop_commit(&c);
    } else {
        make_durable(w, &c);
    }
    bool crash = w->crash_at != 0 && w->durable == w->crash_at && status >= 0;
    if (crash && !w->crash_answered) {
        w->crash_at = 0;
        world_crash(w);
        return;
    }
    struct scheduler_event ev = {.type = SCHED_EV_COMMITTED,
                                 .token = c.token,
                                 .status = status,
                                 .text = status < 0 ? "disk is full" : NULL};
    world_step(w, &ev);
    if (crash) {
        w->crash_at = 0;
        world_crash(w);
    }
}

size_t world_records(struct world *w, const char *prefix)
{
    size_t n = 0;
    for (struct mu_omap_entry *e = mu_omap_lower_bound(&w->records, prefix);
         e != NULL && strncmp(e->key, prefix, strlen(prefix)) == 0; e = e->next) {
        n++;
    }
    return n;
}

/* ---- master ---- */

static struct mu_msg *to_scheduler(struct world *w, uint32_t type)
{
    MU_VEC_PUSH_ZERO(&w->inbox);
    struct mu_msg *m = &w->inbox.v[w->inbox.count - 1];
    mu_msg_init(m, type);
    return m;
}

struct fake_task *fake_task(struct world *w, const char *task_id)
{
    return mu_map_get(&w->tasks, task_id);
}

static void send_status(struct world *w,
                        const char *task_id,
                        const struct mu_agent_id *agent,
                        uint32_t state,
                        const struct mu_uuid *uuid,
                        const char *reason)
{
    struct mu_task_status st = {.state = state, .wall_ms = w->now.wall_ms};
    snprintf(st.task_id.s, sizeof(st.task_id.s), "%s", task_id);
    snprintf(st.reason, sizeof(st.reason), "%s", reason);
    st.agent_id = *agent;
    if (uuid != NULL) {
        st.uuid = *uuid;
    }
    mu_msg_add_status(to_scheduler(w, MU_MSG_UPDATE), &st);
}

static void send_first(struct world *w, struct fake_task *t)
{
    const struct fake_agent *a = &w->agents[t->agent];
    if (t->sent_count == 0 || !a->is_up || !a->is_known || !w->subscribed) {
        return;
    }
    if (t->uuid.s[0] == '\0') {
        w->next_uuid++;
        mu_uuid_make(w->next_uuid, w->next_uuid * 77, &t->uuid);
    }
    t->in_flight = true;
    t->again_ms = w->now.mono_ms + RESEND_MS;
    send_status(w, t->info->id.s, &t->info->agent_id, t->sent[0], &t->uuid, "");
}

void fake_update(struct world *w, const char *task_id, uint32_t state)
{
    struct fake_task *t = fake_task(w, task_id);
    assert_non_null(t);
    if (mu_task_state_is_terminal(t->state) || t->sent_count == COUNT_OF(t->sent)) {
        return;
    }
    t->state = state;
    t->sent[t->sent_count++] = state;
    if (t->sent_count == 1) {
        send_first(w, t);
    }
}

static void task_drop(struct world *w, struct fake_task *t)
{
    mu_map_remove(&w->tasks, t->info->id.s);
    mu_task_info_unref(t->info);
    free(t);
}

static size_t agent_of(struct world *w, const struct mu_agent_id *id)
{
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        if (strcmp(w->agents[i].id.s, id->s) == 0) {
            return i;
        }
    }
    return WORLD_AGENTS;
}

static void free_of(struct world *w, size_t agent, struct mu_resources *out)
{
    mu_resources_copy(out, &w->agents[agent].total);
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->agent == agent && !mu_task_state_is_terminal(t->state)) {
            assert_int_equal(mu_resources_subtract(out, &t->info->resources, NULL), 0);
        }
    }
}

void fake_offers(struct world *w)
{
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        struct fake_agent *a = &w->agents[i];
        if (w->offer_nothing || !w->subscribed || w->suppressed || !a->is_up ||
            !a->is_known || a->is_offered || a->refused_until_ms > w->now.mono_ms) {
            continue;
        }
        struct mu_offer o = {.agent_id = a->id};
        free_of(w, i, &o.resources);
        snprintf(o.id.s, sizeof(o.id.s), "O%llu", (unsigned long long)++w->next_offer);
        o.hostname = mu_xstrdup(a->host);
        o.ip = mu_xstrdup("10.0.0.1");
        mu_pairs_copy(&o.attributes, &a->attributes);
        a->offer = o.id;
        a->is_offered = true;
        mu_msg_add_offer(to_scheduler(w, MU_MSG_OFFERS), &o);
        mu_offer_release(&o);
    }
}

static struct fake_agent *agent_of_offer(struct world *w, const struct mu_msg *m)
{
    assert_int_equal(m->offer_id_count, 1);
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        if (w->agents[i].is_offered &&
            strcmp(w->agents[i].offer.s, m->offer_ids[0].s) == 0) {
            return &w->agents[i];
        }
    }
    return NULL;
}

static void launch(struct world *w, const struct mu_task_info *info, size_t agent)
{
    mu_auto_free char *key = mu_xasprintf("tasks/%s", info->id.s);
    if (mu_omap_get(&w->records, key) == NULL) {
        fail_msg("task %s was launched before its record was durable", info->id.s);
    }
    assert_null(fake_task(w, info->id.s));
    struct fake_task *t = MU_NEW(struct fake_task);
    t->info = mu_task_info_ref(info);
    t->agent = agent;
    t->state = MU_TASK_STAGING;
    mu_map_put(&w->tasks, info->id.s, t);
    w->launched++;
    if (w->auto_run) {
        fake_update(w, info->id.s,
                    w->run_state == 'f' ? MU_TASK_FAILED : MU_TASK_RUNNING);
    }
}

static void on_accept(struct world *w, const struct mu_msg *m)
{
    struct fake_agent *a = agent_of_offer(w, m);
    w->accepts++;
    w->last_refuse_ms = m->refuse_ms;
    if (w->ignore_accepts) {
        return;
    }
    if (a == NULL) {
        for (size_t i = 0; i < m->task_count; i++) {
            send_status(w, m->tasks[i]->id.s, &m->tasks[i]->agent_id, MU_TASK_DROPPED,
                        NULL, "REASON_INVALID_OFFERS");
        }
        return;
    }
    struct mu_resources left = {0};
    size_t agent = (size_t)(a - w->agents);
    free_of(w, agent, &left);
    for (size_t i = 0; i < m->task_count; i++) {
        assert_string_equal(m->tasks[i]->agent_id.s, a->id.s);
        assert_int_equal(mu_resources_subtract(&left, &m->tasks[i]->resources, NULL), 0);
    }
    mu_resources_release(&left);
    a->is_offered = false;
    a->refused_until_ms = w->now.mono_ms + m->refuse_ms;
    for (size_t i = 0; i < m->task_count; i++) {
        launch(w, m->tasks[i], agent);
    }
}

static void on_kill(struct world *w, const struct mu_msg *m)
{
    struct fake_task *t = fake_task(w, m->task_id.s);
    size_t agent = agent_of(w, &m->agent_id);
    w->kills++;
    if (w->ignore_kills) {
        return;
    }
    if (t != NULL && w->agents[t->agent].is_up && w->agents[t->agent].is_known) {
        if (w->kill_takes_ms == 0) {
            fake_update(w, m->task_id.s, MU_TASK_KILLED);
        } else if (t->dies_ms == 0) {
            t->dies_ms = w->now.mono_ms + w->kill_takes_ms;
        }
    } else if (t == NULL && agent < WORLD_AGENTS) {
        send_status(w, m->task_id.s, &m->agent_id,
                    w->agents[agent].is_known ? MU_TASK_GONE : MU_TASK_UNKNOWN, NULL,
                    "REASON_RECONCILIATION");
    }
}

static void on_reconcile(struct world *w, const struct mu_msg *m)
{
    w->reconciles++;
    for (size_t i = 0; i < m->status_count; i++) {
        const struct mu_task_status *q = &m->statuses[i];
        struct fake_task *t = fake_task(w, q->task_id.s);
        size_t agent = agent_of(w, &q->agent_id);
        uint32_t state = MU_TASK_UNKNOWN;
        if (agent < WORLD_AGENTS && w->agents[agent].is_known) {
            state = t == NULL                    ? MU_TASK_GONE
                    : !w->agents[t->agent].is_up ? MU_TASK_UNREACHABLE
                    : t->sent_count > 0          ? t->sent[0]
                                                 : t->state;
        } else if (!w->forgetful) {
            continue; /* recovered, not back: silence */
        }
        send_status(w, q->task_id.s, &q->agent_id, state, NULL, "REASON_RECONCILIATION");
    }
    if (m->status_count > 0) {
        return;
    }
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (w->agents[t->agent].is_known && w->agents[t->agent].is_up) {
            send_status(w, t->info->id.s, &t->info->agent_id,
                        t->sent_count > 0 ? t->sent[0] : t->state, NULL,
                        "REASON_RECONCILIATION");
        }
    }
}

static void on_acknowledge(struct world *w, const struct mu_msg *m)
{
    struct fake_task *t = fake_task(w, m->task_id.s);
    w->acks++;
    if (t == NULL || strcmp(t->uuid.s, m->uuid.s) != 0) {
        return;
    }
    bool terminal = mu_task_state_is_terminal(t->sent[0]);
    memmove(&t->sent[0], &t->sent[1], (t->sent_count - 1) * sizeof(t->sent[0]));
    t->sent_count--;
    t->uuid = (struct mu_uuid){0};
    t->in_flight = false;
    if (terminal) {
        mu_auto_free char *key = mu_xasprintf("tasks/%s", m->task_id.s);
        if (mu_omap_get(&w->records, key) != NULL) {
            fail_msg("end of %s acknowledged before its record was removed",
                     m->task_id.s);
        }
        task_drop(w, t);
        return;
    }
    send_first(w, t);
}

static void on_subscribe(struct world *w, const struct mu_msg *m)
{
    assert_non_null(m->framework);
    struct mu_msg *r = to_scheduler(w, MU_MSG_SUBSCRIBED);
    if (MU_ID_EMPTY(m->framework->id)) {
        snprintf(r->framework_id.s, sizeof(r->framework_id.s), "F-%04llu",
                 (unsigned long long)w->next_framework++);
    } else {
        r->framework_id = m->framework->id;
    }
    w->subscribed = true;
    w->suppressed = false;
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        w->agents[i].is_offered = false;
        w->agents[i].refused_until_ms = 0;
    }
    mu_map_foreach (e, &w->tasks) {
        send_first(w, e->value);
    }
}

static void on_message(struct world *w, const struct mu_msg *m)
{
    if (m->type == MU_MSG_SUBSCRIBE) {
        on_subscribe(w, m);
    } else if (!w->subscribed) {
        return;
    } else if (m->type == MU_MSG_ACCEPT) {
        on_accept(w, m);
    } else if (m->type == MU_MSG_DECLINE) {
        struct fake_agent *a = agent_of_offer(w, m);
        w->declines++;
        w->last_refuse_ms = m->refuse_ms;
        if (a != NULL) {
            a->is_offered = false;
            a->refused_until_ms = w->now.mono_ms + m->refuse_ms;
        }
    } else if (m->type == MU_MSG_REVIVE) {
        w->revives++;
        w->suppressed = false;
        for (size_t i = 0; i < WORLD_AGENTS; i++) {
            w->agents[i].refused_until_ms = 0;
        }
    } else if (m->type == MU_MSG_SUPPRESS) {
        w->suppresses++;
        w->suppressed = true;
    } else if (m->type == MU_MSG_KILL) {
        on_kill(w, m);
    } else if (m->type == MU_MSG_RECONCILE) {
        on_reconcile(w, m);
    } else if (m->type == MU_MSG_ACKNOWLEDGE) {
        on_acknowledge(w, m);
    } else {
        fail_msg("scheduler said %s", mu_msg_type_name(m->type));
    }
}

void fake_unreachable(struct world *w, size_t agent)
{
    w->agents[agent].is_up = false;
    w->agents[agent].is_offered = false;
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->agent == agent) {
            send_status(w, t->info->id.s, &t->info->agent_id, MU_TASK_UNREACHABLE, NULL,
                        "REASON_AGENT_REMOVED");
        }
    }
}

void fake_reachable(struct world *w, size_t agent)
{
    w->agents[agent].is_up = true;
    w->agents[agent].is_known = true;
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->agent != agent) {
            continue;
        }
        uint32_t state = t->sent_count > 0 ? t->sent[0] : t->state;
        send_status(w, t->info->id.s, &t->info->agent_id, state, NULL,
                    "REASON_AGENT_REREGISTERED");
        send_first(w, t);
    }
}

static bool is_of(const struct fake_task *t, const char *app_id)
{
    const char *id = mu_pairs_get(&t->info->command.env, "MARATHON_APP_ID");
    return strcmp(id, app_id) == 0;
}

size_t fake_count(struct world *w, const char *app_id, bool running, const char *command)
{
    size_t n = 0;
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        bool counts =
            running ? t->state == MU_TASK_RUNNING : !mu_task_state_is_terminal(t->state);
        n += counts && is_of(t, app_id) &&
             (command == NULL || strcmp(t->info->command.value, command) == 0);
    }
    return n;
}

const char *fake_nth(struct world *w, const char *app_id, size_t n)
{
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (is_of(t, app_id) && !mu_task_state_is_terminal(t->state) && n-- == 0) {
            return t->info->id.s;
        }
    }
    fail_msg("no such task of %s", app_id);
    return NULL;
}

/* ---- events ---- */

static void log_event(struct world *w, const struct mu_event *ev)
{
    static const char *const names[MU_EV_COUNT] = {
        [MU_EV_API_POST] = "api_post",
        [MU_EV_STATUS_UPDATE] = "status",
        [MU_EV_DEPLOYMENT_INFO] = "info",
        [MU_EV_DEPLOYMENT_STEP_SUCCESS] = "step_success",
        [MU_EV_DEPLOYMENT_STEP_FAILURE] = "step_failure",
        [MU_EV_DEPLOYMENT_SUCCESS] = "success",
        [MU_EV_DEPLOYMENT_FAILED] = "failed",
        [MU_EV_GROUP_CHANGE_SUCCESS] = "group_success",
        [MU_EV_GROUP_CHANGE_FAILED] = "group_failed",
        [MU_EV_APP_TERMINATED] = "app_terminated",
        [MU_EV_UNKNOWN_TERMINATED] = "unknown_terminated",
        [MU_EV_SCHEDULER_REGISTERED] = "registered",
        [MU_EV_LEADERSHIP_LOST] = "leadership_lost",
    };
    assert_true(ev->type < MU_EV_COUNT && ev->struct_size == sizeof(*ev));
    if (ev->type == MU_EV_INSTANCE_CHANGED) {
        assert_non_null(ev->condition);
        return;
    }
    mu_buf_printf(&w->log, w->log.len == 0 ? "%s" : " %s", names[ev->type]);
    if (ev->type == MU_EV_STATUS_UPDATE) {
        mu_buf_printf(&w->log, ":%s", mu_task_state_name(ev->task->state) + 5);
    } else if (ev->type == MU_EV_DEPLOYMENT_INFO ||
               ev->type == MU_EV_DEPLOYMENT_STEP_SUCCESS) {
        mu_buf_printf(&w->log, ":%zu", ev->deployment->current_step);
    } else if (ev->type == MU_EV_API_POST || ev->type == MU_EV_APP_TERMINATED) {
        mu_buf_printf(&w->log, ":%s", ev->app_id);
    }
}

void clear_log(struct world *w)
{
    mu_buf_clear(&w->log);
    mu_buf_puts(&w->log, "");
}

static void keep_reply(struct world *w, const struct scheduler_effect *fx)
{
    const struct scheduler_reply *r = &fx->reply;
    struct world_reply out = {.token = fx->token,
                              .status = r->status,
                              .version_ms = r->version_ms,
                              .conflicts = r->conflicts.count,
                              .apps = r->app_count,
                              .seen = true};
    snprintf(out.text, sizeof(out.text), "%s", r->text != NULL ? r->text : "");
    snprintf(out.path, sizeof(out.path), "%s", r->path != NULL ? r->path : "");
    snprintf(out.deployment_id, sizeof(out.deployment_id), "%s", r->deployment_id.s);
    for (size_t i = 0; i < w->replies.count; i++) {
        assert_int_not_equal(w->replies.v[i].token, fx->token); /* exactly once */
    }
    MU_VEC_PUSH(&w->replies, out);
}

static void load(struct world *w, uint64_t epoch)
{
    assert_int_equal(epoch, w->epoch);
    mu_omap_foreach (e, &w->records) {
        struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = e->value};
        world_step(w, &ev);
    }
    struct scheduler_event done = {.type = SCHED_EV_LOADED};
    world_step(w, &done);
}

static void handle(struct world *w, struct scheduler_effect *fx)
{
    switch (fx->type) {
    case SCHED_FX_LOAD:
        load(w, fx->epoch);
        break;
    case SCHED_FX_COMMIT: {
        assert_true(fx->record_count > 0);
        struct world_commit c = {fx->token, fx->records, fx->record_count};
        MU_VEC_PUSH(&w->commits, c);
        fx->records = NULL;
        fx->record_count = 0;
        break;
    }
    case SCHED_FX_SEND:
        if (w->connected) {
            on_message(w, &fx->msg);
        }
        break;
    case SCHED_FX_REPLY:
        keep_reply(w, fx);
        break;
    case SCHED_FX_ABDICATE:
        w->abdicated = true;
        break;
    case SCHED_FX_LOG:
        if (getenv("WORLD_LOG") != NULL) {
            printf("%llu %s\n", (unsigned long long)w->now.mono_ms, fx->text);
        }
        break;
    default:
        break;
    }
}

void world_step(struct world *w, const struct scheduler_event *given)
{
    struct scheduler_event ev = *given;
    struct scheduler_effects fx = {0};
    struct mu_error err;
    ev.now = w->now;
    scheduler_step(w->s, &ev, &fx);
    if (scheduler_check(w->s, &err) != 0) {
        fail_msg("at %llu: %s", (unsigned long long)w->now.mono_ms, err.text);
    }
    for (size_t i = 0; i < fx.count; i++) { /* borrowed until the next step */
        if (fx.v[i].type == SCHED_FX_EVENT) {
            log_event(w, &fx.v[i].event);
        }
    }
    uint64_t crashes = w->crashes;
    for (size_t i = 0; i < fx.count && w->crashes == crashes; i++) {
        handle(w, &fx.v[i]);
    }
    scheduler_effects_release(&fx);
    if (w->watch != NULL) {
        w->watch(w);
    }
}

/* ---- time ---- */

static bool deliver_one(struct world *w)
{
    if (w->inbox.count == 0) {
        return false;
    }
    size_t at = 0;
    if (w->chaos != NULL && mu_prng_chance(w->chaos, 200000)) {
        size_t other = (size_t)mu_prng_below(w->chaos, w->inbox.count);
        bool swap = w->inbox.v[0].type == MU_MSG_UPDATE &&
                    w->inbox.v[other].type == MU_MSG_UPDATE;
        at = swap ? other : 0;
    }
    struct mu_msg m = w->inbox.v[at];
    MU_VEC_REMOVE(&w->inbox, at);
    if (w->chaos != NULL && m.type == MU_MSG_UPDATE) {
        if (mu_prng_chance(w->chaos, 100000)) {
            mu_msg_release(&m);
            return true;
        }
        if (mu_prng_chance(w->chaos, 100000)) {
            MU_VEC_PUSH_ZERO(&w->inbox);
            mu_msg_copy(&w->inbox.v[w->inbox.count - 1], &m);
        }
    }
    if (w->connected) {
        struct scheduler_event ev = {.type = SCHED_EV_MESSAGE, .msg = &m};
        world_step(w, &ev);
    }
    mu_msg_release(&m);
    return true;
}

static void pump(struct world *w)
{
    int limit = 100000;
    for (;;) {
        assert_true(limit-- > 0); /* a loop without an end */
        if (w->commits.count > 0 && !w->hold_commits) {
            int status = w->fail_commits > 0 ? -28 : 0;
            w->fail_commits -= status != 0;
            world_commit_one(w, status);
            continue;
        }
        if (deliver_one(w)) {
            continue;
        }
        size_t before = w->inbox.count;
        fake_offers(w);
        if (w->inbox.count == before) {
            return;
        }
    }
}

void world_run(struct world *w)
{
    pump(w);
    while (scheduler_deadline_ms(w->s) <= w->now.mono_ms) {
        struct scheduler_event ev = {.type = SCHED_EV_TICK};
        world_step(w, &ev);
        pump(w);
    }
}

static uint64_t next_event_ms(struct world *w, uint64_t end)
{
    uint64_t at = scheduler_deadline_ms(w->s);
    at = at < end ? at : end;
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->in_flight && t->again_ms < at) {
            at = t->again_ms;
        }
        if (t->dies_ms != 0 && t->dies_ms < at) {
            at = t->dies_ms;
        }
    }
    if (w->agents_back_ms != 0 && w->agents_back_ms < at) {
        at = w->agents_back_ms;
    }
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        uint64_t refused = w->agents[i].refused_until_ms;
        if (refused > w->now.mono_ms && refused < at) {
            at = refused;
        }
    }
    return at > w->now.mono_ms ? at : w->now.mono_ms;
}

static void agents_come_back(struct world *w)
{
    if (w->agents_back_ms == 0 || w->agents_back_ms > w->now.mono_ms) {
        return;
    }
    w->agents_back_ms = 0;
    for (size_t i = 0; i < 2; i++) {
        w->agents[i].is_known = true;
        mu_map_foreach (e, &w->tasks) {
            struct fake_task *t = e->value;
            if (t->agent == i) {
                send_first(w, t);
            }
        }
    }
}

void world_advance(struct world *w, uint64_t ms)
{
    uint64_t end = w->now.mono_ms + ms;
    world_run(w);
    while (w->now.mono_ms < end) {
        uint64_t at = next_event_ms(w, end);
        w->now.wall_ms += (int64_t)(at - w->now.mono_ms);
        w->now.mono_ms = at;
        agents_come_back(w);
        mu_map_foreach (e, &w->tasks) {
            struct fake_task *t = e->value;
            if (t->in_flight && t->again_ms <= w->now.mono_ms) {
                send_first(w, t);
                t->again_ms = w->now.mono_ms + RESEND_MS;
            }
            if (t->dies_ms != 0 && t->dies_ms <= w->now.mono_ms) {
                t->dies_ms = 0;
                fake_update(w, t->info->id.s, MU_TASK_KILLED);
            }
        }
        world_run(w);
    }
}

/* ---- life ---- */

void world_start(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_START, .epoch = ++w->epoch};
    world_step(w, &ev);
}

void world_connect(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_CONNECTED};
    w->connected = true;
    world_step(w, &ev);
}

static void drop_inbox(struct world *w)
{
    for (size_t i = 0; i < w->inbox.count; i++) {
        mu_msg_release(&w->inbox.v[i]);
    }
    MU_VEC_CLEAR(&w->inbox);
    w->subscribed = false;
}

void world_disconnect(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_DISCONNECTED};
    w->connected = false;
    drop_inbox(w);
    world_step(w, &ev);
}

static void drop_commits(struct world *w)
{
    for (size_t i = 0; i < w->commits.count; i++) {
        drop_commit(&w->commits.v[i]);
    }
    MU_VEC_CLEAR(&w->commits);
}

void world_crash(struct world *w)
{
    w->crashes++;
    scheduler_destroy(w->s);
    drop_commits(w);
    drop_inbox(w);
    w->cfg.seed++;
    if (w->agents_away_ms > 0) {
        w->agents[0].is_known = w->agents[1].is_known = false;
        w->agents_back_ms = w->now.mono_ms + w->agents_away_ms;
    }
    w->s = scheduler_create(&w->cfg);
    world_start(w);
    world_connect(w);
}

void world_create(struct world *w)
{
    *w = (struct world){.now = {1000, 1600000000000}, .auto_run = true};
    w->cfg = (struct scheduler_config){
        .name = "marathon",
        .user = "root",
        .role = "*",
        .hostname = "master1",
        .seed = 1,
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
        .max_versions = 50,
        .max_running_deployments = 100,
    };
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        struct fake_agent *a = &w->agents[i];
        snprintf(a->id.s, sizeof(a->id.s), "S%zu", i);
        snprintf(a->host, sizeof(a->host), "h%zu", i);
        assert_int_equal(
            mu_resources_parse("cpus:8;mem:8192;disk:9999;ports:[31000-31999]", "*",
                               &a->total, NULL),
            0);
        a->is_up = a->is_known = i < 2;
    }
    mu_buf_init(&w->log, 16 * 1024 * 1024);
    w->s = scheduler_create(&w->cfg);
}

void world_open(struct world *w)
{
    world_create(w);
    world_start(w);
    world_connect(w);
    world_run(w);
    clear_log(w);
}

void world_close(struct world *w)
{
    scheduler_destroy(w->s);
    drop_commits(w);
    MU_VEC_RELEASE(&w->commits);
    drop_inbox(w);
    MU_VEC_RELEASE(&w->inbox);
    MU_VEC_RELEASE(&w->replies);
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        mu_task_info_unref(t->info);
        free(t);
    }
    mu_map_release(&w->tasks);
    mu_omap_foreach (e, &w->records) {
        drop_record(e->value);
    }
    mu_omap_release(&w->records);
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        mu_resources_release(&w->agents[i].total);
        mu_pairs_release(&w->agents[i].attributes);
    }
    mu_buf_release(&w->log);
}

/* ---- commands ---- */

uint64_t world_command(struct world *w, const struct mu_command_request *c)
{
    uint64_t token = ++w->next_command;
    struct scheduler_event ev = {.type = SCHED_EV_COMMAND, .token = token, .command = c};
    world_step(w, &ev);
    return token;
}

static uint64_t put(struct world *w, struct mu_app *app, bool force)
{
    const struct mu_app *apps[] = {app};
    struct mu_command_request c = {.struct_size = sizeof(c),
                                   .type = MU_CMD_APPS_PUT,
                                   .apps = apps,
                                   .app_count = 1,
                                   .force = force,
                                   .client_ip = "127.0.0.1",
                                   .uri = "/v2/apps"};
    uint64_t token = world_command(w, &c);
    mu_app_unref(app);
    return token;
}

uint64_t world_put(struct world *w, struct mu_app *app)
{
    return put(w, app, false);
}

uint64_t world_put_forced(struct world *w, struct mu_app *app)
{
    return put(w, app, true);
}

uint64_t world_ids(struct world *w, uint32_t type, const char *id, bool force, bool scale)
{
    struct mu_command_request c = {.struct_size = sizeof(c),
                                   .type = type,
                                   .ids = &id,
                                   .id_count = id != NULL ? 1 : 0,
                                   .force = force,
                                   .scale = scale};
    return world_command(w, &c);
}

const struct world_reply *world_reply(struct world *w, uint64_t command)
{
    static const struct world_reply none;
    for (size_t i = 0; i < w->replies.count; i++) {
        if (w->replies.v[i].token == command) {
            return &w->replies.v[i];
        }
    }
    return &none;
}

void assert_ok(struct world *w, uint64_t command)
{
    const struct world_reply *r = world_reply(w, command);
    if (!r->seen || r->status != 0) {
        fail_msg("command %llu: %s, status %d: %s", (unsigned long long)command,
                 r->seen ? "answered" : "not answered", r->status, r->text);
    }
}

void assert_refused_with(struct world *w, uint64_t command, int status, const char *text)
{
    const struct world_reply *r = world_reply(w, command);
    assert_true(r->seen);
    assert_int_equal(r->status, status);
    assert_string_equal(r->text, text);
}

/* ---- queries ---- */

static void take_app(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct app_view *v = arg;
    *v = (struct app_view){.found = true,
                           .instances = r->app->instances,
                           .staged = r->staged,
                           .running = r->running,
                           .healthy = r->healthy,
                           .unhealthy = r->unhealthy,
                           .version_ms = r->app->version_ms,
                           .last_scaling_ms = r->app->last_scaling_ms,
                           .last_config_ms = r->app->last_config_ms,
                           .deployments = r->deployment_count};
    v->port = r->app->port_count > 0 ? r->app->ports[0].port : 0;
    snprintf(v->cmd, sizeof(v->cmd), "%s", r->app->cmd);
    if (r->last_failure != NULL) {
        snprintf(v->failure, sizeof(v->failure), "%s", r->last_failure->message);
        v->failure_state = r->last_failure->state;
    }
}

struct app_view view_app(struct world *w, const char *id)
{
    struct app_view v = {0};
    assert_true(scheduler_query(w->s, &w->now, MU_Q_APPS, id, take_app, &v) >= 0);
    return v;
}

static void take_nothing(void *arg, const void *row)
{
    (void)arg;
    assert_non_null(row);
}

int view_count(struct world *w, uint32_t query, const char *key)
{
    return scheduler_query(w->s, &w->now, query, key, take_nothing, NULL);
}

struct queue_search {
    const char *id;
    struct queue_view view;
};

static void take_queue(void *arg, const void *row)
{
    const struct mu_queue_row *r = row;
    struct queue_search *q = arg;
    if (strcmp(r->app->id, q->id) != 0) {
        return;
    }
    q->view = (struct queue_view){.found = true,
                                  .overdue = r->overdue,
                                  .count = r->count,
                                  .delay_left_ms = r->delay_left_ms,
                                  .processed = r->offers_processed,
                                  .unused = r->offers_unused};
    snprintf(q->view.waiting_for, sizeof(q->view.waiting_for), "%s", r->waiting_for);
    struct mu_buf text;
    mu_buf_init(&text, sizeof(q->view.rejects) - 1);
    for (size_t i = 0; i < 10; i++) {
        if (r->rejects[i].processed > 0) {
            mu_buf_printf(&text, "%s%s %llu/%llu", text.len > 0 ? ", " : "",
                          r->rejects[i].reason,
                          (unsigned long long)r->rejects[i].declined,
                          (unsigned long long)r->rejects[i].processed);
        }
    }
    snprintf(q->view.rejects, sizeof(q->view.rejects), "%s", mu_buf_str(&text));
    mu_buf_release(&text);
}

struct queue_view view_queue(struct world *w, const char *id)
{
    struct queue_search q = {.id = id};
    scheduler_query(w->s, &w->now, MU_Q_QUEUE, NULL, take_queue, &q);
    return q.view;
}

static void take_deployment(void *arg, const void *row)
{
    const struct mu_deployment_row *r = row;
    struct deployment_view *v = arg;
    *v = (struct deployment_view){.found = true,
                                  .step = r->current_step,
                                  .steps = r->step_count,
                                  .affected = r->affected_count};
    snprintf(v->id, sizeof(v->id), "%s", r->id);
    snprintf(v->waiting_for, sizeof(v->waiting_for), "%s", r->waiting_for);
}

struct deployment_view view_deployment(struct world *w)
{
    struct deployment_view v = {0};
    scheduler_query(w->s, &w->now, MU_Q_DEPLOYMENTS, NULL, take_deployment, &v);
    return v;
}
