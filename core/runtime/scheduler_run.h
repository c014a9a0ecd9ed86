/* Drives the app scheduler's machine (core/scheduler): its registry store, its timer, its
 * link to the master in this process, commands and watches.
 *
 * Commands and messages are queued and taken one after another from the loop, so no step
 * ever runs inside another. Loop thread.
 */
#ifndef MU_RUNTIME_SCHEDULER_RUN_H
#define MU_RUNTIME_SCHEDULER_RUN_H

#include <muster/kind/api.h>
#include <muster/kind/registry.h>

#include "domain/message.h"
#include "scheduler/scheduler.h"

struct scheduler_run;

struct scheduler_run_config {
    const struct mu_host *host;
    const struct mu_registry_ops *registry;
    void *registry_instance;
    const struct scheduler_config *machine;
    /* To the master in this process; borrowed. Called from the loop, never inside a call
     * into scheduler_run. */
    void (*send)(void *arg, const struct mu_msg *msg);
    void (*abdicate)(void *arg); /* may come from inside a step */
    /* Does this process lead for certain, now? Asked before effects are applied. When it
     * does not, lost follows, outside of any step: scheduler_run_follow is due. */
    bool (*may_act)(void *arg);
    void (*lost)(void *arg);
    void (*failed)(
        void *arg,
        const char *text); /* the registry cannot be read: this process cannot lead */
    void *arg;
};

struct scheduler_run *scheduler_run_create(const struct scheduler_run_config *cfg);
void scheduler_run_lead(struct scheduler_run *r,
                        uint64_t epoch);            /* this process leads: load */
void scheduler_run_follow(struct scheduler_run *r); /* it no longer does: forget all */
void scheduler_run_connected(struct scheduler_run *r,
                             bool connected); /* the master's side of the link */
void scheduler_run_receive(struct scheduler_run *r,
                           const struct mu_msg *msg); /* copied */
void scheduler_run_stop(struct scheduler_run *r, mu_cb cb, void *arg);
void scheduler_run_destroy(struct scheduler_run *r);

int scheduler_run_submit(struct scheduler_run *r,
                         const struct mu_command_request *cmd,
                         mu_command_cb cb,
                         void *arg,
                         struct mu_error *err);
int scheduler_run_query(
    struct scheduler_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg);
struct mu_watch *scheduler_run_watch(struct scheduler_run *r, mu_event_cb cb, void *arg);
void scheduler_run_unwatch(struct mu_watch *w);
void scheduler_run_metrics(struct scheduler_run *r,
                           void (*cb)(void *arg, const char *name, double value),
                           void *arg);

#endif
