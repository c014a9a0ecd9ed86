/* The pure part of registry replicated_log: records, what they add up to, snapshots. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../plugins/registry/replicated_log/codec.h"
#include "../../../plugins/registry/replicated_log/state.h"
#include "base/alloc.h"
#include "base/prng.h"

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct mu_buf *b = arg;
    mu_buf_puts(b, key);
    mu_buf_putc(b, '=');
    mu_buf_append(b, value, len);
    mu_buf_putc(b, ';');
}

static char *dump(const struct rlog_state *s)
{
    struct mu_buf b;
    mu_buf_init(&b, 64 * 1024 * 1024);
    mu_buf_printf(&b, "%d:", (int)s->epoch);
    rlog_map_each(&s->map, on_entry, &b);
    return mu_buf_take(&b);
}

static int replay(struct rlog_state *s, const struct mu_buf *b)
{
    struct mu_error err;
    return rlog_state_replay(s, b->data, b->len, &err);
}

static const struct mu_registry_op some_ops[] = {
    {"b", "2", 1}, {"a", "", 0}, {"b", NULL, 0}, {"c/d", "x\0y", 3}};

static void some_batch(struct mu_buf *b, uint64_t epoch)
{
    mu_buf_init(b, 4096);
    rlog_encode_batch_head(b, epoch, MU_COUNT_OF(some_ops));
    for (size_t i = 0; i < MU_COUNT_OF(some_ops); i++) {
        rlog_encode_op(b, &some_ops[i]);
    }
}

static void batch_comes_back_as_it_was(void **state)
{
    (void)state;
    struct mu_buf b;
    struct rlog_record r;
    struct mu_error err;
    some_batch(&b, 0x1122334455667788u);
    assert_int_equal(rlog_decode(b.data, b.len, &r, &err), 0);
    assert_int_equal(r.kind, RLOG_BATCH);
    assert_true(r.epoch == 0x1122334455667788u);
    struct mu_registry_op op;
    for (size_t i = 0; i < MU_COUNT_OF(some_ops); i++) {
        assert_true(rlog_next_op(&r, &op));
        assert_string_equal(op.key, some_ops[i].key);
        assert_int_equal(op.value == NULL, some_ops[i].value == NULL);
        assert_int_equal(op.value_len, some_ops[i].value_len);
        if (op.value != NULL) {
            assert_memory_equal(op.value, some_ops[i].value, op.value_len);
        }
    }
    assert_false(rlog_next_op(&r, &op));
    mu_buf_release(&b);
}

static void cut_or_lengthened_batch_is_refused(void **state)
{
    (void)state;
    struct mu_buf b;
    struct rlog_record r;
    struct mu_error err;
    some_batch(&b, 1);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(rlog_decode(b.data, len, &r, &err), MU_E_CORRUPT);
    }
    mu_buf_putc(&b, 'P');
    assert_int_equal(rlog_decode(b.data, b.len, &r, &err), MU_E_CORRUPT);
    mu_buf_release(&b);
}

static void flipped_bytes_are_refused_or_read_within_bounds(void **state)
{
    (void)state;
    struct mu_buf b;
    struct mu_error err;
    some_batch(&b, 1);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        uint8_t *copy = mu_xmemdup(b.data, b.len); /* exact, so that ASan sees overruns */
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct rlog_state s = {.epoch = 1};
        int rc = rlog_state_replay(&s, copy, b.len, &err);
        assert_true(rc == 0 || rc == MU_E_CORRUPT || rc == MU_E_UNSUPPORTED);
        rlog_state_release(&s);
        free(copy);
    }
    mu_buf_release(&b);
}

static void what_is_of_an_earlier_epoch_changes_nothing(void **state)
{
    (void)state;
    struct rlog_state s = {.epoch = 0};
    struct mu_buf epoch;
    struct mu_buf batch;
    mu_buf_init(&epoch, 64);
    rlog_encode_epoch(&epoch, 5);
    some_batch(&batch, 4);
    assert_int_equal(replay(&s, &epoch), 0);
    assert_int_equal(replay(&s, &batch), 0);
    assert_int_equal(s.map.count, 0);
    mu_buf_release(&batch);
    some_batch(&batch, 6); /* of one that has not begun */
    assert_int_equal(replay(&s, &batch), MU_E_CORRUPT);
    mu_buf_clear(&epoch);
    rlog_encode_epoch(&epoch, 4);
    assert_int_equal(replay(&s, &epoch), 0);
    assert_int_equal(s.epoch, 5);
    assert_int_equal(s.map.count, 0);
    mu_buf_release(&epoch);
    mu_buf_release(&batch);
    rlog_state_release(&s);
}

static void map_counts_what_its_content_takes(void **state)
{
    (void)state;
    struct rlog_map m = {0};
    rlog_map_put(&m, "key", "value", 5);
    assert_int_equal(m.live_bytes, RLOG_OP_BYTES(3, 5));
    rlog_map_put(&m, "key", "v", 1);
    rlog_map_put(&m, "other", "", 0);
    assert_int_equal(m.live_bytes, RLOG_OP_BYTES(3, 1) + RLOG_OP_BYTES(5, 0));
    assert_int_equal(m.count, 2);
    rlog_map_delete(&m, "key");
    rlog_map_delete(&m, "key");
    rlog_map_delete(&m, "other");
    assert_int_equal(m.live_bytes, 0);
    assert_int_equal(m.count, 0);
    rlog_map_release(&m);
}

static void random_state(struct rlog_state *s, struct mu_prng *p, size_t ops, size_t max)
{
    char *value = mu_xcalloc(1, max);
    s->epoch = mu_prng_below(p, 1000);
    for (size_t i = 0; i < ops; i++) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", (int)mu_prng_below(p, 500));
        size_t len = mu_prng_below(p, max + 1);
        memset(value, (int)('a' + i % 26), len);
        const struct mu_registry_op op = {key, mu_prng_below(p, 4) == 0 ? NULL : value,
                                          len};
        rlog_state_apply(s, &op, 1);
    }
    free(value);
}

static void snapshot_replays_to_the_same_state(void **state)
{
    (void)state;
    struct mu_prng p;
    mu_prng_seed(&p, 1);
    static const size_t sizes[] = {0, 1, 50, 5000, 100000};
    for (size_t i = 0; i < MU_COUNT_OF(sizes); i++) {
        struct rlog_state from = {.epoch = 0};
        struct rlog_state to = {.epoch = 0};
        struct rlog_snapshot snapshot;
        struct mu_error err;
        random_state(&from, &p, i == 0 ? 0 : 300, sizes[i]);
        rlog_snapshot_init(&snapshot, &from);
        for (size_t k = 0; k < snapshot.count; k++) {
            const struct mu_slice *r = &snapshot.records[k];
            assert_true(r->len < 3 * 1024 * 1024);
            assert_int_equal(rlog_state_replay(&to, r->data, r->len, &err), 0);
        }
        mu_auto_free char *a = dump(&from);
        mu_auto_free char *b = dump(&to);
        assert_string_equal(a, b);
        assert_int_equal(from.map.live_bytes, to.map.live_bytes);
        assert_true(sizes[i] < 100000 || snapshot.count > 5);
        rlog_snapshot_release(&snapshot);
        rlog_state_release(&from);
        rlog_state_release(&to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_comes_back_as_it_was),
        cmocka_unit_test(cut_or_lengthened_batch_is_refused),
        cmocka_unit_test(flipped_bytes_are_refused_or_read_within_bounds),
        cmocka_unit_test(what_is_of_an_earlier_epoch_changes_nothing),
        cmocka_unit_test(map_counts_what_its_content_takes),
        cmocka_unit_test(snapshot_replays_to_the_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
