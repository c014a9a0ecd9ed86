/* Sums of scalar resources, as small arrays of integers: what shares, totals and the
 * used and offered columns are made of.
 *
 * One table of names per leadership gives each scalar its place; a quantity that is
 * shorter than the table has zeros at its end. Ranges and sets are left out: they cannot
 * be summed over agents. Roles are summed up.
 */
#ifndef MU_MASTER_QUANTITIES_H
#define MU_MASTER_QUANTITIES_H

#include <muster/resources.h>

struct quantity_names {
    char **v;
    size_t count, cap;
};
void quantity_names_release(struct quantity_names *n);

struct quantities {
    int64_t *v;
    size_t count, cap;
};
void quantities_release(struct quantities *q);
int64_t quantities_get(const struct quantities *q, size_t place);
/* Add sign (1 or -1) times the scalars of r; new names are entered in names. */
void quantities_add(struct quantities *q,
                    struct quantity_names *names,
                    const struct mu_resources *r,
                    int sign);
bool quantities_equal(const struct quantities *a, const struct quantities *b);
/* As unreserved scalars; out is overwritten (released first). */
void quantities_to_resources(const struct quantities *q,
                             const struct quantity_names *names,
                             struct mu_resources *out);
/* The largest share of total over all names, in millionths. */
uint64_t quantities_share_ppm(const struct quantities *part,
                              const struct quantities *total);

#endif
