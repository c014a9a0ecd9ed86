/* Sandboxes of forgotten tasks are kept for cfg.gc_delay_ms, so that their output can be
 * read, and then removed. */
#include <stdlib.h>

#include "agent/state.h"

void agent_garbage_add(struct agent *a, const char *sandbox, int64_t forgotten_wall_ms)
{
    if (sandbox == NULL || sandbox[0] == '\0') {
        return;
    }
    /* How long ago it was is wall time (the process may have been away); when it is due
     * is monotonic. */
    int64_t age = a->now.wall_ms - forgotten_wall_ms;
    uint64_t left = age <= 0 ? a->cfg.gc_delay_ms
                    : (uint64_t)age >= a->cfg.gc_delay_ms
                        ? 0
                        : a->cfg.gc_delay_ms - (uint64_t)age;
    struct garbage g = {.sandbox = mu_xstrdup(sandbox),
                        .wall_ms = forgotten_wall_ms,
                        .due_ms = a->now.mono_ms + left};
    MU_VEC_PUSH(&a->garbage, g);
}

void agent_garbage_collect(struct agent *a)
{
    if (a->state != AGENT_RUNNING) {
        return;
    }
    for (size_t i = 0; i < a->garbage.count;) {
        if (a->garbage.v[i].due_ms > a->now.mono_ms) {
            i++;
            continue;
        }
        agent_emit(a, AGENT_FX_REMOVE_SANDBOX)->sandbox = a->garbage.v[i].sandbox;
        MU_VEC_REMOVE(&a->garbage, i);
        a->removals++;
    }
}
