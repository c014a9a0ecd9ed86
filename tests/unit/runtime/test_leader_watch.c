/* Fast failover: what proves that the leader's process is gone, and what does not. The
 * leader is a socket of the test's, which says what it likes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "runtime/host.h"
#include "runtime/leader_watch.h"

struct fixture {
    struct test_host *th;
    struct leader_watch *w;
    int listener; /* of the leader; -1: closed */
    uint16_t port;
    int deposes, depose_status;
    char member[64], znode[64], proof[256];
};

static int on_depose(void *arg,
                     const struct mu_member *member,
                     const char *proof,
                     struct mu_error *err)
{
    struct fixture *x = arg;
    x->deposes++;
    snprintf(x->member, sizeof(x->member), "%s", member->id);
    snprintf(x->znode, sizeof(x->znode), "%s", member->znode);
    snprintf(x->proof, sizeof(x->proof), "%s", proof);
    return x->depose_status < 0 ? mu_fail(err, x->depose_status, "not now") : 0;
}

/* ---- the leader ---- */

static void leader_listen(struct fixture *x)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(x->port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(at);
    int on = 1;
    x->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(x->listener >= 0);
    setsockopt(x->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(x->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(x->listener, 16), 0);
    assert_int_equal(getsockname(x->listener, (struct sockaddr *)&at, &len), 0);
    x->port = ntohs(at.sin_port);
}

static void leader_deaf(struct fixture *x)
{
    close(x->listener);
    x->listener = -1;
}

/* A turn that sleeps until something is due, 10 ms at most. */
static void turn(struct fixture *x)
{
    bool never = false;
    (void)test_host_run_until(x->th, &never, 10);
}

/* The next connection, with its request read. */
static int leader_accept(struct fixture *x)
{
    int fd = -1;
    for (int i = 0; i < 2000 && fd < 0; i++) {
        fd = accept(x->listener, NULL, NULL);
        if (fd < 0) {
            turn(x);
        }
    }
    assert_true(fd >= 0);
    char request[2048];
    size_t len = 0;
    for (int i = 0; i < 2000; i++) {
        ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL) {
            break;
        }
        turn(x);
    }
    assert_int_equal(strncmp(request, "GET /api/v1/leader-watch HTTP/1.1\r\n", 35), 0);
    return fd;
}

static void leader_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

static void leader_answer(int fd, const char *id)
{
    char head[256];
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nMuster-Master-Id: %s\r\n"
             "Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n",
             id);
    leader_say(fd, head);
}

static void leader_reset(int fd)
{
    const struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

/* ---- the standby ---- */

static void name(struct fixture *x, const char *id, const char *znode)
{
    const struct mu_member m = {
        .struct_size = sizeof(m),
        .id = id,
        .hostname = "localhost",
        .ip = "127.0.0.1",
        .port = x->port,
        .znode = znode,
    };
    leader_watch_set(x->w, &m);
}

static struct fixture *open_fixture(uint64_t silence_ms, uint64_t answer_ms)
{
    struct fixture *x = MU_NEW(struct fixture);
    x->th = test_host_open();
    const struct leader_watch_config cfg = {.host = x->th->host,
                                            .self_id = "me",
                                            .depose = on_depose,
                                            .arg = x,
                                            .silence_ms = silence_ms,
                                            .answer_ms = answer_ms,
                                            .again_ms = 20};
    x->w = leader_watch_create(&cfg);
    leader_listen(x);
    return x;
}

static void wait_for_state(struct fixture *x, const char *state)
{
    for (int i = 0; i < 2000 && strcmp(leader_watch_state(x->w), state) != 0; i++) {
        turn(x);
    }
    assert_string_equal(leader_watch_state(x->w), state);
}

/* A stream to the leader "it" that is known to live. */
static int watched(struct fixture *x)
{
    name(x, "it", "json.info_0000000007");
    int fd = leader_accept(x);
    leader_answer(fd, "it");
    wait_for_state(x, "open");
    assert_int_equal(x->deposes, 0);
    return fd;
}

static void wait_for_depose(struct fixture *x, int at_least)
{
    for (int i = 0; i < 2000 && x->deposes < at_least; i++) {
        turn(x);
    }
    assert_true(x->deposes >= at_least);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_fixture(struct fixture *x)
{
    bool stopped = false;
    leader_watch_stop(x->w, set_flag, &stopped);
    assert_false(stopped);
    assert_true(test_host_run_until(x->th, &stopped, 10000));
    leader_watch_destroy(x->w);
    if (x->listener >= 0) {
        leader_deaf(x);
    }
    test_host_close(x->th);
    free(x);
}

/* ---- proofs ---- */

static void a_stream_that_ends_and_a_refused_connection_depose(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    leader_deaf(x);
    close(fd);
    wait_for_depose(x, 1);
    assert_string_equal(x->member, "it");
    assert_string_equal(x->znode, "json.info_0000000007");
    assert_string_equal(x->proof, "its stream has ended and a new connection is refused");
    close_fixture(x);
}

static void a_reset_stream_is_as_good_as_an_ended_one(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    leader_deaf(x);
    leader_reset(fd);
    wait_for_depose(x, 1);
    close_fixture(x);
}

static void another_master_at_its_port_deposes(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    close(fd);
    fd = leader_accept(x);
    leader_answer(fd, "its-successor");
    wait_for_depose(x, 1);
    assert_string_equal(x->member, "it");
    assert_string_equal(x->proof, "its port is answered by master its-successor");
    close(fd);
    close_fixture(x);
}

/* A process that dies closes its sockets one after another. */
static void a_connection_that_is_reset_is_tried_again_and_then_refused(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    close(fd);
    fd = leader_accept(x);
    leader_deaf(x);
    leader_reset(fd);
    wait_for_depose(x, 1);
    close_fixture(x);
}

static void the_znode_that_is_deposed_is_the_newest(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    name(x, "it", "json.info_0000000009"); /* the same process, in a new session */
    leader_deaf(x);
    close(fd);
    wait_for_depose(x, 1);
    assert_string_equal(x->znode, "json.info_0000000009");
    close_fixture(x);
}

static void what_could_not_be_deposed_is_deposed_again(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    x->depose_status = -EAGAIN;
    int fd = watched(x);
    leader_deaf(x);
    close(fd);
    wait_for_depose(x, 3);
    assert_string_equal(leader_watch_state(x->w), "deposed");
    leader_watch_set(x->w, NULL); /* the election has noticed */
    assert_string_equal(leader_watch_state(x->w), "idle");
    assert_int_equal(rt_host_timer_count(x->th->rt), 0);
    close_fixture(x);
}

/* ---- no proofs ---- */

static void the_same_master_at_its_port_lives(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    for (int i = 0, fd = watched(x); i < 3; i++) {
        close(fd);
        fd = leader_accept(x);
        leader_answer(fd, "it");
        wait_for_state(x, "open");
        if (i == 2) {
            close(fd);
        }
    }
    assert_int_equal(x->deposes, 0);
    close_fixture(x);
}

static void a_reset_or_empty_or_strange_answer_proves_nothing(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    close(watched(x));
    leader_reset(leader_accept(x));
    close(leader_accept(x));
    int fd = leader_accept(x);
    leader_say(fd, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    close(fd);
    fd = leader_accept(x);
    leader_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    close(fd);
    fd = leader_accept(x);
    leader_say(fd, "220 mail.example.org ESMTP\r\n");
    close(fd);
    close(leader_accept(x));
    assert_int_equal(x->deposes, 0);
    close_fixture(x);
}

static void silence_proves_nothing_of_a_master_that_answers_or_is_frozen(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(100, 1500);
    int silent = watched(x); /* alive, but nothing more comes */
    int fd = leader_accept(x);
    leader_answer(fd, "it");
    int again = leader_accept(x); /* silent again, and now it does not answer at all */
    int frozen = leader_accept(x);
    assert_int_equal(x->deposes, 0);
    close(silent);
    close(fd);
    close(again);
    close(frozen);
    leader_watch_set(x->w, NULL);
    close_fixture(x);
}

static void what_was_never_reached_is_never_deposed(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    leader_deaf(x);
    name(x, "it", "n"); /* refused from the start: the address may be wrong */
    wait_for_state(x, "paused");
    leader_listen(x); /* the same port */
    int fd = leader_accept(x);
    assert_int_equal(x->deposes, 0);
    leader_answer(fd, "somebody-else");
    close(leader_accept(x));
    close(fd);
    assert_int_equal(x->deposes, 0);
    close_fixture(x);
}

/* Two masters that advertise one address, in two networks. */
static void a_master_that_meets_itself_deposes_nobody(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    close(watched(x));
    int fd = leader_accept(x);
    leader_answer(fd, "me");
    close(leader_accept(x));
    close(fd);
    assert_int_equal(x->deposes, 0);
    close_fixture(x);
}

static void only_whom_the_election_names_is_watched(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    int fd = watched(x);
    leader_watch_set(x->w, NULL);
    assert_string_equal(leader_watch_state(x->w), "idle");
    leader_deaf(x);
    close(fd);
    turn(x);
    assert_string_equal(leader_watch_state(x->w), "idle");
    name(x, "me", "n"); /* itself */
    assert_string_equal(leader_watch_state(x->w), "idle");
    assert_int_equal(x->deposes, 0);
    close_fixture(x);
}

/* ---- the served end ---- */

struct heard {
    char id[64];
    bool beat, ended;
};

static void on_head(void *arg, int status, const struct mu_http_header *h, size_t n)
{
    struct heard *s = arg;
    assert_int_equal(status, 200);
    snprintf(s->id, sizeof(s->id), "%s", mu_http_header_get(h, n, "muster-master-id"));
}

static void on_piece(void *arg, const char *data, size_t len)
{
    struct heard *s = arg;
    assert_int_equal(len, 1);
    assert_int_equal(data[0], '\n');
    s->beat = true;
}

static void on_end(void *arg, const struct mu_http_answer *a)
{
    (void)a;
    struct heard *s = arg;
    s->ended = true;
}

static void whoever_watches_is_told_who_this_is_and_that_it_lives(void **state)
{
    (void)state;
    struct fixture *x = open_fixture(0, 0);
    assert_int_equal(leader_watch_start(x->w, NULL), 0);
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/leader-watch",
             (unsigned)test_host_listen(x->th, "master"));
    struct heard heard[2] = {0};
    struct mu_http_call *calls[2];
    for (size_t i = 0; i < 2; i++) {
        const struct mu_http_ask ask = {
            .struct_size = sizeof(ask),
            .method = "GET",
            .url = url,
            .on_headers = on_head,
            .on_data = on_piece,
            .on_done = on_end,
            .arg = &heard[i],
        };
        const struct mu_host *h = x->th->host;
        assert_int_equal(h->http_request(h, &ask, &calls[i], NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(test_host_run_until(x->th, &heard[i].beat, 10000));
        assert_string_equal(heard[i].id, "me");
    }
    x->th->host->http_cancel(calls[0]); /* the other one is ended by the master */
    assert_true(test_host_run_until(x->th, &heard[0].ended, 10000));
    bool stopped = false;
    leader_watch_stop(x->w, set_flag, &stopped);
    assert_true(test_host_run_until(x->th, &stopped, 10000));
    assert_false(heard[1].ended);
    leader_watch_destroy(x->w);
    assert_true(test_host_run_until(x->th, &heard[1].ended, 10000));
    leader_deaf(x);
    test_host_close(x->th);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_that_ends_and_a_refused_connection_depose),
        cmocka_unit_test(a_reset_stream_is_as_good_as_an_ended_one),
        cmocka_unit_test(another_master_at_its_port_deposes),
        cmocka_unit_test(a_connection_that_is_reset_is_tried_again_and_then_refused),
        cmocka_unit_test(the_znode_that_is_deposed_is_the_newest),
        cmocka_unit_test(what_could_not_be_deposed_is_deposed_again),
        cmocka_unit_test(the_same_master_at_its_port_lives),
        cmocka_unit_test(a_reset_or_empty_or_strange_answer_proves_nothing),
        cmocka_unit_test(silence_proves_nothing_of_a_master_that_answers_or_is_frozen),
        cmocka_unit_test(what_was_never_reached_is_never_deposed),
        cmocka_unit_test(a_master_that_meets_itself_deposes_nobody),
        cmocka_unit_test(only_whom_the_election_names_is_watched),
        cmocka_unit_test(whoever_watches_is_told_who_this_is_and_that_it_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
