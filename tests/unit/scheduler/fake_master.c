/* The master and its agents in the test's world: they do what they are told at once, keep
 * updates until they are acknowledged, and hold the scheduler to the protocol.
 */
#include "fake_master.h"

#include <stdio.h>

#include "domain/message.h"

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

void fake_send_first(struct world *w, struct fake_task *t)
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
    t->again_ms = w->now.mono_ms + FAKE_RESEND_MS;
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
        fake_send_first(w, t);
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
    fake_send_first(w, t);
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
        fake_send_first(w, e->value);
    }
}

void fake_on_message(struct world *w, const struct mu_msg *m)
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
        fake_send_first(w, t);
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
