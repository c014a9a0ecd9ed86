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

/* The first of those that wait goes to the end; NULL: nobody waits. */
static struct mu_list *next_of(struct mu_list *waiting)
{
    struct mu_list *n = mu_list_first(waiting);
    if (n != NULL) {
        mu_list_remove(n);
        mu_list_append(waiting, n);
    }
    return n;
}

void reconcile_watch_unsure(struct scheduler *s)
{
    if (!mu_heap_has(&s->unsure_timer.node)) {
        timer_set(s, &s->unsure_timer, later_ms(s->now.mono_ms, s->unsure_delay_ms));
    }
}

void reconcile_unsure(struct scheduler *s)
{
    if (s->link != LINK_SUBSCRIBED || s->unheard_count == 0) {
        s->to_ask = 0;
        return; /* the next subscription asks */
    }
    s->to_ask = s->to_ask == 0 ? s->unheard_count : s->to_ask;
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RECONCILE);
    while (s->to_ask > 0 && m.status_count < SCHED_RECONCILE_SLICE) {
        const struct mu_list *n = next_of(&s->unheard);
        s->to_ask = n != NULL ? s->to_ask - 1 : 0;
        if (n != NULL) {
            ask_about(&m, mu_list_entry(n, struct sched_task, unheard));
        }
    }
    emit_send(s, &m);
    if (s->to_ask > 0) {
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
    s->to_reconcile = 0;
    s->to_ask = 0;
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
    s->to_reconcile = s->to_reconcile == 0 ? s->tasks.count : s->to_reconcile;
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RECONCILE);
    for (size_t i = 0; s->to_reconcile > 0 && i < SCHED_RECONCILE_SLICE; i++) {
        const struct mu_list *n = next_of(&s->known);
        const struct sched_task *t =
            n != NULL ? mu_list_entry(n, struct sched_task, known) : NULL;
        s->to_reconcile = t != NULL ? s->to_reconcile - 1 : 0;
        if (t != NULL && t->phase == TASK_LAUNCHED) {
            ask_about(&m, t);
        }
    }
    if (m.status_count > 0) {
        emit_send(s, &m);
    }
    if (s->to_reconcile > 0) {
        timer_set(s, &s->reconcile_timer, later_ms(s->now.mono_ms, SCHED_SLICE_PAUSE_MS));
        return;
    }
    ask_about_none(s);
    timer_set(s, &s->reconcile_timer,
              later_ms(s->now.mono_ms, s->cfg.reconcile_interval_ms));
}
