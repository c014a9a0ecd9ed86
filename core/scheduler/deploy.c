/* Deployments: what each app is to be at this moment, and how far its deployment is.
 *
 * Everything is computed anew from the tasks that are there, whenever one of them
 * changes: nothing is counted, so a lost or repeated event cannot leave a deployment
 * stuck, and a deployment that starts again after a failover finds its earlier steps
 * done.
 *
 *   before its step  an app is kept as it was (what dies is replaced by the old version)
 *   in its step      scale, restart or stop
 *   after its step,
 *   and without one  it is kept at its definition
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"
#include "scheduler/rolling.h"
#include "scheduler/selection.h"

/* ---- the table ---- */

struct deployment *deploy_get(const struct scheduler *s, const char *id)
{
    mu_list_foreach (n, &s->deployments) {
        struct deployment *d = mu_list_entry(n, struct deployment, link);
        if (strcmp(d->id.s, id) == 0) {
            return d;
        }
    }
    return NULL;
}

void deploy_free(struct deployment *d)
{
    if (d == NULL) {
        return;
    }
    mu_list_remove(&d->link);
    mu_list_remove(&d->dirty);
    planner_plan_release(&d->plan);
    for (size_t i = 0; i < d->change_count; i++) {
        mu_app_unref(d->changes[i].from);
        mu_app_unref(d->changes[i].to);
        free(d->changes[i].app_id);
    }
    free(d->changes);
    free(d->states);
    mu_strings_release(&d->victims);
    free(d);
}

void deploy_row(const struct deployment *d, struct mu_deployment_row *out)
{
    *out = (struct mu_deployment_row){
        .id = d->id.s,
        .version_ms = d->version_ms,
        .affected = d->plan.affected,
        .affected_count = d->plan.affected_count,
        .steps = d->plan.steps,
        .step_count = d->plan.step_count,
        .current_step = d->current,
    };
}

void deploy_mark_dirty(struct scheduler *s, struct deployment *d)
{
    if (!mu_list_linked(&d->dirty)) {
        mu_list_append(&s->dirty_deployments, &d->dirty);
    }
}

size_t deploy_change_of(const struct deployment *d, const char *app_id)
{
    size_t low = 0, high = d->change_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(d->changes[mid].app_id, app_id);
        if (order == 0) {
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return d->change_count;
}

/* Which changes have a task among the victims? */
static bool *find_victims(const struct scheduler *s, const struct deployment *d)
{
    bool *has = mu_xcalloc(d->change_count, sizeof(*has));
    for (size_t v = 0; v < d->victims.count; v++) {
        const struct sched_task *t = task_get(s, d->victims.v[v]);
        size_t i = t != NULL ? deploy_change_of(d, t->app->id) : d->change_count;
        if (i < d->change_count) {
            has[i] = true;
        }
    }
    return has;
}

static void index_steps(struct deployment *d)
{
    for (size_t s = 0; s < d->plan.step_count; s++) {
        const struct mu_deployment_step *step = &d->plan.steps[s];
        for (size_t a = 0; a < step->count; a++) {
            if (step->actions[a].kind != MU_ACTION_START) {
                size_t i = deploy_change_of(d, step->actions[a].app_id);
                d->states[i] = (struct change_state){s + 1, step->actions[a].kind};
            }
        }
    }
}

void deploy_plan(struct scheduler *s, struct deployment *d)
{
    planner_sort_changes(d->changes, d->change_count);
    bool *has_victims = find_victims(s, d);
    struct planner_input in = {
        .tree = &s->tree,
        .changes = d->changes,
        .change_count = d->change_count,
        .has_victims = has_victims,
    };
    planner_plan(&in, &d->plan);
    free(has_victims);
    d->states = mu_xcalloc(d->change_count, sizeof(*d->states));
    index_steps(d);
}

void deploy_install(struct scheduler *s, struct deployment *d)
{
    mu_list_append(&s->deployments, &d->link);
    s->running_deployments++;
    for (size_t i = 0; i < d->change_count; i++) {
        struct sched_app *a = app_make(s, d->changes[i].app_id);
        MU_ASSERT(a->deployment == NULL);
        a->deployment = d;
        a->change = i;
        app_mark_dirty(s, a);
    }
    deploy_mark_dirty(s, d);
}

/* It acts no more; its apps are free for others. */
static void unlock(struct scheduler *s, struct deployment *d)
{
    s->running_deployments--;
    mu_list_remove(&d->dirty);
    for (size_t i = 0; i < d->change_count; i++) {
        struct sched_app *a = app_get(s, d->changes[i].app_id);
        if (a != NULL && a->deployment == d) {
            a->deployment = NULL;
            app_mark_dirty(s, a);
        }
    }
}

void deploy_cancel(struct scheduler *s, struct deployment *d, const char *reason)
{
    emit_log(s, MU_WARN, "deployment cancelled id=%s reason=%s", d->id.s, reason);
    emit_deployment_event(s, MU_EV_DEPLOYMENT_FAILED, d, reason);
    s->stats.deployments_failed++;
    unlock(s, d);
    deploy_free(d);
}

void deploy_ended(struct scheduler *s, const struct mu_uuid *id)
{
    struct deployment *d = deploy_get(s, id->s);
    if (d == NULL || d->state != DEPLOYMENT_ENDING) {
        return;
    }
    emit_deployment_event(s, MU_EV_DEPLOYMENT_SUCCESS, d, NULL);
    s->stats.deployments_done++;
    deploy_free(d);
}

/* ---- goals ---- */

void deploy_goal(const struct sched_app *a, struct goal *out)
{
    *out = (struct goal){.mode = GOAL_KEEP, .def = a->def};
    out->count = a->def != NULL ? a->def->instances : 0;
    if (a->deployment == NULL) {
        return;
    }
    const struct change_state *st = &a->deployment->states[a->change];
    if (st->step == 0 || st->step < a->deployment->current) {
        return;
    }
    if (st->step > a->deployment->current) {
        const struct mu_app *from = a->deployment->changes[a->change].from;
        out->mode = GOAL_HOLD;
        out->def = from;
        out->count = from != NULL ? from->instances : 0;
        return;
    }
    out->mode = st->kind == MU_ACTION_STOP      ? GOAL_STOP
                : st->kind == MU_ACTION_RESTART ? GOAL_RESTART
                                                : GOAL_SCALE;
}

static uint32_t present(const struct sched_app *a)
{
    return tally_present(&a->tally, 0) + tally_present(&a->tally, 1);
}

/* Those that are there to stay. */
static uint32_t alive(const struct sched_app *a)
{
    return present(a) - tally_both(&a->tally, CLASS_KILLING);
}

static uint32_t missing(uint32_t wanted, uint32_t there)
{
    return wanted > there ? wanted - there : 0;
}

/* ---- kills ---- */

struct selection {
    struct selection_item *v;
    size_t count, cap;
};

static bool is_listed(const struct deployment *d, const struct sched_task *t)
{
    for (size_t i = 0; d != NULL && i < d->victims.count; i++) {
        if (strcmp(d->victims.v[i], t->id.s) == 0) {
            return true;
        }
    }
    return false;
}

/* What is least alive goes first; among equals, what is of an older version. */
static void select_task(struct selection *sel, struct sched_task *t, bool listed)
{
    struct selection_item item = {
        .task = t,
        .id = t->id.s,
        .listed = listed,
        .rank = selection_rank(t->state) * 2 + (task_is_old(t) ? 0 : 1),
        .started_ms = t->started_ms,
        .staged_ms = t->staged_ms,
        .host = t->host,
        .attributes = &t->attributes,
    };
    MU_VEC_PUSH(sel, item);
}

/* Kill what is more than keep; of instances that were named, all. */
static void kill_surplus(struct scheduler *s,
                         struct sched_app *a,
                         const struct mu_app *def,
                         uint32_t keep,
                         const struct deployment *victims_of)
{
    struct selection sel = {0};
    mu_omap_foreach (e, &a->tasks) {
        struct sched_task *t = e->value;
        bool listed = is_listed(victims_of, t);
        if (t->is_counted && t->counted_class != CLASS_KILLING &&
            (t->counted_class != CLASS_INACTIVE || listed)) {
            select_task(&sel, t, listed);
        }
    }
    size_t victims = selection_pick(def, sel.v, sel.count, keep);
    for (size_t i = 0; i < victims; i++) {
        task_kill(s, sel.v[i].task, false);
    }
    MU_VEC_RELEASE(&sel);
}

static void kill_class(struct scheduler *s, struct sched_app *a, int old, uint32_t class)
{
    if (a->tally.n[old][class] == 0) {
        return;
    }
    mu_omap_foreach (e, &a->tasks) {
        struct sched_task *t = e->value;
        if (t->is_counted && t->counted_old == (old == 1) && t->counted_class == class) {
            task_kill(s, t, false);
        }
    }
}

static void kill_all(struct scheduler *s, struct sched_app *a)
{
    mu_omap_foreach (e, &a->tasks) {
        task_kill(s, e->value, false);
    }
}

/* A rolling restart of a large app chooses a victim whenever a new instance is up; to
 * walk all tasks each time would be quadratic, so the choice is made for several at once.
 */
static bool may_walk(struct scheduler *s, struct sched_app *a)
{
    uint64_t again_ms = later_ms(a->walked_ms, SCHED_WALK_PAUSE_MS);
    if (a->tasks.count > SCHED_WALK_FREE && a->walked_ms != 0 &&
        again_ms > s->now.mono_ms) {
        timer_set(s, &a->walk_timer, again_ms);
        return false;
    }
    a->walked_ms = s->now.mono_ms;
    return true;
}

/* Of one configuration, kill up to count instances that are up. */
static uint32_t kill_up(struct scheduler *s,
                        struct sched_app *a,
                        const struct mu_app *def,
                        int old,
                        uint32_t count)
{
    uint32_t there = a->tally.n[old][CLASS_UP];
    count = count < there ? count : there;
    if (count == 0 || !may_walk(s, a)) {
        return 0;
    }
    struct selection sel = {0};
    mu_omap_foreach (e, &a->tasks) {
        struct sched_task *t = e->value;
        if (t->is_counted && t->counted_old == (old == 1) &&
            t->counted_class == CLASS_UP) {
            select_task(&sel, t, false);
        }
    }
    size_t victims = selection_pick(def, sel.v, sel.count, there - count);
    for (size_t i = 0; i < victims; i++) {
        task_kill(s, sel.v[i].task, false);
    }
    MU_VEC_RELEASE(&sel);
    return (uint32_t)victims;
}

/* ---- convergence, by goal ---- */

/* Nobody asked for fewer, so surplus instances go only when it is certain that they are
 * surplus: all were heard of, and the first check after a start is over. */
static void converge_keep(struct scheduler *s, struct sched_app *a, const struct goal *g)
{
    bool sure = tally_both(&a->tally, CLASS_UNSURE) == 0 && s->surplus_goes &&
                s->link == LINK_SUBSCRIBED;
    if (sure && g->def == NULL) {
        kill_all(s, a); /* left over from an app that is no more */
    } else if (sure && alive(a) > g->count) {
        kill_surplus(s, a, g->def, g->count, NULL);
    }
    queue_want(s, a, g->def, missing(g->count, present(a)));
}

static void converge_scale(struct scheduler *s, struct sched_app *a, const struct goal *g)
{
    bool sure = tally_both(&a->tally, CLASS_UNSURE) == 0;
    uint32_t keep = sure ? g->count : UINT32_MAX;
    if (alive(a) > keep || a->deployment->victims.count > 0) {
        kill_surplus(s, a, g->def, keep, a->deployment);
    }
    if (g->count == 0) {
        kill_class(s, a, 0, CLASS_INACTIVE);
        kill_class(s, a, 1, CLASS_INACTIVE);
    }
    queue_want(s, a, g->def, missing(g->count, present(a)));
}

/* What is old and of no use goes at once; what is old and up goes as far as enough others
 * are up; what may be up (not heard of yet) stays until it is known. */
static void restart_kills(struct scheduler *s, struct sched_app *a, const struct goal *g)
{
    static const uint32_t useless[] = {CLASS_STARTING, CLASS_SICK, CLASS_UNREACHABLE,
                                       CLASS_INACTIVE};
    struct rolling_limits l;
    uint32_t healthy = tally_both(&a->tally, CLASS_UP);
    rolling_limits(g->count, &g->def->upgrade, false, healthy, &l);
    for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
        kill_class(s, a, 1, useless[i]);
    }
    uint32_t budget = l.kill_now;
    budget -= kill_up(s, a, g->def, 1, budget);
    /* left over from a larger target: first those that are not up, then within budget */
    uint32_t new_alive = tally_present(&a->tally, 0) - a->tally.n[0][CLASS_KILLING];
    uint32_t surplus = missing(new_alive, g->count);
    uint32_t not_up = new_alive - a->tally.n[0][CLASS_UP] - a->tally.n[0][CLASS_UNSURE];
    if (surplus > 0 && surplus >= not_up) {
        kill_class(s, a, 0, CLASS_STARTING);
        kill_class(s, a, 0, CLASS_SICK);
        kill_class(s, a, 0, CLASS_UNREACHABLE);
        surplus -= not_up;
        surplus = surplus < budget ? surplus : budget;
        (void)kill_up(s, a, g->def, 0, surplus);
    }
    if (healthy >= l.min_healthy && tally_both(&a->tally, CLASS_UP) < l.min_healthy) {
        a->deployment->broke_min_health = true;
    }
}

static void kill_victims(struct scheduler *s, struct sched_app *a)
{
    const struct mu_strings *victims = &a->deployment->victims;
    for (size_t i = 0; i < victims->count; i++) {
        struct sched_task *t = task_get(s, victims->v[i]);
        if (t != NULL && t->app == a) {
            task_kill(s, t, false);
        }
    }
}

static void
converge_restart(struct scheduler *s, struct sched_app *a, const struct goal *g)
{
    kill_victims(s, a);
    restart_kills(s, a, g);
    struct rolling_limits l;
    rolling_limits(g->count, &g->def->upgrade, false, tally_both(&a->tally, CLASS_UP),
                   &l);
    uint32_t of_new = missing(g->count, tally_present(&a->tally, 0));
    uint32_t room = missing(l.max_capacity, present(a));
    queue_want(s, a, g->def, of_new < room ? of_new : room);
}

void deploy_converge(struct scheduler *s, struct sched_app *a)
{
    struct goal g;
    deploy_goal(a, &g);
    switch (g.mode) {
    case GOAL_KEEP:
        converge_keep(s, a, &g);
        break;
    case GOAL_HOLD:
        queue_want(s, a, g.def, missing(g.count, present(a)));
        break;
    case GOAL_SCALE:
        converge_scale(s, a, &g);
        break;
    case GOAL_RESTART:
        converge_restart(s, a, &g);
        break;
    case GOAL_STOP:
        kill_all(s, a);
        queue_want(s, a, NULL, 0);
        break;
    }
    if (a->deployment != NULL) {
        deploy_mark_dirty(s, a->deployment);
    }
}

/* ---- is it over? ---- */

static bool scale_is_done(const struct sched_app *a, const struct goal *g)
{
    const struct scheduler_change *c = &a->deployment->changes[a->change];
    if (tally_both(&a->tally, CLASS_KILLING) > 0 || alive(a) > g->count) {
        return false;
    }
    if (g->count == 0) {
        return tally_both(&a->tally, CLASS_INACTIVE) == 0;
    }
    bool up = c->from == NULL || c->to->instances > c->from->instances;
    return !up || tally_both(&a->tally, CLASS_UP) >= g->count;
}

static bool restart_is_done(const struct sched_app *a, const struct goal *g)
{
    bool old_left = tally_present(&a->tally, 1) > 0 || a->tally.n[1][CLASS_INACTIVE] > 0;
    return !old_left && a->tally.n[0][CLASS_KILLING] == 0 && alive(a) == g->count &&
           a->tally.n[0][CLASS_UP] >= g->count;
}

bool deploy_is_done(const struct sched_app *a)
{
    struct goal g;
    deploy_goal(a, &g);
    switch (g.mode) {
    case GOAL_KEEP:
    case GOAL_HOLD:
        return true; /* nothing to do for it in this step */
    case GOAL_SCALE:
        return scale_is_done(a, &g);
    case GOAL_RESTART:
        return restart_is_done(a, &g);
    case GOAL_STOP:
        return a->tasks.count == 0;
    }
    return true;
}

/* ---- steps ---- */

static bool step_is_done(const struct scheduler *s, const struct deployment *d)
{
    const struct mu_deployment_step *step = &d->plan.steps[d->current - 1];
    for (size_t i = 0; i < step->count; i++) {
        const struct sched_app *a = app_get(s, step->actions[i].app_id);
        if (a != NULL && a->deployment == d && !deploy_is_done(a)) {
            return false;
        }
    }
    return true;
}

static void enter_step(struct scheduler *s, struct deployment *d)
{
    d->current++;
    emit_deployment_event(s, MU_EV_DEPLOYMENT_INFO, d, NULL);
    const struct mu_deployment_step *step = &d->plan.steps[d->current - 1];
    for (size_t i = 0; i < step->count; i++) {
        struct sched_app *a = app_get(s, step->actions[i].app_id);
        if (a != NULL) {
            app_mark_dirty(s, a);
        }
    }
    deploy_mark_dirty(s, d);
}

static void leave_step(struct scheduler *s, struct deployment *d)
{
    const struct mu_deployment_step *step = &d->plan.steps[d->current - 1];
    for (size_t i = 0; i < step->count; i++) {
        if (step->actions[i].kind == MU_ACTION_STOP) {
            emit_event(s, MU_EV_APP_TERMINATED)->app_id =
                mu_arena_strdup(&s->arena, step->actions[i].app_id);
        }
    }
    emit_deployment_event(s, MU_EV_DEPLOYMENT_STEP_SUCCESS, d, NULL);
}

void deploy_advance(struct scheduler *s, struct deployment *d)
{
    if (d->state != DEPLOYMENT_RUNNING) {
        return;
    }
    if (d->current > 0) {
        if (!step_is_done(s, d)) {
            return;
        }
        leave_step(s, d);
    }
    if (d->current < d->plan.step_count) {
        enter_step(s, d);
        return;
    }
    emit_log(s, MU_INFO, "deployment done id=%s", d->id.s);
    unlock(s, d);
    d->state = mu_sm_move(&deployment_sm, d->state, DEPLOYMENT_ENDING);
    store_deployment_end(s, &d->id);
}

/* ---- what it waits for ---- */

static void app_waiting_for(const struct scheduler *s,
                            const struct sched_app *a,
                            uint64_t now_ms,
                            struct mu_buf *out)
{
    struct goal g;
    deploy_goal(a, &g);
    uint32_t ending = tally_both(&a->tally, CLASS_KILLING);
    uint32_t unsure = tally_both(&a->tally, CLASS_UNSURE);
    uint32_t old = tally_present(&a->tally, 1) - a->tally.n[1][CLASS_KILLING];
    (void)mu_buf_printf(out, "%s: %" PRIu32 " of %" PRIu32 " running", a->id,
                        g.mode == GOAL_RESTART ? a->tally.n[0][CLASS_UP]
                                               : tally_both(&a->tally, CLASS_UP),
                        g.mode == GOAL_STOP ? 0 : g.count);
    if (g.mode == GOAL_RESTART && old > 0) {
        (void)mu_buf_printf(out, ", %" PRIu32 " old left", old);
    }
    if (ending > 0) {
        (void)mu_buf_printf(out, ", %" PRIu32 " ending", ending);
    }
    if (unsure > 0) {
        (void)mu_buf_printf(out, ", %" PRIu32 " not heard of since the last failover",
                            unsure);
    }
    if (a->launch.want > 0) {
        (void)mu_buf_printf(out, ", %" PRIu32 " to launch: ", a->launch.want);
        queue_waiting_for(s, a, now_ms, out);
    } else if (store_slow_ms(s, now_ms) > 0) {
        mu_buf_puts(out, ", ");
        store_put_slow(s, now_ms, out);
    }
}

void deploy_waiting_for(const struct scheduler *s,
                        const struct deployment *d,
                        uint64_t now_ms,
                        struct mu_buf *out)
{
    if (d->state == DEPLOYMENT_ENDING || d->current == 0) {
        (void)mu_buf_puts(out, "the registry");
        if (store_slow_ms(s, now_ms) > 0) {
            store_explain(s, out);
        }
        return;
    }
    const struct mu_deployment_step *step = &d->plan.steps[d->current - 1];
    for (size_t i = 0; i < step->count; i++) {
        const struct sched_app *a = app_get(s, step->actions[i].app_id);
        if (a != NULL && a->deployment == d && !deploy_is_done(a)) {
            app_waiting_for(s, a, now_ms, out);
            return;
        }
    }
}
