/* See store.h: the writer's pipeline. */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "zk/alloc.h"

#define RETRY_MS 500u
#define VERSION_MAX (1 << 30) /* far from where ZooKeeper's counter would run over */

static void resolve(struct mu_registry_store *s);

/* ---- questions ---- */

struct zkr_question *zkr_ask(struct mu_registry_store *s,
                             void (*answered)(struct mu_registry_store *s,
                                              struct zkr_item *item,
                                              const struct zks_answer *a),
                             struct zkr_item *item)
{
    struct zkr_question *q = zks_calloc(1, sizeof(*q));
    *q = (struct zkr_question){.store = s,
                               .round = s->round,
                               .item = item,
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
            q->answered(s, q->item, a);
        }
    }
    free(q);
}

bool zkr_is_lost(int rc)
{
    switch (rc) {
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONEXPIRED:
    case ZSESSIONMOVED:
    case ZINVALIDSTATE:
    case ZCLOSING:
        return true;
    default:
        return false;
    }
}

static void on_retry(void *arg)
{
    struct mu_registry_store *s = arg;
    s->retry = NULL;
    zkr_store_resume(s);
}

void zkr_retry_later(struct mu_registry_store *s)
{
    if (s->retry == NULL) {
        s->retry = s->host->timer_start(s->host, RETRY_MS, on_retry, s);
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

static void answer_over(struct mu_registry_store *s)
{
    if (s->phase == ZKR_FENCED) {
        zkr_store_fail_all(s, MU_E_FENCED, "a newer leader writes this registry now");
    } else {
        zkr_store_fail_all(s, -EIO, s->broken);
    }
}

void zkr_store_fence(struct mu_registry_store *s)
{
    s->phase = ZKR_FENCED;
    s->round++;
    s->sent = 0;
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
    s->round++;
    s->sent = 0;
    s->host->log(s->host, MU_ERROR, "the registry cannot be written", "store=%s error=%s",
                 s->name, s->broken);
    answer_over(s);
}

/* ---- sending ---- */

static void unsure(struct mu_registry_store *s)
{
    s->phase = ZKR_UNSURE;
    if (s->sent == 0) {
        resolve(s);
    }
}

static void pump(struct mu_registry_store *s);

static void on_committed(struct mu_registry_store *s,
                         struct zkr_item *item,
                         const struct zks_answer *a)
{
    (void)item;
    s->sent--;
    if (a->rc == ZOK && s->phase == ZKR_OPEN) { /* answers come in the order of asking */
        batch_end(s, 0, NULL);
        if (s->phase == ZKR_OPEN) {
            pump(s);
        }
        return;
    }
    if (a->rc != ZOK && a->rc != ZBADVERSION && !zkr_is_lost(a->rc) &&
        s->broken == NULL) {
        const char *text = zks_error_text(a->rc);
        s->broken = zks_copy(text, strlen(text));
    }
    unsure(s);
}

static void send_batch(struct mu_registry_store *s, struct zkr_batch *b)
{
    char writer[80];
    (void)snprintf(writer, sizeof(writer), "%" PRIu64 " %" PRIu64 " %" PRIu64, s->epoch,
                   b->number, s->taking);
    for (size_t i = 0; i < b->plan.chunk_count; i++) {
        const struct zks_op *op = &b->plan.chunks[i];
        zks_create(
            s->session, op->path, op->data, op->len, 0, zkr_on_answer,
            zkr_ask(s, NULL, NULL)); /* whether it worked is checked with the rest */
    }
    struct zks_op *ops = zks_calloc(b->plan.count + 1, sizeof(*ops));
    size_t first = 1; /* where the plan's own operations go */
    ops[0] = b->plan.ops[0];
    ops[0].version = s->version;
    if (s->version < VERSION_MAX) {
        ops[0].data = writer;
        ops[0].len = strlen(writer);
        s->version++;
    } else { /* made anew, its counter begins again */
        ops[0].kind = ZKS_OP_DELETE;
        ops[1] = (struct zks_op){.kind = ZKS_OP_CREATE,
                                 .path = ops[0].path,
                                 .data = writer,
                                 .len = strlen(writer)};
        first = 2;
        s->version = 0;
    }
    memcpy(ops + first, b->plan.ops + 1, (b->plan.count - 1) * sizeof(*ops));
    b->is_sent = true;
    s->sent++;
    zks_multi(s->session, ops, b->plan.count - 1 + first, zkr_on_answer,
              zkr_ask(s, on_committed, NULL));
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

static void
resolved(struct mu_registry_store *s, const struct zkr_writer *w, int32_t version)
{
    s->host->log(s->host, MU_INFO, "registry: it is known again which changes are in",
                 "store=%s last=%" PRIu64, s->name, w->number);
    uint64_t round = s->round;
    while (s->batches != NULL && s->batches->number <= w->number && s->round == round) {
        batch_end(s, 0, NULL);
    }
    if (s->round != round) {
        return; /* a callback has recovered it anew */
    }
    for (struct zkr_batch *b = s->batches; b != NULL; b = b->next) {
        b->is_sent = false;
    }
    s->version = version;
    s->phase = ZKR_OPEN;
    pump(s);
}

static void on_resolved(struct mu_registry_store *s,
                        struct zkr_item *item,
                        const struct zks_answer *a)
{
    (void)item;
    s->resolving = false;
    struct zkr_writer w;
    struct mu_error err = {.text = ""};
    if (zkr_is_lost(a->rc)) {
        zkr_retry_later(s);
    } else if (a->rc != ZOK || zkr_writer_parse(a->data, a->len, &w, &err) < 0) {
        const char *text = a->rc != ZOK ? zks_error_text(a->rc) : err.text;
        s->broken = zks_copy(text, strlen(text));
        break_down(s);
    } else if (w.epoch != s->epoch || w.taking != s->taking) {
        zkr_store_fence(s);
    } else if (s->broken != NULL) {
        break_down(s);
    } else {
        resolved(s, &w, a->stat.version);
    }
}

static void resolve(struct mu_registry_store *s)
{
    if (s->resolving) {
        return;
    }
    if (!zks_is_ready(s->session)) {
        return; /* resume comes */
    }
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/writer", s->root);
    s->resolving = true;
    zks_get(s->session, path, false, zkr_on_answer, zkr_ask(s, on_resolved, NULL));
}

/* Somebody else in `taken`: the writer's node says for certain. */
static void
on_seen(struct mu_registry_store *s, struct zkr_item *item, const struct zks_answer *a)
{
    (void)item;
    char own[32];
    (void)snprintf(own, sizeof(own), "%" PRIu64, s->taking);
    if (a->rc == ZOK && s->phase == ZKR_OPEN && strcmp(a->data, own) != 0) {
        unsure(s);
    }
}

void zkr_store_watch(struct mu_registry_store *s)
{
    if (s->phase == ZKR_OPEN || s->phase == ZKR_UNSURE) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/taken", s->root);
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
    s->round++;
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

void zkr_store_opened(struct mu_registry_store *s, uint64_t number, int32_t version)
{
    s->phase = ZKR_OPEN;
    s->number = number;
    s->version = version;
    s->sent = 0;
    s->resolving = false;
    free(s->broken);
    s->broken = NULL;
    zkr_store_watch(s);
}

int zkr_store_commit(struct mu_registry_store *s,
                     const struct mu_registry_op *ops,
                     size_t count,
                     mu_registry_done_cb cb,
                     void *arg,
                     struct mu_error *err)
{
    int rc = mu_registry_check_ops(ops, count, err);
    if (rc < 0) {
        return rc;
    }
    if (s->phase == ZKR_IDLE || s->phase == ZKR_RECOVERING) {
        return mu_fail(err, MU_E_INVALID, "registry zk: '%s' is not recovered", s->name);
    }
    if (s->batch_count >= ZKR_BATCHES_MAX || s->bytes > ZKR_BYTES_MAX) {
        return mu_fail(err, MU_E_LIMIT,
                       "registry zk: %zu changes of %zu bytes wait for ZooKeeper already",
                       s->batch_count, s->bytes);
    }
    struct zkr_batch *b = zks_calloc(1, sizeof(*b));
    bool is_over = s->phase == ZKR_FENCED || s->phase == ZKR_BROKEN;
    if (!is_over) {
        char set[ZKR_SET_MAX];
        (void)snprintf(set, sizeof(set), "%" PRIx64 "-%" PRIx64, s->epoch, s->number + 1);
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
