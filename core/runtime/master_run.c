/* See master_run.h.
 *
 * The app scheduler in this process is a framework with a link of its own:
 * `scheduler_link` is its number while this process leads, 0 otherwise. Its messages and
 * everything else that is not an answer from a plugin are queued, so that no step runs
 * inside another.
 */
#include "runtime/master_run.h"

#include <inttypes.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "codec/master_json.h"
#include "runtime/link_server.h"
#include "runtime/member.h"
#include "runtime/store.h"

#define ABDICATE_DELAY_MS 500u /* what made it give up may last: no busy loop */

struct master_run {
    struct master_run_config cfg;
    const struct mu_host *host;
    struct mu_member self, leader; /* leader: zeroed when none is known */
    struct master *machine;
    struct rt_store *store;
    struct link_server *links;
    uint64_t scheduler_link;
    MU_VEC(struct mu_msg) inbox; /* from the scheduler */
    struct mu_timer *turn, *deadline;
    struct mu_timer *abdicate;
    char *self_lost; /* why the machine has stepped down by itself; NULL: it has not */
    bool leading, stepping, stopping, abdicating;
    int waits; /* of the stop */
    mu_cb stopped_cb;
    void *stopped_arg;
};

static void arm(struct master_run *r);
static void on_abdicate_turn(void *arg);

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
        if (r->self_lost == NULL) { /* after this step: it is in the middle of one */
            r->self_lost = mu_xstrdup(fx->text);
            r->abdicate =
                r->host->timer_start(r->host, ABDICATE_DELAY_MS, on_abdicate_turn, r);
        }
        break;
    case MASTER_FX_LOG:
        r->host->log(r->host, fx->level, "master", "what=%s", fx->text);
        break;
    }
}

static void step(struct master_run *r, struct master_event *ev)
{
    MU_PRE(!r->stepping);
    r->stepping = true;
    ev->now = (struct mu_now){r->host->now_ms(r->host), r->host->wall_ms(r->host)};
    struct master_effects fx = {0};
    master_step(r->machine, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        apply(r, &fx.v[i]);
    }
    master_effects_release(&fx);
    free(fx.v);
    r->stepping = false;
    arm(r);
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

static void on_turn(void *arg)
{
    struct master_run *r = arg;
    r->turn = NULL;
    struct mu_msg *batch = r->inbox.v;
    size_t count = r->inbox.count;
    r->inbox.v = NULL;
    r->inbox.count = r->inbox.cap = 0;
    for (size_t i = 0; i < count; i++) {
        if (r->scheduler_link != 0) {
            struct master_event ev = {
                .type = MASTER_EV_MESSAGE, .link = r->scheduler_link, .msg = &batch[i]};
            step(r, &ev);
        }
        mu_msg_release(&batch[i]);
    }
    free(batch);
}

void master_run_from_scheduler(struct master_run *r, const struct mu_msg *msg)
{
    MU_VEC_PUSH_ZERO(&r->inbox);
    mu_msg_copy(&r->inbox.v[r->inbox.count - 1], msg);
    if (r->turn == NULL) {
        r->turn = r->host->timer_start(r->host, 0, on_turn, r);
    }
}

/* ---- agent links ---- */

/* Standbys name the leader; without one the agent is asked to try again. */
static bool gate(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct master_run *r = arg;
    if (r->leading && !r->stopping) {
        return true;
    }
    if (r->leader.id == NULL || r->stopping) {
        static const struct mu_http_header retry[] = {
            {"Retry-After", "1"}, {"Content-Type", "text/plain; charset=utf-8"}};
        static const char text[] = "No leader elected";
        r->host->http_reply(x, 503, retry, 2, text, sizeof(text) - 1);
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
    } else if (status < 0) {
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
    r->host->log(r->host, MU_WARN, "master: a newer leader writes the registry now",
                 NULL);
}

static const struct rt_store_events store_events = {on_entry, on_recovered, on_committed,
                                                    on_fenced};

/* ---- the election ---- */

static void on_elected(void *arg, uint64_t epoch)
{
    struct master_run *r = arg;
    r->host->log(r->host, MU_INFO, "elected as the leading master",
                 "id=%s address=%s:%u epoch=%" PRIu64, r->self.id, r->self.ip,
                 r->self.port, epoch);
    r->leading = true;
    r->scheduler_link = link_server_new_number(r->links);
    struct master_event ev = {.type = MASTER_EV_ELECTED, .epoch = epoch};
    step(r, &ev);
    r->cfg.leading(r->cfg.arg, epoch);
}

/* Stop serving first, then forget: links closed, scheduler dropped, machine thrown back
 * to standby. */
static void step_down(struct master_run *r, const char *why)
{
    if (!r->leading) {
        return;
    }
    r->leading = false;
    r->scheduler_link = 0;
    r->cfg.standing_by(r->cfg.arg);
    link_server_close_all(r->links);
    rt_store_drop(r->store);
    struct master_event ev = {.type = MASTER_EV_LOST, .text = why};
    step(r, &ev);
}

static void on_lost(void *arg, const char *why)
{
    struct master_run *r = arg;
    r->host->log(r->host, MU_WARN, "leadership lost, standing by", "why=%s", why);
    step_down(r, why);
}

static void on_leader(void *arg, const struct mu_member *leader)
{
    struct master_run *r = arg;
    member_release(&r->leader);
    if (leader != NULL) {
        member_copy(&r->leader, leader);
        r->host->log(r->host, MU_INFO, "new leading master detected",
                     "id=%s address=%s:%u", leader->id, leader->hostname, leader->port);
    } else {
        r->host->log(r->host, MU_WARN, "no leading master is known", NULL);
    }
    struct master_event ev = {.type = MASTER_EV_LEADER, .leader = leader};
    step(r, &ev);
    r->cfg.leader(r->cfg.arg, leader);
}

static const struct mu_election_events election_events = {on_elected, on_lost, on_leader};

static void on_withdrawn(void *arg)
{
    struct master_run *r = arg;
    r->abdicating = false;
    if (r->stopping) {
        return;
    }
    struct mu_error err;
    int rc = r->cfg.election->contend(r->cfg.election_instance, &r->self, &err);
    if (rc < 0) {
        r->cfg.failed(r->cfg.arg, err.text);
    }
}

void master_run_abdicate(struct master_run *r)
{
    if (!r->leading || r->abdicating) {
        return;
    }
    r->abdicating = true;
    step_down(r, "abdicated");
    r->cfg.election->withdraw(r->cfg.election_instance, on_withdrawn, r);
}

static void on_abdicate_turn(void *arg)
{
    struct master_run *r = arg;
    r->abdicate = NULL;
    r->host->log(r->host, MU_WARN, "giving up leadership and standing again", "why=%s",
                 r->self_lost);
    free(r->self_lost);
    r->self_lost = NULL;
    master_run_abdicate(r);
}

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
    cfg->election->listen(cfg->election_instance, &election_events, r);
    return r;
}

int master_run_start(struct master_run *r, struct mu_error *err)
{
    int rc = link_server_start(r->links, err);
    if (rc == 0) {
        rc = r->cfg.election->detect(r->cfg.election_instance, err);
    }
    if (rc == 0) {
        rc = r->cfg.election->contend(r->cfg.election_instance, &r->self, err);
    }
    arm(r);
    return rc;
}

static void on_part_stopped(void *arg)
{
    struct master_run *r = arg;
    r->waits--;
    if (r->waits == 0) {
        r->stopped_cb(r->stopped_arg);
    }
}

void master_run_stop(struct master_run *r, mu_cb cb, void *arg)
{
    step_down(r, "this process is stopping");
    r->stopping = true;
    r->stopped_cb = cb;
    r->stopped_arg = arg;
    r->host->timer_cancel(r->host, r->deadline);
    r->host->timer_cancel(r->host, r->turn);
    r->host->timer_cancel(r->host, r->abdicate);
    r->deadline = r->turn = r->abdicate = NULL;
    r->waits = 2;
    r->cfg.election->withdraw(r->cfg.election_instance, on_part_stopped, r);
    rt_store_stop(r->store, on_part_stopped, r);
}

void master_run_destroy(struct master_run *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->inbox.count; i++) {
        mu_msg_release(&r->inbox.v[i]);
    }
    free(r->inbox.v);
    master_destroy(r->machine);
    rt_store_destroy(r->store);
    link_server_destroy(r->links);
    member_release(&r->self);
    member_release(&r->leader);
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
}

const struct mu_member *master_run_leader(const struct master_run *r)
{
    return r->leader.id == NULL ? NULL : &r->leader;
}

bool master_run_is_leading(const struct master_run *r)
{
    return r->leading;
}
