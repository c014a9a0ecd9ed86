/* Agents: admission, registration and re-registration.
 *
 * An agent is told REGISTERED or REREGISTERED only when the registry has it as admitted.
 * Whatever an agent says twice, or late, leads to the same answer. Its newest link
 * counts; the one it replaces is closed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <muster/log.h>

#include "base/check.h"
#include "master/state.h"

#define TO(state) MU_SM_TO(AGENT_##state)

static const struct mu_sm_state agent_states[AGENT_STATES] = {
    [AGENT_RECOVERED] = {"recovered", MU_SM_INITIAL,
                         TO(READMITTING) | TO(MARKING) | TO(REMOVING) | TO(MARKING_GONE)},
    [AGENT_ADMITTING] = {"admitting", MU_SM_INITIAL, TO(ACTIVE) | TO(DISCONNECTED)},
    [AGENT_READMITTING] = {"readmitting", MU_SM_INITIAL,
                           TO(ACTIVE) | TO(DISCONNECTED) | TO(RECOVERED) |
                               TO(UNREACHABLE)},
    [AGENT_ACTIVE] = {"active", 0, TO(DISCONNECTED)},
    [AGENT_DISCONNECTED] = {"disconnected", 0,
                            TO(ACTIVE) | TO(MARKING) | TO(REMOVING) | TO(MARKING_GONE)},
    [AGENT_MARKING] = {"marking unreachable", 0,
                       TO(UNREACHABLE) | TO(DISCONNECTED) | TO(RECOVERED)},
    [AGENT_UNREACHABLE] = {"unreachable", MU_SM_INITIAL,
                           TO(READMITTING) | TO(MARKING_GONE)},
    [AGENT_REMOVING] = {"removing", 0, TO(DISCONNECTED) | TO(RECOVERED)},
    [AGENT_MARKING_GONE] = {"marking gone", 0,
                            TO(GONE) | TO(DISCONNECTED) | TO(RECOVERED) |
                                TO(UNREACHABLE)},
    [AGENT_GONE] = {"gone", MU_SM_INITIAL | MU_SM_FINAL, 0},
};

const struct mu_sm master_agent_sm = {"master's agent", agent_states, AGENT_STATES};

/* ---- the object ---- */

/* Where it listens; "" when it does not. */
static void address_of(const struct mu_agent_info *info, struct mu_buf *out)
{
    mu_buf_init(out, 1024);
    if (info->port != 0) {
        (void)mu_buf_printf(out, "%s/%s:%" PRIu32,
                            info->hostname != NULL ? info->hostname : "",
                            info->ip != NULL ? info->ip : "", info->port);
    }
}

static void enter_address(struct master *m, struct master_agent *a)
{
    struct mu_buf key;
    address_of(&a->info, &key);
    if (key.len > 0) {
        (void)mu_map_put(&m->reign->agents_by_address, mu_buf_str(&key), a);
    }
    mu_buf_release(&key);
}

static void leave_address(struct master *m, struct master_agent *a)
{
    struct mu_buf key;
    address_of(&a->info, &key);
    if (mu_map_get(&m->reign->agents_by_address, mu_buf_str(&key)) == a) {
        (void)mu_map_remove(&m->reign->agents_by_address, mu_buf_str(&key));
    }
    mu_buf_release(&key);
}

static struct master_agent *find_by_address(struct master *m,
                                            const struct mu_agent_info *info)
{
    struct mu_buf key;
    address_of(info, &key);
    struct master_agent *a =
        key.len > 0 ? mu_map_get(&m->reign->agents_by_address, mu_buf_str(&key)) : NULL;
    mu_buf_release(&key);
    return a;
}

struct master_agent *master_agent_find(const struct master *m,
                                       const struct mu_agent_id *id)
{
    return mu_map_get(&m->reign->agents, id->s);
}

static void set_info(struct master_agent *a, const struct mu_agent_info *info)
{
    struct mu_agent_id id = a->info.id;
    mu_agent_info_release(&a->info);
    mu_agent_info_copy(&a->info, info);
    a->info.id = id;
    a->has_reservations = false;
    for (size_t i = 0; i < info->resources.count; i++) {
        a->has_reservations =
            a->has_reservations || strcmp(info->resources.v[i].role, "*") != 0;
    }
    a->free_stale = true;
}

struct master_agent *master_agent_create(struct master *m,
                                         const struct mu_agent_info *info,
                                         enum master_agent_state state)
{
    struct master_agent *a = MU_NEW(struct master_agent);
    a->peer.kind = PEER_AGENT;
    a->state = state;
    a->came_from = state;
    mu_list_init(&a->tasks);
    mu_list_init(&a->offers);
    mu_list_init(&a->scheduled);
    mu_list_init(&a->aged);
    master_timer_init(&a->timer, a);
    a->info.id = info->id;
    set_info(a, info);
    void *before = mu_map_put(&m->reign->agents, a->info.id.s, a);
    MU_ASSERT(before == NULL);
    m->reign->agents_in[state]++;
    enter_address(m, a);
    return a;
}

void master_agent_destroy(struct master *m, struct master_agent *a)
{
    MU_PRE(mu_list_empty(&a->offers) && mu_list_empty(&a->tasks));
    leave_address(m, a);
    master_link_forget(m, &a->peer);
    master_timer_stop(m, &a->timer);
    mu_list_remove(&a->scheduled);
    mu_list_remove(&a->aged);
    if (a->in_allocator) {
        allocator_remove_agent(&m->reign->allocator, &a->alloc);
    }
    m->reign->agents_in[a->state]--;
    (void)mu_map_remove(&m->reign->agents, a->info.id.s);
    mu_resources_release(&a->used);
    mu_resources_release(&a->offered);
    mu_resources_release(&a->free);
    mu_resources_release(&a->for_role);
    mu_resources_release(&a->declined);
    mu_msg_release(&a->waiting);
    mu_agent_info_release(&a->info);
    free(a);
}

void master_agent_move(struct master *m, struct master_agent *a, uint32_t state)
{
    m->reign->agents_in[a->state]--;
    a->state = mu_sm_move(&master_agent_sm, a->state, state);
    m->reign->agents_in[a->state]++;
}

/* ---- answers ---- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool same_host(const struct mu_agent_info *a, const struct mu_agent_info *b)
{
    return same_text(a->hostname, b->hostname) && same_text(a->ip, b->ip);
}

/* In what the registry keeps? */
static bool same_info(const struct mu_agent_info *a, const struct mu_agent_info *b)
{
    return same_host(a, b) && a->port == b->port && same_text(a->version, b->version) &&
           mu_resources_equal(&a->resources, &b->resources) &&
           mu_pairs_equal(&a->attributes, &b->attributes);
}

static void refuse(struct master *m, uint64_t link, const char *text)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_REFUSED);
    mu_msg_set_text(&msg, text);
    master_send(m, link, &msg);
}

static void
make_answer(const struct master *m, const struct master_agent *a, struct mu_msg *msg)
{
    msg->agent_id = a->info.id;
    msg->heartbeat_ms = m->cfg.agent_ping_timeout_ms * m->cfg.max_agent_ping_timeouts;
    msg->epoch = m->reign->epoch;
}

static void send_registered(struct master *m, const struct master_agent *a)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_REGISTERED);
    make_answer(m, a, &msg);
    master_send(m, a->peer.link, &msg);
}

/* a is registered: connected if it still has a link. */
static void open_for_work(struct master *m, struct master_agent *a)
{
    master_removal_cancel(m, a);
    mu_list_remove(&a->aged);
    a->is_stale = false;
    master_agent_move(m, a, a->peer.link != 0 ? AGENT_ACTIVE : AGENT_DISCONNECTED);
    if (!a->in_allocator) {
        allocator_add_agent(&m->reign->allocator, &a->alloc, &a->info.resources);
        a->in_allocator = true;
    }
    allocator_activate_agent(&m->reign->allocator, &a->alloc, a->state == AGENT_ACTIVE);
    if (a->state == AGENT_ACTIVE) {
        master_agent_start_pings(m, a);
    } else {
        master_timer_set(m, &a->timer, TIMER_AGENT_GRACE,
                         m->cfg.agent_reregister_timeout_ms);
    }
}

void master_agent_refused(struct master *m, struct master_agent *a, const char *text)
{
    refuse(m, a->peer.link, text);
    master_link_forget(m, &a->peer);
    mu_msg_release(&a->waiting);
    if (a->state == AGENT_ADMITTING || a->came_from == AGENT_READMITTING) {
        master_agent_destroy(m, a);
        return;
    }
    master_agent_move(m, a, a->came_from);
    if (a->state == AGENT_RECOVERED) {
        master_timer_set(m, &a->timer, TIMER_AGENT_GRACE,
                         m->cfg.agent_reregister_timeout_ms);
    }
}

/* ---- REGISTER ---- */

static void admit(struct master *m, uint64_t link, const struct mu_agent_info *info)
{
    struct mu_agent_info named = {0};
    mu_agent_info_copy(&named, info);
    (void)snprintf(named.id.s, sizeof(named.id.s), "%s-S%" PRIu64, m->cfg.id.s,
                   m->next_agent++);
    struct master_agent *a = master_agent_create(m, &named, AGENT_ADMITTING);
    mu_agent_info_release(&named);
    master_link_bind(m, &a->peer, link, NULL);
    master_commit(m, a, COMMIT_ADMIT, &a->info);
    master_log(m, MU_INFO, "admitting a new agent: agent=%s host=%s ip=%s:%" PRIu32,
               a->info.id.s, info->hostname, info->ip != NULL ? info->ip : "",
               info->port);
}

/* It was registered before, but the answer did not reach it. */
static void answer_again(struct master *m, struct master_agent *a, uint64_t link)
{
    master_link_bind(m, &a->peer, link, NULL);
    if (a->state == AGENT_DISCONNECTED) {
        open_for_work(m, a);
    }
    send_registered(m, a);
}

/* An agent without an id at the address of one we know: did the answer get lost, or is
 * it another agent (an emptied work_dir)? True: dealt with. */
static bool meets_old(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    struct master_agent *old = find_by_address(m, msg->agent);
    if (old == NULL) {
        return false;
    }
    if (old->state == AGENT_ADMITTING) {
        master_link_bind(m, &old->peer, link, NULL);
        return true;
    }
    if (master_agent_registered(old) && mu_list_empty(&old->tasks) &&
        same_info(&old->info, msg->agent)) {
        answer_again(m, old, link);
        return true;
    }
    if (master_agent_registered(old) || old->state == AGENT_RECOVERED) {
        master_count(m, COUNT_REMOVALS_REGISTERED);
        master_agent_remove(m, old, "a new agent registered at the same address");
    }
    return false;
}

static bool is_complete(const struct mu_msg *msg)
{
    return msg->agent != NULL && msg->agent->hostname != NULL &&
           msg->agent->hostname[0] != '\0';
}

void master_on_register(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    const struct master_peer *peer = master_link_peer(m, link);
    if (peer != NULL) {
        struct master_agent *a = master_link_agent(m, link);
        if (a != NULL && a->state == AGENT_ACTIVE) {
            send_registered(m, a);
        }
        return; /* twice on one link */
    }
    if (!is_complete(msg)) {
        refuse(m, link, "agent info without a hostname");
        return;
    }
    if (!meets_old(m, link, msg)) {
        admit(m, link, msg->agent);
    }
}

void master_agent_admitted(struct master *m, struct master_agent *a)
{
    if (a->state != AGENT_ADMITTING) {
        return;
    }
    a->registered_ms = m->now.wall_ms;
    master_count(m, COUNT_REGISTRATIONS);
    open_for_work(m, a);
    master_log(m, MU_INFO, "agent registered: agent=%s host=%s", a->info.id.s,
               a->info.hostname);
    send_registered(m, a);
}

/* ---- REREGISTER ---- */

/* Reply to a re-registration that is complete in memory. */
static void
finish(struct master *m, struct master_agent *a, const struct mu_msg *msg, uint32_t from)
{
    struct mu_msg reply;
    mu_msg_init(&reply, MU_MSG_REREGISTERED);
    make_answer(m, a, &reply);
    a->reregistered_ms = m->now.wall_ms;
    master_count(m, COUNT_REREGISTRATIONS);
    master_adopt(m, a, msg, from, &reply);
    master_log(m, master_returns_log_level(m),
               "agent re-registered: agent=%s host=%s was=%s tasks=%zu unknown_to_it=%zu",
               a->info.id.s, a->info.hostname,
               from == AGENT_READMITTING ? "unknown" : mu_sm_name(&master_agent_sm, from),
               msg->record_count, reply.status_count);
    master_send(m, a->peer.link, &reply);
    master_agent_resend_kills(m, a);
    master_returns_count(m, from);
}

/* The registry has a as admitted. */
static void take_back(struct master *m, struct master_agent *a, const struct mu_msg *msg)
{
    leave_address(m, a);
    set_info(a, msg->agent);
    enter_address(m, a);
    if (a->registered_ms == 0) {
        a->registered_ms = m->now.wall_ms;
    }
    open_for_work(m, a);
    finish(m, a, msg, a->came_from);
}

/* Wait for the registry to have a (again) as admitted. */
static void
readmit(struct master *m, struct master_agent *a, uint64_t link, const struct mu_msg *msg)
{
    uint32_t from = a->state;
    bool as_recorded =
        from == AGENT_RECOVERED && !a->is_stale && same_info(&a->info, msg->agent);
    master_timer_stop(m, &a->timer);
    master_removal_cancel(m, a);
    if (from != AGENT_READMITTING) {
        master_agent_move(m, a, AGENT_READMITTING);
    }
    a->came_from = from;
    master_link_bind(m, &a->peer, link, NULL);
    if (as_recorded) {
        take_back(m, a, msg);
    } else {
        mu_msg_copy(&a->waiting, msg);
        master_commit(m, a, COMMIT_READMIT, msg->agent);
    }
}

void master_agent_readmitted(struct master *m,
                             struct master_agent *a,
                             const struct mu_agent_info *committed)
{
    if (a->state != AGENT_READMITTING) {
        return;
    }
    struct mu_msg msg;
    mu_msg_move(&msg, &a->waiting);
    bool as_committed = same_info(committed, msg.agent);
    take_back(m, a, &msg);
    if (!as_committed) { /* it dialled again meanwhile, and had changed */
        master_commit(m, a, COMMIT_UPDATE, msg.agent);
    }
    mu_msg_release(&msg);
}

static void return_known(struct master *m,
                         struct master_agent *a,
                         uint64_t link,
                         const struct mu_msg *msg)
{
    if (a->state == AGENT_ACTIVE && a->peer.link == link) {
        struct mu_msg reply; /* said twice; the first has been dealt with */
        mu_msg_init(&reply, MU_MSG_REREGISTERED);
        make_answer(m, a, &reply);
        master_send(m, link, &reply);
        return;
    }
    if (a->state == AGENT_ACTIVE && !same_host(&a->info, msg->agent)) {
        master_log(m, MU_WARN,
                   "two hosts claim one agent id: refused: agent=%s host=%s other=%s",
                   a->info.id.s, a->info.hostname, msg->agent->hostname);
        refuse(m, link, "Agent attempted to reregister with different IP / hostname");
        return;
    }
    master_agent_rescind(m, a);
    master_link_bind(m, &a->peer, link, NULL);
    if (a->state == AGENT_DISCONNECTED) {
        open_for_work(m, a);
    } else {
        master_agent_start_pings(m, a);
    }
    finish(m, a, msg, AGENT_ACTIVE);
    if (!same_info(&a->info, msg->agent)) {
        master_commit(m, a, COMMIT_UPDATE, msg->agent);
    }
}

void master_agent_updated(struct master *m,
                          struct master_agent *a,
                          const struct mu_agent_info *info)
{
    master_agent_rescind(m, a);
    leave_address(m, a);
    set_info(a, info);
    enter_address(m, a);
    master_agent_recount(a);
    if (a->in_allocator) {
        allocator_set_total(&m->reign->allocator, &a->alloc, &a->info.resources);
    }
    master_log(m, MU_INFO, "agent has changed: agent=%s host=%s", a->info.id.s,
               a->info.hostname);
}

void master_agent_shut_down(struct master *m, uint64_t link, const char *text)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_SHUTDOWN);
    mu_msg_set_text(&msg, text);
    master_send(m, link, &msg);
    master_close(m, link);
}

static void return_of(struct master *m,
                      struct master_agent *a,
                      uint64_t link,
                      const struct mu_msg *msg)
{
    switch ((enum master_agent_state)a->state) {
    case AGENT_ACTIVE:
    case AGENT_DISCONNECTED:
        return_known(m, a, link, msg);
        break;
    case AGENT_RECOVERED:
    case AGENT_UNREACHABLE:
        readmit(m, a, link, msg);
        break;
    case AGENT_READMITTING:
        if (a->peer.link != link) { /* it dialled again: the newer word counts */
            mu_msg_release(&a->waiting);
            mu_msg_copy(&a->waiting, msg);
            master_link_bind(m, &a->peer, link, NULL);
        }
        break;
    case AGENT_GONE:
        master_agent_shut_down(m, link, "Agent has been marked gone");
        break;
    case AGENT_ADMITTING:
    case AGENT_MARKING:
    case AGENT_REMOVING:
    case AGENT_MARKING_GONE:
    case AGENT_STATES:
        break; /* decided soon; it asks again */
    }
}

void master_on_reregister(struct master *m, uint64_t link, const struct mu_msg *msg)
{
    if (!is_complete(msg) || MU_ID_EMPTY(msg->agent->id)) {
        refuse(m, link, "re-registration without an agent id or a hostname");
        return;
    }
    struct master_agent *a = master_agent_find(m, &msg->agent->id);
    const struct master_peer *peer = master_link_peer(m, link);
    if (peer != NULL && (a == NULL || peer != &a->peer)) {
        master_count(m, COUNT_DROPPED_MESSAGES); /* somebody else's link */
        return;
    }
    if (a != NULL && a->peer.link > link) {
        master_close(m, link); /* left over: it has dialled again since */
        return;
    }
    if (a == NULL) {
        readmit(m, master_agent_create(m, msg->agent, AGENT_READMITTING), link, msg);
    } else {
        return_of(m, a, link, msg);
    }
}
