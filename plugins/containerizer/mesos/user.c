#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define PASSWD_MAX (64u << 10)

static int find_groups(const char *name, struct nat_user *out, struct mu_error *err)
{
    int count = NAT_GROUPS_MAX;
    if (getgrouplist(name, out->gid, out->groups, &count) < 0) {
        return mu_fail(err, -E2BIG, "user '%s' is in more than %d groups", name,
                       NAT_GROUPS_MAX);
    }
    out->group_count = (size_t)count;
    return 0;
}

/* Look up a user. */
int nat_user_find(const char *name, struct nat_user *out, struct mu_error *err)
{
    *out = (struct nat_user){0};
    if (name == NULL || name[0] == '\0') {
        return 0;
    }
    char *buf = malloc(PASSWD_MAX);
    if (buf == NULL) {
        return mu_fail(err, -ENOMEM, "user '%s'", name);
    }
    struct passwd entry;
    struct passwd *found = NULL;
    int rc = getpwnam_r(name, &entry, buf, PASSWD_MAX, &found);
    if (rc != 0) {
        rc = mu_fail(err, -rc, "look up user '%s': %s", name, mu_strerror(-rc));
    } else if (found == NULL) {
        rc = mu_fail(err, MU_E_NOT_FOUND, "user '%s' does not exist on this host", name);
    } else if (found->pw_uid != geteuid()) {
        out->must_switch = true;
        out->uid = found->pw_uid;
        out->gid = found->pw_gid;
        rc = geteuid() == 0
                 ? find_groups(name, out, err)
                 : mu_fail(err, -EPERM,
                           "cannot switch to user '%s': the agent is not root", name);
    }
    free(buf);
    return rc;
}
