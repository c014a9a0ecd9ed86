/* The machine's entrance: events, effects, messages to itself, time. See paxos.h. */
#include "paxos.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/log.h>

#include "../codec.h"
#include "internal.h"

#define MESSAGE_MAX (256u * 1024 * 1024)
#define WAITS_LONG_MS 3000u
#define WARN_AGAIN_MS 30000u

void paxos_effects_release(struct paxos_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        mu_buf_release(&fx->v[i].bytes);
        free(fx->v[i].text);
    }
    free(fx->v);
    *fx = (struct paxos_effects){0};
}

struct paxos_effect *paxos_emit(struct paxos *p, enum paxos_effect_type type)
{
    struct paxos_effects *fx = p->fx;
    if (fx->count == fx->cap) {
        size_t cap = fx->cap == 0 ? 8 : 2 * fx->cap;
        struct paxos_effect *v = rlog_allocate(cap * sizeof(*v));
        if (fx->count > 0) {
            memcpy(v, fx->v, fx->count * sizeof(*v));
        }
        free(fx->v);
        fx->v = v;
        fx->cap = cap;
    }
    struct paxos_effect *e = &fx->v[fx->count++];
    *e = (struct paxos_effect){.type = type};
    return e;
}

void paxos_log(struct paxos *p, int level, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
    va_end(ap);
    struct paxos_effect *e = paxos_emit(p, PAXOS_FX_LOG);
    e->level = level;
    size_t size = strlen(text) + 1;
    e->text = memcpy(rlog_allocate(size), text, size);
}

/* xorshift64*, Vigna 2016: spreads retries, decides nothing. */
uint64_t paxos_random(struct paxos *p, uint64_t low, uint64_t high)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return low + (p->random * 2685821657736338717u) % (high - low + 1);
}

/* ---- peers ---- */

struct paxos_peer *paxos_peer(struct paxos *p, uint64_t id)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].id == id) {
            return &p->peers[i];
        }
    }
    return NULL;
}

bool paxos_is_up(const struct paxos *p, uint64_t id)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].id == id) {
            return p->peers[i].up;
        }
    }
    return id == p->id;
}

/* The place of a peer that is new; that of one that is down when all are taken. */
static struct paxos_peer *place_for(struct paxos *p)
{
    if (p->peer_count < PAXOS_PEERS_MAX) {
        return &p->peers[p->peer_count++];
    }
    for (size_t i = 0; i < p->peer_count; i++) {
        if (!p->peers[i].up) {
            return &p->peers[i];
        }
    }
    return NULL;
}

static void peer_up(struct paxos *p, uint64_t id, const char *address)
{
    if (id == p->id || id == 0) {
        return;
    }
    struct paxos_peer *peer = paxos_peer(p, id);
    if (peer == NULL) {
        peer = place_for(p);
        if (peer == NULL) {
            paxos_log(p, MU_WARN, "too many replicas are known, ignoring %s", address);
            return;
        }
        *peer = (struct paxos_peer){.id = id};
    }
    peer->up = true;
    peer->is_foreign = false;
    peer->since_ms = p->now_ms;
    memset(peer->address, 0, sizeof(peer->address));
    memcpy(peer->address, address, strnlen(address, PAXOS_ADDRESS_MAX - 1));
    p->asked_status_ms = 0; /* ask it at once */
    coordinator_peer_up(p, id);
}

static void peer_down(struct paxos *p, uint64_t id)
{
    struct paxos_peer *peer = paxos_peer(p, id);
    if (peer != NULL && peer->up) {
        peer->up = false;
        peer->since_ms = p->now_ms;
    }
}

/* ---- out ---- */

static uint64_t own_log(const struct paxos *p)
{
    bool has_one = p->status == PAXOS_VOTING || p->status == PAXOS_RECOVERING;
    return has_one ? p->members.log : 0;
}

static void emit_send(struct paxos *p, uint64_t to, const struct paxos_message *m)
{
    struct mu_buf bytes;
    struct paxos_message named = *m;
    named.log = own_log(p);
    mu_buf_init(&bytes, MESSAGE_MAX);
    paxos_message_encode(&bytes, &named);
    if (!mu_buf_ok(&bytes)) { /* all that it can hold has bounds: cannot be */
        paxos_log(p, MU_ERROR, "a message of type %u with %zu records is too long",
                  m->type, m->count);
        mu_buf_release(&bytes);
        return;
    }
    struct paxos_effect *e = paxos_emit(p, PAXOS_FX_SEND);
    e->peer = to;
    e->bytes = bytes;
}

void paxos_send(struct paxos *p, uint64_t to, struct paxos_message *m)
{
    if (to == p->id) {
        struct paxos_local *l = rlog_allocate(sizeof(*l));
        l->m = *m;
        l->m.log = own_log(p);
        m->members = NULL;
        m->records = NULL;
        m->count = 0;
        *p->local_end = l;
        p->local_end = &l->next;
    } else if (paxos_is_up(p, to)) {
        emit_send(p, to, m);
    }
}

void paxos_send_all(struct paxos *p, const struct paxos_message *m)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].up) {
            emit_send(p, p->peers[i].id, m);
        }
    }
}

static struct paxos_pending *expect(struct paxos *p, enum paxos_pending_kind kind)
{
    struct paxos_pending *pending = rlog_allocate(sizeof(*pending));
    pending->kind = kind;
    *p->pending_end = pending;
    p->pending_end = &pending->next;
    return pending;
}

void paxos_rewrite(struct paxos *p, bool is_needed)
{
    p->journal_bytes = 0;
    paxos_emit(p, PAXOS_FX_REWRITE)->is_needed = is_needed;
    (void)expect(p, PAXOS_PENDING_NONE);
}

struct paxos_pending *
paxos_store(struct paxos *p, const struct paxos_entry *e, enum paxos_pending_kind kind)
{
    struct paxos_effect *fx = paxos_emit(p, PAXOS_FX_STORE);
    mu_buf_init(&fx->bytes, MESSAGE_MAX);
    paxos_entry_encode(&fx->bytes, e);
    p->journal_bytes += fx->bytes.len;
    if (!mu_buf_ok(&fx->bytes)) { /* a value has a bound below that: cannot be */
        p->failed = -E2BIG;
    }
    return expect(p, kind);
}

/* ---- in ---- */

static void on_message(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    switch ((enum paxos_message_type)m->type) {
    case PAXOS_MSG_STATUS_ASK:
        join_on_ask(p, from, m);
        break;
    case PAXOS_MSG_STATUS:
        join_on_status(p, from, m);
        break;
    case PAXOS_MSG_PROMISE_ASK:
        replica_on_promise(p, from, m);
        break;
    case PAXOS_MSG_PROMISED:
        coordinator_on_promised(p, from, m);
        break;
    case PAXOS_MSG_WRITE:
        replica_on_write(p, from, m);
        break;
    case PAXOS_MSG_WROTE:
        coordinator_on_wrote(p, from, m);
        break;
    case PAXOS_MSG_REJECTED:
        coordinator_on_rejected(p, m);
        break;
    case PAXOS_MSG_IGNORED:
        coordinator_on_ignored(p, from, m);
        break;
    case PAXOS_MSG_COMMITTED:
        replica_on_committed(p, from, m);
        break;
    case PAXOS_MSG_FETCH:
        catchup_on_fetch(p, from, m);
        break;
    case PAXOS_MSG_VALUES:
        catchup_on_values(p, from, m);
        break;
    case PAXOS_MSG_SNAPSHOT:
        catchup_on_snapshot(p, from, m);
        break;
    case PAXOS_MSG_JOIN:
        coordinator_on_join(p, from, m);
        break;
    }
}

/* What another log has chosen, promised or accepted says nothing about this one. */
static bool is_foreign(struct paxos *p, struct paxos_peer *peer, uint64_t log)
{
    bool is = log != 0 && own_log(p) != 0 && log != own_log(p);
    if (is && !peer->is_foreign) {
        paxos_log(p, MU_ERROR,
                  "%s has another log than this master: what it says is ignored. Take it "
                  "out of the list of masters, or empty the directory replicated_log of "
                  "the one whose log is not needed",
                  peer->address);
    }
    peer->is_foreign = is;
    return is;
}

static void on_bytes(struct paxos *p, const struct paxos_event *ev)
{
    struct paxos_message m;
    struct mu_error err;
    if (paxos_message_decode(ev->data, ev->len, &m, &err) < 0) {
        paxos_log(p, MU_WARN, "a message of another replica is dropped: %s", err.text);
        return;
    }
    struct paxos_peer *peer = paxos_peer(p, ev->peer);
    if (peer != NULL && !is_foreign(p, peer, m.log)) {
        on_message(p, ev->peer, &m);
    }
    paxos_message_release(&m);
}

static void run_local(struct paxos *p)
{
    while (p->local != NULL) {
        struct paxos_local *l = p->local;
        p->local = l->next;
        if (p->local == NULL) {
            p->local_end = &p->local;
        }
        on_message(p, p->id, &l->m);
        paxos_message_release(&l->m);
        free(l);
    }
}

static void on_durable(struct paxos *p, int status)
{
    struct paxos_pending *done = p->pending;
    if (done == NULL) {
        return;
    }
    p->pending = done->next;
    if (p->pending == NULL) {
        p->pending_end = &p->pending;
    }
    if (status < 0 && p->failed == 0) {
        p->failed = status;
        paxos_log(p, MU_ERROR,
                  "the log cannot be written: this replica answers no more until it is "
                  "opened again: %s",
                  mu_strerror(status));
        /* Alone, nobody else can have it: the next start tells whether the disk has. */
        coordinator_end(p, status, p->quorum == 1 ? status : MU_E_UNKNOWN_OUTCOME,
                        mu_strerror(status));
    } else if (p->failed == 0) {
        replica_on_durable(p, done);
    }
    free(done);
}

/* A journal that is mostly dead is put down anew. */
static void maybe_rewrite(struct paxos *p)
{
    if (p->journal_bytes > PAXOS_REWRITE_BYTES &&
        p->journal_bytes > 4 * p->state.map.live_bytes) {
        paxos_rewrite(p, false);
    }
}

/* Nothing waits in silence. */
static void tell_what_is_awaited(struct paxos *p)
{
    struct mu_buf why;
    mu_buf_init(&why, 2048);
    paxos_explain(p, &why);
    if (why.len == 0) {
        p->waits_since_ms = 0;
    } else if (p->waits_since_ms == 0) {
        p->waits_since_ms = p->now_ms;
    } else if (p->now_ms - p->waits_since_ms >= WAITS_LONG_MS &&
               (p->warned_ms == 0 || p->now_ms - p->warned_ms >= WARN_AGAIN_MS)) {
        p->warned_ms = p->now_ms;
        paxos_log(p, MU_WARN, "the log waits: %s", mu_buf_str(&why));
    }
    mu_buf_release(&why);
}

static void tick(struct paxos *p)
{
    join_tick(p);
    catchup_tick(p);
    coordinator_tick(p);
    if (p->committed > p->noted && p->pending == NULL) {
        replica_note_committed(p);
    }
    tell_what_is_awaited(p);
    bool busy = p->status != PAXOS_VOTING || p->fetch.active || coordinator_is_busy(p);
    p->tick_ms = p->now_ms + (busy ? PAXOS_TICK_MS : PAXOS_IDLE_TICK_MS);
}

static void dispatch(struct paxos *p, const struct paxos_event *ev)
{
    switch ((enum paxos_event_type)ev->type) {
    case PAXOS_EV_START:
        p->started_ms = p->now_ms;
        join_start(p);
        break;
    case PAXOS_EV_TICK:
        break;
    case PAXOS_EV_MESSAGE:
        on_bytes(p, ev);
        break;
    case PAXOS_EV_PEER_UP:
        peer_up(p, ev->peer, ev->address);
        break;
    case PAXOS_EV_PEER_DOWN:
        peer_down(p, ev->peer);
        break;
    case PAXOS_EV_KNOWN:
        p->known = ev->count;
        break;
    case PAXOS_EV_DURABLE:
        on_durable(p, ev->status);
        break;
    case PAXOS_EV_LEAD:
        coordinator_lead(p, ev->epoch, ev->token);
        break;
    case PAXOS_EV_RESIGN:
        coordinator_end(p, -ECANCELED, MU_E_UNKNOWN_OUTCOME,
                        "this master has given the log up");
        break;
    case PAXOS_EV_APPEND:
        coordinator_append(p, ev->data, ev->len, ev->token);
        break;
    }
}

void paxos_step(struct paxos *p, const struct paxos_event *ev, struct paxos_effects *out)
{
    p->fx = out;
    p->now_ms = ev->now_ms;
    bool is_failed = p->failed != 0 && ev->type != PAXOS_EV_DURABLE;
    if (is_failed && ev->type == PAXOS_EV_LEAD) {
        struct paxos_effect *e = paxos_emit(p, PAXOS_FX_LED);
        e->token = ev->token;
        e->status = p->failed;
    } else if (is_failed && ev->type == PAXOS_EV_APPEND) {
        struct paxos_effect *e = paxos_emit(p, PAXOS_FX_DONE);
        e->token = ev->token;
        e->status = p->failed;
    } else if (!is_failed) {
        dispatch(p, ev);
        run_local(p);
        if (ev->type == PAXOS_EV_TICK || ev->type == PAXOS_EV_PEER_UP ||
            ev->type == PAXOS_EV_START || ev->type == PAXOS_EV_LEAD) {
            tick(p);
            run_local(p);
        }
        coordinator_end_of_step(p);
        maybe_rewrite(p);
    }
    p->fx = NULL;
}

uint64_t paxos_deadline_ms(const struct paxos *p)
{
    return p->failed != 0 ? UINT64_MAX : p->tick_ms;
}

/* ---- life ---- */

struct paxos *paxos_create(const struct paxos_config *cfg)
{
    struct paxos *p = rlog_allocate(sizeof(*p));
    p->id = cfg->id;
    p->quorum = cfg->quorum;
    p->random = cfg->seed | 1;
    p->is_new = true;
    p->status = p->told_status = PAXOS_EMPTY;
    p->accepted.first = p->kept.first = 1;
    p->co.gathered.first = p->co.proposals.first = 1;
    p->pending_end = &p->pending;
    p->local_end = &p->local;
    p->co.waiting_end = &p->co.waiting;
    memcpy(p->address, cfg->address, strnlen(cfg->address, PAXOS_ADDRESS_MAX - 1));
    p->peers = rlog_allocate(PAXOS_PEERS_MAX * sizeof(*p->peers));
    return p;
}

void paxos_destroy(struct paxos *p)
{
    if (p == NULL) {
        return;
    }
    struct paxos_effects fx = {0};
    p->fx = &fx;
    coordinator_end(p, -ECANCELED, MU_E_UNKNOWN_OUTCOME,
                    "this master has given the log up");
    paxos_effects_release(&fx);
    replica_release(p);
    catchup_release(p);
    while (p->pending != NULL) {
        struct paxos_pending *next = p->pending->next;
        free(p->pending);
        p->pending = next;
    }
    while (p->local != NULL) {
        struct paxos_local *next = p->local->next;
        paxos_message_release(&p->local->m);
        free(p->local);
        p->local = next;
    }
    free(p->peers);
    free(p);
}

int paxos_replay(struct paxos *p, const void *data, size_t len, struct mu_error *err)
{
    struct paxos_entry e;
    const uint8_t *kind = data;
    p->journal_bytes += len;
    if (len > 0 && (kind[0] == RLOG_EPOCH || kind[0] == RLOG_BATCH)) {
        p->is_new = false;
        p->is_old = true; /* a log of one replica: its records are the map's */
        return rlog_state_replay(&p->state, data, len, err);
    }
    int rc = paxos_entry_decode(data, len, &e, err);
    if (rc < 0) {
        return rc;
    }
    rc = replica_replay(p, &e, err);
    paxos_value_unref(e.value);
    p->is_new = false;
    return rc;
}

void paxos_view(const struct paxos *p, struct paxos_view *out)
{
    *out = (struct paxos_view){
        .id = p->id,
        .committed = p->committed,
        .epoch = p->promised.epoch,
        .status = p->status,
        .promised = p->promised,
        .members = &p->members,
        .accepted = &p->accepted,
        .state = &p->state,
        .leads = p->co.state == PAXOS_LEADING,
        .in_flight = p->co.proposals.count,
        .waiting = p->co.waiting_count,
        .reachable = 1,
        .failed = p->failed,
    };
    for (size_t i = 0; i < p->peer_count; i++) {
        out->reachable += p->peers[i].up;
    }
    for (uint32_t i = 0; i < p->members.count; i++) {
        out->reachable_members += paxos_is_up(p, p->members.v[i].id);
    }
}
