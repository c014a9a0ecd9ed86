#include "pid_kill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

struct pid_kill {
    struct dkr_instance *in;
    int64_t pid;
    char id[DKR_ENGINE_ID_SIZE];
    bool was_killed;
};

/* The pid may be another process by now: the id is part of its control group's path. */
static bool is_process_of(int64_t pid, const char *id)
{
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof(path), "/proc/%lld/cgroup", (long long)pid); /* fits */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, id) != NULL;
}

static void on_work(void *arg)
{
    struct pid_kill *k = arg;
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)k->pid, 0);
    if (fd < 0) {
        return;
    }
    /* the descriptor was taken first: what it names cannot change between the two */
    if (is_process_of(k->pid, k->id)) {
        k->was_killed = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    }
    close(fd);
}

static void on_work_done(void *arg)
{
    struct pid_kill *k = arg;
    struct dkr_instance *in = k->in;
    in->host->log(in->host, MU_WARN,
                  "docker engine does not stop a container, its process was signalled",
                  "engine_id=%.12s pid=%lld killed=%s", k->id, (long long)k->pid,
                  k->was_killed ? "true" : "false");
    in->jobs--;
    free(k);
    dkr_check_stopped(in);
}

void dkr_pid_kill(struct dkr_instance *in, int64_t pid, const char *engine_id)
{
    struct pid_kill *k = dkr_alloc(sizeof(*k));

    k->in = in;
    k->pid = pid;
    (void)snprintf(k->id, sizeof(k->id), "%s", engine_id); /* fits */
    if (k->id[0] == '\0' || in->host->work(in->host, on_work, on_work_done, k) < 0) {
        free(k);
        return;
    }
    in->jobs++;
}
