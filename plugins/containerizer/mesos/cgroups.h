/* The host's cgroups: which there are, which this agent may use, and what they count.
 *
 * v1: a hierarchy per controller under the flag's directory. v2: that directory itself is
 * the unified hierarchy. Reading and writing may block in the kernel, so nat_cgroups_
 * functions but detect run on a worker thread. */
#ifndef NAT_CGROUPS_H
#define NAT_CGROUPS_H

#include <muster/buf.h>
#include <muster/kind/containerizer.h>

#include "limits.h"

#define NAT_CGROUP_PATH_MAX 512 /* of any path made here; longer ones do not exist */

struct nat_cgroups_config {
    const char *hierarchy; /* "/sys/fs/cgroup" */
    const char *root;      /* "muster" */
};

/* Find out, and make the root groups. missing gets a phrase per thing that cannot be had
 * (", " between them). At start-up, loop thread. */
void nat_cgroups_detect(const struct nat_cgroups_config *config,
                        struct nat_layout *out,
                        struct mu_buf *missing);

/* The groups of a container, in the order in which they are made; which of them is the
 * one that counts memory. */
struct nat_group_list {
    struct {
        char path[NAT_CGROUP_PATH_MAX];
        bool is_v2, has_memory;
    } v[4];
    size_t count;
};
void nat_cgroups_of(const struct nat_layout *layout,
                    const char *id,
                    struct nat_group_list *out);

/* Write settings in order; the first that fails ends it. Lowering memory below what is
 * used is refused. */
int nat_cgroups_apply(const struct mu_pairs *settings, struct mu_error *err);
/* What the groups count, or, without groups, what /proc says of the processes below the
 * supervisor. -ESRCH: neither is there. */
int nat_usage_read(const struct nat_layout *layout,
                   const char *id,
                   int64_t supervisor_pid,
                   struct mu_container_usage *out);

#endif
