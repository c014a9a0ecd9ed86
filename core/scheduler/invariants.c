/* What must be true between two steps. Slow on purpose: everything that is kept up to
 * date piece by piece is counted anew.
 */
#include <string.h>

#include "scheduler/internal.h"
#include "scheduler/rolling.h"

static int check_tallies(const struct sched_app *a, struct mu_error *err)
{
    struct tally t = {0};
    mu_omap_foreach (e, &a->tasks) {
        const struct sched_task *task = e->value;
        if (task->app != a) {
            return mu_fail(err, MU_E_INVALID, "task '%.64s' is in a foreign app's list",
                           task->id.s);
        }
        if (task->def == NULL) {
            return mu_fail(err, MU_E_INVALID, "task '%.64s' has no version", task->id.s);
        }
        if (task->phase != TASK_ENDED) {
            t.n[task_is_old(task)][task_classify(task)]++;
        }
    }
    if (memcmp(&t, &a->tally, sizeof(t)) != 0) {
        return mu_fail(err, MU_E_INVALID, "app '%.64s': tasks are counted wrongly",
                       a->id);
    }
    return 0;
}

static int
check_queue(const struct scheduler *s, const struct sched_app *a, struct mu_error *err)
{
    const struct launch_entry *e = &a->launch;
    if ((e->want > 0) != mu_list_linked(&e->link) || (e->want > 0) != (e->def != NULL)) {
        return mu_fail(err, MU_E_INVALID,
                       "app '%.64s': wants %u, but the queue disagrees", a->id, e->want);
    }
    if (e->want > 0 && queue_is_delayed(s, a) && !mu_heap_has(&e->timer.node)) {
        return mu_fail(err, MU_E_INVALID, "app '%.64s': delayed without a timer", a->id);
    }
    return 0;
}

static int
check_app(const struct scheduler *s, const struct sched_app *a, struct mu_error *err)
{
    const struct deployment *d = a->deployment;
    if (d != NULL && (d->state != DEPLOYMENT_RUNNING || a->change >= d->change_count ||
                      strcmp(d->changes[a->change].app_id, a->id) != 0)) {
        return mu_fail(err, MU_E_INVALID, "app '%.64s' is locked by a wrong deployment",
                       a->id);
    }
    if (mu_omap_get(&s->tree, a->id) != a->def) {
        return mu_fail(err, MU_E_INVALID, "app '%.64s' differs from the tree", a->id);
    }
    if (a->def == NULL && d == NULL && a->tasks.count == 0) {
        return mu_fail(err, MU_E_INVALID, "app '%.64s' is nothing any more", a->id);
    }
    for (size_t i = 0; i < a->versions.count; i++) {
        int64_t version = a->versions.v[i]->version_ms;
        if (version > s->last_version_ms ||
            (i > 0 && a->versions.v[i - 1]->version_ms >= version)) {
            return mu_fail(err, MU_E_INVALID, "app '%.64s': versions out of order",
                           a->id);
        }
    }
    int rc = check_tallies(a, err);
    return rc != 0 ? rc : check_queue(s, a, err);
}

/* A running deployment waits for something: an action that is not over. */
static bool waits(const struct scheduler *s, const struct deployment *d)
{
    if (d->current == 0 || d->current > d->plan.step_count) {
        return false;
    }
    const struct mu_deployment_step *step = &d->plan.steps[d->current - 1];
    for (size_t i = 0; i < step->count; i++) {
        const struct sched_app *a = app_get(s, step->actions[i].app_id);
        if (a != NULL && !deploy_is_done(a)) {
            return true;
        }
    }
    return false;
}

static int check_deployments(const struct scheduler *s, struct mu_error *err)
{
    uint32_t running = 0;
    mu_list_foreach (n, &s->deployments) {
        const struct deployment *d = mu_list_entry(n, struct deployment, link);
        running += d->state == DEPLOYMENT_RUNNING;
        if (d->broke_min_health) {
            return mu_fail(err, MU_E_INVALID,
                           "deployment %s killed below the minimum health", d->id.s);
        }
        if (d->state != DEPLOYMENT_RUNNING) {
            continue;
        }
        if (!waits(s, d)) {
            return mu_fail(err, MU_E_INVALID, "deployment %s waits for nothing", d->id.s);
        }
        for (size_t i = 0; i < d->change_count; i++) {
            const struct sched_app *a = app_get(s, d->changes[i].app_id);
            if (a == NULL || a->deployment != d) {
                return mu_fail(err, MU_E_INVALID,
                               "deployment %s lost the lock of '%.64s'", d->id.s,
                               d->changes[i].app_id);
            }
        }
    }
    if (running != s->running_deployments) {
        return mu_fail(err, MU_E_INVALID, "running deployments are counted wrongly");
    }
    return 0;
}

static void note_items(const struct store_items *items, struct mu_map *out)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->v[i].kind == STORE_TASK) {
            mu_map_put(out, items->v[i].task_id.s, &items->v[i]);
        }
    }
}

/* The tasks that some commit is about, under way or waiting for its retry. */
static void note_stored(const struct scheduler *s, struct mu_map *out)
{
    mu_list_foreach (n, &s->ops) {
        const struct store_op *op = mu_list_entry(n, struct store_op, link);
        note_items(&op->items, out);
        for (size_t i = 0; op->launch != NULL && i < op->launch->infos.count; i++) {
            mu_map_put(out, op->launch->infos.v[i]->id.s, op->launch);
        }
    }
    note_items(&s->again, out);
}

static int check_task(const struct scheduler *s,
                      const struct sched_task *t,
                      const struct mu_map *stored,
                      struct mu_error *err)
{
    if (mu_omap_get(&t->app->tasks, t->id.s) != t) {
        return mu_fail(err, MU_E_INVALID, "task '%.64s' is not in its app", t->id.s);
    }
    bool in_between = t->phase != TASK_LAUNCHED || (t->killing && !t->kill_stored);
    if (in_between && mu_map_get(stored, t->id.s) == NULL) {
        return mu_fail(err, MU_E_INVALID, "task '%.64s' waits for no commit", t->id.s);
    }
    if (t->killing && t->kill_stored && t->phase == TASK_LAUNCHED &&
        !mu_heap_has(&t->timer.node)) {
        return mu_fail(err, MU_E_INVALID, "task '%.64s' is killed only once", t->id.s);
    }
    if (t->phase == TASK_LAUNCHED && MU_ID_EMPTY(s->framework_id)) {
        return mu_fail(err, MU_E_INVALID, "task '%.64s' without a framework", t->id.s);
    }
    return 0;
}

static int check_tasks(const struct scheduler *s, struct mu_error *err)
{
    uint32_t unsure = 0;
    struct mu_map stored = {0};
    int rc = 0;
    note_stored(s, &stored);
    for (const struct mu_map_entry *e = s->tasks.first; e != NULL && rc == 0;
         e = e->next) {
        const struct sched_task *t = e->value;
        unsure += t->is_counted && t->counted_class == CLASS_UNSURE;
        rc = check_task(s, t, &stored, err);
    }
    mu_map_release(&stored);
    if (rc == 0 && unsure != s->unsure_count) {
        rc = mu_fail(err, MU_E_INVALID, "unsure tasks are counted wrongly");
    }
    return rc;
}

static int check_ports(const struct scheduler *s, struct mu_error *err)
{
    uint64_t uses = 0, counted = 0;
    mu_omap_foreach (e, &s->tree) {
        const struct mu_app *app = e->value;
        bool host = app->network_mode == MU_APP_NET_HOST;
        for (size_t i = 0; i < ports_defined(app); i++) {
            uint16_t port = host ? app->ports[i].port : app->mappings[i].service_port;
            uses += port >= s->cfg.local_port_min && port < s->cfg.local_port_max;
            if (port == 0) {
                return mu_fail(err, MU_E_INVALID, "app '%.64s' without a service port",
                               app->id);
            }
        }
    }
    for (size_t i = 0; i < s->port_range; i++) {
        counted += s->port_uses[i];
    }
    return uses == counted
               ? 0
               : mu_fail(err, MU_E_INVALID, "service ports are counted wrongly");
}

/* No app is a group of another; neighbours in order are enough to see it. */
static int check_tree(const struct scheduler *s, struct mu_error *err)
{
    mu_omap_foreach (e, &s->tree) {
        mu_auto_free char *prefix = mu_xasprintf("%s/", e->key);
        const struct mu_omap_entry *below = mu_omap_lower_bound(&s->tree, prefix);
        if (below != NULL && strncmp(below->key, prefix, strlen(prefix)) == 0) {
            return mu_fail(err, MU_E_INVALID, "'%.64s' is an app and a group", e->key);
        }
    }
    return 0;
}

int scheduler_check(const struct scheduler *s, struct mu_error *err)
{
    if (s->state != SCHED_READY) {
        return 0;
    }
    mu_omap_foreach (e, &s->apps) {
        int rc = check_app(s, e->value, err);
        if (rc != 0) {
            return rc;
        }
    }
    int rc = check_deployments(s, err);
    rc = rc != 0 ? rc : check_tasks(s, err);
    rc = rc != 0 ? rc : check_ports(s, err);
    return rc != 0 ? rc : check_tree(s, err);
}
