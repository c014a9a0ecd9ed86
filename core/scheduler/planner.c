/* The layers come from a depth-first walk over the dependencies of the changed apps only:
 * a change costs what it touches, not the size of the tree. The walk keeps its own stack,
 * so a long chain of dependencies cannot exhaust the machine's.
 */
#include "scheduler/planner.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/vec.h"

enum visit { VISIT_OPEN = 1, VISIT_DONE };

struct node {
    enum visit visit;
    uint32_t depth; /* length of the longest chain of dependencies */
    const char *id;
    MU_VEC(const char *) deps; /* apps, groups expanded */
    size_t next;
};

struct walk {
    const struct planner_input *in;
    struct mu_map nodes; /* id -> struct node */
    MU_VEC(struct node *) stack;
};

static int compare_changes(const void *a, const void *b)
{
    const struct scheduler_change *x = a, *y = b;
    return strcmp(x->app_id, y->app_id);
}

void planner_sort_changes(struct scheduler_change *changes, size_t count)
{
    if (count > 1) {
        qsort(changes, count, sizeof(*changes), compare_changes);
    }
}

/* Index of the first change whose id is >= id. */
static size_t change_lower_bound(const struct planner_input *in, const char *id)
{
    size_t low = 0, high = in->change_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(in->changes[mid].app_id, id) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static const struct scheduler_change *change_of(const struct planner_input *in,
                                                const char *id)
{
    size_t i = change_lower_bound(in, id);
    bool found = i < in->change_count && strcmp(in->changes[i].app_id, id) == 0;
    return found ? &in->changes[i] : NULL;
}

static const struct mu_app *app_of(const struct planner_input *in, const char *id)
{
    const struct scheduler_change *c = change_of(in, id);
    return c != NULL ? c->to : mu_omap_get(in->tree, id);
}

/* A dependency names an app, or a group that stands for all apps below it. */
static void expand_dependency(struct walk *w, struct node *n, const char *id)
{
    if (app_of(w->in, id) != NULL) {
        MU_VEC_PUSH(&n->deps, id);
        return;
    }
    mu_auto_free char *prefix =
        strcmp(id, "/") == 0 ? mu_xstrdup("/") : mu_xasprintf("%s/", id);
    size_t len = strlen(prefix);
    for (size_t i = change_lower_bound(w->in, prefix); i < w->in->change_count; i++) {
        const struct scheduler_change *c = &w->in->changes[i];
        if (strncmp(c->app_id, prefix, len) != 0) {
            break;
        }
        if (c->to != NULL) {
            MU_VEC_PUSH(&n->deps, c->app_id);
        }
    }
    for (const struct mu_omap_entry *e = mu_omap_lower_bound(w->in->tree, prefix);
         e != NULL && strncmp(e->key, prefix, len) == 0; e = e->next) {
        if (change_of(w->in, e->key) == NULL) {
            MU_VEC_PUSH(&n->deps, e->key);
        }
    }
}

static struct node *node_open(struct walk *w, const char *id, const struct mu_app *app)
{
    struct node *n = MU_NEW(struct node);
    n->visit = VISIT_OPEN;
    n->id = id;
    for (size_t i = 0; i < app->dependencies.count; i++) {
        expand_dependency(w, n, app->dependencies.v[i]);
    }
    mu_map_put(&w->nodes, id, n);
    MU_VEC_PUSH(&w->stack, n);
    return n;
}

/* Visit id and all it depends on. Returns an id on a cycle, or NULL; to plan, a cycle (in
 * a damaged registry only) is cut where it closes. */
static const char *walk_from(struct walk *w, const char *id, bool find_cycle)
{
    const struct mu_app *app = app_of(w->in, id);
    if (app == NULL || mu_map_get(&w->nodes, id) != NULL) {
        return NULL;
    }
    node_open(w, id, app);
    while (w->stack.count > 0) {
        struct node *top = w->stack.v[w->stack.count - 1];
        if (top->next == top->deps.count) {
            top->visit = VISIT_DONE;
            w->stack.count--;
            continue;
        }
        const char *dep_id = top->deps.v[top->next];
        const struct node *dep = mu_map_get(&w->nodes, dep_id);
        if (dep == NULL) {
            node_open(w, dep_id, app_of(w->in, dep_id));
            continue;
        }
        top->next++;
        if (dep->visit == VISIT_OPEN && find_cycle) {
            return dep->id;
        }
        top->depth = top->depth > dep->depth ? top->depth : dep->depth + 1;
    }
    return NULL;
}

static void walk_release(struct walk *w)
{
    mu_map_foreach (e, &w->nodes) {
        struct node *n = e->value;
        MU_VEC_RELEASE(&n->deps);
        free(n);
    }
    mu_map_release(&w->nodes);
    MU_VEC_RELEASE(&w->stack);
}

const char *planner_find_cycle(const struct planner_input *in)
{
    struct walk w = {.in = in};
    const char *found = NULL;
    for (size_t i = 0; i < in->change_count && found == NULL; i++) {
        found = walk_from(&w, in->changes[i].app_id, true);
    }
    walk_release(&w);
    return found;
}

/* The action of a change in its layer; 0: none. */
static uint32_t action_kind(const struct scheduler_change *c, bool has_victims)
{
    if (c->to == NULL) {
        return 0;
    }
    if (c->from == NULL) {
        return c->to->instances > 0 ? MU_ACTION_SCALE : 0;
    }
    bool config = c->restart || !mu_app_same_config(c->from, c->to);
    bool scaled = c->from->instances != c->to->instances || has_victims;
    if (!config) {
        return scaled ? MU_ACTION_SCALE : 0;
    }
    return c->to->instances > 0 ? MU_ACTION_RESTART : MU_ACTION_SCALE;
}

struct layered { /* an action that waits for its step */
    uint32_t layer, kind;
    const char *app_id;
};

static int compare_layered(const void *a, const void *b)
{
    const struct layered *x = a, *y = b;
    if (x->layer != y->layer) {
        return x->layer < y->layer ? -1 : 1;
    }
    return strcmp(x->app_id, y->app_id);
}

#define LAYER_STOP 0u
#define LAYER_START 1u
#define LAYER_FIRST 2u

static void add_steps(struct planner_plan *p, const struct layered *all, size_t count)
{
    size_t begin = 0;
    while (begin < count) {
        size_t end = begin;
        while (end < count && all[end].layer == all[begin].layer) {
            end++;
        }
        struct mu_deployment_action *actions =
            mu_xcalloc(end - begin, sizeof(struct mu_deployment_action));
        for (size_t i = begin; i < end; i++) {
            actions[i - begin] = (struct mu_deployment_action){.kind = all[i].kind,
                                                               .app_id = all[i].app_id};
        }
        p->steps = mu_xrealloc_array(p->steps, p->step_count + 1,
                                     sizeof(struct mu_deployment_step));
        p->steps[p->step_count++] =
            (struct mu_deployment_step){.actions = actions, .count = end - begin};
        begin = end;
    }
}

void planner_plan(const struct planner_input *in, struct planner_plan *out)
{
    *out = (struct planner_plan){0};
    struct walk w = {.in = in};
    MU_VEC(struct layered) all = {0};
    out->affected = mu_xcalloc(in->change_count, sizeof(char *));
    for (size_t i = 0; i < in->change_count; i++) {
        const struct scheduler_change *c = &in->changes[i];
        size_t before = all.count;
        if (c->to == NULL && c->from != NULL) {
            MU_VEC_PUSH(&all, ((struct layered){LAYER_STOP, MU_ACTION_STOP, c->app_id}));
        }
        if (c->to != NULL && c->from == NULL) {
            MU_VEC_PUSH(&all,
                        ((struct layered){LAYER_START, MU_ACTION_START, c->app_id}));
        }
        uint32_t kind = action_kind(c, in->has_victims != NULL && in->has_victims[i]);
        if (kind != 0) {
            (void)walk_from(&w, c->app_id, false);
            const struct node *n = mu_map_get(&w.nodes, c->app_id);
            MU_VEC_PUSH(&all,
                        ((struct layered){LAYER_FIRST + n->depth, kind, c->app_id}));
        }
        if (all.count > before) {
            out->affected[out->affected_count++] = c->app_id;
        }
    }
    if (all.count > 1) {
        qsort(all.v, all.count, sizeof(*all.v), compare_layered);
    }
    add_steps(out, all.v, all.count);
    MU_VEC_RELEASE(&all);
    walk_release(&w);
}

void planner_plan_release(struct planner_plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        free((void *)(uintptr_t)p->steps[i].actions);
    }
    free(p->steps);
    free(p->affected);
    *p = (struct planner_plan){0};
}
