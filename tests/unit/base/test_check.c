/* Asserts: what they print, that they abort, and the hook. */
#include "cm.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#include "dies.h"

static void fail_assert(void *arg)
{
    int two = *(int *)arg;
    MU_ASSERT(two == 3);
}

static void failing_assert_prints_place_and_expression_and_aborts(void **state)
{
    (void)state;
    char text[256];
    int two = 2;
    assert_true(dies(fail_assert, &two, text, sizeof(text)));
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, "assertion failed: 'two == 3'"));
}

static void holding_assert_does_nothing(void **state)
{
    (void)state;
    int three = 3;
    assert_false(dies(fail_assert, &three, NULL, 0));
}

static void never(void *arg)
{
    (void)arg;
    MU_NEVER("no such thing");
}

static void never_says_why(void **state)
{
    (void)state;
    char text[256];
    assert_true(dies(never, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "never reached: 'no such thing'"));
}

static void hook(const char *text)
{
    (void)fprintf(stderr, "hook got %s\n", strstr(text, "two == 3"));
    MU_ASSERT(text == NULL); /* must not come back here */
}

static void fail_with_hook(void *arg)
{
    mu_check_set_hook(hook);
    fail_assert(arg);
}

static void hook_gets_the_text_once_even_if_it_fails_itself(void **state)
{
    (void)state;
    char text[512];
    int two = 2;
    assert_true(dies(fail_with_hook, &two, text, sizeof(text)));
    const char *first = strstr(text, "hook got two == 3");
    assert_non_null(first);
    assert_null(strstr(first + 1, "hook got"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_assert_prints_place_and_expression_and_aborts),
        cmocka_unit_test(holding_assert_does_nothing),
        cmocka_unit_test(never_says_why),
        cmocka_unit_test(hook_gets_the_text_once_even_if_it_fails_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
