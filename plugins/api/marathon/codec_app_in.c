/* See codec_app_in.h. Members that are absent or null keep the base's value; those that
 * are there replace it whole. Response-only members (tasks, deployments, versionInfo,
 * counts, ...) are ignored, since clients send back what they got. */
#include "codec_app_in.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app_id.h"

json_t *mrt_json_load(const char *body, size_t len, struct mu_error *err)
{
    json_error_t je;
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (root == NULL) {
        (void)mu_fail(err, MU_E_INVALID, "%s (line %d, column %d)", je.text, je.line,
                      je.column);
    }
    return root;
}

static void refuse(const struct mrt_at *at, const char *key, const char *text)
{
    char path[MRT_PATH_MAX];
    mrt_path(at, key, path);
    mrt_problem_add(at->problems, MRT_MODEL, path, "%s", text);
}

static void decode_id(const struct mrt_at *at,
                      const json_t *body,
                      const char *url_id,
                      struct mu_app *app)
{
    char path[MRT_PATH_MAX], id[MU_APP_ID_MAX];
    mrt_path(at, "id", path);
    json_t *v = mrt_get(body, "id");
    if (v == NULL) {
        if (url_id == NULL && app->id == NULL) {
            mrt_problem_add(at->problems, MRT_SHAPE, path, "error.path.missing");
            return;
        }
        if (url_id != NULL) {
            mu_text_set(&app->id, url_id);
        }
    } else if (!json_is_string(v)) {
        mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
        return;
    } else if (mrt_app_id_normalise(json_string_value(v), NULL, id, sizeof(id)) < 0) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "must not be longer than %d characters", MU_APP_ID_MAX - 1);
        return;
    } else {
        mu_text_set(&app->id, id);
        if (url_id != NULL && strcmp(url_id, id) != 0) {
            mrt_problem_add(
                at->problems, MRT_MODEL, path,
                "The id '%s' of the definition is not '%s', which the URL names", id,
                url_id);
            return;
        }
    }
    mrt_app_id_check(app->id, path, at->problems);
}

static void
decode_amount(const struct mrt_at *at, const json_t *body, const char *key, int64_t *out)
{
    int64_t milli;
    if (!mrt_read_milli(at, body, key, &milli)) {
        return;
    }
    if (milli < 0) {
        char path[MRT_PATH_MAX];
        mrt_path(at, key, path);
        mrt_problem_add(at->problems, MRT_MODEL, path, "got %.1f, expected 0.0 or more",
                        (double)milli / 1000.0);
        return;
    }
    *out = milli;
}

static void
decode_amounts(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    int64_t n;
    if (mrt_read_int(at, body, "instances", 0, 1000000, &n)) {
        app->instances = (uint32_t)n;
    }
    decode_amount(at, body, "cpus", &app->cpus_milli);
    decode_amount(at, body, "mem", &app->mem_milli);
    decode_amount(at, body, "disk", &app->disk_milli);
    if (mrt_read_int(at, body, "gpus", 0, 1000000, &n) && n > 0) {
        refuse(at, "gpus", "GPU resources are not supported by this version");
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
    json_t *env = mrt_read_object(at, body, "env");
    const char *k;
    json_t *v;
    if (env != NULL) {
        mu_pairs_release(&app->env);
    }
    json_object_foreach (env, k, v) {
        char path[MRT_PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/env/%s", at->path, k);
        if (json_is_string(v)) {
            mu_pairs_add(&app->env, k, json_string_value(v));
        } else if (json_is_object(v) && json_object_get(v, "secret") != NULL) {
            mrt_problem_add(at->problems, MRT_MODEL, path,
                            "use of secret-references in the environment requires the "
                            "secrets feature to be enabled");
        } else {
            mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
        }
    }
}

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
static void decode_fetch(const struct mrt_at *at, const json_t *body, struct mu_app *app)
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
        refuse(at, "uris", "may not be set in conjunction with fetch");
    }
    if (use_uris) {
        mu_uris_copy(&app->fetch, &uris);
    } else if (list != NULL) {
        mu_uris_copy(&app->fetch, &fetch);
    }
    mu_uris_release(&fetch);
    mu_uris_release(&uris);
}

static const char *const operators[] = {"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE",
                                        "UNLIKE", "MAX_PER", "IS",       NULL};

static void
decode_constraint(const struct mrt_at *at, size_t i, const json_t *e, struct mu_app *app)
{
    char path[MRT_PATH_MAX];
    mrt_path_index(at, "constraints", i, path);
    const char *part[3] = {NULL, NULL, NULL};
    size_t n = json_array_size(e);
    if (!json_is_array(e) || n < 2 || n > 3) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "Each constraint must have either 2 or 3 fields");
        return;
    }
    for (size_t k = 0; k < n; k++) {
        part[k] = json_string_value(json_array_get(e, k));
        if (part[k] == NULL && !(k == 2 && json_is_null(json_array_get(e, k)))) {
            mrt_problem_add(at->problems, MRT_SHAPE, path, "error.expected.jsstring");
            return;
        }
    }
    uint32_t op = 0;
    for (uint32_t k = 0; operators[k] != NULL; k++) {
        if (strcasecmp(part[1], operators[k]) == 0) {
            op = k + 1;
        }
    }
    if (part[0][0] == '\0') {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "missing field for constraint declaration");
    }
    if (op == 0) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "operator must be one of the following UNIQUE, CLUSTER, "
                        "GROUP_BY, LIKE, MAX_PER, UNLIKE or IS");
        return;
    }
    struct mu_constraint *c = mu_app_add_constraint(app);
    mu_text_set(&c->field, part[0]);
    c->op = op;
    if (part[2] != NULL &&
        part[2][0] != '\0') { /* an empty third member is none: clients of 2014 sent it */
        mu_text_set(&c->value, part[2]);
    }
}

static void
decode_placement(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *list = mrt_read_array(at, body, "constraints");
    if (list != NULL) {
        mu_app_clear_constraints(app);
    }
    size_t i;
    json_t *e;
    json_array_foreach (list, i, e) {
        decode_constraint(at, i, e, app);
    }
    if (mrt_read_strings(at, body, "acceptedResourceRoles", &app->accepted_roles)) {
        app->has_accepted_roles = true;
        if (app->accepted_roles.count == 0) {
            refuse(at, "acceptedResourceRoles", "must not be empty");
        }
    }
    (void)mrt_read_text(at, body, "role", &app->role);
    struct mu_strings deps = {0};
    if (mrt_read_strings(at, body, "dependencies", &deps)) {
        mu_strings_release(&app->dependencies);
        for (size_t k = 0; k < deps.count; k++) {
            char id[MU_APP_ID_MAX], parent[MU_APP_ID_MAX + 4];
            (void)snprintf(parent, sizeof(parent), "%s/..",
                           app->id == NULL ? "" : app->id);
            if (mrt_app_id_normalise(deps.v[k], parent, id, sizeof(id)) == 0) {
                mu_strings_add(&app->dependencies, id);
            } else {
                refuse(at, "dependencies", "an id is too long");
            }
        }
    }
    mu_strings_release(&deps);
}

static void
decode_ppm(const struct mrt_at *at, const json_t *o, const char *key, uint32_t *out)
{
    double v;
    if (!mrt_read_double(at, o, key, &v)) {
        return;
    }
    if (!(v >= 0.0 && v <= 1.0)) {
        char path[MRT_PATH_MAX];
        mrt_path(at, key, path);
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "got %g, expected between 0.0 and 1.0", v);
        return;
    }
    *out = (uint32_t)lround(v * 1e6);
}

static void decode_seconds(const struct mrt_at *at,
                           const json_t *o,
                           const char *key,
                           uint64_t *out_ms)
{
    int64_t n;
    if (mrt_read_int(at, o, key, 0, 10LL * 365 * 86400, &n)) {
        *out_ms = (uint64_t)n * 1000;
    }
}

static void
decode_unreachable(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *v = mrt_get(body, "unreachableStrategy");
    if (v == NULL) {
        return;
    }
    if (json_is_string(v) && strcasecmp(json_string_value(v), "disabled") == 0) {
        app->unreachable = (struct mu_unreachable_strategy){.disabled = true};
        return;
    }
    json_t *o = mrt_read_object(at, body, "unreachableStrategy");
    if (o == NULL) {
        return;
    }
    char path[MRT_PATH_MAX];
    mrt_path(at, "unreachableStrategy", path);
    const struct mrt_at in = {at->problems, path};
    app->unreachable = (struct mu_unreachable_strategy){0};
    decode_seconds(&in, o, "inactiveAfterSeconds", &app->unreachable.inactive_after_ms);
    decode_seconds(&in, o, "expungeAfterSeconds", &app->unreachable.expunge_after_ms);
    if (app->unreachable.inactive_after_ms > app->unreachable.expunge_after_ms) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "inactiveAfterSeconds (%llu) must be less or equal to "
                        "expungeAfterSeconds, which is %llu",
                        (unsigned long long)app->unreachable.inactive_after_ms / 1000,
                        (unsigned long long)app->unreachable.expunge_after_ms / 1000);
    }
}

static void decode_timing(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *up = mrt_read_object(at, body, "upgradeStrategy");
    if (up != NULL) {
        char path[MRT_PATH_MAX];
        mrt_path(at, "upgradeStrategy", path);
        const struct mrt_at in = {at->problems, path};
        app->upgrade = (struct mu_upgrade_strategy){1000000, 1000000};
        decode_ppm(&in, up, "minimumHealthCapacity", &app->upgrade.min_health_ppm);
        decode_ppm(&in, up, "maximumOverCapacity", &app->upgrade.max_over_ppm);
    }
    decode_seconds(at, body, "backoffSeconds", &app->backoff_ms);
    decode_seconds(at, body, "maxLaunchDelaySeconds", &app->max_launch_delay_ms);
    int64_t factor;
    if (mrt_read_milli(at, body, "backoffFactor", &factor)) {
        if (factor < 1000 || factor > 1000000) {
            refuse(at, "backoffFactor",
                   factor < 1000 ? "must be at least 1.0" : "must be at most 1000.0");
        } else {
            app->backoff_factor_milli = (uint32_t)factor;
        }
    }
    if (mrt_get(body, "taskKillGracePeriodSeconds") != NULL) {
        app->has_kill_grace = true;
        decode_seconds(at, body, "taskKillGracePeriodSeconds", &app->kill_grace_ms);
    }
    decode_unreachable(at, body, app);
    static const char *const selections[] = {"YOUNGEST_FIRST", "OLDEST_FIRST",
                                             "YoungestFirst", "OldestFirst", NULL};
    int s = mrt_read_enum(at, body, "killSelection", selections);
    if (s >= 0) {
        app->kill_oldest_first = s % 2 == 1;
    }
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
            refuse(at, lists[i].key, lists[i].text);
        }
    }
    if (mrt_read_object(at, body, "check") != NULL) {
        refuse(at, "check", "checks are not run by this version; leave them out");
    }
    if (json_object_size(mrt_read_object(at, body, "secrets")) > 0) {
        refuse(at, "secrets",
               "Feature secrets is not enabled. Enable with --enable_features secrets)");
    }
    if (mrt_read_object(at, body, "resourceLimits") != NULL) {
        refuse(at, "resourceLimits",
               "resource limits are not supported by this version; cpus and mem are the "
               "limits");
    }
    char *executor = NULL;
    if (mrt_read_text(at, body, "executor", &executor) && executor[0] != '\0' &&
        strcmp(executor, "//cmd") != 0) {
        refuse(
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
        refuse(at, "cmd", "must not be an empty string");
    }
    for (size_t i = 0; i < app->env.count; i++) {
        if (app->env.v[i].key[0] == '\0' || strchr(app->env.v[i].key, '=') != NULL) {
            refuse(at, "env", "a variable's name must not be empty nor contain '='");
        }
    }
    const char *single = mu_pairs_get(&app->labels, "MARATHON_SINGLE_INSTANCE_APP");
    if (single != NULL && strcmp(single, "true") == 0) {
        if (app->instances > 1) {
            refuse(at, "instances", "Single instance app may only have one instance");
        }
        if (app->upgrade.min_health_ppm != 0 || app->upgrade.max_over_ppm != 0) {
            refuse(at, "upgradeStrategy",
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

struct mu_app *mrt_app_decode(const struct mrt_at *at,
                              const json_t *body,
                              const struct mu_app *base,
                              const char *id)
{
    struct mu_app *app = base != NULL ? mu_app_clone(base) : mu_app_create();
    if (!json_is_object(body)) {
        mrt_problem_add(at->problems, MRT_SHAPE, at->path, "error.expected.jsobject");
        return app;
    }
    decode_id(at, body, id, app);
    decode_command(at, body, app);
    decode_amounts(at, body, app);
    decode_fetch(at, body, app);
    mrt_network_decode(at, body, base, app);
    decode_placement(at, body, app);
    decode_timing(at, body, app);
    refuse_unsupported(at, body);
    decode_kept(body, app);
    default_single_instance(body, app);
    if (!mrt_problems_shape(at->problems)) {
        check_command(at, app);
    }
    return app;
}
