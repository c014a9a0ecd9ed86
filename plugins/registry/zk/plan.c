/* See plan.h. */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "zk/alloc.h"

/* ZooKeeper's limit is 0xfffff; the rest is for what it adds when it writes it down. */
#define REQUEST_MAX (900u * 1024)
#define INLINE_MAX (128u * 1024) /* a bigger value goes into chunks in any case */
#define CHUNK_MIN 1024u          /* a smaller one never: a reference is as long */
#define OP_BYTES 192u            /* of one operation beside its path and data, at most */

/* ---- sizes ---- */

static size_t cost_of(const struct mu_registry_op *op,
                      const struct zkr_entries *entries,
                      size_t root_len,
                      bool in_chunks)
{
    const struct zkr_entry *old = zkr_entries_get(entries, op->key);
    size_t one = OP_BYTES + root_len + ZKR_SET_MAX;
    size_t bytes = OP_BYTES + root_len + strlen(op->key) * 3 + 8;
    bytes += old != NULL ? old->ref.count * one : 0; /* its chunks are deleted */
    if (op->value == NULL) {
        return bytes;
    }
    if (!in_chunks) {
        return bytes + op->value_len + 1;
    }
    /* Twice: they are checked, and deleted if the batch writes the key once more. */
    return bytes + ZKR_SET_MAX + 32 + zkr_chunks_of(op->value_len) * one * 2;
}

static int too_many(size_t count, struct mu_error *err)
{
    return mu_fail(err, -E2BIG,
                   "registry zk: a change of %zu entries at once is more than one "
                   "request to ZooKeeper holds (%u bytes)",
                   count, REQUEST_MAX);
}

/* Which values go into chunks: the biggest, until the rest fits. */
static int choose(bool *in_chunks,
                  size_t root_len,
                  const struct zkr_entries *entries,
                  const struct mu_registry_op *ops,
                  size_t count,
                  struct mu_error *err)
{
    size_t total = 2 * (OP_BYTES + root_len); /* the fence and the number */
    if (count > REQUEST_MAX / OP_BYTES) {
        return too_many(count, err); /* without looking at each */
    }
    for (size_t i = 0; i < count; i++) {
        in_chunks[i] = ops[i].value != NULL && ops[i].value_len > INLINE_MAX;
        total += cost_of(&ops[i], entries, root_len, in_chunks[i]);
    }
    while (total > REQUEST_MAX) {
        size_t biggest = count;
        for (size_t i = 0; i < count; i++) {
            if (!in_chunks[i] && ops[i].value != NULL && ops[i].value_len > CHUNK_MIN &&
                (biggest == count || ops[i].value_len > ops[biggest].value_len)) {
                biggest = i;
            }
        }
        if (biggest == count) {
            return too_many(count, err);
        }
        total -= cost_of(&ops[biggest], entries, root_len, false);
        in_chunks[biggest] = true;
        total += cost_of(&ops[biggest], entries, root_len, true);
    }
    return 0;
}

/* ---- operations ---- */

static struct zks_op *push_to(struct zks_op **list, size_t *count)
{
    if ((*count & (*count + 1)) == 0) { /* full at 2^n - 1 */
        struct zks_op *more = realloc(*list, (*count + 1) * 2 * sizeof(**list));
        if (more == NULL) {
            abort();
        }
        *list = more;
    }
    return &(*list)[(*count)++];
}

static void
init(struct zkr_plan *p, struct zks_op *op, int kind, const char *root, const char *name)
{
    size_t root_len = strlen(root), len = root_len + strlen(name);
    char *path = zks_calloc(1, len + 1);
    memcpy(path, root, root_len);
    memcpy(path + root_len, name, len - root_len + 1);
    *op = (struct zks_op){.kind = kind, .path = path, .version = -1};
    p->bytes += sizeof(*op) + len;
}

static struct zks_op *
push(struct zkr_plan *p, int kind, const char *root, const char *name)
{
    struct zks_op *op = push_to(&p->ops, &p->count);
    init(p, op, kind, root, name);
    return op;
}

static void
set_data(struct zkr_plan *p, struct zks_op *op, char tag, const void *data, size_t len)
{
    size_t head = tag != '\0';
    char *copy = zks_calloc(1, head + len + 1);
    copy[0] = tag;
    if (len > 0) {
        memcpy(copy + head, data, len);
    }
    op->data = copy;
    op->len = head + len;
    p->bytes += op->len;
}

static void drop_chunks(struct zkr_plan *p, const char *root, const struct zkr_ref *ref)
{
    for (uint32_t i = 0; i < ref->count; i++) {
        char name[ZKR_SET_MAX + 32];
        (void)snprintf(name, sizeof(name), "/chunks/%s-%u", ref->set, i);
        (void)push(p, ZKS_OP_DELETE, root, name);
    }
}

static void write_chunks(struct zkr_plan *p,
                         const char *root,
                         const struct zkr_ref *ref,
                         const char *value)
{
    for (uint32_t i = 0; i < ref->count; i++) {
        char name[ZKR_SET_MAX + 32];
        (void)snprintf(name, sizeof(name), "/chunks/%s-%u", ref->set, i);
        size_t from = (size_t)i * ZKR_CHUNK_BYTES;
        size_t len =
            ref->len - from < ZKR_CHUNK_BYTES ? ref->len - from : ZKR_CHUNK_BYTES;
        struct zks_op *chunk = push_to(&p->chunks, &p->chunk_count);
        init(p, chunk, ZKS_OP_CREATE, root, name);
        set_data(p, chunk, '\0', value + from, len);
        push(p, ZKS_OP_CHECK, root, name)->version = 0;
    }
}

static void put(struct zkr_plan *p,
                const char *root,
                struct zkr_entries *entries,
                const struct mu_registry_op *op,
                const struct zkr_ref *ref)
{
    char name[ZKR_NAME_MAX];
    zkr_entry_name(op->key, name);
    bool is_new = zkr_entries_get(entries, op->key) == NULL;
    struct zkr_entry *entry = zkr_entries_put(entries, op->key);
    drop_chunks(p, root, &entry->ref);
    entry->ref = *ref;
    if (ref->count > 0) {
        write_chunks(p, root, ref, op->value);
    }
    struct zks_op *to = push(p, is_new ? ZKS_OP_CREATE : ZKS_OP_SET, root, name);
    if (ref->count > 0) {
        char text[ZKR_SET_MAX + 48];
        (void)snprintf(text, sizeof(text), "C%u %zu %s", ref->count, ref->len, ref->set);
        set_data(p, to, '\0', text, strlen(text));
    } else {
        set_data(p, to, 'V', op->value, op->value_len);
    }
}

static void take_out(struct zkr_plan *p,
                     const char *root,
                     struct zkr_entries *entries,
                     const char *key)
{
    const struct zkr_entry *entry = zkr_entries_get(entries, key);
    if (entry == NULL) {
        return;
    }
    char name[ZKR_NAME_MAX];
    zkr_entry_name(key, name);
    drop_chunks(p, root, &entry->ref);
    (void)push(p, ZKS_OP_DELETE, root, name);
    zkr_entries_remove(entries, key);
}

int zkr_plan_make(struct zkr_plan *p,
                  const char *root,
                  struct zkr_entries *entries,
                  const struct mu_registry_op *ops,
                  size_t count,
                  const char *set,
                  struct mu_error *err)
{
    *p = (struct zkr_plan){0};
    bool *in_chunks = zks_calloc(count + 1, sizeof(*in_chunks));
    int rc = choose(in_chunks, strlen(root), entries, ops, count, err);
    if (rc == 0) {
        (void)push(p, ZKS_OP_CHECK, root, "/fence");
        (void)push(p, ZKS_OP_SET, root, "/last");
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct zkr_ref ref = {.len = ops[i].value_len};
        if (ops[i].value == NULL) {
            take_out(p, root, entries, ops[i].key);
            continue;
        }
        if (in_chunks[i]) {
            ref.count = zkr_chunks_of(ref.len);
            (void)snprintf(ref.set, sizeof(ref.set), "%s-%zx", set, i);
        }
        put(p, root, entries, &ops[i], &ref);
    }
    free(in_chunks);
    return rc;
}

static void release_list(struct zks_op *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)list[i].path);
        free((void *)(uintptr_t)list[i].data);
    }
    free(list);
}

void zkr_plan_release(struct zkr_plan *p)
{
    release_list(p->chunks, p->chunk_count);
    release_list(p->ops, p->count);
    *p = (struct zkr_plan){0};
}
