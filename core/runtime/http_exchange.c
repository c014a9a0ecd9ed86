/* A request's way to its handler, and the answer's way back.
 *
 * The exchange is embedded in its connection, which serves one at a time. States:
 *   none -> open (dispatched) -> none (replied), or -> streaming -> none (ended);
 *   open or streaming -> dying -> none when the client has gone and on_close is told.
 * Calls on a dying exchange are ignored, so clean-up code may end a stream that is being
 * reported as closed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/http_conn.h"

static struct http_conn *conn_of(struct mu_http_exchange *x)
{
    MU_PRE(x->magic == HTTP_EXCHANGE_MAGIC);
    return mu_container_of(x, struct http_conn, x);
}

static uv_buf_t buf_of(const void *data, size_t len)
{
    /* libuv's struct is used for reading too and so is not const. */
    return uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
}

static void finish(struct http_conn *c)
{
    struct mu_http_exchange *x = &c->x;
    x->state = EXCHANGE_NONE;
    x->closed_cb = NULL;
    x->drain_cb = NULL;
    http_deflater_destroy(x->deflater);
    x->deflater = NULL;
    http_conn_exchange_done(c);
}

static void count_answer(struct http_conn *c, int status)
{
    MU_PRE(status >= 200 && status <= 599);
    c->server->stats.responses[status / 100]++;
}

/* ---- whole answers ---- */

static bool has_body(int status)
{
    return status != 204 && status != 304;
}

/* May this answer be compressed (then it varies), and did the client ask for it? */
static bool may_gzip(const struct http_conn *c, struct http_head *h, size_t len)
{
    if (len < HTTP_GZIP_MIN || len > HTTP_GZIP_MAX || h->header_count == 0) {
        return false;
    }
    const char *type = mu_http_header_get(h->headers, h->header_count, "content-type");
    h->vary = http_gzip_is_textual(type) &&
              mu_http_header_get(h->headers, h->header_count, "content-encoding") == NULL;
    return h->vary && c->x.accept_gzip;
}

/* Compress into server->packed; false if that fails or does not pay. */
static bool pack(struct http_server *s, const void *body, size_t len)
{
    if (s->deflater == NULL) {
        s->deflater = http_deflater_create();
    } else {
        http_deflater_reset(s->deflater);
    }
    mu_buf_clear(&s->packed);
    return http_deflater_run(s->deflater, body, len, true, &s->packed) == 0 &&
           s->packed.len < len;
}

static void prepare_head(struct http_conn *c, struct http_head *h)
{
    const char *connection =
        h->header_count > 0
            ? mu_http_header_get(h->headers, h->header_count, "connection")
            : NULL;
    if (connection != NULL && strcasecmp(connection, "close") == 0) {
        c->keep_alive = false;
    }
    if (c->server->stopping) {
        c->keep_alive = false;
    }
    h->close = !c->keep_alive;
    h->keep_alive = c->keep_alive && c->http_minor == 0;
}

static void
write_answer(struct http_conn *c, struct http_head *h, const void *body, size_t len)
{
    struct http_server *s = c->server;
    bool with_body = has_body(h->status);
    prepare_head(c, h);
    if (with_body && may_gzip(c, h, len) && pack(s, body, len)) {
        h->gzip = true;
        body = s->packed.data;
        len = s->packed.len;
    }
    h->body_len = with_body ? (int64_t)len : HTTP_LENGTH_NONE;
    http_head_format(s, h, &s->scratch);
    uv_buf_t bufs[2] = {buf_of(s->scratch.data, s->scratch.len), buf_of(body, len)};
    bool send_body = with_body && len > 0 && !c->x.head_only;
    (void)http_conn_write(c, bufs, send_body ? 2 : 1); /* a failure closes it */
    if (s->packed.cap > 256 * 1024) {
        size_t max = s->packed.max;
        mu_buf_release(&s->packed);
        mu_buf_init(&s->packed, max);
    }
}

void http_exchange_reply(struct mu_http_exchange *x,
                         int status,
                         const struct mu_http_header *headers,
                         size_t header_count,
                         const void *body,
                         size_t len)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state == EXCHANGE_OPEN);
    count_answer(c, status);
    if (c->state != CONN_CLOSED) {
        struct http_head h = {
            .status = status, .headers = headers, .header_count = header_count};
        write_answer(c, &h, body, len);
    }
    finish(c);
}

/* ---- the server's own answers ---- */

static void default_error_body(int status, const char *text, struct mu_buf *out)
{
    const char *name = mu_http_status_text(status);
    if (text == NULL || strcmp(text, name) == 0) {
        (void)mu_buf_printf(out, "%d %s.", status, name);
    } else {
        (void)mu_buf_printf(out, "%d %s: %s.", status, name, text);
    }
}

/* Make the body; returns its type. text NULL: nothing to add to the status. */
static const char *
error_body(struct http_conn *c, int status, const char *text, struct mu_buf *out)
{
    const char *type = "text/plain; charset=utf-8";
    mu_buf_init(out, 4096);
    if (c->listener->error_body != NULL) {
        c->listener->error_body(status, text != NULL ? text : mu_http_status_text(status),
                                out, &type);
    } else {
        default_error_body(status, text, out);
    }
    return type;
}

static void
answer_error(struct http_conn *c, int status, const char *text, const char *allow)
{
    struct mu_buf body;
    const char *type = error_body(c, status, text, &body);
    struct mu_http_header headers[] = {{"Content-Type", type}, {"Allow", allow}};
    http_exchange_reply(&c->x, status, headers, allow != NULL ? 2 : 1, mu_buf_str(&body),
                        body.len);
    mu_buf_release(&body);
}

void http_exchange_reject(struct http_conn *c, int status, const char *text)
{
    struct mu_buf body;
    const char *type = error_body(c, status, text, &body);
    const struct mu_http_header headers[] = {{"Content-Type", type},
                                             {"Retry-After", "1"}};
    struct http_head h = {
        .status = status, .headers = headers, .header_count = status == 503 ? 2 : 1};
    c->server->stats.bad_requests +=
        status == 503 ? 0 : 1; /* the client is not at fault */
    count_answer(c, status);
    c->keep_alive = false;
    c->linger = true;
    c->x.head_only = c->head_done && c->parser.method == HTTP_HEAD;
    c->x.accept_gzip = false;
    write_answer(c, &h, mu_buf_str(&body), body.len);
    mu_buf_release(&body);
    http_conn_finish(c);
}

/* ---- dispatch ---- */

/* Split the target in place into path and query. False: it is neither a path, nor an
 * absolute URL, nor the "*" of OPTIONS. */
static bool split_target(struct http_conn *c)
{
    struct mu_http_request *r = &c->x.request;
    char *at = c->head.data + c->url.at;
    at[strcspn(at, "#")] = '\0';
    if (at[0] != '/' && c->parser.method != HTTP_CONNECT) {
        char *authority = strstr(at, "://");
        if (authority != NULL) {
            at = authority + 3 + strcspn(authority + 3, "/?");
        }
    }
    char *query = strchr(at, '?');
    if (query != NULL) {
        *query = '\0';
    }
    r->query = query != NULL ? query + 1 : "";
    r->path = at[0] != '\0' ? at : "/";
    return r->path[0] == '/' ||
           (c->parser.method == HTTP_OPTIONS && strcmp(r->path, "*") == 0);
}

static int decode_params(struct http_conn *c, const struct http_route_match *m)
{
    struct mu_buf *b = &c->params_text;
    size_t need = 0;
    for (size_t i = 0; i < m->hole_count; i++) {
        need += m->holes[i].len + 1;
    }
    mu_buf_clear(b);
    char *at = need > 0 ? mu_buf_reserve(b, need) : NULL;
    for (size_t i = 0; i < m->hole_count; i++) {
        size_t cap = m->holes[i].len + 1; /* decoding never grows a text */
        int n = mu_http_decode(m->holes[i].at, m->holes[i].len, false, at, cap);
        if (n < 0) {
            return n;
        }
        c->params[i] = at;
        at += cap;
    }
    c->x.request.params = c->params;
    c->x.request.param_count = m->hole_count;
    return 0;
}

/* Body as the handler sees it: inflated. Returns 0 or the status to refuse with. */
static int prepare_body(struct http_conn *c)
{
    struct mu_buf *body = &c->body;
    if (c->body_gzip && c->body.len > 0) {
        int status = http_gzip_inflate(c->body.data, c->body.len, &c->inflated);
        if (status < 0) {
            return status == -E2BIG ? 413 : 400;
        }
        body = &c->inflated;
    }
    c->x.request.body = mu_buf_str(body);
    c->x.request.body_len = body->len;
    return 0;
}

static void begin_exchange(struct http_conn *c)
{
    struct mu_http_exchange *x = &c->x;
    x->state = EXCHANGE_OPEN;
    x->chunked = false;
    x->bounded = false;
    x->head_only = c->parser.method == HTTP_HEAD;
    x->accept_gzip = http_gzip_accepted(
        mu_http_header_get(c->headers, c->header_count, "accept-encoding"));
    x->request = (struct mu_http_request){
        .struct_size = sizeof(struct mu_http_request),
        .method = x->head_only ? "GET" : llhttp_method_name(c->parser.method),
        .peer = c->peer,
        .listener = c->listener->name,
        .headers = c->headers,
        .header_count = c->header_count,
    };
}

static void answer_options(struct http_conn *c, uint32_t allow)
{
    char text[HTTP_ALLOW_TEXT_MAX];
    struct mu_http_header header = {"Allow", http_router_format_allow(allow, text)};
    http_exchange_reply(&c->x, 204, &header, 1, NULL, 0);
}

static void answer_no_method(struct http_conn *c, uint32_t allow)
{
    char text[HTTP_ALLOW_TEXT_MAX];
    answer_error(c, 405, NULL, http_router_format_allow(allow, text));
}

static void call_handler(struct http_conn *c, const struct http_route_match *m)
{
    if (decode_params(c, m) < 0) {
        answer_error(c, 400, "the path has a bad escape", NULL);
        return;
    }
    m->handler(m->arg, &c->x, &c->x.request);
}

void http_exchange_dispatch(struct http_conn *c)
{
    struct http_listener *l = c->listener;
    struct mu_http_request *r = &c->x.request;
    c->server->stats.requests++;
    if (l->guard != NULL) {
        l->guard(l->guard_arg);
    }
    begin_exchange(c);
    if (!split_target(c)) {
        answer_error(c, 400, "the request target is not a path", NULL);
        return;
    }
    int refused = prepare_body(c);
    if (refused != 0) {
        answer_error(c, refused,
                     refused == 413 ? c->server->body_limit_text
                                    : "the body is not in gzip format",
                     NULL);
        return;
    }
    bool options = c->parser.method == HTTP_OPTIONS;
    if (options && r->path[0] == '*') {
        answer_options(c, http_router_all_methods());
        return;
    }
    struct http_route_match m;
    switch (http_router_match(l->router, r->method, r->path, strlen(r->path), &m)) {
    case HTTP_ROUTE_FOUND:
        call_handler(c, &m);
        break;
    case HTTP_ROUTE_NO_METHOD:
        if (options) {
            answer_options(c, m.allow);
        } else {
            answer_no_method(c, m.allow);
        }
        break;
    case HTTP_ROUTE_NO_PATH:
        if (l->fallback != NULL) {
            l->fallback(l->fallback_arg, &c->x, r);
        } else {
            answer_error(c, 404, NULL, NULL);
        }
        break;
    }
}

const struct mu_http_request *http_exchange_request(const struct mu_http_exchange *x)
{
    MU_PRE(x->magic == HTTP_EXCHANGE_MAGIC);
    return &x->request;
}

/* ---- streams ---- */

void http_exchange_stream_begin(struct mu_http_exchange *x,
                                int status,
                                const struct mu_http_header *headers,
                                size_t header_count,
                                bool bounded)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state == EXCHANGE_OPEN);
    MU_PRE(has_body(status));
    x->state = EXCHANGE_STREAMING;
    x->bounded = bounded;
    count_answer(c, status);
    if (c->state == CONN_CLOSED) {
        return;
    }
    x->chunked = c->http_minor > 0;
    if (!x->chunked) {
        c->keep_alive = false;
        c->until_close = bounded && !x->head_only;
    }
    struct http_head h = {
        .status = status,
        .headers = headers,
        .header_count = header_count,
        .body_len = x->chunked ? HTTP_LENGTH_CHUNKED : HTTP_LENGTH_EOF,
    };
    if (bounded && may_gzip(c, &h, HTTP_GZIP_MIN)) {
        h.gzip = true;
        x->deflater = x->head_only ? NULL : http_deflater_create();
    }
    prepare_head(c, &h);
    http_head_format(c->server, &h, &c->server->scratch);
    (void)mu_buf_append(&c->out, c->server->scratch.data, c->server->scratch.len);
    bool dead = c->eof ? !http_exchange_outlives_eof(c) : c->server->stopping && !bounded;
    /* The head goes out with the first piece if that follows in this turn. */
    http_server_defer(c, dead ? DEFER_CLOSE : DEFER_FLUSH);
}

/* Frame and send one piece, or gather it if it is small. */
static int send_piece(struct http_conn *c, const char *data, size_t len)
{
    char frame[24] = "";
    int n = c->x.chunked ? snprintf(frame, sizeof(frame), "%zx\r\n", len) : 0;
    size_t frame_len = (size_t)n;
    size_t end_len = c->x.chunked ? 2 : 0;
    if (c->out.len + frame_len + len + end_len <= HTTP_COALESCE_MAX) {
        (void)mu_buf_append(&c->out, frame, frame_len);
        (void)mu_buf_append(&c->out, data, len);
        (void)mu_buf_append(&c->out, "\r\n", end_len);
        http_server_defer(c, DEFER_FLUSH);
        return 0;
    }
    uv_buf_t bufs[3] = {buf_of(frame, frame_len), buf_of(data, len),
                        buf_of("\r\n", end_len)};
    return http_conn_write(c, bufs, 3);
}

/* Is there room for len more bytes? */
static bool has_room(struct http_conn *c, size_t len)
{
    size_t bound = c->server->cfg.stream_bound_bytes;
    size_t unsent = http_conn_unsent(c);
    if (unsent > 0 && (unsent > bound || len > bound - unsent)) {
        (void)http_conn_flush(c); /* perhaps the socket takes it now */
        unsent = http_conn_unsent(c);
    }
    return unsent == 0 || (unsent <= bound && len <= bound - unsent);
}

static int cut_slow_reader(struct http_conn *c)
{
    c->server->stats.slow_readers++;
    http_server_log(
        c->server, MU_INFO, "http client reads its stream too slowly, disconnecting it",
        "peer=%s path=%s unsent=%zu", c->peer, c->x.request.path, http_conn_unsent(c));
    http_conn_close(c);
    return -E2BIG;
}

int http_exchange_stream_write(struct mu_http_exchange *x, const void *data, size_t len)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return -EPIPE;
    }
    MU_PRE(x->state == EXCHANGE_STREAMING);
    if (c->state == CONN_CLOSED) {
        return -EPIPE;
    }
    if (x->head_only || len == 0) {
        return 0;
    }
    if (!has_room(c, len)) {
        return c->state == CONN_CLOSED ? -EPIPE : cut_slow_reader(c);
    }
    if (x->deflater == NULL) {
        return send_piece(c, data, len);
    }
    struct mu_buf *packed = &c->server->packed;
    mu_buf_clear(packed);
    if (http_deflater_run(x->deflater, data, len, false, packed) < 0) {
        return cut_slow_reader(c); /* one piece beyond all bounds */
    }
    return packed->len > 0 ? send_piece(c, packed->data, packed->len) : 0;
}

void http_exchange_stream_drain(struct mu_http_exchange *x,
                                size_t low_bytes,
                                mu_cb cb,
                                void *arg)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state == EXCHANGE_STREAMING);
    x->drain_low = low_bytes;
    x->drain_cb = cb;
    x->drain_arg = arg;
    /* A closing connection tells it through on_close, or drains in its close callback. */
    if (c->state != CONN_CLOSED || c->open_handles == 0) {
        http_server_defer(c, DEFER_DRAIN);
    }
}

void http_exchange_maybe_drain(struct http_conn *c)
{
    struct mu_http_exchange *x = &c->x;
    if (x->state != EXCHANGE_STREAMING || x->drain_cb == NULL) {
        return;
    }
    if (c->state == CONN_CLOSED && c->open_handles > 0) {
        return;
    }
    size_t unsent = http_conn_unsent(c);
    if (unsent > 0 && unsent >= x->drain_low) {
        return;
    }
    mu_cb cb = x->drain_cb;
    x->drain_cb = NULL;
    cb(x->drain_arg);
}

static void end_body(struct http_conn *c)
{
    struct mu_http_exchange *x = &c->x;
    if (x->head_only || c->state == CONN_CLOSED) {
        return;
    }
    struct mu_buf *packed = &c->server->packed;
    mu_buf_clear(packed);
    if (x->deflater != NULL &&
        http_deflater_run(x->deflater, NULL, 0, true, packed) < 0) {
        http_conn_close(c); /* its last bytes are missing */
        return;
    }
    if (packed->len > 0) {
        (void)send_piece(c, packed->data, packed->len); /* a failure closes it */
    }
    if (x->chunked) {
        uv_buf_t last = buf_of("0\r\n\r\n", 5);
        (void)http_conn_write(c, &last, 1);
    }
}

void http_exchange_stream_end(struct mu_http_exchange *x)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state == EXCHANGE_STREAMING);
    end_body(c);
    if (c->state != CONN_CLOSED) {
        (void)http_conn_flush(c); /* the same */
    }
    finish(c);
}

void http_exchange_stream_abort(struct mu_http_exchange *x)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state == EXCHANGE_STREAMING);
    http_conn_close(c); /* without the last chunk, or by a reset */
    finish(c);
}

/* ---- the client's end ---- */

void http_exchange_on_close(struct mu_http_exchange *x, mu_http_closed_cb cb, void *arg)
{
    struct http_conn *c = conn_of(x);
    if (x->state == EXCHANGE_DYING) {
        return;
    }
    MU_PRE(x->state != EXCHANGE_NONE);
    x->closed_cb = cb;
    x->closed_arg = arg;
    bool gone = c->state == CONN_CLOSED ? c->open_handles == 0 : c->eof;
    if (gone && cb != NULL) {
        http_server_defer(c, DEFER_CLOSE);
    }
}

/* Perhaps only its sending side is shut: whoever does not watch for the client's end may
 * still give a finite answer. A stream without end needs a client that is there. */
bool http_exchange_outlives_eof(const struct http_conn *c)
{
    const struct mu_http_exchange *x = &c->x;
    return x->closed_cb == NULL && (x->state == EXCHANGE_OPEN || x->bounded);
}

bool http_exchange_abandon(struct http_conn *c)
{
    struct mu_http_exchange *x = &c->x;
    mu_http_closed_cb cb = x->closed_cb;
    if (cb == NULL) {
        return false;
    }
    x->state = EXCHANGE_DYING;
    x->closed_cb = NULL;
    x->drain_cb = NULL;
    cb(x->closed_arg);
    x->state = EXCHANGE_NONE;
    return true;
}

void http_exchange_terminate(struct http_conn *c)
{
    if (c->x.state == EXCHANGE_STREAMING && !c->x.bounded) {
        end_body(c);
        http_conn_close(c);
    }
}
