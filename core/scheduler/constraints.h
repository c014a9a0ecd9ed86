/* Placement constraints: may an instance go where a field has this value? Pure. */
#ifndef MU_SCHEDULER_CONSTRAINTS_H
#define MU_SCHEDULER_CONSTRAINTS_H

#include <muster/app.h>

struct constraint_place { /* where an instance is, or would be */
    const char *host;
    const struct mu_pairs *attributes; /* of the agent; NULL: none */
};

/* The value of a field there, or NULL. "hostname" and "@hostname" are the host; any other
 * name is an attribute. */
const char *constraint_field_value(const char *field,
                                   const char *host,
                                   const struct mu_pairs *attributes);

/* placed: the instances of the app that count (current configuration, alive). */
bool constraint_allows(const struct mu_constraint *c,
                       uint32_t instances,
                       const struct constraint_place *offered,
                       const struct constraint_place *placed,
                       size_t placed_count);

const char *constraint_op_name(uint32_t op); /* "UNIQUE" */

#endif
