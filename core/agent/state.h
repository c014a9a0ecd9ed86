/* clang-format off */
/* The agent machine's state, shared by the files of this folder only.
 *
 * A task's container goes through these phases; the task's state (TASK_RUNNING, ...) is
 * what its updates say and is kept apart:
 *
 *   CHOOSING    which containerizer takes it                 -> ACCEPTED, GONE (none does, killed)
 *   ACCEPTED    its record, with the choice, is journalled   -> PREPARING, GONE (killed)
 *   PREPARING   sandbox, URIs                                -> LAUNCHING, GONE (failed, killed)
 *   LAUNCHING   the containerizer starts it                  -> RUNNING, GONE (failed), DESTROYING (killed)
 *   RUNNING     it runs                                      -> DESTROYING (ended, or its grace is over)
 *   DESTROYING  what is left of it is being removed          -> GONE
 *   GONE        nothing is left                              (forgotten once the terminal update is acknowledged)
 */
/* clang-format on */
#ifndef MU_AGENT_STATE_H
#define MU_AGENT_STATE_H

#include <muster/time.h>

#include "agent/agent.h"
#include "base/omap.h"
#include "base/prng.h"
#include "base/vec.h"

enum task_phase {
    PHASE_CHOOSING,
    PHASE_ACCEPTED,
    PHASE_PREPARING,
    PHASE_LAUNCHING,
    PHASE_RUNNING,
    PHASE_DESTROYING,
    PHASE_GONE
};

enum agent_state { AGENT_REPLAYING, AGENT_RECOVERING, AGENT_RUNNING };

struct update {
    struct mu_task_status status;
    bool durable;
};

struct task {
    const struct mu_task_info *info;
    struct mu_framework_info framework;
    struct mu_container_id container_id;
    char containerizer[32]; /* "" until chosen */
    char *sandbox;
    int64_t pid, accepted_wall_ms;
    char ip[46];
    enum task_phase phase;
    uint32_t state; /* of the newest update; TASK_STAGING before the first */
    bool terminal, terminal_acknowledged, launched,
        answered; /* answered: by its containerizer, during recovery */
    bool kill_asked, forgetting;
    uint64_t grace_ms;         /* of the kill */
    uint64_t kill_at_ms;       /* when the grace is over; MU_NEVER_MS */
    uint64_t destroy_retry_ms; /* MU_NEVER_MS */
    uint64_t starting_at_ms;   /* when a launch is slow enough to be told; MU_NEVER_MS */
    MU_VEC(struct update) updates;           /* not acknowledged, oldest first */
    uint64_t retry_at_ms, retry_interval_ms; /* of the head; MU_NEVER_MS: not sent */
    MU_VEC(struct mu_task_status) history;   /* for views */
    struct mu_pairs env;                     /* what the container gets */
};

enum then_kind { THEN_NOTHING, THEN_PREPARE, THEN_SEND };

/* What is to be done when a journal record is durable. */
struct then {
    uint64_t token;
    enum then_kind kind;
    char *key;
    struct mu_uuid uuid;
};

struct garbage {
    char *sandbox;
    int64_t wall_ms; /* when its task was forgotten */
    uint64_t due_ms; /* monotonic */
};

struct agent {
    struct agent_config cfg;
    struct mu_agent_info info; /* with the id, once known */
    char *work_dir;
    struct mu_prng prng;
    enum agent_state state;
    struct mu_now now;
    struct agent_effects *out;
    struct mu_omap tasks;            /* "<framework>/<task>" -> struct task */
    struct mu_omap containers;       /* container id -> struct task */
    MU_VEC(struct task *) completed; /* oldest first, at most cfg.max_completed_tasks */
    MU_VEC(struct then) thens;       /* in the order of their tokens */
    MU_VEC(struct garbage) garbage;
    uint64_t last_token, records_since_compact;
    bool journal_failed;
    char journal_text[160];             /* why, for people */
    uint64_t failed_token, whole_token; /* of the newest record that was not written; of
                                           the newest that a written snapshot has */
    uint64_t heal_at_ms, heal_wait_ms;  /* MU_NEVER_MS: not failed, or under way */
    uint64_t healed_at_ms;
    /* the link to the master */
    uint64_t link; /* 0: none */
    bool registered, ever_registered;
    unsigned attempts;
    uint64_t register_at_ms;        /* MU_NEVER_MS: not wanted */
    uint64_t silence_at_ms;         /* when a silent master is given up */
    uint64_t epoch, epoch_heard_ms; /* of the newest leader, and its last word */
    uint64_t silence_ms;
    int64_t start_wall_ms, registered_wall_ms, reregistered_wall_ms;
    /* for metrics */
    uint64_t ended[MU_TASK_STATE_COUNT];
    uint64_t valid_updates, launch_errors, removals;
};

/* effects.c */
struct agent_effect *agent_emit(struct agent *a, enum agent_effect_type type);
void agent_log(struct agent *a, int level, const char *fmt, ...) MU_PRINTF(3, 4);
struct agent_effect *
agent_emit_container(struct agent *a, enum agent_effect_type type, const struct task *t);
struct mu_msg *
agent_emit_send(struct agent *a,
                enum mu_msg_type type); /* on the current link, which is not 0 */
/* Append a record; what it is about is filled in by the caller, on the returned effect's
 * record. */
struct agent_record *agent_journal(struct agent *a,
                                   enum agent_record_type type,
                                   enum then_kind then,
                                   const struct task *t);

/* tasks.c */
void agent_task_key(const struct mu_framework_id *f,
                    const struct mu_task_id *t,
                    char *out); /* AGENT_KEY_MAX bytes */
#define AGENT_KEY_MAX (2 * MU_ID_MAX + 2)
struct task *agent_task_find(const struct agent *a,
                             const struct mu_framework_id *f,
                             const struct mu_task_id *t);
struct task *agent_task_create(struct agent *a,
                               const struct mu_task_info *info,
                               const struct mu_framework_info *f,
                               const struct mu_container_id *container,
                               const char *sandbox);
void agent_task_free(struct task *t);
void agent_task_run(struct agent *a, const struct mu_msg *m);
void agent_task_kill(struct agent *a, const struct mu_msg *m);
void agent_task_choose(struct agent *a, struct task *t);
void agent_task_on_chosen(struct agent *a, const struct agent_event *ev);
void agent_task_prepare(struct agent *a, struct task *t);
void agent_task_on_prepared(struct agent *a, const struct agent_event *ev);
void agent_task_on_launched(struct agent *a, const struct agent_event *ev);
void agent_task_on_exited(struct agent *a,
                          struct task *t,
                          const struct mu_container_exit *how);
void agent_task_on_destroyed(struct agent *a, const struct agent_event *ev);
void agent_task_resume_kill(struct agent *a, struct task *t);
void agent_task_ended_unstarted(struct agent *a,
                                struct task *t,
                                enum mu_task_state state,
                                const char *reason,
                                const char *message);
void agent_task_tick(struct agent *a, struct task *t);
void agent_task_maybe_forget(struct agent *a, struct task *t);

/* updates.c */
void agent_update_add(struct agent *a,
                      struct task *t,
                      enum mu_task_state state,
                      const char *reason,
                      const char *message);
void agent_update_durable(struct agent *a, const char *key, const struct mu_uuid *uuid);
void agent_update_acknowledged(struct agent *a, const struct mu_msg *m);
void agent_update_resend_all(struct agent *a);
void agent_update_tick(struct agent *a, struct task *t);
void agent_update_pause(struct agent *a);
/* A status that is not kept and not sent again: for what this agent has no task of. It
 * has a uuid, as all that agents send; an acknowledgement of it is ignored. */
void agent_update_unkept(struct agent *a,
                         const struct mu_framework_id *f,
                         const struct mu_task_id *t,
                         enum mu_task_state state,
                         const char *reason,
                         const char *message);

/* registration.c */
void agent_link_changed(struct agent *a, uint64_t link);
void agent_register(struct agent *a);
void agent_on_registered(struct agent *a, const struct mu_msg *m);
void agent_on_refused(struct agent *a, const struct mu_msg *m);
void agent_heard(struct agent *a);
void agent_want_registration(struct agent *a);

/* checkpoint.c */
void agent_replay(struct agent *a, const struct agent_record *r);
void agent_replayed(struct agent *a);
void agent_on_container(struct agent *a, const struct agent_event *ev);
void agent_recovered(struct agent *a, const struct agent_event *ev);
void agent_maybe_compact(struct agent *a);

/* healing.c */
void agent_journal_failed(struct agent *a, uint64_t token, int status);
void agent_on_compacted(struct agent *a, const struct agent_event *ev);
void agent_heal_tick(struct agent *a);

/* gc.c */
void agent_garbage_add(struct agent *a, const char *sandbox, int64_t forgotten_wall_ms);
void agent_garbage_collect(struct agent *a);

static inline bool agent_is_partition_aware(const struct task *t)
{
    return (t->framework.capabilities & MU_CAP_PARTITION_AWARE) != 0;
}

#endif
