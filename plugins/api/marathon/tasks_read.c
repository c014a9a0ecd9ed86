/* GET of tasks, as JSON or as the text lists of endpoints. */
#include <string.h>

#include "app_view.h"
#include "arguments.h"
#include "handlers.h"
#include "query.h"

/* `status=running|staging`, also as `status[]`; others are ignored. */
static uint32_t wanted_states(const struct mu_http_request *req)
{
    static const char *const names[] = {"status", "status[]"};
    uint32_t states = 0;
    for (size_t i = 0; i < 2; i++) {
        if (mrt_query_has(req, names[i], "running")) {
            states |= 1u << MU_TASK_RUNNING;
        }
        if (mrt_query_has(req, names[i], "staging")) {
            states |= 1u << MU_TASK_STAGING | 1u << MU_TASK_STARTING;
        }
    }
    return states;
}

/* The tasks of all apps below path; what: named in the 404 if there is none, or NULL. */
static void list_below(struct mrt_request *rq, const char *path, const char *what)
{
    bool text = mrt_accepted_form(rq->http) == MRT_FORM_TEXT;
    struct mrt_pages *p = mrt_pages_create(rq, text ? MRT_TEXT : MRT_JSON,
                                           text ? mrt_page_lines : mrt_page_tasks);
    p->states = wanted_states(rq->http);
    mrt_pages_add_text(p, text ? "" : "{\"tasks\":[");
    size_t before = p->program.len;
    int rc = mrt_pages_add_apps(p, path, NULL, NULL);
    bool empty = p->program.len == before && what != NULL;
    mrt_pages_add_text(p, text ? "" : "]}");
    if (rc >= 0 && !empty) {
        mrt_pages_send(p);
        return;
    }
    mrt_pages_free(p);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_answer_message(rq->m, rq->x, 404, "%s '%s' does not exist", what, path);
    }
}

void mrt_tasks_list(struct mrt_request *rq)
{
    list_below(rq, "/", NULL);
}

void mrt_group_tasks(struct mrt_request *rq)
{
    list_below(rq, rq->id, strcmp(rq->id, "/") == 0 ? NULL : "Group");
}

void mrt_app_tasks(struct mrt_request *rq)
{
    struct mu_app *app = NULL;
    bool text = mrt_accepted_form(rq->http) == MRT_FORM_TEXT;
    int rc = mrt_find_app(rq->m, rq->id, &app);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else if (app == NULL) {
        mrt_answer_message(rq->m, rq->x, 404, "App '%s' does not exist", rq->id);
    } else {
        struct mrt_pages *p = mrt_pages_create(rq, text ? MRT_TEXT : MRT_JSON,
                                               text ? mrt_page_lines : mrt_page_tasks);
        p->states = wanted_states(rq->http);
        mrt_pages_add_text(p, text ? "" : "{\"tasks\":[");
        mrt_pages_add_app(p, rq->id);
        mrt_pages_add_text(p, text ? "" : "]}");
        mrt_pages_send(p);
    }
    mu_app_unref(app);
}
