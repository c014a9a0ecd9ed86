/* Decimal numbers to integers in milli-units, rounded once, half to even.
 *
 * Text is rounded digit by digit, without floating point. A double is taken to mean the
 * shortest decimal that reads back as it, which is what its author wrote: 2.0015 is a
 * tie although the nearest double is not.
 */
#include "domain/milli.h"

#include <muster/resources.h>

#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/parse.h"

/* Exponents beyond this decide nothing any more: the result is 0 or too big. */
#define EXPONENT_MAX 100000

static int too_big(const char *text, struct mu_error *err)
{
    return mu_fail(err, MU_E_INVALID, "'%s' is too big a number", text);
}

static long parse_exponent(const char *p)
{
    bool negative = *p == '-';
    p += *p == '-' || *p == '+' ? 1 : 0;
    long e = 0;
    for (; *p != '\0' && e < EXPONENT_MAX; p++) {
        e = e * 10 + (*p - '0');
    }
    return negative ? -e : e;
}

/* The digits of a number that mu_parse_is_decimal took. */
struct digits {
    const char *p, *end; /* may hold one '.' */
    long before_point;   /* how many digits stand before the point, exponent applied */
};

static struct digits split(const char *text)
{
    struct digits d = {.p = text + (*text == '+' || *text == '-' ? 1 : 0)};
    d.end = d.p + strcspn(d.p, "eE");
    d.before_point = (long)strcspn(d.p, ".eE");
    if (*d.end != '\0') {
        d.before_point += parse_exponent(d.end + 1);
    }
    return d;
}

/* The next digit, 0 behind the last. */
static int next_digit(struct digits *d)
{
    if (d->p < d->end && *d->p == '.') {
        d->p++;
    }
    return d->p < d->end ? *d->p++ - '0' : 0;
}

/* Is there a digit other than 0 from here on? */
static bool has_rest(struct digits d)
{
    while (d.p < d.end) {
        if (next_digit(&d) != 0) {
            return true;
        }
    }
    return false;
}

int mu_milli_parse_exact(const char *text,
                         int64_t *out_milli,
                         bool *out_lost,
                         struct mu_error *err)
{
    if (!mu_parse_is_decimal(text)) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a number", text);
    }
    struct digits d = split(text);
    bool is_zero = !has_rest(d);
    long keep = is_zero ? 0 : d.before_point + 3; /* digits up to the third decimal */
    int64_t milli = 0;
    for (long i = 0; i < keep; i++) {
        if (__builtin_mul_overflow(milli, INT64_C(10), &milli) ||
            __builtin_add_overflow(milli, (int64_t)next_digit(&d), &milli)) {
            return too_big(text, err);
        }
    }
    /* keep < 0: there are zeros between the third decimal and the first digit. */
    int dropped = keep >= 0 ? next_digit(&d) : 0;
    bool up = dropped > 5 || (dropped == 5 && (milli % 2 != 0 || has_rest(d)));
    if (__builtin_add_overflow(milli, (int64_t)up, &milli)) {
        return too_big(text, err);
    }
    *out_milli = text[0] == '-' ? -milli : milli;
    *out_lost = milli == 0 && !is_zero;
    return 0;
}

int mu_milli_parse(const char *text, int64_t *out_milli, struct mu_error *err)
{
    bool lost;
    return mu_milli_parse_exact(text, out_milli, &lost, err);
}

int mu_milli_from_double(double v, int64_t *out_milli, struct mu_error *err)
{
    if (!isfinite(v)) {
        return mu_fail(err, MU_E_INVALID, "not a finite number");
    }
    /* Far from a tie and small enough, the product's own error cannot matter. */
    if (fabs(v) < 1e8) {
        double scaled = v * 1000.0;
        double nearest = nearbyint(scaled);
        if (fabs(scaled - nearest) < 0.499) {
            *out_milli = (int64_t)nearest;
            return 0;
        }
    }
    char text[MU_DECIMAL_TEXT];
    (void)mu_double_format(v, text);
    return mu_milli_parse(text, out_milli, err);
}
