/* Commits of the registry replicated_log, on one machine: one at a time and with many on
 * their way, by one replica and by three that talk over loopback; beside a bare
 * write + fdatasync and a bare round trip on loopback, measured in the same run.
 *
 *     bench_log PLUGIN DIR SECONDS REPLICAS
 *
 * Each replica is a process of its own with the real host, HTTP server and journal.
 * Prints one line per number of commits in flight: number, commits/s, microseconds for
 * each (one at a time: the median), then "bare", microseconds of fdatasync, of a round
 * trip. Everything is bounded by SECONDS; files are made in DIR.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/kind/registry.h>
#include <muster/plugin.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/flag_values.h"
#include "runtime/host.h"
#include "runtime/http_server.h"

#define REPLICAS_MAX 5
#define VALUE_BYTES 256
#define SAMPLES_MAX 100000u

static const unsigned in_flight[] = {1, 10, 100, 1000};

struct replica {
    uv_loop_t loop;
    struct rt_host *rt;
    const struct mu_plugin *plugin;
    const struct mu_registry_ops *ops;
    void *instance;
    struct mu_registry_store *store;
    bool is_ready;
    uint64_t end_ns, asked, done, sent_ns, keys;
    uint32_t *samples; /* of one at a time, ns */
    size_t sample_count;
    bool is_single;
};

static void die(const char *what, const char *text)
{
    fprintf(stderr, "bench_log: %s: %s\n", what, text);
    exit(1);
}

/* ---- one replica ---- */

static void commit(struct replica *r);

static void on_done(void *arg, int status, const char *text)
{
    struct replica *r = arg;
    if (status < 0) {
        die("commit", text);
    }
    r->done++;
    if (r->is_single && r->sample_count < SAMPLES_MAX) {
        r->samples[r->sample_count++] = (uint32_t)(uv_hrtime() - r->sent_ns);
    }
    if (uv_hrtime() < r->end_ns) {
        commit(r);
    }
}

static void commit(struct replica *r)
{
    static const char value[VALUE_BYTES];
    char key[32];
    struct mu_error err;
    (void)snprintf(key, sizeof(key), "key/%06u", (unsigned)(r->keys++ % 10000));
    const struct mu_registry_op op = {key, value, sizeof(value)};
    r->asked++;
    r->sent_ns = uv_hrtime();
    if (r->ops->commit(r->store, &op, 1, on_done, r, &err) < 0) {
        die("commit", err.text);
    }
}

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    (void)arg;
    (void)key;
    (void)value;
    (void)len;
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct replica *r = arg;
    if (status < 0) {
        die("recover", text);
    }
    r->is_ready = true;
}

static void on_fenced(void *arg)
{
    (void)arg;
    die("registry", "fenced");
}

static const struct mu_registry_events events = {on_fenced};

static void on_failed(void *arg, const char *plugin, const struct mu_error *err)
{
    (void)arg;
    die(plugin, err->text);
}

static void set_flag(struct mu_flags *flags, const char *name, const char *value)
{
    struct mu_error err;
    if (mu_flags_assign(flags, name, value, &err) < 0) {
        die(name, err.text);
    }
}

static void open_replica(struct replica *r,
                         const char *path,
                         const char *dir,
                         const uint16_t *ports,
                         unsigned count,
                         unsigned self)
{
    struct mu_error err;
    mu_auto_free char *work_dir = mu_xasprintf("%s/%u-%u", dir, count, self);
    if (uv_loop_init(&r->loop) < 0 || mkdir(work_dir, 0700) < 0) {
        die(work_dir, "cannot be made");
    }
    const struct rt_host_config config = {.loop = &r->loop,
                                          .work_dir = work_dir,
                                          .log_level = MU_ERROR,
                                          .log_fd = STDERR_FILENO,
                                          .on_failed = on_failed};
    if (rt_host_open(&config, &r->rt, &err) < 0) {
        die("host", err.text);
    }
    struct http_server *http = http_server_create(&r->loop, NULL);
    rt_host_set_http_server(r->rt, http);
    if (http_server_listen(http, "master", "127.0.0.1", ports[self], NULL, &err) < 0) {
        die("listen", err.text);
    }
    mu_auto_free char *address = mu_xasprintf("127.0.0.1:%u", ports[self]);
    rt_host_set_master_address(r->rt, address);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    r->plugin = handle == NULL ? NULL : dlsym(handle, "mu_plugin");
    if (r->plugin == NULL) {
        die(path, "no plugin");
    }
    struct mu_flags *flags;
    char peers[REPLICAS_MAX * 24] = "", quorum[8];
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(peers);
        (void)snprintf(peers + len, sizeof(peers) - len, "%s127.0.0.1:%u",
                       i == 0 ? "" : ",", ports[i]);
    }
    (void)snprintf(quorum, sizeof(quorum), "%u", count / 2 + 1);
    if (mu_flags_create(r->plugin->flags, &flags, &err) < 0) {
        die("flags", err.text);
    }
    set_flag(flags, "quorum", quorum);
    set_flag(flags, "log_peers", peers);
    r->ops = r->plugin->ops;
    if (r->plugin->create(rt_host_view(r->rt, "log"), flags, &r->instance, &err) < 0 ||
        r->plugin->start(r->instance, &err) < 0 ||
        r->ops->open(r->instance, "apps", &events, r, &r->store, &err) < 0) {
        die("plugin", err.text);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void measure(struct replica *r, unsigned width, double seconds)
{
    uint64_t begin = uv_hrtime();
    r->asked = r->done = 0;
    r->sample_count = 0;
    r->is_single = width == 1;
    r->end_ns = begin + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < width; i++) {
        commit(r);
    }
    while (r->done < r->asked) {
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    }
    double took = (double)(uv_hrtime() - begin) / 1e9;
    double us = took * 1e6 / (double)r->done;
    if (r->is_single) {
        qsort(r->samples, r->sample_count, sizeof(*r->samples), compare);
        us = (double)r->samples[r->sample_count / 2] / 1000.0;
    }
    printf("%u %.0f %.1f\n", width, (double)r->done / took, us);
}

static void lead(struct replica *r, double seconds)
{
    struct mu_error err;
    r->samples = mu_xalloc(SAMPLES_MAX * sizeof(*r->samples));
    if (r->ops->recover(r->store, 1, on_entry, on_recovered, r, &err) < 0) {
        die("recover", err.text);
    }
    while (!r->is_ready) {
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < sizeof(in_flight) / sizeof(in_flight[0]); i++) {
        measure(r, in_flight[i], seconds);
    }
}

/* ---- beside it ---- */

static double median_fdatasync_us(const char *dir, double seconds)
{
    mu_auto_free char *path = mu_xasprintf("%s/bare", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    static const char record[VALUE_BYTES + 64];
    uint32_t *samples = mu_xalloc(SAMPLES_MAX * sizeof(*samples));
    size_t n = 0;
    uint64_t end = uv_hrtime() + (uint64_t)(seconds * 1e9);
    while (uv_hrtime() < end && n < SAMPLES_MAX) {
        uint64_t begin = uv_hrtime();
        if (write(fd, record, sizeof(record)) != (ssize_t)sizeof(record) ||
            fdatasync(fd) < 0) {
            die(path, "cannot be written");
        }
        samples[n++] = (uint32_t)(uv_hrtime() - begin);
    }
    qsort(samples, n, sizeof(*samples), compare);
    double us = (double)samples[n / 2] / 1000.0;
    free(samples);
    (void)close(fd);
    return us;
}

static void echo(int fd)
{
    char c[VALUE_BYTES];
    ssize_t n;
    while ((n = read(fd, c, sizeof(c))) > 0 && write(fd, c, (size_t)n) == n) {
    }
    _exit(0);
}

static double median_round_trip_us(double seconds)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        die("loopback", "no socket");
    }
    pid_t child = fork();
    if (child == 0) {
        int fd = accept(listener, NULL, NULL);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        echo(fd);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, len) < 0) {
        die("loopback", "no connection");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    char c[VALUE_BYTES] = "";
    uint32_t *samples = mu_xalloc(SAMPLES_MAX * sizeof(*samples));
    size_t n = 0;
    uint64_t end = uv_hrtime() + (uint64_t)(seconds * 1e9);
    while (uv_hrtime() < end && n < SAMPLES_MAX) {
        uint64_t begin = uv_hrtime();
        ssize_t got = 0;
        if (write(fd, c, sizeof(c)) != (ssize_t)sizeof(c)) {
            die("loopback", "write");
        }
        while (got < (ssize_t)sizeof(c)) {
            ssize_t part = read(fd, c, sizeof(c));
            if (part <= 0) {
                die("loopback", "read");
            }
            got += part;
        }
        samples[n++] = (uint32_t)(uv_hrtime() - begin);
    }
    qsort(samples, n, sizeof(*samples), compare);
    double us = (double)samples[n / 2] / 1000.0;
    free(samples);
    (void)close(fd);
    (void)close(listener);
    (void)waitpid(child, NULL, 0);
    return us;
}

static void free_ports(uint16_t *ports, unsigned count)
{
    int fds[REPLICAS_MAX];
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(fds[i], (struct sockaddr *)&a, len) < 0 ||
            getsockname(fds[i], (struct sockaddr *)&a, &len) < 0) {
            die("ports", "none free");
        }
        ports[i] = ntohs(a.sin_port);
    }
    for (unsigned i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_log PLUGIN DIR SECONDS REPLICAS\n");
        return 2;
    }
    double seconds = atof(argv[3]); // NOLINT: a wrong one is 0
    unsigned count = argv[4][0] == '3' ? 3 : 1;
    uint16_t ports[REPLICAS_MAX];
    pid_t children[REPLICAS_MAX];
    double disk = median_fdatasync_us(argv[2], seconds);
    double trip = median_round_trip_us(seconds);
    free_ports(ports, count);
    for (unsigned i = 1; i < count; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            static struct replica other;
            open_replica(&other, argv[1], argv[2], ports, count, i);
            (void)uv_run(&other.loop, UV_RUN_DEFAULT); /* until it is ended */
            _exit(0);
        }
    }
    static struct replica first;
    open_replica(&first, argv[1], argv[2], ports, count, 0);
    lead(&first, seconds);
    printf("bare %.1f %.1f\n", disk, trip);
    fflush(stdout);
    for (unsigned i = 1; i < count; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], NULL, 0);
    }
    _exit(0); /* its files are the caller's */
}
