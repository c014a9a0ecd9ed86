/* Who is offered which agent: the allocator's face towards the master.
 *
 * It knows agents (with something free or not), frameworks in roles, what each framework
 * holds (tasks and offers alike), and filters: resources of an agent that a framework has
 * refused for a while. It never holds an offer itself: allocator_run tells who gets what
 * is free on an agent, and the master makes the offer and charges it.
 *
 * The structs are embedded by the master; the allocator links them. Decisions depend on
 * nothing but the calls made, in their order. Work is proportional to what changed: only
 * agents that were touched are looked at, and all of them only when a framework starts or
 * resumes taking offers.
 */
#ifndef MU_MASTER_ALLOCATOR_H
#define MU_MASTER_ALLOCATOR_H

#include "base/heap.h"
#include "base/list.h"
#include "master/quantities.h"

struct alloc_role;
struct alloc_filter;

struct alloc_agent {
    struct mu_list all;     /* of the allocator's agents */
    struct mu_list touched; /* linked: a candidate of the next run */
    struct mu_list filters; /* struct alloc_filter */
    struct quantities total;
    uint64_t version; /* of what is free: grows with each change */
    bool active;
};

struct alloc_framework {
    const char *id; /* the master's; breaks ties */
    struct alloc_role *role;
    struct mu_list filters; /* struct alloc_filter */
    struct quantities held;
    uint64_t allocations; /* offers made: the tie-break before the id */
    uint64_t share_ppm;
    uint64_t mark; /* of the agent under consideration: filtered */
    bool active, suppressed;
    bool ranked; /* in role's ranking */
};

struct allocator {
    struct mu_list agents, touched;
    struct quantity_names *names;   /* borrowed */
    struct quantities total, basis; /* basis: what shares are taken of */
    struct mu_heap filters;         /* by expiry */
    struct {
        struct alloc_role **v;
        size_t count, cap;
    } roles;
    uint64_t mark, runs;
    bool all_touched;
};

void allocator_init(struct allocator *al, struct quantity_names *names);
/* Agents and frameworks have been removed before. */
void allocator_release(struct allocator *al);

void allocator_add_agent(struct allocator *al,
                         struct alloc_agent *a,
                         const struct mu_resources *total);
void allocator_remove_agent(struct allocator *al, struct alloc_agent *a);
/* Also drops the filters: what was refused is no longer what is there. */
void allocator_set_total(struct allocator *al,
                         struct alloc_agent *a,
                         const struct mu_resources *total);
void allocator_activate_agent(struct allocator *al, struct alloc_agent *a, bool active);
/* Something of it became free. */
void allocator_touch(struct allocator *al, struct alloc_agent *a);

void allocator_add_framework(struct allocator *al,
                             struct alloc_framework *f,
                             const char *id,
                             const char *role);
void allocator_remove_framework(struct allocator *al, struct alloc_framework *f);
/* Inactive: its filters are dropped and it gets nothing. */
void allocator_activate_framework(struct allocator *al,
                                  struct alloc_framework *f,
                                  bool active);
void allocator_suppress(struct allocator *al, struct alloc_framework *f);
/* Undoes suppress and drops the framework's filters. */
void allocator_revive(struct allocator *al, struct alloc_framework *f);
void allocator_set_role(struct allocator *al,
                        struct alloc_framework *f,
                        const char *role);

/* f holds more (sign 1) or less (sign -1). */
void allocator_charge(struct allocator *al,
                      struct alloc_framework *f,
                      const struct mu_resources *r,
                      int sign);
/* f does not want r of a, or a part of it, before until_ms. */
void allocator_refuse(struct allocator *al,
                      struct alloc_framework *f,
                      struct alloc_agent *a,
                      const struct mu_resources *r,
                      uint64_t until_ms);

struct allocator_calls {
    /* What of a is free for role, NULL if that is too little to offer. */
    const struct mu_resources *(*free_of)(void *arg,
                                          struct alloc_agent *a,
                                          const char *role);
    /* Offer it: must charge f, so that nothing of it is free any more. */
    void (*give)(void *arg, struct alloc_framework *f, struct alloc_agent *a);
};
/* Consider all candidates once. Expired filters are dropped first. */
void allocator_run(struct allocator *al,
                   uint64_t now_ms,
                   const struct allocator_calls *calls,
                   void *arg);
bool allocator_wants_run(const struct allocator *al);
/* When the next filter expires; MU_NEVER_MS: none. */
uint64_t allocator_deadline_ms(const struct allocator *al);

#endif
