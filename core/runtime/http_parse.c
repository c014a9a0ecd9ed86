/* From bytes to one complete request: llhttp's callbacks, limits, and the checks that
 * llhttp leaves to us.
 *
 * llhttp runs strict and without any lenient flag. It stops behind each complete request
 * (the callback answers HPE_PAUSED), so no handler ever runs inside of it. Names and
 * values are copied into one buffer per connection, which is kept for the next request.
 */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/http_conn.h"

static struct http_conn *conn_of(const llhttp_t *p)
{
    return p->data;
}

/* Remember why; the caller hands the returned code to llhttp, which then stops. */
static int refuse(struct http_conn *c, int status, const char *text)
{
    if (c->reject_status == 0) {
        c->reject_status = status;
        c->reject_text = text;
    }
    return HPE_USER;
}

/* ---- collecting the head ---- */

static int on_message_begin(llhttp_t *p)
{
    struct http_conn *c = conn_of(p);
    mu_buf_clear(&c->head);
    mu_buf_clear(&c->body);
    mu_buf_clear(&c->inflated);
    c->url = (struct http_span){0};
    c->field_count = 0;
    c->head_bytes = 0;
    c->head_done = false;
    c->expect_continue = false;
    c->body_gzip = false;
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    struct http_conn *c = conn_of(p);
    if (len > c->server->cfg.max_url - c->url.len) {
        return refuse(c, 414, "the request target is too long");
    }
    c->url.len += (uint32_t)len;
    return mu_buf_append(&c->head, at, len) == 0 ? 0 : HPE_USER;
}

/* Count len bytes of head or trailer. */
static int count_head(struct http_conn *c, size_t len)
{
    if (len > c->server->cfg.max_header_bytes - c->head_bytes) {
        return refuse(c, 431, "the request's headers are too large");
    }
    c->head_bytes += len;
    return 0;
}

static struct http_span *new_span(struct http_conn *c)
{
    if (c->field_count == c->field_cap) {
        c->field_cap = c->field_cap == 0 ? 32 : c->field_cap * 2;
        c->fields = mu_xrealloc_array(c->fields, c->field_cap, sizeof(c->fields[0]));
    }
    struct http_span *span = &c->fields[c->field_count++];
    (void)mu_buf_putc(&c->head, '\0'); /* ends the text before; limits leave room */
    *span = (struct http_span){.at = (uint32_t)c->head.len};
    return span;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
    struct http_conn *c = conn_of(p);
    int status = count_head(c, len);
    if (status != 0 || c->head_done) {
        return status; /* trailers are counted, not kept */
    }
    if (c->field_count % 2 == 0) {
        if (c->field_count / 2 >= c->server->cfg.max_headers) {
            return refuse(c, 431, "the request has too many headers");
        }
        (void)new_span(c);
    }
    c->fields[c->field_count - 1].len += (uint32_t)len;
    return mu_buf_append(&c->head, at, len) == 0 ? 0 : HPE_USER;
}

static int on_header_field_complete(llhttp_t *p)
{
    struct http_conn *c = conn_of(p);
    if (c->head_done) {
        return 0;
    }
    if (c->field_count % 2 == 0 || c->fields[c->field_count - 1].len == 0) {
        return refuse(c, 400, "a header has no name");
    }
    (void)new_span(c); /* for the value, which may be empty */
    return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
    struct http_conn *c = conn_of(p);
    int status = count_head(c, len);
    if (status != 0 || c->head_done) {
        return status;
    }
    MU_ASSERT(c->field_count > 0 && c->field_count % 2 == 0);
    c->fields[c->field_count - 1].len += (uint32_t)len;
    return mu_buf_append(&c->head, at, len) == 0 ? 0 : HPE_USER;
}

/* Blanks behind a value are not part of it. */
static void trim_value(struct http_conn *c, struct http_span *value)
{
    char *text = c->head.data + value->at;
    while (value->len > 0 &&
           (text[value->len - 1] == ' ' || text[value->len - 1] == '\t')) {
        value->len--;
    }
    text[value->len] = '\0';
}

static void build_headers(struct http_conn *c)
{
    (void)mu_buf_putc(&c->head, '\0');
    size_t count = c->field_count / 2;
    if (count > c->header_cap) {
        c->header_cap = c->field_cap / 2;
        c->headers = mu_xrealloc_array(c->headers, c->header_cap, sizeof(c->headers[0]));
    }
    for (size_t i = 0; i < count; i++) {
        trim_value(c, &c->fields[2 * i + 1]);
        c->headers[i].name = c->head.data + c->fields[2 * i].at;
        c->headers[i].value = c->head.data + c->fields[2 * i + 1].at;
    }
    c->header_count = count;
}

/* ---- checks of a complete head ---- */

static bool host_ok(const char *host)
{
    for (const char *p = host; *p != '\0'; p++) {
        unsigned char ch = (unsigned char)*p;
        if (ch <= ' ' || ch >= 0x7f || strchr("/?#@\\<>\"{}|^`,", ch) != NULL) {
            return false;
        }
    }
    return true;
}

static int check_host(struct http_conn *c)
{
    const char *host = NULL;
    for (size_t i = 0; i < c->header_count; i++) {
        if (strcasecmp(c->headers[i].name, "host") == 0) {
            if (host != NULL) {
                return refuse(c, 400, "more than one Host header");
            }
            host = c->headers[i].value;
        }
    }
    if (host == NULL) {
        return c->parser.http_minor == 0 ? 0 : refuse(c, 400, "no Host header");
    }
    return host_ok(host) ? 0 : refuse(c, 400, "the Host header is malformed");
}

static int check_coding(struct http_conn *c)
{
    const char *coding =
        mu_http_header_get(c->headers, c->header_count, "content-encoding");
    if (coding == NULL || strcasecmp(coding, "identity") == 0) {
        return 0;
    }
    if (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0) {
        return refuse(c, 415, "the only Content-Encoding understood is gzip");
    }
    c->body_gzip = true;
    return 0;
}

static bool wants_length(const llhttp_t *p)
{
    return p->method == HTTP_POST || p->method == HTTP_PUT || p->method == HTTP_PATCH;
}

static int check_framing(struct http_conn *c)
{
    const llhttp_t *p = &c->parser;
    const char *te = mu_http_header_get(c->headers, c->header_count, "transfer-encoding");
    const char *length =
        mu_http_header_get(c->headers, c->header_count, "content-length");
    if (te != NULL) {
        if (length != NULL) {
            return refuse(c, 400, "both Content-Length and Transfer-Encoding");
        }
        if (p->http_minor == 0) {
            return refuse(c, 400, "Transfer-Encoding in an HTTP/1.0 request");
        }
        if (strcasecmp(te, "chunked") != 0) {
            return refuse(c, 501, "the only Transfer-Encoding understood is chunked");
        }
    }
    c->has_body = te != NULL || (length != NULL && p->content_length > 0);
    /* HTTP/1.1 clients may leave out the length of an empty body (curl -X POST does);
     * in HTTP/1.0 that leaves the body's end unknown. */
    if (te == NULL && length == NULL &&
        (c->expect_continue || (p->http_minor == 0 && wants_length(p)))) {
        return refuse(c, 411, "Content-Length is missing");
    }
    if (length != NULL && p->content_length > c->server->cfg.max_body) {
        return refuse(c, 413, c->server->body_limit_text);
    }
    return 0;
}

static int check_expect(struct http_conn *c)
{
    const char *expect = mu_http_header_get(c->headers, c->header_count, "expect");
    if (expect == NULL || c->parser.http_minor == 0) {
        return 0;
    }
    if (strcasecmp(expect, "100-continue") != 0) {
        return refuse(c, 417, "the only expectation understood is 100-continue");
    }
    c->expect_continue = true;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct http_conn *c = conn_of(p);
    c->head_done = true;
    build_headers(c);
    if (p->http_major != 1 || p->http_minor > 1) {
        return refuse(c, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here") ? -1 : 0;
    }
    if (check_host(c) != 0 || check_expect(c) != 0 || check_framing(c) != 0 ||
        check_coding(c) != 0) {
        return -1;
    }
    /* No upgrades here: the request is answered as if it had not asked for one. */
    p->upgrade = 0;
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    struct http_conn *c = conn_of(p);
    if (mu_buf_append(&c->body, at, len) != 0) {
        return refuse(c, 413, c->server->body_limit_text);
    }
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    struct http_conn *c = conn_of(p);
    c->message_ready = true;
    c->keep_alive = llhttp_should_keep_alive(p) != 0;
    c->http_minor = p->http_minor;
    return HPE_PAUSED;
}

/* ---- driving ---- */

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void http_parse_init(struct http_conn *c)
{
    const struct http_server_config *cfg = &c->server->cfg;
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    /* One NUL behind the url and behind each name and value. */
    mu_buf_init(&c->head,
                cfg->max_url + cfg->max_header_bytes + 2 * cfg->max_headers + 2);
    mu_buf_init(&c->body, cfg->max_body);
    mu_buf_init(&c->inflated, cfg->max_body);
    mu_buf_init(&c->params_text, cfg->max_url + HTTP_ROUTE_HOLES_MAX);
}

void http_parse_release(struct http_conn *c)
{
    mu_buf_release(&c->head);
    mu_buf_release(&c->body);
    mu_buf_release(&c->inflated);
    mu_buf_release(&c->params_text);
    free(c->fields);
    free(c->headers);
}

static void trim_buf(struct mu_buf *b, size_t keep)
{
    if (b->cap > keep) {
        size_t max = b->max;
        mu_buf_release(b);
        mu_buf_init(b, max);
    }
}

void http_parse_trim(struct http_conn *c)
{
    trim_buf(&c->head, 8 * 1024);
    trim_buf(&c->body, 16 * 1024);
    trim_buf(&c->inflated, 16 * 1024);
    trim_buf(&c->params_text, 4 * 1024);
}

size_t http_parse_feed(struct http_conn *c, const char *data, size_t len)
{
    if (c->parser_paused) {
        llhttp_resume(&c->parser);
        c->parser_paused = false;
    }
    llhttp_errno_t status = llhttp_execute(&c->parser, data, len);
    if (status == HPE_OK) {
        return len;
    }
    if (status == HPE_PAUSED && c->message_ready) {
        c->parser_paused = true;
        return (size_t)(llhttp_get_error_pos(&c->parser) - data);
    }
    if (status == HPE_INVALID_VERSION || status == HPE_PAUSED_H2_UPGRADE) {
        (void)refuse(c, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    (void)refuse(c, 400, llhttp_get_error_reason(&c->parser)); /* unless known better */
    return len;
}
