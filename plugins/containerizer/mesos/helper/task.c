/* The order in the child matters: groups first (while still root), then the user, then
 * everything that touches the sandbox (with the user's own rights, so that a link in it
 * leads nowhere the user could not go), then exec. */
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "groups.h"

union outputs_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(NAT_OUTPUTS * sizeof(int))];
};

/* Pass the fault to the parent; one write is one message. */
static _Noreturn void child_fail(int fd, const struct nat_fault *fault)
{
    (void)!write(fd, fault, sizeof(*fault));
    _exit(127);
}

static void reset_signals(void)
{
    const struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++) {
        (void)sigaction(i, &dfl, NULL); /* KILL and STOP refuse */
    }
    sigset_t none;
    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* Within what we have ourselves: only root may have more. */
static int limit_files(const struct nat_spec *spec, struct nat_fault *fault)
{
    struct rlimit limit;
    if (spec->files_hard == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return 0;
    }
    if (spec->files_hard < limit.rlim_max) {
        limit.rlim_max = spec->files_hard;
    }
    limit.rlim_cur =
        spec->files_soft < limit.rlim_max ? spec->files_soft : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return nat_fault_set(fault, errno, "limit the number of open files");
    }
    return 0;
}

static int become_user(const struct nat_spec *spec, struct nat_fault *fault)
{
    if (!spec->has_user) {
        return 0;
    }
    if (setgroups(spec->group_count, spec->groups) < 0 ||
        setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) < 0) {
        return nat_fault_set(fault, errno, "switch to user id %u", (unsigned)spec->uid);
    }
    return 0;
}

/* O_NONBLOCK only for the open: a fifo that somebody put there must not hold us up. */
static int
open_file(const char *name, int flags, struct stat *st, struct nat_fault *fault)
{
    const int always = O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    int fd = open(name, always | flags, 0644);
    if (fd < 0 || fstat(fd, st) < 0) {
        return nat_fault_set(fault, errno, "open '%s' in the sandbox", name);
    }
    if (!S_ISREG(st->st_mode)) {
        return nat_fault_set(fault, 0, "'%s' in the sandbox is not a regular file", name);
    }
    return fd;
}

/* *out_control is for the supervisor, which writes into the midst of the file. */
static int
open_output(const char *name, int to, int *out_control, struct nat_fault *fault)
{
    struct stat st, same;
    int fd = open_file(name, O_APPEND, &st, fault);
    int control = fd < 0 ? -1 : open_file(name, 0, &same, fault);
    if (control < 0) {
        return -1;
    }
    if (st.st_dev != same.st_dev || st.st_ino != same.st_ino) {
        return nat_fault_set(fault, 0, "'%s' in the sandbox was replaced", name);
    }
    if (fcntl(fd, F_SETFL, O_APPEND) < 0 || dup2(fd, to) < 0) {
        return nat_fault_set(fault, errno, "open '%s' in the sandbox", name);
    }
    *out_control = control;
    return 0;
}

/* The supervisor gets descriptors that were opened with the user's rights: a name in the
 * sandbox may lead anywhere by the time when it would open it itself. */
static int pass_outputs(int fd, const int controls[NAT_OUTPUTS], struct nat_fault *fault)
{
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union outputs_control control = {0};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(NAT_OUTPUTS * sizeof(int));
    memcpy(CMSG_DATA(head), controls, NAT_OUTPUTS * sizeof(int));
    return sendmsg(fd, &m, 0) < 0 ? nat_fault_set(fault, errno, "pass the output files")
                                  : 0;
}

static int open_stdio(const struct nat_spec *spec, int fault_fd, struct nat_fault *fault)
{
    if (chdir(spec->sandbox) < 0) {
        return nat_fault_set(fault, errno, "enter sandbox '%s'", spec->sandbox);
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        return nat_fault_set(fault, errno, "open '/dev/null'");
    }
    int controls[NAT_OUTPUTS];
    if (open_output("stdout", STDOUT_FILENO, &controls[0], fault) < 0 ||
        open_output("stderr", STDERR_FILENO, &controls[1], fault) < 0) {
        return -1;
    }
    return spec->output_max > 0 ? pass_outputs(fault_fd, controls, fault) : 0;
}

/* In namespaces the command leads a session of its own. Without them it stays in the
 * supervisor's session, as leader of a process group: that session is the mark by which a
 * clean-up finds what a killed supervisor left behind. */
static int
separate(const struct nat_spec *spec, pid_t supervisor, struct nat_fault *fault)
{
    if ((spec->flags & NAT_NAMESPACES) != 0) {
        return setsid() < 0 ? nat_fault_set(fault, errno, "make a session") : 0;
    }
    if (setpgid(0, 0) < 0) {
        return nat_fault_set(fault, errno, "make a process group");
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != supervisor) {
        return nat_fault_set(fault, ESRCH, "supervisor");
    }
    return 0;
}

struct child_args {
    pid_t supervisor;
    bool is_in_v2;
    int fault_fd;
};

static _Noreturn void child_main(const struct nat_spec *spec, const struct child_args *a)
{
    struct nat_fault fault = {0};
    reset_signals();
    if (nat_groups_enter(spec, a->is_in_v2, &fault) < 0 ||
        limit_files(spec, &fault) < 0 || become_user(spec, &fault) < 0 ||
        separate(spec, a->supervisor, &fault) < 0 || /* a new user clears PDEATHSIG */
        open_stdio(spec, a->fault_fd, &fault) < 0) {
        child_fail(a->fault_fd, &fault);
    }
    environ = spec->envp; /* where execvp looks for PATH */
    execvp(spec->program, spec->argv);
    (void)nat_fault_set(&fault, errno, "exec '%s'", spec->program);
    child_fail(a->fault_fd, &fault);
}

/* Fork the command. */
pid_t nat_task_fork(const struct nat_spec *spec, int *out_fd, struct nat_fault *fault)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        return nat_fault_set(fault, errno, "socketpair");
    }
    struct child_args args = {.supervisor = getpid(), .fault_fd = fds[1]};
    int group_fd = nat_groups_open_v2(spec->cgroups, spec->cgroup_count);
    pid_t pid = nat_fork_into(group_fd, &args.is_in_v2);
    if (pid == 0) {
        child_main(spec, &args);
    }
    int err = errno;
    if (group_fd >= 0) {
        close(group_fd);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return nat_fault_set(fault, err, "fork");
    }
    *out_fd = fds[0];
    return pid;
}

static void take_outputs(struct msghdr *m, struct nat_outputs *outputs)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(m);
    int fds[NAT_OUTPUTS];
    if (head != NULL && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(fds))) {
        memcpy(fds, CMSG_DATA(head), sizeof(fds));
        nat_outputs_take(outputs, fds);
    }
}

/* Read what the child said. */
int nat_task_fault(int fd, struct nat_outputs *outputs, struct nat_fault *fault)
{
    struct iovec data = {.iov_base = fault, .iov_len = sizeof(*fault)};
    union outputs_control control;
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (n == 0) {
        return 0;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return 1;
    }
    if (n == 1) {
        *fault = (struct nat_fault){0};
        take_outputs(&m, outputs);
        return 1;
    }
    if (n != (ssize_t)sizeof(*fault)) {
        return nat_fault_set(fault, n < 0 ? errno : EIO, "start the command");
    }
    return -1;
}
