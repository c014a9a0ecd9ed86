/* HTTP/1.1 server on libuv and llhttp: listeners, routes, exchanges, orderly stop.
 *
 * One server serves several named listeners ("master", "marathon", "agent"), each with
 * routes of its own. What a handler sees is in <muster/http.h>; the http_exchange_*
 * functions here are what struct mu_host offers plugins. Loop thread only.
 *
 * Life: create, route and listen in any order, run the loop, stop (asynchronous),
 * destroy after stop's callback. Connections serve one request at a time: pipelined
 * requests wait as bytes, in order, and at most HTTP_PENDING_MAX of them are read ahead.
 */
#ifndef MU_RUNTIME_HTTP_SERVER_H
#define MU_RUNTIME_HTTP_SERVER_H

#include <muster/buf.h>
#include <muster/host.h>
#include <muster/http.h>

struct http_server;
struct uv_loop_s;

/* A member that is 0 takes the default. */
struct http_server_config {
    uint64_t idle_timeout_ms;   /* 60 s: keep-alive, between two requests */
    uint64_t header_timeout_ms; /* 10 s: first byte of a request to its last header */
    uint64_t
        body_timeout_ms; /* 30 s: without a byte of the body; ten times that in all */
    uint64_t send_timeout_ms;  /* 60 s: unsent bytes and no progress */
    size_t max_connections;    /* 1024; one more is answered 503 and closed */
    size_t max_header_bytes;   /* 64 KiB: all names and values, trailers too; 431 */
    size_t max_headers;        /* 128; 431 */
    size_t max_url;            /* 16 KiB; 414 */
    size_t max_body;           /* MU_HTTP_BODY_MAX; 413. Also the inflated size */
    size_t stream_bound_bytes; /* 4 MiB unsent per stream */
    /* Wall clock for the Date header; NULL: no Date is sent. */
    int64_t (*wall_ms)(void *arg);
    void *wall_arg;
    /* message is fixed text, detail "key=value ..." or NULL. May be NULL. */
    void (*log)(void *arg, int level, const char *message, const char *detail);
    void *log_arg;
};

struct http_server_stats {
    uint64_t connections_open, connections_total, connections_refused;
    uint64_t requests;
    uint64_t responses[6]; /* by status / 100; [0] unused */
    uint64_t bytes_in, bytes_out;
    uint64_t timeouts;     /* connections ended by a time-out (idle ones not counted) */
    uint64_t slow_readers; /* streams cut because the client did not read */
    uint64_t bad_requests; /* refused before any handler: malformed or over a limit */
};

/* cfg is copied; NULL: all defaults. Never NULL. */
struct http_server *http_server_create(struct uv_loop_s *loop,
                                       const struct http_server_config *cfg);
/* Serve the listener of that name on ip:port (port 0: any free one) from now on; may be
 * called several times for one name. out_port may be NULL. Errors: negative errno, text
 * names ip and port. */
MU_NODISCARD int http_server_listen(struct http_server *s,
                                    const char *listener,
                                    const char *ip,
                                    uint16_t port,
                                    uint16_t *out_port,
                                    struct mu_error *err);
/* The same on a unix socket. The file must not exist; it is removed at stop. */
MU_NODISCARD int http_server_listen_unix(struct http_server *s,
                                         const char *listener,
                                         const char *path,
                                         struct mu_error *err);
/* Errors: -EEXIST (method and shape taken), MU_E_INVALID (method or pattern). */
MU_NODISCARD int http_server_route(struct http_server *s,
                                   const char *listener,
                                   const char *method,
                                   const char *pattern,
                                   mu_http_handler_cb handler,
                                   void *arg,
                                   struct mu_error *err);
/* Drop all routes and fallbacks of that arg. Its running exchanges go on: their owner
 * ends them. */
void http_server_unroute(struct http_server *s, const void *arg);
/* Called when no route matches, instead of the 404; handler NULL: back to the 404. */
void http_server_set_fallback(struct http_server *s,
                              const char *listener,
                              mu_http_handler_cb handler,
                              void *arg);
/* Called before each request on that listener is answered, whoever answers it: for what
 * must be looked at first. cb NULL: none. */
void http_server_set_guard(struct http_server *s,
                           const char *listener,
                           mu_cb cb,
                           void *arg);
/* cb NULL: back to plain text like "404 Not Found.". */
void http_server_set_error_body(struct http_server *s,
                                const char *listener,
                                mu_http_error_body_cb cb);
void http_server_stats(const struct http_server *s, struct http_server_stats *out);
/* No new connections; idle ones are closed; endless streams are ended (their on_close is
 * called); everything else has grace_ms to finish. cb, from the loop, when no handle of
 * the server is left. Once. */
void http_server_stop(struct http_server *s, uint64_t grace_ms, mu_cb cb, void *arg);
/* After stop's callback (or inside it). NULL is fine. */
void http_server_destroy(struct http_server *s);

/* ---- exchanges: see struct mu_host for the rules ---- */

/* An exchange whose client has gone lives on until it is answered, unless on_close was
 * set (then it dies with that callback): a handler that does not care about disconnects
 * need not set it. */
void http_exchange_reply(struct mu_http_exchange *x,
                         int status,
                         const struct mu_http_header *headers,
                         size_t header_count,
                         const void *body,
                         size_t len);
void http_exchange_stream_begin(struct mu_http_exchange *x,
                                int status,
                                const struct mu_http_header *headers,
                                size_t header_count,
                                bool bounded);
/* One piece is always taken when nothing is unsent, however long it is. Small pieces are
 * sent together at the end of the loop turn. */
int http_exchange_stream_write(struct mu_http_exchange *x, const void *data, size_t len);
void http_exchange_stream_drain(struct mu_http_exchange *x,
                                size_t low_bytes,
                                mu_cb cb,
                                void *arg);
void http_exchange_stream_end(struct mu_http_exchange *x);
void http_exchange_stream_abort(struct mu_http_exchange *x);
void http_exchange_on_close(struct mu_http_exchange *x, mu_http_closed_cb cb, void *arg);
const struct mu_http_request *http_exchange_request(const struct mu_http_exchange *x);

#endif
