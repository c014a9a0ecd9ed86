/* Ordered map from text to pointer, iterated in the order of strcmp.
 *
 * For registries and whatever is walked in id order. Keys are copied; values belong to
 * the caller and are never NULL. get, put, remove and the bounds are O(log n) expected;
 * a step of iteration is O(1). A zeroed struct is an empty map. Which shape the tree has
 * is never visible outside.
 */
#ifndef MU_BASE_OMAP_H
#define MU_BASE_OMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mu_omap_entry {
    void *value;
    struct mu_omap_entry *next, *prev; /* neighbours in key order */
    struct mu_omap_entry *child[2], *parent;
    uint64_t priority;
    char key[];
};

struct mu_omap {
    struct mu_omap_entry *root, *first, *last;
    size_t count;
};

void mu_omap_init(struct mu_omap *m);
/* Forgets all entries; values are the caller's to free, before. Leaves an empty map. */
void mu_omap_release(struct mu_omap *m);
/* The value, or NULL. */
void *mu_omap_get(const struct mu_omap *m, const char *key);
/* Store value (not NULL) under key; returns the value that was there before, or NULL. */
void *mu_omap_put(struct mu_omap *m, const char *key, void *value);
/* Take the entry out; returns its value, or NULL if there was none. */
void *mu_omap_remove(struct mu_omap *m, const char *key);
/* The entry of that key, or NULL. */
struct mu_omap_entry *mu_omap_find(const struct mu_omap *m, const char *key);
/* The first entry whose key is >= key (of a prefix: its first entry), or NULL. */
struct mu_omap_entry *mu_omap_lower_bound(const struct mu_omap *m, const char *key);
/* The first entry whose key is > key, or NULL. */
struct mu_omap_entry *mu_omap_upper_bound(const struct mu_omap *m, const char *key);

/* mu_omap_foreach (e, &map) { e->key, e->value } The map must not change inside. */
#define mu_omap_foreach(e, m)                                                            \
    for (struct mu_omap_entry *e = (m)->first; e != NULL; e = e->next)
/* The same; the current entry may be removed inside. */
#define mu_omap_foreach_safe(e, m)                                                       \
    for (struct mu_omap_entry *e = (m)->first, *e##_next = e != NULL ? e->next : NULL;   \
         e != NULL; e = e##_next, e##_next = e != NULL ? e->next : NULL)

#endif
