/* The master's registry records (core/master/master.h): key "agents/<id>", value one
 * compact JSON object. */
#ifndef MU_CODEC_MASTER_JSON_H
#define MU_CODEC_MASTER_JSON_H

#include "codec/json_util.h"
#include "master/master.h"

void master_record_key(const struct master_record *rec, struct mu_buf *out);
void master_record_encode(struct mu_buf *out, const struct master_record *rec);
MU_NODISCARD int master_record_decode(const void *data,
                                      size_t len,
                                      struct master_record *out,
                                      struct mu_error *err);

#endif
