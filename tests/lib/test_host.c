/* See test_host.h. */
#include "lib/test_host.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/host.h"
#include "runtime/http_server.h"
#include "runtime/log_sinks.h"

int test_fd_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 3; /* ".", ".." and the directory itself */
}

void test_fd_print(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        char link[64], target[256];
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof(target) - 1);
        if (n >= 0) {
            target[n] = '\0';
            fprintf(stderr, "fd %d: %s\n", fd, target);
        }
    }
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* libuv keeps a pipe for signals from the first loop to the end of the process. */
static void warm_up(void)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_failed(void *arg, const char *plugin, const struct mu_error *err)
{
    (void)plugin;
    struct test_host *th = arg;
    th->failed = true;
    th->reason = *err;
}

struct test_host *test_host_open(void)
{
    warm_up();
    struct test_host *th = MU_NEW(struct test_host);
    th->fds_before = test_fd_count();
    th->loop = MU_NEW(uv_loop_t);
    assert_int_equal(uv_loop_init(th->loop), 0);
    const char *tmp = getenv("TMPDIR");
    th->work_dir = mu_xasprintf("%s/muster-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(th->work_dir));
    int level = MU_WARN;
    if (getenv("MUSTER_TEST_LOG") != NULL) {
        assert_int_equal(rt_log_level_parse(getenv("MUSTER_TEST_LOG"), &level), 0);
    }
    const struct rt_host_config config = {
        .loop = th->loop,
        .work_dir = th->work_dir,
        .log_level = level,
        .log_fd = STDERR_FILENO,
        .on_failed = on_failed,
        .arg = th,
    };
    struct mu_error err;
    if (rt_host_open(&config, &th->rt, &err) < 0) {
        fail_msg("%s", err.text);
    }
    th->host = rt_host_get(th->rt);
    const struct http_server_config http = {.log = rt_host_log_detail, .log_arg = th->rt};
    th->http = http_server_create(th->loop, &http);
    rt_host_set_http_server(th->rt, th->http);
    return th;
}

uint16_t test_host_listen(struct test_host *th, const char *listener)
{
    uint16_t port = 0;
    struct mu_error err;
    if (http_server_listen(th->http, listener, "127.0.0.1", 0, &port, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return port;
}

static void on_timeout(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

bool test_host_run_until(struct test_host *th, const bool *flag, uint64_t timeout_ms)
{
    bool is_late = false;
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(th->loop, &timer), 0);
    timer.data = &is_late;
    uv_update_time(th->loop);
    uv_timer_start(&timer, on_timeout, timeout_ms, 0);
    uv_unref((uv_handle_t *)&timer); /* must not hide that nothing else is left */
    int alive = 1;
    while (!*flag && !is_late && alive != 0) {
        alive = uv_run(th->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(th->loop, UV_RUN_NOWAIT); /* the timer is on this stack: see it closed */
    return *flag;
}

void test_host_turn(struct test_host *th, int n)
{
    for (int i = 0; i < n; i++) {
        uv_run(th->loop, UV_RUN_NOWAIT);
    }
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void test_host_close(struct test_host *th)
{
    bool stopped = false;
    http_server_stop(th->http, 0, set_flag, &stopped);
    if (!test_host_run_until(th, &stopped, 10000)) {
        fail_msg("the HTTP server does not stop");
    }
    http_server_destroy(th->http);
    bool closed = false;
    rt_host_close(th->rt, set_flag, &closed);
    bool in_time = test_host_run_until(th, &closed, 10000);
    test_host_turn(th, 2); /* closing handles that the test asked for last */
    if (!in_time || uv_loop_close(th->loop) != 0) {
        uv_print_all_handles(th->loop, stderr);
        fail_msg("the loop is not empty (host closed: %d)", closed);
    }
    test_remove_tree(th->work_dir);
    if (test_fd_count() != th->fds_before) {
        test_fd_print();
        fail_msg("%d file descriptors before, %d after", th->fds_before, test_fd_count());
    }
    free(th->work_dir);
    free(th->loop);
    free(th);
}
