/* A host for tests: virtual time, HTTP requests that wait for the test to answer them,
 * work that is done in the next turn. No loop, no threads, no sockets.
 *
 *     struct fake_host f;
 *     fake_open(&f, "/tmp/...");
 *     ... give &f.table to the code under test ...
 *     fake_answer(fake_take(&f, "GET /version"), 200, "{...}");
 *     fake_turn(&f);                 due timers, work, cancelled requests
 *     fake_advance(&f, 1000);        the same, a second later
 *     fake_close(&f);                fails when anything is still pending
 */
#ifndef TESTS_DOCKER_FAKE_HOST_H
#define TESTS_DOCKER_FAKE_HOST_H

#include <muster/host.h>

struct fake_timer;
struct fake_work;

struct fake_host {
    struct mu_host table;
    const char *dir; /* work_dir */
    uint64_t now_ms;
    struct mu_timer *timers;
    struct mu_http_call *calls; /* oldest first */
    struct fake_work *work;
    unsigned warnings; /* log lines at that level or worse */
    char last_warning[512];
    double engine_available; /* the gauge */
};

void fake_open(struct fake_host *f, const char *dir);
void fake_close(struct fake_host *f);

void fake_turn(struct fake_host *f);
void fake_advance(struct fake_host *f, uint64_t ms);

/* The oldest request that is "METHOD url-without-host", or starts so when wanted ends
 * with
 * '*'. NULL: none. It stays pending. */
struct mu_http_call *fake_find(struct fake_host *f, const char *wanted);
/* The same; the test fails when there is none. */
struct mu_http_call *fake_take(struct fake_host *f, const char *wanted);
size_t fake_pending(const struct fake_host *f);
const char *fake_body(const struct mu_http_call *call);
const char *fake_socket(const struct mu_http_call *call);

/* The whole answer, or none (code < 0). */
void fake_answer(struct mu_http_call *call, int status, const char *body);
void fake_fail(struct mu_http_call *call, int code);
/* In pieces: headers, data, then fake_end or fake_fail. */
void fake_headers(struct mu_http_call *call, int status);
void fake_data(struct mu_http_call *call, const char *data, size_t len);
void fake_end(struct mu_http_call *call);

#endif
