/* The host's half of fake.h. */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/flag_values.h"
#include "runtime/http_router.h"

extern const struct mu_plugin MU_PLUGIN_SYMBOL(api_marathon);

void fake_core_init(struct fake *f);
void fake_core_release(struct fake *f);

static struct fake *of(const struct mu_host *h)
{
    return h->impl;
}

static void
host_log(const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    (void)h;
    (void)level;
    (void)message;
    (void)fmt;
}

static uint64_t host_now(const struct mu_host *h)
{
    return of(h)->now_ms;
}

static int64_t host_wall(const struct mu_host *h)
{
    return FAKE_WALL_MS + (int64_t)of(h)->now_ms;
}

static struct mu_timer *
host_timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct fake_timer *t = MU_NEW(struct fake_timer);
    t->due_ms = of(h)->now_ms + delay_ms;
    t->cb = cb;
    t->arg = arg;
    t->next = of(h)->timers;
    of(h)->timers = t;
    return (struct mu_timer *)t;
}

static bool unlink_timer(struct fake *f, struct fake_timer *t)
{
    for (struct fake_timer **at = &f->timers; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            return true;
        }
    }
    return false;
}

static void host_timer_cancel(const struct mu_host *h, struct mu_timer *t)
{
    if (t != NULL) {
        assert_true(unlink_timer(of(h), (struct fake_timer *)t));
        free(t);
    }
}

void fake_advance(struct fake *f, uint64_t ms)
{
    uint64_t until = f->now_ms + ms;
    for (;;) {
        struct fake_timer *first = NULL;
        for (struct fake_timer *t = f->timers; t != NULL; t = t->next) {
            if (t->due_ms <= until && (first == NULL || t->due_ms < first->due_ms)) {
                first = t;
            }
        }
        if (first == NULL) {
            break;
        }
        f->now_ms = first->due_ms;
        unlink_timer(f, first);
        first->cb(first->arg);
        free(first);
    }
    f->now_ms = until;
}

static int host_route(const struct mu_host *h,
                      const char *listener,
                      const char *method,
                      const char *pattern,
                      mu_http_handler_cb handler,
                      void *arg,
                      struct mu_error *err)
{
    assert_string_equal(listener, "marathon");
    return http_router_add(of(h)->router, method, pattern, handler, arg, err);
}

static void take_headers(struct mu_http_exchange *x,
                         int status,
                         const struct mu_http_header *headers,
                         size_t count)
{
    struct mu_buf text;
    assert_int_equal(x->status, 0);
    x->status = status;
    mu_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        mu_buf_printf(&text, "%s: %s\n", headers[i].name, headers[i].value);
    }
    x->answer_headers = mu_buf_take(&text);
}

static void http_reply(struct mu_http_exchange *x,
                       int status,
                       const struct mu_http_header *headers,
                       size_t count,
                       const void *body,
                       size_t len)
{
    assert_false(x->gone);
    take_headers(x, status, headers, count);
    mu_buf_append(&x->body, body == NULL ? "" : body, len);
    x->ended = true;
    x->closed_cb = NULL;
}

static void stream_begin(struct mu_http_exchange *x,
                         int status,
                         const struct mu_http_header *headers,
                         size_t count,
                         bool bounded)
{
    take_headers(x, status, headers, count);
    x->streaming = true;
    x->bounded = bounded;
}

static int stream_write(struct mu_http_exchange *x, const void *data, size_t len)
{
    assert_true(x->streaming && !x->ended);
    if (x->gone) {
        return -32; /* EPIPE */
    }
    mu_buf_append(&x->body, data, len);
    return 0;
}

static void
stream_drain(struct mu_http_exchange *x, size_t low_bytes, mu_cb cb, void *arg)
{
    (void)low_bytes;
    assert_true(x->streaming && !x->ended);
    x->drain_cb = cb;
    x->drain_arg = arg;
}

static void stream_over(struct mu_http_exchange *x)
{
    assert_true(x->streaming && !x->ended);
    x->ended = true;
    x->closed_cb = NULL;
    x->drain_cb = NULL;
}

static void stream_end(struct mu_http_exchange *x)
{
    if (x->bounded) {
        assert_null(x->drain_cb); /* something was still to come: it is not whole */
    }
    stream_over(x);
}

static void stream_abort(struct mu_http_exchange *x)
{
    stream_over(x);
    x->aborted = true;
}

static void on_close(struct mu_http_exchange *x, mu_http_closed_cb cb, void *arg)
{
    assert_false(x->ended);
    x->closed_cb = cb;
    x->closed_arg = arg;
}

static const struct mu_http_request *request_of(const struct mu_http_exchange *x)
{
    assert_false(x->gone);
    return &x->req;
}

static void
error_body(const struct mu_host *h, const char *listener, mu_http_error_body_cb cb)
{
    assert_string_equal(listener, "marathon");
    of(h)->error_body = cb;
}

static void counter_add(const struct mu_host *h, const char *name, double delta)
{
    (void)h;
    assert_true(strlen(name) > 0 && delta > 0);
}

static void gauge_set(const struct mu_host *h, const char *name, double value)
{
    assert_string_equal(name, "marathon.standby.kept.gauge");
    of(h)->kept = value;
}

static void each_metric(const struct mu_host *h,
                        void (*cb)(void *arg, const char *name, double value),
                        void *arg)
{
    (void)h;
    cb(arg, "marathon.apps.active.gauge", 2);
    cb(arg, "marathon.tasks.killed.counter", 5);
}

static int host_http_request(const struct mu_host *h,
                             const struct mu_http_ask *ask,
                             struct mu_http_call **out,
                             struct mu_error *err)
{
    (void)err;
    struct mu_http_call *call = MU_NEW(struct mu_http_call);
    struct mu_buf headers;
    mu_buf_init(&headers, 1 << 20);
    for (size_t i = 0; i < ask->header_count; i++) {
        mu_buf_printf(&headers, "%s: %s\n", ask->headers[i].name, ask->headers[i].value);
    }
    *call = (struct mu_http_call){.f = of(h),
                                  .method = mu_xstrdup(ask->method),
                                  .url = mu_xstrdup(ask->url),
                                  .headers = mu_buf_take(&headers),
                                  .body = mu_xstrndup(ask->body, ask->body_len),
                                  .on_done = ask->on_done,
                                  .arg = ask->arg};
    struct mu_http_call **at = &of(h)->calls;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = call;
    *out = call;
    return 0;
}

static void on_cancelled(void *arg)
{
    struct fake *f = arg;
    if (f->calls != NULL && f->calls->cancelled) {
        fake_call_answer(f, -ECANCELED, NULL, "");
    }
}

static void host_http_cancel(struct mu_http_call *call)
{
    call->cancelled = true;
    (void)call->f->host.timer_start(&call->f->host, 0, on_cancelled, call->f);
}

void fake_call_answer(struct fake *f,
                      int status,
                      const char *const *headers,
                      const char *body)
{
    struct mu_http_call *call = f->calls;
    assert_non_null(call);
    f->calls = call->next;
    struct mu_http_header list[300];
    char *texts[300];
    size_t count = 0;
    for (; headers != NULL && headers[count] != NULL; count++) {
        texts[count] = mu_xstrdup(headers[count]);
        char *colon = strchr(texts[count], ':');
        *colon = '\0';
        list[count] = (struct mu_http_header){texts[count], colon + 2};
    }
    const struct mu_http_answer a = {.status = status,
                                     .error_text = status < 0 ? "no answer" : NULL,
                                     .headers = list,
                                     .header_count = count,
                                     .body = body,
                                     .body_len = strlen(body)};
    call->on_done(call->arg, &a);
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(call->method);
    free(call->url);
    free(call->headers);
    free(call->body);
    free(call);
}

struct fake *fake_open(const char *const *flags)
{
    struct mu_error err;
    struct fake *f = MU_NEW(struct fake);
    f->host = (struct mu_host){
        .struct_size = sizeof(struct mu_host),
        .impl = f,
        .log = host_log,
        .now_ms = host_now,
        .wall_ms = host_wall,
        .timer_start = host_timer_start,
        .timer_cancel = host_timer_cancel,
        .counter_add = counter_add,
        .gauge_set = gauge_set,
        .metrics_each = each_metric,
        .http_route = host_route,
        .http_reply = http_reply,
        .http_stream_begin = stream_begin,
        .http_stream_write = stream_write,
        .http_stream_drain = stream_drain,
        .http_stream_end = stream_end,
        .http_stream_abort = stream_abort,
        .http_on_close = on_close,
        .http_request_of = request_of,
        .http_error_body = error_body,
        .http_request = host_http_request,
        .http_cancel = host_http_cancel,
    };
    f->router = http_router_create();
    fake_core_init(f);
    f->plugin = &MU_PLUGIN_SYMBOL(api_marathon);
    assert_int_equal(mu_flags_create(f->plugin->flags, &f->flags, &err), 0);
    for (; flags != NULL && *flags != NULL; flags++) {
        char name[64];
        const char *equals = strchr(*flags, '=');
        snprintf(name, sizeof(name), "%.*s", (int)(equals - *flags), *flags);
        assert_int_equal(mu_flags_assign(f->flags, name, equals + 1, &err), 0);
    }
    assert_int_equal(f->plugin->create(&f->host, f->flags, &f->instance, &err), 0);
    const struct mu_api_ops *ops = f->plugin->ops;
    ops->attach(f->instance, MU_ROLE_MASTER | MU_ROLE_SCHEDULER, &f->core);
    if (f->plugin->start(f->instance, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return f;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void fake_close(struct fake *f)
{
    f->plugin->stop(f->instance, on_stopped, &f->stopped);
    assert_false(f->stopped); /* never inline */
    while (f->commands != NULL) {
        fake_fail(f, MU_E_UNAVAILABLE, "the end", NULL);
    }
    fake_advance(f, 0);
    assert_true(f->stopped);
    assert_null(f->timers);
    assert_null(f->calls);
    assert_int_equal(f->watches, 0);
    f->plugin->destroy(f->instance);
    mu_flags_destroy(f->flags);
    while (f->exchanges != NULL) {
        struct mu_http_exchange *x = f->exchanges;
        assert_true(x->ended || x->gone);
        f->exchanges = x->next;
        mu_buf_release(&x->body);
        for (size_t i = 0; i < 8; i++) {
            free(x->header_texts[i]);
        }
        free(x->text);
        free(x->decoded);
        free(x->answer_headers);
        free(x);
    }
    fake_core_release(f);
    http_router_destroy(f->router);
    free(f);
}

static void parse_headers(struct mu_http_exchange *x, const char *const *headers)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        char *copy = mu_xstrdup(*headers);
        char *colon = strstr(copy, ": ");
        *colon = '\0';
        x->header_texts[x->req.header_count] = copy;
        x->headers[x->req.header_count++] = (struct mu_http_header){copy, colon + 2};
    }
    x->req.headers = x->headers;
}

static void decode_params(struct mu_http_exchange *x, const struct http_route_match *m)
{
    char *at = x->decoded = mu_xcalloc(8, strlen(x->req.path) + 1);
    for (size_t i = 0; i < m->hole_count; i++) {
        assert_int_equal(mu_http_decode(m->holes[i].at, m->holes[i].len, false, at,
                                        m->holes[i].len + 1),
                         0);
        x->params[i] = at;
        at += m->holes[i].len + 1;
    }
    x->req.params = x->params;
    x->req.param_count = m->hole_count;
}

struct mu_http_exchange *fake_ask_with(struct fake *f,
                                       const char *method,
                                       const char *target,
                                       const char *const *headers,
                                       const char *body)
{
    struct http_route_match match;
    struct mu_http_exchange *x = MU_NEW(struct mu_http_exchange);
    x->f = f;
    x->next = f->exchanges;
    f->exchanges = x;
    mu_buf_init(&x->body, 256 << 20);
    x->text = mu_xstrdup(target);
    char *query = strchr(x->text, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    x->req = (struct mu_http_request){
        .struct_size = sizeof(x->req),
        .method = method,
        .path = x->text,
        .query = query == NULL ? "" : query,
        .body = body == NULL ? "" : body,
        .body_len = body == NULL ? 0 : strlen(body),
        .peer = "10.0.0.9:4711",
        .listener = "marathon",
    };
    parse_headers(x, headers);
    assert_int_equal(
        http_router_match(f->router, method, x->text, strlen(x->text), &match),
        HTTP_ROUTE_FOUND);
    decode_params(x, &match);
    match.handler(match.arg, x, &x->req);
    return x;
}

struct mu_http_exchange *
fake_ask(struct fake *f, const char *method, const char *target, const char *body)
{
    static const char *const headers[] = {"Host: us:8080", NULL};
    return fake_ask_with(f, method, target, headers, body);
}

const char *fake_header(const struct mu_http_exchange *x, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    for (const char *p = x->answer_headers; p != NULL && *p != '\0';) {
        size_t line = strcspn(p, "\n");
        if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)(line - len - 2), p + len + 2);
            return value;
        }
        p += line + 1;
    }
    return NULL;
}

void fake_hang_up(struct mu_http_exchange *x)
{
    mu_http_closed_cb cb = x->closed_cb;
    assert_false(x->ended);
    x->gone = true;
    x->closed_cb = NULL;
    x->drain_cb = NULL;
    /* what the plugin still reads of the request would be dead memory */
    x->req = (struct mu_http_request){0};
    if (cb != NULL) {
        cb(x->closed_arg);
    }
}

bool fake_drain(struct mu_http_exchange *x)
{
    mu_cb cb = x->drain_cb;
    x->drain_cb = NULL;
    if (cb != NULL) {
        cb(x->drain_arg);
    }
    return cb != NULL;
}

void fake_expect_answer(const struct mu_http_exchange *x, int status, const char *wanted)
{
    const char *got = mu_buf_str(&x->body);
    if (x->status != status) {
        fail_msg("status %d, wanted %d: %s", x->status, status, got);
    }
    if (wanted[0] != '{' && wanted[0] != '[') {
        assert_string_equal(got, wanted);
        return;
    }
    json_error_t err;
    json_t *g = json_loads(got, JSON_REJECT_DUPLICATES, &err);
    if (g == NULL) {
        fail_msg("not JSON (%s): %s", err.text, got);
    }
    json_t *w = json_loads(wanted, JSON_REJECT_DUPLICATES, &err);
    if (w == NULL) {
        fail_msg("not JSON (%s): %s", err.text, wanted);
    }
    kit_assert_json(g, w, "body");
    json_decref(g);
    json_decref(w);
    assert_string_equal(fake_header(x, "Content-Type"), "application/json");
}

struct mu_http_exchange *fake_expect(struct fake *f,
                                     const char *method,
                                     const char *target,
                                     const char *body,
                                     int status,
                                     const char *wanted)
{
    struct mu_http_exchange *x = fake_ask(f, method, target, body);
    fake_expect_answer(x, status, wanted);
    return x;
}
