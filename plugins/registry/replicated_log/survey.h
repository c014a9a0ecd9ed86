/* Reads a journal's records in order, as a replica does that starts, and remembers the
 * first that cannot stand where it stands. Pure.
 */
#ifndef RLOG_SURVEY_H
#define RLOG_SURVEY_H

#include "paxos/paxos.h"

struct rlog_survey {
    struct paxos *machine; /* holds what the records before the bad one add up to */
    uint64_t records;
    uint64_t id;  /* of the replica; 0: no record says it */
    bool is_old;  /* written before logs were replicated */
    uint8_t last; /* kind of the last record */
    int status;   /* 0, or of the first bad record: */
    uint64_t bad_offset, bad_number;
    struct mu_error why;
};

void rlog_survey_init(struct rlog_survey *s);
void rlog_survey_release(struct rlog_survey *s);
/* Records behind a bad one are only counted. offset: of the record in the file. */
void rlog_survey_add(struct rlog_survey *s,
                     uint64_t offset,
                     const void *data,
                     size_t len);

#endif
