/* See standby.h.
 *
 * States of a passage: KEPT (waits for a leader) -> ASKING (a call to the leader is under
 * way)
 * -> answered, or KEPT again when the leader has certainly not taken it. A leader that is
 * none (any more) answers a passed-on request with 503 and NOT_TAKEN, which is how two
 * masters that each take the other for the leader do not pass a request back and forth.
 */
#include "standby.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "alloc.h"
#include "answer.h"
#include "arguments.h"

#define NOT_TAKEN "X-Muster-Not-Taken"
#define ANSWER_MAX (256u * 1024 * 1024)
#define CONNECT_MS 5000u
#define ANSWER_MS 60000u
#define HEADERS_MAX 128u
#define FOLLOW_MS                                                                        \
    100u /* how soon who waits for the old leader sees that there is a new one */

struct mrt_passage {
    struct mrt_passage *next;
    struct mrt_request rq; /* rq.x NULL: the client is gone */
    void (*again)(struct mrt_request *rq);
    uint64_t keep_until_ms;
    struct mu_http_call *call;     /* NULL: kept */
    char leader[2 * MRT_NAME_MAX]; /* whom it asks */
    bool overtaken;                /* it asks one who does not lead any more */
};

/* ---- the list ---- */

static void unlink_passage(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    struct mrt_passage **at = &m->passages;
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    m->passage_count--;
    m->passages_asking -= p->call != NULL;
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
    if (p->call != NULL) {
        p->rq.m->host->http_cancel(p->call); /* on_done ends it */
    } else {
        end(p);
    }
}

static void refuse(struct mrt_passage *p, int status, const char *text)
{
    static const struct mu_http_header retry = {"Retry-After", "1"};
    struct mrt *m = p->rq.m;
    if (p->rq.x != NULL) {
        struct mu_buf body;
        mu_buf_init(&body, 4096);
        struct mu_jw w;
        mu_jw_init(&w, &body);
        mu_jw_object_begin(&w);
        mu_jw_kv_string(&w, "message", text);
        mu_jw_object_end(&w);
        mrt_answer_with(m, p->rq.x, status, MRT_JSON, &body, &retry, 1);
        mu_buf_release(&body);
    }
    end(p);
}

/* ---- headers ---- */

static bool is_one_of(const char *name, const char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcasecmp(name, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Of one connection only (RFC 9110, 7.6.1), or made anew on each. */
static bool is_hop_by_hop(const char *name)
{
    static const char *const names[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "TE",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Expect",
                                        "Content-Length",
                                        "Date",
                                        "Accept-Encoding",
                                        "Via",
                                        "X-Forwarded-For",
                                        "Proxy-Connection",
                                        NULL};
    return is_one_of(name, names);
}

static const char *header_of(const struct mu_http_request *req, const char *name)
{
    return mu_http_header_get(req->headers, req->header_count, name);
}

/* ---- the leader's answer ---- */

static void keep(struct mrt_passage *p);

static void answer(struct mrt_passage *p, const struct mu_http_answer *a)
{
    struct mrt *m = p->rq.m;
    struct mu_http_header out[HEADERS_MAX];
    char via[MRT_NAME_MAX + 32];
    size_t n = 0;
    for (size_t i = 0; i < a->header_count && n < HEADERS_MAX - 1; i++) {
        if (!is_hop_by_hop(a->headers[i].name)) {
            out[n++] = a->headers[i];
        }
    }
    (void)snprintf(via, sizeof(via), "1.1 %s", m->self);
    out[n++] = (struct mu_http_header){"Via", via};
    struct mu_http_exchange *x = p->rq.x;
    end(p);
    m->host->http_reply(x, a->status, out, n, a->body, a->body_len);
}

static void failed(struct mrt_passage *p, const struct mu_http_answer *a)
{
    bool is_read = strcmp(p->rq.http->method, "GET") == 0 ||
                   strcmp(p->rq.http->method, "OPTIONS") == 0;
    bool is_lost = a->status == -ECONNRESET || p->overtaken;
    if (a->status == -ECONNREFUSED || (is_read && is_lost)) {
        keep(p); /* nobody has taken it, or it does not matter */
    } else if (a->status == -ETIMEDOUT) {
        refuse(p, 504, "Connection to leader timed out.");
    } else {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "Connection to leader lost: %s. The request may or may not have "
                       "been carried out.",
                       p->overtaken            ? "another master leads now"
                       : a->error_text != NULL ? a->error_text
                                               : "no reason given");
        refuse(p, 502, text);
    }
}

static void on_done(void *arg, const struct mu_http_answer *a)
{
    struct mrt_passage *p = arg;
    struct mrt *m = p->rq.m;
    p->call = NULL;
    m->passages_asking--;
    if (p->rq.x == NULL) {
        end(p);
    } else if (a->status < 0) {
        failed(p, a);
    } else if (mu_http_header_get(a->headers, a->header_count, NOT_TAKEN) != NULL) {
        keep(p);
    } else {
        answer(p, a);
    }
}

/* ---- asking ---- */

static size_t request_headers(struct mrt_passage *p,
                              struct mu_http_header *out,
                              char *via,
                              size_t via_size,
                              char *forwarded,
                              size_t forwarded_size)
{
    const struct mu_http_request *req = p->rq.http;
    size_t n = 0;
    for (size_t i = 0; i < req->header_count && n < HEADERS_MAX - 2; i++) {
        if (!is_hop_by_hop(req->headers[i].name)) {
            out[n++] = req->headers[i];
        }
    }
    char ip[64];
    mrt_peer_ip(req->peer, ip, sizeof(ip));
    const char *before = header_of(req, "X-Forwarded-For");
    (void)snprintf(forwarded, forwarded_size, "%s%s%s", before != NULL ? before : "",
                   before != NULL ? ", " : "", ip);
    out[n++] = (struct mu_http_header){"X-Forwarded-For", forwarded};
    before = header_of(req, "Via");
    (void)snprintf(via, via_size, "%s%s1.1 %s", before != NULL ? before : "",
                   before != NULL ? ", " : "", p->rq.m->self);
    out[n++] = (struct mu_http_header){"Via", via};
    return n;
}

static void ask(struct mrt_passage *p, const char *leader)
{
    struct mrt *m = p->rq.m;
    const struct mu_http_request *req = p->rq.http;
    struct mu_http_header headers[HEADERS_MAX];
    char via[1024], forwarded[1024];
    size_t count =
        request_headers(p, headers, via, sizeof(via), forwarded, sizeof(forwarded));
    struct mu_buf url;
    mu_buf_init(&url, 128 * 1024);
    (void)mu_buf_printf(&url, "http://%s%s%s%s", leader, req->path,
                        req->query[0] != '\0' ? "?" : "", req->query);
    const struct mu_http_ask what = {
        .struct_size = sizeof(what),
        .method = req->method,
        .url = mu_buf_str(&url),
        .headers = headers,
        .header_count = count,
        .body = req->body,
        .body_len = req->body_len,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = ANSWER_MS,
        .max_body = ANSWER_MAX,
        .on_done = on_done,
        .arg = p,
    };
    struct mu_error err;
    int rc = m->host->http_request(m->host, &what, &p->call, &err);
    mu_buf_release(&url);
    if (rc < 0) {
        p->call = NULL;
        refuse(p, 502, err.text);
        return;
    }
    (void)snprintf(p->leader, sizeof(p->leader), "%s", leader);
    p->overtaken = false;
    m->passages_asking++;
}

/* The leader that is being asked may be cut off: nobody waits for it once there is
 * another. */
static void follow(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    char leader[2 * MRT_NAME_MAX];
    bool is_other =
        mrt_leader(m, leader, sizeof(leader)) && strcmp(leader, p->leader) != 0;
    if (is_other && !p->overtaken) {
        p->overtaken = true;
        m->host->http_cancel(p->call);
    }
}

/* ---- keeping ---- */

/* true: it is on its way, or over. */
static bool try_now(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    char leader[2 * MRT_NAME_MAX];
    int code = mrt_ready(m);
    if (code == 0) {
        struct mrt_request rq = p->rq;
        void (*again)(struct mrt_request *) = p->again;
        m->host->http_on_close(rq.x, NULL, NULL);
        end(p);
        again(&rq);
        return true;
    }
    if (code == MU_E_NOT_LEADER && m->passages_asking < MRT_STANDBY_CALLS_MAX &&
        mrt_leader(m, leader, sizeof(leader)) && strcmp(leader, m->self) != 0) {
        ask(p, leader);
        return true;
    }
    return false;
}

static void arm(struct mrt *m);

static void on_poll(void *arg)
{
    struct mrt *m = arg;
    m->passage_poll = NULL;
    uint64_t now = m->host->now_ms(m->host);
    for (struct mrt_passage *p = m->passages, *next; p != NULL; p = next) {
        next = p->next; /* what ends here is p alone; new ones come in front */
        if (p->call != NULL) {
            follow(p);
            continue;
        }
        if (try_now(p)) {
            continue;
        }
        if (now >= p->keep_until_ms) {
            refuse(p, 503,
                   mrt_ready(m) == MU_E_UNAVAILABLE
                       ? "The leader is still reading its state. Please try again."
                       : "Could not determine the current leader.");
        }
    }
    arm(m);
}

static void arm(struct mrt *m)
{
    if (m->passage_count > 0 && m->passage_poll == NULL && !m->stopping) {
        bool any_kept = m->passage_count > m->passages_asking;
        m->passage_poll = m->host->timer_start(
            m->host, any_kept ? MRT_STANDBY_POLL_MS : FOLLOW_MS, on_poll, m);
    }
}

static void keep(struct mrt_passage *p)
{
    struct mrt *m = p->rq.m;
    if (m->stopping || m->host->now_ms(m->host) >= p->keep_until_ms) {
        refuse(p, 503, "Connection to leader refused.");
    } else {
        m->host->timer_cancel(m->host,
                              m->passage_poll); /* sooner than who only follows */
        m->passage_poll = NULL;
        arm(m);
    }
}

/* ---- for the routes ---- */

static bool has_passed(const struct mu_http_request *req, const char *self)
{
    const char *via = header_of(req, "Via");
    return via != NULL && self[0] != '\0' && strstr(via, self) != NULL;
}

static bool has_leader(struct mrt *m)
{
    char leader[2 * MRT_NAME_MAX];
    return mrt_leader(m, leader, sizeof(leader)) && strcmp(leader, m->self) != 0;
}

static void redirect_events(const struct mrt_request *rq)
{
    char leader[2 * MRT_NAME_MAX], location[4096];
    if (!mrt_leader(rq->m, leader, sizeof(leader))) {
        mrt_answer_not_ready(rq->m, rq->x, MU_E_NOT_LEADER);
        return;
    }
    (void)snprintf(location, sizeof(location), "http://%s%s%s%s", leader, rq->http->path,
                   rq->http->query[0] != '\0' ? "?" : "", rq->http->query);
    const struct mu_http_header header = {"Location", location};
    mrt_answer_with(rq->m, rq->x, 302, NULL, NULL, &header, 1);
}

void mrt_standby_take(const struct mrt_request *rq,
                      int code,
                      void (*again)(struct mrt_request *rq))
{
    struct mrt *m = rq->m;
    if (code == MU_E_NOT_LEADER && has_passed(rq->http, m->self)) {
        mrt_answer_message(m, rq->x, 502, "Detected proxying loop.");
        return;
    }
    if (code == MU_E_NOT_LEADER && header_of(rq->http, "Via") != NULL) {
        static const struct mu_http_header not_taken[] = {{NOT_TAKEN, "not the leader"},
                                                          {"Retry-After", "1"}};
        mrt_answer_with(m, rq->x, 503, NULL, NULL, not_taken, 2);
        return;
    }
    if (code == MU_E_NOT_LEADER && strcmp(rq->http->path, "/v2/events") == 0) {
        redirect_events(rq);
        return;
    }
    bool may_pass = code == MU_E_NOT_LEADER && m->passages_asking < MRT_STANDBY_CALLS_MAX;
    if (m->passage_count >= MRT_STANDBY_MAX ||
        (m->leader_wait_ms == 0 && !(may_pass && has_leader(m)))) {
        mrt_answer_not_ready(m, rq->x, code);
        return;
    }
    struct mrt_passage *p = MRT_NEW(struct mrt_passage);
    p->rq = *rq;
    p->again = again;
    p->keep_until_ms = m->host->now_ms(m->host) + m->leader_wait_ms;
    p->next = m->passages;
    m->passages = p;
    m->passage_count++;
    m->host->http_on_close(rq->x, on_client_gone, p);
    (void)try_now(p);
    arm(m);
}

void mrt_standby_stop(struct mrt *m)
{
    m->host->timer_cancel(m->host, m->passage_poll);
    m->passage_poll = NULL;
    for (struct mrt_passage *p = m->passages, *next; p != NULL; p = next) {
        next = p->next;
        if (p->call != NULL) {
            m->host->http_cancel(p->call); /* answered by on_done: with 502 */
        } else {
            refuse(p, 503, "This master is stopping.");
        }
    }
}
