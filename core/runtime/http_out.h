/* One outgoing connection: name look-up, connect (each address in turn), bytes out, bytes
 * in. TCP or unix socket.
 *
 * The owner hears events until `ended`, which is the last, or until it closes the
 * connection; both free it. An owner may pass it on to another (http_out_listen). Loop
 * thread only; events come from the loop, never inside a call. */
#ifndef MU_RUNTIME_HTTP_OUT_H
#define MU_RUNTIME_HTTP_OUT_H

#include <muster/buf.h>
#include <muster/host.h>

#include "base/list.h"

#define HTTP_SCRATCH (64u * 1024)

struct http_out;
struct uv_loop_s;

/* What all connections of a client share. */
struct http_outs {
    struct uv_loop_s *loop;
    unsigned open; /* handles and look-ups that are not closed */
    mu_cb on_none; /* open has become 0 */
    void *arg;
    char *scratch; /* HTTP_SCRATCH bytes for reading; used between alloc and read callback
                    */
};

struct http_out_events {
    void (*connected)(void *arg);
    void (*data)(void *arg, const char *data, size_t len);
    /* status: 0 end of file, negative what went wrong; what: a phrase. */
    void (*ended)(void *arg, int status, const char *what);
};

struct http_out_place {
    const char *unix_socket; /* NULL: host and port */
    const char *host, *port;
};

/* Bytes of a request. Shared by the call, which may have to send them again, and by the
 * connection that is sending them. */
struct http_bytes {
    unsigned refs;
    struct mu_buf head;
    char *body;
    size_t body_len;
};
void http_bytes_unref(struct http_bytes *b); /* takes NULL */

/* Negative, and no event: it cannot even be begun. */
MU_NODISCARD int http_out_open(struct http_outs *outs,
                               const struct http_out_place *place,
                               const struct http_out_events *events,
                               void *arg,
                               struct http_out **out,
                               struct mu_error *err);
void http_out_listen(struct http_out *o, const struct http_out_events *events, void *arg);
/* After `connected`. What cannot be sent shows as the connection's end. */
void http_out_send(struct http_out *o, struct http_bytes *bytes);
bool http_out_is_sending(const struct http_out *o);
/* Nothing has arrived that was not told yet, nor has it ended. */
bool http_out_is_quiet(const struct http_out *o);
/* "host:port" or the socket's path: connections of the same key are alike. */
const char *http_out_key(const struct http_out *o);
void http_out_key_of(const struct http_out_place *place, struct mu_buf *out);
/* No event after this. */
void http_out_close(struct http_out *o);

#endif
