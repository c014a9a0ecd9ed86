/* What follows from several flags together, and from the command line as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "runtime/flags.h"
#include "runtime/options.h"
#include "runtime/startup.h"

struct fixture {
    struct mu_flag *table;
    struct flags *flags;
    const struct mu_flags *core;
    struct options o;
    struct mu_buf errors, warnings;
    int status;
    char dir[64];
};

#define MAX_ARGS 16

/* Parses and resolves the arguments up to the first NULL. "%D" in front of an argument's
 * value stands for a directory of the test. */
static struct fixture resolve(uint32_t command, ...)
{
    struct fixture x = {.dir = "/tmp/muster-options-XXXXXX"};
    assert_non_null(mkdtemp(x.dir));
    x.table = options_table(command);
    x.flags = flags_create();
    flags_set_aliases(x.flags, options_aliases());
    const struct flags_table t = {.title = "core", .table = x.table};
    assert_int_equal(flags_add(x.flags, &t, &x.core, NULL), 0);
    mu_buf_init(&x.errors, 65536);
    mu_buf_init(&x.warnings, 65536);
    const char *argv[MAX_ARGS];
    char work_dir[128];
    struct flags_input in = {.argv = argv};
    va_list ap;
    va_start(ap, command);
    for (const char *a = va_arg(ap, const char *); a != NULL;
         a = va_arg(ap, const char *)) {
        assert_true(in.argc < MAX_ARGS);
        if (strcmp(a, "--work_dir=%D") == 0) {
            snprintf(work_dir, sizeof(work_dir), "--work_dir=%s/a/b", x.dir);
            a = work_dir;
        }
        argv[in.argc++] = a;
    }
    va_end(ap);
    if (flags_parse(x.flags, &in, &x.errors, &x.warnings) < 0) {
        fail_msg("%s", mu_buf_str(&x.errors));
    }
    x.status = options_resolve(command, x.core, &x.o, &x.errors);
    return x;
}
#define RESOLVE(...) resolve(__VA_ARGS__, (char *)NULL)

static void end(struct fixture *x)
{
    options_release(&x->o);
    flags_destroy(x->flags);
    free(x->table);
    mu_buf_release(&x->errors);
    mu_buf_release(&x->warnings);
    test_remove_tree(x->dir);
}

static void local_runs_without_any_flag(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_LOCAL);
    assert_string_equal(mu_buf_str(&x.errors), "");
    assert_int_equal(x.status, 0);
    assert_int_equal(x.o.roles, MU_ROLE_MASTER | MU_ROLE_SCHEDULER | MU_ROLE_AGENT);
    assert_string_equal(x.o.plugins.election, "in_memory");
    assert_string_equal(x.o.plugins.registry, "in_memory");
    assert_string_equal(x.o.plugins.app_registry, "in_memory");
    assert_int_equal(x.o.plugins.containerizer_count, 2);
    assert_string_equal(x.o.plugins.containerizers[0], "docker");
    assert_int_equal(x.o.plugins.api_count, 2);
    assert_string_equal(x.o.listen_ip, "127.0.0.1");
    assert_string_equal(x.o.advertise_ip, "127.0.0.1");
    assert_string_equal(x.o.hostname, "localhost");
    assert_int_equal(x.o.master_port, 5050);
    assert_int_equal(x.o.marathon_port, 8080);
    assert_int_equal(x.o.agent_port, 5051);
    assert_non_null(x.o.work_dir); /* sandboxes must be somewhere */
    assert_null(x.o.master);
    end(&x);
}

static void work_dir_makes_the_registry_durable_and_is_made(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_LOCAL, "--work_dir=%D");
    assert_string_equal(mu_buf_str(&x.errors), "");
    assert_string_equal(x.o.plugins.registry, "replicated_log");
    assert_string_equal(x.o.plugins.app_registry, "replicated_log");
    assert_int_equal(access(x.o.work_dir, W_OK), 0);
    end(&x);
}

static void zk_brings_its_election_and_keeps_apps_safe(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_MASTER, "--zk=zk://a:1,b:2/mesos", "--quorum=1",
                               "--registry=in_memory", "--port=5054");
    assert_string_equal(mu_buf_str(&x.errors), "");
    assert_string_equal(x.o.plugins.election, "zk");
    assert_string_equal(x.o.plugins.registry, "in_memory");
    assert_string_equal(x.o.plugins.app_registry, "zk");
    assert_int_equal(x.o.master_port, 5054);
    assert_int_equal(x.o.agent_port, 0);
    assert_int_equal(x.o.plugins.containerizer_count, 0);
    assert_null(x.o.work_dir);
    end(&x);
}

static void agent_has_a_fixed_master_or_follows_an_election(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_AGENT, "--master=h:5050", "--work_dir=%D");
    assert_int_equal(x.status, 0);
    assert_string_equal(x.o.master, "h:5050");
    assert_null(x.o.plugins.election);
    assert_null(x.o.plugins.registry);
    assert_int_equal(x.o.agent_port, 5051);
    assert_int_equal(x.o.plugins.api_count, 1);
    end(&x);
    x = RESOLVE(OPTIONS_AGENT, "--master=zk://h:2181/mesos", "--work_dir=%D");
    assert_int_equal(x.status, 0);
    assert_null(x.o.master);
    assert_string_equal(x.o.plugins.election, "zk");
    end(&x);
}

static void mistakes_name_the_flag(void **state)
{
    (void)state;
    static const struct {
        uint32_t command;
        const char *arg, *text;
    } cases[] = {
        {OPTIONS_LOCAL, "--port=70000", "--port: 70000 is not between 0 and 65535"},
        {OPTIONS_LOCAL, "--port=-1", "--port: -1 is not"},
        {OPTIONS_LOCAL, "--ip=localhost", "--ip: 'localhost' is not an IP address"},
        {OPTIONS_LOCAL, "--log_format=xml", "--log_format: 'xml'"},
        {OPTIONS_LOCAL, "--logging_level=LOUD", "--logging_level: 'LOUD'"},
        {OPTIONS_LOCAL, "--containerizers=", "--containerizers: names no plugin"},
        {OPTIONS_LOCAL, "--api=mesos,mesos", "--api: 'mesos' is given twice"},
        {OPTIONS_LOCAL, "--resources=cpus:x", "--resources: "},
        {OPTIONS_LOCAL, "--local_port_min=20000",
         "--local_port_min: 20000 is not below --local_port_max (20000)"},
        {OPTIONS_LOCAL, "--work_dir=/proc/nowhere", "--work_dir: "},
        {OPTIONS_LOCAL, "--hostname=", "--hostname: is empty"},
        {OPTIONS_MASTER, "--registry=replicated_log",
         "--work_dir needed for replicated log based registry"},
        {OPTIONS_MASTER, "--zk=h:2181/mesos", "Error parsing ZooKeeper URL: "},
        {OPTIONS_MASTER, "--zk=zk://h:2181/", "Expecting a (chroot) path for ZooKeeper"},
        {OPTIONS_MASTER, "--zk=zk:///mesos", "Error parsing ZooKeeper URL: "},
        {OPTIONS_MASTER, "--quorum=0", "--quorum: 0 is not between 1"},
        {OPTIONS_MASTER, "--agent_ping_timeout=500ms", "--agent_ping_timeout: 500 ms"},
        {OPTIONS_MASTER, "--agent_removal_rate_limit=5",
         "--agent_removal_rate_limit: '5' has not the form N/DURATION"},
        {OPTIONS_MASTER, "--agent_removal_rate_limit=0/1mins",
         "--agent_removal_rate_limit: '0/1mins' is no rate"},
        {OPTIONS_MASTER, "--recovery_agent_removal_limit=0.5",
         "--recovery_agent_removal_limit: '0.5' does not end with '%'"},
        {OPTIONS_MASTER, "--registry_max_agent_count=0",
         "--registry_max_agent_count: 0 is not between 1"},
        {OPTIONS_MASTER, "--election=zk", "--election=zk needs the servers: --zk="},
        {OPTIONS_MASTER, "--zk_session_timeout=10ms", "--zk_session_timeout: 10 ms"},
        {OPTIONS_AGENT, "--master=nowhere", "--master: 'nowhere' is neither"},
        {OPTIONS_AGENT, "--master=h:99999", "--master: 'h:99999' is neither"},
        {OPTIONS_AGENT, "--master=zk:/u:secret@h:2181/m", "--master: '***' is neither"},
        {OPTIONS_AGENT, "--master=http://h:5050", "--master: 'http://h:5050' is neither"},
        {OPTIONS_AGENT, "--master=zk://h:2181", "--master: Expecting a (chroot) path"},
        {OPTIONS_AGENT, "--registration_backoff_factor=2mins",
         "--registration_backoff_factor: 120000 ms"},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct fixture x = RESOLVE(cases[i].command, cases[i].arg);
        assert_int_equal(x.status, MU_E_INVALID);
        if (strstr(mu_buf_str(&x.errors), cases[i].text) == NULL) {
            fail_msg("case %s: %s", cases[i].arg, mu_buf_str(&x.errors));
        }
        end(&x);
    }
}

static void a_log_of_several_masters_needs_their_quorum(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--work_dir=%D",
                               "--registry=replicated_log", "--quorum=2");
    assert_string_equal(mu_buf_str(&x.errors), "");
    end(&x);
    x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--work_dir=%D",
                "--registry=replicated_log",
                "--quorum=1"); /* one master, which says so */
    assert_string_equal(mu_buf_str(&x.errors), "");
    end(&x);
    x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--work_dir=%D",
                "--registry=in_memory", "--app_registry=replicated_log");
    assert_int_equal(x.status, MU_E_INVALID);
    assert_non_null(
        strstr(mu_buf_str(&x.errors), "--quorum: 1 for one master alone, 2 for three"));
    assert_non_null(strstr(mu_buf_str(&x.errors), "--registry=zk"));
    end(&x);
    x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--registry=replicated_log",
                "--quorum=2");
    assert_int_equal(x.status, MU_E_INVALID);
    assert_non_null(strstr(mu_buf_str(&x.errors), "--work_dir"));
    end(&x);
    x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--work_dir=%D",
                "--registry=replicated_log", "--election=in_memory");
    assert_string_equal(mu_buf_str(&x.errors), "");
    end(&x);
}

static void zk_is_the_registry_of_several_masters_by_default(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_MASTER, "--zk=zk://h:2181/m", "--work_dir=%D");
    assert_string_equal(mu_buf_str(&x.errors), "");
    assert_string_equal(x.o.plugins.registry, "zk");
    assert_string_equal(x.o.plugins.app_registry, "zk");
    end(&x);
}

static void one_source_tells_an_agent_who_its_master_is(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_AGENT, "--zk=zk://h:2181/m", "--work_dir=%D");
    assert_string_equal(mu_buf_str(&x.errors), "");
    assert_null(x.o.master); /* the default address is no choice of the user's */
    assert_string_equal(x.o.plugins.election, "zk");
    end(&x);
    x = RESOLVE(OPTIONS_AGENT, "--zk=zk://h:2181/m", "--master=zk://h:2181/m",
                "--work_dir=%D");
    assert_string_equal(mu_buf_str(&x.errors), "");
    end(&x);
    x = RESOLVE(OPTIONS_AGENT, "--zk=zk://h:2181/m", "--master=h:5050", "--work_dir=%D");
    assert_non_null(strstr(mu_buf_str(&x.errors), "--master names one master and --zk"));
    end(&x);
    x = RESOLVE(OPTIONS_AGENT, "--zk=zk://h:2181/m", "--master=zk://h:2181/n",
                "--work_dir=%D");
    assert_non_null(strstr(mu_buf_str(&x.errors), "name different servers"));
    end(&x);
}

static void loopback_and_lookup_decide_the_hostname(void **state)
{
    (void)state;
    struct fixture x = RESOLVE(OPTIONS_LOCAL, "--ip=0.0.0.0", "--advertise_ip=10.1.2.3",
                               "--no-hostname_lookup");
    assert_string_equal(x.o.listen_ip, "0.0.0.0");
    assert_string_equal(x.o.advertise_ip, "10.1.2.3");
    assert_string_equal(x.o.hostname, "10.1.2.3");
    end(&x);
}

/* ---- the command line as a whole ---- */

static enum startup_outcome start(struct startup *s, ...)
{
    const char *argv[MAX_ARGS] = {"muster"};
    const char *env[] = {NULL};
    const char *dirs[] = {"/nonexistent/plugins"};
    struct startup_input in = {
        .argc = 1, .argv = argv, .envp = env, .plugin_dirs = dirs, .plugin_dir_count = 1};
    va_list ap;
    va_start(ap, s);
    for (const char *a = va_arg(ap, const char *); a != NULL;
         a = va_arg(ap, const char *)) {
        assert_true(in.argc < MAX_ARGS);
        argv[in.argc++] = a;
    }
    va_end(ap);
    *s = (struct startup){0};
    return startup_prepare(s, &in);
}
#define START(s, ...) start(s, __VA_ARGS__, (char *)NULL)

static void questions_are_answered_without_a_command(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *text;
    } cases[] = {
        {"--help", "Usage: muster COMMAND"},     {"-h", "Usage: muster COMMAND"},
        {"--Help=all", "Usage: muster COMMAND"}, {"--help=man", ".TH MUSTER 8"},
        {"--version", "plugin ABI 0.1"},         {"--list-plugins", ""},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct startup s;
        assert_int_equal(START(&s, cases[i].arg), STARTUP_PRINTED);
        assert_non_null(strstr(mu_buf_str(&s.out), cases[i].text));
        assert_string_equal(mu_buf_str(&s.errors), "");
        startup_release(&s);
    }
}

static void unknown_commands_and_topics_are_refused(void **state)
{
    (void)state;
    struct startup s;
    assert_int_equal(START(&s, "mastr"), STARTUP_REFUSED);
    assert_non_null(strstr(mu_buf_str(&s.errors), "did you mean 'master'?"));
    startup_release(&s);
    assert_int_equal(start(&s, (char *)NULL), STARTUP_REFUSED);
    assert_non_null(strstr(mu_buf_str(&s.errors), "no command"));
    startup_release(&s);
    assert_int_equal(START(&s, "--help=me"), STARTUP_REFUSED);
    startup_release(&s);
}

static void log_is_asked_one_of_three_questions(void **state)
{
    (void)state;
    static const struct {
        const char *args[3], *text;
    } cases[] = {
        {{NULL}, "what? status, dump or verify"},
        {{"--work_dir=/tmp", "status"}, "what? status, dump or verify"},
        {{"verfy", "--work_dir=/tmp"}, "did you mean 'verify'?"},
        {{"x", "--work_dir=/tmp"}, "there are status, dump and verify"},
        {{"verify"}, "--work_dir is needed"},
        {{"verify", "--work_dir=/nonexistent"}, "'/nonexistent': No such file"},
        {{"verify", "--work_dir=/dev/null"}, "'/dev/null' is not a directory"},
        {{"status", "--work_dir=/tmp", "--map"}, "--map is for muster log dump only"},
        {{"verify", "--work_dir=/tmp", "--values"}, "--values is for muster log dump"},
        {{"verify", "--work_dir=/tmp", "--format=xml"}, "'xml' is neither text nor json"},
        {{"dump", "--work_dir=/tmp", "--format=json"}, "is for status and verify"},
        {{"verify", "--work_dir=/tmp", "apps"}, "unexpected argument 'apps'"},
        {{"verify", "--work_dir=/tmp", "--port=1"}, "unknown flag '--port'"},
        {{"dump", "--work_dir=/tmp", "--map"}, "no plugin 'registry_replicated_log.so'"},
        {{"dump", "--work_dir=/tmp", "--registry=x"}, "no plugin 'registry_x.so'"},
        {{"dump", "--work_dir=/tmp", "--registry=log_storage"},
         "no plugin 'registry_replicated_log.so'"},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct startup s;
        const char *const *args = cases[i].args;
        assert_int_equal(START(&s, "log", args[0], args[1], args[2]), STARTUP_REFUSED);
        if (strstr(mu_buf_str(&s.errors), cases[i].text) == NULL) {
            fail_msg("'%s' is not in '%s'", cases[i].text, mu_buf_str(&s.errors));
        }
        startup_release(&s);
    }
    struct startup s;
    assert_int_equal(START(&s, "log", "--help"), STARTUP_PRINTED);
    assert_non_null(strstr(mu_buf_str(&s.out), "Usage: muster log status|dump|verify"));
    assert_non_null(strstr(mu_buf_str(&s.out), "--work_dir=DIR"));
    startup_release(&s);
}

static void missing_plugins_and_bad_values_are_reported_together(void **state)
{
    (void)state;
    struct startup s;
    assert_int_equal(START(&s, "local", "--port=x", "--marathon_port=99999",
                           "--containerizers=nope", "--nope_flag=1"),
                     STARTUP_REFUSED);
    static const char *const wanted[] = {
        "no plugin 'containerizer_nope.so'",
        "no plugin 'election_in_memory.so'",
        "no plugin 'registry_in_memory.so'",
        "no plugin 'api_mesos.so'",
        "--port: ",
        "--marathon_port: 99999",
    };
    const char *errors = mu_buf_str(&s.errors);
    for (size_t i = 0; i < MU_COUNT_OF(wanted); i++) {
        const char *at = strstr(errors, wanted[i]);
        if (at == NULL || strstr(at + 1, wanted[i]) != NULL) {
            fail_msg("not there once: %s\nin:\n%s", wanted[i], errors);
        }
    }
    assert_null(strstr(errors, "nope_flag")); /* may belong to what is missing */
    startup_release(&s);
}

struct shown {
    char zk[128], master[128];
};

static void on_shown(void *arg, const char *name, const char *value)
{
    struct shown *s = arg;
    if (strcmp(name, "zk") == 0) {
        snprintf(s->zk, sizeof(s->zk), "%s", value);
    } else if (strcmp(name, "master") == 0) {
        snprintf(s->master, sizeof(s->master), "%s", value);
    }
}

/* As text on the command line, and out of a file with blanks around. */
static void an_agents_master_url_reaches_the_plugins_and_is_shown_to_nobody(void **state)
{
    (void)state;
    static const char url[] = "zk://joe:h\"u@sh@h:2181/m";
    char path[] = "/tmp/muster-master-XXXXXX", from_file[64], on_line[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(dprintf(fd, "  %s\r\n", url), (int)strlen(url) + 4);
    close(fd);
    snprintf(on_line, sizeof(on_line), "--master=%s", url);
    snprintf(from_file, sizeof(from_file), "--master=file://%s", path);
    const char *const args[] = {on_line, from_file};
    for (size_t i = 0; i < MU_COUNT_OF(args); i++) {
        struct startup s;
        struct shown shown = {0};
        assert_int_equal(START(&s, "agent", args[i]), STARTUP_REFUSED); /* no plugins */
        assert_null(strstr(mu_buf_str(&s.errors), "--master"));
        assert_non_null(strstr(mu_buf_str(&s.errors), "election_zk.so"));
        assert_non_null(strstr(mu_flags_string(s.core, "zk"), url));
        flags_each(s.flags, on_shown, &shown);
        assert_non_null(strstr(shown.zk, "zk://***@h:2181/m"));
        assert_non_null(strstr(shown.master, "zk://***@h:2181/m"));
        assert_null(strstr(shown.zk, "sh@"));
        startup_release(&s);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_runs_without_any_flag),
        cmocka_unit_test(work_dir_makes_the_registry_durable_and_is_made),
        cmocka_unit_test(zk_brings_its_election_and_keeps_apps_safe),
        cmocka_unit_test(agent_has_a_fixed_master_or_follows_an_election),
        cmocka_unit_test(mistakes_name_the_flag),
        cmocka_unit_test(a_log_of_several_masters_needs_their_quorum),
        cmocka_unit_test(zk_is_the_registry_of_several_masters_by_default),
        cmocka_unit_test(one_source_tells_an_agent_who_its_master_is),
        cmocka_unit_test(loopback_and_lookup_decide_the_hostname),
        cmocka_unit_test(questions_are_answered_without_a_command),
        cmocka_unit_test(unknown_commands_and_topics_are_refused),
        cmocka_unit_test(log_is_asked_one_of_three_questions),
        cmocka_unit_test(missing_plugins_and_bad_values_are_reported_together),
        cmocka_unit_test(an_agents_master_url_reaches_the_plugins_and_is_shown_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
