/* What is behind struct mrt_body, for the codecs that read one. */
#ifndef MRT_CODEC_BODY_H
#define MRT_CODEC_BODY_H

#include <jansson.h>

#include "codec_request.h"

struct mrt_body {
    json_t *root;
};

#endif
