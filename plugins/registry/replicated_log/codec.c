/* See codec.h. */
#include "codec.h"

#include <string.h>

#define OP_HEAD_BYTES 7u
#define COUNT_AT 9u /* in a batch */

static void put_number(struct mu_buf *b, uint64_t v, unsigned bytes)
{
    char out[8];
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (char)(uint8_t)(v >> (8 * i));
    }
    (void)mu_buf_append(b, out, bytes); /* overflow is sticky */
}

static uint64_t get_number(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

void rlog_encode_epoch(struct mu_buf *b, uint64_t epoch)
{
    put_number(b, RLOG_EPOCH, 1);
    put_number(b, epoch, 8);
}

void rlog_encode_batch_head(struct mu_buf *b, uint64_t epoch, uint32_t count)
{
    put_number(b, RLOG_BATCH, 1);
    put_number(b, epoch, 8);
    put_number(b, count, 4);
}

void rlog_set_batch_count(char *record, uint32_t count)
{
    for (unsigned i = 0; i < 4; i++) {
        record[COUNT_AT + i] = (char)(uint8_t)(count >> (8 * i));
    }
}

void rlog_encode_op(struct mu_buf *b, const struct mu_registry_op *op)
{
    size_t key_size = strlen(op->key) + 1;
    bool is_put = op->value != NULL;
    put_number(b, is_put ? 'P' : 'D', 1);
    put_number(b, key_size, 2);
    put_number(b, is_put ? op->value_len : 0, 4);
    (void)mu_buf_append(b, op->key, key_size); /* overflow is sticky */
    if (is_put) {
        (void)mu_buf_append(b, op->value, op->value_len);
    }
}

/* The operation at p. Returns its bytes, or 0 if there is no valid one. */
static size_t read_op(const uint8_t *p, size_t len, struct mu_registry_op *out)
{
    if (len < OP_HEAD_BYTES || (p[0] != 'P' && p[0] != 'D')) {
        return 0;
    }
    size_t key_size = (size_t)get_number(p + 1, 2);
    size_t value_len = (size_t)get_number(p + 3, 4);
    size_t left = len - OP_HEAD_BYTES;
    if (key_size < 2 || key_size > left || value_len > left - key_size ||
        key_size > MU_REGISTRY_KEY_MAX + 1 || value_len > MU_REGISTRY_VALUE_MAX ||
        (p[0] == 'D' && value_len > 0)) {
        return 0;
    }
    const uint8_t *key = p + OP_HEAD_BYTES;
    if (memchr(key, '\0', key_size) != key + key_size - 1) {
        return 0;
    }
    *out = (struct mu_registry_op){
        .key = (const char *)key,
        .value = p[0] == 'P' ? key + key_size : NULL,
        .value_len = value_len,
    };
    return OP_HEAD_BYTES + key_size + value_len;
}

bool rlog_next_op(struct rlog_record *r, struct mu_registry_op *out)
{
    if (r->ops_left == 0) {
        return false;
    }
    size_t bytes = read_op(r->at, r->len, out);
    r->ops_left--;
    r->at += bytes;
    r->len -= bytes;
    return true;
}

int rlog_decode(const void *data,
                size_t len,
                struct rlog_record *out,
                struct mu_error *err)
{
    const uint8_t *p = data;
    if (len < RLOG_EPOCH_BYTES) {
        return mu_fail(err, MU_E_CORRUPT, "a record of %zu bytes is too short", len);
    }
    uint64_t epoch = get_number(p + 1, 8);
    if (p[0] == RLOG_EPOCH && len == RLOG_EPOCH_BYTES) {
        *out = (struct rlog_record){.kind = RLOG_EPOCH, .epoch = epoch};
        return 0;
    }
    if (p[0] != RLOG_BATCH) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "a record of kind %u: written by a later version", (unsigned)p[0]);
    }
    if (len < RLOG_BATCH_HEAD_BYTES) {
        return mu_fail(err, MU_E_CORRUPT, "a batch of %zu bytes is too short", len);
    }
    struct rlog_record r = {
        .kind = RLOG_BATCH,
        .epoch = epoch,
        .ops_left = (uint32_t)get_number(p + COUNT_AT, 4),
        .at = p + RLOG_BATCH_HEAD_BYTES,
        .len = len - RLOG_BATCH_HEAD_BYTES,
    };
    size_t at = 0;
    for (uint32_t i = 0; i < r.ops_left; i++) {
        struct mu_registry_op op;
        size_t bytes = read_op(r.at + at, r.len - at, &op);
        if (bytes == 0) {
            return mu_fail(err, MU_E_CORRUPT, "operation %u of a batch is not valid", i);
        }
        at += bytes;
    }
    if (at != r.len) {
        return mu_fail(err, MU_E_CORRUPT, "%zu bytes behind a batch", r.len - at);
    }
    *out = r;
    return 0;
}
