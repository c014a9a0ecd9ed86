/* Limits and time-outs of the server. */
#include "http_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define HOST "Host: x\r\n"

/* A request line with a target of exactly n bytes. */
static char *long_target(size_t n)
{
    char *request = malloc(n + 64);
    memset(request + 4, 'a', n);
    memcpy(request, "GET /", 5);
    strcpy(request + 4 + n, " HTTP/1.1\r\n" HOST "\r\n");
    return request;
}

static void a_long_target_is_414(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    char *request = long_target(16 * 1024);
    assert_int_equal(fx_status_of(f, request), 404);
    free(request);
    request = long_target(16 * 1024 + 1);
    assert_int_equal(fx_status_of(f, request), 414);
    free(request);
    fx_close(f);
}

static void large_headers_are_431(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.max_header_bytes = 100});
    char request[300];
    /* "Host" "x" "X" are 6 of the 100 */
    snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n",
             94, 0);
    assert_int_equal(fx_status_of(f, request), 200);
    snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n",
             95, 0);
    assert_int_equal(fx_status_of(f, request), 431);
    /* Trailers count too. */
    snprintf(request, sizeof(request),
             "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: "
             "%0*d\r\n\r\n",
             94, 0);
    assert_int_equal(fx_status_of(f, request), 431);
    fx_close(f);
}

static void many_headers_are_431(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.max_headers = 3});
    assert_int_equal(
        fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "A: b\r\nC: d\r\n\r\n"), 200);
    assert_int_equal(
        fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "A: b\r\nC: d\r\nE:\r\n\r\n"),
        431);
    fx_close(f);
}

static void a_large_body_is_refused_before_it_is_read(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.max_body = 10});
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST
                "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    fx_expect(f, fd, &a); /* and no 100 */
    assert_int_equal(a.status, 413);
    assert_string_equal(a.body,
                        "413 Payload Too Large: the body is larger than 10 bytes.");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fx_disconnect(f, fd);
    assert_int_equal(fx_status_of(f, "POST /echo HTTP/1.1\r\n" HOST
                                     "Transfer-Encoding: chunked\r\n\r\n"
                                     "A\r\n0123456789\r\n0\r\n\r\n"),
                     200);
    assert_int_equal(fx_status_of(f, "POST /echo HTTP/1.1\r\n" HOST
                                     "Transfer-Encoding: chunked\r\n\r\n"
                                     "A\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n"),
                     413);
    fx_close(f);
}

static void a_refused_client_that_keeps_sending_still_gets_its_answer(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    enum { SIZE = 20 * 1000 * 1000 };
    static char piece[50000];
    char head[128];
    snprintf(head, sizeof(head),
             "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", SIZE);
    fx_send(fd, head);
    for (size_t sent = 0; sent < SIZE;) { /* never looks at the answer meanwhile */
        ssize_t n = send(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        fx_turn(f, -1, 0);
    }
    struct fx_answer a;
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 413);
    fx_answer_release(&a);
    fx_close(f);
}

static void one_connection_too_many_is_told_so(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.max_connections = 2});
    int one = fx_connect(f);
    int two = fx_connect(f);
    int three = fx_connect(f);
    struct fx_answer a;
    fx_send(three, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, three, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(fx_header(&a, "connection"), "close");
    assert_string_equal(fx_header(&a, "retry-after"), "1");
    fx_answer_release(&a);
    fx_disconnect(f, three);
    int others[] = {one, two};
    for (int i = 0; i < 2; i++) {
        fx_send(others[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        fx_expect(f, others[i], &a);
        assert_int_equal(a.status, 200);
        fx_answer_release(&a);
    }
    fx_disconnect(f, one);
    for (;;) { /* until the server has seen that */
        struct http_server_stats stats;
        fx_turn(f, -1, 100);
        fx_stats(f, &stats);
        if (stats.connections_open < 2) {
            assert_int_equal(stats.connections_refused, 1);
            break;
        }
    }
    assert_int_equal(fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    fx_close(f);
}

static void a_slow_head_is_408(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.header_timeout_ms = 30});
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hello HTTP/1.1\r\nHost:");
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 408);
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fx_close(f);
}

static void a_drip_does_not_extend_the_head_time(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.header_timeout_ms = 60});
    int fd = fx_connect(f);
    const char *text =
        "GET /hello HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    char c;
    for (; recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0; text++) {
        assert_true(*text != '\0');
        (void)send(fd, text, 1, MSG_NOSIGNAL);
        fx_turn(f, fd, 5);
    }
    struct fx_answer a;
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 408);
    fx_answer_release(&a);
    fx_close(f);
}

static void a_stalled_body_is_408(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.body_timeout_ms = 30});
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 408);
    fx_answer_release(&a);
    struct http_server_stats stats;
    fx_stats(f, &stats);
    assert_int_equal(stats.timeouts, 1);
    fx_close(f);
}

static void idle_connections_are_closed_in_silence(void **state)
{
    (void)state;
    struct fx *f = fx_open(
        &(struct http_server_config){.idle_timeout_ms = 30, .header_timeout_ms = 30});
    int never_spoke = fx_connect(f);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, fd, &a);
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fx_expect_closed(f, never_spoke);
    struct http_server_stats stats;
    fx_stats(f, &stats);
    assert_int_equal(stats.timeouts, 0);
    fx_close(f);
}

static void a_working_handler_has_no_time_out(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){
        .idle_timeout_ms = 10, .header_timeout_ms = 10, .body_timeout_ms = 10});
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    fx_until(f, &f->calls, 1);
    uint64_t until = uv_hrtime() + 60 * 1000000ull;
    while (uv_hrtime() < until) {
        fx_turn(f, -1, 10);
    }
    fx_release(f);
    fx_expect(f, fd, &a);
    assert_int_equal(a.status, 200);
    fx_answer_release(&a);
    fx_close(f);
}

static void a_client_that_takes_nothing_is_cut(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.send_timeout_ms = 30});
    int fd = fx_connect(f);
    fx_send(fd, "GET /big?n=20000000 HTTP/1.1\r\n" HOST "\r\n");
    struct http_server_stats stats;
    do {
        fx_turn(f, -1, 100);
        fx_stats(f, &stats);
    } while (stats.timeouts == 0);
    assert_non_null(strstr(mu_buf_str(&f->log), "takes no more bytes"));
    fx_close(f);
}

static void a_slow_but_steady_client_gets_everything(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.send_timeout_ms = 1000});
    int fd = fx_connect(f);
    fx_send(fd, "GET /big?n=20000000 HTTP/1.1\r\n" HOST "\r\n");
    static char buf[300000]; /* per 20 ms: 1.3 s in all, and progress in each second */
    size_t got = 0;
    ssize_t n;
    do {
        fx_turn(f, -1, 0);
        poll(NULL, 0, 20); /* a client that takes its time */
        n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    } while (got < 20000000 && n != 0);
    assert_string_equal(mu_buf_str(&f->log), "");
    assert_true(got >= 20000000);
    fx_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_target_is_414),
        cmocka_unit_test(large_headers_are_431),
        cmocka_unit_test(many_headers_are_431),
        cmocka_unit_test(a_large_body_is_refused_before_it_is_read),
        cmocka_unit_test(a_refused_client_that_keeps_sending_still_gets_its_answer),
        cmocka_unit_test(one_connection_too_many_is_told_so),
        cmocka_unit_test(a_slow_head_is_408),
        cmocka_unit_test(a_drip_does_not_extend_the_head_time),
        cmocka_unit_test(a_stalled_body_is_408),
        cmocka_unit_test(idle_connections_are_closed_in_silence),
        cmocka_unit_test(a_working_handler_has_no_time_out),
        cmocka_unit_test(a_client_that_takes_nothing_is_cut),
        cmocka_unit_test(a_slow_but_steady_client_gets_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
