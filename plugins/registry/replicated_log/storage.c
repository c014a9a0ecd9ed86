/* See storage.h. Blocking, at start only; the journal does all other I/O. */
#include "storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map.h"

#define NAME_MAX_BYTES 64u

static char *join(const char *work_dir, const char *name, const char *suffix)
{
    size_t size =
        strlen(work_dir) + strlen("/replicated_log/") + strlen(name) + strlen(suffix) + 1;
    char *path = rlog_allocate(size);
    (void)snprintf(path, size, "%s/replicated_log%s%s%s", work_dir,
                   name[0] != '\0' ? "/" : "", name, suffix); /* sized to fit */
    return path;
}

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int rc = fsync(fd) < 0 ? -errno : 0;
    (void)close(fd); /* read-only: nothing can be lost */
    return rc;
}

int rlog_storage_prepare(const struct mu_host *host, struct mu_error *err)
{
    const char *work_dir = host->work_dir(host);
    char *dir = join(work_dir, "", "");
    int rc = 0;
    if (mkdir(dir, 0700) == 0) {
        rc = sync_directory(work_dir);
    } else if (errno != EEXIST) {
        rc = -errno;
    }
    if (rc < 0) {
        (void)mu_fail(err, rc, "registry replicated_log: make directory '%s': %s", dir,
                      mu_strerror(rc));
    }
    free(dir);
    return rc;
}

int rlog_storage_check_name(const char *name, struct mu_error *err)
{
    size_t len = strlen(name);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (len == 0 || len > NAME_MAX_BYTES || good != len) {
        return mu_fail(
            err, MU_E_INVALID,
            "registry replicated_log: a store's name has 1 to %u of a-z 0-9 _ -",
            NAME_MAX_BYTES);
    }
    return 0;
}

int rlog_storage_names(const char *work_dir,
                       void (*cb)(void *arg, const char *name),
                       void *arg,
                       struct mu_error *err)
{
    char *path = join(work_dir, "", "");
    DIR *dir = opendir(path);
    int rc = dir == NULL ? -errno : 0;
    if (rc < 0) {
        (void)mu_fail(err, rc, "registry replicated_log: read directory '%s': %s", path,
                      mu_strerror(rc));
    }
    free(path);
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL;
         e = readdir(dir)) {
        static const char suffix[] = ".log";
        size_t len = strlen(e->d_name);
        size_t tail = sizeof(suffix) - 1;
        char name[NAME_MAX_BYTES + 1];
        if (len > tail && len - tail <= NAME_MAX_BYTES &&
            strcmp(e->d_name + len - tail, suffix) == 0) {
            memcpy(name, e->d_name, len - tail);
            name[len - tail] = '\0';
            cb(arg, name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); /* read-only: nothing can be lost */
    }
    return rc;
}

char *rlog_storage_path(const char *work_dir, const char *name)
{
    return join(work_dir, name, name[0] == '\0' ? "" : ".log");
}
