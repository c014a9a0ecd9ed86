/* Images: one look and one pull for all who wait. */
#include "docker_kit.h"

#include <errno.h>

#include "base/alloc.h"
#include "fake_host.h"
#include "images.h"

#define LOOK "GET /v1.41/images/libmesos/ubuntu:latest/json"
#define PULL "POST /v1.41/images/create?fromImage=libmesos/ubuntu&tag=latest"
#define IMAGE "libmesos/ubuntu:latest"

struct fixture {
    struct fake_host host;
    struct dkr_engine *engine;
    struct dkr_images *images;
};

struct answer {
    unsigned count;
    enum dkr_outcome outcome;
    char text[1024];
};

static void ignore_change(void *arg, bool is_ready, const char *text)
{
    (void)arg, (void)is_ready, (void)text;
}

static void on_image(void *arg, enum dkr_outcome outcome, const char *text)
{
    struct answer *a = arg;
    a->count++;
    a->outcome = outcome;
    strcpy(a->text, text);
}

static int setup(void **state)
{
    struct fixture *x = MU_NEW(struct fixture);
    fake_open(&x->host, "/work");
    x->engine = dkr_engine_create(&x->host.table, "/run/d.sock", ignore_change, NULL);
    x->images = dkr_images_create(&x->host.table, x->engine);
    dkr_engine_start(x->engine);
    fake_answer(fake_take(&x->host, "GET /version"), 200, "{\"ApiVersion\":\"1.41\"}");
    *state = x;
    return 0;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    bool is_stopped = false;
    dkr_engine_stop(x->engine, set_flag, &is_stopped);
    fake_turn(&x->host);
    assert_true(is_stopped);
    dkr_images_destroy(x->images);
    dkr_engine_destroy(x->engine);
    fake_close(&x->host);
    free(x);
    return 0;
}

static struct dkr_image_wait *ensure(struct fixture *x, struct answer *a, bool force)
{
    return dkr_images_ensure(x->images, IMAGE, force, on_image, a);
}

static void an_image_that_is_there_is_not_pulled(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, false);
    fake_answer(fake_take(&x->host, LOOK), 200, "{}");
    assert_int_equal(a.count, 1);
    assert_int_equal(a.outcome, DKR_OK);
    assert_int_equal(fake_pending(&x->host), 0);
}

static void an_absent_image_is_pulled_once_for_all_who_wait(void **state)
{
    struct fixture *x = *state;
    struct answer a[3] = {{0}};
    ensure(x, &a[0], false);
    ensure(x, &a[1], false);
    fake_answer(fake_take(&x->host, LOOK), 404, "{\"message\":\"no such image\"}");
    ensure(x, &a[2], true); /* joins the pull that has begun */
    assert_int_equal(fake_pending(&x->host), 1);
    fake_answer(fake_take(&x->host, PULL), 200,
                "{\"status\":\"Pulling\"}\r\n{\"status\":\"Done\"}\r\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].count, 1);
        assert_int_equal(a[i].outcome, DKR_OK);
    }
}

static void a_forced_pull_asks_no_questions(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, true);
    fake_answer(fake_take(&x->host, PULL), 200, "");
    assert_int_equal(a.outcome, DKR_OK);
}

static void a_forced_pull_that_joins_a_look_is_still_done(void **state)
{
    struct fixture *x = *state;
    struct answer a[2] = {{0}};
    ensure(x, &a[0], false);
    ensure(x, &a[1], true);
    fake_answer(fake_take(&x->host, LOOK), 200, "{}");
    fake_answer(fake_take(&x->host, PULL), 200, "");
    assert_int_equal(a[0].count + a[1].count, 2);
}

static void an_error_inside_of_a_good_answer_is_an_error(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, true);
    fake_answer(fake_take(&x->host, PULL), 200,
                "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"manifest "
                "unknown\"},\"error\":\"manifest unknown\"}\r\n");
    assert_int_equal(a.outcome, DKR_REFUSED);
    assert_string_equal(a.text,
                        "image 'libmesos/ubuntu:latest' cannot be had: manifest unknown");
}

static void an_error_before_the_stream_is_told_the_same_way(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, true);
    fake_answer(fake_take(&x->host, PULL), 500, "{\"message\":\"no route to registry\"}");
    assert_int_equal(a.outcome, DKR_REFUSED);
    assert_string_equal(
        a.text, "image 'libmesos/ubuntu:latest' cannot be had: no route to registry");
}

static void a_pull_that_breaks_off_is_no_success(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, true);
    fake_answer(fake_take(&x->host, PULL), 200, "{\"status\":\"Pul");
    assert_int_equal(a.outcome, DKR_REFUSED);
    memset(&a, 0, sizeof(a));
    ensure(x, &a, true);
    fake_fail(fake_take(&x->host, PULL), -ECONNRESET);
    assert_int_equal(a.outcome, DKR_UNKNOWN);
}

static void a_pull_goes_on_until_the_last_who_waits_has_left(void **state)
{
    struct fixture *x = *state;
    struct answer a[2] = {{0}};
    struct dkr_image_wait *first = ensure(x, &a[0], true);
    struct dkr_image_wait *second = ensure(x, &a[1], true);
    dkr_images_cancel(first);
    assert_non_null(fake_find(&x->host, PULL));
    dkr_images_cancel(second);
    assert_null(fake_find(&x->host, PULL)); /* closed: the engine stops */
    fake_turn(&x->host);
    assert_int_equal(a[0].count + a[1].count, 0);
    dkr_images_cancel(NULL);
}

static void a_pull_without_progress_is_given_up(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    ensure(x, &a, true);
    struct mu_http_call *call = fake_take(&x->host, PULL);
    fake_headers(call, 200);
    for (int i = 0; i < 5; i++) { /* slow, but not stuck */
        fake_advance(&x->host, 400000);
        fake_data(call, "{\"status\":\"Downloading\"}\r\n", 26);
    }
    assert_int_equal(a.count, 0);
    fake_advance(&x->host, 620000);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.outcome, DKR_REFUSED);
    assert_non_null(strstr(a.text, "no progress"));
}

static void registry_ports_and_digests_are_no_tags(void **state)
{
    static const char *const cases[][2] = {
        {"reg:5000/a/b:2", "POST /v1.41/images/create?fromImage=reg:5000/a/b&tag=2"},
        {"reg:5000/a/b", "POST /v1.41/images/create?fromImage=reg:5000/a/b&tag=latest"},
        {"a@sha256:00ff", "POST /v1.41/images/create?fromImage=a&tag=sha256:00ff"},
        {"a:1@sha256:00ff", "POST /v1.41/images/create?fromImage=a:1&tag=sha256:00ff"},
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer a = {0};
        dkr_images_ensure(x->images, cases[i][0], true, on_image, &a);
        fake_answer(fake_take(&x->host, cases[i][1]), 200, "");
        assert_int_equal(a.outcome, DKR_OK);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_that_is_there_is_not_pulled),
        TEST(an_absent_image_is_pulled_once_for_all_who_wait),
        TEST(a_forced_pull_asks_no_questions),
        TEST(a_forced_pull_that_joins_a_look_is_still_done),
        TEST(an_error_inside_of_a_good_answer_is_an_error),
        TEST(an_error_before_the_stream_is_told_the_same_way),
        TEST(a_pull_that_breaks_off_is_no_success),
        TEST(a_pull_goes_on_until_the_last_who_waits_has_left),
        TEST(a_pull_without_progress_is_given_up),
        TEST(registry_ports_and_digests_are_no_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
