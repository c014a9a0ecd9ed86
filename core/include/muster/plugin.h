/* The descriptor that every plugin exports as its only symbol, `mu_plugin`.
 *
 * All checks happen on this constant data before any plugin code runs. Life: create
 * (allocate, validate flags, no I/O; configuration errors with a text) -> start (begin
 * I/O) -> ... -> stop (asynchronous: after stopped_cb no handle, thread, timer or
 * callback of the plugin exists)
 * -> destroy (synchronous; takes half-built objects). Loop thread only. A plugin never
 * calls exit, signal, setenv, chdir.
 */
#ifndef MU_PLUGIN_H
#define MU_PLUGIN_H

#include <muster/host.h>

MU_EXTERN_C_BEGIN

enum mu_plugin_kind {
    MU_KIND_ELECTION = 1,
    MU_KIND_REGISTRY,
    MU_KIND_CONTAINERIZER,
    MU_KIND_API,
};

struct mu_plugin {
    uint32_t magic;
    uint16_t abi_major, abi_minor; /* of the headers the plugin was built with */
    uint32_t struct_size;          /* sizeof this struct in those headers */
    uint32_t kind;                 /* enum mu_plugin_kind */
    const char *name, *version, *summary;
    const struct mu_flag *flags; /* ends with a zeroed entry; NULL: none */
    const void *ops; /* struct mu_election_ops, ... by kind; starts with its size */
    int (*create)(const struct mu_host *host,
                  const struct mu_flags *values,
                  void **out_instance,
                  struct mu_error *err);
    int (*start)(void *instance, struct mu_error *err);
    void (*stop)(void *instance, mu_cb stopped_cb, void *arg);
    void (*destroy)(void *instance);
};

#ifdef MU_STATIC_PLUGINS /* libltdl's preload tables look for <module>_LTX_<symbol>      \
                            first */
#define MU_PLUGIN_SYMBOL(module) module##_LTX_mu_plugin
#else
#define MU_PLUGIN_SYMBOL(module) mu_plugin
#endif

/* module is <kind>_<name>, equal to the file name without .so:
 * MU_PLUGIN_DEFINE(election_zk) = { MU_PLUGIN_HEAD, .kind = ... }; */
#define MU_PLUGIN_DEFINE(module)                                                         \
    MU_API extern const struct mu_plugin MU_PLUGIN_SYMBOL(module);                       \
    const struct mu_plugin MU_PLUGIN_SYMBOL(module)

#define MU_PLUGIN_HEAD                                                                   \
    .magic = MU_PLUGIN_MAGIC, .abi_major = MU_ABI_MAJOR, .abi_minor = MU_ABI_MINOR,      \
    .struct_size = sizeof(struct mu_plugin)

MU_EXTERN_C_END
#endif
