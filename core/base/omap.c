/* Ordered map: a treap (a search tree by key that is a heap by priority), its entries
 * also linked in key order.
 *
 * An entry's priority is the hash of its key, so the shape depends on the set of keys
 * only, not on the order of operations, and no generator is needed. A new leaf's parent
 * is always its neighbour in key order, which makes keeping the links O(1).
 */
#include "base/omap.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"

/* Any constant does; it only keeps priorities apart from other uses of the hash. */
#define PRIORITY_SEED UINT64_C(0x6d7573746572)

void mu_omap_init(struct mu_omap *m)
{
    *m = (struct mu_omap){0};
}

void mu_omap_release(struct mu_omap *m)
{
    struct mu_omap_entry *e = m->first;
    while (e != NULL) {
        struct mu_omap_entry *next = e->next;
        free(e);
        e = next;
    }
    *m = (struct mu_omap){0};
}

struct mu_omap_entry *mu_omap_find(const struct mu_omap *m, const char *key)
{
    struct mu_omap_entry *e = m->root;
    while (e != NULL) {
        int order = strcmp(key, e->key);
        if (order == 0) {
            break;
        }
        e = e->child[order > 0];
    }
    return e;
}

void *mu_omap_get(const struct mu_omap *m, const char *key)
{
    const struct mu_omap_entry *e = mu_omap_find(m, key);
    return e != NULL ? e->value : NULL;
}

/* The first entry whose key is greater than key, or also equal to it if or_equal. */
static struct mu_omap_entry *
bound(const struct mu_omap *m, const char *key, bool or_equal)
{
    struct mu_omap_entry *e = m->root;
    struct mu_omap_entry *best = NULL;
    while (e != NULL) {
        int order = strcmp(key, e->key);
        if (order < 0 || (order == 0 && or_equal)) {
            best = e;
            e = e->child[0];
        } else {
            e = e->child[1];
        }
    }
    return best;
}

struct mu_omap_entry *mu_omap_lower_bound(const struct mu_omap *m, const char *key)
{
    return bound(m, key, true);
}

struct mu_omap_entry *mu_omap_upper_bound(const struct mu_omap *m, const char *key)
{
    return bound(m, key, false);
}

/* The link that points to e. */
static struct mu_omap_entry **link_to(struct mu_omap *m, const struct mu_omap_entry *e)
{
    if (e->parent == NULL) {
        return &m->root;
    }
    return &e->parent->child[e->parent->child[1] == e];
}

/* Lift e above its parent, keeping the key order. */
static void rotate_up(struct mu_omap *m, struct mu_omap_entry *e)
{
    struct mu_omap_entry *p = e->parent;
    int side = p->child[1] == e;
    struct mu_omap_entry *inner = e->child[!side];
    *link_to(m, p) = e;
    e->parent = p->parent;
    e->child[!side] = p;
    p->parent = e;
    p->child[side] = inner;
    if (inner != NULL) {
        inner->parent = p;
    }
}

/* Put the new leaf e, which hangs at side of its parent, into the order list. */
static void link_order(struct mu_omap *m, struct mu_omap_entry *e, int side)
{
    struct mu_omap_entry *p = e->parent;
    if (p != NULL) {
        e->prev = side == 1 ? p : p->prev;
        e->next = side == 1 ? p->next : p;
    }
    if (e->prev != NULL) {
        e->prev->next = e;
    } else {
        m->first = e;
    }
    if (e->next != NULL) {
        e->next->prev = e;
    } else {
        m->last = e;
    }
}

void *mu_omap_put(struct mu_omap *m, const char *key, void *value)
{
    MU_PRE(value != NULL);
    struct mu_omap_entry **link = &m->root;
    struct mu_omap_entry *parent = NULL;
    int side = 0;
    while (*link != NULL) {
        int order = strcmp(key, (*link)->key);
        if (order == 0) {
            void *before = (*link)->value;
            (*link)->value = value;
            return before;
        }
        parent = *link;
        side = order > 0;
        link = &parent->child[side];
    }
    size_t len = strlen(key);
    struct mu_omap_entry *e = mu_xalloc(sizeof(*e) + len + 1);
    *e = (struct mu_omap_entry){
        .value = value, .parent = parent, .priority = mu_hash64(PRIORITY_SEED, key, len)};
    memcpy(e->key, key, len + 1);
    *link = e;
    link_order(m, e, side);
    while (e->parent != NULL && e->parent->priority < e->priority) {
        rotate_up(m, e);
    }
    m->count++;
    return NULL;
}

void *mu_omap_remove(struct mu_omap *m, const char *key)
{
    struct mu_omap_entry *e = mu_omap_find(m, key);
    if (e == NULL) {
        return NULL;
    }
    /* Sink to where at most one child is left. */
    while (e->child[0] != NULL && e->child[1] != NULL) {
        rotate_up(m, e->child[e->child[1]->priority > e->child[0]->priority]);
    }
    struct mu_omap_entry *only = e->child[e->child[0] == NULL];
    *link_to(m, e) = only;
    if (only != NULL) {
        only->parent = e->parent;
    }
    *(e->prev != NULL ? &e->prev->next : &m->first) = e->next;
    *(e->next != NULL ? &e->next->prev : &m->last) = e->prev;
    m->count--;
    void *value = e->value;
    free(e);
    return value;
}
