/* The master as a pure machine: events in, effects out. No clock, no randomness but its
 * seed, no I/O, no JSON.
 *
 * States: STANDBY (not leading; answers nothing but who leads) -> RECOVERING (elected;
 * the registry is being read) -> LEADING. `LOST` or a failed recovery leads back to
 * STANDBY with all leader state thrown away as one unit. Links are the driver's numbers
 * for streams: agents and frameworks open with REGISTER/REREGISTER/SUBSCRIBE, which makes
 * the link theirs; one link per agent and framework, a newer one replaces the older. Link
 * numbers grow: a higher one was opened later. Link 0 is the operator (TEARDOWN of any
 * framework, MARK_GONE of any agent).
 * Effects borrow nothing: the driver consumes and releases them. Loop thread (or
 * simulator) only.
 */
#ifndef MU_MASTER_H
#define MU_MASTER_H

#include <muster/kind/api.h>

#include "domain/message.h"
#include "domain/now.h"

struct master;

struct master_config {
    struct mu_master_id id;
    const char *hostname, *ip, *version; /* copied */
    uint32_t port;
    uint64_t seed;
    uint64_t agent_ping_timeout_ms;       /* 15000 */
    uint32_t max_agent_ping_timeouts;     /* 5 */
    uint64_t agent_reregister_timeout_ms; /* 600000 */
    uint64_t
        allocation_interval_ms; /* 1000: full pass; changes trigger a batch at once */
    uint64_t offer_timeout_ms;  /* 0: none */
    uint64_t framework_heartbeat_ms;                        /* 15000 */
    uint32_t max_completed_frameworks, max_completed_tasks; /* 50, 1000 */
    /* Agents are marked unreachable at this rate at most; 0 permits: as they come. */
    uint32_t agent_removal_permits;
    uint64_t agent_removal_per_ms;
    /* After a failover: such a share of the agents that the registry knows must have come
     * back, or none of the others is removed. In millionths; 0: no limit. */
    uint32_t recovery_returns_needed_ppm;
    uint64_t registry_gc_interval_ms;   /* 900000 */
    uint64_t registry_max_agent_age_ms; /* 1209600000: older unreachable or gone agents
                                           are forgotten */
    uint32_t registry_max_agent_count;  /* 102400: of the unreachable, and of the gone */
    /* Puts into out why the registry does not answer, for people; nothing when no reason
     * is known. Called while a step or a query runs. May be NULL. */
    void (*explain_registry)(void *arg, struct mu_buf *out);
    void *explain_arg;
    bool registry_is_private; /* it lives in this process: it does not know what another
                                 master did meanwhile */
};

/* What the registry keeps: agents admitted, and their fate. Key "agents/<id>". */
enum master_record_state {
    MASTER_AGENT_ADMITTED = 1,
    MASTER_AGENT_UNREACHABLE,
    MASTER_AGENT_GONE
};
struct master_record {
    struct mu_agent_info agent;
    uint32_t state;
    int64_t since_ms; /* wall */
    bool remove;      /* delete the key */
};

enum master_event_type {
    MASTER_EV_TICK = 1,    /* now >= deadline */
    MASTER_EV_ELECTED,     /* epoch */
    MASTER_EV_LOST,        /* text */
    MASTER_EV_LEADER,      /* leader (NULL: none) */
    MASTER_EV_ENTRY,       /* record: one of the registry, during recovery */
    MASTER_EV_RECOVERED,   /* status, text; epoch of the RECOVER answered (0: the last) */
    MASTER_EV_COMMITTED,   /* token, status, text */
    MASTER_EV_MESSAGE,     /* link, msg (borrowed) */
    MASTER_EV_LINK_CLOSED, /* link */
};
struct master_event {
    uint32_t type;
    struct mu_now now;
    uint64_t epoch, token, link;
    int status;
    const char *text;
    const struct mu_member *leader;
    const struct master_record *record;
    const struct mu_msg *msg;
};

enum master_effect_type {
    MASTER_FX_SEND = 1, /* link, msg */
    MASTER_FX_CLOSE,    /* link: after what was sent on it */
    MASTER_FX_RECOVER,  /* epoch: registry recover, then ENTRY... and RECOVERED */
    MASTER_FX_COMMIT,   /* token, record: then COMMITTED */
    MASTER_FX_LOG,      /* level, text: state changes for the log */
    MASTER_FX_ABDICATE, /* text: it stepped down by itself (the registry is fenced, its
                           outcome unknown, or cannot be read): withdraw, contend again */
};
struct master_effect {
    uint32_t type;
    uint64_t link, epoch, token;
    int level;
    char *text;
    struct mu_msg msg;
    struct master_record record;
};
struct master_effects {
    struct master_effect *v;
    size_t count, cap;
};
void master_effects_release(struct master_effects *fx); /* leaves it empty and usable */

struct master *master_create(const struct master_config *cfg);
void master_destroy(struct master *m);
void master_step(struct master *m,
                 const struct master_event *ev,
                 struct master_effects *out);
uint64_t
master_deadline_ms(const struct master *m); /* monotonic; MU_NEVER_MS: no timer wanted */
/* Invariants: offered + used + free = total for every agent; a terminal task holds
 * nothing; ... */
int master_check(const struct master *m, struct mu_error *err);

/* Read models: rows for kind/api.h queries MU_Q_MASTER .. MU_Q_OFFERS; number of rows, or
 * MU_E_INVALID for another type. */
int master_query(
    const struct master *m, uint32_t type, const char *key, mu_row_cb cb, void *arg);
/* "master/tasks_running", ... (name, value) */
void master_metrics(const struct master *m,
                    void (*cb)(void *arg, const char *name, double value),
                    void *arg);

#endif
