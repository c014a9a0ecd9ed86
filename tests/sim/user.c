/* The user: creates, scales, changes, restarts and deletes apps, kills tasks, and
 * remembers what was acknowledged. One command per app at a time. */
#include "sim.h"

#include <string.h>

static const char *const commands[] = {"forever 1", "forever 2", "forever 3", "flaky 1",
                                       "flaky 2"};

static void copy(char *out, const char *text)
{
    (void)snprintf(out, 32, "%s", text);
}

void sim_user_reply(struct sim *s, uint64_t token, const struct scheduler_reply *reply)
{
    for (size_t i = 0; i < s->app_count; i++) {
        struct app_truth *t = &s->apps[i];
        if (t->token == 0 || t->token != token) {
            continue;
        }
        t->token = 0;
        sim_story(s, "the user is answered %d for %s", reply->status, t->id);
        if (reply->status == 0) {
            sim_check_acknowledged(s, t);
        }
        if (reply->status == 0 && !sim_chance(s, s->faults.lost_reply)) {
            s->acknowledged++;
            t->exists = t->want_exists;
            t->instances = t->want_instances;
            copy(t->cmd, t->want_cmd);
            t->unsure = false;
        } else if (reply->status == MU_E_NOT_FOUND || reply->status == MU_E_EXISTS ||
                   reply->status == MU_E_CONFLICT || reply->status == MU_E_INVALID ||
                   reply->status == MU_E_LIMIT) {
            return; /* refused: nothing has changed */
        } else {
            t->unsure = true; /* the registry did not say */
            t->maybe_exists = t->want_exists;
            t->maybe_instances = t->want_instances;
            copy(t->maybe_cmd, t->want_cmd);
        }
    }
}

/* No answer will come: each command under way may have been stored or not. */
void sim_user_master_died(struct sim *s, size_t k)
{
    for (size_t i = 0; i < s->app_count; i++) {
        struct app_truth *t = &s->apps[i];
        if (t->token != 0 && t->asked == k) {
            t->token = 0;
            t->unsure = true;
            t->maybe_exists = t->want_exists;
            t->maybe_instances = t->want_instances;
            copy(t->maybe_cmd, t->want_cmd);
        }
    }
}

struct seen {
    struct mu_app *app; /* a copy */
};

static void take_app(void *arg, const void *row)
{
    struct seen *seen = arg;
    seen->app = mu_app_clone(((const struct mu_app_row *)row)->app);
}

static struct mu_app *look_up(struct sim *s, size_t k, const char *id)
{
    struct seen seen = {0};
    (void)scheduler_query(s->masters[k].scheduler, &s->now, MU_Q_APPS, id, take_app,
                          &seen);
    return seen.app;
}

static void submit(struct sim *s, struct app_truth *t, struct mu_command_request *cmd)
{
    cmd->struct_size = sizeof(*cmd);
    cmd->force = sim_rand(s, 0, 1) == 0;
    cmd->client_ip = "10.0.0.2";
    cmd->uri = "/v2/apps";
    t->token = ++s->command_token;
    s->commands++;
    sim_story(s, "the user wants %s: %s, %u instances of '%s'", t->id,
              t->want_exists ? "there" : "gone", t->want_instances, t->want_cmd);
    sim_command(s, t->asked, cmd, t->token);
}

static void put(struct sim *s, struct app_truth *t, struct mu_app *app)
{
    const struct mu_app *apps[] = {app};
    struct mu_command_request cmd = {
        .type = MU_CMD_APPS_PUT, .apps = apps, .app_count = 1};
    t->want_exists = true;
    t->want_instances = app->instances;
    copy(t->want_cmd, app->cmd);
    submit(s, t, &cmd);
}

static void create(struct sim *s, struct app_truth *t)
{
    struct mu_app *app = mu_app_create();
    mu_text_set(&app->id, t->id);
    mu_text_set(&app->cmd, commands[sim_rand(s, 0, MU_COUNT_OF(commands) - 1)]);
    app->instances = (uint32_t)sim_rand(s, 0, 3);
    app->cpus_milli = 100;
    app->mem_milli = 64000;
    static const uint32_t shares[] = {0, 500000, 1000000};
    app->upgrade.min_health_ppm = shares[sim_rand(s, 0, 2)];
    app->upgrade.max_over_ppm = shares[sim_rand(s, 0, 2)];
    if (sim_rand(s, 0, 2) == 0) {
        mu_app_add_port(app)->protocol = mu_xstrdup("tcp");
    }
    put(s, t, app);
    mu_app_unref(app);
}

struct victim {
    char id[MU_ID_MAX];
};

static void take_task(void *arg, const void *row)
{
    struct victim *v = arg;
    (void)snprintf(v->id, sizeof(v->id), "%s", ((const struct mu_app_task_row *)row)->id);
}

/* Kill without scaling: it is replaced, the app stays as it is. */
static void kill_one(struct sim *s, struct app_truth *t, const struct mu_app *app)
{
    struct victim v = {{0}};
    (void)scheduler_query(s->masters[t->asked].scheduler, &s->now, MU_Q_APP_TASKS, t->id,
                          take_task, &v);
    const char *ids[] = {v.id};
    struct mu_command_request cmd = {
        .type = MU_CMD_TASKS_KILL, .ids = ids, .id_count = 1};
    if (v.id[0] != '\0') {
        t->want_exists = true;
        t->want_instances = app->instances;
        copy(t->want_cmd, app->cmd);
        submit(s, t, &cmd);
    }
}

static void change(struct sim *s, struct app_truth *t, struct mu_app *app)
{
    const char *ids[] = {t->id};
    struct mu_command_request cmd = {.ids = ids, .id_count = 1};
    uint64_t roll = sim_rand(s, 0, 9);
    t->want_exists = true;
    t->want_instances = app->instances;
    copy(t->want_cmd, app->cmd);
    if (roll < 4) {
        app->instances = (uint32_t)sim_rand(s, 0, 4);
        put(s, t, app);
    } else if (roll < 6) {
        mu_text_set(&app->cmd, commands[sim_rand(s, 0, MU_COUNT_OF(commands) - 1)]);
        put(s, t, app);
    } else if (roll == 6) {
        cmd.type = MU_CMD_APP_RESTART;
        submit(s, t, &cmd);
    } else if (roll == 7) {
        t->want_exists = false;
        cmd.type = MU_CMD_APP_DELETE;
        submit(s, t, &cmd);
    } else {
        kill_one(s, t, app);
    }
}

static void on_user(struct sim *s, struct event *e)
{
    (void)e;
    if (s->user_off) {
        return;
    }
    sim_later(s, sim_rand(s, 200, 20000), "user", on_user);
    struct app_truth *t = &s->apps[sim_rand(s, 0, s->app_count - 1)];
    size_t k = sim_ready(s);
    if (k == MASTERS_MAX || t->token != 0) {
        return;
    }
    t->asked = k;
    struct mu_app *app = look_up(s, k, t->id);
    if (t->unsure) { /* look which of the two it became, as a careful user does */
        t->exists = app != NULL;
        t->instances = app == NULL ? 0 : app->instances;
        copy(t->cmd, app == NULL ? "" : app->cmd);
        t->unsure = false;
    }
    if (app == NULL) {
        create(s, t);
    } else {
        change(s, t, app);
    }
    mu_app_unref(app);
}

void sim_user_start(struct sim *s)
{
    for (size_t i = 0; i < s->app_count; i++) {
        (void)snprintf(s->apps[i].id, sizeof(s->apps[i].id),
                       i % 2 == 0 ? "/app%zu" : "/group/app%zu", i);
    }
    sim_later(s, 1000, "user", on_user);
}
