/* Registry in this process's memory: nothing outlives the instance.
 *
 * Each store name has one ordered map, which stays when its stores are closed. Several
 * stores may be open under one name; the last one that recovered is the writer and fences
 * the others. Whether a request is allowed is decided when it is made, its effect and its
 * callback follow on the next turn of the loop, in the order of the requests. Only host
 * timers are used, so it runs with virtual time.
 */
#include <muster/kind/registry.h>
#include <muster/plugin.h>

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct rim_entry {
    const void *value; /* behind key, in the same memory; NULL: delete key */
    size_t value_len;
    char key[];
};

struct rim_map {
    struct rim_map *next;
    void *root; /* of tsearch: struct rim_entry, by key */
    uint64_t epoch;
    struct mu_registry_store *writer;
    char name[];
};

struct mu_registry_store {
    struct mu_registry_store *next;
    struct rim *rim;
    struct rim_map *map;
    const struct mu_registry_events *events;
    void *arg;
    bool is_recovered; /* has been the writer */
    bool owes_fenced;
    bool is_closing;
};

enum rim_kind { RIM_RECOVER, RIM_COMMIT, RIM_CLOSE };

struct rim_request {
    struct rim_request *next;
    enum rim_kind kind;
    struct mu_registry_store *store;
    int status; /* decided when it was made */
    mu_registry_entry_cb on_entry;
    mu_registry_done_cb done;
    mu_cb closed;
    void *arg;
    size_t count;
    struct rim_entry *entries[]; /* of a commit */
};

struct rim {
    const struct mu_host *host;
    struct rim_map *maps;
    struct mu_registry_store *stores;
    struct rim_request *requests, **requests_end;
    struct mu_timer *turn; /* on_turn is going to run */
    bool is_stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

static const struct mu_flag rim_flags[] = {
    {.name = "quorum",
     .type = MU_FLAG_INT,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "1",
     .help = "How many replicas must store a change; this registry has no replicas and "
             "only checks that the number is positive."},
    {0},
};

/* Sizes are bounded by the limits of a batch: out of memory ends the process. */
static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static int by_key(const void *a, const void *b)
{
    const struct rim_entry *x = a;
    const struct rim_entry *y = b;
    return strcmp(x->key, y->key);
}

static void apply(struct rim_map *m, struct rim_entry *e)
{
    void *node = tfind(e, &m->root, by_key);
    if (node != NULL) {
        struct rim_entry *old = *(struct rim_entry **)node;
        (void)tdelete(old, &m->root, by_key);
        free(old);
    }
    if (e->value == NULL) {
        free(e);
    } else if (tsearch(e, &m->root, by_key) == NULL) {
        abort(); /* out of memory */
    }
}

static void on_node(const void *node, VISIT visit, void *arg)
{
    const struct rim_request *r = arg;
    if (visit == postorder || visit == leaf) {
        const struct rim_entry *e = *(struct rim_entry *const *)node;
        r->on_entry(r->arg, e->key, e->value, e->value_len);
    }
}

static void on_turn(void *arg);

static void arm(struct rim *rim)
{
    if (rim->turn == NULL) {
        rim->turn = rim->host->timer_start(rim->host, 0, on_turn, rim);
    }
}

static struct rim_request *
ask(struct mu_registry_store *s, enum rim_kind kind, size_t count)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
    size_t entries_size = count * sizeof(struct rim_entry *);
    struct rim_request *r = allocate(sizeof(*r) + entries_size);
    r->kind = kind;
    r->store = s;
    *s->rim->requests_end = r;
    s->rim->requests_end = &r->next;
    arm(s->rim);
    return r;
}

static void finish_recover(struct rim_request *r)
{
    struct mu_registry_store *s = r->store;
    if (r->status == 0 && s->map->writer != s) {
        r->status = MU_E_FENCED; /* by one that came meanwhile */
    }
    if (r->status == 0) {
        for (struct mu_registry_store *o = s->rim->stores; o != NULL; o = o->next) {
            if (o->map == s->map && o->owes_fenced) {
                o->owes_fenced = false;
                o->events->fenced(o->arg);
            }
        }
        twalk_r(s->map->root, on_node, r);
        s->is_recovered = true;
    }
    r->done(r->arg, r->status, r->status == 0 ? NULL : mu_strerror(r->status));
}

static void finish_commit(struct rim_request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->status == 0) {
            apply(r->store->map, r->entries[i]);
        } else {
            free(r->entries[i]);
        }
    }
    r->done(r->arg, r->status, r->status == 0 ? NULL : mu_strerror(r->status));
}

static void finish_close(struct rim_request *r)
{
    struct mu_registry_store *s = r->store;
    struct mu_registry_store **at = &s->rim->stores;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    if (s->map->writer == s) {
        s->map->writer = NULL;
    }
    free(s);
    if (r->closed != NULL) {
        r->closed(r->arg);
    }
}

/* What the callbacks ask for waits for the next turn. */
static void on_turn(void *arg)
{
    struct rim *rim = arg;
    rim->turn = NULL;
    struct rim_request *r = rim->requests;
    rim->requests = NULL;
    rim->requests_end = &rim->requests;
    while (r != NULL) {
        struct rim_request *next = r->next;
        switch (r->kind) {
        case RIM_RECOVER:
            finish_recover(r);
            break;
        case RIM_COMMIT:
            finish_commit(r);
            break;
        case RIM_CLOSE:
            finish_close(r);
            break;
        }
        free(r);
        r = next;
    }
    if (rim->is_stopping && rim->stores == NULL && rim->turn == NULL) {
        rim->is_stopping = false;
        rim->stopped_cb(rim->stopped_arg);
    }
}

static int rim_open(void *instance,
                    const char *name,
                    const struct mu_registry_events *events,
                    void *arg,
                    struct mu_registry_store **out,
                    struct mu_error *err)
{
    struct rim *rim = instance;
    if (name[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "registry in_memory: a store needs a name");
    }
    struct rim_map *m = rim->maps;
    while (m != NULL && strcmp(m->name, name) != 0) {
        m = m->next;
    }
    if (m == NULL) {
        m = allocate(sizeof(*m) + strlen(name) + 1);
        memcpy(m->name, name, strlen(name) + 1);
        m->next = rim->maps;
        rim->maps = m;
    }
    struct mu_registry_store *s = allocate(sizeof(*s));
    *s = (struct mu_registry_store){
        .next = rim->stores, .rim = rim, .map = m, .events = events, .arg = arg};
    rim->stores = s;
    *out = s;
    return 0;
}

static int rim_recover(struct mu_registry_store *s,
                       uint64_t epoch,
                       mu_registry_entry_cb on_entry,
                       mu_registry_done_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    if (s->is_closing) {
        return mu_fail(err, -ECANCELED, "registry in_memory: the store is closing");
    }
    struct rim_request *r = ask(s, RIM_RECOVER, 0);
    r->on_entry = on_entry;
    r->done = cb;
    r->arg = arg;
    struct rim_map *m = s->map;
    if (epoch < m->epoch) {
        r->status = MU_E_FENCED;
        return 0;
    }
    m->epoch = epoch;
    if (m->writer != NULL && m->writer != s) {
        m->writer->owes_fenced = m->writer->is_recovered;
    }
    m->writer = s;
    s->is_recovered = false;
    s->owes_fenced = false;
    return 0;
}

static struct rim_entry *copy_op(const struct mu_registry_op *op)
{
    size_t key_size = strlen(op->key) + 1;
    size_t value_len = op->value != NULL ? op->value_len : 0;
    struct rim_entry *e = allocate(sizeof(*e) + key_size + value_len);
    memcpy(e->key, op->key, key_size);
    if (op->value != NULL) {
        memcpy(e->key + key_size, op->value, value_len);
        e->value = e->key + key_size;
        e->value_len = value_len;
    }
    return e;
}

static int rim_commit(struct mu_registry_store *s,
                      const struct mu_registry_op *ops,
                      size_t count,
                      mu_registry_done_cb cb,
                      void *arg,
                      struct mu_error *err)
{
    if (s->is_closing) {
        return mu_fail(err, -ECANCELED, "registry in_memory: the store is closing");
    }
    if (!s->is_recovered) {
        return mu_fail(err, MU_E_INVALID, "registry in_memory: commit before recover");
    }
    int rc = mu_registry_check_ops(ops, count, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "registry in_memory");
    }
    struct rim_request *r = ask(s, RIM_COMMIT, count);
    r->done = cb;
    r->arg = arg;
    r->status = s->map->writer == s ? 0 : MU_E_FENCED;
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        r->entries[i] = copy_op(&ops[i]);
    }
    return 0;
}

static void rim_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg)
{
    s->is_closing = true;
    struct rim_request *r = ask(s, RIM_CLOSE, 0);
    r->closed = closed_cb;
    r->arg = arg;
}

static int rim_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    if (mu_flags_int(values, "quorum") < 1) {
        return mu_fail(err, MU_E_INVALID, "--quorum must be at least 1");
    }
    struct rim *rim = allocate(sizeof(*rim));
    rim->host = host;
    rim->requests_end = &rim->requests;
    *out_instance = rim;
    return 0;
}

static int rim_start(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static void rim_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct rim *rim = instance;
    rim->is_stopping = true;
    rim->stopped_cb = stopped_cb;
    rim->stopped_arg = arg;
    for (struct mu_registry_store *s = rim->stores; s != NULL; s = s->next) {
        if (!s->is_closing) {
            rim_close(s, NULL, NULL);
        }
    }
    arm(rim);
}

static void rim_destroy(void *instance)
{
    struct rim *rim = instance;
    if (rim == NULL) {
        return;
    }
    while (rim->maps != NULL) {
        struct rim_map *m = rim->maps;
        rim->maps = m->next;
        tdestroy(m->root, free);
        free(m);
    }
    free(rim);
}

static const struct mu_registry_ops rim_ops = {
    .struct_size = sizeof(struct mu_registry_ops),
    .open = rim_open,
    .recover = rim_recover,
    .commit = rim_commit,
    .close = rim_close,
    .bits = MU_REGISTRY_PRIVATE,
};

MU_PLUGIN_DEFINE(registry_in_memory) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_REGISTRY,
    .name = "in_memory",
    .version = MU_PLUGIN_VERSION,
    .summary = "keeps the state of the cluster in this process only",
    .flags = rim_flags,
    .ops = &rim_ops,
    .create = rim_create,
    .start = rim_start,
    .stop = rim_stop,
    .destroy = rim_destroy,
};
