/* See journal_read.h. The lock is the one that a writer holds (journal_file.h), taken
 * shared: it needs no right to write, and several may look at once. */
#include "runtime/journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runtime/journal_file.h"

#define OPEN_ROUNDS                                                                      \
    16 /* each lost round is a rename by a process that ends just then                   \
        */

struct visit {
    const struct journal_scan *scan;
    mu_journal_visit_cb on_record;
    void *arg;
};

static void on_scanned(void *arg, const void *data, size_t len)
{
    const struct visit *v = arg;
    v->on_record(v->arg, v->scan->offset, data, len); /* it stands at the frame */
}

/* The process that has a file locked; 0: not to be seen (another container, or a file
 * system whose numbers differ). Lines of /proc/locks:
 * "1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF". */
static uint64_t find_holder(const struct stat *st)
{
    FILE *f = fopen("/proc/locks", "re");
    if (f == NULL) {
        return 0;
    }
    uint64_t holder = 0;
    char line[256];
    while (holder == 0 && fgets(line, sizeof(line), f) != NULL) {
        int64_t pid = 0;
        unsigned int major_number = 0;
        unsigned int minor_number = 0;
        uint64_t inode = 0;
        /* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers fit */
        int n = sscanf(line, "%*s FLOCK %*s WRITE %" SCNd64 " %x:%x:%" SCNu64, &pid,
                       &major_number, &minor_number, &inode);
        if (n == 4 && pid > 0 && inode == st->st_ino &&
            major_number == major(st->st_dev) && minor_number == minor(st->st_dev)) {
            holder = (uint64_t)pid;
        }
    }
    (void)fclose(f); /* read-only: nothing can be lost */
    return holder;
}

static int refuse_locked(const char *path, const struct stat *st, struct mu_error *err)
{
    uint64_t holder = find_holder(st);
    char who[64] = "another process";
    if (holder > 0) {
        (void)snprintf(who, sizeof(who), "process %" PRIu64, holder);
    }
    return mu_fail(err, -EWOULDBLOCK, "'%s' is in use by %s", path, who);
}

static int lock_shared(int fd)
{
    while (flock(fd, LOCK_SH | LOCK_NB) < 0) {
        if (errno != EINTR) {
            return errno > 0 ? -errno : -EIO;
        }
    }
    return 0;
}

/* What path names, open and locked; or negative. -ESTALE: it names another file now. */
static int open_locked(const char *path, struct stat *out, struct mu_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
    if (fd < 0 || fstat(fd, out) < 0) {
        int rc = -errno;
        if (fd >= 0) {
            (void)close(fd); /* read-only: nothing can be lost */
        }
        return mu_fail(err, rc, "open '%s': %s", path, mu_strerror(rc));
    }
    int rc = 0;
    struct stat named;
    if (!S_ISREG(out->st_mode)) {
        rc = mu_fail(err, MU_E_INVALID, "'%s' is not a regular file", path);
    } else if ((rc = lock_shared(fd)) == -EWOULDBLOCK) {
        rc = refuse_locked(path, out, err);
    } else if (rc < 0) {
        (void)mu_fail(err, rc, "lock '%s': %s", path, mu_strerror(rc));
    } else if (stat(path, &named) < 0 || named.st_ino != out->st_ino ||
               named.st_dev != out->st_dev) {
        rc = mu_fail(err, -ESTALE, "'%s' was replaced meanwhile: try again", path);
    } else if (fstat(fd, out) < 0) { /* its size, now that nobody writes */
        rc = mu_fail(err, -errno, "stat '%s': %s", path, mu_strerror(-errno));
    }
    if (rc < 0) {
        (void)close(fd); /* read-only: nothing can be lost */
        return rc;
    }
    return fd;
}

int journal_read(const char *path,
                 mu_journal_visit_cb on_record,
                 void *arg,
                 struct mu_journal_report *out,
                 struct mu_error *err)
{
    struct stat st;
    int fd = -ESTALE;
    for (int round = 0; round < OPEN_ROUNDS && fd == -ESTALE; round++) {
        fd = open_locked(path, &st, err);
    }
    if (fd < 0) {
        return fd;
    }
    struct journal_scan scan;
    struct visit v = {.scan = &scan, .on_record = on_record, .arg = arg};
    struct mu_error damage = {0};
    int rc = journal_file_scan(fd, &scan, on_scanned, &v, &damage);
    (void)close(fd); /* releases the lock, and read-only: nothing can be lost */
    if (rc < 0 && rc != MU_E_CORRUPT && rc != MU_E_UNSUPPORTED) {
        return mu_fail(err, rc, "'%s': %s", path, damage.text);
    }
    *out = (struct mu_journal_report){
        .size_bytes = (uint64_t)st.st_size,
        .good_end = scan.good_end,
        .torn_bytes = rc == 0 ? scan.offset - scan.good_end : 0,
        .is_sealed = scan.is_sealed && scan.offset == scan.good_end,
        .damage = damage,
    };
    return 0;
}
