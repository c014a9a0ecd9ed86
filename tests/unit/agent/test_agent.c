/* The agent's machine: registration, the life of a task, updates, kills, restarts at
 * every point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "codec/agent_json.h"
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

static void a_new_agent_registers_and_keeps_its_id_over_a_restart(void **state)
{
    (void)state;
    assert_int_equal(world_count_sent(&w, MU_MSG_REGISTER), 1);
    world_crash(&w);
    world_boot(&w);
    world_pass(&w, 1000);
    assert_int_equal(world_count_sent(&w, MU_MSG_REGISTER), 1);
    assert_string_equal(world_last_sent(&w, MU_MSG_REREGISTER)->agent->id.s, "m-S0");
}

static void an_unanswered_registration_is_repeated_with_growing_waits(void **state)
{
    (void)state;
    world_crash(&w);
    w.has_master = false;
    world_boot(&w);
    world_pass(&w, 10000);
    size_t in_ten_seconds = world_count_sent(&w, MU_MSG_REREGISTER);
    assert_in_range(in_ten_seconds, 2, 15);
    world_pass(&w, 600000);
    size_t in_ten_minutes = world_count_sent(&w, MU_MSG_REREGISTER) - in_ten_seconds;
    assert_in_range(in_ten_minutes, 10,
                    60); /* at most a minute apart, half of that on average */
}

static void a_silent_master_is_given_up(void **state)
{
    (void)state;
    world_pass(&w, 75000);
    assert_int_equal(w.reconnects, 1);
}

static void a_ping_is_answered_and_keeps_the_link(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        world_pass(&w, 70000);
        struct mu_msg ping;
        mu_msg_init(&ping, MU_MSG_PING);
        world_message(&w, &ping);
        world_settle(&w);
    }
    assert_int_equal(w.reconnects, 0);
    assert_int_equal(world_count_sent(&w, MU_MSG_PONG), 10);
}

static void a_task_runs_ends_and_is_forgotten(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    struct container *c = world_container(&w, "t");
    assert_non_null(c);
    assert_string_equal(world_last_status(&w, "t")->ip, "172.17.0.2");
    world_exit(&w, c, 0, false);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_FINISHED");
    assert_true(c->removed);
    assert_int_equal(world_live_tasks(&w), 0);
}

struct rows_of {
    size_t live, completed;
    char sandbox[2][512]; /* live, completed */
};

static void take_sandbox(void *arg, const void *data)
{
    const struct mu_local_task_row *row = data;
    struct rows_of *r = arg;
    *(row->completed ? &r->completed : &r->live) += 1;
    snprintf(r->sandbox[row->completed], sizeof(r->sandbox[0]), "%s", row->sandbox);
}

static struct rows_of rows_of(const char *task)
{
    struct rows_of r = {0};
    assert_true(agent_query(w.a, MU_Q_LOCAL_TASKS, task, take_sandbox, &r) >= 0);
    return r;
}

static void a_task_id_may_be_used_again_when_its_task_is_over(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_settle(&w);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_FINISHED TASK_RUNNING");
    assert_int_equal(w.containers.count, 2);
    assert_true(w.containers.v[1].running);
    struct rows_of r = rows_of("t");
    assert_int_equal(r.live, 1);
    assert_int_equal(r.completed, 1);
    assert_string_not_equal(r.sandbox[0], r.sandbox[1]);
    world_crash(&w);
    world_boot(&w);
    world_settle(&w);
    assert_true(w.containers.v[1].running); /* taken over */
    assert_int_equal(w.containers.v[1].starts, 1);
    assert_int_equal(rows_of("t").live, 1);
}

static void a_task_id_waits_for_the_removal_of_its_container(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    w.destroy_status = -EBUSY;
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_settle(&w);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_LOST);
    assert_non_null(strstr(world_last_status(&w, "t")->message, "being removed"));
    w.destroy_status = 0;
    world_pass(&w, 11000);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_RUNNING);
    assert_int_equal(w.containers.count, 2);
}

static void a_task_is_told_about_itself(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    static char web[] = "web";
    w.role = web;
    world_run(&w, "u", SMALL);
    world_settle(&w);
    const struct mu_pairs *env = &world_container(&w, "t")->env;
    assert_string_equal(mu_pairs_get(env, "MESOS_TASK_ID"), "mine wins");
    assert_string_equal(mu_pairs_get(env, "MESOS_SLAVE_ID"), "m-S0");
    assert_string_equal(mu_pairs_get(env, "MESOS_AGENT_ENDPOINT"), "10.0.0.9:5051");
    assert_string_equal(mu_pairs_get(env, "MESOS_SLAVE_PID"), "slave(1)@10.0.0.9:5051");
    assert_string_equal(mu_pairs_get(env, "MESOS_ALLOCATION_ROLE"), "*");
    env = &world_container(&w, "u")->env;
    assert_string_equal(mu_pairs_get(env, "MESOS_ALLOCATION_ROLE"), "web");
}

static void
expect_end(int wait_status, bool oom, const char *want_states, const char *want_reason)
{
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_exit(&w, world_container(&w, "t"), wait_status, oom);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), want_states);
    assert_string_equal(world_last_status(&w, "t")->reason, want_reason);
}

static void a_non_zero_exit_is_failed(void **state)
{
    (void)state;
    expect_end(1 << 8, false, "TASK_RUNNING TASK_FAILED",
               "REASON_COMMAND_EXECUTOR_FAILED");
}

static void an_out_of_memory_end_says_so(void **state)
{
    (void)state;
    expect_end(SIGKILL, true, "TASK_RUNNING TASK_FAILED",
               "REASON_CONTAINER_LIMITATION_MEMORY");
}

static void nothing_is_started_before_its_record_is_durable(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    size_t before = w.journal.count;
    while (world_container(&w, "t") == NULL) {
        assert_true(world_step(&w));
    }
    assert_int_equal(w.journal.count, before + 1); /* accepted, containerizer chosen */
}

static void a_duplicate_run_starts_nothing_twice(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_int_equal(w.containers.count, 1);
    assert_int_equal(world_container(&w, "t")->starts, 1);
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_settle(&w);
    world_run(&w, "t", SMALL); /* late, after the end */
    world_settle(&w);
    assert_int_equal(world_container(&w, "t")->starts, 1);
}

static void what_does_not_fit_is_refused_with_the_reason(void **state)
{
    (void)state;
    world_run(&w, "big", "cpus:3;mem:64");
    world_run(&w, "bigger", "cpus:2;mem:64");
    world_settle(&w);
    assert_null(world_container(&w, "bigger"));
    assert_int_equal(world_last_status(&w, "bigger")->state, MU_TASK_LOST);
    assert_non_null(strstr(world_last_status(&w, "bigger")->message, "cpus:2"));
    world_exit(&w, world_container(&w, "big"), 0, false);
    world_run(&w, "third", "cpus:4;mem:64");
    world_settle(&w);
    assert_non_null(world_container(&w, "third"));
}

static void what_no_containerizer_takes_fails_with_the_reason(void **state)
{
    (void)state;
    w.choose_status = MU_E_UNSUPPORTED;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_null(world_container(&w, "t"));
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_FAILED);
    assert_non_null(strstr(world_last_status(&w, "t")->message, "no containerizer"));
    assert_int_equal(world_live_tasks(&w), 0);
}

/* The record of the task is there and that of its end is not: as after a torn write. */
static void a_choice_whose_end_was_lost_is_made_again(void **state)
{
    (void)state;
    size_t before = w.journal.count;
    w.choose_status = MU_E_UNSUPPORTED;
    world_run(&w, "t", SMALL);
    while (w.journal.count < before + 2) {
        assert_true(world_step(&w));
    }
    world_crash(&w);
    mu_buf_release(&w.journal.v[--w.journal.count]);
    w.choose_status = 0;
    world_boot(&w);
    world_pass(&w, 2000);
    assert_int_equal(world_container(&w, "t")->starts, 1);
    world_crash(&w); /* and that it was chosen then is remembered */
    world_boot(&w);
    world_pass(&w, 2000);
    assert_int_equal(world_container(&w, "t")->starts, 1);
    assert_true(world_container(&w, "t")->running);
}

static void a_failed_launch_tells_why(void **state)
{
    (void)state;
    w.launch_status = -ENOENT;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_FAILED);
    assert_string_equal(world_last_status(&w, "t")->reason,
                        "REASON_CONTAINER_LAUNCH_FAILED");
    assert_non_null(strstr(world_last_status(&w, "t")->message, "no such image"));
    assert_int_equal(world_live_tasks(&w), 0);
}

static void a_failed_fetch_tells_why(void **state)
{
    (void)state;
    w.prepare_status = -ENOENT;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_FAILED);
    assert_non_null(strstr(world_last_status(&w, "t")->message, "fetch 'x'"));
}

static void a_slow_launch_is_told_as_starting(void **state)
{
    (void)state;
    w.is_slow = true;
    world_run(&w, "t", SMALL);
    world_pass(&w, 5000);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_STARTING");
}

static void an_update_is_sent_again_until_it_is_acknowledged(void **state)
{
    (void)state;
    w.acknowledges = false;
    world_run(&w, "t", SMALL);
    world_pass(&w, 9000);
    assert_int_equal(world_count_sent(&w, MU_MSG_STATUS_UPDATE), 1);
    world_pass(&w, 2000); /* after 10 s */
    assert_int_equal(world_count_sent(&w, MU_MSG_STATUS_UPDATE), 2);
    world_pass(&w, 18000);
    assert_int_equal(world_count_sent(&w, MU_MSG_STATUS_UPDATE), 2);
    world_pass(&w, 2000); /* 20 s later */
    assert_int_equal(world_count_sent(&w, MU_MSG_STATUS_UPDATE), 3);
    struct mu_task_status s = *world_last_status(&w, "t");
    world_ack(&w, &s);
    world_ack(&w, &s); /* twice is once */
    world_pass(&w, 40000);
    assert_int_equal(world_count_sent(&w, MU_MSG_STATUS_UPDATE), 3);
}

static void only_the_oldest_update_is_outstanding(void **state)
{
    (void)state;
    w.acknowledges = false;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_RUNNING");
    assert_int_equal(world_last_sent(&w, MU_MSG_STATUS_UPDATE)->latest_state,
                     MU_TASK_RUNNING);
    struct mu_task_status s = *world_last_status(&w, "t");
    world_ack(&w, &s);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_FINISHED");
    assert_int_equal(world_live_tasks(&w), 1); /* until the end is acknowledged */
}

static void updates_wait_for_the_master_and_go_out_at_reregistration(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    struct agent_event lost = {.type = AGENT_EV_MASTER, .now = w.now};
    struct agent_effects fx = {0};
    agent_step(w.a, &lost, &fx);
    agent_effects_release(&fx);
    free(fx.v);
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_pass(&w, 60000);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_RUNNING");
    struct mu_msg none;
    mu_msg_init(&none, MU_MSG_PING);
    mu_msg_release(&none);
    w.link++;
    struct agent_event up = {.type = AGENT_EV_MASTER, .now = w.now, .link = w.link};
    agent_step(w.a, &up, &fx);
    agent_effects_release(&fx);
    free(fx.v);
    world_pass(&w, 2000);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_FINISHED");
    assert_int_equal(world_last_sent(&w, MU_MSG_REREGISTER)->record_count, 1);
    assert_int_equal(world_last_sent(&w, MU_MSG_REREGISTER)->records[0].state,
                     MU_TASK_FINISHED);
}

static void a_kill_is_term_then_destruction_after_the_grace(void **state)
{
    (void)state;
    w.ignores_term = true;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_kill(&w, "t", true, 5000);
    world_pass(&w, 4900);
    struct container *c = world_container(&w, "t");
    assert_int_equal(c->terms, 1);
    assert_true(c->running);
    world_kill(&w, "t", true, 5000); /* again: changes nothing */
    world_settle(&w);
    assert_int_equal(c->terms, 1);
    world_pass(&w, 200);
    assert_false(c->running);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_KILLED");
    assert_int_equal(world_live_tasks(&w), 0);
}

static void a_polite_container_ends_within_its_grace(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_kill(&w, "t", false, 0);
    world_settle(&w);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_KILLED");
    assert_true(world_container(&w, "t")->removed);
}

static void a_kill_before_the_start_starts_nothing(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_kill(&w, "t", false, 0);
    world_settle(&w);
    assert_null(world_container(&w, "t"));
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_KILLED");
}

static void a_kill_does_not_wait_for_a_slow_fetch(void **state)
{
    (void)state;
    w.is_slow_fetch = true;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_kill(&w, "t", false, 0);
    world_settle(&w);
    assert_null(world_container(&w, "t"));
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_KILLED");
    assert_int_equal(world_live_tasks(&w), 0);
}

static void a_kill_during_the_launch_destroys_it(void **state)
{
    (void)state;
    w.is_slow = true;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_kill(&w, "t", false, 0);
    world_settle(&w);
    assert_false(world_container(&w, "t")->running);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_KILLED);
    assert_int_equal(world_live_tasks(&w), 0);
}

static void a_kill_of_an_unknown_task_is_answered(void **state)
{
    (void)state;
    world_kill(&w, "nobody", false, 0);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "nobody")->state, MU_TASK_GONE);
    assert_int_equal(strlen(world_last_status(&w, "nobody")->uuid.s),
                     36); /* a master takes no update without one */
}

static void a_container_that_cannot_be_removed_is_tried_again(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    w.destroy_status = -EBUSY;
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_pass(&w, 25000);
    assert_int_equal(world_live_tasks(&w), 1);
    w.destroy_status = 0;
    world_pass(&w, 11000);
    assert_int_equal(world_live_tasks(&w), 0);
}

static void tasks_that_only_the_master_knows_are_reported(void **state)
{
    (void)state;
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_REREGISTERED);
    memcpy(m.agent_id.s, "m-S0", 5);
    struct mu_task_status s = {.state = MU_TASK_RUNNING};
    memcpy(s.task_id.s, "ghost", 6);
    memcpy(s.framework_id.s, "m-0000", 7);
    mu_msg_add_status(&m, &s);
    world_message(&w, &m);
    world_settle(&w);
    assert_int_equal(world_last_status(&w, "ghost")->state, MU_TASK_GONE);
    assert_string_equal(world_last_status(&w, "ghost")->reason, "REASON_RECONCILIATION");
}

static void a_sandbox_is_removed_after_its_delay_and_over_a_restart(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_exit(&w, world_container(&w, "t"), 0, false);
    world_pass(&w, 1000000);
    assert_int_equal(w.removed.count, 0);
    world_crash(&w);
    w.now.wall_ms += 1000000; /* the process was away */
    world_boot(&w);
    world_pass(&w, 1500000);
    assert_int_equal(w.removed.count, 0);
    for (int i = 0; i < 4; i++) { /* pings keep the link meanwhile */
        world_pass(&w, 30000);
    }
    assert_int_equal(w.removed.count, 1);
    assert_non_null(
        strstr(w.removed.v[0], "/w/slaves/m-S0/frameworks/m-0000/executors/t/runs/"));
}

static void a_running_container_is_taken_over(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_crash(&w);
    world_boot(&w);
    world_pass(&w, 2000);
    assert_int_equal(world_container(&w, "t")->starts, 1);
    assert_int_equal(world_last_sent(&w, MU_MSG_REREGISTER)->records[0].state,
                     MU_TASK_RUNNING);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)), "TASK_RUNNING");
}

static void an_end_while_the_agent_was_away_is_reported_as_it_was(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_crash(&w);
    world_exit(&w, world_container(&w, "t"), 3 << 8, false);
    world_boot(&w);
    world_pass(&w, 2000);
    assert_string_equal(world_states(&w, "t", states, sizeof(states)),
                        "TASK_RUNNING TASK_FAILED");
    assert_int_equal(world_container(&w, "t")->starts, 1);
    assert_int_equal(world_live_tasks(&w), 0);
}

static void a_kill_goes_on_after_a_restart(void **state)
{
    (void)state;
    w.ignores_term = true;
    world_run(&w, "t", SMALL);
    world_settle(&w);
    world_kill(&w, "t", true, 5000);
    world_settle(&w);
    world_crash(&w);
    world_boot(&w);
    world_pass(&w, 6000);
    assert_false(world_container(&w, "t")->running);
    assert_int_equal(world_last_status(&w, "t")->state, MU_TASK_KILLED);
}

/* The scripted life: run, kill or end, until it is forgotten. */
static void script(bool kill)
{
    world_run(&w, "t", SMALL);
    if (kill) {
        world_kill(&w, "t", true, 500);
    }
}

static void drive_to_the_end(bool kill)
{
    for (int i = 0; i < 20; i++) {
        world_pass(&w, 1000);
        struct container *c = world_container(&w, "t");
        if (c != NULL && c->running && !kill) {
            world_exit(&w, c, 0, false);
        } else if (c != NULL && c->running && world_live_tasks(&w) > 0) {
            world_kill(&w, "t", true,
                       500); /* the kill may have been lost with the process: it is asked
                                for again, as the scheduler does */
        }
    }
}

/* Crash after every number of steps, with and without the record that was being written,
 * once and twice in a row. */
static void a_crash_at_any_point_starts_once_and_tells_the_end(void **state)
{
    (void)state;
    teardown(NULL);
    for (int variant = 0; variant < 8; variant++) {
        bool kill = (variant & 1) != 0, lose_tail = (variant & 2) != 0,
             twice = (variant & 4) != 0;
        for (size_t steps = 0; steps < 30; steps++) {
            world_init(&w);
            world_boot(&w);
            world_settle(&w);
            size_t durable = w.journal.count;
            script(kill);
            for (size_t i = 0; i < steps && world_step(&w); i++) {
                durable = w.due.count > 0 &&
                                  w.due.v[w.due.count - 1].ev.type == AGENT_EV_JOURNALLED
                              ? durable
                              : w.journal.count;
            }
            /* records whose JOURNALLED is still due may be lost: nobody was told that
             * they are durable */
            size_t unanswered = 0;
            for (size_t i = 0; i < w.due.count; i++) {
                unanswered += w.due.v[i].ev.type == AGENT_EV_JOURNALLED;
            }
            world_crash(&w);
            for (size_t i = 0; lose_tail && i < unanswered; i++) {
                mu_buf_release(&w.journal.v[--w.journal.count]);
            }
            world_boot(&w);
            if (twice) {
                for (size_t i = 0; i < steps / 2 && world_step(&w); i++) {
                }
                world_crash(&w);
                world_boot(&w);
            }
            drive_to_the_end(kill);
            struct container *c = world_container(&w, "t");
            if (c != NULL && (c->starts > 1 || c->running || !c->removed)) {
                fail_msg("variant %d steps %zu: started %u times, running %d, removed %d",
                         variant, steps, c->starts, c->running, c->removed);
            }
            if (world_live_tasks(&w) != 0) {
                fail_msg("variant %d steps %zu: the task is not forgotten", variant,
                         steps);
            }
            if (c != NULL &&
                !mu_task_state_is_terminal(world_last_status(&w, "t")->state)) {
                fail_msg("variant %d steps %zu: its end was not told", variant, steps);
            }
            world_release(&w);
        }
    }
    setup(NULL);
}

static void snapshot_to(void *arg, const struct agent_record *r)
{
    (void)arg;
    MU_VEC_PUSH_ZERO(&w.journal);
    mu_buf_init(&w.journal.v[w.journal.count - 1], MU_JOURNAL_RECORD_MAX);
    agent_record_encode(&w.journal.v[w.journal.count - 1], r);
}

static void a_snapshot_replays_to_the_same_state(void **state)
{
    (void)state;
    w.acknowledges = false;
    world_run(&w, "ended", SMALL);
    world_run(&w, "runs", SMALL);
    world_settle(&w);
    world_exit(&w, world_container(&w, "ended"), 7 << 8, false);
    world_settle(&w);
    struct mu_task_status s = *world_last_status(&w, "runs");
    world_ack(&w, &s);
    world_settle(&w);
    agent_snapshot(w.a, snapshot_to,
                   NULL); /* behind all there was: RESET makes it the only state */
    world_crash(&w);
    w.acknowledges = true;
    world_boot(&w);
    world_pass(&w, 2000);
    assert_string_equal(world_states(&w, "ended", states, sizeof(states)),
                        "TASK_RUNNING TASK_FAILED");
    assert_string_equal(world_states(&w, "runs", states, sizeof(states)), "TASK_RUNNING");
    assert_int_equal(world_container(&w, "runs")->starts, 1);
    assert_int_equal(world_live_tasks(&w), 1);
}

static void the_masters_shutdown_is_passed_on(void **state)
{
    (void)state;
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_SHUTDOWN);
    mu_msg_set_text(&m, "drained");
    world_message(&w, &m);
    world_settle(&w);
    assert_int_equal(w.shutdowns, 1);
}

static void a_message_of_an_old_link_changes_nothing(void **state)
{
    (void)state;
    world_run(&w, "t", SMALL);
    w.due.v[0].ev.link = 99;
    world_settle(&w);
    assert_null(world_container(&w, "t"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_new_agent_registers_and_keeps_its_id_over_a_restart),
        T(an_unanswered_registration_is_repeated_with_growing_waits),
        T(a_silent_master_is_given_up),
        T(a_ping_is_answered_and_keeps_the_link),
        T(a_task_runs_ends_and_is_forgotten),
        T(a_task_is_told_about_itself),
        T(a_task_id_may_be_used_again_when_its_task_is_over),
        T(a_task_id_waits_for_the_removal_of_its_container),
        T(a_non_zero_exit_is_failed),
        T(an_out_of_memory_end_says_so),
        T(nothing_is_started_before_its_record_is_durable),
        T(a_duplicate_run_starts_nothing_twice),
        T(what_does_not_fit_is_refused_with_the_reason),
        T(what_no_containerizer_takes_fails_with_the_reason),
        T(a_choice_whose_end_was_lost_is_made_again),
        T(a_failed_launch_tells_why),
        T(a_failed_fetch_tells_why),
        T(a_slow_launch_is_told_as_starting),
        T(an_update_is_sent_again_until_it_is_acknowledged),
        T(only_the_oldest_update_is_outstanding),
        T(updates_wait_for_the_master_and_go_out_at_reregistration),
        T(a_kill_is_term_then_destruction_after_the_grace),
        T(a_polite_container_ends_within_its_grace),
        T(a_kill_before_the_start_starts_nothing),
        T(a_kill_does_not_wait_for_a_slow_fetch),
        T(a_kill_during_the_launch_destroys_it),
        T(a_kill_of_an_unknown_task_is_answered),
        T(a_container_that_cannot_be_removed_is_tried_again),
        T(tasks_that_only_the_master_knows_are_reported),
        T(a_sandbox_is_removed_after_its_delay_and_over_a_restart),
        T(a_running_container_is_taken_over),
        T(an_end_while_the_agent_was_away_is_reported_as_it_was),
        T(a_kill_goes_on_after_a_restart),
        T(a_crash_at_any_point_starts_once_and_tells_the_end),
        T(a_snapshot_replays_to_the_same_state),
        T(the_masters_shutdown_is_passed_on),
        T(a_message_of_an_old_link_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
