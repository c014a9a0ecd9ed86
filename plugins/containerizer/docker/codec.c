/* Fields and filters -> JSON; see codec.h. The answers are in codec_answers.c. */
#include "codec.h"

#include <errno.h>

#include <jansson.h>

#include "util.h"

enum { PATH_DEPTH_MAX = 8, SEGMENT_MAX = 64 };

struct segment {
    char name[SEGMENT_MAX]; /* "+" and "$" as they are; of "*" the key */
    bool is_append, is_last;
};

/* One path in segments; a key may be longer than a segment, so it is kept apart. */
struct path {
    struct segment v[PATH_DEPTH_MAX];
    const char *names[PATH_DEPTH_MAX];
    size_t count;
};

static void split_path(const char *text, const char *key, struct path *out)
{
    out->count = 0;
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ".");
        assert(out->count < PATH_DEPTH_MAX && len > 0 && len < SEGMENT_MAX);
        struct segment *s = &out->v[out->count];
        memcpy(s->name, p, len);
        s->name[len] = '\0';
        s->is_append = dkr_equal(s->name, "+");
        s->is_last = dkr_equal(s->name, "$");
        out->names[out->count] = s->name;
        if (dkr_equal(s->name, "*")) {
            assert(key != NULL);
            out->names[out->count] = key;
        }
        out->count++;
        p += len + (p[len] == '.' ? 1 : 0);
    }
}

static json_t *leaf(const struct dkr_field *field)
{
    switch (field->type) {
    case DKR_FIELD_STRING:
        return json_string(field->text == NULL ? "" : field->text);
    case DKR_FIELD_INT:
        return json_integer(field->number);
    case DKR_FIELD_BOOL:
        return json_boolean(field->number != 0);
    case DKR_FIELD_EMPTY_OBJECT:
        return json_object();
    }
    return NULL;
}

/* The child of parent that segment i names, made when it is missing. Borrowed; NULL: the
 * fields contradict each other, or a key is not UTF-8. */
static json_t *descend(json_t *parent, const struct path *path, size_t i)
{
    const struct segment *s = &path->v[i];
    const struct segment *next = &path->v[i + 1];
    json_t *child = NULL;

    if (s->is_last) {
        size_t size = json_array_size(parent);
        child = size == 0 ? NULL : json_array_get(parent, size - 1);
    } else if (!s->is_append) {
        child = json_object_get(parent, path->names[i]);
    }
    if (child != NULL) {
        return child;
    }
    child = next->is_append || next->is_last ? json_array() : json_object();
    int rc = s->is_append || s->is_last
                 ? json_array_append_new(parent, child)
                 : json_object_set_new(parent, path->names[i], child);
    return rc == 0 ? child : NULL;
}

static int set_leaf(json_t *parent, const struct path *path, json_t *value)
{
    size_t last = path->count - 1;
    if (path->v[last].is_append) {
        return json_array_append_new(parent, value);
    }
    return json_object_set_new(parent, path->names[last], value);
}

static int apply(json_t *root,
                 const struct dkr_field *field,
                 const char *path_text,
                 struct mu_error *err)
{
    struct path path = {.count = 0};
    json_t *parent = root;

    split_path(path_text, field->key, &path);
    json_t *value = leaf(field);
    if (value == NULL) {
        return mu_fail(err, MU_E_INVALID, "the value of '%s' is not UTF-8", path_text);
    }
    for (size_t i = 0; i + 1 < path.count && parent != NULL; i++) {
        parent = descend(parent, &path, i);
    }
    if (parent == NULL) {
        json_decref(value);
        return mu_fail(err, MU_E_INVALID, "a key in '%s' is not UTF-8", path_text);
    }
    if (set_leaf(parent, &path, value) < 0) {
        return mu_fail(err, MU_E_INVALID, "a key in '%s' is not UTF-8", path_text);
    }
    return 0;
}

static int encode(const struct dkr_fields *fields,
                  const char *strip,
                  char **out_json,
                  struct mu_error *err)
{
    json_auto_t *root = json_object();
    for (size_t i = 0; i < fields->count; i++) {
        const char *path = fields->v[i].path;
        if (strip != NULL) {
            assert(dkr_starts_with(path, strip));
            path += strlen(strip);
        }
        int rc = apply(root, &fields->v[i], path, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out_json = json_dumps(root, JSON_COMPACT);
    return *out_json == NULL ? mu_fail(err, -ENOMEM, "out of memory") : 0;
}

int dkr_encode_create(const struct dkr_fields *fields,
                      char **out_json,
                      struct mu_error *err)
{
    return encode(fields, NULL, out_json, err);
}

int dkr_encode_update(const struct dkr_fields *fields,
                      char **out_json,
                      struct mu_error *err)
{
    return encode(fields, "HostConfig.", out_json, err);
}

char *dkr_encode_label_filter(const char *key, const char *value)
{
    json_auto_t *text = json_sprintf("%s=%s", key, value);
    json_auto_t *root = text == NULL ? NULL : json_pack("{s:[O]}", "label", text);
    return root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
}
