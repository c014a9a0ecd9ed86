/* A world of containers for tests of containerizers: a real host, one instance of the
 * plugin, and runs: one per container, with all that was heard of it. What must hold of
 * every event (once, in order, never inside of a call) is checked where it is heard.
 *
 * world_setup and world_teardown stand around each test. The latter destroys what is left
 * and fails when anything remains of it.
 */
#ifndef TESTS_CONTRACT_CONTAINERS_H
#define TESTS_CONTRACT_CONTAINERS_H

#include "contract/containerizer.h"
#include "contract/contract_kit.h"

#define RUNS_MAX 64

struct run {
    struct world *w;
    struct mu_container_id id;
    struct mu_task_info *task;
    char *sandbox;
    struct mu_pairs env;

    bool was_asked, launched, exited, destroyed, recovered;
    int launch_status, destroy_status;
    char text[512]; /* of a failed launch */
    int64_t pid;
    bool recovered_running, recovered_how;
    struct mu_container_exit how;
    char how_text[512];
    int order_exited, order_destroyed; /* 1, 2, ... as heard */
};

struct world {
    const struct mu_containerizer_ops *ops;
    struct run runs[RUNS_MAX];
    size_t run_count;
    bool recovery_done;
    int order;
};

extern struct kit kit;
extern const struct containerizer_factory *factory;

/* Loads the plugin that the arguments name and finds its factory. Exits on a mistake. */
void world_load(int argc, char **argv);
int world_setup(void **state);
int world_teardown(void **state);
void world_begin_instance(struct world *w);
/* These are known; launched: their launch was answered. Waits for the end of it. */
void world_recover(struct world *w,
                   struct run *const *known,
                   size_t count,
                   bool launched);
/* The agent's process ends and comes back; recover is the test's. */
void world_restart(struct world *w);

/* With id, sandbox and resources; its command and kind are still missing. */
struct run *run_new(struct world *w);
struct mu_container_spec run_spec(const struct run *r);
void run_ask_launch(struct run *r);
/* A new one with this shell command: asked for; and launched. */
struct run *run_begin(struct world *w, const char *command);
struct run *run_launch(struct world *w, const char *command);
void run_wait_exit(struct run *r);
/* Its main process has ended, whoever is there to notice. */
void run_wait_pid_gone(const struct run *r);
void run_on_launched(void *arg,
                     int status,
                     const char *error_text,
                     const struct mu_container_status *container);
void run_on_destroyed(void *arg, int status, const char *error_text);
/* Destroys it and checks that nothing is left. */
void run_destroy(struct run *r);

void run_assert_exit_code(const struct run *r, int code);
/* Of the sandbox; free it. */
char *run_read_file(const struct run *r, const char *name);
void run_assert_file(const struct run *r, const char *name, const char *content);
/* Turns until the file has this text in it. */
void run_wait_for_text(struct run *r, const char *name, const char *wanted);
/* The file holds the numbers from..to, one per line. */
void run_assert_counted(const struct run *r, const char *name, int from, int to);

#endif
