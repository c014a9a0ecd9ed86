/* See zkr_kit.h. */
#include "unit/zk_registry/zkr_kit.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/buf.h>
#include <muster/plugin.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/flag_values.h"

#define MINUTE_MS 60000u
#define BATCHES_MAX 4096u

extern const struct mu_plugin mu_plugin;

static const struct mu_registry_ops *ops_of(void)
{
    return mu_plugin.ops;
}

/* ---- the model ---- */

/* Values are compared by length and hash: big ones are many. */
static char *text_of(const void *value, size_t len)
{
    uint64_t h = 14695981039346656037u, word = 0;
    for (size_t i = 0; i < len; i += sizeof(word)) {
        memcpy(&word, (const char *)value + i,
               len - i < sizeof(word) ? len - i : sizeof(word));
        h = (h ^ word) * 1099511628211u;
    }
    return mu_xasprintf("%zu:%" PRIx64, len, h);
}

static void model_put(struct zkr_kit *k, const struct mu_registry_op *op)
{
    free(op->value == NULL
             ? mu_omap_remove(&k->model, op->key)
             : mu_omap_put(&k->model, op->key, text_of(op->value, op->value_len)));
}

static char *model_text(const struct zkr_kit *k)
{
    struct mu_buf b;
    mu_buf_init(&b, 1u << 24);
    mu_omap_foreach (e, &k->model) {
        mu_buf_printf(&b, "%s=%s;", e->key, (const char *)e->value);
    }
    return mu_buf_take(&b);
}

/* ---- what is written ---- */

/* The batch whose own entry is created there, or NULL. */
static struct kit_batch *batch_of(const struct zkr_kit *k, const struct world_request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        char key[MU_REGISTRY_KEY_MAX + 1];
        if (r->ops[i].kind == ZKS_OP_CREATE &&
            zkr_key_parse(strrchr(r->ops[i].path, '/') + 1, key) &&
            strncmp(key, "n/", 2) == 0) {
            size_t number = strtoul(key + 2, NULL, 10);
            assert_true(number < k->count);
            return k->batches[number];
        }
    }
    return NULL;
}

static void batch_is_done(struct zkr_kit *k, struct kit_batch *b)
{
    assert_false(b->is_done); /* once */
    b->is_done = true;
    for (size_t i = 0; i < b->count; i++) {
        model_put(k, &b->ops[i]);
    }
}

/* What the request sets this node to, or NULL. */
static const struct world_op *setting_of(const struct world_request *r, const char *node)
{
    const struct world_op *found = NULL;
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->ops[i].path, node) == 0 && r->ops[i].kind != ZKS_OP_DELETE &&
            r->ops[i].kind != ZKS_OP_CHECK) {
            found = &r->ops[i];
        }
    }
    return found;
}

static void is_taken(struct zkr_kit *k, const struct zkr_fence *f)
{
    assert_true(f->epoch >= k->fence.epoch);
    assert_int_not_equal(f->taking, k->fence.taking);
    char taking[24];
    snprintf(taking, sizeof(taking), "%" PRIu64, f->taking);
    assert_null(mu_omap_put(&k->taken, taking, model_text(k)));
    k->fence = *f;
}

/* By whom: only the writer that has the store may. */
static void is_written(struct zkr_kit *k, struct kit_batch *b, uint64_t number)
{
    assert_non_null(b);
    assert_int_equal(number, k->last + 1);
    assert_true(b->taking == k->fence.taking);
    k->last = number;
    batch_is_done(k, b);
}

static void on_written(void *arg, const struct world_request *r)
{
    struct zkr_kit *k = arg;
    const struct world_op *fence = setting_of(r, KIT_ROOT "/fence");
    const struct world_op *last = setting_of(r, KIT_ROOT "/last");
    struct kit_batch *b = batch_of(k, r);
    struct mu_error err;
    struct zkr_fence f;
    uint64_t number;
    if (fence != NULL && fence->len > 0) { /* not just made */
        assert_int_equal(zkr_fence_parse(fence->data, fence->len, &f, &err), 0);
        is_taken(k, &f);
    }
    if (last != NULL && last->len > 0) {
        assert_int_equal(zkr_last_parse(last->data, last->len, &number, &err), 0);
        is_written(k, b, number);
    } else {
        assert_null(b);
    }
}

/* ---- answers ---- */

static void on_committed(void *arg, int status, const char *text)
{
    struct kit_batch *b = arg;
    struct kit_writer *w = &b->kit->writers[b->writer];
    assert_int_equal(b->status, KIT_PENDING); /* exactly once */
    assert_true(status == 0 || text != NULL);
    while (b->kit->batches[w->next]->writer != b->writer) {
        w->next++;
    }
    assert_int_equal(w->next, b->number); /* in the order of asking */
    w->next++;
    b->status = status;
    b->text = mu_xstrdup(text);
    if (status == 0) {
        assert_true(b->is_done);
    } else if (status == MU_E_FENCED) {
        assert_false(b->is_done);
    }
    if (b->kit->answered != NULL) {
        b->kit->answered(b);
    }
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct kit_writer *w = arg;
    assert_int_equal(w->recovered, KIT_PENDING);
    mu_auto_free char *text = text_of(value, len);
    mu_buf_printf(&w->entries, "%s=%s;", key, text);
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct kit_writer *w = arg;
    assert_int_equal(w->recovered, KIT_PENDING);
    w->recovered = status;
    free(w->text);
    w->text = mu_xstrdup(text);
    if (status == 0) {
        char taking[24];
        snprintf(taking, sizeof(taking), "%" PRIu64, w->store->taking);
        assert_string_equal(mu_buf_str(&w->entries), mu_omap_get(&w->kit->taken, taking));
    }
    if (w->then != NULL) {
        w->then(w);
    }
}

static void on_fenced(void *arg)
{
    struct kit_writer *w = arg;
    w->fenced++;
}

static const struct mu_registry_events events = {on_fenced};

/* ---- for the tests ---- */

static void open_writer(struct zkr_kit *k, size_t number)
{
    struct kit_writer *w = &k->writers[number];
    struct mu_error err;
    w->kit = k;
    mu_buf_init(&w->entries, 1u << 24);
    assert_int_equal(mu_plugin.create(&k->world.host, k->flags, &w->instance, &err), 0);
    assert_int_equal(mu_plugin.start(w->instance, &err), 0);
    assert_int_equal(ops_of()->open(w->instance, "master", &events, w, &w->store, &err),
                     0);
    w->session = w->store->session;
}

void kit_open(struct zkr_kit *k, uint64_t seed, size_t writers)
{
    struct mu_error err;
    *k = (struct zkr_kit){.writer_count = writers};
    world_open(&k->world, seed);
    k->world.on_written = on_written;
    k->world.arg = k;
    mu_omap_init(&k->model);
    mu_omap_init(&k->taken);
    assert_int_equal(mu_flags_create(mu_plugin.flags, &k->flags, &err), 0);
    assert_int_equal(mu_flags_assign(k->flags, "zk", "zk://h:2181/mesos", &err), 0);
    for (size_t i = 0; i < writers; i++) {
        open_writer(k, i);
    }
}

void kit_recover(struct zkr_kit *k, size_t writer, uint64_t epoch)
{
    struct kit_writer *w = &k->writers[writer];
    struct mu_error err;
    w->epoch = epoch != 0 ? epoch : k->epoch + 1;
    k->epoch = w->epoch > k->epoch ? w->epoch : k->epoch;
    w->recovered = KIT_PENDING;
    w->fenced = 0;
    mu_buf_clear(&w->entries);
    assert_int_equal(
        ops_of()->recover(w->store, w->epoch, on_entry, on_recovered, w, &err), 0);
    assert_int_equal(w->recovered, KIT_PENDING); /* never inline */
}

static void copy_op(struct mu_registry_op *to, const struct mu_registry_op *op)
{
    *to = (struct mu_registry_op){
        .key = mu_xstrdup(op->key),
        .value = op->value == NULL ? NULL : mu_xmemdup(op->value, op->value_len),
        .value_len = op->value_len,
    };
}

static void batch_destroy(struct kit_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free((void *)(uintptr_t)b->ops[i].key);
        free((void *)(uintptr_t)b->ops[i].value);
    }
    free(b->ops);
    free(b->text);
    free(b);
}

struct kit_batch *kit_commit(struct zkr_kit *k,
                             size_t writer,
                             const struct mu_registry_op *ops,
                             size_t count,
                             struct mu_error *err)
{
    struct kit_batch *b = MU_NEW(struct kit_batch);
    *b = (struct kit_batch){.kit = k,
                            .number = k->count,
                            .writer = writer,
                            .taking = k->writers[writer].store->taking,
                            .count = count + 1,
                            .status = KIT_PENDING};
    b->ops = mu_xcalloc(b->count, sizeof(*b->ops));
    mu_auto_free char *own = mu_xasprintf("n/%zu", b->number);
    copy_op(&b->ops[0], &(struct mu_registry_op){own, "", 0});
    for (size_t i = 0; i < count; i++) {
        copy_op(&b->ops[i + 1], &ops[i]);
    }
    if (ops_of()->commit(k->writers[writer].store, b->ops, b->count, on_committed, b,
                         err) < 0) {
        batch_destroy(b);
        return NULL;
    }
    assert_int_equal(b->status, KIT_PENDING); /* never inline */
    MU_ASSERT(k->count < BATCHES_MAX);
    k->batches = mu_xrealloc_array(k->batches, k->count + 1, sizeof(*k->batches));
    k->batches[k->count++] = b;
    return b;
}

struct kit_batch *kit_put(struct zkr_kit *k, size_t writer, const char *key, size_t len)
{
    struct mu_error err = {.text = ""};
    mu_auto_free char *value = mu_xalloc(len + 1);
    memset(value, 'a' + (int)(k->count % 26), len + 1);
    const struct mu_registry_op op = {key, value, len};
    struct kit_batch *b = kit_commit(k, writer, &op, 1, &err);
    if (b == NULL) {
        fail_msg("%s", err.text);
    }
    return b;
}

void kit_settle(struct zkr_kit *k)
{
    world_settle(&k->world, k->world.now_ms + MINUTE_MS);
}

size_t kit_unanswered(const struct zkr_kit *k)
{
    size_t count = 0;
    for (size_t i = 0; i < k->count; i++) {
        count += k->batches[i]->status == KIT_PENDING;
    }
    return count;
}

void kit_count_chunks(const struct zkr_kit *k, size_t *out_named, size_t *out_all)
{
    *out_named = 0;
    *out_all = world_count_below(&k->world, KIT_ROOT "/chunks");
    mu_omap_foreach (e, &k->world.tree.nodes) {
        const char *data = world_data(&k->world, e->key);
        if (strncmp(e->key, KIT_ROOT "/b", strlen(KIT_ROOT "/b")) == 0 && data != NULL &&
            data[0] == 'C') {
            const char *value;
            struct zkr_ref ref;
            struct mu_error err;
            assert_int_equal(zkr_entry_parse(data, strlen(data), &value, &ref, &err), 0);
            *out_named += ref.count;
        }
    }
}

void kit_finish(struct zkr_kit *k)
{
    kit_settle(k);
    assert_int_equal(kit_unanswered(k), 0);
    kit_recover(k, 0, 0);
    kit_settle(k);
    assert_int_equal(k->writers[0].recovered, 0);
    mu_auto_free char *model = model_text(k);
    assert_string_equal(mu_buf_str(&k->writers[0].entries), model);
    for (size_t i = 0; i < k->count; i++) {
        const struct kit_batch *b = k->batches[i];
        assert_true(b->is_done || b->status != 0);
        assert_false(b->is_done && b->status == MU_E_FENCED);
    }
    size_t named, all;
    kit_count_chunks(k, &named, &all);
    assert_int_equal(all, named);
}

static void count_down(void *arg)
{
    --*(size_t *)arg;
}

void kit_close(struct zkr_kit *k)
{
    size_t open = k->writer_count;
    for (size_t i = 0; i < k->writer_count; i++) {
        mu_plugin.stop(k->writers[i].instance, count_down, &open);
    }
    assert_int_equal(open, k->writer_count); /* never inline */
    while (open > 0) {
        assert_true(world_timer(&k->world));
    }
    for (size_t i = 0; i < k->writer_count; i++) {
        mu_plugin.destroy(k->writers[i].instance);
        mu_buf_release(&k->writers[i].entries);
        free(k->writers[i].text);
    }
    for (size_t i = 0; i < k->count; i++) {
        assert_int_not_equal(k->batches[i]->status, KIT_PENDING);
        batch_destroy(k->batches[i]);
    }
    free(k->batches);
    mu_omap_foreach (e, &k->model) {
        free(e->value);
    }
    mu_omap_foreach (e, &k->taken) {
        free(e->value);
    }
    mu_omap_release(&k->model);
    mu_omap_release(&k->taken);
    mu_flags_destroy(k->flags);
    world_close(&k->world);
}
