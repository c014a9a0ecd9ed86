/* One log: the state of a store name, made durable on a journal, and its open stores.
 *
 * A log lives from the first open of its name to the end of the last close. Whether a
 * request is allowed is decided when it is made; its callback comes when all requests
 * before it are answered and its own record is durable. Loop thread; callbacks exactly
 * once, never inline.
 */
#ifndef RLOG_LOG_H
#define RLOG_LOG_H

#include "state.h"

/* A log is rewritten when it is longer than both. */
#define RLOG_REWRITE_BYTES (4u * 1024 * 1024)
#define RLOG_REWRITE_FACTOR 4u

struct rlog_request;

struct rlog_log {
    struct rlog_log *next; /* the owner's list */
    const struct mu_host *host;
    char *name, *path;
    struct mu_journal *journal;
    struct rlog_state state; /* with all that was handed to the journal */
    struct mu_registry_store *stores;
    struct mu_registry_store *writer;
    struct rlog_request *requests, **requests_end;
    struct mu_timer *turn; /* answers requests that do not wait for the journal */
    int status;            /* 0, or why nothing can be stored anymore */
    struct mu_error error; /* its text */
    bool is_rewriting;
    uint64_t rewrite_bytes; /* no rewrite below this size of the file */
    bool is_closing;        /* the journal is being closed */
    mu_cb closed_cb;        /* of the last store's close; may be NULL */
    void *closed_arg;
    void (*gone_cb)(struct rlog_log *log); /* unlinks it from the owner's list */
    void *owner;
    void (*end_cb)(void *owner); /* after the last callback of a log that is gone */
};

/* Open the file, or make it, and replay it. log is zeroed but for host, name (taken
 * over), gone_cb, end_cb and owner. Returns 0, or negative: then is_closing says whether
 * gone_cb is going to come (the journal was open already), or whether the caller destroys
 * it. */
MU_NODISCARD int rlog_log_open(struct rlog_log *log, struct mu_error *err);
void rlog_log_destroy(struct rlog_log *log);

/* The registry's methods; see kind/registry.h. */
struct mu_registry_store *rlog_store_create(struct rlog_log *log,
                                            const struct mu_registry_events *events,
                                            void *arg);
int rlog_store_recover(struct mu_registry_store *s,
                       uint64_t epoch,
                       mu_registry_entry_cb on_entry,
                       mu_registry_done_cb cb,
                       void *arg,
                       struct mu_error *err);
int rlog_store_commit(struct mu_registry_store *s,
                      const struct mu_registry_op *ops,
                      size_t count,
                      mu_registry_done_cb cb,
                      void *arg,
                      struct mu_error *err);
/* closed_cb may be NULL. */
void rlog_store_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg);
/* Close all stores that are not closing. */
void rlog_log_close_stores(struct rlog_log *log);

#endif
