/* App definitions of every era, as JSON, into struct mu_app. For codecs only; handlers
 * use codec_request.h. */
#ifndef MRT_CODEC_APP_IN_H
#define MRT_CODEC_APP_IN_H

#include <jansson.h>

#include <muster/app.h>

#include "codec_request.h"
#include "codec_value.h"

/* See mrt_request_app. Never NULL. */
struct mu_app *mrt_app_decode(const struct mrt_at *at,
                              const json_t *body,
                              const struct mrt_app_source *source);

#endif
