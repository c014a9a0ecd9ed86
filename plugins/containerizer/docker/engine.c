#include "engine.h"

#include <errno.h>
#include <stdio.h>

#include "util.h"

enum {
    API_NEWEST = 143, /* tested up to here */
    API_OLDEST = 124,
    PROBE_TIMEOUT_MS = 5000,
    PROBE_FIRST_MS = 250,
    PROBE_MAX_MS = 5000,
    ERROR_BODY_MAX = 64 * 1024,
    URL_MAX = 16 * 1024,
};

enum engine_state { ENGINE_UNASKED, ENGINE_READY, ENGINE_AWAY };

struct dkr_call {
    struct dkr_engine *engine;
    struct dkr_call *prev, *next;
    char *method, *path, *body;
    uint64_t timeout_ms;
    void (*on_data)(void *arg, const char *data, size_t len);
    dkr_reply_cb cb; /* NULL: cancelled */
    void *arg;

    struct mu_http_call *http; /* sent */
    struct mu_timer *timer;    /* to fail, never inside the caller's call */
    char failure[DKR_TEXT_SIZE];
    bool was_renegotiated, is_good; /* status below 300 */
    bool is_over;                   /* being answered */
    struct mu_buf error_body;       /* of a streamed answer that is not good */
};

struct dkr_engine {
    const struct mu_host *host;
    char *socket;
    dkr_engine_change_cb on_change;
    void *arg;

    enum engine_state state;
    unsigned api_version;
    char trouble[DKR_TEXT_SIZE];
    struct dkr_call *calls;
    struct mu_http_call *probe;
    struct mu_timer *probe_timer;
    uint64_t probe_delay_ms;

    bool is_stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
    struct mu_timer *stop_timer;
};

void dkr_url_encode(struct mu_buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~/:@";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            (void)mu_buf_putc(out, *text);
        } else {
            (void)mu_buf_printf(out, "%%%02X", (unsigned char)*text);
        }
    }
}

/* ---- life ---- */

struct dkr_engine *dkr_engine_create(const struct mu_host *host,
                                     const char *socket,
                                     dkr_engine_change_cb on_change,
                                     void *arg)
{
    struct dkr_engine *e = dkr_alloc(sizeof(*e));
    *e = (struct dkr_engine){.host = host,
                             .socket = dkr_strdup(socket),
                             .on_change = on_change,
                             .arg = arg,
                             .api_version = API_NEWEST};
    return e;
}

void dkr_engine_destroy(struct dkr_engine *e)
{
    if (e != NULL) {
        assert(e->calls == NULL && e->probe == NULL);
        free(e->socket);
        free(e);
    }
}

static void on_stopped(void *arg)
{
    struct dkr_engine *e = arg;
    e->stop_timer = NULL;
    e->stopped_cb(e->stopped_arg);
}

static void check_stopped(struct dkr_engine *e)
{
    if (e->is_stopping && e->calls == NULL && e->probe == NULL && e->stop_timer == NULL) {
        e->stop_timer = e->host->timer_start(e->host, 0, on_stopped, e);
    }
}

/* ---- calls ---- */

static void call_free(struct dkr_call *call)
{
    struct dkr_engine *e = call->engine;
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        e->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    mu_buf_release(&call->error_body);
    free(call->method);
    free(call->path);
    free(call->body);
    free(call);
}

static void call_answer(struct dkr_call *call, const struct dkr_reply *reply)
{
    struct dkr_engine *e = call->engine;
    dkr_reply_cb cb = call->cb;

    call->cb = NULL; /* so that cancelling from inside is harmless */
    if (cb != NULL) {
        cb(call->arg, reply);
    }
    call_free(call);
    check_stopped(e);
}

static void on_failure_due(void *arg)
{
    struct dkr_call *call = arg;
    call->timer = NULL;
    struct dkr_reply reply = {
        .outcome = DKR_UNREACHED, .text = call->failure, .body = ""};
    call_answer(call, &reply);
}

static void fail_later(struct dkr_call *call, const char *text)
{
    if (call->timer == NULL) {
        (void)snprintf(call->failure, sizeof(call->failure), "%s", text); /* may be cut */
        call->timer =
            call->engine->host->timer_start(call->engine->host, 0, on_failure_due, call);
    }
}

static void start_probe(struct dkr_engine *e);

static void became_away(struct dkr_engine *e, const char *why)
{
    bool is_news = e->state != ENGINE_AWAY;

    (void)snprintf(e->trouble, /* may be cut */
                   sizeof(e->trouble), "docker engine at '%s' is not available: %s",
                   e->socket, why);
    e->state = ENGINE_AWAY;
    for (struct dkr_call *call = e->calls; call != NULL; call = call->next) {
        if (call->http == NULL && !call->is_over) {
            fail_later(call, e->trouble);
        }
    }
    if (is_news) {
        e->probe_delay_ms = PROBE_FIRST_MS;
        e->host->log(e->host, MU_WARN,
                     "docker engine is not available, trying again, continuing without",
                     "socket=%s reason=%s", e->socket, why);
        e->on_change(e->arg, false, e->trouble);
    }
}

static void on_probe_due(void *arg)
{
    struct dkr_engine *e = arg;
    e->probe_timer = NULL;
    start_probe(e);
}

static void probe_later(struct dkr_engine *e)
{
    if (e->probe == NULL && e->probe_timer == NULL && !e->is_stopping) {
        e->probe_timer =
            e->host->timer_start(e->host, e->probe_delay_ms, on_probe_due, e);
        e->probe_delay_ms =
            e->probe_delay_ms * 2 < PROBE_MAX_MS ? e->probe_delay_ms * 2 : PROBE_MAX_MS;
    }
}

/* Connecting failed, so nothing was sent. */
static bool is_unreached(int code)
{
    static const int codes[] = {-ENOENT,       -ECONNREFUSED, -EACCES,     -EPERM,
                                -EAGAIN,       -ENOTSOCK,     -ENOMEM,     -ENOTDIR,
                                -EHOSTUNREACH, -EPROTOTYPE,   MU_E_INVALID};
    for (size_t i = 0; i < DKR_COUNT(codes); i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

static bool is_version_refusal(const struct mu_http_answer *answer, const char *text)
{
    return answer->status == 400 && strstr(text, "client version") != NULL;
}

static void answer_failure(struct dkr_call *call, const struct mu_http_answer *answer)
{
    struct dkr_engine *e = call->engine;
    char text[DKR_TEXT_SIZE];
    struct dkr_reply reply = {.outcome = DKR_UNKNOWN, .text = text, .body = ""};

    call->is_over = true;
    if (is_unreached(answer->status)) {
        became_away(e, mu_strerror(answer->status));
        probe_later(e);
        reply.outcome = DKR_UNREACHED;
        reply.text = e->trouble;
    } else {
        (void)snprintf(text, /* may be cut */
                       sizeof(text), "docker engine at '%s' gave no answer: %s",
                       e->socket,
                       answer->error_text == NULL ? mu_strerror(answer->status)
                                                  : answer->error_text);
    }
    call_answer(call, &reply);
}

static void on_http_done(void *arg, const struct mu_http_answer *answer)
{
    struct dkr_call *call = arg;
    struct dkr_engine *e = call->engine;
    char text[DKR_TEXT_SIZE] = "";
    struct dkr_reply reply = {
        .http_status = answer->status, .text = text, .body = answer->body};

    call->http = NULL;
    reply.len = answer->body_len;
    if (call->cb == NULL) {
        call_free(call);
        check_stopped(e);
        return;
    }
    if (answer->status < 0) {
        answer_failure(call, answer);
        return;
    }
    if (answer->status < 300 || answer->status == 304) {
        call_answer(call, &reply);
        return;
    }
    if (call->error_body.len > 0) {
        reply.body = mu_buf_str(&call->error_body);
        reply.len = call->error_body.len;
    }
    dkr_decode_error(answer->status, reply.body, reply.len, text);
    if (is_version_refusal(answer, text) && !call->was_renegotiated && !e->is_stopping) {
        call->was_renegotiated = true; /* the engine was changed under us */
        e->state = ENGINE_UNASKED;
        start_probe(e);
        return;
    }
    reply.outcome = DKR_REFUSED;
    call_answer(call, &reply);
}

static void on_http_headers(void *arg,
                            int status,
                            const struct mu_http_header *headers,
                            size_t header_count)
{
    struct dkr_call *call = arg;
    (void)headers, (void)header_count;
    call->is_good = status < 300;
}

static void on_http_data(void *arg, const char *data, size_t len)
{
    struct dkr_call *call = arg;
    if (call->cb == NULL) {
        return;
    }
    if (call->is_good) {
        call->on_data(call->arg, data, len);
    } else {
        (void)mu_buf_append(&call->error_body, data, len); /* too much: cut */
    }
}

static void send_call(struct dkr_call *call)
{
    static const struct mu_http_header json = {"Content-Type", "application/json"};
    struct dkr_engine *e = call->engine;
    struct mu_error err = {0};
    struct mu_buf url;

    mu_buf_init(&url, URL_MAX);
    (void)mu_buf_printf(&url, "http://localhost/v%u.%u%s", e->api_version / 100,
                        e->api_version % 100, call->path);
    struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = call->method,
        .url = mu_buf_str(&url),
        .unix_socket = e->socket,
        .headers = &json,
        .header_count = call->body == NULL ? 0 : 1,
        .body = call->body,
        .body_len = call->body == NULL ? 0 : strlen(call->body),
        .timeout_ms = call->timeout_ms,
        .on_headers = call->on_data == NULL ? NULL : on_http_headers,
        .on_data = call->on_data == NULL ? NULL : on_http_data,
        .on_done = on_http_done,
        .arg = call,
    };
    int rc = mu_buf_ok(&url) ? e->host->http_request(e->host, &ask, &call->http, &err)
                             : mu_fail(&err, -E2BIG, "the url is too long");
    if (rc < 0) {
        call->http = NULL;
        fail_later(call, err.text);
    }
    mu_buf_release(&url);
}

struct dkr_call *dkr_engine_ask(struct dkr_engine *e,
                                const struct dkr_ask *ask,
                                dkr_reply_cb cb,
                                void *arg)
{
    struct dkr_call *call = dkr_alloc(sizeof(*call));
    *call = (struct dkr_call){.engine = e,
                              .next = e->calls,
                              .method = dkr_strdup(ask->method),
                              .path = dkr_strdup(ask->path),
                              .body = dkr_strdup(ask->body),
                              .timeout_ms = ask->timeout_ms,
                              .on_data = ask->on_data,
                              .cb = cb,
                              .arg = arg};
    mu_buf_init(&call->error_body, ERROR_BODY_MAX);
    if (e->calls != NULL) {
        e->calls->prev = call;
    }
    e->calls = call;
    if (e->is_stopping) {
        fail_later(call, "stopping");
    } else if (e->state == ENGINE_READY) {
        send_call(call);
    } else if (e->state == ENGINE_AWAY) {
        fail_later(call, e->trouble);
    } /* else it waits for the version */
    return call;
}

void dkr_engine_cancel(struct dkr_call *call)
{
    if (call == NULL || call->cb == NULL) {
        return;
    }
    struct dkr_engine *e = call->engine;
    call->cb = NULL;
    if (call->http != NULL) {
        e->host->http_cancel(call->http); /* on_http_done follows and frees */
        return;
    }
    e->host->timer_cancel(e->host, call->timer);
    call_free(call);
    check_stopped(e);
}

/* ---- the version ---- */

/* The newest that both know; of an engine that has forgotten ours, its oldest. */
static int choose_version(struct dkr_engine *e, const struct dkr_version *v)
{
    unsigned chosen = v->newest < API_NEWEST ? v->newest : API_NEWEST;
    if (chosen < API_OLDEST) {
        return -1;
    }
    if (chosen < v->oldest) {
        chosen = v->oldest;
        e->host->log(e->host, MU_WARN,
                     "docker engine speaks only newer API versions than were tested, "
                     "continuing with its oldest",
                     "engine=%s api=%u.%u", v->engine, chosen / 100, chosen % 100);
    }
    e->api_version = chosen;
    return 0;
}

static void became_ready(struct dkr_engine *e, const struct dkr_version *v)
{
    struct dkr_call *next = NULL;

    e->state = ENGINE_READY;
    e->probe_delay_ms = PROBE_FIRST_MS;
    e->trouble[0] = '\0';
    e->host->log(e->host, MU_INFO, "docker engine is available",
                 "socket=%s engine=%s api=%u.%u", e->socket, v->engine,
                 e->api_version / 100, e->api_version % 100);
    for (struct dkr_call *call = e->calls; call != NULL; call = next) {
        next = call->next;
        if (call->http == NULL && call->timer == NULL) {
            send_call(call);
        }
    }
    e->on_change(e->arg, true, "");
}

static void on_probed(void *arg, const struct mu_http_answer *answer)
{
    struct dkr_engine *e = arg;
    struct dkr_version version;
    struct mu_error err = {0};

    e->probe = NULL;
    if (e->is_stopping) {
        check_stopped(e);
        return;
    }
    if (answer->status == 200) {
        if (dkr_decode_version(answer->body, answer->body_len, &version, &err) < 0) {
            became_away(e, err.text);
        } else if (choose_version(e, &version) < 0) {
            became_away(e, "it is too old: API 1.24 or newer is needed");
        } else {
            became_ready(e, &version);
            return;
        }
    } else if (answer->status >= 0) {
        char text[DKR_TEXT_SIZE];
        dkr_decode_error(answer->status, answer->body, answer->body_len, text);
        became_away(e, text);
    } else {
        became_away(e, is_unreached(answer->status) || answer->error_text == NULL
                           ? mu_strerror(answer->status)
                           : answer->error_text);
    }
    probe_later(e);
}

static void start_probe(struct dkr_engine *e)
{
    struct mu_error err = {0};
    struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "GET",
        .url = "http://localhost/version",
        .unix_socket = e->socket,
        .timeout_ms = PROBE_TIMEOUT_MS,
        .on_done = on_probed,
        .arg = e,
    };
    if (e->probe != NULL || e->is_stopping) {
        return;
    }
    e->host->timer_cancel(e->host, e->probe_timer);
    e->probe_timer = NULL;
    if (e->host->http_request(e->host, &ask, &e->probe, &err) < 0) {
        e->probe = NULL;
        became_away(e, err.text);
        probe_later(e);
    }
}

void dkr_engine_start(struct dkr_engine *e)
{
    e->probe_delay_ms = PROBE_FIRST_MS;
    start_probe(e);
}

void dkr_engine_stop(struct dkr_engine *e, mu_cb stopped_cb, void *arg)
{
    e->is_stopping = true;
    e->stopped_cb = stopped_cb;
    e->stopped_arg = arg;
    e->host->timer_cancel(e->host, e->probe_timer);
    e->probe_timer = NULL;
    if (e->probe != NULL) {
        e->host->http_cancel(e->probe);
    }
    for (struct dkr_call *call = e->calls; call != NULL; call = call->next) {
        if (call->http != NULL) {
            e->host->http_cancel(call->http);
        } else {
            fail_later(call, "stopping");
        }
    }
    check_stopped(e);
}

const char *dkr_engine_trouble(const struct dkr_engine *e)
{
    return e->state == ENGINE_AWAY ? e->trouble : NULL;
}

unsigned dkr_engine_api_version(const struct dkr_engine *e)
{
    return e->api_version;
}
