/* One log: a replica of the machine in paxos/, its journal, its links with the other
 * masters, and the stores that are open on it.
 *
 * Alone (--quorum=1) a log lives from the first open of its name to the end of the last
 * close. Replicated it lives as long as the plugin, since a standby votes too. A log
 * whose journal has failed is closed with its last store, and may be opened anew.
 *
 * Requests are answered in the order in which they were made. A recovery begins when
 * those before it are answered, or at once when nobody leads: an older one is fenced by
 * it then. Loop thread; callbacks exactly once, never inline.
 */
#ifndef RLOG_LOG_H
#define RLOG_LOG_H

#include <muster/host.h>
#include <muster/kind/registry.h>

#include "links.h"
#include "paxos/paxos.h"

struct rlog_request;

struct rlog_log {
    struct rlog_log *next; /* the owner's list */
    const struct mu_host *host;
    char *name, *path;
    uint32_t quorum;
    bool is_replicated;
    struct mu_journal *journal;
    struct paxos *machine;
    struct rlog_links *links; /* NULL: alone */
    struct mu_timer *deadline;
    uint64_t deadline_ms;
    struct mu_registry_store *stores;
    struct mu_registry_store *writer;
    struct rlog_request *requests, **requests_end;
    struct mu_timer *turn; /* answers what is ready on another turn of the loop */
    uint64_t last_token;
    uint32_t cut_off_rounds; /* checks in a row that found the writer without a quorum */
    bool is_opening, is_stepping, is_closing;
    int status;            /* 0, or why nothing can be stored any more */
    struct mu_error error; /* its text */
    mu_cb closed_cb;       /* of the last store's close; may be NULL */
    void *closed_arg;
    void (*gone_cb)(struct rlog_log *log); /* unlinks it from the owner's list */
    void *owner;
    void (*end_cb)(void *owner); /* after the last callback of a log that is gone */
};

/* Open the file, or make it, and replay it. log is zeroed but for host, name (taken
 * over), quorum, is_replicated, gone_cb, end_cb and owner. Returns 0, or negative: then
 * is_closing says whether gone_cb is going to come (the journal was open already), or
 * whether the caller destroys it. */
MU_NODISCARD int rlog_log_open(struct rlog_log *log, struct mu_error *err);
void rlog_log_destroy(struct rlog_log *log);
/* To be called each few seconds; listed: how many masters are known to keep the log, by
 * ZooKeeper or a flag. A writer that reaches no quorum of replicas for four calls in a
 * row, though enough are listed, is told that it is fenced: they may be well, and reach
 * each other. */
void rlog_log_check_quorum(struct rlog_log *log, size_t listed);

/* Who the masters are: "host:port". A log that is not replicated does not ask. */
void rlog_log_set_peers(struct rlog_log *log, const char *const *addresses, size_t count);

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
/* The plugin stops: close all stores that are not closing, and the log behind them. */
void rlog_log_stop(struct rlog_log *log);

#endif
