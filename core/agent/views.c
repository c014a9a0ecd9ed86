/* Read models of the agent: rows for an api plugin, and metrics. */
#include <string.h>

#include "agent/state.h"

static const char *waiting_for(const struct agent *a)
{
    if (a->journal_failed) {
        return a->journal_text;
    }
    if (a->state != AGENT_RUNNING) {
        return "containers are being taken over";
    }
    if (a->link == 0) {
        return "no leading master can be reached";
    }
    return a->registered ? NULL : "the master's answer to the registration";
}

static void used_resources(const struct agent *a, struct mu_resources *out)
{
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        if (!t->terminal) {
            int rc = mu_resources_add(out, &t->info->resources, NULL);
            MU_ASSERT(rc == 0); /* same types as when they were booked */
            (void)rc;           /* same types as when they were booked */
        }
    }
}

static int agent_row(const struct agent *a, mu_row_cb cb, void *arg)
{
    struct mu_resources used = {0}, offered = {0};
    used_resources(a, &used);
    const struct mu_agent_row row = {
        .id = a->info.id.s,
        .hostname = a->info.hostname,
        .ip = a->info.ip,
        .version = a->info.version,
        .port = a->info.port,
        .active = a->registered,
        .connected = a->link != 0,
        .registered_ms = a->registered_wall_ms,
        .reregistered_ms = a->reregistered_wall_ms,
        .start_ms = a->start_wall_ms,
        .total = &a->info.resources,
        .used = &used,
        .offered = &offered,
        .attributes = &a->info.attributes,
        .work_dir = a->work_dir,
        .waiting_for = waiting_for(a),
        .unwell = a->journal_failed ? a->journal_text : NULL,
    };
    cb(arg, &row);
    mu_resources_release(&used);
    return 1;
}

static void task_row(const struct task *t, bool completed, mu_row_cb cb, void *arg)
{
    const struct mu_local_task_row row = {
        .info = t->info,
        .container = &t->container_id,
        .containerizer = t->containerizer,
        .sandbox = t->sandbox,
        .state = t->state,
        .completed = completed,
        .pid = t->pid,
        .statuses = t->history.v,
        .status_count = t->history.count,
        .framework_name = t->framework.name,
        .framework_user = t->framework.user,
    };
    cb(arg, &row);
}

int agent_query(
    const struct agent *a, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    if (type == MU_Q_LOCAL_AGENT) {
        return agent_row(a, cb, arg);
    }
    if (type != MU_Q_LOCAL_TASKS) {
        return MU_E_INVALID;
    }
    int n = 0;
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        if (key == NULL || strcmp(key, t->info->id.s) == 0) {
            task_row(t, false, cb, arg);
            n++;
        }
    }
    for (size_t i = 0; i < a->completed.count; i++) {
        if (key == NULL || strcmp(key, a->completed.v[i]->info->id.s) == 0) {
            task_row(a->completed.v[i], true, cb, arg);
            n++;
        }
    }
    return n;
}

struct out {
    void (*cb)(void *arg, const char *name, double value);
    void *arg;
};

static void resource_metrics(const struct agent *a,
                             const struct mu_resources *used,
                             const struct out *o)
{
    static const struct {
        const char *resource, *total, *used, *percent;
    } names[] = {
        {"cpus", "slave/cpus_total", "slave/cpus_used", "slave/cpus_percent"},
        {"mem", "slave/mem_total", "slave/mem_used", "slave/mem_percent"},
        {"disk", "slave/disk_total", "slave/disk_used", "slave/disk_percent"},
        {"gpus", "slave/gpus_total", "slave/gpus_used", "slave/gpus_percent"},
    };
    for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
        double total =
            (double)mu_resources_scalar(&a->info.resources, names[i].resource) / 1000.0;
        double in_use = (double)mu_resources_scalar(used, names[i].resource) / 1000.0;
        o->cb(o->arg, names[i].total, total);
        o->cb(o->arg, names[i].used, in_use);
        o->cb(o->arg, names[i].percent, total > 0 ? in_use / total : 0);
    }
}

void agent_metrics(const struct agent *a,
                   void (*cb)(void *arg, const char *name, double value),
                   void *arg)
{
    const struct out o = {cb, arg};
    size_t by_state[MU_TASK_STATE_COUNT] = {0};
    size_t unacknowledged = 0;
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        by_state[t->state]++;
        unacknowledged += t->updates.count;
    }
    struct mu_resources used = {0};
    used_resources(a, &used);
    cb(arg, "slave/registered", a->registered ? 1 : 0);
    cb(arg, "slave/tasks_staging", (double)by_state[MU_TASK_STAGING]);
    cb(arg, "slave/tasks_starting", (double)by_state[MU_TASK_STARTING]);
    cb(arg, "slave/tasks_running", (double)by_state[MU_TASK_RUNNING]);
    cb(arg, "slave/tasks_killing", (double)by_state[MU_TASK_KILLING]);
    cb(arg, "slave/tasks_finished", (double)a->ended[MU_TASK_FINISHED]);
    cb(arg, "slave/tasks_failed", (double)a->ended[MU_TASK_FAILED]);
    cb(arg, "slave/tasks_killed", (double)a->ended[MU_TASK_KILLED]);
    cb(arg, "slave/tasks_lost", (double)a->ended[MU_TASK_LOST]);
    cb(arg, "slave/tasks_gone", (double)a->ended[MU_TASK_GONE]);
    cb(arg, "slave/valid_status_updates", (double)a->valid_updates);
    cb(arg, "slave/status_updates_pending", (double)unacknowledged);
    cb(arg, "slave/container_launch_errors", (double)a->launch_errors);
    cb(arg, "slave/journal_failed", a->journal_failed ? 1 : 0);
    cb(arg, "gc/path_removals_pending", (double)a->garbage.count);
    cb(arg, "gc/path_removals_succeeded", (double)a->removals);
    resource_metrics(a, &used, &o);
    mu_resources_release(&used);
}
