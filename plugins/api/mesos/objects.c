/* The objects that master and agent both show, in the spelling of Mesos' v0 endpoints:
 * scalars as doubles, ranges and sets as texts. */
#include "mesos.h"

#include <stdio.h>
#include <string.h>

void mso_write_time(struct mu_jw *w, const char *key, int64_t wall_ms)
{
    mu_jw_key(w, key);
    mu_jw_milli_double(w, wall_ms); /* milliseconds in thousandths are seconds */
}

static void write_value(struct mu_jw *w, const struct mu_resource *r)
{
    if (r->type == MU_VALUE_SCALAR) {
        mu_jw_milli_double(w, r->scalar_milli);
        return;
    }
    struct mu_buf text;
    mu_buf_init(&text, 1024 * 1024);
    if (r->type == MU_VALUE_RANGES) {
        mu_buf_putc(&text, '[');
        for (size_t i = 0; i < r->range_count; i++) {
            mu_buf_printf(&text, "%s%llu-%llu", i > 0 ? ", " : "",
                          (unsigned long long)r->ranges[i].begin,
                          (unsigned long long)r->ranges[i].end);
        }
        mu_buf_putc(&text, ']');
    } else {
        mu_buf_putc(&text, '{');
        for (size_t i = 0; i < r->item_count; i++) {
            mu_buf_printf(&text, "%s%s", i > 0 ? ", " : "", r->items[i]);
        }
        mu_buf_putc(&text, '}');
    }
    mu_jw_string(w, mu_buf_str(&text));
    mu_buf_release(&text);
}

static bool is_standard(const char *name)
{
    return strcmp(name, "cpus") == 0 || strcmp(name, "gpus") == 0 ||
           strcmp(name, "mem") == 0 || strcmp(name, "disk") == 0;
}

/* role NULL: of all roles together. */
static void write_of_role(struct mu_jw *w, const struct mu_resources *r, const char *role)
{
    static const char *const standard[] = {"disk", "mem", "gpus", "cpus"};
    mu_jw_object_begin(w);
    for (size_t i = 0; i < 4; i++) {
        const struct mu_resource *found =
            role == NULL ? NULL : mu_resources_find(r, standard[i], role);
        int64_t milli = role == NULL    ? mu_resources_scalar(r, standard[i])
                        : found != NULL ? found->scalar_milli
                                        : 0;
        mu_jw_key(w, standard[i]);
        mu_jw_milli_double(w, milli);
    }
    const char *last = "";
    for (size_t i = 0; i < r->count;
         i++) { /* sorted by name: a name's roles follow each other */
        const struct mu_resource *x = &r->v[i];
        if (is_standard(x->name) || strcmp(x->name, last) == 0 ||
            (role != NULL && strcmp(x->role, role) != 0)) {
            continue;
        }
        last = x->name;
        mu_jw_key(w, x->name);
        write_value(w, x);
    }
    mu_jw_object_end(w);
}

void mso_write_resources(struct mu_jw *w, const char *key, const struct mu_resources *r)
{
    mu_jw_key(w, key);
    write_of_role(w, r, NULL);
}

void mso_write_unreserved(struct mu_jw *w, const char *key, const struct mu_resources *r)
{
    mu_jw_key(w, key);
    write_of_role(w, r, "*");
}

static bool role_before(const struct mu_resources *r, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(r->v[i].role, r->v[at].role) == 0) {
            return true;
        }
    }
    return false;
}

void mso_write_reserved(struct mu_jw *w, const char *key, const struct mu_resources *r)
{
    mu_jw_key(w, key);
    mu_jw_object_begin(w);
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->v[i].role, "*") != 0 && !role_before(r, i)) {
            mu_jw_key(w, r->v[i].role);
            write_of_role(w, r, r->v[i].role);
        }
    }
    mu_jw_object_end(w);
}

/* An attribute that is a number is shown as one. */
void mso_write_attributes(struct mu_jw *w, const struct mu_pairs *p)
{
    mu_jw_key(w, "attributes");
    mu_jw_object_begin(w);
    for (size_t i = 0; p != NULL && i < p->count; i++) {
        int64_t milli;
        mu_jw_key(w, p->v[i].key);
        if (mu_milli_parse(p->v[i].value, &milli, NULL) == 0) {
            mu_jw_milli_double(w, milli);
        } else {
            mu_jw_string(w, p->v[i].value);
        }
    }
    mu_jw_object_end(w);
}

static void write_flag(void *arg, const void *row)
{
    const struct mu_flag_row *flag = row;
    struct mu_jw *w = arg;
    mu_jw_kv_string(w, flag->name, flag->value);
}

void mso_write_flags(const struct mso *m, struct mu_jw *w)
{
    mu_jw_key(w, "flags");
    mu_jw_object_begin(w);
    (void)m->core->query(m->core, MU_Q_FLAGS, NULL, write_flag, w);
    mu_jw_object_end(w);
}

/* The members of /version. No time of the build is compiled in, so that builds are
 * reproducible. */
void mso_write_build(struct mu_jw *w)
{
    mu_jw_kv_string(w, "version", MU_PLUGIN_VERSION);
    mu_jw_kv_string(w, "build_date", "");
    mu_jw_key(w, "build_time");
    mu_jw_milli_double(w, 0);
    mu_jw_kv_string(w, "build_user", "");
}

/* ---- tasks ---- */

static void write_labels(struct mu_jw *w, const struct mu_pairs *labels)
{
    mu_jw_key(w, "labels");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < labels->count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "key", labels->v[i].key);
        mu_jw_kv_string(w, "value", labels->v[i].value);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void write_status(struct mu_jw *w, const struct mu_task_status *s)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "state", mu_task_state_name((enum mu_task_state)s->state));
    mso_write_time(w, "timestamp", s->wall_ms);
    mu_jw_key(w, "container_status");
    mu_jw_object_begin(w);
    if (s->container_id.s[0] != '\0') {
        mu_jw_key(w, "container_id");
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "value", s->container_id.s);
        mu_jw_object_end(w);
    }
    if (s->ip[0] != '\0') {
        mu_jw_key(w, "network_infos");
        mu_jw_array_begin(w);
        mu_jw_object_begin(w);
        mu_jw_key(w, "ip_addresses");
        mu_jw_array_begin(w);
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "ip_address", s->ip);
        mu_jw_object_end(w);
        mu_jw_array_end(w);
        mu_jw_object_end(w);
        mu_jw_array_end(w);
    }
    mu_jw_object_end(w);
    if (s->has_healthy) {
        mu_jw_kv_bool(w, "healthy", s->healthy);
    }
    mu_jw_object_end(w);
}

static void write_container(struct mu_jw *w, const struct mu_container_info *c)
{
    static const char *const networks[] = {"HOST", "HOST", "BRIDGE", "NONE", "USER"};
    mu_jw_key(w, "container");
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "type", c->type == MU_CONTAINER_DOCKER ? "DOCKER" : "MESOS");
    if (c->image != NULL) {
        mu_jw_key(w, "docker");
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "image", c->image);
        mu_jw_kv_string(w, "network", networks[c->network]);
        mu_jw_kv_bool(w, "privileged", c->privileged);
        mu_jw_kv_bool(w, "force_pull_image", c->force_pull);
        mu_jw_object_end(w);
    }
    mu_jw_object_end(w);
}

void mso_write_task(struct mu_jw *w, const struct mso_task *t)
{
    const struct mu_task_info *info = t->info;
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", info->id.s);
    mu_jw_kv_string(w, "name", info->name == NULL ? "" : info->name);
    mu_jw_kv_string(w, "framework_id", info->framework_id.s);
    mu_jw_kv_string(w, "executor_id", "");
    mu_jw_kv_string(w, "slave_id", info->agent_id.s);
    mu_jw_kv_string(w, "state", mu_task_state_name((enum mu_task_state)t->state));
    mso_write_resources(w, "resources", &info->resources);
    mu_jw_kv_string(w, "role",
                    info->resources.count > 0 ? info->resources.v[0].role : "*");
    mu_jw_key(w, "statuses");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < t->count; i++) {
        write_status(w, &t->statuses[i]);
    }
    mu_jw_array_end(w);
    if (info->command.user != NULL) {
        mu_jw_kv_string(w, "user", info->command.user);
    }
    if (info->labels.count > 0) {
        write_labels(w, &info->labels);
    }
    if (info->discovery_json != NULL) {
        mu_jw_key(w, "discovery");
        mu_jw_raw(w, info->discovery_json, strlen(info->discovery_json));
    }
    if (info->container.type != MU_CONTAINER_NONE) {
        write_container(w, &info->container);
    }
    mu_jw_object_end(w);
}
