/* From what was and what shall be to the ordered steps of a deployment. Pure.
 *
 * First everything that goes away is stopped, then everything new is announced, then the
 * layers of the dependency graph follow, apps without dependencies first. What does not
 * change has no action; steps without actions are left out.
 */
#ifndef MU_SCHEDULER_PLANNER_H
#define MU_SCHEDULER_PLANNER_H

#include "base/omap.h"
#include "scheduler/scheduler.h"

struct planner_input {
    const struct mu_omap *tree; /* id -> const struct mu_app *; the changes lie over it */
    const struct scheduler_change *changes; /* sorted by app_id, each id once */
    size_t change_count;
    const bool *has_victims; /* per change: tasks to go first; NULL: none anywhere */
};

struct planner_plan { /* the arrays are the plan's; ids are borrowed from the changes */
    struct mu_deployment_step *steps;
    size_t step_count;
    const char **affected; /* apps with an action, sorted */
    size_t affected_count;
};

/* out is overwritten. */
void planner_plan(const struct planner_input *in, struct planner_plan *out);
void planner_plan_release(struct planner_plan *p);

/* An app of the changed tree that depends on itself by some way through the changes, or
 * NULL. */
const char *planner_find_cycle(const struct planner_input *in);

/* Sort changes as planner_input wants them. */
void planner_sort_changes(struct scheduler_change *changes, size_t count);

#endif
