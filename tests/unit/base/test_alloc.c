/* Allocation helpers and ownership macros. */
#include "cm.h"

#include <string.h>

#include "base/alloc.h"

#include "dies.h"

static void strndup_stops_at_len_or_nul(void **state)
{
    (void)state;
    mu_auto_free char *a = mu_xstrndup("abcdef", 3);
    mu_auto_free char *b = mu_xstrndup("ab", 10);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
}

static void strdup_of_null_is_null(void **state)
{
    (void)state;
    assert_null(mu_xstrdup(NULL));
}

static void zero_sizes_give_pointers(void **state)
{
    (void)state;
    mu_auto_free void *a = mu_xalloc(0);
    mu_auto_free void *b = mu_xcalloc(0, 8);
    mu_auto_free void *c = mu_xmemdup("", 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
}

static void steal_leaves_null(void **state)
{
    (void)state;
    mu_auto_free char *a = mu_xstrdup("x");
    char *before = a;
    mu_auto_free char *b = mu_steal(&a);
    assert_null(a);
    assert_ptr_equal(b, before);
}

struct outer {
    int first;
    int inner;
};

static void container_of_finds_the_outer_struct(void **state)
{
    (void)state;
    struct outer o = {0};
    assert_ptr_equal(mu_container_of(&o.inner, struct outer, inner), &o);
}

static void asprintf_formats(void **state)
{
    (void)state;
    mu_auto_free char *a = mu_xasprintf("%s-%d", "x", 7);
    assert_string_equal(a, "x-7");
}

static void overflow(void *arg)
{
    volatile size_t count = SIZE_MAX / 2;
    free(mu_xrealloc_array(arg, count, 4));
}

static void array_size_overflow_aborts(void **state)
{
    (void)state;
    char text[256];
    assert_true(dies(overflow, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "out of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strndup_stops_at_len_or_nul),
        cmocka_unit_test(strdup_of_null_is_null),
        cmocka_unit_test(zero_sizes_give_pointers),
        cmocka_unit_test(steal_leaves_null),
        cmocka_unit_test(container_of_finds_the_outer_struct),
        cmocka_unit_test(asprintf_formats),
        cmocka_unit_test(array_size_overflow_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
