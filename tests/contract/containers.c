/* See containers.h. */
#include "contract/containers.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const struct containerizer_factory *const factories[] = {&containerizer_docker,
                                                                &containerizer_mesos};

struct kit kit;
const struct containerizer_factory *factory;

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

void run_on_launched(void *arg,
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

void run_on_destroyed(void *arg, int status, const char *error_text)
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

void world_begin_instance(struct world *w)
{
    kit_create(&kit);
    w->ops = kit.plugin->ops;
    w->ops->listen(kit.instance, &events, w);
    kit_start(&kit);
}

void world_recover(struct world *w, struct run *const *known, size_t count, bool launched)
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

int world_setup(void **state)
{
    struct world *w = MU_NEW(struct world);
    kit_host_open(&kit);
    world_begin_instance(w);
    world_recover(w, NULL, 0, false);
    *state = w;
    return 0;
}

void run_destroy(struct run *r)
{
    struct world *w = r->w;
    r->destroyed = false;
    w->ops->destroy(kit.instance, &r->id, run_on_destroyed, r);
    assert_false(r->destroyed); /* never inside the call */
    assert_true(kit_run_until(&kit, &r->destroyed));
    assert_int_equal(r->destroy_status, 0);
    assert_false(factory->is_left(&r->id));
}

int world_teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->run_count; i++) {
        if (w->runs[i].launch_status == 0 && !w->runs[i].destroyed) {
            run_destroy(&w->runs[i]);
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
void world_restart(struct world *w)
{
    kit_destroy(&kit, true);
    world_begin_instance(w);
}

/* ---- runs ---- */

static void add_scalar(struct mu_task_info *task, const char *name, int64_t milli)
{
    struct mu_error err;
    assert_int_equal(mu_resources_add_scalar(&task->resources, name, "*", milli, &err),
                     0);
}

struct run *run_new(struct world *w)
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

struct mu_container_spec run_spec(const struct run *r)
{
    return (struct mu_container_spec){.struct_size = sizeof(struct mu_container_spec),
                                      .id = r->id,
                                      .task = r->task,
                                      .sandbox = r->sandbox,
                                      .env = &r->env,
                                      .agent_label = kit.host->work_dir(kit.host)};
}

void run_ask_launch(struct run *r)
{
    struct mu_container_spec spec = run_spec(r);
    struct mu_error err;
    if (r->w->ops->launch(kit.instance, &spec, run_on_launched, r, &err) < 0) {
        fail_msg("launch: %s", err.text);
    }
    r->was_asked = true;
}

struct run *run_begin(struct world *w, const char *command)
{
    struct run *r = run_new(w);
    factory->fill(r->task, command);
    run_ask_launch(r);
    return r;
}

struct run *run_launch(struct world *w, const char *command)
{
    struct run *r = run_begin(w, command);
    assert_true(kit_run_until(&kit, &r->launched));
    if (r->launch_status != 0) {
        fail_msg("not launched: %s", r->text);
    }
    return r;
}

void run_wait_exit(struct run *r)
{
    assert_true(kit_run_until(&kit, &r->exited));
}

void run_assert_exit_code(const struct run *r, int code)
{
    if (!r->how.has_status || !WIFEXITED(r->how.wait_status) ||
        WEXITSTATUS(r->how.wait_status) != code) {
        fail_msg("not exit status %d but: %s", code, r->how_text);
    }
}

char *run_read_file(const struct run *r, const char *name)
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

void run_assert_file(const struct run *r, const char *name, const char *content)
{
    mu_auto_free char *text = run_read_file(r, name);
    assert_string_equal(text, content);
}

/* Turn until the file has this text in it. */
void run_wait_for_text(struct run *r, const char *name, const char *wanted)
{
    bool never = false;
    for (int i = 0; i < 400; i++) {
        mu_auto_free char *text = run_read_file(r, name);
        if (strstr(text, wanted) != NULL) {
            return;
        }
        (void)test_host_run_until(kit.th, &never, 25);
    }
    fail_msg("'%s' did not appear in %s", wanted, name);
}

/* What it writes is its number, its number, ... one per line. */
void run_assert_counted(const struct run *r, const char *name, int from, int to)
{
    mu_auto_free char *text = run_read_file(r, name);
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

void run_wait_pid_gone(const struct run *r)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)r->pid, 0);
    if (fd < 0) {
        assert_int_equal(errno, ESRCH);
        return;
    }
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 20000), 1);
    close(fd);
}

void world_load(int argc, char **argv)
{
    kit_load(&kit, argc, argv, MU_KIND_CONTAINERIZER);
    for (size_t i = 0; i < sizeof(factories) / sizeof(factories[0]); i++) {
        if (strcmp(factories[i]->plugin, kit.plugin->name) == 0) {
            factory = factories[i];
        }
    }
    if (factory == NULL) {
        fprintf(stderr, "containers.c knows no factory for '%s'\n", kit.plugin->name);
        exit(2);
    }
}
