/* What the files of the machine share. Pure. */
#ifndef PAXOS_INTERNAL_H
#define PAXOS_INTERNAL_H

#include "paxos.h"

/* Sizes that a simulation makes small, so that it comes to their ends. */
#ifndef PAXOS_SIZES
#define PAXOS_WINDOW 16384u   /* positions behind committed that a replica remembers */
#define PAXOS_IN_FLIGHT 8192u /* positions that a coordinator has on their way */
#define PAXOS_KEEP 8192u      /* chosen values, for those that are behind */
#define PAXOS_CHUNK_BYTES (1024u * 1024) /* of values in one message */
#define PAXOS_REWRITE_BYTES (4u * 1024 * 1024)
#define PAXOS_IN_FLIGHT_BYTES (16u * 1024 * 1024) /* and one value */
/* Of what a replica has accepted and does not know to be chosen: more than a coordinator
 * has on its way, and a PROMISED message fits into a link's queue (links.c). */
#define PAXOS_WINDOW_BYTES (40u * 1024 * 1024)
#endif
#define PAXOS_WAITING_BYTES (64u * 1024 * 1024) /* beyond: -ENOBUFS */
#define PAXOS_KEEP_BYTES (8u * 1024 * 1024)
#define PAXOS_PEERS_MAX 64u
#define PAXOS_TICK_MS 100u
#define PAXOS_IDLE_TICK_MS 1000u
#define PAXOS_RESEND_MS 1000u
#define PAXOS_ANSWER_AGE_MS 10000u /* a status that was told before that says nothing */
#define PAXOS_AWAY_MS 10000u       /* a member that is away may be replaced then */

struct paxos_peer {
    uint64_t id;
    char address[PAXOS_ADDRESS_MAX];
    bool up, is_foreign; /* is_foreign: it has another log */
    uint64_t since_ms;   /* up, or down */
    /* its last STATUS */
    uint64_t heard_ms; /* 0: none */
    uint8_t status;
    uint32_t quorum;
    uint64_t committed;
    struct paxos_members set;
};

enum paxos_pending_kind {
    PAXOS_PENDING_NONE,
    PAXOS_PENDING_IDENTITY, /* from now on others may count on this id */
    PAXOS_PENDING_PROMISED, /* to peer: ballot, position */
    PAXOS_PENDING_WROTE,    /* to peer: ballot, position */
    PAXOS_PENDING_STATUS,   /* from now on it may be told */
};

struct paxos_pending { /* what follows when a stored entry is durable */
    struct paxos_pending *next;
    enum paxos_pending_kind kind;
    uint64_t peer, position;
    struct paxos_ballot ballot;
    uint8_t status;
};

struct paxos_local { /* a message from this replica to itself */
    struct paxos_local *next;
    struct paxos_message m;
};

enum paxos_leading {
    PAXOS_IDLE,
    PAXOS_PROMISING,
    PAXOS_FETCHING,
    PAXOS_SETTLING,
    PAXOS_LEADING,
};

struct paxos_proposal {
    struct paxos_value *value;
    uint32_t votes; /* bits of members */
    bool has_token, is_chosen;
    uint64_t token, sent_ms;
};

struct paxos_waiting { /* a value that has no position yet */
    struct paxos_waiting *next;
    struct paxos_value *value;
    uint64_t token;
};

struct paxos_coordinator {
    enum paxos_leading state;
    uint64_t epoch, led_token;
    struct paxos_ballot ballot;
    uint32_t promised;           /* bits of members */
    uint64_t asked_from;         /* the position that was asked about */
    uint64_t asked_ms, retry_ms; /* retry_ms 0: none is due */
    uint64_t fetch_to;
    struct paxos_ring gathered;  /* struct paxos_record: of the highest ballot */
    struct paxos_ring proposals; /* struct paxos_proposal, from committed + 1 */
    size_t bytes_in_flight;
    struct paxos_waiting *waiting, **waiting_end;
    size_t waiting_count, waiting_bytes;
    struct paxos_members next_members; /* to be written; count 0: none */
    bool writes_members;               /* they are on their way, nothing behind them */
    bool has_begun;                    /* its epoch's record is written */
    uint64_t told_committed, told_ms;  /* COMMITTED, or on a WRITE */
    uint64_t moved_ms;                 /* when the first proposal became the first */
    uint64_t refused_ms;               /* when it last said that nobody can be replaced */
};

struct paxos {
    uint64_t id;
    char address[PAXOS_ADDRESS_MAX];
    uint32_t quorum;
    uint64_t random;
    uint64_t now_ms, tick_ms, started_ms;
    struct paxos_effects *fx; /* of the step that runs */
    int failed;
    bool is_new;             /* the journal was empty */
    bool is_old;             /* it was written before logs were replicated */
    bool is_named;           /* its id is on the disk */
    size_t known;            /* masters; 0: not told */
    uint64_t waits_since_ms; /* 0: for nothing */

    /* the replica */
    uint8_t status, told_status;
    struct paxos_members members; /* those at committed + 1; or the set, while starting */
    struct paxos_ballot promised;
    uint64_t committed, noted; /* noted: the highest committed that was stored */
    struct rlog_state state;
    struct paxos_ring accepted; /* struct paxos_record, from committed + 1 */
    size_t accepted_bytes;
    struct paxos_ring kept; /* struct paxos_value, up to committed */
    size_t kept_bytes;
    uint64_t journal_bytes; /* stored since the last rewrite, about */
    struct paxos_pending *pending, **pending_end;
    struct paxos_local *local, **local_end;

    struct paxos_peer *peers;
    size_t peer_count;
    struct { /* who writes, as far as this replica was told */
        uint64_t peer, committed, heard_ms;
        struct paxos_ballot ballot;
    } leader;
    uint64_t asked_status_ms, asked_join_ms, warned_ms;

    struct { /* catching up */
        bool active;
        uint64_t to, peer, asked_ms;
        uint64_t position; /* that was asked for last; 0: answered */
    } fetch;
    struct { /* a snapshot that comes in */
        uint64_t position;
        uint32_t next, parts;
        struct paxos_members members;
        struct rlog_state state;
    } in;
    struct { /* one that goes out */
        uint64_t position, used_ms;
        struct paxos_members members;
        struct rlog_snapshot snapshot;
    } out;

    struct paxos_coordinator co;
    struct paxos_ballot last_ballot; /* the last one that it has used, ended or not */
};

/* paxos.c */
struct paxos_effect *paxos_emit(struct paxos *p, enum paxos_effect_type type);
void paxos_log(struct paxos *p, int level, const char *fmt, ...) MU_PRINTF(3, 4);
uint64_t paxos_random(struct paxos *p, uint64_t low, uint64_t high);
/* m keeps what it has, but for a message to this replica, which takes it over. */
void paxos_send(struct paxos *p, uint64_t to, struct paxos_message *m);
void paxos_send_all(struct paxos *p, const struct paxos_message *m); /* all that are up */
struct paxos_pending *
paxos_store(struct paxos *p, const struct paxos_entry *e, enum paxos_pending_kind kind);
void paxos_rewrite(struct paxos *p, bool is_needed);
struct paxos_peer *paxos_peer(struct paxos *p, uint64_t id);
bool paxos_is_up(const struct paxos *p, uint64_t id); /* or this one */

/* replica.c */
void replica_on_promise(struct paxos *p, uint64_t from, const struct paxos_message *m);
void replica_on_write(struct paxos *p, uint64_t from, const struct paxos_message *m);
void replica_on_committed(struct paxos *p, uint64_t from, const struct paxos_message *m);
void replica_on_durable(struct paxos *p, const struct paxos_pending *done);
/* The value of committed + 1 is this. stores: its journal does not have it there yet. */
void replica_commit(struct paxos *p, struct paxos_value *value, bool stores);
/* The same without the journal; for the replay. */
MU_NODISCARD int
replica_apply(struct paxos *p, struct paxos_value *value, struct mu_error *err);
MU_NODISCARD int
replica_replay(struct paxos *p, struct paxos_entry *e, struct mu_error *err);
void replica_note_committed(struct paxos *p);
void replica_release(struct paxos *p);

/* catchup.c */
void catchup_need(struct paxos *p, uint64_t committed, uint64_t from);
void catchup_on_fetch(struct paxos *p, uint64_t from, const struct paxos_message *m);
void catchup_on_values(struct paxos *p, uint64_t from, const struct paxos_message *m);
void catchup_on_snapshot(struct paxos *p, uint64_t from, const struct paxos_message *m);
void catchup_tick(struct paxos *p);
void catchup_release(struct paxos *p);

/* join.c */
void join_start(struct paxos *p);
void join_tick(struct paxos *p);
void join_ask(struct paxos *p); /* all others for their status */
void join_on_ask(struct paxos *p, uint64_t from, const struct paxos_message *m);
void join_on_status(struct paxos *p, uint64_t from, const struct paxos_message *m);
/* p->members have changed. */
void join_members_changed(struct paxos *p);

/* coordinator.c */
void coordinator_lead(struct paxos *p, uint64_t epoch, uint64_t token);
void coordinator_append(struct paxos *p, const void *data, size_t len, uint64_t token);
/* All that waits gets status; what is on its way: in_flight_status. */
void coordinator_end(struct paxos *p, int status, int in_flight_status, const char *text);
void coordinator_on_promised(struct paxos *p,
                             uint64_t from,
                             const struct paxos_message *m);
void coordinator_on_wrote(struct paxos *p, uint64_t from, const struct paxos_message *m);
void coordinator_on_rejected(struct paxos *p, const struct paxos_message *m);
void coordinator_on_ignored(struct paxos *p,
                            uint64_t from,
                            const struct paxos_message *m);
/* Another replica has so much. Members that are gone promise nothing: who is one now may
 * be in there. */
void coordinator_heard(struct paxos *p, uint64_t from, uint64_t committed);
void coordinator_on_join(struct paxos *p, uint64_t from, const struct paxos_message *m);
void coordinator_peer_up(struct paxos *p, uint64_t peer);
/* The position that was committed just now has this value. */
void coordinator_committed(struct paxos *p, const struct paxos_value *value);
/* committed has moved with a whole map. */
void coordinator_jumped(struct paxos *p);
/* Another ballot was promised or has written here. */
void coordinator_saw(struct paxos *p, const struct paxos_ballot *ballot);
/* p->members are others now. */
void coordinator_members_changed(struct paxos *p);
/* committed or status have moved: what waited for that goes on. */
void coordinator_kick(struct paxos *p);
void coordinator_tick(struct paxos *p);
void coordinator_end_of_step(struct paxos *p);
bool coordinator_is_busy(const struct paxos *p);

#endif
