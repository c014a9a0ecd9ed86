/* See app_json.h. */
#include "codec/app_json.h"

#include <stdlib.h>

#include "base/alloc.h"

static void ports_encode(struct mu_jw *w, const struct mu_app *a)
{
    mu_jw_key(w, "ports");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < a->port_count; i++) {
        const struct mu_port_definition *p = &a->ports[i];
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "port", p->port);
        mu_jw_opt_text(w, "proto", p->protocol);
        mu_jw_opt_text(w, "name", p->name);
        mu_jw_key(w, "labels");
        mu_pairs_encode(w, &p->labels);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_key(w, "mappings");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < a->mapping_count; i++) {
        const struct mu_app_port_mapping *p = &a->mappings[i];
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "cont", p->container_port);
        if (p->has_host_port) {
            mu_jw_kv_int(w, "host", p->host_port);
        }
        mu_jw_kv_int(w, "service", p->service_port);
        mu_jw_opt_text(w, "proto", p->protocol);
        mu_jw_opt_text(w, "name", p->name);
        mu_jw_key(w, "labels");
        mu_pairs_encode(w, &p->labels);
        mu_jw_key(w, "nets");
        mu_strings_encode(w, &p->network_names);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void ports_decode(struct mu_jr *r, const json_t *o, struct mu_app *a)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, "ports"), i, e) {
        struct mu_port_definition *p = mu_app_add_port(a);
        p->port = (uint16_t)mu_jr_uint(r, e, "port", UINT16_MAX);
        p->protocol = mu_jr_strdup(r, e, "proto");
        p->name = mu_jr_strdup(r, e, "name");
        mu_pairs_decode(r, e, "labels", &p->labels);
    }
    json_array_foreach (mu_jr_array(r, o, "mappings"), i, e) {
        struct mu_app_port_mapping *p = mu_app_add_mapping(a);
        p->container_port = (uint16_t)mu_jr_uint(r, e, "cont", UINT16_MAX);
        p->has_host_port = json_object_get(e, "host") != NULL;
        p->host_port = (uint16_t)mu_jr_uint(r, e, "host", UINT16_MAX);
        p->service_port = (uint16_t)mu_jr_uint(r, e, "service", UINT16_MAX);
        p->protocol = mu_jr_strdup(r, e, "proto");
        p->name = mu_jr_strdup(r, e, "name");
        mu_pairs_decode(r, e, "labels", &p->labels);
        mu_strings_decode(r, e, "nets", &p->network_names);
    }
}

static void container_encode(struct mu_jw *w, const struct mu_app *a)
{
    if (!a->has_container) {
        return;
    }
    mu_jw_key(w, "container");
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "type", a->container_type);
    mu_jw_opt_text(w, "image", a->image);
    mu_jw_opt_true(w, "pull", a->force_pull);
    mu_jw_opt_true(w, "privileged", a->privileged);
    mu_jw_key(w, "params");
    mu_pairs_encode(w, &a->parameters);
    mu_jw_key(w, "volumes");
    mu_volumes_encode(w, &a->volumes);
    mu_jw_object_end(w);
}

static void container_decode(struct mu_jr *r, const json_t *o, struct mu_app *a)
{
    json_t *c = mu_jr_object(r, o, "container");
    if (c == NULL) {
        return;
    }
    a->has_container = true;
    a->container_type = (uint32_t)mu_jr_uint(r, c, "type", MU_CONTAINER_MESOS);
    a->image = mu_jr_strdup(r, c, "image");
    a->force_pull = mu_jr_bool(r, c, "pull");
    a->privileged = mu_jr_bool(r, c, "privileged");
    mu_pairs_decode(r, c, "params", &a->parameters);
    mu_volumes_decode(r, c, "volumes", &a->volumes);
}

static void placement_encode(struct mu_jw *w, const struct mu_app *a)
{
    mu_jw_key(w, "constraints");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < a->constraint_count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "field", a->constraints[i].field);
        mu_jw_kv_int(w, "op", a->constraints[i].op);
        mu_jw_opt_text(w, "value", a->constraints[i].value);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
    mu_jw_opt_true(w, "has_roles", a->has_accepted_roles);
    mu_jw_key(w, "roles");
    mu_strings_encode(w, &a->accepted_roles);
    mu_jw_opt_text(w, "role", a->role);
    mu_jw_key(w, "deps");
    mu_strings_encode(w, &a->dependencies);
}

static void placement_decode(struct mu_jr *r, const json_t *o, struct mu_app *a)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, "constraints"), i, e) {
        struct mu_constraint *c = mu_app_add_constraint(a);
        c->field = mu_jr_strdup(r, e, "field");
        c->op = (uint32_t)mu_jr_uint(r, e, "op", MU_OP_IS);
        c->value = mu_jr_strdup(r, e, "value");
        if (c->field == NULL || c->op == 0) {
            mu_jr_fail(r, "constraints", "a field and an operator were expected");
        }
    }
    a->has_accepted_roles = mu_jr_bool(r, o, "has_roles");
    mu_strings_decode(r, o, "roles", &a->accepted_roles);
    a->role = mu_jr_strdup(r, o, "role");
    mu_strings_decode(r, o, "deps", &a->dependencies);
}

static void timing_encode(struct mu_jw *w, const struct mu_app *a)
{
    mu_jw_kv_int(w, "min_health", a->upgrade.min_health_ppm);
    mu_jw_kv_int(w, "max_over", a->upgrade.max_over_ppm);
    mu_jw_kv_int(w, "backoff", (int64_t)a->backoff_ms);
    mu_jw_kv_int(w, "factor", a->backoff_factor_milli);
    mu_jw_kv_int(w, "max_delay", (int64_t)a->max_launch_delay_ms);
    if (a->has_kill_grace) {
        mu_jw_kv_int(w, "grace", (int64_t)a->kill_grace_ms);
    }
    mu_jw_opt_true(w, "unreachable_off", a->unreachable.disabled);
    mu_jw_kv_int(w, "inactive", (int64_t)a->unreachable.inactive_after_ms);
    mu_jw_kv_int(w, "expunge", (int64_t)a->unreachable.expunge_after_ms);
    mu_jw_opt_true(w, "oldest", a->kill_oldest_first);
    mu_jw_kv_int(w, "version", a->version_ms);
    mu_jw_kv_int(w, "scaled", a->last_scaling_ms);
    mu_jw_kv_int(w, "changed", a->last_config_ms);
}

static void timing_decode(struct mu_jr *r, const json_t *o, struct mu_app *a)
{
    a->upgrade.min_health_ppm = (uint32_t)mu_jr_uint(r, o, "min_health", 1000000);
    a->upgrade.max_over_ppm = (uint32_t)mu_jr_uint(r, o, "max_over", 1000000);
    a->backoff_ms = mu_jr_uint(r, o, "backoff", INT64_MAX);
    a->backoff_factor_milli = (uint32_t)mu_jr_uint(r, o, "factor", UINT32_MAX);
    a->max_launch_delay_ms = mu_jr_uint(r, o, "max_delay", INT64_MAX);
    a->has_kill_grace = json_object_get(o, "grace") != NULL;
    a->kill_grace_ms = mu_jr_uint(r, o, "grace", INT64_MAX);
    a->unreachable.disabled = mu_jr_bool(r, o, "unreachable_off");
    a->unreachable.inactive_after_ms = mu_jr_uint(r, o, "inactive", INT64_MAX);
    a->unreachable.expunge_after_ms = mu_jr_uint(r, o, "expunge", INT64_MAX);
    a->kill_oldest_first = mu_jr_bool(r, o, "oldest");
    a->version_ms = mu_jr_int(r, o, "version");
    a->last_scaling_ms = mu_jr_int(r, o, "scaled");
    a->last_config_ms = mu_jr_int(r, o, "changed");
}

void app_encode(struct mu_jw *w, const struct mu_app *a)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", a->id);
    mu_jw_opt_text(w, "cmd", a->cmd);
    if (a->has_args) {
        mu_jw_key(w, "args");
        mu_strings_encode(w, &a->args);
    }
    mu_jw_opt_text(w, "user", a->user);
    mu_jw_key(w, "env");
    mu_pairs_encode(w, &a->env);
    mu_jw_key(w, "labels");
    mu_pairs_encode(w, &a->labels);
    mu_jw_kv_int(w, "instances", a->instances);
    mu_jw_kv_int(w, "cpus", a->cpus_milli);
    mu_jw_kv_int(w, "mem", a->mem_milli);
    mu_jw_kv_int(w, "disk", a->disk_milli);
    mu_jw_kv_int(w, "gpus", a->gpus);
    mu_jw_opt_text(w, "executor", a->executor);
    mu_jw_key(w, "fetch");
    mu_uris_encode(w, &a->fetch);
    mu_jw_kv_int(w, "net", a->network_mode);
    mu_jw_key(w, "nets");
    mu_strings_encode(w, &a->network_names);
    mu_jw_opt_true(w, "require_ports", a->require_ports);
    ports_encode(w, a);
    container_encode(w, a);
    placement_encode(w, a);
    timing_encode(w, a);
    mu_jw_opt_text(w, "extra", a->extra_json);
    mu_jw_object_end(w);
}

struct mu_app *app_decode(struct mu_jr *r, const json_t *o)
{
    const char *id = mu_jr_string(r, o, "id");
    if (id == NULL) {
        mu_jr_fail(r, "id", "an app needs one");
        return NULL;
    }
    struct mu_app *a = mu_app_create();
    mu_app_clear_ports(a);
    free(a->id);
    a->id = mu_xstrdup(id);
    a->cmd = mu_jr_strdup(r, o, "cmd");
    a->has_args = json_object_get(o, "args") != NULL;
    mu_strings_decode(r, o, "args", &a->args);
    a->user = mu_jr_strdup(r, o, "user");
    mu_pairs_decode(r, o, "env", &a->env);
    mu_pairs_decode(r, o, "labels", &a->labels);
    a->instances = (uint32_t)mu_jr_uint(r, o, "instances", UINT32_MAX);
    a->cpus_milli = mu_jr_int(r, o, "cpus");
    a->mem_milli = mu_jr_int(r, o, "mem");
    a->disk_milli = mu_jr_int(r, o, "disk");
    a->gpus = (uint32_t)mu_jr_uint(r, o, "gpus", UINT32_MAX);
    free(a->executor);
    a->executor = mu_jr_strdup(r, o, "executor");
    mu_uris_decode(r, o, "fetch", &a->fetch);
    a->network_mode = (uint32_t)mu_jr_uint(r, o, "net", MU_APP_NET_NONE);
    mu_strings_decode(r, o, "nets", &a->network_names);
    a->require_ports = mu_jr_bool(r, o, "require_ports");
    ports_decode(r, o, a);
    container_decode(r, o, a);
    placement_decode(r, o, a);
    timing_decode(r, o, a);
    a->extra_json = mu_jr_strdup(r, o, "extra");
    if (r->status < 0) {
        mu_app_unref(a);
        return NULL;
    }
    return a;
}
