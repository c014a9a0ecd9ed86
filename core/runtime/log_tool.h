/* muster log: asks a registry plugin what its files hold, while no master uses them. The
 * plugin knows its format; the core gives it a way to read journals, and prints.
 * Main thread, no loop.
 */
#ifndef MU_RUNTIME_LOG_TOOL_H
#define MU_RUNTIME_LOG_TOOL_H

#include <muster/buf.h>
#include <muster/flag.h>
#include <muster/kind/registry.h>

struct mu_plugin;

struct log_tool {
    uint32_t question, bits;                 /* of struct mu_registry_inspection */
    const char *work_dir, *store, *registry; /* borrowed from the flags */
    const struct mu_registry_ops *ops;
};

/* "Usage: muster log ...", with what the actions do. */
const char *log_tool_usage(void);
/* action: the word behind "log"; NULL: there was none. A line per mistake is appended to
 * errors: MU_E_INVALID. */
MU_NODISCARD int log_tool_prepare(const char *action,
                                  const struct mu_flags *flags,
                                  struct log_tool *out,
                                  struct mu_buf *errors);
/* MU_E_UNSUPPORTED: the plugin has nothing to look at. */
MU_NODISCARD int
log_tool_bind(struct log_tool *t, const struct mu_plugin *plugin, struct mu_error *err);
/* Prints the answer to stdout, appends what stands against it to errors; the exit code.
 */
int log_tool_run(const struct log_tool *t, struct mu_buf *errors);

#endif
