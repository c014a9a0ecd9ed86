/* Resources with exact arithmetic: scalars in integer milli-units, ranges of integers,
 * sets of texts; each under a name and a role.
 *
 * Units: cpus in milli-cpus; mem and disk in milli-MiB (1 MiB = 1000). A normal form is
 * kept: sorted by (name, role), no empty entries, ranges sorted and coalesced. Adding
 * merges; subtracting what is not there is an error and changes nothing. Source:
 * spec/agent.md 12.
 */
#ifndef MU_RESOURCES_H
#define MU_RESOURCES_H

#include <muster/buf.h>
#include <muster/error.h>

MU_EXTERN_C_BEGIN

enum mu_value_type { MU_VALUE_SCALAR = 1, MU_VALUE_RANGES, MU_VALUE_SET };

struct mu_range {
    uint64_t begin, end; /* both inside */
};

struct mu_resource {
    char *name;
    char *role; /* "*" when unreserved */
    uint32_t type;
    int64_t scalar_milli;
    struct mu_range *ranges;
    size_t range_count;
    char **items; /* sorted, unique */
    size_t item_count;
};

struct mu_resources {
    struct mu_resource *v;
    size_t count, cap;
};

MU_API void mu_resources_init(struct mu_resources *r); /* same as zeroing */
MU_API void mu_resources_release(struct mu_resources *r);
MU_API void mu_resources_copy(
    struct mu_resources *dst,
    const struct mu_resources *src); /* dst is overwritten (released first) */
MU_API bool mu_resources_empty(const struct mu_resources *r);
MU_API bool mu_resources_equal(const struct mu_resources *a,
                               const struct mu_resources *b);
MU_API bool mu_resources_contains(const struct mu_resources *whole,
                                  const struct mu_resources *part);
/* MU_E_INVALID: types differ under one name, or int64 overflow; dst unchanged then. */
MU_API MU_NODISCARD int mu_resources_add(struct mu_resources *dst,
                                         const struct mu_resources *more,
                                         struct mu_error *err);
/* MU_E_INVALID: not contained; dst unchanged then. */
MU_API MU_NODISCARD int mu_resources_subtract(struct mu_resources *dst,
                                              const struct mu_resources *less,
                                              struct mu_error *err);

MU_API MU_NODISCARD int mu_resources_add_scalar(struct mu_resources *dst,
                                                const char *name,
                                                const char *role,
                                                int64_t milli,
                                                struct mu_error *err);
MU_API MU_NODISCARD int mu_resources_add_range(struct mu_resources *dst,
                                               const char *name,
                                               const char *role,
                                               uint64_t begin,
                                               uint64_t end,
                                               struct mu_error *err);
MU_API MU_NODISCARD int mu_resources_add_item(struct mu_resources *dst,
                                              const char *name,
                                              const char *role,
                                              const char *item,
                                              struct mu_error *err);

MU_API int64_t
mu_resources_scalar(const struct mu_resources *r,
                    const char *name); /* sum over roles, milli; 0 if none */
MU_API const struct mu_resource *
mu_resources_find(const struct mu_resources *r,
                  const char *name,
                  const char *role); /* role NULL: first; NULL if none */
MU_API bool
mu_resources_has_port(const struct mu_resources *r,
                      uint64_t port); /* in the ranges called "ports", any role */

/* "cpus:4;mem:4096;ports:[31000-32000,33000-33010];zone:{a,b}", name(role):value.
 * default_role for entries without one. Fractions beyond 3 decimals are rounded half to
 * even. Errors name the entry. out is written on success only and not released before. */
MU_API MU_NODISCARD int mu_resources_parse(const char *text,
                                           const char *default_role,
                                           struct mu_resources *out,
                                           struct mu_error *err);
MU_API void mu_resources_format(const struct mu_resources *r,
                                struct mu_buf *out); /* the same text form */

/* "0.3" / "3" / ".3" / "+1" / "1e1" -> milli-units, rounded half to even at the third
 * decimal; the whole text must be a number. */
MU_API MU_NODISCARD int
mu_milli_parse(const char *text, int64_t *out_milli, struct mu_error *err);
MU_API MU_NODISCARD int
mu_milli_from_double(double v, int64_t *out_milli, struct mu_error *err);

MU_EXTERN_C_END
#endif
