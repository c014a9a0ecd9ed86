/* Hash map from text to pointer, iterated in the order of insertion.
 *
 * Keys are copied; values belong to the caller and are never NULL. The order of iteration
 * never depends on hashes or addresses, so the map may be used in logic. Putting under an
 * existing key keeps that key's place. get, put and remove are O(1). A zeroed struct is
 * an empty map (seed 0).
 */
#ifndef MU_BASE_MAP_H
#define MU_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct mu_map_entry {
    void *value;
    struct mu_map_entry *next, *prev; /* insertion order */
    struct mu_map_entry *chain;       /* same bucket */
    uint64_t hash;
    char key[];
};

struct mu_map {
    struct mu_map_entry **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
    struct mu_map_entry *first, *last;
    uint64_t seed;
};

void mu_map_init(struct mu_map *m, uint64_t seed);
/* Forgets all entries; values are the caller's to free, before. Leaves an empty map. */
void mu_map_release(struct mu_map *m);
/* The value, or NULL. */
void *mu_map_get(const struct mu_map *m, const char *key);
void *mu_map_get_len(const struct mu_map *m, const char *key, size_t len);
/* Store value (not NULL) under key; returns the value that was there before, or NULL. */
void *mu_map_put(struct mu_map *m, const char *key, void *value);
/* Take the entry out; returns its value, or NULL if there was none. */
void *mu_map_remove(struct mu_map *m, const char *key);

/* mu_map_foreach (e, &map) { e->key, e->value } The map must not change inside. */
#define mu_map_foreach(e, m)                                                             \
    for (struct mu_map_entry *e = (m)->first; e != NULL; e = e->next)
/* The same; the current entry may be removed inside, others may be put. */
#define mu_map_foreach_safe(e, m)                                                        \
    for (struct mu_map_entry *e = (m)->first, *e##_next = e != NULL ? e->next : NULL;    \
         e != NULL; e = e##_next, e##_next = e != NULL ? e->next : NULL)

#endif
