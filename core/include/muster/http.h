/* HTTP as plugins and the core see it: routes and exchanges on the server side, calls on
 * the client side.
 *
 * The core owns sockets, framing, limits and time-outs (core/runtime/http_server.c,
 * http_client.c); a handler gets a complete request and answers it now or later, at once
 * or as a stream. Everything here is loop thread only.
 */
#ifndef MU_HTTP_H
#define MU_HTTP_H

#include <muster/error.h>

MU_EXTERN_C_BEGIN

struct mu_http_header {
    const char *name, *value;
};

/* ---- server ---- */

/* One request and its answer. Lives until the answer is complete or the client is gone,
 * whichever ends it; after the call that ends it (http_reply, http_stream_end,
 * http_stream_abort) or after the on_close callback the pointer is dead. */
struct mu_http_exchange;

/* Borrowed for the life of the exchange. */
struct mu_http_request {
    uint32_t struct_size;
    const char
        *method;       /* "GET"; HEAD is served as GET and the body dropped by the core */
    const char *path;  /* raw, as sent, without the query */
    const char *query; /* raw, without '?'; "" when none */
    const char *body;  /* "" when none; NUL-terminated behind body_len */
    size_t body_len;
    const char *peer;     /* "127.0.0.1:4711" */
    const char *listener; /* the listener's name: "master", "marathon", "agent" */
    const struct mu_http_header *headers; /* names as sent */
    size_t header_count;
    const char *const
        *params; /* percent-decoded values of the route's {holes}, in order */
    size_t param_count;
};

typedef void (*mu_http_handler_cb)(void *arg,
                                   struct mu_http_exchange *x,
                                   const struct mu_http_request *req);
typedef void (*mu_http_closed_cb)(void *arg);
/* Body of an answer that the server makes by itself (400, 408, 413, ...). text is a
 * phrase ("Not Found", or what exactly is wrong). Fill out_body and set *out_type to a
 * static Content-Type. */
struct mu_buf;
typedef void (*mu_http_error_body_cb)(int status,
                                      const char *text,
                                      struct mu_buf *out_body,
                                      const char **out_type);

enum mu_http_limits {
    MU_HTTP_BODY_MAX = 8 * 1024 * 1024, /* request body; more is 413 */
};

/* Case-insensitive; NULL when absent. */
MU_API const char *
mu_http_header_get(const struct mu_http_header *headers, size_t count, const char *name);
/* Percent-decode src (len bytes; '+' is a blank when in_query) into out (cap bytes incl.
 * NUL). 0, -E2BIG or MU_E_INVALID (bad escape or NUL byte). */
MU_API MU_NODISCARD int
mu_http_decode(const char *src, size_t len, bool in_query, char *out, size_t cap);
/* Value of the n-th (from 0) query parameter called name, decoded into out; returns its
 * length, MU_E_NOT_FOUND, -E2BIG or MU_E_INVALID. A bare `?name` has length 0. */
MU_API int
mu_http_query_get(const char *query, const char *name, size_t n, char *out, size_t cap);
MU_API const char *mu_http_status_text(int status);

/* ---- client ---- */

struct mu_http_call; /* one running request */

struct mu_http_answer {
    /* HTTP status, or a negative code: no (complete) answer. -ECONNREFUSED: the other
     * host's system said so itself, nobody listens there. */
    int status;
    const char *error_text; /* for a negative status: what failed; else NULL */
    const struct mu_http_header *headers;
    size_t header_count;
    const char *body; /* collected body when on_data was NULL; NUL-terminated */
    size_t body_len;
};

/* What to ask. Copied before http_request returns. */
struct mu_http_ask {
    uint32_t struct_size;
    const char *method;
    const char *url;         /* http://host:port/path?query */
    const char *unix_socket; /* NULL: TCP */
    const struct mu_http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
    uint64_t connect_timeout_ms; /* 0: 5 s */
    uint64_t timeout_ms;         /* whole exchange; 0: none (streams) */
    size_t max_body;             /* of the collected answer; 0: MU_HTTP_BODY_MAX */
    /* Streaming answers: on_headers once when the final header block is there, then
     * on_data per piece. Both optional; with on_data the answer's body is empty. Never
     * called inside http_request or after on_done. */
    void (*on_headers)(void *arg,
                       int status,
                       const struct mu_http_header *headers,
                       size_t header_count);
    void (*on_data)(void *arg, const char *data, size_t len);
    /* Exactly once, last, from the loop; also after http_cancel (status -ECANCELED). */
    void (*on_done)(void *arg, const struct mu_http_answer *answer);
    void *arg;
    /* Over a connection of its own: a kept one may turn out to be dead, and then a
     * request is sent again by itself, though the other side may have carried it out. */
    bool at_most_once;
};

MU_EXTERN_C_END
#endif
