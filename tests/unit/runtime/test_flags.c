/* The flag parser: tables of core and plugins, all forms of writing a flag, all errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "runtime/flags.h"
#include "runtime/flags_help.h"

static const struct mu_flag core_table[] = {
    {"port", MU_FLAG_INT, 0, "5050", NULL, "Port to listen on."},
    {"ip", MU_FLAG_STRING, 0, NULL, NULL, "Address to listen on."},
    {"zk", MU_FLAG_STRING, 0, NULL, NULL, "Servers."},
    {"hostname_lookup", MU_FLAG_BOOL, 0, "true", NULL, "Ask the resolver."},
    {"switch_user", MU_FLAG_BOOL, 0, "false", NULL, "Run tasks as their user."},
    {"ping_timeout", MU_FLAG_DURATION, 0, "15secs", NULL, "Between pings."},
    {"cache_size", MU_FLAG_BYTES, 0, "2GB", NULL, "Size of the cache."},
    {"containerizers", MU_FLAG_LIST, 0, "docker,mesos", NULL, "Who is asked first."},
    {"volume", MU_FLAG_STRING, MU_FLAG_REPEATABLE, NULL, NULL, "One more."},
    {"secret", MU_FLAG_STRING, MU_FLAG_SECRET, NULL, NULL, "Not shown."},
    {0},
};
static const struct mu_flag zk_table[] = {
    {"session_timeout", MU_FLAG_DURATION, 0, "10secs", NULL, "Of the session."},
    {"zk", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, NULL, NULL, "Servers, seen by us."},
    {0},
};
static const struct flags_alias aliases[] = {{"slave_ping_timeout", "ping_timeout"}, {0}};

struct fixture {
    struct flags *flags;
    const struct mu_flags *core, *zk;
    struct mu_buf errors, warnings;
};

static struct fixture open_fixture(void)
{
    struct fixture x = {.flags = flags_create()};
    const struct flags_table core = {"Core flags", NULL, core_table};
    const struct flags_table zk = {"election zk", "zk", zk_table};
    assert_int_equal(flags_add(x.flags, &core, &x.core, NULL), 0);
    assert_int_equal(flags_add(x.flags, &zk, &x.zk, NULL), 0);
    flags_set_aliases(x.flags, aliases);
    mu_buf_init(&x.errors, 65536);
    mu_buf_init(&x.warnings, 65536);
    return x;
}

static void close_fixture(struct fixture *x)
{
    flags_destroy(x->flags);
    mu_buf_release(&x->errors);
    mu_buf_release(&x->warnings);
}

#define MAX_ARGS 16

/* Arguments up to the first NULL. */
static int parse_env(struct fixture *x, const char *const *envp, ...)
{
    const char *argv[MAX_ARGS];
    struct flags_input in = {.argv = argv, .envp = envp};
    va_list ap;
    va_start(ap, envp);
    for (const char *a = va_arg(ap, const char *); a != NULL;
         a = va_arg(ap, const char *)) {
        assert_true(in.argc < MAX_ARGS);
        argv[in.argc++] = a;
    }
    va_end(ap);
    return flags_parse(x->flags, &in, &x->errors, &x->warnings);
}
#define PARSE(x, ...) parse_env(x, NULL, __VA_ARGS__, (char *)NULL)

static void defaults_hold_without_arguments(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    assert_int_equal(parse_env(&x, NULL, (char *)NULL), 0);
    assert_int_equal(mu_flags_int(x.core, "port"), 5050);
    assert_null(mu_flags_string(x.core, "ip"));
    assert_true(mu_flags_bool(x.core, "hostname_lookup"));
    assert_int_equal(mu_flags_duration_ms(x.core, "ping_timeout"), 15000);
    assert_true(mu_flags_bytes(x.core, "cache_size") == UINT64_C(2) << 30);
    const char *const *items;
    assert_int_equal(mu_flags_list(x.core, "containerizers", &items), 2);
    assert_string_equal(items[1], "mesos");
    assert_false(mu_flags_is_set(x.core, "port"));
    close_fixture(&x);
}

static void all_ways_to_write_a_flag(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    assert_int_equal(PARSE(&x, "--PORT=1", "--ip", "10.0.0.1", "--no-hostname-lookup",
                           "--switch_user", "--zk_session-timeout=500ms",
                           "--containerizers=mesos, docker", "--volume=/a:/b", "--volume",
                           "/c:/d"),
                     0);
    assert_int_equal(mu_flags_int(x.core, "port"), 1);
    assert_string_equal(mu_flags_string(x.core, "ip"), "10.0.0.1");
    assert_false(mu_flags_bool(x.core, "hostname_lookup"));
    assert_true(mu_flags_bool(x.core, "switch_user"));
    assert_int_equal(mu_flags_duration_ms(x.zk, "session_timeout"), 500);
    const char *const *items;
    assert_int_equal(mu_flags_list(x.core, "containerizers", &items), 2);
    assert_string_equal(items[1], "docker");
    assert_int_equal(mu_flags_list(x.core, "volume", &items), 2);
    assert_string_equal(items[0], "/a:/b");
    assert_string_equal(items[1], "/c:/d");
    assert_true(mu_flags_is_set(x.core, "port"));
    close_fixture(&x);
}

static void booleans_take_words_and_negations(void **state)
{
    (void)state;
    static const struct {
        const char *arg;
        bool want;
    } cases[] = {
        {"--switch_user", true},        {"--switch_user=true", true},
        {"--switch_user=1", true},      {"--switch_user=", true},
        {"--switch_user=FALSE", false}, {"--switch_user=0", false},
        {"--no-switch_user", false},    {"--disable_switch_user", false},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct fixture x = open_fixture();
        assert_int_equal(PARSE(&x, cases[i].arg), 0);
        assert_int_equal(mu_flags_bool(x.core, "switch_user"), cases[i].want);
        close_fixture(&x);
    }
}

static void global_name_reaches_every_table_that_declares_it(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    assert_int_equal(PARSE(&x, "--zk=zk://h:2181/mesos"), 0);
    assert_string_equal(mu_flags_string(x.core, "zk"), "zk://h:2181/mesos");
    assert_string_equal(mu_flags_string(x.zk, "zk"), "zk://h:2181/mesos");
    close_fixture(&x);
}

static void environment_gives_what_the_command_line_does_not(void **state)
{
    (void)state;
    const char *env[] = {
        "MUSTER_PORT=7",    "MUSTER_IP=::1", "MUSTER_ZK_SESSION_TIMEOUT=2secs",
        "MUSTER_NO_SUCH=1", "HOME=/",        NULL};
    struct fixture x = open_fixture();
    assert_int_equal(parse_env(&x, env, "--port=8", (char *)NULL), 0);
    assert_int_equal(mu_flags_int(x.core, "port"), 8);
    assert_string_equal(mu_flags_string(x.core, "ip"), "::1");
    assert_int_equal(mu_flags_duration_ms(x.zk, "session_timeout"), 2000);
    assert_true(mu_flags_is_set(x.core, "ip"));
    close_fixture(&x);
}

static void value_can_come_from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/muster-flags-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "zk://h:1/x\n", 11), 11);
    close(fd);
    char arg[64];
    snprintf(arg, sizeof(arg), "--zk=file://%s", path);
    struct fixture x = open_fixture();
    assert_int_equal(PARSE(&x, arg), 0);
    assert_string_equal(mu_flags_string(x.core, "zk"), "zk://h:1/x");
    close_fixture(&x);
    unlink(path);
    x = open_fixture();
    assert_int_equal(PARSE(&x, arg), MU_E_INVALID);
    assert_non_null(strstr(mu_buf_str(&x.errors), "--zk: file '/tmp/muster-flags-"));
    close_fixture(&x);
}

static void every_mistake_is_reported(void **state)
{
    (void)state;
    const char *env[] = {"MUSTER_CACHE_SIZE=many", NULL};
    struct fixture x = open_fixture();
    assert_int_equal(parse_env(&x, env, "--prot=1", "--port=1x", "--ip",
                               "--ping_timeout=10", "stray", "--no-port",
                               "--no-switch_user=1", "--switch_user=maybe", "--zk=a",
                               "--zk=b", "--=1", "--quite_something_else", (char *)NULL),
                     MU_E_INVALID);
    static const char *const wanted[] = {
        "unknown flag '--prot'; did you mean '--port'?\n",
        "--port: ",
        "--ip needs a value: --ip=...\n",
        "--ping_timeout: ",
        "unexpected argument 'stray'\n",
        "--no_port: only booleans can be negated\n",
        "--no_switch_user takes no value\n",
        "--switch_user: 'maybe' is neither true nor false\n",
        "--zk is given twice\n",
        "'--=1' is not a flag\n",
        "unknown flag '--quite_something_else'; --help lists those there are\n",
        "MUSTER_CACHE_SIZE: ",
    };
    const char *errors = mu_buf_str(&x.errors);
    for (size_t i = 0; i < MU_COUNT_OF(wanted); i++) {
        if (strstr(errors, wanted[i]) == NULL) {
            fail_msg("missing: %sin:\n%s", wanted[i], errors);
        }
    }
    close_fixture(&x);
}

static void old_name_works_and_is_mentioned(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    assert_int_equal(PARSE(&x, "--slave-ping-timeout=1mins"), 0);
    assert_int_equal(mu_flags_duration_ms(x.core, "ping_timeout"), 60000);
    assert_string_equal(mu_buf_str(&x.warnings),
                        "--slave_ping_timeout is an old name of --ping_timeout\n");
    close_fixture(&x);
    x = open_fixture();
    assert_int_equal(PARSE(&x, "--slave_ping_timeout=1mins", "--ping_timeout=1mins"),
                     MU_E_INVALID);
    close_fixture(&x);
}

static void known_only_skips_what_it_does_not_know(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    const char *argv[] = {"--unheard=1", "word", "--unheard-of", "--port=9"};
    const struct flags_input in = {.argc = 4, .argv = argv, .known_only = true};
    assert_int_equal(flags_parse(x.flags, &in, &x.errors, &x.warnings), 0);
    assert_int_equal(mu_flags_int(x.core, "port"), 9);
    close_fixture(&x);
}

static void missing_required_flag_is_named_with_its_help(void **state)
{
    (void)state;
    static const struct mu_flag table[] = {
        {"master", MU_FLAG_STRING, MU_FLAG_REQUIRED, NULL, NULL, "Where the master is."},
        {0}};
    struct fixture x = open_fixture();
    const struct flags_table t = {"agent", NULL, table};
    assert_int_equal(flags_add(x.flags, &t, NULL, NULL), 0);
    assert_int_equal(PARSE(&x, "--port=1"), MU_E_INVALID);
    assert_string_equal(mu_buf_str(&x.errors),
                        "--master is needed: Where the master is.\n");
    close_fixture(&x);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct mu_flag flags[3];
        const char *text;
    } cases[] = {
        {{{"Wait", MU_FLAG_INT, 0, NULL, NULL, "h"}, {0}}, "'Wait'"},
        {{{"no_wait", MU_FLAG_INT, 0, NULL, NULL, "h"}, {0}}, "'no_wait'"},
        {{{"wait", 99, 0, NULL, NULL, "h"}, {0}}, "type 99"},
        {{{"wait", MU_FLAG_INT, 0, NULL, NULL, NULL}, {0}}, "no help"},
        {{{"wait", MU_FLAG_INT, 0, "ten", NULL, "h"}, {0}}, "default of flag 'wait'"},
        {{{"a", MU_FLAG_INT, 0, NULL, NULL, "h"},
          {"a", MU_FLAG_INT, 0, NULL, NULL, "h"},
          {0}},
         "declared twice"},
        {{{"port", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, NULL, NULL, "h"}, {0}},
         "declared by 'Core flags' already"},
        {{{"help", MU_FLAG_BOOL, MU_FLAG_GLOBAL_NAME, NULL, NULL, "h"}, {0}},
         "muster's own"},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct fixture x = open_fixture();
        struct mu_error err = {0};
        const struct flags_table t = {"api bad", "bad", cases[i].flags};
        assert_true(flags_add(x.flags, &t, NULL, &err) < 0);
        if (strstr(err.text, cases[i].text) == NULL) {
            fail_msg("case %zu: %s", i, err.text);
        }
        assert_int_equal(PARSE(&x, "--port=1"), 0); /* the rest is as before */
        close_fixture(&x);
    }
}

static void append_flag(void *arg, const char *name, const char *value)
{
    mu_buf_printf(arg, "%s=%s\n", name, value == NULL ? "(unset)" : value);
}

static void secrets_are_hidden_wherever_values_are_shown(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    assert_int_equal(PARSE(&x, "--secret=hush", "--zk=zk://joe:hush@h:1/x"), 0);
    struct mu_buf out;
    mu_buf_init(&out, 65536);
    flags_each(x.flags, append_flag, &out);
    const char *text = mu_buf_str(&out);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "secret=***\n"));
    assert_non_null(strstr(text, "zk=zk://***@h:1/x\n"));
    assert_non_null(strstr(text, "ip=(unset)\n"));
    assert_null(strstr(strstr(text, "\nzk=") + 1, "\nzk=")); /* shared name: once */
    mu_buf_release(&out);
    close_fixture(&x);
}

static void help_names_every_flag_with_default_and_fits_the_terminal(void **state)
{
    (void)state;
    struct fixture x = open_fixture();
    struct mu_buf out;
    mu_buf_init(&out, 65536);
    flags_help_text(x.flags, &out);
    const char *text = mu_buf_str(&out);
    assert_non_null(strstr(text, "\nCore flags:\n"));
    assert_non_null(strstr(text, "  --port=N                Port to listen on. (default: "
                                 "5050)\n"));
    assert_non_null(strstr(text, "  --[no-]switch_user"));
    assert_non_null(strstr(text, "\nelection zk:\n  --zk_session_timeout=DURATION"));
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        assert_true(len <= 80);
        p += len + 1;
    }
    mu_buf_clear(&out);
    flags_help_man(x.flags, &out);
    assert_non_null(strstr(mu_buf_str(&out), ".TP\n.B \\-\\-port=N\nPort to listen on."));
    mu_buf_release(&out);
    close_fixture(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_without_arguments),
        cmocka_unit_test(all_ways_to_write_a_flag),
        cmocka_unit_test(booleans_take_words_and_negations),
        cmocka_unit_test(global_name_reaches_every_table_that_declares_it),
        cmocka_unit_test(environment_gives_what_the_command_line_does_not),
        cmocka_unit_test(value_can_come_from_a_file),
        cmocka_unit_test(every_mistake_is_reported),
        cmocka_unit_test(old_name_works_and_is_mentioned),
        cmocka_unit_test(known_only_skips_what_it_does_not_know),
        cmocka_unit_test(missing_required_flag_is_named_with_its_help),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(secrets_are_hidden_wherever_values_are_shown),
        cmocka_unit_test(help_names_every_flag_with_default_and_fits_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
