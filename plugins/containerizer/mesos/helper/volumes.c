#include "volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Make the mounts below ours invisible to the host (but not the reverse: a disk the
 * operator mounts later is seen inside). */
int nat_mounts_private(struct nat_fault *fault)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return nat_fault_set(fault, errno, "make the mounts private");
    }
    return 0;
}

/* A /proc that shows the container's processes under the pids they know. */
int nat_mounts_proc(struct nat_fault *fault)
{
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
        return nat_fault_set(fault, errno, "mount /proc");
    }
    return 0;
}

static int volume_fault(struct nat_fault *fault,
                        const struct nat_volume *v,
                        int err,
                        const char *what)
{
    return nat_fault_set(fault, err, "volume '%s': %s", v->container, what);
}

/* Open parent/name as a directory, made if missing, never through a link. */
static int step_into(int parent, const char *name)
{
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST) {
        return -1;
    }
    return openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Walk to the last name of a relative path below the sandbox, making directories.
 * Returns the fd of its parent and puts the name into last. */
static int walk_to(const char *sandbox, const char *path, char *last, size_t size)
{
    int at = open(sandbox, O_PATH | O_DIRECTORY | O_CLOEXEC);
    last[0] = '\0';
    while (at >= 0) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 0) {
            break;
        }
        if (last[0] != '\0') {
            int next = step_into(at, last);
            int err = errno;
            close(at);
            errno = err;
            at = next;
        }
        bool is_bad = len >= size || (len == 1 && path[0] == '.') ||
                      (len == 2 && path[0] == '.' && path[1] == '.');
        if (at >= 0 && is_bad) {
            close(at);
            errno = EINVAL;
            return -1;
        }
        memcpy(last, path, len);
        last[len] = '\0';
        path += len;
    }
    return at;
}

/* The host path as it is, or below the sandbox when it is relative (then made). */
static int open_source(const struct nat_spec *spec, const struct nat_volume *v)
{
    if (v->host[0] == '/') {
        return open(v->host, O_PATH | O_CLOEXEC);
    }
    char last[NAME_MAX + 1];
    int parent = walk_to(spec->sandbox, v->host, last, sizeof(last));
    int fd = parent >= 0 && last[0] != '\0' ? step_into(parent, last) : -1;
    int err = errno;
    if (parent >= 0) {
        close(parent);
    }
    errno = err;
    return fd;
}

/* The mount point below the sandbox: of the source's own kind. */
static int
open_target(const struct nat_spec *spec, const struct nat_volume *v, bool is_dir)
{
    if (v->container[0] == '/') {
        return open(v->container, O_PATH | O_CLOEXEC);
    }
    char last[NAME_MAX + 1];
    int parent = walk_to(spec->sandbox, v->container, last, sizeof(last));
    if (parent < 0 || last[0] == '\0') {
        return -1;
    }
    int fd;
    if (is_dir) {
        fd = step_into(parent, last);
    } else {
        int file = openat(parent, last,
                          O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        if (file >= 0) {
            close(file);
        }
        fd = openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    }
    int err = errno;
    close(parent);
    errno = err;
    return fd;
}

/* Flags that the source's mount has already and a remount must repeat. */
static unsigned long kept_flags(const char *path)
{
    struct statvfs st;
    unsigned long flags = 0;
    if (statvfs(path, &st) == 0) {
        flags |= (st.f_flag & ST_NOSUID) != 0 ? MS_NOSUID : 0;
        flags |= (st.f_flag & ST_NODEV) != 0 ? MS_NODEV : 0;
        flags |= (st.f_flag & ST_NOEXEC) != 0 ? MS_NOEXEC : 0;
    }
    return flags;
}

/* Through /proc/self/fd, so that neither path is walked a second time. */
static int bind_fds(int source, int target, const struct nat_volume *v)
{
    char from[48];
    char to[48];
    char path[PATH_MAX];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", source);
    snprintf(to, sizeof(to), "/proc/self/fd/%d", target);
    ssize_t len = readlink(to, path, sizeof(path) - 1);
    if (len < 0 || mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0) {
        return -errno;
    }
    if (!v->read_only) {
        return 0;
    }
    /* `to` still names what the mount has covered; its path names the mount. */
    path[len] = '\0';
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | kept_flags(path);
    return mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

static int bind_volume(const struct nat_spec *spec,
                       const struct nat_volume *v,
                       struct nat_fault *fault)
{
    struct stat st;
    int source = open_source(spec, v);
    if (source < 0 || fstat(source, &st) < 0) {
        int rc = nat_fault_set(fault, errno, "volume '%s': host path '%s'", v->container,
                               v->host);
        if (source >= 0) {
            close(source);
        }
        return rc;
    }
    int rc = 0;
    int target = open_target(spec, v, S_ISDIR(st.st_mode));
    if (target < 0) {
        rc = volume_fault(fault, v, errno, "container path");
    } else {
        rc = bind_fds(source, target, v);
        close(target);
        if (rc < 0) {
            rc = volume_fault(fault, v, -rc, "bind mount");
        }
    }
    close(source);
    return rc;
}

static int link_volume(const struct nat_spec *spec,
                       const struct nat_volume *v,
                       struct nat_fault *fault)
{
    if (v->container[0] == '/' || v->read_only) {
        return volume_fault(fault, v, 0,
                            "needs a mount namespace, which the agent may not make here");
    }
    int source = open_source(spec, v);
    if (source < 0) {
        return nat_fault_set(fault, errno, "volume '%s': host path '%s'", v->container,
                             v->host);
    }
    close(source);
    char target[PATH_MAX];
    bool is_relative = v->host[0] != '/';
    snprintf(target, sizeof(target), "%s/%s", spec->sandbox, v->host);
    char last[NAME_MAX + 1];
    int parent = walk_to(spec->sandbox, v->container, last, sizeof(last));
    int rc = parent < 0 || last[0] == '\0' ||
                     symlinkat(is_relative ? target : v->host, parent, last) < 0
                 ? volume_fault(fault, v, errno, "link in the sandbox")
                 : 0;
    if (parent >= 0) {
        close(parent);
    }
    return rc;
}

/* Make all volumes of the task. */
int nat_volumes_make(const struct nat_spec *spec, struct nat_fault *fault)
{
    for (size_t i = 0; i < spec->volume_count; i++) {
        const struct nat_volume *v = &spec->volumes[i];
        int rc = (spec->flags & NAT_NAMESPACES) != 0 ? bind_volume(spec, v, fault)
                                                     : link_volume(spec, v, fault);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
