#include "logs.h"

#include <errno.h>
#include <stdio.h>

#include "demux.h"
#include "log_files.h"
#include "util.h"

enum {
    PENDING_MAX = 4 * 1024 * 1024, /* then the disk is too slow, and we read on later */
    PENDING_ROOM = 8 * 1024 * 1024,
    RETRY_FIRST_MS = 500,
    RETRY_MAX_MS = 10000,
    END_WAIT_MS = 3000, /* for the stream of a container that has ended */
    FINAL_TIMEOUT_MS = 30000,
    FINAL_ATTEMPTS = 3,
    URL_PATH_MAX = 1024,
};

enum job_type { JOB_OPEN, JOB_WRITE, JOB_FORGET };

/* What the worker does; it is the only one to touch it meanwhile. */
struct job {
    enum job_type type;
    const struct dkr_log_files *files;
    bool is_resumed;
    struct mu_buf data[DKR_STREAMS];
    struct dkr_position pos[DKR_STREAMS]; /* in: after this data; out: of JOB_OPEN */
    size_t written[DKR_STREAMS];
    int rc;
    struct mu_error err;
};

struct dkr_logs {
    const struct mu_host *host;
    struct dkr_engine *engine;
    struct dkr_log_files files;
    char engine_id[DKR_ENGINE_ID_SIZE];
    bool has_tty, is_resumed;

    bool is_open; /* the position is known */
    struct dkr_demux demux;
    struct dkr_position committed[DKR_STREAMS]; /* of what is in the files */
    struct mu_buf pending[DKR_STREAMS];
    struct job job;
    bool is_busy;

    bool follows, drains;
    bool final_done, is_unreadable, is_gone;
    struct dkr_call *call;
    bool call_is_final;
    struct mu_timer *timer; /* until the next try, or for the stream to end */
    unsigned attempts, final_attempts;
    bool write_is_failing;
    unsigned write_failures; /* in a row; opening counts */
    struct mu_timer *job_timer;
    struct mu_timer *done_timer;
    mu_cb done_cb;
    void *done_arg;

    bool is_closing, forget_note;
    mu_cb closed_cb;
    void *closed_arg;
};

static void tick(struct dkr_logs *logs);

struct dkr_logs *dkr_logs_create(const struct mu_host *host,
                                 struct dkr_engine *engine,
                                 const char *sandbox,
                                 bool has_tty,
                                 bool is_resumed)
{
    struct dkr_logs *logs = dkr_alloc(sizeof(*logs));
    logs->host = host;
    logs->engine = engine;
    logs->has_tty = has_tty;
    logs->is_resumed = is_resumed;
    dkr_log_files_init(&logs->files, sandbox);
    for (int i = 0; i < DKR_STREAMS; i++) {
        mu_buf_init(&logs->pending[i], PENDING_ROOM);
    }
    return logs;
}

static void logs_free(struct dkr_logs *logs)
{
    for (int i = 0; i < DKR_STREAMS; i++) {
        mu_buf_release(&logs->pending[i]);
        mu_buf_release(&logs->job.data[i]);
    }
    dkr_log_files_release(&logs->files);
    free(logs);
}

static size_t pending_bytes(const struct dkr_logs *logs)
{
    return logs->pending[DKR_STDOUT].len + logs->pending[DKR_STDERR].len;
}

static void stop_timer(struct dkr_logs *logs)
{
    logs->host->timer_cancel(logs->host, logs->timer);
    logs->timer = NULL;
}

static void on_retry_due(void *arg)
{
    struct dkr_logs *logs = arg;
    logs->timer = NULL;
    tick(logs);
}

static void retry_later(struct dkr_logs *logs)
{
    uint64_t ms = RETRY_FIRST_MS;
    for (unsigned i = 0; i < logs->attempts && ms < RETRY_MAX_MS; i++) {
        ms *= 2;
    }
    logs->attempts++;
    stop_timer(logs);
    logs->timer = logs->host->timer_start(
        logs->host, ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS, on_retry_due, logs);
}

/* ---- the worker ---- */

static void job_write(struct job *job)
{
    for (int i = 0; i < DKR_STREAMS && job->rc == 0; i++) {
        if (job->data[i].len > 0) {
            job->rc = dkr_log_files_append(job->files, i, mu_buf_str(&job->data[i]),
                                           job->data[i].len, &job->written[i], &job->err);
        }
    }
    if (job->rc == 0) {
        job->rc = dkr_log_files_note(job->files, job->pos, &job->err);
    }
}

static void on_work(void *arg)
{
    struct dkr_logs *logs = arg;
    struct job *job = &logs->job;

    switch (job->type) {
    case JOB_OPEN:
        job->rc = dkr_log_files_open(job->files, job->is_resumed, job->pos, &job->err);
        break;
    case JOB_WRITE:
        job_write(job);
        break;
    case JOB_FORGET:
        dkr_log_files_forget(job->files);
        break;
    }
}

static void drop_call(struct dkr_logs *logs)
{
    dkr_engine_cancel(logs->call);
    logs->call = NULL;
}

/* Read again from what is in the files for certain. */
static void fall_back(struct dkr_logs *logs)
{
    drop_call(logs);
    logs->final_done = false;
    for (int i = 0; i < DKR_STREAMS; i++) {
        mu_buf_clear(&logs->pending[i]);
        logs->demux.pos[i] = logs->committed[i];
    }
    retry_later(logs);
}

static void write_failed(struct dkr_logs *logs)
{
    struct job *job = &logs->job;

    for (int i = 0; i < DKR_STREAMS; i++) {
        if (job->written[i] == job->data[i].len) {
            logs->committed[i] = job->pos[i];
        } else {
            logs->committed[i].extra += job->written[i];
        }
    }
    if (!logs->write_is_failing) {
        logs->host->log(logs->host, MU_WARN,
                        "container output cannot be written, trying again, continuing",
                        "sandbox=%s reason=%s", logs->files.sandbox, job->err.text);
    }
    logs->write_is_failing = true;
    logs->write_failures++;
    fall_back(logs);
}

static void on_work_done(void *arg)
{
    struct dkr_logs *logs = arg;
    struct job *job = &logs->job;

    logs->is_busy = false;
    logs->job_timer = NULL;
    if (job->type == JOB_OPEN && job->rc < 0) {
        logs->host->log(logs->host, MU_WARN,
                        "container output cannot be taken up, trying again, continuing",
                        "sandbox=%s reason=%s", logs->files.sandbox, job->err.text);
        logs->write_failures++;
        retry_later(logs);
    } else if (job->type == JOB_OPEN) {
        logs->is_open = true;
        logs->write_failures = 0;
        for (int i = 0; i < DKR_STREAMS; i++) {
            logs->committed[i] = job->pos[i];
            logs->demux.pos[i] = job->pos[i];
        }
    } else if (job->type == JOB_WRITE && job->rc < 0) {
        write_failed(logs);
    } else if (job->type == JOB_WRITE) {
        memcpy(logs->committed, job->pos, sizeof(logs->committed));
        logs->write_is_failing = false;
        logs->write_failures = 0;
    } else {
        logs->forget_note = false;
    }
    for (int i = 0; i < DKR_STREAMS; i++) {
        mu_buf_release(&job->data[i]);
    }
    tick(logs);
}

static void start_job(struct dkr_logs *logs, enum job_type type)
{
    struct job *job = &logs->job;

    *job =
        (struct job){.type = type, .files = &logs->files, .is_resumed = logs->is_resumed};
    if (type == JOB_WRITE) {
        memcpy(job->pos, logs->demux.pos, sizeof(job->pos));
        for (int i = 0; i < DKR_STREAMS; i++) { /* the buffer itself moves */
            job->data[i] = logs->pending[i];
            mu_buf_init(&logs->pending[i], PENDING_ROOM);
        }
    }
    logs->is_busy = true;
    if (logs->host->work(logs->host, on_work, on_work_done, logs) < 0) {
        on_work(logs); /* no worker to be had: only when all is being stopped */
        logs->job_timer = logs->host->timer_start(logs->host, 0, on_work_done, logs);
    }
}

/* ---- the stream ---- */

static void on_bytes(void *arg, int stream, const char *data, size_t len)
{
    struct dkr_logs *logs = arg;
    (void)mu_buf_append(&logs->pending[stream], data, len); /* room is kept, see below */
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct dkr_logs *logs = arg;

    dkr_demux_feed(&logs->demux, data, len);
    if (logs->demux.is_broken) {
        logs->host->log(logs->host, MU_WARN,
                        "container output is not a log stream, reading it again",
                        "container=%s", logs->engine_id);
        drop_call(logs);
        retry_later(logs);
    } else if (pending_bytes(logs) > PENDING_MAX) {
        drop_call(logs); /* tick reads on when this is written */
    }
    if (pending_bytes(logs) > 0) {
        logs->attempts = 0;
    }
    tick(logs);
}

/* The log driver of the container keeps nothing that could be read: say so where the user
 * will look. */
static void note_unreadable(struct dkr_logs *logs, const char *why)
{
    logs->is_unreadable = true;
    logs->host->log(logs->host, MU_WARN,
                    "container output cannot be read from the engine, continuing",
                    "container=%s reason=%s", logs->engine_id, why);
    (void)mu_buf_printf(&logs->pending[DKR_STDERR],
                        "The output of this container cannot be read: %s\n", why);
}

static void final_ended(struct dkr_logs *logs, const struct dkr_reply *reply)
{
    logs->final_attempts++;
    if (reply->outcome == DKR_OK || logs->is_gone || logs->is_unreadable) {
        logs->final_done = true;
    } else if (logs->final_attempts >= FINAL_ATTEMPTS) {
        logs->final_done = true;
        logs->host->log(logs->host, MU_WARN,
                        "last output of a container may be missing, continuing",
                        "container=%s reason=%s", logs->engine_id, reply->text);
    } else {
        retry_later(logs);
    }
}

static void on_stream_end(void *arg, const struct dkr_reply *reply)
{
    struct dkr_logs *logs = arg;

    logs->call = NULL;
    if (reply->outcome == DKR_REFUSED && reply->http_status == 404) {
        logs->is_gone = true;
    } else if (reply->outcome == DKR_REFUSED && !logs->is_unreadable &&
               (reply->http_status == 501 ||
                strstr(reply->text, "does not support reading") != NULL)) {
        note_unreadable(logs, reply->text);
    }
    if (logs->call_is_final) {
        final_ended(logs, reply);
    } else if (logs->drains) {
        stop_timer(logs); /* it ended as hoped */
    } else {
        retry_later(logs);
    }
    tick(logs);
}

static void start_stream(struct dkr_logs *logs, bool is_final)
{
    struct mu_buf path;
    char since[DKR_SINCE_SIZE];
    struct dkr_position pos[DKR_STREAMS];

    memcpy(pos, logs->demux.pos, sizeof(pos));
    dkr_demux_init(&logs->demux, logs->has_tty, pos, on_bytes, logs);
    dkr_since(pos, since);
    mu_buf_init(&path, URL_PATH_MAX);
    (void)mu_buf_printf(&path, "/containers/%s/logs?stdout=1&stderr=1&timestamps=1%s%s%s",
                        logs->engine_id, is_final ? "" : "&follow=1",
                        since[0] == '\0' ? "" : "&since=", since);
    logs->call_is_final = is_final;
    logs->call =
        dkr_engine_ask(logs->engine,
                       &(struct dkr_ask){.method = "GET",
                                         .path = mu_buf_str(&path),
                                         .timeout_ms = is_final ? FINAL_TIMEOUT_MS : 0,
                                         .on_data = on_data},
                       on_stream_end, logs);
    mu_buf_release(&path);
}

/* ---- what comes next ---- */

static void on_done_due(void *arg)
{
    struct dkr_logs *logs = arg;
    logs->done_timer = NULL;
    logs->done_cb(logs->done_arg); /* logs may be closing now */
}

static void on_closed(void *arg)
{
    struct dkr_logs *logs = arg;
    mu_cb closed_cb = logs->closed_cb;
    void *closed_arg = logs->closed_arg;
    logs_free(logs);
    closed_cb(closed_arg);
}

static void close_tick(struct dkr_logs *logs)
{
    if (pending_bytes(logs) > 0 && logs->is_open && !logs->write_is_failing) {
        start_job(logs, JOB_WRITE);
    } else if (logs->forget_note) {
        start_job(logs, JOB_FORGET);
    } else if (logs->done_timer == NULL) {
        stop_timer(logs);
        logs->done_timer = logs->host->timer_start(logs->host, 0, on_closed, logs);
    }
}

/* Nothing more can be written or read; what is missing was logged. */
static bool is_drained(const struct dkr_logs *logs)
{
    bool is_hopeless = logs->write_failures >= FINAL_ATTEMPTS;
    return logs->drains && !logs->is_busy && logs->call == NULL &&
           (is_hopeless ||
            (pending_bytes(logs) == 0 && (logs->final_done || logs->is_unreadable)));
}

/* The one place that decides what is done next. */
static void tick(struct dkr_logs *logs)
{
    if (logs->is_busy) {
        return;
    }
    if (logs->is_closing) {
        close_tick(logs);
        return;
    }
    if (is_drained(logs)) {
        stop_timer(logs);
        logs->drains = false;
        logs->follows = false;
        logs->done_timer = logs->host->timer_start(logs->host, 0, on_done_due, logs);
        return;
    }
    if (!logs->is_open) {
        if ((logs->follows || logs->drains) && logs->timer == NULL) {
            start_job(logs, JOB_OPEN);
        }
        return;
    }
    if (pending_bytes(logs) > 0 && !(logs->write_is_failing && logs->timer != NULL)) {
        start_job(logs, JOB_WRITE); /* the stream may go on meanwhile */
    }
    if (logs->call != NULL || logs->timer != NULL || pending_bytes(logs) > PENDING_MAX) {
        return;
    }
    if (logs->drains && !logs->final_done && !logs->is_unreadable) {
        start_stream(logs, true);
    } else if (logs->follows && !logs->drains && !logs->is_unreadable) {
        start_stream(logs, false);
    }
}

static void on_end_wait_over(void *arg)
{
    struct dkr_logs *logs = arg;
    logs->timer = NULL;
    drop_call(logs);
    tick(logs);
}

static void set_engine_id(struct dkr_logs *logs, const char *engine_id)
{
    (void)snprintf(logs->engine_id, sizeof(logs->engine_id), "%s", engine_id); /* fits */
}

void dkr_logs_follow(struct dkr_logs *logs, const char *engine_id)
{
    set_engine_id(logs, engine_id);
    logs->follows = true;
    tick(logs);
}

void dkr_logs_drain(struct dkr_logs *logs,
                    const char *engine_id,
                    mu_cb done_cb,
                    void *arg)
{
    if (engine_id[0] != '\0') {
        set_engine_id(logs, engine_id);
    }
    logs->drains = true;
    logs->write_failures = 0;
    logs->done_cb = done_cb;
    logs->done_arg = arg;
    if (logs->engine_id[0] == '\0') {
        logs->final_done = true; /* it never was on the engine */
    }
    stop_timer(logs);
    if (logs->call != NULL) {
        logs->timer =
            logs->host->timer_start(logs->host, END_WAIT_MS, on_end_wait_over, logs);
    }
    tick(logs);
}

void dkr_logs_stop(struct dkr_logs *logs)
{
    drop_call(logs);
    stop_timer(logs);
    logs->host->timer_cancel(logs->host, logs->done_timer);
    logs->done_timer = NULL;
    logs->follows = false;
    logs->drains = false;
}

void dkr_logs_close(struct dkr_logs *logs, bool forget_note, mu_cb closed_cb, void *arg)
{
    dkr_logs_stop(logs);
    logs->is_closing = true;
    logs->forget_note = forget_note;
    logs->closed_cb = closed_cb;
    logs->closed_arg = arg;
    tick(logs);
}
