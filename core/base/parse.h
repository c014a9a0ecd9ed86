/* Strict numbers from text: the whole text must be one number, without blanks.
 *
 * Errors are MU_E_INVALID with a phrase that quotes the text; the out-parameter is
 * written on success only. The only place of the code base that calls the strto family.
 * Any thread.
 */
#ifndef MU_BASE_PARSE_H
#define MU_BASE_PARSE_H

#include <muster/error.h>

/* Decimal, with an optional sign. */
MU_NODISCARD int mu_parse_i64(const char *text, int64_t *out, struct mu_error *err);
/* Decimal digits only. */
MU_NODISCARD int mu_parse_u64(const char *text, uint64_t *out, struct mu_error *err);
/* Decimal with optional sign, fraction and exponent: "3", "-.5", "1.", "1e3". Neither hex
 * nor inf nor nan; too big for a double is an error, too small becomes 0. */
MU_NODISCARD int mu_parse_double(const char *text, double *out, struct mu_error *err);
/* "N/DURATION": so many per time, both above zero: "1/10secs". */
MU_NODISCARD int mu_parse_rate(const char *text,
                               uint32_t *out_count,
                               uint64_t *out_per_ms,
                               struct mu_error *err);
/* "50%", "0.5%": 0 to 100, in millionths. */
MU_NODISCARD int
mu_parse_percent(const char *text, uint32_t *out_ppm, struct mu_error *err);
/* Does the whole text have the form that mu_parse_double takes? */
bool mu_parse_is_decimal(const char *text);

#endif
