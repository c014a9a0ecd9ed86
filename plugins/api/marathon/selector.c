/* See selector.h. */
#include "selector.h"

#include <stdio.h>

#include "alloc.h"

struct parser {
    const char *text, *at;
    struct mu_error *err;
};

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t");
}

static int fail(const struct parser *p, const char *wanted)
{
    if (*p->at == '\0') {
        return mu_fail(p->err, MU_E_INVALID, "%s expected at the end", wanted);
    }
    return mu_fail(p->err, MU_E_INVALID, "%s expected at position %zu, found '%.40s'",
                   wanted, (size_t)(p->at - p->text) + 1, p->at);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

/* A name or a value; the caller frees it. NULL: there is none. */
static char *read_word(struct parser *p)
{
    struct mu_buf word;
    mu_buf_init(&word, 64 * 1024);
    skip_blanks(p);
    while (is_plain(*p->at) || (*p->at == '\\' && p->at[1] != '\0')) {
        p->at += *p->at == '\\' ? 1 : 0;
        (void)mu_buf_putc(&word, *p->at++);
    }
    if (word.len == 0) {
        mu_buf_release(&word);
        return NULL;
    }
    return mu_buf_take(&word);
}

static int read_value(struct parser *p, struct mrt_selector_term *term)
{
    char *value = read_word(p);
    if (value == NULL) {
        return fail(p, "a value");
    }
    mu_strings_add(&term->values, value);
    free(value);
    return 0;
}

/* "(a, b)" */
static int read_set(struct parser *p, struct mrt_selector_term *term)
{
    skip_blanks(p);
    if (*p->at != '(') {
        return fail(p, "'('");
    }
    do {
        p->at++;
        int rc = read_value(p, term);
        if (rc < 0) {
            return rc;
        }
        skip_blanks(p);
    } while (*p->at == ',');
    if (*p->at != ')') {
        return fail(p, "')'");
    }
    p->at++;
    return 0;
}

/* What stands behind the label. */
static int read_condition(struct parser *p, struct mrt_selector_term *term)
{
    skip_blanks(p);
    if (*p->at == '\0' || *p->at == ',') {
        term->exists = true;
        return 0;
    }
    if (strncmp(p->at, "==", 2) == 0 || strncmp(p->at, "!=", 2) == 0) {
        term->negated = *p->at == '!';
        p->at += 2;
        return read_value(p, term);
    }
    const char *before = p->at;
    char *word = read_word(p);
    bool is_in = word != NULL && strcmp(word, "in") == 0;
    term->negated = word != NULL && strcmp(word, "notin") == 0;
    free(word);
    if (!is_in && !term->negated) {
        p->at = before;
        return fail(p, "'==', '!=', 'in' or 'notin'");
    }
    return read_set(p, term);
}

static int read_term(struct parser *p, struct mrt_selector *out)
{
    char *label = read_word(p);
    if (label == NULL) {
        return fail(p, "a label");
    }
    out->v = mrt_grown(out->v, out->count, &out->cap, sizeof(*out->v));
    struct mrt_selector_term *term = &out->v[out->count++];
    *term = (struct mrt_selector_term){.label = label};
    return read_condition(p, term);
}

int mrt_selector_parse(const char *text, struct mrt_selector *out, struct mu_error *err)
{
    struct parser p = {text, text, err};
    *out = (struct mrt_selector){0};
    for (;;) {
        int rc = read_term(&p, out);
        if (rc < 0) {
            return rc;
        }
        skip_blanks(&p);
        if (*p.at == '\0') {
            return 0;
        }
        if (*p.at != ',') {
            return fail(&p, "','");
        }
        p.at++;
    }
}

static bool term_matches(const struct mrt_selector_term *t, const struct mu_pairs *labels)
{
    const char *value = mu_pairs_get(labels, t->label);
    if (value == NULL || t->exists) {
        return value != NULL;
    }
    bool found = false;
    for (size_t i = 0; i < t->values.count; i++) {
        found = found || strcmp(t->values.v[i], value) == 0;
    }
    return found != t->negated;
}

bool mrt_selector_matches(const struct mrt_selector *s, const struct mu_pairs *labels)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!term_matches(&s->v[i], labels)) {
            return false;
        }
    }
    return true;
}

void mrt_selector_release(struct mrt_selector *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->v[i].label);
        mu_strings_release(&s->v[i].values);
    }
    free(s->v);
    *s = (struct mrt_selector){0};
}
