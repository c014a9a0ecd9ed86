/* Fuzzes what the client makes of a server's bytes. libcurl wants a real socket, so the
 * answer goes over a unix socket on the same loop; slower than the other targets. First
 * byte: streaming or collected, and where the answer is cut in two. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "runtime/http_client.h"

struct world {
    uv_loop_t loop;
    struct http_client *client;
    int listener;
    struct sockaddr_un addr;
};

struct call {
    int done, heads;
    size_t got;
};

static void on_headers(void *arg, int status, const struct mu_http_header *h, size_t n)
{
    struct call *c = arg;
    assert(status >= 101 && !c->done && c->heads++ == 0);
    for (size_t i = 0; i < n; i++) {
        assert(strlen(h[i].name) + strlen(h[i].value) < 100000);
    }
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct call *c = arg;
    (void)data;
    assert(!c->done && c->heads == 1);
    c->got += len;
}

static void on_done(void *arg, const struct mu_http_answer *a)
{
    struct call *c = arg;
    assert(c->done++ == 0 && a->status != 0);
    assert((a->status < 0) == (a->error_text != NULL));
    assert(a->body_len <= 4096 && a->body[a->body_len] == '\0');
    for (size_t i = 0; i < a->header_count; i++) {
        assert(a->headers[i].name != NULL && a->headers[i].value != NULL);
    }
}

static struct world *open_world(void)
{
    static struct world w;
    if (w.client == NULL) {
        uv_loop_init(&w.loop);
        int status = http_client_create(&w.loop, NULL, &w.client, NULL);
        assert(status == 0);
        w.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        w.addr.sun_family = AF_UNIX;
        snprintf(w.addr.sun_path, sizeof(w.addr.sun_path), "/tmp/fuzz_http_%d", getpid());
        status = bind(w.listener, (struct sockaddr *)&w.addr, sizeof(w.addr));
        assert(status == 0);
        status = listen(w.listener, 8);
        assert(status == 0);
    }
    return &w;
}

static int until_accepted(struct world *w)
{
    for (;;) {
        int fd = accept(w->listener, NULL, NULL);
        if (fd >= 0) {
            return fd;
        }
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 60000) {
        return 0;
    }
    struct world *w = open_world();
    struct call call = {0};
    struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = (data[0] & 2) != 0 ? "HEAD" : "GET",
        .url = "http://localhost/",
        .unix_socket = w->addr.sun_path,
        .timeout_ms = 5000,
        .max_body = 4096,
        .on_done = on_done,
        .arg = &call,
    };
    const struct mu_http_header upgrade[] = {{"Connection", "Upgrade"},
                                             {"Upgrade", "tcp"}};
    if ((data[0] & 1) != 0) {
        ask.on_headers = on_headers;
        ask.on_data = on_data;
        ask.headers = upgrade;
        ask.header_count = 2;
    }
    int status = http_client_request(w->client, &ask, NULL, NULL);
    assert(status == 0);
    int fd = until_accepted(w);
    size_t first = (size - 1) * (data[0] >> 2) / 64;
    (void)send(fd, data + 1, first, MSG_NOSIGNAL | MSG_DONTWAIT);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    (void)send(fd, data + 1 + first, size - 1 - first, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    while (!call.done) {
        uv_run(&w->loop, UV_RUN_ONCE);
        /* libcurl may try once more on a new connection: there is none. */
        int again = accept(w->listener, NULL, NULL);
        if (again >= 0) {
            close(again);
        }
    }
    close(fd);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void remove_socket(void)
{
    (void)unlink(open_world()->addr.sun_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return atexit(remove_socket);
}
