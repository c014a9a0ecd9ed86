/* See registry_view.h. */
#include "runtime/registry_view.h"

#include <muster/json_writer.h>
#include <muster/kind/registry.h>

#define DETAILS_MAX (1024u * 1024)

void registry_explain(const struct runtime_plugin *registry,
                      const char *store,
                      struct mu_buf *out)
{
    const struct mu_registry_ops *ops = registry->plugin->ops;
    if (MU_HAS(struct mu_registry_ops, ops, explain) && ops->explain != NULL) {
        ops->explain(registry->instance, store, out);
    }
}

static void
describe(const struct runtime_plugin *registry, const char *store, struct mu_buf *out)
{
    const struct mu_registry_ops *ops = registry->plugin->ops;
    struct mu_jw w;
    mu_jw_init(&w, out);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "plugin", registry->plugin->name);
    if (MU_HAS(struct mu_registry_ops, ops, describe) && ops->describe != NULL) {
        ops->describe(registry->instance, store, &w);
    }
    mu_jw_object_end(&w);
}

void registry_row(const struct runtime_plugin *registry,
                  const char *store,
                  mu_row_cb cb,
                  void *arg)
{
    struct mu_buf why, details;
    mu_buf_init(&why, REGISTRY_WHY_MAX);
    mu_buf_init(&details, DETAILS_MAX);
    registry_explain(registry, store, &why);
    describe(registry, store, &details);
    const struct mu_registry_row row = {
        .store = store,
        .plugin = registry->plugin->name,
        .waiting_for = why.len > 0 ? mu_buf_str(&why) : NULL,
        .details = mu_buf_ok(&details) ? mu_buf_str(&details) : "{}",
        .details_len = mu_buf_ok(&details) ? details.len : 2,
    };
    cb(arg, &row);
    mu_buf_release(&why);
    mu_buf_release(&details);
}
