/* From a task to the body of "create container": golden bodies, and what is refused. */
#include "docker_kit.h"

#include "base/alloc.h"

/* What every container has, sorted by key: around it go the parts that differ. */
#define ENV                                                                              \
    "\"MESOS_SANDBOX=/mnt/mesos/"                                                        \
    "sandbox\",\"MESOS_CONTAINER_NAME=mesos-c0ffee00-1111-4222-8333-444444444444\""
#define SANDBOX                                                                          \
    "{\"Source\":\"/sandboxes/one\",\"Target\":\"/mnt/mesos/"                            \
    "sandbox\",\"Type\":\"bind\"}"

static int setup(void **state)
{
    struct docker_task *t = MU_NEW(struct docker_task);
    docker_task_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    docker_task_close(*state);
    free(*state);
    return 0;
}

static void assert_body(const struct docker_task *t, const char *wanted)
{
    mu_auto_free char *body = docker_task_body(t, &docker_options);
    assert_string_equal(body, wanted);
}

static void
assert_member(const struct docker_task *t, const char *path, const char *wanted)
{
    mu_auto_free char *body = docker_task_body(t, &docker_options);
    mu_auto_free char *member = docker_json_member(body, path);
    if (strcmp(member, wanted) != 0) {
        fail_msg("%s:\n got  %s\n want %s\n in %s", path, member, wanted, body);
    }
}

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = mu_xstrdup(text);
}

static void clear_command(struct docker_task *t)
{
    t->task->command.shell = false;
    t->task->command.has_value = false;
    set_text(&t->task->command.value, NULL);
}

static void
add_volume(struct docker_task *t, const char *inside, const char *outside, bool ro)
{
    struct mu_volumes *volumes = &t->task->container.volumes;
    volumes->v = mu_xrealloc_array(volumes->v, volumes->count + 1, sizeof(volumes->v[0]));
    volumes->v[volumes->count++] =
        (struct mu_volume){.container_path = mu_xstrdup(inside),
                           .host_path = mu_xstrdup(outside),
                           .read_only = ro};
}

static void
add_port(struct docker_task *t, uint16_t outside, uint16_t inside, const char *protocol)
{
    struct mu_port_mappings *ports = &t->task->container.ports;
    ports->v = mu_xrealloc_array(ports->v, ports->count + 1, sizeof(ports->v[0]));
    ports->v[ports->count] =
        (struct mu_port_mapping){.host_port = outside, .container_port = inside};
    strcpy(ports->v[ports->count++].protocol, protocol);
}

/* ---- tests ---- */

static void the_story_of_2014_becomes_this_body(void **state)
{
    struct docker_task *t = *state;
    set_text(&t->task->command.value, "while sleep 10; do date -u +%T; done");
    mu_pairs_add(&t->env, "PORT", "31000");
    assert_body(
        t, "{\"Cmd\":[\"-c\",\"while sleep 10; do date -u +%T; done\"],"
           "\"Entrypoint\":[\"/bin/sh\"],"
           "\"Env\":[\"PORT=31000\"," ENV "],"
           "\"HostConfig\":{\"CpuShares\":307,\"Memory\":209715200,\"Mounts\":[" SANDBOX
           "],\"NetworkMode\":\"bridge\"},"
           "\"Image\":\"libmesos/ubuntu:latest\","
           "\"Labels\":{\"MESOS_TASK_ID\":\"ubuntu.1\",\"muster.agent\":\"/var/lib/"
           "muster\",\"muster.container_id\":\"c0ffee00-1111-4222-8333-444444444444\","
           "\"muster.framework_id\":\"f-0000\",\"muster.task_id\":\"ubuntu.1\"}}");
}

static void a_service_with_everything_becomes_this_body(void **state)
{
    struct docker_task *t = *state;
    struct mu_container_info *c = &t->task->container;
    clear_command(t);
    mu_strings_add(&t->task->command.args, "serve");
    mu_strings_add(&t->task->command.args, "--all");
    set_text(&c->image, "reg:5000/a/b@sha256:0123");
    set_text(&c->hostname, "web1");
    c->privileged = true;
    add_port(t, 31000, 80, "tcp");
    add_port(t, 31001, 80, "udp");
    add_volume(t, "/data", "/srv", true);
    mu_pairs_add(&c->parameters, "ulimit", "nofile=1024");
    mu_pairs_add(&c->parameters, "label", "team=web");
    mu_pairs_add(&c->parameters, "label", "muster.agent=forged");
    assert_body(
        t,
        "{\"Cmd\":[\"serve\",\"--all\"],\"Env\":[" ENV "],"
        "\"ExposedPorts\":{\"80/tcp\":{},\"80/udp\":{}},"
        "\"HostConfig\":{\"Binds\":[\"/srv:/"
        "data:ro\"],\"CpuShares\":307,\"Memory\":209715200,"
        "\"Mounts\":[" SANDBOX "],\"NetworkMode\":\"bridge\",\"PortBindings\":{"
        "\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"31000\"}],"
        "\"80/udp\":[{\"HostIp\":\"\",\"HostPort\":\"31001\"}]},\"Privileged\":true,"
        "\"Ulimits\":[{\"Hard\":1024,\"Name\":\"nofile\",\"Soft\":1024}]},"
        "\"Hostname\":\"web1\",\"Image\":\"reg:5000/a/b@sha256:0123\","
        "\"Labels\":{\"MESOS_TASK_ID\":\"ubuntu.1\",\"muster.agent\":\"/var/lib/muster\","
        "\"muster.container_id\":\"c0ffee00-1111-4222-8333-444444444444\","
        "\"muster.framework_id\":\"f-0000\",\"muster.task_id\":\"ubuntu.1\",\"team\":"
        "\"web\"}}");
}

static void an_image_without_tag_or_digest_is_the_latest(void **state)
{
    static const char *const cases[][2] = {
        {"busybox", "busybox:latest"},
        {"libmesos/ubuntu", "libmesos/ubuntu:latest"},
        {"busybox:1.36", "busybox:1.36"},
        {"reg:5000/a/b", "reg:5000/a/b:latest"},
        {"reg:5000/a/b:2", "reg:5000/a/b:2"},
        {"a@sha256:00", "a@sha256:00"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mu_auto_free char *tagged = dkr_image_with_tag(cases[i][0]);
        assert_string_equal(tagged, cases[i][1]);
    }
}

static void commands_follow_the_rules_of_mesos(void **state)
{
    struct docker_task *t = *state;
    clear_command(t); /* nothing said: the image decides */
    assert_member(t, "Cmd", "");
    assert_member(t, "Entrypoint", "");
    t->task->command.has_value = true;
    set_text(&t->task->command.value, "prog");
    mu_strings_add(&t->task->command.args, "one");
    assert_member(t, "Cmd", "[\"prog\",\"one\"]"); /* behind the image's entrypoint */
    assert_member(t, "Entrypoint", "");
    t->task->command.shell = true;
    assert_member(t, "Cmd", "[\"-c\",\"prog\"]");
    assert_member(t, "Entrypoint", "[\"/bin/sh\"]");
    mu_pairs_add(&t->task->container.parameters, "entrypoint", "/init");
    assert_member(t, "Entrypoint", "[\"/init\"]");
    t->task->command.has_value = false;
    assert_body(t, "error: a shell command without a value");
}

static void limits_have_their_least_values(void **state)
{
    struct docker_task *t = *state;
    struct dkr_spec_options cfs = docker_options;
    struct mu_error err;
    cfs.enable_cfs = true;
    mu_resources_release(&t->task->resources);
    assert_int_equal(
        mu_resources_parse("cpus:0.001;mem:1", "*", &t->task->resources, &err), 0);
    mu_auto_free char *body = docker_task_body(t, &cfs);
    mu_auto_free char *shares = docker_json_member(body, "HostConfig.CpuShares");
    mu_auto_free char *quota = docker_json_member(body, "HostConfig.CpuQuota");
    mu_auto_free char *period = docker_json_member(body, "HostConfig.CpuPeriod");
    mu_auto_free char *memory = docker_json_member(body, "HostConfig.Memory");
    assert_string_equal(shares, "2");
    assert_string_equal(quota, "1000");
    assert_string_equal(period, "100000");
    assert_string_equal(memory, "33554432");
}

static void a_cpu_quota_gives_way_to_the_users_own_limit(void **state)
{
    struct docker_task *t = *state;
    struct dkr_spec_options cfs = docker_options;
    cfs.enable_cfs = true;
    mu_pairs_add(&t->task->container.parameters, "cpus", "2");
    mu_auto_free char *body = docker_task_body(t, &cfs);
    mu_auto_free char *quota = docker_json_member(body, "HostConfig.CpuQuota");
    mu_auto_free char *nano = docker_json_member(body, "HostConfig.NanoCpus");
    assert_string_equal(quota, "");
    assert_string_equal(nano, "2000000000");
}

static void resources_that_are_not_given_set_no_limit(void **state)
{
    struct docker_task *t = *state;
    mu_resources_release(&t->task->resources);
    assert_member(t, "HostConfig.CpuShares", "");
    assert_member(t, "HostConfig.Memory", "");
}

static void networks_have_the_engines_names(void **state)
{
    struct docker_task *t = *state;
    struct mu_container_info *c = &t->task->container;
    assert_member(t, "HostConfig.NetworkMode", "\"bridge\"");
    c->network = MU_NETWORK_HOST;
    assert_member(t, "HostConfig.NetworkMode", "\"host\"");
    c->network = 0;
    assert_member(t, "HostConfig.NetworkMode", "\"host\"");
    c->network = MU_NETWORK_NONE;
    assert_member(t, "HostConfig.NetworkMode", "\"none\"");
    c->network = MU_NETWORK_USER;
    assert_body(t, "error: network mode USER without a network name");
    set_text(&c->network_name, "weave");
    assert_member(t, "HostConfig.NetworkMode", "\"weave\"");
    mu_pairs_add(&c->parameters, "net",
                 "other"); /* the first of them replaces the mode */
    mu_pairs_add(&c->parameters, "network", "third");
    assert_member(t, "HostConfig.NetworkMode", "\"other\"");
    c->network = 77;
    mu_pairs_release(&c->parameters);
    assert_body(t, "error: network mode 77 is not known");
}

static void port_mappings_need_a_network_and_a_port_of_the_task(void **state)
{
    struct docker_task *t = *state;
    struct mu_container_info *c = &t->task->container;
    add_port(t, 31009, 8080, "");
    assert_member(t, "HostConfig.PortBindings",
                  "{\"8080/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"31009\"}]}");
    c->network = MU_NETWORK_HOST;
    assert_body(t, "error: port mappings are not possible with network 'host'");
    c->network = MU_NETWORK_NONE;
    assert_body(t, "error: port mappings are not possible with network 'none'");
    c->network = MU_NETWORK_BRIDGE;
    c->ports.v[0].host_port = 31010;
    assert_body(t, "error: Port [31010] not included in resources");
}

static void a_hostname_is_refused_with_the_hosts_network(void **state)
{
    struct docker_task *t = *state;
    set_text(&t->task->container.hostname, "web1");
    assert_member(t, "Hostname", "\"web1\"");
    t->task->container.network = MU_NETWORK_HOST;
    assert_body(t, "error: a hostname is not possible with network 'host'");
}

static void volumes_join_host_and_container_paths(void **state)
{
    struct docker_task *t = *state;
    add_volume(t, "/data", "/srv", false);
    add_volume(t, "data", "/srv", true);         /* below the sandbox directory */
    add_volume(t, "/cache", "tmp/cache", false); /* from the sandbox */
    add_volume(t, "/made", NULL, false);         /* made in the sandbox */
    add_volume(t, "made", NULL, false);          /* there already: no mount */
    assert_member(
        t, "HostConfig.Binds",
        "[\"/srv:/data:rw\",\"/srv:/mnt/mesos/sandbox/data:ro\","
        "\"/sandboxes/one/tmp/cache:/cache:rw\",\"/sandboxes/one/made:/made:rw\"]");
}

static void a_volume_with_two_relative_paths_is_refused(void **state)
{
    struct docker_task *t = *state;
    add_volume(t, "data", "srv", false);
    assert_body(
        t, "error: volume 'data': host path 'srv' and container path are both relative");
}

static void a_volume_that_leaves_the_sandbox_is_refused(void **state)
{
    struct docker_task *t = *state;
    add_volume(t, "/data", "a/../../../etc", false);
    assert_body(t,
                "error: volume '/data': host path 'a/../../../etc' leaves the sandbox");
}

static void colons_in_paths_do_no_harm(void **state)
{
    struct docker_task *t = *state;
    t->spec.sandbox = "/sandboxes/one:two";
    add_volume(t, "/data", "/srv:a", true);
    assert_member(t, "HostConfig.Binds", "");
    assert_member(
        t, "HostConfig.Mounts",
        "[{\"Source\":\"/sandboxes/one:two\",\"Target\":\"/mnt/mesos/sandbox\","
        "\"Type\":\"bind\"},{\"ReadOnly\":true,\"Source\":\"/srv:a\",\"Target\":"
        "\"/data\",\"Type\":\"bind\"}]");
}

static void an_old_engine_gets_the_sandbox_as_a_bind(void **state)
{
    struct docker_task *t = *state;
    struct dkr_spec_options old = docker_options;
    old.api_version = 124;
    mu_auto_free char *body = docker_task_body(t, &old);
    mu_auto_free char *binds = docker_json_member(body, "HostConfig.Binds");
    assert_string_equal(binds, "[\"/sandboxes/one:/mnt/mesos/sandbox:rw\"]");
}

static void the_sandbox_variable_is_the_containers_view(void **state)
{
    struct docker_task *t = *state;
    mu_pairs_add(&t->env, "MESOS_SANDBOX", "/sandboxes/one");
    mu_pairs_add(&t->env, "EMPTY", "");
    assert_member(t, "Env", "[\"EMPTY=\"," ENV "]");
    mu_pairs_add(&t->env, "BAD=NAME", "x");
    assert_body(t, "error: 'BAD=NAME' is no name of an environment variable");
}

static void texts_that_are_not_utf8_are_refused(void **state)
{
    struct docker_task *t = *state;
    mu_pairs_add(&t->env, "RAW", "\xff\xfe");
    assert_body(t, "error: the value of 'Env.+' is not UTF-8");
}

static void a_container_needs_an_image(void **state)
{
    struct docker_task *t = *state;
    set_text(&t->task->container.image, "");
    assert_body(t, "error: a docker container without an image");
}

static void a_terminal_is_noticed(void **state)
{
    struct docker_task *t = *state;
    struct dkr_spec spec;
    struct mu_error err;
    mu_pairs_add(&t->task->container.parameters, "tty", "true");
    assert_int_equal(dkr_spec_build(&t->spec, &docker_options, &spec, &err), 0);
    assert_true(spec.has_tty);
    dkr_spec_release(&spec);
}

static void an_update_holds_the_limits_alone(void **state)
{
    struct docker_task *t = *state;
    struct dkr_fields fields = {0};
    struct mu_error err;
    char *body = NULL;
    dkr_spec_limits(&t->task->resources, false, &fields);
    assert_int_equal(dkr_encode_update(&fields, &body, &err), 0);
    assert_string_equal(body, "{\"CpuShares\":307,\"Memory\":209715200}");
    free(body);
    dkr_fields_release(&fields);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_story_of_2014_becomes_this_body),
        TEST(a_service_with_everything_becomes_this_body),
        TEST(an_image_without_tag_or_digest_is_the_latest),
        TEST(commands_follow_the_rules_of_mesos),
        TEST(limits_have_their_least_values),
        TEST(a_cpu_quota_gives_way_to_the_users_own_limit),
        TEST(resources_that_are_not_given_set_no_limit),
        TEST(networks_have_the_engines_names),
        TEST(port_mappings_need_a_network_and_a_port_of_the_task),
        TEST(a_hostname_is_refused_with_the_hosts_network),
        TEST(volumes_join_host_and_container_paths),
        TEST(a_volume_with_two_relative_paths_is_refused),
        TEST(a_volume_that_leaves_the_sandbox_is_refused),
        TEST(colons_in_paths_do_no_harm),
        TEST(an_old_engine_gets_the_sandbox_as_a_bind),
        TEST(the_sandbox_variable_is_the_containers_view),
        TEST(texts_that_are_not_utf8_are_refused),
        TEST(a_container_needs_an_image),
        TEST(a_terminal_is_noticed),
        TEST(an_update_holds_the_limits_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
