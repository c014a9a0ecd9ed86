/* See session.h and internal.h: a session's life.
 *
 * zookeeper_init resolves names and zookeeper_close waits for the server and joins both
 * threads, so both run on a worker. A handle that is given up is closed in the background
 * while the next one is being made; what its threads still post carries an older
 * generation.
 */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "alloc.h"
#include "internal.h"

#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 60000u
#define PATH_POLL_MS 500u /* until somebody who may has made the base path */
/* Without this libzookeeper resolves all servers' names at each turn of its loop, which
 * is at each answer: most of a millisecond, times all the nodes of a registry that a new
 * leader reads. A lost connection resolves them anyhow. */
#define RESOLVE_EVERY_MS 10000

enum zks_state { OPENING, CONNECTING, PREPARING, READY, SUSPENDED };

static const char *const state_names[] = {"opening", "connecting", "preparing", "ready",
                                          "suspended"};

static void on_session_event(struct zks *s, int state);
static void open_handle(void *arg);
static void prepare(struct zks *s);

/* ---- libzookeeper's own log ---- */

/* The callback has no argument of ours; as the log sink itself, this is process-wide.
 * What libzookeeper says matters to its developers: states and their causes are told by
 * us. */
static _Atomic(const struct mu_host *) log_host;

static void on_library_log(const char *message)
{
    const struct mu_host *host = atomic_load(&log_host);
    if (host != NULL) {
        host->log(host, MU_TRACE, "libzookeeper", "message=%s", message);
    }
}

/* ---- foreign threads ---- */

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    (void)zh;
    struct zks_handle *h = context;
    struct zks_item *it = zks_calloc(1, sizeof(*it));
    it->generation = h->generation;
    it->type = type;
    it->state = state;
    it->path = zks_copy(path != NULL ? path : "", path != NULL ? strlen(path) : 0);
    h->session->host->inbox_post(h->session->inbox, &it->item);
}

static void work_open(void *arg)
{
    struct zks_handle *h = arg;
    const struct zks *s = h->session;
    h->zh = zookeeper_init2(s->url->hosts, on_event, (int)s->wanted_ms, NULL, h, 0,
                            on_library_log);
    h->init_errno = h->zh == NULL ? errno : 0;
    if (h->zh != NULL) {
        (void)zoo_set_servers_resolution_delay(h->zh, RESOLVE_EVERY_MS); /* it is valid */
    }
    if (h->zh != NULL && s->url->auth != NULL) {
        (void)zoo_add_auth(h->zh, "digest", s->url->auth, (int)strlen(s->url->auth), NULL,
                           NULL); /* a refusal comes as a session event */
    }
}

static void work_close(void *arg)
{
    struct zks_handle *h = arg;
    (void)zookeeper_close(h->zh); /* whatever it says, the handle is gone */
}

/* ---- the end ---- */

static void on_inbox_closed(void *arg)
{
    struct zks *s = arg;
    const struct mu_host *none = s->host;
    (void)atomic_compare_exchange_strong(&log_host, &none, NULL);
    mu_cb cb = s->closed_cb;
    void *cb_arg = s->closed_arg;
    free(s);
    cb(cb_arg);
}

static void worker_ended(struct zks *s)
{
    s->working--;
    if (s->is_closing && s->working == 0) {
        s->host->inbox_close(s->inbox, on_inbox_closed, s);
    }
}

static void on_handle_closed(void *arg)
{
    struct zks_handle *h = arg;
    struct zks *s = h->session;
    zks_pending_drop_all(h);
    free(h);
    worker_ended(s);
}

static void close_handle(struct zks_handle *h)
{
    struct zks *s = h->session;
    s->working++;
    if (h->zh == NULL) {
        on_handle_closed(h);
        return;
    }
    (void)s->host->work(s->host, work_close, on_handle_closed, h);
}

/* ---- opening ---- */

static void set_timer(struct zks *s, uint64_t delay_ms, mu_cb cb)
{
    s->host->timer_cancel(s->host, s->timer);
    s->timer = s->host->timer_start(s->host, delay_ms, cb, s);
}

static uint64_t next_retry_ms(struct zks *s)
{
    uint64_t delay = s->retry_ms;
    s->retry_ms = delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : delay * 2;
    return delay;
}

/* The current handle is of no use any more. Another is made after the delay. */
static void give_up(struct zks *s, int rc, const char *why, uint64_t delay_ms)
{
    struct zks_handle *h = s->handle;
    bool was_ready = s->was_ready;
    s->state = OPENING;
    s->handle = NULL;
    s->generation++;
    s->preparation++;
    s->was_ready = false;
    s->early_state = 0;
    s->id = 0;
    s->prepared = 0;
    s->host->timer_cancel(s->host, s->timer);
    s->timer = NULL;
    if (!s->is_closing) {
        set_timer(s, delay_ms, open_handle);
    }
    if (h != NULL) {
        zks_pending_answer_all(h, rc);
        close_handle(h);
    }
    if (was_ready && !s->is_closing) {
        s->events->expired(s->arg, why);
    }
}

static void on_connect_timeout(void *arg)
{
    struct zks *s = arg;
    s->timer = NULL;
    s->host->log(s->host, MU_WARN, "ZooKeeper does not answer: continuing to try",
                 "servers=%s", s->url->hosts);
    give_up(s, ZSESSIONEXPIRED, "it could not be reached", 0); /* resolves names anew */
}

/* libzookeeper says EINVAL and ENOENT for all that name servers answer, or do not. */
static const char *open_error(int code)
{
    return code == EINVAL || code == ENOENT
               ? "the names are not known, or no name server answers"
               : mu_strerror(-code);
}

static void on_opened(void *arg)
{
    struct zks_handle *h = arg;
    struct zks *s = h->session;
    if (h->generation != s->generation || s->is_closing) {
        close_handle(h);
    } else if (h->zh == NULL) {
        uint64_t delay = next_retry_ms(s);
        s->host->log(s->host, MU_WARN,
                     "no ZooKeeper server can be looked for: trying again",
                     "servers=%s error=%s retry_ms=%" PRIu64, s->url->hosts,
                     open_error(h->init_errno), delay);
        free(h);
        set_timer(s, delay, open_handle);
    } else {
        s->handle = h;
        s->state = CONNECTING;
        set_timer(s, s->wanted_ms > RETRY_MIN_MS * 5 ? s->wanted_ms : RETRY_MIN_MS * 5,
                  on_connect_timeout);
        if (s->early_state != 0) {
            on_session_event(s, s->early_state);
        }
    }
    worker_ended(s);
}

static void open_handle(void *arg)
{
    struct zks *s = arg;
    s->timer = NULL;
    struct zks_handle *h = zks_calloc(1, sizeof(*h));
    *h = (struct zks_handle){.session = s, .generation = s->generation};
    h->pending_end = &h->pending;
    s->working++;
    (void)s->host->work(s->host, work_open, on_opened, h);
}

/* ---- the base path ---- */

/* A preparation that was begun before the connection was lost is told by its number. */
struct step {
    struct zks *session;
    uint64_t preparation;
    size_t len; /* of the part of the path that it is about */
};

static struct step *step_create(struct zks *s, size_t len)
{
    struct step *st = zks_calloc(1, sizeof(*st));
    *st = (struct step){s, s->preparation, len};
    return st;
}

static void on_retry(void *arg)
{
    struct zks *s = arg;
    s->timer = NULL;
    prepare(s);
}

static void step_done(struct step *st, int rc)
{
    struct zks *s = st->session;
    if (rc == ZOK || rc == ZNODEEXISTS) {
        s->prepared = st->len;
        s->retry_ms = RETRY_MIN_MS;
        prepare(s);
    } else if (zks_is_unknown(rc)) {
        set_timer(s, next_retry_ms(s), on_retry); /* unless an event comes first */
    } else {
        if (rc == ZNONODE) { /* what was above it has been removed meanwhile */
            s->prepared = 0;
        }
        uint64_t delay = next_retry_ms(s);
        s->host->log(s->host, MU_ERROR,
                     "the path in ZooKeeper cannot be used: trying again",
                     "path=%.*s error=%s retry_ms=%" PRIu64, (int)st->len, s->url->path,
                     zks_error_text(rc), delay);
        set_timer(s, delay, on_retry);
    }
}

static void on_made(void *arg, const struct zks_answer *a)
{
    struct step *st = arg;
    if (st->preparation == st->session->preparation) {
        step_done(st, a->rc);
    }
    free(st);
}

static void on_looked(void *arg, const struct zks_answer *a)
{
    struct step *st = arg;
    struct zks *s = st->session;
    if (st->preparation != s->preparation) {
        free(st);
        return;
    }
    if (a->rc == ZNONODE && !s->makes_path) {
        set_timer(s, PATH_POLL_MS, on_retry);
        free(st);
        return;
    }
    if (a->rc == ZNONODE) {
        char *part = zks_copy(s->url->path, st->len);
        zks_create(s, part, "", 0, 0, on_made, st);
        free(part);
        return;
    }
    step_done(st, a->rc);
    free(st);
}

/* The next part of the path that is not known to exist. */
static void prepare(struct zks *s)
{
    const char *path = s->url->path;
    s->preparation++;
    if (path[s->prepared] == '\0') {
        s->state = READY;
        s->was_ready = true;
        s->host->timer_cancel(s->host, s->timer);
        s->timer = NULL;
        s->events->ready(s->arg, true);
        return;
    }
    const char *slash = strchr(path + s->prepared + 1, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : strlen(path);
    char *part = zks_copy(path, len);
    zks_exists(s, part, false, on_looked, step_create(s, len));
    free(part);
}

/* ---- events, on the loop ---- */

static void on_suspended_too_long(void *arg)
{
    struct zks *s = arg;
    s->timer = NULL;
    give_up(s, ZSESSIONEXPIRED, "out of touch with ZooKeeper for the session timeout", 0);
}

static void connected(struct zks *s)
{
    s->id = zoo_client_id(s->handle->zh)->client_id;
    int negotiated = zoo_recv_timeout(s->handle->zh);
    s->timeout_ms = negotiated > 0 ? (uint64_t)negotiated : s->wanted_ms;
    s->host->timer_cancel(s->host, s->timer);
    s->timer = NULL;
    if (s->was_ready) {
        s->state = READY;
        s->host->log(s->host, MU_INFO, "ZooKeeper session resumed", "session=%" PRIx64,
                     (uint64_t)s->id);
        s->events->ready(s->arg, false);
        return;
    }
    s->state = PREPARING;
    s->host->log(s->host, MU_INFO, "connected to ZooKeeper",
                 "session=%" PRIx64 " timeout_ms=%" PRIu64, (uint64_t)s->id,
                 s->timeout_ms);
    prepare(s);
}

static void disconnected(struct zks *s)
{
    if (s->state == READY) {
        s->state = SUSPENDED;
        set_timer(s, s->timeout_ms, on_suspended_too_long);
        s->host->log(s->host, MU_WARN, "lost touch with ZooKeeper",
                     "session=%" PRIx64 " expires_in_ms=%" PRIu64, (uint64_t)s->id,
                     s->timeout_ms);
        s->events->suspended(s->arg);
    } else if (s->state == PREPARING) {
        s->preparation++;
        s->state = CONNECTING;
        set_timer(s, s->timeout_ms, on_connect_timeout);
    }
}

static void on_session_event(struct zks *s, int state)
{
    if (state == ZOO_CONNECTED_STATE) {
        disconnected(s); /* a send that fails ends the connection without an event */
        connected(s);
    } else if (state == ZOO_EXPIRED_SESSION_STATE) {
        give_up(s, ZSESSIONEXPIRED, "ZooKeeper has ended the session", 0);
    } else if (state == ZOO_AUTH_FAILED_STATE) {
        s->host->log(s->host, MU_ERROR,
                     "ZooKeeper does not accept the credentials of the URL: trying again",
                     NULL);
        give_up(s, ZAUTHFAILED, "ZooKeeper does not accept the credentials",
                next_retry_ms(s));
    } else {
        disconnected(s);
    }
}

/* What the inbox still holds when it is closed is answered, too. */
static void drop_item(void *arg, struct mu_inbox_item *item)
{
    (void)arg;
    struct zks_item *it = (struct zks_item *)item;
    if (it->pending != NULL) {
        zks_pending_deliver(it->pending);
        return;
    }
    free(it->path);
    free(it);
}

static void on_item(void *arg, struct mu_inbox_item *item)
{
    struct zks *s = arg;
    struct zks_item *it = (struct zks_item *)item;
    if (it->pending != NULL) {
        zks_pending_deliver(it->pending);
        return;
    }
    if (it->generation == s->generation && !s->is_closing) {
        if (it->type == ZOO_SESSION_EVENT && s->handle == NULL) {
            s->early_state = it->state; /* quicker than the worker that made the handle */
        } else if (it->type == ZOO_SESSION_EVENT) {
            on_session_event(s, it->state);
        } else if (s->was_ready) {
            s->events->changed(s->arg, it->type, it->path);
        }
    }
    drop_item(NULL, item);
}

/* ---- for the owner ---- */

struct zks *zks_open(const struct mu_host *host,
                     const struct zks_url *url,
                     uint64_t timeout_ms,
                     const struct zks_events *events,
                     void *arg)
{
    struct zks *s = zks_calloc(1, sizeof(*s));
    *s = (struct zks){
        .host = host,
        .url = url,
        .wanted_ms = timeout_ms,
        .timeout_ms = timeout_ms,
        .events = events,
        .arg = arg,
        .generation = 1,
        .retry_ms = RETRY_MIN_MS,
    };
    s->inbox = host->inbox_open(host, on_item, drop_item, s);
    atomic_store(&log_host, host);
    zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
    s->state = OPENING;
    open_handle(s);
    return s;
}

void zks_close(struct zks *s, mu_cb closed_cb, void *arg)
{
    s->is_closing = true;
    s->closed_cb = closed_cb;
    s->closed_arg = arg;
    s->working++; /* until here ends: give_up may find nothing to close */
    give_up(s, ZCLOSING, "closing", 0);
    worker_ended(s);
}

void zks_restart(struct zks *s, const char *why)
{
    if (s->handle != NULL && !s->is_closing) {
        s->host->log(s->host, MU_WARN, "giving up the ZooKeeper session", "why=%s", why);
        give_up(s, ZSESSIONEXPIRED, why, 0);
    }
}

void zks_make_path(struct zks *s)
{
    s->makes_path = true;
    if (s->state == PREPARING) {
        prepare(s);
    }
}

bool zks_is_ready(const struct zks *s)
{
    return s->state == READY;
}

bool zks_takes_operations(const struct zks *s)
{
    return s->handle != NULL &&
           (s->state == PREPARING || s->state == READY || s->state == SUSPENDED);
}

const struct ACL_vector *zks_acl(const struct zks *s)
{
    static char scheme_auth[] = "auth", nobody[] = "", world[] = "world",
                anyone[] = "anyone"; /* libzookeeper's types are not const */
    static struct ACL protected_list[] = {
        {.perms = 0x1f, .id = {scheme_auth, nobody}}, /* all, for whoever makes it */
        {.perms = 0x01, .id = {world, anyone}},       /* reading, for everybody */
    };
    static const struct ACL_vector protected_acl = {2, protected_list};
    return s->url->auth != NULL ? &protected_acl : &ZOO_OPEN_ACL_UNSAFE;
}

int64_t zks_id(const struct zks *s)
{
    return s->id;
}

uint64_t zks_timeout_ms(const struct zks *s)
{
    return s->timeout_ms;
}

const char *zks_state_name(const struct zks *s)
{
    return state_names[s->state];
}
