/* See calls.h. States of a call: waiting (behind others), running (its run is on the
 * stack), submitted (the core has it). Only the first in the list is ever more than
 * waiting. */
#include "calls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "arguments.h"
#include "query.h"
#include "routes.h"

static void unlink_call(struct mrt_call *c)
{
    struct mrt *m = c->rq.m;
    struct mrt_call **at = &m->calls;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    m->call_count--;
}

static void free_call(struct mrt_call *c)
{
    mu_buf_release(&c->body);
    free(c->location);
    free(c);
}

/* ---- clients that have waited too long ---- */

static void arm(struct mrt *m);

static void answer_late(struct mrt_call *c, const char *why)
{
    struct mrt *m = c->rq.m;
    struct mu_http_exchange *x = c->rq.x;
    struct mu_buf text;
    mu_buf_init(&text, 8192);
    if (c->submitted) {
        mu_buf_printf(
            &text,
            "The change has not been stored within %d s: %s. Whether it will be "
            "is not known: look before you ask again.",
            MRT_CALL_WAIT_MS / 1000, why);
        c->rq.x = NULL; /* the core's answer is nobody's any more */
        c->rq.http = NULL;
    } else {
        mu_buf_printf(&text,
                      "The change was not made: changes before it have not been stored: "
                      "%s. Please try again.",
                      why);
        unlink_call(c);
        free_call(c);
    }
    m->host->http_on_close(x, NULL, NULL);
    mrt_answer_retry(m, x, mu_buf_str(&text));
    mu_buf_release(&text);
}

static void on_late(void *arg)
{
    struct mrt *m = arg;
    struct mu_buf why;
    uint64_t now_ms = m->host->now_ms(m->host);
    m->call_timer = NULL;
    mu_buf_init(&why, 4096);
    mrt_registry_why(m, &why);
    if (why.len == 0) {
        mu_buf_puts(&why, "the registry has not answered");
    }
    struct mrt_call *next;
    for (struct mrt_call *c = m->calls; c != NULL; c = next) {
        next = c->next;
        if (c->rq.x != NULL && now_ms - c->began_ms >= MRT_CALL_WAIT_MS) {
            answer_late(c, mu_buf_str(&why));
        }
    }
    mu_buf_release(&why);
    arm(m);
}

/* For the oldest call whose client waits; they are in order. */
static void arm(struct mrt *m)
{
    const struct mrt_call *c = m->calls;
    while (c != NULL && c->rq.x == NULL) {
        c = c->next;
    }
    if (c == NULL || m->stopping) {
        m->host->timer_cancel(m->host, m->call_timer);
        m->call_timer = NULL;
    } else if (m->call_timer == NULL) {
        uint64_t due_ms = c->began_ms + MRT_CALL_WAIT_MS;
        uint64_t now_ms = m->host->now_ms(m->host);
        m->call_timer = m->host->timer_start(
            m->host, due_ms > now_ms ? due_ms - now_ms : 0, on_late, m);
    }
}

/* ---- one after the other ---- */

/* Let the first in the list run, and the next ones as long as they end at once. If this
 * process leads no more they begin anew, as requests to a standby. */
static void pump(struct mrt *m)
{
    if (m->pumping) {
        return;
    }
    m->pumping = true;
    while (m->calls != NULL && !m->calls->submitted) {
        struct mrt_call *c = m->calls;
        if (mrt_ready(m) < 0) {
            struct mrt_request rq = c->rq;
            m->host->http_on_close(rq.x, NULL, NULL);
            mrt_call_end(c);
            mrt_dispatch(&rq);
        } else {
            c->run(c); /* ends it, or submits */
        }
    }
    m->pumping = false;
    arm(m);
    mrt_maybe_stopped(m);
}

static void on_client_gone(void *arg)
{
    struct mrt_call *c = arg;
    struct mrt *m = c->rq.m;
    c->rq.x = NULL;
    c->rq.http = NULL;
    if (!c->submitted) {
        unlink_call(c);
        free_call(c);
        pump(m);
    } else {
        arm(m);
    }
}

void mrt_call_begin(const struct mrt_request *rq, void (*run)(struct mrt_call *c))
{
    struct mrt *m = rq->m;
    if (m->call_count >= MRT_CALLS_MAX) {
        mrt_answer_message(m, rq->x, 503, "Too many changes are waiting.");
        return;
    }
    struct mrt_call *c = MRT_NEW(struct mrt_call);
    c->rq = *rq;
    c->run = run;
    c->began_ms = m->host->now_ms(m->host);
    c->status = 200;
    mu_buf_init(&c->body, 64 * 1024 * 1024);
    struct mrt_call **at = &m->calls;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = c;
    m->call_count++;
    m->host->http_on_close(rq->x, on_client_gone, c);
    pump(m);
}

static void on_result(void *arg, const struct mu_command_result *r)
{
    struct mrt_call *c = arg;
    struct mrt *m = c->rq.m;
    unlink_call(c);
    if (c->rq.x != NULL && r->status == 0) {
        c->done(c, r);
    } else if (c->rq.x != NULL) {
        mrt_answer_failure(m, c->rq.x, r);
    }
    free_call(c);
    pump(m);
}

/* Path and query as the client sent them. */
static void write_uri(const struct mu_http_request *req, struct mu_buf *out)
{
    (void)mu_buf_puts(out, req->path);
    if (req->query[0] != '\0') {
        (void)mu_buf_putc(out, '?');
        (void)mu_buf_puts(out, req->query);
    }
}

void mrt_call_submit(struct mrt_call *c,
                     struct mu_command_request *cmd,
                     void (*done)(struct mrt_call *c, const struct mu_command_result *r))
{
    struct mrt *m = c->rq.m;
    char ip[64];
    struct mu_buf uri;
    struct mu_error err = {.text = ""};
    mrt_peer_ip(c->rq.http->peer, ip, sizeof(ip));
    mu_buf_init(&uri, 64 * 1024);
    write_uri(c->rq.http, &uri);
    cmd->struct_size = sizeof(*cmd);
    cmd->client_ip = ip;
    cmd->uri = mu_buf_str(&uri);
    c->done = done;
    c->submitted = true;
    int rc = m->core->submit(m->core, cmd, on_result, c, &err);
    mu_buf_release(&uri);
    if (rc == MU_E_NOT_LEADER) {
        mrt_call_not_ready(c, rc);
    } else if (rc < 0) {
        const struct mu_command_result failed = {
            .struct_size = sizeof(failed), .status = rc, .text = err.text};
        mrt_answer_failure(m, c->rq.x, &failed);
        mrt_call_end(c);
    }
}

void mrt_call_end(struct mrt_call *c)
{
    unlink_call(c);
    free_call(c);
}

void mrt_call_refuse(struct mrt_call *c, int status, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when longer */
    va_end(ap);
    mrt_answer_message(c->rq.m, c->rq.x, status, "%s", text);
    mrt_call_end(c);
}

void mrt_call_problems(struct mrt_call *c, const struct mrt_problems *p)
{
    mrt_answer_problems(c->rq.m, c->rq.x, p);
    mrt_call_end(c);
}

void mrt_call_not_ready(struct mrt_call *c, int code)
{
    mrt_answer_not_ready(c->rq.m, c->rq.x, code);
    mrt_call_end(c);
}

struct mrt_body *mrt_call_body(struct mrt_call *c)
{
    struct mu_error err;
    const struct mu_http_request *req = c->rq.http;
    struct mrt_body *b = mrt_body_parse(req->body, req->body_len, &err);
    if (b == NULL) {
        mrt_answer_not_json(c->rq.m, c->rq.x, &err);
        mrt_call_end(c);
    }
    return b;
}

bool mrt_call_app_exists(struct mrt_call *c)
{
    struct mu_app *app = NULL;
    int rc = mrt_find_app(c->rq.m, c->rq.id, &app);
    bool exists = app != NULL;
    mu_app_unref(app);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else if (!exists) {
        mrt_call_refuse(c, 404, "App '%s' does not exist", c->rq.id);
    }
    return exists;
}

void mrt_call_answer_result(struct mrt_call *c, const struct mu_command_result *r)
{
    mrt_answer_result(c->rq.m, c->rq.x, c->status, r, c->location);
}

void mrt_calls_stop(struct mrt *m)
{
    struct mrt_call **at = &m->calls;
    while (*at != NULL) {
        struct mrt_call *c = *at;
        if (c->submitted) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        m->call_count--;
        mrt_answer_not_ready(m, c->rq.x, MU_E_NOT_LEADER);
        free_call(c);
    }
    arm(m);
}
