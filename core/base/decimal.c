/* Decimal text of integers, milli-units and doubles.
 *
 * Integers are written without printf: they are most of what hot output paths write.
 * For a normal double, "%.15g" gives back whatever had at most 15 digits, so it is the
 * shortest when it reads back equal; 17 digits always do. Subnormals have fewer bits, and
 * there shorter texts are tried first.
 */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

size_t mu_u64_format(uint64_t v, char *out)
{
    char reversed[MU_DECIMAL_TEXT];
    size_t len = 0;
    do {
        reversed[len++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = reversed[len - 1 - i];
    }
    out[len] = '\0';
    return len;
}

/* Writes the sign if there is one; the absolute value, which fits even for INT64_MIN. */
static uint64_t take_sign(int64_t v, char *out, size_t *out_len)
{
    *out_len = v < 0 ? 1 : 0;
    if (v < 0) {
        *out = '-';
        return 0 - (uint64_t)v;
    }
    return (uint64_t)v;
}

size_t mu_i64_format(int64_t v, char *out)
{
    size_t len;
    uint64_t size = take_sign(v, out, &len);
    return len + mu_u64_format(size, out + len);
}

size_t mu_milli_format(int64_t milli, bool always_point, char *out)
{
    size_t len;
    uint64_t size = take_sign(milli, out, &len);
    len += mu_u64_format(size / 1000, out + len);
    unsigned rest = (unsigned)(size % 1000);
    if (rest == 0 && !always_point) {
        return len;
    }
    out[len++] = '.';
    do {
        out[len++] = (char)('0' + rest / 100);
        rest = rest % 100 * 10;
    } while (rest != 0);
    out[len] = '\0';
    return len;
}

size_t mu_double_format(double v, char *out)
{
    MU_PRE(isfinite(v));
    int n = 0;
    for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        n = snprintf(out, MU_DECIMAL_TEXT, "%.*g", digits, v);
        double back = strtod(out, NULL);
        if (back >= v && back <= v) {
            break;
        }
    }
    return (size_t)n;
}
