/* Errors: filling, wrapping, cutting, texts of codes. */
#include "cm.h"

#include <muster/error.h>

#include <errno.h>
#include <string.h>

static void fail_fills_and_returns_the_code(void **state)
{
    (void)state;
    struct mu_error err = {0};
    assert_int_equal(mu_fail(&err, MU_E_EXISTS, "app '%s' exists", "/a"), MU_E_EXISTS);
    assert_int_equal(err.code, MU_E_EXISTS);
    assert_string_equal(err.text, "app '/a' exists");
    assert_int_equal(mu_fail(NULL, -ENOENT, "x"), -ENOENT);
}

static void wrap_puts_text_in_front(void **state)
{
    (void)state;
    struct mu_error err = {0};
    (void)mu_fail(&err, -ECONNREFUSED, "connection refused");
    assert_int_equal(mu_wrap(&err, MU_E_UNAVAILABLE, "connect '%s'", "h1:2181"),
                     MU_E_UNAVAILABLE);
    assert_int_equal(err.code, MU_E_UNAVAILABLE);
    assert_string_equal(err.text, "connect 'h1:2181': connection refused");
    assert_int_equal(mu_wrap(NULL, -EIO, "x"), -EIO);
}

static void text_is_one_line(void **state)
{
    (void)state;
    struct mu_error err = {0};
    (void)mu_fail(&err, -EIO,
                  "a\nb\x7f\x01"
                  "c");
    assert_string_equal(err.text, "a?b??c");
}

static void long_text_is_cut_with_dots(void **state)
{
    (void)state;
    struct mu_error err = {0};
    char exact[252];
    memset(exact, 'x', 251);
    exact[251] = '\0';
    (void)mu_fail(&err, -EIO, "%s", exact);
    assert_string_equal(err.text, exact);
    (void)mu_fail(&err, -EIO, "%sy", exact);
    assert_int_equal(strlen(err.text), 251);
    assert_string_equal(err.text + 247, "x...");
    (void)mu_wrap(&err, -EIO, "%s%s%s", exact, exact, exact);
    assert_int_equal(strlen(err.text), 251);
}

static void cut_keeps_utf8_characters_whole(void **state)
{
    (void)state;
    struct mu_error err = {0};
    char text[400];
    memset(text, 'x', 247);
    memcpy(text + 247, "\xe2\x82\xac", 3);
    memset(text + 250, 'y', 100);
    text[350] = '\0';
    (void)mu_fail(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), 250);
    assert_string_equal(err.text + 246, "x...");
}

static void strerror_knows_ours_and_errno(void **state)
{
    (void)state;
    assert_string_equal(mu_strerror(0), "success");
    assert_string_equal(mu_strerror(MU_E_NOT_LEADER), "not the leader");
    assert_string_equal(mu_strerror(-ENOENT), "No such file or directory");
    assert_string_equal(mu_strerror(-4095), "unknown error");
    assert_string_equal(mu_strerror(-30000), "unknown error");
    assert_string_equal(mu_strerror(5), "unknown error");
    assert_string_equal(mu_strerror(INT32_MIN), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_and_returns_the_code),
        cmocka_unit_test(wrap_puts_text_in_front),
        cmocka_unit_test(text_is_one_line),
        cmocka_unit_test(long_text_is_cut_with_dots),
        cmocka_unit_test(cut_keeps_utf8_characters_whole),
        cmocka_unit_test(strerror_knows_ours_and_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
