/* See fake_host.h. */
#include "fake_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define URL_PREFIX "http://localhost"

struct mu_timer {
    struct mu_timer *next;
    uint64_t due_ms;
    mu_cb cb;
    void *arg;
};

struct mu_http_call {
    struct fake_host *host;
    struct mu_http_call *next;
    struct mu_http_ask ask;
    char *text, *body, *socket; /* text: "GET /version" */
    int status;                 /* of the headers */
    bool is_cancelled;
};

struct fake_work {
    struct fake_work *next;
    mu_cb work, done;
    void *arg;
};

static struct fake_host *fake_of(const struct mu_host *h)
{
    return h->impl;
}

/* ---- services ---- */

static void
fake_log(const struct mu_host *h, int level, const char *message, const char *fmt, ...)
    MU_PRINTF(4, 5);

static void
fake_log(const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    struct fake_host *f = fake_of(h);
    va_list args;
    if (level > MU_WARN) {
        return;
    }
    f->warnings++;
    size_t len =
        (size_t)snprintf(f->last_warning, sizeof(f->last_warning), "%s ", message);
    if (fmt != NULL && len < sizeof(f->last_warning)) {
        va_start(args, fmt);
        vsnprintf(f->last_warning + len, sizeof(f->last_warning) - len, fmt, args);
        va_end(args);
    }
}

static uint64_t fake_now_ms(const struct mu_host *h)
{
    return fake_of(h)->now_ms;
}

static struct uv_loop_s *fake_loop(const struct mu_host *h)
{
    return (struct uv_loop_s *)fake_of(h); /* only compared with NULL */
}

static const char *fake_work_dir(const struct mu_host *h)
{
    return fake_of(h)->dir;
}

static void fake_gauge_set(const struct mu_host *h, const char *name, double value)
{
    if (strcmp(name, "containerizer/docker/engine_available") == 0) {
        fake_of(h)->engine_available = value;
    }
}

static struct mu_timer *
fake_timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct fake_host *f = fake_of(h);
    struct mu_timer *t = MU_NEW(struct mu_timer);
    *t = (struct mu_timer){.due_ms = f->now_ms + delay_ms, .cb = cb, .arg = arg};
    struct mu_timer **at = &f->timers;
    while (*at != NULL && (*at)->due_ms <= t->due_ms) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    return t;
}

static void fake_timer_cancel(const struct mu_host *h, struct mu_timer *t)
{
    struct mu_timer **at = &fake_of(h)->timers;
    while (t != NULL && *at != t) {
        assert_non_null(*at); /* dead already */
        at = &(*at)->next;
    }
    if (t != NULL) {
        *at = t->next;
        free(t);
    }
}

static int fake_do_work(const struct mu_host *h, mu_cb work, mu_cb done, void *arg)
{
    struct fake_work **at = &fake_of(h)->work;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = MU_NEW(struct fake_work);
    **at = (struct fake_work){.work = work, .done = done, .arg = arg};
    return 0;
}

static int fake_http_request(const struct mu_host *h,
                             const struct mu_http_ask *ask,
                             struct mu_http_call **out_call,
                             struct mu_error *err)
{
    struct fake_host *f = fake_of(h);
    (void)err;
    assert_memory_equal(ask->url, URL_PREFIX, strlen(URL_PREFIX));
    struct mu_http_call *call = MU_NEW(struct mu_http_call);
    call->host = f;
    call->ask = *ask;
    call->text = mu_xasprintf("%s %s", ask->method, ask->url + strlen(URL_PREFIX));
    call->body = mu_xstrndup(ask->body_len > 0 ? ask->body : "", ask->body_len);
    call->socket = mu_xstrdup(ask->unix_socket);
    struct mu_http_call **at = &f->calls;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = call;
    *out_call = call;
    return 0;
}

static void fake_http_cancel(struct mu_http_call *call)
{
    call->is_cancelled = true;
}

void fake_open(struct fake_host *f, const char *dir)
{
    *f = (struct fake_host){.dir = dir,
                            .engine_available = -1,
                            .table = {.struct_size = sizeof(struct mu_host),
                                      .abi_major = MU_ABI_MAJOR,
                                      .abi_minor = MU_ABI_MINOR,
                                      .log = fake_log,
                                      .now_ms = fake_now_ms,
                                      .loop = fake_loop,
                                      .timer_start = fake_timer_start,
                                      .timer_cancel = fake_timer_cancel,
                                      .work = fake_do_work,
                                      .gauge_set = fake_gauge_set,
                                      .http_request = fake_http_request,
                                      .http_cancel = fake_http_cancel,
                                      .work_dir = fake_work_dir}};
    f->table.impl = f;
}

void fake_close(struct fake_host *f)
{
    if (f->calls != NULL) {
        fail_msg("a request is still under way: %s", f->calls->text);
    }
    assert_null(f->timers);
    assert_null(f->work);
}

/* ---- requests ---- */

static void complete(struct mu_http_call *call, const struct mu_http_answer *answer)
{
    struct mu_http_call **at = &call->host->calls;
    while (*at != call) {
        assert_non_null(*at);
        at = &(*at)->next;
    }
    *at = call->next;
    call->ask.on_done(call->ask.arg, answer);
    free(call->text);
    free(call->body);
    free(call->socket);
    free(call);
}

struct mu_http_call *fake_find(struct fake_host *f, const char *wanted)
{
    size_t len = strlen(wanted);
    bool is_prefix = len > 0 && wanted[len - 1] == '*';
    for (struct mu_http_call *call = f->calls; call != NULL; call = call->next) {
        if (!call->is_cancelled && (is_prefix ? strncmp(call->text, wanted, len - 1) == 0
                                              : strcmp(call->text, wanted) == 0)) {
            return call;
        }
    }
    return NULL;
}

struct mu_http_call *fake_take(struct fake_host *f, const char *wanted)
{
    struct mu_http_call *call = fake_find(f, wanted);
    if (call == NULL) {
        for (call = f->calls; call != NULL; call = call->next) {
            print_error("pending: %s%s\n", call->text,
                        call->is_cancelled ? " (cancelled)" : "");
        }
        fail_msg("nobody asked '%s'", wanted);
        abort(); /* not reached */
    }
    return call;
}

size_t fake_pending(const struct fake_host *f)
{
    size_t count = 0;
    for (const struct mu_http_call *call = f->calls; call != NULL; call = call->next) {
        count += call->is_cancelled ? 0 : 1;
    }
    return count;
}

const char *fake_body(const struct mu_http_call *call)
{
    return call->body;
}

const char *fake_socket(const struct mu_http_call *call)
{
    return call->socket;
}

void fake_headers(struct mu_http_call *call, int status)
{
    call->status = status;
    if (call->ask.on_headers != NULL) {
        call->ask.on_headers(call->ask.arg, status, NULL, 0);
    }
}

void fake_data(struct mu_http_call *call, const char *data, size_t len)
{
    assert_non_null(call->ask.on_data);
    call->ask.on_data(call->ask.arg, data, len);
}

void fake_end(struct mu_http_call *call)
{
    complete(call, &(struct mu_http_answer){.status = call->status, .body = ""});
}

void fake_answer(struct mu_http_call *call, int status, const char *body)
{
    if (call->ask.on_data != NULL) {
        fake_headers(call, status);
        if (*body != '\0') {
            fake_data(call, body, strlen(body));
        }
        fake_end(call);
        return;
    }
    complete(call, &(struct mu_http_answer){
                       .status = status, .body = body, .body_len = strlen(body)});
}

void fake_fail(struct mu_http_call *call, int code)
{
    complete(call, &(struct mu_http_answer){
                       .status = code, .error_text = "it broke", .body = ""});
}

/* ---- time ---- */

static bool cancel_one(struct fake_host *f)
{
    for (struct mu_http_call *call = f->calls; call != NULL; call = call->next) {
        if (call->is_cancelled) {
            fake_fail(call, -ECANCELED);
            return true;
        }
    }
    return false;
}

static bool work_one(struct fake_host *f)
{
    struct fake_work *w = f->work;
    if (w == NULL) {
        return false;
    }
    f->work = w->next;
    struct fake_work copy = *w;
    free(w);
    copy.work(copy.arg);
    copy.done(copy.arg);
    return true;
}

static bool time_one(struct fake_host *f)
{
    struct mu_timer *t = f->timers;
    if (t == NULL || t->due_ms > f->now_ms) {
        return false;
    }
    f->timers = t->next;
    struct mu_timer copy = *t;
    free(t);
    copy.cb(copy.arg);
    return true;
}

void fake_turn(struct fake_host *f)
{
    while (cancel_one(f) || work_one(f) || time_one(f)) {
    }
}

void fake_advance(struct fake_host *f, uint64_t ms)
{
    uint64_t end = f->now_ms + ms;
    fake_turn(f);
    while (f->timers != NULL && f->timers->due_ms <= end) {
        f->now_ms = f->timers->due_ms;
        fake_turn(f);
    }
    f->now_ms = end;
    fake_turn(f);
}
