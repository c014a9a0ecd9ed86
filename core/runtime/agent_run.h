/* Drives the agent's machine (core/agent): its journal at <work_dir>/meta/agent.journal,
 * the containerizers in the order of the flag, sandboxes, and the link to the master.
 * Loop thread. */
#ifndef MU_RUNTIME_AGENT_RUN_H
#define MU_RUNTIME_AGENT_RUN_H

#include <muster/kind/api.h>
#include <muster/kind/containerizer.h>

#include "agent/agent.h"

struct agent_run;

struct agent_containerizer {
    const char *name; /* borrowed for the process's life */
    const struct mu_containerizer_ops *ops;
    void *instance;
};

struct agent_run_config {
    const struct mu_host *host;
    const struct agent_containerizer *containerizers; /* copied; asked in this order */
    size_t containerizer_count;
    const struct agent_config *machine;            /* work_dir in it is absolute */
    void (*shutdown)(void *arg, const char *text); /* the master told this agent to end */
    void (*failed)(void *arg, const char *text);
    void *arg;
};

struct agent_run *agent_run_create(const struct agent_run_config *cfg);
/* Opens and replays the journal, then recovers. Errors: the work_dir cannot be used,
 * another process has it, the journal is damaged. */
int agent_run_start(struct agent_run *r, struct mu_error *err);
void agent_run_set_master(struct agent_run *r,
                          const char *host_port);              /* NULL: none known */
void agent_run_stop(struct agent_run *r, mu_cb cb, void *arg); /* containers run on */
/* After the containerizers and the host have stopped: until then their answers may still
 * come. */
void agent_run_destroy(struct agent_run *r);
int agent_run_query(
    struct agent_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg);
void agent_run_metrics(struct agent_run *r,
                       void (*cb)(void *arg, const char *name, double value),
                       void *arg);

#endif
