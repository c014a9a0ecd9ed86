/* Election within one instance: whoever stands is elected on the next turn of the loop.
 *
 * For `muster local`, tests and the simulator: there is one candidate, the process
 * itself. Several instances do not see each other. Only host timers are used, so it runs
 * with virtual time. Calls store what is wanted and arm the timer; on_turn alone emits
 * events, in the order lost, leader(none), withdraw's callbacks, elected, leader(self).
 *
 * The epoch must grow with every leadership anywhere, also across restarts, and nothing
 * here is remembered on a disk: it is the wall clock in milliseconds, or one more than
 * the epoch before if the clock has not moved on (or was set back) since. A clock that
 * was set back between two runs of the process gives a lower epoch; a durable registry
 * then refuses the new leader as fenced until the clock has caught up.
 */
#include <muster/kind/election.h>
#include <muster/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum eim_stand { EIM_IDLE, EIM_STANDING, EIM_LEADING };

struct eim_withdrawal {
    struct eim_withdrawal *next;
    mu_cb cb;
    void *arg;
};

struct eim {
    const struct mu_host *host;
    const struct mu_election_events *events;
    void *arg;
    struct mu_member self; /* its texts are ours */
    enum eim_stand stand;
    uint64_t epoch; /* of the last leadership */
    bool owes_lost; /* led, and `lost` was not told yet */
    bool is_detecting;
    bool leader_was_told; /* the last `leader` event named self */
    struct eim_withdrawal *withdrawals, **withdrawals_end;
    struct mu_timer *turn; /* on_turn is going to run */
    bool is_stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* Small things only: out of memory ends the process, as in the core. */
static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static char *copy_text(const char *s)
{
    if (s == NULL) {
        return NULL;
    }
    size_t size = strlen(s) + 1;
    return memcpy(allocate(size), s, size);
}

static void free_text(const char *s)
{
    free((void *)(uintptr_t)s);
}

static void member_release(struct mu_member *m)
{
    free_text(m->id);
    free_text(m->hostname);
    free_text(m->ip);
    free_text(m->version);
    *m = (struct mu_member){0};
}

static void member_copy(struct mu_member *to, const struct mu_member *from)
{
    *to = (struct mu_member){
        .struct_size = sizeof(*to),
        .id = copy_text(from->id),
        .hostname = copy_text(from->hostname),
        .ip = copy_text(from->ip),
        .port = from->port,
        .app_port = from->app_port,
        .version = copy_text(from->version),
    };
}

static void tell_leader(struct eim *e, bool is_self)
{
    if (e->is_detecting && e->leader_was_told != is_self) {
        e->leader_was_told = is_self;
        e->events->leader(e->arg, is_self ? &e->self : NULL);
    }
}

static void become_leader(struct eim *e)
{
    int64_t wall_ms = e->host->wall_ms(e->host);
    uint64_t now = wall_ms > 0 ? (uint64_t)wall_ms : 0;
    e->epoch = now > e->epoch ? now : e->epoch + 1;
    e->stand = EIM_LEADING;
    e->events->elected(e->arg, e->epoch);
}

/* The events may call any method; what they ask for waits for the next turn. */
static void on_turn(void *arg)
{
    struct eim *e = arg;
    e->turn = NULL;
    bool is_standing = e->stand == EIM_STANDING;
    bool is_stopping = e->is_stopping;
    struct eim_withdrawal *w = e->withdrawals;
    e->withdrawals = NULL;
    e->withdrawals_end = &e->withdrawals;

    if (e->owes_lost) {
        e->owes_lost = false;
        e->events->lost(e->arg, is_stopping ? "the election is stopping" : "withdrawn");
        tell_leader(e, false);
    }
    while (w != NULL) {
        struct eim_withdrawal done = *w;
        free(w);
        w = done.next;
        done.cb(done.arg);
    }
    if (is_standing && e->stand == EIM_STANDING) {
        become_leader(e);
    }
    if (e->stand == EIM_LEADING) {
        tell_leader(e, true);
    }
    if (is_stopping) {
        mu_cb cb = e->stopped_cb;
        void *cb_arg = e->stopped_arg;
        cb(cb_arg);
    }
}

static void arm(struct eim *e)
{
    if (e->turn == NULL) {
        e->turn = e->host->timer_start(e->host, 0, on_turn, e);
    }
}

static void step_down(struct eim *e)
{
    e->owes_lost = e->owes_lost || e->stand == EIM_LEADING;
    e->stand = EIM_IDLE;
    arm(e);
}

static void eim_listen(void *instance, const struct mu_election_events *events, void *arg)
{
    struct eim *e = instance;
    e->events = events;
    e->arg = arg;
}

static int eim_contend(void *instance, const struct mu_member *self, struct mu_error *err)
{
    struct eim *e = instance;
    if (e->is_stopping) {
        return mu_fail(err, -ECANCELED, "election in_memory: stopping");
    }
    if (e->stand != EIM_IDLE) {
        return mu_fail(err, -EALREADY, "election in_memory: stands for election already");
    }
    member_release(&e->self);
    member_copy(&e->self, self);
    e->stand = EIM_STANDING;
    arm(e);
    return 0;
}

static void eim_withdraw(void *instance, mu_cb cb, void *arg)
{
    struct eim *e = instance;
    struct eim_withdrawal *w = allocate(sizeof(*w));
    *w = (struct eim_withdrawal){.cb = cb, .arg = arg};
    *e->withdrawals_end = w;
    e->withdrawals_end = &w->next;
    step_down(e);
}

static int eim_detect(void *instance, struct mu_error *err)
{
    (void)err; /* cannot fail */
    struct eim *e = instance;
    e->is_detecting = true;
    arm(e);
    return 0;
}

static int eim_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    (void)values; /* it has no flags */
    (void)err;
    struct eim *e = allocate(sizeof(*e));
    e->host = host;
    e->withdrawals_end = &e->withdrawals;
    *out_instance = e;
    return 0;
}

static int eim_start(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static void eim_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct eim *e = instance;
    e->is_stopping = true;
    e->stopped_cb = stopped_cb;
    e->stopped_arg = arg;
    step_down(e);
}

static void eim_destroy(void *instance)
{
    struct eim *e = instance;
    if (e == NULL) {
        return;
    }
    member_release(&e->self);
    free(e);
}

static const struct mu_election_ops eim_ops = {
    .struct_size = sizeof(struct mu_election_ops),
    .listen = eim_listen,
    .contend = eim_contend,
    .withdraw = eim_withdraw,
    .detect = eim_detect,
};

MU_PLUGIN_DEFINE(election_in_memory) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_ELECTION,
    .name = "in_memory",
    .version = MU_PLUGIN_VERSION,
    .summary = "this process alone leads, at once; for one machine and for tests",
    .ops = &eim_ops,
    .create = eim_create,
    .start = eim_start,
    .stop = eim_stop,
    .destroy = eim_destroy,
};
