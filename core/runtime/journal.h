/* The journal service behind the journal entries of struct mu_host: an append-only file
 * of checksummed records with group commit, replay and atomic rewrite.
 *
 * Only open blocks; all other I/O runs on a worker thread of the loop's pool, one job at
 * a time. Appends that arrive while a job runs wait together and become one write and one
 * fdatasync. The handle belongs to its opener until close's callback. Loop thread only.
 */
#ifndef MU_RUNTIME_JOURNAL_H
#define MU_RUNTIME_JOURNAL_H

#include <muster/host.h>

/* Bytes of appends that may wait for the disk. */
#define JOURNAL_QUEUE_MAX (256u * 1024 * 1024)

/* Lock the file (made if it is missing; its directory must exist), replay it, cut a torn
 * tail off. on_record runs inside the call; after a failure what it was given is void.
 * Ownership: path is copied.
 * Errors: -EWOULDBLOCK (another process, or another handle, has it), MU_E_CORRUPT,
 * MU_E_UNSUPPORTED (a later format), errno codes. */
MU_NODISCARD int journal_open(struct uv_loop_s *loop,
                              const char *path,
                              mu_journal_record_cb on_record,
                              void *arg,
                              struct mu_journal **out,
                              struct mu_error *err);
/* Append one record.
 * Ownership: data is copied.
 * Callback:  exactly once, from the loop, in the order of the calls, rewrites included;
 * cb may be NULL. Status 0: on the disk. Negative: the journal has failed; the record is
 * not acknowledged, and whether it is there is known after the next open only. Errors:
 * -E2BIG (over MU_JOURNAL_RECORD_MAX), -ENOBUFS (JOURNAL_QUEUE_MAX waits), -ECANCELED
 * (closed), or the code it has failed with; then cb never runs. */
MU_NODISCARD int journal_append(
    struct mu_journal *j, const void *data, size_t len, mu_journal_done_cb cb, void *arg);
/* Replace all records, those of appends still waiting included, by these.
 * Ownership: records are copied.
 * Callback:  as of journal_append. Negative: the old records stand, with the appends that
 *            came meanwhile behind them; the journal has failed only if those fail too.
 * A journal that has failed takes this all the same, and appends behind it: if it
 * succeeds the journal is whole again, if not they fail with it.
 * Errors:    -E2BIG, -ECANCELED as of journal_append; -ENOMEM. */
MU_NODISCARD int journal_rewrite(struct mu_journal *j,
                                 const struct mu_slice *records,
                                 size_t count,
                                 mu_journal_done_cb cb,
                                 void *arg);
/* Bytes of the file that are durable; changes just before the callbacks of what changed
 * it. */
uint64_t journal_size(const struct mu_journal *j);
/* Bytes of a torn tail that open has cut off, for the log. */
uint64_t journal_torn_bytes(const struct mu_journal *j);
/* See struct mu_journal_stats; of appends alone. */
void journal_stats(const struct mu_journal *j, struct mu_journal_stats *out);
/* Do all that was asked for, give its callbacks, then closed_cb, the last touch; never
 * inline. */
void journal_close(struct mu_journal *j, mu_cb closed_cb, void *arg);

#endif
