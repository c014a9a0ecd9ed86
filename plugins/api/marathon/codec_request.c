/* See codec_request.h. */
#include "codec_request.h"

#include "alloc.h"
#include "app_id.h"
#include "codec_app_in.h"
#include "codec_body.h"

struct mrt_body *mrt_body_parse(const char *text, size_t len, struct mu_error *err)
{
    json_error_t je;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (root == NULL) {
        (void)mu_fail(err, MU_E_INVALID, "%s (line %d, column %d)", je.text, je.line,
                      je.column);
        return NULL;
    }
    struct mrt_body *b = MRT_NEW(struct mrt_body);
    b->root = root;
    return b;
}

void mrt_body_free(struct mrt_body *b)
{
    if (b != NULL) {
        json_decref(b->root);
        free(b);
    }
}

bool mrt_body_is_list(const struct mrt_body *b)
{
    return json_is_array(b->root);
}

size_t mrt_body_count(const struct mrt_body *b)
{
    return json_is_array(b->root) ? json_array_size(b->root) : 1;
}

static const json_t *element(const struct mrt_body *b, size_t index)
{
    return index == MRT_WHOLE ? b->root : json_array_get(b->root, index);
}

struct mu_app *mrt_request_app(const struct mrt_body *b,
                               size_t index,
                               const struct mrt_app_source *source,
                               struct mrt_problems *problems)
{
    char path[MRT_PATH_MAX] = "";
    const struct mrt_at top = {problems, ""};
    if (index != MRT_WHOLE) {
        mrt_path_index(&top, "", index, path);
    }
    /* "/(3)/cpus" is how Marathon names a member of the third in a list */
    const struct mrt_at at = {problems, path};
    return mrt_app_decode(&at, element(b, index), source);
}

bool mrt_request_id(const struct mrt_body *b, size_t index, char *out)
{
    const char *id = json_string_value(json_object_get(element(b, index), "id"));
    return id != NULL && mrt_app_id_normalise(id, NULL, out, MU_APP_ID_MAX) == 0;
}

enum mrt_version_use
mrt_request_version(const struct mrt_body *b, size_t index, const char **out_text)
{
    const json_t *o = element(b, index);
    *out_text = json_string_value(json_object_get(o, "version"));
    if (*out_text == NULL) {
        return MRT_VERSION_NONE;
    }
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)o, key, v) {
        if (!json_is_null(v) && strcmp(key, "id") != 0 && strcmp(key, "version") != 0) {
            return MRT_VERSION_BESIDE;
        }
    }
    return MRT_VERSION_ALONE;
}

static bool is_object(const struct mrt_at *at, const json_t *o)
{
    if (!json_is_object(o)) {
        mrt_problem_add(at->problems, MRT_SHAPE, at->path, "error.expected.jsobject");
        return false;
    }
    return true;
}

bool mrt_request_ids(const struct mrt_body *b,
                     struct mu_strings *out,
                     struct mrt_problems *problems)
{
    const struct mrt_at at = {problems, ""};
    if (!is_object(&at, b->root)) {
        return false;
    }
    if (!mrt_read_strings(&at, b->root, "ids", out) && mrt_get(b->root, "ids") == NULL) {
        mrt_problem_add(problems, MRT_SHAPE, "/ids", "error.path.missing");
    }
    return !mrt_problems_any(problems);
}

bool mrt_request_instances(const struct mrt_body *b,
                           int64_t *out,
                           struct mrt_problems *problems)
{
    const struct mrt_at at = {problems, ""};
    if (!is_object(&at, b->root)) {
        return false;
    }
    if (!mrt_read_int(&at, b->root, "instances", 0, MRT_INSTANCES_MAX, out) &&
        mrt_get(b->root, "instances") == NULL) {
        mrt_problem_add(problems, MRT_SHAPE, "/instances", "error.path.missing");
    }
    return !mrt_problems_any(problems);
}
