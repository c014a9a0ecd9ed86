/* muster: the entry. Prepares the process (signals, descriptors, crash report), turns the
 * command line into options and plugins (startup.c), and runs them (process.c). */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runtime/crash.h"
#include "runtime/log_tool.h"
#include "runtime/process.h"
#include "runtime/startup.h"

/* Where plugins are: beside the executable (build tree), where it was installed (moved
 * with the executable: DESTDIR, a container image), and the place configured at build
 * time. */
struct places {
    char *own_dir;
    char *items[3];
};

static void find_places(struct places *p)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash = n > 0 ? memrchr(exe, '/', (size_t)n) : NULL;
    p->own_dir =
        slash == NULL ? mu_xstrdup(".") : mu_xstrndup(exe, (size_t)(slash - exe));
    p->items[0] = mu_xasprintf("%s/plugins", p->own_dir);
    p->items[1] = mu_xasprintf("%s/%s", p->own_dir, MUSTER_PLUGINDIR_FROM_BINDIR);
    p->items[2] = mu_xstrdup(MUSTER_PLUGINDIR);
}

static void release_places(struct places *p)
{
    for (size_t i = 0; i < MU_COUNT_OF(p->items); i++) {
        free(p->items[i]);
    }
    free(p->own_dir);
}

/* Each connection is a descriptor; the soft limit of 1024 is for programs that use
 * select(), as tasks may, so they get what was before. */
static struct rlimit raise_descriptor_limit(void)
{
    struct rlimit before = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &before) == 0 && before.rlim_cur < before.rlim_max) {
        const struct rlimit limit = {before.rlim_max, before.rlim_max};
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* goes on with what there is */
    }
    return before;
}

static void print_errors(const struct mu_buf *errors)
{
    for (const char *p = mu_buf_str(errors); *p != '\0';) {
        int len = (int)strcspn(p, "\n");
        (void)fprintf(stderr, "muster: %.*s\n", len, p);
        p += len + (p[len] == '\n');
    }
}

static int run(int argc, char **argv, char **envp, const struct rlimit *descriptors)
{
    struct places places = {0};
    find_places(&places);
    const struct startup_input in = {
        .argc = argc,
        .argv = (const char *const *)argv,
        .envp = (const char *const *)envp,
        .plugin_dirs = (const char *const *)places.items,
        .plugin_dir_count = MU_COUNT_OF(places.items),
        .descriptors_soft = descriptors->rlim_cur,
        .descriptors_hard = descriptors->rlim_max,
    };
    struct startup s = {0};
    int exit_code = 0;
    switch (startup_prepare(&s, &in)) {
    case STARTUP_RUN:
        exit_code = process_run(&s);
        break;
    case STARTUP_LOG:
        exit_code = log_tool_run(&s.log, &s.errors);
        break;
    case STARTUP_PRINTED:
        (void)fputs(mu_buf_str(&s.out), stdout);
        break;
    case STARTUP_REFUSED:
        (void)fputs(mu_buf_str(&s.out), stdout);
        exit_code = 1;
        break;
    }
    print_errors(&s.errors);
    startup_release(&s);
    release_places(&places);
    return fflush(stdout) == 0 ? exit_code : 1;
}

int main(int argc, char **argv, char **envp)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error code */
    (void)signal(SIGXFSZ, SIG_IGN); /* so is a journal over the file size limit */
    crash_install(STDERR_FILENO);
    const struct rlimit descriptors = raise_descriptor_limit();
    return run(argc, argv, envp, &descriptors);
}
