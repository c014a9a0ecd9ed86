/* What this host has to offer: the flag --resources, completed by what is found out. Main
 * thread, at start. */
#ifndef MU_RUNTIME_HOST_RESOURCES_H
#define MU_RUNTIME_HOST_RESOURCES_H

#include <muster/resources.h>

/* text: the flag (NULL: none). A resource that it does not name is found out: cpus (those
 * this process may use), mem (all but 1 GiB, or half below 2 GiB), disk (of the file
 * system of work_dir, all but 5 GiB, or half below 10 GiB), ports [31000-32000]. Errors:
 * the text is wrong. */
MU_NODISCARD int host_resources(const char *text,
                                const char *work_dir,
                                struct mu_resources *out,
                                struct mu_error *err);

#endif
