/* Containerizer: runs containers on this host and takes them over after a restart of the
 * agent.
 *
 * A container outlives the agent. What is known of it is in the agent's journal; what
 * runs is found by recover. stdout and stderr always end in the sandbox files of those
 * names. Every call may be repeated; destroy is idempotent and safe in any state. One
 * instance serves one agent (label work_dir + agent id). Callbacks exactly once, never
 * inline, loop thread.
 */
#ifndef MU_KIND_CONTAINERIZER_H
#define MU_KIND_CONTAINERIZER_H

#include <muster/host.h>
#include <muster/task.h>

MU_EXTERN_C_BEGIN

/* Borrowed for the call; the plugin takes a reference on task and copies the rest. */
struct mu_container_spec {
    uint32_t struct_size;
    struct mu_container_id id;
    const struct mu_task_info *task;
    const char *sandbox; /* absolute host directory, exists, owned by the task's user */
    const struct mu_pairs *env; /* complete: MESOS_SANDBOX excepted, which the plugin sets
                                   as the container sees it */
    const char *agent_label; /* identifies this agent on this host, for orphan detection:
                                its absolute work_dir */
};

/* A container that the journal says was launched (or was being launched) and has not been
 * reported as ended. */
struct mu_container_known {
    struct mu_container_spec spec;
    bool launched; /* launch was answered 0 before the crash; false: it may or may not
                      have started */
};

/* How a container ended. */
struct mu_container_exit {
    uint32_t struct_size;
    bool has_status;     /* false: lost (host rebooted, engine forgot it) */
    int32_t wait_status; /* as from waitpid: use WIFEXITED etc. */
    bool oom;            /* the kernel killed it for memory */
    bool was_killed;     /* ended after kill() or destroy() was asked of us */
    const char *message; /* one phrase for humans, never NULL: "Memory limit exceeded:
                            ...", "exited with status 1" */
};

struct mu_container_status { /* of a launched one */
    uint32_t struct_size;
    const char *ip;     /* "" unknown or the host's */
    int64_t pid;        /* on the host, 0 unknown */
    const char *detail; /* plugin's own name of it: docker container id; "" none */
};

struct mu_container_usage {
    uint32_t struct_size;
    uint64_t cpu_user_us, cpu_system_us;
    uint64_t mem_rss_bytes, mem_limit_bytes; /* 0: no limit known */
    uint32_t processes;
    int64_t cpus_limit_milli;
};

struct mu_containerizer_events {
    /* Once per launched or recovered container, last event of it. */
    void (*exited)(void *arg,
                   const struct mu_container_id *id,
                   const struct mu_container_exit *how);
};

/* status 0, or negative with a text for the task's status message. After a failed launch
 * nothing of the container is left. */
typedef void (*mu_launched_cb)(void *arg,
                               int status,
                               const char *error_text,
                               const struct mu_container_status *container);
typedef void (*mu_status_cb)(void *arg, int status, const char *error_text);
typedef void (*mu_usage_cb)(void *arg,
                            int status,
                            const struct mu_container_usage *usage);
/* For each known container once: is_running with status, or not running: then `how`
 * (launched false and never started: how NULL). */
typedef void (*mu_recovered_cb)(void *arg,
                                const struct mu_container_id *id,
                                bool is_running,
                                const struct mu_container_status *container,
                                const struct mu_container_exit *how);

struct mu_containerizer_ops {
    uint32_t struct_size;
    void (*listen)(void *instance,
                   const struct mu_containerizer_events *events,
                   void *arg); /* before start, once */
    /* Would it take this container? 1 yes, 0 no (not its kind), negative: its kind but
     * impossible, with the reason. No I/O. */
    int (*can_run)(void *instance,
                   const struct mu_container_spec *spec,
                   struct mu_error *err);
    /* Once, after start, before any launch. on_each for every known one that is ours,
     * then cb; orphans with our label are destroyed. */
    int (*recover)(void *instance,
                   const struct mu_container_known *known,
                   size_t count,
                   mu_recovered_cb on_each,
                   mu_status_cb cb,
                   void *arg,
                   struct mu_error *err);
    int (*launch)(void *instance,
                  const struct mu_container_spec *spec,
                  mu_launched_cb cb,
                  void *arg,
                  struct mu_error *err);
    /* Signal the container's processes (native: the whole group; docker: pid 1). -ESRCH
     * when it has ended. */
    int (*kill)(void *instance,
                const struct mu_container_id *id,
                int signal_number,
                struct mu_error *err);
    /* Stop at once if it runs (also while it is being pulled or started), remove all that
     * is left of it, then cb. Unknown id: cb with 0. */
    void (*destroy)(void *instance,
                    const struct mu_container_id *id,
                    mu_status_cb cb,
                    void *arg);
    /* Optional (NULL): change limits. */
    int (*update)(void *instance,
                  const struct mu_container_id *id,
                  const struct mu_resources *resources,
                  mu_status_cb cb,
                  void *arg,
                  struct mu_error *err);
    int (*usage)(void *instance,
                 const struct mu_container_id *id,
                 mu_usage_cb cb,
                 void *arg,
                 struct mu_error *err);
};

MU_EXTERN_C_END
#endif
