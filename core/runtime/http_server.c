/* Listeners, what is deferred to the next loop turn, and the orderly stop.
 *
 * Handles of the server itself: one idle handle (active while something is deferred), one
 * timer (the stop's grace) and the listening sockets. stop closes the sockets at once and
 * the other two when the last connection is gone; the last close callback ends the stop.
 */
#include "runtime/http_server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/http_conn.h"

enum { BACKLOG = 1024 };

/* A listening socket. */
struct http_socket {
    struct mu_list link;
    struct http_server *server;
    struct http_listener *listener;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
};

static void maybe_close_own_handles(struct http_server *s);

/* ---- create, destroy ---- */

#define DEFAULT(cfg, member, value)                                                      \
    ((cfg)->member = (cfg)->member != 0 ? (cfg)->member : (value))

static void fill_defaults(struct http_server_config *cfg)
{
    DEFAULT(cfg, idle_timeout_ms, 60000);
    DEFAULT(cfg, header_timeout_ms, 10000);
    DEFAULT(cfg, body_timeout_ms, 30000);
    DEFAULT(cfg, send_timeout_ms, 60000);
    DEFAULT(cfg, max_connections, 1024);
    DEFAULT(cfg, max_header_bytes, 64 * 1024);
    DEFAULT(cfg, max_headers, 128);
    DEFAULT(cfg, max_url, 16 * 1024);
    DEFAULT(cfg, max_body, MU_HTTP_BODY_MAX);
    DEFAULT(cfg, stream_bound_bytes, 4 * 1024 * 1024);
}

static void on_idle(uv_idle_t *idle)
{
    struct http_server *s = idle->data;
    struct mu_list todo;
    mu_list_init(&todo);
    mu_list_splice(&todo, &s->deferred);
    struct mu_list *node;
    while ((node = mu_list_pop(&todo)) != NULL) {
        struct http_conn *c = mu_list_entry(node, struct http_conn, deferred_link);
        unsigned what = c->deferred;
        c->deferred = 0;
        http_conn_run_deferred(c, what);
    }
    if (mu_list_empty(&s->deferred)) {
        (void)uv_idle_stop(&s->idle); /* always 0 */
    }
}

struct http_server *http_server_create(uv_loop_t *loop,
                                       const struct http_server_config *cfg)
{
    struct http_server *s = MU_NEW(struct http_server);
    s->loop = loop;
    if (cfg != NULL) {
        s->cfg = *cfg;
    }
    fill_defaults(&s->cfg);
    mu_list_init(&s->listeners);
    mu_list_init(&s->sockets);
    mu_list_init(&s->conns);
    mu_list_init(&s->orphans);
    mu_list_init(&s->deferred);
    mu_buf_init(&s->scratch, 1024 * 1024);
    mu_buf_init(&s->packed, 256 * 1024 * 1024);
    s->date_second = -1;
    (void)snprintf(s->body_limit_text, sizeof(s->body_limit_text),
                   "the body is larger than %zu bytes", s->cfg.max_body);
    (void)uv_idle_init(loop, &s->idle); /* these two always give 0 */
    (void)uv_timer_init(loop, &s->stop_timer);
    s->idle.data = s;
    s->stop_timer.data = s;
    s->open_handles = 2;
    return s;
}

void http_server_destroy(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    MU_PRE(s->stopped);
    struct mu_list *node;
    while ((node = mu_list_first(&s->orphans)) != NULL) {
        http_conn_destroy_orphan(mu_list_entry(node, struct http_conn, link));
    }
    while ((node = mu_list_pop(&s->listeners)) != NULL) {
        struct http_listener *l = mu_list_entry(node, struct http_listener, link);
        http_router_destroy(l->router);
        free(l->name);
        free(l);
    }
    http_deflater_destroy(s->deflater);
    mu_buf_release(&s->scratch);
    mu_buf_release(&s->packed);
    free(s);
}

void http_server_log(
    const struct http_server *s, int level, const char *message, const char *fmt, ...)
{
    if (s->cfg.log == NULL) {
        return;
    }
    char detail[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, args); /* cut when longer */
    va_end(args);
    s->cfg.log(s->cfg.log_arg, level, message, detail);
}

void http_server_defer(struct http_conn *c, unsigned what)
{
    struct http_server *s = c->server;
    c->deferred |= what;
    if (!mu_list_linked(&c->deferred_link)) {
        mu_list_append(&s->deferred, &c->deferred_link);
        if (!s->own_handles_closed) {
            (void)uv_idle_start(&s->idle, on_idle); /* -EINVAL only for a NULL callback */
        }
    }
}

void http_server_stats(const struct http_server *s, struct http_server_stats *out)
{
    *out = s->stats;
}

/* ---- listeners and routes ---- */

struct http_listener *http_server_listener(struct http_server *s, const char *name)
{
    mu_list_foreach (node, &s->listeners) {
        struct http_listener *l = mu_list_entry(node, struct http_listener, link);
        if (strcmp(l->name, name) == 0) {
            return l;
        }
    }
    struct http_listener *l = MU_NEW(struct http_listener);
    l->name = mu_xstrdup(name);
    l->router = http_router_create();
    mu_list_append(&s->listeners, &l->link);
    return l;
}

int http_server_route(struct http_server *s,
                      const char *listener,
                      const char *method,
                      const char *pattern,
                      mu_http_handler_cb handler,
                      void *arg,
                      struct mu_error *err)
{
    struct http_listener *l = http_server_listener(s, listener);
    int status = http_router_add(l->router, method, pattern, handler, arg, err);
    return status < 0 ? mu_wrap(err, status, "listener '%s'", listener) : 0;
}

void http_server_unroute(struct http_server *s, const void *arg)
{
    mu_list_foreach (node, &s->listeners) {
        struct http_listener *l = mu_list_entry(node, struct http_listener, link);
        http_router_remove(l->router, arg);
        if (l->fallback_arg == arg) {
            l->fallback = NULL;
            l->fallback_arg = NULL;
        }
    }
}

void http_server_set_fallback(struct http_server *s,
                              const char *listener,
                              mu_http_handler_cb handler,
                              void *arg)
{
    struct http_listener *l = http_server_listener(s, listener);
    l->fallback = handler;
    l->fallback_arg = arg;
}

void http_server_set_guard(struct http_server *s,
                           const char *listener,
                           mu_cb cb,
                           void *arg)
{
    struct http_listener *l = http_server_listener(s, listener);
    l->guard = cb;
    l->guard_arg = arg;
}

void http_server_set_error_body(struct http_server *s,
                                const char *listener,
                                mu_http_error_body_cb cb)
{
    http_server_listener(s, listener)->error_body = cb;
}

static void on_connection(uv_stream_t *listening, int status)
{
    struct http_socket *sock = listening->data;
    if (status < 0) {
        http_server_log(sock->server, MU_WARN, "http accept failed, continuing",
                        "listener=%s error=%s", sock->listener->name,
                        uv_strerror(status));
        return;
    }
    http_conn_accept(sock->server, sock->listener, listening);
}

static void on_socket_closed(uv_handle_t *h)
{
    struct http_socket *sock = h->data;
    struct http_server *s = sock->server;
    free(sock);
    s->open_handles--;
    maybe_close_own_handles(s);
}

static void close_socket(struct http_socket *sock)
{
    mu_list_remove(&sock->link);
    uv_close(&sock->io.handle, on_socket_closed);
}

static struct http_socket *socket_create(struct http_server *s, const char *listener)
{
    MU_PRE(!s->stopping);
    struct http_socket *sock = MU_NEW(struct http_socket);
    sock->server = s;
    sock->listener = http_server_listener(s, listener);
    mu_list_append(&s->sockets, &sock->link);
    s->open_handles++;
    return sock;
}

static int fail_listen(struct mu_error *err, int status, const char *where)
{
    switch (status) {
    case UV_EADDRINUSE:
        return mu_fail(err, status,
                       "listen on %s: address already in use (another muster? choose "
                       "another port)",
                       where);
    case UV_EACCES:
        return mu_fail(err, status,
                       "listen on %s: permission denied (ports below 1024 need root or "
                       "CAP_NET_BIND_SERVICE)",
                       where);
    case UV_EADDRNOTAVAIL:
        return mu_fail(err, status, "listen on %s: no interface has this address", where);
    default:
        return mu_fail(err, status, "listen on %s: %s", where, uv_strerror(status));
    }
}

static int bind_tcp(struct http_socket *sock, const char *ip, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
    if (uv_ip4_addr(ip, port, &addr.v4) < 0) {
        int status = uv_ip6_addr(ip, port, &addr.v6);
        if (status < 0) {
            return status;
        }
    }
    int status = uv_tcp_bind(&sock->io.tcp, &addr.any, 0);
    return status < 0 ? status : uv_listen(&sock->io.stream, BACKLOG, on_connection);
}

static uint16_t port_of(const struct http_socket *sock)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
    int len = sizeof(addr);
    if (uv_tcp_getsockname(&sock->io.tcp, &addr.any, &len) < 0) {
        return 0;
    }
    return ntohs(addr.any.sa_family == AF_INET ? addr.v4.sin_port : addr.v6.sin6_port);
}

int http_server_listen(struct http_server *s,
                       const char *listener,
                       const char *ip,
                       uint16_t port,
                       uint16_t *out_port,
                       struct mu_error *err)
{
    char where[80];
    (void)snprintf(where, sizeof(where), strchr(ip, ':') != NULL ? "[%s]:%u" : "%s:%u",
                   ip, (unsigned)port);
    struct http_socket *sock = socket_create(s, listener);
    int status = uv_tcp_init(s->loop, &sock->io.tcp);
    MU_ASSERT(status == 0); /* no socket is made yet */
    sock->io.handle.data = sock;
    status = bind_tcp(sock, ip, port);
    if (status < 0) {
        close_socket(sock);
        return fail_listen(err, status, where);
    }
    if (out_port != NULL) {
        *out_port = port_of(sock);
    }
    return 0;
}

int http_server_listen_unix(struct http_server *s,
                            const char *listener,
                            const char *path,
                            struct mu_error *err)
{
    struct http_socket *sock = socket_create(s, listener);
    int status = uv_pipe_init(s->loop, &sock->io.pipe, 0);
    MU_ASSERT(status == 0); /* the same */
    sock->io.handle.data = sock;
    status = uv_pipe_bind(&sock->io.pipe, path);
    if (status == 0) {
        status = uv_listen(&sock->io.stream, BACKLOG, on_connection);
    }
    if (status < 0) {
        close_socket(sock);
        return fail_listen(err, status, path);
    }
    return 0;
}

/* ---- stop ---- */

static void on_own_handle_closed(uv_handle_t *h)
{
    struct http_server *s = h->data;
    if (--s->open_handles == 0) {
        s->stopped = true;
        s->stop_cb(s->stop_arg); /* s may be gone now */
    }
}

/* The one place that decides whether a stop is through. */
static void maybe_close_own_handles(struct http_server *s)
{
    if (!s->stopping || s->own_handles_closed || s->open_handles > 2 ||
        !mu_list_empty(&s->conns)) {
        return;
    }
    s->own_handles_closed = true;
    uv_close((uv_handle_t *)&s->idle, on_own_handle_closed);
    uv_close((uv_handle_t *)&s->stop_timer, on_own_handle_closed);
}

void http_server_conn_gone(struct http_server *s)
{
    maybe_close_own_handles(s);
}

static void on_grace_over(uv_timer_t *t)
{
    struct http_server *s = t->data;
    mu_list_foreach_safe (node, &s->conns) {
        http_conn_close(mu_list_entry(node, struct http_conn, link));
    }
}

void http_server_stop(struct http_server *s, uint64_t grace_ms, mu_cb cb, void *arg)
{
    MU_PRE(!s->stopping && cb != NULL);
    s->stopping = true;
    s->stop_cb = cb;
    s->stop_arg = arg;
    struct mu_list *node;
    while ((node = mu_list_first(&s->sockets)) != NULL) {
        close_socket(mu_list_entry(node, struct http_socket, link));
    }
    mu_list_foreach_safe (conn_node, &s->conns) {
        http_conn_stop(mu_list_entry(conn_node, struct http_conn, link));
    }
    (void)uv_timer_start(&s->stop_timer, on_grace_over, grace_ms, 0);
    maybe_close_own_handles(s);
}
