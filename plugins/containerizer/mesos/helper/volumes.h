/* What the task sees of the file system: the mounts of its own namespace, and its
 * volumes.
 *
 * A relative container path is a directory (or file) of the sandbox that the host path is
 * bound to; without a mount namespace it is a symbolic link. An absolute one must exist
 * on the host and is covered by the bind. The sandbox belongs to the task's user, so each
 * step below it refuses symbolic links. */
#ifndef NAT_VOLUMES_H
#define NAT_VOLUMES_H

#include "spec.h"

/* In a fresh mount namespace: keep what is mounted here from the host, mount /proc of the
 * PID namespace. */
int nat_mounts_private(struct nat_fault *fault);
int nat_mounts_proc(struct nat_fault *fault);
int nat_volumes_make(const struct nat_spec *spec, struct nat_fault *fault);

#endif
