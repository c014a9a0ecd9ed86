/* The tasks an agent reports when it comes back, set against what the master knows.
 *
 * The agent's word counts for tasks the master does not know or had to guess about (the
 * agent was unreachable). Of a task the master followed all along, a terminal state
 * stays. What the master has there and the agent does not name is put into the answer:
 * the agent reports its end.
 */
#include <string.h>

#include <muster/log.h>

#include "master/state.h"

static const struct mu_framework_info *info_in(const struct mu_msg *msg,
                                               const struct mu_framework_id *id)
{
    for (size_t i = 0; i < msg->framework_count; i++) {
        if (strcmp(msg->frameworks[i].id.s, id->s) == 0) {
            return &msg->frameworks[i];
        }
    }
    return NULL;
}

static struct master_framework *
framework_of(struct master *m, const struct mu_msg *msg, const struct mu_framework_id *id)
{
    struct master_framework *f = master_framework_find(m, id);
    if (f == NULL) {
        f = master_framework_reopen(m, id);
    }
    const struct mu_framework_info *info = info_in(msg, id);
    return f == NULL && info != NULL ? master_framework_recover(m, info) : f;
}

/* The state the agent reports, as far as it makes sense. */
static uint32_t reported_state(const struct mu_task_record *r)
{
    return r->state < MU_TASK_STATE_COUNT ? r->state : (uint32_t)MU_TASK_STAGING;
}

/* What was last sent on by the agent becomes what was last sent. */
static void take_status(struct master_task *t, const struct mu_task_record *r)
{
    if (!MU_ID_EMPTY(r->status.uuid) && r->status.state < MU_TASK_STATE_COUNT) {
        t->sent_state = r->status.state;
        t->was_sent = true;
        master_note_add(t, &r->status);
    }
}

static struct master_task *take_new(struct master *m,
                                    struct master_framework *f,
                                    struct master_agent *a,
                                    const struct mu_task_record *r)
{
    struct master_task *t = master_task_create(m, f, a, r->info);
    master_task_set_state(m, t, reported_state(r));
    take_status(t, r);
    return t;
}

/* A task in the framework's history: of an agent that was here all along the record is
 * old, its end was acknowledged. Otherwise the history was a guess and gives way. */
static bool may_take_back(struct master *m,
                          const struct master_framework *f,
                          const struct mu_task_record *r,
                          uint32_t came_from)
{
    struct master_task *done = mu_map_get(&f->completed_by_id, r->info->id.s);
    if (done != NULL && came_from != AGENT_ACTIVE) {
        master_task_destroy(m, done);
        done = NULL;
    }
    return done == NULL;
}

/* The task the record is about, in memory and on this agent; NULL: leave it. */
static struct master_task *take(struct master *m,
                                struct master_framework *f,
                                struct master_agent *a,
                                const struct mu_task_record *r,
                                uint32_t came_from)
{
    struct master_task *t = master_task_find(f, &r->info->id);
    if (t == NULL) {
        return may_take_back(m, f, r, came_from) ? take_new(m, f, a, r) : NULL;
    }
    if (t->agent != a) {
        master_log(m, MU_ERROR, "two agents run one task: task=%s agent=%s other=%s",
                   r->info->id.s, a->info.id.s, t->agent->info.id.s);
        return NULL;
    }
    bool guessed = t->unreachable;
    master_task_set_unreachable(m, t, false);
    if (guessed || !mu_task_state_is_terminal(t->state)) {
        master_task_set_state(m, t, reported_state(r));
    }
    if (guessed || !t->was_sent) {
        take_status(t, r);
    }
    return t;
}

/* Tell the framework what it may have believed lost, or what it waits to hear of since
 * the failover: with many agents it would ask for long. An end is not announced: the
 * agent's own update of it is on its way, and says how the task ended. */
static void announce(struct master *m, const struct master_task *t, uint32_t came_from)
{
    if (came_from == AGENT_ACTIVE || mu_task_state_is_terminal(t->state)) {
        return;
    }
    const struct master_status_about about = {&t->info->id, &t->agent->info.id, t->state,
                                              "REASON_AGENT_REREGISTERED"};
    struct mu_task_status s;
    master_status_make(m, t->framework, &about, &s,
                       came_from == AGENT_UNREACHABLE
                           ? "Unreachable agent re-reregistered"
                       : came_from == AGENT_RECOVERED ? "Recovered agent reregistered"
                                                      : "Unknown agent reregistered");
    master_send_update(m, t->framework, &s);
}

/* Tasks here that the agent did not name. */
static void list_missing(struct master *m, struct master_agent *a, struct mu_msg *reply)
{
    uint64_t number = m->reign->reregistrations;
    mu_list_foreach_safe (node, &a->tasks) {
        struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        if (t->seen == number) {
            continue;
        }
        if (!t->unreachable && mu_task_state_is_terminal(t->state)) {
            master_task_complete(m, t); /* the agent has had its acknowledgement */
            continue;
        }
        struct mu_task_status s;
        const struct master_status_about about = {&t->info->id, &a->info.id, t->state,
                                                  ""};
        master_status_make(m, t->framework, &about, &s, "%s", "");
        mu_msg_add_status(reply, &s);
        if (info_in(reply, &t->framework->info.id) == NULL) {
            mu_msg_add_framework(reply, &t->framework->info);
        }
    }
}

void master_adopt(struct master *m,
                  struct master_agent *a,
                  const struct mu_msg *msg,
                  uint32_t came_from,
                  struct mu_msg *reply)
{
    uint64_t number = ++m->reign->reregistrations;
    a->adopting = true;
    for (size_t i = 0; i < msg->record_count; i++) {
        const struct mu_task_record *r = &msg->records[i];
        if (r->info == NULL || r->terminal_acknowledged) {
            continue;
        }
        struct master_framework *f = framework_of(m, msg, &r->info->framework_id);
        if (f == NULL) {
            master_log(m, MU_WARN,
                       "task of a framework nobody knows: ignored: task=%s "
                       "agent=%s",
                       r->info->id.s, a->info.id.s);
            continue;
        }
        struct master_task *t = take(m, f, a, r, came_from);
        if (t != NULL) {
            t->seen = number;
            announce(m, t, came_from);
        } else {
            master_framework_settle(m, f); /* it may have been reopened for nothing */
        }
    }
    a->adopting = false;
    master_agent_recount(a);
    list_missing(m, a, reply);
}

void master_agent_resend_kills(struct master *m, struct master_agent *a)
{
    mu_list_foreach (node, &a->tasks) {
        struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        bool doomed = t->framework->state == FRAMEWORK_TERMINATING;
        if ((t->kill_asked || doomed) && !mu_task_state_is_terminal(t->state)) {
            master_kill_send(m, t);
        }
    }
}
