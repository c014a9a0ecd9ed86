/* The HTTP client's connections: kept ones that have died, names with several addresses,
 * answers cut at each byte; and https, which is libcurl's. */
#include "http_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/alloc.h"
#include "runtime/http_client.h"

/* A server of raw bytes beside the fixture's, and a client. */
struct wire {
    struct fx *f;
    struct http_client *client;
    int listener, client_closed;
    uint16_t port;
};

struct got {
    int done, status, pieces;
    char error[256];
    struct mu_buf body;
};

static struct wire *wire_open(void)
{
    struct wire *w = MU_NEW(struct wire);
    w->f = fx_open(NULL);
    assert_int_equal(http_client_create(w->f->loop, NULL, &w->client, NULL), 0);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(addr);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(w->listener, 8), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&addr, &len), 0);
    w->port = ntohs(addr.sin_port);
    return w;
}

static void on_client_closed(void *arg)
{
    ((struct wire *)arg)->client_closed++;
}

static void wire_close(struct wire *w)
{
    http_client_close(w->client, on_client_closed, w);
    fx_until(w->f, &w->client_closed, 1);
    close(w->listener);
    fx_close(w->f);
    free(w);
}

static void on_done(void *arg, const struct mu_http_answer *a)
{
    struct got *g = arg;
    g->done++;
    g->status = a->status;
    snprintf(g->error, sizeof(g->error), "%s",
             a->error_text != NULL ? a->error_text : "");
    assert_int_equal(mu_buf_append(&g->body, a->body, a->body_len), 0);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct got *g = arg;
    g->pieces++;
    assert_int_equal(mu_buf_append(&g->body, data, len), 0);
}

static void ask_url(struct wire *w, struct got *g, const char *url, bool is_stream)
{
    *g = (struct got){0};
    mu_buf_init(&g->body, 1 << 20);
    const struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "POST",
        .url = url,
        .body = "question",
        .body_len = 8,
        .on_data = is_stream ? on_data : NULL,
        .on_done = on_done,
        .arg = g,
    };
    struct mu_error err;
    if (http_client_request(w->client, &ask, NULL, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void ask(struct wire *w, struct got *g)
{
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", (unsigned)w->port);
    ask_url(w, g, url, false);
}

static int wire_accept(struct wire *w)
{
    int fd = -1;
    while (fd < 0) {
        fx_turn(w->f, w->listener, 100);
        fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    return fd;
}

/* The whole request, by its body. */
static void wire_read(struct wire *w, int fd)
{
    char text[4096];
    size_t len = 0;
    while (memmem(text, len, "question", 8) == NULL) {
        fx_turn(w->f, fd, 100);
        ssize_t n = read(fd, text + len, sizeof(text) - len);
        assert_int_not_equal(n, 0);
        len += n > 0 ? (size_t)n : 0;
    }
}

static const char *const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* One good exchange; returns the connection, which the client keeps. */
static int first_exchange(struct wire *w)
{
    struct got g;
    ask(w, &g);
    int fd = wire_accept(w);
    wire_read(w, fd);
    fx_send(fd, good);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    return fd;
}

static void a_kept_connection_that_dies_under_the_request_is_replaced(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    int old = first_exchange(w);
    struct got g;
    ask(w, &g);
    wire_read(w, old); /* sent on the kept one */
    close(old);
    int fd = wire_accept(w);
    wire_read(w, fd); /* and again, whole */
    fx_send(fd, good);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    close(fd);
    wire_close(w);
}

static void a_request_is_not_repeated_once_an_answer_has_begun(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    int old = first_exchange(w);
    struct got g;
    ask(w, &g);
    wire_read(w, old);
    fx_send(old, "HTTP/1.1 2");
    shutdown(old, SHUT_WR);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, -ECONNRESET);
    mu_buf_release(&g.body);
    close(old);
    wire_close(w);
}

static void a_request_is_not_repeated_on_a_new_connection(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    struct got g;
    ask(w, &g);
    int fd = wire_accept(w);
    wire_read(w, fd);
    close(fd);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, -ECONNRESET);
    assert_non_null(strstr(g.error, "/x: the connection ended without an answer"));
    mu_buf_release(&g.body);
    wire_close(w);
}

static void a_connection_with_more_than_was_asked_for_is_not_kept(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    struct got g;
    ask(w, &g);
    int fd = wire_accept(w);
    wire_read(w, fd);
    fx_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
    fx_until(w->f, &g.done, 1);
    assert_string_equal(mu_buf_str(&g.body), "ok");
    mu_buf_release(&g.body);
    ask(w, &g);
    int other = wire_accept(w);
    wire_read(w, other);
    fx_send(other, good);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    close(fd);
    close(other);
    wire_close(w);
}

static void an_answer_may_come_in_any_pieces(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\nX-Empty:\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nTrailer: t\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
    };
    for (size_t i = 0; i < 2; i++) {
        struct wire *w = wire_open();
        int fd = -1;
        for (size_t cut = 1; cut < strlen(answers[i]); cut++) {
            struct got g;
            ask(w, &g);
            fd = fd < 0 ? wire_accept(w) : fd;
            wire_read(w, fd);
            fx_send_bytes(fd, answers[i], cut);
            fx_turn(w->f, -1, 1);
            assert_int_equal(g.done, 0);
            fx_send(fd, answers[i] + cut);
            fx_until(w->f, &g.done, 1);
            assert_int_equal(g.status, 200);
            assert_string_equal(mu_buf_str(&g.body), "abcdef");
            mu_buf_release(&g.body);
        }
        close(fd);
        wire_close(w);
    }
}

/* localhost may be ::1 first, where nobody listens. */
static void a_name_is_looked_up_and_its_addresses_tried(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    struct got g;
    char url[64];
    snprintf(url, sizeof(url), "http://localhost:%u/x", (unsigned)w->port);
    ask_url(w, &g, url, false);
    int fd = wire_accept(w);
    wire_read(w, fd);
    fx_send(fd, good);
    fx_until(w->f, &g.done, 1);
    assert_int_equal(g.status, 200);
    mu_buf_release(&g.body);
    close(fd);
    wire_close(w);
}

static void a_look_up_can_be_cancelled(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    for (int turns = 0; turns < 4; turns++) {
        struct got g = {0};
        mu_buf_init(&g.body, 1024);
        const struct mu_http_ask ask = {.struct_size = sizeof(ask),
                                        .method = "GET",
                                        .url = "http://localhost:1/",
                                        .on_done = on_done,
                                        .arg = &g};
        struct mu_http_call *call;
        assert_int_equal(http_client_request(w->client, &ask, &call, NULL), 0);
        for (int i = 0; i < turns && !g.done; i++) {
            uv_run(w->f->loop, UV_RUN_NOWAIT);
        }
        if (!g.done) {
            http_client_cancel(call);
            fx_until(w->f, &g.done, 1);
            assert_int_equal(g.status, -ECANCELED);
        }
        mu_buf_release(&g.body);
    }
    wire_close(w);
}

static void https_is_spoken_by_libcurl(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    struct got g;
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", (unsigned)w->port);
    ask_url(w, &g, url, true);
    int fd = wire_accept(w);
    char hello[3] = "";
    while (read(fd, hello, 3) < 3) {
        fx_turn(w->f, fd, 100);
    }
    assert_int_equal(hello[0], 22); /* a TLS handshake, version 3.x */
    assert_int_equal(hello[1], 3);
    fx_send(fd, good); /* which is none */
    fx_until(w->f, &g.done, 1);
    assert_true(g.status < 0);
    assert_non_null(strstr(g.error, "https://127.0.0.1"));
    assert_int_equal(g.pieces, 0);
    mu_buf_release(&g.body);
    close(fd);
    wire_close(w);
}

static void https_is_cancelled_by_close(void **state)
{
    (void)state;
    struct wire *w = wire_open();
    struct got g;
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", (unsigned)w->port);
    ask_url(w, &g, url, false);
    int fd = wire_accept(w);
    http_client_close(w->client, on_client_closed, w);
    assert_int_equal(g.done, 0);
    fx_until(w->f, &w->client_closed, 1);
    assert_int_equal(g.done, 1);
    assert_int_equal(g.status, -ECANCELED);
    mu_buf_release(&g.body);
    close(fd);
    close(w->listener);
    fx_close(w->f);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_connection_that_dies_under_the_request_is_replaced),
        cmocka_unit_test(a_request_is_not_repeated_once_an_answer_has_begun),
        cmocka_unit_test(a_request_is_not_repeated_on_a_new_connection),
        cmocka_unit_test(a_connection_with_more_than_was_asked_for_is_not_kept),
        cmocka_unit_test(an_answer_may_come_in_any_pieces),
        cmocka_unit_test(a_name_is_looked_up_and_its_addresses_tried),
        cmocka_unit_test(a_look_up_can_be_cancelled),
        cmocka_unit_test(https_is_spoken_by_libcurl),
        cmocka_unit_test(https_is_cancelled_by_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
