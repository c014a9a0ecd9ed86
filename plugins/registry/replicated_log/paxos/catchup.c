/* How a replica that is behind gets what was chosen: value by value while they are kept,
 * else the map. It asks; the others answer. */
#include <inttypes.h>
#include <stdlib.h>

#include <muster/log.h>

#include "../codec.h"
#include "internal.h"

#define OUT_IDLE_MS 30000u
#define PART_WAIT_MS 5000u /* a link that is silent for that long has ended (links.c) */

/* ---- asking ---- */

static void ask(struct paxos *p)
{
    p->fetch.asked_ms = p->now_ms;
    p->fetch.position = p->members.count == 0 ? 1 : p->committed + 1;
    bool in_parts = p->in.parts != 0;
    struct paxos_message m = {
        .type = PAXOS_MSG_FETCH,
        .position = p->fetch.position,
        .committed = in_parts ? p->in.position : 0,
        .part = in_parts ? p->in.next : 0,
    };
    paxos_send(p, p->fetch.peer, &m);
}

void catchup_need(struct paxos *p, uint64_t committed, uint64_t from)
{
    if (from == p->id) {
        return;
    }
    if (committed > p->fetch.to) {
        p->fetch.to = committed;
    }
    if (!p->fetch.active) {
        p->fetch.active = true;
        p->fetch.peer = from;
        ask(p);
    }
}

static void forget_incoming(struct paxos *p)
{
    rlog_state_release(&p->in.state);
    p->in.parts = p->in.next = 0;
}

static void arrived(struct paxos *p)
{
    if (p->committed >= p->fetch.to && p->members.count > 0) {
        p->fetch.active = false;
        p->fetch.to = 0;
    } else {
        ask(p);
    }
    coordinator_kick(p);
}

/* No answer: another one, the writer first. */
void catchup_tick(struct paxos *p)
{
    if (p->out.position != 0 && p->now_ms - p->out.used_ms > OUT_IDLE_MS) {
        rlog_snapshot_release(&p->out.snapshot);
        p->out.position = 0;
    }
    /* Another one's map would have to be begun anew, so one that comes slowly is awaited.
     */
    bool is_coming = p->in.parts != 0 && paxos_is_up(p, p->fetch.peer);
    if (!p->fetch.active ||
        p->now_ms - p->fetch.asked_ms < (is_coming ? PART_WAIT_MS : PAXOS_RESEND_MS)) {
        return;
    }
    if (p->committed >= p->fetch.to && p->members.count > 0) {
        p->fetch.active = false;
        return;
    }
    if (p->members.count == 0) { /* join.c says whom to ask, if one may be asked at all */
        forget_incoming(p);
        p->fetch.active = false;
        return;
    }
    size_t start = p->peer_count == 0 ? 0 : (size_t)paxos_random(p, 0, p->peer_count - 1);
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[(start + i) % p->peer_count];
        if (peer->up) {
            p->fetch.peer = peer->id;
            break;
        }
    }
    forget_incoming(p);
    ask(p);
}

/* ---- answering ---- */

static void send_values(struct paxos *p, uint64_t to, uint64_t from_position)
{
    static const struct paxos_ballot none;
    struct paxos_message m = {
        .type = PAXOS_MSG_VALUES, .position = from_position, .committed = p->committed};
    size_t bytes = 0;
    for (uint64_t at = from_position; at <= p->committed && bytes < PAXOS_CHUNK_BYTES;
         at++) {
        struct paxos_value *v = paxos_ring_get(&p->kept, at);
        paxos_message_add(&m, at, &none, v);
        bytes += v->len + 64; /* with what stands around it */
    }
    paxos_send(p, to, &m);
    paxos_message_release(&m);
}

/* needed: what to begins behind. One map serves several as long as the values behind it
 * are kept: else two that ask in turn would take each other's away for ever. */
static void
send_part(struct paxos *p, uint64_t to, uint64_t needed, uint64_t position, uint32_t part)
{
    if (position == 0 || position != p->out.position ||
        part >= p->out.snapshot.count) { /* from its beginning */
        part = 0;
        if (p->out.position == 0 || p->out.position < needed ||
            p->out.position + 1 < p->kept.first) {
            rlog_snapshot_release(&p->out.snapshot);
            rlog_snapshot_init(&p->out.snapshot, &p->state);
            p->out.position = p->committed;
            p->out.members = p->members;
        }
    }
    p->out.used_ms = p->now_ms;
    static const struct paxos_ballot none;
    const struct mu_slice *record = &p->out.snapshot.records[part];
    struct paxos_value *v = paxos_value_create(PAXOS_BATCH, record->data, record->len);
    struct paxos_message m = {.type = PAXOS_MSG_SNAPSHOT,
                              .position = p->out.position,
                              .part = part,
                              .parts = (uint32_t)p->out.snapshot.count,
                              .members = paxos_members_copy(&p->out.members)};
    paxos_message_add(&m, p->out.position, &none, v);
    paxos_value_unref(v);
    paxos_send(p, to, &m);
    paxos_message_release(&m);
}

void catchup_on_fetch(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    if (p->members.count == 0 || p->told_status == PAXOS_EMPTY ||
        p->told_status == PAXOS_STARTING || m->position > p->committed + 1 ||
        m->position == 0) {
        return; /* it has nothing that the other one has not */
    }
    /* The first members are in no value: who begins gets them with the map. */
    if (m->committed != 0 || m->position == 1 || m->position < p->kept.first) {
        send_part(p, from, m->position, m->committed, m->part);
    } else {
        send_values(p, from, m->position);
    }
}

/* ---- taking ---- */

void catchup_on_values(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    bool learns = p->status == PAXOS_VOTING || p->status == PAXOS_RECOVERING;
    if (!learns || p->members.count == 0) {
        return;
    }
    for (size_t i = 0; i < m->count && p->failed == 0; i++) {
        if (m->records[i].position == p->committed + 1) {
            replica_commit(p, m->records[i].value, true);
        }
    }
    if (p->fetch.active && from == p->fetch.peer && m->count > 0 &&
        m->position == p->fetch.position) {
        p->fetch.position = 0; /* a second answer asks for nothing */
        arrived(p);
    }
    coordinator_kick(p);
}

/* The map takes the place of everything before it. */
static void install(struct paxos *p)
{
    struct mu_error err;
    struct paxos_entry e = {.kind = PAXOS_ENTRY_SNAPSHOT,
                            .position = p->in.position,
                            .members = p->in.members};
    if (replica_replay(p, &e, &err) < 0) { /* cannot fail for this kind */
        return;
    }
    p->state = p->in.state;
    p->in.state = (struct rlog_state){0};
    p->in.parts = p->in.next = 0;
    coordinator_jumped(p);
    paxos_rewrite(p, true); /* what is stored next does not fit to the old entries */
    paxos_log(p, MU_INFO,
              "the map was taken over from another replica: position=%" PRIu64
              " entries=%zu",
              p->committed, p->state.map.count);
}

void catchup_on_snapshot(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    bool wanted = p->status == PAXOS_RECOVERING || p->status == PAXOS_VOTING;
    bool is_news = m->position > p->committed || p->members.count == 0;
    if (!wanted || !is_news || !p->fetch.active || from != p->fetch.peer) {
        return;
    }
    if (m->part == 0 && (p->in.parts == 0 || m->position != p->in.position)) {
        forget_incoming(p);
        p->in.position = m->position;
        p->in.members = *m->members;
        p->in.parts = m->parts;
    }
    if (m->part != p->in.next || m->position != p->in.position) {
        return; /* it comes twice, or out of order: asked for again */
    }
    struct mu_error err;
    const struct paxos_value *v = m->records[0].value;
    if (rlog_state_replay(&p->in.state, v->bytes, v->len, &err) < 0) {
        paxos_log(p, MU_ERROR, "the map of another replica cannot be read: %s", err.text);
        forget_incoming(p);
        return;
    }
    p->in.next++;
    if (p->in.next == p->in.parts) {
        install(p);
    }
    arrived(p);
}

void catchup_release(struct paxos *p)
{
    rlog_state_release(&p->in.state);
    rlog_snapshot_release(&p->out.snapshot);
}
