/* The first allocator: dominant resource fairness in two levels, roles and then the
 * frameworks of a role.
 *
 * The next agent goes to the role, and in it to the framework, whose largest share of any
 * scalar resource is smallest; ties go to the one with fewer allocations, then to the
 * smaller name or id. All that is free on an agent goes to one framework. Rankings are
 * kept sorted: one charge moves one entry. Shares are taken of a basis of the cluster's
 * total that is renewed when the total has moved by more than a 64th, so that thousands
 * of agents that come back at once do not each cause a new ranking of all frameworks.
 *
 * No run is needed on an idle cluster: whatever could change the outcome (something
 * became free, a filter expired, a framework came or resumed) makes its agents
 * candidates.
 */
#include "master/allocator.h"

#include <string.h>

#include <muster/time.h>

#include "base/vec.h"

#define FILTERS_PER_PAIR_MAX 8 /* of one framework on one agent */
#define BASIS_FRACTION 64

struct alloc_role {
    char *name;
    struct quantities held;
    uint64_t allocations, share_ppm;
    size_t framework_count;
    struct { /* those that take offers, next to be served first */
        struct alloc_framework **v;
        size_t count, cap;
    } ranking;
};

struct alloc_filter {
    struct mu_heap_node expiry;
    struct mu_list on_agent, of_framework;
    struct alloc_agent *agent;
    struct alloc_framework *framework;
    struct mu_resources refused;
    uint64_t tested_version; /* of the agent; hit holds for that version */
    bool hit;
};

/* ---- ranking ---- */

static int compare_frameworks(const struct alloc_framework *a,
                              const struct alloc_framework *b)
{
    if (a->share_ppm != b->share_ppm) {
        return a->share_ppm < b->share_ppm ? -1 : 1;
    }
    if (a->allocations != b->allocations) {
        return a->allocations < b->allocations ? -1 : 1;
    }
    return strcmp(a->id, b->id);
}

static int compare_roles(const struct alloc_role *a, const struct alloc_role *b)
{
    if (a->share_ppm != b->share_ppm) {
        return a->share_ppm < b->share_ppm ? -1 : 1;
    }
    if (a->allocations != b->allocations) {
        return a->allocations < b->allocations ? -1 : 1;
    }
    return strcmp(a->name, b->name);
}

static int by_framework(const void *a, const void *b)
{
    return compare_frameworks(*(struct alloc_framework *const *)a,
                              *(struct alloc_framework *const *)b);
}

static int by_role(const void *a, const void *b)
{
    return compare_roles(*(struct alloc_role *const *)a, *(struct alloc_role *const *)b);
}

static size_t rank_of(const struct alloc_role *role, const struct alloc_framework *f)
{
    for (size_t i = 0; i < role->ranking.count; i++) {
        if (role->ranking.v[i] == f) {
            return i;
        }
    }
    MU_NEVER("a ranked framework is in its role's ranking");
}

/* f's place may be wrong: move it to where it belongs. */
static void rerank_framework(struct alloc_framework *f)
{
    struct alloc_framework **v = f->role->ranking.v;
    size_t at = rank_of(f->role, f);
    for (; at > 0 && compare_frameworks(v[at - 1], f) > 0; at--) {
        v[at] = v[at - 1];
    }
    for (; at + 1 < f->role->ranking.count && compare_frameworks(v[at + 1], f) < 0;
         at++) {
        v[at] = v[at + 1];
    }
    v[at] = f;
}

static void rerank_role(struct allocator *al, struct alloc_role *role)
{
    struct alloc_role **v = al->roles.v;
    size_t at = 0;
    while (v[at] != role) {
        at++;
    }
    for (; at > 0 && compare_roles(v[at - 1], role) > 0; at--) {
        v[at] = v[at - 1];
    }
    for (; at + 1 < al->roles.count && compare_roles(v[at + 1], role) < 0; at++) {
        v[at] = v[at + 1];
    }
    v[at] = role;
}

/* Put f into its role's ranking, or take it out, as its flags say. */
static void update_ranked(struct allocator *al, struct alloc_framework *f)
{
    bool ranked = f->active && !f->suppressed;
    if (ranked && !f->ranked) {
        f->share_ppm = quantities_share_ppm(&f->held, &al->basis);
        MU_VEC_PUSH(&f->role->ranking, f);
        f->ranked = true;
        rerank_framework(f);
    } else if (!ranked && f->ranked) {
        MU_VEC_REMOVE(&f->role->ranking, rank_of(f->role, f));
        f->ranked = false;
    }
}

/* ---- shares ---- */

static bool basis_is_stale(const struct quantities *basis, const struct quantities *total)
{
    for (size_t i = 0; i < total->count; i++) {
        int64_t was = quantities_get(basis, i);
        int64_t is = total->v[i];
        int64_t moved = is > was ? is - was : was - is;
        if (moved > was / BASIS_FRACTION) {
            return true;
        }
    }
    return false;
}

static void renew_shares(struct allocator *al)
{
    if (!basis_is_stale(&al->basis, &al->total)) {
        return;
    }
    MU_VEC_CLEAR(&al->basis);
    for (size_t i = 0; i < al->total.count; i++) {
        MU_VEC_PUSH(&al->basis, al->total.v[i]);
    }
    for (size_t i = 0; i < al->roles.count; i++) {
        struct alloc_role *role = al->roles.v[i];
        role->share_ppm = quantities_share_ppm(&role->held, &al->basis);
        for (size_t k = 0; k < role->ranking.count; k++) {
            struct alloc_framework *f = role->ranking.v[k];
            f->share_ppm = quantities_share_ppm(&f->held, &al->basis);
        }
        if (role->ranking.count > 1) {
            qsort(role->ranking.v, role->ranking.count, sizeof(role->ranking.v[0]),
                  by_framework);
        }
    }
    if (al->roles.count > 1) {
        qsort(al->roles.v, al->roles.count, sizeof(al->roles.v[0]), by_role);
    }
}

void allocator_charge(struct allocator *al,
                      struct alloc_framework *f,
                      const struct mu_resources *r,
                      int sign)
{
    quantities_add(&f->held, al->names, r, sign);
    quantities_add(&f->role->held, al->names, r, sign);
    f->share_ppm = quantities_share_ppm(&f->held, &al->basis);
    f->role->share_ppm = quantities_share_ppm(&f->role->held, &al->basis);
    if (f->ranked) {
        rerank_framework(f);
    }
    rerank_role(al, f->role);
}

/* ---- filters ---- */

static void drop_filter(struct allocator *al, struct alloc_filter *filter)
{
    mu_heap_remove(&al->filters, &filter->expiry);
    mu_list_remove(&filter->on_agent);
    mu_list_remove(&filter->of_framework);
    mu_resources_release(&filter->refused);
    free(filter);
}

static void drop_agent_filters(struct allocator *al, struct alloc_agent *a)
{
    mu_list_foreach_safe (node, &a->filters) {
        drop_filter(al, mu_list_entry(node, struct alloc_filter, on_agent));
    }
}

/* The agents concerned become candidates: what was refused may be taken now. */
static void drop_framework_filters(struct allocator *al, struct alloc_framework *f)
{
    mu_list_foreach_safe (node, &f->filters) {
        struct alloc_filter *filter =
            mu_list_entry(node, struct alloc_filter, of_framework);
        allocator_touch(al, filter->agent);
        drop_filter(al, filter);
    }
}

static void expire_filters(struct allocator *al, uint64_t now_ms)
{
    for (struct mu_heap_node *top = mu_heap_top(&al->filters);
         top != NULL && top->key <= now_ms; top = mu_heap_top(&al->filters)) {
        struct alloc_filter *filter = mu_container_of(top, struct alloc_filter, expiry);
        allocator_touch(al, filter->agent);
        drop_filter(al, filter);
    }
}

/* Drop what the new filter makes needless, and the oldest if there are too many. True if
 * an old one makes the new one needless. */
static bool make_room(struct allocator *al,
                      struct alloc_framework *f,
                      struct alloc_agent *a,
                      const struct mu_resources *r,
                      uint64_t until_ms)
{
    size_t count = 0;
    struct alloc_filter *oldest = NULL;
    mu_list_foreach_safe (node, &a->filters) {
        struct alloc_filter *old = mu_list_entry(node, struct alloc_filter, on_agent);
        if (old->framework != f) {
            continue;
        }
        if (old->expiry.key >= until_ms && mu_resources_contains(&old->refused, r)) {
            return true;
        }
        if (old->expiry.key <= until_ms && mu_resources_contains(r, &old->refused)) {
            drop_filter(al, old);
            continue;
        }
        oldest = oldest == NULL ? old : oldest;
        count++;
    }
    if (count >= FILTERS_PER_PAIR_MAX) {
        drop_filter(al, oldest);
    }
    return false;
}

void allocator_refuse(struct allocator *al,
                      struct alloc_framework *f,
                      struct alloc_agent *a,
                      const struct mu_resources *r,
                      uint64_t until_ms)
{
    if (mu_resources_empty(r) || make_room(al, f, a, r, until_ms)) {
        return;
    }
    struct alloc_filter *filter = MU_NEW(struct alloc_filter);
    filter->agent = a;
    filter->framework = f;
    mu_resources_copy(&filter->refused, r);
    mu_list_append(&a->filters, &filter->on_agent);
    mu_list_append(&f->filters, &filter->of_framework);
    mu_heap_push(&al->filters, &filter->expiry, until_ms);
}

static bool filter_hits(struct alloc_filter *filter, const struct mu_resources *free)
{
    if (filter->tested_version != filter->agent->version) {
        filter->tested_version = filter->agent->version;
        filter->hit = mu_resources_contains(&filter->refused, free);
    }
    return filter->hit;
}

/* ---- agents ---- */

void allocator_init(struct allocator *al, struct quantity_names *names)
{
    *al = (struct allocator){.names = names};
    mu_list_init(&al->agents);
    mu_list_init(&al->touched);
    mu_heap_init(&al->filters);
}

void allocator_release(struct allocator *al)
{
    MU_PRE(mu_list_empty(&al->agents) && al->roles.count == 0);
    MU_VEC_RELEASE(&al->roles);
    quantities_release(&al->total);
    quantities_release(&al->basis);
    mu_heap_release(&al->filters);
}

void allocator_touch(struct allocator *al, struct alloc_agent *a)
{
    a->version++;
    if (a->active && !mu_list_linked(&a->touched)) {
        mu_list_append(&al->touched, &a->touched);
    }
}

void allocator_add_agent(struct allocator *al,
                         struct alloc_agent *a,
                         const struct mu_resources *total)
{
    *a = (struct alloc_agent){.version = 1};
    mu_list_init(&a->all);
    mu_list_init(&a->touched);
    mu_list_init(&a->filters);
    mu_list_append(&al->agents, &a->all);
    quantities_add(&a->total, al->names, total, 1);
    quantities_add(&al->total, al->names, total, 1);
}

/* Take a's total out of the cluster's. */
static void forget_total(struct allocator *al, struct alloc_agent *a)
{
    for (size_t i = 0; i < a->total.count; i++) {
        al->total.v[i] -= a->total.v[i];
    }
    MU_VEC_CLEAR(&a->total);
}

void allocator_remove_agent(struct allocator *al, struct alloc_agent *a)
{
    drop_agent_filters(al, a);
    forget_total(al, a);
    quantities_release(&a->total);
    mu_list_remove(&a->all);
    mu_list_remove(&a->touched);
}

void allocator_set_total(struct allocator *al,
                         struct alloc_agent *a,
                         const struct mu_resources *total)
{
    drop_agent_filters(al, a);
    forget_total(al, a);
    quantities_add(&a->total, al->names, total, 1);
    quantities_add(&al->total, al->names, total, 1);
    allocator_touch(al, a);
}

void allocator_activate_agent(struct allocator *al, struct alloc_agent *a, bool active)
{
    a->active = active;
    if (active) {
        allocator_touch(al, a);
    } else {
        mu_list_remove(&a->touched);
    }
}

/* ---- frameworks ---- */

static struct alloc_role *enter_role(struct allocator *al, const char *name)
{
    for (size_t i = 0; i < al->roles.count; i++) {
        if (strcmp(al->roles.v[i]->name, name) == 0) {
            return al->roles.v[i];
        }
    }
    struct alloc_role *role = MU_NEW(struct alloc_role);
    role->name = mu_xstrdup(name);
    MU_VEC_PUSH(&al->roles, role);
    rerank_role(al, role);
    return role;
}

static void leave_role(struct allocator *al, struct alloc_role *role)
{
    role->framework_count--;
    if (role->framework_count > 0) {
        return;
    }
    size_t at = 0;
    while (al->roles.v[at] != role) {
        at++;
    }
    MU_VEC_REMOVE(&al->roles, at);
    MU_VEC_RELEASE(&role->ranking);
    quantities_release(&role->held);
    free(role->name);
    free(role);
}

void allocator_add_framework(struct allocator *al,
                             struct alloc_framework *f,
                             const char *id,
                             const char *role)
{
    *f = (struct alloc_framework){.id = id};
    mu_list_init(&f->filters);
    f->role = enter_role(al, role);
    f->role->framework_count++;
}

void allocator_remove_framework(struct allocator *al, struct alloc_framework *f)
{
    drop_framework_filters(al, f);
    f->active = false;
    update_ranked(al, f);
    leave_role(al, f->role);
    f->role = NULL;
    quantities_release(&f->held);
}

void allocator_activate_framework(struct allocator *al,
                                  struct alloc_framework *f,
                                  bool active)
{
    drop_framework_filters(al, f);
    f->active = active;
    f->suppressed = false;
    update_ranked(al, f);
    al->all_touched = al->all_touched || active;
}

void allocator_suppress(struct allocator *al, struct alloc_framework *f)
{
    f->suppressed = true;
    update_ranked(al, f);
}

void allocator_revive(struct allocator *al, struct alloc_framework *f)
{
    drop_framework_filters(al, f);
    if (f->suppressed && f->active) {
        al->all_touched = true;
    }
    f->suppressed = false;
    update_ranked(al, f);
}

/* What f holds moves along from the old role's share to the new one's. */
void allocator_set_role(struct allocator *al, struct alloc_framework *f, const char *role)
{
    struct alloc_role *old = f->role;
    if (strcmp(old->name, role) == 0) {
        return;
    }
    bool suppressed = f->suppressed;
    f->suppressed = true;
    update_ranked(al, f);
    f->role = enter_role(al, role);
    f->role->framework_count++;
    while (f->role->held.count < f->held.count) {
        MU_VEC_PUSH(&f->role->held, 0);
    }
    for (size_t i = 0; i < f->held.count; i++) {
        old->held.v[i] -= f->held.v[i];
        f->role->held.v[i] += f->held.v[i];
    }
    old->share_ppm = quantities_share_ppm(&old->held, &al->basis);
    rerank_role(al, old);
    f->role->share_ppm = quantities_share_ppm(&f->role->held, &al->basis);
    rerank_role(al, f->role);
    leave_role(al, old);
    f->suppressed = suppressed;
    update_ranked(al, f);
    al->all_touched = true;
}

/* ---- runs ---- */

/* Who of role is next, filters considered; NULL: nobody. */
static struct alloc_framework *next_of(struct allocator *al,
                                       struct alloc_role *role,
                                       struct alloc_agent *a,
                                       const struct mu_resources *free)
{
    uint64_t mark = ++al->mark;
    mu_list_foreach (node, &a->filters) {
        struct alloc_filter *filter = mu_list_entry(node, struct alloc_filter, on_agent);
        if (filter->framework->role == role && filter_hits(filter, free)) {
            filter->framework->mark = mark;
        }
    }
    for (size_t i = 0; i < role->ranking.count; i++) {
        if (role->ranking.v[i]->mark != mark) {
            return role->ranking.v[i];
        }
    }
    return NULL;
}

/* Give what is free on a to one framework; false if nobody takes it. */
static bool give_once(struct allocator *al,
                      struct alloc_agent *a,
                      const struct allocator_calls *calls,
                      void *arg)
{
    for (size_t i = 0; i < al->roles.count; i++) {
        struct alloc_role *role = al->roles.v[i];
        if (role->ranking.count == 0) {
            continue;
        }
        const struct mu_resources *free = calls->free_of(arg, a, role->name);
        struct alloc_framework *f = free != NULL ? next_of(al, role, a, free) : NULL;
        if (f != NULL) {
            f->allocations++;
            role->allocations++;
            calls->give(arg, f, a);
            a->version++;
            return true;
        }
    }
    return false;
}

static void consider(struct allocator *al,
                     struct alloc_agent *a,
                     const struct allocator_calls *calls,
                     void *arg)
{
    /* Once per role at most: what is reserved for another role is left over. */
    for (size_t turns = al->roles.count; a->active && turns > 0; turns--) {
        if (!give_once(al, a, calls, arg)) {
            return;
        }
    }
}

void allocator_run(struct allocator *al,
                   uint64_t now_ms,
                   const struct allocator_calls *calls,
                   void *arg)
{
    expire_filters(al, now_ms);
    if (!al->all_touched && mu_list_empty(&al->touched)) {
        return;
    }
    al->runs++;
    renew_shares(al);
    if (al->all_touched) {
        al->all_touched = false;
        mu_list_foreach (node, &al->agents) {
            struct alloc_agent *a = mu_list_entry(node, struct alloc_agent, all);
            mu_list_remove(&a->touched);
            consider(al, a, calls, arg);
        }
        return;
    }
    for (struct mu_list *node = mu_list_pop(&al->touched); node != NULL;
         node = mu_list_pop(&al->touched)) {
        consider(al, mu_list_entry(node, struct alloc_agent, touched), calls, arg);
    }
}

bool allocator_wants_run(const struct allocator *al)
{
    return al->all_touched || !mu_list_empty(&al->touched);
}

uint64_t allocator_deadline_ms(const struct allocator *al)
{
    const struct mu_heap_node *top = mu_heap_top(&al->filters);
    return top != NULL ? top->key : MU_NEVER_MS;
}
