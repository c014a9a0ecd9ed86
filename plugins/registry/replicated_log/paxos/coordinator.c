/* The writer: promises, what has to be settled, new values. See docs/replicated-log.md,
 * "The coordinator". */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/log.h>

#include "../codec.h"
#include "internal.h"

#define ROUND_WAIT_MIN_MS 50u
#define ROUND_WAIT_MAX_MS 150u
#define FIRST_ROUND_MAX (1u << 30)
#define FETCH_WAIT_MS 2000u
#define MEMBERS_WAIT_MS 5000u
#define RESEND_MAX 4096u /* values in one go */

static uint32_t bit_of(const struct paxos *p, uint64_t id)
{
    int at = paxos_members_find(&p->members, id);
    return at < 0 ? 0 : 1u << at;
}

static uint32_t bits(uint32_t v)
{
    uint32_t n = 0;
    for (; v != 0; v &= v - 1) {
        n++;
    }
    return n;
}

bool coordinator_is_busy(const struct paxos *p)
{
    const struct paxos_coordinator *co = &p->co;
    return (co->state != PAXOS_IDLE && co->state != PAXOS_LEADING) ||
           co->proposals.count > 0 || co->waiting_count > 0 || co->next_members.count > 0;
}

/* ---- the end ---- */

static void done(struct paxos *p, uint64_t token, int status)
{
    struct paxos_effect *e = paxos_emit(p, PAXOS_FX_DONE);
    e->token = token;
    e->status = status;
}

static void led(struct paxos *p, int status, const char *text)
{
    struct paxos_effect *e = paxos_emit(p, PAXOS_FX_LED);
    e->token = p->co.led_token;
    e->status = status;
    if (text != NULL) {
        size_t size = strlen(text) + 1;
        e->text = memcpy(rlog_allocate(size), text, size);
    }
}

static void forget_first_gathered(struct paxos_coordinator *co)
{
    struct paxos_record *r = paxos_ring_shift(&co->gathered);
    if (r != NULL) {
        paxos_value_unref(r->value);
        free(r);
    }
}

static void forget_gathered(struct paxos_coordinator *co)
{
    while (co->gathered.count > 0) {
        forget_first_gathered(co);
    }
}

void coordinator_end(struct paxos *p, int status, int in_flight_status, const char *text)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state == PAXOS_IDLE) {
        return;
    }
    bool led_already = co->state == PAXOS_LEADING;
    if (!led_already) {
        led(p, status, text);
    }
    while (co->proposals.count > 0) {
        struct paxos_proposal *prop = paxos_ring_shift(&co->proposals);
        if (prop->has_token) {
            done(p, prop->token, in_flight_status);
        }
        paxos_value_unref(prop->value);
        free(prop);
    }
    while (co->waiting != NULL) {
        struct paxos_waiting *w = co->waiting;
        co->waiting = w->next;
        done(p, w->token, status);
        paxos_value_unref(w->value);
        free(w);
    }
    forget_gathered(co);
    paxos_ring_release(&co->gathered);
    paxos_ring_release(&co->proposals);
    *co = (struct paxos_coordinator){.state = PAXOS_IDLE};
    co->waiting_end = &co->waiting;
}

static void fenced(struct paxos *p, const struct paxos_ballot *by)
{
    paxos_log(p, MU_WARN,
              "another coordinator has the log: epoch=%" PRIu64 " by=%" PRIu64,
              p->co.epoch, by->epoch);
    bool led_already = p->co.state == PAXOS_LEADING;
    coordinator_end(p, MU_E_FENCED, MU_E_UNKNOWN_OUTCOME, "a later epoch writes the log");
    if (led_already) {
        (void)paxos_emit(p, PAXOS_FX_FENCED);
    }
}

/* ---- promises ---- */

static void ask_promises(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    co->asked_ms = p->now_ms;
    for (uint32_t i = 0; i < p->members.count; i++) {
        if ((co->promised & (1u << i)) == 0) {
            struct paxos_message m = {.type = PAXOS_MSG_PROMISE_ASK,
                                      .ballot = co->ballot,
                                      .position = co->asked_from,
                                      .committed = p->committed};
            paxos_send(p, p->members.v[i].id, &m);
        }
    }
}

static void begin_round(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    if (p->members.count == 0 || p->told_status == PAXOS_EMPTY ||
        p->told_status == PAXOS_STARTING) {
        co->retry_ms = p->now_ms + PAXOS_TICK_MS; /* there is no log yet */
        return;
    }
    if (p->members.quorum != p->quorum) {
        char text[200];
        (void)snprintf(text, sizeof(text),
                       "the log was made for --quorum=%u (%u masters), and this master "
                       "has --quorum=%u: give all masters the same",
                       p->members.quorum, 2 * p->members.quorum - 1, p->quorum);
        coordinator_end(p, MU_E_INVALID, MU_E_INVALID, text);
        return;
    }
    /* An epoch may come here twice, and no ballot may: a value that was sent under it the
     * first time could be another one the second time. One who is no member has promised
     * nothing itself; and after a restart within an epoch only chance tells them apart.
     */
    uint32_t round = co->ballot.round;
    if (p->last_ballot.epoch == co->epoch && p->last_ballot.round > round) {
        round = p->last_ballot.round;
    }
    round = round != 0 ? round : (uint32_t)paxos_random(p, 1, FIRST_ROUND_MAX);
    if (p->promised.epoch == co->epoch && p->promised.round > round) {
        round = p->promised.round;
    }
    co->ballot = p->last_ballot = (struct paxos_ballot){co->epoch, round + 1, p->id};
    co->state = PAXOS_PROMISING;
    co->promised = 0;
    co->has_begun = false;
    co->retry_ms = 0;
    forget_gathered(co);
    co->asked_from = p->committed + 1;
    co->gathered.first = p->committed + 1;
    ask_promises(p);
}

void coordinator_lead(struct paxos *p, uint64_t epoch, uint64_t token)
{
    coordinator_end(p, MU_E_FENCED, MU_E_UNKNOWN_OUTCOME, "a later epoch writes the log");
    struct paxos_coordinator *co = &p->co;
    co->state = PAXOS_PROMISING;
    co->epoch = epoch;
    co->led_token = token;
    if (epoch < p->promised.epoch) {
        fenced(p, &p->promised);
        return;
    }
    begin_round(p);
}

/* No replica remembers what stands farther than a window behind that which it knows to be
 * chosen, and this one knows as much, or asks again. */
static void gather(struct paxos *p, const struct paxos_message *m)
{
    struct paxos_ring *gathered = &p->co.gathered;
    while (gathered->first <= p->committed) { /* learned since it has asked */
        forget_first_gathered(&p->co);
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct paxos_record *r = &m->records[i];
        if (r->position < gathered->first ||
            r->position - gathered->first > 4 * PAXOS_WINDOW) {
            continue; /* chosen, or nonsense */
        }
        struct paxos_record *old = paxos_ring_get(gathered, r->position);
        if (old == NULL) {
            old = rlog_allocate(sizeof(*old));
            (void)paxos_ring_put(gathered, r->position, old); /* it was free */
        } else if (paxos_ballot_cmp(&r->ballot, &old->ballot) <= 0) {
            continue;
        }
        paxos_value_unref(old->value);
        *old = *r;
        (void)paxos_value_ref(old->value);
    }
}

static void fetch_to(struct paxos *p, uint64_t committed, uint64_t from)
{
    p->co.fetch_to = committed;
    p->co.state = PAXOS_FETCHING; /* and then ask again: the members may be others */
    catchup_need(p, committed, from);
}

static void settle(struct paxos *p);
static void tell_committed(struct paxos *p);

void coordinator_on_promised(struct paxos *p,
                             uint64_t from,
                             const struct paxos_message *m)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state != PAXOS_PROMISING || paxos_ballot_cmp(&m->ballot, &co->ballot) != 0) {
        return;
    }
    if (co->retry_ms != 0) {
        return; /* another round begins soon */
    }
    co->promised |= bit_of(p, from);
    gather(p, m);
    if (m->committed > p->committed) {
        fetch_to(p, m->committed, from);
    } else if (bits(co->promised) >= p->members.quorum) {
        settle(p);
    }
}

void coordinator_on_rejected(struct paxos *p, const struct paxos_message *m)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state == PAXOS_IDLE || paxos_ballot_cmp(&m->ballot, &co->ballot) != 0) {
        return;
    }
    if (m->promised.epoch > co->epoch || co->state == PAXOS_SETTLING ||
        co->state == PAXOS_LEADING) {
        fenced(p, &m->promised);
        return;
    }
    if (m->promised.round > co->ballot.round) {
        co->ballot.round = m->promised.round;
    }
    co->retry_ms = p->now_ms + paxos_random(p, ROUND_WAIT_MIN_MS, ROUND_WAIT_MAX_MS);
}

void coordinator_heard(struct paxos *p, uint64_t from, uint64_t committed)
{
    if (p->co.state == PAXOS_PROMISING && committed > p->committed) {
        fetch_to(p, committed, from);
    }
}

void coordinator_on_ignored(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    if (paxos_ballot_cmp(&m->ballot, &p->co.ballot) == 0) {
        coordinator_heard(p, from, m->committed);
    }
}

/* ---- writing ---- */

static void send_write(struct paxos *p, uint64_t to, uint64_t position)
{
    struct paxos_proposal *prop = paxos_ring_get(&p->co.proposals, position);
    struct paxos_message m = {
        .type = PAXOS_MSG_WRITE, .ballot = p->co.ballot, .committed = p->committed};
    paxos_message_add(&m, position, &p->co.ballot, prop->value);
    paxos_send(p, to, &m);
    paxos_message_release(&m);
}

static void propose(struct paxos *p, struct paxos_value *value, const uint64_t *token)
{
    struct paxos_coordinator *co = &p->co;
    uint64_t position = paxos_ring_end(&co->proposals);
    struct paxos_proposal *prop = rlog_allocate(sizeof(*prop));
    *prop = (struct paxos_proposal){.value = paxos_value_ref(value),
                                    .has_token = token != NULL,
                                    .token = token == NULL ? 0 : *token,
                                    .sent_ms = p->now_ms};
    if (co->proposals.count == 0) {
        co->moved_ms = p->now_ms;
    }
    (void)paxos_ring_put(&co->proposals, position, prop); /* a new place */
    co->bytes_in_flight += value->len;
    co->told_committed = p->committed;
    co->told_ms = p->now_ms;
    for (uint32_t i = 0; i < p->members.count; i++) {
        send_write(p, p->members.v[i].id, position);
    }
}

static bool has_room(const struct paxos_coordinator *co)
{
    return co->proposals.count < PAXOS_IN_FLIGHT &&
           co->bytes_in_flight < PAXOS_IN_FLIGHT_BYTES;
}

/* Behind new members everything waits until they are chosen: they count from there on. */
static void write_waiting(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state != PAXOS_LEADING || co->writes_members) {
        return;
    }
    if (co->next_members.count > 0) {
        struct paxos_value *v = paxos_members_value(&co->next_members);
        co->writes_members = true;
        propose(p, v, NULL);
        paxos_value_unref(v);
        return;
    }
    while (co->waiting != NULL && has_room(co)) {
        struct paxos_waiting *w = co->waiting;
        co->waiting = w->next;
        if (co->waiting == NULL) {
            co->waiting_end = &co->waiting;
        }
        co->waiting_count--;
        co->waiting_bytes -= w->value->len;
        propose(p, w->value, &w->token);
        paxos_value_unref(w->value);
        free(w);
    }
}

/* An epoch begins with a record of its own. A batch that an earlier coordinator left on a
 * minority may still be chosen behind it, by a later one that finds it there; it changes
 * nothing then (state.c). */
static void maybe_leading(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state != PAXOS_SETTLING || co->proposals.count > 0) {
        return;
    }
    if (co->has_begun) {
        co->state = PAXOS_LEADING;
        led(p, 0, NULL);
        return;
    }
    struct mu_buf b;
    mu_buf_init(&b, RLOG_EPOCH_BYTES);
    rlog_encode_epoch(&b, co->epoch);
    struct paxos_value *v = paxos_value_create(PAXOS_BATCH, mu_buf_str(&b), b.len);
    co->has_begun = true;
    propose(p, v, NULL);
    paxos_value_unref(v);
    mu_buf_release(&b);
}

/* What was accepted anywhere is written again, under this ballot; up to new members:
 * those have to be asked what stands behind them (coordinator_members_changed). */
static void settle(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    co->state = PAXOS_SETTLING;
    co->proposals.first = p->committed + 1;
    struct paxos_value *nothing = paxos_value_create(PAXOS_NOTHING, NULL, 0);
    uint64_t end = paxos_ring_end(&co->gathered);
    for (uint64_t at = p->committed + 1; at < end; at++) {
        const struct paxos_record *r = paxos_ring_get(&co->gathered, at);
        propose(p, r == NULL ? nothing : r->value, NULL);
        if (r != NULL && r->value->kind == PAXOS_MEMBERS) {
            break;
        }
    }
    paxos_value_unref(nothing);
    forget_gathered(co);
    maybe_leading(p);
}

void coordinator_append(struct paxos *p, const void *data, size_t len, uint64_t token)
{
    struct paxos_coordinator *co = &p->co;
    struct rlog_record r;
    struct mu_error err;
    if (co->state != PAXOS_LEADING) {
        done(p, token, MU_E_FENCED);
        return;
    }
    /* What is chosen and cannot be applied would stop every replica. */
    if (rlog_decode(data, len, &r, &err) < 0 || r.kind != RLOG_BATCH ||
        r.epoch != co->epoch) {
        done(p, token, MU_E_INVALID);
        return;
    }
    if (co->waiting_bytes > PAXOS_WAITING_BYTES) {
        done(p, token, -ENOBUFS);
        return;
    }
    struct paxos_waiting *w = rlog_allocate(sizeof(*w));
    w->value = paxos_value_create(PAXOS_BATCH, data, len);
    w->token = token;
    *co->waiting_end = w;
    co->waiting_end = &w->next;
    co->waiting_count++;
    co->waiting_bytes += len;
    write_waiting(p);
}

/* Chosen by this coordinator's own count, or learned from another replica: the same value
 * then, since a value that is chosen is found before another one is written. */
void coordinator_committed(struct paxos *p, const struct paxos_value *value)
{
    struct paxos_coordinator *co = &p->co;
    bool writes = co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING;
    if (!writes || co->proposals.first != p->committed) {
        return;
    }
    struct paxos_proposal *prop = paxos_ring_get(&co->proposals, p->committed);
    if (prop == NULL || !paxos_value_equal(prop->value, value)) {
        fenced(p, &p->promised); /* somebody else writes */
        return;
    }
    (void)paxos_ring_shift(&co->proposals);
    co->moved_ms = p->now_ms;
    co->bytes_in_flight -= prop->value->len;
    if (prop->value->kind == PAXOS_MEMBERS) {
        co->writes_members = false;
        co->next_members.count = 0;
    }
    if (prop->has_token) {
        done(p, prop->token, 0);
    }
    paxos_value_unref(prop->value);
    free(prop);
}

/* A leader has all that is chosen; if others have more, another one leads. (One that
 * settles asks again: the members have come with the map.) */
void coordinator_jumped(struct paxos *p)
{
    if (p->co.state == PAXOS_LEADING) {
        fenced(p, &p->promised);
    }
}

void coordinator_saw(struct paxos *p, const struct paxos_ballot *ballot)
{
    struct paxos_coordinator *co = &p->co;
    bool writes = co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING;
    if (co->state != PAXOS_IDLE && paxos_ballot_cmp(ballot, &co->ballot) > 0 &&
        (writes || ballot->epoch > co->epoch)) {
        fenced(p, ballot);
    }
}

/* Answers were counted by the old members, and it was they who were asked. A coordinator
 * that leads has written the entry itself, and goes on (is_chosen). */
void coordinator_members_changed(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state == PAXOS_SETTLING) {
        /* Nothing stands behind the entry, if it was written here. With a map of others,
         * what is under this ballot need not be what was chosen: no word of it. */
        bool is_own = co->proposals.count == 0 && co->proposals.first == p->committed + 1;
        while (co->proposals.count > 0) {
            struct paxos_proposal *prop = paxos_ring_shift(&co->proposals);
            paxos_value_unref(prop->value); /* none has a token yet */
            free(prop);
        }
        co->bytes_in_flight = 0;
        if (is_own) {
            tell_committed(p); /* the new one waits for it */
        }
        co->state = PAXOS_PROMISING;
    }
    if (co->state == PAXOS_PROMISING) {
        co->promised = 0;
        co->retry_ms = p->now_ms;
    }
}

/* All that is chosen, in order. */
static void advance(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    struct paxos_proposal *prop = paxos_ring_get(&co->proposals, p->committed + 1);
    while (prop != NULL && prop->is_chosen && p->failed == 0) {
        const struct paxos_record *own = paxos_ring_get(&p->accepted, p->committed + 1);
        bool stores = own == NULL || paxos_ballot_cmp(&own->ballot, &co->ballot) != 0;
        replica_commit(p, prop->value, stores);
        prop = paxos_ring_get(&co->proposals, p->committed + 1);
    }
    maybe_leading(p);
    write_waiting(p);
}

/* Who leads does not ask new members for a promise. That a quorum of them has accepted
 * the entry itself stands for it: so the one that goes does not count. */
static bool is_chosen(const struct paxos *p, const struct paxos_proposal *prop)
{
    uint32_t votes = prop->votes;
    struct paxos_members next;
    struct mu_error err;
    if (p->co.state == PAXOS_LEADING && prop->value->kind == PAXOS_MEMBERS &&
        paxos_value_members(prop->value, &next, &err) == 0) {
        for (uint32_t i = 0; i < p->members.count; i++) {
            if (paxos_members_find(&next, p->members.v[i].id) < 0) {
                votes &= ~(1u << i);
            }
        }
    }
    return bits(votes) >= p->members.quorum;
}

void coordinator_on_wrote(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    struct paxos_coordinator *co = &p->co;
    bool writes = co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING;
    if (!writes || paxos_ballot_cmp(&m->ballot, &co->ballot) != 0) {
        return;
    }
    struct paxos_proposal *prop = paxos_ring_get(&co->proposals, m->position);
    if (prop == NULL) {
        return; /* chosen without it */
    }
    prop->votes |= bit_of(p, from);
    if (!prop->is_chosen && is_chosen(p, prop)) {
        prop->is_chosen = true;
        advance(p);
    }
}

/* ---- members ---- */

static bool is_away(struct paxos *p, uint64_t id)
{
    const struct paxos_peer *peer = paxos_peer(p, id);
    uint64_t since_ms = peer == NULL ? p->started_ms : peer->since_ms;
    return !paxos_is_up(p, id) && p->now_ms - since_ms >= PAXOS_AWAY_MS;
}

/* Where it was last; it need not be where it was when it became a member. */
static const char *address_of(struct paxos *p, const struct paxos_member *m)
{
    const struct paxos_peer *peer = paxos_peer(p, m->id);
    if (m->id == p->id) {
        return p->address;
    }
    return peer == NULL ? m->address : peer->address;
}

static bool find_victim(struct paxos *p, const struct paxos_member *who, uint64_t *victim)
{
    uint32_t away = 0;
    *victim = 0;
    for (uint32_t i = 0; i < p->members.count; i++) {
        const struct paxos_member *m = &p->members.v[i];
        if (strcmp(address_of(p, m), who->address) == 0) {
            *victim = m->id;
            return !paxos_is_up(p, m->id); /* else two say that they are here */
        }
        if (is_away(p, m->id)) {
            away++;
            *victim = m->id;
        }
    }
    return away == 1 || p->members.count < 2 * p->members.quorum - 1;
}

void coordinator_on_join(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    struct paxos_coordinator *co = &p->co;
    const struct paxos_member *who = &m->members->v[0];
    if (co->state != PAXOS_LEADING || co->next_members.count > 0 || who->id != from ||
        paxos_members_find(&p->members, who->id) >= 0) {
        return;
    }
    uint64_t victim;
    if (!find_victim(p, who, &victim)) {
        if (co->refused_ms == 0 || p->now_ms - co->refused_ms >= 30000) {
            co->refused_ms = p->now_ms;
            paxos_log(p, MU_WARN,
                      victim != 0 && paxos_is_up(p, victim)
                          ? "two replicas say that they are at %s, and both answer: give "
                            "each master an address of its own (%u are members)"
                          : "a replica at %s wants to be a member, and there are %u "
                            "already: stop the one that it replaces",
                      who->address, p->members.count);
        }
        return;
    }
    co->next_members = p->members;
    paxos_members_remove(&co->next_members, victim);
    (void)paxos_members_add(&co->next_members, who->id, who->address); /* one has gone */
    paxos_log(p, MU_INFO, "a replica becomes a member: address=%s replaces=%016" PRIx64,
              who->address, victim);
    write_waiting(p);
}

/* ---- time ---- */

void coordinator_kick(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state == PAXOS_FETCHING && p->committed >= co->fetch_to) {
        begin_round(p);
    } else if (co->state == PAXOS_PROMISING && co->ballot.round == 0 &&
               co->retry_ms != 0) {
        begin_round(p); /* it waited for the log to be */
    } else if (co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING) {
        advance(p); /* what was chosen behind a position that was learned */
    }
}

static void resend_to(struct paxos *p, uint64_t peer, uint64_t older_than_ms)
{
    struct paxos_coordinator *co = &p->co;
    uint32_t bit = bit_of(p, peer);
    uint32_t sent = 0;
    for (uint64_t at = co->proposals.first;
         bit != 0 && at < paxos_ring_end(&co->proposals) && sent < RESEND_MAX; at++) {
        const struct paxos_proposal *prop = paxos_ring_get(&co->proposals, at);
        if ((prop->votes & bit) == 0 && p->now_ms - prop->sent_ms >= older_than_ms) {
            send_write(p, peer, at);
            sent++;
        }
    }
}

void coordinator_peer_up(struct paxos *p, uint64_t peer)
{
    struct paxos_coordinator *co = &p->co;
    if (co->state == PAXOS_PROMISING && co->retry_ms == 0) {
        ask_promises(p);
    } else if (co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING) {
        resend_to(p, peer, 0);
        co->told_ms = 0; /* tell it who leads */
    }
}

static void resend(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    for (uint32_t i = 0; i < p->members.count; i++) {
        resend_to(p, p->members.v[i].id, PAXOS_RESEND_MS);
    }
    for (uint64_t at = co->proposals.first; at < paxos_ring_end(&co->proposals); at++) {
        struct paxos_proposal *prop = paxos_ring_get(&co->proposals, at);
        if (p->now_ms - prop->sent_ms >= PAXOS_RESEND_MS) {
            prop->sent_ms = p->now_ms;
        }
    }
}

static void tell_committed(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    struct paxos_message m = {
        .type = PAXOS_MSG_COMMITTED, .ballot = co->ballot, .committed = p->committed};
    co->told_committed = p->committed;
    co->told_ms = p->now_ms;
    paxos_send_all(p, &m);
    paxos_send(p, p->id, &m); /* one that is no member here asks itself to join */
}

/* A members entry needs the votes of those who stay. When one of them died meanwhile, and
 * the one that should go is back, its vote completes a quorum of the old members: who
 * settles may count it, and asks the new ones behind the entry. So this one lets go, and
 * is elected again or not. What waits behind the entry was not sent. */
static bool gives_up_members(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    const struct paxos_proposal *prop =
        co->writes_members ? paxos_ring_get(&co->proposals, p->committed + 1) : NULL;
    if (prop == NULL || prop->value->kind != PAXOS_MEMBERS || prop->is_chosen ||
        bits(prop->votes) < p->members.quorum ||
        p->now_ms - co->moved_ms < MEMBERS_WAIT_MS) {
        return false;
    }
    paxos_log(p, MU_WARN,
              "the replicas that stay do not all answer while one is exchanged: this "
              "master gives the log up, so that its next leader goes on without them");
    coordinator_end(p, MU_E_FENCED, MU_E_UNKNOWN_OUTCOME,
                    "the members of the log could not be exchanged");
    (void)paxos_emit(p, PAXOS_FX_FENCED);
    return true;
}

void coordinator_tick(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    switch (co->state) {
    case PAXOS_IDLE:
        break;
    case PAXOS_PROMISING:
        if (co->retry_ms != 0 && p->now_ms >= co->retry_ms) {
            begin_round(p);
        } else if (co->retry_ms == 0 && p->now_ms - co->asked_ms >= PAXOS_RESEND_MS / 2) {
            ask_promises(p);
            join_ask(p);
        }
        break;
    case PAXOS_FETCHING:
        if (!p->fetch.active || p->now_ms - co->asked_ms >= FETCH_WAIT_MS) {
            begin_round(
                p); /* whoever had it may be gone, and the others can do without */
        }
        break;
    case PAXOS_SETTLING:
    case PAXOS_LEADING:
        if (co->state == PAXOS_LEADING && gives_up_members(p)) {
            break;
        }
        resend(p);
        write_waiting(p);
        if (co->told_ms == 0 || p->now_ms - co->told_ms >= PAXOS_RESEND_MS) {
            tell_committed(p);
        }
        break;
    }
}

void coordinator_end_of_step(struct paxos *p)
{
    struct paxos_coordinator *co = &p->co;
    bool writes = co->state == PAXOS_SETTLING || co->state == PAXOS_LEADING;
    if (writes && p->committed > co->told_committed && co->proposals.count == 0) {
        tell_committed(p);
    }
}
