/* GET /v2/events: server-sent events.
 *
 * One watch of the core feeds all streams, so each subscriber sees the same order. An
 * event is encoded at most twice (with and without the groups of a plan) and framed once.
 * A subscriber that does not read is cut off after a number of messages, never waited
 * for. While an event goes round, streams are only marked as ended; they are taken out
 * when it has reached everybody. CR LF in frames is load-bearing: some clients split on
 * it. */
#include "events.h"

#include <stdio.h>

#include "alloc.h"
#include "arguments.h"
#include "codec_event.h"
#include "handlers.h"

enum {
    HEARTBEAT_MS = 10000,
    EVENT_MAX = 16 * 1024 * 1024,
    TYPES_MAX = 64,
    ADDRESS_MAX = 64,
};

struct mrt_stream {
    struct mrt_stream *next;
    struct mrt *m;
    struct mu_http_exchange *x;
    char peer[ADDRESS_MAX];
    bool light;
    struct mu_strings types; /* empty: all but the rare ones */
    uint32_t outstanding;    /* messages since the socket took everything */
    bool draining;
    bool ended; /* too slow: taken out after the event */
};

/* ---- delivery ---- */

/* One event on its way: encoded when the first stream wants it in that form. */
struct event {
    const char *name;
    bool rare;
    const struct mu_event *core; /* NULL: about a stream */
    const char *peer;
    int64_t wall_ms;
    struct mu_buf frame[2]; /* [light] */
};

static const struct mu_buf *frame_of(struct event *e, bool light)
{
    struct mu_buf *f = &e->frame[light];
    struct mu_jw w;
    if (f->len > 0) {
        return f;
    }
    mu_buf_init(f, EVENT_MAX);
    (void)mu_buf_printf(f, "event: %s\r\ndata: ", e->name);
    mu_jw_init(&w, f);
    if (e->core != NULL) {
        mrt_event_write(&w, e->core, light);
    } else {
        mrt_stream_event_write(&w, e->name, e->peer, e->wall_ms);
    }
    (void)mu_buf_puts(f, "\r\n\r\n");
    return f;
}

static bool wants(const struct mrt_stream *s, const struct event *e)
{
    for (size_t i = 0; i < s->types.count; i++) {
        if (strcmp(s->types.v[i], e->name) == 0) {
            return true;
        }
    }
    return s->types.count == 0 && !e->rare;
}

static void on_drained(void *arg)
{
    struct mrt_stream *s = arg;
    s->draining = false;
    s->outstanding = 0;
}

static void send_frame(struct mrt_stream *s, const struct mu_buf *f)
{
    const struct mu_host *host = s->m->host;
    if (++s->outstanding > s->m->max_outstanding) {
        host->log(host, MU_INFO, "event stream ended, its client does not read",
                  "peer=%s outstanding=%u", s->peer, (unsigned)s->outstanding);
        s->ended = true;
        return;
    }
    if (!mu_buf_ok(f) || host->http_stream_write(s->x, f->data, f->len) < 0) {
        return; /* on_close follows, or the event is beyond all measure */
    }
    if (!s->draining) {
        s->draining = true;
        host->http_stream_drain(s->x, 1, on_drained, s);
    }
}

static void deliver(struct mrt *m, struct event *e)
{
    for (struct mrt_stream *s = m->streams; s != NULL; s = s->next) {
        if (!s->ended && wants(s, e)) {
            send_frame(s, frame_of(e, s->light));
        }
    }
    mu_buf_release(&e->frame[0]);
    mu_buf_release(&e->frame[1]);
}

static void deliver_about(struct mrt *m, const char *name, const char *peer)
{
    struct event e = {.name = name, .peer = peer, .wall_ms = m->host->wall_ms(m->host)};
    deliver(m, &e);
}

/* ---- coming and going ---- */

static void unlink_stream(struct mrt_stream *s)
{
    struct mrt_stream **at = &s->m->streams;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
}

static void free_stream(struct mrt_stream *s)
{
    mu_strings_release(&s->types);
    free(s);
}

static void stop_watching(struct mrt *m)
{
    struct mu_watch *watch = m->watch;
    struct mu_timer *heartbeat = m->heartbeat;
    m->watch = NULL;
    m->heartbeat = NULL;
    if (watch != NULL) {
        m->core->unwatch(watch);
    }
    m->host->timer_cancel(m->host, heartbeat);
}

/* Takes out the first stream that deliver has marked, or gives NULL. */
static struct mrt_stream *take_ended(struct mrt *m)
{
    for (struct mrt_stream **at = &m->streams; *at != NULL; at = &(*at)->next) {
        struct mrt_stream *s = *at;
        if (s->ended) {
            *at = s->next;
            return s;
        }
    }
    return NULL;
}

/* Ends what deliver has marked and tells the others, which may mark more. */
static void sweep(struct mrt *m)
{
    struct mrt_stream *s;
    while ((s = take_ended(m)) != NULL) {
        m->host->http_stream_end(s->x);
        deliver_about(m, "event_stream_detached", s->peer);
        free_stream(s);
    }
    if (m->streams == NULL) {
        stop_watching(m);
    }
}

static void on_client_gone(void *arg)
{
    struct mrt_stream *s = arg;
    struct mrt *m = s->m;
    unlink_stream(s);
    deliver_about(m, "event_stream_detached", s->peer);
    free_stream(s);
    sweep(m);
}

static void end_all(struct mrt *m)
{
    while (m->streams != NULL) {
        struct mrt_stream *s = m->streams;
        m->streams = s->next;
        m->host->http_stream_end(s->x);
        free_stream(s);
    }
    stop_watching(m);
}

static void on_event(void *arg, const struct mu_event *ev)
{
    struct mrt *m = arg;
    struct event e = {
        .name = mrt_event_name(ev->type),
        .rare = mrt_event_is_rare(ev->type),
        .core = ev,
    };
    if (ev->type == MU_EV_LEADERSHIP_LOST) {
        end_all(m);
    } else if (e.name != NULL) {
        deliver(m, &e);
        sweep(m);
    }
}

static void on_heartbeat(void *arg)
{
    struct mrt *m = arg;
    m->heartbeat = m->host->timer_start(m->host, HEARTBEAT_MS, on_heartbeat, m);
    for (struct mrt_stream *s = m->streams; s != NULL; s = s->next) {
        (void)m->host->http_stream_write(s->x, "\r\n", 2); /* on_close tells failures */
    }
}

/* False: there is nothing to watch. */
static bool start_watching(struct mrt *m)
{
    if (m->watch == NULL) {
        m->watch = m->core->watch(m->core, on_event, m);
    }
    if (m->watch != NULL && m->heartbeat == NULL) {
        m->heartbeat = m->host->timer_start(m->host, HEARTBEAT_MS, on_heartbeat, m);
    }
    return m->watch != NULL;
}

static void read_types(const struct mu_http_request *req, struct mu_strings *out)
{
    for (size_t i = 0; i < TYPES_MAX; i++) {
        char name[128];
        int n = mu_http_query_get(req->query, "event_type", i, name, sizeof(name));
        if (n == MU_E_NOT_FOUND) {
            return;
        }
        if (n > 0) {
            mu_strings_add(out, name);
        }
    }
}

static void begin(struct mrt_request *rq)
{
    struct mu_http_header headers[MRT_HEADERS_MAX];
    struct mrt_header_text text;
    size_t n =
        mrt_headers(rq->m, rq->http, "text/event-stream;charset=UTF-8", &text, headers);
    headers[n++] = (struct mu_http_header){"Connection", "close"};
    rq->m->host->http_stream_begin(rq->x, 200, headers, n, false);
}

void mrt_events_stream(struct mrt_request *rq)
{
    struct mrt *m = rq->m;
    if (!mrt_accepts_events(rq->http)) {
        mrt_answer_message(m, rq->x, 405,
                           "This is a stream of events: ask for it with 'Accept: "
                           "text/event-stream'.");
        return;
    }
    if (!start_watching(m)) {
        mrt_answer_not_ready(m, rq->x, MU_E_NOT_LEADER);
        return;
    }
    struct mrt_stream *s = MRT_NEW(struct mrt_stream);
    s->m = m;
    s->x = rq->x;
    s->light = mrt_query_has(rq->http, "plan-format", "light");
    (void)snprintf(s->peer, sizeof(s->peer), "%s", rq->http->peer);
    read_types(rq->http, &s->types);
    begin(rq);
    s->next = m->streams;
    m->streams = s;
    m->host->http_on_close(s->x, on_client_gone, s);
    deliver_about(m, "event_stream_attached", s->peer);
    sweep(m);
}

void mrt_events_stop(struct mrt *m)
{
    end_all(m);
}
