/* From a wish to a running task: offers, launches, updates, kills, delays,
 * reconciliation.
 */
#include "world.h"

#include "scheduler/states.h"

#define WORLD(w)                                                                         \
    struct world w;                                                                      \
    (void)state;                                                                         \
    world_open(&(w))

static void state_tables_are_sound(void **state)
{
    (void)state;
    struct mu_error err;
    assert_int_equal(mu_sm_check(&sched_sm, &err), 0);
    assert_int_equal(mu_sm_check(&link_sm, &err), 0);
    assert_int_equal(mu_sm_check(&task_phase_sm, &err), 0);
    assert_int_equal(mu_sm_check(&deployment_sm, &err), 0);
}

static void framework_id_is_stored_before_anything_is_launched(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    w.hold_commits = true;
    world_start(&w);
    world_connect(&w);
    world_run(&w);
    assert_int_equal(w.commits.count, 1);
    assert_int_equal(w.commits.v[0].records[0].kind, SCHED_REC_FRAMEWORK);
    uint64_t c = world_put(&w, make_app("/a", 1));
    world_commit_one(&w, -28); /* the id cannot be stored yet */
    w.hold_commits = false;
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(w.launched, 0);
    assert_string_equal(view_queue(&w, "/a").waiting_for,
                        "the registry is storing the framework id");
    world_advance(&w, 2500);
    assert_int_equal(world_records(&w, "framework"), 1);
    assert_int_equal(w.launched, 1);
    world_close(&w);
}

static void app_is_answered_when_durable_and_then_runs(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    uint64_t c = world_put(&w, make_app("/a", 2));
    world_run(&w);
    assert_false(world_reply(&w, c)->seen);
    assert_false(view_app(&w, "/a").found);
    world_commit_one(&w, 0);
    assert_ok(&w, c);
    assert_true(view_app(&w, "/a").found); /* read your own writes */
    assert_int_equal(view_app(&w, "/a").deployments, 1);
    assert_int_equal(view_count(&w, MU_Q_DEPLOYMENTS, NULL), 1);
    w.hold_commits = false;
    world_run(&w);
    struct app_view v = view_app(&w, "/a");
    assert_int_equal(v.running, 2);
    assert_int_equal(v.deployments, 0);
    assert_int_equal(view_count(&w, MU_Q_DEPLOYMENTS, NULL), 0);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    assert_int_equal(world_records(&w, "tasks/a."), 2);
    world_close(&w);
}

static void store_failure_refuses_and_changes_nothing(void **state)
{
    WORLD(w);
    w.fail_commits = 1;
    uint64_t c = world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_refused_with(&w, c, MU_E_UNAVAILABLE,
                        "the registry could not store the change: disk is full");
    assert_false(view_app(&w, "/a").found);
    assert_int_equal(w.warnings, 0); /* nothing is tried again */
    assert_string_equal(mu_buf_str(&w.log), "group_failed");
    c = world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_ok(&w, c);
    world_close(&w);
}

static void fifty_instances_go_out_in_few_accepts(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 50));
    world_run(&w);
    assert_int_equal(w.launched, 50);
    assert_in_range(w.accepts, 1, 2);
    assert_int_equal(view_app(&w, "/a").running, 50);
    world_close(&w);
}

static void instances_spread_over_the_offers(void **state)
{
    WORLD(w);
    w.offer_nothing = true;
    world_put(&w, make_app("/a", 10));
    world_run(&w);
    w.offer_nothing = false;
    struct mu_msg both;
    mu_msg_init(&both, MU_MSG_OFFERS);
    for (size_t i = 0; i < 2; i++) {
        struct mu_offer o = {.agent_id = w.agents[i].id};
        snprintf(o.id.s, sizeof(o.id.s), "O-%zu", i);
        w.agents[i].offer = o.id;
        w.agents[i].is_offered = true;
        o.hostname = w.agents[i].host;
        o.resources = w.agents[i].total;
        mu_msg_add_offer(&both, &o);
    }
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &both});
    mu_msg_release(&both);
    world_run(&w);
    size_t on_first = 0;
    mu_map_foreach (e, &w.tasks) {
        on_first += ((struct fake_task *)e->value)->agent == 0;
    }
    assert_int_equal(on_first, 5);
    world_close(&w);
}

static void limit_per_offer_is_kept(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    w.cfg.max_tasks_per_offer = 3;
    scheduler_destroy(w.s);
    w.s = scheduler_create(&w.cfg);
    w.agents[1].is_known = false;
    world_start(&w);
    world_connect(&w);
    world_put(&w, make_app("/a", 8));
    world_run(&w);
    assert_int_equal(w.launched, 8);
    assert_int_equal(w.accepts, 3);
    world_close(&w);
}

static void offers_are_suppressed_when_nothing_is_wanted(void **state)
{
    WORLD(w);
    assert_true(w.suppressed);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_true(w.suppressed);
    world_close(&w);
}

static void unused_offers_are_declined_for_the_configured_time(void **state)
{
    WORLD(w);
    struct mu_app *a = make_app("/a", 1);
    a->cpus_milli = 64000;
    world_put(&w, a);
    world_run(&w);
    assert_int_equal(w.declines, 2);
    assert_int_equal(w.last_refuse_ms, 120000);
    struct queue_view q = view_queue(&w, "/a");
    assert_true(q.found && q.overdue);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.processed, 2);
    assert_int_equal(q.unused, 2);
    assert_string_equal(q.waiting_for, "cpus: 64 wanted, 8 offered by h1");
    assert_string_equal(q.rejects,
                        "UnfulfilledRole 0/2, UnfulfilledConstraint 0/2, "
                        "NoCorrespondingReservationFound 0/2, AgentMaintenance 0/2, "
                        "InsufficientCpus 2/2");
    struct deployment_view d = view_deployment(&w);
    assert_string_equal(d.waiting_for,
                        "/a: 0 of 1 running, 1 to launch: cpus: 64 wanted, "
                        "8 offered by h1");
    world_close(&w);
}

static void app_that_fits_at_last_is_launched_at_once(void **state)
{
    WORLD(w);
    struct mu_app *a = make_app("/a", 1);
    a->cpus_milli = 64000;
    world_put(&w, a);
    world_run(&w);
    world_put_forced(&w, make_app("/a", 1)); /* smaller; all offers are declined by now */
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

static void start_time_is_what_the_agent_says(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    struct fake_task *t = fake_task(&w, fake_nth(&w, "/a", 0));
    struct mu_task_status st = {.task_id = t->info->id,
                                .agent_id = t->info->agent_id,
                                .state = MU_TASK_RUNNING,
                                .source = MU_SOURCE_EXECUTOR,
                                .wall_ms = 1234567};
    mu_uuid_make(1, 2, &st.uuid);
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_UPDATE);
    mu_msg_add_status(&m, &st);
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &m});
    mu_msg_release(&m);
    world_run(&w);
    mu_auto_free char *key = mu_xasprintf("tasks/%s", t->info->id.s);
    const struct scheduler_record *r = mu_omap_get(&w.records, key);
    assert_int_equal(r->task->started_ms, 1234567);
    assert_int_equal(r->task->state, MU_TASK_RUNNING);
    world_close(&w);
}

static void new_work_revives_at_once_and_old_work_is_patient(void **state)
{
    WORLD(w);
    struct mu_app *a = make_app("/a", 3);
    add_constraint(a, "hostname", MU_OP_UNIQUE, NULL);
    world_put(&w, a);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 2);
    size_t revives = w.revives;
    world_put(&w, make_app("/b", 1)); /* new: at once, though one went out just now */
    world_run(&w);
    assert_int_equal(w.revives, revives + 1);
    /* a task of /b ends: room that /a may have waited for, but not so soon again */
    world_ids(&w, MU_CMD_APP_DELETE, "/b", true, false);
    world_run(&w);
    assert_int_equal(w.revives, revives + 1);
    world_advance(&w, 5000);
    assert_int_equal(w.revives, revives + 2);
    world_close(&w);
}

static void rescinded_offer_is_launched_elsewhere(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    world_put(&w, make_app("/a", 1));
    world_commit_one(&w, 0);
    world_run(&w);
    assert_int_equal(w.commits.count, 1); /* the launch */
    struct mu_msg rescind;
    mu_msg_init(&rescind, MU_MSG_RESCIND);
    for (size_t i = 0; i < 2; i++) {
        w.agents[i].is_offered = false;
        mu_msg_add_offer_id(&rescind, &w.agents[i].offer);
    }
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &rescind});
    mu_msg_release(&rescind);
    w.hold_commits = false;
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(w.launched, 1);
    assert_int_equal(world_records(&w, "tasks/"), 1);
    world_close(&w);
}

static void launch_that_cannot_be_stored_is_tried_again(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    world_put(&w, make_app("/a", 1));
    world_commit_one(&w, 0);
    world_run(&w);
    world_commit_one(&w, -28);
    w.hold_commits = false;
    world_run(&w);
    assert_int_equal(w.launched, 0);
    assert_string_equal(view_queue(&w, "/a").waiting_for,
                        "the registry could not store the last launch");
    world_advance(&w, 1500);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(world_records(&w, "tasks/"), 1);
    world_close(&w);
}

static void offers_taken_from_us_cost_no_delay(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    world_put(&w, make_app("/a", 1));
    world_commit_one(&w, 0);
    world_run(&w);
    w.agents[0].is_offered = w.agents[1].is_offered =
        false; /* RESCIND is still under way */
    w.hold_commits = false;
    world_run(&w);
    assert_int_equal(w.launched, 1);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_string_equal(view_app(&w, "/a").failure, "");
    world_close(&w);
}

static void updates_are_acknowledged_once_they_are_stored(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_int_equal(w.acks, 1);
    w.hold_commits = true;
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_FAILED);
    world_run(&w);
    world_advance(&w, 10001); /* the agent repeats itself */
    assert_int_equal(w.acks, 1);
    w.hold_commits = false;
    world_run(&w);
    assert_in_range(w.acks, 2, 4);
    world_close(&w);
}

static void repeated_update_is_acknowledged_again(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    struct fake_task *t = fake_task(&w, fake_nth(&w, "/a", 0));
    struct mu_task_status st = {
        .task_id = t->info->id, .agent_id = t->info->agent_id, .state = MU_TASK_RUNNING};
    mu_uuid_make(1, 2, &st.uuid);
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_UPDATE);
    mu_msg_add_status(&m, &st);
    clear_log(&w);
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &m});
    assert_int_equal(w.acks, 2);
    assert_string_equal(mu_buf_str(&w.log), ""); /* nothing changed: no event */
    st.state = MU_TASK_STARTING;                 /* late */
    mu_msg_release(&m);
    mu_msg_init(&m, MU_MSG_UPDATE);
    mu_msg_add_status(&m, &st);
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &m});
    assert_int_equal(w.acks, 3);
    assert_int_equal(view_app(&w, "/a").running, 1);
    mu_msg_release(&m);
    world_close(&w);
}

static void failed_task_is_replaced_after_a_delay(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    world_advance(&w, 60000);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_FAILED);
    world_run(&w);
    struct queue_view q = view_queue(&w, "/a");
    assert_true(q.found);
    assert_false(q.overdue);
    assert_int_equal(q.delay_left_ms, 1000);
    assert_string_equal(q.waiting_for, "delayed after a failure for another 1.000 s");
    struct app_view v = view_app(&w, "/a");
    assert_int_equal(v.failure_state, MU_TASK_FAILED);
    assert_int_equal(world_records(&w, "failures/a"), 1);
    world_advance(&w, 999);
    assert_int_equal(w.launched, 1);
    world_advance(&w, 1);
    assert_int_equal(w.launched, 2);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

static void delay_grows_with_each_round_of_failures(void **state)
{
    WORLD(w);
    w.run_state = 'f';
    world_put(&w, make_app("/a", 10));
    world_run(&w);
    assert_int_equal(view_queue(&w, "/a").delay_left_ms,
                     1000); /* ten failures, one round */
    world_advance(&w, 1000);
    assert_int_equal(w.launched, 20);
    assert_int_equal(view_queue(&w, "/a").delay_left_ms, 1150);
    world_advance(&w, 1150);
    assert_int_equal(view_queue(&w, "/a").delay_left_ms, 1322);
    world_advance(&w, 3600000);
    assert_in_range(view_queue(&w, "/a").delay_left_ms, 1, 300000);
    assert_in_range(w.launched, 30, 600);
    world_close(&w);
}

static void finishing_counts_as_failure_but_killing_does_not(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_KILLED);
    world_run(&w);
    assert_int_equal(w.launched, 2); /* at once */
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_FINISHED);
    world_run(&w);
    assert_false(view_queue(&w, "/a").overdue);
    assert_string_equal(view_app(&w, "/a").failure, ""); /* ending well is no failure */
    world_close(&w);
}

static void queue_reset_launches_at_once(void **state)
{
    WORLD(w);
    w.run_state = 'f';
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    w.run_state = 0;
    uint64_t c = world_ids(&w, MU_CMD_QUEUE_RESET, "/a", false, false);
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(view_app(&w, "/a").running, 1);
    c = world_ids(&w, MU_CMD_QUEUE_RESET, "/a", false, false);
    assert_refused_with(&w, c, MU_E_NOT_FOUND,
                        "Application /a not found in tasks queue.");
    world_close(&w);
}

static void killed_task_is_replaced_without_delay(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 2));
    world_run(&w);
    mu_auto_free char *victim = mu_xstrdup(fake_nth(&w, "/a", 0));
    uint64_t c = world_ids(&w, MU_CMD_TASKS_KILL, victim, false, false);
    world_run(&w);
    assert_ok(&w, c);
    assert_string_equal(world_reply(&w, c)->deployment_id, "");
    assert_null(fake_task(&w, victim));
    assert_int_equal(view_app(&w, "/a").running, 2);
    assert_int_equal(w.launched, 3);
    assert_int_equal(view_app(&w, "/a").instances, 2);
    world_close(&w);
}

static void kill_is_repeated_until_the_task_ends(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    mu_auto_free char *victim = mu_xstrdup(fake_nth(&w, "/a", 0));
    w.ignore_kills = true;
    world_ids(&w, MU_CMD_TASKS_KILL, victim, false, false);
    world_run(&w);
    assert_int_equal(w.kills, 1);
    world_advance(&w, 65000);
    assert_int_equal(w.kills, 3);
    w.ignore_kills = false;
    world_advance(&w, 30000);
    assert_null(fake_task(&w, victim));
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

static void unknown_tasks_are_killed_or_acknowledged(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    clear_log(&w);
    size_t kills = w.kills, acks = w.acks;
    struct mu_task_status st = {.task_id = {"a.stranger"}, .agent_id = {"S0"}};
    mu_uuid_make(1, 2, &st.uuid);
    const uint32_t states[] = {MU_TASK_RUNNING, MU_TASK_FAILED, MU_TASK_UNREACHABLE};
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        struct mu_msg m;
        mu_msg_init(&m, MU_MSG_UPDATE);
        st.state = states[i];
        mu_msg_add_status(&m, &st);
        world_step(&w, &(struct scheduler_event){.type = SCHED_EV_MESSAGE, .msg = &m});
        mu_msg_release(&m);
    }
    assert_int_equal(w.kills, kills + 1);
    assert_int_equal(w.acks, acks + 3);
    assert_string_equal(mu_buf_str(&w.log), "unknown_terminated");
    world_close(&w);
}

static void lost_agent_is_replaced_at_once_by_default(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 4));
    world_run(&w);
    fake_unreachable(&w, 0);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 4);
    assert_int_equal(world_records(&w, "tasks/a."), 4);
    world_close(&w);
}

static void unreachable_strategy_waits_then_replaces_then_forgets(void **state)
{
    WORLD(w);
    w.agents[1].is_known = false;
    struct mu_app *a = make_app("/a", 1);
    a->unreachable.inactive_after_ms = 60000;
    a->unreachable.expunge_after_ms = 120000;
    world_put(&w, a);
    world_run(&w);
    w.agents[1].is_known = true;
    fake_unreachable(&w, 0);
    world_advance(&w, 59000);
    assert_int_equal(w.launched, 1);
    world_advance(&w, 2000);
    assert_int_equal(w.launched, 2);
    assert_int_equal(view_count(&w, MU_Q_APP_TASKS, "/a"), 2);
    world_advance(&w, 60000);
    assert_int_equal(view_count(&w, MU_Q_APP_TASKS, "/a"), 1);
    assert_int_equal(world_records(&w, "tasks/a."), 1);
    world_close(&w);
}

static void task_that_comes_back_wins_over_its_replacement(void **state)
{
    WORLD(w);
    world_advance(&w, 20000); /* surplus is certain from here on */
    w.agents[1].is_known = false;
    struct mu_app *a = make_app("/a", 1);
    a->unreachable.inactive_after_ms = 10000;
    a->unreachable.expunge_after_ms = 1200000;
    world_put(&w, a);
    world_run(&w);
    mu_auto_free char *original = mu_xstrdup(fake_nth(&w, "/a", 0));
    w.agents[1].is_known = true;
    fake_unreachable(&w, 0);
    world_advance(&w, 11000);
    assert_int_equal(w.launched, 2);
    w.agents[0].is_up = true;
    fake_task(&w, original)->sent[0] = MU_TASK_RUNNING;
    fake_task(&w, original)->state = MU_TASK_STAGING; /* say it once more */
    fake_update(&w, original, MU_TASK_RUNNING);
    world_advance(&w, 1000);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 1);
    assert_non_null(fake_task(&w, original));
    world_close(&w);
}

static void disabled_strategy_waits_for_ever(void **state)
{
    WORLD(w);
    struct mu_app *a = make_app("/a", 2);
    a->unreachable.disabled = true;
    world_put(&w, a);
    world_run(&w);
    fake_unreachable(&w, 0);
    fake_unreachable(&w, 1);
    world_advance(&w, 86400000);
    assert_int_equal(w.launched, 2);
    world_close(&w);
}

static void task_that_never_answers_is_killed_and_replaced(void **state)
{
    WORLD(w);
    w.ignore_accepts = true;
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_int_equal(w.accepts, 1);
    w.agents[0].is_offered = w.agents[1].is_offered = false;
    w.ignore_accepts = false;
    world_advance(&w, 14000);
    assert_int_equal(w.launched, 0);
    world_advance(&w, 2000); /* the first full reconciliation finds out */
    assert_int_equal(view_app(&w, "/a").failure_state, MU_TASK_GONE);
    world_advance(&w, 2000);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

static void staging_for_too_long_is_replaced(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_STARTING);
    world_advance(&w, 299000);
    assert_int_equal(w.kills, 0);
    assert_int_equal(view_app(&w, "/a").staged, 1);
    world_advance(&w, 2000);
    assert_int_equal(w.kills, 1);
    assert_int_equal(w.launched, 2);
    world_close(&w);
}

static void accept_lost_with_the_link_is_noticed(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    world_put(&w, make_app("/a", 1));
    world_commit_one(&w, 0);
    world_run(&w);
    world_disconnect(&w);
    w.hold_commits = false;
    world_run(&w);
    assert_int_equal(w.launched, 0);
    assert_int_equal(world_records(&w, "tasks/"), 0);
    assert_string_equal(view_queue(&w, "/a").waiting_for, "no connection to a master");
    world_connect(&w);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

static void constraint_is_kept_and_named(void **state)
{
    WORLD(w);
    struct mu_app *a = make_app("/a", 3);
    add_constraint(a, "hostname", MU_OP_UNIQUE, NULL);
    world_put(&w, a);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 2);
    struct queue_view q = view_queue(&w, "/a");
    assert_int_equal(q.count, 1);
    assert_memory_equal(q.waiting_for, "constraint hostname UNIQUE", 26);
    w.agents[2].is_up = w.agents[2].is_known = true;
    world_advance(&w, 130000);
    assert_int_equal(view_app(&w, "/a").running, 3);
    world_close(&w);
}

static void tasks_have_legacy_ids_in_order_of_time(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/g/a", 3));
    world_run(&w);
    const char *before = "";
    for (size_t i = 0; i < 3; i++) {
        const char *id = fake_nth(&w, "/g/a", i);
        assert_int_equal(strlen(id), strlen("g_a.") + 36);
        assert_memory_equal(id, "g_a.", 4);
        assert_true(strcmp(before, id) != 0);
        assert_int_equal(id[4 + 14], '1'); /* version 1: made from the time */
        before = id;
    }
    const struct mu_task_info *t = fake_task(&w, before)->info;
    assert_string_equal(t->name, "a.g");
    assert_string_equal(t->command.user, "root");
    world_close(&w);
}

static void framework_that_was_removed_starts_anew(void **state)
{
    WORLD(w);
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    world_disconnect(&w);
    mu_auto_free char *old = mu_xstrdup(fake_nth(&w, "/a", 0));
    struct fake_task *t = fake_task(&w, old);
    mu_map_remove(&w.tasks, old);
    mu_task_info_unref(t->info);
    free(t);
    world_connect(&w);
    mu_msg_release(&w.inbox.v[0]); /* instead of SUBSCRIBED */
    mu_msg_init(&w.inbox.v[0], MU_MSG_ERROR);
    mu_msg_set_text(&w.inbox.v[0], "Framework has been removed");
    world_run(&w);
    world_disconnect(&w);
    world_connect(&w);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(w.next_framework, 2);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_tables_are_sound),
        cmocka_unit_test(framework_id_is_stored_before_anything_is_launched),
        cmocka_unit_test(app_is_answered_when_durable_and_then_runs),
        cmocka_unit_test(store_failure_refuses_and_changes_nothing),
        cmocka_unit_test(fifty_instances_go_out_in_few_accepts),
        cmocka_unit_test(instances_spread_over_the_offers),
        cmocka_unit_test(limit_per_offer_is_kept),
        cmocka_unit_test(offers_are_suppressed_when_nothing_is_wanted),
        cmocka_unit_test(unused_offers_are_declined_for_the_configured_time),
        cmocka_unit_test(app_that_fits_at_last_is_launched_at_once),
        cmocka_unit_test(start_time_is_what_the_agent_says),
        cmocka_unit_test(new_work_revives_at_once_and_old_work_is_patient),
        cmocka_unit_test(rescinded_offer_is_launched_elsewhere),
        cmocka_unit_test(launch_that_cannot_be_stored_is_tried_again),
        cmocka_unit_test(offers_taken_from_us_cost_no_delay),
        cmocka_unit_test(updates_are_acknowledged_once_they_are_stored),
        cmocka_unit_test(repeated_update_is_acknowledged_again),
        cmocka_unit_test(failed_task_is_replaced_after_a_delay),
        cmocka_unit_test(delay_grows_with_each_round_of_failures),
        cmocka_unit_test(finishing_counts_as_failure_but_killing_does_not),
        cmocka_unit_test(queue_reset_launches_at_once),
        cmocka_unit_test(killed_task_is_replaced_without_delay),
        cmocka_unit_test(kill_is_repeated_until_the_task_ends),
        cmocka_unit_test(unknown_tasks_are_killed_or_acknowledged),
        cmocka_unit_test(lost_agent_is_replaced_at_once_by_default),
        cmocka_unit_test(unreachable_strategy_waits_then_replaces_then_forgets),
        cmocka_unit_test(task_that_comes_back_wins_over_its_replacement),
        cmocka_unit_test(disabled_strategy_waits_for_ever),
        cmocka_unit_test(task_that_never_answers_is_killed_and_replaced),
        cmocka_unit_test(staging_for_too_long_is_replaced),
        cmocka_unit_test(accept_lost_with_the_link_is_noticed),
        cmocka_unit_test(constraint_is_kept_and_named),
        cmocka_unit_test(tasks_have_legacy_ids_in_order_of_time),
        cmocka_unit_test(framework_that_was_removed_starts_anew),
    };
    return cmocka_run_group_tests_name("launch", tests, NULL, NULL);
}
