/* Names and texts of registry zk, with foreign ones among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "registry/zk/layout.h"

/* The part of an entry's name below its bucket. */
static const char *child_of(const char *key, char *out)
{
    zkr_entry_name(key, out);
    assert_int_equal(out[0], '/');
    assert_int_equal(out[1], 'b');
    assert_int_equal(out[4], '/');
    return out + 5;
}

static void key_comes_back_from_its_name(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "a",    "agents/1-S0", "apps//x/2014-01-01T00:00:00.000Z",
        ".",    "..",          ".hidden",
        "a.b",  "a..",         "%",
        "%41",  " ",           "\x01",
        "\x7f", "\xc3\xa9",    "\xff"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char name[ZKR_NAME_MAX], key[MU_REGISTRY_KEY_MAX + 1];
        const char *child = child_of(keys[i], name);
        assert_null(strchr(child, '/'));
        assert_true(child[0] != '.');
        for (const char *c = child; *c != '\0'; c++) {
            assert_true(*c > 0x20 && *c < 0x7f); /* what ZooKeeper takes for sure */
        }
        assert_true(zkr_key_parse(child, key));
        assert_string_equal(key, keys[i]);
    }
}

static void longest_key_of_escaped_bytes_has_room(void **state)
{
    (void)state;
    char key[MU_REGISTRY_KEY_MAX + 1] = {0}, back[MU_REGISTRY_KEY_MAX + 1];
    char name[ZKR_NAME_MAX];
    memset(key, '/', MU_REGISTRY_KEY_MAX);
    assert_true(zkr_key_parse(child_of(key, name), back));
    assert_string_equal(back, key);
    assert_true(strlen(name) < ZKR_NAME_MAX);
}

static void foreign_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"%",   "%4",  "%zz", "%00",      "%2f", "%41",
                                        "a b", "a/b", "",    "\xc3\xa9", "a%2"};
    char key[MU_REGISTRY_KEY_MAX + 1];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(zkr_key_parse(names[i], key));
    }
    char longer[MU_REGISTRY_KEY_MAX + 2] = {0};
    memset(longer, 'a', MU_REGISTRY_KEY_MAX + 1);
    assert_false(zkr_key_parse(longer, key));
}

static void keys_are_spread_over_the_buckets(void **state)
{
    (void)state;
    size_t counts[ZKR_BUCKETS] = {0};
    for (int i = 0; i < 100000; i++) {
        char key[64], name[ZKR_NAME_MAX];
        unsigned bucket;
        snprintf(key, sizeof(key), "agents/20140101-000000-16777343-5050-1-S%d", i);
        zkr_entry_name(key, name);
        assert_int_equal(sscanf(name, "/b%2x/", &bucket), 1);
        assert_true(bucket < ZKR_BUCKETS);
        counts[bucket]++;
    }
    for (size_t i = 0; i < ZKR_BUCKETS; i++) {
        assert_true(counts[i] > 1000 && counts[i] < 2500); /* of 1562 */
    }
}

static int parse_entry(const char *data, size_t len, struct zkr_ref *ref)
{
    const char *value;
    struct mu_error err;
    return zkr_entry_parse(data, len, &value, ref, &err);
}

static void entry_is_a_value_or_names_its_pieces(void **state)
{
    (void)state;
    struct zkr_ref ref;
    struct mu_error err;
    const char *value;
    assert_int_equal(zkr_entry_parse("V", 1, &value, &ref, &err), 0);
    assert_int_equal(ref.len + ref.count, 0);
    assert_int_equal(zkr_entry_parse("VC2\0x", 5, &value, &ref, &err), 0);
    assert_int_equal(ref.len, 4);
    assert_memory_equal(value, "C2\0x", 4);
    static const char text[] = "C2 524289 4f-1-0";
    assert_int_equal(parse_entry(text, strlen(text), &ref), 0);
    assert_int_equal(ref.count, 2);
    assert_int_equal(ref.len, 524289);
    assert_string_equal(ref.set, "4f-1-0");
}

static void foreign_entry_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "X",
        "C",
        "C1",
        "C1 5",
        "C2 5 a-1-0", /* one piece is enough */
        "C0 0 a-1-0", /* so it is none */
        "C-1 5 a-1-0",
        "C1 -5 a-1-0",
        "C3 1048577 a-1-0", /* over the limit of a value */
        "C4294967297 5 a-1-0",
        "C1 99999999999999999999 a",
        "C1 5 ../../x",
        "C1 5 a-1-0 more",
        "C1 5 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct zkr_ref ref;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse_entry(texts[i], strlen(texts[i]), &ref), MU_E_CORRUPT);
    }
    assert_int_equal(parse_entry("C1 5 a-1-0\0x", 12, &ref), MU_E_CORRUPT);
}

static void fence_is_two_numbers_or_nobody(void **state)
{
    (void)state;
    struct zkr_fence f = {9, 9};
    struct mu_error err;
    static const char text[] = "4611686018427387905 18446744073709551615";
    static const char *const bad[] = {"1",    "1 ",   "1 2 3",
                                      "x 2",  "1 2x", "-1 2",
                                      " 1 2", "1  2", "1 99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(zkr_fence_parse(bad[i], strlen(bad[i]), &f, &err), MU_E_CORRUPT);
    }
    assert_int_equal(zkr_fence_parse("1 2\0", 4, &f, &err), MU_E_CORRUPT);
    assert_true(f.epoch == 9 && f.taking == 9); /* written on success only */
    assert_int_equal(zkr_fence_parse(text, strlen(text), &f, &err), 0);
    assert_true(f.epoch == UINT64_C(4611686018427387905) && f.taking == UINT64_MAX);
    assert_int_equal(zkr_fence_parse("", 0, &f, &err), 0);
    assert_true(f.epoch == 0 && f.taking == 0);
}

static void last_is_a_number_or_none(void **state)
{
    (void)state;
    uint64_t number = 9;
    struct mu_error err;
    static const char *const bad[] = {"x", "1 2", "-1", "18446744073709551616", " "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(zkr_last_parse(bad[i], strlen(bad[i]), &number, &err),
                         MU_E_CORRUPT);
    }
    assert_int_equal(number, 9);
    assert_int_equal(zkr_last_parse("18446744073709551615", 20, &number, &err), 0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(zkr_last_parse("", 0, &number, &err), 0);
    assert_int_equal(number, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_comes_back_from_its_name),
        cmocka_unit_test(longest_key_of_escaped_bytes_has_room),
        cmocka_unit_test(foreign_names_are_not_ours),
        cmocka_unit_test(keys_are_spread_over_the_buckets),
        cmocka_unit_test(entry_is_a_value_or_names_its_pieces),
        cmocka_unit_test(foreign_entry_is_refused),
        cmocka_unit_test(fence_is_two_numbers_or_nobody),
        cmocka_unit_test(last_is_a_number_or_none),
    };
    return cmocka_run_group_tests_name("zkr_layout", tests, NULL, NULL);
}
