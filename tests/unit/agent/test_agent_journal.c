/* The agent's machine when its journal cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "world.h"

#define SMALL "cpus:0.5;mem:64"

static struct world w;
static char states[1024];

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    world_boot(&w);
    world_settle(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_release(&w);
    return 0;
}

static void a_full_disk_stops_new_tasks_and_leaves_running_ones(void **state)
{
    (void)state;
    world_run(&w, "old", SMALL);
    world_settle(&w);
    w.journal_status = -ENOSPC;
    world_run(&w, "first", SMALL); /* finds out */
    world_settle(&w);
    world_run(&w, "second", SMALL);
    world_settle(&w);
    assert_true(world_container(&w, "old")->running);
    assert_null(world_container(&w, "first"));
    assert_null(world_container(&w, "second"));
    assert_int_equal(world_last_status(&w, "first")->state, MU_TASK_FAILED);
    assert_non_null(strstr(world_last_status(&w, "second")->message,
                           "journal cannot be written (No space left"));
    assert_string_equal(world_last_status(&w, "second")->reason,
                        "REASON_CONTAINER_LAUNCH_FAILED"); /* not a race: back off */
    world_exit(&w, world_container(&w, "old"), 0,
               false); /* its end is told all the same */
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "old")->state, MU_TASK_FINISHED);
}

static void take_row(void *arg, const void *row)
{
    *(struct mu_agent_row *)arg = *(const struct mu_agent_row *)row;
}

static const char *unwell(void)
{
    struct mu_agent_row row = {0};
    assert_int_equal(agent_query(w.a, MU_Q_LOCAL_AGENT, NULL, take_row, &row), 1);
    return row.unwell;
}

static void take_metric(void *arg, const char *name, double value)
{
    if (strcmp(name, "slave/journal_failed") == 0) {
        *(double *)arg = value;
    }
}

static double journal_failed_metric(void)
{
    double value = -1;
    agent_metrics(w.a, take_metric, &value);
    return value;
}

static void an_agent_whose_journal_fails_is_unwell_until_it_can_write_again(void **state)
{
    (void)state;
    world_run(&w, "old", SMALL);
    world_settle(&w);
    assert_null(unwell());
    assert_true(journal_failed_metric() == 0);
    w.journal_status = -ENOSPC;
    w.acknowledges = false;
    world_exit(&w, world_container(&w, "old"), 0, false); /* finds out */
    world_settle(&w);
    assert_non_null(strstr(unwell(), "No space left"));
    assert_true(journal_failed_metric() == 1);
    size_t before = w.compactions;
    world_pass(&w, 50000); /* it tries, less and less often */
    assert_in_range(w.compactions - before, 5, 9);
    assert_non_null(unwell());
    w.journal_status = 0;
    w.epoch = 7;
    world_dial(&w);
    world_pass(&w, 10000);
    assert_null(unwell());
    assert_true(journal_failed_metric() == 0);
    size_t after = w.compactions;
    world_run(&w, "new", SMALL);
    world_pass(&w, 60000);
    assert_true(world_container(&w, "new")->running);
    assert_int_equal(w.compactions, after);
    /* and what was told meanwhile is in the journal now */
    world_crash(&w);
    w.acknowledges = true;
    world_boot(&w);
    world_settle(&w);
    assert_string_equal(world_states(&w, "old", states, sizeof(states)),
                        "TASK_RUNNING TASK_FINISHED");
    assert_int_equal(world_last_status(&w, "new")->state, MU_TASK_RUNNING);
    assert_int_equal(world_live_tasks(&w), 1);
    assert_int_equal(w.reconnects, 0);
    w.epoch = 6; /* deposed by the one that was heard of just before the snapshot */
    world_dial(&w);
    world_pass(&w, 2000);
    assert_int_equal(w.reconnects, 1);
}

/* Its token, or 0. */
static uint64_t snapshot_asked_for(struct agent_event *ev)
{
    uint64_t token = 0;
    struct agent_effects fx = {0};
    ev->now = w.now;
    agent_step(w.a, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        token = fx.v[i].type == AGENT_FX_COMPACT ? fx.v[i].token : token;
    }
    agent_effects_release(&fx);
    free(fx.v);
    return token;
}

/* What was refused before the snapshot was taken is in it; what was refused after is
 * not. */
static void a_snapshot_heals_what_it_holds(void **state)
{
    (void)state;
    world_run(&w, "old", SMALL);
    world_settle(&w);
    w.journal_status = -ENOSPC;
    world_kill(&w, "old", true, 100000); /* its record is refused */
    world_settle(&w);
    assert_non_null(unwell());
    w.now.mono_ms += 10000;
    struct agent_event due = {.type = AGENT_EV_TICK};
    uint64_t snapshot = snapshot_asked_for(&due);
    assert_true(snapshot > 0);
    struct agent_event late = {
        .type = AGENT_EV_JOURNALLED, .token = snapshot + 1, .status = -ENOBUFS};
    assert_int_equal(snapshot_asked_for(&late), 0);
    struct agent_event written = {.type = AGENT_EV_COMPACTED, .token = snapshot};
    assert_int_equal(snapshot_asked_for(&written), 0);
    assert_non_null(unwell());
    written.token = snapshot + 1; /* another one */
    assert_int_equal(snapshot_asked_for(&written), 0);
    assert_null(unwell());
    assert_int_equal(snapshot_asked_for(&late), 0); /* an answer that is late */
    assert_null(unwell());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_full_disk_stops_new_tasks_and_leaves_running_ones),
        T(an_agent_whose_journal_fails_is_unwell_until_it_can_write_again),
        T(a_snapshot_heals_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
