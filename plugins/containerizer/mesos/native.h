/* The instance of the native containerizer, and what its files offer each other.
 *
 *   plugin.c    descriptor, flags, life    calls.c      the calls of the kind
 *   container.c pure state machine         box.c        one container's driver
 *   start.c     how it gets a supervisor   spawn.c      starts a helper
 *   link.c      connection to a helper     codec.c      frames
 *   recovery.c  after a restart            cgroups.c limits.c usage.c user.c
 *
 * Everything runs on the loop thread but the work functions of usage, update, user, start
 * and removal, which touch only their own request.
 */
#ifndef NAT_NATIVE_H
#define NAT_NATIVE_H

#include <limits.h>
#include <sys/types.h>

#include <uv.h>

#include <muster/kind/containerizer.h>
#include <muster/plugin.h>

#include "cgroups.h"
#include "codec.h"
#include "container.h"
#include "helper/wire.h"

#define NAT_BUCKETS 1024u
#define NAT_SCRATCH 4096u

struct nat_box;
struct nat_link;
struct nat_recovery;
struct nat_start;

struct native {
    const struct mu_host *host;
    uv_loop_t *loop;
    const struct mu_flags *values; /* for start */
    const struct mu_containerizer_events *events;
    void *events_arg;

    char helper[PATH_MAX];
    char *root;        /* <work_dir>/containers; NULL until known */
    bool is_ephemeral; /* no work_dir: containers end with the agent */
    bool has_namespaces;
    struct nat_layout layout;
    struct nat_limit_flags limits;
    uint64_t destroy_timeout_ms, output_max;
    struct nat_container_config machine_config;

    struct nat_box *buckets[NAT_BUCKETS];
    struct nat_recovery *recovery; /* while it is under way */

    /* connections and processes */
    struct nat_link *links;
    char scratch[NAT_SCRATCH]; /* for reading; used between alloc and read callback */
    uv_signal_t child_ended;
    pid_t *unreaped; /* helpers that have ended and are our children */
    size_t unreaped_count, unreaped_cap;

    /* stop */
    bool is_started, is_stopping, is_signal_closed;
    size_t works; /* on worker threads and deferred calls */
    mu_cb stopped_cb;
    void *stopped_arg;

    bool has_warned[4]; /* a warning of the same kind is logged once */
};

/* ---- plugin.c ---- */

/* host->work and host->timer_start(0), counted, so that stop waits for them. */
void nat_work(struct native *n, mu_cb work, mu_cb done, void *arg);
void nat_later(struct native *n, mu_cb cb, void *arg);
/* To be called at the end of each done or cb of the two above. */
void nat_work_done(struct native *n);
void nat_maybe_stopped(struct native *n);
/* The state directories lie below the agent's work_dir; without one, below its label. */
void nat_use_label(struct native *n, const char *agent_label);
char *nat_text(const char *fmt, ...) MU_PRINTF(1, 2); /* allocated; aborts when out of
                                                         memory */
void *nat_alloc(size_t size);                         /* zeroed; aborts likewise */

/* ---- calls.c ---- */

extern const struct mu_containerizer_ops nat_ops;

/* ---- link.c ---- */

struct nat_link_events {
    void (*message)(void *arg, const struct nat_message *m);
    void (*ended)(void *arg); /* end of file or error; last event */
};

/* Take over a connected socket. */
int nat_link_open(struct native *n, int fd, struct nat_link **out, struct mu_error *err);
void nat_link_listen(struct nat_link *link,
                     const struct nat_link_events *events,
                     void *arg);
void nat_link_send(struct nat_link *link, const struct nat_out *out);
/* The other side reads an end of file; what it still says is heard. */
void nat_link_hang_up(struct nat_link *link);
/* No more events; NULL is fine. The link frees itself. */
void nat_link_close(struct nat_link *link);
void nat_links_stop(struct native *n); /* all */
/* pid has ended or will in a moment: take its exit off the kernel's list if it is our
 * child. */
void nat_reap(struct native *n, pid_t pid);
void nat_reap_all(struct native *n);

/* ---- box.c ---- */

/* One container. */
struct nat_box {
    struct nat_box *next; /* in its bucket */
    struct native *n;
    struct nat_container machine;
    struct mu_container_id id;
    struct mu_task_info *task; /* NULL: an orphan */
    char *sandbox, *label, *state_dir;
    struct mu_pairs env;
    int64_t cpus_limit_milli;
    struct nat_user user;

    struct nat_start *start;       /* while a worker starts the supervisor */
    struct nat_link *link;         /* to the supervisor */
    struct nat_link *cleaner;      /* to a running clean-up */
    struct nat_message *last_word; /* how it ended, before its connection ends; or NULL */
    struct nat_message cleaned;
    struct mu_timer *timer;
    pid_t supervisor; /* 0 unknown */
    pid_t cleaner_pid;
    int early_signal; /* asked for while the supervisor is being started; 0 none */

    mu_launched_cb launched_cb;
    void *launched_arg;
    struct nat_waiter *waiters; /* for destroy */
};

struct nat_waiter {
    struct nat_waiter *next;
    struct native *n;
    mu_status_cb cb;
    void *arg;
};

struct nat_box *nat_box_find(struct native *n, const char *id); /* NULL: none */
struct nat_box *nat_box_create(struct native *n,
                               const struct mu_container_id *id,
                               const struct mu_container_spec *spec);
void nat_box_step(struct nat_box *box, const struct nat_event *ev);
/* A failure to start counts as the supervisor's last word. */
void nat_box_keep_failure(struct nat_box *box,
                          int code,
                          bool has_leftover,
                          const char *text);
/* The supervisor is gone: its last word comes true. The box may be gone after. */
void nat_box_ended(struct nat_box *box);
void nat_box_warn(struct nat_box *box, int code, const char *text);
/* Hear the supervisor through this link. */
void nat_box_attach(struct nat_box *box, struct nat_link *link);
bool nat_box_signal(struct nat_box *box, int signal_number);
void nat_boxes_stop(struct native *n);    /* timers and links; no calls out */
void nat_boxes_answer(struct native *n);  /* what is still owed, with -ECANCELED */
void nat_boxes_destroy(struct native *n); /* free all */

/* ---- start.c ---- */

void nat_start_begin(struct nat_box *box);
void nat_start_abandon(struct nat_box *box);

/* ---- recovery.c ---- */

int nat_recover(struct native *n,
                const struct mu_container_known *known,
                size_t count,
                mu_recovered_cb on_each,
                mu_status_cb cb,
                void *arg,
                struct mu_error *err);
void nat_recovery_report(struct native *n,
                         const struct nat_box *box,
                         bool is_running,
                         const struct mu_container_status *status,
                         const struct mu_container_exit *how);
void nat_recovery_orphan_gone(struct native *n);
void nat_recovery_answer(struct native *n); /* at stop */

#endif
