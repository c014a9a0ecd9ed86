/* Streams, disconnects, back-pressure, and the server's orderly stop. */
#include "http_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <zlib.h>

#define HOST "Host: x\r\n"

static int open_stream(struct fx *f, const char *path)
{
    char request[128];
    int fd = fx_connect(f);
    int before = f->calls;
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    fx_send(fd, request);
    fx_until(f, &f->calls, before + 1);
    return fd;
}

static void stream_pieces_arrive_as_chunks(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/stream");
    struct fx_answer a;
    fx_expect_head(f, fd, &a); /* at once, before any piece */
    assert_int_equal(a.status, 200);
    assert_string_equal(fx_header(&a, "transfer-encoding"), "chunked");
    assert_int_equal(http_exchange_stream_write(f->held, "one", 3), 0);
    assert_int_equal(http_exchange_stream_write(f->held, "", 0), 0); /* not the end */
    assert_int_equal(http_exchange_stream_write(f->held, "two", 3), 0);
    char got[64] = "";
    size_t n = 0;
    while (n < 16) {
        ssize_t more = recv(fd, got + n, sizeof(got) - n, MSG_DONTWAIT);
        n += more > 0 ? (size_t)more : 0;
        fx_turn(f, fd, 100);
    }
    assert_string_equal(got, "3\r\none\r\n3\r\ntwo\r\n");
    http_exchange_stream_end(f->held);
    fx_send(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* still alive */
    memset(got, 0, sizeof(got));
    while (recv(fd, got, 5, MSG_DONTWAIT) < 0) {
        fx_turn(f, fd, 100);
    }
    assert_string_equal(got, "0\r\n\r\n");
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    assert_int_equal(f->closed, 0);
    fx_close(f);
}

static void a_clients_end_is_noticed_at_once(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/stream");
    fx_disconnect(f, fd);
    assert_int_equal(f->closed, 0);
    fx_until(f, &f->closed, 1);
    assert_null(f->held);
    /* The same with a reset, and for an answer that was not begun. */
    fd = open_stream(f, "/hold");
    fx_watch_close(f);
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    fx_disconnect(f, fd);
    fx_until(f, &f->closed, 2);
    assert_int_equal(f->closed, 2);
    fx_close(f);
}

static void writing_to_a_gone_client_is_epipe_and_close_follows(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/stream");
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    fx_disconnect(f, fd); /* the loop has not turned: the server cannot know yet */
    char *piece = calloc(1, 100000);
    int status = 0;
    for (int i = 0; i < 10 && status == 0; i++) {
        status = http_exchange_stream_write(f->held, piece, 100000);
    }
    free(piece);
    assert_int_equal(status, -EPIPE);
    assert_int_equal(f->closed, 0); /* never inline */
    assert_int_equal(http_exchange_stream_write(f->held, "x", 1), -EPIPE);
    fx_until(f, &f->closed, 1);
    fx_close(f);
}

static void a_slow_reader_is_disconnected(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.stream_bound_bytes = 100000});
    int fd = open_stream(f, "/stream");
    int status = 0;
    size_t written = 0;
    char piece[1000];
    memset(piece, 'x', sizeof(piece));
    while (status == 0) {
        status = http_exchange_stream_write(f->held, piece, sizeof(piece));
        written += sizeof(piece);
        assert_true(written < 100 * 1000 * 1000);
        if (written % 50000 == 0) {
            fx_turn(f, -1, 0);
        }
    }
    assert_int_equal(status, -E2BIG);
    assert_int_equal(f->closed, 0);
    assert_int_equal(http_exchange_stream_write(f->held, piece, 1), -EPIPE);
    fx_until(f, &f->closed, 1);
    struct http_server_stats stats;
    fx_stats(f, &stats);
    assert_int_equal(stats.slow_readers, 1);
    assert_non_null(strstr(mu_buf_str(&f->log), "path=/stream"));
    size_t len;
    free(fx_read_all(f, fd, &len));
    assert_true(len < written); /* cut, not completed */
    fx_close(f);
}

static void a_single_large_piece_is_taken(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.stream_bound_bytes = 1000});
    int fd = open_stream(f, "/stream");
    size_t size = 5000000;
    char *piece = malloc(size);
    memset(piece, 'y', size);
    struct fx_answer a;
    fx_expect_head(f, fd, &a);
    assert_int_equal(http_exchange_stream_write(f->held, piece, size), 0);
    free(piece);
    http_exchange_stream_end(f->held);
    struct mu_buf got;
    mu_buf_init(&got, 10000000);
    while (got.len < 7 || memcmp(got.data + got.len - 7, "\r\n0\r\n\r\n", 7) != 0) {
        char *room = mu_buf_reserve(&got, 65536);
        ssize_t n = recv(fd, room, 65536, MSG_DONTWAIT);
        got.len += n > 0 ? (size_t)n : 0;
        fx_turn(f, fd, n > 0 ? 0 : 100);
    }
    assert_int_equal(got.len, strlen("4c4b40\r\n") + size + 7);
    mu_buf_release(&got);
    fx_close(f);
}

/* ---- drain ---- */

struct producer {
    struct fx *f;
    size_t left;
    int done, rounds, status;
};

static void produce(void *arg)
{
    struct producer *p = arg;
    static char piece[10000];
    memset(piece, 'p', sizeof(piece));
    p->rounds++;
    for (int i = 0; i < 5 && p->left > 0; i++) {
        p->status = http_exchange_stream_write(p->f->held, piece, sizeof(piece));
        if (p->status < 0) {
            http_exchange_stream_end(p->f->held);
            p->done = 1;
            return;
        }
        p->left -= sizeof(piece);
    }
    if (p->left == 0) {
        http_exchange_stream_end(p->f->held);
        p->done = 1;
        return;
    }
    http_exchange_stream_drain(p->f->held, 20000, produce, p);
}

static void drain_lets_a_long_answer_pass_a_small_bound(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.stream_bound_bytes = 100000});
    int fd = open_stream(f, "/bounded");
    struct producer p = {.f = f, .left = 20000000};
    int before = p.rounds;
    http_exchange_stream_drain(f->held, 1, produce, &p);
    assert_int_equal(p.rounds, before); /* never inline */
    struct fx_answer a;
    fx_expect(f, fd, &a);
    assert_int_equal(a.body_len, 20000000);
    assert_int_equal(p.done, 1);
    assert_true(p.rounds >= 400);
    fx_answer_release(&a);
    fx_close(f);
}

static void drain_tells_an_unwatched_writer_that_the_client_is_gone(void **state)
{
    (void)state;
    struct fx *f = fx_open(&(struct http_server_config){.stream_bound_bytes = 100000});
    int fd = open_stream(f, "/bounded");
    struct producer p = {.f = f, .left = 200000000};
    produce(&p);
    while (p.rounds < 20) {
        char buf[4096];
        (void)recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        fx_turn(f, -1, 1);
    }
    fx_disconnect(f, fd);
    fx_until(f, &p.done, 1);
    assert_int_equal(p.status, -EPIPE);
    fx_close(f);
}

/* ---- answers that are not completed ---- */

/* Sends pieces of a finite answer, lets the client have them, aborts. */
static int begin_and_abort(struct fx *f, const char *version, const char *header)
{
    char request[128];
    int fd = fx_connect(f);
    int before = f->calls;
    snprintf(request, sizeof(request), "GET /bounded %s\r\n" HOST "%s\r\n", version,
             header);
    fx_send(fd, request);
    fx_until(f, &f->calls, before + 1);
    fx_watch_close(f);
    static const char piece[40000]; /* more than is gathered */
    assert_int_equal(http_exchange_stream_write(f->held, piece, sizeof(piece)), 0);
    fx_turn(f, -1, 1);
    http_exchange_stream_abort(f->held);
    f->held = NULL;
    return fd;
}

static void an_aborted_stream_has_no_last_chunk(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    for (int packed = 0; packed < 2; packed++) {
        int fd =
            begin_and_abort(f, "HTTP/1.1", packed ? "Accept-Encoding: gzip\r\n" : "");
        size_t len;
        char *all = fx_read_all(f, fd, &len); /* to the end of the connection */
        assert_non_null(strstr(all, "Transfer-Encoding: chunked"));
        assert_true(len < 7 || memcmp(all + len - 7, "\r\n0\r\n\r\n", 7) != 0);
        free(all);
    }
    assert_int_equal(f->closed, 0); /* whoever aborts is not told */
    fx_close(f);
}

/* Without chunks the end of the connection is the end of the answer: it must not look
 * like one. */
static void an_aborted_stream_without_chunks_is_reset(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = begin_and_abort(f, "HTTP/1.0", "");
    ssize_t n = 1;
    char got[4096];
    while (n > 0 || (n < 0 && errno == EAGAIN)) {
        fx_turn(f, fd, 100);
        n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
    }
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(f->closed, 0);
    fx_close(f);
}

/* ---- compression ---- */

static void bounded_streams_are_compressed_when_asked_for(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    fx_send(fd, "GET /bounded HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    fx_until(f, &f->calls, 1);
    for (int i = 0; i < 1000; i++) {
        char piece[300];
        int n = snprintf(piece, sizeof(piece), "%0250d\n", i);
        assert_int_equal(http_exchange_stream_write(f->held, piece, (size_t)n), 0);
    }
    http_exchange_stream_end(f->held);
    struct fx_answer a;
    fx_expect(f, fd, &a);
    assert_string_equal(fx_header(&a, "content-encoding"), "gzip");
    static char text[300000];
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)a.body;
    z.avail_in = (uInt)a.body_len;
    z.next_out = (Bytef *)text;
    z.avail_out = sizeof(text);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, 251000);
    inflateEnd(&z);
    assert_memory_equal(text + 251000 - 4, "999\n", 4);
    fx_answer_release(&a);
    fx_close(f);
}

static void endless_streams_are_never_compressed(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /stream HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    fx_expect_head(f, fd, &a);
    assert_null(fx_header(&a, "content-encoding"));
    fx_close(f);
}

static void a_stream_for_head_has_no_body(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "HEAD /bounded HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    fx_until(f, &f->calls, 1);
    assert_int_equal(http_exchange_stream_write(f->held, "text", 4), 0);
    http_exchange_stream_end(f->held);
    fx_send(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect_head(f, fd, &a);
    assert_string_equal(fx_header(&a, "transfer-encoding"), "chunked");
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    fx_close(f);
}

/* ---- clients that go before the answer ---- */

static void a_half_closed_client_still_gets_its_answer(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = fx_connect(f);
    struct fx_answer a;
    fx_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n"
                "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    fx_until(f, &f->calls, 1);
    fx_turn(f, -1, 0);
    fx_release(f);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "held\n");
    fx_answer_release(&a);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "hello\n");
    fx_answer_release(&a);
    fx_expect_closed(f, fd);
    fx_close(f);
}

static void a_half_closed_client_still_gets_a_finite_stream(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    for (int begun_first = 0; begun_first < 2; begun_first++) {
        int fd = fx_connect(f);
        struct fx_answer a;
        int before = f->calls;
        fx_send(fd, begun_first ? "GET /bounded HTTP/1.1\r\n" HOST "\r\n"
                                : "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        fx_until(f, &f->calls, before + 1);
        shutdown(fd, SHUT_WR);
        for (int i = 0; i < 5; i++) {
            fx_turn(f, -1, 1);
        }
        if (!begun_first) {
            http_exchange_stream_begin(f->held, 200, NULL, 0, true);
        }
        assert_int_equal(http_exchange_stream_write(f->held, "all", 3), 0);
        fx_turn(f, -1, 1);
        http_exchange_stream_end(f->held);
        fx_expect(f, fd, &a);
        assert_string_equal(a.body, "all");
        fx_answer_release(&a);
        fx_expect_closed(f, fd);
    }
    /* An endless one is over as soon as it begins. */
    int fd = open_stream(f, "/hold");
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 5; i++) {
        fx_turn(f, -1, 1);
    }
    http_exchange_stream_begin(f->held, 200, NULL, 0, false);
    fx_watch_close(f);
    fx_until(f, &f->closed, 1);
    fx_close(f);
}

static void watching_late_tells_that_the_client_is_gone(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/hold");
    fx_disconnect(f, fd);
    for (int i = 0; i < 5; i++) {
        fx_turn(f, -1, 1);
    }
    fx_watch_close(f);
    assert_int_equal(f->closed, 0);
    fx_until(f, &f->closed, 1);
    /* And after the connection itself is gone. */
    fd = open_stream(f, "/hold");
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    fx_disconnect(f, fd);
    struct http_server_stats stats;
    do {
        fx_turn(f, -1, 10);
        fx_stats(f, &stats);
    } while (stats.connections_open > 0);
    fx_watch_close(f);
    assert_int_equal(f->closed, 1);
    fx_until(f, &f->closed, 2);
    fx_close(f);
}

static void an_answer_for_a_gone_client_is_dropped(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/hold");
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    fx_disconnect(f, fd);
    struct http_server_stats stats;
    do {
        fx_turn(f, -1, 10);
        fx_stats(f, &stats);
    } while (stats.connections_open > 0);
    fx_release(f);
    assert_int_equal(fx_status_of(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    fx_close(f);
}

static void on_close_may_clean_up_the_stream(void *arg)
{
    struct fx *f = arg;
    assert_int_equal(http_exchange_stream_write(f->held, "x", 1), -EPIPE);
    http_exchange_stream_end(f->held);
    f->closed++;
}

static void calls_inside_of_on_close_are_harmless(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/stream");
    http_exchange_on_close(f->held, on_close_may_clean_up_the_stream, f);
    fx_disconnect(f, fd);
    fx_until(f, &f->closed, 1);
    fx_close(f);
}

/* ---- stop ---- */

static void until_stopped(struct fx *f)
{
    uint64_t until = uv_hrtime() + FX_WAIT_MS * 1000000ull;
    while (!f->stopped) {
        assert_true(uv_hrtime() < until);
        fx_turn(f, -1, 100);
    }
}

static void stop_closes_idle_connections_and_ends_streams(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int idle = fx_connect(f);
    struct fx_answer a;
    fx_send(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    fx_expect(f, idle, &a);
    fx_answer_release(&a);
    int fd = open_stream(f, "/stream");
    assert_int_equal(http_exchange_stream_write(f->held, "abc", 3), 0);
    fx_stop(f, 60000);
    assert_int_equal(f->closed, 0); /* never inline */
    until_stopped(f);
    assert_int_equal(f->closed, 1);
    fx_expect_closed(f, idle);
    fx_expect(f, fd, &a); /* ended in order */
    assert_string_equal(a.body, "abc");
    fx_answer_release(&a);
    fx_close(f);
}

static void stop_lets_running_requests_finish(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int reading = fx_connect(f);
    fx_send(reading, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\na");
    int fd = open_stream(f, "/hold");
    fx_stop(f, 60000);
    for (int i = 0; i < 5; i++) {
        fx_turn(f, -1, 1);
    }
    assert_false(f->stopped);
    struct fx_answer a;
    fx_release(f);
    fx_expect(f, fd, &a);
    assert_string_equal(a.body, "held\n");
    assert_string_equal(fx_header(&a, "connection"), "close");
    fx_answer_release(&a);
    fx_send(reading, "b");
    fx_expect(f, reading, &a);
    assert_string_equal(a.body, "ab");
    fx_answer_release(&a);
    until_stopped(f);
    fx_close(f);
}

static void stop_ends_what_takes_longer_than_the_grace(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/hold");
    fx_watch_close(f);
    fx_stop(f, 20);
    fx_until(f, &f->closed, 1);
    until_stopped(f);
    fx_expect_closed(f, fd);
    fx_close(f);
}

static void stop_does_not_wait_for_an_answer_nobody_can_get(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    (void)open_stream(f, "/hold"); /* neither answered nor watched */
    fx_stop(f, 0);
    until_stopped(f);
    fx_close(f);
}

static void no_connection_is_taken_after_stop(void **state)
{
    (void)state;
    struct fx *f = fx_open(NULL);
    int fd = open_stream(f, "/hold");
    fx_stop(f, 60000);
    fx_turn(f, -1, 0);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(late, (struct sockaddr *)&addr, sizeof(addr)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    fx_release(f);
    fx_expect_head(f, fd, &(struct fx_answer){0});
    until_stopped(f);
    fx_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_pieces_arrive_as_chunks),
        cmocka_unit_test(a_clients_end_is_noticed_at_once),
        cmocka_unit_test(writing_to_a_gone_client_is_epipe_and_close_follows),
        cmocka_unit_test(a_slow_reader_is_disconnected),
        cmocka_unit_test(a_single_large_piece_is_taken),
        cmocka_unit_test(drain_lets_a_long_answer_pass_a_small_bound),
        cmocka_unit_test(drain_tells_an_unwatched_writer_that_the_client_is_gone),
        cmocka_unit_test(an_aborted_stream_has_no_last_chunk),
        cmocka_unit_test(an_aborted_stream_without_chunks_is_reset),
        cmocka_unit_test(bounded_streams_are_compressed_when_asked_for),
        cmocka_unit_test(endless_streams_are_never_compressed),
        cmocka_unit_test(a_stream_for_head_has_no_body),
        cmocka_unit_test(a_half_closed_client_still_gets_its_answer),
        cmocka_unit_test(a_half_closed_client_still_gets_a_finite_stream),
        cmocka_unit_test(watching_late_tells_that_the_client_is_gone),
        cmocka_unit_test(an_answer_for_a_gone_client_is_dropped),
        cmocka_unit_test(calls_inside_of_on_close_are_harmless),
        cmocka_unit_test(stop_closes_idle_connections_and_ends_streams),
        cmocka_unit_test(stop_lets_running_requests_finish),
        cmocka_unit_test(stop_ends_what_takes_longer_than_the_grace),
        cmocka_unit_test(stop_does_not_wait_for_an_answer_nobody_can_get),
        cmocka_unit_test(no_connection_is_taken_after_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
