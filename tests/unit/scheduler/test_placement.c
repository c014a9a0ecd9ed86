/* Where an instance may go: constraints, ports, offers, and users' expressions. */
#include "kit.h"

#include "scheduler/constraints.h"
#include "scheduler/matcher.h"
#include "scheduler/pattern.h"

#define RACKS 8

/* One instance per letter of placed is on the rack of that name; may one go to rack? */
static bool allowed(uint32_t op,
                    const char *value,
                    uint32_t instances,
                    const char *placed,
                    const char *rack)
{
    struct mu_pairs racks[32] = {{0}}, offered = {0};
    struct constraint_place places[32];
    size_t n = strlen(placed);
    for (size_t i = 0; i < n; i++) {
        char text[2] = {placed[i], '\0'};
        mu_pairs_add(&racks[i], "rack", text);
        places[i] = (struct constraint_place){"h", &racks[i]};
    }
    if (rack != NULL) {
        mu_pairs_add(&offered, "rack", rack);
    }
    struct mu_app *a = make_app("/a", instances);
    struct constraint_place place = {"h", &offered};
    bool yes = constraint_allows(add_constraint(a, "rack", op, value), instances, &place,
                                 places, n);
    for (size_t i = 0; i < n; i++) {
        mu_pairs_release(&racks[i]);
    }
    mu_pairs_release(&offered);
    mu_app_unref(a);
    return yes;
}

static void constraints_follow_their_table(void **state)
{
    (void)state;
    static const struct {
        uint32_t op;
        const char *value;
        uint32_t instances;
        const char *placed, *rack;
        bool allowed;
    } t[] = {
        {MU_OP_UNIQUE, NULL, 3, "ab", "c", true},
        {MU_OP_UNIQUE, NULL, 3, "ab", "a", false},
        {MU_OP_UNIQUE, NULL, 3, "", NULL, false},
        {MU_OP_CLUSTER, "a", 3, "", "a", true},
        {MU_OP_CLUSTER, "a", 3, "", "b", false},
        {MU_OP_CLUSTER, NULL, 3, "", "b", true},
        {MU_OP_CLUSTER, "", 3, "b", "b", true},
        {MU_OP_CLUSTER, NULL, 3, "b", "a", false},
        /* nine over three racks: three each, no fourth rack */
        {MU_OP_GROUP_BY, "3", 9, "", "a", true},
        {MU_OP_GROUP_BY, "3", 9, "abc", "d", false},
        {MU_OP_GROUP_BY, "3", 9, "aab", "a", true},
        {MU_OP_GROUP_BY, "3", 9, "aaab", "a", false},
        {MU_OP_GROUP_BY, "3", 9, "aaab", "b", true},
        /* seven over three: one rack has one more */
        {MU_OP_GROUP_BY, "3", 7, "aabbcc", "b", true},
        {MU_OP_GROUP_BY, "3", 7, "aaabbcc", "b", false},
        {MU_OP_GROUP_BY, "3", 7, "aaabbc", "c", true},
        /* no number: the smallest, or a new one */
        {MU_OP_GROUP_BY, NULL, 9, "aab", "c", true},
        {MU_OP_GROUP_BY, NULL, 9, "aab", "a", false},
        {MU_OP_GROUP_BY, NULL, 9, "aab", "b", true},
        {MU_OP_GROUP_BY, "inf", 9, "ab", "a", true},
        {MU_OP_MAX_PER, "2", 9, "ab", "a", true},
        {MU_OP_MAX_PER, "2", 9, "aab", "a", false},
        {MU_OP_LIKE, "rack-[1-3]", 9, "", "rack-2", true},
        {MU_OP_LIKE, "rack-[1-3]", 9, "", "rack-22", false},
        {MU_OP_LIKE, "rack", 9, "", NULL, false},
        {MU_OP_UNLIKE, "rack-[1-3]", 9, "", "rack-4", true},
        {MU_OP_UNLIKE, "rack-[1-3]", 9, "", "rack-3", false},
        {MU_OP_UNLIKE, "rack-[1-3]", 9, "", NULL, true},
        {MU_OP_IS, "a", 9, "", "a", true},
        {MU_OP_IS, "a", 9, "", "ab", false},
        {MU_OP_IS, "2", 9, "", "2.0", true},
        {MU_OP_IS, "2.0004", 9, "", "2", true},
        {MU_OP_IS, "2.001", 9, "", "2", false},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        if (allowed(t[i].op, t[i].value, t[i].instances, t[i].placed, t[i].rack) !=
            t[i].allowed) {
            fail_msg("row %zu: %s %s placed '%s' offered '%s'", i,
                     constraint_op_name(t[i].op), t[i].value, t[i].placed, t[i].rack);
        }
    }
}

static void hostname_is_a_field(void **state)
{
    (void)state;
    assert_string_equal(constraint_field_value("hostname", "n1", NULL), "n1");
    assert_string_equal(constraint_field_value("@hostname", "n1", NULL), "n1");
    assert_null(constraint_field_value("rack", "n1", NULL));
}

static void expressions_match_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text;
        bool matches;
    } t[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"a.c", "abc", true},
        {"a*", "", true},
        {"a*", "aaaa", true},
        {"a+", "", false},
        {"a+b", "aab", true},
        {"colou?r", "color", true},
        {"a|b|cd", "cd", true},
        {"a|b", "ab", false},
        {"(ab)+", "abab", true},
        {"(?:ab|c)*d", "abcd", true},
        {"[a-c]+", "abcabc", true},
        {"[^a-c]", "d", true},
        {"[^a-c]", "a", false},
        {"[]x]", "]", true},
        {"[a-]", "-", true},
        {"\\d{2,3}", "12", true},
        {"\\d{2,3}", "1234", false},
        {"\\d{2,}", "12345", true},
        {"x{3}", "xxx", true},
        {"x{0,2}", "", true},
        {"\\w+\\.\\w+", "a_1.b", true},
        {"\\D", "1", false},
        {"^abc$", "abc", true},
        {"a\\.b", "axb", false},
        {".*rack.*", "the rack 1", true},
        {"(a|b){2}c", "abc", true},
        {"((a|b)|c)*", "abcba", true},
        {"a*?b", "aab", true},
        {"host-(1|2)\\d?", "host-19", true},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct mu_error err;
        struct pattern *p = pattern_create(t[i].expression, &err);
        if (p == NULL) {
            fail_msg("'%s': %s", t[i].expression, err.text);
        }
        if (pattern_matches(p, t[i].text) != t[i].matches) {
            fail_msg("'%s' against '%s'", t[i].expression, t[i].text);
        }
        pattern_destroy(p);
    }
}

static void bad_expressions_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "(",
        ")",
        "a)",
        "[a",
        "*",
        "a{",
        "a{2",
        "a{3,1}",
        "a{9999}",
        "\\",
        "\\q",
        "(?=a)",
        "[b-a]",
        "((((a{100}){100}){100}){100})",
        "(((((((((((((((((((((((a)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*",
        "((((((){1000}){1000}){1000}){1000}){1000})",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct mu_error err;
        struct pattern *p = pattern_create(bad[i], &err);
        if (p != NULL) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_int_equal(err.code, MU_E_INVALID);
    }
}

static void matching_is_linear(void **state)
{
    (void)state;
    struct pattern *p = pattern_create("(a*)*(a*)*(a*)*b", NULL);
    static char text[20001];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(pattern_matches(p, text));
    pattern_destroy(p);
}

static struct mu_resources resources(const char *text)
{
    struct mu_resources r = {0};
    assert_int_equal(mu_resources_parse(text, "*", &r, NULL), 0);
    return r;
}

struct pick {
    int rc;
    uint16_t port[8];
    size_t count;
    char error[252];
};

static struct pick pick(struct mu_app *a, const char *offer, const char *role)
{
    struct mu_resources offered = resources(offer);
    struct mu_strings roles = {0};
    struct mu_prng prng;
    struct ports_pick out = {0};
    struct mu_error err = {0};
    struct pick p = {0};
    mu_prng_seed(&prng, 7);
    mu_strings_add(&roles, role);
    p.rc = ports_pick(a, &offered, &roles, &prng, &out, &err);
    p.count = out.count;
    for (size_t i = 0; i < out.count; i++) {
        p.port[i] = out.host[i];
    }
    memcpy(p.error, err.text, sizeof(p.error));
    if (p.rc == 0) {
        assert_true(mu_resources_contains(&offered, &out.taken));
        ports_pick_release(&out);
    }
    mu_resources_release(&offered);
    mu_strings_release(&roles);
    mu_app_unref(a);
    return p;
}

static struct mu_app *with_ports(size_t count, const uint16_t *ports, bool required)
{
    struct mu_app *a = make_app("/a", 1);
    a->require_ports = required;
    for (size_t i = 0; i < count; i++) {
        mu_app_add_port(a)->port = ports[i];
    }
    return a;
}

static struct mu_app *with_mappings(size_t count, const uint16_t *host_ports)
{
    struct mu_app *a = make_app("/a", 1);
    a->network_mode = MU_APP_NET_BRIDGE;
    for (size_t i = 0; i < count; i++) {
        struct mu_app_port_mapping *m = mu_app_add_mapping(a);
        m->has_host_port = true;
        m->host_port = host_ports[i];
    }
    return a;
}

static void fixed_ports_are_kept_from_random_picks(void **state)
{
    (void)state;
    struct pick p =
        pick(with_mappings(2, (uint16_t[]){0, 31000}), "ports:[31000-31001]", "*");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.port[0], 31001);
    assert_int_equal(p.port[1], 31000);
}

static void required_ports_are_exact_and_in_order(void **state)
{
    (void)state;
    struct pick p =
        pick(with_ports(2, (uint16_t[]){100, 80}, true), "ports:[70-200]", "*");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.port[0], 100);
    assert_int_equal(p.port[1], 80);
}

static void too_few_ports_do_not_match(void **state)
{
    (void)state;
    struct pick p = pick(with_ports(3, (uint16_t[]){0, 0, 0}, false), "ports:[1-2]", "*");
    assert_int_equal(p.rc, MU_E_NOT_FOUND);
    assert_string_equal(p.error, "3 ports wanted, 2 offered");
}

static void fixed_port_outside_the_offer_does_not_match(void **state)
{
    (void)state;
    struct pick p =
        pick(with_mappings(1, (uint16_t[]){8080}), "ports:[31000-31001]", "*");
    assert_int_equal(p.rc, MU_E_NOT_FOUND);
    assert_string_equal(p.error, "port 8080 wanted, not offered");
}

static void ports_of_another_role_are_not_used(void **state)
{
    (void)state;
    struct pick p = pick(with_ports(1, (uint16_t[]){0}, false), "ports(dev):[1-9]", "*");
    assert_int_equal(p.rc, MU_E_NOT_FOUND);
    p = pick(with_ports(1, (uint16_t[]){0}, false), "ports(dev):[1-9]", "dev");
    assert_int_equal(p.rc, 0);
}

static void same_seed_gives_the_same_ports(void **state)
{
    (void)state;
    const uint16_t any[] = {0, 0, 0};
    struct pick a = pick(with_ports(3, any, false), "ports:[1000-1999,3000-3999]", "*");
    struct pick b = pick(with_ports(3, any, false), "ports:[1000-1999,3000-3999]", "*");
    assert_memory_equal(a.port, b.port, sizeof(a.port));
    assert_int_not_equal(a.port[0], a.port[1]);
    assert_int_not_equal(a.port[1], a.port[2]);
}

static void random_ports_wrap_over_the_ranges(void **state)
{
    (void)state;
    const uint16_t any[] = {0, 0, 0, 0};
    struct pick p = pick(with_ports(4, any, false), "ports:[10-11,20-21]", "*");
    assert_int_equal(p.rc, 0);
    unsigned sum = 0;
    for (size_t i = 0; i < 4; i++) {
        sum += p.port[i];
    }
    assert_int_equal(sum, 10 + 11 + 20 + 21);
}

static void mapping_without_host_port_takes_none(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    a->network_mode = MU_APP_NET_CONTAINER;
    mu_app_add_mapping(a)->container_port = 80;
    struct pick p = pick(a, "cpus:1", "*");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.port[0], 0);
}

static struct match_result
match(const struct mu_app *a, const char *role, const char *offer)
{
    struct mu_resources free = resources(offer);
    struct mu_prng prng;
    struct match_result r;
    mu_prng_seed(&prng, 1);
    struct match_request in = {
        .app = a, .role = role, .free = &free, .place = {.host = "n1"}};
    match_offer(&in, &prng, &r);
    assert_true(mu_resources_contains(&free, &r.resources));
    mu_resources_release(&free);
    return r;
}

static void assert_refused(const char *offer, enum match_reason reason, const char *text)
{
    struct mu_app *a = with_ports(1, (uint16_t[]){0}, false);
    a->disk_milli = 1000;
    a->gpus = 1;
    struct match_result r = match(a, "*", offer);
    assert_false(r.matched);
    assert_int_equal(r.reason, reason);
    assert_string_equal(r.text, text);
    match_result_release(&r);
    mu_app_unref(a);
}

static void refusals_name_what_is_missing(void **state)
{
    (void)state;
    assert_refused("cpus(dev):9", MATCH_ROLE,
                   "role: n1 offered nothing of an accepted role");
    assert_refused("cpus:0.05", MATCH_CPUS, "cpus: 0.1 wanted, 0.05 offered by n1");
    assert_refused("cpus:1;mem:16", MATCH_MEMORY, "mem: 32 wanted, 16 offered by n1");
    assert_refused("cpus:1;mem:64", MATCH_DISK, "disk: 1 wanted, 0 offered by n1");
    assert_refused("cpus:1;mem:64;disk:9", MATCH_GPUS, "gpus: 1 wanted, 0 offered by n1");
    assert_refused("cpus:1;mem:64;disk:9;gpus:1", MATCH_PORTS,
                   "ports: 1 ports wanted, 0 offered by n1");
}

static void reserved_resources_are_taken_first(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    struct match_result r = match(a, "dev", "cpus:1;cpus(dev):0.06;mem:64");
    assert_true(r.matched);
    assert_int_equal(mu_resources_find(&r.resources, "cpus", "dev")->scalar_milli, 60);
    assert_int_equal(mu_resources_find(&r.resources, "cpus", "*")->scalar_milli, 40);
    match_result_release(&r);
    a->has_accepted_roles = true;
    mu_strings_add(&a->accepted_roles, "*");
    r = match(a, "dev", "cpus:1;cpus(dev):0.06;mem:64");
    assert_true(r.matched);
    assert_null(mu_resources_find(&r.resources, "cpus", "dev"));
    match_result_release(&r);
    mu_app_unref(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraints_follow_their_table),
        cmocka_unit_test(hostname_is_a_field),
        cmocka_unit_test(expressions_match_whole_texts),
        cmocka_unit_test(bad_expressions_are_refused),
        cmocka_unit_test(matching_is_linear),
        cmocka_unit_test(fixed_ports_are_kept_from_random_picks),
        cmocka_unit_test(required_ports_are_exact_and_in_order),
        cmocka_unit_test(too_few_ports_do_not_match),
        cmocka_unit_test(fixed_port_outside_the_offer_does_not_match),
        cmocka_unit_test(ports_of_another_role_are_not_used),
        cmocka_unit_test(same_seed_gives_the_same_ports),
        cmocka_unit_test(random_ports_wrap_over_the_ranges),
        cmocka_unit_test(mapping_without_host_port_takes_none),
        cmocka_unit_test(refusals_name_what_is_missing),
        cmocka_unit_test(reserved_resources_are_taken_first),
    };
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
