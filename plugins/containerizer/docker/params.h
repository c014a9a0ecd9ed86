/* Docker command line options ("parameters" of a container) as assignments to fields of
 * the Engine API.
 *
 * The table in params.c is the whole list. A key that is not in it is an error, never
 * ignored: a user who asked for a limit must not run without it. Keys may be given with
 * leading dashes. Pure.
 */
#ifndef DKR_PARAMS_H
#define DKR_PARAMS_H

#include <muster/task.h>

#include "fields.h"

struct dkr_params_target {
    struct dkr_fields *fields;
    const char *network;  /* the network mode that will be used, for endpoint fields */
    unsigned api_version; /* 141 is 1.41 */
    struct mu_strings ignored; /* keys that have no effect here; the caller releases */
};

/* Apply them in order. On failure the fields are half written: throw them away. */
MU_NODISCARD int dkr_params_apply(const struct mu_pairs *list,
                                  struct dkr_params_target *target,
                                  struct mu_error *err);

/* The network that a parameter asks for ("net", "network"; the first one counts), NULL:
 * none does. Borrowed from list. */
const char *dkr_params_network(const struct mu_pairs *list);

/* A network that users made: the ones the engine brings along take no endpoint settings.
 */
bool dkr_network_is_user_defined(const char *network);

/* Ports of range become exposed, and with has_host published, host ports counting on from
 * host_first. Shared with spec.c. */
void dkr_fields_publish(struct dkr_fields *f,
                        uint16_t container_port,
                        const char *protocol,
                        const char *host_ip,
                        const char *host_port);

#endif
