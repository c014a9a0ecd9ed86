#include "fields.h"

#include "util.h"

static void release_one(struct dkr_field *field)
{
    free(field->key);
    free(field->text);
}

void dkr_fields_release(struct dkr_fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        release_one(&f->v[i]);
    }
    free(f->v);
    *f = (struct dkr_fields){0};
}

static struct dkr_field *
add(struct dkr_fields *f, enum dkr_field_type type, const char *path, const char *key)
{
    if (f->count == f->cap) {
        f->cap = f->cap == 0 ? 32 : f->cap * 2;
        f->v = dkr_realloc(f->v, f->cap * sizeof(f->v[0]));
    }
    struct dkr_field *field = &f->v[f->count++];
    *field = (struct dkr_field){.type = type, .path = path, .key = dkr_strdup(key)};
    return field;
}

void dkr_fields_string(struct dkr_fields *f,
                       const char *path,
                       const char *key,
                       const char *text)
{
    add(f, DKR_FIELD_STRING, path, key)->text = dkr_strdup(text);
}

void dkr_fields_int(struct dkr_fields *f, const char *path, int64_t number)
{
    add(f, DKR_FIELD_INT, path, NULL)->number = number;
}

void dkr_fields_bool(struct dkr_fields *f, const char *path, bool value)
{
    add(f, DKR_FIELD_BOOL, path, NULL)->number = value ? 1 : 0;
}

void dkr_fields_empty(struct dkr_fields *f, const char *path, const char *key)
{
    (void)add(f, DKR_FIELD_EMPTY_OBJECT, path, key); /* nothing more to say of it */
}

static bool is_at_or_below(const char *path, const char *top)
{
    size_t len = strlen(top);
    return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '.');
}

void dkr_fields_unset(struct dkr_fields *f, const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (is_at_or_below(f->v[i].path, path)) {
            release_one(&f->v[i]);
        } else {
            f->v[kept++] = f->v[i];
        }
    }
    f->count = kept;
}

const struct dkr_field *dkr_fields_find(const struct dkr_fields *f, const char *path)
{
    for (size_t i = f->count; i > 0; i--) {
        if (dkr_equal(f->v[i - 1].path, path)) {
            return &f->v[i - 1];
        }
    }
    return NULL;
}
