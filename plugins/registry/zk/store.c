/* See store.h: the writer's pipeline. */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "zk/alloc.h"

#define VERSION_MAX (1 << 30) /* far from where ZooKeeper's counter would run over */
#define BEHIND_MAX 40u        /* tries: then it is no delay */
#define TRIES_SUSPECT 3u      /* of a batch: then there is something about it */

static void resolve(struct mu_registry_store *s);

/* ---- questions ---- */

struct zkr_question *zkr_ask(struct mu_registry_store *s,
                             void (*answered)(struct mu_registry_store *s,
                                              void *subject,
                                              const struct zks_answer *a),
                             void *subject)
{
    struct zkr_question *q = zks_calloc(1, sizeof(*q));
    *q = (struct zkr_question){.store = s,
                               .round = s->round,
                               .subject = subject,
                               .answered = answered,
                               .next = s->questions,
                               .at = &s->questions};
    if (q->next != NULL) {
        q->next->at = &q->next;
    }
    s->questions = q;
    return q;
}

void zkr_on_answer(void *question, const struct zks_answer *a)
{
    struct zkr_question *q = question;
    struct mu_registry_store *s = q->store;
    if (s != NULL) {
        *q->at = q->next;
        if (q->next != NULL) {
            q->next->at = q->at;
        }
        if (q->round == s->round && q->answered != NULL) {
            q->answered(s, q->subject, a);
        }
    }
    free(q);
}

bool zkr_is_lost(int rc)
{
    return zks_is_unknown(rc) || rc == ZAUTHFAILED; /* that session is tried again */
}

static void on_retry(void *arg)
{
    struct mu_registry_store *s = arg;
    s->retry = NULL;
    zkr_store_resume(s);
}

void zkr_retry_later(struct mu_registry_store *s, uint64_t delay_ms)
{
    if (s->retry == NULL) {
        s->retry = s->host->timer_start(s->host, delay_ms, on_retry, s);
    }
}

/* ---- batches ---- */

static void batch_end(struct mu_registry_store *s, int status, const char *text)
{
    struct zkr_batch *b = s->batches;
    s->batches = b->next;
    if (s->batches == NULL) {
        s->batches_end = &s->batches;
    }
    s->batch_count--;
    s->bytes -= b->plan.bytes;
    mu_registry_done_cb cb = b->cb;
    void *arg = b->arg;
    zkr_plan_release(&b->plan);
    free(b);
    cb(arg, status, text);
}

void zkr_store_fail_all(struct mu_registry_store *s, int status, const char *text)
{
    size_t count = s->batch_count; /* what a callback adds is not of these */
    while (count-- > 0 && s->batches != NULL) {
        batch_end(s, status, text);
    }
}

void zkr_store_new_round(struct mu_registry_store *s)
{
    s->round++;
    s->sent = 0;
    s->resolving = false;
}

/* Of a store that is FENCED or BROKEN. */
static void answer_over(struct mu_registry_store *s)
{
    size_t count = s->batch_count; /* what a callback adds is not of these */
    while (count-- > 0 && s->batches != NULL) {
        const struct zkr_batch *b = s->batches;
        if (b->number <= s->done) {
            batch_end(s, 0, NULL);
        } else if (s->phase == ZKR_BROKEN) {
            batch_end(s, MU_E_UNKNOWN_OUTCOME, s->broken);
        } else if (b->was_lost) {
            batch_end(s, MU_E_UNKNOWN_OUTCOME,
                      "a newer leader writes this registry now; whether this change came "
                      "before it cannot be told");
        } else {
            batch_end(s, MU_E_FENCED, "a newer leader writes this registry now");
        }
    }
}

static void fence(struct mu_registry_store *s)
{
    s->phase = ZKR_FENCED;
    zkr_store_new_round(s);
    answer_over(s);
    s->events->fenced(s->arg);
}

/* What came after the end. */
static void on_refusal(void *arg)
{
    struct mu_registry_store *s = arg;
    s->refusal = NULL;
    if (s->phase == ZKR_FENCED || s->phase == ZKR_BROKEN) {
        answer_over(s);
    }
}

static void break_down(struct mu_registry_store *s)
{
    s->phase = ZKR_BROKEN;
    zkr_store_new_round(s);
    s->host->log(s->host, MU_ERROR, "the registry cannot be written", "store=%s error=%s",
                 s->name, s->broken);
    answer_over(s);
}

static void break_because(struct mu_registry_store *s, const char *why)
{
    free(s->broken);
    s->broken = zks_copy(why, strlen(why));
    break_down(s);
}

/* ---- sending ---- */

static void unsure(struct mu_registry_store *s)
{
    if (s->phase == ZKR_OPEN && s->batch_count > 0) {
        s->host->log(s->host, MU_INFO,
                     "registry: not all changes were confirmed: looking which are in",
                     "store=%s waiting=%zu", s->name, s->batch_count);
    }
    s->phase = ZKR_UNSURE;
    if (s->sent == 0) {
        resolve(s);
    }
}

static void pump(struct mu_registry_store *s);

/* The first reason counts: what comes behind it fails for its sake. */
static void note_refusal(struct mu_registry_store *s, int rc)
{
    if (rc != ZOK && rc != ZBADVERSION && !zkr_is_lost(rc) && s->broken == NULL) {
        const char *text = zks_error_text(rc);
        s->broken = zks_copy(text, strlen(text));
    }
}

static void
on_committed(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    struct zkr_batch *b = subject;
    s->sent--;
    if (s->phase != ZKR_OPEN && s->phase != ZKR_UNSURE) {
        return; /* a callback has asked for another recovery: it ends the batches */
    }
    s->done = a->rc == ZOK ? b->number : s->done; /* and so are those before it */
    if (a->rc == ZOK && s->phase == ZKR_OPEN) { /* answers come in the order of asking */
        batch_end(s, 0, NULL);
        if (s->phase == ZKR_OPEN) {
            pump(s);
        }
        return;
    }
    b->was_lost |= zkr_is_lost(a->rc) && a->rc != ZINVALIDSTATE;
    note_refusal(s, a->rc);
    unsure(s);
}

static void
on_chunk_written(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    if (a->rc !=
        ZNODEEXISTS) { /* of an earlier try; the batch looks whether it is there */
        note_refusal(s, a->rc);
    }
}

static void send_batch(struct mu_registry_store *s, struct zkr_batch *b)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%" PRIu64, b->number);
    for (size_t i = 0; i < b->plan.chunk_count; i++) {
        const struct zks_op *op = &b->plan.chunks[i];
        zks_create(s->session, op->path, op->data, op->len, 0, zkr_on_answer,
                   zkr_ask(s, on_chunk_written, NULL));
    }
    struct zks_op *ops = zks_calloc(b->plan.count + 1, sizeof(*ops));
    size_t count = 0;
    ops[count] = b->plan.ops[ZKR_PLAN_FENCE];
    ops[count++].version = s->fence;
    struct zks_op last = b->plan.ops[ZKR_PLAN_LAST];
    last.data = number;
    last.len = strlen(number);
    last.version = s->version++;
    if (last.version >= VERSION_MAX) { /* made anew, its counter begins again */
        ops[count++] = (struct zks_op){
            .kind = ZKS_OP_DELETE, .path = last.path, .version = last.version};
        last.kind = ZKS_OP_CREATE;
        s->version = 0;
    }
    ops[count++] = last;
    size_t own = b->plan.count - ZKR_PLAN_OWN;
    memcpy(ops + count, b->plan.ops + ZKR_PLAN_OWN, own * sizeof(*ops));
    b->is_sent = true;
    s->sent++;
    zks_multi(s->session, ops, count + own, zkr_on_answer, zkr_ask(s, on_committed, b));
    free(ops);
}

static void pump(struct mu_registry_store *s)
{
    struct zkr_batch *b = s->batches;
    while (b != NULL && b->is_sent) {
        b = b->next;
    }
    while (b != NULL && s->sent < ZKR_SENT_MAX) {
        send_batch(s, b);
        b = b->next;
    }
}

/* ---- after a lost answer ---- */

/* A batch that takes the connection with it each time would be tried for ever. */
static void look_at_first(struct mu_registry_store *s)
{
    const struct zkr_batch *b = s->batches;
    if (b == NULL || b->number != s->stuck) {
        s->stuck = b == NULL ? 0 : b->number;
        s->tries = 0;
    } else if (++s->tries % 100 == TRIES_SUSPECT) {
        s->host->log(s->host, MU_WARN,
                     "registry: the connection was lost each time that a change was "
                     "sent (is jute.maxbuffer of the ZooKeeper servers below 1 MiB?): "
                     "continuing to try",
                     "store=%s tries=%u bytes=%zu", s->name, s->tries, b->plan.bytes);
    }
}

static void resolved(struct mu_registry_store *s)
{
    s->behind = 0;
    s->done = s->read_number;
    while (s->batches != NULL && s->batches->number <= s->done &&
           s->phase == ZKR_UNSURE) {
        batch_end(s, 0, NULL);
    }
    if (s->phase != ZKR_UNSURE) {
        return; /* a callback has asked for another recovery */
    }
    if (s->broken != NULL) {
        break_down(s);
        return;
    }
    s->host->log(s->host, MU_INFO, "registry: it is known again which changes are in",
                 "store=%s last=%" PRIu64 " to_send=%zu", s->name, s->done,
                 s->batch_count);
    look_at_first(s);
    for (struct zkr_batch *b = s->batches; b != NULL; b = b->next) {
        b->is_sent = false;
    }
    s->version = s->read_version;
    s->phase = ZKR_OPEN;
    pump(s);
}

static bool is_ours(const struct mu_registry_store *s, const struct zkr_fence *f)
{
    return f->epoch == s->epoch && f->taking == s->taking;
}

/* Is that from before what we know for certain? */
static bool is_behind(const struct mu_registry_store *s, const struct zkr_fence *f)
{
    return f->epoch < s->epoch || (is_ours(s, f) && s->read_number < s->done);
}

static void ask_again(struct mu_registry_store *s)
{
    s->behind++;
    if (s->behind > BEHIND_MAX) {
        break_because(s, "ZooKeeper has forgotten changes that it had acknowledged");
        return;
    }
    if (s->behind == 1) {
        s->host->log(s->host, MU_INFO,
                     "registry: this ZooKeeper server is behind: asking it again",
                     "store=%s", s->name);
    }
    zkr_retry_later(s, ZKR_RETRY_MS);
}

/* An answer to the two questions of a resolution. true: it is an answer. */
static bool is_told(struct mu_registry_store *s, const struct zks_answer *a)
{
    if (zkr_is_lost(a->rc)) {
        s->resolving = false;
        zkr_retry_later(s, ZKR_RETRY_MS);
    } else if (a->rc != ZOK) {
        break_because(s, zks_error_text(a->rc));
    }
    return a->rc == ZOK;
}

static void
on_last(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct mu_error err;
    if (s->phase != ZKR_UNSURE || !s->resolving || !is_told(s, a)) {
        return;
    }
    s->read_version = a->stat.version;
    if (zkr_last_parse(a->data, a->len, &s->read_number, &err) < 0) {
        break_because(s, err.text);
    }
}

/* It was read behind `last`: if it is ours, so is what was read there. */
static void
on_fence(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_fence f;
    struct mu_error err;
    if (s->phase != ZKR_UNSURE || !s->resolving || !is_told(s, a)) {
        return; /* another recovery was asked for, or there is no number */
    }
    s->resolving = false;
    if (zkr_fence_parse(a->data, a->len, &f, &err) < 0) {
        break_because(s, err.text);
    } else if (is_behind(s, &f)) {
        ask_again(s);
    } else if (!is_ours(s, &f)) {
        fence(s);
    } else {
        resolved(s);
    }
}

static void resolve(struct mu_registry_store *s)
{
    if (s->resolving || !zks_is_ready(s->session)) {
        return; /* resume comes */
    }
    char path[4096];
    s->resolving = true;
    (void)snprintf(path, sizeof(path), "%s/last", s->root);
    zks_sync(s->session, path, zkr_on_answer, zkr_ask(s, NULL, NULL));
    zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, on_last, NULL));
    (void)snprintf(path, sizeof(path), "%s/fence", s->root);
    zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, on_fence, NULL));
}

/* Somebody else's taking? The resolution says for certain. */
static void
on_seen(struct mu_registry_store *s, void *subject, const struct zks_answer *a)
{
    (void)subject;
    struct zkr_fence f;
    if (a->rc == ZOK && s->phase == ZKR_OPEN &&
        (zkr_fence_parse(a->data, a->len, &f, NULL) < 0 || !is_ours(s, &f))) {
        unsure(s);
    }
}

void zkr_store_watch(struct mu_registry_store *s)
{
    if (s->phase == ZKR_OPEN || s->phase == ZKR_UNSURE) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/fence", s->root);
        /* A server that is behind may not even know the node, and then watches nothing.
         */
        zks_sync(s->session, path, zkr_on_answer, zkr_ask(s, NULL, NULL));
        zks_get(s->session, path, true, zkr_on_answer, zkr_ask(s, on_seen, NULL));
    }
}

void zkr_store_resume(struct mu_registry_store *s)
{
    zkr_store_watch(s);
    if (s->phase == ZKR_RECOVERING) {
        zkr_recovery_resume(s);
    } else if (s->phase == ZKR_UNSURE && s->sent == 0) {
        resolve(s);
    }
}

/* ---- for the plugin ---- */

struct mu_registry_store *zkr_store_create(struct zkr *instance,
                                           const struct mu_host *host,
                                           struct zks *session,
                                           const char *root,
                                           const char *name)
{
    struct mu_registry_store *s = zks_calloc(1, sizeof(*s));
    s->instance = instance;
    s->host = host;
    s->session = session;
    s->name = zks_copy(name, strlen(name));
    s->root = zks_calloc(1, strlen(root) + strlen(name) + 2);
    (void)snprintf(s->root, strlen(root) + strlen(name) + 2, "%s/%s", root, name);
    s->batches_end = &s->batches;
    return s;
}

void zkr_store_destroy(struct mu_registry_store *s)
{
    zkr_store_new_round(s);
    s->host->timer_cancel(s->host, s->retry);
    s->host->timer_cancel(s->host, s->turn);
    s->host->timer_cancel(s->host, s->refusal);
    zkr_recovery_end(s, -ECANCELED, "the store is being closed");
    s->phase = ZKR_IDLE;
    zkr_store_fail_all(s, -ECANCELED, "the store is being closed");
    while (s->questions != NULL) { /* answered to nobody, one day */
        struct zkr_question *q = s->questions;
        s->questions = q->next;
        q->store = NULL;
    }
    zkr_entries_release(&s->entries);
    free(s->broken);
    free(s->name);
    free(s->root);
    free(s);
}

void zkr_store_opened(struct mu_registry_store *s)
{
    s->phase = ZKR_OPEN;
    s->done = s->number;
    s->behind = s->tries = 0;
    s->stuck = 0;
    free(s->broken);
    s->broken = NULL;
    zkr_store_watch(s);
}

/* Reasons to refuse a commit at once. */
static int may_commit(const struct mu_registry_store *s, struct mu_error *err)
{
    if (s->is_closing) {
        return mu_fail(err, -ECANCELED, "registry zk: '%s' is being closed", s->name);
    }
    if (s->phase == ZKR_IDLE || s->phase == ZKR_RECOVERING) {
        return mu_fail(err, MU_E_INVALID, "registry zk: '%s' is not recovered", s->name);
    }
    if (s->batch_count >= ZKR_BATCHES_MAX || s->bytes > ZKR_BYTES_MAX) {
        return mu_fail(err, MU_E_LIMIT,
                       "registry zk: %zu changes with %zu bytes wait for ZooKeeper "
                       "already; at most %u changes or %u bytes may",
                       s->batch_count, s->bytes, ZKR_BATCHES_MAX, ZKR_BYTES_MAX);
    }
    return 0;
}

int zkr_store_commit(struct mu_registry_store *s,
                     const struct mu_registry_op *ops,
                     size_t count,
                     mu_registry_done_cb cb,
                     void *arg,
                     struct mu_error *err)
{
    int rc = mu_registry_check_ops(ops, count, err);
    if (rc == 0) {
        rc = may_commit(s, err);
    }
    if (rc < 0) {
        return rc;
    }
    struct zkr_batch *b = zks_calloc(1, sizeof(*b));
    bool is_over = s->phase == ZKR_FENCED || s->phase == ZKR_BROKEN;
    if (!is_over) {
        char set[ZKR_SET_MAX];
        (void)snprintf(set, sizeof(set), "%" PRIx64 "-%" PRIx64, s->taking,
                       s->number + 1);
        rc = zkr_plan_make(&b->plan, s->root, &s->entries, ops, count, set, err);
    }
    if (rc < 0) {
        free(b);
        return rc;
    }
    b->number = ++s->number;
    b->cb = cb;
    b->arg = arg;
    *s->batches_end = b;
    s->batches_end = &b->next;
    s->batch_count++;
    s->bytes += b->plan.bytes;
    if (is_over && s->refusal == NULL) {
        s->refusal = s->host->timer_start(s->host, 0, on_refusal, s);
    } else if (s->phase == ZKR_OPEN && s->sent < ZKR_SENT_MAX) {
        send_batch(s, b);
    }
    return 0;
}
