/* Names of members as Mesos writes them: "json.info_0000000012", "info_0000000012" (up to
 * 0.23), "0000000012" (older). Pure. */
#ifndef ZKE_NAMES_H
#define ZKE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define ZKE_NAME_MAX 64
#define ZKE_LABEL "json.info_"

enum zke_label { ZKE_LABEL_JSON, ZKE_LABEL_PROTOBUF, ZKE_LABEL_TEXT };

/* false: no member (log_replicas, another label, a number that has run over). */
bool zke_name_parse(const char *name, enum zke_label *out_label, int32_t *out_number);

#endif
