/* Inside view of task.c: the state table, and the parts of a task description. Pure. */
#ifndef MU_DOMAIN_TASK_H
#define MU_DOMAIN_TASK_H

#include <muster/task.h>

#include "base/sm.h"

/* Indexed by enum mu_task_state. */
const struct mu_sm *task_state_table(void);

/* Free what the struct owns and leave it zeroed. */
void task_command_release(struct mu_command *c);
void task_container_release(struct mu_container_info *c);

#endif
