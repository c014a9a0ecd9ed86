/* Fixed ports are taken out of the pool first, so that a random pick cannot steal them.
 * Random ones are consecutive from a random place, wrapping over all ranges: neighbours
 * are cheap to describe, and a port is not used again at once.
 */
#include "scheduler/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

struct slot { /* ports that are still free */
    uint64_t begin, end;
    const char *role;
};
struct pool {
    struct slot *v;
    size_t count, cap;
};

size_t ports_defined(const struct mu_app *app)
{
    return app->network_mode == MU_APP_NET_HOST ? app->port_count : app->mapping_count;
}

bool roles_accept(const struct mu_strings *roles, const char *role)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (strcmp(roles->v[i], role) == 0) {
            return true;
        }
    }
    return false;
}

enum demand { DEMAND_NONE, DEMAND_ANY, DEMAND_FIXED };

static enum demand demand_of(const struct mu_app *app, size_t i, uint16_t *out_port)
{
    *out_port = 0;
    if (app->network_mode == MU_APP_NET_HOST) {
        *out_port = app->require_ports ? app->ports[i].port : 0;
    } else if (!app->mappings[i].has_host_port) {
        return DEMAND_NONE;
    } else {
        *out_port = app->mappings[i].host_port;
    }
    return *out_port != 0 ? DEMAND_FIXED : DEMAND_ANY;
}

static void pool_fill(struct pool *p,
                      const struct mu_resources *offered,
                      const struct mu_strings *roles)
{
    for (size_t i = 0; i < offered->count; i++) {
        const struct mu_resource *r = &offered->v[i];
        if (strcmp(r->name, "ports") != 0 || r->type != MU_VALUE_RANGES ||
            !roles_accept(roles, r->role)) {
            continue;
        }
        for (size_t k = 0; k < r->range_count; k++) {
            MU_VEC_PUSH(p,
                        ((struct slot){r->ranges[k].begin, r->ranges[k].end, r->role}));
        }
    }
}

static void take(struct ports_pick *out, size_t i, uint64_t port, const char *role)
{
    out->host[i] = (uint16_t)port;
    int rc = mu_resources_add_range(&out->taken, "ports", role, port, port, NULL);
    MU_ASSERT(rc == 0);
}

/* Cut port out of the pool; false: it is not there. */
static bool take_fixed(struct pool *p, struct ports_pick *out, size_t i, uint64_t port)
{
    for (size_t s = 0; s < p->count; s++) {
        struct slot slot = p->v[s];
        if (port < slot.begin || port > slot.end) {
            continue;
        }
        take(out, i, port, slot.role);
        MU_VEC_REMOVE(p, s);
        if (port < slot.end) {
            MU_VEC_INSERT(p, s, ((struct slot){port + 1, slot.end, slot.role}));
        }
        if (port > slot.begin) {
            MU_VEC_INSERT(p, s, ((struct slot){slot.begin, port - 1, slot.role}));
        }
        return true;
    }
    return false;
}

static uint64_t pool_size(const struct pool *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        n += p->v[i].end - p->v[i].begin + 1;
    }
    return n;
}

static void shuffle(struct pool *p, struct mu_prng *prng)
{
    for (size_t i = p->count; i > 1; i--) {
        size_t k = (size_t)mu_prng_below(prng, i);
        struct slot s = p->v[i - 1];
        p->v[i - 1] = p->v[k];
        p->v[k] = s;
    }
}

/* The port that lies `offset` ports from the start of the pool. */
static uint64_t pool_at(const struct pool *p, uint64_t offset, const char **out_role)
{
    for (size_t i = 0; i < p->count; i++) {
        uint64_t n = p->v[i].end - p->v[i].begin + 1;
        if (offset < n) {
            *out_role = p->v[i].role;
            return p->v[i].begin + offset;
        }
        offset -= n;
    }
    MU_NEVER("offset outside the pool");
}

static void take_random(const struct mu_app *app,
                        struct pool *p,
                        struct mu_prng *prng,
                        struct ports_pick *out)
{
    uint64_t size = pool_size(p);
    shuffle(p, prng);
    uint64_t at = mu_prng_below(prng, size);
    for (size_t i = 0; i < out->count; i++) {
        uint16_t port;
        if (demand_of(app, i, &port) == DEMAND_ANY) {
            const char *role;
            uint64_t chosen = pool_at(p, at, &role);
            take(out, i, chosen, role);
            at = (at + 1) % size;
        }
    }
}

int ports_pick(const struct mu_app *app,
               const struct mu_resources *offered,
               const struct mu_strings *roles,
               struct mu_prng *prng,
               struct ports_pick *out,
               struct mu_error *err)
{
    struct ports_pick picked = {.count = ports_defined(app)};
    struct pool pool = {0};
    uint64_t any = 0;
    int rc = 0;
    picked.host = mu_xcalloc(picked.count, sizeof(*picked.host));
    pool_fill(&pool, offered, roles);
    for (size_t i = 0; i < picked.count && rc == 0; i++) {
        uint16_t port;
        enum demand d = demand_of(app, i, &port);
        any += d == DEMAND_ANY;
        if (d == DEMAND_FIXED && !take_fixed(&pool, &picked, i, port)) {
            rc = mu_fail(err, MU_E_NOT_FOUND, "port %u wanted, not offered", port);
        }
    }
    if (rc == 0 && any > pool_size(&pool)) {
        rc = mu_fail(err, MU_E_NOT_FOUND, "%llu ports wanted, %llu offered",
                     (unsigned long long)any, (unsigned long long)pool_size(&pool));
    }
    if (rc == 0 && any > 0) {
        take_random(app, &pool, prng, &picked);
    }
    MU_VEC_RELEASE(&pool);
    if (rc != 0) {
        ports_pick_release(&picked);
        return rc;
    }
    *out = picked;
    return 0;
}

void ports_pick_release(struct ports_pick *p)
{
    free(p->host);
    mu_resources_release(&p->taken);
    *p = (struct ports_pick){0};
}
