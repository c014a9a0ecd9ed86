/* Registry: accepts everything and keeps nothing. */
#include <muster/kind/registry.h>
#include <muster/plugin.h>

#include "oot_common.h"

struct mu_registry_store {
    const struct mu_host *host;
};

struct answer {
    mu_registry_done_cb cb;
    void *arg;
};

static void give(void *arg)
{
    struct answer a = *(struct answer *)arg;
    free(arg);
    a.cb(a.arg, 0, NULL);
}

static int answer_later(const struct mu_host *host, mu_registry_done_cb cb, void *arg)
{
    struct answer *a = (struct answer *)calloc(1, sizeof(*a));
    if (a == NULL) {
        return MU_E_UNAVAILABLE;
    }
    a->cb = cb;
    a->arg = arg;
    (void)host->timer_start(host, 0, give, a);
    return 0;
}

static int oot_open(void *instance,
                    const char *name,
                    const struct mu_registry_events *events,
                    void *arg,
                    struct mu_registry_store **out,
                    struct mu_error *err)
{
    struct oot *o = (struct oot *)instance;
    struct mu_registry_store *s = (struct mu_registry_store *)calloc(1, sizeof(*s));
    (void)name;
    (void)events;
    (void)arg;
    if (s == NULL) {
        return mu_fail(err, MU_E_UNAVAILABLE, "out of memory");
    }
    s->host = o->host;
    *out = s;
    return 0;
}

static int oot_recover(struct mu_registry_store *s,
                       uint64_t epoch,
                       mu_registry_entry_cb on_entry,
                       mu_registry_done_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    (void)epoch;
    (void)on_entry;
    (void)err;
    return answer_later(s->host, cb, arg);
}

static int oot_commit(struct mu_registry_store *s,
                      const struct mu_registry_op *ops,
                      size_t count,
                      mu_registry_done_cb cb,
                      void *arg,
                      struct mu_error *err)
{
    (void)ops;
    (void)count;
    (void)err;
    return answer_later(s->host, cb, arg);
}

static void oot_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg)
{
    (void)s->host->timer_start(s->host, 0, closed_cb, arg);
    free(s);
}

static const struct mu_registry_ops ops = {
    .struct_size = sizeof(struct mu_registry_ops),
    .open = oot_open,
    .recover = oot_recover,
    .commit = oot_commit,
    .close = oot_close,
};

MU_PLUGIN_DEFINE(registry_oot) = {
    MU_PLUGIN_HEAD, .kind = MU_KIND_REGISTRY, .name = "oot", .ops = &ops, OOT_LIFE,
};
