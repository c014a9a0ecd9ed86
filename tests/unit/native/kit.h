/* A native containerizer on a real loop and the real kernel, for tests: launches, waits
 * for events, and looks for what a container must not leave behind.
 */
#ifndef TESTS_UNIT_NATIVE_KIT_H
#define TESTS_UNIT_NATIVE_KIT_H

#include <muster/kind/containerizer.h>
#include <muster/plugin.h>

#include "lib/test_host.h"

#define KIT_EVENTS_MAX 512
/* What the host says that the process was started with. */
#define KIT_FILES_SOFT 100
#define KIT_FILES_HARD 200

struct kit_exit {
    struct mu_container_id id;
    struct mu_container_exit how; /* message is NULL: see text */
    char text[256];
};

struct kit_recovered {
    struct mu_container_id id;
    bool is_running, has_exit;
    int64_t pid;
    struct mu_container_exit how;
};

struct kit {
    struct test_host *th;
    struct mu_host host; /* th's with another work_dir */
    const struct mu_plugin *plugin;
    const struct mu_containerizer_ops *ops;
    void *instance;
    struct flags *flags;
    char *work_dir;
    bool owns_work_dir;
    bool changed; /* an event or answer came */

    struct kit_exit exits[KIT_EVENTS_MAX];
    size_t exit_count;
    struct kit_recovered recovered[KIT_EVENTS_MAX];
    size_t recovered_count;
};

struct kit_answer {
    bool done;
    int status;
    int64_t pid;
    char text[512];
};

/* launcher: "linux", "posix". work_dir NULL: a new one, removed at the end. extra: one
 * more flag such as "--cgroups_enable_cfs", or NULL. */
struct kit *kit_open(const char *launcher, const char *work_dir, const char *extra);
/* Stops the plugin: containers run on. */
void kit_close(struct kit *k);

/* A task with a shell command; 64 MB and 0.1 cpus. The caller may change it before use.
 */
struct mu_task_info *kit_task(const char *command);
/* As above with task NULL, or the given one (its reference is taken over). */
void kit_launch_task(struct kit *k,
                     const char *id,
                     struct mu_task_info *task,
                     struct kit_answer *out);
/* Launch and wait for the answer. */
void kit_launch(struct kit *k, const char *id, const char *command);
void kit_destroy_async(struct kit *k, const char *id, struct kit_answer *out);
int kit_destroy(struct kit *k, const char *id); /* waits; the status */
void kit_wait(struct kit *k, const bool *flag);
const struct kit_exit *kit_wait_exit(struct kit *k, const char *id);
const struct kit_exit *kit_find_exit(const struct kit *k, const char *id);
/* Recover with these ids as known (and launched). Waits; results are in recovered. */
void kit_recover(struct kit *k, const char *const *ids, size_t count, bool launched);
const struct kit_recovered *kit_find_recovered(const struct kit *k, const char *id);
int kit_kill(struct kit *k, const char *id, int signal_number);

/* The sandbox's file, "" if absent; static memory. */
const char *kit_output(const struct kit *k, const char *id, const char *name);
/* Waits (by turning the loop) until the file holds text. */
void kit_wait_output(struct kit *k, const char *id, const char *text);
void kit_pause(struct kit *k, uint64_t ms);             /* turns the loop */
char *kit_sandbox(const struct kit *k, const char *id); /* the caller frees */

/* Processes whose environment names this container's sandbox, zombies excepted. */
size_t kit_count_processes(const struct kit *k, const char *id);
/* No process, cgroup, state directory or mount is left. */
void kit_assert_nothing_left(const struct kit *k, const char *id);
/* A file or group below the root group of this program; the caller frees. */
char *kit_cgroup(const char *controller, const char *name);
bool kit_has_memory_cgroup(void); /* while a kit with launcher=linux is open */
bool kit_is_root(void);

#endif
