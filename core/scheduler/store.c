/* Commits. What changes a command is one commit of its own, and so is each launch; all
 * other changes of a step go together, must succeed, and are tried again until they do:
 * then they are built anew from what is true by then.
 *
 * Acknowledgements and kills hang on their items: an update is acknowledged when its
 * consequence is durable, a KILL is sent when the decision is.
 *
 * A commit that was fenced, or whose outcome is unknown, ends the reign: the registry may
 * hold what memory does not. Commands are looked at against memory, and one that changes
 * nothing there is answered without a commit: it could promise what the next leader does
 * not find. (core/master/recovery.c does the same.)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

#define STORE_WHY_MAX 4096u

static struct store_item *add(struct store_items *items, uint32_t kind)
{
    MU_VEC_PUSH_ZERO(items);
    struct store_item *i = &items->v[items->count - 1];
    i->kind = kind;
    return i;
}

/* One item per task and step, unless both want to acknowledge. */
static struct store_item *task_item(struct scheduler *s, struct sched_task *t, bool ack)
{
    if (t->in_batch != 0 && !(ack && s->batch.v[t->in_batch - 1].acknowledge)) {
        return &s->batch.v[t->in_batch - 1];
    }
    struct store_item *i = add(&s->batch, STORE_TASK);
    i->task_id = t->id;
    t->in_batch = s->batch.count;
    return i;
}

void store_task(struct scheduler *s, struct sched_task *t, bool kill)
{
    struct store_item *i = task_item(s, t, false);
    i->kill = i->kill || kill;
}

void store_task_update(struct scheduler *s,
                       struct sched_task *t,
                       const struct mu_task_status *st)
{
    bool ack = !MU_ID_EMPTY(st->uuid);
    struct store_item *i = task_item(s, t, ack);
    if (ack) {
        i->acknowledge = true;
        i->agent_id = st->agent_id;
        i->uuid = st->uuid;
        t->storing_uuid = st->uuid;
    }
}

void store_version_removal(struct scheduler *s, const struct mu_app *version)
{
    struct store_item *i = add(&s->batch, STORE_VERSION_REMOVAL);
    i->app_id = mu_xstrdup(version->id);
    i->version_ms = version->version_ms;
}

void store_failure(struct scheduler *s, const char *app_id)
{
    add(&s->batch, STORE_FAILURE)->app_id = mu_xstrdup(app_id);
}

void store_delay(struct scheduler *s, const char *app_id)
{
    add(&s->batch, STORE_DELAY)->app_id = mu_xstrdup(app_id);
}

void store_deployment_end(struct scheduler *s, const struct mu_uuid *id)
{
    add(&s->batch, STORE_DEPLOYMENT_END)->uuid = *id;
}

void store_framework(struct scheduler *s)
{
    (void)add(&s->batch, STORE_FRAMEWORK);
}

static void
record_item(struct scheduler *s, struct store_item *i, struct record_list *out)
{
    switch ((enum store_item_kind)i->kind) {
    case STORE_TASK: {
        const struct sched_task *t = task_get(s, i->task_id.s);
        i->removes = t == NULL || t->phase == TASK_ENDED;
        if (!i->removes) {
            record_task(out, t);
        } else {
            record_task_removal(out, &i->task_id);
        }
        return;
    }
    case STORE_FAILURE: {
        const struct sched_app *a = app_get(s, i->app_id);
        if (a != NULL && a->failure != NULL && a->def != NULL) {
            record_failure(out, a->failure);
        } else {
            record_failure_removal(out, i->app_id);
        }
        return;
    }
    case STORE_DELAY: {
        const struct sched_app *a = app_get(s, i->app_id);
        if (a != NULL && a->def != NULL && a->launch.is_recorded) {
            record_delay(out, a);
        } else {
            record_delay_removal(out, i->app_id);
        }
        return;
    }
    case STORE_DEPLOYMENT_END: {
        const struct deployment *d = deploy_get(s, i->uuid.s);
        if (d != NULL) {
            record_deployment_end(s, out, d);
        } else {
            record_deployment_removal(out, &i->uuid);
        }
        return;
    }
    case STORE_VERSION_REMOVAL: {
        struct mu_app *stub = mu_app_create(); /* what the key needs */
        stub->id = mu_xstrdup(i->app_id);
        stub->version_ms = i->version_ms;
        record_version(out, stub, true);
        mu_app_unref(stub);
        return;
    }
    case STORE_FRAMEWORK:
        record_framework(out, &s->framework_id);
        return;
    }
}

struct store_op *store_commit(struct scheduler *s, struct record_list *records)
{
    struct store_op *op = MU_NEW(struct store_op);
    op->token = s->next_token++;
    op->sent_ms = s->now.mono_ms;
    mu_list_append(&s->ops, &op->link);
    if (!mu_heap_has(&s->slow_timer.node)) {
        timer_set(s, &s->slow_timer, later_ms(op->sent_ms, SCHED_STORE_SLOW_MS));
    }
    struct scheduler_effect *fx = emit(s, SCHED_FX_COMMIT);
    fx->token = op->token;
    fx->records = records->v;
    fx->record_count = records->count;
    *records = (struct record_list){0};
    return op;
}

void store_flush(struct scheduler *s)
{
    if (s->batch.count == 0) {
        return;
    }
    struct record_list records = {0};
    for (size_t i = 0; i < s->batch.count; i++) {
        struct store_item *item = &s->batch.v[i];
        record_item(s, item, &records);
        struct sched_task *t =
            item->kind == STORE_TASK ? task_get(s, item->task_id.s) : NULL;
        if (t != NULL) {
            t->in_batch = 0;
        }
    }
    store_commit(s, &records)->items = s->batch;
    s->batch = (struct store_items){0};
}

static void item_done(struct scheduler *s, const struct store_item *i)
{
    if (i->kind == STORE_DEPLOYMENT_END) {
        deploy_ended(s, &i->uuid);
        return;
    }
    if (i->kind == STORE_FRAMEWORK) {
        s->framework_stored = !MU_ID_EMPTY(s->framework_id);
        s->new_work = true; /* launches had to wait for this */
        return;
    }
    if (i->kind != STORE_TASK) {
        return;
    }
    if (i->acknowledge) {
        task_send_acknowledge(s, &i->agent_id, &i->task_id, &i->uuid);
    }
    struct sched_task *t = task_get(s, i->task_id.s);
    if (t == NULL) {
        return;
    }
    if (i->acknowledge && strcmp(t->storing_uuid.s, i->uuid.s) == 0) {
        t->storing_uuid = (struct mu_uuid){0};
    }
    if (t->phase == TASK_ENDED) {
        if (i->removes) {
            task_free(s, t);
        }
    } else if (i->kill && t->killing) {
        t->kill_stored = true;
        task_send_kill(s, t);
        task_touch(s, t);
    }
}

static void items_release(struct store_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        free(items->v[i].app_id);
    }
    MU_VEC_RELEASE(items);
}

static void items_committed(struct scheduler *s,
                            struct store_items *items,
                            int status,
                            const char *text)
{
    if (status < 0 && items->count > 0) {
        emit_log(s, MU_WARN, "registry could not store, trying again: %s", text);
        for (size_t i = 0; i < items->count; i++) {
            MU_VEC_PUSH(&s->again, items->v[i]);
            items->v[i].app_id = NULL;
        }
        timer_set(s, &s->store_timer, later_ms(s->now.mono_ms, SCHED_STORE_RETRY_MS));
        return;
    }
    for (size_t i = 0; i < items->count; i++) {
        item_done(s, &items->v[i]);
    }
}

void store_retry(struct scheduler *s)
{
    for (size_t i = 0; i < s->again.count; i++) {
        MU_VEC_PUSH(&s->batch, s->again.v[i]);
    }
    MU_VEC_CLEAR(&s->again);
}

/* ---- a registry that does not answer ---- */

static const struct store_op *oldest_op(const struct scheduler *s)
{
    const struct mu_list *first = mu_list_first(&s->ops);
    return first != NULL ? mu_list_entry(first, struct store_op, link) : NULL;
}

static uint64_t age_of(const struct store_op *op, uint64_t now_ms)
{
    return op != NULL && now_ms > op->sent_ms ? now_ms - op->sent_ms : 0;
}

uint64_t store_slow_ms(const struct scheduler *s, uint64_t now_ms)
{
    uint64_t age_ms = age_of(oldest_op(s), now_ms);
    return age_ms >= SCHED_STORE_SLOW_MS ? age_ms : 0;
}

void store_explain(const struct scheduler *s, struct mu_buf *out)
{
    struct mu_buf why;
    mu_buf_init(&why, STORE_WHY_MAX);
    if (s->cfg.explain_registry != NULL) {
        s->cfg.explain_registry(s->cfg.explain_arg, &why);
    }
    if (why.len > 0) {
        mu_buf_printf(out, ": %s", mu_buf_str(&why));
    }
    mu_buf_release(&why);
}

void store_put_slow(const struct scheduler *s, uint64_t now_ms, struct mu_buf *out)
{
    mu_buf_printf(out, "the registry has not answered for %" PRIu64 " s",
                  store_slow_ms(s, now_ms) / 1000);
    store_explain(s, out);
}

/* Everything that must be durable first waits without a limit: to act without the record
 * would be worse. So it is said. */
void store_on_slow_timer(struct scheduler *s)
{
    const struct store_op *op = oldest_op(s);
    uint64_t age_ms = age_of(op, s->now.mono_ms);
    if (op == NULL) {
        return;
    }
    if (age_ms < SCHED_STORE_SLOW_MS) {
        timer_set(s, &s->slow_timer, later_ms(op->sent_ms, SCHED_STORE_SLOW_MS));
        return;
    }
    size_t count = 0;
    mu_list_foreach (n, &s->ops) {
        count++;
    }
    struct mu_buf why;
    mu_buf_init(&why, STORE_WHY_MAX);
    store_explain(s, &why);
    emit_log(s, MU_WARN,
             "the registry has not answered: changes, launches, kills and "
             "acknowledgements wait: for_ms=%llu commits=%zu%s",
             (unsigned long long)age_ms, count, mu_buf_str(&why));
    mu_buf_release(&why);
    uint64_t next = s->slow_pause_ms == 0 ? SCHED_STORE_SLOW_MS : s->slow_pause_ms * 2;
    s->slow_pause_ms = next < SCHED_STORE_TELL_MS ? next : SCHED_STORE_TELL_MS;
    timer_set(s, &s->slow_timer, later_ms(s->now.mono_ms, s->slow_pause_ms));
}

/* The answer to op came. */
static void end_slowness(struct scheduler *s, const struct store_op *op)
{
    if (s->slow_pause_ms > 0) {
        emit_log(s, MU_INFO, "the registry answers again: after_ms=%llu",
                 (unsigned long long)age_of(op, s->now.mono_ms));
        s->slow_pause_ms = 0;
        timer_set(s, &s->slow_timer, later_ms(s->now.mono_ms, SCHED_STORE_SLOW_MS));
    }
    if (mu_list_empty(&s->ops)) {
        timer_set(s, &s->slow_timer, MU_NEVER_MS);
    }
}

static struct store_op *find_op(struct scheduler *s, uint64_t token)
{
    mu_list_foreach (n, &s->ops) {
        struct store_op *op = mu_list_entry(n, struct store_op, link);
        if (op->token == token) {
            return op;
        }
    }
    return NULL;
}

static bool another_may_write(int status)
{
    return status == MU_E_FENCED || status == MU_E_UNKNOWN_OUTCOME ||
           status == MU_E_NOT_LEADER || status == -ECANCELED;
}

void store_committed(struct scheduler *s, uint64_t token, int status, const char *text)
{
    struct store_op *op = find_op(s, token);
    if (op == NULL) {
        return; /* of an earlier leadership */
    }
    text = text != NULL && text[0] != '\0' ? text : mu_strerror(status);
    if (another_may_write(status)) {
        scheduler_give_up(s, text); /* answers its command, if it is of one */
        return;
    }
    mu_list_remove(&op->link);
    end_slowness(s, op);
    items_committed(s, &op->items, status, text);
    if (op->launch != NULL) {
        launch_committed(s, op->launch, status, text);
    }
    if (op->proposal != NULL) {
        proposal_committed(s, op->proposal, status, text);
    }
    items_release(&op->items);
    free(op);
}

void store_release(struct scheduler *s)
{
    struct mu_list *n;
    while ((n = mu_list_pop(&s->ops)) != NULL) {
        struct store_op *op = mu_list_entry(n, struct store_op, link);
        items_release(&op->items);
        launch_free(op->launch);
        proposal_free(op->proposal);
        free(op);
    }
    items_release(&s->batch);
    items_release(&s->again);
}
