/* One connection: reading, writing, time-outs, and when it ends.
 *
 * States are listed in http_conn.h. Input goes to the parser as long as the connection
 * may take a request (idle, or in the middle of one, and not too much unsent); what
 * comes while a handler works waits in pending, and reading stops when that is full.
 * Otherwise reading never stops, so that a client that goes away is noticed at once.
 *
 * http_conn_close may be called from anywhere: it only starts closing. The exchange
 * learns of it in the close callback, which libuv runs with nothing of ours on the stack.
 */
#include "runtime/http_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

/* What a socket did not take at once. */
struct http_write {
    uv_write_t req;
    struct http_conn *conn;
    char data[];
};

enum { REFUSED_LINGER_MAX = 64 };

static void check_flushed(struct http_conn *c);
static void resume(struct http_conn *c);

static uint64_t now_ms(const struct http_conn *c)
{
    return uv_now(c->server->loop);
}

/* ---- time-outs ---- */

static void on_timer(uv_timer_t *t);

/* See that the timer fires at that time or earlier. */
static void arm(struct http_conn *c, uint64_t at)
{
    if (at == MU_NEVER_MS || (c->timer_due <= at && c->timer_due != MU_NEVER_MS)) {
        return;
    }
    uint64_t now = now_ms(c);
    c->timer_due = at;
    (void)uv_timer_start(&c->timer, on_timer, at > now ? at - now : 0, 0);
}

static void set_deadline(struct http_conn *c, uint64_t at)
{
    c->deadline_at = at;
    arm(c, at);
}

static void move(struct http_conn *c, enum http_conn_state state)
{
    const struct http_server_config *cfg = &c->server->cfg;
    c->state = state;
    switch (state) {
    case CONN_IDLE:
        set_deadline(c, now_ms(c) + (c->served > 0 ? cfg->idle_timeout_ms
                                                   : cfg->header_timeout_ms));
        break;
    case CONN_HEAD:
        set_deadline(c, now_ms(c) + cfg->header_timeout_ms);
        break;
    case CONN_BODY:
        c->body_started_at = now_ms(c);
        set_deadline(c, now_ms(c) + cfg->body_timeout_ms);
        break;
    case CONN_LINGER:
        set_deadline(c, now_ms(c) + HTTP_LINGER_MS);
        break;
    case CONN_EXCHANGE:
    case CONN_FLUSH:
    case CONN_CLOSED:
        c->deadline_at = MU_NEVER_MS;
        break;
    }
}

static void on_deadline(struct http_conn *c)
{
    if (c->state == CONN_HEAD || c->state == CONN_BODY) {
        c->server->stats.timeouts++;
        http_exchange_reject(c, 408,
                             c->state == CONN_HEAD ? "the request's head took too long"
                                                   : "the request's body took too long");
    } else {
        http_conn_close(c);
    }
}

/* Bytes are unsent: has the client taken any since the last look? */
static void on_stall_check(struct http_conn *c)
{
    uint64_t sent = c->queued_total - uv_stream_get_write_queue_size(&c->io.stream);
    if (sent == c->stall_sent) {
        c->server->stats.timeouts++;
        http_server_log(c->server, MU_INFO,
                        "http client takes no more bytes, disconnecting it",
                        "peer=%s unsent=%zu", c->peer, http_conn_unsent(c));
        http_conn_close(c);
        return;
    }
    c->stall_sent = sent;
    c->stall_at = now_ms(c) + c->server->cfg.send_timeout_ms;
}

static void on_timer(uv_timer_t *t)
{
    struct http_conn *c = t->data;
    uint64_t now = now_ms(c);
    c->timer_due = MU_NEVER_MS;
    if (now >= c->deadline_at) {
        c->deadline_at = MU_NEVER_MS;
        on_deadline(c);
    }
    if (c->state != CONN_CLOSED && now >= c->stall_at) {
        on_stall_check(c);
    }
    if (c->state != CONN_CLOSED) {
        arm(c, c->deadline_at < c->stall_at ? c->deadline_at : c->stall_at);
    }
}

/* ---- end of life ---- */

static void conn_destroy(struct http_conn *c)
{
    mu_list_remove(&c->link);
    mu_list_remove(&c->deferred_link);
    http_deflater_destroy(c->x.deflater);
    http_parse_release(c);
    mu_buf_release(&c->pending);
    mu_buf_release(&c->out);
    free(c);
}

void http_conn_destroy_orphan(struct http_conn *c)
{
    MU_PRE(c->state == CONN_CLOSED && c->open_handles == 0);
    conn_destroy(c);
}

/* Every handle is closed; nothing of ours is on the stack. */
static void conn_gone(struct http_conn *c)
{
    struct http_server *s = c->server;
    mu_list_remove(&c->link);
    if (c->counted) {
        s->stats.connections_open--;
    } else {
        s->refused_open--;
    }
    if (c->x.state == EXCHANGE_NONE || http_exchange_abandon(c)) {
        conn_destroy(c);
    } else {
        mu_list_append(&s->orphans, &c->link);
        http_exchange_maybe_drain(c); /* a writer that waits learns it by -EPIPE */
    }
    http_server_conn_gone(s);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct http_conn *c = h->data;
    if (--c->open_handles == 0) {
        conn_gone(c);
    }
}

/* Would the client take an orderly close for the end of an answer that is not whole?
 * Only a reset tells it then. */
static bool is_cut_by_close(const struct http_conn *c)
{
    return c->until_close && c->has_io && c->io.handle.type == UV_TCP &&
           (c->x.state == EXCHANGE_STREAMING || http_conn_unsent(c) > 0);
}

void http_conn_close(struct http_conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    bool cut = is_cut_by_close(c);
    move(c, CONN_CLOSED);
    mu_list_remove(&c->deferred_link);
    c->deferred = 0;
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    if (!c->has_io) {
        return;
    }
    if (!cut || uv_tcp_close_reset(&c->io.tcp, on_handle_closed) < 0) {
        uv_close(&c->io.handle, on_handle_closed);
    }
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct http_conn *c = req->data;
    if (status < 0 && c->state != CONN_CLOSED) {
        http_conn_close(c);
    }
}

/* In CONN_FLUSH with nothing unsent: close, or first let the client read the answer. A
 * close with unread input makes the kernel send a reset, which can overtake the answer.
 */
static void check_flushed(struct http_conn *c)
{
    if (c->state != CONN_FLUSH || http_conn_unsent(c) > 0) {
        return;
    }
    if (!c->linger || c->eof || !c->has_io) {
        http_conn_close(c);
        return;
    }
    c->shutdown_req.data = c;
    if (uv_shutdown(&c->shutdown_req, &c->io.stream, on_shutdown) < 0) {
        http_conn_close(c);
        return;
    }
    move(c, CONN_LINGER);
}

/* ---- writing ---- */

size_t http_conn_unsent(const struct http_conn *c)
{
    if (c->state == CONN_CLOSED) {
        return 0;
    }
    return c->out.len + (c->has_io ? uv_stream_get_write_queue_size(&c->io.stream) : 0);
}

static void on_written(uv_write_t *req, int status)
{
    struct http_write *w = mu_container_of(req, struct http_write, req);
    struct http_conn *c = w->conn;
    free(w);
    if (c->state == CONN_CLOSED) {
        return;
    }
    if (status < 0) {
        http_conn_close(c);
        return;
    }
    if (uv_stream_get_write_queue_size(&c->io.stream) == 0) {
        c->stall_at = MU_NEVER_MS;
    }
    check_flushed(c);
    resume(c);
    http_exchange_maybe_drain(c);
}

/* Copy what is behind the first `skip` bytes of bufs and give it to libuv. */
static int queue_rest(
    struct http_conn *c, const uv_buf_t *bufs, size_t count, size_t skip, size_t rest)
{
    struct http_write *w = mu_xalloc(sizeof(*w) + rest);
    w->conn = c;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (skip >= bufs[i].len) {
            skip -= bufs[i].len;
            continue;
        }
        memcpy(w->data + at, bufs[i].base + skip, bufs[i].len - skip);
        at += bufs[i].len - skip;
        skip = 0;
    }
    MU_ASSERT(at == rest);
    uv_buf_t whole = uv_buf_init(w->data, (unsigned)rest);
    int status = uv_write(&w->req, &c->io.stream, &whole, 1, on_written);
    if (status < 0) {
        free(w);
        return status;
    }
    c->queued_total += rest;
    if (c->stall_at == MU_NEVER_MS) {
        uv_update_time(c->server->loop); /* making a large answer took its time */
        c->stall_sent = c->queued_total - uv_stream_get_write_queue_size(&c->io.stream);
        c->stall_at = now_ms(c) + c->server->cfg.send_timeout_ms;
        arm(c, c->stall_at);
    }
    return 0;
}

static int write_io(struct http_conn *c, const uv_buf_t *bufs, size_t count, size_t total)
{
    size_t sent = 0;
    if (uv_stream_get_write_queue_size(&c->io.stream) == 0) {
        int n = uv_try_write(&c->io.stream, bufs, (unsigned)count);
        if (n < 0 && n != UV_EAGAIN) {
            return n;
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    return sent < total ? queue_rest(c, bufs, count, sent, total - sent) : 0;
}

int http_conn_write(struct http_conn *c, const uv_buf_t *bufs, size_t count)
{
    enum { PARTS_MAX = 5 };
    MU_PRE(count < PARTS_MAX);
    if (c->state == CONN_CLOSED) {
        return -EPIPE;
    }
    uv_buf_t all[PARTS_MAX];
    size_t n = 0;
    size_t total = 0;
    if (c->out.len > 0) {
        all[n++] = uv_buf_init(c->out.data, (unsigned)c->out.len);
    }
    for (size_t i = 0; i < count; i++) {
        all[n++] = bufs[i];
    }
    for (size_t i = 0; i < n; i++) {
        total += all[i].len;
    }
    c->server->stats.bytes_out += total;
    int status = 0;
    if (c->has_io) {
        status = write_io(c, all, n, total);
    } else {
        for (size_t i = 0; i < n; i++) {
            c->sink(c->sink_arg, all[i].base, all[i].len);
        }
    }
    mu_buf_clear(&c->out);
    if (status < 0) {
        http_conn_close(c);
        return -EPIPE;
    }
    return 0;
}

int http_conn_flush(struct http_conn *c)
{
    return c->out.len > 0 ? http_conn_write(c, NULL, 0) : 0;
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct http_conn *c = h->data;
    (void)suggested;
    /* One buffer for all: libuv calls on_read right behind, and on_read keeps nothing. */
    *out = uv_buf_init(c->server->read_buf, HTTP_READ_MAX);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_conn *c = stream->data;
    if (n > 0) {
        http_conn_feed(c, buf->base, (size_t)n);
    } else if (n == UV_EOF) {
        http_conn_feed_eof(c);
    } else if (n < 0) {
        http_conn_close(c);
    }
}

static bool is_between_requests(const struct http_conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY;
}

static bool may_process(const struct http_conn *c)
{
    return is_between_requests(c) && http_conn_unsent(c) <= HTTP_UNSENT_HIGH;
}

static void update_reading(struct http_conn *c)
{
    bool swallows = c->state == CONN_FLUSH || c->state == CONN_LINGER;
    bool want = c->has_io && c->state != CONN_CLOSED && !c->eof &&
                (swallows || c->pending.len < HTTP_PENDING_MAX);
    if (want == c->reading) {
        return;
    }
    c->reading = want;
    if (c->state == CONN_CLOSED || !c->has_io) {
        return;
    }
    if (!want) {
        (void)uv_read_stop(&c->io.stream); /* always 0 */
    } else if (uv_read_start(&c->io.stream, on_alloc, on_read) < 0) {
        http_conn_close(c);
    }
}

/* Some of a request came without completing it. */
static void note_progress(struct http_conn *c)
{
    if (c->state == CONN_HEAD && c->head_done) {
        move(c, CONN_BODY);
        if (c->expect_continue && c->body.len == 0) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            uv_buf_t buf = {.base = (char *)(uintptr_t)go_on, .len = sizeof(go_on) - 1};
            (void)http_conn_write(c, &buf, 1); /* a failure closes the connection */
        }
    } else if (c->state == CONN_BODY) {
        uint64_t last = c->body_started_at + 10 * c->server->cfg.body_timeout_ms;
        uint64_t next = now_ms(c) + c->server->cfg.body_timeout_ms;
        set_deadline(c, next < last ? next : last);
    }
}

/* Take what the connection may take; returns how much. */
static size_t process(struct http_conn *c, const char *data, size_t len)
{
    size_t used = 0;
    c->processing = true;
    while (used < len && may_process(c)) {
        if (c->state == CONN_IDLE) {
            move(c, CONN_HEAD);
        }
        used += http_parse_feed(c, data + used, len - used);
        if (c->reject_status != 0) {
            http_exchange_reject(c, c->reject_status, c->reject_text);
        } else if (c->message_ready) {
            c->message_ready = false;
            move(c, CONN_EXCHANGE);
            http_exchange_dispatch(c);
        } else {
            note_progress(c);
        }
    }
    c->processing = false;
    if (c->state == CONN_IDLE) {
        http_parse_trim(c);
    }
    return used;
}

void http_conn_feed(struct http_conn *c, const char *data, size_t len)
{
    c->server->stats.bytes_in += len;
    size_t used = c->pending.len == 0 ? process(c, data, len) : 0;
    if (c->state == CONN_FLUSH || c->state == CONN_LINGER || c->state == CONN_CLOSED) {
        return; /* nobody will ask for the rest */
    }
    if (used < len && mu_buf_append(&c->pending, data + used, len - used) != 0) {
        http_conn_close(c); /* cannot happen while reading stops in time */
        return;
    }
    update_reading(c);
}

void http_conn_feed_eof(struct http_conn *c)
{
    c->eof = true;
    c->reading = false;
    if (is_between_requests(c) && c->pending.len == 0) {
        http_conn_close(c);
    } else if (c->state == CONN_EXCHANGE) {
        if (!http_exchange_outlives_eof(c)) {
            http_conn_close(c);
        }
    } else if (c->state == CONN_LINGER) {
        http_conn_close(c);
    }
}

/* Go on with the input that waited. */
static void resume(struct http_conn *c)
{
    if (c->pending.len == 0 || !may_process(c)) {
        return;
    }
    size_t used = process(c, c->pending.data, c->pending.len);
    mu_buf_consume(&c->pending, used);
    if (c->pending.len == 0) {
        mu_buf_release(&c->pending);
        mu_buf_init(&c->pending, HTTP_PENDING_MAX + HTTP_READ_MAX);
        if (c->eof && is_between_requests(c)) {
            http_conn_finish(c);
        }
    }
    update_reading(c);
}

/* ---- exchanges ---- */

void http_conn_finish(struct http_conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->linger = c->linger || c->pending.len > 0;
    move(c, CONN_FLUSH);
    (void)http_conn_flush(c); /* a failure closes the connection */
    check_flushed(c);
    update_reading(c);
}

void http_conn_exchange_done(struct http_conn *c)
{
    c->served++;
    if (c->state == CONN_CLOSED) {
        if (c->open_handles == 0) {
            conn_destroy(c); /* it was an orphan */
        }
        return;
    }
    if (!c->keep_alive || c->server->stopping) {
        http_conn_finish(c);
        return;
    }
    move(c, CONN_IDLE);
    if (c->processing) {
        return; /* the loop there goes on with what is left */
    }
    http_parse_trim(c);
    if (c->pending.len > 0) {
        http_server_defer(c, DEFER_RESUME);
    } else if (c->eof) {
        http_conn_finish(c);
    }
}

void http_conn_stop(struct http_conn *c)
{
    if (c->state == CONN_IDLE && http_conn_unsent(c) == 0) {
        http_conn_close(c);
    } else if (c->state == CONN_IDLE) {
        http_conn_finish(c);
    } else if (c->state == CONN_EXCHANGE) {
        http_exchange_terminate(c);
    }
}

void http_conn_run_deferred(struct http_conn *c, unsigned what)
{
    if ((what & DEFER_CLOSE) != 0) {
        if (c->state != CONN_CLOSED) {
            http_conn_close(c);
        } else if (c->open_handles == 0 && http_exchange_abandon(c)) {
            conn_destroy(c);
        }
        return;
    }
    if ((what & DEFER_FLUSH) != 0) {
        (void)http_conn_flush(c); /* a failure closes the connection */
    }
    if ((what & DEFER_RESUME) != 0) {
        resume(c);
    }
    http_exchange_maybe_drain(c); /* last: it may end an orphan */
}

/* ---- birth ---- */

static struct http_conn *conn_create(struct http_server *s, struct http_listener *l)
{
    struct http_conn *c = MU_NEW(struct http_conn);
    c->server = s;
    c->listener = l;
    mu_list_init(&c->deferred_link);
    mu_list_append(&s->conns, &c->link);
    mu_buf_init(&c->pending, HTTP_PENDING_MAX + HTTP_READ_MAX);
    mu_buf_init(&c->out, HTTP_COALESCE_MAX + 1024 * 1024);
    c->stall_at = MU_NEVER_MS;
    c->timer_due = MU_NEVER_MS;
    c->x.magic = HTTP_EXCHANGE_MAGIC;
    http_parse_init(c);
    (void)uv_timer_init(s->loop, &c->timer); /* always 0 */
    c->timer.data = c;
    c->open_handles = 1;
    c->counted = s->stats.connections_open < s->cfg.max_connections;
    if (c->counted) {
        s->stats.connections_open++;
    } else {
        s->refused_open++;
        s->stats.connections_refused++;
    }
    s->stats.connections_total++;
    move(c, CONN_IDLE);
    return c;
}

static void find_peer(struct http_conn *c)
{
    struct sockaddr_storage addr;
    int len = sizeof(addr);
    char ip[INET6_ADDRSTRLEN];
    (void)snprintf(c->peer, sizeof(c->peer), "%s", "unix");
    if (c->io.handle.type != UV_TCP ||
        uv_tcp_getpeername(&c->io.tcp, (struct sockaddr *)&addr, &len) < 0) {
        return;
    }
    if (addr.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;
        if (uv_ip4_name(in, ip, sizeof(ip)) == 0) {
            (void)snprintf(c->peer, sizeof(c->peer), "%s:%u", ip, ntohs(in->sin_port));
        }
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;
        if (uv_ip6_name(in6, ip, sizeof(ip)) == 0) {
            (void)snprintf(c->peer, sizeof(c->peer), "[%s]:%u", ip,
                           ntohs(in6->sin6_port));
        }
    }
}

void http_conn_accept(struct http_server *s,
                      struct http_listener *l,
                      uv_stream_t *listening)
{
    struct http_conn *c = conn_create(s, l);
    int status = listening->type == UV_TCP ? uv_tcp_init(s->loop, &c->io.tcp)
                                           : uv_pipe_init(s->loop, &c->io.pipe, 0);
    if (status == 0) {
        c->has_io = true;
        c->open_handles++;
        c->io.handle.data = c;
        status = uv_accept(listening, &c->io.stream);
    }
    if (status < 0) {
        http_conn_close(c);
        return;
    }
    if (listening->type == UV_TCP) {
        (void)uv_tcp_nodelay(&c->io.tcp, 1); /* only slower without */
        (void)uv_tcp_keepalive(&c->io.tcp, 1, 60);
    }
    find_peer(c);
    update_reading(c);
    if (!c->counted && c->state != CONN_CLOSED) {
        if (s->refused_open > REFUSED_LINGER_MAX) {
            http_conn_close(c);
        } else {
            http_exchange_reject(c, 503, "too many connections");
        }
    }
}

struct http_conn *http_conn_open_detached(struct http_server *s,
                                          const char *listener,
                                          http_sink_cb sink,
                                          void *arg)
{
    struct http_conn *c = conn_create(s, http_server_listener(s, listener));
    c->sink = sink;
    c->sink_arg = arg;
    (void)snprintf(c->peer, sizeof(c->peer), "%s", "detached");
    return c;
}
