/* The plugin between a fake host and a fake core.
 *
 *     struct fake *f = fake_open(NULL);
 *     fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
 *     struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps/a", NULL);
 *     assert_int_equal(x->status, 200);
 *     fake_close(f);
 *
 * Routes are matched by the server's real router. A command waits until the test answers
 * it. Time stands still unless fake_advance moves it. fake_close stops the plugin and
 * fails if a timer, a watch or an unanswered exchange is left. */
#ifndef TESTS_UNIT_MARATHON_FAKE_H
#define TESTS_UNIT_MARATHON_FAKE_H

#include "kit.h"

#include <muster/kind/api.h>
#include <muster/plugin.h>

struct http_router;

#define FAKE_WALL_MS INT64_C(1451606400000) /* 2016-01-01T00:00:00.000Z */
#define FAKE_WALL "2016-01-01T00:00:00.000Z"

/* One request and what was answered. */
struct mu_http_exchange {
    struct mu_http_exchange *next;
    struct fake *f;
    struct mu_http_request req;
    struct mu_http_header headers[8];
    const char *params[8];
    char *text, *decoded, *header_texts[8]; /* what req borrows */
    int status;                             /* 0: not answered yet */
    char *answer_headers;                   /* "Name: value\n" each */
    struct mu_buf body;
    bool streaming, bounded, ended, aborted, gone;
    size_t bound; /* bytes that a stream takes before it is full; 0: any number */
    mu_http_closed_cb closed_cb;
    void *closed_arg;
    mu_cb drain_cb;
    void *drain_arg;
};

struct fake_task {
    char *id, *host, *ip;
    uint16_t ports[4];
    struct mu_app_task_row row;
};

struct fake_app {
    const struct mu_app *app;
    const struct mu_app *versions[8]; /* newest first, the current one too */
    size_t version_count;
    struct fake_task tasks[8];
    size_t task_count;
    const char *deployments[2];
    size_t deployment_count;
    const struct mu_task_failure *failure;
};

/* A command that waits for its answer; strings and apps are copies. */
struct fake_command {
    struct fake_command *next;
    uint32_t type;
    const struct mu_app *apps[16];
    size_t app_count;
    struct mu_strings ids;
    bool force, scale, create_only;
    char *client_ip, *uri;
    mu_command_cb cb;
    void *arg;
};

/* What the plugin has asked of another server; copies. */
struct mu_http_call {
    struct mu_http_call *next;
    struct fake *f;
    char *method, *url, *headers, *body; /* headers: "Name: value\n" each */
    void (*on_done)(void *arg, const struct mu_http_answer *answer);
    void *arg;
    bool cancelled;
};

struct fake_timer {
    struct fake_timer *next;
    uint64_t due_ms;
    mu_cb cb;
    void *arg;
};

struct fake {
    struct mu_host host;
    struct mu_core core;
    const struct mu_plugin *plugin;
    void *instance;
    struct mu_flags *flags;
    struct http_router *router;
    mu_http_error_body_cb error_body;
    struct mu_http_exchange *exchanges;
    struct fake_timer *timers;
    struct mu_http_call *calls; /* not answered, oldest first */
    double kept;                /* what the gauge of standby.c says */
    uint64_t now_ms;
    bool stopped;
    /* the core's state, for tests to change */
    bool leads, recovered;
    const char *registry_why;       /* it does not answer; NULL: it does */
    const char *role, *leader_host; /* of another master; NULL: none */
    const char *leader_ip;
    bool leader_is_foreign; /* another system's: it names no port of Marathon's */
    struct fake_app apps[1200];
    size_t app_count;
    const struct mu_deployment_row *deployments;
    size_t deployment_count;
    const struct mu_queue_row *queue;
    size_t queue_count;
    struct fake_command *commands; /* oldest first */
    int submit_code;               /* negative: submit fails with it */
    mu_event_cb watch_cb;
    void *watch_arg;
    int watches;        /* now */
    int64_t version_ms; /* of the next change */
};

/* The oldest call's answer; headers: NULL-ended "Name: value" texts. status < 0: none
 * came. */
void fake_call_answer(struct fake *f,
                      int status,
                      const char *const *headers,
                      const char *body);

/* flags: "name=value" texts, NULL-ended; NULL: all defaults. */
struct fake *fake_open(const char *const *flags);
void fake_close(struct fake *f);

/* target: path with query. body NULL: none. The answer, if it came at once, is in the
 * exchange, which lives until fake_close. */
struct mu_http_exchange *
fake_ask(struct fake *f, const char *method, const char *target, const char *body);
/* The same with headers: "Name: value" texts, NULL-ended. */
struct mu_http_exchange *fake_ask_with(struct fake *f,
                                       const char *method,
                                       const char *target,
                                       const char *const *headers,
                                       const char *body);
/* A header of the answer, or NULL; valid until the next call. */
const char *fake_header(const struct mu_http_exchange *x, const char *name);
/* The client goes away. */
void fake_hang_up(struct mu_http_exchange *x);
/* The client has read everything: calls the drain callback. False: there is none. */
bool fake_drain(struct mu_http_exchange *x);
/* Asks, and compares status and body ("" for none; as JSON if it looks like it). */
struct mu_http_exchange *fake_expect(struct fake *f,
                                     const char *method,
                                     const char *target,
                                     const char *body,
                                     int status,
                                     const char *wanted);
/* An answer that came later. */
void fake_expect_answer(const struct mu_http_exchange *x, int status, const char *wanted);

struct fake_app *fake_add_app(struct fake *f, const char *definition);
struct fake_task *fake_add_task(struct fake *f,
                                const char *app_id,
                                const char *task_id,
                                uint32_t state,
                                const char *host,
                                uint16_t port);
struct fake_app *fake_find_app(struct fake *f, const char *id);
/* The oldest command that waits; fails the test if there is none. */
struct fake_command *fake_command(struct fake *f);
/* It succeeds: definitions are put and deleted, the deployment is "d-1". */
void fake_succeed(struct fake *f);
void fake_fail(struct fake *f, int status, const char *text, const char *path);
void fake_conflict(struct fake *f, const char *deployment);
void fake_emit(struct fake *f, struct mu_event *ev);
void fake_advance(struct fake *f, uint64_t ms);

#endif
