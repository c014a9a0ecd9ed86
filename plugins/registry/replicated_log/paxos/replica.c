/* Promises, votes, and what is learned from them. See docs/replicated-log.md. */
#include <inttypes.h>
#include <stdlib.h>

#include <muster/log.h>

#include "internal.h"

/* r may be NULL. */
static void drop_accepted(struct paxos *p, struct paxos_record *r)
{
    if (r != NULL) {
        p->accepted_bytes -= r->value->len;
        paxos_value_unref(r->value);
        free(r);
    }
}

static void put_accepted(struct paxos *p, const struct paxos_record *record)
{
    struct paxos_record *r = rlog_allocate(sizeof(*r));
    *r = *record;
    (void)paxos_value_ref(r->value);
    p->accepted_bytes += r->value->len;
    drop_accepted(p, paxos_ring_put(&p->accepted, r->position, r));
}

static bool votes(const struct paxos *p)
{
    return p->status == PAXOS_VOTING && p->told_status == PAXOS_VOTING;
}

static void ignore(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    struct paxos_message answer = {.type = PAXOS_MSG_IGNORED,
                                   .status = p->status,
                                   .ballot = m->ballot,
                                   .committed = p->committed};
    paxos_send(p, from, &answer);
}

static void reject(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    struct paxos_message answer = {
        .type = PAXOS_MSG_REJECTED, .ballot = m->ballot, .promised = p->promised};
    paxos_send(p, from, &answer);
}

/* Without a map it asks those that have one first (join.c): they might be of two logs. */
static void need(struct paxos *p, uint64_t committed, uint64_t from)
{
    if (p->members.count > 0) {
        catchup_need(p, committed, from);
    }
}

/* ---- promises ---- */

static void send_promised(struct paxos *p, const struct paxos_pending *asked)
{
    struct paxos_message answer = {.type = PAXOS_MSG_PROMISED,
                                   .ballot = asked->ballot,
                                   .position = asked->position,
                                   .committed = p->committed};
    for (uint64_t at = p->accepted.first; at < paxos_ring_end(&p->accepted); at++) {
        const struct paxos_record *r = paxos_ring_get(&p->accepted, at);
        if (r != NULL) {
            paxos_message_add(&answer, at, &r->ballot, r->value);
        }
    }
    paxos_send(p, asked->peer, &answer);
    paxos_message_release(&answer);
}

void replica_on_promise(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    if (!votes(p)) {
        ignore(p, from, m);
        if (m->committed > p->committed) { /* it may be a member by now */
            need(p, m->committed, from);
        }
        return;
    }
    if (paxos_ballot_cmp(&m->ballot, &p->promised) < 0) {
        reject(p, from, m);
        return;
    }
    coordinator_saw(p, &m->ballot);
    p->promised = m->ballot; /* the same again is stored again: the answer waits for it */
    const struct paxos_entry e = {.kind = PAXOS_ENTRY_PROMISE, .ballot = m->ballot};
    struct paxos_pending *then = paxos_store(p, &e, PAXOS_PENDING_PROMISED);
    then->peer = from;
    then->ballot = m->ballot;
    then->position = m->position;
}

/* ---- votes ---- */

static void send_wrote(struct paxos *p,
                       uint64_t to,
                       const struct paxos_ballot *ballot,
                       uint64_t position)
{
    struct paxos_message answer = {
        .type = PAXOS_MSG_WROTE, .ballot = *ballot, .position = position};
    paxos_send(p, to, &answer);
}

/* The leader says how far all is chosen: what is here under its ballot is that. */
static void learn(struct paxos *p,
                  uint64_t from,
                  const struct paxos_ballot *ballot,
                  uint64_t committed)
{
    if (paxos_ballot_cmp(ballot, &p->leader.ballot) >= 0) {
        p->leader.ballot = *ballot;
        p->leader.peer = from;
        p->leader.heard_ms = p->now_ms;
        p->leader.committed = committed;
    }
    coordinator_saw(p, ballot);
    bool moved = false;
    while (p->committed < committed && p->failed == 0) {
        const struct paxos_record *r = paxos_ring_get(&p->accepted, p->committed + 1);
        if (r == NULL || paxos_ballot_cmp(&r->ballot, ballot) != 0) {
            break;
        }
        replica_commit(p, r->value, false);
        moved = true;
    }
    if (p->committed < committed) {
        need(p, committed, from);
    }
    if (moved) {
        coordinator_kick(p);
    }
}

static void accept(struct paxos *p,
                   uint64_t from,
                   const struct paxos_ballot *ballot,
                   const struct paxos_record *w)
{
    const struct paxos_record *old = paxos_ring_get(&p->accepted, w->position);
    if (old != NULL && paxos_ballot_cmp(&old->ballot, ballot) == 0) {
        if (old->is_durable) { /* once more: the answer was lost */
            send_wrote(p, from, ballot, w->position);
        }
        return;
    }
    const struct paxos_record r = {
        .position = w->position, .ballot = *ballot, .value = w->value};
    put_accepted(p, &r);
    coordinator_saw(p, ballot);
    p->promised = *ballot;
    const struct paxos_entry e = {.kind = PAXOS_ENTRY_ACCEPT,
                                  .position = w->position,
                                  .ballot = *ballot,
                                  .committed = p->committed,
                                  .value = w->value};
    p->noted = p->committed;
    struct paxos_pending *then = paxos_store(p, &e, PAXOS_PENDING_WROTE);
    then->peer = from;
    then->ballot = *ballot;
    then->position = w->position;
}

static bool has_room(const struct paxos *p, const struct paxos_record *w)
{
    const struct paxos_record *old = paxos_ring_get(&p->accepted, w->position);
    size_t others = p->accepted_bytes - (old == NULL ? 0 : old->value->len);
    return w->position == p->committed + 1 ||
           (w->position - p->committed <= PAXOS_WINDOW &&
            others + w->value->len <= PAXOS_WINDOW_BYTES);
}

void replica_on_write(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    const struct paxos_record *w = &m->records[0];
    if (!votes(p)) {
        ignore(p, from, m);
        learn(p, from, &m->ballot, m->committed);
        return;
    }
    if (paxos_ballot_cmp(&m->ballot, &p->promised) < 0) {
        reject(p, from, m);
        return;
    }
    if (w->position <= p->committed) { /* chosen already: it is this value */
        send_wrote(p, from, &m->ballot, w->position);
    } else if (has_room(p, w)) {
        accept(p, from, &m->ballot, w);
    } /* else it is too far behind: it learns first, and is asked again */
    learn(p, from, &m->ballot, m->committed);
}

void replica_on_committed(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    learn(p, from, &m->ballot, m->committed);
}

void replica_on_durable(struct paxos *p, const struct paxos_pending *done)
{
    struct paxos_record *r;
    switch (done->kind) {
    case PAXOS_PENDING_NONE:
        break;
    case PAXOS_PENDING_IDENTITY:
        p->is_named = true;
        break;
    case PAXOS_PENDING_PROMISED:
        if (paxos_ballot_cmp(&done->ballot, &p->promised) == 0) { /* else: too late */
            send_promised(p, done);
        }
        break;
    case PAXOS_PENDING_WROTE:
        r = paxos_ring_get(&p->accepted, done->position);
        if (r != NULL && paxos_ballot_cmp(&r->ballot, &done->ballot) == 0) {
            r->is_durable = true;
        }
        send_wrote(p, done->peer, &done->ballot, done->position);
        break;
    case PAXOS_PENDING_STATUS:
        if (p->status == done->status) { /* else a members entry has come in between */
            p->told_status = done->status;
        }
        coordinator_kick(p);
        break;
    }
}

/* ---- what is chosen ---- */

static void keep(struct paxos *p, struct paxos_value *value)
{
    (void)paxos_ring_put(&p->kept, p->committed,
                         paxos_value_ref(value)); /* a new place */
    p->kept_bytes += value->len;
    while (p->kept.count > PAXOS_KEEP || p->kept_bytes > PAXOS_KEEP_BYTES) {
        struct paxos_value *old = paxos_ring_shift(&p->kept);
        p->kept_bytes -= old->len;
        paxos_value_unref(old);
    }
}

int replica_apply(struct paxos *p, struct paxos_value *value, struct mu_error *err)
{
    int rc = 0;
    struct paxos_members members = {0};
    if (value->kind == PAXOS_BATCH) {
        rc = rlog_state_replay(&p->state, value->bytes, value->len, err);
    } else if (value->kind == PAXOS_MEMBERS) {
        rc = paxos_value_members(value, &members, err);
    }
    if (rc < 0) {
        return rc;
    }
    (void)paxos_value_ref(value);
    p->committed++;
    keep(p, value);
    drop_accepted(p, paxos_ring_shift(&p->accepted));
    coordinator_committed(p, value);
    if (value->kind == PAXOS_MEMBERS) {
        p->members = members;
        join_members_changed(p);
    }
    paxos_value_unref(value);
    return 0;
}

void replica_commit(struct paxos *p, struct paxos_value *value, bool stores)
{
    struct mu_error err;
    if (stores) {
        const struct paxos_entry e = {
            .kind = PAXOS_ENTRY_CHOSEN, .position = p->committed + 1, .value = value};
        (void)paxos_store(p, &e, PAXOS_PENDING_NONE);
        p->noted = p->committed + 1;
    }
    int rc = replica_apply(p, value, &err);
    if (rc < 0) {
        p->failed = rc;
        paxos_log(p, MU_ERROR,
                  "position %" PRIu64
                  " of the log cannot be read, this replica stops: %s",
                  p->committed + 1, err.text);
        coordinator_end(p, rc, MU_E_UNKNOWN_OUTCOME, err.text);
    }
}

void replica_note_committed(struct paxos *p)
{
    const struct paxos_entry e = {.kind = PAXOS_ENTRY_COMMITTED,
                                  .position = p->committed};
    (void)paxos_store(p, &e, PAXOS_PENDING_NONE);
    p->noted = p->committed;
}

/* ---- replay ---- */

static int commit_to(struct paxos *p, uint64_t committed, struct mu_error *err)
{
    while (p->committed < committed) {
        struct paxos_record *r = paxos_ring_get(&p->accepted, p->committed + 1);
        if (r == NULL) {
            return mu_fail(err, MU_E_CORRUPT,
                           "position %" PRIu64 " is missing, and it was chosen",
                           p->committed + 1);
        }
        int rc = replica_apply(p, r->value, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void forget_window(struct paxos *p, uint64_t committed)
{
    while (p->accepted.count > 0 && p->accepted.first <= committed) {
        drop_accepted(p, paxos_ring_shift(&p->accepted));
    }
    if (p->accepted.first <= committed) {
        p->accepted.first = committed + 1;
    }
    while (p->kept.count > 0) {
        paxos_value_unref(paxos_ring_shift(&p->kept));
    }
    p->kept.first = committed + 1;
    p->kept_bytes = 0;
    p->committed = p->noted = committed;
}

static int replay_accept(struct paxos *p, struct paxos_entry *e, struct mu_error *err)
{
    int rc = commit_to(p, e->committed, err);
    if (rc < 0 || e->position <= p->committed) {
        return rc;
    }
    if (e->position - p->committed > 2 * PAXOS_WINDOW) {
        return mu_fail(err, MU_E_CORRUPT, "position %" PRIu64 " stands behind %" PRIu64,
                       e->position, p->committed);
    }
    const struct paxos_record r = {.position = e->position,
                                   .ballot = e->ballot,
                                   .value = e->value,
                                   .is_durable = true};
    put_accepted(p, &r);
    if (paxos_ballot_cmp(&e->ballot, &p->promised) > 0) {
        p->promised = e->ballot;
    }
    return 0;
}

static int replay_chosen(struct paxos *p, struct paxos_entry *e, struct mu_error *err)
{
    if (e->position <= p->committed) {
        return 0;
    }
    int rc = commit_to(p, e->position - 1, err);
    return rc < 0 ? rc : replica_apply(p, e->value, err);
}

int replica_replay(struct paxos *p, struct paxos_entry *e, struct mu_error *err)
{
    int rc = 0;
    switch ((enum paxos_entry_kind)e->kind) {
    case PAXOS_ENTRY_IDENTITY:
        p->id = e->id;
        p->is_named = true;
        break;
    case PAXOS_ENTRY_STATUS:
        p->status = p->told_status = e->status;
        p->members = e->members;
        break;
    case PAXOS_ENTRY_PROMISE:
        p->promised = e->ballot;
        break;
    case PAXOS_ENTRY_ACCEPT:
        rc = replay_accept(p, e, err);
        break;
    case PAXOS_ENTRY_CHOSEN:
        rc = replay_chosen(p, e, err);
        break;
    case PAXOS_ENTRY_COMMITTED:
        rc = commit_to(p, e->position, err);
        break;
    case PAXOS_ENTRY_SNAPSHOT:
        forget_window(p, e->position);
        rlog_state_release(&p->state);
        p->members = e->members;
        join_members_changed(p);
        break;
    case PAXOS_ENTRY_MAP:
        rc = rlog_state_replay(&p->state, e->value->bytes, e->value->len, err);
        break;
    }
    p->noted = p->committed;
    return rc;
}

void replica_release(struct paxos *p)
{
    while (p->accepted.count > 0) {
        drop_accepted(p, paxos_ring_shift(&p->accepted));
    }
    while (p->kept.count > 0) {
        paxos_value_unref(paxos_ring_shift(&p->kept));
    }
    paxos_ring_release(&p->accepted);
    paxos_ring_release(&p->kept);
    rlog_state_release(&p->state);
}
