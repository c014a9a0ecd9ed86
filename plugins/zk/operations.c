/* See session.h and internal.h: what can be asked on a session.
 *
 * Completions run on a thread of libzookeeper: they copy what they are given into the
 * operation and post it. libzookeeper does not always call the completions of what was
 * open when its handle is closed, so an operation also hangs in its handle's list.
 */
#include "internal.h"

#include <stdio.h>

#include "alloc.h"

/* ---- an operation's life ---- */

static struct zks_pending *pending_create(struct zks *s, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = zks_calloc(1, sizeof(*p));
    p->item.pending = p;
    p->host = s->host;
    p->inbox = s->inbox;
    p->cb = cb;
    p->arg = arg;
    if (zks_takes_operations(s)) {
        p->handle = s->handle;
        p->at = s->handle->pending_end;
        *p->at = p;
        s->handle->pending_end = &p->next;
    }
    return p;
}

static void unlink_pending(struct zks_pending *p)
{
    if (p->handle != NULL) {
        *p->at = p->next;
        if (p->next != NULL) {
            p->next->at = p->at;
        } else {
            p->handle->pending_end = p->at;
        }
        p->handle = NULL;
    }
}

void zks_pending_destroy(struct zks_pending *p)
{
    for (size_t i = 0; i < p->child_count; i++) {
        free(p->children[i]);
    }
    free(p->children);
    free(p->results);
    free(p->text);
    free(p);
}

static void answer(struct zks_pending *p, const struct zks_answer *a)
{
    zks_answer_cb cb = p->cb;
    p->cb = NULL;
    if (cb != NULL) {
        cb(p->arg, a);
    }
}

void zks_pending_deliver(struct zks_pending *p)
{
    unlink_pending(p);
    const struct zks_answer a = {
        .rc = p->rc,
        .path = p->text,
        .data = p->text != NULL ? p->text : "",
        .len = p->len,
        .stat = p->stat,
        .children = (const char *const *)p->children,
        .child_count = p->child_count,
    };
    answer(p, &a);
    zks_pending_destroy(p);
}

/* In the order of asking. Those who are told may ask for more: that is for the next
 * handle, and nothing leaves this list meanwhile. */
void zks_pending_answer_all(struct zks_handle *h, int rc)
{
    const struct zks_answer a = {.rc = rc, .data = ""};
    for (struct zks_pending *p = h->pending; p != NULL; p = p->next) {
        answer(p, &a);
    }
}

void zks_pending_drop_all(struct zks_handle *h)
{
    while (h->pending != NULL) {
        struct zks_pending *p = h->pending;
        unlink_pending(p);
        if (!atomic_load(&p->is_posted)) {
            zks_pending_destroy(p);
        }
    }
}

/* What went wrong in the library itself says nothing of what the servers did, and callers
 * need not know its names. */
static int without_inner_names(int rc)
{
    switch (rc) {
    case ZSYSTEMERROR:
    case ZRUNTIMEINCONSISTENCY: /* an answer out of order, after a failed send */
    case ZDATAINCONSISTENCY:
    case ZMARSHALLINGERROR:
    case ZNOTHING:
        return ZCONNECTIONLOSS;
    default:
        return rc;
    }
}

static void post(struct zks_pending *p, int rc)
{
    p->rc = without_inner_names(rc);
    atomic_store(&p->is_posted, true);
    p->host->inbox_post(p->inbox, &p->item.item);
}

/* libzookeeper would not take it, so no completion comes. */
static void begun(struct zks_pending *p, int rc)
{
    if (rc != ZOK) {
        unlink_pending(p);
        post(p, rc);
    }
}

/* ---- completions: on a foreign thread ---- */

static struct zks_pending *of(const void *data)
{
    return (struct zks_pending *)(uintptr_t)data;
}

static void keep_stat(struct zks_pending *p, const struct Stat *stat)
{
    if (stat != NULL) {
        p->stat = (struct zks_stat){.czxid = stat->czxid,
                                    .mzxid = stat->mzxid,
                                    .ephemeral_owner = stat->ephemeralOwner,
                                    .version = stat->version,
                                    .cversion = stat->cversion};
    }
}

static void on_void(int rc, const void *data)
{
    post(of(data), rc);
}

static void on_string(int rc, const char *value, const void *data)
{
    struct zks_pending *p = of(data);
    if (rc == ZOK && value != NULL) {
        p->len = strlen(value);
        p->text = zks_copy(value, p->len);
    }
    post(p, rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    keep_stat(of(data), rc == ZOK ? stat : NULL);
    post(of(data), rc);
}

static void
on_data(int rc, const char *value, int len, const struct Stat *stat, const void *data)
{
    struct zks_pending *p = of(data);
    if (rc == ZOK) {
        p->len = len > 0 ? (size_t)len : 0;
        p->text = zks_copy(value, p->len);
        keep_stat(p, stat);
    }
    post(p, rc);
}

static void on_strings(int rc, const struct String_vector *strings, const void *data)
{
    struct zks_pending *p = of(data);
    if (rc == ZOK && strings != NULL && strings->count > 0) {
        p->child_count = (size_t)strings->count;
        p->children = zks_calloc(p->child_count, sizeof(*p->children));
        for (size_t i = 0; i < p->child_count; i++) {
            p->children[i] = zks_copy(strings->data[i], strlen(strings->data[i]));
        }
    }
    post(p, rc);
}

/* ---- asking ---- */

void zks_create(struct zks *s,
                const char *path,
                const void *data,
                size_t len,
                int flags,
                zks_answer_cb cb,
                void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL ? ZINVALIDSTATE
                               : zoo_acreate(s->handle->zh, path, data, (int)len,
                                             zks_acl(s), flags, on_string, p));
}

void zks_delete(struct zks *s, const char *path, int version, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL ? ZINVALIDSTATE
                               : zoo_adelete(s->handle->zh, path, version, on_void, p));
}

void zks_get(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL ? ZINVALIDSTATE
                               : zoo_aget(s->handle->zh, path, watch, on_data, p));
}

void zks_exists(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL ? ZINVALIDSTATE
                               : zoo_aexists(s->handle->zh, path, watch, on_stat, p));
}

void zks_children(
    struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL
                 ? ZINVALIDSTATE
                 : zoo_aget_children(s->handle->zh, path, watch, on_strings, p));
}

void zks_sync(struct zks *s, const char *path, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    begun(p, p->handle == NULL ? ZINVALIDSTATE
                               : zoo_async(s->handle->zh, path, on_string, p));
}

static void fill_op(struct zks *s, const struct zks_op *from, zoo_op_t *to)
{
    switch ((enum zks_op_kind)from->kind) {
    case ZKS_OP_CREATE:
        zoo_create_op_init(to, from->path, from->data, (int)from->len, zks_acl(s), 0,
                           NULL, 0);
        break;
    case ZKS_OP_DELETE:
        zoo_delete_op_init(to, from->path, from->version);
        break;
    case ZKS_OP_SET:
        zoo_set_op_init(to, from->path, from->data, (int)from->len, from->version, NULL);
        break;
    case ZKS_OP_CHECK:
        zoo_check_op_init(to, from->path, from->version);
        break;
    }
}

void zks_multi(
    struct zks *s, const struct zks_op *ops, size_t count, zks_answer_cb cb, void *arg)
{
    struct zks_pending *p = pending_create(s, cb, arg);
    if (p->handle == NULL) {
        begun(p, ZINVALIDSTATE);
        return;
    }
    zoo_op_t *list = zks_calloc(count, sizeof(*list));
    p->results = zks_calloc(count, sizeof(*p->results)); /* lives to the completion */
    for (size_t i = 0; i < count; i++) {
        fill_op(s, &ops[i], &list[i]);
    }
    begun(p, zoo_amulti(s->handle->zh, (int)count, list, p->results, on_void, p));
    free(list); /* what it holds is in the request by now */
}

bool zks_is_unknown(int rc)
{
    switch (rc) {
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONEXPIRED:
    case ZSESSIONMOVED:
    case ZINVALIDSTATE:
    case ZCLOSING:
        return true;
    default:
        return false;
    }
}

const char *zks_error_text(int rc)
{
    switch (rc) {
    case ZOK:
        return "no error";
    case ZCONNECTIONLOSS:
        return "the connection to ZooKeeper was lost";
    case ZOPERATIONTIMEOUT:
        return "ZooKeeper did not answer in time";
    case ZSESSIONEXPIRED:
        return "the ZooKeeper session has ended";
    case ZCLOSING:
        return "the ZooKeeper session is being closed";
    case ZINVALIDSTATE:
        return "there is no ZooKeeper session at present";
    case ZNONODE:
        return "no such node";
    case ZNODEEXISTS:
        return "the node exists already";
    case ZBADVERSION:
        return "the node has another version";
    case ZNOAUTH:
        return "ZooKeeper does not permit it (the node belongs to another user)";
    case ZAUTHFAILED:
        return "ZooKeeper does not accept the credentials";
    case ZNOTEMPTY:
        return "the node has children";
    default:
        return zerror(rc);
    }
}
