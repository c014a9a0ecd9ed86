/* See contract_kit.h. */
#include "contract/contract_kit.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/flag_values.h"

#define WALL_MS INT64_C(1400000000000)
#define TURNS 20
#define TIMEOUT_MS 20000

struct mu_timer {
    struct mu_timer *next;
    uint64_t due_ms;
    mu_cb cb;
    void *arg;
};

/* ---- the virtual host ---- */

static struct kit *kit_of(const struct mu_host *h)
{
    return h->impl;
}

static void
virtual_log(const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    (void)h;
    (void)fmt;
    if (level <= MU_WARN) {
        fprintf(stderr, "%s\n", message);
    }
}

static uint64_t virtual_now_ms(const struct mu_host *h)
{
    return kit_of(h)->now_ms;
}

static int64_t virtual_wall_ms(const struct mu_host *h)
{
    return WALL_MS + (int64_t)kit_of(h)->now_ms - kit_of(h)->wall_back_ms;
}

static uint64_t virtual_random(const struct mu_host *h)
{
    (void)h;
    return 4;
}

static struct uv_loop_s *virtual_loop(const struct mu_host *h)
{
    (void)h;
    return NULL;
}

static const char *virtual_work_dir(const struct mu_host *h)
{
    (void)h;
    return NULL;
}

static struct mu_timer *
virtual_timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct kit *k = kit_of(h);
    struct mu_timer *t = MU_NEW(struct mu_timer);
    *t = (struct mu_timer){.due_ms = k->now_ms + delay_ms, .cb = cb, .arg = arg};
    struct mu_timer **at = &k->timers;
    while (*at != NULL && (*at)->due_ms <= t->due_ms) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    return t;
}

static void virtual_timer_cancel(const struct mu_host *h, struct mu_timer *t)
{
    struct mu_timer **at = &kit_of(h)->timers;
    while (t != NULL && *at != t) {
        assert_non_null(*at); /* dead already */
        at = &(*at)->next;
    }
    if (t != NULL) {
        *at = t->next;
        free(t);
    }
}

static bool virtual_turn(struct kit *k)
{
    struct mu_timer *t = k->timers;
    if (t == NULL) {
        return false;
    }
    k->timers = t->next;
    k->now_ms = t->due_ms;
    mu_cb cb = t->cb;
    void *arg = t->arg;
    free(t);
    cb(arg);
    return true;
}

static const struct mu_host virtual_table = {
    .struct_size = sizeof(struct mu_host),
    .abi_major = MU_ABI_MAJOR,
    .abi_minor = MU_ABI_MINOR,
    .log = virtual_log,
    .now_ms = virtual_now_ms,
    .wall_ms = virtual_wall_ms,
    .random = virtual_random,
    .loop = virtual_loop,
    .timer_start = virtual_timer_start,
    .timer_cancel = virtual_timer_cancel,
    .work_dir = virtual_work_dir,
};

/* ---- the plugin ---- */

_Noreturn static void fail_load(const char *what, const char *subject)
{
    fprintf(stderr, "%s '%s'\n", what, subject);
    exit(2);
}

static void load_plugin(struct kit *k, const char *path, uint32_t kind)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fail_load("cannot load", dlerror());
    }
    k->plugin = dlsym(handle, "mu_plugin");
    if (k->plugin == NULL || k->plugin->magic != MU_PLUGIN_MAGIC ||
        k->plugin->abi_major != MU_ABI_MAJOR || k->plugin->abi_minor != MU_ABI_MINOR ||
        k->plugin->struct_size != sizeof(struct mu_plugin) || k->plugin->kind != kind) {
        fail_load("not a plugin of this kind and build", path);
    }
}

static void assign_flag(struct kit *k, const char *argument)
{
    const char *equals = strchr(argument, '=');
    struct mu_error err;
    if (strncmp(argument, "--", 2) != 0 || equals == NULL) {
        fail_load("not an argument of a contract suite:", argument);
    }
    mu_auto_free char *name = mu_xstrndup(argument + 2, (size_t)(equals - argument) - 2);
    const char *place = strchr(equals + 1, '@');
    mu_auto_free char *value = place == NULL
                                   ? mu_xstrdup(equals + 1)
                                   : mu_xasprintf("%.*s%u%s", (int)(place - equals - 1),
                                                  equals + 1, k->world, place + 1);
    if (mu_flags_assign(k->flags, name, value, &err) < 0) {
        fail_load(err.text, argument);
    }
}

void kit_load(struct kit *k, int argc, char **argv, uint32_t kind)
{
    static const struct mu_flag no_flags[] = {{0}};
    *k = (struct kit){0};
    if (argc < 2) {
        fail_load("a plugin's path is missing after", argv[0]);
    }
    load_plugin(k, argv[1], kind);
    struct mu_error err;
    const struct mu_flag *table = k->plugin->flags != NULL ? k->plugin->flags : no_flags;
    if (mu_flags_create(table, &k->flags, &err) < 0) {
        fail_load(err.text, argv[1]);
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "virtual") == 0) {
            k->is_virtual = true;
        } else if (strcmp(argv[i], "durable") == 0) {
            k->is_durable = true;
        } else {
            MU_ASSERT(k->argument_count < MU_COUNT_OF(k->arguments));
            k->arguments[k->argument_count++] = argv[i];
        }
    }
}

void kit_unload(struct kit *k)
{
    mu_flags_destroy(k->flags);
}

void kit_host_open(struct kit *k)
{
    k->world++;
    for (size_t i = 0; i < k->argument_count; i++) {
        assign_flag(k, k->arguments[i]);
    }
    if (k->is_virtual) {
        k->table = virtual_table;
        k->table.impl = k;
        k->host = &k->table;
    } else {
        k->th = test_host_open();
        k->host = k->th->host;
    }
}

void kit_create(struct kit *k)
{
    struct mu_error err;
    if (k->plugin->create(k->host, k->flags, &k->instance, &err) < 0) {
        fail_msg("create: %s", err.text);
    }
}

void kit_start(struct kit *k)
{
    struct mu_error err;
    if (k->plugin->start(k->instance, &err) < 0) {
        fail_msg("start: %s", err.text);
    }
}

void kit_destroy(struct kit *k, bool was_started)
{
    if (was_started) {
        bool stopped = false;
        k->plugin->stop(k->instance, kit_set_flag, &stopped);
        assert_false(stopped);
        assert_true(kit_run_until(k, &stopped));
    }
    k->plugin->destroy(k->instance);
    k->instance = NULL;
}

void kit_host_close(struct kit *k)
{
    if (k->is_virtual) {
        assert_null(k->timers);
    } else {
        test_host_close(k->th);
    }
    k->host = NULL;
}

bool kit_run_until(struct kit *k, const bool *flag)
{
    if (!k->is_virtual) {
        return *flag || test_host_run_until(k->th, flag, TIMEOUT_MS);
    }
    while (!*flag && virtual_turn(k)) {
    }
    return *flag;
}

void kit_turn(struct kit *k)
{
    if (!k->is_virtual) {
        test_host_turn(k->th, TURNS);
        return;
    }
    for (int i = 0; i < TURNS && virtual_turn(k); i++) {
    }
}

void kit_set_flag(void *arg)
{
    *(bool *)arg = true;
}
