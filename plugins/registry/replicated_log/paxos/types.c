/* See types.h. */
#include "types.h"

#include <stdlib.h>
#include <string.h>

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int paxos_ballot_cmp(const struct paxos_ballot *a, const struct paxos_ballot *b)
{
    int rc = compare(a->epoch, b->epoch);
    rc = rc != 0 ? rc : compare(a->round, b->round);
    return rc != 0 ? rc : compare(a->replica, b->replica);
}

struct paxos_value *paxos_value_create(uint8_t kind, const void *bytes, size_t len)
{
    struct paxos_value *v = rlog_allocate(sizeof(*v) + len);
    v->refs = 1;
    v->kind = kind;
    v->len = len;
    if (len > 0) {
        memcpy(v->bytes, bytes, len);
    }
    return v;
}

struct paxos_value *paxos_value_ref(struct paxos_value *v)
{
    v->refs++;
    return v;
}

void paxos_value_unref(struct paxos_value *v)
{
    if (v != NULL && --v->refs == 0) {
        free(v);
    }
}

bool paxos_value_equal(const struct paxos_value *a, const struct paxos_value *b)
{
    return a->kind == b->kind && a->len == b->len &&
           (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

int paxos_members_find(const struct paxos_members *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->v[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

bool paxos_members_add(struct paxos_members *m, uint64_t id, const char *address)
{
    paxos_members_remove(m, id);
    if (m->count == PAXOS_MEMBERS_MAX) {
        return false;
    }
    uint32_t at = m->count++;
    while (at > 0 && m->v[at - 1].id > id) {
        m->v[at] = m->v[at - 1];
        at--;
    }
    m->v[at] = (struct paxos_member){.id = id};
    size_t len = strnlen(address, PAXOS_ADDRESS_MAX - 1);
    memcpy(m->v[at].address, address, len);
    return true;
}

void paxos_members_remove(struct paxos_members *m, uint64_t id)
{
    int at = paxos_members_find(m, id);
    if (at >= 0) {
        m->count--;
        memmove(&m->v[at], &m->v[at + 1], (m->count - (uint32_t)at) * sizeof(m->v[0]));
    }
}

bool paxos_members_same_ids(const struct paxos_members *a, const struct paxos_members *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->v[i].id != b->v[i].id) {
            return false;
        }
    }
    return true;
}

/* ---- windows ---- */

void *paxos_ring_get(const struct paxos_ring *r, uint64_t position)
{
    if (position < r->first || position - r->first >= r->count) {
        return NULL;
    }
    return r->v[(r->head + (size_t)(position - r->first)) & (r->cap - 1)];
}

static void grow(struct paxos_ring *r, size_t need)
{
    size_t cap = r->cap == 0 ? 16 : r->cap;
    while (cap < need) {
        cap *= 2;
    }
    if (cap == r->cap) {
        return;
    }
    void **v = rlog_allocate(cap * sizeof(*v));
    for (size_t i = 0; i < r->count; i++) {
        v[i] = r->v[(r->head + i) & (r->cap - 1)];
    }
    free(r->v);
    r->v = v;
    r->cap = cap;
    r->head = 0;
}

void *paxos_ring_put(struct paxos_ring *r, uint64_t position, void *item)
{
    size_t at = (size_t)(position - r->first);
    grow(r, at + 1);
    while (r->count <= at) {
        r->v[(r->head + r->count) & (r->cap - 1)] = NULL;
        r->count++;
    }
    void **place = &r->v[(r->head + at) & (r->cap - 1)];
    void *old = *place;
    *place = item;
    return old;
}

void *paxos_ring_shift(struct paxos_ring *r)
{
    r->first++;
    if (r->count == 0) {
        return NULL;
    }
    void *item = r->v[r->head];
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
    return item;
}

void paxos_ring_release(struct paxos_ring *r)
{
    free(r->v);
    *r = (struct paxos_ring){.first = r->first};
}
