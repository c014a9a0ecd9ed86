#include "runtime/http_out.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"

#define KEEPALIVE_S 60u
#define UNIX_PATH_MAX 107u

/* A handle; outlives its connection until it is closed. A TCP handle is good for one
 * attempt to connect. */
struct sock {
    struct http_outs *outs;
    struct http_out *out; /* NULL: given up */
    uv_connect_t connecting;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
};

/* A name look-up; a resolver that is stuck holds nobody up but the end of the client. */
struct lookup {
    uv_getaddrinfo_t req;
    struct http_outs *outs;
    struct http_out *out; /* NULL: given up */
};

struct http_out {
    struct http_outs *outs;
    const struct http_out_events *events;
    void *arg;
    struct mu_buf key;
    struct lookup *lookup;
    struct addrinfo *found;
    const struct addrinfo *next; /* to try */
    struct sock *sock;
    unsigned sends; /* under way */
    int error;      /* of the last attempt; refused only if all were */
};

struct sending {
    uv_write_t req;
    struct sock *sock;
    struct http_bytes *bytes;
};

void http_bytes_unref(struct http_bytes *b)
{
    if (b != NULL && --b->refs == 0) {
        mu_buf_release(&b->head);
        free(b->body);
        free(b);
    }
}

static void gone(struct http_outs *outs)
{
    if (--outs->open == 0) {
        outs->on_none(outs->arg);
    }
}

/* ---- handles ---- */

static void on_sock_closed(uv_handle_t *h)
{
    struct sock *s = h->data;
    struct http_outs *outs = s->outs;
    free(s);
    gone(outs);
}

static void sock_close(struct sock *s)
{
    s->out = NULL;
    uv_close(&s->io.handle, on_sock_closed);
}

static struct sock *sock_create(struct http_out *o, bool is_unix)
{
    struct sock *s = MU_NEW(struct sock);
    s->outs = o->outs;
    s->out = o;
    int status = is_unix ? uv_pipe_init(o->outs->loop, &s->io.pipe, 0)
                         : uv_tcp_init(o->outs->loop, &s->io.tcp);
    MU_ASSERT(status == 0); /* no socket is made yet */
    s->io.handle.data = s;
    s->connecting.data = s;
    o->outs->open++;
    return s;
}

static void out_free(struct http_out *o)
{
    if (o->sock != NULL) {
        sock_close(o->sock);
    }
    if (o->lookup != NULL) {
        o->lookup->out = NULL;
        (void)uv_cancel((uv_req_t *)&o->lookup->req); /* else it ends by itself */
    }
    if (o->found != NULL) {
        uv_freeaddrinfo(o->found);
    }
    mu_buf_release(&o->key);
    free(o);
}

void http_out_close(struct http_out *o)
{
    if (o != NULL) {
        out_free(o);
    }
}

static void end(struct http_out *o, int status, const char *what)
{
    const struct http_out_events *events = o->events;
    void *arg = o->arg;
    out_free(o);
    events->ended(arg, status, what);
}

/* ---- bytes ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct sock *s = h->data;
    *buf = uv_buf_init(s->outs->scratch, HTTP_SCRATCH);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sock *s = stream->data;
    if (n > 0) {
        s->out->events->data(s->out->arg, buf->base, (size_t)n);
    } else if (n < 0) {
        end(s->out, n == UV_EOF ? 0 : (int)n, "receive");
    }
}

/* A failure shows on the reading side too, where an answer may still be waiting. */
static void on_sent(uv_write_t *req, int status)
{
    (void)status;
    struct sending *x = req->data;
    if (x->sock->out != NULL) {
        x->sock->out->sends--;
    }
    http_bytes_unref(x->bytes);
    free(x);
}

void http_out_send(struct http_out *o, struct http_bytes *bytes)
{
    struct sending *x = MU_NEW(struct sending);
    x->req.data = x;
    x->sock = o->sock;
    x->bytes = bytes;
    bytes->refs++;
    o->sends++;
    uv_buf_t bufs[] = {
        {.base = bytes->head.data, .len = bytes->head.len},
        {.base = bytes->body, .len = bytes->body_len},
    };
    int status = uv_write(&x->req, &o->sock->io.stream, bufs, bytes->body_len > 0 ? 2 : 1,
                          on_sent);
    MU_ASSERT(status == 0); /* the stream is connected and writable */
}

bool http_out_is_sending(const struct http_out *o)
{
    return o->sends > 0;
}

bool http_out_is_quiet(const struct http_out *o)
{
    uv_os_fd_t fd;
    char byte;
    return uv_fileno(&o->sock->io.handle, &fd) == 0 &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ---- connect ---- */

static int try_next(struct http_out *o);

static void attempt_failed(struct http_out *o, int status)
{
    if (o->error == 0 || o->error == UV_ECONNREFUSED) {
        o->error = status;
    }
    sock_close(o->sock);
    o->sock = NULL;
}

static void on_connected(uv_connect_t *req, int status)
{
    struct sock *s = req->data;
    struct http_out *o = s->out;
    if (o == NULL) {
        return; /* given up */
    }
    if (status < 0) {
        attempt_failed(o, status);
        status = try_next(o);
        if (status < 0) {
            end(o, status, "connect");
        }
        return;
    }
    if (s->io.handle.type == UV_TCP) {
        (void)uv_tcp_nodelay(&s->io.tcp, 1); /* without them it works too */
        (void)uv_tcp_keepalive(&s->io.tcp, 1, KEEPALIVE_S);
    }
    status = uv_read_start(&s->io.stream, on_alloc, on_read);
    MU_ASSERT(status == 0); /* a connected stream can be read */
    o->events->connected(o->arg);
}

static int connect_to(struct http_out *o, const struct sockaddr *addr)
{
    o->sock = sock_create(o, false);
    int status =
        uv_tcp_connect(&o->sock->connecting, &o->sock->io.tcp, addr, on_connected);
    if (status < 0) {
        attempt_failed(o, status);
    }
    return status;
}

/* 0: under way. Negative: none is left; what the attempts said. */
static int try_next(struct http_out *o)
{
    while (o->next != NULL) {
        const struct addrinfo *at = o->next;
        o->next = at->ai_next;
        if (connect_to(o, at->ai_addr) == 0) {
            return 0;
        }
    }
    return o->error;
}

static int connect_unix(struct http_out *o, const char *path, struct mu_error *err)
{
    if (strlen(path) > UNIX_PATH_MAX) {
        return mu_fail(err, MU_E_INVALID, "the socket path '%s' is too long", path);
    }
    o->sock = sock_create(o, true);
    uv_pipe_connect(&o->sock->connecting, &o->sock->io.pipe, path, on_connected);
    return 0;
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct lookup *l = req->data;
    struct http_out *o = l->out;
    struct http_outs *outs = l->outs;
    free(l);
    if (o == NULL) {
        uv_freeaddrinfo(found);
        gone(outs);
        return;
    }
    o->lookup = NULL;
    o->found = found;
    o->next = found;
    if (status < 0) {
        end(o, -EHOSTUNREACH, uv_strerror(status));
    } else {
        status = try_next(o);
        if (status < 0) {
            end(o, status, "connect");
        }
    }
    gone(outs);
}

static int
look_up(struct http_out *o, const struct http_out_place *place, struct mu_error *err)
{
    struct lookup *l = MU_NEW(struct lookup);
    l->outs = o->outs;
    l->out = o;
    l->req.data = l;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status = uv_getaddrinfo(o->outs->loop, &l->req, on_found, place->host,
                                place->port, &hints);
    if (status < 0) {
        free(l);
        return mu_fail(err, -EHOSTUNREACH, "look up '%s': %s", place->host,
                       uv_strerror(status));
    }
    o->outs->open++;
    o->lookup = l;
    return 0;
}

/* A literal address needs no resolver. false: it is a name. */
static bool is_address(const struct http_out_place *place, struct sockaddr_storage *out)
{
    int port = 0;
    for (const char *p = place->port; *p != '\0'; p++) {
        port = port * 10 + (*p - '0');
    }
    return uv_ip4_addr(place->host, port, (struct sockaddr_in *)(void *)out) == 0 ||
           uv_ip6_addr(place->host, port, (struct sockaddr_in6 *)(void *)out) == 0;
}

static int
begin(struct http_out *o, const struct http_out_place *place, struct mu_error *err)
{
    struct sockaddr_storage addr;
    if (place->unix_socket != NULL) {
        return connect_unix(o, place->unix_socket, err);
    }
    if (!is_address(place, &addr)) {
        return look_up(o, place, err);
    }
    int status = connect_to(o, (const struct sockaddr *)&addr);
    return status < 0 ? mu_fail(err, status, "connect: %s", mu_strerror(status)) : 0;
}

void http_out_key_of(const struct http_out_place *place, struct mu_buf *out)
{
    if (place->unix_socket != NULL) {
        mu_buf_puts(out, place->unix_socket);
    } else {
        mu_buf_printf(out, "%s:%s", place->host, place->port);
    }
}

int http_out_open(struct http_outs *outs,
                  const struct http_out_place *place,
                  const struct http_out_events *events,
                  void *arg,
                  struct http_out **out,
                  struct mu_error *err)
{
    struct http_out *o = MU_NEW(struct http_out);
    o->outs = outs;
    o->events = events;
    o->arg = arg;
    mu_buf_init(&o->key, 8192);
    http_out_key_of(place, &o->key);
    int rc = begin(o, place, err);
    if (rc < 0) {
        out_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

void http_out_listen(struct http_out *o, const struct http_out_events *events, void *arg)
{
    o->events = events;
    o->arg = arg;
}

const char *http_out_key(const struct http_out *o)
{
    return mu_buf_str(&o->key);
}
