/* Old records: agents that have been unreachable or gone for too long, or that are too
 * many, are forgotten, the oldest first.
 *
 * An agent that comes back meanwhile stays: commits are answered in order, so that its
 * re-admission is written after the deletion, and what is about to be forgotten is looked
 * at again when the deletion is durable.
 */
#include <stdlib.h>
#include <string.h>

#include <muster/log.h>

#include "base/vec.h"
#include "master/state.h"

#define AT_A_TIME 1000u /* commits of one run */
#define AGAIN_MS 1000u  /* the next one, if there are more */

struct agents {
    struct master_agent **v;
    size_t count, cap;
};

static int by_age(const void *a, const void *b)
{
    const struct master_agent *x = *(struct master_agent *const *)a;
    const struct master_agent *y = *(struct master_agent *const *)b;
    if (x->since_ms != y->since_ms) {
        return x->since_ms < y->since_ms ? -1 : 1;
    }
    return strcmp(x->info.id.s, y->info.id.s);
}

void master_gc_enter(struct master *m, struct master_agent *a)
{
    struct reign *r = m->reign;
    mu_list_remove(&a->aged);
    mu_list_append(a->state == AGENT_GONE ? &r->gone : &r->unreachable, &a->aged);
    if (!mu_heap_has(&r->gc.node)) {
        master_timer_set(m, &r->gc, TIMER_GC, m->cfg.registry_gc_interval_ms);
    }
}

/* The registry names them by id; they are forgotten by age. */
void master_gc_begin(struct master *m)
{
    struct agents old = {0};
    mu_map_foreach (e, &m->reign->agents) {
        struct master_agent *a = e->value;
        if (a->state == AGENT_UNREACHABLE || a->state == AGENT_GONE) {
            MU_VEC_PUSH(&old, a);
        }
    }
    if (old.count > 1) {
        qsort(old.v, old.count, sizeof(struct master_agent *), by_age);
    }
    for (size_t i = 0; i < old.count; i++) {
        master_gc_enter(m, old.v[i]);
    }
    MU_VEC_RELEASE(&old);
}

static bool is_too_old(const struct master *m, const struct master_agent *a)
{
    int64_t age_ms = m->now.wall_ms - a->since_ms;
    return age_ms > 0 && (uint64_t)age_ms > m->cfg.registry_max_agent_age_ms;
}

/* Those in state; returns how many more may be forgotten in this run. */
static size_t look_at(struct master *m, struct mu_list *list, uint32_t state, size_t room)
{
    size_t count = m->reign->agents_in[state];
    size_t surplus = count > m->cfg.registry_max_agent_count
                         ? count - m->cfg.registry_max_agent_count
                         : 0;
    size_t place = 0;
    mu_list_foreach (node, list) {
        struct master_agent *a = mu_list_entry(node, struct master_agent, aged);
        if (a->state != state) {
            continue; /* on its way back */
        }
        if (room == 0 || (place >= surplus && !is_too_old(m, a))) {
            break;
        }
        place++;
        if (!a->forgetting) {
            a->forgetting = true;
            room--;
            master_commit(m, a, COMMIT_FORGET, &a->info);
        }
    }
    return room;
}

void master_gc_run(struct master *m)
{
    struct reign *r = m->reign;
    size_t room = look_at(m, &r->unreachable, AGENT_UNREACHABLE, AT_A_TIME);
    room = look_at(m, &r->gone, AGENT_GONE, room);
    if (room < AT_A_TIME) {
        master_log(m, MU_INFO,
                   "forgetting agents that have been unreachable or gone for long: "
                   "agents=%zu",
                   AT_A_TIME - room);
    }
    if (!mu_list_empty(&r->unreachable) || !mu_list_empty(&r->gone)) {
        master_timer_set(m, &r->gc, TIMER_GC,
                         room == 0 ? AGAIN_MS : m->cfg.registry_gc_interval_ms);
    }
}

void master_agent_forgotten(struct master *m, struct master_agent *a)
{
    a->forgetting = false;
    if (a->state != AGENT_UNREACHABLE && a->state != AGENT_GONE) {
        return; /* it has come back */
    }
    master_count(m, COUNT_RECORDS_FORGOTTEN);
    mu_list_foreach_safe (node, &a->tasks) {
        master_task_complete(m, mu_list_entry(node, struct master_task, on_agent));
    }
    master_agent_destroy(m, a);
}
