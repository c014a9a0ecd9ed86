/* See zk_world.h. */
#include "unit/zk_registry/zk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define TIMEOUT_MS 10000u
#define ACL_BYTES 43u /* of a node that only its maker may change */

struct mu_timer {
    struct mu_timer *next;
    uint64_t due_ms;
    mu_cb cb;
    void *arg;
};

enum item_kind { ANSWER, CHANGED, SUSPENDED, READY };
struct item { /* on its way to the client */
    struct item *next;
    int kind;
    struct world_request *request; /* ANSWER */
    char *path;                    /* CHANGED */
    bool is_fresh;                 /* READY */
};

enum session_state { AWAY, IS_READY, IS_SUSPENDED };
struct zks {
    struct zks *next;
    struct zk_world *world;
    const struct zks_events *events;
    void *arg;
    int state; /* as the client knows it */
    bool is_connected, has_begun, is_closing;
    uint64_t seen; /* the change up to which its server knows all */
    int64_t id;
    struct world_request *asked, **asked_end;
    struct item *items, **items_end;
    struct mu_omap watches; /* path -> anything */
    mu_cb closed_cb;
    void *closed_arg;
};

/* ---- the host ---- */

static struct zk_world *world_of(const struct mu_host *h)
{
    return h->impl;
}

static MU_PRINTF(4, 5) void on_log(
    const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    world_of(h)->warnings += level <= MU_WARN;
    if (getenv("MUSTER_TEST_LOG") != NULL) {
        char text[512] = "";
        if (fmt != NULL) {
            va_list args;
            va_start(args, fmt);
            (void)vsnprintf(text, sizeof(text), fmt, args);
            va_end(args);
        }
        fprintf(stderr, "%d %s %s\n", level, message, text);
    }
}

static uint64_t on_now_ms(const struct mu_host *h)
{
    return world_of(h)->now_ms;
}

static uint64_t on_random(const struct mu_host *h)
{
    return mu_prng_next(&world_of(h)->random);
}

static struct uv_loop_s *on_loop(const struct mu_host *h)
{
    return (struct uv_loop_s *)(uintptr_t)h; /* there is one; nobody looks into it */
}

static struct mu_timer *
on_timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct zk_world *w = world_of(h);
    struct mu_timer *t = MU_NEW(struct mu_timer);
    *t = (struct mu_timer){.due_ms = w->now_ms + delay_ms, .cb = cb, .arg = arg};
    struct mu_timer **at = &w->timers;
    while (*at != NULL && (*at)->due_ms <= t->due_ms) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    return t;
}

static void on_timer_cancel(const struct mu_host *h, struct mu_timer *t)
{
    struct mu_timer **at = &world_of(h)->timers;
    while (t != NULL && *at != t) {
        assert_non_null(*at); /* dead already */
        at = &(*at)->next;
    }
    if (t != NULL) {
        *at = t->next;
        free(t);
    }
}

bool world_timer(struct zk_world *w)
{
    struct mu_timer *t = w->timers;
    if (t == NULL) {
        return false;
    }
    w->timers = t->next;
    w->now_ms = t->due_ms > w->now_ms ? t->due_ms : w->now_ms;
    mu_cb cb = t->cb;
    void *arg = t->arg;
    free(t);
    cb(arg);
    return true;
}

uint64_t world_due_ms(const struct zk_world *w)
{
    return w->timers == NULL ? UINT64_MAX : w->timers->due_ms;
}

static void carry_out_write(struct zk_world *w, struct world_request *r)
{
    r->rc = tree_write(&w->tree, r->ops, r->count);
    if (r->rc == ZOK && w->on_written != NULL) {
        w->on_written(w->arg, r);
    }
}

/* ---- reading, at what the session's server has seen ---- */

static void carry_out_read(struct zks *s, struct world_request *r)
{
    const char *path = r->ops[0].path;
    const struct tree_state *now = tree_state(&s->world->tree, path, s->seen);
    r->rc = now == NULL ? ZNONODE : ZOK;
    if (r->watch && (now != NULL || r->kind == WORLD_EXISTS)) {
        (void)mu_omap_put(&s->watches, path, s);
    }
    if (now == NULL) {
        return;
    }
    r->stat = now->stat;
    if (r->kind == WORLD_GET) {
        r->len = now->len;
        r->data = mu_xalloc(now->len + 1);
        memcpy(r->data, now->data, now->len + 1);
    }
    if (r->kind == WORLD_CHILDREN) {
        r->child_count = tree_children(&s->world->tree, path, s->seen, &r->children);
    }
}

/* ---- requests ---- */

static void request_destroy(struct world_request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->ops[i].path);
        free(r->ops[i].data);
    }
    for (size_t i = 0; i < r->child_count; i++) {
        free(r->children[i]);
    }
    free(r->ops);
    free(r->children);
    free(r->data);
    free(r);
}

static struct item *add_item(struct zks *s, int kind)
{
    struct item *it = MU_NEW(struct item);
    it->kind = kind;
    *s->items_end = it;
    s->items_end = &it->next;
    return it;
}

/* The bytes of it on the wire, as ZooKeeper writes them. */
static size_t size_of(const struct world_request *r)
{
    size_t bytes = 8 + (r->count > 1 ? 9 : 0);
    for (size_t i = 0; i < r->count; i++) {
        const struct world_op *op = &r->ops[i];
        bytes += (r->count > 1 ? 9 : 0) + 4 + strlen(op->path) + 4 + op->len + 4;
        bytes += op->kind == ZKS_OP_CREATE ? ACL_BYTES : 0;
    }
    return bytes;
}

static void ask(struct zks *s,
                int kind,
                const struct zks_op *ops,
                size_t count,
                bool watch,
                zks_answer_cb cb,
                void *arg)
{
    struct world_request *r = MU_NEW(struct world_request);
    *r = (struct world_request){
        .kind = kind, .watch = watch, .count = count, .cb = cb, .arg = arg};
    r->ops = mu_xcalloc(count, sizeof(*r->ops));
    for (size_t i = 0; i < count; i++) {
        r->ops[i] = (struct world_op){
            ops[i].kind, mu_xstrdup(ops[i].path),
            ops[i].data == NULL ? NULL : mu_xmemdup(ops[i].data, ops[i].len), ops[i].len,
            ops[i].version};
    }
    size_t size = size_of(r);
    assert_true(size <= WORLD_PACKET_MAX);
    s->world->biggest = size > s->world->biggest ? size : s->world->biggest;
    if (s->state == AWAY) {
        r->rc = ZINVALIDSTATE;
        add_item(s, ANSWER)->request = r;
    } else {
        *s->asked_end = r;
        s->asked_end = &r->next;
    }
}

static struct world_request *take_asked(struct zks *s)
{
    struct world_request *r = s->asked;
    if (r != NULL) {
        s->asked = r->next;
        s->asked_end = s->asked == NULL ? &s->asked : s->asked_end;
        r->next = NULL;
    }
    return r;
}

/* Watches of what has changed in (from, s->seen]. */
static void tell_watchers(struct zks *s, uint64_t from)
{
    mu_omap_foreach_safe (e, &s->watches) {
        bool has_changed = tree_has_changed(&s->world->tree, e->key, from, s->seen);
        if (has_changed) {
            add_item(s, CHANGED)->path = mu_xstrdup(e->key);
            (void)mu_omap_remove(&s->watches, e->key);
        }
    }
}

static void see(struct zks *s, uint64_t number)
{
    uint64_t from = s->seen;
    if (number > from) {
        s->seen = number;
        tell_watchers(s, from);
    }
}

static void carry_out(struct zks *s, struct world_request *r)
{
    struct zk_world *w = s->world;
    w->carried_out++;
    if (r->kind == WORLD_WRITE) {
        carry_out_write(w, r);
        see(s, w->tree.head); /* the answer comes behind all changes before it */
    } else if (r->kind == WORLD_SYNC) {
        see(s, w->tree.head);
    } else {
        carry_out_read(s, r);
    }
}

bool world_carry_out(struct zks *s)
{
    if (!s->is_connected || s->asked == NULL) {
        return false;
    }
    struct world_request *r = take_asked(s);
    carry_out(s, r);
    add_item(s, ANSWER)->request = r;
    return true;
}

static void answer(struct world_request *r, int rc)
{
    struct zks_answer a = {.rc = rc, .data = ""};
    if (rc == r->rc) {
        a.data = r->data != NULL ? r->data : "";
        a.len = r->len;
        a.stat = r->stat;
        a.children = (const char *const *)r->children;
        a.child_count = r->child_count;
    }
    zks_answer_cb cb = r->cb;
    r->cb = NULL;
    if (cb != NULL) {
        cb(r->arg, &a);
    }
}

static void deliver_item(struct zks *s, struct item *it)
{
    switch ((enum item_kind)it->kind) {
    case ANSWER:
        answer(it->request, it->request->rc);
        request_destroy(it->request);
        break;
    case CHANGED:
        s->events->changed(s->arg, ZOO_CHANGED_EVENT, it->path);
        break;
    case SUSPENDED:
        s->state = IS_SUSPENDED;
        s->events->suspended(s->arg);
        break;
    case READY:
        s->state = IS_READY;
        s->has_begun = true;
        s->events->ready(s->arg, it->is_fresh);
        break;
    }
    free(it->path);
    free(it);
}

bool world_deliver(struct zks *s)
{
    struct item *it = s->items;
    if (it == NULL) {
        return false;
    }
    s->items = it->next;
    s->items_end = s->items == NULL ? &s->items : s->items_end;
    deliver_item(s, it);
    return true;
}

/* ---- faults ---- */

static void make_ghost(struct zk_world *w, const struct world_request *r)
{
    struct world_request *g = MU_NEW(struct world_request);
    *g = (struct world_request){.kind = r->kind, .count = r->count};
    g->ops = mu_xcalloc(r->count, sizeof(*g->ops));
    for (size_t i = 0; i < r->count; i++) {
        g->ops[i] = r->ops[i];
        g->ops[i].path = mu_xstrdup(r->ops[i].path);
        g->ops[i].data =
            r->ops[i].data == NULL ? NULL : mu_xmemdup(r->ops[i].data, r->ops[i].len);
    }
    *w->ghosts_end = g;
    w->ghosts_end = &g->next;
}

bool world_cut(struct zks *s, enum world_cut how)
{
    if (!s->is_connected) {
        return false;
    }
    if (s->asked != NULL && how == WORLD_CUT_AFTER) {
        struct world_request *r = take_asked(s);
        carry_out(s, r);
        add_item(s, ANSWER)->request = r;
    } else if (how == WORLD_CUT_LATE) {
        for (struct world_request *r = s->asked; r != NULL; r = r->next) {
            if (r->kind == WORLD_WRITE) {
                make_ghost(s->world, r);
            }
        }
    }
    s->is_connected = false;
    for (struct item *it = s->items; it != NULL; it = it->next) {
        if (it->kind == ANSWER) {
            it->request->rc = ZCONNECTIONLOSS;
        }
    }
    add_item(s, SUSPENDED);
    struct world_request *r;
    while ((r = take_asked(s)) != NULL) {
        r->rc = ZCONNECTIONLOSS;
        add_item(s, ANSWER)->request = r;
    }
    return true;
}

bool world_expire(struct zks *s)
{
    if (s->state == AWAY) {
        return false;
    }
    bool had_begun = s->has_begun;
    s->is_connected = s->has_begun = false;
    s->state = AWAY;
    mu_omap_release(&s->watches);
    struct item *items = s->items;
    struct world_request *asked = s->asked;
    s->items = NULL;
    s->items_end = &s->items;
    s->asked = NULL;
    s->asked_end = &s->asked;
    while (items != NULL) { /* in the order of asking: those carried out come first */
        struct item *it = items;
        items = it->next;
        if (it->kind == ANSWER) {
            answer(it->request, ZSESSIONEXPIRED);
            request_destroy(it->request);
        }
        free(it->path);
        free(it);
    }
    while (asked != NULL) {
        struct world_request *r = asked;
        asked = r->next;
        answer(r, ZSESSIONEXPIRED);
        request_destroy(r);
    }
    if (had_begun && !s->is_closing) {
        s->events->expired(s->arg, "made up");
    }
    return true;
}

bool world_connect(struct zks *s, bool is_behind)
{
    if (s->is_connected || s->is_closing) {
        return false;
    }
    struct zk_world *w = s->world;
    bool is_fresh = s->state == AWAY;
    uint64_t least = is_fresh ? 0 : s->seen; /* a server behind it would refuse us */
    if (is_fresh) {
        s->id++;
        s->seen = 0;
    }
    s->is_connected = true;
    see(s, is_behind ? mu_prng_range(&w->random, least, w->tree.head) : w->tree.head);
    add_item(s, READY)->is_fresh = is_fresh;
    return true;
}

bool world_ghost(struct zk_world *w)
{
    struct world_request *g = w->ghosts;
    if (g == NULL) {
        return false;
    }
    w->ghosts = g->next;
    w->ghosts_end = w->ghosts == NULL ? &w->ghosts : w->ghosts_end;
    carry_out_write(w, g);
    request_destroy(g);
    return true;
}

bool world_catch_up(struct zks *s)
{
    if (!s->is_connected || s->seen >= s->world->tree.head) {
        return false;
    }
    see(s, s->seen + 1);
    return true;
}

void world_settle(struct zk_world *w, uint64_t limit_ms)
{
    for (;;) {
        bool moved = world_ghost(w);
        for (struct zks *s = w->sessions, *next; s != NULL; s = next) {
            next = s->next;
            moved |= world_connect(s, false) || world_deliver(s) || world_carry_out(s) ||
                     world_catch_up(s);
        }
        if (!moved && world_due_ms(w) > limit_ms) {
            return;
        }
        if (!moved) {
            (void)world_timer(w);
        }
    }
}

/* ---- looking ---- */

bool world_is_connected(const struct zks *s)
{
    return s->is_connected;
}

bool world_has_work(const struct zks *s)
{
    return s->items != NULL || (s->is_connected && s->asked != NULL);
}

const char *world_data(const struct zk_world *w, const char *path)
{
    const struct tree_state *s = tree_state(&w->tree, path, w->tree.head);
    return s == NULL ? NULL : s->data;
}

size_t world_count_below(const struct zk_world *w, const char *path)
{
    size_t count = 0;
    mu_omap_foreach (e, &w->tree.nodes) {
        count += tree_is_below(path, e->key) && world_data(w, e->key) != NULL;
    }
    return count;
}

void world_open(struct zk_world *w, uint64_t seed)
{
    *w = (struct zk_world){.tree = {.refuse_rc = ZOK}};
    w->ghosts_end = &w->ghosts;
    mu_prng_seed(&w->random, seed);
    mu_omap_init(&w->tree.nodes);
    w->host = (struct mu_host){
        .struct_size = sizeof(struct mu_host),
        .abi_major = MU_ABI_MAJOR,
        .abi_minor = MU_ABI_MINOR,
        .impl = w,
        .log = on_log,
        .now_ms = on_now_ms,
        .random = on_random,
        .loop = on_loop,
        .timer_start = on_timer_start,
        .timer_cancel = on_timer_cancel,
    };
    tree_put(&w->tree, "/mesos", ""); /* the session makes the base path */
}

void world_close(struct zk_world *w)
{
    assert_null(w->timers);
    assert_null(w->sessions);
    while (world_ghost(w)) {
    }
    tree_release(&w->tree);
}

/* ---- plugins/zk/session.h ---- */

struct zks *zks_open(const struct mu_host *host,
                     const struct zks_url *url,
                     uint64_t timeout_ms,
                     const struct zks_events *events,
                     void *arg)
{
    (void)url;
    (void)timeout_ms;
    struct zk_world *w = host->impl;
    struct zks *s = MU_NEW(struct zks);
    *s = (struct zks){.world = w, .events = events, .arg = arg};
    s->asked_end = &s->asked;
    s->items_end = &s->items;
    mu_omap_init(&s->watches);
    struct zks **at = &w->sessions;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = s;
    return s;
}

static void on_closed(void *arg)
{
    struct zks *s = arg;
    struct zks **at = &s->world->sessions;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    mu_cb cb = s->closed_cb;
    void *cb_arg = s->closed_arg;
    while (world_deliver(s)) {
    }
    free(s);
    cb(cb_arg);
}

void zks_close(struct zks *s, mu_cb closed_cb, void *arg)
{
    s->is_closing = true;
    s->closed_cb = closed_cb;
    s->closed_arg = arg;
    (void)world_expire(s);
    (void)s->world->host.timer_start(&s->world->host, 0, on_closed, s);
}

bool zks_is_ready(const struct zks *s)
{
    return s->state == IS_READY;
}

void zks_make_path(struct zks *s)
{
    (void)s; /* world_open has */
}

bool zks_is_unknown(int rc)
{
    return rc == ZCONNECTIONLOSS || rc == ZSESSIONEXPIRED || rc == ZINVALIDSTATE;
}

int64_t zks_id(const struct zks *s)
{
    return s->id;
}

uint64_t zks_timeout_ms(const struct zks *s)
{
    (void)s;
    return TIMEOUT_MS;
}

const char *zks_state_name(const struct zks *s)
{
    return s->is_connected ? "connected" : "away";
}

static void ask_read(
    struct zks *s, int kind, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    const struct zks_op op = {.path = path};
    ask(s, kind, &op, 1, watch, cb, arg);
}

void zks_create(struct zks *s,
                const char *path,
                const void *data,
                size_t len,
                int flags,
                zks_answer_cb cb,
                void *arg)
{
    assert_int_equal(flags, 0);
    const struct zks_op op = {ZKS_OP_CREATE, path, data, len, -1};
    ask(s, WORLD_WRITE, &op, 1, false, cb, arg);
}

void zks_delete(struct zks *s, const char *path, int version, zks_answer_cb cb, void *arg)
{
    const struct zks_op op = {.kind = ZKS_OP_DELETE, .path = path, .version = version};
    ask(s, WORLD_WRITE, &op, 1, false, cb, arg);
}

void zks_get(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    ask_read(s, WORLD_GET, path, watch, cb, arg);
}

void zks_exists(struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    ask_read(s, WORLD_EXISTS, path, watch, cb, arg);
}

void zks_children(
    struct zks *s, const char *path, bool watch, zks_answer_cb cb, void *arg)
{
    ask_read(s, WORLD_CHILDREN, path, watch, cb, arg);
}

void zks_sync(struct zks *s, const char *path, zks_answer_cb cb, void *arg)
{
    ask_read(s, WORLD_SYNC, path, false, cb, arg);
}

void zks_multi(
    struct zks *s, const struct zks_op *ops, size_t count, zks_answer_cb cb, void *arg)
{
    ask(s, WORLD_WRITE, ops, count, false, cb, arg);
}

const char *zks_error_text(int rc)
{
    return rc == ZNOAUTH ? "not permitted" : "made-up error";
}
