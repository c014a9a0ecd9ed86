/* Registry in ZooKeeper: a map that every master can go on with, fenced by epochs. See
 * store.h and layout.h. One session for all stores; loop thread.
 */
#include <muster/kind/registry.h>
#include <muster/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store.h"
#include "zk/alloc.h"

struct zkr {
    const struct mu_host *host;
    struct zks_url url;
    uint64_t timeout_ms;
    char *root; /* "<path>/registry" */
    struct zks *session;
    struct mu_registry_store *stores;
    bool is_stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* ---- the session ---- */

static void on_ready(void *arg, bool fresh)
{
    struct zkr *r = arg;
    (void)fresh; /* the epoch fences, not the session */
    for (struct mu_registry_store *s = r->stores, *next; s != NULL; s = next) {
        next = s->next;
        zkr_store_resume(s);
    }
}

static void on_out_of_touch(void *arg)
{
    (void)arg; /* what is under way is answered as lost */
}

static void on_expired(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

static void on_changed(void *arg, int type, const char *path)
{
    const struct zkr *r = arg;
    (void)type;
    for (struct mu_registry_store *s = r->stores; s != NULL; s = s->next) {
        size_t len = strlen(s->root);
        if (strncmp(path, s->root, len) == 0 && strcmp(path + len, "/fence") == 0) {
            zkr_store_watch(s);
        }
    }
}

static const struct zks_events session_events = {on_ready, on_out_of_touch, on_expired,
                                                 on_changed};

/* ---- stores ---- */

static int zkr_open(void *instance,
                    const char *name,
                    const struct mu_registry_events *events,
                    void *arg,
                    struct mu_registry_store **out,
                    struct mu_error *err)
{
    struct zkr *r = instance;
    if (r->session == NULL || r->is_stopping) {
        return mu_fail(err, MU_E_INVALID, "registry zk: it is not started");
    }
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
        return mu_fail(err, MU_E_INVALID, "registry zk: '%s' is no name of a store",
                       name);
    }
    struct mu_registry_store *s = zkr_store_create(r, r->host, r->session, r->root, name);
    s->events = events;
    s->arg = arg;
    s->next = r->stores;
    r->stores = s;
    *out = s;
    return 0;
}

static void close_session(struct zkr *r);

static void end_store(struct mu_registry_store *s)
{
    struct zkr *r = s->instance;
    struct mu_registry_store **at = &r->stores;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    mu_cb cb = s->closed_cb;
    void *arg = s->closed_arg;
    mu_registry_done_cb recovered = s->wanted_cb;
    void *recovered_arg = s->wanted_arg;
    zkr_store_destroy(s);
    if (recovered != NULL) {
        recovered(recovered_arg, -ECANCELED, "the store is being closed");
    }
    if (cb != NULL) {
        cb(arg);
    }
    if (r->is_stopping && r->stores == NULL) {
        close_session(r);
    }
}

/* What recover and close were asked for: their callbacks never come inside the call. */
static void on_turn(void *arg)
{
    struct mu_registry_store *s = arg;
    s->turn = NULL;
    if (s->is_closing) {
        end_store(s);
        return;
    }
    mu_registry_entry_cb on_entry = s->wanted_entry;
    mu_registry_done_cb cb = s->wanted_cb;
    void *cb_arg = s->wanted_arg;
    s->epoch = s->wanted_epoch;
    s->wanted_cb = NULL;
    zkr_store_new_round(s); /* of an earlier leadership nothing more is heard */
    zkr_recovery_end(s, -ECANCELED, "it is being recovered anew");
    zkr_store_fail_all(s, MU_E_UNKNOWN_OUTCOME,
                       "the leadership that asked for it is over");
    if (s->turn != NULL) { /* one of those who were told wants something else */
        cb(cb_arg, -ECANCELED, "it is being recovered anew or closed");
        return;
    }
    zkr_recover(s, on_entry, cb, cb_arg);
}

static void arm_turn(struct mu_registry_store *s)
{
    if (s->turn == NULL) {
        s->turn = s->host->timer_start(s->host, 0, on_turn, s);
    }
}

static int zkr_recover_store(struct mu_registry_store *s,
                             uint64_t epoch,
                             mu_registry_entry_cb on_entry,
                             mu_registry_done_cb cb,
                             void *arg,
                             struct mu_error *err)
{
    if (s->wanted_cb != NULL || s->is_closing) {
        return mu_fail(err, -EALREADY, "registry zk: '%s' is being recovered or closed",
                       s->name);
    }
    s->phase = ZKR_RECOVERING;
    s->wanted_epoch = epoch;
    s->wanted_entry = on_entry;
    s->wanted_cb = cb;
    s->wanted_arg = arg;
    arm_turn(s);
    return 0;
}

static void zkr_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg)
{
    s->is_closing = true;
    s->closed_cb = closed_cb;
    s->closed_arg = arg;
    arm_turn(s);
}

/* ---- life ---- */

static int zkr_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    if (host->loop(host) == NULL) {
        return mu_fail(err, -ENOTSUP, "registry zk: it needs a real loop");
    }
    const char *text = mu_flags_string(values, "zk");
    if (text == NULL || text[0] == '\0') {
        return mu_fail(
            err, MU_E_INVALID,
            "--zk: is needed for the registry zk, as zk://HOST:2181,HOST:2181/mesos");
    }
    uint64_t timeout_ms = mu_flags_duration_ms(values, "zk_session_timeout");
    if (timeout_ms < 1000 || timeout_ms > 3600 * 1000) {
        return mu_fail(err, MU_E_INVALID,
                       "--zk_session_timeout: %" PRIu64
                       " ms is not between 1 second and 1 hour",
                       timeout_ms);
    }
    struct zks_url url;
    int rc = zks_url_parse(text, &url, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "--zk");
    }
    struct zkr *r = zks_calloc(1, sizeof(*r));
    *r = (struct zkr){.host = host, .url = url, .timeout_ms = timeout_ms};
    size_t size = strlen(url.path) + sizeof("/registry");
    r->root = zks_calloc(1, size);
    (void)snprintf(r->root, size, "%s/registry", url.path);
    *out_instance = r;
    return 0;
}

static int zkr_start(void *instance, struct mu_error *err)
{
    (void)err; /* servers that are away are waited for */
    struct zkr *r = instance;
    r->session = zks_open(r->host, &r->url, r->timeout_ms, &session_events, r);
    zks_make_path(r->session);
    return 0;
}

static void on_session_closed(void *arg)
{
    struct zkr *r = arg;
    r->stopped_cb(r->stopped_arg);
}

static void close_session(struct zkr *r)
{
    struct zks *session = r->session;
    r->session = NULL;
    zks_close(session, on_session_closed, r);
}

static void zkr_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct zkr *r = instance;
    r->is_stopping = true;
    r->stopped_cb = stopped_cb;
    r->stopped_arg = arg;
    if (r->stores == NULL) {
        close_session(r);
        return;
    }
    for (struct mu_registry_store *s = r->stores; s != NULL; s = s->next) {
        if (!s->is_closing) { /* nobody has closed it */
            zkr_close(s, NULL, NULL);
        }
    }
}

static void zkr_destroy(void *instance)
{
    struct zkr *r = instance;
    if (r == NULL) {
        return;
    }
    zks_url_release(&r->url);
    free(r->root);
    free(r);
}

static const struct mu_flag zkr_flags[] = {
    {"zk", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME | MU_FLAG_SECRET, NULL, "URL",
     "ZooKeeper servers and path: zk://[USER:PASSWORD@]HOST:PORT,.../PATH."},
    {"zk_session_timeout", MU_FLAG_DURATION, MU_FLAG_GLOBAL_NAME, "10secs", NULL,
     "Time without a word from a master after which ZooKeeper takes it for dead."},
    {0},
};

static const struct mu_registry_ops zkr_ops = {
    .struct_size = sizeof(struct mu_registry_ops),
    .open = zkr_open,
    .recover = zkr_recover_store,
    .commit = zkr_store_commit,
    .close = zkr_close,
};

MU_PLUGIN_DEFINE(registry_zk) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_REGISTRY,
    .name = "zk",
    .version = MU_PLUGIN_VERSION,
    .summary = "the state is kept in ZooKeeper, for all masters",
    .flags = zkr_flags,
    .ops = &zkr_ops,
    .create = zkr_create,
    .start = zkr_start,
    .stop = zkr_stop,
    .destroy = zkr_destroy,
};
