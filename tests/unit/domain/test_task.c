/* Task states, the lists of task.h, the shared task description, attributes. */
#include "cm.h"

#include <muster/task.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/attributes.h"
#include "domain/task.h"

static void state_table_is_sound(void **state)
{
    (void)state;
    struct mu_error err = {0};
    assert_int_equal(mu_sm_check(task_state_table(), &err), 0);
}

static void names_and_terminal_flags_match_the_header(void **state)
{
    (void)state;
    int count = 0;
#define CHECK_STATE(name, number, terminal)                                              \
    assert_string_equal(mu_task_state_name(MU_##name), #name);                           \
    assert_int_equal(mu_task_state_parse(#name), number);                                \
    assert_int_equal(mu_task_state_is_terminal(MU_##name), terminal);                    \
    count++;
    MU_TASK_STATES(CHECK_STATE)
#undef CHECK_STATE
    assert_int_equal(count, MU_TASK_STATE_COUNT);
    assert_true(mu_task_state_parse("TASK_FOO") < 0);
    assert_true(mu_task_state_parse("") < 0);
    assert_string_equal(mu_task_state_name((enum mu_task_state)99), "TASK_UNKNOWN");
    assert_false(mu_task_state_is_terminal((enum mu_task_state)99));
}

static bool can(enum mu_task_state from, enum mu_task_state to)
{
    return mu_task_state_can_move(from, to);
}

static void living_tasks_may_end_or_vanish_and_dead_ones_stay(void **state)
{
    (void)state;
    for (int from = 0; from < MU_TASK_STATE_COUNT; from++) {
        for (int to = 0; to < MU_TASK_STATE_COUNT; to++) {
            if (mu_task_state_is_terminal(from)) {
                assert_false(can(from, to));
            } else if (mu_task_state_is_terminal(to) || to == MU_TASK_UNREACHABLE) {
                assert_true(can(from, to));
            } else if (from == MU_TASK_UNREACHABLE || from == to) {
                assert_true(can(from, to));
            }
        }
    }
    assert_true(can(MU_TASK_STAGING, MU_TASK_RUNNING));
    assert_true(can(MU_TASK_STARTING, MU_TASK_RUNNING));
    assert_true(can(MU_TASK_RUNNING, MU_TASK_KILLING));
    assert_false(can(MU_TASK_RUNNING, MU_TASK_STAGING));
    assert_false(can(MU_TASK_RUNNING, MU_TASK_STARTING));
    assert_false(can(MU_TASK_KILLING, MU_TASK_RUNNING));
    assert_false(can(MU_TASK_RUNNING, MU_TASK_UNKNOWN));
}

static void pairs_keep_order_and_last_wins(void **state)
{
    (void)state;
    struct mu_pairs p = {0};
    mu_pairs_add(&p, "a", "1");
    mu_pairs_add(&p, "b", "2");
    mu_pairs_add(&p, "a", "3");
    assert_string_equal(mu_pairs_get(&p, "a"), "3");
    assert_null(mu_pairs_get(&p, "c"));
    mu_pairs_set(&p, "a", "4");
    mu_pairs_set(&p, "c", "5");
    assert_int_equal(p.count, 4);
    assert_string_equal(p.v[0].value, "1");
    assert_string_equal(p.v[2].value, "4");
    assert_string_equal(p.v[3].key, "c");
    struct mu_pairs q = {0};
    mu_pairs_add(&q, "old", "x");
    mu_pairs_copy(&q, &p);
    assert_true(mu_pairs_equal(&p, &q));
    mu_pairs_copy(&q, &q);
    assert_true(mu_pairs_equal(&p, &q));
    mu_pairs_release(&p);
    mu_pairs_release(&q);
    assert_int_equal(p.count, 0);
}

static struct mu_pairs make_pairs(const char *keys)
{
    struct mu_pairs p = {0};
    for (const char *k = keys; *k != '\0'; k++) {
        char key[2] = {*k};
        mu_pairs_add(&p, key, "v");
    }
    return p;
}

static void pairs_are_equal_in_any_order_as_often(void **state)
{
    (void)state;
    const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {{"", "", true},        {"ab", "ba", true}, {"aab", "aba", true},
                 {"aab", "abb", false}, {"a", "", false},   {"ab", "ac", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_pairs a = make_pairs(cases[i].a);
        struct mu_pairs b = make_pairs(cases[i].b);
        assert_int_equal(mu_pairs_equal(&a, &b), cases[i].equal);
        mu_pairs_release(&a);
        mu_pairs_release(&b);
    }
    struct mu_pairs a = make_pairs("a");
    struct mu_pairs b = make_pairs("a");
    mu_pairs_set(&b, "a", "w");
    assert_false(mu_pairs_equal(&a, &b));
    mu_pairs_release(&a);
    mu_pairs_release(&b);
}

static void strings_are_equal_in_order_only(void **state)
{
    (void)state;
    struct mu_strings a = {0};
    struct mu_strings b = {0};
    mu_strings_add(&a, "x");
    mu_strings_add(&a, "y");
    mu_strings_copy(&b, &a);
    assert_true(mu_strings_equal(&a, &b));
    char *first = b.v[0];
    b.v[0] = b.v[1];
    b.v[1] = first;
    assert_false(mu_strings_equal(&a, &b));
    mu_strings_release(&b);
    assert_false(mu_strings_equal(&a, &b));
    mu_strings_release(&a);
}

static void uris_compare_all_members(void **state)
{
    (void)state;
    struct mu_uris a = {0};
    struct mu_uri *u = mu_uris_add(&a, "http://x/a.tgz");
    assert_null(u->output_file);
    assert_false(u->extract || u->executable || u->cache);
    u->extract = true;
    mu_text_set(&u->output_file, "sub/a");
    for (int i = 0; i < 5; i++) {
        struct mu_uris b = {0};
        mu_uris_copy(&b, &a);
        assert_true(mu_uris_equal(&a, &b));
        switch (i) {
        case 0:
            mu_text_set(&b.v[0].uri, "other");
            break;
        case 1:
            mu_text_set(&b.v[0].output_file, NULL);
            break;
        case 2:
            b.v[0].extract = false;
            break;
        case 3:
            b.v[0].executable = true;
            break;
        default:
            b.v[0].cache = true;
        }
        assert_false(mu_uris_equal(&a, &b));
        mu_uris_release(&b);
    }
    mu_uris_release(&a);
}

static void volumes_and_port_mappings(void **state)
{
    (void)state;
    struct mu_volumes v = {0};
    struct mu_volumes w = {0};
    (void)mu_volumes_add(&v, "/data", NULL, true);
    mu_volumes_copy(&w, &v);
    assert_true(mu_volumes_equal(&v, &w));
    mu_text_set(&w.v[0].host_path, "/host");
    assert_false(mu_volumes_equal(&v, &w));
    mu_volumes_copy(&w, &v);
    w.v[0].read_only = false;
    assert_false(mu_volumes_equal(&v, &w));
    mu_volumes_release(&v);
    mu_volumes_release(&w);
    struct mu_port_mappings p = {0};
    struct mu_port_mappings q = {0};
    const struct mu_port_mapping *m = mu_port_mappings_add(&p, 31000, 80, "tcp");
    assert_int_equal(m->host_port, 31000);
    assert_int_equal(m->container_port, 80);
    (void)mu_port_mappings_add(&p, 1, 2, "much too long");
    assert_string_equal(p.v[1].protocol, "much to");
    mu_port_mappings_copy(&q, &p);
    assert_string_equal(q.v[0].protocol, "tcp");
    mu_port_mappings_release(&p);
    mu_port_mappings_release(&q);
}

static void task_info_lives_until_the_last_unref(void **state)
{
    (void)state;
    struct mu_task_info *t = mu_task_info_create();
    assert_int_equal(t->refs, 1);
    mu_text_set(&t->name, "n");
    mu_text_set(&t->discovery_json, "{}");
    mu_text_set(&t->command.value, "sleep");
    mu_text_set(&t->command.user, "nobody");
    mu_strings_add(&t->command.args, "a");
    mu_pairs_add(&t->command.env, "A", "1");
    (void)mu_uris_add(&t->command.uris, "u");
    mu_text_set(&t->container.image, "i");
    mu_text_set(&t->container.network_name, "n");
    mu_text_set(&t->container.hostname, "h");
    (void)mu_port_mappings_add(&t->container.ports, 1, 2, "tcp");
    mu_pairs_add(&t->container.parameters, "p", "v");
    (void)mu_volumes_add(&t->container.volumes, "/c", "/h", false);
    mu_pairs_add(&t->labels, "l", "v");
    assert_int_equal(mu_resources_add_scalar(&t->resources, "cpus", NULL, 1, NULL), 0);
    assert_ptr_equal(mu_task_info_ref(t), t);
    mu_task_info_unref(t);
    assert_int_equal(t->refs, 1);
    assert_string_equal(t->name, "n");
    mu_task_info_unref(t); /* the leak checker of the sanitizer run counts the rest */
    mu_task_info_unref(NULL);
}

static void attributes_are_pairs_in_order(void **state)
{
    (void)state;
    struct mu_pairs p;
    assert_int_equal(
        mu_attributes_parse(" rack : abc ;zone:west\nn:3;;levels:[1-3];u:http://x:1;", &p,
                            NULL),
        0);
    const char *want[][2] = {{"rack", "abc"},
                             {"zone", "west"},
                             {"n", "3"},
                             {"levels", "[1-3]"},
                             {"u", "http://x:1"}};
    assert_int_equal(p.count, 5);
    for (size_t i = 0; i < p.count; i++) {
        assert_string_equal(p.v[i].key, want[i][0]);
        assert_string_equal(p.v[i].value, want[i][1]);
    }
    mu_pairs_release(&p);
    assert_int_equal(mu_attributes_parse("", &p, NULL), 0);
    assert_int_equal(p.count, 0);
}

static void bad_attributes_are_named(void **state)
{
    (void)state;
    const char *bad[] = {"a:1;rack", "a:1;:x",
                         "a:1;rack:", "a:1;rack: ", "a:1;rack:{x,y}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_pairs p = {.count = 99};
        struct mu_error err = {0};
        assert_int_equal(mu_attributes_parse(bad[i], &p, &err), MU_E_INVALID);
        assert_non_null(strstr(err.text, "attribute '"));
        assert_int_equal(p.count, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_table_is_sound),
        cmocka_unit_test(names_and_terminal_flags_match_the_header),
        cmocka_unit_test(living_tasks_may_end_or_vanish_and_dead_ones_stay),
        cmocka_unit_test(pairs_keep_order_and_last_wins),
        cmocka_unit_test(pairs_are_equal_in_any_order_as_often),
        cmocka_unit_test(strings_are_equal_in_order_only),
        cmocka_unit_test(uris_compare_all_members),
        cmocka_unit_test(volumes_and_port_mappings),
        cmocka_unit_test(task_info_lives_until_the_last_unref),
        cmocka_unit_test(attributes_are_pairs_in_order),
        cmocka_unit_test(bad_attributes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
