/* Registry on a log that is replicated between masters; see docs/replicated-log.md.
 *
 * plugin.c: descriptor and instance; log.c: one log, its requests and their order;
 * links.c: connections with other masters; membership.c: who they are, by ZooKeeper;
 * paxos/: the machine; state.c, map.c, codec.c: the map; storage.c: paths; inspect.c:
 * the tool muster log. A second process on the same work_dir is refused by the journal's
 * lock when it opens a store.
 */
#include <muster/kind/registry.h>
#include <muster/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "health.h"
#include "inspect.h"
#include "log.h"
#include "membership.h"
#include "paxos/types.h"
#include "storage.h"

#define REOPEN_MS 5000u
#define TELL_AGAIN_MS 30000u
#define PEERS_MAX 64u
#define OTHER_LOGS_MAX 8u

struct name {
    char *text;
    bool is_out; /* it could not be opened, which was told */
    uint64_t told_ms;
    /* It could not be written: not opened for other masters before the next on_reopen, or
     * a full disk would have it read again and again. */
    bool is_resting;
};

struct rlog {
    const struct mu_host *host;
    struct rlog_log *logs;
    uint32_t quorum;
    bool is_replicated;
    char **peers; /* their addresses, from the flag or from ZooKeeper */
    size_t peer_count;
    const char *zk_url; /* of the flag; NULL: none */
    uint64_t zk_timeout_ms;
    struct rlog_membership *membership;
    struct mu_timer *reopen;
    struct name *names; /* of the logs that have to be open */
    size_t name_count;
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
     .help =
         "How many replicas must store a change before it counts; Q of 2Q-1 masters."},
    {.name = "log_peers",
     .type = MU_FLAG_LIST,
     .bits = MU_FLAG_GLOBAL_NAME,
     .value_name = "HOST:PORT,...",
     .help = "The masters that keep the log, this one may be among them. Without it they "
             "find each other through --zk."},
    {.name = "zk",
     .type = MU_FLAG_STRING,
     .bits = MU_FLAG_GLOBAL_NAME | MU_FLAG_SECRET,
     .value_name = "URL",
     .help = "ZooKeeper servers and path: zk://host:port,.../path."},
    {.name = "zk_session_timeout",
     .type = MU_FLAG_DURATION,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "10secs",
     .help = "When ZooKeeper gives up a session it has not heard of."},
    {0},
};

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(rlog_allocate(size), text, size);
}

/* ---- the end ---- */

static struct name *find_name(const struct rlog *p, const char *text)
{
    for (size_t i = 0; i < p->name_count; i++) {
        if (strcmp(p->names[i].text, text) == 0) {
            return &p->names[i];
        }
    }
    return NULL;
}

static void on_gone(struct rlog_log *log)
{
    struct rlog *p = log->owner;
    struct name *name = find_name(p, log->name);
    if (name != NULL) {
        name->is_resting = log->status < 0;
    }
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
    if (p->is_stopping && p->logs == NULL && p->membership == NULL &&
        p->stop_turn == NULL) {
        p->stop_turn = p->host->timer_start(p->host, 0, on_stop_turn, p);
    }
}

/* ---- logs ---- */

static void remember_name(struct rlog *p, const char *name)
{
    if (find_name(p, name) != NULL) {
        return;
    }
    struct name *grown = rlog_allocate((p->name_count + 1) * sizeof(*grown));
    if (p->name_count > 0) {
        memcpy(grown, p->names, p->name_count * sizeof(*grown));
    }
    free(p->names);
    p->names = grown;
    p->names[p->name_count++] = (struct name){.text = copy(name)};
}

static struct rlog_log *make_log(struct rlog *p, const char *name)
{
    struct rlog_log *log = rlog_allocate(sizeof(*log));
    log->name = copy(name);
    log->host = p->host;
    log->quorum = p->quorum;
    log->is_replicated = p->is_replicated;
    log->gone_cb = on_gone;
    log->end_cb = maybe_stopped;
    log->owner = p;
    return log;
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
    struct rlog_log *log = make_log(p, name);
    int rc = rlog_log_open(log, err);
    if (rc < 0 && !log->is_closing) {
        rlog_log_destroy(log);
        return rc;
    }
    log->next = p->logs;
    p->logs = log;
    if (rc == 0) {
        remember_name(p, name);
        rlog_log_set_peers(log, (const char *const *)p->peers, p->peer_count);
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

/* ---- other masters ---- */

static bool is_of_the_core(const char *name)
{
    return strcmp(name, "master") == 0 || strcmp(name, "apps") == 0;
}

/* A standby makes its replica of a log when another master asks for it. So that not
 * anybody who reaches the port can fill the disk with logs, only those are made that
 * Muster has, or a few. */
static bool may_make(const struct rlog *p, const char *name)
{
    size_t others = 0;
    for (size_t i = 0; i < p->name_count; i++) {
        others += !is_of_the_core(p->names[i].text);
    }
    return find_name(p, name) != NULL || is_of_the_core(name) || others < OTHER_LOGS_MAX;
}

/* One of them wants to hear this one's replica of a log. */
static void
on_link(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct rlog *p = arg;
    struct rlog_log *log = NULL;
    struct mu_error err;
    int rc = p->is_stopping ? mu_fail(&err, -ECANCELED, "stopping")
                            : rlog_storage_check_name(req->params[0], &err);
    if (rc == 0 && !may_make(p, req->params[0])) {
        rc = mu_fail(&err, -ENOENT, "there is no such log, and there are others enough");
    }
    const struct name *name = find_name(p, req->params[0]);
    if (rc == 0 && name != NULL && name->is_resting) {
        rc = mu_fail(&err, -EAGAIN, "this log could not be written, it is tried again");
    }
    if (rc == 0) {
        rc = find_or_open(p, req->params[0], &log, &err);
    }
    if (rc < 0 || log->links == NULL) {
        const char *text = rc < 0 ? err.text : "this log is not replicated";
        p->host->http_reply(x, 503, NULL, 0, text, strlen(text));
        return;
    }
    rlog_links_accept(log->links, x);
}

static void set_peers(void *arg, const char *const *addresses, size_t count)
{
    struct rlog *p = arg;
    for (size_t i = 0; i < p->peer_count; i++) {
        free(p->peers[i]);
    }
    free(p->peers);
    p->peers = rlog_allocate((count + 1) * sizeof(*p->peers));
    p->peer_count = count;
    for (size_t i = 0; i < count; i++) {
        p->peers[i] = copy(addresses[i]);
    }
    for (struct rlog_log *log = p->logs; log != NULL; log = log->next) {
        rlog_log_set_peers(log, (const char *const *)p->peers, p->peer_count);
    }
}

/* Once, then from time to time, and when it is over. */
static void tell_use(struct rlog *p, struct name *n, const char *error)
{
    uint64_t now_ms = p->host->now_ms(p->host);
    if (error == NULL && n->is_out) {
        p->host->log(p->host, MU_INFO, "this master's replica of a log is in use again",
                     "log=%s", n->text);
    } else if (error != NULL && (!n->is_out || now_ms - n->told_ms >= TELL_AGAIN_MS)) {
        p->host->log(p->host, MU_ERROR, "this master's replica of a log is out of use",
                     "log=%s error=%s", n->text, error);
        n->told_ms = now_ms;
    }
    n->is_out = error != NULL;
}

/* A replica has to vote though nobody has opened its store here, and again when its disk
 * has room again. */
static void on_reopen(void *arg)
{
    struct rlog *p = arg;
    p->reopen = p->host->timer_start(p->host, REOPEN_MS, on_reopen, p);
    for (struct rlog_log *log = p->logs; log != NULL; log = log->next) {
        rlog_log_check_quorum(log, p->peer_count);
    }
    for (size_t i = 0; i < p->name_count; i++) {
        struct rlog_log *log = NULL;
        struct mu_error err;
        p->names[i].is_resting = false;
        int rc = find_or_open(p, p->names[i].text, &log, &err);
        if (rc != -EBUSY) {
            tell_use(p, &p->names[i], rc < 0 ? err.text : NULL);
        }
    }
}

static void take_name(void *arg, const char *name)
{
    remember_name(arg, name);
}

/* ---- life ---- */

static bool
check_peers(struct rlog *p, const struct mu_flags *values, struct mu_error *err)
{
    const char *const *addresses = NULL;
    size_t count = mu_flags_list(values, "log_peers", &addresses);
    if (count > PEERS_MAX) {
        (void)mu_fail(err, MU_E_INVALID, "--log_peers has more than %u masters",
                      PEERS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *colon = strrchr(addresses[i], ':');
        if (colon == NULL || colon == addresses[i] || colon[1] == '\0' ||
            strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
            strlen(addresses[i]) >= PAXOS_ADDRESS_MAX) {
            (void)mu_fail(err, MU_E_INVALID, "--log_peers: '%s' is no HOST:PORT",
                          addresses[i]);
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(addresses[i], addresses[k]) == 0) {
                (void)mu_fail(err, MU_E_INVALID,
                              "--log_peers names '%s' twice: name each master once",
                              addresses[i]);
                return false;
            }
        }
    }
    set_peers(p, addresses, count);
    return true;
}

static void rlog_destroy(void *instance)
{
    struct rlog *p = instance;
    set_peers(p, NULL, 0);
    free(p->peers);
    for (size_t i = 0; i < p->name_count; i++) {
        free(p->names[i].text);
    }
    free(p->names);
    free(p);
}

static int rlog_create(const struct mu_host *host,
                       const struct mu_flags *values,
                       void **out_instance,
                       struct mu_error *err)
{
    int64_t quorum = mu_flags_int(values, "quorum");
    if (quorum < 1 || quorum > PAXOS_MEMBERS_MAX / 2 + 1) {
        return mu_fail(
            err, MU_E_INVALID,
            "--quorum of %lld: it is 1 for one master, 2 for three, 3 for five, "
            "up to %u",
            (long long)quorum, PAXOS_MEMBERS_MAX / 2 + 1);
    }
    if (host->work_dir(host) == NULL) {
        return mu_fail(err, MU_E_INVALID,
                       "--registry=replicated_log needs --work_dir for its files");
    }
    struct rlog *p = rlog_allocate(sizeof(*p));
    p->host = host;
    p->quorum = (uint32_t)quorum;
    p->zk_url = mu_flags_string(values, "zk");
    p->zk_timeout_ms = mu_flags_duration_ms(values, "zk_session_timeout");
    if (!check_peers(p, values, err)) {
        rlog_destroy(p);
        return MU_E_INVALID;
    }
    p->is_replicated = quorum > 1;
    if (p->is_replicated && p->peer_count == 0 && p->zk_url == NULL) {
        rlog_destroy(p);
        return mu_fail(err, MU_E_INVALID,
                       "--quorum=%lld is for %lld masters, and nothing says where the "
                       "others are: give --zk=zk://HOST:PORT,.../PATH, or "
                       "--log_peers=HOST:PORT,...",
                       (long long)quorum, 2 * (long long)quorum - 1);
    }
    *out_instance = p;
    return 0;
}

/* A master alone takes its place there too, so that a second one is seen: the log of each
 * would be its own. */
static int watch_members(struct rlog *p, struct mu_error *err)
{
    const struct rlog_membership_config cfg = {.host = p->host,
                                               .url = p->zk_url,
                                               .timeout_ms = p->zk_timeout_ms,
                                               .quorum = p->quorum,
                                               .changed = set_peers,
                                               .arg = p};
    return p->peer_count == 0 && p->zk_url != NULL
               ? rlog_membership_create(&cfg, &p->membership, err)
               : 0;
}

static int start_replicated(struct rlog *p, struct mu_error *err)
{
    int rc = p->host->http_route(p->host, "master", "GET", "/api/v1/log/{name}", on_link,
                                 p, err);
    if (rc < 0) {
        return rc;
    }
    return rlog_storage_names(p->host->work_dir(p->host), take_name, p, err);
}

static int rlog_start(void *instance, struct mu_error *err)
{
    struct rlog *p = instance;
    int rc = rlog_storage_prepare(p->host, err);
    if (rc == 0 && p->is_replicated) {
        rc = start_replicated(p, err);
    }
    if (rc == 0) {
        rc = watch_members(p, err);
    }
    if (rc == 0 && p->is_replicated) { /* a start that fails leaves nothing that fires */
        p->reopen = p->host->timer_start(p->host, 0, on_reopen, p);
    }
    return rc;
}

static void on_membership_closed(void *arg)
{
    struct rlog *p = arg;
    p->membership = NULL;
    maybe_stopped(p);
}

static void rlog_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct rlog *p = instance;
    p->is_stopping = true;
    p->stopped_cb = stopped_cb;
    p->stopped_arg = arg;
    p->host->timer_cancel(p->host, p->reopen);
    p->reopen = NULL;
    if (p->membership != NULL) {
        rlog_membership_close(p->membership, on_membership_closed, p);
    }
    struct rlog_log *next;
    for (struct rlog_log *log = p->logs; log != NULL; log = next) {
        next = log->next;
        rlog_log_stop(log);
    }
    maybe_stopped(p);
}

/* ---- what an operator sees ---- */

static const struct rlog_log *find_log(const struct rlog *p, const char *name)
{
    const struct rlog_log *log = p->logs;
    while (log != NULL && (log->is_closing || strcmp(log->name, name) != 0)) {
        log = log->next;
    }
    return log;
}

static void rlog_explain(void *instance, const char *name, struct mu_buf *out)
{
    const struct rlog *p = instance;
    const struct rlog_log *log = find_log(p, name);
    if (log != NULL) {
        rlog_health_explain(log, out);
    }
}

static void rlog_describe(void *instance, const char *name, struct mu_jw *w)
{
    const struct rlog *p = instance;
    const struct rlog_log *log = find_log(p, name);
    if (log != NULL) {
        rlog_health_describe(log, w);
    }
}

static const struct mu_registry_ops rlog_ops = {
    .struct_size = sizeof(struct mu_registry_ops),
    .open = rlog_open,
    .recover = rlog_store_recover,
    .commit = rlog_store_commit,
    .close = rlog_store_close,
    .inspect = rlog_inspect,
    .explain = rlog_explain,
    .describe = rlog_describe,
};

MU_PLUGIN_DEFINE(registry_replicated_log) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_REGISTRY,
    .name = "replicated_log",
    .version = MU_PLUGIN_VERSION,
    .summary = "keeps the state of the cluster in a log that a quorum of masters stores",
    .flags = rlog_flags,
    .ops = &rlog_ops,
    .create = rlog_create,
    .start = rlog_start,
    .stop = rlog_stop,
    .destroy = rlog_destroy,
};
