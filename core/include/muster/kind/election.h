/* Election: who leads. A contender stands for election, a detector tells who leads; both
 * through one plugin instance.
 *
 * Rules: epoch grows with every leadership anywhere; `lost` comes before the leadership
 * could have passed on; never two `elected` without a `lost` between. Callbacks exactly
 * once where they answer a call, never inline, loop thread.
 */
#ifndef MU_KIND_ELECTION_H
#define MU_KIND_ELECTION_H

#include <muster/host.h>

MU_EXTERN_C_BEGIN

/* Who a master is. Strings are copied by the plugin and borrowed in events. */
struct mu_member {
    uint32_t struct_size;
    const char *id;       /* the master's id: a uuid, new at each start */
    const char *hostname; /* what others connect to */
    const char *ip;       /* "10.0.0.1" */
    uint32_t port;        /* Mesos APIs */
    uint32_t app_port; /* Marathon API; 0: unknown (a leader written by another system) */
    const char *version;
    const char *znode; /* the election's own name for it ("json.info_0000000003"), NULL if
                          it has none */
};

struct mu_election_events {
    void (*elected)(void *arg, uint64_t epoch);
    void (*lost)(void *arg, const char *why);
    void (*leader)(
        void *arg,
        const struct mu_member *leader); /* NULL: none known; repeats are suppressed */
};

struct mu_election_ops {
    uint32_t struct_size;
    /* Before start, once. events is borrowed for the instance's life. */
    void (*listen)(void *instance, const struct mu_election_events *events, void *arg);
    int (*contend)(void *instance, const struct mu_member *self, struct mu_error *err);
    void (*withdraw)(
        void *instance,
        mu_cb cb,
        void *arg); /* gives up candidacy and leadership; no `elected` after */
    int (*detect)(void *instance, struct mu_error *err); /* begin `leader` events */
    /* Optional (NULL): remove member if it is still that member; proof says why its
     * process is known to be gone. */
    int (*depose)(void *instance,
                  const struct mu_member *member,
                  const char *proof,
                  struct mu_error *err);
    /* Optional (NULL: for ever): until when, on host->now_ms, the leadership holds for
     * certain without a further word from the election; 0 when it does not lead. The core
     * asks before it acts as the leader, since a process that was frozen may read
     * requests before its timers run. */
    uint64_t (*lease_ms)(void *instance);
};

MU_EXTERN_C_END
#endif
