/* Invariants of the master, for tests and the simulator: a walk over everything. */
#include <string.h>

#include "master/state.h"

#define TRY(call)                                                                        \
    do {                                                                                 \
        int try_status_ = (call);                                                        \
        if (try_status_ < 0) {                                                           \
            return try_status_;                                                          \
        }                                                                                \
    } while (0)

static int check_task(const struct master_task *t, struct mu_error *err)
{
    const char *id = t->info->id.s;
    if (t->completed) {
        return t->holding || t->agent != NULL
                   ? mu_fail(err, MU_E_CORRUPT, "completed task '%s' holds something", id)
                   : 0;
    }
    if (t->holding && mu_task_state_is_terminal(t->state)) {
        return mu_fail(err, MU_E_CORRUPT, "terminal task '%s' holds resources", id);
    }
    if (!t->holding && !mu_task_state_is_terminal(t->state) &&
        t->state != MU_TASK_UNREACHABLE) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s' runs without resources", id);
    }
    if (t->agent == NULL || t->framework == NULL) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s' has no agent or framework", id);
    }
    if (strcmp(t->info->framework_id.s, t->framework->info.id.s) != 0) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s' is in the wrong framework", id);
    }
    if (t->holding && !master_agent_registered(t->agent) &&
        t->agent->state != AGENT_MARKING && t->agent->state != AGENT_REMOVING &&
        t->agent->state != AGENT_MARKING_GONE) {
        return mu_fail(err, MU_E_CORRUPT, "task '%s' holds resources of an absent agent",
                       id);
    }
    return 0;
}

static bool can_add(struct mu_resources *sum, const struct mu_resources *part)
{
    return mu_resources_add(sum, part, NULL) == 0;
}

/* used and offered are the sums of their parts, and all three make the total. */
static int check_sums(const struct master_agent *a, struct mu_error *err)
{
    struct mu_resources used = {0};
    struct mu_resources offered = {0};
    bool sums = true;
    mu_list_foreach (node, &a->tasks) {
        const struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        sums =
            sums && (!t->holding || can_add(&used, &t->info->resources) || a->irregular);
    }
    mu_list_foreach (node, &a->offers) {
        const struct master_offer *o = mu_list_entry(node, struct master_offer, on_agent);
        sums = sums && can_add(&offered, &o->resources);
    }
    int status = 0;
    if (!sums || !mu_resources_equal(&used, &a->used) ||
        !mu_resources_equal(&offered, &a->offered)) {
        status = mu_fail(err, MU_E_CORRUPT, "agent '%s': sums are wrong", a->info.id.s);
    }
    if (status == 0 && !a->irregular && !a->free_stale) {
        if (!can_add(&used, &offered) || !can_add(&used, &a->free) ||
            !mu_resources_equal(&used, &a->info.resources)) {
            status = mu_fail(err, MU_E_CORRUPT,
                             "agent '%s': used + offered + free is not the total",
                             a->info.id.s);
        }
    }
    mu_resources_release(&used);
    mu_resources_release(&offered);
    return status;
}

/* What is not decided has a timer, a turn, or a commit; old records are in a list. */
static bool is_waited_for(const struct master *m, const struct master_agent *a)
{
    const struct reign *r = m->reign;
    bool has_time = mu_heap_has(&a->timer.node) || mu_list_linked(&a->scheduled);
    switch ((enum master_agent_state)a->state) {
    case AGENT_RECOVERED:
        return has_time || m->mode != MASTER_LEADING || !r->returns.is_over ||
               r->returns.is_held;
    case AGENT_DISCONNECTED:
        return has_time;
    case AGENT_UNREACHABLE:
    case AGENT_GONE:
        return mu_list_linked(&a->aged) || m->mode != MASTER_LEADING;
    case AGENT_ADMITTING:
    case AGENT_READMITTING:
    case AGENT_MARKING:
    case AGENT_REMOVING:
    case AGENT_MARKING_GONE:
        return r->commits.count > 0 && !mu_list_linked(&a->scheduled);
    case AGENT_ACTIVE:
    case AGENT_STATES:
        break;
    }
    return !mu_list_linked(&a->scheduled) && !mu_list_linked(&a->aged);
}

static int
check_agent(const struct master *m, const struct master_agent *a, struct mu_error *err)
{
    if (a->state != AGENT_ACTIVE && !mu_list_empty(&a->offers)) {
        return mu_fail(err, MU_E_CORRUPT, "agent '%s' is offered but not active",
                       a->info.id.s);
    }
    if (!is_waited_for(m, a)) {
        return mu_fail(err, MU_E_CORRUPT, "agent '%s' is %s, and nothing will happen",
                       a->info.id.s, mu_sm_name(&master_agent_sm, a->state));
    }
    if (a->state == AGENT_ACTIVE &&
        (a->peer.link == 0 || !a->in_allocator || !mu_heap_has(&a->timer.node))) {
        return mu_fail(err, MU_E_CORRUPT, "active agent '%s' is not watched",
                       a->info.id.s);
    }
    if (a->peer.link != 0 && master_link_agent(m, a->peer.link) != a) {
        return mu_fail(err, MU_E_CORRUPT, "agent '%s' has another's link", a->info.id.s);
    }
    return check_sums(a, err);
}

static int check_framework(const struct master *m,
                           const struct master_framework *f,
                           uint32_t *by_state,
                           struct mu_error *err)
{
    struct quantities used = {0};
    size_t unreachable = 0;
    mu_map_foreach (e, &f->tasks) {
        const struct master_task *t = e->value;
        TRY(check_task(t, err));
        by_state[t->state]++;
        unreachable += t->unreachable ? 1 : 0;
        if (t->holding) {
            quantities_add(&used, &m->reign->names, &t->info->resources, 1);
        }
    }
    bool same = quantities_equal(&used, &f->used);
    quantities_release(&used);
    mu_list_foreach (node, &f->completed) {
        TRY(check_task(mu_list_entry(node, struct master_task, ring), err));
    }
    const char *id = f->info.id.s;
    if (!same || unreachable != f->unreachable_count) {
        return mu_fail(err, MU_E_CORRUPT, "framework '%s': sums are wrong", id);
    }
    if ((f->state == FRAMEWORK_CONNECTED) != (f->peer.link != 0)) {
        return mu_fail(err, MU_E_CORRUPT, "framework '%s': link and state differ", id);
    }
    if (f->state != FRAMEWORK_CONNECTED && !mu_list_empty(&f->offers)) {
        return mu_fail(err, MU_E_CORRUPT, "framework '%s' has offers but no link", id);
    }
    if (f->state == FRAMEWORK_TERMINATING && f->tasks.count == 0) {
        return mu_fail(err, MU_E_CORRUPT, "framework '%s' should be completed", id);
    }
    if (f->completed_count > m->cfg.max_completed_tasks) {
        return mu_fail(err, MU_E_CORRUPT, "framework '%s': history too long", id);
    }
    return 0;
}

static int check_reign(const struct master *m, struct mu_error *err)
{
    const struct reign *r = m->reign;
    uint32_t by_state[MU_TASK_STATE_COUNT] = {0};
    uint32_t agents_in[AGENT_STATES] = {0};
    mu_map_foreach (e, &r->agents) {
        const struct master_agent *a = e->value;
        agents_in[a->state]++;
        TRY(check_agent(m, a, err));
    }
    mu_map_foreach (e, &r->frameworks) {
        TRY(check_framework(m, e->value, by_state, err));
    }
    if (memcmp(by_state, r->by_state, sizeof(by_state)) != 0 ||
        memcmp(agents_in, r->agents_in, sizeof(agents_in)) != 0) {
        return mu_fail(err, MU_E_CORRUPT, "counts by state are wrong");
    }
    if (r->completed.count > m->cfg.max_completed_frameworks) {
        return mu_fail(err, MU_E_CORRUPT, "too many completed frameworks");
    }
    if (r->batches.count > 0 || allocator_wants_run(&r->allocator)) {
        return m->mode == MASTER_LEADING
                   ? mu_fail(err, MU_E_CORRUPT, "free resources were not looked at")
                   : 0;
    }
    return 0;
}

int master_check(const struct master *m, struct mu_error *err)
{
    if ((m->mode == MASTER_STANDBY) != (m->reign == NULL)) {
        return mu_fail(err, MU_E_CORRUPT, "a reign outlived its leadership");
    }
    return m->reign != NULL ? check_reign(m, err) : 0;
}
