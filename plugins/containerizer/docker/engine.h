/* Calls to the Docker engine over its unix socket.
 *
 * The API version is agreed on first (GET /version) and again when the engine refuses it.
 * While the engine is away every call fails at once with DKR_UNREACHED, and the engine is
 * probed with a back-off until it is there; who wants to know is told by on_change. Calls
 * made before the first answer wait for it. There is no limit on calls at once: the
 * engine works in parallel, and long polls must not hold up short calls. Loop thread.
 */
#ifndef DKR_ENGINE_H
#define DKR_ENGINE_H

#include <muster/host.h>

#include "codec.h"
#include "container.h"

struct dkr_engine;
struct dkr_call;

struct dkr_ask {
    const char *method;
    const char *path;    /* "/containers/json?all=1", without the version; copied */
    const char *body;    /* JSON, NULL: none; copied */
    uint64_t timeout_ms; /* 0: none, for long polls and streams */
    /* Body of a good answer in pieces; the collected body is empty then. */
    void (*on_data)(void *arg, const char *data, size_t len);
};

struct dkr_reply {
    enum dkr_outcome outcome;
    int http_status;  /* DKR_OK (2xx, 304) and DKR_REFUSED */
    const char *text; /* not DKR_OK: the engine's words, or what went wrong; one line */
    const char *body;
    size_t len;
};

typedef void (*dkr_reply_cb)(void *arg, const struct dkr_reply *reply);
/* is_ready: the engine can be asked (again); else it is away, for the reason in text. */
typedef void (*dkr_engine_change_cb)(void *arg, bool is_ready, const char *text);

struct dkr_engine *dkr_engine_create(const struct mu_host *host,
                                     const char *socket,
                                     dkr_engine_change_cb on_change,
                                     void *arg);
void dkr_engine_destroy(struct dkr_engine *e); /* stopped, or never started */
void dkr_engine_start(struct dkr_engine *e);
/* Calls that are left are answered DKR_UNREACHED; stopped_cb when nothing is under way.
 */
void dkr_engine_stop(struct dkr_engine *e, mu_cb stopped_cb, void *arg);

/* cb exactly once, never inside this call. The result serves to cancel until then. */
struct dkr_call *dkr_engine_ask(struct dkr_engine *e,
                                const struct dkr_ask *ask,
                                dkr_reply_cb cb,
                                void *arg);
/* cb will not run, nor on_data. Takes NULL. */
void dkr_engine_cancel(struct dkr_call *call);

/* Why it is away; NULL: it is there, or not known yet. */
const char *dkr_engine_trouble(const struct dkr_engine *e);
/* 141 is 1.41; what we would ask for at best while it is not known. */
unsigned dkr_engine_api_version(const struct dkr_engine *e);

/* Append text percent-encoded, as a value in a path or query. */
void dkr_url_encode(struct mu_buf *out, const char *text);

#endif
