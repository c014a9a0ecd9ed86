/* The user: creates, scales, changes, restarts and deletes apps, kills tasks, and
 * remembers what was acknowledged. One command per app at a time. Some go to a standby,
 * which passes them on to the leader that it knows of, as docs/high-availability.md says:
 * a command that has reached nobody is tried again with the next leader, for a while; one
 * that has reached a leader is not. */
#include "sim.h"

#include <string.h>

static const char *const commands[] = {"forever 1", "forever 2", "forever 3", "flaky 1",
                                       "flaky 2"};

static void copy(char *out, const char *text)
{
    (void)snprintf(out, 32, "%s", text);
}

#define TRIES_MAX 40
#define TRY_AGAIN_MS 500

static void end_wish(struct app_truth *t)
{
    t->token = 0;
    mu_app_unref(t->wish.app);
    t->wish = (struct user_command){0};
}

/* No answer will come: the command under way may have been stored or not. */
static void be_unsure(struct app_truth *t)
{
    end_wish(t);
    t->unsure = true;
    t->maybe_exists = t->want_exists;
    t->maybe_instances = t->want_instances;
    memcpy(t->maybe_cmd, t->want_cmd, sizeof(t->maybe_cmd));
}

/* The standby that was asked is there, and reaches the leader. */
static bool passes(const struct sim *s, const struct app_truth *t)
{
    return s->masters[t->via].up && !sim_is_cut(s, t->via) && !sim_is_cut(s, t->asked) &&
           !sim_apart(s, t->asked, t->via);
}

void sim_user_reply(struct sim *s, uint64_t token, const struct scheduler_reply *reply)
{
    for (size_t i = 0; i < s->app_count; i++) {
        struct app_truth *t = &s->apps[i];
        if (t->token == 0 || t->token != token) {
            continue;
        }
        if (reply->status == 0) {
            sim_check_acknowledged(s, t);
        }
        if (t->via != MASTERS_MAX && !passes(s, t)) {
            be_unsure(t); /* the answer has not come through */
            return;
        }
        end_wish(t);
        sim_story(s, "the user is answered %d for %s", reply->status, t->id);
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
            be_unsure(t); /* the registry did not say */
        }
    }
}

/* By the leader, or by the standby that was to pass them on. */
void sim_user_master_died(struct sim *s, size_t k)
{
    for (size_t i = 0; i < s->app_count; i++) {
        struct app_truth *t = &s->apps[i];
        if (t->token != 0 && (t->asked == k || (t->via == k && !s->masters[k].up))) {
            be_unsure(t);
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

static void execute(struct sim *s, struct app_truth *t)
{
    const struct user_command wish = t->wish; /* the answer may come at once */
    const struct mu_app *apps[] = {wish.app};
    const char *ids[] = {wish.type == MU_CMD_TASKS_KILL ? wish.task : t->id};
    bool is_put = wish.type == MU_CMD_APPS_PUT;
    const struct mu_command_request cmd = {
        .struct_size = sizeof(cmd),
        .type = wish.type,
        .apps = is_put ? apps : NULL,
        .app_count = is_put,
        .ids = is_put ? NULL : ids,
        .id_count = !is_put,
        .force = wish.force,
        .client_ip = "10.0.0.2",
        .uri = "/v2/apps",
    };
    if (wish.app != NULL) {
        (void)mu_app_ref(wish.app);
    }
    sim_command(s, t->asked, &cmd, t->token);
    mu_app_unref(wish.app);
}

/* A standby passes on what it was asked for to the leader that it knows. */
static void on_pass(struct sim *s, struct event *e)
{
    struct app_truth *t = &s->apps[e->agent];
    if (!sim_master_runs(s, e) || t->token != e->token) {
        return;
    }
    size_t k = s->masters[e->master].told_leader;
    bool reached = k != MASTERS_MAX && s->masters[k].up && !sim_is_cut(s, k) &&
                   !sim_is_cut(s, e->master) && !sim_apart(s, k, e->master);
    bool frozen = reached && s->masters[k].frozen_until > s->now.mono_ms;
    if (frozen || !reached || !sim_takes(s, k)) { /* nobody has it yet */
        if (++t->wish.tries > TRIES_MAX) {
            end_wish(t); /* 503: nothing has changed */
            return;
        }
        struct event *again =
            sim_master_later(s, e->master, TRY_AGAIN_MS, "pass", on_pass);
        again->agent = e->agent;
        again->token = e->token;
        return;
    }
    s->passed_on++;
    t->asked = k;
    execute(s, t);
}

/* A master that stands by, lives and can be asked; MASTERS_MAX: none. */
static size_t a_standby(struct sim *s, size_t leader)
{
    size_t k = sim_rand(s, 0, s->master_count - 1);
    const struct master_node *n = &s->masters[k];
    bool fits =
        k != leader && n->up && n->frozen_until <= s->now.mono_ms && !sim_is_cut(s, k);
    return fits ? k : MASTERS_MAX;
}

static void submit(struct sim *s, struct app_truth *t)
{
    t->wish.force = sim_rand(s, 0, 1) == 0;
    t->token = ++s->command_token;
    s->commands++;
    sim_story(s, "the user wants %s: %s, %u instances of '%s'", t->id,
              t->want_exists ? "there" : "gone", t->want_instances, t->want_cmd);
    t->via = sim_chance(s, s->faults.by_standby) ? a_standby(s, t->asked) : MASTERS_MAX;
    if (t->via == MASTERS_MAX) {
        execute(s, t);
        return;
    }
    struct event *e = sim_master_later(s, t->via, sim_rand(s, 0, 20), "pass", on_pass);
    e->agent = (size_t)(t - s->apps);
    e->token = t->token;
    t->asked = MASTERS_MAX; /* nobody yet */
}

static void put(struct sim *s, struct app_truth *t, struct mu_app *app)
{
    t->wish.type = MU_CMD_APPS_PUT;
    t->wish.app = app;
    (void)mu_app_ref(app);
    t->want_exists = true;
    t->want_instances = app->instances;
    copy(t->want_cmd, app->cmd);
    submit(s, t);
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
    if (v.id[0] != '\0') {
        t->want_exists = true;
        t->want_instances = app->instances;
        copy(t->want_cmd, app->cmd);
        t->wish.type = MU_CMD_TASKS_KILL;
        memcpy(t->wish.task, v.id, sizeof(v.id));
        submit(s, t);
    }
}

static void change(struct sim *s, struct app_truth *t, struct mu_app *app)
{
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
        t->wish.type = MU_CMD_APP_RESTART;
        submit(s, t);
    } else if (roll == 7) {
        t->want_exists = false;
        t->wish.type = MU_CMD_APP_DELETE;
        submit(s, t);
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

void sim_user_release(struct sim *s)
{
    for (size_t i = 0; i < APPS_MAX; i++) {
        mu_app_unref(s->apps[i].wish.app);
        s->apps[i].wish.app = NULL;
    }
}
