/* See run.h. Starts the plugins and gives the api plugins no roles: enough for plugins
 * that stand alone, such as the template in plugins/api/skeleton. */
#include "runtime/run.h"

#include <muster/kind/api.h>

#include "runtime/plugins.h"

int run_start(struct runtime *rt, uint32_t roles, struct mu_error *err)
{
    static const struct mu_core no_core = {.struct_size = sizeof(struct mu_core)};
    (void)roles;
    for (size_t i = 0; i < rt->options->plugins.api_count; i++) {
        const struct mu_api_ops *ops = rt->apis[i]->plugin->ops;
        ops->attach(rt->apis[i]->instance, 0, &no_core);
    }
    return plugins_start(rt, MU_KIND_API, err);
}

void run_stop(struct runtime *rt, mu_cb cb, void *arg)
{
    plugins_stop(rt, MU_KIND_API, cb, arg);
}

void run_destroy(struct runtime *rt)
{
    (void)rt;
}
