/* Containerizer: takes no container. */
#include <errno.h>

#include <muster/kind/containerizer.h>
#include <muster/plugin.h>

#include "oot_common.h"

struct answer {
    mu_status_cb cb;
    void *arg;
};

static void give(void *arg)
{
    struct answer a = *(struct answer *)arg;
    free(arg);
    a.cb(a.arg, 0, NULL);
}

static void answer_later(void *instance, mu_status_cb cb, void *arg)
{
    struct oot *o = (struct oot *)instance;
    struct answer *a = (struct answer *)calloc(1, sizeof(*a));
    if (a == NULL) {
        abort();
    }
    a->cb = cb;
    a->arg = arg;
    (void)o->host->timer_start(o->host, 0, give, a);
}

static void
oot_listen(void *instance, const struct mu_containerizer_events *events, void *arg)
{
    (void)instance;
    (void)events;
    (void)arg;
}

static int
oot_can_run(void *instance, const struct mu_container_spec *spec, struct mu_error *err)
{
    (void)instance;
    (void)spec;
    (void)err;
    return 0;
}

static int oot_recover(void *instance,
                       const struct mu_container_known *known,
                       size_t count,
                       mu_recovered_cb on_each,
                       mu_status_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    (void)known;
    (void)count;
    (void)on_each;
    (void)err;
    answer_later(instance, cb, arg);
    return 0;
}

static int oot_launch(void *instance,
                      const struct mu_container_spec *spec,
                      mu_launched_cb cb,
                      void *arg,
                      struct mu_error *err)
{
    (void)instance;
    (void)spec;
    (void)cb;
    (void)arg;
    return mu_fail(err, MU_E_UNSUPPORTED, "takes no container");
}

static int oot_kill(void *instance,
                    const struct mu_container_id *id,
                    int signal_number,
                    struct mu_error *err)
{
    (void)instance;
    (void)signal_number;
    return mu_fail(err, -ESRCH, "no container '%s'", id->s);
}

static void oot_destroy_container(void *instance,
                                  const struct mu_container_id *id,
                                  mu_status_cb cb,
                                  void *arg)
{
    (void)id;
    answer_later(instance, cb, arg);
}

static int oot_usage(void *instance,
                     const struct mu_container_id *id,
                     mu_usage_cb cb,
                     void *arg,
                     struct mu_error *err)
{
    (void)instance;
    (void)cb;
    (void)arg;
    return mu_fail(err, -ESRCH, "no container '%s'", id->s);
}

static const struct mu_containerizer_ops ops = {
    .struct_size = sizeof(struct mu_containerizer_ops),
    .listen = oot_listen,
    .can_run = oot_can_run,
    .recover = oot_recover,
    .launch = oot_launch,
    .kill = oot_kill,
    .destroy = oot_destroy_container,
    .usage = oot_usage,
};

MU_PLUGIN_DEFINE(containerizer_oot) = {
    MU_PLUGIN_HEAD, .kind = MU_KIND_CONTAINERIZER, .name = "oot", .ops = &ops, OOT_LIFE,
};
