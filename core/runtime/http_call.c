/* libcurl's easy side: options of a request, callbacks that collect the answer, and the
 * translation of libcurl's errors.
 *
 * The callbacks run inside of libcurl, and the user's on_headers and on_data inside of
 * them: so no function of the client touches a multi handle directly; http_client.c does
 * that later, from the loop.
 */
#include "runtime/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/check.h"

enum { CONNECT_TIMEOUT_MS = 5000 };

/* An option that libcurl refuses is a bug here: all are known to the oldest libcurl that
 * the build accepts, and values from outside are checked before. */
#define SET(call, option, value)                                                         \
    do {                                                                                 \
        CURLcode set_status = curl_easy_setopt((call)->easy, option, value);             \
        MU_ASSERT(set_status == CURLE_OK);                                               \
    } while (0)

static const char no_status[] = "the answer does not begin with a status line";

/* ---- collecting the answer ---- */

static bool is_over(const struct mu_http_call *call)
{
    return call->cancelled || call->failure != 0;
}

/* Refuse what comes from now on. Returns what tells libcurl so. */
static size_t fail_call(struct mu_http_call *call, int code, const char *text, size_t n)
{
    call->failure = mu_fail(&call->failure_text, code, "%s %zu bytes", text, n);
    return 0;
}

static void forget_head(struct mu_http_call *call)
{
    mu_buf_clear(&call->head);
    call->header_count = 0;
    call->has_status = false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 ...": libcurl lets more than that pass and makes a 200 of it. */
static bool is_status_line(const char *line, size_t len)
{
    return len >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && is_digit(line[7]) &&
           line[8] == ' ' && is_digit(line[9]) && is_digit(line[10]) &&
           is_digit(line[11]) && (len == 12 || line[12] == ' ');
}

static size_t fail_no_status(struct mu_http_call *call)
{
    call->failure = mu_fail(&call->failure_text, MU_E_PROTOCOL, "%s", no_status);
    return 0;
}

/* Keep "Name: value" of a header line. */
static int keep_header(struct mu_http_call *call, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL) {
        return 0; /* libcurl let it pass; nobody can ask for it */
    }
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (call->header_count == call->header_cap) {
        call->header_cap = call->header_cap == 0 ? 16 : call->header_cap * 2;
        call->spans =
            mu_xrealloc_array(call->spans, call->header_cap, sizeof(call->spans[0]));
    }
    struct http_call_header *span = &call->spans[call->header_count++];
    span->name = call->head.len;
    (void)mu_buf_append(&call->head, line, (size_t)(colon - line));
    (void)mu_buf_putc(&call->head, '\0');
    span->value = call->head.len;
    (void)mu_buf_append(&call->head, value, (size_t)(end - value));
    return mu_buf_putc(&call->head, '\0');
}

static void build_headers(struct mu_http_call *call)
{
    free(call->headers);
    call->headers = mu_xcalloc(call->header_count, sizeof(call->headers[0]));
    for (size_t i = 0; i < call->header_count; i++) {
        call->headers[i].name = call->head.data + call->spans[i].name;
        call->headers[i].value = call->head.data + call->spans[i].value;
    }
}

static int status_of(const struct mu_http_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

/* The blank line behind a block of headers. */
static void end_head(struct mu_http_call *call)
{
    int status = status_of(call);
    if (status < 200 && status != 101) {
        forget_head(call); /* an interim answer; the real one follows */
        return;
    }
    call->head_done = true;
    build_headers(call);
    if (call->ask.on_headers != NULL) {
        call->ask.on_headers(call->ask.arg, status, call->headers, call->header_count);
    }
}

/* libcurl gives one whole line at a time. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct mu_http_call *call = arg;
    size_t n = size * count;
    if (is_over(call)) {
        return 0;
    }
    if (call->head_done) {
        return n; /* a trailer */
    }
    size_t len = n;
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r')) {
        len--;
    }
    if (!call->has_status) {
        call->has_status = is_status_line(data, len);
        return call->has_status ? n : fail_no_status(call);
    }
    if (len == 0) {
        end_head(call);
    } else if (keep_header(call, data, len) != 0) {
        return fail_call(call, MU_E_LIMIT, "the answer's headers are larger than",
                         call->head.max);
    }
    return n;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct mu_http_call *call = arg;
    size_t n = size * count;
    if (is_over(call)) {
        return 0;
    }
    if (!call->head_done) {
        return fail_no_status(call);
    }
    if (call->ask.on_data != NULL) {
        call->ask.on_data(call->ask.arg, data, n);
    } else if (mu_buf_append(&call->body, data, n) != 0) {
        return fail_call(call, MU_E_LIMIT, "the answer is larger than", call->body.max);
    }
    return n;
}

/* ---- asking ---- */

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static int check_ask(const struct mu_http_ask *ask, struct mu_error *err)
{
    if (ask->url == NULL || has_control(ask->url) || strchr(ask->url, ' ') != NULL) {
        return mu_fail(err, MU_E_INVALID, "the url is not valid");
    }
    if (strncasecmp(ask->url, "http://", 7) != 0 &&
        strncasecmp(ask->url, "https://", 8) != 0) {
        return mu_fail(err, MU_E_INVALID, "the url '%s' is not one of http", ask->url);
    }
    if (ask->method == NULL || ask->method[0] == '\0' ||
        strspn(ask->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen(ask->method)) {
        return mu_fail(err, MU_E_INVALID, "the method is not valid");
    }
    for (size_t i = 0; i < ask->header_count; i++) {
        const struct mu_http_header *h = &ask->headers[i];
        if (h->name[0] == '\0' || has_control(h->name) ||
            strpbrk(h->name, ":; ") != NULL || has_control(h->value)) {
            return mu_fail(err, MU_E_INVALID, "header %zu is not valid", i);
        }
    }
    return 0;
}

static void add_header(struct mu_http_call *call, const char *line)
{
    struct curl_slist *grown = curl_slist_append(call->headers_out, line);
    MU_ASSERT(grown != NULL); /* only memory can fail here */
    call->headers_out = grown;
}

static void set_headers(struct mu_http_call *call, const struct mu_http_ask *ask)
{
    for (size_t i = 0; i < ask->header_count; i++) {
        const struct mu_http_header *h = &ask->headers[i];
        /* libcurl takes "Name:" as "leave it out" and "Name;" as an empty value. */
        mu_auto_free char *line = h->value[0] != '\0'
                                      ? mu_xasprintf("%s: %s", h->name, h->value)
                                      : mu_xasprintf("%s;", h->name);
        add_header(call, line);
    }
    if (mu_http_header_get(ask->headers, ask->header_count, "expect") == NULL) {
        add_header(call, "Expect:");
    }
    if (mu_http_header_get(ask->headers, ask->header_count, "content-type") == NULL) {
        add_header(call, "Content-Type:");
    }
    SET(call, CURLOPT_HTTPHEADER, call->headers_out);
}

static void set_body(struct mu_http_call *call, const struct mu_http_ask *ask)
{
    bool wants_body = strcmp(ask->method, "POST") == 0 ||
                      strcmp(ask->method, "PUT") == 0 ||
                      strcmp(ask->method, "PATCH") == 0;
    if (strcmp(ask->method, "HEAD") == 0) {
        SET(call, CURLOPT_NOBODY, 1L);
    } else if (ask->body_len > 0 || wants_body) {
        call->body_out = mu_xmemdup(ask->body != NULL ? ask->body : "", ask->body_len);
        SET(call, CURLOPT_POST, 1L);
        SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body_len);
        SET(call, CURLOPT_POSTFIELDS, call->body_out);
    }
    SET(call, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_policy(struct mu_http_call *call, const char *user_agent)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(call, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(call, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Ending a call must not wait for a resolver thread that is stuck. */
    SET(call, CURLOPT_QUICK_EXIT, 1L);
#endif
    SET(call, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(call, CURLOPT_NOSIGNAL, 1L);
    SET(call, CURLOPT_NOPROXY, "*");
    SET(call, CURLOPT_PATH_AS_IS, 1L);
    SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(call, CURLOPT_USERAGENT, user_agent);
    SET(call, CURLOPT_ERRORBUFFER, call->curl_error);
    SET(call, CURLOPT_PRIVATE, call);
    SET(call, CURLOPT_HEADERFUNCTION, on_header);
    SET(call, CURLOPT_HEADERDATA, call);
    SET(call, CURLOPT_WRITEFUNCTION, on_body);
    SET(call, CURLOPT_WRITEDATA, call);
}

static long timeout_of(uint64_t ms)
{
    return ms > INT32_MAX ? (long)INT32_MAX : (long)ms;
}

static void call_destroy(struct mu_http_call *call)
{
    mu_list_remove(&call->link);
    curl_easy_cleanup(call->easy); /* takes NULL */
    curl_slist_free_all(call->headers_out);
    mu_buf_release(&call->head);
    mu_buf_release(&call->body);
    free(call->spans);
    free(call->headers);
    free(call->body_out);
    free(call->method);
    free(call->url);
    free(call);
}

int http_call_create(struct http_client *client,
                     const char *user_agent,
                     size_t max_header_bytes,
                     const struct mu_http_ask *ask,
                     struct mu_http_call **out,
                     struct mu_error *err)
{
    int status = check_ask(ask, err);
    if (status < 0) {
        return status;
    }
    struct mu_http_call *call = MU_NEW(struct mu_http_call);
    mu_list_init(&call->link);
    call->client = client;
    call->ask = *ask;
    call->method = mu_xstrdup(ask->method);
    call->url = mu_xstrdup(ask->url);
    mu_buf_init(&call->head, max_header_bytes);
    mu_buf_init(&call->body, ask->max_body != 0 ? ask->max_body : MU_HTTP_BODY_MAX);
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        call_destroy(call);
        return mu_fail(err, -ENOMEM, "libcurl gives no handle");
    }
    set_policy(call, user_agent);
    set_body(call, ask);
    set_headers(call, ask);
    SET(call, CURLOPT_CONNECTTIMEOUT_MS,
        timeout_of(ask->connect_timeout_ms != 0 ? ask->connect_timeout_ms
                                                : CONNECT_TIMEOUT_MS));
    SET(call, CURLOPT_TIMEOUT_MS, timeout_of(ask->timeout_ms));
    if (ask->at_most_once) {
        SET(call, CURLOPT_FRESH_CONNECT, 1L);
        SET(call, CURLOPT_FORBID_REUSE, 1L);
    }
    if (curl_easy_setopt(call->easy, CURLOPT_URL, call->url) != CURLE_OK ||
        (ask->unix_socket != NULL &&
         curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, ask->unix_socket) !=
             CURLE_OK)) {
        call_destroy(call);
        return mu_fail(err, MU_E_INVALID, "the url or socket path is not valid");
    }
    *out = call;
    return 0;
}

/* ---- the end ---- */

struct curl_meaning {
    CURLcode curl;
    int code;
};

static const struct curl_meaning meanings[] = {
    {CURLE_URL_MALFORMAT, MU_E_INVALID},    {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
    {CURLE_COULDNT_CONNECT, -EHOSTUNREACH}, {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
    {CURLE_GOT_NOTHING, -ECONNRESET},       {CURLE_SEND_ERROR, -ECONNRESET},
    {CURLE_RECV_ERROR, -ECONNRESET},        {CURLE_PARTIAL_FILE, -ECONNRESET},
    {CURLE_OUT_OF_MEMORY, -ENOMEM},
};

/* The code of a failed transfer. The system's own errno says more, where libcurl has kept
 * it. -ECONNREFUSED is said by the system alone: it is the proof of a fast failover. */
static int meaning_of(const struct mu_http_call *call, CURLcode result)
{
    long os_errno = 0;
    if (result == CURLE_COULDNT_CONNECT) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    }
    if (os_errno > 0 && os_errno < 4096) {
        return (int)-os_errno;
    }
    for (size_t i = 0; i < MU_COUNT_OF(meanings); i++) {
        if (meanings[i].curl == result) {
            return meanings[i].code;
        }
    }
    return MU_E_PROTOCOL;
}

/* The answer's status, or what went wrong and (in err) the words for it. */
static int outcome(struct mu_http_call *call, CURLcode result, struct mu_error *err)
{
    if (call->cancelled) {
        return mu_fail(err, -ECANCELED, "%s %s: cancelled", call->method, call->url);
    }
    if (call->failure != 0) {
        *err = call->failure_text;
        return mu_wrap(err, call->failure, "%s %s", call->method, call->url);
    }
    if (result == CURLE_OK && call->head_done) {
        return status_of(call);
    }
    if (result == CURLE_OK) {
        return mu_fail(err, MU_E_PROTOCOL, "%s %s: %s", call->method, call->url,
                       no_status);
    }
    const char *text =
        call->curl_error[0] != '\0' ? call->curl_error : curl_easy_strerror(result);
    return mu_fail(err, meaning_of(call, result), "%s %s: %s", call->method, call->url,
                   text);
}

void http_call_end(struct mu_http_call *call, CURLcode result)
{
    MU_PRE(call->state != CALL_ENDED);
    call->state = CALL_ENDED;
    mu_list_remove(&call->link);
    struct mu_error err = {0};
    struct mu_http_answer answer = {.status = outcome(call, result, &err)};
    if (answer.status < 0) {
        answer.error_text = err.text;
    }
    if (answer.status > 0 || call->head_done) {
        answer.headers = call->headers;
        answer.header_count = call->headers != NULL ? call->header_count : 0;
    }
    answer.body = mu_buf_str(&call->body);
    answer.body_len = call->body.len;
    /* The connection goes back to the pool before the user asks the next thing. */
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    call->ask.on_done(call->ask.arg, &answer);
    call_destroy(call);
}
