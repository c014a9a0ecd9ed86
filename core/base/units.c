/* Durations and byte sizes as Mesos writes them in flags: "10secs", "1.5mins", "64MB".
 *
 * Fractions are computed in integers: the number is split into its whole part and nine
 * decimals, so "0.1secs" is 100 ms and nothing else. Digits beyond the ninth decimal are
 * cut off.
 */
#include <muster/time.h>

#include <string.h>
#include <strings.h>

#define FRACTION_ONE UINT64_C(1000000000)

struct duration_unit {
    const char *name;
    uint64_t ms, per; /* one unit is ms / per milliseconds */
};

static const struct duration_unit duration_units[] = {
    {"ns", 1, 1000000},    {"us", 1, 1000},     {"ms", 1, 1},
    {"secs", 1000, 1},     {"s", 1000, 1},      {"mins", 60000, 1},
    {"m", 60000, 1},       {"hrs", 3600000, 1}, {"h", 3600000, 1},
    {"days", 86400000, 1}, {"d", 86400000, 1},  {"weeks", 604800000, 1},
};

/* Whole and fractional part (in units of 1/FRACTION_ONE) of the number at the start of
 * text; *out_end is what follows. False: no number, or too big. */
static bool take_number(const char *text,
                        uint64_t *out_whole,
                        uint64_t *out_fraction,
                        const char **out_end)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    const char *p = text;
    size_t digits = 0;
    for (; *p >= '0' && *p <= '9'; p++, digits++) {
        if (__builtin_mul_overflow(whole, UINT64_C(10), &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole)) {
            return false;
        }
    }
    if (*p == '.') {
        uint64_t unit = FRACTION_ONE / 10;
        for (p++; *p >= '0' && *p <= '9'; p++, digits++) {
            fraction += (uint64_t)(*p - '0') * unit;
            unit /= 10;
        }
    }
    *out_whole = whole;
    *out_fraction = fraction;
    *out_end = p;
    return digits > 0;
}

static int too_long(const char *text, struct mu_error *err)
{
    return mu_fail(err, MU_E_INVALID, "'%s' is too long a duration", text);
}

static int scale(const char *text,
                 const struct duration_unit *u,
                 uint64_t whole,
                 uint64_t fraction,
                 uint64_t *out_ms,
                 struct mu_error *err)
{
    uint64_t product;
    if (__builtin_mul_overflow(whole, u->ms, &product)) {
        return too_long(text, err);
    }
    uint64_t ms = product / u->per;
    /* At most 10^6 * 10^9 + 10^9 * 6 * 10^8: no overflow. */
    uint64_t rest = product % u->per * FRACTION_ONE + fraction * u->ms;
    uint64_t rest_per = u->per * FRACTION_ONE;
    if (__builtin_add_overflow(ms, (rest + rest_per / 2) / rest_per, &ms) ||
        ms == MU_NEVER_MS) {
        return too_long(text, err);
    }
    if (ms == 0 && (whole > 0 || fraction > 0)) {
        ms = 1; /* a short wait must not become none */
    }
    *out_ms = ms;
    return 0;
}

int mu_duration_parse(const char *text, uint64_t *out_ms, struct mu_error *err)
{
    uint64_t whole;
    uint64_t fraction;
    const char *unit;
    if (take_number(text, &whole, &fraction, &unit)) {
        for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
            if (strcmp(unit, duration_units[i].name) == 0) {
                return scale(text, &duration_units[i], whole, fraction, out_ms, err);
            }
        }
    }
    return mu_fail(err, MU_E_INVALID,
                   "'%s' is not a duration (a number and one of ns us ms secs mins hrs "
                   "days weeks)",
                   text);
}

int mu_bytes_parse(const char *text, uint64_t *out_bytes, struct mu_error *err)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    uint64_t whole;
    uint64_t fraction;
    const char *unit;
    bool number = take_number(text, &whole, &fraction, &unit);
    if (number && memchr(text, '.', (size_t)(unit - text)) == NULL) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strcasecmp(unit, units[i]) != 0) {
                continue;
            }
            uint64_t bytes;
            if (__builtin_mul_overflow(whole, UINT64_C(1) << (10 * i), &bytes)) {
                return mu_fail(err, MU_E_INVALID, "'%s' is too big a size", text);
            }
            *out_bytes = bytes;
            return 0;
        }
    }
    return mu_fail(err, MU_E_INVALID,
                   "'%s' is not a size (a whole number and one of B KB MB GB TB)", text);
}
