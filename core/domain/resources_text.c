/* The text form of resources: "cpus:4;mem(web):512;ports:[31000-32000];zone:{a,b}".
 *
 * As Mesos reads it: pieces split at ';', empty ones skipped, blanks ignored, each piece
 * name or name(role), one ':', a value. Overlapping ranges are merged; an item given
 * twice and a number that rounds to 0 without being 0 are errors.
 */
#include "domain/resources_text.h"

#include <muster/resources.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "base/parse.h"
#include "domain/milli.h"

/* One piece, taken apart in a copy of its own. */
struct piece {
    char *name, *role, *value; /* into the text that take_piece returned */
};

/* All of len bytes but blanks, as a new text. */
static char *without_blanks(const char *s, size_t len)
{
    char *out = mu_xalloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr(" \t\r\n", s[i]) == NULL) {
            out[n++] = s[i];
        }
    }
    out[n] = '\0';
    return out;
}

/* Split "name(role):value" in place; role is left alone without brackets. */
static int split_piece(char *text, struct piece *out, struct mu_error *err)
{
    char *colon = strchr(text, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        return mu_fail(err, MU_E_INVALID, "resource '%s' is not of the form name:value",
                       text);
    }
    char *open = memchr(text, '(', (size_t)(colon - text));
    if (open != NULL) {
        if (colon[-1] != ')' || open + 1 >= colon - 1) {
            return mu_fail(err, MU_E_INVALID,
                           "resource '%s' is not of the form name(role):value", text);
        }
        *open = '\0';
        colon[-1] = '\0';
        out->role = open + 1;
    }
    *colon = '\0';
    out->name = text;
    out->value = colon + 1;
    return 0;
}

static int
parse_scalar(const struct piece *p, struct mu_resources *out, struct mu_error *err)
{
    int64_t milli;
    bool lost;
    int status = mu_milli_parse_exact(p->value, &milli, &lost, err);
    if (status < 0) {
        return mu_wrap(err, status, "resource '%s'", p->name);
    }
    if (lost) {
        return mu_fail(err, MU_E_INVALID,
                       "resource '%s': '%s' is too small (three decimals count)", p->name,
                       p->value);
    }
    return mu_resources_add_scalar(out, p->name, p->role, milli, err);
}

/* The next part of a bracketed list, ended in place; NULL at the end. */
static char *next_part(char **rest)
{
    char *part = *rest;
    if (part == NULL) {
        return NULL;
    }
    char *comma = strchr(part, ',');
    if (comma != NULL) {
        *comma = '\0';
    }
    *rest = comma != NULL ? comma + 1 : NULL;
    return part;
}

/* Strip the brackets of "[...]" or "{...}" in place; what is inside, NULL when there is
 * nothing inside. */
static int
strip_brackets(const struct piece *p, char close, char **out_inside, struct mu_error *err)
{
    size_t len = strlen(p->value);
    if (len < 2 || p->value[len - 1] != close) {
        return mu_fail(err, MU_E_INVALID, "resource '%s': '%s' is not closed", p->name,
                       p->value);
    }
    p->value[len - 1] = '\0';
    *out_inside = len > 2 ? p->value + 1 : NULL;
    return 0;
}

static int
parse_ranges(const struct piece *p, struct mu_resources *out, struct mu_error *err)
{
    char *rest;
    int status = strip_brackets(p, ']', &rest, err);
    for (char *part; status == 0 && (part = next_part(&rest)) != NULL;) {
        uint64_t begin = 0;
        uint64_t end = 0;
        char *dash = strchr(part, '-');
        if (dash == NULL) {
            return mu_fail(err, MU_E_INVALID,
                           "resource '%s': '%s' is not of the form begin-end", p->name,
                           part);
        }
        *dash = '\0';
        status = mu_parse_u64(part, &begin, err);
        status = status == 0 ? mu_parse_u64(dash + 1, &end, err) : status;
        if (status < 0) {
            return mu_wrap(err, status, "resource '%s'", p->name);
        }
        status = mu_resources_add_range(out, p->name, p->role, begin, end, err);
    }
    return status;
}

static int
parse_set(const struct piece *p, struct mu_resources *out, struct mu_error *err)
{
    char *rest;
    int status = strip_brackets(p, '}', &rest, err);
    struct mu_resources seen = {0}; /* of this piece only */
    for (char *part; status == 0 && (part = next_part(&rest)) != NULL;) {
        struct mu_resources one = {0};
        status = mu_resources_add_item(&one, p->name, p->role, part, err);
        if (status == 0 && mu_resources_contains(&seen, &one)) {
            status = mu_fail(err, MU_E_INVALID, "resource '%s': item '%s' comes twice",
                             p->name, part);
        }
        if (status == 0) {
            status = mu_resources_add(&seen, &one, err);
        }
        mu_resources_release(&one);
    }
    if (status == 0) {
        status = mu_resources_add(out, &seen, err);
    }
    mu_resources_release(&seen);
    return status;
}

static int parse_piece(char *text,
                       const char *default_role,
                       struct mu_resources *out,
                       struct mu_error *err)
{
    char any[] = "*";
    mu_auto_free char *role = mu_xstrdup(default_role != NULL ? default_role : any);
    struct piece p = {.role = role};
    int status = split_piece(text, &p, err);
    if (status < 0) {
        return status;
    }
    switch (p.value[0]) {
    case '[':
        return parse_ranges(&p, out, err);
    case '{':
        return parse_set(&p, out, err);
    default:
        return parse_scalar(&p, out, err);
    }
}

int mu_resources_parse(const char *text,
                       const char *default_role,
                       struct mu_resources *out,
                       struct mu_error *err)
{
    struct mu_resources r = {0};
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ";");
        mu_auto_free char *piece = without_blanks(p, len);
        if (piece[0] != '\0') {
            int status = parse_piece(piece, default_role, &r, err);
            if (status < 0) {
                mu_resources_release(&r);
                return status;
            }
        }
        p += len;
        p += *p == ';' ? 1 : 0;
    }
    *out = r;
    return 0;
}

bool mu_resources_text_names(const char *text, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ";");
        mu_auto_free char *piece = without_blanks(p, len);
        if (strcspn(piece, "(:") == name_len && strncmp(piece, name, name_len) == 0) {
            return true;
        }
        p += len;
        p += *p == ';' ? 1 : 0;
    }
    return false;
}

static void format_value(const struct mu_resource *e, struct mu_buf *out)
{
    switch ((enum mu_value_type)e->type) {
    case MU_VALUE_SCALAR: {
        char number[MU_DECIMAL_TEXT];
        (void)mu_buf_append(out, number, mu_milli_format(e->scalar_milli, false, number));
        break;
    }
    case MU_VALUE_RANGES:
        for (size_t i = 0; i < e->range_count; i++) {
            (void)mu_buf_printf(out, "%c%" PRIu64 "-%" PRIu64, i == 0 ? '[' : ',',
                                e->ranges[i].begin, e->ranges[i].end);
        }
        (void)mu_buf_putc(out, ']');
        break;
    case MU_VALUE_SET:
        for (size_t i = 0; i < e->item_count; i++) {
            (void)mu_buf_printf(out, "%c%s", i == 0 ? '{' : ',', e->items[i]);
        }
        (void)mu_buf_putc(out, '}');
        break;
    }
}

void mu_resources_format(const struct mu_resources *r, struct mu_buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct mu_resource *e = &r->v[i];
        (void)mu_buf_printf(out, "%s%s", i > 0 ? ";" : "", e->name);
        if (strcmp(e->role, "*") != 0) {
            (void)mu_buf_printf(out, "(%s)", e->role);
        }
        (void)mu_buf_putc(out, ':');
        format_value(e, out);
    }
}
