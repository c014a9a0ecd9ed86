/* See options.h; the tables are in options_table.c. */
#include "runtime/options.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include <muster/kind/api.h>
#include <muster/resources.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/parse.h"
#include "runtime/file.h"
#include "runtime/log_sinks.h"

static const struct {
    const char *name;
    uint32_t command, roles;
} commands[] = {
    {"master", OPTIONS_MASTER, MU_ROLE_MASTER | MU_ROLE_SCHEDULER},
    {"agent", OPTIONS_AGENT, MU_ROLE_AGENT},
    {"local", OPTIONS_LOCAL, MU_ROLE_MASTER | MU_ROLE_SCHEDULER | MU_ROLE_AGENT},
    {"log", OPTIONS_LOG, 0},
};

uint32_t options_command_parse(const char *name)
{
    for (size_t i = 0; i < MU_COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].command;
        }
    }
    return 0;
}

const char *options_command_name(uint32_t command)
{
    for (size_t i = 0; i < MU_COUNT_OF(commands); i++) {
        if (commands[i].command == command) {
            return commands[i].name;
        }
    }
    return NULL;
}

uint32_t options_roles(uint32_t command)
{
    for (size_t i = 0; i < MU_COUNT_OF(commands); i++) {
        if (commands[i].command == command) {
            return commands[i].roles;
        }
    }
    return 0;
}

static bool is_master(uint32_t command)
{
    return (options_roles(command) & MU_ROLE_MASTER) != 0;
}

static bool is_agent(uint32_t command)
{
    return (options_roles(command) & MU_ROLE_AGENT) != 0;
}

/* What a check needs to know and where it complains. */
struct check {
    uint32_t command;
    const struct mu_flags *flags;
    struct mu_buf *errors;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void
complain(struct check *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)mu_buf_printf(c->errors, "%s\n", text);
    c->failed = true;
}

/* ---- which plugins ---- */

static size_t
select_list(struct check *c, const char *flag, const char *out[OPTIONS_PLUGINS_MAX])
{
    const char *const *items = NULL;
    size_t count = mu_flags_list(c->flags, flag, &items);
    if (count == 0) {
        complain(c, "--%s: names no plugin", flag);
    }
    if (count > OPTIONS_PLUGINS_MAX) {
        complain(c, "--%s: more than %d plugins", flag, OPTIONS_PLUGINS_MAX);
        count = OPTIONS_PLUGINS_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = items[i];
        for (size_t k = 0; k < i; k++) {
            if (strcmp(items[i], items[k]) == 0) {
                complain(c, "--%s: '%s' is given twice", flag, items[i]);
            }
        }
    }
    return count;
}

/* A file of one line may well have blanks around it. */
static const char *skip_blanks(const char *text)
{
    return text == NULL ? NULL : text + strspn(text, " \t\r\n");
}

static bool is_zk_url(const char *text)
{
    return text != NULL && strncmp(skip_blanks(text), "zk://", 5) == 0;
}

const char *options_master_url(uint32_t command, const struct mu_flags *flags)
{
    const char *master =
        command == OPTIONS_AGENT ? mu_flags_string(flags, "master") : NULL;
    return is_zk_url(master) ? master : NULL;
}

static bool wants_zk(uint32_t command, const struct mu_flags *flags)
{
    return mu_flags_string(flags, "zk") != NULL ||
           options_master_url(command, flags) != NULL;
}

static bool is_zk(const char *plugin)
{
    return plugin != NULL && strcmp(plugin, "zk") == 0;
}

static const char *default_registry(const struct mu_flags *flags, const char *election)
{
    if (is_zk(election)) {
        return "zk"; /* what one master keeps on its disk is no use to the others */
    }
    return mu_flags_string(flags, "work_dir") != NULL ? "replicated_log" : "in_memory";
}

static void select_registries(const struct mu_flags *flags, struct options_selection *out)
{
    out->registry = mu_flags_string(flags, "registry");
    if (out->registry == NULL) {
        out->registry = default_registry(flags, out->election);
    }
    if (strcmp(out->registry, "log_storage") == 0) {
        out->registry = "replicated_log"; /* its other name in Mesos */
    }
    out->app_registry = mu_flags_string(flags, "app_registry");
    if (out->app_registry == NULL) {
        bool is_lost = strcmp(out->registry, "in_memory") == 0;
        out->app_registry = is_lost && is_zk(out->election) ? "zk" : out->registry;
    }
}

int options_select(uint32_t command,
                   const struct mu_flags *flags,
                   struct options_selection *out,
                   struct mu_buf *errors)
{
    struct check c = {.command = command, .flags = flags, .errors = errors};
    *out = (struct options_selection){.plugin_dir = mu_flags_string(flags, "plugin_dir")};
    out->election = mu_flags_string(flags, "election");
    if (out->election == NULL && wants_zk(command, flags)) {
        out->election = "zk";
    } else if (out->election == NULL && is_master(command)) {
        out->election = "in_memory"; /* an agent with a fixed master needs none */
    }
    if (is_master(command)) {
        select_registries(flags, out);
    }
    if (is_agent(command)) {
        out->containerizer_count = select_list(&c, "containerizers", out->containerizers);
    }
    out->api_count = select_list(&c, "api", out->apis);
    return c.failed ? MU_E_INVALID : 0;
}

/* ---- values ---- */

static int64_t check_int(struct check *c, const char *flag, int64_t min, int64_t max)
{
    int64_t v = mu_flags_int(c->flags, flag);
    if (v < min || v > max) {
        complain(c, "--%s: %lld is not between %lld and %lld", flag, (long long)v,
                 (long long)min, (long long)max);
    }
    return v;
}

static uint16_t check_port(struct check *c, const char *flag)
{
    int64_t v = check_int(c, flag, 0, UINT16_MAX);
    return v < 0 || v > UINT16_MAX ? 0 : (uint16_t)v;
}

static void
check_duration(struct check *c, const char *flag, uint64_t min_ms, uint64_t max_ms)
{
    uint64_t v = mu_flags_duration_ms(c->flags, flag);
    if (v < min_ms || v > max_ms) {
        complain(c, "--%s: %llu ms is not between %llu and %llu ms", flag,
                 (unsigned long long)v, (unsigned long long)min_ms,
                 (unsigned long long)max_ms);
    }
}

static void check_zk_url(struct check *c, const char *flag)
{
    const char *url = skip_blanks(mu_flags_string(c->flags, flag));
    if (url == NULL) {
        return;
    }
    if (!is_zk_url(url)) {
        complain(c, "--%s: Error parsing ZooKeeper URL: it does not begin with zk://",
                 flag);
        return;
    }
    const char *path = strchr(url + 5, '/');
    if (path == NULL || path[1] == '\0') {
        complain(c,
                 "--%s: Expecting a (chroot) path for ZooKeeper ('/' is not supported)",
                 flag);
    } else if (path == url + 5 || path[-1] == '@') {
        complain(c, "--%s: Error parsing ZooKeeper URL: it names no server", flag);
    }
}

static void check_ip(struct check *c, const char *flag)
{
    const char *ip = mu_flags_string(c->flags, flag);
    struct in6_addr out;
    if (ip != NULL && uv_inet_pton(AF_INET, ip, &out) != 0 &&
        uv_inet_pton(AF_INET6, ip, &out) != 0) {
        complain(c, "--%s: '%s' is not an IP address", flag, ip);
    }
}

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

static void check_removals(struct check *c)
{
    struct mu_error err;
    uint32_t count = 0;
    uint64_t per_ms = 0;
    const char *rate = mu_flags_string(c->flags, "agent_removal_rate_limit");
    if (rate != NULL && mu_parse_rate(rate, &count, &per_ms, &err) < 0) {
        complain(c, "--agent_removal_rate_limit: %s", err.text);
    } else if (per_ms > 365 * (uint64_t)day_ms) {
        complain(c, "--agent_removal_rate_limit: '%s' is less than one in a year", rate);
    }
    const char *limit = mu_flags_string(c->flags, "recovery_agent_removal_limit");
    if (mu_parse_percent(limit, &count, &err) < 0) {
        complain(c, "--recovery_agent_removal_limit: %s", err.text);
    }
    check_duration(c, "registry_gc_interval", 1000, 365 * (uint64_t)day_ms);
    check_duration(c, "registry_max_agent_age", 1000, 3650 * (uint64_t)day_ms);
    (void)check_int(c, "registry_max_agent_count", 1, 100000000);
}

static void check_zk(struct check *c, const struct options_selection *plugins)
{
    check_zk_url(c, "zk");
    if (is_zk(plugins->election) && !wants_zk(c->command, c->flags)) {
        complain(c, "--election=zk needs the servers: --zk=zk://HOST:PORT,.../PATH");
    }
    check_duration(c, "zk_session_timeout", 1000, 15 * 60 * 1000);
}

/* Other masters could not read what the log of this one says: that there are none is for
 * the user to say. */
static void check_log_is_shared(struct check *c)
{
    if (!mu_flags_is_set(c->flags, "quorum")) {
        complain(c, "registry replicated_log with an election between masters needs "
                    "--quorum: 1 for one master alone, 2 for three, 3 for five (or use "
                    "--registry=zk, the default, which needs none)");
    }
}

static void check_registries(struct check *c, const struct options_selection *plugins)
{
    MU_PRE(plugins->registry != NULL && plugins->app_registry != NULL);
    bool has_log = strcmp(plugins->registry, "replicated_log") == 0 ||
                   strcmp(plugins->app_registry, "replicated_log") == 0;
    if (has_log && plugins->election != NULL &&
        strcmp(plugins->election, "in_memory") != 0) {
        check_log_is_shared(c);
    }
    if (has_log && mu_flags_string(c->flags, "work_dir") == NULL) {
        complain(c, "--work_dir needed for replicated log based registry");
    }
}

static void check_master(struct check *c, const struct options_selection *plugins)
{
    check_registries(c, plugins);
    if (mu_flags_is_set(c->flags, "quorum")) {
        (void)check_int(c, "quorum", 1, 1000);
    }
    check_duration(c, "agent_ping_timeout", 1000, 15 * 60 * 1000);
    (void)check_int(c, "max_agent_ping_timeouts", 1, 1000000);
    check_duration(c, "agent_reregister_timeout", 1000, 365 * (uint64_t)day_ms);
    check_removals(c);
    check_duration(c, "allocation_interval", 1, 3600 * 1000);
    if (mu_flags_is_set(c->flags, "offer_timeout")) {
        check_duration(c, "offer_timeout", 1, 365 * (uint64_t)day_ms);
    }
    (void)check_int(c, "max_completed_frameworks", 0, 1000000);
    (void)check_int(c, "max_completed_tasks_per_framework", 0, 1000000);
}

static void check_scheduler(struct check *c)
{
    static const char *const spans_ms[] = {
        "decline_offer_duration",       "min_revive_offers_interval",
        "reconciliation_initial_delay", "reconciliation_interval",
        "scale_apps_initial_delay",     "scale_apps_interval",
        "task_launch_confirm_timeout",  "task_launch_timeout",
        "kill_retry_timeout",
    };
    for (size_t i = 0; i < MU_COUNT_OF(spans_ms); i++) {
        (void)check_int(c, spans_ms[i], 1, 365 * day_ms);
    }
    (void)check_int(c, "failover_timeout", 0, 3650 * day_ms / 1000);
    (void)check_int(c, "max_instances_per_offer", 1, 1000000);
    (void)check_int(c, "max_running_deployments", 1, 1000000);
    int64_t min = check_int(c, "local_port_min", 1, UINT16_MAX);
    int64_t max = check_int(c, "local_port_max", 1, UINT16_MAX);
    if (min >= max) {
        complain(c, "--local_port_min: %lld is not below --local_port_max (%lld)",
                 (long long)min, (long long)max);
    }
}

static void check_agent(struct check *c)
{
    check_duration(c, "registration_backoff_factor", 1, 60 * 1000);
    const char *text = mu_flags_string(c->flags, "resources");
    struct mu_resources resources = {0};
    struct mu_error err;
    if (text != NULL && mu_resources_parse(text, "*", &resources, &err) < 0) {
        complain(c, "--resources: %s", err.text);
    }
    mu_resources_release(&resources);
}

static bool is_host_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    return colon != NULL && colon != text && mu_parse_u64(colon + 1, &port, NULL) == 0 &&
           port >= 1 && port <= UINT16_MAX && strpbrk(text, "/@ \t") == NULL;
}

/* "host:port" of the one master, or NULL when the election tells. */
static const char *resolve_fixed_master(struct check *c,
                                        const struct options_selection *plugins)
{
    if (c->command != OPTIONS_AGENT) {
        return NULL;
    }
    const char *master = skip_blanks(mu_flags_string(c->flags, "master"));
    const char *zk = mu_flags_string(c->flags, "zk");
    bool is_given = mu_flags_is_set(c->flags, "master");
    if (is_zk_url(master)) {
        check_zk_url(c, "master");
        if (zk != NULL && strcmp(skip_blanks(zk), master) != 0) {
            complain(c, "--master and --zk name different servers; give one of them");
        }
        return NULL;
    }
    if (plugins->election != NULL && !is_given) {
        return NULL;
    }
    if (zk != NULL) {
        complain(c, "--master names one master and --zk an election; give one of them");
    }
    if (!is_host_port(master)) {
        bool may_be_secret = strchr(master, '@') != NULL; /* a URL, misspelt */
        complain(c, "--master: '%s' is neither HOST:PORT nor zk://HOST:PORT,.../PATH",
                 may_be_secret ? "***" : master);
    }
    return master;
}

/* A directory of this user alone: anybody may make directories where temporary files
 * are. */
static char *default_work_dir(struct check *c)
{
    const char *tmp =
        getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): no threads yet */
    char *path = mu_xasprintf("%s/muster-%u", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp",
                              (unsigned)getuid());
    struct stat st;
    (void)mkdir(path, 0700); /* whether it is there shows in the next line */
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid()) {
        complain(c,
                 "the default work_dir '%s' is not a directory of this user; give "
                 "--work_dir",
                 path);
    }
    return path;
}

static void resolve_work_dir(struct check *c, struct options *o)
{
    const char *given = mu_flags_string(c->flags, "work_dir");
    if (given == NULL) {
        o->work_dir = is_agent(c->command) ? default_work_dir(c) : NULL;
        return;
    }
    if (given[0] == '\0') {
        complain(c, "--work_dir: is empty");
        return;
    }
    o->work_dir = file_absolute(given);
    struct mu_error err;
    if (file_prepare_dir(o->work_dir, &err) < 0) {
        complain(c, "--work_dir: %s", err.text);
    }
}

/* ---- addresses ---- */

static bool is_any(const char *ip)
{
    return strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static bool is_loopback(const char *ip)
{
    return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

/* The first IPv4 address of an interface that leads anywhere. */
static char *first_interface_ip(void)
{
    uv_interface_address_t *list = NULL;
    int count = 0;
    char ip[INET6_ADDRSTRLEN] = "127.0.0.1";
    if (uv_interface_addresses(&list, &count) != 0) {
        return mu_xstrdup(ip);
    }
    for (int i = 0; i < count; i++) {
        const uv_interface_address_t *a = &list[i];
        if (!a->is_internal && a->address.address4.sin_family == AF_INET &&
            uv_ip4_name(&a->address.address4, ip, sizeof(ip)) == 0) {
            break;
        }
    }
    uv_free_interface_addresses(list, count);
    return mu_xstrdup(ip);
}

static void resolve_addresses(struct check *c, struct options *o)
{
    check_ip(c, "ip");
    check_ip(c, "advertise_ip");
    o->listen_ip = mu_xstrdup(mu_flags_string(c->flags, "ip"));
    const char *told = mu_flags_string(c->flags, "advertise_ip");
    if (told == NULL && !is_any(o->listen_ip)) {
        told = o->listen_ip;
    }
    o->advertise_ip = told != NULL ? mu_xstrdup(told) : first_interface_ip();
    const char *hostname = mu_flags_string(c->flags, "hostname");
    char system_name[UV_MAXHOSTNAMESIZE] = "localhost";
    size_t size = sizeof(system_name);
    if (hostname != NULL && hostname[0] == '\0') {
        complain(c, "--hostname: is empty");
    }
    if (hostname == NULL && !mu_flags_bool(c->flags, "hostname_lookup")) {
        hostname = o->advertise_ip;
    } else if (hostname == NULL) {
        if (!is_loopback(o->advertise_ip)) {
            (void)uv_os_gethostname(system_name, &size); /* stays localhost */
        }
        hostname = system_name;
    }
    o->hostname = mu_xstrdup(hostname);
    if (is_master(c->command)) {
        o->master_port = check_port(c, "port");
        o->marathon_port = check_port(c, "marathon_port");
    }
    if (is_agent(c->command)) {
        o->agent_port = check_port(c, is_master(c->command) ? "agent_port" : "port");
    }
}

static void resolve_log(struct check *c, struct options *o)
{
    const char *level = mu_flags_string(c->flags, "logging_level");
    o->log_level = MU_INFO;
    if (rt_log_level_parse(level, &o->log_level) < 0) {
        complain(c, "--logging_level: '%s' is none of ERROR, WARNING, INFO, DEBUG, TRACE",
                 level);
    }
    const char *format = mu_flags_string(c->flags, "log_format");
    o->log_json = strcmp(format, "json") == 0;
    if (!o->log_json && strcmp(format, "text") != 0) {
        complain(c, "--log_format: '%s' is neither text nor json", format);
    }
}

int options_resolve(uint32_t command,
                    const struct mu_flags *flags,
                    struct options *out,
                    struct mu_buf *errors)
{
    struct check c = {.command = command, .flags = flags, .errors = errors};
    *out = (struct options){
        .command = command, .roles = options_roles(command), .flags = flags};
    c.failed = options_select(command, flags, &out->plugins, errors) < 0;
    check_zk(&c, &out->plugins);
    if (is_master(command)) {
        check_master(&c, &out->plugins);
        check_scheduler(&c);
    }
    if (is_agent(command)) {
        check_agent(&c);
    }
    out->master = resolve_fixed_master(&c, &out->plugins);
    resolve_log(&c, out);
    resolve_addresses(&c, out);
    resolve_work_dir(&c, out);
    return c.failed ? MU_E_INVALID : 0;
}

void options_release(struct options *o)
{
    free(o->work_dir);
    free(o->listen_ip);
    free(o->advertise_ip);
    free(o->hostname);
    *o = (struct options){0};
}
