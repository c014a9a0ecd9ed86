/* The journal service: an append-only file of checksummed records with group commit,
 * replay, snapshot-and-truncate.
 *
 * A record that was acknowledged is on the disk (fdatasync) and is replayed after any
 * crash; a torn tail is cut off at open and reported; damage before the tail is
 * MU_E_CORRUPT with the offset, never guessed over. One process per file (flock). Loop
 * thread only; callbacks exactly once, never inline, in order of the calls.
 */
#ifndef MU_JOURNAL_H
#define MU_JOURNAL_H

#include <muster/error.h>

MU_EXTERN_C_BEGIN

#define MU_JOURNAL_RECORD_MAX (16u * 1024 * 1024)

struct mu_journal;

struct mu_slice {
    const void *data;
    size_t len;
};

typedef void (*mu_journal_record_cb)(void *arg,
                                     const void *data,
                                     size_t len); /* during open, in order */
/* status 0: durable; negative: the journal has failed (disk full, I/O) and every later
 * append fails too with that code, until a rewrite succeeds: that one holds all that is
 * wanted. A rewrite that fails alone (no room for the new file) leaves the journal as it
 * was. */
typedef void (*mu_journal_done_cb)(void *arg, int status);

/* One record of a journal that is only looked at; offset: of its frame in the file. */
typedef void (*mu_journal_visit_cb)(void *arg,
                                    uint64_t offset,
                                    const void *data,
                                    size_t len);
/* What a look at a journal has found. */
struct mu_journal_report {
    uint64_t size_bytes; /* of the file */
    uint64_t good_end;   /* offset: all before it is whole */
    uint64_t torn_bytes; /* behind it: a write that a crash cut off, not acknowledged */
    bool is_sealed;      /* it was closed in order */
    struct mu_error damage; /* code 0: none; MU_E_CORRUPT, MU_E_UNSUPPORTED */
};

/* How long the disk took for a group of records (write and fdatasync), in microseconds:
 * all zero before the first one. The percentiles are of the last 512 groups. */
struct mu_journal_stats {
    uint32_t struct_size; /* set by the caller */
    uint64_t groups;      /* since it was opened */
    uint64_t last_us, max_us, p50_us, p90_us, p99_us;
};

MU_EXTERN_C_END
#endif
