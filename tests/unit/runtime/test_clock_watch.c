/* What is told when the wall clock is set, and that nothing is when it was not. The
 * clocks and the timer are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <muster/host.h>

#include "base/check.h"
#include "runtime/clock_watch.h"

struct world {
    struct mu_host host; /* first */
    uint64_t now_ms, held_up_ms;
    int64_t wall_ms;
    mu_cb look;
    void *arg;
    int timers;
    char told[256];
};

static struct world *world_of(const struct mu_host *h)
{
    return h->impl;
}

static uint64_t now_ms(const struct mu_host *h)
{
    return world_of(h)->now_ms;
}

static int64_t wall_ms(const struct mu_host *h)
{
    struct world *x = world_of(h);
    x->now_ms += x->held_up_ms;
    x->wall_ms += (int64_t)x->held_up_ms;
    return x->wall_ms;
}

static struct mu_timer *
timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct world *x = world_of(h);
    assert_true(delay_ms >= 1000); /* it must not keep a processor awake */
    x->look = cb;
    x->arg = arg;
    x->timers++;
    return arg;
}

static void timer_cancel(const struct mu_host *h, struct mu_timer *timer)
{
    assert_non_null(timer);
    world_of(h)->timers--;
}

static MU_PRINTF(4, 5) void told(
    const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    struct world *x = world_of(h);
    assert_int_equal(level, MU_WARN);
    assert_non_null(strstr(message, "wall clock"));
    assert_string_equal(x->told, ""); /* once for each jump */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->told, sizeof(x->told), fmt, ap);
    va_end(ap);
}

static struct clock_watch *begin(struct world *x, uint64_t held_up_ms)
{
    *x = (struct world){
        .now_ms = 5000, .wall_ms = INT64_C(1700000000000), .held_up_ms = held_up_ms};
    x->host = (struct mu_host){.impl = x,
                               .log = told,
                               .now_ms = now_ms,
                               .wall_ms = wall_ms,
                               .timer_start = timer_start,
                               .timer_cancel = timer_cancel};
    struct clock_watch *w = clock_watch_create(&x->host);
    assert_int_equal(x->timers, 1);
    return w;
}

/* Both clocks go on by as much, and then the wall clock by jump_ms. */
static const char *look(struct world *x, uint64_t later_ms, int64_t jump_ms)
{
    x->now_ms += later_ms;
    x->wall_ms += (int64_t)later_ms + jump_ms;
    x->told[0] = '\0';
    x->timers--;
    x->look(x->arg);
    assert_int_equal(x->timers, 1);
    return x->told;
}

static void a_clock_that_was_set_is_told_once_in_each_direction(void **state)
{
    (void)state;
    struct world x;
    struct clock_watch *w = begin(&x, 0);
    assert_string_equal(look(&x, 2000, 0), "");
    assert_string_equal(look(&x, 2000, 86400000), "by_ms=86400000");
    assert_string_equal(look(&x, 2000, 0), "");
    assert_string_equal(look(&x, 2000, -86400000), "by_ms=-86400000");
    assert_string_equal(look(&x, 2000, 0), "");
    clock_watch_destroy(w);
    assert_int_equal(x.timers, 0);
}

static void a_clock_that_is_slewed_is_not_told(void **state)
{
    (void)state;
    struct world x;
    struct clock_watch *w = begin(&x, 0);
    for (int i = 0; i < 100; i++) { /* ten times what a time daemon does */
        assert_string_equal(look(&x, 2000, 20), "");
    }
    clock_watch_destroy(w);
}

static void a_process_that_was_held_up_tells_nothing(void **state)
{
    (void)state;
    struct world x;
    struct clock_watch *w = begin(&x, 5000);
    x.held_up_ms = 0;
    assert_string_equal(look(&x, 2000, 0), "");
    assert_string_equal(look(&x, 3600000, 0), ""); /* frozen between two looks */
    x.held_up_ms = 5000;                           /* between the readings of one */
    assert_string_equal(look(&x, 2000, 0), "");
    x.held_up_ms = 0;
    assert_string_equal(look(&x, 2000, 0), "");
    assert_string_equal(look(&x, 2000, 60000), "by_ms=60000");
    clock_watch_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_was_set_is_told_once_in_each_direction),
        cmocka_unit_test(a_clock_that_is_slewed_is_not_told),
        cmocka_unit_test(a_process_that_was_held_up_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
