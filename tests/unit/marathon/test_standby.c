/* A master that does not lead passes requests on, keeps them for a while when there is
 * nobody to pass them to, and never has one done twice. */
#include "fake.h"

#include <errno.h>
#include <string.h>

static const char *const passed_on[] = {"Via: 1.1 other:8080", NULL};

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
                                          "Connection: close",
                                          "X-Own: kept",
                                          "Accept-Encoding: gzip",
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
    assert_non_null(strstr(call->headers, "Via: 1.1 us:8080\n"));
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
    fake_call_answer(f, 503, (const char *const[]){"X-Muster-Not-Taken: x", NULL}, "");
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
                      (const char *const[]){"Via: 1.1 other:1, 1.1 us:8080", NULL}, NULL);
    assert_int_equal(x->status, 502);
    assert_null(f->calls);
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
        cmocka_unit_test(event_streams_are_redirected),
        cmocka_unit_test(client_that_goes_away_ends_its_passage),
        cmocka_unit_test(stop_answers_what_is_kept_and_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
