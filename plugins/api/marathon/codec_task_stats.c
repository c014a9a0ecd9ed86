/* See codec_task_stats.h. */
#include "codec_task_stats.h"

#include "alloc.h"

static void count(struct mrt_stats *s, const struct mu_app_task_row *t, int64_t now_ms)
{
    s->tasks++;
    s->staged += t->state == MU_TASK_STAGING || t->state == MU_TASK_STARTING;
    if (t->state == MU_TASK_RUNNING) {
        s->running++;
        s->healthy += t->has_healthy && t->healthy;
        s->unhealthy += t->has_healthy && !t->healthy;
    }
    if (t->started_ms != 0) {
        s->ages_ms = mrt_grown(s->ages_ms, s->age_count, &s->age_cap, sizeof(int64_t));
        s->ages_ms[s->age_count++] = now_ms > t->started_ms ? now_ms - t->started_ms : 0;
    }
}

void mrt_task_stats_add(struct mrt_task_stats *s, const struct mu_app_task_row *t)
{
    /* a task from before a mere scaling still has the newest configuration */
    bool latest = t->version_ms >= s->app->last_config_ms;
    count(&s->of[MRT_STATS_TOTAL], t, s->now_ms);
    count(&s->of[latest ? MRT_STATS_LATEST : MRT_STATS_OUTDATED], t, s->now_ms);
    if (t->version_ms >= s->app->last_scaling_ms) {
        count(&s->of[MRT_STATS_AFTER_SCALING], t, s->now_ms);
    }
}

static int compare_ages(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void write_life_time(struct mu_jw *w, struct mrt_stats *s)
{
    double sum = 0;
    if (s->age_count == 0) {
        return;
    }
    qsort(s->ages_ms, s->age_count, sizeof(int64_t), compare_ages);
    for (size_t i = 0; i < s->age_count; i++) {
        sum += (double)s->ages_ms[i];
    }
    int64_t low = s->ages_ms[(s->age_count - 1) / 2];
    int64_t high = s->ages_ms[s->age_count / 2];
    mu_jw_key(w, "lifeTime");
    mu_jw_object_begin(w);
    mu_jw_key(w, "averageSeconds");
    mu_jw_double(w, sum / (double)s->age_count / 1000.0);
    mu_jw_key(w, "medianSeconds");
    mu_jw_double(w, (double)(low + high) / 2000.0);
    mu_jw_object_end(w);
}

static void write_category(struct mu_jw *w, const char *name, struct mrt_stats *s)
{
    if (s->tasks == 0) {
        return;
    }
    mu_jw_key(w, name);
    mu_jw_object_begin(w);
    mu_jw_key(w, "stats");
    mu_jw_object_begin(w);
    mu_jw_key(w, "counts");
    mu_jw_object_begin(w);
    mu_jw_kv_int(w, "staged", s->staged);
    mu_jw_kv_int(w, "running", s->running);
    mu_jw_kv_int(w, "healthy", s->healthy);
    mu_jw_kv_int(w, "unhealthy", s->unhealthy);
    mu_jw_object_end(w);
    write_life_time(w, s);
    mu_jw_object_end(w);
    mu_jw_object_end(w);
}

void mrt_task_stats_write(struct mu_jw *w, struct mrt_task_stats *s)
{
    static const char *const names[MRT_STATS_COUNT] = {
        "startedAfterLastScaling", "withLatestConfig", "withOutdatedConfig",
        "totalSummary"};
    mu_jw_object_begin(w);
    for (size_t i = 0; i < MRT_STATS_COUNT; i++) {
        write_category(w, names[i], &s->of[i]);
    }
    mu_jw_object_end(w);
}

void mrt_task_stats_release(struct mrt_task_stats *s)
{
    for (size_t i = 0; i < MRT_STATS_COUNT; i++) {
        free(s->of[i].ages_ms);
    }
}
