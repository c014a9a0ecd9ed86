/* Binary heap in an array; each node knows its place, which makes removal O(log n).
 *
 * Order is (key, tie); ties are unique unless the caller chooses them, so the order of
 * equal keys is defined and does not depend on the heap's history.
 */
#include "base/heap.h"

#include "base/check.h"
#include "base/vec.h"

void mu_heap_init(struct mu_heap *h)
{
    *h = (struct mu_heap){0};
}

void mu_heap_release(struct mu_heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        h->v[i]->place = 0;
    }
    MU_VEC_RELEASE(h);
}

static bool comes_first(const struct mu_heap_node *a, const struct mu_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void place_at(struct mu_heap *h, size_t i, struct mu_heap_node *node)
{
    h->v[i] = node;
    node->place = i + 1;
}

static void sift_up(struct mu_heap *h, size_t i)
{
    struct mu_heap_node *node = h->v[i];
    while (i > 0) {
        size_t up = (i - 1) / 2;
        if (!comes_first(node, h->v[up])) {
            break;
        }
        place_at(h, i, h->v[up]);
        i = up;
    }
    place_at(h, i, node);
}

static void sift_down(struct mu_heap *h, size_t i)
{
    struct mu_heap_node *node = h->v[i];
    for (;;) {
        size_t down = 2 * i + 1;
        if (down >= h->count) {
            break;
        }
        if (down + 1 < h->count && comes_first(h->v[down + 1], h->v[down])) {
            down++;
        }
        if (!comes_first(h->v[down], node)) {
            break;
        }
        place_at(h, i, h->v[down]);
        i = down;
    }
    place_at(h, i, node);
}

void mu_heap_push_tie(struct mu_heap *h,
                      struct mu_heap_node *node,
                      uint64_t key,
                      uint64_t tie)
{
    MU_PRE(node->place == 0);
    node->key = key;
    node->tie = tie;
    MU_VEC_PUSH(h, node);
    sift_up(h, h->count - 1);
}

void mu_heap_push(struct mu_heap *h, struct mu_heap_node *node, uint64_t key)
{
    mu_heap_push_tie(h, node, key, h->next_tie);
    h->next_tie++;
}

struct mu_heap_node *mu_heap_top(const struct mu_heap *h)
{
    return h->count > 0 ? h->v[0] : NULL;
}

void mu_heap_remove(struct mu_heap *h, struct mu_heap_node *node)
{
    MU_PRE(node->place > 0 && node->place <= h->count && h->v[node->place - 1] == node);
    size_t i = node->place - 1;
    node->place = 0;
    h->count--;
    if (i < h->count) {
        place_at(h, i, h->v[h->count]);
        sift_up(h, i);
        sift_down(h, h->v[i]->place - 1);
    }
}

struct mu_heap_node *mu_heap_pop(struct mu_heap *h)
{
    struct mu_heap_node *node = mu_heap_top(h);
    if (node != NULL) {
        mu_heap_remove(h, node);
    }
    return node;
}
