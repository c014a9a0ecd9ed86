/* `taskStats` of an app: counts and life times, for all tasks, those of the newest
 * configuration, the others, and those started after the last scaling. Pure. */
#ifndef MRT_CODEC_TASK_STATS_H
#define MRT_CODEC_TASK_STATS_H

#include <muster/json_writer.h>
#include <muster/kind/api.h>

enum mrt_stats_category {
    MRT_STATS_AFTER_SCALING,
    MRT_STATS_LATEST,
    MRT_STATS_OUTDATED,
    MRT_STATS_TOTAL,
    MRT_STATS_COUNT
};

struct mrt_stats {
    uint32_t tasks, staged, running, healthy, unhealthy;
    int64_t *ages_ms; /* of those that have started */
    size_t age_count, age_cap;
};

struct mrt_task_stats {
    const struct mu_app *app;
    int64_t now_ms; /* wall */
    struct mrt_stats of[MRT_STATS_COUNT];
};

void mrt_task_stats_add(struct mrt_task_stats *s, const struct mu_app_task_row *t);
void mrt_task_stats_write(struct mu_jw *w, struct mrt_task_stats *s);
void mrt_task_stats_release(struct mrt_task_stats *s);

#endif
