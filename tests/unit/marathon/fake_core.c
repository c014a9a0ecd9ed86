/* The core's half of fake.h: tables, commands that wait, one watch. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void fake_core_init(struct fake *f);
void fake_core_release(struct fake *f);

static struct fake *of(const struct mu_core *c)
{
    return c->impl;
}

/* ---- state ---- */

struct fake_app *fake_find_app(struct fake *f, const char *id)
{
    for (size_t i = 0; i < f->app_count; i++) {
        if (strcmp(f->apps[i].app->id, id) == 0) {
            return &f->apps[i];
        }
    }
    return NULL;
}

static int compare_apps(const void *a, const void *b)
{
    const struct fake_app *x = a, *y = b;
    return strcmp(x->app->id, y->app->id);
}

/* Takes the reference. */
static struct fake_app *put_app(struct fake *f, struct mu_app *app)
{
    struct fake_app *a = fake_find_app(f, app->id);
    if (a == NULL) {
        assert_true(f->app_count < sizeof(f->apps) / sizeof(f->apps[0]));
        a = &f->apps[f->app_count++];
    }
    assert_true(a->version_count < 8);
    memmove(&a->versions[1], a->versions, a->version_count * sizeof(a->versions[0]));
    a->app = a->versions[0] = app;
    a->version_count++;
    char id[MU_APP_ID_MAX];
    snprintf(id, sizeof(id), "%s", app->id);
    qsort(f->apps, f->app_count, sizeof(f->apps[0]), compare_apps);
    return fake_find_app(f, id);
}

static void release_app(struct fake_app *a)
{
    for (size_t i = 0; i < a->version_count; i++) {
        mu_app_unref(a->versions[i]);
    }
    for (size_t i = 0; i < a->task_count; i++) {
        free(a->tasks[i].id);
        free(a->tasks[i].host);
        free(a->tasks[i].ip);
    }
}

static void delete_app(struct fake *f, const char *id)
{
    struct fake_app *a = fake_find_app(f, id);
    assert_non_null(a);
    release_app(a);
    size_t at = (size_t)(a - f->apps);
    memmove(a, a + 1, (f->app_count - at - 1) * sizeof(*a));
    f->app_count--;
    memset(&f->apps[f->app_count], 0, sizeof(*a));
}

struct fake_app *fake_add_app(struct fake *f, const char *definition)
{
    struct mu_app *app = kit_app(definition, NULL);
    app->version_ms = app->last_scaling_ms = app->last_config_ms = f->version_ms++;
    return put_app(f, app);
}

struct fake_task *fake_add_task(struct fake *f,
                                const char *app_id,
                                const char *task_id,
                                uint32_t state,
                                const char *host,
                                uint16_t port)
{
    struct fake_app *a = fake_find_app(f, app_id);
    assert_non_null(a);
    struct fake_task *t = &a->tasks[a->task_count++];
    t->id = mu_xstrdup(task_id);
    t->host = mu_xstrdup(host);
    t->ip = mu_xstrdup("10.1.1.1");
    t->ports[0] = port;
    t->row = (struct mu_app_task_row){
        .state = state,
        .staged_ms = FAKE_WALL_MS,
        .started_ms = state == MU_TASK_RUNNING ? FAKE_WALL_MS + 1 : 0,
        .version_ms = a->app->version_ms,
        .port_count = port != 0,
    };
    return t;
}

/* ---- queries ---- */

static void show_app(const struct fake_app *a, mu_row_cb cb, void *arg)
{
    struct mu_app_row row = {.app = a->app,
                             .deployments = a->deployments,
                             .deployment_count = a->deployment_count,
                             .last_failure = a->failure};
    for (size_t i = 0; i < a->task_count; i++) {
        row.staged += a->tasks[i].row.state == MU_TASK_STAGING;
        row.running += a->tasks[i].row.state == MU_TASK_RUNNING;
    }
    cb(arg, &row);
}

static void show_tasks(struct fake_app *a, mu_row_cb cb, void *arg)
{
    for (size_t i = 0; i < a->task_count; i++) {
        struct fake_task *t = &a->tasks[i];
        struct mu_app_task_row row = t->row;
        row.id = t->id;
        row.app_id = a->app->id;
        row.agent_id = "S0";
        row.host = t->host;
        row.ip = t->ip;
        row.ports = t->ports;
        row.app = a->app;
        cb(arg, &row);
    }
}

static int
query_app(struct fake *f, uint32_t type, struct fake_app *a, mu_row_cb cb, void *arg)
{
    (void)f;
    switch (type) {
    case MU_Q_APPS:
        show_app(a, cb, arg);
        return 1;
    case MU_Q_APP_TASKS:
        show_tasks(a, cb, arg);
        return (int)a->task_count;
    default:
        for (size_t i = 0; i < a->version_count; i++) {
            struct mu_app_row row = {.app = a->versions[i]};
            cb(arg, &row);
        }
        return (int)a->version_count;
    }
}

static int
query_apps(struct fake *f, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    struct fake_app *one = key == NULL ? NULL : fake_find_app(f, key);
    if (key != NULL) {
        return one != NULL                 ? query_app(f, type, one, cb, arg)
               : type == MU_Q_APP_VERSIONS ? MU_E_NOT_FOUND
                                           : 0;
    }
    for (size_t i = 0; i < f->app_count; i++) {
        query_app(f, type, &f->apps[i], cb, arg);
    }
    return (int)f->app_count;
}

static int query_self(struct fake *f, uint32_t type, mu_row_cb cb, void *arg)
{
    const struct mu_member leader = {.struct_size = sizeof(leader),
                                     .id = "m-other",
                                     .hostname = f->leader_host,
                                     .ip = f->leader_ip,
                                     .port = 5050,
                                     .app_port = f->leader_is_foreign ? 0 : 8081};
    const struct mu_scheduler_row scheduler = {.framework_id = "fw-1",
                                               .connected = true,
                                               .recovered = f->recovered,
                                               .name = "marathon",
                                               .role = f->role};
    const struct mu_master_row master = {.id = "m-us",
                                         .leading = f->leads,
                                         .leader =
                                             f->leader_host != NULL ? &leader : NULL};
    const struct mu_process_row process = {
        .version = "9.9", .hostname = "us", .marathon_port = 8080};
    const struct mu_flag_row flag_rows[] = {{"zk", "zk://me:secret@z1:2181/mesos"},
                                            {"hostname", "us"},
                                            {"failover_timeout", "99"}};
    switch (type) {
    case MU_Q_SCHEDULER:
        cb(arg, &scheduler);
        return 1;
    case MU_Q_MASTER:
        cb(arg, &master);
        return 1;
    case MU_Q_PROCESS:
        cb(arg, &process);
        return 1;
    case MU_Q_REGISTRY: {
        const struct mu_registry_row row = {.store = "apps",
                                            .plugin = "fake",
                                            .waiting_for = f->registry_why,
                                            .details = "{}",
                                            .details_len = 2};
        cb(arg, &row);
        return 1;
    }
    default:
        assert_int_equal(type, MU_Q_FLAGS);
        for (size_t i = 0; i < 3; i++) {
            cb(arg, &flag_rows[i]);
        }
        return 3;
    }
}

static int core_query(
    const struct mu_core *c, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    struct fake *f = of(c);
    if (type < MU_Q_MASTER && !f->leads) {
        return MU_E_NOT_LEADER;
    }
    if (type < MU_Q_SCHEDULER && !f->recovered) {
        return MU_E_UNAVAILABLE;
    }
    switch (type) {
    case MU_Q_APPS:
    case MU_Q_APP_TASKS:
    case MU_Q_APP_VERSIONS:
        return query_apps(f, type, key, cb, arg);
    case MU_Q_DEPLOYMENTS:
        for (size_t i = 0; i < f->deployment_count; i++) {
            cb(arg, &f->deployments[i]);
        }
        return (int)f->deployment_count;
    case MU_Q_QUEUE:
        for (size_t i = 0; i < f->queue_count; i++) {
            cb(arg, &f->queue[i]);
        }
        return (int)f->queue_count;
    default:
        return query_self(f, type, cb, arg);
    }
}

/* ---- commands ---- */

static int core_submit(const struct mu_core *c,
                       const struct mu_command_request *cmd,
                       mu_command_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    struct fake *f = of(c);
    if (f->submit_code < 0) {
        return mu_fail(err, f->submit_code, "no");
    }
    struct fake_command *k = MU_NEW(struct fake_command);
    k->type = cmd->type;
    assert_true(cmd->app_count <= 16);
    for (size_t i = 0; i < cmd->app_count; i++) {
        k->apps[k->app_count++] = mu_app_ref(cmd->apps[i]);
    }
    for (size_t i = 0; i < cmd->id_count; i++) {
        mu_strings_add(&k->ids, cmd->ids[i]);
    }
    k->force = cmd->force;
    k->scale = cmd->scale;
    k->create_only = cmd->create_only;
    k->client_ip = mu_xstrdup(cmd->client_ip);
    k->uri = mu_xstrdup(cmd->uri);
    k->cb = cb;
    k->arg = arg;
    struct fake_command **at = &f->commands;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = k;
    return 0;
}

struct fake_command *fake_command(struct fake *f)
{
    assert_non_null(f->commands);
    return f->commands;
}

static void answer(struct fake *f, const struct mu_command_result *r)
{
    struct fake_command *k = fake_command(f);
    f->commands = k->next;
    k->cb(k->arg, r);
    for (size_t i = 0; i < k->app_count; i++) {
        mu_app_unref(k->apps[i]);
    }
    mu_strings_release(&k->ids);
    free(k->client_ip);
    free(k->uri);
    free(k);
}

void fake_succeed(struct fake *f)
{
    struct fake_command *k = fake_command(f);
    const struct mu_app *stored[16];
    int64_t version = f->version_ms++;
    for (size_t i = 0; i < k->app_count; i++) {
        struct mu_app *app = mu_app_clone(k->apps[i]);
        app->version_ms = app->last_scaling_ms = app->last_config_ms = version;
        put_app(f, app);
        stored[i] = app;
    }
    for (size_t i = 0; i < k->ids.count; i++) {
        if (k->type == MU_CMD_APP_DELETE || k->type == MU_CMD_APPS_PUT) {
            delete_app(f, k->ids.v[i]);
        }
    }
    bool plain = k->type == MU_CMD_TASKS_KILL && !k->scale;
    const struct mu_command_result r = {
        .struct_size = sizeof(r),
        .version_ms = version,
        .deployment_id = plain ? NULL : "d-1",
        .apps = stored,
        .app_count = k->app_count,
    };
    answer(f, &r);
}

void fake_fail(struct fake *f, int status, const char *text, const char *path)
{
    const struct mu_command_result r = {
        .struct_size = sizeof(r), .status = status, .text = text, .path = path};
    answer(f, &r);
}

void fake_conflict(struct fake *f, const char *deployment)
{
    const char *ids[] = {deployment};
    const struct mu_command_result r = {.struct_size = sizeof(r),
                                        .status = MU_E_CONFLICT,
                                        .text = "locked",
                                        .conflicts = ids,
                                        .conflict_count = 1};
    answer(f, &r);
}

/* ---- events ---- */

static struct mu_watch *core_watch(const struct mu_core *c, mu_event_cb cb, void *arg)
{
    struct fake *f = of(c);
    f->watch_cb = cb;
    f->watch_arg = arg;
    f->watches++;
    return (struct mu_watch *)f;
}

static void core_unwatch(struct mu_watch *w)
{
    struct fake *f = (struct fake *)w;
    f->watch_cb = NULL;
    f->watches--;
}

void fake_emit(struct fake *f, struct mu_event *ev)
{
    ev->struct_size = sizeof(*ev);
    ev->wall_ms = FAKE_WALL_MS;
    if (f->watch_cb != NULL) {
        f->watch_cb(f->watch_arg, ev);
    }
}

void fake_core_init(struct fake *f)
{
    f->core = (struct mu_core){.struct_size = sizeof(struct mu_core),
                               .impl = f,
                               .submit = core_submit,
                               .query = core_query,
                               .watch = core_watch,
                               .unwatch = core_unwatch};
    f->leads = f->recovered = true;
    f->role = "dev";
    f->version_ms = FAKE_WALL_MS;
}

void fake_core_release(struct fake *f)
{
    for (size_t i = 0; i < f->app_count; i++) {
        release_app(&f->apps[i]);
    }
}
