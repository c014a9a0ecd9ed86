/* One registry store as the drivers use it: recover under an epoch, then commits;
 * generations tell late answers of a dropped leadership from current ones.
 *
 * The callbacks of a store that was dropped (rt_store_drop) are swallowed here, so a
 * driver never sees an answer to a question of an earlier leadership. Loop thread.
 */
#ifndef MU_RUNTIME_STORE_H
#define MU_RUNTIME_STORE_H

#include <muster/kind/registry.h>

struct rt_store;

struct rt_store_events {
    void (*entry)(void *arg, const char *key, const void *value, size_t len);
    void (*recovered)(void *arg, int status, const char *text);
    void (*committed)(void *arg, uint64_t token, int status, const char *text);
    void (*fenced)(void *arg); /* only while the last recovery's epoch is in use */
};

/* Is this the error of a registry that cannot be reached for now, which another try (or
 * another master) may find there again? */
bool rt_store_is_away(int status);

struct rt_store *rt_store_create(const struct mu_host *host,
                                 const struct mu_registry_ops *ops,
                                 void *instance,
                                 const char *name,
                                 const struct rt_store_events *events,
                                 void *arg);
/* Open (if need be) and recover; `recovered` follows, also for an error at once. */
void rt_store_recover(struct rt_store *s, uint64_t epoch);
void rt_store_commit(struct rt_store *s,
                     const struct mu_registry_op *ops,
                     size_t count,
                     uint64_t token);
/* Answers under way are no longer of interest; the registry's store is closed. */
void rt_store_drop(struct rt_store *s);
void rt_store_stop(struct rt_store *s, mu_cb cb, void *arg);
void rt_store_destroy(struct rt_store *s);

#endif
