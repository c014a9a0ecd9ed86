/* From an app and a place to the description of one task. Pure. */
#ifndef MU_SCHEDULER_ENV_H
#define MU_SCHEDULER_ENV_H

#include <muster/app.h>

struct task_place {
    const struct mu_app *app;
    struct mu_task_id task_id;
    struct mu_framework_id framework_id;
    struct mu_agent_id agent_id;
    const char *host;
    const char *default_user;   /* NULL: the agent's choice */
    const uint16_t *host_ports; /* one per port definition or mapping, 0: none */
    size_t port_count;
};

/* The variables that describe ports: PORT, PORTS, PORT0.., PORT_<requested>, PORT_<NAME>.
 * requested and effective have count entries; names may hold NULL. */
void env_add_ports(struct mu_pairs *env,
                   const uint16_t *requested,
                   const uint16_t *effective,
                   const char *const *names,
                   size_t count);

/* All variables of a task: what it is, where its ports are, then the app's own, which
 * win. */
void env_build(const struct task_place *place, struct mu_pairs *out);

/* "/a/b" -> "a_b", and -> "b.a". The caller frees. */
char *app_id_safe_path(const char *id);
char *app_id_hostname(const char *id);

/* The port an instance is reached by: the host's, the container's without one, or one
 * made up (1025 and up) when neither is given. */
uint16_t task_effective_port(const struct task_place *place, size_t i);

/* The whole description; takes over what resources points to. */
struct mu_task_info *task_info_build(const struct task_place *place,
                                     struct mu_resources *resources);

#endif
