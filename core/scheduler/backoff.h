/* The delay between launches of an app whose instances keep ending. Pure.
 *
 * The first failure waits backoff_ms, each further one backoff_factor times longer, up to
 * max_launch_delay_ms. It is forgotten when nothing happened for max_launch_delay_ms, and
 * by a reset (a new configuration, a restart, a user's wish). A zeroed struct: no delay.
 */
#ifndef MU_SCHEDULER_BACKOFF_H
#define MU_SCHEDULER_BACKOFF_H

#include <muster/app.h>

struct backoff {
    bool active;
    uint64_t delay_ms, deadline_ms; /* monotonic: no launch before */
    uint64_t reference_ms;          /* the last failure or sign of life */
};

void backoff_fail(struct backoff *b, const struct mu_app *app, uint64_t now_ms);
/* An instance is starting or running: the quiet time counts from here, the delay stays.
 */
void backoff_advance(struct backoff *b, uint64_t now_ms);
/* Forget the delay if it was quiet for long enough. */
void backoff_expire(struct backoff *b, const struct mu_app *app, uint64_t now_ms);
void backoff_reset(struct backoff *b);
/* Milliseconds until a launch is allowed; 0: now. */
uint64_t backoff_left(const struct backoff *b, uint64_t now_ms);

#endif
