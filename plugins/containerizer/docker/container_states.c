/* The states of a container, the moves between them, and what must hold in each. */
#include "container.h"

#define TO(state) (1u << DKR_##state)

/* clang-format off */
const struct dkr_state_info dkr_states[DKR_STATE_COUNT] = {
    [DKR_NEW] = {"new", TO(ADOPT) | TO(IMAGE) | TO(CREATE) | TO(GONE)},
    [DKR_ADOPT] = {"adopt", TO(RUNNING) | TO(EXAMINE) | TO(KILLING) | TO(DRAIN) | TO(REMOVE) | TO(GONE)},
    [DKR_IMAGE] = {"image", TO(CREATE) | TO(FIND) | TO(GONE)},
    [DKR_CREATE] = {"create", TO(IMAGE) | TO(CLASH) | TO(START) | TO(FIND) | TO(REMOVE) | TO(GONE)},
    [DKR_CLASH] = {"clash", TO(CREATE) | TO(CLEAR) | TO(FIND) | TO(REMOVE) | TO(GONE)},
    [DKR_CLEAR] = {"clear", TO(CREATE) | TO(REMOVE)},
    [DKR_START] = {"start", TO(LOOK) | TO(REMOVE)},
    [DKR_LOOK] = {"look", TO(RUNNING) | TO(EXAMINE) | TO(DRAIN) | TO(REMOVE)},
    [DKR_RUNNING] = {"running", TO(EXAMINE) | TO(KILLING)},
    [DKR_EXAMINE] = {"examine", TO(RUNNING) | TO(KILLING) | TO(DRAIN) | TO(FIND) | TO(REMOVE)},
    [DKR_KILLING] = {"killing", TO(EXAMINE)},
    [DKR_DRAIN] = {"drain", TO(EXITED) | TO(REMOVE) | TO(GONE)},
    [DKR_EXITED] = {"exited", TO(REMOVE) | TO(GONE)},
    [DKR_FIND] = {"find", TO(REMOVE) | TO(GONE)},
    [DKR_REMOVE] = {"remove", TO(GONE)},
    [DKR_GONE] = {"gone", 0},
};
/* clang-format on */

bool dkr_container_can_be_signalled(const struct dkr_container *c)
{
    return c->state == DKR_LOOK || c->state == DKR_RUNNING || c->state == DKR_EXAMINE ||
           c->state == DKR_KILLING;
}

int dkr_container_check(const struct dkr_container *c, struct mu_error *err)
{
    bool is_quiet = c->state == DKR_EXITED || c->state == DKR_GONE;

    if (is_quiet && (c->call_pending || c->timer_armed || c->wait_pending)) {
        return mu_fail(err, MU_E_CONFLICT, "at rest with work under way");
    }
    if (c->state == DKR_GONE && (c->owes_launched || c->owes_recovered || c->owes_exit ||
                                 c->owes_destroyed || c->logs_open)) {
        return mu_fail(err, MU_E_CONFLICT, "gone with debts");
    }
    if (c->state == DKR_RUNNING && !c->wait_pending && !c->timer_armed) {
        return mu_fail(err, MU_E_CONFLICT, "running and nobody waits for the end");
    }
    bool is_busy = c->state != DKR_NEW && c->state != DKR_RUNNING && !is_quiet;
    if (is_busy && !c->call_pending && !c->timer_armed) {
        return mu_fail(err, MU_E_CONFLICT, "stuck: neither a call nor a timer");
    }
    if (c->call_pending && c->timer_armed) {
        return mu_fail(err, MU_E_CONFLICT, "a call and a timer at once");
    }
    return 0;
}
