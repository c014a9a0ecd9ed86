/* A registry that does not answer. Agents that must be admitted, marked or removed wait
 * for it without a limit: to act without the record would be worse. So it is said, with
 * the registry's own reason (core/scheduler/store.c does the same for the apps). */
#include <inttypes.h>

#include <muster/log.h>

#include "master/state.h"

#define SLOW_MS 5000u
#define TELL_MS 60000u /* again, at least so often */
#define WHY_MAX 4096u

static const struct master_commit *oldest(const struct master *m)
{
    const struct master_commit *found = NULL;
    mu_map_foreach (e, &m->reign->commits) {
        const struct master_commit *c = e->value;
        found = found == NULL || c->sent_ms < found->sent_ms ? c : found;
    }
    return found;
}

void master_explain_registry(const struct master *m, struct mu_buf *out)
{
    struct mu_buf why;
    mu_buf_init(&why, WHY_MAX);
    if (m->cfg.explain_registry != NULL) {
        m->cfg.explain_registry(m->cfg.explain_arg, &why);
    }
    if (why.len > 0) {
        mu_buf_printf(out, ": %s", mu_buf_str(&why));
    }
    mu_buf_release(&why);
}

bool master_registry_is_slow(const struct master *m)
{
    return m->reign->slow.pause_ms > 0;
}

void master_slowness_begin(struct master *m)
{
    if (!mu_heap_has(&m->reign->slow.timer.node)) {
        master_timer_set(m, &m->reign->slow.timer, TIMER_STORE_SLOW, SLOW_MS);
    }
}

void master_slowness_run(struct master *m)
{
    struct reign *r = m->reign;
    const struct master_commit *c = oldest(m);
    if (c == NULL) {
        return;
    }
    uint64_t age_ms = m->now.mono_ms - c->sent_ms;
    if (age_ms < SLOW_MS) {
        master_timer_set(m, &r->slow.timer, TIMER_STORE_SLOW, SLOW_MS - age_ms);
        return;
    }
    struct mu_buf why;
    mu_buf_init(&why, WHY_MAX + 2);
    master_explain_registry(m, &why);
    master_log(m, MU_WARN,
               "the registry has not answered: agents wait to be admitted or removed: "
               "for_ms=%" PRIu64 " commits=%zu first=%s%s",
               age_ms, r->commits.count, c->info.id.s, mu_buf_str(&why));
    mu_buf_release(&why);
    uint64_t next = r->slow.pause_ms == 0 ? SLOW_MS : 2 * r->slow.pause_ms;
    r->slow.pause_ms = next < TELL_MS ? next : TELL_MS;
    master_timer_set(m, &r->slow.timer, TIMER_STORE_SLOW, r->slow.pause_ms);
}

void master_slowness_end(struct master *m, const struct master_commit *answered)
{
    struct reign *r = m->reign;
    if (r->slow.pause_ms > 0) {
        master_log(m, MU_INFO, "the registry answers again: after_ms=%" PRIu64,
                   m->now.mono_ms - answered->sent_ms);
        r->slow.pause_ms = 0;
        master_timer_set(m, &r->slow.timer, TIMER_STORE_SLOW, SLOW_MS);
    }
    if (r->commits.count == 0) {
        master_timer_stop(m, &r->slow.timer);
    }
}
