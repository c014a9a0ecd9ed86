/* The decoded form of a NAT_SPEC frame: what a supervisor is to run.
 *
 * All texts lie in the frame's own memory, which must live as long as the struct. The
 * arrays are one block, freed by nat_spec_release. Also decodes NAT_CLEAN and NAT_RECORD
 * frames, which use the same keys.
 */
#ifndef NAT_SPEC_H
#define NAT_SPEC_H

#include "fault.h"
#include "wire.h"

#include <sys/types.h>

#define NAT_CGROUPS_MAX 16
#define NAT_LEAVES_MAX 4

struct nat_cgroup {
    uint8_t flags; /* enum nat_cgroup_flags */
    char *path;    /* absolute */
};

struct nat_setting {
    char *path, *value;
};

struct nat_volume {
    bool read_only;
    char *host, *container;
};

struct nat_spec {
    char *id, *state_dir, *sandbox, *label, *program, *boot;
    uint32_t flags;      /* enum nat_spec_flags */
    char **argv, **envp; /* end with NULL */
    size_t argc, envc;
    bool has_user;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t group_count;
    struct nat_cgroup cgroups[NAT_CGROUPS_MAX];
    size_t cgroup_count;
    struct nat_cgroup leaves[NAT_LEAVES_MAX];
    size_t leave_count;
    struct nat_setting *settings;
    size_t setting_count;
    struct nat_volume *volumes;
    size_t volume_count;
    uint64_t timeout_ms;
    uint64_t files_soft, files_hard; /* hard 0: not given */
    uint64_t output_max;             /* 0: no bound */
    int64_t pid;
    uint64_t start;
    void *block;
};

/* 0, or a negative code with the fault filled. out is overwritten. */
int nat_spec_decode(const struct nat_frame *frame,
                    struct nat_spec *out,
                    struct nat_fault *fault);
void nat_spec_release(struct nat_spec *spec);

#endif
