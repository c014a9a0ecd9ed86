/* See run.h. The roles of this process, wired to each other and to the plugins, and the
 * three calls of an api plugin.
 *
 * Start: api plugins are told of the roles, containerizers, registry and election start,
 * then the agent (its lock on the work_dir fails first), the master, the apis. Stop: the
 * master resigns, so that another one is elected while the rest ends: apis, then agent,
 * app scheduler and master one after another (enum below); main stops the other plugins.
 */
#include "runtime/run.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/parse.h"
#include "domain/attributes.h"
#include "runtime/agent_run.h"
#include "runtime/flags.h"
#include "runtime/host.h"
#include "runtime/host_resources.h"
#include "runtime/http_server.h"
#include "runtime/master_run.h"
#include "runtime/member.h"
#include "runtime/plugins.h"
#include "runtime/registry_view.h"
#include "runtime/sandbox.h"
#include "runtime/scheduler_run.h"

enum stopping { STOP_API, STOP_AGENT, STOP_SCHEDULER, STOP_MASTER, STOP_DONE };

struct run {
    struct runtime *rt;
    const struct mu_host *host;
    uint32_t roles;
    struct mu_core core;
    struct mu_uuid master_id;
    struct mu_member self;
    struct mu_agent_info agent_info;
    struct master_run *master;
    struct scheduler_run *scheduler;
    struct agent_run *agent;
    uint64_t began_ms;
    struct mu_timer *abdicate;
    bool master_started, agent_started, is_stopping;
    enum stopping stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* ---- the three calls ---- */

static struct run *of_core(const struct mu_core *c)
{
    return c->impl;
}

static int core_submit(const struct mu_core *c,
                       const struct mu_command_request *cmd,
                       mu_command_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    struct run *r = of_core(c);
    if (r->scheduler == NULL) {
        return mu_fail(err, MU_E_UNSUPPORTED, "this process runs no app scheduler");
    }
    return scheduler_run_submit(r->scheduler, cmd, cb, arg, err);
}

struct flag_rows {
    mu_row_cb cb;
    void *arg;
    int count;
};

static void on_flag(void *arg, const char *name, const char *value)
{
    struct flag_rows *rows = arg;
    const struct mu_flag_row row = {.name = name, .value = value == NULL ? "" : value};
    if (value != NULL) {
        rows->cb(rows->arg, &row);
        rows->count++;
    }
}

static int query_process(struct run *r, uint32_t type, mu_row_cb cb, void *arg)
{
    if (type == MU_Q_FLAGS) {
        struct flag_rows rows = {cb, arg, 0};
        flags_each(r->rt->flags, on_flag, &rows);
        return rows.count;
    }
    struct mu_buf unwell;
    mu_buf_init(&unwell, REGISTRY_WHY_MAX);
    if (r->master != NULL) {
        master_run_unwell(r->master, &unwell);
    }
    const struct mu_process_row row = {
        .roles = r->roles,
        .version = MUSTER_VERSION,
        .hostname = r->rt->options->hostname,
        .ip = r->rt->options->advertise_ip,
        .start_ms = r->rt->start_wall_ms,
        .master_port = r->rt->master_port,
        .marathon_port = r->rt->marathon_port,
        .agent_port = r->rt->agent_port,
        .unwell = unwell.len > 0 ? mu_buf_str(&unwell) : NULL,
    };
    cb(arg, &row);
    mu_buf_release(&unwell);
    return 1;
}

static int query_registry(const struct run *r, const char *key, mu_row_cb cb, void *arg)
{
    const struct {
        const char *store;
        const struct runtime_plugin *registry;
    } stores[] = {{"master", r->rt->registry}, {"apps", r->rt->app_registry}};
    int rows = 0;
    if (r->master == NULL) {
        return MU_E_UNSUPPORTED;
    }
    for (size_t i = 0; i < MU_COUNT_OF(stores); i++) {
        if (key == NULL || strcmp(key, stores[i].store) == 0) {
            registry_row(stores[i].registry, stores[i].store, cb, arg);
            rows++;
        }
    }
    return rows;
}

static int core_query(
    const struct mu_core *c, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    struct run *r = of_core(c);
    if (type == MU_Q_FLAGS || type == MU_Q_PROCESS) {
        return query_process(r, type, cb, arg);
    }
    if (type == MU_Q_REGISTRY) {
        return query_registry(r, key, cb, arg);
    }
    if (type >= MU_Q_LOCAL_AGENT) {
        return r->agent == NULL ? MU_E_UNSUPPORTED
                                : agent_run_query(r->agent, type, key, cb, arg);
    }
    if (type >= MU_Q_MASTER) {
        return r->master == NULL ? MU_E_UNSUPPORTED
                                 : master_run_query(r->master, type, key, cb, arg);
    }
    return r->scheduler == NULL ? MU_E_UNSUPPORTED
                                : scheduler_run_query(r->scheduler, type, key, cb, arg);
}

static struct mu_watch *core_watch(const struct mu_core *c, mu_event_cb cb, void *arg)
{
    struct run *r = of_core(c);
    return r->scheduler == NULL ? NULL : scheduler_run_watch(r->scheduler, cb, arg);
}

static void core_unwatch(struct mu_watch *w)
{
    scheduler_run_unwatch(w);
}

static void refresh_metrics(void *arg)
{
    struct run *r = arg;
    /* the host's gauges have the signature that the machines tell their numbers to, but
     * for the host's own argument */
    void (*set)(void *host, const char *name, double value) = rt_host_gauge;
    if (r->master != NULL) {
        uint64_t up_ms = r->host->now_ms(r->host) - r->began_ms;
        set(r->rt->rt, "master/uptime_secs", (double)up_ms / 1000);
        master_run_metrics(r->master, set, r->rt->rt);
        scheduler_run_metrics(r->scheduler, set, r->rt->rt);
    }
    if (r->agent != NULL) {
        agent_run_metrics(r->agent, set, r->rt->rt);
    }
}

/* ---- what the master tells ---- */

static void on_leading(void *arg, uint64_t epoch)
{
    struct run *r = arg;
    scheduler_run_lead(r->scheduler, epoch);
}

static void on_standing_by(void *arg)
{
    struct run *r = arg;
    scheduler_run_follow(r->scheduler);
}

static void on_open(void *arg)
{
    struct run *r = arg;
    scheduler_run_connected(r->scheduler, true);
}

/* Without a leader the agent keeps its last master: that one may well be alive, and it is
 * ZooKeeper that is away. */
static void on_leader(void *arg, const struct mu_member *leader)
{
    struct run *r = arg;
    if (r->agent != NULL && leader != NULL) {
        char address[MEMBER_ADDRESS_MAX];
        member_address(leader, address);
        agent_run_set_master(r->agent, address);
    }
}

/* ---- an agent alone only watches the election ---- */

static void on_detected(void *arg, const struct mu_member *leader)
{
    struct run *r = arg;
    if (r->is_stopping) {
        return;
    }
    if (leader == NULL) {
        r->host->log(r->host, MU_WARN,
                     "no leading master is known, keeping the last one; tasks run on",
                     NULL);
        return;
    }
    char address[MEMBER_ADDRESS_MAX];
    member_address(leader, address);
    r->host->log(r->host, MU_INFO, "new leading master detected",
                 "id=%s address=%s znode=%s", leader->id, address, leader->znode);
    on_leader(arg, leader);
}

static void on_never_elected(void *arg, uint64_t epoch)
{
    (void)arg;
    (void)epoch;
}

static void on_never_lost(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

static const struct mu_election_events detector_events = {on_never_elected, on_never_lost,
                                                          on_detected};

static bool is_detector(const struct run *r)
{
    return r->master == NULL && r->agent != NULL && r->rt->election != NULL;
}

static int start_detector(struct run *r, struct mu_error *err)
{
    const struct mu_election_ops *ops = r->rt->election->plugin->ops;
    int rc = ops->detect(r->rt->election->instance, err);
    return rc < 0 ? mu_wrap(err, rc, "election %s", r->rt->election->plugin->name) : 0;
}

static void to_scheduler(void *arg, const struct mu_msg *msg)
{
    struct run *r = arg;
    scheduler_run_receive(r->scheduler, msg);
}

static void on_scheduler_closed(void *arg)
{
    struct run *r = arg;
    scheduler_run_connected(r->scheduler, false);
    scheduler_run_connected(r->scheduler, true);
}

static void on_failed(void *arg, const char *text)
{
    struct run *r = arg;
    r->rt->request_stop(r->rt, 1, text);
}

static void to_master(void *arg, const struct mu_msg *msg)
{
    struct run *r = arg;
    master_run_from_scheduler(r->master, msg);
}

static void on_abdicate_turn(void *arg)
{
    struct run *r = arg;
    r->abdicate = NULL;
    master_run_abdicate(r->master);
}

static void on_abdicate(void *arg)
{
    struct run *r = arg;
    if (r->abdicate == NULL) {
        r->abdicate = r->host->timer_start(r->host, 0, on_abdicate_turn, r);
    }
}

static bool on_may_act(void *arg)
{
    struct run *r = arg;
    return master_run_may_act(r->master);
}

static void explain_master_store(void *arg, struct mu_buf *out)
{
    const struct run *r = arg;
    registry_explain(r->rt->registry, "master", out);
}

static void explain_app_store(void *arg, struct mu_buf *out)
{
    const struct run *r = arg;
    registry_explain(r->rt->app_registry, "apps", out);
}

static void on_lease(void *arg)
{
    struct run *r = arg;
    master_run_check_lease(r->master);
}

static void on_shutdown(void *arg, const char *text)
{
    struct run *r = arg;
    r->rt->request_stop(r->rt, 0, text);
}

/* ---- making the roles ---- */

static const char *text_flag(const struct mu_flags *f, const char *name)
{
    const char *s = mu_flags_string(f, name);
    return s != NULL && s[0] != '\0' ? s : NULL;
}

static uint64_t ms_flag(const struct mu_flags *f, const char *name)
{
    return (uint64_t)mu_flags_int(f, name);
}

/* What becomes of agents that are missing, and of their records. */
static void set_removals(const struct mu_flags *f, struct master_config *m)
{
    const char *rate = mu_flags_string(f, "agent_removal_rate_limit");
    const char *limit = mu_flags_string(f, "recovery_agent_removal_limit");
    uint32_t limit_ppm = 0;
    int rc = mu_parse_percent(limit, &limit_ppm, NULL);
    if (rc == 0 && rate != NULL) {
        rc = mu_parse_rate(rate, &m->agent_removal_permits, &m->agent_removal_per_ms,
                           NULL);
    }
    MU_ASSERT(rc == 0); /* the options have been checked */
    m->recovery_returns_needed_ppm = 1000000 - limit_ppm;
    m->registry_gc_interval_ms = mu_flags_duration_ms(f, "registry_gc_interval");
    m->registry_max_agent_age_ms = mu_flags_duration_ms(f, "registry_max_agent_age");
    m->registry_max_agent_count = (uint32_t)mu_flags_int(f, "registry_max_agent_count");
}

static void make_master(struct run *r)
{
    struct runtime *rt = r->rt;
    const struct options *o = rt->options;
    const struct mu_flags *f = o->flags;
    mu_uuid_make(r->host->random(r->host), r->host->random(r->host), &r->master_id);
    r->self = (struct mu_member){
        .struct_size = sizeof(r->self),
        .id = r->master_id.s,
        .hostname = o->hostname,
        .ip = o->advertise_ip,
        .port = rt->master_port,
        .app_port = rt->marathon_port,
        .version = MUSTER_VERSION,
    };
    char address[MEMBER_ADDRESS_MAX];
    member_address(&r->self, address);
    rt_host_set_master_address(rt->rt, address);
    struct master_config machine = {
        .hostname = o->hostname,
        .ip = o->advertise_ip,
        .version = MUSTER_VERSION,
        .port = rt->master_port,
        .seed = r->host->random(r->host),
        .agent_ping_timeout_ms = mu_flags_duration_ms(f, "agent_ping_timeout"),
        .max_agent_ping_timeouts = (uint32_t)mu_flags_int(f, "max_agent_ping_timeouts"),
        .agent_reregister_timeout_ms =
            mu_flags_duration_ms(f, "agent_reregister_timeout"),
        .allocation_interval_ms = mu_flags_duration_ms(f, "allocation_interval"),
        .offer_timeout_ms = !mu_flags_is_set(f, "offer_timeout")
                                ? 0
                                : mu_flags_duration_ms(f, "offer_timeout"),
        .framework_heartbeat_ms = 15000,
        .max_completed_frameworks = (uint32_t)mu_flags_int(f, "max_completed_frameworks"),
        .max_completed_tasks =
            (uint32_t)mu_flags_int(f, "max_completed_tasks_per_framework"),
        .explain_registry = explain_master_store,
        .explain_arg = r,
    };
    memcpy(machine.id.s, r->master_id.s, sizeof(machine.id.s));
    set_removals(f, &machine);
    const struct mu_registry_ops *registry = rt->registry->plugin->ops;
    machine.registry_is_private = MU_HAS(struct mu_registry_ops, registry, bits) &&
                                  (registry->bits & MU_REGISTRY_PRIVATE) != 0;
    const struct master_run_config cfg = {
        .host = r->host,
        .election = rt->election->plugin->ops,
        .election_instance = rt->election->instance,
        .registry = registry,
        .registry_instance = rt->registry->instance,
        .machine = &machine,
        .self = &r->self,
        .leading = on_leading,
        .standing_by = on_standing_by,
        .leader = on_leader,
        .open = on_open,
        .to_scheduler = to_scheduler,
        .scheduler_closed = on_scheduler_closed,
        .failed = on_failed,
        .arg = r,
    };
    r->master = master_run_create(&cfg);
}

static void make_scheduler(struct run *r)
{
    struct runtime *rt = r->rt;
    const struct mu_flags *f = rt->options->flags;
    char webui[320];
    (void)snprintf(webui, sizeof(webui), "http://%s:%u", rt->options->hostname,
                   rt->marathon_port);
    const struct scheduler_config machine = {
        .name = mu_flags_string(f, "framework_name"),
        .user = text_flag(f, "mesos_user"),
        .role = mu_flags_string(f, "mesos_role"),
        .hostname = rt->options->hostname,
        .webui_url =
            text_flag(f, "webui_url") != NULL ? text_flag(f, "webui_url") : webui,
        .seed = r->host->random(r->host),
        .failover_timeout_ms = ms_flag(f, "failover_timeout") * 1000,
        .decline_ms = ms_flag(f, "decline_offer_duration"),
        .min_revive_interval_ms = ms_flag(f, "min_revive_offers_interval"),
        .reconcile_initial_ms = ms_flag(f, "reconciliation_initial_delay"),
        .reconcile_interval_ms = ms_flag(f, "reconciliation_interval"),
        .scale_apps_initial_ms = ms_flag(f, "scale_apps_initial_delay"),
        .scale_apps_interval_ms = ms_flag(f, "scale_apps_interval"),
        .launch_confirm_timeout_ms = ms_flag(f, "task_launch_confirm_timeout"),
        .launch_timeout_ms = ms_flag(f, "task_launch_timeout"),
        .kill_retry_ms = ms_flag(f, "kill_retry_timeout"),
        .max_tasks_per_offer = (uint32_t)mu_flags_int(f, "max_instances_per_offer"),
        .local_port_min = (uint16_t)mu_flags_int(f, "local_port_min"),
        .local_port_max = (uint16_t)mu_flags_int(f, "local_port_max"),
        .max_versions = 50,
        .max_running_deployments = (uint32_t)mu_flags_int(f, "max_running_deployments"),
        .explain_registry = explain_app_store,
        .explain_arg = r,
    };
    const struct scheduler_run_config cfg = {
        .host = r->host,
        .registry = rt->app_registry->plugin->ops,
        .registry_instance = rt->app_registry->instance,
        .machine = &machine,
        .send = to_master,
        .abdicate = on_abdicate,
        .may_act = on_may_act,
        .lost = on_lease,
        .failed = on_failed,
        .arg = r,
    };
    r->scheduler = scheduler_run_create(&cfg);
}

static int agent_info_fill(struct run *r, struct mu_error *err)
{
    const struct options *o = r->rt->options;
    int rc = sandbox_make_directories(o->work_dir, 0755,
                                      err); /* before its file system is measured */
    if (rc < 0) {
        return mu_wrap(err, rc, "--work_dir");
    }
    struct mu_agent_info *a = &r->agent_info;
    mu_text_set(&a->hostname, o->hostname);
    mu_text_set(&a->ip, o->advertise_ip);
    mu_text_set(&a->version, MUSTER_VERSION);
    a->port = r->rt->agent_port;
    rc =
        host_resources(text_flag(o->flags, "resources"), o->work_dir, &a->resources, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "--resources");
    }
    const char *attributes = text_flag(o->flags, "attributes");
    rc = attributes == NULL ? 0 : mu_attributes_parse(attributes, &a->attributes, err);
    return rc < 0 ? mu_wrap(err, rc, "--attributes") : 0;
}

static int make_agent(struct run *r, struct mu_error *err)
{
    int rc = agent_info_fill(r, err);
    if (rc < 0) {
        return rc;
    }
    struct runtime *rt = r->rt;
    const struct mu_flags *f = rt->options->flags;
    struct agent_containerizer list[OPTIONS_PLUGINS_MAX];
    size_t count = rt->options->plugins.containerizer_count;
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct agent_containerizer){
            .name = rt->containerizers[i]->plugin->name,
            .ops = rt->containerizers[i]->plugin->ops,
            .instance = rt->containerizers[i]->instance,
        };
    }
    const struct agent_config machine = {
        .info = r->agent_info,
        .work_dir = rt->options->work_dir,
        .seed = r->host->random(r->host),
        .registration_backoff_ms = mu_flags_duration_ms(f, "registration_backoff_factor"),
        .default_kill_grace_ms = 3000,
        .max_completed_tasks = 200,
        .gc_delay_ms = mu_flags_duration_ms(f, "gc_delay"),
    };
    const struct agent_run_config cfg = {
        .host = r->host,
        .containerizers = list,
        .containerizer_count = count,
        .machine = &machine,
        .shutdown = on_shutdown,
        .failed = on_failed,
        .arg = r,
    };
    r->agent = agent_run_create(&cfg);
    return 0;
}

/* ---- life ---- */

static void attach_apis(struct run *r)
{
    r->core = (struct mu_core){
        .struct_size = sizeof(r->core),
        .impl = r,
        .submit = core_submit,
        .query = core_query,
        .watch = core_watch,
        .unwatch = core_unwatch,
    };
    for (size_t i = 0; i < r->rt->options->plugins.api_count; i++) {
        const struct mu_api_ops *ops = r->rt->apis[i]->plugin->ops;
        ops->attach(r->rt->apis[i]->instance, r->roles, &r->core);
    }
}

static int start_roles(struct run *r, struct mu_error *err)
{
    int rc = 0;
    if (r->agent != NULL) {
        rc = agent_run_start(r->agent, err);
        r->agent_started = true;
        if (rc == 0 && r->rt->options->master != NULL) {
            agent_run_set_master(r->agent, r->rt->options->master);
        }
    }
    if (rc == 0 && is_detector(r)) {
        rc = start_detector(r, err);
    }
    if (rc == 0 && r->master != NULL) {
        rc = master_run_start(r->master, err);
        r->master_started = true;
    }
    return rc;
}

int run_start(struct runtime *rt, uint32_t roles, struct mu_error *err)
{
    struct run *r = MU_NEW(struct run);
    r->rt = rt;
    r->host = rt->host;
    r->roles = roles;
    r->began_ms = r->host->now_ms(r->host);
    rt->run = r;
    attach_apis(r);
    int rc = 0;
    if ((roles & MU_ROLE_MASTER) != 0) {
        make_master(r);
        make_scheduler(r);
        http_server_set_guard(rt->http, "master", on_lease, r);
        http_server_set_guard(rt->http, "marathon", on_lease, r);
    }
    if ((roles & MU_ROLE_AGENT) != 0) {
        rc = make_agent(r, err);
    }
    if (is_detector(r)) {
        const struct mu_election_ops *ops = rt->election->plugin->ops;
        ops->listen(rt->election->instance, &detector_events, r);
    }
    rt_host_set_metrics_source(rt->rt, refresh_metrics, r);
    static const uint32_t kinds[] = {MU_KIND_CONTAINERIZER, MU_KIND_REGISTRY,
                                     MU_KIND_ELECTION};
    for (size_t i = 0; i < MU_COUNT_OF(kinds) && rc == 0; i++) {
        rc = plugins_start(rt, kinds[i], err);
    }
    if (rc == 0) {
        rc = start_roles(r, err);
    }
    return rc == 0 ? plugins_start(rt, MU_KIND_API, err) : rc;
}

static void stop_on(void *arg)
{
    struct run *r = arg;
    switch (r->stopping++) {
    case STOP_API:
        plugins_stop(r->rt, MU_KIND_API, stop_on, r);
        return;
    case STOP_AGENT:
        if (r->agent_started) {
            agent_run_stop(r->agent, stop_on, r);
            return;
        }
        r->stopping++;
        __attribute__((fallthrough));
    case STOP_SCHEDULER:
        r->stopping = STOP_MASTER;
        if (r->master_started) {
            scheduler_run_stop(r->scheduler, stop_on, r);
            return;
        }
        __attribute__((fallthrough));
    case STOP_MASTER:
        r->stopping = STOP_DONE;
        if (r->master_started) {
            master_run_stop(r->master, stop_on, r);
            return;
        }
        __attribute__((fallthrough));
    case STOP_DONE:
        r->stopped_cb(r->stopped_arg);
        return;
    }
}

void run_stop(struct runtime *rt, mu_cb cb, void *arg)
{
    struct run *r = rt->run;
    r->stopped_cb = cb;
    r->stopped_arg = arg;
    r->is_stopping = true;
    r->stopping = STOP_API;
    r->host->timer_cancel(r->host, r->abdicate);
    r->abdicate = NULL;
    if (r->master_started) {
        master_run_resign(r->master);
    }
    stop_on(r);
}

void run_destroy(struct runtime *rt)
{
    struct run *r = rt->run;
    if (r == NULL) {
        return;
    }
    rt_host_set_metrics_source(rt->rt, NULL, NULL);
    http_server_set_guard(rt->http, "master", NULL, NULL);
    http_server_set_guard(rt->http, "marathon", NULL, NULL);
    agent_run_destroy(r->agent);
    scheduler_run_destroy(r->scheduler);
    master_run_destroy(r->master);
    mu_agent_info_release(&r->agent_info);
    free(r);
    rt->run = NULL;
}
