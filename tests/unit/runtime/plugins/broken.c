/* Plugins that the loader must refuse, one per set of -DX_... in meson.build, and a good
 * one. */
#include <muster/kind/api.h>
#include <muster/plugin.h>

static int x_create(const struct mu_host *host,
                    const struct mu_flags *values,
                    void **out_instance,
                    struct mu_error *err)
{
    (void)host;
    (void)values;
    (void)out_instance;
    return mu_fail(err, MU_E_PLUGIN, "created");
}
static int x_start(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}
static void x_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    (void)instance;
    stopped_cb(arg);
}
static void x_destroy(void *instance)
{
    (void)instance;
}
static void x_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    (void)instance;
    (void)roles;
    (void)core;
}

#ifndef X_MAGIC
#define X_MAGIC MU_PLUGIN_MAGIC
#endif
#ifndef X_MAJOR
#define X_MAJOR MU_ABI_MAJOR
#endif
#ifndef X_MINOR
#define X_MINOR MU_ABI_MINOR
#endif
#ifndef X_SIZE
#define X_SIZE sizeof(struct mu_plugin)
#endif
#ifndef X_KIND
#define X_KIND MU_KIND_API
#endif
#ifndef X_NAME
#define X_NAME "broken"
#endif
#ifndef X_SUMMARY
#define X_SUMMARY "for a test"
#endif
#ifndef X_START
#define X_START x_start
#endif
#ifndef X_OPS
#define X_OPS &x_ops
#endif
#ifndef X_OPS_SIZE
#define X_OPS_SIZE sizeof(struct mu_api_ops)
#endif
#ifndef X_ATTACH
#define X_ATTACH x_attach
#endif
#ifndef X_FLAG
#define X_FLAG "wait"
#endif

static const struct mu_flag x_flags[] = {
    {.name = X_FLAG, .type = MU_FLAG_INT, .help = "A number."},
    {0},
};
static const struct mu_api_ops x_ops = {.struct_size = X_OPS_SIZE, .attach = X_ATTACH};

#ifdef X_UNRESOLVED
int mu_no_such_function(void);
MU_API int x_use(void);
int x_use(void)
{
    return mu_no_such_function();
}
#endif
#ifdef X_GONE
int gone(void);
MU_API int x_use_gone(void);
int x_use_gone(void)
{
    return gone();
}
#endif

#ifndef X_NO_SYMBOL
MU_PLUGIN_DEFINE(api_broken) = {
    .magic = X_MAGIC,
    .abi_major = X_MAJOR,
    .abi_minor = X_MINOR,
    .struct_size = X_SIZE,
    .kind = X_KIND,
    .name = X_NAME,
    .version = "1",
    .summary = X_SUMMARY,
    .flags = x_flags,
    .ops = X_OPS,
    .create = x_create,
    .start = X_START,
    .stop = x_stop,
    .destroy = x_destroy,
};
#else
MU_API extern const char x_other[];
const char x_other[] = {(char)(sizeof(x_flags) + sizeof(x_ops)), X_MAGIC != 0,
                        sizeof(&x_create) + sizeof(&x_start) + sizeof(&x_stop) +
                            sizeof(&x_destroy) + sizeof(&x_attach)};
#endif
