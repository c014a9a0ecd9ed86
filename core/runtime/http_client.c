/* Calls, their connections and their time-outs.
 *
 * A call is QUEUED until the next loop turn, so that no callback ever runs inside of a
 * function that the user calls; for the same reason cancel and close only note what is
 * wanted. pump() does it, from the idle handle. A call then owns a connection: a kept
 * one, or a new one. One that was kept may have died in silence: the request is sent once
 * more on a new one, if not a byte of an answer has come. https is http_tls.c's.
 */
#include "runtime/http_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "runtime/http_answer.h"
#include "runtime/http_ask.h"
#include "runtime/http_out.h"
#include "runtime/http_tls.h"

#define CONNECT_TIMEOUT_MS 5000u
#define MAX_IDLE 64u
#define MAX_HEADER_BYTES (256u * 1024)

/* A connection kept for later. */
struct kept {
    struct mu_list link;
    struct http_client *client;
    struct http_out *out;
};

struct http_client {
    uv_loop_t *loop;
    char *user_agent;
    size_t max_idle, max_header_bytes;
    struct http_outs outs;
    struct http_tls *tls; /* NULL: not wanted so far */
    struct mu_list calls;
    struct mu_list due;  /* calls that pump is to look at */
    struct mu_list kept; /* newest first */
    size_t kept_count;
    struct mu_heap deadlines;
    uv_timer_t timer;
    uv_idle_t idle; /* active while there is something due */
    unsigned own_handles;
    bool closing, all_closed;
    mu_cb close_cb;
    void *close_arg;
};

struct mu_http_call {
    struct http_client *client;
    struct mu_list link;     /* in client->calls */
    struct mu_list due_link; /* in client->due */
    struct mu_http_ask ask;  /* callbacks and limits; its pointers are not kept */
    char *method, *url, *unix_socket;
    struct http_target target; /* borrows from url */
    struct http_bytes *bytes;
    struct http_out *out; /* NULL: queued */
    struct http_answer answer;
    struct mu_heap_node deadline;
    uint64_t end_by_ms; /* 0: whenever */
    bool is_connected, was_kept, cancelled;
    struct http_tls_call *tls; /* then nothing above but the texts is used */
};

static void pump(struct http_client *c);
static void start(struct mu_http_call *call);

/* ---- handles of the client's own ---- */

static void maybe_gone(struct http_client *c)
{
    if (!c->all_closed || c->own_handles > 0 || c->outs.open > 0 || c->tls != NULL) {
        return;
    }
    mu_cb cb = c->close_cb;
    void *arg = c->close_arg;
    mu_heap_release(&c->deadlines);
    free(c->outs.scratch);
    free(c->user_agent);
    free(c);
    cb(arg);
}

static void on_no_connection(void *arg)
{
    maybe_gone(arg);
}

static void on_own_handle_closed(uv_handle_t *h)
{
    struct http_client *c = h->data;
    c->own_handles--;
    maybe_gone(c);
}

static void on_tls_closed(void *arg)
{
    struct http_client *c = arg;
    c->tls = NULL;
    maybe_gone(c);
}

static void kept_drop(struct kept *k)
{
    mu_list_remove(&k->link);
    k->client->kept_count--;
    free(k);
}

/* All calls have ended: give everything back. */
static void close_all(struct http_client *c)
{
    c->all_closed = true;
    struct mu_list *node;
    while ((node = mu_list_first(&c->kept)) != NULL) {
        struct kept *k = mu_list_entry(node, struct kept, link);
        http_out_close(k->out);
        kept_drop(k);
    }
    uv_close((uv_handle_t *)&c->timer, on_own_handle_closed);
    uv_close((uv_handle_t *)&c->idle, on_own_handle_closed);
    if (c->tls != NULL) {
        http_tls_close(c->tls, on_tls_closed, c);
    }
}

static void on_idle(uv_idle_t *idle)
{
    pump(idle->data);
}

static void wake(struct http_client *c)
{
    if (!c->all_closed) {
        (void)uv_idle_start(&c->idle, on_idle); /* fails only without a callback */
    }
}

/* ---- kept connections ---- */

static void on_kept_data(void *arg, const char *data, size_t len)
{
    (void)data; /* nobody has asked */
    (void)len;
    struct kept *k = arg;
    http_out_close(k->out);
    kept_drop(k);
}

static void on_kept_ended(void *arg, int status, const char *what)
{
    (void)status; /* the other side's good right */
    (void)what;
    kept_drop(arg);
}

static void keep(struct http_client *c, struct http_out *out)
{
    static const struct http_out_events events = {NULL, on_kept_data, on_kept_ended};
    struct kept *k = MU_NEW(struct kept);
    k->client = c;
    k->out = out;
    mu_list_init(&k->link);
    mu_list_prepend(&c->kept, &k->link);
    c->kept_count++;
    http_out_listen(out, &events, k);
    if (c->kept_count > c->max_idle) {
        struct kept *oldest = mu_list_entry(c->kept.prev, struct kept, link);
        http_out_close(oldest->out);
        kept_drop(oldest);
    }
}

/* The newest to that place that is still good, or NULL. */
static struct http_out *take_kept(struct http_client *c, const char *key)
{
    mu_list_foreach_safe (node, &c->kept) {
        struct kept *k = mu_list_entry(node, struct kept, link);
        struct http_out *out = k->out;
        if (strcmp(http_out_key(out), key) != 0) {
            continue;
        }
        kept_drop(k);
        if (http_out_is_quiet(out)) {
            return out;
        }
        http_out_close(out); /* what has arrived is no answer to what comes now */
    }
    return NULL;
}

/* ---- time ---- */

static void on_timer(uv_timer_t *t);

static void arm(struct http_client *c)
{
    struct mu_heap_node *top = mu_heap_top(&c->deadlines);
    if (top == NULL || c->all_closed) {
        (void)uv_timer_stop(&c->timer); /* always 0 */
        return;
    }
    uint64_t now = uv_now(c->loop);
    uint64_t wait = top->key > now ? top->key - now : 0;
    (void)uv_timer_start(&c->timer, on_timer, wait, 0); /* fails without a callback */
}

static void set_deadline(struct mu_http_call *call, uint64_t at_ms)
{
    struct http_client *c = call->client;
    if (mu_heap_has(&call->deadline)) {
        mu_heap_remove(&c->deadlines, &call->deadline);
    }
    if (at_ms != 0) {
        mu_heap_push(&c->deadlines, &call->deadline, at_ms);
    }
    arm(c);
}

/* ---- the end of a call ---- */

static void let_connection_go(struct mu_http_call *call)
{
    struct http_out *out = call->out;
    call->out = NULL;
    if (out == NULL) {
        return;
    }
    bool can_be_kept = call->answer.is_complete && call->answer.can_keep_alive &&
                       !http_out_is_sending(out) && !call->client->closing &&
                       !call->cancelled;
    if (can_be_kept) {
        keep(call->client, out);
    } else {
        http_out_close(out);
    }
}

static void call_destroy(struct mu_http_call *call)
{
    mu_list_remove(&call->link);
    mu_list_remove(&call->due_link);
    http_answer_release(&call->answer);
    http_bytes_unref(call->bytes);
    free(call->method);
    free(call->url);
    free(call->unix_socket);
    free(call);
}

/* status 0: the answer is complete. */
static void end_call(struct mu_http_call *call, int status, const char *text)
{
    struct http_answer *a = &call->answer;
    set_deadline(call, 0);
    mu_list_remove(&call->link);
    mu_list_remove(&call->due_link);
    let_connection_go(call); /* before the user asks the next thing */
    struct mu_error err = {0};
    struct mu_http_answer answer = {.status = a->status};
    if (status < 0) {
        answer.status = mu_fail(&err, status, "%s %s: %s", call->method, call->url, text);
        answer.error_text = err.text;
    }
    if (a->head_done) {
        answer.headers = a->headers;
        answer.header_count = a->start_count / 2;
    }
    answer.body = mu_buf_str(&a->body);
    answer.body_len = a->body.len;
    call->ask.on_done(call->ask.arg, &answer);
    call_destroy(call);
}

static void on_timer(uv_timer_t *t)
{
    struct http_client *c = t->data;
    uint64_t now = uv_now(c->loop);
    struct mu_heap_node *top;
    while ((top = mu_heap_top(&c->deadlines)) != NULL && top->key <= now) {
        struct mu_http_call *call = mu_container_of(top, struct mu_http_call, deadline);
        bool is_late = call->end_by_ms != 0 && now >= call->end_by_ms;
        end_call(call, -ETIMEDOUT,
                 is_late ? "timed out waiting for the answer" : "timed out connecting");
    }
    arm(c);
}

/* ---- a call on its connection ---- */

static void on_connected(void *arg)
{
    struct mu_http_call *call = arg;
    call->is_connected = true;
    set_deadline(call, call->end_by_ms);
    http_out_send(call->out, call->bytes);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct mu_http_call *call = arg;
    if (call->cancelled) {
        return; /* pump ends it */
    }
    int rc = http_answer_feed(&call->answer, data, len);
    if (call->cancelled || rc == 0) {
        return;
    }
    end_call(call, rc < 0 ? rc : 0, rc < 0 ? call->answer.failure_text.text : "");
}

static void on_ended(void *arg, int status, const char *what)
{
    struct mu_http_call *call = arg;
    call->out = NULL;
    if (call->cancelled) {
        return;
    }
    if (call->was_kept && !call->answer.has_begun) {
        call->was_kept = false;
        start(call);
        return;
    }
    if (!call->is_connected || status < 0) {
        struct mu_error err;
        (void)mu_fail(&err, status, "%s: %s", what, mu_strerror(status));
        end_call(call, status, err.text);
        return;
    }
    int rc = http_answer_end(&call->answer);
    end_call(call, rc < 0 ? rc : 0, rc < 0 ? call->answer.failure_text.text : "");
}

static const struct http_out_events call_events = {on_connected, on_data, on_ended};

/* Give it a connection. A call that was sent before gets a new one. */
static void start(struct mu_http_call *call)
{
    struct http_client *c = call->client;
    const struct http_out_place place = {.unix_socket = call->unix_socket,
                                         .host = call->target.host,
                                         .port = call->target.port};
    bool is_first = !call->is_connected;
    call->is_connected = false;
    if (is_first) {
        struct mu_buf key;
        mu_buf_init(&key, 8192);
        http_out_key_of(&place, &key);
        call->out = take_kept(c, mu_buf_str(&key));
        mu_buf_release(&key);
    }
    if (call->out != NULL) {
        call->was_kept = true;
        http_out_listen(call->out, &call_events, call);
        on_connected(call);
        return;
    }
    struct mu_error err;
    int rc = http_out_open(&c->outs, &place, &call_events, call, &call->out, &err);
    if (rc < 0) {
        end_call(call, rc, err.text);
        return;
    }
    uint64_t connect_ms = call->ask.connect_timeout_ms != 0 ? call->ask.connect_timeout_ms
                                                            : CONNECT_TIMEOUT_MS;
    uint64_t connect_by = uv_now(c->loop) + connect_ms;
    bool is_sooner = call->end_by_ms == 0 || connect_by < call->end_by_ms;
    set_deadline(call, is_sooner ? connect_by : call->end_by_ms);
}

/* One round: what callbacks add to what is due has its turn in the next. */
static void pump(struct http_client *c)
{
    struct mu_list todo, *node;
    mu_list_init(&todo);
    mu_list_splice(&todo, &c->due);
    while ((node = mu_list_pop(&todo)) != NULL) {
        struct mu_http_call *call = mu_list_entry(node, struct mu_http_call, due_link);
        if (call->cancelled) {
            end_call(call, -ECANCELED, "cancelled");
        } else {
            start(call);
        }
    }
    if (mu_list_empty(&c->due)) {
        (void)uv_idle_stop(&c->idle); /* always 0 */
    }
    if (c->closing && !c->all_closed && mu_list_empty(&c->calls)) {
        close_all(c);
    }
}

/* ---- https ---- */

static void
on_tls_headers(void *arg, int status, const struct mu_http_header *headers, size_t count)
{
    struct mu_http_call *call = arg;
    call->ask.on_headers(call->ask.arg, status, headers, count);
}

static void on_tls_data(void *arg, const char *data, size_t len)
{
    struct mu_http_call *call = arg;
    call->ask.on_data(call->ask.arg, data, len);
}

static void on_tls_done(void *arg, const struct mu_http_answer *answer)
{
    struct mu_http_call *call = arg;
    struct http_client *c = call->client;
    mu_list_remove(&call->link);
    call->ask.on_done(call->ask.arg, answer);
    call_destroy(call);
    if (c->closing) {
        wake(c);
    }
}

static int
start_tls(struct mu_http_call *call, const struct mu_http_ask *ask, struct mu_error *err)
{
    struct http_client *c = call->client;
    if (c->tls == NULL) {
        const struct http_tls_config cfg = {.user_agent = c->user_agent,
                                            .max_idle = c->max_idle,
                                            .max_header_bytes = c->max_header_bytes};
        int rc = http_tls_create(c->loop, &cfg, &c->tls, err);
        if (rc < 0) {
            return rc;
        }
    }
    struct mu_http_ask mine = *ask;
    mine.on_headers = ask->on_headers != NULL ? on_tls_headers : NULL;
    mine.on_data = ask->on_data != NULL ? on_tls_data : NULL;
    mine.on_done = on_tls_done;
    mine.arg = call;
    return http_tls_request(c->tls, &mine, &call->tls, err);
}

/* ---- the user asks ---- */

int http_client_create(uv_loop_t *loop,
                       const struct http_client_config *cfg,
                       struct http_client **out,
                       struct mu_error *err)
{
    (void)err; /* nothing of this fails */
    static const struct http_client_config defaults;
    const struct http_client_config *use = cfg != NULL ? cfg : &defaults;
    struct http_client *c = MU_NEW(struct http_client);
    c->loop = loop;
    c->user_agent = mu_xstrdup(use->user_agent != NULL ? use->user_agent : "muster");
    c->max_idle = use->max_idle != 0 ? use->max_idle : MAX_IDLE;
    c->max_header_bytes =
        use->max_header_bytes != 0 ? use->max_header_bytes : MAX_HEADER_BYTES;
    c->outs = (struct http_outs){.loop = loop,
                                 .on_none = on_no_connection,
                                 .arg = c,
                                 .scratch = mu_xalloc(HTTP_SCRATCH)};
    mu_list_init(&c->calls);
    mu_list_init(&c->due);
    mu_list_init(&c->kept);
    mu_heap_init(&c->deadlines);
    (void)uv_timer_init(loop, &c->timer); /* these two always give 0 */
    (void)uv_idle_init(loop, &c->idle);
    c->timer.data = c;
    c->idle.data = c;
    c->own_handles = 2;
    *out = c;
    return 0;
}

static struct http_bytes *bytes_of(const struct http_client *c,
                                   const struct mu_http_ask *ask,
                                   const struct http_target *target)
{
    struct http_bytes *b = MU_NEW(struct http_bytes);
    b->refs = 1;
    mu_buf_init(&b->head, SIZE_MAX / 2);
    http_ask_compose(ask, target, c->user_agent, &b->head);
    b->body = ask->body_len > 0 ? mu_xmemdup(ask->body, ask->body_len) : NULL;
    b->body_len = ask->body_len;
    return b;
}

static struct mu_http_call *call_create(struct http_client *c,
                                        const struct mu_http_ask *ask,
                                        const struct http_target *target)
{
    struct mu_http_call *call = MU_NEW(struct mu_http_call);
    call->client = c;
    call->ask = *ask;
    call->method = mu_xstrdup(ask->method);
    call->url = mu_xstrdup(ask->url);
    call->unix_socket = mu_xstrdup(ask->unix_socket);
    call->target = *target;
    call->target.path = NULL; /* the user's; it is in the bytes already */
    mu_list_init(&call->link);
    mu_list_init(&call->due_link);
    call->ask.method = call->method;
    http_answer_init(&call->answer, &call->ask, c->max_header_bytes, &call->cancelled);
    return call;
}

int http_client_request(struct http_client *c,
                        const struct mu_http_ask *ask,
                        struct mu_http_call **out_call,
                        struct mu_error *err)
{
    MU_PRE(ask->struct_size >= sizeof(*ask) && ask->on_done != NULL);
    if (c->closing) {
        return mu_fail(err, -ECANCELED, "the http client is closing");
    }
    struct http_target target = {0};
    int status = http_ask_check(ask, &target, err);
    if (status < 0) {
        return mu_wrap(err, status, "http request");
    }
    struct mu_http_call *call = call_create(c, ask, &target);
    if (target.is_plain) {
        call->bytes = bytes_of(c, ask, &target);
        call->end_by_ms = ask->timeout_ms != 0 ? uv_now(c->loop) + ask->timeout_ms : 0;
        mu_list_append(&c->due, &call->due_link);
        wake(c);
    } else {
        status = start_tls(call, ask, err);
    }
    if (status < 0) {
        call_destroy(call);
        return mu_wrap(err, status, "http request");
    }
    mu_list_append(&c->calls, &call->link);
    if (out_call != NULL) {
        *out_call = call;
    }
    return 0;
}

void http_client_cancel(struct mu_http_call *call)
{
    if (call == NULL || call->cancelled || !mu_list_linked(&call->link)) {
        return; /* the last: on_done is running */
    }
    call->cancelled = true;
    if (call->tls != NULL) {
        http_tls_cancel(call->tls);
        return;
    }
    if (!mu_list_linked(&call->due_link)) {
        mu_list_append(&call->client->due, &call->due_link);
    }
    wake(call->client);
}

void http_client_close(struct http_client *c, mu_cb cb, void *arg)
{
    MU_PRE(!c->closing && cb != NULL);
    c->closing = true;
    c->close_cb = cb;
    c->close_arg = arg;
    mu_list_foreach (node, &c->calls) {
        http_client_cancel(mu_list_entry(node, struct mu_http_call, link));
    }
    wake(c);
}
