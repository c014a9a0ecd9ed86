/* What the files of the app scheduler share. One struct scheduler owns everything;
 * pointers between its parts are borrowed.
 *
 * How a step goes: due timers, the event itself, then settle: apps whose facts changed
 * are converged (what to kill, how many to launch), their deployments advance, offers are
 * matched, and what must be durable goes out as commits. Nothing waits inside a step.
 */
#ifndef MU_SCHEDULER_INTERNAL_H
#define MU_SCHEDULER_INTERNAL_H

#include <muster/log.h>
#include <muster/time.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/omap.h"
#include "base/prng.h"
#include "base/vec.h"
#include "scheduler/backoff.h"
#include "scheduler/matcher.h"
#include "scheduler/planner.h"
#include "scheduler/states.h"

#define SCHED_STORE_RETRY_MS 1000u  /* a commit that must succeed is tried again */
#define SCHED_STORE_SLOW_MS 5000u   /* a registry that takes longer is told of */
#define SCHED_STORE_TELL_MS 60000u  /* and again at least so often */
#define SCHED_UNSURE_RETRY_MS 1000u /* first repetition of a question; doubles */
#define SCHED_WALK_FREE 500u    /* tasks of an app that may be walked at every event */
#define SCHED_WALK_PAUSE_MS 50u /* between two walks over more */
#define SCHED_RECONCILE_SLICE 1000u /* tasks in one question */
#define SCHED_SLICE_PAUSE_MS 10u
#define SCHED_SOON_MS 5000u      /* work that comes within this is worth waiting for */
#define SCHED_COMMANDS_MAX 1000u /* waiting for their turn */
#define SCHED_APP_ID_MAX 218u    /* so that a task id has at most 255 bytes */
#define SCHED_REASON_COUNT MATCH_REASON_COUNT

/* ---- timers ---- */

enum sched_timer_kind {
    TIMER_TASK = 1,
    TIMER_APP,  /* end of a launch delay */
    TIMER_WALK, /* an app's tasks may be walked again */
    TIMER_RECONCILE,
    TIMER_UNSURE,
    TIMER_SCALE,
    TIMER_REVIVE,
    TIMER_STORE,
    TIMER_STORE_SLOW,
    TIMER_LOAD,
};
struct sched_timer {
    struct mu_heap_node node;
    uint32_t kind;
};

/* ---- tasks ---- */

enum task_class { /* what a task counts as; a task has one unless it ended */
                  CLASS_STARTING,    /* not running yet */
                  CLASS_UP,          /* running, and healthy as far as anybody checks */
                  CLASS_SICK,        /* running, known not to be healthy */
                  CLASS_UNSURE,      /* not heard of since the records were loaded */
                  CLASS_UNREACHABLE, /* its agent is away; still counts */
                  CLASS_INACTIVE,    /* away for too long; replaced */
                  CLASS_KILLING,     /* its end is decided */
                  CLASS_COUNT
};
struct tally { /* by current or older configuration, and class */
    uint32_t n[2][CLASS_COUNT];
};

struct sched_task {
    struct mu_task_id id;
    struct sched_app *app;
    const struct mu_app *def; /* the version it was launched from; a reference */
    int64_t version_ms, staged_ms, started_ms;
    struct mu_agent_id agent_id;
    char *host, *ip;
    uint32_t state; /* enum mu_task_state */
    uint32_t phase; /* enum task_phase */
    bool killing, kill_stored;
    bool confirmed; /* heard of since the records were loaded */
    bool inactive;
    bool has_healthy, healthy;
    uint16_t *ports;
    size_t port_count;
    struct mu_pairs attributes;
    uint64_t launched_ms, kill_sent_ms, unreachable_ms, unknown_ms; /* mono; 0: not */
    struct mu_uuid storing_uuid; /* of an update whose record is on its way */
    size_t in_batch;             /* index + 1 in the batch of this step */
    bool is_counted, counted_old;
    uint32_t counted_class;
    struct sched_timer timer;
    struct mu_list known, unheard; /* in scheduler.known, and .unheard until confirmed */
};

/* ---- apps ---- */

struct launch_entry {
    uint32_t want;            /* instances still to launch */
    const struct mu_app *def; /* from which version; a reference, NULL without want */
    int64_t since_ms;         /* wall */
    struct backoff backoff;
    uint64_t failed_ms; /* mono time of the last failure that counted; 0: none */
    int64_t failed_wall_ms;
    bool is_recorded; /* the registry has, or is to have, a record of the delay */
    struct scheduler_delay_record *loaded; /* before all is there to judge it */
    uint64_t offers_processed, offers_unused;
    int64_t last_unused_ms, last_used_ms;
    uint64_t declined[SCHED_REASON_COUNT], processed[SCHED_REASON_COUNT];
    char refusal[160];   /* the latest */
    struct mu_list link; /* in scheduler.ready or .delayed */
    struct sched_timer timer;
};

struct app_versions { /* ascending */
    const struct mu_app **v;
    size_t count, cap;
};

struct sched_app { /* lives while it is defined, has tasks, or is in a deployment */
    char *id;
    const struct mu_app *def; /* NULL: deleted */
    struct app_versions versions;
    struct scheduler_failure_record *failure;
    struct mu_omap tasks; /* id -> struct sched_task */
    struct tally tally;
    struct deployment *deployment; /* the one that runs and changes it */
    size_t change;                 /* its index there */
    struct launch_entry launch;
    struct mu_list dirty;
    uint64_t walked_ms; /* mono: its tasks were last walked to choose victims; 0: never */
    struct sched_timer walk_timer;
};

/* ---- deployments ---- */

struct change_state {
    size_t step;   /* of the action that is more than an announcement; 0: none */
    uint32_t kind; /* enum mu_action_kind */
};
struct deployment {
    struct mu_uuid id;
    int64_t version_ms;
    struct scheduler_change *changes; /* sorted by id */
    struct change_state *states;      /* one per change */
    size_t change_count;
    struct mu_strings victims;
    struct planner_plan plan;
    size_t current;
    uint32_t state;        /* enum deployment_state */
    bool broke_min_health; /* a kill of ours did; never */
    struct mu_list link;   /* in scheduler.deployments */
    struct mu_list dirty;
};

/* ---- what is being stored ---- */

enum store_item_kind {
    STORE_TASK = 1,
    STORE_FAILURE,
    STORE_DEPLOYMENT_END,
    STORE_FRAMEWORK,
    STORE_VERSION_REMOVAL,
    STORE_DELAY
};
struct store_item {
    uint32_t kind;
    struct mu_task_id task_id; /* TASK: as it is when stored; gone: deleted */
    bool removes;              /* TASK: deletes the record */
    bool kill;                 /* then send KILL */
    bool acknowledge;          /* then acknowledge uuid to agent_id */
    struct mu_agent_id agent_id;
    struct mu_uuid uuid; /* of the update, or of the deployment */
    char *app_id;        /* FAILURE, VERSION_REMOVAL, DELAY */
    int64_t version_ms;  /* VERSION_REMOVAL */
};
struct store_items {
    struct store_item *v;
    size_t count, cap;
};

struct launch { /* tasks on their way to one offer */
    struct mu_offer_id offer_id;
    bool void_offer; /* rescinded, or the link broke */
    struct {
        const struct mu_task_info **v;
        size_t count, cap;
    } infos;
};

struct proposal; /* commands.c: a change that waits for its commit */

struct store_op {
    struct mu_list link;
    uint64_t token;
    uint64_t sent_ms;         /* mono */
    struct store_items items; /* must succeed: tried again */
    struct launch *launch;
    struct proposal *proposal;
};

/* ---- the machine ---- */

struct sched_offer {
    struct mu_offer offer;
    struct mu_resources free;
    struct launch *launch; /* NULL: nothing yet */
};
struct sched_offers {
    struct sched_offer *v;
    size_t count, cap;
};

struct sched_stats {
    uint64_t launches, kills, failures, updates, deployments_done, deployments_failed;
};

struct scheduler {
    struct scheduler_config cfg; /* its texts are the machine's */
    struct mu_prng prng;
    struct mu_now now;
    uint32_t state; /* enum sched_state */
    uint32_t link;  /* enum link_state */
    uint64_t epoch;
    struct mu_framework_id framework_id;
    bool framework_stored;
    bool announced; /* subscribed at least once since START */

    struct mu_omap tree; /* id -> const struct mu_app *: what is accepted */
    struct mu_omap apps; /* id -> struct sched_app */
    struct mu_map tasks; /* id -> struct sched_task */
    /* Questions about many tasks go out in slices: who was asked about goes to the end.
     */
    struct mu_list known, unheard;
    size_t unheard_count;
    uint32_t unsure_count;
    struct mu_list deployments; /* struct deployment, oldest first */
    uint32_t running_deployments;
    int64_t last_version_ms;
    uint32_t *port_uses; /* per service port of the range: how many use it */
    size_t port_range;

    struct mu_list dirty_apps, dirty_deployments;
    struct mu_list ready, delayed; /* launch entries that want instances */
    struct sched_offers offers;    /* of this step */
    bool suppressed;
    bool new_work,
        retry_work; /* offers are wanted: at once, or when the interval allows */
    bool has_revived;
    uint64_t revived_ms;
    uint64_t unsure_delay_ms;
    size_t to_ask;       /* about so many of .unheard in this round */
    size_t to_reconcile; /* the same, of .known */
    bool surplus_goes;   /* the first scale check is over */

    uint64_t next_token;
    struct mu_list ops;       /* struct store_op, in the order sent */
    struct store_items batch; /* of this step */
    struct store_items again; /* failed; wait for TIMER_STORE */
    uint64_t slow_pause_ms;   /* until the slow registry is told of again; 0: it is not */
    size_t launches_in_flight;
    uint64_t launch_pause_ms; /* mono: no launch before (the registry failed) */

    struct mu_list commands; /* struct queued_command, commands.c */
    size_t command_count;
    bool command_in_flight;

    struct mu_heap timers;
    struct sched_timer reconcile_timer, unsure_timer, scale_timer, revive_timer,
        store_timer, slow_timer, load_timer;
    int64_t last_task_ms;
    uint32_t task_seq;

    struct mu_arena arena; /* what the effects of this step borrow */
    struct {
        const struct mu_app **v;
        size_t count, cap;
    } arena_apps;
    struct scheduler_effects *out; /* of this step */
    struct sched_stats stats;
};

/* ---- emit.c: effects ---- */

struct scheduler_effect *emit(struct scheduler *s, uint32_t type);
void emit_log(struct scheduler *s, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void emit_send(struct scheduler *s, struct mu_msg *msg); /* takes msg over */
struct mu_event *emit_event(struct scheduler *s, uint32_t type);
void emit_task_event(struct scheduler *s,
                     const struct sched_task *t,
                     const char *message);
/* The same without the status update. */
void emit_instance_event(struct scheduler *s, const struct sched_task *t);
void emit_deployment_event(struct scheduler *s,
                           uint32_t type,
                           const struct deployment *d,
                           const char *reason);
const struct mu_app *emit_keep_app(struct scheduler *s, const struct mu_app *app);
void emit_begin(struct scheduler *s, struct scheduler_effects *out);
const char *task_condition(const struct sched_task *t);
void task_row(const struct sched_task *t, struct mu_app_task_row *out);

/* ---- records.c ---- */

struct record_list {
    struct scheduler_record *v;
    size_t count, cap;
};
void record_app(struct record_list *l, const struct mu_app *app, bool remove);
void record_version(struct record_list *l, const struct mu_app *app, bool remove);
void record_task(struct record_list *l, const struct sched_task *t);
void record_task_removal(struct record_list *l, const struct mu_task_id *id);
void record_deployment(struct record_list *l, const struct deployment *d);
void record_deployment_removal(struct record_list *l, const struct mu_uuid *id);
/* The same, and what was kept only for it. */
void record_deployment_end(const struct scheduler *s,
                           struct record_list *l,
                           const struct deployment *d);
void record_failure(struct record_list *l, const struct scheduler_failure_record *f);
void record_failure_removal(struct record_list *l, const char *app_id);
void record_delay(struct record_list *l, const struct sched_app *a);
void record_delay_removal(struct record_list *l, const char *app_id);
void record_framework(struct record_list *l, const struct mu_framework_id *id);
void delay_release(struct scheduler_delay_record *d);     /* frees d too; takes NULL */
void failure_release(struct scheduler_failure_record *f); /* frees f too; takes NULL */

/* ---- timers.c ---- */

void timer_set(struct scheduler *s,
               struct sched_timer *t,
               uint64_t at_ms); /* NEVER: off */
void timers_run(struct scheduler *s);

/* ---- store.c: commits that must succeed ---- */

void store_task(struct scheduler *s, struct sched_task *t, bool kill);
void store_task_update(struct scheduler *s,
                       struct sched_task *t,
                       const struct mu_task_status *st);
void store_failure(struct scheduler *s, const char *app_id);
void store_delay(struct scheduler *s, const char *app_id);
void store_deployment_end(struct scheduler *s, const struct mu_uuid *id);
void store_framework(struct scheduler *s);
void store_version_removal(struct scheduler *s, const struct mu_app *version);
void store_flush(struct scheduler *s); /* at the end of a step */
void store_retry(struct scheduler *s);
void store_on_slow_timer(struct scheduler *s);
/* For how long the oldest commit has waited; 0: not for long. */
uint64_t store_slow_ms(const struct scheduler *s, uint64_t now_ms);
/* "the registry has not answered for 12 s: reason" */
void store_put_slow(const struct scheduler *s, uint64_t now_ms, struct mu_buf *out);
/* ": reason", as the registry gives it, or nothing. */
void store_explain(const struct scheduler *s, struct mu_buf *out);
/* Send records as one commit; the op is answered through it. */
struct store_op *store_commit(struct scheduler *s, struct record_list *records);
void store_committed(struct scheduler *s, uint64_t token, int status, const char *text);
void store_release(struct scheduler *s);

/* ---- apps.c ---- */

struct sched_app *app_get(const struct scheduler *s, const char *id);
struct sched_app *app_make(struct scheduler *s, const char *id);
void app_mark_dirty(struct scheduler *s, struct sched_app *a);
/* def NULL: deleted. Keeps the tree, the ports in use and the versions in step. */
void app_define(struct scheduler *s, struct sched_app *a, const struct mu_app *def);
void app_add_version(struct sched_app *a, const struct mu_app *def);
void app_drop_version(struct sched_app *a, int64_t version_ms);
void app_drop_versions(struct sched_app *a);
const struct mu_app *app_version(const struct sched_app *a, int64_t version_ms);
/* Versions that go when one more comes: the oldest that nothing refers to. */
void app_prunable(const struct scheduler *s,
                  const struct sched_app *a,
                  struct app_versions *out);
void app_free_if_idle(struct scheduler *s, struct sched_app *a);
void app_free(struct scheduler *s, struct sched_app *a);
/* Give ports that are 0 a number. 0, or MU_E_LIMIT. uses: a copy of s->port_uses. */
int app_assign_ports(const struct scheduler *s,
                     struct mu_app *app,
                     const struct mu_app *old,
                     uint32_t *uses,
                     struct mu_error *err);
int64_t scheduler_next_version(struct scheduler *s);

/* ---- validate.c: what needs the whole tree ---- */

/* 0, or MU_E_INVALID with *out_path. changes sorted. */
int tree_check(const struct scheduler *s,
               const struct scheduler_change *changes,
               size_t count,
               const char **out_path,
               struct mu_error *err);

/* ---- tasks.c ---- */

struct sched_task *task_get(const struct scheduler *s, const char *id);
struct sched_task *task_add(struct scheduler *s, struct sched_app *a, const char *id);
void task_free(struct scheduler *s, struct sched_task *t);
/* After any change of t: what it counts as, its timer, its app. */
void task_touch(struct scheduler *s, struct sched_task *t);
void task_kill(struct scheduler *s, struct sched_task *t, bool is_stored);
void task_send_kill(struct scheduler *s, struct sched_task *t);
void task_on_timer(struct scheduler *s, struct sched_task *t);
void task_on_update(struct scheduler *s, const struct mu_task_status *st);
void task_launched(struct scheduler *s, struct sched_task *t);
void task_end(struct scheduler *s, struct sched_task *t, uint32_t state);
enum task_class task_classify(const struct sched_task *t);
bool task_is_old(const struct sched_task *t);
void task_send_acknowledge(struct scheduler *s,
                           const struct mu_agent_id *agent_id,
                           const struct mu_task_id *task_id,
                           const struct mu_uuid *uuid);

/* ---- tally ---- */

static inline uint32_t tally_both(const struct tally *t, enum task_class c)
{
    return t->n[0][c] + t->n[1][c];
}
/* Those that are there, of the current (0) or an older configuration (1). */
uint32_t tally_present(const struct tally *t, int old);

/* ---- launch_queue.c ---- */

void queue_want(struct scheduler *s,
                struct sched_app *a,
                const struct mu_app *def,
                uint32_t want);
void queue_taken(struct scheduler *s, struct sched_app *a); /* one of want is placed */
void queue_failed(struct scheduler *s, struct sched_app *a, const struct sched_task *t);
void queue_alive(struct scheduler *s, struct sched_app *a);
void queue_reset(struct scheduler *s, struct sched_app *a);
/* What the registry says about its delay, after a failover. */
void queue_restore(struct scheduler *s, struct sched_app *a);
void queue_on_timer(struct scheduler *s, struct sched_app *a);
bool queue_is_delayed(const struct scheduler *s, const struct sched_app *a);
uint64_t queue_next_deadline(const struct scheduler *s); /* of all delayed; NEVER */
/* Why the app's missing instances are not there yet. */
void queue_waiting_for(const struct scheduler *s,
                       const struct sched_app *a,
                       uint64_t now_ms,
                       struct mu_buf *out);

/* ---- offers.c ---- */

void offers_on_message(struct scheduler *s, const struct mu_msg *m);
void offers_on_rescind(struct scheduler *s, const struct mu_msg *m);
void offers_on_disconnect(struct scheduler *s);
void offers_settle(struct scheduler *s);
void offers_release(struct scheduler *s);
void launch_committed(struct scheduler *s,
                      struct launch *l,
                      int status,
                      const char *text);
void launch_free(struct launch *l);

/* ---- deploy.c ---- */

enum goal_mode { GOAL_KEEP, GOAL_HOLD, GOAL_SCALE, GOAL_RESTART, GOAL_STOP };
struct goal {
    enum goal_mode mode;
    const struct mu_app *def; /* what to launch; NULL: nothing */
    uint32_t count;
};
void deploy_goal(const struct sched_app *a, struct goal *out);
void deploy_converge(struct scheduler *s, struct sched_app *a);
/* Is the action of the current step on this app over? */
bool deploy_is_done(const struct sched_app *a);
void deploy_mark_dirty(struct scheduler *s, struct deployment *d);
void deploy_advance(struct scheduler *s, struct deployment *d);
/* Plan it; changes and victims are set. */
void deploy_plan(struct scheduler *s, struct deployment *d);
void deploy_install(struct scheduler *s, struct deployment *d);
void deploy_cancel(struct scheduler *s, struct deployment *d, const char *reason);
void deploy_ended(struct scheduler *s, const struct mu_uuid *id); /* record removed */
struct deployment *deploy_get(const struct scheduler *s, const char *id);
/* Index of the app's change, or change_count. */
size_t deploy_change_of(const struct deployment *d, const char *app_id);
void deploy_free(struct deployment *d);
void deploy_waiting_for(const struct scheduler *s,
                        const struct deployment *d,
                        uint64_t now_ms,
                        struct mu_buf *out);
void deploy_row(const struct deployment *d, struct mu_deployment_row *out);

/* ---- commands.c ---- */

void commands_add(struct scheduler *s,
                  uint64_t token,
                  const struct mu_command_request *r);
void commands_run(struct scheduler *s);
void proposal_committed(struct scheduler *s,
                        struct proposal *p,
                        int status,
                        const char *text);
void proposal_free(struct proposal *p);
void commands_fail_all(struct scheduler *s, int status, const char *text);

/* ---- link.c, reconcile.c ---- */

void link_on_connected(struct scheduler *s);
void link_on_disconnected(struct scheduler *s);
void link_on_message(struct scheduler *s, const struct mu_msg *m);
void link_subscribe(struct scheduler *s);
void link_settle(struct scheduler *s);
void reconcile_begin(struct scheduler *s);
void reconcile_on_timer(struct scheduler *s);
void reconcile_unsure(struct scheduler *s);
void reconcile_watch_unsure(struct scheduler *s); /* a task became unsure */

/* ---- scheduler.c ---- */

/* This reign is over for a reason of its own: all state is dropped, as at STOP, and
 * ABDICATE goes out. Nothing of the machine may be touched after it. */
void scheduler_give_up(struct scheduler *s, const char *why);

/* ---- load.c ---- */

void load_begin(struct scheduler *s);
void load_entry(struct scheduler *s, const struct scheduler_record *r);
void load_finished(struct scheduler *s, int status, const char *text);
/* Throw away all that START brought; commands that wait must have been answered. */
void scheduler_clear(struct scheduler *s);

static inline uint64_t later_ms(uint64_t from_ms, uint64_t by_ms)
{
    return by_ms > UINT64_MAX - from_ms ? UINT64_MAX : from_ms + by_ms;
}

#endif
