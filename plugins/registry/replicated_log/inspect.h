/* What muster log shows of the files of a master that does not run: nothing is written,
 * nothing is started. survey.h and dump.h are the pure parts.
 */
#ifndef RLOG_INSPECT_H
#define RLOG_INSPECT_H

#include <muster/kind/registry.h>

/* See struct mu_registry_ops. */
int rlog_inspect(const struct mu_registry_inspection *what, struct mu_error *err);

#endif
