/* Tasks of apps: what they count as, what their updates mean, how they are stopped.
 *
 *   TASK_UNKNOWN     an agent the master does not know (yet) may well run the task: it is
 *                    asked about again, and given up after unknown_timeout_ms
 *   TASK_UNREACHABLE counts until inactiveAfter, is then replaced, and forgotten after
 *                    expungeAfter; should it come back, it is one too many or unknown
 *   unknown tasks    running: killed; ended: acknowledged
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

/* ---- table ---- */

struct sched_task *task_get(const struct scheduler *s, const char *id)
{
    return mu_map_get(&s->tasks, id);
}

struct sched_task *task_add(struct scheduler *s, struct sched_app *a, const char *id)
{
    struct sched_task *t = MU_NEW(struct sched_task);
    int rc = MU_ID_SET(&t->id, "task id", id, NULL);
    MU_ASSERT(rc == 0);
    t->app = a;
    t->timer.kind = TIMER_TASK;
    mu_list_init(&t->unheard);
    mu_list_init(&t->known);
    mu_list_append(&s->known, &t->known);
    mu_map_put(&s->tasks, t->id.s, t);
    mu_omap_put(&a->tasks, t->id.s, t);
    return t;
}

static void uncount(struct scheduler *s, struct sched_task *t)
{
    if (!t->is_counted) {
        return;
    }
    t->app->tally.n[t->counted_old][t->counted_class]--;
    s->unsure_count -= t->counted_class == CLASS_UNSURE;
    t->is_counted = false;
}

static void set_unheard(struct scheduler *s, struct sched_task *t, bool unheard)
{
    if (unheard == mu_list_linked(&t->unheard)) {
        return;
    }
    if (unheard) {
        mu_list_append(&s->unheard, &t->unheard);
        s->unheard_count++;
        reconcile_watch_unsure(s);
    } else {
        mu_list_remove(&t->unheard);
        s->unheard_count--;
    }
}

void task_free(struct scheduler *s, struct sched_task *t)
{
    uncount(s, t);
    set_unheard(s, t, false);
    mu_list_remove(&t->known);
    timer_set(s, &t->timer, MU_NEVER_MS);
    (void)mu_map_remove(&s->tasks, t->id.s);
    (void)mu_omap_remove(&t->app->tasks, t->id.s);
    app_mark_dirty(s, t->app);
    mu_app_unref(t->def);
    free(t->host);
    free(t->ip);
    free(t->ports);
    mu_pairs_release(&t->attributes);
    free(t);
}

/* ---- what it counts as ---- */

bool task_is_old(const struct sched_task *t)
{
    return t->app->def == NULL || t->version_ms < t->app->def->last_config_ms;
}

enum task_class task_classify(const struct sched_task *t)
{
    if (t->killing) {
        return CLASS_KILLING;
    }
    if (t->phase == TASK_LAUNCHED && !t->confirmed) {
        return CLASS_UNSURE;
    }
    switch ((enum mu_task_state)t->state) {
    case MU_TASK_RUNNING:
        return t->has_healthy && !t->healthy ? CLASS_SICK : CLASS_UP;
    case MU_TASK_UNREACHABLE:
        return t->inactive ? CLASS_INACTIVE : CLASS_UNREACHABLE;
    case MU_TASK_KILLING: /* somebody else's doing, but it will end */
        return CLASS_KILLING;
    case MU_TASK_STAGING:
    case MU_TASK_STARTING:
    case MU_TASK_FINISHED:
    case MU_TASK_FAILED:
    case MU_TASK_KILLED:
    case MU_TASK_LOST:
    case MU_TASK_ERROR:
    case MU_TASK_DROPPED:
    case MU_TASK_GONE:
    case MU_TASK_GONE_BY_OPERATOR:
    case MU_TASK_UNKNOWN:
    case MU_TASK_STATE_COUNT:
        break;
    }
    return CLASS_STARTING;
}

uint32_t tally_present(const struct tally *t, int old)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < CLASS_COUNT; c++) {
        n += c != CLASS_INACTIVE ? t->n[old][c] : 0;
    }
    return n;
}

static void recount(struct scheduler *s, struct sched_task *t)
{
    uncount(s, t);
    set_unheard(s, t, t->phase == TASK_LAUNCHED && !t->confirmed);
    if (t->phase == TASK_ENDED) {
        return;
    }
    t->counted_old = task_is_old(t);
    t->counted_class = task_classify(t);
    t->is_counted = true;
    t->app->tally.n[t->counted_old][t->counted_class]++;
    s->unsure_count += t->counted_class == CLASS_UNSURE;
}

/* ---- time ---- */

static const struct mu_unreachable_strategy *strategy_of(const struct sched_task *t)
{
    return t->app->def != NULL ? &t->app->def->unreachable : &t->def->unreachable;
}

static uint64_t unreachable_deadline(const struct sched_task *t)
{
    const struct mu_unreachable_strategy *u = strategy_of(t);
    if (u->disabled) {
        return MU_NEVER_MS;
    }
    return later_ms(t->unreachable_ms,
                    t->inactive ? u->expunge_after_ms : u->inactive_after_ms);
}

static uint64_t launch_deadline(const struct scheduler *s, const struct sched_task *t)
{
    if (t->state != MU_TASK_STAGING && t->state != MU_TASK_STARTING) {
        return MU_NEVER_MS;
    }
    uint64_t launch = later_ms(t->launched_ms, s->cfg.launch_timeout_ms);
    uint64_t confirm = later_ms(t->launched_ms, s->cfg.launch_confirm_timeout_ms);
    return t->state == MU_TASK_STAGING && confirm < launch ? confirm : launch;
}

static uint64_t deadline(const struct scheduler *s, const struct sched_task *t)
{
    if (t->phase != TASK_LAUNCHED) {
        return MU_NEVER_MS;
    }
    uint64_t at = MU_NEVER_MS;
    if (t->unknown_ms != 0) {
        at = later_ms(t->unknown_ms, s->cfg.unknown_timeout_ms);
    }
    uint64_t other = MU_NEVER_MS;
    if (t->killing) {
        other = t->kill_stored ? later_ms(t->kill_sent_ms, s->cfg.kill_retry_ms)
                               : MU_NEVER_MS;
    } else if (t->confirmed && t->state == MU_TASK_UNREACHABLE) {
        other = unreachable_deadline(t);
    } else if (t->confirmed) {
        other = launch_deadline(s, t);
    } /* else: its agent may be on its way back */
    return at < other ? at : other;
}

void task_touch(struct scheduler *s, struct sched_task *t)
{
    recount(s, t);
    timer_set(s, &t->timer, deadline(s, t));
    app_mark_dirty(s, t->app);
}

/* The instance is forgotten; if it comes back it is unknown. */
static void expunge(struct scheduler *s, struct sched_task *t)
{
    emit_log(s, MU_INFO, "task forgotten task=%s state=%s", t->id.s,
             mu_task_state_name(t->state));
    task_end(s, t, t->state);
    store_task(s, t, false);
}

static void give_up_unknown(struct scheduler *s, struct sched_task *t)
{
    struct mu_task_status st = {.task_id = t->id,
                                .agent_id = t->agent_id,
                                .state = MU_TASK_GONE,
                                .message = "no agent and no master knows the task"};
    task_on_update(s, &st);
}

static void on_unreachable_timer(struct scheduler *s, struct sched_task *t)
{
    if (!t->inactive) {
        t->inactive = true;
        emit_log(s, MU_WARN, "task away for too long, replacing it task=%s", t->id.s);
        emit_instance_event(s, t);
        task_touch(s, t);
        return;
    }
    expunge(s, t);
}

void task_on_timer(struct scheduler *s, struct sched_task *t)
{
    uint64_t unknown_at = later_ms(t->unknown_ms, s->cfg.unknown_timeout_ms);
    if (t->unknown_ms != 0 && unknown_at <= s->now.mono_ms) {
        give_up_unknown(s, t);
    } else if (t->killing) {
        task_send_kill(s, t);
        task_touch(s, t);
    } else if (t->state == MU_TASK_UNREACHABLE) {
        on_unreachable_timer(s, t);
    } else {
        emit_log(s, MU_WARN, "task did not start in time, replacing it task=%s state=%s",
                 t->id.s, mu_task_state_name(t->state));
        task_kill(s, t, false);
    }
}

/* ---- stopping ---- */

void task_send_kill(struct scheduler *s, struct sched_task *t)
{
    t->kill_sent_ms = s->now.mono_ms;
    if (s->link != LINK_SUBSCRIBED) {
        return; /* the next subscription sends it */
    }
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_KILL);
    m.task_id = t->id;
    m.agent_id = t->agent_id;
    m.has_grace = t->def->has_kill_grace;
    m.grace_ms = t->def->kill_grace_ms;
    emit_send(s, &m);
    s->stats.kills++;
}

/* is_stored: the registry knows already, the KILL may go at once. */
void task_kill(struct scheduler *s, struct sched_task *t, bool is_stored)
{
    if (t->killing || t->phase == TASK_ENDED) {
        return;
    }
    t->killing = true;
    if (t->phase == TASK_LAUNCHED && t->state == MU_TASK_UNREACHABLE) {
        expunge(s, t); /* nobody there to stop it now; it is stopped if it comes back */
        return;
    }
    if (t->phase == TASK_LAUNCHED && is_stored) {
        t->kill_stored = true;
        task_send_kill(s, t);
    } else if (t->phase == TASK_LAUNCHED) {
        store_task(s, t, true);
    }
    task_touch(s, t);
}

/* ---- updates ---- */

void task_send_acknowledge(struct scheduler *s,
                           const struct mu_agent_id *agent_id,
                           const struct mu_task_id *task_id,
                           const struct mu_uuid *uuid)
{
    if (s->link != LINK_SUBSCRIBED) {
        return; /* the agent asks again */
    }
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_ACKNOWLEDGE);
    m.agent_id = *agent_id;
    m.task_id = *task_id;
    m.uuid = *uuid;
    emit_send(s, &m);
}

static void acknowledge(struct scheduler *s, const struct mu_task_status *st)
{
    if (!MU_ID_EMPTY(st->uuid)) {
        task_send_acknowledge(s, &st->agent_id, &st->task_id, &st->uuid);
    }
}

/* TASK_LOST of masters that know no better word. */
static uint32_t meaning_of(const struct mu_task_status *st)
{
    static const char *const away[] = {
        "REASON_RECONCILIATION", "REASON_AGENT_DISCONNECTED", "REASON_AGENT_REMOVED",
        "REASON_SLAVE_DISCONNECTED", "REASON_SLAVE_REMOVED"};
    if (st->state != MU_TASK_LOST) {
        return st->state < MU_TASK_STATE_COUNT ? st->state : MU_TASK_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++) {
        if (strcmp(st->reason, away[i]) == 0) {
            return MU_TASK_UNREACHABLE;
        }
    }
    return strcmp(st->reason, "REASON_TASK_UNKNOWN") == 0 ? MU_TASK_UNKNOWN
                                                          : MU_TASK_GONE;
}

static void on_stranger(struct scheduler *s, const struct mu_task_status *st)
{
    uint32_t state = meaning_of(st);
    if (mu_task_state_is_terminal(state)) {
        if (!MU_ID_EMPTY(st->uuid)) {
            emit_event(s, MU_EV_UNKNOWN_TERMINATED)->text =
                mu_arena_strdup(&s->arena, st->task_id.s);
        }
        acknowledge(s, st);
        return;
    }
    acknowledge(s, st);
    if (state == MU_TASK_UNREACHABLE || state == MU_TASK_UNKNOWN) {
        return;
    }
    emit_log(s, MU_WARN, "unknown task reported, killing it task=%s state=%s",
             st->task_id.s, mu_task_state_name(state));
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_KILL);
    m.task_id = st->task_id;
    m.agent_id = st->agent_id;
    emit_send(s, &m);
}

static bool is_failure(uint32_t state)
{
    return state == MU_TASK_FAILED || state == MU_TASK_ERROR ||
           state == MU_TASK_DROPPED || state == MU_TASK_GONE ||
           state == MU_TASK_GONE_BY_OPERATOR || state == MU_TASK_LOST ||
           state == MU_TASK_UNKNOWN;
}

static void remember_failure(struct scheduler *s,
                             struct sched_task *t,
                             const struct mu_task_status *st)
{
    struct scheduler_failure_record *f = MU_NEW(struct scheduler_failure_record);
    f->app_id = mu_xstrdup(t->app->id);
    f->task_id = mu_xstrdup(t->id.s);
    f->host = mu_xstrdup(t->host);
    f->message = mu_xstrdup(st->message);
    f->agent_id = t->agent_id;
    f->state = t->state;
    f->wall_ms = s->now.wall_ms;
    f->version_ms = t->version_ms;
    failure_release(t->app->failure);
    t->app->failure = f;
    store_failure(s, t->app->id);
}

/* It is over: it counts no more; its record is to be removed. */
void task_end(struct scheduler *s, struct sched_task *t, uint32_t state)
{
    t->state = state;
    t->phase = mu_sm_move(&task_phase_sm, t->phase, TASK_ENDED);
    s->retry_work = true; /* what it held may be what others wait for */
    task_touch(s, t);
}

static void on_terminal(struct scheduler *s,
                        struct sched_task *t,
                        uint32_t state,
                        const struct mu_task_status *st)
{
    bool asked_for = t->killing || t->state == MU_TASK_KILLING;
    /* an offer that was gone when we took it is nobody's failure */
    bool raced = strcmp(st->reason, "REASON_INVALID_OFFERS") == 0;
    task_end(s, t, state);
    emit_task_event(s, t, st->message);
    if (!asked_for && !raced && state != MU_TASK_KILLED) {
        s->stats.failures++;
        queue_failed(s, t->app, t);
        emit_log(s, MU_WARN, "task ended task=%s state=%s message=%s", t->id.s,
                 mu_task_state_name(state), st->message);
    }
    if (!asked_for && !raced && is_failure(state) && t->app->def != NULL) {
        remember_failure(s, t, st);
    }
    store_task_update(s, t, st);
}

static void on_unknown(struct scheduler *s, struct sched_task *t)
{
    if (t->unknown_ms == 0) {
        t->unknown_ms = s->now.mono_ms != 0 ? s->now.mono_ms : 1;
        t->confirmed = false;
    }
    task_touch(s, t);
}

/* A repetition by the master is dated when it was made, not when the task started. */
static int64_t time_of(const struct scheduler *s, const struct mu_task_status *st)
{
    bool first_hand = st->source != MU_SOURCE_MASTER && st->wall_ms > 0;
    return first_hand ? st->wall_ms : s->now.wall_ms;
}

static void on_move(struct scheduler *s,
                    struct sched_task *t,
                    uint32_t state,
                    const struct mu_task_status *st)
{
    t->state = state;
    t->inactive = false;
    t->unreachable_ms = state == MU_TASK_UNREACHABLE ? s->now.mono_ms : 0;
    if (state == MU_TASK_RUNNING && t->started_ms == 0) {
        t->started_ms = time_of(s, st);
    }
    if (state == MU_TASK_STAGING || state == MU_TASK_STARTING ||
        state == MU_TASK_RUNNING) {
        queue_alive(s, t->app);
    }
}

/* Health and address; true: something changed that is worth storing. */
static bool take_details(struct sched_task *t, const struct mu_task_status *st)
{
    if (st->has_healthy) {
        t->has_healthy = true;
        t->healthy = st->healthy;
    }
    if (st->ip[0] == '\0' || (t->ip != NULL && strcmp(t->ip, st->ip) == 0)) {
        return false;
    }
    free(t->ip);
    t->ip = mu_xstrdup(st->ip);
    return true;
}

static void on_alive(struct scheduler *s,
                     struct sched_task *t,
                     uint32_t state,
                     const struct mu_task_status *st)
{
    bool moved = state != t->state && mu_task_state_can_move(t->state, state);
    bool is_news = !t->confirmed;
    t->confirmed = true;
    t->unknown_ms = 0;
    bool details = take_details(t, st);
    if (moved) {
        on_move(s, t, state, st);
        emit_task_event(s, t, st->message);
    }
    if (moved || details) {
        store_task_update(s, t, st);
    } else if (MU_ID_EMPTY(t->storing_uuid) ||
               strcmp(t->storing_uuid.s, st->uuid.s) != 0) {
        acknowledge(s, st);
    } /* else: a repetition; the answer follows when its record is stored */
    if (state == MU_TASK_UNREACHABLE && t->killing) {
        expunge(s, t);
        return;
    }
    if (is_news && t->killing && t->kill_stored) {
        task_send_kill(s, t); /* what was sent before its agent came back is lost */
    }
    task_touch(s, t);
}

void task_on_update(struct scheduler *s, const struct mu_task_status *st)
{
    struct sched_task *t = task_get(s, st->task_id.s);
    s->stats.updates++;
    if (t == NULL) {
        on_stranger(s, st);
        return;
    }
    if (t->phase == TASK_ENDED) {
        if (!MU_ID_EMPTY(st->uuid)) {
            store_task_update(s, t, st);
        }
        return;
    }
    uint32_t state = meaning_of(st);
    if (state == MU_TASK_UNKNOWN) {
        acknowledge(s, st);
        on_unknown(s, t);
    } else if (mu_task_state_is_terminal(state)) {
        on_terminal(s, t, state, st);
    } else {
        on_alive(s, t, state, st);
    }
}

void task_launched(struct scheduler *s, struct sched_task *t)
{
    t->phase = mu_sm_move(&task_phase_sm, t->phase, TASK_LAUNCHED);
    t->launched_ms = s->now.mono_ms;
    t->confirmed = true;
    s->stats.launches++;
    emit_task_event(s, t, "");
    task_touch(s, t);
}
