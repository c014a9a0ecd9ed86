/* What the containerizer suite must know of an implementation: how a task for it looks,
 * and how to see what is left of a container on this host. One file per implementation,
 * containerizer_<plugin>.c, with one of these; containerizer.c finds it by the plugin's
 * name. */
#ifndef TESTS_CONTRACT_CONTAINERIZER_H
#define TESTS_CONTRACT_CONTAINERIZER_H

#include <muster/kind/containerizer.h>

struct containerizer_factory {
    const char *plugin; /* its name */
    /* Make task a shell command of this kind. Its command is empty so far; id, resources
     * (0.1 cpus, 64 MB) and the rest are there. */
    void (*fill)(struct mu_task_info *task, const char *command);
    /* Make task one that is accepted and then cannot be launched. */
    void (*fill_failing)(struct mu_task_info *task);
    /* Make task one that can_run refuses with a reason. NULL: there is none. */
    void (*fill_impossible)(struct mu_task_info *task);
    /* Anything left of it: container, process, control group. */
    bool (*is_left)(const struct mu_container_id *id);
    /* Does this host enforce a memory limit for it? NULL: never. */
    bool (*has_memory_limit)(void);
};

extern const struct containerizer_factory containerizer_docker;
extern const struct containerizer_factory containerizer_mesos;

#endif
