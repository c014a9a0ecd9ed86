/* The app definition as the app scheduler keeps it, after every era's input form has been
 * made canonical by a dialect (plugins/api/marathon).
 *
 * Immutable once published, shared by reference count, loop thread only. Units:
 * milli-cpus, milli-MiB, ms; capacities in parts per million. Source: spec/marathon.md 1.
 */
#ifndef MU_APP_H
#define MU_APP_H

#include <muster/task.h>

MU_EXTERN_C_BEGIN

#define MU_APP_ID_MAX 512

enum mu_constraint_op {
    MU_OP_UNIQUE = 1,
    MU_OP_CLUSTER,
    MU_OP_GROUP_BY,
    MU_OP_LIKE,
    MU_OP_UNLIKE,
    MU_OP_MAX_PER,
    MU_OP_IS
};
struct mu_constraint {
    char *field; /* "hostname", "@hostname" or an attribute's name */
    uint32_t op;
    char *value; /* NULL: none */
};

struct mu_port_definition { /* host network */
    uint16_t port;          /* service port; 0 only before the scheduler assigned one */
    char *protocol, *name;  /* "tcp", "udp", "udp,tcp"; name NULL */
    struct mu_pairs labels;
};
struct mu_app_port_mapping { /* bridge and container networks */
    uint16_t container_port; /* 0: the same as the host port */
    bool has_host_port;
    uint16_t host_port; /* 0: any from the offer */
    uint16_t service_port;
    char *protocol, *name;
    struct mu_pairs labels;
    struct mu_strings network_names;
};

enum mu_app_network {
    MU_APP_NET_HOST = 1,
    MU_APP_NET_BRIDGE,
    MU_APP_NET_CONTAINER,
    MU_APP_NET_NONE
};

struct mu_upgrade_strategy {
    uint32_t min_health_ppm, max_over_ppm; /* 1000000 = 1.0 */
};
struct mu_unreachable_strategy {
    bool disabled;
    uint64_t inactive_after_ms, expunge_after_ms;
};

struct mu_app {
    uint32_t refs;
    char *id;  /* absolute path "/a/b" */
    char *cmd; /* NULL: none */
    bool has_args;
    struct mu_strings args;
    char *user;
    struct mu_pairs env, labels;
    uint32_t instances;
    int64_t cpus_milli, mem_milli, disk_milli; /* mem and disk: milli-MiB */
    uint32_t gpus;
    char *executor; /* "" default */
    struct mu_constraint *constraints;
    size_t constraint_count;
    struct mu_uris fetch;             /* canonical; `uris` is derived */
    uint32_t network_mode;            /* enum mu_app_network */
    struct mu_strings network_names;  /* CONTAINER */
    struct mu_port_definition *ports; /* HOST; empty otherwise */
    size_t port_count;
    bool require_ports;
    bool has_container;
    uint32_t container_type; /* enum mu_container_type */
    char *image;             /* NULL: none */
    bool force_pull, privileged;
    struct mu_pairs parameters;
    struct mu_volumes volumes;            /* host volumes */
    struct mu_app_port_mapping *mappings; /* BRIDGE, CONTAINER */
    size_t mapping_count;
    struct mu_strings dependencies; /* absolute ids */
    struct mu_upgrade_strategy upgrade;
    uint64_t backoff_ms, max_launch_delay_ms;
    uint32_t backoff_factor_milli; /* 1150 = 1.15 */
    bool has_accepted_roles;
    struct mu_strings accepted_roles;
    char *role; /* NULL: the scheduler's */
    bool has_kill_grace;
    uint64_t kill_grace_ms;
    struct mu_unreachable_strategy unreachable;
    bool kill_oldest_first;
    /* One JSON object (sorted keys, compact) with the members that are kept and given
     * back but not interpreted; NULL: none. */
    char *extra_json;
    /* Set by the scheduler, never by a request. Wall ms. */
    int64_t version_ms, last_scaling_ms, last_config_ms;
};

MU_API struct mu_app *
mu_app_create(void); /* refs 1; Marathon's defaults: instances 1, cpus 1, mem 128, host
                        network, upgrade 1/1, backoff 1 s * 1.15 up to 300 s */
MU_API struct mu_app *mu_app_ref(const struct mu_app *a);
MU_API void mu_app_unref(const struct mu_app *a);
MU_API struct mu_app *
mu_app_clone(const struct mu_app *a); /* deep, refs 1, may be changed until published */
/* Equal in everything but instances and the three version times. */
MU_API bool mu_app_same_config(const struct mu_app *a, const struct mu_app *b);
MU_API struct mu_port_definition *mu_app_add_port(struct mu_app *a);
MU_API struct mu_app_port_mapping *mu_app_add_mapping(struct mu_app *a);
MU_API struct mu_constraint *mu_app_add_constraint(struct mu_app *a);
MU_API void mu_app_clear_ports(struct mu_app *a); /* ports and mappings */
MU_API void mu_app_clear_constraints(struct mu_app *a);

MU_EXTERN_C_END
#endif
