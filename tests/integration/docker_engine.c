/* Containerizer `docker` against a real engine: what only an engine can show. Run through
 * with-dockerd, which also starts the engine again when a test kills it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "contract/containers.h"

/* ---- the engine from outside, through docker's own client ---- */

/* Its first line of output; free it. */
static MU_PRINTF(1, 2) char *docker(const char *fmt, ...)
{
    char command[1024];
    char line[1024] = "";
    size_t len = (size_t)snprintf(command, sizeof(command), "docker ");
    va_list args;
    va_start(args, fmt);
    vsnprintf(command + len, sizeof(command) - len, fmt, args);
    va_end(args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    if (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
    }
    (void)pclose(f); /* some of these are meant to fail */
    return mu_xstrdup(line);
}

static void pause_ms(uint64_t ms)
{
    bool never = false;
    (void)test_host_run_until(kit.th, &never, ms);
}

static pid_t engine_pid(void)
{
    int pid = 0;
    FILE *f = fopen(getenv("MUSTER_TEST_DOCKERD_PIDFILE"), "r");
    if (f != NULL) {
        if (fscanf(f, "%d", &pid) != 1) {
            pid = 0; /* an engine that starts has made the file and not written it yet */
        }
        fclose(f);
    }
    return pid;
}

/* Ends the engine and waits until another one answers. */
static void restart_engine(int signal_number)
{
    pid_t old = engine_pid();
    assert_int_equal(kill(old, signal_number), 0);
    for (int i = 0; i < 600; i++) {
        pause_ms(50);
        mu_auto_free char *version =
            docker("version -f '{{.Server.Version}}' 2>/dev/null");
        pid_t now = engine_pid();
        if (now != 0 && now != old && version[0] != '\0') {
            return;
        }
    }
    fail_msg("the engine does not come back");
}

static bool is_live_restore(void)
{
    const char *args = getenv("MUSTER_TEST_DOCKERD_ARGS");
    return args != NULL && strstr(args, "--live-restore") != NULL;
}

/* ---- helpers ---- */

static struct run *new_docker_run(struct world *w, const char *command)
{
    struct run *r = run_new(w);
    factory->fill(r->task, command);
    return r;
}

static void wait_launched(struct run *r)
{
    assert_true(kit_run_until(&kit, &r->launched));
    if (r->launch_status != 0) {
        fail_msg("not launched: %s", r->text);
    }
}

static void assert_not_launched(struct run *r, const char *reason)
{
    run_ask_launch(r);
    assert_true(kit_run_until(&kit, &r->launched));
    assert_true(r->launch_status < 0);
    if (strstr(r->text, reason) == NULL) {
        fail_msg("'%s' does not say '%s'", r->text, reason);
    }
}

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = mu_xstrdup(text);
}

static void
add_volume(struct run *r, const char *inside, const char *outside, bool read_only)
{
    struct mu_volumes *v = &r->task->container.volumes;
    v->v = mu_xrealloc_array(v->v, v->count + 1, sizeof(v->v[0]));
    v->v[v->count++] = (struct mu_volume){.container_path = mu_xstrdup(inside),
                                          .host_path = mu_xstrdup(outside),
                                          .read_only = read_only};
}

static void map_port(struct run *r, uint16_t outside, uint16_t inside)
{
    struct mu_error err;
    struct mu_port_mappings *p = &r->task->container.ports;
    r->task->container.network = MU_NETWORK_BRIDGE;
    assert_int_equal(
        mu_resources_add_range(&r->task->resources, "ports", "*", outside, outside, &err),
        0);
    p->v = mu_xrealloc_array(p->v, p->count + 1, sizeof(p->v[0]));
    p->v[p->count++] = (struct mu_port_mapping){
        .host_port = outside, .container_port = inside, .protocol = "tcp"};
}

/* What a server on this port of the loopback says; free it. */
static char *ask_port(uint16_t port)
{
    char text[256] = "";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
    }
    close(fd);
    return mu_xstrdup(text);
}

/* ---- ends that others bring about ---- */

static void a_container_killed_by_others_is_reported(void **state)
{
    struct run *r = run_launch(*state, "sleep 1000");
    free(docker("kill mesos-%s", r->id.s));
    run_wait_exit(r);
    run_assert_exit_code(r, 137);
    assert_false(r->how.was_killed);
}

static void a_container_removed_by_others_is_reported(void **state)
{
    struct run *r = run_launch(*state, "sleep 1000");
    free(docker("rm -f mesos-%s", r->id.s));
    run_wait_exit(r);
}

static void a_container_restarted_by_others_is_still_followed(void **state)
{
    struct run *r = run_launch(*state, "echo started; sleep 1000");
    run_wait_for_text(r, "stdout", "started\n");
    free(docker("restart -t 0 mesos-%s", r->id.s));
    run_wait_for_text(r, "stdout", "started\nstarted\n");
    pause_ms(500);
    if (!r->exited) { /* the short while in between may have been seen as the end */
        free(docker("kill mesos-%s", r->id.s));
        run_wait_exit(r);
    }
}

static void containers_of_others_are_left_alone(void **state)
{
    struct world *w = *state;
    struct run *r = new_docker_run(w, "true");
    free(docker("run -d --name mesos-%s --label muster.agent=/other --label "
                "muster.container_id=%s libmesos/ubuntu sleep 1000",
                r->id.s, r->id.s));
    assert_not_launched(r, "not ours");
    world_restart(w);
    world_recover(w, &r, 1, true);
    assert_false(r->recovered_running);
    pause_ms(500); /* an orphan would be removed by now */
    mu_auto_free char *left = docker("inspect -f '{{.State.Status}}' mesos-%s", r->id.s);
    assert_string_equal(left, "running");
    free(docker("rm -f mesos-%s", r->id.s));
}

static void our_own_leftover_of_the_name_is_replaced(void **state)
{
    struct run *r = new_docker_run(*state, "exit 7");
    free(docker(
        "create --name mesos-%s --label muster.agent=%s --label muster.container_id=%s "
        "libmesos/ubuntu true",
        r->id.s, kit.host->work_dir(kit.host), r->id.s));
    run_ask_launch(r);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_exit_code(r, 7);
}

/* ---- the engine goes away ---- */

static void containers_are_followed_over_a_crash_of_the_engine(void **state)
{
    struct run *r =
        run_launch(*state, "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done");
    run_wait_for_text(r, "stdout", "\n20\n");
    restart_engine(SIGKILL);
    if (!is_live_restore()) { /* then the new engine ends what the old one left */
        run_wait_exit(r);
        return;
    }
    run_wait_for_text(r, "stdout", "\n300\n"); /* it takes three seconds to get there */
    assert_false(r->exited);
    free(docker("kill mesos-%s", r->id.s));
    run_wait_exit(r);
    run_assert_exit_code(r, 137);
}

static void a_launch_while_the_engine_is_away_says_so(void **state)
{
    struct world *w = *state;
    struct mu_error err = {0};
    struct run *r = new_docker_run(w, "true");
    struct mu_container_spec spec = run_spec(r);
    restart_engine(SIGTERM);
    /* whatever the moment: an answer, and then it works again */
    int rc = w->ops->launch(kit.instance, &spec, run_on_launched, r, &err);
    r->was_asked = true;
    if (rc < 0) {
        assert_non_null(strstr(err.text, getenv("MUSTER_TEST_DOCKER_SOCKET")));
        for (int i = 0; i < 200 && rc < 0; i++) {
            pause_ms(50);
            rc = w->ops->launch(kit.instance, &spec, run_on_launched, r, &err);
        }
    }
    assert_int_equal(rc, 0);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_exit_code(r, 0);
}

/* ---- what the engine refuses ---- */

static void an_image_that_cannot_be_had_is_told_with_the_reason(void **state)
{
    struct run *r = new_docker_run(*state, "true");
    set_text(&r->task->container.image, "127.0.0.1:1/no/such:image");
    assert_not_launched(r, "image '127.0.0.1:1/no/such:image' cannot be had: ");
    struct run *forced = new_docker_run(*state, "true");
    forced->task->container.force_pull = true; /* it is there, but cannot be pulled */
    set_text(&forced->task->container.image, "127.0.0.1:1/no/such:image");
    assert_not_launched(forced, "cannot be had: ");
}

static void a_port_that_is_taken_is_told_with_the_reason(void **state)
{
    struct run *first = new_docker_run(*state, "sleep 1000");
    map_port(first, 31005, 80);
    run_ask_launch(first);
    wait_launched(first);
    struct run *second = new_docker_run(*state, "true");
    map_port(second, 31005, 80);
    assert_not_launched(second, "port is already allocated");
    assert_false(factory->is_left(&second->id));
}

/* ---- settings that can be seen from inside or outside ---- */

static void a_mapped_port_reaches_the_container(void **state)
{
    struct run *r =
        new_docker_run(*state, "echo ready; while :; do echo hello | nc -l -p 80; done");
    map_port(r, 31000, 80);
    run_ask_launch(r);
    wait_launched(r);
    run_wait_for_text(r, "stdout", "ready");
    for (int i = 0; i < 100; i++) {
        mu_auto_free char *said = ask_port(31000);
        if (strcmp(said, "hello\n") == 0) {
            return;
        }
        pause_ms(50);
    }
    fail_msg("nobody answers on port 31000");
}

static void commands_follow_the_image(void **state)
{
    static const struct {
        const char *image, *value, *arg, *output;
    } cases[] = {
        {"busybox", NULL, NULL, "default cmd\n"},
        {"busybox", "echo", "mine", "mine\n"},
        {"muster-test/entrypoint", NULL, NULL, "entry default\n"},
        {"muster-test/entrypoint", NULL, "mine", "entry mine\n"},
        {"muster-test/entrypoint:latest", "value", "arg", "entry value arg\n"},
    };
    struct run *runs[5];
    for (size_t i = 0; i < 5; i++) {
        runs[i] = run_new(*state);
        struct mu_task_info *task = runs[i]->task;
        factory->fill(task, "");
        task->command.shell = false;
        task->command.has_value = cases[i].value != NULL;
        set_text(&task->command.value, cases[i].value);
        set_text(&task->container.image, cases[i].image);
        if (cases[i].arg != NULL) {
            mu_strings_add(&task->command.args, cases[i].arg);
        }
        run_ask_launch(runs[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        wait_launched(runs[i]);
        run_wait_exit(runs[i]);
        run_assert_file(runs[i], "stdout", cases[i].output);
    }
}

static void volumes_are_where_they_are_asked_for(void **state)
{
    struct run *r =
        new_docker_run(*state, "cat /host/file; echo made > /made/file; cat below/file; "
                               "echo no > /host/other || exit 5");
    mu_auto_free char *outside = mu_xasprintf("%s/outside", kit.host->work_dir(kit.host));
    mu_auto_free char *file = mu_xasprintf("%s/file", outside);
    assert_int_equal(mkdir(outside, 0755), 0);
    FILE *f = fopen(file, "w");
    fputs("from the host\n", f);
    fclose(f);
    add_volume(r, "/host", outside, true);
    add_volume(r, "/made", NULL, false);
    add_volume(r, "below", outside, true);
    mu_pairs_add(&r->task->container.parameters, "workdir", "/mnt/mesos/sandbox");
    run_ask_launch(r);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_exit_code(r, 5); /* read-only */
    run_assert_file(r, "stdout", "from the host\nfrom the host\n");
    run_assert_file(r, "made/file", "made\n");
}

static void a_sandbox_with_a_colon_works(void **state)
{
    struct run *r = new_docker_run(*state, "echo out; echo kept > $MESOS_SANDBOX/file");
    free(r->sandbox);
    r->sandbox = mu_xasprintf("%s/a:b", kit.host->work_dir(kit.host));
    assert_int_equal(mkdir(r->sandbox, 0755), 0);
    run_ask_launch(r);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_file(r, "stdout", "out\n");
    run_assert_file(r, "file", "kept\n");
}

static void parameters_reach_the_engine(void **state)
{
    struct run *r = new_docker_run(
        *state, "ulimit -n; echo $EXTRA; hostname; cat /proc/sys/net/core/somaxconn");
    struct mu_pairs *p = &r->task->container.parameters;
    r->task->container.network = MU_NETWORK_NONE;
    mu_pairs_add(p, "ulimit", "nofile=123:456");
    mu_pairs_add(p, "env", "EXTRA=more");
    mu_pairs_add(p, "hostname", "web1");
    mu_pairs_add(p, "sysctl", "net.core.somaxconn=77");
    mu_pairs_add(p, "init", "true");
    mu_pairs_add(p, "tmpfs", "/scratch:size=1m");
    run_ask_launch(r);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_file(r, "stdout", "123\nmore\nweb1\n77\n");
}

static void output_of_a_terminal_is_not_framed(void **state)
{
    struct world *w = *state;
    struct run *r = new_docker_run(w, "echo one; echo two >&2; sleep 1; printf three");
    mu_pairs_add(&r->task->container.parameters, "tty", "true");
    run_ask_launch(r);
    wait_launched(r);
    run_wait_for_text(r, "stdout", "two\r\n");
    world_restart(w);
    world_recover(w, &r, 1, true);
    run_wait_exit(r);
    run_assert_file(r, "stdout", "one\r\ntwo\r\nthree");
}

static void output_that_the_engine_does_not_keep_is_said_to_be_missing(void **state)
{
    struct run *r = new_docker_run(*state, "echo lost");
    mu_pairs_add(&r->task->container.parameters, "log-driver", "none");
    run_ask_launch(r);
    wait_launched(r);
    run_wait_exit(r);
    run_assert_exit_code(r, 0);
    mu_auto_free char *text = run_read_file(r, "stderr");
    assert_non_null(strstr(text, "cannot be read"));
}

static void lines_longer_than_the_engines_pieces_stay_whole(void **state)
{
    struct run *r =
        run_launch(*state, "head -c 100000 /dev/zero | tr '\\000' a; echo; echo end");
    run_wait_exit(r);
    mu_auto_free char *text = run_read_file(r, "stdout");
    assert_int_equal(strlen(text), 100005);
    assert_int_equal(strspn(text, "a"), 100000);
    assert_string_equal(text + 100000, "\nend\n");
}

static void on_updated(void *arg, int status, const char *error_text)
{
    bool *done = arg;
    if (status != 0) {
        fail_msg("update: %s", error_text);
    }
    *done = true;
}

static void limits_can_be_changed_while_it_runs(void **state)
{
    struct world *w = *state;
    struct mu_resources more = {0};
    struct mu_error err;
    bool done = false;
    struct run *r = run_launch(w, "sleep 1000");
    assert_int_equal(mu_resources_parse("cpus:2;mem:256", "*", &more, &err), 0);
    assert_int_equal(w->ops->update(kit.instance, &r->id, &more, on_updated, &done, &err),
                     0);
    assert_true(kit_run_until(&kit, &done));
    mu_auto_free char *limits =
        docker("inspect -f '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}' mesos-%s",
               r->id.s);
    assert_string_equal(limits, "268435456 2048");
    mu_resources_release(&more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_container_killed_by_others_is_reported),
        TEST(a_container_removed_by_others_is_reported),
        TEST(a_container_restarted_by_others_is_still_followed),
        TEST(containers_of_others_are_left_alone),
        TEST(our_own_leftover_of_the_name_is_replaced),
        TEST(containers_are_followed_over_a_crash_of_the_engine),
        TEST(a_launch_while_the_engine_is_away_says_so),
        TEST(an_image_that_cannot_be_had_is_told_with_the_reason),
        TEST(a_port_that_is_taken_is_told_with_the_reason),
        TEST(a_mapped_port_reaches_the_container),
        TEST(commands_follow_the_image),
        TEST(volumes_are_where_they_are_asked_for),
        TEST(a_sandbox_with_a_colon_works),
        TEST(parameters_reach_the_engine),
        TEST(output_of_a_terminal_is_not_framed),
        TEST(output_that_the_engine_does_not_keep_is_said_to_be_missing),
        TEST(lines_longer_than_the_engines_pieces_stay_whole),
        TEST(limits_can_be_changed_while_it_runs),
    };
    world_load(argc, argv);
    int failed = cmocka_run_group_tests_name("docker_engine", tests, NULL, NULL);
    kit_unload(&kit);
    return failed == 0 ? 0 : 1;
}
