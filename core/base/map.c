/* Hash map with chained buckets and a list through all entries in insertion order.
 *
 * One allocation per entry holds the links, the value and the key. The table doubles when
 * it holds as many entries as buckets; it never shrinks before release. The hash is
 * keyed by the map's seed, so keys that come from outside cannot be made to collide.
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"

void mu_map_init(struct mu_map *m, uint64_t seed)
{
    *m = (struct mu_map){.seed = seed};
}

void mu_map_release(struct mu_map *m)
{
    struct mu_map_entry *e = m->first;
    while (e != NULL) {
        struct mu_map_entry *next = e->next;
        free(e);
        e = next;
    }
    free(m->buckets);
    *m = (struct mu_map){.seed = m->seed};
}

/* The link that points to the entry, or to the NULL at the end of its bucket. */
static struct mu_map_entry **
find_link(const struct mu_map *m, uint64_t hash, const char *key, size_t len)
{
    struct mu_map_entry **link = &m->buckets[hash & (m->bucket_count - 1)];
    while (*link != NULL) {
        const struct mu_map_entry *e = *link;
        if (e->hash == hash && strncmp(e->key, key, len) == 0 && e->key[len] == '\0') {
            break;
        }
        link = &(*link)->chain;
    }
    return link;
}

void *mu_map_get_len(const struct mu_map *m, const char *key, size_t len)
{
    if (m->count == 0) {
        return NULL;
    }
    const struct mu_map_entry *e = *find_link(m, mu_hash64(m->seed, key, len), key, len);
    return e != NULL ? e->value : NULL;
}

void *mu_map_get(const struct mu_map *m, const char *key)
{
    return mu_map_get_len(m, key, strlen(key));
}

static void grow(struct mu_map *m)
{
    size_t count = m->bucket_count > 0 ? m->bucket_count * 2 : 16;
    struct mu_map_entry **buckets = mu_xcalloc(count, sizeof(struct mu_map_entry *));
    for (struct mu_map_entry *e = m->first; e != NULL; e = e->next) {
        struct mu_map_entry **bucket = &buckets[e->hash & (count - 1)];
        e->chain = *bucket;
        *bucket = e;
    }
    free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
}

void *mu_map_put(struct mu_map *m, const char *key, void *value)
{
    MU_PRE(value != NULL);
    size_t len = strlen(key);
    uint64_t hash = mu_hash64(m->seed, key, len);
    if (m->bucket_count > 0) {
        struct mu_map_entry *old = *find_link(m, hash, key, len);
        if (old != NULL) {
            void *before = old->value;
            old->value = value;
            return before;
        }
    }
    if (m->count >= m->bucket_count) {
        grow(m);
    }
    struct mu_map_entry *e = mu_xalloc(sizeof(*e) + len + 1);
    struct mu_map_entry **bucket = &m->buckets[hash & (m->bucket_count - 1)];
    *e = (struct mu_map_entry){
        .value = value, .prev = m->last, .chain = *bucket, .hash = hash};
    memcpy(e->key, key, len + 1);
    *bucket = e;
    if (m->last != NULL) {
        m->last->next = e;
    } else {
        m->first = e;
    }
    m->last = e;
    m->count++;
    return NULL;
}

void *mu_map_remove(struct mu_map *m, const char *key)
{
    if (m->count == 0) {
        return NULL;
    }
    size_t len = strlen(key);
    struct mu_map_entry **link = find_link(m, mu_hash64(m->seed, key, len), key, len);
    struct mu_map_entry *e = *link;
    if (e == NULL) {
        return NULL;
    }
    *link = e->chain;
    if (e->prev != NULL) {
        e->prev->next = e->next;
    } else {
        m->first = e->next;
    }
    if (e->next != NULL) {
        e->next->prev = e->prev;
    } else {
        m->last = e->prev;
    }
    m->count--;
    void *value = e->value;
    free(e);
    return value;
}
