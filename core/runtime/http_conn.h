/* Inside of the HTTP server: what http_server.c, http_conn.c, http_parse.c,
 * http_exchange.c and http_head.c share. Nobody else includes this, but the fuzzer, which
 * feeds a connection without a socket.
 *
 * A connection embeds the parser and its one exchange. Any of its functions may close it
 * at any time: http_conn_close only asks libuv, and the memory goes in the last close
 * callback at the earliest, so nothing is freed under a running callback. If the exchange
 * is still unanswered then, and nobody asked to be told (on_close), the connection waits
 * for the answer in the server's list of orphans.
 */
#ifndef MU_RUNTIME_HTTP_CONN_H
#define MU_RUNTIME_HTTP_CONN_H

#include <llhttp.h>
#include <uv.h>

#include <muster/time.h>

#include "base/list.h"
#include "runtime/http_gzip.h"
#include "runtime/http_router.h"
#include "runtime/http_server.h"

enum {
    HTTP_READ_MAX = 64 * 1024,     /* one read, shared by all connections */
    HTTP_PENDING_MAX = 64 * 1024,  /* pipelined bytes read ahead; then reading stops */
    HTTP_UNSENT_HIGH = 256 * 1024, /* no further pipelined request while so much waits */
    HTTP_COALESCE_MAX = 16 * 1024, /* stream pieces are gathered up to this */
    HTTP_LINGER_MS = 5000,         /* after an early answer, for the client to read it */
};

#define HTTP_EXCHANGE_MAGIC 0x68787831u /* "hxx1" */

enum http_conn_state {
    CONN_IDLE,     /* nothing of the next request is here */
    CONN_HEAD,     /* part of a request head */
    CONN_BODY,     /* head complete, body on its way */
    CONN_EXCHANGE, /* a handler has it */
    CONN_FLUSH,    /* last answer being sent; then close or linger */
    CONN_LINGER,   /* our side is shut; input is swallowed until the client closes */
    CONN_CLOSED,   /* handles are closing or closed */
};

enum http_exchange_state {
    EXCHANGE_NONE,
    EXCHANGE_OPEN,      /* nothing sent */
    EXCHANGE_STREAMING, /* head sent */
    EXCHANGE_DYING,     /* inside on_close: every call is ignored */
};

struct mu_http_exchange {
    uint32_t magic;
    enum http_exchange_state state;
    struct mu_http_request request;
    bool head_only;   /* HEAD */
    bool chunked;     /* the stream's pieces are framed */
    bool bounded;     /* a finite stream */
    bool accept_gzip; /* the client's wish */
    mu_http_closed_cb closed_cb;
    void *closed_arg;
    mu_cb drain_cb;
    void *drain_arg;
    size_t drain_low;
    struct http_deflater *deflater; /* of a compressed stream */
};

/* A piece of text in conn->head, by offsets while the buffer may move. */
struct http_span {
    uint32_t at, len;
};

enum http_deferred {
    DEFER_FLUSH = 1,  /* send what is gathered in out */
    DEFER_RESUME = 2, /* go on with pending input */
    DEFER_DRAIN = 4,  /* call drain_cb if it is due */
    DEFER_CLOSE = 8,  /* the client had gone before anybody asked to be told */
};

/* Where a connection without a socket sends. */
typedef void (*http_sink_cb)(void *arg, const char *data, size_t len);

struct http_conn {
    struct http_server *server;
    struct http_listener *listener;
    struct mu_list link;          /* in server->conns or server->orphans */
    struct mu_list deferred_link; /* in server->deferred */
    unsigned deferred;            /* enum http_deferred */
    enum http_conn_state state;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    bool has_io; /* false: a sink instead of a socket */
    http_sink_cb sink;
    void *sink_arg;
    uv_timer_t timer; /* lazy: may fire early, then looks at the deadlines again */
    uv_shutdown_t shutdown_req;
    unsigned open_handles;
    char peer[64];

    /* flow */
    bool reading, eof;
    bool processing;          /* http_conn_feed is on the stack */
    bool keep_alive;          /* of the current request */
    bool linger;              /* unread input is to be expected behind the last answer */
    bool counted;             /* against max_connections */
    bool until_close;         /* a finite answer's end is the connection's (HTTP/1.0) */
    uint64_t served;          /* answered requests */
    struct mu_buf pending;    /* input that waits for its turn */
    struct mu_buf out;        /* gathered stream pieces */
    uint64_t queued_total;    /* bytes ever given to uv_write */
    uint64_t stall_sent;      /* how much of that was sent when stall_at was set */
    uint64_t deadline_at;     /* of the state; MU_NEVER_MS: none */
    uint64_t stall_at;        /* while bytes are unsent */
    uint64_t timer_due;       /* when the timer fires */
    uint64_t body_started_at; /* of the current body */

    /* request being read: http_parse.c */
    llhttp_t parser;
    bool parser_paused, message_ready, head_done;
    bool expect_continue, has_body, body_gzip;
    uint8_t http_minor;
    int reject_status; /* not 0: refuse the request with this */
    const char *reject_text;
    struct mu_buf head; /* url, then names and values, each NUL-terminated */
    struct http_span url;
    struct http_span *fields; /* name, value, name, value ... */
    size_t field_count, field_cap;
    size_t head_bytes;
    struct mu_http_header *headers;
    size_t header_count, header_cap;
    struct mu_buf body, inflated;
    struct mu_buf params_text;
    const char *params[HTTP_ROUTE_HOLES_MAX];

    struct mu_http_exchange x;
};

struct http_listener {
    struct mu_list link;
    char *name;
    struct http_router *router;
    mu_http_handler_cb fallback;
    void *fallback_arg;
    mu_cb guard;
    void *guard_arg;
    mu_http_error_body_cb error_body;
};

struct http_server {
    uv_loop_t *loop;
    struct http_server_config cfg;
    struct mu_list listeners, sockets, conns, orphans, deferred;
    struct http_server_stats stats;
    size_t refused_open; /* connections over the limit that still wait for their end */
    uv_idle_t idle;      /* active while deferred is not empty */
    uv_timer_t stop_timer;
    unsigned open_handles; /* idle, stop_timer, sockets */
    bool stopping, own_handles_closed, stopped;
    mu_cb stop_cb;
    void *stop_arg;
    struct mu_buf scratch; /* heads of answers */
    struct mu_buf packed;  /* compressed bodies */
    struct http_deflater *deflater;
    int64_t date_second;
    char body_limit_text[64]; /* "the body is larger than 8388608 bytes" */
    char date[32];            /* "Tue, 06 May 2014 07:08:09 GMT" */
    char read_buf[HTTP_READ_MAX];
};

/* ---- http_server.c ---- */
struct http_listener *http_server_listener(struct http_server *s, const char *name);
void http_server_log(const struct http_server *s,
                     int level,
                     const char *message,
                     const char *fmt,
                     ...) MU_PRINTF(4, 5);
void http_server_defer(struct http_conn *c, unsigned what);
/* A connection is gone for good (it is unlinked): is the server's stop complete? */
void http_server_conn_gone(struct http_server *s);

/* ---- http_conn.c ---- */
/* stream is not NULL: a listening socket with a connection to accept. */
void http_conn_accept(struct http_server *s,
                      struct http_listener *l,
                      uv_stream_t *listening);
/* For the fuzzer: no socket, the answers go to sink. */
struct http_conn *http_conn_open_detached(struct http_server *s,
                                          const char *listener,
                                          http_sink_cb sink,
                                          void *arg);
void http_conn_feed(struct http_conn *c, const char *data, size_t len);
void http_conn_feed_eof(struct http_conn *c);
void http_conn_close(struct http_conn *c);
/* Send now, behind what is gathered; what the socket does not take is copied. 0 or
 * -EPIPE. */
int http_conn_write(struct http_conn *c, const uv_buf_t *bufs, size_t count);
int http_conn_flush(struct http_conn *c);
size_t http_conn_unsent(const struct http_conn *c);
/* The exchange is over, its answer written: next request, or the end. */
void http_conn_exchange_done(struct http_conn *c);
/* The last answer is written: send what is left, then close. */
void http_conn_finish(struct http_conn *c);
/* Server destroy: forget an exchange that nobody answered. */
void http_conn_destroy_orphan(struct http_conn *c);
/* Server stop: close what is idle, hurry the rest. */
void http_conn_stop(struct http_conn *c);
void http_conn_run_deferred(struct http_conn *c, unsigned what);

/* ---- http_parse.c ---- */
void http_parse_init(struct http_conn *c);
void http_parse_release(struct http_conn *c);
/* Give back what only a large request needed; the request's texts are gone. */
void http_parse_trim(struct http_conn *c);
/* Feed the parser until it needs more, a request is complete (message_ready) or must be
 * refused (reject_status). Returns the bytes used. */
size_t http_parse_feed(struct http_conn *c, const char *data, size_t len);

/* ---- http_exchange.c ---- */
/* A complete request is in c: find its handler and call it. */
void http_exchange_dispatch(struct http_conn *c);
/* Answer a request that cannot be dispatched, and close behind it. */
void http_exchange_reject(struct http_conn *c, int status, const char *text);
void http_exchange_maybe_drain(struct http_conn *c);
/* The connection is gone with the exchange unanswered: tell, if anybody asked. True: the
 * exchange is over. */
bool http_exchange_abandon(struct http_conn *c);
/* May the exchange go on though the client will send no more? */
bool http_exchange_outlives_eof(const struct http_conn *c);
/* End an endless stream in order (stop). */
void http_exchange_terminate(struct http_conn *c);

/* ---- http_head.c ---- */
enum {
    HTTP_LENGTH_NONE = -1,    /* no body by definition: 1xx, 204, 304 */
    HTTP_LENGTH_CHUNKED = -2, /* Transfer-Encoding: chunked */
    HTTP_LENGTH_EOF = -3,     /* until close (HTTP/1.0) */
};
struct http_head {
    int status;
    const struct mu_http_header *headers;
    size_t header_count;
    int64_t body_len; /* or HTTP_LENGTH_* */
    bool gzip;        /* the body is compressed */
    bool vary;        /* it might have been */
    bool close;       /* Connection: close */
    bool keep_alive;  /* say so (HTTP/1.0) */
};
/* Replace out's content by the head, blank line included. */
void http_head_format(struct http_server *s,
                      const struct http_head *h,
                      struct mu_buf *out);

#endif
