/* See leader_watch.h.
 *
 * States of the watching end: IDLE (nobody to watch) -> ASKING (a connection was asked
 * for) -> OPEN (answered with the member's own id) -> ASKING ... A try that came to
 * nothing leads to PAUSED, a proof to DEPOSED; both look again when their pause is over,
 * as long as the election names the same member. `is_known` remembers that this very
 * member has answered here before; without it nothing is a proof.
 *
 * One call at a time. A call that is given up is cancelled and forgotten; its on_done
 * comes later and only counts down `calls`.
 */
#include "runtime/leader_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/sm.h"
#include "runtime/member.h"

#define PATH "/api/v1/leader-watch"
#define BEAT_MS 1000u
#define PAUSE_MIN_MS 10u
#define PAUSE_MAX_MS 2000u
#define PAUSE_TOLD_MS 160u /* the fifth try in a row */

enum watch_state {
    WATCH_IDLE,
    WATCH_ASKING,
    WATCH_OPEN,
    WATCH_PAUSED,
    WATCH_DEPOSED,
    WATCH_STATES
};

#define TO(state) MU_SM_TO(WATCH_##state)

static const struct mu_sm_state watch_states[WATCH_STATES] = {
    [WATCH_IDLE] = {"idle", MU_SM_INITIAL, TO(ASKING)},
    [WATCH_ASKING] = {"asking", 0, TO(OPEN) | TO(PAUSED) | TO(DEPOSED) | TO(IDLE)},
    [WATCH_OPEN] = {"open", 0, TO(ASKING) | TO(IDLE)},
    [WATCH_PAUSED] = {"paused", 0, TO(ASKING) | TO(IDLE)},
    [WATCH_DEPOSED] = {"deposed", 0, TO(ASKING) | TO(IDLE)},
};

static const struct mu_sm watch_sm = {"leader watch", watch_states, WATCH_STATES};

/* A standby that watches this master. */
struct watcher {
    struct leader_watch *watch;
    struct mu_list node;
    struct mu_http_exchange *exchange;
};

struct call {
    struct leader_watch *watch;
    struct mu_http_call *http;
    char other_id[64]; /* who answered, if it was another one */
};

struct leader_watch {
    struct leader_watch_config cfg;
    const struct mu_host *host;
    char *self_id;

    struct mu_list watchers;
    struct mu_timer *beat; /* NULL: nobody watches */

    uint32_t state;
    struct mu_member member; /* zeroed: nobody */
    bool is_known;
    bool was_silent; /* the stream was given up; it did not end */
    bool was_told;   /* that it cannot be watched: said once */
    uint64_t pause_ms;
    struct call *call;      /* NULL: none that matters */
    struct mu_timer *timer; /* of the state */
    size_t calls;           /* that have not ended */
    bool stopping;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* ---- the served end ---- */

static void on_beat(void *arg)
{
    struct leader_watch *w = arg;
    w->beat = NULL;
    if (mu_list_empty(&w->watchers)) {
        return;
    }
    mu_list_foreach (node, &w->watchers) {
        struct watcher *x = mu_list_entry(node, struct watcher, node);
        (void)w->host->http_stream_write(x->exchange, "\n", 1); /* on_close tells */
    }
    w->beat = w->host->timer_start(w->host, BEAT_MS, on_beat, w);
}

static void on_watcher_gone(void *arg)
{
    struct watcher *x = arg;
    mu_list_remove(&x->node);
    free(x);
}

static void
on_request(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct leader_watch *w = arg;
    (void)req;
    const struct mu_http_header headers[] = {
        {"Muster-Master-Id", w->self_id},
        {"Content-Type", "text/plain; charset=utf-8"},
        {"Cache-Control", "no-cache"},
    };
    struct watcher *s = MU_NEW(struct watcher);
    *s = (struct watcher){.watch = w, .exchange = x};
    mu_list_append(&w->watchers, &s->node);
    w->host->http_on_close(x, on_watcher_gone, s);
    w->host->http_stream_begin(x, 200, headers, MU_COUNT_OF(headers), false);
    if (w->beat == NULL) {
        w->beat = w->host->timer_start(w->host, BEAT_MS, on_beat, w);
    }
}

/* ---- the watching end ---- */

static void ask(struct leader_watch *w);

static void move(struct leader_watch *w, enum watch_state to)
{
    w->state = mu_sm_move(&watch_sm, w->state, to);
    w->host->timer_cancel(w->host, w->timer);
    w->timer = NULL;
}

static void log_member(const struct leader_watch *w,
                       int level,
                       const char *message,
                       const char *detail)
{
    char address[MEMBER_ADDRESS_MAX];
    member_address(&w->member, address);
    w->host->log(w->host, level, message, "id=%s address=%s detail=%s", w->member.id,
                 address, detail);
}

static void on_pause_over(void *arg)
{
    struct leader_watch *w = arg;
    w->timer = NULL;
    ask(w);
}

/* The try proved nothing. Said once, and not of what a dying process does in its last
 * moment. */
static void rest(struct leader_watch *w, const char *why)
{
    move(w, WATCH_PAUSED);
    w->timer = w->host->timer_start(w->host, w->pause_ms, on_pause_over, w);
    if (!w->was_told && w->pause_ms >= PAUSE_TOLD_MS) {
        w->was_told = true;
        log_member(w, MU_INFO,
                   w->is_known
                       ? "the leading master does not answer, which proves nothing"
                       : "the leading master cannot be watched from here, so "
                         "ZooKeeper alone will tell when it is gone",
                   why);
    }
    w->pause_ms = w->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : w->pause_ms * 2;
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

static void prove(struct leader_watch *w, const char *proof)
{
    move(w, WATCH_DEPOSED);
    log_member(w, MU_WARN, "the leading master is gone: deposing it", proof);
    struct mu_error err;
    int rc = w->cfg.depose(w->cfg.arg, &w->member, proof, &err);
    if (rc < 0) {
        log_member(w, MU_WARN, "it is not deposed: trying again", err.text);
    }
    w->timer = w->host->timer_start(w->host, or_default(w->cfg.again_ms, 1000),
                                    on_pause_over, w);
}

/* From outside of any callback of the call's, or from within: it is not heard again. */
static void give_up_call(struct leader_watch *w)
{
    if (w->call != NULL) {
        w->host->http_cancel(w->call->http);
        w->call = NULL;
    }
}

static void on_no_answer(void *arg)
{
    struct leader_watch *w = arg;
    w->timer = NULL;
    give_up_call(w);
    rest(w, "no answer in time");
}

/* It has sent nothing for longer than a living loop takes. What a new connection finds
 * decides. */
static void on_silence(void *arg)
{
    struct leader_watch *w = arg;
    w->timer = NULL;
    w->was_silent = true;
    give_up_call(w);
    ask(w);
}

static void await_sign(struct leader_watch *w)
{
    w->host->timer_cancel(w->host, w->timer);
    w->timer =
        w->host->timer_start(w->host, or_default(w->cfg.silence_ms, 5000), on_silence, w);
}

static void on_headers(void *arg,
                       int status,
                       const struct mu_http_header *headers,
                       size_t header_count)
{
    struct call *call = arg;
    struct leader_watch *w = call->watch;
    const char *id = mu_http_header_get(headers, header_count, "Muster-Master-Id");
    if (call != w->call || status != 200 || id == NULL) {
        return;
    }
    if (strcmp(id, w->member.id) != 0) {
        (void)snprintf(call->other_id, sizeof(call->other_id), "%s", id);
        w->host->http_cancel(call->http); /* on_done knows why */
        return;
    }
    move(w, WATCH_OPEN);
    if (!w->is_known) {
        log_member(w, MU_INFO, "watching the leading master", w->member.znode);
    }
    w->is_known = true;
    w->was_told = w->was_silent = false;
    w->pause_ms = PAUSE_MIN_MS;
    await_sign(w);
}

static void on_data(void *arg, const char *data, size_t len)
{
    (void)data;
    (void)len;
    struct call *call = arg;
    if (call == call->watch->call && call->watch->state == WATCH_OPEN) {
        await_sign(call->watch);
    }
}

/* The table of docs/high-availability.md, for a new connection. */
static void judge(struct leader_watch *w,
                  const struct call *call,
                  const struct mu_http_answer *answer)
{
    char proof[160];
    if (call->other_id[0] != '\0' && strcmp(call->other_id, w->self_id) == 0) {
        rest(w, "its address is this master's own: it was an earlier process of it, or "
                "--advertise_ip is wrong");
    } else if (call->other_id[0] != '\0' && w->is_known) {
        (void)snprintf(proof, sizeof(proof), "its port is answered by master %s",
                       call->other_id);
        prove(w, proof);
    } else if (call->other_id[0] != '\0') {
        rest(w, "another master answers at its address");
    } else if (answer->status == -ECONNREFUSED && w->is_known) {
        prove(w, w->was_silent ? "it has gone silent and a new connection is refused"
                               : "its stream has ended and a new connection is refused");
    } else if (answer->status < 0) {
        rest(w, answer->error_text);
    } else {
        (void)snprintf(proof, sizeof(proof), "it answers %d without an id",
                       answer->status);
        rest(w, proof);
    }
}

static void maybe_stopped(struct leader_watch *w)
{
    if (w->stopped_cb != NULL && w->calls == 0) {
        mu_cb cb = w->stopped_cb;
        w->stopped_cb = NULL;
        cb(w->stopped_arg);
    }
}

static void on_done(void *arg, const struct mu_http_answer *answer)
{
    struct call *call = arg;
    struct leader_watch *w = call->watch;
    w->calls--;
    if (call == w->call) {
        w->call = NULL;
        if (w->state == WATCH_OPEN) {
            ask(w); /* at once: this is where a failover begins */
        } else {
            judge(w, call, answer);
        }
    }
    free(call);
    maybe_stopped(w);
}

static void ask(struct leader_watch *w)
{
    char address[MEMBER_ADDRESS_MAX];
    member_address(&w->member, address);
    mu_auto_free char *url = mu_xasprintf("http://%s" PATH, address);
    struct call *call = MU_NEW(struct call);
    call->watch = w;
    const struct mu_http_ask what = {
        .struct_size = sizeof(what),
        .method = "GET",
        .url = url,
        .connect_timeout_ms = or_default(w->cfg.answer_ms, 2000),
        .on_headers = on_headers,
        .on_data = on_data,
        .on_done = on_done,
        .arg = call,
    };
    move(w, WATCH_ASKING);
    struct mu_error err;
    if (w->host->http_request(w->host, &what, &call->http, &err) < 0) {
        free(call);
        rest(w, err.text);
        return;
    }
    w->call = call;
    w->calls++;
    w->timer = w->host->timer_start(w->host, or_default(w->cfg.answer_ms, 2000),
                                    on_no_answer, w);
}

/* ---- life ---- */

struct leader_watch *leader_watch_create(const struct leader_watch_config *cfg)
{
    struct leader_watch *w = MU_NEW(struct leader_watch);
    w->cfg = *cfg;
    w->host = cfg->host;
    w->self_id = mu_xstrdup(cfg->self_id);
    mu_list_init(&w->watchers);
    return w;
}

int leader_watch_start(struct leader_watch *w, struct mu_error *err)
{
    return w->host->http_route(w->host, "master", "GET", PATH, on_request, w, err);
}

static void watch_nobody(struct leader_watch *w)
{
    give_up_call(w);
    if (w->state != WATCH_IDLE) {
        move(w, WATCH_IDLE);
    }
    member_release(&w->member);
}

void leader_watch_set(struct leader_watch *w, const struct mu_member *leader)
{
    static const struct mu_member nobody;
    bool is_other = leader != NULL && leader->id != NULL &&
                    strcmp(leader->id, w->self_id) != 0 && w->cfg.depose != NULL &&
                    !w->stopping;
    if (member_is_same(&w->member, is_other ? leader : &nobody)) {
        if (is_other) { /* perhaps under another znode, which is what is deposed */
            member_release(&w->member);
            member_copy(&w->member, leader);
        }
        return;
    }
    watch_nobody(w);
    if (is_other) {
        member_copy(&w->member, leader);
        w->is_known = w->was_told = w->was_silent = false;
        w->pause_ms = PAUSE_MIN_MS;
        ask(w);
    }
}

const char *leader_watch_state(const struct leader_watch *w)
{
    return mu_sm_name(&watch_sm, w->state);
}

static void on_stop_turn(void *arg)
{
    struct leader_watch *w = arg;
    w->timer = NULL;
    maybe_stopped(w);
}

void leader_watch_stop(struct leader_watch *w, mu_cb cb, void *arg)
{
    MU_PRE(!w->stopping);
    watch_nobody(w);
    w->stopping = true;
    w->stopped_cb = cb;
    w->stopped_arg = arg;
    if (w->calls == 0) { /* never inline */
        w->timer = w->host->timer_start(w->host, 0, on_stop_turn, w);
    }
}

void leader_watch_destroy(struct leader_watch *w)
{
    if (w == NULL) {
        return;
    }
    MU_PRE(w->calls == 0);
    mu_list_foreach_safe (node, &w->watchers) {
        struct watcher *x = mu_list_entry(node, struct watcher, node);
        w->host->http_on_close(x->exchange, NULL, NULL);
        w->host->http_stream_end(x->exchange);
        on_watcher_gone(x);
    }
    w->host->timer_cancel(w->host, w->beat);
    member_release(&w->member);
    free(w->self_id);
    free(w);
}
