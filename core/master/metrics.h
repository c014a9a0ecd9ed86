/* Counters of the master: one name each, as Mesos has them. */
#ifndef MU_MASTER_METRICS_H
#define MU_MASTER_METRICS_H

/* constant, name below "master/" */
#define MASTER_COUNTER_LIST(X)                                                           \
    X(DROPPED_MESSAGES, "dropped_messages")                                              \
    X(REGISTRATIONS, "slave_registrations")                                              \
    X(REREGISTRATIONS, "slave_reregistrations")                                          \
    X(REMOVALS, "slave_removals")                                                        \
    X(REMOVALS_UNHEALTHY, "slave_removals/reason_unhealthy")                             \
    X(REMOVALS_UNREGISTERED, "slave_removals/reason_unregistered")                       \
    X(REMOVALS_REGISTERED, "slave_removals/reason_registered")                           \
    X(UNREACHABLE_SCHEDULED, "slave_unreachable_scheduled")                              \
    X(UNREACHABLE_COMPLETED, "slave_unreachable_completed")                              \
    X(UNREACHABLE_CANCELED, "slave_unreachable_canceled")                                \
    X(RECOVERY_REMOVALS, "recovery_slave_removals")                                      \
    X(REMOVALS_GONE, "slave_removals/reason_gone")                                       \
    X(RECORDS_FORGOTTEN, "registry_agents_forgotten")                                    \
    X(VALID_UPDATES, "valid_status_updates")                                             \
    X(INVALID_UPDATES, "invalid_status_updates")                                         \
    X(VALID_ACKS, "valid_status_update_acknowledgements")                                \
    X(INVALID_ACKS, "invalid_status_update_acknowledgements")                            \
    X(OFFERS_SENT, "offers_sent")                                                        \
    X(OFFERS_RESCINDED, "offers_rescinded")                                              \
    X(REGISTRY_FAILURES, "registry_failures")

enum master_counter {
#define MASTER_COUNTER_ENUM(constant, name) COUNT_##constant,
    MASTER_COUNTER_LIST(MASTER_COUNTER_ENUM)
#undef MASTER_COUNTER_ENUM
        MASTER_COUNTERS
};

#endif
