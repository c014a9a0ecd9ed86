/* Task states with their table of moves, and the shared description of a task.
 *
 * From every state that is not terminal a task may go to any terminal one: whatever it
 * was doing, it can fail, be killed, or be given up. UNREACHABLE may turn into anything,
 * since the agent may come back with whatever became of the task. Terminal states stay,
 * so a late or repeated update cannot revive a task. A repetition of a state that is not
 * terminal is a move (health, a new address).
 */
#include "domain/task.h"

#include <muster/task.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

#define TO(state) MU_SM_TO(MU_TASK_##state)
#define TERMINAL                                                                         \
    (TO(FINISHED) | TO(FAILED) | TO(KILLED) | TO(LOST) | TO(ERROR) | TO(DROPPED) |       \
     TO(GONE) | TO(GONE_BY_OPERATOR))
#define ANY_TIME (TERMINAL | TO(UNREACHABLE))

/* clang-format off */
static const struct mu_sm_state task_states[MU_TASK_STATE_COUNT] = {
    [MU_TASK_STAGING] = {"TASK_STAGING", MU_SM_INITIAL,
        TO(STAGING) | TO(STARTING) | TO(RUNNING) | TO(KILLING) | ANY_TIME},
    [MU_TASK_STARTING] = {"TASK_STARTING", 0,
        TO(STARTING) | TO(RUNNING) | TO(KILLING) | ANY_TIME},
    [MU_TASK_RUNNING] = {"TASK_RUNNING", 0, TO(RUNNING) | TO(KILLING) | ANY_TIME},
    [MU_TASK_KILLING] = {"TASK_KILLING", 0, TO(KILLING) | ANY_TIME},
    [MU_TASK_UNREACHABLE] = {"TASK_UNREACHABLE", 0,
        TO(STAGING) | TO(STARTING) | TO(RUNNING) | TO(KILLING) | TO(UNKNOWN) | ANY_TIME},
    /* An answer to a question about a task nobody knows; it says nothing yet. */
    [MU_TASK_UNKNOWN] = {"TASK_UNKNOWN", 0,
        TO(STAGING) | TO(STARTING) | TO(RUNNING) | TO(KILLING) | TO(UNKNOWN) | ANY_TIME},
    [MU_TASK_FINISHED] = {"TASK_FINISHED", MU_SM_FINAL, 0},
    [MU_TASK_FAILED] = {"TASK_FAILED", MU_SM_FINAL, 0},
    [MU_TASK_KILLED] = {"TASK_KILLED", MU_SM_FINAL, 0},
    [MU_TASK_LOST] = {"TASK_LOST", MU_SM_FINAL, 0},
    [MU_TASK_ERROR] = {"TASK_ERROR", MU_SM_FINAL, 0},
    [MU_TASK_DROPPED] = {"TASK_DROPPED", MU_SM_FINAL, 0},
    [MU_TASK_GONE] = {"TASK_GONE", MU_SM_FINAL, 0},
    [MU_TASK_GONE_BY_OPERATOR] = {"TASK_GONE_BY_OPERATOR", MU_SM_FINAL, 0},
};
/* clang-format on */

static const struct mu_sm task_sm = {"task", task_states, MU_TASK_STATE_COUNT};

const struct mu_sm *task_state_table(void)
{
    return &task_sm;
}

/* States come out of messages: whatever is not in the table is unknown, not a bug. */
static uint32_t known(enum mu_task_state s)
{
    return (uint32_t)s < MU_TASK_STATE_COUNT ? (uint32_t)s : MU_TASK_UNKNOWN;
}

const char *mu_task_state_name(enum mu_task_state s)
{
    return task_states[known(s)].name;
}

int mu_task_state_parse(const char *name)
{
    for (int i = 0; i < MU_TASK_STATE_COUNT; i++) {
        if (strcmp(task_states[i].name, name) == 0) {
            return i;
        }
    }
    return MU_E_NOT_FOUND;
}

bool mu_task_state_is_terminal(enum mu_task_state s)
{
    return mu_sm_is_final(&task_sm, known(s));
}

bool mu_task_state_can_move(enum mu_task_state from, enum mu_task_state to)
{
    return mu_sm_can_move(&task_sm, known(from), known(to));
}

void task_command_release(struct mu_command *c)
{
    free(c->value);
    free(c->user);
    mu_strings_release(&c->args);
    mu_pairs_release(&c->env);
    mu_uris_release(&c->uris);
    *c = (struct mu_command){0};
}

void task_container_release(struct mu_container_info *c)
{
    free(c->image);
    free(c->network_name);
    free(c->hostname);
    mu_port_mappings_release(&c->ports);
    mu_pairs_release(&c->parameters);
    mu_volumes_release(&c->volumes);
    *c = (struct mu_container_info){0};
}

struct mu_task_info *mu_task_info_create(void)
{
    struct mu_task_info *t = MU_NEW(struct mu_task_info);
    t->refs = 1;
    return t;
}

/* Shared objects are const for everybody but their counter. */
static struct mu_task_info *counted(const struct mu_task_info *t)
{
    MU_PRE(t->refs > 0);
    return (struct mu_task_info *)(uintptr_t)t;
}

struct mu_task_info *mu_task_info_ref(const struct mu_task_info *t)
{
    counted(t)->refs++;
    return counted(t);
}

void mu_task_info_unref(const struct mu_task_info *t)
{
    if (t == NULL) {
        return;
    }
    struct mu_task_info *own = counted(t);
    own->refs--;
    if (own->refs > 0) {
        return;
    }
    free(own->name);
    free(own->discovery_json);
    mu_resources_release(&own->resources);
    task_command_release(&own->command);
    task_container_release(&own->container);
    mu_pairs_release(&own->labels);
    free(own);
}
