/* The registries: ordered maps that take batches of one epoch. The shared ones are as
 * ZooKeeper keeps them: a batch that was sent may be applied although its answer never
 * comes, but not once a later epoch has taken the store. */
#include "sim.h"

#include "codec/master_json.h"
#include "codec/scheduler_json.h"

static void commit_free(struct commit *c)
{
    for (size_t i = 0; i < c->keys.count; i++) {
        free(c->keys.v[i]);
        mu_buf_release(&c->values.v[i]);
    }
    free(c->keys.v);
    free(c->values.v);
    free(c);
}

static struct store *store_of(struct sim *s, size_t k, bool is_apps)
{
    return !is_apps && s->own_master_store ? &s->masters[k].own : &s->shared[is_apps];
}

/* false: fenced */
static bool apply(struct sim *s, size_t k, struct commit *c)
{
    struct store *store = store_of(s, k, c->is_apps);
    if (store->epoch != c->epoch) {
        s->fenced++;
        return false;
    }
    for (size_t i = 0; i < c->keys.count; i++) {
        struct mu_buf *old;
        if (c->is_apps) {
            sim_check_apps_change(s, k, c->keys.v[i], &c->values.v[i]);
        }
        if (c->values.v[i].data == NULL) {
            old = mu_omap_remove(&store->map, c->keys.v[i]);
        } else {
            struct mu_buf *value = MU_NEW(struct mu_buf);
            *value = c->values.v[i];
            c->values.v[i] = (struct mu_buf){0};
            old = mu_omap_put(&store->map, c->keys.v[i], value);
        }
        if (old != NULL) {
            mu_buf_release(old);
            free(old);
        }
    }
    return true;
}

static void tell(struct sim *s, size_t k, const struct commit *c, int status)
{
    const char *text = status == MU_E_FENCED ? "fenced" : "the registry failed";
    if (c->is_apps) {
        struct scheduler_event ev = {.type = SCHED_EV_COMMITTED,
                                     .token = c->token,
                                     .status = status,
                                     .text = text};
        sim_scheduler_step(s, k, &ev);
    } else {
        struct master_event ev = {.type = MASTER_EV_COMMITTED,
                                  .token = c->token,
                                  .status = status,
                                  .text = text};
        sim_master_step(s, k, &ev);
    }
}

static bool reaches(const struct sim *s, size_t k)
{
    const struct master_node *n = &s->masters[k];
    return n->cut_until <= s->now.mono_ms && n->zk_cut_until <= s->now.mono_ms;
}

static uint64_t reaches_at(const struct sim *s, size_t k)
{
    const struct master_node *n = &s->masters[k];
    return n->cut_until > n->zk_cut_until ? n->cut_until : n->zk_cut_until;
}

/* Where it stands in the queue; commits.count: it was lost with an earlier process or
 * reign. */
static size_t place_of(const struct master_node *n, uint64_t serial)
{
    size_t i = 0;
    while (i < n->commits.count && n->commits.v[i]->serial != serial) {
        i++;
    }
    return i;
}

static void on_commit_done(struct sim *s, struct event *e)
{
    struct master_node *n = &s->masters[e->master];
    size_t place = place_of(n, e->number);
    if (place == n->commits.count) {
        return;
    }
    if (place > 0) { /* answers come in order, and the one before was held up */
        struct event *again = sim_later(s, 1, "commit", on_commit_done);
        again->master = e->master;
        again->number = e->number;
        again->gen = e->gen;
        return;
    }
    if (!reaches(s, e->master)) { /* ZooKeeper has not got it yet */
        struct event *again = sim_later(s, reaches_at(s, e->master) - s->now.mono_ms,
                                        "commit", on_commit_done);
        again->master = e->master;
        again->number = e->number;
        again->gen = e->gen;
        return;
    }
    if (!sim_master_runs(s, e) || place_of(n, e->number) != 0 ||
        n->commits.count == 0) { /* it may just have stepped down */
        return;
    }
    struct commit *c = n->commits.v[0]; /* in order: the event is about the oldest */
    MU_VEC_REMOVE(&n->commits, 0);
    int status = sim_chance(s, s->faults.commit_fails) ? MU_E_UNKNOWN_OUTCOME : 0;
    s->unknown += status != 0;
    bool applied = (status == 0 || sim_chance(s, 500000)) && apply(s, e->master, c);
    if (status == 0 && !applied) {
        status = MU_E_FENCED;
    }
    if (n->leading && c->gen == n->gen && c->epoch == n->epoch) {
        tell(s, e->master, c, status);
    }
    commit_free(c);
}

struct commit *sim_commit_create(struct sim *s, size_t k, bool is_apps, uint64_t token)
{
    struct commit *c = MU_NEW(struct commit);
    c->is_apps = is_apps;
    c->token = token;
    c->gen = s->masters[k].gen;
    c->epoch = s->masters[k].epoch;
    c->serial = ++s->commit_serial;
    return c;
}

void sim_commit_add(struct commit *c, struct mu_buf *key, struct mu_buf *value)
{
    MU_VEC_PUSH(&c->keys, mu_buf_take(key));
    MU_VEC_PUSH(&c->values, *value);
}

void sim_commit_submit(struct sim *s, size_t k, struct commit *c)
{
    struct master_node *n = &s->masters[k];
    MU_VEC_PUSH(&n->commits, c);
    uint64_t delay =
        sim_chance(s, s->faults.slow_commit) ? sim_rand(s, 500, 8000) : sim_rand(s, 1, 5);
    uint64_t at = s->now.mono_ms + delay;
    n->commit_at = at > n->commit_at ? at : n->commit_at;
    sim_master_later(s, k, n->commit_at - s->now.mono_ms, "commit", on_commit_done)
        ->number = c->serial;
}

/* A process that dies, or stops to lead, leaves a prefix of what it had asked for. */
void sim_commits_lost(struct sim *s, size_t k)
{
    struct master_node *n = &s->masters[k];
    size_t kept =
        n->commits.count == 0 || !reaches(s, k) ? 0 : sim_rand(s, 0, n->commits.count);
    for (size_t i = 0; i < n->commits.count; i++) {
        if (i < kept) {
            (void)apply(s, k, n->commits.v[i]);
        }
        commit_free(n->commits.v[i]);
    }
    n->commits.count = 0;
    n->commit_at = 0;
}

void sim_store_release(struct store *store)
{
    mu_omap_foreach (e, &store->map) {
        mu_buf_release(e->value);
        free(e->value);
    }
    mu_omap_release(&store->map);
    store->epoch = 0;
}

/* ---- taking over ---- */

static bool take(struct sim *s, size_t k, bool is_apps, uint64_t epoch)
{
    struct store *store = store_of(s, k, is_apps);
    if (epoch < store->epoch) {
        return false;
    }
    store->epoch = epoch;
    return true;
}

/* The question waits while the process is cut off from ZooKeeper, and dies with its
 * reign. */
static bool
may_answer(struct sim *s, struct event *e, void (*run)(struct sim *, struct event *))
{
    if (!reaches(s, e->master)) {
        struct event *again =
            sim_later(s, reaches_at(s, e->master) - s->now.mono_ms, e->name, run);
        again->master = e->master;
        again->gen = e->gen;
        again->number = e->number;
        return false;
    }
    return sim_master_runs(s, e) && s->masters[e->master].leading &&
           s->masters[e->master].epoch == e->number;
}

static void on_recover(struct sim *s, struct event *e)
{
    if (!may_answer(s, e, on_recover)) {
        return;
    }
    size_t k = e->master;
    struct master_event done = {.type = MASTER_EV_RECOVERED, .epoch = e->number};
    if (!take(s, k, false, e->number)) {
        done.status = MU_E_FENCED;
        done.text = "fenced";
        sim_master_step(s, k, &done);
        return;
    }
    mu_omap_foreach (entry, &store_of(s, k, false)->map) {
        const struct mu_buf *value = entry->value;
        struct master_record rec;
        struct mu_error err;
        if (master_record_decode(value->data, value->len, &rec, &err) < 0) {
            sim_fail(s, "registry entry %s: %s", entry->key, err.text);
            return;
        }
        struct master_event ev = {.type = MASTER_EV_ENTRY, .record = &rec};
        sim_master_step(s, k, &ev);
        mu_agent_info_release(&rec.agent);
    }
    sim_master_step(s, k, &done);
    struct scheduler_event connected = {.type = SCHED_EV_CONNECTED};
    sim_scheduler_step(s, k, &connected);
}

static void on_load(struct sim *s, struct event *e)
{
    if (!may_answer(s, e, on_load)) {
        return;
    }
    size_t k = e->master;
    struct scheduler_event done = {.type = SCHED_EV_LOADED};
    if (!take(s, k, true, e->number)) {
        done.status = MU_E_FENCED;
        done.text = "fenced";
        sim_scheduler_step(s, k, &done);
        return;
    }
    mu_omap_foreach (entry, &s->shared[1].map) {
        const struct mu_buf *value = entry->value;
        struct scheduler_record rec;
        struct mu_error err;
        if (scheduler_record_decode(entry->key, value->data, value->len, &rec, &err) <
            0) {
            sim_fail(s, "registry entry %s: %s", entry->key, err.text);
            return;
        }
        struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = &rec};
        sim_scheduler_step(s, k, &ev);
        scheduler_record_release(&rec);
    }
    sim_scheduler_step(s, k, &done);
}

void sim_recover(struct sim *s, size_t k, uint64_t epoch)
{
    sim_master_later(s, k, sim_rand(s, 1, 100), "recover", on_recover)->number = epoch;
}

void sim_load(struct sim *s, size_t k, uint64_t epoch)
{
    sim_master_later(s, k, sim_rand(s, 1, 100), "load", on_load)->number = epoch;
}
