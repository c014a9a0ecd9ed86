/* The checks of a plugin's descriptor: constant data only, no plugin code runs.
 *
 * Magic, ABI numbers and size come first and are read one by one, because nothing behind
 * them has a known place until they are right. A size check says "at least what ABI 0.1
 * had"; fields that later minors append are read with MU_HAS.
 */
#include "runtime/loader.h"

#include <string.h>

#include <muster/kind/api.h>
#include <muster/kind/containerizer.h>
#include <muster/kind/election.h>
#include <muster/kind/registry.h>

#include "base/alloc.h"
#include "runtime/flags.h"

#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define METHOD(type, field)                                                              \
    {                                                                                    \
#field, offsetof(type, field)                                                    \
    }

struct method {
    const char *name;
    size_t offset;
};

struct kind {
    const char *name;
    size_t ops_size; /* of ABI 0.1 */
    struct method methods[8];
};

/* depose and update are optional. */
static const struct kind kinds[] = {
    [MU_KIND_ELECTION] = {"election",
                          END_OF(struct mu_election_ops, depose),
                          {METHOD(struct mu_election_ops, listen),
                           METHOD(struct mu_election_ops, contend),
                           METHOD(struct mu_election_ops, withdraw),
                           METHOD(struct mu_election_ops, detect)}},
    [MU_KIND_REGISTRY] = {"registry",
                          END_OF(struct mu_registry_ops, close),
                          {METHOD(struct mu_registry_ops, open),
                           METHOD(struct mu_registry_ops, recover),
                           METHOD(struct mu_registry_ops, commit),
                           METHOD(struct mu_registry_ops, close)}},
    [MU_KIND_CONTAINERIZER] = {"containerizer",
                               END_OF(struct mu_containerizer_ops, usage),
                               {METHOD(struct mu_containerizer_ops, listen),
                                METHOD(struct mu_containerizer_ops, can_run),
                                METHOD(struct mu_containerizer_ops, recover),
                                METHOD(struct mu_containerizer_ops, launch),
                                METHOD(struct mu_containerizer_ops, kill),
                                METHOD(struct mu_containerizer_ops, destroy),
                                METHOD(struct mu_containerizer_ops, usage)}},
    [MU_KIND_API] = {"api",
                     END_OF(struct mu_api_ops, attach),
                     {METHOD(struct mu_api_ops, attach)}},
};

static const struct method life_methods[] = {
    METHOD(struct mu_plugin, create),
    METHOD(struct mu_plugin, start),
    METHOD(struct mu_plugin, stop),
    METHOD(struct mu_plugin, destroy),
};

const char *loader_kind_name(uint32_t kind)
{
    return kind >= MU_KIND_ELECTION && kind <= MU_KIND_API ? kinds[kind].name : NULL;
}

static bool has_method(const void *table, size_t offset)
{
    void (*method)(void);
    memcpy(&method, (const char *)table + offset, sizeof(method));
    return method != NULL;
}

static int check_head(const struct mu_plugin *p, struct mu_error *err)
{
    if (p->magic != MU_PLUGIN_MAGIC) {
        return mu_fail(err, MU_E_PLUGIN,
                       "wrong magic %#x (%#x is a Muster plugin's); its mu_plugin is "
                       "something else",
                       p->magic, MU_PLUGIN_MAGIC);
    }
    if (p->abi_major != MU_ABI_MAJOR) {
        return mu_fail(err, MU_E_PLUGIN,
                       "built for plugin ABI major %u, this muster has %u; rebuild it "
                       "with this muster's headers",
                       p->abi_major, MU_ABI_MAJOR);
    }
    bool fits =
        MU_ABI_MAJOR == 0 ? p->abi_minor == MU_ABI_MINOR : p->abi_minor <= MU_ABI_MINOR;
    if (!fits) {
        return mu_fail(
            err, MU_E_PLUGIN,
            "built for plugin ABI minor %u.%u, this muster has %u.%u%s; rebuild "
            "it or use a newer muster",
            p->abi_major, p->abi_minor, MU_ABI_MAJOR, MU_ABI_MINOR,
            MU_ABI_MAJOR == 0 ? " (they must be equal before 1.0)" : "");
    }
    if (p->struct_size < END_OF(struct mu_plugin, destroy)) {
        return mu_fail(err, MU_E_PLUGIN,
                       "its descriptor has %u bytes, at least %zu are needed; begin it "
                       "with MU_PLUGIN_HEAD",
                       p->struct_size, END_OF(struct mu_plugin, destroy));
    }
    return 0;
}

static int check_identity(const struct mu_plugin *p,
                          uint32_t kind,
                          const char *name,
                          struct mu_error *err)
{
    const char *has = loader_kind_name(p->kind);
    if (has == NULL) {
        return mu_fail(err, MU_E_PLUGIN, "its kind %u does not exist", p->kind);
    }
    if (p->kind != kind) {
        return mu_fail(err, MU_E_PLUGIN, "its kind is %s, its file name says %s", has,
                       loader_kind_name(kind));
    }
    if (p->name == NULL || strcmp(p->name, name) != 0) {
        return mu_fail(err, MU_E_PLUGIN, "its name is '%s', its file name says '%s'",
                       p->name == NULL ? "" : p->name, name);
    }
    if (p->version == NULL || p->summary == NULL) {
        return mu_fail(err, MU_E_PLUGIN, "it has no %s",
                       p->version == NULL ? "version" : "summary");
    }
    return 0;
}

static int check_methods(const struct mu_plugin *p, struct mu_error *err)
{
    for (size_t i = 0; i < MU_COUNT_OF(life_methods); i++) {
        if (!has_method(p, life_methods[i].offset)) {
            return mu_fail(err, MU_E_PLUGIN, "it has no method '%s'",
                           life_methods[i].name);
        }
    }
    const struct kind *k = &kinds[p->kind];
    if (p->ops == NULL) {
        return mu_fail(err, MU_E_PLUGIN, "it has no %s ops", k->name);
    }
    uint32_t ops_size = 0;
    memcpy(&ops_size, p->ops, sizeof(ops_size));
    if (ops_size < k->ops_size) {
        return mu_fail(err, MU_E_PLUGIN,
                       "its %s ops have %u bytes, at least %zu are needed; set "
                       "struct_size to the struct's sizeof",
                       k->name, ops_size, k->ops_size);
    }
    for (const struct method *m = k->methods; m->name != NULL; m++) {
        if (!has_method(p->ops, m->offset)) {
            return mu_fail(err, MU_E_PLUGIN, "its %s ops have no method '%s'", k->name,
                           m->name);
        }
    }
    return 0;
}

int loader_check(const struct mu_plugin *p,
                 uint32_t kind,
                 const char *name,
                 struct mu_error *err)
{
    int status = check_head(p, err);
    if (status == 0) {
        status = check_identity(p, kind, name, err);
    }
    if (status == 0) {
        status = check_methods(p, err);
    }
    if (status == 0 && flags_check_table(p->flags, err) < 0) {
        status = MU_E_PLUGIN;
    }
    return status;
}
