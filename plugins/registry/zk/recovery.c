/* See store.h: taking a store over and reading it back.
 *
 * Steps: GET the fence (none: MAKE the store's nodes, GET again) -> TAKE the store by
 * setting our epoch there at the version that was read (another was quicker: GET again)
 * -> read the NUMBER of the last batch -> LIST buckets and chunks -> READ all of them, a
 * bounded number at a time -> LOOK whether the fence is still ours (no: GET again) ->
 * tell the entries in key order. A lost answer begins again with GET.
 *
 * From TAKE on nobody else writes, so what is read does not move, as long as the store is
 * ours: without LOOK, one that is slow would tell a mixture of what it took and what the
 * next writer has made of it. Chunks that no entry names are of batches that never came
 * to their end; they are deleted, on condition that the store is ours at that moment,
 * too.
 */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zk/alloc.h"

#define READS_MAX 256u   /* under way at a time */
#define DELETES_MAX 64u  /* of chunks, per request */
#define REFUSED_MAX 3u   /* times: then another master may try */
#define REFUSED_MS 1000u /* before the first of them, then twice as long each time */

struct zkr_item {           /* a node to read: an entry, or a chunk of one */
    struct zkr_item *entry; /* a chunk's; NULL: it is an entry */
    char *key, *path;       /* of an entry */
    uint32_t chunk;
    struct zkr_ref ref;
    char *value;
    size_t len;
};

struct zkr_recovery {
    mu_registry_entry_cb on_entry;
    mu_registry_done_cb cb;
    void *arg;
    bool is_running; /* a round is under way */
    size_t waiting;  /* answers of this step that are missing */
    unsigned listed; /* buckets */
    unsigned refused;
    char *damage; /* what is wrong with it; nobody's fault if it is not ours any more */
    struct zkr_item **items;
    size_t count, capacity, next, entry_count;
    char **chunks; /* names of the nodes below chunks */
    size_t chunk_count;
};

static void get_fence(struct mu_registry_store *s);

static void forget_items(struct zkr_recovery *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct zkr_item *it = r->items[i];
        free(it->key);
        free(it->path);
        free(it->value);
        free(it);
    }
    for (size_t i = 0; i < r->chunk_count; i++) {
        free(r->chunks[i]);
    }
    free(r->chunks);
    free(r->items);
    free(r->damage);
    r->items = NULL;
    r->chunks = NULL;
    r->damage = NULL;
    r->count = r->capacity = r->next = r->entry_count = r->chunk_count = 0;
}

/* It is over: whoever waits for it is told last. */
static void end(struct mu_registry_store *s, int status, const char *text)
{
    struct zkr_recovery *r = s->recovery;
    mu_registry_done_cb cb = r->cb;
    void *arg = r->arg;
    s->recovery = NULL;
    zkr_store_new_round(s);
    forget_items(r);
    free(r);
    if (status == 0) {
        zkr_store_opened(s);
    }
    cb(arg, status, text);
}

void zkr_recovery_end(struct mu_registry_store *s, int status, const char *text)
{
    if (s->recovery != NULL) {
        end(s, status, text);
    }
}

static void fail(struct mu_registry_store *s, int status, const char *text)
{
    s->phase = status == MU_E_FENCED ? ZKR_FENCED : ZKR_IDLE;
    end(s, status, text);
}

static void begin_again(struct mu_registry_store *s, uint64_t delay_ms)
{
    s->recovery->is_running = false;
    zkr_store_new_round(s); /* the others of this step are not heard */
    zkr_retry_later(s, delay_ms);
}

/* ZooKeeper does not want to: somebody may mend that while we, or another master, try. */
static void refused(struct mu_registry_store *s, int rc)
{
    struct zkr_recovery *r = s->recovery;
    struct mu_error err;
    (void)mu_fail(&err, MU_E_UNAVAILABLE, "registry zk: '%s': %s", s->root,
                  zks_error_text(rc));
    if (r->refused == REFUSED_MAX) {
        fail(s, MU_E_UNAVAILABLE, err.text);
        return;
    }
    uint64_t delay_ms = REFUSED_MS << r->refused++;
    s->host->log(s->host, MU_ERROR, "the registry cannot be read: trying again",
                 "store=%s path=%s error=%s retry_ms=%" PRIu64, s->name, s->root,
                 zks_error_text(rc), delay_ms);
    begin_again(s, delay_ms);
}

/* What an answer means for the recovery. true: go on with it. */
static bool is_good(struct mu_registry_store *s, const struct zks_answer *a)
{
    if (zkr_is_lost(a->rc)) {
        begin_again(s, ZKR_RETRY_MS);
        return false;
    }
    if (a->rc != ZOK) {
        refused(s, a->rc);
        return false;
    }
    return true;
}

static void
path_of(const struct mu_registry_store *s, const char *below, char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s", s->root, below);
}

/* ---- telling ---- */

static struct zkr_item *add_item(struct zkr_recovery *r)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity == 0 ? 256 : r->capacity * 2;
        r->items = realloc(r->items, r->capacity * sizeof(*r->items));
        if (r->items == NULL) {
            abort();
        }
    }
    struct zkr_item *it = zks_calloc(1, sizeof(*it));
    r->items[r->count++] = it;
    return it;
}

static int by_key(const void *a, const void *b)
{
    const struct zkr_item *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* "<set>-3" of an entry that we have read? */
static bool is_used(const char *chunk, char **sets, size_t count)
{
    const char *dash = strrchr(chunk, '-');
    if (dash == NULL) {
        return false;
    }
    char *set = zks_copy(chunk, (size_t)(dash - chunk));
    bool found = bsearch(&set, sets, count, sizeof(*sets), by_text) != NULL;
    free(set);
    return found;
}

static void delete_chunks(struct mu_registry_store *s, char **names, size_t count)
{
    struct zks_op ops[DELETES_MAX + 1];
    char fence[4096];
    path_of(s, "/fence", fence, sizeof(fence));
    ops[0] = (struct zks_op){.kind = ZKS_OP_CHECK, .path = fence, .version = s->fence};
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(s->root) + sizeof("/chunks/") + strlen(names[i]);
        char *path = zks_calloc(1, size);
        (void)snprintf(path, size, "%s/chunks/%s", s->root, names[i]);
        ops[i + 1] = (struct zks_op){.kind = ZKS_OP_DELETE, .path = path, .version = -1};
    }
    zks_multi(s->session, ops, count + 1, zkr_on_answer, zkr_ask(s, NULL, NULL));
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)ops[i + 1].path);
    }
}

/* If that fails, the next recovery does it. */
static void delete_garbage(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    char **sets = zks_calloc(r->entry_count + 1, sizeof(*sets));
    char *garbage[DELETES_MAX];
    size_t count = 0, found = 0, all = 0;
    for (size_t i = 0; i < r->entry_count; i++) {
        if (r->items[i]->ref.count > 0) {
            sets[count++] = r->items[i]->ref.set;
        }
    }
    qsort(sets, count, sizeof(*sets), by_text);
    for (size_t i = 0; i < r->chunk_count; i++) {
        if (!is_used(r->chunks[i], sets, count)) {
            garbage[found++] = r->chunks[i];
            all++;
        }
        if (found == DELETES_MAX || (found > 0 && i + 1 == r->chunk_count)) {
            delete_chunks(s, garbage, found);
            found = 0;
        }
    }
    free(sets);
    if (all > 0) {
        s->host->log(s->host, MU_INFO,
                     "registry: pieces of unfinished changes are deleted",
                     "store=%s count=%zu", s->name, all);
    }
}

static void tell(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    delete_garbage(s);
    if (r->entry_count > 0) {
        qsort(r->items, r->entry_count, sizeof(*r->items), by_key);
    }
    for (size_t i = 0; i < r->entry_count; i++) {
        struct zkr_item *it = r->items[i];
        zkr_entries_put(&s->entries, it->key)->ref =
            it->ref.count > 0 ? it->ref : (struct zkr_ref){0};
    }
    for (size_t i = 0; i < r->entry_count && s->turn == NULL; i++) {
        struct zkr_item *it = r->items[i];
        r->on_entry(r->arg, it->key, it->value, it->len);
    }
    if (s->turn ==
        NULL) { /* else it was asked to recover anew or to close: that ends it */
        end(s, 0, NULL);
    }
}

static void
on_looked(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    if (!is_good(s, a)) {
        return;
    }
    if (a->stat.version != s->fence) {
        get_fence(s); /* taken from us: under which epoch? */
    } else if (s->recovery->damage != NULL) {
        char *damage = s->recovery->damage;
        s->recovery->damage = NULL;
        fail(s, MU_E_CORRUPT, damage);
        free(damage);
    } else {
        tell(s);
    }
}

static void ask_for(struct mu_registry_store *s,
                    const char *below,
                    void (*answered)(struct mu_registry_store *s,
                                     void *subject,
                                     const struct zks_answer *a))
{
    char path[4096];
    path_of(s, below, path, sizeof(path));
    zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, answered, NULL));
}

/* ---- reading ---- */

static void read_more(struct mu_registry_store *s);

static bool keep_chunk(struct zkr_item *it, const struct zks_answer *a)
{
    struct zkr_item *entry = it->entry;
    size_t from = (size_t)it->chunk * ZKR_CHUNK_BYTES;
    size_t len =
        entry->ref.len - from < ZKR_CHUNK_BYTES ? entry->ref.len - from : ZKR_CHUNK_BYTES;
    if (a->len != len) {
        return false;
    }
    memcpy(entry->value + from, a->data, len);
    return true;
}

static bool keep_entry(struct mu_registry_store *s,
                       struct zkr_item *it,
                       const struct zks_answer *a,
                       struct mu_error *err)
{
    const char *value;
    if (zkr_entry_parse(a->data, a->len, &value, &it->ref, err) < 0) {
        return false;
    }
    it->len = it->ref.len;
    it->value = value != NULL ? zks_copy(value, it->len) : zks_calloc(1, it->len + 1);
    for (uint32_t i = 0; i < it->ref.count; i++) {
        struct zkr_item *chunk = add_item(s->recovery);
        chunk->entry = it;
        chunk->chunk = i;
    }
    return true;
}

static void
damaged(struct mu_registry_store *s, const struct zkr_item *it, const char *why)
{
    struct zkr_recovery *r = s->recovery;
    if (r->damage == NULL) {
        struct mu_error err;
        (void)mu_fail(&err, MU_E_CORRUPT, "registry zk: '%s' is damaged: entry '%s': %s",
                      s->root, it->entry != NULL ? it->entry->key : it->key, why);
        r->damage = zks_copy(err.text, strlen(err.text));
    }
}

static void
on_read(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    struct zkr_item *it = subject;
    struct mu_error err;
    s->recovery->waiting--;
    if (a->rc == ZNONODE) {
        damaged(s, it, it->entry != NULL ? "a piece of it is missing" : "it vanished");
    } else if (!is_good(s, a)) {
        return;
    } else if (it->entry != NULL && !keep_chunk(it, a)) {
        damaged(s, it, "a piece of it has the wrong length");
    } else if (it->entry == NULL && !keep_entry(s, it, a, &err)) {
        damaged(s, it, err.text);
    }
    read_more(s);
}

static void read_more(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    while (r->next < r->count && r->waiting < READS_MAX) {
        struct zkr_item *it = r->items[r->next++];
        char path[4096];
        if (it->entry != NULL) {
            (void)snprintf(path, sizeof(path), "%s/chunks/%s-%u", s->root,
                           it->entry->ref.set, it->chunk);
        } else {
            path_of(s, it->path, path, sizeof(path));
        }
        r->waiting++;
        zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, on_read, it));
    }
    if (r->waiting == 0 && r->next == r->count) {
        ask_for(s, "/fence", on_looked);
    }
}

/* ---- listing ---- */

static void
on_chunks_listed(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    if (!is_good(s, a)) {
        return;
    }
    r->chunks = zks_calloc(a->child_count + 1, sizeof(*r->chunks));
    r->chunk_count = a->child_count;
    for (size_t i = 0; i < a->child_count; i++) {
        r->chunks[i] = zks_copy(a->children[i], strlen(a->children[i]));
    }
    r->entry_count = r->count; /* it was asked for last */
    read_more(s);
}

static void not_ours(const struct mu_registry_store *s, const char *node)
{
    s->host->log(s->host, MU_WARN, "registry: a node that is not ours is left alone",
                 "store=%s node=%s", s->name, node);
}

static void add_entry(struct mu_registry_store *s, const char *key, unsigned bucket)
{
    char name[ZKR_NAME_MAX], begin[8];
    zkr_entry_name(key, name);
    (void)snprintf(begin, sizeof(begin), "/b%02x/", bucket);
    if (strncmp(name, begin, strlen(begin)) != 0) {
        not_ours(s, key); /* it belongs into another bucket */
        return;
    }
    struct zkr_item *it = add_item(s->recovery);
    it->key = zks_copy(key, strlen(key));
    it->path = zks_copy(name, strlen(name));
}

static void
on_bucket_listed(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    if (!is_good(s, a)) {
        return;
    }
    unsigned bucket = r->listed++; /* in the order of asking */
    for (size_t i = 0; i < a->child_count; i++) {
        char key[MU_REGISTRY_KEY_MAX + 1];
        if (zkr_key_parse(a->children[i], key)) {
            add_entry(s, key, bucket);
        } else {
            not_ours(s, a->children[i]);
        }
    }
}

static void list_all(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    char path[4096];
    forget_items(r);
    r->waiting = ZKR_BUCKETS + 1;
    r->listed = 0;
    for (unsigned i = 0; i < ZKR_BUCKETS; i++) {
        (void)snprintf(path, sizeof(path), "%s/b%02x", s->root, i);
        zks_children(s->session, path, false, zkr_on_answer,
                     zkr_ask(s, on_bucket_listed, NULL));
    }
    path_of(s, "/chunks", path, sizeof(path));
    zks_children(s->session, path, false, zkr_on_answer,
                 zkr_ask(s, on_chunks_listed, NULL));
}

/* ---- taking over ---- */

static void
on_number(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct mu_error err;
    if (!is_good(s, a)) {
        return;
    }
    if (zkr_last_parse(a->data, a->len, &s->number, &err) < 0) {
        fail(s, MU_E_CORRUPT, err.text);
        return;
    }
    s->version = a->stat.version;
    list_all(s);
}

/* version: of the fence, as our taking left it. */
static void taken(struct mu_registry_store *s, int32_t version)
{
    s->fence = version;
    ask_for(s, "/last", on_number);
}

static void
on_taken(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    if (a->rc == ZBADVERSION) {
        get_fence(s); /* somebody was quicker: whose epoch is it? */
    } else if (is_good(s, a)) {
        taken(s, s->fence + 1);
    }
}

static void take(struct mu_registry_store *s, int32_t version)
{
    char path[4096], fence[48];
    path_of(s, "/fence", path, sizeof(path));
    (void)snprintf(fence, sizeof(fence), "%" PRIu64 " %" PRIu64, s->epoch, s->taking);
    s->fence = version;
    const struct zks_op op = {ZKS_OP_SET, path, fence, strlen(fence), version};
    zks_multi(s->session, &op, 1, zkr_on_answer, zkr_ask(s, on_taken, NULL));
}

static void
on_made(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    struct zks_answer there = *a;
    if (a->rc == ZNODEEXISTS) {
        there.rc = ZOK;
    }
    if (is_good(s, &there) && r->waiting == 0) {
        get_fence(s);
    }
}

static void make(struct mu_registry_store *s, const char *path)
{
    s->recovery->waiting++;
    zks_create(s->session, path, "", 0, 0, zkr_on_answer, zkr_ask(s, on_made, NULL));
}

/* The fence comes last: when it is there, all are. */
static void make_all(struct mu_registry_store *s)
{
    char path[4096];
    s->recovery->waiting = 0;
    char *above = zks_copy(s->root, strlen(s->root) - strlen(s->name) - 1);
    make(s, above);
    free(above);
    make(s, s->root);
    for (unsigned i = 0; i < ZKR_BUCKETS; i++) {
        (void)snprintf(path, sizeof(path), "%s/b%02x", s->root, i);
        make(s, path);
    }
    path_of(s, "/chunks", path, sizeof(path));
    make(s, path);
    path_of(s, "/last", path, sizeof(path));
    make(s, path);
    path_of(s, "/fence", path, sizeof(path));
    make(s, path);
}

static void
on_fence(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_fence f;
    struct mu_error err;
    if (a->rc == ZNONODE) {
        make_all(s);
    } else if (!is_good(s, a)) {
        return;
    } else if (zkr_fence_parse(a->data, a->len, &f, &err) < 0) {
        fail(s, MU_E_CORRUPT, err.text);
    } else if (f.epoch > s->epoch) {
        (void)mu_fail(&err, MU_E_FENCED,
                      "registry zk: '%s' was taken under the epoch %" PRIu64
                      ", which is above %" PRIu64,
                      s->name, f.epoch, s->epoch);
        fail(s, MU_E_FENCED, err.text);
    } else if (f.epoch == s->epoch && f.taking == s->taking) {
        taken(s, a->stat.version); /* by a request whose answer was lost */
    } else {
        take(s, a->stat.version);
    }
}

static void get_fence(struct mu_registry_store *s)
{
    ask_for(s, "/fence", on_fence);
}

void zkr_recovery_resume(struct mu_registry_store *s)
{
    if (s->recovery != NULL && !s->recovery->is_running && zks_is_ready(s->session)) {
        s->recovery->is_running = true;
        get_fence(s);
    }
}

void zkr_recover(struct mu_registry_store *s,
                 mu_registry_entry_cb on_entry,
                 mu_registry_done_cb cb,
                 void *arg)
{
    struct zkr_recovery *r = zks_calloc(1, sizeof(*r));
    *r = (struct zkr_recovery){.on_entry = on_entry, .cb = cb, .arg = arg};
    s->recovery = r;
    s->phase = ZKR_RECOVERING;
    s->taking = s->host->random(s->host);
    zkr_entries_release(&s->entries);
    zkr_recovery_resume(s);
}
