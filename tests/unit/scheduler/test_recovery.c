/* A crash at every moment that matters: whatever is durable comes back, no task is
 * started twice or dropped, and deployments go on. Then the same with everything at
 * random.
 */
#include "world.h"

static struct mu_app *version(const char *id, uint32_t instances, const char *cmd)
{
    struct mu_app *a = make_app(id, instances);
    set_text(&a->cmd, cmd);
    return a;
}

/* ---- a story that is interrupted ---- */

enum { STORY_STEPS = 6 };

static uint64_t story_command(struct world *w, int step)
{
    struct mu_app *a = NULL;
    switch (step) {
    case 0:
        return world_put_forced(w, version("/a", 3, "v1"));
    case 1:
        a = version("/b", 2, "v1");
        mu_strings_add(&a->dependencies, "/a");
        return world_put_forced(w, a);
    case 2:
        a = version("/a", 3, "v2");
        a->upgrade = (struct mu_upgrade_strategy){500000, 500000};
        return world_put_forced(w, a);
    case 3:
        a = version("/a", 5, "v2");
        a->upgrade = (struct mu_upgrade_strategy){500000, 500000};
        return world_put_forced(w, a);
    case 4:
        return world_ids(w, MU_CMD_APP_DELETE, "/b", true, false);
    default:
        a = version("/a", 2, "v3");
        a->upgrade = (struct mu_upgrade_strategy){1000000, 0};
        return world_put_forced(w, a);
    }
}

/* What must be true of the cluster at every moment of a step: running and live of /a. */
static const struct {
    size_t min_a, max_a, max_b;
} story_limits[STORY_STEPS] = {{0, 3, 0}, {3, 3, 2}, {2, 4, 2},
                               {3, 5, 2}, {5, 5, 2}, {2, 5, 0}};

static int story_step;

static void watch_story(struct world *w)
{
    size_t running = fake_count(w, "/a", true, NULL),
           a = fake_count(w, "/a", false, NULL);
    size_t b = fake_count(w, "/b", false, NULL);
    if (running < story_limits[story_step].min_a || a > story_limits[story_step].max_a ||
        b > story_limits[story_step].max_b) {
        fail_msg("step %d: /a %zu running, %zu live; /b %zu live", story_step, running, a,
                 b);
    }
}

static void finish_step(struct world *w)
{
    for (int i = 0; i < 200; i++) {
        world_advance(w, 1000);
        if (view_count(w, MU_Q_DEPLOYMENTS, NULL) == 0 && i > 3) {
            return;
        }
    }
    fail_msg("step %d: deployment hangs: %s", story_step, view_deployment(w).waiting_for);
}

static void run_step(struct world *w, int step)
{
    story_step = step;
    for (int tries = 0; tries < 3; tries++) {
        uint64_t crashes = w->crashes;
        uint64_t c = story_command(w, step);
        world_run(w);
        if (w->crashes == crashes || world_reply(w, c)->seen) {
            const struct world_reply *r = world_reply(w, c);
            /* a deletion may have been stored by the try before */
            assert_true(r->seen && (r->status == 0 || (tries > 0 && step == 4)));
            break;
        }
    }
    finish_step(w);
}

static void tell_story(struct world *w)
{
    w->watch = watch_story;
    for (int step = 0; step < STORY_STEPS; step++) {
        run_step(w, step);
    }
    w->watch = NULL;
    assert_int_equal(fake_count(w, "/a", true, "v3"), 2);
    assert_int_equal(fake_count(w, "/a", false, NULL), 2);
    assert_int_equal(fake_count(w, "/b", false, NULL), 0);
    assert_int_equal(world_records(w, "tasks/"), 2);
    assert_int_equal(world_records(w, "deployments/"), 0);
    assert_int_equal(world_records(w, "apps/"), 1);
    assert_int_equal(world_records(w, "versions/b/"), 0);
}

static uint64_t story_length(void)
{
    struct world w;
    world_open(&w);
    tell_story(&w);
    uint64_t n = w.durable;
    assert_int_equal(w.launched, 3 + 2 + 3 + 2 + 2);
    world_close(&w);
    return n;
}

struct interruption {
    bool answered; /* after the scheduler has worked on the answer of the registry */
    uint64_t away_ms;
    bool forgetful;
    uint64_t kill_takes_ms;
};

static void interrupt_everywhere(struct interruption how)
{
    uint64_t n = story_length();
    assert_true(n > 20);
    for (uint64_t at = 1; at <= n; at++) {
        struct world w;
        world_create(&w);
        w.crash_at = at;
        w.crash_answered = how.answered;
        w.agents_away_ms = how.away_ms;
        w.forgetful = how.forgetful;
        w.kill_takes_ms = how.kill_takes_ms;
        world_start(&w);
        world_connect(&w);
        world_run(&w);
        tell_story(&w);
        assert_int_equal(w.crashes, 1);
        world_close(&w);
    }
}

static void crash_before_any_answer_of_the_registry(void **state)
{
    (void)state;
    interrupt_everywhere((struct interruption){.answered = false});
}

static void crash_after_any_answer_of_the_registry(void **state)
{
    (void)state;
    interrupt_everywhere((struct interruption){.answered = true});
}

static void agents_that_come_back_late_lose_nothing(void **state)
{
    (void)state;
    interrupt_everywhere((struct interruption){.away_ms = 20000});
    interrupt_everywhere((struct interruption){.answered = true, .away_ms = 20000});
}

static void master_that_forgot_its_agents_loses_nothing(void **state)
{
    (void)state;
    interrupt_everywhere((struct interruption){.away_ms = 3000, .forgetful = true});
    interrupt_everywhere(
        (struct interruption){.answered = true, .away_ms = 3000, .forgetful = true});
}

static void tasks_that_take_long_to_end_are_remembered(void **state)
{
    (void)state;
    interrupt_everywhere((struct interruption){.kill_takes_ms = 8000});
    interrupt_everywhere(
        (struct interruption){.answered = true, .kill_takes_ms = 8000, .away_ms = 2000});
}

/* ---- single facts ---- */

static void scaling_down_waits_for_news_before_it_kills(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 4, "v1"));
    world_run(&w);
    w.agents_away_ms = 10000;
    world_crash(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_advance(&w, 9000);
    assert_int_equal(w.kills, 0);
    world_advance(&w, 20000);
    assert_int_equal(fake_count(&w, "/a", true, NULL), 2);
    assert_false(view_deployment(&w).found);
    world_close(&w);
}

static void failover_touches_no_task(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 5, "v1"));
    world_run(&w);
    mu_auto_free char *first = mu_xstrdup(fake_nth(&w, "/a", 0));
    w.agents_away_ms = 30000;
    w.forgetful = true;
    w.run_state = 0;
    size_t kills = w.kills;
    world_crash(&w);
    world_advance(&w, 600000);
    assert_int_equal(w.launched, 5);
    assert_int_equal(w.kills, kills);
    assert_non_null(fake_task(&w, first));
    assert_int_equal(view_app(&w, "/a").running, 5);
    assert_int_equal(w.next_framework, 1); /* the same framework */
    world_close(&w);
}

static void many_tasks_are_asked_about_in_slices(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < 2; i++) {
        mu_resources_release(&w.agents[i].total);
        assert_int_equal(
            mu_resources_parse("cpus:9999;mem:9999999", "*", &w.agents[i].total, NULL),
            0);
    }
    world_put(&w, version("/a", 1100, "v1"));
    world_run(&w);
    size_t before = w.reconciles;
    world_crash(&w);
    world_advance(&w, 100);
    assert_int_equal(w.reconciles, before + 2);
    assert_int_equal(view_app(&w, "/a").running, 1100);
    world_put(&w, version("/a", 1, "v1")); /* all were heard of: nothing holds it up */
    world_run(&w);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 1);
    before = w.reconciles;
    world_advance(&w, 16000);
    assert_int_equal(w.reconciles, before + 2); /* one slice, and the open question */
    world_close(&w);
}

static void kill_that_was_answered_survives_a_crash(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    mu_auto_free char *victim = mu_xstrdup(fake_nth(&w, "/a", 0));
    w.ignore_kills = true; /* it is lost on the way, and the scheduler with it */
    uint64_t c = world_ids(&w, MU_CMD_TASKS_KILL, victim, false, false);
    world_run(&w);
    assert_ok(&w, c);
    w.ignore_kills = false;
    world_crash(&w);
    world_advance(&w, 5000);
    assert_null(fake_task(&w, victim));
    assert_int_equal(view_app(&w, "/a").running, 2);
    world_close(&w);
}

static void agent_that_never_returns_is_given_up(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 4, "v1"));
    world_run(&w);
    w.forgetful = true;
    world_crash(&w);
    w.agents[0].is_known = false; /* for good, and the master has never heard of it */
    world_advance(&w, 60000);
    assert_int_equal(w.launched, 4);
    world_advance(&w, 30000);
    assert_in_range(w.launched, 5, 8);
    assert_int_equal(view_app(&w, "/a").running, 4);
    assert_int_equal(view_app(&w, "/a").failure_state, MU_TASK_GONE);
    world_close(&w);
}

static void deployment_waits_for_news_before_it_kills(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 4, "v1"));
    world_run(&w);
    w.hold_commits = true;
    struct mu_app *a = version("/a", 4, "v2");
    a->upgrade = (struct mu_upgrade_strategy){500000, 0};
    world_put(&w, a);
    world_commit_one(&w, 0); /* accepted; the kills are not stored yet */
    w.hold_commits = false;
    w.agents_away_ms = 10000;
    world_crash(&w);
    world_advance(&w, 9000);
    assert_int_equal(w.kills, 0);
    assert_string_equal(view_deployment(&w).waiting_for,
                        "/a: 0 of 4 running, 4 old left, 4 not heard of since the last "
                        "failover");
    world_advance(&w, 20000);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 4);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 4);
    world_close(&w);
}

static void registry_that_cannot_be_read_is_read_again(void **state)
{
    (void)state;
    struct world w;
    world_create(&w);
    w.unreadable = 2;
    world_start(&w);
    world_connect(&w);
    world_run(&w);
    uint64_t c = world_put(&w, version("/a", 1, "v1"));
    assert_refused_with(&w, c, MU_E_UNAVAILABLE,
                        "the scheduler is still loading its apps");
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), MU_E_UNAVAILABLE);
    world_advance(&w, 2000);
    c = world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

/* The record of a deployment that is over could not be removed yet when the app is
 * deleted, and then the leader dies. */
static void ended_deployment_does_not_come_back(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    w.hold_commits = true;
    world_put(&w, version("/a", 1, "v2"));
    for (int i = 0;
         i < 20 && strcmp(view_deployment(&w).waiting_for, "the registry") != 0; i++) {
        world_commit_one(&w, 0);
        world_run(&w);
    }
    world_commit_one(&w, -28); /* the removal */
    uint64_t c = world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    world_commit_one(&w, 0);
    assert_ok(&w, c);
    assert_int_equal(world_records(&w, "deployments/"), 1); /* the deletion */
    w.hold_commits = false;
    world_crash(&w);
    world_advance(&w, 30000);
    assert_false(view_app(&w, "/a").found);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    world_close(&w);
}

static void damaged_records_do_not_stop_the_rest(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    /* a task of an app that is no more, and a failure of another */
    struct scheduler_record *r = MU_NEW(struct scheduler_record);
    r->kind = SCHED_REC_TASK;
    r->task = MU_NEW(struct scheduler_task_record);
    r->task->app_id = mu_xstrdup("/gone");
    r->task->agent_id = w.agents[0].id;
    r->task->state = MU_TASK_RUNNING;
    snprintf(r->task->id.s, sizeof(r->task->id.s), "gone.1");
    mu_omap_put(&w.records, "tasks/gone.1", r);
    r = MU_NEW(struct scheduler_record);
    r->kind = SCHED_REC_FAILURE;
    r->failure = MU_NEW(struct scheduler_failure_record);
    r->failure->app_id = mu_xstrdup("/other");
    mu_omap_put(&w.records, "failures/other", r);
    r = MU_NEW(struct scheduler_record); /* and a deployment that nothing agrees with */
    r->kind = SCHED_REC_DEPLOYMENT;
    r->deployment = MU_NEW(struct scheduler_deployment_record);
    snprintf(r->deployment->id.s, sizeof(r->deployment->id.s), "d1");
    r->deployment->changes = MU_NEW(struct scheduler_change);
    r->deployment->change_count = 1;
    r->deployment->changes[0] = (struct scheduler_change){
        .from = version("/gone", 1, "v1"),
        .to = version("/gone", 1, "v2"),
        .app_id = mu_xstrdup("/gone"),
    };
    mu_omap_put(&w.records, "deployments/d1", r);
    world_crash(&w);
    world_advance(&w, 60000);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    assert_int_equal(world_records(&w, "tasks/"), 1);
    assert_int_equal(world_records(&w, "failures/"), 0);
    world_close(&w);
}

static void lost_framework_id_starts_anew(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    struct scheduler_record *r = mu_omap_remove(&w.records, "framework");
    scheduler_record_release(r);
    free(r);
    world_crash(&w);
    world_advance(&w, 10000);
    assert_int_equal(w.next_framework, 2);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

/* ---- everything at random ---- */

static const char *const ids[] = {"/a", "/b", "/g/c", "/g/d"};

static struct mu_app *random_app(struct mu_prng *p)
{
    size_t which = (size_t)mu_prng_below(p, COUNT_OF(ids));
    struct mu_app *a = make_app(ids[which], (uint32_t)mu_prng_below(p, 5));
    char cmd[8];
    snprintf(cmd, sizeof(cmd), "v%llu", (unsigned long long)mu_prng_below(p, 3));
    set_text(&a->cmd, cmd);
    a->upgrade = (struct mu_upgrade_strategy){(uint32_t)mu_prng_below(p, 3) * 500000,
                                              (uint32_t)mu_prng_below(p, 3) * 500000};
    if (mu_prng_chance(p, 300000)) {
        add_constraint(a, "hostname", MU_OP_GROUP_BY, NULL);
    }
    if (mu_prng_chance(p, 300000)) {
        a->unreachable = (struct mu_unreachable_strategy){.inactive_after_ms = 10000,
                                                          .expunge_after_ms = 30000};
    }
    if (mu_prng_chance(p, 300000)) {
        (void)mu_app_add_port(a);
    }
    if (which == 1 && mu_prng_chance(p, 500000)) {
        mu_strings_add(&a->dependencies, "/g");
    }
    return a;
}

static const char *random_task(struct world *w, struct mu_prng *p)
{
    if (w->tasks.count == 0) {
        return NULL;
    }
    size_t n = (size_t)mu_prng_below(p, w->tasks.count);
    mu_map_foreach (e, &w->tasks) {
        if (n-- == 0) {
            return ((struct fake_task *)e->value)->info->id.s;
        }
    }
    return NULL;
}

static void random_command(struct world *w, struct mu_prng *p)
{
    const char *id = ids[mu_prng_below(p, COUNT_OF(ids))];
    bool force = mu_prng_chance(p, 500000);
    const char *task = random_task(w, p);
    switch (mu_prng_below(p, 7)) {
    case 0:
    case 1:
        if (force) {
            world_put_forced(w, random_app(p));
        } else {
            world_put(w, random_app(p));
        }
        break;
    case 2:
        world_ids(w, MU_CMD_APP_DELETE, id, force, false);
        break;
    case 3:
        world_ids(w, MU_CMD_APP_RESTART, id, force, false);
        break;
    case 4:
        if (task != NULL) {
            world_ids(w, MU_CMD_TASKS_KILL, task, force, mu_prng_chance(p, 500000));
        }
        break;
    case 5:
        world_ids(w, MU_CMD_DEPLOYMENT_STOP, view_deployment(w).id, force, false);
        break;
    default:
        world_ids(w, MU_CMD_QUEUE_RESET, id, false, false);
        break;
    }
}

static void random_task_event(struct world *w, struct mu_prng *p)
{
    static const uint32_t states[] = {MU_TASK_STARTING, MU_TASK_RUNNING, MU_TASK_RUNNING,
                                      MU_TASK_RUNNING,  MU_TASK_FAILED,  MU_TASK_FINISHED,
                                      MU_TASK_ERROR};
    const char *task = random_task(w, p);
    if (task == NULL) {
        return;
    }
    uint32_t now = fake_task(w, task)->state;
    uint32_t next = states[mu_prng_below(p, COUNT_OF(states))];
    if (now != next && mu_task_state_can_move(now, next)) {
        fake_update(w, task, next);
    }
}

static void random_fault(struct world *w, struct mu_prng *p)
{
    size_t agent = (size_t)mu_prng_below(p, 2);
    switch (mu_prng_below(p, 7)) {
    case 0:
        w->fail_commits = (int)mu_prng_below(p, 3);
        break;
    case 1:
        w->hold_commits = !w->hold_commits;
        break;
    case 2:
        fake_unreachable(w, agent);
        break;
    case 3:
    case 4:
        if (!w->agents[agent].is_up) {
            fake_reachable(w, agent);
        }
        break;
    case 5:
        if (w->connected) {
            world_disconnect(w);
        } else {
            world_connect(w);
        }
        break;
    default:
        world_crash(w);
        break;
    }
}

static void heal(struct world *w)
{
    w->chaos = NULL;
    w->hold_commits = false;
    w->fail_commits = 0;
    w->auto_run = true;
    if (!w->connected) {
        world_connect(w);
    }
    for (size_t i = 0; i < 2; i++) {
        fake_reachable(w, i);
    }
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->state == MU_TASK_STAGING || t->state == MU_TASK_STARTING) {
            fake_update(w, t->info->id.s, MU_TASK_RUNNING);
        }
    }
    world_advance(w, 1300000);
}

static void check_healed(struct world *w, uint64_t seed)
{
    if (view_count(w, MU_Q_DEPLOYMENTS, NULL) != 0) {
        fail_msg("seed %llu: deployment hangs: %s", (unsigned long long)seed,
                 view_deployment(w).waiting_for);
    }
    size_t live = 0, versions = 0;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        int count = view_count(w, MU_Q_APP_VERSIONS, ids[i]);
        versions += count > 0 ? (size_t)count : 0;
        struct app_view v = view_app(w, ids[i]);
        size_t running = fake_count(w, ids[i], true, NULL);
        if (running != v.instances || v.running != v.instances) {
            fail_msg("seed %llu: %s has %zu running, shows %u, wants %u (%s)",
                     (unsigned long long)seed, ids[i], running, v.running, v.instances,
                     view_queue(w, ids[i]).waiting_for);
        }
        live += fake_count(w, ids[i], false, NULL);
    }
    assert_int_equal(live, w->tasks.count);
    assert_int_equal(world_records(w, "tasks/"), live);
    if (world_records(w, "versions/") != versions ||
        world_records(w, "deployments/") != 0) {
        fail_msg("seed %llu: %zu versions are recorded, %zu are known, %zu deployments",
                 (unsigned long long)seed, world_records(w, "versions/"), versions,
                 world_records(w, "deployments/"));
    }
}

static void live_at_random(uint64_t seed, int steps)
{
    struct world w;
    struct mu_prng p;
    mu_prng_seed(&p, seed);
    world_create(&w);
    w.cfg.seed = seed;
    w.auto_run = false;
    w.chaos = &p;
    world_start(&w);
    world_connect(&w);
    for (int i = 0; i < steps; i++) {
        uint64_t what = mu_prng_below(&p, 100);
        if (what < 25) {
            random_command(&w, &p);
        } else if (what < 65) {
            random_task_event(&w, &p);
        } else if (what < 72) {
            random_fault(&w, &p);
        } else {
            world_advance(&w, mu_prng_below(&p, 1u << mu_prng_below(&p, 16)));
        }
        if (w.commits.count > 0 && mu_prng_chance(&p, 300000)) {
            world_commit_one(&w, mu_prng_chance(&p, 100000) ? -28 : 0);
        }
        world_run(&w);
    }
    heal(&w);
    check_healed(&w, seed);
    world_close(&w);
}

static void any_history_heals(void **state)
{
    (void)state;
    const char *more = getenv("WORLD_SEEDS"), *first = getenv("WORLD_SEED");
    uint64_t from = first != NULL ? strtoull(first, NULL, 10) : 1;
    uint64_t count = more != NULL ? strtoull(more, NULL, 10) : 30;
    for (uint64_t seed = from; seed < from + count; seed++) {
        live_at_random(seed, 300);
    }
}

static void same_seed_gives_the_same_history(void **state)
{
    (void)state;
    mu_auto_free char *logs[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_open(&w);
        world_put(&w, version("/a", 5, "v1"));
        world_put(&w, version("/b", 5, "v1"));
        world_run(&w);
        logs[i] = mu_xasprintf("%s %s %s", mu_buf_str(&w.log), fake_nth(&w, "/a", 4),
                               fake_nth(&w, "/b", 0));
        world_close(&w);
    }
    assert_string_equal(logs[0], logs[1]);
    free(logs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_before_any_answer_of_the_registry),
        cmocka_unit_test(crash_after_any_answer_of_the_registry),
        cmocka_unit_test(agents_that_come_back_late_lose_nothing),
        cmocka_unit_test(master_that_forgot_its_agents_loses_nothing),
        cmocka_unit_test(tasks_that_take_long_to_end_are_remembered),
        cmocka_unit_test(scaling_down_waits_for_news_before_it_kills),
        cmocka_unit_test(failover_touches_no_task),
        cmocka_unit_test(many_tasks_are_asked_about_in_slices),
        cmocka_unit_test(kill_that_was_answered_survives_a_crash),
        cmocka_unit_test(agent_that_never_returns_is_given_up),
        cmocka_unit_test(deployment_waits_for_news_before_it_kills),
        cmocka_unit_test(registry_that_cannot_be_read_is_read_again),
        cmocka_unit_test(ended_deployment_does_not_come_back),
        cmocka_unit_test(damaged_records_do_not_stop_the_rest),
        cmocka_unit_test(lost_framework_id_starts_anew),
        cmocka_unit_test(any_history_heals),
        cmocka_unit_test(same_seed_gives_the_same_history),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
