/* From a batch of the core to operations of ZooKeeper. Pure.
 *
 * A batch is one multi-operation, so it is atomic; ZooKeeper takes no request of 1 MiB.
 * What is too big goes into chunks, written before and checked in the multi-operation.
 */
#ifndef ZKR_PLAN_H
#define ZKR_PLAN_H

#include "entries.h"
#include "zk/session.h"

struct zkr_plan {          /* paths and data are owned */
    struct zks_op *chunks; /* creates, one request each, before the rest */
    size_t chunk_count;
    struct zks_op *ops; /* ops[0] is for the writer's node: see zkr_plan_fence */
    size_t count;
    size_t bytes;
};

/* Entries are changed as if the batch had succeeded. -E2BIG: it does not fit into one
 * multi-operation even so; then nothing was changed. set: unique, begins the chunks'
 * names. */
int zkr_plan_make(struct zkr_plan *out_plan,
                  const char *root,
                  struct zkr_entries *entries,
                  const struct mu_registry_op *ops,
                  size_t count,
                  const char *set,
                  struct mu_error *err);
void zkr_plan_release(struct zkr_plan *p);

#endif
