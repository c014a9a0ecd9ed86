/* What main has ready when the roles of this process begin: struct runtime, and the two
 * calls that begin and end them.
 *
 * Life: flags, loading, `create` of all plugins, loop, host, HTTP listeners, then
 * run_start. run_start tells plugins what they need before they start (`listen`,
 * `attach`), starts them with plugins_start in the order containerizer, registry,
 * election, makes the roles, and starts the api plugins last. run_stop ends the roles in
 * the reverse order and stops those plugins whose order matters with plugins_stop; main
 * stops whatever is started still, then destroys all. Loop thread.
 */
#ifndef MU_RUNTIME_RUN_H
#define MU_RUNTIME_RUN_H

#include <muster/kind/api.h>
#include <muster/plugin.h>

#include "runtime/options.h"

struct flags;
struct http_server;
struct rt_host;
struct run; /* the roles, run.c's own */

struct runtime_plugin {
    const struct mu_plugin *plugin; /* ops are in plugin->ops, by kind */
    void *instance;
    const struct mu_host *host; /* the view given to create */
    bool is_started, is_stopping;
};

#define RUNTIME_PLUGINS_MAX (2 * OPTIONS_PLUGINS_MAX + 3)

struct runtime {
    struct uv_loop_s *loop;
    struct rt_host *rt;
    const struct mu_host *host; /* the core's own view */
    struct http_server *http;
    const struct options *options; /* options->flags: core flags, for the drivers */
    struct flags *flags;           /* all, for flags_each */
    int64_t start_wall_ms;
    uint16_t master_port, marathon_port, agent_port; /* listened on; 0: not here */

    struct runtime_plugin plugins[RUNTIME_PLUGINS_MAX]; /* one per kind and name */
    size_t plugin_count;
    /* Into plugins; NULL where options->plugins names none. app_registry may be the same
     * instance as registry. The lists are in the order of their flags. */
    struct runtime_plugin *election, *registry, *app_registry;
    struct runtime_plugin *containerizers[OPTIONS_PLUGINS_MAX];
    struct runtime_plugin *apis[OPTIONS_PLUGINS_MAX];

    struct run *run;
    /* End the process in order, from the loop. exit_code 0: as asked for (reason is
     * logged as info); else an error. Later calls only raise the exit code. */
    void (*request_stop)(struct runtime *rt, int exit_code, const char *reason);
};

/* Negative: run_stop ends what had begun. */
MU_NODISCARD int run_start(struct runtime *rt, uint32_t roles, struct mu_error *err);
/* After run_start, once. cb from the loop, never inline: no role is left. */
void run_stop(struct runtime *rt, mu_cb cb, void *arg);
/* After all plugins were stopped, before they are destroyed: frees what run_start made
 * (see agent_run_destroy). Also after a failed run_start. */
void run_destroy(struct runtime *rt);

#endif
