/* The loop's side of the client: libcurl tells which sockets and which timer to watch;
 * libuv's callbacks tell libcurl what happened.
 *
 * libcurl forbids multi calls from its own callbacks, and users call us from inside of
 * those. So every start, cancel and close only notes what is wanted and wakes the idle
 * handle; pump(), which runs from libuv callbacks only, does it.
 */
#include "runtime/http_client.h"

#include <errno.h>
#include <stdlib.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/http_call.h"

/* A socket that libcurl wants watched. */
struct watch {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

struct http_client {
    uv_loop_t *loop;
    CURLM *multi;
    char *user_agent;
    size_t max_header_bytes;
    struct mu_list calls; /* queued and running, oldest first */
    size_t queued_count, cancelled_count;
    uv_timer_t timer;
    uv_idle_t idle; /* active while there is something to pump */
    unsigned open_handles;
    bool closing, multi_gone;
    mu_cb close_cb;
    void *close_arg;
};

static void pump(struct http_client *c);

static void wake(struct http_client *c);

/* ---- libcurl asks ---- */

static void on_handle_closed(struct http_client *c)
{
    if (--c->open_handles > 0) {
        return;
    }
    mu_cb cb = c->close_cb;
    void *arg = c->close_arg;
    free(c->user_agent);
    free(c);
    curl_global_cleanup();
    cb(arg);
}

static void on_watch_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    struct http_client *c = w->client;
    free(w);
    on_handle_closed(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct http_client *c = w->client;
    int flags = 0;
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    } else {
        flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
        flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    }
    int running;
    CURLMcode result = curl_multi_socket_action(c->multi, w->fd, flags, &running);
    MU_ASSERT(result == CURLM_OK); /* w may be gone now */
    pump(c);
}

static struct watch *watch_create(struct http_client *c, curl_socket_t fd)
{
    struct watch *w = MU_NEW(struct watch);
    w->client = c;
    w->fd = fd;
    int status = uv_poll_init_socket(c->loop, &w->poll, fd);
    MU_ASSERT(status == 0); /* a socket that nobody else watches can be polled */
    w->poll.data = w;
    c->open_handles++;
    return w;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *client_arg, void *watch_arg)
{
    struct http_client *c = client_arg;
    struct watch *w = watch_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        }
        return 0;
    }
    if (w == NULL) {
        w = watch_create(c, fd);
        (void)curl_multi_assign(c->multi, fd, w); /* fails for unknown sockets only */
    }
    int events = 0;
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    int status = uv_poll_start(&w->poll, events, on_poll);
    MU_ASSERT(status == 0); /* -1 here would break the multi handle for good */
    return 0;
}

static void on_timeout(uv_timer_t *t)
{
    struct http_client *c = t->data;
    int running;
    CURLMcode result =
        curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    MU_ASSERT(result == CURLM_OK);
    pump(c);
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *c = arg;
    (void)multi;
    if (timeout_ms < 0 || c->closing) {
        (void)uv_timer_stop(&c->timer); /* always 0 */
    } else {
        (void)uv_timer_start(&c->timer, on_timeout, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

/* ---- pump ---- */

static struct mu_http_call *call_of(struct mu_list *node)
{
    return mu_list_entry(node, struct mu_http_call, link);
}

/* Take the call out of libcurl and tell its owner. */
static void end_call(struct http_client *c, struct mu_http_call *call, CURLcode result)
{
    if (call->state == CALL_RUNNING) {
        CURLMcode status = curl_multi_remove_handle(c->multi, call->easy);
        MU_ASSERT(status == CURLM_OK);
    } else {
        c->queued_count--;
    }
    c->cancelled_count -= call->cancelled ? 1 : 0;
    http_call_end(call, result);
}

/* One cancelled call per round: on_done may change the list. */
static bool end_one_cancelled(struct http_client *c)
{
    mu_list_foreach (node, &c->calls) {
        struct mu_http_call *call = call_of(node);
        if (call->cancelled) {
            end_call(c, call, CURLE_ABORTED_BY_CALLBACK);
            return true;
        }
    }
    return false;
}

static void start_queued(struct http_client *c)
{
    mu_list_foreach (node, &c->calls) {
        struct mu_http_call *call = call_of(node);
        if (call->state == CALL_QUEUED && !call->cancelled) {
            CURLMcode status = curl_multi_add_handle(c->multi, call->easy);
            MU_ASSERT(status == CURLM_OK);
            call->state = CALL_RUNNING;
            c->queued_count--;
        }
    }
}

static bool end_one_finished(struct http_client *c)
{
    int left;
    for (;;) {
        CURLMsg *m = curl_multi_info_read(c->multi, &left);
        if (m == NULL) {
            return false;
        }
        if (m->msg == CURLMSG_DONE) {
            struct mu_http_call *call = NULL;
            CURLcode result = m->data.result; /* m dies with the handle's removal */
            (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
            end_call(c, call, result);
            return true;
        }
    }
}

static void on_own_handle_closed(uv_handle_t *h)
{
    on_handle_closed(h->data);
}

/* All calls have ended: give everything back. */
static void close_all(struct http_client *c)
{
    c->multi_gone = true;
    /* Closes the kept connections; those are not watched. */
    CURLMcode status = curl_multi_cleanup(c->multi);
    MU_ASSERT(status == CURLM_OK);
    uv_close((uv_handle_t *)&c->timer, on_own_handle_closed);
    uv_close((uv_handle_t *)&c->idle, on_own_handle_closed);
}

static void pump(struct http_client *c)
{
    if (c->multi_gone) {
        return;
    }
    while (end_one_finished(c)) {
    }
    while (c->cancelled_count > 0 && end_one_cancelled(c)) {
    }
    if (c->queued_count > 0) {
        start_queued(c);
    }
    if (c->closing && mu_list_empty(&c->calls)) {
        close_all(c);
    } else if (c->queued_count == 0 && c->cancelled_count == 0) {
        (void)uv_idle_stop(&c->idle); /* always 0 */
    }
}

static void on_idle(uv_idle_t *idle)
{
    pump(idle->data);
}

static void wake(struct http_client *c)
{
    if (!c->multi_gone) {
        (void)uv_idle_start(&c->idle, on_idle); /* fails only without a callback */
    }
}

/* ---- the user asks ---- */

int http_client_create(uv_loop_t *loop,
                       const struct http_client_config *cfg,
                       struct http_client **out,
                       struct mu_error *err)
{
    static const struct http_client_config defaults;
    const struct http_client_config *use = cfg != NULL ? cfg : &defaults;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return mu_fail(err, -ENOMEM, "libcurl cannot start");
    }
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_global_cleanup();
        return mu_fail(err, -ENOMEM, "libcurl gives no multi handle");
    }
    struct http_client *c = MU_NEW(struct http_client);
    c->loop = loop;
    c->multi = multi;
    c->user_agent = mu_xstrdup(use->user_agent != NULL ? use->user_agent : "muster");
    c->max_header_bytes = use->max_header_bytes != 0 ? use->max_header_bytes : 256 * 1024;
    mu_list_init(&c->calls);
    (void)uv_timer_init(loop, &c->timer); /* these two always give 0 */
    (void)uv_idle_init(loop, &c->idle);
    c->timer.data = c;
    c->idle.data = c;
    c->open_handles = 2;
    long max_idle = use->max_idle != 0 ? (long)use->max_idle : 64;
    CURLMcode status = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    status = status != 0 ? status : curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    status = status != 0
                 ? status
                 : curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    status = status != 0 ? status : curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    status =
        status != 0 ? status : curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_idle);
    MU_ASSERT(status == CURLM_OK); /* options as old as the interface */
    *out = c;
    return 0;
}

int http_client_request(struct http_client *c,
                        const struct mu_http_ask *ask,
                        struct mu_http_call **out_call,
                        struct mu_error *err)
{
    MU_PRE(ask->struct_size >= sizeof(*ask) && ask->on_done != NULL);
    if (c->closing) {
        return mu_fail(err, -ECANCELED, "the http client is closing");
    }
    struct mu_http_call *call;
    int status = http_call_create(c, c->user_agent, c->max_header_bytes, ask, &call, err);
    if (status < 0) {
        return mu_wrap(err, status, "http request");
    }
    mu_list_append(&c->calls, &call->link);
    c->queued_count++;
    wake(c);
    if (out_call != NULL) {
        *out_call = call;
    }
    return 0;
}

void http_client_cancel(struct mu_http_call *call)
{
    if (call == NULL || call->cancelled || call->state == CALL_ENDED) {
        return;
    }
    call->cancelled = true;
    call->client->cancelled_count++;
    wake(call->client);
}

void http_client_close(struct http_client *c, mu_cb cb, void *arg)
{
    MU_PRE(!c->closing && cb != NULL);
    c->closing = true;
    c->close_cb = cb;
    c->close_arg = arg;
    mu_list_foreach (node, &c->calls) {
        http_client_cancel(call_of(node));
    }
    wake(c);
}
