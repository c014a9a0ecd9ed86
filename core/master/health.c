/* Agents that fall silent: pings, lost links, unreachable, removed.
 *
 * A lost link makes an agent disconnected: its offers are rescinded, its tasks stay as
 * they are. Only when it has not come back in time, or has missed too many pings, is it
 * marked unreachable in the registry, and then its tasks are reported. Nothing is ever
 * sent to it for that: what runs there runs on, and is taken back when it returns.
 */
#include <inttypes.h>
#include <stdio.h>

#include <muster/log.h>

#include "base/check.h"
#include "master/state.h"

/* ---- pings ---- */

void master_agent_start_pings(struct master *m, struct master_agent *a)
{
    a->missed_pongs = 0;
    a->pong_missing = false;
    master_timer_set(m, &a->timer, TIMER_PING, m->cfg.agent_ping_timeout_ms);
}

void master_agent_mark(struct master *m, struct master_agent *a)
{
    a->came_from = a->state;
    master_agent_move(m, a, AGENT_MARKING);
    master_log(m, MU_WARN, "marking an agent unreachable: %s: agent=%s host=%s", a->cause,
               a->info.id.s, a->info.hostname);
    master_commit(m, a, COMMIT_UNREACHABLE, &a->info);
}

void master_agent_on_ping_timer(struct master *m, struct master_agent *a, uint64_t due_ms)
{
    if (a->state != AGENT_ACTIVE) {
        return;
    }
    /* A timer that fires this late was held up here: its pong may still be unread. */
    bool we_stalled = m->now.mono_ms - due_ms >= m->cfg.agent_ping_timeout_ms;
    if (a->pong_missing && !we_stalled) {
        a->missed_pongs++;
    }
    if (a->missed_pongs >= m->cfg.max_agent_ping_timeouts) {
        uint64_t link = a->peer.link;
        master_agent_disconnect(m, a);
        master_timer_stop(m, &a->timer);
        master_close(m, link);
        (void)snprintf(a->cause, sizeof(a->cause), "health check timed out");
        a->silent = true;
        master_removal_schedule(m, a);
        return;
    }
    a->pong_missing = true;
    struct mu_msg ping;
    mu_msg_init(&ping, MU_MSG_PING);
    master_send(m, a->peer.link, &ping);
    master_timer_set(m, &a->timer, TIMER_PING, m->cfg.agent_ping_timeout_ms);
}

/* ---- disconnection ---- */

void master_agent_disconnect(struct master *m, struct master_agent *a)
{
    master_link_forget(m, &a->peer);
    if (a->state != AGENT_ACTIVE) {
        return;
    }
    master_agent_move(m, a, AGENT_DISCONNECTED);
    allocator_activate_agent(&m->reign->allocator, &a->alloc, false);
    master_agent_rescind(m, a);
    master_timer_set(m, &a->timer, TIMER_AGENT_GRACE, m->cfg.agent_reregister_timeout_ms);
    master_log(m, MU_WARN,
               "agent disconnected: its tasks are left alone: agent=%s host=%s",
               a->info.id.s, a->info.hostname);
}

void master_agent_on_grace_timer(struct master *m, struct master_agent *a)
{
    bool held = a->state == AGENT_RECOVERED && m->reign->returns.is_held;
    if (held || (a->state != AGENT_DISCONNECTED && a->state != AGENT_RECOVERED)) {
        return;
    }
    a->silent = false;
    (void)snprintf(
        a->cause, sizeof(a->cause), "agent did not reregister within %" PRIu64 "secs %s",
        m->cfg.agent_reregister_timeout_ms / 1000,
        a->state == AGENT_RECOVERED ? "after master failover" : "after disconnecting");
    master_removal_schedule(m, a);
}

/* ---- the ends ---- */

static void report_failure(struct master *m, const struct master_agent *a)
{
    mu_map_foreach (e, &m->reign->frameworks) {
        const struct master_framework *f = e->value;
        struct mu_msg msg;
        mu_msg_init(&msg, MU_MSG_FAILURE);
        msg.agent_id = a->info.id;
        mu_msg_set_text(&msg, a->cause);
        master_send(m, f->peer.link, &msg);
    }
}

static void leave_allocator(struct master *m, struct master_agent *a)
{
    if (a->in_allocator) {
        allocator_remove_agent(&m->reign->allocator, &a->alloc);
        a->in_allocator = false;
    }
}

/* state is what a framework that knows such states is told. */
static void
lose_task(struct master *m, struct master_task *t, uint32_t state, const char *message)
{
    const char *reason = state == MU_TASK_GONE_BY_OPERATOR
                             ? "REASON_AGENT_REMOVED_BY_OPERATOR"
                             : "REASON_AGENT_REMOVED";
    const struct master_status_about about = {
        &t->info->id, &t->agent->info.id, master_state_for(t->framework, state), reason};
    struct mu_task_status s;
    master_status_make(m, t->framework, &about, &s, "%s", message);
    master_task_set_state(m, t, s.state);
    master_note_add(t, &s);
    master_send_update(m, t->framework, &s);
}

/* The lists of unreachable tasks are bounded: the oldest go into the history. */
static void trim_unreachable(struct master *m)
{
    mu_map_foreach_safe (e, &m->reign->frameworks) {
        struct master_framework *f = e->value;
        while (f->unreachable_count > m->cfg.max_completed_tasks) {
            master_task_complete(m, mu_list_entry(mu_list_first(&f->unreachable),
                                                  struct master_task, ring));
        }
    }
}

void master_agent_marked(struct master *m, struct master_agent *a)
{
    if (a->state != AGENT_MARKING) {
        return;
    }
    master_agent_move(m, a, AGENT_UNREACHABLE);
    a->since_ms = m->now.wall_ms;
    master_gc_enter(m, a);
    master_count(m, COUNT_UNREACHABLE_COMPLETED);
    master_count(m, COUNT_REMOVALS);
    if (a->silent) {
        master_count(m, COUNT_REMOVALS_UNHEALTHY);
    }
    if (a->came_from == AGENT_RECOVERED) {
        master_count(m, COUNT_RECOVERY_REMOVALS);
    }
    mu_list_foreach_safe (node, &a->tasks) {
        struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        if (!mu_task_state_is_terminal(t->state)) {
            lose_task(m, t, MU_TASK_UNREACHABLE, a->cause);
        }
        if (t->framework->state == FRAMEWORK_TERMINATING) {
            master_task_complete(m, t);
        } else {
            master_task_set_unreachable(m, t, true);
        }
    }
    leave_allocator(m, a);
    report_failure(m, a);
    trim_unreachable(m);
}

void master_agent_remove(struct master *m, struct master_agent *a, const char *cause)
{
    if (a->state == AGENT_ACTIVE) {
        uint64_t link = a->peer.link;
        master_agent_disconnect(m, a);
        master_close(m, link);
    }
    master_timer_stop(m, &a->timer);
    master_removal_cancel(m, a);
    a->came_from = a->state;
    master_agent_move(m, a, AGENT_REMOVING);
    (void)snprintf(a->cause, sizeof(a->cause), "%s", cause);
    master_log(m, MU_WARN, "removing an agent: %s: agent=%s host=%s", cause, a->info.id.s,
               a->info.hostname);
    master_commit(m, a, COMMIT_REMOVE, &a->info);
}

void master_agent_removed(struct master *m, struct master_agent *a)
{
    if (a->state != AGENT_REMOVING) {
        return;
    }
    master_count(m, COUNT_REMOVALS);
    char message[sizeof(a->cause) + 128];
    (void)snprintf(message, sizeof(message), "Agent %.80s removed: %s", a->info.hostname,
                   a->cause);
    mu_list_foreach_safe (node, &a->tasks) {
        struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        if (!mu_task_state_is_terminal(t->state)) {
            lose_task(m, t, MU_TASK_LOST, message);
        }
        master_task_complete(m, t);
    }
    report_failure(m, a);
    if (a->came_from == AGENT_RECOVERED) {
        master_returns_drop(m);
    }
    master_agent_destroy(m, a);
}

/* ---- gone: an operator knows that it never comes back ---- */

/* Its link stays, to tell it when that is durable. */
void master_agent_mark_gone(struct master *m, struct master_agent *a)
{
    switch ((enum master_agent_state)a->state) {
    case AGENT_ACTIVE:
        master_agent_move(m, a, AGENT_DISCONNECTED);
        allocator_activate_agent(&m->reign->allocator, &a->alloc, false);
        master_agent_rescind(m, a);
        break;
    case AGENT_DISCONNECTED:
    case AGENT_RECOVERED:
    case AGENT_UNREACHABLE:
        break;
    case AGENT_GONE:
    case AGENT_MARKING_GONE:
        return;
    case AGENT_ADMITTING:
    case AGENT_READMITTING:
    case AGENT_MARKING:
    case AGENT_REMOVING:
    case AGENT_STATES:
        a->gone_asked = true; /* when the registry has answered */
        return;
    }
    a->gone_asked = false;
    master_timer_stop(m, &a->timer);
    master_removal_cancel(m, a);
    a->came_from = a->state;
    master_agent_move(m, a, AGENT_MARKING_GONE);
    (void)snprintf(a->cause, sizeof(a->cause), "Agent has been marked gone");
    master_log(m, MU_WARN, "marking an agent gone: agent=%s host=%s", a->info.id.s,
               a->info.hostname);
    master_commit(m, a, COMMIT_GONE, &a->info);
}

void master_agent_is_gone(struct master *m, struct master_agent *a)
{
    if (a->state != AGENT_MARKING_GONE) {
        return;
    }
    master_agent_move(m, a, AGENT_GONE);
    a->since_ms = m->now.wall_ms;
    master_gc_enter(m, a);
    master_count(m, COUNT_REMOVALS);
    master_count(m, COUNT_REMOVALS_GONE);
    mu_list_foreach_safe (node, &a->tasks) {
        struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        if (t->unreachable || !mu_task_state_is_terminal(t->state)) {
            lose_task(m, t, MU_TASK_GONE_BY_OPERATOR, a->cause);
        }
        master_task_complete(m, t);
    }
    leave_allocator(m, a);
    report_failure(m, a);
    if (a->came_from == AGENT_RECOVERED) {
        master_returns_drop(m);
    }
    uint64_t link = a->peer.link;
    master_link_forget(m, &a->peer);
    master_agent_shut_down(m, link, a->cause);
}
