/* Does an offer hold one more instance of an app? Pure.
 *
 * The checks run in the order in which Marathon reports refusals; the first that fails is
 * the reason. What is taken comes from resources reserved for an accepted role first,
 * then from unreserved ones, in exact milli-units.
 */
#ifndef MU_SCHEDULER_MATCHER_H
#define MU_SCHEDULER_MATCHER_H

#include "scheduler/constraints.h"
#include "scheduler/ports.h"

enum match_reason { /* the order of the columns in the queue's summary */
                    MATCH_ROLE,
                    MATCH_CONSTRAINT,
                    MATCH_RESERVATION,
                    MATCH_MAINTENANCE,
                    MATCH_CPUS,
                    MATCH_MEMORY,
                    MATCH_DISK,
                    MATCH_GPUS,
                    MATCH_PORTS,
                    MATCH_SCARCE,
                    MATCH_REASON_COUNT
};
const char *match_reason_name(enum match_reason r); /* "InsufficientCpus" */

struct match_request {
    const struct mu_app *app;
    const char *role; /* of the framework */
    const struct constraint_place *placed;
    size_t placed_count;
    const struct mu_resources *free; /* what is left of the offer */
    struct constraint_place place;   /* where the offer is */
};
struct match_result {
    bool matched;
    enum match_reason reason; /* if not */
    char text[160];           /* if not: what was wanted, what is there */
    struct mu_resources resources;
    struct ports_pick ports;
};
void match_offer(const struct match_request *in,
                 struct mu_prng *prng,
                 struct match_result *out);
void match_result_release(struct match_result *r);

#endif
