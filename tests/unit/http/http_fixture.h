/* A server on a loop of its own, and raw clients that say exactly the bytes a test wants.
 *
 *     struct fx *f = fx_open(NULL);
 *     int fd = fx_connect(f);
 *     fx_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
 *     struct fx_answer a;
 *     fx_expect(f, fd, &a);  ... a.status, fx_header(&a, "date"), a.body ...
 *     fx_close(f);
 *
 * Clients are plain non-blocking sockets outside the loop; waiting means to wait for the
 * loop's and the client's descriptors together, so there are no sleeps. fx_close stops
 * the server, and fails the test if the loop does not close or a descriptor is left.
 */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include <muster/buf.h>

#include "lib/test_host.h"
#include "runtime/http_server.h"

enum { FX_WAIT_MS = 10000, FX_CLIENTS_MAX = 64 };

struct fx {
    uv_loop_t *loop;
    struct http_server *server;
    uint16_t port;
    int fds_before;
    int clients[FX_CLIENTS_MAX];
    size_t client_count;
    bool stopped;
    int64_t wall_ms;
    struct mu_buf log; /* one line per log call */

    /* what the handlers of fx_open saw and do */
    struct mu_http_exchange *held; /* by /hold and /stream */
    int calls, closed, drained;
    int write_status; /* last result of a stream write */
    char seen_body[256];
    size_t seen_body_len;
};

/* Routes: GET /hello ("hello\n"), POST /echo, GET /params/{a}/{tail...} ("a|tail"), GET
 * /hold (answered by fx_release), GET /stream (held, chunked), GET /bounded (the same,
 * bounded), GET /big?n=bytes (JSON). cfg may be NULL; its clock and log are the
 * fixture's. */
struct fx *fx_open(const struct http_server_config *cfg);
void fx_close(struct fx *f);
/* Answer the held exchange with "held\n". */
void fx_release(struct fx *f);
/* Tell f->closed about the end of the held exchange. */
void fx_watch_close(struct fx *f);
void fx_stop(struct fx *f, uint64_t grace_ms);

int fx_connect(struct fx *f);
void fx_disconnect(struct fx *f, int fd);
void fx_send(int fd, const char *text);
void fx_send_bytes(int fd, const char *data, size_t len);
/* One turn of the loop; waits for the loop or fd (-1: none) to have something, at most
 * max_ms. */
void fx_turn(struct fx *f, int fd, int max_ms);
/* Turn until *flag is at least n. */
void fx_until(struct fx *f, const int *flag, int n);
/* Turn until the server has read that many bytes in all. */
void fx_until_read(struct fx *f, uint64_t bytes_in);
/* Everything until the server closes. Free it. */
char *fx_read_all(struct fx *f, int fd, size_t *out_len);
/* Has the server closed, with nothing (more) to read? Waits for it. */
void fx_expect_closed(struct fx *f, int fd);

struct fx_answer {
    int status;
    char head[2048]; /* NUL-terminated, with the status line */
    char *body;      /* without chunk framing; NUL-terminated; fx_answer_release */
    size_t body_len;
};
/* The next complete answer; what the client got behind it stays for the next call. */
void fx_expect(struct fx *f, int fd, struct fx_answer *out);
/* The same for a HEAD request. */
void fx_expect_head(struct fx *f, int fd, struct fx_answer *out);
void fx_answer_release(struct fx_answer *a);
/* Value of a header, or NULL; static buffer. */
const char *fx_header(const struct fx_answer *a, const char *name);
/* Connect, send, take one answer, expect that status, disconnect. */
void fx_ask(struct fx *f, const char *request, struct fx_answer *out);
int fx_status_of(struct fx *f, const char *request);
void fx_stats(struct fx *f, struct http_server_stats *out);

/* For client.c and the like: run the loop until *flag >= n. */
bool fx_run_loop_until(uv_loop_t *loop, const int *flag, int n, uint64_t timeout_ms);

#endif
