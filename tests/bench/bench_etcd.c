/* Puts of etcd, over gRPC: one at a time and with many on their way.
 *
 *     bench_etcd HOST:PORT SECONDS DIR
 *
 * Prints what rate_run_all does; DIR is for the bare file, on the members' disk.
 *
 * It speaks the little of HTTP/2 that a unary call needs by itself, since on one machine
 * whatever the client burns is taken from the servers: the heads of all calls are the
 * same bytes, without compression state, and of an answer only its frames are looked at.
 * An answer with a message in it is a success; a call that fails has trailers only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"
#include "rate.h"

#define STREAMS_MAX 32u /* puts on their way on one connection */
#define CONNECTIONS_MAX 64u
#define BUFFER_BYTES 65536u
#define FRAME_HEAD 9u
#define CALL_BYTES 1024u /* one call is less */

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
};
#define FLAG_END_STREAM 1u
#define FLAG_ACK 1u
#define FLAG_END_HEADERS 4u

struct stream {
    uint32_t id; /* 0: free */
    bool has_message;
    uint64_t sent_ns;
};

struct connection {
    int fd;
    uint32_t next_id;
    struct stream streams[STREAMS_MAX];
    uint8_t in[BUFFER_BYTES], out[BUFFER_BYTES];
    size_t in_len, out_len;
    bool awaits_room;
};

static struct connection connections[CONNECTIONS_MAX];
static uint8_t request_head[256];
static size_t request_head_len;
static struct rate rate;
static uint64_t keys;
static int poller;

/* ---- frames ---- */

static void put(struct connection *c, const void *data, size_t len)
{
    if (c->out_len + len > sizeof(c->out)) {
        rate_die("etcd", "does not read what it is sent");
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static void put_frame(struct connection *c,
                      enum frame_type type,
                      unsigned flags,
                      uint32_t stream,
                      const void *data,
                      size_t len)
{
    const uint8_t head[FRAME_HEAD] = {
        (uint8_t)(len >> 16),    (uint8_t)(len >> 8),    (uint8_t)len,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    put(c, head, sizeof(head));
    put(c, data, len);
}

static void text(uint8_t *to, size_t *at, const char *s)
{
    size_t len = strlen(s);
    to[(*at)++] = (uint8_t)len; /* not Huffman coded; less than 127 */
    memcpy(to + *at, s, len);
    *at += len;
}

/* RFC 7541: indexed fields of the static table, and literals that are not indexed. */
static void make_request_head(const char *authority)
{
    uint8_t *h = request_head;
    size_t at = 0;
    h[at++] = 0x83; /* :method POST */
    h[at++] = 0x86; /* :scheme http */
    h[at++] = 0x04; /* :path */
    text(h, &at, "/etcdserverpb.KV/Put");
    h[at++] = 0x01; /* :authority */
    text(h, &at, authority);
    h[at++] = 0x0f; /* content-type: 31 */
    h[at++] = 31 - 15;
    text(h, &at, "application/grpc");
    h[at++] = 0x00;
    text(h, &at, "te");
    text(h, &at, "trailers");
    request_head_len = at;
}

/* ---- calls ---- */

static void call(struct connection *c)
{
    struct stream *s = c->streams;
    while (s->id != 0) {
        s++; /* there are more places than calls */
    }
    *s = (struct stream){.id = c->next_id, .sent_ns = rate_now_ns()};
    c->next_id += 2;
    /* a gRPC message, not compressed: PutRequest{1: key, 2: value} */
    uint8_t body[CALL_BYTES];
    char key[32];
    (void)snprintf(key, sizeof(key), "key/%06u", (unsigned)(keys++ % RATE_KEYS));
    size_t at = 5;
    body[at++] = 1 << 3 | 2;
    text(body, &at, key);
    body[at++] = 2 << 3 | 2;
    body[at++] = (RATE_VALUE_BYTES & 0x7f) | 0x80;
    body[at++] = RATE_VALUE_BYTES >> 7;
    memset(body + at, 0, RATE_VALUE_BYTES);
    at += RATE_VALUE_BYTES;
    size_t len = at - 5;
    memset(body, 0, 5);
    body[3] = (uint8_t)(len >> 8);
    body[4] = (uint8_t)len;
    put_frame(c, FRAME_HEADERS, FLAG_END_HEADERS, s->id, request_head, request_head_len);
    put_frame(c, FRAME_DATA, FLAG_END_STREAM, s->id, body, at);
    rate_asked(&rate);
}

static struct stream *find(struct connection *c, uint32_t id)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        if (c->streams[i].id == id && id != 0) {
            return &c->streams[i];
        }
    }
    rate_die("etcd", "answers what was not asked");
}

static void on_frame(struct connection *c,
                     unsigned type,
                     unsigned flags,
                     uint32_t id,
                     const uint8_t *data,
                     size_t len)
{
    struct stream *s;
    switch (type) {
    case FRAME_DATA:
        s = find(c, id);
        s->has_message = s->has_message || len > 0;
        break;
    case FRAME_HEADERS:
        s = find(c, id);
        if ((flags & FLAG_END_STREAM) != 0) {
            if (!s->has_message) {
                rate_die("etcd", "has refused a put");
            }
            s->id = 0;
            if (rate_done(&rate, s->sent_ns)) {
                call(c);
            }
        }
        break;
    case FRAME_SETTINGS:
        if ((flags & FLAG_ACK) == 0) {
            put_frame(c, FRAME_SETTINGS, FLAG_ACK, 0, "", 0);
        }
        break;
    case FRAME_PING:
        if ((flags & FLAG_ACK) == 0) {
            put_frame(c, FRAME_PING, FLAG_ACK, 0, data, len);
        }
        break;
    case FRAME_RST_STREAM:
    case FRAME_GOAWAY:
        rate_die("etcd", "has ended a call");
    default: /* WINDOW_UPDATE: what is on its way is less than any window; others are none
              */
        break;
    }
}

/* ---- sockets ---- */

static void watch(struct connection *c, bool awaits_room)
{
    if (c->awaits_room != awaits_room) {
        c->awaits_room = awaits_room;
        struct epoll_event e = {.events = EPOLLIN | (awaits_room ? EPOLLOUT : 0u),
                                .data.ptr = c};
        (void)epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e); /* it is there */
    }
}

static void flush(struct connection *c)
{
    if (c->out_len == 0) {
        return;
    }
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        rate_die("etcd", strerror(errno)); // NOLINT(concurrency-mt-unsafe): one thread
    }
    if (n > 0) {
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
    }
    watch(c, c->out_len > 0);
}

static void receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        rate_die("etcd", "has closed a connection");
    }
    c->in_len += n > 0 ? (size_t)n : 0;
    size_t at = 0;
    while (c->in_len - at >= FRAME_HEAD) {
        const uint8_t *f = c->in + at;
        size_t len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        if (len > sizeof(c->in) - FRAME_HEAD) {
            rate_die("etcd", "sends a frame that is too long");
        }
        if (c->in_len - at < FRAME_HEAD + len) {
            break;
        }
        uint32_t id = (uint32_t)f[5] << 24 | (uint32_t)f[6] << 16 | (uint32_t)f[7] << 8;
        on_frame(c, f[3], f[4], (id | f[8]) & 0x7fffffffu, f + FRAME_HEAD, len);
        at += FRAME_HEAD + len;
    }
    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
}

static void open_connection(struct connection *c, const struct sockaddr_in *to)
{
    *c = (struct connection){.next_id = 1}; /* 0 was no connection */
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
        rate_die("etcd", "cannot be reached");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    (void)epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    put(c, preface, sizeof(preface) - 1);
    put_frame(c, FRAME_SETTINGS, 0, 0, "", 0);
    /* Answers are small: this window lasts for all of a run. */
    static const uint8_t window[4] = {0x7f, 0, 0, 0};
    put_frame(c, FRAME_WINDOW_UPDATE, 0, 0, window, sizeof(window));
}

static void run(void *arg, unsigned width)
{
    unsigned count = (width + STREAMS_MAX - 1) / STREAMS_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (connections[i].fd == 0) {
            open_connection(&connections[i], arg);
        }
    }
    for (unsigned i = 0; i < width; i++) {
        call(&connections[i % count]);
    }
    for (unsigned i = 0; i < count; i++) {
        flush(&connections[i]);
    }
    while (!rate_is_over(&rate)) {
        struct epoll_event ready[CONNECTIONS_MAX];
        int n = epoll_wait(poller, ready, CONNECTIONS_MAX, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if ((ready[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                receive(c);
            }
            flush(c);
        }
    }
}

int main(int argc, char **argv)
{
    char *colon = argc == 4 ? strchr(argv[1], ':') : NULL;
    if (colon == NULL) {
        fprintf(stderr, "usage: bench_etcd HOST:PORT SECONDS DIR\n");
        return 2;
    }
    make_request_head(argv[1]);
    *colon = '\0';
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(colon + 1))}; // NOLINT
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        rate_die(argv[1], "no address");
    }
    double seconds = atof(argv[2]); // NOLINT: a wrong one is 0
    rate_limit(60 + (unsigned)(seconds * 5));
    struct bare *bare = bare_open(argv[3]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    rate_run_all(&rate, seconds, bare, run, &to);
    bare_close(bare);
    return 0;
}
