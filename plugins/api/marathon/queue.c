/* The launch queue: what waits for offers or for the end of its delay, and why. */
#include <string.h>

#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"

enum { BODY_MAX = 256 * 1024 * 1024 };

struct list {
    struct mu_jw w;
    bool with_waiting, with_offers;
};

static void rejects_write(struct mu_jw *w, const char *key, const struct mu_queue_row *q)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    for (size_t i = 0; i < sizeof(q->rejects) / sizeof(q->rejects[0]); i++) {
        if (q->rejects[i].reason == NULL) {
            continue;
        }
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "reason", q->rejects[i].reason);
        mu_jw_kv_int(w, "declined", (int64_t)q->rejects[i].declined);
        mu_jw_kv_int(w, "processed", (int64_t)q->rejects[i].processed);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void offers_write(struct mu_jw *w, const struct mu_queue_row *q)
{
    mu_jw_key(w, "processedOffersSummary");
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "processedOffersCount", (int64_t)q->offers_processed);
    mu_jw_kv_int(w, "unusedOffersCount", (int64_t)q->offers_unused);
    if (q->last_unused_ms != 0) {
        mrt_time_write(w, "lastUnusedOfferAt", q->last_unused_ms);
    }
    if (q->last_used_ms != 0) {
        mrt_time_write(w, "lastUsedOfferAt", q->last_used_ms);
    }
    rejects_write(w, "rejectSummaryLastOffers", q);
    rejects_write(w, "rejectSummaryLaunchAttempt", q);
    mu_jw_object_end(w);
}

static void on_entry(void *arg, const void *row)
{
    struct list *l = arg;
    struct mu_jw *w = &l->w;
    const struct mu_queue_row *q = row;
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "count", q->count);
    mu_jw_key(w, "delay");
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "timeLeftSeconds",
                 q->overdue ? 0 : (int64_t)((q->delay_left_ms + 999) / 1000));
    mu_jw_kv_bool(w, "overdue", q->overdue);
    mu_jw_object_end(w);
    mrt_time_write(w, "since", q->since_ms);
    offers_write(w, q);
    if (l->with_offers) { /* the core keeps reasons, not the offers themselves */
        mu_jw_key(w, "lastUnusedOffers");
        mu_jw_array_begin(w);
        mu_jw_array_end(w);
    }
    if (l->with_waiting) {
        mu_jw_kv_string(w, "waitingFor", q->waiting_for);
    }
    mu_jw_key(w, "app");
    mrt_app_write(w, q->app, NULL);
    mu_jw_object_end(w);
}

void mrt_queue_list(struct mrt_request *rq)
{
    struct mu_buf body;
    struct list l = {
        .with_waiting = mrt_query_has(rq->http, "embed", "waitingFor"),
        .with_offers = mrt_query_has(rq->http, "embed", "lastUnusedOffers"),
    };
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&l.w, &body);
    mu_jw_object_begin(&l.w);
    mu_jw_key(&l.w, "queue");
    mu_jw_array_begin(&l.w);
    int rc = rq->m->core->query(rq->m->core, MU_Q_QUEUE, NULL, on_entry, &l);
    mu_jw_array_end(&l.w);
    mu_jw_object_end(&l.w);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        mrt_answer(rq->m, rq->x, 200, &body);
    }
    mu_buf_release(&body);
}

struct search {
    const char *id;
    bool found;
};

static void on_search(void *arg, const void *row)
{
    struct search *s = arg;
    const struct mu_queue_row *q = row;
    s->found = s->found || strcmp(q->app->id, s->id) == 0;
}

static void answer_reset(struct mrt_call *c, const struct mu_command_result *r)
{
    (void)r;
    mrt_answer_with(c->rq.m, c->rq.x, 204, NULL, NULL, NULL, 0);
}

void mrt_queue_reset(struct mrt_call *c)
{
    struct search s = {c->rq.id, false};
    const char *ids[] = {c->rq.id};
    struct mu_command_request cmd = {
        .type = MU_CMD_QUEUE_RESET, .ids = ids, .id_count = 1};
    int rc = c->rq.m->core->query(c->rq.m->core, MU_Q_QUEUE, NULL, on_search, &s);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else if (!s.found) {
        mrt_call_refuse(c, 404, "Application %s not found in tasks queue.", c->rq.id);
    } else {
        mrt_call_submit(c, &cmd, answer_reset);
    }
}
