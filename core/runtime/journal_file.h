/* The journal's file: everything that blocks.
 *
 * Opening happens on the loop thread at start-up; after that one worker thread at a time
 * owns the struct. It holds the only lock (flock) on the inode that path names, at every
 * moment, also while a rewrite replaces it.
 */
#ifndef MU_RUNTIME_JOURNAL_FILE_H
#define MU_RUNTIME_JOURNAL_FILE_H

#include <muster/journal.h>

#include "runtime/journal_format.h"

struct journal_file {
    char *path, *tmp_path; /* tmp_path: the next file, until it is renamed to path */
    int fd;
    struct journal_id id;
    uint64_t end;        /* all before it is durable, nothing is behind it */
    uint64_t next_seq;   /* of the next frame */
    uint64_t torn_bytes; /* cut off at open */
    bool is_sealed;      /* the last frame says: closed in order */
};

/* Give the whole file to the scanner, which needs no init and is zeroed if the header is
 * not good. Nothing is written.
 * Errors: MU_E_CORRUPT, MU_E_UNSUPPORTED, errno of a read. */
MU_NODISCARD int journal_file_scan(int fd,
                                   struct journal_scan *scan,
                                   mu_journal_record_cb on_record,
                                   void *arg,
                                   struct mu_error *err);
/* Make or lock the file, replay its records, cut a torn tail off; all that was replayed
 * is durable when this returns. On failure nothing is left open.
 * Errors: -EWOULDBLOCK (another process has it), MU_E_CORRUPT, MU_E_UNSUPPORTED, errno.
 */
MU_NODISCARD int journal_file_open(struct journal_file *f,
                                   const char *path,
                                   mu_journal_record_cb on_record,
                                   void *arg,
                                   struct mu_error *err);
/* One write and one fdatasync for the begun frames in data. On failure what was written
 * is cut off again as far as the disk allows; the file must not be appended to anymore.
 */
MU_NODISCARD int journal_file_append(struct journal_file *f, uint8_t *data, size_t len);
/* Replace the whole content by the begun frames in data. *out_is_intact is written on
 * failure: true, the old content stands and can be appended to as before; false, either
 * content may stand after a crash, and the file must not be appended to anymore. */
MU_NODISCARD int journal_file_rewrite(struct journal_file *f,
                                      uint8_t *data,
                                      size_t len,
                                      bool *out_is_intact);
/* Mark the end as reached in order, so that a later look tells damage of the last group
 * from a torn tail. Best effort: without the mark nothing is lost. */
void journal_file_seal(struct journal_file *f);
/* Takes a zeroed struct. */
void journal_file_close(struct journal_file *f);

#endif
