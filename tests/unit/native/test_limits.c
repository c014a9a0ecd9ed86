/* Resources to cgroup settings, and finding out what a host has (on made-up trees). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cgroups.h"
#include "lib/test_host.h"

static const struct nat_layout v1 = {.has_cpu = true,
                                     .has_memory = true,
                                     .has_swap = true,
                                     .cpu = "/c",
                                     .cpuacct = "/a",
                                     .memory = "/m"};
static const struct nat_layout v2 = {
    .is_v2 = true, .has_cpu = true, .has_memory = true, .unified = "/u"};

struct limit_case {
    const struct nat_layout *layout;
    bool quota, swap;
    const char *resources;
    const char *expected; /* "path=value " each */
};

static void assert_limits(const struct limit_case *c)
{
    struct mu_resources r = {0};
    struct mu_pairs out = {0};
    struct mu_buf text;
    mu_buf_init(&text, 4096);
    if (c->resources[0] != '\0') {
        assert_int_equal(mu_resources_parse(c->resources, "*", &r, NULL), 0);
    }
    const struct nat_limit_flags flags = {.has_quota = c->quota,
                                          .has_swap_limit = c->swap};
    nat_limits_make(c->layout, &flags, "x", &r, &out);
    for (size_t i = 0; i < out.count; i++) {
        mu_buf_printf(&text, "%s=%s;", out.v[i].key, out.v[i].value);
    }
    assert_string_equal(mu_buf_str(&text), c->expected);
    mu_buf_release(&text);
    mu_pairs_release(&out);
    mu_resources_release(&r);
}

static void limits_are_computed_as_mesos_does(void **state)
{
    (void)state;
    static const struct nat_layout none = {0};
    static const struct limit_case cases[] = {
        {&v1, false, false, "cpus:1", "/c/x/cpu.shares=1024;"},
        {&v1, false, false, "cpus:0.5", "/c/x/cpu.shares=512;"},
        {&v1, false, false, "cpus:0.1", "/c/x/cpu.shares=102;"}, /* floor */
        {&v1, false, false, "cpus:0.001", "/c/x/cpu.shares=2;"},
        {&v1, false, false, "cpus:1000000", "/c/x/cpu.shares=262144;"},
        {&v1, true, false, "cpus:0.5",
         "/c/x/cpu.shares=512;/c/x/cpu.cfs_period_us=100000;/c/x/"
         "cpu.cfs_quota_us=50000;"},
        {&v1, true, false, "cpus:0.001",
         "/c/x/cpu.shares=2;/c/x/cpu.cfs_period_us=100000;/c/x/cpu.cfs_quota_us=1000;"},
        {&v1, false, false, "mem:64",
         "/m/x/memory.soft_limit_in_bytes=67108864;/m/x/"
         "memory.limit_in_bytes=67108864;"},
        {&v1, false, false, "mem:1", /* never below 32 MiB */
         "/m/x/memory.soft_limit_in_bytes=33554432;/m/x/"
         "memory.limit_in_bytes=33554432;"},
        {&v1, false, true, "mem:64",
         "/m/x/memory.soft_limit_in_bytes=67108864;/m/x/memory.limit_in_bytes=67108864;/"
         "m/x/memory.memsw.limit_in_bytes=67108864;"},
        {&v1, false, false, "disk:5", ""},
        {&v2, false, false, "cpus:1;mem:64",
         "/u/x/cpu.weight=100;/u/x/memory.low=67108864;/u/x/memory.max=67108864;"},
        {&v2, true, false, "cpus:0.25", "/u/x/cpu.weight=25;/u/x/cpu.max=25000 100000;"},
        {&v2, false, false, "cpus:0.001", "/u/x/cpu.weight=1;"},
        {&v2, false, false, "cpus:5000", "/u/x/cpu.weight=10000;"},
        {&v2, false, true, "mem:33", /* no swap limit in v2 */
         "/u/x/memory.low=34603008;/u/x/memory.max=34603008;"},
        {&none, true, true, "cpus:1;mem:64", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_limits(&cases[i]);
    }
}

static void huge_amounts_saturate(void **state)
{
    (void)state;
    struct mu_resources r = {0};
    assert_int_equal(mu_resources_add_scalar(&r, "mem", "*", INT64_MAX, NULL), 0);
    assert_int_equal(mu_resources_add_scalar(&r, "cpus", "*", INT64_MAX, NULL), 0);
    assert_true(nat_limits_memory_bytes(&r) > INT64_C(1) << 50);
    struct mu_pairs out = {0};
    const struct nat_limit_flags flags = {.has_quota = true};
    nat_limits_make(&v1, &flags, "x", &r, &out);
    for (size_t i = 0; i < out.count; i++) {
        assert_true(out.v[i].value[0] != '-');
    }
    mu_pairs_release(&out);
    mu_resources_release(&r);
}

static char base[64];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/muster-native-XXXXXX");
    assert_non_null(mkdtemp(base));
    return 0;
}

static int remove_base(void **state)
{
    (void)state;
    test_remove_tree(base);
    return 0;
}

/* A path below base, with its directories; content NULL: a directory. */
static void put(const char *path, const char *content)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", base, path);
    for (char *p = full + strlen(base) + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(full, 0755);
            *p = '/';
        }
    }
    if (content == NULL) {
        (void)mkdir(full, 0755);
        return;
    }
    int fd = creat(full, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void detect(struct nat_layout *out, struct mu_buf *missing)
{
    const struct nat_cgroups_config config = {.hierarchy = base, .root = "a/muster"};
    mu_buf_init(missing, 1024);
    nat_cgroups_detect(&config, out, missing);
}

static void v1_hierarchies_are_found_one_by_one(void **state)
{
    (void)state;
    put("cpu/cgroup.procs", "");
    put("cpuacct/cgroup.procs", "");
    put("memory/cgroup.procs", "");
    struct nat_layout l;
    struct mu_buf missing;
    detect(&l, &missing);
    assert_string_equal(mu_buf_str(&missing), "");
    assert_false(l.is_v2);
    assert_true(l.has_cpu);
    assert_true(l.has_memory);
    assert_false(l.has_swap);
    assert_string_equal(l.memory + strlen(base), "/memory/a/muster");
    assert_int_equal(access(l.cpuacct, W_OK), 0);
    struct nat_group_list groups;
    nat_cgroups_of(&l, "id", &groups);
    assert_int_equal(groups.count, 3);
    assert_true(groups.v[2].has_memory);
    mu_buf_release(&missing);
}

static void v1_hierarchies_mounted_together_are_used_once(void **state)
{
    (void)state;
    put("cpu,cpuacct/cgroup.procs", "");
    char link[512];
    snprintf(link, sizeof(link), "%s/cpu", base);
    assert_int_equal(symlink("cpu,cpuacct", link), 0);
    snprintf(link, sizeof(link), "%s/cpuacct", base);
    assert_int_equal(symlink("cpu,cpuacct", link), 0);
    struct nat_layout l;
    struct mu_buf missing;
    detect(&l, &missing);
    assert_true(l.has_cpu);
    assert_string_equal(l.cpuacct, "");
    assert_false(l.has_memory);
    assert_non_null(strstr(mu_buf_str(&missing), "memory limits ("));
    struct nat_group_list groups;
    nat_cgroups_of(&l, "id", &groups);
    assert_int_equal(groups.count, 1);
    mu_buf_release(&missing);
}

static void v2_hands_controllers_down(void **state)
{
    (void)state;
    put("cgroup.controllers", "cpu memory");
    put("cgroup.subtree_control", "");
    put("a/cgroup.subtree_control", "");
    put("a/muster/cgroup.subtree_control", "cpu memory\n");
    struct nat_layout l;
    struct mu_buf missing;
    detect(&l, &missing);
    assert_true(l.is_v2);
    assert_string_equal(l.unified + strlen(base), "/a/muster");
    char path[512], text[64] = "";
    snprintf(path, sizeof(path), "%s/a/cgroup.subtree_control", base);
    int fd = open(path, O_RDONLY);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    assert_string_equal(text, "+memory"); /* a plain file keeps the later write: "+cpu"
                                             was before */
    struct nat_group_list groups;
    nat_cgroups_of(&l, "id", &groups);
    assert_int_equal(groups.count, 1);
    assert_true(groups.v[0].is_v2);
    mu_buf_release(&missing);
}

static void v2_without_controllers_says_what_is_missing(void **state)
{
    (void)state;
    put("cgroup.controllers", "");
    struct nat_layout l;
    struct mu_buf missing;
    detect(&l, &missing);
    assert_true(l.is_v2);
    assert_false(l.has_cpu);
    assert_false(l.has_memory);
    assert_string_equal(mu_buf_str(&missing), "cpu limits, memory limits");
    mu_buf_release(&missing);
}

static void nothing_mounted_means_nothing_used(void **state)
{
    (void)state;
    struct nat_layout l;
    struct mu_buf missing;
    detect(&l, &missing);
    struct nat_group_list groups;
    nat_cgroups_of(&l, "id", &groups);
    assert_int_equal(groups.count, 0);
    assert_non_null(strstr(mu_buf_str(&missing), "cpu limits"));
    mu_buf_release(&missing);
}

static void v2_usage_is_read(void **state)
{
    (void)state;
    struct nat_layout l = {.is_v2 = true, .has_cpu = true, .has_memory = true};
    snprintf(l.unified, sizeof(l.unified), "%s", base);
    put("id/cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
    put("id/memory.stat", "anon 4096\nfile 9\n");
    put("id/memory.max", "67108864\n");
    put("id/cgroup.procs", "12\n13\n");
    struct mu_container_usage u;
    assert_int_equal(nat_usage_read(&l, "id", 0, &u), 0);
    assert_int_equal(u.cpu_user_us, 20);
    assert_int_equal(u.cpu_system_us, 10);
    assert_int_equal(u.mem_rss_bytes, 4096);
    assert_int_equal(u.mem_limit_bytes, 67108864);
    assert_int_equal(u.processes, 2);
    put("id/memory.max", "max\n");
    assert_int_equal(nat_usage_read(&l, "id", 0, &u), 0);
    assert_int_equal(u.mem_limit_bytes, 0);
    assert_int_equal(nat_usage_read(&l, "other", 0, &u), -ESRCH);
}

static void v2_limit_below_what_is_used_is_refused(void **state)
{
    (void)state;
    put("id/memory.current", "5000\n");
    put("id/memory.max", "9000\n");
    char path[512];
    snprintf(path, sizeof(path), "%s/id/memory.max", base);
    struct mu_pairs s = {0};
    mu_pairs_add(&s, path, "4999");
    struct mu_error err;
    assert_int_equal(nat_cgroups_apply(&s, &err), -EBUSY);
    mu_pairs_set(&s, path, "5001");
    assert_int_equal(nat_cgroups_apply(&s, &err), 0);
    mu_pairs_set(&s, "/no/such/file", "1");
    assert_int_equal(nat_cgroups_apply(&s, &err), -ENOENT);
    mu_pairs_release(&s);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, make_base, remove_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_computed_as_mesos_does),
        cmocka_unit_test(huge_amounts_saturate),
        TREE(v1_hierarchies_are_found_one_by_one),
        TREE(v1_hierarchies_mounted_together_are_used_once),
        TREE(v2_hands_controllers_down),
        TREE(v2_without_controllers_says_what_is_missing),
        TREE(nothing_mounted_means_nothing_used),
        TREE(v2_usage_is_read),
        TREE(v2_limit_below_what_is_used_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
