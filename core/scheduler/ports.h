/* Host ports for one instance out of the ports of an offer. Pure; the same random numbers
 * give the same choice. */
#ifndef MU_SCHEDULER_PORTS_H
#define MU_SCHEDULER_PORTS_H

#include <muster/app.h>

#include "base/prng.h"

/* How many ports an app defines: definitions with the host network, mappings otherwise.
 */
size_t ports_defined(const struct mu_app *app);

struct ports_pick {
    uint16_t *host; /* one per definition, 0: none asked for */
    size_t count;
    struct mu_resources taken; /* "ports" ranges under the roles they came from */
};

/* Is a role among those an app accepts? */
bool roles_accept(const struct mu_strings *roles, const char *role);

/* 0; MU_E_NOT_FOUND (text says which port, or how many) if the offer has not enough. */
MU_NODISCARD int ports_pick(const struct mu_app *app,
                            const struct mu_resources *offered,
                            const struct mu_strings *roles,
                            struct mu_prng *prng,
                            struct ports_pick *out,
                            struct mu_error *err);
void ports_pick_release(struct ports_pick *p);

#endif
