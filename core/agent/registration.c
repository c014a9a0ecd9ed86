/* The link to the master: register or re-register with jittered back-off, and give up a
 * master that has been silent for longer than it promised. */
#include <string.h>

#include "agent/state.h"

#define BACKOFF_MAX_MS 60000u
#define RETRY_MIN_MS 500u /* an admission is a commit of the registry: ask no sooner */
#define REFUSED_WAIT_MS 5000u
/* A leader that has been deposed may not know it for as long as its session lasts. After
 * this an older leadership is the only one there is: ZooKeeper was emptied. */
#define OLD_LEADER_MS 120000u

/* A random wait that doubles with each attempt: random(0, f * 2^n), at most a minute. */
static uint64_t backoff(struct agent *a)
{
    uint64_t bound = a->cfg.registration_backoff_ms;
    for (unsigned i = 0; i < a->attempts && bound < BACKOFF_MAX_MS; i++) {
        bound *= 2;
    }
    bound = bound > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : bound;
    return mu_prng_range(&a->prng, 0, bound);
}

void agent_want_registration(struct agent *a)
{
    if (a->link == 0 || a->state != AGENT_RUNNING || a->registered) {
        return;
    }
    a->attempts = 0;
    /* The first time at once; after that many agents may be coming back together, which a
     * tenth of the back-off spreads. A try that is not answered waits for all of it. */
    uint64_t spread = a->cfg.registration_backoff_ms / 10;
    a->register_at_ms =
        a->now.mono_ms + (a->ever_registered ? mu_prng_range(&a->prng, 0, spread) : 0);
}

void agent_link_changed(struct agent *a, uint64_t link)
{
    a->link = link;
    a->registered = false;
    a->register_at_ms = a->silence_at_ms = MU_NEVER_MS;
    agent_update_pause(a);
    agent_want_registration(a);
}

static void add_record(struct mu_msg *m, const struct task *t)
{
    struct mu_task_record r = {.info = t->info,
                               .state = t->state,
                               .terminal_acknowledged = t->terminal_acknowledged};
    if (t->updates.count > 0) {
        r.status = t->updates.v[0].status;
    } else if (t->history.count > 0) {
        r.status = t->history.v[t->history.count - 1];
    } else {
        r.status = (struct mu_task_status){.task_id = t->info->id,
                                           .framework_id = t->framework.id,
                                           .agent_id = m->agent_id,
                                           .state = MU_TASK_STAGING,
                                           .source = MU_SOURCE_AGENT};
    }
    mu_msg_add_record(m, &r);
    for (size_t i = 0; i < m->framework_count; i++) {
        if (strcmp(m->frameworks[i].id.s, t->framework.id.s) == 0) {
            return;
        }
    }
    mu_msg_add_framework(m, &t->framework);
}

void agent_register(struct agent *a)
{
    if (a->now.mono_ms < a->register_at_ms) {
        return;
    }
    bool again = !MU_ID_EMPTY(a->info.id);
    struct mu_msg *m = agent_emit_send(a, again ? MU_MSG_REREGISTER : MU_MSG_REGISTER);
    mu_msg_set_agent(m, &a->info);
    mu_omap_foreach (e, &a->tasks) {
        add_record(m, e->value);
    }
    a->attempts++;
    uint64_t wait = backoff(a);
    a->register_at_ms = a->now.mono_ms + (wait < RETRY_MIN_MS ? RETRY_MIN_MS : wait);
}

void agent_heard(struct agent *a)
{
    if (a->registered) {
        a->epoch_heard_ms = a->now.mono_ms;
    }
    if (a->registered && a->silence_ms != 0) {
        a->silence_at_ms = a->now.mono_ms + a->silence_ms;
    }
}

/* Tasks that the master has here and this agent does not know: it must be told, or it
 * would wait for them. */
static void report_unknown(struct agent *a, const struct mu_msg *m)
{
    for (size_t i = 0; i < m->status_count; i++) {
        const struct mu_task_status *s = &m->statuses[i];
        if (agent_task_find(a, &s->framework_id, &s->task_id) == NULL) {
            agent_update_unkept(a, &s->framework_id, &s->task_id, MU_TASK_GONE,
                                "REASON_RECONCILIATION",
                                "Reconciliation: task unknown to the agent");
        }
    }
}

/* Journalled before anything that this leader orders. */
static void obey(struct agent *a, uint64_t epoch)
{
    if (a->epoch != epoch) {
        a->epoch = epoch;
        agent_journal(a, AGENT_REC_EPOCH, THEN_NOTHING, NULL)->epoch = epoch;
    }
}

/* Only the newest leader is obeyed, over a restart too. True: this one has been deposed.
 */
static bool is_deposed(struct agent *a, const struct mu_msg *m)
{
    if (m->epoch >= a->epoch) {
        obey(a, m->epoch);
        return false;
    }
    if (a->now.mono_ms - a->epoch_heard_ms >= OLD_LEADER_MS) {
        agent_log(a, MU_WARN,
                  "the master leads since before the last one that this agent knew (was "
                  "ZooKeeper emptied?): continuing with it");
        obey(a, m->epoch);
        return false;
    }
    agent_log(a, MU_WARN,
              "the master was deposed by one that this agent has talked to: looking for "
              "that one again");
    agent_emit(a, AGENT_FX_RECONNECT)->link = a->link;
    agent_link_changed(a, 0);
    return true;
}

void agent_on_registered(struct agent *a, const struct mu_msg *m)
{
    if (MU_ID_EMPTY(m->agent_id) || is_deposed(a, m)) {
        return;
    }
    if (MU_ID_EMPTY(a->info.id)) {
        a->info.id = m->agent_id;
        agent_journal(a, AGENT_REC_ID, THEN_NOTHING, NULL)->agent_id = m->agent_id;
    } else if (strcmp(a->info.id.s, m->agent_id.s) != 0) {
        agent_log(a, MU_WARN,
                  "the master answered for agent %s, but this is agent %s; waiting for "
                  "the next answer",
                  m->agent_id.s, a->info.id.s);
        return;
    }
    bool first = !a->registered;
    a->registered = a->ever_registered = true;
    a->register_at_ms = MU_NEVER_MS;
    a->silence_ms = m->heartbeat_ms;
    agent_heard(a);
    if (m->type == MU_MSG_REGISTERED) {
        a->registered_wall_ms = a->now.wall_ms;
    } else {
        a->reregistered_wall_ms = a->now.wall_ms;
    }
    if (first) {
        agent_log(a, MU_INFO, "%s with the master as agent %s",
                  m->type == MU_MSG_REGISTERED ? "registered" : "re-registered",
                  a->info.id.s);
        agent_update_resend_all(a);
    }
    report_unknown(a, m);
}

void agent_on_refused(struct agent *a, const struct mu_msg *m)
{
    agent_log(a, MU_WARN, "the master refused this agent: %s; trying again, tasks run on",
              m->text == NULL ? "no reason given" : m->text);
    a->registered = false;
    a->attempts++;
    a->register_at_ms = a->now.mono_ms + REFUSED_WAIT_MS + backoff(a);
}
