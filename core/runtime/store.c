/* See store.h. */
#include "runtime/store.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/check.h"

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
    struct question *waiting;       /* to recover, once it is closed */
    uint64_t waiting_epoch;
    mu_cb stopped_cb; /* the end of a stop that came while it was closing */
    void *stopped_arg;
};

/* A question asked of the registry, or an answer that is due without having asked. */
struct question {
    struct rt_store *store;
    uint64_t generation, token;
    bool is_recover;
    int status;
    char *text;
};

bool rt_store_is_away(int status)
{
    static const int codes[] = {
        MU_E_UNAVAILABLE, MU_E_NOT_LEADER, MU_E_UNKNOWN_OUTCOME, -ECANCELED,
        -ETIMEDOUT,       -ECONNREFUSED,   -ECONNRESET,          -ECONNABORTED,
        -ENOTCONN,        -EPIPE,          -EHOSTUNREACH,        -ENETUNREACH,
        -EAGAIN,
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
            s->events->recovered(s->arg, status, text);
        } else {
            s->events->committed(s->arg, q->token, status, text);
        }
    }
    free(q->text);
    free(q);
}

static void on_answer(void *arg, int status, const char *text)
{
    struct question *q = arg;
    if (status < 0 && status != MU_E_FENCED) {
        q->store->broken = true;
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

static void on_closed(void *arg)
{
    struct rt_store *s = arg;
    struct question *q = s->waiting;
    s->open = NULL;
    s->waiting = NULL;
    s->broken = s->closing = false;
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
    struct question *q = question_create(s, true, 0);
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
    MU_PRE(s->open != NULL);
    struct question *q = question_create(s, false, token);
    struct mu_error err;
    int rc = s->ops->commit(s->open, ops, count, on_answer, q, &err);
    if (rc < 0) {
        refuse(q, rc, err.text);
    }
}

void rt_store_drop(struct rt_store *s)
{
    s->generation++;
}

void rt_store_stop(struct rt_store *s, mu_cb cb, void *arg)
{
    s->generation++;
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
        free(s->name);
        free(s);
    }
}
