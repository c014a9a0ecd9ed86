/* /files/browse, /files/read, /files/download, /files/debug: the sandboxes of this
 * agent's tasks, and nothing else of the host.
 *
 * A path is taken when it lies below an attached directory: a sandbox itself, or one of
 * the two names that stand for it (".../runs/latest" and
 * "/frameworks/F/executors/E/runs/latest"). Its real path must stay below the sandbox's
 * real path, so neither ".." nor a link leads out. Resolution and reading are done on a
 * worker; the exchange is answered from the loop, unless the client has gone meanwhile.
 */
#include "mesos.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dirent.h>

/* Longer paths are answered with 404: no sandbox has one. */
#define MSO_PATH_MAX 1536
#define READ_MAX 65536     /* of one /files/read, as Mesos limits it */
#define CHUNK (256 * 1024) /* of a download */

enum verb { BROWSE, READ, DOWNLOAD };

struct job {
    struct mso *m;
    struct mu_http_exchange *x; /* NULL: the client has gone */
    enum verb verb;
    char *path;      /* as asked */
    char *attached;  /* the virtual directory it is below; NULL: none */
    char *directory; /* the real one behind it */
    int64_t offset, length;
    /* made by the worker */
    int status; /* HTTP */
    char text[512];
    struct mu_buf body;
    int64_t size;
    int fd;         /* of a download, between chunks; -1 */
    bool is_broken; /* it could not be read to its end */
    bool begun;
    bool is_working; /* or its answer is on its way to done */
};

/* ---- which directories are attached ---- */

struct lookup {
    const char *path;
    char attached[MSO_PATH_MAX], directory[MSO_PATH_MAX];
    bool is_live; /* directory is a running task's */
};

static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    return n > 0 && strncmp(path, directory, n) == 0 &&
           (path[n] == '\0' || path[n] == '/');
}

/* A task id may have been used several times: a running task's name wins, then the
 * newest (live ones come first, then the completed, oldest first). */
static void
try_name(struct lookup *l, const char *name, const char *directory, bool is_live)
{
    size_t len = strlen(name);
    size_t taken = strlen(l->attached);
    if (is_below(l->path, name) && (len > taken || (len == taken && !l->is_live))) {
        l->is_live = is_live;
        (void)snprintf(l->attached, sizeof(l->attached), "%s", name);
        (void)snprintf(l->directory, sizeof(l->directory), "%s", directory);
    }
}

/* Both names that stand for a sandbox; "" when there is none. */
static void latest_names(const struct mu_local_task_row *t,
                         char real[MSO_PATH_MAX],
                         char virtual_name[MSO_PATH_MAX])
{
    const char *slash = strrchr(t->sandbox, '/');
    (void)snprintf(real, MSO_PATH_MAX, "%.*s/latest",
                   slash == NULL ? 0 : (int)(slash - t->sandbox), t->sandbox);
    (void)snprintf(virtual_name, MSO_PATH_MAX, "/frameworks/%s/executors/%s/runs/latest",
                   t->info->framework_id.s, t->info->id.s);
}

static void match(void *arg, const void *row)
{
    const struct mu_local_task_row *t = row;
    char real[MSO_PATH_MAX], virtual_name[MSO_PATH_MAX];
    latest_names(t, real, virtual_name);
    try_name(arg, t->sandbox, t->sandbox, !t->completed);
    try_name(arg, real, t->sandbox, !t->completed);
    try_name(arg, virtual_name, t->sandbox, !t->completed);
}

/* ---- on a worker ---- */

MU_PRINTF(3, 4)
static void fail(struct job *j, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    j->status = status;
    (void)vsnprintf(j->text, sizeof(j->text), fmt, ap);
    va_end(ap);
}

/* The real path of what was asked for, for free(); NULL with the job failed. */
static char *resolve(struct job *j)
{
    struct mu_buf wanted;
    mu_buf_init(&wanted, 3 * MSO_PATH_MAX);
    mu_buf_printf(&wanted, "%s%s", j->directory, j->path + strlen(j->attached));
    char *root = realpath(j->directory, NULL);
    char *real = realpath(mu_buf_str(&wanted), NULL);
    mu_buf_release(&wanted);
    if (root == NULL || real == NULL) {
        fail(j, 404, "%s", "");
    } else if (!is_below(real, root)) {
        fail(j, 400, "'%.400s' is inaccessible.\n", j->path);
    } else {
        free(root);
        return real;
    }
    free(root);
    free(real);
    return NULL;
}

static void mode_text(mode_t mode, char out[11])
{
    static const char bits[] = "rwxrwxrwx";
    out[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISREG(mode) ? '-' : '?';
    for (int i = 0; i < 9; i++) {
        out[i + 1] = (mode & (mode_t)(0400 >> i)) != 0 ? bits[i] : '-';
    }
    out[10] = '\0';
}

static void write_owner(struct mu_jw *w, const struct stat *st)
{
    char buf[1024], number[24];
    struct passwd pw, *user = NULL;
    struct group gr, *group = NULL;
    (void)snprintf(number, sizeof(number), "%u", (unsigned)st->st_gid);
    (void)getgrgid_r(st->st_gid, &gr, buf, sizeof(buf), &group);
    mu_jw_kv_string(w, "gid", group != NULL ? group->gr_name : number);
    (void)snprintf(number, sizeof(number), "%u", (unsigned)st->st_uid);
    (void)getpwuid_r(st->st_uid, &pw, buf, sizeof(buf), &user);
    mu_jw_kv_string(w, "uid", user != NULL ? user->pw_name : number);
}

static void
write_entry(struct job *j, struct mu_jw *w, const char *real, const char *name)
{
    struct stat st;
    char full[2 * MSO_PATH_MAX], shown[2 * MSO_PATH_MAX], mode[11];
    (void)snprintf(full, sizeof(full), "%s/%s", real, name);
    if (lstat(full, &st) < 0) {
        return; /* gone since the directory was read */
    }
    size_t len = strlen(j->path);
    (void)snprintf(shown, sizeof(shown), "%s%s%s", j->path,
                   len > 0 && j->path[len - 1] == '/' ? "" : "/", name);
    mode_text(st.st_mode, mode);
    mu_jw_object_begin(w);
    write_owner(w, &st);
    mu_jw_kv_string(w, "mode", mode);
    mu_jw_key(w, "mtime");
    mu_jw_milli_double(w, (int64_t)st.st_mtim.tv_sec * 1000);
    mu_jw_kv_int(w, "nlink", (int64_t)st.st_nlink);
    mu_jw_kv_string(w, "path", shown);
    mu_jw_kv_int(w, "size", st.st_size);
    mu_jw_object_end(w);
}

static int not_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static void browse(struct job *j, const char *real)
{
    struct mu_jw w;
    mu_jw_init(&w, &j->body);
    mu_jw_array_begin(&w);
    struct dirent **entries = NULL;
    int n = scandir(real, &entries, not_dots,
                    alphasort); /* -1 for a file: an empty list, as Mesos answers */
    for (int i = 0; i < n; i++) {
        write_entry(j, &w, real, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    mu_jw_array_end(&w);
    j->status = 200;
}

static int open_file(struct job *j, const char *real, const char *verb)
{
    struct stat st;
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        fail(j, errno == EACCES ? 403 : 404, "%s", "");
    } else if (S_ISDIR(st.st_mode)) {
        fail(j, 400, "Cannot %s a directory.\n", verb);
    } else if (!S_ISREG(st.st_mode)) {
        fail(j, 400, "Cannot %s what is not a regular file.\n", verb);
    } else {
        j->size = st.st_size;
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static void read_piece(struct job *j, const char *real)
{
    int fd = open_file(j, real, "read");
    if (fd < 0) {
        return;
    }
    if (j->offset < 0) {
        j->offset = j->size;
        j->length = 0;
    }
    size_t want = j->length >= 0 && j->length < READ_MAX ? (size_t)j->length : READ_MAX;
    char buf[READ_MAX / 64];
    struct mu_buf data;
    mu_buf_init(&data, READ_MAX + 1);
    while (data.len < want) {
        size_t room = want - data.len < sizeof(buf) ? want - data.len : sizeof(buf);
        ssize_t n = pread(fd, buf, room, j->offset + (off_t)data.len);
        if (n <= 0) {
            break; /* the end, or an error: what could be read is answered */
        }
        mu_buf_append(&data, buf, (size_t)n);
    }
    close(fd);
    struct mu_jw w;
    mu_jw_init(&w, &j->body);
    mu_jw_object_begin(&w);
    mu_jw_key(&w, "data");
    mu_jw_string_len(&w, mu_buf_str(&data), data.len);
    mu_jw_kv_int(&w, "offset", j->offset);
    mu_jw_object_end(&w);
    mu_buf_release(&data);
    j->status = 200;
}

static void next_chunk(struct job *j)
{
    char buf[CHUNK / 128];
    mu_buf_clear(&j->body);
    while (j->body.len < CHUNK) {
        ssize_t n = read(j->fd, buf, sizeof(buf));
        if (n <= 0) {
            j->is_broken = n < 0;
            close(j->fd);
            j->fd = -1;
            return;
        }
        mu_buf_append(&j->body, buf, (size_t)n);
    }
}

static void begin(struct job *j, const char *real)
{
    switch (j->verb) {
    case BROWSE:
        browse(j, real);
        break;
    case READ:
        read_piece(j, real);
        break;
    case DOWNLOAD:
        j->fd = open_file(j, real, "download");
        if (j->fd >= 0) {
            j->status = 200;
            next_chunk(j);
        }
        break;
    }
}

static void work(void *arg)
{
    struct job *j = arg;
    if (j->begun) {
        next_chunk(j);
        return;
    }
    char *real = resolve(j);
    if (real != NULL) {
        begin(j, real);
        free(real);
    }
}

/* ---- on the loop ---- */

static void job_free(struct job *j)
{
    if (j->fd >= 0) {
        close(j->fd);
    }
    mu_buf_release(&j->body);
    free(j->path);
    free(j->attached);
    free(j->directory);
    free(j);
}

/* A download that waits for room waits in vain now: nobody else ends it. */
static void on_gone(void *arg)
{
    struct job *j = arg;
    j->x = NULL;
    if (!j->is_working) {
        job_free(j);
    }
}

static void done(void *arg);

static void submit(struct job *j)
{
    j->m->works++;
    j->is_working = true;
    if (j->m->host->work(j->m->host, work, done, j) < 0) {
        j->m->works--;
        j->m->host->http_on_close(j->x, NULL, NULL);
        if (j->begun) { /* too late for a status */
            j->m->host->http_stream_abort(j->x);
        } else {
            mso_reply_text(j->m, j->x, 503, "no worker is free");
        }
        job_free(j);
    }
}

/* The stream has room again: read on. */
static void on_room(void *arg)
{
    submit(arg);
}

/* A name in a header: no quotes, controls or line ends. */
static void header_name(const char *path, char out[256])
{
    const char *slash = strrchr(path, '/');
    size_t n = 0;
    for (const char *p = slash == NULL ? path : slash + 1; *p != '\0' && n < 255; p++) {
        bool plain = *p > ' ' && *p < 0x7f && *p != '"' && *p != ';' && *p != '\\';
        out[n++] = plain ? *p : '_';
    }
    out[n] = '\0';
}

static void send_chunk(struct job *j)
{
    const struct mu_host *h = j->m->host;
    if (!j->begun) {
        char name[256], disposition[320];
        header_name(j->path, name);
        (void)snprintf(disposition, sizeof(disposition), "attachment; filename=%s", name);
        const struct mu_http_header headers[] = {
            {"Content-Type", "application/octet-stream"},
            {"Content-Disposition", disposition}};
        h->http_stream_begin(j->x, 200, headers, 2, true);
        j->begun = true;
    }
    int rc = j->body.len > 0 ? h->http_stream_write(j->x, j->body.data, j->body.len) : 0;
    if (rc < 0) { /* on_close follows, with nothing of ours left to tell */
        h->http_on_close(j->x, NULL, NULL);
        job_free(j);
    } else if (j->fd < 0) {
        h->http_on_close(j->x, NULL, NULL);
        if (j->is_broken) {
            h->http_stream_abort(j->x);
        } else {
            h->http_stream_end(j->x);
        }
        job_free(j);
    } else {
        h->http_stream_drain(j->x, CHUNK, on_room, j);
    }
}

static void done(void *arg)
{
    struct job *j = arg;
    struct mso *m = j->m;
    m->works--;
    j->is_working = false;
    if (j->x == NULL) {
        job_free(j);
    } else if (j->verb == DOWNLOAD && j->status == 200) {
        send_chunk(j);
    } else if (j->status == 200) {
        static const struct mu_http_header headers[] = {
            {"Content-Type", "application/json"}};
        m->host->http_on_close(j->x, NULL, NULL);
        m->host->http_reply(j->x, 200, headers, 1, mu_buf_str(&j->body), j->body.len);
        job_free(j);
    } else {
        m->host->http_on_close(j->x, NULL, NULL);
        mso_reply_text(m, j->x, j->status, j->text);
        job_free(j);
    }
    mso_maybe_stopped(m);
}

/* A number parameter: 1 there, 0 absent, -1 answered with 400. */
static int number_parameter(const struct mso_route *r,
                            struct mu_http_exchange *x,
                            const struct mu_http_request *req,
                            const char *name,
                            int64_t *out)
{
    char text[64], message[160];
    int len = mu_http_query_get(req->query, name, 0, text, sizeof(text));
    int64_t milli;
    if (len == MU_E_NOT_FOUND) {
        return 0;
    }
    if (len < 0 || mu_milli_parse(text, &milli, NULL) < 0 || milli % 1000 != 0) {
        (void)snprintf(message, sizeof(message),
                       "Failed to parse %s: '%s' is no whole number.\n", name,
                       len < 0 ? "" : text);
        mso_reply_text(r->mso, x, 400, message);
        return -1;
    }
    *out = milli / 1000;
    return 1;
}

static bool read_range(const struct mso_route *r,
                       struct mu_http_exchange *x,
                       const struct mu_http_request *req,
                       struct job *j)
{
    char message[96];
    j->offset = j->length = -1;
    int has_offset = number_parameter(r, x, req, "offset", &j->offset);
    int has_length =
        has_offset < 0 ? -1 : number_parameter(r, x, req, "length", &j->length);
    if (has_offset < 0 || has_length < 0) {
        return false;
    }
    if (has_offset > 0 && j->offset < -1) {
        (void)snprintf(message, sizeof(message), "Negative offset provided: %lld.\n",
                       (long long)j->offset);
    } else if (has_length > 0 && j->length < -1) {
        (void)snprintf(message, sizeof(message), "Negative length provided: %lld.\n",
                       (long long)j->length);
    } else {
        return true;
    }
    mso_reply_text(r->mso, x, 400, message);
    return false;
}

static void start(const struct mso_route *r,
                  struct mu_http_exchange *x,
                  const struct mu_http_request *req,
                  enum verb verb)
{
    char path[MSO_PATH_MAX];
    int len = mu_http_query_get(req->query, "path", 0, path, sizeof(path));
    if (len <= 0) {
        mso_reply_text(r->mso, x, 400, "Expecting 'path=value' in query.\n");
        return;
    }
    struct lookup l = {.path = path};
    if (r->is_agent) {
        (void)r->mso->core->query(r->mso->core, MU_Q_LOCAL_TASKS, NULL, match, &l);
    }
    if (l.attached[0] == '\0') {
        mso_reply_text(r->mso, x, 404, "");
        return;
    }
    struct job *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        mso_reply_text(r->mso, x, 500, "out of memory");
        return;
    }
    *j = (struct job){.m = r->mso, .x = x, .verb = verb, .fd = -1};
    if (verb == READ && !read_range(r, x, req, j)) {
        free(j);
        return;
    }
    mu_text_set(&j->path, path);
    mu_text_set(&j->attached, l.attached);
    mu_text_set(&j->directory, l.directory);
    mu_buf_init(&j->body, verb == BROWSE ? (size_t)64 * 1024 * 1024 : 8 * (size_t)CHUNK);
    r->mso->host->http_on_close(x, on_gone, j);
    submit(j);
}

void mso_on_browse(void *arg,
                   struct mu_http_exchange *x,
                   const struct mu_http_request *req)
{
    start(arg, x, req, BROWSE);
}

void mso_on_read(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    start(arg, x, req, READ);
}

void mso_on_download(void *arg,
                     struct mu_http_exchange *x,
                     const struct mu_http_request *req)
{
    start(arg, x, req, DOWNLOAD);
}

static void write_attached(void *arg, const void *row)
{
    const struct mu_local_task_row *t = row;
    struct mu_jw *w = arg;
    char real[MSO_PATH_MAX], virtual_name[MSO_PATH_MAX];
    latest_names(t, real, virtual_name);
    mu_jw_kv_string(w, t->sandbox, t->sandbox);
    mu_jw_kv_string(w, real, t->sandbox);
    mu_jw_kv_string(w, virtual_name, t->sandbox);
}

void mso_on_files_debug(void *arg,
                        struct mu_http_exchange *x,
                        const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    if (r->is_agent) {
        (void)r->mso->core->query(r->mso->core, MU_Q_LOCAL_TASKS, NULL, write_attached,
                                  &w);
    }
    mu_jw_object_end(&w);
    mso_reply_json(r->mso, x, req, &out);
}
