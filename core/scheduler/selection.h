/* Which instances go when there are too many. Pure.
 *
 * Order: those that were named; those of an older version, where the caller says so; then
 * such that every GROUP_BY distribution stays even; then by rank (what is least alive
 * goes first); then by age as the app's killSelection says.
 */
#ifndef MU_SCHEDULER_SELECTION_H
#define MU_SCHEDULER_SELECTION_H

#include <muster/app.h>

struct selection_item {
    void *task; /* the caller's */
    const char *id;
    bool listed;
    uint32_t rank;                 /* lower goes first */
    int64_t started_ms, staged_ms; /* wall; started 0: never */
    const char *host;
    const struct mu_pairs *attributes;
};

/* Unreachable, staging, starting, running, others. */
uint32_t selection_rank(uint32_t task_state);

/* Bring the victims to the front of items, in the order they go; returns how many: as
 * many as are more than keep, and at least the listed ones. app: its constraints and its
 * kill selection. */
size_t selection_pick(const struct mu_app *app,
                      struct selection_item *items,
                      size_t count,
                      size_t keep);

#endif
