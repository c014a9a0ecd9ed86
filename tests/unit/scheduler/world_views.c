/* What a user would see: the scheduler's rows as plain values. */
#include "world.h"

#include <stdio.h>

static void take_app(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct app_view *v = arg;
    *v = (struct app_view){.found = true,
                           .instances = r->app->instances,
                           .staged = r->staged,
                           .running = r->running,
                           .healthy = r->healthy,
                           .unhealthy = r->unhealthy,
                           .version_ms = r->app->version_ms,
                           .last_scaling_ms = r->app->last_scaling_ms,
                           .last_config_ms = r->app->last_config_ms,
                           .deployments = r->deployment_count};
    v->port = r->app->port_count > 0 ? r->app->ports[0].port : 0;
    snprintf(v->cmd, sizeof(v->cmd), "%s", r->app->cmd);
    if (r->last_failure != NULL) {
        snprintf(v->failure, sizeof(v->failure), "%s", r->last_failure->message);
        v->failure_state = r->last_failure->state;
    }
}

struct app_view view_app(struct world *w, const char *id)
{
    struct app_view v = {0};
    assert_true(scheduler_query(w->s, &w->now, MU_Q_APPS, id, take_app, &v) >= 0);
    return v;
}

static void take_nothing(void *arg, const void *row)
{
    (void)arg;
    assert_non_null(row);
}

int view_count(struct world *w, uint32_t query, const char *key)
{
    return scheduler_query(w->s, &w->now, query, key, take_nothing, NULL);
}

struct queue_search {
    const char *id;
    struct queue_view view;
};

static void take_queue(void *arg, const void *row)
{
    const struct mu_queue_row *r = row;
    struct queue_search *q = arg;
    if (strcmp(r->app->id, q->id) != 0) {
        return;
    }
    q->view = (struct queue_view){.found = true,
                                  .overdue = r->overdue,
                                  .count = r->count,
                                  .delay_left_ms = r->delay_left_ms,
                                  .processed = r->offers_processed,
                                  .unused = r->offers_unused};
    snprintf(q->view.waiting_for, sizeof(q->view.waiting_for), "%s", r->waiting_for);
    struct mu_buf text;
    mu_buf_init(&text, sizeof(q->view.rejects) - 1);
    for (size_t i = 0; i < 10; i++) {
        if (r->rejects[i].processed > 0) {
            mu_buf_printf(&text, "%s%s %llu/%llu", text.len > 0 ? ", " : "",
                          r->rejects[i].reason,
                          (unsigned long long)r->rejects[i].declined,
                          (unsigned long long)r->rejects[i].processed);
        }
    }
    snprintf(q->view.rejects, sizeof(q->view.rejects), "%s", mu_buf_str(&text));
    mu_buf_release(&text);
}

struct queue_view view_queue(struct world *w, const char *id)
{
    struct queue_search q = {.id = id};
    scheduler_query(w->s, &w->now, MU_Q_QUEUE, NULL, take_queue, &q);
    return q.view;
}

static void take_deployment(void *arg, const void *row)
{
    const struct mu_deployment_row *r = row;
    struct deployment_view *v = arg;
    *v = (struct deployment_view){.found = true,
                                  .step = r->current_step,
                                  .steps = r->step_count,
                                  .affected = r->affected_count};
    snprintf(v->id, sizeof(v->id), "%s", r->id);
    snprintf(v->waiting_for, sizeof(v->waiting_for), "%s", r->waiting_for);
}

struct deployment_view view_deployment(struct world *w)
{
    struct deployment_view v = {0};
    scheduler_query(w->s, &w->now, MU_Q_DEPLOYMENTS, NULL, take_deployment, &v);
    return v;
}
