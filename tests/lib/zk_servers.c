/* See zk_servers.h. */
#include "lib/zk_servers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define CONTROL_MS 90000

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("%s is not set: run this below with-zookeeper", name);
    }
    return value;
}

size_t zk_servers_count(void)
{
    size_t count = 1;
    for (const char *c = setting("MUSTER_TEST_ZK"); *c != '\0'; c++) {
        count += *c == ',';
    }
    return count;
}

char *zk_servers_url(const char *path)
{
    return mu_xasprintf("zk://%s%s", setting("MUSTER_TEST_ZK"), path);
}

char *zk_server_url(size_t number, const char *path)
{
    const char *at = setting("MUSTER_TEST_ZK");
    for (size_t i = 1; i < number; i++) {
        at = strchr(at, ',');
        assert_non_null(at);
        at++;
    }
    return mu_xasprintf("zk://%.*s%s", (int)strcspn(at, ","), at, path);
}

static void send_signal(size_t number, int signo)
{
    mu_auto_free char *path =
        mu_xasprintf("%s/%zu/pid", setting("MUSTER_TEST_ZK_DIR"), number);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    int pid = 0;
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, signo), 0);
}

void zk_server_freeze(size_t number)
{
    send_signal(number, SIGSTOP);
}

void zk_server_resume(size_t number)
{
    send_signal(number, SIGCONT);
}

/* ---- the program that controls them ---- */

struct run {
    uv_process_t process;
    uv_pipe_t out;
    char text[64];
    size_t len;
    int64_t status;
    int open;
    bool ended;
};

static void on_closed(uv_handle_t *handle)
{
    struct run *r = handle->data;
    r->open--;
    r->ended = r->open == 0;
}

static void on_exit_of(uv_process_t *process, int64_t status, int term_signal)
{
    struct run *r = process->data;
    r->status = term_signal != 0 ? -term_signal : status;
    uv_close((uv_handle_t *)process, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct run *r = handle->data;
    *buf = uv_buf_init(r->text + r->len, (unsigned)(sizeof(r->text) - 1 - r->len));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct run *r = stream->data;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
    } else {
        r->len += (size_t)n;
    }
}

static void run_control(struct test_host *th, char **words, struct run *r)
{
    *r = (struct run){.open = 2};
    assert_int_equal(uv_pipe_init(th->loop, &r->out, 0), 0);
    r->process.data = r->out.data = r;
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&r->out},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    const uv_process_options_t options = {
        .exit_cb = on_exit_of,
        .file = words[0],
        .args = words,
        .stdio = stdio,
        .stdio_count = 3,
    };
    assert_int_equal(uv_spawn(th->loop, &r->process, &options), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&r->out, on_alloc, on_output), 0);
    assert_true(test_host_run_until(th, &r->ended, CONTROL_MS));
    assert_int_equal(r->status, 0);
}

void zk_servers_do(struct test_host *th, const char *verb, size_t number)
{
    mu_auto_free char *text = mu_xasprintf("%zu", number);
    mu_auto_free char *action = mu_xstrdup(verb);
    mu_auto_free char *program = mu_xstrdup(setting("MUSTER_TEST_ZK_CONTROL"));
    char python[] = "python3";
    char *words[] = {python, program, action, number != 0 ? text : NULL, NULL};
    struct run r;
    run_control(th, words, &r);
}

size_t zk_servers_leader(struct test_host *th)
{
    mu_auto_free char *program = mu_xstrdup(setting("MUSTER_TEST_ZK_CONTROL"));
    char python[] = "python3";
    char leader[] = "leader";
    char *words[] = {python, program, leader, NULL};
    struct run r;
    run_control(th, words, &r);
    size_t number = 0;
    assert_int_equal(sscanf(r.text, "%zu", &number), 1);
    return number;
}

void zk_servers_heal(struct test_host *th)
{
    zk_servers_do(th, "resume", 0);
    zk_servers_do(th, "start", 0);
    zk_servers_do(th, "wait", 0);
}
