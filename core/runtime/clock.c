/* See clock.h. The libuv loop has a cached clock of its own; it is not used here because
 * a long loop turn makes it stale, and because foreign threads log with a time, too. */
#include "runtime/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts); /* fails only for an unknown clock id */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t rt_clock_now_ms(void)
{
    return (uint64_t)read_ms(CLOCK_MONOTONIC);
}

int64_t rt_clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}
