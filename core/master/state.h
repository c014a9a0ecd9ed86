/* What the master machine's files share: its structs, and the functions that cross files.
 *
 * struct master lives as long as the process; struct reign is one leadership, all of it
 * thrown away at once when it ends. Everything a reign knows hangs on four maps: agents,
 * frameworks, offers (by id) and links. Objects point to each other only where the
 * pointed-to object unlinks itself before it goes: a task from its framework and its
 * agent, an offer likewise.
 */
#ifndef MU_MASTER_STATE_H
#define MU_MASTER_STATE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/sm.h"
#include "master/allocator.h"
#include "master/master.h"
#include "master/metrics.h"

enum master_mode { MASTER_STANDBY, MASTER_RECOVERING, MASTER_LEADING, MASTER_MODES };

enum master_timer_kind {
    TIMER_PING = 1,    /* agent: send a ping, count the last one */
    TIMER_AGENT_GRACE, /* agent: it did not come back in time */
    TIMER_HEARTBEAT,   /* framework */
    TIMER_FAILOVER,    /* framework: it did not come back in time */
    TIMER_OFFER,       /* offer: rescind it */
    TIMER_ANSWER,      /* framework: go on with the answers to its open question */
    TIMER_RETURNS,     /* reign: the time for known agents to come back is over */
    TIMER_REMOVAL,     /* reign: the next agent may be marked unreachable */
    TIMER_GC,          /* reign: look for old records */
    TIMER_STORE_SLOW   /* reign: has the registry answered? */
};
struct master_timer {
    struct mu_heap_node node;
    uint32_t kind;
    void *owner;
};

/* The far end of a link: first member of struct master_agent and master_framework. */
enum master_peer_kind { PEER_AGENT = 1, PEER_FRAMEWORK };
struct master_peer {
    uint32_t kind;
    uint64_t link; /* 0: none */
};

enum master_agent_state {
    AGENT_RECOVERED,    /* in the registry when this reign began; not back yet */
    AGENT_ADMITTING,    /* REGISTER: its admission is being committed */
    AGENT_READMITTING,  /* REREGISTER: likewise; the message waits in `waiting` */
    AGENT_ACTIVE,       /* registered and connected */
    AGENT_DISCONNECTED, /* registered, its link is gone, tasks are kept for a while */
    AGENT_MARKING,      /* unreachable: being committed */
    AGENT_UNREACHABLE,
    AGENT_REMOVING,     /* being committed */
    AGENT_MARKING_GONE, /* likewise */
    AGENT_GONE,         /* marked so by an operator */
    AGENT_STATES
};

struct master_agent {
    struct master_peer peer;
    struct mu_agent_info info; /* as the registry has it once admitted */
    uint32_t state;            /* enum master_agent_state */
    bool in_allocator;
    int64_t registered_ms, reregistered_ms, since_ms; /* wall; since: of the record */
    struct alloc_agent alloc;
    struct mu_list tasks, offers; /* struct master_task.on_agent, master_offer.on_agent */
    struct mu_resources used, offered, free, for_role, declined;
    bool free_stale;
    bool has_reservations;     /* not all of it may be offered to every role */
    bool irregular;            /* its tasks use more than it has, or overlap */
    bool adopting;             /* used is summed up when all its tasks are taken */
    struct master_timer timer; /* PING or AGENT_GRACE, as the state says */
    bool pong_missing;
    uint32_t missed_pongs;
    struct mu_msg waiting; /* REREGISTER of AGENT_READMITTING */
    uint32_t came_from;    /* READMITTING: the state before; ADMITTING: never seen */
    char cause[128];       /* of MARKING or REMOVING, for the tasks' messages */
    bool silent;           /* the cause: it does not answer pings */
    bool is_stale;         /* the record may be older than what others wrote elsewhere */
    bool forgetting;       /* its record is being deleted */
    bool gone_asked;       /* marked gone as soon as the commit under way is over */
    struct mu_list scheduled; /* in reign.removals.queue: it waits to be marked */
    struct mu_list aged;      /* in reign.unreachable or .gone, and on the way back */
};

enum master_framework_state {
    FRAMEWORK_RECOVERED, /* known through agents only */
    FRAMEWORK_CONNECTED,
    FRAMEWORK_DISCONNECTED,
    FRAMEWORK_TERMINATING, /* removed; its tasks are being killed */
    FRAMEWORK_COMPLETED,
    FRAMEWORK_STATES
};

struct master_framework {
    struct master_peer peer;
    struct mu_framework_info info;
    uint32_t state; /* enum master_framework_state */
    bool born_here; /* its id was given out in this reign */
    bool in_allocator;
    int64_t registered_ms, reregistered_ms, unregistered_ms; /* wall */
    struct alloc_framework alloc;
    struct mu_map tasks;        /* by task id: all that are not completed */
    struct mu_list live;        /* the same: struct master_task.of_framework */
    size_t to_answer;           /* about so many of them, of an open question */
    struct mu_list offers;      /* struct master_offer.of_framework */
    struct mu_list unreachable; /* struct master_task.ring, oldest first */
    size_t unreachable_count;
    struct mu_list completed; /* struct master_task.ring, oldest first */
    size_t completed_count;
    struct mu_map completed_by_id; /* the newest of each id */
    struct quantities used, offered;
    struct mu_msg batch; /* OFFERS being filled during a run of the allocator */
    struct master_timer heartbeat, failover, answer;
};

/* One status of a task's history, packed. */
struct master_note {
    uint8_t state, source;
    bool has_healthy, healthy;
    int64_t wall_ms;
    struct mu_uuid uuid;
    char *texts; /* reason, message, container id, ip: four texts in a row */
};

struct master_task {
    const struct mu_task_info *info;
    struct master_framework *framework;
    struct master_agent *agent;    /* NULL once completed */
    struct mu_list on_agent, ring; /* ring: of the framework's unreachable or completed */
    struct mu_list of_framework;   /* live; unlinked once completed */
    uint32_t state;                /* the latest known */
    bool holding;                  /* its resources are booked on the agent */
    bool unreachable;              /* its agent is; the state is the master's guess */
    bool completed;
    bool kill_asked, has_grace;
    uint64_t grace_ms;
    uint64_t seen; /* number of the agent's re-registration that named it */
    /* The update that is on its way to the framework: kept whole until acknowledged, to
     * be sent again when the framework comes back. NULL: none. */
    struct mu_task_status *unacknowledged;
    uint32_t sent_state; /* of the last update that came through; valid if was_sent */
    bool was_sent;
    struct master_note *notes;
    size_t note_count, note_cap;
};

struct master_offer {
    struct mu_offer_id id;
    struct master_framework *framework;
    struct master_agent *agent;
    struct mu_list on_agent, of_framework;
    struct mu_resources resources;
    struct master_timer timer;
    bool picked; /* by the ACCEPT being looked at: finds duplicates */
};

enum master_commit_kind {
    COMMIT_ADMIT = 1,
    COMMIT_READMIT,
    COMMIT_UPDATE,
    COMMIT_UNREACHABLE,
    COMMIT_REMOVE,
    COMMIT_GONE,
    COMMIT_FORGET
};
struct master_commit {
    uint32_t kind;
    uint64_t sent_ms;          /* mono */
    struct mu_agent_info info; /* what was committed */
};

struct reign {
    uint64_t epoch;
    uint64_t began_mono_ms; /* when the registry was recovered */
    bool is_blind;          /* the registry cannot know all agents that may come back */
    struct mu_map agents, agents_by_address, frameworks, completed, offers, links;
    struct mu_map commits; /* by token */
    struct mu_heap timers;
    struct quantity_names names;
    struct allocator allocator;
    struct {
        struct master_framework **v; /* with a batch */
        size_t count, cap;
    } batches;
    struct { /* of agents after the failover: returns.c */
        uint32_t known, back, strangers;
        bool is_over, is_held; /* held: too many are missing to remove any */
        struct master_timer timer;
    } returns;
    struct { /* removals.c */
        struct mu_list queue;
        uint64_t next_us; /* mono: no agent is marked before */
        struct master_timer timer;
    } removals;
    struct mu_list unreachable, gone; /* struct master_agent.aged, oldest first */
    struct master_timer gc;
    struct { /* slowness.c */
        struct master_timer timer;
        uint64_t pause_ms; /* until it is told of again; 0: it was not told of */
    } slow;
    uint64_t reregistrations;
    uint32_t by_state[MU_TASK_STATE_COUNT]; /* of tasks that are not completed */
    uint32_t agents_in[AGENT_STATES];
};

struct master {
    struct master_config cfg; /* texts of its own */
    uint32_t mode;            /* enum master_mode */
    struct reign *reign;      /* NULL in STANDBY */
    char *leader_texts;       /* what leader points into */
    struct mu_member leader;
    bool has_leader;
    struct mu_prng prng;
    struct mu_now now; /* of the step */
    struct master_effects *out;
    int64_t start_ms, elected_ms;
    /* Never reset, so that no id or token is used twice by this process. */
    uint64_t next_agent, next_framework, next_offer, next_token;
    uint64_t counters[MASTER_COUNTERS];
    uint64_t messages[MU_MSG_TYPE_COUNT];
    uint64_t terminal[MU_TASK_STATE_COUNT];
};

extern const struct mu_sm master_mode_sm, master_agent_sm, master_framework_sm;

/* ---- effects.c: what a step leaves behind, and links and timers ---- */

struct master_effect *master_effect(struct master *m, enum master_effect_type type);
/* Moves msg. Nothing is sent on link 0: msg is released. */
void master_send(struct master *m, uint64_t link, struct mu_msg *msg);
void master_close(struct master *m, uint64_t link);
void master_log(struct master *m, int level, const char *fmt, ...) MU_PRINTF(3, 4);
static inline void master_count(struct master *m, enum master_counter c)
{
    m->counters[c]++;
}
/* Make link peer's; an older link of it is closed, after last (NULL: nothing). */
void master_link_bind(struct master *m,
                      struct master_peer *peer,
                      uint64_t link,
                      struct mu_msg *last);
/* The link is no longer peer's; nothing is sent. */
void master_link_forget(struct master *m, struct master_peer *peer);
struct master_peer *master_link_peer(const struct master *m, uint64_t link);
struct master_agent *master_link_agent(const struct master *m, uint64_t link);
struct master_framework *master_link_framework(const struct master *m, uint64_t link);
void master_timer_init(struct master_timer *t, void *owner);
/* Replaces what it was set to. */
void master_timer_set(struct master *m,
                      struct master_timer *t,
                      enum master_timer_kind kind,
                      uint64_t after_ms);
void master_timer_stop(struct master *m, struct master_timer *t);

/* ---- recovery.c: the reign ---- */

void master_reign_begin(struct master *m, uint64_t epoch);
/* Close all links, forget everything. */
void master_reign_end(struct master *m, const char *why);
void master_on_entry(struct master *m, const struct master_record *r);
void master_on_recovered(struct master *m, int status, const char *text);
/* Commit a's record as kind says, with info. */
void master_commit(struct master *m,
                   const struct master_agent *a,
                   enum master_commit_kind kind,
                   const struct mu_agent_info *info);
void master_on_committed(struct master *m, uint64_t token, int status, const char *text);

/* ---- agents.c: registration ---- */

struct master_agent *master_agent_create(struct master *m,
                                         const struct mu_agent_info *info,
                                         enum master_agent_state state);
/* Frees it; its tasks and offers are gone already. */
void master_agent_destroy(struct master *m, struct master_agent *a);
struct master_agent *master_agent_find(const struct master *m,
                                       const struct mu_agent_id *id);
void master_agent_move(struct master *m, struct master_agent *a, uint32_t state);
static inline bool master_agent_registered(const struct master_agent *a)
{
    return a->state == AGENT_ACTIVE || a->state == AGENT_DISCONNECTED;
}
void master_on_register(struct master *m, uint64_t link, const struct mu_msg *msg);
void master_on_reregister(struct master *m, uint64_t link, const struct mu_msg *msg);
void master_agent_admitted(struct master *m, struct master_agent *a);
void master_agent_readmitted(struct master *m,
                             struct master_agent *a,
                             const struct mu_agent_info *committed);
void master_agent_updated(struct master *m,
                          struct master_agent *a,
                          const struct mu_agent_info *info);
void master_agent_refused(struct master *m, struct master_agent *a, const char *text);
/* Tell the agent at the far end to end, and close. */
void master_agent_shut_down(struct master *m, uint64_t link, const char *text);

/* ---- adoption.c: the tasks an agent reports ---- */

/* Take over what msg (REREGISTER) says; what the master has there and the agent does not
 * is added to reply (REREGISTERED). */
void master_adopt(struct master *m,
                  struct master_agent *a,
                  const struct mu_msg *msg,
                  uint32_t came_from,
                  struct mu_msg *reply);
void master_agent_resend_kills(struct master *m, struct master_agent *a);

/* ---- health.c: pings, disconnection, unreachable, removal ---- */

void master_agent_start_pings(struct master *m, struct master_agent *a);
void master_agent_on_ping_timer(struct master *m,
                                struct master_agent *a,
                                uint64_t due_ms);
void master_agent_on_grace_timer(struct master *m, struct master_agent *a);
void master_agent_disconnect(struct master *m, struct master_agent *a);
/* Commit that it is unreachable: a->cause is set. */
void master_agent_mark(struct master *m, struct master_agent *a);
void master_agent_remove(struct master *m, struct master_agent *a, const char *cause);
void master_agent_mark_gone(struct master *m, struct master_agent *a);
void master_agent_marked(struct master *m, struct master_agent *a);
void master_agent_removed(struct master *m, struct master_agent *a);
void master_agent_is_gone(struct master *m, struct master_agent *a);

/* ---- removals.c: how fast agents are marked unreachable ---- */

/* Mark a unreachable for a->cause, when the rate allows. */
void master_removal_schedule(struct master *m, struct master_agent *a);
/* It is back, or leaves in another way. */
void master_removal_cancel(struct master *m, struct master_agent *a);
void master_removals_run(struct master *m);

/* ---- slowness.c: a registry that does not answer ---- */

void master_slowness_begin(struct master *m); /* something was committed */
void master_slowness_run(struct master *m);   /* the timer */
/* It has answered this one, which is not among the commits any more. */
void master_slowness_end(struct master *m, const struct master_commit *answered);
bool master_registry_is_slow(const struct master *m); /* while leading */
/* ": reason", or nothing. */
void master_explain_registry(const struct master *m, struct mu_buf *out);

/* ---- returns.c: agents known from the registry, after a failover ---- */

void master_returns_begin(struct master *m);
/* An agent has re-registered that was in state from before. */
void master_returns_count(struct master *m, uint32_t from);
/* One that was known is not waited for any more: it was removed. */
void master_returns_drop(struct master *m);
/* The level for a line about one of maybe thousands that come back. */
int master_returns_log_level(const struct master *m);
void master_returns_over(struct master *m); /* the time is */
/* What the master waits for; an empty text: nothing. */
void master_returns_text(const struct master *m, char *out, size_t size);

/* ---- gc.c: old records of the registry ---- */

void master_gc_begin(struct master *m);
void master_gc_run(struct master *m);
/* a is unreachable or gone from now on. */
void master_gc_enter(struct master *m, struct master_agent *a);
void master_agent_forgotten(struct master *m, struct master_agent *a);

/* ---- frameworks.c ---- */

struct master_framework *master_framework_find(const struct master *m,
                                               const struct mu_framework_id *id);
struct master_framework *master_framework_recover(struct master *m,
                                                  const struct mu_framework_info *info);
/* Of a completed framework whose tasks turn up: known again, as one being removed. */
struct master_framework *master_framework_reopen(struct master *m,
                                                 const struct mu_framework_id *id);
void master_framework_destroy(struct master *m, struct master_framework *f);
static inline bool master_framework_can(const struct master_framework *f, uint32_t cap)
{
    return (f->info.capabilities & cap) != 0;
}
void master_on_subscribe(struct master *m, uint64_t link, const struct mu_msg *msg);
void master_framework_disconnect(struct master *m, struct master_framework *f);
void master_framework_remove(struct master *m,
                             struct master_framework *f,
                             const char *why);
/* The last task of a framework being removed may have ended. */
void master_framework_settle(struct master *m, struct master_framework *f);
void master_framework_heartbeat(struct master *m, struct master_framework *f);

/* ---- offers.c ---- */

void master_on_decline(struct master *m,
                       struct master_framework *f,
                       const struct mu_msg *msg);
/* Its resources are free again. */
void master_offer_end(struct master *m, struct master_offer *o);
/* Rescind all offers of an agent, telling the frameworks. */
void master_agent_rescind(struct master *m, struct master_agent *a);
void master_offer_expired(struct master *m, struct master_offer *o);
/* f does not want r of a for a while. */
void master_refuse(struct master *m,
                   struct master_framework *f,
                   struct master_agent *a,
                   const struct mu_resources *r,
                   uint64_t refuse_ms);
/* Run the allocator and send what it gives. */
void master_offer_what_is_free(struct master *m);
/* total - used - offered, computed when stale. */
const struct mu_resources *master_agent_free(struct master_agent *a);
/* Sum up what its tasks use again: its total has changed. */
void master_agent_recount(struct master_agent *a);
/* Book (sign 1) or release (-1) what a task uses. */
void master_agent_book(struct master *m, struct master_task *t, int sign);

/* ---- accept.c ---- */

void master_on_accept(struct master *m,
                      struct master_framework *f,
                      const struct mu_msg *msg);

/* ---- tasks.c ---- */

struct master_task *master_task_create(struct master *m,
                                       struct master_framework *f,
                                       struct master_agent *a,
                                       const struct mu_task_info *info);
void master_task_destroy(struct master *m, struct master_task *t);
struct master_task *master_task_find(const struct master_framework *f,
                                     const struct mu_task_id *id);
/* Sets the state, counts it, books and releases resources accordingly. */
void master_task_set_state(struct master *m, struct master_task *t, uint32_t state);
/* Its agent has become unreachable (true) or is back (false). */
void master_task_set_unreachable(struct master *m,
                                 struct master_task *t,
                                 bool unreachable);
/* Has it ended, and is the agent about to say how? It sends that until it is
 * acknowledged; until then the master knows the state, but neither the message nor the
 * reason. */
bool master_task_end_is_coming(const struct master_task *t);
/* Into the framework's history; t may be freed. */
void master_task_complete(struct master *m, struct master_task *t);
void master_on_status_update(struct master *m,
                             struct master_agent *a,
                             const struct mu_msg *msg);
void master_on_acknowledge(struct master *m,
                           struct master_framework *f,
                           const struct mu_msg *msg);
/* After (re)subscription: send again what was not acknowledged. */
void master_framework_resend(struct master *m, struct master_framework *f);
void master_kill_send(struct master *m, struct master_task *t);

/* ---- status.c: statuses the master makes, and their packed history ---- */

void master_note_add(struct master_task *t, const struct mu_task_status *s);
void master_note_expand(const struct master_task *t,
                        const struct master_note *n,
                        struct mu_task_status *out);
void master_notes_release(struct master_task *t);
/* state, or TASK_LOST for a framework that does not know such states. */
uint32_t master_state_for(const struct master_framework *f, uint32_t state);
struct master_status_about {
    const struct mu_task_id *task_id;
    const struct mu_agent_id *agent_id;
    uint32_t state;
    const char *reason;
};
void master_status_make(struct master *m,
                        const struct master_framework *f,
                        const struct master_status_about *about,
                        struct mu_task_status *out,
                        const char *fmt,
                        ...) MU_PRINTF(5, 6);
/* To the framework, if it is connected. */
void master_send_update(struct master *m,
                        const struct master_framework *f,
                        const struct mu_task_status *s);

/* ---- reconcile.c ---- */

void master_on_reconcile(struct master *m,
                         struct master_framework *f,
                         const struct mu_msg *msg);
/* The next slice of the answers to an open question. */
void master_answer_some(struct master *m, struct master_framework *f);
void master_on_kill(struct master *m,
                    struct master_framework *f,
                    const struct mu_msg *msg);

#endif
