/* A made-up ZooKeeper behind the functions of plugins/zk/session.h, with time and faults
 * in the test's hands: servers that lag behind, connections that are cut before or after
 * a request was carried out, requests that arrive when nobody waits for them any more,
 * sessions that end.
 *
 * A request is carried out (world_carry_out) and its answer delivered (world_deliver) as
 * two steps, in the order of asking per session. Every change has a number; a session
 * reads what was true at the number that its server has seen, which may be long ago.
 * What a request sends is measured: one over ZooKeeper's packet limit fails the test.
 */
#ifndef TESTS_UNIT_ZK_WORLD_H
#define TESTS_UNIT_ZK_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <muster/host.h>

#include "base/prng.h"
#include "unit/zk_registry/zk_tree.h"

#define WORLD_PACKET_MAX 0xfffffu

enum world_request_kind {
    WORLD_WRITE, /* one operation or several */
    WORLD_GET,
    WORLD_EXISTS,
    WORLD_CHILDREN,
    WORLD_SYNC,
};

struct world_request {
    struct world_request *next;
    int kind;
    bool watch;
    struct world_op *ops; /* of a read: ops[0].path */
    size_t count;
    zks_answer_cb cb; /* NULL: nobody waits for it */
    void *arg;
    /* The answer. */
    int rc;
    char *data;
    size_t len;
    struct zks_stat stat;
    char **children;
    size_t child_count;
};

/* What a cut does to the request that would be carried out next. */
enum world_cut {
    WORLD_CUT_BEFORE, /* it never arrives */
    WORLD_CUT_AFTER,  /* it is carried out, nobody hears it */
    WORLD_CUT_LATE,   /* it arrives later: see world_ghost */
};

struct zk_world {
    struct mu_host host;
    struct mu_prng random;
    uint64_t now_ms;
    struct mu_timer *timers; /* by due time */
    struct zk_tree tree;
    struct zks *sessions;
    struct world_request *ghosts, **ghosts_end; /* in the order of asking */
    size_t carried_out;                         /* requests, of all sessions */
    size_t biggest;                             /* request so far, in bytes */
    size_t warnings;                            /* logged */
    /* After a write that succeeded. */
    void (*on_written)(void *arg, const struct world_request *r);
    void *arg;
};

void world_open(struct zk_world *w, uint64_t seed);
void world_close(
    struct zk_world *w); /* fails the test when timers or sessions are left */

/* ---- one step each; false: there was nothing to do ---- */

bool world_carry_out(struct zks *s);
bool world_deliver(struct zks *s);
bool world_timer(struct zk_world *w);            /* the next one, whenever it is due */
uint64_t world_due_ms(const struct zk_world *w); /* of the next; UINT64_MAX: none */
/* Connect a session that is not: with a server that has seen everything, or (is_behind)
 * any that it may meet. A session that has ended is followed by a fresh one. */
bool world_connect(struct zks *s, bool is_behind);
/* The connection is lost. All that is not answered is lost for the asker; so are the
 * answers that were under way. */
bool world_cut(struct zks *s, enum world_cut how);
bool world_expire(struct zks *s);     /* the session ends, as zks gives it up */
bool world_ghost(struct zk_world *w); /* one that comes late arrives */
bool world_catch_up(struct zks *s);   /* its server sees one more change */

/* All of the above that heal, until nothing is left to do but timers beyond limit_ms. */
void world_settle(struct zk_world *w, uint64_t limit_ms);

/* ---- looking ---- */

bool world_is_connected(const struct zks *s);
bool world_has_work(const struct zks *s); /* something to carry out or to deliver */
/* NULL: there is no such node. */
const char *world_data(const struct zk_world *w, const char *path);
size_t world_count_below(const struct zk_world *w, const char *path); /* children */
#endif
