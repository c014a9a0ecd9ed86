/* The API of 2014 (/v1): flat ids without a slash in front, tasks by app, endpoints as
 * text, and commands that answer nothing. */
#include <string.h>

#include "alloc.h"
#include "app_view.h"
#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"
#include "query.h"

/* ---- lists ---- */

static void on_app(void *arg, const void *row)
{
    struct mrt_pages *p = arg;
    const struct mu_app_row *r = row;
    struct mu_app *flat = mu_app_clone(r->app);
    struct mu_jw w;
    mu_text_set(&flat->id, r->app->id + 1);
    mrt_pages_separate(p);
    mu_jw_init(&w, &p->out);
    mrt_app_write(&w, flat, NULL);
    mu_app_unref(flat);
}

static int page_flat_app(struct mrt_pages *p, const char *app_id)
{
    int rc = p->m->core->query(p->m->core, MU_Q_APPS, app_id, on_app, p);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

static void on_task(void *arg, const void *row)
{
    mrt_task_write(arg, row);
}

/* "id": [tasks] */
static int page_tasks_by_app(struct mrt_pages *p, const char *app_id)
{
    struct mu_jw w;
    mrt_pages_separate(p);
    mu_jw_init(&w, &p->out);
    mu_jw_string(&w, app_id + 1);
    (void)mu_buf_putc(&p->out, ':');
    mu_jw_init(&w, &p->out);
    mu_jw_array_begin(&w);
    int rc = p->m->core->query(p->m->core, MU_Q_APP_TASKS, app_id, on_task, &w);
    mu_jw_array_end(&w);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

/* All apps that filter takes, between the two texts. */
static void send_all(struct mrt_request *rq,
                     struct mrt_pages *p,
                     const char *before,
                     const char *after,
                     mrt_app_filter filter,
                     const void *arg)
{
    mrt_pages_add_text(p, before);
    int rc = mrt_pages_add_apps(p, "/", filter, arg);
    mrt_pages_add_text(p, after);
    if (rc < 0) {
        mrt_pages_free(p);
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_pages_send(p);
    }
}

void mrt_v1_apps(struct mrt_request *rq)
{
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, page_flat_app);
    send_all(rq, p, "[", "]", NULL, NULL);
}

struct search {
    char id[256], cmd[256];
};

/* Either is enough, as it was then. */
static bool search_takes(const void *arg, const struct mu_app *app)
{
    const struct search *s = arg;
    bool by_id = s->id[0] != '\0' && strcasestr(app->id, s->id) != NULL;
    bool by_cmd =
        s->cmd[0] != '\0' && app->cmd != NULL && strcasestr(app->cmd, s->cmd) != NULL;
    return by_id || by_cmd;
}

void mrt_v1_search(struct mrt_request *rq)
{
    struct search s = {.id = "", .cmd = ""};
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, page_flat_app);
    if (mu_http_query_get(rq->http->query, "id", 0, s.id, sizeof(s.id)) < 0) {
        s.id[0] = '\0';
    }
    if (mu_http_query_get(rq->http->query, "cmd", 0, s.cmd, sizeof(s.cmd)) < 0) {
        s.cmd[0] = '\0';
    }
    send_all(rq, p, "[", "]", search_takes, &s);
}

void mrt_v1_tasks(struct mrt_request *rq)
{
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, page_tasks_by_app);
    send_all(rq, p, "{", "}", NULL, NULL);
}

/* One app between the two texts, or 404. */
static void send_one(struct mrt_request *rq,
                     struct mrt_pages *p,
                     const char *before,
                     const char *after)
{
    struct mu_app *app = NULL;
    int rc = mrt_find_app(rq->m, rq->id, &app);
    if (rc >= 0 && app != NULL) {
        mrt_pages_add_text(p, before);
        mrt_pages_add_app(p, rq->id);
        mrt_pages_add_text(p, after);
        mrt_pages_send(p);
    } else {
        mrt_pages_free(p);
        if (rc < 0) {
            mrt_answer_not_ready(rq->m, rq->x, rc);
        } else {
            mrt_answer_message(rq->m, rq->x, 404, "App '%s' does not exist", rq->id);
        }
    }
    mu_app_unref(app);
}

void mrt_v1_app_tasks(struct mrt_request *rq)
{
    send_one(rq, mrt_pages_create(rq, MRT_JSON, page_tasks_by_app), "{", "}");
}

void mrt_v1_endpoints(struct mrt_request *rq)
{
    struct mrt_pages *p = mrt_pages_create(rq, MRT_TEXT, mrt_page_lines);
    p->v1 = true;
    if (rq->id[0] == '\0' || strcmp(rq->id, "/") == 0) {
        send_all(rq, p, "", "", NULL, NULL);
    } else {
        send_one(rq, p, "", "");
    }
}

/* ---- commands ---- */

static void answer_nothing(struct mrt_call *c, const struct mu_command_result *r)
{
    (void)r;
    mrt_answer_with(c->rq.m, c->rq.x, 204, NULL, NULL, NULL, 0);
}

void mrt_v1_start(struct mrt_call *c)
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
        struct mu_command_request cmd = {
            .type = MU_CMD_APPS_PUT, .apps = apps, .app_count = 1, .create_only = true};
        mrt_call_submit(c, &cmd, answer_nothing);
    }
    mrt_problems_release(&problems);
    mu_app_unref(app);
}

/* The app that the body names, into c->rq.id; false: answered. */
static bool names_app(struct mrt_call *c, const struct mrt_body *b)
{
    if (mrt_body_is_list(b) || !mrt_request_id(b, MRT_WHOLE, c->rq.id)) {
        struct mrt_problems problems = {0};
        mrt_problem_add(&problems, MRT_SHAPE, "/id", "error.path.missing");
        mrt_call_problems(c, &problems);
        mrt_problems_release(&problems);
        return false;
    }
    return mrt_call_app_exists(c);
}

void mrt_v1_stop(struct mrt_call *c)
{
    struct mrt_body *b = mrt_call_body(c);
    if (b != NULL && names_app(c, b)) {
        const char *ids[] = {c->rq.id};
        struct mu_command_request cmd = {
            .type = MU_CMD_APP_DELETE, .ids = ids, .id_count = 1, .force = true};
        mrt_call_submit(c, &cmd, answer_nothing);
    }
    mrt_body_free(b);
}

static void submit_scale(struct mrt_call *c, int64_t instances)
{
    struct mu_app *app = NULL;
    int rc = mrt_find_app(c->rq.m, c->rq.id, &app);
    if (rc < 0 || app == NULL) {
        mrt_call_not_ready(c, rc < 0 ? rc : MU_E_UNAVAILABLE);
        return;
    }
    struct mu_app *scaled = mu_app_clone(app);
    scaled->instances = (uint32_t)instances;
    const struct mu_app *apps[] = {scaled};
    struct mu_command_request cmd = {
        .type = MU_CMD_APPS_PUT, .apps = apps, .app_count = 1, .force = true};
    mrt_call_submit(c, &cmd, answer_nothing);
    mu_app_unref(scaled);
    mu_app_unref(app);
}

void mrt_v1_scale(struct mrt_call *c)
{
    struct mrt_problems problems = {0};
    int64_t instances;
    struct mrt_body *b = mrt_call_body(c);
    if (b != NULL && names_app(c, b)) {
        if (mrt_request_instances(b, &instances, &problems)) {
            submit_scale(c, instances);
        } else {
            mrt_call_problems(c, &problems);
        }
    }
    mrt_problems_release(&problems);
    mrt_body_free(b);
}
