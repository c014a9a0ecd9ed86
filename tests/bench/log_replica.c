/* See log_replica.h. */
#include "log_replica.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/flag_values.h"
#include "rate.h"
#include "runtime/host.h"
#include "runtime/http_server.h"

static void on_fenced(void *arg)
{
    (void)arg;
    rate_die("registry", "fenced");
}

static const struct mu_registry_events events = {on_fenced};

static void on_failed(void *arg, const char *plugin, const struct mu_error *err)
{
    (void)arg;
    rate_die(plugin, err->text);
}

static void set_flag(struct mu_flags *flags, const char *name, const char *value)
{
    struct mu_error err;
    if (mu_flags_assign(flags, name, value, &err) < 0) {
        rate_die(name, err.text);
    }
}

static struct mu_flags *
make_flags(const struct mu_plugin *plugin, const uint16_t *ports, unsigned count)
{
    struct mu_error err;
    struct mu_flags *flags;
    char peers[LOG_REPLICAS_MAX * 24] = "", quorum[16];
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(peers);
        (void)snprintf(peers + len, sizeof(peers) - len, "%s127.0.0.1:%u",
                       i == 0 ? "" : ",", ports[i]);
    }
    (void)snprintf(quorum, sizeof(quorum), "%u", count / 2 + 1);
    if (mu_flags_create(plugin->flags, &flags, &err) < 0) {
        rate_die("flags", err.text);
    }
    set_flag(flags, "quorum", quorum);
    set_flag(flags, "log_peers", peers);
    return flags;
}

static void open_host(struct log_replica *r, const char *dir, uint16_t port)
{
    struct mu_error err;
    if (uv_loop_init(&r->loop) < 0 || (mkdir(dir, 0700) < 0 && errno != EEXIST)) {
        rate_die(dir, "cannot be made");
    }
    const struct rt_host_config config = {.loop = &r->loop,
                                          .work_dir = dir,
                                          .log_level = MU_ERROR,
                                          .log_fd = STDERR_FILENO,
                                          .on_failed = on_failed};
    if (rt_host_open(&config, &r->rt, &err) < 0) {
        rate_die("host", err.text);
    }
    struct http_server *http = http_server_create(&r->loop, NULL);
    rt_host_set_http_server(r->rt, http);
    if (http_server_listen(http, "master", "127.0.0.1", port, NULL, &err) < 0) {
        rate_die("listen", err.text);
    }
    mu_auto_free char *address = mu_xasprintf("127.0.0.1:%u", port);
    rt_host_set_master_address(r->rt, address);
}

void log_replica_open(struct log_replica *r,
                      const char *plugin_path,
                      const char *dir,
                      const uint16_t *ports,
                      unsigned count,
                      unsigned self)
{
    struct mu_error err;
    open_host(r, dir, ports[self]);
    void *handle = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
    r->plugin = handle == NULL ? NULL : dlsym(handle, "mu_plugin");
    if (r->plugin == NULL) {
        rate_die(plugin_path, "no plugin");
    }
    struct mu_flags *flags = make_flags(r->plugin, ports, count);
    r->ops = r->plugin->ops;
    if (r->plugin->create(rt_host_view(r->rt, "log"), flags, &r->instance, &err) < 0 ||
        r->plugin->start(r->instance, &err) < 0 ||
        r->ops->open(r->instance, "apps", &events, r, &r->store, &err) < 0) {
        rate_die("plugin", err.text);
    }
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    (void)key;
    (void)value;
    (void)len;
    struct log_replica *r = arg;
    r->entries++;
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct log_replica *r = arg;
    if (status < 0) {
        rate_die("recover", text);
    }
    r->is_ready = true;
}

/* An epoch that no earlier run of the same directory has had: time only grows. */
static uint64_t next_epoch(void)
{
    return rate_now_ns();
}

void log_replica_lead(struct log_replica *r)
{
    struct mu_error err;
    if (r->ops->recover(r->store, next_epoch(), on_entry, on_recovered, r, &err) < 0) {
        rate_die("recover", err.text);
    }
    while (!r->is_ready) {
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    }
}

void log_replica_ports(uint16_t *ports, unsigned count)
{
    int fds[LOG_REPLICAS_MAX];
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fds[i], (struct sockaddr *)&a, len) < 0 ||
            getsockname(fds[i], (struct sockaddr *)&a, &len) < 0) {
            rate_die("ports", "none free");
        }
        ports[i] = ntohs(a.sin_port);
    }
    for (unsigned i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
}
