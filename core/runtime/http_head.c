/* Heads of answers: status line, the handler's headers without those that are ours to
 * set, framing, date.
 *
 * Control characters in a handler's values become blanks, so a value that came from a
 * user cannot split the answer.
 */
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "runtime/http_conn.h"

enum { SECONDS_PER_DAY = 86400 };

static void put(struct mu_buf *b, const char *text, size_t len)
{
    (void)mu_buf_append(b, text, len); /* tested once at the end */
}

#define PUT_LITERAL(b, text) put((b), "" text, sizeof(text) - 1)

static void put_number(struct mu_buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put(b, digits + at, sizeof(digits) - at);
}

/* ---- date ---- */

static void two_digits(char *at, int n)
{
    at[0] = (char)('0' + n / 10 % 10);
    at[1] = (char)('0' + n % 10);
}

/* Days since 1970 -> civil date (proleptic Gregorian, eras of 400 years that begin in
 * March, so that the leap day is the last of its year). */
static void civil_from_days(int64_t days, int *out_year, int *out_month, int *out_day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *out_day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *out_month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *out_year = (int)(yoe + era * 400 + (*out_month <= 2 ? 1 : 0));
}

/* "Tue, 06 May 2014 07:08:09 GMT"; out holds 30 bytes. second >= 0. */
static void format_date(int64_t second, char *out)
{
    static const char week[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    static const char year_text[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t days = second / SECONDS_PER_DAY;
    int rest = (int)(second % SECONDS_PER_DAY);
    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", 30);
    memcpy(out, week + days % 7 * 3, 3);
    two_digits(out + 5, day);
    memcpy(out + 8, year_text + (month - 1) * 3, 3);
    two_digits(out + 12, year / 100);
    two_digits(out + 14, year % 100);
    two_digits(out + 17, rest / 3600);
    two_digits(out + 20, rest / 60 % 60);
    two_digits(out + 23, rest % 60);
}

static void put_date(struct http_server *s, struct mu_buf *b)
{
    if (s->cfg.wall_ms == NULL) {
        return;
    }
    int64_t second = s->cfg.wall_ms(s->cfg.wall_arg) / 1000;
    if (second < 0) {
        return;
    }
    if (second != s->date_second) {
        s->date_second = second;
        format_date(second, s->date);
    }
    PUT_LITERAL(b, "Date: ");
    put(b, s->date, 29);
    PUT_LITERAL(b, "\r\n");
}

/* ---- headers ---- */

/* Is it the server's to say? */
static bool is_ours(const char *name, size_t len)
{
    switch (len) {
    case 4:
        return strncasecmp(name, "date", 4) == 0;
    case 10:
        return strncasecmp(name, "connection", 10) == 0 ||
               strncasecmp(name, "keep-alive", 10) == 0;
    case 14:
        return strncasecmp(name, "content-length", 14) == 0;
    case 17:
        return strncasecmp(name, "transfer-encoding", 17) == 0;
    default:
        return false;
    }
}

static void put_clean(struct mu_buf *b, const char *text, size_t len)
{
    char *at = mu_buf_reserve(b, len);
    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        at[i] = (c < 0x20 && c != '\t') || c == 0x7f ? ' ' : text[i];
    }
    b->len += len;
}

static void put_headers(struct mu_buf *b, const struct http_head *h)
{
    for (size_t i = 0; i < h->header_count; i++) {
        const char *name = h->headers[i].name;
        const char *value = h->headers[i].value;
        size_t len = strlen(name);
        if (value == NULL || is_ours(name, len)) {
            continue;
        }
        put_clean(b, name, len);
        PUT_LITERAL(b, ": ");
        put_clean(b, value, strlen(value));
        PUT_LITERAL(b, "\r\n");
    }
}

static void put_framing(struct mu_buf *b, const struct http_head *h)
{
    if (h->gzip) {
        PUT_LITERAL(b, "Content-Encoding: gzip\r\n");
    }
    if (h->vary) {
        PUT_LITERAL(b, "Vary: Accept-Encoding\r\n");
    }
    if (h->body_len >= 0) {
        PUT_LITERAL(b, "Content-Length: ");
        put_number(b, (uint64_t)h->body_len);
        PUT_LITERAL(b, "\r\n");
    } else if (h->body_len == HTTP_LENGTH_CHUNKED) {
        PUT_LITERAL(b, "Transfer-Encoding: chunked\r\n");
    }
    if (h->close) {
        PUT_LITERAL(b, "Connection: close\r\n");
    } else if (h->keep_alive) {
        PUT_LITERAL(b, "Connection: keep-alive\r\n");
    }
}

void http_head_format(struct http_server *s,
                      const struct http_head *h,
                      struct mu_buf *out)
{
    mu_buf_clear(out);
    if (h->status == 200) {
        PUT_LITERAL(out, "HTTP/1.1 200 OK\r\n");
    } else {
        PUT_LITERAL(out, "HTTP/1.1 ");
        put_number(out, (uint64_t)h->status);
        PUT_LITERAL(out, " ");
        const char *text = mu_http_status_text(h->status);
        put(out, text, strlen(text));
        PUT_LITERAL(out, "\r\n");
    }
    put_date(s, out);
    put_headers(out, h);
    put_framing(out, h);
    PUT_LITERAL(out, "\r\n");
    MU_ASSERT(mu_buf_ok(out)); /* the handler's own headers: a bug, not input */
}
