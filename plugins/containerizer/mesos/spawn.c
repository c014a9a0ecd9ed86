#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES ((unsigned long)(CLONE_NEWPID | CLONE_NEWNS))
#define FDS 4
/* The child runs while its parent's thread stands still in the same memory: no sanitizer
 * may keep books of what it does. */
#define NAT_IN_CHILD                                                                     \
    __attribute__((no_sanitize("address"), no_sanitize("thread"),                        \
                   no_sanitize("undefined"), noinline))

#if defined(__SANITIZE_THREAD__)
#define NAT_HAS_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NAT_HAS_TSAN
#endif
#endif

/* Seen by both sides, also when the child is a copy (MAP_SHARED). */
struct child {
    int err; /* errno of what failed before the helper was executed; 0: none */
    int fds[FDS];
    const char *helper;
    char *argv[4];
    char *envp[1];
    char stack[48 << 10]; /* the child's own; grows downwards, and needs a fraction */
};

/* System calls only, and none through a wrapper that others may have replaced. */
NAT_IN_CHILD static int child_main(void *arg)
{
    struct child *c = arg;
    long rc = 0;
    for (int i = 0; i < FDS && rc >= 0; i++) { /* out of the way of 0 to 3 */
        if (c->fds[i] >= 0 && c->fds[i] < FDS) {
            rc = syscall(SYS_fcntl, c->fds[i], F_DUPFD_CLOEXEC, FDS);
            c->fds[i] = (int)rc;
        }
    }
    for (int i = 0; i < FDS && rc >= 0; i++) {
        if (c->fds[i] >= 0) {
            rc = syscall(SYS_dup3, c->fds[i], i, 0);
        }
    }
    if (rc >= 0) {
        (void)syscall(SYS_execve, c->helper, c->argv, c->envp);
    }
    c->err = errno;
    syscall(SYS_exit_group, 127);
    return 127;
}

/* A copy of this process, as fork makes it: only that way can it be born in a v2 group,
 * and moving it there later may cost tens of milliseconds. -1 where the kernel cannot. */
static pid_t clone_into(struct child *c, unsigned long flags, int group_fd)
{
    struct clone_args args = {
        .flags = flags | CLONE_INTO_CGROUP | CLONE_VFORK,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)group_fd,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        (void)child_main(c);
    }
    return (pid_t)pid;
}

static pid_t clone_shared(struct child *c, unsigned long flags)
{
#ifdef NAT_HAS_TSAN /* it would take the child's first steps for this thread's */
    long pid = syscall(SYS_clone, flags | SIGCHLD | CLONE_VFORK, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        (void)child_main(c);
    }
    return (pid_t)pid;
#else
    return clone(child_main, c->stack + sizeof(c->stack),
                 (int)(flags | CLONE_VM | CLONE_VFORK | SIGCHLD), c);
#endif
}

static int open_group(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && mkdir(path, 0755) == 0) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd;
}

/* Try the best first. */
static pid_t start_child(struct nat_spawn *s, struct child *c, int group_fd)
{
    unsigned long flags = s->wants_namespaces ? NAMESPACES : 0;
    for (;;) {
        pid_t pid = group_fd >= 0 ? clone_into(c, flags, group_fd) : -1;
        s->is_in_v2 = pid > 0;
        if (pid < 0) {
            pid = clone_shared(c, flags);
        }
        s->is_in_namespaces = pid > 0 && flags != 0;
        if (pid > 0 || flags == 0) {
            return pid;
        }
        s->namespaces_errno = errno;
        flags = 0;
    }
}

/* No handler of the agent's may run in the child; the helper blocks them too. */
static pid_t start_masked(struct nat_spawn *s, struct child *c, int group_fd)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = start_child(s, c, group_fd);
    int err = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && c->err != 0) {
        (void)waitpid(pid, NULL, 0);
        err = c->err;
        pid = -1;
    }
    errno = err;
    return pid;
}

static int fill_argv(const struct nat_spawn *s, struct child *c)
{
    const char *const words[] = {s->helper, s->mode, s->id};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        c->argv[i] = (char *)(uintptr_t)words[i]; /* execve only reads them */
    }
    c->helper = s->helper;
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static pid_t spawn(struct nat_spawn *s, int socket_fd)
{
    struct child *c =
        mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED) {
        return -1;
    }
    int null = fill_argv(s, c);
    int group_fd = s->leave_v2 != NULL ? open_group(s->leave_v2) : -1;
    c->fds[0] = socket_fd;
    c->fds[1] = c->fds[2] = null;
    c->fds[3] = s->listen_fd;
    pid_t pid = null >= 0 ? start_masked(s, c, group_fd) : -1;
    int err = errno;
    if (null >= 0) {
        close(null);
    }
    if (group_fd >= 0) {
        close(group_fd);
    }
    (void)munmap(c, sizeof(*c));
    errno = err;
    return pid;
}

/* Start one. */
int nat_spawn(struct nat_spawn *s, struct mu_error *err)
{
    int fds[2];
    s->is_in_namespaces = s->is_in_v2 = false;
    s->namespaces_errno = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        int rc = -errno;
        return mu_fail(err, rc, "start '%s': %s", s->helper, mu_strerror(rc));
    }
    s->pid = spawn(s, fds[1]);
    int rc = -errno;
    close(fds[1]);
    if (s->pid < 0) {
        close(fds[0]);
        return mu_fail(err, rc, "start '%s': %s", s->helper, mu_strerror(rc));
    }
    s->fd = fds[0];
    return 0;
}
