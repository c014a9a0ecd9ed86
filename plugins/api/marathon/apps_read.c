/* GET of apps: the list with its filters, one, those of a group, versions. */
#include <string.h>
#include <strings.h>

#include <muster/time.h>

#include "app_view.h"
#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"
#include "query.h"
#include "selector.h"

enum { FILTER_MAX = 1024, ONE_APP_MAX = 256 * 1024 * 1024 };

static const char *const embed_prefixes[] = {"apps.", "app.", "", NULL};

/* ---- the list ---- */

struct filter {
    char cmd[FILTER_MAX], id[FILTER_MAX];
    bool has_cmd, has_id, has_label;
    struct mrt_selector label;
};

static bool takes(const void *arg, const struct mu_app *app)
{
    const struct filter *f = arg;
    if (f->has_cmd && (app->cmd == NULL || strcasestr(app->cmd, f->cmd) == NULL)) {
        return false;
    }
    if (f->has_id && strcasestr(app->id, f->id) == NULL) {
        return false;
    }
    return !f->has_label || mrt_selector_matches(&f->label, &app->labels);
}

static bool
read_text(const struct mu_http_request *req, const char *name, char *out, size_t cap)
{
    return mu_http_query_get(req->query, name, 0, out, cap) > 0;
}

/* Fills out; false: answered. */
static bool read_filter(struct mrt_request *rq, struct filter *out)
{
    char label[4 * FILTER_MAX];
    struct mu_error err;
    *out = (struct filter){0};
    out->has_cmd = read_text(rq->http, "cmd", out->cmd, sizeof(out->cmd));
    out->has_id = read_text(rq->http, "id", out->id, sizeof(out->id));
    out->has_label = read_text(rq->http, "label", label, sizeof(label));
    if (out->has_label && mrt_selector_parse(label, &out->label, &err) < 0) {
        mrt_answer_message(rq->m, rq->x, 422,
                           "Can not parse label selector %s. Reason: %s", label,
                           err.text);
        mrt_selector_release(&out->label);
        return false;
    }
    return true;
}

void mrt_apps_list(struct mrt_request *rq)
{
    struct filter filter;
    if (!read_filter(rq, &filter)) {
        return;
    }
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, mrt_page_app);
    p->embed = mrt_query_embed(rq->http, embed_prefixes) | MRT_EMBED_COUNTS |
               MRT_EMBED_DEPLOYMENTS;
    mrt_pages_add_text(p, "{\"apps\":[");
    int rc = mrt_pages_add_apps(p, "/", takes, &filter);
    mrt_pages_add_text(p, "]}");
    mrt_selector_release(&filter.label);
    if (rc < 0) {
        mrt_pages_free(p);
        mrt_answer_not_ready(rq->m, rq->x, rc);
        return;
    }
    mrt_pages_send(p);
}

/* ---- one ---- */

static void answer_no_app(struct mrt_request *rq)
{
    mrt_answer_message(rq->m, rq->x, 404, "App '%s' does not exist", rq->id);
}

void mrt_app_get(struct mrt_request *rq)
{
    struct mu_buf body;
    struct mu_jw w;
    uint32_t embed = mrt_query_embed(rq->http, embed_prefixes) | MRT_EMBED_COUNTS |
                     MRT_EMBED_TASKS | MRT_EMBED_LAST_FAILURE | MRT_EMBED_DEPLOYMENTS;
    mu_buf_init(&body, ONE_APP_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_key(&w, "app");
    int rc = mrt_write_app(rq->m, &w, rq->id, embed);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else if (rc == 0) {
        answer_no_app(rq);
    } else {
        mu_jw_object_end(&w);
        mrt_answer(rq->m, rq->x, 200, &body);
    }
    mu_buf_release(&body);
}

/* ---- those of a group ---- */

void mrt_group_star(struct mrt_request *rq)
{
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, mrt_page_app);
    p->embed = mrt_query_embed(rq->http, embed_prefixes) | MRT_EMBED_COUNTS |
               MRT_EMBED_TASKS | MRT_EMBED_LAST_FAILURE | MRT_EMBED_DEPLOYMENTS;
    mrt_pages_add_text(p, "{\"*\":[");
    size_t before = p->program.len;
    int rc = mrt_pages_add_apps(p, rq->id, NULL, NULL);
    bool empty = p->program.len == before && strcmp(rq->id, "/") != 0;
    mrt_pages_add_text(p, "]}");
    if (rc >= 0 && !empty) {
        mrt_pages_send(p);
        return;
    }
    mrt_pages_free(p);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_answer_message(rq->m, rq->x, 404, "Group '%s' does not exist", rq->id);
    }
}

/* ---- versions ---- */

static void on_version(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    char text[MU_TIME_TEXT];
    mu_time_format(r->app->version_ms, text);
    mu_jw_string(arg, text);
}

void mrt_app_versions(struct mrt_request *rq)
{
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, ONE_APP_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_key(&w, "versions");
    mu_jw_array_begin(&w);
    int rc = rq->m->core->query(rq->m->core, MU_Q_APP_VERSIONS, rq->id, on_version, &w);
    mu_jw_array_end(&w);
    mu_jw_object_end(&w);
    if (rc == 0 || rc == MU_E_NOT_FOUND) {
        answer_no_app(rq);
    } else if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_answer(rq->m, rq->x, 200, &body);
    }
    mu_buf_release(&body);
}

void mrt_app_version(struct mrt_request *rq)
{
    int64_t version_ms;
    struct mu_app *app = NULL;
    if (mu_time_parse(rq->sub, &version_ms, NULL) < 0) {
        mrt_answer_message(rq->m, rq->x, 422,
                           "Invalid timestamp provided '%s'. Expecting ISO-8601 datetime "
                           "string.",
                           rq->sub);
        return;
    }
    int rc = mrt_find_app(rq->m, rq->id, &app);
    bool exists = app != NULL;
    mu_app_unref(app);
    app = NULL;
    rc = rc < 0 || !exists ? rc : mrt_find_version(rq->m, rq->id, version_ms, &app);
    if (rc < 0 && rc != MU_E_NOT_FOUND) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else if (!exists) {
        answer_no_app(rq);
    } else if (app == NULL) {
        mrt_answer_message(rq->m, rq->x, 404, "App '%s' does not exist in version %s",
                           rq->id, rq->sub);
    } else {
        struct mu_buf body;
        struct mu_jw w;
        mu_buf_init(&body, ONE_APP_MAX);
        mu_jw_init(&w, &body);
        mrt_app_write(&w, app, NULL);
        mrt_answer(rq->m, rq->x, 200, &body);
        mu_buf_release(&body);
    }
    mu_app_unref(app);
}
