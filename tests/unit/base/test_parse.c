/* Strict number parsing, durations, sizes. */
#include "cm.h"

#include <muster/time.h>

#include <string.h>

#include "base/parse.h"

static void i64_takes_whole_numbers_only(void **state)
{
    (void)state;
    int64_t v = 0;
    assert_int_equal(mu_parse_i64("-9223372036854775808", &v, NULL), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(mu_parse_i64("+7", &v, NULL), 0);
    assert_int_equal(v, 7);
    const char *bad[] = {"",
                         " 1",
                         "1 ",
                         "0x1",
                         "1.0",
                         "--1",
                         "+",
                         "1e3",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "12a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_error err = {0};
        assert_int_equal(mu_parse_i64(bad[i], &v, &err), MU_E_INVALID);
        assert_int_equal(err.code, MU_E_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(v, 7);
    }
}

static void u64_takes_digits_only(void **state)
{
    (void)state;
    uint64_t v = 1;
    assert_int_equal(mu_parse_u64("18446744073709551615", &v, NULL), 0);
    assert_true(v == UINT64_MAX);
    const char *bad[] = {"", "-1", "-0", "+1", " 1", "18446744073709551616", "1,"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(mu_parse_u64(bad[i], &v, NULL), MU_E_INVALID);
    }
    assert_true(v == UINT64_MAX);
}

static void double_takes_decimal_forms_only(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double v;
    } good[] = {{"0", 0},  {".5", .5},    {"5.", 5},     {"-1.25", -1.25},
                {"+3", 3}, {"1e3", 1000}, {"1E-2", .01}, {"1e-400", 0}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double v = -1;
        assert_int_equal(mu_parse_double(good[i].text, &v, NULL), 0);
        assert_true(v == good[i].v);
    }
    const char *bad[] = {"",      ".",     "-",  "e3", "1e",    "1e+", "inf", "nan",
                         "0x1p3", "1e999", " 1", "1 ", "1.2.3", "1,5", "--1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double v = -1;
        assert_int_equal(mu_parse_double(bad[i], &v, NULL), MU_E_INVALID);
        assert_true(v == -1);
    }
}

static void rates(void **state)
{
    (void)state;
    uint32_t count = 0;
    uint64_t per_ms = 0;
    assert_int_equal(mu_parse_rate("1/10mins", &count, &per_ms, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(per_ms, 600000);
    assert_int_equal(mu_parse_rate("300/1.5secs", &count, &per_ms, NULL), 0);
    assert_int_equal(count, 300);
    assert_int_equal(per_ms, 1500);
    const char *bad[] = {
        "",        "1",         "/1secs",           "1/", "-1/1secs", "0/1secs",
        "1/0secs", "1.5/1secs", "4294967296/1secs", "1/x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_error err = {0};
        assert_int_equal(mu_parse_rate(bad[i], &count, &per_ms, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(count, 300);
        assert_int_equal(per_ms, 1500);
    }
}

static void percentages(void **state)
{
    (void)state;
    uint32_t ppm = 0;
    const struct {
        const char *text;
        uint32_t ppm;
    } good[] = {{"100%", 1000000}, {"0%", 0}, {"0.5%", 5000}, {"33.3333%", 333333}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(mu_parse_percent(good[i].text, &ppm, NULL), 0);
        assert_int_equal(ppm, good[i].ppm);
    }
    const char *bad[] = {"", "%", "50", "101%", "-1%", "x%", "50%%", " 5%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_error err = {0};
        assert_int_equal(mu_parse_percent(bad[i], &ppm, &err), MU_E_INVALID);
        assert_int_equal(err.code, MU_E_INVALID);
        assert_int_equal(ppm, 333333);
    }
}

static void durations(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"10secs", 10000}, {"500ms", 500},       {"1.5mins", 90000},
        {"2hrs", 7200000}, {"1days", 86400000},  {"3weeks", 1814400000},
        {"10us", 1},       {"10ns", 1},          {"0ns", 0},
        {"0secs", 0},      {"0.1secs", 100},     {"1.1secs", 1100},
        {"1s", 1000},      {"2m", 120000},       {"1h", 3600000},
        {"1d", 86400000},  {"1500us", 2},        {"1499us", 1},
        {".5secs", 500},   {"0.000000001ns", 1}, {"2.4ms", 2},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t ms = 77;
        assert_int_equal(mu_duration_parse(good[i].text, &ms, NULL), 0);
        assert_int_equal(ms, good[i].ms);
    }
    const char *bad[] = {"",
                         "10",
                         "secs",
                         "-1secs",
                         "1 secs",
                         "1Secs",
                         "1sec",
                         ".secs",
                         "1e3secs",
                         "99999999999999999999secs",
                         "18446744073709551615ms",
                         "18446744073709551615weeks",
                         "1secsx",
                         "+1secs"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t ms = 77;
        struct mu_error err = {0};
        assert_int_equal(mu_duration_parse(bad[i], &ms, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(ms, 77);
    }
}

static void sizes(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"64MB", 67108864},
                {"1GB", 1073741824},
                {"512KB", 524288},
                {"10B", 10},
                {"2TB", UINT64_C(2199023255552)},
                {"1mb", 1048576},
                {"0B", 0}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t bytes = 77;
        assert_int_equal(mu_bytes_parse(good[i].text, &bytes, NULL), 0);
        assert_true(bytes == good[i].bytes);
    }
    const char *bad[] = {
        "",    "1", "MB", "1.5MB", "-1MB", "1 MB", "1PB", "1M", "18014398509481984TB",
        "1.MB"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 77;
        assert_int_equal(mu_bytes_parse(bad[i], &bytes, NULL), MU_E_INVALID);
        assert_int_equal(bytes, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i64_takes_whole_numbers_only),
        cmocka_unit_test(u64_takes_digits_only),
        cmocka_unit_test(double_takes_decimal_forms_only),
        cmocka_unit_test(rates),
        cmocka_unit_test(percentages),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
