/* Tasks: their life in the master, status updates and acknowledgements.
 *
 * The state is the latest the agent knows; resources follow it at once. Which update is
 * on its way to the framework is kept apart, since acknowledgements and reconciliation
 * are about that one. A task leaves the map of its framework when its terminal update was
 * acknowledged, or when nobody is left to acknowledge it.
 */
#include <string.h>

#include "base/check.h"
#include "master/state.h"

struct master_task *master_task_create(struct master *m,
                                       struct master_framework *f,
                                       struct master_agent *a,
                                       const struct mu_task_info *info)
{
    struct master_task *t = MU_NEW(struct master_task);
    t->info = mu_task_info_ref(info);
    t->framework = f;
    t->agent = a;
    t->state = MU_TASK_STAGING;
    mu_list_init(&t->on_agent);
    mu_list_init(&t->ring);
    mu_list_init(&t->of_framework);
    mu_list_append(&f->live, &t->of_framework);
    mu_list_append(&a->tasks, &t->on_agent);
    void *before = mu_map_put(&f->tasks, info->id.s, t);
    MU_ASSERT(before == NULL);
    m->reign->by_state[t->state]++;
    return t;
}

/* Out of the framework's live tasks and off its agent. */
static void detach(struct master *m, struct master_task *t)
{
    if (t->holding) {
        master_agent_book(m, t, -1);
    }
    if (t->unreachable) {
        master_task_set_unreachable(m, t, false);
    }
    m->reign->by_state[t->state]--;
    (void)mu_map_remove(&t->framework->tasks, t->info->id.s);
    mu_list_remove(&t->on_agent);
    mu_list_remove(&t->of_framework);
    t->agent = NULL;
    free(t->unacknowledged);
    t->unacknowledged = NULL;
}

static void leave_history(struct master_task *t)
{
    struct master_framework *f = t->framework;
    mu_list_remove(&t->ring);
    f->completed_count--;
    if (mu_map_get(&f->completed_by_id, t->info->id.s) == t) {
        (void)mu_map_remove(&f->completed_by_id, t->info->id.s);
    }
}

void master_task_destroy(struct master *m, struct master_task *t)
{
    if (t->completed) {
        leave_history(t);
    } else {
        detach(m, t);
    }
    master_notes_release(t);
    mu_task_info_unref(t->info);
    free(t);
}

struct master_task *master_task_find(const struct master_framework *f,
                                     const struct mu_task_id *id)
{
    return mu_map_get(&f->tasks, id->s);
}

void master_task_set_state(struct master *m, struct master_task *t, uint32_t state)
{
    MU_PRE(state < MU_TASK_STATE_COUNT && !t->completed);
    bool was_terminal = mu_task_state_is_terminal(t->state);
    bool is_terminal = mu_task_state_is_terminal(state);
    m->reign->by_state[t->state]--;
    t->state = state;
    m->reign->by_state[t->state]++;
    if (is_terminal && !was_terminal) {
        m->terminal[state]++;
    }
    bool holds = !is_terminal && state != MU_TASK_UNREACHABLE;
    if (holds != t->holding) {
        master_agent_book(m, t, holds ? 1 : -1);
    }
}

void master_task_set_unreachable(struct master *m,
                                 struct master_task *t,
                                 bool unreachable)
{
    (void)m;
    struct master_framework *f = t->framework;
    if (unreachable && !t->unreachable) {
        mu_list_append(&f->unreachable, &t->ring);
        f->unreachable_count++;
    } else if (!unreachable && t->unreachable) {
        mu_list_remove(&t->ring);
        f->unreachable_count--;
    }
    t->unreachable = unreachable;
}

bool master_task_end_is_coming(const struct master_task *t)
{
    return mu_task_state_is_terminal(t->state) && !t->unreachable &&
           t->agent->state == AGENT_ACTIVE && t->unacknowledged == NULL;
}

void master_task_complete(struct master *m, struct master_task *t)
{
    struct master_framework *f = t->framework;
    detach(m, t);
    t->completed = true;
    mu_list_append(&f->completed, &t->ring);
    f->completed_count++;
    (void)mu_map_put(&f->completed_by_id, t->info->id.s,
                     t); /* an older one stays listed */
    while (f->completed_count > m->cfg.max_completed_tasks) {
        master_task_destroy(
            m, mu_list_entry(mu_list_first(&f->completed), struct master_task, ring));
    }
    master_framework_settle(m, f);
}

/* ---- status updates ---- */

static void acknowledge_to_agent(struct master *m,
                                 const struct master_agent *a,
                                 const struct mu_framework_id *framework_id,
                                 const struct mu_task_id *task_id,
                                 const struct mu_uuid *uuid)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ACK_UPDATE);
    msg.framework_id = *framework_id;
    msg.task_id = *task_id;
    msg.uuid = *uuid;
    master_send(m, a->peer.link, &msg);
}

static bool is_valid(const struct master_agent *a, const struct mu_msg *msg)
{
    if (msg->status_count == 0) {
        return false;
    }
    const struct mu_task_status *s = &msg->statuses[0];
    bool ours = MU_ID_EMPTY(s->agent_id) || strcmp(s->agent_id.s, a->info.id.s) == 0;
    return ours && !MU_ID_EMPTY(s->task_id) && s->state < MU_TASK_STATE_COUNT;
}

/* 0 is TASK_STARTING and also "not said": a later update cannot come with that. */
static uint32_t latest_of(const struct mu_msg *msg)
{
    uint32_t said = msg->statuses[0].state;
    bool usable = msg->latest_state != 0 && msg->latest_state < MU_TASK_STATE_COUNT;
    return usable ? msg->latest_state : said;
}

/* A terminal state is never replaced, unless it was only the master's guess. */
static void take_state(struct master *m, struct master_task *t, uint32_t state)
{
    bool guessed = t->unreachable;
    master_task_set_unreachable(m, t, false);
    if (guessed || !mu_task_state_is_terminal(t->state)) {
        master_task_set_state(m, t, state);
    }
}

static void take_update(struct master *m, struct master_task *t, const struct mu_msg *msg)
{
    const struct mu_task_status *s = &msg->statuses[0];
    take_state(m, t, latest_of(msg));
    master_note_add(t, s);
    t->sent_state = s->state;
    t->was_sent = true;
    free(t->unacknowledged);
    t->unacknowledged = mu_xmemdup(s, sizeof(*s));
}

/* Nobody is there to acknowledge it: the framework is removed or being removed. */
static void settle_update(struct master *m,
                          struct master_agent *a,
                          struct master_task *t,
                          const struct mu_msg *msg)
{
    const struct mu_task_status *s = &msg->statuses[0];
    acknowledge_to_agent(m, a, &s->framework_id, &s->task_id, &s->uuid);
    if (t == NULL) {
        return;
    }
    take_state(m, t, latest_of(msg));
    master_note_add(t, s);
    if (mu_task_state_is_terminal(s->state)) {
        master_task_complete(m, t);
    }
}

/* A word of the agent that it does not keep (it refused the task, or has never heard of
 * it), so that there is nothing to acknowledge: the task is over with it. Should the word
 * get lost, the agent is asked again when it re-registers. */
static void end_unkept(struct master *m, struct master_task *t, const struct mu_msg *msg)
{
    struct mu_task_status s = msg->statuses[0];
    if (t == NULL || !mu_task_state_is_terminal(s.state)) {
        master_count(m, COUNT_INVALID_UPDATES);
        return;
    }
    bool was_over = mu_task_state_is_terminal(t->state) && !t->unreachable;
    if (was_over) {
        return; /* its own terminal update is on the way */
    }
    s.agent_id = t->agent->info.id;
    s.state = master_state_for(t->framework, s.state);
    master_count(m, COUNT_VALID_UPDATES);
    take_state(m, t, s.state);
    master_note_add(t, &s);
    master_send_update(m, t->framework, &s);
    master_task_complete(m, t);
}

void master_on_status_update(struct master *m,
                             struct master_agent *a,
                             const struct mu_msg *msg)
{
    if (!is_valid(a, msg)) {
        master_count(m, COUNT_INVALID_UPDATES);
        return;
    }
    const struct mu_task_status *s = &msg->statuses[0];
    struct master_framework *f = master_framework_find(m, &s->framework_id);
    struct master_task *t = f != NULL ? master_task_find(f, &s->task_id) : NULL;
    if (t != NULL && t->agent != a) {
        t = NULL; /* another agent's task of that id */
    }
    if (MU_ID_EMPTY(s->uuid)) {
        end_unkept(m, t, msg);
        return;
    }
    if (f == NULL || f->state == FRAMEWORK_TERMINATING) {
        settle_update(m, a, t, msg);
        return;
    }
    if (t != NULL) {
        take_update(m, t, msg);
    }
    bool sound = t != NULL && f->peer.link != 0;
    master_count(m, sound ? COUNT_VALID_UPDATES : COUNT_INVALID_UPDATES);
    struct mu_task_status sent = *s;
    sent.agent_id = a->info.id;
    master_send_update(m, f, &sent);
}

/* ---- acknowledgements ---- */

void master_on_acknowledge(struct master *m,
                           struct master_framework *f,
                           const struct mu_msg *msg)
{
    struct master_task *t = master_task_find(f, &msg->task_id);
    struct master_agent *a = MU_ID_EMPTY(msg->agent_id) && t != NULL
                                 ? t->agent
                                 : master_agent_find(m, &msg->agent_id);
    if (a == NULL || a->state != AGENT_ACTIVE || MU_ID_EMPTY(msg->uuid)) {
        master_count(m, COUNT_INVALID_ACKS);
        return; /* the agent sends the update again, once it can */
    }
    if (t != NULL && t->agent == a) {
        if (!t->was_sent) {
            master_count(m, COUNT_INVALID_ACKS);
            return;
        }
        const struct mu_task_status *s = t->unacknowledged;
        if (s != NULL && strcmp(s->uuid.s, msg->uuid.s) == 0) {
            bool over = mu_task_state_is_terminal(s->state);
            free(t->unacknowledged);
            t->unacknowledged = NULL;
            if (over) {
                master_task_complete(m, t);
            }
        }
    }
    master_count(m, COUNT_VALID_ACKS);
    acknowledge_to_agent(m, a, &f->info.id, &msg->task_id, &msg->uuid);
}

void master_framework_resend(struct master *m, struct master_framework *f)
{
    mu_map_foreach (e, &f->tasks) {
        const struct master_task *t = e->value;
        if (t->unacknowledged != NULL && t->agent->state == AGENT_ACTIVE) {
            master_send_update(m, f, t->unacknowledged);
        }
    }
}

void master_kill_send(struct master *m, struct master_task *t)
{
    if (t->agent->state != AGENT_ACTIVE) {
        return; /* when it is back */
    }
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_KILL_TASK);
    msg.framework_id = t->framework->info.id;
    msg.task_id = t->info->id;
    msg.has_grace = t->has_grace;
    msg.grace_ms = t->grace_ms;
    master_send(m, t->agent->peer.link, &msg);
}
