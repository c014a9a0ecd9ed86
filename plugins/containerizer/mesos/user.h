/* The task's user: looked up on a worker thread, because that may ask the network, and
 * not in the helper, which has no name service. */
#ifndef NAT_USER_H
#define NAT_USER_H

#include <sys/types.h>

#include <muster/error.h>

#define NAT_GROUPS_MAX 256

struct nat_user {
    bool must_switch; /* false: the agent's own user */
    uid_t uid;
    gid_t gid;
    gid_t groups[NAT_GROUPS_MAX];
    size_t group_count;
};

/* Blocks. name "" or NULL, or the agent's own user: nothing to switch. */
int nat_user_find(const char *name, struct nat_user *out, struct mu_error *err);

#endif
