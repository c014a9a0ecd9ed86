/* See state.h. */
#include "state.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec.h"

#ifndef SNAPSHOT_RECORD_BYTES                /* a simulation makes it small */
#define SNAPSHOT_RECORD_BYTES (1024u * 1024) /* a record is ended once it is longer */
#endif

void rlog_state_release(struct rlog_state *s)
{
    rlog_map_release(&s->map);
    s->epoch = 0;
}

void rlog_state_apply(struct rlog_state *s,
                      const struct mu_registry_op *ops,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].value == NULL) {
            rlog_map_delete(&s->map, ops[i].key);
        } else {
            rlog_map_put(&s->map, ops[i].key, ops[i].value, ops[i].value_len);
        }
    }
}

int rlog_state_replay(struct rlog_state *s,
                      const void *data,
                      size_t len,
                      struct mu_error *err)
{
    struct rlog_record r;
    int rc = rlog_decode(data, len, &r, err);
    if (rc < 0) {
        return rc;
    }
    if (r.kind == RLOG_BATCH && r.epoch > s->epoch) {
        return mu_fail(err, MU_E_CORRUPT,
                       "a batch of epoch %" PRIu64 " stands behind epoch %" PRIu64,
                       r.epoch, s->epoch);
    }
    if (r.epoch < s->epoch) {
        return 0; /* fenced: its writer has been told nothing, or that it is unknown */
    }
    s->epoch = r.epoch;
    struct mu_registry_op op;
    while (rlog_next_op(&r, &op)) {
        rlog_state_apply(s, &op, 1);
    }
    return 0;
}

struct builder {
    struct rlog_snapshot *out;
    uint64_t epoch;
    size_t *starts; /* of the records in out->bytes; the last one is open */
    size_t head_at; /* of the open batch */
    uint32_t ops;   /* in the open batch */
};

static void begin_record(struct builder *b)
{
    b->starts[b->out->count++] = b->out->bytes.len;
}

static void end_batch(struct builder *b)
{
    if (b->ops > 0) {
        rlog_set_batch_count(b->out->bytes.data + b->head_at, b->ops);
        b->ops = 0;
    }
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct builder *b = arg;
    struct mu_buf *bytes = &b->out->bytes;
    if (b->ops > 0 && bytes->len - b->head_at > SNAPSHOT_RECORD_BYTES) {
        end_batch(b);
    }
    if (b->ops == 0) {
        begin_record(b);
        b->head_at = bytes->len;
        rlog_encode_batch_head(bytes, b->epoch, 0);
    }
    const struct mu_registry_op op = {key, value, len};
    rlog_encode_op(bytes, &op);
    b->ops++;
}

void rlog_snapshot_init(struct rlog_snapshot *out, const struct rlog_state *s)
{
    /* The epoch, and batches of which each but the last is longer than this. */
    size_t records_max = 2 + (size_t)(s->map.live_bytes / (SNAPSHOT_RECORD_BYTES / 2));
    *out = (struct rlog_snapshot){0};
    mu_buf_init(&out->bytes,
                (size_t)s->map.live_bytes + records_max * RLOG_BATCH_HEAD_BYTES);
    struct builder b = {.out = out, .epoch = s->epoch};
    b.starts = rlog_allocate((records_max + 1) * sizeof(*b.starts));
    begin_record(&b);
    rlog_encode_epoch(&out->bytes, s->epoch);
    rlog_map_each(&s->map, on_entry, &b);
    end_batch(&b);
    b.starts[out->count] = out->bytes.len;
    out->records = rlog_allocate(out->count * sizeof(*out->records));
    for (size_t i = 0; i < out->count; i++) {
        out->records[i] = (struct mu_slice){out->bytes.data + b.starts[i],
                                            b.starts[i + 1] - b.starts[i]};
    }
    free(b.starts);
}

void rlog_snapshot_release(struct rlog_snapshot *s)
{
    mu_buf_release(&s->bytes);
    free(s->records);
    *s = (struct rlog_snapshot){0};
}
