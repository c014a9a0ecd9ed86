/* See http_fixture.h. */
#include "http_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/alloc.h"

/* ---- handlers ---- */

static void
on_hello(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    struct fx *f = arg;
    (void)r;
    f->calls++;
    const struct mu_http_header h = {"Content-Type", "text/plain"};
    http_exchange_reply(x, 200, &h, 1, "hello\n", 6);
}

static void
on_echo(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    struct fx *f = arg;
    f->calls++;
    f->seen_body_len = r->body_len;
    snprintf(f->seen_body, sizeof(f->seen_body), "%s", r->body);
    http_exchange_reply(x, 200, NULL, 0, r->body, r->body_len);
}

static void
on_params(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    struct fx *f = arg;
    f->calls++;
    struct mu_buf b;
    mu_buf_init(&b, 65536);
    for (size_t i = 0; i < r->param_count; i++) {
        mu_buf_printf(&b, "%s%s", i > 0 ? "|" : "", r->params[i]);
    }
    if (r->query[0] != '\0') {
        mu_buf_printf(&b, "?%s", r->query);
    }
    http_exchange_reply(x, 200, NULL, 0, mu_buf_str(&b), b.len);
    mu_buf_release(&b);
}

static void
on_hold(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    struct fx *f = arg;
    (void)r;
    f->calls++;
    f->held = x;
}

static void begin_stream(struct fx *f, struct mu_http_exchange *x, bool bounded)
{
    f->calls++;
    f->held = x;
    const struct mu_http_header h = {"Content-Type", "application/json"};
    http_exchange_stream_begin(x, 200, &h, 1, bounded);
}

static void
on_stream(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)r;
    begin_stream(arg, x, false);
    fx_watch_close(arg);
}

static void
on_bounded(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)r;
    begin_stream(arg, x, true);
}

static void on_big(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    struct fx *f = arg;
    char text[32] = "0";
    f->calls++;
    assert_true(mu_http_query_get(r->query, "n", 0, text, sizeof(text)) >= 0);
    size_t n = strtoul(text, NULL, 10);
    char *body = mu_xalloc(n);
    for (size_t i = 0; i < n; i++) {
        body[i] = (char)('a' + i / 7 % 26);
    }
    const struct mu_http_header h = {"Content-Type", "application/json; charset=utf-8"};
    http_exchange_reply(x, 200, &h, 1, body, n);
    free(body);
}

void fx_release(struct fx *f)
{
    struct mu_http_exchange *x = f->held;
    assert_non_null(x);
    f->held = NULL;
    http_exchange_reply(x, 200, NULL, 0, "held\n", 5);
}

static void on_held_closed(void *arg)
{
    struct fx *f = arg;
    f->closed++;
    f->held = NULL;
}

void fx_watch_close(struct fx *f)
{
    http_exchange_on_close(f->held, on_held_closed, f);
}

/* ---- life ---- */

static int64_t wall_ms(void *arg)
{
    return ((struct fx *)arg)->wall_ms;
}

static void on_log(void *arg, int level, const char *message, const char *detail)
{
    struct fx *f = arg;
    mu_buf_printf(&f->log, "%d %s %s\n", level, message, detail != NULL ? detail : "");
}

static void
route(struct fx *f, const char *method, const char *pattern, mu_http_handler_cb h)
{
    struct mu_error err;
    if (http_server_route(f->server, "test", method, pattern, h, f, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void warm_up(void)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

struct fx *fx_open(const struct http_server_config *cfg)
{
    warm_up();
    struct fx *f = MU_NEW(struct fx);
    f->fds_before = test_fd_count();
    f->loop = MU_NEW(uv_loop_t);
    assert_int_equal(uv_loop_init(f->loop), 0);
    f->wall_ms = 1399360089010; /* 2014-05-06T07:08:09.010Z */
    mu_buf_init(&f->log, 1 << 20);
    struct http_server_config config = {0};
    if (cfg != NULL) {
        config = *cfg;
    }
    config.wall_ms = wall_ms;
    config.wall_arg = f;
    config.log = on_log;
    config.log_arg = f;
    f->server = http_server_create(f->loop, &config);
    route(f, "GET", "/hello", on_hello);
    route(f, "POST", "/echo", on_echo);
    route(f, "PUT", "/echo", on_echo);
    route(f, "GET", "/params/{a}/{tail...}", on_params);
    route(f, "GET", "/hold", on_hold);
    route(f, "POST", "/hold", on_hold);
    route(f, "GET", "/stream", on_stream);
    route(f, "GET", "/bounded", on_bounded);
    route(f, "GET", "/big", on_big);
    struct mu_error err;
    if (http_server_listen(f->server, "test", "127.0.0.1", 0, &f->port, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return f;
}

static void on_stopped(void *arg)
{
    struct fx *f = arg;
    f->stopped = true;
    http_server_destroy(f->server);
    f->server = NULL;
}

void fx_stop(struct fx *f, uint64_t grace_ms)
{
    http_server_stop(f->server, grace_ms, on_stopped, f);
}

void fx_close(struct fx *f)
{
    while (f->client_count > 0) {
        fx_disconnect(f, f->clients[0]);
    }
    if (f->server != NULL) {
        fx_turn(f, -1, 0);
        fx_stop(f, 0);
    }
    uint64_t until = uv_hrtime() + FX_WAIT_MS * 1000000ull;
    while (!f->stopped && uv_hrtime() < until) {
        fx_turn(f, -1, 100);
    }
    assert_true(f->stopped);
    if (uv_loop_close(f->loop) != 0) {
        uv_print_all_handles(f->loop, stderr);
        fail_msg("the loop is not empty");
    }
    if (test_fd_count() != f->fds_before) {
        test_fd_print();
        fail_msg("%d file descriptors before, %d after", f->fds_before, test_fd_count());
    }
    mu_buf_release(&f->log);
    free(f->loop);
    free(f);
}

/* ---- clients ---- */

int fx_connect(struct fx *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* Blocking, but the kernel completes it without the server's help. */
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    assert_true(f->client_count < FX_CLIENTS_MAX);
    f->clients[f->client_count++] = fd;
    return fd;
}

void fx_disconnect(struct fx *f, int fd)
{
    for (size_t i = 0; i < f->client_count; i++) {
        if (f->clients[i] == fd) {
            f->clients[i] = f->clients[--f->client_count];
            close(fd);
            return;
        }
    }
    fail_msg("not a client");
}

void fx_send_bytes(int fd, const char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void fx_send(int fd, const char *text)
{
    fx_send_bytes(fd, text, strlen(text));
}

static void run_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_NOWAIT);
    uv_run(loop, UV_RUN_NOWAIT); /* libuv registers new descriptors as it polls */
}

static void wait_for(uv_loop_t *loop, int fd, int max_ms)
{
    int timeout = uv_backend_timeout(loop);
    if (timeout < 0 || timeout > max_ms) {
        timeout = max_ms;
    }
    struct pollfd fds[2] = {{.fd = uv_backend_fd(loop), .events = POLLIN},
                            {.fd = fd, .events = POLLIN}};
    poll(fds, fd >= 0 ? 2 : 1, timeout);
}

void fx_turn(struct fx *f, int fd, int max_ms)
{
    run_loop(f->loop);
    wait_for(f->loop, fd, max_ms);
}

bool fx_run_loop_until(uv_loop_t *loop, const int *flag, int n, uint64_t timeout_ms)
{
    uint64_t until = uv_hrtime() + timeout_ms * 1000000ull;
    for (run_loop(loop); *flag < n; run_loop(loop)) {
        if (uv_hrtime() > until) {
            return false;
        }
        wait_for(loop, -1, 100);
    }
    return true;
}

void fx_until(struct fx *f, const int *flag, int n)
{
    assert_true(fx_run_loop_until(f->loop, flag, n, FX_WAIT_MS));
}

void fx_stats(struct fx *f, struct http_server_stats *out)
{
    http_server_stats(f->server, out);
}

void fx_until_read(struct fx *f, uint64_t bytes_in)
{
    uint64_t until = uv_hrtime() + FX_WAIT_MS * 1000000ull;
    for (;;) {
        struct http_server_stats stats;
        run_loop(f->loop);
        fx_stats(f, &stats);
        if (stats.bytes_in >= bytes_in) {
            return;
        }
        assert_true(uv_hrtime() < until);
        wait_for(f->loop, -1, 100);
    }
}

/* ---- answers ---- */

/* Up to max bytes, waiting for the first; 0: the server has closed. */
static size_t recv_some(struct fx *f, int fd, char *data, size_t max, int flags)
{
    uint64_t until = uv_hrtime() + FX_WAIT_MS * 1000000ull;
    for (;;) {
        ssize_t n = recv(fd, data, max, MSG_DONTWAIT | flags);
        if (n >= 0) {
            return (size_t)n;
        }
        if (errno == ECONNRESET) {
            return 0;
        }
        assert_true(errno == EAGAIN && uv_hrtime() < until);
        fx_turn(f, fd, 100);
    }
}

char *fx_read_all(struct fx *f, int fd, size_t *out_len)
{
    struct mu_buf b;
    mu_buf_init(&b, 256 << 20);
    for (;;) {
        char *room = mu_buf_reserve(&b, 65536);
        assert_non_null(room);
        size_t n = recv_some(f, fd, room, 65536, 0);
        if (n == 0) {
            break;
        }
        b.len += n;
    }
    mu_buf_reserve(&b, 0);
    if (out_len != NULL) {
        *out_len = b.len;
    }
    return mu_buf_take(&b);
}

void fx_expect_closed(struct fx *f, int fd)
{
    char c;
    assert_int_equal(recv_some(f, fd, &c, 1, 0), 0);
}

/* Up to and with the end of a line or block: look first, take only that much. */
static void recv_until(struct fx *f, int fd, const char *end, struct mu_buf *out)
{
    for (;;) {
        char peek[2048];
        size_t n = recv_some(f, fd, peek, sizeof(peek), MSG_PEEK);
        if (n == 0) {
            fail_msg("closed early, after '%s'", mu_buf_str(out));
        }
        size_t before = out->len;
        assert_int_equal(mu_buf_append(out, peek, n), 0);
        const char *found = strstr(out->data, end);
        size_t total =
            found != NULL ? (size_t)(found - out->data) + strlen(end) : out->len;
        recv_some(f, fd, peek, total - before, 0);
        out->len = total;
        out->data[total] = '\0';
        if (found != NULL) {
            return;
        }
    }
}

static void recv_exactly(struct fx *f, int fd, size_t len, struct mu_buf *out)
{
    while (len > 0) {
        char *room = mu_buf_reserve(out, len);
        assert_non_null(room);
        size_t n = recv_some(f, fd, room, len, 0);
        if (n == 0) {
            fail_msg("closed with %zu bytes missing", len);
        }
        out->len += n;
        len -= n;
    }
    mu_buf_reserve(out, 0);
}

static void recv_chunks(struct fx *f, int fd, struct mu_buf *body)
{
    for (;;) {
        struct mu_buf line;
        mu_buf_init(&line, 4096);
        recv_until(f, fd, "\r\n", &line);
        size_t len = strtoul(line.data, NULL, 16);
        mu_buf_clear(&line);
        recv_exactly(f, fd, len, body);
        recv_until(f, fd, "\r\n", &line);
        assert_string_equal(line.data, "\r\n");
        mu_buf_release(&line);
        if (len == 0) {
            return;
        }
    }
}

void fx_expect_head(struct fx *f, int fd, struct fx_answer *out)
{
    memset(out, 0, sizeof(*out));
    struct mu_buf head;
    mu_buf_init(&head, 8192);
    recv_until(f, fd, "\r\n\r\n", &head);
    assert_true(head.len < sizeof(out->head));
    memcpy(out->head, head.data, head.len + 1);
    mu_buf_release(&head);
    assert_int_equal(strncmp(out->head, "HTTP/1.1 ", 9), 0);
    out->status = atoi(out->head + 9);
}

void fx_expect(struct fx *f, int fd, struct fx_answer *out)
{
    fx_expect_head(f, fd, out);
    struct mu_buf body;
    mu_buf_init(&body, 256 << 20);
    const char *length = fx_header(out, "content-length");
    if (length != NULL) {
        recv_exactly(f, fd, strtoul(length, NULL, 10), &body);
    } else if (fx_header(out, "transfer-encoding") != NULL) {
        recv_chunks(f, fd, &body);
    } else if (out->status != 204 && out->status != 304 && out->status >= 200) {
        body.data = fx_read_all(f, fd, &body.len);
    }
    out->body_len = body.len;
    out->body = mu_buf_take(&body);
}

void fx_answer_release(struct fx_answer *a)
{
    free(a->body);
    a->body = NULL;
}

const char *fx_header(const struct fx_answer *a, const char *name)
{
    static char value[2048];
    size_t len = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            at += len + 1;
            at += strspn(at, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
            return value;
        }
    }
    return NULL;
}

void fx_ask(struct fx *f, const char *request, struct fx_answer *out)
{
    int fd = fx_connect(f);
    fx_send(fd, request);
    fx_expect(f, fd, out);
    fx_disconnect(f, fd);
}

int fx_status_of(struct fx *f, const char *request)
{
    struct fx_answer a;
    fx_ask(f, request, &a);
    fx_answer_release(&a);
    return a.status;
}
