/* The registry's ordered map: keys to bytes, in strcmp order. Pure, owns copies.
 *
 * It also counts what its content takes as records of the log, so that the log knows when
 * most of it is dead.
 */
#ifndef RLOG_MAP_H
#define RLOG_MAP_H

#include <muster/kind/registry.h>

struct rlog_map {
    void *root;          /* of tsearch */
    uint64_t live_bytes; /* of all entries as encoded put operations */
    size_t count;
};

/* A zeroed struct is an empty map. */
void rlog_map_release(struct rlog_map *m);
/* value is not NULL. */
void rlog_map_put(struct rlog_map *m, const char *key, const void *value, size_t len);
void rlog_map_delete(struct rlog_map *m, const char *key);
/* In key order; the map must not change inside. */
void rlog_map_each(const struct rlog_map *m, mu_registry_entry_cb cb, void *arg);

/* Zeroed. For what is bounded by the registry's limits: out of memory ends the process.
 */
void *rlog_allocate(size_t size);

#endif
