/* The app scheduler: creation, dispatch of events, and the order of a step.
 *
 * STOPPED -> LOADING (the registry is read) -> READY; back to STOPPED at any time, with
 * everything thrown away: a returning leader starts from the registry, never from memory.
 */
#include "scheduler/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

static void copy_config(struct scheduler_config *dst, const struct scheduler_config *src)
{
    *dst = *src;
    dst->name = mu_xstrdup(src->name != NULL ? src->name : "marathon");
    dst->user = mu_xstrdup(src->user);
    dst->role = mu_xstrdup(src->role != NULL ? src->role : "*");
    dst->hostname = mu_xstrdup(src->hostname);
    dst->webui_url = mu_xstrdup(src->webui_url);
    /* a pause of nothing would be a loop without an end */
    uint64_t *const pauses[] = {
        &dst->reconcile_initial_ms,   &dst->reconcile_interval_ms,
        &dst->scale_apps_interval_ms, &dst->kill_retry_ms,
        &dst->launch_timeout_ms,      &dst->launch_confirm_timeout_ms};
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        *pauses[i] = *pauses[i] > 0 ? *pauses[i] : 1;
    }
    if (dst->unknown_timeout_ms == 0) {
        dst->unknown_timeout_ms = SCHEDULER_UNKNOWN_TIMEOUT_MS;
    }
    dst->max_tasks_per_offer =
        dst->max_tasks_per_offer > 0 ? dst->max_tasks_per_offer : 1;
    dst->max_versions = dst->max_versions > 0 ? dst->max_versions : 1;
}

struct scheduler *scheduler_create(const struct scheduler_config *cfg)
{
    struct scheduler *s = MU_NEW(struct scheduler);
    copy_config(&s->cfg, cfg);
    mu_prng_seed(&s->prng, cfg->seed);
    mu_map_init(&s->tasks, cfg->seed);
    struct mu_list *const lists[] = {
        &s->deployments, &s->dirty_apps, &s->dirty_deployments,
        &s->ready,       &s->delayed,    &s->ops,
        &s->commands,    &s->known,      &s->unheard};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        mu_list_init(lists[i]);
    }
    s->reconcile_timer.kind = TIMER_RECONCILE;
    s->unsure_timer.kind = TIMER_UNSURE;
    s->scale_timer.kind = TIMER_SCALE;
    s->revive_timer.kind = TIMER_REVIVE;
    s->store_timer.kind = TIMER_STORE;
    s->slow_timer.kind = TIMER_STORE_SLOW;
    s->load_timer.kind = TIMER_LOAD;
    s->port_range = cfg->local_port_max > cfg->local_port_min
                        ? (size_t)(cfg->local_port_max - cfg->local_port_min)
                        : 0;
    s->port_uses = mu_xcalloc(s->port_range, sizeof(*s->port_uses));
    s->next_token = 1;
    return s;
}

void scheduler_destroy(struct scheduler *s)
{
    if (s == NULL) {
        return;
    }
    struct scheduler_effects dropped = {0};
    emit_begin(s, &dropped);
    commands_fail_all(s, MU_E_NOT_LEADER, "the scheduler ends");
    scheduler_clear(s);
    scheduler_effects_release(&dropped);
    MU_VEC_RELEASE(&s->arena_apps);
    mu_arena_release(&s->arena);
    mu_map_release(&s->tasks);
    mu_omap_release(&s->apps);
    mu_omap_release(&s->tree);
    mu_heap_release(&s->timers);
    free(s->port_uses);
    const char *const texts[] = {s->cfg.name, s->cfg.user, s->cfg.role, s->cfg.hostname,
                                 s->cfg.webui_url};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free((void *)(uintptr_t)texts[i]);
    }
    free(s);
}

static void stop(struct scheduler *s)
{
    if (s->link != LINK_DOWN) { /* a stopped one may have heard of it as well */
        s->link = mu_sm_move(&link_sm, s->link, LINK_DOWN);
    }
    if (s->state == SCHED_STOPPED) {
        return;
    }
    commands_fail_all(s, MU_E_NOT_LEADER,
                      "leadership was lost; whether the change was stored is not known");
    scheduler_clear(s);
    s->state = mu_sm_move(&sched_sm, s->state, SCHED_STOPPED);
    (void)emit_event(s, MU_EV_LEADERSHIP_LOST);
    emit_log(s, MU_INFO, "scheduler stopped, all its state is dropped");
}

void scheduler_give_up(struct scheduler *s, const char *why)
{
    emit_log(s, MU_WARN, "scheduler gives up, what it knows may be out of date: %s", why);
    stop(s);
    (void)emit(s, SCHED_FX_ABDICATE);
}

static void start(struct scheduler *s, uint64_t epoch)
{
    stop(s);
    s->epoch = epoch;
    s->state = mu_sm_move(&sched_sm, s->state, SCHED_LOADING);
    load_begin(s);
}

static void dispatch(struct scheduler *s, const struct scheduler_event *ev)
{
    switch ((enum scheduler_event_type)ev->type) {
    case SCHED_EV_TICK:
        return;
    case SCHED_EV_START:
        start(s, ev->epoch);
        return;
    case SCHED_EV_STOP:
        stop(s);
        return;
    case SCHED_EV_ENTRY:
        load_entry(s, ev->record);
        return;
    case SCHED_EV_LOADED:
        load_finished(s, ev->status, ev->text);
        return;
    case SCHED_EV_COMMITTED:
        store_committed(s, ev->token, ev->status, ev->text);
        return;
    case SCHED_EV_CONNECTED:
        link_on_connected(s);
        return;
    case SCHED_EV_DISCONNECTED:
        link_on_disconnected(s);
        return;
    case SCHED_EV_MESSAGE:
        link_on_message(s, ev->msg);
        return;
    case SCHED_EV_COMMAND:
        commands_add(s, ev->token, ev->command);
        return;
    }
}

/* Until nothing is dirty: what apps are to be, and how far deployments are. */
static void converge(struct scheduler *s)
{
    for (;;) {
        struct mu_list *n = mu_list_pop(&s->dirty_apps);
        if (n != NULL) {
            struct sched_app *a = mu_list_entry(n, struct sched_app, dirty);
            deploy_converge(s, a);
            app_free_if_idle(s, a);
            continue;
        }
        n = mu_list_pop(&s->dirty_deployments);
        if (n == NULL) {
            return;
        }
        deploy_advance(s, mu_list_entry(n, struct deployment, dirty));
    }
}

static void settle(struct scheduler *s)
{
    converge(s);
    commands_run(s);
    converge(s);
    offers_settle(s);
    converge(s);
    store_flush(s);
    link_settle(s);
}

void scheduler_step(struct scheduler *s,
                    const struct scheduler_event *ev,
                    struct scheduler_effects *out)
{
    s->now = ev->now;
    emit_begin(s, out);
    timers_run(s);
    dispatch(s, ev);
    timers_run(s);
    if (s->state == SCHED_READY) {
        settle(s);
    }
    s->out = NULL;
}

uint64_t scheduler_deadline_ms(const struct scheduler *s)
{
    const struct mu_heap_node *n = mu_heap_top(&s->timers);
    return n != NULL ? n->key : MU_NEVER_MS;
}
