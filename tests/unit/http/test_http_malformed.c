/* What the server does with bytes that are not a good request, and with good ones that
 * come in the worst pieces. */
#include "http_fixture.h"

#include <stdio.h>
#include <sys/socket.h>

#include "runtime/http_conn.h"

#define HOST "Host: x\r\n"

struct bad {
    int status;
    const char *request;
};

static const struct bad bad[] = {
    /* start line */
    {400, "\r\n \r\n"},
    {400, "FOO / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "get / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
    {400, "HTTP/1.1 200 OK\r\n\r\n"},
    {400, "GET / HTTX/1.1\r\n" HOST "\r\n"},
    {400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\xff HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET nowhere HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
    {400, "CONNECT host:1 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1\nHost: x\n\n"},
    {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
    {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
    {505, "GET / HTTP/0.9\r\n" HOST "\r\n"},
    {505, "GET / HTTP/9.9\r\n" HOST "\r\n"},
    {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    /* headers */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
    {400, "GET / HTTP/1.0\r\nHost: a,b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "No colon\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST ": no name\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X : blank before colon\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n " HOST "\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n\r\n"},
    /* framing */
    {400, "POST /echo HTTP/1.1\r\n" HOST
          "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
    {400,
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"},
    {400,
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3 3\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
    {400,
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n"},
    {413, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"},
    {400, "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {501, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {501, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc"},
    {400, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\n"},
    {400,
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"},
    {400, "POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"},
    {411, "POST /echo HTTP/1.0\r\n" HOST "\r\n"},
    {411, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"},
    {417, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: magic\r\n\r\n"},
};

/* Run every case over a socket of its own; cut > 0: in pieces of that size. */
static void try_all_bad(size_t cut)
{
    struct fx *f = fx_open(NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = fx_connect(f);
        struct fx_answer a;
        size_t len = strlen(bad[i].request);
        for (size_t at = 0; at < len; at += cut) {
            size_t piece = len - at < cut ? len - at : cut;
            /* It may have been refused, and closed, before its end. */
            (void)send(fd, bad[i].request + at, piece, MSG_NOSIGNAL);
            if (cut < len) {
                fx_turn(f, fd, 0);
            }
        }
        fx_expect(f, fd, &a);
        if (a.status != bad[i].status) {
            fail_msg("case %zu: %d instead of %d for:\n%s", i, a.status, bad[i].status,
                     bad[i].request);
        }
        char number[8];
        snprintf(number, sizeof(number), "%d ", a.status);
        assert_int_equal(strncmp(a.body, number, 4), 0);
        fx_answer_release(&a);
        fx_disconnect(f, fd);
    }
    assert_int_equal(f->calls, 0);
    assert_int_equal(fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    fx_close(f);
}

static void malformed_requests_get_their_status(void **state)
{
    (void)state;
    try_all_bad(SIZE_MAX / 2);
}

static void malformed_requests_in_single_bytes_get_the_same(void **state)
{
    (void)state;
    try_all_bad(1);
}

static void nothing_behind_a_malformed_request_is_served(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    fx_send(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"
                "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    struct fx_answer a;
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 200);
    fx_answer_release(&a);
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 400);
    assert_string_equal(fx_header(&a, "connection"), "close");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    assert_int_equal(f->calls, 1);
    fx_close(f);
}

static const char *const good[] = {
    "GET /hello HTTP/1.1\r\n" HOST "\r\n",
    "\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "X-Empty:\r\nX-Fold: a\r\n b\r\n\r\n",
    "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab\r\nc",
    "POST /echo HTTP/1.1\r\n" HOST
    "Transfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nab\r\n3\r\n\r\nc\r\n0\r\nT: "
    "t\r\n\r\n",
    "GET /params/%61/b/c?d=e HTTP/1.1\r\n" HOST "\r\n",
};

static const char *const good_bodies[] = {"hello\n", "hello\n", "ab\r\nc", "ab\r\nc",
                                          "a|b/c?d=e"};

static void check_good(struct fx *f, int fd, size_t i)
{
    struct fx_answer a;
    fx_expect(f, fd, &a);
    if (a.status != 200 || strcmp(a.body, good_bodies[i]) != 0) {
        fail_msg("case %zu: %d '%s'", i, a.status, a.body);
    }
    fx_answer_release(&a);
}

static void requests_survive_a_split_at_every_byte(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t len = strlen(good[i]);
        int fd = fx_connect(f); /* kept alive through all splits */
        for (size_t at = 1; at < len; at++) {
            struct http_server_stats stats;
            fx_stats(f, &stats);
            fx_send_bytes(fd, good[i], at);
            fx_until_read(f, stats.bytes_in + at);
            fx_send_bytes(fd, good[i] + at, len - at);
            check_good(f, fd, i);
        }
        fx_disconnect(f, fd);
    }
    fx_close(f);
}

static void requests_survive_single_bytes(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        for (const char *p = good[i]; *p != '\0'; p++) {
            struct http_server_stats stats;
            fx_stats(f, &stats);
            fx_send_bytes(fd, p, 1);
            fx_until_read(f, stats.bytes_in + 1);
        }
        check_good(f, fd, i);
    }
    fx_close(f);
}

static void all_requests_in_one_piece_are_answered(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct mu_buf all;
    mu_buf_init(&all, 65536);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        mu_buf_puts(&all, good[i]);
    }
    for (int i = 0; i < 3; i++) {
        fx_send_bytes(fd, all.data, all.len);
        for (size_t k = 0; k < sizeof(good) / sizeof(good[0]); k++) {
            check_good(f, fd, k);
        }
    }
    mu_buf_release(&all);
    fx_close(f);
}

/* ---- without a socket ---- */

static void collect(void *arg, const char *data, size_t len)
{
    assert_int_equal(mu_buf_append(arg, data, len), 0);
}

static void the_answer_does_not_depend_on_how_the_input_is_cut(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    struct mu_buf all;
    mu_buf_init(&all, 65536);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        mu_buf_puts(&all, good[i]);
    }
    mu_buf_puts(&all, "GET / HTTP/1.1\r\nbad header\r\n\r\n");
    struct mu_buf want;
    mu_buf_init(&want, 65536);
    for (size_t cut = all.len; cut > 0; cut--) {
        struct mu_buf got;
        mu_buf_init(&got, 65536);
        struct http_conn *c = http_conn_open_detached(f->server, "test", collect, &got);
        http_conn_feed(c, all.data, cut);
        http_conn_feed(c, all.data + cut, all.len - cut);
        http_conn_close(c);
        fx_turn(f, -1, 0);
        if (want.len == 0) {
            mu_buf_append(&want, got.data, got.len);
        }
        assert_string_equal(got.data, want.data);
        mu_buf_release(&got);
    }
    assert_non_null(strstr(want.data, "HTTP/1.1 400 Bad Request\r\n"));
    mu_buf_release(&want);
    mu_buf_release(&all);
    fx_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_get_their_status),
        cmocka_unit_test(malformed_requests_in_single_bytes_get_the_same),
        cmocka_unit_test(nothing_behind_a_malformed_request_is_served),
        cmocka_unit_test(requests_survive_a_split_at_every_byte),
        cmocka_unit_test(requests_survive_single_bytes),
        cmocka_unit_test(all_requests_in_one_piece_are_answered),
        cmocka_unit_test(the_answer_does_not_depend_on_how_the_input_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
