/* What a new leader finds in the registry and how it goes on: deployments that refer to
 * versions, launch delays, kills under way, tasks nobody has reported yet; and what it
 * says while the registry does not answer.
 */
#include "world.h"

#include <errno.h>

#include "codec/scheduler_json.h"

static struct mu_app *version(const char *id, uint32_t instances, const char *cmd)
{
    struct mu_app *a = make_app(id, instances);
    set_text(&a->cmd, cmd);
    return a;
}

static const struct scheduler_record *first_record(struct world *w, const char *prefix)
{
    struct mu_omap_entry *e = mu_omap_lower_bound(&w->records, prefix);
    assert_true(e != NULL && strncmp(e->key, prefix, strlen(prefix)) == 0);
    return e->value;
}

struct self_view {
    char waiting_for[200];
};

static void take_self(void *arg, const void *row)
{
    const struct mu_scheduler_row *r = row;
    struct self_view *v = arg;
    snprintf(v->waiting_for, sizeof(v->waiting_for), "%s",
             r->waiting_for != NULL ? r->waiting_for : "");
}

static struct self_view view_self(struct world *w)
{
    struct self_view v = {0};
    assert_int_equal(scheduler_query(w->s, &w->now, MU_Q_SCHEDULER, NULL, take_self, &v),
                     1);
    return v;
}

static void take_task_wait(void *arg, const void *row)
{
    const struct mu_app_task_row *r = row;
    snprintf(arg, 200, "%s", r->waiting_for != NULL ? r->waiting_for : "");
}

static const char *task_waits_for(struct world *w, const char *app_id)
{
    static char text[200];
    snprintf(text, sizeof(text), "no task");
    scheduler_query(w->s, &w->now, MU_Q_APP_TASKS, app_id, take_task_wait, text);
    return text;
}

static double metric_value;
static void on_metric(void *arg, const char *name, double value)
{
    if (strcmp(arg, name) == 0) {
        metric_value = value;
    }
}

static double metric(struct world *w, const char *name)
{
    char copy[80];
    snprintf(copy, sizeof(copy), "%s", name);
    metric_value = -1;
    scheduler_metrics(w->s, on_metric, copy);
    return metric_value;
}

/* ---- deployments refer to versions ---- */

static void record_of_a_deployment_names_versions_only(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    int64_t before = view_app(&w, "/a").version_ms;
    w.offer_nothing = true;
    world_put(&w, version("/a", 2, "v2"));
    world_run(&w);
    const struct scheduler_deployment_record *d =
        first_record(&w, "deployments/")->deployment;
    assert_null(d->changes[0].from);
    assert_null(d->changes[0].to);
    assert_int_equal(d->changes[0].from_ms, before);
    assert_int_equal(d->changes[0].to_ms, view_app(&w, "/a").version_ms);
    world_close(&w);
}

/* Undone by the next leader, it is what it was. */
static void change_is_undone_after_a_failover(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    w.offer_nothing = true;
    world_put(&w, version("/a", 2, "v2"));
    world_run(&w);
    world_crash(&w);
    world_run(&w);
    struct deployment_view d = view_deployment(&w);
    assert_true(d.found);
    uint64_t c = world_ids(&w, MU_CMD_DEPLOYMENT_STOP, d.id, false, false);
    w.offer_nothing = false;
    world_advance(&w, 60000);
    assert_ok(&w, c);
    assert_string_equal(view_app(&w, "/a").cmd, "v1");
    assert_int_equal(fake_count(&w, "/a", true, "v1"), 2);
    assert_int_equal(fake_count(&w, "/a", false, "v2"), 0);
    world_close(&w);
}

static void deletion_is_undone_after_a_failover(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    world_put(&w, version("/a", 2, "v2"));
    world_advance(&w, 60000);
    assert_int_equal(world_records(&w, "versions/a/"), 2);
    w.kill_takes_ms = 20000;
    world_ids(&w, MU_CMD_APP_DELETE, "/a", false, false);
    world_run(&w);
    assert_int_equal(world_records(&w, "apps/"), 0);
    assert_int_equal(world_records(&w, "versions/a/"), 1); /* it may be wanted back */
    world_crash(&w);
    world_run(&w);
    uint64_t c =
        world_ids(&w, MU_CMD_DEPLOYMENT_STOP, view_deployment(&w).id, false, false);
    world_advance(&w, 120000);
    assert_ok(&w, c);
    assert_string_equal(view_app(&w, "/a").cmd, "v2");
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 2);
    assert_int_equal(world_records(&w, "versions/a/"), 1); /* its new one */
    world_close(&w);
}

static void deleted_app_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_advance(&w, 20000);
    w.kill_takes_ms = 20000;
    world_ids(&w, MU_CMD_APP_DELETE, "/a", false, false);
    world_run(&w);
    world_crash(&w);
    world_advance(&w, 60000);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 0);
    assert_int_equal(world_records(&w, "versions/"), 0);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    world_close(&w);
}

static void app_made_again_while_it_is_deleted_has_its_own_version_only(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 20000);
    w.kill_takes_ms = 20000;
    world_ids(&w, MU_CMD_APP_DELETE, "/a", false, false);
    world_run(&w);
    uint64_t c = world_put_forced(&w, version("/a", 1, "v2"));
    world_run(&w);
    assert_ok(&w, c);
    assert_int_equal(world_records(&w, "versions/a/"), 1);
    world_crash(&w);
    world_advance(&w, 120000);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 1);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 1);
    assert_int_equal(view_count(&w, MU_Q_APP_VERSIONS, "/a"), 1);
    world_close(&w);
}

static void version_nobody_needs_is_removed_at_start(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct scheduler_record *r = MU_NEW(struct scheduler_record);
    r->kind = SCHED_REC_VERSION;
    struct mu_app *left = version("/gone", 1, "v1");
    left->version_ms = 5;
    r->app = left;
    mu_omap_put(&w.records, "versions/gone/00000000000000000005", r);
    world_crash(&w);
    world_run(&w);
    assert_int_equal(world_records(&w, "versions/"), 0);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), 0);
    world_close(&w);
}

/* As it was written before deployments referred to versions. */
static void deployment_with_whole_definitions_is_read(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    w.offer_nothing = true;
    struct mu_app *v2 = version("/a", 2, "v2");
    v2->upgrade = (struct mu_upgrade_strategy){500000, 500000};
    world_put(&w, v2);
    world_run(&w);
    struct scheduler_deployment_record *d = NULL;
    {
        struct mu_omap_entry *e = mu_omap_lower_bound(&w.records, "deployments/");
        d = ((struct scheduler_record *)e->value)->deployment;
    }
    struct scheduler_change *c = &d->changes[0];
    mu_omap_foreach (e, &w.records) {
        const struct scheduler_record *r = e->value;
        if (r->kind == SCHED_REC_VERSION && r->app->version_ms == c->from_ms) {
            c->from = mu_app_ref(r->app);
        } else if (r->kind == SCHED_REC_VERSION && r->app->version_ms == c->to_ms) {
            c->to = mu_app_ref(r->app);
        }
    }
    assert_true(c->from != NULL && c->to != NULL);
    c->from_ms = c->to_ms = 0;
    w.offer_nothing = false;
    world_crash(&w);
    world_advance(&w, 60000);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 2);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 2);
    assert_int_equal(world_records(&w, "deployments/"), 0);
    world_close(&w);
}

static void drop(struct world *w, const char *prefix, int64_t version_ms)
{
    mu_omap_foreach_safe (e, &w->records) {
        struct scheduler_record *r = e->value;
        if (strncmp(e->key, prefix, strlen(prefix)) == 0 &&
            r->app->version_ms == version_ms) {
            mu_omap_remove(&w->records, e->key);
            scheduler_record_release(r);
            free(r);
        }
    }
}

static void change_whose_old_version_is_lost_is_finished(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    int64_t lost = view_app(&w, "/a").version_ms;
    w.offer_nothing = true;
    world_put(&w, version("/a", 2, "v2"));
    world_run(&w);
    drop(&w, "versions/", lost);
    w.offer_nothing = false;
    world_crash(&w);
    world_advance(&w, 60000);
    assert_int_equal(fake_count(&w, "/a", true, "v2"), 2);
    assert_int_equal(fake_count(&w, "/a", false, NULL), 2);
    world_close(&w);
}

enum { MANY = 3000 };

static struct mu_command_request many_apps(const char *cmd, const struct mu_app **apps)
{
    for (int i = 0; i < MANY; i++) {
        char id[64];
        snprintf(id, sizeof(id), "/prod/region-1/service-%04d/instance", i);
        struct mu_app *a = version(id, i % 300 == 0 ? 1 : 0, cmd);
        for (int k = 0; k < 10; k++) { /* an app of an ordinary size */
            char name[32];
            snprintf(name, sizeof(name), "SETTING_%d", k);
            mu_pairs_add(&a->env, name, "a value that is neither short nor long ......");
        }
        apps[i] = a;
    }
    return (struct mu_command_request){.struct_size = sizeof(struct mu_command_request),
                                       .type = MU_CMD_APPS_PUT,
                                       .apps = apps,
                                       .app_count = MANY};
}

static void put_many(struct world *w, const char *cmd)
{
    static const struct mu_app *apps[MANY];
    struct mu_command_request c = many_apps(cmd, apps);
    uint64_t token = world_command(w, &c);
    for (int i = 0; i < MANY; i++) {
        mu_app_unref(apps[i]);
    }
    world_run(w);
    assert_ok(w, token);
}

static void three_thousand_apps_are_changed_at_once(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    put_many(&w, "v1");
    world_advance(&w, 20000);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), MANY);
    w.offer_nothing = true;
    put_many(&w, "v2"); /* a restart of all, which takes its time */
    assert_int_equal(view_deployment(&w).affected, MANY);
    assert_in_range(w.largest_value, 1, MU_REGISTRY_VALUE_MAX);
    world_crash(&w);
    w.offer_nothing = false;
    world_advance(&w, 60000);
    assert_false(view_deployment(&w).found);
    assert_int_equal(fake_count(&w, "/prod/region-1/service-0300/instance", true, "v2"),
                     1);
    assert_int_equal(fake_count(&w, "/prod/region-1/service-0300/instance", false, NULL),
                     1);
    world_close(&w);
}

/* ---- launch delays ---- */

static void launch_delay_survives_a_failover(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 600000); /* by now it waits for long */
    uint64_t left = view_queue(&w, "/a").delay_left_ms;
    size_t launched = w.launched;
    while (left < 30000) {
        world_advance(&w, 1000);
        left = view_queue(&w, "/a").delay_left_ms;
    }
    launched = w.launched;
    world_crash(&w);
    world_run(&w);
    struct queue_view q = view_queue(&w, "/a");
    assert_false(q.overdue);
    assert_int_equal(q.delay_left_ms, left);
    world_advance(&w, left - 1);
    assert_int_equal(w.launched, launched);
    world_advance(&w, 1);
    assert_int_equal(w.launched, launched + 1);
    assert_in_range(view_queue(&w, "/a").delay_left_ms, 30000 * 115 / 100, 300000);
    world_close(&w);
}

static void delay_of_a_new_leader_with_another_clock_is_no_longer_than_it_was(void **st)
{
    (void)st;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 2000);
    w.now.wall_ms -= 3600000;
    world_crash(&w);
    world_run(&w);
    assert_in_range(view_queue(&w, "/a").delay_left_ms, 1, 2000);
    w.now.wall_ms += 2 * 3600000; /* and one that is ahead: it is over */
    world_crash(&w);
    world_run(&w);
    assert_in_range(view_queue(&w, "/a").delay_left_ms, 0, 1000);
    world_close(&w);
}

static void delay_ends_with_the_configuration_that_failed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 20000);
    assert_int_equal(world_records(&w, "delays/a"), 1);
    w.run_state = 0;
    world_put_forced(&w, version("/a", 1, "v2"));
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(world_records(&w, "delays/"), 0);
    world_close(&w);
}

/* The record of the delay is removed after the change; the leader dies between. */
static void delay_of_an_older_configuration_is_not_believed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 20000);
    w.run_state = 0;
    w.hold_commits = true;
    world_put_forced(&w, version("/a", 1, "v2"));
    world_commit_one(&w, 0); /* the change */
    w.hold_commits = false;
    world_crash(&w);
    world_run(&w);
    assert_int_equal(view_app(&w, "/a").running, 1);
    assert_int_equal(world_records(&w, "delays/"), 0);
    world_close(&w);
}

static void delay_that_a_user_cleared_does_not_come_back(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 20000);
    w.offer_nothing = true;
    w.hold_commits = true;
    uint64_t c = world_ids(&w, MU_CMD_QUEUE_RESET, "/a", false, false);
    world_run(&w);
    assert_false(world_reply(&w, c)->seen); /* not before it is durable */
    world_commit_one(&w, 0);
    w.hold_commits = false;
    assert_ok(&w, c);
    world_crash(&w);
    world_run(&w);
    assert_true(view_queue(&w, "/a").overdue);
    world_close(&w);
}

static void delay_is_forgotten_after_a_quiet_time(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    w.run_state = 0;
    world_advance(&w, 10000);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_advance(&w, 400000);
    world_crash(&w);
    world_run(&w);
    assert_int_equal(world_records(&w, "delays/"), 0);
    world_close(&w);
}

static void delay_of_a_deleted_app_is_removed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.run_state = 'f';
    world_put(&w, version("/a", 1, "v1"));
    world_advance(&w, 3000);
    world_ids(&w, MU_CMD_APP_DELETE, "/a", true, false);
    world_advance(&w, 1000);
    assert_int_equal(world_records(&w, "delays/"), 0);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), 0);
    world_close(&w);
}

/* ---- tasks nobody has reported yet ---- */

static void kill_is_sent_again_as_soon_as_the_task_is_heard_of(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    mu_auto_free char *victim = mu_xstrdup(fake_nth(&w, "/a", 0));
    w.ignore_kills = true;
    world_ids(&w, MU_CMD_TASKS_KILL, victim, false, false);
    world_run(&w);
    w.ignore_kills = false;
    w.agents_away_ms = 5000;
    world_crash(&w);
    world_advance(&w, 4999);
    assert_non_null(fake_task(&w, victim));
    assert_string_equal(task_waits_for(&w, "/a"), "its agent, to report its end");
    fake_reachable(&w, 0);
    fake_reachable(&w, 1);
    world_run(&w); /* not after kill_retry_ms */
    assert_null(fake_task(&w, victim));
    world_close(&w);
}

static void unreachable_task_is_not_given_up_before_news_of_it(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct mu_app *a = version("/a", 2, "v1");
    a->unreachable.inactive_after_ms = 5000;
    a->unreachable.expunge_after_ms = 10000;
    world_put(&w, a);
    world_run(&w);
    fake_unreachable(&w, 0);
    world_run(&w);
    size_t launched = w.launched;
    w.agents[0].is_up = true; /* it comes back, but not yet */
    w.agents_away_ms = 30000;
    world_crash(&w);
    world_advance(&w, 29000);
    assert_int_equal(w.launched, launched);
    assert_int_equal(world_records(&w, "tasks/"), 2);
    world_advance(&w, 30000);
    assert_int_equal(w.launched, launched);
    assert_int_equal(view_app(&w, "/a").running, 2);
    world_close(&w);
}

static void waits_are_named_after_a_failover(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 2, "v1"));
    world_run(&w);
    assert_string_equal(view_self(&w).waiting_for, "");
    w.agents_away_ms = 10000;
    world_crash(&w);
    world_advance(&w, 1000);
    assert_string_equal(view_self(&w).waiting_for,
                        "news of 2 tasks since the last failover");
    assert_string_equal(task_waits_for(&w, "/a"),
                        "its agent, not heard of since the last failover");
    world_advance(&w, 30000);
    assert_string_equal(view_self(&w).waiting_for, "");
    assert_string_equal(task_waits_for(&w, "/a"), "");
    world_close(&w);
}

/* ---- a registry that may have another writer, or the change ---- */

static void stop(struct world *w)
{
    w->subscribed = w->connected = false;
    world_step(w, &(struct scheduler_event){.type = SCHED_EV_STOP});
}

static void lead_again(struct world *w)
{
    world_start(w);
    world_connect(w);
    world_run(w);
}

/* The registry has three instances and memory has one: to take "one instance" for no
 * change would be to promise what the next leader does not find. */
static void nothing_is_promised_after_a_commit_of_unknown_outcome(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    w.hold_commits = true;
    uint64_t three = world_put(&w, version("/a", 3, "v1"));
    uint64_t one = world_put(&w, version("/a", 1, "v1")); /* waits for its turn */
    world_commit_one(&w, MU_E_UNKNOWN_OUTCOME);
    assert_true(w.abdicated);
    assert_int_equal(world_reply(&w, three)->status, MU_E_NOT_LEADER);
    assert_int_equal(world_reply(&w, one)->status, MU_E_NOT_LEADER);
    uint64_t late = world_put(&w, version("/a", 1, "v1"));
    assert_int_equal(world_reply(&w, late)->status, MU_E_NOT_LEADER);
    assert_int_equal(view_count(&w, MU_Q_APPS, NULL), MU_E_NOT_LEADER);
    stop(&w);
    w.hold_commits = false;
    lead_again(&w);
    assert_int_equal(view_app(&w, "/a").instances, 3);
    assert_int_equal(view_app(&w, "/a").running, 3);
    world_close(&w);
}

/* Memory is what the registry had before another leader came: deposed, but not told yet,
 * this one must not take a command for done because it finds nothing to change. */
static void command_that_changes_nothing_is_answered_by_the_registry(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    w.hold_commits = true;
    uint64_t same = world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    assert_false(world_reply(&w, same)->seen);
    world_commit_one(&w, 0);
    assert_ok(&w, same);
    assert_int_equal(view_app(&w, "/a").deployments, 0);
    uint64_t fenced = world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    world_commit_one(&w, MU_E_FENCED);
    assert_int_equal(world_reply(&w, fenced)->status, MU_E_NOT_LEADER);
    world_close(&w);
}

static void commit_that_another_leader_fenced_ends_the_reign(void **state)
{
    (void)state;
    static const int codes[] = {MU_E_FENCED, MU_E_NOT_LEADER, -ECANCELED};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct world w;
        world_open(&w);
        world_put(&w, version("/a", 1, "v1"));
        world_run(&w);
        mu_auto_free char *task = mu_xstrdup(fake_nth(&w, "/a", 0));
        w.hold_commits = true;
        fake_update(&w, task, MU_TASK_FINISHED); /* an item that is tried again else */
        world_run(&w);
        size_t acks = w.acks;
        world_commit_one(&w, codes[i]);
        assert_true(w.abdicated);
        assert_int_equal(w.acks, acks);
        assert_int_equal(scheduler_deadline_ms(w.s), UINT64_MAX); /* no trying again */
        world_close(&w);
    }
}

/* The link is told of after the reign is over, as a driver may do. */
static void link_news_after_the_end_of_a_reign_do_not_subscribe_the_next(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.hold_commits = true;
    world_put(&w, version("/a", 1, "v1"));
    world_commit_one(&w, MU_E_UNKNOWN_OUTCOME);
    w.subscribed = false;
    world_connect(&w);
    stop(&w);
    w.hold_commits = false;
    w.connected = true; /* whoever speaks now is heard */
    world_start(&w);
    assert_false(w.subscribed);
    world_connect(&w);
    world_run(&w);
    assert_true(w.subscribed);
    assert_int_equal(view_app(&w, "/a").running, 1);
    world_close(&w);
}

/* ---- a registry that does not answer ---- */

static void silent_registry_is_told_of(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_put(&w, version("/a", 1, "v1"));
    world_run(&w);
    w.hold_commits = true;
    size_t acks = w.acks;
    fake_update(&w, fake_nth(&w, "/a", 0), MU_TASK_KILLING);
    world_run(&w);
    world_advance(&w, 4000);
    assert_string_equal(view_self(&w).waiting_for, "");
    assert_string_equal(task_waits_for(&w, "/a"),
                        "the registry, to store its last update");
    world_advance(&w, 8000); /* the agent has said it again meanwhile */
    assert_int_equal(w.acks, acks);
    assert_string_equal(view_self(&w).waiting_for,
                        "the registry, which has not answered for 12 s");
    assert_int_equal((int)metric(&w, "marathon.registry.silent.seconds.gauge"), 10);
    world_put(&w, version("/b", 1, "v1"));
    world_run(&w);
    w.hold_commits = false;
    world_run(&w);
    assert_in_range(w.acks, acks + 1, acks + 2);
    assert_string_equal(view_self(&w).waiting_for, "");
    assert_int_equal((int)metric(&w, "marathon.registry.silent.seconds.gauge"), 0);
    assert_int_equal(view_app(&w, "/b").running, 1);
    world_close(&w);
}

static void explain(void *arg, struct mu_buf *out)
{
    (void)arg;
    (void)mu_buf_puts(out, "1 of 3 answer");
}

static void launch_that_waits_for_the_registry_says_so(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.cfg.explain_registry = explain;
    world_crash(&w);
    world_put(&w, version("/a", 3, "v1"));
    w.hold_commits = true;
    world_commit_one(&w, 0); /* the change; the launches are not stored */
    world_put(&w, version("/a", 5, "v1"));
    world_run(&w);
    world_advance(&w, 7000);
    const char *text = view_deployment(&w).waiting_for;
    if (strstr(text, "the registry has not answered for 7 s: 1 of 3 answer") == NULL) {
        fail_msg("%s", text);
    }
    w.hold_commits = false;
    world_run(&w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_of_a_deployment_names_versions_only),
        cmocka_unit_test(change_is_undone_after_a_failover),
        cmocka_unit_test(deletion_is_undone_after_a_failover),
        cmocka_unit_test(deleted_app_leaves_nothing_behind),
        cmocka_unit_test(app_made_again_while_it_is_deleted_has_its_own_version_only),
        cmocka_unit_test(version_nobody_needs_is_removed_at_start),
        cmocka_unit_test(deployment_with_whole_definitions_is_read),
        cmocka_unit_test(change_whose_old_version_is_lost_is_finished),
        cmocka_unit_test(three_thousand_apps_are_changed_at_once),
        cmocka_unit_test(launch_delay_survives_a_failover),
        cmocka_unit_test(
            delay_of_a_new_leader_with_another_clock_is_no_longer_than_it_was),
        cmocka_unit_test(delay_ends_with_the_configuration_that_failed),
        cmocka_unit_test(delay_of_an_older_configuration_is_not_believed),
        cmocka_unit_test(delay_that_a_user_cleared_does_not_come_back),
        cmocka_unit_test(delay_is_forgotten_after_a_quiet_time),
        cmocka_unit_test(delay_of_a_deleted_app_is_removed),
        cmocka_unit_test(kill_is_sent_again_as_soon_as_the_task_is_heard_of),
        cmocka_unit_test(unreachable_task_is_not_given_up_before_news_of_it),
        cmocka_unit_test(waits_are_named_after_a_failover),
        cmocka_unit_test(nothing_is_promised_after_a_commit_of_unknown_outcome),
        cmocka_unit_test(command_that_changes_nothing_is_answered_by_the_registry),
        cmocka_unit_test(commit_that_another_leader_fenced_ends_the_reign),
        cmocka_unit_test(link_news_after_the_end_of_a_reign_do_not_subscribe_the_next),
        cmocka_unit_test(silent_registry_is_told_of),
        cmocka_unit_test(launch_that_waits_for_the_registry_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
