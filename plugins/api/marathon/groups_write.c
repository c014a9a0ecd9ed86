/* POST, PUT and DELETE of groups, as one command over the apps below: definitions that
 * are put, and ids that go. An empty group leaves nothing behind (see groups_read.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "alloc.h"
#include "arguments.h"
#include "codec_group_in.h"
#include "handlers.h"
#include "query.h"

/* The command of a group: apps to put and ids to drop. */
struct change {
    struct mrt_apps put;
    struct mu_strings drop;
};

static void change_release(struct change *ch)
{
    mrt_apps_release(&ch->put);
    mu_strings_release(&ch->drop);
}

static void submit_change(struct mrt_call *c, const struct change *ch, bool create_only)
{
    const struct mu_app **apps = mrt_calloc(ch->put.count + 1, sizeof(void *));
    for (size_t i = 0; i < ch->put.count; i++) {
        apps[i] = ch->put.v[i];
    }
    struct mu_command_request cmd = {
        .type = ch->put.count == 0 && ch->drop.count > 0 ? MU_CMD_APP_DELETE
                                                         : MU_CMD_APPS_PUT,
        .apps = apps,
        .app_count = ch->put.count,
        .ids = (const char *const *)ch->drop.v,
        .id_count = ch->drop.count,
        .create_only = create_only,
        .force = mrt_query_flag(c->rq.http, "force", false),
    };
    mrt_call_submit(c, &cmd, mrt_call_answer_result);
    free(apps);
}

/* Decodes the body; false: answered. Release out in any case. */
static bool read_group(struct mrt_call *c, bool create, struct mrt_group *out)
{
    struct mrt_problems problems = {0};
    const struct mrt_group_source source = {
        .path = c->rq.id[0] == '\0' ? "/" : c->rq.id,
        .create = create,
        .scheduler_role = c->rq.m->role,
    };
    *out = (struct mrt_group){0};
    struct mrt_body *b = mrt_call_body(c);
    if (b == NULL) {
        return false;
    }
    bool ok = mrt_group_decode(b, &source, out, &problems);
    if (!ok) {
        mrt_call_problems(c, &problems);
    }
    mrt_problems_release(&problems);
    mrt_body_free(b);
    return ok;
}

static void put_all(const struct mrt_group *g, struct change *ch)
{
    for (size_t i = 0; i < g->app_count; i++) {
        mrt_apps_add(&ch->put, g->apps[i]);
    }
}

/* ---- create ---- */

static void create(struct mrt_call *c, const struct mrt_group *g)
{
    struct mrt_apps below = {0};
    struct mu_app *same = NULL;
    struct change ch = {0};
    struct mu_buf location;
    int rc = mrt_find_apps_below(c->rq.m, g->path, &below);
    rc = rc < 0 ? rc : mrt_find_app(c->rq.m, g->path, &same);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else if (same != NULL) {
        mrt_call_refuse(c, 409, "An app with the path %s already exists.", g->path);
    } else if (below.count > 0 || strcmp(g->path, "/") == 0) {
        mrt_call_refuse(c, 409,
                        "Group %s is already created. Use PUT to change this group.",
                        g->path);
    } else {
        put_all(g, &ch);
        mu_buf_init(&location, 64 * 1024);
        mrt_location(c->rq.m, c->rq.http, "/v2/groups", g->path, &location);
        c->location = mu_buf_take(&location);
        c->status = 201;
        submit_change(c, &ch, true);
    }
    change_release(&ch);
    mrt_apps_release(&below);
    mu_app_unref(same);
}

void mrt_group_create(struct mrt_call *c)
{
    struct mrt_group g;
    if (read_group(c, true, &g)) {
        if (g.scale_by || g.roll_back) {
            mrt_call_refuse(c, 422, "A new group needs its apps or groups.");
        } else {
            create(c, &g);
        }
    }
    mrt_group_release(&g);
}

/* ---- replace ---- */

/* Every app with ceil(instances * factor). */
static void scale_all(const struct mrt_apps *below, double factor, struct change *ch)
{
    for (size_t i = 0; i < below->count; i++) {
        double n = ceil((double)below->v[i]->instances * factor);
        struct mu_app *app = mu_app_clone(below->v[i]);
        app->instances = n < 1e6 ? (uint32_t)n : 1000000;
        mrt_apps_add(&ch->put, app);
        mu_app_unref(app);
    }
}

static bool has_app(const struct mrt_apps *apps, const char *id)
{
    for (size_t i = 0; i < apps->count; i++) {
        if (strcmp(apps->v[i]->id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* The group as it was; apps that came later go. False: answered. */
static bool roll_back(struct mrt_call *c,
                      const char *version,
                      const struct mrt_apps *below,
                      struct change *ch)
{
    int64_t version_ms;
    if (mu_time_parse(version, &version_ms, NULL) < 0) {
        mrt_call_refuse(c, 422,
                        "Invalid timestamp provided '%s'. Expecting ISO-8601 datetime "
                        "string.",
                        version);
        return false;
    }
    int rc = mrt_find_apps_at(c->rq.m, c->rq.id, version_ms, &ch->put);
    if (rc == MU_E_NOT_FOUND) {
        mrt_call_refuse(c, 404, "Group '%s' does not exist in version %s", c->rq.id,
                        version);
    } else if (rc < 0) {
        mrt_call_not_ready(c, rc);
    }
    for (size_t i = 0; rc >= 0 && i < below->count; i++) {
        if (!has_app(&ch->put, below->v[i]->id)) {
            mu_strings_add(&ch->drop, below->v[i]->id);
        }
    }
    return rc >= 0;
}

static void
replace(const struct mrt_group *g, const struct mrt_apps *below, struct change *ch)
{
    put_all(g, ch);
    for (size_t i = 0; i < below->count; i++) {
        if (mrt_group_drops(g, below->v[i]->id)) {
            mu_strings_add(&ch->drop, below->v[i]->id);
        }
    }
}

static void refuse_no_group(struct mrt_call *c)
{
    mrt_call_refuse(c, 404, "Group '%s' does not exist", c->rq.id);
}

/* g NULL: go back to the version that the URL names. */
static void change_group(struct mrt_call *c, const struct mrt_group *g)
{
    struct mrt_apps below = {0};
    struct change ch = {0};
    bool open = true; /* not answered yet */
    bool special = g == NULL || g->scale_by || g->roll_back;
    int rc = mrt_find_apps_below(c->rq.m, c->rq.id, &below);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
        open = false;
    } else if (special && below.count == 0) {
        refuse_no_group(c);
        open = false;
    } else if (special && (g == NULL || g->roll_back)) {
        open = roll_back(c, g == NULL ? c->rq.sub : g->version, &below, &ch);
    } else if (special) {
        scale_all(&below, g->factor, &ch);
    } else {
        replace(g, &below, &ch);
    }
    if (open) {
        submit_change(c, &ch, false);
    }
    change_release(&ch);
    mrt_apps_release(&below);
}

/* False: answered. A dry run must not change anything, so it is not taken for a real
 * one. */
static bool is_real(struct mrt_call *c)
{
    bool dry = mrt_query_flag(c->rq.http, "dryRun", false);
    if (dry) {
        mrt_call_refuse(c, 422, "dryRun is not supported by this version.");
    }
    return !dry;
}

void mrt_group_put(struct mrt_call *c)
{
    struct mrt_group g = {0};
    if (is_real(c) && read_group(c, false, &g)) {
        change_group(c, &g);
    }
    mrt_group_release(&g);
}

void mrt_group_put_version(struct mrt_call *c)
{
    if (is_real(c)) {
        change_group(c, NULL);
    }
}

/* ---- delete ---- */

void mrt_group_delete(struct mrt_call *c)
{
    struct mrt_apps below;
    int rc = mrt_find_apps_below(c->rq.m, c->rq.id, &below);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else if (below.count == 0 && strcmp(c->rq.id, "/") != 0) {
        refuse_no_group(c);
    } else {
        struct change ch = {0};
        for (size_t i = 0; i < below.count; i++) {
            mu_strings_add(&ch.drop, below.v[i]->id);
        }
        submit_change(c, &ch, false);
        change_release(&ch);
    }
    mrt_apps_release(&below);
}
