/* See startup_help.h. */
#include "runtime/startup_help.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/flags.h"
#include "runtime/flags_help.h"
#include "runtime/loader.h"
#include "runtime/log_tool.h"
#include "runtime/options.h"

static const char general_flags[] =
    "\nFor every command:\n"
    "  --help                  This text, with the flags of the plugins that the other\n"
    "                          flags choose.\n"
    "  --help=all              The flags of every plugin that is installed.\n"
    "  --help=man              The manual page, for man(1).\n"
    "  --list_plugins          Every plugin file, with what it is or why it is refused.\n"
    "  --version               Version and plugin ABI.\n"
    "\nValues: --name=value or --name value; for booleans --name and --no-name. A value\n"
    "file:///PATH is read from that file. The environment variable MUSTER_NAME gives "
    "what\n"
    "the command line does not.\n";

static const char commands_text[] =
    "  local     master, app scheduler and agent in one process: try this first\n"
    "  master    a master with its app scheduler; several stand for election\n"
    "  agent     offers this host's resources and runs the tasks\n"
    "  log       shows and checks what a stopped master has stored: muster log status,\n"
    "            muster log dump, muster log verify\n";

static void put_overview(struct mu_buf *out)
{
    (void)mu_buf_printf(out,
                        "Usage: muster COMMAND [--flag=value ...]\n\n"
                        "A highly available cluster manager with the HTTP APIs of Mesos "
                        "and Marathon.\n\nCommands:\n%s%s",
                        commands_text, general_flags);
}

static void put_usage(uint32_t command, struct mu_buf *out)
{
    if (command == OPTIONS_LOG) {
        (void)mu_buf_puts(out, log_tool_usage());
        return;
    }
    (void)mu_buf_printf(out, "Usage: muster %s [--flag=value ...]\n",
                        options_command_name(command));
}

void startup_help(const struct flags *f, uint32_t command, struct mu_buf *out)
{
    put_usage(command, out);
    flags_help_text(f, out);
    (void)mu_buf_puts(out, general_flags);
}

/* ---- every plugin ---- */

struct every {
    struct mu_buf *out, *errors;
    bool as_man, all_good;
};

static void put_plugin_flags(void *arg, const struct loader_found *found)
{
    struct every *e = arg;
    if (found->plugin == NULL) {
        (void)mu_buf_printf(e->errors, "%s: %s\n", found->file, found->refusal);
        e->all_good = false;
        return;
    }
    const struct mu_plugin *p = found->plugin;
    struct flags *f = flags_create(); /* apart: not all can be chosen at once */
    mu_auto_free char *title =
        mu_xasprintf("Plugin %s_%s: %s", loader_kind_name(p->kind), p->name, p->summary);
    const struct flags_table t = {.title = title, .prefix = p->name, .table = p->flags};
    struct mu_error err;
    if (flags_add(f, &t, NULL, &err) < 0) {
        (void)mu_buf_printf(e->errors, "%s: %s\n", found->file, err.text);
        e->all_good = false;
    } else if (e->as_man) {
        flags_help_man(f, e->out);
    } else {
        flags_help_text(f, e->out);
    }
    flags_destroy(f);
}

static void
put_core_flags(const char *title, struct mu_flag *table, bool as_man, struct mu_buf *out)
{
    struct flags *f = flags_create();
    const struct flags_table t = {.title = title, .table = table};
    struct mu_error err;
    int status = flags_add(f, &t, NULL, &err);
    MU_ASSERT(status == 0); /* our own table */
    if (as_man) {
        flags_help_man(f, out);
    } else {
        flags_help_text(f, out);
    }
    flags_destroy(f);
    free(table);
}

static bool put_help_all(uint32_t command, struct loader *loader, struct every *e)
{
    if (command == 0) {
        put_overview(e->out);
    } else {
        put_usage(command, e->out);
        put_core_flags("Core flags", options_table(command), false, e->out);
    }
    loader_scan(loader, put_plugin_flags, e);
    return true; /* refused files are mentioned, and help is help */
}

/* ---- manual page ---- */

static const struct {
    uint32_t commands;
    const char *title;
} groups[] = {
    {OPTIONS_MASTER | OPTIONS_AGENT | OPTIONS_LOCAL, "master, agent and local"},
    {OPTIONS_MASTER | OPTIONS_LOCAL, "master and local"},
    {OPTIONS_AGENT | OPTIONS_LOCAL, "agent and local"},
    {OPTIONS_MASTER | OPTIONS_AGENT, "master and agent"},
    {OPTIONS_MASTER, "master"},
    {OPTIONS_AGENT, "agent"},
    {OPTIONS_LOCAL, "local"},
    {OPTIONS_LOG, "log"},
};

static const char man_head[] =
    ".SH NAME\nmuster \\- highly available cluster manager\n"
    ".SH SYNOPSIS\n.B muster\n.I COMMAND\n.RI [ --flag=value \" ...]\"\n"
    ".SH DESCRIPTION\n"
    "Masters stand for election; agents offer the resources of their hosts; frameworks,\n"
    "among them an app scheduler with Marathon\\(aqs HTTP API, answer offers with "
    "tasks,\n"
    "which run in Docker or in native containers.\n"
    ".SH COMMANDS\n"
    ".TP\n.B local\nMaster, app scheduler and agent in one process.\n"
    ".TP\n.B master\nA master with its app scheduler; several stand for election.\n"
    ".TP\n.B agent\nOffers this host\\(aqs resources and runs the tasks.\n"
    ".TP\n.B log status, log dump, log verify\n"
    "Shows what each log in the work_dir of a stopped master holds; prints every record\n"
    "of it; checks that it is whole, and says what to do if it is not. Changes nothing.\n"
    ".SH FLAGS\n"
    "Values are given as \\-\\-name=value or \\-\\-name value, booleans as \\-\\-name "
    "and\n"
    "\\-\\-no\\-name. Hyphens and underscores in names are the same. A value\n"
    "file:///PATH is read from that file. The environment variable MUSTER_NAME gives\n"
    "what the command line does not. A plugin\\(aqs flags begin with its name.\n"
    ".TP\n.B \\-\\-help, \\-\\-help=all, \\-\\-help=man\n"
    "Flags of the chosen plugins, of all plugins, this page.\n"
    ".TP\n.B \\-\\-list_plugins\nEvery plugin file, with what it is or why it is "
    "refused.\n"
    ".TP\n.B \\-\\-version\nVersion and plugin ABI.\n";

static const char man_tail[] =
    ".SH EXIT STATUS\n"
    "0 after an orderly stop (SIGTERM or SIGINT), 1 after any error: a wrong flag, a\n"
    "plugin that is refused, a port that is taken, a failure while running; of log: a\n"
    "log that is damaged.\n"
    ".SH SIGNALS\n"
    "SIGTERM and SIGINT stop muster in order, within 10 seconds; containers run on. A\n"
    "second one ends the wait.\n";

static bool put_man(struct loader *loader, struct every *e)
{
    (void)mu_buf_printf(e->out, ".TH MUSTER 8 \"\" \"muster %s\" \"\"\n%s",
                        MUSTER_VERSION, man_head);
    for (size_t i = 0; i < MU_COUNT_OF(groups); i++) {
        put_core_flags(groups[i].title, options_table_of_exactly(groups[i].commands),
                       true, e->out);
    }
    e->as_man = true;
    loader_scan(loader, put_plugin_flags, e);
    (void)mu_buf_puts(e->out, man_tail);
    return e->all_good;
}

static void put_found(void *arg, const struct loader_found *found)
{
    struct every *e = arg;
    const struct mu_plugin *p = found->plugin;
    if (p == NULL) {
        (void)mu_buf_printf(e->errors, "%s: %s\n", found->file, found->refusal);
        e->all_good = false;
        return;
    }
    (void)mu_buf_printf(e->out, "%s_%s %s (ABI %u.%u): %s\n    %s\n",
                        loader_kind_name(p->kind), p->name, p->version, p->abi_major,
                        p->abi_minor, p->summary, found->file);
}

static void put_version(struct mu_buf *out)
{
    (void)mu_buf_printf(out,
                        "muster %s\nplugin ABI %u.%u (descriptor %zu bytes, host table "
                        "%zu bytes)\nlibuv %s\n",
                        MUSTER_VERSION, MU_ABI_MAJOR, MU_ABI_MINOR,
                        sizeof(struct mu_plugin), sizeof(struct mu_host),
                        uv_version_string());
}

bool startup_print(const struct startup_ask *ask,
                   uint32_t command,
                   struct loader *loader,
                   struct mu_buf *out,
                   struct mu_buf *errors)
{
    struct every e = {.out = out, .errors = errors, .all_good = true};
    if (ask->version) {
        put_version(out);
        return true;
    }
    if (ask->list_plugins) {
        loader_scan(loader, put_found, &e);
        return e.all_good;
    }
    if (ask->help == NULL) {
        (void)mu_buf_puts(errors, "no command: muster local, muster master, muster "
                                  "agent or muster log; see muster --help\n");
        return false;
    }
    if (ask->help[0] == '\0') {
        put_overview(out);
        return true;
    }
    if (strcmp(ask->help, "all") == 0) {
        return put_help_all(command, loader, &e);
    }
    if (strcmp(ask->help, "man") == 0) {
        return put_man(loader, &e);
    }
    (void)mu_buf_printf(errors, "--help: no topic '%.40s'; there are all and man\n",
                        ask->help);
    return false;
}
