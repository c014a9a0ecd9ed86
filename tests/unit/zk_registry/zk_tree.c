/* See zk_tree.h. */
#include "unit/zk_registry/zk_tree.h"

#include <string.h>

#include "base/alloc.h"

struct tree_node {
    struct tree_state *v; /* one per change */
    size_t count;
};

static const struct tree_state *state_at(const struct tree_node *n, uint64_t number)
{
    for (size_t i = n == NULL ? 0 : n->count; i > 0; i--) {
        if (n->v[i - 1].number <= number) {
            return n->v[i - 1].exists ? &n->v[i - 1] : NULL;
        }
    }
    return NULL;
}

const struct tree_state *
tree_state(const struct zk_tree *t, const char *path, uint64_t number)
{
    return state_at(mu_omap_get(&t->nodes, path), number);
}

static struct tree_state *add_state(struct zk_tree *t, const char *path)
{
    struct tree_node *n = mu_omap_get(&t->nodes, path);
    if (n == NULL) {
        n = MU_NEW(struct tree_node);
        (void)mu_omap_put(&t->nodes, path, n);
    }
    const struct tree_state *old = state_at(n, t->head);
    struct zks_stat stat = old != NULL ? old->stat : (struct zks_stat){.version = -1};
    n->v = mu_xrealloc_array(n->v, n->count + 1, sizeof(*n->v));
    struct tree_state *s = &n->v[n->count++];
    *s = (struct tree_state){.number = t->head, .exists = true, .stat = stat};
    if (old == NULL) {
        s->stat.czxid = (int64_t)t->head;
    }
    s->stat.mzxid = (int64_t)t->head;
    return s;
}

static void drop_last_state(struct zk_tree *t, const char *path)
{
    struct tree_node *n = mu_omap_get(&t->nodes, path);
    free(n->v[--n->count].data);
    if (n->count == 0) {
        (void)mu_omap_remove(&t->nodes, path);
        free(n->v);
        free(n);
    }
}

static void write_state(struct zk_tree *t, const char *path, const void *data, size_t len)
{
    struct tree_state *s = add_state(t, path);
    s->stat.version++;
    s->data = mu_xalloc(len + 1);
    if (len > 0) {
        memcpy(s->data, data, len);
    }
    s->data[len] = '\0';
    s->len = len;
}

static size_t parent_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

bool tree_is_below(const char *path, const char *child)
{
    size_t len = strlen(path);
    return strncmp(child, path, len) == 0 && child[len] == '/' &&
           strchr(child + len + 1, '/') == NULL;
}

static bool has_children(const struct zk_tree *t, const char *path, uint64_t number)
{
    mu_auto_free char *from = mu_xasprintf("%s/", path);
    for (struct mu_omap_entry *e = mu_omap_lower_bound(&t->nodes, from);
         e != NULL && strncmp(e->key, from, strlen(from)) == 0; e = e->next) {
        if (state_at(e->value, number) != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- writing: all operations of a request or none ---- */

static int write_one(struct zk_tree *t, const struct world_op *op)
{
    const struct tree_state *old = tree_state(t, op->path, t->head);
    if (t->refuse_rc != ZOK && op->kind != ZKS_OP_CHECK &&
        strstr(op->path, t->refuse_part) != NULL) {
        return t->refuse_rc;
    }
    if (op->kind == ZKS_OP_CREATE) {
        mu_auto_free char *parent = mu_xstrndup(op->path, parent_len(op->path));
        if (parent[0] != '\0' && tree_state(t, parent, t->head) == NULL) {
            return ZNONODE;
        }
        if (old != NULL) {
            return ZNODEEXISTS;
        }
        write_state(t, op->path, op->data, op->len);
        return ZOK;
    }
    if (old == NULL) {
        return ZNONODE;
    }
    if (op->version != -1 && op->version != old->stat.version) {
        return ZBADVERSION;
    }
    if (op->kind == ZKS_OP_SET) {
        write_state(t, op->path, op->data, op->len);
    } else if (op->kind == ZKS_OP_DELETE) {
        if (has_children(t, op->path, t->head)) {
            return ZNOTEMPTY;
        }
        add_state(t, op->path)->exists = false;
    }
    return ZOK;
}

int tree_write(struct zk_tree *t, const struct world_op *ops, size_t count)
{
    int rc = ZOK;
    size_t done = 0;
    t->head++;
    while (done < count && rc == ZOK) {
        rc = write_one(t, &ops[done]);
        done += rc == ZOK;
    }
    while (rc != ZOK && done > 0) { /* what was done is undone */
        done--;
        if (ops[done].kind != ZKS_OP_CHECK) {
            drop_last_state(t, ops[done].path);
        }
    }
    return rc;
}

bool tree_has_changed(const struct zk_tree *t,
                      const char *path,
                      uint64_t from,
                      uint64_t to)
{
    const struct tree_node *n = mu_omap_get(&t->nodes, path);
    for (size_t i = 0; n != NULL && i < n->count; i++) {
        if (n->v[i].number > from && n->v[i].number <= to) {
            return true;
        }
    }
    return false;
}

size_t
tree_children(const struct zk_tree *t, const char *path, uint64_t number, char ***out)
{
    size_t count = 0;
    mu_omap_foreach (e, &t->nodes) {
        if (tree_is_below(path, e->key) && state_at(e->value, number) != NULL) {
            *out = mu_xrealloc_array(*out, count + 1, sizeof(**out));
            (*out)[count++] = mu_xstrdup(e->key + strlen(path) + 1);
        }
    }
    return count;
}

void tree_put(struct zk_tree *t, const char *path, const char *data)
{
    t->head++;
    if (data == NULL) {
        add_state(t, path)->exists = false;
    } else {
        write_state(t, path, data, strlen(data));
    }
}

void tree_set_version(struct zk_tree *t, const char *path, int32_t version)
{
    struct tree_node *n = mu_omap_get(&t->nodes, path);
    n->v[n->count - 1].stat.version = version;
}

void tree_release(struct zk_tree *t)
{
    mu_omap_foreach (e, &t->nodes) {
        struct tree_node *n = e->value;
        for (size_t i = 0; i < n->count; i++) {
            free(n->v[i].data);
        }
        free(n->v);
        free(n);
    }
    mu_omap_release(&t->nodes);
}
