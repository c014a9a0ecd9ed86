/* The instance, and one request on its way through it.
 *
 * Everything on the loop thread. Reads answer inside their handler (or, when long, as a
 * struct mrt_pages); changes are calls (calls.h) that run one at a time, in the order in
 * which they came, so that each is judged by the outcome of all before it. */
#ifndef MRT_MARATHON_H
#define MRT_MARATHON_H

#include <muster/kind/api.h>
#include <muster/plugin.h>

struct mrt_call;
struct mrt_pages;
struct mrt_stream;
struct mrt_binding;
struct mrt_passage;
struct resource;

#define MRT_NAME_MAX 256

struct mrt {
    const struct mu_host *host;
    const struct mu_core *core;
    uint32_t roles;
    /* flags */
    struct mu_strings origins; /* access_control_allow_origin */
    int64_t max_requests;      /* 0: no limit */
    uint32_t max_outstanding;
    uint64_t leader_wait_ms;
    /* refreshed by mrt_ready */
    bool leads;
    char role[MRT_NAME_MAX];      /* of the scheduler */
    char self[MRT_NAME_MAX + 16]; /* "host:port" of this process's Marathon API */

    struct mrt_binding *bindings; /* of routes, one per pattern */
    struct mrt_call *calls;       /* in order; the first one runs */
    size_t call_count;
    struct mu_timer *call_timer; /* the first client that has waited too long */
    bool pumping;
    struct mrt_pages *pages;
    size_t pages_count;
    struct mrt_stream *streams;
    struct mu_watch *watch; /* there while there are streams */
    struct mu_timer *heartbeat;
    struct mrt_passage *passages; /* of standby.c, oldest first */
    size_t passage_count, passages_asking;
    size_t passage_bytes; /* of their requests' bodies */
    struct mu_timer *passage_poll;

    bool stopping;
    struct mu_timer *stopped;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* Borrowed for the handler. */
struct mrt_request {
    struct mrt *m;
    struct mu_http_exchange *x;
    const struct mu_http_request *http;
    const struct resource *resource;        /* of routes; NULL: there is none */
    bool is_stream;                         /* of events: it has no end */
    char id[MU_APP_ID_MAX];                 /* of an app or group in the URL, absolute */
    char sub[MU_APP_ID_MAX + MU_UUID_TEXT]; /* a task id, version or deployment id */
};

/* 0, MU_E_NOT_LEADER or MU_E_UNAVAILABLE (still loading). */
int mrt_ready(struct mrt *m);
/* Who leads, as far as this process knows. */
struct mrt_leader {
    char
        name[MRT_NAME_MAX + 16]; /* "host:port" of its Marathon API, to be told to others;
                                    of its Mesos API if target is ""; "": nobody */
    char target[MRT_NAME_MAX + 16]; /* the same to connect to, by address where it is
                                       known; "": another system's, with no such API */
    bool is_self;
};
/* Is there a leader with a Marathon API? */
bool mrt_find_leader(struct mrt *m, struct mrt_leader *out);
/* Something has ended: is the stop complete now? */
void mrt_maybe_stopped(struct mrt *m);

#endif
