/* What session.c (the session's life) and operations.c (what is asked on it) share. */
#ifndef ZK_INTERNAL_H
#define ZK_INTERNAL_H

#include <stdatomic.h>

#include "session.h"

/* A handle of libzookeeper with its threads: one generation. Made and closed by workers.
 */
struct zks_handle {
    struct zks *session;
    zhandle_t *zh; /* NULL: not made yet, or it could not be made */
    int init_errno;
    uint64_t generation;
    /* All that was asked on it and has not been delivered, in the order of asking. */
    struct zks_pending *pending, **pending_end;
};

/* What foreign threads post. */
struct zks_item {
    struct mu_inbox_item item;   /* first */
    struct zks_pending *pending; /* NULL: an event */
    uint64_t generation;
    int type, state;
    char *path;
};

/* One operation. Answered once: by its completion, or when its handle is given up. Its
 * memory goes when the completion is delivered, or with the handle if that never came. */
struct zks_pending {
    struct zks_item item; /* first */
    struct zks_handle *handle;
    struct zks_pending *next, **at; /* in handle's list */
    struct mu_inbox *inbox;
    const struct mu_host *host;
    zks_answer_cb cb; /* NULL: was answered */
    void *arg;
    atomic_bool is_posted; /* set by the completion */
    int rc;
    struct zks_stat stat;
    char *text; /* path or data */
    size_t len;
    char **children;
    size_t child_count;
    zoo_op_result_t *results;
};

struct zks {
    const struct mu_host *host;
    const struct zks_url *url;
    uint64_t wanted_ms, timeout_ms;
    const struct zks_events *events;
    void *arg;
    struct mu_inbox *inbox;
    int state;
    struct zks_handle *handle; /* the current one */
    uint64_t generation;
    int early_state; /* what the current handle said before it was here; 0: nothing */
    size_t working;  /* workers that make or close a handle */
    int64_t id;
    bool was_ready; /* in this generation */
    uint64_t
        retry_ms;    /* of the next preparation that fails for good, or of the opening */
    size_t prepared; /* length of the part of the base path that is known to exist */
    uint64_t preparation;
    struct mu_timer *timer; /* by state: to try again, or to give up */
    bool makes_path;        /* the base path, when it is missing */
    bool is_closing;
    mu_cb closed_cb;
    void *closed_arg;
};

bool zks_takes_operations(const struct zks *s);
const struct ACL_vector *zks_acl(const struct zks *s);
/* On the loop: tell whoever waits and forget them; memory as struct zks_pending says. */
void zks_pending_answer_all(struct zks_handle *h, int rc);
void zks_pending_deliver(struct zks_pending *p);
void zks_pending_drop_all(struct zks_handle *h); /* its threads are gone */
void zks_pending_destroy(struct zks_pending *p);

#endif
