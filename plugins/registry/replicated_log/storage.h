/* Where a log lies: <work_dir>/replicated_log/<name>.log, a journal. */
#ifndef RLOG_STORAGE_H
#define RLOG_STORAGE_H

#include <muster/host.h>

/* Make the directory, if it is missing, and its name durable. */
MU_NODISCARD int rlog_storage_prepare(const struct mu_host *host, struct mu_error *err);
/* Is this a name that a file can have? MU_E_INVALID. */
MU_NODISCARD int rlog_storage_check_name(const char *name, struct mu_error *err);
/* The logs that the directory below work_dir has, in no order. */
MU_NODISCARD int rlog_storage_names(const char *work_dir,
                                    void (*cb)(void *arg, const char *name),
                                    void *arg,
                                    struct mu_error *err);
/* The path of a log, or with an empty name of the directory; free() it. */
char *rlog_storage_path(const char *work_dir, const char *name);

#endif
