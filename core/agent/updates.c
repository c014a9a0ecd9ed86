/* Status updates: journalled, then sent, then sent again (10 s, doubling to 10 min) until
 * the framework has acknowledged. Only the head of a task's queue is outstanding; while
 * the link is down nothing is sent, and at each (re)registration every head goes out at
 * once. */
#include <stdio.h>
#include <string.h>

#include "agent/state.h"

#define RETRY_MIN_MS 10000u
#define RETRY_MAX_MS 600000u

static void fill_status(struct agent *a,
                        struct mu_task_status *s,
                        enum mu_task_state state,
                        const char *reason,
                        const char *message)
{
    s->agent_id = a->info.id;
    s->state = state;
    s->source = MU_SOURCE_AGENT;
    s->wall_ms = a->now.wall_ms;
    (void)snprintf(s->reason, sizeof(s->reason), "%s", reason == NULL ? "" : reason);
    int n =
        snprintf(s->message, sizeof(s->message), "%s", message == NULL ? "" : message);
    if (n >= (int)sizeof(s->message)) {
        memcpy(s->message + sizeof(s->message) - 4, "...", 4);
    }
}

void agent_update_add(struct agent *a,
                      struct task *t,
                      enum mu_task_state state,
                      const char *reason,
                      const char *message)
{
    MU_PRE(!t->terminal);
    struct update u = {0};
    u.status.task_id = t->info->id;
    u.status.framework_id = t->framework.id;
    u.status.container_id = t->container_id;
    fill_status(a, &u.status, state, reason, message);
    memcpy(u.status.ip, t->ip, sizeof(u.status.ip));
    mu_uuid_make(mu_prng_next(&a->prng), mu_prng_next(&a->prng), &u.status.uuid);
    t->state = state;
    t->terminal = mu_task_state_is_terminal(state);
    MU_VEC_PUSH(&t->history, u.status);
    MU_VEC_PUSH(&t->updates, u);
    a->valid_updates++;
    if (t->terminal) {
        a->ended[state]++;
    }
    struct agent_record *r = agent_journal(a, AGENT_REC_UPDATE, THEN_SEND, t);
    r->status = u.status;
    r->uuid = u.status.uuid;
    a->thens.v[a->thens.count - 1].uuid = u.status.uuid;
}

static void send_head(struct agent *a, struct task *t)
{
    if (!a->registered || t->updates.count == 0 || !t->updates.v[0].durable) {
        return;
    }
    struct mu_msg *m = agent_emit_send(a, MU_MSG_STATUS_UPDATE);
    m->framework_id = t->framework.id;
    m->task_id = t->info->id;
    m->latest_state = t->state;
    mu_msg_add_status(m, &t->updates.v[0].status);
    t->retry_at_ms = a->now.mono_ms + t->retry_interval_ms;
}

void agent_update_durable(struct agent *a, const char *key, const struct mu_uuid *uuid)
{
    struct task *t = mu_omap_get(&a->tasks, key);
    for (size_t i = 0; t != NULL && i < t->updates.count; i++) {
        if (strcmp(t->updates.v[i].status.uuid.s, uuid->s) == 0) {
            t->updates.v[i].durable = true;
            if (i == 0) {
                t->retry_interval_ms = RETRY_MIN_MS;
                send_head(a, t);
            }
            return;
        }
    }
}

void agent_update_acknowledged(struct agent *a, const struct mu_msg *m)
{
    struct task *t = agent_task_find(a, &m->framework_id, &m->task_id);
    if (t == NULL || t->updates.count == 0 ||
        strcmp(t->updates.v[0].status.uuid.s, m->uuid.s) != 0) {
        return; /* a duplicate, or an acknowledgement of what was never sent */
    }
    bool terminal =
        mu_task_state_is_terminal((enum mu_task_state)t->updates.v[0].status.state);
    agent_journal(a, AGENT_REC_ACK, THEN_NOTHING, t)->uuid = m->uuid;
    MU_VEC_REMOVE(&t->updates, 0);
    t->retry_at_ms = MU_NEVER_MS;
    t->retry_interval_ms = RETRY_MIN_MS;
    t->terminal_acknowledged = t->terminal_acknowledged || terminal;
    send_head(a, t);
    agent_task_maybe_forget(a, t);
}

void agent_update_resend_all(struct agent *a)
{
    mu_omap_foreach (e, &a->tasks) {
        struct task *t = e->value;
        t->retry_interval_ms = RETRY_MIN_MS;
        send_head(a, t);
    }
}

void agent_update_pause(struct agent *a)
{
    mu_omap_foreach (e, &a->tasks) {
        struct task *t = e->value;
        t->retry_at_ms = MU_NEVER_MS;
    }
}

void agent_update_tick(struct agent *a, struct task *t)
{
    if (a->now.mono_ms < t->retry_at_ms) {
        return;
    }
    t->retry_interval_ms =
        t->retry_interval_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : t->retry_interval_ms * 2;
    t->retry_at_ms = MU_NEVER_MS;
    send_head(a, t);
}

void agent_update_unkept(struct agent *a,
                         const struct mu_framework_id *f,
                         const struct mu_task_id *t,
                         enum mu_task_state state,
                         const char *reason,
                         const char *message)
{
    if (a->link == 0) {
        return;
    }
    struct mu_task_status s = {.task_id = *t, .framework_id = *f};
    fill_status(a, &s, state, reason, message);
    mu_uuid_make(mu_prng_next(&a->prng), mu_prng_next(&a->prng), &s.uuid);
    struct mu_msg *m = agent_emit_send(a, MU_MSG_STATUS_UPDATE);
    m->framework_id = *f;
    m->task_id = *t;
    m->latest_state = state;
    mu_msg_add_status(m, &s);
}
