/* One task's description: command, container, discovery.
 *
 * A definition with cmd is a shell command; with args a program (its first word is the
 * program for a native task, all words go to the image's entrypoint otherwise); with
 * neither, the image's own entrypoint runs.
 */
#include <stdlib.h>
#include <string.h>

#include <muster/json_writer.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "scheduler/env.h"

#define DISCOVERY_MAX (256u * 1024)

/* The segments between slashes, in order; pieces point into id. */
struct segments {
    struct segment {
        const char *text;
        size_t len;
    } * v;
    size_t count, cap;
};

static void split_id(const char *id, struct segments *out)
{
    while (*id != '\0') {
        size_t len = strcspn(id, "/");
        if (len > 0) {
            MU_VEC_PUSH(out, ((struct segment){id, len}));
        }
        id += len;
        id += *id == '/';
    }
}

static char *join(const char *id, char between, bool reversed)
{
    struct segments s = {0};
    struct mu_buf out;
    mu_buf_init(&out, strlen(id) + 1);
    split_id(id, &s);
    for (size_t i = 0; i < s.count; i++) {
        const struct segment *piece = &s.v[reversed ? s.count - 1 - i : i];
        if (i > 0) {
            (void)mu_buf_putc(&out, between);
        }
        (void)mu_buf_append(&out, piece->text, piece->len);
    }
    MU_VEC_RELEASE(&s);
    return mu_buf_take(&out);
}

char *app_id_safe_path(const char *id)
{
    return join(id, '_', false);
}

char *app_id_hostname(const char *id)
{
    return join(id, '.', true);
}

static void build_command(const struct task_place *place, struct mu_command *c)
{
    const struct mu_app *app = place->app;
    if (app->cmd != NULL) {
        c->has_value = true;
        c->shell = true;
        c->value = mu_xstrdup(app->cmd);
    } else if (app->has_args) {
        mu_strings_copy(&c->args, &app->args);
        if (app->image == NULL && app->args.count > 0) {
            c->has_value = true;
            c->value = mu_xstrdup(app->args.v[0]);
        }
    }
    const char *user = app->user != NULL ? app->user : place->default_user;
    c->user = mu_xstrdup(user);
    env_build(place, &c->env);
    mu_uris_copy(&c->uris, &app->fetch);
}

static uint32_t network_of(uint32_t app_network)
{
    switch ((enum mu_app_network)app_network) {
    case MU_APP_NET_HOST:
        return MU_NETWORK_HOST;
    case MU_APP_NET_BRIDGE:
        return MU_NETWORK_BRIDGE;
    case MU_APP_NET_CONTAINER:
        return MU_NETWORK_USER;
    case MU_APP_NET_NONE:
        return MU_NETWORK_NONE;
    }
    return MU_NETWORK_HOST;
}

/* One mapping per protocol: "udp,tcp" makes two. */
static void add_mappings(const struct task_place *place, struct mu_container_info *c)
{
    const struct mu_app *app = place->app;
    for (size_t i = 0; i < app->mapping_count; i++) {
        const struct mu_app_port_mapping *m = &app->mappings[i];
        uint16_t host = place->host_ports[i];
        if (host == 0) {
            continue;
        }
        uint16_t inside = m->container_port != 0 ? m->container_port : host;
        const char *protocol = m->protocol != NULL ? m->protocol : "tcp";
        if (strstr(protocol, "udp") != NULL) {
            (void)mu_port_mappings_add(&c->ports, host, inside, "udp");
        }
        if (strstr(protocol, "tcp") != NULL) {
            (void)mu_port_mappings_add(&c->ports, host, inside, "tcp");
        }
    }
}

static void build_container(const struct task_place *place, struct mu_container_info *c)
{
    const struct mu_app *app = place->app;
    c->network = network_of(app->network_mode);
    if (app->network_mode == MU_APP_NET_CONTAINER && app->network_names.count > 0) {
        c->network_name = mu_xstrdup(app->network_names.v[0]);
    }
    if (app->network_mode != MU_APP_NET_HOST) {
        add_mappings(place, c);
    }
    if (!app->has_container) {
        return;
    }
    c->type = app->container_type;
    c->image = mu_xstrdup(app->image);
    c->privileged = app->privileged;
    c->force_pull = app->force_pull;
    mu_pairs_copy(&c->parameters, &app->parameters);
    mu_volumes_copy(&c->volumes, &app->volumes);
}

static void write_port(struct mu_jw *w, const struct task_place *place, size_t i)
{
    const struct mu_app *app = place->app;
    bool host_net = app->network_mode == MU_APP_NET_HOST;
    const char *name = host_net ? app->ports[i].name : app->mappings[i].name;
    const char *protocol = host_net ? app->ports[i].protocol : app->mappings[i].protocol;
    const struct mu_pairs *labels =
        host_net ? &app->ports[i].labels : &app->mappings[i].labels;
    bool container_scope = place->host_ports[i] == 0;
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "number", task_effective_port(place, i));
    if (name != NULL) {
        mu_jw_kv_string(w, "name", name);
    }
    mu_jw_kv_string(w, "protocol", protocol != NULL ? protocol : "tcp");
    mu_jw_key(w, "labels");
    mu_jw_object_begin(w);
    mu_jw_key(w, "labels");
    mu_jw_array_begin(w);
    for (size_t l = 0; l < labels->count; l++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "key", labels->v[l].key);
        mu_jw_kv_string(w, "value", labels->v[l].value);
        mu_jw_object_end(w);
    }
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "key", "network-scope");
    mu_jw_kv_string(w, "value", container_scope ? "container" : "host");
    mu_jw_object_end(w);
    mu_jw_array_end(w);
    mu_jw_object_end(w);
    mu_jw_object_end(w);
}

static char *build_discovery(const struct task_place *place, const char *name)
{
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, DISCOVERY_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "visibility", "FRAMEWORK");
    mu_jw_kv_string(&w, "name", name);
    mu_jw_key(&w, "ports");
    mu_jw_object_begin(&w);
    mu_jw_key(&w, "ports");
    mu_jw_array_begin(&w);
    for (size_t i = 0; i < place->port_count; i++) {
        write_port(&w, place, i);
    }
    mu_jw_array_end(&w);
    mu_jw_object_end(&w);
    mu_jw_object_end(&w);
    if (!mu_buf_ok(&out)) { /* labels beyond reason: the task goes without */
        mu_buf_release(&out);
        return NULL;
    }
    return mu_buf_take(&out);
}

struct mu_task_info *task_info_build(const struct task_place *place,
                                     struct mu_resources *resources)
{
    struct mu_task_info *t = mu_task_info_create();
    t->id = place->task_id;
    t->framework_id = place->framework_id;
    t->agent_id = place->agent_id;
    t->name = app_id_hostname(place->app->id);
    t->resources = *resources;
    mu_resources_init(resources);
    build_command(place, &t->command);
    build_container(place, &t->container);
    mu_pairs_copy(&t->labels, &place->app->labels);
    t->has_kill_grace = place->app->has_kill_grace;
    t->kill_grace_ms = place->app->kill_grace_ms;
    t->discovery_json = build_discovery(place, t->name);
    return t;
}
