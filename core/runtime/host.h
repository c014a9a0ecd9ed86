/* The real host: struct mu_host on a libuv loop.
 *
 * One rt_host per process (or per test); a view of it per plugin, whose log lines carry
 * the plugin's name. HTTP and journals are the http_* and journal components'; the host
 * opens the client and routes to whatever server was plugged in. Loop thread only, except
 * log.
 */
#ifndef MU_RUNTIME_HOST_H
#define MU_RUNTIME_HOST_H

#include <muster/host.h>

struct rt_host;

struct rt_host_config {
    struct uv_loop_s *loop;
    const char *work_dir; /* copied; NULL: none */
    int log_level;        /* enum mu_log_level; 0: MU_INFO */
    bool log_json;
    int log_fd;                                  /* -1: nowhere; stays the caller's */
    uint64_t descriptors_soft, descriptors_hard; /* at the start; hard 0: not known */
    /* A plugin cannot go on. Called inline from it: only take note. NULL: abort. */
    void (*on_failed)(void *arg, const char *plugin, const struct mu_error *err);
    void *arg;
};

int rt_host_open(const struct rt_host_config *config,
                 struct rt_host **out,
                 struct mu_error *err);
/* The table for the core itself, and for tests. */
const struct mu_host *rt_host_get(struct rt_host *host);
/* A table whose lines carry this name (copied); lives as long as the host. */
const struct mu_host *rt_host_view(struct rt_host *host, const char *plugin);
/* Waits for work in flight, then closes all handles. Every inbox and journal must be
 * closed or closing. cb is the last touch. */
void rt_host_close(struct rt_host *host, mu_cb cb, void *arg);

/* Timers that are running: for tests, which look for what was left behind. */
size_t rt_host_timer_count(const struct rt_host *host);

/* Where http_route goes. NULL (as at first): http_route answers -ENOTSUP. */
struct http_server;
void rt_host_set_http_server(struct rt_host *host, struct http_server *server);

/* Before plugins are started; copied. */
void rt_host_set_master_address(struct rt_host *host, const char *address);

/* Called at the begin of each metrics_each, to set the gauges that are not kept up to
 * date all the time (rt_host_gauge). NULL: none. */
void rt_host_set_metrics_source(struct rt_host *host,
                                void (*source)(void *arg),
                                void *arg);
/* gauge_set with the struct rt_host as an untyped argument. */
void rt_host_gauge(void *host, const char *name, double value);

/* For components that log a text of pairs made already; arg is the struct rt_host. */
void rt_host_log_detail(void *arg, int level, const char *message, const char *detail);

#endif
