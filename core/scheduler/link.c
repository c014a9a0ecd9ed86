/* The link to the master: subscription, and whether offers are wanted.
 *
 * REVIVE goes out at once when an app begins to want instances; for old wishes that may
 * have become possible (a task ended), at most every min_revive_interval_ms. SUPPRESS
 * goes out when nobody wants anything and nobody is about to.
 */
#include <string.h>

#include "scheduler/internal.h"

static void move(struct scheduler *s, enum link_state to)
{
    s->link = mu_sm_move(&link_sm, s->link, to);
}

void link_subscribe(struct scheduler *s)
{
    if (s->link != LINK_UP || s->state != SCHED_READY) {
        return;
    }
    struct mu_framework_info f = {
        .id = s->framework_id,
        .name = mu_xstrdup(s->cfg.name),
        .user = mu_xstrdup(s->cfg.user),
        .role = mu_xstrdup(s->cfg.role),
        .hostname = mu_xstrdup(s->cfg.hostname),
        .webui_url = mu_xstrdup(s->cfg.webui_url),
        .failover_timeout_ms = s->cfg.failover_timeout_ms,
        .checkpoint = true,
        .capabilities = MU_CAP_PARTITION_AWARE | MU_CAP_TASK_KILLING_STATE,
    };
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_SUBSCRIBE);
    mu_msg_set_framework(&m, &f);
    mu_framework_info_release(&f);
    emit_send(s, &m);
    move(s, LINK_SUBSCRIBING);
}

void link_on_connected(struct scheduler *s)
{
    if (s->link != LINK_DOWN) {
        link_on_disconnected(s); /* a new link replaces the old one */
    }
    move(s, LINK_UP);
    link_subscribe(s);
}

void link_on_disconnected(struct scheduler *s)
{
    if (s->link == LINK_DOWN) {
        return;
    }
    offers_on_disconnect(s);
    move(s, LINK_DOWN);
}

static void on_subscribed(struct scheduler *s, const struct mu_msg *m)
{
    if (s->link != LINK_SUBSCRIBING) {
        return;
    }
    move(s, LINK_SUBSCRIBED);
    if (strcmp(s->framework_id.s, m->framework_id.s) != 0) {
        if (!MU_ID_EMPTY(s->framework_id)) {
            emit_log(s, MU_ERROR, "master changed the framework id from=%s to=%s",
                     s->framework_id.s, m->framework_id.s);
        }
        s->framework_id = m->framework_id;
        s->framework_stored = false;
        store_framework(s);
    }
    emit_log(s, MU_INFO, "scheduler subscribed framework=%s", s->framework_id.s);
    emit_event(s, MU_EV_SCHEDULER_REGISTERED)->text =
        mu_arena_strdup(&s->arena, s->framework_id.s);
    s->suppressed = false;
    s->new_work = true;
    if (!s->surplus_goes && !mu_heap_has(&s->scale_timer.node)) {
        timer_set(s, &s->scale_timer,
                  later_ms(s->now.mono_ms, s->cfg.scale_apps_initial_ms));
    }
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        if (t->killing && t->kill_stored && t->phase == TASK_LAUNCHED) {
            task_send_kill(s, t);
            task_touch(s, t);
        }
    }
    reconcile_begin(s);
}

/* The master has buried this framework with all its tasks; the id is of no use any more.
 */
static void on_removed(struct scheduler *s)
{
    mu_map_foreach (e, &s->tasks) {
        struct sched_task *t = e->value;
        if (t->phase == TASK_LAUNCHED) {
            task_end(s, t, MU_TASK_KILLED);
            emit_task_event(s, t, "framework was removed");
            store_task(s, t, false);
        }
    }
    s->framework_id = (struct mu_framework_id){0};
    s->framework_stored = false;
    store_framework(s);
}

static void on_error(struct scheduler *s, const struct mu_msg *m)
{
    const char *text = m->text != NULL ? m->text : "";
    emit_log(s, MU_ERROR, "master refused the scheduler: %s", text);
    bool removed = s->link == LINK_SUBSCRIBING && !MU_ID_EMPTY(s->framework_id) &&
                   strstr(text, "has been removed") != NULL;
    if (s->link == LINK_SUBSCRIBED || s->link == LINK_SUBSCRIBING) {
        offers_on_disconnect(s);
        move(s, LINK_UP);
    }
    if (removed) {
        on_removed(s);
    }
}

void link_on_message(struct scheduler *s, const struct mu_msg *m)
{
    if (s->state != SCHED_READY) {
        return;
    }
    if (m->type == MU_MSG_SUBSCRIBED) {
        on_subscribed(s, m);
        return;
    }
    if (m->type == MU_MSG_ERROR) {
        on_error(s, m);
        return;
    }
    if (s->link != LINK_SUBSCRIBED) {
        return; /* of an older stream */
    }
    if (m->type == MU_MSG_OFFERS) {
        offers_on_message(s, m);
    } else if (m->type == MU_MSG_RESCIND) {
        offers_on_rescind(s, m);
    } else if (m->type == MU_MSG_UPDATE) {
        for (size_t i = 0; i < m->status_count; i++) {
            task_on_update(s, &m->statuses[i]);
        }
    } else if (m->type == MU_MSG_FAILURE) {
        emit_log(s, MU_WARN, "agent failed agent=%s", m->agent_id.s);
    }
}

/* ---- are offers wanted? ---- */

static void say(struct scheduler *s, enum mu_msg_type type)
{
    struct mu_msg m;
    mu_msg_init(&m, type);
    emit_send(s, &m);
}

static void revive(struct scheduler *s)
{
    say(s, MU_MSG_REVIVE);
    s->suppressed = false;
    s->has_revived = true;
    s->revived_ms = s->now.mono_ms;
    s->new_work = false;
    s->retry_work = false;
    timer_set(s, &s->revive_timer, MU_NEVER_MS);
}

static bool is_idle(const struct scheduler *s)
{
    uint64_t next = queue_next_deadline(s);
    return s->launches_in_flight == 0 && s->running_deployments == 0 &&
           (next == MU_NEVER_MS || next > later_ms(s->now.mono_ms, SCHED_SOON_MS));
}

void link_settle(struct scheduler *s)
{
    if (s->link != LINK_SUBSCRIBED || !s->framework_stored) {
        return;
    }
    if (mu_list_empty(&s->ready)) {
        s->new_work = false;
        s->retry_work = false;
        if (!s->suppressed && is_idle(s)) {
            say(s, MU_MSG_SUPPRESS);
            s->suppressed = true;
        }
        return;
    }
    if (s->launch_pause_ms > s->now.mono_ms) {
        return; /* revive_timer is set to its end */
    }
    uint64_t allowed = later_ms(s->revived_ms, s->cfg.min_revive_interval_ms);
    if (s->new_work ||
        (s->retry_work && (!s->has_revived || allowed <= s->now.mono_ms))) {
        revive(s);
    } else if (s->retry_work) {
        timer_set(s, &s->revive_timer, allowed);
    }
}
