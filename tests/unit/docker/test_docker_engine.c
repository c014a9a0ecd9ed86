/* Calls to the engine: the version, an engine that is away, refusals, cancelling. */
#include "docker_kit.h"

#include <errno.h>

#include "base/alloc.h"
#include "engine.h"
#include "fake_host.h"

#define VERSION(newest, oldest)                                                          \
    "{\"Version\":\"20.10.24\",\"ApiVersion\":\"" newest                                 \
    "\",\"MinAPIVersion\":\"" oldest "\"}"

struct fixture {
    struct fake_host host;
    struct dkr_engine *engine;
    unsigned changes;
    bool is_ready;
    char change_text[512];
};

struct answer {
    unsigned count;
    enum dkr_outcome outcome;
    int http_status;
    char text[512], body[512], data[512];
};

static void on_change(void *arg, bool is_ready, const char *text)
{
    struct fixture *x = arg;
    x->changes++;
    x->is_ready = is_ready;
    strcpy(x->change_text, text);
}

static void on_reply(void *arg, const struct dkr_reply *reply)
{
    struct answer *a = arg;
    a->count++;
    a->outcome = reply->outcome;
    a->http_status = reply->http_status;
    strcpy(a->text, reply->text == NULL ? "" : reply->text);
    strcpy(a->body, reply->body == NULL ? "" : reply->body);
}

static void on_data(void *arg, const char *data, size_t len)
{
    strncat(((struct answer *)arg)->data, data, len);
}

static int setup(void **state)
{
    struct fixture *x = MU_NEW(struct fixture);
    fake_open(&x->host, "/work");
    x->engine = dkr_engine_create(&x->host.table, "/run/d.sock", on_change, x);
    dkr_engine_start(x->engine);
    *state = x;
    return 0;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    bool is_stopped = false;
    dkr_engine_stop(x->engine, on_stopped, &is_stopped);
    assert_false(is_stopped);
    fake_turn(&x->host);
    assert_true(is_stopped);
    dkr_engine_destroy(x->engine);
    fake_close(&x->host);
    free(x);
    return 0;
}

static struct dkr_call *ask(struct fixture *x, struct answer *a)
{
    return dkr_engine_ask(x->engine,
                          &(struct dkr_ask){.method = "POST",
                                            .path = "/containers/a/start",
                                            .body = "{}",
                                            .timeout_ms = 1000},
                          on_reply, a);
}

static struct dkr_call *ask_stream(struct fixture *x, struct answer *a)
{
    return dkr_engine_ask(x->engine,
                          &(struct dkr_ask){.method = "GET",
                                            .path = "/containers/a/logs",
                                            .on_data = on_data},
                          on_reply, a);
}

static void be_ready(struct fixture *x)
{
    fake_answer(fake_take(&x->host, "GET /version"), 200, VERSION("1.41", "1.12"));
}

/* ---- tests ---- */

static void the_newest_version_that_both_know_is_used(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    assert_true(x->is_ready);
    assert_int_equal(dkr_engine_api_version(x->engine), 141);
    ask(x, &a);
    struct mu_http_call *call = fake_take(&x->host, "POST /v1.41/containers/a/start");
    assert_string_equal(fake_socket(call), "/run/d.sock");
    assert_string_equal(fake_body(call), "{}");
    fake_answer(call, 204, "");
    assert_int_equal(a.count, 1);
    assert_int_equal(a.outcome, DKR_OK);
}

static void ours_is_used_when_the_engine_knows_newer_ones(void **state)
{
    struct fixture *x = *state;
    fake_answer(fake_take(&x->host, "GET /version"), 200, VERSION("1.47", "1.24"));
    assert_int_equal(dkr_engine_api_version(x->engine), 143);
}

static void the_engines_oldest_is_used_when_it_has_forgotten_ours(void **state)
{
    struct fixture *x = *state;
    fake_answer(fake_take(&x->host, "GET /version"), 200, VERSION("1.52", "1.44"));
    assert_int_equal(dkr_engine_api_version(x->engine), 144);
    assert_int_equal(x->host.warnings, 1);
}

static void an_engine_that_is_too_old_is_not_used(void **state)
{
    struct fixture *x = *state;
    fake_answer(fake_take(&x->host, "GET /version"), 200, VERSION("1.23", "1.12"));
    assert_false(x->is_ready);
    assert_non_null(strstr(x->change_text, "too old"));
}

static void calls_wait_for_the_first_answer(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ask(x, &a);
    fake_turn(&x->host);
    assert_int_equal(fake_pending(&x->host), 1); /* the question for the version */
    be_ready(x);
    fake_answer(fake_take(&x->host, "POST /v1.41/containers/a/start"), 304, "");
    assert_int_equal(a.outcome, DKR_OK);
}

static void an_engine_that_is_away_fails_calls_at_once_and_names_the_socket(void **state)
{
    struct fixture *x = *state;
    struct answer waiting = {0};
    struct answer later = {0};
    ask(x, &waiting);
    fake_fail(fake_take(&x->host, "GET /version"), -ENOENT);
    assert_int_equal(x->changes, 1);
    assert_false(x->is_ready);
    ask(x, &later);
    assert_int_equal(later.count, 0); /* never inside the call */
    fake_turn(&x->host);
    assert_int_equal(waiting.count, 1);
    assert_int_equal(later.count, 1);
    assert_int_equal(later.outcome, DKR_UNREACHED);
    assert_string_equal(later.text,
                        "docker engine at '/run/d.sock' is not available: No such "
                        "file or directory");
    assert_string_equal(dkr_engine_trouble(x->engine), later.text);
}

static void an_engine_that_is_away_is_probed_until_it_is_back(void **state)
{
    struct fixture *x = *state;
    for (int i = 0; i < 10; i++) {
        fake_fail(fake_take(&x->host, "GET /version"), -ECONNREFUSED);
        assert_int_equal(fake_pending(&x->host), 0);
        fake_advance(&x->host, 5000);
    }
    assert_int_equal(x->changes, 1); /* said once */
    assert_int_equal(x->host.warnings, 1);
    be_ready(x);
    assert_int_equal(x->changes, 2);
    assert_true(x->is_ready);
    assert_null(dkr_engine_trouble(x->engine));
}

static void a_call_that_cannot_be_sent_finds_the_engine_away(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask(x, &a);
    fake_fail(fake_take(&x->host, "POST /v1.41/containers/a/start"), -ECONNREFUSED);
    assert_int_equal(a.outcome, DKR_UNREACHED);
    assert_false(x->is_ready);
    fake_advance(&x->host, 300);
    be_ready(x);
    assert_true(x->is_ready);
}

static void a_call_without_an_answer_has_an_unknown_outcome(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask(x, &a);
    fake_fail(fake_take(&x->host, "POST /v1.41/containers/a/start"), -ETIMEDOUT);
    assert_int_equal(a.outcome, DKR_UNKNOWN);
    assert_string_equal(a.text,
                        "docker engine at '/run/d.sock' gave no answer: it broke");
    assert_true(x->is_ready); /* one slow call is not the end of the engine */
}

static void a_refusal_has_the_engines_words(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask(x, &a);
    fake_answer(fake_take(&x->host, "POST /v1.41/containers/a/start"), 500,
                "{\"message\":\"port is already allocated\"}\n");
    assert_int_equal(a.outcome, DKR_REFUSED);
    assert_int_equal(a.http_status, 500);
    assert_string_equal(a.text, "port is already allocated");
}

static void a_stream_that_is_refused_has_the_engines_words_too(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask_stream(x, &a);
    fake_answer(fake_take(&x->host, "GET /v1.41/containers/a/logs"), 404,
                "{\"message\":\"No such container: a\"}");
    assert_int_equal(a.outcome, DKR_REFUSED);
    assert_string_equal(a.text, "No such container: a");
    assert_string_equal(a.data, "");
}

static void a_stream_gives_its_pieces(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask_stream(x, &a);
    struct mu_http_call *call = fake_take(&x->host, "GET /v1.41/containers/a/logs");
    fake_headers(call, 200);
    fake_data(call, "one", 3);
    fake_data(call, "two", 3);
    assert_string_equal(a.data, "onetwo");
    assert_int_equal(a.count, 0);
    fake_end(call);
    assert_int_equal(a.outcome, DKR_OK);
}

static void a_version_that_is_refused_is_agreed_on_anew_once(void **state)
{
    static const char refusal[] = "{\"message\":\"client version 1.41 is too new. "
                                  "Maximum supported API version is 1.40\"}";
    struct fixture *x = *state;
    struct answer a = {0};
    be_ready(x);
    ask(x, &a);
    fake_answer(fake_take(&x->host, "POST /v1.41/containers/a/start"), 400, refusal);
    assert_int_equal(a.count, 0);
    fake_answer(fake_take(&x->host, "GET /version"), 200, VERSION("1.40", "1.12"));
    fake_answer(fake_take(&x->host, "POST /v1.40/containers/a/start"), 400, refusal);
    assert_int_equal(a.count, 1); /* twice would be for ever */
    assert_int_equal(a.outcome, DKR_REFUSED);
}

static void a_cancelled_call_is_not_answered(void **state)
{
    struct fixture *x = *state;
    struct answer sent = {0};
    struct answer waiting = {0};
    struct answer failing = {0};
    dkr_engine_cancel(ask(x, &waiting));
    be_ready(x);
    dkr_engine_cancel(ask_stream(x, &sent));
    fake_turn(&x->host);
    struct answer away = {0};
    ask(x, &away);
    fake_fail(fake_take(&x->host, "POST /v1.41/containers/a/start"), -ENOENT);
    dkr_engine_cancel(ask(x, &failing));
    fake_turn(&x->host);
    assert_int_equal(sent.count + waiting.count + failing.count, 0);
    dkr_engine_cancel(NULL);
}

static void a_stop_answers_what_is_left(void **state)
{
    struct fixture *x = *state;
    struct answer sent = {0};
    struct answer late = {0};
    bool is_stopped = false;
    be_ready(x);
    ask(x, &sent);
    dkr_engine_stop(x->engine, on_stopped, &is_stopped);
    ask(x, &late);
    fake_turn(&x->host);
    assert_true(is_stopped);
    assert_int_equal(sent.count, 1);
    assert_int_equal(late.count, 1);
    assert_int_equal(late.outcome, DKR_UNREACHED);
}

static void values_in_urls_are_encoded(void **state)
{
    struct mu_buf text;
    (void)state;
    mu_buf_init(&text, 1000);
    dkr_url_encode(&text, "a/b:1 {\"x\"}&\xc3\xa4");
    assert_string_equal(mu_buf_str(&text), "a/b:1%20%7B%22x%22%7D%26%C3%A4");
    mu_buf_release(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_version_that_both_know_is_used),
        TEST(ours_is_used_when_the_engine_knows_newer_ones),
        TEST(the_engines_oldest_is_used_when_it_has_forgotten_ours),
        TEST(an_engine_that_is_too_old_is_not_used),
        TEST(calls_wait_for_the_first_answer),
        TEST(an_engine_that_is_away_fails_calls_at_once_and_names_the_socket),
        TEST(an_engine_that_is_away_is_probed_until_it_is_back),
        TEST(a_call_that_cannot_be_sent_finds_the_engine_away),
        TEST(a_call_without_an_answer_has_an_unknown_outcome),
        TEST(a_refusal_has_the_engines_words),
        TEST(a_stream_that_is_refused_has_the_engines_words_too),
        TEST(a_stream_gives_its_pieces),
        TEST(a_version_that_is_refused_is_agreed_on_anew_once),
        TEST(a_cancelled_call_is_not_answered),
        TEST(a_stop_answers_what_is_left),
        cmocka_unit_test(values_in_urls_are_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
