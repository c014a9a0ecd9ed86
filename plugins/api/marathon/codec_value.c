/* See codec_value.h. */
#include "codec_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <muster/json_writer.h>
#include <muster/resources.h>

json_t *mrt_get(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

void mrt_path(const struct mrt_at *at, const char *key, char *out)
{
    (void)snprintf(out, MRT_PATH_MAX, "%s/%s", at->path, key);
}

void mrt_path_index(const struct mrt_at *at, const char *key, size_t index, char *out)
{
    (void)snprintf(out, MRT_PATH_MAX, "%s/%s(%zu)", at->path, key, index);
}

static void wrong_type(const struct mrt_at *at, const char *key, const char *code)
{
    char path[MRT_PATH_MAX];
    mrt_path(at, key, path);
    mrt_problem_add(at->problems, MRT_SHAPE, path, "%s", code);
}

bool mrt_read_text(const struct mrt_at *at, const json_t *o, const char *key, char **slot)
{
    json_t *v = mrt_get(o, key);
    if (v == NULL) {
        return false;
    }
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)) {
        wrong_type(at, key, "error.expected.jsstring");
        return false;
    }
    mu_text_set(slot, json_string_value(v));
    return true;
}

bool mrt_read_bool(const struct mrt_at *at, const json_t *o, const char *key, bool *out)
{
    json_t *v = mrt_get(o, key);
    if (v == NULL) {
        return false;
    }
    if (json_is_string(v) && (strcasecmp(json_string_value(v), "true") == 0 ||
                              strcasecmp(json_string_value(v), "false") == 0)) {
        *out = strcasecmp(json_string_value(v), "true") == 0;
        return true;
    }
    if (!json_is_boolean(v)) {
        wrong_type(at, key, "error.expected.jsboolean");
        return false;
    }
    *out = json_is_true(v);
    return true;
}

void mrt_double_text(double v, char *out)
{
    struct mu_buf b;
    struct mu_jw w;
    mu_buf_init(&b, MRT_DOUBLE_TEXT - 1);
    mu_jw_init(&w, &b);
    mu_jw_double(&w, v);
    (void)snprintf(out, MRT_DOUBLE_TEXT, "%s%s", mu_buf_str(&b),
                   strpbrk(mu_buf_str(&b), ".en") == NULL ? ".0" : "");
    mu_buf_release(&b);
}

/* A number or a text that is one, in thousandths; false with a problem otherwise. */
static bool
number_milli(const struct mrt_at *at, const char *key, const json_t *v, int64_t *out)
{
    int rc = -1;
    if (json_is_string(v) && json_string_length(v) > 0) {
        rc = mu_milli_parse(json_string_value(v), out, NULL);
    } else if (json_is_integer(v)) {
        rc = __builtin_mul_overflow((int64_t)json_integer_value(v), (int64_t)1000, out)
                 ? -1
                 : 0;
    } else if (json_is_real(v)) {
        rc = mu_milli_from_double(json_real_value(v), out, NULL);
    } else {
        wrong_type(at, key, "error.expected.jsnumber");
        return false;
    }
    if (rc < 0 && json_is_number(v)) {
        char path[MRT_PATH_MAX];
        mrt_path(at, key, path);
        mrt_problem_add(at->problems, MRT_MODEL, path, "the number is too large");
    } else if (rc < 0) {
        wrong_type(at, key, "error.expected.jsnumber");
    }
    return rc >= 0;
}

bool mrt_read_milli(const struct mrt_at *at,
                    const json_t *o,
                    const char *key,
                    int64_t *out_milli)
{
    json_t *v = mrt_get(o, key);
    return v != NULL && number_milli(at, key, v, out_milli);
}

bool mrt_read_double(const struct mrt_at *at,
                     const json_t *o,
                     const char *key,
                     double *out)
{
    json_t *v = mrt_get(o, key);
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    int64_t milli;
    if (v == NULL || !number_milli(at, key, v, &milli)) {
        return false;
    }
    *out = (double)milli / 1000.0;
    return true;
}

bool mrt_int_in_range(
    const struct mrt_at *at, const char *path, int64_t n, int64_t min, int64_t max)
{
    if (n < min) {
        mrt_problem_add(at->problems, MRT_MODEL, path, "got %lld, expected %lld or more",
                        (long long)n, (long long)min);
    } else if (n > max) {
        mrt_problem_add(at->problems, MRT_MODEL, path, "got %lld, expected %lld or less",
                        (long long)n, (long long)max);
    }
    return n >= min && n <= max;
}

/* A whole number or a text that is one. */
static bool
number_int(const struct mrt_at *at, const char *key, const json_t *v, int64_t *out)
{
    int64_t milli;
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (!number_milli(at, key, v, &milli)) {
        return false;
    }
    bool whole = json_is_real(v) ? json_real_value(v) == rint(json_real_value(v))
                                 : milli % 1000 == 0;
    if (!whole) {
        wrong_type(at, key, "error.expected.int");
        return false;
    }
    *out = milli / 1000;
    return true;
}

bool mrt_read_element_int(const struct mrt_at *at,
                          const json_t *v,
                          const char *key,
                          int64_t min,
                          int64_t max,
                          int64_t *out)
{
    int64_t n;
    char path[MRT_PATH_MAX];
    if (!number_int(at, key, v, &n)) {
        return false;
    }
    mrt_path(at, key, path);
    if (!mrt_int_in_range(at, path, n, min, max)) {
        return false;
    }
    *out = n;
    return true;
}

bool mrt_read_int(const struct mrt_at *at,
                  const json_t *o,
                  const char *key,
                  int64_t min,
                  int64_t max,
                  int64_t *out)
{
    json_t *v = mrt_get(o, key);
    return v != NULL && mrt_read_element_int(at, v, key, min, max, out);
}

json_t *mrt_read_array(const struct mrt_at *at, const json_t *o, const char *key)
{
    json_t *v = mrt_get(o, key);
    if (v != NULL && !json_is_array(v)) {
        wrong_type(at, key, "error.expected.jsarray");
        return NULL;
    }
    return v;
}

json_t *mrt_read_object(const struct mrt_at *at, const json_t *o, const char *key)
{
    json_t *v = mrt_get(o, key);
    if (v != NULL && !json_is_object(v)) {
        wrong_type(at, key, "error.expected.jsobject");
        return NULL;
    }
    return v;
}

bool mrt_read_strings(const struct mrt_at *at,
                      const json_t *o,
                      const char *key,
                      struct mu_strings *out)
{
    json_t *list = mrt_read_array(at, o, key);
    if (list == NULL) {
        return false;
    }
    mu_strings_release(out);
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        if (json_is_string(e)) {
            mu_strings_add(out, json_string_value(e));
            continue;
        }
        char path[MRT_PATH_MAX];
        mrt_path_index(at, key, i, path);
        mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
    }
    return true;
}

/* Values are texts; whole numbers and booleans are taken too, as Jackson did in 2014.
 * Only `env` ever held references to secrets. */
static void pair_add(const struct mrt_at *at,
                     const char *path,
                     const char *key,
                     const json_t *v,
                     struct mu_pairs *out)
{
    char number[32];
    if (json_is_string(v)) {
        mu_pairs_add(out, key, json_string_value(v));
    } else if (json_is_integer(v)) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
        mu_pairs_add(out, key, number);
    } else if (json_is_boolean(v)) {
        mu_pairs_add(out, key, json_is_true(v) ? "true" : "false");
    } else if (json_object_get(v, "secret") != NULL) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "use of secret-references in the environment requires the "
                        "secrets feature to be enabled");
    } else if (!json_is_null(v)) {
        mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
    }
}

bool mrt_read_pairs(const struct mrt_at *at,
                    const json_t *o,
                    const char *key,
                    struct mu_pairs *out)
{
    json_t *map = mrt_read_object(at, o, key);
    if (map == NULL) {
        return false;
    }
    mu_pairs_release(out);
    const char *k;
    json_t *v;
    json_object_foreach (map, k, v) {
        char path[MRT_PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s/%s", at->path, key, k);
        pair_add(at, path, k, v, out);
    }
    return true;
}

int mrt_read_enum(const struct mrt_at *at,
                  const json_t *o,
                  const char *key,
                  const char *const *names)
{
    json_t *v = mrt_get(o, key);
    if (v == NULL) {
        return -2;
    }
    for (int i = 0; json_is_string(v) && names[i] != NULL; i++) {
        if (strcasecmp(json_string_value(v), names[i]) == 0) {
            return i;
        }
    }
    wrong_type(at, key,
               json_is_string(v) ? "error.unknown.enum.literal"
                                 : "error.expected.jsstring");
    return -1;
}
