/* What a command would change: validation, versions, ports, the new deployment, and which
 * running ones are in its way. Nothing of the machine changes here but the counter of
 * versions.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/commands.h"
#include "scheduler/pattern.h"

static const char locked_text[] =
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'.";

static void refuse(struct outcome *o, int status)
{
    o->status = status;
}

/* The number of changes may be large: room for them grows by half. */
static void add_change(struct proposal *p,
                       const char *id,
                       const struct mu_app *from,
                       const struct mu_app *to)
{
    struct deployment *d = p->deployment;
    struct {
        struct scheduler_change *v;
        size_t count, cap;
    } changes = {d->changes, d->change_count, p->change_cap};
    MU_VEC_PUSH_ZERO(&changes);
    changes.v[changes.count - 1] = (struct scheduler_change){
        .from = from != NULL ? mu_app_ref(from) : NULL,
        .to = to != NULL ? mu_app_ref(to) : NULL,
        .app_id = mu_xstrdup(id),
    };
    d->changes = changes.v;
    d->change_count = changes.count;
    p->change_cap = changes.cap;
    mu_map_put(&p->given, id, p);
}

static struct deployment *new_deployment(struct scheduler *s)
{
    struct deployment *d = MU_NEW(struct deployment);
    mu_list_init(&d->link);
    mu_list_init(&d->dirty);
    uint64_t r1 = mu_prng_next(&s->prng), r2 = mu_prng_next(&s->prng);
    mu_uuid_make(r1, r2, &d->id);
    d->version_ms = scheduler_next_version(s);
    return d;
}

static const struct mu_app *defined(const struct scheduler *s, const char *id)
{
    return mu_omap_get(&s->tree, id);
}

/* ---- apps put ---- */

/* The stamps of a definition that replaces old (NULL: none) at time now. */
static void stamp(struct mu_app *app, const struct mu_app *old, int64_t now)
{
    app->version_ms = now;
    app->last_scaling_ms = now;
    app->last_config_ms = now;
    if (old != NULL && mu_app_same_config(old, app)) {
        app->last_config_ms = old->last_config_ms;
    }
}

static bool is_unchanged(const struct mu_app *old, const struct mu_app *app)
{
    return old != NULL && old->instances == app->instances &&
           mu_app_same_config(old, app);
}

static bool was_given(const struct proposal *p, const char *id)
{
    return mu_map_get(&p->given, id) != NULL;
}

/* An expression that nothing can match would leave the app waiting for ever. */
static int check_expressions(const struct mu_app *app, struct outcome *o)
{
    for (size_t i = 0; i < app->constraint_count; i++) {
        const struct mu_constraint *c = &app->constraints[i];
        struct mu_error err;
        if ((c->op != MU_OP_LIKE && c->op != MU_OP_UNLIKE) || c->value == NULL) {
            continue;
        }
        struct pattern *p = pattern_create(c->value, &err);
        pattern_destroy(p);
        if (p == NULL) {
            o->path = "/constraints";
            return mu_fail(&o->err, MU_E_INVALID,
                           "'%.64s' is not a valid regular expression: %s", c->value,
                           err.text);
        }
    }
    return 0;
}

static int put_app(struct scheduler *s,
                   struct proposal *p,
                   const struct mu_app *given,
                   uint32_t *port_uses,
                   struct outcome *o)
{
    const struct mu_app *old = defined(s, given->id);
    if (old != NULL && p->command->create_only) {
        return mu_fail(&o->err, MU_E_EXISTS, "An app with id [%s] already exists.",
                       given->id);
    }
    if (was_given(p, given->id)) {
        o->path = "/id";
        return mu_fail(&o->err, MU_E_INVALID, "app '%s' is given twice", given->id);
    }
    int rc = check_expressions(given, o);
    if (rc != 0) {
        return rc;
    }
    struct mu_app *app = mu_app_clone(given);
    rc = app_assign_ports(s, app, old, port_uses, &o->err);
    if (rc == 0 && is_unchanged(old, app)) {
        MU_VEC_PUSH(&p->results, mu_app_ref(old));
    } else if (rc == 0) {
        stamp(app, old, p->deployment->version_ms);
        add_change(p, app->id, old, app);
        MU_VEC_PUSH(&p->results, mu_app_ref(app));
    }
    mu_app_unref(app);
    return rc;
}

static void propose_put(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    const struct queued_command *c = p->command;
    uint32_t *uses = mu_xmemdup(s->port_uses, s->port_range * sizeof(*uses));
    int rc = 0;
    for (size_t i = 0; i < c->apps.count && rc == 0; i++) {
        rc = put_app(s, p, c->apps.v[i], uses, o);
    }
    free(uses);
    if (rc != 0) {
        o->refuses_tree = rc != MU_E_EXISTS;
        refuse(o, rc);
    }
}

/* ---- delete, restart ---- */

static int no_such_app(struct outcome *o, const char *id)
{
    refuse(o, mu_fail(&o->err, MU_E_NOT_FOUND, "App '%s' does not exist", id));
    return o->status;
}

static void propose_delete(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    for (size_t i = 0; i < p->command->ids.count; i++) {
        const char *id = p->command->ids.v[i];
        const struct mu_app *old = defined(s, id);
        if (old == NULL) {
            (void)no_such_app(o, id);
            return;
        }
        if (!was_given(p, id)) {
            add_change(p, id, old, NULL);
        }
    }
}

static void propose_restart(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    for (size_t i = 0; i < p->command->ids.count; i++) {
        const char *id = p->command->ids.v[i];
        const struct mu_app *old = defined(s, id);
        if (old == NULL) {
            (void)no_such_app(o, id);
            return;
        }
        if (was_given(p, id)) {
            continue;
        }
        struct mu_app *app = mu_app_clone(old);
        app->version_ms = app->last_config_ms = p->deployment->version_ms;
        add_change(p, id, old, app);
        p->deployment->changes[p->deployment->change_count - 1].restart = true;
        mu_app_unref(app);
    }
}

/* ---- kill ---- */

static bool is_visible(const struct sched_task *t)
{
    return t != NULL && t->phase == TASK_LAUNCHED;
}

static void propose_kill(struct scheduler *s, struct proposal *p)
{
    for (size_t i = 0; i < p->command->ids.count; i++) {
        const struct sched_task *t = task_get(s, p->command->ids.v[i]);
        if (is_visible(t) && !t->killing) {
            MU_VEC_PUSH(&p->kills, t->id);
        }
    }
}

static void scale_down_by_one(struct scheduler *s, struct proposal *p, const char *id)
{
    struct deployment *d = p->deployment;
    for (size_t i = 0; i < d->change_count; i++) {
        if (strcmp(d->changes[i].app_id, id) == 0) {
            struct mu_app *to = mu_app_clone(d->changes[i].to);
            to->instances -= to->instances > 0;
            mu_app_unref(d->changes[i].to);
            d->changes[i].to = to;
            return;
        }
    }
    const struct mu_app *old = defined(s, id);
    struct mu_app *to = mu_app_clone(old);
    to->instances -= to->instances > 0;
    to->version_ms = to->last_scaling_ms = d->version_ms;
    add_change(p, id, old, to);
    mu_app_unref(to);
}

static bool is_victim(const struct deployment *d, const char *id)
{
    for (size_t i = 0; i < d->victims.count; i++) {
        if (strcmp(d->victims.v[i], id) == 0) {
            return true;
        }
    }
    return false;
}

static void propose_kill_and_scale(struct scheduler *s, struct proposal *p)
{
    for (size_t i = 0; i < p->command->ids.count; i++) {
        const char *id = p->command->ids.v[i];
        const struct sched_task *t = task_get(s, id);
        if (is_visible(t) && t->app->def != NULL && !is_victim(p->deployment, id)) {
            mu_strings_add(&p->deployment->victims, id);
            scale_down_by_one(s, p, t->app->id);
        }
    }
}

/* ---- stop ---- */

/* Undo what a deployment changed: its apps go back to what they were. */
static void undo(struct scheduler *s, struct proposal *p, const struct deployment *d)
{
    for (size_t i = 0; i < d->change_count; i++) {
        const struct scheduler_change *c = &d->changes[i];
        const struct mu_app *now = defined(s, c->app_id);
        if (c->from == NULL) {
            add_change(p, c->app_id, now, NULL);
            continue;
        }
        struct mu_app *to = mu_app_clone(c->from);
        to->version_ms = to->last_scaling_ms = to->last_config_ms =
            p->deployment->version_ms;
        if (now != NULL && mu_app_same_config(now, to)) {
            /* old and new instances are the same: none has to go */
            to->last_config_ms = c->from->last_config_ms;
        }
        add_change(p, c->app_id, now, to);
        mu_app_unref(to);
    }
}

static void propose_stop(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    const char *id = p->command->ids.count > 0 ? p->command->ids.v[0] : "";
    const struct deployment *d = deploy_get(s, id);
    if (d == NULL || d->state != DEPLOYMENT_RUNNING) {
        refuse(o,
               mu_fail(&o->err, MU_E_NOT_FOUND, "DeploymentPlan %s does not exist", id));
        return;
    }
    MU_VEC_PUSH(&p->cancelled, d->id);
    if (!p->command->force) {
        undo(s, p, d);
    }
}

/* ---- what all changes of the tree have in common ---- */

static bool is_cancelled(const struct proposal *p, const struct deployment *d)
{
    for (size_t i = 0; i < p->cancelled.count; i++) {
        if (strcmp(p->cancelled.v[i].s, d->id.s) == 0) {
            return true;
        }
    }
    return false;
}

/* Running deployments of the same apps give way when forced, and are in the way if not.
 */
static void find_conflicts(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    bool force = p->command->force || p->command->type == MU_CMD_DEPLOYMENT_STOP;
    for (size_t i = 0; i < p->deployment->change_count; i++) {
        struct scheduler_change *c = &p->deployment->changes[i];
        const struct sched_app *a = app_get(s, c->app_id);
        if (a == NULL || a->deployment == NULL) {
            continue;
        }
        /* a restart that is broken off halfway is finished by the new deployment */
        bool halfway = tally_present(&a->tally, 1) > 0 && c->from != NULL &&
                       p->command->type != MU_CMD_DEPLOYMENT_STOP;
        c->restart = c->restart || halfway;
        if (is_cancelled(p, a->deployment)) {
            continue;
        }
        MU_VEC_PUSH(&p->cancelled, a->deployment->id);
        if (!force) {
            mu_strings_add(&o->conflicts, a->deployment->id.s);
        }
    }
    if (o->conflicts.count > 0) {
        refuse(o, mu_fail(&o->err, MU_E_CONFLICT, "%s", locked_text));
    }
}

static void check_limit(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    uint32_t after = s->running_deployments - (uint32_t)p->cancelled.count;
    if (p->deployment->plan.step_count > 0 && after >= s->cfg.max_running_deployments) {
        refuse(o, mu_fail(&o->err, MU_E_LIMIT,
                          "Max number (%u) of running deployments is achieved. Wait for "
                          "existing deployments to complete or cancel one using "
                          "force=true parameter.",
                          s->cfg.max_running_deployments));
    }
}

static void collect_pruned(struct scheduler *s, struct proposal *p)
{
    for (size_t i = 0; i < p->deployment->change_count; i++) {
        const struct scheduler_change *c = &p->deployment->changes[i];
        const struct sched_app *a = app_get(s, c->app_id);
        if (a != NULL && c->to != NULL) {
            app_prunable(s, a, &p->pruned);
        }
    }
}

static void finish_tree_change(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    struct deployment *d = p->deployment;
    planner_sort_changes(d->changes, d->change_count);
    o->refuses_tree = true;
    int rc = tree_check(s, d->changes, d->change_count, &o->path, &o->err);
    if (rc != 0) {
        refuse(o, rc);
        return;
    }
    find_conflicts(s, p, o);
    if (o->status != 0) {
        return;
    }
    deploy_plan(s, d);
    check_limit(s, p, o);
    collect_pruned(s, p);
}

void propose(struct scheduler *s, struct proposal *p, struct outcome *o)
{
    const struct queued_command *c = p->command;
    bool kills = c->type == MU_CMD_TASKS_KILL && !c->scale;
    bool stops = c->type == MU_CMD_DEPLOYMENT_STOP && c->force;
    p->changes_tree = !kills && !stops;
    if (p->changes_tree) {
        p->deployment = new_deployment(s);
    }
    switch ((enum mu_command_type)c->type) {
    case MU_CMD_APPS_PUT:
        propose_put(s, p, o);
        if (o->status == 0) { /* apps that a replaced group has no more */
            propose_delete(s, p, o);
        }
        break;
    case MU_CMD_APP_DELETE:
        propose_delete(s, p, o);
        break;
    case MU_CMD_APP_RESTART:
        propose_restart(s, p, o);
        break;
    case MU_CMD_TASKS_KILL:
        if (kills) {
            propose_kill(s, p);
        } else {
            propose_kill_and_scale(s, p);
        }
        break;
    case MU_CMD_DEPLOYMENT_STOP:
        propose_stop(s, p, o);
        break;
    case MU_CMD_QUEUE_RESET:
    case MU_CMD_ABDICATE:
        MU_NEVER("no proposal for a command that stores nothing");
    }
    if (o->status == 0 && p->changes_tree) {
        finish_tree_change(s, p, o);
    }
}
