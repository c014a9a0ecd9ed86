/* See codec_app_out.h. */
#include "codec_app_out.h"

#include <stdlib.h>
#include <string.h>

#include <muster/time.h>

void mrt_time_write(struct mu_jw *w, const char *key, int64_t wall_ms)
{
    char text[MU_TIME_TEXT];
    mu_time_format(wall_ms, text);
    mu_jw_kv_string(w, key, text);
}

static void strings_write(struct mu_jw *w, const char *key, const struct mu_strings *s)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    for (size_t i = 0; i < s->count; i++) {
        mu_jw_string(w, s->v[i]);
    }
    mu_jw_array_end(w);
}

static void pairs_write(struct mu_jw *w, const char *key, const struct mu_pairs *p)
{
    mu_jw_key(w, key);
    mu_jw_object_begin(w);
    for (size_t i = 0; i < p->count; i++) {
        mu_jw_kv_string(w, p->v[i].key, p->v[i].value);
    }
    mu_jw_object_end(w);
}

/* ---- ports ---- */

static void
service_ports_write(struct mu_jw *w, const char *key, const struct mu_app *app)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->port_count; i++) {
        mu_jw_int(w, app->ports[i].port);
    }
    for (size_t i = 0; i < app->mapping_count; i++) {
        mu_jw_int(w, app->mappings[i].service_port);
    }
    mu_jw_array_end(w);
}

static void definitions_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_key(w, "portDefinitions");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->port_count; i++) {
        const struct mu_port_definition *p = &app->ports[i];
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "port", p->port);
        mu_jw_kv_string(w, "protocol", p->protocol == NULL ? "tcp" : p->protocol);
        if (p->name != NULL) {
            mu_jw_kv_string(w, "name", p->name);
        }
        pairs_write(w, "labels", &p->labels);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void mappings_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_key(w, "portMappings");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->mapping_count; i++) {
        const struct mu_app_port_mapping *m = &app->mappings[i];
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "containerPort", m->container_port);
        if (m->has_host_port) {
            mu_jw_kv_int(w, "hostPort", m->host_port);
        }
        pairs_write(w, "labels", &m->labels);
        if (m->name != NULL) {
            mu_jw_kv_string(w, "name", m->name);
        }
        if (m->network_names.count > 0) {
            strings_write(w, "networkNames", &m->network_names);
        }
        mu_jw_kv_string(w, "protocol", m->protocol == NULL ? "tcp" : m->protocol);
        mu_jw_kv_int(w, "servicePort", m->service_port);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void networks_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_key(w, "networks");
    mu_jw_array_begin(w);
    if (app->network_mode == MU_APP_NET_CONTAINER) {
        for (size_t i = 0; i < app->network_names.count; i++) {
            mu_jw_object_begin(w);
            mu_jw_kv_string(w, "mode", "container");
            mu_jw_kv_string(w, "name", app->network_names.v[i]);
            mu_jw_object_end(w);
        }
    } else {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "mode",
                        app->network_mode == MU_APP_NET_BRIDGE ? "container/bridge"
                        : app->network_mode == MU_APP_NET_NONE ? "none"
                                                               : "host");
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

/* ---- container ---- */

static void docker_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_key(w, "docker");
    mu_jw_object_begin(w);
    mu_jw_kv_bool(w, "forcePullImage", app->force_pull);
    mu_jw_kv_string(w, "image", app->image);
    mu_jw_key(w, "parameters");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->parameters.count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "key", app->parameters.v[i].key);
        mu_jw_kv_string(w, "value", app->parameters.v[i].value);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_kv_bool(w, "privileged", app->privileged);
    mu_jw_object_end(w);
}

static void container_write(struct mu_jw *w, const struct mu_app *app)
{
    if (!app->has_container) {
        return;
    }
    mu_jw_key(w, "container");
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "type",
                    app->container_type == MU_CONTAINER_MESOS ? "MESOS" : "DOCKER");
    if (app->image != NULL) {
        docker_write(w, app);
    }
    mu_jw_key(w, "volumes");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->volumes.count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "containerPath", app->volumes.v[i].container_path);
        mu_jw_kv_string(w, "hostPath", app->volumes.v[i].host_path);
        mu_jw_kv_string(w, "mode", app->volumes.v[i].read_only ? "RO" : "RW");
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    if (app->network_mode != MU_APP_NET_HOST) {
        mappings_write(w, app);
    }
    mu_jw_object_end(w);
}

/* ---- the rest of a definition ---- */

static void fetch_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_key(w, "fetch");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->fetch.count; i++) {
        const struct mu_uri *u = &app->fetch.v[i];
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "uri", u->uri);
        mu_jw_kv_bool(w, "extract", u->extract);
        mu_jw_kv_bool(w, "executable", u->executable);
        mu_jw_kv_bool(w, "cache", u->cache);
        if (u->output_file != NULL) {
            mu_jw_kv_string(w, "destPath", u->output_file);
        }
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_key(w, "uris");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->fetch.count; i++) {
        mu_jw_string(w, app->fetch.v[i].uri);
    }
    mu_jw_array_end(w);
}

static void constraints_write(struct mu_jw *w, const struct mu_app *app)
{
    static const char *const operators[] = {"",     "UNIQUE", "CLUSTER", "GROUP_BY",
                                            "LIKE", "UNLIKE", "MAX_PER", "IS"};
    mu_jw_key(w, "constraints");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < app->constraint_count; i++) {
        mu_jw_array_begin(w);
        mu_jw_string(w, app->constraints[i].field);
        mu_jw_string(w, operators[app->constraints[i].op]);
        if (app->constraints[i].value != NULL) {
            mu_jw_string(w, app->constraints[i].value);
        }
        mu_jw_array_end(w);
    }
    mu_jw_array_end(w);
}

static void timing_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_kv_milli(w, "backoffFactor", app->backoff_factor_milli);
    mu_jw_kv_int(w, "backoffSeconds", (int64_t)(app->backoff_ms / 1000));
    mu_jw_kv_int(w, "maxLaunchDelaySeconds", (int64_t)(app->max_launch_delay_ms / 1000));
    if (app->has_kill_grace) {
        mu_jw_kv_int(w, "taskKillGracePeriodSeconds",
                     (int64_t)(app->kill_grace_ms / 1000));
    }
    mu_jw_key(w, "upgradeStrategy");
    mu_jw_object_begin(w);
    mu_jw_key(w, "maximumOverCapacity");
    mu_jw_double(w, app->upgrade.max_over_ppm / 1e6);
    mu_jw_key(w, "minimumHealthCapacity");
    mu_jw_double(w, app->upgrade.min_health_ppm / 1e6);
    mu_jw_object_end(w);
    mu_jw_kv_string(w, "killSelection",
                    app->kill_oldest_first ? "OLDEST_FIRST" : "YOUNGEST_FIRST");
    mu_jw_key(w, "unreachableStrategy");
    if (app->unreachable.disabled) {
        mu_jw_string(w, "disabled");
    } else {
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "inactiveAfterSeconds",
                     (int64_t)(app->unreachable.inactive_after_ms / 1000));
        mu_jw_kv_int(w, "expungeAfterSeconds",
                     (int64_t)(app->unreachable.expunge_after_ms / 1000));
        mu_jw_object_end(w);
    }
}

static void version_write(struct mu_jw *w, const struct mu_app *app)
{
    mrt_time_write(w, "version", app->version_ms);
    mu_jw_key(w, "versionInfo");
    mu_jw_object_begin(w);
    mrt_time_write(w, "lastScalingAt", app->last_scaling_ms);
    mrt_time_write(w, "lastConfigChangeAt", app->last_config_ms);
    mu_jw_object_end(w);
}

/* Members of `extra` (one JSON object, compact) go in as they are. */
static void extra_write(struct mu_jw *w, const char *json)
{
    size_t len = json == NULL ? 0 : strlen(json);
    if (len <= 2) {
        return;
    }
    /* {"a":1,"b":2} without its braces is a run of members: as many as it has, behind a
     * key of the writer's own */
    const char *colon = strchr(json, ':');
    size_t key_len = (size_t)(colon - json) - 3;
    char key[64];
    if (key_len >= sizeof(key)) {
        return;
    }
    memcpy(key, json + 2, key_len);
    key[key_len] = '\0';
    mu_jw_key(w, key);
    mu_jw_raw(w, colon + 1, len - (size_t)(colon - json) - 2);
}

static void definition_write(struct mu_jw *w, const struct mu_app *app)
{
    mu_jw_kv_string(w, "id", app->id);
    if (app->cmd != NULL) {
        mu_jw_kv_string(w, "cmd", app->cmd);
    }
    if (app->has_args) {
        strings_write(w, "args", &app->args);
    }
    if (app->user != NULL) {
        mu_jw_kv_string(w, "user", app->user);
    }
    pairs_write(w, "env", &app->env);
    mu_jw_kv_int(w, "instances", app->instances);
    mu_jw_kv_milli(w, "cpus", app->cpus_milli);
    mu_jw_kv_milli(w, "mem", app->mem_milli);
    mu_jw_kv_milli(w, "disk", app->disk_milli);
    mu_jw_kv_int(w, "gpus", app->gpus);
    mu_jw_kv_string(w, "executor", app->executor == NULL ? "" : app->executor);
    constraints_write(w, app);
    fetch_write(w, app);
    container_write(w, app);
    networks_write(w, app);
    service_ports_write(w, "ports", app);
    if (app->network_mode == MU_APP_NET_HOST) {
        definitions_write(w, app);
    }
    mu_jw_kv_bool(w, "requirePorts", app->require_ports);
    strings_write(w, "dependencies", &app->dependencies);
    mu_jw_key(w, "healthChecks");
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
    pairs_write(w, "labels", &app->labels);
    if (app->role != NULL) {
        mu_jw_kv_string(w, "role", app->role);
    }
    if (app->has_accepted_roles) {
        strings_write(w, "acceptedResourceRoles", &app->accepted_roles);
    }
    timing_write(w, app);
    version_write(w, app);
    extra_write(w, app->extra_json);
}

static void
failure_write(struct mu_jw *w, const char *app_id, const struct mu_task_failure *f)
{
    mu_jw_key(w, "lastTaskFailure");
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "appId", app_id);
    mu_jw_kv_string(w, "host", f->host);
    mu_jw_kv_string(w, "message", f->message == NULL ? "" : f->message);
    mu_jw_kv_string(w, "state", mu_task_state_name((enum mu_task_state)f->state));
    mu_jw_kv_string(w, "taskId", f->task_id);
    mu_jw_kv_string(w, "slaveId", f->agent_id);
    mrt_time_write(w, "timestamp", f->wall_ms);
    mrt_time_write(w, "version", f->version_ms);
    mu_jw_object_end(w);
}

void mrt_app_write(struct mu_jw *w,
                   const struct mu_app *app,
                   const struct mrt_app_parts *parts)
{
    mu_jw_object_begin(w);
    definition_write(w, app);
    const struct mu_app_row *row = parts == NULL ? NULL : parts->row;
    if (row != NULL && parts->counts) {
        mu_jw_kv_int(w, "tasksStaged", row->staged);
        mu_jw_kv_int(w, "tasksRunning", row->running);
        mu_jw_kv_int(w, "tasksHealthy", row->healthy);
        mu_jw_kv_int(w, "tasksUnhealthy", row->unhealthy);
    }
    if (row != NULL && parts->deployments) {
        mu_jw_key(w, "deployments");
        mu_jw_array_begin(w);
        for (size_t i = 0; i < row->deployment_count; i++) {
            mu_jw_object_begin(w);
            mu_jw_kv_string(w, "id", row->deployments[i]);
            mu_jw_object_end(w);
        }
        mu_jw_array_end(w);
    }
    if (parts != NULL && parts->write_tasks != NULL) {
        mu_jw_key(w, "tasks");
        mu_jw_array_begin(w);
        parts->write_tasks(parts->arg, w, app->id);
        mu_jw_array_end(w);
    }
    if (parts != NULL && parts->readiness) {
        mu_jw_key(w, "readinessCheckResults");
        mu_jw_array_begin(w);
        mu_jw_array_end(w);
    }
    if (parts != NULL && parts->write_stats != NULL) {
        mu_jw_key(w, "taskStats");
        parts->write_stats(parts->arg, w, app);
    }
    if (row != NULL && parts->last_failure && row->last_failure != NULL) {
        failure_write(w, app->id, row->last_failure);
    }
    mu_jw_object_end(w);
}

void mrt_ports_write(struct mu_jw *w, const struct mu_app_task_row *t)
{
    mu_jw_key(w, "ports");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < t->port_count; i++) {
        mu_jw_int(w, t->ports[i]);
    }
    mu_jw_array_end(w);
}

void mrt_addresses_write(struct mu_jw *w, const char *ip)
{
    mu_jw_key(w, "ipAddresses");
    mu_jw_array_begin(w);
    if (ip != NULL && ip[0] != '\0') {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "ipAddress", ip);
        mu_jw_kv_string(w, "protocol", strchr(ip, ':') == NULL ? "IPv4" : "IPv6");
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

void mrt_task_write(struct mu_jw *w, const struct mu_app_task_row *t)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", t->id);
    mu_jw_kv_string(w, "appId", t->app_id);
    mu_jw_kv_string(w, "slaveId", t->agent_id);
    mu_jw_kv_string(w, "host", t->host);
    mu_jw_kv_string(w, "state", mu_task_state_name((enum mu_task_state)t->state));
    mrt_ports_write(w, t);
    if (t->app != NULL) {
        service_ports_write(w, "servicePorts", t->app);
    }
    mrt_addresses_write(w, t->ip);
    mrt_time_write(w, "stagedAt", t->staged_ms);
    if (t->started_ms != 0) {
        mrt_time_write(w, "startedAt", t->started_ms);
    } else {
        mu_jw_key(w, "startedAt");
        mu_jw_null(w);
    }
    mrt_time_write(w, "version", t->version_ms);
    mu_jw_object_end(w);
}
