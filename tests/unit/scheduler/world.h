/* A small world around one scheduler: a registry whose commits are durable when the test
 * says so, and a master with agents that run whatever they are told to.
 *
 * world_run delivers everything that is under way until nothing is; world_advance lets
 * time pass, from deadline to deadline. Every step is followed by scheduler_check.
 */
#ifndef TEST_SCHEDULER_WORLD_H
#define TEST_SCHEDULER_WORLD_H

#include "kit.h"

#include "base/map.h"
#include "base/omap.h"
#include "base/prng.h"
#include "base/vec.h"
#include "scheduler/scheduler.h"

#define WORLD_AGENTS 3

struct fake_agent {
    struct mu_agent_id id;
    char host[16];
    struct mu_resources total;
    struct mu_pairs attributes;
    bool is_up, is_known; /* known: the master has it registered */
    struct mu_offer_id offer;
    bool is_offered;
    uint64_t refused_until_ms;
};

struct fake_task {
    const struct mu_task_info *info;
    size_t agent;
    uint32_t state;    /* the truth */
    uint32_t sent[16]; /* states the scheduler has not acknowledged, oldest first */
    size_t sent_count;
    struct mu_uuid uuid; /* of the first */
    bool in_flight;
    uint64_t again_ms;
    uint64_t dies_ms; /* it was told to end, and takes its time; 0: no */
};

struct world_commit {
    uint64_t token;
    struct scheduler_record *records;
    size_t count;
};

struct world_reply {
    uint64_t token;
    int status;
    int64_t version_ms;
    char text[256], path[64], deployment_id[40];
    size_t conflicts, apps;
    bool seen;
};

struct world {
    struct scheduler *s;
    struct scheduler_config cfg;
    struct mu_now now;
    uint64_t epoch;

    /* registry */
    struct mu_omap records; /* key -> struct scheduler_record * */
    struct {
        struct world_commit *v;
        size_t count, cap;
    } commits;            /* not durable yet */
    bool hold_commits;    /* until the test lets them go */
    size_t largest_value; /* bytes */
    int unreadable;       /* so many attempts to load fail */
    int fail_commits;     /* so many of the next */
    uint64_t durable;     /* commits so far */
    uint64_t crash_at;    /* crash when so many are durable; 0: never */
    bool crash_answered;  /* after the scheduler has worked on the answer, or before it */
    uint64_t crashes;

    /* master */
    struct fake_agent agents[WORLD_AGENTS];
    struct mu_map tasks; /* id -> struct fake_task */
    struct {
        struct mu_msg *v;
        size_t count, cap;
    } inbox; /* on the way to the scheduler */
    bool connected, subscribed, suppressed;
    bool forgetful;          /* the master says "unknown" of agents that are not back */
    uint64_t kill_takes_ms;  /* from KILL to the end */
    uint64_t agents_away_ms; /* agents take so long to come back after a crash */
    uint64_t agents_back_ms; /* then; 0: they are there */
    uint64_t next_offer, next_uuid, next_framework;
    bool offer_nothing, auto_run;
    bool ignore_accepts, ignore_kills; /* they are lost on the way */
    char run_state;                    /* 0: RUNNING at once; 'f': FAILED at once */

    /* what was seen */
    struct mu_buf log; /* events, one word each */
    struct {
        struct world_reply *v;
        size_t count, cap;
    } replies;
    uint64_t next_command;
    size_t accepts, declines, revives, suppresses, kills, acks, reconciles, launched;
    uint64_t last_refuse_ms;
    size_t warnings; /* logged */
    bool abdicated;
    struct mu_prng *chaos;          /* NULL: everything arrives once and in order */
    void (*watch)(struct world *w); /* after every step */
};

void world_open(struct world *w);   /* leading, connected, subscribed, two agents */
void world_create(struct world *w); /* nothing started */
void world_close(struct world *w);

void world_step(struct world *w, const struct scheduler_event *ev);
void world_start(struct world *w);
void world_connect(struct world *w);
void world_disconnect(struct world *w);
void world_crash(struct world *w); /* and start again from what is durable */
void world_run(struct world *w);
void world_advance(struct world *w, uint64_t ms);
/* Let the oldest held commit become durable (or fail) and be answered. With
 * MU_E_UNKNOWN_OUTCOME it is durable, though the scheduler cannot know. */
void world_commit_one(struct world *w, int status);

/* Returns the number of the command; see world_reply. */
uint64_t world_command(struct world *w, const struct mu_command_request *c);
uint64_t world_put(struct world *w, struct mu_app *app); /* takes app; not forced */
uint64_t world_put_forced(struct world *w, struct mu_app *app);
uint64_t
world_ids(struct world *w, uint32_t type, const char *id, bool force, bool scale);
const struct world_reply *world_reply(struct world *w, uint64_t command);
void assert_ok(struct world *w, uint64_t command);
void assert_refused_with(struct world *w, uint64_t command, int status, const char *text);

/* ---- the master's side ---- */
void fake_update(struct world *w, const char *task_id, uint32_t state);
void fake_unreachable(struct world *w, size_t agent);
void fake_reachable(struct world *w, size_t agent); /* with all it ran before */
void fake_offers(struct world *w);
struct fake_task *fake_task(struct world *w, const char *task_id);
/* Live tasks of an app, by truth; running: only those. command NULL: any. */
size_t fake_count(struct world *w, const char *app_id, bool running, const char *command);
/* The n-th live task of an app, in the order of launch. */
const char *fake_nth(struct world *w, const char *app_id, size_t n);

/* ---- queries ---- */
struct app_view {
    bool found;
    uint32_t instances, staged, running, healthy, unhealthy;
    int64_t version_ms, last_scaling_ms, last_config_ms;
    size_t deployments;
    uint16_t port;
    char cmd[64], failure[64];
    uint32_t failure_state;
};
struct app_view view_app(struct world *w, const char *id);
int view_count(struct world *w, uint32_t query, const char *key);
struct queue_view {
    bool found, overdue;
    uint32_t count;
    uint64_t delay_left_ms, processed, unused;
    char waiting_for[200], rejects[300];
};
struct queue_view view_queue(struct world *w, const char *id);
struct deployment_view {
    bool found;
    size_t step, steps, affected;
    char id[40], waiting_for[200];
};
struct deployment_view view_deployment(struct world *w);
size_t world_records(struct world *w, const char *prefix);
void clear_log(struct world *w);

#endif
