/* See log_sinks.h.
 *
 * The format string is walked pair by pair: the key up to '=', then the value's format up
 * to the next blank. Each conversion is printed apart, with its own slice of the argument
 * list, so text arguments can be escaped without touching the format's own characters.
 * Conversions known: d i u x X o c s p f e g % with flags, width, precision and the
 * length modifiers hh h l ll z j t; all others are a bug of the caller.
 *
 * A sink that cannot be written to loses the line: logging never stops the program.
 */
#include "runtime/log_sinks.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <muster/error.h>
#include <muster/json_writer.h>
#include <muster/time.h>

#include "base/check.h"
#include "runtime/clock.h"

#define VALUE_MAX 8192u
#define SPEC_MAX 40u

/* va_list wrapped, so that a pointer to it can be passed down whatever its type is. */
struct args {
    va_list ap;
};

struct conversion {
    char spec[SPEC_MAX]; /* "%-5jd": the length modifier is always j, stars are filled in
                          */
    char type;           /* 'd' */
    char length;         /* 0, 'h' (also hh), 'l', 'L' (ll), 'z', 'j', 't' */
    int precision;       /* -1: none */
};

static void spec_put(struct conversion *c, const char *text)
{
    size_t len = strlen(c->spec);
    MU_ASSERT(len + strlen(text) < SPEC_MAX); /* formats are ours, never foreign */
    memcpy(c->spec + len, text, strlen(text) + 1);
}

static void spec_putc(struct conversion *c, char ch)
{
    spec_put(c, (const char[]){ch, '\0'});
}

/* Copies digits, or the argument that a star stands for; returns the number or -1. */
static const char *
read_number(const char *p, struct conversion *c, struct args *a, int *out_number)
{
    char text[16] = "";
    if (*p == '*') {
        *out_number = va_arg(a->ap, int);
        (void)snprintf(text, sizeof(text), "%d", *out_number);
        spec_put(c, text);
        return p + 1;
    }
    int number = isdigit((unsigned char)*p) ? 0 : -1;
    for (; isdigit((unsigned char)*p); p++) {
        number = number * 10 + (*p - '0');
        spec_putc(c, *p);
    }
    *out_number = number;
    return p;
}

/* Reads one conversion at p (which points at '%'); returns where it ends. */
static const char *read_conversion(const char *p, struct conversion *c, struct args *a)
{
    *c = (struct conversion){.spec = "%", .precision = -1};
    for (p++; *p != '\0' && strchr("-+ #0", *p) != NULL; p++) {
        spec_putc(c, *p);
    }
    int width = -1;
    p = read_number(p, c, a, &width);
    if (*p == '.') {
        spec_putc(c, '.');
        p = read_number(p + 1, c, a, &c->precision);
        c->precision = c->precision < 0 ? 0 : c->precision;
    }
    for (; *p != '\0' && strchr("hlzjt", *p) != NULL; p++) {
        c->length = *p == 'l' && c->length == 'l' ? 'L' : *p;
    }
    c->type = *p;
    MU_ASSERT(c->type != '\0');
    return p + 1;
}

static intmax_t take_signed(struct args *a, char length)
{
    switch (length) {
    case 'l':
        return va_arg(a->ap, long);
    case 'L':
        return va_arg(a->ap, long long);
    case 'z':
    case 't':
        return va_arg(a->ap, ptrdiff_t);
    case 'j':
        return va_arg(a->ap, intmax_t);
    default:
        return va_arg(a->ap, int);
    }
}

static uintmax_t take_unsigned(struct args *a, char length)
{
    switch (length) {
    case 'l':
        return va_arg(a->ap, unsigned long);
    case 'L':
        return va_arg(a->ap, unsigned long long);
    case 'z':
    case 't':
        return va_arg(a->ap, size_t);
    case 'j':
        return va_arg(a->ap, uintmax_t);
    default:
        return va_arg(a->ap, unsigned int);
    }
}

/* The specs were checked by the compiler where the caller wrote them; here they are
 * rebuilt piece by piece, which the compiler cannot follow. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_number(struct mu_buf *out, struct conversion *c, struct args *a)
{
    char text[512] = "";
    switch (c->type) {
    case 'd':
    case 'i':
        spec_put(c, (const char[]){'j', c->type, '\0'});
        (void)snprintf(text, sizeof(text), c->spec, take_signed(a, c->length));
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        spec_put(c, (const char[]){'j', c->type, '\0'});
        (void)snprintf(text, sizeof(text), c->spec, take_unsigned(a, c->length));
        break;
    case 'e':
    case 'f':
    case 'g':
        spec_putc(c, c->type);
        (void)snprintf(text, sizeof(text), c->spec, va_arg(a->ap, double));
        break;
    default:
        MU_NEVER("log format with an unknown conversion");
    }
    (void)mu_buf_puts(out, text); /* cut lines are marked at the end */
}
#pragma GCC diagnostic pop

static void print_text(struct mu_buf *out, const struct conversion *c, struct args *a)
{
    const char *s = va_arg(a->ap, const char *);
    if (s == NULL) {
        s = "(none)";
    }
    size_t room = VALUE_MAX - out->len;
    size_t len = strnlen(s, c->precision >= 0 ? (size_t)c->precision : room);
    (void)mu_buf_append(out, s, len < room ? len : room);
}

/* One value: the format up to a blank or the end. is_number: nothing but one conversion
 * to a plain decimal. */
static const char *
print_value(const char *p, struct args *a, struct mu_buf *out, bool *out_is_number)
{
    *out_is_number = *p == '%';
    for (const char *start = p; *p != '\0' && *p != ' ';) {
        if (p[0] != '%' || p[1] == '%') {
            (void)mu_buf_putc(out, *p);
            p += *p == '%' ? 2 : 1;
            *out_is_number = false;
            continue;
        }
        bool is_first = p == start;
        struct conversion c;
        p = read_conversion(p, &c, a);
        *out_is_number = *out_is_number && is_first && strchr("diu", c.type) != NULL;
        if (c.type == 's') {
            print_text(out, &c, a);
        } else if (c.type == 'c') {
            (void)mu_buf_putc(out, (char)va_arg(a->ap, int));
        } else if (c.type == 'p') {
            (void)mu_buf_printf(out, "%p", va_arg(a->ap, void *));
        } else {
            print_number(out, &c, a);
        }
    }
    return p;
}

void rt_hide_credentials(struct mu_buf *value)
{
    char *text = value->data;
    for (char *scheme = text == NULL ? NULL : strstr(text, "://"); scheme != NULL;
         scheme = strstr(scheme + 3, "://")) {
        char *start = scheme + 3;
        size_t len = strcspn(start, "/ \t\n\"'");
        char *at = memrchr(start, '@', len);
        if (at == NULL || at - start < 3) {
            continue; /* nothing, or too short to hold a user and a secret */
        }
        memcpy(start, "***", 3);
        size_t tail = value->len - (size_t)(at - text);
        memmove(start + 3, at, tail + 1);
        value->len = (size_t)(start + 3 - text) + tail;
    }
}

static void put_escaped_char(struct mu_buf *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        (void)mu_buf_printf(out, "\\%c", c);
    } else if (c == '\n') {
        (void)mu_buf_puts(out, "\\n");
    } else if (c == '\t') {
        (void)mu_buf_puts(out, "\\t");
    } else if (c < 0x20 || c == 0x7f) {
        (void)mu_buf_printf(out, "\\x%02x", c);
    } else {
        (void)mu_buf_putc(out, (char)c);
    }
}

/* Quoted only where a reader could be misled without. */
static void put_text_value(struct mu_buf *out, const char *s)
{
    bool quote = *s == '\0';
    for (const char *p = s; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        quote = quote || c <= ' ' || c == 0x7f || strchr("\"\\=", c) != NULL;
    }
    if (!quote) {
        (void)mu_buf_puts(out, s);
        return;
    }
    (void)mu_buf_putc(out, '"');
    for (const char *p = s; *p != '\0'; p++) {
        put_escaped_char(out, (unsigned char)*p);
    }
    (void)mu_buf_putc(out, '"');
}

struct line {
    struct mu_buf *out;
    struct mu_jw *json; /* NULL: text */
};

static void
put_pair(struct line *l, const char *key, size_t key_len, struct mu_buf *value, bool num)
{
    char name[64];
    key_len = key_len < sizeof(name) ? key_len : sizeof(name) - 1;
    memcpy(name, key, key_len);
    name[key_len] = '\0';
    rt_hide_credentials(value);
    const char *text = mu_buf_str(value);
    if (l->json == NULL) {
        (void)mu_buf_printf(l->out, " %s=", name);
        put_text_value(l->out, text);
        return;
    }
    mu_jw_key(l->json, name);
    if (num) {
        mu_jw_raw(l->json, text, value->len);
    } else {
        mu_jw_string_len(l->json, text, value->len);
    }
}

static void put_pairs(struct line *l, const char *fmt, va_list ap)
{
    struct args a;
    va_copy(a.ap, ap);
    struct mu_buf value;
    mu_buf_init(&value, VALUE_MAX + 512);
    for (const char *p = fmt; *p != '\0';) {
        if (*p == ' ') {
            p++;
            continue;
        }
        const char *key = "detail"; /* for a piece that is no pair */
        size_t key_len = strlen(key);
        size_t ahead = strcspn(p, "=% ");
        if (ahead > 0 && p[ahead] == '=') {
            key = p;
            key_len = ahead;
            p += ahead + 1;
        }
        bool num = false;
        p = print_value(p, &a, &value, &num);
        put_pair(l, key, key_len, &value, num);
        mu_buf_clear(&value);
    }
    mu_buf_release(&value);
    va_end(a.ap);
}

static void
put_text_head(struct mu_buf *out, const char *when, int level, const char *message)
{
    char name[8] = "";
    const char *lower = rt_log_level_name(level);
    for (size_t i = 0; lower[i] != '\0' && i + 1 < sizeof(name); i++) {
        name[i] = (char)toupper((unsigned char)lower[i]);
    }
    (void)mu_buf_printf(out, "%s %-5s ", when, name);
    for (const char *p = message; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            (void)mu_buf_putc(out, *p);
        } else {
            put_escaped_char(out, (unsigned char)*p);
        }
    }
}

void rt_log_format(struct mu_buf *out,
                   bool json,
                   const struct rt_log_line *line,
                   const char *fmt,
                   va_list ap)
{
    char when[MU_TIME_TEXT];
    mu_time_format(line->wall_ms, when);
    struct mu_jw jw;
    struct line l = {.out = out, .json = json ? &jw : NULL};
    if (json) {
        mu_jw_init(&jw, out);
        mu_jw_object_begin(&jw);
        mu_jw_kv_string(&jw, "time", when);
        mu_jw_kv_string(&jw, "level", rt_log_level_name(line->level));
        mu_jw_kv_string(&jw, "message", line->message);
    } else {
        put_text_head(out, when, line->level, line->message);
    }
    if (line->source != NULL) {
        struct mu_buf source;
        mu_buf_init(&source, VALUE_MAX);
        (void)mu_buf_puts(&source, line->source);
        put_pair(&l, "plugin", strlen("plugin"), &source, false);
        mu_buf_release(&source);
    }
    if (fmt != NULL) {
        put_pairs(&l, fmt, ap);
    }
    if (json) {
        mu_jw_object_end(&jw);
    }
    (void)mu_buf_putc(out, '\n');
}

/* A line over the maximum: without its pairs, so that it is at least valid. */
static void format_cut(
    struct mu_buf *out, bool json, const struct rt_log_line *line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    mu_buf_clear(out);
    rt_log_format(out, json, line, fmt, ap);
    va_end(ap);
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* the line is lost; there is nobody to tell */
        }
        data += n;
        len -= (size_t)n;
    }
}

void rt_log_write(const struct rt_log *log,
                  const char *source,
                  int level,
                  const char *message,
                  const char *fmt,
                  va_list ap)
{
    if (log->fd < 0 || level > log->level) {
        return;
    }
    const struct rt_log_line line = {.wall_ms = rt_clock_wall_ms(),
                                     .source = source,
                                     .level = level,
                                     .message = message};
    struct mu_buf out;
    mu_buf_init(&out, RT_LOG_LINE_MAX);
    rt_log_format(&out, log->json, &line, fmt, ap);
    if (!mu_buf_ok(&out)) {
        format_cut(&out, log->json, &line, "cut=%s", "line too long");
    }
    write_all(log->fd, mu_buf_str(&out), out.len);
    mu_buf_release(&out);
}

static const char *const level_names[] = {
    [MU_ERROR] = "error", [MU_WARN] = "warn",   [MU_INFO] = "info",
    [MU_DEBUG] = "debug", [MU_TRACE] = "trace",
};

const char *rt_log_level_name(int level)
{
    if (level < MU_ERROR || level > MU_TRACE) {
        return "error"; /* an unknown level must not be overlooked */
    }
    return level_names[level];
}

int rt_log_level_parse(const char *text, int *out_level)
{
    for (int i = MU_ERROR; i <= MU_TRACE; i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *out_level = i;
            return 0;
        }
    }
    if (strcasecmp(text, "warning") == 0) {
        *out_level = MU_WARN;
        return 0;
    }
    return MU_E_INVALID;
}
