/* containerizer `mesos`: native containers, as Mesos's containerizer of that name runs
 * tasks without an image. Descriptor, flags, create to destroy. */
#include "native.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NAT_LIBEXECDIR
#define NAT_LIBEXECDIR "/usr/local/libexec/muster"
#endif
#define HELPER "muster-container"
#define ADOPT_MS 2000u
#define STOP_MS_MAX 10000u
#define OUTPUT_MAX_MIN 65536u

static const struct mu_flag flags[] = {
    {"launcher_dir", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, NULL, "DIR",
     "Directory of the helper executable muster-container. By default that of this "
     "executable, then the installed one."},
    {"launcher", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, "auto", "auto|linux|posix",
     "How native containers are kept apart. linux: PID and mount namespaces and cgroups "
     "(needs root). posix: sessions and process groups only. auto: what is possible."},
    {"cgroups_hierarchy", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, "/sys/fs/cgroup", "DIR",
     "Where the cgroups are mounted."},
    {"cgroups_root", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME, "muster", "NAME",
     "Cgroup below which each native container gets its own."},
    {"cgroups_enable_cfs", MU_FLAG_BOOL, MU_FLAG_GLOBAL_NAME, "false", NULL,
     "Make a task's cpus a hard limit (CFS quota), not only a share."},
    {"cgroups_limit_swap", MU_FLAG_BOOL, MU_FLAG_GLOBAL_NAME, "false", NULL,
     "Let the memory limit count swap too (cgroups v1 only)."},
    {"cgroups_destroy_timeout", MU_FLAG_DURATION, MU_FLAG_GLOBAL_NAME, "60secs", NULL,
     "How long the end of a killed native container is waited for, before its removal "
     "counts as failed."},
    {"max_sandbox_log_size", MU_FLAG_BYTES, MU_FLAG_GLOBAL_NAME, "1GB", "BYTES",
     "How much of each of a native task's stdout and stderr is kept on the disk: over "
     "that the older part is cut off, which the file says. 0: no bound."},
    {0},
};

/* ---- small services ---- */

/* Zeroed memory for small things of fixed size. */
void *nat_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort(); /* tasks run on, and the next agent takes them over */
    }
    return p;
}

/* A formatted text. */
char *nat_text(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        abort();
    }
    return text;
}

/* Do something on a worker. When no worker can be had it is done here. */
void nat_work(struct native *n, mu_cb work, mu_cb done, void *arg)
{
    n->works++;
    if (n->host->work(n->host, work, done, arg) < 0) {
        work(arg);
        (void)n->host->timer_start(n->host, 0, done, arg);
    }
}

/* Do something in the next turn of the loop. */
void nat_later(struct native *n, mu_cb cb, void *arg)
{
    n->works++;
    (void)n->host->timer_start(n->host, 0, cb, arg);
}

/* One of them is over. */
void nat_work_done(struct native *n)
{
    n->works--;
    nat_maybe_stopped(n);
}

/* Know where the state directories are. */
void nat_use_label(struct native *n, const char *agent_label)
{
    if (n->root == NULL) {
        n->root = nat_text("%s/containers", agent_label);
        n->is_ephemeral = true;
        (void)mkdir(n->root, 0700); /* a failure shows at the first launch */
    }
}

/* ---- life ---- */

static bool is_executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool try_helper(struct native *n, const char *dir)
{
    int len = snprintf(n->helper, sizeof(n->helper), "%s/%s", dir, HELPER);
    return len > 0 && (size_t)len < sizeof(n->helper) && is_executable(n->helper);
}

static int find_helper(struct native *n, const char *launcher_dir, struct mu_error *err)
{
    if (launcher_dir != NULL) {
        return try_helper(n, launcher_dir)
                   ? 0
                   : mu_fail(err, MU_E_NOT_FOUND,
                             "no executable '%s' in the launcher_dir '%s'", HELPER,
                             launcher_dir);
    }
    char own[PATH_MAX];
    size_t size = sizeof(own);
    if (uv_exepath(own, &size) == 0) {
        char *slash = strrchr(own, '/');
        if (slash != NULL) {
            *slash = '\0';
            if (try_helper(n, own)) {
                return 0;
            }
        }
    }
    if (try_helper(n, NAT_LIBEXECDIR)) {
        return 0;
    }
    return mu_fail(err, MU_E_NOT_FOUND,
                   "no executable '%s' beside this one or in '%s': set --launcher_dir",
                   HELPER, NAT_LIBEXECDIR);
}

/* Namespaces need privileges; whether they suffice is seen when the first supervisor
 * tries (it goes on without and says so). */
static int
choose_isolation(struct native *n, const struct mu_flags *values, struct mu_error *err)
{
    const char *launcher = mu_flags_string(values, "launcher");
    bool is_root = geteuid() == 0;
    if (strcmp(launcher, "posix") == 0) {
        return 0;
    }
    if (strcmp(launcher, "linux") != 0 && strcmp(launcher, "auto") != 0) {
        return mu_fail(err, MU_E_INVALID, "launcher '%s' is none of auto, linux, posix",
                       launcher);
    }
    if (strcmp(launcher, "linux") == 0 && !is_root) {
        return mu_fail(err, -EPERM, "launcher 'linux' needs root");
    }
    n->has_namespaces = is_root;
    return 0;
}

static int
choose_output_max(struct native *n, const struct mu_flags *values, struct mu_error *err)
{
    n->output_max = mu_flags_bytes(values, "max_sandbox_log_size");
    if (n->output_max > 0 && n->output_max < OUTPUT_MAX_MIN) {
        return mu_fail(err, MU_E_INVALID,
                       "max_sandbox_log_size is below 64KB (0 means no bound)");
    }
    return 0;
}

static void find_cgroups(struct native *n, const struct mu_flags *values)
{
    if (strcmp(mu_flags_string(values, "launcher"), "posix") == 0) {
        return;
    }
    const struct nat_cgroups_config config = {
        .hierarchy = mu_flags_string(values, "cgroups_hierarchy"),
        .root = mu_flags_string(values, "cgroups_root"),
    };
    struct mu_buf missing;
    mu_buf_init(&missing, 1024);
    nat_cgroups_detect(&config, &n->layout, &missing);
    if (missing.len > 0 || !n->has_namespaces) {
        n->host->log(
            n->host, MU_WARN, "native containers run with less isolation, continuing",
            "missing=%s%s%s",
            n->has_namespaces ? "" : "namespaces and other users (not root)",
            n->has_namespaces || missing.len == 0 ? "" : ", ", mu_buf_str(&missing));
    }
    mu_buf_release(&missing);
}

static int create(const struct mu_host *host,
                  const struct mu_flags *values,
                  void **out_instance,
                  struct mu_error *err)
{
    if (host->loop(host) == NULL) {
        return mu_fail(err, -ENOTSUP, "native containers need a real loop");
    }
    struct native *n = nat_alloc(sizeof(*n));
    n->host = host;
    n->loop = host->loop(host);
    n->values = values;
    int rc = find_helper(n, mu_flags_string(values, "launcher_dir"), err);
    if (rc == 0) {
        rc = choose_isolation(n, values, err);
    }
    if (rc == 0) {
        rc = choose_output_max(n, values, err);
    }
    if (rc < 0) {
        free(n);
        return rc;
    }
    n->limits.has_quota = mu_flags_bool(values, "cgroups_enable_cfs");
    n->limits.has_swap_limit = mu_flags_bool(values, "cgroups_limit_swap");
    n->destroy_timeout_ms = mu_flags_duration_ms(values, "cgroups_destroy_timeout");
    uint64_t half_ms = n->destroy_timeout_ms / 2;
    n->machine_config = (struct nat_container_config){
        .adopt_ms = ADOPT_MS, .stop_ms = half_ms < STOP_MS_MAX ? half_ms : STOP_MS_MAX};
    *out_instance = n;
    return 0;
}

static void on_child_ended(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    nat_reap_all(handle->data);
}

static int start(void *instance, struct mu_error *err)
{
    struct native *n = instance;
    const char *work_dir = n->host->work_dir(n->host);
    if (work_dir != NULL) {
        n->root = nat_text("%s/containers", work_dir);
        if (mkdir(n->root, 0700) < 0 && errno != EEXIST) {
            int rc = -errno;
            return mu_fail(err, rc, "make '%s': %s", n->root, mu_strerror(rc));
        }
    }
    find_cgroups(n, n->values);
    uv_signal_init(n->loop, &n->child_ended);
    n->child_ended.data = n;
    n->is_started = true;
    int rc = uv_signal_start(&n->child_ended, on_child_ended, SIGCHLD);
    if (rc < 0) {
        return mu_fail(err, rc, "watch for ended processes: %s", mu_strerror(rc));
    }
    uv_unref((uv_handle_t *)&n->child_ended);
    return 0;
}

static void on_signal_closed(uv_handle_t *handle)
{
    struct native *n = handle->data;
    n->is_signal_closed = true;
    nat_maybe_stopped(n);
}

static void on_never_started(void *arg)
{
    struct native *n = arg;
    n->is_signal_closed = true;
    nat_work_done(n);
}

/* The one place that decides "all is over": called from every end. */
void nat_maybe_stopped(struct native *n)
{
    bool is_over = n->is_stopping && n->is_signal_closed && n->links == NULL &&
                   n->works == 0 && n->stopped_cb != NULL;
    if (!is_over) {
        return;
    }
    mu_cb cb = n->stopped_cb;
    n->stopped_cb = NULL;
    nat_boxes_answer(n);
    nat_recovery_answer(n);
    cb(n->stopped_arg);
}

static void stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct native *n = instance;
    n->is_stopping = true;
    n->stopped_cb = stopped_cb;
    n->stopped_arg = arg;
    nat_boxes_stop(n);
    nat_links_stop(n);
    if (n->is_started) {
        uv_close((uv_handle_t *)&n->child_ended, on_signal_closed);
    } else {
        nat_later(n, on_never_started, n);
    }
}

static void destroy(void *instance)
{
    struct native *n = instance;
    if (n == NULL) {
        return;
    }
    nat_boxes_destroy(n);
    free(n->root);
    free(n->unreaped);
    free(n);
}

MU_PLUGIN_DEFINE(containerizer_mesos) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_CONTAINERIZER,
    .name = "mesos",
    .version = MU_PLUGIN_VERSION,
    .summary = "native containers: processes in namespaces and cgroups of their own",
    .flags = flags,
    .ops = &nat_ops,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
};
