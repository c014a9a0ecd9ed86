#include "kit.h"

#include <dirent.h>
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
#include "runtime/flags.h"

#define WAIT_MS 20000

extern const struct mu_plugin mu_plugin; /* linked in, not loaded */

static struct kit *current; /* a host's work_dir function knows its host only */

static const char *kit_work_dir(const struct mu_host *h)
{
    (void)h;
    return current->work_dir;
}

static bool
kit_descriptor_limit(const struct mu_host *h, uint64_t *out_soft, uint64_t *out_hard)
{
    (void)h;
    *out_soft = KIT_FILES_SOFT;
    *out_hard = KIT_FILES_HARD;
    return true;
}

static void on_exited(void *arg,
                      const struct mu_container_id *id,
                      const struct mu_container_exit *how)
{
    struct kit *k = arg;
    assert_true(k->exit_count < KIT_EVENTS_MAX);
    assert_null(kit_find_exit(k, id->s)); /* once per container */
    struct kit_exit *e = &k->exits[k->exit_count++];
    e->id = *id;
    e->how = *how;
    e->how.message = NULL;
    snprintf(e->text, sizeof(e->text), "%s", how->message);
    k->changed = true;
}

static const struct mu_containerizer_events events = {on_exited};

/* Of this program alone: several may run at once, with the same container ids. The second
 * process of a test inherits it. */
static const char *kit_cgroup_root(void)
{
    static const char name[] = "MUSTER_TEST_CGROUP_ROOT";
    if (getenv(name) == NULL) {
        char root[64];
        snprintf(root, sizeof(root), "muster-test/%d", (int)getpid());
        assert_int_equal(setenv(name, root, 1), 0);
    }
    return getenv(name);
}

char *kit_cgroup(const char *controller, const char *name)
{
    return mu_xasprintf("/sys/fs/cgroup/%s/%s/%s", controller, kit_cgroup_root(), name);
}

static const char *const controllers[] = {"cpu",     "cpuacct", "memory",
                                          "systemd", "unified", "."};

/* Fails while containers live in them; the last one takes them away. */
static void remove_cgroup_roots(void)
{
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
        mu_auto_free char *supervisors = kit_cgroup(controllers[i], "supervisors");
        (void)rmdir(supervisors);
        mu_auto_free char *path = kit_cgroup(controllers[i], "");
        (void)rmdir(path);
        *strrchr(path, '/') = '\0';
        *strrchr(path, '/') = '\0';
        (void)rmdir(path);
    }
}

static const struct mu_flags *
parse_flags(struct kit *k, const char *launcher, const char *extra)
{
    k->flags = flags_create();
    const struct flags_table table = {
        .title = "native", .prefix = "mesos", .table = k->plugin->flags};
    const struct mu_flags *values;
    assert_int_equal(flags_add(k->flags, &table, &values, NULL), 0);
    char mode[64];
    snprintf(mode, sizeof(mode), "--launcher=%s", launcher);
    char root[96];
    snprintf(root, sizeof(root), "--cgroups_root=%s", kit_cgroup_root());
    const char *argv[] = {mode, root, "--launcher_dir=" BUILD_ROOT, extra};
    const struct flags_input input = {.argc = extra != NULL ? 4 : 3, .argv = argv};
    struct mu_buf errors, warnings;
    mu_buf_init(&errors, 4096);
    mu_buf_init(&warnings, 4096);
    if (flags_parse(k->flags, &input, &errors, &warnings) < 0) {
        fail_msg("%s", mu_buf_str(&errors));
    }
    mu_buf_release(&errors);
    mu_buf_release(&warnings);
    return values;
}

struct kit *kit_open(const char *launcher, const char *work_dir, const char *extra)
{
    struct kit *k = MU_NEW(struct kit);
    k->th = test_host_open();
    k->owns_work_dir = work_dir == NULL;
    k->work_dir = mu_xstrdup(work_dir != NULL ? work_dir : k->th->work_dir);
    k->host = *k->th->host;
    k->host.work_dir = kit_work_dir;
    k->host.descriptor_limit = kit_descriptor_limit;
    current = k;
    k->plugin = &mu_plugin;
    k->ops = k->plugin->ops;
    struct mu_error err;
    const struct mu_flags *values = parse_flags(k, launcher, extra);
    if (k->plugin->create(&k->host, values, &k->instance, &err) < 0) {
        fail_msg("%s", err.text);
    }
    k->ops->listen(k->instance, &events, k);
    if (k->plugin->start(k->instance, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return k;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void kit_close(struct kit *k)
{
    bool stopped = false;
    k->plugin->stop(k->instance, set_flag, &stopped);
    assert_false(stopped); /* never inline */
    kit_wait(k, &stopped);
    k->plugin->destroy(k->instance);
    flags_destroy(k->flags);
    test_host_close(k->th);
    remove_cgroup_roots();
    free(k->work_dir);
    free(k);
}

void kit_wait(struct kit *k, const bool *flag)
{
    if (!test_host_run_until(k->th, flag, WAIT_MS)) {
        fail_msg("nothing came in %d ms", WAIT_MS);
    }
}

char *kit_sandbox(const struct kit *k, const char *id)
{
    return mu_xasprintf("%s/sandboxes/%s", k->work_dir, id);
}

static char *make_sandbox(const struct kit *k, const char *id)
{
    mu_auto_free char *parent = mu_xasprintf("%s/sandboxes", k->work_dir);
    (void)mkdir(parent, 0755);
    char *dir = kit_sandbox(k, id);
    (void)mkdir(dir, 0755);
    return dir;
}

struct mu_task_info *kit_task(const char *command)
{
    struct mu_task_info *t = mu_task_info_create();
    t->command.shell = true;
    t->command.has_value = true;
    t->command.value = mu_xstrdup(command);
    assert_int_equal(mu_resources_parse("cpus:0.1;mem:64", "*", &t->resources, NULL), 0);
    return t;
}

static void on_launched(void *arg,
                        int status,
                        const char *text,
                        const struct mu_container_status *container)
{
    struct kit_answer *a = arg;
    assert_false(a->done); /* once */
    a->done = true;
    a->status = status;
    a->pid = status == 0 ? container->pid : 0;
    snprintf(a->text, sizeof(a->text), "%s", text != NULL ? text : "");
}

static void
fill_spec(struct mu_container_spec *spec, const char *id, const struct mu_task_info *t)
{
    *spec = (struct mu_container_spec){.struct_size = sizeof(*spec), .task = t};
    assert_int_equal(MU_ID_SET(&spec->id, "container id", id, NULL), 0);
}

void kit_launch_task(struct kit *k,
                     const char *id,
                     struct mu_task_info *task,
                     struct kit_answer *out)
{
    struct mu_container_spec spec;
    fill_spec(&spec, id, task);
    mu_auto_free char *sandbox = make_sandbox(k, id);
    if (task->command.user != NULL) {
        assert_int_equal(chown(sandbox, 65534, 65534), 0);
    }
    struct mu_pairs env = {0};
    mu_pairs_add(&env, "PATH", "/usr/local/bin:/usr/bin:/bin");
    mu_pairs_add(&env, "TEST_TWO", "first");
    mu_pairs_add(&env, "TEST_TWO", "second words");
    spec.sandbox = sandbox;
    spec.env = &env;
    spec.agent_label = k->work_dir;
    struct mu_error err;
    int rc = k->ops->launch(k->instance, &spec, on_launched, out, &err);
    assert_false(out->done); /* never inline */
    if (rc < 0) {
        out->done = true;
        out->status = rc;
        snprintf(out->text, sizeof(out->text), "%s", err.text);
    }
    mu_pairs_release(&env);
    mu_task_info_unref(task);
}

void kit_launch(struct kit *k, const char *id, const char *command)
{
    struct kit_answer a = {0};
    kit_launch_task(k, id, kit_task(command), &a);
    kit_wait(k, &a.done);
    if (a.status < 0) {
        fail_msg("launch: %s", a.text);
    }
    assert_true(a.pid > 1);
}

static void on_status(void *arg, int status, const char *text)
{
    struct kit_answer *a = arg;
    assert_false(a->done);
    a->done = true;
    a->status = status;
    snprintf(a->text, sizeof(a->text), "%s", text);
}

void kit_destroy_async(struct kit *k, const char *id, struct kit_answer *out)
{
    struct mu_container_id cid;
    assert_int_equal(MU_ID_SET(&cid, "container id", id, NULL), 0);
    k->ops->destroy(k->instance, &cid, on_status, out);
    assert_false(out->done);
}

int kit_destroy(struct kit *k, const char *id)
{
    struct kit_answer a = {0};
    kit_destroy_async(k, id, &a);
    kit_wait(k, &a.done);
    return a.status;
}

const struct kit_exit *kit_find_exit(const struct kit *k, const char *id)
{
    for (size_t i = 0; i < k->exit_count; i++) {
        if (strcmp(k->exits[i].id.s, id) == 0) {
            return &k->exits[i];
        }
    }
    return NULL;
}

const struct kit_exit *kit_wait_exit(struct kit *k, const char *id)
{
    const struct kit_exit *e;
    while ((e = kit_find_exit(k, id)) == NULL) {
        k->changed = false;
        kit_wait(k, &k->changed);
    }
    return e;
}

static void on_each(void *arg,
                    const struct mu_container_id *id,
                    bool is_running,
                    const struct mu_container_status *status,
                    const struct mu_container_exit *how)
{
    struct kit *k = arg;
    struct kit_recovered *r = &k->recovered[k->recovered_count++];
    *r = (struct kit_recovered){.id = *id, .is_running = is_running};
    r->pid = is_running ? status->pid : 0;
    r->has_exit = how != NULL;
    if (how != NULL) {
        assert_non_null(how->message);
        r->how = *how;
    }
}

struct recover_answer {
    bool done;
    int status;
};

static struct recover_answer recover_answer;

static void on_recovered(void *arg, int status, const char *text)
{
    (void)arg;
    (void)text;
    assert_false(recover_answer.done);
    recover_answer = (struct recover_answer){true, status};
}

void kit_recover(struct kit *k, const char *const *ids, size_t count, bool launched)
{
    struct mu_container_known *known = mu_xcalloc(count + 1, sizeof(*known));
    char **sandboxes = mu_xcalloc(count + 1, sizeof(*sandboxes));
    struct mu_pairs env = {0};
    struct mu_task_info *t = kit_task("true");
    for (size_t i = 0; i < count; i++) {
        fill_spec(&known[i].spec, ids[i], t);
        sandboxes[i] = kit_sandbox(k, ids[i]);
        known[i].spec.sandbox = sandboxes[i];
        known[i].spec.env = &env;
        known[i].spec.agent_label = k->work_dir;
        known[i].launched = launched;
    }
    recover_answer = (struct recover_answer){0};
    struct mu_error err;
    assert_int_equal(
        k->ops->recover(k->instance, known, count, on_each, on_recovered, k, &err), 0);
    for (size_t i = 0; i < count; i++) {
        free(sandboxes[i]);
    }
    free(sandboxes);
    free(known);
    mu_task_info_unref(t);
    kit_wait(k, &recover_answer.done);
    assert_int_equal(recover_answer.status, 0);
    assert_int_equal(k->recovered_count, count);
}

const struct kit_recovered *kit_find_recovered(const struct kit *k, const char *id)
{
    for (size_t i = 0; i < k->recovered_count; i++) {
        if (strcmp(k->recovered[i].id.s, id) == 0) {
            return &k->recovered[i];
        }
    }
    return NULL;
}

int kit_kill(struct kit *k, const char *id, int signal_number)
{
    struct mu_container_id cid;
    assert_int_equal(MU_ID_SET(&cid, "container id", id, NULL), 0);
    return k->ops->kill(k->instance, &cid, signal_number, NULL);
}

static long read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

const char *kit_output(const struct kit *k, const char *id, const char *name)
{
    static char text[8192];
    mu_auto_free char *sandbox = kit_sandbox(k, id);
    mu_auto_free char *path = mu_xasprintf("%s/%s", sandbox, name);
    return read_text(path, text, sizeof(text)) >= 0 ? text : "";
}

void kit_pause(struct kit *k, uint64_t ms)
{
    bool over = false;
    (void)k->host.timer_start(&k->host, ms, set_flag, &over);
    kit_wait(k, &over);
}

void kit_wait_output(struct kit *k, const char *id, const char *text)
{
    for (int i = 0; strstr(kit_output(k, id, "stdout"), text) == NULL; i++) {
        assert_true(i < 4000);
        kit_pause(k, 5); /* a file gives no event here */
    }
}

static bool has_environment(const char *pid, const char *entry)
{
    static char text[65536];
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    long n = read_text(path, text, sizeof(text));
    for (long at = 0; at < n; at += (long)strlen(text + at) + 1) {
        if (strcmp(text + at, entry) == 0) {
            return true;
        }
    }
    return false;
}

size_t kit_count_processes(const struct kit *k, const char *id)
{
    mu_auto_free char *sandbox = kit_sandbox(k, id);
    mu_auto_free char *entry = mu_xasprintf("MESOS_SANDBOX=%s", sandbox);
    size_t count = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9') {
            count += has_environment(e->d_name, entry); /* a zombie has none */
        }
    }
    closedir(d);
    return count;
}

static size_t count_lines_with(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return 0;
    }
    char line[4096];
    size_t count = 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        count += strstr(line, text) != NULL;
    }
    fclose(f);
    return count;
}

void kit_assert_nothing_left(const struct kit *k, const char *id)
{
    struct stat st;
    assert_int_equal(kit_count_processes(k, id), 0);
    mu_auto_free char *state = mu_xasprintf("%s/containers/%s", k->work_dir, id);
    assert_int_equal(stat(state, &st), -1);
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
        mu_auto_free char *path = kit_cgroup(controllers[i], id);
        assert_int_equal(stat(path, &st), -1);
    }
    assert_int_equal(count_lines_with("/proc/self/mountinfo", id), 0);
}

bool kit_is_root(void)
{
    return geteuid() == 0;
}

bool kit_has_memory_cgroup(void)
{
    mu_auto_free char *v1 = kit_cgroup("memory", "memory.limit_in_bytes");
    mu_auto_free char *v2 = kit_cgroup(".", "memory.max");
    return kit_is_root() && (access(v1, W_OK) == 0 || access(v2, W_OK) == 0);
}
