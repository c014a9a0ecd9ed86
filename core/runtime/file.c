/* See file.h. */
#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static int read_all(int fd, char *out, size_t cap, size_t *out_len)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, out + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    *out_len = len;
    return 0;
}

int file_read_text(const char *path, size_t max, char **out_text, struct mu_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return mu_fail(err, -errno, "file '%s': %s", path, mu_strerror(-errno));
    }
    mu_auto_free char *text = mu_xalloc(max + 2);
    size_t len = 0;
    int status = read_all(fd, text, max + 1, &len);
    (void)close(fd); /* it was only read */
    if (status < 0) {
        return mu_fail(err, status, "file '%s': %s", path, mu_strerror(status));
    }
    if (len > max) {
        return mu_fail(err, -E2BIG, "file '%s': longer than %zu bytes", path, max);
    }
    if (memchr(text, '\0', len) != NULL) {
        return mu_fail(err, MU_E_INVALID, "file '%s': not a text", path);
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    text[len] = '\0';
    *out_text = mu_steal(&text);
    return 0;
}

static int make_dirs(char *path)
{
    for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        int status = mkdir(path, 0755);
        *p = '/';
        if (status < 0 && errno != EEXIST) {
            return -errno;
        }
    }
    if (mkdir(path, 0755) < 0 && errno != EEXIST) {
        return -errno;
    }
    return 0;
}

int file_prepare_dir(const char *path, struct mu_error *err)
{
    mu_auto_free char *copy = mu_xstrdup(path);
    int status = make_dirs(copy);
    if (status < 0) {
        return mu_fail(err, status, "directory '%s': %s", path, mu_strerror(status));
    }
    mu_auto_free char *probe = mu_xasprintf("%s/.probe-%d", path, (int)getpid());
    int fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mu_fail(err, -errno, "directory '%s' cannot be written to: %s", path,
                       mu_strerror(-errno));
    }
    (void)close(fd);     /* nothing was written */
    (void)unlink(probe); /* it was made a line above; a leftover does no harm */
    return 0;
}

char *file_absolute(const char *path)
{
    if (path[0] == '/') {
        return mu_xstrdup(path);
    }
    mu_auto_free char *here = getcwd(NULL, 0);
    if (here == NULL) {
        return mu_xstrdup(
            path); /* the directory is gone: the path fails where it is used */
    }
    return mu_xasprintf("%s/%s", here, path);
}
