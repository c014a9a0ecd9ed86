/* SIGKILL to the main process of a container when the engine is no help. */
#ifndef DKR_PID_KILL_H
#define DKR_PID_KILL_H

#include "instance.h"

/* Kills pid if it still belongs to the container with this engine id; on a worker thread,
 * as reading of a stuck process can block. Nothing is reported but in the log. */
void dkr_pid_kill(struct dkr_instance *in, int64_t pid, const char *engine_id);

#endif
