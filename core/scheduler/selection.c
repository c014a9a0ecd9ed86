/* The even distribution comes from counting values again after each pick: victims are
 * few, and the numbers stay simple to follow.
 */
#include "scheduler/selection.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "scheduler/constraints.h"

uint32_t selection_rank(uint32_t task_state)
{
    static const uint32_t order[] = {MU_TASK_UNREACHABLE, MU_TASK_STAGING,
                                     MU_TASK_STARTING, MU_TASK_RUNNING};
    uint32_t n = sizeof(order) / sizeof(order[0]);
    for (uint32_t i = 0; i < n; i++) {
        if (order[i] == task_state) {
            return i;
        }
    }
    return n;
}

/* Instances that never started are the youngest of all. Among the others the order of
 * launching decides: when they started is told by the clocks of their agents. */
static int compare_age(const struct selection_item *x, const struct selection_item *y)
{
    if ((x->started_ms != 0) != (y->started_ms != 0)) {
        return x->started_ms != 0 ? -1 : 1;
    }
    int64_t a = x->staged_ms, b = y->staged_ms;
    if (a == b) {
        a = x->started_ms;
        b = y->started_ms;
    }
    return a < b ? -1 : a > b;
}

static int
compare(const struct selection_item *x, const struct selection_item *y, bool oldest_first)
{
    if (x->listed != y->listed) {
        return x->listed ? -1 : 1;
    }
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    int age = compare_age(x, y);
    if (age != 0) {
        return oldest_first ? age : -age;
    }
    return strcmp(x->id, y->id);
}

static int compare_youngest(const void *a, const void *b)
{
    return compare(a, b, false);
}

static int compare_oldest(const void *a, const void *b)
{
    return compare(a, b, true);
}

struct group {
    const char *value;
    size_t count;
};
struct groups { /* one distribution */
    struct group *v;
    size_t count, cap;
};

static const char *group_value(const struct mu_constraint *c,
                               const struct selection_item *item)
{
    const char *value = constraint_field_value(c->field, item->host, item->attributes);
    return value != NULL ? value : "";
}

static void groups_count(const struct mu_constraint *c,
                         const struct selection_item *items,
                         size_t count,
                         struct groups *out)
{
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = group_value(c, &items[i]);
        size_t g = 0;
        while (g < out->count && strcmp(out->v[g].value, value) != 0) {
            g++;
        }
        if (g == out->count) {
            MU_VEC_PUSH(out, ((struct group){.value = value}));
        }
        out->v[g].count++;
    }
}

static size_t spread(const struct groups *g, const char *without)
{
    size_t low = SIZE_MAX, high = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t n = g->v[i].count;
        if (without != NULL && strcmp(g->v[i].value, without) == 0) {
            n--;
        }
        low = n < low ? n : low;
        high = n > high ? n : high;
    }
    return g->count == 0 ? 0 : high - low;
}

static size_t size_of(const struct groups *g, const char *value)
{
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->v[i].value, value) == 0) {
            return g->v[i].count;
        }
    }
    return 0;
}

static void move_to(struct selection_item *items, size_t from, size_t to)
{
    struct selection_item picked = items[from];
    memmove(&items[to + 1], &items[to], (from - to) * sizeof(*items));
    items[to] = picked;
}

/* May item go without unbalancing a distribution? *out_size: its largest group. */
static bool is_legal(const struct mu_app *app,
                     const struct groups *dist,
                     const struct selection_item *item,
                     size_t *out_size)
{
    *out_size = 0;
    for (size_t c = 0; c < app->constraint_count; c++) {
        if (app->constraints[c].op != MU_OP_GROUP_BY) {
            continue;
        }
        const char *value = group_value(&app->constraints[c], item);
        size_t before = spread(&dist[c], NULL), after = spread(&dist[c], value);
        if (after > 1 && after >= before) {
            return false;
        }
        size_t here = size_of(&dist[c], value);
        *out_size = here > *out_size ? here : *out_size;
    }
    return true;
}

/* Pick one more victim for place `at`, from the largest group; false: none is legal. dist
 * is scratch, one per constraint. */
static bool pick_even(const struct mu_app *app,
                      struct selection_item *items,
                      size_t count,
                      size_t at,
                      struct groups *dist)
{
    for (size_t c = 0; c < app->constraint_count; c++) {
        groups_count(&app->constraints[c], items + at, count - at, &dist[c]);
    }
    size_t best = SIZE_MAX, best_size = 0;
    for (size_t i = at; i < count; i++) {
        size_t size;
        if (is_legal(app, dist, &items[i], &size) && size > best_size) {
            best = i;
            best_size = size;
        }
    }
    if (best == SIZE_MAX) {
        return false;
    }
    move_to(items, best, at);
    return true;
}

static bool has_group_by(const struct mu_app *app)
{
    for (size_t i = 0; i < app->constraint_count; i++) {
        if (app->constraints[i].op == MU_OP_GROUP_BY) {
            return true;
        }
    }
    return false;
}

size_t selection_pick(const struct mu_app *app,
                      struct selection_item *items,
                      size_t count,
                      size_t keep)
{
    if (count == 0) {
        return 0;
    }
    qsort(items, count, sizeof(*items),
          app->kill_oldest_first ? compare_oldest : compare_youngest);
    size_t listed = 0;
    while (listed < count && items[listed].listed) {
        listed++;
    }
    size_t victims = count > keep ? count - keep : 0;
    victims = victims > listed ? victims : listed;
    if (victims < count && has_group_by(app)) {
        struct groups *dist = mu_xcalloc(app->constraint_count, sizeof(*dist));
        for (size_t at = listed; at < victims; at++) {
            if (!pick_even(app, items, count, at, dist)) {
                break;
            }
        }
        for (size_t c = 0; c < app->constraint_count; c++) {
            MU_VEC_RELEASE(&dist[c]);
        }
        free(dist);
    }
    return victims;
}
