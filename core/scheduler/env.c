/* The variables Marathon gives its tasks, in its order and spelling. Numbers of resources
 * are doubles with at least one decimal ("128.0"), gpus an integer.
 */
#include "scheduler/env.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/time.h>

#include "base/alloc.h"

#define LABEL_KEY_MAX 493u /* name of the variable at most 512 bytes */
#define VALUE_MAX 512u
#define LABEL_NAMES_MAX (1024u * 1024)
#define GENERATED_PORT_FIRST 1025u

static void set_number(struct mu_pairs *env, const char *key, uint64_t n)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, n);
    mu_pairs_set(env, key, text);
}

static char *upper(const char *s)
{
    char *out = mu_xstrdup(s);
    for (char *c = out; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return out;
}

static void set_named(struct mu_pairs *env, const char *name, uint16_t port)
{
    mu_auto_free char *up = upper(name);
    mu_auto_free char *key = mu_xasprintf("PORT_%s", up);
    set_number(env, key, port);
}

void env_add_ports(struct mu_pairs *env,
                   const uint16_t *requested,
                   const uint16_t *effective,
                   const char *const *names,
                   size_t count)
{
    if (count == 0) {
        return;
    }
    struct mu_buf list;
    mu_buf_init(&list, count * 6 + 1);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "PORT%zu", i);
        set_number(env, key, effective[i]);
        (void)snprintf(key, sizeof(key), "PORT_%u",
                       requested[i] != 0 ? requested[i] : effective[i]);
        set_number(env, key, effective[i]);
        (void)mu_buf_printf(&list, i == 0 ? "%u" : ",%u", effective[i]);
        if (names[i] != NULL) {
            set_named(env, names[i], effective[i]);
        }
    }
    set_number(env, "PORT", effective[0]);
    mu_pairs_set(env, "PORTS", mu_buf_str(&list));
    mu_buf_release(&list);
}

uint16_t task_effective_port(const struct task_place *place, size_t i)
{
    if (place->host_ports[i] != 0) {
        return place->host_ports[i];
    }
    const struct mu_app *app = place->app;
    uint16_t inside =
        app->network_mode == MU_APP_NET_HOST ? 0 : app->mappings[i].container_port;
    return inside != 0 ? inside : (uint16_t)(GENERATED_PORT_FIRST + i);
}

static void add_port_variables(const struct task_place *place, struct mu_pairs *env)
{
    const struct mu_app *app = place->app;
    bool host_net = app->network_mode == MU_APP_NET_HOST;
    size_t count = place->port_count;
    uint16_t *requested = mu_xcalloc(count, sizeof(*requested));
    uint16_t *effective = mu_xcalloc(count, sizeof(*effective));
    const char **names = mu_xcalloc(count, sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        requested[i] = host_net ? app->ports[i].port : app->mappings[i].container_port;
        effective[i] = task_effective_port(place, i);
        names[i] = host_net ? app->ports[i].name : app->mappings[i].name;
    }
    env_add_ports(env, requested, effective, names, count);
    free(requested);
    free(effective);
    free(names);
}

static void set_milli(struct mu_pairs *env, const char *key, int64_t milli)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64 ".%03d", milli / 1000,
                   (int)(milli % 1000));
    size_t len = strlen(text);
    while (text[len - 1] == '0' && text[len - 2] != '.') {
        text[--len] = '\0';
    }
    mu_pairs_set(env, key, text);
}

/* Upper case, every run of other characters than letters, digits and '_' one '_'. */
static char *label_variable(const char *label)
{
    char *out = mu_xstrdup(label);
    size_t len = 0;
    for (const char *c = label; *c != '\0'; c++) {
        bool word = isalnum((unsigned char)*c) || *c == '_';
        if (word) {
            out[len++] = (char)toupper((unsigned char)*c);
        } else if (c == label || isalnum((unsigned char)c[-1]) || c[-1] == '_') {
            out[len++] = '_';
        }
    }
    out[len] = '\0';
    return out;
}

static void add_labels(const struct mu_app *app, struct mu_pairs *env)
{
    struct mu_buf names;
    mu_buf_init(&names, LABEL_NAMES_MAX);
    for (size_t i = 0; i < app->labels.count; i++) {
        const struct mu_pair *l = &app->labels.v[i];
        if (strlen(l->key) >= LABEL_KEY_MAX || strlen(l->value) >= VALUE_MAX) {
            continue;
        }
        mu_auto_free char *name = label_variable(l->key);
        mu_auto_free char *key = mu_xasprintf("MARATHON_APP_LABEL_%s", name);
        mu_pairs_set(env, key, l->value);
        (void)mu_buf_printf(&names, names.len == 0 ? "%s" : " %s", name);
    }
    mu_pairs_set(env, "MARATHON_APP_LABELS", mu_buf_str(&names));
    mu_buf_release(&names);
}

void env_build(const struct task_place *place, struct mu_pairs *out)
{
    const struct mu_app *app = place->app;
    char version[MU_TIME_TEXT];
    mu_time_format(app->version_ms, version);
    mu_pairs_set(out, "MESOS_TASK_ID", place->task_id.s);
    mu_pairs_set(out, "MARATHON_APP_ID", app->id);
    mu_pairs_set(out, "MARATHON_APP_VERSION", version);
    if (app->container_type == MU_CONTAINER_DOCKER && app->image != NULL) {
        mu_pairs_set(out, "MARATHON_APP_DOCKER_IMAGE", app->image);
    }
    set_milli(out, "MARATHON_APP_RESOURCE_CPUS", app->cpus_milli);
    set_milli(out, "MARATHON_APP_RESOURCE_MEM", app->mem_milli);
    set_milli(out, "MARATHON_APP_RESOURCE_DISK", app->disk_milli);
    set_number(out, "MARATHON_APP_RESOURCE_GPUS", app->gpus);
    mu_pairs_set(out, "MARATHON_APP_ENFORCE_GROUP_ROLE", "FALSE");
    add_labels(app, out);
    mu_pairs_set(out, "HOST", place->host);
    add_port_variables(place, out);
    for (size_t i = 0; i < app->env.count; i++) {
        mu_pairs_set(out, app->env.v[i].key, app->env.v[i].value);
    }
}
