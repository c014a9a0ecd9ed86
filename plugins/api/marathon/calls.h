/* Changes: requests that become commands, one after the other.
 *
 * A call waits until all before it have been answered by the core, then `run` looks at
 * the state, judges the request and either submits a command or answers at once. So a
 * partial update is always laid over the newest accepted definition, and two clients that
 * change the same app cannot lose each other's change. A client that goes away while its
 * call waits takes the call with it; once a command is submitted it stands.
 *
 * No client waits for ever: after MRT_CALL_WAIT_MS it is answered 503 with what the
 * registry says it waits for. A call that only waited is dropped then, and its client
 * told that nothing was changed; of one that was submitted nobody knows, and its client
 * is told that. */
#ifndef MRT_CALLS_H
#define MRT_CALLS_H

#include "answer.h"
#include "codec_request.h"

struct mrt_call {
    struct mrt_call *next;
    struct mrt_request rq; /* rq.x NULL: the client is gone (then rq.http is dead too) */
    void (*run)(struct mrt_call *c);
    bool submitted;
    uint64_t began_ms;
    void (*done)(struct mrt_call *c, const struct mu_command_result *r);
    /* For done: what run has found out. */
    int status;
    char *location;
    struct mu_buf body;
};

enum { MRT_CALLS_MAX = 500, MRT_CALL_WAIT_MS = 10000 };

/* Queue a request as a call; its exchange is answered by the call from now on. */
void mrt_call_begin(const struct mrt_request *rq, void (*run)(struct mrt_call *c));
/* From run: the command goes to the core; done is called when it succeeded and the client
 * is still there, and must answer. Failures are answered by the call. client_ip and uri
 * are filled in here. */
void mrt_call_submit(struct mrt_call *c,
                     struct mu_command_request *cmd,
                     void (*done)(struct mrt_call *c, const struct mu_command_result *r));
/* From run, instead of submitting: the exchange has been answered. */
void mrt_call_end(struct mrt_call *c);
/* The usual ways to do both. */
void mrt_call_refuse(struct mrt_call *c, int status, const char *fmt, ...)
    MU_PRINTF(3, 4);
void mrt_call_problems(struct mrt_call *c, const struct mrt_problems *p);
void mrt_call_not_ready(struct mrt_call *c, int code); /* of a query that failed */
/* The request's body; NULL: it is not JSON, which has been answered. */
struct mrt_body *mrt_call_body(struct mrt_call *c);
/* Is the app of the URL there? False: answered. */
bool mrt_call_app_exists(struct mrt_call *c);
/* done: answers c->status (0: 200) with version and deployment id, and c->location. */
void mrt_call_answer_result(struct mrt_call *c, const struct mu_command_result *r);
/* At stop: those that only wait are answered 503, the others when the core answers. */
void mrt_calls_stop(struct mrt *m);

#endif
