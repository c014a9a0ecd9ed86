/* What a registry plugin says of one of its stores: why it does not answer, how it is.
 * Plugins need not say anything. Loop thread. */
#ifndef MU_RUNTIME_REGISTRY_VIEW_H
#define MU_RUNTIME_REGISTRY_VIEW_H

#include <muster/kind/api.h>

#include "runtime/run.h"

/* Room for any reason, in a buffer made by mu_buf_init. */
#define REGISTRY_WHY_MAX 4096u

/* Put the reason into out; nothing when none is known. */
void registry_explain(const struct runtime_plugin *registry,
                      const char *store,
                      struct mu_buf *out);
/* One struct mu_registry_row. */
void registry_row(const struct runtime_plugin *registry,
                  const char *store,
                  mu_row_cb cb,
                  void *arg);

#endif
