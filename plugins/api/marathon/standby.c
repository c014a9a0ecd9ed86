/* See standby.h.
 *
 * States of a passage: KEPT (waits for a leader) -> ASKING (a call to the leader is under
 * way) -> answered, or KEPT again when the leader has certainly not taken it. A leader
 * that is none (any more) answers a passed-on request with 503 and MRT_NOT_TAKEN, which
 * is how two masters that each take the other for the leader do not pass a request back
 * and forth.
 */
#include "standby.h"

#include <errno.h>
#include <stdio.h>

#include "alloc.h"
#include "answer.h"
#include "hops.h"

#define ANSWER_MAX (256u * 1024 * 1024)
#define CONNECT_MS 5000u
#define ANSWER_MS 60000u
/* How soon who waits for the old leader sees that there is a new one. */
#define FOLLOW_MS 100u
#define BEGIN_MAX 32u /* begun anew in one turn: others want theirs too */

struct mrt_passage {
    struct mrt_passage *next;
    struct mrt_request rq; /* rq.x NULL: the client is gone, rq.http is dead too */
    void (*again)(struct mrt_request *rq);
    size_t body_len;
    uint64_t keep_until_ms;
    struct mu_http_call *call;      /* NULL: kept */
    char leader[MRT_NAME_MAX + 16]; /* whom it asks */
    bool overtaken;                 /* it asks one who does not lead any more */
    const char *why;                /* it is kept: the last thing that was seen */
};

/* ---- the list ---- */

static void count_kept(struct mrt *m)
{
    m->host->gauge_set(m->host, "marathon.standby.kept.gauge",
                       (double)(m->passage_count - m->passages_asking));
}

static void append(struct mrt *m, struct mrt_passage *p)
{
    struct mrt_passage **at = &m->passages;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = p;
    m->passage_count++;
    m->passage_bytes += p->body_len;
}

static void unlink_passage(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    struct mrt_passage **at = &m->passages;
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    m->passage_count--;
    m->passage_bytes -= p->body_len;
    m->passages_asking -= p->call != NULL;
    count_kept(m);
}

static void end(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    unlink_passage(p);
    free(p);
    mrt_maybe_stopped(m);
}

static void on_client_gone(void *arg)
{
    struct mrt_passage *p = arg;
    p->rq.x = NULL;
    p->rq.http = NULL;
    if (p->call != NULL) {
        p->rq.m->host->http_cancel(p->call); /* on_done ends it */
    } else {
        end(p);
    }
}

/* Ends the passage with Marathon's error body; 503 may be tried again by the client. */
static void refuse(struct mrt_passage *p, int status, const char *text)
{
    struct mrt *m = p->rq.m;
    struct mu_http_exchange *x = p->rq.x;
    end(p);
    if (x == NULL) {
        return;
    }
    if (status == 503) {
        mrt_answer_retry(m, x, text);
    } else {
        mrt_answer_message(m, x, status, "%s", text);
    }
}

/* ---- the leader's answer ---- */

static void keep(struct mrt_passage *p, const char *why);

static void answer(struct mrt_passage *p, const struct mu_http_answer *a)
{
    struct mrt *m = p->rq.m;
    struct mu_http_exchange *x = p->rq.x;
    struct mrt_hops h;
    int rc = mrt_hops_answer(&h, a->headers, a->header_count, m->self);
    if (rc < 0 || a->status < 200 || a->status > 599) {
        char text[128];
        (void)snprintf(text, sizeof(text),
                       "The leader's answer is not valid: status %d, %zu headers.",
                       a->status, a->header_count);
        refuse(p, 502, text);
    } else {
        end(p);
        m->host->http_reply(x, a->status, h.v, h.count, a->body, a->body_len);
    }
    mrt_hops_release(&h);
}

static void lost(struct mrt_passage *p, const char *why)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "Connection to leader lost: %s. The request may or may not have been "
                   "carried out.",
                   why);
    refuse(p, 502, text);
}

static void failed(struct mrt_passage *p, const struct mu_http_answer *a)
{
    bool is_read = strcmp(p->rq.http->method, "GET") == 0;
    switch (a->status) {
    case -ECONNREFUSED:
        keep(p, "Connection to leader refused.");
        return;
    case -EHOSTUNREACH:
    case -ENETUNREACH: /* nobody has taken it */
        keep(p, "The leader cannot be reached.");
        return;
    case -ETIMEDOUT:
        refuse(p, 504, "Connection to leader timed out.");
        return;
    default:
        break;
    }
    if (is_read && (a->status == -ECONNRESET || p->overtaken)) {
        keep(p, "Connection to leader lost.");
    } else {
        lost(p, p->overtaken            ? "another master leads now"
                : a->error_text != NULL ? a->error_text
                                        : "no reason given");
    }
}

static void poll_in(struct mrt *m, uint64_t delay_ms);

static void on_done(void *arg, const struct mu_http_answer *a)
{
    struct mrt_passage *p = arg;
    struct mrt *m = p->rq.m;
    bool was_full = m->passages_asking >= MRT_STANDBY_CALLS_MAX;
    p->call = NULL;
    m->passages_asking--;
    if (p->rq.x == NULL) {
        end(p);
    } else if (a->status < 0) {
        failed(p, a);
    } else if (mu_http_header_get(a->headers, a->header_count, MRT_NOT_TAKEN) != NULL) {
        keep(p, "The leader does not lead any more.");
    } else {
        answer(p, a);
    }
    if (was_full && m->passage_count > m->passages_asking) {
        poll_in(m, 0); /* there is room for the next */
    }
}

/* ---- asking ---- */

static void ask(struct mrt_passage *p, const struct mrt_leader *leader)
{
    struct mrt *m = p->rq.m;
    const struct mu_http_request *req = p->rq.http;
    struct mrt_hops h;
    struct mu_buf url;
    struct mu_error err = {.text = "it has too many headers"};
    int rc = mrt_hops_request(&h, req, m->self);
    mu_buf_init(&url, 128 * 1024);
    (void)mu_buf_printf(&url, "http://%s%s%s%s", leader->target, req->path,
                        req->query[0] != '\0' ? "?" : "", req->query);
    const struct mu_http_ask what = {
        .struct_size = sizeof(what),
        .method = req->method,
        .url = mu_buf_str(&url),
        .headers = h.v,
        .header_count = h.count,
        .body = req->body,
        .body_len = req->body_len,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = ANSWER_MS,
        .max_body = ANSWER_MAX,
        .on_done = on_done,
        .arg = p,
        .at_most_once = strcmp(req->method, "GET") != 0,
    };
    rc = rc < 0 ? rc : m->host->http_request(m->host, &what, &p->call, &err);
    mrt_hops_release(&h);
    mu_buf_release(&url);
    if (rc < 0) {
        char text[sizeof(err.text) + 64];
        (void)snprintf(text, sizeof(text),
                       "The request cannot be passed on to the leader: %s.", err.text);
        p->call = NULL;
        refuse(p, 502, text);
        return;
    }
    (void)snprintf(p->leader, sizeof(p->leader), "%s", leader->target);
    p->overtaken = false;
    m->passages_asking++;
    m->host->counter_add(m->host, "marathon.standby.passed-on.counter", 1);
    count_kept(m);
}

/* The leader that is being asked may be cut off: nobody waits for it once there is
 * another. */
static void follow(struct mrt_passage *p, const struct mrt_leader *leader)
{
    bool is_other = leader->target[0] != '\0' && strcmp(leader->target, p->leader) != 0;
    if (is_other && !p->overtaken) {
        p->overtaken = true;
        p->rq.m->host->http_cancel(p->call);
    }
}

static void redirect(struct mrt_passage *p, const struct mrt_leader *leader)
{
    struct mrt *m = p->rq.m;
    struct mu_http_exchange *x = p->rq.x;
    const struct mu_http_request *req = p->rq.http;
    struct mu_buf location;
    mu_buf_init(&location, 128 * 1024);
    (void)mu_buf_printf(&location, "http://%s%s%s%s", leader->name, req->path,
                        req->query[0] != '\0' ? "?" : "", req->query);
    const struct mu_http_header header = {"Location", mu_buf_str(&location)};
    end(p);
    mrt_answer_with(m, x, 302, NULL, NULL, &header, 1);
    mu_buf_release(&location);
}

static void refuse_foreign(struct mrt_passage *p, const struct mrt_leader *leader)
{
    char text[sizeof(leader->name) + 128];
    (void)snprintf(text, sizeof(text),
                   "The leading master %s was announced by another system and names no "
                   "Marathon port.",
                   leader->name);
    refuse(p, 503, text);
}

/* ---- keeping ---- */

/* What this process knows now: asked once for all that are kept. */
struct situation {
    int code; /* of mrt_ready */
    struct mrt_leader leader;
};

static void look(struct mrt *m, struct situation *s)
{
    s->code = mrt_ready(m);
    (void)mrt_find_leader(m, &s->leader);
}

/* true: it is on its way, or over. */
static bool try_now(struct mrt_passage *p, const struct situation *s)
{
    struct mrt *m = p->rq.m;
    if (s->code == 0) {
        struct mrt_request rq = p->rq;
        void (*again)(struct mrt_request *) = p->again;
        m->host->http_on_close(rq.x, NULL, NULL);
        end(p);
        again(&rq);
        return true;
    }
    if (s->code != MU_E_NOT_LEADER || s->leader.is_self || s->leader.name[0] == '\0') {
        return false;
    }
    if (s->leader.target[0] == '\0') {
        refuse_foreign(p, &s->leader);
    } else if (p->rq.is_stream) {
        redirect(p, &s->leader);
    } else if (m->passages_asking >= MRT_STANDBY_CALLS_MAX) {
        p->why = "Too many requests are being passed on to the leader.";
        return false;
    } else {
        ask(p, &s->leader);
    }
    return true;
}

static void give_up(struct mrt_passage *p, const struct situation *s)
{
    if (s->code == MU_E_UNAVAILABLE) {
        struct mu_buf text;
        mu_buf_init(&text, 8192);
        mrt_not_ready_text(p->rq.m, s->code, &text);
        refuse(p, 503, mu_buf_str(&text));
        mu_buf_release(&text);
    } else if (p->why != NULL) {
        refuse(p, 503, p->why);
    } else {
        refuse(p, 503, "Could not determine the current leader.");
    }
}

static void arm(struct mrt *m);

static void on_poll(void *arg)
{
    struct mrt *m = arg;
    m->passage_poll = NULL;
    struct situation s;
    look(m, &s);
    uint64_t now = m->host->now_ms(m->host);
    struct mrt_passage *p = m->passages;
    /* What ends here is p alone; what comes anew is behind those counted now. */
    size_t begun = 0;
    for (size_t left = m->passage_count; left > 0 && begun < BEGIN_MAX; left--) {
        struct mrt_passage *next = p->next;
        begun += s.code == 0 && p->call == NULL;
        if (p->call != NULL) {
            follow(p, &s.leader);
        } else if (!try_now(p, &s) && now >= p->keep_until_ms) {
            give_up(p, &s);
        }
        p = next;
    }
    if (begun == BEGIN_MAX) {
        poll_in(m, 0);
    }
    arm(m);
}

static void poll_in(struct mrt *m, uint64_t delay_ms)
{
    m->host->timer_cancel(m->host, m->passage_poll);
    m->passage_poll =
        m->stopping ? NULL : m->host->timer_start(m->host, delay_ms, on_poll, m);
}

static void arm(struct mrt *m)
{
    if (m->passage_count > 0 && m->passage_poll == NULL && !m->stopping) {
        bool any_kept = m->passage_count > m->passages_asking;
        poll_in(m, any_kept ? MRT_STANDBY_POLL_MS : FOLLOW_MS);
    }
}

static void keep(struct mrt_passage *p, const char *why)
{
    struct mrt *m = p->rq.m;
    p->why = why;
    if (m->stopping || m->host->now_ms(m->host) >= p->keep_until_ms) {
        refuse(p, 503, why);
    } else {
        count_kept(m);
        poll_in(m, MRT_STANDBY_POLL_MS); /* sooner than who only follows */
    }
}

/* ---- for the routes ---- */

void mrt_standby_take(const struct mrt_request *rq,
                      int code,
                      void (*again)(struct mrt_request *rq))
{
    struct mrt *m = rq->m;
    if (code == MU_E_NOT_LEADER && mrt_hops_is_loop(rq->http, m->self)) {
        mrt_answer_message(m, rq->x, 502, "Detected proxying loop.");
        return;
    }
    if ((code == MU_E_NOT_LEADER && mrt_hops_was_passed(rq->http)) ||
        m->passage_count >= MRT_STANDBY_MAX ||
        rq->http->body_len > MRT_STANDBY_BODY_BYTES - m->passage_bytes) {
        mrt_answer_not_ready(m, rq->x, code);
        return;
    }
    struct situation s;
    struct mrt_passage *p = MRT_NEW(struct mrt_passage);
    p->rq = *rq;
    p->again = again;
    p->body_len = rq->http->body_len;
    p->keep_until_ms = m->host->now_ms(m->host) + m->leader_wait_ms;
    append(m, p);
    m->host->http_on_close(rq->x, on_client_gone, p);
    look(m, &s);
    if (!try_now(p, &s)) {
        count_kept(m);
        if (m->leader_wait_ms == 0) {
            give_up(p, &s);
        }
    }
    arm(m);
}

void mrt_standby_stop(struct mrt *m)
{
    for (struct mrt_passage *p = m->passages, *next; p != NULL; p = next) {
        next = p->next;
        if (p->call != NULL) {
            m->host->http_cancel(p->call); /* answered by on_done: with 502 */
        } else {
            refuse(p, 503, "This master is stopping.");
        }
    }
    m->host->timer_cancel(m->host, m->passage_poll);
    m->passage_poll = NULL;
}
