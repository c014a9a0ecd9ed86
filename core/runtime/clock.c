/* See clock.h. The libuv loop has a cached clock of its own; it is not used here because
 * a long loop turn makes it stale, and because foreign threads log with a time, too.
 *
 * CLOCK_BOOTTIME, which goes on while the machine is suspended: the time-outs that others
 * hold against this process (its ZooKeeper session, its agents' pings) go on as well, and
 * a leader's lease must be over when it wakes up. */
#include "runtime/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts); /* fails only for a clock that Linux has had since 2011
                                   */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t rt_clock_now_ms(void)
{
    return (uint64_t)read_ms(CLOCK_BOOTTIME);
}

uint64_t rt_clock_now_us(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* as above */
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t rt_clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}
