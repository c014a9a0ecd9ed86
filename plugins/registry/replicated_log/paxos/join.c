/* How a replica comes to vote: the first start of a log, and a new replica of an old one.
 * See docs/replicated-log.md, "States of a replica". */
#include <inttypes.h>
#include <string.h>

#include <muster/log.h>

#include "internal.h"

#define ASK_MS 500u

static void store_status(struct paxos *p, uint8_t status)
{
    p->status = status;
    const struct paxos_entry e = {
        .kind = PAXOS_ENTRY_STATUS, .status = status, .members = p->members};
    paxos_store(p, &e, PAXOS_PENDING_STATUS)->status = status;
}

static void be_the_only_one(struct paxos *p)
{
    p->members = (struct paxos_members){.log = p->id, .quorum = 1};
    (void)paxos_members_add(&p->members, p->id, p->address); /* it is empty */
}

static void begin_alone(struct paxos *p)
{
    be_the_only_one(p);
    store_status(p, PAXOS_VOTING);
}

void join_start(struct paxos *p)
{
    if (p->is_new) {
        const struct paxos_entry e = {.kind = PAXOS_ENTRY_IDENTITY, .id = p->id};
        (void)paxos_store(p, &e, PAXOS_PENDING_IDENTITY);
    }
    if (p->is_old && p->quorum > 1) {
        p->failed = MU_E_UNSUPPORTED;
        paxos_log(p, MU_ERROR,
                  "this log was kept by one master alone (--quorum=1), and cannot become "
                  "one of %u: start with --quorum=1, or with an empty directory",
                  2 * p->quorum - 1);
    } else if (p->is_old) {
        p->promised.epoch = p->state.epoch;
        be_the_only_one(p);
        p->status = p->told_status = PAXOS_VOTING;
        paxos_rewrite(p, true);
    } else if (p->status == PAXOS_EMPTY && p->quorum == 1) {
        begin_alone(p);
    }
}

void join_members_changed(struct paxos *p)
{
    coordinator_members_changed(p);
    bool is_member = paxos_members_find(&p->members, p->id) >= 0;
    if (is_member && p->status != PAXOS_VOTING) {
        p->status = p->told_status = PAXOS_VOTING; /* the entry itself is the record */
        if (p->fx != NULL) {
            paxos_log(p, MU_INFO, "this replica votes now: position=%" PRIu64,
                      p->committed);
        }
    } else if (!is_member && p->status == PAXOS_VOTING) {
        p->status = p->told_status = PAXOS_RECOVERING;
        if (p->fx != NULL) {
            paxos_log(p, MU_WARN,
                      "this replica was replaced by another one and votes no more: "
                      "position=%" PRIu64,
                      p->committed);
        }
    }
}

/* ---- asking ---- */

void join_ask(struct paxos *p)
{
    p->asked_status_ms = p->now_ms;
    struct paxos_message m = {.type = PAXOS_MSG_STATUS_ASK, .quorum = p->quorum};
    paxos_send_all(p, &m);
}

void join_on_ask(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    (void)m;
    if (!p->is_named) { /* after a crash it would be another one */
        return;
    }
    struct paxos_message answer = {.type = PAXOS_MSG_STATUS,
                                   .status = p->told_status,
                                   .quorum = p->quorum,
                                   .committed = p->committed};
    if (p->members.count > 0) {
        answer.members = paxos_members_copy(&p->members);
    }
    paxos_send(p, from, &answer);
    paxos_message_release(&answer);
}

void join_on_status(struct paxos *p, uint64_t from, const struct paxos_message *m)
{
    struct paxos_peer *peer = paxos_peer(p, from);
    if (peer == NULL) {
        return;
    }
    peer->heard_ms = p->now_ms;
    peer->status = m->status;
    peer->quorum = m->quorum;
    peer->committed = m->committed;
    peer->set = m->members == NULL ? (struct paxos_members){0} : *m->members;
    if (p->members.count > 0 && m->log == p->members.log) {
        coordinator_heard(p, from, m->committed);
    }
}

static bool is_fresh(const struct paxos *p, const struct paxos_peer *peer)
{
    return peer->up && peer->heard_ms != 0 &&
           p->now_ms - peer->heard_ms < PAXOS_ANSWER_AGE_MS;
}

/* ---- deciding ---- */

struct census {
    uint32_t seen, voting, blank; /* with this one; blank: empty or starting */
    uint32_t other_quorum;
    uint64_t log; /* that those who vote or recover have */
    bool has_two_logs;
    const struct paxos_peer *voter; /* one of them, that knows most */
    const struct paxos_peer *ahead; /* the same of those of its log, voting or not */
};

static struct census count(struct paxos *p)
{
    struct census c = {.seen = 1, .blank = 1};
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        if (!is_fresh(p, peer)) {
            continue;
        }
        c.seen++;
        c.voting += peer->status == PAXOS_VOTING;
        c.blank += peer->status == PAXOS_EMPTY || peer->status == PAXOS_STARTING;
        c.other_quorum += peer->quorum != p->quorum;
        if (peer->status == PAXOS_VOTING || peer->status == PAXOS_RECOVERING) {
            c.has_two_logs = c.has_two_logs ||
                             (c.log != 0 && peer->set.log != 0 && peer->set.log != c.log);
            c.log = peer->set.log != 0 ? peer->set.log : c.log;
        }
        if (peer->status == PAXOS_VOTING &&
            (c.voter == NULL || peer->committed > c.voter->committed)) {
            c.voter = peer;
        }
        bool is_own = p->members.log == 0 || peer->set.log == p->members.log;
        if ((peer->status == PAXOS_VOTING || peer->status == PAXOS_RECOVERING) &&
            is_own && (c.ahead == NULL || peer->committed > c.ahead->committed)) {
            c.ahead = peer;
        }
    }
    return c;
}

static void collect(struct paxos *p, struct paxos_members *set)
{
    *set = (struct paxos_members){.quorum = p->quorum};
    (void)paxos_members_add(set, p->id, p->address); /* it is empty */
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        if (is_fresh(p, peer)) { /* as many as were counted */
            (void)paxos_members_add(set, peer->id, peer->address);
        }
    }
    set->log = set->v[0].id;
}

/* Of those that started with this one: do all say the same? */
static bool all_agree(struct paxos *p)
{
    for (uint32_t i = 0; i < p->members.count; i++) {
        const struct paxos_peer *peer = paxos_peer(p, p->members.v[i].id);
        bool same = peer != NULL && is_fresh(p, peer) && peer->status == PAXOS_STARTING &&
                    paxos_members_same_ids(&peer->set, &p->members);
        if (!same && p->members.v[i].id != p->id) {
            return false;
        }
    }
    return true;
}

/* Somebody votes, and this one is among the members: all have agreed once. It has not
 * voted yet, so it is a member that is behind. */
static bool is_awaited(struct paxos *p)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        if (is_fresh(p, peer) && peer->status == PAXOS_VOTING &&
            paxos_members_find(&peer->set, p->id) >= 0) {
            return true;
        }
    }
    return false;
}

static void recover_from_others(struct paxos *p, const struct census *c)
{
    paxos_log(p, MU_INFO,
              "the log exists already: this replica learns it from the others, then it "
              "votes: voting=%u",
              c->voting);
    p->members = (struct paxos_members){0};
    store_status(p, PAXOS_RECOVERING);
}

static void decide(struct paxos *p)
{
    struct census c = count(p);
    uint32_t all = 2 * p->quorum - 1;
    if (c.has_two_logs) {
        return; /* explain.c says so */
    }
    if (c.voting >= p->quorum || is_awaited(p)) {
        recover_from_others(p, &c);
    } else if (p->status == PAXOS_STARTING && all_agree(p)) {
        paxos_log(p, MU_INFO, "a new log begins: replicas=%u quorum=%u", p->members.count,
                  p->quorum);
        store_status(p, PAXOS_VOTING);
    } else if (p->status == PAXOS_EMPTY && p->is_named && c.blank == all &&
               c.seen == all && c.other_quorum == 0 && p->known <= all) {
        collect(p, &p->members); /* once and for all: others may count on it */
        store_status(p, PAXOS_STARTING);
    }
}

static void ask_to_join(struct paxos *p)
{
    struct census c = count(p);
    if (p->members.count == 0) {
        if (c.voter != NULL && !c.has_two_logs) {
            catchup_need(p, c.voter->committed, c.voter->id); /* the members at least */
        }
        return;
    }
    if (c.ahead != NULL && c.ahead->committed > p->committed) { /* it may be a member */
        catchup_need(p, c.ahead->committed, c.ahead->id);
    }
    bool knows_leader =
        p->leader.heard_ms != 0 && p->now_ms - p->leader.heard_ms < PAXOS_ANSWER_AGE_MS;
    if (!knows_leader || p->committed < p->leader.committed ||
        p->now_ms - p->asked_join_ms < PAXOS_RESEND_MS) {
        return;
    }
    p->asked_join_ms = p->now_ms;
    struct paxos_members self = {.quorum = p->quorum};
    (void)paxos_members_add(&self, p->id, p->address); /* it is empty */
    struct paxos_message m = {.type = PAXOS_MSG_JOIN,
                              .members = paxos_members_copy(&self)};
    paxos_send(p, p->leader.peer, &m);
    paxos_message_release(&m);
}

void join_tick(struct paxos *p)
{
    if (p->status == PAXOS_VOTING || p->told_status != p->status) {
        return;
    }
    if (p->asked_status_ms == 0 || p->now_ms - p->asked_status_ms >= ASK_MS) {
        join_ask(p);
    }
    if (p->status == PAXOS_RECOVERING) {
        ask_to_join(p);
    } else {
        decide(p);
    }
}
