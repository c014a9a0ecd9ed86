/* The app scheduler as a pure machine: a framework like any other, seen from the master;
 * Marathon's semantics, seen from its users.
 *
 * States: STOPPED -> LOADING (the registry is being read) -> READY; the link to the
 * master apart: DISCONNECTED, SUBSCRIBING, SUBSCRIBED. A command is answered when its
 * registry batch is durable; a refused one changes nothing. Deployments recompute
 * "healthy, old left" from current state at each step (no counting of events), so
 * duplicates and lost events cannot leave one stuck. A launch is recorded in the registry
 * before the task is sent. Effects are owned by the list; the driver consumes and
 * releases them.
 */
#ifndef MU_SCHEDULER_H
#define MU_SCHEDULER_H

#include <muster/kind/api.h>

#include "domain/message.h"
#include "domain/now.h"

struct scheduler;

struct scheduler_config {
    const char *name, *user, *role, *hostname, *webui_url; /* of the framework; copied */
    uint64_t seed;
    uint64_t failover_timeout_ms; /* 604800000 */
    uint64_t decline_ms;          /* 120000: filter of a declined offer */
    uint64_t
        min_revive_interval_ms; /* 5000; the first revive after new work is at once */
    uint64_t reconcile_initial_ms, reconcile_interval_ms;   /* 15000, 600000 */
    uint64_t scale_apps_initial_ms, scale_apps_interval_ms; /* 15000, 300000 */
    uint64_t launch_confirm_timeout_ms, launch_timeout_ms;  /* 300000, 300000 */
    uint64_t kill_retry_ms;                                 /* 30000 */
    uint32_t max_tasks_per_offer;                           /* 100 */
    uint16_t local_port_min,
        local_port_max;               /* service ports: 10000, 20000 (not included) */
    uint32_t max_versions;            /* kept per app, 50 */
    uint32_t max_running_deployments; /* 100 */
    uint64_t unknown_timeout_ms;      /* a task in TASK_UNKNOWN is given up after this; 0:
                                         SCHEDULER_UNKNOWN_TIMEOUT_MS */
    /* Puts into out why the registry does not answer, for people; nothing when no reason
     * is known. Called while a step or a query runs. May be NULL. */
    void (*explain_registry)(void *arg, struct mu_buf *out);
    void *explain_arg;
};
#define SCHEDULER_UNKNOWN_TIMEOUT_MS 75000u

/* What the registry keeps. Keys: "framework", "apps/<id>" (current),
 * "versions/<id>/<version ms, 20 digits>", "deployments/<id>", "tasks/<task id>",
 * "failures/<app id>", "delays/<app id>"; ids in keys have '/' as it is. The driver
 * encodes (core/codec/scheduler_json.c). */
enum scheduler_record_kind {
    SCHED_REC_FRAMEWORK = 1, /* framework_id */
    SCHED_REC_APP,           /* app: the current definition */
    SCHED_REC_VERSION,       /* app: one older or current version */
    SCHED_REC_DEPLOYMENT,    /* deployment */
    SCHED_REC_TASK,          /* task */
    SCHED_REC_FAILURE,       /* failure */
    SCHED_REC_DELAY,         /* delay */
};
struct scheduler_task_record {
    struct mu_task_id id;
    char *app_id;
    int64_t version_ms, staged_ms, started_ms;
    struct mu_agent_id agent_id;
    char *host;
    char ip[46];
    uint32_t state; /* latest known */
    bool killing;
    uint16_t *ports;
    size_t port_count;
    struct mu_pairs attributes; /* of the agent, for constraints */
};
struct scheduler_change { /* of one app within a deployment: what it was and what it shall
                             be */
    const struct mu_app *from,
        *to; /* references of their own; NULL: none (created, deleted) */
    char *app_id;
    bool restart;
    int64_t from_ms, to_ms; /* in a record, instead of the definitions: the versions whose
                               records have them; 0: none */
};
struct scheduler_deployment_record {
    struct mu_uuid id;
    int64_t version_ms;
    struct scheduler_change *changes;
    size_t change_count;
    struct mu_strings victims; /* task ids to go first (kill and scale) */
};
struct scheduler_failure_record {
    char *app_id, *task_id, *host, *message;
    struct mu_agent_id agent_id;
    uint32_t state;
    int64_t wall_ms, version_ms;
};
struct scheduler_delay_record { /* an app that fails again and again waits */
    char *app_id;
    int64_t config_ms; /* of the definition that failed: a new one starts at once */
    int64_t failed_ms; /* wall */
    uint64_t delay_ms; /* from then on */
};
struct scheduler_record {
    uint32_t kind;
    bool remove; /* delete: only what the key needs is filled */
    struct mu_framework_id framework_id;
    const struct mu_app *app;                       /* a reference of its own */
    struct scheduler_deployment_record *deployment; /* owned */
    struct scheduler_task_record *task;             /* owned */
    struct scheduler_failure_record *failure;       /* owned */
    struct scheduler_delay_record *delay;           /* owned */
};
void scheduler_record_release(struct scheduler_record *r);

enum scheduler_event_type {
    SCHED_EV_TICK = 1,
    SCHED_EV_START, /* this process leads: load (epoch) */
    SCHED_EV_STOP, /* leadership lost: throw everything away, fail what waits, end watches
                    */
    SCHED_EV_ENTRY,     /* record: one of the registry */
    SCHED_EV_LOADED,    /* status, text */
    SCHED_EV_COMMITTED, /* token, status, text */
    SCHED_EV_CONNECTED, /* a link to the master is there: subscribe */
    SCHED_EV_DISCONNECTED,
    SCHED_EV_MESSAGE, /* msg */
    SCHED_EV_COMMAND, /* token (the driver's), command: REPLY follows with that token */
};
struct scheduler_event {
    uint32_t type;
    struct mu_now now;
    uint64_t token, epoch;
    int status;
    const char *text;
    const struct scheduler_record *record;
    const struct mu_msg *msg;
    const struct mu_command_request *command;
};

enum scheduler_effect_type {
    SCHED_FX_LOAD = 1, /* epoch: ENTRY... then LOADED */
    SCHED_FX_COMMIT,   /* token, records: one atomic batch; COMMITTED follows */
    SCHED_FX_SEND,     /* msg to the master */
    SCHED_FX_REPLY,    /* token, result (owned copies in this effect) */
    SCHED_FX_EVENT, /* event: publish to watches; borrowed from the machine, valid until
                       the next step */
    SCHED_FX_ABDICATE, /* asked for by a user; or it has stopped by itself (the registry
                          is fenced, or its outcome unknown): withdraw, contend again */
    SCHED_FX_LOG,      /* level, text */
};
struct scheduler_reply {
    int status;
    char *text, *path;
    int64_t version_ms;
    struct mu_uuid deployment_id; /* empty: none */
    struct mu_strings conflicts;
    const struct mu_app **apps; /* references of their own */
    size_t app_count;
};
struct scheduler_effect {
    uint32_t type;
    uint64_t token, epoch;
    int level;
    char *text;
    struct mu_msg msg;
    struct scheduler_record *records;
    size_t record_count;
    struct scheduler_reply reply;
    struct mu_event event;
};
struct scheduler_effects {
    struct scheduler_effect *v;
    size_t count, cap;
};
void scheduler_effects_release(struct scheduler_effects *fx);

struct scheduler *scheduler_create(const struct scheduler_config *cfg);
void scheduler_destroy(struct scheduler *s);
void scheduler_step(struct scheduler *s,
                    const struct scheduler_event *ev,
                    struct scheduler_effects *out);
uint64_t scheduler_deadline_ms(const struct scheduler *s);
int scheduler_check(const struct scheduler *s, struct mu_error *err);

/* MU_Q_APPS .. MU_Q_SCHEDULER. now is for delays left. */
int scheduler_query(const struct scheduler *s,
                    const struct mu_now *now,
                    uint32_t type,
                    const char *key,
                    mu_row_cb cb,
                    void *arg);
void scheduler_metrics(const struct scheduler *s,
                       void (*cb)(void *arg, const char *name, double value),
                       void *arg);

#endif
