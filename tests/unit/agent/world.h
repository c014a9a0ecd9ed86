/* A world for one agent machine: a journal, a containerizer, a master and a clock, all of
 * them tables. Nothing happens by itself: world_step takes one thing that is due, so that
 * a test can stop (or crash the agent) between any two. */
#ifndef TEST_AGENT_WORLD_H
#define TEST_AGENT_WORLD_H

#include "agent/agent.h"
#include "base/vec.h"

struct container {
    struct mu_container_id id;
    struct mu_task_id task;
    unsigned starts, terms; /* times started, SIGTERMs got */
    bool running, removed;
    struct mu_container_exit exit; /* once it has ended */
    struct mu_pairs env;
};

struct happening { /* an event that is due */
    struct agent_event ev;
    struct agent_record record;
    struct mu_msg msg;
    struct mu_container_id id;
    char text[128];
    struct mu_container_status status;
    struct mu_container_exit exit;
};

struct world {
    struct agent *a;
    struct mu_now now;
    uint64_t seed;
    MU_VEC(struct mu_buf) journal; /* encoded records */
    MU_VEC(struct container) containers;
    MU_VEC(struct happening) due;
    MU_VEC(struct mu_msg) sent; /* all that the agent sent, oldest first */
    MU_VEC(char *) removed;     /* sandboxes */
    uint64_t link;
    bool has_master;    /* it answers */
    uint64_t epoch;     /* of its leadership */
    bool acknowledges;  /* status updates */
    bool ignores_term;  /* containers do not end by SIGTERM */
    bool is_slow;       /* a launch is not answered */
    bool is_slow_fetch; /* a preparation is not answered */
    int journal_status, choose_status, prepare_status, launch_status, destroy_status;
    char *role; /* of the framework */
    unsigned max_tasks;
    uint64_t gc_delay_ms;
    size_t shutdowns, reconnects, compactions;
    unsigned registrations;
};

void world_init(struct world *w);
void world_boot(struct world *w);  /* a new agent process: replays the journal */
void world_dial(struct world *w);  /* a new link */
void world_crash(struct world *w); /* the process is gone; journal and containers stay */
bool world_step(struct world *w);  /* one thing that is due; false: nothing is */
void world_settle(struct world *w);
void world_pass(struct world *w, uint64_t ms); /* time, with all deadlines in it */
void world_release(struct world *w);
void world_run(struct world *w, const char *task, const char *resources);
void world_kill(struct world *w, const char *task, bool has_grace, uint64_t grace_ms);
void world_ack(struct world *w, const struct mu_task_status *s);
void world_message(struct world *w, struct mu_msg *m); /* moved */
struct container *world_container(struct world *w,
                                  const char *task); /* NULL: none was started */
void world_exit(struct world *w, struct container *c, int wait_status, bool oom);
/* States of the updates of a task in the order sent, repeats of one uuid left out:
 * "TASK_RUNNING TASK_FINISHED" */
const char *world_states(struct world *w, const char *task, char *out, size_t size);
const struct mu_task_status *world_last_status(struct world *w, const char *task);
size_t world_count_sent(const struct world *w, enum mu_msg_type type);
struct mu_msg *world_last_sent(struct world *w, enum mu_msg_type type);
size_t world_live_tasks(struct world *w); /* rows that are not completed */

#endif
