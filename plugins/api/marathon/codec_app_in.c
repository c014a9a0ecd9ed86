/* See codec_app_in.h. Members that are absent or null keep the base's value; those that
 * are there replace it whole. Response-only members (tasks, deployments, versionInfo,
 * counts, ...) are ignored, since clients send back what they got. */
#include "codec_app_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_id.h"
#include "codec_app_parts.h"

void mrt_refuse(const struct mrt_at *at, const char *key, const char *text)
{
    char path[MRT_PATH_MAX];
    mrt_path(at, key, path);
    mrt_problem_add(at->problems, MRT_MODEL, path, "%s", text);
}

/* Is the absolute id the group itself or below it? */
static bool is_below(const char *id, const char *group)
{
    size_t len = strcmp(group, "/") == 0 ? 0 : strlen(group);
    return strncmp(id, group, len) == 0 && id[len] == '/' && id[len + 1] != '\0';
}

static void take_id(const struct mrt_at *at,
                    const char *path,
                    const char *text,
                    const struct mrt_app_source *source,
                    struct mu_app *app)
{
    char id[MU_APP_ID_MAX];
    if (mrt_app_id_normalise(text, source->group, id, sizeof(id)) < 0) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "must not be longer than %d characters", MU_APP_ID_MAX - 1);
        return;
    }
    mu_text_set(&app->id, id);
    if (source->id != NULL && strcmp(source->id, id) != 0) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "The id '%s' of the definition is not '%s', which the URL names",
                        id, source->id);
    } else if (source->group != NULL && !is_below(id, source->group)) {
        mrt_problem_add(at->problems, MRT_MODEL, path, "Identifier is not child of '%s'.",
                        source->group);
    } else {
        mrt_app_id_check(id, path, at->problems);
    }
}

static void decode_id(const struct mrt_at *at,
                      const json_t *body,
                      const struct mrt_app_source *source,
                      struct mu_app *app)
{
    char path[MRT_PATH_MAX];
    mrt_path(at, "id", path);
    const json_t *v = mrt_get(body, "id");
    if (json_is_string(v)) {
        take_id(at, path, json_string_value(v), source, app);
    } else if (v != NULL) {
        mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
    } else if (source->id != NULL) {
        take_id(at, path, source->id, source, app);
    } else if (app->id == NULL) {
        mrt_problem_add(at->problems, MRT_SHAPE, path, "error.path.missing");
    }
}

static void
decode_amount(const struct mrt_at *at, const json_t *body, const char *key, int64_t *out)
{
    int64_t milli;
    if (!mrt_read_milli(at, body, key, &milli)) {
        return;
    }
    if (milli < 0) {
        char path[MRT_PATH_MAX], text[MRT_DOUBLE_TEXT];
        mrt_path(at, key, path);
        mrt_double_text((double)milli / 1000.0, text);
        mrt_problem_add(at->problems, MRT_MODEL, path, "got %s, expected 0.0 or more",
                        text);
        return;
    }
    *out = milli;
}

static void
decode_amounts(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    int64_t n;
    if (mrt_read_int(at, body, "instances", 0, MRT_INSTANCES_MAX, &n)) {
        app->instances = (uint32_t)n;
    }
    decode_amount(at, body, "cpus", &app->cpus_milli);
    decode_amount(at, body, "mem", &app->mem_milli);
    decode_amount(at, body, "disk", &app->disk_milli);
    if (mrt_read_int(at, body, "gpus", 0, MRT_INSTANCES_MAX, &n) && n > 0) {
        mrt_refuse(at, "gpus", "GPU resources are not supported by this version");
    }
}

static void
decode_command(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    bool has_cmd = mrt_read_text(at, body, "cmd", &app->cmd);
    bool has_args = mrt_read_strings(at, body, "args", &app->args);
    if (has_args) {
        app->has_args = true;
    }
    /* a partial update that gives one of the two replaces the other */
    if (has_cmd && !has_args) {
        app->has_args = false;
        mu_strings_release(&app->args);
    } else if (has_args && !has_cmd) {
        mu_text_set(&app->cmd, NULL);
    }
    (void)mrt_read_text(at, body, "user", &app->user);
    (void)mrt_read_pairs(at, body, "labels", &app->labels);
    (void)mrt_read_pairs(at, body, "env", &app->env);
}

/* What this version can not do is refused, not ignored: an app that relies on it would be
 * wrong in silence. */
static void refuse_unsupported(const struct mrt_at *at, const json_t *body)
{
    static const struct {
        const char *key, *text;
    } lists[] = {
        {"healthChecks", "health checks are not run by this version; leave them out"},
        {"readinessChecks",
         "readiness checks are not run by this version; leave them out"},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        json_t *list = mrt_read_array(at, body, lists[i].key);
        if (json_array_size(list) > 0) {
            mrt_refuse(at, lists[i].key, lists[i].text);
        }
    }
    if (mrt_read_object(at, body, "check") != NULL) {
        mrt_refuse(at, "check", "checks are not run by this version; leave them out");
    }
    if (json_object_size(mrt_read_object(at, body, "secrets")) > 0) {
        mrt_refuse(
            at, "secrets",
            "Feature secrets is not enabled. Enable with --enable_features secrets)");
    }
    if (mrt_read_object(at, body, "resourceLimits") != NULL) {
        mrt_refuse(
            at, "resourceLimits",
            "resource limits are not supported by this version; cpus and mem are the "
            "limits");
    }
    char *executor = NULL;
    if (mrt_read_text(at, body, "executor", &executor) && executor[0] != '\0' &&
        strcmp(executor, "//cmd") != 0) {
        mrt_refuse(
            at, "executor",
            "custom executors are not supported by this version; use \"\" or \"//cmd\"");
    }
    free(executor);
}

/* Members that are kept and given back as they are. */
static void decode_kept(const json_t *body, struct mu_app *app)
{
    static const char *const kept[] = {"tty", "executorResources"};
    json_t *o =
        app->extra_json == NULL ? json_object() : json_loads(app->extra_json, 0, NULL);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_t *v = mrt_get(body, kept[i]);
        if (v != NULL) {
            (void)json_object_set(o, kept[i], v);
        }
    }
    char *text =
        json_object_size(o) == 0 ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    mu_text_set(&app->extra_json, text);
    free(text);
    json_decref(o);
}

static void check_command(const struct mrt_at *at, const struct mu_app *app)
{
    bool has_cmd = app->cmd != NULL, has_args = app->has_args && app->args.count > 0;
    if ((has_cmd && has_args) ||
        (!has_cmd && !has_args && !(app->has_container && app->image != NULL))) {
        mrt_problem_add(at->problems, MRT_MODEL, at->path,
                        "AppDefinition must either contain one of 'cmd' or 'args', "
                        "and/or a 'container'.");
    }
    if (has_cmd && app->cmd[0] == '\0') {
        mrt_refuse(at, "cmd", "must not be an empty string");
    }
    for (size_t i = 0; i < app->env.count; i++) {
        if (app->env.v[i].key[0] == '\0' || strchr(app->env.v[i].key, '=') != NULL) {
            mrt_refuse(at, "env", "a variable's name must not be empty nor contain '='");
        }
    }
    const char *single = mu_pairs_get(&app->labels, "MARATHON_SINGLE_INSTANCE_APP");
    if (single != NULL && strcmp(single, "true") == 0) {
        if (app->instances > 1) {
            mrt_refuse(at, "instances", "Single instance app may only have one instance");
        }
        if (app->upgrade.min_health_ppm != 0 || app->upgrade.max_over_ppm != 0) {
            mrt_refuse(at, "upgradeStrategy",
                       "Single instance app must have an upgradeStrategy of "
                       "minimumHealthCapacity 0 and maximumOverCapacity 0");
        }
    }
}

static void default_single_instance(const json_t *body, struct mu_app *app)
{
    const char *single = mu_pairs_get(&app->labels, "MARATHON_SINGLE_INSTANCE_APP");
    if (single != NULL && strcmp(single, "true") == 0 &&
        mrt_get(body, "upgradeStrategy") == NULL) {
        app->upgrade = (struct mu_upgrade_strategy){0, 0};
    }
}

/* `role` is the scheduler's own or "*"; offers of others never reach the app. */
static void check_roles(const struct mrt_at *at,
                        const struct mrt_app_source *source,
                        const struct mu_app *app)
{
    const char *own = source->scheduler_role;
    if (own == NULL) {
        return;
    }
    char path[MRT_PATH_MAX];
    if (app->role != NULL && strcmp(app->role, "*") != 0 && strcmp(app->role, own) != 0) {
        mrt_path(at, "role", path);
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        strcmp(own, "*") == 0 ? "got %s, expected one of: [*]"
                                              : "got %s, expected one of: [*, %s]",
                        app->role, own);
        return;
    }
    const char *role = app->role != NULL ? app->role : own;
    for (size_t i = 0; i < app->accepted_roles.count; i++) {
        const char *r = app->accepted_roles.v[i];
        if (strcmp(r, "*") != 0 && strcmp(r, role) != 0) {
            mrt_path(at, "acceptedResourceRoles", path);
            mrt_problem_add(at->problems, MRT_MODEL, path,
                            "acceptedResourceRoles can only contain * and %s", role);
            return;
        }
    }
}

struct mu_app *mrt_app_decode(const struct mrt_at *at,
                              const json_t *body,
                              const struct mrt_app_source *source)
{
    struct mu_app *app =
        source->base != NULL ? mu_app_clone(source->base) : mu_app_create();
    if (!json_is_object(body)) {
        mrt_problem_add(at->problems, MRT_SHAPE, at->path, "error.expected.jsobject");
        return app;
    }
    decode_id(at, body, source, app);
    decode_command(at, body, app);
    decode_amounts(at, body, app);
    mrt_fetch_decode(at, body, app);
    mrt_network_decode(at, body, source->base, app);
    mrt_placement_decode(at, body, app);
    mrt_policy_decode(at, body, app);
    refuse_unsupported(at, body);
    decode_kept(body, app);
    default_single_instance(body, app);
    if (!mrt_problems_shape(at->problems)) {
        check_command(at, app);
        check_roles(at, source, app);
    }
    return app;
}
