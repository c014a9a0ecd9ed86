/* HTTP text functions. */
#include "cm.h"

#include <muster/http.h>

#include <errno.h>
#include <string.h>

static void header_names_ignore_case(void **state)
{
    (void)state;
    const struct mu_http_header h[] = {{"Host", "a"}, {"X-Foo", "1"}, {"x-foo", "2"}};
    assert_string_equal(mu_http_header_get(h, 3, "hOST"), "a");
    assert_string_equal(mu_http_header_get(h, 3, "X-FOO"), "1");
    assert_null(mu_http_header_get(h, 3, "X-Fo"));
    assert_null(mu_http_header_get(NULL, 0, "Host"));
}

static int decode(const char *src, bool in_query, char *out, size_t cap)
{
    return mu_http_decode(src, strlen(src), in_query, out, cap);
}

static void decode_escapes(void **state)
{
    (void)state;
    char out[32];
    assert_int_equal(decode("a%20b%2Fc%e2%82%AC", false, out, sizeof(out)), 0);
    assert_string_equal(out, "a b/c\xe2\x82\xac");
    assert_int_equal(decode("a+b", false, out, sizeof(out)), 0);
    assert_string_equal(out, "a+b");
    assert_int_equal(decode("a+b%2B", true, out, sizeof(out)), 0);
    assert_string_equal(out, "a b+");
    assert_int_equal(decode("", false, out, sizeof(out)), 0);
    assert_string_equal(out, "");
}

static void decode_refuses_bad_escapes_and_nul(void **state)
{
    (void)state;
    char out[32];
    const char *bad[] = {"%", "%1", "a%", "%g0", "%0g", "%00", "%%20"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(decode(bad[i], false, out, sizeof(out)), MU_E_INVALID);
    }
    assert_int_equal(mu_http_decode("a\0b", 3, false, out, sizeof(out)), MU_E_INVALID);
    assert_int_equal(mu_http_decode("%41", 2, false, out, sizeof(out)), MU_E_INVALID);
}

static void decode_needs_room_for_the_nul(void **state)
{
    (void)state;
    char out[4];
    assert_int_equal(decode("abc", false, out, 4), 0);
    assert_int_equal(decode("abcd", false, out, 4), -E2BIG);
    assert_int_equal(decode("", false, out, 0), -E2BIG);
    assert_int_equal(decode("%41%42%43", false, out, 4), 0);
    assert_string_equal(out, "ABC");
}

static void query_values_by_name_and_number(void **state)
{
    (void)state;
    const char *q = "a=1&b=x%20y+z&a=2&flag&empty=&%61=3&&=noname&c=p=q";
    char out[32];
    assert_int_equal(mu_http_query_get(q, "a", 0, out, sizeof(out)), 1);
    assert_string_equal(out, "1");
    assert_int_equal(mu_http_query_get(q, "a", 1, out, sizeof(out)), 1);
    assert_string_equal(out, "2");
    assert_int_equal(mu_http_query_get(q, "a", 2, out, sizeof(out)), 1);
    assert_string_equal(out, "3");
    assert_int_equal(mu_http_query_get(q, "a", 3, out, sizeof(out)), MU_E_NOT_FOUND);
    assert_int_equal(mu_http_query_get(q, "b", 0, out, sizeof(out)), 5);
    assert_string_equal(out, "x y z");
    assert_int_equal(mu_http_query_get(q, "flag", 0, out, sizeof(out)), 0);
    assert_string_equal(out, "");
    assert_int_equal(mu_http_query_get(q, "empty", 0, out, sizeof(out)), 0);
    assert_int_equal(mu_http_query_get(q, "c", 0, out, sizeof(out)), 3);
    assert_string_equal(out, "p=q");
    assert_int_equal(mu_http_query_get(q, "fla", 0, out, sizeof(out)), MU_E_NOT_FOUND);
    assert_int_equal(mu_http_query_get(q, "flags", 0, out, sizeof(out)), MU_E_NOT_FOUND);
    assert_int_equal(mu_http_query_get("", "a", 0, out, sizeof(out)), MU_E_NOT_FOUND);
}

static void query_errors(void **state)
{
    (void)state;
    char out[4];
    assert_int_equal(mu_http_query_get("a=%zz", "a", 0, out, 4), MU_E_INVALID);
    assert_int_equal(mu_http_query_get("a=abcd", "a", 0, out, 4), -E2BIG);
    assert_int_equal(mu_http_query_get("%zz=1", "a", 0, out, 4), MU_E_NOT_FOUND);
}

static void status_phrases(void **state)
{
    (void)state;
    assert_string_equal(mu_http_status_text(200), "OK");
    assert_string_equal(mu_http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(mu_http_status_text(799), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_names_ignore_case),
        cmocka_unit_test(decode_escapes),
        cmocka_unit_test(decode_refuses_bad_escapes_and_nul),
        cmocka_unit_test(decode_needs_room_for_the_nul),
        cmocka_unit_test(query_values_by_name_and_number),
        cmocka_unit_test(query_errors),
        cmocka_unit_test(status_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
