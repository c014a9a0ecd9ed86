#include "procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bounds what one process's environment may make us read. */
#define ENVIRON_MAX (256u << 10)

/* Join a directory and a name. */
int nat_join(char *out, size_t size, const char *dir, const char *name)
{
    int n = snprintf(out, size, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= size) {
        out[0] = '\0';
        return -ENAMETOOLONG;
    }
    return 0;
}

/* Read a small file whole, NUL-terminated. */
long nat_read_file(int dir_fd, const char *path, char *out, size_t size)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t len = 0;
    while (len < size - 1) {
        ssize_t n = read(fd, out + len, size - 1 - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int err = errno;
            close(fd);
            return -err;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    close(fd);
    out[len] = '\0';
    return (long)len;
}

/* Write a value into a control file. */
int nat_write_file(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t len = strlen(value);
    ssize_t n;
    do {
        n = write(fd, value, len);
    } while (n < 0 && errno == EINTR);
    int err = n < 0 ? errno : 0;
    close(fd);
    return -err;
}

/* Scan a number and the blanks behind it; a sign is skipped. */
uint64_t nat_scan_u64(const char **at)
{
    const char *p = *at;
    uint64_t v = 0;
    if (*p == '-') {
        p++;
    }
    while (*p >= '0' && *p <= '9') {
        v = v * 10 + (uint64_t)(*p++ - '0');
    }
    while (*p == ' ' || *p == '\n') {
        p++;
    }
    *at = p;
    return v;
}

/* Read /proc/PID/stat. The command name in it may hold anything, so fields are counted
 * from the last ')'. */
int nat_proc_read(pid_t pid, struct nat_proc *out)
{
    char path[48];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (nat_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
        return -ESRCH;
    }
    const char *p = strrchr(text, ')');
    if (p == NULL || p[1] != ' ' || p[2] == '\0') {
        return -ESRCH;
    }
    *out = (struct nat_proc){.pid = pid, .state = p[2]};
    p += 4;
    uint64_t field[22] = {0}; /* field[i] is number i + 4 of proc(5) */
    for (size_t i = 0; i < sizeof(field) / sizeof(field[0]) && *p != '\0'; i++) {
        field[i] = nat_scan_u64(&p);
    }
    out->parent = (pid_t)field[0];
    out->session = (pid_t)field[2];
    out->user_ticks = field[10];
    out->system_ticks = field[11];
    out->start = field[18];
    out->rss_pages = field[20];
    return 0;
}

static bool add_proc(struct nat_procs *p, const struct nat_proc *one)
{
    if (p->count == p->cap) {
        size_t cap = p->cap != 0 ? p->cap * 2 : 64;
        struct nat_proc *more = realloc(p->v, cap * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        p->v = more;
        p->cap = cap;
    }
    p->v[p->count++] = *one;
    return true;
}

/* Read all of /proc. */
int nat_procs_scan(struct nat_procs *out)
{
    *out = (struct nat_procs){0};
    DIR *d = opendir("/proc");
    if (d == NULL) {
        return -errno;
    }
    const struct dirent *e;
    int rc = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
    while (rc == 0 && (e = readdir(d)) != NULL) {
        const char *p = e->d_name;
        if (*p < '1' || *p > '9') {
            continue;
        }
        struct nat_proc one;
        if (nat_proc_read((pid_t)nat_scan_u64(&p), &one) == 0 && !add_proc(out, &one)) {
            rc = -ENOMEM;
        }
    }
    closedir(d);
    if (rc < 0) {
        nat_procs_release(out);
    }
    return rc;
}

/* Free what nat_procs_scan made. */
void nat_procs_release(struct nat_procs *p)
{
    free(p->v);
    *p = (struct nat_procs){0};
}

/* Add the children that one thread has forked. -ENOENT: this kernel does not tell. */
static int
add_children_of_thread(const char *task_dir, const char *tid, struct nat_procs *out)
{
    char path[320];
    char text[4096]; /* some 600 pids; the caller's loop comes back for more */
    snprintf(path, sizeof(path), "%s/%s/children", task_dir, tid);
    long len = nat_read_file(AT_FDCWD, path, text, sizeof(text));
    if (len < 0) {
        return (int)len;
    }
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        struct nat_proc one;
        pid_t pid = (pid_t)nat_scan_u64(&at);
        bool is_whole = *at != '\0' || (size_t)len < sizeof(text) - 1;
        if (is_whole && nat_proc_read(pid, &one) == 0 && !add_proc(out, &one)) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int add_children(pid_t parent, struct nat_procs *out)
{
    char dir[48];
    snprintf(dir, sizeof(dir), "/proc/%d/task", (int)parent);
    DIR *d = opendir(dir);
    if (d == NULL) {
        return 0; /* it has ended */
    }
    const struct dirent *e;
    int rc = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
    while (rc != -ENOMEM && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            rc = add_children_of_thread(dir, e->d_name, out);
        }
    }
    closedir(d);
    return rc;
}

static bool is_in(const struct nat_procs *p, pid_t pid)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->v[i].pid == pid) {
            return true;
        }
    }
    return false;
}

/* From a scan of everything. Passes go on until one finds nothing new, because /proc is
 * not sorted by descent. */
static int filter_below(pid_t root, struct nat_procs *out)
{
    struct nat_procs all;
    int rc = nat_procs_scan(&all);
    size_t before;
    do {
        before = out->count;
        for (size_t i = 0; rc == 0 && i < all.count; i++) {
            const struct nat_proc *one = &all.v[i];
            bool is_child = one->parent == root || is_in(out, one->parent);
            if (is_child && !is_in(out, one->pid) && !add_proc(out, one)) {
                rc = -ENOMEM;
            }
        }
    } while (rc == 0 && out->count > before);
    nat_procs_release(&all);
    return rc;
}

/* Find the descendants, from parent to child where the kernel tells
 * (CONFIG_PROC_CHILDREN): that costs what the container has, not what the host has. */
int nat_procs_below(pid_t root, struct nat_procs *out)
{
    *out = (struct nat_procs){0};
    int rc = add_children(root, out);
    if (rc < 0 && rc != -ENOMEM && out->count == 0) {
        rc = filter_below(root, out);
    }
    for (size_t i = 0; rc != -ENOMEM && i < out->count; i++) {
        rc = add_children(out->v[i].pid, out); /* others: it has just ended */
    }
    if (rc == -ENOMEM) {
        nat_procs_release(out);
    }
    return rc == -ENOMEM ? rc : 0;
}

static int find_in_environ(pid_t pid, const char *entry)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    char *text = malloc(ENVIRON_MAX);
    if (text == NULL) {
        return -ENOMEM;
    }
    long len = nat_read_file(AT_FDCWD, path, text, ENVIRON_MAX);
    bool found = false;
    for (long at = 0; at < len && !found; at += (long)strlen(text + at) + 1) {
        found = strcmp(text + at, entry) == 0;
    }
    free(text);
    return len > 0 ? found : len < 0 ? (int)len : -EAGAIN;
}

static bool has_arguments(pid_t pid)
{
    char path[48];
    char text[2];
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    return nat_read_file(AT_FDCWD, path, text, sizeof(text)) > 0;
}

/* Look for an entry in /proc/PID/environ. */
int nat_proc_has_env(pid_t pid, const char *entry)
{
    int rc = find_in_environ(pid, entry);
    if (rc == -EAGAIN && has_arguments(pid)) { /* it has its new program by now */
        return find_in_environ(pid, entry) > 0;
    }
    return rc;
}
