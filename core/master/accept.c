/* ACCEPT: launch tasks on one agent out of one or more of its offers.
 *
 * The offers are used up in any case. Each task is checked by itself against what is left
 * of them; what no task takes is free again, and refused by the framework for a while.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/vec.h"
#include "master/state.h"

#define TEXT_MAX 480

/* ---- the offers ---- */

static struct master_offer *
find_offer(struct master *m, const struct master_framework *f, const char *id)
{
    struct master_offer *o = mu_map_get(&m->reign->offers, id);
    return o != NULL && o->framework == f ? o : NULL;
}

/* All of one agent, each once? *out_agent is theirs. */
static int check_offers(struct master *m,
                        struct master_framework *f,
                        const struct mu_msg *msg,
                        struct master_agent **out_agent,
                        struct mu_error *err)
{
    struct master_agent *agent = NULL;
    for (size_t i = 0; i < msg->offer_id_count; i++) {
        const char *id = msg->offer_ids[i].s;
        struct master_offer *o = find_offer(m, f, id);
        if (o == NULL) {
            return mu_fail(err, MU_E_INVALID, "Offer %s is no longer valid", id);
        }
        if (o->picked) {
            return mu_fail(err, MU_E_INVALID, "Duplicate offer %s in offer list", id);
        }
        o->picked = true;
        if (agent != NULL && o->agent != agent) {
            return mu_fail(err, MU_E_INVALID,
                           "Aggregated offers must belong to one single agent. Offer %s "
                           "uses agent %s and agent %s",
                           id, o->agent->info.id.s, agent->info.id.s);
        }
        agent = o->agent;
    }
    *out_agent = agent;
    return agent != NULL ? 0 : mu_fail(err, MU_E_INVALID, "No offers specified");
}

/* End the offers that exist; pool (NULL: not wanted) gets what they held. */
static void use_up(struct master *m,
                   struct master_framework *f,
                   const struct mu_msg *msg,
                   struct mu_resources *pool)
{
    for (size_t i = 0; i < msg->offer_id_count; i++) {
        struct master_offer *o = find_offer(m, f, msg->offer_ids[i].s);
        if (o == NULL) {
            continue;
        }
        if (pool != NULL) {
            int status = mu_resources_add(pool, &o->resources, NULL);
            MU_ASSERT(status == 0); /* parts of one agent's total */
        }
        master_offer_end(m, o);
    }
}

/* ---- the tasks ---- */

static int check_resources(const struct mu_resources *pool,
                           const struct mu_task_info *info,
                           struct mu_error *err)
{
    if (mu_resources_empty(&info->resources)) {
        return mu_fail(err, MU_E_INVALID, "Task uses no resources");
    }
    for (size_t i = 0; i < info->resources.count; i++) {
        const struct mu_resource *r = &info->resources.v[i];
        if (r->type == MU_VALUE_SCALAR && r->scalar_milli < 0) {
            return mu_fail(err, MU_E_INVALID,
                           "Task uses invalid resources: %s is negative", r->name);
        }
    }
    if (mu_resources_contains(pool, &info->resources)) {
        return 0;
    }
    struct mu_buf wants;
    struct mu_buf has;
    mu_buf_init(&wants, 4096);
    mu_buf_init(&has, 4096);
    mu_resources_format(&info->resources, &wants);
    mu_resources_format(pool, &has);
    int status = mu_fail(err, MU_E_INVALID,
                         "Total resources %.100s required by task is more than available "
                         "%.100s",
                         mu_buf_str(&wants), mu_buf_str(&has));
    mu_buf_release(&wants);
    mu_buf_release(&has);
    return status;
}

/* First failure wins. The texts are what users of such systems know. */
static int check_task(const struct master_framework *f,
                      const struct master_agent *a,
                      const struct mu_resources *pool,
                      const struct mu_task_info *info,
                      struct mu_error *err)
{
    char id[MU_ID_MAX];
    if (mu_id_parse("task id", info->id.s, id, sizeof(id), NULL) < 0) {
        return mu_fail(err, MU_E_INVALID, "'%.120s' contains invalid characters",
                       info->id.s);
    }
    if (strcmp(info->framework_id.s, f->info.id.s) != 0) {
        return mu_fail(err, MU_E_INVALID, "Task belongs to framework '%.100s'",
                       info->framework_id.s);
    }
    if (master_task_find(f, &info->id) != NULL) {
        return mu_fail(err, MU_E_INVALID, "Task has duplicate ID: %.150s", info->id.s);
    }
    if (strcmp(info->agent_id.s, a->info.id.s) != 0) {
        return mu_fail(err, MU_E_INVALID,
                       "Task uses invalid agent %s while agent %s is expected",
                       info->agent_id.s, a->info.id.s);
    }
    if (info->command.value == NULL && info->container.image == NULL) {
        return mu_fail(err, MU_E_INVALID, "Task has neither a command nor an image");
    }
    return check_resources(pool, info, err);
}

static void send_run(struct master *m,
                     const struct master_framework *f,
                     const struct master_agent *a,
                     const struct mu_task_info *info)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_RUN_TASK);
    msg.framework_id = f->info.id;
    msg.agent_id = a->info.id;
    msg.task_id = info->id;
    uint64_t r1 = mu_prng_next(&m->prng);
    mu_uuid_make(r1, mu_prng_next(&m->prng), &msg.uuid);
    mu_msg_add_framework(&msg, &f->info);
    mu_msg_add_task(&msg, info);
    master_send(m, a->peer.link, &msg);
}

static void refuse_task(struct master *m,
                        const struct master_framework *f,
                        const struct mu_task_info *info,
                        uint32_t state,
                        const char *reason,
                        const char *message)
{
    const struct master_status_about about = {&info->id, &info->agent_id,
                                              master_state_for(f, state), reason};
    struct mu_task_status s;
    master_status_make(m, f, &about, &s, "%s", message);
    m->terminal[s.state]++;
    master_send_update(m, f, &s);
}

static void launch(struct master *m,
                   struct master_framework *f,
                   struct master_agent *a,
                   struct mu_resources *pool,
                   const struct mu_task_info *info)
{
    struct mu_error err;
    if (check_task(f, a, pool, info, &err) < 0) {
        refuse_task(m, f, info, MU_TASK_ERROR, "REASON_TASK_INVALID", err.text);
        return;
    }
    int status = mu_resources_subtract(pool, &info->resources, NULL);
    MU_ASSERT(status == 0); /* checked above */
    struct master_task *t = master_task_create(m, f, a, info);
    master_task_set_state(m, t, MU_TASK_STAGING);
    send_run(m, f, a, info);
}

static void drop_all(struct master *m,
                     struct master_framework *f,
                     const struct mu_msg *msg,
                     const struct mu_error *why)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "Task launched with invalid offers: %s",
                   why->text);
    for (size_t i = 0; i < msg->task_count; i++) {
        refuse_task(m, f, msg->tasks[i], MU_TASK_DROPPED, "REASON_INVALID_OFFERS", text);
    }
}

void master_on_accept(struct master *m,
                      struct master_framework *f,
                      const struct mu_msg *msg)
{
    struct master_agent *agent = NULL;
    struct mu_error err;
    int status = check_offers(m, f, msg, &agent, &err);
    struct mu_resources pool = {0};
    use_up(m, f, msg, status == 0 ? &pool : NULL);
    if (status < 0) {
        drop_all(m, f, msg, &err);
    } else {
        for (size_t i = 0; i < msg->task_count; i++) {
            launch(m, f, agent, &pool, msg->tasks[i]);
        }
        master_refuse(m, f, agent, &pool, msg->refuse_ms);
    }
    mu_resources_release(&pool);
}
