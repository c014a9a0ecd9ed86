/* Containerizer `docker` and images that must be pulled, from a registry of the test's
 * own (small-registry) to the engine that with-dockerd starts. Last argument of the
 * program: the path of small-registry. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "contract/containers.h"

static pid_t registry;
static int port;
static char log_path[64];

static void start_registry(const char *program)
{
    int out[2];
    char line[32] = "";
    const char *socket = getenv("MUSTER_TEST_DOCKER_SOCKET");
    mu_auto_free char *root =
        mu_xasprintf("%.*s/root.tar", (int)(strrchr(socket, '/') - socket), socket);
    strcpy(log_path, "/tmp/muster-registry-XXXXXX");
    int log = mkstemp(log_path);
    assert_true(log >= 0);
    close(log);
    assert_int_equal(pipe(out), 0);
    registry = fork();
    if (registry == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(program, program, root, log_path, NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof(line), f)); /* it is there when it says so */
    fclose(f);
    port = atoi(line);
    assert_true(port > 0);
}

static void stop_registry(void)
{
    kill(registry, SIGKILL);
    waitpid(registry, NULL, 0);
    unlink(log_path);
}

/* Requests that have this text in them. */
static int requests(const char *text)
{
    char line[512];
    int count = 0;
    FILE *f = fopen(log_path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        count += strstr(line, text) != NULL;
    }
    fclose(f);
    return count;
}

static struct run *begin_image(struct world *w, const char *name, bool force)
{
    struct run *r = run_new(w);
    factory->fill(r->task, "echo pulled");
    free(r->task->container.image);
    r->task->container.image = mu_xasprintf("127.0.0.1:%d/%s", port, name);
    r->task->container.force_pull = force;
    run_ask_launch(r);
    return r;
}

static void assert_runs(struct run *r)
{
    assert_true(kit_run_until(&kit, &r->launched));
    if (r->launch_status != 0) {
        fail_msg("not launched: %s", r->text);
    }
    run_wait_exit(r);
    run_assert_file(r, "stdout", "pulled\n");
}

static void an_absent_image_is_pulled_once_for_many(void **state)
{
    struct run *runs[4];
    for (int i = 0; i < 4; i++) {
        runs[i] = begin_image(*state, "many:1", false);
    }
    for (int i = 0; i < 4; i++) {
        assert_runs(runs[i]);
    }
    assert_int_equal(requests("HEAD /v2/many/manifests/"), 1);
}

static void an_image_that_is_there_is_pulled_again_only_by_force(void **state)
{
    assert_runs(begin_image(*state, "again:1", false));
    assert_runs(begin_image(*state, "again:1", false));
    assert_int_equal(requests("HEAD /v2/again/manifests/"), 1);
    assert_runs(begin_image(*state, "again:1", true));
    assert_int_equal(requests("HEAD /v2/again/manifests/"), 2);
}

static void an_image_without_a_tag_is_the_latest(void **state)
{
    assert_runs(begin_image(*state, "untagged", false));
    assert_int_equal(requests("HEAD /v2/untagged/manifests/latest"), 1);
}

static void a_tag_that_is_not_there_is_told_with_the_registrys_words(void **state)
{
    struct run *r = begin_image(*state, "absent:9", false);
    assert_true(kit_run_until(&kit, &r->launched));
    assert_int_equal(r->launch_status, MU_E_IMAGE);
    mu_auto_free char *wanted =
        mu_xasprintf("image '127.0.0.1:%d/absent:9' cannot be had: ", port);
    assert_memory_equal(r->text, wanted, strlen(wanted));
    assert_non_null(strstr(r->text, "manifest unknown"));
}

static void destroy_ends_a_pull_at_once(void **state)
{
    struct world *w = *state;
    bool never = false;
    struct run *r = begin_image(w, "slow:1", false);
    for (int i = 0; i < 400 && requests("GET /v2/slow/blobs/") < 2; i++) {
        (void)test_host_run_until(kit.th, &never, 25);
    }
    assert_false(r->launched); /* it takes a minute */
    uint64_t before = kit.host->now_ms(kit.host);
    run_destroy(r);
    assert_true(kit.host->now_ms(kit.host) - before < 10000);
    assert_true(r->launched);
    assert_int_equal(r->launch_status, -ECANCELED);
    assert_string_equal(r->text, "Container destroyed while pulling image");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_absent_image_is_pulled_once_for_many),
        TEST(an_image_that_is_there_is_pulled_again_only_by_force),
        TEST(an_image_without_a_tag_is_the_latest),
        TEST(a_tag_that_is_not_there_is_told_with_the_registrys_words),
        TEST(destroy_ends_a_pull_at_once),
    };
    world_load(argc - 1, argv);
    start_registry(argv[argc - 1]);
    int failed = cmocka_run_group_tests_name("docker_pull", tests, NULL, NULL);
    stop_registry();
    kit_unload(&kit);
    return failed == 0 ? 0 : 1;
}
