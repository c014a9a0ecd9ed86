/* /metrics and /metrics/prometheus: what the host counts, in both forms. */
#include <string.h>

#include "handlers.h"

enum { BODY_MAX = 4 * 1024 * 1024 };

/* "marathon.tasks.killed.counter" is one; everything else may go down too. */
static bool is_counter(const char *name)
{
    return strstr(name, ".counter") != NULL;
}

struct list {
    struct mu_jw *w;
    bool counters;
};

static void on_value(void *arg, const char *name, double value)
{
    struct list *l = arg;
    if (is_counter(name) != l->counters) {
        return;
    }
    mu_jw_key(l->w, name);
    mu_jw_object_begin(l->w);
    mu_jw_key(l->w, l->counters ? "count" : "value");
    mu_jw_double(l->w, value);
    mu_jw_object_end(l->w);
}

static void write_values(struct mrt *m, struct mu_jw *w, const char *key, bool counters)
{
    struct list l = {w, counters};
    mu_jw_key(w, key);
    mu_jw_object_begin(w);
    m->host->metrics_each(m->host, on_value, &l);
    mu_jw_object_end(w);
}

static void write_none(struct mu_jw *w, const char *key)
{
    mu_jw_key(w, key);
    mu_jw_object_begin(w);
    mu_jw_object_end(w);
}

void mrt_metrics_json(struct mrt_request *rq)
{
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "version", "4.0.0");
    write_values(rq->m, &w, "gauges", false);
    write_values(rq->m, &w, "counters", true);
    write_none(&w, "histograms");
    write_none(&w, "meters");
    write_none(&w, "timers");
    mu_jw_object_end(&w);
    mrt_answer(rq->m, rq->x, 200, &body);
    mu_buf_release(&body);
}

static void write_name(struct mu_buf *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9' && p > name);
        (void)mu_buf_putc(out, plain ? *p : '_');
    }
}

static void on_line(void *arg, const char *name, double value)
{
    struct mu_buf *out = arg;
    struct mu_jw w;
    (void)mu_buf_puts(out, "# TYPE ");
    write_name(out, name);
    (void)mu_buf_puts(out, is_counter(name) ? " counter\n" : " gauge\n");
    write_name(out, name);
    (void)mu_buf_putc(out, ' ');
    mu_jw_init(&w, out);
    mu_jw_double(&w, value);
    (void)mu_buf_putc(out, '\n');
}

void mrt_metrics_prometheus(struct mrt_request *rq)
{
    struct mu_buf body;
    mu_buf_init(&body, BODY_MAX);
    rq->m->host->metrics_each(rq->m->host, on_line, &body);
    mrt_answer_with(rq->m, rq->x, 200, "text/plain; version=0.0.4; charset=utf-8", &body,
                    NULL, 0);
    mu_buf_release(&body);
}
