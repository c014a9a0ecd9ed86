/* Fuzzes the server's whole inside without a socket: framing, limits, routes, exchanges,
 * streams.
 *
 * First byte: into how many pieces the rest is cut. The answers are checked as far as
 * their shape is known: they begin like HTTP and nothing follows a final answer. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <uv.h>

#include "runtime/http_conn.h"
#include "runtime/http_server.h"

static struct mu_http_exchange *held;

static void
on_echo(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    assert(strlen(r->path) > 0 && r->body[r->body_len] == '\0');
    for (size_t i = 0; i < r->param_count; i++) {
        assert(r->params[i] != NULL && strlen(r->params[i]) <= strlen(r->path));
    }
    const struct mu_http_header h[] = {
        {"Content-Type", "text/plain"}, {"X-Path", r->path}, {"X-Query", r->query}};
    http_exchange_reply(x, 200, h, 3, r->body, r->body_len);
}

static void on_gone(void *arg)
{
    (void)arg;
    held = NULL;
}

static void
on_hold(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    held = x;
    if (r->query[0] == 'w') {
        http_exchange_on_close(x, on_gone, NULL);
    }
}

static void
on_stream(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    const struct mu_http_header h = {"Content-Type", "application/json"};
    http_exchange_stream_begin(x, 200, &h, 1, r->query[0] == 'b');
    (void)http_exchange_stream_write(x, r->path, strlen(r->path));
    (void)http_exchange_stream_write(x, r->body, r->body_len);
    http_exchange_stream_end(x);
}

static int64_t wall_ms(void *arg)
{
    (void)arg;
    return 1399360089010;
}

static struct http_server *server_of(uv_loop_t *loop)
{
    const struct http_server_config cfg = {.max_header_bytes = 4096,
                                           .max_headers = 16,
                                           .max_url = 1024,
                                           .max_body = 8192,
                                           .wall_ms = wall_ms};
    static const struct {
        const char *method, *pattern;
        mu_http_handler_cb handler;
    } routes[] = {{"GET", "/", on_echo},
                  {"POST", "/e", on_echo},
                  {"GET", "/v2/apps/{id...}", on_echo},
                  {"PUT", "/v2/apps/{id...}", on_echo},
                  {"GET", "/v2/{what}/{which}", on_echo},
                  {"GET", "/hold", on_hold},
                  {"GET", "/s", on_stream},
                  {"POST", "/s", on_stream}};
    struct http_server *s = http_server_create(loop, &cfg);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        int status = http_server_route(s, "fuzz", routes[i].method, routes[i].pattern,
                                       routes[i].handler, s, NULL);
        assert(status == 0);
    }
    return s;
}

static void on_sink(void *arg, const char *data, size_t len)
{
    struct mu_buf *out = arg;
    (void)mu_buf_append(out, data, len); /* what is beyond its maximum is not looked at */
}

static void turn(uv_loop_t *loop)
{
    for (int i = 0; i < 3; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        if (held != NULL) {
            struct mu_http_exchange *x = held;
            held = NULL;
            http_exchange_reply(x, 200, NULL, 0, "held", 4);
        }
    }
}

/* Only then may the connection be touched. */
static bool is_open(const struct http_server *s)
{
    struct http_server_stats stats;
    http_server_stats(s, &stats);
    return stats.connections_open > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uv_loop_t loop;
    static struct http_server *server;
    if (server == NULL) {
        uv_loop_init(&loop);
        server = server_of(&loop);
    }
    if (size < 1 || size > 60000) {
        return 0;
    }
    struct mu_buf out;
    mu_buf_init(&out, 1 << 20);
    struct http_conn *c = http_conn_open_detached(server, "fuzz", on_sink, &out);
    size_t pieces = data[0] % 16 + 1;
    const char *at = (const char *)data + 1;
    size_t left = size - 1;
    while (left > 0 && is_open(server)) {
        size_t n = left / pieces;
        n = n == 0 || pieces == 1 ? left : n;
        http_conn_feed(c, at, n);
        at += n;
        left -= n;
        pieces -= pieces > 1 ? 1 : 0;
        if ((data[0] & 16) != 0) {
            turn(&loop);
        }
    }
    if (is_open(server) && (data[0] & 32) != 0) {
        http_conn_feed_eof(c);
    }
    if ((data[0] & 64) != 0) {
        turn(&loop);
    }
    if (is_open(server)) {
        http_conn_close(c); /* twice is fine */
    }
    turn(&loop);
    assert(!is_open(server));
    assert(out.len == 0 || strncmp(mu_buf_str(&out), "HTTP/1.1 ", 9) == 0);
    mu_buf_release(&out);
    return 0;
}
