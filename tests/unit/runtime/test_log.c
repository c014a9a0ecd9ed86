/* Log lines: pairs, escaping, JSON, levels, hidden credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <inttypes.h>

#include <muster/error.h>

#include "runtime/log_sinks.h"

static struct mu_buf line;

__attribute__((format(printf, 3, 4))) static const char *
format(bool json, const char *source, const char *fmt, ...)
{
    const struct rt_log_line l = {
        .wall_ms = 1399360149010, .source = source, .level = MU_INFO, .message = "hello"};
    mu_buf_clear(&line);
    va_list ap;
    va_start(ap, fmt);
    rt_log_format(&line, json, &l, fmt, ap);
    va_end(ap);
    return mu_buf_str(&line);
}

#define TEXT_HEAD "2014-05-06T07:09:09.010Z INFO  hello"
#define JSON_HEAD                                                                        \
    "{\"time\":\"2014-05-06T07:09:09.010Z\",\"level\":\"info\",\"message\":\"hello\""

static void text_line_without_pairs(void **state)
{
    (void)state;
    assert_string_equal(format(false, NULL, NULL), TEXT_HEAD "\n");
}

static void pairs_of_all_types(void **state)
{
    (void)state;
    assert_string_equal(
        format(false, "election_zk",
               "i=%d u=%u l=%ld q=%" PRIu64 " z=%zu x=%#x c=%c f=%.2f s=%s "
               "r=%d/%d p=%.*s n=%s pct=5%%",
               -1, 2u, 3L, UINT64_MAX, (size_t)4, 255, 'y', 1.005, "text", 1, 2, 3,
               "abcdef", (const char *)NULL),
        TEXT_HEAD " plugin=election_zk i=-1 u=2 l=3 q=18446744073709551615 z=4 "
                  "x=0xff c=y f=1.00 s=text r=1/2 p=abc n=(none) pct=5%\n");
}

static void text_values_cannot_pose_as_pairs_or_lines(void **state)
{
    (void)state;
    assert_string_equal(
        format(false, NULL, "a=%s b=%s c=%s", "x b=1", "two\nlines\x1b", ""),
        TEXT_HEAD " a=\"x b=1\" b=\"two\\nlines\\x1b\" c=\"\"\n");
    assert_string_equal(format(false, NULL, "a=%s", "say \"hi\\\""),
                        TEXT_HEAD " a=\"say \\\"hi\\\\\\\"\"\n");
}

static void json_keeps_numbers_and_quotes_the_rest(void **state)
{
    (void)state;
    assert_string_equal(
        format(true, "api_mesos", "n=%d t=%s mixed=%dms h=%x", 42, "a \"b\"\n", 7, 255),
        JSON_HEAD ",\"plugin\":\"api_mesos\",\"n\":42,\"t\":\"a \\\"b\\\"\\n\","
                  "\"mixed\":\"7ms\",\"h\":\"ff\"}\n");
}

static void a_piece_that_is_no_pair_is_kept(void **state)
{
    (void)state;
    assert_string_equal(format(false, NULL, "lonely a=%d", 1),
                        TEXT_HEAD " detail=lonely a=1\n");
}

static void credentials_in_urls_are_hidden(void **state)
{
    (void)state;
    assert_string_equal(
        format(false, NULL, "zk=%s", "zk://joe:pa@ss@h1:2181,h2:2181/mesos"),
        TEXT_HEAD " zk=zk://***@h1:2181,h2:2181/mesos\n");
    assert_string_equal(format(false, NULL, "u=%s", "http://host/a@b"),
                        TEXT_HEAD " u=http://host/a@b\n");
    assert_string_equal(format(false, NULL, "u=%s", "two http://a:b@x http://c:d@y"),
                        TEXT_HEAD " u=\"two http://***@x http://***@y\"\n");
}

__attribute__((format(printf, 3, 4))) static void
write_line(const struct rt_log *log, int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_log_write(log, NULL, level, "m", fmt, ap);
    va_end(ap);
}

static void levels_above_the_chosen_one_are_left_out(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    const struct rt_log log = {.fd = fds[1], .level = MU_WARN};
    write_line(&log, MU_INFO, "n=%d", 1);
    write_line(&log, MU_ERROR, "n=%d", 2);
    write_line(&log, MU_WARN, "n=%d", 3);
    close(fds[1]);
    char text[512] = "";
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    assert_true(n > 0);
    assert_null(strstr(text, "n=1"));
    assert_non_null(strstr(text, " ERROR m n=2\n"));
    assert_non_null(strstr(text, " WARN  m n=3\n"));
}

static void huge_values_are_cut_and_the_line_stays_whole(void **state)
{
    (void)state;
    static char big[20000];
    memset(big, '"', sizeof(big) - 1);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    const struct rt_log log = {.fd = fds[1], .level = MU_WARN, .json = true};
    write_line(&log, MU_ERROR, "a=%s b=%s", big, big);
    close(fds[1]);
    static char text[65536];
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    assert_in_range(n, 1, RT_LOG_LINE_MAX);
    text[n] = '\0';
    assert_string_equal(text + n - 2, "}\n");
    assert_non_null(strstr(text, "\"message\":\"m\""));
}

static void level_names_are_read_as_mesos_writes_them(void **state)
{
    (void)state;
    int level = 0;
    assert_int_equal(rt_log_level_parse("WARNING", &level), 0);
    assert_int_equal(level, MU_WARN);
    assert_int_equal(rt_log_level_parse("info", &level), 0);
    assert_int_equal(level, MU_INFO);
    assert_int_equal(rt_log_level_parse("loud", &level), MU_E_INVALID);
}

static int setup(void **state)
{
    (void)state;
    mu_buf_init(&line, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mu_buf_release(&line);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_line_without_pairs),
        cmocka_unit_test(pairs_of_all_types),
        cmocka_unit_test(text_values_cannot_pose_as_pairs_or_lines),
        cmocka_unit_test(json_keeps_numbers_and_quotes_the_rest),
        cmocka_unit_test(a_piece_that_is_no_pair_is_kept),
        cmocka_unit_test(credentials_in_urls_are_hidden),
        cmocka_unit_test(levels_above_the_chosen_one_are_left_out),
        cmocka_unit_test(huge_values_are_cut_and_the_line_stays_whole),
        cmocka_unit_test(level_names_are_read_as_mesos_writes_them),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
