/* The app definition. One list of changes, a change per member, proves that no member was
 * forgotten in clone, comparison or release (the latter with the sanitizer's leak check).
 */
#include "cm.h"

#include <muster/app.h>

#include <string.h>

static void defaults_are_marathons(void **state)
{
    (void)state;
    struct mu_app *a = mu_app_create();
    assert_int_equal(a->refs, 1);
    assert_int_equal(a->instances, 1);
    assert_int_equal(a->cpus_milli, 1000);
    assert_int_equal(a->mem_milli, 128000);
    assert_int_equal(a->disk_milli, 0);
    assert_int_equal(a->network_mode, MU_APP_NET_HOST);
    assert_int_equal(a->upgrade.min_health_ppm, 1000000);
    assert_int_equal(a->upgrade.max_over_ppm, 1000000);
    assert_int_equal(a->backoff_ms, 1000);
    assert_int_equal(a->backoff_factor_milli, 1150);
    assert_int_equal(a->max_launch_delay_ms, 300000);
    assert_string_equal(a->executor, "");
    assert_false(a->unreachable.disabled);
    assert_int_equal(a->unreachable.inactive_after_ms, 0);
    mu_app_unref(a);
}

static struct mu_app *full_app(void)
{
    struct mu_app *a = mu_app_create();
    mu_text_set(&a->id, "/a/b");
    mu_text_set(&a->cmd, "sleep 1");
    mu_strings_add(&a->args, "arg");
    mu_text_set(&a->user, "nobody");
    mu_pairs_add(&a->env, "E", "1");
    mu_pairs_add(&a->labels, "L", "1");
    struct mu_constraint *c = mu_app_add_constraint(a);
    mu_text_set(&c->field, "hostname");
    c->op = MU_OP_LIKE;
    mu_text_set(&c->value, "x.*");
    (void)mu_uris_add(&a->fetch, "http://x");
    mu_strings_add(&a->network_names, "net");
    struct mu_port_definition *p = mu_app_add_port(a);
    p->port = 80;
    mu_text_set(&p->protocol, "tcp");
    mu_text_set(&p->name, "http");
    mu_pairs_add(&p->labels, "l", "1");
    mu_text_set(&a->image, "image");
    mu_pairs_add(&a->parameters, "k", "1");
    mu_pairs_add(&a->parameters, "l", "2");
    (void)mu_volumes_add(&a->volumes, "/c", "/h", false);
    struct mu_app_port_mapping *m = mu_app_add_mapping(a);
    m->container_port = 80;
    mu_text_set(&m->protocol, "tcp");
    mu_text_set(&m->name, "http");
    mu_pairs_add(&m->labels, "l", "1");
    mu_strings_add(&m->network_names, "net");
    mu_strings_add(&a->dependencies, "/c");
    mu_strings_add(&a->accepted_roles, "*");
    mu_text_set(&a->role, "web");
    mu_text_set(&a->extra_json, "{}");
    a->version_ms = 1;
    a->last_scaling_ms = 2;
    a->last_config_ms = 3;
    return a;
}

static void swap_parameters(struct mu_app *a)
{
    struct mu_pair first = a->parameters.v[0];
    a->parameters.v[0] = a->parameters.v[1];
    a->parameters.v[1] = first;
}

/* Makes the n-th change to a's configuration; false when there is no n-th. */
static bool change(struct mu_app *a, int n)
{
    int at = 0;
#define CHANGE(statement)                                                                \
    if (n == at++) {                                                                     \
        statement;                                                                       \
        return true;                                                                     \
    }
    CHANGE(mu_text_set(&a->id, "/x"))
    CHANGE(mu_text_set(&a->cmd, NULL))
    CHANGE(a->has_args = true)
    CHANGE(mu_strings_add(&a->args, "more"))
    CHANGE(mu_text_set(&a->user, "root"))
    CHANGE(mu_pairs_set(&a->env, "E", "2"))
    CHANGE(mu_pairs_set(&a->labels, "L", "2"))
    CHANGE(a->cpus_milli++)
    CHANGE(a->mem_milli++)
    CHANGE(a->disk_milli++)
    CHANGE(a->gpus++)
    CHANGE(mu_text_set(&a->executor, "//cmd"))
    CHANGE(mu_text_set(&a->constraints[0].field, "rack"))
    CHANGE(a->constraints[0].op = MU_OP_UNLIKE)
    CHANGE(mu_text_set(&a->constraints[0].value, NULL))
    CHANGE(mu_app_clear_constraints(a))
    CHANGE(a->fetch.v[0].extract = true)
    CHANGE(a->network_mode = MU_APP_NET_BRIDGE)
    CHANGE(mu_strings_add(&a->network_names, "two"))
    CHANGE(a->ports[0].port++)
    CHANGE(mu_text_set(&a->ports[0].protocol, "udp"))
    CHANGE(mu_text_set(&a->ports[0].name, NULL))
    CHANGE(mu_pairs_set(&a->ports[0].labels, "l", "2"))
    CHANGE((void)mu_app_add_port(a))
    CHANGE(a->require_ports = true)
    CHANGE(a->has_container = true)
    CHANGE(a->container_type = MU_CONTAINER_DOCKER)
    CHANGE(mu_text_set(&a->image, "other"))
    CHANGE(a->force_pull = true)
    CHANGE(a->privileged = true)
    CHANGE(swap_parameters(a))
    CHANGE(a->volumes.v[0].read_only = true)
    CHANGE(a->mappings[0].container_port++)
    CHANGE(a->mappings[0].has_host_port = true)
    CHANGE(a->mappings[0].host_port++)
    CHANGE(a->mappings[0].service_port++)
    CHANGE(mu_text_set(&a->mappings[0].protocol, "udp"))
    CHANGE(mu_text_set(&a->mappings[0].name, NULL))
    CHANGE(mu_pairs_set(&a->mappings[0].labels, "l", "2"))
    CHANGE(mu_strings_add(&a->mappings[0].network_names, "two"))
    CHANGE((void)mu_app_add_mapping(a))
    CHANGE(mu_strings_add(&a->dependencies, "/d"))
    CHANGE(a->upgrade.min_health_ppm--)
    CHANGE(a->upgrade.max_over_ppm--)
    CHANGE(a->backoff_ms++)
    CHANGE(a->max_launch_delay_ms++)
    CHANGE(a->backoff_factor_milli++)
    CHANGE(a->has_accepted_roles = true)
    CHANGE(mu_strings_add(&a->accepted_roles, "web"))
    CHANGE(mu_text_set(&a->role, NULL))
    CHANGE(a->has_kill_grace = true)
    CHANGE(a->kill_grace_ms++)
    CHANGE(a->unreachable.disabled = true)
    CHANGE(a->unreachable.inactive_after_ms++)
    CHANGE(a->unreachable.expunge_after_ms++)
    CHANGE(a->kill_oldest_first = true)
    CHANGE(mu_text_set(&a->extra_json, NULL))
#undef CHANGE
    return false;
}

static void every_member_counts_and_clones_share_nothing(void **state)
{
    (void)state;
    struct mu_app *a = full_app();
    struct mu_app *untouched = full_app();
    int n = 0;
    for (;; n++) {
        struct mu_app *b = mu_app_clone(a);
        assert_int_equal(b->refs, 1);
        assert_true(mu_app_same_config(a, b));
        if (!change(b, n)) {
            mu_app_unref(b);
            break;
        }
        if (mu_app_same_config(a, b) || mu_app_same_config(b, a)) {
            fail_msg("change %d went unseen", n);
        }
        /* A change to a clone's member, cloned again, is still there. */
        struct mu_app *c = mu_app_clone(b);
        assert_true(mu_app_same_config(b, c));
        mu_app_unref(b);
        mu_app_unref(c);
        assert_true(mu_app_same_config(a, untouched));
    }
    assert_int_equal(n, 57);
    mu_app_unref(a);
    mu_app_unref(untouched);
}

static void instances_and_times_are_no_config_but_are_cloned(void **state)
{
    (void)state;
    struct mu_app *a = full_app();
    struct mu_app *b = mu_app_clone(a);
    b->instances = 9;
    b->version_ms = 10;
    b->last_scaling_ms = 11;
    b->last_config_ms = 12;
    assert_true(mu_app_same_config(a, b));
    struct mu_app *c = mu_app_clone(b);
    assert_int_equal(c->instances, 9);
    assert_int_equal(c->version_ms, 10);
    assert_int_equal(c->last_scaling_ms, 11);
    assert_int_equal(c->last_config_ms, 12);
    mu_app_unref(a);
    mu_app_unref(b);
    mu_app_unref(c);
}

static void env_order_is_no_difference(void **state)
{
    (void)state;
    struct mu_app *a = full_app();
    struct mu_app *b = full_app();
    mu_pairs_add(&a->env, "F", "2");
    mu_pairs_release(&b->env);
    mu_pairs_add(&b->env, "F", "2");
    mu_pairs_add(&b->env, "E", "1");
    assert_true(mu_app_same_config(a, b));
    mu_app_unref(a);
    mu_app_unref(b);
}

static void app_lives_until_the_last_unref(void **state)
{
    (void)state;
    struct mu_app *a = full_app();
    assert_ptr_equal(mu_app_ref(a), a);
    mu_app_unref(a);
    assert_string_equal(a->id, "/a/b");
    struct mu_app *clone_of_shared = mu_app_clone(mu_app_ref(a));
    assert_int_equal(clone_of_shared->refs, 1);
    mu_app_unref(clone_of_shared);
    mu_app_unref(a);
    mu_app_unref(a);
    mu_app_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_marathons),
        cmocka_unit_test(every_member_counts_and_clones_share_nothing),
        cmocka_unit_test(instances_and_times_are_no_config_but_are_cloned),
        cmocka_unit_test(env_order_is_no_difference),
        cmocka_unit_test(app_lives_until_the_last_unref),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
