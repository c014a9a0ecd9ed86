/* See states.h. */
#include "scheduler/states.h"

#define TO(state) MU_SM_TO(state)

static const struct mu_sm_state sched_states[SCHED_STATE_COUNT] = {
    [SCHED_STOPPED] = {"stopped", MU_SM_INITIAL, TO(SCHED_LOADING)},
    [SCHED_LOADING] = {"loading", 0, TO(SCHED_READY) | TO(SCHED_STOPPED)},
    [SCHED_READY] = {"ready", 0, TO(SCHED_STOPPED)},
};
const struct mu_sm sched_sm = {"scheduler", sched_states, SCHED_STATE_COUNT};

static const struct mu_sm_state link_states[LINK_STATE_COUNT] = {
    [LINK_DOWN] = {"down", MU_SM_INITIAL, TO(LINK_UP)},
    [LINK_UP] = {"up", 0, TO(LINK_SUBSCRIBING) | TO(LINK_DOWN)},
    [LINK_SUBSCRIBING] = {"subscribing", 0,
                          TO(LINK_SUBSCRIBED) | TO(LINK_UP) | TO(LINK_DOWN)},
    [LINK_SUBSCRIBED] = {"subscribed", 0, TO(LINK_UP) | TO(LINK_DOWN)},
};
const struct mu_sm link_sm = {"scheduler link", link_states, LINK_STATE_COUNT};

static const struct mu_sm_state task_phases[TASK_PHASE_COUNT] = {
    [TASK_PREPARING] = {"preparing", MU_SM_INITIAL, TO(TASK_LAUNCHED) | TO(TASK_ENDED)},
    [TASK_LAUNCHED] = {"launched", MU_SM_INITIAL, TO(TASK_ENDED)},
    [TASK_ENDED] = {"ended", MU_SM_FINAL, 0},
};
const struct mu_sm task_phase_sm = {"app task", task_phases, TASK_PHASE_COUNT};

static const struct mu_sm_state deployment_states[DEPLOYMENT_STATE_COUNT] = {
    [DEPLOYMENT_RUNNING] = {"running", MU_SM_INITIAL, TO(DEPLOYMENT_ENDING)},
    [DEPLOYMENT_ENDING] = {"ending", MU_SM_FINAL, 0},
};
const struct mu_sm deployment_sm = {"deployment", deployment_states,
                                    DEPLOYMENT_STATE_COUNT};
