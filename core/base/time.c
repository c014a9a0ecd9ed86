/* Wall-clock text: milliseconds since 1970 to ISO-8601 in UTC and back.
 *
 * The proleptic Gregorian calendar by integer arithmetic (after Howard Hinnant's
 * days_from_civil): no time zone data, no C library calendar, the same answer in every
 * process. Leap seconds do not exist here, as in POSIX time.
 */
#include <muster/time.h>

#include <stdio.h>

#define MS_PER_DAY INT64_C(86400000)

struct civil {
    int64_t year;
    int month, day; /* from 1 */
};

static int64_t days_from_civil(struct civil c)
{
    int64_t y = c.month <= 2 ? c.year - 1 : c.year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097; /* day of era */
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153; /* month from March */
    struct civil c = {
        .month = (int)(mp < 10 ? mp + 3 : mp - 9),
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
    };
    c.year = yoe + era * 400 + (c.month <= 2 ? 1 : 0);
    return c;
}

void mu_time_format(int64_t wall_ms, char *out)
{
    int64_t days = wall_ms / MS_PER_DAY;
    int64_t rest = wall_ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        days--;
    }
    struct civil c = civil_from_days(days);
    int ms = (int)(rest % 1000);
    int s = (int)(rest / 1000);
    (void)snprintf(out, MU_TIME_TEXT, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ",
                   (long long)c.year, c.month, c.day, s / 3600, s / 60 % 60, s % 60, ms);
}

/* Exactly `digits` digits at *p; moves *p behind them. */
static bool take_number(const char **p, int digits, int *out)
{
    int v = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9') {
            return false;
        }
        v = v * 10 + (c - '0');
    }
    *p += digits;
    *out = v;
    return true;
}

static bool take_char(const char **p, const char *any_of)
{
    for (const char *c = any_of; *c != '\0'; c++) {
        if (**p == *c) {
            (*p)++;
            return true;
        }
    }
    return false;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(const char **p, int64_t *out_days)
{
    int year;
    struct civil c;
    if (!take_number(p, 4, &year) || !take_char(p, "-") || !take_number(p, 2, &c.month) ||
        !take_char(p, "-") || !take_number(p, 2, &c.day)) {
        return false;
    }
    c.year = year;
    if (c.month < 1 || c.month > 12 || c.day < 1 ||
        c.day > days_in_month(c.year, c.month)) {
        return false;
    }
    *out_days = days_from_civil(c);
    return true;
}

/* hh:mm[:ss[.fraction]]; digits beyond milliseconds are cut off. */
static bool take_clock(const char **p, int64_t *out_ms)
{
    int hour;
    int minute;
    int second = 0;
    int ms = 0;
    if (!take_number(p, 2, &hour) || !take_char(p, ":") || !take_number(p, 2, &minute)) {
        return false;
    }
    if (take_char(p, ":")) {
        if (!take_number(p, 2, &second)) {
            return false;
        }
        if (take_char(p, ".,")) {
            int digits = 0;
            int digit;
            for (; take_number(p, 1, &digit); digits++) {
                ms = digits < 3 ? ms * 10 + digit : ms;
            }
            if (digits == 0) {
                return false;
            }
            for (; digits < 3; digits++) {
                ms *= 10;
            }
        }
    }
    *out_ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
    return hour <= 23 && minute <= 59 && second <= 59;
}

/* Z, +hh:mm, +hhmm or +hh. */
static bool take_offset(const char **p, int64_t *out_ms)
{
    *out_ms = 0;
    if (take_char(p, "Zz")) {
        return true;
    }
    bool west = **p == '-';
    int hour;
    int minute = 0;
    if (!take_char(p, "+-") || !take_number(p, 2, &hour)) {
        return false;
    }
    bool colon = take_char(p, ":");
    if ((colon || **p != '\0') && !take_number(p, 2, &minute)) {
        return false;
    }
    *out_ms = (hour * 60 + minute) * INT64_C(60000) * (west ? -1 : 1);
    return hour <= 23 && minute <= 59;
}

int mu_time_parse(const char *text, int64_t *out_wall_ms, struct mu_error *err)
{
    const char *p = text;
    int64_t days;
    int64_t clock_ms;
    int64_t offset_ms;
    if (!take_date(&p, &days) || !take_char(&p, "Tt") || !take_clock(&p, &clock_ms) ||
        !take_offset(&p, &offset_ms) || *p != '\0') {
        return mu_fail(err, MU_E_INVALID, "'%s' is not an ISO-8601 time", text);
    }
    *out_wall_ms = days * MS_PER_DAY + clock_ms - offset_ms;
    return 0;
}
