/* The life of one container, as stories. Every event in every state:
 * test_docker_explorer.c. */
#include "docker_kit.h"

#include <errno.h>

#include "container_events.h"

struct story {
    struct dkr_container c;
    struct dkr_effects fx;
};

static const struct dkr_effect *effect(const struct story *s, enum dkr_effect_type type)
{
    for (size_t i = 0; i < s->fx.count; i++) {
        if (s->fx.v[i].type == type) {
            return &s->fx.v[i];
        }
    }
    return NULL;
}

/* The one that must be there. */
static const struct dkr_effect *the(const struct story *s, enum dkr_effect_type type)
{
    const struct dkr_effect *fx = effect(s, type);
    if (fx == NULL) {
        fail_msg("in state %s effect %d is missing", dkr_states[s->c.state].name, type);
        abort(); /* not reached */
    }
    return fx;
}

static void step(struct story *s, struct dkr_event ev)
{
    struct mu_error err;
    dkr_container_step(&s->c, &ev, &s->fx);
    if (dkr_container_check(&s->c, &err) < 0) {
        fail_msg("in state %s: %s", dkr_states[s->c.state].name, err.text);
    }
}

static void expect(const struct story *s, enum dkr_state state, enum dkr_effect_type type)
{
    if (s->c.state != state || effect(s, type) == NULL) {
        fail_msg("in state %s, not %s, or effect %d is missing",
                 dkr_states[s->c.state].name, dkr_states[state].name, type);
    }
}

static void begin(struct story *s)
{
    dkr_container_init(&s->c, false);
    step(s, plain(DKR_EV_LAUNCH));
    expect(s, DKR_CREATE, DKR_FX_CREATE);
}

static void run(struct story *s)
{
    begin(s);
    step(s, yes(NULL));
    expect(s, DKR_START, DKR_FX_START);
    step(s, yes(NULL));
    expect(s, DKR_LOOK, DKR_FX_INSPECT);
    assert_non_null(effect(s, DKR_FX_WAIT));
    assert_non_null(effect(s, DKR_FX_LOGS_FOLLOW));
    step(s, yes(&running));
    expect(s, DKR_RUNNING, DKR_FX_LAUNCHED);
    assert_int_equal(the(s, DKR_FX_LAUNCHED)->status, 0);
    assert_int_equal(s->c.pid, 77);
}

static void a_container_runs_ends_and_is_removed(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 3));
    expect(&s, DKR_EXAMINE, DKR_FX_INSPECT);
    step(&s, yes(&ended));
    expect(&s, DKR_DRAIN, DKR_FX_LOGS_DRAIN);
    assert_null(effect(&s, DKR_FX_EXITED)); /* not before all output is there */
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_EXITED);
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->has_status);
    assert_int_equal(how->wait_status, 3 << 8);
    assert_string_equal(how->message, "Container exited with status 3");
    assert_false(how->was_killed);
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_FORGET);
    assert_int_equal(the(&s, DKR_FX_DESTROYED)->status, 0);
}

static void a_missing_image_is_pulled_once(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(404, "No such image: x"));
    expect(&s, DKR_IMAGE, DKR_FX_IMAGE);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
    step(&s, refused(404, "No such image: x"));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "No such image: x");
}

static void an_image_that_cannot_be_had_fails_the_launch(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(404, "No such image: x"));
    step(&s, refused(500, "image 'x' cannot be had: no route"));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_IMAGE);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text,
                        "image 'x' cannot be had: no route");
}

static void a_forced_pull_comes_before_the_create(void **state)
{
    struct story s;
    (void)state;
    dkr_container_init(&s.c, true);
    step(&s, plain(DKR_EV_LAUNCH));
    expect(&s, DKR_IMAGE, DKR_FX_IMAGE);
    assert_true(the(&s, DKR_FX_IMAGE)->force);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
}

static void our_own_leftover_of_the_name_is_removed(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(409, "in use"));
    expect(&s, DKR_CLASH, DKR_FX_INSPECT_NAME);
    step(&s, yes(&ended));
    expect(&s, DKR_CLEAR, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
}

static void a_name_whose_holder_is_not_seen_is_tried_again_for_a_while(void **state)
{
    struct story s;
    int tries = 0;
    (void)state;
    begin(&s);
    for (;;) { /* the engine is still making the one of before a crash */
        step(&s, refused(409, "in use"));
        if (s.c.state == DKR_GONE) {
            break;
        }
        tries++;
        step(&s, refused(404, "No such container"));
        expect(&s, DKR_CREATE, DKR_FX_TIMER);
        step(&s, plain(DKR_EV_TIMER));
        expect(&s, DKR_CREATE, DKR_FX_CREATE);
    }
    assert_int_equal(tries, 7);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "in use");
}

static void a_foreign_container_of_the_name_is_left_alone(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(409, "in use"));
    step(&s, yes(&foreign));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_null(effect(&s, DKR_FX_REMOVE));
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_CONFLICT);
}

static void a_start_that_is_refused_removes_the_container_first(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, yes(NULL));
    step(&s, refused(500, "port is already allocated"));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    assert_null(effect(&s, DKR_FX_LAUNCHED));
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "port is already allocated");
    assert_null(effect(&s, DKR_FX_EXITED));
}

static void a_create_without_an_answer_is_looked_for_before_giving_up(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, no_answer(DKR_UNKNOWN));
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_FIND, DKR_FX_INSPECT_NAME);
    step(&s, yes(&never_started));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, -ECANCELED);
}

static void a_create_under_way_is_not_cancelled_by_destroy(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, plain(DKR_EV_DESTROY));
    assert_int_equal(s.c.state, DKR_CREATE);
    assert_int_equal(s.fx.count, 0);
    step(&s, yes(NULL));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
}

static void an_engine_that_is_away_fails_the_launch_after_some_tries(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    uint64_t waited_ms = 0;
    while (s.c.state != DKR_GONE) {
        step(&s, no_answer(DKR_UNREACHED));
        if (s.c.state == DKR_CREATE) {
            waited_ms += the(&s, DKR_FX_TIMER)->delay_ms;
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(waited_ms > 2000 && waited_ms < 20000);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_UNAVAILABLE);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "no answer");
}

static void a_broken_wait_is_no_end(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_UNKNOWN, 0));
    for (int i = 0; i < 100; i++) { /* however long the engine is away */
        step(&s, no_answer(DKR_UNREACHED));
        assert_int_equal(s.c.state, DKR_EXAMINE);
        assert_true(the(&s, DKR_FX_TIMER)->delay_ms <= 5000);
        step(&s, plain(DKR_EV_TIMER));
    }
    step(&s, yes(&running));
    assert_int_equal(s.c.state, DKR_RUNNING);
    step(&s, plain(DKR_EV_TIMER)); /* not at once: it would spin */
    expect(&s, DKR_RUNNING, DKR_FX_WAIT);
}

static void a_container_removed_by_others_has_ended(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_REFUSED, 0));
    step(&s, refused(404, "No such container"));
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_EXITED);
    assert_false(the(&s, DKR_FX_EXITED)->exit->has_status);
    step(&s, plain(DKR_EV_DESTROY)); /* and there is nothing to remove */
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
}

static void a_container_removed_by_others_after_the_wait_keeps_its_status(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 137));
    step(&s, refused(404, "No such container"));
    step(&s, plain(DKR_EV_LOGS_DONE));
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->has_status);
    assert_string_equal(how->message, "Container exited with status 137 (signal 9)");
}

static void a_container_that_someone_starts_again_runs_on(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_WAIT);
}

static void a_kernel_kill_for_memory_is_told(void **state)
{
    struct story s;
    struct dkr_found oom = ended;
    (void)state;
    oom.oom = true;
    oom.exit_code = 137;
    run(&s);
    step(&s, waited(DKR_OK, 137));
    step(&s, yes(&oom));
    step(&s, plain(DKR_EV_LOGS_DONE));
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->oom);
    assert_string_equal(
        how->message,
        "Memory limit exceeded: Container exited with status 137 (signal 9)");
}

static void a_killed_child_is_no_kill_of_a_container_that_succeeds(void **state)
{
    struct story s;
    struct dkr_found oom = ended;
    (void)state;
    oom.oom = true;
    oom.exit_code = 0;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&oom));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_false(the(&s, DKR_FX_EXITED)->exit->oom);
}

static void destroy_kills_reports_and_removes(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_KILLING, DKR_FX_KILL);
    step(&s, yes(NULL));
    step(&s, waited(DKR_OK, 137));
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_REMOVE, DKR_FX_EXITED);
    assert_true(the(&s, DKR_FX_EXITED)->exit->was_killed);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
}

static void an_end_before_destroy_is_no_kill(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_DESTROY));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_false(the(&s, DKR_FX_EXITED)->exit->was_killed);
}

static void a_container_that_survives_kills_is_removed_by_force(void **state)
{
    struct story s;
    int kills = 0;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    while (s.c.state != DKR_REMOVE) {
        kills++;
        assert_int_equal(s.c.state, DKR_KILLING);
        step(&s, yes(NULL));
        step(&s, plain(DKR_EV_TIMER));
        step(&s, yes(&running));
    }
    assert_int_equal(kills, 3);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_EXITED);
    assert_string_equal(the(&s, DKR_FX_EXITED)->exit->message,
                        "Container was removed by force");
    assert_non_null(effect(&s, DKR_FX_DESTROYED));
}

static void an_engine_without_answer_is_helped_by_a_signal_to_the_pid(void **state)
{
    struct story s;
    bool was_signalled = false;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    step(&s, no_answer(DKR_UNKNOWN)); /* of the kill */
    for (int i = 0; i < 20 && s.c.owes_destroyed; i++) {
        step(&s, no_answer(DKR_UNKNOWN));
        was_signalled = was_signalled || effect(&s, DKR_FX_KILL_PID) != NULL;
        if (s.c.owes_destroyed && s.c.timer_armed) {
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(was_signalled);
    assert_int_equal(the(&s, DKR_FX_DESTROYED)->status, MU_E_UNAVAILABLE);
    assert_string_equal(the(&s, DKR_FX_DESTROYED)->text, "no answer");
    step(&s, plain(DKR_EV_TIMER)); /* it is still being tried */
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_EXITED);
}

static void recover(struct story *s, bool was_launched)
{
    dkr_container_init(&s->c, false);
    struct dkr_event ev = plain(DKR_EV_RECOVER);
    ev.was_launched = was_launched;
    step(s, ev);
    expect(s, DKR_ADOPT, DKR_FX_INSPECT_NAME);
}

static void a_running_container_is_taken_over(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_RECOVERED);
    assert_true(the(&s, DKR_FX_RECOVERED)->is_running);
    assert_non_null(effect(&s, DKR_FX_WAIT));
    assert_non_null(effect(&s, DKR_FX_LOGS_FOLLOW));
    assert_int_equal(s.c.pid, 77);
}

static void an_ended_container_is_reported_after_its_last_output(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, yes(&ended));
    expect(&s, DKR_DRAIN, DKR_FX_LOGS_DRAIN);
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_RECOVERED);
    assert_false(the(&s, DKR_FX_RECOVERED)->is_running);
    assert_int_equal(the(&s, DKR_FX_RECOVERED)->exit->wait_status, 3 << 8);
    assert_null(effect(&s, DKR_FX_EXITED)); /* that was it */
}

static void a_launch_that_the_agent_did_not_live_to_see_is_taken_over(void **state)
{
    struct story s;
    (void)state;
    recover(&s, false);
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_RECOVERED);
    recover(&s, false);
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_non_null(the(&s, DKR_FX_RECOVERED)->exit);
}

static void a_container_that_was_created_only_is_removed(void **state)
{
    struct story s;
    (void)state;
    recover(&s, false);
    step(&s, yes(&never_started));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    assert_null(effect(&s, DKR_FX_RECOVERED)); /* its id is not free yet */
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_RECOVERED);
    assert_null(the(&s, DKR_FX_RECOVERED)->exit);
}

static void a_missing_container_was_lost_or_never_started(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, refused(404, "No such container"));
    expect(&s, DKR_GONE, DKR_FX_RECOVERED);
    assert_false(the(&s, DKR_FX_RECOVERED)->exit->has_status);
    recover(&s, false);
    step(&s, refused(404, "No such container"));
    expect(&s, DKR_GONE, DKR_FX_RECOVERED);
    assert_null(the(&s, DKR_FX_RECOVERED)->exit);
}

static void recovery_does_not_wait_for_an_engine_that_is_away(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    while (s.c.owes_recovered) {
        step(&s, no_answer(DKR_UNREACHED));
        if (s.c.owes_recovered) {
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(the(&s, DKR_FX_RECOVERED)->is_running); /* no news is no death */
    assert_int_equal(s.c.state, DKR_EXAMINE);
    step(&s, no_answer(DKR_UNREACHED));
    step(&s, plain(DKR_EV_TIMER));
    step(&s, yes(&running));
    assert_int_equal(s.c.state, DKR_RUNNING);
    assert_non_null(effect(&s, DKR_FX_LOGS_FOLLOW));
}

static void every_state_is_in_the_table(void **state)
{
    (void)state;
    for (int i = 0; i < DKR_STATE_COUNT; i++) {
        assert_non_null(dkr_states[i].name);
        assert_int_equal(dkr_states[i].next >> DKR_STATE_COUNT, 0);
        assert_int_equal(dkr_states[i].next & 1u << DKR_NEW, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_runs_ends_and_is_removed),
        cmocka_unit_test(a_missing_image_is_pulled_once),
        cmocka_unit_test(an_image_that_cannot_be_had_fails_the_launch),
        cmocka_unit_test(a_forced_pull_comes_before_the_create),
        cmocka_unit_test(our_own_leftover_of_the_name_is_removed),
        cmocka_unit_test(a_name_whose_holder_is_not_seen_is_tried_again_for_a_while),
        cmocka_unit_test(a_foreign_container_of_the_name_is_left_alone),
        cmocka_unit_test(a_start_that_is_refused_removes_the_container_first),
        cmocka_unit_test(a_create_without_an_answer_is_looked_for_before_giving_up),
        cmocka_unit_test(a_create_under_way_is_not_cancelled_by_destroy),
        cmocka_unit_test(an_engine_that_is_away_fails_the_launch_after_some_tries),
        cmocka_unit_test(a_broken_wait_is_no_end),
        cmocka_unit_test(a_container_removed_by_others_has_ended),
        cmocka_unit_test(a_container_removed_by_others_after_the_wait_keeps_its_status),
        cmocka_unit_test(a_container_that_someone_starts_again_runs_on),
        cmocka_unit_test(a_kernel_kill_for_memory_is_told),
        cmocka_unit_test(a_killed_child_is_no_kill_of_a_container_that_succeeds),
        cmocka_unit_test(destroy_kills_reports_and_removes),
        cmocka_unit_test(an_end_before_destroy_is_no_kill),
        cmocka_unit_test(a_container_that_survives_kills_is_removed_by_force),
        cmocka_unit_test(an_engine_without_answer_is_helped_by_a_signal_to_the_pid),
        cmocka_unit_test(a_running_container_is_taken_over),
        cmocka_unit_test(an_ended_container_is_reported_after_its_last_output),
        cmocka_unit_test(a_launch_that_the_agent_did_not_live_to_see_is_taken_over),
        cmocka_unit_test(a_container_that_was_created_only_is_removed),
        cmocka_unit_test(a_missing_container_was_lost_or_never_started),
        cmocka_unit_test(recovery_does_not_wait_for_an_engine_that_is_away),
        cmocka_unit_test(every_state_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
