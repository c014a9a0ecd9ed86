/* Agents that the registry knows, after a failover: who is back, and what becomes of
 * those who are not.
 *
 * All have agent_reregister_timeout. Then those that are missing are marked unreachable,
 * at the rate that removals.c allows. If more are missing than
 * --recovery_agent_removal_limit allows, it is more likely that this master is cut off
 * than that they all died: none is removed, until enough have come back or the master is
 * told otherwise.
 */
#include <inttypes.h>
#include <stdio.h>

#include <muster/log.h>

#include "master/state.h"

#define PPM 1000000u
#define ONE_BY_ONE 100u /* so many returns are logged each by itself */

void master_returns_begin(struct master *m)
{
    struct reign *r = m->reign;
    r->returns.known = r->agents_in[AGENT_RECOVERED];
    if (r->returns.known > 0 || r->is_blind) {
        master_timer_set(m, &r->returns.timer, TIMER_RETURNS,
                         m->cfg.agent_reregister_timeout_ms);
    } else {
        r->returns.is_over = true;
    }
}

int master_returns_log_level(const struct master *m)
{
    const struct reign *r = m->reign;
    bool crowd =
        !r->returns.is_over && r->returns.back + r->returns.strangers > ONE_BY_ONE;
    return crowd ? MU_DEBUG : MU_INFO;
}

/* 1, 2, 5, 10, 20, 50, ... */
static bool is_round(uint32_t n)
{
    while (n >= 10 && n % 10 == 0) {
        n /= 10;
    }
    return n == 1 || n == 2 || n == 5;
}

static void log_progress(struct master *m, bool known)
{
    const struct reign *r = m->reign;
    uint64_t after_ms = m->now.mono_ms - r->began_mono_ms;
    uint32_t n = r->returns.back;
    uint32_t of = r->returns.known;
    if (!known) {
        if (is_round(r->returns.strangers)) {
            master_log(m, MU_INFO,
                       "agents are back that the registry does not name: agents=%" PRIu32
                       " after_ms=%" PRIu64,
                       r->returns.strangers, after_ms);
        }
        return;
    }
    bool tenth = (uint64_t)n * 10 / of != ((uint64_t)n - 1) * 10 / of;
    if (n == of) {
        master_log(m, MU_INFO, "all %" PRIu32 " agents are back: after_ms=%" PRIu64, of,
                   after_ms);
    } else if (n == 1 || tenth) {
        master_log(m, MU_INFO,
                   "%" PRIu32 " of %" PRIu32 " agents are back: after_ms=%" PRIu64, n, of,
                   after_ms);
    }
}

/* ---- those that are missing ---- */

static bool too_many(const struct master *m)
{
    const struct reign *r = m->reign;
    uint64_t missing = r->agents_in[AGENT_RECOVERED];
    return missing * PPM >
           (uint64_t)r->returns.known * (PPM - m->cfg.recovery_returns_needed_ppm);
}

static void remove_missing(struct master *m)
{
    mu_map_foreach (e, &m->reign->agents) {
        struct master_agent *a = e->value;
        if (a->state == AGENT_RECOVERED && !mu_list_linked(&a->scheduled)) {
            master_agent_on_grace_timer(m, a);
        }
    }
}

void master_returns_over(struct master *m)
{
    struct reign *r = m->reign;
    uint32_t missing = r->agents_in[AGENT_RECOVERED];
    r->returns.is_over = true;
    if (missing == 0) {
        return;
    }
    if (!too_many(m)) {
        master_log(m, MU_WARN,
                   "%" PRIu32 " of %" PRIu32
                   " agents did not come back in time: they become unreachable",
                   missing, r->returns.known);
        remove_missing(m);
        return;
    }
    r->returns.is_held = true;
    master_log(m, MU_ERROR,
               "%" PRIu32 " of %" PRIu32 " agents did not come back in time, more than "
               "--recovery_agent_removal_limit=%" PRIu32
               "%% allows: none is removed. See what keeps them from this master (its "
               "network, their --master); if they are lost indeed, start the masters "
               "with a higher limit",
               missing, r->returns.known,
               (PPM - m->cfg.recovery_returns_needed_ppm) / (PPM / 100));
}

static void release_held(struct master *m)
{
    struct reign *r = m->reign;
    if (r->returns.is_held && !too_many(m)) {
        r->returns.is_held = false;
        master_log(
            m, MU_WARN,
            "enough agents are back: the others become unreachable: missing=%" PRIu32,
            r->agents_in[AGENT_RECOVERED]);
        remove_missing(m);
    }
}

void master_returns_count(struct master *m, uint32_t from)
{
    struct reign *r = m->reign;
    if (from == AGENT_RECOVERED) {
        r->returns.back++;
        log_progress(m, true);
    } else if (from == AGENT_READMITTING) {
        r->returns.strangers++;
        log_progress(m, false);
    }
    release_held(m);
}

void master_returns_drop(struct master *m)
{
    m->reign->returns.known--;
    release_held(m);
}

/* Is there a framework from before, whose tasks may run where nobody knows? */
static bool is_anybody_blind(const struct master *m)
{
    if (!m->reign->is_blind || m->reign->returns.is_over) {
        return false;
    }
    mu_map_foreach (e, &m->reign->frameworks) {
        const struct master_framework *f = e->value;
        if (!f->born_here) {
            return true;
        }
    }
    return false;
}

void master_returns_text(const struct master *m, char *out, size_t size)
{
    const struct reign *r = m->reign;
    uint32_t missing = r->agents_in[AGENT_RECOVERED] + r->agents_in[AGENT_READMITTING];
    if (r->returns.is_held) {
        (void)snprintf(out, size,
                       "%" PRIu32 " of %" PRIu32
                       " agents to re-register, too many to give them up",
                       missing, r->returns.known);
    } else if (missing > 0) {
        (void)snprintf(out, size,
                       "%" PRIu32 " agents to re-register, %" PRIu32 " of %" PRIu32
                       " are back",
                       missing, r->returns.back, r->returns.known);
    } else if (is_anybody_blind(m)) {
        (void)snprintf(out, size,
                       "agents to re-register that the registry does not name, %" PRIu32
                       " are back",
                       r->returns.strangers);
    } else {
        out[0] = '\0';
    }
}
