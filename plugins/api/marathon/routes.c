/* See routes.h.
 *
 * Every pattern is registered for every method with one entry function, so that all
 * answers, 404 and 405 too, have Marathon's headers and bodies. Behind a pattern with a
 * tail ("/v2/apps/{id...}") a resolver takes the known suffixes off from the right: an id
 * has slashes of its own, and no app may be called like a suffix. */
#include "routes.h"

#include <stdio.h>

#include "alloc.h"
#include "app_id.h"
#include "handlers.h"
#include "standby.h"

enum who {
    LEADER, /* with the app scheduler's state loaded */
    ANY,    /* of itself */
    BEST,   /* the leader, as long as there is one to be asked; else any, of itself */
};

struct method {
    const char *name;
    void (*read)(struct mrt_request *rq);
    void (*change)(struct mrt_call *c);
    enum who who;
};

struct resource {
    struct method methods[5]; /* ends with an empty one */
};

typedef const struct resource *(*resolver)(struct mrt_request *rq, const char *tail);

struct pattern {
    const char *text;
    const struct resource *resource; /* or: */
    resolver resolve;
};

struct mrt_binding {
    struct mrt *m;
    const struct pattern *pattern;
};

/* ---- resources ---- */

#define READ(name, handler)                                                              \
    {                                                                                    \
        name, handler, NULL, LEADER                                                      \
    }
#define LOCAL(name, handler)                                                             \
    {                                                                                    \
        name, handler, NULL, ANY                                                         \
    }
#define BEST_OF(name, handler)                                                           \
    {                                                                                    \
        name, handler, NULL, BEST                                                        \
    }
#define CHANGE(name, handler)                                                            \
    {                                                                                    \
        name, NULL, handler, LEADER                                                      \
    }

static const struct resource apps = {
    {READ("GET", mrt_apps_list), CHANGE("POST", mrt_apps_create),
     CHANGE("PUT", mrt_apps_put), CHANGE("PATCH", mrt_apps_patch)}};
static const struct resource app = {{READ("GET", mrt_app_get), CHANGE("PUT", mrt_app_put),
                                     CHANGE("PATCH", mrt_app_patch),
                                     CHANGE("DELETE", mrt_app_delete)}};
static const struct resource app_restart = {{CHANGE("POST", mrt_app_restart)}};
static const struct resource app_tasks = {
    {READ("GET", mrt_app_tasks), CHANGE("DELETE", mrt_app_tasks_kill)}};
static const struct resource app_task = {{CHANGE("DELETE", mrt_app_task_kill)}};
static const struct resource app_versions = {{READ("GET", mrt_app_versions)}};
static const struct resource app_version = {{READ("GET", mrt_app_version)}};
static const struct resource group_star = {{READ("GET", mrt_group_star)}};
static const struct resource group_star_tasks = {{READ("GET", mrt_group_tasks)}};
static const struct resource group = {
    {READ("GET", mrt_group_get), CHANGE("POST", mrt_group_create),
     CHANGE("PUT", mrt_group_put), CHANGE("DELETE", mrt_group_delete)}};
static const struct resource group_apps = {{READ("GET", mrt_group_apps)}};
static const struct resource group_versions = {{READ("GET", mrt_group_versions)}};
static const struct resource group_version = {
    {READ("GET", mrt_group_version), CHANGE("PUT", mrt_group_put_version)}};
static const struct resource deployments = {{READ("GET", mrt_deployments_list)}};
static const struct resource deployment = {{CHANGE("DELETE", mrt_deployment_delete)}};
static const struct resource tasks = {{READ("GET", mrt_tasks_list)}};
static const struct resource tasks_delete = {{CHANGE("POST", mrt_tasks_delete)}};
static const struct resource queue = {{READ("GET", mrt_queue_list)}};
static const struct resource queue_delay = {{CHANGE("DELETE", mrt_queue_reset)}};
static const struct resource events = {{READ("GET", mrt_events_stream)}};
static const struct resource info = {{BEST_OF("GET", mrt_info)}};
static const struct resource leadership = {
    {LOCAL("GET", mrt_leader_get), CHANGE("DELETE", mrt_leader_delete)}};
static const struct resource ping = {{LOCAL("GET", mrt_ping)}};
static const struct resource config = {{LOCAL("GET", mrt_config)}};
static const struct resource plugins = {{LOCAL("GET", mrt_plugins)}};
static const struct resource metrics_json = {{LOCAL("GET", mrt_metrics_json)}};
static const struct resource prometheus = {{LOCAL("GET", mrt_metrics_prometheus)}};
static const struct resource subscriptions = {{LOCAL("GET", mrt_no_subscriptions),
                                               LOCAL("POST", mrt_no_subscriptions),
                                               LOCAL("DELETE", mrt_no_subscriptions)}};
static const struct resource v1_apps = {{READ("GET", mrt_v1_apps)}};
static const struct resource v1_start = {{CHANGE("POST", mrt_v1_start)}};
static const struct resource v1_stop = {{CHANGE("POST", mrt_v1_stop)}};
static const struct resource v1_scale = {{CHANGE("POST", mrt_v1_scale)}};
static const struct resource v1_search = {{READ("GET", mrt_v1_search)}};
static const struct resource v1_app_tasks = {{READ("GET", mrt_v1_app_tasks)}};
static const struct resource v1_tasks = {{READ("GET", mrt_v1_tasks)}};
static const struct resource v1_endpoints = {{READ("GET", mrt_v1_endpoints)}};

/* ---- resolvers ---- */

/* Takes the last segment off id, into out; id becomes its parent ("/" at the top). */
static void take_last(char *id, char *out, size_t cap)
{
    char *slash = strrchr(id, '/');
    (void)snprintf(out, cap, "%s", slash + 1);
    slash[slash == id ? 1 : 0] = '\0';
}

/* Is the last segment of id this, with something in front of it? */
static bool ends_in(const char *id, const char *segment)
{
    const char *slash = strrchr(id, '/');
    return slash != id && strcmp(slash + 1, segment) == 0;
}

static bool drop_last(struct mrt_request *rq, const char *segment)
{
    bool ends = ends_in(rq->id, segment);
    if (ends) {
        *strrchr(rq->id, '/') = '\0';
    }
    return ends;
}

static bool drop_star(struct mrt_request *rq)
{
    char *slash = strrchr(rq->id, '/');
    if (strcmp(slash, "/*") != 0) {
        return false;
    }
    slash[slash == rq->id ? 1 : 0] = '\0';
    return true;
}

static const struct resource *resolve_app(struct mrt_request *rq, const char *tail)
{
    if (mrt_app_id_normalise(tail, NULL, rq->id, sizeof(rq->id)) < 0) {
        return NULL;
    }
    if (strcmp(rq->id, "/") == 0) {
        return &apps;
    }
    if (drop_star(rq)) {
        return &group_star;
    }
    if (drop_last(rq, "tasks")) {
        return drop_star(rq) ? &group_star_tasks : &app_tasks;
    }
    if (drop_last(rq, "versions")) {
        return &app_versions;
    }
    if (drop_last(rq, "restart")) {
        return &app_restart;
    }
    char whole[MU_APP_ID_MAX];
    memcpy(whole, rq->id, sizeof(whole));
    take_last(rq->id, rq->sub, sizeof(rq->sub));
    if (drop_last(rq, "tasks")) {
        return &app_task;
    }
    if (drop_last(rq, "versions")) {
        return &app_version;
    }
    memcpy(rq->id, whole, sizeof(whole));
    return &app;
}

/* The root has versions and apps too, so here a suffix may stand alone. */
static bool drop_group_suffix(struct mrt_request *rq, const char *segment)
{
    char *slash = strrchr(rq->id, '/');
    if (strcmp(slash + 1, segment) != 0) {
        return false;
    }
    slash[slash == rq->id ? 1 : 0] = '\0';
    return true;
}

static const struct resource *resolve_group(struct mrt_request *rq, const char *tail)
{
    if (mrt_app_id_normalise(tail, NULL, rq->id, sizeof(rq->id)) < 0) {
        return NULL;
    }
    if (drop_group_suffix(rq, "versions")) {
        return &group_versions;
    }
    /* a group may be called "apps": only a GET of it is taken for the suffix */
    if (strcmp(rq->http->method, "GET") == 0 && drop_group_suffix(rq, "apps")) {
        return &group_apps;
    }
    char whole[MU_APP_ID_MAX];
    memcpy(whole, rq->id, sizeof(whole));
    take_last(rq->id, rq->sub, sizeof(rq->sub));
    if (drop_group_suffix(rq, "versions")) {
        return &group_version;
    }
    memcpy(rq->id, whole, sizeof(whole));
    return &group;
}

static const struct resource *resolve_deployment(struct mrt_request *rq, const char *tail)
{
    (void)snprintf(rq->sub, sizeof(rq->sub), "%s", tail);
    return &deployment;
}

static const struct resource *resolve_queue(struct mrt_request *rq, const char *tail)
{
    bool fits = mrt_app_id_normalise(tail, NULL, rq->id, sizeof(rq->id)) == 0;
    return fits && drop_last(rq, "delay") ? &queue_delay : NULL;
}

static const struct resource *resolve_v1_app(struct mrt_request *rq, const char *tail)
{
    static const struct {
        const char *name;
        const struct resource *resource;
    } words[] = {{"/start", &v1_start},
                 {"/stop", &v1_stop},
                 {"/scale", &v1_scale},
                 {"/search", &v1_search},
                 {"/", &v1_apps}};
    if (mrt_app_id_normalise(tail, NULL, rq->id, sizeof(rq->id)) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(rq->id, words[i].name) == 0) {
            return words[i].resource;
        }
    }
    return drop_last(rq, "tasks") ? &v1_app_tasks : NULL;
}

static const struct resource *resolve_v1_endpoint(struct mrt_request *rq,
                                                  const char *tail)
{
    return mrt_app_id_normalise(tail, NULL, rq->id, sizeof(rq->id)) == 0 ? &v1_endpoints
                                                                         : NULL;
}

static const struct pattern patterns[] = {
    {"/v2/apps", &apps, NULL},
    {"/v2/apps/{id...}", NULL, resolve_app},
    {"/v2/groups", NULL, resolve_group},
    {"/v2/groups/{id...}", NULL, resolve_group},
    {"/v2/deployments", &deployments, NULL},
    {"/v2/deployments/{id}", NULL, resolve_deployment},
    {"/v2/tasks", &tasks, NULL},
    {"/v2/tasks/delete", &tasks_delete, NULL},
    {"/v2/queue", &queue, NULL},
    {"/v2/queue/{id...}", NULL, resolve_queue},
    {"/v2/events", &events, NULL},
    {"/v2/eventSubscriptions", &subscriptions, NULL},
    {"/v2/info", &info, NULL},
    {"/v2/leader", &leadership, NULL},
    {"/v2/plugins", &plugins, NULL},
    {"/ping", &ping, NULL},
    {"/config", &config, NULL},
    {"/metrics", &metrics_json, NULL},
    {"/metrics/prometheus", &prometheus, NULL},
    {"/v1/apps", &v1_apps, NULL},
    {"/v1/apps/{id...}", NULL, resolve_v1_app},
    {"/v1/tasks", &v1_tasks, NULL},
    {"/v1/endpoints", NULL, resolve_v1_endpoint},
    {"/v1/endpoints/{id...}", NULL, resolve_v1_endpoint},
    {"/{rest...}", NULL, NULL}, /* everything else is 404, in Marathon's words */
};
enum { PATTERN_COUNT = sizeof(patterns) / sizeof(patterns[0]) };

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

/* ---- one request ---- */

static void write_allow(const struct resource *r, struct mu_buf *out)
{
    for (const struct method *m = r->methods; m->name != NULL; m++) {
        (void)mu_buf_puts(out, m->name);
        (void)mu_buf_puts(out, strcmp(m->name, "GET") == 0 ? ", HEAD, " : ", ");
    }
    (void)mu_buf_puts(out, "OPTIONS");
}

/* Answers OPTIONS, and methods that the resource does not have. */
static void answer_allow(struct mrt_request *rq, const struct resource *r)
{
    struct mu_buf allow, body;
    mu_buf_init(&allow, 256);
    mu_buf_init(&body, 256);
    write_allow(r, &allow);
    const struct mu_http_header header = {"Allow", mu_buf_str(&allow)};
    if (strcmp(rq->http->method, "OPTIONS") == 0) {
        mrt_answer_with(rq->m, rq->x, 200, NULL, NULL, &header, 1);
    } else {
        (void)mu_buf_puts(&body, "{\"message\":\"HTTP 405 Method Not Allowed\"}");
        mrt_answer_with(rq->m, rq->x, 405, MRT_JSON, &body, &header, 1);
    }
    mu_buf_release(&allow);
    mu_buf_release(&body);
}

static const struct method *find_method(const struct resource *r, const char *name)
{
    for (const struct method *m = r->methods; m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

/* May this process answer by itself? ready: of mrt_ready. */
static bool is_answered_here(struct mrt *m, const struct method *method, int ready)
{
    struct mrt_leader leader;
    switch (method->who) {
    case ANY:
        return true;
    case BEST:
        return ready != MU_E_NOT_LEADER || !mrt_find_leader(m, &leader) || leader.is_self;
    case LEADER:
        break;
    }
    return ready == 0;
}

void mrt_dispatch(struct mrt_request *rq)
{
    struct mrt *m = rq->m;
    const struct resource *r = rq->resource;
    int ready = mrt_ready(m);
    if (r == NULL) {
        mrt_answer_message(m, rq->x, 404, "URI not found: %s", rq->http->path);
        return;
    }
    const struct method *method = find_method(r, rq->http->method);
    if (method == NULL) {
        answer_allow(rq, r);
    } else if (m->stopping) {
        mrt_answer_not_ready(m, rq->x, MU_E_NOT_LEADER);
    } else if (!is_answered_here(m, method, ready) && (m->roles & MU_ROLE_MASTER) == 0) {
        mrt_answer_not_ready(m, rq->x, ready);
    } else if (!is_answered_here(m, method, ready)) {
        rq->is_stream = method->read == mrt_events_stream;
        mrt_standby_take(rq, ready, mrt_dispatch);
    } else if (m->max_requests > 0 &&
               (int64_t)(m->call_count + m->pages_count) >= m->max_requests) {
        mrt_answer_message(m, rq->x, 503, "Too many concurrent requests: %lld allowed.",
                           (long long)m->max_requests);
    } else if (method->change != NULL) {
        mrt_call_begin(rq, method->change);
    } else {
        method->read(rq);
    }
}

static void
on_request(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    const struct mrt_binding *b = arg;
    const char *tail = req->param_count > 0 ? req->params[0] : "";
    struct mrt_request rq = {.m = b->m, .x = x, .http = req};
    rq.resource = b->pattern->resource;
    if (b->pattern->resolve != NULL) {
        rq.resource = b->pattern->resolve(&rq, tail);
    }
    mrt_dispatch(&rq);
}

int mrt_routes_register(struct mrt *m, struct mu_error *err)
{
    m->bindings = mrt_calloc(PATTERN_COUNT, sizeof(*m->bindings));
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        m->bindings[i] = (struct mrt_binding){m, &patterns[i]};
        for (size_t k = 0; k < METHOD_COUNT; k++) {
            int rc =
                m->host->http_route(m->host, "marathon", methods[k], patterns[i].text,
                                    on_request, &m->bindings[i], err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

void mrt_routes_release(struct mrt *m)
{
    free(m->bindings);
    m->bindings = NULL;
}
