/* The parts of an app definition's decoder, one file each. All of them put what body says
 * over app, and collect problems. */
#ifndef MRT_CODEC_APP_PARTS_H
#define MRT_CODEC_APP_PARTS_H

#include <jansson.h>

#include <muster/app.h>

#include "codec_value.h"

/* A problem of the model at key, below at. */
void mrt_refuse(const struct mrt_at *at, const char *key, const char *text);

void mrt_fetch_decode(const struct mrt_at *at, const json_t *body, struct mu_app *app);
void mrt_placement_decode(const struct mrt_at *at,
                          const json_t *body,
                          struct mu_app *app);
void mrt_policy_decode(const struct mrt_at *at, const json_t *body, struct mu_app *app);
/* Container, networks and ports; base: what was stored, or NULL. */
void mrt_network_decode(const struct mrt_at *at,
                        const json_t *body,
                        const struct mu_app *base,
                        struct mu_app *app);

#endif
