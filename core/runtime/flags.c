/* See flags.h. Each known full name is one entry; an entry points to the table that
 * declares it and to that table's values. */
#include "runtime/flags.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/flag_values.h"
#include "base/vec.h"
#include "runtime/file.h"
#include "runtime/log_sinks.h"
#include "runtime/nearest.h"

#define NAME_MAX_LEN 96u
#define VALUE_FILE_MAX (1024u * 1024)
#define ENV_PREFIX "MUSTER_"

struct group {
    struct flags_table src; /* its title is ours */
    char *title;
    struct mu_flags *values;
};

struct entry {
    char full_name[NAME_MAX_LEN];
    size_t group;
    const struct mu_flag *flag;
    bool given;         /* on the command line */
    bool is_first_name; /* no earlier entry has this full name */
};

struct flags {
    MU_VEC(struct group) groups;
    MU_VEC(struct entry) entries;
    const struct flags_alias *aliases;
};

/* The state of one flags_parse. */
struct parse {
    struct flags *f;
    const struct flags_input *in;
    struct mu_buf *errors, *warnings;
    bool failed;
};

struct flags *flags_create(void)
{
    return MU_NEW(struct flags);
}

void flags_destroy(struct flags *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->groups.count; i++) {
        mu_flags_destroy(f->groups.v[i].values);
        free(f->groups.v[i].title);
    }
    MU_VEC_RELEASE(&f->groups);
    MU_VEC_RELEASE(&f->entries);
    free(f);
}

void flags_set_aliases(struct flags *f, const struct flags_alias *aliases)
{
    f->aliases = aliases;
}

/* ---- tables ---- */

static bool is_name(const char *name)
{
    if (name[0] < 'a' || name[0] > 'z' || strlen(name) >= NAME_MAX_LEN / 2) {
        return false;
    }
    for (const char *p = name; *p != '\0'; p++) {
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_') {
            return false;
        }
    }
    /* --no-x and --disable_x mean "not x" */
    return strncmp(name, "no_", 3) != 0 && strncmp(name, "disable_", 8) != 0;
}

int flags_check_table(const struct mu_flag *table, struct mu_error *err)
{
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++) {
        const struct mu_flag *flag = &table[i];
        if (!is_name(flag->name)) {
            return mu_fail(err, MU_E_INVALID,
                           "flag name '%s' is not lower-case letters, digits and "
                           "underscores (and no 'no_' or 'disable_' in front)",
                           flag->name);
        }
        if (flag->type < MU_FLAG_STRING || flag->type > MU_FLAG_LIST) {
            return mu_fail(err, MU_E_INVALID, "flag '%s' has the unknown type %u",
                           flag->name, flag->type);
        }
        if (flag->help == NULL) {
            return mu_fail(err, MU_E_INVALID, "flag '%s' has no help", flag->name);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(table[k].name, flag->name) == 0) {
                return mu_fail(err, MU_E_INVALID, "flag '%s' is declared twice",
                               flag->name);
            }
        }
    }
    struct mu_flags *values = NULL;
    int status = mu_flags_create(table, &values, err); /* are the defaults sound? */
    mu_flags_destroy(values);
    return status;
}

static struct entry *find(const struct flags *f, const char *full_name)
{
    for (size_t i = 0; i < f->entries.count; i++) {
        if (strcmp(f->entries.v[i].full_name, full_name) == 0) {
            return &f->entries.v[i];
        }
    }
    return NULL;
}

static bool is_global(const struct flags *f, const struct entry *e)
{
    return f->groups.v[e->group].src.prefix == NULL ||
           (e->flag->bits & MU_FLAG_GLOBAL_NAME) != 0;
}

static int add_entry(struct flags *f, const struct mu_flag *flag, struct mu_error *err)
{
    static const char *const reserved[] = {"help", "version", "list_plugins"};
    struct entry e = {.flag = flag, .group = f->groups.count - 1};
    const char *prefix = f->groups.v[e.group].src.prefix;
    bool is_bare = is_global(f, &e);
    (void)snprintf(e.full_name, sizeof(e.full_name), "%s%s%s", is_bare ? "" : prefix,
                   is_bare ? "" : "_", flag->name);
    for (size_t i = 0; i < MU_COUNT_OF(reserved); i++) {
        if (strcmp(reserved[i], e.full_name) == 0) {
            return mu_fail(err, MU_E_EXISTS, "flag '--%s' is muster's own", e.full_name);
        }
    }
    const struct entry *taken = find(f, e.full_name);
    bool shares = taken != NULL && is_bare && is_global(f, taken) &&
                  taken->group != e.group && taken->flag->type == flag->type;
    if (taken != NULL && !shares) {
        return mu_fail(err, MU_E_EXISTS, "flag '--%s' is declared by '%s' already",
                       e.full_name, f->groups.v[taken->group].src.title);
    }
    e.is_first_name = taken == NULL;
    MU_VEC_PUSH(&f->entries, e);
    return 0;
}

int flags_add(struct flags *f,
              const struct flags_table *src,
              const struct mu_flags **out_values,
              struct mu_error *err)
{
    int status = flags_check_table(src->table, err);
    if (status < 0) {
        return status;
    }
    size_t entries_before = f->entries.count;
    struct group fresh = {.src = *src, .title = mu_xstrdup(src->title)};
    fresh.src.title = fresh.title;
    MU_VEC_PUSH(&f->groups, fresh);
    for (size_t i = 0; src->table != NULL && src->table[i].name != NULL; i++) {
        status = add_entry(f, &src->table[i], err);
        if (status < 0) {
            f->entries.count = entries_before;
            f->groups.count--;
            free(fresh.title);
            return status;
        }
    }
    struct group *g = &f->groups.v[f->groups.count - 1];
    status = mu_flags_create(src->table, &g->values, err);
    MU_ASSERT(status == 0); /* it was checked above */
    if (out_values != NULL) {
        *out_values = g->values;
    }
    return 0;
}

/* ---- parsing ---- */

static const char *nearest_flag(const struct flags *f, const char *name)
{
    MU_VEC(const char *) names = {0};
    for (size_t i = 0; i < f->entries.count; i++) {
        if ((f->entries.v[i].flag->bits & MU_FLAG_HIDDEN) == 0) {
            MU_VEC_PUSH(&names, f->entries.v[i].full_name);
        }
    }
    const char *nearest = nearest_name(name, names.v, names.count);
    MU_VEC_RELEASE(&names);
    return nearest;
}

__attribute__((format(printf, 2, 3))) static void
complain(struct parse *p, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)mu_buf_printf(p->errors, "%s\n", text);
    p->failed = true;
}

int flags_assign(struct flags *f,
                 const char *full_name,
                 const char *text,
                 struct mu_error *err)
{
    int status = MU_E_NOT_FOUND;
    for (size_t i = 0; i < f->entries.count; i++) {
        const struct entry *e = &f->entries.v[i];
        if (strcmp(e->full_name, full_name) != 0) {
            continue;
        }
        struct mu_flags *values = f->groups.v[e->group].values;
        status = mu_flags_assign(values, e->flag->name, text, err);
        if (status < 0) {
            return status;
        }
    }
    return status == 0 ? 0 : mu_fail(err, status, "no flag '--%s'", full_name);
}

/* Gives the value to every table that declares the name. origin: "--port", "MUSTER_PORT".
 */
static void
give(struct parse *p, const struct entry *first, const char *origin, const char *text)
{
    char *content = NULL;
    struct mu_error err = {0};
    if (strncmp(text, "file:///", 8) == 0) {
        const char *path = text + strlen("file://");
        if (file_read_text(path, VALUE_FILE_MAX, &content, &err) < 0) {
            complain(p, "%s: %s", origin, err.text);
            return;
        }
        text = content;
    }
    if (flags_assign(p->f, first->full_name, text, &err) < 0) {
        complain(p, "%s: %s", origin, err.text);
    }
    free(content);
}

/* Lower case, underscores, without the dashes in front; false if it cannot be a name. */
static bool normalise(const char *arg, size_t len, char *out)
{
    if (len == 0 || len >= NAME_MAX_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)arg[i];
        out[i] = c == '-' ? '_' : (char)tolower(c);
    }
    out[len] = '\0';
    return true;
}

static struct entry *find_or_alias(struct parse *p, const char *name)
{
    struct entry *e = find(p->f, name);
    const struct flags_alias *a = p->f->aliases;
    for (; e == NULL && a != NULL && a->old_name != NULL; a++) {
        if (strcmp(a->old_name, name) != 0) {
            continue;
        }
        e = find(p->f, a->name);
        if (e != NULL) {
            (void)mu_buf_printf(p->warnings, "--%s is an old name of --%s\n", name,
                                a->name);
        }
    }
    return e;
}

/* --no-x and --disable_x. */
static struct entry *find_negated(struct parse *p, const char *name)
{
    size_t skip = 0;
    if (strncmp(name, "no_", 3) == 0) {
        skip = 3;
    } else if (strncmp(name, "disable_", 8) == 0) {
        skip = 8;
    }
    return skip == 0 ? NULL : find_or_alias(p, name + skip);
}

static void unknown(struct parse *p, const char *name)
{
    if (p->in->known_only) {
        return;
    }
    const char *nearest = nearest_flag(p->f, name);
    if (nearest != NULL) {
        complain(p, "unknown flag '--%s'; did you mean '--%s'?", name, nearest);
    } else {
        complain(p, "unknown flag '--%s'; --help lists those there are", name);
    }
}

/* The value of a flag that came without '=': the next argument, if that is one. */
static const char *next_value(const struct parse *p, int *at)
{
    if (*at + 1 < p->in->argc && strncmp(p->in->argv[*at + 1], "--", 2) != 0) {
        (*at)++;
        return p->in->argv[*at];
    }
    return NULL;
}

static void parse_flag(struct parse *p, int *at)
{
    const char *arg = p->in->argv[*at] + 2;
    size_t name_len = strcspn(arg, "=");
    const char *text = arg[name_len] == '=' ? arg + name_len + 1 : NULL;
    char name[NAME_MAX_LEN];
    if (!normalise(arg, name_len, name)) {
        if (!p->in->known_only) {
            complain(p, "'--%.40s' is not a flag", arg);
        }
        return;
    }
    struct entry *e = find_or_alias(p, name);
    bool negated = false;
    if (e == NULL) {
        e = find_negated(p, name);
        negated = e != NULL;
    }
    if (e == NULL) {
        unknown(p, name);
        return;
    }
    bool is_bool = e->flag->type == MU_FLAG_BOOL;
    if (negated && (!is_bool || text != NULL)) {
        complain(p,
                 is_bool ? "--%s takes no value" : "--%s: only booleans can be negated",
                 name);
        return;
    }
    if (text == NULL) {
        text = is_bool ? (negated ? "false" : "true") : next_value(p, at);
    }
    char origin[NAME_MAX_LEN + 2];
    (void)snprintf(origin, sizeof(origin), "--%s", name);
    if (text == NULL) {
        complain(p, "%s needs a value: %s=...", origin, origin);
    } else if (e->given && (e->flag->bits & MU_FLAG_REPEATABLE) == 0) {
        complain(p, "%s is given twice", origin);
    } else {
        e->given = true;
        give(p, e, origin, text);
    }
}

static void parse_arguments(struct parse *p)
{
    for (int i = 0; i < p->in->argc; i++) {
        const char *arg = p->in->argv[i];
        if (strncmp(arg, "--", 2) == 0 && arg[2] != '\0') {
            parse_flag(p, &i);
        } else if (!p->in->known_only && strcmp(arg, "--") != 0) {
            complain(p, "unexpected argument '%.40s'", arg);
        }
    }
}

static const char *environment_value(const struct flags_input *in, const char *full_name)
{
    char key[NAME_MAX_LEN + sizeof(ENV_PREFIX)] = ENV_PREFIX;
    size_t len = strlen(key);
    for (const char *c = full_name; *c != '\0'; c++) {
        key[len++] = (char)toupper((unsigned char)*c);
    }
    key[len++] = '=';
    for (const char *const *e = in->envp; e != NULL && *e != NULL; e++) {
        if (strncmp(*e, key, len) == 0) {
            return *e + len;
        }
    }
    return NULL;
}

static void parse_environment(struct parse *p)
{
    for (size_t i = 0; i < p->f->entries.count; i++) {
        const struct entry *e = &p->f->entries.v[i];
        const char *text = environment_value(p->in, e->full_name);
        if (text == NULL || e->given || !e->is_first_name) {
            continue;
        }
        char origin[NAME_MAX_LEN + sizeof(ENV_PREFIX)] = ENV_PREFIX;
        size_t len = strlen(origin);
        for (const char *c = e->full_name; *c != '\0'; c++) {
            origin[len++] = (char)toupper((unsigned char)*c);
        }
        give(p, e, origin, text);
    }
}

static void ask_for_required(struct parse *p)
{
    for (size_t i = 0; i < p->f->entries.count; i++) {
        const struct entry *e = &p->f->entries.v[i];
        const struct mu_flags *values = p->f->groups.v[e->group].values;
        if ((e->flag->bits & MU_FLAG_REQUIRED) != 0 &&
            mu_flags_text(values, e->flag->name) == NULL) {
            complain(p, "--%s is needed: %s", e->full_name, e->flag->help);
        }
    }
}

int flags_parse(struct flags *f,
                const struct flags_input *input,
                struct mu_buf *errors,
                struct mu_buf *warnings)
{
    struct parse p = {.f = f, .in = input, .errors = errors, .warnings = warnings};
    parse_arguments(&p);
    parse_environment(&p);
    if (!input->known_only) {
        ask_for_required(&p);
    }
    return p.failed ? MU_E_INVALID : 0;
}

/* ---- showing ---- */

/* zk://USER:SECRET@HOST:PORT,.../PATH: whatever a secret is made of, it ends at the last
 * '@' before the path. */
static void hide_zk_secret(struct mu_buf *shown)
{
    char *scheme = shown->data == NULL ? NULL : strstr(shown->data, "zk://");
    if (scheme == NULL) {
        return;
    }
    char *start = scheme + strlen("zk://");
    const char *at = memrchr(start, '@', strcspn(start, "/"));
    if (at != NULL) {
        mu_auto_free char *rest = mu_xstrdup(at);
        shown->len = (size_t)(start - shown->data);
        (void)mu_buf_printf(shown, "***%s", rest);
    }
}

void flags_each(const struct flags *f,
                void (*cb)(void *arg, const char *full_name, const char *value),
                void *arg)
{
    struct mu_buf shown;
    mu_buf_init(&shown, 2 * VALUE_FILE_MAX);
    for (size_t i = 0; i < f->entries.count; i++) {
        const struct entry *e = &f->entries.v[i];
        if (!e->is_first_name) {
            continue;
        }
        const char *text = mu_flags_text(f->groups.v[e->group].values, e->flag->name);
        mu_buf_clear(&shown);
        if (text == NULL) {
            cb(arg, e->full_name, NULL);
        } else if ((e->flag->bits & MU_FLAG_SECRET) != 0) {
            cb(arg, e->full_name, "***");
        } else {
            (void)mu_buf_puts(&shown, text);
            hide_zk_secret(&shown);
            rt_hide_credentials(&shown);
            cb(arg, e->full_name, mu_buf_str(&shown));
        }
    }
    mu_buf_release(&shown);
}

size_t flags_table_count(const struct flags *f)
{
    return f->groups.count;
}

const struct flags_table *flags_table_get(const struct flags *f, size_t index)
{
    MU_PRE(index < f->groups.count);
    return &f->groups.v[index].src;
}

void flags_table_each(const struct flags *f,
                      size_t index,
                      void (*cb)(void *arg, const struct flags_shown *shown),
                      void *arg)
{
    for (size_t i = 0; i < f->entries.count; i++) {
        const struct entry *e = &f->entries.v[i];
        if (e->group == index && e->is_first_name &&
            (e->flag->bits & MU_FLAG_HIDDEN) == 0) {
            const struct flags_shown shown = {e->full_name, e->flag};
            cb(arg, &shown);
        }
    }
}
