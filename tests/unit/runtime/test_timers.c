/* Timers of the host services, on a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/test_host.h"
#include "runtime/timers.h"

struct seen {
    struct test_host *th;
    int order[8];
    int count;
    bool done;
    uint64_t at_ms;
};
struct shot {
    struct seen *seen;
    int number;
};

static void on_shot(void *arg)
{
    struct shot *s = arg;
    s->seen->order[s->seen->count++] = s->number;
    s->seen->at_ms = s->seen->th->host->now_ms(s->seen->th->host);
}

static void set_done(void *arg)
{
    struct seen *s = arg;
    s->done = true;
    s->at_ms = s->th->host->now_ms(s->th->host);
}

static struct mu_timer *
start(struct test_host *th, uint64_t delay_ms, mu_cb cb, void *arg)
{
    return th->host->timer_start(th->host, delay_ms, cb, arg);
}

static void timer_never_runs_inside_the_call_nor_early(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct seen seen = {.th = th};
    uint64_t start_ms = th->host->now_ms(th->host);
    assert_non_null(start(th, 20, set_done, &seen));
    assert_false(seen.done);
    assert_true(test_host_run_until(th, &seen.done, 5000));
    assert_true(seen.at_ms >= start_ms + 20);
    test_host_close(th);
}

static void timers_fire_by_due_time_then_by_start(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct seen seen = {.th = th};
    struct shot shots[] = {{&seen, 0}, {&seen, 1}, {&seen, 2}, {&seen, 3}};
    start(th, 30, on_shot, &shots[3]);
    start(th, 0, on_shot, &shots[0]);
    start(th, 0, on_shot, &shots[1]);
    start(th, 15, on_shot, &shots[2]);
    start(th, 31, set_done, &seen);
    assert_true(test_host_run_until(th, &seen.done, 5000));
    assert_int_equal(seen.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(seen.order[i], i);
    }
    test_host_close(th);
}

static void cancelled_timer_does_not_fire(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct seen seen = {.th = th};
    struct shot shots[] = {{&seen, 0}, {&seen, 1}};
    struct mu_timer *first = start(th, 0, on_shot, &shots[0]);
    struct mu_timer *later = start(th, 5, on_shot, &shots[1]);
    start(th, 10, set_done, &seen);
    th->host->timer_cancel(th->host, first);
    th->host->timer_cancel(th->host, later);
    th->host->timer_cancel(th->host, NULL);
    assert_true(test_host_run_until(th, &seen.done, 5000));
    assert_int_equal(seen.count, 0);
    test_host_close(th);
}

struct victim {
    struct test_host *th;
    struct mu_timer *timer;
    bool fired;
};

static void cancel_other(void *arg)
{
    struct victim *v = arg;
    v->th->host->timer_cancel(v->th->host, v->timer);
}

static void mark_fired(void *arg)
{
    ((struct victim *)arg)->fired = true;
}

static void timer_can_cancel_another_that_is_due_in_the_same_turn(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct seen seen = {.th = th};
    struct victim victim = {.th = th};
    start(th, 0, cancel_other, &victim);
    victim.timer = start(th, 0, mark_fired, &victim);
    start(th, 0, set_done, &seen);
    assert_true(test_host_run_until(th, &seen.done, 5000));
    assert_false(victim.fired);
    test_host_close(th);
}

struct spinner {
    struct test_host *th;
    int rounds;
    bool stop;
};

static void spin(void *arg)
{
    struct spinner *s = arg;
    s->rounds++;
    if (!s->stop) {
        start(s->th, 0, spin, s);
    }
}

/* libuv 1.44 alone would run such a timer for ever in one turn. */
static void timer_that_rearms_itself_with_zero_lets_the_loop_turn(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct spinner s = {.th = th};
    start(th, 0, spin, &s);
    test_host_turn(th, 5);
    assert_in_range(s.rounds, 2, 12);
    s.stop = true;
    test_host_turn(th, 2);
    test_host_close(th);
}

static void timers_left_at_close_are_dropped(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct seen seen = {.th = th};
    struct seen *kept = test_malloc(sizeof(*kept));
    *kept = seen;
    start(th, 60000, set_done, kept);
    start(th, UINT64_MAX, set_done, kept);
    test_host_close(th);
    assert_false(kept->done);
    test_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_never_runs_inside_the_call_nor_early),
        cmocka_unit_test(timers_fire_by_due_time_then_by_start),
        cmocka_unit_test(cancelled_timer_does_not_fire),
        cmocka_unit_test(timer_can_cancel_another_that_is_due_in_the_same_turn),
        cmocka_unit_test(timer_that_rearms_itself_with_zero_lets_the_loop_turn),
        cmocka_unit_test(timers_left_at_close_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
