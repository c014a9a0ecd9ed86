/* Messages between replicas, and records of a replica's journal, as bytes. Pure.
 *
 * Integers are little-endian. A decoder takes any bytes: what is wrong is MU_E_CORRUPT,
 * what only a later version knows is MU_E_UNSUPPORTED.
 */
#ifndef PAXOS_WIRE_H
#define PAXOS_WIRE_H

#include "types.h"

enum paxos_status { /* as in docs/replicated-log.md; numbers are on disks */
                    PAXOS_VOTING = 1,
                    PAXOS_RECOVERING = 2,
                    PAXOS_STARTING = 3,
                    PAXOS_EMPTY = 4,
};
const char *paxos_status_name(enum paxos_status status);

enum paxos_message_type {
    PAXOS_MSG_STATUS_ASK = 1, /* quorum */
    PAXOS_MSG_STATUS,         /* status, committed, members: the set it starts with */
    PAXOS_MSG_PROMISE_ASK,    /* ballot, position: the first that is asked about,
                                 committed */
    PAXOS_MSG_PROMISED,       /* ballot, committed, records behind it */
    PAXOS_MSG_WRITE,          /* ballot, committed, records: one */
    PAXOS_MSG_WROTE,          /* ballot, position */
    PAXOS_MSG_REJECTED,       /* ballot: the asker's; promised */
    PAXOS_MSG_IGNORED,        /* ballot: the asker's; status, committed */
    PAXOS_MSG_COMMITTED,      /* ballot, committed */
    PAXOS_MSG_FETCH,    /* position: the first that is missing; part of a snapshot */
    PAXOS_MSG_VALUES,   /* committed, records: chosen ones in a row */
    PAXOS_MSG_SNAPSHOT, /* position, members, part, parts, records: one, its bytes a
                           record of codec.h */
    PAXOS_MSG_JOIN,     /* members: one, who wants to be it */
    PAXOS_MSG_LAST = PAXOS_MSG_JOIN,
};

struct paxos_record { /* a value at its position */
    uint64_t position;
    struct paxos_ballot ballot;
    struct paxos_value *value; /* a reference */
    bool is_durable;           /* not on the wire */
};

struct paxos_message {
    uint8_t type, status;
    uint64_t log; /* paxos_members.log of the sender; 0: it has none. paxos.c sets it */
    uint32_t quorum, part, parts;
    struct paxos_ballot ballot, promised;
    uint64_t position, committed;
    struct paxos_members *members; /* owned; NULL: none */
    struct paxos_record *records;  /* owned */
    size_t count;
};

/* A copy for a message's members. */
struct paxos_members *paxos_members_copy(const struct paxos_members *m);
void paxos_message_release(struct paxos_message *m);
/* Add a record; takes a reference of its own. */
void paxos_message_add(struct paxos_message *m,
                       uint64_t position,
                       const struct paxos_ballot *ballot,
                       struct paxos_value *value);
/* Appends; an overflow is b's. */
void paxos_message_encode(struct mu_buf *b, const struct paxos_message *m);
/* out is released by the caller on success only. */
MU_NODISCARD int paxos_message_decode(const void *data,
                                      size_t len,
                                      struct paxos_message *out,
                                      struct mu_error *err);

enum paxos_entry_kind { /* of the journal; 'E' and 'B' are codec.h's */
                        PAXOS_ENTRY_IDENTITY = 'I', /* id: of this replica */
                        PAXOS_ENTRY_STATUS =
                            'S', /* status, members: the set, or the first members */
                        PAXOS_ENTRY_PROMISE = 'P', /* ballot */
                        PAXOS_ENTRY_ACCEPT =
                            'A', /* position, ballot, value; committed before it */
                        PAXOS_ENTRY_CHOSEN = 'C',    /* position, value */
                        PAXOS_ENTRY_COMMITTED = 'K', /* position */
                        PAXOS_ENTRY_SNAPSHOT =
                            'X', /* position, members; its map follows in 'D' entries */
                        PAXOS_ENTRY_MAP = 'D', /* value: a record of codec.h */
};

struct paxos_entry {
    uint8_t kind, status;
    uint64_t id, position, committed;
    struct paxos_ballot ballot;
    struct paxos_members members;
    struct paxos_value *value; /* encode: borrowed; decode: a reference of its own */
};

void paxos_entry_encode(struct mu_buf *b, const struct paxos_entry *e);
MU_NODISCARD int paxos_entry_decode(const void *data,
                                    size_t len,
                                    struct paxos_entry *out,
                                    struct mu_error *err);

/* Members as the bytes of a value. */
struct paxos_value *paxos_members_value(const struct paxos_members *m);
MU_NODISCARD int paxos_value_members(const struct paxos_value *v,
                                     struct paxos_members *out,
                                     struct mu_error *err);

#endif
