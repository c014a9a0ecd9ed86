/* The agent as a pure machine: events in, effects out. It owns the truth about what runs
 * on this host; a restart changes nothing for the tasks.
 *
 * States: REPLAYING (journal records come in) -> RECOVERING (containerizers take over
 * what runs) -> RUNNING, and within it the link to the master: DISCONNECTED, REGISTERING,
 * REGISTERED. Order of durability: a task is journalled before it is launched, a status
 * update before it is sent, an acknowledgement before the task is forgotten. Each status
 * update is sent again (10 s, doubling to 10 min) until acknowledged; one outstanding per
 * task. While the journal cannot be written no task is taken and the agent says that it
 * is unwell; what runs is left alone, and a snapshot is tried again and again, which
 * makes the journal whole. Muster's agent runs a command task as one container: there is
 * no executor process between.
 */
#ifndef MU_AGENT_MACHINE_H
#define MU_AGENT_MACHINE_H

#include <muster/kind/api.h>
#include <muster/kind/containerizer.h>

#include "domain/message.h"
#include "domain/now.h"

struct agent;

struct agent_config {
    struct mu_agent_info
        info;             /* borrowed during create; id empty (the journal gives it) */
    const char *work_dir; /* absolute; sandboxes are below it */
    uint64_t seed;
    uint64_t registration_backoff_ms; /* 1000: first retry within random(0, x), doubling
                                         to 60 s */
    uint64_t default_kill_grace_ms;   /* 3000 */
    uint32_t max_completed_tasks;     /* per agent, 200 */
    uint64_t
        gc_delay_ms; /* sandbox of a completed task is removed after this, 604800000 */
};

/* The journal: what must survive the agent. One record per change. */
enum agent_record_type {
    AGENT_REC_ID = 1, /* agent id given by a master (agent_id) */
    AGENT_REC_TASK,   /* framework, task, container id, containerizer ("": none takes it):
                         accepted; before anything is started */
    AGENT_REC_UPDATE, /* status: to be sent until acknowledged */
    AGENT_REC_ACK,    /* framework_id, task_id, uuid */
    AGENT_REC_KILL,   /* framework_id, task_id: kill was asked for, with grace */
    AGENT_REC_FORGET, /* framework_id, task_id: terminal and acknowledged and cleaned up
                       */
    AGENT_REC_RESET,  /* snapshot begins: forget all before */
    AGENT_REC_EPOCH,  /* epoch: of the leader that is obeyed from here on */
    AGENT_REC_LAST = AGENT_REC_EPOCH
};
struct agent_record {
    uint32_t type;
    struct mu_agent_id agent_id;
    struct mu_framework_id framework_id;
    struct mu_task_id task_id;
    struct mu_container_id container_id;
    struct mu_uuid uuid;
    const struct mu_task_info *task; /* a reference of its own */
    struct mu_framework_info framework;
    struct mu_task_status status;
    char containerizer[32];
    int64_t pid, wall_ms;
    bool has_grace;
    uint64_t grace_ms, epoch;
    char *sandbox;
};
void agent_record_release(struct agent_record *r);

enum agent_event_type {
    AGENT_EV_TICK = 1,
    AGENT_EV_REPLAY,     /* record: one of the journal, oldest first */
    AGENT_EV_REPLAYED,   /* end of the journal */
    AGENT_EV_JOURNALLED, /* token, status: records up to this token are durable (or the
                            journal failed) */
    AGENT_EV_COMPACTED,  /* token of the COMPACT, status: the journal is the snapshot, and
                            what was appended since */
    AGENT_EV_MASTER,  /* link (0: no master known or the link is gone): a fresh stream may
                         be used */
    AGENT_EV_MESSAGE, /* link, msg */
    AGENT_EV_CONTAINER, /* RECOVERED result of one: container_id, running, container, exit
                           (NULL: never started) */
    AGENT_EV_RECOVERED, /* all containerizers have recovered; status, text */
    AGENT_EV_CHOSEN,    /* container_id, status, text: the containerizer's name, or why
                            none takes it */
    AGENT_EV_PREPARED,  /* container_id, status, text: sandbox made, uris fetched */
    AGENT_EV_LAUNCHED,  /* container_id, status, text, container */
    AGENT_EV_EXITED,    /* container_id, exit */
    AGENT_EV_DESTROYED, /* container_id, status, text */
};
struct agent_event {
    uint32_t type;
    struct mu_now now;
    uint64_t token, link;
    int status;
    const char *text;
    const struct agent_record *record;
    const struct mu_msg *msg;
    const struct mu_container_id *container_id;
    bool running;
    const struct mu_container_status *container;
    const struct mu_container_exit *exit;
};

enum agent_effect_type {
    AGENT_FX_JOURNAL = 1, /* token, record: append; JOURNALLED follows in order */
    AGENT_FX_SEND,        /* link, msg */
    AGENT_FX_RECONNECT,   /* drop the link and dial again */
    AGENT_FX_RECOVER,     /* known[] from agent_known(): containerizers recover, then
                             CONTAINER... and RECOVERED */
    AGENT_FX_CHOOSE,      /* container_id, task, sandbox, env: CHOSEN follows, later */
    AGENT_FX_PREPARE,     /* the same: make the sandbox, fetch uris; PREPARED follows */
    AGENT_FX_LAUNCH,      /* the same, containerizer: LAUNCHED follows */
    AGENT_FX_SIGNAL,      /* container_id, containerizer, signal */
    AGENT_FX_DESTROY,     /* container_id, containerizer: DESTROYED follows */
    AGENT_FX_REMOVE_SANDBOX, /* sandbox */
    AGENT_FX_LOG,            /* level, text */
    AGENT_FX_COMPACT,  /* token: the records of agent_snapshot() may replace the journal
                          now, a failed one too; COMPACTED follows */
    AGENT_FX_SHUTDOWN, /* text: the master told this agent to end */
};
struct agent_effect {
    uint32_t type;
    uint64_t token, link;
    int level, signal;
    char *text;
    struct mu_msg msg;
    struct agent_record record;
    struct mu_container_id container_id;
    const struct mu_task_info *task; /* a reference of its own */
    char *sandbox;
    struct mu_pairs env;
    char containerizer[32];
};
struct agent_effects {
    struct agent_effect *v;
    size_t count, cap;
};
void agent_effects_release(struct agent_effects *fx);

struct agent *agent_create(const struct agent_config *cfg);
void agent_destroy(struct agent *a);
void agent_step(struct agent *a, const struct agent_event *ev, struct agent_effects *out);
uint64_t agent_deadline_ms(const struct agent *a);
int agent_check(const struct agent *a, struct mu_error *err);

/* What the containerizers are to take over: for each, cb(arg, containerizer's name or ""
 * if none was chosen yet, known). Valid during AGENT_FX_RECOVER. */
size_t agent_known(const struct agent *a,
                   void (*cb)(void *arg,
                              const char *containerizer,
                              const struct mu_container_known *k),
                   void *arg);
/* The whole state as records (first AGENT_REC_RESET), for compaction. */
void agent_snapshot(const struct agent *a,
                    void (*cb)(void *arg, const struct agent_record *r),
                    void *arg);

/* MU_Q_LOCAL_AGENT, MU_Q_LOCAL_TASKS. */
int agent_query(
    const struct agent *a, uint32_t type, const char *key, mu_row_cb cb, void *arg);
void agent_metrics(const struct agent *a,
                   void (*cb)(void *arg, const char *name, double value),
                   void *arg);

#endif
