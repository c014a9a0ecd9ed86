/* What a replica can tell people of itself, beside paxos_explain. Pure. */
#ifndef PAXOS_EXPLAIN_H
#define PAXOS_EXPLAIN_H

#include "paxos.h"

#define PAXOS_HEALTH_MAX 79u /* members and peers */

struct paxos_member_health {
    uint64_t id;
    const char *address; /* borrowed */
    bool is_self;
    bool is_member;    /* its vote counts, as far as this replica has read the log */
    bool up;           /* this replica reaches it */
    bool was_seen;     /* since this replica started */
    uint64_t since_ms; /* so long it is up, or away, by the clock of the steps */
};

struct paxos_health {
    const char *role; /* "leading", "elected" (not ready to lead yet), "following",
                         "recovering", "starting", "failed" */
    uint64_t last;    /* the last position that has a value here, chosen or not */
    uint64_t behind;  /* positions that the leader has committed and this one has not */
    size_t count;
    struct paxos_member_health v[PAXOS_HEALTH_MAX];
};

/* Members in the order of their ids, then other replicas that are connected. Valid until
 * the next step. */
void paxos_health(const struct paxos *p, struct paxos_health *out);

#endif
