/* From the registry's records to the machine's tables, and back to nothing.
 *
 * Entries come in any order; what refers to what is put together when all are there. A
 * record that makes no sense is dropped with a line in the log: one damaged record must
 * not keep everything else from running.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

#define LOAD_RETRY_MS 1000u

void load_begin(struct scheduler *s)
{
    scheduler_clear(s);
    emit(s, SCHED_FX_LOAD)->epoch = s->epoch;
}

/* ---- entries ---- */

static void load_app(struct scheduler *s, const struct mu_app *app)
{
    struct sched_app *a = app_make(s, app->id);
    if (a->def == NULL) {
        app_define(s, a, app);
    }
}

static void load_task(struct scheduler *s, const struct scheduler_task_record *r)
{
    if (r->app_id == NULL || MU_ID_EMPTY(r->id) || task_get(s, r->id.s) != NULL) {
        return;
    }
    struct sched_task *t = task_add(s, app_make(s, r->app_id), r->id.s);
    t->version_ms = r->version_ms;
    t->staged_ms = r->staged_ms;
    s->last_task_ms = r->staged_ms > s->last_task_ms ? r->staged_ms : s->last_task_ms;
    t->started_ms = r->started_ms;
    t->agent_id = r->agent_id;
    t->host = mu_xstrdup(r->host != NULL ? r->host : "");
    t->ip = r->ip[0] != '\0' ? mu_xstrdup(r->ip) : NULL;
    t->state = r->state < MU_TASK_STATE_COUNT ? r->state : MU_TASK_STAGING;
    t->phase = TASK_LAUNCHED;
    t->killing = r->killing;
    t->kill_stored = r->killing;
    t->launched_ms = s->now.mono_ms;
    t->kill_sent_ms = s->now.mono_ms;
    t->unreachable_ms = s->now.mono_ms;
    t->port_count = r->port_count;
    if (r->port_count > 0) {
        t->ports = mu_xmemdup(r->ports, r->port_count * sizeof(*r->ports));
    }
    mu_pairs_copy(&t->attributes, &r->attributes);
}

static void load_deployment(struct scheduler *s,
                            const struct scheduler_deployment_record *r)
{
    struct deployment *d = MU_NEW(struct deployment);
    mu_list_init(&d->link);
    mu_list_init(&d->dirty);
    d->id = r->id;
    d->version_ms = r->version_ms;
    d->change_count = r->change_count;
    d->changes = mu_xcalloc(r->change_count, sizeof(*d->changes));
    for (size_t i = 0; i < r->change_count; i++) {
        const struct scheduler_change *c = &r->changes[i];
        d->changes[i] = (struct scheduler_change){
            .from = c->from != NULL ? mu_app_ref(c->from) : NULL,
            .to = c->to != NULL ? mu_app_ref(c->to) : NULL,
            .app_id = mu_xstrdup(c->app_id),
            .restart = c->restart,
            .from_ms = c->from_ms,
            .to_ms = c->to_ms,
        };
    }
    mu_strings_copy(&d->victims, &r->victims);
    mu_list_append(&s->deployments, &d->link);
}

static void load_failure(struct scheduler *s, const struct scheduler_failure_record *r)
{
    struct sched_app *a = app_make(s, r->app_id);
    struct scheduler_failure_record *f = MU_NEW(struct scheduler_failure_record);
    *f = *r;
    f->app_id = mu_xstrdup(r->app_id);
    f->task_id = mu_xstrdup(r->task_id);
    f->host = mu_xstrdup(r->host);
    f->message = mu_xstrdup(r->message);
    failure_release(a->failure);
    a->failure = f;
}

static void load_delay(struct scheduler *s, const struct scheduler_delay_record *r)
{
    struct launch_entry *e = &app_make(s, r->app_id)->launch;
    delay_release(e->loaded);
    e->loaded = MU_NEW(struct scheduler_delay_record);
    *e->loaded = *r;
    e->loaded->app_id = mu_xstrdup(r->app_id);
}

void load_entry(struct scheduler *s, const struct scheduler_record *r)
{
    if (s->state != SCHED_LOADING) {
        return;
    }
    switch ((enum scheduler_record_kind)r->kind) {
    case SCHED_REC_FRAMEWORK:
        s->framework_id = r->framework_id;
        s->framework_stored = !MU_ID_EMPTY(r->framework_id);
        return;
    case SCHED_REC_APP:
        load_app(s, r->app);
        return;
    case SCHED_REC_VERSION:
        app_add_version(app_make(s, r->app->id), r->app);
        return;
    case SCHED_REC_DEPLOYMENT:
        load_deployment(s, r->deployment);
        return;
    case SCHED_REC_TASK:
        load_task(s, r->task);
        return;
    case SCHED_REC_FAILURE:
        load_failure(s, r->failure);
        return;
    case SCHED_REC_DELAY:
        load_delay(s, r->delay);
        return;
    }
}

/* ---- putting it together ---- */

static void see_version(struct scheduler *s, int64_t version_ms)
{
    if (version_ms > s->last_version_ms) {
        s->last_version_ms = version_ms;
    }
}

/* The definition that a change names; NULL: its record is lost. */
static const struct mu_app *
definition_of(const struct scheduler *s, const char *app_id, int64_t version_ms)
{
    const struct sched_app *a = app_get(s, app_id);
    const struct mu_app *def = a != NULL ? app_version(a, version_ms) : NULL;
    bool is_current =
        def == NULL && a != NULL && a->def != NULL && a->def->version_ms == version_ms;
    def = is_current ? a->def : def;
    return def != NULL ? mu_app_ref(def) : NULL;
}

/* Without the version it came from, an app can be brought to what it shall be, but not
 * back. */
static void resolve_change(struct scheduler *s, struct scheduler_change *c)
{
    if (c->to == NULL && c->to_ms != 0) {
        c->to = definition_of(s, c->app_id, c->to_ms);
    }
    if (c->from == NULL && c->from_ms != 0) {
        c->from = definition_of(s, c->app_id, c->from_ms);
        if (c->from == NULL && c->to != NULL) {
            emit_log(s, MU_ERROR,
                     "the version an app is changed from is lost app=%s version_ms=%lld",
                     c->app_id, (long long)c->from_ms);
            c->from = mu_app_ref(c->to);
            c->restart = true;
        }
    }
}

static void resolve_deployments(struct scheduler *s)
{
    mu_list_foreach (n, &s->deployments) {
        struct deployment *d = mu_list_entry(n, struct deployment, link);
        planner_sort_changes(d->changes, d->change_count);
        for (size_t i = 0; i < d->change_count; i++) {
            resolve_change(s, &d->changes[i]);
        }
    }
}

/* The version a task came from; any other of its app if that one is not kept any more. */
static const struct mu_app *def_of_task(const struct scheduler *s,
                                        const struct sched_task *t)
{
    const struct mu_app *def = app_version(t->app, t->version_ms);
    const struct mu_app *other = t->app->def;
    mu_list_foreach (n, &s->deployments) {
        const struct deployment *d = mu_list_entry(n, struct deployment, link);
        size_t i = deploy_change_of(d, t->app->id);
        const struct mu_app *from = i < d->change_count ? d->changes[i].from : NULL;
        if (from != NULL && def == NULL) {
            def = from->version_ms == t->version_ms ? from : NULL;
            other = other != NULL ? other : from;
        }
    }
    return def != NULL ? def : other;
}

static void resolve_tasks(struct scheduler *s)
{
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        const struct mu_app *def = def_of_task(s, t);
        if (def != NULL) {
            t->def = mu_app_ref(def);
        } else { /* nothing left of its app but this task, and it will be stopped */
            struct mu_app *stub = mu_app_create();
            stub->id = mu_xstrdup(t->app->id);
            stub->version_ms = t->version_ms;
            t->def = stub;
        }
        see_version(s, t->version_ms);
        task_touch(s, t);
    }
}

/* Is the app what the deployment was to make of it? A later change would have removed the
 * deployment's record. */
static bool is_current(const struct sched_app *a, const struct scheduler_change *c)
{
    const struct mu_app *def = a != NULL ? a->def : NULL;
    if (def == NULL || c->to == NULL) {
        return def == c->to;
    }
    return def->version_ms == c->to->version_ms;
}

static bool is_sound(const struct scheduler *s, const struct deployment *d)
{
    for (size_t i = 0; i < d->change_count; i++) {
        const struct scheduler_change *c = &d->changes[i];
        const struct sched_app *a = app_get(s, c->app_id);
        bool is_lost =
            (c->from == NULL && c->from_ms != 0) || (c->to == NULL && c->to_ms != 0);
        if ((a != NULL && a->deployment != NULL) || (c->from == NULL && c->to == NULL) ||
            is_lost || !is_current(a, c)) {
            return false;
        }
        if (i > 0 && strcmp(d->changes[i - 1].app_id, c->app_id) == 0) {
            return false;
        }
    }
    return true;
}

static void resume_deployments(struct scheduler *s)
{
    struct mu_list loaded;
    mu_list_init(&loaded);
    mu_list_splice(&loaded, &s->deployments);
    struct mu_list *n;
    while ((n = mu_list_pop(&loaded)) != NULL) {
        struct deployment *d = mu_list_entry(n, struct deployment, link);
        see_version(s, d->version_ms);
        if (!is_sound(s, d)) {
            emit_log(s, MU_ERROR, "stored deployment dropped id=%s", d->id.s);
            store_deployment_end(s, &d->id);
            deploy_free(d);
            continue;
        }
        emit_log(s, MU_INFO, "deployment goes on id=%s", d->id.s);
        deploy_plan(s, d);
        deploy_install(s, d);
    }
}

/* Versions of deleted apps are there for the deployment that deletes them; what nobody
 * needs was left by one that was broken off. */
static void drop_leftovers(struct scheduler *s)
{
    mu_omap_foreach (e, &s->apps) {
        struct sched_app *a = e->value;
        const struct deployment *d = a->deployment;
        const struct mu_app *kept = d != NULL ? d->changes[a->change].from : NULL;
        for (size_t i = 0; a->def == NULL && i < a->versions.count; i++) {
            const struct mu_app *v = a->versions.v[i];
            if (kept == NULL || kept->version_ms != v->version_ms) {
                store_version_removal(s, v);
            }
        }
        if (a->def == NULL) {
            app_drop_versions(a);
        }
    }
}

/* The id is stored before anything is launched, so this is a damaged registry: whatever
 * these tasks belong to cannot be reached any more. */
static void drop_strangers(struct scheduler *s)
{
    if (!MU_ID_EMPTY(s->framework_id) || s->tasks.count == 0) {
        return;
    }
    emit_log(s, MU_ERROR, "framework id is lost, forgetting its tasks tasks=%zu",
             s->tasks.count);
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        task_end(s, t, MU_TASK_UNKNOWN);
        store_task(s, t, false);
    }
}

static void finish_apps(struct scheduler *s)
{
    mu_omap_foreach (e, &s->apps) {
        struct sched_app *a = e->value;
        for (size_t i = 0; i < a->versions.count; i++) {
            see_version(s, a->versions.v[i]->version_ms);
        }
        if (a->def == NULL && a->failure != NULL) {
            failure_release(a->failure);
            a->failure = NULL;
            store_failure(s, a->id);
        }
        queue_restore(s, a);
        app_mark_dirty(s, a);
    }
}

void load_finished(struct scheduler *s, int status, const char *text)
{
    if (s->state != SCHED_LOADING) {
        return;
    }
    if (status < 0) {
        text = text != NULL && text[0] != '\0' ? text : mu_strerror(status);
        emit_log(s, MU_ERROR, "apps could not be loaded: %s", text);
        if (status != MU_E_FENCED) {
            timer_set(s, &s->load_timer, later_ms(s->now.mono_ms, LOAD_RETRY_MS));
        }
        return;
    }
    s->state = mu_sm_move(&sched_sm, s->state, SCHED_READY);
    s->unsure_delay_ms = SCHED_UNSURE_RETRY_MS;
    resolve_deployments(s);
    resolve_tasks(s);
    drop_strangers(s);
    finish_apps(s);
    resume_deployments(s);
    drop_leftovers(s);
    emit_log(s, MU_INFO, "apps loaded apps=%zu tasks=%zu", s->tree.count, s->tasks.count);
    link_subscribe(s);
}

/* ---- back to nothing ---- */

static void clear_tasks(struct scheduler *s)
{
    mu_map_foreach_safe (e, &s->tasks) {
        task_free(s, e->value);
    }
}

static void clear_apps(struct scheduler *s)
{
    mu_omap_foreach_safe (e, &s->apps) {
        struct sched_app *a = e->value;
        if (a->def != NULL) {
            app_define(s, a, NULL);
        }
        app_free(s, a);
    }
}

void scheduler_clear(struct scheduler *s)
{
    struct sched_timer *const timers[] = {
        &s->reconcile_timer, &s->unsure_timer, &s->scale_timer, &s->revive_timer,
        &s->store_timer,     &s->slow_timer,   &s->load_timer};
    store_release(s);
    offers_release(s);
    struct mu_list *n;
    while ((n = mu_list_pop(&s->deployments)) != NULL) {
        deploy_free(mu_list_entry(n, struct deployment, link));
    }
    mu_omap_foreach (e, &s->apps) {
        struct sched_app *a = e->value;
        a->deployment = NULL;
        a->launch.is_recorded = false; /* it stays in the registry */
    }
    clear_tasks(s);
    clear_apps(s);
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        timer_set(s, timers[i], MU_NEVER_MS);
    }
    s->framework_id = (struct mu_framework_id){0};
    s->framework_stored = false;
    s->running_deployments = 0;
    s->suppressed = false;
    s->new_work = s->retry_work = s->has_revived = false;
    s->to_reconcile = 0;
    s->to_ask = 0;
    s->slow_pause_ms = 0;
    s->surplus_goes = false;
    s->launches_in_flight = 0;
    s->launch_pause_ms = 0;
    s->last_version_ms = 0;
}
