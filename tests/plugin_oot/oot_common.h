/* What the four test plugins share: answering later, from the loop. */
#ifndef OOT_COMMON_H
#define OOT_COMMON_H

#include <stdlib.h>

#include <muster/host.h>

struct oot {
    const struct mu_host *host;
    const void *events;
    void *events_arg;
};

static inline int oot_create(const struct mu_host *host,
                             const struct mu_flags *values,
                             void **out_instance,
                             struct mu_error *err)
{
    struct oot *o = (struct oot *)calloc(1, sizeof(*o));
    (void)values;
    if (o == NULL) {
        return mu_fail(err, MU_E_UNAVAILABLE, "out of memory");
    }
    o->host = host;
    *out_instance = o;
    return 0;
}

static inline int oot_start(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static inline void oot_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct oot *o = (struct oot *)instance;
    (void)o->host->timer_start(o->host, 0, stopped_cb, arg);
}

static inline void oot_destroy(void *instance)
{
    free(instance);
}

#define OOT_LIFE                                                                         \
    .version = "1", .summary = "built outside of the tree", .create = oot_create,        \
    .start = oot_start, .stop = oot_stop, .destroy = oot_destroy

#endif
