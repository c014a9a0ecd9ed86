/* The journal's file: lock, replay, append, rewrite (see journal_file.h).
 *
 * A new file is made beside its place (path.tmp), locked, filled, fsynced and renamed, so
 * whatever stands at path has a whole header, and an unreadable one is damage. Whoever
 * writes path.tmp holds the lock on it; because that lock goes along with the rename, the
 * inode at path is never unlocked while its journal is open. Two openers can still meet
 * between open and flock, so each checks that the inode it locked is the one path names.
 */
#include "runtime/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"

#define READ_BYTES (256u * 1024)
#define OPEN_ROUNDS 16 /* each lost round is another process's rename */

static int last_errno(void)
{
    return errno > 0 ? -errno : -EIO;
}

static int write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = pwrite(fd, data + at, len - at, (off_t)(offset + at));
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0) {
            return -ENOSPC;
        } else if (errno != EINTR) {
            return last_errno();
        }
    }
    return 0;
}

/* Read until len bytes or the end of the file; returns how many, or negative. */
static ssize_t read_all(int fd, uint8_t *data, size_t len, uint64_t offset)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = pread(fd, data + at, len - at, (off_t)(offset + at));
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0) {
            break;
        } else if (errno != EINTR) {
            return last_errno();
        }
    }
    return (ssize_t)at;
}

static int sync_data(int fd)
{
    while (fdatasync(fd) < 0) {
        if (errno != EINTR) {
            return last_errno();
        }
    }
    return 0;
}

/* The name of a file is durable only when its directory is. */
static int sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    mu_auto_free char *dir = NULL;
    if (slash == NULL) {
        dir = mu_xstrdup(".");
    } else {
        dir = mu_xstrndup(path, len > 0 ? len : 1);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return last_errno();
    }
    int rc = fsync(fd) < 0 ? last_errno() : 0;
    (void)close(fd); /* read-only: nothing can be lost */
    return rc;
}

static bool is_named_by(int fd, const char *path)
{
    struct stat ours;
    struct stat named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int lock(int fd)
{
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EINTR) {
            return last_errno();
        }
    }
    return 0;
}

/* An empty, locked file at tmp_path. Returns its fd, or negative. */
static int open_tmp(const struct journal_file *f)
{
    int fd = open(f->tmp_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return last_errno();
    }
    int rc = lock(fd);
    if (rc == 0 && !is_named_by(fd, f->tmp_path)) {
        rc = -EWOULDBLOCK; /* another process just made it the journal */
    }
    if (rc == 0 && ftruncate(fd, 0) < 0) {
        rc = last_errno();
    }
    if (rc < 0) {
        (void)close(fd); /* nothing was written */
        return rc;
    }
    return fd;
}

static void drop_tmp(const struct journal_file *f, int fd)
{
    (void)unlink(f->tmp_path); /* if it stays, the next open removes it */
    (void)close(fd);           /* its content is given up */
}

/* A durable file at tmp_path that holds a header and the begun frames in data. Returns
 * its fd, locked, or negative. */
static int write_tmp(const struct journal_file *f,
                     uint8_t *data,
                     size_t len,
                     struct journal_file *to)
{
    int rc = uv_random(NULL, NULL, to->id.bytes, sizeof(to->id.bytes), 0, NULL);
    if (rc < 0) {
        return rc;
    }
    int fd = open_tmp(f);
    if (fd < 0) {
        return fd;
    }
    uint8_t header[JOURNAL_HEADER_BYTES];
    journal_header_encode(&to->id, header);
    to->next_seq = 1 + journal_group_seal(data, len, &to->id, JOURNAL_HEADER_BYTES, 1);
    to->end = JOURNAL_HEADER_BYTES + len;
    rc = write_all(fd, header, sizeof(header), 0);
    if (rc == 0) {
        rc = write_all(fd, data, len, JOURNAL_HEADER_BYTES);
    }
    if (rc == 0 && fsync(fd) < 0) {
        rc = last_errno();
    }
    if (rc < 0) {
        drop_tmp(f, fd);
        return rc;
    }
    return fd;
}

/* Make the file at tmp_path, open at fd, the journal. */
static int install(struct journal_file *f, int fd, const struct journal_file *next)
{
    if (rename(f->tmp_path, f->path) < 0) {
        int rc = last_errno();
        drop_tmp(f, fd);
        return rc;
    }
    if (f->fd >= 0) {
        (void)close(f->fd); /* the old content: durable, and not wanted anymore */
    }
    f->fd = fd;
    f->id = next->id;
    f->end = next->end;
    f->next_seq = next->next_seq;
    f->is_sealed = false;
    return sync_directory_of(f->path);
}

int journal_file_rewrite(struct journal_file *f,
                         uint8_t *data,
                         size_t len,
                         bool *out_is_intact)
{
    struct journal_file next = {0};
    int old = f->fd;
    int fd = write_tmp(f, data, len, &next);
    int rc = fd < 0 ? fd : install(f, fd, &next);
    if (rc < 0) {
        /* Renamed but the directory not synced: a power loss could bring the old content
         * back, without what would be appended from here on. */
        *out_is_intact = f->fd == old;
    }
    return rc;
}

int journal_file_append(struct journal_file *f, uint8_t *data, size_t len)
{
    uint64_t count = journal_group_seal(data, len, &f->id, f->end, f->next_seq);
    int rc = write_all(f->fd, data, len, f->end);
    if (rc == 0) {
        rc = sync_data(f->fd);
    }
    if (rc < 0) {
        /* Nothing of it was acknowledged; where this fails too the next open cuts it. */
        if (ftruncate(f->fd, (off_t)f->end) == 0) {
            (void)sync_data(f->fd);
        }
        return rc;
    }
    f->end += len;
    f->next_seq += count;
    f->is_sealed = false;
    return 0;
}

void journal_file_seal(struct journal_file *f)
{
    if (f->is_sealed || f->next_seq == 1) { /* 1: nothing was ever written */
        return;
    }
    uint8_t frame[JOURNAL_FRAME_BYTES];
    journal_frame_begin(JOURNAL_SEAL, 0, frame);
    if (journal_file_append(f, frame, sizeof(frame)) == 0) {
        f->is_sealed = true;
    }
}

int journal_file_scan(int fd,
                      struct journal_scan *scan,
                      mu_journal_record_cb on_record,
                      void *arg,
                      struct mu_error *err)
{
    struct journal_id id;
    *scan = (struct journal_scan){.offset = 0};
    size_t cap = READ_BYTES;
    size_t len = 0;
    mu_auto_free uint8_t *buf = mu_xalloc(cap);
    ssize_t n = read_all(fd, buf, JOURNAL_HEADER_BYTES, 0);
    if (n < 0) {
        return mu_fail(err, (int)n, "read: %s", mu_strerror((int)n));
    }
    int rc = journal_header_decode(buf, (size_t)n, &id, err);
    if (rc < 0) {
        return rc;
    }
    journal_scan_init(scan, &id);
    for (bool is_end = false; !is_end;) {
        if (scan->want > cap) { /* at most a record's maximum */
            cap = scan->want;
            buf = mu_xrealloc(buf, cap);
        }
        n = read_all(fd, buf + len, cap - len, scan->offset + len);
        if (n < 0) {
            return mu_fail(err, (int)n, "read: %s", mu_strerror((int)n));
        }
        len += (size_t)n;
        is_end = len < cap;
        uint64_t before = scan->offset;
        rc = journal_scan_feed(scan, buf, len, is_end, on_record, arg, err);
        if (rc < 0) {
            return rc;
        }
        size_t consumed = (size_t)(scan->offset - before);
        len -= consumed;
        memmove(buf, buf + consumed, len);
    }
    return 0;
}

/* Cut what is behind good_end, and make all that was replayed durable: after a kill it
 * may have been in the page cache only. */
static int settle(struct journal_file *f, const struct journal_scan *scan)
{
    f->id = scan->id;
    f->end = scan->good_end;
    f->torn_bytes = scan->offset - scan->good_end;
    f->next_seq = journal_scan_next_seq(scan, f->torn_bytes);
    f->is_sealed = scan->is_sealed;
    if (f->torn_bytes > 0 && ftruncate(f->fd, (off_t)f->end) < 0) {
        return last_errno();
    }
    int rc = sync_data(f->fd);
    if (rc < 0) {
        return rc;
    }
    if (f->torn_bytes > 0) {
        /* Put the higher number on the disk, so that it is known after a crash too. */
        f->is_sealed = false;
        journal_file_seal(f);
    }
    return 0;
}

/* Open and lock what path names. -ESTALE: path names another file by now. */
static int open_locked(struct journal_file *f)
{
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return last_errno();
    }
    struct stat st;
    int rc = fstat(fd, &st) < 0 ? last_errno() : 0;
    if (rc == 0 && !S_ISREG(st.st_mode)) {
        rc = -EINVAL;
    }
    if (rc == 0) {
        rc = lock(fd);
    }
    if (rc == 0 && !is_named_by(fd, f->path)) {
        rc = -ESTALE;
    }
    if (rc < 0) {
        (void)close(fd); /* nothing was written */
        return rc;
    }
    f->fd = fd;
    return 0;
}

/* Make a new, empty journal where there is none. -ESTALE: there is one by now. */
static int make_new(struct journal_file *f)
{
    struct journal_file next = {0};
    int fd = write_tmp(f, NULL, 0, &next);
    if (fd < 0) {
        return fd;
    }
    /* Whoever else makes one needs the lock on tmp_path for it, which is ours now. */
    if (access(f->path, F_OK) == 0) {
        drop_tmp(f, fd);
        return -ESTALE;
    }
    return install(f, fd, &next);
}

/* Open and lock what path names, or make it. Returns 1 for a new file. */
static int acquire(struct journal_file *f)
{
    int rc = -ESTALE;
    for (int round = 0; round < OPEN_ROUNDS && rc == -ESTALE; round++) {
        rc = open_locked(f);
        if (rc == -ENOENT) {
            rc = make_new(f);
            rc = rc == 0 ? 1 : rc;
        }
    }
    return rc;
}

int journal_file_open(struct journal_file *f,
                      const char *path,
                      mu_journal_record_cb on_record,
                      void *arg,
                      struct mu_error *err)
{
    *f = (struct journal_file){
        .path = mu_xstrdup(path), .tmp_path = mu_xasprintf("%s.tmp", path), .fd = -1};
    int rc = acquire(f);
    if (rc == -EWOULDBLOCK || rc == -ESTALE) {
        rc = -EWOULDBLOCK;
        (void)mu_fail(err, rc,
                      "journal '%s' is locked: another muster uses this work_dir", path);
    } else if (rc < 0) {
        (void)mu_fail(err, rc, "open journal '%s': %s", path, mu_strerror(rc));
    } else if (rc == 0) {
        /* A rewrite that was killed before its rename. */
        (void)unlink(f->tmp_path);
        struct journal_scan scan;
        rc = journal_file_scan(f->fd, &scan, on_record, arg, err);
        if (rc == 0) {
            rc = settle(f, &scan);
            if (rc < 0) {
                (void)mu_fail(err, rc, "cut and sync: %s", mu_strerror(rc));
            }
        }
        if (rc < 0) {
            (void)mu_wrap(err, rc, "journal '%s'", path);
        }
    }
    if (rc < 0) {
        journal_file_close(f);
        return rc;
    }
    return 0;
}

void journal_file_close(struct journal_file *f)
{
    if (f->path != NULL && f->fd >= 0) {
        (void)close(f->fd); /* all that was acknowledged is durable */
    }
    free(f->path);
    free(f->tmp_path);
    *f = (struct journal_file){.fd = -1};
}
