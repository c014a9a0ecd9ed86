/* Commands and deployments: what is accepted, in what order it happens, what stays up
 * meanwhile, and what users can do about a deployment that hangs.
 */
#include "world.h"

#define WORLD(w)                                                                         \
    struct world w;                                                                      \
    (void)state;                                                                         \
    world_open(&(w))

static struct mu_app *version(const char *id, uint32_t instances, const char *cmd)
{
    struct mu_app *a = make_app(id, instances);
    set_text(&a->cmd, cmd);
    return a;
}

static struct mu_app *depends(struct mu_app *a, const char *on)
{
    mu_strings_add(&a->dependencies, on);
    return a;
}

static void run_app(struct world *w, struct mu_app *a)
{
    uint64_t c = world_put(w, a);
    world_run(w);
    assert_ok(w, c);
    assert_int_equal(view_count(w, MU_Q_DEPLOYMENTS, NULL), 0);
    clear_log(w);
}

/* ---- events and versions ---- */

static void events_come_in_order(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_STARTING);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_RUNNING);
    world_run(&w);
    assert_string_equal(mu_buf_str(&w.log),
                        "group_success api_post:/a info:1 step_success:1 info:2 "
                        "status:STAGING status:STARTING status:RUNNING step_success:2 "
                        "success");
    clear_log(&w);
    world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    world_run(&w);
    assert_string_equal(mu_buf_str(&w.log),
                        "group_success info:1 status:KILLED app_terminated:/a "
                        "step_success:1 success");
    world_close(&w);
}

static void versions_tell_scaling_from_configuration(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    struct app_view first = view_app(&w, "/a");
    assert_int_equal(first.version_ms, first.last_config_ms);
    assert_int_equal(first.version_ms, first.last_scaling_ms);

    run_app(&w, make_app("/a", 2));
    struct app_view scaled = view_app(&w, "/a");
    assert_true(scaled.version_ms > first.version_ms);
    assert_int_equal(scaled.last_scaling_ms, scaled.version_ms);
    assert_int_equal(scaled.last_config_ms, first.last_config_ms);
    assert_int_equal(w.launched, 2); /* the first one is up to date */

    world_ids(&w, MU_CMD_APP_RESTART, "/a", false, false);
    world_run(&w);
    struct app_view restarted = view_app(&w, "/a");
    assert_int_equal(restarted.last_config_ms, restarted.version_ms);
    assert_int_equal(restarted.last_scaling_ms, scaled.last_scaling_ms);
    assert_int_equal(w.launched, 4);

    run_app(&w, make_app("/a", 2)); /* nothing differs */
    assert_int_equal(view_app(&w, "/a").version_ms, restarted.version_ms);
    assert_int_equal(view_count(&w, MU_Q_APP_VERSIONS, "/a"), 3);
    assert_int_equal(world_records(&w, "versions/a/"), 3);
    world_close(&w);
}

static void unchanged_app_gives_a_deployment_that_is_over(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    uint64_t c = world_put(&w, make_app("/a", 1));
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(strlen(world_reply(&w, c)->deployment_id), 36);
    assert_int_equal(world_reply(&w, c)->apps, 1);
    assert_string_equal(mu_buf_str(&w.log), "group_success api_post:/a success");
    world_close(&w);
}

static void old_versions_are_pruned(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    w.cfg.max_versions = 3;
    scheduler_destroy(w.s);
    w.s = scheduler_create(&w.cfg);
    world_start(&w);
    world_connect(&w);
    for (uint32_t i = 0; i < 8; i++) {
        run_app(&w, make_app("/a", i % 2));
    }
    assert_int_equal(view_count(&w, MU_Q_APP_VERSIONS, "/a"), 3);
    assert_int_equal(world_records(&w, "versions/a/"), 3);
    world_close(&w);
}

static void versions_grow_though_the_clock_steps_back(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    int64_t before = view_app(&w, "/a").version_ms;
    w.now.wall_ms -= 1000000;
    world_crash(&w);
    world_run(&w);
    run_app(&w, make_app("/a", 2));
    assert_int_equal(view_app(&w, "/a").version_ms, before + 1);
    world_close(&w);
}

/* ---- refusals ---- */

static void refusals_name_their_reason(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/g/a", 1));
    uint64_t c = world_put(&w, make_app("/g", 1));
    assert_refused_with(&w, c, MU_E_INVALID,
                        "Groups and Applications may not have the same identifier.");
    assert_string_equal(world_reply(&w, c)->path, "/id");
    c = world_put(&w, make_app("/g/a/b", 1));
    assert_refused_with(&w, c, MU_E_INVALID,
                        "Groups and Applications may not have the same identifier.");
    c = world_put(&w, depends(make_app("/x", 1), "/x"));
    assert_refused_with(&w, c, MU_E_INVALID, "Dependency graph has cyclic dependencies.");
    assert_string_equal(world_reply(&w, c)->path, "/dependencies");
    c = world_ids(&w, MU_CMD_APP_DELETE, "/nope", true, false);
    assert_refused_with(&w, c, MU_E_NOT_FOUND, "App '/nope' does not exist");
    c = world_ids(&w, MU_CMD_APP_RESTART, "/nope", true, false);
    assert_refused_with(&w, c, MU_E_NOT_FOUND, "App '/nope' does not exist");
    c = world_ids(&w, MU_CMD_DEPLOYMENT_STOP, "d1", false, false);
    assert_refused_with(&w, c, MU_E_NOT_FOUND, "DeploymentPlan d1 does not exist");
    c = world_ids(&w, 99, "x", false, false);
    assert_refused_with(&w, c, MU_E_UNSUPPORTED, "unknown command");
    char id[300];
    memset(id, 'x', sizeof(id) - 1);
    id[0] = '/';
    id[sizeof(id) - 1] = '\0';
    c = world_put(&w, make_app(id, 1));
    assert_refused_with(&w, c, MU_E_INVALID, "app id is longer than 218 bytes");
    struct mu_app *picky = make_app("/picky", 1);
    struct mu_constraint *like = mu_app_add_constraint(picky);
    mu_text_set(&like->field, "hostname");
    mu_text_set(&like->value, "(");
    like->op = MU_OP_LIKE;
    c = world_put(&w, picky);
    assert_int_equal(world_reply(&w, c)->status, MU_E_INVALID);
    assert_string_equal(world_reply(&w, c)->path, "/constraints");
    c = world_put(&w, make_app("relative", 1));
    assert_int_equal(world_reply(&w, c)->status, MU_E_INVALID);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), 1);
    world_close(&w);
}

static void create_only_refuses_what_exists(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    struct mu_app *app = make_app("/a", 5);
    const struct mu_app *apps[] = {app};
    struct mu_command_request r = {.struct_size = sizeof(r),
                                   .type = MU_CMD_APPS_PUT,
                                   .apps = apps,
                                   .app_count = 1,
                                   .create_only = true};
    uint64_t c = world_command(&w, &r);
    assert_refused_with(&w, c, MU_E_EXISTS, "An app with id [/a] already exists.");
    assert_string_equal(mu_buf_str(&w.log), "");
    assert_int_equal(view_app(&w, "/a").instances, 1);
    mu_app_unref(app);
    world_close(&w);
}

static void commands_wait_until_the_apps_are_loaded(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    uint64_t c = world_put(&w, make_app("/a", 1));
    assert_int_equal(world_reply(&w, c)->status, MU_E_NOT_LEADER);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), MU_E_NOT_LEADER);
    assert_int_equal(view_count(&w, MU_Q_SCHEDULER, NULL), 1);
    world_close(&w);
}

static void leadership_lost_answers_all_and_forgets_all(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    w.hold_commits = true;
    uint64_t first = world_put(&w, make_app("/b", 1));
    uint64_t second = world_put(&w, make_app("/c", 1));
    world_step(&w, &(struct scheduler_event){.type = SCHED_EV_STOP});
    assert_int_equal(world_reply(&w, first)->status, MU_E_NOT_LEADER);
    assert_int_equal(world_reply(&w, second)->status, MU_E_NOT_LEADER);
    assert_string_equal(mu_buf_str(&w.log), "leadership_lost");
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), MU_E_NOT_LEADER);
    assert_int_equal(scheduler_deadline_ms(w.s), UINT64_MAX);
    world_commit_one(&w, 0); /* it was stored after all: */
    w.hold_commits = false;
    w.subscribed = false;
    world_start(&w);
    world_connect(&w);
    world_run(&w);
    assert_true(view_app(&w, "/b").found);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(w.launched, 2);
    world_close(&w);
}

/* ---- commands that meet ---- */

static void commands_see_the_outcome_of_those_before(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    uint64_t create = world_put(&w, make_app("/a", 1));
    uint64_t again = world_ids(&w, MU_CMD_APP_RESTART, "/a", true, false);
    uint64_t remove = world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    uint64_t late = world_ids(&w, MU_CMD_APP_RESTART, "/a", true, false);
    assert_int_equal(w.replies.count, 0);
    w.hold_commits = false;
    world_run(&w);
    assert_ok(&w, create);
    assert_ok(&w, again);
    assert_ok(&w, remove);
    assert_refused_with(&w, late, MU_E_NOT_FOUND, "App '/a' does not exist");
    world_advance(&w, 1000);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    assert_int_equal(world_records(&w, "tasks/"), 0);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    world_close(&w);
}

static void command_that_depends_on_a_failed_one_fails(void **state)
{
    WORLD(w);
    w.hold_commits = true;
    uint64_t create = world_put(&w, make_app("/a", 1));
    uint64_t restart = world_ids(&w, MU_CMD_APP_RESTART, "/a", true, false);
    w.hold_commits = false;
    w.fail_commits = 1;
    world_run(&w);
    assert_int_equal(world_reply(&w, create)->status, MU_E_UNAVAILABLE);
    assert_refused_with(&w, restart, MU_E_NOT_FOUND, "App '/a' does not exist");
    world_close(&w);
}

static void running_deployment_locks_its_apps(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 1));
    world_run(&w);
    clear_log(&w);
    uint64_t c = world_put(&w, make_app("/a", 2));
    assert_int_equal(world_reply(&w, c)->status, MU_E_CONFLICT);
    assert_int_equal(world_reply(&w, c)->conflicts, 1);
    assert_string_equal(mu_buf_str(&w.log), "group_failed");
    c = world_put(&w, make_app("/b", 1)); /* another app is free */
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(view_count(&w, MU_Q_DEPLOYMENTS, NULL), 2);
    assert_int_equal(view_app(&w, "/a").instances, 1);
    world_close(&w);
}

static void force_supersedes_the_running_deployment(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 3));
    world_run(&w);
    struct deployment_view first = view_deployment(&w);
    clear_log(&w);
    uint64_t c = world_put_forced(&w, make_app("/a", 1));
    world_run(&w);
    assert_ok(&w, c);
    struct deployment_view now = view_deployment(&w);
    if (now.found) {
        assert_string_not_equal(now.id, first.id);
    }
    assert_memory_equal(mu_buf_str(&w.log), "failed group_success api_post:/a info:1",
                        38);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 1);
    world_close(&w);
}

static void too_many_deployments_are_refused(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    w.cfg.max_running_deployments = 2;
    scheduler_destroy(w.s);
    w.s = scheduler_create(&w.cfg);
    world_start(&w);
    world_connect(&w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 1));
    world_put(&w, make_app("/b", 1));
    world_run(&w);
    uint64_t c = world_put(&w, make_app("/c", 1));
    assert_int_equal(world_reply(&w, c)->status, MU_E_LIMIT);
    c = world_put_forced(&w, make_app("/a", 2)); /* takes the place of one */
    world_run(&w);
    assert_ok(&w, c);
    world_close(&w);
}

/* ---- service ports ---- */

static struct mu_app *port_app(const char *id, uint16_t port)
{
    struct mu_app *a = make_app(id, 1);
    mu_app_add_port(a)->port = port;
    return a;
}

static void service_ports_are_unique_kept_and_freed(void **state)
{
    WORLD(w);
    run_app(&w, port_app("/a", 0));
    run_app(&w, port_app("/b", 0));
    assert_int_equal(view_app(&w, "/a").port, 10000);
    assert_int_equal(view_app(&w, "/b").port, 10001);
    size_t launched = w.launched;
    run_app(&w, port_app("/a", 0)); /* the same app: the same port, no change */
    assert_int_equal(view_app(&w, "/a").port, 10000);
    assert_int_equal(w.launched, launched);
    run_app(&w, port_app("/c", 9999)); /* given: kept, even outside the range */
    assert_int_equal(view_app(&w, "/c").port, 9999);
    world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    world_run(&w);
    run_app(&w, port_app("/d", 0));
    assert_int_equal(view_app(&w, "/d").port, 10000);
    world_close(&w);
}

static void service_ports_run_out_with_a_clear_text(void **state)
{
    struct world w;
    (void)state;
    world_create(&w);
    w.cfg.local_port_max = 10001;
    scheduler_destroy(w.s);
    w.s = scheduler_create(&w.cfg);
    world_start(&w);
    world_connect(&w);
    run_app(&w, port_app("/a", 0));
    uint64_t c = world_put(&w, port_app("/b", 0));
    assert_refused_with(&w, c, MU_E_LIMIT,
                        "All ports in the range [10000-10001) are already in use");
    assert_false(view_app(&w, "/b").found);
    world_close(&w);
}

/* ---- scaling ---- */

static void scaling_down_kills_the_youngest(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 2));
    world_advance(&w, 1000);
    mu_auto_free char *oldest = mu_xstrdup(fake_nth(&w, "/a", 0));
    mu_auto_free char *second = mu_xstrdup(fake_nth(&w, "/a", 1));
    run_app(&w, make_app("/a", 4));
    run_app(&w, make_app("/a", 2));
    assert_non_null(fake_task(&w, oldest));
    assert_non_null(fake_task(&w, second));
    run_app(&w, make_app("/a", 0));
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    assert_true(view_app(&w, "/a").found);
    world_close(&w);
}

static void scale_up_waits_until_all_run(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    w.auto_run = false;
    world_put(&w, make_app("/a", 3));
    world_run(&w);
    assert_string_equal(view_deployment(&w).waiting_for, "/a: 1 of 3 running");
    assert_int_equal(view_app(&w, "/a").staged, 2);
    fake_update(&w, fake_nth(&w, "/a", 1), MU_TASK_RUNNING);
    world_run(&w);
    assert_true(view_deployment(&w).found);
    fake_update(&w, fake_nth(&w, "/a", 2), MU_TASK_RUNNING);
    world_run(&w);
    assert_false(view_deployment(&w).found);
    world_close(&w);
}

static void kill_and_scale_takes_the_named_ones(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 3));
    const char *ids[] = {fake_nth(&w, "/a", 0), "a.not-there", fake_nth(&w, "/a", 1)};
    mu_auto_free char *survivor = mu_xstrdup(fake_nth(&w, "/a", 2));
    struct mu_command_request r = {.struct_size = sizeof(r),
                                   .type = MU_CMD_TASKS_KILL,
                                   .ids = ids,
                                   .id_count = 3,
                                   .scale = true};
    uint64_t c = world_command(&w, &r);
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(strlen(world_reply(&w, c)->deployment_id), 36);
    assert_int_equal(view_app(&w, "/a").instances, 1);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 1);
    assert_non_null(fake_task(&w, survivor));
    assert_int_equal(w.launched, 3);
    world_close(&w);
}

/* ---- users stop a deployment ---- */

static void stop_with_force_leaves_things_as_they_are(void **state)
{
    WORLD(w);
    run_app(&w, version("/a", 3, "v1"));
    w.auto_run = false;
    world_put(&w, version("/a", 3, "v2"));
    world_run(&w);
    clear_log(&w);
    uint64_t c =
        world_ids(&w, MU_CMD_DEPLOYMENT_STOP, view_deployment(&w).id, true, false);
    world_run(&w);
    assert_ok(&w, c);
    assert_string_equal(world_reply(&w, c)->deployment_id, "");
    assert_string_equal(mu_buf_str(&w.log), "failed");
    assert_false(view_deployment(&w).found);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    assert_string_equal(view_app(&w, "/a").cmd, "v2");
    world_advance(&w, 20000); /* what is too many goes: first what never ran */
    assert_int_equal(fake_count(&w, "/a", true, "v1"), 3);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 3);
    world_close(&w);
}

static void undoing_a_creation_removes_and_of_a_deletion_restores(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, make_app("/a", 2));
    world_run(&w);
    world_ids(&w, MU_CMD_DEPLOYMENT_STOP, view_deployment(&w).id, false, false);
    world_run(&w);
    assert_false(view_app(&w, "/a").found);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    w.auto_run = true;
    run_app(&w, make_app("/b", 2));
    w.ignore_kills = true;
    world_ids(&w, MU_CMD_APP_DELETE, "/b", true, false);
    world_run(&w);
    assert_false(view_app(&w, "/b").found);
    uint64_t c =
        world_ids(&w, MU_CMD_DEPLOYMENT_STOP, view_deployment(&w).id, false, false);
    w.ignore_kills = false;
    world_advance(&w, 40000);
    assert_ok(&w, c);
    assert_int_equal(view_app(&w, "/b").running, 2);
    world_close(&w);
}

static void undoing_a_restart_replaces_nobody(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 2));
    w.auto_run = false;
    world_ids(&w, MU_CMD_APP_RESTART, "/a", false, false);
    world_run(&w);
    assert_int_equal(w.launched, 4);
    fake_update(&w, fake_nth(&w, "/a", 2), MU_TASK_RUNNING);
    uint64_t c =
        world_ids(&w, MU_CMD_DEPLOYMENT_STOP, view_deployment(&w).id, false, false);
    world_advance(&w, 20000);
    assert_ok(&w, c);
    assert_int_equal(w.launched, 4);
    assert_int_equal(fake_count(&w, "/a", true, NULL), 2);
    world_close(&w);
}

/* ---- several apps ---- */

static void dependency_comes_up_first(void **state)
{
    WORLD(w);
    w.auto_run = false;
    struct mu_app *db = make_app("/db", 1), *web = depends(make_app("/web", 1), "/db");
    const struct mu_app *apps[] = {web, db};
    struct mu_command_request r = {
        .struct_size = sizeof(r), .type = MU_CMD_APPS_PUT, .apps = apps, .app_count = 2};
    uint64_t c = world_command(&w, &r);
    mu_app_unref(db);
    mu_app_unref(web);
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(world_reply(&w, c)->apps, 2);
    assert_int_equal(fake_count(&w, "/db", false, NULL), 1);
    assert_int_equal(fake_count(&w, "/web", false, NULL), 0);
    struct deployment_view d = view_deployment(&w);
    assert_int_equal(d.step, 2);
    assert_int_equal(d.steps, 3);
    assert_int_equal(d.affected, 2);
    fake_update(&w, fake_nth(&w, "/db", 0), MU_TASK_RUNNING);
    world_run(&w);
    assert_int_equal(fake_count(&w, "/web", false, NULL), 1);
    world_close(&w);
}

static void deleted_app_leaves_nothing(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 3));
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_FAILED);
    world_advance(&w, 2000);
    uint64_t c = world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    world_run(&w);
    assert_ok(&w, c);
    assert_false(view_app(&w, "/a").found);
    assert_int_equal(view_count(&w, MU_Q_APP_VERSIONS, "/a"), MU_E_NOT_FOUND);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    assert_int_equal(w.records.count, 1); /* the framework id */
    assert_true(w.suppressed);
    world_close(&w);
}

static void one_command_puts_some_apps_and_deletes_others(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/g/old", 1));
    struct mu_app *fresh = make_app("/g/new", 1);
    const struct mu_app *apps[] = {fresh};
    const char *ids[] = {"/g/old"};
    const struct mu_command_request r = {.struct_size = sizeof(r),
                                         .type = MU_CMD_APPS_PUT,
                                         .apps = apps,
                                         .app_count = 1,
                                         .ids = ids,
                                         .id_count = 1};
    uint64_t c = world_command(&w, &r);
    mu_app_unref(fresh);
    world_run(&w);
    assert_ok(&w, c);
    assert_false(view_app(&w, "/g/old").found);
    assert_true(view_app(&w, "/g/new").found);
    world_close(&w);
}

static void empty_command_is_a_deployment_that_ends_at_once(void **state)
{
    WORLD(w);
    const struct mu_command_request r = {.struct_size = sizeof(r),
                                         .type = MU_CMD_APPS_PUT};
    uint64_t c = world_command(&w, &r);
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(view_count(&w, MU_Q_DEPLOYMENTS, NULL), 0);
    world_close(&w);
}

static void abdication_is_passed_on(void **state)
{
    WORLD(w);
    uint64_t c = world_ids(&w, MU_CMD_ABDICATE, NULL, false, false);
    assert_ok(&w, c);
    assert_true(w.abdicated);
    world_close(&w);
}

static void count_metric(void *arg, const char *name, double value)
{
    double *apps = arg;
    if (strcmp(name, "marathon.apps.active.gauge") == 0) {
        *apps = value;
    }
}

static void metrics_count_apps(void **state)
{
    WORLD(w);
    run_app(&w, make_app("/a", 1));
    double apps = 0;
    scheduler_metrics(w.s, count_metric, &apps);
    assert_int_equal((int)apps, 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_order),
        cmocka_unit_test(versions_tell_scaling_from_configuration),
        cmocka_unit_test(unchanged_app_gives_a_deployment_that_is_over),
        cmocka_unit_test(old_versions_are_pruned),
        cmocka_unit_test(versions_grow_though_the_clock_steps_back),
        cmocka_unit_test(refusals_name_their_reason),
        cmocka_unit_test(create_only_refuses_what_exists),
        cmocka_unit_test(commands_wait_until_the_apps_are_loaded),
        cmocka_unit_test(leadership_lost_answers_all_and_forgets_all),
        cmocka_unit_test(commands_see_the_outcome_of_those_before),
        cmocka_unit_test(command_that_depends_on_a_failed_one_fails),
        cmocka_unit_test(running_deployment_locks_its_apps),
        cmocka_unit_test(force_supersedes_the_running_deployment),
        cmocka_unit_test(too_many_deployments_are_refused),
        cmocka_unit_test(service_ports_are_unique_kept_and_freed),
        cmocka_unit_test(service_ports_run_out_with_a_clear_text),
        cmocka_unit_test(scaling_down_kills_the_youngest),
        cmocka_unit_test(scale_up_waits_until_all_run),
        cmocka_unit_test(kill_and_scale_takes_the_named_ones),
        cmocka_unit_test(stop_with_force_leaves_things_as_they_are),
        cmocka_unit_test(undoing_a_creation_removes_and_of_a_deletion_restores),
        cmocka_unit_test(undoing_a_restart_replaces_nobody),
        cmocka_unit_test(dependency_comes_up_first),
        cmocka_unit_test(deleted_app_leaves_nothing),
        cmocka_unit_test(one_command_puts_some_apps_and_deletes_others),
        cmocka_unit_test(empty_command_is_a_deployment_that_ends_at_once),
        cmocka_unit_test(abdication_is_passed_on),
        cmocka_unit_test(metrics_count_apps),
    };
    return cmocka_run_group_tests_name("deploy", tests, NULL, NULL);
}
