/* What must hold after every step, and at the end. */
#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "replicated_log/codec.h"
#include "world.h"

static struct chosen *at(struct world *w, uint64_t position)
{
    while (w->chosen.count < position) {
        MU_VEC_PUSH_ZERO(&w->chosen);
    }
    return &w->chosen.v[position - 1];
}

/* Its token is the number in the value of its first operation. */
static uint64_t token_of(const struct paxos_value *v)
{
    struct rlog_record r;
    struct mu_registry_op op;
    struct mu_error err;
    uint64_t token = 0;
    if (v->kind == PAXOS_BATCH && rlog_decode(v->bytes, v->len, &r, &err) == 0 &&
        rlog_next_op(&r, &op) && op.value_len >= sizeof(token)) {
        memcpy(&token, op.value, sizeof(token));
    }
    return token;
}

/* A batch that one more replica knows to be chosen: once, and in the order in which a
 * client could have seen it (linearizability: what was acknowledged before it was sent
 * stands before it). */
static void check_order(struct world *w, uint64_t position, const struct paxos_value *v)
{
    uint64_t token = token_of(v);
    if (token == 0) {
        return;
    }
    struct token *t = &w->tokens.v[token - 1];
    if (t->position != 0 && t->position != position) {
        world_fail(w, "batch %" PRIu64 " is at %" PRIu64 " and at %" PRIu64, token,
                   t->position, position);
    }
    if (t->refused) {
        world_fail(w, "batch %" PRIu64 " was refused and is at %" PRIu64, token,
                   position);
    }
    if (position <= t->after) {
        world_fail(w,
                   "batch %" PRIu64 " is at %" PRIu64 " and was sent after %" PRIu64
                   " was acknowledged",
                   token, position, t->after);
    }
    t->position = position;
}

/* A writer of an earlier epoch changes nothing once a later one has led. */
static void check_fenced(struct world *w, uint64_t position)
{
    const struct chosen *c = at(w, position);
    uint64_t token = c->value == NULL ? 0 : token_of(c->value);
    if (token == 0 || position < 2 || c->state == 0 || at(w, position - 1)->state == 0 ||
        at(w, position)->state == at(w, position - 1)->state) {
        return;
    }
    uint64_t epoch = w->tokens.v[token - 1].epoch;
    for (size_t i = 0; i < w->reigns.count; i++) {
        const struct reign *r = &w->reigns.v[i];
        if (r->epoch > epoch && position > r->committed) {
            world_fail(w,
                       "batch %" PRIu64 " of epoch %" PRIu64
                       " changes the map at %" PRIu64 ", and epoch %" PRIu64
                       " has led with %" PRIu64,
                       token, epoch, position, r->epoch, r->committed);
        }
    }
}

static void hash_entry(void *arg, const char *key, const void *value, size_t len)
{
    uint64_t *hash = arg;
    *hash = mu_siphash(*hash, 1, key, strlen(key));
    *hash = mu_siphash(*hash, 2, value, len);
}

static void check_value(struct world *w, size_t k, uint64_t position)
{
    struct paxos_value *v = paxos_ring_get(&w->nodes[k].p->kept, position);
    if (v == NULL) {
        return; /* it came with a map */
    }
    struct chosen *c = at(w, position);
    if (c->value == NULL) {
        c->value = paxos_value_ref(v);
        check_order(w, position, v);
    } else if (!paxos_value_equal(c->value, v)) {
        world_fail(w, "position %" PRIu64 " has two values, one of them at %zu", position,
                   k);
    }
}

void check_node(struct world *w, size_t k)
{
    struct node *n = &w->nodes[k];
    const struct paxos *p = n->p;
    if (p->committed < n->seen && p->failed == 0 && n->up && n->seen <= p->noted) {
        world_fail(w, "%zu went back from %" PRIu64 " to %" PRIu64, k, n->seen,
                   p->committed);
    }
    if (p->committed == n->seen) {
        return;
    }
    for (uint64_t position = n->seen + 1; position <= p->committed; position++) {
        check_value(w, k, position);
    }
    n->seen = p->committed;
    if (p->committed == 0) {
        return;
    }
    uint64_t hash = 1;
    rlog_map_each(&p->state.map, hash_entry, &hash);
    struct chosen *c = at(w, p->committed);
    if (c->state == 0) {
        c->state = hash;
    } else if (c->state != hash) {
        world_fail(w, "the map of %zu at %" PRIu64 " is not that of the others", k,
                   p->committed);
    }
    check_fenced(w, p->committed);
}

/* Whoever is told that it leads has all that was acknowledged before it was asked to, and
 * all that earlier epochs have written. (What a later one has written meanwhile it may
 * lack: it led in between, and has been fenced since.) */
void check_led(struct world *w, size_t k)
{
    const struct node *n = &w->nodes[k];
    uint64_t needed = n->asked_at;
    for (size_t i = 0; i < w->tokens.count; i++) {
        const struct token *t = &w->tokens.v[i];
        if (t->acked && t->epoch < n->epoch && t->position > needed) {
            needed = t->position;
        }
    }
    if (n->p->committed < needed) {
        world_fail(w, "%zu leads with %" PRIu64 ", and %" PRIu64 " was acknowledged", k,
                   n->p->committed, needed);
    }
}

/* What was acknowledged is chosen; and a writer of an earlier epoch has written nothing
 * since a later one leads. */
void check_acked(struct world *w, uint64_t token)
{
    struct token *t = &w->tokens.v[token - 1];
    if (t->position == 0) {
        world_fail(w, "batch %" PRIu64 " was acknowledged and is nowhere", token);
        return;
    }
    for (size_t i = 0; i < w->reigns.count; i++) {
        const struct reign *r = &w->reigns.v[i];
        if (r->epoch > t->epoch && t->position > r->committed) {
            world_fail(w,
                       "epoch %" PRIu64 " wrote %" PRIu64 " after epoch %" PRIu64
                       " led with %" PRIu64,
                       t->epoch, t->position, r->epoch, r->committed);
        }
    }
    if (t->position > w->highest_acked) {
        w->highest_acked = t->position;
    }
}

static void fail_waiting(struct world *w, size_t k, size_t voting)
{
    const struct paxos *p = w->nodes[k].p;
    struct mu_buf why;
    mu_buf_init(&why, 1024);
    paxos_explain(p, &why);
    world_fail(w, "%zu of %zu vote in the end; %zu is %s: %s", voting, w->members, k,
               paxos_status_name(p->status), mu_buf_str(&why));
    mu_buf_release(&why);
}

void check_end(struct world *w)
{
    uint64_t committed = 0;
    size_t voting = 0;
    bool led = false;
    for (size_t k = 0; k < w->count; k++) {
        const struct paxos *p = w->nodes[k].p;
        if (!w->nodes[k].up) {
            continue; /* the spare, taken away */
        }
        led = led || w->nodes[k].led;
        voting += p->status == PAXOS_VOTING;
        committed = p->committed > committed ? p->committed : committed;
    }
    for (size_t k = 0; k < w->count && voting != w->members; k++) {
        if (w->nodes[k].up && w->nodes[k].p->status != PAXOS_VOTING) {
            fail_waiting(w, k, voting);
        }
    }
    if (!led) {
        world_fail(w, "nobody leads in the end");
    }
    for (size_t k = 0; k < w->count; k++) {
        if (w->nodes[k].up && w->nodes[k].p->committed != committed) {
            world_fail(w, "%zu is left at %" PRIu64 ", others are at %" PRIu64, k,
                       w->nodes[k].p->committed, committed);
        }
    }
    if (committed < w->highest_acked) {
        world_fail(w, "%" PRIu64 " was acknowledged, and %" PRIu64 " is the last",
                   w->highest_acked, committed);
    }
}

void check_disaster(struct world *w, size_t reigns_before, size_t acked_before)
{
    if (w->reigns.count != reigns_before || w->acked != acked_before) {
        world_fail(w, "a log goes on without the quorum that has lost its disks");
    }
    for (size_t k = 0; k < w->count; k++) {
        struct mu_buf why;
        mu_buf_init(&why, 2048);
        if (w->nodes[k].up) {
            paxos_explain(w->nodes[k].p, &why);
        }
        if (w->nodes[k].up && why.len == 0) {
            world_fail(w, "%zu does not say what it waits for", k);
        }
        mu_buf_release(&why);
    }
}
