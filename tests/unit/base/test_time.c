/* ISO-8601 text. */
#include "cm.h"

#include <muster/time.h>

#include <string.h>

#include "base/prng.h"

static void format_known_moments(void **state)
{
    (void)state;
    const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(1399360089010), "2014-05-06T07:08:09.010Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(-62135596800000), "0001-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[MU_TIME_TEXT];
        mu_time_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void extreme_moments_fit(void **state)
{
    (void)state;
    char text[MU_TIME_TEXT];
    mu_time_format(INT64_MAX, text);
    assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
    mu_time_format(INT64_MIN, text);
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
}

static void parse_accepts_iso_8601(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2014-05-06T07:08:09.010Z", INT64_C(1399360089010)},
        {"2014-05-06T07:08:09Z", INT64_C(1399360089000)},
        {"2014-05-06T07:08Z", INT64_C(1399360080000)},
        {"2014-05-06T07:08:09.1Z", INT64_C(1399360089100)},
        {"2014-05-06T07:08:09.0109999Z", INT64_C(1399360089010)},
        {"2014-05-06T09:08:09.010+02:00", INT64_C(1399360089010)},
        {"2014-05-06T02:38:09.010-0430", INT64_C(1399360089010)},
        {"2014-05-06T08:08:09.010+01", INT64_C(1399360089010)},
        {"2014-05-06t07:08:09,010z", INT64_C(1399360089010)},
        {"2016-02-29T00:00:00Z", INT64_C(1456704000000)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;
        assert_int_equal(mu_time_parse(cases[i].text, &ms, NULL), 0);
        assert_true(ms == cases[i].ms);
    }
}

static void parse_refuses_what_is_no_time(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "2014",
        "2014-05-06",
        "2014-05-06T07:08:09",
        "2014-05-06 07:08:09Z",
        "2014-13-06T07:08:09Z",
        "2014-00-06T07:08:09Z",
        "2014-02-29T07:08:09Z",
        "2014-05-00T07:08:09Z",
        "2014-05-06T24:00:00Z",
        "2014-05-06T07:60:09Z",
        "2014-05-06T07:08:60Z",
        "2014-05-06T07:08:09.Z",
        "2014-05-06T07:08:09ZZ",
        "2014-05-06T07:08:09+",
        "2014-05-06T07:08:09+1",
        "2014-05-06T07:08:09+01:",
        "2014-05-06T07:08:09+24:00",
        "14-05-06T07:08:09Z",
        "2014-5-6T07:08:09Z",
        "1900-02-29T00:00:00Z",
        "yesterday",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 5;
        struct mu_error err = {0};
        assert_int_equal(mu_time_parse(bad[i], &ms, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(ms, 5);
    }
}

static void format_and_parse_agree(void **state)
{
    (void)state;
    struct mu_prng rng;
    mu_prng_seed(&rng, 4);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)mu_prng_below(&rng, UINT64_C(315537897600000)) -
                     INT64_C(62135596800000);
        char text[MU_TIME_TEXT];
        mu_time_format(ms, text);
        int64_t back = 0;
        assert_int_equal(mu_time_parse(text, &back, NULL), 0);
        assert_true(back == ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_known_moments),
        cmocka_unit_test(extreme_moments_fit),
        cmocka_unit_test(parse_accepts_iso_8601),
        cmocka_unit_test(parse_refuses_what_is_no_time),
        cmocka_unit_test(format_and_parse_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
