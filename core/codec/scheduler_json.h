/* The app scheduler's registry records (core/scheduler/scheduler.h): their keys and their
 * JSON values. */
#ifndef MU_CODEC_SCHEDULER_JSON_H
#define MU_CODEC_SCHEDULER_JSON_H

#include <muster/kind/registry.h>

#include "codec/json_util.h"
#include "scheduler/scheduler.h"

void scheduler_record_key(const struct scheduler_record *rec, struct mu_buf *out);
void scheduler_record_encode(struct mu_buf *out, const struct scheduler_record *rec);
/* The kind is told by the key. MU_E_INVALID for a key or value that is none of ours. */
MU_NODISCARD int scheduler_record_decode(const char *key,
                                         const void *data,
                                         size_t len,
                                         struct scheduler_record *out,
                                         struct mu_error *err);

#endif
