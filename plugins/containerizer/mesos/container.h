/* The life of one native container as a pure state machine: events in, effects out.
 *
 * It decides when to start, connect, signal, clean up and forget, and when the agent is
 * told what. It knows no clock, no processes and no files; box.c turns callbacks into
 * events and effects into calls. Effects borrow from the machine and are consumed before
 * the next step. What is owed to the agent (an answer to launch, recover, destroy; the
 * end) is a set of debts; every path pays each of them once.
 */
#ifndef NAT_CONTAINER_H
#define NAT_CONTAINER_H

#include <muster/kind/containerizer.h>

#include "helper/state.h"

/* The table of moves is in container.c. */
enum nat_state {
    NAT_IS_NEW,
    NAT_IS_USER,     /* looking up the task's user */
    NAT_IS_STARTING, /* the supervisor is preparing, the command is not executed yet */
    NAT_IS_ADOPTING, /* recovery: connected, waiting for the supervisor's word */
    NAT_IS_RUNNING,
    NAT_IS_STOPPING,  /* destroy: everything gets SIGKILL, waiting for the end */
    NAT_IS_EXAMINING, /* no supervisor: a clean-up runs and finds out how it ended */
    NAT_IS_EXITED,    /* the end is known and reported; waiting for destroy */
    NAT_IS_REMOVING,  /* clean-up and removal of the state directory */
    NAT_IS_STUCK, /* removal failed and was reported; destroy may be asked for again */
    NAT_IS_GONE,  /* nothing left, nothing owed */
    NAT_IS_COUNT,
};

enum nat_event_type {
    NAT_EV_LAUNCH,
    NAT_EV_RECOVER,    /* found, was_launched */
    NAT_EV_ORPHAN,     /* found: a state directory that nobody knows */
    NAT_EV_DESTROY,    /* may come again */
    NAT_EV_SIGNALLED,  /* a signal was passed on: the end is no surprise */
    NAT_EV_USER_KNOWN, /* code, text */
    NAT_EV_STARTED,
    NAT_EV_FAILED,  /* not started: code, text, status->leftover */
    NAT_EV_ENDED,   /* status */
    NAT_EV_LOST,    /* the connection ended and neither of the two came */
    NAT_EV_CLEANED, /* code, text, status */
    NAT_EV_TIMER,
};

enum nat_found {
    NAT_FOUND_NOTHING, /* no state directory */
    NAT_FOUND_DEAD,    /* its supervisor is gone */
    NAT_FOUND_ALIVE,   /* and we are connected to it */
};

struct nat_event {
    enum nat_event_type type;
    enum nat_found found;
    bool was_launched;
    int code;         /* 0 or negative */
    const char *text; /* with a negative code */
    const struct nat_status *status;
};

enum nat_effect_type {
    NAT_FX_FIND_USER,
    NAT_FX_SPAWN,
    NAT_FX_STOP,  /* ask the supervisor to kill everything */
    NAT_FX_CLEAN, /* NAT_EV_CLEANED follows; forced: even a living supervisor; removing:
                     the state directory too; is_simple: that is all there is to do */
    NAT_FX_TIMER, /* NAT_EV_TIMER after delay_ms; replaces an earlier one */
    NAT_FX_TIMER_STOP,
    /* what the agent is told */
    NAT_FX_LAUNCHED,  /* code, text */
    NAT_FX_RECOVERED, /* is_running, exit (NULL: it never started) */
    NAT_FX_EXITED,    /* exit */
    NAT_FX_DESTROYED, /* code, text */
    NAT_FX_FORGET,    /* last effect of all */
};

struct nat_effect {
    enum nat_effect_type type;
    bool is_forced, is_removing, is_simple, is_running;
    uint64_t delay_ms;
    int code;
    const char *text;
    const struct mu_container_exit *exit;
};

enum { NAT_EFFECTS_MAX = 8 };

struct nat_effects {
    struct nat_effect v[NAT_EFFECTS_MAX];
    size_t count;
};

struct nat_container_config {
    uint64_t adopt_ms; /* how long a supervisor may take to answer after a restart */
    uint64_t stop_ms;  /* how long it may take to end everything, before it is killed */
};

/* Written by the machine only; others may read. */
struct nat_container {
    enum nat_state state;
    const struct nat_container_config *config;
    bool is_orphan, is_destroying;
    bool was_launched; /* started here, or so the journal says */
    bool was_killed;
    bool has_leftover; /* cgroups may be left: removal needs the whole clean-up */
    bool owes_launched, owes_recovered, owes_exit, owes_destroyed;
    int fail_code; /* of the launch */
    char fail_text[512];
    struct mu_container_exit exit;
    char exit_text[256];
};

void nat_container_init(struct nat_container *c,
                        const struct nat_container_config *config);
/* One event. An event that means nothing in the present state changes nothing. */
void nat_container_step(struct nat_container *c,
                        const struct nat_event *ev,
                        struct nat_effects *out);
/* Can it be signalled: is there, or will there be, a command? */
bool nat_container_can_signal(const struct nat_container *c);
const char *nat_state_name(enum nat_state s);
/* Invariants; MU_E_INVALID with the broken one. */
int nat_container_check(const struct nat_container *c, struct mu_error *err);

/* The phrase for an end, such as "exited with status 1". */
void nat_exit_text(const struct nat_status *s, char *out, size_t size);

#endif
