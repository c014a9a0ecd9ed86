/* Images on the engine: one look and one pull at a time per image, whoever waits for it.
 *
 * A pull is cancelled when nobody waits for it any more. Its progress is logged; a pull
 * without any progress for long is given up. Loop thread.
 */
#ifndef DKR_IMAGES_H
#define DKR_IMAGES_H

#include "engine.h"

struct dkr_images;
struct dkr_image_wait;

/* DKR_OK: it is there. DKR_REFUSED: "image 'x' cannot be had: ...". Others: as of a call.
 */
typedef void (*dkr_image_cb)(void *arg, enum dkr_outcome outcome, const char *text);

struct dkr_images *dkr_images_create(const struct mu_host *host,
                                     struct dkr_engine *engine);
void dkr_images_destroy(struct dkr_images *images); /* nobody waits any more */

/* Have the image ref (with tag or digest): pull when it is absent, or in any case with
 * force. cb exactly once, never inside this call. */
struct dkr_image_wait *dkr_images_ensure(
    struct dkr_images *images, const char *ref, bool force, dkr_image_cb cb, void *arg);
/* cb will not run. Takes NULL. */
void dkr_images_cancel(struct dkr_image_wait *wait);

#endif
