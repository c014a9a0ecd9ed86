/* Records of a log as lines of text, for grep: "LOG OFFSET #NUMBER KIND name=value ...".
 * Pure.
 *
 * A record has one line; each operation of a batch has one more, with the same beginning:
 * "put" or "delete", its position, its key, and at the end of the line its value: the
 * text if it is one, 0x and hex digits if not.
 */
#ifndef RLOG_DUMP_H
#define RLOG_DUMP_H

#include "paxos/wire.h"

struct rlog_dump {
    const char *log; /* its name */
    bool whole_values;
    void (*put)(void *arg, const char *line);
    void *arg;
    struct mu_buf line; /* zeroed at first; release it */
};

/* number: 1 for the first of the file. */
void rlog_dump_record(
    struct rlog_dump *d, uint64_t offset, uint64_t number, const void *data, size_t len);
/* "LOG - map key=... bytes=... value=..." for each entry, in key order. */
void rlog_dump_map(struct rlog_dump *d, const struct rlog_map *map);

/* "1.2.00000000000000ab" */
void rlog_put_ballot(struct mu_buf *b, const struct paxos_ballot *ballot);

#endif
