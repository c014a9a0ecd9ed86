/* See timers.h. */
#include "runtime/timers.h"

#include <stdlib.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/heap.h"
#include "runtime/clock.h"

#define TIMER_MAGIC 0x54494d52u

struct mu_timer {
    uint32_t magic;
    struct mu_heap_node node; /* key: due time in ms; tie: order of the starts */
    mu_cb cb;
    void *arg;
};

struct rt_timers {
    uv_timer_t alarm; /* when the earliest timer is in the future */
    uv_idle_t soon;   /* when it is due: next turn, after the sockets had theirs */
    struct mu_heap heap;
    uint64_t next_order;
    bool running, closing;
    int open_handles;
    mu_cb closed_cb;
    void *closed_arg;
};

static void on_alarm(uv_timer_t *alarm);
static void on_soon(uv_idle_t *soon);

/* Wake up for the earliest timer. Never from inside a run, which does it once at its end.
 */
static void arm(struct rt_timers *t)
{
    if (t->running || t->closing) {
        return;
    }
    (void)uv_timer_stop(&t->alarm);
    (void)uv_idle_stop(&t->soon);
    const struct mu_heap_node *first = mu_heap_top(&t->heap);
    if (first == NULL) {
        return;
    }
    uint64_t now_ms = rt_clock_now_ms();
    if (first->key <= now_ms) {
        (void)uv_idle_start(&t->soon, on_soon);
    } else {
        (void)uv_timer_start(&t->alarm, on_alarm, first->key - now_ms, 0);
    }
}

static void run_due(struct rt_timers *t)
{
    uint64_t now_ms = rt_clock_now_ms();
    uint64_t end_order = t->next_order;
    t->running = true;
    while (!t->closing) {
        struct mu_heap_node *first = mu_heap_top(&t->heap);
        if (first == NULL || first->key > now_ms || first->tie >= end_order) {
            break;
        }
        (void)mu_heap_pop(&t->heap);
        struct mu_timer *timer = mu_container_of(first, struct mu_timer, node);
        mu_cb cb = timer->cb;
        void *arg = timer->arg;
        timer->magic = 0;
        free(timer);
        cb(arg);
    }
    t->running = false;
    arm(t);
}

static void on_alarm(uv_timer_t *alarm)
{
    run_due(alarm->data);
}

static void on_soon(uv_idle_t *soon)
{
    run_due(soon->data);
}

struct rt_timers *rt_timers_open(struct uv_loop_s *loop)
{
    struct rt_timers *t = MU_NEW(struct rt_timers);
    mu_heap_init(&t->heap);
    (void)uv_timer_init(loop, &t->alarm); /* these two cannot fail */
    (void)uv_idle_init(loop, &t->soon);
    t->alarm.data = t;
    t->soon.data = t;
    t->open_handles = 2;
    return t;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct rt_timers *t = handle->data;
    if (--t->open_handles > 0) {
        return;
    }
    mu_cb cb = t->closed_cb;
    void *arg = t->closed_arg;
    mu_heap_release(&t->heap);
    free(t);
    if (cb != NULL) {
        cb(arg);
    }
}

void rt_timers_close(struct rt_timers *t, mu_cb cb, void *arg)
{
    MU_ASSERT(!t->closing);
    t->closing = true;
    t->closed_cb = cb;
    t->closed_arg = arg;
    for (struct mu_heap_node *n = mu_heap_pop(&t->heap); n != NULL;
         n = mu_heap_pop(&t->heap)) {
        free(mu_container_of(n, struct mu_timer, node));
    }
    uv_close((uv_handle_t *)&t->alarm, on_handle_closed);
    uv_close((uv_handle_t *)&t->soon, on_handle_closed);
}

struct mu_timer *
rt_timers_start(struct rt_timers *t, uint64_t delay_ms, mu_cb cb, void *arg)
{
    MU_ASSERT(!t->closing);
    struct mu_timer *timer = MU_NEW(struct mu_timer);
    timer->magic = TIMER_MAGIC;
    timer->cb = cb;
    timer->arg = arg;
    uint64_t now_ms = rt_clock_now_ms();
    uint64_t due_ms = delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms;
    mu_heap_push_tie(&t->heap, &timer->node, due_ms, t->next_order++);
    if (mu_heap_top(&t->heap) == &timer->node) {
        arm(t);
    }
    return timer;
}

void rt_timers_cancel(struct rt_timers *t, struct mu_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    MU_ASSERT(timer->magic == TIMER_MAGIC);
    bool was_first = mu_heap_top(&t->heap) == &timer->node;
    mu_heap_remove(&t->heap, &timer->node);
    timer->magic = 0;
    free(timer);
    if (was_first) {
        arm(t);
    }
}

size_t rt_timers_count(const struct rt_timers *t)
{
    return t->heap.count;
}
