/* The streaming JSON writer.
 *
 * The writer never fails itself: the buffer's overflow flag is sticky, and the caller
 * tests it once. Wrong nesting is a bug of the caller and asserted. Bit depth-1 of
 * has_member says that the open object or array at that depth has a member already.
 */
#include <muster/json_writer.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/decimal.h"
#include "base/utf8.h"

#define MAX_DEPTH 64

void mu_jw_init(struct mu_jw *w, struct mu_buf *out)
{
    *w = (struct mu_jw){.out = out};
}

static void put(struct mu_jw *w, const char *s, size_t len)
{
    char *p = mu_buf_reserve(w->out, len);
    if (p != NULL) { /* the flag is sticky */
        memcpy(p, s, len);
        w->out->len += len;
    }
}

/* Is a comma due before the next member of the open object or array? */
static bool take_comma(struct mu_jw *w)
{
    if (w->depth == 0) {
        return false;
    }
    uint64_t bit = UINT64_C(1) << (w->depth - 1);
    bool is_due = (w->has_member & bit) != 0;
    w->has_member |= bit;
    return is_due;
}

static void separate(struct mu_jw *w)
{
    if (take_comma(w)) {
        put(w, ",", 1);
    }
}

static void begin_value(struct mu_jw *w)
{
    if (w->after_key) {
        w->after_key = false;
    } else {
        separate(w);
    }
}

static void open_level(struct mu_jw *w, const char *bracket)
{
    begin_value(w);
    MU_PRE(w->depth < MAX_DEPTH);
    w->depth++;
    w->has_member &= ~(UINT64_C(1) << (w->depth - 1));
    put(w, bracket, 1);
}

static void close_level(struct mu_jw *w, const char *bracket)
{
    MU_PRE(w->depth > 0 && !w->after_key);
    w->depth--;
    put(w, bracket, 1);
}

void mu_jw_object_begin(struct mu_jw *w)
{
    open_level(w, "{");
}

void mu_jw_object_end(struct mu_jw *w)
{
    close_level(w, "}");
}

void mu_jw_array_begin(struct mu_jw *w)
{
    open_level(w, "[");
}

void mu_jw_array_end(struct mu_jw *w)
{
    close_level(w, "]");
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* How many bytes at the start of s are plain. Eight at a time: the high bit of a byte of
 * `odd` is set if that byte, or one before it, is not plain (the subtractions borrow
 * upwards only). */
static size_t plain_length(const char *s, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t eight;
        memcpy(&eight, s + i, 8);
        uint64_t quote = eight ^ (ones * '"');
        uint64_t backslash = eight ^ (ones * '\\');
        uint64_t odd =
            (eight - ones * 0x20) | (quote - ones) | (backslash - ones) | eight;
        if ((odd & (ones * 0x80)) != 0) {
            break;
        }
    }
    while (i < len && is_plain((unsigned char)s[i])) {
        i++;
    }
    return i;
}

static void put_escaped(struct mu_jw *w, unsigned char c)
{
    static const char short_forms[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char text[8];
    if (c == '"' || c == '\\') {
        text[0] = '\\';
        text[1] = (char)c;
        put(w, text, 2);
    } else if (c < sizeof(short_forms) && short_forms[c] != '\0') {
        text[0] = '\\';
        text[1] = short_forms[c];
        put(w, text, 2);
    } else {
        (void)snprintf(text, sizeof(text), "\\u%04x", c);
        put(w, text, 6);
    }
}

/* What is between the quotes; runs of plain bytes go out in one piece. */
static void put_content(struct mu_jw *w, const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        size_t plain = plain_length(s + i, len - i);
        put(w, s + i, plain);
        i += plain;
        if (i == len) {
            break;
        }
        if ((unsigned char)s[i] < 0x80) {
            put_escaped(w, (unsigned char)s[i]);
            i++;
            continue;
        }
        size_t n = mu_utf8_sequence(s + i, len - i);
        if (n > 0) {
            put(w, s + i, n);
        } else {
            put(w, "\xef\xbf\xbd", 3); /* U+FFFD */
        }
        i += n > 0 ? n : 1;
    }
}

/* A quoted text without anything to escape, as most are: one piece, with the comma before
 * and the colon behind a key. */
static void
put_plain(struct mu_jw *w, bool has_comma, const char *s, size_t len, bool is_key)
{
    size_t whole = len + 2 + (has_comma ? 1 : 0) + (is_key ? 1 : 0);
    char *p = mu_buf_reserve(w->out, whole);
    if (p == NULL) {
        return; /* the flag is sticky */
    }
    w->out->len += whole;
    if (has_comma) {
        *p++ = ',';
    }
    *p++ = '"';
    memcpy(p, s, len);
    p += len;
    *p++ = '"';
    if (is_key) {
        *p = ':';
    }
}

static void
put_string(struct mu_jw *w, bool has_comma, const char *s, size_t len, bool is_key)
{
    if (plain_length(s, len) == len) {
        put_plain(w, has_comma, s, len, is_key);
        return;
    }
    if (has_comma) {
        put(w, ",", 1);
    }
    put(w, "\"", 1);
    put_content(w, s, len);
    put(w, "\":", is_key ? 2 : 1);
}

void mu_jw_key(struct mu_jw *w, const char *key)
{
    MU_PRE(w->depth > 0 && !w->after_key);
    put_string(w, take_comma(w), key, strlen(key), true);
    w->after_key = true;
}

void mu_jw_string_len(struct mu_jw *w, const char *s, size_t len)
{
    bool is_member = w->after_key;
    w->after_key = false;
    put_string(w, !is_member && take_comma(w), s, len, false);
}

void mu_jw_string(struct mu_jw *w, const char *s)
{
    if (s == NULL) {
        mu_jw_null(w);
    } else {
        mu_jw_string_len(w, s, strlen(s));
    }
}

void mu_jw_raw(struct mu_jw *w, const char *json, size_t len)
{
    begin_value(w);
    put(w, json, len);
}

void mu_jw_uint(struct mu_jw *w, uint64_t v)
{
    char text[MU_DECIMAL_TEXT];
    mu_jw_raw(w, text, mu_u64_format(v, text));
}

void mu_jw_int(struct mu_jw *w, int64_t v)
{
    char text[MU_DECIMAL_TEXT];
    mu_jw_raw(w, text, mu_i64_format(v, text));
}

void mu_jw_milli(struct mu_jw *w, int64_t milli)
{
    char text[MU_DECIMAL_TEXT];
    mu_jw_raw(w, text, mu_milli_format(milli, false, text));
}

void mu_jw_milli_double(struct mu_jw *w, int64_t milli)
{
    char text[MU_DECIMAL_TEXT];
    mu_jw_raw(w, text, mu_milli_format(milli, true, text));
}

void mu_jw_double(struct mu_jw *w, double v)
{
    if (!isfinite(v)) {
        mu_jw_null(w);
        return;
    }
    char text[MU_DECIMAL_TEXT];
    mu_jw_raw(w, text, mu_double_format(v, text));
}

void mu_jw_bool(struct mu_jw *w, bool v)
{
    if (v) {
        mu_jw_raw(w, "true", 4);
    } else {
        mu_jw_raw(w, "false", 5);
    }
}

void mu_jw_null(struct mu_jw *w)
{
    mu_jw_raw(w, "null", 4);
}
