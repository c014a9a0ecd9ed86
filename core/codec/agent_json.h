/* The agent's journal records (core/agent/agent.h) as one compact JSON object each. */
#ifndef MU_CODEC_AGENT_JSON_H
#define MU_CODEC_AGENT_JSON_H

#include "agent/agent.h"
#include "codec/json_util.h"

void agent_record_encode(struct mu_buf *out, const struct agent_record *r);
MU_NODISCARD int agent_record_decode(const void *data,
                                     size_t len,
                                     struct agent_record *out,
                                     struct mu_error *err);

#endif
