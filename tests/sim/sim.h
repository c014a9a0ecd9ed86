/* The simulator: a whole cluster in one process, in virtual time, from one seed.
 *
 * The nodes are the real pure machines; messages and records go through the real codecs.
 * What touches the world is played here: links (delay, cut, partition), journals (records
 * that were not acknowledged may be lost), containers (outlive their agent), a registry
 * (batches atomic, in order; those that were not acknowledged may be lost), processes
 * (crash, restart), a user (records what was acknowledged). Everything random comes from
 * the one generator; events are ordered by time; those of the same millisecond by the
 * order in which they were asked for.
 *
 *   sim.c       time, events, faults, main      master.c  the masters' processes: master,
 * app scheduler election.c  sessions, znodes, leases        store.c   the registries,
 * fenced by epochs agent.c     agents: journal, containers, links        user.c    the
 * client checks.c    what must hold, always and at the end
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include "agent/agent.h"
#include "base/heap.h"
#include "base/omap.h"
#include "base/prng.h"
#include "base/vec.h"
#include "master/master.h"
#include "scheduler/scheduler.h"

#define MASTERS_MAX 3
#define AGENTS_MAX 4
#define APPS_MAX 4
#define FAULT_TIME_MS (10u * 60 * 1000)    /* faults and the user stop then */
#define CONVERGE_TIME_MS (40u * 60 * 1000) /* and by then all must be as it should */

struct sim;

/* Something that happens later; run frees what it owns. gen: it only happens to the
 * incarnation it was meant for. */
struct event {
    struct mu_heap_node node;
    void (*run)(struct sim *s, struct event *e);
    const char *name;
    uint64_t gen; /* of the process or link; 0: happens in any case */
    size_t agent, master;
    uint64_t link, token;
    int status;
    struct mu_buf bytes; /* an encoded message */
    struct mu_container_id id;
    uint64_t number;
};

struct container {
    struct mu_container_id id;
    struct mu_task_id task;
    char cmd[32];
    unsigned starts;
    bool running, ended, removed;
    struct mu_container_exit exit;
    uint64_t run_number; /* of the scheduled end */
};

struct conn { /* between an agent and a master's process; order is kept within it */
    size_t master;
    uint64_t master_gen;
    uint64_t agent_link, master_link; /* master_link 0: not opened yet */
    uint64_t gen, opened_at;
    bool open;
    uint64_t to_master_at, to_agent_at; /* last delivery, so that order is kept */
};

struct agent_node {
    bool up, connecting;
    uint64_t gen, wake_gen;
    struct agent *a;
    MU_VEC(struct mu_buf)
    journal; /* durable, and behind it what was not acknowledged yet */
    size_t durable;
    MU_VEC(struct container *) containers;
    struct conn conn;
    uint64_t last_link, backoff_ms;
    size_t leader;                    /* as it was told last; MASTERS_MAX: nobody yet */
    uint64_t newest_epoch, newest_at; /* of the leaders that it has registered with, and
                                         when it heard that one last */
    uint64_t silent_until;            /* a partition: nothing passes, nobody is told */
    size_t total_starts;
};

struct commit {
    bool is_apps;
    uint64_t token, gen, serial, epoch;
    MU_VEC(char *) keys;
    MU_VEC(struct mu_buf) values; /* data NULL: delete */
};

struct user_command {
    uint32_t type;
    struct mu_app *app; /* of a PUT; a reference of its own */
    char task[MU_ID_MAX];
    bool force;
    unsigned tries; /* of the standby that passes it on */
};

struct app_truth { /* what the user was told, and what he was not */
    char id[32];
    bool exists; /* by the last acknowledgement */
    uint32_t instances;
    char cmd[32];
    bool unsure; /* a later change was not answered: it may have happened or not */
    bool maybe_exists;
    uint32_t maybe_instances;
    char maybe_cmd[32];
    uint64_t token; /* of the command under way; 0: none */
    bool want_exists;
    uint32_t want_instances;
    char want_cmd[32];
    size_t asked; /* the master that has the command under way */
    size_t via;   /* the standby that was asked and passes it on; MASTERS_MAX: none */
    struct user_command wish; /* what was asked for, until it has an answer */
};

struct faults { /* chances in ppm per opportunity; a seed switches on a random subset */
    uint32_t master_crash, agent_crash, cut, partition, slow_commit, commit_fails,
        launch_fails, prepare_fails, destroy_fails, flaky, slow_launch, duplicate,
        master_freeze, master_cut, zk_cut, wrong_depose, all_masters_crash, lost_reply,
        session_early, pair_cut, by_standby, stale_detector;
};

struct store {          /* an ordered map that takes batches of one epoch */
    struct mu_omap map; /* durable; values are struct mu_buf */
    uint64_t epoch;
};

/* One master's process, and what ZooKeeper knows of it. */
struct master_node {
    bool up;
    uint64_t gen, wake_gen, last_link, scheduler_link;
    struct master *master;
    struct scheduler *scheduler;
    bool leading, abdicating;
    size_t told_leader; /* by its detector, last */
    uint64_t epoch, lease_until;
    uint64_t frozen_until; /* SIGSTOP: its events wait */
    uint64_t cut_until;    /* off the network: nothing passes to or from anybody */
    uint64_t zk_cut_until; /* off ZooKeeper only */
    uint64_t znode;        /* its number; 0: none. As ZooKeeper has it */
    uint64_t own_znode;    /* as the process has it */
    uint64_t session,
        heard_at;         /* as ZooKeeper has it: number, when it heard of it last */
    uint64_t own_session; /* as the process has it */
    struct store own;     /* the registry `in_memory`: gone with the process */
    MU_VEC(struct commit *) commits; /* in order, not applied yet */
    uint64_t commit_at;
};

struct sim {
    uint64_t seed;
    struct mu_prng prng;
    struct mu_now now;
    struct mu_heap heap;
    uint64_t hash, events;
    bool trace, faults_over, failed;
    char failure[512];
    struct faults faults;
    FILE *golden; /* lines of the story, when one is told */

    size_t master_count;
    struct master_node masters[MASTERS_MAX];
    /* Until when a master and another part, masters first, then agents, do not reach each
     * other although both reach all others. */
    uint64_t apart_until[MASTERS_MAX][MASTERS_MAX + AGENTS_MAX];
    struct store shared[2]; /* "master", "apps": of all masters */
    bool own_master_store;  /* the store "master" is each process's own: registry
                               `in_memory` */
    uint64_t last_znode, last_session, last_link, commit_serial, command_token;
    size_t failovers, freezes, master_cuts, fenced, unknown, partitions, pair_cuts,
        early_sessions, passed_on, last_leader;
    struct mu_omap asked_to_stop; /* task ids for which a scheduler sent KILL */
    struct mu_omap may_stop; /* those whose end the registry has, or has had: killing, or
                                no record any more */

    size_t agent_count;
    struct agent_node agents[AGENTS_MAX];

    size_t app_count;
    struct app_truth apps[APPS_MAX];
    bool user_off;
    size_t commands, acknowledged, crashes, cuts;
};

/* sim.c */
#define SIM_AGENT(i) (MASTERS_MAX + (i)) /* the number of an agent as a part */
bool sim_apart(const struct sim *s, size_t master, size_t part);
uint64_t sim_rand(struct sim *s, uint64_t low, uint64_t high);
bool sim_chance(struct sim *s, uint32_t ppm); /* never once the faults are over */
struct event *sim_later(struct sim *s,
                        uint64_t delay_ms,
                        const char *name,
                        void (*run)(struct sim *s, struct event *e));
void sim_fail(struct sim *s, const char *fmt, ...) MU_PRINTF(2, 3);
void sim_note(struct sim *s, const char *fmt, ...)
    MU_PRINTF(2, 3); /* a line of the trace; part of the hash */
void sim_story(struct sim *s, const char *fmt, ...)
    MU_PRINTF(2, 3); /* a line of a golden trace, and of the trace */
void sim_init(struct sim *s, uint64_t seed);
void sim_run_until(struct sim *s, uint64_t mono_ms);
void sim_release(struct sim *s);

/* master.c: k is the master's number */
void sim_master_start(struct sim *s, size_t k);
void sim_master_crash(struct sim *s, size_t k);
void sim_master_message(struct sim *s, size_t k, uint64_t link, const struct mu_msg *m);
void sim_master_link_closed(struct sim *s, size_t k, uint64_t link);
void sim_command(struct sim *s,
                 size_t k,
                 const struct mu_command_request *cmd,
                 uint64_t token);
/* Its scheduler takes commands. */
bool sim_takes(const struct sim *s, size_t k);
/* The master whose scheduler takes commands, and that can be reached, or MASTERS_MAX. */
size_t sim_ready(const struct sim *s);
/* It acts as the leader at this moment: it leads, and its lease holds. */
bool sim_leads(const struct sim *s, size_t k);
void sim_master_elected(struct sim *s, size_t k, uint64_t epoch);
void sim_master_lost(struct sim *s, size_t k, const char *why);
void sim_master_release(struct sim *s, size_t k);
/* An event of this process, unless the process dies before; while it is frozen it waits.
 */
struct event *sim_master_later(struct sim *s,
                               size_t k,
                               uint64_t delay,
                               const char *name,
                               void (*run)(struct sim *s, struct event *e));
/* For the head of such an event's run: false: not now, or not any more. */
bool sim_master_runs(struct sim *s, struct event *e);
void sim_master_step(struct sim *s, size_t k, struct master_event *ev);
void sim_scheduler_step(struct sim *s, size_t k, struct scheduler_event *ev);

/* election.c */
void sim_election_start(struct sim *s, size_t k); /* a process has started */
void sim_election_join(struct sim *s, size_t k);
void sim_election_leave(struct sim *s,
                        size_t k); /* gives up: its znode is deleted when it can be */
void sim_election_died(struct sim *s, size_t k);
size_t sim_election_leader(const struct sim *s); /* as ZooKeeper has it, or MASTERS_MAX */
void sim_election_depose(struct sim *s, size_t k);
/* ZooKeeper ends the session of k before its time (its own clock went wrong). */
void sim_election_expire(struct sim *s, size_t k);
bool sim_is_cut(const struct sim *s, size_t k); /* from agents and users */

/* store.c */
struct commit *sim_commit_create(struct sim *s, size_t k, bool is_apps, uint64_t token);
void sim_commit_add(struct commit *c, struct mu_buf *key, struct mu_buf *value);
void sim_commit_submit(struct sim *s, size_t k, struct commit *c);
void sim_commits_lost(struct sim *s, size_t k); /* the process dies, or stops to lead */
void sim_recover(struct sim *s, size_t k, uint64_t epoch);
void sim_load(struct sim *s, size_t k, uint64_t epoch);
void sim_store_release(struct store *store);

/* agent.c */
void sim_agent_start(struct sim *s, size_t i);
void sim_agent_crash(struct sim *s, size_t i);
void sim_agent_deliver(
    struct sim *s,
    size_t i,
    const struct mu_msg *m); /* from the master, with the link's delay */
void sim_agent_cut(struct sim *s,
                   size_t i); /* the connection breaks; both ends are told later */
void sim_agent_new_leader(struct sim *s, size_t i); /* it will be told */
void sim_agent_release(struct sim *s, size_t i);
size_t sim_running_containers(const struct sim *s, size_t i);

/* user.c */
void sim_user_start(struct sim *s);
void sim_user_reply(struct sim *s, uint64_t token, const struct scheduler_reply *reply);
void sim_user_master_died(struct sim *s, size_t k);
void sim_user_release(struct sim *s);

/* checks.c */
/* Master k's batch has been accepted: key of the store "apps" gets value (data NULL: it
 * is deleted). */
void sim_check_apps_change(struct sim *s,
                           size_t k,
                           const char *key,
                           const struct mu_buf *value);
/* The user is told that what he wanted of t is done. */
void sim_check_acknowledged(struct sim *s, const struct app_truth *t);
/* A container has been started on some agent. */
void sim_check_start(struct sim *s, const struct container *c);
/* A running container of agent i is told to end. */
void sim_check_stop(struct sim *s, const struct container *c, const char *how);
/* Agent i has registered with a leader of that epoch, and keeps its connection. */
void sim_check_leaves(struct sim *s, size_t i, uint64_t epoch);
void sim_check_always(struct sim *s);
void sim_check_end(struct sim *s);

#endif
