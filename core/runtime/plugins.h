/* The plugin instances of a struct runtime: create, start, stop, destroy, by kind. */
#ifndef MU_RUNTIME_PLUGINS_H
#define MU_RUNTIME_PLUGINS_H

#include <muster/buf.h>

#include "runtime/run.h"

/* A plugin that was chosen, with the view of its flags. */
struct plugin_choice {
    const struct mu_plugin *plugin;
    const struct mu_flags *values;
};

/* Calls create of every choice and fills rt's plugin members by options->plugins. Appends
 * a line per configuration error to errors and goes on, so that all are reported:
 * MU_E_PLUGIN. */
MU_NODISCARD int plugins_create(struct runtime *rt,
                                const struct plugin_choice *choices,
                                size_t count,
                                struct mu_buf *errors);
/* Starts those of a kind that are not started, in order, up to the first that fails. */
MU_NODISCARD int plugins_start(struct runtime *rt, uint32_t kind, struct mu_error *err);
/* Stops those of a kind that are started, all at once; cb from the loop, never inline,
 * when all have stopped. */
void plugins_stop(struct runtime *rt, uint32_t kind, mu_cb cb, void *arg);
/* All instances; none may be started. */
void plugins_destroy(struct runtime *rt);

#endif
