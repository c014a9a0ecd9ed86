/* Asking the master what became of tasks.
 *
 * After a subscription at once about those not heard of since the records were loaded,
 * again and again with growing pauses, since a master stays silent about agents that are
 * not back yet; then, after reconcile_initial_ms and every reconcile_interval_ms, about
 * all (in slices), followed by the open question that names none.
 */
#include "scheduler/internal.h"

static void ask_about(struct mu_msg *m, const struct sched_task *t)
{
    struct mu_task_status st = {
        .task_id = t->id, .agent_id = t->agent_id, .state = t->state};
    mu_msg_add_status(m, &st);
}

void reconcile_watch_unsure(struct scheduler *s)
{
    if (!mu_heap_has(&s->unsure_timer.node)) {
        timer_set(s, &s->unsure_timer, later_ms(s->now.mono_ms, s->unsure_delay_ms));
    }
}

static bool is_unsure(const struct sched_task *t)
{
    return t->is_counted && !t->confirmed && t->phase == TASK_LAUNCHED;
}

void reconcile_unsure(struct scheduler *s)
{
    if (s->link != LINK_SUBSCRIBED || s->unsure_count == 0) {
        s->asking = false;
        return; /* the next subscription asks */
    }
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RECONCILE);
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        t->to_ask = is_unsure(t) && (t->to_ask || !s->asking);
        if (t->to_ask && m.status_count < SCHED_RECONCILE_SLICE) {
            t->to_ask = false;
            ask_about(&m, t);
        }
    }
    s->asking = m.status_count == SCHED_RECONCILE_SLICE;
    if (m.status_count > 0) {
        emit_send(s, &m);
    }
    if (s->asking) {
        timer_set(s, &s->unsure_timer, later_ms(s->now.mono_ms, SCHED_SLICE_PAUSE_MS));
        return;
    }
    timer_set(s, &s->unsure_timer, later_ms(s->now.mono_ms, s->unsure_delay_ms));
    uint64_t next = s->unsure_delay_ms * 2;
    s->unsure_delay_ms =
        next < s->cfg.reconcile_initial_ms ? next : s->cfg.reconcile_initial_ms;
}

void reconcile_begin(struct scheduler *s)
{
    s->reconciling = false;
    s->asking = false;
    s->unsure_delay_ms = SCHED_UNSURE_RETRY_MS;
    timer_set(s, &s->reconcile_timer,
              later_ms(s->now.mono_ms, s->cfg.reconcile_initial_ms));
    reconcile_unsure(s);
}

static void ask_about_none(struct scheduler *s)
{
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RECONCILE);
    emit_send(s, &m);
}

void reconcile_on_timer(struct scheduler *s)
{
    if (s->link != LINK_SUBSCRIBED) {
        return;
    }
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RECONCILE);
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        if (!s->reconciling) {
            t->to_reconcile = t->phase == TASK_LAUNCHED;
        }
        if (t->to_reconcile && m.status_count < SCHED_RECONCILE_SLICE) {
            t->to_reconcile = false;
            if (t->phase == TASK_LAUNCHED) {
                ask_about(&m, t);
            }
        }
    }
    s->reconciling = m.status_count == SCHED_RECONCILE_SLICE;
    if (m.status_count > 0) {
        emit_send(s, &m);
    }
    if (s->reconciling) {
        timer_set(s, &s->reconcile_timer, later_ms(s->now.mono_ms, SCHED_SLICE_PAUSE_MS));
        return;
    }
    ask_about_none(s);
    timer_set(s, &s->reconcile_timer,
              later_ms(s->now.mono_ms, s->cfg.reconcile_interval_ms));
}
