/* The cgroups of native containers against the real kernel: limits, OOM, v1 and v2, and
 * whose group a supervisor is in. Needs root. */
#include "kit.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static int open_kit(void **state)
{
    *state = kit_open("linux", NULL, NULL);
    return 0;
}

static int close_kit(void **state)
{
    kit_close(*state);
    return 0;
}

static const char *balloon = "x=a; while :; do x=$x$x$x$x; done";

static void out_of_memory_is_reported_as_such(void **state)
{
    struct kit *k = *state;
    if (!kit_has_memory_cgroup()) {
        skip();
    }
    struct mu_task_info *t = kit_task("");
    free(t->command.value);
    /* a child is killed, the shell itself would go on */
    t->command.value = mu_xasprintf("sh -c '%s'; sleep 1000", balloon);
    mu_resources_release(&t->resources);
    assert_int_equal(mu_resources_parse("cpus:1;mem:32", "*", &t->resources, NULL), 0);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_true(e->how.oom);
    assert_false(e->how.was_killed);
    assert_non_null(
        strstr(e->text, "Memory limit exceeded: requested: 32MB maximum used: 3"));
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static long read_number(const char *path)
{
    FILE *f = fopen(path, "r");
    long v = -1;
    if (f != NULL) {
        if (fscanf(f, "%ld", &v) != 1) {
            v = -1;
        }
        fclose(f);
    }
    return v;
}

static void on_updated(void *arg, int status, const char *text)
{
    struct kit_answer *a = arg;
    a->done = true;
    a->status = status;
    snprintf(a->text, sizeof(a->text), "%s", text);
}

static void skip_without_v1(void)
{
    mu_auto_free char *root = kit_cgroup("memory", "memory.limit_in_bytes");
    if (access(root, W_OK) < 0) {
        skip();
    }
}

static void limits_are_set_and_can_be_changed(void **state)
{
    struct kit *k = *state;
    mu_auto_free char *shares = kit_cgroup("cpu", "c1/cpu.shares");
    mu_auto_free char *limit = kit_cgroup("memory", "c1/memory.limit_in_bytes");
    skip_without_v1();
    kit_launch(k, "c1", "sleep 1000");
    assert_int_equal(read_number(shares), 102);
    assert_int_equal(read_number(limit), 64l << 20);
    struct mu_resources more = {0};
    assert_int_equal(mu_resources_parse("cpus:2;mem:128", "*", &more, NULL), 0);
    struct mu_container_id id;
    assert_int_equal(MU_ID_SET(&id, "container id", "c1", NULL), 0);
    struct kit_answer a = {0};
    assert_int_equal(k->ops->update(k->instance, &id, &more, on_updated, &a, NULL), 0);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    assert_int_equal(read_number(shares), 2048);
    assert_int_equal(read_number(limit), 128l << 20);
    mu_resources_release(&more);
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void what_a_task_nests_in_its_cgroup_is_removed(void **state)
{
    struct kit *k = *state;
    skip_without_v1();
    mu_auto_free char *nested = kit_cgroup("memory", "c1/a/b");
    mu_auto_free char *command = mu_xasprintf(
        "d=%s; mkdir -p $d; echo 0 > $d/tasks; sleep 1000 & echo ready; sleep 1000",
        nested);
    kit_launch(k, "c1", command);
    kit_wait_output(k, "c1", "ready");
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

/* The unified hierarchy as the only one: here it has no controllers, but groups, their
 * kill file and starting inside of them are the same as on a host with v2 alone. */
static void v2_group_holds_and_ends_the_container(void **state)
{
    (void)state;
    static const char hierarchy[] = "/sys/fs/cgroup/unified";
    if (access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) < 0) {
        skip();
    }
    mu_auto_free char *flag = mu_xasprintf("--cgroups_hierarchy=%s", hierarchy);
    struct kit *k = kit_open("linux", NULL, flag);
    mu_auto_free char *group = kit_cgroup("unified", "c1");
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("grep ^0:: /proc/self/cgroup; sleep 1000"), &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    mu_auto_free char *expected = mu_xasprintf("0::%s\n", group + strlen(hierarchy));
    kit_wait_output(k, "c1", expected);
    assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
    assert_false(kit_wait_exit(k, "c1")->how.has_status);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_launch(k, "c2", "exit 5");
    assert_int_equal(WEXITSTATUS(kit_wait_exit(k, "c2")->how.wait_status), 5);
    assert_int_equal(kit_destroy(k, "c2"), 0);
    kit_assert_nothing_left(k, "c2");
    kit_close(k);
}

/* A service manager kills all that is in its service's group: the agent's. */
static void move_to_group(const char *dir, bool is_v2)
{
    mu_auto_free char *file =
        mu_xasprintf("%s/%s", dir, is_v2 ? "cgroup.procs" : "tasks");
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fprintf(f, "%d", (int)getpid());
    assert_int_equal(fclose(f), 0);
}

static bool is_in_supervisors(pid_t pid, const char *tag)
{
    char path[64], line[512];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        found = found ||
                (strstr(line, tag) != NULL && strstr(line, "/supervisors\n") != NULL);
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static void supervisor_leaves_the_agents_groups(void **state)
{
    (void)state;
    static const char *const roots[] = {"/sys/fs/cgroup/systemd",
                                        "/sys/fs/cgroup/unified"};
    char *agents[2];
    if (access("/sys/fs/cgroup/systemd/tasks", W_OK) < 0 ||
        access("/sys/fs/cgroup/unified/cgroup.procs", W_OK) < 0) {
        skip();
    }
    for (int i = 0; i < 2; i++) {
        agents[i] = mu_xasprintf("%s/muster-test-agent-%d", roots[i], (int)getpid());
        assert_int_equal(mkdir(agents[i], 0755), 0);
        move_to_group(agents[i], i == 1);
    }
    struct kit *k = kit_open("linux", NULL, NULL);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("cat /proc/self/cgroup; sleep 1000"), &a);
    kit_wait(k, &a.done);
    bool has_left = is_in_supervisors((pid_t)a.pid, ":name=systemd:") &&
                    is_in_supervisors((pid_t)a.pid, "0::");
    kit_wait_output(k, "c1", "0::");
    bool has_command_left = strstr(kit_output(k, "c1", "stdout"), "agent") == NULL;
    int rc = kit_destroy(k, "c1");
    for (int i = 0; i < 2; i++) {
        move_to_group(roots[i], i == 1);
        (void)rmdir(agents[i]);
        free(agents[i]);
    }
    kit_close(k);
    assert_int_equal(a.status, 0);
    assert_true(has_left);
    assert_true(has_command_left);
    assert_int_equal(rc, 0);
}

#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, open_kit, close_kit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(out_of_memory_is_reported_as_such),
        KIT_TEST(limits_are_set_and_can_be_changed),
        KIT_TEST(what_a_task_nests_in_its_cgroup_is_removed),
        cmocka_unit_test(v2_group_holds_and_ends_the_container),
        cmocka_unit_test(supervisor_leaves_the_agents_groups),
    };
    return kit_is_root() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
