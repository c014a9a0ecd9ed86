/* See clock_watch.h. What is looked at is the distance of the two clocks: it changes only
 * when the wall clock is set (the other one goes on during a suspend).
 */
#include "runtime/clock_watch.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

#define LOOK_MS 2000u
#define JUMP_MS 1000 /* what a time daemon slews between two looks is some ms */
#define HELD_UP_MS 100u

struct clock_watch {
    const struct mu_host *host;
    struct mu_timer *timer;
    int64_t distance_ms;
    bool is_known; /* distance_ms is */
};

/* False: this thread was held up between the two readings, which says nothing of clocks.
 */
static bool read_distance(const struct mu_host *h, int64_t *out_ms)
{
    uint64_t before_ms = h->now_ms(h);
    int64_t wall_ms = h->wall_ms(h);
    uint64_t after_ms = h->now_ms(h);
    *out_ms = wall_ms - (int64_t)before_ms;
    return after_ms - before_ms <= HELD_UP_MS;
}

static void look(void *arg)
{
    struct clock_watch *w = arg;
    const struct mu_host *h = w->host;
    int64_t distance_ms = 0;
    w->timer = h->timer_start(h, LOOK_MS, look, w);
    if (!read_distance(h, &distance_ms)) {
        return;
    }
    int64_t jump_ms = w->is_known ? distance_ms - w->distance_ms : 0;
    w->distance_ms = distance_ms;
    w->is_known = true;
    if (jump_ms >= JUMP_MS || jump_ms <= -JUMP_MS) {
        h->log(h, MU_WARN, "the wall clock was set: only time stamps change, continuing",
               "by_ms=%" PRId64, jump_ms);
    }
}

struct clock_watch *clock_watch_create(const struct mu_host *host)
{
    struct clock_watch *w = MU_NEW(struct clock_watch);
    w->host = host;
    w->is_known = read_distance(host, &w->distance_ms);
    w->timer = host->timer_start(host, LOOK_MS, look, w);
    return w;
}

void clock_watch_destroy(struct clock_watch *w)
{
    if (w == NULL) {
        return;
    }
    w->host->timer_cancel(w->host, w->timer);
    free(w);
}
