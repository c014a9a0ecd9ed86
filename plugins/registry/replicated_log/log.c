/* See log.h. The driver of the machine comes first, the requests behind it. */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "health.h"
#include "storage.h"

/* By then the session in ZooKeeper of one that has died is over: it is not listed. */
#define CUT_OFF_ROUNDS 4u

struct mu_registry_store {
    struct mu_registry_store *next;
    struct rlog_log *log;
    const struct mu_registry_events *events;
    void *arg;
    uint64_t epoch;
    uint64_t recovery; /* token of the last one: an earlier one gives no right to write */
    bool is_recovered; /* has been the writer */
    bool owes_fenced;
    bool is_closing;
};

enum request_kind { REQUEST_RECOVER, REQUEST_COMMIT, REQUEST_CLOSE };

struct rlog_request {
    struct rlog_request *next;
    enum request_kind kind;
    struct mu_registry_store *store;
    uint64_t token; /* of a recovery or a commit */
    bool is_started, is_ready;
    int status;
    char *text; /* NULL: that of the status */
    mu_registry_entry_cb on_entry;
    mu_registry_done_cb done;
    mu_cb closed;
    void *arg;
};

struct replay {
    struct paxos *machine;
    int status;
    struct mu_error *err;
};

struct rewrite {
    struct rlog_log *log;
    bool is_needed;
};

static void step(struct rlog_log *log, struct paxos_event *ev);
static void drain(struct rlog_log *log);
static void on_turn(void *arg);

static void answer_later(struct rlog_log *log)
{
    if (log->turn == NULL) {
        log->turn = log->host->timer_start(log->host, 0, on_turn, log);
    }
}

/* The same, if there may be something. */
static void drain_later(struct rlog_log *log)
{
    if (!log->is_closing &&
        (log->requests != NULL || log->stores != NULL || log->status < 0)) {
        answer_later(log);
    }
}

/* ---- the machine's world ---- */

static void on_durable(void *arg, int status)
{
    struct rlog_log *log = arg;
    struct paxos_event ev = {.type = PAXOS_EV_DURABLE, .status = status};
    step(log, &ev);
    drain(log);
}

static void on_rewritten(void *arg, int status)
{
    struct rewrite *r = arg;
    struct rlog_log *log = r->log;
    bool is_needed = r->is_needed;
    free(r);
    log->host->log(log->host, status < 0 ? MU_WARN : MU_INFO,
                   status < 0 ? "the registry's log could not be rewritten"
                              : "the registry's log was rewritten",
                   "path=%s bytes=%" PRIu64 " error=%s", log->path,
                   log->host->journal_size(log->journal),
                   status < 0 ? mu_strerror(status) : "none");
    on_durable(log, is_needed ? status : 0);
}

/* why: the machine's own words, or NULL: the disk has refused. */
static void note_failure(struct rlog_log *log, int status, const char *why)
{
    if (log->status != 0) {
        return;
    }
    log->status = status;
    if (why != NULL) {
        (void)mu_fail(&log->error, status, "registry replicated_log: %s (%s)", why,
                      log->path);
    } else {
        (void)mu_fail(&log->error, status, "registry replicated_log: write '%s': %s",
                      log->path, mu_strerror(status));
    }
}

/* The journal takes nothing more: as if it had failed later. The machine is told behind
 * the step; what it would store until then is dropped, as it must not be durable without
 * what is missing before it. */
static void fail_journal(struct rlog_log *log, int status)
{
    note_failure(log, status, NULL);
    answer_later(log);
}

static void store(struct rlog_log *log, const struct paxos_effect *fx)
{
    if (log->status < 0) {
        return;
    }
    int rc = log->host->journal_append(log->journal, mu_buf_str(&fx->bytes),
                                       fx->bytes.len, on_durable, log);
    if (rc < 0) {
        fail_journal(log, rc);
    }
}

static void rewrite(struct rlog_log *log, const struct paxos_effect *fx)
{
    if (log->status < 0) {
        return;
    }
    struct rlog_snapshot s;
    struct rewrite *r = rlog_allocate(sizeof(*r));
    *r = (struct rewrite){log, fx->is_needed};
    paxos_snapshot(log->machine, &s);
    int rc =
        log->host->journal_rewrite(log->journal, s.records, s.count, on_rewritten, r);
    rlog_snapshot_release(&s);
    if (rc < 0) {
        free(r);
        fail_journal(log, rc);
    }
}

static void finish(struct rlog_log *log, const struct paxos_effect *fx)
{
    struct rlog_request *r = log->requests;
    while (r != NULL && r->token != fx->token) {
        r = r->next;
    }
    if (r == NULL) {
        return;
    }
    r->is_ready = true;
    r->status = fx->status;
    if (fx->text != NULL) {
        size_t size = strlen(fx->text) + 1;
        r->text = memcpy(rlog_allocate(size), fx->text, size);
    }
}

static void apply(struct rlog_log *log, const struct paxos_effect *fx)
{
    switch ((enum paxos_effect_type)fx->type) {
    case PAXOS_FX_SEND:
        if (log->links != NULL) {
            rlog_links_send(log->links, fx->peer, mu_buf_str(&fx->bytes), fx->bytes.len);
        }
        break;
    case PAXOS_FX_STORE:
        store(log, fx);
        break;
    case PAXOS_FX_REWRITE:
        rewrite(log, fx);
        break;
    case PAXOS_FX_LED:
    case PAXOS_FX_DONE:
        finish(log, fx);
        break;
    case PAXOS_FX_FENCED:
        if (log->writer != NULL && log->writer->is_recovered) {
            log->writer->owes_fenced = true;
        }
        log->writer = NULL;
        break;
    case PAXOS_FX_LOG:
        if (log->is_opening && fx->level == MU_ERROR) {
            break; /* the error of the open: who tries again and again tells it */
        }
        log->host->log(log->host, fx->level, "replicated log", "log=%s what=%s",
                       log->name, fx->text);
        break;
    }
}

static void on_deadline(void *arg)
{
    struct rlog_log *log = arg;
    log->deadline = NULL;
    rlog_health_publish(log);
    struct paxos_event ev = {.type = PAXOS_EV_TICK};
    step(log, &ev);
    drain(log);
}

static void arm(struct rlog_log *log, uint64_t now_ms)
{
    uint64_t at = paxos_deadline_ms(log->machine);
    if (log->deadline != NULL && at == log->deadline_ms) {
        return;
    }
    log->host->timer_cancel(log->host, log->deadline);
    log->deadline = NULL;
    log->deadline_ms = at;
    if (at != UINT64_MAX && !log->is_closing) {
        log->deadline = log->host->timer_start(log->host, at > now_ms ? at - now_ms : 0,
                                               on_deadline, log);
    }
}

/* The machine has failed in this step. When it was not told of a failure of the disk, it
 * says itself what is wrong with the log. */
static void note_own_failure(struct rlog_log *log,
                             const struct paxos_event *ev,
                             const struct paxos_effects *fx,
                             int status)
{
    const char *why = NULL;
    for (size_t i = 0; i < fx->count && ev->type != PAXOS_EV_DURABLE; i++) {
        if (fx->v[i].type == PAXOS_FX_LOG && fx->v[i].level == MU_ERROR) {
            why = fx->v[i].text;
        }
    }
    note_failure(log, status, why);
}

/* Returns the failure of the machine; 0: none. */
static int step_once(struct rlog_log *log, const struct paxos_event *ev)
{
    struct paxos_effects fx = {0};
    struct paxos_view v;
    paxos_step(log->machine, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        apply(log, &fx.v[i]);
    }
    paxos_view(log->machine, &v);
    if (v.failed != 0) {
        note_own_failure(log, ev, &fx, v.failed);
    }
    paxos_effects_release(&fx);
    return v.failed;
}

/* Nothing that is called in here calls back before it returns. */
static void step(struct rlog_log *log, struct paxos_event *ev)
{
    if (log->is_closing) {
        return;
    }
    ev->now_ms = log->host->now_ms(log->host);
    if (step_once(log, ev) == 0 && log->status < 0) {
        /* the journal has refused: it fails what waits for it */
        const struct paxos_event failed = {
            .type = PAXOS_EV_DURABLE, .now_ms = ev->now_ms, .status = log->status};
        (void)step_once(log, &failed); /* that failure is known */
    }
    arm(log, ev->now_ms);
}

/* ---- links ---- */

/* These two come while links.c walks its lists: what is ready is answered, and a log that
 * ends is closed, on a turn of their own. */
static void on_up(void *arg, uint64_t id, const char *address)
{
    struct paxos_event ev = {.type = PAXOS_EV_PEER_UP, .peer = id, .address = address};
    step(arg, &ev);
    drain_later(arg);
}

static void on_down(void *arg, uint64_t id)
{
    struct paxos_event ev = {.type = PAXOS_EV_PEER_DOWN, .peer = id};
    step(arg, &ev);
    drain_later(arg);
}

static void on_known(void *arg)
{
    struct rlog_log *log = arg;
    struct paxos_event ev = {.type = PAXOS_EV_KNOWN,
                             .count = rlog_links_known(log->links)};
    step(log, &ev);
    drain_later(log);
}

void rlog_log_set_peers(struct rlog_log *log, const char *const *addresses, size_t count)
{
    if (log->links != NULL && !log->is_closing) {
        rlog_links_set(log->links, addresses, count);
        on_known(log);
    }
}

static void on_message(void *arg, uint64_t id, const void *data, size_t len)
{
    struct paxos_event ev = {
        .type = PAXOS_EV_MESSAGE, .peer = id, .data = data, .len = len};
    step(arg, &ev);
    drain(arg);
}

/* ---- life ---- */

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

static void on_links_closed(void *arg)
{
    struct rlog_log *log = arg;
    log->links = NULL;
    log->host->journal_close(log->journal, on_journal_closed, log);
}

static void begin_close(struct rlog_log *log)
{
    log->is_closing = true;
    rlog_health_retract(log);
    log->host->timer_cancel(log->host, log->turn);
    log->host->timer_cancel(log->host, log->deadline);
    log->turn = log->deadline = NULL;
    if (log->links != NULL) {
        rlog_links_close(log->links, on_links_closed, log);
    } else {
        on_links_closed(log);
    }
}

static void on_record(void *arg, const void *data, size_t len)
{
    struct replay *r = arg;
    if (r->status == 0) {
        r->status = paxos_replay(r->machine, data, len, r->err);
    }
}

static void create_machine(struct rlog_log *log)
{
    const char *address =
        log->host->master_address == NULL ? NULL : log->host->master_address(log->host);
    uint64_t id = log->host->random(log->host);
    const struct paxos_config cfg = {.id = id == 0 ? 1 : id,
                                     .address = address == NULL ? "" : address,
                                     .quorum = log->quorum,
                                     .seed = log->host->random(log->host)};
    log->machine = paxos_create(&cfg);
}

static void create_links(struct rlog_log *log)
{
    struct paxos_view v;
    paxos_view(log->machine, &v);
    const struct rlog_links_config cfg = {.host = log->host,
                                          .name = log->name,
                                          .id = v.id,
                                          .up = on_up,
                                          .down = on_down,
                                          .known = on_known,
                                          .message = on_message,
                                          .arg = log};
    log->links = rlog_links_create(&cfg);
}

int rlog_log_open(struct rlog_log *log, struct mu_error *err)
{
    log->path = rlog_storage_path(log->host->work_dir(log->host), log->name);
    log->requests_end = &log->requests;
    create_machine(log);
    struct replay r = {.machine = log->machine, .err = err};
    int rc =
        log->host->journal_open(log->host, log->path, on_record, &r, &log->journal, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "registry replicated_log");
    }
    if (r.status < 0) {
        begin_close(log);
        return mu_wrap(err, r.status, "registry replicated_log: '%s'", log->path);
    }
    if (log->is_replicated) {
        create_links(log);
    }
    struct paxos_event ev = {.type = PAXOS_EV_START};
    log->is_opening = true;
    step(log, &ev);
    log->is_opening = false;
    rlog_health_publish(log);
    if (log->status < 0) { /* it can be read, and is none for this master */
        begin_close(log);
        return mu_fail(err, log->status, "%s", log->error.text);
    }
    return 0;
}

void rlog_log_destroy(struct rlog_log *log)
{
    paxos_destroy(log->machine);
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

static const char *text_of(const struct rlog_log *log, const struct rlog_request *r)
{
    if (r->status == 0) {
        return NULL;
    }
    if (r->text != NULL) {
        return r->text;
    }
    return r->status == log->status ? log->error.text : mu_strerror(r->status);
}

static void answer_recover(struct rlog_log *log, struct rlog_request *r)
{
    struct mu_registry_store *s = r->store;
    bool is_last = s->recovery == r->token;
    if (r->status == 0 && (log->writer != s || !is_last)) {
        r->status = MU_E_FENCED; /* by one that came meanwhile */
    }
    if (r->status == 0) {
        struct paxos_view v;
        paxos_view(log->machine, &v);
        tell_fenced(log);
        rlog_map_each(&v.state->map, r->on_entry, r->arg);
        s->is_recovered = true;
    } else if (log->writer == s && is_last) {
        log->writer = NULL;
    }
    r->done(r->arg, r->status, text_of(log, r));
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
        struct paxos_event ev = {.type = PAXOS_EV_RESIGN};
        step(log, &ev);
    }
    free(s);
    bool ends = log->stores == NULL && (!log->is_replicated || log->status < 0);
    if (ends) {
        log->closed_cb = r->closed;
        log->closed_arg = r->arg;
        begin_close(log);
    } else if (r->closed != NULL) {
        r->closed(r->arg);
    }
}

static void start_recovery(struct rlog_log *log, struct rlog_request *r)
{
    r->is_started = true;
    if (log->status < 0 || r->store->is_closing) { /* without a quorum it never ends */
        r->is_ready = true;
        r->status = log->status < 0 ? log->status : -ECANCELED;
        answer_later(log);
        return;
    }
    struct paxos_event ev = {
        .type = PAXOS_EV_LEAD, .epoch = r->store->epoch, .token = r->token};
    step(log, &ev);
    answer_later(log);
}

static void answer(struct rlog_log *log, struct rlog_request *r)
{
    switch (r->kind) {
    case REQUEST_RECOVER:
        answer_recover(log, r);
        break;
    case REQUEST_COMMIT:
        r->done(r->arg, r->status, text_of(log, r));
        break;
    case REQUEST_CLOSE:
        answer_close(log, r);
        break;
    }
    free(r->text);
    free(r);
}

/* This master cannot write, another may: it must not hold the leadership while it waits
 * for room, or for the others. */
static void give_up_writing(struct rlog_log *log)
{
    if (log->writer != NULL && log->is_replicated) {
        log->writer->owes_fenced = log->writer->is_recovered;
        log->writer = NULL;
    }
}

/* Answer all that is ready. The callbacks may make requests; those are answered on a
 * later turn. */
static void drain(struct rlog_log *log)
{
    if (log->is_stepping) {
        return;
    }
    log->is_stepping = true;
    struct rlog_request **end = log->requests_end;
    struct rlog_request *r = log->requests;
    while (r != NULL && r->is_ready) {
        bool is_last = &r->next == end;
        bool is_end = r->kind == REQUEST_CLOSE;
        log->requests = r->next;
        if (log->requests == NULL) {
            log->requests_end = &log->requests;
        }
        answer(log, r);
        if (is_end && log->is_closing) {
            log->is_stepping = false;
            return;
        }
        r = is_last ? NULL : log->requests;
    }
    if (log->requests != NULL && log->requests->kind == REQUEST_RECOVER &&
        !log->requests->is_started) {
        start_recovery(log, log->requests);
    }
    if (log->requests != NULL && log->requests->is_ready) {
        answer_later(log);
    }
    if (log->status < 0) {
        give_up_writing(log);
    }
    tell_fenced(log);
    log->is_stepping = false;
    if (log->status < 0 && log->stores == NULL && log->is_replicated &&
        !log->is_closing) {
        begin_close(log);
    }
}

/* What the journal has not taken is over, and all that came behind it. */
static void fail_requests(struct rlog_log *log)
{
    for (struct rlog_request *r = log->requests; r != NULL; r = r->next) {
        if (r->kind != REQUEST_CLOSE && !r->is_ready) {
            r->is_ready = true;
            r->status = log->status;
        }
    }
}

static void on_turn(void *arg)
{
    struct rlog_log *log = arg;
    log->turn = NULL;
    if (log->status < 0) {
        fail_requests(log);
    }
    drain(log);
}

void rlog_log_check_quorum(struct rlog_log *log, size_t listed)
{
    struct paxos_view v;
    paxos_view(log->machine, &v);
    size_t reachable = v.members->count > 0 ? v.reachable_members : v.reachable;
    bool is_cut_off =
        log->writer != NULL && reachable < log->quorum && listed >= log->quorum;
    log->cut_off_rounds = is_cut_off ? log->cut_off_rounds + 1 : 0;
    if (log->cut_off_rounds < CUT_OFF_ROUNDS || log->is_closing) {
        return;
    }
    log->cut_off_rounds = 0;
    log->host->log(log->host, MU_WARN,
                   "this master leads and cannot reach those who keep the log with it: "
                   "it makes way for one that may",
                   "log=%s reachable=%zu quorum=%" PRIu32, log->name, reachable,
                   log->quorum);
    struct paxos_event ev = {.type = PAXOS_EV_RESIGN};
    step(log, &ev);
    give_up_writing(log);
    answer_later(log);
}

/* ---- requests ---- */

static struct rlog_request *
request(struct mu_registry_store *s, enum request_kind kind, void *arg)
{
    struct rlog_log *log = s->log;
    struct rlog_request *r = rlog_allocate(sizeof(*r));
    *r = (struct rlog_request){
        .kind = kind, .store = s, .arg = arg, .token = ++log->last_token};
    *log->requests_end = r;
    log->requests_end = &r->next;
    return r;
}

static void answer_at_once(struct rlog_log *log, struct rlog_request *r, int status)
{
    r->is_ready = true;
    r->status = status;
    answer_later(log);
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
    struct rlog_request *r = request(s, REQUEST_RECOVER, arg);
    r->on_entry = on_entry;
    r->done = cb;
    struct paxos_view v;
    paxos_view(log->machine, &v);
    if (epoch < v.epoch) {
        answer_at_once(log, r, MU_E_FENCED);
        return 0;
    }
    if (log->writer != NULL && log->writer != s) {
        log->writer->owes_fenced = log->writer->is_recovered;
    }
    log->writer = s;
    s->recovery = r->token;
    s->epoch = epoch;
    s->is_recovered = false;
    s->owes_fenced = false;
    if (!v.leads || log->requests == r) {
        start_recovery(log, r);
    } else {
        answer_later(log); /* its turn comes when those before it are answered */
    }
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
                       "limit of %u bytes (16 MiB with what stands around it) for one "
                       "batch",
                       count, RLOG_BATCH_MAX);
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
    mu_buf_init(&b, RLOG_BATCH_MAX);
    int rc = encode(&b, s->epoch, ops, count, err);
    if (rc == 0) {
        struct rlog_request *r = request(s, REQUEST_COMMIT, arg);
        r->done = cb;
        if (log->status < 0 || log->writer != s) {
            answer_at_once(log, r, log->status < 0 ? log->status : MU_E_FENCED);
        } else {
            struct paxos_event ev = {.type = PAXOS_EV_APPEND,
                                     .data = mu_buf_str(&b),
                                     .len = b.len,
                                     .token = r->token};
            step(log, &ev);
            if (log->requests->is_ready) {
                answer_later(log);
            }
        }
    }
    mu_buf_release(&b);
    return rc;
}

void rlog_store_close(struct mu_registry_store *s, mu_cb closed_cb, void *arg)
{
    struct rlog_log *log = s->log;
    s->is_closing = true;
    if (log->writer == s && log->quorum > 1) { /* what waits may wait for ever */
        struct paxos_event ev = {.type = PAXOS_EV_RESIGN};
        step(log, &ev);
    }
    struct rlog_request *r = request(s, REQUEST_CLOSE, arg);
    r->closed = closed_cb;
    answer_at_once(log, r, 0);
}

void rlog_log_stop(struct rlog_log *log)
{
    log->is_replicated = false; /* it ends with its last store now */
    bool has_stores = log->stores != NULL;
    for (struct mu_registry_store *s = log->stores; s != NULL; s = s->next) {
        if (!s->is_closing) {
            rlog_store_close(s, NULL, NULL);
        }
    }
    if (!has_stores && !log->is_closing) {
        begin_close(log);
    }
}
