/* Containerizer `docker` for the contract suite, on the engine that with-dockerd starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "contract/containerizer.h"

static void fill(struct mu_task_info *task, const char *command)
{
    task->container.type = MU_CONTAINER_DOCKER;
    task->container.image = mu_xstrdup("libmesos/ubuntu");
    task->container.network = MU_NETWORK_HOST;
    task->command.has_value = true;
    task->command.value = mu_xstrdup(command);
}

static void fill_failing(struct mu_task_info *task)
{
    fill(task, "/no/such/program");
    task->command.shell = false;
}

static void fill_impossible(struct mu_task_info *task)
{
    fill(task, "true");
    mu_pairs_add(&task->container.parameters, "no-such-option", "1");
}

/* Through docker's own client, not through the code under test. */
static bool is_left(const struct mu_container_id *id)
{
    char command[256];
    char line[256];
    snprintf(command, sizeof(command), "docker ps -aq --filter name=mesos-%s", id->s);
    FILE *f = popen(command, "r");
    bool is_there = f != NULL && fgets(line, sizeof(line), f) != NULL;
    return pclose(f) != 0 || is_there;
}

static bool has_memory_limit(void)
{
    return true;
}

const struct containerizer_factory containerizer_docker = {
    .plugin = "docker",
    .fill = fill,
    .fill_failing = fill_failing,
    .fill_impossible = fill_impossible,
    .is_left = is_left,
    .has_memory_limit = has_memory_limit,
};
