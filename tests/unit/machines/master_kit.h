/* A master under test: steps it, checks its invariants after every step, keeps what it
 * sent until a test looks for it.
 *
 * Commits are answered at once unless hold_commits is set. Time stands still unless a
 * test moves it.
 */
#ifndef MASTER_KIT_H
#define MASTER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <muster/log.h>
#include <muster/time.h>

#include "base/vec.h"
#include "master/master.h"

#define MASTER_ID "11111111-1111-4111-8111-111111111111"
#define OLD_MASTER_ID "99999999-9999-4999-8999-999999999999"

struct sent {
    uint64_t link;
    bool closed; /* a CLOSE instead of a message */
    struct mu_msg msg;
};

struct kit {
    struct master *m;
    struct mu_now now;
    struct {
        struct sent *v;
        size_t count, cap;
    } sent;
    struct { /* COMMITs not answered yet */
        struct master_effect *v;
        size_t count, cap;
    } commits;
    bool hold_commits;
    struct { /* what the registry has */
        struct kit_record {
            char id[MU_ID_MAX];
            uint32_t state;
        } * v;
        size_t count, cap;
    } records;
    struct mu_buf log;
    size_t recovers, abdications, commit_count;
    uint64_t next_link;
};

void kit_create(struct kit *k, void (*change)(struct master_config *cfg));
void kit_destroy(struct kit *k);

/* ---- events ---- */
void kit_step(struct kit *k, const struct master_event *ev); /* ev->now is set here */
void kit_elect(struct kit *k, uint64_t epoch);
void kit_lead(struct kit *k); /* elected at epoch 1, an empty registry recovered */
void kit_entry(struct kit *k, const char *agent_id, uint32_t state);
/* The same, on a host of its own, since so long. */
void kit_entry_on(struct kit *k,
                  const char *agent_id,
                  const char *host,
                  uint32_t state,
                  int64_t since_ms);
void kit_recovered(struct kit *k, int status);
void kit_lost(struct kit *k);
/* Move time on, ticking at every deadline on the way. */
void kit_wait(struct kit *k, uint64_t ms);
void kit_close(struct kit *k, uint64_t link);
/* Takes msg. */
void kit_message(struct kit *k, uint64_t link, struct mu_msg *msg);
/* Answer the oldest commit. */
void kit_commit(struct kit *k, int status);
/* State of the agent's record in the registry, as far as commits made it; 0: none. */
uint32_t kit_record_state(const struct kit *k, const char *agent_id);

/* ---- peers ---- */
uint64_t kit_link(struct kit *k);
void agent_info(struct mu_agent_info *out, const char *id, const char *host);
/* A new agent "host" with cpus:4;mem:4096;ports:[31000-31009]; returns its link. */
uint64_t kit_register(struct kit *k, const char *host);
uint64_t kit_register_with(struct kit *k, const char *host, const char *resources);
/* REREGISTER without tasks on a new link. */
uint64_t kit_reregister(struct kit *k, const char *id, const char *host);
void reregister_msg(struct mu_msg *msg, const char *id, const char *host);
void add_record(struct mu_msg *msg,
                const char *framework,
                const char *task,
                uint32_t state);
/* A new framework; returns its link. */
uint64_t kit_subscribe(struct kit *k, const char *name);
struct mu_framework_info framework_info(const char *id, const char *name);
uint64_t kit_subscribe_info(struct kit *k, const struct mu_framework_info *info);
struct mu_task_info *task_info(const char *framework,
                               const char *agent,
                               const char *id,
                               const char *resources);
/* ACCEPT offer with one task per id of ids (NULL-terminated), cpus:1;mem:100 each. */
void kit_accept(struct kit *k,
                uint64_t link,
                const struct mu_offer *offer,
                const char *const *ids,
                uint64_t refuse_ms);
void kit_update(struct kit *k,
                uint64_t agent_link,
                const char *framework,
                const char *task,
                uint32_t state,
                const char *uuid);
void kit_ack(
    struct kit *k, uint64_t link, const char *agent, const char *task, const char *uuid);
void kit_simple(struct kit *k, uint64_t link, uint32_t type);
/* SUBSCRIBE and launch task "t1" on agent S0 of "host1", TASK_RUNNING acknowledged. */
struct scene {
    uint64_t agent, framework;
    char framework_id[MU_ID_MAX];
};
struct scene kit_running_task(struct kit *k);

/* ---- what was sent ---- */
void kit_forget(struct kit *k);
/* The n-th (from 0) of that type on that link, or NULL. */
const struct mu_msg *
kit_find(const struct kit *k, uint64_t link, uint32_t type, size_t n);
const struct mu_msg *kit_expect(const struct kit *k, uint64_t link, uint32_t type);
size_t kit_count(const struct kit *k, uint64_t link, uint32_t type);
bool kit_closed(const struct kit *k, uint64_t link);
/* The newest UPDATE about task on link, or NULL. */
const struct mu_task_status *
kit_status(const struct kit *k, uint64_t link, const char *task);
/* Copy of the newest offer on link; the caller releases it. */
void kit_take_offer(const struct kit *k, uint64_t link, struct mu_offer *out);

/* ---- views ---- */
/* State of the task in MU_Q_TASKS, or -1; *completed may be NULL. */
int kit_task_state(struct kit *k, const char *task, bool *completed);
struct agent_view {
    bool found, active;
    char used[256], offered[256];
    int64_t registered_ms;
};
struct agent_view kit_agent(struct kit *k, const char *id);
double kit_metric(struct kit *k, const char *name);
struct mu_master_row kit_master_row(struct kit *k); /* without its texts */
/* What the master waits for; "": nothing. Valid until the next call. */
const char *kit_waiting_for(struct kit *k);
bool kit_logged(const struct kit *k, const char *text); /* since kit_forget */

#endif
