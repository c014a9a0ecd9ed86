#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "procs.h"

#define STATE_FILE_MAX (1u << 20)

/* Put an end into a frame of the given type. */
void nat_status_encode(struct nat_out *out,
                       enum nat_frame_type type,
                       const struct nat_status *s)
{
    nat_out_begin(out, type);
    if (s->has_status) {
        nat_out_u64(out, NAT_KEY_STATUS_WAIT, (uint64_t)(uint32_t)s->wait_status);
    }
    nat_out_u64(out, NAT_KEY_STATUS_OOM, s->oom);
    nat_out_u64(out, NAT_KEY_STATUS_ASKED, s->asked);
    nat_out_u64(out, NAT_KEY_STATUS_LEFTOVER, s->leftover);
    nat_out_u64(out, NAT_KEY_STATUS_STARTED, s->started);
    nat_out_u64(out, NAT_KEY_STATUS_MEM_LIMIT, s->mem_limit_bytes);
    nat_out_u64(out, NAT_KEY_STATUS_MEM_MAX, s->mem_max_bytes);
}

/* Read an end from a frame. */
bool nat_status_decode(const struct nat_frame *frame, struct nat_status *out)
{
    struct nat_status s = {0};
    struct nat_field f;
    size_t at = 0;
    int more;
    while ((more = nat_field_next(frame, &at, &f)) > 0) {
        uint64_t v = nat_field_u64(&f);
        switch (f.key) {
        case NAT_KEY_STATUS_WAIT:
            s.has_status = true;
            s.wait_status = (int)(uint32_t)v;
            break;
        case NAT_KEY_STATUS_OOM:
            s.oom = v != 0;
            break;
        case NAT_KEY_STATUS_ASKED:
            s.asked = v != 0;
            break;
        case NAT_KEY_STATUS_LEFTOVER:
            s.leftover = v != 0;
            break;
        case NAT_KEY_STATUS_STARTED:
            s.started = v != 0;
            break;
        case NAT_KEY_STATUS_MEM_LIMIT:
            s.mem_limit_bytes = v;
            break;
        case NAT_KEY_STATUS_MEM_MAX:
            s.mem_max_bytes = v;
            break;
        default:
            break;
        }
    }
    if (more == 0) {
        *out = s;
    }
    return more == 0;
}

/* The address of <dir>/control. A path that does not fit into sun_path goes through
 * /proc/self/fd; then *out_fd must be kept open until the address was used. */
static int control_address(const char *dir, struct sockaddr_un *out, int *out_fd)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    *out_fd = -1;
    int n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/control", dir);
    if (n > 0 && (size_t)n < sizeof(out->sun_path)) {
        return 0;
    }
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/control", fd);
    *out_fd = fd;
    return 0;
}

typedef int (*use_address)(int fd, const struct sockaddr *addr, socklen_t len);

static int control_socket(const char *dir, use_address use)
{
    struct sockaddr_un addr;
    int dir_fd;
    int rc = control_address(dir, &addr, &dir_fd);
    if (rc < 0) {
        return rc;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        rc = -errno;
    } else if (use(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        rc = -errno;
        close(fd);
    }
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    return rc < 0 ? rc : fd;
}

static int bind_and_listen(int fd, const struct sockaddr *addr, socklen_t len)
{
    return bind(fd, addr, len) < 0 ? -1 : listen(fd, 8);
}

/* Make the directory and its listening socket. Mode 0700 keeps others from the socket. */
int nat_state_listen(const char *dir)
{
    if (mkdir(dir, 0700) < 0) {
        return -errno;
    }
    int fd = control_socket(dir, bind_and_listen);
    if (fd < 0) {
        (void)nat_state_remove(dir); /* the first error counts */
    }
    return fd;
}

/* Connect to the supervisor. */
int nat_state_connect(const char *dir)
{
    return control_socket(dir, connect);
}

/* Remove files and directory. */
int nat_state_remove(const char *dir)
{
    static const char *const names[] = {"control", "record", "status", "status.new"};
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    int rc = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (unlinkat(fd, names[i], 0) < 0 && errno != ENOENT) {
            rc = -errno;
        }
    }
    close(fd);
    if (rmdir(dir) < 0 && errno != ENOENT) {
        rc = -errno;
    }
    return rc;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Whole or not at all, also after a power cut. */
static int put_status(int dir_fd, const struct nat_out *o)
{
    int fd = openat(dir_fd, "status.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int rc = write_all(fd, o->data, o->len);
    if (rc == 0 && fsync(fd) < 0) {
        rc = -errno;
    }
    if (close(fd) < 0 && rc == 0) {
        rc = -errno;
    }
    if (rc == 0 && renameat(dir_fd, "status.new", dir_fd, "status") < 0) {
        rc = -errno;
    }
    if (rc == 0 && fsync(dir_fd) < 0) {
        rc = -errno;
    }
    return rc;
}

/* In place and in one write: the same record is written twice within a launch, and a new
 * file each time costs more than the rest of it. The process may be killed between two
 * writes but not within one; a host that crashes leaves nothing to clean. */
static int put_record(int dir_fd, const struct nat_out *o)
{
    int fd = openat(dir_fd, "record", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n;
    do {
        n = pwrite(fd, o->data, o->len, 0);
    } while (n < 0 && errno == EINTR);
    int rc = n == (ssize_t)o->len ? 0 : n < 0 ? -errno : -ENOSPC;
    close(fd);
    return rc;
}

/* Write what a later clean-up needs. */
int nat_state_write_record(int dir_fd,
                           const struct nat_spec *spec,
                           pid_t pid,
                           uint64_t start)
{
    char boot[NAT_BOOT_ID_SIZE];
    nat_boot_id(boot);
    struct nat_out o = {0};
    nat_out_begin(&o, NAT_RECORD);
    nat_out_text(&o, NAT_KEY_ID, spec->id);
    nat_out_text(&o, NAT_KEY_LABEL, spec->label);
    nat_out_text(&o, NAT_KEY_SANDBOX, spec->sandbox);
    nat_out_u64(&o, NAT_KEY_FLAGS, spec->flags);
    for (size_t i = 0; i < spec->cgroup_count; i++) {
        const struct nat_cgroup *c = &spec->cgroups[i];
        nat_out_pair(&o, NAT_KEY_CGROUP, &c->flags, c->path, NULL);
    }
    nat_out_u64(&o, NAT_KEY_PID, (uint64_t)pid);
    nat_out_u64(&o, NAT_KEY_START, start);
    nat_out_text(&o, NAT_KEY_BOOT, boot);
    int rc = nat_out_end(&o) ? put_record(dir_fd, &o) : -ENOMEM;
    nat_out_release(&o);
    return rc;
}

/* Write how it ended, durably: it is reported even if nobody listens now. */
int nat_state_write_status(int dir_fd, const struct nat_status *s)
{
    struct nat_out o = {0};
    nat_status_encode(&o, NAT_STATUS, s);
    int rc = nat_out_end(&o) ? put_status(dir_fd, &o) : -ENOMEM;
    nat_out_release(&o);
    return rc;
}

/* Read one of the files back. */
int nat_state_read(int dir_fd, const char *name, char **buf, struct nat_frame *out)
{
    *buf = NULL;
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > STATE_FILE_MAX) {
        return -EBADMSG;
    }
    size_t size = (size_t)st.st_size + 1;
    char *data = malloc(size);
    if (data == NULL) {
        return -ENOMEM;
    }
    long len = nat_read_file(dir_fd, name, data, size);
    long used = len > 0 ? nat_frame_take(data, (size_t)len, out) : -1;
    if (used <= 0) { /* behind it may lie the rest of an earlier, longer record */
        free(data);
        return len < 0 ? (int)len : -EBADMSG;
    }
    *buf = data;
    return 0;
}

/* The id of this boot of the host; "" where it cannot be read. */
void nat_boot_id(char out[static NAT_BOOT_ID_SIZE])
{
    long n =
        nat_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out, NAT_BOOT_ID_SIZE);
    if (n <= 0) {
        out[0] = '\0';
    } else if (out[n - 1] == '\n') {
        out[n - 1] = '\0';
    }
}
