/* From offers to launches.
 *
 * All offers of a step are matched at once: pass after pass, each offer takes at most one
 * instance of each waiting app, so that instances spread over what is there. What an
 * offer got becomes one launch: the tasks' records are committed, then one ACCEPT is
 * sent. Meanwhile the offer is held; if it is taken back, the records are removed and the
 * apps want their instances again. Offers nobody wants are declined at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/env.h"
#include "scheduler/internal.h"

#define DECLINE_MIN_MS 100u

static bool can_launch(const struct scheduler *s)
{
    return s->state == SCHED_READY && s->link == LINK_SUBSCRIBED && s->framework_stored &&
           s->launch_pause_ms <= s->now.mono_ms;
}

void offers_on_message(struct scheduler *s, const struct mu_msg *m)
{
    for (size_t i = 0; i < m->offer_count; i++) {
        MU_VEC_PUSH_ZERO(&s->offers);
        struct sched_offer *o = &s->offers.v[s->offers.count - 1];
        mu_offer_copy(&o->offer, &m->offers[i]);
        if (o->offer.hostname == NULL) {
            o->offer.hostname = mu_xstrdup(o->offer.agent_id.s);
        }
        mu_resources_copy(&o->free, &m->offers[i].resources);
    }
}

void offers_on_rescind(struct scheduler *s, const struct mu_msg *m)
{
    mu_list_foreach (n, &s->ops) {
        struct launch *l = mu_list_entry(n, struct store_op, link)->launch;
        for (size_t i = 0; l != NULL && i < m->offer_id_count; i++) {
            if (strcmp(l->offer_id.s, m->offer_ids[i].s) == 0) {
                l->void_offer = true;
            }
        }
    }
}

void offers_on_disconnect(struct scheduler *s)
{
    mu_list_foreach (n, &s->ops) {
        struct launch *l = mu_list_entry(n, struct store_op, link)->launch;
        if (l != NULL) {
            l->void_offer = true;
        }
    }
}

static void offer_release(struct sched_offer *o)
{
    mu_offer_release(&o->offer);
    mu_resources_release(&o->free);
}

void offers_release(struct scheduler *s)
{
    for (size_t i = 0; i < s->offers.count; i++) {
        offer_release(&s->offers.v[i]);
        launch_free(s->offers.v[i].launch);
    }
    MU_VEC_RELEASE(&s->offers);
}

void launch_free(struct launch *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->infos.count; i++) {
        mu_task_info_unref(l->infos.v[i]);
    }
    MU_VEC_RELEASE(&l->infos);
    free(l);
}

/* ---- matching ---- */

struct cell { /* one app and one offer */
    bool seen, used, blocked;
    uint8_t reason; /* enum match_reason of the last refusal + 1 */
};

struct candidate { /* one waiting app */
    struct sched_app *app;
    struct {
        struct constraint_place *v;
        size_t count, cap;
    } placed; /* only filled for apps with constraints */
};

struct round {
    struct scheduler *s;
    struct {
        struct candidate *v;
        size_t count, cap;
    } candidates;
    struct cell *cells; /* offers x candidates */
};

/* Instances that constraints look at: of the current configuration, alive, not lost. */
static void find_placed(struct candidate *c)
{
    if (c->app->launch.def->constraint_count == 0) {
        return;
    }
    mu_omap_foreach (e, &c->app->tasks) {
        const struct sched_task *t = e->value;
        if (t->phase == TASK_ENDED || t->inactive ||
            t->version_ms < c->app->launch.def->last_config_ms) {
            continue;
        }
        struct constraint_place place = {t->host, &t->attributes};
        MU_VEC_PUSH(&c->placed, place);
    }
}

static void round_begin(struct round *r, struct scheduler *s)
{
    *r = (struct round){.s = s};
    mu_list_foreach (n, &s->ready) {
        struct launch_entry *e = mu_list_entry(n, struct launch_entry, link);
        struct candidate c = {.app = mu_container_of(e, struct sched_app, launch)};
        find_placed(&c);
        MU_VEC_PUSH(&r->candidates, c);
    }
    for (size_t i = r->candidates.count; i > 1; i--) { /* nobody is first for ever */
        size_t k = (size_t)mu_prng_below(&s->prng, i);
        struct candidate c = r->candidates.v[i - 1];
        r->candidates.v[i - 1] = r->candidates.v[k];
        r->candidates.v[k] = c;
    }
    r->cells = mu_xcalloc(s->offers.count * r->candidates.count, sizeof(*r->cells));
}

static void make_id(struct scheduler *s, const struct mu_app *app, struct mu_task_id *out)
{
    mu_auto_free char *path = app_id_safe_path(app->id);
    struct mu_uuid uuid;
    /* the clock may step back; ids do not */
    if (s->now.wall_ms > s->last_task_ms) {
        s->last_task_ms = s->now.wall_ms;
        s->task_seq = 0;
    }
    mu_uuid_make_time(s->last_task_ms, s->task_seq++, mu_prng_next(&s->prng), &uuid);
    (void)snprintf(out->s, sizeof(out->s), "%.*s.%s", (int)SCHED_APP_ID_MAX, path,
                   uuid.s);
}

static struct sched_task *
make_task(struct scheduler *s, struct sched_app *a, const struct sched_offer *o)
{
    struct mu_task_id id;
    make_id(s, a->launch.def, &id);
    struct sched_task *t = task_add(s, a, id.s);
    t->def = mu_app_ref(a->launch.def);
    t->version_ms = t->def->version_ms;
    t->staged_ms = s->last_task_ms;
    t->agent_id = o->offer.agent_id;
    t->host = mu_xstrdup(o->offer.hostname);
    t->ip = mu_xstrdup(o->offer.ip);
    t->state = MU_TASK_STAGING;
    t->phase = TASK_PREPARING;
    mu_pairs_copy(&t->attributes, &o->offer.attributes);
    return t;
}

static void keep_ports(struct sched_task *t, const struct ports_pick *p)
{
    t->ports = mu_xcalloc(p->count, sizeof(*t->ports));
    for (size_t i = 0; i < p->count; i++) {
        if (p->host[i] != 0) {
            t->ports[t->port_count++] = p->host[i];
        }
    }
}

static void place_instance(struct round *r,
                           struct candidate *c,
                           struct sched_offer *o,
                           struct match_result *m)
{
    struct scheduler *s = r->s;
    struct sched_task *t = make_task(s, c->app, o);
    int rc = mu_resources_subtract(&o->free, &m->resources, NULL);
    MU_ASSERT(rc == 0);
    keep_ports(t, &m->ports);
    struct task_place place = {
        .app = t->def,
        .task_id = t->id,
        .framework_id = s->framework_id,
        .agent_id = t->agent_id,
        .host = t->host,
        .default_user = s->cfg.user,
        .host_ports = m->ports.host,
        .port_count = m->ports.count,
    };
    if (o->launch == NULL) {
        o->launch = MU_NEW(struct launch);
        o->launch->offer_id = o->offer.id;
    }
    const struct mu_task_info *info = task_info_build(&place, &m->resources);
    MU_VEC_PUSH(&o->launch->infos, info);
    if (t->def->constraint_count > 0) {
        struct constraint_place where = {t->host, &t->attributes};
        MU_VEC_PUSH(&c->placed, where);
    }
    queue_taken(s, c->app);
    task_touch(s, t);
}

/* One try; true: an instance was placed. */
static bool try_place(struct round *r, size_t offer, size_t candidate)
{
    struct sched_offer *o = &r->s->offers.v[offer];
    struct candidate *c = &r->candidates.v[candidate];
    struct cell *cell = &r->cells[offer * r->candidates.count + candidate];
    struct launch_entry *e = &c->app->launch;
    size_t taken = o->launch != NULL ? o->launch->infos.count : 0;
    if (e->want == 0 || cell->blocked || taken >= r->s->cfg.max_tasks_per_offer) {
        return false;
    }
    struct match_request in = {
        .app = e->def,
        .role = r->s->cfg.role,
        .placed = c->placed.v,
        .placed_count = c->placed.count,
        .free = &o->free,
        .place = {o->offer.hostname, &o->offer.attributes},
    };
    struct match_result m;
    cell->seen = true;
    match_offer(&in, &r->s->prng, &m);
    if (m.matched) {
        cell->used = true;
        place_instance(r, c, o, &m);
    } else {
        /* resources only shrink; what a constraint allows may change */
        cell->blocked = m.reason != MATCH_CONSTRAINT;
        cell->reason = (uint8_t)(m.reason + 1);
        (void)snprintf(e->refusal, sizeof(e->refusal), "%s", m.text);
    }
    bool matched = m.matched;
    match_result_release(&m);
    return matched;
}

static void count_cell(struct scheduler *s, struct launch_entry *e, const struct cell *c)
{
    if (!c->seen) {
        return;
    }
    e->offers_processed++;
    if (c->used) {
        return;
    }
    e->offers_unused++;
    e->last_unused_ms = s->now.wall_ms;
    for (uint32_t i = 0; i < SCHED_REASON_COUNT && i < c->reason; i++) {
        e->processed[i]++;
    }
    if (c->reason > 0) {
        e->declined[c->reason - 1]++;
    }
}

static void round_end(struct round *r)
{
    for (size_t i = 0; i < r->candidates.count; i++) {
        struct candidate *c = &r->candidates.v[i];
        for (size_t o = 0; o < r->s->offers.count; o++) {
            count_cell(r->s, &c->app->launch, &r->cells[o * r->candidates.count + i]);
        }
        MU_VEC_RELEASE(&c->placed);
    }
    MU_VEC_RELEASE(&r->candidates);
    free(r->cells);
}

static void match_all(struct scheduler *s)
{
    struct round r;
    round_begin(&r, s);
    bool progress = r.candidates.count > 0;
    while (progress) {
        progress = false;
        for (size_t o = 0; o < s->offers.count; o++) {
            for (size_t c = 0; c < r.candidates.count; c++) {
                progress = try_place(&r, o, c) || progress;
            }
        }
    }
    round_end(&r);
}

/* ---- answers to the master ---- */

static void decline(struct scheduler *s, const struct mu_offer_id *id, uint64_t refuse_ms)
{
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_DECLINE);
    mu_msg_add_offer_id(&m, id);
    m.refuse_ms = refuse_ms;
    emit_send(s, &m);
}

/* Not longer than until somebody will want it. */
static uint64_t refuse_time(const struct scheduler *s)
{
    uint64_t wanted_at = queue_next_deadline(s);
    if (s->launch_pause_ms > s->now.mono_ms || !s->framework_stored) {
        wanted_at = later_ms(s->now.mono_ms, SCHED_STORE_RETRY_MS);
    }
    uint64_t wait = wanted_at > s->now.mono_ms ? wanted_at - s->now.mono_ms : 0;
    wait = wait > DECLINE_MIN_MS ? wait : DECLINE_MIN_MS;
    return wait < s->cfg.decline_ms ? wait : s->cfg.decline_ms;
}

static void launch_begin(struct scheduler *s, struct launch *l)
{
    struct record_list records = {0};
    for (size_t i = 0; i < l->infos.count; i++) {
        record_task(&records, task_get(s, l->infos.v[i]->id.s));
    }
    store_commit(s, &records)->launch = l;
    s->launches_in_flight++;
}

void offers_settle(struct scheduler *s)
{
    if (s->offers.count == 0) {
        return;
    }
    if (can_launch(s)) {
        match_all(s);
    }
    uint64_t refuse_ms = refuse_time(s);
    for (size_t i = 0; i < s->offers.count; i++) {
        struct sched_offer *o = &s->offers.v[i];
        if (o->launch != NULL) {
            launch_begin(s, o->launch);
            o->launch = NULL;
        } else {
            decline(s, &o->offer.id, refuse_ms);
        }
        offer_release(o);
    }
    MU_VEC_CLEAR(&s->offers);
}

/* The launch does not happen: as if the task had never been. */
static void call_off(struct scheduler *s, struct sched_task *t)
{
    task_end(s, t, t->state);
    store_task(s, t, false);
    s->new_work = true;
}

static void send_accept(struct scheduler *s, struct launch *l)
{
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_ACCEPT);
    mu_msg_add_offer_id(&m, &l->offer_id);
    for (size_t i = 0; i < l->infos.count; i++) {
        struct sched_task *t = task_get(s, l->infos.v[i]->id.s);
        if (t->killing) {
            call_off(s, t);
            continue;
        }
        mu_msg_add_task(&m, l->infos.v[i]);
    }
    /* what is left of a full ACCEPT is wanted back at once */
    bool full = m.task_count >= s->cfg.max_tasks_per_offer;
    m.refuse_ms = full && !mu_list_empty(&s->ready) ? 0 : refuse_time(s);
    size_t count = m.task_count;
    emit_log(s, MU_INFO, "launching tasks=%zu offer=%s", count, l->offer_id.s);
    emit_send(s, &m);
    for (size_t i = 0; i < l->infos.count; i++) {
        struct sched_task *t = task_get(s, l->infos.v[i]->id.s);
        if (t->phase == TASK_PREPARING) {
            task_launched(s, t);
        }
    }
}

void launch_committed(struct scheduler *s, struct launch *l, int status, const char *text)
{
    s->launches_in_flight--;
    bool good = status >= 0 && !l->void_offer && s->link == LINK_SUBSCRIBED;
    if (good) {
        send_accept(s, l);
    } else {
        if (status < 0) {
            emit_log(s, MU_WARN, "registry could not store a launch: %s", text);
            s->launch_pause_ms = later_ms(s->now.mono_ms, SCHED_STORE_RETRY_MS);
            timer_set(s, &s->revive_timer, s->launch_pause_ms);
        }
        if (!l->void_offer && s->link == LINK_SUBSCRIBED) {
            decline(s, &l->offer_id, SCHED_STORE_RETRY_MS);
        }
        for (size_t i = 0; i < l->infos.count; i++) {
            call_off(s, task_get(s, l->infos.v[i]->id.s));
        }
    }
    launch_free(l);
}
