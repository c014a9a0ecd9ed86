/* ZooKeeper as the election sees it: sessions that it ends when it has not heard of them
 * for the timeout (late; early only as a fault of its own), znodes with growing numbers,
 * news that take a while; and each master's own lease, which ends before its session can.
 * See docs/high-availability.md. */
#include "sim.h"

#define SESSION_MS 10000u
#define ASK_MS (SESSION_MS / 8)
#define LEASE_MS (SESSION_MS - SESSION_MS / 4)
#define LATE_MS                                                                          \
    (SESSION_MS / 5) /* so much earlier may be what the leading server knows */

static void tell_all(struct sim *s);

static bool reaches(const struct sim *s, size_t k)
{
    const struct master_node *n = &s->masters[k];
    return n->cut_until <= s->now.mono_ms && n->zk_cut_until <= s->now.mono_ms;
}

bool sim_is_cut(const struct sim *s, size_t k)
{
    return s->masters[k].cut_until > s->now.mono_ms;
}

size_t sim_election_leader(const struct sim *s)
{
    size_t leader = MASTERS_MAX;
    for (size_t k = 0; k < s->master_count; k++) {
        uint64_t z = s->masters[k].znode;
        if (z != 0 && (leader == MASTERS_MAX || z < s->masters[leader].znode)) {
            leader = k;
        }
    }
    return leader;
}

/* ---- what a master hears ---- */

static void on_news(struct sim *s, struct event *e)
{
    if (!sim_master_runs(s, e) || !reaches(s, e->master)) {
        return;
    }
    struct master_node *n = &s->masters[e->master];
    size_t leader = sim_election_leader(s);
    n->told_leader = leader;
    bool is_own = leader == e->master && n->znode == n->own_znode && n->own_znode != 0;
    if (n->leading && !is_own) {
        sim_master_lost(s, e->master, "the znode of this master is gone");
    } else if (!n->leading && is_own && s->now.mono_ms < n->lease_until) {
        if (s->last_leader != e->master) {
            s->failovers += s->last_leader != MASTERS_MAX;
            s->last_leader = e->master;
        }
        sim_master_elected(s, e->master, n->own_znode);
    }
    if (!n->leading && n->own_znode != 0 && n->znode != n->own_znode) {
        n->own_znode = 0;
        sim_election_join(s, e->master);
    }
}

/* Old news are no harm: whoever hears looks at what is. */
static void tell_all(struct sim *s)
{
    for (size_t k = 0; k < s->master_count; k++) {
        if (s->masters[k].up) {
            sim_master_later(s, k, sim_rand(s, 1, 50), "news", on_news);
        }
    }
}

/* ---- sessions ---- */

static void on_session_over(struct sim *s, struct event *e)
{
    struct master_node *n = &s->masters[e->master];
    if (n->session != e->number) {
        return; /* it has another one by now */
    }
    if (n->heard_at + SESSION_MS > s->now.mono_ms) {
        struct event *again =
            sim_later(s, n->heard_at + SESSION_MS - s->now.mono_ms + sim_rand(s, 0, 1000),
                      "session_over", on_session_over);
        again->master = e->master;
        again->number = e->number;
        return;
    }
    sim_note(s, "session %llu of master %zu is over", (unsigned long long)e->number,
             e->master);
    n->session = 0;
    n->znode = 0;
    tell_all(s);
}

static void on_ask(struct sim *s, struct event *e)
{
    if (!sim_master_runs(s, e)) {
        return;
    }
    size_t k = e->master;
    struct master_node *n = &s->masters[k];
    sim_master_later(s, k, ASK_MS, "ask", on_ask);
    if (reaches(s, k)) {
        if (n->own_session == 0) {
            return; /* not joined yet */
        }
        if (n->session != n->own_session) { /* ended meanwhile: another */
            n->own_session = 0;
            n->own_znode = 0;
            sim_master_later(s, k, sim_rand(s, 1, 50), "news", on_news);
            sim_election_join(s, k);
            return;
        }
        uint64_t heard_at = s->now.mono_ms - sim_rand(s, 0, LATE_MS);
        n->heard_at = heard_at > n->heard_at ? heard_at : n->heard_at;
        if (n->own_znode != 0 && n->znode == n->own_znode) {
            n->lease_until = s->now.mono_ms + LEASE_MS;
        }
        if (n->leading != (sim_election_leader(s) == k && n->znode == n->own_znode) ||
            n->znode !=
                n->own_znode) { /* the watchdog finds what the news have not told */
            sim_master_later(s, k, sim_rand(s, 1, 50), "news", on_news);
        }
    }
}

static void on_join(struct sim *s, struct event *e)
{
    if (!sim_master_runs(s, e)) {
        return;
    }
    size_t k = e->master;
    struct master_node *n = &s->masters[k];
    if (n->own_znode != 0) {
        return;
    }
    if (!reaches(s, k) || (n->session != 0 && n->znode != 0)) {
        sim_master_later(s, k, 500, "join", on_join); /* the last znode has to go first */
        return;
    }
    if (n->session == 0 || n->session != n->own_session) {
        n->session = n->own_session = ++s->last_session;
        struct event *over = sim_later(s, SESSION_MS, "session_over", on_session_over);
        over->master = k;
        over->number = n->session;
    }
    n->heard_at = s->now.mono_ms;
    n->znode = n->own_znode = ++s->last_znode;
    n->lease_until = s->now.mono_ms + LEASE_MS;
    sim_note(s, "master %zu stands as %llu", k, (unsigned long long)n->znode);
    tell_all(s);
}

void sim_election_join(struct sim *s, size_t k)
{
    sim_master_later(s, k, sim_rand(s, 1, 200), "join", on_join);
}

static void on_first_ask(struct sim *s, struct event *e)
{
    on_ask(s, e);
}

/* ---- leaving ---- */

static void on_left(struct sim *s, struct event *e)
{
    if (!sim_master_runs(s, e)) {
        return;
    }
    struct master_node *n = &s->masters[e->master];
    if (n->znode != e->number) {
        return;
    }
    if (!reaches(s, e->master)) {
        sim_master_later(s, e->master, 500, "left", on_left)->number = e->number;
        return;
    }
    n->znode = 0;
    tell_all(s);
}

void sim_election_leave(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    if (n->own_znode != 0) {
        sim_master_later(s, k, sim_rand(s, 1, 10), "left", on_left)->number =
            n->own_znode;
        n->own_znode = 0;
        n->lease_until = 0;
        sim_master_later(s, k, sim_rand(s, 50, 2000), "join", on_join);
    }
}

/* A standby has seen that the process is gone (or is wrong about it). */
void sim_election_depose(struct sim *s, size_t k)
{
    if (s->masters[k].znode != 0) {
        sim_story(s, "master %zu is deposed", k);
        s->masters[k].znode = 0;
        tell_all(s);
    }
}

void sim_election_expire(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    if (n->session != 0) {
        sim_story(s, "session %llu of master %zu ends early",
                  (unsigned long long)n->session, k);
        s->early_sessions++;
        n->session = n->znode = 0;
        tell_all(s);
    }
}

static void on_depose(struct sim *s, struct event *e)
{
    if (s->masters[e->master].znode == e->number) {
        sim_election_depose(s, e->master);
    }
}

void sim_election_died(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    n->own_znode = n->own_session = 0;
    n->lease_until = 0;
    bool seen = false; /* by a standby that reaches its host, and ZooKeeper */
    for (size_t i = 0; i < s->master_count; i++) {
        const struct master_node *o = &s->masters[i];
        seen = seen || (i != k && o->up && o->frozen_until <= s->now.mono_ms &&
                        reaches(s, i) && !sim_apart(s, k, i));
    }
    if (seen && n->znode != 0 && !sim_is_cut(s, k)) {
        struct event *e = sim_later(s, sim_rand(s, 1, 100), "depose", on_depose);
        e->master = k;
        e->number = n->znode;
    }
    /* the session of a dead process ends by itself: a new process has another one */
    struct event *over = sim_later(s, SESSION_MS, "session_over", on_session_over);
    over->master = k;
    over->number = n->session;
}

void sim_election_start(struct sim *s, size_t k)
{
    sim_master_later(s, k, ASK_MS, "ask", on_first_ask);
    sim_election_join(s, k);
}
