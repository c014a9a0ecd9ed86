/* Ballots, values, members: what the replicated log talks about. Pure.
 *
 * See docs/replicated-log.md for the words.
 */
#ifndef PAXOS_TYPES_H
#define PAXOS_TYPES_H

#include <muster/buf.h>

#include "../map.h"

#define PAXOS_MEMBERS_MAX 15u
#define PAXOS_ADDRESS_MAX 128u /* of "host:port", with its NUL */

struct paxos_ballot { /* zeroed: below all */
    uint64_t epoch;
    uint32_t round;
    uint64_t replica;
};

int paxos_ballot_cmp(const struct paxos_ballot *a, const struct paxos_ballot *b);

enum paxos_value_kind {
    PAXOS_NOTHING = 0, /* keeps a position that nobody needs */
    PAXOS_BATCH = 1,   /* a record of codec.h */
    PAXOS_MEMBERS = 2, /* who votes from the next position on */
};

struct paxos_value { /* immutable, counted: one thread */
    uint32_t refs;
    uint8_t kind;
    size_t len;
    uint8_t bytes[];
};

/* A copy of the bytes, with one reference. */
struct paxos_value *paxos_value_create(uint8_t kind, const void *bytes, size_t len);
struct paxos_value *paxos_value_ref(struct paxos_value *v);
void paxos_value_unref(struct paxos_value *v); /* takes NULL */
bool paxos_value_equal(const struct paxos_value *a, const struct paxos_value *b);

struct paxos_member {
    uint64_t id;
    char address[PAXOS_ADDRESS_MAX];
};

struct paxos_members { /* in the order of their ids, so that equal sets look equal */
    uint64_t log; /* which log: the smallest id of its first members; 0: of none yet */
    uint32_t quorum, count;
    struct paxos_member v[PAXOS_MEMBERS_MAX];
};

/* Where id stands; -1: it is no member. */
int paxos_members_find(const struct paxos_members *m, uint64_t id);
/* false: full. An id that is in it gets the address. */
bool paxos_members_add(struct paxos_members *m, uint64_t id, const char *address);
void paxos_members_remove(struct paxos_members *m, uint64_t id);
bool paxos_members_same_ids(const struct paxos_members *a, const struct paxos_members *b);

/* A window of positions: pointers by position, NULL where there is none. A zeroed struct
 * is empty; first is set by its owner then. */
struct paxos_ring {
    void **v;
    size_t cap, head, count;
    uint64_t first; /* position of the first */
};

void *paxos_ring_get(const struct paxos_ring *r, uint64_t position);
/* position >= first. Returns what was there. */
void *paxos_ring_put(struct paxos_ring *r, uint64_t position, void *item);
/* Take the first out, NULL or not; the window begins behind it. */
void *paxos_ring_shift(struct paxos_ring *r);
void paxos_ring_release(struct paxos_ring *r); /* its items are the owner's */
static inline uint64_t paxos_ring_end(const struct paxos_ring *r)
{
    return r->first + r->count;
}

#endif
