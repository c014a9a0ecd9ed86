/* Inside view of the commands: a change on its way from acceptance to the registry. */
#ifndef MU_SCHEDULER_COMMANDS_H
#define MU_SCHEDULER_COMMANDS_H

#include "scheduler/internal.h"

struct queued_command { /* an own copy of a request */
    struct mu_list link;
    uint64_t token;
    uint32_t type;
    struct {
        const struct mu_app **v;
        size_t count, cap;
    } apps;
    struct mu_strings ids;
    bool force, scale, create_only;
    char *client_ip, *uri;
};

struct outcome { /* of looking at a command */
    int status;
    struct mu_error err;
    const char *path;
    struct mu_strings conflicts;
    bool refuses_tree; /* listeners are told that the tree did not change */
};

struct proposal {
    struct queued_command *command;
    bool changes_tree;
    struct deployment *deployment; /* with its changes; NULL: none */
    struct mu_map given;           /* app id -> anything: it has a change, until sorted */
    size_t change_cap;
    struct {
        struct mu_uuid *v;
        size_t count, cap;
    } cancelled;                 /* deployments that give way */
    struct app_versions results; /* what the apps were stored as, in the order given */
    struct app_versions pruned;  /* versions that go */
    struct {
        struct mu_task_id *v;
        size_t count, cap;
    } kills; /* tasks to stop without a deployment */
};

/* propose.c: fill p from its command, or o with why not. */
void propose(struct scheduler *s, struct proposal *p, struct outcome *o);

#endif
