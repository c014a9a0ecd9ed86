/* Frameworks: subscription, failover, disconnection, removal.
 *
 * A framework that is removed stays, as TERMINATING, until the agents have reported the
 * end of all its tasks: their resources are not free before that. Then it moves into a
 * bounded history. A framework the master knows only through agents waits for its
 * scheduler at least as long as agents are waited for, however short its own failover
 * time is: after a failover of the master nobody had a chance to be in time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <muster/log.h>

#include "base/check.h"
#include "domain/role.h"
#include "master/state.h"

#define FAILOVER_MAX_MS (UINT64_C(9223372036) * 1000) /* as nanoseconds in an int64 */

#define TO(state) MU_SM_TO(FRAMEWORK_##state)

static const struct mu_sm_state framework_states[FRAMEWORK_STATES] = {
    [FRAMEWORK_RECOVERED] = {"recovered", MU_SM_INITIAL, TO(CONNECTED) | TO(TERMINATING)},
    [FRAMEWORK_CONNECTED] = {"connected", MU_SM_INITIAL,
                             TO(CONNECTED) | TO(DISCONNECTED) | TO(TERMINATING)},
    [FRAMEWORK_DISCONNECTED] = {"disconnected", 0, TO(CONNECTED) | TO(TERMINATING)},
    [FRAMEWORK_TERMINATING] = {"terminating", 0, TO(COMPLETED)},
    [FRAMEWORK_COMPLETED] = {"completed", 0, TO(TERMINATING)},
};

const struct mu_sm master_framework_sm = {"master's framework", framework_states,
                                          FRAMEWORK_STATES};

/* ---- the object ---- */

static const char *role_of(const struct mu_framework_info *info)
{
    return info->role != NULL && info->role[0] != '\0' ? info->role : "*";
}

struct master_framework *master_framework_find(const struct master *m,
                                               const struct mu_framework_id *id)
{
    return mu_map_get(&m->reign->frameworks, id->s);
}

static struct master_framework *create(struct master *m,
                                       const struct mu_framework_info *info,
                                       enum master_framework_state state)
{
    struct master_framework *f = MU_NEW(struct master_framework);
    f->peer.kind = PEER_FRAMEWORK;
    mu_framework_info_copy(&f->info, info);
    f->state = state;
    mu_map_init(&f->tasks, mu_prng_next(&m->prng));
    mu_map_init(&f->completed_by_id, mu_prng_next(&m->prng));
    mu_list_init(&f->live);
    mu_list_init(&f->offers);
    mu_list_init(&f->unreachable);
    mu_list_init(&f->completed);
    master_timer_init(&f->heartbeat, f);
    master_timer_init(&f->failover, f);
    master_timer_init(&f->answer, f);
    f->registered_ms = m->now.wall_ms;
    void *before = mu_map_put(&m->reign->frameworks, f->info.id.s, f);
    MU_ASSERT(before == NULL);
    allocator_add_framework(&m->reign->allocator, &f->alloc, f->info.id.s, role_of(info));
    f->in_allocator = true;
    return f;
}

static void move(struct master_framework *f, uint32_t state)
{
    f->state = mu_sm_move(&master_framework_sm, f->state, state);
}

struct master_framework *master_framework_recover(struct master *m,
                                                  const struct mu_framework_info *info)
{
    if (MU_ID_EMPTY(info->id) || mu_role_check(role_of(info), NULL) < 0) {
        return NULL;
    }
    struct master_framework *f = create(m, info, FRAMEWORK_RECOVERED);
    uint64_t wait_ms = m->cfg.agent_reregister_timeout_ms;
    if (info->failover_timeout_ms > wait_ms) {
        wait_ms = info->failover_timeout_ms;
    }
    master_timer_set(m, &f->failover, TIMER_FAILOVER, wait_ms);
    master_log(m, MU_INFO, "framework known through its tasks: framework=%s name=%s",
               info->id.s, info->name != NULL ? info->name : "");
    return f;
}

void master_framework_destroy(struct master *m, struct master_framework *f)
{
    master_link_forget(m, &f->peer);
    master_timer_stop(m, &f->heartbeat);
    master_timer_stop(m, &f->failover);
    master_timer_stop(m, &f->answer);
    f->state = FRAMEWORK_COMPLETED; /* so that the end of its last task moves nothing */
    mu_map_foreach_safe (e, &f->tasks) {
        master_task_destroy(m, e->value);
    }
    mu_list_foreach_safe (node, &f->completed) {
        master_task_destroy(m, mu_list_entry(node, struct master_task, ring));
    }
    mu_map_release(&f->tasks);
    mu_map_release(&f->completed_by_id);
    if (f->in_allocator) {
        allocator_remove_framework(&m->reign->allocator, &f->alloc);
    }
    (void)mu_map_remove(&m->reign->frameworks, f->info.id.s);
    (void)mu_map_remove(&m->reign->completed, f->info.id.s);
    quantities_release(&f->used);
    quantities_release(&f->offered);
    mu_msg_release(&f->batch);
    mu_framework_info_release(&f->info);
    free(f);
}

/* ---- SUBSCRIBE ---- */

static void send_error(struct master *m, uint64_t link, const char *text)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ERROR);
    mu_msg_set_text(&msg, text);
    master_send(m, link, &msg);
    master_close(m, link);
}

static int check_info(const struct mu_framework_info *info, struct mu_error *err)
{
    int status = mu_role_check(role_of(info), err);
    if (status < 0) {
        return mu_wrap(err, status, "'FrameworkInfo.role' is not a valid role");
    }
    if (info->failover_timeout_ms > FAILOVER_MAX_MS) {
        return mu_fail(err, MU_E_INVALID,
                       "The framework failover_timeout (%" PRIu64 ") is invalid",
                       info->failover_timeout_ms / 1000);
    }
    char id[MU_ID_MAX];
    return MU_ID_EMPTY(info->id)
               ? 0
               : mu_id_parse("framework id", info->id.s, id, sizeof(id), err);
}

static int check_return(const struct master *m,
                        const struct master_framework *f,
                        const struct mu_framework_info *info,
                        struct mu_error *err)
{
    bool removed = mu_map_get(&m->reign->completed, info->id.s) != NULL ||
                   (f != NULL && f->state == FRAMEWORK_TERMINATING);
    if (removed) {
        return mu_fail(err, MU_E_INVALID, "Framework has been removed");
    }
    if (f != NULL && f->state != FRAMEWORK_RECOVERED) {
        const char *was = f->info.principal != NULL ? f->info.principal : "";
        const char *is = info->principal != NULL ? info->principal : "";
        if (strcmp(was, is) != 0) {
            return mu_fail(err, MU_E_INVALID,
                           "Changing framework's principal is not allowed.");
        }
    }
    return 0;
}

/* User and checkpoint stay as they were when the framework was first seen. */
static void update_info(struct master *m,
                        struct master_framework *f,
                        const struct mu_framework_info *info)
{
    struct mu_framework_info updated = {0};
    mu_framework_info_copy(&updated, info);
    updated.id = f->info.id;
    free(updated.user);
    updated.user = mu_xstrdup(f->info.user);
    updated.checkpoint = f->info.checkpoint;
    mu_framework_info_release(&f->info);
    f->info = updated;
    allocator_set_role(&m->reign->allocator, &f->alloc, role_of(&f->info));
}

static void end_offers(struct master *m, struct master_framework *f)
{
    mu_list_foreach_safe (node, &f->offers) {
        master_offer_end(m, mu_list_entry(node, struct master_offer, of_framework));
    }
}

static void greet(struct master *m, struct master_framework *f)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_SUBSCRIBED);
    msg.framework_id = f->info.id;
    msg.heartbeat_ms = m->cfg.framework_heartbeat_ms;
    mu_msg_set_text(&msg, m->cfg.id.s);
    master_send(m, f->peer.link, &msg);
    master_framework_heartbeat(m, f);
    master_framework_resend(m, f);
}

static void connect_link(struct master *m, struct master_framework *f, uint64_t link)
{
    end_offers(m, f); /* what the old connection was offered is void */
    struct mu_msg last;
    mu_msg_init(&last, MU_MSG_ERROR);
    mu_msg_set_text(&last, "Framework failed over");
    master_link_bind(m, &f->peer, link, &last);
    mu_msg_release(&last);
    f->to_answer = 0; /* the old connection had asked */
    move(f, FRAMEWORK_CONNECTED);
    master_timer_stop(m, &f->failover);
    allocator_activate_framework(&m->reign->allocator, &f->alloc, true);
    greet(m, f);
}

static void subscribe_new(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    struct mu_framework_info info = {0};
    mu_framework_info_copy(&info, msg->framework);
    bool named = !MU_ID_EMPTY(info.id);
    if (!named) {
        (void)snprintf(info.id.s, sizeof(info.id.s), "%s-%04" PRIu64, m->cfg.id.s,
                       m->next_framework++);
    }
    struct master_framework *f = create(m, &info, FRAMEWORK_CONNECTED);
    f->born_here = !named;
    mu_framework_info_release(&info);
    master_log(m, MU_INFO, "framework subscribed: framework=%s name=%s role=%s",
               f->info.id.s, f->info.name != NULL ? f->info.name : "", role_of(&f->info));
    connect_link(m, f, link);
}

static void subscribe_again(struct master *m,
                            struct master_framework *f,
                            uint64_t link,
                            const struct mu_framework_info *info)
{
    f->reregistered_ms = m->now.wall_ms;
    update_info(m, f, info);
    master_log(m, MU_INFO, "framework subscribed again: framework=%s name=%s was=%s",
               f->info.id.s, f->info.name != NULL ? f->info.name : "",
               mu_sm_name(&master_framework_sm, f->state));
    connect_link(m, f, link);
}

void master_on_subscribe(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    if (msg->framework == NULL) {
        send_error(m, link, "SUBSCRIBE without a FrameworkInfo");
        return;
    }
    const struct master_peer *peer = master_link_peer(m, link);
    struct master_framework *own = master_link_framework(m, link);
    const struct mu_framework_info *info = msg->framework;
    if (peer != NULL) {
        bool same = own != NULL &&
                    (MU_ID_EMPTY(info->id) || strcmp(info->id.s, own->info.id.s) == 0);
        if (same) {
            greet(m, own); /* said twice on one link */
        } else {
            master_count(m, COUNT_DROPPED_MESSAGES);
        }
        return;
    }
    struct master_framework *f = master_framework_find(m, &info->id);
    struct mu_error err;
    if (check_info(info, &err) < 0 || check_return(m, f, info, &err) < 0) {
        master_log(m, MU_WARN, "framework refused: %s: framework=%s name=%s", err.text,
                   info->id.s, info->name != NULL ? info->name : "");
        send_error(m, link, err.text);
        return;
    }
    if (f == NULL) {
        subscribe_new(m, link, msg);
    } else {
        subscribe_again(m, f, link, info);
    }
}

void master_framework_heartbeat(struct master *m, struct master_framework *f)
{
    if (f->state != FRAMEWORK_CONNECTED) {
        return;
    }
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_HEARTBEAT);
    master_send(m, f->peer.link, &msg);
    master_timer_set(m, &f->heartbeat, TIMER_HEARTBEAT, m->cfg.framework_heartbeat_ms);
}

/* ---- the way out ---- */

static void hush(struct master *m, struct master_framework *f)
{
    master_link_forget(m, &f->peer);
    master_timer_stop(m, &f->heartbeat);
    master_timer_stop(m, &f->failover);
    master_timer_stop(m, &f->answer);
    f->to_answer = 0;
    end_offers(m, f);
    allocator_activate_framework(&m->reign->allocator, &f->alloc, false);
}

void master_framework_disconnect(struct master *m, struct master_framework *f)
{
    hush(m, f);
    move(f, FRAMEWORK_DISCONNECTED);
    master_log(m, MU_INFO,
               "framework disconnected: framework=%s failover_timeout_ms=%" PRIu64,
               f->info.id.s, f->info.failover_timeout_ms);
    if (f->info.failover_timeout_ms == 0) {
        master_framework_remove(m, f, "disconnected, and its failover time is 0");
    } else {
        master_timer_set(m, &f->failover, TIMER_FAILOVER, f->info.failover_timeout_ms);
    }
}

/* One task of a framework being removed. */
static void end_task(struct master *m, struct master_framework *f, struct master_task *t)
{
    if (t->unreachable) {
        const struct master_status_about about = {
            &t->info->id, &t->agent->info.id, MU_TASK_KILLED, "REASON_FRAMEWORK_REMOVED"};
        struct mu_task_status s;
        master_status_make(m, f, &about, &s, "Framework %s removed", f->info.id.s);
        master_task_set_state(m, t, s.state);
        master_note_add(t, &s);
        master_task_complete(m, t);
    } else if (!mu_task_state_is_terminal(t->state)) {
        t->kill_asked = true;
        master_kill_send(m, t);
    } else if (t->unacknowledged != NULL && t->agent->state == AGENT_ACTIVE) {
        struct mu_msg ack;
        mu_msg_init(&ack, MU_MSG_ACK_UPDATE);
        ack.framework_id = f->info.id;
        ack.task_id = t->info->id;
        ack.uuid = t->unacknowledged->uuid;
        master_send(m, t->agent->peer.link, &ack);
        if (mu_task_state_is_terminal(t->unacknowledged->state)) {
            master_task_complete(m, t);
        }
    }
}

void master_framework_remove(struct master *m,
                             struct master_framework *f,
                             const char *why)
{
    if (f->state == FRAMEWORK_TERMINATING) {
        return;
    }
    uint64_t link = f->peer.link;
    hush(m, f);
    master_close(m, link);
    f->unregistered_ms = m->now.wall_ms;
    master_log(m, MU_INFO, "framework removed: it %s: framework=%s tasks=%zu", why,
               f->info.id.s, f->tasks.count);
    mu_map_foreach_safe (e, &f->tasks) {
        end_task(m, f, e->value);
    }
    move(f, FRAMEWORK_TERMINATING);
    master_framework_settle(m, f);
}

void master_framework_settle(struct master *m, struct master_framework *f)
{
    struct reign *r = m->reign;
    if (f->state != FRAMEWORK_TERMINATING || f->tasks.count > 0) {
        return;
    }
    move(f, FRAMEWORK_COMPLETED);
    allocator_remove_framework(&r->allocator, &f->alloc);
    f->in_allocator = false;
    (void)mu_map_remove(&r->frameworks, f->info.id.s);
    (void)mu_map_put(&r->completed, f->info.id.s, f); /* live ids are not among them */
    while (r->completed.count > m->cfg.max_completed_frameworks) {
        master_framework_destroy(m, r->completed.first->value);
    }
}

struct master_framework *master_framework_reopen(struct master *m,
                                                 const struct mu_framework_id *id)
{
    struct master_framework *f = mu_map_remove(&m->reign->completed, id->s);
    if (f == NULL) {
        return NULL;
    }
    move(f, FRAMEWORK_TERMINATING);
    (void)mu_map_put(&m->reign->frameworks, f->info.id.s, f); /* it was completed */
    allocator_add_framework(&m->reign->allocator, &f->alloc, f->info.id.s,
                            role_of(&f->info));
    f->in_allocator = true;
    return f;
}
