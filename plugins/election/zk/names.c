/* See names.h. */
#include "names.h"

#include <string.h>

bool zke_name_parse(const char *name, enum zke_label *out_label, int32_t *out_number)
{
    const char *digits = strrchr(name, '_');
    size_t label_len = 0;
    if (digits != NULL) {
        label_len = (size_t)(digits - name);
        digits++;
    } else {
        digits = name;
    }
    if (strlen(name) >= ZKE_NAME_MAX || *digits == '\0' || strlen(digits) > 10) {
        return false;
    }
    int64_t number = 0;
    for (const char *d = digits; *d != '\0'; d++) {
        if (*d < '0' || *d > '9') {
            return false; /* a minus sign, too: after 2^31 candidates */
        }
        number = number * 10 + (*d - '0');
    }
    if (number > INT32_MAX) {
        return false;
    }
    if (label_len == 0 && digits == name) {
        *out_label = ZKE_LABEL_TEXT;
    } else if (label_len == 9 && memcmp(name, "json.info", 9) == 0) {
        *out_label = ZKE_LABEL_JSON;
    } else if (label_len == 4 && memcmp(name, "info", 4) == 0) {
        *out_label = ZKE_LABEL_PROTOBUF;
    } else {
        return false;
    }
    *out_number = (int32_t)number;
    return true;
}
