#include "groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "procs.h"

/* A task may nest groups in its own; more levels than this are left to the operator. */
#define DEPTH_MAX 16
/* v1 shows "no limit" as the largest number of pages, in bytes. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* The root group may have been removed since the plugin made it. */
static int make_group(char *path)
{
    if (mkdir(path, 0755) == 0) {
        return 0;
    }
    char *slash = strrchr(path, '/');
    if (errno != ENOENT || slash == NULL || slash == path) {
        return -errno;
    }
    *slash = '\0';
    int rc = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
    *slash = '/';
    if (rc == 0 && mkdir(path, 0755) < 0) {
        rc = -errno;
    }
    return rc;
}

/* Make all groups and write their settings. */
int nat_groups_make(const struct nat_spec *spec, struct nat_fault *fault)
{
    size_t made = 0;
    int rc = 0;
    for (; made < spec->cgroup_count; made++) {
        rc = make_group(spec->cgroups[made].path);
        if (rc < 0) {
            rc = nat_fault_set(fault, -rc, "make cgroup '%s'", spec->cgroups[made].path);
            break;
        }
    }
    for (size_t i = 0; rc == 0 && i < spec->setting_count; i++) {
        const struct nat_setting *s = &spec->settings[i];
        rc = nat_write_file(s->path, s->value);
        if (rc < 0) {
            rc = nat_fault_set(fault, -rc, "write '%s' to '%s'", s->value, s->path);
        }
    }
    if (rc < 0) {
        (void)nat_groups_remove(spec->cgroups, made); /* they are empty */
    }
    return rc;
}

/* In v1 `tasks` and not `cgroup.procs`: a single thread that moves itself needs no lock
 * over all forks of the host, which costs tens of milliseconds when it must be taken. */
static int enter(const char *path, bool is_v2)
{
    char file[PATH_MAX];
    int rc = nat_join(file, sizeof(file), path, is_v2 ? "cgroup.procs" : "tasks");
    return rc < 0 ? rc : nat_write_file(file, "0");
}

/* Enter the groups. */
int nat_groups_enter(const struct nat_spec *spec, bool is_in_v2, struct nat_fault *fault)
{
    for (size_t i = 0; i < spec->cgroup_count; i++) {
        const struct nat_cgroup *c = &spec->cgroups[i];
        bool is_v2 = (c->flags & NAT_CGROUP_V2) != 0;
        if (is_v2 && is_in_v2) {
            continue;
        }
        int rc = enter(c->path, is_v2);
        if (rc < 0) {
            return nat_fault_set(fault, -rc, "enter cgroup '%s'", c->path);
        }
    }
    return 0;
}

/* Leave the agent's groups. */
int nat_groups_leave(const struct nat_spec *spec, bool is_v2, struct nat_fault *fault)
{
    for (size_t i = 0; i < spec->leave_count; i++) {
        const struct nat_cgroup *c = &spec->leaves[i];
        if (((c->flags & NAT_CGROUP_V2) != 0) != is_v2) {
            continue;
        }
        int rc = make_group(c->path);
        if (rc == 0 || rc == -EEXIST) {
            rc = enter(c->path, is_v2);
        }
        if (rc < 0) {
            return nat_fault_set(fault, -rc, "move the supervisor to cgroup '%s'",
                                 c->path);
        }
    }
    return 0;
}

/* Open the v2 group, if there is one. */
int nat_groups_open_v2(const struct nat_cgroup *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((v[i].flags & NAT_CGROUP_V2) != 0) {
            (void)make_group(v[i].path); /* if it cannot be, open says so */
            return open(v[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    return -1;
}

/* Fork into a v2 group. */
pid_t nat_fork_into(int group_fd, bool *out_is_inside)
{
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)group_fd,
    };
    *out_is_inside = true; /* before the child exists: it reads its own copy */
    long pid = group_fd >= 0 ? syscall(SYS_clone3, &args, sizeof(args)) : -1;
    if (pid < 0) {
        *out_is_inside = false;
        pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    }
    return (pid_t)pid;
}

static const struct nat_cgroup *memory_group(const struct nat_spec *spec)
{
    for (size_t i = 0; i < spec->cgroup_count; i++) {
        if ((spec->cgroups[i].flags & NAT_CGROUP_MEMORY) != 0) {
            return &spec->cgroups[i];
        }
    }
    return NULL;
}

static int open_in(const char *dir, const char *name, int flags)
{
    char path[PATH_MAX];
    int rc = nat_join(path, sizeof(path), dir, name);
    return rc < 0 ? -1 : open(path, flags | O_CLOEXEC);
}

/* v1: an eventfd that the kernel counts up. */
static int oom_open_v1(const char *dir)
{
    int watched = open_in(dir, "memory.oom_control", O_RDONLY);
    int control = open_in(dir, "cgroup.event_control", O_WRONLY);
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool is_armed = false;
    if (watched >= 0 && control >= 0 && event >= 0) {
        char text[32];
        int n = snprintf(text, sizeof(text), "%d %d", event, watched);
        is_armed = write(control, text, (size_t)n) == n;
    }
    if (watched >= 0) {
        close(watched);
    }
    if (control >= 0) {
        close(control);
    }
    if (event >= 0 && !is_armed) {
        close(event);
        event = -1;
    }
    return event;
}

/* Take the event. v2's file must be read once before it reports a change. */
static void drain(int fd)
{
    char text[512];
    if (fd >= 0) {
        (void)lseek(fd, 0, SEEK_SET); /* an eventfd cannot and need not */
        (void)!read(fd, text, sizeof(text));
    }
}

/* Start watching for OOM. */
int nat_oom_open(const struct nat_spec *spec)
{
    const struct nat_cgroup *m = memory_group(spec);
    if (m == NULL) {
        return -1;
    }
    if ((m->flags & NAT_CGROUP_V2) == 0) {
        return oom_open_v1(m->path);
    }
    int fd = open_in(m->path, "memory.events", O_RDONLY);
    drain(fd);
    return fd;
}

/* What to poll for: memory.events is always readable, its changes are POLLPRI. */
short nat_oom_poll_events(const struct nat_spec *spec)
{
    const struct nat_cgroup *m = memory_group(spec);
    return m != NULL && (m->flags & NAT_CGROUP_V2) != 0 ? POLLPRI : POLLIN;
}

/* The number behind `name ` at the start of a line of a file in dir; 0 if absent. */
static uint64_t read_line_value(const char *dir, const char *file, const char *name)
{
    char path[PATH_MAX];
    char text[1024];
    if (nat_join(path, sizeof(path), dir, file) < 0 ||
        nat_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
        return 0;
    }
    size_t len = strlen(name);
    const char *line = text;
    while (line != NULL) {
        if (len == 0) {
            return nat_scan_u64(&line);
        }
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            line += len + 1;
            return nat_scan_u64(&line);
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

/* Read the kernel's count of OOM kills. */
uint64_t nat_oom_kills(const struct nat_spec *spec)
{
    const struct nat_cgroup *m = memory_group(spec);
    if (m == NULL) {
        return 0;
    }
    bool is_v2 = (m->flags & NAT_CGROUP_V2) != 0;
    return read_line_value(m->path, is_v2 ? "memory.events" : "memory.oom_control",
                           "oom_kill");
}

/* v1 reports OOM only; v2's file changes for other reasons too. */
bool nat_oom_happened(const struct nat_spec *spec, int oom_fd)
{
    drain(oom_fd);
    return nat_oom_poll_events(spec) == POLLIN || nat_oom_kills(spec) > 0;
}

/* Read the highest use of memory so far. */
uint64_t nat_memory_max_bytes(const struct nat_spec *spec)
{
    const struct nat_cgroup *m = memory_group(spec);
    if (m == NULL) {
        return 0;
    }
    bool is_v2 = (m->flags & NAT_CGROUP_V2) != 0;
    return read_line_value(m->path, is_v2 ? "memory.peak" : "memory.max_usage_in_bytes",
                           "");
}

/* Read the limit in force: it may have been changed since the start. */
uint64_t nat_memory_limit_bytes(const struct nat_spec *spec)
{
    const struct nat_cgroup *m = memory_group(spec);
    if (m == NULL) {
        return 0;
    }
    bool is_v2 = (m->flags & NAT_CGROUP_V2) != 0;
    uint64_t v =
        read_line_value(m->path, is_v2 ? "memory.max" : "memory.limit_in_bytes", "");
    return v < NO_LIMIT ? v : 0; /* v2's "max" reads as 0 */
}

static size_t signal_members(const char *dir, int signal_number)
{
    char path[PATH_MAX];
    if (nat_join(path, sizeof(path), dir, "cgroup.procs") < 0) {
        return 0;
    }
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return 0;
    }
    size_t seen = 0;
    char line[32];
    while (fgets(line, sizeof(line), f) != NULL) {
        const char *p = line;
        pid_t pid = (pid_t)nat_scan_u64(&p);
        if (pid > 1) { /* 0: a process of a namespace that cannot be seen from here */
            (void)kill(pid, signal_number); /* it may have ended */
            seen++;
        }
    }
    (void)fclose(f); /* it was only read */
    return seen;
}

typedef size_t (*visit_cb)(const char *dir, int arg);

/* Children first, then dir itself; returns the sum. depth > 0 visits groups below. */
static size_t walk(const char *dir, int depth, visit_cb visit, int arg)
{
    size_t sum = 0;
    DIR *d = depth > 0 ? opendir(dir) : NULL;
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.') {
            continue;
        }
        char *below = malloc(PATH_MAX);
        if (below != NULL && nat_join(below, PATH_MAX, dir, e->d_name) == 0) {
            sum += walk(below, depth - 1, visit, arg); /* depth is bounded by DEPTH_MAX */
        }
        free(below);
    }
    if (d != NULL) {
        closedir(d);
    }
    return sum + visit(dir, arg);
}

/* Signal all members. */
size_t nat_groups_signal(const struct nat_cgroup *v, size_t count, int signal_number)
{
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        bool can_kill_at_once =
            (v[i].flags & NAT_CGROUP_V2) != 0 && signal_number == SIGKILL;
        if (can_kill_at_once &&
            nat_join(path, sizeof(path), v[i].path, "cgroup.kill") == 0) {
            (void)nat_write_file(path, "1"); /* kernels before 5.14: the walk does it */
        }
        seen += walk(v[i].path, DEPTH_MAX, signal_members, signal_number);
    }
    return seen;
}

static size_t remove_one(const char *dir, int arg)
{
    (void)arg;
    return rmdir(dir) < 0 && errno != ENOENT ? 1 : 0;
}

/* Remove all groups. The usual case, nothing nested, is one rmdir each. */
bool nat_groups_remove(const struct nat_cgroup *v, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (rmdir(v[i].path) < 0 && errno != ENOENT) {
            left += walk(v[i].path, DEPTH_MAX, remove_one, 0);
        }
    }
    return left == 0;
}
