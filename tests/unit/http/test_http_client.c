/* The HTTP client, against the server in the same loop and against raw bytes. */
#include "http_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/alloc.h"
#include "runtime/http_client.h"

struct cx {
    struct fx *f;
    struct http_client *client;
    int client_closed;
    char dir[64], sock_path[96];
};

/* What one call reported. */
struct got {
    struct cx *cx;
    int done, status, headers_seen, header_status;
    char error[256], content_type[64];
    struct mu_buf body; /* collected or streamed */
    int pieces;
    struct mu_http_call *cancel_at_piece;
    size_t length_at_headers;
};

static struct cx *cx_open(void)
{
    struct cx *cx = MU_NEW(struct cx);
    cx->f = fx_open(NULL);
    if (http_client_create(cx->f->loop, NULL, &cx->client, NULL) < 0) {
        fail_msg("no client");
    }
    return cx;
}

static void on_client_closed(void *arg)
{
    ((struct cx *)arg)->client_closed++;
}

static void cx_close(struct cx *cx)
{
    if (cx->client != NULL) {
        http_client_close(cx->client, on_client_closed, cx);
        assert_int_equal(cx->client_closed, 0); /* never inline */
        fx_until(cx->f, &cx->client_closed, 1);
    }
    fx_close(cx->f);
    free(cx);
}

static void on_headers(void *arg, int status, const struct mu_http_header *h, size_t n)
{
    struct got *g = arg;
    g->headers_seen++;
    g->header_status = status;
    assert_int_equal(g->pieces, 0);
    const char *type = mu_http_header_get(h, n, "content-type");
    snprintf(g->content_type, sizeof(g->content_type), "%s", type != NULL ? type : "");
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct got *g = arg;
    assert_int_equal(g->headers_seen, 1);
    assert_int_equal(g->done, 0);
    g->pieces++;
    assert_int_equal(mu_buf_append(&g->body, data, len), 0);
    if (g->cancel_at_piece != NULL) {
        http_client_cancel(g->cancel_at_piece);
        assert_int_equal(g->done, 0); /* never inline */
    }
}

static void on_done(void *arg, const struct mu_http_answer *a)
{
    struct got *g = arg;
    g->done++;
    g->status = a->status;
    if (a->status < 0) {
        snprintf(g->error, sizeof(g->error), "%s", a->error_text);
    } else {
        assert_null(a->error_text);
    }
    const char *type = mu_http_header_get(a->headers, a->header_count, "content-type");
    if (g->content_type[0] == '\0' && type != NULL) {
        snprintf(g->content_type, sizeof(g->content_type), "%s", type);
    }
    assert_int_equal(a->body[a->body_len], '\0');
    assert_int_equal(mu_buf_append(&g->body, a->body, a->body_len), 0);
}

static void got_init(struct got *g, struct cx *cx)
{
    *g = (struct got){.cx = cx};
    mu_buf_init(&g->body, 64 << 20);
}

/* The url of a path of the fixture's server. */
static const char *url(struct cx *cx, const char *path)
{
    static char text[256];
    snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", cx->f->port, path);
    return text;
}

static struct mu_http_ask ask_of(struct got *g, const char *method, const char *where)
{
    return (struct mu_http_ask){
        .struct_size = sizeof(struct mu_http_ask),
        .method = method,
        .url = where,
        .on_done = on_done,
        .arg = g,
    };
}

static struct mu_http_call *start(struct cx *cx, const struct mu_http_ask *ask)
{
    struct mu_http_call *call;
    struct mu_error err;
    if (http_client_request(cx->client, ask, &call, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return call;
}

static void run(struct cx *cx, struct got *g, const struct mu_http_ask *ask)
{
    (void)start(cx, ask);
    assert_int_equal(g->done, 0); /* never inline */
    fx_until(cx->f, &g->done, 1);
}

/* ---- answers ---- */

static void an_answer_is_collected(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
    run(cx, &g, &ask);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body.data, "hello\n");
    assert_string_equal(g.content_type, "text/plain");
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void an_error_status_is_an_answer_too(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "DELETE", url(cx, "/hello"));
    run(cx, &g, &ask);
    assert_int_equal(g.status, 405);
    assert_string_equal(g.body.data, "405 Method Not Allowed.");
    mu_buf_release(&g.body);
    cx_close(cx);
}

static char seen_head[4096];

static void
on_inspect(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    struct mu_buf b;
    mu_buf_init(&b, sizeof(seen_head) - 1);
    mu_buf_printf(&b, "%s %s?%s\n", r->method, r->path, r->query);
    for (size_t i = 0; i < r->header_count; i++) {
        mu_buf_printf(&b, "%s: %s\n", r->headers[i].name, r->headers[i].value);
    }
    snprintf(seen_head, sizeof(seen_head), "%s", mu_buf_str(&b));
    mu_buf_release(&b);
    http_exchange_reply(x, 200, NULL, 0, NULL, 0);
}

static void what_is_asked_arrives_and_nothing_else(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
    static const char *const lengths[] = {
        "", "Content-Length: 0\n", "Content-Length: 0\n", "", "Content-Length: 0\n"};
    for (size_t i = 0; i < 5; i++) {
        struct got g;
        char want[512];
        got_init(&g, cx);
        assert_int_equal(http_server_route(cx->f->server, "test", methods[i],
                                           "/a/{tail...}", on_inspect, NULL, NULL),
                         0);
        struct mu_http_ask ask = ask_of(&g, methods[i], url(cx, "/a/../b//c?d=%20e"));
        const struct mu_http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
        ask.headers = headers;
        ask.header_count = 2;
        run(cx, &g, &ask);
        assert_int_equal(g.status, 200);
        snprintf(want, sizeof(want),
                 "%s /a/../b//c?d=%%20e\nHost: 127.0.0.1:%u\nUser-Agent: muster\nAccept: "
                 "*/*\nX-One: 1\nX-Empty: \n%s",
                 methods[i], cx->f->port, lengths[i]);
        assert_string_equal(seen_head, want);
        mu_buf_release(&g.body);
    }
    cx_close(cx);
}

static void a_large_body_goes_up_without_waiting_for_continue(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "POST", url(cx, "/echo"));
    ask.body_len = 5000000;
    char *body = malloc(ask.body_len);
    for (size_t i = 0; i < ask.body_len; i++) {
        body[i] = (char)(i * 7);
    }
    ask.body = memcpy(malloc(ask.body_len), body, ask.body_len);
    (void)start(cx, &ask);
    memset((void *)(uintptr_t)ask.body, 0, ask.body_len); /* it was copied */
    free((void *)(uintptr_t)ask.body);
    fx_until(cx->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    assert_int_equal(g.body.len, ask.body_len);
    assert_memory_equal(g.body.data, body, ask.body_len);
    free(body);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void head_has_headers_and_no_body(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "HEAD", url(cx, "/hello"));
    run(cx, &g, &ask);
    assert_int_equal(g.status, 200);
    assert_int_equal(g.body.len, 0);
    assert_string_equal(g.content_type, "text/plain");
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    for (int i = 0; i < 5; i++) {
        struct got g;
        got_init(&g, cx);
        struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
        run(cx, &g, &ask);
        assert_int_equal(g.status, 200);
        mu_buf_release(&g.body);
    }
    struct http_server_stats stats;
    fx_stats(cx->f, &stats);
    assert_int_equal(stats.connections_total, 1);
    cx_close(cx);
}

/* A kept one may be dead, and then libcurl sends the request again. */
static void what_must_not_arrive_twice_has_its_own_connection(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct http_server_stats stats;
    for (int i = 0; i < 3; i++) { /* the second neither uses nor leaves a kept one */
        struct got g;
        got_init(&g, cx);
        struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
        ask.at_most_once = i == 1;
        run(cx, &g, &ask);
        assert_int_equal(g.status, 200);
        mu_buf_release(&g.body);
    }
    fx_stats(cx->f, &stats);
    assert_int_equal(stats.connections_total, 2);
    cx_close(cx);
}

static void many_calls_run_side_by_side(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    enum { MANY = 50 };
    static struct got g[MANY];
    for (int i = 0; i < MANY; i++) {
        got_init(&g[i], cx);
        struct mu_http_ask ask = ask_of(&g[i], "GET", url(cx, "/big?n=100000"));
        (void)start(cx, &ask);
    }
    for (int i = 0; i < MANY; i++) {
        fx_until(cx->f, &g[i].done, 1);
        assert_int_equal(g[i].status, 200);
        assert_int_equal(g[i].body.len, 100000);
        mu_buf_release(&g[i].body);
    }
    cx_close(cx);
}

/* ---- streams ---- */

static void a_stream_arrives_in_pieces(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/stream"));
    ask.on_headers = on_headers;
    ask.on_data = on_data;
    (void)start(cx, &ask);
    fx_until(cx->f, &g.headers_seen, 1); /* before there is any data */
    assert_int_equal(g.header_status, 200);
    assert_string_equal(g.content_type, "application/json");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(http_exchange_stream_write(cx->f->held, "piece", 5), 0);
        fx_until(cx->f, &g.pieces, i + 1);
    }
    assert_int_equal(g.done, 0);
    http_exchange_stream_end(cx->f->held);
    fx_until(cx->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body.data, "piecepiecepiecepiecepiece");
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void a_cut_stream_is_an_error(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/bounded"));
    ask.on_headers = on_headers;
    ask.on_data = on_data;
    (void)start(cx, &ask);
    fx_until(cx->f, &g.headers_seen, 1);
    fx_stop(cx->f, 0); /* the server goes, without the last chunk */
    fx_until(cx->f, &g.done, 1);
    assert_int_equal(g.status, -ECONNRESET);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void cancelling_inside_of_on_data_ends_the_call(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/stream"));
    ask.on_headers = on_headers;
    ask.on_data = on_data;
    g.cancel_at_piece = start(cx, &ask);
    fx_until(cx->f, &g.headers_seen, 1);
    assert_int_equal(http_exchange_stream_write(cx->f->held, "a", 1), 0);
    fx_until(cx->f, &g.done, 1);
    assert_int_equal(g.status, -ECANCELED);
    assert_int_equal(g.pieces, 1);
    fx_until(cx->f, &cx->f->closed, 1); /* and the server sees it */
    assert_int_equal(g.done, 1);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void cancelling_at_any_time_reports_once(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    for (int turns = 0; turns < 8; turns++) {
        struct got g;
        got_init(&g, cx);
        struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hold"));
        struct mu_http_call *call = start(cx, &ask);
        for (int i = 0; i < turns; i++) {
            uv_run(cx->f->loop, UV_RUN_NOWAIT);
        }
        http_client_cancel(call);
        http_client_cancel(call); /* no harm */
        assert_int_equal(g.done, 0);
        fx_until(cx->f, &g.done, 1);
        assert_int_equal(g.status, -ECANCELED);
        fx_turn(cx->f, -1, 1);
        assert_int_equal(g.done, 1);
        mu_buf_release(&g.body);
    }
    http_client_cancel(NULL);
    cx_close(cx);
}

/* ---- failures ---- */

static void a_silent_server_times_out(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hold"));
    ask.timeout_ms = 30;
    run(cx, &g, &ask);
    assert_int_equal(g.status, -ETIMEDOUT);
    assert_non_null(strstr(g.error, "/hold: "));
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", "http://127.0.0.1:1/");
    run(cx, &g, &ask);
    assert_int_equal(g.status, -ECONNREFUSED);
    mu_buf_release(&g.body);
    got_init(&g, cx);
    ask.unix_socket = "/nonexistent/socket";
    run(cx, &g, &ask);
    assert_int_equal(g.status, -ENOENT);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void a_connection_that_never_comes_about_times_out(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    /* A listener whose backlog is full takes no more connections. */
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(addr);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    int fillers[4];
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&addr, len);
    }
    struct got g;
    char where[64];
    got_init(&g, cx);
    snprintf(where, sizeof(where), "http://127.0.0.1:%u/", ntohs(addr.sin_port));
    struct mu_http_ask ask = ask_of(&g, "GET", where);
    ask.connect_timeout_ms = 50;
    run(cx, &g, &ask);
    assert_int_equal(g.status, -ETIMEDOUT);
    for (int i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void a_body_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/big?n=1001"));
    ask.max_body = 1000;
    run(cx, &g, &ask);
    assert_int_equal(g.status, MU_E_LIMIT);
    assert_non_null(strstr(g.error, "larger than 1000 bytes"));
    mu_buf_release(&g.body);
    got_init(&g, cx);
    ask.url = url(cx, "/big?n=1000");
    run(cx, &g, &ask);
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void bad_asks_are_refused_at_once(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    static const char *const urls[] = {"", "http://", "not a url", "http://h/\r\nX: y",
                                       "file:///etc/passwd"};
    for (size_t i = 0; i < 5; i++) {
        struct mu_http_ask ask = ask_of(&g, "GET", urls[i]);
        struct mu_error err = {0};
        int status = http_client_request(cx->client, &ask, NULL, &err);
        if (status == 0) { /* what only libcurl's parser knows comes by on_done */
            fx_until(cx->f, &g.done, 1);
            status = g.status;
            g.done = 0;
        }
        assert_int_equal(status, MU_E_INVALID);
    }
    struct mu_http_ask ask = ask_of(&g, "GE T", url(cx, "/hello"));
    assert_int_equal(http_client_request(cx->client, &ask, NULL, NULL), MU_E_INVALID);
    ask.method = "GET";
    const struct mu_http_header bad[] = {{"X", "a\r\nY: b"}, {"X:", "a"}, {"", "a"}};
    for (size_t i = 0; i < 3; i++) {
        ask.headers = &bad[i];
        ask.header_count = 1;
        assert_int_equal(http_client_request(cx->client, &ask, NULL, NULL), MU_E_INVALID);
    }
    mu_buf_release(&g.body);
    cx_close(cx);
}

static void proxies_in_the_environment_are_ignored(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
    run(cx, &g, &ask);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    cx_close(cx);
}

/* ---- a server that says exactly these bytes ---- */

/* later, if not NULL, goes out when the answer's headers have been seen. */
static void ask_raw(const char *answer, const char *later, struct got *g, bool stream)
{
    struct cx *cx = cx_open();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(addr);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    char where[64];
    got_init(g, cx);
    snprintf(where, sizeof(where), "http://127.0.0.1:%u/", ntohs(addr.sin_port));
    struct mu_http_ask ask = ask_of(g, "GET", where);
    ask.timeout_ms = 2000;
    const struct mu_http_header upgrade[] = {{"Connection", "Upgrade"},
                                             {"Upgrade", "tcp"}};
    if (stream) {
        ask.on_headers = on_headers;
        ask.on_data = on_data;
        ask.headers = upgrade;
        ask.header_count = 2;
    }
    (void)start(cx, &ask);
    int fd = -1;
    while (fd < 0) {
        fx_turn(cx->f, listener, 100);
        fd = accept(listener, NULL, NULL);
    }
    fx_send(fd, answer);
    if (later != NULL) {
        fx_until(cx->f, &g->headers_seen, 1);
        fx_send(fd, later);
        fx_until(cx->f, &g->pieces, 1);
        assert_int_equal(g->done, 0);
    }
    shutdown(fd, SHUT_WR);
    fx_until(cx->f, &g->done, 1);
    close(fd);
    close(listener);
    cx_close(cx);
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    struct got g;
    ask_raw("HTTP/1.1 103 Early Hints\r\nX: 1\r\nContent-Type: early\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Type: late\r\nContent-Length: 1\r\n\r\nx",
            NULL, &g, false);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.content_type, "late");
    assert_string_equal(g.body.data, "x");
    mu_buf_release(&g.body);
}

static void broken_answers_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int status;
    } cases[] = {
        {"", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
         -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
         -ECONNRESET}, /* so libcurl sees it */
        {"garbage\r\n\r\n", MU_E_PROTOCOL},
        {"HTTP/ing: x\r\n\r\nbody", MU_E_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct got g;
        ask_raw(cases[i].answer, NULL, &g, false);
        assert_int_equal(g.status, cases[i].status);
        assert_true(g.error[0] != '\0');
        mu_buf_release(&g.body);
    }
}

static void a_raw_stream_behind_200_arrives(void **state)
{
    (void)state;
    struct got g;
    ask_raw("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
            "raw bytes", &g, true);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.content_type, "application/vnd.docker.raw-stream");
    assert_string_equal(g.body.data, "raw bytes");
    mu_buf_release(&g.body);
}

static void a_raw_stream_behind_101_arrives(void **state)
{
    (void)state;
    struct got g;
    ask_raw("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
            "raw\r\n\r\nbytes", &g, true);
    assert_int_equal(g.status, 101);
    assert_int_equal(g.header_status, 101);
    assert_string_equal(g.body.data, "raw\r\n\r\nbytes");
    mu_buf_release(&g.body);
}

/* ---- unix sockets ---- */

static void unix_sockets_work_like_tcp(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct mu_error err;
    snprintf(cx->dir, sizeof(cx->dir), "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(cx->dir));
    snprintf(cx->sock_path, sizeof(cx->sock_path), "%s/http.sock", cx->dir);
    if (http_server_listen_unix(cx->f->server, "test", cx->sock_path, &err) < 0) {
        fail_msg("%s", err.text);
    }
    for (int i = 0; i < 3; i++) {
        struct got g;
        got_init(&g, cx);
        struct mu_http_ask ask = ask_of(&g, "POST", "http://localhost/echo");
        ask.unix_socket = cx->sock_path;
        ask.body = "over unix";
        ask.body_len = 9;
        run(cx, &g, &ask);
        assert_int_equal(g.status, 200);
        assert_string_equal(g.body.data, "over unix");
        mu_buf_release(&g.body);
    }
    struct http_server_stats stats;
    fx_stats(cx->f, &stats);
    assert_int_equal(stats.connections_total, 1);
    char dir[64];
    memcpy(dir, cx->dir, sizeof(dir));
    cx_close(cx);
    assert_int_equal(rmdir(dir), 0); /* the socket file is gone */
}

/* ---- calls from inside of callbacks, and the end ---- */

static void on_done_asks_again(void *arg, const struct mu_http_answer *a)
{
    struct got *g = arg;
    assert_int_equal(a->status, 200);
    if (++g->done < 5) {
        struct mu_http_ask ask = ask_of(g, "GET", url(g->cx, "/hello"));
        ask.on_done = on_done_asks_again;
        (void)start(g->cx, &ask);
    }
}

static void asking_inside_of_on_done_works(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
    ask.on_done = on_done_asks_again;
    (void)start(cx, &ask);
    fx_until(cx->f, &g.done, 5);
    cx_close(cx);
}

static void close_cancels_what_runs(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g[3];
    for (int i = 0; i < 3; i++) {
        got_init(&g[i], cx);
        struct mu_http_ask ask = ask_of(&g[i], "GET", url(cx, "/hold"));
        (void)start(cx, &ask);
        if (i < 2) {
            fx_until(cx->f, &cx->f->calls, i + 1);
        } /* the third is not even begun */
    }
    http_client_close(cx->client, on_client_closed, cx);
    struct mu_http_ask late = ask_of(&g[0], "GET", url(cx, "/hello"));
    assert_int_equal(http_client_request(cx->client, &late, NULL, NULL), -ECANCELED);
    fx_until(cx->f, &cx->client_closed, 1);
    cx->client = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g[i].done, 1);
        assert_int_equal(g[i].status, -ECANCELED);
        mu_buf_release(&g[i].body);
    }
    cx_close(cx);
}

static void on_data_closes_client(void *arg, const char *data, size_t len)
{
    struct got *g = arg;
    (void)data;
    (void)len;
    g->pieces++;
    http_client_close(g->cx->client, on_client_closed, g->cx);
}

static void closing_inside_of_on_data_works(void **state)
{
    (void)state;
    struct cx *cx = cx_open();
    struct got g;
    got_init(&g, cx);
    struct mu_http_ask ask = ask_of(&g, "GET", url(cx, "/hello"));
    ask.on_data = on_data_closes_client;
    (void)start(cx, &ask);
    fx_until(cx->f, &cx->client_closed, 1);
    cx->client = NULL;
    assert_int_equal(g.done, 1);
    mu_buf_release(&g.body);
    cx_close(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_collected),
        cmocka_unit_test(an_error_status_is_an_answer_too),
        cmocka_unit_test(what_is_asked_arrives_and_nothing_else),
        cmocka_unit_test(a_large_body_goes_up_without_waiting_for_continue),
        cmocka_unit_test(head_has_headers_and_no_body),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(what_must_not_arrive_twice_has_its_own_connection),
        cmocka_unit_test(many_calls_run_side_by_side),
        cmocka_unit_test(a_stream_arrives_in_pieces),
        cmocka_unit_test(a_cut_stream_is_an_error),
        cmocka_unit_test(cancelling_inside_of_on_data_ends_the_call),
        cmocka_unit_test(cancelling_at_any_time_reports_once),
        cmocka_unit_test(a_silent_server_times_out),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(a_connection_that_never_comes_about_times_out),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(bad_asks_are_refused_at_once),
        cmocka_unit_test(proxies_in_the_environment_are_ignored),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(broken_answers_are_errors),
        cmocka_unit_test(a_raw_stream_behind_200_arrives),
        cmocka_unit_test(a_raw_stream_behind_101_arrives),
        cmocka_unit_test(unix_sockets_work_like_tcp),
        cmocka_unit_test(asking_inside_of_on_done_works),
        cmocka_unit_test(close_cancels_what_runs),
        cmocka_unit_test(closing_inside_of_on_data_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
