/* See link_client.h.
 *
 * States: IDLE (no master) -> OFFERED (up was called, nothing sent yet) -> OPENING (the
 * stream's request is out) -> OPEN (its id is known) -> WAITING (back-off)
 * -> OFFERED ... Two HTTP calls at most: the stream and one post. Both are cancelled when
 * the link is dropped; their on_done carry the link number of their time, so a late one
 * is told from the current link's.
 */
#include "runtime/link_client.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/check.h"
#include "codec/message_json.h"
#include "codec/recordio.h"

#define BACKOFF_MIN_MS 20u /* a leader may be named a moment before it knows itself */
#define BACKOFF_MAX_MS 2000u
#define POST_TIMEOUT_MS 30000u
/* Many agents hear of a new leader at once: spread them, by less than anybody notices. */
#define SPREAD_MS 10u

#define REFUSAL_MAX 1024u

enum link_state { LINK_IDLE, LINK_OFFERED, LINK_OPENING, LINK_OPEN, LINK_WAITING };

/* One HTTP call, with the link it belongs to. */
struct call {
    struct link_client *client;
    struct mu_http_call *http;
    uint64_t link;
    struct mu_buf refusal; /* the text of an error answer */
};

struct link_client {
    const struct mu_host *host;
    const struct link_client_events *events;
    void *arg;
    enum link_state state;
    char *master;   /* as set: "host:port" or NULL */
    char *redirect; /* a leader named by a 307, for the next try */
    char *target;   /* where the current stream goes, so that posts follow it */
    uint64_t link;  /* the current number */
    uint64_t backoff_ms;
    struct mu_timer *timer;
    struct call *stream, *post; /* NULL: none running for the current link */
    size_t calls;               /* all that have not ended, cancelled ones too */
    char stream_id[64];
    struct recordio_decoder decoder;
    struct mu_buf queue; /* framed messages that wait for their call */
    bool stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

static void post_queue(struct link_client *c);
static void offer(struct link_client *c);

static void call_free(struct call *call)
{
    mu_buf_release(&call->refusal);
    free(call);
}

static void maybe_stopped(struct link_client *c)
{
    if (c->stopping && c->calls == 0 && c->stopped_cb != NULL) {
        mu_cb cb = c->stopped_cb;
        c->stopped_cb = NULL;
        cb(c->stopped_arg);
    }
}

static void cancel(struct link_client *c, struct call **slot)
{
    if (*slot != NULL) {
        c->host->http_cancel((*slot)->http);
        *slot = NULL;
    }
}

static void on_backoff(void *arg)
{
    struct link_client *c = arg;
    c->timer = NULL;
    offer(c);
}

static void try_in(struct link_client *c, uint64_t delay_ms)
{
    c->host->timer_cancel(c->host, c->timer);
    c->timer = c->host->timer_start(c->host, delay_ms, on_backoff, c);
}

/* At a random point of the second half of what is due: agents that lost their master
 * together do not come back together. */
static void try_after_backoff(struct link_client *c)
{
    uint64_t half = c->backoff_ms / 2;
    try_in(c, half + c->host->random(c->host) % (half + 1));
    c->backoff_ms =
        c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
}

/* Leave the current link; with a reason it is reported. Then wait for the next try, or
 * idle without a master. */
static void drop(struct link_client *c, const char *why)
{
    bool was_up =
        c->state == LINK_OFFERED || c->state == LINK_OPENING || c->state == LINK_OPEN;
    uint64_t link = c->link;
    cancel(c, &c->stream);
    cancel(c, &c->post);
    c->host->timer_cancel(c->host, c->timer);
    c->timer = NULL;
    mu_buf_clear(&c->queue);
    c->stream_id[0] = '\0';
    c->state = LINK_IDLE;
    if (c->stopping) {
        return;
    }
    if (c->master != NULL) {
        bool follows = c->redirect != NULL && c->backoff_ms == BACKOFF_MIN_MS;
        c->state = LINK_WAITING;
        try_after_backoff(c);
        if (follows) { /* at once; but two that name each other are not run between */
            try_in(c, 0);
        }
    }
    if (was_up) {
        c->events->down(c->arg, link, why);
    }
}

static void offer(struct link_client *c)
{
    c->state = LINK_OFFERED;
    c->link++;
    c->events->up(c->arg, c->link);
}

static int on_record(void *arg, const char *data, size_t len)
{
    struct link_client *c = arg;
    uint64_t link = c->link;
    struct mu_msg m;
    struct mu_error err;
    int rc = message_decode(data, len, &m, &err);
    if (rc < 0) {
        c->host->log(c->host, MU_WARN, "agent link: bad message from the master",
                     "error=%s", err.text);
        return rc;
    }
    c->events->message(c->arg, link, &m);
    mu_msg_release(&m);
    return c->link == link && c->state == LINK_OPEN
               ? 0
               : -ECANCELED; /* the machine may have left the link */
}

static void on_stream_headers(void *arg,
                              int status,
                              const struct mu_http_header *headers,
                              size_t count)
{
    struct call *call = arg;
    struct link_client *c = call->client;
    if (call != c->stream) {
        return;
    }
    const char *id = mu_http_header_get(headers, count, "Mesos-Stream-Id");
    const char *location = mu_http_header_get(headers, count, "Location");
    if (status == 200 && id != NULL && strlen(id) < sizeof(c->stream_id)) {
        memcpy(c->stream_id, id, strlen(id) + 1);
        c->state = LINK_OPEN;
        c->backoff_ms = BACKOFF_MIN_MS;
        post_queue(c);
    } else if (status == 307 && location != NULL) {
        const char *at = strstr(location, "//");
        at = at == NULL ? location : at + 2;
        free(c->redirect);
        c->redirect = mu_xstrndup(at, strcspn(at, "/"));
    }
}

static void on_stream_data(void *arg, const char *data, size_t len)
{
    struct call *call = arg;
    struct link_client *c = call->client;
    if (call == c->stream && c->state == LINK_OPENING) {
        (void)mu_buf_append(&call->refusal, data, len); /* too long a one is left out */
    }
    if (call != c->stream || c->state != LINK_OPEN) {
        return; /* a body of an error answer, or a link already left */
    }
    struct mu_error err;
    int rc = recordio_decoder_feed(&c->decoder, data, len, on_record, c, &err);
    if (rc < 0 && rc != -ECANCELED && call == c->stream) {
        drop(c, err.text);
    }
}

static void on_stream_done(void *arg, const struct mu_http_answer *answer)
{
    struct call *call = arg;
    struct link_client *c = call->client;
    c->calls--;
    if (call == c->stream) {
        c->stream = NULL;
        struct mu_buf why;
        mu_buf_init(&why, 512 + REFUSAL_MAX);
        if (answer->status < 0) {
            mu_buf_printf(&why, "%s",
                          answer->error_text == NULL ? mu_strerror(answer->status)
                                                     : answer->error_text);
        } else if (c->state == LINK_OPEN) {
            mu_buf_puts(&why, "the master ended the stream");
        } else {
            mu_buf_printf(&why, "the master answered %d%s%s", answer->status,
                          call->refusal.len > 0 ? ": " : "", mu_buf_str(&call->refusal));
        }
        drop(c, mu_buf_str(&why));
        mu_buf_release(&why);
    }
    call_free(call);
    maybe_stopped(c);
}

static void on_post_done(void *arg, const struct mu_http_answer *answer)
{
    struct call *call = arg;
    struct link_client *c = call->client;
    c->calls--;
    if (call == c->post) {
        c->post = NULL;
        if (answer->status == 202) {
            post_queue(c);
        } else {
            drop(c, answer->status < 0 && answer->error_text != NULL
                        ? answer->error_text
                        : "the master refused a message");
        }
    }
    call_free(call);
    maybe_stopped(c);
}

/* Send what has gathered, as the stream's own request or as a post on it. */
static void start_call(struct link_client *c, bool is_stream)
{
    if (is_stream) { /* a redirect is good for one try: the leader may have changed by
                        then */
        free(c->target);
        c->target = c->redirect != NULL ? mu_steal(&c->redirect) : mu_xstrdup(c->master);
    }
    struct mu_buf url;
    mu_buf_init(&url, 1024);
    mu_buf_printf(&url, "http://%s/api/v1/agent-link", c->target);
    struct call *call = MU_NEW(struct call);
    *call = (struct call){.client = c, .link = c->link};
    mu_buf_init(&call->refusal, REFUSAL_MAX);
    const struct mu_http_header headers[] = {
        {"Content-Type", "application/json"},
        {"Accept", "application/json"},
        {"Mesos-Stream-Id", c->stream_id},
    };
    struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "POST",
        .url = mu_buf_str(&url),
        .headers = headers,
        .header_count = is_stream ? 2 : 3,
        .body = c->queue.data,
        .body_len = c->queue.len,
        .timeout_ms = is_stream ? 0 : POST_TIMEOUT_MS,
        .on_headers = is_stream ? on_stream_headers : NULL,
        .on_data = is_stream ? on_stream_data : NULL,
        .on_done = is_stream ? on_stream_done : on_post_done,
        .arg = call,
    };
    struct mu_error err;
    int rc = c->host->http_request(c->host, &ask, &call->http, &err);
    mu_buf_release(&url);
    if (rc < 0) {
        call_free(call);
        drop(c, err.text);
        return;
    }
    mu_buf_clear(&c->queue);
    c->calls++;
    if (is_stream) {
        c->stream = call;
        c->state = LINK_OPENING;
        recordio_decoder_release(&c->decoder);
        recordio_decoder_init(&c->decoder, MU_MESSAGE_MAX);
    } else {
        c->post = call;
    }
}

static void post_queue(struct link_client *c)
{
    if (c->state == LINK_OPEN && c->post == NULL && c->queue.len > 0) {
        start_call(c, false);
    }
}

struct link_client *link_client_create(const struct mu_host *host,
                                       const struct link_client_events *events,
                                       void *arg)
{
    struct link_client *c = MU_NEW(struct link_client);
    *c = (struct link_client){
        .host = host, .events = events, .arg = arg, .backoff_ms = BACKOFF_MIN_MS};
    recordio_decoder_init(&c->decoder, MU_MESSAGE_MAX);
    mu_buf_init(&c->queue, MU_MESSAGE_MAX);
    return c;
}

/* Named anew, at the address that is tried or used already. A stream that is open goes on
 * (if it is to a process that is gone it ends by itself); a wait is over. */
static void renew(struct link_client *c)
{
    if (c->state == LINK_WAITING && !c->stopping) {
        c->backoff_ms = BACKOFF_MIN_MS;
        try_in(c, c->host->random(c->host) % (SPREAD_MS + 1));
    }
}

static bool is_at(const char *address, const char *host_port)
{
    return address != NULL && host_port != NULL && strcmp(address, host_port) == 0;
}

void link_client_set_master(struct link_client *c, const char *host_port)
{
    if (host_port == NULL ? c->master == NULL : is_at(c->master, host_port)) {
        renew(c);
        return;
    }
    bool is_followed = (c->state == LINK_OPENING || c->state == LINK_OPEN) &&
                       is_at(c->target, host_port); /* by a redirect */
    bool is_first = c->master == NULL;
    free(c->master);
    c->master = mu_xstrdup(host_port);
    free(c->redirect);
    c->redirect = NULL;
    c->backoff_ms = BACKOFF_MIN_MS;
    if (is_followed) {
        return;
    }
    drop(c, host_port == NULL ? "no master is known" : "another master leads");
    if (c->master != NULL && !c->stopping) {
        try_in(c, is_first ? 0 : c->host->random(c->host) % (SPREAD_MS + 1));
    }
}

const char *link_client_master(const struct link_client *c)
{
    bool is_up = c->state == LINK_OPENING || c->state == LINK_OPEN;
    return is_up ? c->target : c->master;
}

void link_client_send(struct link_client *c, uint64_t link, const struct mu_msg *msg)
{
    if (link != c->link || c->state == LINK_IDLE || c->state == LINK_WAITING) {
        return;
    }
    struct mu_buf body;
    mu_buf_init(&body, MU_MESSAGE_MAX);
    message_encode(&body, msg);
    recordio_encode(&c->queue, mu_buf_str(&body), body.len);
    bool fits = mu_buf_ok(&body) && mu_buf_ok(&c->queue);
    mu_buf_release(&body);
    if (!fits) {
        drop(c, "more is waiting to be sent than a link may hold");
    } else if (c->state == LINK_OFFERED) {
        start_call(c, true);
    } else {
        post_queue(c);
    }
}

void link_client_reconnect(struct link_client *c, uint64_t link)
{
    if (link == c->link) {
        drop(c, "asked to reconnect");
    }
}

static void on_stop_turn(void *arg)
{
    struct link_client *c = arg;
    c->timer = NULL;
    maybe_stopped(c);
}

void link_client_stop(struct link_client *c, mu_cb cb, void *arg)
{
    MU_PRE(!c->stopping);
    c->stopping = true;
    c->stopped_cb = cb;
    c->stopped_arg = arg;
    drop(c, "stopping");
    if (c->calls == 0) { /* never inline */
        c->timer = c->host->timer_start(c->host, 0, on_stop_turn, c);
    }
}

void link_client_destroy(struct link_client *c)
{
    if (c == NULL) {
        return;
    }
    MU_PRE(c->calls == 0);
    recordio_decoder_release(&c->decoder);
    mu_buf_release(&c->queue);
    free(c->master);
    free(c->redirect);
    free(c->target);
    free(c);
}
