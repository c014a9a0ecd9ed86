/* Api plugin `marathon`: Marathon's HTTP API in front of the app scheduler.
 *
 * Life: create reads the flags, attach brings the core, start registers the routes. stop
 * ends streams and lists, refuses what only waits, and is complete when the core has
 * answered the commands it already has. Routes stay registered until the process ends;
 * after stop they answer 503. */
#include "marathon.h"

#include "alloc.h"
#include "calls.h"
#include "events.h"
#include "pages.h"
#include "routes.h"
#include "standby.h"

static const struct mu_flag flags[] = {
    {"access_control_allow_origin", MU_FLAG_LIST, MU_FLAG_GLOBAL_NAME, NULL, "ORIGIN,...",
     "Origins whose pages may use the Marathon API from a browser; * for all."},
    {"http_max_concurrent_requests", MU_FLAG_INT, MU_FLAG_GLOBAL_NAME, NULL, "N",
     "Requests to the Marathon API that may wait for their answer at a time; more are "
     "answered 503. Default: no limit."},
    {"event_stream_max_outstanding_messages", MU_FLAG_INT, MU_FLAG_GLOBAL_NAME, "1024",
     "N",
     "Events that a subscriber of /v2/events may leave unread before it is "
     "disconnected."},
    {"leader_wait", MU_FLAG_DURATION, 0, "5secs", NULL,
     "Time for which a request that needs the leader is kept while there is none, or "
     "while "
     "it is still reading its state; then it is answered 503. 0secs: at once."},
    {0},
};

static int read_flags(struct mrt *m, const struct mu_flags *values, struct mu_error *err)
{
    const char *const *origins = NULL;
    size_t count = mu_flags_list(values, "access_control_allow_origin", &origins);
    for (size_t i = 0; i < count; i++) {
        mu_strings_add(&m->origins, origins[i]);
    }
    if (mu_flags_is_set(values, "http_max_concurrent_requests")) {
        m->max_requests = mu_flags_int(values, "http_max_concurrent_requests");
        if (m->max_requests < 1) {
            return mu_fail(err, MU_E_INVALID,
                           "--http_max_concurrent_requests must be 1 or more");
        }
    }
    int64_t outstanding = mu_flags_int(values, "event_stream_max_outstanding_messages");
    if (outstanding < 1 || outstanding > UINT32_MAX) {
        return mu_fail(err, MU_E_INVALID,
                       "--event_stream_max_outstanding_messages must be 1 or more");
    }
    m->max_outstanding = (uint32_t)outstanding;
    m->leader_wait_ms = mu_flags_duration_ms(values, "leader_wait");
    return 0;
}

static void marathon_destroy(void *instance)
{
    struct mrt *m = instance;
    if (m == NULL) {
        return;
    }
    mrt_routes_release(m);
    mu_strings_release(&m->origins);
    free(m);
}

static int marathon_create(const struct mu_host *host,
                           const struct mu_flags *values,
                           void **out_instance,
                           struct mu_error *err)
{
    struct mrt *m = MRT_NEW(struct mrt);
    m->host = host;
    int rc = read_flags(m, values, err);
    if (rc < 0) {
        marathon_destroy(m);
        return rc;
    }
    *out_instance = m;
    return 0;
}

static void marathon_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    struct mrt *m = instance;
    m->roles = roles;
    m->core = core;
}

static int marathon_start(void *instance, struct mu_error *err)
{
    const struct mrt *m = instance;
    m->host->http_error_body(m->host, "marathon", mrt_error_body);
    return mrt_routes_register(instance, err);
}

static void on_stopped(void *arg)
{
    struct mrt *m = arg;
    m->stopped = NULL;
    m->stopped_cb(m->stopped_arg);
}

void mrt_maybe_stopped(struct mrt *m)
{
    if (m->stopping && m->calls == NULL && m->passages == NULL && m->stopped == NULL &&
        m->stopped_cb != NULL) {
        m->stopped = m->host->timer_start(m->host, 0, on_stopped, m);
    }
}

static void marathon_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct mrt *m = instance;
    m->stopping = true;
    m->stopped_cb = stopped_cb;
    m->stopped_arg = arg;
    mrt_events_stop(m);
    mrt_pages_stop(m);
    mrt_calls_stop(m);
    mrt_standby_stop(m);
    mrt_maybe_stopped(m);
}

static const struct mu_api_ops ops = {
    .struct_size = sizeof(ops),
    .attach = marathon_attach,
};

MU_PLUGIN_DEFINE(api_marathon) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_API,
    .name = "marathon",
    .version = MU_PLUGIN_VERSION,
    .summary = "Marathon's HTTP API in front of the app scheduler",
    .flags = flags,
    .ops = &ops,
    .create = marathon_create,
    .start = marathon_start,
    .stop = marathon_stop,
    .destroy = marathon_destroy,
};
