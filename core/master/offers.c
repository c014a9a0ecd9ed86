/* Offers: made by the allocator's word, ended by ACCEPT, DECLINE, rescission or time.
 *
 * For each agent: total = used (by tasks) + offered + free. What is free is computed when
 * somebody asks. An agent whose tasks use more than it has (it shrank, or two masters
 * launched on it) is irregular: nothing of it is free until that is over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/vec.h"
#include "master/state.h"

#define OFFERS_PER_MESSAGE 64
#define MIN_CPUS_MILLI 10   /* less than both is not worth an offer */
#define MIN_MEM_MILLI 32000 /* 32 MiB */
#define REFUSE_MAX_MS (UINT64_C(365) * 24 * 3600 * 1000)

/* ---- what is free ---- */

const struct mu_resources *master_agent_free(struct master_agent *a)
{
    if (!a->free_stale) {
        return &a->free;
    }
    a->free_stale = false;
    mu_resources_copy(&a->free, &a->info.resources);
    if (a->irregular || mu_resources_subtract(&a->free, &a->used, NULL) < 0 ||
        mu_resources_subtract(&a->free, &a->offered, NULL) < 0) {
        mu_resources_release(&a->free);
    }
    return &a->free;
}

/* Sum up what the tasks use, and find out whether that fits. */
void master_agent_recount(struct master_agent *a)
{
    struct mu_resources left = {0};
    mu_resources_copy(&left, &a->info.resources);
    mu_resources_release(&a->used);
    a->irregular = false;
    mu_list_foreach (node, &a->tasks) {
        const struct master_task *t = mu_list_entry(node, struct master_task, on_agent);
        if (t->holding) {
            const struct mu_resources *r = &t->info->resources;
            if (mu_resources_subtract(&left, r, NULL) < 0) {
                a->irregular = true;
            }
            if (mu_resources_add(&a->used, r, NULL) < 0) {
                a->irregular = true; /* types differ: it cannot even be summed up */
            }
        }
    }
    mu_resources_release(&left);
    a->free_stale = true;
}

void master_agent_book(struct master *m, struct master_task *t, int sign)
{
    struct master_agent *a = t->agent;
    struct master_framework *f = t->framework;
    const struct mu_resources *r = &t->info->resources;
    bool fits = sign < 0 || a->adopting || mu_resources_contains(master_agent_free(a), r);
    if (!fits && !mu_list_empty(&a->offers)) {
        master_agent_rescind(m, a); /* it was offered, but the agent says it is in use */
        fits = mu_resources_contains(master_agent_free(a), r);
    }
    t->holding = sign > 0;
    if (!a->adopting && (a->irregular || !fits)) {
        master_agent_recount(a);
    } else if (!a->adopting) {
        int status = sign > 0 ? mu_resources_add(&a->used, r, NULL)
                              : mu_resources_subtract(&a->used, r, NULL);
        MU_ASSERT(status == 0); /* regular agents' tasks do not overlap */
    }
    a->free_stale = true;
    quantities_add(&f->used, &m->reign->names, r, sign);
    allocator_charge(&m->reign->allocator, &f->alloc, r, sign);
    if (a->in_allocator) {
        allocator_touch(&m->reign->allocator, &a->alloc);
    }
}

/* ---- the object ---- */

static void charge(struct master *m, struct master_offer *o, int sign)
{
    struct master_agent *a = o->agent;
    struct master_framework *f = o->framework;
    int status = sign > 0 ? mu_resources_add(&a->offered, &o->resources, NULL)
                          : mu_resources_subtract(&a->offered, &o->resources, NULL);
    MU_ASSERT(status == 0); /* it was free, or it was offered */
    a->free_stale = true;
    quantities_add(&f->offered, &m->reign->names, &o->resources, sign);
    allocator_charge(&m->reign->allocator, &f->alloc, &o->resources, sign);
}

void master_offer_end(struct master *m, struct master_offer *o)
{
    charge(m, o, -1);
    allocator_touch(&m->reign->allocator, &o->agent->alloc);
    mu_list_remove(&o->on_agent);
    mu_list_remove(&o->of_framework);
    master_timer_stop(m, &o->timer);
    (void)mu_map_remove(&m->reign->offers, o->id.s);
    mu_resources_release(&o->resources);
    free(o);
}

static void rescind(struct master *m, struct master_offer *o)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_RESCIND);
    mu_msg_add_offer_id(&msg, &o->id);
    master_send(m, o->framework->peer.link, &msg);
    master_count(m, COUNT_OFFERS_RESCINDED);
    master_offer_end(m, o);
}

void master_agent_rescind(struct master *m, struct master_agent *a)
{
    mu_list_foreach_safe (node, &a->offers) {
        rescind(m, mu_list_entry(node, struct master_offer, on_agent));
    }
}

void master_offer_expired(struct master *m, struct master_offer *o)
{
    rescind(m, o);
}

/* ---- refusal ---- */

/* Filters end on the ticks of the allocation interval, so that many of them end at once,
 * and never before one whole interval: a framework that declines everything with no time
 * at all must not be asked again at once. */
void master_refuse(struct master *m,
                   struct master_framework *f,
                   struct master_agent *a,
                   const struct mu_resources *r,
                   uint64_t refuse_ms)
{
    uint64_t interval = m->cfg.allocation_interval_ms;
    uint64_t wait = refuse_ms < REFUSE_MAX_MS ? refuse_ms : REFUSE_MAX_MS;
    wait = wait > interval ? wait : interval;
    uint64_t until = (m->now.mono_ms + wait + interval - 1) / interval * interval;
    allocator_refuse(&m->reign->allocator, &f->alloc, &a->alloc, r, until);
}

/* Offers of one agent that are declined together are refused as one: they are free
 * together from now on. */
void master_on_decline(struct master *m,
                       struct master_framework *f,
                       const struct mu_msg *msg)
{
    MU_VEC(struct master_agent *) agents = {0};
    for (size_t i = 0; i < msg->offer_id_count; i++) {
        struct master_offer *o = mu_map_get(&m->reign->offers, msg->offer_ids[i].s);
        if (o == NULL || o->framework != f) {
            continue; /* it crossed with a rescission */
        }
        if (mu_resources_empty(&o->agent->declined)) {
            MU_VEC_PUSH(&agents, o->agent);
        }
        int status = mu_resources_add(&o->agent->declined, &o->resources, NULL);
        MU_ASSERT(status == 0); /* parts of one agent's total */
        master_offer_end(m, o);
    }
    for (size_t i = 0; i < agents.count; i++) {
        struct master_agent *a = agents.v[i];
        master_refuse(m, f, a, &a->declined, msg->refuse_ms);
        mu_resources_release(&a->declined);
    }
    MU_VEC_RELEASE(&agents);
}

/* ---- making them ---- */

static bool worth_offering(const struct mu_resources *r)
{
    return mu_resources_scalar(r, "cpus") >= MIN_CPUS_MILLI ||
           mu_resources_scalar(r, "mem") >= MIN_MEM_MILLI;
}

/* Unreserved, or reserved for the role or one above it. */
static bool is_for(const struct mu_resource *r, const char *role)
{
    size_t len = strlen(r->role);
    return strcmp(r->role, "*") == 0 ||
           (strncmp(r->role, role, len) == 0 && (role[len] == '\0' || role[len] == '/'));
}

static void
select_for(struct mu_resources *out, const struct mu_resources *free, const char *role)
{
    mu_resources_copy(out, free);
    for (size_t i = 0; i < free->count; i++) {
        if (!is_for(&free->v[i], role)) {
            struct mu_resources one = {.v = &free->v[i], .count = 1, .cap = 1};
            int status = mu_resources_subtract(out, &one, NULL);
            MU_ASSERT(status == 0); /* it is a part of it */
        }
    }
}

static const struct mu_resources *
free_of(void *arg, struct alloc_agent *alloc, const char *role)
{
    (void)arg;
    struct master_agent *a = mu_container_of(alloc, struct master_agent, alloc);
    const struct mu_resources *free = master_agent_free(a);
    if (a->has_reservations) {
        select_for(&a->for_role, free, role);
        free = &a->for_role;
    }
    return worth_offering(free) ? free : NULL;
}

static void send_batch(struct master *m, struct master_framework *f)
{
    if (f->batch.offer_count > 0) {
        master_send(m, f->peer.link, &f->batch);
    }
}

static void add_to_batch(struct master *m, const struct master_offer *o)
{
    struct master_framework *f = o->framework;
    if (f->batch.offer_count == 0) {
        mu_msg_init(&f->batch, MU_MSG_OFFERS);
        MU_VEC_PUSH(&m->reign->batches, f);
    }
    const struct mu_agent_info *info = &o->agent->info;
    const struct mu_offer offer = {.id = o->id,
                                   .framework_id = f->info.id,
                                   .agent_id = info->id,
                                   .hostname = info->hostname,
                                   .ip = info->ip,
                                   .port = info->port,
                                   .resources = o->resources,
                                   .attributes = info->attributes};
    mu_msg_add_offer(&f->batch, &offer);
    if (f->batch.offer_count >= OFFERS_PER_MESSAGE) {
        send_batch(m, f);
    }
}

static void give(void *arg, struct alloc_framework *to, struct alloc_agent *alloc)
{
    struct master *m = arg;
    struct master_framework *f = mu_container_of(to, struct master_framework, alloc);
    struct master_agent *a = mu_container_of(alloc, struct master_agent, alloc);
    struct master_offer *o = MU_NEW(struct master_offer);
    (void)snprintf(o->id.s, sizeof(o->id.s), "%s-O%" PRIu64, m->cfg.id.s,
                   m->next_offer++);
    o->framework = f;
    o->agent = a;
    mu_resources_copy(
        &o->resources,
        free_of(m, alloc,
                f->info.role != NULL && f->info.role[0] != '\0' ? f->info.role : "*"));
    mu_list_init(&o->on_agent);
    mu_list_init(&o->of_framework);
    mu_list_append(&a->offers, &o->on_agent);
    mu_list_append(&f->offers, &o->of_framework);
    master_timer_init(&o->timer, o);
    (void)mu_map_put(&m->reign->offers, o->id.s, o); /* the number is new */
    charge(m, o, 1);
    if (m->cfg.offer_timeout_ms > 0) {
        master_timer_set(m, &o->timer, TIMER_OFFER, m->cfg.offer_timeout_ms);
    }
    master_count(m, COUNT_OFFERS_SENT);
    add_to_batch(m, o);
}

void master_offer_what_is_free(struct master *m)
{
    static const struct allocator_calls calls = {.free_of = free_of, .give = give};
    struct reign *r = m->reign;
    allocator_run(&r->allocator, m->now.mono_ms, &calls, m);
    for (size_t i = 0; i < r->batches.count; i++) {
        send_batch(m, r->batches.v[i]);
    }
    MU_VEC_CLEAR(&r->batches);
}
