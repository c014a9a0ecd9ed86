/* The engine's answers, whole, sparse and broken. */
#include "docker_kit.h"

#include <stdio.h>

#include "base/alloc.h"

#define DECODE(fn, text, ...) fn(text, strlen(text), __VA_ARGS__)

static void versions_become_numbers(void **state)
{
    struct dkr_version v;
    struct mu_error err;
    (void)state;
    assert_int_equal(DECODE(dkr_decode_version,
                            "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\","
                            "\"MinAPIVersion\":\"1.12\"}",
                            &v, &err),
                     0);
    assert_int_equal(v.newest, 141);
    assert_int_equal(v.oldest, 112);
    assert_string_equal(v.engine, "20.10.24");
    assert_int_equal(DECODE(dkr_decode_version, "{\"ApiVersion\":\"1.9\"}", &v, &err), 0);
    assert_int_equal(v.newest, 109);
    assert_int_equal(v.oldest, 0);
    assert_true(DECODE(dkr_decode_version, "{\"ApiVersion\":\"x\"}", &v, &err) < 0);
    assert_true(DECODE(dkr_decode_version, "{}", &v, &err) < 0);
    assert_true(DECODE(dkr_decode_version, "[]", &v, &err) < 0);
    assert_true(DECODE(dkr_decode_version, "{\"ApiVersion\":", &v, &err) < 0);
}

static void a_running_container_is_understood(void **state)
{
    struct dkr_inspect c;
    struct mu_error err;
    static const char text[] =
        "{\"Id\":\"f617\",\"State\":{\"Status\":\"running\",\"Running\":true,"
        "\"OOMKilled\":"
        "false,\"Pid\":77,\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":"
        "\"2026-11-24T06:18:11.69Z\"},\"Config\":{\"Labels\":{\"muster.agent\":\"/w\","
        "\"muster.container_id\":\"one\"}},\"NetworkSettings\":{\"IPAddress\":\"172.17.0."
        "9\","
        "\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}}}";
    (void)state;
    assert_int_equal(dkr_decode_inspect(text, strlen(text), "/w", &c, &err), 0);
    assert_string_equal(c.id, "f617");
    assert_true(c.is_ours);
    assert_true(c.is_running);
    assert_true(c.was_started);
    assert_int_equal(c.pid, 77);
    assert_string_equal(c.ip, "172.17.0.2");
    assert_string_equal(c.container_id, "one");
    assert_int_equal(dkr_decode_inspect(text, strlen(text), "/other", &c, &err), 0);
    assert_false(c.is_ours);
}

static void an_ended_container_keeps_its_status_and_reason(void **state)
{
    struct dkr_inspect c;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_inspect,
               "{\"Id\":\"f617\",\"State\":{\"Running\":false,\"OOMKilled\":true,"
               "\"ExitCode\":137,"
               "\"Error\":\"it\\nbroke\\n\",\"StartedAt\":\"2026-11-24T06:18:11.69Z\"}}",
               "/w", &c, &err),
        0);
    assert_false(c.is_running);
    assert_false(c.is_ours);
    assert_true(c.oom);
    assert_int_equal(c.exit_code, 137);
    assert_string_equal(c.error, "it broke");
    assert_string_equal(c.ip, "");
}

static void a_container_that_was_never_started_is_seen_as_such(void **state)
{
    struct dkr_inspect c;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_inspect,
               "{\"Id\":\"f\",\"State\":{\"StartedAt\":\"0001-01-01T00:00:00Z\"}}", "/w",
               &c, &err),
        0);
    assert_false(c.was_started);
    assert_true(DECODE(dkr_decode_inspect, "{\"Id\":\"f\"}", "/w", &c, &err) < 0);
    assert_true(DECODE(dkr_decode_inspect, "{\"State\":{}}", "/w", &c, &err) < 0);
}

static void the_old_address_serves_when_there_is_no_other(void **state)
{
    struct dkr_inspect c;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_inspect,
               "{\"Id\":\"f\",\"State\":{},\"NetworkSettings\":{\"IPAddress\":"
               "\"172.17.0.9\",\"Networks\":{\"host\":{\"IPAddress\":\"\"}}}}",
               "/w", &c, &err),
        0);
    assert_string_equal(c.ip, "172.17.0.9");
    assert_int_equal(
        DECODE(dkr_decode_inspect,
               "{\"Id\":\"f\",\"State\":{},\"NetworkSettings\":{\"Networks\":{\"six\":{"
               "\"IPAddress\":\"\",\"GlobalIPv6Address\":\"fd00::2\"}}}}",
               "/w", &c, &err),
        0);
    assert_string_equal(c.ip, "fd00::2");
}

static void the_wait_gives_a_status_or_an_error(void **state)
{
    int64_t code = -1;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_wait, "{\"Error\":null,\"StatusCode\":3}", &code, &err), 0);
    assert_int_equal(code, 3);
    assert_true(DECODE(dkr_decode_wait,
                       "{\"Error\":{\"Message\":\"x\"},\"StatusCode\":-1}", &code,
                       &err) < 0);
    assert_true(DECODE(dkr_decode_wait, "{}", &code, &err) < 0);
    assert_true(DECODE(dkr_decode_wait, "", &code, &err) < 0);
}

static void a_list_keeps_ids_labels_and_state(void **state)
{
    struct dkr_list list;
    struct mu_error err;
    (void)state;
    assert_int_equal(DECODE(dkr_decode_list,
                            "[{\"Id\":\"a\",\"State\":\"running\",\"Labels\":{\"muster."
                            "container_id\":\"one\"}},"
                            "{\"Id\":\"b\",\"State\":\"exited\",\"Labels\":null},{"
                            "\"State\":\"running\"},7]",
                            &list, &err),
                     0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.v[0].id, "a");
    assert_string_equal(list.v[0].container_id, "one");
    assert_true(list.v[0].is_running);
    assert_string_equal(list.v[1].container_id, "");
    assert_false(list.v[1].is_running);
    free(list.v);
    assert_true(DECODE(dkr_decode_list, "{}", &list, &err) < 0);
}

static void figures_come_from_either_kind_of_control_group(void **state)
{
    struct mu_container_usage u;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_usage,
               "{\"cpu_stats\":{\"cpu_usage\":{\"usage_in_usermode\":5000000,"
               "\"usage_in_kernelmode\":3000000}},\"memory_stats\":{\"usage\":900,"
               "\"limit\":4096,"
               "\"stats\":{\"rss\":700}},\"pids_stats\":{\"current\":3}}",
               &u, &err),
        0);
    assert_int_equal(u.cpu_user_us, 5000);
    assert_int_equal(u.cpu_system_us, 3000);
    assert_int_equal(u.mem_rss_bytes, 700);
    assert_int_equal(u.mem_limit_bytes, 4096);
    assert_int_equal(u.processes, 3);
    assert_int_equal(
        DECODE(dkr_decode_usage,
               "{\"cpu_stats\":{\"cpu_usage\":{}},\"memory_stats\":{\"stats\":{"
               "\"anon\":600}}}",
               &u, &err),
        0);
    assert_int_equal(u.mem_rss_bytes, 600);
    assert_true(DECODE(dkr_decode_usage, "{}", &u, &err) < 0);
}

static void pull_records_tell_progress_and_errors(void **state)
{
    struct dkr_pull_record r;
    struct mu_error err;
    (void)state;
    assert_int_equal(
        DECODE(dkr_decode_pull_record,
               "{\"status\":\"Downloading\",\"id\":\"ab12\",\"progressDetail\":{"
               "\"current\":5,\"total\":10}}",
               &r, &err),
        0);
    assert_string_equal(r.status, "Downloading");
    assert_string_equal(r.layer, "ab12");
    assert_int_equal(r.current, 5);
    assert_int_equal(r.total, 10);
    assert_string_equal(r.error, "");
    assert_int_equal(
        DECODE(dkr_decode_pull_record,
               "{\"errorDetail\":{\"message\":\"not there\"},\"error\":\"short\"}", &r,
               &err),
        0);
    assert_string_equal(r.error, "not there");
    assert_int_equal(DECODE(dkr_decode_pull_record, "{\"error\":\"short\"}", &r, &err),
                     0);
    assert_string_equal(r.error, "short");
    assert_int_equal(DECODE(dkr_decode_pull_record, "{\"errorDetail\":{}}", &r, &err), 0);
    assert_string_equal(r.error, "no reason given");
}

static void errors_are_the_engines_words_in_one_line(void **state)
{
    static const char *const cases[][2] = {
        {"{\"message\":\"No such image: x:latest\"}", "No such image: x:latest"},
        {"{\"message\":\"two\\nlines\\n\"}", "two lines"},
        {"client version 1.9 is too old\n", "client version 1.9 is too old"},
        {"{\"message\":\"\"}", "{\"message\":\"\"}"},
        {"", "HTTP status 409"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DKR_TEXT_SIZE];
        dkr_decode_error(409, cases[i][0], strlen(cases[i][0]), text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void long_messages_are_cut_at_a_character(void **state)
{
    char body[2000];
    char text[DKR_TEXT_SIZE];
    (void)state;
    size_t len = (size_t)snprintf(body, sizeof(body), "{\"message\":\"a");
    while (len < 1200) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "\xc3\xa4");
    }
    len += (size_t)snprintf(body + len, sizeof(body) - len, "\"}");
    dkr_decode_error(500, body, len, text);
    assert_int_equal(strlen(text), DKR_TEXT_SIZE - 1);
    assert_int_equal((unsigned char)text[strlen(text) - 1], 0xa4); /* not half of one */
}

static void a_label_filter_is_escaped(void **state)
{
    (void)state;
    mu_auto_free char *filter = dkr_encode_label_filter("muster.agent", "/a \"b\"");
    assert_string_equal(filter, "{\"label\":[\"muster.agent=/a \\\"b\\\"\"]}");
    assert_null(dkr_encode_label_filter("muster.agent", "\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_become_numbers),
        cmocka_unit_test(a_running_container_is_understood),
        cmocka_unit_test(an_ended_container_keeps_its_status_and_reason),
        cmocka_unit_test(a_container_that_was_never_started_is_seen_as_such),
        cmocka_unit_test(the_old_address_serves_when_there_is_no_other),
        cmocka_unit_test(the_wait_gives_a_status_or_an_error),
        cmocka_unit_test(a_list_keeps_ids_labels_and_state),
        cmocka_unit_test(figures_come_from_either_kind_of_control_group),
        cmocka_unit_test(pull_records_tell_progress_and_errors),
        cmocka_unit_test(errors_are_the_engines_words_in_one_line),
        cmocka_unit_test(long_messages_are_cut_at_a_character),
        cmocka_unit_test(a_label_filter_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
