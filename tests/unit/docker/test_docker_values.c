/* Value syntax of the docker command line. */
#include "docker_kit.h"

#include "values.h"

static void integers_are_read_whole_or_refused(void **state)
{
    static const struct {
        const char *text;
        int64_t value; /* -7: refused */
    } cases[] = {
        {"0", 0}, {"42", 42}, {"-1", -1}, {"+5", 5},  {"9223372036854775807", INT64_MAX},
        {"", -7}, {"-", -7},  {"1x", -7}, {" 1", -7}, {"9223372036854775808", -7}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = -7;
        int rc = dkr_parse_int(cases[i].text, &value, NULL);
        assert_int_equal(value, cases[i].value);
        assert_int_equal(rc == 0, cases[i].value != -7);
    }
}

static void sizes_have_units_of_1024(void **state)
{
    static const struct {
        const char *text;
        int64_t value; /* -7: refused */
    } cases[] = {{"0", 0},
                 {"100", 100},
                 {"100b", 100},
                 {"64k", 65536},
                 {"64K", 65536},
                 {"64kb", 65536},
                 {"64KiB", 65536},
                 {"512m", 536870912},
                 {"1.5g", 1610612736},
                 {"1t", INT64_C(1) << 40},
                 {"1p", INT64_C(1) << 50},
                 {"-1", -1},
                 {"", -7},
                 {"m", -7},
                 {"5x", -7},
                 {"5mx", -7},
                 {"-5m", -7},
                 {"9000p", -7},
                 {"1.2.3m", -7}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = -7;
        int rc = dkr_parse_size(cases[i].text, &value, NULL);
        if (value != cases[i].value) {
            fail_msg("'%s' gave %lld", cases[i].text, (long long)value);
        }
        assert_int_equal(rc == 0, cases[i].value != -7);
    }
}

static void durations_add_up_their_parts(void **state)
{
    static const struct {
        const char *text;
        int64_t value; /* -7: refused */
    } cases[] = {{"0", 0},
                 {"30s", 30000000000},
                 {"1m30s", 90000000000},
                 {"1.5s", 1500000000},
                 {"500ms", 500000000},
                 {"1h", 3600000000000},
                 {"5us", 5000},
                 {"7ns", 7},
                 {"", -7},
                 {"30", -7},
                 {"s", -7},
                 {"30x", -7},
                 {"99999999999999h", -7}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = -7;
        int rc = dkr_parse_duration_ns(cases[i].text, &value, NULL);
        if (value != cases[i].value) {
            fail_msg("'%s' gave %lld", cases[i].text, (long long)value);
        }
        assert_int_equal(rc == 0, cases[i].value != -7);
    }
}

static void booleans_have_dockers_words(void **state)
{
    bool value = false;
    (void)state;
    assert_int_equal(dkr_parse_bool("", &value, NULL), 0);
    assert_true(value);
    assert_int_equal(dkr_parse_bool("False", &value, NULL), 0);
    assert_false(value);
    assert_int_equal(dkr_parse_bool("TRUE", &value, NULL), 0);
    assert_true(value);
    assert_int_equal(dkr_parse_bool("0", &value, NULL), 0);
    assert_false(value);
    assert_true(dkr_parse_bool("yes", &value, NULL) < 0);
}

static void ports_are_single_or_a_range_with_a_protocol(void **state)
{
    struct dkr_port_range r;
    static const char *const bad[] = {"",       "0",   "65536", "80-79",   "80-", "-80",
                                      "80/xyz", "80/", "a",     "1-65535", "8x",  "80 "};
    (void)state;
    assert_int_equal(dkr_parse_ports("80", &r, NULL), 0);
    assert_int_equal(r.first, 80);
    assert_int_equal(r.last, 80);
    assert_string_equal(r.protocol, "tcp");
    assert_int_equal(dkr_parse_ports("8000-8010/UDP", &r, NULL), 0);
    assert_int_equal(r.first, 8000);
    assert_int_equal(r.last, 8010);
    assert_string_equal(r.protocol, "udp");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (dkr_parse_ports(bad[i], &r, NULL) == 0) {
            fail_msg("'%s' was accepted", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_whole_or_refused),
        cmocka_unit_test(sizes_have_units_of_1024),
        cmocka_unit_test(durations_add_up_their_parts),
        cmocka_unit_test(booleans_have_dockers_words),
        cmocka_unit_test(ports_are_single_or_a_range_with_a_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
