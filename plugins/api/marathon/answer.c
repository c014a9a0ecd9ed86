/* See answer.h. */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "hops.h"
#include "query.h"

enum { ERROR_BODY_MAX = 256 * 1024 };

/* The configured origin that the request comes from, "*" if all are allowed, or NULL. */
static const char *allowed_origin(const struct mrt *m, const struct mu_http_request *req)
{
    const char *origin = mu_http_header_get(req->headers, req->header_count, "Origin");
    for (size_t i = 0; i < m->origins.count; i++) {
        const char *o = m->origins.v[i];
        if (strcmp(o, "*") == 0 || (origin != NULL && strcmp(o, origin) == 0)) {
            return o;
        }
    }
    return NULL;
}

size_t mrt_headers(struct mrt *m,
                   const struct mu_http_request *req,
                   const char *type,
                   struct mrt_header_text *scratch,
                   struct mu_http_header *out)
{
    static const struct mu_http_header common[] = {
        {"X-Frame-Options", "DENY"},
        {"X-XSS-Protection", "1; mode=block"},
        {"Cache-Control", "no-cache, no-store, must-revalidate"},
        {"Pragma", "no-cache"},
        {"Expires", "0"},
    };
    size_t n = 0;
    if (type != NULL) {
        out[n++] = (struct mu_http_header){"Content-Type", type};
    }
    memcpy(out + n, common, sizeof(common));
    n += sizeof(common) / sizeof(common[0]);
    if (m->leads && m->self[0] != '\0') {
        (void)snprintf(scratch->leader, sizeof(scratch->leader), "http://%s", m->self);
        out[n++] = (struct mu_http_header){"X-Marathon-Leader", scratch->leader};
    }
    const char *origin = allowed_origin(m, req);
    if (origin != NULL) {
        const char *asked = mu_http_header_get(req->headers, req->header_count,
                                               "Access-Control-Request-Headers");
        out[n++] = (struct mu_http_header){"Access-Control-Allow-Origin", origin};
        out[n++] =
            (struct mu_http_header){"Access-Control-Allow-Methods",
                                    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"};
        out[n++] = (struct mu_http_header){"Access-Control-Max-Age", "86400"};
        if (asked != NULL) {
            out[n++] = (struct mu_http_header){"Access-Control-Allow-Headers", asked};
        }
    }
    return n;
}

void mrt_answer_with(struct mrt *m,
                     struct mu_http_exchange *x,
                     int status,
                     const char *type,
                     const struct mu_buf *body,
                     const struct mu_http_header *extra,
                     size_t extra_count)
{
    struct mu_http_header headers[MRT_HEADERS_MAX];
    struct mrt_header_text text;
    size_t n = mrt_headers(m, m->host->http_request_of(x), type, &text, headers);
    for (size_t i = 0; i < extra_count && i < MRT_EXTRA_MAX; i++) {
        headers[n++] = extra[i];
    }
    m->host->http_reply(x, status, headers, n, body == NULL ? NULL : mu_buf_str(body),
                        body == NULL ? 0 : body->len);
}

void mrt_answer(struct mrt *m,
                struct mu_http_exchange *x,
                int status,
                const struct mu_buf *body)
{
    mrt_answer_with(m, x, status, MRT_JSON, body, NULL, 0);
}

static void write_message(struct mu_buf *out, const char *text)
{
    struct mu_jw w;
    mu_jw_init(&w, out);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "message", text);
    mu_jw_object_end(&w);
}

void mrt_error_body(int status,
                    const char *text,
                    struct mu_buf *out,
                    const char **out_type)
{
    (void)status;
    write_message(out, text);
    *out_type = MRT_JSON;
}

void mrt_answer_message(
    struct mrt *m, struct mu_http_exchange *x, int status, const char *fmt, ...)
{
    char text[2048];
    struct mu_buf body;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when longer */
    va_end(ap);
    mu_buf_init(&body, ERROR_BODY_MAX);
    write_message(&body, text);
    mrt_answer(m, x, status, &body);
    mu_buf_release(&body);
}

void mrt_answer_problems(struct mrt *m,
                         struct mu_http_exchange *x,
                         const struct mrt_problems *p)
{
    struct mu_buf body;
    mu_buf_init(&body, ERROR_BODY_MAX);
    mrt_problems_write(p, &body);
    mrt_answer(m, x, 422, &body);
    mu_buf_release(&body);
}

void mrt_answer_not_json(struct mrt *m,
                         struct mu_http_exchange *x,
                         const struct mu_error *err)
{
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, ERROR_BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "message", "Invalid JSON");
    mu_jw_kv_string(&w, "details", err->text);
    mu_jw_object_end(&w);
    mrt_answer(m, x, 400, &body);
    mu_buf_release(&body);
}

void mrt_not_ready_text(struct mrt *m, int code, struct mu_buf *out)
{
    switch (code) {
    case MU_E_NOT_LEADER:
        mu_buf_puts(out, "This master does not lead at the moment. Please try again.");
        break;
    case MU_E_UNAVAILABLE: {
        struct mu_buf why;
        mu_buf_init(&why, 4096);
        mrt_registry_why(m, &why);
        mu_buf_printf(out, "The leader is still loading its state%s%s. Please try again.",
                      why.len > 0 ? ": " : "", mu_buf_str(&why));
        mu_buf_release(&why);
        break;
    }
    case MU_E_UNSUPPORTED:
        mu_buf_puts(out, "This process runs no app scheduler.");
        break;
    default:
        mu_buf_puts(out, mu_strerror(code));
        break;
    }
}

static void
retry_later(struct mrt *m, struct mu_http_exchange *x, const char *text, bool not_taken)
{
    static const struct mu_http_header extra[] = {{"Retry-After", "1"},
                                                  {MRT_NOT_TAKEN, "not the leader"}};
    struct mu_buf body;
    mu_buf_init(&body, ERROR_BODY_MAX);
    write_message(&body, text);
    mrt_answer_with(m, x, 503, MRT_JSON, &body, extra, not_taken ? 2 : 1);
    mu_buf_release(&body);
}

void mrt_answer_retry(struct mrt *m, struct mu_http_exchange *x, const char *text)
{
    retry_later(m, x, text, false);
}

void mrt_answer_not_ready(struct mrt *m, struct mu_http_exchange *x, int code)
{
    struct mu_buf text;
    mu_buf_init(&text, 8192);
    mrt_not_ready_text(m, code, &text);
    retry_later(m, x, mu_buf_str(&text),
                mrt_hops_was_passed(m->host->http_request_of(x)));
    mu_buf_release(&text);
}

static void answer_conflict(struct mrt *m,
                            struct mu_http_exchange *x,
                            const struct mu_command_result *r)
{
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, ERROR_BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    /* the placeholder is what Marathon sends, to the letter */
    mu_jw_kv_string(&w, "message",
                    "App is locked by one or more deployments. Override with the option "
                    "'?force=true'. View details at "
                    "'/v2/deployments/<DEPLOYMENT_ID>'.");
    mu_jw_key(&w, "deployments");
    mu_jw_array_begin(&w);
    for (size_t i = 0; i < r->conflict_count; i++) {
        mu_jw_object_begin(&w);
        mu_jw_kv_string(&w, "id", r->conflicts[i]);
        mu_jw_object_end(&w);
    }
    mu_jw_array_end(&w);
    mu_jw_object_end(&w);
    mrt_answer(m, x, 409, &body);
    mu_buf_release(&body);
}

static void answer_invalid(struct mrt *m,
                           struct mu_http_exchange *x,
                           const struct mu_command_result *r)
{
    struct mrt_problems p = {0};
    mrt_problem_add(&p, MRT_MODEL, r->path == NULL ? "/" : r->path, "%s",
                    r->text == NULL ? "not valid" : r->text);
    mrt_answer_problems(m, x, &p);
    mrt_problems_release(&p);
}

/* All of these are MU_E_LIMIT: too many deployments, no service port left, a change that
 * is too big to be stored. */
static int limit_status(const char *text)
{
    if (strncmp(text, "Max number", 10) == 0) {
        return 403;
    }
    return strncmp(text, "All ports", 9) == 0 ? 500 : 422;
}

void mrt_answer_failure(struct mrt *m,
                        struct mu_http_exchange *x,
                        const struct mu_command_result *r)
{
    const char *text = r->text == NULL ? mu_strerror(r->status) : r->text;
    switch (r->status) {
    case MU_E_NOT_FOUND:
        mrt_answer_message(m, x, 404, "%s", text);
        break;
    case MU_E_EXISTS:
        mrt_answer_message(m, x, 409, "%s", text);
        break;
    case MU_E_CONFLICT:
        answer_conflict(m, x, r);
        break;
    case MU_E_INVALID:
        answer_invalid(m, x, r);
        break;
    case MU_E_LIMIT:
        mrt_answer_message(m, x, limit_status(text), "%s", text);
        break;
    case MU_E_UNSUPPORTED:
        mrt_answer_message(m, x, 501, "%s", text);
        break;
    default: /* unavailable, fenced, outcome unknown: the text says which */
        mrt_answer_retry(m, x, text);
        break;
    }
}

void mrt_answer_result(struct mrt *m,
                       struct mu_http_exchange *x,
                       int status,
                       const struct mu_command_result *r,
                       const char *location)
{
    struct mu_http_header extra[2];
    size_t n = 0;
    struct mu_buf body;
    struct mu_jw w;
    char version[MU_TIME_TEXT];
    mu_time_format(r->version_ms, version);
    mu_buf_init(&body, ERROR_BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "version", version);
    if (r->deployment_id != NULL) {
        mu_jw_kv_string(&w, "deploymentId", r->deployment_id);
        extra[n++] = (struct mu_http_header){"Marathon-Deployment-Id", r->deployment_id};
    }
    mu_jw_object_end(&w);
    if (location != NULL) {
        extra[n++] = (struct mu_http_header){"Location", location};
    }
    mrt_answer_with(m, x, status, MRT_JSON, &body, extra, n);
    mu_buf_release(&body);
}

void mrt_location(const struct mrt *m,
                  const struct mu_http_request *req,
                  const char *path,
                  const char *id,
                  struct mu_buf *out)
{
    const char *host = mu_http_header_get(req->headers, req->header_count, "Host");
    bool usable = host != NULL && host[0] != '\0' &&
                  strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789.-_:[]") == strlen(host);
    (void)mu_buf_printf(out, "http://%s%s%s", usable ? host : m->self, path, id);
}
