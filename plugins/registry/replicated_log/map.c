/* See map.h. The tree is libc's (tsearch); an entry is one piece of memory. */
#include "map.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

struct rlog_entry {
    size_t len;
    const char *value; /* behind key, in the same memory */
    char key[];
};

struct walk {
    mu_registry_entry_cb cb;
    void *arg;
};

void *rlog_allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static int compare(const void *a, const void *b)
{
    const struct rlog_entry *x = a;
    const struct rlog_entry *y = b;
    return strcmp(x->key, y->key);
}

static struct rlog_entry *entry_create(const char *key, const void *value, size_t len)
{
    size_t key_size = strlen(key) + 1;
    struct rlog_entry *e = rlog_allocate(sizeof(*e) + key_size + len);
    e->len = len;
    e->value = e->key + key_size;
    memcpy(e->key, key, key_size);
    if (len > 0) {
        memcpy(e->key + key_size, value, len);
    }
    return e;
}

static uint64_t encoded_bytes(const struct rlog_entry *e)
{
    return RLOG_OP_BYTES(strlen(e->key), e->len);
}

void rlog_map_put(struct rlog_map *m, const char *key, const void *value, size_t len)
{
    struct rlog_entry *e = entry_create(key, value, len);
    struct rlog_entry **place = (struct rlog_entry **)tsearch(e, &m->root, compare);
    if (place == NULL) {
        abort(); /* out of memory */
    }
    if (*place == e) {
        m->count++;
    } else {
        m->live_bytes -= encoded_bytes(*place);
        free(*place);
        *place = e;
    }
    m->live_bytes += encoded_bytes(e);
}

void rlog_map_delete(struct rlog_map *m, const char *key)
{
    struct rlog_entry *wanted = entry_create(key, NULL, 0);
    struct rlog_entry **place = (struct rlog_entry **)tfind(wanted, &m->root, compare);
    if (place != NULL) {
        struct rlog_entry *e = *place;
        (void)tdelete(wanted, &m->root, compare); /* answers the parent */
        m->live_bytes -= encoded_bytes(e);
        m->count--;
        free(e);
    }
    free(wanted);
}

static void on_node(const void *node, VISIT visit, void *arg)
{
    const struct walk *w = arg;
    if (visit == postorder || visit == leaf) {
        const struct rlog_entry *e = *(struct rlog_entry *const *)node;
        w->cb(w->arg, e->key, e->value, e->len);
    }
}

void rlog_map_each(const struct rlog_map *m, mu_registry_entry_cb cb, void *arg)
{
    struct walk w = {cb, arg};
    twalk_r(m->root, on_node, &w);
}

void rlog_map_release(struct rlog_map *m)
{
    tdestroy(m->root, free);
    *m = (struct rlog_map){0};
}
