/* See flags_help.h. */
#include "runtime/flags_help.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/flags.h"

#define INDENT 26u
#define WIDTH 80u

static const char *value_name(const struct mu_flag *flag)
{
    if (flag->value_name != NULL) {
        return flag->value_name;
    }
    switch ((enum mu_flag_type)flag->type) {
    case MU_FLAG_STRING:
        return "TEXT";
    case MU_FLAG_BOOL:
        return NULL;
    case MU_FLAG_INT:
        return "N";
    case MU_FLAG_BYTES:
        return "BYTES";
    case MU_FLAG_DURATION:
        return "DURATION";
    case MU_FLAG_LIST:
        return "A,B,...";
    }
    return "VALUE";
}

/* "--port=N", "--[no-]hostname_lookup" */
static void put_usage(struct mu_buf *out, const struct flags_shown *shown)
{
    const char *value = value_name(shown->flag);
    if (value == NULL) {
        (void)mu_buf_printf(out, "--[no-]%s", shown->full_name);
    } else {
        (void)mu_buf_printf(out, "--%s=%s", shown->full_name, value);
    }
}

/* What is said behind the help: "(default: 5050)". */
static void put_notes(struct mu_buf *out, const struct mu_flag *flag)
{
    if ((flag->bits & MU_FLAG_REQUIRED) != 0) {
        (void)mu_buf_puts(out, " (required)");
    }
    if ((flag->bits & MU_FLAG_REPEATABLE) != 0) {
        (void)mu_buf_puts(out, " (can be repeated)");
    }
    if ((flag->bits & MU_FLAG_DEPRECATED) != 0) {
        (void)mu_buf_puts(out, " (deprecated)");
    }
    if (flag->default_text != NULL && (flag->bits & MU_FLAG_SECRET) == 0) {
        (void)mu_buf_printf(out, " (default: %s)", flag->default_text);
    }
}

/* Words of text from column on, at most WIDTH wide, further lines indented. */
static void put_wrapped(struct mu_buf *out, const char *text, size_t column)
{
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, " ");
        if (column > INDENT && column + 1 + len > WIDTH) {
            (void)mu_buf_printf(out, "\n%*s", (int)INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            (void)mu_buf_putc(out, ' ');
            column++;
        }
        (void)mu_buf_append(out, p, len);
        column += len;
        p += len;
        while (*p == ' ') {
            p++;
        }
    }
    (void)mu_buf_putc(out, '\n');
}

static void put_text_flag(void *arg, const struct flags_shown *shown)
{
    struct mu_buf *out = arg;
    struct mu_buf text;
    mu_buf_init(&text, 16384);
    put_usage(&text, shown);
    size_t usage_len = text.len;
    (void)mu_buf_printf(out, "  %s", mu_buf_str(&text));
    if (usage_len + 3 > INDENT) {
        (void)mu_buf_printf(out, "\n%*s", (int)INDENT, "");
    } else {
        (void)mu_buf_printf(out, "%*s", (int)(INDENT - usage_len - 2), "");
    }
    mu_buf_clear(&text);
    (void)mu_buf_puts(&text, shown->flag->help);
    put_notes(&text, shown->flag);
    put_wrapped(out, mu_buf_str(&text), INDENT);
    mu_buf_release(&text);
}

void flags_help_text(const struct flags *f, struct mu_buf *out)
{
    for (size_t i = 0; i < flags_table_count(f); i++) {
        const struct flags_table *t = flags_table_get(f, i);
        (void)mu_buf_printf(out, "\n%s:\n", t->title);
        size_t before = out->len;
        flags_table_each(f, i, put_text_flag, out);
        if (out->len == before) {
            (void)mu_buf_puts(out, "  no flags\n");
        }
    }
}

void flags_help_roff(struct mu_buf *out, const char *text)
{
    bool at_start = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (at_start && (*p == '.' || *p == '\'')) {
            (void)mu_buf_puts(out, "\\&");
        }
        if (*p == '\\') {
            (void)mu_buf_puts(out, "\\e");
        } else if (*p == '-') {
            (void)mu_buf_puts(out, "\\-");
        } else {
            (void)mu_buf_putc(out, *p);
        }
        at_start = *p == '\n';
    }
}

static void put_man_flag(void *arg, const struct flags_shown *shown)
{
    struct mu_buf *out = arg;
    struct mu_buf text;
    mu_buf_init(&text, 16384);
    put_usage(&text, shown);
    (void)mu_buf_puts(out, ".TP\n.B ");
    flags_help_roff(out, mu_buf_str(&text));
    mu_buf_clear(&text);
    (void)mu_buf_puts(&text, shown->flag->help);
    put_notes(&text, shown->flag);
    (void)mu_buf_putc(out, '\n');
    flags_help_roff(out, mu_buf_str(&text));
    (void)mu_buf_putc(out, '\n');
    mu_buf_release(&text);
}

void flags_help_man(const struct flags *f, struct mu_buf *out)
{
    for (size_t i = 0; i < flags_table_count(f); i++) {
        const struct flags_table *t = flags_table_get(f, i);
        size_t before = out->len;
        (void)mu_buf_puts(out, ".SS ");
        flags_help_roff(out, t->title);
        (void)mu_buf_putc(out, '\n');
        size_t head_end = out->len;
        flags_table_each(f, i, put_man_flag, out);
        if (out->len == head_end) {
            out->len = before; /* a section without flags says nothing */
            out->data[before] = '\0';
        }
    }
}
