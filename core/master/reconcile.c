/* RECONCILE and KILL: what the master says about tasks it is asked for.
 *
 * Silence is an answer: as long as an agent that may run the task has not come back after
 * a failover, and its time is not over, nothing is said, since a wrong "lost" makes
 * schedulers start the task again. A registry that does not survive masters, or came up
 * empty, cannot name those agents: then the same holds, for the same time, for agents
 * this master has never heard of, if the framework itself is older than this leadership.
 */
#include <string.h>

#include "master/state.h"

#define ANSWERS_AT_ONCE 1000u /* to an open question, in one step */
#define ANSWERS_PAUSE_MS 10u

static bool may_come_back(const struct master_agent *a)
{
    bool recovered = a->state == AGENT_RECOVERED || a->came_from == AGENT_RECOVERED;
    bool is_decided = a->state == AGENT_MARKING || a->state == AGENT_MARKING_GONE;
    return a->state == AGENT_RECOVERED ||
           (a->state == AGENT_READMITTING && a->came_from != AGENT_UNREACHABLE) ||
           (is_decided && recovered);
}

static bool in_blind_time(const struct master *m, const struct master_framework *f)
{
    const struct reign *r = m->reign;
    return r->is_blind && !f->born_here && !r->returns.is_over;
}

static bool somebody_may_come_back(const struct master *m)
{
    const uint32_t *in = m->reign->agents_in;
    return in[AGENT_RECOVERED] + in[AGENT_READMITTING] > 0;
}

struct verdict {
    uint32_t state; /* as a partition-aware framework is told */
    const char *message;
};

/* Of a task the master does not know. False: say nothing. */
static bool judge(const struct master *m,
                  const struct master_framework *f,
                  const struct mu_agent_id *agent_id,
                  struct verdict *out)
{
    *out = (struct verdict){MU_TASK_UNKNOWN, "Reconciliation: Task is unknown"};
    const struct master_agent *a =
        MU_ID_EMPTY(*agent_id) ? NULL : master_agent_find(m, agent_id);
    if (a == NULL) {
        bool silent =
            in_blind_time(m, f) || (MU_ID_EMPTY(*agent_id) && somebody_may_come_back(m));
        return !silent;
    }
    if (may_come_back(a)) {
        return false;
    }
    bool unreachable =
        a->state == AGENT_UNREACHABLE || a->state == AGENT_READMITTING ||
        (a->state == AGENT_MARKING_GONE && a->came_from == AGENT_UNREACHABLE);
    if (unreachable) {
        *out =
            (struct verdict){MU_TASK_UNREACHABLE, "Reconciliation: Task is unreachable"};
    } else if (a->state == AGENT_GONE) {
        *out = (struct verdict){MU_TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"};
    } else if (a->state != AGENT_ADMITTING) {
        *out = (struct verdict){MU_TASK_GONE,
                                "Reconciliation: Task is unknown to the agent"};
    }
    return true;
}

static void answer(struct master *m,
                   const struct master_framework *f,
                   const struct mu_task_id *task_id,
                   const struct mu_agent_id *agent_id,
                   const struct verdict *v)
{
    const struct master_status_about about = {
        task_id, agent_id, master_state_for(f, v->state), "REASON_RECONCILIATION"};
    struct mu_task_status s;
    master_status_make(m, f, &about, &s, "%s", v->message);
    master_send_update(m, f, &s);
}

/* The update being delivered rather than the newest state: that is what will be
 * acknowledged. */
static void
answer_known(struct master *m, const struct master_framework *f, struct master_task *t)
{
    bool as_sent = t->was_sent && !mu_task_state_is_terminal(t->sent_state);
    if (master_task_end_is_coming(t) && !as_sent) {
        return; /* told by the agent, it comes with the exit status */
    }
    struct verdict v = {t->was_sent ? t->sent_state : t->state,
                        "Reconciliation: Latest task state"};
    if (t->unreachable) {
        v = (struct verdict){t->state, "Reconciliation: Task is unreachable"};
    }
    answer(m, f, &t->info->id, &t->agent->info.id, &v);
}

static void answer_one(struct master *m,
                       struct master_framework *f,
                       const struct mu_task_id *task_id,
                       const struct mu_agent_id *agent_id)
{
    struct master_task *t = master_task_find(f, task_id);
    struct verdict v;
    if (t != NULL) {
        answer_known(m, f, t);
    } else if (judge(m, f, agent_id, &v)) {
        answer(m, f, task_id, agent_id, &v);
    }
}

/* A hundred thousand answers in one step would hold up all others, and fill the memory:
 * who was answered about goes to the end of the list. */
void master_answer_some(struct master *m, struct master_framework *f)
{
    for (size_t i = 0; f->to_answer > 0 && i < ANSWERS_AT_ONCE; i++) {
        struct mu_list *first = mu_list_first(&f->live);
        if (first == NULL) {
            f->to_answer = 0;
            break;
        }
        mu_list_remove(first);
        mu_list_append(&f->live, first);
        f->to_answer--;
        answer_known(m, f, mu_list_entry(first, struct master_task, of_framework));
    }
    if (f->to_answer > 0) {
        master_timer_set(m, &f->answer, TIMER_ANSWER, ANSWERS_PAUSE_MS);
    }
}

void master_on_reconcile(struct master *m,
                         struct master_framework *f,
                         const struct mu_msg *msg)
{
    if (msg->status_count == 0) {
        f->to_answer = f->tasks.count; /* anew, if it was being answered */
        master_timer_stop(m, &f->answer);
        master_answer_some(m, f);
        return;
    }
    for (size_t i = 0; i < msg->status_count; i++) {
        answer_one(m, f, &msg->statuses[i].task_id, &msg->statuses[i].agent_id);
    }
}

void master_on_kill(struct master *m,
                    struct master_framework *f,
                    const struct mu_msg *msg)
{
    struct master_task *t = master_task_find(f, &msg->task_id);
    if (t == NULL) {
        answer_one(m, f, &msg->task_id, &msg->agent_id);
        return;
    }
    bool other_agent =
        !MU_ID_EMPTY(msg->agent_id) && strcmp(msg->agent_id.s, t->agent->info.id.s) != 0;
    if (other_agent) {
        master_count(m, COUNT_DROPPED_MESSAGES);
        return;
    }
    /* Kept: it is sent again when the agent comes back. */
    t->kill_asked = true;
    t->has_grace = msg->has_grace;
    t->grace_ms = msg->grace_ms;
    if (t->unreachable) {
        answer_known(m, f, t);
    } else if (!mu_task_state_is_terminal(t->state)) {
        master_kill_send(m, t);
    }
}
