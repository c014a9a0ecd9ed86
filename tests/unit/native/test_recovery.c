/* What outlives the agent: containers run on when it stops or is killed, and the next one
 * takes them over, learns true ends, and destroys orphans. A second process of this
 * program plays the agent that is killed. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "helper/state.h"

static const char *launcher;
static const char *own_path;

/* The work_dir lives through several agents. */
static int make_work_dir(void **state)
{
    char *dir = mu_xstrdup("/tmp/muster-native-XXXXXX");
    assert_non_null(mkdtemp(dir));
    *state = dir;
    return 0;
}

static int remove_work_dir(void **state)
{
    test_remove_tree(*state);
    free(*state);
    return 0;
}

/* Start another agent that launches `command` as c1 and then lives on. Returns its pid
 * when the container runs. */
static pid_t start_agent(const char *work_dir, const char *command)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl(own_path, own_path, "agent", launcher, work_dir, command, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    char line[16] = "";
    assert_int_equal(read(fds[0], line, 6), 6);
    assert_string_equal(line, "ready\n");
    close(fds[0]);
    return pid;
}

static int play_agent(char **argv)
{
    launcher = argv[2];
    struct kit *k = kit_open(launcher, argv[3], NULL);
    kit_launch(k, "c1", argv[4]);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6) {
        return 1;
    }
    const bool never = false;
    (void)test_host_run_until(k->th, &never, 60000); /* until it is killed */
    return 1;
}

static void kill_agent(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static const char *const c1[] = {"c1"};

static void make_fifo(struct kit *k, const char *id, char **out_path)
{
    mu_auto_free char *parent = mu_xasprintf("%s/sandboxes", k->work_dir);
    (void)mkdir(parent, 0755);
    mu_auto_free char *sandbox = kit_sandbox(k, id);
    (void)mkdir(sandbox, 0755);
    *out_path = mu_xasprintf("%s/go", sandbox);
    assert_int_equal(mkfifo(*out_path, 0600), 0);
}

static void say_go(const char *fifo)
{
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "go\n", 3), 3);
    close(fd);
}

static void container_survives_a_killed_agent(void **state)
{
    pid_t agent =
        start_agent(*state, "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
    kill_agent(agent);
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_wait_output(k, "c1", "up");
    assert_true(kit_count_processes(k, "c1") > 0);
    kit_recover(k, c1, 1, true);
    const struct kit_recovered *r = kit_find_recovered(k, "c1");
    assert_true(r->is_running);
    assert_true(r->pid > 1);
    assert_int_equal(kit_kill(k, "c1", SIGTERM), 0);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 9);
    assert_true(e->how.was_killed);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void end_without_an_agent_is_reported_truly(void **state)
{
    pid_t agent = start_agent(*state, "echo up; sleep 0.3; exit 23");
    kill_agent(agent);
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_wait_output(k, "c1", "up");
    mu_auto_free char *dir = mu_xasprintf("%s/containers/c1", k->work_dir);
    int fd;
    while ((fd = nat_state_connect(dir)) >= 0) { /* until its supervisor is gone */
        close(fd);
        kit_pause(k, 5);
    }
    kit_recover(k, c1, 1, true);
    const struct kit_recovered *r = kit_find_recovered(k, "c1");
    assert_false(r->is_running);
    assert_true(r->has_exit);
    assert_true(r->how.has_status);
    assert_int_equal(WEXITSTATUS(r->how.wait_status), 23);
    assert_false(r->how.was_killed);
    assert_int_equal(k->exit_count, 0); /* said by recovery, not said again */
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void container_survives_a_stopped_agent_again_and_again(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    mu_auto_free char *fifo = NULL;
    make_fifo(k, "c1", &fifo);
    kit_launch(k, "c1", "read x < go; exit 6");
    int64_t pid = 0;
    for (int i = 0; i < 6; i++) { /* more than a supervisor has places for */
        kit_close(k);
        k = kit_open(launcher, *state, NULL);
        kit_recover(k, c1, 1, true);
        const struct kit_recovered *r = kit_find_recovered(k, "c1");
        assert_true(r->is_running);
        assert_true(pid == 0 || pid == r->pid);
        pid = r->pid;
    }
    say_go(fifo);
    assert_int_equal(WEXITSTATUS(kit_wait_exit(k, "c1")->how.wait_status), 6);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void supervisor_killed_without_an_agent_is_lost_entirely(void **state)
{
    pid_t agent = start_agent(*state, "(setsid sleep 1000 &) ; sleep 1000");
    kill_agent(agent);
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, c1, 1, true);
    assert_int_equal(kill((pid_t)kit_find_recovered(k, "c1")->pid, SIGKILL), 0);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_false(e->how.has_status);
    assert_int_equal(kit_count_processes(k, "c1"), 0);
    kit_close(k);
    k = kit_open(launcher, *state, NULL); /* and once more, from the state directory */
    kit_recover(k, c1, 1, true);
    const struct kit_recovered *r = kit_find_recovered(k, "c1");
    assert_false(r->is_running);
    assert_false(r->how.has_status);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void orphans_of_this_agent_are_destroyed(void **state)
{
    pid_t agent = start_agent(*state, "trap '' TERM; (setsid sleep 1000 &) ; sleep 1000");
    kill_agent(agent);
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, NULL, 0, true);
    kit_assert_nothing_left(k, "c1");
    assert_int_equal(k->exit_count, 0);
    kit_close(k);
}

static void orphans_of_another_agent_are_left_alone(void **state)
{
    pid_t agent = start_agent(*state, "sleep 1000");
    struct kit *other = kit_open(launcher, NULL, NULL);
    kit_recover(other, NULL, 0, true);
    kit_close(other);
    kill_agent(agent);
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, c1, 1, true);
    assert_true(kit_find_recovered(k, "c1")->is_running);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void unlaunched_without_trace_never_started(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, c1, 1, false);
    assert_false(kit_find_recovered(k, "c1")->is_running);
    assert_false(kit_find_recovered(k, "c1")->has_exit);
    kit_launch(k, "c1", "exit 4"); /* so it may be started */
    assert_int_equal(WEXITSTATUS(kit_wait_exit(k, "c1")->how.wait_status), 4);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_close(k);
}

static void launched_without_trace_is_lost(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, c1, 1, true);
    const struct kit_recovered *r = kit_find_recovered(k, "c1");
    assert_false(r->is_running);
    assert_true(r->has_exit);
    assert_false(r->how.has_status);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_close(k);
}

/* The agent died after it had made directory and socket and before the supervisor ran. */
static void half_made_directory_never_started(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    mu_auto_free char *dir = mu_xasprintf("%s/containers/c1", k->work_dir);
    int fd = nat_state_listen(dir);
    assert_true(fd >= 0);
    close(fd);
    kit_recover(k, c1, 1, false);
    assert_false(kit_find_recovered(k, "c1")->is_running);
    assert_false(kit_find_recovered(k, "c1")->has_exit);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

/* A record whose pid now belongs to somebody else: that one must live. */
static void reused_pid_is_not_trusted(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    mu_auto_free char *dir = mu_xasprintf("%s/containers/c1", k->work_dir);
    int fd = nat_state_listen(dir);
    close(fd);
    pid_t bystander = fork();
    if (bystander == 0) {
        setsid();
        for (;;) {
            pause();
        }
    }
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    char id[] = "c1", label[] = "l", sandbox[] = "/no/such/sandbox";
    struct nat_spec spec = {
        .id = id, .label = label, .sandbox = sandbox, .flags = NAT_FORKED};
    assert_int_equal(nat_state_write_record(dir_fd, &spec, bystander, 1), 0);
    close(dir_fd);
    kit_recover(k, c1, 1, true);
    assert_false(kit_find_recovered(k, "c1")->is_running);
    assert_false(kit_find_recovered(k, "c1")->how.has_status);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    assert_int_equal(kill(bystander, 0), 0);
    assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);
    kit_close(k);
}

static void damaged_files_are_no_obstacle(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    mu_auto_free char *dir = mu_xasprintf("%s/containers/c1", k->work_dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    static const char *const names[] = {"record", "status", "control"};
    for (size_t i = 0; i < 3; i++) {
        mu_auto_free char *path = mu_xasprintf("%s/%s", dir, names[i]);
        int fd = creat(path, 0600);
        assert_int_equal(write(fd, "\x05\0\0\0garbage", 11), 11);
        close(fd);
    }
    kit_recover(k, c1, 1, true);
    assert_false(kit_find_recovered(k, "c1")->is_running);
    assert_false(kit_find_recovered(k, "c1")->how.has_status);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void stopped_supervisor_does_not_hold_recovery_up(void **state)
{
    struct kit *k = kit_open(launcher, *state, NULL);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("sleep 1000"), &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    kit_close(k);
    assert_int_equal(kill((pid_t)a.pid, SIGSTOP), 0);
    k = kit_open(launcher, *state, "--cgroups_destroy_timeout=2secs");
    kit_recover(k, c1, 1, true);
    assert_true(kit_find_recovered(k, "c1")->is_running);
    assert_int_equal(kit_destroy(k, "c1"), 0); /* by force, after a second */
    assert_non_null(kit_find_exit(k, "c1"));
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

static void agent_may_stop_in_the_middle_of_everything(void **state)
{
    for (int turns = 0; turns < 8; turns++) {
        struct kit *k = kit_open(launcher, *state, NULL);
        kit_recover(k, NULL, 0, true); /* what the round before left */
        struct kit_answer a = {0}, b = {0};
        kit_launch_task(k, "c1", kit_task("sleep 1000"), &a);
        test_host_turn(k->th, turns);
        if (turns % 2 == 1) {
            kit_destroy_async(k, "c1", &b);
        }
        kit_close(k); /* proves that no descriptor, handle or answer is left */
        assert_true(a.done);
        assert_true(b.done || turns % 2 == 0);
    }
    struct kit *k = kit_open(launcher, *state, NULL);
    kit_recover(k, NULL, 0, true);
    kit_assert_nothing_left(k, "c1");
    kit_close(k);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_work_dir, remove_work_dir)

int main(int argc, char **argv)
{
    own_path = argv[0];
    if (argc == 5 && strcmp(argv[1], "agent") == 0) {
        return play_agent(argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(container_survives_a_killed_agent),
        TEST(end_without_an_agent_is_reported_truly),
        TEST(container_survives_a_stopped_agent_again_and_again),
        TEST(supervisor_killed_without_an_agent_is_lost_entirely),
        TEST(orphans_of_this_agent_are_destroyed),
        TEST(orphans_of_another_agent_are_left_alone),
        TEST(unlaunched_without_trace_never_started),
        TEST(launched_without_trace_is_lost),
        TEST(half_made_directory_never_started),
        TEST(reused_pid_is_not_trusted),
        TEST(damaged_files_are_no_obstacle),
        TEST(stopped_supervisor_does_not_hold_recovery_up),
        TEST(agent_may_stop_in_the_middle_of_everything),
    };
    launcher = "posix";
    int failed = cmocka_run_group_tests_name("native recovery, posix", tests, NULL, NULL);
    if (kit_is_root()) {
        launcher = "linux";
        failed +=
            cmocka_run_group_tests_name("native recovery, linux", tests, NULL, NULL);
    }
    return failed;
}
