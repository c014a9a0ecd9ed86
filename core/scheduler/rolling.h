/* The arithmetic of a rolling restart. Pure.
 *
 * n instances shall run in the end; at least min_healthy stay healthy on the way, and at
 * most max_capacity exist at once. When both are equal and all are up, nothing could
 * move: then one more may exist for a moment (or, for an app tied to its place, one
 * less).
 */
#ifndef MU_SCHEDULER_ROLLING_H
#define MU_SCHEDULER_ROLLING_H

#include <muster/app.h>

struct rolling_limits {
    uint32_t min_healthy, max_capacity;
    uint32_t kill_now; /* healthy ones that may go at this moment */
};

/* tied: instances cannot be moved or doubled (an app with local state). healthy: those of
 * the old and the new version that count, without those already being killed. */
void rolling_limits(uint32_t n,
                    const struct mu_upgrade_strategy *upgrade,
                    bool tied,
                    uint32_t healthy,
                    struct rolling_limits *out);

#endif
