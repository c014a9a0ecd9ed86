/* What must hold after every event, and what must be so at the end. */
#include "sim.h"

#include <string.h>

#include "codec/scheduler_json.h"
#include "scheduler/rolling.h"

#define OLD_LEADER_MS 120000u /* so long after its last word the newest leader counts */
#define SETTLED_MS 60000u     /* an agent that is connected for so long has told all */

/* ---- what the registry decides ---- */

static const struct container *
running_of(const struct sim *s, const char *task, size_t *i)
{
    for (*i = 0; *i < s->agent_count; (*i)++) {
        for (size_t k = 0; k < s->agents[*i].containers.count; k++) {
            const struct container *c = s->agents[*i].containers.v[k];
            if (c->running && strcmp(c->task.s, task) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

/* A task that runs may be forgotten when its agent is away for too long. Nobody is, in a
 * run without partitions; and not one that talks to the master that forgets it. */
static void check_forgotten(struct sim *s, size_t k, const char *task)
{
    size_t i;
    if (mu_omap_get(&s->may_stop, task) != NULL || running_of(s, task, &i) == NULL) {
        return;
    }
    const struct agent_node *n = &s->agents[i];
    bool is_there = n->conn.open && n->conn.master == k && n->silent_until == 0 &&
                    !sim_apart(s, k, SIM_AGENT(i)) &&
                    s->now.mono_ms - n->conn.opened_at >= SETTLED_MS;
    if (is_there || (s->faults.partition == 0 && s->faults.pair_cut == 0)) {
        sim_fail(s, "master %zu forgets task %s, which runs on agent %zu", k, task, i);
    }
}

void sim_check_apps_change(struct sim *s,
                           size_t k,
                           const char *key,
                           const struct mu_buf *value)
{
    static const char prefix[] = "tasks/";
    if (strncmp(key, prefix, sizeof(prefix) - 1) != 0) {
        return;
    }
    const char *task = key + sizeof(prefix) - 1;
    if (value->data == NULL) {
        check_forgotten(s, k, task);
        (void)mu_omap_put(&s->may_stop, task, s);
        return;
    }
    struct scheduler_record rec;
    struct mu_error err;
    if (scheduler_record_decode(key, value->data, value->len, &rec, &err) < 0) {
        sim_fail(s, "registry entry %s: %s", key, err.text);
        return;
    }
    if (rec.task->killing) {
        (void)mu_omap_put(&s->may_stop, task, s);
    }
    scheduler_record_release(&rec);
}

/* Only when a scheduler has asked for it, and only what the registry says: a leader that
 * does not know a task yet, or not any more, has no business with it. */
void sim_check_stop(struct sim *s, const struct container *c, const char *how)
{
    if (!c->running) {
        return;
    }
    if (mu_omap_get(&s->asked_to_stop, c->task.s) == NULL) {
        sim_fail(s, "the running container of %s gets %s and nobody asked for that",
                 c->task.s, how);
    } else if (mu_omap_get(&s->may_stop, c->task.s) == NULL) {
        sim_fail(s, "the running container of %s gets %s and its record is in force",
                 c->task.s, how);
    }
}

/* What is acknowledged is in the registry at that moment, whoever acknowledges it. */
void sim_check_acknowledged(struct sim *s, const struct app_truth *t)
{
    char key[64];
    (void)snprintf(key, sizeof(key), "apps%s", t->id);
    const struct mu_buf *value = mu_omap_get(&s->shared[1].map, key);
    if (value == NULL || !t->want_exists) {
        if ((value != NULL) != t->want_exists) {
            sim_fail(s, "%s was acknowledged as %s, the registry has it %s", t->id,
                     t->want_exists ? "there" : "gone", value != NULL ? "there" : "not");
        }
        return;
    }
    struct scheduler_record rec;
    struct mu_error err;
    if (scheduler_record_decode(key, value->data, value->len, &rec, &err) < 0) {
        sim_fail(s, "registry entry %s: %s", key, err.text);
        return;
    }
    if (rec.app->instances != t->want_instances ||
        strcmp(rec.app->cmd, t->want_cmd) != 0) {
        sim_fail(s, "%s: %u of '%s' was acknowledged, the registry has %u of '%s'", t->id,
                 t->want_instances, t->want_cmd, rec.app->instances, rec.app->cmd);
    }
    scheduler_record_release(&rec);
}

void sim_check_leaves(struct sim *s, size_t i, uint64_t epoch)
{
    const struct agent_node *n = &s->agents[i];
    if (epoch < n->newest_epoch && s->now.mono_ms - n->newest_at < OLD_LEADER_MS) {
        sim_fail(s, "agent %zu stays with epoch %llu after it has seen %llu", i,
                 (unsigned long long)epoch, (unsigned long long)n->newest_epoch);
    }
}

struct bound {
    const char *id;
    size_t most;
};

static void raise_bound(struct sim *s, struct bound *b, const char *key)
{
    const struct mu_buf *value = mu_omap_get(&s->shared[1].map, key);
    struct scheduler_record rec;
    struct mu_error err;
    if (value == NULL ||
        scheduler_record_decode(key, value->data, value->len, &rec, &err) < 0) {
        return;
    }
    if (rec.app != NULL && strcmp(rec.app->id, b->id) == 0) {
        struct rolling_limits l;
        rolling_limits(rec.app->instances, &rec.app->upgrade, false, rec.app->instances,
                       &l);
        size_t most =
            l.max_capacity > rec.app->instances ? l.max_capacity : rec.app->instances;
        b->most = most > b->most ? most : b->most;
    }
    scheduler_record_release(&rec);
}

static size_t running_instances(const struct sim *s, const char *prefix, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < s->agent_count; i++) {
        for (size_t k = 0; k < s->agents[i].containers.count; k++) {
            const struct container *c = s->agents[i].containers.v[k];
            n += c->running && strncmp(c->task.s, prefix, len) == 0 &&
                 mu_omap_get(&s->may_stop, c->task.s) == NULL;
        }
    }
    return n;
}

/* No app has more instances than its definitions (the current one and those that a
 * deployment may still come from) allow, upgrade capacity included. Tasks whose end has
 * been decided do not count; nor does the rule hold when agents are away for so long that
 * their tasks are replaced. */
void sim_check_start(struct sim *s, const struct container *c)
{
    const char *dot = strrchr(c->task.s, '.');
    if (s->faults.partition != 0 || s->faults.pair_cut != 0 || dot == NULL) {
        return;
    }
    size_t len = (size_t)(dot - c->task.s);
    char id[64] = "/";
    for (size_t i = 0; i < len && i + 2 < sizeof(id); i++) {
        id[i + 1] = c->task.s[i] == '_' ? '/' : c->task.s[i];
    }
    struct bound b = {.id = id};
    mu_omap_foreach (e, &s->shared[1].map) {
        if (strncmp(e->key, "apps/", 5) == 0 || strncmp(e->key, "versions/", 9) == 0) {
            raise_bound(s, &b, e->key);
        }
    }
    size_t n = running_instances(s, c->task.s, len + 1);
    if (b.most > 0 && n > b.most) {
        sim_fail(s, "%zu instances of %s run, and %zu are allowed at most", n, id,
                 b.most);
    }
}

static void check_containers(struct sim *s, size_t i)
{
    for (size_t k = 0; k < s->agents[i].containers.count; k++) {
        const struct container *c = s->agents[i].containers.v[k];
        for (size_t j = 0; c->running && j < k; j++) {
            const struct container *other = s->agents[i].containers.v[j];
            if (other->running && strcmp(other->task.s, c->task.s) == 0) {
                sim_fail(s, "two containers of task %s run on agent %zu", c->task.s, i);
            }
        }
    }
}

struct used_total {
    bool over;
};

static void check_row(void *arg, const void *data)
{
    const struct mu_agent_row *row = data;
    struct used_total *u = arg;
    u->over = u->over || !mu_resources_contains(row->total, row->used);
}

void sim_check_always(struct sim *s)
{
    struct mu_error err;
    size_t leaders = 0;
    for (size_t k = 0; k < s->master_count; k++) {
        const struct master_node *n = &s->masters[k];
        if (n->up && (master_check(n->master, &err) < 0 ||
                      scheduler_check(n->scheduler, &err) < 0)) {
            sim_fail(s, "invariant of master %zu: %s", k, err.text);
        }
        leaders += sim_leads(s, k) && s->faults.wrong_depose == 0 &&
                   s->faults.session_early == 0;
    }
    if (leaders > 1) {
        sim_fail(s, "%zu masters act as the leader", leaders);
    }
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].up && agent_check(s->agents[i].a, &err) < 0) {
            sim_fail(s, "invariant of agent %zu: %s", i, err.text);
        }
        check_containers(s, i);
    }
    for (size_t k = 0; k < s->master_count; k++) {
        struct used_total u = {false};
        if (s->masters[k].up && s->masters[k].leading) {
            (void)master_query(s->masters[k].master, MU_Q_AGENTS, NULL, check_row, &u);
        }
        if (u.over) {
            sim_fail(s, "more is booked on an agent than it has");
        }
    }
}

/* ---- the end ---- */

struct ending {
    bool found;
    uint32_t instances, running, staged;
    char cmd[32], deployment[64], waiting[160];
    size_t rows;
};

static void take_app(void *arg, const void *data)
{
    struct ending *e = arg;
    const struct mu_app_row *row = data;
    e->found = true;
    e->instances = row->app->instances;
    e->running = row->running;
    e->staged = row->staged;
    (void)snprintf(e->cmd, sizeof(e->cmd), "%s", row->app->cmd);
}

static void take_deployment(void *arg, const void *data)
{
    struct ending *e = arg;
    const struct mu_deployment_row *row = data;
    (void)snprintf(e->deployment, sizeof(e->deployment), "%s", row->id);
    (void)snprintf(e->waiting, sizeof(e->waiting), "%s",
                   row->waiting_for == NULL ? "" : row->waiting_for);
    e->rows++;
}

static void
check_app(struct sim *s, const struct scheduler *scheduler, const struct app_truth *t)
{
    struct ending e = {0};
    (void)scheduler_query(scheduler, &s->now, MU_Q_APPS, t->id, take_app, &e);
    bool as_told =
        e.found == t->exists &&
        (!e.found || (e.instances == t->instances && strcmp(e.cmd, t->cmd) == 0));
    bool as_maybe = t->unsure && e.found == t->maybe_exists &&
                    (!e.found || (e.instances == t->maybe_instances &&
                                  strcmp(e.cmd, t->maybe_cmd) == 0));
    if (!as_told && !as_maybe) {
        sim_fail(s, "app %s: %s with %u of '%s', but %s with %u of '%s' was acknowledged",
                 t->id, e.found ? "there" : "gone", e.instances, e.cmd,
                 t->exists ? "there" : "gone", t->instances, t->cmd);
    }
    if (e.found && (e.running != e.instances || e.staged != 0)) {
        sim_fail(s, "app %s: %u instances are wanted, %u run, %u are staged", t->id,
                 e.instances, e.running, e.staged);
    }
}

struct live {
    struct sim *s;
    size_t agent, tasks;
};

static void take_local_task(void *arg, const void *data)
{
    struct live *l = arg;
    const struct mu_local_task_row *row = data;
    if (!row->completed) {
        l->tasks++;
        if (row->state != MU_TASK_RUNNING) {
            sim_fail(l->s, "task %s on agent %zu is left as %s", row->info->id.s,
                     l->agent, mu_task_state_name((enum mu_task_state)row->state));
        }
    }
}

static void take_pending(void *arg, const char *name, double value)
{
    double *pending = arg;
    if (strcmp(name, "slave/status_updates_pending") == 0) {
        *pending = value;
    }
}

static void take_task_row(void *arg, const void *data)
{
    (void)data;
    size_t *n = arg;
    (*n)++;
}

void sim_check_end(struct sim *s)
{
    size_t k = sim_ready(s);
    if (k == MASTERS_MAX) {
        sim_fail(s, "no leader is ready");
        return;
    }
    const struct scheduler *scheduler = s->masters[k].scheduler;
    struct ending e = {0};
    (void)scheduler_query(scheduler, &s->now, MU_Q_DEPLOYMENTS, NULL, take_deployment,
                          &e);
    if (e.rows > 0) {
        sim_fail(s, "%zu deployments are open; %s waits for: %s", e.rows, e.deployment,
                 e.waiting);
    }
    for (size_t i = 0; i < s->app_count; i++) {
        check_app(s, scheduler, &s->apps[i]);
    }
    size_t known = 0, running = 0;
    (void)scheduler_query(scheduler, &s->now, MU_Q_APP_TASKS, NULL, take_task_row,
                          &known);
    for (size_t i = 0; i < s->agent_count; i++) {
        struct live l = {s, i, 0};
        double pending = 0;
        (void)agent_query(s->agents[i].a, MU_Q_LOCAL_TASKS, NULL, take_local_task, &l);
        agent_metrics(s->agents[i].a, take_pending, &pending);
        running += sim_running_containers(s, i);
        if (l.tasks != sim_running_containers(s, i)) {
            sim_fail(s, "agent %zu has %zu tasks and %zu running containers", i, l.tasks,
                     sim_running_containers(s, i));
        }
        if (pending != 0) {
            sim_fail(s, "agent %zu has %.0f updates that are not acknowledged", i,
                     pending);
        }
    }
    if (known != running) {
        sim_fail(s, "the scheduler knows %zu tasks, %zu containers run", known, running);
    }
}
