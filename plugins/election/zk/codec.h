/* MasterInfo as znodes hold it: JSON (since Mesos 0.24), protobuf (0.16 to 0.23), or the
 * text "master@ip:port" (older). We write JSON with the keys in Mesos' order, and one of
 * our own, `app_port`, that others ignore. Pure. */
#ifndef ZKE_CODEC_H
#define ZKE_CODEC_H

#include <muster/buf.h>

#include "member.h"
#include "names.h"

void zke_member_encode(struct mu_buf *out, const struct mu_member *m);
/* Foreign bytes. On success the caller releases out_member; its version may be NULL. */
int zke_member_decode(enum zke_label label,
                      const char *data,
                      size_t len,
                      struct mu_member *out_member,
                      struct mu_error *err);

#endif
