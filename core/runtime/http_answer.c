#include "runtime/http_answer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

static struct http_answer *answer_of(const llhttp_t *p)
{
    return p->data;
}

static int fail(struct http_answer *a, int code, const char *text)
{
    if (a->failure == 0) {
        a->failure = mu_fail(&a->failure_text, code, "%s", text);
    }
    return HPE_USER;
}

static int fail_limit(struct http_answer *a, const char *text, size_t max)
{
    if (a->failure == 0) {
        a->failure = mu_fail(&a->failure_text, MU_E_LIMIT, "%s %zu bytes", text, max);
    }
    return HPE_USER;
}

/* What llhttp is told after a callback of the user's. */
static int go_on(const struct http_answer *a)
{
    return *a->is_stopped ? HPE_USER : 0;
}

/* ---- the head ---- */

static void forget_head(struct http_answer *a)
{
    mu_buf_clear(&a->head);
    a->start_count = 0;
}

static int add_text(struct http_answer *a, const char *at, size_t len)
{
    return mu_buf_append(&a->head, at, len) == 0
               ? 0
               : fail_limit(a, "the answer's headers are larger than", a->head.max);
}

static void begin_text(struct http_answer *a)
{
    if (a->start_count == a->start_cap) {
        a->start_cap = a->start_cap == 0 ? 32 : a->start_cap * 2;
        a->starts = mu_xrealloc_array(a->starts, a->start_cap, sizeof(a->starts[0]));
    }
    a->starts[a->start_count++] = a->head.len;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
    struct http_answer *a = answer_of(p);
    if (a->head_done) {
        return 0; /* a trailer */
    }
    if (a->start_count % 2 == 0) {
        begin_text(a);
    }
    return add_text(a, at, len);
}

static int on_header_field_complete(llhttp_t *p)
{
    struct http_answer *a = answer_of(p);
    if (a->head_done) {
        return 0;
    }
    if (a->start_count % 2 == 0) {
        return fail(a, MU_E_PROTOCOL, "a header of the answer has no name");
    }
    int rc = add_text(a, "", 1);
    begin_text(a); /* of the value, which may be empty */
    return rc;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
    struct http_answer *a = answer_of(p);
    return a->head_done ? 0 : add_text(a, at, len);
}

/* Blanks behind a value are not part of it. */
static int on_header_value_complete(llhttp_t *p)
{
    struct http_answer *a = answer_of(p);
    if (a->head_done) {
        return 0;
    }
    size_t start = a->starts[a->start_count - 1];
    while (a->head.len > start && (a->head.data[a->head.len - 1] == ' ' ||
                                   a->head.data[a->head.len - 1] == '\t')) {
        a->head.len--;
    }
    return add_text(a, "", 1);
}

static void build_headers(struct http_answer *a)
{
    size_t count = a->start_count / 2;
    a->headers = mu_xcalloc(count + 1, sizeof(a->headers[0]));
    for (size_t i = 0; i < count; i++) {
        a->headers[i].name = a->head.data + a->starts[2 * i];
        a->headers[i].value = a->head.data + a->starts[2 * i + 1];
    }
}

/* 0: a body as the headers say; 1: none; 2: what follows is another protocol. */
static int on_headers_complete(llhttp_t *p)
{
    struct http_answer *a = answer_of(p);
    int status = p->status_code;
    if (status < 100 || status > 999) {
        (void)fail(a, MU_E_PROTOCOL, "the answer's status is not one of HTTP");
        return -1;
    }
    if (status < 200 && status != 101) {
        forget_head(a);
        return 1; /* the real one follows */
    }
    a->head_done = true;
    a->is_raw = status == 101;
    a->status = status;
    build_headers(a);
    if (a->ask->on_headers != NULL) {
        a->ask->on_headers(a->ask->arg, status, a->headers, a->start_count / 2);
    }
    if (*a->is_stopped) {
        return -1;
    }
    return a->is_raw ? 2 : a->is_head_method ? 1 : 0;
}

/* ---- the body ---- */

static int take_body(struct http_answer *a, const char *at, size_t len)
{
    if (a->ask->on_data != NULL) {
        a->ask->on_data(a->ask->arg, at, len);
        return go_on(a);
    }
    return mu_buf_append(&a->body, at, len) == 0
               ? 0
               : fail_limit(a, "the answer is larger than", a->body.max);
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    return take_body(answer_of(p), at, len);
}

static int on_message_complete(llhttp_t *p)
{
    struct http_answer *a = answer_of(p);
    if (!a->head_done || a->is_raw) {
        return 0;
    }
    a->is_complete = true;
    a->can_keep_alive = llhttp_should_keep_alive(p) != 0;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- life ---- */

void http_answer_init(struct http_answer *a,
                      const struct mu_http_ask *ask,
                      size_t max_header_bytes,
                      const bool *is_stopped)
{
    *a = (struct http_answer){.ask = ask, .is_stopped = is_stopped};
    a->is_head_method = strcmp(ask->method, "HEAD") == 0;
    llhttp_init(&a->parser, HTTP_RESPONSE, &settings);
    a->parser.data = a;
    mu_buf_init(&a->head, max_header_bytes);
    mu_buf_init(&a->body, ask->max_body != 0 ? ask->max_body : MU_HTTP_BODY_MAX);
}

void http_answer_release(struct http_answer *a)
{
    mu_buf_release(&a->head);
    mu_buf_release(&a->body);
    free(a->starts);
    free(a->headers);
}

static int fail_syntax(struct http_answer *a)
{
    if (a->failure == 0 && a->parser.http_major == 0 && !a->head_done) {
        (void)fail(a, MU_E_PROTOCOL, "the answer does not begin with a status line");
    }
    if (a->failure == 0) {
        a->failure = mu_fail(&a->failure_text, MU_E_PROTOCOL, "the answer is broken: %s",
                             llhttp_get_error_reason(&a->parser));
    }
    return a->failure;
}

/* What lies behind a complete answer was not asked for. */
static int end_of_message(struct http_answer *a, const char *end)
{
    if (llhttp_get_error_pos(&a->parser) != end) {
        a->can_keep_alive = false;
    }
    return 1;
}

int http_answer_feed(struct http_answer *a, const char *data, size_t len)
{
    a->has_begun = a->has_begun || len > 0;
    const char *end = data + len;
    if (!a->is_raw) {
        llhttp_errno_t err = llhttp_execute(&a->parser, data, len);
        if (*a->is_stopped) {
            return 0;
        }
        if (err == HPE_PAUSED && a->is_complete) {
            return end_of_message(a, end);
        }
        if (err != HPE_OK && (err != HPE_PAUSED_UPGRADE || !a->is_raw)) {
            return fail_syntax(a);
        }
        data = err == HPE_OK ? end : llhttp_get_error_pos(&a->parser);
    }
    if (data < end && take_body(a, data, (size_t)(end - data)) != 0) {
        return *a->is_stopped ? 0 : a->failure;
    }
    return 0;
}

int http_answer_end(struct http_answer *a)
{
    if (a->is_raw) {
        a->is_complete = true;
        return 1;
    }
    /* A body without a length ends with its connection; else this fails, as below. */
    (void)llhttp_finish(&a->parser);
    if (a->is_complete) {
        a->can_keep_alive = false;
        return 1;
    }
    (void)fail(a, -ECONNRESET,
               a->has_begun ? "the connection ended within the answer"
                            : "the connection ended without an answer");
    return a->failure;
}
