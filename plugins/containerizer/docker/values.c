#include "values.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include <muster/resources.h>

#include "util.h"

enum { PORTS_IN_RANGE_MAX = 1024 };

int dkr_parse_int(const char *text, int64_t *out, struct mu_error *err)
{
    const char *p = text;
    bool is_negative = *p == '-';
    int64_t value = 0;

    if (*p == '-' || *p == '+') {
        p++;
    }
    if (*p == '\0') {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a number", text);
    }
    for (; *p != '\0'; p++) {
        if (!isdigit((unsigned char)*p)) {
            return mu_fail(err, MU_E_INVALID, "'%s' is not a number", text);
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value)) {
            return mu_fail(err, MU_E_INVALID, "'%s' is too large", text);
        }
    }
    *out = is_negative ? -value : value;
    return 0;
}

int dkr_parse_bool(const char *text, bool *out, struct mu_error *err)
{
    static const char *const yes[] = {"", "true", "1", "t"};
    static const char *const no[] = {"false", "0", "f"};

    for (size_t i = 0; i < DKR_COUNT(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            *out = true;
            return 0;
        }
    }
    for (size_t i = 0; i < DKR_COUNT(no); i++) {
        if (strcasecmp(text, no[i]) == 0) {
            *out = false;
            return 0;
        }
    }
    return mu_fail(err, MU_E_INVALID, "'%s' is neither true nor false", text);
}

/* The number in front of text, in thousandths, and where it ends. */
static int number_prefix(const char *text,
                         int64_t *out_milli,
                         const char **out_end,
                         struct mu_error *err)
{
    char number[32];
    size_t len = strspn(text, "0123456789.");

    if (len == 0 || len >= sizeof(number)) {
        return mu_fail(err, MU_E_INVALID, "'%s' does not start with a number", text);
    }
    memcpy(number, text, len);
    number[len] = '\0';
    *out_end = text + len;
    return mu_milli_parse(number, out_milli, err);
}

int dkr_parse_size(const char *text, int64_t *out, struct mu_error *err)
{
    static const char units[] = "bkmgtp";
    const char *unit = text;
    int64_t milli = 0;
    int64_t factor = 1;
    int64_t value = 0;

    if (dkr_equal(text, "-1")) {
        *out = -1;
        return 0;
    }
    int rc = number_prefix(text, &milli, &unit, err);
    if (rc < 0) {
        return rc;
    }
    if (*unit != '\0') {
        const char *found = strchr(units, tolower((unsigned char)*unit));
        const char *rest = unit + 1;
        if (found == NULL || (rest[0] != '\0' && strcasecmp(rest, "b") != 0 &&
                              strcasecmp(rest, "ib") != 0)) {
            return mu_fail(err, MU_E_INVALID, "'%s' is not a size such as 512m or 1g",
                           text);
        }
        factor = (int64_t)1 << (10 * (found - units));
    }
    /* whole units first: thousandths of a petabyte would overflow too early */
    if (__builtin_mul_overflow(milli / 1000, factor, &value) ||
        __builtin_add_overflow(value, milli % 1000 * factor / 1000, &value)) {
        return mu_fail(err, MU_E_INVALID, "'%s' is too large", text);
    }
    *out = value;
    return 0;
}

int dkr_parse_duration_ns(const char *text, int64_t *out, struct mu_error *err)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},         {"us", 1000},       {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    int64_t total = 0;
    const char *p = text;

    if (dkr_equal(text, "0")) {
        *out = 0;
        return 0;
    }
    do {
        int64_t milli = 0;
        int64_t part = 0;
        size_t i = 0;
        int rc = number_prefix(p, &milli, &p, err);
        if (rc < 0) {
            return mu_fail(err, MU_E_INVALID,
                           "'%s' is not a duration such as 30s or 1m30s", text);
        }
        size_t len = strcspn(p, "0123456789.");
        while (i < DKR_COUNT(units) &&
               (strlen(units[i].name) != len || strncmp(p, units[i].name, len) != 0)) {
            i++;
        }
        if (i == DKR_COUNT(units)) {
            return mu_fail(err, MU_E_INVALID,
                           "'%s' is not a duration such as 30s or 1m30s", text);
        }
        if (__builtin_mul_overflow(milli, units[i].ns, &part) ||
            __builtin_add_overflow(total, part / 1000, &total)) {
            return mu_fail(err, MU_E_INVALID, "'%s' is too large", text);
        }
        p += len;
    } while (*p != '\0');
    *out = total;
    return 0;
}

static int parse_port(const char *text, size_t len, uint16_t *out, struct mu_error *err)
{
    char digits[8];
    int64_t port = 0;

    if (len == 0 || len >= sizeof(digits)) {
        return mu_fail(err, MU_E_INVALID, "'%.*s' is not a port", (int)len, text);
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (dkr_parse_int(digits, &port, NULL) < 0 || port < 1 || port > UINT16_MAX) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a port", digits);
    }
    *out = (uint16_t)port;
    return 0;
}

static int parse_protocol(const char *text, char out[8], struct mu_error *err)
{
    static const char *const known[] = {"tcp", "udp", "sctp"};

    for (size_t i = 0; i < DKR_COUNT(known); i++) {
        if (strcasecmp(text, known[i]) == 0) {
            memcpy(out, known[i], strlen(known[i]) + 1);
            return 0;
        }
    }
    return mu_fail(err, MU_E_INVALID, "'%s' is not a protocol", text);
}

int dkr_parse_ports(const char *text, struct dkr_port_range *out, struct mu_error *err)
{
    struct dkr_port_range range = {.protocol = "tcp"};
    size_t len = strcspn(text, "/");
    size_t first = strcspn(text, "-/");
    int rc = 0;

    if (text[len] == '/') {
        rc = parse_protocol(text + len + 1, range.protocol, err);
    }
    if (rc == 0) {
        rc = parse_port(text, first, &range.first, err);
        range.last = range.first;
    }
    if (rc == 0 && first < len) {
        rc = parse_port(text + first + 1, len - first - 1, &range.last, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (range.last < range.first || range.last - range.first >= PORTS_IN_RANGE_MAX) {
        return mu_fail(err, MU_E_INVALID, "'%s' is not a range of ports", text);
    }
    *out = range;
    return 0;
}
