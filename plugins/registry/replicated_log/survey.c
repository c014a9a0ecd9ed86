/* See survey.h. What paxos_replay takes is what a master starts with; some of that no
 * master writes, and it is a mistake, too. */
#include "survey.h"

#include <inttypes.h>

#include "codec.h"

void rlog_survey_init(struct rlog_survey *s)
{
    static const struct paxos_config cfg = {.id = 1, .address = "", .quorum = 1};
    *s = (struct rlog_survey){.machine = paxos_create(&cfg)};
}

void rlog_survey_release(struct rlog_survey *s)
{
    paxos_destroy(s->machine);
    *s = (struct rlog_survey){0};
}

static int
check_identity(struct rlog_survey *s, const struct paxos_entry *e, struct mu_error *err)
{
    if (s->id != 0 && s->id != e->id) {
        return mu_fail(err, MU_E_CORRUPT,
                       "it names replica %016" PRIx64
                       ", and the records before it are of %016" PRIx64,
                       e->id, s->id);
    }
    s->id = e->id;
    return 0;
}

static int check_promise(const struct rlog_survey *s,
                         const struct paxos_entry *e,
                         struct mu_error *err)
{
    struct paxos_view v;
    paxos_view(s->machine, &v);
    if (paxos_ballot_cmp(&e->ballot, &v.promised) < 0) {
        return mu_fail(err, MU_E_CORRUPT,
                       "it promises epoch %" PRIu64 " round %u, and epoch %" PRIu64
                       " round %u was promised before",
                       e->ballot.epoch, e->ballot.round, v.promised.epoch,
                       v.promised.round);
    }
    return 0;
}

/* May a record of this kind stand here? */
static int check_place(const struct rlog_survey *s, uint8_t kind, struct mu_error *err)
{
    bool is_first =
        kind == PAXOS_ENTRY_IDENTITY || kind == RLOG_EPOCH || kind == RLOG_BATCH;
    if (s->records == 1 && !is_first) {
        return mu_fail(err, MU_E_CORRUPT, "the first record does not name the replica");
    }
    if (kind == PAXOS_ENTRY_MAP && s->last != PAXOS_ENTRY_SNAPSHOT &&
        s->last != PAXOS_ENTRY_MAP) {
        return mu_fail(err, MU_E_CORRUPT, "a part of a map stands behind no snapshot");
    }
    return 0;
}

static int
check(struct rlog_survey *s, const void *data, size_t len, struct mu_error *err)
{
    uint8_t kind = len == 0 ? 0 : *(const uint8_t *)data;
    s->is_old = s->is_old || kind == RLOG_EPOCH || kind == RLOG_BATCH;
    struct paxos_entry e;
    int rc = 0;
    if (kind == PAXOS_ENTRY_IDENTITY || kind == PAXOS_ENTRY_PROMISE) {
        rc = paxos_entry_decode(data, len, &e, err); /* neither has a value */
    }
    if (rc == 0 && kind == PAXOS_ENTRY_IDENTITY) {
        rc = check_identity(s, &e, err);
    } else if (rc == 0 && kind == PAXOS_ENTRY_PROMISE) {
        rc = check_promise(s, &e, err);
    }
    if (rc == 0) { /* what it cannot read is more telling than its place */
        rc = paxos_replay(s->machine, data, len, err);
    }
    if (rc == 0) {
        rc = check_place(s, kind, err);
    }
    s->last = kind;
    return rc;
}

void rlog_survey_add(struct rlog_survey *s, uint64_t offset, const void *data, size_t len)
{
    s->records++;
    if (s->status == 0) {
        s->status = check(s, data, len, &s->why);
        s->bad_offset = offset;
        s->bad_number = s->records;
    }
}
