/* See startup.h; texts of help and version are in startup_help.c.
 *
 * Phase 1 parses core's flags and skips all others, only to know which plugins are
 * wanted. They are loaded and checked. Phase 2 parses everything against the union of the
 * tables. Mistakes of all steps are collected, so that one run reports all of them.
 */
#include "runtime/startup.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "runtime/flags.h"
#include "runtime/loader.h"
#include "runtime/nearest.h"
#include "runtime/startup_help.h"

#define TEXT_MAX (4u * 1024 * 1024)

/* Arguments behind the program and the subcommand, without --help and its like. */
struct arguments {
    const char *action; /* of muster log; NULL: none */
    MU_VEC(const char *) rest;
    struct startup_ask ask;
};

/* "--List-Plugins" is "list_plugins": what the flag parser does with names. */
static bool is_flag(const char *arg, const char *name)
{
    if (strncmp(arg, "--", 2) != 0) {
        return false;
    }
    const char *p = arg + 2;
    for (; *name != '\0'; name++, p++) {
        char c = *p == '-' ? '_' : *p;
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        if (c != *name) {
            return false;
        }
    }
    return *p == '\0' || *p == '=';
}

static void read_argument(struct arguments *a, const char *arg)
{
    if (is_flag(arg, "help") || strcmp(arg, "-h") == 0) {
        const char *topic = strchr(arg, '=');
        a->ask.help = topic == NULL ? "" : topic + 1;
    } else if (is_flag(arg, "version")) {
        a->ask.version = true;
    } else if (is_flag(arg, "list_plugins")) {
        a->ask.list_plugins = true;
    } else {
        MU_VEC_PUSH(&a->rest, arg);
    }
}

static int
read_arguments(struct startup *s, const struct startup_input *in, struct arguments *a)
{
    int at = 1;
    if (in->argc > 1 && in->argv[1][0] != '-') {
        s->command = options_command_parse(in->argv[1]);
        if (s->command == 0) {
            static const char *const names[] = {"master", "agent", "local", "log"};
            const char *nearest = nearest_name(in->argv[1], names, MU_COUNT_OF(names));
            (void)mu_buf_printf(&s->errors, "no command '%.40s'; ", in->argv[1]);
            (void)mu_buf_printf(&s->errors,
                                nearest != NULL ? "did you mean '%s'?\n" : "%s\n",
                                nearest != NULL ? nearest : "see muster --help");
            return MU_E_INVALID;
        }
        at = 2;
    }
    if (s->command == OPTIONS_LOG && at < in->argc && in->argv[at][0] != '-') {
        a->action = in->argv[at++];
    }
    for (; at < in->argc; at++) {
        read_argument(a, in->argv[at]);
    }
    return 0;
}

static int add_core(struct startup *s)
{
    static const char *const titles[] = {[OPTIONS_MASTER] = "Flags of muster master",
                                         [OPTIONS_AGENT] = "Flags of muster agent",
                                         [OPTIONS_LOCAL] = "Flags of muster local",
                                         [OPTIONS_LOG] = "Flags of muster log"};
    struct mu_error err;
    s->flags = flags_create();
    flags_set_aliases(s->flags, options_aliases());
    const struct flags_table t = {.title = titles[s->command], .table = s->core_table};
    int status = flags_add(s->flags, &t, &s->core, &err);
    MU_ASSERT(status == 0); /* our own table */
    return status;
}

static int parse(struct startup *s,
                 const struct startup_input *in,
                 const struct arguments *a,
                 bool known_only,
                 struct mu_buf *errors)
{
    const struct flags_input input = {.argc = (int)a->rest.count,
                                      .argv = a->rest.v,
                                      .envp = in->envp,
                                      .known_only = known_only};
    return flags_parse(s->flags, &input, errors, &s->warnings);
}

static int
open_loader(struct startup *s, const struct startup_input *in, const char *plugin_dir)
{
    MU_VEC(const char *) dirs = {0};
    if (plugin_dir != NULL) {
        MU_VEC_PUSH(&dirs, plugin_dir);
    }
    for (size_t i = 0; i < in->plugin_dir_count; i++) {
        MU_VEC_PUSH(&dirs, in->plugin_dirs[i]);
    }
    const struct loader_config config = {.dirs = dirs.v, .dir_count = dirs.count};
    struct mu_error err;
    s->loader = loader_create(&config, &err);
    MU_VEC_RELEASE(&dirs);
    if (s->loader == NULL) {
        (void)mu_buf_printf(&s->errors, "%s\n", err.text);
        return MU_E_PLUGIN;
    }
    return 0;
}

static int add_plugin(struct startup *s, const struct mu_plugin *p, struct mu_error *err)
{
    mu_auto_free char *title =
        mu_xasprintf("Plugin %s_%s: %s", loader_kind_name(p->kind), p->name, p->summary);
    const struct flags_table t = {.title = title, .prefix = p->name, .table = p->flags};
    struct plugin_choice *choice = &s->choices[s->choice_count];
    choice->plugin = p;
    int status = flags_add(s->flags, &t, &choice->values, err);
    if (status == 0) {
        s->choice_count++;
    }
    return status;
}

/* The choice, or NULL with an error line. The same one when it is chosen twice (registry
 * and app_registry). */
static int choose(struct startup *s, uint32_t kind, const char *name)
{
    if (name == NULL) {
        return 0;
    }
    for (size_t i = 0; i < s->choice_count; i++) {
        const struct mu_plugin *p = s->choices[i].plugin;
        if (p->kind == kind && strcmp(p->name, name) == 0) {
            return 0;
        }
    }
    struct mu_error err;
    const struct mu_plugin *plugin = NULL;
    int status = loader_open(s->loader, kind, name, &plugin, &err);
    if (status == 0) {
        status = add_plugin(s, plugin, &err);
    }
    if (status < 0) {
        (void)mu_buf_printf(&s->errors, "%s\n", err.text);
    }
    return status;
}

static int choose_all(struct startup *s, const struct options_selection *selection)
{
    int status = 0;
    for (size_t i = 0; i < selection->containerizer_count; i++) {
        int one = choose(s, MU_KIND_CONTAINERIZER, selection->containerizers[i]);
        status = one < 0 ? one : status;
    }
    int registry = choose(s, MU_KIND_REGISTRY, selection->registry);
    int app_registry = registry < 0 && selection->app_registry == selection->registry
                           ? registry /* said already */
                           : choose(s, MU_KIND_REGISTRY, selection->app_registry);
    int election = choose(s, MU_KIND_ELECTION, selection->election);
    if (registry < 0 || app_registry < 0 || election < 0) {
        status = MU_E_PLUGIN;
    }
    for (size_t i = 0; i < selection->api_count; i++) {
        int one = choose(s, MU_KIND_API, selection->apis[i]);
        status = one < 0 ? one : status;
    }
    return status;
}

/* Loads what phase 1 wants. */
static int select_and_load(struct startup *s,
                           const struct startup_input *in,
                           const struct arguments *a)
{
    struct mu_buf ignored; /* phase 2 finds the same mistakes again */
    mu_buf_init(&ignored, TEXT_MAX);
    (void)add_core(s);
    (void)parse(s, in, a, true, &ignored);
    mu_buf_clear(&s->warnings);
    struct flags *first = s->flags;
    struct options_selection selection;
    (void)options_select(s->command, s->core, &selection, &ignored);
    mu_buf_release(&ignored);
    int status = open_loader(s, in, selection.plugin_dir);
    if (status == 0) {
        (void)add_core(s); /* afresh, with the plugins' tables behind it */
        status = choose_all(s, &selection);
    }
    flags_destroy(first);
    return status;
}

/* What an agent's --master=zk://... says is for the plugins, which know it as --zk. */
static int hand_on_master_url(struct startup *s)
{
    const char *url = options_master_url(s->command, s->core);
    if (url == NULL || mu_flags_string(s->core, "zk") != NULL) {
        return 0;
    }
    struct mu_error err;
    int status = flags_assign(s->flags, "zk", url, &err);
    if (status < 0) {
        (void)mu_buf_printf(&s->errors, "--master: %s\n", err.text);
    }
    return status;
}

static enum startup_outcome
prepare_run(struct startup *s, const struct startup_input *in, const struct arguments *a)
{
    int loaded = select_and_load(s, in, a);
    if (s->loader == NULL) {
        return STARTUP_REFUSED;
    }
    if (a->ask.help != NULL) {
        startup_help(s->flags, s->command, &s->out);
        (void)mu_buf_append(&s->out, mu_buf_str(&s->errors), s->errors.len);
        return STARTUP_PRINTED;
    }
    /* Without all plugins their flags cannot be told from unknown ones. */
    int parsed = parse(s, in, a, loaded < 0, &s->errors);
    int handed_on = hand_on_master_url(s);
    int resolved = options_resolve(s->command, s->core, &s->options, &s->errors);
    return loaded < 0 || parsed < 0 || handed_on < 0 || resolved < 0 ? STARTUP_REFUSED
                                                                     : STARTUP_RUN;
}

/* muster log: one plugin, whose flags are not asked for, as nothing of it is started. */
static enum startup_outcome
prepare_log(struct startup *s, const struct startup_input *in, const struct arguments *a)
{
    (void)add_core(s);
    if (a->ask.help != NULL) {
        startup_help(s->flags, s->command, &s->out);
        return STARTUP_PRINTED;
    }
    int parsed = parse(s, in, a, false, &s->errors);
    int prepared = log_tool_prepare(a->action, s->core, &s->log, &s->errors);
    if (parsed < 0 || prepared < 0 ||
        open_loader(s, in, mu_flags_string(s->core, "plugin_dir")) < 0) {
        return STARTUP_REFUSED;
    }
    const struct mu_plugin *plugin = NULL;
    struct mu_error err;
    int status = loader_open(s->loader, MU_KIND_REGISTRY, s->log.registry, &plugin, &err);
    if (status == 0) {
        status = log_tool_bind(&s->log, plugin, &err);
    }
    if (status < 0) {
        (void)mu_buf_printf(&s->errors, "%s\n", err.text);
        return STARTUP_REFUSED;
    }
    return STARTUP_LOG;
}

/* --help=all, --help=man, --list_plugins, or any without a subcommand: may load every
 * file. */
static enum startup_outcome prepare_print(struct startup *s,
                                          const struct startup_input *in,
                                          const struct arguments *a)
{
    uint32_t command = s->command;
    s->command =
        command == 0 ? OPTIONS_LOCAL : command; /* has --plugin_dir as all have */
    (void)add_core(s);
    struct mu_buf ignored;
    mu_buf_init(&ignored, TEXT_MAX);
    (void)parse(s, in, a, true, &ignored);
    mu_buf_release(&ignored);
    if (open_loader(s, in, mu_flags_string(s->core, "plugin_dir")) < 0) {
        return STARTUP_REFUSED;
    }
    bool ok = startup_print(&a->ask, command, s->loader, &s->out, &s->errors);
    return ok ? STARTUP_PRINTED : STARTUP_REFUSED;
}

enum startup_outcome startup_prepare(struct startup *s, const struct startup_input *in)
{
    mu_buf_init(&s->out, TEXT_MAX);
    mu_buf_init(&s->errors, TEXT_MAX);
    mu_buf_init(&s->warnings, TEXT_MAX);
    s->descriptors_soft = in->descriptors_soft;
    s->descriptors_hard = in->descriptors_hard;
    struct arguments a = {0};
    enum startup_outcome outcome = STARTUP_REFUSED;
    if (read_arguments(s, in, &a) == 0) {
        bool is_run = s->command != 0 && !a.ask.version && !a.ask.list_plugins &&
                      (a.ask.help == NULL || a.ask.help[0] == '\0');
        s->core_table = options_table(s->command == 0 ? OPTIONS_LOCAL : s->command);
        if (!is_run) {
            outcome = prepare_print(s, in, &a);
        } else if (s->command == OPTIONS_LOG) {
            outcome = prepare_log(s, in, &a);
        } else {
            outcome = prepare_run(s, in, &a);
        }
    }
    MU_VEC_RELEASE(&a.rest);
    return outcome;
}

void startup_release(struct startup *s)
{
    options_release(&s->options);
    flags_destroy(s->flags);
    loader_destroy(s->loader);
    free(s->core_table);
    mu_buf_release(&s->out);
    mu_buf_release(&s->errors);
    mu_buf_release(&s->warnings);
}
