/* A look at a journal's file that changes nothing: no byte, no time of change, no name in
 * its directory. Blocking; any thread.
 */
#ifndef MU_RUNTIME_JOURNAL_READ_H
#define MU_RUNTIME_JOURNAL_READ_H

#include <muster/journal.h>

/* Give all good records to on_record, in order, inside the call; while it runs nobody can
 * open the journal. A damaged file is no failure: *out says where, as journal_open would.
 * A torn tail stays where it is.
 * Errors: -EWOULDBLOCK (a process has it open; the text names it), MU_E_INVALID (not a
 * regular file), errno codes. */
MU_NODISCARD int journal_read(const char *path,
                              mu_journal_visit_cb on_record,
                              void *arg,
                              struct mu_journal_report *out,
                              struct mu_error *err);

#endif
