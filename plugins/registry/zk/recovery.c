/* See store.h: taking a store over and reading it back.
 *
 * Steps: GET the writer's node (none: MAKE the store's nodes, GET again) -> TAKE it by
 * setting our epoch at the version that was read (another was quicker: GET again) -> LIST
 * buckets and chunks -> READ all of them, a bounded number at a time -> tell the entries
 * in key order. A lost answer begins again with GET; setting the epoch twice does no
 * harm. From TAKE on nobody else writes, so what is read does not move. Chunks that no
 * entry names are of batches that never came to their end; they are deleted.
 */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zk/alloc.h"

#define READS_MAX 256u /* under way at a time */

struct zkr_item {           /* a node to read: an entry, or a chunk of one */
    struct zkr_item *entry; /* a chunk's; NULL: it is an entry */
    char *key, *path;       /* of an entry */
    uint32_t chunk;
    struct zkr_ref ref;
    char *value;
    size_t len;
    bool is_read;
};

struct zkr_recovery {
    mu_registry_entry_cb on_entry;
    mu_registry_done_cb cb;
    void *arg;
    bool is_running; /* a round is under way */
    uint64_t number;
    int32_t version;
    size_t waiting; /* answers of this step that are missing */
    bool failed;    /* one was lost: the step is begun again when all are here */
    struct zkr_item **items;
    size_t count, capacity, next, entry_count;
    char **chunks; /* names of the nodes below chunks */
    size_t chunk_count;
};

static void get_writer(struct mu_registry_store *s);

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
    r->items = NULL;
    r->chunks = NULL;
    r->count = r->capacity = r->next = r->entry_count = r->chunk_count = 0;
}

void zkr_recovery_end(struct mu_registry_store *s, int status, const char *text)
{
    struct zkr_recovery *r = s->recovery;
    if (r == NULL) {
        return;
    }
    s->recovery = NULL;
    s->round++;
    mu_registry_done_cb cb = r->cb;
    void *arg = r->arg;
    forget_items(r);
    free(r);
    cb(arg, status, text);
}

static void fail(struct mu_registry_store *s, int status, const char *text)
{
    s->phase = status == MU_E_FENCED ? ZKR_FENCED : ZKR_IDLE;
    zkr_recovery_end(s, status, text);
}

/* What an answer means for the recovery. true: go on with it. */
static bool is_good(struct mu_registry_store *s, const struct zks_answer *a)
{
    if (zkr_is_lost(a->rc)) {
        s->recovery->is_running = false;
        s->round++; /* the others of this step are not heard */
        zkr_retry_later(s);
        return false;
    }
    if (a->rc != ZOK) {
        fail(s, -EIO, zks_error_text(a->rc));
        return false;
    }
    return true;
}

static void
path_of(const struct mu_registry_store *s, const char *below, char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s", s->root, below);
}

/* ---- reading ---- */

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

static void delete_garbage(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    char **sets = zks_calloc(r->entry_count + 1, sizeof(*sets));
    size_t count = 0, garbage = 0;
    for (size_t i = 0; i < r->entry_count; i++) {
        if (r->items[i]->ref.count > 0) {
            sets[count++] = r->items[i]->ref.set;
        }
    }
    qsort(sets, count, sizeof(*sets), by_text);
    for (size_t i = 0; i < r->chunk_count; i++) {
        if (!is_used(r->chunks[i], sets, count)) {
            char path[4096];
            (void)snprintf(path, sizeof(path), "%s/chunks/%s", s->root, r->chunks[i]);
            zks_delete(s->session, path, -1, zkr_on_answer, zkr_ask(s, NULL, NULL));
            garbage++;
        }
    }
    free(sets);
    if (garbage > 0) {
        s->host->log(s->host, MU_INFO,
                     "registry: pieces of unfinished changes are deleted",
                     "store=%s count=%zu", s->name, garbage);
    }
}

static void tell(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    delete_garbage(s);
    qsort(r->items, r->entry_count, sizeof(*r->items), by_key);
    for (size_t i = 0; i < r->entry_count; i++) {
        struct zkr_item *it = r->items[i];
        zkr_entries_put(&s->entries, it->key)->ref =
            it->ref.count > 0 ? it->ref : (struct zkr_ref){0};
    }
    zkr_store_opened(s, r->number, r->version);
    uint64_t round = s->round;
    for (size_t i = 0; i < r->entry_count && s->round == round; i++) {
        struct zkr_item *it = r->items[i];
        r->on_entry(r->arg, it->key, it->value, it->len);
    }
    if (s->round == round) {
        zkr_recovery_end(s, 0, NULL);
    }
}

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
    it->value = zks_copy(value, value != NULL ? it->len : 0);
    if (it->ref.count > 0) {
        free(it->value);
        it->value = zks_calloc(1, it->len + 1);
        for (uint32_t i = 0; i < it->ref.count; i++) {
            struct zkr_item *chunk = add_item(s->recovery);
            chunk->entry = it;
            chunk->chunk = i;
        }
    }
    return true;
}

static void
on_read(struct mu_registry_store *s, struct zkr_item *it, const struct zks_answer *a)
{
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    if (!is_good(s, a)) {
        return;
    }
    struct mu_error err = {.text = "a piece of its value has the wrong length"};
    bool kept = it->entry != NULL ? keep_chunk(it, a) : keep_entry(s, it, a, &err);
    if (!kept) {
        s->host->log(s->host, MU_ERROR, "the registry is damaged",
                     "store=%s key=%s error=%s", s->name,
                     it->entry != NULL ? it->entry->key : it->key, err.text);
        fail(s, MU_E_CORRUPT, err.text);
        return;
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
        tell(s);
    }
}

/* ---- listing ---- */

static void on_chunks_listed(struct mu_registry_store *s,
                             struct zkr_item *item,
                             const struct zks_answer *a)
{
    (void)item;
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

static void on_bucket_listed(struct mu_registry_store *s,
                             struct zkr_item *item,
                             const struct zks_answer *a)
{
    (void)item;
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    if (!is_good(s, a)) {
        return;
    }
    for (size_t i = 0; i < a->child_count; i++) {
        char key[MU_REGISTRY_KEY_MAX + 1], name[ZKR_NAME_MAX];
        if (!zkr_key_parse(a->children[i], key)) {
            s->host->log(s->host, MU_WARN,
                         "registry: a node that is not ours is left alone",
                         "store=%s node=%s", s->name, a->children[i]);
            continue;
        }
        zkr_entry_name(key, name);
        struct zkr_item *it = add_item(r);
        it->key = zks_copy(key, strlen(key));
        it->path = zks_copy(name, strlen(name));
    }
}

static void list_all(struct mu_registry_store *s)
{
    struct zkr_recovery *r = s->recovery;
    char path[4096];
    forget_items(r);
    r->waiting = ZKR_BUCKETS + 1;
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
on_taken(struct mu_registry_store *s, struct zkr_item *item, const struct zks_answer *a)
{
    (void)item;
    if (a->rc == ZBADVERSION) {
        get_writer(s); /* somebody was quicker: whose epoch is it? */
    } else if (is_good(s, a)) {
        s->recovery->version++;
        list_all(s);
    }
}

static void take_over(struct mu_registry_store *s, uint64_t number, int32_t version)
{
    char path[2048], writer[80];
    path_of(s, "/writer", path, sizeof(path));
    (void)snprintf(writer, sizeof(writer), "%" PRIu64 " %" PRIu64 " %" PRIu64, s->epoch,
                   number, s->taking);
    s->recovery->number = number;
    s->recovery->version = version;
    char taken[2048], taking[32];
    path_of(s, "/taken", taken, sizeof(taken));
    (void)snprintf(taking, sizeof(taking), "%" PRIu64, s->taking);
    const struct zks_op ops[] = {
        {ZKS_OP_SET, path, writer, strlen(writer), version},
        {ZKS_OP_SET, taken, taking, strlen(taking), -1},
    };
    zks_multi(s->session, ops, 2, zkr_on_answer, zkr_ask(s, on_taken, NULL));
}

static void
on_made(struct mu_registry_store *s, struct zkr_item *item, const struct zks_answer *a)
{
    (void)item;
    struct zkr_recovery *r = s->recovery;
    r->waiting--;
    struct zks_answer there = *a;
    if (a->rc == ZNODEEXISTS) {
        there.rc = ZOK;
    }
    if (is_good(s, &there) && r->waiting == 0) {
        get_writer(s);
    }
}

static void make(struct mu_registry_store *s, const char *path)
{
    s->recovery->waiting++;
    zks_create(s->session, path, "", 0, 0, zkr_on_answer, zkr_ask(s, on_made, NULL));
}

/* The writer's node comes last: when it is there, all are. */
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
    path_of(s, "/taken", path, sizeof(path));
    make(s, path);
    path_of(s, "/writer", path, sizeof(path));
    make(s, path);
}

static void
on_writer(struct mu_registry_store *s, struct zkr_item *item, const struct zks_answer *a)
{
    (void)item;
    struct zkr_writer w;
    struct mu_error err;
    if (a->rc == ZNONODE) {
        make_all(s);
    } else if (!is_good(s, a)) {
        return;
    } else if (zkr_writer_parse(a->data, a->len, &w, &err) < 0) {
        fail(s, MU_E_CORRUPT, err.text);
    } else if (w.epoch > s->epoch) {
        (void)mu_fail(&err, MU_E_FENCED,
                      "registry zk: '%s' was written under the epoch %" PRIu64
                      ", which is above %" PRIu64,
                      s->name, w.epoch, s->epoch);
        fail(s, MU_E_FENCED, err.text);
    } else {
        take_over(s, w.number, a->stat.version);
    }
}

static void get_writer(struct mu_registry_store *s)
{
    char path[4096];
    path_of(s, "/writer", path, sizeof(path));
    zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, on_writer, NULL));
}

void zkr_recovery_resume(struct mu_registry_store *s)
{
    if (!s->recovery->is_running && zks_is_ready(s->session)) {
        s->recovery->is_running = true;
        get_writer(s);
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
