/* See master_run.h.
 *
 * The app scheduler in this process is a framework with a link of its own:
 * `scheduler_link` is its number while this process leads, 0 otherwise. Its messages and
 * everything else that is not an answer from a plugin are queued, so that no step runs
 * inside another.
 *
 * A reign begins with `elected` and ends in step_down, which has four reasons: the
 * election says `lost`; its lease is over, which this driver sees first if the process
 * was frozen (looked at before each request and behind each step); the machine gave up
 * (its registry is fenced); the process stops. Whoever ends a reign that the election
 * still believes in withdraws, and stands again if the process goes on.
 */
#include "runtime/master_run.h"

#include <inttypes.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "codec/master_json.h"
#include "runtime/leader_watch.h"
#include "runtime/link_server.h"
#include "runtime/member.h"
#include "runtime/store.h"

#define STAND_AGAIN_MS 500u   /* what made it give up may last: no busy loop */
#define LOST_WAIT_MS 1000u    /* for `lost`, after the lease was over */
#define WITHDRAW_MAX_MS 2000u /* what a stop waits for the election */

enum withdrawal { WITHDRAW_NO, WITHDRAW_ASKED, WITHDRAW_DONE };

/* What the scheduler sent, and on which link. */
struct sent {
    uint64_t link;
    struct mu_msg msg;
};

struct master_run {
    struct master_run_config cfg;
    const struct mu_host *host;
    struct mu_member self;
    struct mu_member leader; /* as told to everybody; zeroed: none is known */
    struct mu_member named;  /* self, if the election names it; else zeroed */
    struct master *machine;
    struct rt_store *store;
    struct link_server *links;
    struct leader_watch *watch;
    uint64_t scheduler_link;
    MU_VEC(struct sent) inbox; /* from the scheduler */
    struct mu_timer *turn, *deadline;
    struct mu_timer *lost_wait;    /* the lease was over: does the election say so? */
    struct mu_timer *stand_again;  /* the pause behind a withdrawal */
    struct mu_timer *withdraw_max; /* of a stop */
    enum withdrawal withdrawal;
    char *self_lost; /* why the machine has stepped down in this step; NULL: it has not */
    bool leading, stepping, stopping;
    bool tells;              /* the step's log lines are the driver's to tell */
    uint64_t leader_changes; /* how often another one was named */
    uint64_t depositions;
    int waits; /* of the stop */
    mu_cb stopped_cb;
    void *stopped_arg;
};

static void arm(struct master_run *r);
static void gave_up(struct master_run *r);
static void lease_over(struct master_run *r);
static void step_down(struct master_run *r, int level, const char *why);
static void withdraw(struct master_run *r);

/* ---- the lease ---- */

static bool has_lease(const struct master_run *r)
{
    const struct mu_election_ops *ops = r->cfg.election;
    return MU_HAS(struct mu_election_ops, ops, lease_ms) && ops->lease_ms != NULL;
}

/* How long it lasts from now; UINT64_MAX: for ever. */
static uint64_t lease_left_ms(const struct master_run *r)
{
    if (!has_lease(r)) {
        return UINT64_MAX;
    }
    uint64_t end = r->cfg.election->lease_ms(r->cfg.election_instance);
    uint64_t now = r->host->now_ms(r->host);
    return end > now ? end - now : 0;
}

bool master_run_may_act(const struct master_run *r)
{
    return r->leading && lease_left_ms(r) > 0;
}

void master_run_check_lease(struct master_run *r)
{
    if (r->leading && lease_left_ms(r) == 0) {
        lease_over(r);
    }
}

/* ---- steps ---- */

static void apply(struct master_run *r, struct master_effect *fx)
{
    switch ((enum master_effect_type)fx->type) {
    case MASTER_FX_SEND:
        if (fx->link == r->scheduler_link && fx->link != 0) {
            r->cfg.to_scheduler(r->cfg.arg, &fx->msg);
        } else {
            link_server_send(r->links, fx->link, &fx->msg);
        }
        break;
    case MASTER_FX_CLOSE:
        if (fx->link == r->scheduler_link && fx->link != 0) {
            r->scheduler_link = link_server_new_number(r->links);
            r->cfg.scheduler_closed(r->cfg.arg);
        } else {
            link_server_close(r->links, fx->link);
        }
        break;
    case MASTER_FX_RECOVER:
        rt_store_recover(r->store, fx->epoch);
        break;
    case MASTER_FX_COMMIT: {
        struct mu_buf key, value;
        mu_buf_init(&key, 256);
        mu_buf_init(&value, 4 * MU_REGISTRY_VALUE_MAX);
        master_record_key(&fx->record, &key);
        master_record_encode(&value, &fx->record);
        const struct mu_registry_op op = {
            .key = mu_buf_str(&key),
            .value = fx->record.remove ? NULL : mu_buf_str(&value),
            .value_len = value.len,
        };
        rt_store_commit(r->store, &op, 1, fx->token);
        mu_buf_release(&key);
        mu_buf_release(&value);
        break;
    }
    case MASTER_FX_ABDICATE:
        free(r->self_lost); /* dealt with behind this step */
        r->self_lost = mu_xstrdup(fx->text);
        break;
    case MASTER_FX_LOG:
        r->host->log(r->host, r->tells ? MU_DEBUG : fx->level, "master", "what=%s",
                     fx->text);
        break;
    }
}

/* Nothing is done as the leader when the lease is over, not even what was decided just
 * now; the reign that decided it ends with it. */

static void step(struct master_run *r, struct master_event *ev)
{
    MU_PRE(!r->stepping);
    r->stepping = true;
    ev->now = (struct mu_now){r->host->now_ms(r->host), r->host->wall_ms(r->host)};
    struct master_effects fx = {0};
    master_step(r->machine, ev, &fx);
    bool is_over = r->leading && fx.count > 0 && lease_left_ms(r) == 0;
    for (size_t i = 0; i < fx.count; i++) {
        if (!is_over || fx.v[i].type == MASTER_FX_LOG) {
            apply(r, &fx.v[i]);
        }
    }
    master_effects_release(&fx);
    free(fx.v);
    r->stepping = false;
    arm(r);
    if (is_over) {
        lease_over(r);
    } else if (r->self_lost != NULL) {
        gave_up(r);
    }
}

/* A step whose news this driver has logged already, with more to say. */
static void step_told(struct master_run *r, struct master_event *ev)
{
    r->tells = true;
    step(r, ev);
    r->tells = false;
}

static void on_deadline(void *arg)
{
    struct master_run *r = arg;
    r->deadline = NULL;
    struct master_event ev = {.type = MASTER_EV_TICK};
    step(r, &ev);
}

static void arm(struct master_run *r)
{
    r->host->timer_cancel(r->host, r->deadline);
    r->deadline = NULL;
    uint64_t at = master_deadline_ms(r->machine);
    uint64_t t = r->host->now_ms(r->host);
    if (at != MU_NEVER_MS && !r->stopping) {
        r->deadline = r->host->timer_start(r->host, at > t ? at - t : 0, on_deadline, r);
    }
}

/* ---- the scheduler in this process ---- */

/* A message on a link that is closed since is nobody's. */
static void on_turn(void *arg)
{
    struct master_run *r = arg;
    r->turn = NULL;
    struct sent *batch = r->inbox.v;
    size_t count = r->inbox.count;
    r->inbox.v = NULL;
    r->inbox.count = r->inbox.cap = 0;
    for (size_t i = 0; i < count; i++) {
        if (batch[i].link != 0 && batch[i].link == r->scheduler_link) {
            struct master_event ev = {.type = MASTER_EV_MESSAGE,
                                      .link = r->scheduler_link,
                                      .msg = &batch[i].msg};
            step(r, &ev);
        }
        mu_msg_release(&batch[i].msg);
    }
    free(batch);
}

void master_run_from_scheduler(struct master_run *r, const struct mu_msg *msg)
{
    if (r->scheduler_link == 0) {
        return;
    }
    MU_VEC_PUSH_ZERO(&r->inbox);
    struct sent *s = &r->inbox.v[r->inbox.count - 1];
    s->link = r->scheduler_link;
    mu_msg_copy(&s->msg, msg);
    if (r->turn == NULL) {
        r->turn = r->host->timer_start(r->host, 0, on_turn, r);
    }
}

/* ---- agent links ---- */

static void
ask_again(const struct master_run *r, struct mu_http_exchange *x, const char *text)
{
    static const struct mu_http_header headers[] = {
        {"Retry-After", "1"}, {"Content-Type", "text/plain; charset=utf-8"}};
    r->host->http_reply(x, 503, headers, 2, text, strlen(text));
}

static void tell_recovering(void *arg, const void *row)
{
    const struct mu_master_row *m = row;
    if (!m->recovered) {
        mu_buf_printf(arg, "this master is elected, and waits for %s",
                      m->waiting_for != NULL ? m->waiting_for : "the registry");
    }
}

/* Before the registry is recovered the machine takes nobody: who asks is told why. */
static bool has_recovered(const struct master_run *r, struct mu_http_exchange *x)
{
    struct mu_buf why;
    mu_buf_init(&why, 4096);
    (void)master_query(r->machine, MU_Q_MASTER, NULL, tell_recovering, &why);
    bool has = why.len == 0;
    if (!has) {
        ask_again(r, x, mu_buf_str(&why));
    }
    mu_buf_release(&why);
    return has;
}

/* Standbys name the leader; without one the agent is asked to try again. */
static bool gate(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct master_run *r = arg;
    if (r->leading) {
        return has_recovered(r, x);
    }
    if (r->leader.id == NULL) {
        ask_again(r, x, "No leader elected");
        return false;
    }
    struct mu_buf location;
    mu_buf_init(&location, 4096);
    mu_buf_printf(&location, "http://%s:%u%s", r->leader.hostname, r->leader.port,
                  req->path);
    const struct mu_http_header headers[] = {{"Location", mu_buf_str(&location)}};
    r->host->http_reply(x, 307, headers, 1, NULL, 0);
    mu_buf_release(&location);
    return false;
}

static void on_link_message(void *arg, uint64_t link, const struct mu_msg *msg)
{
    struct master_run *r = arg;
    struct master_event ev = {.type = MASTER_EV_MESSAGE, .link = link, .msg = msg};
    step(r, &ev);
}

static void on_link_closed(void *arg, uint64_t link)
{
    struct master_run *r = arg;
    if (r->stopping) {
        return;
    }
    struct master_event ev = {.type = MASTER_EV_LINK_CLOSED, .link = link};
    step(r, &ev);
}

static const struct link_server_events link_events = {gate, on_link_message,
                                                      on_link_closed};

/* ---- the registry ---- */

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct master_run *r = arg;
    struct master_record rec;
    struct mu_error err;
    if (master_record_decode(value, len, &rec, &err) < 0) {
        r->host->log(r->host, MU_ERROR, "master: registry entry left out",
                     "key=%s error=%s", key, err.text);
        return;
    }
    struct master_event ev = {.type = MASTER_EV_ENTRY, .record = &rec};
    step(r, &ev);
    mu_agent_info_release(&rec.agent);
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct master_run *r = arg;
    struct master_event ev = {
        .type = MASTER_EV_RECOVERED, .status = status, .text = text};
    step(r, &ev);
    if (status == MU_E_FENCED) { /* the machine gives up by itself and is elected anew,
                                    with a higher epoch */
        r->host->log(r->host, MU_WARN,
                     "the registry was written under a higher epoch (was the clock set "
                     "back?): standing for election again",
                     "error=%s", text);
    } else if (status < 0 && !rt_store_is_away(status)) {
        r->cfg.failed(r->cfg.arg, text);
    } else if (r->leading) {
        r->cfg.open(r->cfg.arg);
    }
}

static void on_committed(void *arg, uint64_t token, int status, const char *text)
{
    struct master_run *r = arg;
    struct master_event ev = {
        .type = MASTER_EV_COMMITTED, .token = token, .status = status, .text = text};
    step(r, &ev);
}

static void on_fenced(void *arg)
{
    struct master_run *r = arg;
    step_down(r, MU_WARN, "the registry takes no more changes from this master");
    withdraw(r);
}

static const struct rt_store_events store_events = {on_entry, on_recovered, on_committed,
                                                    on_fenced};

/* ---- who leads ---- */

static bool is_self(const struct master_run *r, const struct mu_member *m)
{
    return m->id != NULL && strcmp(m->id, r->self.id) == 0;
}

/* The election tells this master first that it is elected and then under which name: one
 * line for both. */
static void log_leader(const struct master_run *r, const struct mu_member *old)
{
    const struct mu_member *now = &r->leader;
    bool is_same = member_is_same(old, now);
    if (now->id == NULL && !is_same) {
        bool is_expected = r->named.id != NULL || r->stopping;
        r->host->log(r->host, is_expected ? MU_DEBUG : MU_WARN,
                     "no leading master is known", NULL);
    } else if (now->id != NULL && (is_self(r, now) ? now->znode != NULL : !is_same) &&
               !(is_same && old->znode != NULL)) {
        char address[MEMBER_ADDRESS_MAX];
        member_address(now, address);
        r->host->log(r->host, MU_INFO, "new leading master detected",
                     "id=%s address=%s hostname=%s znode=%s", now->id, address,
                     now->hostname, now->znode);
    }
}

/* Tell everybody, once. NULL: nobody is known. */
static void set_leader(struct master_run *r, const struct mu_member *leader)
{
    static const struct mu_member none;
    struct mu_member old = r->leader;
    member_copy(&r->leader, leader == NULL ? &none : leader);
    bool is_news = !member_is_same(&old, &r->leader);
    log_leader(r, &old);
    member_release(&old);
    leader_watch_set(r->watch, r->stopping ? NULL : &r->leader);
    if (!is_news) {
        return;
    }
    const struct mu_member *known = r->leader.id == NULL ? NULL : &r->leader;
    r->leader_changes += known != NULL ? 1 : 0;
    struct master_event ev = {.type = MASTER_EV_LEADER, .leader = known};
    step_told(r, &ev);
    r->cfg.leader(r->cfg.arg, known);
}

/* This master is named before it is told that it is elected, or although it has stepped
 * down: nobody is sent to it before it leads. */
static void on_leader(void *arg, const struct mu_member *leader)
{
    struct master_run *r = arg;
    bool names_self = leader != NULL && is_self(r, leader);
    member_release(&r->named);
    if (names_self) {
        member_copy(&r->named, leader);
    }
    set_leader(r, names_self && !r->leading ? NULL : leader);
}

static int on_depose(void *arg,
                     const struct mu_member *member,
                     const char *proof,
                     struct mu_error *err)
{
    struct master_run *r = arg;
    r->depositions++;
    return r->cfg.election->depose(r->cfg.election_instance, member, proof, err);
}

/* ---- the election ---- */

static void cancel(struct master_run *r, struct mu_timer **timer)
{
    r->host->timer_cancel(r->host, *timer);
    *timer = NULL;
}

static void on_elected(void *arg, uint64_t epoch)
{
    struct master_run *r = arg;
    if (r->stopping || r->withdrawal != WITHDRAW_NO) {
        return; /* it crossed the withdrawal */
    }
    char address[MEMBER_ADDRESS_MAX];
    member_address(&r->self, address);
    r->host->log(r->host, MU_INFO, "elected as the leading master",
                 "id=%s address=%s epoch=%" PRIu64, r->self.id, address, epoch);
    cancel(r, &r->lost_wait);
    r->leading = true;
    r->scheduler_link = link_server_new_number(r->links);
    set_leader(r, r->named.id != NULL ? &r->named : &r->self);
    struct master_event ev = {.type = MASTER_EV_ELECTED, .epoch = epoch};
    step_told(r, &ev);
    if (r->leading) {
        r->cfg.leading(r->cfg.arg, epoch);
    }
}

/* Stop serving first, then forget: links closed, scheduler dropped, machine thrown back
 * to standby. */
static void step_down(struct master_run *r, int level, const char *why)
{
    if (!r->leading) {
        return;
    }
    r->host->log(r->host, level, "no longer the leading master, standing by", "why=%s",
                 why);
    r->leading = false;
    r->scheduler_link = 0;
    r->cfg.standing_by(r->cfg.arg);
    link_server_close_all(r->links);
    rt_store_drop(r->store);
    struct master_event ev = {.type = MASTER_EV_LOST, .text = why};
    step_told(r, &ev);
    if (is_self(r, &r->leader)) {
        set_leader(r, NULL);
    }
}

static void stand(void *arg)
{
    struct master_run *r = arg;
    r->stand_again = NULL;
    struct mu_error err;
    r->host->log(r->host, MU_INFO, "standing for election", "id=%s", r->self.id);
    int rc = r->cfg.election->contend(r->cfg.election_instance, &r->self, &err);
    if (rc < 0) {
        r->cfg.failed(r->cfg.arg, err.text);
    }
}

static void stopped_one(struct master_run *r);

static void on_withdrawn(void *arg)
{
    struct master_run *r = arg;
    r->withdrawal = r->stopping ? WITHDRAW_DONE : WITHDRAW_NO;
    if (r->stopping) {
        if (r->withdraw_max != NULL) { /* the stop waits for it still */
            cancel(r, &r->withdraw_max);
            stopped_one(r);
        }
    } else {
        r->stand_again = r->host->timer_start(r->host, STAND_AGAIN_MS, stand, r);
    }
}

static void withdraw(struct master_run *r)
{
    cancel(r, &r->lost_wait);
    if (r->withdrawal != WITHDRAW_NO || r->stand_again != NULL) {
        return; /* it has been done */
    }
    r->withdrawal = WITHDRAW_ASKED;
    r->cfg.election->withdraw(r->cfg.election_instance, on_withdrawn, r);
}

void master_run_abdicate(struct master_run *r)
{
    if (r->leading) {
        step_down(r, MU_INFO, "asked to give up leadership");
        withdraw(r);
    }
}

/* The machine has ended its reign by itself. Others may lead at once; what made it give
 * up may last here. */
static void gave_up(struct master_run *r)
{
    mu_auto_free char *why = mu_steal(&r->self_lost);
    step_down(r, MU_WARN, why);
    withdraw(r);
}

static void on_lost_wait(void *arg)
{
    struct master_run *r = arg;
    r->lost_wait = NULL;
    r->host->log(r->host, MU_WARN,
                 "the election takes this master for the leader although its lease was "
                 "over: withdrawing, standing again",
                 NULL);
    withdraw(r);
}

/* `lost` follows; unless the election heard of ZooKeeper between (a process that was
 * frozen for a moment): then what was thrown away must be made good by a new election. */
static void lease_over(struct master_run *r)
{
    step_down(r, MU_WARN, "the lease of its leadership is over");
    if (r->lost_wait == NULL && r->withdrawal == WITHDRAW_NO) {
        r->lost_wait = r->host->timer_start(r->host, LOST_WAIT_MS, on_lost_wait, r);
    }
}

static void on_lost(void *arg, const char *why)
{
    struct master_run *r = arg;
    cancel(r, &r->lost_wait);
    step_down(r, MU_WARN, why);
}

static const struct mu_election_events election_events = {on_elected, on_lost, on_leader};

/* ---- life ---- */

struct master_run *master_run_create(const struct master_run_config *cfg)
{
    struct master_run *r = MU_NEW(struct master_run);
    r->cfg = *cfg;
    r->host = cfg->host;
    member_copy(&r->self, cfg->self);
    r->machine = master_create(cfg->machine);
    r->store = rt_store_create(cfg->host, cfg->registry, cfg->registry_instance, "master",
                               &store_events, r);
    r->links = link_server_create(cfg->host, &link_events, r);
    bool can_depose = MU_HAS(struct mu_election_ops, cfg->election, depose) &&
                      cfg->election->depose != NULL;
    const struct leader_watch_config watch = {.host = cfg->host,
                                              .self_id = cfg->self->id,
                                              .depose = can_depose ? on_depose : NULL,
                                              .arg = r};
    r->watch = leader_watch_create(&watch);
    cfg->election->listen(cfg->election_instance, &election_events, r);
    return r;
}

int master_run_start(struct master_run *r, struct mu_error *err)
{
    int rc = link_server_start(r->links, err);
    if (rc == 0) {
        rc = leader_watch_start(r->watch, err);
    }
    if (rc == 0) {
        rc = r->cfg.election->detect(r->cfg.election_instance, err);
    }
    if (rc == 0) {
        char address[MEMBER_ADDRESS_MAX];
        member_address(&r->self, address);
        r->host->log(r->host, MU_INFO, "standing for election", "id=%s address=%s",
                     r->self.id, address);
        rc = r->cfg.election->contend(r->cfg.election_instance, &r->self, err);
    }
    arm(r);
    return rc;
}

void master_run_resign(struct master_run *r)
{
    if (r->stopping) {
        return;
    }
    step_down(r, MU_INFO, "this process is stopping");
    withdraw(r);
    r->stopping = true;
    cancel(r, &r->deadline);
    cancel(r, &r->turn);
    cancel(r, &r->stand_again);
    leader_watch_set(r->watch, NULL);
}

static void stopped_one(struct master_run *r)
{
    r->waits--;
    if (r->waits == 0) {
        r->stopped_cb(r->stopped_arg);
    }
}

static void on_part_stopped(void *arg)
{
    stopped_one(arg);
}

/* ZooKeeper may be away. Its session timeout does what the withdrawal would have done,
 * and the plugin's stop ends what is under way. */
static void on_withdraw_max(void *arg)
{
    struct master_run *r = arg;
    r->withdraw_max = NULL;
    r->host->log(r->host, MU_WARN,
                 "the election does not confirm the withdrawal, going on", "waited_ms=%u",
                 WITHDRAW_MAX_MS);
    stopped_one(r);
}

void master_run_stop(struct master_run *r, mu_cb cb, void *arg)
{
    master_run_resign(r);
    r->stopped_cb = cb;
    r->stopped_arg = arg;
    r->waits = 2;
    leader_watch_stop(r->watch, on_part_stopped, r);
    if (r->withdrawal == WITHDRAW_ASKED) {
        r->waits++;
        r->withdraw_max =
            r->host->timer_start(r->host, WITHDRAW_MAX_MS, on_withdraw_max, r);
    }
    rt_store_stop(r->store, on_part_stopped, r);
}

void master_run_destroy(struct master_run *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->inbox.count; i++) {
        mu_msg_release(&r->inbox.v[i].msg);
    }
    free(r->inbox.v);
    master_destroy(r->machine);
    rt_store_destroy(r->store);
    link_server_destroy(r->links);
    leader_watch_destroy(r->watch);
    member_release(&r->self);
    member_release(&r->leader);
    member_release(&r->named);
    free(r->self_lost);
    free(r);
}

int master_run_query(
    struct master_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    return master_query(r->machine, type, key, cb, arg);
}

void master_run_metrics(struct master_run *r,
                        void (*cb)(void *arg, const char *name, double value),
                        void *arg)
{
    master_metrics(r->machine, cb, arg);
    cb(arg, "election/leader_changes", (double)r->leader_changes);
    cb(arg, "election/depositions", (double)r->depositions);
    bool is_watched = strcmp(leader_watch_state(r->watch), "open") == 0;
    cb(arg, "election/leader_watched", is_watched ? 1 : 0);
    if (has_lease(r)) {
        cb(arg, "election/lease_ms", r->leading ? (double)lease_left_ms(r) : 0);
    }
}

void master_run_unwell(const struct master_run *r, struct mu_buf *out)
{
    if (r->stopping) {
        mu_buf_puts(out, "this master is stopping");
    } else if (r->leading && lease_left_ms(r) == 0) {
        mu_buf_puts(out, "the lease of its leadership is over");
    } else if (r->leading) {
        (void)master_query(r->machine, MU_Q_MASTER, NULL, tell_recovering, out);
    } else if (r->leader.id == NULL) {
        mu_buf_puts(out, "no leading master is known");
    }
}
