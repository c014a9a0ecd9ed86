/* Strict numbers from text. The form is checked first, byte by byte, so that what strtod
 * and strtoull accept beyond it (blanks, hex, inf, a minus sign) never gets through.
 *
 * strtod reads the locale's decimal point; the process never leaves the "C" locale, and a
 * library that did would get an error here, not a wrong number, since the end of the text
 * must be reached.
 */
#include "base/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <muster/time.h>

#include "base/alloc.h"

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

static const char *skip_sign(const char *p)
{
    return *p == '+' || *p == '-' ? p + 1 : p;
}

static bool is_digits(const char *p)
{
    const char *end = skip_digits(p);
    return end != p && *end == '\0';
}

int mu_parse_i64(const char *text, int64_t *out, struct mu_error *err)
{
    if (!is_digits(skip_sign(text))) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a whole number", text);
    }
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno == ERANGE) {
        return mu_fail(err, MU_E_INVALID, "'%s' is too big a number", text);
    }
    *out = v;
    return 0;
}

int mu_parse_u64(const char *text, uint64_t *out, struct mu_error *err)
{
    if (!is_digits(text)) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a whole number of zero or more",
                       text);
    }
    errno = 0;
    unsigned long long v = strtoull(text, NULL, 10);
    if (errno == ERANGE) {
        return mu_fail(err, MU_E_INVALID, "'%s' is too big a number", text);
    }
    *out = v;
    return 0;
}

bool mu_parse_is_decimal(const char *text)
{
    const char *start = skip_sign(text);
    const char *p = skip_digits(start);
    size_t digits = (size_t)(p - start);
    if (*p == '.') {
        const char *fraction = p + 1;
        p = skip_digits(fraction);
        digits += (size_t)(p - fraction);
    }
    if (digits == 0) {
        return false;
    }
    if (*p == 'e' || *p == 'E') {
        return is_digits(skip_sign(p + 1));
    }
    return *p == '\0';
}

int mu_parse_double(const char *text, double *out, struct mu_error *err)
{
    if (!mu_parse_is_decimal(text)) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a number", text);
    }
    char *end = NULL;
    double v = strtod(text, &end);
    if (*end != '\0') {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a number", text);
    }
    if (!isfinite(v)) {
        return mu_fail(err, MU_E_INVALID, "'%s' is too big a number", text);
    }
    *out = v;
    return 0;
}

int mu_parse_rate(const char *text,
                  uint32_t *out_count,
                  uint64_t *out_per_ms,
                  struct mu_error *err)
{
    const char *slash = strchr(text, '/');
    if (slash == NULL) {
        return mu_fail(err, MU_E_INVALID, "'%s' has not the form N/DURATION", text);
    }
    mu_auto_free char *count_text = mu_xstrndup(text, (size_t)(slash - text));
    uint64_t count = 0;
    uint64_t per_ms = 0;
    int status = mu_parse_u64(count_text, &count, err);
    if (status == 0) {
        status = mu_duration_parse(slash + 1, &per_ms, err);
    }
    if (status < 0) {
        return mu_wrap(err, status, "'%s' has not the form N/DURATION", text);
    }
    if (count == 0 || count > UINT32_MAX || per_ms == 0) {
        return mu_fail(err, MU_E_INVALID, "'%s' is no rate: both numbers must be above 0",
                       text);
    }
    *out_count = (uint32_t)count;
    *out_per_ms = per_ms;
    return 0;
}

int mu_parse_percent(const char *text, uint32_t *out_ppm, struct mu_error *err)
{
    size_t len = strlen(text);
    if (len == 0 || text[len - 1] != '%') {
        return mu_fail(err, MU_E_INVALID, "'%s' does not end with '%%'", text);
    }
    mu_auto_free char *number = mu_xstrndup(text, len - 1);
    double percent = 0;
    int status = mu_parse_double(number, &percent, err);
    if (status < 0) {
        return status;
    }
    if (percent < 0 || percent > 100) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not between 0%% and 100%%", text);
    }
    *out_ppm = (uint32_t)lround(percent * 10000);
    return 0;
}
