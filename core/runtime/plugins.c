/* See plugins.h. */
#include "runtime/plugins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/host.h"
#include "runtime/loader.h"

static struct runtime_plugin *find(struct runtime *rt, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < rt->plugin_count; i++) {
        const struct mu_plugin *p = rt->plugins[i].plugin;
        if (name != NULL && p->kind == kind && strcmp(p->name, name) == 0) {
            return &rt->plugins[i];
        }
    }
    return NULL;
}

static void assign(struct runtime *rt)
{
    const struct options_selection *s = &rt->options->plugins;
    rt->election = find(rt, MU_KIND_ELECTION, s->election);
    rt->registry = find(rt, MU_KIND_REGISTRY, s->registry);
    rt->app_registry = find(rt, MU_KIND_REGISTRY, s->app_registry);
    for (size_t i = 0; i < s->containerizer_count; i++) {
        rt->containerizers[i] = find(rt, MU_KIND_CONTAINERIZER, s->containerizers[i]);
    }
    for (size_t i = 0; i < s->api_count; i++) {
        rt->apis[i] = find(rt, MU_KIND_API, s->apis[i]);
    }
}

static int
create_one(struct runtime *rt, const struct plugin_choice *choice, struct mu_buf *errors)
{
    MU_ASSERT(rt->plugin_count < RUNTIME_PLUGINS_MAX);
    struct runtime_plugin *p = &rt->plugins[rt->plugin_count];
    const struct mu_plugin *plugin = choice->plugin;
    struct mu_error err = {.text = "no reason given"};
    char label[96];
    (void)snprintf(label, sizeof(label), "%s_%s", loader_kind_name(plugin->kind),
                   plugin->name);
    *p = (struct runtime_plugin){.plugin = plugin, .host = rt_host_view(rt->rt, label)};
    int status = plugin->create(p->host, choice->values, &p->instance, &err);
    if (status < 0) {
        (void)mu_buf_printf(errors, "%s: %s\n", label, err.text);
        return MU_E_PLUGIN;
    }
    rt->plugin_count++;
    return 0;
}

int plugins_create(struct runtime *rt,
                   const struct plugin_choice *choices,
                   size_t count,
                   struct mu_buf *errors)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (create_one(rt, &choices[i], errors) < 0) {
            status = MU_E_PLUGIN;
        }
    }
    if (status == 0) {
        assign(rt);
    }
    return status;
}

int plugins_start(struct runtime *rt, uint32_t kind, struct mu_error *err)
{
    for (size_t i = 0; i < rt->plugin_count; i++) {
        struct runtime_plugin *p = &rt->plugins[i];
        if (p->plugin->kind != kind || p->is_started) {
            continue;
        }
        struct mu_error own = {.text = "no reason given"};
        int status = p->plugin->start(p->instance, &own);
        if (status < 0) {
            return mu_fail(err, status, "%s_%s: %s", loader_kind_name(kind),
                           p->plugin->name, own.text);
        }
        p->is_started = true;
    }
    return 0;
}

/* One plugins_stop: left counts the plugins, and one for the next loop turn. */
struct stopping {
    size_t left;
    mu_cb cb;
    void *arg;
};
struct stopping_one {
    struct stopping *all;
    struct runtime_plugin *plugin;
};

static void count_down(struct stopping *s)
{
    if (--s->left > 0) {
        return;
    }
    mu_cb cb = s->cb;
    void *arg = s->arg;
    free(s);
    cb(arg);
}

static void on_turn(void *arg)
{
    count_down(arg);
}

static void on_stopped(void *arg)
{
    struct stopping_one *one = arg;
    struct stopping *s = one->all;
    MU_ASSERT(one->plugin->is_stopping);
    one->plugin->is_started = false;
    one->plugin->is_stopping = false;
    free(one);
    count_down(s);
}

void plugins_stop(struct runtime *rt, uint32_t kind, mu_cb cb, void *arg)
{
    struct stopping *s = MU_NEW(struct stopping);
    *s = (struct stopping){.left = 1, .cb = cb, .arg = arg};
    (void)rt->host->timer_start(rt->host, 0, on_turn, s);
    for (size_t i = rt->plugin_count; i > 0; i--) {
        struct runtime_plugin *p = &rt->plugins[i - 1];
        if (p->plugin->kind != kind || !p->is_started || p->is_stopping) {
            continue;
        }
        p->is_stopping = true;
        struct stopping_one *one = MU_NEW(struct stopping_one);
        *one = (struct stopping_one){.all = s, .plugin = p};
        s->left++;
        p->plugin->stop(p->instance, on_stopped, one);
    }
}

void plugins_destroy(struct runtime *rt)
{
    while (rt->plugin_count > 0) {
        struct runtime_plugin *p = &rt->plugins[--rt->plugin_count];
        MU_ASSERT(!p->is_started);
        p->plugin->destroy(p->instance);
        *p = (struct runtime_plugin){0};
    }
}
