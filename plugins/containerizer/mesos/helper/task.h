/* Starting the command: the child between fork and exec. */
#ifndef NAT_TASK_H
#define NAT_TASK_H

#include "outputs.h"
#include "spec.h"

#include <sys/types.h>

/* Fork the command. Its pid, or negative with the fault. *out_fd becomes readable: with
 * EOF when it was executed (or killed before), otherwise with what nat_task_fault reads.
 */
pid_t nat_task_fork(const struct nat_spec *spec, int *out_fd, struct nat_fault *fault);
/* 0: executed; negative: the fault says why not; 1: read again later. Puts the output
 * files, which come before, into outputs. */
int nat_task_fault(int fd, struct nat_outputs *outputs, struct nat_fault *fault);

#endif
