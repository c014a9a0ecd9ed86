/* Reading /proc: one process, or all of them, for killing and counting a container's
 * processes where no cgroup and no PID namespace holds them together. Used by the helper
 * and, on a worker thread, by the plugin. */
#ifndef NAT_PROCS_H
#define NAT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nat_proc {
    pid_t pid, parent, session;
    char state; /* 'Z' is a zombie */
    uint64_t user_ticks, system_ticks, start, rss_pages;
};

struct nat_procs {
    struct nat_proc *v;
    size_t count, cap;
};

/* 0, or -ESRCH when it does not exist (or cannot be read). */
int nat_proc_read(pid_t pid, struct nat_proc *out);
/* All processes; a process that ends meanwhile is left out. Negative on failure. */
int nat_procs_scan(struct nat_procs *out);
void nat_procs_release(struct nat_procs *p);
/* All that descend from root, without root. What is forked meanwhile may be missed. */
int nat_procs_below(pid_t root, struct nat_procs *out);
/* Does the process have this entry ("NAME=value") in the environment it was started with?
 * 1, 0, -EAGAIN (it is between two programs, or the kernel's own thread), or why it
 * cannot be read: it has ended. */
int nat_proc_has_env(pid_t pid, const char *entry);

/* dir/name into out; -ENAMETOOLONG (and "") when it does not fit. */
int nat_join(char *out, size_t size, const char *dir, const char *name);
/* The first len - 1 bytes of a small file; returns the length, negative errno. */
long nat_read_file(int dir_fd, const char *path, char *out, size_t size);
/* Write a value into a control file such as a cgroup's, in one write. */
int nat_write_file(const char *path, const char *value);
/* A decimal number at *at, which is moved behind it and the blanks that follow. */
uint64_t nat_scan_u64(const char **at);

#endif
