/* The native containerizer against the real kernel, once with all that root can have
 * (launcher=linux) and once without (launcher=posix). */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const char *launcher; /* of the group that runs */

static int open_kit(void **state)
{
    *state = kit_open(launcher, NULL, NULL);
    return 0;
}

static int close_kit(void **state)
{
    kit_close(*state);
    return 0;
}

static bool is_linux(void)
{
    return strcmp(launcher, "linux") == 0;
}

static void exit_status_and_output_are_kept(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "echo out; echo err >&2; exit 42");
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_true(e->how.has_status);
    assert_true(WIFEXITED(e->how.wait_status));
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 42);
    assert_false(e->how.was_killed);
    assert_false(e->how.oom);
    assert_string_equal(e->text, "exited with status 42");
    assert_string_equal(kit_output(k, "c1", "stdout"), "out\n");
    assert_string_equal(kit_output(k, "c1", "stderr"), "err\n");
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void output_is_appended(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "echo one");
    kit_wait_exit(k, "c1");
    assert_int_equal(kit_destroy(k, "c1"), 0);
    k->exit_count = 0;
    kit_launch(k, "c1", "echo two"); /* the same sandbox and id again */
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "one\ntwo\n");
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void death_by_signal_is_exact(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "kill -ABRT $$");
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_true(WIFSIGNALED(e->how.wait_status));
    assert_int_equal(WTERMSIG(e->how.wait_status), SIGABRT);
    assert_false(e->how.was_killed);
    assert_string_equal(e->text, "terminated by SIGABRT (6)");
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void a_task_gets_the_descriptor_limit_of_the_start(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "ulimit -Sn; ulimit -Hn");
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "100\n200\n");
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

#define CUT_MARK "--max_sandbox_log_size]\n"

struct kept {
    long long from, size, blocks;
    char *text; /* what is left from `from` on */
};

static struct kept read_kept(const struct kit *k, const char *id)
{
    struct kept r = {0};
    mu_auto_free char *sandbox = kit_sandbox(k, id);
    mu_auto_free char *path = mu_xasprintf("%s/stdout", sandbox);
    FILE *f = fopen(path, "r");
    struct stat st;
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    r.size = st.st_size;
    r.blocks = st.st_blocks * 512;
    char head[80] = "";
    (void)!fread(head, 1, sizeof(head) - 1, f);
    if (sscanf(head, "[muster: the output up to byte %lld was cut off]", &r.from) == 1) {
        r.text = calloc(1, (size_t)(r.size - r.from) + 1);
        assert_int_equal(fseek(f, (long)r.from, SEEK_SET), 0);
        assert_int_equal(fread(r.text, 1, (size_t)(r.size - r.from), f), r.size - r.from);
    }
    fclose(f);
    return r;
}

/* The lines behind the mark are numbers without a gap, up to the last. */
static void expect_newest(const struct kept *r, long last)
{
    char *line = strstr(r->text, CUT_MARK);
    assert_non_null(line);
    line = strchr(strchr(line, '\n') + 1, '\n') + 1; /* the first may be a part */
    long expected = strtol(line, NULL, 10);
    assert_true(expected > 1);
    for (; *line != '\0'; expected++) {
        assert_int_equal(strtol(line, &line, 10), expected);
        line++;
    }
    assert_int_equal(expected, last + 1);
}

/* The command writes no more: wait until its output is within the bound. */
static void expect_bounded(struct kit *k, const char *id, const char *said, long last)
{
    while (strcmp(kit_output(k, id, "stderr"), said) != 0) {
        kit_pause(k, 20);
    }
    struct kept r = read_kept(k, id);
    while (r.text == NULL || strstr(r.text, CUT_MARK) == NULL ||
           r.size - r.from > (1 << 20)) {
        free(r.text);
        kit_pause(k, 20);
        r = read_kept(k, id);
    }
    expect_newest(&r, last);
    assert_in_range(r.size - r.from, 1 << 18, 1 << 20);
    assert_in_range(r.blocks, 0, (1 << 20) + (1 << 17));
    free(r.text);
}

static void output_is_bounded_and_its_newest_part_kept(void **state)
{
    kit_close(*state);
    struct kit *k = *state = kit_open(launcher, NULL, "--max_sandbox_log_size=1MB");
    kit_launch(k, "c1",
               "seq 1 400000; echo one >&2; until [ -e go ]; do sleep 0.01; done; "
               "seq 400001 800000; echo two >&2; exec sleep 1000");
    expect_bounded(k, "c1", "one\n", 400000);
    mu_auto_free char *sandbox = kit_sandbox(k, "c1");
    mu_auto_free char *go = mu_xasprintf("%s/go", sandbox);
    fclose(fopen(go, "w"));
    expect_bounded(k, "c1", "one\ntwo\n", 800000);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void output_of_a_short_flood_is_bounded_too(void **state)
{
    kit_close(*state);
    struct kit *k = *state = kit_open(launcher, NULL, "--max_sandbox_log_size=1MB");
    kit_launch(k, "c1", "seq 1 400000");
    kit_wait_exit(k, "c1");
    struct kept r = read_kept(k, "c1");
    expect_newest(&r, 400000);
    free(r.text);
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void environment_is_exactly_what_was_given(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("");
    free(t->command.value);
    t->command.value = mu_xstrdup("/usr/bin/env");
    t->command.shell = false;
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    kit_wait_exit(k, "c1");
    mu_auto_free char *sandbox = kit_sandbox(k, "c1");
    mu_auto_free char *expected = mu_xasprintf(
        "PATH=/usr/local/bin:/usr/bin:/bin\nTEST_TWO=second words\nMESOS_SANDBOX=%s\n",
        sandbox);
    assert_string_equal(kit_output(k, "c1", "stdout"), expected);
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

/* Not through a shell: it has pipes and signal masks of its own while it forks. */
static void run_program(struct kit *k, const char *id, const char *program, ...)
{
    struct mu_task_info *t = kit_task(program);
    t->command.shell = false;
    va_list ap;
    va_start(ap, program);
    mu_strings_add(&t->command.args, program);
    for (const char *a = va_arg(ap, char *); a != NULL; a = va_arg(ap, char *)) {
        mu_strings_add(&t->command.args, a);
    }
    va_end(ap);
    struct kit_answer a = {0};
    kit_launch_task(k, id, t, &a);
    kit_wait(k, &a.done);
    assert_string_equal(a.text, "");
    kit_wait_exit(k, id);
    assert_int_equal(kit_destroy(k, id), 0);
}

static void descriptors_signals_and_directory_are_clean(void **state)
{
    struct kit *k = *state;
    run_program(k, "c1", "ls", "/proc/self/fd", NULL);
    assert_string_equal(kit_output(k, "c1", "stdout"), "0\n1\n2\n3\n"); /* 3: ls's own */
    run_program(k, "c2", "readlink", "/proc/self/fd/0", NULL);
    assert_string_equal(kit_output(k, "c2", "stdout"), "/dev/null\n");
    run_program(k, "c3", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", NULL);
    assert_string_equal(kit_output(k, "c3", "stdout"),
                        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    run_program(k, "c4", "pwd", NULL);
    mu_auto_free char *sandbox = kit_sandbox(k, "c4");
    mu_auto_free char *expected = mu_xasprintf("%s\n", sandbox);
    assert_string_equal(kit_output(k, "c4", "stdout"), expected);
}

static void arguments_are_passed_as_they_are(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("");
    free(t->command.value);
    t->command.value = mu_xstrdup("sh"); /* looked up in PATH */
    t->command.shell = false;
    mu_strings_add(&t->command.args, "my-name");
    mu_strings_add(&t->command.args, "-c");
    mu_strings_add(&t->command.args, "echo \"$0|$1|$2\"");
    mu_strings_add(&t->command.args, "a b");
    mu_strings_add(&t->command.args, "");
    mu_strings_add(&t->command.args, "c\nd");
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "a b||c\nd\n");
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void program_that_does_not_exist_fails_the_launch(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("/no/such");
    t->command.shell = false;
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, -ENOENT);
    assert_string_equal(a.text, "exec '/no/such': no such file or directory");
    assert_int_equal(k->exit_count, 0);
    kit_assert_nothing_left(k, "c1");
    assert_int_equal(kit_destroy(k, "c1"), 0); /* unknown by now */
}

static void shell_command_that_does_not_exist_exits_127(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "/no/such");
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 127);
    assert_non_null(strstr(kit_output(k, "c1", "stderr"), "/no/such"));
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void sandbox_that_does_not_exist_fails_the_launch(void **state)
{
    struct kit *k = *state;
    mu_auto_free char *parent = mu_xasprintf("%s/sandboxes", k->work_dir);
    assert_int_equal(mkdir(parent, 0755), 0);
    mu_auto_free char *sandbox = kit_sandbox(k, "c1");
    int fd = creat(sandbox, 0644); /* a file where the directory should be */
    assert_true(fd >= 0);
    close(fd);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("true"), &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, -ENOTDIR);
    assert_non_null(strstr(a.text, "sandbox"));
    kit_assert_nothing_left(k, "c1");
}

static void state_directory_that_cannot_be_made_fails_the_launch(void **state)
{
    struct kit *k = *state;
    mu_auto_free char *parent = mu_xasprintf("%s/containers", k->work_dir);
    assert_int_equal(rmdir(parent), 0);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("true"), &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, -ENOENT);
    assert_non_null(strstr(a.text, "containers/c1"));
    assert_int_equal(mkdir(parent, 0700), 0);
    kit_assert_nothing_left(k, "c1");
}

static void second_launch_of_one_id_is_refused(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "sleep 100");
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("true"), &a);
    assert_true(a.done);
    assert_int_equal(a.status, MU_E_EXISTS);
    assert_int_equal(kit_count_processes(k, "c1") > 0, true);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void signal_reaches_every_process(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1",
               "(trap 'echo child; exit' USR1; echo a; while :; do sleep 0.05; done) & "
               "trap 'wait; echo parent; exit 3' USR1; echo b; while :; do sleep 0.05; "
               "done");
    kit_wait_output(k, "c1", "a\n");
    kit_wait_output(k, "c1", "b\n");
    assert_int_equal(kit_kill(k, "c1", SIGUSR1), 0);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 3);
    assert_true(e->how.was_killed);
    assert_non_null(strstr(kit_output(k, "c1", "stdout"), "child\n"));
    assert_non_null(strstr(kit_output(k, "c1", "stdout"), "parent\n"));
    assert_int_equal(kit_kill(k, "c1", SIGTERM), -ESRCH);
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void signal_while_it_is_being_started_is_passed_on(void **state)
{
    struct kit *k = *state;
    struct kit_answer launched = {0};
    kit_launch_task(k, "c1", kit_task("exec sleep 1000"), &launched);
    while (kit_kill(k, "c1", SIGTERM) == -ESRCH) { /* its user is looked up first */
        test_host_turn(k->th, 1);
    }
    assert_false(launched.done);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WTERMSIG(e->how.wait_status), SIGTERM);
    assert_true(e->how.was_killed);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void unknown_container_cannot_be_signalled(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_kill(k, "nobody", SIGTERM), -ESRCH);
    assert_int_equal(kit_destroy(k, "nobody"), 0);
}

static void end_of_the_command_ends_its_descendants(void **state)
{
    struct kit *k = *state;
    kit_launch(
        k, "c1",
        "setsid sh -c 'trap \"\" TERM HUP INT; (setsid sleep 1000 &) ; sleep 1000' "
        "& (sleep 1000 &) ; sleep 0.1; exit 7");
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 7);
    assert_int_equal(kit_count_processes(k, "c1"), 0);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void destroy_kills_what_ignores_signals_and_what_is_stopped(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1",
               "trap '' TERM HUP INT; (setsid sh -c 'kill -STOP $$' &) ; (setsid sleep "
               "1000 &) ; echo ready; while :; do sleep 1000; done");
    kit_wait_output(k, "c1", "ready");
    assert_int_equal(kit_kill(k, "c1", SIGTERM), 0);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    const struct kit_exit *e = kit_find_exit(k, "c1"); /* before destroy's answer */
    assert_non_null(e);
    assert_true(e->how.was_killed);
    assert_int_equal(WTERMSIG(e->how.wait_status), SIGKILL);
    kit_assert_nothing_left(k, "c1");
}

static void destroy_right_after_launch_answers_both(void **state)
{
    struct kit *k = *state;
    for (int turns = 0; turns < 12; turns++) {
        struct kit_answer launched = {0}, destroyed = {0}, again = {0};
        k->exit_count = 0;
        kit_launch_task(k, "c1", kit_task("sleep 100"), &launched);
        if (turns < 6) {
            test_host_turn(k->th, turns);
        } else { /* while a worker starts it, or later */
            kit_pause(k, (uint64_t)turns - 6);
        }
        kit_destroy_async(k, "c1", &destroyed);
        kit_destroy_async(k, "c1", &again);
        kit_wait(k, &destroyed.done);
        kit_wait(k, &again.done);
        assert_true(launched.done);
        assert_int_equal(destroyed.status, 0);
        assert_int_equal(again.status, 0);
        bool was_running = launched.status == 0;
        assert_true(was_running || launched.status == -ECANCELED);
        assert_int_equal(k->exit_count, was_running ? 1 : 0);
        kit_assert_nothing_left(k, "c1");
    }
}

static void supervisor_killed_ends_the_container_without_status(void **state)
{
    struct kit *k = *state;
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("(setsid sleep 1000 &) ; sleep 1000"), &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    assert_int_equal(kill((pid_t)a.pid, SIGKILL), 0);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_false(e->how.has_status);
    assert_int_equal(kit_count_processes(k, "c1"), 0);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void supervisor_shrugs_off_other_signals(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1};
    struct kit *k = *state;
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", kit_task("read x < fifo; exit 5"), &a);
    mu_auto_free char *sandbox = kit_sandbox(k, "c1");
    mu_auto_free char *fifo = mu_xasprintf("%s/fifo", sandbox);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    kit_wait(k, &a.done);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        assert_int_equal(kill((pid_t)a.pid, signals[i]), 0);
    }
    FILE *f = fopen(fifo, "w");
    assert_non_null(f);
    fputs("go\n", f);
    fclose(f);
    const struct kit_exit *e = kit_wait_exit(k, "c1");
    assert_int_equal(WEXITSTATUS(e->how.wait_status), 5);
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

struct usage_answer {
    bool done;
    int status;
    struct mu_container_usage usage;
};

static void on_usage(void *arg, int status, const struct mu_container_usage *usage)
{
    struct usage_answer *a = arg;
    a->done = true;
    a->status = status;
    if (status == 0) {
        a->usage = *usage;
    }
}

static void usage_counts_the_container(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1",
               "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; (sleep 1000 &) ; echo "
               "ready; sleep 1000");
    kit_wait_output(k, "c1", "ready");
    struct mu_container_id id;
    assert_int_equal(MU_ID_SET(&id, "container id", "c1", NULL), 0);
    struct usage_answer a = {0};
    assert_int_equal(k->ops->usage(k->instance, &id, on_usage, &a, NULL), 0);
    assert_false(a.done);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, 0);
    assert_true(a.usage.cpu_user_us + a.usage.cpu_system_us > 10000);
    assert_true(a.usage.mem_rss_bytes > 50000);
    assert_in_range(a.usage.processes, 3, 4);
    assert_int_equal(a.usage.cpus_limit_milli, 100);
    if (is_linux() && kit_has_memory_cgroup()) {
        assert_int_equal(a.usage.mem_limit_bytes, 64u << 20);
    }
    assert_int_equal(kit_destroy(k, "c1"), 0);
    assert_int_equal(k->ops->usage(k->instance, &id, on_usage, &a, NULL), -ESRCH);
}

static void hundred_containers_come_and_go(void **state)
{
    enum { COUNT = 100 };
    struct kit *k = *state;
    static struct kit_answer answers[COUNT], ends[COUNT];
    memset(answers, 0, sizeof(answers));
    memset(ends, 0, sizeof(ends));
    char id[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        kit_launch_task(k, id, kit_task(i % 2 ? "exit 1" : "sleep 1000"), &answers[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        kit_wait(k, &answers[i].done);
        assert_int_equal(answers[i].status, 0);
    }
    for (int i = 1; i < COUNT; i += 2) {
        snprintf(id, sizeof(id), "c%d", i);
        assert_int_equal(WEXITSTATUS(kit_wait_exit(k, id)->how.wait_status), 1);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        kit_destroy_async(k, id, &ends[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        kit_wait(k, &ends[i].done);
        assert_int_equal(ends[i].status, 0);
    }
    assert_int_equal(k->exit_count, COUNT);
    for (int i = 0; i < COUNT; i += 10) {
        snprintf(id, sizeof(id), "c%d", i);
        kit_assert_nothing_left(k, id);
    }
}

static struct mu_volume *
add_volume(struct mu_task_info *t, const char *container, const char *host, bool ro)
{
    struct mu_volumes *v = &t->container.volumes;
    v->v = realloc(v->v, (v->count + 1) * sizeof(*v->v));
    v->cap = v->count + 1;
    v->v[v->count] = (struct mu_volume){.container_path = mu_xstrdup(container),
                                        .host_path = host ? mu_xstrdup(host) : NULL,
                                        .read_only = ro};
    t->container.type = MU_CONTAINER_MESOS;
    return &v->v[v->count++];
}

static void relative_volume_appears_in_the_sandbox(void **state)
{
    struct kit *k = *state;
    mu_auto_free char *host_dir = mu_xasprintf("%s/data", k->work_dir);
    assert_int_equal(mkdir(host_dir, 0755), 0);
    struct mu_task_info *t = kit_task("echo kept > in/side/file; cat in/side/file");
    add_volume(t, "in/side", host_dir, false);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_string_equal(a.text, "");
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "kept\n");
    mu_auto_free char *file = mu_xasprintf("%s/file", host_dir);
    assert_int_equal(access(file, R_OK), 0);
    assert_int_equal(kit_destroy(k, "c1"), 0);
    kit_assert_nothing_left(k, "c1");
}

static void volume_of_a_missing_host_path_fails_the_launch(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("true");
    add_volume(t, "data", "/no/such", false);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, -ENOENT);
    assert_string_equal(a.text,
                        "volume 'data': host path '/no/such': no such file or directory");
    kit_assert_nothing_left(k, "c1");
}

static void volume_cannot_leave_the_sandbox(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("true");
    add_volume(t, "a/../../b", "/tmp", false);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_int_equal(a.status, -EINVAL);
    mu_auto_free char *sandbox = kit_sandbox(k, "c2");
    mu_auto_free char *parent = mu_xasprintf("%s/sandboxes", k->work_dir);
    (void)mkdir(parent, 0755);
    assert_int_equal(mkdir(sandbox, 0755), 0);
    mu_auto_free char *link = mu_xasprintf("%s/etc", sandbox);
    assert_int_equal(symlink("/etc", link), 0); /* planted by somebody */
    t = kit_task("true");
    add_volume(t, "etc/deep", "/tmp", false);
    struct kit_answer b = {0};
    kit_launch_task(k, "c2", t, &b);
    kit_wait(k, &b.done);
    assert_true(b.status < 0);
    assert_int_equal(access("/etc/deep", F_OK), -1);
}

/* ---- only with root's means ---- */

static void absolute_volume_covers_a_host_path(void **state)
{
    struct kit *k = *state;
    mu_auto_free char *host_dir = mu_xasprintf("%s/data", k->work_dir);
    assert_int_equal(mkdir(host_dir, 0755), 0);
    mu_auto_free char *file = mu_xasprintf("%s/mark", host_dir);
    close(creat(file, 0644));
    struct mu_task_info *t = kit_task("ls /mnt; touch /mnt/x || echo read-only");
    add_volume(t, "/mnt", host_dir, true);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_string_equal(a.text, "");
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "mark\nread-only\n");
    assert_int_equal(access("/mnt/mark", F_OK), -1); /* not seen by the host */
    assert_int_equal(kit_destroy(k, "c1"), 0);
    t = kit_task("true");
    add_volume(t, "/no/such/mount/point", host_dir, false);
    struct kit_answer b = {0};
    kit_launch_task(k, "c2", t, &b);
    kit_wait(k, &b.done);
    assert_string_equal(
        b.text,
        "volume '/no/such/mount/point': container path: no such file or directory");
}

static void container_sees_only_its_own_processes(void **state)
{
    struct kit *k = *state;
    kit_launch(k, "c1", "ls -d /proc/[0-9]* | wc -l; readlink /proc/self/ns/pid");
    kit_wait_exit(k, "c1");
    char own[64];
    ssize_t n = readlink("/proc/self/ns/pid", own, sizeof(own) - 1);
    own[n] = '\0';
    const char *out = kit_output(k, "c1", "stdout");
    assert_true(atoi(out) > 0 && atoi(out) < 6);
    assert_null(strstr(out, own));
    assert_int_equal(kit_destroy(k, "c1"), 0);
}

static void user_is_switched(void **state)
{
    struct kit *k = *state;
    struct mu_task_info *t = kit_task("id -un; id -gn; stat -c %U stdout");
    t->command.user = mu_xstrdup("nobody");
    assert_int_equal(chmod(k->work_dir, 0755), 0);
    struct kit_answer a = {0};
    kit_launch_task(k, "c1", t, &a);
    kit_wait(k, &a.done);
    assert_string_equal(a.text, "");
    kit_wait_exit(k, "c1");
    assert_string_equal(kit_output(k, "c1", "stdout"), "nobody\nnogroup\nnobody\n");
    assert_int_equal(kit_destroy(k, "c1"), 0);
    t = kit_task("true");
    t->command.user = mu_xstrdup("no-such-user");
    struct kit_answer b = {0};
    kit_launch_task(k, "c2", t, &b);
    kit_wait(k, &b.done);
    assert_string_equal(b.text, "user 'no-such-user' does not exist on this host");
    kit_assert_nothing_left(k, "c2");
}

#define COMMON                                                                           \
    KIT_TEST(exit_status_and_output_are_kept), KIT_TEST(output_is_appended),             \
        KIT_TEST(death_by_signal_is_exact),                                              \
        KIT_TEST(a_task_gets_the_descriptor_limit_of_the_start),                         \
        KIT_TEST(output_is_bounded_and_its_newest_part_kept),                            \
        KIT_TEST(output_of_a_short_flood_is_bounded_too),                                \
        KIT_TEST(environment_is_exactly_what_was_given),                                 \
        KIT_TEST(descriptors_signals_and_directory_are_clean),                           \
        KIT_TEST(arguments_are_passed_as_they_are),                                      \
        KIT_TEST(program_that_does_not_exist_fails_the_launch),                          \
        KIT_TEST(shell_command_that_does_not_exist_exits_127),                           \
        KIT_TEST(sandbox_that_does_not_exist_fails_the_launch),                          \
        KIT_TEST(state_directory_that_cannot_be_made_fails_the_launch),                  \
        KIT_TEST(second_launch_of_one_id_is_refused),                                    \
        KIT_TEST(signal_reaches_every_process),                                          \
        KIT_TEST(signal_while_it_is_being_started_is_passed_on),                         \
        KIT_TEST(unknown_container_cannot_be_signalled),                                 \
        KIT_TEST(end_of_the_command_ends_its_descendants),                               \
        KIT_TEST(destroy_kills_what_ignores_signals_and_what_is_stopped),                \
        KIT_TEST(destroy_right_after_launch_answers_both),                               \
        KIT_TEST(supervisor_killed_ends_the_container_without_status),                   \
        KIT_TEST(supervisor_shrugs_off_other_signals),                                   \
        KIT_TEST(usage_counts_the_container), KIT_TEST(hundred_containers_come_and_go),  \
        KIT_TEST(relative_volume_appears_in_the_sandbox),                                \
        KIT_TEST(volume_of_a_missing_host_path_fails_the_launch),                        \
        KIT_TEST(volume_cannot_leave_the_sandbox)
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, open_kit, close_kit)

int main(void)
{
    const struct CMUnitTest posix[] = {COMMON};
    const struct CMUnitTest full[] = {
        COMMON,
        KIT_TEST(absolute_volume_covers_a_host_path),
        KIT_TEST(container_sees_only_its_own_processes),
        KIT_TEST(user_is_switched),
    };
    launcher = "posix";
    int failed = cmocka_run_group_tests_name("native posix", posix, NULL, NULL);
    if (kit_is_root()) {
        launcher = "linux";
        failed += cmocka_run_group_tests_name("native linux", full, NULL, NULL);
    }
    return failed;
}
