/* Registry on a log that is replicated between masters. This is its local half: a single
 * replica, durable on the host's journal service, one log per store name.
 *
 * plugin.c: descriptor and instance; log.c: requests and their order; state.c, map.c,
 * codec.c: pure; storage.c: paths. A second process on the same work_dir is refused by
 * the journal's lock when it opens a store.
 */
#include <muster/kind/registry.h>
#include <muster/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "storage.h"

struct rlog {
    const struct mu_host *host;
    struct rlog_log *logs;
    bool is_stopping;
    struct mu_timer *stop_turn;
    mu_cb stopped_cb;
    void *stopped_arg;
};

static const struct mu_flag rlog_flags[] = {
    {.name = "quorum",
     .type = MU_FLAG_INT,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "1",
     .help = "How many replicas must store a change before it counts; more than half of "
             "all masters. Only 1 is possible yet."},
    {0},
};

static void on_gone(struct rlog_log *log)
{
    struct rlog *p = log->owner;
    struct rlog_log **at = &p->logs;
    while (*at != log) {
        at = &(*at)->next;
    }
    *at = log->next;
}

static void on_stop_turn(void *arg)
{
    struct rlog *p = arg;
    p->stop_turn = NULL;
    p->stopped_cb(p->stopped_arg);
}

static void maybe_stopped(void *owner)
{
    struct rlog *p = owner;
    if (p->is_stopping && p->logs == NULL && p->stop_turn == NULL) {
        p->stop_turn = p->host->timer_start(p->host, 0, on_stop_turn, p);
    }
}

static int find_or_open(struct rlog *p,
                        const char *name,
                        struct rlog_log **out,
                        struct mu_error *err)
{
    for (struct rlog_log *log = p->logs; log != NULL; log = log->next) {
        if (strcmp(log->name, name) != 0) {
            continue;
        }
        if (log->is_closing) {
            return mu_fail(err, -EBUSY, "registry replicated_log: '%s' is being closed",
                           name);
        }
        if (log->status < 0) {
            return mu_fail(err, log->status, "%s", log->error.text);
        }
        *out = log;
        return 0;
    }
    struct rlog_log *log = rlog_allocate(sizeof(*log));
    size_t size = strlen(name) + 1;
    log->name = memcpy(rlog_allocate(size), name, size);
    log->host = p->host;
    log->gone_cb = on_gone;
    log->end_cb = maybe_stopped;
    log->owner = p;
    int rc = rlog_log_open(log, err);
    if (rc < 0 && !log->is_closing) {
        rlog_log_destroy(log);
        return rc;
    }
    log->next = p->logs;
    p->logs = log;
    if (rc == 0) {
        *out = log;
    }
    return rc;
}

static int rlog_open(void *instance,
                     const char *name,
                     const struct mu_registry_events *events,
                     void *arg,
                     struct mu_registry_store **out,
                     struct mu_error *err)
{
    struct rlog *p = instance;
    if (p->is_stopping) {
        return mu_fail(err, -ECANCELED, "registry replicated_log: stopping");
    }
    int rc = rlog_storage_check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    struct rlog_log *log = NULL;
    rc = find_or_open(p, name, &log, err);
    if (rc == 0) {
        *out = rlog_store_create(log, events, arg);
    }
    return rc;
}

static int rlog_create(const struct mu_host *host,
                       const struct mu_flags *values,
                       void **out_instance,
                       struct mu_error *err)
{
    int64_t quorum = mu_flags_int(values, "quorum");
    if (quorum < 1) {
        return mu_fail(err, MU_E_INVALID, "--quorum must be at least 1");
    }
    if (quorum != 1) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "--quorum of %lld needs replication, which this build does not "
                       "have yet; use --quorum=1",
                       (long long)quorum);
    }
    if (host->work_dir(host) == NULL) {
        return mu_fail(err, MU_E_INVALID,
                       "--registry=replicated_log needs --work_dir for its files");
    }
    struct rlog *p = rlog_allocate(sizeof(*p));
    p->host = host;
    *out_instance = p;
    return 0;
}

static int rlog_start(void *instance, struct mu_error *err)
{
    struct rlog *p = instance;
    return rlog_storage_prepare(p->host, err);
}

static void rlog_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct rlog *p = instance;
    p->is_stopping = true;
    p->stopped_cb = stopped_cb;
    p->stopped_arg = arg;
    for (struct rlog_log *log = p->logs; log != NULL; log = log->next) {
        rlog_log_close_stores(log);
    }
    maybe_stopped(p);
}

static void rlog_destroy(void *instance)
{
    free(instance);
}

static const struct mu_registry_ops rlog_ops = {
    .struct_size = sizeof(struct mu_registry_ops),
    .open = rlog_open,
    .recover = rlog_store_recover,
    .commit = rlog_store_commit,
    .close = rlog_store_close,
};

MU_PLUGIN_DEFINE(registry_replicated_log) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_REGISTRY,
    .name = "replicated_log",
    .version = MU_PLUGIN_VERSION,
    .summary = "keeps the state of the cluster in a log under the work_dir",
    .flags = rlog_flags,
    .ops = &rlog_ops,
    .create = rlog_create,
    .start = rlog_start,
    .stop = rlog_stop,
    .destroy = rlog_destroy,
};
