/* See json_util.h. */
#include "codec/json_util.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

json_t *mu_jr_load(struct mu_jr *r, const void *data, size_t len, size_t max)
{
    if (len > max) {
        r->status = mu_fail(r->err, -E2BIG,
                            "document of %zu bytes: at most %zu are taken", len, max);
        return NULL;
    }
    json_error_t je;
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
    if (root == NULL) {
        r->status = mu_fail(r->err, MU_E_INVALID, "JSON at line %d column %d: %s",
                            je.line, je.column, je.text);
    } else if (!json_is_object(root)) {
        json_decref(root);
        root = NULL;
        r->status = mu_fail(r->err, MU_E_INVALID, "a JSON object was expected");
    }
    return root;
}

void mu_jr_fail(struct mu_jr *r, const char *member, const char *what)
{
    if (r->status == 0) {
        r->status = mu_fail(r->err, MU_E_INVALID, "member '%s': %s", member, what);
    }
}

static json_t *member(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

const char *mu_jr_string(struct mu_jr *r, const json_t *o, const char *key)
{
    json_t *v = member(o, key);
    if (v == NULL) {
        return NULL;
    }
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)) {
        mu_jr_fail(r, key, "a text was expected");
        return NULL;
    }
    return json_string_value(v);
}

char *mu_jr_strdup(struct mu_jr *r, const json_t *o, const char *key)
{
    const char *s = mu_jr_string(r, o, key);
    return s == NULL ? NULL : mu_xstrdup(s);
}

int64_t mu_jr_int(struct mu_jr *r, const json_t *o, const char *key)
{
    json_t *v = member(o, key);
    if (v == NULL) {
        return 0;
    }
    if (!json_is_integer(v)) {
        mu_jr_fail(r, key, "an integer was expected");
        return 0;
    }
    return json_integer_value(v);
}

uint64_t mu_jr_uint(struct mu_jr *r, const json_t *o, const char *key, uint64_t max)
{
    int64_t v = mu_jr_int(r, o, key);
    if (v < 0 || (uint64_t)v > max) {
        mu_jr_fail(r, key, "a smaller non-negative integer was expected");
        return 0;
    }
    return (uint64_t)v;
}

bool mu_jr_bool(struct mu_jr *r, const json_t *o, const char *key)
{
    json_t *v = member(o, key);
    if (v != NULL && !json_is_boolean(v)) {
        mu_jr_fail(r, key, "true or false was expected");
    }
    return json_is_true(v);
}

json_t *mu_jr_array(struct mu_jr *r, const json_t *o, const char *key)
{
    json_t *v = member(o, key);
    if (v != NULL && !json_is_array(v)) {
        mu_jr_fail(r, key, "a list was expected");
        return NULL;
    }
    return v;
}

json_t *mu_jr_object(struct mu_jr *r, const json_t *o, const char *key)
{
    json_t *v = member(o, key);
    if (v != NULL && !json_is_object(v)) {
        mu_jr_fail(r, key, "an object was expected");
        return NULL;
    }
    return v;
}

void mu_jr_text(struct mu_jr *r, const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = mu_jr_string(r, o, key);
    size_t len = s == NULL ? 0 : strlen(s);
    if (len >= size) {
        mu_jr_fail(r, key, "the text is too long");
        len = 0;
    }
    if (len > 0) {
        memcpy(out, s, len);
    }
    out[len] = '\0';
}

void mu_jw_opt_string(struct mu_jw *w, const char *key, const char *s)
{
    if (s != NULL && s[0] != '\0') {
        mu_jw_kv_string(w, key, s);
    }
}

void mu_jw_opt_text(struct mu_jw *w, const char *key, const char *s)
{
    if (s != NULL) {
        mu_jw_kv_string(w, key, s);
    }
}

void mu_jw_opt_uint(struct mu_jw *w, const char *key, uint64_t v)
{
    if (v != 0) {
        mu_jw_key(w, key);
        mu_jw_uint(w, v);
    }
}

void mu_jw_opt_int(struct mu_jw *w, const char *key, int64_t v)
{
    if (v != 0) {
        mu_jw_kv_int(w, key, v);
    }
}

void mu_jw_opt_true(struct mu_jw *w, const char *key, bool v)
{
    if (v) {
        mu_jw_kv_bool(w, key, true);
    }
}

void mu_pairs_encode(struct mu_jw *w, const struct mu_pairs *p)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < p->count; i++) {
        mu_jw_array_begin(w);
        mu_jw_string(w, p->v[i].key);
        mu_jw_string(w, p->v[i].value);
        mu_jw_array_end(w);
    }
    mu_jw_array_end(w);
}

void mu_pairs_decode(struct mu_jr *r,
                     const json_t *o,
                     const char *key,
                     struct mu_pairs *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, key), i, e) {
        const char *k = json_string_value(json_array_get(e, 0));
        const char *v = json_string_value(json_array_get(e, 1));
        if (k == NULL || v == NULL) {
            mu_jr_fail(r, key, "a list of [key, value] texts was expected");
            return;
        }
        mu_pairs_add(out, k, v);
    }
}

void mu_strings_encode(struct mu_jw *w, const struct mu_strings *s)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < s->count; i++) {
        mu_jw_string(w, s->v[i]);
    }
    mu_jw_array_end(w);
}

void mu_strings_decode(struct mu_jr *r,
                       const json_t *o,
                       const char *key,
                       struct mu_strings *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, key), i, e) {
        if (!json_is_string(e)) {
            mu_jr_fail(r, key, "a list of texts was expected");
            return;
        }
        mu_strings_add(out, json_string_value(e));
    }
}

void mu_uris_encode(struct mu_jw *w, const struct mu_uris *u)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < u->count; i++) {
        const struct mu_uri *x = &u->v[i];
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "uri", x->uri);
        mu_jw_opt_text(w, "out", x->output_file);
        mu_jw_opt_true(w, "extract", x->extract);
        mu_jw_opt_true(w, "exec", x->executable);
        mu_jw_opt_true(w, "cache", x->cache);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

void mu_uris_decode(struct mu_jr *r,
                    const json_t *o,
                    const char *key,
                    struct mu_uris *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, key), i, e) {
        const char *uri = mu_jr_string(r, e, "uri");
        if (uri == NULL) {
            mu_jr_fail(r, key, "an entry has no uri");
            return;
        }
        struct mu_uri *x = mu_uris_add(out, uri);
        x->output_file = mu_jr_strdup(r, e, "out");
        x->extract = mu_jr_bool(r, e, "extract");
        x->executable = mu_jr_bool(r, e, "exec");
        x->cache = mu_jr_bool(r, e, "cache");
    }
}

void mu_volumes_encode(struct mu_jw *w, const struct mu_volumes *v)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < v->count; i++) {
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "path", v->v[i].container_path);
        mu_jw_opt_text(w, "host", v->v[i].host_path);
        mu_jw_opt_true(w, "ro", v->v[i].read_only);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

void mu_volumes_decode(struct mu_jr *r,
                       const json_t *o,
                       const char *key,
                       struct mu_volumes *out)
{
    json_t *list = mu_jr_array(r, o, key);
    size_t n = json_array_size(list);
    if (n == 0) {
        return;
    }
    out->v = mu_xcalloc(n, sizeof(*out->v));
    out->cap = n;
    for (size_t i = 0; i < n; i++) {
        json_t *e = json_array_get(list, i);
        const char *path = mu_jr_string(r, e, "path");
        if (path == NULL) {
            mu_jr_fail(r, key, "an entry has no path");
            return;
        }
        out->v[out->count++] = (struct mu_volume){
            .container_path = mu_xstrdup(path),
            .host_path = mu_jr_strdup(r, e, "host"),
            .read_only = mu_jr_bool(r, e, "ro"),
        };
    }
}

static void resource_encode(struct mu_jw *w, const struct mu_resource *x)
{
    mu_jw_array_begin(w);
    mu_jw_string(w, x->name);
    mu_jw_string(w, x->role);
    if (x->type == MU_VALUE_SCALAR) {
        mu_jw_int(w, x->scalar_milli);
    } else {
        mu_jw_array_begin(w);
        for (size_t i = 0; i < x->range_count; i++) {
            mu_jw_array_begin(w);
            mu_jw_uint(w, x->ranges[i].begin);
            mu_jw_uint(w, x->ranges[i].end);
            mu_jw_array_end(w);
        }
        for (size_t i = 0; i < x->item_count; i++) {
            mu_jw_string(w, x->items[i]);
        }
        mu_jw_array_end(w);
    }
    mu_jw_array_end(w);
}

void mu_resources_encode(struct mu_jw *w, const struct mu_resources *res)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < res->count; i++) {
        resource_encode(w, &res->v[i]);
    }
    mu_jw_array_end(w);
}

static int resource_part_decode(const char *name,
                                const char *role,
                                const json_t *e,
                                struct mu_resources *out,
                                struct mu_error *err)
{
    if (json_is_string(e)) {
        return mu_resources_add_item(out, name, role, json_string_value(e), err);
    }
    const json_t *b = json_array_get(e, 0);
    const json_t *end = json_array_get(e, 1);
    if (!json_is_integer(b) || !json_is_integer(end) || json_integer_value(b) < 0 ||
        json_integer_value(end) < 0) {
        return mu_fail(err, MU_E_INVALID, "a range of two integers was expected");
    }
    return mu_resources_add_range(out, name, role, (uint64_t)json_integer_value(b),
                                  (uint64_t)json_integer_value(end), err);
}

static int
resource_decode(const json_t *e, struct mu_resources *out, struct mu_error *err)
{
    const char *name = json_string_value(json_array_get(e, 0));
    const char *role = json_string_value(json_array_get(e, 1));
    const json_t *v = json_array_get(e, 2);
    if (name == NULL || role == NULL) {
        return mu_fail(err, MU_E_INVALID, "a resource needs a name and a role");
    }
    if (json_is_integer(v)) {
        return mu_resources_add_scalar(out, name, role, json_integer_value(v), err);
    }
    if (!json_is_array(v)) {
        return mu_fail(err, MU_E_INVALID, "resource '%s' has no value", name);
    }
    size_t i;
    json_t *part;
    json_array_foreach (v, i, part) {
        int rc = resource_part_decode(name, role, part, out, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

void mu_resources_decode(struct mu_jr *r,
                         const json_t *o,
                         const char *key,
                         struct mu_resources *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (mu_jr_array(r, o, key), i, e) {
        struct mu_error why;
        if (resource_decode(e, out, &why) < 0) {
            mu_jr_fail(r, key, why.text);
            return;
        }
    }
}
