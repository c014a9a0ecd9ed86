/* The agent's end of the link: whom it tries, and when. Masters are two listeners of this
 * process that keep a stream open, or name each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "runtime/link_client.h"

struct fixture;

struct fake_master {
    struct fixture *x;
    char address[32];
    const char *redirect; /* NULL: opens the stream */
    struct mu_http_exchange *stream;
    int asked;
};

struct fixture {
    struct test_host *th;
    struct link_client *client;
    struct fake_master a, b;
    uint64_t link; /* of the last up */
    int ups, downs;
    bool happened; /* something to look at */
};

static void on_gone(void *arg)
{
    struct fake_master *m = arg;
    m->stream = NULL;
    m->x->happened = true;
}

static void
on_call(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    (void)req;
    struct fake_master *m = arg;
    const struct mu_host *h = m->x->th->host;
    m->asked++;
    m->x->happened = true;
    if (m->redirect != NULL) {
        char location[64];
        snprintf(location, sizeof(location), "http://%s/api/v1/agent-link", m->redirect);
        const struct mu_http_header headers[] = {{"Location", location}};
        h->http_reply(x, 307, headers, 1, NULL, 0);
        return;
    }
    const struct mu_http_header headers[] = {{"Mesos-Stream-Id", "s"}};
    h->http_on_close(x, on_gone, m);
    h->http_stream_begin(x, 200, headers, 1, false);
    m->stream = x;
}

static void on_up(void *arg, uint64_t link)
{
    struct fixture *x = arg;
    x->ups++;
    x->link = link;
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_REGISTER);
    link_client_send(x->client, link, &m);
    mu_msg_release(&m);
}

static void on_down(void *arg, uint64_t link, const char *why)
{
    (void)link;
    assert_non_null(why);
    struct fixture *x = arg;
    x->downs++;
    x->happened = true;
}

static void on_message(void *arg, uint64_t link, const struct mu_msg *msg)
{
    (void)arg;
    (void)link;
    (void)msg;
    fail_msg("no master sends anything here");
}

static const struct link_client_events events = {on_up, on_down, on_message};

static void listen_as(struct fixture *x, struct fake_master *m, const char *listener)
{
    m->x = x;
    assert_int_equal(x->th->host->http_route(x->th->host, listener, "POST",
                                             "/api/v1/agent-link", on_call, m, NULL),
                     0);
    snprintf(m->address, sizeof(m->address), "127.0.0.1:%u",
             (unsigned)test_host_listen(x->th, listener));
}

static struct fixture *open_fixture(void)
{
    struct fixture *x = MU_NEW(struct fixture);
    x->th = test_host_open();
    listen_as(x, &x->a, "master");
    listen_as(x, &x->b, "agent");
    x->client = link_client_create(x->th->host, &events, x);
    return x;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_fixture(struct fixture *x)
{
    bool stopped = false;
    link_client_stop(x->client, set_flag, &stopped);
    assert_true(test_host_run_until(x->th, &stopped, 5000));
    link_client_destroy(x->client);
    test_host_close(x->th);
    free(x);
}

static void wait_for_stream(struct fixture *x, struct fake_master *m)
{
    while (m->stream == NULL) {
        x->happened = false;
        assert_true(test_host_run_until(x->th, &x->happened, 5000));
    }
}

static void another_master_is_gone_to_at_once(void **state)
{
    (void)state;
    struct fixture *x = open_fixture();
    link_client_set_master(x->client, x->a.address);
    wait_for_stream(x, &x->a);
    link_client_set_master(x->client, x->b.address);
    assert_int_equal(x->downs, 1);
    wait_for_stream(x, &x->b);
    assert_int_equal(x->ups, 2);
    assert_int_equal(x->b.asked, 1);
    close_fixture(x);
}

static void a_refused_master_is_left_for_the_one_that_is_named(void **state)
{
    (void)state;
    struct fixture *x = open_fixture();
    link_client_set_master(x->client, "127.0.0.1:1");
    while (x->downs < 3) { /* the next try is a while away now */
        x->happened = false;
        assert_true(test_host_run_until(x->th, &x->happened, 5000));
    }
    int ups = x->ups;
    link_client_set_master(x->client, x->b.address);
    wait_for_stream(x, &x->b);
    assert_int_equal(x->ups, ups + 1); /* the old address was not tried once more */
    assert_int_equal(x->downs, 3);
    close_fixture(x);
}

static void the_same_address_named_again_ends_the_wait_but_no_open_stream(void **state)
{
    (void)state;
    struct fixture *x = open_fixture();
    link_client_set_master(x->client, x->a.address);
    wait_for_stream(x, &x->a);
    link_client_set_master(x->client, x->a.address);
    test_host_turn(x->th, 10);
    assert_int_equal(x->downs, 0);
    assert_int_equal(x->a.asked, 1);
    struct mu_http_exchange *stream = x->a.stream;
    x->a.stream = NULL;
    x->th->host->http_on_close(stream, NULL, NULL);
    x->th->host->http_stream_end(stream); /* its process is another one now */
    while (x->downs == 0) {
        x->happened = false;
        assert_true(test_host_run_until(x->th, &x->happened, 5000));
    }
    link_client_set_master(x->client, x->a.address);
    wait_for_stream(x, &x->a);
    assert_int_equal(x->a.asked, 2);
    close_fixture(x);
}

static void a_redirect_is_followed_and_kept_when_the_election_confirms_it(void **state)
{
    (void)state;
    struct fixture *x = open_fixture();
    x->a.redirect = x->b.address;
    link_client_set_master(x->client, x->a.address);
    wait_for_stream(x, &x->b);
    assert_int_equal(x->a.asked, 1);
    link_client_set_master(x->client, x->b.address);
    test_host_turn(x->th, 10);
    assert_non_null(x->b.stream);
    assert_int_equal(x->b.asked, 1);
    assert_int_equal(x->downs, 1); /* of the redirected try */
    close_fixture(x);
}

/* Only the first redirect is followed at once; the rest waits longer each time. */
static void masters_that_name_each_other_are_not_run_between(void **state)
{
    (void)state;
    struct fixture *x = open_fixture();
    x->a.redirect = x->b.address;
    x->b.redirect = x->a.address;
    uint64_t before_ms = x->th->host->now_ms(x->th->host);
    link_client_set_master(x->client, x->a.address);
    while (x->downs < 4) {
        x->happened = false;
        assert_true(test_host_run_until(x->th, &x->happened, 5000));
    }
    /* at least half of 40 and of 80 ms have passed between the second and the fourth */
    assert_true(x->th->host->now_ms(x->th->host) - before_ms >= 60);
    close_fixture(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_master_is_gone_to_at_once),
        cmocka_unit_test(a_refused_master_is_left_for_the_one_that_is_named),
        cmocka_unit_test(the_same_address_named_again_ends_the_wait_but_no_open_stream),
        cmocka_unit_test(a_redirect_is_followed_and_kept_when_the_election_confirms_it),
        cmocka_unit_test(masters_that_name_each_other_are_not_run_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
