/* Value syntax of the docker command line: numbers, booleans, sizes, durations, ports.
 *
 * Pure. Errors name the text that is wrong, not the parameter: the caller wraps.
 */
#ifndef DKR_VALUES_H
#define DKR_VALUES_H

#include <muster/error.h>

struct dkr_port_range {
    uint16_t first, last; /* both inside */
    char protocol[8];     /* "tcp", "udp", "sctp" */
};

/* Decimal with sign; nothing before or after it. */
MU_NODISCARD int dkr_parse_int(const char *text, int64_t *out, struct mu_error *err);
/* "", "true", "1", "t", "false", "0", "f", in any case; "" is true, as a bare flag is. */
MU_NODISCARD int dkr_parse_bool(const char *text, bool *out, struct mu_error *err);
/* "64", "64b", "64k", "1.5g", "64mb", "64MiB": powers of 1024; -1 (no limit) as it is. */
MU_NODISCARD int dkr_parse_size(const char *text, int64_t *out, struct mu_error *err);
/* "1m30s", "500ms", "1.5s" -> nanoseconds. */
MU_NODISCARD int
dkr_parse_duration_ns(const char *text, int64_t *out, struct mu_error *err);
/* "80", "80/udp", "8000-8010/tcp"; a range holds at most 1024 ports. */
MU_NODISCARD int
dkr_parse_ports(const char *text, struct dkr_port_range *out, struct mu_error *err);

#endif
