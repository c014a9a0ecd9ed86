/* clang-format off */
/* What survives the agent: replay of the journal, taking over what runs, the snapshot for
 * compaction.
 *
 * Any prefix of the journal is a valid state, since a crash may cut it anywhere:
 *
 *   TASK                    may or may not have been started  -> its containerizer tells; if not, it is prepared
 *   TASK, no containerizer  nothing was started               -> the choice is made again
 *   ... UPDATE(running)     was started                       -> runs, has ended, or is lost; its containerizer tells
 *   ... UPDATE(terminal)    has ended and was told            -> what is left is an orphan that recover removes;
 *                                                                the update is sent until acknowledged
 *   ... ACK(terminal)       all is told                       -> forgotten
 */
/* clang-format on */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

#define COMPACT_MIN_RECORDS 2000u

/* ---- replay ---- */

static void forget_all(struct agent *a)
{
    mu_omap_foreach (e, &a->tasks) {
        agent_task_free(e->value);
    }
    mu_omap_release(&a->tasks);
    mu_omap_release(&a->containers);
    for (size_t i = 0; i < a->garbage.count; i++) {
        free(a->garbage.v[i].sandbox);
    }
    a->garbage.count = 0;
    a->info.id = (struct mu_agent_id){0};
    a->epoch = 0;
}

static void replay_task(struct agent *a, const struct agent_record *r)
{
    struct task *t = agent_task_find(a, &r->framework_id, &r->task_id);
    if (r->task == NULL || (t != NULL && t->terminal)) {
        return; /* the latter: it was being written while a snapshot was taken */
    }
    if (t == NULL) {
        t = agent_task_create(a, r->task, &r->framework, &r->container_id,
                              r->sandbox == NULL ? "" : r->sandbox);
        t->accepted_wall_ms = r->wall_ms;
    }
    memcpy(t->containerizer, r->containerizer, sizeof(t->containerizer));
    t->phase = t->containerizer[0] != '\0' ? PHASE_LAUNCHING : PHASE_ACCEPTED;
}

static void replay_update(struct task *t, const struct mu_task_status *s)
{
    struct update u = {.status = *s, .durable = true};
    t->state = s->state;
    t->terminal = mu_task_state_is_terminal((enum mu_task_state)s->state);
    if (t->terminal) {
        t->phase = PHASE_GONE;
    } else if (s->state == MU_TASK_RUNNING) {
        t->launched = true;
        memcpy(t->ip, s->ip, sizeof(t->ip));
    }
    MU_VEC_PUSH(&t->history, *s);
    MU_VEC_PUSH(&t->updates, u);
}

static void replay_ack(struct task *t, const struct mu_uuid *uuid)
{
    if (t->updates.count == 0 || strcmp(t->updates.v[0].status.uuid.s, uuid->s) != 0) {
        return;
    }
    if (mu_task_state_is_terminal((enum mu_task_state)t->updates.v[0].status.state)) {
        t->terminal_acknowledged = true;
    }
    MU_VEC_REMOVE(&t->updates, 0);
}

static void replay_forget(struct agent *a, const struct agent_record *r)
{
    agent_garbage_add(a, r->sandbox, r->wall_ms);
    struct task *t = agent_task_find(a, &r->framework_id, &r->task_id);
    if (t == NULL) {
        return;
    }
    char key[AGENT_KEY_MAX];
    agent_task_key(&r->framework_id, &r->task_id, key);
    mu_omap_remove(&a->tasks, key);
    mu_omap_remove(&a->containers, t->container_id.s);
    agent_task_free(t);
}

void agent_replay(struct agent *a, const struct agent_record *r)
{
    struct task *t = agent_task_find(a, &r->framework_id, &r->task_id);
    a->records_since_compact++;
    switch ((enum agent_record_type)r->type) {
    case AGENT_REC_ID:
        a->info.id = r->agent_id;
        break;
    case AGENT_REC_TASK:
        replay_task(a, r);
        break;
    case AGENT_REC_UPDATE:
        if (t != NULL && !t->terminal) {
            replay_update(t, &r->status);
        }
        break;
    case AGENT_REC_ACK:
        if (t != NULL) {
            replay_ack(t, &r->uuid);
        }
        break;
    case AGENT_REC_KILL:
        if (t != NULL) {
            t->kill_asked = true;
            t->grace_ms = r->grace_ms;
        }
        break;
    case AGENT_REC_FORGET:
        replay_forget(a, r);
        break;
    case AGENT_REC_RESET:
        forget_all(a);
        break;
    case AGENT_REC_EPOCH:
        a->epoch = r->epoch;
        break;
    }
}

void agent_replayed(struct agent *a)
{
    a->state = AGENT_RECOVERING;
    a->epoch_heard_ms = a->now.mono_ms; /* how long ago it really was is not known */
    if (a->tasks.count > 0) {
        agent_log(a, MU_INFO, "recovered agent %s with %zu tasks from the journal",
                  a->info.id.s, a->tasks.count);
    }
    agent_emit(a, AGENT_FX_RECOVER);
}

size_t agent_known(const struct agent *a,
                   void (*cb)(void *arg,
                              const char *containerizer,
                              const struct mu_container_known *k),
                   void *arg)
{
    size_t n = 0;
    mu_omap_foreach (e, &a->tasks) {
        const struct task *t = e->value;
        if (t->terminal) {
            continue; /* what may be left of it is an orphan */
        }
        const struct mu_container_known k = {
            .spec = {.struct_size = sizeof(k.spec),
                     .id = t->container_id,
                     .task = t->info,
                     .sandbox = t->sandbox,
                     .env = &t->env,
                     .agent_label = a->work_dir},
            .launched = t->launched,
        };
        cb(arg, t->containerizer, &k);
        n++;
    }
    return n;
}

/* ---- what the containerizers found ---- */

void agent_on_container(struct agent *a, const struct agent_event *ev)
{
    struct task *t = mu_omap_get(&a->containers, ev->container_id->s);
    if (t == NULL || a->state != AGENT_RECOVERING || t->answered) {
        return;
    }
    t->answered = true;
    if (t->terminal) {
        return;
    }
    if (ev->running) {
        t->phase = PHASE_RUNNING;
        t->launched = true;
        if (ev->container != NULL) {
            t->pid = ev->container->pid;
            (void)snprintf(t->ip, sizeof(t->ip), "%s",
                           ev->container->ip == NULL ? "" : ev->container->ip);
        }
        if (t->state == MU_TASK_STAGING || t->state == MU_TASK_STARTING) {
            agent_update_add(a, t, MU_TASK_RUNNING, NULL, NULL);
        }
    } else if (ev->exit != NULL) {
        t->phase = PHASE_RUNNING;
        agent_task_on_exited(a, t, ev->exit);
    } else {
        t->phase = PHASE_ACCEPTED; /* never started: started once all is recovered */
    }
}

static void settle(struct agent *a, struct task *t)
{
    if (t->terminal) {
        agent_task_maybe_forget(a, t);
        return;
    }
    if (!t->answered && t->containerizer[0] != '\0') {
        static const struct mu_container_exit lost = {
            .struct_size = sizeof(lost),
            .message = "the containerizer does not know the container any more"};
        t->phase = PHASE_RUNNING;
        agent_task_on_exited(a, t, &lost);
    } else if (t->phase == PHASE_ACCEPTED && t->launched) {
        static const struct mu_container_exit gone = {.struct_size = sizeof(gone),
                                                      .message = "the container is gone"};
        t->phase = PHASE_RUNNING;
        agent_task_on_exited(a, t, &gone);
    } else if (t->phase == PHASE_ACCEPTED && t->containerizer[0] == '\0') {
        agent_task_choose(a, t);
    } else if (t->phase == PHASE_ACCEPTED) {
        agent_task_prepare(a, t);
    } else if (t->kill_asked) {
        agent_task_resume_kill(a, t);
    }
}

void agent_recovered(struct agent *a, const struct agent_event *ev)
{
    if (a->state != AGENT_RECOVERING) {
        return;
    }
    if (ev->status < 0) {
        agent_log(a, MU_ERROR, "containers cannot be taken over: %s",
                  ev->text == NULL ? "" : ev->text);
        return;
    }
    a->state = AGENT_RUNNING;
    mu_omap_foreach_safe (e, &a->tasks) {
        settle(a, e->value);
    }
    agent_want_registration(a);
    agent_maybe_compact(a);
}

/* ---- snapshot ---- */

static void snapshot_task(const struct task *t,
                          void (*cb)(void *arg, const struct agent_record *r),
                          void *arg)
{
    struct agent_record r = {
        .type = AGENT_REC_TASK,
        .framework_id = t->framework.id,
        .task_id = t->info->id,
        .container_id = t->container_id,
        .task = t->info,
        .framework = t->framework,
        .sandbox = t->sandbox,
        .wall_ms = t->accepted_wall_ms,
    }; /* borrowed: not released */
    memcpy(r.containerizer, t->containerizer, sizeof(r.containerizer));
    cb(arg, &r);
    r.task = NULL;
    r.framework = (struct mu_framework_info){0};
    r.sandbox = NULL;
    r.containerizer[0] = '\0';
    /* Acknowledged updates: only the newest says something, so it is told and
     * acknowledged again. */
    size_t acknowledged = t->history.count - t->updates.count;
    for (size_t i = acknowledged > 0 ? acknowledged - 1 : 0; i < t->history.count; i++) {
        r.type = AGENT_REC_UPDATE;
        r.status = t->history.v[i];
        r.uuid = r.status.uuid;
        cb(arg, &r);
        if (i < acknowledged) {
            r.type = AGENT_REC_ACK;
            r.status = (struct mu_task_status){0};
            cb(arg, &r);
        }
    }
    if (t->kill_asked) {
        r.type = AGENT_REC_KILL;
        r.status = (struct mu_task_status){0};
        r.has_grace = true;
        r.grace_ms = t->grace_ms;
        cb(arg, &r);
    }
}

void agent_snapshot(const struct agent *a,
                    void (*cb)(void *arg, const struct agent_record *r),
                    void *arg)
{
    struct agent_record r = {.type = AGENT_REC_RESET, .wall_ms = a->now.wall_ms};
    cb(arg, &r);
    if (!MU_ID_EMPTY(a->info.id)) {
        r.type = AGENT_REC_ID;
        r.agent_id = a->info.id;
        cb(arg, &r);
    }
    if (a->epoch != 0) {
        const struct agent_record epoch = {
            .type = AGENT_REC_EPOCH, .epoch = a->epoch, .wall_ms = a->now.wall_ms};
        cb(arg, &epoch);
    }
    mu_omap_foreach (e, &a->tasks) {
        snapshot_task(e->value, cb, arg);
    }
    for (size_t i = 0; i < a->garbage.count; i++) {
        struct agent_record g = {.type = AGENT_REC_FORGET,
                                 .sandbox = a->garbage.v[i].sandbox,
                                 .wall_ms = a->garbage.v[i].wall_ms};
        cb(arg, &g);
    }
}

/* The journal is rewritten when it holds far more records than a snapshot would. */
void agent_maybe_compact(struct agent *a)
{
    uint64_t live = 3 + a->tasks.count * 4 + a->garbage.count;
    if (a->state != AGENT_RUNNING || a->journal_failed ||
        a->records_since_compact < COMPACT_MIN_RECORDS ||
        a->records_since_compact < 4 * live) {
        return;
    }
    a->records_since_compact = live;
    agent_emit(a, AGENT_FX_COMPACT)->token = a->last_token;
}
