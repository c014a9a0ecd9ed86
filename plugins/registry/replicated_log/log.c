/* See log.h.
 *
 * The state is changed when a record is handed to the journal, not when it is durable: a
 * rewrite must hold every batch that stands before it in the journal's queue. Nobody sees
 * the difference: entries are given out by recover only, whose own record is durable
 * last, and after a failure of the journal the state is not given out at all.
 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "storage.h"

struct mu_registry_store {
    struct mu_registry_store *next;
    struct rlog_log *log;
    const struct mu_registry_events *events;
    void *arg;
    bool is_recovered; /* has been the writer */
    bool owes_fenced;
    bool is_closing;
};

enum request_kind { REQUEST_RECOVER, REQUEST_COMMIT, REQUEST_CLOSE };

struct rlog_request {
    struct rlog_request *next;
    enum request_kind kind;
    struct mu_registry_store *store;
    bool is_ready; /* its record is durable, or it has none */
    int status;
    mu_registry_entry_cb on_entry;
    mu_registry_done_cb done;
    mu_cb closed;
    void *arg;
};

struct replay {
    struct rlog_state *state;
    int status;
    struct mu_error *err;
};

static const char *text_of(const struct rlog_log *log, int status)
{
    if (status == 0) {
        return NULL;
    }
    return status == log->status ? log->error.text : mu_strerror(status);
}

static void fail(struct rlog_log *log, int status)
{
    if (log->status < 0) {
        return;
    }
    log->status = status;
    (void)mu_fail(&log->error, status, "registry replicated_log: write '%s': %s",
                  log->path, mu_strerror(status));
    log->host->log(log->host, MU_ERROR,
                   "the registry can store nothing until it is opened again",
                   "path=%s error=%s", log->path, mu_strerror(status));
}

static void on_journal_closed(void *arg)
{
    struct rlog_log *log = arg;
    mu_cb closed_cb = log->closed_cb;
    void *closed_arg = log->closed_arg;
    void (*end_cb)(void *owner) = log->end_cb;
    void *owner = log->owner;
    log->gone_cb(log);
    rlog_log_destroy(log);
    if (closed_cb != NULL) {
        closed_cb(closed_arg);
    }
    end_cb(owner);
}

static void close_journal(struct rlog_log *log)
{
    log->is_closing = true;
    log->host->timer_cancel(log->host, log->turn);
    log->turn = NULL;
    log->host->journal_close(log->journal, on_journal_closed, log);
}

static void on_record(void *arg, const void *data, size_t len)
{
    struct replay *r = arg;
    if (r->status == 0) {
        r->status = rlog_state_replay(r->state, data, len, r->err);
    }
}

int rlog_log_open(struct rlog_log *log, struct mu_error *err)
{
    log->path = rlog_storage_path(log->host, log->name);
    log->requests_end = &log->requests;
    log->rewrite_bytes = RLOG_REWRITE_BYTES;
    struct replay r = {.state = &log->state, .err = err};
    int rc =
        log->host->journal_open(log->host, log->path, on_record, &r, &log->journal, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "registry replicated_log");
    }
    if (r.status < 0) {
        close_journal(log);
        return mu_wrap(err, r.status, "registry replicated_log: '%s'", log->path);
    }
    return 0;
}

void rlog_log_destroy(struct rlog_log *log)
{
    rlog_state_release(&log->state);
    free(log->name);
    free(log->path);
    free(log);
}

/* ---- answering, in the order of the requests ---- */

static void tell_fenced(struct rlog_log *log)
{
    for (struct mu_registry_store *s = log->stores; s != NULL; s = s->next) {
        if (s->owes_fenced) {
            s->owes_fenced = false;
            s->events->fenced(s->arg);
        }
    }
}

static void answer_recover(struct rlog_log *log, struct rlog_request *r)
{
    struct mu_registry_store *s = r->store;
    int status = r->status == 0 && log->status < 0 ? log->status : r->status;
    if (status == 0 && (log->writer == NULL || log->writer != s)) {
        status = MU_E_FENCED; /* by one that came meanwhile */
    }
    if (status == 0) {
        tell_fenced(log);
        rlog_map_each(&log->state.map, r->on_entry, r->arg);
        s->is_recovered = true;
    }
    r->done(r->arg, status, text_of(log, status));
}

/* The last request of its store. */
static void answer_close(struct rlog_log *log, struct rlog_request *r)
{
    struct mu_registry_store *s = r->store;
    struct mu_registry_store **at = &log->stores;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    if (log->writer == s) {
        log->writer = NULL;
    }
    free(s);
    if (log->stores == NULL) {
        log->closed_cb = r->closed;
        log->closed_arg = r->arg;
        close_journal(log);
    } else if (r->closed != NULL) {
        r->closed(r->arg);
    }
}

static void on_rewritten(void *arg, int status)
{
    struct rlog_log *log = arg;
    log->is_rewriting = false;
    uint64_t size = log->host->journal_size(log->journal);
    if (status < 0) {
        log->rewrite_bytes = 2 * size; /* not again at once */
        log->host->log(log->host, MU_WARN,
                       "the registry's log could not be rewritten, continuing with it",
                       "path=%s bytes=%" PRIu64 " error=%s", log->path, size,
                       mu_strerror(status));
        return;
    }
    log->rewrite_bytes = RLOG_REWRITE_BYTES;
    log->host->log(log->host, MU_INFO, "the registry's log was rewritten",
                   "path=%s bytes=%" PRIu64, log->path, size);
}

static void maybe_rewrite(struct rlog_log *log)
{
    if (log->is_rewriting || log->is_closing || log->status < 0) {
        return;
    }
    uint64_t size = log->host->journal_size(log->journal);
    if (size <= log->rewrite_bytes ||
        size <= RLOG_REWRITE_FACTOR * log->state.map.live_bytes) {
        return;
    }
    struct rlog_snapshot snapshot;
    rlog_snapshot_init(&snapshot, &log->state);
    int rc = log->host->journal_rewrite(log->journal, snapshot.records, snapshot.count,
                                        on_rewritten, log);
    rlog_snapshot_release(&snapshot);
    log->is_rewriting = rc == 0;
    if (rc < 0) {
        on_rewritten(log, rc);
    }
}

/* Answer all that is ready. The callbacks may make requests; they are not answered in
 * here, since none is ready before a later turn of the loop. */
static void drain(struct rlog_log *log)
{
    struct rlog_request **end = log->requests_end;
    struct rlog_request *r = log->requests;
    while (r != NULL && r->is_ready) {
        bool is_last = &r->next == end;
        log->requests = r->next;
        if (log->requests == NULL) {
            log->requests_end = &log->requests;
        }
        switch (r->kind) {
        case REQUEST_RECOVER:
            answer_recover(log, r);
            break;
        case REQUEST_COMMIT:
            r->done(r->arg, r->status, text_of(log, r->status));
            break;
        case REQUEST_CLOSE:
            answer_close(log, r);
            break;
        }
        free(r);
        r = is_last ? NULL : log->requests;
    }
    maybe_rewrite(log);
}

static void on_durable(void *arg, int status)
{
    struct rlog_request *r = arg;
    struct rlog_log *log = r->store->log;
    r->is_ready = true;
    r->status = status;
    if (status < 0) {
        fail(log, status);
    }
    drain(log);
}

static void on_turn(void *arg)
{
    struct rlog_log *log = arg;
    log->turn = NULL;
    drain(log);
}

/* ---- requests ---- */

static struct rlog_request *
request_create(struct mu_registry_store *s, enum request_kind kind, void *arg)
{
    struct rlog_request *r = rlog_allocate(sizeof(*r));
    r->kind = kind;
    r->store = s;
    r->arg = arg;
    return r;
}

static void enqueue(struct rlog_log *log, struct rlog_request *r)
{
    *log->requests_end = r;
    log->requests_end = &r->next;
}

/* Enqueue a request that waits for the requests before it only. */
static void enqueue_ready(struct rlog_log *log, struct rlog_request *r, int status)
{
    r->is_ready = true;
    r->status = status;
    enqueue(log, r);
    if (log->turn == NULL) {
        log->turn = log->host->timer_start(log->host, 0, on_turn, log);
    }
}

/* Enqueue a request and hand its record to the journal. On failure the request is gone.
 */
static int enqueue_record(struct rlog_log *log,
                          struct rlog_request *r,
                          const struct mu_buf *record,
                          struct mu_error *err)
{
    int rc = log->host->journal_append(log->journal, mu_buf_str(record), record->len,
                                       on_durable, r);
    if (rc == -ENOBUFS) {
        free(r);
        return mu_fail(err, rc,
                       "registry replicated_log: too many changes wait for the disk");
    }
    if (rc < 0) {
        fail(log, rc); /* its callback for what failed first is on its way */
        enqueue_ready(log, r, rc);
        return 0;
    }
    enqueue(log, r);
    return 0;
}

struct mu_registry_store *rlog_store_create(struct rlog_log *log,
                                            const struct mu_registry_events *events,
                                            void *arg)
{
    struct mu_registry_store *s = rlog_allocate(sizeof(*s));
    *s = (struct mu_registry_store){
        .next = log->stores, .log = log, .events = events, .arg = arg};
    log->stores = s;
    return s;
}

int rlog_store_recover(struct mu_registry_store *s,
                       uint64_t epoch,
                       mu_registry_entry_cb on_entry,
                       mu_registry_done_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    struct rlog_log *log = s->log;
    if (s->is_closing) {
        return mu_fail(err, -ECANCELED, "registry replicated_log: the store is closing");
    }
    struct rlog_request *r = request_create(s, REQUEST_RECOVER, arg);
    r->on_entry = on_entry;
    r->done = cb;
    if (log->status < 0 || epoch < log->state.epoch) {
        enqueue_ready(log, r, log->status < 0 ? log->status : MU_E_FENCED);
        return 0;
    }
    struct mu_buf b;
    mu_buf_init(&b, RLOG_EPOCH_BYTES);
    rlog_encode_epoch(&b, epoch);
    int rc = enqueue_record(log, r, &b, err);
    mu_buf_release(&b);
    if (rc < 0) {
        return rc;
    }
    log->state.epoch = epoch;
    if (log->writer != NULL && log->writer != s) {
        log->writer->owes_fenced = log->writer->is_recovered;
    }
    log->writer = s;
    s->is_recovered = false;
    s->owes_fenced = false;
    return 0;
}

static int encode(struct mu_buf *b,
                  uint64_t epoch,
                  const struct mu_registry_op *ops,
                  size_t count,
                  struct mu_error *err)
{
    if (count > UINT32_MAX) {
        return mu_fail(err, -E2BIG, "registry replicated_log: %zu operations", count);
    }
    int rc = mu_registry_check_ops(ops, count, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "registry replicated_log");
    }
    rlog_encode_batch_head(b, epoch, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        rlog_encode_op(b, &ops[i]);
    }
    if (!mu_buf_ok(b)) {
        return mu_fail(err, -E2BIG,
                       "registry replicated_log: a batch of %zu operations is over the "
                       "limit of %u bytes (16 MiB) for one batch",
                       count, MU_JOURNAL_RECORD_MAX);
    }
    return 0;
}

int rlog_store_commit(struct mu_registry_store *s,
                      const struct mu_registry_op *ops,
                      size_t count,
                      mu_registry_done_cb cb,
                      void *arg,
                      struct mu_error *err)
{
    struct rlog_log *log = s->log;
    if (s->is_closing) {
        return mu_fail(err, -ECANCELED, "registry replicated_log: the store is closing");
    }
    if (!s->is_recovered) {
        return mu_fail(err, MU_E_INVALID,
                       "registry replicated_log: commit before recover");
    }
    struct mu_buf b;
    mu_buf_init(&b, MU_JOURNAL_RECORD_MAX);
    int rc = encode(&b, log->state.epoch, ops, count, err);
    if (rc == 0) {
        struct rlog_request *r = request_create(s, REQUEST_COMMIT, arg);
        r->done = cb;
        if (log->status < 0 || log->writer != s) {
            enqueue_ready(log, r, log->status < 0 ? log->status : MU_E_FENCED);
        } else {
            rc = enqueue_record(log, r, &b, err);
            if (rc == 0) {
                rlog_state_apply(&log->state, ops, count);
            }
        }
    }
    mu_buf_release(&b);
    return rc;
}

void rlog_store_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg)
{
    s->is_closing = true;
    struct rlog_request *r = request_create(s, REQUEST_CLOSE, arg);
    r->closed = closed_cb;
    enqueue_ready(s->log, r, 0);
}

void rlog_log_close_stores(struct rlog_log *log)
{
    for (struct mu_registry_store *s = log->stores; s != NULL; s = s->next) {
        if (!s->is_closing) {
            rlog_store_close(s, NULL, NULL);
        }
    }
}
