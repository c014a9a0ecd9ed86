/* See codec_group_in.h. Nested ids are relative to the group around them. A group's own
 * dependencies become those of every app in it, which is what they mean. */
#include "codec_group_in.h"

#include <stdio.h>

#include "alloc.h"
#include "app_id.h"
#include "codec_app_in.h"
#include "codec_app_parts.h"
#include "codec_body.h"

struct reader {
    struct mrt_group *out;
    const char *role;
};

static struct mrt_group_node *add_node(struct mrt_group *g, const char *path)
{
    g->nodes = mrt_grown(g->nodes, g->node_count, &g->node_cap, sizeof(*g->nodes));
    struct mrt_group_node *n = &g->nodes[g->node_count++];
    *n = (struct mrt_group_node){0};
    mu_text_set(&n->path, path);
    return n;
}

static void add_app(struct mrt_group *g, struct mu_app *app)
{
    g->apps = mrt_grown(g->apps, g->app_count, &g->app_cap, sizeof(void *));
    g->apps[g->app_count++] = app;
}

static void read_dependencies(const struct mrt_at *at,
                              const json_t *body,
                              const char *path,
                              const struct mu_strings *outer,
                              struct mu_strings *out)
{
    struct mu_strings own = {0};
    mu_strings_copy(out, outer);
    (void)mrt_read_strings(at, body, "dependencies", &own);
    for (size_t i = 0; i < own.count; i++) {
        char parent[MU_APP_ID_MAX + 4], id[MU_APP_ID_MAX];
        size_t len = strlen(path);
        memcpy(parent, path, len);
        memcpy(parent + len, "/..", 4);
        if (mrt_app_id_normalise(own.v[i], parent, id, sizeof(id)) == 0) {
            mu_strings_add(out, id);
        } else {
            mrt_refuse(at, "dependencies", "an id is too long");
        }
    }
    mu_strings_release(&own);
}

static void read_apps(const struct reader *r,
                      const struct mrt_at *at,
                      const json_t *list,
                      const char *path,
                      const struct mu_strings *dependencies)
{
    const struct mrt_app_source source = {.group = path, .scheduler_role = r->role};
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        char here[MRT_PATH_MAX];
        mrt_path_index(at, "apps", i, here);
        const struct mrt_at in = {at->problems, here};
        struct mu_app *app = mrt_app_decode(&in, e, &source);
        for (size_t k = 0; k < dependencies->count; k++) {
            mu_strings_add(&app->dependencies, dependencies->v[k]);
        }
        add_app(r->out, app);
    }
}

static void read_node(const struct reader *r,
                      const struct mrt_at *at,
                      const json_t *body,
                      const char *path,
                      const struct mu_strings *outer);

static void read_groups(const struct reader *r,
                        const struct mrt_at *at,
                        const json_t *list,
                        const char *path,
                        const struct mu_strings *dependencies)
{
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        char here[MRT_PATH_MAX], path_of_id[MRT_PATH_MAX], id[MU_APP_ID_MAX];
        mrt_path_index(at, "groups", i, here);
        const struct mrt_at in = {at->problems, here};
        const char *text = json_string_value(json_object_get(e, "id"));
        size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);
        mrt_path(&in, "id", path_of_id);
        if (text == NULL) {
            mrt_problem_add(at->problems, MRT_SHAPE, path_of_id, "error.path.missing");
        } else if (mrt_app_id_normalise(text, path, id, sizeof(id)) < 0) {
            mrt_refuse(&in, "id", "must not be longer than 511 characters");
        } else if (strncmp(id, path, len) != 0 || id[len] != '/' || id[len + 1] == '\0') {
            mrt_problem_add(at->problems, MRT_MODEL, path_of_id,
                            "Identifier is not child of '%s'.", path);
        } else {
            read_node(r, &in, e, id, dependencies);
        }
    }
}

/* path is a good id or "/": as deep as an id can be, so the recursion is bounded. */
static void read_node(const struct reader *r,
                      const struct mrt_at *at,
                      const json_t *body,
                      const char *path,
                      const struct mu_strings *outer)
{
    const json_t *apps = mrt_read_array(at, body, "apps");
    const json_t *groups = mrt_read_array(at, body, "groups");
    bool enforce_role = false;
    struct mu_strings dependencies = {0};
    if (strcmp(path, "/") != 0) {
        char here[MRT_PATH_MAX];
        mrt_path(at, "id", here);
        mrt_app_id_check(path, here, at->problems);
    }
    struct mrt_group_node *n = add_node(r->out, path);
    n->has_apps = apps != NULL;
    n->has_groups = groups != NULL;
    if (json_array_size(mrt_read_array(at, body, "pods")) > 0) {
        mrt_refuse(at, "pods", "pods are not supported by this version");
    }
    if (mrt_read_bool(at, body, "enforceRole", &enforce_role) && enforce_role) {
        mrt_refuse(at, "enforceRole", "enforceRole is not supported by this version");
    }
    read_dependencies(at, body, path, outer, &dependencies);
    read_apps(r, at, apps, path, &dependencies);
    read_groups(r, at, groups, path, &dependencies);
    mu_strings_release(&dependencies);
}

/* A member that must stand alone (beside the id). */
static bool stands_alone(const struct mrt_at *at, const json_t *body, const char *key)
{
    const char *k;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)body, k, v) {
        if (!json_is_null(v) && strcmp(k, key) != 0 && strcmp(k, "id") != 0) {
            mrt_refuse(at, key, "not allowed in conjunction with other properties.");
            return false;
        }
    }
    return true;
}

/* {"scaleBy": f} and {"version": T}. True if it is one of them. */
static bool
read_special(const struct mrt_at *at, const json_t *body, struct mrt_group *out)
{
    if (mrt_read_double(at, body, "scaleBy", &out->factor)) {
        out->scale_by = stands_alone(at, body, "scaleBy");
        if (!(out->factor >= 0.0 && out->factor <= MRT_INSTANCES_MAX)) {
            mrt_refuse(at, "scaleBy", "must be a factor between 0 and 1000000");
        }
        return true;
    }
    /* a group that was read back carries the version it had: not a request to go back */
    bool structural = mrt_get(body, "apps") != NULL || mrt_get(body, "groups") != NULL;
    if (mrt_get(body, "version") != NULL && !structural) {
        out->roll_back = mrt_read_text(at, body, "version", &out->version) &&
                         stands_alone(at, body, "version");
        return true;
    }
    return false;
}

/* Which group is meant: a new one below the URL's, or the URL's own. */
static bool decode_path(const struct mrt_at *at,
                        const json_t *body,
                        const struct mrt_group_source *source,
                        char *out)
{
    const json_t *v = mrt_get(body, "id");
    const char *text = json_string_value(v);
    char parent[MU_APP_ID_MAX + 4];
    if (v != NULL && text == NULL) {
        mrt_problem_add(at->problems, MRT_SHAPE, "/id", "error.expected.jsstring");
        return false;
    }
    if (text == NULL && source->create && strcmp(source->path, "/") == 0) {
        mrt_problem_add(at->problems, MRT_SHAPE, "/id", "error.path.missing");
        return false;
    }
    (void)snprintf(parent, sizeof(parent), source->create ? "%s" : "%s/..", source->path);
    text = text == NULL ? source->path : text;
    if (mrt_app_id_normalise(text, parent, out, MU_APP_ID_MAX) < 0) {
        mrt_refuse(at, "id", "must not be longer than 511 characters");
        return false;
    }
    if (!source->create && strcmp(out, source->path) != 0) {
        /* relative to the root is how some clients repeat the URL's id */
        if (mrt_app_id_normalise(text, NULL, out, MU_APP_ID_MAX) < 0 ||
            strcmp(out, source->path) != 0) {
            mrt_problem_add(at->problems, MRT_MODEL, "/id",
                            "The id '%s' of the group is not '%s', which the URL names",
                            out, source->path);
            return false;
        }
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const struct mu_app *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

/* Sorted, so that each is found quickly; one id may come once. */
static void sort_apps(struct mrt_group *g, struct mrt_problems *problems)
{
    if (g->app_count > 0) {
        qsort(g->apps, g->app_count, sizeof(void *), compare_ids);
    }
    for (size_t i = 1; i < g->app_count; i++) {
        if (compare_ids(&g->apps[i - 1], &g->apps[i]) == 0) {
            mrt_problem_add(problems, MRT_MODEL, "/apps",
                            "An app with the id [%s] is given twice.", g->apps[i]->id);
        }
    }
}

bool mrt_group_decode(const struct mrt_body *b,
                      const struct mrt_group_source *source,
                      struct mrt_group *out,
                      struct mrt_problems *problems)
{
    const struct mrt_at at = {problems, ""};
    const struct reader r = {out, source->scheduler_role};
    const struct mu_strings none = {0};
    char own[MU_APP_ID_MAX];
    *out = (struct mrt_group){0};
    if (!json_is_object(b->root)) {
        mrt_problem_add(problems, MRT_SHAPE, "/", "error.expected.jsobject");
    } else if (decode_path(&at, b->root, source, own)) {
        mu_text_set(&out->path, own);
        if (!read_special(&at, b->root, out)) {
            read_node(&r, &at, b->root, own, &none);
        }
    }
    if (!mrt_problems_any(problems)) {
        sort_apps(out, problems);
    }
    return !mrt_problems_any(problems);
}

static const struct mrt_group_node *
find_node(const struct mrt_group *g, const char *path, size_t len)
{
    for (size_t i = 0; i < g->node_count; i++) {
        if (strlen(g->nodes[i].path) == len && memcmp(g->nodes[i].path, path, len) == 0) {
            return &g->nodes[i];
        }
    }
    return NULL;
}

static int compare_id_to_app(const void *id, const void *app)
{
    const struct mu_app *const *a = app;
    return strcmp(id, (*a)->id);
}

static bool is_given(const struct mrt_group *g, const char *app_id)
{
    return g->app_count > 0 && bsearch(app_id, g->apps, g->app_count, sizeof(void *),
                                       compare_id_to_app) != NULL;
}

bool mrt_group_drops(const struct mrt_group *g, const char *app_id)
{
    size_t len = strcmp(g->path, "/") == 0 ? 0 : strlen(g->path);
    if (strncmp(app_id, g->path, len) != 0 || app_id[len] != '/' || is_given(g, app_id)) {
        return false;
    }
    const struct mrt_group_node *n = find_node(g, g->path, strlen(g->path));
    while (n != NULL) {
        const char *next = strchr(app_id + len + 1, '/');
        if (next == NULL) {
            return n->has_apps;
        }
        size_t inner = (size_t)(next - app_id);
        const struct mrt_group_node *named = find_node(g, app_id, inner);
        if (named == NULL) {
            return n->has_groups;
        }
        n = named;
        len = inner;
    }
    return false;
}

void mrt_group_release(struct mrt_group *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        free(g->nodes[i].path);
    }
    for (size_t i = 0; i < g->app_count; i++) {
        mu_app_unref(g->apps[i]);
    }
    free(g->nodes);
    free(g->apps);
    free(g->path);
    free(g->version);
    *g = (struct mrt_group){0};
}
