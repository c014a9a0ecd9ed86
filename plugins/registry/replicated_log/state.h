/* What a log's records add up to: the map and the epoch of its writer. Pure. */
#ifndef RLOG_STATE_H
#define RLOG_STATE_H

#include <muster/buf.h>

#include "map.h"

struct rlog_state {
    struct rlog_map map;
    uint64_t epoch; /* of the newest writer; 0: none yet */
};

/* A zeroed struct is an empty state. */
void rlog_state_release(struct rlog_state *s);
/* Add one record of the log. What is of an earlier epoch than the last epoch record
 * changes nothing. Errors: as of rlog_decode, and MU_E_CORRUPT for a batch of an epoch
 * that has not begun. */
MU_NODISCARD int rlog_state_replay(struct rlog_state *s,
                                   const void *data,
                                   size_t len,
                                   struct mu_error *err);
void rlog_state_apply(struct rlog_state *s,
                      const struct mu_registry_op *ops,
                      size_t count);

/* The state as records that replay to it. */
struct rlog_snapshot {
    struct mu_buf bytes; /* all records, one behind the other */
    struct mu_slice *records;
    size_t count;
};
void rlog_snapshot_init(struct rlog_snapshot *out, const struct rlog_state *s);
void rlog_snapshot_release(struct rlog_snapshot *s);

#endif
