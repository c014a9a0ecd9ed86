/* One heap for all that waits for a time; equal times in the order in which they were
 * set.
 */
#include "scheduler/internal.h"

void timer_set(struct scheduler *s, struct sched_timer *t, uint64_t at_ms)
{
    if (mu_heap_has(&t->node)) {
        if (t->node.key == at_ms) {
            return;
        }
        mu_heap_remove(&s->timers, &t->node);
    }
    if (at_ms != MU_NEVER_MS) {
        mu_heap_push(&s->timers, &t->node, at_ms);
    }
}

static void run(struct scheduler *s, struct sched_timer *t)
{
    switch ((enum sched_timer_kind)t->kind) {
    case TIMER_TASK:
        task_on_timer(s, mu_container_of(t, struct sched_task, timer));
        return;
    case TIMER_APP: {
        struct launch_entry *e = mu_container_of(t, struct launch_entry, timer);
        queue_on_timer(s, mu_container_of(e, struct sched_app, launch));
        return;
    }
    case TIMER_WALK:
        app_mark_dirty(s, mu_container_of(t, struct sched_app, walk_timer));
        return;
    case TIMER_RECONCILE:
        reconcile_on_timer(s);
        return;
    case TIMER_UNSURE:
        reconcile_unsure(s);
        return;
    case TIMER_SCALE:
        s->surplus_goes = true;
        mu_omap_foreach (e, &s->apps) {
            app_mark_dirty(s, e->value);
        }
        timer_set(s, t, later_ms(s->now.mono_ms, s->cfg.scale_apps_interval_ms));
        return;
    case TIMER_REVIVE:
        return; /* link_settle looks at the time */
    case TIMER_STORE:
        store_retry(s);
        return;
    case TIMER_STORE_SLOW:
        store_on_slow_timer(s);
        return;
    case TIMER_LOAD:
        load_begin(s);
        return;
    }
}

void timers_run(struct scheduler *s)
{
    for (;;) {
        struct mu_heap_node *n = mu_heap_top(&s->timers);
        if (n == NULL || n->key > s->now.mono_ms) {
            return;
        }
        (void)mu_heap_pop(&s->timers);
        run(s, mu_container_of(n, struct sched_timer, node));
    }
}
