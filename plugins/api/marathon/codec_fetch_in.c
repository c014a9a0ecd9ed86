/* `fetch` and its old form `uris`: what is put into the sandbox before the task starts.
 */
#include "codec_app_parts.h"

#include <stdlib.h>
#include <string.h>

/* An archive by its name: what `uris` unpacks, as Marathon decided it. */
static bool is_archive(const char *uri)
{
    static const char *const ends[] = {".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".gz",
                                       ".tgz", ".tbz2",   ".txz",     ".zip"};
    size_t n = strcspn(uri, "?#");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strncmp(uri + n - m, ends[i], m) == 0) {
            return true;
        }
    }
    return false;
}

static void
uris_from_list(const struct mrt_at *at, const json_t *list, struct mu_uris *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(at, "uris", i, path);
        if (!json_is_string(e)) {
            mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
        } else if (json_string_length(e) == 0 ||
                   strpbrk(json_string_value(e), " \t\r\n") != NULL) {
            mrt_problem_add(at->problems, MRT_MODEL, path, "URI has invalid syntax.");
        } else {
            mu_uris_add(out, json_string_value(e))->extract =
                is_archive(json_string_value(e));
        }
    }
}

static bool leaves_sandbox(const char *path)
{
    bool leaves = path[0] == '/' || path[0] == '\0';
    for (const char *p = path; *p != '\0' && !leaves;) {
        size_t len = strcspn(p, "/");
        leaves = len == 2 && p[0] == '.' && p[1] == '.';
        p += len + (p[len] == '/' ? 1 : 0);
    }
    return leaves;
}

static void
fetch_from_list(const struct mrt_at *at, const json_t *list, struct mu_uris *out)
{
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        char here[MRT_PATH_MAX], path[MRT_PATH_MAX];
        mrt_path_index(at, "fetch", i, here);
        const struct mrt_at in = {at->problems, here};
        char *uri = NULL;
        if (!json_is_object(e)) {
            mrt_problem_add(at->problems, MRT_SHAPE, here, "error.expected.jsobject");
            continue;
        }
        mrt_path(&in, "uri", path);
        if (!mrt_read_text(&in, e, "uri", &uri)) {
            if (mrt_get(e, "uri") == NULL) {
                mrt_problem_add(at->problems, MRT_SHAPE, path, "error.path.missing");
            }
            continue;
        }
        if (uri[0] == '\0' || strpbrk(uri, " \t\r\n") != NULL) {
            mrt_problem_add(at->problems, MRT_MODEL, path, "URI has invalid syntax.");
        }
        struct mu_uri *u = mu_uris_add(out, uri);
        free(uri);
        u->extract = true;
        (void)mrt_read_bool(&in, e, "extract", &u->extract);
        (void)mrt_read_bool(&in, e, "executable", &u->executable);
        (void)mrt_read_bool(&in, e, "cache", &u->cache);
        (void)mrt_read_text(&in, e, "destPath", &u->output_file);
        if (u->output_file != NULL && leaves_sandbox(u->output_file)) {
            mrt_refuse(&in, "destPath",
                       "must be a relative path that stays in the sandbox");
        }
    }
}

static bool same_uris(const struct mu_uris *a, const struct mu_uris *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->v[i].uri, b->v[i].uri) == 0;
    }
    return same;
}

/* `fetch` and its old form `uris`. With both, the one that differs from what is stored
 * wins, so that a body that was read back can be sent again. */
void mrt_fetch_decode(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *list = mrt_read_array(at, body, "fetch");
    json_t *old = mrt_read_array(at, body, "uris");
    struct mu_uris fetch = {0}, uris = {0};
    fetch_from_list(at, list, &fetch);
    uris_from_list(at, old, &uris);
    bool use_uris = old != NULL &&
                    (list == NULL || (fetch.count == 0 && app->fetch.count == 0) ||
                     (mu_uris_equal(&fetch, &app->fetch) && !same_uris(&uris, &fetch)));
    if (list != NULL && old != NULL && !use_uris && !same_uris(&uris, &fetch) &&
        !same_uris(&uris, &app->fetch) && uris.count > 0) {
        mrt_refuse(at, "uris", "may not be set in conjunction with fetch");
    }
    if (use_uris && !same_uris(&uris, &app->fetch)) {
        mu_uris_copy(&app->fetch, &uris);
    } else if (!use_uris && list != NULL) {
        mu_uris_copy(&app->fetch, &fetch);
    }
    mu_uris_release(&fetch);
    mu_uris_release(&uris);
}
