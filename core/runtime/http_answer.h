/* From a server's bytes to one complete answer: llhttp's callbacks, limits, and the
 * user's on_headers and on_data, which run inside. No I/O.
 *
 * Interim answers (1xx) are passed over, but for 101: what follows it is no HTTP and goes
 * to on_data as it is, until the connection ends. */
#ifndef MU_RUNTIME_HTTP_ANSWER_H
#define MU_RUNTIME_HTTP_ANSWER_H

#include <llhttp.h>

#include <muster/buf.h>
#include <muster/http.h>

/* Must not move while it is in use. */
struct http_answer {
    llhttp_t parser;
    const struct mu_http_ask *ask; /* callbacks and limits; of the owner's */
    const bool *is_stopped;        /* the owner wants no more callbacks */
    bool is_head_method;
    bool has_begun; /* a byte has come */
    bool head_done, is_raw, is_complete;
    bool can_keep_alive; /* when complete: the connection may serve another request */
    int status;
    int failure; /* negative, and the words for it */
    struct mu_error failure_text;
    struct mu_buf head; /* names and values, each NUL-terminated */
    size_t *starts;     /* offsets in head: name, value, name, ... */
    size_t start_count, start_cap;
    struct mu_http_header *headers;
    struct mu_buf body; /* when there is no on_data */
};

void http_answer_init(struct http_answer *a,
                      const struct mu_http_ask *ask,
                      size_t max_header_bytes,
                      const bool *is_stopped);
void http_answer_release(struct http_answer *a);
/* 1: complete; 0: more is to come (or it was stopped); negative: a->failure. */
int http_answer_feed(struct http_answer *a, const char *data, size_t len);
/* The connection has ended. 1 when that completes the answer, else a->failure. */
int http_answer_end(struct http_answer *a);

#endif
