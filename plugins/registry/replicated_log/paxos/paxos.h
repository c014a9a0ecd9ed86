/* One replica of a replicated log, and the coordinator that may lead it from here. Pure:
 * events in, effects out. See docs/replicated-log.md.
 *
 * The driver keeps a journal (each STORE and REWRITE takes effect in order and is
 * answered by DURABLE, in order), connections (SEND may be lost), and calls TICK when the
 * deadline has come.
 */
#ifndef PAXOS_H
#define PAXOS_H

#include "../state.h"
#include "wire.h"

struct paxos;

struct paxos_config {
    uint64_t id;         /* drawn for a new replica; one from the journal wins. Not 0 */
    const char *address; /* "host:port" of this master; borrowed for the call */
    uint32_t quorum;     /* of 2*quorum-1 replicas */
    uint64_t seed;
};

enum paxos_event_type {
    PAXOS_EV_START = 1, /* all entries of the journal were replayed */
    PAXOS_EV_TICK,
    PAXOS_EV_MESSAGE,   /* peer, data */
    PAXOS_EV_PEER_UP,   /* peer, address: it can be sent to; what was sent before may be
                         * lost
                         */
    PAXOS_EV_PEER_DOWN, /* peer */
    PAXOS_EV_KNOWN,     /* count: masters whose addresses are known, this one among them.
                         * A log begins only among as many as its quorum is for */
    PAXOS_EV_DURABLE,   /* status: of the oldest STORE or REWRITE without one */
    PAXOS_EV_LEAD,      /* epoch, token: LED follows, unless RESIGN comes before */
    PAXOS_EV_RESIGN,    /* the coordinator stops; what waits is answered */
    PAXOS_EV_APPEND,    /* data: a batch of codec.h, token: DONE follows. After LED */
};

struct paxos_event {
    uint32_t type;
    uint64_t now_ms; /* monotonic */
    uint64_t peer, epoch, token;
    const char *address;
    const void *data;
    size_t len, count;
    int status;
};

enum paxos_effect_type {
    PAXOS_FX_SEND = 1, /* bytes, to peer */
    PAXOS_FX_STORE,    /* bytes: append to the journal */
    PAXOS_FX_REWRITE,  /* put what paxos_snapshot gives now in the place of the journal so
                          far. is_needed: else a failure that leaves the journal as it
                          was is none */
    PAXOS_FX_LED,      /* token, status, text: the map is complete; or why not */
    PAXOS_FX_DONE,     /* token, status: 0, MU_E_FENCED, MU_E_UNKNOWN_OUTCOME, -errno */
    PAXOS_FX_FENCED,   /* after LED with 0: another one leads */
    PAXOS_FX_LOG,      /* level (enum mu_log_level), text */
};

struct paxos_effect {
    uint32_t type;
    uint64_t peer, token;
    int status, level;
    bool is_needed;
    struct mu_buf bytes;
    char *text;
};

struct paxos_effects { /* a zeroed struct is empty */
    struct paxos_effect *v;
    size_t count, cap;
};
void paxos_effects_release(struct paxos_effects *fx);

struct paxos *paxos_create(const struct paxos_config *cfg);
void paxos_destroy(struct paxos *p); /* takes NULL */
/* One entry of the journal, before START. Errors: as of paxos_entry_decode;
 * MU_E_CORRUPT for what cannot stand there. */
MU_NODISCARD int
paxos_replay(struct paxos *p, const void *data, size_t len, struct mu_error *err);
void paxos_step(struct paxos *p, const struct paxos_event *ev, struct paxos_effects *out);
uint64_t paxos_deadline_ms(const struct paxos *p);
/* All that the journal has to hold, as entries. */
void paxos_snapshot(const struct paxos *p, struct rlog_snapshot *out);

/* What can be seen of it; valid until the next step. */
struct paxos_view {
    uint64_t id, committed, epoch;
    enum paxos_status status;
    struct paxos_ballot promised;
    const struct paxos_members *members;
    const struct paxos_ring *accepted; /* struct paxos_record, behind committed */
    const struct rlog_state *state;
    bool leads;
    size_t in_flight, waiting; /* values on their way, and values behind them */
    size_t reachable;          /* replicas that are there, with this one */
    size_t reachable_members;  /* those of them whose votes count */
    int failed;                /* of the journal; 0: none */
};
void paxos_view(const struct paxos *p, struct paxos_view *out);
/* What it waits for, in words; empty when for nothing. */
void paxos_explain(const struct paxos *p, struct mu_buf *out);

#endif
