/* See store.h.
 *
 * A registry that could not write has to be closed and opened again before it takes
 * anything. When only the room was missing, nothing of the failed batch is in, so that
 * happens in place, under the same epoch, again and again until there is room (HEAL_*);
 * meanwhile batches are refused with the reason. Any other failure heals with the next
 * recovery. A leadership that is over leaves no store open: a registry that fails later
 * can then heal by itself, nobody holds on to what is broken.
 */
#include "runtime/store.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/check.h"

#define HEAL_MIN_MS 1000u
#define HEAL_MAX_MS 10000u

struct rt_store {
    const struct mu_host *host;
    const struct mu_registry_ops *ops;
    void *instance;
    char *name;
    const struct rt_store_events *events;
    void *arg;
    struct mu_registry_store *open; /* NULL: not yet */
    uint64_t generation;            /* grows with every recover and drop */
    uint64_t writing;               /* the generation whose recovery succeeded */
    bool broken, closing;           /* a failed store heals by closing and opening it */
    bool healing;                   /* ... which is what it is being closed for */
    struct question *waiting;       /* to recover, once it is closed */
    uint64_t waiting_epoch;
    struct mu_timer *heal;
    uint64_t heal_ms;
    int broken_status; /* what batches are refused with */
    char *broken_text;
    uint64_t epoch;   /* of the recovery that succeeded last */
    mu_cb stopped_cb; /* the end of a stop that came while it was closing */
    void *stopped_arg;
};

/* A question asked of the registry, or an answer that is due without having asked. */
struct question {
    struct rt_store *store;
    uint64_t generation, token, epoch;
    bool is_recover;
    int status;
    char *text;
};

bool rt_store_is_away(int status)
{
    static const int codes[] = {
        MU_E_UNAVAILABLE, MU_E_NOT_LEADER, MU_E_UNKNOWN_OUTCOME,
        -ECANCELED,       -ETIMEDOUT,      -ECONNREFUSED,
        -ECONNRESET,      -ECONNABORTED,   -ENOTCONN,
        -EPIPE,           -EHOSTUNREACH,   -ENETUNREACH,
        -EAGAIN,          -EBUSY,          -ENOSPC,
        -EDQUOT,
    };
    for (size_t i = 0; i < MU_COUNT_OF(codes); i++) {
        if (codes[i] == status) {
            return true;
        }
    }
    return false;
}

static struct question *
question_create(struct rt_store *s, bool is_recover, uint64_t token)
{
    struct question *q = MU_NEW(struct question);
    *q = (struct question){.store = s,
                           .generation = s->generation,
                           .token = token,
                           .is_recover = is_recover};
    return q;
}

static void answer(struct question *q, int status, const char *text)
{
    struct rt_store *s = q->store;
    if (q->generation == s->generation) {
        if (q->is_recover) {
            s->writing = status == 0 ? s->generation : 0;
            s->epoch = q->epoch;
            s->events->recovered(s->arg, status, text);
        } else {
            s->events->committed(s->arg, q->token, status, text);
        }
    }
    free(q->text);
    free(q);
}

static bool is_full(int status)
{
    return status == -ENOSPC || status == -EDQUOT;
}

static void on_heal(void *arg);

static void heal_later(struct rt_store *s)
{
    s->heal_ms = s->heal_ms == 0
                     ? HEAL_MIN_MS
                     : (s->heal_ms * 2 > HEAL_MAX_MS ? HEAL_MAX_MS : s->heal_ms * 2);
    s->heal = s->host->timer_start(s->host, s->heal_ms, on_heal, s);
}

static void
break_down(struct rt_store *s, const struct question *q, int status, const char *text)
{
    s->broken = true;
    if (q->is_recover || s->broken_text != NULL) {
        return;
    }
    s->broken_status = status;
    s->broken_text = mu_xstrdup(text);
    if (is_full(status) && s->heal == NULL && q->generation == s->writing) {
        s->host->log(
            s->host, MU_ERROR,
            "there is no room for the registry: changes are refused until there is",
            "store=%s error=%s", s->name, text);
        heal_later(s);
    }
}

static void on_answer(void *arg, int status, const char *text)
{
    struct question *q = arg;
    if (status < 0 && status != MU_E_FENCED) {
        break_down(q->store, q, status, text);
    }
    answer(q, status, text);
}

static void on_refused(void *arg)
{
    struct question *q = arg;
    answer(q, q->status, q->text);
}

/* The plugin refused at once: answer from the loop all the same. */
static void refuse(struct question *q, int status, const char *text)
{
    q->status = status;
    free(q->text);
    q->text = mu_xstrdup(text);
    (void)q->store->host->timer_start(q->store->host, 0, on_refused, q);
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct question *q = arg;
    if (q->generation == q->store->generation) {
        q->store->events->entry(q->store->arg, key, value, len);
    }
}

static void on_fenced(void *arg)
{
    struct rt_store *s = arg;
    if (s->writing == s->generation) {
        s->events->fenced(s->arg);
    }
}

static const struct mu_registry_events registry_events = {.fenced = on_fenced};

struct rt_store *rt_store_create(const struct mu_host *host,
                                 const struct mu_registry_ops *ops,
                                 void *instance,
                                 const char *name,
                                 const struct rt_store_events *events,
                                 void *arg)
{
    struct rt_store *s = MU_NEW(struct rt_store);
    *s = (struct rt_store){.host = host,
                           .ops = ops,
                           .instance = instance,
                           .name = mu_xstrdup(name),
                           .events = events,
                           .arg = arg};
    return s;
}

static void recover_now(struct rt_store *s, struct question *q, uint64_t epoch)
{
    struct mu_error err;
    int rc = s->open != NULL ? 0
                             : s->ops->open(s->instance, s->name, &registry_events, s,
                                            &s->open, &err);
    if (rc == 0) {
        rc = s->ops->recover(s->open, epoch, on_entry, on_answer, q, &err);
    }
    if (rc < 0) {
        refuse(q, rc, err.text);
    }
}

/* ---- healing in place ---- */

static void on_healed(void *arg, int status, const char *text)
{
    struct question *q = arg;
    struct rt_store *s = q->store;
    if (q->generation == s->generation && status == 0) {
        s->broken = false;
        s->heal_ms = 0;
        free(s->broken_text);
        s->broken_text = NULL;
        s->host->log(s->host, MU_INFO, "the registry takes changes again", "store=%s",
                     s->name);
    } else if (q->generation == s->generation) {
        s->host->log(s->host, MU_DEBUG, "the registry cannot be written yet",
                     "store=%s error=%s", s->name, text);
        heal_later(s);
    }
    free(q->text);
    free(q);
}

static void on_known_entry(void *arg, const char *key, const void *value, size_t len)
{
    (void)arg; /* the machine has it */
    (void)key;
    (void)value;
    (void)len;
}

static void on_heal_refused(void *arg)
{
    struct question *q = arg;
    on_healed(q, q->status, q->text);
}

static void heal_now(struct rt_store *s)
{
    struct question *q = question_create(s, true, 0);
    struct mu_error err;
    int rc = s->ops->open(s->instance, s->name, &registry_events, s, &s->open, &err);
    if (rc == 0) {
        rc = s->ops->recover(s->open, s->epoch, on_known_entry, on_healed, q, &err);
    }
    if (rc < 0) {
        q->status = rc;
        q->text = mu_xstrdup(err.text);
        (void)s->host->timer_start(s->host, 0, on_heal_refused, q);
    }
}

static void on_closed(void *arg);

static void on_heal(void *arg)
{
    struct rt_store *s = arg;
    s->heal = NULL;
    if (!s->broken || s->closing || s->writing != s->generation) {
        return; /* a recovery is on its way, or nobody needs it */
    }
    s->healing = true;
    s->closing = true;
    if (s->open != NULL) {
        s->ops->close(s->open, on_closed, s);
    } else {
        (void)s->host->timer_start(s->host, 0, on_closed, s);
    }
}

/* ---- closing, and what waits for it ---- */

static void on_closed(void *arg)
{
    struct rt_store *s = arg;
    struct question *q = s->waiting;
    bool healing = s->healing && q == NULL && s->writing == s->generation;
    s->open = NULL;
    s->waiting = NULL;
    s->healing = false;
    s->closing = false;
    if (s->stopped_cb == NULL && healing) {
        heal_now(s);
        return;
    }
    s->broken = false;
    free(s->broken_text);
    s->broken_text = NULL;
    if (s->stopped_cb != NULL) {
        free(q);
        s->stopped_cb(s->stopped_arg);
    } else if (q != NULL) {
        recover_now(s, q, s->waiting_epoch);
    }
}

void rt_store_recover(struct rt_store *s, uint64_t epoch)
{
    s->generation++;
    s->heal_ms = 0;
    struct question *q = question_create(s, true, 0);
    q->epoch = epoch;
    if (s->open == NULL && !s->closing) { /* opened anew: nothing is broken any more */
        s->broken = false;
        free(s->broken_text);
        s->broken_text = NULL;
    }
    if (!s->closing && !(s->broken && s->open != NULL)) {
        recover_now(s, q, epoch);
        return;
    }
    free(s->waiting); /* of an earlier leadership */
    s->waiting = q;
    s->waiting_epoch = epoch;
    if (!s->closing) {
        s->closing = true;
        s->ops->close(s->open, on_closed, s);
    }
}

void rt_store_commit(struct rt_store *s,
                     const struct mu_registry_op *ops,
                     size_t count,
                     uint64_t token)
{
    struct question *q = question_create(s, false, token);
    struct mu_error err;
    if (s->broken && s->broken_text != NULL) {
        refuse(q, s->broken_status, s->broken_text);
        return;
    }
    MU_PRE(s->open != NULL);
    int rc = s->ops->commit(s->open, ops, count, on_answer, q, &err);
    if (rc < 0) {
        refuse(q, rc, err.text);
    }
}

void rt_store_drop(struct rt_store *s)
{
    s->generation++;
    if (s->open != NULL && !s->closing) {
        s->closing = true;
        s->ops->close(s->open, on_closed, s);
    }
}

void rt_store_stop(struct rt_store *s, mu_cb cb, void *arg)
{
    s->generation++;
    s->host->timer_cancel(s->host, s->heal);
    s->heal = NULL;
    if (s->closing) {
        s->stopped_cb = cb;
        s->stopped_arg = arg;
    } else if (s->open == NULL) {
        (void)s->host->timer_start(s->host, 0, cb, arg);
    } else {
        struct mu_registry_store *open = s->open;
        s->open = NULL;
        s->ops->close(open, cb, arg);
    }
}

void rt_store_destroy(struct rt_store *s)
{
    if (s != NULL) {
        free(s->broken_text);
        free(s->name);
        free(s);
    }
}
