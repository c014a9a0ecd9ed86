/* The output of one container: the engine's log stream -> files stdout and stderr of the
 * sandbox.
 *
 * The engine keeps the log, so nothing is lost while the agent is away. What was written
 * is noted in a small file beside the sandbox, ".<sandbox name>.log-position": per stream
 * the stamp of the last message, how many had it, and the size of the sandbox file then.
 * The file may be behind (it is written after the output): the growth of the sandbox file
 * since then says by how much. So after a restart, a kill -9 or a full disk the log is
 * read on from exactly the next byte. The note lies outside of the sandbox, where the
 * task cannot touch it.
 *
 * Files are opened, written and closed on a worker thread, never on the loop; not more
 * than one such work is under way per container. When the disk is slower than the
 * container's output, the stream is dropped and read on later, so memory is bounded.
 */
#ifndef DKR_LOGS_H
#define DKR_LOGS_H

#include "engine.h"

struct dkr_logs;

/* sandbox: absolute; copied. has_tty: the stream is not framed. is_resumed: the container
 * was found after a restart; without a note then, the sandbox files' sizes say what was
 * written. */
struct dkr_logs *dkr_logs_create(const struct mu_host *host,
                                 struct dkr_engine *engine,
                                 const char *sandbox,
                                 bool has_tty,
                                 bool is_resumed);
/* Follow the container's output until the end, however often the stream breaks. */
void dkr_logs_follow(struct dkr_logs *logs, const char *engine_id);
/* The container has ended: read the rest, write it, then done_cb, once, never inside this
 * call. Also without a follow before. Not called after dkr_logs_stop. */
void dkr_logs_drain(struct dkr_logs *logs,
                    const char *engine_id,
                    mu_cb done_cb,
                    void *arg);
/* Read no more; what was read is still written. */
void dkr_logs_stop(struct dkr_logs *logs);
/* Stop, write what is left, forget the note if the container is gone for good. closed_cb
 * is the last touch; logs is freed then. */
void dkr_logs_close(struct dkr_logs *logs, bool forget_note, mu_cb closed_cb, void *arg);

#endif
