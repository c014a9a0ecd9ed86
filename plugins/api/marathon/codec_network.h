/* What the decoders of container, networks and ports share: the forms in which one body
 * may give the same thing, on the way to the one canonical form. */
#ifndef MRT_CODEC_NETWORK_H
#define MRT_CODEC_NETWORK_H

#include "codec_app_parts.h"

struct mrt_net {
    const struct mrt_at *at;
    const struct mu_app *base;
    struct mu_app *app;
    uint32_t legacy;         /* network of docker.network; 0: not given */
    bool has_docker_network; /* given by that name, not by the container of 2014 */
    bool has_container;      /* the body has one: it replaces the stored one whole */
    const json_t *mappings;  /* wherever they were given; NULL: not given */
    const char *mappings_path;
    const json_t *discovery_ports; /* of ipAddress */
};

/* key "": the whole object. */
void mrt_net_problem(const struct mrt_net *n, const char *key, const char *text);
void mrt_container_decode(struct mrt_net *n, const json_t *body);
/* The ports of the network mode that app has now; same_mode: the base has it too. */
void mrt_ports_decode(struct mrt_net *n, const json_t *body, bool same_mode);

#endif
