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

static bool is_below(const struct nat_procs *p, pid_t parent, pid_t root)
{
    if (parent == root) {
        return true;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (p->v[i].pid == parent) {
            return p->v[i].marked;
        }
    }
    return false;
}

/* Mark the descendants of root. Passes go on until one finds nothing new, because /proc
 * is not sorted by descent. */
size_t nat_procs_mark_below(struct nat_procs *p, pid_t root)
{
    size_t total = 0;
    bool found = true;
    while (found) {
        found = false;
        for (size_t i = 0; i < p->count; i++) {
            struct nat_proc *one = &p->v[i];
            if (!one->marked && one->pid != root && is_below(p, one->parent, root)) {
                one->marked = true;
                found = true;
                total++;
            }
        }
    }
    return total;
}

/* Look for an entry in /proc/PID/environ. */
bool nat_proc_has_env(pid_t pid, const char *entry)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    char *text = malloc(ENVIRON_MAX);
    if (text == NULL) {
        return false;
    }
    long len = nat_read_file(AT_FDCWD, path, text, ENVIRON_MAX);
    bool found = false;
    for (long at = 0; at < len && !found; at += (long)strlen(text + at) + 1) {
        found = strcmp(text + at, entry) == 0;
    }
    free(text);
    return found;
}
