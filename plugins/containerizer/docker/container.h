/* The life of one Docker container as a pure state machine: events in, effects out.
 *
 * It decides what to ask the engine next, what to do when the engine refuses, is away or
 * gives no answer, and when the agent is told what. It knows no clock, no sockets and no
 * JSON. plugin side: driver.c turns callbacks into events and effects into calls.
 *
 * The main track has one engine call at a time (an effect marked "call", answered by
 * DKR_EV_ANSWER). Beside it run the long poll for the end (DKR_FX_WAIT, DKR_EV_WAITED),
 * the log stream (DKR_FX_LOGS_*, DKR_EV_LOGS_DONE) and one timer. A cancelled call must
 * not be answered any more. Effects borrow from the machine and are consumed before the
 * next step. What is owed to the agent (an answer to launch, recover, destroy; the end)
 * is a set of debts; every path pays each of them once.
 */
#ifndef DKR_CONTAINER_H
#define DKR_CONTAINER_H

#include <muster/kind/containerizer.h>

enum dkr_state {
    DKR_NEW,
    DKR_ADOPT,   /* recovery: what became of it? */
    DKR_IMAGE,   /* waiting for the image */
    DKR_CREATE,  /* creating */
    DKR_CLASH,   /* the name is taken: by whom? */
    DKR_CLEAR,   /* removing our own leftover of that name */
    DKR_START,   /* starting */
    DKR_LOOK,    /* started: asking for pid and address */
    DKR_RUNNING, /* waiting for its end */
    DKR_EXAMINE, /* the wait ended, or something hints at an end: is it true? */
    DKR_KILLING, /* destroy: SIGKILL is sent */
    DKR_DRAIN,   /* it has ended: reading the last output */
    DKR_EXITED,  /* the end is reported; waiting for destroy */
    DKR_FIND,    /* a create had no answer: is there a container of our name? */
    DKR_REMOVE,  /* removing */
    DKR_GONE,    /* nothing left, nothing owed */
    DKR_STATE_COUNT,
};

/* How a call ended. */
enum dkr_outcome {
    DKR_OK,        /* done */
    DKR_REFUSED,   /* the engine said no: http_status, text */
    DKR_UNREACHED, /* it was not sent */
    DKR_UNKNOWN,   /* it was sent, and there was no (complete) answer */
};

enum dkr_event_type {
    DKR_EV_LAUNCH,
    DKR_EV_RECOVER,   /* was_launched */
    DKR_EV_DESTROY,   /* may come again */
    DKR_EV_KILL_SENT, /* a signal was asked for: the end is no surprise */
    DKR_EV_HINT,      /* someone saw that it does not run */
    DKR_EV_ANSWER,    /* of the call */
    DKR_EV_WAITED,    /* of the long poll; code with DKR_OK */
    DKR_EV_LOGS_DONE, /* after DKR_FX_LOGS_DRAIN */
    DKR_EV_TIMER,
};

/* What an inspect found. */
struct dkr_found {
    const char *id;
    bool is_ours, is_running, was_started, oom;
    int64_t pid, exit_code;
    const char *error, *ip;
};

struct dkr_event {
    enum dkr_event_type type;
    bool was_launched;
    enum dkr_outcome outcome;
    int http_status;               /* DKR_REFUSED */
    const char *text;              /* DKR_REFUSED, _UNREACHED, _UNKNOWN: why */
    const char *id;                /* answer to create */
    const struct dkr_found *found; /* answer to inspect */
    int64_t code;                  /* DKR_EV_WAITED */
};

enum dkr_effect_type {
    /* calls */
    DKR_FX_IMAGE, /* have the image; force: pull in any case */
    DKR_FX_CREATE,
    DKR_FX_INSPECT_NAME,
    DKR_FX_INSPECT,
    DKR_FX_START,
    DKR_FX_KILL,   /* SIGKILL */
    DKR_FX_REMOVE, /* by id, with force and anonymous volumes */
    DKR_FX_CANCEL, /* forget the call that is under way */
    /* beside them */
    DKR_FX_WAIT,
    DKR_FX_CANCEL_WAIT,
    DKR_FX_LOGS_FOLLOW,
    DKR_FX_LOGS_DRAIN, /* read to the end, then DKR_EV_LOGS_DONE */
    DKR_FX_LOGS_STOP,
    DKR_FX_KILL_PID, /* the engine is no help: SIGKILL to pid, if it is still the one */
    DKR_FX_TIMER,    /* DKR_EV_TIMER after delay_ms; replaces an earlier one */
    DKR_FX_TIMER_STOP,
    /* what the agent is told */
    DKR_FX_LAUNCHED,  /* status, text */
    DKR_FX_RECOVERED, /* is_running, exit (NULL: it never started) */
    DKR_FX_EXITED,    /* exit */
    DKR_FX_DESTROYED, /* status, text */
    DKR_FX_FORGET,    /* last effect of all */
};

struct dkr_effect {
    enum dkr_effect_type type;
    bool force, is_running;
    uint64_t delay_ms;
    int status;
    const char *text;
    const struct mu_container_exit *exit;
};

enum { DKR_EFFECTS_MAX = 16 };

struct dkr_effects {
    struct dkr_effect v[DKR_EFFECTS_MAX];
    size_t count;
};

/* Written by the machine only; others may read. */
struct dkr_container {
    enum dkr_state state;
    bool force_pull;
    char id[72]; /* the engine's; "" unknown */
    char ip[46];
    int64_t pid;

    /* what is under way */
    bool call_pending, wait_pending, timer_armed, logs_open;
    unsigned attempts;      /* in this state */
    unsigned wait_failures; /* in a row */
    unsigned kills, clashes;

    /* what is known */
    bool may_exist; /* a create may have been carried out */
    bool image_tried;
    bool was_launched; /* a start was answered, here or before a restart of the agent */
    bool has_wait_code;
    int64_t wait_code;
    bool is_destroying, was_killed, pid_killed;

    /* what is owed */
    bool owes_launched, owes_recovered, owes_exit, owes_destroyed;

    int fail_status;     /* of the launch */
    char fail_text[512]; /* of the launch, or of the last trouble while removing */
    struct mu_container_exit exit;
    char exit_text[640];
};

struct dkr_state_info {
    const char *name;
    uint32_t next; /* bit per state that may follow */
};
extern const struct dkr_state_info dkr_states[DKR_STATE_COUNT];

void dkr_container_init(struct dkr_container *c, bool force_pull);
/* out is overwritten. */
void dkr_container_step(struct dkr_container *c,
                        const struct dkr_event *ev,
                        struct dkr_effects *out);
/* May a signal be sent to it? */
bool dkr_container_can_be_signalled(const struct dkr_container *c);
/* Invariants, for tests. */
MU_NODISCARD int dkr_container_check(const struct dkr_container *c, struct mu_error *err);

#endif
