/* App definitions of every era, as JSON, into struct mu_app. */
#ifndef MRT_CODEC_APP_IN_H
#define MRT_CODEC_APP_IN_H

#include <jansson.h>

#include <muster/app.h>

#include "codec_value.h"

/* A new definition (refs 1): base (NULL: Marathon's defaults) with what body says put
 * over it, member by member. id: absolute, from the URL; NULL: the body's. Problems (of
 * shape and of model) are collected; the result is only good when there are none. Never
 * NULL. */
struct mu_app *mrt_app_decode(const struct mrt_at *at,
                              const json_t *body,
                              const struct mu_app *base,
                              const char *id);
/* Parse a request's body. NULL: err has the parser's words. The caller owns the tree. */
json_t *mrt_json_load(const char *body, size_t len, struct mu_error *err);

/* Of codec_network_in.c: container, networks and ports in all their forms. */
void mrt_network_decode(const struct mrt_at *at,
                        const json_t *body,
                        const struct mu_app *base,
                        struct mu_app *app);

#endif
