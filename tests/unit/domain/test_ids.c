/* Ids, uuids, roles. */
#include "cm.h"

#include <muster/ids.h>

#include <string.h>

#include "domain/role.h"

static void good_ids_are_copied(void **state)
{
    (void)state;
    const char *good[] = {"a", "...", "a b", "ubuntu.1:2", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct mu_task_id id;
        assert_int_equal(MU_ID_SET(&id, "task id", good[i], NULL), 0);
        assert_string_equal(id.s, good[i]);
        assert_false(MU_ID_EMPTY(id));
    }
}

static void bad_ids_are_named_and_not_copied(void **state)
{
    (void)state;
    const char *bad[] = {"", ".", "..", "a/b", "a\\b", "a\nb", "\x7f", NULL};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_task_id id = {0};
        struct mu_error err = {0};
        assert_int_equal(MU_ID_SET(&id, "task id", bad[i], &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, "task id"));
        assert_true(MU_ID_EMPTY(id));
    }
}

static void length_is_bound_by_the_struct(void **state)
{
    (void)state;
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    struct mu_task_id id = {0};
    struct mu_error err = {0};
    assert_int_equal(MU_ID_SET(&id, "task id", text, &err), MU_E_INVALID);
    assert_string_equal(err.text, "task id is longer than 255 bytes");
    text[255] = '\0';
    assert_int_equal(MU_ID_SET(&id, "task id", text, &err), 0);
    assert_int_equal(strlen(id.s), 255);
}

static void uuid_has_version_and_variant(void **state)
{
    (void)state;
    struct mu_uuid u;
    mu_uuid_make(UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210), &u);
    assert_string_equal(u.s, "01234567-89ab-4def-bedc-ba9876543210");
    mu_uuid_make(0, 0, &u);
    assert_string_equal(u.s, "00000000-0000-4000-8000-000000000000");
    mu_uuid_make(UINT64_MAX, UINT64_MAX, &u);
    assert_string_equal(u.s, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

static void time_uuid_holds_the_time(void **state)
{
    (void)state;
    struct mu_uuid u;
    mu_uuid_make_time(0, 0, 0, &u); /* 1970 is 0x01b21dd213814000 steps after 1582 */
    assert_string_equal(u.s, "13814000-1dd2-11b2-8000-010000000000");
    mu_uuid_make_time(0, 1, UINT64_MAX, &u);
    assert_string_equal(u.s, "13814001-1dd2-11b2-bfff-ffffffffffff");
    mu_uuid_make_time(1, 0, 0, &u);
    assert_string_equal(u.s, "13816710-1dd2-11b2-8000-010000000000");
}

static void time_uuids_of_one_moment_differ_by_seq(void **state)
{
    (void)state;
    struct mu_uuid a;
    struct mu_uuid b;
    mu_uuid_make_time(INT64_C(1399360089010), 1, 5, &a);
    mu_uuid_make_time(INT64_C(1399360089010), 2, 5, &b);
    assert_string_not_equal(a.s, b.s);
    assert_int_equal(a.s[14], '1');
}

static void role_names(void **state)
{
    (void)state;
    const char *good[] = {"*", "web", "a/b/c", "a-b", "a.b", "...", "**", "a*"};
    const char *bad[] = {"",     "/a",  "a/",   "a//b",  ".",  "a/..", "a/*", "-a",
                         "a/-b", "a b", "a\tb", "a\x7f", "a)", "a:b",  "a;b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(mu_role_check(good[i], NULL), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_error err = {0};
        assert_int_equal(mu_role_check(bad[i], &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, "role '"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ids_are_copied),
        cmocka_unit_test(bad_ids_are_named_and_not_copied),
        cmocka_unit_test(length_is_bound_by_the_struct),
        cmocka_unit_test(uuid_has_version_and_variant),
        cmocka_unit_test(time_uuid_holds_the_time),
        cmocka_unit_test(time_uuids_of_one_moment_differ_by_seq),
        cmocka_unit_test(role_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
