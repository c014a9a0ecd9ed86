/* The value of one resource entry: scalar, ranges or set, without name and role.
 *
 * Values are kept normal: scalars >= 0; ranges sorted, apart and never touching; items
 * sorted and unique. All functions but the check functions expect normal values of one
 * type. Pure; the entry owns its arrays.
 */
#ifndef MU_DOMAIN_RESOURCE_VALUE_H
#define MU_DOMAIN_RESOURCE_VALUE_H

#include <muster/resources.h>

void resource_value_release(struct mu_resource *r);
/* Into an entry without a value. */
void resource_value_copy(struct mu_resource *dst, const struct mu_resource *src);
bool resource_value_empty(const struct mu_resource *r);
bool resource_value_equal(const struct mu_resource *a, const struct mu_resource *b);
bool resource_value_contains(const struct mu_resource *whole,
                             const struct mu_resource *part);
/* Would the sum fit? */
bool resource_value_can_add(const struct mu_resource *a, const struct mu_resource *b);
void resource_value_add(struct mu_resource *dst, const struct mu_resource *more);
/* dst contains less. */
void resource_value_subtract(struct mu_resource *dst, const struct mu_resource *less);
/* Does a range hold v? */
bool resource_value_has(const struct mu_resource *r, uint64_t v);

#endif
