/* Rolling restarts: what stays up and how much there is at most, step by step; what
 * breaks on the way; and how it ends all the same.
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

static struct mu_app *rolling(struct mu_app *a, uint32_t min_ppm, uint32_t over_ppm)
{
    a->upgrade = (struct mu_upgrade_strategy){min_ppm, over_ppm};
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

static struct rolling_watch {
    const char *id;
    size_t min_running, max_live, lowest, highest;
} watched;

static void watch_rolling(struct world *w)
{
    size_t running = fake_count(w, watched.id, true, NULL);
    size_t live = fake_count(w, watched.id, false, NULL);
    watched.lowest = running < watched.lowest ? running : watched.lowest;
    watched.highest = live > watched.highest ? live : watched.highest;
    if (running < watched.min_running || live > watched.max_live) {
        fail_msg("%zu running, %zu live; wanted at least %zu and at most %zu", running,
                 live, watched.min_running, watched.max_live);
    }
}

/* Let tasks that are staged run one at a time, so that every step in between is seen. */
static void run_one_by_one(struct world *w)
{
    for (int i = 0; i < 200 && view_deployment(w).found; i++) {
        const char *staged = NULL;
        world_run(w);
        mu_map_foreach (e, &w->tasks) {
            struct fake_task *t = e->value;
            if (t->state == MU_TASK_STAGING && staged == NULL) {
                staged = t->info->id.s;
            }
        }
        if (staged != NULL) {
            fake_update(w, staged, MU_TASK_RUNNING);
        }
        world_advance(w, 100);
    }
}

static void roll(uint32_t n, uint32_t min_ppm, uint32_t over_ppm, size_t min, size_t max)
{
    struct world w;
    world_open(&w);
    run_app(&w, rolling(version("/a", n, "v1"), min_ppm, over_ppm));
    w.auto_run = false;
    uint64_t c = world_put(&w, rolling(version("/a", n, "v2"), min_ppm, over_ppm));
    watched = (struct rolling_watch){"/a", min, max, n, 0};
    w.watch = watch_rolling;
    world_run(&w);
    run_one_by_one(&w);
    w.watch = NULL;
    assert_ok(&w, c);
    assert_false(view_deployment(&w).found);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), n);
    assert_int_equal(fake_count(&w, "/a", false, NULL), n);
    assert_int_equal(watched.lowest, min);
    assert_int_equal(watched.highest, max);
    world_close(&w);
}

static void restarts_keep_their_minimum_and_maximum(void **state)
{
    (void)state;
    roll(10, 1000000, 1000000, 10, 20);
    roll(10, 500000, 0, 5, 10);
    roll(10, 1000000, 0, 10, 11);
    roll(10, 500000, 500000, 5, 15);
    roll(1, 1000000, 0, 1, 2);
    roll(1, 1000000, 1000000, 1, 2);
    roll(4, 0, 0, 0, 4);
}

static void large_app_rolls_too(void **state)
{
    WORLD(w);
    for (size_t i = 0; i < 2; i++) {
        mu_resources_release(&w.agents[i].total);
        assert_int_equal(
            mu_resources_parse("cpus:9999;mem:9999999", "*", &w.agents[i].total, NULL),
            0);
    }
    run_app(&w, rolling(version("/a", 600, "v1"), 900000, 100000));
    world_put(&w, rolling(version("/a", 600, "v2"), 900000, 100000));
    watched = (struct rolling_watch){"/a", 540, 660, 600, 0};
    w.watch = watch_rolling;
    world_advance(&w, 5000);
    w.watch = NULL;
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 600);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 600);
    assert_false(view_deployment(&w).found);
    world_close(&w);
}

static void smaller_target_rolls_and_shrinks(void **state)
{
    WORLD(w);
    run_app(&w, version("/a", 10, "v1"));
    world_put(&w, version("/a", 5, "v2"));
    watched = (struct rolling_watch){"/a", 5, 20, 10, 0};
    w.watch = watch_rolling;
    world_run(&w);
    w.watch = NULL;
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 5);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 5);
    world_close(&w);
}

static void broken_version_leaves_the_old_one_running(void **state)
{
    WORLD(w);
    run_app(&w, version("/a", 4, "v1"));
    w.run_state = 'f';
    world_put(&w, version("/a", 4, "v2"));
    watched = (struct rolling_watch){"/a", 4, 8, 4, 0};
    w.watch = watch_rolling;
    world_advance(&w, 600000);
    w.watch = NULL;
    assert_true(view_deployment(&w).found);
    assert_int_equal(fake_count(&w, "/a", true, "v1"), 4);
    assert_string_equal(view_app(&w, "/a").cmd, "v2");

    struct deployment_view d = view_deployment(&w);
    assert_memory_equal(d.waiting_for,
                        "/a: 0 of 4 running, 4 old left, 4 to launch: "
                        "delayed after a failure",
                        65);
    /* the user gives up: everything as it was */
    w.run_state = 0;
    uint64_t c = world_ids(&w, MU_CMD_DEPLOYMENT_STOP, d.id, false, false);
    world_advance(&w, 600000);
    assert_ok(&w, c);
    assert_string_equal(view_app(&w, "/a").cmd, "v1");
    assert_int_equal(fake_count(&w, "/a", true, "v1"), 4);
    assert_false(view_deployment(&w).found);
    world_close(&w);
}

static void old_instance_that_dies_is_replaced_by_the_new_version(void **state)
{
    WORLD(w);
    run_app(&w, rolling(version("/a", 3, "v1"), 1000000, 0));
    w.auto_run = false;
    world_put(&w, rolling(version("/a", 3, "v2"), 1000000, 0));
    world_run(&w);
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_FAILED);
    world_run(&w);
    w.auto_run = true;
    run_one_by_one(&w);
    world_advance(&w, 5000);
    run_one_by_one(&w);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 3);
    assert_int_equal(fake_count(&w, "/a", false, "v1"), 0);
    world_close(&w);
}

static void old_instances_that_never_ran_do_not_block(void **state)
{
    WORLD(w);
    w.auto_run = false;
    world_put(&w, rolling(version("/a", 3, "v1"), 1000000, 0));
    world_run(&w);
    w.auto_run = true;
    uint64_t c = world_put_forced(&w, rolling(version("/a", 3, "v2"), 1000000, 0));
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 3);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 3);
    assert_false(view_deployment(&w).found);
    world_close(&w);
}

static void forced_scaling_finishes_a_broken_off_restart(void **state)
{
    WORLD(w);
    run_app(&w, rolling(version("/a", 4, "v1"), 1000000, 0));
    w.auto_run = false;
    world_put(&w, rolling(version("/a", 4, "v2"), 1000000, 0));
    world_run(&w);
    w.auto_run = true;
    world_put_forced(&w, rolling(version("/a", 3, "v2"), 1000000, 0));
    world_run(&w);
    run_one_by_one(&w);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 3);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 3);
    world_close(&w);
}

static void app_before_its_step_is_kept_as_it_was(void **state)
{
    WORLD(w);
    run_app(&w, version("/db", 1, "v1"));
    run_app(&w, depends(version("/web", 2, "v1"), "/db"));
    w.auto_run = false;
    struct mu_app *db = version("/db", 1, "v2");
    struct mu_app *web = depends(version("/web", 2, "v2"), "/db");
    const struct mu_app *apps[] = {web, db};
    struct mu_command_request r = {
        .struct_size = sizeof(r), .type = MU_CMD_APPS_PUT, .apps = apps, .app_count = 2};
    world_command(&w, &r);
    mu_app_unref(db);
    mu_app_unref(web);
    world_run(&w);
    fake_update(&w, fake_nth(&w, "/web", 0), MU_TASK_FAILED);
    world_advance(&w, 2000);
    assert_int_equal(fake_count(&w, "/web", false, "v1"), 2); /* replaced by its like */
    assert_int_equal(fake_count(&w, "/web", false, "v2"), 0);
    w.auto_run = true;
    run_one_by_one(&w);
    world_advance(&w, 5000);
    assert_int_equal(fake_count(&w, "/web", true, "v2"), 2);
    assert_int_equal(fake_count(&w, "/web", false, "v1"), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts_keep_their_minimum_and_maximum),
        cmocka_unit_test(large_app_rolls_too),
        cmocka_unit_test(smaller_target_rolls_and_shrinks),
        cmocka_unit_test(broken_version_leaves_the_old_one_running),
        cmocka_unit_test(old_instance_that_dies_is_replaced_by_the_new_version),
        cmocka_unit_test(old_instances_that_never_ran_do_not_block),
        cmocka_unit_test(forced_scaling_finishes_a_broken_off_restart),
        cmocka_unit_test(app_before_its_step_is_kept_as_it_was),
    };
    return cmocka_run_group_tests_name("rolling", tests, NULL, NULL);
}
