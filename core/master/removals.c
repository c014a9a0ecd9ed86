/* How fast agents are marked unreachable (--agent_removal_rate_limit).
 *
 * A switch that fails cuts off hundreds of agents at once, and all their tasks would be
 * started again elsewhere. With a limit they wait in a queue for their turn; one that
 * comes back before it is not marked at all. Without a limit nobody waits.
 */
#include <inttypes.h>

#include <muster/log.h>

#include "master/state.h"

#define US_PER_MS 1000u
#define CATCH_UP_US                                                                      \
    1000u /* a timer is that late at most: turns missed for longer are lost */

/* Time between two turns. */
static uint64_t interval_us(const struct master *m)
{
    uint64_t us = m->cfg.agent_removal_per_ms * US_PER_MS / m->cfg.agent_removal_permits;
    return us > 0 ? us : 1;
}

void master_removal_schedule(struct master *m, struct master_agent *a)
{
    struct reign *r = m->reign;
    if (mu_list_linked(&a->scheduled)) {
        return;
    }
    master_count(m, COUNT_UNREACHABLE_SCHEDULED);
    if (m->cfg.agent_removal_permits == 0) {
        master_agent_mark(m, a);
        return;
    }
    uint64_t now_us = m->now.mono_ms * US_PER_MS;
    if (mu_list_empty(&r->removals.queue) && r->removals.next_us < now_us) {
        r->removals.next_us = now_us;
    }
    mu_list_append(&r->removals.queue, &a->scheduled);
    master_removals_run(m);
    if (mu_list_linked(&a->scheduled)) {
        master_log(m, MU_INFO,
                   "an agent waits for its turn to be marked unreachable: %s: agent=%s",
                   a->cause, a->info.id.s);
    }
}

void master_removal_cancel(struct master *m, struct master_agent *a)
{
    if (mu_list_linked(&a->scheduled)) {
        mu_list_remove(&a->scheduled);
        master_count(m, COUNT_UNREACHABLE_CANCELED);
    }
}

void master_removals_run(struct master *m)
{
    struct reign *r = m->reign;
    uint64_t now_us = m->now.mono_ms * US_PER_MS;
    while (!mu_list_empty(&r->removals.queue)) {
        if (r->removals.next_us > now_us) {
            uint64_t wait_us = r->removals.next_us - now_us;
            master_timer_set(m, &r->removals.timer, TIMER_REMOVAL,
                             (wait_us + US_PER_MS - 1) / US_PER_MS);
            return;
        }
        if (now_us - r->removals.next_us > CATCH_UP_US) {
            r->removals.next_us = now_us - CATCH_UP_US;
        }
        r->removals.next_us += interval_us(m);
        master_agent_mark(m, mu_list_entry(mu_list_pop(&r->removals.queue),
                                           struct master_agent, scheduled));
    }
}
