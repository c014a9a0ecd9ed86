/* The journal's loop side: the queue of batches (see journal.h).
 *
 * A batch is what one job on the worker does: a group of appends, a rewrite, or the
 * close. They run one after the other in the order of the calls. Frames are laid out in
 * the batch's memory when they are queued and completed (numbers, checksums) by the
 * worker, which alone touches `file` and the running batch until on_batch_done. The first
 * failure is kept: it fails all that waits, in order, and every later append; only a
 * rewrite that failed before it took the file's place is nobody else's matter. A rewrite
 * of a failed journal is its healing: a new file with all that is wanted in it. Appends
 * are taken behind it, and share its fate.
 */
#include "runtime/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/vec.h"
#include "runtime/clock.h"
#include "runtime/journal_file.h"
#include "runtime/journal_format.h"

#define JOURNAL_MAGIC 0x4a524e4cu
#define GROUP_BYTES_MAX                                                                  \
    (8u * 1024 * 1024) /* a single larger record is a group of its own */

#define TIMES_MAX 512u

enum batch_kind { BATCH_APPEND, BATCH_REWRITE, BATCH_CLOSE };

struct ack {
    mu_journal_done_cb cb;
    void *arg;
};

struct batch {
    struct mu_list link;
    enum batch_kind kind;
    uint8_t *data; /* begun frames */
    size_t len, cap;
    MU_VEC(struct ack) acks;
    int status;
    uint64_t took_us;
    bool is_intact; /* a failed rewrite that did not touch the journal */
};

struct mu_journal {
    uint32_t magic;
    uv_loop_t *loop;
    uv_thread_t thread;
    uv_work_t work;
    uv_prepare_t turn;        /* started while something waits and nothing is under way */
    struct journal_file file; /* the worker's while running is set */
    struct batch *running;
    struct mu_list waiting; /* batches */
    size_t queued_bytes;    /* of appends, running and waiting */
    uint64_t size, torn_bytes;
    struct mu_journal_stats stats; /* but for the percentiles */
    uint32_t times_us[TIMES_MAX];  /* of the last groups, the oldest is written over */
    int status;                    /* 0, or what it has failed with */
    bool is_healing;               /* it has, and a rewrite is on its way */
    bool is_closing;
    mu_cb closed_cb;
    void *closed_arg;
};

static void check(const struct mu_journal *j)
{
    MU_ASSERT(j != NULL && j->magic == JOURNAL_MAGIC);
    uv_thread_t self = uv_thread_self();
    MU_ASSERT(uv_thread_equal(&self, &j->thread));
}

static void batch_destroy(struct batch *b)
{
    free(b->data);
    MU_VEC_RELEASE(&b->acks);
    free(b);
}

static struct batch *batch_add(struct mu_journal *j, enum batch_kind kind)
{
    struct batch *b = MU_NEW(struct batch);
    b->kind = kind;
    mu_list_append(&j->waiting, &b->link);
    return b;
}

/* Lay out one record behind the others; there is room for it. */
static void batch_put(struct batch *b, const void *data, size_t len)
{
    journal_frame_begin(JOURNAL_RECORD, (uint32_t)len, b->data + b->len);
    if (len > 0) {
        memcpy(b->data + b->len + JOURNAL_FRAME_BYTES, data, len);
    }
    b->len += JOURNAL_FRAME_BYTES + len;
}

static void batch_reserve(struct batch *b, size_t more)
{
    size_t need = b->len + more;
    if (need > b->cap) {
        b->cap = need > 2 * b->cap ? need : 2 * b->cap;
        b->data = mu_xrealloc(b->data, b->cap);
    }
}

/* Worker thread. */
static void run_batch(uv_work_t *work)
{
    struct mu_journal *j = work->data;
    struct batch *b = j->running;
    uint64_t began_us = rt_clock_now_us();
    switch (b->kind) {
    case BATCH_APPEND:
        b->status = journal_file_append(&j->file, b->data, b->len);
        b->took_us = rt_clock_now_us() - began_us;
        break;
    case BATCH_REWRITE:
        b->status = journal_file_rewrite(&j->file, b->data, b->len, &b->is_intact);
        break;
    case BATCH_CLOSE:
        if (b->status == 0) {
            journal_file_seal(&j->file);
        }
        journal_file_close(&j->file);
        break;
    }
}

static void on_batch_done(uv_work_t *work, int status);

static void start_next(struct mu_journal *j)
{
    MU_ASSERT(j->running == NULL);
    struct mu_list *node = mu_list_pop(&j->waiting);
    if (node == NULL) {
        return;
    }
    j->running = mu_list_entry(node, struct batch, link);
    j->running->status = j->status; /* of a failed journal only the close still runs */
    int rc = uv_queue_work(j->loop, &j->work, run_batch, on_batch_done);
    MU_ASSERT(rc == 0);
}

static void on_turn(uv_prepare_t *turn)
{
    struct mu_journal *j = turn->data;
    (void)uv_prepare_stop(turn); /* always 0 */
    if (j->running == NULL) {
        start_next(j);
    }
}

/* An idle disk is not asked before the loop has run all that is due now: what one turn
 * appends becomes one batch, not one of a single record and another of the rest, and what
 * the turn sends to others goes first. */
static void start_soon(struct mu_journal *j)
{
    if (j->running == NULL) {
        (void)uv_prepare_start(&j->turn, on_turn); /* -EINVAL only without a callback */
    }
}

/* Move all that waits, the close excepted, behind what is done: it fails too. */
static void fail_waiting(struct mu_journal *j, struct mu_list *done)
{
    mu_list_foreach_safe (node, &j->waiting) {
        struct batch *b = mu_list_entry(node, struct batch, link);
        if (b->kind != BATCH_CLOSE) {
            mu_list_remove(&b->link);
            b->status = j->status;
            mu_list_append(done, &b->link);
        }
    }
}

static void on_turn_closed(uv_handle_t *turn)
{
    struct mu_journal *j = turn->data;
    mu_cb cb = j->closed_cb;
    void *arg = j->closed_arg;
    free(j);
    if (cb != NULL) {
        cb(arg);
    }
}

static void finish_close(struct mu_journal *j)
{
    MU_ASSERT(mu_list_empty(&j->waiting));
    j->magic = 0;
    uv_close((uv_handle_t *)&j->turn, on_turn_closed);
}

/* What the end of an append or rewrite means for the journal and for what waits. */
static void settle(struct mu_journal *j, const struct batch *b, struct mu_list *done)
{
    bool is_failed = b->status < 0 && (!b->is_intact || j->status < 0);
    if (is_failed) {
        j->status = b->status;
        fail_waiting(j, done);
    } else if (b->kind == BATCH_REWRITE && b->status == 0) {
        j->status = 0;
    }
    if (b->kind == BATCH_REWRITE || is_failed) {
        j->is_healing = false;
    }
}

static void note_time(struct mu_journal *j, uint64_t took_us)
{
    struct mu_journal_stats *s = &j->stats;
    j->times_us[s->groups % TIMES_MAX] =
        took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
    s->groups++;
    s->last_us = took_us;
    s->max_us = took_us > s->max_us ? took_us : s->max_us;
}

static void on_batch_done(uv_work_t *work, int status)
{
    struct mu_journal *j = work->data;
    check(j);
    MU_ASSERT(status == 0); /* nobody cancels it */
    struct batch *b = j->running;
    j->running = NULL;
    if (b->kind == BATCH_CLOSE) {
        batch_destroy(b);
        finish_close(j);
        return;
    }
    j->size = j->file.end;
    if (b->kind == BATCH_APPEND) {
        note_time(j, b->took_us);
    }
    struct mu_list done;
    mu_list_init(&done);
    mu_list_append(&done, &b->link);
    settle(j, b, &done);
    mu_list_foreach (node, &done) {
        const struct batch *d = mu_list_entry(node, struct batch, link);
        j->queued_bytes -= d->kind == BATCH_APPEND ? d->len : 0;
    }
    /* The disk works on while the callbacks run. They may append or close: j lives until
     * a later turn of the loop. */
    start_next(j);
    struct mu_list *node;
    while ((node = mu_list_pop(&done)) != NULL) {
        b = mu_list_entry(node, struct batch, link);
        for (size_t i = 0; i < b->acks.count; i++) {
            if (b->acks.v[i].cb != NULL) {
                b->acks.v[i].cb(b->acks.v[i].arg, b->status);
            }
        }
        batch_destroy(b);
    }
}

int journal_open(struct uv_loop_s *loop,
                 const char *path,
                 mu_journal_record_cb on_record,
                 void *arg,
                 struct mu_journal **out,
                 struct mu_error *err)
{
    struct journal_file file;
    int rc = journal_file_open(&file, path, on_record, arg, err);
    if (rc < 0) {
        return rc;
    }
    struct mu_journal *j = MU_NEW(struct mu_journal);
    j->magic = JOURNAL_MAGIC;
    j->loop = loop;
    j->thread = uv_thread_self();
    j->work.data = j;
    (void)uv_prepare_init(loop, &j->turn); /* always 0 */
    j->turn.data = j;
    j->file = file;
    j->size = file.end;
    j->torn_bytes = file.torn_bytes;
    mu_list_init(&j->waiting);
    *out = j;
    return 0;
}

static int refuse(const struct mu_journal *j)
{
    if (j->is_closing) {
        return -ECANCELED;
    }
    return j->is_healing ? 0 : j->status;
}

int journal_append(
    struct mu_journal *j, const void *data, size_t len, mu_journal_done_cb cb, void *arg)
{
    check(j);
    int rc = refuse(j);
    if (rc < 0) {
        return rc;
    }
    if (len > MU_JOURNAL_RECORD_MAX) {
        return -E2BIG;
    }
    size_t need = JOURNAL_FRAME_BYTES + len;
    if (need > JOURNAL_QUEUE_MAX - j->queued_bytes) {
        return -ENOBUFS;
    }
    struct batch *b = NULL;
    if (!mu_list_empty(&j->waiting)) {
        b = mu_list_entry(j->waiting.prev, struct batch, link);
    }
    if (b == NULL || b->kind != BATCH_APPEND || b->len + need > GROUP_BYTES_MAX) {
        b = batch_add(j, BATCH_APPEND);
    }
    batch_reserve(b, need);
    batch_put(b, data, len);
    j->queued_bytes += need;
    struct ack ack = {cb, arg};
    MU_VEC_PUSH(&b->acks, ack);
    start_soon(j);
    return 0;
}

int journal_rewrite(struct mu_journal *j,
                    const struct mu_slice *records,
                    size_t count,
                    mu_journal_done_cb cb,
                    void *arg)
{
    check(j);
    if (j->is_closing) {
        return -ECANCELED;
    }
    size_t need = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].len > MU_JOURNAL_RECORD_MAX) {
            return -E2BIG;
        }
        if (need > SIZE_MAX / 2 - records[i].len - JOURNAL_FRAME_BYTES) {
            return -ENOMEM;
        }
        need += JOURNAL_FRAME_BYTES + records[i].len;
    }
    uint8_t *data = malloc(need > 0 ? need : 1);
    if (data == NULL) {
        return -ENOMEM;
    }
    struct batch *b = batch_add(j, BATCH_REWRITE);
    b->data = data;
    b->cap = need;
    for (size_t i = 0; i < count; i++) {
        batch_put(b, records[i].data, records[i].len);
    }
    struct ack ack = {cb, arg};
    MU_VEC_PUSH(&b->acks, ack);
    j->is_healing = j->status < 0;
    start_soon(j);
    return 0;
}

uint64_t journal_size(const struct mu_journal *j)
{
    check(j);
    return j->size;
}

uint64_t journal_torn_bytes(const struct mu_journal *j)
{
    check(j);
    return j->torn_bytes;
}

static int compare_times(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void journal_stats(const struct mu_journal *j, struct mu_journal_stats *out)
{
    check(j);
    MU_PRE(out->struct_size >= sizeof(*out));
    uint32_t sorted[TIMES_MAX];
    size_t count = j->stats.groups < TIMES_MAX ? (size_t)j->stats.groups : TIMES_MAX;
    *out = j->stats;
    out->struct_size = sizeof(*out);
    if (count == 0) {
        return;
    }
    memcpy(sorted, j->times_us, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_times);
    out->p50_us = sorted[(count - 1) * 50 / 100];
    out->p90_us = sorted[(count - 1) * 90 / 100];
    out->p99_us = sorted[(count - 1) * 99 / 100];
}

void journal_close(struct mu_journal *j, mu_cb closed_cb, void *arg)
{
    check(j);
    MU_PRE(!j->is_closing);
    j->is_closing = true;
    j->closed_cb = closed_cb;
    j->closed_arg = arg;
    (void)batch_add(j, BATCH_CLOSE);
    start_soon(j);
}
