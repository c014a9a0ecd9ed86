/* The states of the machine, its link, its tasks and its deployments, with the allowed
 * moves. Pure. */
#ifndef MU_SCHEDULER_STATES_H
#define MU_SCHEDULER_STATES_H

#include "base/sm.h"

enum sched_state { SCHED_STOPPED, SCHED_LOADING, SCHED_READY, SCHED_STATE_COUNT };
enum link_state {
    LINK_DOWN,
    LINK_UP, /* there, but nothing said: apps are not loaded, or the master refused us */
    LINK_SUBSCRIBING,
    LINK_SUBSCRIBED,
    LINK_STATE_COUNT
};
enum task_phase {
    TASK_PREPARING, /* its record is on its way to the registry; nothing was sent */
    TASK_LAUNCHED,  /* sent */
    TASK_ENDED,     /* over; the removal of its record is on its way */
    TASK_PHASE_COUNT
};
enum deployment_state {
    DEPLOYMENT_RUNNING,
    DEPLOYMENT_ENDING, /* all done; the removal of its record is on its way */
    DEPLOYMENT_STATE_COUNT
};

extern const struct mu_sm sched_sm, link_sm, task_phase_sm, deployment_sm;

#endif
