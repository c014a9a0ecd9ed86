/* Election through ZooKeeper: the driver of machine.c on a session of plugins/zk.
 *
 * What the core calls is kept and stepped on the next turn of the loop, so events never
 * come inside a call, and what the core calls inside an event waits for its turn. The
 * lease alone is answered at once. Loop thread.
 */
#include <muster/kind/election.h>
#include <muster/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "codec.h"
#include "machine.h"
#include "zk/alloc.h"
#include "zk/session.h"

#define INFO_MAX_BYTES (64u * 1024)
#define PATH_SIZE 512 /* zks_url allows 255 bytes, and a name follows */

struct withdrawal {
    struct withdrawal *next;
    mu_cb cb;
    void *arg;
};

/* A call of the core that waits for its turn. */
struct call {
    struct call *next;
    int type;              /* of the event */
    struct mu_member self; /* contend: who, and what its znode says */
    struct mu_buf info;
};

struct zke {
    const struct mu_host *host;
    struct zks_url url;
    uint64_t timeout_ms;
    const struct mu_election_events *events;
    void *arg;
    struct zks *session; /* NULL: not started, or closed */
    struct zke_machine *machine;
    struct mu_buf info; /* what our znode says, once it stands */
    struct call *calls, **calls_end;
    struct withdrawal *withdrawals;
    struct mu_timer *turn, *deadline;
    bool is_stopping, is_closing;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* One question that ZooKeeper has not answered. */
struct question {
    struct zke *e;
    int type; /* of the event that its answer is */
    uint64_t asked_ms;
    char name[ZKE_NAME_MAX];
};

static void arm(struct zke *e);

/* ---- telling the core ---- */

static void tell_withdrawn(struct zke *e)
{
    struct withdrawal *w = e->withdrawals;
    e->withdrawals = NULL;
    while (w != NULL) {
        struct withdrawal done = *w;
        free(w);
        w = done.next;
        done.cb(done.arg);
    }
}

/* ---- asking ZooKeeper ---- */

static int outcome_of(int rc)
{
    return rc == ZOK            ? ZKE_OK
           : rc == ZNONODE      ? ZKE_GONE
           : zks_is_unknown(rc) ? ZKE_LOST
                                : ZKE_REFUSED;
}

static void step(struct zke *e, struct zke_event *ev);

/* "<path>/json.info_0000000003" -> "json.info_0000000003" */
static const char *name_in(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path;
}

static bool
decode(struct zke *e, const char *name, const struct zks_answer *a, struct mu_member *out)
{
    enum zke_label label;
    int32_t number;
    struct mu_error err;
    if (!zke_name_parse(name, &label, &number)) {
        return false;
    }
    if (zke_member_decode(label, a->data, a->len, out, &err) < 0) {
        e->host->log(e->host, MU_WARN, "the leading znode cannot be understood",
                     "znode=%s error=%s", name, err.text);
        return false;
    }
    if (label != ZKE_LABEL_JSON) {
        e->host->log(e->host, MU_WARN, "the leading master writes an old form",
                     "znode=%s", name);
    }
    return true;
}

static void on_answer(void *arg, const struct zks_answer *a)
{
    struct question *q = arg;
    struct zke *e = q->e;
    struct mu_member member = {0};
    bool understood =
        q->type == ZKE_EV_DATA && a->rc == ZOK && decode(e, q->name, a, &member);
    struct zke_event ev = {
        .type = q->type,
        .outcome = outcome_of(a->rc),
        .text = zks_error_text(a->rc),
        .name = q->type == ZKE_EV_CREATED ? name_in(a->path) : q->name,
        .names = a->children,
        .count = a->child_count,
        .owner = a->stat.ephemeral_owner,
        .czxid = a->stat.czxid,
        .asked_ms = q->asked_ms,
        .member = understood ? &member : NULL,
    };
    step(e, &ev);
    zke_member_release(&member);
    free(q);
}

static void on_removed(void *arg, const struct zks_answer *a)
{
    struct question *q = arg;
    if (a->rc != ZOK &&
        a->rc != ZNONODE) { /* somebody was quicker, or it went by itself */
        q->e->host->log(q->e->host, MU_WARN, "a znode could not be deleted",
                        "znode=%s error=%s", q->name, zks_error_text(a->rc));
    }
    free(q);
}

static struct question *question(struct zke *e, const char *name, int type)
{
    struct question *q = zks_calloc(1, sizeof(*q));
    q->e = e;
    q->type = type;
    q->asked_ms = e->host->now_ms(e->host);
    (void)snprintf(q->name, sizeof(q->name), "%s", name);
    return q;
}

static void ask(struct zke *e, const struct zke_action *a)
{
    struct zks *s = e->session;
    const char *base = e->url.path;
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", base,
                   a->type == ZKE_DO_CREATE ? ZKE_LABEL : a->name);
    switch ((enum zke_action_type)a->type) {
    case ZKE_DO_CREATE:
        zks_create(s, path, e->info.data, e->info.len, ZOO_EPHEMERAL | ZOO_SEQUENCE,
                   on_answer, question(e, a->name, ZKE_EV_CREATED));
        break;
    case ZKE_DO_LEAVE:
        zks_delete(s, path, -1, on_answer, question(e, a->name, ZKE_EV_LEFT));
        break;
    case ZKE_DO_SYNC:
        zks_sync(s, base, on_answer, question(e, a->name, ZKE_EV_SYNCED));
        break;
    case ZKE_DO_LIST:
        zks_children(s, base, true, on_answer, question(e, a->name, ZKE_EV_LISTED));
        break;
    case ZKE_DO_LOOK:
        zks_exists(s, path, false, on_answer, question(e, a->name, ZKE_EV_OWNER));
        break;
    case ZKE_DO_ASK: {
        const struct zks_op check = {.kind = ZKS_OP_CHECK, .path = path, .version = -1};
        zks_multi(s, &check, 1, on_answer, question(e, a->name, ZKE_EV_ASKED));
        break;
    }
    case ZKE_DO_DATA:
        zks_get(s, path, false, on_answer, question(e, a->name, ZKE_EV_DATA));
        break;
    case ZKE_DO_REMOVE:
        zks_delete(s, path, -1, on_removed, question(e, a->name, 0));
        break;
    case ZKE_DO_RESTART:
    case ZKE_TELL_ELECTED:
    case ZKE_TELL_LOST:
    case ZKE_TELL_LEADER:
    case ZKE_TELL_WITHDRAWN:
    case ZKE_TELL_LOG:
        break; /* nothing to ask */
    }
}

/* ---- stepping ---- */

static void apply(struct zke *e, const struct zke_action *a)
{
    switch ((enum zke_action_type)a->type) {
    case ZKE_TELL_ELECTED:
        e->events->elected(e->arg, a->epoch);
        break;
    case ZKE_TELL_LOST:
        e->events->lost(e->arg, a->text);
        break;
    case ZKE_TELL_LEADER:
        e->events->leader(e->arg, a->member);
        break;
    case ZKE_TELL_WITHDRAWN:
        tell_withdrawn(e);
        break;
    case ZKE_TELL_LOG:
        e->host->log(e->host, a->level, "election", "what=%s path=%s znode=%s", a->text,
                     e->url.path, a->name);
        break;
    case ZKE_DO_CREATE:
    case ZKE_DO_LEAVE:
    case ZKE_DO_SYNC:
    case ZKE_DO_LIST:
    case ZKE_DO_LOOK:
    case ZKE_DO_ASK:
    case ZKE_DO_DATA:
    case ZKE_DO_REMOVE:
        if (e->session != NULL) {
            ask(e, a);
        }
        break;
    case ZKE_DO_RESTART: /* steps again: the last of its step */
        if (e->session != NULL) {
            zks_restart(e->session, a->text);
        }
        break;
    }
}

/* In order: `lost` is told before the znode is deleted. */
static void step(struct zke *e, struct zke_event *ev)
{
    ev->now_ms = e->host->now_ms(e->host);
    zke_step(e->machine, ev);
    arm(e);
    size_t count = 0;
    const struct zke_action *actions = zke_actions(e->machine, &count);
    for (size_t i = 0; i < count; i++) {
        apply(e, &actions[i]);
    }
}

static void on_closed(void *arg)
{
    struct zke *e = arg;
    e->host->timer_cancel(e->host, e->deadline);
    e->host->timer_cancel(e->host, e->turn);
    e->deadline = e->turn = NULL;
    tell_withdrawn(e);
    e->stopped_cb(e->stopped_arg);
}

/* The session's end takes the znode along. */
static void close_session(struct zke *e)
{
    struct zks *s = e->session;
    e->session = NULL;
    e->is_closing = true;
    struct zke_event ev = {.type = ZKE_EV_EXPIRED, .text = "the election is stopping"};
    step(e, &ev);
    zks_close(s, on_closed, e);
}

static void call_free(struct call *c)
{
    zke_member_release(&c->self);
    mu_buf_release(&c->info);
    free(c);
}

static void on_turn(void *arg)
{
    struct zke *e = arg;
    e->turn = NULL;
    struct call *c = e->calls;
    e->calls = NULL;
    e->calls_end = &e->calls;
    while (c != NULL) {
        struct call *next = c->next;
        struct zke_event ev = {.type = c->type};
        if (c->type == ZKE_EV_CONTEND) {
            mu_buf_clear(&e->info);
            (void)mu_buf_append(&e->info, c->info.data, c->info.len);
            zke_machine_set_self(e->machine, &c->self);
            if (e->session != NULL) {
                zks_make_path(e->session);
            }
        }
        call_free(c);
        c = next;
        step(e, &ev);
    }
    if (e->is_stopping && e->session != NULL) {
        close_session(e);
    } else if (e->is_stopping && !e->is_closing) {
        on_closed(e); /* it was never started */
    }
}

static void arm_turn(struct zke *e)
{
    if (e->turn == NULL) {
        e->turn = e->host->timer_start(e->host, 0, on_turn, e);
    }
}

static struct call *call_create(int type)
{
    struct call *c = zks_calloc(1, sizeof(*c));
    c->type = type;
    mu_buf_init(&c->info, INFO_MAX_BYTES);
    return c;
}

static void call_later(struct zke *e, struct call *c)
{
    *e->calls_end = c;
    e->calls_end = &c->next;
    arm_turn(e);
}

static void on_deadline(void *arg)
{
    struct zke *e = arg;
    e->deadline = NULL;
    struct zke_event ev = {.type = ZKE_EV_TICK};
    step(e, &ev);
}

static void arm(struct zke *e)
{
    e->host->timer_cancel(e->host, e->deadline);
    e->deadline = NULL;
    uint64_t at = zke_deadline_ms(e->machine);
    uint64_t now = e->host->now_ms(e->host);
    if (at != UINT64_MAX && e->session != NULL) {
        e->deadline =
            e->host->timer_start(e->host, at > now ? at - now : 0, on_deadline, e);
    }
}

/* ---- the session ---- */

static void on_ready(void *arg, bool fresh)
{
    struct zke *e = arg;
    struct zke_event ev = {
        .type = ZKE_EV_READY,
        .fresh = fresh,
        .owner = zks_id(e->session),
        .timeout_ms = zks_timeout_ms(e->session),
    };
    step(e, &ev);
}

static void on_suspended(void *arg)
{
    struct zke_event ev = {.type = ZKE_EV_SUSPENDED};
    step(arg, &ev);
}

static void on_expired(void *arg, const char *why)
{
    struct zke_event ev = {.type = ZKE_EV_EXPIRED, .text = why};
    step(arg, &ev);
}

static void on_changed(void *arg, int type, const char *path)
{
    (void)type;
    (void)path; /* there is one watch only */
    struct zke_event ev = {.type = ZKE_EV_CHANGED};
    step(arg, &ev);
}

static const struct zks_events session_events = {on_ready, on_suspended, on_expired,
                                                 on_changed};

/* ---- what the core calls ---- */

static void zke_listen(void *instance, const struct mu_election_events *events, void *arg)
{
    struct zke *e = instance;
    e->events = events;
    e->arg = arg;
}

static int zke_contend(void *instance, const struct mu_member *self, struct mu_error *err)
{
    struct zke *e = instance;
    if (e->is_stopping) {
        return mu_fail(err, -ECANCELED, "election zk: stopping");
    }
    bool stands = zke_stands(e->machine);
    for (const struct call *c = e->calls; c != NULL; c = c->next) {
        stands = c->type == ZKE_EV_CONTEND || (stands && c->type != ZKE_EV_WITHDRAW);
    }
    if (stands) {
        return mu_fail(err, -EALREADY, "election zk: stands for election already");
    }
    struct call *c = call_create(ZKE_EV_CONTEND);
    zke_member_encode(&c->info, self);
    struct mu_member seen; /* by the others */
    int rc =
        zke_member_decode(ZKE_LABEL_JSON, mu_buf_str(&c->info), c->info.len, &seen, err);
    if (rc < 0) {
        call_free(c);
        return mu_wrap(err, MU_E_INVALID, "election zk: this master cannot be named");
    }
    zke_member_release(&seen);
    zke_member_copy(&c->self, self);
    call_later(e, c);
    return 0;
}

static void zke_withdraw(void *instance, mu_cb cb, void *arg)
{
    struct zke *e = instance;
    struct withdrawal *w = zks_calloc(1, sizeof(*w));
    struct withdrawal **end = &e->withdrawals;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *w = (struct withdrawal){.cb = cb, .arg = arg};
    *end = w;
    call_later(e, call_create(ZKE_EV_WITHDRAW));
}

static int zke_detect(void *instance, struct mu_error *err)
{
    (void)err; /* cannot fail */
    call_later(instance, call_create(ZKE_EV_DETECT));
    return 0;
}

/* The numbers of znodes are not used twice, so a znode of that name is still that member.
 */
static int zke_depose(void *instance,
                      const struct mu_member *member,
                      const char *proof,
                      struct mu_error *err)
{
    struct zke *e = instance;
    const char *znode = zke_znode_of(e->machine, member);
    if (znode == NULL) {
        return mu_fail(err, MU_E_NOT_FOUND, "election zk: '%s' is not the leader",
                       member->id);
    }
    if (e->session == NULL || !zks_is_ready(e->session)) {
        return mu_fail(err, MU_E_UNAVAILABLE, "election zk: out of touch with ZooKeeper");
    }
    e->host->log(e->host, MU_WARN, "deposing the leader: its process is gone",
                 "id=%s znode=%s proof=%s", member->id, znode, proof);
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", e->url.path, znode);
    zks_delete(e->session, path, -1, on_removed, question(e, znode, 0));
    return 0;
}

static uint64_t zke_lease(void *instance)
{
    const struct zke *e = instance;
    return zke_lease_ms(e->machine);
}

/* ---- life ---- */

static int zke_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    if (host->loop(host) == NULL) {
        return mu_fail(err, -ENOTSUP, "election zk: it needs a real loop");
    }
    const char *text = mu_flags_string(values, "zk");
    if (text == NULL || text[0] == '\0') {
        return mu_fail(err, MU_E_INVALID,
                       "--zk: is needed, as zk://HOST:2181,HOST:2181/mesos");
    }
    uint64_t timeout_ms = mu_flags_duration_ms(values, "zk_session_timeout");
    if (timeout_ms < 1000 || timeout_ms > 3600 * 1000) {
        return mu_fail(err, MU_E_INVALID,
                       "--zk_session_timeout: %" PRIu64
                       " ms is not between 1 second and 1 hour",
                       timeout_ms);
    }
    struct zks_url url;
    int rc = zks_url_parse(text, &url, err);
    if (rc < 0) {
        return mu_wrap(err, rc, "--zk");
    }
    struct zke *e = zks_calloc(1, sizeof(*e));
    e->host = host;
    e->url = url;
    e->timeout_ms = timeout_ms;
    e->calls_end = &e->calls;
    e->machine = zke_machine_create("");
    mu_buf_init(&e->info, INFO_MAX_BYTES);
    *out_instance = e;
    return 0;
}

static int zke_start(void *instance, struct mu_error *err)
{
    (void)err; /* servers that are away are waited for */
    struct zke *e = instance;
    e->session = zks_open(e->host, &e->url, e->timeout_ms, &session_events, e);
    if (zke_stands(e->machine)) { /* it was asked to before */
        zks_make_path(e->session);
    }
    return 0;
}

static void zke_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct zke *e = instance;
    e->is_stopping = true;
    e->stopped_cb = stopped_cb;
    e->stopped_arg = arg;
    arm_turn(e);
}

static void zke_destroy(void *instance)
{
    struct zke *e = instance;
    if (e == NULL) {
        return;
    }
    while (e->calls != NULL) {
        struct call *c = e->calls;
        e->calls = c->next;
        call_free(c);
    }
    while (e->withdrawals != NULL) {
        struct withdrawal *w = e->withdrawals;
        e->withdrawals = w->next;
        free(w);
    }
    zke_machine_destroy(e->machine);
    zks_url_release(&e->url);
    mu_buf_release(&e->info);
    free(e);
}

static const struct mu_flag zke_flags[] = {
    {"zk", MU_FLAG_STRING, MU_FLAG_GLOBAL_NAME | MU_FLAG_SECRET, NULL, "URL",
     "ZooKeeper servers and path: zk://[USER:PASSWORD@]HOST:PORT,.../PATH."},
    {"zk_session_timeout", MU_FLAG_DURATION, MU_FLAG_GLOBAL_NAME, "10secs", NULL,
     "Time without a word from a master after which ZooKeeper takes it for dead."},
    {0},
};

static const struct mu_election_ops zke_ops = {
    .struct_size = sizeof(struct mu_election_ops),
    .listen = zke_listen,
    .contend = zke_contend,
    .withdraw = zke_withdraw,
    .detect = zke_detect,
    .depose = zke_depose,
    .lease_ms = zke_lease,
};

MU_PLUGIN_DEFINE(election_zk) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_ELECTION,
    .name = "zk",
    .version = MU_PLUGIN_VERSION,
    .summary = "masters elect one among them through ZooKeeper",
    .flags = zke_flags,
    .ops = &zke_ops,
    .create = zke_create,
    .start = zke_start,
    .stop = zke_stop,
    .destroy = zke_destroy,
};
