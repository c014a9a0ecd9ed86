/* The life of a task and its container; state.h shows the phases. Nothing is started
 * before its record is durable, and nothing is started twice. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/state.h"

#define SLOW_LAUNCH_MS 1000u /* a launch that takes longer is told as TASK_STARTING */
#define DESTROY_RETRY_MS 10000u

void agent_task_key(const struct mu_framework_id *f,
                    const struct mu_task_id *t,
                    char *out)
{
    (void)snprintf(out, AGENT_KEY_MAX, "%s/%s", f->s, t->s);
}

struct task *agent_task_find(const struct agent *a,
                             const struct mu_framework_id *f,
                             const struct mu_task_id *t)
{
    char key[AGENT_KEY_MAX];
    agent_task_key(f, t, key);
    return mu_omap_get(&a->tasks, key);
}

/* The task's own environment wins over what the agent tells it about itself. */
static void build_env(const struct agent *a, struct task *t)
{
    char endpoint[128], pid[160];
    (void)snprintf(endpoint, sizeof(endpoint), "%s:%u",
                   a->info.ip == NULL ? "" : a->info.ip, a->info.port);
    (void)snprintf(pid, sizeof(pid), "slave(1)@%s", endpoint);
    const char *role = t->framework.role;
    const struct {
        const char *key, *value;
    } own[] = {
        {"MESOS_TASK_ID", t->info->id.s},
        {"MESOS_FRAMEWORK_ID", t->framework.id.s},
        {"MESOS_EXECUTOR_ID", t->info->id.s},
        {"MESOS_SLAVE_ID", a->info.id.s},
        {"MESOS_SLAVE_PID", pid},
        {"MESOS_CONTAINER_ID", t->container_id.s},
        {"MESOS_DIRECTORY", t->sandbox},
        {"MESOS_AGENT_ENDPOINT", endpoint},
        {"MESOS_CHECKPOINT", "1"},
        {"MESOS_ALLOCATION_ROLE", role == NULL || role[0] == '\0' ? "*" : role},
    };
    for (size_t i = 0; i < MU_COUNT_OF(own); i++) {
        mu_pairs_set(&t->env, own[i].key, own[i].value);
    }
    for (size_t i = 0; i < t->info->command.env.count; i++) {
        mu_pairs_set(&t->env, t->info->command.env.v[i].key,
                     t->info->command.env.v[i].value);
    }
}

struct task *agent_task_create(struct agent *a,
                               const struct mu_task_info *info,
                               const struct mu_framework_info *f,
                               const struct mu_container_id *container,
                               const char *sandbox)
{
    struct task *t = MU_NEW(struct task);
    t->info = mu_task_info_ref(info);
    mu_framework_info_copy(&t->framework, f);
    t->container_id = *container;
    t->sandbox = mu_xstrdup(sandbox);
    t->state = MU_TASK_STAGING;
    t->accepted_wall_ms = a->now.wall_ms;
    t->kill_at_ms = t->destroy_retry_ms = t->starting_at_ms = t->retry_at_ms =
        MU_NEVER_MS;
    build_env(a, t);
    char key[AGENT_KEY_MAX];
    agent_task_key(&t->framework.id, &info->id, key);
    mu_omap_put(&a->tasks, key, t);
    mu_omap_put(&a->containers, container->s, t);
    return t;
}

void agent_task_free(struct task *t)
{
    mu_task_info_unref(t->info);
    mu_framework_info_release(&t->framework);
    free(t->sandbox);
    free(t->updates.v);
    free(t->history.v);
    mu_pairs_release(&t->env);
    free(t);
}

/* ---- start ---- */

/* What is booked on this host: tasks whose resources may still be in use. */
static int resources_fit(const struct agent *a,
                         const struct mu_task_info *info,
                         struct mu_error *err)
{
    struct mu_resources free_now = {0};
    mu_resources_copy(&free_now, &a->info.resources);
    int rc = 0;
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        if (!t->terminal && rc == 0) {
            rc = mu_resources_subtract(&free_now, &t->info->resources, err);
        }
    }
    if (rc == 0 && !mu_resources_contains(&free_now, &info->resources)) {
        struct mu_buf wanted, left;
        mu_buf_init(&wanted, 4096);
        mu_buf_init(&left, 4096);
        mu_resources_format(&info->resources, &wanted);
        mu_resources_format(&free_now, &left);
        rc = mu_fail(err, MU_E_LIMIT,
                     "the task wants '%.100s', the agent has '%.100s' left",
                     mu_buf_str(&wanted), mu_buf_str(&left));
        mu_buf_release(&wanted);
        mu_buf_release(&left);
    }
    mu_resources_release(&free_now);
    return rc;
}

static bool was_completed(const struct agent *a,
                          const struct mu_framework_id *f,
                          const struct mu_task_id *id)
{
    for (size_t i = 0; i < a->completed.count; i++) {
        const struct task *t = a->completed.v[i];
        if (strcmp(t->framework.id.s, f->s) == 0 && strcmp(t->info->id.s, id->s) == 0) {
            return true;
        }
    }
    return false;
}

/* Why a task can not be taken; NULL: it can. */
static const char *refusal(const struct agent *a,
                           const struct mu_framework_info *f,
                           const struct mu_task_info *info,
                           struct mu_error *err)
{
    if (strcmp(info->agent_id.s, a->info.id.s) != 0) {
        return "the task is meant for another agent";
    }
    if (a->journal_failed) {
        return a->journal_text;
    }
    if (agent_task_find(a, &f->id, &info->id) != NULL) {
        return "the task that had this id before has ended, and its container is still "
               "being removed";
    }
    return resources_fit(a, info, err) < 0 ? err->text : NULL;
}

void agent_task_run(struct agent *a, const struct mu_msg *m)
{
    const struct mu_task_info *info = m->tasks[0];
    const struct mu_framework_info *f = &m->frameworks[0];
    const struct task *known = agent_task_find(a, &f->id, &info->id);
    if (known != NULL && !known->terminal_acknowledged) {
        return; /* a duplicate: the task is known, its updates will tell */
    }
    struct mu_error err;
    const char *why = refusal(a, f, info, &err);
    if (why != NULL) {
        bool aware = (f->capabilities & MU_CAP_PARTITION_AWARE) != 0;
        agent_log(a, MU_WARN, "task %s refused: %s", info->id.s, why);
        /* not REASON_INVALID_OFFERS: that is a lost race, after which schedulers try
         * again at once, and this agent would refuse again at once */
        agent_update_unkept(a, &f->id, &info->id, aware ? MU_TASK_DROPPED : MU_TASK_LOST,
                            a->journal_failed ? "REASON_CONTAINER_LAUNCH_FAILED"
                                              : "REASON_TASK_INVALID",
                            why);
        return;
    }
    struct mu_uuid uuid;
    mu_uuid_make(mu_prng_next(&a->prng), mu_prng_next(&a->prng), &uuid);
    struct mu_container_id container = {0};
    memcpy(container.s, uuid.s, sizeof(uuid.s));
    mu_auto_free char *sandbox =
        mu_xasprintf("%s/slaves/%s/frameworks/%s/executors/%s/runs/%s", a->work_dir,
                     a->info.id.s, f->id.s, info->id.s, container.s);
    agent_task_choose(a, agent_task_create(a, info, f, &container, sandbox));
}

void agent_task_ended_unstarted(struct agent *a,
                                struct task *t,
                                enum mu_task_state state,
                                const char *reason,
                                const char *message)
{
    t->phase = PHASE_GONE;
    t->starting_at_ms = t->kill_at_ms = MU_NEVER_MS;
    agent_update_add(a, t, state, reason, message);
}

static bool killed_before_start(struct agent *a, struct task *t)
{
    if (!t->kill_asked) {
        return false;
    }
    agent_task_ended_unstarted(a, t, MU_TASK_KILLED, "REASON_TASK_KILLED_DURING_LAUNCH",
                               "Killed before the container was started");
    return true;
}

/* Ask first who takes it, so that one record holds all that a restart must know. */
void agent_task_choose(struct agent *a, struct task *t)
{
    t->phase = PHASE_CHOOSING;
    agent_emit_container(a, AGENT_FX_CHOOSE, t);
}

/* A refusal is journalled too: it is told until it is acknowledged, like any other end.
 */
void agent_task_on_chosen(struct agent *a, const struct agent_event *ev)
{
    struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
    if (t == NULL || t->phase != PHASE_CHOOSING) {
        return;
    }
    t->phase = PHASE_ACCEPTED;
    if (ev->status >= 0) {
        (void)snprintf(t->containerizer, sizeof(t->containerizer), "%s", ev->text);
    }
    struct agent_record *r = agent_journal(a, AGENT_REC_TASK, THEN_PREPARE, t);
    r->task = mu_task_info_ref(t->info);
    mu_framework_info_copy(&r->framework, &t->framework);
    r->sandbox = mu_xstrdup(t->sandbox);
    memcpy(r->containerizer, t->containerizer, sizeof(r->containerizer));
    if (!killed_before_start(a, t) && ev->status < 0) {
        a->launch_errors++;
        agent_task_ended_unstarted(a, t, MU_TASK_FAILED, "REASON_CONTAINER_LAUNCH_FAILED",
                                   ev->text);
    }
}

/* Is durable, or was before a restart: the container may be prepared. */
void agent_task_prepare(struct agent *a, struct task *t)
{
    if (killed_before_start(a, t)) {
        return;
    }
    if (a->journal_failed) {
        agent_task_ended_unstarted(a, t, MU_TASK_FAILED, "REASON_CONTAINER_LAUNCH_FAILED",
                                   a->journal_text);
        return;
    }
    t->phase = PHASE_PREPARING;
    t->starting_at_ms = a->now.mono_ms + SLOW_LAUNCH_MS;
    agent_emit_container(a, AGENT_FX_PREPARE, t);
}

void agent_task_on_prepared(struct agent *a, const struct agent_event *ev)
{
    struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
    if (t == NULL || t->phase != PHASE_PREPARING || killed_before_start(a, t)) {
        return;
    }
    if (ev->status < 0) {
        a->launch_errors++;
        agent_task_ended_unstarted(a, t, MU_TASK_FAILED, "REASON_CONTAINER_LAUNCH_FAILED",
                                   ev->text);
        return;
    }
    t->phase = PHASE_LAUNCHING;
    agent_emit_container(a, AGENT_FX_LAUNCH, t);
}

static void destroy(struct agent *a, struct task *t)
{
    t->kill_at_ms = t->starting_at_ms = MU_NEVER_MS;
    t->destroy_retry_ms = MU_NEVER_MS;
    t->phase = PHASE_DESTROYING;
    agent_emit_container(a, AGENT_FX_DESTROY, t);
}

void agent_task_on_launched(struct agent *a, const struct agent_event *ev)
{
    struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
    if (t == NULL || t->phase != PHASE_LAUNCHING) {
        return; /* killed meanwhile: its destruction is under way and will tell */
    }
    if (ev->status < 0) {
        a->launch_errors++;
        mu_auto_free char *text =
            mu_xasprintf("Failed to launch container: %s",
                         ev->text == NULL ? mu_strerror(ev->status) : ev->text);
        agent_task_ended_unstarted(a, t, MU_TASK_FAILED, "REASON_CONTAINER_LAUNCH_FAILED",
                                   text);
        return;
    }
    t->phase = PHASE_RUNNING;
    t->launched = true;
    t->starting_at_ms = MU_NEVER_MS;
    if (ev->container != NULL) {
        t->pid = ev->container->pid;
        (void)snprintf(t->ip, sizeof(t->ip), "%s",
                       ev->container->ip == NULL ? "" : ev->container->ip);
    }
    agent_update_add(a, t, MU_TASK_RUNNING, NULL, NULL);
}

/* ---- end ---- */

static void
end_by_status(struct agent *a, struct task *t, const struct mu_container_exit *how)
{
    const char *message = how->message == NULL ? "" : how->message;
    if (!how->has_status && !t->kill_asked) {
        agent_update_add(a, t, agent_is_partition_aware(t) ? MU_TASK_GONE : MU_TASK_LOST,
                         "REASON_EXECUTOR_TERMINATED", message);
    } else if (how->oom) {
        agent_update_add(a, t, MU_TASK_FAILED, "REASON_CONTAINER_LIMITATION_MEMORY",
                         message);
    } else if (t->kill_asked) {
        agent_update_add(a, t, MU_TASK_KILLED, NULL, message);
    } else if (WIFEXITED(how->wait_status) && WEXITSTATUS(how->wait_status) == 0) {
        agent_update_add(a, t, MU_TASK_FINISHED, NULL, message);
    } else {
        agent_update_add(a, t, MU_TASK_FAILED, "REASON_COMMAND_EXECUTOR_FAILED", message);
    }
}

void agent_task_on_exited(struct agent *a,
                          struct task *t,
                          const struct mu_container_exit *how)
{
    if (t->phase == PHASE_GONE || t->phase < PHASE_LAUNCHING) {
        return;
    }
    if (!t->terminal) {
        end_by_status(a, t, how);
    }
    if (t->phase != PHASE_DESTROYING) {
        destroy(a, t);
    }
}

void agent_task_on_destroyed(struct agent *a, const struct agent_event *ev)
{
    struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
    if (t == NULL || t->phase != PHASE_DESTROYING) {
        return;
    }
    if (ev->status < 0) {
        agent_log(a, MU_WARN, "container %s of task %s not removed, trying again: %s",
                  t->container_id.s, t->info->id.s, ev->text);
        t->destroy_retry_ms = a->now.mono_ms + DESTROY_RETRY_MS;
        return;
    }
    t->phase = PHASE_GONE;
    if (!t->terminal) { /* destroyed before it had told of its end */
        agent_update_add(a, t, MU_TASK_KILLED, NULL, "Container killed");
    }
    agent_task_maybe_forget(a, t);
}

/* ---- kill ---- */

/* Ask a running container to end: SIGTERM now, destruction when the grace is over. */
void agent_task_resume_kill(struct agent *a, struct task *t)
{
    if (t->phase != PHASE_RUNNING) {
        return;
    }
    uint64_t at = a->now.mono_ms + t->grace_ms;
    if (at < t->kill_at_ms) {
        t->kill_at_ms = at;
    }
    agent_emit_container(a, AGENT_FX_SIGNAL, t)->signal = SIGTERM;
}

void agent_task_kill(struct agent *a, const struct mu_msg *m)
{
    struct task *t = agent_task_find(a, &m->framework_id, &m->task_id);
    if (t == NULL) {
        if (!was_completed(a, &m->framework_id, &m->task_id)) {
            agent_update_unkept(a, &m->framework_id, &m->task_id, MU_TASK_GONE,
                                "REASON_RECONCILIATION", "Task is unknown to the agent");
        }
        return;
    }
    if (t->terminal) {
        return; /* its terminal update is on the way until it is acknowledged */
    }
    uint64_t grace = m->has_grace              ? m->grace_ms
                     : t->info->has_kill_grace ? t->info->kill_grace_ms
                                               : a->cfg.default_kill_grace_ms;
    bool first = !t->kill_asked;
    if (!first && grace >= t->grace_ms) {
        return; /* a repeated kill; only a shorter grace says something new */
    }
    t->kill_asked = true;
    t->grace_ms = grace;
    if (t->phase == PHASE_CHOOSING) {
        return; /* not journalled yet; ended when it is, in the next turn */
    }
    struct agent_record *r = agent_journal(a, AGENT_REC_KILL, THEN_NOTHING, t);
    r->has_grace = true;
    r->grace_ms = grace;
    if (first && t->phase == PHASE_RUNNING &&
        (t->framework.capabilities & MU_CAP_TASK_KILLING_STATE) != 0) {
        agent_update_add(a, t, MU_TASK_KILLING, NULL, NULL);
    }
    if (t->phase == PHASE_LAUNCHING) {
        destroy(a, t); /* the containerizer gives up pulling or starting it */
    } else if (t->phase == PHASE_PREPARING) {
        (void)killed_before_start(a, t); /* a fetch may take long; its answer is late */
    } else {
        agent_task_resume_kill(a, t);
    }
}

void agent_task_tick(struct agent *a, struct task *t)
{
    uint64_t now = a->now.mono_ms;
    if (now >= t->kill_at_ms && t->phase == PHASE_RUNNING) {
        destroy(a, t);
    }
    if (now >= t->destroy_retry_ms && t->phase == PHASE_DESTROYING) {
        destroy(a, t);
    }
    if (now >= t->starting_at_ms) {
        t->starting_at_ms = MU_NEVER_MS;
        if (!t->terminal && t->state == MU_TASK_STAGING && t->phase < PHASE_RUNNING) {
            agent_update_add(a, t, MU_TASK_STARTING, NULL,
                             "The container is being prepared");
        }
    }
}

/* ---- forgetting ---- */

static void complete(struct agent *a, struct task *t)
{
    MU_VEC_PUSH(&a->completed, t);
    if (a->completed.count > a->cfg.max_completed_tasks) {
        agent_task_free(a->completed.v[0]);
        MU_VEC_REMOVE(&a->completed, 0);
    }
}

void agent_task_maybe_forget(struct agent *a, struct task *t)
{
    if (t->phase != PHASE_GONE || !t->terminal_acknowledged || t->forgetting) {
        return;
    }
    t->forgetting = true;
    struct agent_record *r = agent_journal(a, AGENT_REC_FORGET, THEN_NOTHING, t);
    r->sandbox = mu_xstrdup(t->sandbox);
    agent_garbage_add(a, t->sandbox, a->now.wall_ms);
    char key[AGENT_KEY_MAX];
    agent_task_key(&t->framework.id, &t->info->id, key);
    mu_omap_remove(&a->tasks, key);
    mu_omap_remove(&a->containers, t->container_id.s);
    complete(a, t);
}
