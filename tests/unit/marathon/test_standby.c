/* A master that does not lead passes requests on, keeps them for a while when there is
 * nobody to pass them to, and never has one done twice. */
#include "fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const passed_on[] = {"X-Muster-Passed-By: other:8080", NULL};
static const char *const not_taken[] = {"X-Muster-Not-Taken: x", NULL};

static const char *const json[] = {"Content-Type: application/json", NULL};

static struct fake *standby(const char *leader_host)
{
    struct fake *f = fake_open(NULL);
    f->leads = false;
    f->leader_host = leader_host;
    return f;
}

static void request_and_answer_are_passed_on_whole(void **state)
{
    (void)state;
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Host: us:8080",
                                          "Connection: close, x-hop",
                                          "X-Own: kept",
                                          "X-Hop: left behind",
                                          "Accept-Encoding: gzip",
                                          "Via: 1.1 cache",
                                          NULL};
    static const char *const answer[] = {"Content-Type: application/json",
                                         "X-Marathon-Leader: http://them:8080",
                                         "Connection: keep-alive", NULL};
    struct fake *f = standby("them");
    struct mu_http_exchange *x =
        fake_ask_with(f, "PUT", "/v2/apps//a%20b?force=true", headers, "{\"id\":\"a\"}");
    assert_int_equal(x->status, 0);
    const struct mu_http_call *call = f->calls;
    assert_non_null(call);
    assert_string_equal(call->method, "PUT");
    assert_non_null(strstr(call->url, "http://them:"));
    assert_non_null(strstr(call->url, "/v2/apps//a%20b?force=true"));
    assert_string_equal(call->body, "{\"id\":\"a\"}");
    assert_non_null(strstr(call->headers, "X-Own: kept\n"));
    assert_non_null(strstr(call->headers, "Host: us:8080\n"));
    assert_non_null(strstr(call->headers, "Via: 1.1 cache, 1.1 us:8080\n"));
    assert_non_null(strstr(call->headers, "X-Muster-Passed-By: us:8080\n"));
    assert_null(strstr(call->headers, "X-Hop"));
    assert_non_null(strstr(call->headers, "X-Forwarded-For: "));
    assert_null(strstr(call->headers, "Connection:"));
    assert_null(strstr(call->headers, "Accept-Encoding:"));
    fake_call_answer(f, 201, answer, "{\"id\":\"/a\"}");
    fake_expect_answer(x, 201, "{\"id\":\"/a\"}");
    assert_string_equal(fake_header(x, "X-Marathon-Leader"), "http://them:8080");
    assert_string_equal(fake_header(x, "Via"), "1.1 us:8080");
    assert_null(fake_header(x, "Connection"));
    fake_close(f);
}

static void without_a_leader_a_request_waits_for_one(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    fake_advance(f, 2000);
    assert_int_equal(x->status, 0);
    f->leader_host = "them";
    fake_advance(f, 100);
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(x, 200, "{}");
    x = fake_ask(f, "GET", "/v2/apps", NULL); /* and a leader that is this process */
    fake_call_answer(f, -ECONNREFUSED, NULL, "");
    f->leader_host = NULL;
    f->leads = true;
    fake_advance(f, 100);
    fake_expect_answer(x, 200, "{\"apps\":[]}");
    fake_close(f);
}

static void no_leader_for_too_long_is_503(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/a", "{}");
    fake_advance(f, 6000);
    fake_expect_answer(x, 503,
                       "{\"message\":\"Could not determine the current leader.\"}");
    assert_string_equal(fake_header(x, "Retry-After"), "1");
    f->leads = true;
    f->recovered = false;
    x = fake_ask(f, "PUT", "/v2/apps/a", "{}");
    assert_int_equal(x->status, 0);
    fake_advance(f, 6000);
    assert_int_equal(x->status, 503);
    fake_close(f);
}

static void what_a_leader_may_have_done_is_not_sent_again(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *x = fake_ask(f, "POST", "/v2/apps", "{}");
    fake_call_answer(f, -ECONNRESET, NULL, "");
    assert_int_equal(x->status, 502);
    assert_null(f->calls);
    x = fake_ask(f, "GET", "/v2/apps", NULL); /* a read may */
    fake_call_answer(f, -ECONNRESET, NULL, "");
    assert_int_equal(x->status, 0);
    fake_advance(f, 100);
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(x, 200, "{}");
    x = fake_ask(f, "POST", "/v2/apps", "{}"); /* so may what was not taken */
    fake_call_answer(f, 503, not_taken, "");
    fake_advance(f, 100);
    fake_call_answer(f, 201, json, "{}");
    fake_expect_answer(x, 201, "{}");
    x = fake_ask(f, "POST", "/v2/apps", "{}");
    fake_call_answer(f, -ETIMEDOUT, NULL, "");
    assert_int_equal(x->status, 504);
    fake_close(f);
}

static void requests_do_not_go_in_circles(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *x = fake_ask_with(f, "GET", "/v2/apps", passed_on, NULL);
    assert_int_equal(x->status, 503);
    assert_non_null(fake_header(x, "X-Muster-Not-Taken"));
    x = fake_ask_with(f, "GET", "/v2/apps",
                      (const char *const[]){"Via: 1.1 other:1, 1.1 us:8080 (it)", NULL},
                      NULL);
    assert_int_equal(x->status, 502);
    x = fake_ask_with(f, "GET", "/v2/apps",
                      (const char *const[]){"Via: 1.1 other:1", "via: 1.1 US:8080", NULL},
                      NULL);
    assert_int_equal(x->status, 502);
    assert_null(f->calls);
    fake_close(f);
}

/* Any proxy in front may add its Via; one may even be called nearly like this master. */
static void request_through_a_foreign_proxy_is_passed_on(void **state)
{
    (void)state;
    static const char *const vias[] = {"Via: 1.1 varnish", "Via: 1.1 bus:8080",
                                       "Via: 1.1 us:80801", "Via: us:8080", "Via: ,, "};
    struct fake *f = standby("them");
    for (size_t i = 0; i < sizeof(vias) / sizeof(vias[0]); i++) {
        struct mu_http_exchange *x = fake_ask_with(
            f, "GET", "/v2/apps", (const char *const[]){vias[i], NULL}, NULL);
        assert_int_equal(x->status, 0);
        fake_call_answer(f, 200, json, "{}");
        fake_expect_answer(x, 200, "{}");
    }
    fake_close(f);
}

/* A name may resolve on the clients' side only. */
static void the_leader_is_connected_to_by_address(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    f->leader_ip = "10.0.0.7";
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    assert_string_equal(f->calls->url, "http://10.0.0.7:8081/v2/apps");
    fake_call_answer(f, 200, json, "{}");
    f->leader_ip = "fd00::7";
    x = fake_ask(f, "GET", "/v2/apps", NULL);
    assert_string_equal(f->calls->url, "http://[fd00::7]:8081/v2/apps");
    fake_call_answer(f, 200, json, "{}");
    x = fake_ask(f, "GET", "/v2/events", NULL);
    assert_string_equal(fake_header(x, "Location"), "http://them:8081/v2/events");
    fake_expect(f, "GET", "/v2/leader", NULL, 200, "{\"leader\":\"them:8081\"}");
    fake_close(f);
}

static void leader_of_another_system_is_named(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    f->leader_is_foreign = true;
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    assert_int_equal(x->status, 503);
    assert_non_null(strstr(mu_buf_str(&x->body), "them:5050"));
    assert_non_null(strstr(mu_buf_str(&x->body), "another system"));
    assert_string_equal(fake_header(x, "Retry-After"), "1");
    assert_int_equal(fake_ask(f, "GET", "/v2/leader", NULL)->status, 404);
    assert_int_equal(fake_ask(f, "GET", "/v2/info", NULL)->status, 200);
    fake_close(f);
}

/* What the leader sends may be from anybody who listens there. */
static void senseless_answers_are_502(void **state)
{
    (void)state;
    static const int statuses[] = {101, 100, 199, 600, 999};
    struct fake *f = standby("them");
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
        fake_call_answer(f, statuses[i], json, "x");
        assert_int_equal(x->status, 502);
    }
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    const char *many[300];
    for (size_t i = 0; i < 299; i++) {
        many[i] = "X-One-Of-Many: 1";
    }
    many[299] = NULL;
    fake_call_answer(f, 200, many, "{}");
    assert_int_equal(x->status, 502);
    x = fake_ask(f, "POST", "/v2/apps", "{}"); /* too much, or not HTTP */
    fake_call_answer(f, MU_E_LIMIT, NULL, "");
    assert_int_equal(x->status, 502);
    fake_close(f);
}

static void nobody_at_the_address_is_nothing_taken(void **state)
{
    (void)state;
    static const int codes[] = {-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH};
    struct fake *f = standby("them");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct mu_http_exchange *x = fake_ask(f, "POST", "/v2/apps", "{}");
        fake_call_answer(f, codes[i], NULL, "");
        assert_int_equal(x->status, 0);
        fake_advance(f, 100);
        fake_call_answer(f, 201, json, "{}");
        fake_expect_answer(x, 201, "{}");
    }
    fake_close(f);
}

static void kept_requests_go_on_in_their_order(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    struct mu_http_exchange *first = fake_ask(f, "PUT", "/v2/apps/a", "{}");
    fake_advance(f, 50);
    struct mu_http_exchange *second = fake_ask(f, "PUT", "/v2/apps/b", "{}");
    assert_true(f->kept == 2);
    f->leader_host = "them";
    fake_advance(f, 10);
    assert_true(f->kept == 0);
    assert_non_null(strstr(f->calls->url, "/v2/apps/a"));
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(first, 200, "{}");
    assert_non_null(strstr(f->calls->url, "/v2/apps/b"));
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(second, 200, "{}");
    fake_close(f);
}

static void more_than_the_leader_is_asked_at_a_time_wait_their_turn(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *x[66];
    for (size_t i = 0; i < 66; i++) {
        x[i] = fake_ask(f, "GET", "/v2/apps", NULL);
    }
    assert_true(f->kept == 2);
    fake_call_answer(f, 200, json, "{}");
    fake_advance(f, 0);
    assert_true(f->kept == 1);
    for (size_t i = 0; i < 65; i++) {
        fake_call_answer(f, 200, json, "{}");
        fake_advance(f, 0);
    }
    for (size_t i = 0; i < 66; i++) {
        fake_expect_answer(x[i], 200, "{}");
    }
    fake_close(f);
}

static void no_more_is_kept_than_there_is_room_for(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 0);
    }
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 503);
    fake_advance(f, 6000);
    char *body = malloc((8 << 20) + 1);
    memset(body, ' ', 8 << 20);
    body[8 << 20] = '\0';
    for (size_t i = 0; i < 8; i++) { /* 64 MiB of bodies */
        assert_int_equal(fake_ask(f, "PUT", "/v2/apps", body)->status, 0);
    }
    assert_int_equal(fake_ask(f, "PUT", "/v2/apps", body)->status, 503);
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 0);
    free(body);
    fake_advance(f, 6000);
    assert_true(f->kept == 0);
    fake_close(f);
}

/* A hundred begin when this process has become the leader; none waits for ever. */
static void all_that_is_kept_begins_when_this_process_leads(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    struct mu_http_exchange *x[100];
    for (size_t i = 0; i < 100; i++) {
        x[i] = fake_ask(f, "GET", "/v2/apps", NULL);
    }
    f->leads = true;
    fake_advance(f, 10);
    for (size_t i = 0; i < 100; i++) {
        fake_expect_answer(x[i], 200, "{\"apps\":[]}");
    }
    fake_close(f);
}

static void another_leader_ends_the_wait_for_the_old_one(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *read = fake_ask(f, "GET", "/v2/apps", NULL);
    struct mu_http_exchange *change = fake_ask(f, "POST", "/v2/apps", "{}");
    f->leader_host = "others";
    fake_advance(f, 100);
    assert_int_equal(change->status, 502);
    assert_int_equal(read->status, 0);
    fake_advance(f, 10);
    assert_non_null(strstr(f->calls->url, "http://others:"));
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(read, 200, "{}");
    fake_close(f);
}

/* What waits behind another change when the leadership goes has not been done. */
static void changes_that_only_waited_go_to_the_next_leader(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *first =
        fake_ask(f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *second =
        fake_ask(f, "POST", "/v2/apps", "{\"id\":\"b\",\"cmd\":\"x\"}");
    struct mu_http_exchange *passed =
        fake_ask_with(f, "DELETE", "/v2/apps/a", passed_on, NULL);
    f->leads = false;
    f->leader_host = "them";
    fake_fail(f, MU_E_NOT_LEADER, "whether it was stored is not known", NULL);
    fake_expect_answer(first, 503,
                       "{\"message\":\"whether it was stored is not known\"}");
    assert_null(fake_header(first, "X-Muster-Not-Taken"));
    assert_int_equal(passed->status, 503);
    assert_non_null(fake_header(passed, "X-Muster-Not-Taken"));
    assert_string_equal(f->calls->body, "{\"id\":\"b\",\"cmd\":\"x\"}");
    fake_call_answer(f, 201, json, "{}");
    fake_expect_answer(second, 201, "{}");
    fake_close(f);
}

static void info_is_the_leaders_as_long_as_there_is_one(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/info", NULL);
    assert_non_null(strstr(f->calls->url, "/v2/info"));
    fake_call_answer(f, 200, json, "{}");
    fake_expect_answer(x, 200, "{}");
    f->leader_host = NULL;
    x = fake_ask(f, "GET", "/v2/info", NULL);
    assert_int_equal(x->status, 200);
    assert_non_null(strstr(mu_buf_str(&x->body), "\"elected\":false,\"leader\":null"));
    fake_close(f);
}

static void event_streams_wait_for_a_leader_too(void **state)
{
    (void)state;
    struct fake *f = standby(NULL);
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/events", NULL);
    assert_int_equal(x->status, 0);
    f->leader_host = "them";
    fake_advance(f, 10);
    assert_int_equal(x->status, 302);
    fake_close(f);
}

static void nothing_is_kept_if_so_wished(void **state)
{
    (void)state;
    struct fake *f = fake_open((const char *const[]){"leader_wait=0secs", NULL});
    f->leads = false;
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 503);
    f->leader_host = "them";
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    fake_call_answer(f, -ECONNREFUSED, NULL, "");
    fake_expect_answer(x, 503, "{\"message\":\"Connection to leader refused.\"}");
    assert_string_equal(fake_header(x, "Retry-After"), "1");
    fake_close(f);
}

static void event_streams_are_redirected(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    struct mu_http_exchange *x =
        fake_ask(f, "GET", "/v2/events?event_type=deployment_success", NULL);
    assert_int_equal(x->status, 302);
    const char *location = fake_header(x, "Location");
    assert_non_null(strstr(location, "http://them:"));
    assert_non_null(strstr(location, "/v2/events?event_type=deployment_success"));
    fake_close(f);
}

static void client_that_goes_away_ends_its_passage(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    fake_hang_up(fake_ask(f, "GET", "/v2/apps", NULL));
    assert_true(f->calls->cancelled);
    fake_advance(f, 0);
    assert_null(f->calls);
    f->leader_host = NULL;
    fake_hang_up(fake_ask(f, "GET", "/v2/apps", NULL));
    fake_advance(f, 10000);
    fake_close(f);
}

static void stop_answers_what_is_kept_and_what_is_under_way(void **state)
{
    (void)state;
    struct fake *f = standby("them");
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 0);
    f->leader_host = NULL;
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 0);
    fake_close(f); /* which fails if an exchange, a timer or a call is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_and_answer_are_passed_on_whole),
        cmocka_unit_test(without_a_leader_a_request_waits_for_one),
        cmocka_unit_test(no_leader_for_too_long_is_503),
        cmocka_unit_test(what_a_leader_may_have_done_is_not_sent_again),
        cmocka_unit_test(requests_do_not_go_in_circles),
        cmocka_unit_test(request_through_a_foreign_proxy_is_passed_on),
        cmocka_unit_test(the_leader_is_connected_to_by_address),
        cmocka_unit_test(leader_of_another_system_is_named),
        cmocka_unit_test(senseless_answers_are_502),
        cmocka_unit_test(nobody_at_the_address_is_nothing_taken),
        cmocka_unit_test(kept_requests_go_on_in_their_order),
        cmocka_unit_test(more_than_the_leader_is_asked_at_a_time_wait_their_turn),
        cmocka_unit_test(no_more_is_kept_than_there_is_room_for),
        cmocka_unit_test(all_that_is_kept_begins_when_this_process_leads),
        cmocka_unit_test(another_leader_ends_the_wait_for_the_old_one),
        cmocka_unit_test(changes_that_only_waited_go_to_the_next_leader),
        cmocka_unit_test(info_is_the_leaders_as_long_as_there_is_one),
        cmocka_unit_test(event_streams_wait_for_a_leader_too),
        cmocka_unit_test(nothing_is_kept_if_so_wished),
        cmocka_unit_test(event_streams_are_redirected),
        cmocka_unit_test(client_that_goes_away_ends_its_passage),
        cmocka_unit_test(stop_answers_what_is_kept_and_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
