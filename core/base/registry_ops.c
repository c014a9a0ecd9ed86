/* The limits of <muster/kind/registry.h>, checked in one place for all registries. */
#include <muster/kind/registry.h>

#include <errno.h>
#include <string.h>

static int check_op(const struct mu_registry_op *op, struct mu_error *err)
{
    size_t key_len = strnlen(op->key, MU_REGISTRY_KEY_MAX + 1);
    if (key_len == 0) {
        return mu_fail(err, MU_E_INVALID, "empty key");
    }
    if (key_len > MU_REGISTRY_KEY_MAX) {
        return mu_fail(err, -E2BIG, "key '%.40s...' is over the limit of %u bytes",
                       op->key, MU_REGISTRY_KEY_MAX);
    }
    if (op->value != NULL && op->value_len > MU_REGISTRY_VALUE_MAX) {
        return mu_fail(err, -E2BIG,
                       "value of '%.100s' has %zu bytes, over the limit of %u (1 MiB)",
                       op->key, op->value_len, MU_REGISTRY_VALUE_MAX);
    }
    return 0;
}

int mu_registry_check_ops(const struct mu_registry_op *ops,
                          size_t count,
                          struct mu_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = check_op(&ops[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
