/* What the registry keeps: building records from live state, and releasing them. Records
 * own all they point to, so that the driver may encode them whenever it likes.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

static struct scheduler_record *add(struct record_list *l, uint32_t kind, bool remove)
{
    MU_VEC_PUSH_ZERO(l);
    struct scheduler_record *r = &l->v[l->count - 1];
    r->kind = kind;
    r->remove = remove;
    return r;
}

void record_app(struct record_list *l, const struct mu_app *app, bool remove)
{
    add(l, SCHED_REC_APP, remove)->app = mu_app_ref(app);
}

void record_version(struct record_list *l, const struct mu_app *app, bool remove)
{
    add(l, SCHED_REC_VERSION, remove)->app = mu_app_ref(app);
}

void record_task(struct record_list *l, const struct sched_task *t)
{
    struct scheduler_task_record *r = MU_NEW(struct scheduler_task_record);
    r->id = t->id;
    r->app_id = mu_xstrdup(t->app->id);
    r->version_ms = t->version_ms;
    r->staged_ms = t->staged_ms;
    r->started_ms = t->started_ms;
    r->agent_id = t->agent_id;
    r->host = mu_xstrdup(t->host);
    size_t len = strnlen(t->ip != NULL ? t->ip : "", sizeof(r->ip) - 1);
    if (len > 0) {
        memcpy(r->ip, t->ip, len);
    }
    r->state = t->state;
    r->killing = t->killing;
    r->port_count = t->port_count;
    if (t->port_count > 0) {
        r->ports = mu_xmemdup(t->ports, t->port_count * sizeof(*t->ports));
    }
    mu_pairs_copy(&r->attributes, &t->attributes);
    add(l, SCHED_REC_TASK, false)->task = r;
}

void record_task_removal(struct record_list *l, const struct mu_task_id *id)
{
    struct scheduler_task_record *r = MU_NEW(struct scheduler_task_record);
    r->id = *id;
    add(l, SCHED_REC_TASK, true)->task = r;
}

void record_deployment(struct record_list *l, const struct deployment *d)
{
    struct scheduler_deployment_record *r = MU_NEW(struct scheduler_deployment_record);
    r->id = d->id;
    r->version_ms = d->version_ms;
    r->change_count = d->change_count;
    r->changes = mu_xcalloc(d->change_count, sizeof(*r->changes));
    for (size_t i = 0; i < d->change_count; i++) {
        const struct scheduler_change *c = &d->changes[i];
        r->changes[i] = (struct scheduler_change){
            .from_ms = c->from != NULL ? c->from->version_ms : 0,
            .to_ms = c->to != NULL ? c->to->version_ms : 0,
            .app_id = mu_xstrdup(c->app_id),
            .restart = c->restart,
        };
    }
    mu_strings_copy(&r->victims, &d->victims);
    add(l, SCHED_REC_DEPLOYMENT, false)->deployment = r;
}

void record_deployment_removal(struct record_list *l, const struct mu_uuid *id)
{
    struct scheduler_deployment_record *r = MU_NEW(struct scheduler_deployment_record);
    r->id = *id;
    add(l, SCHED_REC_DEPLOYMENT, true)->deployment = r;
}

/* The last versions of the apps it deleted were kept for it. */
void record_deployment_end(const struct scheduler *s,
                           struct record_list *l,
                           const struct deployment *d)
{
    for (size_t i = 0; i < d->change_count; i++) {
        const struct scheduler_change *c = &d->changes[i];
        const struct sched_app *a = app_get(s, c->app_id);
        bool kept = c->to == NULL && c->from != NULL;
        if (kept && (a == NULL || app_version(a, c->from->version_ms) == NULL)) {
            record_version(l, c->from, true);
        }
    }
    record_deployment_removal(l, &d->id);
}

void record_failure(struct record_list *l, const struct scheduler_failure_record *f)
{
    struct scheduler_failure_record *r = MU_NEW(struct scheduler_failure_record);
    *r = *f;
    r->app_id = mu_xstrdup(f->app_id);
    r->task_id = mu_xstrdup(f->task_id);
    r->host = mu_xstrdup(f->host);
    r->message = mu_xstrdup(f->message);
    add(l, SCHED_REC_FAILURE, false)->failure = r;
}

void record_failure_removal(struct record_list *l, const char *app_id)
{
    struct scheduler_failure_record *r = MU_NEW(struct scheduler_failure_record);
    r->app_id = mu_xstrdup(app_id);
    add(l, SCHED_REC_FAILURE, true)->failure = r;
}

void record_delay(struct record_list *l, const struct sched_app *a)
{
    struct scheduler_delay_record *r = MU_NEW(struct scheduler_delay_record);
    r->app_id = mu_xstrdup(a->id);
    r->config_ms = a->def->last_config_ms;
    r->failed_ms = a->launch.failed_wall_ms;
    r->delay_ms = a->launch.backoff.delay_ms;
    add(l, SCHED_REC_DELAY, false)->delay = r;
}

void record_delay_removal(struct record_list *l, const char *app_id)
{
    struct scheduler_delay_record *r = MU_NEW(struct scheduler_delay_record);
    r->app_id = mu_xstrdup(app_id);
    add(l, SCHED_REC_DELAY, true)->delay = r;
}

void record_framework(struct record_list *l, const struct mu_framework_id *id)
{
    add(l, SCHED_REC_FRAMEWORK, MU_ID_EMPTY(*id))->framework_id = *id;
}

static void task_release(struct scheduler_task_record *t)
{
    free(t->app_id);
    free(t->host);
    free(t->ports);
    mu_pairs_release(&t->attributes);
    free(t);
}

static void changes_release(struct scheduler_deployment_record *d)
{
    for (size_t i = 0; i < d->change_count; i++) {
        mu_app_unref(d->changes[i].from);
        mu_app_unref(d->changes[i].to);
        free(d->changes[i].app_id);
    }
    free(d->changes);
    mu_strings_release(&d->victims);
    free(d);
}

void failure_release(struct scheduler_failure_record *f)
{
    if (f == NULL) {
        return;
    }
    free(f->app_id);
    free(f->task_id);
    free(f->host);
    free(f->message);
    free(f);
}

void delay_release(struct scheduler_delay_record *d)
{
    if (d != NULL) {
        free(d->app_id);
        free(d);
    }
}

void scheduler_record_release(struct scheduler_record *r)
{
    mu_app_unref(r->app);
    if (r->deployment != NULL) {
        changes_release(r->deployment);
    }
    if (r->task != NULL) {
        task_release(r->task);
    }
    failure_release(r->failure);
    delay_release(r->delay);
    *r = (struct scheduler_record){0};
}

static void reply_release(struct scheduler_reply *r)
{
    free(r->text);
    free(r->path);
    mu_strings_release(&r->conflicts);
    for (size_t i = 0; i < r->app_count; i++) {
        mu_app_unref(r->apps[i]);
    }
    free(r->apps);
}

void scheduler_effects_release(struct scheduler_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        struct scheduler_effect *e = &fx->v[i];
        free(e->text);
        mu_msg_release(&e->msg);
        for (size_t k = 0; k < e->record_count; k++) {
            scheduler_record_release(&e->records[k]);
        }
        free(e->records);
        reply_release(&e->reply);
    }
    MU_VEC_RELEASE(fx);
}
