/* Deployments: what runs, and its rollback. */
#include <string.h>

#include "arguments.h"
#include "codec_deployment_out.h"
#include "handlers.h"

enum { BODY_MAX = 64 * 1024 * 1024 };

struct list {
    struct mu_jw w;
    bool with_waiting;
};

static void on_deployment(void *arg, const void *row)
{
    struct list *l = arg;
    mrt_deployment_write(&l->w, row, l->with_waiting);
}

void mrt_deployments_list(struct mrt_request *rq)
{
    struct mu_buf body;
    struct list l = {.with_waiting = mrt_query_has(rq->http, "embed", "waitingFor")};
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&l.w, &body);
    mu_jw_array_begin(&l.w);
    int rc = rq->m->core->query(rq->m->core, MU_Q_DEPLOYMENTS, NULL, on_deployment, &l);
    mu_jw_array_end(&l.w);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_answer(rq->m, rq->x, 200, &body);
    }
    mu_buf_release(&body);
}

static void answer_stopped(struct mrt_call *c, const struct mu_command_result *r)
{
    (void)r;
    mrt_answer_with(c->rq.m, c->rq.x, 202, NULL, NULL, NULL, 0);
}

void mrt_deployment_delete(struct mrt_call *c)
{
    bool force = mrt_query_flag(c->rq.http, "force", false);
    const char *ids[] = {c->rq.sub};
    struct mu_command_request cmd = {
        .type = MU_CMD_DEPLOYMENT_STOP, .ids = ids, .id_count = 1, .force = force};
    mrt_call_submit(c, &cmd, force ? answer_stopped : mrt_call_answer_result);
}
