/* Sums of scalar resources: see quantities.h. */
#include "master/quantities.h"

#include <string.h>

#include "base/vec.h"

void quantity_names_release(struct quantity_names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->v[i]);
    }
    MU_VEC_RELEASE(n);
}

void quantities_release(struct quantities *q)
{
    MU_VEC_RELEASE(q);
}

int64_t quantities_get(const struct quantities *q, size_t place)
{
    return place < q->count ? q->v[place] : 0;
}

/* There are a handful of names in any cluster: a walk is the quickest search. */
static size_t place_of(struct quantity_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->v[i], name) == 0) {
            return i;
        }
    }
    MU_VEC_PUSH(names, mu_xstrdup(name));
    return names->count - 1;
}

void quantities_add(struct quantities *q,
                    struct quantity_names *names,
                    const struct mu_resources *r,
                    int sign)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->v[i].type != MU_VALUE_SCALAR) {
            continue;
        }
        size_t place = place_of(names, r->v[i].name);
        while (q->count <= place) {
            MU_VEC_PUSH(q, 0);
        }
        int64_t delta = sign < 0 ? -r->v[i].scalar_milli : r->v[i].scalar_milli;
        if (__builtin_add_overflow(q->v[place], delta, &q->v[place])) {
            q->v[place] = INT64_MAX; /* absurd totals: shares become rough, no more */
        }
    }
}

bool quantities_equal(const struct quantities *a, const struct quantities *b)
{
    size_t count = a->count > b->count ? a->count : b->count;
    for (size_t i = 0; i < count; i++) {
        if (quantities_get(a, i) != quantities_get(b, i)) {
            return false;
        }
    }
    return true;
}

void quantities_to_resources(const struct quantities *q,
                             const struct quantity_names *names,
                             struct mu_resources *out)
{
    mu_resources_release(out);
    for (size_t i = 0; i < q->count; i++) {
        if (q->v[i] > 0) {
            int status = mu_resources_add_scalar(out, names->v[i], "*", q->v[i], NULL);
            MU_ASSERT(status == 0); /* names out of resources, each once */
        }
    }
}

static uint64_t ppm(int64_t part, int64_t total)
{
    if (part <= 0 || total <= 0) {
        return 0;
    }
    uint64_t p = (uint64_t)part;
    uint64_t t = (uint64_t)total;
    while (p > UINT64_MAX / 1000000) {
        p >>= 1;
        t >>= 1;
    }
    return t > 0 ? p * 1000000 / t : UINT64_MAX;
}

uint64_t quantities_share_ppm(const struct quantities *part,
                              const struct quantities *total)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < part->count; i++) {
        uint64_t share = ppm(part->v[i], quantities_get(total, i));
        if (share > largest) {
            largest = share;
        }
    }
    return largest;
}
