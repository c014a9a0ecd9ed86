/* Commits of the registry replicated_log, on one machine: one at a time and with many on
 * their way, by one replica or by three that talk over loopback.
 *
 *     bench_log PLUGIN DIR SECONDS REPLICAS
 *
 * Each replica is a process of its own with the real host, HTTP server and journal.
 * Prints what rate_run_all does. Files are made in DIR.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "base/alloc.h"
#include "log_replica.h"
#include "rate.h"

struct writer {
    struct log_replica replica;
    struct rate rate;
    uint64_t keys, sent_ns;
};

static void commit(struct writer *w);

static void on_done(void *arg, int status, const char *text)
{
    struct writer *w = arg;
    if (status < 0) {
        rate_die("commit", text);
    }
    if (rate_done(&w->rate, w->sent_ns)) {
        commit(w);
    }
}

static void commit(struct writer *w)
{
    static const char value[RATE_VALUE_BYTES];
    char key[32];
    struct mu_error err;
    (void)snprintf(key, sizeof(key), "key/%06u", (unsigned)(w->keys++ % RATE_KEYS));
    const struct mu_registry_op op = {key, value, sizeof(value)};
    rate_asked(&w->rate);
    w->sent_ns = rate_now_ns();
    if (w->replica.ops->commit(w->replica.store, &op, 1, on_done, w, &err) < 0) {
        rate_die("commit", err.text);
    }
}

static void run(void *arg, unsigned width)
{
    struct writer *w = arg;
    for (unsigned i = 0; i < width; i++) {
        commit(w);
    }
    while (!rate_is_over(&w->rate)) {
        (void)uv_run(&w->replica.loop, UV_RUN_ONCE);
    }
}

static pid_t start_other(const char *plugin,
                         const char *dir,
                         const uint16_t *ports,
                         unsigned count,
                         unsigned self)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        /* It ends with the writer, however that ends. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
            _exit(1);
        }
        static struct log_replica other;
        mu_auto_free char *own = mu_xasprintf("%s/%u-%u", dir, count, self);
        log_replica_open(&other, plugin, own, ports, count, self);
        (void)uv_run(&other.loop, UV_RUN_DEFAULT); /* until it is ended */
        _exit(0);
    }
    if (child < 0) {
        rate_die("replica", "no process for it");
    }
    return child;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_log PLUGIN DIR SECONDS REPLICAS\n");
        return 2;
    }
    double seconds = atof(argv[3]); // NOLINT: a wrong one is 0
    unsigned count = argv[4][0] == '3' ? 3 : 1;
    uint16_t ports[LOG_REPLICAS_MAX];
    pid_t children[LOG_REPLICAS_MAX];
    rate_limit(60 + (unsigned)(seconds * 5));
    struct bare *bare = bare_open(argv[2]);
    log_replica_ports(ports, count);
    for (unsigned i = 1; i < count; i++) {
        children[i] = start_other(argv[1], argv[2], ports, count, i);
    }
    static struct writer w;
    mu_auto_free char *own = mu_xasprintf("%s/%u-0", argv[2], count);
    log_replica_open(&w.replica, argv[1], own, ports, count, 0);
    log_replica_lead(&w.replica);
    rate_run_all(&w.rate, seconds, bare, run, &w);
    for (unsigned i = 1; i < count; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], NULL, 0);
    }
    bare_close(bare);
    _exit(0); /* its files are the caller's */
}
