/* See sandbox.h.
 *
 * A preparation goes through its steps one at a time: directories on a worker, then for
 * each URI fetch (local: worker; http: the host's client, written as it comes) and unpack
 * (worker). The last step calls the owner.
 */
#include "runtime/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

#define FETCH_TIMEOUT_MS (30u * 60 * 1000)
#define NO_USER ((uid_t)-1)

struct prepare {
    const struct mu_host *host;
    char *dir, *user;
    struct mu_uris uris;
    size_t at; /* the URI in work */
    uid_t uid;
    gid_t gid;
    char *file; /* where the URI in work is put */
    int fd;     /* of file while it is downloaded, else -1 */
    int status;
    struct mu_error err;
    sandbox_cb cb;
    void *arg;
};

static void next_uri(struct prepare *p);

static void finish(struct prepare *p)
{
    p->cb(p->arg, p->status, p->status < 0 ? p->err.text : "");
    free(p->dir);
    free(p->user);
    free(p->file);
    mu_uris_release(&p->uris);
    free(p);
}

static void on_turn(void *arg)
{
    finish(arg);
}

static void run_on_worker(struct prepare *p, mu_cb work, mu_cb done)
{
    int rc = p->host->work(p->host, work, done, p);
    if (rc < 0) {
        p->status =
            mu_fail(&p->err, rc, "sandbox '%s': no worker: %s", p->dir, mu_strerror(rc));
        (void)p->host->timer_start(p->host, 0, on_turn, p);
    }
}

/* From the end: all but the last few exist already. path is changed and restored. */
static int make_directory(char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST) {
        return 0;
    }
    char *slash = strrchr(path, '/');
    if (errno != ENOENT || slash == NULL || slash == path) {
        return -errno;
    }
    *slash = '\0';
    int rc = make_directory(path, mode); /* as deep as the path has names */
    if (rc < 0) {
        return rc; /* cut off at what could not be made, for the message */
    }
    *slash = '/';
    return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int sandbox_make_directories(const char *path, unsigned mode, struct mu_error *err)
{
    mu_auto_free char *copy = mu_xstrdup(path);
    int rc = make_directory(copy, (mode_t)mode);
    return rc < 0 ? mu_fail(err, rc, "make directory '%s': %s", copy, mu_strerror(rc))
                  : 0;
}

/* ---- directories, on a worker ---- */

static int find_user(struct prepare *p)
{
    p->uid = NO_USER;
    if (p->user == NULL) {
        return 0;
    }
    struct passwd pw, *found = NULL;
    char buf[4096];
    int rc = getpwnam_r(p->user, &pw, buf, sizeof(buf), &found);
    if (rc != 0 || found == NULL) {
        return mu_fail(&p->err, MU_E_NOT_FOUND, "user '%s' is not known on this host",
                       p->user);
    }
    if (geteuid() ==
        0) { /* without root nothing can be given away; the containerizer says so */
        p->uid = pw.pw_uid;
        p->gid = pw.pw_gid;
    }
    return 0;
}

static int give_to_user(struct prepare *p, const char *path)
{
    if (p->uid != NO_USER && lchown(path, p->uid, p->gid) < 0) {
        return mu_fail(&p->err, -errno, "give '%s' to user '%s': %s", path, p->user,
                       mu_strerror(-errno));
    }
    return 0;
}

/* An archive that is unpacked by root names owners of another host, and the directories
 * on the way to a file are root's. */
static int give_all_to_user(struct prepare *p)
{
    if (p->uid == NO_USER) {
        return 0;
    }
    char *const roots[] = {p->dir, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int rc = tree == NULL
                 ? mu_fail(&p->err, -errno, "read '%s': %s", p->dir, mu_strerror(-errno))
                 : 0;
    for (const FTSENT *e; rc == 0 && (e = fts_read(tree)) != NULL;) {
        rc = give_to_user(p, e->fts_path);
    }
    if (tree != NULL) {
        (void)fts_close(tree); /* it only read */
    }
    return rc;
}

static void work_directories(void *arg)
{
    struct prepare *p = arg;
    p->status = find_user(p);
    if (p->status == 0) {
        p->status = sandbox_make_directories(p->dir, 0755, &p->err);
    }
    if (p->status == 0) {
        p->status = give_to_user(p, p->dir);
    }
    static const char *const names[] = {"stdout", "stderr"};
    for (size_t i = 0; i < 2 && p->status == 0; i++) {
        mu_auto_free char *path = mu_xasprintf("%s/%s", p->dir, names[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0) {
            p->status =
                mu_fail(&p->err, -errno, "make '%s': %s", path, mu_strerror(-errno));
            break;
        }
        close(fd);
        p->status = give_to_user(p, path);
    }
}

static void on_directories(void *arg)
{
    next_uri(arg);
}

/* ---- unpacking, on a worker ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

extern char **environ;

static int run_program(struct prepare *p, const char *const argv[])
{
    char *const *args;
    memcpy(&args, &argv, sizeof(args)); /* posix_spawn only reads them */
    pid_t pid;
    int rc = posix_spawnp(&pid, argv[0], NULL, NULL, args, environ);
    if (rc != 0) {
        return mu_fail(&p->err, -rc, "run '%s': %s", argv[0], mu_strerror(-rc));
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return mu_fail(&p->err, -errno, "wait for '%s': %s", argv[0],
                           mu_strerror(-errno));
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return mu_fail(&p->err, -EIO, "'%s' could not unpack '%s'", argv[0], p->file);
    }
    return 0;
}

static int unpack(struct prepare *p)
{
    static const char *const tars[] = {".tar",  ".tar.gz", ".tgz", ".tar.bz2",
                                       ".tbz2", ".tar.xz", ".txz"};
    for (size_t i = 0; i < sizeof(tars) / sizeof(tars[0]); i++) {
        if (ends_with(p->file, tars[i])) {
            return run_program(
                p, (const char *[]){"tar", "-C", p->dir, "-xf", p->file, NULL});
        }
    }
    if (ends_with(p->file, ".zip")) {
        return run_program(
            p, (const char *[]){"unzip", "-o", "-q", "-d", p->dir, p->file, NULL});
    }
    if (ends_with(p->file, ".gz")) {
        return run_program(p, (const char *[]){"gunzip", "-k", "-f", p->file, NULL});
    }
    return 0; /* nothing we know: left as it is, as Mesos does */
}

static void work_after_fetch(void *arg)
{
    struct prepare *p = arg;
    const struct mu_uri *u = &p->uris.v[p->at];
    if (u->executable && chmod(p->file, 0755) < 0) {
        p->status = mu_fail(&p->err, -errno, "make '%s' executable: %s", p->file,
                            mu_strerror(-errno));
    }
    if (p->status == 0 && u->extract && !u->executable) {
        p->status = unpack(p);
    }
    if (p->status == 0) {
        p->status = give_all_to_user(p);
    }
}

static void on_after_fetch(void *arg)
{
    struct prepare *p = arg;
    if (p->status < 0) {
        (void)mu_wrap(&p->err, p->status, "fetch '%s'", p->uris.v[p->at].uri);
    }
    p->at++;
    next_uri(p);
}

/* ---- local files ---- */

static const char *local_path(const char *uri)
{
    if (strncmp(uri, "file://", 7) == 0) {
        return uri + 7;
    }
    return uri[0] == '/' ? uri : NULL;
}

static int copy_bytes(struct prepare *p, int from, int to)
{
    char buf[65536 / 16];
    for (;;) {
        ssize_t n = read(from, buf, sizeof(buf));
        if (n == 0) {
            return 0;
        }
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, buf + done, (size_t)(n - done));
            if (w < 0 && errno != EINTR) {
                return mu_fail(&p->err, -errno, "write '%s': %s", p->file,
                               mu_strerror(-errno));
            }
            done += w > 0 ? w : 0;
        }
        if (n < 0 && errno != EINTR) {
            return mu_fail(&p->err, -errno, "read: %s", mu_strerror(-errno));
        }
    }
}

static void work_copy(void *arg)
{
    struct prepare *p = arg;
    const char *path = local_path(p->uris.v[p->at].uri);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        p->status = mu_fail(&p->err, -errno, "open '%s': %s", path, mu_strerror(-errno));
        return;
    }
    int to = open(p->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (to < 0) {
        p->status =
            mu_fail(&p->err, -errno, "make '%s': %s", p->file, mu_strerror(-errno));
    } else {
        p->status = copy_bytes(p, from, to);
        close(to);
    }
    close(from);
    if (p->status == 0) {
        work_after_fetch(p);
    }
}

/* ---- downloads ---- */

static void on_data(void *arg, const char *data, size_t len)
{
    struct prepare *p = arg;
    while (len > 0 && p->status == 0) {
        ssize_t n = write(p->fd, data, len);
        if (n < 0 && errno != EINTR) {
            p->status =
                mu_fail(&p->err, -errno, "write '%s': %s", p->file, mu_strerror(-errno));
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void on_downloaded(void *arg, const struct mu_http_answer *answer)
{
    struct prepare *p = arg;
    close(p->fd);
    p->fd = -1;
    if (p->status == 0 && answer->status < 0) {
        p->status = mu_fail(&p->err, answer->status, "%s",
                            answer->error_text != NULL ? answer->error_text
                                                       : mu_strerror(answer->status));
    } else if (p->status == 0 && answer->status != 200) {
        p->status =
            mu_fail(&p->err, MU_E_NOT_FOUND, "the server answered %d", answer->status);
    }
    if (p->status < 0) {
        on_after_fetch(p);
    } else {
        run_on_worker(p, work_after_fetch, on_after_fetch);
    }
}

static int download(struct prepare *p)
{
    p->fd = open(p->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (p->fd < 0) {
        return mu_fail(&p->err, -errno, "make '%s': %s", p->file, mu_strerror(-errno));
    }
    const struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "GET",
        .url = p->uris.v[p->at].uri,
        .timeout_ms = FETCH_TIMEOUT_MS,
        .on_data = on_data,
        .on_done = on_downloaded,
        .arg = p,
    };
    struct mu_http_call *call;
    int rc = p->host->http_request(p->host, &ask, &call, &p->err);
    if (rc < 0) {
        close(p->fd);
        p->fd = -1;
    }
    return rc;
}

/* ---- one URI after another ---- */

/* Where a URI goes: its output file or base name, below the sandbox and nowhere else. */
static int choose_file(struct prepare *p, const struct mu_uri *u)
{
    free(p->file);
    p->file = NULL;
    const char *slash = strrchr(u->uri, '/');
    const char *base = slash == NULL ? u->uri : slash + 1;
    mu_auto_free char *name = u->output_file != NULL
                                  ? mu_xstrdup(u->output_file)
                                  : mu_xstrndup(base, strcspn(base, "?#"));
    if (name[0] == '\0' || name[0] == '/' || strcmp(name, "..") == 0 ||
        strncmp(name, "../", 3) == 0 || strstr(name, "/../") != NULL ||
        ends_with(name, "/..")) {
        return mu_fail(&p->err, MU_E_INVALID, "'%s' is no file name below the sandbox",
                       name);
    }
    p->file = mu_xasprintf("%s/%s", p->dir, name);
    char *last = strrchr(p->file, '/');
    *last = '\0';
    int rc = sandbox_make_directories(p->file, 0755, &p->err);
    *last = '/';
    return rc;
}

static int start_uri(struct prepare *p, const struct mu_uri *u)
{
    int rc = choose_file(p, u);
    if (rc < 0) {
        return rc;
    }
    if (local_path(u->uri) != NULL) {
        run_on_worker(p, work_copy, on_after_fetch);
        return 0;
    }
    if (strncmp(u->uri, "http://", 7) == 0 || strncmp(u->uri, "https://", 8) == 0) {
        return download(p);
    }
    return mu_fail(&p->err, MU_E_UNSUPPORTED,
                   "only http://, https://, file:// and absolute paths can be fetched");
}

static void next_uri(struct prepare *p)
{
    if (p->status == 0 && p->at < p->uris.count) {
        const struct mu_uri *u = &p->uris.v[p->at];
        int rc = start_uri(p, u);
        if (rc == 0) {
            return; /* p is the worker's now */
        }
        p->status = rc;
        (void)mu_wrap(&p->err, p->status, "fetch '%s'", u->uri);
    }
    finish(p);
}

void sandbox_prepare(const struct mu_host *host,
                     const char *dir,
                     const char *user,
                     const struct mu_uris *uris,
                     sandbox_cb cb,
                     void *arg)
{
    struct prepare *p = MU_NEW(struct prepare);
    *p = (struct prepare){.host = host,
                          .dir = mu_xstrdup(dir),
                          .user = mu_xstrdup(user),
                          .fd = -1,
                          .cb = cb,
                          .arg = arg};
    mu_uris_copy(&p->uris, uris);
    run_on_worker(p, work_directories, on_directories);
}

/* ---- removal ---- */

struct removal {
    const struct mu_host *host;
    char *dir;
    int status;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static void work_remove(void *arg)
{
    struct removal *x = arg;
    int rc = nftw(x->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    x->status = rc == -1 ? -errno : rc;
}

static void on_removed(void *arg)
{
    struct removal *x = arg;
    if (x->status < 0 && x->status != -ENOENT) {
        x->host->log(x->host, MU_WARN, "sandbox not removed", "dir=%s error=%s", x->dir,
                     mu_strerror(x->status));
    }
    free(x->dir);
    free(x);
}

void sandbox_remove(const struct mu_host *host, const char *dir)
{
    struct removal *x = MU_NEW(struct removal);
    *x = (struct removal){.host = host, .dir = mu_xstrdup(dir)};
    if (host->work(host, work_remove, on_removed, x) < 0) {
        free(x->dir);
        free(x);
    }
}
