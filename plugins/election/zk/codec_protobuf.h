/* The few fields of Mesos' protobuf MasterInfo that are needed to find a leader of 0.16
 * to 0.23: id (1), ip (2), port (3), pid (4), hostname (5). Pure; foreign bytes. */
#ifndef ZKE_CODEC_PROTOBUF_H
#define ZKE_CODEC_PROTOBUF_H

#include <muster/error.h>

struct zke_protobuf_info {
    char id[256], hostname[256];
    uint32_t ip, port;
};

int zke_protobuf_parse(const char *data,
                       size_t len,
                       struct zke_protobuf_info *out_info,
                       struct mu_error *err);

#endif
