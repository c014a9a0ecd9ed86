/* Resources: edge cases, errors, the text form. The properties of the arithmetic are in
 * test_resources_model.c. */
#include "cm.h"

#include <muster/resources.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain/resources_text.h"

static struct mu_resources parsed(const char *text)
{
    struct mu_resources r = {0};
    struct mu_error err = {0};
    if (mu_resources_parse(text, "*", &r, &err) != 0) {
        fail_msg("%s: %s", text, err.text);
    }
    return r;
}

static void assert_text(const struct mu_resources *r, const char *want)
{
    struct mu_buf b;
    mu_buf_init(&b, 10000);
    mu_resources_format(r, &b);
    assert_string_equal(mu_buf_str(&b), want);
    mu_buf_release(&b);
}

static void parse_brings_text_to_normal_form(void **state)
{
    (void)state;
    const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {";;", ""},
        {"cpus:4;mem:4096;ports:[31000-32000]", "cpus:4;mem:4096;ports:[31000-32000]"},
        {" mem : 1 ; cpus : .5 ", "cpus:0.5;mem:1"},
        {"cpus:1;cpus:2.25", "cpus:3.25"},
        {"cpus:0;mem:1", "mem:1"},
        {"cpus:0.1234999", "cpus:0.123"},
        {"cpus:1e1", "cpus:10"},
        {"ports:[5-6,1-3,4-4]", "ports:[1-6]"},
        {"ports:[1-3,2-8,20-30]", "ports:[1-8,20-30]"},
        {"ports:[ 1 - 3 , 7 - 9 ]", "ports:[1-3,7-9]"},
        {"ports:[]", ""},
        {"zone:{}", ""},
        {"zone:{b,a}", "zone:{a,b}"},
        {"cpus(web):1;cpus:2;cpus(a/b):3", "cpus:2;cpus(a/b):3;cpus(web):1"},
        {"top:[18446744073709551614-18446744073709551615]",
         "top:[18446744073709551614-18446744073709551615]"},
        {"top:[18446744073709551615-18446744073709551615,0-0,1-2]",
         "top:[0-2,18446744073709551615-18446744073709551615]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_resources r = parsed(cases[i].in);
        assert_text(&r, cases[i].out);
        mu_resources_release(&r);
    }
}

static void parse_errors_name_the_entry_and_leave_out_alone(void **state)
{
    (void)state;
    const struct {
        const char *in, *says;
    } cases[] = {
        {"cpus", "'cpus' is not of the form name:value"},
        {"cpus:1:2", "'cpus:1:2' is not of the form"},
        {":1", "name must not be empty"},
        {"cpus:", "resource 'cpus'"},
        {"cpus:abc", "resource 'cpus': 'abc' is not a number"},
        {"cpus:-1", "'cpus' must not be negative"},
        {"cpus:inf", "'inf' is not a number"},
        {"cpus:nan", "'nan' is not a number"},
        {"cpus:0x10", "'0x10' is not a number"},
        {"cpus:0.0001", "'0.0001' is too small"},
        {"cpus:1e30", "'1e30' is too big"},
        {"cpus:9223372036854775;cpus:9223372036854775", "'cpus' grows too big"},
        {"cpus:1;cpus(web):[1-2]", "'cpus' has values of two types"},
        {"cpus:1;cpus:{a}", "'cpus' has values of two types"},
        {"ports:[1-", "is not closed"},
        {"ports:[1-2}", "is not closed"},
        {"ports:[", "is not closed"},
        {"ports:[1]", "'1' is not of the form begin-end"},
        {"ports:[1-2,]", "'' is not of the form begin-end"},
        {"ports:[2-1]", "range 2-1 is upside down"},
        {"ports:[1--2]", "'-2' is not a whole number"},
        {"ports:[-1-2]", "'' is not a whole number"},
        {"ports:[1-18446744073709551616]", "'18446744073709551616' is too big"},
        {"zone:{a,a}", "item 'a' comes twice"},
        {"zone:{a,}", "item ''"},
        {"cpus():1", "is not of the form name(role):value"},
        {"cpus(web:1", "is not of the form name(role):value"},
        {"cpus(a/../b):1", "role 'a/../b'"},
        {"(web):1", "name must not be empty"},
        {"a,b:1", "resource name 'a,b'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_resources r = {.count = 99};
        struct mu_error err = {0};
        assert_int_equal(mu_resources_parse(cases[i].in, "*", &r, &err), MU_E_INVALID);
        if (strstr(err.text, cases[i].says) == NULL) {
            fail_msg("%s: got '%s', want '%s'", cases[i].in, err.text, cases[i].says);
        }
        assert_int_equal(r.count, 99);
    }
}

static void default_role_is_for_entries_without_one(void **state)
{
    (void)state;
    struct mu_resources r;
    assert_int_equal(mu_resources_parse("cpus:1;mem(*):2", "web", &r, NULL), 0);
    assert_text(&r, "cpus(web):1;mem:2");
    mu_resources_release(&r);
    assert_int_equal(mu_resources_parse("cpus:1", NULL, &r, NULL), 0);
    assert_text(&r, "cpus:1");
    mu_resources_release(&r);
    assert_int_equal(mu_resources_parse("cpus:1", "-x", &r, NULL), MU_E_INVALID);
}

static void refused_add_changes_nothing(void **state)
{
    (void)state;
    struct mu_resources a = parsed("cpus:1;mem:9223372036854775");
    struct mu_resources too_big = parsed("cpus:1;mem:1");
    struct mu_resources other_type = parsed("cpus:1;mem(web):[1-2]");
    struct mu_error err = {0};
    assert_int_equal(mu_resources_add(&a, &too_big, &err), MU_E_INVALID);
    assert_non_null(strstr(err.text, "'mem' grows too big"));
    assert_int_equal(mu_resources_add(&a, &other_type, &err), MU_E_INVALID);
    assert_non_null(strstr(err.text, "'mem' has values of two types"));
    assert_text(&a, "cpus:1;mem:9223372036854775");
    mu_resources_release(&a);
    mu_resources_release(&too_big);
    mu_resources_release(&other_type);
}

static void refused_subtract_changes_nothing_and_names_what_lacks(void **state)
{
    (void)state;
    struct mu_resources a = parsed("cpus:1;ports:[1-10];zone:{a,c}");
    const struct {
        const char *less, *says;
    } cases[] = {
        {"cpus:0.5;ports:[5-11]", "'ports' of role '*'"},
        {"cpus:1.001", "'cpus'"},
        {"cpus(web):1", "'cpus' of role 'web'"},
        {"cpus:0.5;zone:{b}", "'zone'"},
        {"gpus:1", "'gpus'"},
        {"cpus:[1-1]", "'cpus'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_resources less = parsed(cases[i].less);
        struct mu_error err = {0};
        assert_int_equal(mu_resources_subtract(&a, &less, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_text(&a, "cpus:1;ports:[1-10];zone:{a,c}");
        mu_resources_release(&less);
    }
    mu_resources_release(&a);
}

static void range_subtraction_splits_and_trims(void **state)
{
    (void)state;
    const struct {
        const char *from, *less, *left;
    } cases[] = {
        {"p:[1-10]", "p:[5-5]", "p:[1-4,6-10]"},
        {"p:[1-10]", "p:[1-1,10-10]", "p:[2-9]"},
        {"p:[1-10]", "p:[1-10]", ""},
        {"p:[1-3,7-9]", "p:[2-2,8-8]", "p:[1-1,3-3,7-7,9-9]"},
        {"p:[1-3,7-9]", "p:[1-3]", "p:[7-9]"},
        {"p:[0-18446744073709551615]", "p:[18446744073709551615-18446744073709551615]",
         "p:[0-18446744073709551614]"},
        {"p:[0-18446744073709551615]", "p:[0-0]", "p:[1-18446744073709551615]"},
        {"p:[0-18446744073709551615]", "p:[0-18446744073709551615]", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_resources from = parsed(cases[i].from);
        struct mu_resources less = parsed(cases[i].less);
        assert_int_equal(mu_resources_subtract(&from, &less, NULL), 0);
        assert_text(&from, cases[i].left);
        assert_int_equal(mu_resources_add(&from, &less, NULL), 0);
        assert_text(&from, cases[i].from);
        mu_resources_release(&from);
        mu_resources_release(&less);
    }
}

static void adding_and_subtracting_itself(void **state)
{
    (void)state;
    struct mu_resources r = parsed("cpus:1.5;ports:[1-2];zone:{a}");
    assert_int_equal(mu_resources_add(&r, &r, NULL), 0);
    assert_text(&r, "cpus:3;ports:[1-2];zone:{a}");
    assert_true(mu_resources_contains(&r, &r));
    mu_resources_copy(&r, &r);
    assert_text(&r, "cpus:3;ports:[1-2];zone:{a}");
    assert_int_equal(mu_resources_subtract(&r, &r, NULL), 0);
    assert_true(mu_resources_empty(&r));
    mu_resources_release(&r);
}

static void empty_is_contained_everywhere(void **state)
{
    (void)state;
    struct mu_resources none = {0};
    struct mu_resources r = parsed("cpus:1");
    assert_true(mu_resources_contains(&r, &none));
    assert_true(mu_resources_contains(&none, &none));
    assert_false(mu_resources_contains(&none, &r));
    mu_resources_release(&r);
}

static void single_adds_check_their_input(void **state)
{
    (void)state;
    struct mu_resources r = {0};
    struct mu_error err = {0};
    assert_int_equal(mu_resources_add_scalar(&r, "", "*", 1, &err), MU_E_INVALID);
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", "*", -1, &err), MU_E_INVALID);
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", "", 1, &err), MU_E_INVALID);
    assert_non_null(strstr(err.text, "resource 'cpus': role ''"));
    assert_int_equal(mu_resources_add_range(&r, "ports", "*", 2, 1, &err), MU_E_INVALID);
    assert_int_equal(mu_resources_add_item(&r, "zone", "*", "", &err), MU_E_INVALID);
    assert_int_equal(mu_resources_add_item(&r, "zone", "*", "a b", &err), MU_E_INVALID);
    assert_int_equal(mu_resources_add_item(&r, "zone", "*", NULL, &err), MU_E_INVALID);
    assert_true(mu_resources_empty(&r));
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", NULL, 0, &err), 0);
    assert_true(mu_resources_empty(&r));
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", NULL, 1, &err), 0);
    assert_text(&r, "cpus:0.001");
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", NULL, INT64_MAX, &err),
                     MU_E_INVALID);
    assert_int_equal(mu_resources_add_range(&r, "cpus", NULL, 1, 1, &err), MU_E_INVALID);
    assert_text(&r, "cpus:0.001");
    mu_resources_release(&r);
}

static void look_ups(void **state)
{
    (void)state;
    struct mu_resources r =
        parsed("cpus:1;cpus(web):.5;mem:7;ports:[10-20,30-30];ports(web):[40-50]");
    assert_int_equal(mu_resources_scalar(&r, "cpus"), 1500);
    assert_int_equal(mu_resources_scalar(&r, "mem"), 7000);
    assert_int_equal(mu_resources_scalar(&r, "cpu"), 0);
    assert_int_equal(mu_resources_scalar(&r, "ports"), 0);
    assert_string_equal(mu_resources_find(&r, "cpus", NULL)->role, "*");
    assert_int_equal(mu_resources_find(&r, "cpus", "web")->scalar_milli, 500);
    assert_null(mu_resources_find(&r, "cpus", "db"));
    assert_null(mu_resources_find(&r, "disk", NULL));
    const struct {
        uint64_t port;
        bool has;
    } ports[] = {{9, false},  {10, true}, {20, true},  {21, false},        {30, true},
                 {31, false}, {45, true}, {51, false}, {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        assert_int_equal(mu_resources_has_port(&r, ports[i].port), ports[i].has);
    }
    mu_resources_release(&r);
    assert_false(mu_resources_has_port(&r, 10));
}

static void scalar_sum_over_roles_is_capped(void **state)
{
    (void)state;
    struct mu_resources r = {0};
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", "a", INT64_MAX, NULL), 0);
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", "b", 1, NULL), 0);
    assert_true(mu_resources_scalar(&r, "cpus") == INT64_MAX);
    mu_resources_release(&r);
}

static void equality_sees_every_difference(void **state)
{
    (void)state;
    const char *texts[] = {"",           "cpus:1",       "cpus:2",
                           "mem:1",      "cpus(web):1",  "cpus:[1-1]",
                           "cpus:[1-2]", "cpus:{a}",     "cpus:{b}",
                           "cpus:{a,b}", "cpus:1;mem:1", "cpus:[1-1,3-3]"};
    const size_t n = sizeof(texts) / sizeof(texts[0]);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            struct mu_resources a = parsed(texts[i]);
            struct mu_resources b = parsed(texts[k]);
            assert_int_equal(mu_resources_equal(&a, &b), i == k);
            mu_resources_release(&a);
            mu_resources_release(&b);
        }
    }
}

static void names_in_a_text_count_even_when_zero(void **state)
{
    (void)state;
    const char *text = "cpus:0; mem(web) : 5;portsx:[1-2]";
    assert_true(mu_resources_text_names(text, "cpus"));
    assert_true(mu_resources_text_names(text, "mem"));
    assert_false(mu_resources_text_names(text, "ports"));
    assert_false(mu_resources_text_names(text, "disk"));
    assert_false(mu_resources_text_names("", "cpus"));
}

static void milli_is_rounded_half_to_even_at_the_third_decimal(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t milli;
    } cases[] = {
        {"0.3", 300},
        {"3", 3000},
        {".3", 300},
        {"+1", 1000},
        {"1e1", 10000},
        {"-1", -1000},
        {"0", 0},
        {"-0", 0},
        {"0e99999999999", 0},
        {"1.", 1000},
        {"1e-3", 1},
        {"0.0005", 0},
        {"0.00050", 0},
        {"0.000500001", 1},
        {"0.0015", 2},
        {"0.0025", 2},
        {"0.0035", 4},
        {"2.0015", 2002},
        {"2.0025", 2002},
        {"-0.0015", -2},
        {"0.00049999", 0},
        {"5e-4", 0},
        {"5.1e-4", 1},
        {"4.9e-5", 0},
        {"9e-5", 0},
        {"0.9999", 1000},
        {"0.1234567890123456789012345678901234567890", 123},
        {"00000000000000000000001", 1000},
        {"100e-2", 1000},
        {"123456e-5", 1235},
        {"9223372036854775.807", INT64_MAX},
        {"1e-99999999999", 0},
        {"1000000000000000000000000e-24", 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t milli = 77;
        assert_int_equal(mu_milli_parse(cases[i].text, &milli, NULL), 0);
        if (milli != cases[i].milli) {
            fail_msg("%s: %" PRId64, cases[i].text, milli);
        }
    }
    const char *bad[] = {"",     ".",
                         "1,5",  "abc",
                         "1 ",   " 1",
                         "inf",  "nan",
                         "0x1",  "1e",
                         "--1",  "9223372036854775.808",
                         "1e16", "1e99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t milli = 77;
        struct mu_error err = {0};
        assert_int_equal(mu_milli_parse(bad[i], &milli, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(milli, 77);
    }
}

static void milli_from_double_agrees_with_the_text(void **state)
{
    (void)state;
    const struct {
        double v;
        int64_t milli;
    } cases[] = {
        {0.3, 300},
        {0.1 + 0.2, 300},
        {3, 3000},
        {2.0015, 2002},
        {2.0025, 2002},
        {0.0005, 0},
        {0.0015, 2},
        {-1.5, -1500},
        {0, 0},
        {1e12, INT64_C(1000000000000000)},
        {123456789.1235, INT64_C(123456789124)},
        {1e-300, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t milli = 77;
        assert_int_equal(mu_milli_from_double(cases[i].v, &milli, NULL), 0);
        assert_true(milli == cases[i].milli);
    }
    const double zero = 0;
    int64_t milli = 77;
    assert_int_equal(mu_milli_from_double(1e17, &milli, NULL), MU_E_INVALID);
    assert_int_equal(mu_milli_from_double(1 / zero, &milli, NULL), MU_E_INVALID);
    assert_int_equal(mu_milli_from_double(zero / zero, &milli, NULL), MU_E_INVALID);
    assert_int_equal(milli, 77);
    /* Every milli value survives the way through a double. */
    for (int64_t m = 0; m < 3000000; m += 7) {
        assert_int_equal(mu_milli_from_double((double)m / 1000.0, &milli, NULL), 0);
        assert_true(milli == m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_brings_text_to_normal_form),
        cmocka_unit_test(parse_errors_name_the_entry_and_leave_out_alone),
        cmocka_unit_test(default_role_is_for_entries_without_one),
        cmocka_unit_test(refused_add_changes_nothing),
        cmocka_unit_test(refused_subtract_changes_nothing_and_names_what_lacks),
        cmocka_unit_test(range_subtraction_splits_and_trims),
        cmocka_unit_test(adding_and_subtracting_itself),
        cmocka_unit_test(empty_is_contained_everywhere),
        cmocka_unit_test(single_adds_check_their_input),
        cmocka_unit_test(look_ups),
        cmocka_unit_test(scalar_sum_over_roles_is_capped),
        cmocka_unit_test(equality_sees_every_difference),
        cmocka_unit_test(names_in_a_text_count_even_when_zero),
        cmocka_unit_test(milli_is_rounded_half_to_even_at_the_third_decimal),
        cmocka_unit_test(milli_from_double_agrees_with_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
