/* What a replica waits for, and how it is, in an operator's words. */
#include "explain.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "internal.h"

static_assert(PAXOS_HEALTH_MAX >= PAXOS_MEMBERS_MAX + PAXOS_PEERS_MAX, "all have room");

static const struct paxos_peer *find_peer(const struct paxos *p, uint64_t id)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].id == id) {
            return &p->peers[i];
        }
    }
    return NULL;
}

static void put_duration(struct mu_buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s < 120) {
        mu_buf_printf(out, "%" PRIu64 " s", s);
    } else if (s < 120 * 60) {
        mu_buf_printf(out, "%" PRIu64 " min", s / 60);
    } else {
        mu_buf_printf(out, "%" PRIu64 " h", s / 3600);
    }
}

static void
name_one(const struct paxos *p, const struct paxos_member *m, struct mu_buf *out)
{
    const struct paxos_peer *peer = find_peer(p, m->id);
    if (peer != NULL) {
        mu_buf_printf(out, "%s has been away for ", m->address);
        put_duration(out, p->now_ms - peer->since_ms);
    } else {
        mu_buf_printf(out, "%s has not been seen since this master started, ",
                      m->address);
        put_duration(out, p->now_ms - p->started_ms);
        mu_buf_puts(out, " ago");
    }
}

static void name_away(const struct paxos *p, struct mu_buf *out)
{
    const char *before = " (";
    for (uint32_t i = 0; i < p->members.count; i++) {
        const struct paxos_member *m = &p->members.v[i];
        if (!paxos_is_up(p, m->id)) {
            mu_buf_puts(out, before);
            name_one(p, m, out);
            before = ", ";
        }
    }
    if (before[0] == ',') {
        mu_buf_putc(out, ')');
    }
}

static uint32_t reachable(const struct paxos *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->members.count; i++) {
        n += paxos_is_up(p, p->members.v[i].id);
    }
    return n;
}

/* The first of the set that this one has started with that is away; NULL: none is. */
static const char *missing(const struct paxos *p)
{
    for (uint32_t i = 0; p->status == PAXOS_STARTING && i < p->members.count; i++) {
        if (!paxos_is_up(p, p->members.v[i].id)) {
            return p->members.v[i].address;
        }
    }
    return NULL;
}

static bool is_at(const struct paxos *p, const char *address)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].up && strcmp(p->peers[i].address, address) == 0) {
            return true;
        }
    }
    return false;
}

/* One that has begun with others than this one. Each begins once and for all, so that
 * they cannot come together any more. */
static const char *differs(const struct paxos *p)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        bool begun = p->status == PAXOS_STARTING
                         ? !paxos_members_same_ids(&peer->set, &p->members)
                         : paxos_members_find(&peer->set, p->id) < 0;
        if (peer->up && peer->status == PAXOS_STARTING && begun) {
            return peer->address;
        }
    }
    return NULL;
}

/* Masters of two logs: this one must not choose between them. */
static bool explain_two_logs(const struct paxos *p, struct mu_buf *out)
{
    const char *first = NULL;
    uint64_t log = 0;
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        bool has_one = peer->up &&
                       (peer->status == PAXOS_VOTING || peer->status == PAXOS_RECOVERING);
        if (!has_one || peer->set.log == 0) {
            continue;
        }
        if (log != 0 && peer->set.log != log) {
            mu_buf_printf(out,
                          "%s and %s have different logs: take the one whose log is not "
                          "needed out of the list of masters, or empty its directory "
                          "replicated_log",
                          first, peer->address);
            return true;
        }
        if (first == NULL) {
            log = peer->set.log;
            first = peer->address;
        }
    }
    return false;
}

static bool is_one_voting(const struct paxos *p)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].up && p->peers[i].status == PAXOS_VOTING) {
            return true;
        }
    }
    return false;
}

/* Somebody has begun, and was lost before the others had anything of it. */
static const struct paxos_peer *recovering(const struct paxos *p)
{
    for (size_t i = 0; i < p->peer_count; i++) {
        if (p->peers[i].up && p->peers[i].status == PAXOS_RECOVERING) {
            return &p->peers[i];
        }
    }
    return NULL;
}

static void explain_lost(const char *who, struct mu_buf *out)
{
    mu_buf_printf(out,
                  "%s knows that a log has begun, and nobody who is there votes in it: "
                  "start the master that does, or, if its directory was lost, empty the "
                  "directory replicated_log of all masters",
                  who);
}

static void explain_start(const struct paxos *p, struct mu_buf *out)
{
    uint32_t seen = 1, all = 2 * p->quorum - 1, voting = 0;
    for (size_t i = 0; i < p->peer_count; i++) {
        seen += p->peers[i].up;
        voting += p->peers[i].up && p->peers[i].status == PAXOS_VOTING;
        if (p->peers[i].up && p->peers[i].quorum != 0 &&
            p->peers[i].quorum != p->quorum) {
            mu_buf_printf(out,
                          "%s has --quorum=%u, this master --quorum=%u: give all masters "
                          "the same; ",
                          p->peers[i].address, p->peers[i].quorum, p->quorum);
        }
    }
    if (explain_two_logs(p, out)) {
        return;
    }
    if (voting > 0) {
        mu_buf_printf(out,
                      "%u of %u replicas have the log, and %u are needed to go on: start "
                      "the others with their own directories replicated_log (a copy of "
                      "another master's is not theirs)",
                      voting, all, p->quorum);
    } else if (missing(p) != NULL) {
        mu_buf_printf(out, "a new log has been begun with %s, which %s", missing(p),
                      is_at(p, missing(p))
                          ? "has lost its directory since: empty the directory "
                            "replicated_log of all masters"
                          : "is away: start it, or empty the directory replicated_log "
                            "of all masters");
    } else if (recovering(p) != NULL) {
        explain_lost(recovering(p)->address, out);
    } else if (differs(p) != NULL) {
        mu_buf_printf(out,
                      "%s has begun a new log with others than this master: empty the "
                      "directory replicated_log of all masters, and start %u of them",
                      differs(p), all);
    } else if (seen > all || p->known > all) {
        mu_buf_printf(out,
                      "%u masters are %s, --quorum=%u is for %u: stop one, or give all "
                      "of them a larger quorum",
                      seen > p->known ? seen : (uint32_t)p->known,
                      seen > all ? "there" : "listed (--log_peers, --zk)", p->quorum,
                      all);
    } else {
        mu_buf_printf(out,
                      "%u of %u masters are there: a new log begins when all %u that "
                      "--quorum=%u expects have been there at once",
                      seen, all, all, p->quorum);
    }
}

void paxos_explain(const struct paxos *p, struct mu_buf *out)
{
    if (p->failed != 0) {
        mu_buf_printf(out, "the log cannot be written: %s", mu_strerror(p->failed));
    } else if (p->status == PAXOS_EMPTY || p->status == PAXOS_STARTING) {
        explain_start(p, out);
    } else if (p->members.count == 0 && explain_two_logs(p, out)) {
        return;
    } else if (p->members.count == 0 && !is_one_voting(p)) {
        explain_lost("this master", out);
    } else if (reachable(p) < p->members.quorum) {
        mu_buf_printf(out,
                      "nothing can be written: %u of %u replicas answer, %u are needed",
                      reachable(p), p->members.count, p->members.quorum);
        name_away(p, out);
    } else if (p->co.state == PAXOS_PROMISING || p->co.state == PAXOS_SETTLING ||
               (p->co.state == PAXOS_LEADING && p->co.proposals.count > 0 &&
                p->now_ms - p->co.moved_ms >= 2 * PAXOS_RESEND_MS)) {
        mu_buf_printf(out, "the promises or votes of %u of %u replicas are awaited",
                      p->members.quorum, p->members.count);
        name_away(p, out);
    } else if (p->co.state == PAXOS_FETCHING || p->fetch.active) {
        mu_buf_printf(out, "catching up with the others, at position %" PRIu64,
                      p->committed);
    } else if (p->status == PAXOS_RECOVERING) {
        mu_buf_puts(out, "it has read the log and waits for the leading master to take "
                         "it in");
    }
}

/* ---- health ---- */

static const char *role_of(const struct paxos *p)
{
    if (p->failed != 0) {
        return "failed";
    }
    if (p->co.state != PAXOS_IDLE) {
        return p->co.state == PAXOS_LEADING ? "leading" : "elected";
    }
    switch ((enum paxos_status)p->status) {
    case PAXOS_VOTING:
        return "following";
    case PAXOS_RECOVERING:
        return "recovering";
    case PAXOS_EMPTY:
    case PAXOS_STARTING:
        break;
    }
    return "starting";
}

/* Of the ring's items: the last position that has one; at least committed. */
static uint64_t last_of(const struct paxos_ring *r, uint64_t committed)
{
    uint64_t end = r->count == 0 ? 0 : paxos_ring_end(r) - 1;
    return end > committed ? end : committed;
}

static void
add_member(const struct paxos *p, const struct paxos_member *m, struct paxos_health *out)
{
    const struct paxos_peer *peer = find_peer(p, m->id);
    bool is_self = m->id == p->id;
    out->v[out->count++] = (struct paxos_member_health){
        .id = m->id,
        .address = is_self ? p->address : m->address,
        .is_self = is_self,
        .is_member = true,
        .up = paxos_is_up(p, m->id),
        .was_seen = is_self || peer != NULL,
        .since_ms = peer == NULL ? p->started_ms : peer->since_ms,
    };
}

void paxos_health(const struct paxos *p, struct paxos_health *out)
{
    uint64_t written = last_of(&p->accepted, p->committed);
    uint64_t sent = last_of(&p->co.proposals, p->committed);
    bool leads = p->co.state == PAXOS_LEADING;
    *out = (struct paxos_health){
        .role = role_of(p),
        .last = written > sent ? written : sent,
        .behind = !leads && p->leader.committed > p->committed
                      ? p->leader.committed - p->committed
                      : 0,
    };
    for (uint32_t i = 0; i < p->members.count; i++) {
        add_member(p, &p->members.v[i], out);
    }
    for (size_t i = 0; i < p->peer_count && i < PAXOS_PEERS_MAX; i++) {
        const struct paxos_peer *peer = &p->peers[i];
        if (peer->up && paxos_members_find(&p->members, peer->id) < 0) {
            out->v[out->count++] = (struct paxos_member_health){
                .id = peer->id,
                .address = peer->address,
                .up = true,
                .was_seen = true,
                .since_ms = peer->since_ms,
            };
        }
    }
}
