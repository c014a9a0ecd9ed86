/* See host.h. Each plugin gets a view: a struct mu_host of its own whose impl knows the
 * plugin's name and the one host behind it. All calls but log assert the loop thread. */
#include "runtime/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/http_server.h"
#include "runtime/inbox.h"
#include "runtime/journal.h"
#include "runtime/log_sinks.h"
#include "runtime/metrics.h"
#include "runtime/timers.h"

#define HOST_MAGIC 0x484f5354u
#define RANDOM_POOL 64 /* numbers fetched from the kernel at once */

struct view {
    struct mu_host table;
    struct rt_host *host;
    char *plugin; /* NULL: the core */
    struct view *next;
};

struct work {
    uv_work_t req;
    struct rt_host *host;
    mu_cb work, done;
    void *arg;
};

struct rt_host {
    uint32_t magic;
    struct uv_loop_s *loop;
    uv_thread_t thread;
    char *work_dir;
    char *master_address;
    uint64_t descriptors_soft, descriptors_hard;
    struct rt_log log;
    void (*on_failed)(void *arg, const char *plugin, const struct mu_error *err);
    void *arg;
    struct rt_timers *timers;
    struct rt_metrics *metrics;
    void (*metrics_source)(void *arg); /* NULL: none */
    void *metrics_source_arg;
    struct http_server *server; /* NULL: no HTTP */
    struct http_client *client; /* NULL: not needed yet */
    struct view *views;         /* the core's own is the last */
    uint64_t random_pool[RANDOM_POOL];
    size_t random_left;
    size_t works; /* in flight */
    bool closing, timers_closed;
    mu_cb closed_cb;
    void *closed_arg;
};

static const struct view *view_of(const struct mu_host *h)
{
    const struct view *v = h->impl;
    MU_ASSERT(v->host->magic == HOST_MAGIC);
    return v;
}

static struct rt_host *host_of(const struct mu_host *h)
{
    struct rt_host *host = view_of(h)->host;
    uv_thread_t self = uv_thread_self();
    MU_ASSERT(uv_thread_equal(&self, &host->thread) != 0);
    return host;
}

static void
host_log(const struct mu_host *h, int level, const char *message, const char *fmt, ...)
{
    const struct view *v = view_of(h); /* any thread */
    va_list ap;
    va_start(ap, fmt);
    rt_log_write(&v->host->log, v->plugin, level, message, fmt, ap);
    va_end(ap);
}

static uint64_t host_now_ms(const struct mu_host *h)
{
    (void)h;
    return rt_clock_now_ms();
}

static int64_t host_wall_ms(const struct mu_host *h)
{
    (void)h;
    return rt_clock_wall_ms();
}

static uint64_t host_random(const struct mu_host *h)
{
    struct rt_host *host = host_of(h);
    if (host->random_left == 0) {
        /* After start-up of the system this neither blocks nor fails for so few bytes. */
        ssize_t n = getrandom(host->random_pool, sizeof(host->random_pool), 0);
        MU_ASSERT(n == (ssize_t)sizeof(host->random_pool));
        host->random_left = RANDOM_POOL;
    }
    return host->random_pool[--host->random_left];
}

static struct uv_loop_s *host_loop(const struct mu_host *h)
{
    return host_of(h)->loop;
}

static void host_failed(const struct mu_host *h, const struct mu_error *err)
{
    struct rt_host *host = host_of(h);
    const char *plugin = view_of(h)->plugin;
    h->log(h, MU_ERROR, "cannot go on", "reason=%s", err->text);
    MU_ASSERT(host->on_failed != NULL);
    host->on_failed(host->arg, plugin, err);
}

static struct mu_timer *
host_timer_start(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    return rt_timers_start(host_of(h)->timers, delay_ms, cb, arg);
}

static void host_timer_cancel(const struct mu_host *h, struct mu_timer *t)
{
    rt_timers_cancel(host_of(h)->timers, t);
}

static struct mu_inbox *
host_inbox_open(const struct mu_host *h, mu_inbox_cb cb, mu_inbox_cb drop_cb, void *arg)
{
    return rt_inbox_open(host_of(h)->loop, cb, drop_cb, arg);
}

static void on_work(uv_work_t *req)
{
    struct work *w = req->data;
    w->work(w->arg);
}

static void maybe_closed(struct rt_host *host);

static void on_work_done(uv_work_t *req, int status)
{
    struct work *w = req->data;
    MU_ASSERT(status == 0); /* nobody cancels */
    struct rt_host *host = w->host;
    mu_cb done = w->done;
    void *arg = w->arg;
    free(w);
    done(arg);
    host->works--;
    maybe_closed(host);
}

static int host_work(const struct mu_host *h, mu_cb work, mu_cb done, void *arg)
{
    struct rt_host *host = host_of(h);
    MU_ASSERT(!host->closing);
    struct work *w = MU_NEW(struct work);
    *w = (struct work){.host = host, .work = work, .done = done, .arg = arg};
    w->req.data = w;
    int status = uv_queue_work(host->loop, &w->req, on_work, on_work_done);
    if (status != 0) {
        free(w);
        return status;
    }
    host->works++;
    return 0;
}

static void host_counter_add(const struct mu_host *h, const char *name, double delta)
{
    rt_metrics_add(host_of(h)->metrics, name, delta);
}

static void host_gauge_set(const struct mu_host *h, const char *name, double value)
{
    rt_metrics_set(host_of(h)->metrics, name, value);
}

static void host_metrics_each(const struct mu_host *h,
                              void (*cb)(void *arg, const char *name, double value),
                              void *arg)
{
    struct rt_host *host = host_of(h);
    if (host->metrics_source != NULL) {
        host->metrics_source(host->metrics_source_arg);
    }
    rt_metrics_each(host->metrics, cb, arg);
}

static int host_http_route(const struct mu_host *h,
                           const char *listener,
                           const char *method,
                           const char *pattern,
                           mu_http_handler_cb handler,
                           void *arg,
                           struct mu_error *err)
{
    struct rt_host *host = host_of(h);
    if (host->server == NULL) {
        return mu_fail(err, -ENOTSUP, "no HTTP listener '%s' for '%s'", listener,
                       pattern);
    }
    return http_server_route(host->server, listener, method, pattern, handler, arg, err);
}

/* The client is made when first wanted: libcurl and its TLS library cost memory that a
 * process without outgoing requests need not pay. */
static int host_http_request(const struct mu_host *h,
                             const struct mu_http_ask *ask,
                             struct mu_http_call **out_call,
                             struct mu_error *err)
{
    struct rt_host *host = host_of(h);
    if (host->closing) {
        return mu_fail(err, -ECANCELED, "'%s': the host is closing", ask->url);
    }
    if (host->client == NULL) {
        int status = http_client_create(host->loop, NULL, &host->client, err);
        if (status < 0) {
            return status;
        }
    }
    return http_client_request(host->client, ask, out_call, err);
}

static int host_journal_open(const struct mu_host *h,
                             const char *path,
                             mu_journal_record_cb on_record,
                             void *arg,
                             struct mu_journal **out,
                             struct mu_error *err)
{
    int status = journal_open(host_of(h)->loop, path, on_record, arg, out, err);
    if (status == 0 && journal_torn_bytes(*out) > 0) {
        h->log(h, MU_WARN,
               "cut off an unfinished write at the end of a journal, continuing",
               "path=%s bytes=%" PRIu64, path, journal_torn_bytes(*out));
    }
    return status;
}

static void host_http_error_body(const struct mu_host *h,
                                 const char *listener,
                                 mu_http_error_body_cb cb)
{
    if (host_of(h)->server != NULL) {
        http_server_set_error_body(host_of(h)->server, listener, cb);
    }
}

static const char *host_work_dir(const struct mu_host *h)
{
    return host_of(h)->work_dir;
}

static bool
host_descriptor_limit(const struct mu_host *h, uint64_t *out_soft, uint64_t *out_hard)
{
    const struct rt_host *host = host_of(h);
    if (host->descriptors_hard == 0) {
        return false;
    }
    *out_soft = host->descriptors_soft;
    *out_hard = host->descriptors_hard;
    return true;
}

static const char *host_master_address(const struct mu_host *h)
{
    return host_of(h)->master_address;
}

void rt_host_set_master_address(struct rt_host *host, const char *address)
{
    free(host->master_address);
    host->master_address = mu_xstrdup(address);
}

static const struct mu_host host_table = {
    .struct_size = sizeof(struct mu_host),
    .abi_major = MU_ABI_MAJOR,
    .abi_minor = MU_ABI_MINOR,
    .log = host_log,
    .now_ms = host_now_ms,
    .wall_ms = host_wall_ms,
    .random = host_random,
    .loop = host_loop,
    .failed = host_failed,
    .timer_start = host_timer_start,
    .timer_cancel = host_timer_cancel,
    .inbox_open = host_inbox_open,
    .inbox_post = rt_inbox_post,
    .inbox_close = rt_inbox_close,
    .work = host_work,
    .counter_add = host_counter_add,
    .gauge_set = host_gauge_set,
    .metrics_each = host_metrics_each,
    .http_route = host_http_route,
    .http_reply = http_exchange_reply,
    .http_stream_begin = http_exchange_stream_begin,
    .http_stream_write = http_exchange_stream_write,
    .http_stream_drain = http_exchange_stream_drain,
    .http_stream_end = http_exchange_stream_end,
    .http_stream_abort = http_exchange_stream_abort,
    .http_on_close = http_exchange_on_close,
    .http_request_of = http_exchange_request,
    .http_request = host_http_request,
    .http_cancel = http_client_cancel,
    .journal_open = host_journal_open,
    .journal_append = journal_append,
    .journal_rewrite = journal_rewrite,
    .journal_size = journal_size,
    .journal_close = journal_close,
    .work_dir = host_work_dir,
    .http_error_body = host_http_error_body,
    .descriptor_limit = host_descriptor_limit,
    .master_address = host_master_address,
    .journal_stats = journal_stats,
};

const struct mu_host *rt_host_view(struct rt_host *host, const char *plugin)
{
    struct view *v = MU_NEW(struct view);
    v->table = host_table;
    v->table.impl = v;
    v->host = host;
    v->plugin = mu_xstrdup(plugin);
    v->next = host->views;
    host->views = v;
    return &v->table;
}

int rt_host_open(const struct rt_host_config *config,
                 struct rt_host **out,
                 struct mu_error *err)
{
    if (config->work_dir != NULL && config->work_dir[0] != '/') {
        return mu_fail(err, -EINVAL, "work_dir '%s' is not absolute", config->work_dir);
    }
    struct rt_host *host = MU_NEW(struct rt_host);
    host->magic = HOST_MAGIC;
    host->loop = config->loop;
    host->thread = uv_thread_self();
    host->work_dir = mu_xstrdup(config->work_dir);
    host->descriptors_soft = config->descriptors_soft;
    host->descriptors_hard = config->descriptors_hard;
    host->log = (struct rt_log){
        .fd = config->log_fd,
        .level = config->log_level == 0 ? MU_INFO : config->log_level,
        .json = config->log_json,
    };
    host->on_failed = config->on_failed;
    host->arg = config->arg;
    host->timers = rt_timers_open(host->loop);
    host->metrics = rt_metrics_create();
    (void)rt_host_view(host, NULL);
    *out = host;
    return 0;
}

const struct mu_host *rt_host_get(struct rt_host *host)
{
    struct view *v = host->views;
    while (v->next != NULL) {
        v = v->next;
    }
    return &v->table;
}

void rt_host_set_http_server(struct rt_host *host, struct http_server *server)
{
    host->server = server;
}

void rt_host_log_detail(void *arg, int level, const char *message, const char *detail)
{
    const struct mu_host *h = rt_host_get(arg);
    if (detail == NULL) {
        h->log(h, level, message, NULL);
    } else {
        h->log(h, level, message, "detail=%s", detail);
    }
}

size_t rt_host_timer_count(const struct rt_host *host)
{
    return rt_timers_count(host->timers);
}

static void maybe_closed(struct rt_host *host)
{
    if (!host->closing || host->works > 0 || !host->timers_closed) {
        return;
    }
    while (host->views != NULL) {
        struct view *v = host->views;
        host->views = v->next;
        free(v->plugin);
        free(v);
    }
    rt_metrics_destroy(host->metrics);
    free(host->work_dir);
    free(host->master_address);
    mu_cb cb = host->closed_cb;
    void *arg = host->closed_arg;
    host->magic = 0;
    free(host);
    if (cb != NULL) {
        cb(arg);
    }
}

static void on_timers_closed(void *arg)
{
    struct rt_host *host = arg;
    host->timers_closed = true;
    maybe_closed(host);
}

/* Last: the callbacks of the calls that the client cancels may still use timers. */
static void close_timers(void *arg)
{
    struct rt_host *host = arg;
    host->client = NULL;
    size_t left = rt_timers_count(host->timers);
    if (left > 0) {
        const struct mu_host *h = rt_host_get(host);
        h->log(h, MU_DEBUG, "timers left at the end", "count=%zu", left);
    }
    rt_timers_close(host->timers, on_timers_closed, host);
}

void rt_host_close(struct rt_host *host, mu_cb cb, void *arg)
{
    MU_ASSERT(!host->closing);
    host->closing = true;
    host->closed_cb = cb;
    host->closed_arg = arg;
    if (host->client != NULL) {
        http_client_close(host->client, close_timers, host);
    } else {
        close_timers(host);
    }
}

void rt_host_set_metrics_source(struct rt_host *host,
                                void (*source)(void *arg),
                                void *arg)
{
    host->metrics_source = source;
    host->metrics_source_arg = arg;
}

void rt_host_gauge(void *host, const char *name, double value)
{
    struct rt_host *h = host;
    rt_metrics_set(h->metrics, name, value);
}
