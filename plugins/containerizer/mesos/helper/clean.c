/* A process of its own, because it may have to wait for the kernel (processes in
 * uninterruptible sleep, groups that stay busy), and the agent's loop must not.
 *
 * Whether the supervisor lives is decided by its control socket alone. Pids from the
 * record count only within the same boot and with the same start time.
 */
#include "clean.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "groups.h"
#include "procs.h"
#include "state.h"

#define WAIT_MS 5
#define DEFAULT_TIMEOUT_MS 10000u
#define SURE_PASSES 2u /* one alone may miss what is forked while it reads /proc */
#define UNSURE_MS 500u /* on a host where processes come and go all the time */
#define KTHREADD 2     /* parent of the kernel's own threads */

struct clean {
    struct nat_spec ask;    /* NAT_CLEAN */
    struct nat_spec record; /* zeroed: none */
    struct nat_status status;
    struct nat_fault fault;
    bool is_same_boot;
    bool is_unsure; /* the last pass could not tell whose a process was */
};

static bool supervisor_lives(const struct clean *c)
{
    int fd = nat_state_connect(c->ask.state_dir);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 || fd == -EAGAIN;
}

/* The recorded supervisor, if that process is still it. */
static pid_t recorded_pid(const struct clean *c)
{
    struct nat_proc p;
    pid_t pid = (pid_t)c->record.pid;
    bool is_it = c->is_same_boot && pid > 1 && nat_proc_read(pid, &p) == 0 &&
                 p.start == c->record.start && p.state != 'Z';
    return is_it ? pid : 0;
}

/* Without namespace and cgroup: members of the supervisor's session that started after
 * it, and processes that carry this container's sandbox in their environment. One that
 * is between two programs (execve) shows none, and one that has ended since /proc was
 * read may have left a child behind: a pass that meets such a one is not the last. */
static bool is_left_behind(struct clean *c, const struct nat_proc *p)
{
    char entry[4096];
    int n = snprintf(entry, sizeof(entry), "MESOS_SANDBOX=%s", c->record.sandbox);
    bool is_candidate = p->state != 'Z' && p->pid > 1 && p->pid != getpid() &&
                        p->start >= c->record.start && n > 0 && (size_t)n < sizeof(entry);
    if (!is_candidate) {
        return false;
    }
    /* A session id is not given to a new process while the session has members, so it is
     * the old session unless its leader is there again. */
    struct nat_proc leader;
    pid_t session = (pid_t)c->record.pid;
    bool in_session = p->session == session && nat_proc_read(session, &leader) < 0;
    int has_env = in_session ? 1 : nat_proc_has_env(p->pid, entry);
    c->is_unsure = c->is_unsure || (has_env < 0 && p->parent != KTHREADD);
    return has_env > 0;
}

static size_t kill_left_behind(struct clean *c)
{
    struct nat_procs all;
    if (!c->is_same_boot || c->record.sandbox == NULL || nat_procs_scan(&all) < 0) {
        return 0;
    }
    size_t seen = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (is_left_behind(c, &all.v[i])) {
            (void)kill(all.v[i].pid, SIGKILL);
            seen++;
        }
    }
    nat_procs_release(&all);
    return seen;
}

/* One pass; true: nothing is left. */
static bool clean_pass(struct clean *c)
{
    const struct nat_spec *r = &c->record;
    bool is_forced = (c->ask.flags & NAT_FORCE) != 0;
    pid_t supervisor = recorded_pid(c);
    if (supervisor > 0 && is_forced) {
        (void)kill(supervisor, SIGKILL);
    }
    size_t seen = supervisor > 0;
    c->is_unsure = false;
    seen += nat_groups_signal(r->cgroups, r->cgroup_count, SIGKILL);
    bool has_namespace =
        (r->flags & NAT_NAMESPACES) != 0; /* the kernel ends its members */
    if (!has_namespace) {
        seen += kill_left_behind(c);
    }
    return nat_groups_remove(r->cgroups, r->cgroup_count) && seen == 0;
}

static int clean_up(struct clean *c)
{
    bool is_forced = (c->ask.flags & NAT_FORCE) != 0;
    if (!is_forced && supervisor_lives(c)) {
        return nat_fault_set(&c->fault, EBUSY, "clean up: the supervisor is alive");
    }
    uint64_t timeout_ms = c->ask.timeout_ms > 0 ? c->ask.timeout_ms : DEFAULT_TIMEOUT_MS;
    bool has_namespace = (c->record.flags & NAT_NAMESPACES) != 0;
    unsigned needed = has_namespace ? 1 : SURE_PASSES;
    uint64_t clean_ms = 0; /* for so long passes have seen nothing of the container */
    unsigned sure = 0;     /* the last passes, in a row, that could tell */
    for (uint64_t waited = 0;; waited += WAIT_MS) {
        bool is_clean = clean_pass(c);
        clean_ms = is_clean ? clean_ms + WAIT_MS : 0;
        sure = is_clean && !c->is_unsure ? sure + 1 : 0;
        if (sure == needed || clean_ms > UNSURE_MS) {
            return 0;
        }
        if (waited >= timeout_ms && !is_clean) {
            return nat_fault_set(&c->fault, ETIMEDOUT,
                                 "processes or cgroups of the container remain");
        }
        (void)poll(NULL, 0, WAIT_MS); /* for processes that are not our children */
    }
}

/* What the supervisor left in its directory. */
static int load(struct clean *c, char **record_buf)
{
    int fd = open(c->ask.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? 0
                   : nat_fault_set(&c->fault, errno, "open '%s'", c->ask.state_dir);
    }
    struct nat_frame frame;
    char *status_buf;
    if (nat_state_read(fd, "record", record_buf, &frame) == 0 &&
        nat_spec_decode(&frame, &c->record, &c->fault) == 0) {
        c->status.started = (c->record.flags & NAT_FORKED) != 0;
    }
    if (nat_state_read(fd, "status", &status_buf, &frame) == 0) {
        if (nat_status_decode(&frame, &c->status)) {
            c->status.started = true;
        }
        free(status_buf);
    }
    close(fd);
    char boot[NAT_BOOT_ID_SIZE];
    nat_boot_id(boot);
    c->is_same_boot = c->record.boot != NULL && strcmp(c->record.boot, boot) == 0;
    return 0;
}

static int run(struct clean *c, char **record_buf)
{
    if (c->ask.state_dir == NULL) {
        return nat_fault_set(&c->fault, EPROTO, "clean up: no state directory given");
    }
    int rc = load(c, record_buf);
    if (rc == 0) {
        rc = clean_up(c);
    }
    if (rc == 0) { /* the supervisor may have ended well between our two looks */
        free(*record_buf);
        *record_buf = NULL;
        nat_spec_release(&c->record);
        c->status = (struct nat_status){0};
        rc = load(c, record_buf);
    }
    if (rc == 0 && (c->ask.flags & NAT_REMOVE) != 0) {
        rc = nat_state_remove(c->ask.state_dir);
        rc = rc < 0 ? nat_fault_set(&c->fault, -rc, "remove '%s'", c->ask.state_dir) : 0;
    }
    return rc;
}

/* Serve one request. */
int nat_clean(int plugin_fd)
{
    struct clean c = {0};
    char *ask_buf = NULL;
    char *record_buf = NULL;
    struct nat_frame frame;
    if (nat_frame_receive(plugin_fd, &ask_buf, &frame) < 0 || frame.type != NAT_CLEAN) {
        return 1;
    }
    int rc = nat_spec_decode(&frame, &c.ask, &c.fault);
    if (rc == 0) {
        rc = run(&c, &record_buf);
    }
    struct nat_out o = {0};
    c.status.leftover = rc < 0;
    nat_status_encode(&o, NAT_CLEANED, &c.status);
    if (rc < 0) {
        nat_out_text(&o, NAT_KEY_TEXT, c.fault.what);
        nat_out_u64(&o, NAT_KEY_ERRNO, (uint64_t)c.fault.err);
    }
    (void)nat_frame_send(plugin_fd, &o); /* the agent may be gone; the work is done */
    nat_out_release(&o);
    nat_spec_release(&c.record);
    nat_spec_release(&c.ask);
    free(record_buf);
    free(ask_buf);
    return rc < 0 ? 1 : 0;
}
