/* kill -9 of the agent's process, again and again, while a Docker container writes: at
 * the end its output is whole and in order, its exit status is known, it was started
 * once, and nothing is left.
 *
 * The agent is a child of this process with the plugin in it. What an agent would have in
 * its journal is in memory that both share. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "contract/containerizer.h"
#include "contract/contract_kit.h"

#define LINES 2500
#define CONTAINERS 8
#define LABEL "/muster-crash-test"

enum stage { NOT_ASKED, ASKED, RUNNING, ENDED, REMOVED };

/* One container, as a journal would have it. */
struct record {
    enum stage stage;
    int32_t wait_status;
    bool has_status;
    char text[256];
};

struct journal {
    struct record v[CONTAINERS];
};

static struct kit kit;
static struct journal *journal;
static char dir[64];

/* ---- the agent ---- */

struct agent {
    const struct mu_containerizer_ops *ops;
    struct mu_container_spec specs[CONTAINERS];
    struct mu_pairs env;
    bool recovered, done;
};

static struct record *record_of(const struct mu_container_id *id)
{
    return &journal->v[atoi(id->s)]; /* "3-c0de..." */
}

static void check_done(struct agent *a)
{
    a->done = true;
    for (int i = 0; i < CONTAINERS; i++) {
        a->done = a->done && journal->v[i].stage == REMOVED;
    }
}

static void on_destroyed(void *arg, int status, const char *text)
{
    struct record *r = arg;
    if (status != 0) {
        fprintf(stderr, "destroy: %s\n", text);
        abort();
    }
    r->stage = REMOVED;
}

static void note_end(struct agent *a,
                     const struct mu_container_id *id,
                     const struct mu_container_exit *how)
{
    struct record *r = record_of(id);
    r->has_status = how->has_status;
    r->wait_status = how->wait_status;
    snprintf(r->text, sizeof(r->text), "%s", how->message);
    r->stage = ENDED;
    a->ops->destroy(kit.instance, id, on_destroyed, r);
}

static void on_exited(void *arg,
                      const struct mu_container_id *id,
                      const struct mu_container_exit *how)
{
    note_end(arg, id, how);
}

static const struct mu_containerizer_events events = {.exited = on_exited};

static void on_launched(void *arg,
                        int status,
                        const char *text,
                        const struct mu_container_status *container)
{
    struct record *r = arg;
    (void)container;
    if (status < 0) {
        fprintf(stderr, "launch: %s\n", text);
        abort();
    }
    r->stage = RUNNING;
}

static void on_recovered(void *arg,
                         const struct mu_container_id *id,
                         bool is_running,
                         const struct mu_container_status *container,
                         const struct mu_container_exit *how)
{
    struct agent *a = arg;
    (void)container;
    if (is_running) {
        record_of(id)->stage = RUNNING;
    } else if (how != NULL) {
        note_end(a, id, how);
    } else {
        record_of(id)->stage = NOT_ASKED; /* it never started: it may be tried again */
    }
}

static void on_recovery_done(void *arg, int status, const char *text)
{
    struct agent *a = arg;
    (void)status, (void)text;
    a->recovered = true;
}

static void fill_specs(struct agent *a)
{
    for (int i = 0; i < CONTAINERS; i++) {
        struct mu_container_spec *spec = &a->specs[i];
        struct mu_task_info *task = mu_task_info_create();
        snprintf(task->id.s, sizeof(task->id.s), "crash.%d", i);
        task->command.shell = true;
        mu_auto_free char *command =
            mu_xasprintf("echo >> $MESOS_SANDBOX/starts; i=0; while [ $i -lt %d ]; do "
                         "i=$((i+1)); echo $i; "
                         "[ $((i %% 100)) != 0 ] || sleep 0.1; done; exit %d",
                         LINES, i);
        containerizer_docker.fill(task, command);
        *spec = (struct mu_container_spec){.struct_size = sizeof(*spec),
                                           .task = task,
                                           .sandbox = mu_xasprintf("%s/box%d", dir, i),
                                           .env = &a->env,
                                           .agent_label = LABEL};
        snprintf(spec->id.s, sizeof(spec->id.s), "%d-c0de-4000-8000-%d", i,
                 (int)getppid());
    }
}

static void recover(struct agent *a)
{
    struct mu_container_known known[CONTAINERS];
    size_t count = 0;
    struct mu_error err;
    for (int i = 0; i < CONTAINERS; i++) {
        enum stage stage = journal->v[i].stage;
        if (stage == ASKED || stage == RUNNING) {
            known[count++] = (struct mu_container_known){.spec = a->specs[i],
                                                         .launched = stage == RUNNING};
        }
    }
    if (a->ops->recover(kit.instance, known, count, on_recovered, on_recovery_done, a,
                        &err) < 0) {
        abort();
    }
    (void)kit_run_until(&kit, &a->recovered);
}

static void launch_missing(struct agent *a)
{
    for (int i = 0; i < CONTAINERS; i++) {
        struct record *r = &journal->v[i];
        struct mu_error err;
        if (r->stage == NOT_ASKED) {
            r->stage = ASKED;
            if (a->ops->launch(kit.instance, &a->specs[i], on_launched, r, &err) < 0) {
                fprintf(stderr, "launch: %s\n", err.text);
                abort();
            }
        } else if (r->stage == ENDED) { /* reported, and then the agent died */
            a->ops->destroy(kit.instance, &a->specs[i].id, on_destroyed, r);
        }
    }
}

_Noreturn static void run_agent(void)
{
    struct agent a = {.done = false};
    fill_specs(&a);
    kit_host_open(&kit);
    kit_create(&kit);
    a.ops = kit.plugin->ops;
    a.ops->listen(kit.instance, &events, &a);
    kit_start(&kit);
    recover(&a);
    launch_missing(&a);
    while (!a.done) {
        uv_run(kit.th->loop, UV_RUN_ONCE);
        check_done(&a);
    }
    kit_destroy(&kit, true);
    _exit(0);
}

/* ---- the test ---- */

static pid_t start_agent(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run_agent();
    }
    return pid;
}

/* True when the agent has ended by itself, with success, within that time. */
static bool ends_within(pid_t pid, int ms)
{
    int status = 0;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    assert_true(fd >= 0);
    (void)poll(&end, 1, ms);
    close(fd);
    if (waitpid(pid, &status, WNOHANG) == 0) {
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("the agent failed with status %x", status);
    }
    return true;
}

static void assert_lines(int i)
{
    mu_auto_free char *path = mu_xasprintf("%s/box%d/stdout", dir, i);
    FILE *f = fopen(path, "r");
    char line[64];
    assert_non_null(f);
    for (int n = 1; n <= LINES; n++) {
        if (fgets(line, sizeof(line), f) == NULL || atoi(line) != n) {
            fail_msg("container %d, line %d: '%s'", i, n, line);
        }
    }
    assert_null(fgets(line, sizeof(line), f));
    fclose(f);
}

static void assert_one_start(int i)
{
    struct stat st;
    mu_auto_free char *path = mu_xasprintf("%s/box%d/starts", dir, i);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1);
}

static void output_and_status_survive_any_kill_of_the_agent(void **state)
{
    (void)state;
    for (int i = 0; i < CONTAINERS; i++) {
        mu_auto_free char *sandbox = mu_xasprintf("%s/box%d", dir, i);
        assert_int_equal(mkdir(sandbox, 0755), 0);
    }
    int kills = 0;
    for (;;) {
        pid_t pid = start_agent();
        /* moments spread over the launches and the writing, the same in every run */
        if (ends_within(pid, kills < 40 ? 20 + kills * 37 % 160 : 60000)) {
            break;
        }
        assert_true(kills < 40);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        kills++;
    }
    print_message("%d kills\n", kills);
    assert_true(kills >= 20);
    for (int i = 0; i < CONTAINERS; i++) {
        const struct record *r = &journal->v[i];
        if (!r->has_status || r->wait_status != i << 8) {
            fail_msg("container %d: %s", i, r->text);
        }
        assert_lines(i);
        assert_one_start(i);
    }
    FILE *left = popen("docker ps -aq", "r");
    char line[256];
    assert_null(fgets(line, sizeof(line), left));
    pclose(left);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_survive_any_kill_of_the_agent),
    };
    strcpy(dir, "/tmp/muster-crash-XXXXXX");
    if (mkdtemp(dir) == NULL || setenv("TMPDIR", dir, 1) < 0) {
        return 2;
    }
    journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (journal == MAP_FAILED) {
        return 2;
    }
    kit_load(&kit, argc, argv, MU_KIND_CONTAINERIZER);
    int failed = cmocka_run_group_tests_name("docker_crash", tests, NULL, NULL);
    kit_unload(&kit);
    test_remove_tree(dir);
    return failed == 0 ? 0 : 1;
}
