/* See link_server.h. A link dies in one of two ways: link_server_close (ours) or on_close
 * of its exchange (the agent's); both end in link_free. */
#include "runtime/link_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/message_json.h"
#include "codec/recordio.h"

#define PATH "/api/v1/agent-link"

struct link {
    struct link_server *server;
    struct mu_http_exchange *exchange; /* NULL: closing */
    uint64_t number;
    struct mu_uuid stream;
};

struct link_server {
    const struct mu_host *host;
    const struct link_server_events *events;
    void *arg;
    uint64_t last_number;
    struct mu_map by_stream, by_number; /* struct link */
};

static void number_text(uint64_t number, char *out, size_t size)
{
    (void)snprintf(out, size, "%" PRIu64, number);
}

static void link_free(struct link *l)
{
    char key[24];
    number_text(l->number, key, sizeof(key));
    mu_map_remove(&l->server->by_number, key);
    mu_map_remove(&l->server->by_stream, l->stream.s);
    free(l);
}

static struct link *find_link(struct link_server *s, uint64_t number)
{
    char key[24];
    number_text(number, key, sizeof(key));
    return mu_map_get(&s->by_number, key);
}

static void reply_text(struct link_server *s,
                       struct mu_http_exchange *x,
                       int status,
                       const char *text)
{
    static const struct mu_http_header headers[] = {
        {"Content-Type", "text/plain; charset=utf-8"}};
    s->host->http_reply(x, status, headers, 1, text, strlen(text));
}

/* The decoded messages of one call, delivered only when all of them are good. */
struct batch {
    MU_VEC(struct mu_msg) msgs;
    int status;
    struct mu_error err;
};

static int on_record(void *arg, const char *data, size_t len)
{
    struct batch *b = arg;
    struct mu_msg m;
    b->status = message_decode(data, len, &m, &b->err);
    if (b->status == 0) {
        MU_VEC_PUSH(&b->msgs, m);
    }
    return b->status;
}

static int batch_decode(struct batch *b, const struct mu_http_request *req)
{
    struct recordio_decoder d;
    recordio_decoder_init(&d, MU_MESSAGE_MAX);
    int rc = recordio_decoder_feed(&d, req->body, req->body_len, on_record, b, &b->err);
    if (rc == 0 && recordio_decoder_is_partial(&d)) {
        rc = mu_fail(&b->err, MU_E_PROTOCOL, "the last record is incomplete");
    }
    recordio_decoder_release(&d);
    return b->status < 0 ? b->status : rc;
}

static void batch_release(struct batch *b)
{
    for (size_t i = 0; i < b->msgs.count; i++) {
        mu_msg_release(&b->msgs.v[i]);
    }
    free(b->msgs.v);
}

static void on_agent_gone(void *arg)
{
    struct link *l = arg;
    struct link_server *s = l->server;
    uint64_t number = l->number;
    link_free(l);
    s->events->closed(s->arg, number);
}

static struct link *link_open(struct link_server *s, struct mu_http_exchange *x)
{
    struct link *l = MU_NEW(struct link);
    l->server = s;
    l->exchange = x;
    l->number = ++s->last_number;
    mu_uuid_make(s->host->random(s->host), s->host->random(s->host), &l->stream);
    char key[24];
    number_text(l->number, key, sizeof(key));
    mu_map_put(&s->by_number, key, l);
    mu_map_put(&s->by_stream, l->stream.s, l);
    const struct mu_http_header headers[] = {
        {"Content-Type", "application/json"},
        {"Mesos-Stream-Id", l->stream.s},
        {"Cache-Control", "no-cache"},
    };
    s->host->http_on_close(x, on_agent_gone, l);
    s->host->http_stream_begin(x, 200, headers, 3, false);
    return l;
}

static void
on_call(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct link_server *s = arg;
    if (!s->events->gate(s->arg, x, req)) {
        return;
    }
    const char *stream =
        mu_http_header_get(req->headers, req->header_count, "Mesos-Stream-Id");
    struct link *l = stream == NULL ? NULL : mu_map_get(&s->by_stream, stream);
    if (stream != NULL && l == NULL) {
        reply_text(s, x, 404, "this master has no such stream: open a new one");
        return;
    }
    struct batch b = {0};
    if (batch_decode(&b, req) < 0) {
        reply_text(s, x, 400, b.err.text);
        batch_release(&b);
        return;
    }
    bool opens = b.msgs.count > 0 && (b.msgs.v[0].type == MU_MSG_REGISTER ||
                                      b.msgs.v[0].type == MU_MSG_REREGISTER);
    if (l == NULL && !opens) {
        reply_text(s, x, 400, "a new stream opens with REGISTER or REREGISTER");
        batch_release(&b);
        return;
    }
    if (l == NULL) {
        l = link_open(s, x);
    } else {
        s->host->http_reply(x, 202, NULL, 0, NULL, 0);
    }
    uint64_t number = l->number; /* the link may be closed by what is delivered */
    for (size_t i = 0; i < b.msgs.count; i++) {
        s->events->message(s->arg, number, &b.msgs.v[i]);
    }
    batch_release(&b);
}

struct link_server *link_server_create(const struct mu_host *host,
                                       const struct link_server_events *events,
                                       void *arg)
{
    struct link_server *s = MU_NEW(struct link_server);
    *s = (struct link_server){.host = host, .events = events, .arg = arg};
    mu_map_init(&s->by_stream, host->random(host));
    mu_map_init(&s->by_number, host->random(host));
    return s;
}

int link_server_start(struct link_server *s, struct mu_error *err)
{
    return s->host->http_route(s->host, "master", "POST", PATH, on_call, s, err);
}

void link_server_send(struct link_server *s, uint64_t link, const struct mu_msg *msg)
{
    struct link *l = find_link(s, link);
    if (l == NULL) {
        return;
    }
    struct mu_buf body, frame;
    mu_buf_init(&body, MU_MESSAGE_MAX);
    mu_buf_init(&frame, MU_MESSAGE_MAX + 32);
    message_encode(&body, msg);
    recordio_encode(&frame, mu_buf_str(&body), body.len);
    int rc = mu_buf_ok(&body) && mu_buf_ok(&frame)
                 ? s->host->http_stream_write(l->exchange, frame.data, frame.len)
                 : -E2BIG;
    if (rc < 0) { /* the exchange closes by itself and on_agent_gone follows */
        s->host->log(s->host, MU_WARN,
                     "agent link: message not sent, the agent will come back",
                     "link=%" PRIu64 " type=%s error=%s", link,
                     mu_msg_type_name((enum mu_msg_type)msg->type), mu_strerror(rc));
    }
    mu_buf_release(&body);
    mu_buf_release(&frame);
}

static void close_link(struct link *l)
{
    l->server->host->http_on_close(l->exchange, NULL, NULL);
    l->server->host->http_stream_end(l->exchange);
    link_free(l);
}

void link_server_close(struct link_server *s, uint64_t link)
{
    struct link *l = find_link(s, link);
    if (l != NULL) {
        close_link(l);
    }
}

void link_server_close_all(struct link_server *s)
{
    mu_map_foreach_safe (e, &s->by_number) {
        close_link(e->value);
    }
}

void link_server_destroy(struct link_server *s)
{
    if (s == NULL) {
        return;
    }
    link_server_close_all(s);
    mu_map_release(&s->by_number);
    mu_map_release(&s->by_stream);
    free(s);
}

uint64_t link_server_new_number(struct link_server *s)
{
    return ++s->last_number;
}
