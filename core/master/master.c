/* The master's entry points: create, destroy, step, deadline.
 *
 * A step is: take one event, let the component that knows it act, then offer whatever
 * became free. Messages are taken only while LEADING; before that a link is closed, so
 * that the peer looks for the leader again.
 */
#include "master/master.h"

#include <string.h>

#include <muster/log.h>
#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "master/state.h"

#define TO(state) MU_SM_TO(MASTER_##state)

static const struct mu_sm_state mode_states[MASTER_MODES] = {
    [MASTER_STANDBY] = {"standby", MU_SM_INITIAL, TO(RECOVERING)},
    [MASTER_RECOVERING] = {"recovering", 0, TO(LEADING) | TO(STANDBY)},
    [MASTER_LEADING] = {"leading", 0, TO(STANDBY)},
};

const struct mu_sm master_mode_sm = {"master", mode_states, MASTER_MODES};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

struct master *master_create(const struct master_config *cfg)
{
    struct master *m = MU_NEW(struct master);
    m->cfg = *cfg;
    m->cfg.hostname = mu_xstrdup(cfg->hostname != NULL ? cfg->hostname : "");
    m->cfg.ip = mu_xstrdup(cfg->ip != NULL ? cfg->ip : "");
    m->cfg.version = mu_xstrdup(cfg->version != NULL ? cfg->version : "");
    m->cfg.agent_ping_timeout_ms = or_default(cfg->agent_ping_timeout_ms, 15000);
    m->cfg.max_agent_ping_timeouts =
        (uint32_t)or_default(cfg->max_agent_ping_timeouts, 5);
    m->cfg.agent_reregister_timeout_ms =
        or_default(cfg->agent_reregister_timeout_ms, 600000);
    m->cfg.allocation_interval_ms = or_default(cfg->allocation_interval_ms, 1000);
    m->cfg.framework_heartbeat_ms = or_default(cfg->framework_heartbeat_ms, 15000);
    m->cfg.registry_gc_interval_ms = or_default(cfg->registry_gc_interval_ms, 900000);
    m->cfg.registry_max_agent_age_ms =
        or_default(cfg->registry_max_agent_age_ms, UINT64_C(14) * 24 * 3600 * 1000);
    m->cfg.registry_max_agent_count =
        (uint32_t)or_default(cfg->registry_max_agent_count, 102400);
    mu_prng_seed(&m->prng, cfg->seed);
    m->mode = MASTER_STANDBY;
    return m;
}

static void forget_leader(struct master *m)
{
    free(m->leader_texts);
    m->leader_texts = NULL;
    m->has_leader = false;
    m->leader = (struct mu_member){0};
}

void master_destroy(struct master *m)
{
    if (m == NULL) {
        return;
    }
    struct master_effects dropped = {0};
    m->out = &dropped;
    if (m->reign != NULL) {
        master_reign_end(m, "destroyed");
    }
    master_effects_release(&dropped);
    forget_leader(m);
    free((void *)(uintptr_t)m->cfg.hostname);
    free((void *)(uintptr_t)m->cfg.ip);
    free((void *)(uintptr_t)m->cfg.version);
    free(m);
}

/* ---- who leads ---- */

/* Append text to the block at *end; returns where it stands, NULL for NULL. */
static const char *pack(char **end, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *at = memcpy(*end, text, size);
    *end += size;
    return at;
}

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static void on_leader(struct master *m, const struct mu_member *leader)
{
    forget_leader(m);
    if (leader == NULL) {
        master_log(m, MU_INFO, "no leading master is known");
        return;
    }
    m->leader_texts =
        mu_xalloc(size_of(leader->id) + size_of(leader->hostname) + size_of(leader->ip) +
                  size_of(leader->version) + size_of(leader->znode));
    char *end = m->leader_texts;
    m->leader = (struct mu_member){
        .struct_size = sizeof(m->leader),
        .id = pack(&end, leader->id),
        .hostname = pack(&end, leader->hostname),
        .ip = pack(&end, leader->ip),
        .port = leader->port,
        .app_port = leader->app_port,
        .version = pack(&end, leader->version),
        .znode = pack(&end, leader->znode),
    };
    m->has_leader = true;
    master_log(m, MU_INFO, "leading master is %s at %s:%u",
               leader->id != NULL ? leader->id : "unknown",
               leader->hostname != NULL ? leader->hostname : "unknown", leader->port);
}

static void on_elected(struct master *m, uint64_t epoch)
{
    if (m->reign != NULL) {
        if (epoch <= m->reign->epoch) {
            return; /* late or twice */
        }
        master_reign_end(m, "elected again without a loss between");
    }
    master_reign_begin(m, epoch);
}

/* ---- timers ---- */

static void fire(struct master *m, const struct master_timer *t, uint64_t due_ms)
{
    switch ((enum master_timer_kind)t->kind) {
    case TIMER_PING:
        master_agent_on_ping_timer(m, t->owner, due_ms);
        break;
    case TIMER_AGENT_GRACE:
        master_agent_on_grace_timer(m, t->owner);
        break;
    case TIMER_HEARTBEAT:
        master_framework_heartbeat(m, t->owner);
        break;
    case TIMER_FAILOVER:
        master_framework_remove(m, t->owner, "did not return within its failover time");
        break;
    case TIMER_OFFER:
        master_offer_expired(m, t->owner);
        break;
    case TIMER_ANSWER:
        master_answer_some(m, t->owner);
        break;
    case TIMER_RETURNS:
        master_returns_over(m);
        break;
    case TIMER_REMOVAL:
        master_removals_run(m);
        break;
    case TIMER_GC:
        master_gc_run(m);
        break;
    case TIMER_STORE_SLOW:
        master_slowness_run(m);
        break;
    }
}

static void on_tick(struct master *m)
{
    while (m->reign != NULL) {
        const struct mu_heap_node *top = mu_heap_top(&m->reign->timers);
        if (top == NULL || top->key > m->now.mono_ms) {
            break;
        }
        uint64_t due_ms = top->key;
        const struct master_timer *t =
            mu_container_of(mu_heap_pop(&m->reign->timers), struct master_timer, node);
        fire(m, t, due_ms);
    }
}

uint64_t master_deadline_ms(const struct master *m)
{
    if (m->mode != MASTER_LEADING) {
        return MU_NEVER_MS;
    }
    const struct mu_heap_node *top = mu_heap_top(&m->reign->timers);
    uint64_t filters = allocator_deadline_ms(&m->reign->allocator);
    return top != NULL && top->key < filters ? top->key : filters;
}

/* ---- messages ---- */

static void
from_framework(struct master *m, struct master_framework *f, const struct mu_msg *msg)
{
    switch (msg->type) {
    case MU_MSG_TEARDOWN:
        master_framework_remove(m, f, "was torn down");
        break;
    case MU_MSG_ACCEPT:
        master_on_accept(m, f, msg);
        break;
    case MU_MSG_DECLINE:
        master_on_decline(m, f, msg);
        break;
    case MU_MSG_REVIVE:
        allocator_revive(&m->reign->allocator, &f->alloc);
        break;
    case MU_MSG_SUPPRESS:
        allocator_suppress(&m->reign->allocator, &f->alloc);
        break;
    case MU_MSG_RECONCILE:
        master_on_reconcile(m, f, msg);
        break;
    case MU_MSG_KILL:
        master_on_kill(m, f, msg);
        break;
    case MU_MSG_ACKNOWLEDGE:
        master_on_acknowledge(m, f, msg);
        break;
    default: /* not a framework's to say */
        master_count(m, COUNT_DROPPED_MESSAGES);
        break;
    }
}

static void from_agent(struct master *m, struct master_agent *a, const struct mu_msg *msg)
{
    /* Whatever it says shows that it lives. */
    a->pong_missing = false;
    a->missed_pongs = 0;
    if (msg->type == MU_MSG_STATUS_UPDATE && a->state == AGENT_ACTIVE) {
        master_on_status_update(m, a, msg);
    } else if (msg->type == MU_MSG_UNREGISTER && master_agent_registered(a)) {
        master_count(m, COUNT_REMOVALS_UNREGISTERED);
        master_agent_remove(m, a, "the agent unregistered");
    } else if (msg->type != MU_MSG_PONG) {
        master_count(m, COUNT_DROPPED_MESSAGES);
    }
}

/* Link 0 is the operator: it may tear down any framework, and mark any agent gone. */
static void from_operator(struct master *m, const struct mu_msg *msg)
{
    struct master_framework *f = master_framework_find(m, &msg->framework_id);
    struct master_agent *a = master_agent_find(m, &msg->agent_id);
    if (msg->type == MU_MSG_TEARDOWN && f != NULL) {
        master_framework_remove(m, f, "was torn down by an operator");
    } else if (msg->type == MU_MSG_MARK_GONE && a != NULL) {
        master_agent_mark_gone(m, a);
    } else {
        master_count(m, COUNT_DROPPED_MESSAGES);
    }
}

static bool names_another(const struct master_framework *f, const struct mu_msg *msg)
{
    return !MU_ID_EMPTY(msg->framework_id) &&
           strcmp(msg->framework_id.s, f->info.id.s) != 0;
}

static void from_peer(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    struct master_agent *a = master_link_agent(m, link);
    struct master_framework *f = master_link_framework(m, link);
    if (a != NULL) {
        from_agent(m, a, msg);
    } else if (f != NULL && !names_another(f, msg)) {
        from_framework(m, f, msg);
    } else {
        master_count(m, COUNT_DROPPED_MESSAGES);
    }
}

static void on_message(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    if (m->mode != MASTER_LEADING) {
        master_count(m, COUNT_DROPPED_MESSAGES);
        master_close(m, link);
        return;
    }
    if (msg->type < MU_MSG_TYPE_COUNT) {
        m->messages[msg->type]++;
    }
    if (link == 0) {
        from_operator(m, msg);
    } else if (msg->type == MU_MSG_REGISTER) {
        master_on_register(m, link, msg);
    } else if (msg->type == MU_MSG_REREGISTER) {
        master_on_reregister(m, link, msg);
    } else if (msg->type == MU_MSG_SUBSCRIBE) {
        master_on_subscribe(m, link, msg);
    } else {
        from_peer(m, link, msg);
    }
}

static void on_link_closed(struct master *m, uint64_t link)
{
    struct master_agent *a = master_link_agent(m, link);
    struct master_framework *f = master_link_framework(m, link);
    if (a != NULL) {
        master_agent_disconnect(m, a);
    } else if (f != NULL) {
        master_framework_disconnect(m, f);
    }
}

/* Registry events of an earlier reign say so by their epoch. */
static bool of_this_recovery(const struct master *m, const struct master_event *ev)
{
    return m->mode == MASTER_RECOVERING &&
           (ev->epoch == 0 || ev->epoch == m->reign->epoch);
}

static void dispatch(struct master *m, const struct master_event *ev)
{
    switch ((enum master_event_type)ev->type) {
    case MASTER_EV_TICK:
        on_tick(m);
        break;
    case MASTER_EV_ELECTED:
        on_elected(m, ev->epoch);
        break;
    case MASTER_EV_LOST:
        if (m->reign != NULL) {
            master_reign_end(m, ev->text != NULL ? ev->text : "no reason given");
        }
        break;
    case MASTER_EV_LEADER:
        on_leader(m, ev->leader);
        break;
    case MASTER_EV_ENTRY:
        if (of_this_recovery(m, ev) && ev->record != NULL) {
            master_on_entry(m, ev->record);
        }
        break;
    case MASTER_EV_RECOVERED:
        if (of_this_recovery(m, ev)) {
            master_on_recovered(m, ev->status, ev->text);
        }
        break;
    case MASTER_EV_COMMITTED:
        master_on_committed(m, ev->token, ev->status, ev->text);
        break;
    case MASTER_EV_MESSAGE:
        if (ev->msg != NULL) {
            on_message(m, ev->link, ev->msg);
        }
        break;
    case MASTER_EV_LINK_CLOSED:
        on_link_closed(m, ev->link);
        break;
    }
}

void master_step(struct master *m,
                 const struct master_event *ev,
                 struct master_effects *out)
{
    MU_PRE(m->out == NULL);
    m->out = out;
    m->now = ev->now;
    if (m->start_ms == 0) {
        m->start_ms = ev->now.wall_ms;
    }
    dispatch(m, ev);
    if (m->mode == MASTER_LEADING) {
        master_offer_what_is_free(m);
    }
    m->out = NULL;
}
