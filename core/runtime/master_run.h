/* Drives the master's machine (core/master): election, registry store "master", agent
 * links, and the app scheduler's link in this process. Loop thread. */
#ifndef MU_RUNTIME_MASTER_RUN_H
#define MU_RUNTIME_MASTER_RUN_H

#include <muster/kind/api.h>
#include <muster/kind/election.h>
#include <muster/kind/registry.h>

#include "master/master.h"

struct master_run;

struct master_run_config {
    const struct mu_host *host;
    const struct mu_election_ops *election;
    void *election_instance;
    const struct mu_registry_ops *registry;
    void *registry_instance;
    const struct master_config *machine;
    const struct mu_member *self; /* copied */
    /* Leadership of this process, for the app scheduler and the agent in it. */
    void (*leading)(void *arg,
                    uint64_t epoch); /* elected; the master recovers by itself */
    void (*standing_by)(void *arg);  /* no longer: drop all leader state now */
    void (*leader)(void *arg, const struct mu_member *leader); /* NULL: none */
    void (*open)(void *arg); /* recovered: frameworks and agents are served */
    void (*to_scheduler)(void *arg,
                         const struct mu_msg *msg); /* copied by the receiver */
    void (*scheduler_closed)(void *arg);
    void (*failed)(void *arg, const char *text); /* cannot go on as a master */
    void *arg;
};

struct master_run *master_run_create(const struct master_run_config *cfg);
int master_run_start(struct master_run *r, struct mu_error *err);
/* Before a request is answered: is the lease over? Then step down in place, now, so that
 * whoever answers does so as a standby. Not from inside a step. */
void master_run_check_lease(struct master_run *r);
/* Does it lead for certain, now? */
bool master_run_may_act(const struct master_run *r);
void master_run_abdicate(struct master_run *r); /* give up leadership and stand again */
void master_run_from_scheduler(struct master_run *r,
                               const struct mu_msg *msg); /* copied */
/* The begin of a stop, before anything else is: stop serving, ask the election to take
 * this master out. Twice is fine. */
void master_run_resign(struct master_run *r);
/* cb when that is done (or has taken too long) and the store is closed. */
void master_run_stop(struct master_run *r, mu_cb cb, void *arg);
void master_run_destroy(struct master_run *r);
int master_run_query(
    struct master_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg);
void master_run_metrics(struct master_run *r,
                        void (*cb)(void *arg, const char *name, double value),
                        void *arg);
/* Why a load balancer should send nobody here; nothing: it leads and has recovered the
 * registry, or knows who leads. */
void master_run_unwell(const struct master_run *r, struct mu_buf *out);

#endif
