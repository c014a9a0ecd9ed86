/* What a task is told: environment, command, container; and the delay between launches.
 */
#include "kit.h"

#include "scheduler/backoff.h"
#include "scheduler/env.h"

static void assert_port_env(size_t count,
                            const uint16_t *requested,
                            const char *const *names,
                            const char *expected)
{
    const uint16_t effective[] = {1001, 1002};
    struct mu_pairs env = {0};
    struct mu_buf text;
    mu_buf_init(&text, 1024);
    env_add_ports(&env, requested, effective, names, count);
    static const char *const keys[] = {"PORT",      "PORT0",     "PORT1",     "PORTS",
                                       "PORT_0",    "PORT_1001", "PORT_1002", "PORT_80",
                                       "PORT_8080", "PORT_HTTP", "PORT_HTTPS"};
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *v = mu_pairs_get(&env, keys[i]);
        if (v != NULL) {
            mu_buf_printf(&text, "%s%s=%s", found++ == 0 ? "" : " ", keys[i], v);
        }
    }
    assert_string_equal(mu_buf_str(&text), expected);
    assert_int_equal(env.count, found);
    mu_buf_release(&text);
    mu_pairs_release(&env);
}

static void port_variables_follow_the_vectors(void **state)
{
    (void)state;
    const char *none[] = {NULL, NULL}, *named[] = {"http", "https"};
    assert_port_env(2, (uint16_t[]){0, 0}, none,
                    "PORT=1001 PORT0=1001 PORT1=1002 PORTS=1001,1002 PORT_1001=1001 "
                    "PORT_1002=1002");
    assert_port_env(2, (uint16_t[]){0, 0}, named,
                    "PORT=1001 PORT0=1001 PORT1=1002 PORTS=1001,1002 PORT_1001=1001 "
                    "PORT_1002=1002 PORT_HTTP=1001 PORT_HTTPS=1002");
    assert_port_env(2, (uint16_t[]){80, 8080}, none,
                    "PORT=1001 PORT0=1001 PORT1=1002 PORTS=1001,1002 PORT_80=1001 "
                    "PORT_8080=1002");
    assert_port_env(0, NULL, none, "");
}

struct built {
    struct mu_app *app;
    struct mu_task_info *info;
};

static struct built build(struct mu_app *a, const uint16_t *host_ports, size_t count)
{
    struct task_place place = {
        .app = a,
        .task_id = {"b_a.1"},
        .framework_id = {"f"},
        .agent_id = {"s1"},
        .host = "n1",
        .default_user = "nobody",
        .host_ports = host_ports,
        .port_count = count,
    };
    struct mu_resources r = {0};
    assert_int_equal(mu_resources_parse("cpus:0.1;mem:32", "*", &r, NULL), 0);
    struct mu_task_info *t = task_info_build(&place, &r);
    assert_true(mu_resources_empty(&r));
    return (struct built){a, t};
}

static void release(struct built *b)
{
    mu_task_info_unref(b->info);
    mu_app_unref(b->app);
}

static const char *env(const struct built *b, const char *key)
{
    return mu_pairs_get(&b->info->command.env, key);
}

static void environment_describes_the_task(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/b/a", 1);
    a->version_ms = 1451606400000;
    mu_pairs_add(&a->labels, "a.b-c", "x");
    mu_pairs_add(&a->labels, "tier", "web");
    mu_pairs_add(&a->env, "HOST", "mine");
    mu_pairs_add(&a->env, "LANG", "C");
    mu_app_add_port(a)->port = 10000;
    struct built b = build(a, (uint16_t[]){31005}, 1);
    assert_string_equal(env(&b, "MESOS_TASK_ID"), "b_a.1");
    assert_string_equal(env(&b, "MARATHON_APP_ID"), "/b/a");
    assert_string_equal(env(&b, "MARATHON_APP_VERSION"), "2016-01-01T00:00:00.000Z");
    assert_null(env(&b, "MARATHON_APP_DOCKER_IMAGE"));
    assert_string_equal(env(&b, "MARATHON_APP_RESOURCE_CPUS"), "0.1");
    assert_string_equal(env(&b, "MARATHON_APP_RESOURCE_MEM"), "32.0");
    assert_string_equal(env(&b, "MARATHON_APP_RESOURCE_DISK"), "0.0");
    assert_string_equal(env(&b, "MARATHON_APP_RESOURCE_GPUS"), "0");
    assert_string_equal(env(&b, "MARATHON_APP_LABELS"), "A_B_C TIER");
    assert_string_equal(env(&b, "MARATHON_APP_LABEL_A_B_C"), "x");
    assert_string_equal(env(&b, "PORT_10000"), "31005");
    assert_string_equal(env(&b, "HOST"), "mine"); /* the app's own variables win */
    assert_string_equal(env(&b, "LANG"), "C");
    release(&b);
}

static void oversized_labels_are_no_variables(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    char value[513], key[494];
    memset(value, 'v', 512);
    memset(key, 'k', 493);
    value[512] = key[493] = '\0';
    mu_pairs_add(&a->labels, "long", value);
    mu_pairs_add(&a->labels, key, "x");
    struct built b = build(a, NULL, 0);
    assert_string_equal(env(&b, "MARATHON_APP_LABELS"), "");
    assert_int_equal(b.info->labels.count, 2); /* still on the task */
    assert_null(env(&b, "PORT"));
    release(&b);
}

static void names_come_from_the_path(void **state)
{
    (void)state;
    mu_auto_free char *safe = app_id_safe_path("/a/b.c/d-e");
    mu_auto_free char *host = app_id_hostname("/a/b.c/d-e");
    assert_string_equal(safe, "a_b.c_d-e");
    assert_string_equal(host, "d-e.b.c.a");
}

static void cmd_is_a_shell_command(void **state)
{
    (void)state;
    struct built b = build(make_app("/b/a", 1), NULL, 0);
    assert_true(b.info->command.shell);
    assert_string_equal(b.info->command.value, "sleep 1000");
    assert_string_equal(b.info->command.user, "nobody");
    assert_string_equal(b.info->name, "a.b");
    assert_int_equal(b.info->container.type, MU_CONTAINER_NONE);
    release(&b);
}

static struct mu_app *with_args(bool image)
{
    struct mu_app *a = make_app("/a", 1);
    set_text(&a->cmd, NULL);
    a->has_args = true;
    mu_strings_add(&a->args, "/bin/echo");
    mu_strings_add(&a->args, "hello");
    if (image) {
        a->has_container = true;
        a->container_type = MU_CONTAINER_DOCKER;
        a->image = mu_xstrdup("busybox");
    }
    return a;
}

static void args_are_a_program_without_an_image(void **state)
{
    (void)state;
    struct built b = build(with_args(false), NULL, 0);
    assert_false(b.info->command.shell);
    assert_string_equal(b.info->command.value, "/bin/echo");
    assert_int_equal(b.info->command.args.count, 2);
    release(&b);
}

static void args_go_to_the_entrypoint_of_an_image(void **state)
{
    (void)state;
    struct built b = build(with_args(true), NULL, 0);
    assert_false(b.info->command.has_value);
    assert_int_equal(b.info->command.args.count, 2);
    assert_string_equal(b.info->container.image, "busybox");
    assert_string_equal(env(&b, "MARATHON_APP_DOCKER_IMAGE"), "busybox");
    release(&b);
}

static void bridge_ports_become_docker_mappings(void **state)
{
    (void)state;
    struct mu_app *a = with_args(true);
    a->network_mode = MU_APP_NET_BRIDGE;
    static const char *const protocols[] = {"tcp", "udp,tcp"};
    for (size_t i = 0; i < 2; i++) {
        struct mu_app_port_mapping *m = mu_app_add_mapping(a);
        m->container_port = i == 0 ? 80 : 0;
        m->has_host_port = true;
        m->protocol = mu_xstrdup(protocols[i]);
    }
    a->mappings[0].name = mu_xstrdup("http");
    struct built b = build(a, (uint16_t[]){31000, 31001}, 2);
    const struct mu_port_mappings *p = &b.info->container.ports;
    assert_int_equal(b.info->container.network, MU_NETWORK_BRIDGE);
    assert_int_equal(p->count, 3);
    assert_int_equal(p->v[0].container_port, 80);
    assert_int_equal(p->v[0].host_port, 31000);
    assert_string_equal(p->v[1].protocol, "udp");
    assert_string_equal(p->v[2].protocol, "tcp");
    assert_int_equal(p->v[2].container_port, 31001); /* the same as on the host */
    assert_string_equal(env(&b, "PORT_80"), "31000");
    assert_string_equal(env(&b, "PORT_HTTP"), "31000");
    assert_non_null(strstr(b.info->discovery_json,
                           "{\"number\":31000,\"name\":\"http\",\"protocol\":\"tcp\""));
    release(&b);
}

static void container_port_stands_for_a_missing_host_port(void **state)
{
    (void)state;
    struct mu_app *a = with_args(true);
    a->network_mode = MU_APP_NET_CONTAINER;
    mu_strings_add(&a->network_names, "net1");
    mu_app_add_mapping(a)->container_port = 80;
    (void)mu_app_add_mapping(a);
    struct built b = build(a, (uint16_t[]){0, 0}, 2);
    assert_int_equal(b.info->container.network, MU_NETWORK_USER);
    assert_string_equal(b.info->container.network_name, "net1");
    assert_int_equal(b.info->container.ports.count, 0);
    assert_string_equal(env(&b, "PORT0"), "80");
    assert_string_equal(env(&b, "PORT1"),
                        "1026"); /* made up, above the privileged ones */
    release(&b);
}

static void delay_grows_and_is_forgotten(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    struct backoff b = {0};
    a->backoff_ms = 10000;
    a->backoff_factor_milli = 2000;
    a->max_launch_delay_ms = 60000;
    assert_int_equal(backoff_left(&b, 0), 0);
    backoff_fail(&b, a, 1000);
    assert_int_equal(b.deadline_ms, 11000);
    backoff_fail(&b, a, 1000);
    assert_int_equal(b.deadline_ms, 21000);
    assert_int_equal(backoff_left(&b, 20000), 1000);
    backoff_expire(&b, a, 61000); /* exactly the limit: not yet */
    assert_true(b.active);
    backoff_expire(&b, a, 61001);
    assert_false(b.active);
    mu_app_unref(a);
}

static void delay_has_a_limit(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    struct backoff b = {0};
    for (int i = 0; i < 200; i++) {
        backoff_fail(&b, a, 1000);
    }
    assert_int_equal(backoff_left(&b, 1000), 300000);
    backoff_reset(&b);
    assert_int_equal(backoff_left(&b, 1000), 0);
    backoff_fail(&b, a, 1000);
    backoff_fail(&b, a, 1000);
    assert_int_equal(backoff_left(&b, 1000), 1150);
    mu_app_unref(a);
}

static void sign_of_life_keeps_the_delay(void **state)
{
    (void)state;
    struct mu_app *a = make_app("/a", 1);
    struct backoff b = {0};
    backoff_fail(&b, a, 0);
    backoff_advance(&b, 200000);
    backoff_fail(&b, a, 400000); /* within the limit since the sign of life: grows on */
    assert_int_equal(backoff_left(&b, 400000), 1150);
    mu_app_unref(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_variables_follow_the_vectors),
        cmocka_unit_test(environment_describes_the_task),
        cmocka_unit_test(oversized_labels_are_no_variables),
        cmocka_unit_test(names_come_from_the_path),
        cmocka_unit_test(cmd_is_a_shell_command),
        cmocka_unit_test(args_are_a_program_without_an_image),
        cmocka_unit_test(args_go_to_the_entrypoint_of_an_image),
        cmocka_unit_test(bridge_ports_become_docker_mappings),
        cmocka_unit_test(container_port_stands_for_a_missing_host_port),
        cmocka_unit_test(delay_grows_and_is_forgotten),
        cmocka_unit_test(delay_has_a_limit),
        cmocka_unit_test(sign_of_life_keeps_the_delay),
    };
    return cmocka_run_group_tests_name("task_info", tests, NULL, NULL);
}
