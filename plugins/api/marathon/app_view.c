/* See app_view.h. */
#include "app_view.h"

#include "arguments.h"
#include "codec_app_out.h"
#include "codec_task_stats.h"
#include "codec_tasks_text.h"
#include "query.h"

struct app_writer {
    struct mrt *m;
    struct mu_jw *w;
    uint32_t embed;
};

static void on_task(void *arg, const void *row)
{
    mrt_task_write(arg, row);
}

static void write_tasks(void *arg, struct mu_jw *w, const char *app_id)
{
    struct app_writer *a = arg;
    (void)a->m->core->query(a->m->core, MU_Q_APP_TASKS, app_id, on_task, w);
}

static void on_counted_task(void *arg, const void *row)
{
    mrt_task_stats_add(arg, row);
}

static void write_stats(void *arg, struct mu_jw *w, const struct mu_app *app)
{
    struct app_writer *a = arg;
    struct mrt_task_stats stats = {.app = app, .now_ms = a->m->host->wall_ms(a->m->host)};
    (void)a->m->core->query(a->m->core, MU_Q_APP_TASKS, app->id, on_counted_task, &stats);
    mrt_task_stats_write(w, &stats);
    mrt_task_stats_release(&stats);
}

static void on_app(void *arg, const void *row)
{
    struct app_writer *a = arg;
    const struct mu_app_row *r = row;
    const struct mrt_app_parts parts = {
        .row = r,
        .counts = (a->embed & MRT_EMBED_COUNTS) != 0,
        .deployments = (a->embed & MRT_EMBED_DEPLOYMENTS) != 0,
        .readiness = (a->embed & MRT_EMBED_READINESS) != 0,
        .last_failure = (a->embed & MRT_EMBED_LAST_FAILURE) != 0,
        .write_tasks = (a->embed & MRT_EMBED_TASKS) != 0 ? write_tasks : NULL,
        .write_stats = (a->embed & MRT_EMBED_TASK_STATS) != 0 ? write_stats : NULL,
        .arg = a,
    };
    mrt_app_write(a->w, r->app, &parts);
}

int mrt_write_app(struct mrt *m, struct mu_jw *w, const char *id, uint32_t embed)
{
    struct app_writer a = {m, w, embed};
    int rc = m->core->query(m->core, MU_Q_APPS, id, on_app, &a);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

static void on_page_app(void *arg, const void *row)
{
    struct mrt_pages *p = arg;
    struct mu_jw w;
    struct app_writer a = {p->m, &w, p->embed};
    mrt_pages_separate(p);
    mu_jw_init(&w, &p->out);
    on_app(&a, row);
}

int mrt_page_app(struct mrt_pages *p, const char *app_id)
{
    int rc = p->m->core->query(p->m->core, MU_Q_APPS, app_id, on_page_app, p);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

static void on_page_task(void *arg, const void *row)
{
    struct mrt_pages *p = arg;
    const struct mu_app_task_row *t = row;
    struct mu_jw w;
    if (p->states == 0 || (p->states & 1u << t->state) != 0) {
        mrt_pages_separate(p);
        mu_jw_init(&w, &p->out);
        mrt_task_write(&w, t);
    }
}

int mrt_page_tasks(struct mrt_pages *p, const char *app_id)
{
    int rc = p->m->core->query(p->m->core, MU_Q_APP_TASKS, app_id, on_page_task, p);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

static void on_line_task(void *arg, const void *row)
{
    mrt_tasks_text_add(arg, row);
}

static void on_line_app(void *arg, const void *row)
{
    struct mrt_pages *p = arg;
    const struct mu_app_row *r = row;
    struct mrt_tasks_text text = {.app = r->app, .v1 = p->v1};
    (void)p->m->core->query(p->m->core, MU_Q_APP_TASKS, r->app->id, on_line_task, &text);
    mrt_tasks_text_write(&text, &p->out);
    mrt_tasks_text_release(&text);
}

int mrt_page_lines(struct mrt_pages *p, const char *app_id)
{
    int rc = p->m->core->query(p->m->core, MU_Q_APPS, app_id, on_line_app, p);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

struct app_search {
    struct mrt_pages *p;
    const char *path;
    mrt_app_filter filter;
    const void *arg;
};

static void on_found(void *arg, const void *row)
{
    const struct app_search *s = arg;
    const struct mu_app_row *r = row;
    if (mrt_is_below(r->app->id, s->path) &&
        (s->filter == NULL || s->filter(s->arg, r->app))) {
        mrt_pages_add_app(s->p, r->app->id);
    }
}

int mrt_pages_add_apps(struct mrt_pages *p,
                       const char *path,
                       mrt_app_filter filter,
                       const void *arg)
{
    struct app_search s = {p, path, filter, arg};
    int rc = p->m->core->query(p->m->core, MU_Q_APPS, NULL, on_found, &s);
    return rc < 0 ? rc : 0;
}
