/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "runtime/http_router.h"

extern const struct mu_plugin MU_PLUGIN_SYMBOL(api_mesos);

struct mu_http_exchange {
    struct world *w;
    const struct mu_http_request *req;
};

static struct world *of(const struct mu_host *h)
{
    return h->impl;
}

/* ---- host ---- */

static int host_route(const struct mu_host *h,
                      const char *listener,
                      const char *method,
                      const char *pattern,
                      mu_http_handler_cb handler,
                      void *arg,
                      struct mu_error *err)
{
    assert_true(strcmp(listener, "master") == 0 || strcmp(listener, "agent") == 0);
    return http_router_add(of(h)->router, method, pattern, handler, arg, err);
}

static void take_header(const struct mu_http_header *h, const char *name, char **out)
{
    if (strcasecmp(h->name, name) == 0) {
        assert_null(*out);
        *out = mu_xstrdup(h->value);
    }
}

static void host_reply(struct mu_http_exchange *x,
                       int status,
                       const struct mu_http_header *headers,
                       size_t count,
                       const void *body,
                       size_t len)
{
    struct world_answer *a = &x->w->answer;
    assert_int_equal(a->status, 0);
    a->status = status;
    for (size_t i = 0; i < count; i++) {
        take_header(&headers[i], "Content-Type", &a->type);
        take_header(&headers[i], "Location", &a->location);
        take_header(&headers[i], "Retry-After", &a->retry_after);
    }
    (void)mu_buf_append(&a->body, body == NULL ? "" : body, len);
}

static void host_metrics(const struct mu_host *h,
                         void (*cb)(void *arg, const char *name, double value),
                         void *arg)
{
    (void)h;
    cb(arg, "master/elected", 1);
}

static struct mu_timer *
host_timer(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    assert_int_equal(delay_ms, 0);
    of(h)->timer_cb = cb;
    of(h)->timer_arg = arg;
    return (struct mu_timer *)of(h);
}

/* ---- core ---- */

static int show(const struct world_rows *rows, mu_row_cb cb, void *arg)
{
    for (size_t i = 0; i < rows->count; i++) {
        cb(arg, (const char *)rows->v + i * rows->size);
    }
    return (int)rows->count;
}

struct only {
    const char *id;
    mu_row_cb cb;
    void *arg;
};

/* Rows of agents and frameworks begin with their id. */
static void on_row(void *arg, const void *row)
{
    const struct only *o = arg;
    const char *id;
    memcpy(&id, row, sizeof(id));
    if (o->id == NULL || strcmp(o->id, id) == 0) {
        o->cb(o->arg, row);
    }
}

static int core_query(
    const struct mu_core *c, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    static const struct mu_flag_row flag = {"zk", "zk://z1:2181/mesos"};
    struct world *w = c->impl;
    struct only only = {key, cb, arg};
    switch (type) {
    case MU_Q_MASTER:
        cb(arg, &w->master);
        return 1;
    case MU_Q_PROCESS: {
        /* rows are lent for the callback */
        struct mu_process_row row = w->process;
        mu_auto_free char *unwell = mu_xstrdup(row.unwell);
        row.unwell = unwell;
        cb(arg, &row);
        if (unwell != NULL) {
            memset(unwell, '?', strlen(unwell));
        }
        return 1;
    }
    case MU_Q_REGISTRY:
        return show(&w->stores, cb, arg);
    case MU_Q_LOCAL_AGENT:
        cb(arg, &w->local_agent);
        return 1;
    case MU_Q_FLAGS:
        cb(arg, &flag);
        return 1;
    case MU_Q_AGENTS:
        return show(&w->agents, on_row, &only);
    case MU_Q_FRAMEWORKS:
        return show(&w->frameworks, on_row, &only);
    case MU_Q_TASKS:
        w->task_queries++;
        return show(&w->tasks, cb, arg);
    default:
        return 0;
    }
}

/* ---- life ---- */

struct world *world_open(uint32_t roles)
{
    struct mu_error err;
    struct world *w = MU_NEW(struct world);
    const struct mu_plugin *p = &MU_PLUGIN_SYMBOL(api_mesos);
    w->host = (struct mu_host){.struct_size = sizeof(struct mu_host),
                               .impl = w,
                               .timer_start = host_timer,
                               .metrics_each = host_metrics,
                               .http_route = host_route,
                               .http_reply = host_reply};
    w->core = (struct mu_core){
        .struct_size = sizeof(struct mu_core), .impl = w, .query = core_query};
    w->router = http_router_create();
    mu_buf_init(&w->answer.body, 256 << 20);
    assert_int_equal(p->create(&w->host, NULL, &w->instance, &err), 0);
    const struct mu_api_ops *ops = p->ops;
    ops->attach(w->instance, roles, &w->core);
    if (p->start(w->instance, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return w;
}

static void clear_answer(struct world *w)
{
    struct world_answer *a = &w->answer;
    free(a->type);
    free(a->location);
    free(a->retry_after);
    a->type = a->location = a->retry_after = NULL;
    a->status = 0;
    mu_buf_clear(&a->body);
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void world_close(struct world *w)
{
    const struct mu_plugin *p = &MU_PLUGIN_SYMBOL(api_mesos);
    p->stop(w->instance, on_stopped, &w->stopped);
    assert_false(w->stopped);
    w->timer_cb(w->timer_arg);
    assert_true(w->stopped);
    p->destroy(w->instance);
    http_router_destroy(w->router);
    clear_answer(w);
    mu_buf_release(&w->answer.body);
    free(w);
}

const struct world_answer *
world_ask(struct world *w, const char *method, const char *target)
{
    char *path = mu_xstrdup(target);
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    const struct mu_http_request req = {.struct_size = sizeof(req),
                                        .method = method,
                                        .path = path,
                                        .query = query == NULL ? "" : query,
                                        .body = ""};
    struct mu_http_exchange x = {w, &req};
    struct http_route_match match;
    clear_answer(w);
    switch (http_router_match(w->router, method, path, strlen(path), &match)) {
    case HTTP_ROUTE_FOUND:
        match.handler(match.arg, &x, &req);
        break;
    case HTTP_ROUTE_NO_METHOD:
        w->answer.status = 405;
        break;
    case HTTP_ROUTE_NO_PATH:
        w->answer.status = 404;
        break;
    }
    free(path);
    return &w->answer;
}

json_t *world_get(struct world *w, const char *target)
{
    json_error_t err;
    const struct world_answer *a = world_ask(w, "GET", target);
    if (a->status != 200) {
        fail_msg("GET %s: %d", target, a->status);
    }
    assert_string_equal(a->type, "application/json");
    json_t *value = json_loads(mu_buf_str(&w->answer.body), JSON_REJECT_DUPLICATES, &err);
    if (value == NULL) {
        fail_msg("not JSON (%s): %s", err.text, mu_buf_str(&w->answer.body));
    }
    return value;
}
