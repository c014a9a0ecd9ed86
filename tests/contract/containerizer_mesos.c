/* Containerizer `mesos` (native) for the contract suite, on this host's kernel. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "contract/containerizer.h"

static void fill(struct mu_task_info *task, const char *command)
{
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
    task->container.type = MU_CONTAINER_MESOS;
    task->container.image = mu_xstrdup("libmesos/ubuntu");
}

/* In the arguments (the supervisor has the id there) or the environment (the command has
 * its sandbox there) of this process. A zombie has neither. */
static bool mentions(const char *pid, const char *file, const char *text)
{
    static char content[65536];
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, content, sizeof(content));
    close(fd);
    return n > 0 && memmem(content, (size_t)n, text, strlen(text)) != NULL;
}

static bool has_process(const char *id)
{
    bool found = false;
    DIR *d = opendir("/proc");
    struct dirent *e = NULL;
    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        found =
            e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
            (mentions(e->d_name, "cmdline", id) || mentions(e->d_name, "environ", id));
    }
    if (d != NULL) {
        closedir(d);
    }
    return found;
}

static bool is_left(const struct mu_container_id *id)
{
    static const char *const groups[] = {"cpu", "cpuacct", "memory", "."};
    struct stat st;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        char path[300];
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/muster/%s", groups[i], id->s);
        if (stat(path, &st) == 0) {
            return true;
        }
    }
    return has_process(id->s);
}

/* Only with root's means; the run without them passes MU_NATIVE_POSIX. */
static bool has_memory_limit(void)
{
    bool is_available = access("/sys/fs/cgroup/memory/muster", W_OK) == 0 ||
                        access("/sys/fs/cgroup/muster/memory.max", F_OK) == 0;
    return geteuid() == 0 && is_available && getenv("MU_NATIVE_POSIX") == NULL;
}

const struct containerizer_factory containerizer_mesos = {
    .plugin = "mesos",
    .fill = fill,
    .fill_failing = fill_failing,
    .fill_impossible = fill_impossible,
    .is_left = is_left,
    .has_memory_limit = has_memory_limit,
};
