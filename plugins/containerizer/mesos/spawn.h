/* Starting the helper. Any thread, and it waits until the helper is executed, which takes
 * a fraction of a millisecond: to be called on a worker where many are started.
 *
 * The child shares the agent's memory until it executes (as vfork's does), because
 * copying the page tables of a process with many libraries costs more than all the rest.
 * It is born into its PID and mount namespaces, so that the helper need not fork again.
 */
#ifndef NAT_SPAWN_H
#define NAT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include <muster/error.h>

struct nat_spawn {
    const char *helper, *mode, *id;
    int listen_fd;         /* the helper's descriptor 3; -1: none. Stays the caller's */
    const char *leave_v2;  /* the v2 group to be born in, made if missing; NULL: none */
    bool wants_namespaces; /* goes on without if they cannot be had */
    /* results */
    pid_t pid;
    int fd; /* connected to the helper's descriptor 0; the caller's */
    bool is_in_namespaces, is_in_v2;
    int namespaces_errno; /* why not */
};

int nat_spawn(struct nat_spawn *s, struct mu_error *err);

#endif
