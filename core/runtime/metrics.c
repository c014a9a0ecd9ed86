/* See metrics.h. */
#include "runtime/metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vec.h"

struct metric {
    char *name;
    double value;
};

struct rt_metrics {
    MU_VEC(struct metric) list; /* sorted by name */
};

struct rt_metrics *rt_metrics_create(void)
{
    return MU_NEW(struct rt_metrics);
}

void rt_metrics_destroy(struct rt_metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->list.count; i++) {
        free(m->list.v[i].name);
    }
    MU_VEC_RELEASE(&m->list);
    free(m);
}

/* Index of name, or of the place where it belongs. */
static size_t find(const struct rt_metrics *m, const char *name, bool *out_found)
{
    size_t low = 0, high = m->list.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(m->list.v[mid].name, name);
        if (order == 0) {
            *out_found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *out_found = false;
    return low;
}

static struct metric *find_or_insert(struct rt_metrics *m, const char *name)
{
    bool found = false;
    size_t at = find(m, name, &found);
    if (found) {
        return &m->list.v[at];
    }
    const struct metric fresh = {.name = mu_xstrdup(name), .value = 0};
    MU_VEC_INSERT(&m->list, at, fresh);
    return &m->list.v[at];
}

void rt_metrics_add(struct rt_metrics *m, const char *name, double delta)
{
    find_or_insert(m, name)->value += delta;
}

void rt_metrics_set(struct rt_metrics *m, const char *name, double value)
{
    find_or_insert(m, name)->value = value;
}

void rt_metrics_each(const struct rt_metrics *m,
                     void (*cb)(void *arg, const char *name, double value),
                     void *arg)
{
    for (size_t i = 0; i < m->list.count; i++) {
        cb(arg, m->list.v[i].name, m->list.v[i].value);
    }
}
