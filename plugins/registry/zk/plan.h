/* From a batch of the core to operations of ZooKeeper. Pure.
 *
 * A batch is one multi-operation, so it is atomic; ZooKeeper takes no request of 1 MiB.
 * What is too big goes into chunks, written before and checked in the multi-operation.
 */
#ifndef ZKR_PLAN_H
#define ZKR_PLAN_H

#include "entries.h"
#include "zk/session.h"

/* What the sender completes: the versions of these two nodes, and the number. */
enum { ZKR_PLAN_FENCE, ZKR_PLAN_LAST, ZKR_PLAN_OWN };

struct zkr_plan {          /* paths and data are owned */
    struct zks_op *chunks; /* creates, one request each, before the rest */
    size_t chunk_count;
    struct zks_op *ops; /* the first two are ZKR_PLAN_FENCE and _LAST */
    size_t count;
    size_t bytes; /* of memory */
};

/* Entries are changed as if the batch had succeeded. -E2BIG: it does not fit into one
 * multi-operation even so; then nothing was changed. set: unique, begins the chunks'
 * names; it is never used again. */
int zkr_plan_make(struct zkr_plan *out_plan,
                  const char *root,
                  struct zkr_entries *entries,
                  const struct mu_registry_op *ops,
                  size_t count,
                  const char *set,
                  struct mu_error *err);
void zkr_plan_release(struct zkr_plan *p);

#endif
