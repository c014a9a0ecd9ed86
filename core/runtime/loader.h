/* Finds, loads and checks plugins: <dir>/<kind>_<name>.so, or one that is linked in.
 *
 * Nothing of a plugin runs before all checks of its constant descriptor have passed, in
 * this order, each with a message of its own: file found, shared object, libraries there,
 * symbols resolved, symbol mu_plugin, magic, ABI major, ABI minor, size, kind, name,
 * texts, life methods, ops size, ops methods, flags. What was loaded stays mapped until
 * the process ends: unloading code buys nothing here and costs detached threads their
 * text. Start-up only, main thread (libltdl promises no thread safety).
 */
#ifndef MU_RUNTIME_LOADER_H
#define MU_RUNTIME_LOADER_H

#include <muster/buf.h>
#include <muster/plugin.h>

struct loader;

struct loader_config {
    const char *const
        *dirs; /* copied; looked through in this order; missing ones are fine */
    size_t dir_count;
};

/* NULL: libltdl cannot be initialised. */
struct loader *loader_create(const struct loader_config *config, struct mu_error *err);
void loader_destroy(struct loader *l);

/* The descriptor, for the process's life; the same one when asked again.
 * Errors: MU_E_NOT_FOUND (no such file), MU_E_PLUGIN. */
MU_NODISCARD int loader_open(struct loader *l,
                             uint32_t kind,
                             const char *name,
                             const struct mu_plugin **out,
                             struct mu_error *err);

/* One file that is there. plugin NULL: refused, and why. */
struct loader_found {
    const char *file;
    const struct mu_plugin *plugin;
    const char *refusal;
};
/* Loads every plugin file in the directories (the first of equal names), by file name. */
void loader_scan(struct loader *l,
                 void (*cb)(void *arg, const struct loader_found *found),
                 void *arg);
/* "election_zk 1.2.0 (/usr/lib/...), ..." of all that is loaded, for crash reports. */
void loader_describe(const struct loader *l, struct mu_buf *out);

const char *loader_kind_name(uint32_t kind); /* "election"; NULL: no such kind */
/* The checks behind magic and numbers, on a descriptor in memory: for tests. */
MU_NODISCARD int loader_check(const struct mu_plugin *p,
                              uint32_t kind,
                              const char *name,
                              struct mu_error *err);

#endif
