/* Api: translates a dialect (Mesos, Marathon, one of yours) between HTTP routes and the
 * core. Three calls: submit a command, query a view, watch events; it cannot change state
 * otherwise.
 *
 * Views are rows borrowed for the callback: const structs out of the running machines.
 * Everything on the loop thread; query calls back inline, submit and watch never do. A
 * role that this process does not run answers MU_E_NOT_LEADER (standby) or
 * MU_E_UNSUPPORTED (no such role).
 */
#ifndef MU_KIND_API_H
#define MU_KIND_API_H

#include <muster/app.h>
#include <muster/host.h>
#include <muster/kind/containerizer.h>
#include <muster/kind/election.h>

MU_EXTERN_C_BEGIN

enum mu_roles {
    MU_ROLE_MASTER = 1u << 0,
    MU_ROLE_SCHEDULER = 1u << 1,
    MU_ROLE_AGENT = 1u << 2
};

/* ---- commands (to the app scheduler) ---- */

enum mu_command_type {
    MU_CMD_APPS_PUT = 1, /* apps: full definitions, created or replaced; ids: apps that go
                            at the same time (a group's, when it is replaced). One
                            deployment for all; without any of both an empty one, which
                            succeeds at once */
    MU_CMD_APP_DELETE,   /* ids[0..n) */
    MU_CMD_APP_RESTART,  /* ids[0] */
    MU_CMD_TASKS_KILL,   /* ids: task ids; scale: instances go down with them, as a
                            deployment */
    MU_CMD_DEPLOYMENT_STOP, /* ids[0]; force: stop and leave; else: a new deployment that
                               undoes it */
    MU_CMD_QUEUE_RESET,     /* ids[0]: clear an app's launch delay */
    MU_CMD_ABDICATE,        /* give up leadership */
};

struct mu_command_request {
    uint32_t struct_size;
    uint32_t type;
    const struct mu_app *const *apps;
    size_t app_count;
    const char *const *ids;
    size_t id_count;
    bool force, scale;
    bool create_only;            /* APPS_PUT: MU_E_EXISTS if one exists */
    const char *client_ip, *uri; /* for the api_post_event */
};

struct mu_command_result { /* borrowed for the callback */
    uint32_t struct_size;
    int status;       /* 0, MU_E_NOT_FOUND, MU_E_EXISTS, MU_E_CONFLICT, MU_E_INVALID,
                         MU_E_NOT_LEADER, MU_E_UNAVAILABLE, MU_E_LIMIT */
    const char *text; /* for a failure: names the subject */
    const char *path; /* MU_E_INVALID: JSON path of the member at fault ("/dependencies");
                         NULL: whole object */
    int64_t version_ms;
    const char *deployment_id; /* NULL: none made (kill without scale, stop with force) */
    const char *const *conflicts; /* MU_E_CONFLICT: ids of the deployments in the way */
    size_t conflict_count;
    const struct mu_app *const *apps; /* APPS_PUT: as stored, in the order given */
    size_t app_count;
};
typedef void (*mu_command_cb)(void *arg, const struct mu_command_result *result);

/* ---- views ---- */

enum mu_query_type {
    MU_Q_APPS = 1,     /* struct mu_app_row, by id; key: one app's id */
    MU_Q_APP_VERSIONS, /* struct mu_app_row, newest first; key: app id, needed (only app
                          is filled) */
    MU_Q_APP_TASKS, /* struct mu_app_task_row, by app then task id; key: app id or NULL */
    MU_Q_DEPLOYMENTS,      /* struct mu_deployment_row */
    MU_Q_QUEUE,            /* struct mu_queue_row */
    MU_Q_SCHEDULER,        /* one struct mu_scheduler_row */
    MU_Q_MASTER = 20,      /* one struct mu_master_row */
    MU_Q_AGENTS,           /* struct mu_agent_row */
    MU_Q_FRAMEWORKS,       /* struct mu_framework_row */
    MU_Q_TASKS,            /* struct mu_task_row, live then completed, by framework */
    MU_Q_OFFERS,           /* struct mu_offer_row */
    MU_Q_LOCAL_AGENT = 40, /* one struct mu_agent_row: this process's agent */
    MU_Q_LOCAL_TASKS,      /* struct mu_local_task_row, live then completed */
    MU_Q_FLAGS =
        60, /* struct mu_flag_row: effective flags of this process, secrets redacted */
    MU_Q_PROCESS,  /* one struct mu_process_row */
    MU_Q_REGISTRY, /* struct mu_registry_row, of each store; key: its name. Standbys too
                    */
};

struct mu_task_failure {
    const char *task_id, *host, *agent_id, *message; /* app scheduler's lastTaskFailure */
    uint32_t state;
    int64_t wall_ms, version_ms;
};

struct mu_app_row {
    const struct mu_app *app;
    uint32_t staged, running, healthy, unhealthy;
    const char *const *deployments; /* ids of those that touch it */
    size_t deployment_count;
    const struct mu_task_failure *last_failure; /* NULL: none */
};
struct mu_app_task_row {
    const char *id, *app_id, *agent_id, *host, *ip;
    uint32_t state;
    int64_t staged_ms, started_ms; /* wall; started 0: not yet */
    int64_t version_ms;            /* of the app it was launched from */
    const uint16_t *ports;         /* host ports in the order of the definition */
    size_t port_count;
    const struct mu_app *app; /* that version */
    bool has_healthy, healthy;
    const char *waiting_for; /* what its next change waits for; NULL: nothing */
};
struct mu_deployment_action {
    uint32_t kind; /* enum mu_action_kind */
    const char *app_id;
};
enum mu_action_kind {
    MU_ACTION_START = 1,
    MU_ACTION_STOP,
    MU_ACTION_SCALE,
    MU_ACTION_RESTART
};
struct mu_deployment_step {
    const struct mu_deployment_action *actions;
    size_t count;
};
struct mu_deployment_row {
    const char *id;
    int64_t version_ms;
    const char *const *affected; /* app ids */
    size_t affected_count;
    const struct mu_deployment_step *steps;
    size_t step_count;
    size_t current_step;     /* from 1; 0 before the first */
    const char *waiting_for; /* one phrase: what holds it up now */
};
struct mu_queue_row {
    const struct mu_app *app;
    uint32_t count;
    bool overdue; /* not backing off: waiting for an offer */
    uint64_t delay_left_ms;
    int64_t since_ms; /* wall */
    uint64_t offers_processed, offers_unused;
    int64_t last_unused_ms, last_used_ms; /* wall, 0 never */
    const char *waiting_for;              /* "cpus: 0.3 wanted, 0.1 offered by host a" */
    struct {
        const char *reason; /* InsufficientCpus ... in Marathon's fixed order */
        uint64_t declined, processed;
    } rejects[10];
};
struct mu_scheduler_row {
    const char *framework_id; /* NULL: not yet */
    bool connected;
    bool recovered; /* apps are loaded: requests are taken */
    const char *name, *role, *user;
    const char *waiting_for; /* NULL: nothing */
};

struct mu_master_row {
    const char *id, *hostname, *ip, *version;
    uint32_t port;
    int64_t start_ms, elected_ms; /* wall; 0 never */
    bool leading, recovered;
    const struct mu_member *leader; /* NULL: none known */
    uint32_t agents_active, agents_inactive, agents_unreachable;
    const char *waiting_for; /* NULL: nothing */
};
struct mu_agent_row {
    const char *id, *hostname, *ip, *version;
    uint32_t port;
    bool active, connected;
    int64_t registered_ms, reregistered_ms; /* wall, 0 never */
    int64_t start_ms;                       /* LOCAL_AGENT only */
    const struct mu_resources *total, *used, *offered;
    const struct mu_pairs *attributes;
    const char *work_dir; /* LOCAL_AGENT only */
    const char *waiting_for;
    const char *master; /* LOCAL_AGENT only: "host:port" that it is or tries to be
                           connected to; NULL: none is known */
    const char
        *unwell; /* LOCAL_AGENT only: why it takes no new tasks; NULL: it is well */
};
struct mu_framework_row {
    const char *id, *name, *user, *role, *hostname, *principal, *webui_url;
    bool active, connected, completed;
    bool recovered; /* known through its agents only, since a failover */
    int64_t registered_ms, reregistered_ms, unregistered_ms;
    uint64_t failover_timeout_ms;
    const struct mu_resources *used, *offered;
};
struct mu_task_row {
    const struct mu_task_info *info;
    uint32_t state; /* latest known */
    bool completed;
    const struct mu_task_status *statuses; /* oldest first */
    size_t status_count;
};
struct mu_local_task_row {
    const struct mu_task_info *info;
    const struct mu_container_id *container;
    const char *containerizer, *sandbox; /* name; absolute directory */
    uint32_t state;
    bool completed;
    int64_t pid;
    const struct mu_task_status *statuses;
    size_t status_count;
    const char *framework_name, *framework_user; /* NULL: unknown */
};
struct mu_offer_row {
    const char *id, *agent_id, *framework_id;
    const struct mu_resources *resources;
};
struct mu_flag_row {
    const char *name, *value;
};
struct mu_process_row {
    uint32_t roles; /* enum mu_roles */
    const char *version, *hostname, *ip;
    int64_t start_ms;
    uint32_t master_port, marathon_port, agent_port; /* 0: not listening */
    const char *unwell; /* why this process should not be asked anything now (a master
                           that neither leads nor knows who does, or that is elected and
                           waits for its registry); NULL: it is well */
};

struct mu_registry_row {
    const char *store, *plugin; /* "master" or "apps"; "replicated_log" */
    const char *waiting_for; /* why it does not answer what it was asked; NULL: no reason
                                is known */
    const char *details;     /* how it is, in its plugin's words: a JSON object */
    size_t details_len;
};

typedef void (*mu_row_cb)(void *arg, const void *row);

/* ---- events (of the app scheduler) ---- */

enum mu_event_type {
    MU_EV_API_POST = 1,    /* app, client_ip, uri */
    MU_EV_STATUS_UPDATE,   /* task, text = message */
    MU_EV_DEPLOYMENT_INFO, /* deployment, step */
    MU_EV_DEPLOYMENT_STEP_SUCCESS,
    MU_EV_DEPLOYMENT_STEP_FAILURE,
    MU_EV_DEPLOYMENT_SUCCESS,
    MU_EV_DEPLOYMENT_FAILED,    /* text = reason */
    MU_EV_GROUP_CHANGE_SUCCESS, /* wall version in version_ms */
    MU_EV_GROUP_CHANGE_FAILED,
    MU_EV_APP_TERMINATED,       /* app_id */
    MU_EV_INSTANCE_CHANGED,     /* task, condition */
    MU_EV_UNKNOWN_TERMINATED,   /* task id in text */
    MU_EV_SCHEDULER_REGISTERED, /* text = framework id */
    MU_EV_LEADERSHIP_LOST,      /* last event of a watch: end the streams */
    MU_EV_COUNT
};
struct mu_event {
    uint32_t struct_size;
    uint32_t type;
    int64_t wall_ms;
    int64_t version_ms;
    const char *app_id, *text, *client_ip, *uri;
    const char *condition; /* "Running", "Staging", ... */
    const struct mu_app *app;
    const struct mu_app_task_row *task;
    const struct mu_deployment_row *deployment; /* current_step says which */
};
typedef void (*mu_event_cb)(void *arg, const struct mu_event *ev);
struct mu_watch;

/* ---- the three calls ---- */

struct mu_core {
    uint32_t struct_size;
    void *impl;
    /* Answered once, when it is durable (or refused). On a negative return cb never runs.
     */
    int (*submit)(const struct mu_core *c,
                  const struct mu_command_request *cmd,
                  mu_command_cb cb,
                  void *arg,
                  struct mu_error *err);
    /* Number of rows, or negative. key: see enum mu_query_type; NULL: all. */
    int (*query)(
        const struct mu_core *c, uint32_t type, const char *key, mu_row_cb cb, void *arg);
    struct mu_watch *(*watch)(const struct mu_core *c, mu_event_cb cb, void *arg);
    void (*unwatch)(struct mu_watch *w); /* no event after it returns */
};

struct mu_api_ops {
    uint32_t struct_size;
    /* After create, before start, once: the roles of this process and the three calls
     * (borrowed for the instance's life). Routes are registered in start. */
    void (*attach)(void *instance, uint32_t roles, const struct mu_core *core);
};

MU_EXTERN_C_END
#endif
