/* One instance of the plugin: what plugin.c, driver.c and orphans.c share.
 *
 * plugin.c answers the host, driver.c carries out what the containers' machines want,
 * orphans.c looks for containers of ours that nobody knows. Loop thread.
 */
#ifndef DKR_INSTANCE_H
#define DKR_INSTANCE_H

#include <muster/kind/containerizer.h>

#include "engine.h"
#include "images.h"
#include "spec.h"

struct dkr_item; /* one container, see driver.h */

struct dkr_instance {
    const struct mu_host *host;
    char *socket, *sandbox_directory;
    bool enable_cfs;
    struct dkr_engine *engine;
    struct dkr_images *images;

    const struct mu_containerizer_events *events;
    void *events_arg;

    struct dkr_item *items;
    struct mu_timer *wake; /* events wait for it, so that no callback is ever inline */
    size_t jobs;           /* on workers, and log files that are being closed */

    /* recovery under way */
    size_t recover_left;
    bool is_recovering;
    mu_recovered_cb on_recovered;
    mu_status_cb recovered_cb;
    void *recover_arg;

    /* orphans.c */
    char *agent_label; /* NULL: not known yet */
    bool may_sweep;    /* what is ours and wanted is known */
    struct dkr_call *sweep;
    struct mu_timer *sweep_timer;
    uint64_t sweep_delay_ms;

    bool is_stopping;
    bool engine_has_stopped;
    struct mu_timer *stop_timer;
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* Everything of the plugin has ended: tell who waits for the stop. Called from every end.
 */
void dkr_check_stopped(struct dkr_instance *in);

#endif
