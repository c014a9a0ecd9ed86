/* From a task's resources to cgroup settings, as Mesos computes them. Pure.
 *
 * v1: cpu.shares = max(1024 * cpus, 2); v2: cpu.weight = max(100 * cpus, 1). With a CPU
 * quota: 100 ms periods, quota = max(100 ms * cpus, 1 ms). Memory: soft and hard limit
 * are both mem, at least 32 MiB; v2: memory.low and memory.max.
 */
#ifndef NAT_LIMITS_H
#define NAT_LIMITS_H

#include <muster/task.h>

#define NAT_MEMORY_MIN_BYTES (INT64_C(32) << 20)

/* Where the groups of this host are. An empty path: not there, or not ours to use. */
struct nat_layout {
    bool is_v2;
    bool has_cpu, has_memory; /* these limits can be set */
    bool has_swap;            /* v1: memory.memsw exists */
    /* Parents of the containers' groups, such as "/sys/fs/cgroup/memory/muster". v1: cpu
     * and cpuacct may be one hierarchy: then cpuacct is empty. v2: unified only. */
    char cpu[256], cpuacct[256], memory[256], unified[256];
    /* Root groups below which a supervisor moves, out of the agent's own; empty: the
     * agent is in no group that could be killed with it. */
    char leave_v1[256], leave_v2[256];
};

struct nat_limit_flags {
    bool has_quota;      /* cpus is a hard limit too */
    bool has_swap_limit; /* memory and swap together */
};

/* What to write for these resources into the groups of container id. Resources that are
 * not given get no setting. */
void nat_limits_make(const struct nat_layout *layout,
                     const struct nat_limit_flags *flags,
                     const char *id,
                     const struct mu_resources *resources,
                     struct mu_pairs *out_settings);
/* The hard memory limit in bytes; 0: none. */
int64_t nat_limits_memory_bytes(const struct mu_resources *resources);

#endif
