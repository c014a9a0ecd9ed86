/* JSON writer: commas, escapes, numbers, nesting. */
#include "cm.h"

#include <muster/json_writer.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "base/utf8.h"

#include "dies.h"

static void commas_and_colons_come_by_themselves(void **state)
{
    (void)state;
    struct mu_buf b;
    struct mu_jw w;
    mu_buf_init(&b, 1000);
    mu_jw_init(&w, &b);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "a", "x");
    mu_jw_kv_string(&w, "n", NULL);
    mu_jw_key(&w, "list");
    mu_jw_array_begin(&w);
    mu_jw_int(&w, -1);
    mu_jw_uint(&w, UINT64_MAX);
    mu_jw_array_begin(&w);
    mu_jw_array_end(&w);
    mu_jw_object_begin(&w);
    mu_jw_object_end(&w);
    mu_jw_raw(&w, "[1]", 3);
    mu_jw_array_end(&w);
    mu_jw_kv_bool(&w, "t", true);
    mu_jw_kv_bool(&w, "f", false);
    mu_jw_kv_int(&w, "min", INT64_MIN);
    mu_jw_kv_milli(&w, "m", 300);
    mu_jw_object_end(&w);
    assert_string_equal(
        mu_buf_str(&b),
        "{\"a\":\"x\",\"n\":null,\"list\":[-1,18446744073709551615,[],{},[1]],"
        "\"t\":true,\"f\":false,\"min\":-9223372036854775808,\"m\":0.3}");
    mu_buf_release(&b);
}

static void assert_string_json(const char *s, size_t len, const char *want)
{
    struct mu_buf b;
    struct mu_jw w;
    mu_buf_init(&b, 1000);
    mu_jw_init(&w, &b);
    mu_jw_string_len(&w, s, len);
    assert_string_equal(mu_buf_str(&b), want);
    mu_buf_release(&b);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_json(cases[i].in, strlen(cases[i].in), cases[i].out);
    }
    assert_string_json("a\0b", 3, "\"a\\u0000b\"");
}

/* What stands among bytes that need no escape, wherever it stands. */
static void escapes_are_found_at_every_place(void **state)
{
    (void)state;
    static const struct {
        unsigned char byte;
        const char *want;
    } odd[] = {{'"', "\\\""},
               {'\\', "\\\\"},
               {'\n', "\\n"},
               {0, "\\u0000"},
               {0x1f, "\\u001f"},
               {0x80, "\xef\xbf\xbd"},
               {0xff, "\xef\xbf\xbd"},
               {' ', " "},
               {'!', "!"},
               {'#', "#"},
               {'[', "["},
               {']', "]"},
               {0x7f, "\x7f"}};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        for (size_t len = 1; len <= 20; len++) {
            for (size_t at = 0; at < len; at++) {
                char text[21], want[64];
                memset(text, 'a', len);
                text[at] = (char)odd[i].byte;
                snprintf(want, sizeof(want), "\"%.*s%s%.*s\"", (int)at,
                         "aaaaaaaaaaaaaaaaaaaa", odd[i].want, (int)(len - at - 1),
                         "aaaaaaaaaaaaaaaaaaaa");
                assert_string_json(text, len, want);
            }
        }
    }
}

static void random_bytes_become_valid_utf8(void **state)
{
    (void)state;
    struct mu_prng rng;
    mu_prng_seed(&rng, 9);
    struct mu_buf b;
    mu_buf_init(&b, 10000);
    for (int i = 0; i < 2000; i++) {
        char bytes[40];
        for (size_t k = 0; k < sizeof(bytes); k++) {
            bytes[k] = (char)mu_prng_below(&rng, 256);
        }
        struct mu_jw w;
        mu_buf_clear(&b);
        mu_jw_init(&w, &b);
        mu_jw_string_len(&w, bytes, sizeof(bytes));
        assert_true(mu_utf8_is_valid(b.data, b.len));
    }
    mu_buf_release(&b);
}

static void utf8_validity(void **state)
{
    (void)state;
    const char *good[] = {"",
                          "a",
                          "\x7f",
                          "\xc2\x80",
                          "\xdf\xbf",
                          "\xe0\xa0\x80",
                          "\xed\x9f\xbf",
                          "\xee\x80\x80",
                          "\xf0\x90\x80\x80",
                          "\xf4\x8f\xbf\xbf"};
    const char *bad[] = {"\x80",
                         "\xc1\xbf",
                         "\xe0\x9f\xbf",
                         "\xed\xa0\x80",
                         "\xf0\x8f\xbf\xbf",
                         "\xf4\x90\x80\x80",
                         "\xf5\x80\x80\x80",
                         "\xc2",
                         "\xe2\x82",
                         "\xe2\x82 ",
                         "a\xff"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mu_utf8_is_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(mu_utf8_is_valid(bad[i], strlen(bad[i])));
    }
}

static const char *
written(struct mu_buf *b, void (*fn)(struct mu_jw *, int64_t), int64_t v)
{
    struct mu_jw w;
    mu_buf_clear(b);
    mu_jw_init(&w, b);
    fn(&w, v);
    return mu_buf_str(b);
}

static void milli_numbers_are_exact(void **state)
{
    (void)state;
    const struct {
        int64_t v;
        const char *plain, *point;
    } cases[] = {
        {0, "0", "0.0"},
        {1000, "1", "1.0"},
        {300, "0.3", "0.3"},
        {125, "0.125", "0.125"},
        {1, "0.001", "0.001"},
        {10, "0.01", "0.01"},
        {-1500, "-1.5", "-1.5"},
        {-1, "-0.001", "-0.001"},
        {128000, "128", "128.0"},
        {INT64_MAX, "9223372036854775.807", "9223372036854775.807"},
        {INT64_MIN, "-9223372036854775.808", "-9223372036854775.808"},
    };
    struct mu_buf b;
    mu_buf_init(&b, 100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(written(&b, mu_jw_milli, cases[i].v), cases[i].plain);
        assert_string_equal(written(&b, mu_jw_milli_double, cases[i].v), cases[i].point);
    }
    mu_buf_release(&b);
}

static const char *double_text(struct mu_buf *b, double v)
{
    struct mu_jw w;
    mu_buf_clear(b);
    mu_jw_init(&w, b);
    mu_jw_double(&w, v);
    return mu_buf_str(b);
}

static void doubles_are_shortest_and_read_back(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 100);
    assert_string_equal(double_text(&b, 0.1), "0.1");
    assert_string_equal(double_text(&b, 0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(double_text(&b, 200), "200");
    assert_string_equal(double_text(&b, 5e-324), "5e-324");
    assert_string_equal(double_text(&b, -1.15), "-1.15");
    assert_string_equal(double_text(&b, (double)NAN), "null");
    assert_string_equal(double_text(&b, -(double)INFINITY), "null");
    struct mu_prng rng;
    mu_prng_seed(&rng, 2);
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = mu_prng_next(&rng);
        double v;
        memcpy(&v, &bits, sizeof(v));
        if (isfinite(v)) {
            assert_true(strtod(double_text(&b, v), NULL) == v);
        }
    }
    mu_buf_release(&b);
}

static void nesting_goes_64_deep(void **state)
{
    (void)state;
    struct mu_buf b;
    struct mu_jw w;
    mu_buf_init(&b, 1000);
    mu_jw_init(&w, &b);
    for (int i = 0; i < 64; i++) {
        mu_jw_array_begin(&w);
    }
    mu_jw_int(&w, 1);
    mu_jw_int(&w, 2);
    for (int i = 0; i < 64; i++) {
        mu_jw_array_end(&w);
    }
    assert_int_equal(b.len, 64 + 3 + 64);
    assert_non_null(strstr(mu_buf_str(&b), "[1,2]"));
    mu_buf_release(&b);
}

static void unbalanced(void *arg)
{
    struct mu_jw w;
    mu_jw_init(&w, arg);
    mu_jw_object_end(&w);
}

static void key_without_value(void *arg)
{
    struct mu_jw w;
    mu_jw_init(&w, arg);
    mu_jw_object_begin(&w);
    mu_jw_key(&w, "a");
    mu_jw_object_end(&w);
}

static void misuse_aborts(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 100);
    assert_true(dies(unbalanced, &b, NULL, 0));
    assert_true(dies(key_without_value, &b, NULL, 0));
    mu_buf_release(&b);
}

static void full_buffer_shows_in_its_flag(void **state)
{
    (void)state;
    struct mu_buf b;
    struct mu_jw w;
    mu_buf_init(&b, 10);
    mu_jw_init(&w, &b);
    mu_jw_array_begin(&w);
    mu_jw_string(&w, "much too long for it");
    mu_jw_array_end(&w);
    assert_false(mu_buf_ok(&b));
    mu_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_and_colons_come_by_themselves),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(escapes_are_found_at_every_place),
        cmocka_unit_test(random_bytes_become_valid_utf8),
        cmocka_unit_test(utf8_validity),
        cmocka_unit_test(milli_numbers_are_exact),
        cmocka_unit_test(doubles_are_shortest_and_read_back),
        cmocka_unit_test(nesting_goes_64_deep),
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(full_buffer_shows_in_its_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
