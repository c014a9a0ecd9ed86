/* The store of apps: current definitions (the tree), their versions, the service ports
 * they use, and the entry each app has while anything of it is left.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/internal.h"

struct sched_app *app_get(const struct scheduler *s, const char *id)
{
    return mu_omap_get(&s->apps, id);
}

struct sched_app *app_make(struct scheduler *s, const char *id)
{
    struct sched_app *a = app_get(s, id);
    if (a == NULL) {
        a = MU_NEW(struct sched_app);
        a->id = mu_xstrdup(id);
        mu_list_init(&a->launch.link);
        mu_list_init(&a->dirty);
        a->launch.timer.kind = TIMER_APP;
        a->walk_timer.kind = TIMER_WALK;
        mu_omap_put(&s->apps, id, a);
    }
    return a;
}

void app_mark_dirty(struct scheduler *s, struct sched_app *a)
{
    if (!mu_list_linked(&a->dirty)) {
        mu_list_append(&s->dirty_apps, &a->dirty);
    }
}

void app_drop_versions(struct sched_app *a)
{
    for (size_t i = 0; i < a->versions.count; i++) {
        mu_app_unref(a->versions.v[i]);
    }
    MU_VEC_RELEASE(&a->versions);
}

void app_free(struct scheduler *s, struct sched_app *a)
{
    MU_PRE(a->tasks.count == 0);
    queue_want(s, a, NULL, 0);
    timer_set(s, &a->launch.timer, MU_NEVER_MS);
    timer_set(s, &a->walk_timer, MU_NEVER_MS);
    mu_list_remove(&a->dirty);
    mu_omap_remove(&s->apps, a->id);
    app_drop_versions(a);
    mu_app_unref(a->def);
    failure_release(a->failure);
    delay_release(a->launch.loaded);
    mu_omap_release(&a->tasks);
    free(a->id);
    free(a);
}

void app_free_if_idle(struct scheduler *s, struct sched_app *a)
{
    if (a->def == NULL && a->tasks.count == 0 && a->deployment == NULL) {
        app_free(s, a);
    }
}

/* ---- versions ---- */

static size_t version_place(const struct sched_app *a, int64_t version_ms)
{
    size_t i = a->versions.count;
    while (i > 0 && a->versions.v[i - 1]->version_ms >= version_ms) {
        i--;
    }
    return i;
}

const struct mu_app *app_version(const struct sched_app *a, int64_t version_ms)
{
    size_t i = version_place(a, version_ms);
    bool found = i < a->versions.count && a->versions.v[i]->version_ms == version_ms;
    return found ? a->versions.v[i] : NULL;
}

void app_add_version(struct sched_app *a, const struct mu_app *def)
{
    size_t i = version_place(a, def->version_ms);
    if (i < a->versions.count && a->versions.v[i]->version_ms == def->version_ms) {
        mu_app_unref(a->versions.v[i]);
        a->versions.v[i] = mu_app_ref(def);
        return;
    }
    const struct mu_app *ref = mu_app_ref(def);
    MU_VEC_INSERT(&a->versions, i, ref);
}

void app_drop_version(struct sched_app *a, int64_t version_ms)
{
    size_t i = version_place(a, version_ms);
    if (i < a->versions.count && a->versions.v[i]->version_ms == version_ms) {
        mu_app_unref(a->versions.v[i]);
        MU_VEC_REMOVE(&a->versions, i);
    }
}

static bool is_in_use(const struct sched_app *a, const struct mu_app *version)
{
    const struct mu_app *from =
        a->deployment != NULL ? a->deployment->changes[a->change].from : NULL;
    if (from != NULL && from->version_ms == version->version_ms) {
        return true;
    }
    if (a->def != NULL && a->def->version_ms == version->version_ms) {
        return true;
    }
    mu_omap_foreach (e, &a->tasks) {
        const struct sched_task *t = e->value;
        if (t->version_ms == version->version_ms) {
            return true;
        }
    }
    return false;
}

void app_prunable(const struct scheduler *s,
                  const struct sched_app *a,
                  struct app_versions *out)
{
    size_t after = a->versions.count + 1;
    size_t surplus = after > s->cfg.max_versions ? after - s->cfg.max_versions : 0;
    for (size_t i = 0; i < a->versions.count && out->count < surplus; i++) {
        if (!is_in_use(a, a->versions.v[i])) {
            MU_VEC_PUSH(out, mu_app_ref(a->versions.v[i]));
        }
    }
}

int64_t scheduler_next_version(struct scheduler *s)
{
    int64_t next = s->last_version_ms + 1;
    s->last_version_ms = s->now.wall_ms > next ? s->now.wall_ms : next;
    return s->last_version_ms;
}

/* ---- service ports ---- */

static size_t service_port_count(const struct mu_app *app)
{
    return ports_defined(app);
}

static uint16_t service_port(const struct mu_app *app, size_t i)
{
    return app->network_mode == MU_APP_NET_HOST ? app->ports[i].port
                                                : app->mappings[i].service_port;
}

static void set_service_port(struct mu_app *app, size_t i, uint16_t port)
{
    if (app->network_mode == MU_APP_NET_HOST) {
        app->ports[i].port = port;
    } else {
        app->mappings[i].service_port = port;
    }
}

static bool in_range(const struct scheduler *s, uint16_t port)
{
    return port >= s->cfg.local_port_min && port < s->cfg.local_port_max;
}

static void
count_ports(const struct scheduler *s, const struct mu_app *app, uint32_t *uses, int by)
{
    for (size_t i = 0; i < service_port_count(app); i++) {
        uint16_t port = service_port(app, i);
        if (in_range(s, port)) {
            size_t at = (size_t)(port - s->cfg.local_port_min);
            uses[at] += (uint32_t)by;
        }
    }
}

static bool has_service_port(const struct mu_app *app, uint16_t port)
{
    for (size_t i = 0; i < service_port_count(app); i++) {
        if (service_port(app, i) == port) {
            return true;
        }
    }
    return false;
}

/* A port of the old definition that the new one does not use yet; 0: none. */
static uint16_t reusable_port(const struct scheduler *s,
                              const struct mu_app *app,
                              const struct mu_app *old)
{
    for (size_t i = 0; old != NULL && i < service_port_count(old); i++) {
        uint16_t port = service_port(old, i);
        if (in_range(s, port) && !has_service_port(app, port)) {
            return port;
        }
    }
    return 0;
}

static uint16_t lowest_free_port(const struct scheduler *s, const uint32_t *uses)
{
    for (size_t i = 0; i < s->port_range; i++) {
        if (uses[i] == 0) {
            return (uint16_t)(s->cfg.local_port_min + i);
        }
    }
    return 0;
}

int app_assign_ports(const struct scheduler *s,
                     struct mu_app *app,
                     const struct mu_app *old,
                     uint32_t *uses,
                     struct mu_error *err)
{
    count_ports(s, app, uses, 1);
    for (size_t i = 0; i < service_port_count(app); i++) {
        if (service_port(app, i) != 0) {
            continue;
        }
        uint16_t port = reusable_port(s, app, old);
        port = port != 0 ? port : lowest_free_port(s, uses);
        if (port == 0) {
            return mu_fail(err, MU_E_LIMIT,
                           "All ports in the range [%u-%u) are already in use",
                           s->cfg.local_port_min, s->cfg.local_port_max);
        }
        set_service_port(app, i, port);
        uses[port - s->cfg.local_port_min]++;
    }
    return 0;
}

/* ---- the tree ---- */

/* Which tasks are of an older configuration may have changed. */
static void recount(struct scheduler *s, struct sched_app *a)
{
    mu_omap_foreach (e, &a->tasks) {
        task_touch(s, e->value);
    }
}

void app_define(struct scheduler *s, struct sched_app *a, const struct mu_app *def)
{
    const struct mu_app *before = a->def;
    if (before != NULL) {
        count_ports(s, before, s->port_uses, -1);
        (void)mu_omap_remove(&s->tree, a->id);
    }
    a->def = def != NULL ? mu_app_ref(def) : NULL;
    if (def != NULL) {
        count_ports(s, def, s->port_uses, 1);
        mu_omap_put(&s->tree, a->id, mu_app_ref(def));
        app_add_version(a, def);
    } else {
        app_drop_versions(a);
        failure_release(a->failure);
        a->failure = NULL;
    }
    if (def == NULL || before == NULL || before->last_config_ms != def->last_config_ms) {
        queue_reset(s, a);
    }
    if (before != NULL) {
        mu_app_unref(before); /* the tree's */
    }
    mu_app_unref(before);
    recount(s, a);
    app_mark_dirty(s, a);
}
