/* Dispatch of the agent machine; state.h has its state and the map of the files. */
#include "agent/agent.h"

#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

struct agent *agent_create(const struct agent_config *cfg)
{
    struct agent *a = MU_NEW(struct agent);
    a->cfg = *cfg;
    mu_agent_info_copy(&a->info, &cfg->info);
    a->info.id = (struct mu_agent_id){0};
    a->work_dir = mu_xstrdup(cfg->work_dir);
    mu_prng_seed(&a->prng, cfg->seed);
    mu_omap_init(&a->tasks);
    mu_omap_init(&a->containers);
    a->register_at_ms = a->silence_at_ms = a->heal_at_ms = MU_NEVER_MS;
    return a;
}

void agent_destroy(struct agent *a)
{
    if (a == NULL) {
        return;
    }
    mu_omap_foreach (e, &a->tasks) {
        agent_task_free(e->value);
    }
    mu_omap_release(&a->tasks);
    mu_omap_release(&a->containers);
    for (size_t i = 0; i < a->completed.count; i++) {
        agent_task_free(a->completed.v[i]);
    }
    free(a->completed.v);
    for (size_t i = 0; i < a->thens.count; i++) {
        free(a->thens.v[i].key);
    }
    free(a->thens.v);
    for (size_t i = 0; i < a->garbage.count; i++) {
        free(a->garbage.v[i].sandbox);
    }
    free(a->garbage.v);
    mu_agent_info_release(&a->info);
    free(a->work_dir);
    free(a);
}

static void do_then(struct agent *a, const struct then *x)
{
    struct task *t = x->key == NULL ? NULL : mu_omap_get(&a->tasks, x->key);
    switch (x->kind) {
    case THEN_NOTHING:
        break;
    case THEN_PREPARE:
        if (t != NULL && t->phase == PHASE_ACCEPTED) {
            agent_task_prepare(a, t);
        }
        break;
    case THEN_SEND:
        agent_update_durable(a, x->key, &x->uuid);
        break;
    }
}

/* With a failed journal what runs is left running, and its updates are sent although a
 * crash would lose them. */
static void on_journalled(struct agent *a, const struct agent_event *ev)
{
    if (ev->status < 0) {
        agent_journal_failed(a, ev->token, ev->status);
    }
    while (a->thens.count > 0 && a->thens.v[0].token <= ev->token) {
        struct then x = a->thens.v[0];
        MU_VEC_REMOVE(&a->thens, 0);
        do_then(a, &x);
        free(x.key);
    }
}

static void on_message(struct agent *a, const struct agent_event *ev)
{
    if (ev->link != a->link || a->link == 0 || a->state != AGENT_RUNNING) {
        return; /* of a link that was left */
    }
    const struct mu_msg *m = ev->msg;
    agent_heard(a);
    if (m->type == MU_MSG_REGISTERED || m->type == MU_MSG_REREGISTERED) {
        agent_on_registered(a, m);
    } else if (m->type == MU_MSG_REFUSED) {
        agent_on_refused(a, m);
    } else if (m->type == MU_MSG_SHUTDOWN) {
        agent_emit(a, AGENT_FX_SHUTDOWN)->text =
            mu_xstrdup(m->text == NULL ? "the master asked for it" : m->text);
    } else if (m->type == MU_MSG_PING) {
        agent_emit_send(a, MU_MSG_PONG);
    } else if (!a->registered) {
        agent_log(a, MU_WARN, "%s came before this agent was registered: left alone",
                  mu_msg_type_name((enum mu_msg_type)m->type));
    } else if (m->type == MU_MSG_RUN_TASK) {
        agent_task_run(a, m);
    } else if (m->type == MU_MSG_KILL_TASK) {
        agent_task_kill(a, m);
    } else if (m->type == MU_MSG_ACK_UPDATE) {
        agent_update_acknowledged(a, m);
    } else {
        agent_log(a, MU_WARN, "message %s is none that an agent takes",
                  mu_msg_type_name((enum mu_msg_type)m->type));
    }
}

static void tick(struct agent *a)
{
    uint64_t now = a->now.mono_ms;
    if (now >= a->silence_at_ms && a->link != 0) {
        agent_log(a, MU_WARN, "the master has been silent for %llu ms, connecting anew",
                  (unsigned long long)a->silence_ms);
        agent_emit(a, AGENT_FX_RECONNECT)->link = a->link;
        agent_link_changed(a, 0);
    }
    if (now >= a->register_at_ms && a->link != 0 && !a->registered) {
        agent_register(a);
    }
    mu_omap_foreach_safe (e, &a->tasks) {
        agent_task_tick(a, e->value);
        agent_update_tick(a, e->value);
    }
    agent_garbage_collect(a);
    agent_maybe_compact(a);
    agent_heal_tick(a);
}

void agent_step(struct agent *a, const struct agent_event *ev, struct agent_effects *out)
{
    a->now = ev->now;
    a->out = out;
    if (a->start_wall_ms == 0) {
        a->start_wall_ms = ev->now.wall_ms;
    }
    switch ((enum agent_event_type)ev->type) {
    case AGENT_EV_TICK:
        break;
    case AGENT_EV_REPLAY:
        MU_PRE(a->state == AGENT_REPLAYING);
        agent_replay(a, ev->record);
        break;
    case AGENT_EV_REPLAYED:
        MU_PRE(a->state == AGENT_REPLAYING);
        agent_replayed(a);
        break;
    case AGENT_EV_JOURNALLED:
        on_journalled(a, ev);
        break;
    case AGENT_EV_COMPACTED:
        agent_on_compacted(a, ev);
        break;
    case AGENT_EV_MASTER:
        agent_link_changed(a, ev->link);
        break;
    case AGENT_EV_MESSAGE:
        on_message(a, ev);
        break;
    case AGENT_EV_CONTAINER:
        agent_on_container(a, ev);
        break;
    case AGENT_EV_RECOVERED:
        agent_recovered(a, ev);
        break;
    case AGENT_EV_CHOSEN:
        agent_task_on_chosen(a, ev);
        break;
    case AGENT_EV_PREPARED:
        agent_task_on_prepared(a, ev);
        break;
    case AGENT_EV_LAUNCHED:
        agent_task_on_launched(a, ev);
        break;
    case AGENT_EV_EXITED: {
        struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
        if (t != NULL) {
            agent_task_on_exited(a, t, ev->exit);
        }
        break;
    }
    case AGENT_EV_DESTROYED:
        agent_task_on_destroyed(a, ev);
        break;
    }
    if (a->state == AGENT_RUNNING) {
        tick(a); /* whatever is due by now, so that a late timer changes nothing */
    }
    a->out = NULL;
}

static uint64_t earlier(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

uint64_t agent_deadline_ms(const struct agent *a)
{
    if (a->state != AGENT_RUNNING) {
        return MU_NEVER_MS;
    }
    uint64_t at = earlier(a->heal_at_ms, earlier(a->silence_at_ms, a->register_at_ms));
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        at = earlier(at, earlier(earlier(t->kill_at_ms, t->destroy_retry_ms),
                                 earlier(t->starting_at_ms, t->retry_at_ms)));
    }
    for (size_t i = 0; i < a->garbage.count; i++) {
        at = earlier(at, a->garbage.v[i].due_ms);
    }
    return at;
}
