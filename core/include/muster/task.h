/* What a task is: its description (immutable, shared by reference count), its states, and
 * a status.
 *
 * A struct mu_task_info is built once, then never changed; ref/unref on the loop thread
 * only. Strings belong to it. Optional text is NULL when absent.
 */
#ifndef MU_TASK_H
#define MU_TASK_H

#include <muster/ids.h>
#include <muster/resources.h>

MU_EXTERN_C_BEGIN

/* Order and names as in Mesos (spec/master.md 5.10). name, number, terminal. */
#define MU_TASK_STATES(X)                                                                \
    X(TASK_STARTING, 0, false)                                                           \
    X(TASK_RUNNING, 1, false)                                                            \
    X(TASK_FINISHED, 2, true)                                                            \
    X(TASK_FAILED, 3, true)                                                              \
    X(TASK_KILLED, 4, true)                                                              \
    X(TASK_LOST, 5, true)                                                                \
    X(TASK_STAGING, 6, false)                                                            \
    X(TASK_ERROR, 7, true)                                                               \
    X(TASK_KILLING, 8, false)                                                            \
    X(TASK_DROPPED, 9, true)                                                             \
    X(TASK_UNREACHABLE, 10, false)                                                       \
    X(TASK_GONE, 11, true)                                                               \
    X(TASK_GONE_BY_OPERATOR, 12, true)                                                   \
    X(TASK_UNKNOWN, 13, false)

enum mu_task_state {
#define MU_TASK_ENUM(name, number, terminal) MU_##name = (number),
    MU_TASK_STATES(MU_TASK_ENUM)
#undef MU_TASK_ENUM
        MU_TASK_STATE_COUNT
};

MU_API const char *mu_task_state_name(enum mu_task_state s); /* "TASK_RUNNING" */
MU_API int mu_task_state_parse(const char *name);            /* negative if unknown */
MU_API bool mu_task_state_is_terminal(enum mu_task_state s);
/* May a task go from one state to the next? (the table in core/domain/task.c) */
MU_API bool mu_task_state_can_move(enum mu_task_state from, enum mu_task_state to);

enum mu_status_source {
    MU_SOURCE_MASTER = 0,
    MU_SOURCE_AGENT = 1,
    MU_SOURCE_EXECUTOR = 2
};

/* Replace the text in *slot by a copy (NULL: by none); for the char * members here and in
 * app.h. */
MU_API void mu_text_set(char **slot, const char *text);

struct mu_pair {
    char *key, *value;
};
struct mu_pairs { /* insertion order is kept; keys unique where the user says so */
    struct mu_pair *v;
    size_t count, cap;
};
MU_API void mu_pairs_release(struct mu_pairs *p);
MU_API void mu_pairs_copy(struct mu_pairs *dst,
                          const struct mu_pairs *src); /* dst released first */
MU_API void mu_pairs_add(struct mu_pairs *p,
                         const char *key,
                         const char *value); /* at the end, as it is */
MU_API void
mu_pairs_set(struct mu_pairs *p, const char *key, const char *value); /* replace or add */
MU_API const char *mu_pairs_get(const struct mu_pairs *p,
                                const char *key); /* last of that key, NULL if none */
MU_API bool
mu_pairs_equal(const struct mu_pairs *a,
               const struct mu_pairs *b); /* same keys and values, any order */

struct mu_strings {
    char **v;
    size_t count, cap;
};
MU_API void mu_strings_release(struct mu_strings *s);
MU_API void mu_strings_copy(struct mu_strings *dst, const struct mu_strings *src);
MU_API void mu_strings_add(struct mu_strings *s, const char *text);
MU_API bool mu_strings_equal(const struct mu_strings *a, const struct mu_strings *b);

struct mu_uri {
    char *uri, *output_file; /* output_file: path below the sandbox, NULL: base name */
    bool extract, executable, cache;
};
struct mu_uris {
    struct mu_uri *v;
    size_t count, cap;
};
MU_API void mu_uris_release(struct mu_uris *u);
MU_API void mu_uris_copy(struct mu_uris *dst, const struct mu_uris *src);
MU_API struct mu_uri *mu_uris_add(struct mu_uris *u,
                                  const char *uri); /* the others zero */
MU_API bool mu_uris_equal(const struct mu_uris *a, const struct mu_uris *b);

struct mu_command {
    bool has_value, shell; /* shell: value goes to /bin/sh -c */
    char *value; /* with shell false: the program; NULL: the image's own entrypoint */
    struct mu_strings args; /* with shell false, as Mesos has it: args[0] is argv[0] for a
                               native task; with a Docker image all are passed on */
    struct mu_pairs env;
    struct mu_uris uris;
    char *user; /* NULL: the agent's choice */
};

enum mu_container_type {
    MU_CONTAINER_NONE = 0,
    MU_CONTAINER_DOCKER = 1,
    MU_CONTAINER_MESOS = 2
};
enum mu_network_mode {
    MU_NETWORK_HOST = 1,
    MU_NETWORK_BRIDGE = 2,
    MU_NETWORK_NONE = 3,
    MU_NETWORK_USER = 4
};

struct mu_volume {
    char *container_path;
    char *host_path; /* NULL: created in the sandbox */
    bool read_only;
};
struct mu_volumes {
    struct mu_volume *v;
    size_t count, cap;
};
MU_API void mu_volumes_release(struct mu_volumes *v);
MU_API void mu_volumes_copy(struct mu_volumes *dst, const struct mu_volumes *src);
MU_API struct mu_volume *mu_volumes_add(struct mu_volumes *v,
                                        const char *container_path,
                                        const char *host_path,
                                        bool read_only);
MU_API bool mu_volumes_equal(const struct mu_volumes *a, const struct mu_volumes *b);

struct mu_port_mapping {
    uint16_t host_port, container_port;
    char protocol[8]; /* "tcp", "udp" */
};
struct mu_port_mappings {
    struct mu_port_mapping *v;
    size_t count, cap;
};
MU_API void mu_port_mappings_release(struct mu_port_mappings *p);
MU_API void mu_port_mappings_copy(struct mu_port_mappings *dst,
                                  const struct mu_port_mappings *src);
/* protocol: "tcp" or "udp", cut at 7 bytes */
MU_API struct mu_port_mapping *mu_port_mappings_add(struct mu_port_mappings *p,
                                                    uint16_t host_port,
                                                    uint16_t container_port,
                                                    const char *protocol);

struct mu_container_info {
    uint32_t type;      /* enum mu_container_type */
    char *image;        /* Docker; NULL for a native container without an image */
    uint32_t network;   /* enum mu_network_mode */
    char *network_name; /* USER */
    char *hostname;
    bool privileged, force_pull;
    struct mu_port_mappings ports;
    struct mu_pairs parameters; /* docker CLI options, in order, keys may repeat */
    struct mu_volumes volumes;
};

struct mu_task_info {
    uint32_t refs; /* use ref/unref */
    struct mu_task_id id;
    struct mu_framework_id framework_id;
    struct mu_agent_id agent_id;
    char *name;
    struct mu_resources resources;
    struct mu_command command;
    struct mu_container_info container;
    struct mu_pairs labels;
    bool has_kill_grace;
    uint64_t kill_grace_ms; /* SIGTERM to SIGKILL */
    char *discovery_json;   /* DiscoveryInfo as JSON text, kept for /state; NULL: none */
};

/* create gives refs == 1 and zeroes; fill it, then treat it as const. unref takes NULL.
 */
MU_API struct mu_task_info *mu_task_info_create(void);
MU_API struct mu_task_info *mu_task_info_ref(const struct mu_task_info *t);
MU_API void mu_task_info_unref(const struct mu_task_info *t);

struct mu_task_status {
    struct mu_task_id task_id;
    struct mu_framework_id framework_id;
    struct mu_agent_id agent_id;
    struct mu_container_id container_id;
    struct mu_uuid uuid; /* empty: made by the master, nothing to acknowledge */
    uint32_t state;      /* enum mu_task_state */
    uint32_t source;     /* enum mu_status_source */
    char reason[64]; /* "REASON_CONTAINER_LAUNCH_FAILED"; "" none (spec/master.md 5.10) */
    char message[512]; /* cut with "..." */
    int64_t wall_ms;
    bool has_healthy, healthy;
    char ip[46]; /* the container's address; "" unknown */
};

MU_EXTERN_C_END
#endif
