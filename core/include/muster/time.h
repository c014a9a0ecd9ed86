/* Wall-clock text and duration text. Logic uses monotonic milliseconds that are passed
 * in; wall time is data. */
#ifndef MU_TIME_H
#define MU_TIME_H

#include <muster/error.h>

MU_EXTERN_C_BEGIN

#define MU_NEVER_MS UINT64_MAX
#define MU_TIME_TEXT 32

/* Milliseconds since 1970 -> "2014-05-06T07:08:09.010Z". out holds MU_TIME_TEXT bytes. */
MU_API void mu_time_format(int64_t wall_ms, char *out);
/* ISO-8601 with or without fraction and with Z or an offset. Errors: MU_E_INVALID. */
MU_API MU_NODISCARD int
mu_time_parse(const char *text, int64_t *out_wall_ms, struct mu_error *err);
/* "10secs", "500ms", "1.5mins", "2hrs", "1days", "3weeks", "10us", "10ns" (also the
 * one-letter s, m, h, d) -> ms, rounded up to 1 ms if > 0. */
MU_API MU_NODISCARD int
mu_duration_parse(const char *text, uint64_t *out_ms, struct mu_error *err);
/* "64MB", "1GB", "512KB", "10B" (powers of 1024) -> bytes. */
MU_API MU_NODISCARD int
mu_bytes_parse(const char *text, uint64_t *out_bytes, struct mu_error *err);

MU_EXTERN_C_END
#endif
