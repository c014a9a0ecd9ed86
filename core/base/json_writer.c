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
    (void)mu_buf_append(w->out, s, len); /* the flag is sticky */
}

/* A comma if the open object or array has a member already. */
static void separate(struct mu_jw *w)
{
    if (w->depth == 0) {
        return;
    }
    uint64_t bit = UINT64_C(1) << (w->depth - 1);
    if (w->has_member & bit) {
        put(w, ",", 1);
    }
    w->has_member |= bit;
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

/* Quotes and content; runs of plain bytes go out in one piece. */
static void put_string(struct mu_jw *w, const char *s, size_t len)
{
    put(w, "\"", 1);
    size_t i = 0;
    while (i < len) {
        size_t start = i;
        while (i < len && is_plain((unsigned char)s[i])) {
            i++;
        }
        if (i > start) {
            put(w, s + start, i - start);
        }
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
    put(w, "\"", 1);
}

void mu_jw_key(struct mu_jw *w, const char *key)
{
    MU_PRE(w->depth > 0 && !w->after_key);
    separate(w);
    put_string(w, key, strlen(key));
    put(w, ":", 1);
    w->after_key = true;
}

void mu_jw_string_len(struct mu_jw *w, const char *s, size_t len)
{
    begin_value(w);
    put_string(w, s, len);
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
