/* Commands, one after the other: a change is looked at, stored, and only then made, told
 * and answered; the next one is looked at after that. So every change sees the outcome of
 * all before it, and one that the registry refuses has changed nothing.
 */
#include "scheduler/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static struct scheduler_reply *reply(struct scheduler *s, uint64_t token, int status)
{
    struct scheduler_effect *fx = emit(s, SCHED_FX_REPLY);
    fx->token = token;
    fx->reply.status = status;
    return &fx->reply;
}

static void reply_error(struct scheduler *s, uint64_t token, int status, const char *text)
{
    reply(s, token, status)->text = mu_xstrdup(text);
}

static void reply_done(struct scheduler *s, const struct proposal *p)
{
    struct scheduler_reply *r = reply(s, p->command->token, 0);
    if (p->deployment != NULL) {
        r->version_ms = p->deployment->version_ms;
        r->deployment_id = p->deployment->id;
    }
    r->apps = mu_xcalloc(p->results.count, sizeof(*r->apps));
    for (size_t i = 0; i < p->results.count; i++) {
        r->apps[r->app_count++] = mu_app_ref(p->results.v[i]);
    }
}

static void tell_refused(struct scheduler *s, const char *why)
{
    struct mu_event *ev = emit_event(s, MU_EV_GROUP_CHANGE_FAILED);
    ev->version_ms = s->last_version_ms;
    ev->text = mu_arena_strdup(&s->arena, why);
}

static void reply_refused(struct scheduler *s, uint64_t token, struct outcome *o)
{
    struct scheduler_reply *r = reply(s, token, o->status);
    r->text = mu_xstrdup(o->err.text);
    r->path = o->status == MU_E_INVALID ? mu_xstrdup(o->path) : NULL;
    r->conflicts = o->conflicts;
    o->conflicts = (struct mu_strings){0};
    if (o->refuses_tree) {
        tell_refused(s, o->err.text);
    }
}

/* ---- lives ---- */

static void command_free(struct queued_command *c)
{
    for (size_t i = 0; i < c->apps.count; i++) {
        mu_app_unref(c->apps.v[i]);
    }
    MU_VEC_RELEASE(&c->apps);
    mu_strings_release(&c->ids);
    free(c->client_ip);
    free(c->uri);
    free(c);
}

static void versions_release(struct app_versions *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mu_app_unref(v->v[i]);
    }
    MU_VEC_RELEASE(v);
}

void proposal_free(struct proposal *p)
{
    if (p == NULL) {
        return;
    }
    command_free(p->command);
    deploy_free(p->deployment);
    mu_map_release(&p->given);
    MU_VEC_RELEASE(&p->cancelled);
    MU_VEC_RELEASE(&p->kills);
    versions_release(&p->results);
    versions_release(&p->pruned);
    free(p);
}

void commands_add(struct scheduler *s, uint64_t token, const struct mu_command_request *r)
{
    if (s->state != SCHED_READY) {
        bool stopped = s->state == SCHED_STOPPED;
        reply_error(s, token, stopped ? MU_E_NOT_LEADER : MU_E_UNAVAILABLE,
                    stopped ? "this scheduler does not lead"
                            : "the scheduler is still loading its apps");
        return;
    }
    if (s->command_count >= SCHED_COMMANDS_MAX) {
        reply_error(s, token, MU_E_UNAVAILABLE, "too many changes are waiting");
        return;
    }
    struct queued_command *c = MU_NEW(struct queued_command);
    c->token = token;
    c->type = r->type;
    for (size_t i = 0; i < r->app_count; i++) {
        MU_VEC_PUSH(&c->apps, mu_app_ref(r->apps[i]));
    }
    for (size_t i = 0; i < r->id_count; i++) {
        mu_strings_add(&c->ids, r->ids[i]);
    }
    c->force = r->force;
    c->scale = r->scale;
    c->create_only = r->create_only;
    c->client_ip = mu_xstrdup(r->client_ip);
    c->uri = mu_xstrdup(r->uri);
    mu_list_append(&s->commands, &c->link);
    s->command_count++;
}

void commands_fail_all(struct scheduler *s, int status, const char *text)
{
    mu_list_foreach (n, &s->ops) {
        const struct proposal *p = mu_list_entry(n, struct store_op, link)->proposal;
        if (p != NULL) {
            reply_error(s, p->command->token, status, text);
        }
    }
    struct mu_list *n;
    while ((n = mu_list_pop(&s->commands)) != NULL) {
        struct queued_command *c = mu_list_entry(n, struct queued_command, link);
        reply_error(s, c->token, status, text);
        command_free(c);
    }
    s->command_count = 0;
    s->command_in_flight = false;
}

/* ---- what goes to the registry ---- */

/* The version that goes is kept for the deployment, which may have to undo it. */
static void record_change(const struct scheduler *s,
                          const struct deployment *d,
                          const struct scheduler_change *c,
                          struct record_list *out)
{
    if (c->to != NULL) {
        record_app(out, c->to, false);
        record_version(out, c->to, false);
        return;
    }
    const struct sched_app *a = app_get(s, c->app_id);
    if (a == NULL || a->def == NULL) {
        return;
    }
    record_app(out, a->def, true);
    bool keeps = d->plan.step_count > 0 && c->from != NULL;
    for (size_t i = 0; i < a->versions.count; i++) {
        if (!keeps || a->versions.v[i]->version_ms != c->from->version_ms) {
            record_version(out, a->versions.v[i], true);
        }
    }
    if (a->failure != NULL) {
        record_failure_removal(out, a->id);
    }
}

/* Deployments that are over, but whose records may still be there when this change is
 * stored: found by the next leader, such a record would undo what comes now. */
static void record_ended(const struct scheduler *s, struct record_list *out)
{
    mu_list_foreach (n, &s->deployments) {
        const struct deployment *d = mu_list_entry(n, struct deployment, link);
        if (d->state == DEPLOYMENT_ENDING) {
            record_deployment_end(s, out, d);
        }
    }
}

static void record_proposal(const struct scheduler *s,
                            const struct proposal *p,
                            struct record_list *out)
{
    const struct deployment *d = p->deployment;
    for (size_t i = 0; d != NULL && i < d->change_count; i++) {
        record_change(s, d, &d->changes[i], out);
    }
    for (size_t i = 0; i < p->pruned.count; i++) {
        record_version(out, p->pruned.v[i], true);
    }
    if (d != NULL && d->change_count > 0) {
        record_ended(s, out);
    }
    for (size_t i = 0; i < p->cancelled.count; i++) {
        record_deployment_end(s, out, deploy_get(s, p->cancelled.v[i].s));
    }
    if (d != NULL && d->plan.step_count > 0) {
        record_deployment(out, d);
    }
    for (size_t i = 0; i < p->kills.count; i++) {
        record_task(out, task_get(s, p->kills.v[i].s));
        out->v[out->count - 1].task->killing = true;
    }
}

/* ---- making the change ---- */

static void apply_tree(struct scheduler *s, struct proposal *p)
{
    const struct deployment *d = p->deployment;
    for (size_t i = 0; i < p->pruned.count; i++) {
        struct sched_app *a = app_get(s, p->pruned.v[i]->id);
        if (a != NULL) {
            app_drop_version(a, p->pruned.v[i]->version_ms);
        }
    }
    for (size_t i = 0; i < d->change_count; i++) {
        struct sched_app *a = app_make(s, d->changes[i].app_id);
        app_define(s, a, d->changes[i].to);
        if (d->states[i].kind == MU_ACTION_RESTART) {
            queue_reset(s, a);
        }
    }
    emit_event(s, MU_EV_GROUP_CHANGE_SUCCESS)->version_ms = d->version_ms;
    for (size_t i = 0; i < p->results.count; i++) {
        struct mu_event *ev = emit_event(s, MU_EV_API_POST);
        ev->app = emit_keep_app(s, p->results.v[i]);
        ev->app_id = ev->app->id;
        ev->version_ms = ev->app->version_ms;
        ev->client_ip = mu_arena_strdup(&s->arena, p->command->client_ip);
        ev->uri = mu_arena_strdup(&s->arena, p->command->uri);
    }
}

static void begin_deployment(struct scheduler *s, struct proposal *p)
{
    struct deployment *d = p->deployment;
    if (d->plan.step_count == 0) {
        emit_deployment_event(s, MU_EV_DEPLOYMENT_SUCCESS, d, NULL);
        return;
    }
    emit_log(s, MU_INFO, "deployment begins id=%s apps=%zu steps=%zu", d->id.s,
             d->plan.affected_count, d->plan.step_count);
    deploy_install(s, d);
    p->deployment = NULL;
}

static void apply(struct scheduler *s, struct proposal *p)
{
    for (size_t i = 0; i < p->cancelled.count; i++) {
        struct deployment *d = deploy_get(s, p->cancelled.v[i].s);
        if (d != NULL && d->state == DEPLOYMENT_RUNNING) {
            deploy_cancel(s, d,
                          p->deployment != NULL ? "superseded by another deployment"
                                                : "stopped by a user");
        }
    }
    for (size_t i = 0; i < p->kills.count; i++) {
        struct sched_task *t = task_get(s, p->kills.v[i].s);
        if (t != NULL) {
            task_kill(s, t, true);
            store_task(s, t,
                       false); /* an update may have been stored over it meanwhile */
        }
    }
    if (p->changes_tree) {
        apply_tree(s, p);
    }
    struct sched_app *reset =
        p->command->type == MU_CMD_QUEUE_RESET ? app_get(s, p->command->ids.v[0]) : NULL;
    if (reset != NULL) {
        queue_reset(s, reset);
    }
    reply_done(s, p);
    if (p->changes_tree) {
        begin_deployment(s, p);
    }
}

void proposal_committed(struct scheduler *s,
                        struct proposal *p,
                        int status,
                        const char *text)
{
    s->command_in_flight = false;
    if (status >= 0) {
        apply(s, p);
    } else {
        mu_auto_free char *why =
            mu_xasprintf("the registry could not store the change: %s", text);
        reply_error(s, p->command->token,
                    status == -E2BIG ? MU_E_LIMIT : MU_E_UNAVAILABLE, why);
        /* too big is the user's affair, who is told */
        emit_log(s, status == -E2BIG ? MU_INFO : MU_ERROR, "%s", why);
        if (p->changes_tree) {
            tell_refused(s, why);
        }
    }
    proposal_free(p);
}

/* ---- the queue ---- */

static void
commit_or_apply(struct scheduler *s, struct proposal *p, struct record_list *records)
{
    if (records->count > 0) {
        s->command_in_flight = true;
        store_commit(s, records)->proposal = p;
    } else { /* nothing to store: nothing to wait for */
        apply(s, p);
        proposal_free(p);
    }
}

static void run_reset(struct scheduler *s, struct queued_command *c)
{
    const char *id = c->ids.count > 0 ? c->ids.v[0] : "";
    struct sched_app *a = app_get(s, id);
    if (a == NULL || a->launch.want == 0) {
        mu_auto_free char *text =
            mu_xasprintf("Application %s not found in tasks queue.", id);
        reply_error(s, c->token, MU_E_NOT_FOUND, text);
        command_free(c);
        return;
    }
    struct proposal *p = MU_NEW(struct proposal);
    struct record_list records = {0};
    p->command = c;
    if (a->launch.is_recorded) {
        record_delay_removal(&records, id);
    }
    commit_or_apply(s, p, &records);
}

/* Nothing to store: memory has it already. But is memory what the registry has? A leader
 * that was deposed and does not know it yet is told so by a write, whatever it writes. */
static void record_presence(const struct scheduler *s, struct record_list *out)
{
    record_framework(out, &s->framework_id);
}

static void run_change(struct scheduler *s, struct queued_command *c)
{
    struct proposal *p = MU_NEW(struct proposal);
    struct outcome o = {0};
    struct record_list records = {0};
    p->command = c;
    propose(s, p, &o);
    if (o.status != 0) {
        reply_refused(s, c->token, &o);
        proposal_free(p);
    } else {
        record_proposal(s, p, &records);
        if (records.count == 0) {
            record_presence(s, &records);
        }
        commit_or_apply(s, p, &records);
    }
    mu_strings_release(&o.conflicts);
}

void commands_run(struct scheduler *s)
{
    while (!s->command_in_flight && !mu_list_empty(&s->commands)) {
        struct mu_list *first = s->commands.next;
        struct queued_command *c = mu_list_entry(first, struct queued_command, link);
        mu_list_remove(first);
        s->command_count--;
        switch (c->type) {
        case MU_CMD_QUEUE_RESET:
            run_reset(s, c);
            break;
        case MU_CMD_ABDICATE:
            (void)reply(s, c->token, 0);
            (void)emit(s, SCHED_FX_ABDICATE);
            command_free(c);
            break;
        case MU_CMD_APPS_PUT:
        case MU_CMD_APP_DELETE:
        case MU_CMD_APP_RESTART:
        case MU_CMD_TASKS_KILL:
        case MU_CMD_DEPLOYMENT_STOP:
            run_change(s, c);
            break;
        default:
            reply_error(s, c->token, MU_E_UNSUPPORTED, "unknown command");
            command_free(c);
            break;
        }
    }
}
