/* Messages (core/domain/message.h) as one compact JSON object each: the agent link's wire
 * form, framed by recordio.h. */
#ifndef MU_CODEC_MESSAGE_JSON_H
#define MU_CODEC_MESSAGE_JSON_H

#include "codec/json_util.h"
#include "domain/message.h"

#define MU_MESSAGE_MAX                                                                   \
    (64u * 1024 * 1024) /* an agent's re-registration carries all its tasks */

void message_encode(struct mu_buf *out, const struct mu_msg *m);
/* 0 and an initialised message, or a negative code and nothing to release. */
MU_NODISCARD int
message_decode(const void *data, size_t len, struct mu_msg *out, struct mu_error *err);

/* Shared with the registry's and the journal's records. */
void framework_info_encode(struct mu_jw *w, const struct mu_framework_info *f);
void framework_info_decode(struct mu_jr *r,
                           const json_t *o,
                           struct mu_framework_info *out);
void agent_info_encode(struct mu_jw *w, const struct mu_agent_info *a);
void agent_info_decode(struct mu_jr *r, const json_t *o, struct mu_agent_info *out);

#endif
