/* Life of a supervisor, which is the first process of new namespaces where those can be
 * had: read the description from the plugin; make the cgroups; start the command; then
 * wait for its end, an OOM, or commands from a plugin; in the end kill what is left,
 * write the status, say so to whoever is connected, and go. Meanwhile it bounds the
 * output (outputs.h).
 *
 * One thread. All signals are blocked, so that whatever is sent to the agent's group or
 * session does not reach it; as first process of its PID namespace only SIGKILL from the
 * host can end it, and then the kernel ends the namespace's processes with it. It is
 * outside of the container's memory group, so an OOM there never takes it.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "groups.h"
#include "procs.h"
#include "state.h"
#include "task.h"
#include "volumes.h"

/* rmdir of a cgroup may say EBUSY for an instant after its last process was reaped. */
#define REMOVE_TRIES 50

struct supervisor {
    struct nat_spec spec;
    struct nat_channel channel;
    struct nat_out out;
    struct nat_status status;
    struct nat_fault fault;
    struct nat_outputs outputs;
    int state_fd, signal_fd, oom_fd;
    int start_fd; /* until the command is executed */
    pid_t self;   /* as the host sees it */
    pid_t task;
    bool is_running;    /* executed */
    bool has_failed;    /* could not be executed */
    bool has_ended;     /* the command's own process has been reaped */
    int pending_signal; /* asked for before it ran */
};

static bool in_namespaces(const struct supervisor *s)
{
    return (s->spec.flags & NAT_NAMESPACES) != 0;
}

static void send_fault(struct supervisor *s, enum nat_frame_type type)
{
    nat_out_fault(&s->out, type, &s->fault);
    if (type == NAT_FAILED) {
        nat_out_u64(&s->out, NAT_KEY_STATUS_LEFTOVER, s->status.leftover);
    }
    nat_channel_send(&s->channel, &s->out);
}

static void put_started(struct supervisor *s)
{
    nat_out_begin(&s->out, NAT_STARTED);
    nat_out_u64(&s->out, NAT_KEY_PID, (uint64_t)s->self);
}

static void signal_descendants(int signal_number)
{
    struct nat_procs below;
    if (nat_procs_below(getpid(), &below) < 0) {
        return;
    }
    for (size_t i = 0; i < below.count; i++) {
        if (below.v[i].state != 'Z') {
            (void)kill(below.v[i].pid, signal_number);
        }
    }
    nat_procs_release(&below);
}

/* To every process of the container, each once. As first process of a PID namespace
 * kill(-1) is exactly that, without a race. */
static void signal_all(struct supervisor *s, int signal_number)
{
    if (in_namespaces(s)) {
        (void)kill(-1, signal_number);
    } else if (s->spec.cgroup_count == 0 ||
               nat_groups_signal(s->spec.cgroups, 1, signal_number) == 0) {
        signal_descendants(signal_number);
    }
}

/* Whoever loses its parent becomes our child (first process of the namespace, or
 * subreaper), so "no child left" means "nobody left". */
static void end_all(struct supervisor *s)
{
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    while (pid >= 0 || errno == EINTR) {
        if (pid == 0) {
            signal_all(s, SIGKILL);
            (void)waitpid(-1, NULL, 0);
        }
        pid = waitpid(-1, NULL, WNOHANG);
    }
}

static bool remove_groups(const struct supervisor *s)
{
    const struct nat_spec *spec = &s->spec;
    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (nat_groups_remove(spec->cgroups, spec->cgroup_count)) {
            return true;
        }
        (void)nat_groups_signal(spec->cgroups, spec->cgroup_count, SIGKILL);
        (void)poll(NULL, 0, 1); /* v1 gives no event to wait for */
    }
    return false;
}

static int write_record(struct supervisor *s, uint64_t start_ticks)
{
    int rc = nat_state_write_record(s->state_fd, &s->spec, s->self, start_ticks);
    return rc < 0 ? nat_fault_set(&s->fault, -rc, "write '%s/record'", s->spec.state_dir)
                  : 0;
}

static _Noreturn void finish_failed(struct supervisor *s)
{
    end_all(s);
    s->status.leftover = !remove_groups(s);
    s->spec.flags &= ~(uint32_t)NAT_FORKED; /* it never started */
    if (s->state_fd >= 0 && !s->status.leftover) {
        (void)unlinkat(s->state_fd, "record", 0);
    } else if (s->state_fd >= 0) {
        (void)nat_state_write_record(s->state_fd, &s->spec, s->self, 0); /* best effort */
    }
    send_fault(s, NAT_FAILED);
    _exit(1);
}

static _Noreturn void finish(struct supervisor *s)
{
    if (s->has_failed) {
        finish_failed(s);
    }
    end_all(s);
    (void)nat_outputs_check(&s->outputs);
    s->status.oom |= nat_oom_kills(&s->spec) > 0;
    s->status.mem_limit_bytes = nat_memory_limit_bytes(&s->spec);
    s->status.mem_max_bytes = nat_memory_max_bytes(&s->spec);
    s->status.leftover = !remove_groups(s);
    int rc = nat_state_write_status(s->state_fd, &s->status);
    if (rc < 0) {
        (void)nat_fault_set(&s->fault, -rc, "write the exit status");
        send_fault(s, NAT_WARNING);
    }
    nat_status_encode(&s->out, NAT_EXITED, &s->status);
    nat_channel_send(&s->channel, &s->out);
    _exit(0);
}

static void on_start(struct supervisor *s)
{
    int rc = nat_task_fault(s->start_fd, &s->outputs, &s->fault);
    if (rc > 0) {
        return;
    }
    close(s->start_fd);
    s->start_fd = -1;
    if (rc < 0) {
        s->has_failed = true; /* the child ends by itself now */
        return;
    }
    s->is_running = true;
    put_started(s);
    nat_channel_send(&s->channel, &s->out);
    if (s->pending_signal != 0) {
        signal_all(s, s->pending_signal);
    }
}

static void on_child(struct supervisor *s)
{
    struct signalfd_siginfo info;
    (void)!read(s->signal_fd, &info,
                sizeof(info)); /* SIGCHLDs merge: reap all there are */
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->task) {
            s->has_ended = true;
            s->status.has_status = true;
            s->status.wait_status = status;
        }
    }
}

/* The container is over when it is out of memory, whichever of its processes the kernel
 * picks: half a container is of no use to anybody. */
static void on_oom(struct supervisor *s)
{
    if (nat_oom_happened(&s->spec, s->oom_fd)) {
        s->status.oom = true;
        signal_all(s, SIGKILL);
    }
}

static void on_command(struct supervisor *s, uint8_t type, int signal_number)
{
    if (type == NAT_DESTROY) {
        s->status.asked = true;
        signal_all(s, SIGKILL);
    } else if (type == NAT_KILL && signal_number > 0 && signal_number < NSIG) {
        s->status.asked = true;
        if (s->is_running) {
            signal_all(s, signal_number);
        } else {
            s->pending_signal = signal_number;
        }
    }
}

static void on_client(struct supervisor *s, struct nat_client *client)
{
    bool is_there = nat_client_fill(client);
    uint8_t type;
    int signal_number;
    while (is_there && nat_client_command(client, &type, &signal_number)) {
        on_command(s, type, signal_number);
    }
    bool is_alone = nat_channel_count(&s->channel) == 0;
    if (is_alone && (s->spec.flags & NAT_EPHEMERAL) != 0) {
        on_command(s, NAT_DESTROY, 0);
    }
}

static void on_accept(struct supervisor *s)
{
    struct nat_client *client = nat_channel_accept(&s->channel);
    if (client != NULL && s->is_running) {
        put_started(s);
        nat_client_send(client, &s->out);
    }
}

enum { POLL_START, POLL_CHILD, POLL_OOM, POLL_LISTEN, POLL_CLIENTS };

static _Noreturn void wait_for_events(struct supervisor *s)
{
    while (!s->has_ended || s->start_fd >= 0) {
        struct pollfd p[POLL_CLIENTS + NAT_CLIENTS_MAX] = {
            [POLL_START] = {.fd = s->start_fd, .events = POLLIN},
            [POLL_CHILD] = {.fd = s->signal_fd, .events = POLLIN},
            [POLL_OOM] = {.fd = s->oom_fd, .events = nat_oom_poll_events(&s->spec)},
            [POLL_LISTEN] = {.fd = s->channel.listen_fd, .events = POLLIN},
        };
        struct nat_client *clients = s->channel.clients;
        for (size_t i = 0; i < NAT_CLIENTS_MAX; i++) {
            p[POLL_CLIENTS + i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        }
        int look_ms = nat_outputs_check(&s->outputs);
        if (poll(p, POLL_CLIENTS + NAT_CLIENTS_MAX, look_ms) < 0) {
            continue; /* EINTR, after SIGSTOP and SIGCONT */
        }
        if (p[POLL_START].revents != 0) {
            on_start(s); /* first: why it failed comes before that it has ended */
        }
        if (p[POLL_CHILD].revents != 0) {
            on_child(s);
        }
        if (p[POLL_OOM].revents != 0) {
            on_oom(s);
        }
        for (size_t i = 0; i < NAT_CLIENTS_MAX; i++) {
            if (p[POLL_CLIENTS + i].revents != 0 && clients[i].fd >= 0) {
                on_client(s, &clients[i]);
            }
        }
        if (p[POLL_LISTEN].revents != 0) {
            on_accept(s); /* last: it may move the clients */
        }
    }
    finish(s);
}

/* Before the new /proc is mounted, /proc/self still tells the host's pid. */
static int learn_own_pid(struct supervisor *s, uint64_t *out_start)
{
    char text[24];
    ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);
    if (n <= 0) {
        return nat_fault_set(&s->fault, errno, "read '/proc/self'");
    }
    text[n] = '\0';
    const char *p = text;
    s->self = (pid_t)nat_scan_u64(&p);
    struct nat_proc own;
    int rc = nat_proc_read(s->self, &own);
    if (rc < 0) {
        return nat_fault_set(&s->fault, -rc, "read '/proc/self/stat'");
    }
    *out_start = own.start;
    return 0;
}

static int make_mounts(struct supervisor *s)
{
    if (!in_namespaces(s)) {
        return nat_volumes_make(&s->spec, &s->fault);
    }
    int rc = nat_mounts_private(&s->fault);
    if (rc == 0) {
        rc = nat_volumes_make(&s->spec, &s->fault);
    }
    if (rc == 0 && nat_mounts_proc(&s->fault) < 0) {
        send_fault(s, NAT_WARNING); /* an outer container may forbid it */
    }
    return rc;
}

static int open_signals(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd < 0 ? nat_fault_set(&s->fault, errno, "signalfd") : 0;
}

/* The record comes before the fork: whatever ran is known to a later clean-up. */
static int start(struct supervisor *s)
{
    uint64_t start_ticks = 0;
    int rc = learn_own_pid(s, &start_ticks);
    if (rc == 0) {
        rc = open_signals(s);
    }
    if (rc == 0) {
        rc = make_mounts(s);
    }
    if (rc < 0) {
        return rc;
    }
    s->oom_fd = nat_oom_open(&s->spec);
    nat_outputs_init(&s->outputs, s->spec.output_max);
    s->spec.flags |= NAT_FORKED;
    rc = write_record(s, start_ticks);
    if (rc < 0) {
        return rc;
    }
    s->task = nat_task_fork(&s->spec, &s->start_fd, &s->fault);
    return s->task < 0 ? -1 : 0;
}

static int prepare(struct supervisor *s)
{
    s->state_fd = open(s->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->state_fd < 0) {
        return nat_fault_set(&s->fault, errno, "open '%s'", s->spec.state_dir);
    }
    (void)setsid(); /* fails only if it leads one already */
    int rc = write_record(s, 0);
    if (rc == 0) {
        rc = nat_groups_make(&s->spec, &s->fault);
    }
    if (rc < 0) {
        s->spec.cgroup_count = 0; /* none of them is ours */
        return rc;
    }
    bool is_in_v2 = (s->spec.flags & NAT_IN_V2) != 0;
    if (nat_groups_leave(&s->spec, false, &s->fault) < 0 ||
        (!is_in_v2 && nat_groups_leave(&s->spec, true, &s->fault) < 0)) {
        send_fault(s, NAT_WARNING);
    }
    return 0;
}

/* Supervise one container. */
_Noreturn void nat_supervise(int plugin_fd, int listen_fd)
{
    struct supervisor s = {.state_fd = -1, .signal_fd = -1, .oom_fd = -1, .start_fd = -1};
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    nat_channel_init(&s.channel, plugin_fd, listen_fd);
    char *buf = NULL;
    struct nat_frame frame;
    if (nat_frame_receive(plugin_fd, &buf, &frame) < 0 || frame.type != NAT_SPEC) {
        _exit(1); /* the agent died before it had said all: nothing has been made */
    }
    if (nat_spec_decode(&frame, &s.spec, &s.fault) < 0 || prepare(&s) < 0) {
        s.has_failed = true;
        finish(&s);
    }
    if (!in_namespaces(&s) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        (void)nat_fault_set(&s.fault, errno, "become the container's subreaper");
        send_fault(&s, NAT_WARNING);
    }
    if (start(&s) < 0) {
        s.has_failed = true;
        finish(&s);
    }
    wait_for_events(&s);
}
