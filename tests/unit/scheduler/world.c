/* The registry, time, crashes and commands of the test's world. */
#include "world.h"

#include <stdio.h>

#include "codec/scheduler_json.h"
#include "domain/message.h"
#include "fake_master.h"

static void pump(struct world *w);

/* ---- registry ---- */

static void drop_record(struct scheduler_record *r)
{
    if (r != NULL) {
        scheduler_record_release(r);
        free(r);
    }
}

/* As the driver does it: to bytes and back, so that only what the registry has comes
 * back. */
static void store(struct world *w, const struct scheduler_record *r)
{
    struct mu_buf key, value;
    mu_buf_init(&key, MU_REGISTRY_KEY_MAX);
    mu_buf_init(&value, 4 * MU_REGISTRY_VALUE_MAX);
    scheduler_record_key(r, &key);
    if (r->remove) {
        drop_record(mu_omap_remove(&w->records, mu_buf_str(&key)));
    } else {
        struct scheduler_record *back = MU_NEW(struct scheduler_record);
        struct mu_error err = {0};
        scheduler_record_encode(&value, r);
        w->largest_value = value.len > w->largest_value ? value.len : w->largest_value;
        if (scheduler_record_decode(mu_buf_str(&key), mu_buf_str(&value), value.len, back,
                                    &err) < 0) {
            fail_msg("%s: %s", mu_buf_str(&key), err.text);
        }
        drop_record(mu_omap_put(&w->records, mu_buf_str(&key), back));
    }
    mu_buf_release(&key);
    mu_buf_release(&value);
}

static void make_durable(struct world *w, struct world_commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        store(w, &c->records[i]);
        scheduler_record_release(&c->records[i]);
    }
    free(c->records);
    w->durable++;
}

static void drop_commit(struct world_commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        scheduler_record_release(&c->records[i]);
    }
    free(c->records);
}

void world_commit_one(struct world *w, int status)
{
    assert_true(w->commits.count > 0);
    struct world_commit c = w->commits.v[0];
    MU_VEC_REMOVE(&w->commits, 0);
    if (status < 0 && status != MU_E_UNKNOWN_OUTCOME) {
        drop_commit(&c);
    } else {
        make_durable(w, &c);
    }
    bool crash = w->crash_at != 0 && w->durable == w->crash_at && status >= 0;
    if (crash && !w->crash_answered) {
        w->crash_at = 0;
        world_crash(w);
        return;
    }
    struct scheduler_event ev = {.type = SCHED_EV_COMMITTED,
                                 .token = c.token,
                                 .status = status,
                                 .text = status < 0 ? "disk is full" : NULL};
    world_step(w, &ev);
    if (crash) {
        w->crash_at = 0;
        world_crash(w);
    }
}

size_t world_records(struct world *w, const char *prefix)
{
    size_t n = 0;
    for (struct mu_omap_entry *e = mu_omap_lower_bound(&w->records, prefix);
         e != NULL && strncmp(e->key, prefix, strlen(prefix)) == 0; e = e->next) {
        n++;
    }
    return n;
}

/* ---- events ---- */

static void log_event(struct world *w, const struct mu_event *ev)
{
    static const char *const names[MU_EV_COUNT] = {
        [MU_EV_API_POST] = "api_post",
        [MU_EV_STATUS_UPDATE] = "status",
        [MU_EV_DEPLOYMENT_INFO] = "info",
        [MU_EV_DEPLOYMENT_STEP_SUCCESS] = "step_success",
        [MU_EV_DEPLOYMENT_STEP_FAILURE] = "step_failure",
        [MU_EV_DEPLOYMENT_SUCCESS] = "success",
        [MU_EV_DEPLOYMENT_FAILED] = "failed",
        [MU_EV_GROUP_CHANGE_SUCCESS] = "group_success",
        [MU_EV_GROUP_CHANGE_FAILED] = "group_failed",
        [MU_EV_APP_TERMINATED] = "app_terminated",
        [MU_EV_UNKNOWN_TERMINATED] = "unknown_terminated",
        [MU_EV_SCHEDULER_REGISTERED] = "registered",
        [MU_EV_LEADERSHIP_LOST] = "leadership_lost",
    };
    assert_true(ev->type < MU_EV_COUNT && ev->struct_size == sizeof(*ev));
    if (ev->type == MU_EV_INSTANCE_CHANGED) {
        assert_non_null(ev->condition);
        return;
    }
    mu_buf_printf(&w->log, w->log.len == 0 ? "%s" : " %s", names[ev->type]);
    if (ev->type == MU_EV_STATUS_UPDATE) {
        mu_buf_printf(&w->log, ":%s", mu_task_state_name(ev->task->state) + 5);
    } else if (ev->type == MU_EV_DEPLOYMENT_INFO ||
               ev->type == MU_EV_DEPLOYMENT_STEP_SUCCESS) {
        mu_buf_printf(&w->log, ":%zu", ev->deployment->current_step);
    } else if (ev->type == MU_EV_API_POST || ev->type == MU_EV_APP_TERMINATED) {
        mu_buf_printf(&w->log, ":%s", ev->app_id);
    }
}

void clear_log(struct world *w)
{
    mu_buf_clear(&w->log);
    mu_buf_puts(&w->log, "");
}

static void keep_reply(struct world *w, const struct scheduler_effect *fx)
{
    const struct scheduler_reply *r = &fx->reply;
    struct world_reply out = {.token = fx->token,
                              .status = r->status,
                              .version_ms = r->version_ms,
                              .conflicts = r->conflicts.count,
                              .apps = r->app_count,
                              .seen = true};
    snprintf(out.text, sizeof(out.text), "%s", r->text != NULL ? r->text : "");
    snprintf(out.path, sizeof(out.path), "%s", r->path != NULL ? r->path : "");
    snprintf(out.deployment_id, sizeof(out.deployment_id), "%s", r->deployment_id.s);
    for (size_t i = 0; i < w->replies.count; i++) {
        assert_int_not_equal(w->replies.v[i].token, fx->token); /* exactly once */
    }
    MU_VEC_PUSH(&w->replies, out);
}

static void load(struct world *w, uint64_t epoch)
{
    assert_int_equal(epoch, w->epoch);
    mu_omap_foreach (e, &w->records) {
        struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = e->value};
        world_step(w, &ev);
    }
    struct scheduler_event done = {.type = SCHED_EV_LOADED};
    if (w->unreadable > 0) {
        w->unreadable--;
        done.status = MU_E_UNAVAILABLE;
    }
    world_step(w, &done);
}

static void handle(struct world *w, struct scheduler_effect *fx)
{
    switch (fx->type) {
    case SCHED_FX_LOAD:
        load(w, fx->epoch);
        break;
    case SCHED_FX_COMMIT: {
        assert_true(fx->record_count > 0);
        struct world_commit c = {fx->token, fx->records, fx->record_count};
        MU_VEC_PUSH(&w->commits, c);
        fx->records = NULL;
        fx->record_count = 0;
        break;
    }
    case SCHED_FX_SEND:
        if (w->connected) {
            fake_on_message(w, &fx->msg);
        }
        break;
    case SCHED_FX_REPLY:
        keep_reply(w, fx);
        break;
    case SCHED_FX_ABDICATE:
        w->abdicated = true;
        break;
    case SCHED_FX_LOG:
        w->warnings += fx->level == MU_WARN;
        if (getenv("WORLD_LOG") != NULL) {
            printf("%llu %s\n", (unsigned long long)w->now.mono_ms, fx->text);
        }
        break;
    default:
        break;
    }
}

void world_step(struct world *w, const struct scheduler_event *given)
{
    struct scheduler_event ev = *given;
    struct scheduler_effects fx = {0};
    struct mu_error err;
    ev.now = w->now;
    scheduler_step(w->s, &ev, &fx);
    if (scheduler_check(w->s, &err) != 0) {
        fail_msg("at %llu: %s", (unsigned long long)w->now.mono_ms, err.text);
    }
    for (size_t i = 0; i < fx.count; i++) { /* borrowed until the next step */
        if (fx.v[i].type == SCHED_FX_EVENT) {
            log_event(w, &fx.v[i].event);
        }
    }
    uint64_t crashes = w->crashes;
    for (size_t i = 0; i < fx.count && w->crashes == crashes; i++) {
        handle(w, &fx.v[i]);
    }
    scheduler_effects_release(&fx);
    if (w->watch != NULL) {
        w->watch(w);
    }
}

/* ---- time ---- */

static bool deliver_one(struct world *w)
{
    if (w->inbox.count == 0) {
        return false;
    }
    size_t at = 0;
    if (w->chaos != NULL && mu_prng_chance(w->chaos, 200000)) {
        size_t other = (size_t)mu_prng_below(w->chaos, w->inbox.count);
        bool swap = w->inbox.v[0].type == MU_MSG_UPDATE &&
                    w->inbox.v[other].type == MU_MSG_UPDATE;
        at = swap ? other : 0;
    }
    struct mu_msg m = w->inbox.v[at];
    MU_VEC_REMOVE(&w->inbox, at);
    if (w->chaos != NULL && m.type == MU_MSG_UPDATE) {
        if (mu_prng_chance(w->chaos, 100000)) {
            mu_msg_release(&m);
            return true;
        }
        if (mu_prng_chance(w->chaos, 100000)) {
            MU_VEC_PUSH_ZERO(&w->inbox);
            mu_msg_copy(&w->inbox.v[w->inbox.count - 1], &m);
        }
    }
    if (w->connected) {
        struct scheduler_event ev = {.type = SCHED_EV_MESSAGE, .msg = &m};
        world_step(w, &ev);
    }
    mu_msg_release(&m);
    return true;
}

static void pump(struct world *w)
{
    int limit = 100000;
    for (;;) {
        assert_true(limit-- > 0); /* a loop without an end */
        if (w->commits.count > 0 && !w->hold_commits) {
            int status = w->fail_commits > 0 ? -28 : 0;
            w->fail_commits -= status != 0;
            world_commit_one(w, status);
            continue;
        }
        if (deliver_one(w)) {
            continue;
        }
        size_t before = w->inbox.count;
        fake_offers(w);
        if (w->inbox.count == before) {
            return;
        }
    }
}

void world_run(struct world *w)
{
    pump(w);
    while (scheduler_deadline_ms(w->s) <= w->now.mono_ms) {
        struct scheduler_event ev = {.type = SCHED_EV_TICK};
        world_step(w, &ev);
        pump(w);
    }
}

static uint64_t next_event_ms(struct world *w, uint64_t end)
{
    uint64_t at = scheduler_deadline_ms(w->s);
    at = at < end ? at : end;
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        if (t->in_flight && t->again_ms < at) {
            at = t->again_ms;
        }
        if (t->dies_ms != 0 && t->dies_ms < at) {
            at = t->dies_ms;
        }
    }
    if (w->agents_back_ms != 0 && w->agents_back_ms < at) {
        at = w->agents_back_ms;
    }
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        uint64_t refused = w->agents[i].refused_until_ms;
        if (refused > w->now.mono_ms && refused < at) {
            at = refused;
        }
    }
    return at > w->now.mono_ms ? at : w->now.mono_ms;
}

static void agents_come_back(struct world *w)
{
    if (w->agents_back_ms == 0 || w->agents_back_ms > w->now.mono_ms) {
        return;
    }
    w->agents_back_ms = 0;
    for (size_t i = 0; i < 2; i++) {
        w->agents[i].is_known = true;
        mu_map_foreach (e, &w->tasks) {
            struct fake_task *t = e->value;
            if (t->agent == i) {
                fake_send_first(w, t);
            }
        }
    }
}

void world_advance(struct world *w, uint64_t ms)
{
    uint64_t end = w->now.mono_ms + ms;
    world_run(w);
    while (w->now.mono_ms < end) {
        uint64_t at = next_event_ms(w, end);
        w->now.wall_ms += (int64_t)(at - w->now.mono_ms);
        w->now.mono_ms = at;
        agents_come_back(w);
        mu_map_foreach (e, &w->tasks) {
            struct fake_task *t = e->value;
            if (t->in_flight && t->again_ms <= w->now.mono_ms) {
                fake_send_first(w, t);
                t->again_ms = w->now.mono_ms + FAKE_RESEND_MS;
            }
            if (t->dies_ms != 0 && t->dies_ms <= w->now.mono_ms) {
                t->dies_ms = 0;
                fake_update(w, t->info->id.s, MU_TASK_KILLED);
            }
        }
        world_run(w);
    }
}

/* ---- life ---- */

void world_start(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_START, .epoch = ++w->epoch};
    world_step(w, &ev);
}

void world_connect(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_CONNECTED};
    w->connected = true;
    world_step(w, &ev);
}

static void drop_inbox(struct world *w)
{
    for (size_t i = 0; i < w->inbox.count; i++) {
        mu_msg_release(&w->inbox.v[i]);
    }
    MU_VEC_CLEAR(&w->inbox);
    w->subscribed = false;
}

void world_disconnect(struct world *w)
{
    struct scheduler_event ev = {.type = SCHED_EV_DISCONNECTED};
    w->connected = false;
    drop_inbox(w);
    world_step(w, &ev);
}

static void drop_commits(struct world *w)
{
    for (size_t i = 0; i < w->commits.count; i++) {
        drop_commit(&w->commits.v[i]);
    }
    MU_VEC_CLEAR(&w->commits);
}

void world_crash(struct world *w)
{
    w->crashes++;
    scheduler_destroy(w->s);
    drop_commits(w);
    drop_inbox(w);
    w->cfg.seed++;
    if (w->agents_away_ms > 0) {
        w->agents[0].is_known = w->agents[1].is_known = false;
        w->agents_back_ms = w->now.mono_ms + w->agents_away_ms;
    }
    w->s = scheduler_create(&w->cfg);
    world_start(w);
    world_connect(w);
}

void world_create(struct world *w)
{
    *w = (struct world){.now = {1000, 1600000000000}, .auto_run = true};
    w->cfg = (struct scheduler_config){
        .name = "marathon",
        .user = "root",
        .role = "*",
        .hostname = "master1",
        .seed = 1,
        .failover_timeout_ms = 604800000,
        .decline_ms = 120000,
        .min_revive_interval_ms = 5000,
        .reconcile_initial_ms = 15000,
        .reconcile_interval_ms = 600000,
        .scale_apps_initial_ms = 15000,
        .scale_apps_interval_ms = 300000,
        .launch_confirm_timeout_ms = 300000,
        .launch_timeout_ms = 300000,
        .kill_retry_ms = 30000,
        .max_tasks_per_offer = 100,
        .local_port_min = 10000,
        .local_port_max = 20000,
        .max_versions = 50,
        .max_running_deployments = 100,
    };
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        struct fake_agent *a = &w->agents[i];
        snprintf(a->id.s, sizeof(a->id.s), "S%zu", i);
        snprintf(a->host, sizeof(a->host), "h%zu", i);
        assert_int_equal(
            mu_resources_parse("cpus:8;mem:8192;disk:9999;ports:[31000-31999]", "*",
                               &a->total, NULL),
            0);
        a->is_up = a->is_known = i < 2;
    }
    mu_buf_init(&w->log, 16 * 1024 * 1024);
    w->s = scheduler_create(&w->cfg);
}

void world_open(struct world *w)
{
    world_create(w);
    world_start(w);
    world_connect(w);
    world_run(w);
    clear_log(w);
}

void world_close(struct world *w)
{
    scheduler_destroy(w->s);
    drop_commits(w);
    MU_VEC_RELEASE(&w->commits);
    drop_inbox(w);
    MU_VEC_RELEASE(&w->inbox);
    MU_VEC_RELEASE(&w->replies);
    mu_map_foreach (e, &w->tasks) {
        struct fake_task *t = e->value;
        mu_task_info_unref(t->info);
        free(t);
    }
    mu_map_release(&w->tasks);
    mu_omap_foreach (e, &w->records) {
        drop_record(e->value);
    }
    mu_omap_release(&w->records);
    for (size_t i = 0; i < WORLD_AGENTS; i++) {
        mu_resources_release(&w->agents[i].total);
        mu_pairs_release(&w->agents[i].attributes);
    }
    mu_buf_release(&w->log);
}

/* ---- commands ---- */

uint64_t world_command(struct world *w, const struct mu_command_request *c)
{
    uint64_t token = ++w->next_command;
    struct scheduler_event ev = {.type = SCHED_EV_COMMAND, .token = token, .command = c};
    world_step(w, &ev);
    return token;
}

static uint64_t put(struct world *w, struct mu_app *app, bool force)
{
    const struct mu_app *apps[] = {app};
    struct mu_command_request c = {.struct_size = sizeof(c),
                                   .type = MU_CMD_APPS_PUT,
                                   .apps = apps,
                                   .app_count = 1,
                                   .force = force,
                                   .client_ip = "127.0.0.1",
                                   .uri = "/v2/apps"};
    uint64_t token = world_command(w, &c);
    mu_app_unref(app);
    return token;
}

uint64_t world_put(struct world *w, struct mu_app *app)
{
    return put(w, app, false);
}

uint64_t world_put_forced(struct world *w, struct mu_app *app)
{
    return put(w, app, true);
}

uint64_t world_ids(struct world *w, uint32_t type, const char *id, bool force, bool scale)
{
    struct mu_command_request c = {.struct_size = sizeof(c),
                                   .type = type,
                                   .ids = &id,
                                   .id_count = id != NULL ? 1 : 0,
                                   .force = force,
                                   .scale = scale};
    return world_command(w, &c);
}

const struct world_reply *world_reply(struct world *w, uint64_t command)
{
    static const struct world_reply none;
    for (size_t i = 0; i < w->replies.count; i++) {
        if (w->replies.v[i].token == command) {
            return &w->replies.v[i];
        }
    }
    return &none;
}

void assert_ok(struct world *w, uint64_t command)
{
    const struct world_reply *r = world_reply(w, command);
    if (!r->seen || r->status != 0) {
        fail_msg("command %llu: %s, status %d: %s", (unsigned long long)command,
                 r->seen ? "answered" : "not answered", r->status, r->text);
    }
}

void assert_refused_with(struct world *w, uint64_t command, int status, const char *text)
{
    const struct world_reply *r = world_reply(w, command);
    assert_true(r->seen);
    assert_int_equal(r->status, status);
    assert_string_equal(r->text, text);
}
