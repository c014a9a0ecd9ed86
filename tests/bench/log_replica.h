/* One replica of the registry replicated_log for a benchmark: the plugin in the real
 * host, with HTTP server and journal, in a loop of its own. Whatever fails ends the
 * process.
 */
#ifndef BENCH_LOG_REPLICA_H
#define BENCH_LOG_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include <muster/kind/registry.h>
#include <muster/plugin.h>
#include <uv.h>

#define LOG_REPLICAS_MAX 3

struct log_replica {
    uv_loop_t loop;
    struct rt_host *rt;
    const struct mu_plugin *plugin;
    const struct mu_registry_ops *ops;
    void *instance;
    struct mu_registry_store *store;
    bool is_ready;
    uint64_t entries; /* that were handed out */
};

/* plugin_path: its .so; dir: its files, made if missing; the replica listens on
 * ports[self] and knows all count of them. */
void log_replica_open(struct log_replica *r,
                      const char *plugin_path,
                      const char *dir,
                      const uint16_t *ports,
                      unsigned count,
                      unsigned self);
/* Returns when it leads and has handed out its map. */
void log_replica_lead(struct log_replica *r);
/* Free ones on loopback, as far as anybody can tell. */
void log_replica_ports(uint16_t *ports, unsigned count);

#endif
