/* The contract of containerizer plugins (core/include/muster/kind/containerizer.h), on
 * the real thing; see contract_kit.h for how it is run and containerizer.h for what an
 * implementation brings along.
 *
 * A test's world: a real host, one instance, and runs: one per container, with all that
 * was heard of it. Every test ends with all containers destroyed and nothing left. */
#include "contract/containerizer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "contract/contract_kit.h"

#define RUNS_MAX 64

static const struct containerizer_factory *const factories[] = {&containerizer_docker};

static struct kit kit;
static const struct containerizer_factory *factory;

struct run {
    struct world *w;
    struct mu_container_id id;
    struct mu_task_info *task;
    char *sandbox;
    struct mu_pairs env;

    bool was_asked, launched, exited, destroyed, recovered;
    int launch_status, destroy_status;
    char text[512]; /* of a failed launch */
    int64_t pid;
    bool recovered_running, recovered_how;
    struct mu_container_exit how;
    char how_text[512];
    int order_exited, order_destroyed; /* 1, 2, ... as heard */
};

struct world {
    const struct mu_containerizer_ops *ops;
    struct run runs[RUNS_MAX];
    size_t run_count;
    bool recovery_done;
    int order;
};

/* ---- what is heard ---- */

static struct run *run_of(struct world *w, const struct mu_container_id *id)
{
    for (size_t i = 0; i < w->run_count; i++) {
        if (strcmp(w->runs[i].id.s, id->s) == 0) {
            return &w->runs[i];
        }
    }
    fail_msg("an event of a container that nobody started: %s", id->s);
    abort(); /* not reached */
}

static void keep_how(struct run *r, const struct mu_container_exit *how)
{
    assert_non_null(how->message);
    assert_true(how->message[0] != '\0');
    r->how = *how;
    snprintf(r->how_text, sizeof(r->how_text), "%s", how->message);
    r->how.message = r->how_text;
}

static void on_exited(void *arg,
                      const struct mu_container_id *id,
                      const struct mu_container_exit *how)
{
    struct world *w = arg;
    struct run *r = run_of(w, id);
    assert_false(r->exited); /* once */
    assert_false(r->destroyed);
    assert_true(r->launched || r->recovered_running);
    keep_how(r, how);
    r->exited = true;
    r->order_exited = ++w->order;
}

static const struct mu_containerizer_events events = {.exited = on_exited};

static void on_launched(void *arg,
                        int status,
                        const char *error_text,
                        const struct mu_container_status *container)
{
    struct run *r = arg;
    assert_true(r->was_asked); /* never inside the call */
    assert_false(r->launched);
    r->launched = true;
    r->launch_status = status;
    if (status == 0) {
        assert_non_null(container);
        assert_non_null(container->ip);
        assert_non_null(container->detail);
        r->pid = container->pid;
    } else {
        assert_non_null(error_text);
        snprintf(r->text, sizeof(r->text), "%s", error_text);
    }
}

static void on_destroyed(void *arg, int status, const char *error_text)
{
    struct run *r = arg;
    (void)error_text;
    assert_false(r->destroyed);
    r->destroyed = true;
    r->destroy_status = status;
    r->order_destroyed = ++r->w->order;
}

static void on_recovered(void *arg,
                         const struct mu_container_id *id,
                         bool is_running,
                         const struct mu_container_status *container,
                         const struct mu_container_exit *how)
{
    struct world *w = arg;
    struct run *r = run_of(w, id);
    assert_false(r->recovered);
    assert_false(w->recovery_done);
    assert_true(!is_running || container != NULL);
    r->recovered = true;
    r->recovered_running = is_running;
    r->recovered_how = how != NULL;
    if (is_running) {
        r->pid = container->pid;
    }
    if (how != NULL) {
        keep_how(r, how);
    }
}

static void on_recovery_done(void *arg, int status, const char *error_text)
{
    struct world *w = arg;
    (void)error_text;
    assert_int_equal(status, 0);
    assert_false(w->recovery_done);
    w->recovery_done = true;
}

/* ---- a world ---- */

static void begin_instance(struct world *w)
{
    kit_create(&kit);
    w->ops = kit.plugin->ops;
    w->ops->listen(kit.instance, &events, w);
    kit_start(&kit);
}

static void
recover(struct world *w, struct run *const *known, size_t count, bool launched)
{
    struct mu_container_known list[RUNS_MAX] = {0};
    struct mu_error err;

    for (size_t i = 0; i < count; i++) {
        known[i]->recovered = false;
        known[i]->exited = false;
        known[i]->launched = false;
        list[i] = (struct mu_container_known){
            .spec = {.struct_size = sizeof(struct mu_container_spec),
                     .id = known[i]->id,
                     .task = known[i]->task,
                     .sandbox = known[i]->sandbox,
                     .env = &known[i]->env,
                     .agent_label = kit.host->work_dir(kit.host)},
            .launched = launched};
    }
    w->recovery_done = false;
    assert_int_equal(w->ops->recover(kit.instance, list, count, on_recovered,
                                     on_recovery_done, w, &err),
                     0);
    assert_false(w->recovery_done); /* never inside the call */
    assert_true(kit_run_until(&kit, &w->recovery_done));
    for (size_t i = 0; i < count; i++) {
        assert_true(known[i]->recovered);
    }
}

static int setup(void **state)
{
    struct world *w = MU_NEW(struct world);
    kit_host_open(&kit);
    begin_instance(w);
    recover(w, NULL, 0, false);
    *state = w;
    return 0;
}

static void destroy_run(struct run *r)
{
    struct world *w = r->w;
    r->destroyed = false;
    w->ops->destroy(kit.instance, &r->id, on_destroyed, r);
    assert_false(r->destroyed); /* never inside the call */
    assert_true(kit_run_until(&kit, &r->destroyed));
    assert_int_equal(r->destroy_status, 0);
    assert_false(factory->is_left(&r->id));
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->run_count; i++) {
        if (w->runs[i].launch_status == 0 && !w->runs[i].destroyed) {
            destroy_run(&w->runs[i]);
        }
        mu_task_info_unref(w->runs[i].task);
        mu_pairs_release(&w->runs[i].env);
        free(w->runs[i].sandbox);
    }
    kit_destroy(&kit, true);
    kit_host_close(&kit);
    free(w);
    return 0;
}

/* The agent's process ends and comes back. */
static void restart(struct world *w)
{
    kit_destroy(&kit, true);
    begin_instance(w);
}

/* ---- runs ---- */

static void add_scalar(struct mu_task_info *task, const char *name, int64_t milli)
{
    struct mu_error err;
    assert_int_equal(mu_resources_add_scalar(&task->resources, name, "*", milli, &err),
                     0);
}

static struct run *new_run(struct world *w)
{
    static unsigned serial;
    assert_true(w->run_count < RUNS_MAX);
    struct run *r = &w->runs[w->run_count++];
    r->w = w;
    snprintf(r->id.s, sizeof(r->id.s), "%08x-c0de-4000-8000-%012x", (unsigned)getpid(),
             ++serial);
    r->task = mu_task_info_create();
    snprintf(r->task->id.s, sizeof(r->task->id.s), "contract.%u", serial);
    snprintf(r->task->framework_id.s, sizeof(r->task->framework_id.s), "contract-0000");
    r->task->name = mu_xstrdup("contract");
    r->task->command.shell = true;
    add_scalar(r->task, "cpus", 100);
    add_scalar(r->task, "mem", 64 * 1000);
    const char *work_dir = kit.host->work_dir(kit.host);
    r->sandbox = mu_xasprintf("%s/%s", work_dir, r->id.s);
    assert_int_equal(mkdir(r->sandbox, 0755), 0);
    mu_pairs_add(&r->env, "GREETING", "hello world");
    mu_pairs_add(&r->env, "MESOS_TASK_ID", r->task->id.s);
    return r;
}

static struct mu_container_spec spec_of(const struct run *r)
{
    return (struct mu_container_spec){.struct_size = sizeof(struct mu_container_spec),
                                      .id = r->id,
                                      .task = r->task,
                                      .sandbox = r->sandbox,
                                      .env = &r->env,
                                      .agent_label = kit.host->work_dir(kit.host)};
}

static void ask_launch(struct run *r)
{
    struct mu_container_spec spec = spec_of(r);
    struct mu_error err;
    if (r->w->ops->launch(kit.instance, &spec, on_launched, r, &err) < 0) {
        fail_msg("launch: %s", err.text);
    }
    r->was_asked = true;
}

static struct run *begin(struct world *w, const char *command)
{
    struct run *r = new_run(w);
    factory->fill(r->task, command);
    ask_launch(r);
    return r;
}

static struct run *launch(struct world *w, const char *command)
{
    struct run *r = begin(w, command);
    assert_true(kit_run_until(&kit, &r->launched));
    if (r->launch_status != 0) {
        fail_msg("not launched: %s", r->text);
    }
    return r;
}

static void wait_exit(struct run *r)
{
    assert_true(kit_run_until(&kit, &r->exited));
}

static void assert_exit_code(const struct run *r, int code)
{
    if (!r->how.has_status || !WIFEXITED(r->how.wait_status) ||
        WEXITSTATUS(r->how.wait_status) != code) {
        fail_msg("not exit status %d but: %s", code, r->how_text);
    }
}

static char *read_file(const struct run *r, const char *name)
{
    mu_auto_free char *path = mu_xasprintf("%s/%s", r->sandbox, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return mu_xstrdup("(no such file)");
    }
    struct mu_buf text;
    char piece[4096];
    size_t n = 0;
    mu_buf_init(&text, 64 * 1024 * 1024);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        mu_buf_append(&text, piece, n);
    }
    fclose(f);
    return mu_buf_take(&text);
}

static void assert_file(const struct run *r, const char *name, const char *content)
{
    mu_auto_free char *text = read_file(r, name);
    assert_string_equal(text, content);
}

/* Turn until the file has this text in it. */
static void wait_for_text(struct run *r, const char *name, const char *wanted)
{
    bool never = false;
    for (int i = 0; i < 400; i++) {
        mu_auto_free char *text = read_file(r, name);
        if (strstr(text, wanted) != NULL) {
            return;
        }
        (void)test_host_run_until(kit.th, &never, 25);
    }
    fail_msg("'%s' did not appear in %s", wanted, name);
}

/* What it writes is its number, its number, ... one per line. */
static void assert_counted(const struct run *r, const char *name, int from, int to)
{
    mu_auto_free char *text = read_file(r, name);
    const char *p = text;
    for (int i = from; i <= to; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "%d\n", i);
        if (strncmp(p, line, (size_t)len) != 0) {
            fail_msg("%s: not %d but '%.20s' at byte %td", name, i, p, p - text);
        }
        p += len;
    }
    assert_string_equal(p, "");
}

/* ---- tests ---- */

static void can_run_takes_its_own_kind(void **state)
{
    struct world *w = *state;
    struct run *r = new_run(w);
    struct mu_error err;
    factory->fill(r->task, "true");
    struct mu_container_spec spec = spec_of(r);
    assert_int_equal(w->ops->can_run(kit.instance, &spec, &err), 1);
}

static void can_run_refuses_what_is_impossible_with_a_reason(void **state)
{
    struct world *w = *state;
    struct run *r = new_run(w);
    struct mu_error err = {0};
    if (factory->fill_impossible == NULL) {
        skip();
    }
    factory->fill_impossible(r->task);
    struct mu_container_spec spec = spec_of(r);
    assert_true(w->ops->can_run(kit.instance, &spec, &err) < 0);
    assert_true(err.text[0] != '\0');
}

static void end_of_a_command_is_reported_with_its_status(void **state)
{
    struct run *good = launch(*state, "exit 0");
    struct run *bad = launch(*state, "exit 3");
    wait_exit(good);
    wait_exit(bad);
    assert_exit_code(good, 0);
    assert_exit_code(bad, 3);
    assert_false(good->how.was_killed);
    assert_false(bad->how.oom);
}

static void output_is_in_the_sandbox_files_when_the_end_is_reported(void **state)
{
    struct run *r = launch(*state, "echo out; echo err >&2; printf 'no line end'");
    wait_exit(r);
    assert_file(r, "stdout", "out\nno line end");
    assert_file(r, "stderr", "err\n");
}

static void much_output_arrives_whole_and_in_order(void **state)
{
    struct run *r = launch(*state, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; "
                                   "[ $((i % 2)) = 0 ] || echo $((i/2)) >&2; done");
    wait_exit(r);
    assert_counted(r, "stdout", 1, 20000);
    assert_counted(r, "stderr", 0, 9999);
}

static void environment_reaches_the_command(void **state)
{
    struct run *r = launch(*state, "echo \"$GREETING\"");
    wait_exit(r);
    assert_file(r, "stdout", "hello world\n");
}

static void sandbox_is_where_the_environment_says_and_can_be_written(void **state)
{
    struct run *r = launch(*state, "echo kept > \"$MESOS_SANDBOX/file\"");
    wait_exit(r);
    assert_exit_code(r, 0);
    assert_file(r, "file", "kept\n");
}

static void launch_that_fails_says_why_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct run *r = new_run(w);
    factory->fill_failing(r->task);
    ask_launch(r);
    assert_true(kit_run_until(&kit, &r->launched));
    assert_true(r->launch_status < 0);
    assert_true(r->text[0] != '\0');
    assert_false(r->exited);
    assert_false(factory->is_left(&r->id));
    r->launch_status = -1;
}

static void signal_reaches_the_command(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct run *r = launch(w, "trap 'echo caught; exit 5' TERM; echo ready; "
                              "while :; do sleep 0.1; done");
    wait_for_text(r, "stdout", "ready");
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), 0);
    wait_exit(r);
    assert_exit_code(r, 5);
    assert_true(r->how.was_killed);
    assert_file(r, "stdout", "ready\ncaught\n");
}

static void signal_to_an_ended_or_unknown_container_is_refused(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct mu_container_id unknown = {"00000000-0000-4000-8000-000000000000"};
    struct run *r = launch(w, "true");
    wait_exit(r);
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), -ESRCH);
    assert_int_equal(w->ops->kill(kit.instance, &unknown, SIGTERM, &err), -ESRCH);
}

static void destroy_stops_a_running_container_and_reports_its_end_first(void **state)
{
    struct run *r = launch(*state, "trap '' TERM; echo ready; sleep 1000");
    wait_for_text(r, "stdout", "ready");
    destroy_run(r);
    assert_true(r->exited);
    assert_true(r->order_exited < r->order_destroyed);
    assert_true(r->how.was_killed);
}

static void destroy_of_an_ended_container_removes_it(void **state)
{
    struct run *r = launch(*state, "true");
    wait_exit(r);
    destroy_run(r);
}

static void destroy_of_an_unknown_container_succeeds(void **state)
{
    struct run *r = new_run(*state);
    factory->fill(r->task, "true");
    destroy_run(r);
}

static void destroy_twice_answers_twice(void **state)
{
    struct world *w = *state;
    struct run *r = launch(w, "sleep 1000");
    struct run second = {.w = w};
    w->ops->destroy(kit.instance, &r->id, on_destroyed, r);
    w->ops->destroy(kit.instance, &r->id, on_destroyed, &second);
    assert_true(kit_run_until(&kit, &r->destroyed));
    assert_true(kit_run_until(&kit, &second.destroyed));
    assert_int_equal(r->destroy_status, 0);
    assert_int_equal(second.destroy_status, 0);
    assert_false(factory->is_left(&r->id));
}

/* At whatever moment: at once, and after more and more turns of the loop. */
static void destroy_during_launch_answers_both_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    for (int turns = 0; turns < 12; turns++) {
        struct run *r = begin(w, "sleep 1000");
        for (int i = 0; i < turns && !r->launched; i++) {
            uv_run(kit.th->loop, UV_RUN_ONCE);
        }
        destroy_run(r);
        assert_true(r->launched);
        assert_true(r->exited == (r->launch_status == 0));
    }
}

static void many_containers_live_side_by_side(void **state)
{
    struct world *w = *state;
    struct run *runs[12];
    for (size_t i = 0; i < 12; i++) {
        runs[i] = begin(w, "echo mine; exit 4");
    }
    for (size_t i = 0; i < 12; i++) {
        assert_true(kit_run_until(&kit, &runs[i]->launched));
        wait_exit(runs[i]);
        assert_exit_code(runs[i], 4);
        assert_file(runs[i], "stdout", "mine\n");
    }
}

static void memory_limit_is_reported_as_such(void **state)
{
    struct world *w = *state;
    if (factory->has_memory_limit == NULL || !factory->has_memory_limit()) {
        skip();
    }
    struct run *r = launch(w, "x=a; while :; do x=$x$x; done");
    wait_exit(r);
    assert_true(r->how.oom);
    assert_false(r->how.was_killed);
    assert_non_null(strstr(r->how_text, "emory limit exceeded"));
}

struct figures {
    bool done;
    int status;
    struct mu_container_usage usage;
};

static void on_usage(void *arg, int status, const struct mu_container_usage *usage)
{
    struct figures *f = arg;
    f->status = status;
    if (usage != NULL) {
        f->usage = *usage;
    }
    f->done = true;
}

static void usage_of_a_running_container_has_figures(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct figures f = {0};
    if (w->ops->usage == NULL) {
        skip();
    }
    struct run *r =
        launch(w, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo ready; "
                  "sleep 1000");
    wait_for_text(r, "stdout", "ready");
    assert_int_equal(w->ops->usage(kit.instance, &r->id, on_usage, &f, &err), 0);
    assert_false(f.done);
    assert_true(kit_run_until(&kit, &f.done));
    assert_int_equal(f.status, 0);
    assert_true(f.usage.processes >= 1);
    assert_true(f.usage.cpu_user_us + f.usage.cpu_system_us > 0);
    assert_true(f.usage.mem_rss_bytes > 0);
}

static void usage_of_an_unknown_container_is_refused(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct figures f = {0};
    struct mu_container_id unknown = {"00000000-0000-4000-8000-000000000000"};
    if (w->ops->usage == NULL) {
        skip();
    }
    assert_int_equal(w->ops->usage(kit.instance, &unknown, on_usage, &f, &err), -ESRCH);
}

static void running_container_is_taken_over_after_a_restart(void **state)
{
    struct world *w = *state;
    struct mu_error err;
    struct run *r =
        launch(w, "trap 'exit 6' TERM; echo before; touch $MESOS_SANDBOX/up; while "
                  ":; do sleep 0.1; done");
    int64_t pid = r->pid;
    wait_for_text(r, "stdout", "before");
    restart(w);
    recover(w, &r, 1, true);
    assert_true(r->recovered_running);
    assert_false(r->recovered_how);
    assert_int_equal(r->pid, pid);
    assert_int_equal(w->ops->kill(kit.instance, &r->id, SIGTERM, &err), 0);
    wait_exit(r);
    assert_exit_code(r, 6);
    assert_file(r, "stdout", "before\n");
}

static void end_while_the_agent_is_away_is_reported_with_its_status(void **state)
{
    struct world *w = *state;
    struct run *r =
        launch(w, "echo 1; while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.05; done; "
                  "echo 2; exit 9");
    wait_for_text(r, "stdout", "1\n");
    kit_destroy(&kit, true);
    mu_auto_free char *go = mu_xasprintf("%s/go", r->sandbox);
    close(open(go, O_CREAT | O_WRONLY, 0644));
    for (int i = 0; i < 400 && kill((pid_t)r->pid, 0) == 0; i++) {
        usleep(25 * 1000); /* there is no loop that could tell */
    }
    assert_int_equal(kill((pid_t)r->pid, 0), -1);
    begin_instance(w);
    recover(w, &r, 1, true);
    if (r->recovered_running) { /* what supervises it had not noticed yet */
        wait_exit(r);
    } else {
        assert_true(r->recovered_how);
    }
    assert_exit_code(r, 9);
    assert_file(r, "stdout", "1\n2\n");
}

static void output_over_restarts_is_neither_lost_nor_doubled(void **state)
{
    struct world *w = *state;
    struct run *r =
        launch(w, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; echo $i >&2; "
                  "[ $((i % 50)) != 0 ] || sleep 0.02; done");
    for (int i = 0; i < 5; i++) {
        char seen[32];
        snprintf(seen, sizeof(seen), "\n%d\n", 100 + i * 300);
        wait_for_text(r, "stdout", seen);
        restart(w);
        recover(w, &r, 1, true);
        assert_true(r->recovered_running);
    }
    wait_exit(r);
    assert_exit_code(r, 0);
    assert_counted(r, "stdout", 1, 3000);
    assert_counted(r, "stderr", 1, 3000);
}

static void container_that_nobody_knows_is_destroyed_after_a_restart(void **state)
{
    struct world *w = *state;
    struct run *r = launch(w, "sleep 1000");
    bool never = false;
    restart(w);
    recover(w, NULL, 0, false);
    for (int i = 0; i < 400 && factory->is_left(&r->id); i++) {
        (void)test_host_run_until(kit.th, &never, 25);
    }
    assert_false(factory->is_left(&r->id));
    r->destroyed = true;
}

static void container_that_never_started_is_reported_so(void **state)
{
    struct world *w = *state;
    struct run *r = new_run(w);
    factory->fill(r->task, "true");
    restart(w);
    recover(w, &r, 1, false);
    assert_false(r->recovered_running);
    assert_false(r->recovered_how);
}

static void container_that_vanished_is_reported_as_lost(void **state)
{
    struct world *w = *state;
    struct run *r = new_run(w);
    factory->fill(r->task, "true");
    restart(w);
    recover(w, &r, 1, true);
    assert_false(r->recovered_running);
    assert_true(r->recovered_how);
    assert_false(r->how.has_status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(can_run_takes_its_own_kind),
        TEST(can_run_refuses_what_is_impossible_with_a_reason),
        TEST(end_of_a_command_is_reported_with_its_status),
        TEST(output_is_in_the_sandbox_files_when_the_end_is_reported),
        TEST(much_output_arrives_whole_and_in_order),
        TEST(environment_reaches_the_command),
        TEST(sandbox_is_where_the_environment_says_and_can_be_written),
        TEST(launch_that_fails_says_why_and_leaves_nothing),
        TEST(signal_reaches_the_command),
        TEST(signal_to_an_ended_or_unknown_container_is_refused),
        TEST(destroy_stops_a_running_container_and_reports_its_end_first),
        TEST(destroy_of_an_ended_container_removes_it),
        TEST(destroy_of_an_unknown_container_succeeds),
        TEST(destroy_twice_answers_twice),
        TEST(destroy_during_launch_answers_both_and_leaves_nothing),
        TEST(many_containers_live_side_by_side),
        TEST(memory_limit_is_reported_as_such),
        TEST(usage_of_a_running_container_has_figures),
        TEST(usage_of_an_unknown_container_is_refused),
        TEST(running_container_is_taken_over_after_a_restart),
        TEST(end_while_the_agent_is_away_is_reported_with_its_status),
        TEST(output_over_restarts_is_neither_lost_nor_doubled),
        TEST(container_that_nobody_knows_is_destroyed_after_a_restart),
        TEST(container_that_never_started_is_reported_so),
        TEST(container_that_vanished_is_reported_as_lost),
    };
    kit_load(&kit, argc, argv, MU_KIND_CONTAINERIZER);
    for (size_t i = 0; i < sizeof(factories) / sizeof(factories[0]); i++) {
        if (strcmp(factories[i]->plugin, kit.plugin->name) == 0) {
            factory = factories[i];
        }
    }
    if (factory == NULL) {
        fprintf(stderr, "containerizer.c knows no factory for '%s'\n", kit.plugin->name);
        return 2;
    }
    int failed = cmocka_run_group_tests_name(kit.plugin->name, tests, NULL, NULL);
    kit_unload(&kit);
    return failed == 0 ? 0 : 1;
}
