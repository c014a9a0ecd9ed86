/* What well-behaved clients see: routing, framing, keep-alive, compression, headers. */
#include "http_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include <zlib.h>

#define HOST "Host: x\r\n"

static void an_answer_has_length_date_and_type(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct fx_answer a;
    fx_ask(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello\n");
    assert_string_equal(fx_header(&a, "content-length"), "6");
    assert_string_equal(fx_header(&a, "content-type"), "text/plain");
    assert_string_equal(fx_header(&a, "date"), "Tue, 06 May 2014 07:08:09 GMT");
    assert_null(fx_header(&a, "connection"));
    fx_answer_release(&a);
    fx_close(f);
}

static void the_date_follows_the_clock(void **state)
{
    (void)state;
    static const struct {
        int64_t second;
        const char *text;
    } cases[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                 {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
                 {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
                 {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
                 {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
                 {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
                 {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"}};
    struct fx *f = fx_open(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fx_answer a;
        f->wall_ms = cases[i].second * 1000 + 999;
        fx_ask(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n", &a);
        assert_string_equal(fx_header(&a, "date"), cases[i].text);
        fx_answer_release(&a);
    }
    fx_close(f);
}

static void path_parameters_are_decoded(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/params/a/b", "a|b"},
        {"/params/a//b", "a|/b"},
        {"/params/a/", "a|"},
        {"/params/%c3%a4%2f/x%20y/+z?q=%20", "\xc3\xa4/|x y/+z?q=%20"},
        {"http://host:1/params/a/b?c", "a|b?c"},
        {"/params/a/b#fragment", "a|b"},
    };
    struct fx *f = fx_open(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[256];
        struct fx_answer a;
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n",
                 cases[i][0]);
        fx_ask(f, request, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, cases[i][1]);
        fx_answer_release(&a);
    }
    assert_int_equal(fx_status_of(f, "GET /params/%00/b HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(fx_status_of(f, "GET /params/%g0/b HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(fx_status_of(f, "GET /params/a/%2 HTTP/1.1\r\n" HOST "\r\n"), 400);
    fx_close(f);
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct fx_answer a;
    fx_ask(f, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.body, "404 Not Found.");
    fx_answer_release(&a);
    fx_ask(f, "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 405);
    assert_string_equal(fx_header(&a, "allow"), "POST, PUT, OPTIONS");
    assert_string_equal(a.body, "405 Method Not Allowed.");
    fx_answer_release(&a);
    fx_ask(f, "M-SEARCH /hello HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 405);
    assert_string_equal(fx_header(&a, "allow"), "GET, HEAD, OPTIONS");
    fx_answer_release(&a);
    fx_ask(f, "OPTIONS /hello HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 204);
    assert_string_equal(fx_header(&a, "allow"), "GET, HEAD, OPTIONS");
    assert_null(fx_header(&a, "content-length"));
    fx_answer_release(&a);
    fx_ask(f, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 204);
    fx_answer_release(&a);
    assert_int_equal(f->calls, 0);
    fx_close(f);
}

static void head_is_get_without_the_body(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\nHEAD /nope HTTP/1.1\r\n" HOST "\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect_head(f, fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(fx_header(&a, "content-length"), "6");
    fx_expect_head(f, fd, &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(fx_header(&a, "content-length"), "14");
    fx_expect(f, fd, &a); /* nothing came in between */
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    fx_close(f);
}

static void connections_are_kept_alive(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    for (int i = 0; i < 5; i++) {
        struct fx_answer a;
        fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        fx_expect(f, fd, &a);
        assert_string_equal(a.body, "abc");
        fx_answer_release(&a);
    }
    struct http_server_stats stats;
    fx_stats(f, &stats);
    assert_int_equal(stats.connections_total, 1);
    assert_int_equal(stats.requests, 5);
    assert_int_equal(stats.responses[2], 5);
    fx_close(f);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n"
                "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n2"
                "GET /hold HTTP/1.1\r\n" HOST "\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_until(f, &f->calls, 1);
    fx_turn(f, fd, 0);
    assert_int_equal(f->calls, 1); /* the second waits for the first's answer */
    fx_release(f);
    assert_int_equal(f->calls, 1); /* and is not begun inside of the reply */
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "held\n");
    fx_answer_release(&a);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "2");
    fx_answer_release(&a);
    fx_until(f, &f->calls, 3);
    fx_release(f);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "held\n");
    fx_answer_release(&a);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    fx_close(f);
}

/* Send what the socket takes; returns the new count of bytes sent. */
static size_t send_more(int fd, const struct mu_buf *all, size_t sent)
{
    if (sent == all->len) {
        return sent;
    }
    ssize_t n = send(fd, all->data + sent, all->len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? sent + (size_t)n : sent;
}

static void reading_stops_when_too_much_is_pipelined(void **state)
{
    (void)state;
    static const char one[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    enum { MANY = 40000 };
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, one);
    fx_expect(f, fd, &a);
    size_t answer_len = strlen(a.head) + a.body_len;
    fx_answer_release(&a);
    fx_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    fx_until(f, &f->calls, 2);
    struct mu_buf all;
    mu_buf_init(&all, 4 << 20);
    for (int i = 0; i < MANY; i++) {
        mu_buf_puts(&all, one);
    }
    size_t sent = 0;
    for (int idle = 0; idle < 20; fx_turn(f, -1, 1)) { /* until no more is taken */
        size_t now = send_more(fd, &all, sent);
        idle = now > sent ? 0 : idle + 1;
        sent = now;
    }
    struct http_server_stats stats;
    fx_stats(f, &stats);
    assert_true(stats.bytes_in < 256 * 1024); /* bounded, whatever the client sends */
    fx_release(f);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "held\n");
    fx_answer_release(&a);
    size_t got = 0;
    while (got < answer_len * MANY) {
        static char buf[65536];
        sent = send_more(fd, &all, sent);
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        assert_int_not_equal(n, 0);
        got += n > 0 ? (size_t)n : 0;
        fx_turn(f, fd, n > 0 ? 0 : 10);
    }
    assert_int_equal(got, answer_len * MANY);
    assert_int_equal(f->calls, MANY + 2);
    fx_close(f);
    mu_buf_release(&all);
}

static void a_client_that_reads_no_answers_is_not_served_without_end(void **state)
{
    (void)state;
    static const char one[] = "GET /big?n=10000 HTTP/1.1\r\n" HOST "\r\n";
    enum { MANY = 2000 }; /* 20 MB of answers */
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    int small = 8192;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    struct mu_buf all;
    mu_buf_init(&all, 1 << 20);
    for (int i = 0; i < MANY; i++) {
        mu_buf_puts(&all, one);
    }
    size_t sent = 0;
    for (int idle = 0; idle < 20; fx_turn(f, -1, 1)) {
        size_t now = send_more(fd, &all, sent);
        idle = now > sent ? 0 : idle + 1;
        sent = now;
    }
    assert_true(f->calls > 0 && f->calls < MANY);
    fx_close(f);
    mu_buf_release(&all);
}

static void chunked_requests_are_put_together(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0A;name=\"value\"\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "abc0123456789");
    fx_answer_release(&a);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    fx_close(f);
}

static void a_waiting_client_is_told_to_go_on(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
                "Expect: 100-continue\r\n\r\n");
    fx_expect_head(f, fd, &a);
    assert_int_equal(a.status, 100);
    assert_string_equal(a.head, "HTTP/1.1 100 Continue\r\n\r\n");
    fx_send(fd, "ok");
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "ok");
    fx_answer_release(&a);
    /* No interim answer when the body is there already. */
    fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
                "Expect: 100-Continue\r\n\r\nok");
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 200);
    fx_answer_release(&a);
    fx_close(f);
}

static void http_1_0_clients_are_served(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hello HTTP/1.0\r\n\r\n");
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    assert_string_equal(fx_header(&a, "connection"), "close");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fd = fx_connect(f);
    for (int i = 0; i < 2; i++) {
        fx_send(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        fx_expect(f, fd, &a);
        assert_string_equal(fx_header(&a, "connection"), "keep-alive");
        fx_answer_release(&a);
    }
    /* A stream cannot be chunked: it ends with the connection. */
    fx_send(fd, "GET /bounded HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    fx_until(f, &f->calls, 4);
    assert_int_equal(http_exchange_stream_write(f->held, "abc", 3), 0);
    http_exchange_stream_end(f->held);
    fx_expect(f, fd, &a);
    assert_null(fx_header(&a, "transfer-encoding"));
    assert_string_equal(fx_header(&a, "connection"), "close");
    assert_string_equal(a.body, "abc");
    fx_answer_release(&a);
    fx_close(f);
}

static void the_client_may_ask_to_close(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, fd, &a);
    assert_string_equal(fx_header(&a, "connection"), "close");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    assert_int_equal(f->calls, 1);
    fx_close(f);
}

static void an_upgrade_is_ignored(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd,
            "GET /hello HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 2; i++) {
        fx_expect(f, fd, &a);
        assert_int_equal(a.status, 200);
        fx_answer_release(&a);
    }
    fx_close(f);
}

/* ---- gzip ---- */

static char *gunzip(const char *data, size_t len, size_t *out_len)
{
    size_t cap = 1 << 20;
    char *out = malloc(cap);
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    *out_len = z.total_out;
    inflateEnd(&z);
    return out;
}

static size_t gzip(const char *data, size_t len, char *out, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

static void large_texts_are_compressed_when_asked_for(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct fx_answer plain;
    struct fx_answer a;
    fx_ask(f, "GET /big?n=100000 HTTP/1.1\r\n" HOST "\r\n", &plain);
    assert_null(fx_header(&plain, "content-encoding"));
    assert_string_equal(fx_header(&plain, "vary"), "Accept-Encoding");
    assert_int_equal(plain.body_len, 100000);
    for (int i = 0; i < 3; i++) { /* the server uses its deflater again */
        fx_ask(f,
               "GET /big?n=100000 HTTP/1.1\r\n" HOST
               "Accept-Encoding: deflate, gzip;q=1.0, *;q=0.5\r\n\r\n",
               &a);
        assert_string_equal(fx_header(&a, "content-encoding"), "gzip");
        assert_true(a.body_len < 10000);
        size_t len;
        char *text = gunzip(a.body, a.body_len, &len);
        assert_int_equal(len, plain.body_len);
        assert_memory_equal(text, plain.body, len);
        free(text);
        fx_answer_release(&a);
    }
    fx_answer_release(&plain);
    fx_close(f);
}

static void head_tells_the_length_that_get_would_have(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct fx_answer a;
    fx_ask(f, "GET /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n", &a);
    char length[32];
    snprintf(length, sizeof(length), "%s", fx_header(&a, "content-length"));
    fx_answer_release(&a);
    int fd = fx_connect(f);
    fx_send(fd, "HEAD /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    fx_expect_head(f, fd, &a);
    assert_string_equal(fx_header(&a, "content-length"), length);
    fx_close(f);
}

static void some_answers_are_never_compressed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "GET /big?n=1000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n",
        "GET /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip;q=0, br\r\n\r\n",
        "GET /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding: identity\r\n\r\n",
        "GET /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding: xgzip, gzipp\r\n\r\n",
        "GET /big?n=5000 HTTP/1.1\r\n" HOST "Accept-Encoding:\r\n\r\n"};
    struct fx *f = fx_open(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fx_answer a;
        fx_ask(f, cases[i], &a);
        assert_null(fx_header(&a, "content-encoding"));
        fx_answer_release(&a);
    }
    fx_close(f);
}

static void ask_gzipped(struct fx *f, const char *packed, size_t n, struct fx_answer *a)
{
    char head[200];
    int fd = fx_connect(f);
    snprintf(head, sizeof(head),
             "POST /echo HTTP/1.1\r\n" HOST
             "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             n);
    fx_send(fd, head);
    fx_send_bytes(fd, packed, n);
    fx_expect(f, fd, a);
    fx_disconnect(f, fd);
}

static void compressed_requests_are_inflated_within_the_limit(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.max_body = 1000});
    struct fx_answer a;
    char text[2000];
    char packed[2000];
    memset(text, 'z', sizeof(text));
    size_t n = gzip(text, 1000, packed, sizeof(packed));
    ask_gzipped(f, packed, n, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 1000);
    fx_answer_release(&a);
    ask_gzipped(f, packed, n - 1, &a); /* cut */
    assert_int_equal(a.status, 400);
    fx_answer_release(&a);
    packed[n] = 'x'; /* something behind */
    ask_gzipped(f, packed, n + 1, &a);
    assert_int_equal(a.status, 400);
    fx_answer_release(&a);
    ask_gzipped(f, "not gzip", 8, &a);
    assert_int_equal(a.status, 400);
    fx_answer_release(&a);
    n = gzip(text, 1001, packed, sizeof(packed)); /* one byte too many */
    ask_gzipped(f, packed, n, &a);
    assert_int_equal(a.status, 413);
    fx_answer_release(&a);
    assert_int_equal(fx_status_of(f,
                                  "POST /echo HTTP/1.1\r\n" HOST
                                  "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
                     415);
    fx_close(f);
}

/* ---- listeners ---- */

static void
on_fallback(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    http_exchange_reply(x, 200, NULL, 0, r->listener, strlen(r->listener));
}

static void
json_error(int status, const char *text, struct mu_buf *out, const char **out_type)
{
    (void)status;
    *out_type = "application/json";
    mu_buf_printf(out, "{\"message\":\"%s\"}", text);
}

static void error_bodies_and_fallbacks_are_a_listeners_own(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct fx_answer a;
    http_server_set_error_body(f->server, "test", json_error);
    fx_ask(f, "GET /nope HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.body, "{\"message\":\"Not Found\"}");
    assert_string_equal(fx_header(&a, "content-type"), "application/json");
    fx_answer_release(&a);
    fx_ask(f, "GET / HTTP/1.1\r\n\r\n", &a);
    assert_string_equal(a.body, "{\"message\":\"no Host header\"}");
    fx_answer_release(&a);
    int owner;
    http_server_set_fallback(f->server, "test", on_fallback, &owner);
    fx_ask(f, "GET /nope HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_string_equal(a.body, "test");
    fx_answer_release(&a);
    http_server_unroute(f->server, &owner);
    assert_int_equal(fx_status_of(f, "GET /nope HTTP/1.1\r\n" HOST "\r\n"), 404);
    http_server_unroute(f->server, f);
    assert_int_equal(fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 404);
    fx_close(f);
}

static void listeners_have_routes_of_their_own(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    uint16_t other;
    assert_int_equal(http_server_listen(f->server, "other", "127.0.0.1", 0, &other, NULL),
                     0);
    assert_int_equal(
        http_server_route(f->server, "other", "GET", "/who", on_fallback, NULL, NULL), 0);
    assert_int_equal(fx_status_of(f, "GET /who HTTP/1.1\r\n" HOST "\r\n"), 404);
    f->port = other;
    struct fx_answer a;
    fx_ask(f, "GET /who HTTP/1.1\r\n" HOST "\r\n", &a);
    assert_string_equal(a.body, "other");
    fx_answer_release(&a);
    assert_int_equal(fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 404);
    fx_close(f);
}

static void a_taken_address_is_named(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct mu_error err;
    char want[128];
    snprintf(want, sizeof(want),
             "listen on 127.0.0.1:%u: address already in use (another muster? choose "
             "another port)",
             f->port);
    assert_int_equal(
        http_server_listen(f->server, "test", "127.0.0.1", f->port, NULL, &err),
        -EADDRINUSE);
    assert_string_equal(err.text, want);
    assert_int_equal(http_server_listen(f->server, "test", "nowhere", 1, NULL, &err),
                     -EINVAL);
    assert_true(strstr(err.text, "nowhere:1") != NULL);
    fx_close(f);
}

static void a_value_cannot_split_the_answer_handler(void *arg,
                                                    struct mu_http_exchange *x,
                                                    const struct mu_http_request *r)
{
    (void)arg;
    (void)r;
    const struct mu_http_header h[] = {{"Location", "/a\r\nX-Evil: 1"},
                                       {"Content-Length", "999"},
                                       {"Transfer-Encoding", "chunked"},
                                       {"Connection", "close"}};
    http_exchange_reply(x, 302, h, 4, "x", 1);
}

static void a_value_cannot_split_the_answer(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    assert_int_equal(http_server_route(f->server, "test", "GET", "/evil",
                                       a_value_cannot_split_the_answer_handler, NULL,
                                       NULL),
                     0);
    struct fx_answer a;
    int fd = fx_connect(f);
    fx_send(fd, "GET /evil HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, fd, &a);
    assert_string_equal(fx_header(&a, "location"), "/a  X-Evil: 1");
    assert_null(fx_header(&a, "x-evil"));
    assert_string_equal(fx_header(&a, "content-length"), "1");
    assert_null(fx_header(&a, "transfer-encoding"));
    assert_string_equal(fx_header(&a, "connection"), "close");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fx_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_length_date_and_type),
        cmocka_unit_test(the_date_follows_the_clock),
        cmocka_unit_test(path_parameters_are_decoded),
        cmocka_unit_test(unknown_paths_and_methods_are_told_apart),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(connections_are_kept_alive),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(reading_stops_when_too_much_is_pipelined),
        cmocka_unit_test(a_client_that_reads_no_answers_is_not_served_without_end),
        cmocka_unit_test(chunked_requests_are_put_together),
        cmocka_unit_test(a_waiting_client_is_told_to_go_on),
        cmocka_unit_test(http_1_0_clients_are_served),
        cmocka_unit_test(the_client_may_ask_to_close),
        cmocka_unit_test(an_upgrade_is_ignored),
        cmocka_unit_test(large_texts_are_compressed_when_asked_for),
        cmocka_unit_test(head_tells_the_length_that_get_would_have),
        cmocka_unit_test(some_answers_are_never_compressed),
        cmocka_unit_test(compressed_requests_are_inflated_within_the_limit),
        cmocka_unit_test(error_bodies_and_fallbacks_are_a_listeners_own),
        cmocka_unit_test(listeners_have_routes_of_their_own),
        cmocka_unit_test(a_taken_address_is_named),
        cmocka_unit_test(a_value_cannot_split_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
