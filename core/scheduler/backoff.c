/* See backoff.h. */
#include "scheduler/backoff.h"

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

void backoff_expire(struct backoff *b, const struct mu_app *app, uint64_t now_ms)
{
    if (b->active && now_ms > b->reference_ms &&
        now_ms - b->reference_ms > app->max_launch_delay_ms) {
        backoff_reset(b);
    }
}

void backoff_fail(struct backoff *b, const struct mu_app *app, uint64_t now_ms)
{
    backoff_expire(b, app, now_ms);
    uint64_t next = app->backoff_ms;
    if (b->active) {
        next = __builtin_mul_overflow(b->delay_ms, (uint64_t)app->backoff_factor_milli,
                                      &next)
                   ? UINT64_MAX
                   : next / 1000;
    }
    b->active = true;
    b->delay_ms = at_most(next, app->max_launch_delay_ms);
    b->reference_ms = now_ms;
    b->deadline_ms =
        b->delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + b->delay_ms;
}

void backoff_advance(struct backoff *b, uint64_t now_ms)
{
    if (b->active) {
        b->reference_ms = now_ms;
    }
}

void backoff_reset(struct backoff *b)
{
    *b = (struct backoff){0};
}

uint64_t backoff_left(const struct backoff *b, uint64_t now_ms)
{
    return b->active && b->deadline_ms > now_ms ? b->deadline_ms - now_ms : 0;
}
