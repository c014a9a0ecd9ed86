#include "log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <muster/buf.h>

#include "util.h"
#include "values.h"

enum { PATH_MAX_BYTES = 8192 };

static const char *const names[DKR_STREAMS] = {"stdout", "stderr"};

void dkr_log_files_init(struct dkr_log_files *f, const char *sandbox)
{
    struct mu_buf note;
    size_t len = strlen(sandbox);

    while (len > 1 && sandbox[len - 1] == '/') {
        len--;
    }
    f->sandbox = dkr_strndup(sandbox, len);
    const char *slash = strrchr(f->sandbox, '/');
    size_t dir_len = slash == NULL ? 0 : (size_t)(slash - f->sandbox) + 1;
    mu_buf_init(&note, PATH_MAX_BYTES);
    (void)mu_buf_append(&note, f->sandbox, dir_len);
    (void)mu_buf_printf(&note, ".%s.log-position", f->sandbox + dir_len);
    f->note = mu_buf_take(&note);
}

void dkr_log_files_release(struct dkr_log_files *f)
{
    free(f->sandbox);
    free(f->note);
    *f = (struct dkr_log_files){0};
}

/* ---- the note ---- */

void dkr_note_format(const struct dkr_position pos[DKR_STREAMS],
                     const uint64_t size[DKR_STREAMS],
                     char out[DKR_NOTE_SIZE])
{
    /* of one length, so that it is written over in one go */
    (void)snprintf(out, /* fits */
                   DKR_NOTE_SIZE,
                   "1 %-30s %10" PRIu32 " %20" PRIu64 "\n1 %-30s %10" PRIu32 " %20" PRIu64
                   "\n",
                   pos[0].stamp[0] == '\0' ? "-" : pos[0].stamp, pos[0].same,
                   size[0] >= pos[0].extra ? size[0] - pos[0].extra : size[0],
                   pos[1].stamp[0] == '\0' ? "-" : pos[1].stamp, pos[1].same,
                   size[1] >= pos[1].extra ? size[1] - pos[1].extra : size[1]);
}

/* The next word of *text into out; false: none, or longer than a number or stamp is. */
static bool next_word(const char **text, char out[DKR_STAMP_LEN + 1])
{
    const char *start = *text + strspn(*text, " \n");
    size_t len = strcspn(start, " \n");
    if (len == 0 || len > DKR_STAMP_LEN) {
        return false;
    }
    memcpy(out, start, len);
    out[len] = '\0';
    *text = start + len;
    return true;
}

static bool next_number(const char **text, uint64_t max, uint64_t *out)
{
    char word[DKR_STAMP_LEN + 1];
    int64_t number = 0;
    if (!next_word(text, word) || dkr_parse_int(word, &number, NULL) < 0 || number < 0 ||
        (uint64_t)number > max) {
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

int dkr_note_parse(const char *text,
                   struct dkr_position out_pos[DKR_STREAMS],
                   uint64_t out_size[DKR_STREAMS])
{
    for (int i = 0; i < DKR_STREAMS; i++) {
        struct dkr_position pos = {.same = 0};
        uint64_t version = 0;
        uint64_t same = 0;
        if (!next_number(&text, 1, &version) || version != 1 ||
            !next_word(&text, pos.stamp) || !next_number(&text, UINT32_MAX, &same) ||
            !next_number(&text, INT64_MAX, &out_size[i])) {
            return MU_E_CORRUPT;
        }
        if (dkr_equal(pos.stamp, "-")) {
            pos.stamp[0] = '\0';
        } else if (!dkr_is_stamp(pos.stamp, strlen(pos.stamp))) {
            return MU_E_CORRUPT;
        }
        pos.same = (uint32_t)same;
        out_pos[i] = pos;
    }
    return 0;
}

/* ---- files ---- */

static int fail_errno(struct mu_error *err, const char *what, const char *path)
{
    int code = -errno;
    return mu_fail(err, code, "%s '%s': %s", what, path, mu_strerror(code));
}

static int open_sandbox(const struct dkr_log_files *f, struct mu_error *err)
{
    int fd = open(f->sandbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? fail_errno(err, "open", f->sandbox) : fd;
}

/* Open for appending; a file that is made belongs to the sandbox's owner. */
static int open_stream(int dir, int stream, struct stat *out_st, struct mu_error *err)
{
    struct stat dir_st;
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(dir, names[stream], flags);

    if (fd < 0 && errno == ENOENT) {
        fd = openat(dir, names[stream], flags | O_CREAT | O_EXCL, 0644);
        if (fd >= 0 && fstat(dir, &dir_st) == 0 && geteuid() == 0) {
            (void)!fchown(fd, dir_st.st_uid, dir_st.st_gid); /* at worst it stays ours */
        }
    }
    if (fd < 0) {
        return fail_errno(err, "open", names[stream]);
    }
    if (fstat(fd, out_st) < 0 || !S_ISREG(out_st->st_mode)) {
        close(fd);
        return mu_fail(err, MU_E_INVALID, "'%s' is not a plain file", names[stream]);
    }
    return fd;
}

static void file_sizes(int dir, uint64_t out[DKR_STREAMS])
{
    for (int i = 0; i < DKR_STREAMS; i++) {
        struct stat st;
        out[i] = 0;
        if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            out[i] = (uint64_t)st.st_size;
        }
    }
}

static int
write_note(const struct dkr_log_files *f, const char *text, struct mu_error *err)
{
    size_t len = strlen(text);
    int fd = open(f->note, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(err, "open", f->note);
    }
    int rc = 0;
    if (pwrite(fd, text, len, 0) != (ssize_t)len) {
        rc = fail_errno(err, "write", f->note);
    }
    close(fd);
    return rc;
}

static bool read_note(const struct dkr_log_files *f,
                      struct dkr_position pos[DKR_STREAMS],
                      uint64_t size[DKR_STREAMS])
{
    char text[DKR_NOTE_SIZE];
    int fd = open(f->note, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    return dkr_note_parse(text, pos, size) == 0;
}

int dkr_log_files_open(const struct dkr_log_files *f,
                       bool is_resumed,
                       struct dkr_position out[DKR_STREAMS],
                       struct mu_error *err)
{
    uint64_t size[DKR_STREAMS];
    uint64_t noted[DKR_STREAMS] = {0};
    struct dkr_position pos[DKR_STREAMS] = {{.same = 0}};
    int dir = open_sandbox(f, err);

    if (dir < 0) {
        return dir;
    }
    if (!is_resumed) { /* both are there from the start, for who looks */
        for (int i = 0; i < DKR_STREAMS; i++) {
            struct stat st;
            int fd = open_stream(dir, i, &st, err);
            if (fd < 0) {
                close(dir);
                return fd;
            }
            close(fd);
        }
    }
    file_sizes(dir, size);
    close(dir);
    if (is_resumed) {
        if (!read_note(f, pos, noted)) { /* then all that is there came from the log */
            memset(pos, 0, sizeof(pos));
            memset(noted, 0, sizeof(noted));
        }
        for (int i = 0; i < DKR_STREAMS; i++) {
            pos[i].extra = size[i] > noted[i] ? size[i] - noted[i] : 0;
        }
    }
    memcpy(out, pos, sizeof(pos));
    if (!is_resumed) {
        char text[DKR_NOTE_SIZE];
        dkr_note_format(pos, size, text);
        return write_note(f, text, err);
    }
    return 0;
}

int dkr_log_files_append(const struct dkr_log_files *f,
                         int stream,
                         const char *data,
                         size_t len,
                         size_t *out_written,
                         struct mu_error *err)
{
    struct stat st;
    int rc = 0;

    *out_written = 0;
    int dir = open_sandbox(f, err);
    if (dir < 0) {
        return dir;
    }
    int fd = open_stream(dir, stream, &st, err);
    close(dir);
    if (fd < 0) {
        return fd;
    }
    while (*out_written < len && rc == 0) {
        ssize_t n = write(fd, data + *out_written, len - *out_written);
        if (n > 0) {
            *out_written += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            rc = fail_errno(err, "write", names[stream]);
        }
    }
    close(fd);
    return rc;
}

int dkr_log_files_note(const struct dkr_log_files *f,
                       const struct dkr_position pos[DKR_STREAMS],
                       struct mu_error *err)
{
    uint64_t size[DKR_STREAMS];
    char text[DKR_NOTE_SIZE];
    int dir = open_sandbox(f, err);

    if (dir < 0) {
        return dir;
    }
    file_sizes(dir, size);
    close(dir);
    dkr_note_format(pos, size, text);
    return write_note(f, text, err);
}

void dkr_log_files_forget(const struct dkr_log_files *f)
{
    (void)unlink(f->note); /* it may never have been made */
}
