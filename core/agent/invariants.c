/* What must hold of the agent's state after every step. */
#include <string.h>

#include "agent/state.h"

static int check_updates(const struct task *t, struct mu_error *err)
{
    bool volatile_seen = false;
    for (size_t i = 0; i < t->updates.count; i++) {
        const struct update *u = &t->updates.v[i];
        if (u->durable && volatile_seen) {
            return mu_fail(err, MU_E_CORRUPT,
                           "task '%s': update %zu is durable before an earlier one",
                           t->info->id.s, i);
        }
        volatile_seen = volatile_seen || !u->durable;
        bool terminal = mu_task_state_is_terminal((enum mu_task_state)u->status.state);
        if (terminal && i + 1 != t->updates.count) {
            return mu_fail(err, MU_E_CORRUPT,
                           "task '%s': an update follows the terminal one",
                           t->info->id.s);
        }
    }
    if (t->retry_at_ms != MU_NEVER_MS &&
        (t->updates.count == 0 || !t->updates.v[0].durable)) {
        return mu_fail(err, MU_E_CORRUPT,
                       "task '%s': an update was sent before it was durable",
                       t->info->id.s);
    }
    return 0;
}

static int check_task(const struct agent *a, const struct task *t, struct mu_error *err)
{
    if (mu_omap_get(&a->containers, t->container_id.s) != t) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s': its container is not indexed",
                       t->info->id.s);
    }
    if (t->terminal != mu_task_state_is_terminal((enum mu_task_state)t->state)) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s': terminal or not?", t->info->id.s);
    }
    if (a->state == AGENT_RUNNING && t->phase == PHASE_GONE && !t->terminal) {
        return mu_fail(err, MU_E_CORRUPT,
                       "task '%s': its container is gone and no end was told",
                       t->info->id.s);
    }
    if (t->terminal && a->state == AGENT_RUNNING && t->phase < PHASE_DESTROYING) {
        return mu_fail(err, MU_E_CORRUPT,
                       "task '%s': has ended and its container is left alone",
                       t->info->id.s);
    }
    if (t->kill_asked && t->phase == PHASE_RUNNING && t->kill_at_ms == MU_NEVER_MS &&
        a->state == AGENT_RUNNING) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s': a kill waits for nothing",
                       t->info->id.s);
    }
    return check_updates(t, err);
}

int agent_check(const struct agent *a, struct mu_error *err)
{
    if (a->tasks.count != a->containers.count) {
        return mu_fail(err, MU_E_CORRUPT, "%zu tasks but %zu containers", a->tasks.count,
                       a->containers.count);
    }
    if (a->registered && (a->link == 0 || MU_ID_EMPTY(a->info.id))) {
        return mu_fail(err, MU_E_CORRUPT, "registered without a link or an id");
    }
    mu_omap_foreach (e, &a->tasks) {
        int rc = check_task(a, e->value, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
