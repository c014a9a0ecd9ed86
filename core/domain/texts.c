/* The small value lists of task.h: pairs, strings, uris, volumes, port mappings.
 *
 * All own their texts. Lists that come from users may be long, so nothing here is
 * quadratic in their length.
 */
#include <muster/task.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "domain/texts.h"

bool texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void mu_text_set(char **slot, const char *text)
{
    char *copy = mu_xstrdup(text);
    free(*slot);
    *slot = copy;
}

void mu_pairs_release(struct mu_pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->v[i].key);
        free(p->v[i].value);
    }
    MU_VEC_RELEASE(p);
}

void mu_pairs_add(struct mu_pairs *p, const char *key, const char *value)
{
    struct mu_pair pair = {mu_xstrdup(key), mu_xstrdup(value)};
    MU_VEC_PUSH(p, pair);
}

void mu_pairs_copy(struct mu_pairs *dst, const struct mu_pairs *src)
{
    struct mu_pairs copy = {0};
    for (size_t i = 0; i < src->count; i++) {
        mu_pairs_add(&copy, src->v[i].key, src->v[i].value);
    }
    mu_pairs_release(dst);
    *dst = copy;
}

/* The last of that key. */
static struct mu_pair *find_pair(const struct mu_pairs *p, const char *key)
{
    for (size_t i = p->count; i > 0; i--) {
        if (strcmp(p->v[i - 1].key, key) == 0) {
            return &p->v[i - 1];
        }
    }
    return NULL;
}

void mu_pairs_set(struct mu_pairs *p, const char *key, const char *value)
{
    struct mu_pair *pair = find_pair(p, key);
    if (pair != NULL) {
        mu_text_set(&pair->value, value);
    } else {
        mu_pairs_add(p, key, value);
    }
}

const char *mu_pairs_get(const struct mu_pairs *p, const char *key)
{
    const struct mu_pair *pair = find_pair(p, key);
    return pair != NULL ? pair->value : NULL;
}

bool texts_pairs_same_order(const struct mu_pairs *a, const struct mu_pairs *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!texts_equal(a->v[i].key, b->v[i].key) ||
            !texts_equal(a->v[i].value, b->v[i].value)) {
            return false;
        }
    }
    return true;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct mu_pair *const *x = a;
    const struct mu_pair *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);
    return order != 0 ? order : strcmp((*x)->value, (*y)->value);
}

static const struct mu_pair **sorted_pairs(const struct mu_pairs *p)
{
    const struct mu_pair **v = mu_xcalloc(p->count, sizeof(*v));
    for (size_t i = 0; i < p->count; i++) {
        v[i] = &p->v[i];
    }
    qsort(v, p->count, sizeof(*v), compare_pairs);
    return v;
}

bool mu_pairs_equal(const struct mu_pairs *a, const struct mu_pairs *b)
{
    if (a->count != b->count) {
        return false;
    }
    if (texts_pairs_same_order(a, b)) {
        return true;
    }
    mu_auto_free const struct mu_pair **x = sorted_pairs(a);
    mu_auto_free const struct mu_pair **y = sorted_pairs(b);
    for (size_t i = 0; i < a->count; i++) {
        if (compare_pairs(&x[i], &y[i]) != 0) {
            return false;
        }
    }
    return true;
}

void mu_strings_release(struct mu_strings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->v[i]);
    }
    MU_VEC_RELEASE(s);
}

void mu_strings_add(struct mu_strings *s, const char *text)
{
    MU_VEC_PUSH(s, mu_xstrdup(text));
}

void mu_strings_copy(struct mu_strings *dst, const struct mu_strings *src)
{
    struct mu_strings copy = {0};
    for (size_t i = 0; i < src->count; i++) {
        mu_strings_add(&copy, src->v[i]);
    }
    mu_strings_release(dst);
    *dst = copy;
}

bool mu_strings_equal(const struct mu_strings *a, const struct mu_strings *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->v[i], b->v[i]) != 0) {
            return false;
        }
    }
    return true;
}

void mu_uris_release(struct mu_uris *u)
{
    for (size_t i = 0; i < u->count; i++) {
        free(u->v[i].uri);
        free(u->v[i].output_file);
    }
    MU_VEC_RELEASE(u);
}

struct mu_uri *mu_uris_add(struct mu_uris *u, const char *uri)
{
    MU_VEC_PUSH_ZERO(u);
    struct mu_uri *added = &u->v[u->count - 1];
    added->uri = mu_xstrdup(uri);
    return added;
}

void mu_uris_copy(struct mu_uris *dst, const struct mu_uris *src)
{
    struct mu_uris copy = {0};
    for (size_t i = 0; i < src->count; i++) {
        struct mu_uri *added = mu_uris_add(&copy, src->v[i].uri);
        added->output_file = mu_xstrdup(src->v[i].output_file);
        added->extract = src->v[i].extract;
        added->executable = src->v[i].executable;
        added->cache = src->v[i].cache;
    }
    mu_uris_release(dst);
    *dst = copy;
}

bool mu_uris_equal(const struct mu_uris *a, const struct mu_uris *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct mu_uri *x = &a->v[i];
        const struct mu_uri *y = &b->v[i];
        if (!texts_equal(x->uri, y->uri) ||
            !texts_equal(x->output_file, y->output_file) || x->extract != y->extract ||
            x->executable != y->executable || x->cache != y->cache) {
            return false;
        }
    }
    return true;
}

void mu_volumes_release(struct mu_volumes *v)
{
    for (size_t i = 0; i < v->count; i++) {
        free(v->v[i].container_path);
        free(v->v[i].host_path);
    }
    MU_VEC_RELEASE(v);
}

struct mu_volume *mu_volumes_add(struct mu_volumes *v,
                                 const char *container_path,
                                 const char *host_path,
                                 bool read_only)
{
    struct mu_volume added = {
        .container_path = mu_xstrdup(container_path),
        .host_path = mu_xstrdup(host_path),
        .read_only = read_only,
    };
    MU_VEC_PUSH(v, added);
    return &v->v[v->count - 1];
}

void mu_volumes_copy(struct mu_volumes *dst, const struct mu_volumes *src)
{
    struct mu_volumes copy = {0};
    for (size_t i = 0; i < src->count; i++) {
        (void)mu_volumes_add(&copy, src->v[i].container_path, src->v[i].host_path,
                             src->v[i].read_only);
    }
    mu_volumes_release(dst);
    *dst = copy;
}

bool mu_volumes_equal(const struct mu_volumes *a, const struct mu_volumes *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!texts_equal(a->v[i].container_path, b->v[i].container_path) ||
            !texts_equal(a->v[i].host_path, b->v[i].host_path) ||
            a->v[i].read_only != b->v[i].read_only) {
            return false;
        }
    }
    return true;
}

void mu_port_mappings_release(struct mu_port_mappings *p)
{
    MU_VEC_RELEASE(p);
}

struct mu_port_mapping *mu_port_mappings_add(struct mu_port_mappings *p,
                                             uint16_t host_port,
                                             uint16_t container_port,
                                             const char *protocol)
{
    struct mu_port_mapping added = {.host_port = host_port,
                                    .container_port = container_port};
    size_t len = strnlen(protocol, sizeof(added.protocol) - 1);
    memcpy(added.protocol, protocol, len);
    MU_VEC_PUSH(p, added);
    return &p->v[p->count - 1];
}

void mu_port_mappings_copy(struct mu_port_mappings *dst,
                           const struct mu_port_mappings *src)
{
    struct mu_port_mappings copy = {0};
    for (size_t i = 0; i < src->count; i++) {
        MU_VEC_PUSH(&copy, src->v[i]);
    }
    mu_port_mappings_release(dst);
    *dst = copy;
}
