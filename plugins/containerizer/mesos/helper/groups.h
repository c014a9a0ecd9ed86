/* The cgroups of one container, v1 and v2: made, entered, watched for OOM, emptied,
 * removed. Which ones and with which values is the plugin's decision (../cgroups.c); here
 * they are only paths and texts. */
#ifndef NAT_GROUPS_H
#define NAT_GROUPS_H

#include "spec.h"

/* mkdir all, then write the settings. On failure nothing is left. A group that exists
 * already is an error: it could be somebody else's. */
int nat_groups_make(const struct nat_spec *spec, struct nat_fault *fault);
/* Move the calling single-threaded process into all of them but the v2 one if is_in_v2.
 */
int nat_groups_enter(const struct nat_spec *spec, bool is_in_v2, struct nat_fault *fault);
/* Move the supervisor out of the agent's own groups, so that a service manager that kills
 * the agent's group does not kill tasks. is_v2: those of v2, or those of v1. */
int nat_groups_leave(const struct nat_spec *spec, bool is_v2, struct nat_fault *fault);
/* A directory fd of the v2 group among these, made if missing; -1: none. */
int nat_groups_open_v2(const struct nat_cgroup *v, size_t count);
/* fork right into the v2 group of group_fd (-1: none). The move is free that way; later
 * it may cost tens of milliseconds. *out_is_inside tells the child and the parent whether
 * that was possible (Linux 5.7); if not, it was not moved. */
pid_t nat_fork_into(int group_fd, bool *out_is_inside);

/* Poll it for POLLPRI (v2) and POLLIN (v1); -1: no memory group, or not possible. */
int nat_oom_open(const struct nat_spec *spec);
short nat_oom_poll_events(const struct nat_spec *spec);
/* After poll has reported it, re-arm it: is this an OOM? */
bool nat_oom_happened(const struct nat_spec *spec, int oom_fd);
uint64_t nat_oom_kills(const struct nat_spec *spec);          /* so far, by the kernel */
uint64_t nat_memory_max_bytes(const struct nat_spec *spec);   /* 0 unknown */
uint64_t nat_memory_limit_bytes(const struct nat_spec *spec); /* 0 none; as it is now */

/* SIGKILL (or another signal) to every process in the groups and in groups below them.
 * Returns how many were seen. */
size_t nat_groups_signal(const struct nat_cgroup *v, size_t count, int signal_number);
/* Remove them with what was made below them; true: none is left. Does not wait. */
bool nat_groups_remove(const struct nat_cgroup *v, size_t count);

#endif
