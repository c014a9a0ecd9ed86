/* Who wants instances, and since when; the delay after failures; and why offers were of
 * no use. An app that wants instances is in one of two lists: ready, or delayed until its
 * timer.
 */
#include <inttypes.h>
#include <string.h>

#include "scheduler/internal.h"

static const struct mu_app *params_of(const struct sched_app *a)
{
    return a->def != NULL ? a->def : a->launch.def;
}

bool queue_is_delayed(const struct scheduler *s, const struct sched_app *a)
{
    return backoff_left(&a->launch.backoff, s->now.mono_ms) > 0;
}

/* Put the app where it belongs. */
static void place(struct scheduler *s, struct sched_app *a)
{
    struct launch_entry *e = &a->launch;
    mu_list_remove(&e->link);
    if (e->want == 0) {
        timer_set(s, &e->timer, MU_NEVER_MS);
        return;
    }
    if (queue_is_delayed(s, a)) {
        mu_list_append(&s->delayed, &e->link);
        timer_set(s, &e->timer, e->backoff.deadline_ms);
        return;
    }
    mu_list_append(&s->ready, &e->link);
    timer_set(s, &e->timer, MU_NEVER_MS);
}

static void forget_offers(struct launch_entry *e)
{
    e->offers_processed = 0;
    e->offers_unused = 0;
    e->last_unused_ms = 0;
    e->last_used_ms = 0;
    memset(e->declined, 0, sizeof(e->declined));
    memset(e->processed, 0, sizeof(e->processed));
    e->refusal[0] = '\0';
}

static void set_def(struct launch_entry *e, const struct mu_app *def)
{
    if (e->def != def) {
        const struct mu_app *before = e->def;
        e->def = def != NULL ? mu_app_ref(def) : NULL;
        mu_app_unref(before);
    }
}

void queue_want(struct scheduler *s,
                struct sched_app *a,
                const struct mu_app *def,
                uint32_t want)
{
    struct launch_entry *e = &a->launch;
    want = def != NULL ? want : 0;
    bool more = want > e->want;
    if (e->want == 0 && want > 0) {
        e->since_ms = s->now.wall_ms;
    }
    if (want > 0 && e->def != def) { /* what fitted nowhere may fit now */
        forget_offers(e);
        s->new_work = s->new_work || !queue_is_delayed(s, a);
    }
    set_def(e, want > 0 ? def : NULL);
    if (want == e->want) {
        return;
    }
    e->want = want;
    place(s, a);
    s->new_work = s->new_work || (more && !queue_is_delayed(s, a));
}

void queue_taken(struct scheduler *s, struct sched_app *a)
{
    MU_PRE(a->launch.want > 0);
    a->launch.want--;
    a->launch.last_used_ms = s->now.wall_ms;
    if (a->launch.want == 0) {
        set_def(&a->launch, NULL);
        place(s, a);
    }
}

/* Instances that were launched before the last failure fail for the same reason: one
 * round of failures is one failure, however many instances it hits. */
void queue_failed(struct scheduler *s, struct sched_app *a, const struct sched_task *t)
{
    struct launch_entry *e = &a->launch;
    const struct mu_app *params = a->def != NULL ? a->def : t->def;
    if (task_is_old(t) || (e->failed_ms != 0 && t->launched_ms <= e->failed_ms)) {
        return;
    }
    backoff_fail(&e->backoff, params, s->now.mono_ms);
    e->failed_ms = s->now.mono_ms;
    e->failed_wall_ms = s->now.wall_ms;
    e->is_recorded = true;
    store_delay(s, a->id);
    place(s, a);
    emit_log(s, MU_INFO, "launch delayed app=%s delay_ms=%" PRIu64, a->id,
             e->backoff.delay_ms);
}

static void unrecord(struct scheduler *s, struct sched_app *a)
{
    if (a->launch.is_recorded) {
        a->launch.is_recorded = false;
        store_delay(s, a->id);
    }
}

void queue_alive(struct scheduler *s, struct sched_app *a)
{
    struct backoff *b = &a->launch.backoff;
    const struct mu_app *params = params_of(a);
    if (params != NULL) {
        backoff_expire(b, params, s->now.mono_ms);
    }
    if (!b->active) {
        unrecord(s, a);
    }
    backoff_advance(b, s->now.mono_ms);
}

void queue_reset(struct scheduler *s, struct sched_app *a)
{
    bool was_delayed = queue_is_delayed(s, a);
    backoff_reset(&a->launch.backoff);
    a->launch.failed_ms = 0;
    unrecord(s, a);
    if (was_delayed) {
        place(s, a);
        s->new_work = s->new_work || a->launch.want > 0;
    }
}

/* Clocks of two masters differ: nobody waits longer than the delay itself. A delay that
 * has been over for so long that it would have been forgotten is. */
void queue_restore(struct scheduler *s, struct sched_app *a)
{
    struct launch_entry *e = &a->launch;
    const struct scheduler_delay_record *r = e->loaded;
    if (r == NULL) {
        return;
    }
    e->is_recorded = true;
    uint64_t age_ms =
        s->now.wall_ms > r->failed_ms ? (uint64_t)(s->now.wall_ms - r->failed_ms) : 0;
    bool is_valid =
        a->def != NULL && a->def->last_config_ms == r->config_ms &&
        (age_ms < r->delay_ms || age_ms - r->delay_ms <= a->def->max_launch_delay_ms);
    if (is_valid) {
        e->failed_wall_ms = r->failed_ms;
        uint64_t left_ms = age_ms < r->delay_ms ? r->delay_ms - age_ms : 0;
        e->backoff = (struct backoff){.active = true,
                                      .delay_ms = r->delay_ms,
                                      .reference_ms = s->now.mono_ms,
                                      .deadline_ms = later_ms(s->now.mono_ms, left_ms)};
    } else {
        unrecord(s, a);
    }
    delay_release(e->loaded);
    e->loaded = NULL;
}

void queue_on_timer(struct scheduler *s, struct sched_app *a)
{
    place(s, a);
    s->new_work = s->new_work || !queue_is_delayed(s, a);
}

uint64_t queue_next_deadline(const struct scheduler *s)
{
    uint64_t next = MU_NEVER_MS;
    mu_list_foreach (n, &s->delayed) {
        const struct launch_entry *e = mu_list_entry(n, struct launch_entry, link);
        next = e->backoff.deadline_ms < next ? e->backoff.deadline_ms : next;
    }
    return next;
}

void queue_waiting_for(const struct scheduler *s,
                       const struct sched_app *a,
                       uint64_t now_ms,
                       struct mu_buf *out)
{
    uint64_t left = backoff_left(&a->launch.backoff, now_ms);
    if (left > 0) {
        (void)mu_buf_printf(out, "delayed after a failure for another %" PRIu64 ".%03d s",
                            left / 1000, (int)(left % 1000));
    } else if (s->link != LINK_SUBSCRIBED) {
        (void)mu_buf_puts(out, "no connection to a master");
    } else if (!s->framework_stored) {
        (void)mu_buf_puts(out, "the registry is storing the framework id");
    } else if (store_slow_ms(s, now_ms) > 0) {
        store_put_slow(s, now_ms, out);
    } else if (s->launch_pause_ms > now_ms) {
        (void)mu_buf_puts(out, "the registry could not store the last launch");
    } else if (a->launch.refusal[0] != '\0') {
        (void)mu_buf_puts(out, a->launch.refusal);
    } else {
        (void)mu_buf_puts(out, "no offer yet");
    }
}
