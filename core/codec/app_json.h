/* App definitions (muster/app.h) in the registry's form: complete and exact (milli-units,
 * ppm, ms), not a dialect's. */
#ifndef MU_CODEC_APP_JSON_H
#define MU_CODEC_APP_JSON_H

#include <muster/app.h>

#include "codec/json_util.h"

void app_encode(struct mu_jw *w, const struct mu_app *a);
/* A new definition (refs 1), or NULL with the reader's status set. */
struct mu_app *app_decode(struct mu_jr *r, const json_t *o);

#endif
