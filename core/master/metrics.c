/* Metrics under their Mesos names: counters as they stand, gauges from the reign. */
#include "master/metrics.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "master/state.h"

struct out {
    void (*cb)(void *arg, const char *name, double value);
    void *arg;
};

static void put(const struct out *o, const char *name, double value)
{
    char full[96];
    (void)snprintf(full, sizeof(full), "master/%s", name);
    o->cb(o->arg, full, value);
}

static void put_counters(const struct master *m, const struct out *o)
{
    static const char *const names[MASTER_COUNTERS] = {
#define MASTER_COUNTER_NAME(constant, name) [COUNT_##constant] = name,
        MASTER_COUNTER_LIST(MASTER_COUNTER_NAME)
#undef MASTER_COUNTER_NAME
    };
    for (size_t i = 0; i < MASTER_COUNTERS; i++) {
        put(o, names[i], (double)m->counters[i]);
    }
}

static void put_messages(const struct master *m, const struct out *o)
{
    static const struct {
        uint32_t type;
        const char *name;
    } messages[] = {
        {MU_MSG_SUBSCRIBE, "messages_register_framework"},
        {MU_MSG_TEARDOWN, "messages_unregister_framework"},
        {MU_MSG_KILL, "messages_kill_task"},
        {MU_MSG_ACKNOWLEDGE, "messages_status_update_acknowledgement"},
        {MU_MSG_ACCEPT, "messages_launch_tasks"},
        {MU_MSG_DECLINE, "messages_decline_offers"},
        {MU_MSG_REVIVE, "messages_revive_offers"},
        {MU_MSG_SUPPRESS, "messages_suppress_offers"},
        {MU_MSG_RECONCILE, "messages_reconcile_tasks"},
        {MU_MSG_REGISTER, "messages_register_slave"},
        {MU_MSG_REREGISTER, "messages_reregister_slave"},
        {MU_MSG_UNREGISTER, "messages_unregister_slave"},
        {MU_MSG_STATUS_UPDATE, "messages_status_update"},
    };
    for (size_t i = 0; i < MU_COUNT_OF(messages); i++) {
        put(o, messages[i].name, (double)m->messages[messages[i].type]);
    }
}

/* "TASK_RUNNING" -> "tasks_running" */
static void put_state(const struct out *o, enum mu_task_state state, double value)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "tasks_%s",
                   mu_task_state_name(state) + strlen("TASK_"));
    for (char *p = name; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    put(o, name, value);
}

static void put_tasks(const struct master *m, const struct out *o)
{
    static const enum mu_task_state gauges[] = {MU_TASK_STAGING, MU_TASK_STARTING,
                                                MU_TASK_RUNNING, MU_TASK_KILLING,
                                                MU_TASK_UNREACHABLE};
    for (size_t i = 0; i < MU_COUNT_OF(gauges); i++) {
        put_state(o, gauges[i], m->reign != NULL ? m->reign->by_state[gauges[i]] : 0);
    }
    for (uint32_t s = 0; s < MU_TASK_STATE_COUNT; s++) {
        if (mu_task_state_is_terminal(s)) {
            put_state(o, s, (double)m->terminal[s]);
        }
    }
}

/* How far the return of the agents after a failover is. */
static void put_returns(const struct master *m, const struct out *o)
{
    const struct reign *r = m->reign;
    put(o, "recovery_slaves_known", r != NULL ? r->returns.known : 0);
    put(o, "recovery_slaves_back", r != NULL ? r->returns.back : 0);
    put(o, "recovery_slaves_unnamed", r != NULL ? r->returns.strangers : 0);
    put(o, "recovery_slave_removals_held",
        r != NULL && r->returns.is_held ? r->agents_in[AGENT_RECOVERED] : 0);
}

struct sums {
    uint32_t connected, disconnected;
    double total[4], used[4]; /* agents may claim what no integer could sum up */
};

static const char *const resource_names[4] = {"cpus", "gpus", "mem", "disk"};

static struct sums sum_up(const struct master *m)
{
    struct sums s = {0};
    if (m->reign == NULL) {
        return s;
    }
    mu_map_foreach (e, &m->reign->frameworks) {
        const struct master_framework *f = e->value;
        s.connected += f->state == FRAMEWORK_CONNECTED ? 1 : 0;
        s.disconnected += f->state == FRAMEWORK_DISCONNECTED ? 1 : 0;
    }
    mu_map_foreach (e, &m->reign->agents) {
        const struct master_agent *a = e->value;
        for (size_t i = 0; master_agent_registered(a) && i < 4; i++) {
            s.total[i] +=
                (double)mu_resources_scalar(&a->info.resources, resource_names[i]);
            s.used[i] += (double)mu_resources_scalar(&a->used, resource_names[i]);
        }
    }
    return s;
}

static void put_resources(const struct sums *s, const struct out *o)
{
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%s_total", resource_names[i]);
        put(o, name, s->total[i] / 1000);
        (void)snprintf(name, sizeof(name), "%s_used", resource_names[i]);
        put(o, name, s->used[i] / 1000);
        (void)snprintf(name, sizeof(name), "%s_percent", resource_names[i]);
        put(o, name, s->total[i] > 0 ? s->used[i] / s->total[i] : 0);
    }
}

void master_metrics(const struct master *m,
                    void (*cb)(void *arg, const char *name, double value),
                    void *arg)
{
    const struct out o = {cb, arg};
    static const uint32_t none[AGENT_STATES] = {0};
    const uint32_t *in = m->reign != NULL ? m->reign->agents_in : none;
    struct sums s = sum_up(m);
    put(&o, "elected", m->mode == MASTER_LEADING ? 1 : 0);
    put(&o, "outstanding_offers", m->reign != NULL ? (double)m->reign->offers.count : 0);
    put(&o, "slaves_connected", in[AGENT_ACTIVE]);
    put(&o, "slaves_active", in[AGENT_ACTIVE]);
    put(&o, "slaves_disconnected", in[AGENT_DISCONNECTED]);
    put(&o, "slaves_inactive", in[AGENT_DISCONNECTED]);
    put(&o, "slaves_unreachable", in[AGENT_UNREACHABLE]);
    put(&o, "slaves_recovered", in[AGENT_RECOVERED]);
    put(&o, "slaves_gone", in[AGENT_GONE]);
    put_returns(m, &o);
    put(&o, "frameworks_connected", s.connected);
    put(&o, "frameworks_active", s.connected);
    put(&o, "frameworks_disconnected", s.disconnected);
    put(&o, "frameworks_inactive", s.disconnected);
    put_tasks(m, &o);
    put_resources(&s, &o);
    put_counters(m, &o);
    put_messages(m, &o);
    cb(arg, "allocator/mesos/allocation_runs",
       m->reign != NULL ? (double)m->reign->allocator.runs : 0);
}
