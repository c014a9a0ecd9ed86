/* Decimal text of milli-units and doubles.
 *
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

size_t mu_milli_format(int64_t milli, bool always_point, char *out)
{
    uint64_t size = milli < 0 ? 0 - (uint64_t)milli : (uint64_t)milli;
    int n = snprintf(out, MU_DECIMAL_TEXT, "%s%llu", milli < 0 ? "-" : "",
                     (unsigned long long)(size / 1000));
    size_t len = (size_t)n;
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
