/* The life of a container: stories through the pure machine, then random events with the
 * invariants checked after each. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "container.h"

static const struct nat_container_config config = {.adopt_ms = 100, .stop_ms = 200};

struct story {
    struct nat_container c;
    struct nat_effects fx;
    char trace[512]; /* of the effects of the last step */
};

static const char *effect_name(const struct nat_effect *e)
{
    static const char *const names[] = {
        [NAT_FX_FIND_USER] = "find_user", [NAT_FX_SPAWN] = "spawn",
        [NAT_FX_STOP] = "stop",           [NAT_FX_CLEAN] = "clean",
        [NAT_FX_TIMER] = "timer",         [NAT_FX_TIMER_STOP] = "timer_stop",
        [NAT_FX_LAUNCHED] = "launched",   [NAT_FX_RECOVERED] = "recovered",
        [NAT_FX_EXITED] = "exited",       [NAT_FX_DESTROYED] = "destroyed",
        [NAT_FX_FORGET] = "forget",
    };
    return names[e->type];
}

static void put_effect(struct story *s, const struct nat_effect *e)
{
    size_t len = strlen(s->trace);
    char *at = s->trace + len;
    size_t room = sizeof(s->trace) - len;
    switch ((int)e->type) {
    case NAT_FX_CLEAN:
        snprintf(at, room, "clean%s%s%s ", e->is_removing ? "+remove" : "",
                 e->is_forced ? "+force" : "", e->is_simple ? "+simple" : "");
        break;
    case NAT_FX_LAUNCHED:
    case NAT_FX_DESTROYED:
        snprintf(at, room, "%s(%d) ", effect_name(e), e->code);
        break;
    case NAT_FX_RECOVERED:
        snprintf(at, room, "recovered(%s) ",
                 e->is_running     ? "running"
                 : e->exit == NULL ? "never"
                                   : e->exit->message);
        break;
    case NAT_FX_EXITED:
        snprintf(at, room, "exited(%s%s) ", e->exit->message,
                 e->exit->was_killed ? ", killed" : "");
        break;
    default:
        snprintf(at, room, "%s ", effect_name(e));
        break;
    }
}

static const char *step(struct story *s, struct nat_event ev)
{
    static const struct nat_status none;
    if (ev.text == NULL) {
        ev.text = "because";
    }
    if (ev.status == NULL) {
        ev.status = &none;
    }
    nat_container_step(&s->c, &ev, &s->fx);
    s->trace[0] = '\0';
    for (size_t i = 0; i < s->fx.count; i++) {
        put_effect(s, &s->fx.v[i]);
    }
    struct mu_error err;
    if (nat_container_check(&s->c, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return s->trace;
}

#define STEP(expected, ...)                                                              \
    assert_string_equal(step(&s, (struct nat_event){__VA_ARGS__}), (expected))

static const struct nat_status exit_1 = {
    .has_status = true, .started = true, .wait_status = 0x100};

static struct story begin(void)
{
    struct story s = {0};
    nat_container_init(&s.c, &config);
    return s;
}

static struct story running(void)
{
    struct story s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("spawn ", .type = NAT_EV_USER_KNOWN);
    STEP("launched(0) ", .type = NAT_EV_STARTED);
    return s;
}

static void simple_life(void **state)
{
    (void)state;
    struct story s = running();
    STEP("exited(exited with status 1) ", .type = NAT_EV_ENDED, .status = &exit_1);
    STEP("", .type = NAT_EV_LOST); /* the connection's end after the last word */
    STEP("clean+remove+force+simple ", .type = NAT_EV_DESTROY);
    STEP("destroyed(0) forget ", .type = NAT_EV_CLEANED);
    assert_int_equal(s.c.state, NAT_IS_GONE);
}

static void killed_life(void **state)
{
    (void)state;
    struct story s = running();
    STEP("", .type = NAT_EV_SIGNALLED);
    const struct nat_status term = {.has_status = true, .wait_status = SIGTERM};
    STEP("exited(terminated by SIGTERM (15), killed) ", .type = NAT_EV_ENDED,
         .status = &term);
}

static void destroy_while_running(void **state)
{
    (void)state;
    struct story s = running();
    STEP("stop timer ", .type = NAT_EV_DESTROY);
    STEP("", .type = NAT_EV_DESTROY); /* again: nothing new */
    const struct nat_status killed = {.has_status = true, .wait_status = SIGKILL};
    STEP(
        "timer_stop exited(terminated by SIGKILL (9), killed) clean+remove+force+simple ",
        .type = NAT_EV_ENDED, .status = &killed);
    STEP("destroyed(0) forget ", .type = NAT_EV_CLEANED);
}

static void destroy_that_the_supervisor_does_not_follow(void **state)
{
    (void)state;
    struct story s = running();
    STEP("stop timer ", .type = NAT_EV_DESTROY);
    STEP("clean+remove+force ", .type = NAT_EV_TIMER);
    STEP("exited(lost: its supervisor is gone and left no exit status, killed) "
         "destroyed(-110) ",
         .type = NAT_EV_CLEANED, .code = -ETIMEDOUT);
    assert_int_equal(s.c.state, NAT_IS_STUCK);
    STEP("clean+remove+force ", .type = NAT_EV_DESTROY); /* may be tried again */
    STEP("destroyed(0) forget ", .type = NAT_EV_CLEANED);
}

static void destroy_before_the_user_is_known(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("", .type = NAT_EV_DESTROY);
    STEP("launched(-125) destroyed(0) forget ", .type = NAT_EV_USER_KNOWN);
}

static void destroy_while_starting(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("spawn ", .type = NAT_EV_USER_KNOWN);
    STEP("stop timer ", .type = NAT_EV_DESTROY);
    STEP("", .type = NAT_EV_STARTED); /* too late: it is not launched any more */
    STEP("timer_stop clean+remove+force+simple ", .type = NAT_EV_ENDED,
         .status = &exit_1);
    STEP("launched(-125) destroyed(0) forget ", .type = NAT_EV_CLEANED);
}

static void failed_launch_leaves_nothing(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("spawn ", .type = NAT_EV_USER_KNOWN);
    STEP("clean+remove+force+simple ", .type = NAT_EV_FAILED, .code = -ENOENT,
         .text = "exec");
    STEP("launched(-2) forget ", .type = NAT_EV_CLEANED);
    s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("launched(-20003) forget ", .type = NAT_EV_USER_KNOWN, .code = MU_E_NOT_FOUND);
    s = begin();
    const struct nat_status left = {.leftover = true};
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("spawn ", .type = NAT_EV_USER_KNOWN);
    STEP("clean+remove+force ", .type = NAT_EV_FAILED, .code = -EEXIST, .status = &left);
    STEP("launched(-17) forget ", .type = NAT_EV_CLEANED);
}

static void supervisor_dies_while_starting(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("find_user ", .type = NAT_EV_LAUNCH);
    STEP("spawn ", .type = NAT_EV_USER_KNOWN);
    STEP("clean+remove+force ", .type = NAT_EV_LOST);
    STEP("launched(-20010) forget ", .type = NAT_EV_CLEANED);
}

static void supervisor_dies_while_running(void **state)
{
    (void)state;
    struct story s = running();
    STEP("clean ", .type = NAT_EV_LOST);
    const struct nat_status started = {.started = true};
    STEP("exited(lost: its supervisor is gone and left no exit status) ",
         .type = NAT_EV_CLEANED, .status = &started);
    STEP("clean+remove+force+simple ", .type = NAT_EV_DESTROY);
    s = running(); /* it had written the status, but not said it */
    STEP("clean ", .type = NAT_EV_LOST);
    STEP("", .type = NAT_EV_DESTROY);
    STEP("exited(exited with status 1, killed) clean+remove+force+simple ",
         .type = NAT_EV_CLEANED, .status = &exit_1);
    STEP("destroyed(0) forget ", .type = NAT_EV_CLEANED);
}

static void recovery_of_a_living_container(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("timer ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_ALIVE);
    STEP("timer_stop recovered(running) ", .type = NAT_EV_STARTED);
    STEP("exited(exited with status 1) ", .type = NAT_EV_ENDED, .status = &exit_1);
    s = begin(); /* it hangs */
    STEP("timer ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_ALIVE);
    STEP("recovered(running) ", .type = NAT_EV_TIMER);
    STEP("", .type = NAT_EV_STARTED);
    STEP("exited(exited with status 1) ", .type = NAT_EV_ENDED, .status = &exit_1);
    s = begin(); /* it ends in this moment */
    STEP("timer ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_ALIVE);
    STEP("timer_stop clean ", .type = NAT_EV_LOST);
    STEP("recovered(exited with status 1) ", .type = NAT_EV_CLEANED, .status = &exit_1);
    STEP("clean+remove+force+simple ", .type = NAT_EV_DESTROY);
    s = begin(); /* destroy does not wait for the answer */
    STEP("timer ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_ALIVE);
    STEP("stop timer ", .type = NAT_EV_DESTROY);
    STEP("timer_stop recovered(exited with status 1) clean+remove+force+simple ",
         .type = NAT_EV_ENDED, .status = &exit_1);
}

static void recovery_of_a_dead_container(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("clean ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_DEAD);
    STEP("recovered(exited with status 1) ", .type = NAT_EV_CLEANED, .status = &exit_1);
    s = begin();
    STEP("clean ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_DEAD);
    STEP("clean+remove+force+simple ", .type = NAT_EV_CLEANED); /* no sign of a start */
    STEP("recovered(never) forget ", .type = NAT_EV_CLEANED);
    s = begin();
    STEP("clean ", .type = NAT_EV_RECOVER, .found = NAT_FOUND_DEAD, .was_launched = true);
    STEP("recovered(lost: its supervisor is gone and left no exit status) ",
         .type = NAT_EV_CLEANED);
    s = begin();
    STEP("recovered(never) forget ", .type = NAT_EV_RECOVER);
    s = begin();
    STEP("recovered(lost: its supervisor is gone and left no exit status) forget ",
         .type = NAT_EV_RECOVER, .was_launched = true);
}

static void orphans_go_silently(void **state)
{
    (void)state;
    struct story s = begin();
    STEP("stop timer ", .type = NAT_EV_ORPHAN, .found = NAT_FOUND_ALIVE);
    STEP("timer_stop clean+remove+force+simple ", .type = NAT_EV_ENDED,
         .status = &exit_1);
    STEP("forget ", .type = NAT_EV_CLEANED);
    s = begin();
    STEP("clean+remove+force ", .type = NAT_EV_ORPHAN, .found = NAT_FOUND_DEAD);
    STEP("forget ", .type = NAT_EV_CLEANED, .code = -EBUSY);
}

static void out_of_memory_has_its_sentence(void **state)
{
    (void)state;
    struct story s = running();
    const struct nat_status oom = {.has_status = true,
                                   .wait_status = SIGKILL,
                                   .oom = true,
                                   .mem_limit_bytes = 32u << 20,
                                   .mem_max_bytes = (32u << 20) - 1};
    STEP("exited(Memory limit exceeded: requested: 32MB maximum used: 31MB) ",
         .type = NAT_EV_ENDED, .status = &oom);
    assert_true(s.c.exit.oom);
}

/* ---- random lives ---- */

struct walk {
    uint32_t seed;
    int launched, recovered, exited, destroyed, destroys;
    bool was_started;
};

static uint32_t draw(struct walk *w, uint32_t n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 10) % n;
}

static void count_effects(struct walk *w, const struct nat_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        const struct nat_effect *e = &fx->v[i];
        w->launched += e->type == NAT_FX_LAUNCHED;
        w->recovered += e->type == NAT_FX_RECOVERED;
        w->exited += e->type == NAT_FX_EXITED;
        w->destroyed += e->type == NAT_FX_DESTROYED;
        if (e->type == NAT_FX_LAUNCHED && e->code == 0) {
            w->was_started = true;
        }
        if (e->type == NAT_FX_RECOVERED && e->is_running) {
            w->was_started = true;
        }
        if (e->type == NAT_FX_FORGET) {
            assert_int_equal(i, fx->count - 1);
        }
    }
}

/* Events that can come in this state, and some that come late. */
static struct nat_event random_event(struct walk *w, const struct nat_container *c)
{
    static const struct nat_status statuses[] = {
        {0},
        {.started = true},
        {.has_status = true, .started = true, .wait_status = 0x100},
        {.has_status = true, .oom = true, .leftover = true},
    };
    struct nat_event ev = {.text = "why", .status = &statuses[draw(w, 4)]};
    ev.code = draw(w, 3) == 0 ? -EIO : 0;
    ev.type = (enum nat_event_type)(NAT_EV_DESTROY +
                                    draw(w, NAT_EV_TIMER - NAT_EV_DESTROY + 1));
    bool is_failure = ev.type == NAT_EV_FAILED;
    if (is_failure) {
        ev.code = -EIO;
    }
    bool is_cleaning = c->state == NAT_IS_EXAMINING || c->state == NAT_IS_REMOVING;
    if (ev.type == NAT_EV_CLEANED && !is_cleaning) {
        ev.type = NAT_EV_LOST;
    }
    return ev;
}

static void random_lives_pay_every_debt_once(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 20000; seed++) {
        struct walk w = {.seed = seed * 2654435761u};
        struct story s = begin();
        enum nat_event_type first = (enum nat_event_type)(
            NAT_EV_LAUNCH + draw(&w, 3)); /* LAUNCH RECOVER ORPHAN */
        struct nat_event ev = {.type = first,
                               .found = (enum nat_found)draw(&w, 3),
                               .was_launched = draw(&w, 2) == 1};
        step(&s, ev);
        count_effects(&w, &s.fx);
        for (int i = 0; i < 60 && s.c.state != NAT_IS_GONE; i++) {
            ev = random_event(&w, &s.c);
            if (i > 40) { /* in the end everything works */
                ev.code = ev.type == NAT_EV_CLEANED ? 0 : ev.code;
                if (i % 2 == 0) {
                    ev.type = NAT_EV_DESTROY;
                }
            }
            w.destroys += ev.type == NAT_EV_DESTROY;
            step(&s, ev);
            count_effects(&w, &s.fx);
        }
        assert_true(w.launched <= (first == NAT_EV_LAUNCH));
        assert_true(w.recovered <= (first == NAT_EV_RECOVER));
        assert_true(w.exited <= 1);
        assert_true(w.destroyed <= w.destroys);
        if (s.c.state == NAT_IS_GONE) {
            assert_int_equal(w.launched, first == NAT_EV_LAUNCH);
            assert_int_equal(w.recovered, first == NAT_EV_RECOVER);
            assert_int_equal(w.exited, w.was_started);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_life),
        cmocka_unit_test(killed_life),
        cmocka_unit_test(destroy_while_running),
        cmocka_unit_test(destroy_that_the_supervisor_does_not_follow),
        cmocka_unit_test(destroy_before_the_user_is_known),
        cmocka_unit_test(destroy_while_starting),
        cmocka_unit_test(failed_launch_leaves_nothing),
        cmocka_unit_test(supervisor_dies_while_starting),
        cmocka_unit_test(supervisor_dies_while_running),
        cmocka_unit_test(recovery_of_a_living_container),
        cmocka_unit_test(recovery_of_a_dead_container),
        cmocka_unit_test(orphans_go_silently),
        cmocka_unit_test(out_of_memory_has_its_sentence),
        cmocka_unit_test(random_lives_pay_every_debt_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
