/* See flag_values.h and <muster/flag.h>.
 *
 * The executable and libmuster.so each hold a copy of this code, and a plugin reads with
 * the library's copy what the executable's made. They are installed together; the magic
 * number and the size turn a mix of two builds into a plain message instead of a wild
 * read.
 */
#include "base/flag_values.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/parse.h"
#include "base/vec.h"

#define FLAGS_MAGIC 0x464c4753u

struct value {
    const struct mu_flag *flag;
    bool is_set; /* by the user */
    char *text;  /* NULL: unset */
    bool is_true;
    int64_t number;
    uint64_t quantity; /* bytes or ms */
    MU_VEC(char *) items;
};

struct mu_flags {
    uint32_t magic, struct_size;
    size_t count;
    struct value *values;
};

/* Index in the table, or count. */
static size_t find(const struct mu_flags *f, const char *name)
{
    MU_ASSERT(f->magic == FLAGS_MAGIC && f->struct_size == sizeof(struct mu_flags));
    size_t i = 0;
    while (i < f->count && strcmp(f->values[i].flag->name, name) != 0) {
        i++;
    }
    return i;
}

static const struct value *get_any(const struct mu_flags *f, const char *name)
{
    size_t i = find(f, name);
    MU_ASSERT(i < f->count);
    return &f->values[i];
}

static const struct value *get(const struct mu_flags *f, const char *name, uint32_t type)
{
    const struct value *v = get_any(f, name);
    MU_ASSERT(v->flag->type == type);
    return v;
}

const char *mu_flags_string(const struct mu_flags *f, const char *name)
{
    return get(f, name, MU_FLAG_STRING)->text;
}

bool mu_flags_bool(const struct mu_flags *f, const char *name)
{
    return get(f, name, MU_FLAG_BOOL)->is_true;
}

int64_t mu_flags_int(const struct mu_flags *f, const char *name)
{
    return get(f, name, MU_FLAG_INT)->number;
}

uint64_t mu_flags_bytes(const struct mu_flags *f, const char *name)
{
    return get(f, name, MU_FLAG_BYTES)->quantity;
}

uint64_t mu_flags_duration_ms(const struct mu_flags *f, const char *name)
{
    return get(f, name, MU_FLAG_DURATION)->quantity;
}

static bool has_items(const struct mu_flag *flag)
{
    return flag->type == MU_FLAG_LIST || (flag->bits & MU_FLAG_REPEATABLE) != 0;
}

size_t
mu_flags_list(const struct mu_flags *f, const char *name, const char *const **out_items)
{
    const struct value *v = get_any(f, name);
    MU_ASSERT(has_items(v->flag));
    *out_items = (const char *const *)v->items.v;
    return v->items.count;
}

bool mu_flags_is_set(const struct mu_flags *f, const char *name)
{
    return get_any(f, name)->is_set;
}

const char *mu_flags_text(const struct mu_flags *f, const char *name)
{
    return get_any(f, name)->text;
}

static void clear_items(struct value *v)
{
    for (size_t i = 0; i < v->items.count; i++) {
        free(v->items.v[i]);
    }
    MU_VEC_CLEAR(&v->items);
}

static void push_item(struct value *v, const char *text, size_t len)
{
    while (len > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    if (len > 0 || v->flag->type != MU_FLAG_LIST) {
        MU_VEC_PUSH(&v->items, mu_xstrndup(text, len));
    }
}

static void push_items(struct value *v, const char *text)
{
    if (v->flag->type != MU_FLAG_LIST) {
        push_item(v, text, strlen(text));
        return;
    }
    for (const char *p = text;;) {
        size_t len = strcspn(p, ",");
        push_item(v, p, len);
        if (p[len] == '\0') {
            return;
        }
        p += len + 1;
    }
}

static int parse_bool(const char *text, bool *out, struct mu_error *err)
{
    if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 || text[0] == '\0') {
        *out = true;
        return 0;
    }
    if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        *out = false;
        return 0;
    }
    return mu_fail(err, MU_E_INVALID, "'%s' is neither true nor false", text);
}

/* Into v by its type; v is changed on success only. */
static int parse(struct value *v, const char *text, struct mu_error *err)
{
    switch ((enum mu_flag_type)v->flag->type) {
    case MU_FLAG_BOOL:
        return parse_bool(text, &v->is_true, err);
    case MU_FLAG_INT:
        return mu_parse_i64(text, &v->number, err);
    case MU_FLAG_BYTES:
        return mu_bytes_parse(text, &v->quantity, err);
    case MU_FLAG_DURATION:
        return mu_duration_parse(text, &v->quantity, err);
    case MU_FLAG_STRING:
    case MU_FLAG_LIST:
        return 0;
    }
    return mu_fail(err, MU_E_INVALID, "flag type %u is unknown", v->flag->type);
}

static void keep_text(struct value *v, const char *text, bool append)
{
    char *joined = append && v->text != NULL ? mu_xasprintf("%s,%s", v->text, text)
                                             : mu_xstrdup(text);
    free(v->text);
    v->text = joined;
}

static int assign(struct value *v, const char *text, bool by_user, struct mu_error *err)
{
    int status = parse(v, text, err);
    if (status < 0) {
        if ((v->flag->bits & MU_FLAG_SECRET) != 0) {
            return mu_fail(err, status, "its value has not the form that is needed");
        }
        return status;
    }
    bool repeats = (v->flag->bits & MU_FLAG_REPEATABLE) != 0 && v->is_set;
    if (has_items(v->flag)) {
        if (!repeats) {
            clear_items(v);
        }
        push_items(v, text);
    }
    keep_text(v, text, repeats);
    v->is_set = by_user;
    return 0;
}

int mu_flags_assign(struct mu_flags *f,
                    const char *name,
                    const char *text,
                    struct mu_error *err)
{
    size_t i = find(f, name);
    if (i == f->count) {
        return mu_fail(err, MU_E_NOT_FOUND, "no flag '%s'", name);
    }
    return assign(&f->values[i], text, true, err);
}

int mu_flags_create(const struct mu_flag *table,
                    struct mu_flags **out,
                    struct mu_error *err)
{
    size_t count = 0;
    while (table != NULL && table[count].name != NULL) {
        count++;
    }
    struct mu_flags *f = MU_NEW(struct mu_flags);
    f->magic = FLAGS_MAGIC;
    f->struct_size = sizeof(*f);
    f->count = count;
    f->values = mu_xcalloc(count, sizeof(*f->values));
    for (size_t i = 0; i < count; i++) {
        struct value *v = &f->values[i];
        v->flag = &table[i];
        if (table[i].default_text == NULL) {
            continue;
        }
        int status = assign(v, table[i].default_text, false, err);
        if (status < 0) {
            mu_flags_destroy(f);
            return mu_wrap(err, status, "default of flag '%s'", table[i].name);
        }
    }
    *out = f;
    return 0;
}

void mu_flags_destroy(struct mu_flags *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        clear_items(&f->values[i]);
        MU_VEC_RELEASE(&f->values[i].items);
        free(f->values[i].text);
    }
    free(f->values);
    free(f);
}
