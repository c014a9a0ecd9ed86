/* POST, PUT, PATCH and DELETE of apps. Each `run` here judges a request by the newest
 * accepted state (see calls.h) and makes one command of it. */
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "alloc.h"
#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"
#include "query.h"

enum { APPS_MAX = 5000 }; /* in one request: each is compared with those before it */

static void set_location(struct mrt_call *c, const char *path, const char *id)
{
    struct mu_buf text;
    mu_buf_init(&text, 64 * 1024);
    mrt_location(c->rq.m, c->rq.http, path, id, &text);
    free(c->location);
    c->location = mu_buf_take(&text);
}

static struct mu_command_request
put_command(const struct mrt_call *c, const struct mu_app *const *apps, size_t count)
{
    return (struct mu_command_request){
        .type = MU_CMD_APPS_PUT,
        .apps = apps,
        .app_count = count,
        .force = mrt_query_flag(c->rq.http, "force", false),
    };
}

/* ---- create ---- */

static void write_no_tasks(void *arg, struct mu_jw *w, const char *app_id)
{
    (void)arg;
    (void)w;
    (void)app_id;
}

static void answer_created(struct mrt_call *c, const struct mu_command_result *r)
{
    struct mu_buf body;
    struct mu_jw w;
    struct mu_http_header extra[2];
    size_t n = 0;
    if (r->app_count == 0) { /* a core that does not say what it stored */
        mrt_call_answer_result(c, r);
        return;
    }
    const struct mu_app_row row = {
        .app = r->apps[0],
        .deployments = &r->deployment_id,
        .deployment_count = r->deployment_id != NULL ? 1 : 0,
    };
    const struct mrt_app_parts parts = {
        .row = &row, .counts = true, .deployments = true, .write_tasks = write_no_tasks};
    mu_buf_init(&body, 16 * 1024 * 1024);
    mu_jw_init(&w, &body);
    mrt_app_write(&w, r->apps[0], &parts);
    extra[n++] = (struct mu_http_header){"Location", c->location};
    if (r->deployment_id != NULL) {
        extra[n++] = (struct mu_http_header){"Marathon-Deployment-Id", r->deployment_id};
    }
    mrt_answer_with(c->rq.m, c->rq.x, 201, MRT_JSON, &body, extra, n);
    mu_buf_release(&body);
}

void mrt_apps_create(struct mrt_call *c)
{
    struct mrt_problems problems = {0};
    const struct mrt_app_source source = {.scheduler_role = c->rq.m->role};
    struct mrt_body *b = mrt_call_body(c);
    if (b == NULL) {
        return;
    }
    struct mu_app *app = mrt_request_app(b, MRT_WHOLE, &source, &problems);
    mrt_body_free(b);
    if (mrt_problems_any(&problems)) {
        mrt_call_problems(c, &problems);
    } else {
        const struct mu_app *apps[] = {app};
        struct mu_command_request cmd = put_command(c, apps, 1);
        cmd.create_only = true;
        c->status = 201;
        set_location(c, "/v2/apps", app->id);
        mrt_call_submit(c, &cmd, answer_created);
    }
    mrt_problems_release(&problems);
    mu_app_unref(app);
}

/* ---- one update ---- */

/* What one element of a request makes of the stored app. */
struct update {
    struct mrt_call *c;
    struct mrt_body *body;
    size_t index;
    const char *id;
    const struct mu_app *stored; /* NULL: there is none */
    struct mrt_problems *problems;
};

static void bad_timestamp(struct mrt_call *c, const char *text)
{
    mrt_call_refuse(c, 422,
                    "Invalid timestamp provided '%s'. Expecting ISO-8601 datetime "
                    "string.",
                    text);
}

/* {"version": T}: the definition of that time; NULL: answered. */
static struct mu_app *roll_back(const struct update *u, const char *version)
{
    int64_t version_ms;
    struct mu_app *old = NULL;
    if (mu_time_parse(version, &version_ms, NULL) < 0) {
        bad_timestamp(u->c, version);
        return NULL;
    }
    if (u->stored == NULL) {
        mrt_call_refuse(u->c, 404, "App '%s' does not exist", u->id);
        return NULL;
    }
    int rc = mrt_find_version(u->c->rq.m, u->id, version_ms, &old);
    if (rc == MU_E_NOT_FOUND) {
        mrt_call_refuse(u->c, 404, "App '%s' does not exist in version %s", u->id,
                        version);
    } else if (rc < 0) {
        mrt_call_not_ready(u->c, rc);
    }
    return old;
}

/* `version` beside other members is what a read-modify-write sends back: fine while
 * nobody else has changed the app, a lost update otherwise. */
static bool version_is_stale(const struct update *u, const char *version)
{
    int64_t version_ms;
    return u->stored != NULL && (mu_time_parse(version, &version_ms, NULL) < 0 ||
                                 version_ms != u->stored->version_ms);
}

/* The new definition; NULL: answered. Problems are collected, not answered. */
static struct mu_app *make_update(const struct update *u)
{
    const char *version;
    bool partial = mrt_query_flag(u->c->rq.http, "partialUpdate", true);
    switch (mrt_request_version(u->body, u->index, &version)) {
    case MRT_VERSION_ALONE:
        return roll_back(u, version);
    case MRT_VERSION_BESIDE:
        if (version_is_stale(u, version)) {
            mrt_problem_add(u->problems, MRT_MODEL, "/",
                            "The 'version' field may only be combined with the 'id' "
                            "field.");
        }
        break;
    case MRT_VERSION_NONE:
        break;
    }
    const struct mrt_app_source source = {
        .base = partial ? u->stored : NULL,
        .id = u->id,
        .scheduler_role = u->c->rq.m->role,
    };
    return mrt_request_app(u->body, u->index, &source, u->problems);
}

static void submit_one(struct mrt_call *c, const struct mu_app *app, bool created)
{
    const struct mu_app *apps[] = {app};
    struct mu_command_request cmd = put_command(c, apps, 1);
    if (created) {
        c->status = 201;
        set_location(c, "/v2/apps", app->id);
    }
    mrt_call_submit(c, &cmd, mrt_call_answer_result);
}

static void update_one(struct mrt_call *c, bool may_create)
{
    struct mrt_problems problems = {0};
    struct mu_app *stored = NULL;
    int rc = mrt_find_app(c->rq.m, c->rq.id, &stored);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
        return;
    }
    if (stored == NULL && !may_create) {
        mrt_call_refuse(c, 404, "App '%s' does not exist", c->rq.id);
        return;
    }
    struct mrt_body *b = mrt_call_body(c);
    if (b != NULL) {
        const struct update u = {c, b, MRT_WHOLE, c->rq.id, stored, &problems};
        struct mu_app *app = make_update(&u);
        if (app != NULL && mrt_problems_any(&problems)) {
            mrt_call_problems(c, &problems);
        } else if (app != NULL) {
            submit_one(c, app, stored == NULL);
        }
        mu_app_unref(app);
    }
    mrt_body_free(b);
    mrt_problems_release(&problems);
    mu_app_unref(stored);
}

void mrt_app_put(struct mrt_call *c)
{
    update_one(c, true);
}

void mrt_app_patch(struct mrt_call *c)
{
    update_one(c, false);
}

/* ---- many updates: one deployment ---- */

/* A later element for the same id goes over an earlier one. */
static size_t find_index(const struct mrt_apps *apps, const char *id)
{
    for (size_t i = 0; i < apps->count; i++) {
        if (strcmp(apps->v[i]->id, id) == 0) {
            return i;
        }
    }
    return apps->count;
}

/* False: answered. */
static bool add_update(struct mrt_call *c,
                       struct mrt_body *b,
                       size_t index,
                       bool may_create,
                       struct mrt_apps *apps,
                       struct mrt_problems *problems)
{
    char id[MU_APP_ID_MAX];
    struct mu_app *stored = NULL;
    if (!mrt_request_id(b, index, id)) {
        mrt_call_refuse(c, 422, "App Update must have app id set");
        return false;
    }
    size_t at = find_index(apps, id);
    int rc = 0;
    if (at < apps->count) {
        stored = mu_app_ref(apps->v[at]);
    } else {
        rc = mrt_find_app(c->rq.m, id, &stored);
    }
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
        return false;
    }
    if (stored == NULL && !may_create) {
        mrt_call_refuse(c, 404, "App '%s' does not exist", id);
        return false;
    }
    const struct update u = {c, b, index, id, stored, problems};
    struct mu_app *app = make_update(&u);
    if (app != NULL && at < apps->count) {
        mu_app_unref(apps->v[at]);
        apps->v[at] = mu_app_ref(app);
    } else if (app != NULL && !mrt_problems_any(problems)) {
        mrt_apps_add(apps, app);
    }
    bool ok = app != NULL;
    mu_app_unref(app);
    mu_app_unref(stored);
    return ok;
}

static void submit_many(struct mrt_call *c, const struct mrt_apps *apps)
{
    const struct mu_app **list = mrt_calloc(apps->count + 1, sizeof(void *));
    for (size_t i = 0; i < apps->count; i++) {
        list[i] = apps->v[i];
    }
    struct mu_command_request cmd = put_command(c, list, apps->count);
    mrt_call_submit(c, &cmd, mrt_call_answer_result);
    free(list);
}

static void update_many(struct mrt_call *c, bool may_create)
{
    struct mrt_problems problems = {0};
    struct mrt_apps apps = {0};
    struct mrt_body *b = mrt_call_body(c);
    if (b == NULL) {
        return;
    }
    bool open = true; /* not answered yet */
    if (!mrt_body_is_list(b)) {
        mrt_problem_add(&problems, MRT_SHAPE, "/", "error.expected.jsarray");
    } else if (mrt_body_count(b) > APPS_MAX) {
        mrt_problem_add(&problems, MRT_MODEL, "/", "got %zu apps, expected %d or less",
                        mrt_body_count(b), (int)APPS_MAX);
    } else {
        for (size_t i = 0; open && i < mrt_body_count(b); i++) {
            open = add_update(c, b, i, may_create, &apps, &problems);
        }
    }
    if (open && mrt_problems_any(&problems)) {
        mrt_call_problems(c, &problems);
    } else if (open) {
        submit_many(c, &apps);
    }
    mrt_apps_release(&apps);
    mrt_problems_release(&problems);
    mrt_body_free(b);
}

void mrt_apps_put(struct mrt_call *c)
{
    update_many(c, true);
}

void mrt_apps_patch(struct mrt_call *c)
{
    update_many(c, false);
}

/* ---- delete, restart ---- */

/* A command about the app in the URL. */
static void submit_about_app(struct mrt_call *c, uint32_t type, bool force)
{
    const char *ids[] = {c->rq.id};
    struct mu_command_request cmd = {
        .type = type, .ids = ids, .id_count = 1, .force = force};
    if (mrt_call_app_exists(c)) {
        mrt_call_submit(c, &cmd, mrt_call_answer_result);
    }
}

void mrt_app_delete(struct mrt_call *c)
{
    submit_about_app(c, MU_CMD_APP_DELETE, mrt_query_flag(c->rq.http, "force", true));
}

void mrt_app_restart(struct mrt_call *c)
{
    submit_about_app(c, MU_CMD_APP_RESTART, mrt_query_flag(c->rq.http, "force", false));
}
