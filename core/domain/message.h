/* What masters, agents and frameworks say to each other, independent of any wire format
 * (core/codec/message_json.c puts it on the wire).
 *
 * One flat struct: a type, the ids it is about, and the members that the table below
 * names; all others are zero. A message owns all it points to (task descriptions by
 * reference count): release it once, or move it. Receivers tolerate duplicates,
 * reordering and late arrival.
 */
/* clang-format off */
/*
 * operator -> master
 *   TEARDOWN       framework_id
 *   MARK_GONE      agent_id: it never comes back
 * framework -> master
 *   SUBSCRIBE      framework (its id empty: a new one)
 *   TEARDOWN       framework_id
 *   ACCEPT         offer_ids, tasks (may be empty), refuse_ms
 *   DECLINE        offer_ids, refuse_ms
 *   REVIVE, SUPPRESS
 *   RECONCILE      statuses (task_id, agent_id, state); none: all
 *   KILL           task_id, agent_id (may be empty), grace
 *   ACKNOWLEDGE    agent_id, task_id, uuid
 * master -> framework
 *   SUBSCRIBED     framework_id, heartbeat_ms, text = master id
 *   OFFERS         offers
 *   RESCIND        offer_ids
 *   UPDATE         statuses[0]
 *   FAILURE        agent_id, text
 *   ERROR          text (the stream ends)
 *   HEARTBEAT
 * agent -> master
 *   REGISTER       agent (its id empty)
 *   REREGISTER     agent, records, frameworks
 *   STATUS_UPDATE  statuses[0], latest_state
 *   PONG
 *   UNREGISTER     agent_id
 * master -> agent
 *   REGISTERED     agent_id, heartbeat_ms = ping time-out, epoch of the leadership
 *   REREGISTERED   the same, and statuses = tasks the master has there
 *   REFUSED        text
 *   RUN_TASK       frameworks[0], tasks[0]
 *   KILL_TASK      framework_id, task_id, grace
 *   ACK_UPDATE     framework_id, task_id, uuid
 *   PING
 *   SHUTDOWN       text
 */
/* clang-format on */
#ifndef MU_DOMAIN_MESSAGE_H
#define MU_DOMAIN_MESSAGE_H

#include <muster/task.h>

#define MU_MSG_TYPES(X)                                                                  \
    X(SUBSCRIBE)                                                                         \
    X(TEARDOWN)                                                                          \
    X(ACCEPT)                                                                            \
    X(DECLINE)                                                                           \
    X(REVIVE)                                                                            \
    X(SUPPRESS)                                                                          \
    X(RECONCILE)                                                                         \
    X(KILL)                                                                              \
    X(ACKNOWLEDGE)                                                                       \
    X(SUBSCRIBED)                                                                        \
    X(OFFERS)                                                                            \
    X(RESCIND)                                                                           \
    X(UPDATE)                                                                            \
    X(FAILURE)                                                                           \
    X(ERROR)                                                                             \
    X(HEARTBEAT)                                                                         \
    X(REGISTER)                                                                          \
    X(REREGISTER)                                                                        \
    X(STATUS_UPDATE)                                                                     \
    X(PONG)                                                                              \
    X(UNREGISTER)                                                                        \
    X(REGISTERED)                                                                        \
    X(REREGISTERED)                                                                      \
    X(REFUSED)                                                                           \
    X(RUN_TASK)                                                                          \
    X(KILL_TASK)                                                                         \
    X(ACK_UPDATE)                                                                        \
    X(PING)                                                                              \
    X(SHUTDOWN)                                                                          \
    X(MARK_GONE)

enum mu_msg_type {
    MU_MSG_NONE = 0,
#define MU_MSG_ENUM(name) MU_MSG_##name,
    MU_MSG_TYPES(MU_MSG_ENUM)
#undef MU_MSG_ENUM
        MU_MSG_TYPE_COUNT
};

enum mu_framework_capability {
    MU_CAP_PARTITION_AWARE = 1u << 0,
    MU_CAP_TASK_KILLING_STATE = 1u << 1,
    MU_CAP_MULTI_ROLE = 1u << 2,
};

struct mu_framework_info { /* strings owned; NULL when absent */
    struct mu_framework_id id;
    char *name, *user, *role, *hostname, *principal, *webui_url;
    uint64_t failover_timeout_ms;
    bool checkpoint;
    uint32_t capabilities;
};
void mu_framework_info_release(struct mu_framework_info *f);
void mu_framework_info_copy(struct mu_framework_info *dst,
                            const struct mu_framework_info *src);

struct mu_agent_info {
    struct mu_agent_id id;
    char *hostname, *ip, *version;
    uint32_t port;
    struct mu_resources resources;
    struct mu_pairs attributes;
};
void mu_agent_info_release(struct mu_agent_info *a);
void mu_agent_info_copy(struct mu_agent_info *dst, const struct mu_agent_info *src);

struct mu_offer {
    struct mu_offer_id id;
    struct mu_framework_id framework_id;
    struct mu_agent_id agent_id;
    char *hostname, *ip;
    uint32_t port;
    struct mu_resources resources;
    struct mu_pairs attributes;
};
void mu_offer_release(struct mu_offer *o);
void mu_offer_copy(struct mu_offer *dst, const struct mu_offer *src);

/* A task as an agent or master knows it. */
struct mu_task_record {
    const struct mu_task_info *info;
    uint32_t state; /* latest known */
    struct mu_task_status
        status; /* the latest status; state of it = what was last sent on */
    bool terminal_acknowledged;
};

struct mu_msg {
    uint32_t type; /* enum mu_msg_type */
    struct mu_framework_id framework_id;
    struct mu_agent_id agent_id;
    struct mu_task_id task_id;
    struct mu_uuid uuid;
    uint64_t refuse_ms, heartbeat_ms, epoch;
    bool has_grace;
    uint64_t grace_ms;
    uint32_t latest_state;
    char *text;
    struct mu_framework_info *framework;
    struct mu_agent_info *agent;
    struct mu_offer *offers;
    size_t offer_count;
    struct mu_offer_id *offer_ids;
    size_t offer_id_count;
    const struct mu_task_info **tasks;
    size_t task_count;
    struct mu_task_status *statuses;
    size_t status_count;
    struct mu_task_record *records;
    size_t record_count;
    struct mu_framework_info *frameworks;
    size_t framework_count;
};

const char *mu_msg_type_name(enum mu_msg_type t); /* "RUN_TASK" */
int mu_msg_type_parse(const char *name);          /* negative if unknown */
void mu_msg_init(struct mu_msg *m, enum mu_msg_type type);
void mu_msg_release(struct mu_msg *m); /* leaves a zeroed struct; takes one */
void mu_msg_move(struct mu_msg *dst, struct mu_msg *src);
void mu_msg_copy(struct mu_msg *dst,
                 const struct mu_msg *src); /* deep; dst is overwritten without release */
void mu_msg_set_text(struct mu_msg *m, const char *text);
struct mu_framework_info *mu_msg_set_framework(struct mu_msg *m,
                                               const struct mu_framework_info *f);
struct mu_agent_info *mu_msg_set_agent(struct mu_msg *m, const struct mu_agent_info *a);
void mu_msg_add_offer(struct mu_msg *m, const struct mu_offer *o);
void mu_msg_add_offer_id(struct mu_msg *m, const struct mu_offer_id *id);
void mu_msg_add_task(struct mu_msg *m,
                     const struct mu_task_info *t); /* takes a reference of its own */
void mu_msg_add_status(struct mu_msg *m, const struct mu_task_status *s);
void mu_msg_add_record(struct mu_msg *m,
                       const struct mu_task_record *r); /* takes a reference on info */
void mu_msg_add_framework(struct mu_msg *m, const struct mu_framework_info *f);

#endif
