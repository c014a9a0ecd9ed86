/* The blocking half of logs.c: sandbox files and the note of what was written.
 *
 * Runs on a worker thread and touches only its own job. Files in the sandbox are the
 * task's to change, so they are opened without following links and only written when they
 * are plain files.
 */
#ifndef DKR_LOG_FILES_H
#define DKR_LOG_FILES_H

#include <muster/error.h>

#include "demux.h"

struct dkr_log_files {
    char *sandbox; /* absolute */
    char *note;    /* path of the note */
};

void dkr_log_files_init(struct dkr_log_files *f, const char *sandbox);
void dkr_log_files_release(struct dkr_log_files *f);

/* Where to read on. A fresh start (!is_resumed) makes the note anew. */
int dkr_log_files_open(const struct dkr_log_files *f,
                       bool is_resumed,
                       struct dkr_position out[DKR_STREAMS],
                       struct mu_error *err);
/* Append to one stream's file. *out_written and *out_size are set on failure too. */
int dkr_log_files_append(const struct dkr_log_files *f,
                         int stream,
                         const char *data,
                         size_t len,
                         size_t *out_written,
                         struct mu_error *err);
/* Note positions. */
int dkr_log_files_note(const struct dkr_log_files *f,
                       const struct dkr_position pos[DKR_STREAMS],
                       struct mu_error *err);
void dkr_log_files_forget(const struct dkr_log_files *f);

/* The text of a note; size[i] is what the file had when pos[i] was reached. */
enum { DKR_NOTE_SIZE = 200 };
void dkr_note_format(const struct dkr_position pos[DKR_STREAMS],
                     const uint64_t size[DKR_STREAMS],
                     char out[DKR_NOTE_SIZE]);
MU_NODISCARD int dkr_note_parse(const char *text,
                                struct dkr_position out_pos[DKR_STREAMS],
                                uint64_t out_size[DKR_STREAMS]);

#endif
