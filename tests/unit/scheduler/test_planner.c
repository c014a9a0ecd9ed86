/* Plans, restart arithmetic and the choice of victims, against Marathon's own vectors. */
#include "kit.h"

#include "scheduler/planner.h"
#include "scheduler/rolling.h"
#include "scheduler/selection.h"

struct world {
    struct mu_omap tree;
    struct scheduler_change changes[16];
    bool victims[16];
    size_t count;
};

/* from or to NULL: created or deleted. Ownership of both goes to the world. */
static void change(struct world *w, struct mu_app *from, struct mu_app *to)
{
    const char *id = from != NULL ? from->id : to->id;
    w->changes[w->count++] =
        (struct scheduler_change){.from = from, .to = to, .app_id = mu_xstrdup(id)};
    if (from != NULL) {
        mu_omap_put(&w->tree, id, from);
    }
}

static void release(struct world *w)
{
    mu_omap_foreach (e, &w->tree) {
        mu_app_unref(e->value);
    }
    for (size_t i = 0; i < w->count; i++) {
        mu_app_unref(w->changes[i].to);
        free(w->changes[i].app_id);
    }
    mu_omap_release(&w->tree);
}

static struct planner_input input(struct world *w)
{
    planner_sort_changes(w->changes, w->count);
    return (struct planner_input){.tree = &w->tree,
                                  .changes = w->changes,
                                  .change_count = w->count,
                                  .has_victims = w->victims};
}

static void assert_plan(struct world *w, const char *expected)
{
    static const char *const verbs[] = {"?", "Start", "Stop", "Scale", "Restart"};
    struct planner_input in = input(w);
    struct planner_plan p;
    struct mu_buf text;
    mu_buf_init(&text, 4096);
    planner_plan(&in, &p);
    for (size_t s = 0; s < p.step_count; s++) {
        mu_buf_puts(&text, s == 0 ? "[" : " [");
        for (size_t a = 0; a < p.steps[s].count; a++) {
            const struct mu_deployment_action *act = &p.steps[s].actions[a];
            mu_buf_printf(&text, "%s%s %s", a == 0 ? "" : ", ", verbs[act->kind],
                          act->app_id);
        }
        mu_buf_puts(&text, "]");
    }
    assert_string_equal(mu_buf_str(&text), expected);
    mu_buf_release(&text);
    planner_plan_release(&p);
    release(w);
}

static struct mu_app *depends(struct mu_app *a, const char *on)
{
    mu_strings_add(&a->dependencies, on);
    return a;
}

static struct mu_app *running(struct mu_app *a, const char *cmd)
{
    set_text(&a->cmd, cmd);
    return a;
}

static void new_app_is_started_then_scaled(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, make_app("/a", 2));
    assert_plan(&w, "[Start /a] [Scale /a]");
}

static void new_app_without_instances_is_only_started(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, make_app("/a", 0));
    assert_plan(&w, "[Start /a]");
}

static void dependency_restarts_first(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, depends(make_app("/svc", 1), "/mongo"),
           running(depends(make_app("/svc", 1), "/mongo"), "v2"));
    change(&w, make_app("/mongo", 1), running(make_app("/mongo", 1), "v2"));
    assert_plan(&w, "[Restart /mongo] [Restart /svc]");
}

static void independent_apps_restart_in_one_step(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, make_app("/a", 1), running(make_app("/a", 1), "v2"));
    change(&w, make_app("/b", 1), running(make_app("/b", 1), "v2"));
    assert_plan(&w, "[Restart /a, Restart /b]");
}

static void mixed_change_goes_in_layers(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, make_app("/x", 1), NULL);
    change(&w, NULL, depends(make_app("/y", 2), "/svc"));
    change(&w, make_app("/mongo", 1), running(make_app("/mongo", 1), "v2"));
    change(&w, make_app("/independent", 1), running(make_app("/independent", 1), "v2"));
    change(&w, depends(make_app("/svc", 1), "/mongo"),
           running(depends(make_app("/svc", 1), "/mongo"), "v2"));
    assert_plan(&w, "[Stop /x] [Start /y] [Restart /independent, Restart /mongo] "
                    "[Restart /svc] [Scale /y]");
}

static void several_new_apps_start_then_scale_together(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, make_app("/a", 1));
    change(&w, NULL, make_app("/b", 1));
    assert_plan(&w, "[Start /a, Start /b] [Scale /a, Scale /b]");
}

static void unchanged_app_makes_no_step(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, make_app("/a", 3), make_app("/a", 3));
    assert_plan(&w, "");
}

static void changed_args_restart(void **state)
{
    (void)state;
    struct world w = {0};
    struct mu_app *to = make_app("/a", 1);
    to->has_args = true;
    mu_strings_add(&to->args, "x");
    change(&w, make_app("/a", 1), to);
    assert_plan(&w, "[Restart /a]");
}

static void restart_call_restarts_the_same_definition(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, make_app("/a", 1), make_app("/a", 1));
    w.changes[0].restart = true;
    assert_plan(&w, "[Restart /a]");
}

static void changed_config_with_no_instances_scales_to_none(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, make_app("/a", 2), running(make_app("/a", 0), "v2"));
    assert_plan(&w, "[Scale /a]");
}

static void kill_and_scale_is_one_scale(void **state)
{
    (void)state;
    struct world w = {.victims = {true}};
    change(&w, make_app("/a", 6), make_app("/a", 5));
    assert_plan(&w, "[Scale /a]");
}

static void dependency_on_a_group_counts_for_its_apps(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, depends(make_app("/web", 1), "/backend"));
    change(&w, NULL, make_app("/backend/db", 1));
    change(&w, NULL, depends(make_app("/backend/api", 1), "/backend/db"));
    assert_plan(&w, "[Start /backend/api, Start /backend/db, Start /web] "
                    "[Scale /backend/db] [Scale /backend/api] [Scale /web]");
}

static void layers_count_unchanged_apps_between(void **state)
{
    (void)state;
    struct world w = {0};
    mu_omap_put(&w.tree, "/b", depends(make_app("/b", 1), "/a"));
    change(&w, make_app("/a", 1), running(make_app("/a", 1), "v2"));
    change(&w, depends(make_app("/c", 1), "/b"),
           running(depends(make_app("/c", 1), "/b"), "v2"));
    assert_plan(&w, "[Restart /a] [Restart /c]");
}

static void missing_dependency_is_ignored(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, depends(make_app("/a", 1), "/nowhere"));
    assert_plan(&w, "[Start /a] [Scale /a]");
}

static void cycles_are_found(void **state)
{
    (void)state;
    struct world w = {0};
    mu_omap_put(&w.tree, "/b", depends(make_app("/b", 1), "/group"));
    change(&w, NULL, depends(make_app("/group/a", 1), "/b"));
    struct planner_input in = input(&w);
    assert_non_null(planner_find_cycle(&in));
    release(&w);

    struct world fine = {0};
    change(&fine, NULL, depends(make_app("/a", 1), "/b"));
    change(&fine, NULL, depends(make_app("/b", 1), "/c"));
    change(&fine, NULL, depends(depends(make_app("/d", 1), "/a"), "/c"));
    change(&fine, NULL, make_app("/c", 1));
    in = input(&fine);
    assert_null(planner_find_cycle(&in));
    release(&fine);
}

static void app_that_depends_on_its_own_group_is_a_cycle(void **state)
{
    (void)state;
    struct world w = {0};
    change(&w, NULL, depends(make_app("/g/a", 1), "/g"));
    struct planner_input in = input(&w);
    assert_string_equal(planner_find_cycle(&in), "/g/a");
    release(&w);
}

static void long_chain_does_not_exhaust_the_stack(void **state)
{
    (void)state;
    struct world w = {0};
    char id[32], on[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof(id), "/n%d", i);
        snprintf(on, sizeof(on), "/n%d", i + 1);
        mu_omap_put(&w.tree, id, depends(make_app(id, 1), on));
    }
    change(&w, NULL, depends(make_app("/top", 1), "/n0"));
    assert_plan(&w, "[Start /top] [Scale /top]");
}

static void restart_arithmetic_follows_the_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, min, over;
        bool tied;
        uint32_t healthy, max, kill;
    } t[] = {
        {1, 500000, 0, true, 1, 1, 1},
        {1, 500000, 0, true, 0, 1, 0},
        {5, 500000, 0, true, 5, 5, 2},
        {5, 1000000, 0, true, 7, 5, 3},
        {5, 1000000, 0, true, 3, 5, 0},
        {5, 1000000, 0, true, 5, 5, 1},
        {1, 500000, 0, false, 1, 2, 0},
        {1, 500000, 0, false, 0, 1, 0},
        {2, 500000, 0, false, 2, 2, 1},
        {10, 100000, 0, false, 1, 10, 0},
        {10, 100000, 1000000, false, 10, 20, 9},
        {10, 1000000, 1000000, false, 10, 20, 0},
        /* the examples beside the formula */
        {10, 500000, 0, false, 10, 10, 5},
        {10, 1000000, 0, false, 10, 11, 0},
        {10, 0, 0, false, 10, 10, 10},
        {10, 500000, 500000, false, 10, 15, 5},
        {1, 1000000, 0, false, 1, 2, 0},
        {1, 1000000, 0, true, 1, 1, 1},
        {3, 333333, 0, false, 3, 3, 2},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct mu_upgrade_strategy u = {t[i].min, t[i].over};
        struct rolling_limits l;
        rolling_limits(t[i].n, &u, t[i].tied, t[i].healthy, &l);
        if (l.max_capacity != t[i].max || l.kill_now != t[i].kill) {
            fail_msg("row %zu: max %u kill %u", i, l.max_capacity, l.kill_now);
        }
    }
}

static struct selection_item item(const char *id, int64_t started)
{
    return (struct selection_item){.id = id,
                                   .rank = selection_rank(MU_TASK_RUNNING),
                                   .started_ms = started,
                                   .staged_ms = started,
                                   .host = "h"};
}

static void assert_victims(const struct mu_app *app,
                           struct selection_item *items,
                           size_t count,
                           size_t keep,
                           const char *expected)
{
    struct mu_buf text;
    mu_buf_init(&text, 1024);
    size_t n = selection_pick(app, items, count, keep);
    for (size_t i = 0; i < n; i++) {
        mu_buf_printf(&text, i == 0 ? "%s" : ",%s", items[i].id);
    }
    assert_string_equal(mu_buf_str(&text), expected);
    mu_buf_release(&text);
    mu_app_unref(app);
}

static void nothing_is_killed_to_scale_up(void **state)
{
    (void)state;
    struct selection_item i[] = {item("1", 1), item("2", 2), item("3", 3)};
    assert_victims(make_app("/a", 5), i, 3, 5, "");
}

static void youngest_go_first(void **state)
{
    (void)state;
    struct selection_item i[] = {item("r1", 1), item("r2", 2), item("r3", 3)};
    assert_victims(make_app("/a", 0), i, 3, 0, "r3,r2,r1");
}

/* When a task started is told by its agent's clock, which may be wrong by a day. */
static void the_order_of_launching_decides(void **state)
{
    (void)state;
    struct selection_item i[] = {item("first", 1), item("second", 2), item("third", 3)};
    i[0].started_ms = 9;
    i[2].started_ms = 5;
    assert_victims(make_app("/a", 0), i, 3, 1, "third,second");
}

static void oldest_go_first_when_asked(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 0);
    a->kill_oldest_first = true;
    struct selection_item i[] = {item("r2", 2), item("never", 0), item("r1", 1)};
    i[1].rank = i[0].rank;
    assert_victims(a, i, 3, 1, "r1,r2");
}

static void never_started_is_the_youngest(void **state)
{
    (void)state;
    struct selection_item i[] = {item("r2", 2), item("never", 0), item("r1", 1)};
    assert_victims(make_app("/a", 2), i, 3, 2, "never");
}

static void listed_go_even_when_the_count_is_right(void **state)
{
    (void)state;
    struct selection_item i[] = {item("1", 1), item("2", 2), item("3", 3)};
    i[1].listed = i[2].listed = true;
    assert_victims(make_app("/a", 3), i, 3, 3, "3,2");
}

static void without_listed_ones_left_the_youngest_goes(void **state)
{
    (void)state;
    struct selection_item i[] = {item("1", 1), item("2", 2), item("3", 3), item("4", 4)};
    assert_victims(make_app("/a", 3), i, 4, 3, "4");
}

static void listed_then_even_groups_then_age(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    add_constraint(a, "rack", MU_OP_GROUP_BY, NULL);
    struct mu_pairs r1 = {0}, r2 = {0};
    mu_pairs_add(&r1, "rack", "1");
    mu_pairs_add(&r2, "rack", "2");
    struct selection_item i[] = {item("1", 1), item("2", 2), item("3", 3), item("4", 4)};
    i[0].attributes = &r1;
    i[1].attributes = &r1;
    i[2].attributes = &r1; /* without 2: rack 1 has two, rack 2 one: 3 goes before 4 */
    i[3].attributes = &r2;
    i[1].listed = true;
    assert_victims(a, i, 4, 1, "2,3,4");
    mu_pairs_release(&r1);
    mu_pairs_release(&r2);
}

static void groups_stay_even(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 3);
    add_constraint(a, "hostname", MU_OP_GROUP_BY, NULL);
    struct selection_item i[] = {item("1", 1), item("2", 2), item("3", 3),
                                 item("4", 4), item("5", 5), item("6", 6)};
    for (size_t n = 0; n < 4; n++) {
        i[n].host = "big";
    }
    i[4].host = i[5].host = "small"; /* 4 + 2: two of the big one, then one of any */
    assert_victims(a, i, 6, 3, "4,3,6");
}

static void least_alive_go_first(void **state)
{
    (void)state;
    struct selection_item i[] = {item("run", 9), item("starting", 0), item("lost", 1),
                                 item("staging", 0)};
    i[1].rank = selection_rank(MU_TASK_STARTING);
    i[2].rank = selection_rank(MU_TASK_UNREACHABLE);
    i[3].rank = selection_rank(MU_TASK_STAGING);
    assert_victims(make_app("/a", 0), i, 4, 0, "lost,staging,starting,run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_app_is_started_then_scaled),
        cmocka_unit_test(new_app_without_instances_is_only_started),
        cmocka_unit_test(dependency_restarts_first),
        cmocka_unit_test(independent_apps_restart_in_one_step),
        cmocka_unit_test(mixed_change_goes_in_layers),
        cmocka_unit_test(several_new_apps_start_then_scale_together),
        cmocka_unit_test(unchanged_app_makes_no_step),
        cmocka_unit_test(changed_args_restart),
        cmocka_unit_test(restart_call_restarts_the_same_definition),
        cmocka_unit_test(changed_config_with_no_instances_scales_to_none),
        cmocka_unit_test(kill_and_scale_is_one_scale),
        cmocka_unit_test(dependency_on_a_group_counts_for_its_apps),
        cmocka_unit_test(layers_count_unchanged_apps_between),
        cmocka_unit_test(missing_dependency_is_ignored),
        cmocka_unit_test(cycles_are_found),
        cmocka_unit_test(app_that_depends_on_its_own_group_is_a_cycle),
        cmocka_unit_test(long_chain_does_not_exhaust_the_stack),
        cmocka_unit_test(restart_arithmetic_follows_the_vectors),
        cmocka_unit_test(nothing_is_killed_to_scale_up),
        cmocka_unit_test(youngest_go_first),
        cmocka_unit_test(the_order_of_launching_decides),
        cmocka_unit_test(oldest_go_first_when_asked),
        cmocka_unit_test(never_started_is_the_youngest),
        cmocka_unit_test(listed_go_even_when_the_count_is_right),
        cmocka_unit_test(without_listed_ones_left_the_youngest_goes),
        cmocka_unit_test(listed_then_even_groups_then_age),
        cmocka_unit_test(groups_stay_even),
        cmocka_unit_test(least_alive_go_first),
    };
    return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
