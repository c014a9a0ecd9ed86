/* Read models: rows out of the live tables, borrowed for the callback. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

#define WAITING_TEXT_MAX 8192u

struct counts {
    uint32_t staged, running, healthy, unhealthy;
};

static void count_task(const struct sched_task *t, struct counts *c)
{
    if (t->phase != TASK_LAUNCHED) {
        return;
    }
    c->staged += t->state == MU_TASK_STAGING || t->state == MU_TASK_STARTING;
    if (t->state == MU_TASK_RUNNING) {
        c->running++;
        c->healthy += t->has_healthy && t->healthy;
        c->unhealthy += t->has_healthy && !t->healthy;
    }
}

static void fill_failure(const struct scheduler_failure_record *f,
                         struct mu_task_failure *out)
{
    *out = (struct mu_task_failure){
        .task_id = f->task_id,
        .host = f->host,
        .agent_id = f->agent_id.s,
        .message = f->message,
        .state = f->state,
        .wall_ms = f->wall_ms,
        .version_ms = f->version_ms,
    };
}

static void show_app(const struct sched_app *a, mu_row_cb cb, void *arg)
{
    struct counts c = {0};
    struct mu_task_failure failure;
    const char *deployment = a->deployment != NULL ? a->deployment->id.s : NULL;
    mu_omap_foreach (e, &a->tasks) {
        count_task(e->value, &c);
    }
    struct mu_app_row row = {
        .app = a->def,
        .staged = c.staged,
        .running = c.running,
        .healthy = c.healthy,
        .unhealthy = c.unhealthy,
        .deployments = &deployment,
        .deployment_count = deployment != NULL ? 1 : 0,
    };
    if (a->failure != NULL) {
        fill_failure(a->failure, &failure);
        row.last_failure = &failure;
    }
    cb(arg, &row);
}

static int query_apps(const struct scheduler *s, const char *key, mu_row_cb cb, void *arg)
{
    int rows = 0;
    if (key != NULL) {
        const struct sched_app *one = app_get(s, key);
        bool is_there = one != NULL && one->def != NULL;
        if (is_there) {
            show_app(one, cb, arg);
        }
        return is_there;
    }
    mu_omap_foreach (e, &s->apps) {
        const struct sched_app *a = e->value;
        if (a->def != NULL) {
            show_app(a, cb, arg);
            rows++;
        }
    }
    return rows;
}

static int
query_versions(const struct scheduler *s, const char *key, mu_row_cb cb, void *arg)
{
    const struct sched_app *a = key != NULL ? app_get(s, key) : NULL;
    if (a == NULL || a->def == NULL) {
        return MU_E_NOT_FOUND;
    }
    for (size_t i = a->versions.count; i > 0; i--) {
        struct mu_app_row row = {.app = a->versions.v[i - 1]};
        cb(arg, &row);
    }
    return (int)a->versions.count;
}

static int show_tasks(const struct sched_app *a, mu_row_cb cb, void *arg)
{
    int rows = 0;
    mu_omap_foreach (e, &a->tasks) {
        const struct sched_task *t = e->value;
        if (t->phase == TASK_LAUNCHED) {
            struct mu_app_task_row row;
            task_row(t, &row);
            cb(arg, &row);
            rows++;
        }
    }
    return rows;
}

static int
query_tasks(const struct scheduler *s, const char *key, mu_row_cb cb, void *arg)
{
    if (key != NULL) {
        const struct sched_app *a = app_get(s, key);
        return a != NULL ? show_tasks(a, cb, arg) : 0;
    }
    int rows = 0;
    mu_omap_foreach (e, &s->apps) {
        rows += show_tasks(e->value, cb, arg);
    }
    return rows;
}

static int
query_deployments(const struct scheduler *s, uint64_t now_ms, mu_row_cb cb, void *arg)
{
    int rows = 0;
    mu_list_foreach (n, &s->deployments) {
        const struct deployment *d = mu_list_entry(n, struct deployment, link);
        struct mu_deployment_row row;
        struct mu_buf text;
        mu_buf_init(&text, WAITING_TEXT_MAX);
        deploy_row(d, &row);
        deploy_waiting_for(s, d, now_ms, &text);
        row.waiting_for = mu_buf_str(&text);
        cb(arg, &row);
        mu_buf_release(&text);
        rows++;
    }
    return rows;
}

static void show_queue(const struct scheduler *s,
                       const struct sched_app *a,
                       uint64_t now_ms,
                       mu_row_cb cb,
                       void *arg)
{
    const struct launch_entry *e = &a->launch;
    struct mu_buf text;
    mu_buf_init(&text, WAITING_TEXT_MAX);
    queue_waiting_for(s, a, now_ms, &text);
    struct mu_queue_row row = {
        .app = e->def,
        .count = e->want,
        .overdue = backoff_left(&e->backoff, now_ms) == 0,
        .delay_left_ms = backoff_left(&e->backoff, now_ms),
        .since_ms = e->since_ms,
        .offers_processed = e->offers_processed,
        .offers_unused = e->offers_unused,
        .last_unused_ms = e->last_unused_ms,
        .last_used_ms = e->last_used_ms,
        .waiting_for = mu_buf_str(&text),
    };
    for (uint32_t i = 0; i < SCHED_REASON_COUNT; i++) {
        row.rejects[i].reason = match_reason_name(i);
        row.rejects[i].declined = e->declined[i];
        row.rejects[i].processed = e->processed[i];
    }
    cb(arg, &row);
    mu_buf_release(&text);
}

static int
query_queue(const struct scheduler *s, uint64_t now_ms, mu_row_cb cb, void *arg)
{
    int rows = 0;
    mu_omap_foreach (e, &s->apps) {
        const struct sched_app *a = e->value;
        if (a->launch.want > 0) {
            show_queue(s, a, now_ms, cb, arg);
            rows++;
        }
    }
    return rows;
}

static void
self_waiting_for(const struct scheduler *s, uint64_t now_ms, struct mu_buf *out)
{
    uint64_t slow_ms = store_slow_ms(s, now_ms);
    if (s->state == SCHED_STOPPED) {
        (void)mu_buf_puts(out, "an election: this master stands by");
    } else if (s->state == SCHED_LOADING) {
        (void)mu_buf_puts(out, "the registry, to load the apps");
        store_explain(s, out);
    } else if (slow_ms > 0) {
        (void)mu_buf_printf(out, "the registry, which has not answered for %" PRIu64 " s",
                            slow_ms / 1000);
        store_explain(s, out);
    } else if (s->link != LINK_SUBSCRIBED) {
        (void)mu_buf_puts(out, "a connection to a master");
    } else if (s->unheard_count > 0) {
        (void)mu_buf_printf(out, "news of %zu tasks since the last failover",
                            s->unheard_count);
    }
}

static int query_self(const struct scheduler *s, uint64_t now_ms, mu_row_cb cb, void *arg)
{
    struct mu_buf text;
    mu_buf_init(&text, WAITING_TEXT_MAX);
    self_waiting_for(s, now_ms, &text);
    struct mu_scheduler_row row = {
        .framework_id = MU_ID_EMPTY(s->framework_id) ? NULL : s->framework_id.s,
        .connected = s->link == LINK_SUBSCRIBED,
        .recovered = s->state == SCHED_READY,
        .name = s->cfg.name,
        .role = s->cfg.role,
        .user = s->cfg.user,
        .waiting_for = text.len > 0 ? mu_buf_str(&text) : NULL,
    };
    cb(arg, &row);
    mu_buf_release(&text);
    return 1;
}

int scheduler_query(const struct scheduler *s,
                    const struct mu_now *now,
                    uint32_t type,
                    const char *key,
                    mu_row_cb cb,
                    void *arg)
{
    if (type == MU_Q_SCHEDULER) {
        return query_self(s, now->mono_ms, cb, arg);
    }
    if (s->state != SCHED_READY) {
        return s->state == SCHED_STOPPED ? MU_E_NOT_LEADER : MU_E_UNAVAILABLE;
    }
    switch (type) {
    case MU_Q_APPS:
        return query_apps(s, key, cb, arg);
    case MU_Q_APP_VERSIONS:
        return query_versions(s, key, cb, arg);
    case MU_Q_APP_TASKS:
        return query_tasks(s, key, cb, arg);
    case MU_Q_DEPLOYMENTS:
        return query_deployments(s, now->mono_ms, cb, arg);
    case MU_Q_QUEUE:
        return query_queue(s, now->mono_ms, cb, arg);
    default:
        return MU_E_UNSUPPORTED;
    }
}

void scheduler_metrics(const struct scheduler *s,
                       void (*cb)(void *arg, const char *name, double value),
                       void *arg)
{
    struct counts c = {0};
    uint32_t wanted = 0, waiting = 0;
    mu_map_foreach (e, &s->tasks) {
        count_task(e->value, &c);
    }
    mu_omap_foreach (e, &s->apps) {
        const struct sched_app *a = e->value;
        wanted += a->launch.want;
        waiting += a->launch.want > 0;
    }
    const struct {
        const char *name;
        double value;
    } values[] = {
        {"marathon.apps.active.gauge", (double)s->tree.count},
        {"marathon.deployments.active.gauge", s->running_deployments},
        {"marathon.deployments.finished.counter", (double)s->stats.deployments_done},
        {"marathon.deployments.failed.counter", (double)s->stats.deployments_failed},
        {"marathon.instances.staged.gauge", c.staged},
        {"marathon.instances.running.gauge", c.running},
        {"marathon.instances.healthy.gauge", c.healthy},
        {"marathon.instances.unhealthy.gauge", c.unhealthy},
        {"marathon.instances.unconfirmed.gauge", s->unsure_count},
        {"marathon.launch-queue.apps.gauge", waiting},
        {"marathon.launch-queue.instances.gauge", wanted},
        {"marathon.tasks.launched.counter", (double)s->stats.launches},
        {"marathon.tasks.killed.counter", (double)s->stats.kills},
        {"marathon.tasks.failed.counter", (double)s->stats.failures},
        {"marathon.tasks.updates.counter", (double)s->stats.updates},
        {"marathon.commands.waiting.gauge", (double)s->command_count},
        {"marathon.registry.silent.seconds.gauge",
         (double)(store_slow_ms(s, s->now.mono_ms) / 1000)},
        {"marathon.subscribed.gauge", s->link == LINK_SUBSCRIBED},
        {"marathon.recovered.gauge", s->state == SCHED_READY},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cb(arg, values[i].name, values[i].value);
    }
}
