/* The api plugin `mesos`: the endpoints of a Mesos master and agent that tools and people
 * read. mesos.h is the map. */
#include "mesos.h"

#include <stdlib.h>

struct instance {
    struct mso m;
    struct mso_route master, agent;
};

static int mso_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out,
                      struct mu_error *err)
{
    (void)values;
    struct instance *i = calloc(1, sizeof(*i));
    if (i == NULL) {
        return mu_fail(err, -12, "api mesos: out of memory");
    }
    i->m.host = host;
    i->master = (struct mso_route){.mso = &i->m};
    i->agent = (struct mso_route){.mso = &i->m, .is_agent = true};
    *out = i;
    return 0;
}

static void mso_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    struct instance *i = instance;
    i->m.roles = roles;
    i->m.core = core;
}

static int mso_start(void *instance, struct mu_error *err)
{
    struct instance *i = instance;
    return mso_routes_add(&i->m, &i->master, &i->agent, err);
}

void mso_maybe_stopped(struct mso *m)
{
    if (m->stopped_cb != NULL && m->works == 0) {
        mu_cb cb = m->stopped_cb;
        m->stopped_cb = NULL;
        cb(m->stopped_arg);
    }
}

static void on_stop_turn(void *arg)
{
    mso_maybe_stopped(arg);
}

static void mso_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct instance *i = instance;
    i->m.stopped_cb = stopped_cb;
    i->m.stopped_arg = arg;
    (void)i->m.host->timer_start(i->m.host, 0, on_stop_turn, &i->m);
}

static void mso_destroy(void *instance)
{
    free(instance);
}

static const struct mu_api_ops mso_ops = {.struct_size = sizeof(mso_ops),
                                          .attach = mso_attach};

MU_PLUGIN_DEFINE(api_mesos) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_API,
    .name = "mesos",
    .version = MU_PLUGIN_VERSION,
    .summary = "HTTP endpoints of a Mesos master and agent",
    .ops = &mso_ops,
    .create = mso_create,
    .start = mso_start,
    .stop = mso_stop,
    .destroy = mso_destroy,
};
