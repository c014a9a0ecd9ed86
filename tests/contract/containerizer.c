/* The contract of containerizer plugins (core/include/muster/kind/containerizer.h), on
 * the real thing; see contract_kit.h for how it is run and containerizer.h for what an
 * implementation brings along. Every test ends with all containers destroyed and nothing
 * left. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "contract/containers.h"

static void can_run_takes_its_own_kind(void **state)
{
    struct world *w = *state;
    struct run *r = run_new(w);
    struct mu_error err;
    factory->fill(r->task, "true");
    struct mu_container_spec spec = run_spec(r);
    assert_int_equal(w->ops->can_run(kit.instance, &spec, &err), 1);
}

static void can_run_refuses_what_is_impossible_with_a_reason(void **state)
{
    struct world *w = *state;
    struct run *r = run_new(w);
    struct mu_error err = {0};
    if (factory->fill_impossible == NULL) {
        skip();
    }
    factory->fill_impossible(r->task);
    struct mu_container_spec spec = run_spec(r);
    assert_true(w->ops->can_run(kit.instance, &spec, &err) < 0);
    assert_true(err.text[0] != '\0');
}

static void end_of_a_command_is_reported_with_its_status(void **state)
{
    struct run *good = run_launch(*state, "exit 0");
    struct run *bad = run_launch(*state, "exit 3");
    run_wait_exit(good);
    run_wait_exit(bad);
    run_assert_exit_code(good, 0);
    run_assert_exit_code(bad, 3);
    assert_false(good->how.was_killed);
    assert_false(bad->how.oom);
}

static void output_is_in_the_sandbox_files_when_the_end_is_reported(void **state)
{
    struct run *r = run_launch(*state, "echo out; echo err >&2; printf 'no line end'");
    run_wait_exit(r);
    run_assert_file(r, "stdout", "out\nno line end");
    run_assert_file(r, "stderr", "err\n");
}

static void much_output_arrives_whole_and_in_order(void **state)
{
    struct run *r =
        run_launch(*state, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; "
                           "[ $((i % 2)) = 0 ] || echo $((i/2)) >&2; done");
    run_wait_exit(r);
    run_assert_counted(r, "stdout", 1, 20000);
    run_assert_counted(r, "stderr", 0, 9999);
}

static void environment_reaches_the_command(void **state)
{
    struct run *r = run_launch(*state, "echo \"$GREETING\"");
    run_wait_exit(r);
    run_assert_file(r, "stdout", "hello world\n");
}

static void sandbox_is_where_the_environment_says_and_can_be_written(void **state)
{
    struct run *r = run_launch(*state, "echo kept > \"$MESOS_SANDBOX/file\"");
    run_wait_exit(r);
    run_assert_exit_code(r, 0);
    run_assert_file(r, "file", "kept\n");
}

static void launch_that_fails_says_why_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct run *r = run_new(w);
    factory->fill_failing(r->task);
    run_ask_launch(r);
    assert_true(kit_run_until(&kit, &r->launched));
    assert_true(r->launch_status < 0);
    assert_true(r->text[0] != '\0');
    assert_false(r->exited);
    assert_false(factory->is_left(&r->id));
    r->launch_status = -1;
}

static void signal_reaches_the_command(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct run *r = run_launch(w, "trap 'echo caught; exit 5' TERM; echo ready; "
                                  "while :; do sleep 0.1; done");
    run_wait_for_text(r, "stdout", "ready");
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), 0);
    run_wait_exit(r);
    run_assert_exit_code(r, 5);
    assert_true(r->how.was_killed);
    run_assert_file(r, "stdout", "ready\ncaught\n");
}

static void signal_to_an_ended_or_unknown_container_is_refused(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct mu_container_id unknown = {"00000000-0000-4000-8000-000000000000"};
    struct run *r = run_launch(w, "true");
    run_wait_exit(r);
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), -ESRCH);
    assert_int_equal(w->ops->kill(kit.instance, &unknown, SIGTERM, &err), -ESRCH);
}

static void destroy_stops_a_running_container_and_reports_its_end_first(void **state)
{
    struct run *r = run_launch(*state, "trap '' TERM; echo ready; sleep 1000");
    run_wait_for_text(r, "stdout", "ready");
    run_destroy(r);
    assert_true(r->exited);
    assert_true(r->order_exited < r->order_destroyed);
    assert_true(r->how.was_killed);
}

static void destroy_of_an_ended_container_removes_it(void **state)
{
    struct run *r = run_launch(*state, "true");
    run_wait_exit(r);
    run_destroy(r);
}

static void destroy_of_an_unknown_container_succeeds(void **state)
{
    struct run *r = run_new(*state);
    factory->fill(r->task, "true");
    run_destroy(r);
}

static void destroy_twice_answers_twice(void **state)
{
    struct world *w = *state;
    struct run *r = run_launch(w, "sleep 1000");
    struct run second = {.w = w};
    w->ops->destroy(kit.instance, &r->id, run_on_destroyed, r);
    w->ops->destroy(kit.instance, &r->id, run_on_destroyed, &second);
    assert_true(kit_run_until(&kit, &r->destroyed));
    assert_true(kit_run_until(&kit, &second.destroyed));
    assert_int_equal(r->destroy_status, 0);
    assert_int_equal(second.destroy_status, 0);
    assert_false(factory->is_left(&r->id));
}

/* At whatever moment: at once, and after more and more turns of the loop. */
static void destroy_during_launch_answers_both_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    for (int turns = 0; turns < 12; turns++) {
        struct run *r = run_begin(w, "sleep 1000");
        for (int i = 0; i < turns && !r->launched; i++) {
            uv_run(kit.th->loop, UV_RUN_ONCE);
        }
        run_destroy(r);
        assert_true(r->launched);
        assert_true(r->exited == (r->launch_status == 0));
    }
}

static void many_containers_live_side_by_side(void **state)
{
    struct world *w = *state;
    struct run *runs[12];
    for (size_t i = 0; i < 12; i++) {
        runs[i] = run_begin(w, "echo mine; exit 4");
    }
    for (size_t i = 0; i < 12; i++) {
        assert_true(kit_run_until(&kit, &runs[i]->launched));
        run_wait_exit(runs[i]);
        run_assert_exit_code(runs[i], 4);
        run_assert_file(runs[i], "stdout", "mine\n");
    }
}

static void memory_limit_is_reported_as_such(void **state)
{
    struct world *w = *state;
    if (factory->has_memory_limit == NULL || !factory->has_memory_limit()) {
        skip();
    }
    struct run *r = run_launch(w, "x=a; while :; do x=$x$x; done");
    run_wait_exit(r);
    assert_true(r->how.oom);
    assert_false(r->how.was_killed);
    assert_non_null(strstr(r->how_text, "emory limit exceeded"));
}

struct figures {
    bool done;
    int status;
    struct mu_container_usage usage;
};

static void on_usage(void *arg, int status, const struct mu_container_usage *usage)
{
    struct figures *f = arg;
    f->status = status;
    if (usage != NULL) {
        f->usage = *usage;
    }
    f->done = true;
}

static void usage_of_a_running_container_has_figures(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct figures f = {0};
    if (w->ops->usage == NULL) {
        skip();
    }
    struct run *r = run_launch(w, "echo ready; while :; do :; done");
    run_wait_for_text(r, "stdout", "ready");
    /* The processor's time is counted in ticks, of ten milliseconds here and there; the
     * test's own time-out ends what never counts. */
    while (f.usage.cpu_user_us + f.usage.cpu_system_us == 0) {
        f.done = false;
        assert_int_equal(w->ops->usage(kit.instance, &r->id, on_usage, &f, &err), 0);
        assert_false(f.done);
        assert_true(kit_run_until(&kit, &f.done));
        assert_int_equal(f.status, 0);
    }
    assert_true(f.usage.processes >= 1);
    assert_true(f.usage.mem_rss_bytes > 0);
}

static void usage_of_an_unknown_container_is_refused(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct figures f = {0};
    struct mu_container_id unknown = {"00000000-0000-4000-8000-000000000000"};
    if (w->ops->usage == NULL) {
        skip();
    }
    assert_int_equal(w->ops->usage(kit.instance, &unknown, on_usage, &f, &err), -ESRCH);
}

static void running_container_is_taken_over_after_a_restart(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct run *r =
        run_launch(w, "trap 'exit 6' TERM; echo before; touch $MESOS_SANDBOX/up; while "
                      ":; do sleep 0.1; done");
    int64_t pid = r->pid;
    run_wait_for_text(r, "stdout", "before");
    world_restart(w);
    world_recover(w, &r, 1, true);
    assert_true(r->recovered_running);
    assert_false(r->recovered_how);
    assert_int_equal(r->pid, pid);
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), 0);
    run_wait_exit(r);
    run_assert_exit_code(r, 6);
    run_assert_file(r, "stdout", "before\n");
}

static void end_while_the_agent_is_away_is_reported_with_its_status(void **state)
{
    struct world *w = *state;
    struct run *r =
        run_launch(w, "echo 1; while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.05; done; "
                      "echo 2; exit 9");
    run_wait_for_text(r, "stdout", "1\n");
    kit_destroy(&kit, true);
    mu_auto_free char *go = mu_xasprintf("%s/go", r->sandbox);
    close(open(go, O_CREAT | O_WRONLY, 0644));
    run_wait_pid_gone(r);
    world_begin_instance(w);
    world_recover(w, &r, 1, true);
    if (r->recovered_running) { /* what supervises it had not noticed yet */
        run_wait_exit(r);
    } else {
        assert_true(r->recovered_how);
    }
    run_assert_exit_code(r, 9);
    run_assert_file(r, "stdout", "1\n2\n");
}

static void output_over_restarts_is_neither_lost_nor_doubled(void **state)
{
    struct world *w = *state;
    struct run *r =
        run_launch(w, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; echo $i >&2; "
                      "[ $((i % 50)) != 0 ] || sleep 0.02; done");
    for (int i = 0; i < 5; i++) {
        char seen[32];
        snprintf(seen, sizeof(seen), "\n%d\n", 100 + i * 300);
        run_wait_for_text(r, "stdout", seen);
        world_restart(w);
        world_recover(w, &r, 1, true);
        assert_true(r->recovered_running);
    }
    run_wait_exit(r);
    run_assert_exit_code(r, 0);
    run_assert_counted(r, "stdout", 1, 3000);
    run_assert_counted(r, "stderr", 1, 3000);
}

static void container_that_nobody_knows_is_destroyed_after_a_restart(void **state)
{
    struct world *w = *state;
    struct run *r = run_launch(w, "sleep 1000");
    bool never = false;
    world_restart(w);
    world_recover(w, NULL, 0, false);
    for (int i = 0; i < 400 && factory->is_left(&r->id); i++) {
        (void)test_host_run_until(kit.th, &never, 25);
    }
    assert_false(factory->is_left(&r->id));
    r->destroyed = true;
}

static void container_that_never_started_is_reported_so(void **state)
{
    struct world *w = *state;
    struct run *r = run_new(w);
    factory->fill(r->task, "true");
    world_restart(w);
    world_recover(w, &r, 1, false);
    assert_false(r->recovered_running);
    assert_false(r->recovered_how);
}

static void container_that_vanished_is_reported_as_lost(void **state)
{
    struct world *w = *state;
    struct run *r = run_new(w);
    factory->fill(r->task, "true");
    world_restart(w);
    world_recover(w, &r, 1, true);
    assert_false(r->recovered_running);
    assert_true(r->recovered_how);
    assert_false(r->how.has_status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(can_run_takes_its_own_kind),
        TEST(can_run_refuses_what_is_impossible_with_a_reason),
        TEST(end_of_a_command_is_reported_with_its_status),
        TEST(output_is_in_the_sandbox_files_when_the_end_is_reported),
        TEST(much_output_arrives_whole_and_in_order),
        TEST(environment_reaches_the_command),
        TEST(sandbox_is_where_the_environment_says_and_can_be_written),
        TEST(launch_that_fails_says_why_and_leaves_nothing),
        TEST(signal_reaches_the_command),
        TEST(signal_to_an_ended_or_unknown_container_is_refused),
        TEST(destroy_stops_a_running_container_and_reports_its_end_first),
        TEST(destroy_of_an_ended_container_removes_it),
        TEST(destroy_of_an_unknown_container_succeeds),
        TEST(destroy_twice_answers_twice),
        TEST(destroy_during_launch_answers_both_and_leaves_nothing),
        TEST(many_containers_live_side_by_side),
        TEST(memory_limit_is_reported_as_such),
        TEST(usage_of_a_running_container_has_figures),
        TEST(usage_of_an_unknown_container_is_refused),
        TEST(running_container_is_taken_over_after_a_restart),
        TEST(end_while_the_agent_is_away_is_reported_with_its_status),
        TEST(output_over_restarts_is_neither_lost_nor_doubled),
        TEST(container_that_nobody_knows_is_destroyed_after_a_restart),
        TEST(container_that_never_started_is_reported_so),
        TEST(container_that_vanished_is_reported_as_lost),
    };
    world_load(argc, argv);
    int failed = cmocka_run_group_tests_name(kit.plugin->name, tests, NULL, NULL);
    kit_unload(&kit);
    return failed == 0 ? 0 : 1;
}
