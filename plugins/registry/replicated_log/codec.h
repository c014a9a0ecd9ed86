/* The records of the log: an epoch, or a batch of operations made under one. Pure.
 *
 * Integers are little-endian; texts carry their NUL, so that decoding lends them.
 *   epoch: 'E' epoch:u64
 *   batch: 'B' epoch:u64 count:u32 op...
 *   op:    'P' key_size:u16 value_len:u32 key value  |  'D' key_size:u16 zero:u32 key
 */
#ifndef RLOG_CODEC_H
#define RLOG_CODEC_H

#include <muster/buf.h>
#include <muster/kind/registry.h>

#define RLOG_EPOCH_BYTES 9u
#define RLOG_BATCH_HEAD_BYTES 13u
#define RLOG_BATCH_MAX (MU_JOURNAL_RECORD_MAX - 1024u) /* with what stands around it */
#define RLOG_OP_BYTES(key_len, value_len) (7u + (key_len) + 1u + (value_len))

enum rlog_kind { RLOG_EPOCH = 'E', RLOG_BATCH = 'B' };

/* What a record says; borrows from its bytes. */
struct rlog_record {
    enum rlog_kind kind;
    uint64_t epoch;
    uint32_t ops_left;
    const uint8_t *at; /* of the next operation */
    size_t len;
};

/* Each appends to b; an overflow is b's. Keys and values are within the limits. */
void rlog_encode_epoch(struct mu_buf *b, uint64_t epoch);
void rlog_encode_batch_head(struct mu_buf *b, uint64_t epoch, uint32_t count);
void rlog_encode_op(struct mu_buf *b, const struct mu_registry_op *op);
/* Correct the count of the batch that begins at record. */
void rlog_set_batch_count(char *record, uint32_t count);

/* Check the whole record, operations included. Errors: MU_E_CORRUPT; MU_E_UNSUPPORTED (a
 * kind that this version does not know). */
MU_NODISCARD int
rlog_decode(const void *data, size_t len, struct rlog_record *out, struct mu_error *err);
/* The next operation of a decoded batch; false when there is none left. */
bool rlog_next_op(struct rlog_record *r, struct mu_registry_op *out);

#endif
