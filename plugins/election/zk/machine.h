/* The election as a pure machine: what ZooKeeper and the core say goes in, what to ask of
 * ZooKeeper and to tell the core comes out. No I/O, no clock; the driver is plugin.c.
 *
 * A candidate is a znode; the smallest number over all labels leads (Mesos' rule).
 * States of the own candidacy:
 *
 *   NONE -> CREATING -> IN -> LEAVING -> NONE
 *              |-> UNKNOWN (the answer was lost) -> LOOKING (whose are the znodes?)
 *                                                      |-> IN, or NONE
 *
 * An expired session puts it back to NONE: its znodes go by themselves. Leadership that
 * ends while the znode may still be there always goes through LEAVING, so a second
 * leadership has another znode and a higher epoch.
 *
 * Leadership needs all of: candidacy IN, its czxid known, smallest in a list of this
 * session, and a lease. Whoever is smallest asks every eighth of the session timeout, as
 * a write, whether its znode is still there: only a server in touch with a quorum can
 * answer that. (A follower that was cut off answers reads for seconds, while the others
 * end the session.) Each answer moves the lease to the time of asking + the timeout - a
 * quarter. The quarter is for what the servers may know too late: a follower tells the
 * leading server every half tick (at most a tenth of a sensible timeout) of whom it has
 * heard, and it may have heard this master an eighth of the timeout before.
 */
#ifndef ZKE_MACHINE_H
#define ZKE_MACHINE_H

#include <muster/kind/election.h>

#include "names.h"

enum zke_candidacy {
    ZKE_NONE,
    ZKE_CREATING,
    ZKE_UNKNOWN,
    ZKE_LOOKING,
    ZKE_IN,
    ZKE_LEAVING
};

enum zke_event_type {
    ZKE_EV_READY = 1, /* fresh, owner, timeout_ms */
    ZKE_EV_SUSPENDED,
    ZKE_EV_EXPIRED, /* text */
    ZKE_EV_CHANGED, /* the children watch has fired */
    /* Answers, each to the action of its name; outcome says how it went. */
    ZKE_EV_CREATED, /* name */
    ZKE_EV_LEFT,
    ZKE_EV_SYNCED,
    ZKE_EV_LISTED, /* names, count */
    ZKE_EV_OWNER,  /* name, owner, czxid: of one znode that was looked at */
    ZKE_EV_ASKED,  /* name, asked_ms: about the own znode */
    ZKE_EV_DATA,   /* name, owner, member (NULL: not to be understood) */
    /* From the core. */
    ZKE_EV_CONTEND,
    ZKE_EV_WITHDRAW,
    ZKE_EV_DETECT,
    ZKE_EV_TICK,
};

enum zke_outcome {
    ZKE_OK,
    ZKE_GONE,    /* no such znode */
    ZKE_LOST,    /* the answer was lost: the outcome is unknown */
    ZKE_REFUSED, /* for good; text says why */
};

struct zke_event {
    int type;
    uint64_t now_ms;
    int outcome;
    bool fresh;
    int64_t owner, czxid;
    uint64_t timeout_ms, asked_ms;
    const char *text, *name;
    const char *const *names;
    size_t count;
    const struct mu_member *member;
};

enum zke_action_type {
    ZKE_DO_CREATE = 1,
    ZKE_DO_LEAVE,     /* name: delete the own znode */
    ZKE_DO_SYNC,      /* so that the list behind it shows all that was done before */
    ZKE_DO_LIST,      /* children, with a watch */
    ZKE_DO_LOOK,      /* name: whose is it, and how old? */
    ZKE_DO_ASK,       /* name: a quorum, whether the own znode is there */
    ZKE_DO_DATA,      /* name: who is it? */
    ZKE_DO_REMOVE,    /* name: delete it; the answer does not matter */
    ZKE_DO_RESTART,   /* the session, behind all else; text */
    ZKE_TELL_ELECTED, /* epoch */
    ZKE_TELL_LOST,    /* text */
    ZKE_TELL_LEADER,  /* member, borrowed until the next step; NULL: none */
    ZKE_TELL_WITHDRAWN,
    ZKE_TELL_LOG, /* level, text, name */
};

struct zke_action {
    int type;
    char name[ZKE_NAME_MAX];
    const char *text; /* borrowed until the next step */
    uint64_t epoch;
    int level;
    const struct mu_member *member;
};

#define ZKE_EPOCH_BIT (UINT64_C(1) << 62) /* above the wall-clock epochs of in_memory */

struct zke_machine;

/* self_id: of this process, to know its own znodes of an earlier session by. */
struct zke_machine *zke_machine_create(const char *self_id);
void zke_machine_destroy(struct zke_machine *m);
void zke_machine_set_self(struct zke_machine *m, const struct mu_member *self);
void zke_step(struct zke_machine *m, const struct zke_event *ev);
/* The actions of the last step, in order. */
const struct zke_action *zke_actions(const struct zke_machine *m, size_t *out_count);
uint64_t zke_deadline_ms(const struct zke_machine *m); /* UINT64_MAX: none */
uint64_t zke_lease_ms(const struct zke_machine *m);    /* 0: does not lead */
bool zke_stands(const struct zke_machine *m);
/* The znode of the leader that was told last, if it is this member's. NULL: it is not. */
const char *zke_znode_of(const struct zke_machine *m, const struct mu_member *member);

#endif
