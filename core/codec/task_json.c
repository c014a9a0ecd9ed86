/* See task_json.h. Members that hold their zero value are left out. */
#include "codec/task_json.h"

#include <string.h>

#include "base/alloc.h"

static void command_encode(struct mu_jw *w, const struct mu_command *c)
{
    mu_jw_object_begin(w);
    if (c->has_value) {
        mu_jw_kv_string(w, "value", c->value);
    }
    mu_jw_opt_true(w, "shell", c->shell);
    if (c->args.count > 0) {
        mu_jw_key(w, "args");
        mu_strings_encode(w, &c->args);
    }
    if (c->env.count > 0) {
        mu_jw_key(w, "env");
        mu_pairs_encode(w, &c->env);
    }
    if (c->uris.count > 0) {
        mu_jw_key(w, "uris");
        mu_uris_encode(w, &c->uris);
    }
    mu_jw_opt_text(w, "user", c->user);
    mu_jw_object_end(w);
}

static void command_decode(struct mu_jr *r, const json_t *o, struct mu_command *c)
{
    c->value = mu_jr_strdup(r, o, "value");
    c->has_value = c->value != NULL;
    c->shell = mu_jr_bool(r, o, "shell");
    mu_strings_decode(r, o, "args", &c->args);
    mu_pairs_decode(r, o, "env", &c->env);
    mu_uris_decode(r, o, "uris", &c->uris);
    c->user = mu_jr_strdup(r, o, "user");
}

static void port_mappings_encode(struct mu_jw *w, const struct mu_port_mappings *p)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < p->count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_int(w, "host", p->v[i].host_port);
        mu_jw_kv_int(w, "cont", p->v[i].container_port);
        mu_jw_opt_string(w, "proto", p->v[i].protocol);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void port_mappings_decode(struct mu_jr *r,
                                 const json_t *o,
                                 const char *key,
                                 struct mu_port_mappings *out)
{
    json_t *list = mu_jr_array(r, o, key);
    size_t n = json_array_size(list);
    if (n == 0) {
        return;
    }
    out->v = mu_xcalloc(n, sizeof(*out->v));
    out->count = out->cap = n;
    for (size_t i = 0; i < n; i++) {
        json_t *e = json_array_get(list, i);
        out->v[i].host_port = (uint16_t)mu_jr_uint(r, e, "host", UINT16_MAX);
        out->v[i].container_port = (uint16_t)mu_jr_uint(r, e, "cont", UINT16_MAX);
        mu_jr_text(r, e, "proto", out->v[i].protocol, sizeof(out->v[i].protocol));
    }
}

static void container_encode(struct mu_jw *w, const struct mu_container_info *c)
{
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "type", c->type);
    mu_jw_opt_text(w, "image", c->image);
    mu_jw_opt_uint(w, "net", c->network);
    mu_jw_opt_text(w, "net_name", c->network_name);
    mu_jw_opt_text(w, "hostname", c->hostname);
    mu_jw_opt_true(w, "privileged", c->privileged);
    mu_jw_opt_true(w, "pull", c->force_pull);
    if (c->ports.count > 0) {
        mu_jw_key(w, "ports");
        port_mappings_encode(w, &c->ports);
    }
    if (c->parameters.count > 0) {
        mu_jw_key(w, "params");
        mu_pairs_encode(w, &c->parameters);
    }
    if (c->volumes.count > 0) {
        mu_jw_key(w, "volumes");
        mu_volumes_encode(w, &c->volumes);
    }
    mu_jw_object_end(w);
}

static void
container_decode(struct mu_jr *r, const json_t *o, struct mu_container_info *c)
{
    c->type = (uint32_t)mu_jr_uint(r, o, "type", MU_CONTAINER_MESOS);
    c->image = mu_jr_strdup(r, o, "image");
    c->network = (uint32_t)mu_jr_uint(r, o, "net", MU_NETWORK_USER);
    c->network_name = mu_jr_strdup(r, o, "net_name");
    c->hostname = mu_jr_strdup(r, o, "hostname");
    c->privileged = mu_jr_bool(r, o, "privileged");
    c->force_pull = mu_jr_bool(r, o, "pull");
    port_mappings_decode(r, o, "ports", &c->ports);
    mu_pairs_decode(r, o, "params", &c->parameters);
    mu_volumes_decode(r, o, "volumes", &c->volumes);
}

void task_info_encode(struct mu_jw *w, const struct mu_task_info *t)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", t->id.s);
    mu_jw_opt_string(w, "fw", t->framework_id.s);
    mu_jw_opt_string(w, "agent", t->agent_id.s);
    mu_jw_opt_text(w, "name", t->name);
    mu_jw_key(w, "res");
    mu_resources_encode(w, &t->resources);
    mu_jw_key(w, "cmd");
    command_encode(w, &t->command);
    if (t->container.type != MU_CONTAINER_NONE) {
        mu_jw_key(w, "cont");
        container_encode(w, &t->container);
    }
    if (t->labels.count > 0) {
        mu_jw_key(w, "labels");
        mu_pairs_encode(w, &t->labels);
    }
    if (t->has_kill_grace) {
        mu_jw_key(w, "grace");
        mu_jw_uint(w, t->kill_grace_ms);
    }
    mu_jw_opt_text(w, "discovery", t->discovery_json);
    mu_jw_object_end(w);
}

struct mu_task_info *task_info_decode(struct mu_jr *r, const json_t *o)
{
    if (!json_is_object(o)) {
        mu_jr_fail(r, "task", "an object was expected");
        return NULL;
    }
    struct mu_task_info *t = mu_task_info_create();
    MU_JR_ID(r, o, "id", &t->id);
    MU_JR_ID(r, o, "fw", &t->framework_id);
    MU_JR_ID(r, o, "agent", &t->agent_id);
    t->name = mu_jr_strdup(r, o, "name");
    mu_resources_decode(r, o, "res", &t->resources);
    json_t *cmd = mu_jr_object(r, o, "cmd");
    if (cmd != NULL) {
        command_decode(r, cmd, &t->command);
    }
    json_t *cont = mu_jr_object(r, o, "cont");
    if (cont != NULL) {
        container_decode(r, cont, &t->container);
    }
    mu_pairs_decode(r, o, "labels", &t->labels);
    t->has_kill_grace = json_object_get(o, "grace") != NULL;
    t->kill_grace_ms = mu_jr_uint(r, o, "grace", INT64_MAX);
    t->discovery_json = mu_jr_strdup(r, o, "discovery");
    if (MU_ID_EMPTY(t->id)) {
        mu_jr_fail(r, "id", "a task needs one");
    }
    if (r->status < 0) {
        mu_task_info_unref(t);
        return NULL;
    }
    return t;
}

void task_status_encode(struct mu_jw *w, const struct mu_task_status *s)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "task", s->task_id.s);
    mu_jw_opt_string(w, "fw", s->framework_id.s);
    mu_jw_opt_string(w, "agent", s->agent_id.s);
    mu_jw_opt_string(w, "container", s->container_id.s);
    mu_jw_opt_string(w, "uuid", s->uuid.s);
    mu_jw_kv_int(w, "state", s->state);
    mu_jw_opt_uint(w, "source", s->source);
    mu_jw_opt_string(w, "reason", s->reason);
    mu_jw_opt_string(w, "message", s->message);
    mu_jw_opt_int(w, "time", s->wall_ms);
    if (s->has_healthy) {
        mu_jw_kv_bool(w, "healthy", s->healthy);
    }
    mu_jw_opt_string(w, "ip", s->ip);
    mu_jw_object_end(w);
}

void task_status_decode(struct mu_jr *r, const json_t *o, struct mu_task_status *out)
{
    *out = (struct mu_task_status){0};
    MU_JR_ID(r, o, "task", &out->task_id);
    MU_JR_ID(r, o, "fw", &out->framework_id);
    MU_JR_ID(r, o, "agent", &out->agent_id);
    MU_JR_ID(r, o, "container", &out->container_id);
    MU_JR_ID(r, o, "uuid", &out->uuid);
    out->state = (uint32_t)mu_jr_uint(r, o, "state", MU_TASK_STATE_COUNT - 1);
    out->source = (uint32_t)mu_jr_uint(r, o, "source", MU_SOURCE_EXECUTOR);
    mu_jr_text(r, o, "reason", out->reason, sizeof(out->reason));
    mu_jr_text(r, o, "message", out->message, sizeof(out->message));
    out->wall_ms = mu_jr_int(r, o, "time");
    out->has_healthy = json_object_get(o, "healthy") != NULL;
    out->healthy = mu_jr_bool(r, o, "healthy");
    mu_jr_text(r, o, "ip", out->ip, sizeof(out->ip));
}
