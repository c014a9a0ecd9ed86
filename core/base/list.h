/* Intrusive, circular, doubly linked list: embed struct mu_list in the item, and one more
 * as the head.
 *
 * The list owns nothing. A node that is in no list points to itself (mu_list_init), so
 * mu_list_remove may be called twice. No thread rules of its own.
 */
#ifndef MU_BASE_LIST_H
#define MU_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct mu_list {
    struct mu_list *next, *prev;
};

static inline void mu_list_init(struct mu_list *l)
{
    l->next = l;
    l->prev = l;
}
static inline bool mu_list_empty(const struct mu_list *head)
{
    return head->next == head;
}
/* Is this node in a list? (of an initialised node) */
static inline bool mu_list_linked(const struct mu_list *node)
{
    return node->next != node;
}
static inline void mu_list_insert_before(struct mu_list *at, struct mu_list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}
/* At the end; node must be in no list. */
static inline void mu_list_append(struct mu_list *head, struct mu_list *node)
{
    mu_list_insert_before(head, node);
}
static inline void mu_list_prepend(struct mu_list *head, struct mu_list *node)
{
    mu_list_insert_before(head->next, node);
}
static inline void mu_list_remove(struct mu_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    mu_list_init(node);
}
/* First node or NULL. */
static inline struct mu_list *mu_list_first(const struct mu_list *head)
{
    return head->next != head ? head->next : NULL;
}
/* Take the first node out; NULL if there is none. */
static inline struct mu_list *mu_list_pop(struct mu_list *head)
{
    struct mu_list *node = mu_list_first(head);
    if (node != NULL) {
        mu_list_remove(node);
    }
    return node;
}
/* Move all of from to the end of to; from is empty afterwards. */
static inline void mu_list_splice(struct mu_list *to, struct mu_list *from)
{
    if (from->next != from) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        mu_list_init(from);
    }
}

#define mu_list_entry(node, type, member) mu_container_of(node, type, member)

/* mu_list_foreach (node, &head) { struct x *x = mu_list_entry(node, struct x, link); ...
 * } The list must not change inside. */
#define mu_list_foreach(node, head)                                                      \
    for (struct mu_list *node = (head)->next; node != (head); node = node->next)
/* The same, and the current node may be removed (and freed) inside; no other may. */
#define mu_list_foreach_safe(node, head)                                                 \
    for (struct mu_list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
