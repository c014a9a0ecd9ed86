/* Binary heap of embedded nodes, smallest (key, tie) first, with removal from the middle.
 *
 * For timers and event queues. Equal keys come out in the order of their ties: by default
 * a counter (first in, first out), or the caller's own. The heap owns no node; a zeroed
 * node is in no heap, a zeroed struct mu_heap is empty.
 */
#ifndef MU_BASE_HEAP_H
#define MU_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mu_heap_node {
    uint64_t key, tie;
    size_t place; /* index + 1 in the heap's array; 0: in no heap */
};

struct mu_heap {
    struct mu_heap_node **v;
    size_t count, cap;
    uint64_t next_tie;
};

void mu_heap_init(struct mu_heap *h);
/* Frees the array; the nodes are the caller's, and must not be in use afterwards. */
void mu_heap_release(struct mu_heap *h);
/* node must be in no heap. */
void mu_heap_push(struct mu_heap *h, struct mu_heap_node *node, uint64_t key);
void mu_heap_push_tie(struct mu_heap *h,
                      struct mu_heap_node *node,
                      uint64_t key,
                      uint64_t tie);
/* The smallest node, or NULL. */
struct mu_heap_node *mu_heap_top(const struct mu_heap *h);
/* Take the smallest out; NULL if empty. */
struct mu_heap_node *mu_heap_pop(struct mu_heap *h);
/* Take node out, wherever it is; it must be in this heap. */
void mu_heap_remove(struct mu_heap *h, struct mu_heap_node *node);

static inline bool mu_heap_has(const struct mu_heap_node *node)
{
    return node->place != 0;
}

#endif
