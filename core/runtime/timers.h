/* One-shot timers of the host services: a heap of due times behind one uv_timer handle.
 *
 * Why not a uv_timer_t per timer: cancelling would need an asynchronous close each time,
 * and libuv 1.44 runs a timer started with 0 in the same turn, so a callback that re-arms
 * itself would starve the sockets. Here a run takes only timers that were started before
 * the run began; equal due times fire in the order they were started. A timer never fires
 * before rt_clock_now_ms() has reached its start plus its delay. Loop thread only.
 */
#ifndef MU_RUNTIME_TIMERS_H
#define MU_RUNTIME_TIMERS_H

#include <muster/host.h>

struct rt_timers;

struct rt_timers *rt_timers_open(struct uv_loop_s *loop);
/* Cancels what is left; cb from the loop, then t is dead. */
void rt_timers_close(struct rt_timers *t, mu_cb cb, void *arg);
struct mu_timer *
rt_timers_start(struct rt_timers *t, uint64_t delay_ms, mu_cb cb, void *arg);
void rt_timers_cancel(struct rt_timers *t, struct mu_timer *timer); /* takes NULL */
size_t rt_timers_count(const struct rt_timers *t);

#endif
