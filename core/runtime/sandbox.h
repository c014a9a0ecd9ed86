/* Sandboxes: the directory of a task with its stdout and stderr files and its fetched
 * URIs. Disk work is done on a worker thread. Loop thread. */
#ifndef MU_RUNTIME_SANDBOX_H
#define MU_RUNTIME_SANDBOX_H

#include <muster/host.h>
#include <muster/task.h>

typedef void (*sandbox_cb)(void *arg, int status, const char *text);

/* Make dir (and its parents), stdout and stderr in it, owned by user (NULL: this
 * process's), then fetch uris into it. Text names the URI that failed. */
void sandbox_prepare(const struct mu_host *host,
                     const char *dir,
                     const char *user,
                     const struct mu_uris *uris,
                     sandbox_cb cb,
                     void *arg);
/* Remove dir and all below it, on a worker thread; a failure is logged. */
void sandbox_remove(const struct mu_host *host, const char *dir);
/* Like `mkdir -p`, at once. */
MU_NODISCARD int
sandbox_make_directories(const char *path, unsigned mode, struct mu_error *err);

#endif
