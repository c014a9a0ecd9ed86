/* See links.h. */
#include "links.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/buf.h>

#include "map.h"

#define BEAT_MS 1000u
#define SILENCE_MS 5000u
#define PAUSE_MIN_MS 20u
#define PAUSE_MAX_MS 1000u
#define PAUSE_SELF_MS 30000u
#define ALIAS_MS 2000u /* an address that was connected until then is still the first */
#define FRAME_HEAD 4u
#define FRAME_MAX (256u * 1024 * 1024)
#define ADDRESS_MAX 128u
#define ACCEPTED_MAX 64u
#define REPLICA_HEADER "Muster-Log-Replica" /* the id of who answers */
/* What waits for one other replica. The server cuts a stream that has too much unsent, so
 * no more than a piece is given to it at once. */
#define QUEUE_MAX (64u * 1024 * 1024) /* or one frame */
#define PIECE_BYTES (1024u * 1024)
#define DRAINED_BYTES (256u * 1024)

/* What the other one sends us: we have asked for it. */
struct dial {
    struct dial *next;
    struct rlog_links *links;
    char address[ADDRESS_MAX];
    uint64_t id;               /* who answers there; 0: not known, or not connected */
    uint64_t last_id, lost_ms; /* who was connected there until then */
    uint64_t alias_of; /* who answered there, and is connected by another address */
    bool is_self;      /* this replica itself answered there */
    struct mu_http_call *call;
    struct mu_timer *timer; /* the next try, or silence */
    struct mu_buf in;
    uint64_t pause_ms;
    bool is_gone;       /* no address of ours any more: freed when its call has ended */
    bool is_told_off;   /* that it cannot be reached was said */
    bool is_alias_told; /* that it need not be was said */
};

/* What we send: it has asked for it. */
struct accepted {
    struct accepted *next;
    struct rlog_links *links;
    struct mu_http_exchange *exchange;
    uint64_t id;
    char address[ADDRESS_MAX];
    bool is_up;        /* the owner was told */
    struct mu_buf out; /* waits until less of the last piece is unsent */
    size_t out_at, given;
    bool is_draining;
};

struct rlog_links {
    struct rlog_links_config cfg;
    const struct mu_host *host;
    char *name;
    struct dial *dials;
    struct accepted *accepted;
    struct mu_timer *beat;
    bool is_closing;
    mu_cb closed_cb;
    void *closed_arg;
};

/* ---- who is there ---- */

/* An id in decimal; 0: it is none. */
static uint64_t parse_id(const char *text)
{
    uint64_t id = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 20 || strspn(text, "0123456789") != len) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (id > (UINT64_MAX - digit) / 10) {
            return 0;
        }
        id = 10 * id + digit;
    }
    return id;
}

static bool is_heard(const struct rlog_links *l, uint64_t id)
{
    for (const struct dial *d = l->dials; d != NULL; d = d->next) {
        if (d->id == id) {
            return true;
        }
    }
    return false;
}

static void look_at(struct rlog_links *l, struct accepted *a)
{
    bool up = is_heard(l, a->id);
    if (up == a->is_up || l->is_closing) {
        return;
    }
    a->is_up = up;
    if (up) {
        l->cfg.up(l->cfg.arg, a->id, a->address);
    } else {
        l->cfg.down(l->cfg.arg, a->id);
    }
}

static void look_for(struct rlog_links *l, uint64_t id)
{
    struct accepted *a = l->accepted;
    while (a != NULL && a->id != id) {
        a = a->next;
    }
    if (a != NULL) {
        look_at(l, a);
    }
}

/* ---- the stream that we give ---- */

/* The exchange calls nothing of it any more. */
static void accepted_end(struct accepted *a)
{
    struct rlog_links *l = a->links;
    struct accepted **at = &l->accepted;
    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    if (a->is_up && !l->is_closing) {
        l->cfg.down(l->cfg.arg, a->id);
    }
    mu_buf_release(&a->out);
    free(a);
}

static void on_accepted_closed(void *arg)
{
    accepted_end(arg);
}

static void on_beat(void *arg)
{
    struct rlog_links *l = arg;
    static const char empty[FRAME_HEAD];
    l->beat = l->host->timer_start(l->host, BEAT_MS, on_beat, l);
    for (struct accepted *a = l->accepted; a != NULL; a = a->next) {
        if (!a->is_draining) { /* else it has something to hear */
            (void)l->host->http_stream_write(a->exchange, empty,
                                             sizeof(empty)); /* on_close tells */
        }
    }
}

static void refuse(struct rlog_links *l, struct mu_http_exchange *x, const char *why)
{
    char own[24];
    (void)snprintf(own, sizeof(own), "%" PRIu64, l->cfg.id);
    const struct mu_http_header header = {REPLICA_HEADER, own};
    l->host->http_reply(x, 400, &header, 1, why, strlen(why));
}

/* This master itself under another name, or a directory that was copied: two replicas
 * with one id could vote for different values. */
static void
refuse_own_id(struct rlog_links *l, struct mu_http_exchange *x, const char *address)
{
    const char *own = l->host->master_address(l->host);
    if (own != NULL && strcmp(own, address) != 0) {
        l->host->log(l->host, MU_ERROR,
                     "another master has a copy of this one's log: empty its directory "
                     "replicated_log, and start it again",
                     "log=%s address=%s", l->name, address);
    }
    refuse(l, x, "that is this replica itself\n");
}

/* HOST:PORT, as it is put into the log and shown. */
static bool is_address(const char *text)
{
    size_t len = strlen(text);
    size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789.:-_[]%");
    return len > 0 && good == len && strchr(text, ':') != NULL;
}

/* Whose place a replica takes: the one that its last connection has, which has died, and
 * it knows that first; else, when there are too many, that of the oldest one that was
 * never heard of itself. */
static bool find_place(struct rlog_links *l, uint64_t id, struct accepted **out)
{
    struct accepted *unheard = NULL;
    size_t count = 0;
    *out = NULL;
    for (struct accepted *a = l->accepted; a != NULL; a = a->next) {
        if (a->id == id) {
            *out = a;
            return true;
        }
        unheard = a->is_up ? unheard : a;
        count++;
    }
    if (count < ACCEPTED_MAX) {
        return true;
    }
    *out = unheard;
    return unheard != NULL;
}

void rlog_links_accept(struct rlog_links *l, struct mu_http_exchange *x)
{
    const struct mu_http_request *req = l->host->http_request_of(x);
    char id_text[24] = "", address[ADDRESS_MAX] = "";
    int rc = mu_http_query_get(req->query, "id", 0, id_text, sizeof(id_text));
    int rc2 = mu_http_query_get(req->query, "address", 0, address, sizeof(address));
    uint64_t id = parse_id(id_text);
    if (rc <= 0 || rc2 <= 0 || id == 0 || !is_address(address)) {
        refuse(l, x, "a replica says its id and its address\n");
        return;
    }
    if (id == l->cfg.id) {
        refuse_own_id(l, x, address);
        return;
    }
    struct accepted *old;
    if (!find_place(l, id, &old)) {
        refuse(l, x, "too many replicas are connected\n");
        return;
    }
    if (old != NULL) {
        l->host->http_stream_abort(old->exchange);
        accepted_end(old);
    }
    struct accepted *a = rlog_allocate(sizeof(*a));
    *a = (struct accepted){.next = l->accepted, .links = l, .exchange = x, .id = id};
    memcpy(a->address, address, sizeof(address));
    mu_buf_init(&a->out, FRAME_MAX + QUEUE_MAX);
    l->accepted = a;
    char own[24];
    (void)snprintf(own, sizeof(own), "%" PRIu64, l->cfg.id);
    const struct mu_http_header headers[] = {
        {REPLICA_HEADER, own},
        {"Content-Type", "application/octet-stream"},
        {"Cache-Control", "no-cache"},
    };
    l->host->http_on_close(x, on_accepted_closed, a);
    l->host->http_stream_begin(x, 200, headers, 3, false);
    look_at(l, a);
}

static void push(struct accepted *a);

static void on_drained(void *arg)
{
    struct accepted *a = arg;
    a->is_draining = false;
    a->given = 0;
    push(a);
}

static void push(struct accepted *a)
{
    const struct mu_host *host = a->links->host;
    while (!a->is_draining && a->out_at < a->out.len) {
        size_t room = PIECE_BYTES - a->given;
        size_t left = a->out.len - a->out_at;
        size_t n = left < room ? left : room;
        if (host->http_stream_write(a->exchange, a->out.data + a->out_at, n) < 0) {
            return; /* on_close tells */
        }
        a->out_at += n;
        a->given += n;
        if (a->given == PIECE_BYTES) {
            a->is_draining = true;
            host->http_stream_drain(a->exchange, DRAINED_BYTES, on_drained, a);
        }
    }
    if (a->out_at == a->out.len) {
        if (a->out.cap > PIECE_BYTES) { /* it was a burst */
            mu_buf_release(&a->out);
            mu_buf_init(&a->out, FRAME_MAX + QUEUE_MAX);
        }
        mu_buf_clear(&a->out);
        a->out_at = 0;
    } else if (a->out_at > PIECE_BYTES && a->out_at > a->out.len / 2) {
        mu_buf_consume(&a->out, a->out_at);
        a->out_at = 0;
    }
}

void rlog_links_send(struct rlog_links *l, uint64_t id, const void *data, size_t len)
{
    struct accepted *a = l->accepted;
    while (a != NULL && a->id != id) {
        a = a->next;
    }
    if (a == NULL || len > FRAME_MAX ||
        (a->out.len > 0 && a->out.len + len > QUEUE_MAX)) { /* it is asked again */
        return;
    }
    char head[FRAME_HEAD];
    for (unsigned i = 0; i < FRAME_HEAD; i++) {
        head[i] = (char)(uint8_t)(len >> (8 * i));
    }
    (void)mu_buf_append(&a->out, head, sizeof(head)); /* there is room */
    (void)mu_buf_append(&a->out, data, len);
    push(a);
}

/* ---- the stream that we get ---- */

static void call(struct dial *d);

static void dial_free(struct dial *d)
{
    struct rlog_links *l = d->links;
    l->host->timer_cancel(l->host, d->timer);
    mu_buf_release(&d->in);
    free(d);
}

/* Is this replica connected there? Or was just now: another address ends its connection
 * (find_place), which comes again. */
static bool has_connected(const struct dial *d, uint64_t id)
{
    const struct mu_host *host = d->links->host;
    return d->id == id ||
           (d->id == 0 && d->last_id == id && host->now_ms(host) - d->lost_ms < ALIAS_MS);
}

/* The first address of the same replica, of two: with both they would end each other's
 * connection again and again. */
static const struct dial *find_other(const struct dial *d, uint64_t id)
{
    const struct dial *other = d->links->dials;
    while (other != NULL && (other == d || other->is_gone || !has_connected(other, id))) {
        other = other->next;
    }
    return id != 0 ? other : NULL;
}

static void on_pause_over(void *arg)
{
    struct dial *d = arg;
    d->timer = NULL;
    if (find_other(d, d->alias_of) != NULL) {
        d->timer =
            d->links->host->timer_start(d->links->host, PAUSE_MAX_MS, on_pause_over, d);
        return;
    }
    call(d);
}

/* Among the masters that are known. */
static bool is_counted(const struct dial *d)
{
    return !d->is_gone && !d->is_self && d->alias_of == 0;
}

static void tell_alias(struct dial *d, const char *what, const char *other)
{
    if (!d->is_alias_told) {
        d->is_alias_told = true;
        d->links->host->log(d->links->host, MU_WARN, what, "log=%s address=%s same_as=%s",
                            d->links->name, d->address, other);
    }
}

static void on_silence(void *arg)
{
    struct dial *d = arg;
    d->timer = NULL;
    d->links->host->http_cancel(d->call); /* on_done goes on */
}

static void await_sign(struct dial *d)
{
    const struct mu_host *host = d->links->host;
    host->timer_cancel(host, d->timer);
    d->timer = host->timer_start(host, SILENCE_MS, on_silence, d);
}

static void
on_headers(void *arg, int status, const struct mu_http_header *headers, size_t count)
{
    struct dial *d = arg;
    const char *text = mu_http_header_get(headers, count, REPLICA_HEADER);
    uint64_t id = text == NULL ? 0 : parse_id(text);
    if (d->is_gone || id == 0) {
        return;
    }
    const struct dial *other = status == 200 ? find_other(d, id) : NULL;
    bool was_counted = is_counted(d);
    d->is_self = id == d->links->cfg.id;
    d->alias_of = other != NULL ? id : 0;
    if (is_counted(d) != was_counted) {
        d->links->cfg.known(d->links->cfg.arg);
    }
    if (status != 200) {
        return;
    }
    if (other != NULL) {
        tell_alias(d,
                   "two addresses are of one replica (a master with two names, or a copy "
                   "of its directory replicated_log): the second one is not used",
                   other->address);
        d->links->host->http_cancel(d->call); /* on_done waits for that one's end */
        return;
    }
    d->id = id;
    d->pause_ms = PAUSE_MIN_MS;
    d->is_told_off = d->is_alias_told = false;
    await_sign(d);
    look_for(d->links, d->id);
}

static uint32_t frame_length(const struct mu_buf *in)
{
    const uint8_t *p = (const uint8_t *)in->data;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct dial *d = arg;
    struct rlog_links *l = d->links;
    if (d->is_gone || d->id == 0) {
        return;
    }
    await_sign(d);
    if (mu_buf_append(&d->in, data, len) < 0) {
        l->host->http_cancel(d->call);
        return;
    }
    size_t at = 0;
    while (d->in.len - at >= FRAME_HEAD) {
        struct mu_buf rest = {.data = d->in.data + at, .len = d->in.len - at};
        size_t frame = frame_length(&rest);
        if (rest.len - FRAME_HEAD < frame) {
            break;
        }
        if (frame > 0 && !l->is_closing && !d->is_gone) {
            l->cfg.message(l->cfg.arg, d->id, rest.data + FRAME_HEAD, frame);
        }
        at += FRAME_HEAD + frame;
    }
    mu_buf_consume(&d->in, at);
}

static void maybe_closed(struct rlog_links *l)
{
    if (l->is_closing && l->dials == NULL && l->closed_cb != NULL) {
        mu_cb cb = l->closed_cb;
        void *arg = l->closed_arg;
        free(l->name);
        free(l);
        cb(arg);
    }
}

static void dial_remove(struct dial *d)
{
    struct rlog_links *l = d->links;
    struct dial **at = &l->dials;
    while (*at != d) {
        at = &(*at)->next;
    }
    *at = d->next;
    dial_free(d);
    maybe_closed(l);
}

static void on_done(void *arg, const struct mu_http_answer *answer)
{
    struct dial *d = arg;
    struct rlog_links *l = d->links;
    uint64_t id = d->id;
    d->call = NULL;
    d->id = 0;
    if (id != 0) {
        d->last_id = id;
        d->lost_ms = l->host->now_ms(l->host);
    }
    mu_buf_clear(&d->in);
    l->host->timer_cancel(l->host, d->timer);
    d->timer = NULL;
    if (d->is_gone) {
        dial_remove(d);
        return;
    }
    if (d->alias_of != 0) { /* looked at again when the other one had time to come back */
        d->pause_ms = PAUSE_MAX_MS;
    }
    if (d->is_self) {
        tell_alias(d, "an address is of this master itself",
                   l->host->master_address(l->host));
        d->pause_ms = PAUSE_SELF_MS;
    } else if (d->alias_of == 0 && id == 0 && d->pause_ms >= PAUSE_MAX_MS &&
               !d->is_told_off) {
        d->is_told_off = true;
        char text[32];
        (void)snprintf(text, sizeof(text), "HTTP %d", answer->status);
        l->host->log(l->host, MU_WARN, "another master's log cannot be reached",
                     "log=%s address=%s error=%s", l->name, d->address,
                     answer->error_text != NULL ? answer->error_text : text);
    }
    d->timer = l->host->timer_start(l->host, d->pause_ms, on_pause_over, d);
    d->pause_ms = 2 * d->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : 2 * d->pause_ms;
    if (id != 0) {
        look_for(l, id);
    }
}

static void call(struct dial *d)
{
    struct rlog_links *l = d->links;
    char url[ADDRESS_MAX * 2 + 160];
    (void)snprintf(url, sizeof(url), "http://%s/api/v1/log/%s?id=%" PRIu64 "&address=%s",
                   d->address, l->name, l->cfg.id, l->host->master_address(l->host));
    const struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "GET",
        .url = url,
        .connect_timeout_ms = 2000,
        .on_headers = on_headers,
        .on_data = on_data,
        .on_done = on_done,
        .arg = d,
        .at_most_once = true,
    };
    struct mu_error err;
    if (l->host->http_request(l->host, &ask, &d->call, &err) < 0) {
        l->host->log(l->host, MU_WARN, "another master's log cannot be asked",
                     "log=%s address=%s error=%s", l->name, d->address, err.text);
        d->timer = l->host->timer_start(l->host, PAUSE_MAX_MS, on_pause_over, d);
    }
}

/* ---- life ---- */

struct rlog_links *rlog_links_create(const struct rlog_links_config *cfg)
{
    struct rlog_links *l = rlog_allocate(sizeof(*l));
    l->cfg = *cfg;
    l->host = cfg->host;
    size_t size = strlen(cfg->name) + 1;
    l->name = memcpy(rlog_allocate(size), cfg->name, size);
    l->beat = l->host->timer_start(l->host, BEAT_MS, on_beat, l);
    return l;
}

static void give_up(struct dial *d)
{
    struct rlog_links *l = d->links;
    uint64_t id = d->id;
    d->is_gone = true;
    d->id = 0;
    if (id != 0) {
        look_for(l, id);
    }
    if (d->call != NULL) {
        l->host->http_cancel(d->call); /* on_done removes it */
    } else {
        dial_remove(d);
    }
}

static bool is_in(const char *address, const char *const *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(address, addresses[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void begin(struct rlog_links *l, const char *address)
{
    const char *own = l->host->master_address(l->host);
    size_t len = strlen(address);
    bool is_there = len >= ADDRESS_MAX || (own != NULL && strcmp(own, address) == 0);
    for (const struct dial *d = l->dials; d != NULL; d = d->next) {
        is_there = is_there || (!d->is_gone && strcmp(d->address, address) == 0);
    }
    if (is_there) {
        return;
    }
    struct dial *d = rlog_allocate(sizeof(*d));
    *d = (struct dial){.next = l->dials, .links = l, .pause_ms = PAUSE_MIN_MS};
    memcpy(d->address, address, len);
    mu_buf_init(&d->in, FRAME_MAX + 1024 * 1024);
    l->dials = d;
    call(d);
}

void rlog_links_set(struct rlog_links *l, const char *const *addresses, size_t count)
{
    struct dial *next;
    for (struct dial *d = l->dials; d != NULL; d = next) {
        next = d->next;
        if (!d->is_gone && !is_in(d->address, addresses, count)) {
            give_up(d);
        }
    }
    for (size_t i = 0; i < count; i++) {
        begin(l, addresses[i]);
    }
}

size_t rlog_links_known(const struct rlog_links *l)
{
    size_t count = 1;
    for (const struct dial *d = l->dials; d != NULL; d = d->next) {
        count += is_counted(d);
    }
    return count;
}

void rlog_links_close(struct rlog_links *l, mu_cb cb, void *arg)
{
    l->is_closing = true;
    l->host->timer_cancel(l->host, l->beat);
    l->beat = NULL;
    while (l->accepted != NULL) {
        struct accepted *a = l->accepted;
        l->host->http_stream_end(a->exchange);
        accepted_end(a);
    }
    struct dial *next;
    for (struct dial *d = l->dials; d != NULL; d = next) {
        next = d->next;
        if (!d->is_gone) {
            give_up(d);
        }
    }
    l->closed_cb = cb;
    l->closed_arg = arg;
    maybe_closed(l);
}
