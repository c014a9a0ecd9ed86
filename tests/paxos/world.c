/* Time, network, disks, processes. See world.h. */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/hash.h"
#include "replicated_log/survey.h"

uint64_t world_rand(struct world *w, uint64_t low, uint64_t high)
{
    return mu_prng_range(&w->prng, low, high);
}

bool world_chance(struct world *w, uint32_t ppm)
{
    return mu_prng_chance(&w->prng, ppm) && !w->faults_over;
}

struct event *world_later(struct world *w,
                          uint64_t delay_ms,
                          void (*run)(struct world *w, struct event *e))
{
    struct event *e = MU_NEW(struct event);
    e->run = run;
    mu_heap_push(&w->heap, &e->node, w->now_ms + delay_ms);
    return e;
}

void world_note(struct world *w, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    w->hash = mu_siphash(w->hash, w->now_ms, text, strlen(text));
    if (w->trace) {
        printf("%10.3f %s\n", (double)w->now_ms / 1000.0, text);
    }
}

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->failed) {
        return; /* the first one tells */
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
    va_end(ap);
    w->failed = true;
}

static void event_free(struct event *e)
{
    mu_buf_release(&e->bytes);
    free(e);
}

/* ---- disks ---- */

static void write_down(struct world *w, size_t k, struct disk_op *op)
{
    struct node *n = &w->nodes[k];
    if (op->is_rewrite) {
        disk_rewrite(&n->disk, &w->prng, &op->v);
    } else {
        disk_append(&n->disk, &w->prng, &op->v.v[0]);
    }
    entries_release(&op->v);
}

static void on_durable(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->to];
    if (!n->up || n->gen != e->gen || n->queue.count == 0) {
        return;
    }
    struct disk_op op = n->queue.v[0];
    MU_VEC_REMOVE(&n->queue, 0);
    struct paxos_event ev = {.type = PAXOS_EV_DURABLE};
    if (n->disk_failed || world_chance(w, w->faults.disk_fails)) {
        n->disk_failed = true;
        world_note(w, "the disk of %zu fails", e->to);
        entries_release(&op.v);
        ev.status = -EIO;
    } else {
        write_down(w, e->to, &op);
    }
    world_step(w, e->to, &ev);
}

static void enqueue(struct world *w, size_t k, const struct disk_op *op)
{
    struct node *n = &w->nodes[k];
    MU_VEC_PUSH(&n->queue, *op);
    uint64_t at = w->now_ms + world_rand(w, 0, 4);
    n->disk_at = at > n->disk_at ? at : n->disk_at;
    struct event *e = world_later(w, n->disk_at - w->now_ms, on_durable);
    e->to = k;
    e->gen = n->gen;
}

static void rewrite(struct world *w, size_t k)
{
    struct disk_op op = {.is_rewrite = true};
    struct rlog_snapshot s;
    paxos_snapshot(w->nodes[k].p, &s);
    for (size_t i = 0; i < s.count; i++) {
        entries_push(&op.v, s.records[i].data, s.records[i].len);
    }
    rlog_snapshot_release(&s);
    enqueue(w, k, &op);
}

/* ---- network ---- */

bool world_reaches(const struct world *w, size_t a, size_t b)
{
    return w->cut_until[a][b] <= w->now_ms;
}

static void on_message(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->to];
    if (n->up && n->gen == e->gen && world_reaches(w, e->from, e->to)) {
        struct paxos_event ev = {.type = PAXOS_EV_MESSAGE,
                                 .peer = e->number,
                                 .data = mu_buf_str(&e->bytes),
                                 .len = e->bytes.len};
        world_step(w, e->to, &ev);
    }
}

static void post(struct world *w, size_t k, size_t to, const struct mu_buf *bytes)
{
    uint64_t delay = world_rand(w, 1, 20);
    if (world_chance(w, w->faults.late)) {
        delay = world_rand(w, 100, 30000);
    }
    struct event *e = world_later(w, delay, on_message);
    e->to = to;
    e->from = k;
    e->gen = w->nodes[to].gen;
    e->number = w->nodes[k].id;
    mu_buf_init(&e->bytes, SIZE_MAX / 2);
    (void)mu_buf_append(&e->bytes, mu_buf_str(bytes), bytes->len);
}

static void send(struct world *w, size_t k, const struct paxos_effect *fx)
{
    for (size_t to = 0; to < w->count; to++) {
        if (w->known[k][to] != fx->peer || !w->nodes[to].up ||
            w->nodes[to].id != fx->peer || !world_reaches(w, k, to) ||
            world_chance(w, w->faults.lose)) {
            continue;
        }
        post(w, k, to, &fx->bytes);
        if (world_chance(w, w->faults.twice)) {
            post(w, k, to, &fx->bytes);
        }
        uint8_t type = (uint8_t)mu_buf_str(&fx->bytes)[1];
        if (type == PAXOS_MSG_PROMISED || type == PAXOS_MSG_WROTE) {
            faults_answered(w, k);
        }
    }
}

static void tell(struct world *w, size_t k, size_t other, bool up)
{
    struct paxos_event ev = {.type = up ? PAXOS_EV_PEER_UP : PAXOS_EV_PEER_DOWN,
                             .peer = up ? w->nodes[other].id : w->known[k][other],
                             .address = w->nodes[other].address};
    w->known[k][other] = ev.peer;
    world_step(w, k, &ev);
}

void world_connect(struct world *w, size_t a, size_t b)
{
    if (w->nodes[a].up && w->nodes[b].up && world_reaches(w, a, b)) {
        tell(w, a, b, true);
        if (w->nodes[a].up && w->nodes[b].up) {
            tell(w, b, a, true);
        }
    }
}

void world_disconnect(struct world *w, size_t a, size_t b)
{
    if (w->nodes[a].up && w->known[a][b] != 0) {
        tell(w, a, b, false);
        w->known[a][b] = 0;
    }
    if (w->nodes[b].up && w->known[b][a] != 0) {
        tell(w, b, a, false);
        w->known[b][a] = 0;
    }
}

/* ---- steps ---- */

static void on_wake(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->to];
    if (n->up && n->gen == e->gen && n->wake == e->number) {
        struct paxos_event ev = {.type = PAXOS_EV_TICK};
        world_step(w, e->to, &ev);
    }
}

static void apply(struct world *w, size_t k, struct paxos_effect *fx)
{
    struct disk_op op = {0};
    switch ((enum paxos_effect_type)fx->type) {
    case PAXOS_FX_SEND:
        send(w, k, fx);
        break;
    case PAXOS_FX_STORE:
        entries_push(&op.v, mu_buf_str(&fx->bytes), fx->bytes.len);
        enqueue(w, k, &op);
        break;
    case PAXOS_FX_REWRITE:
        w->snapshots += fx->is_needed;
        rewrite(w, k);
        break;
    case PAXOS_FX_LED:
        client_led(w, k, fx->status);
        break;
    case PAXOS_FX_DONE:
        client_done(w, fx->token, fx->status);
        break;
    case PAXOS_FX_FENCED:
        client_lost(w, k);
        break;
    case PAXOS_FX_LOG:
        world_note(w, "%zu: %s", k, fx->text);
        break;
    }
}

void world_step(struct world *w, size_t k, struct paxos_event *ev)
{
    struct node *n = &w->nodes[k];
    struct paxos_effects fx = {0};
    ev->now_ms = w->now_ms + n->ahead_ms;
    uint32_t members_before = n->p->members.count;
    bool wrote_members = n->p->co.writes_members;
    uint64_t gen = n->gen;
    paxos_step(n->p, ev, &fx);
    w->members_written += members_before > 0 && n->p->co.writes_members;
    bool exchanges = n->p->co.writes_members && !wrote_members;
    check_node(w, k);
    for (size_t i = 0; i < fx.count && n->gen == gen; i++) {
        apply(w, k, &fx.v[i]);
    }
    paxos_effects_release(&fx);
    if (exchanges && n->gen == gen) {
        faults_exchanging(w, k);
    }
    if (!n->up || n->gen != gen) {
        return;
    }
    n->wake++;
    uint64_t at = paxos_deadline_ms(n->p);
    if (at != UINT64_MAX) {
        uint64_t now = w->now_ms + n->ahead_ms;
        struct event *e = world_later(w, at > now ? at - now : 0, on_wake);
        e->to = k;
        e->gen = n->gen;
        e->number = n->wake;
    }
}

/* ---- who is a master ---- */

static void tell_known(struct world *w, size_t k)
{
    struct paxos_event ev = {.type = PAXOS_EV_KNOWN};
    for (size_t i = 0; i < w->count; i++) {
        ev.count += w->nodes[i].is_listed || i == k;
    }
    world_step(w, k, &ev);
}

static void on_listed(struct world *w, struct event *e)
{
    if (w->nodes[e->to].up) {
        tell_known(w, e->to);
    }
}

void world_list(struct world *w, size_t k, bool is_listed)
{
    w->nodes[k].is_listed = is_listed;
    for (size_t i = 0; i < w->count; i++) {
        world_later(w, world_rand(w, 0, 3000), on_listed)->to = i;
    }
}

/* ---- processes ---- */

struct replay {
    struct world *w;
    size_t k, count;
    struct rlog_survey survey; /* stricter: what a machine has written is good for it */
};

static void on_entry(void *arg, const void *data, size_t len)
{
    struct replay *r = arg;
    struct mu_error err;
    if (paxos_replay(r->w->nodes[r->k].p, data, len, &err) < 0) {
        world_fail(r->w, "the journal of %zu: entry %zu: %s", r->k, r->count, err.text);
    }
    rlog_survey_add(&r->survey, r->count, data, len);
    r->count++;
}

/* false: it refuses its file. */
static bool replay(struct world *w, size_t k)
{
    struct node *n = &w->nodes[k];
    struct replay r = {.w = w, .k = k};
    struct mu_error err;
    rlog_survey_init(&r.survey);
    int rc = disk_read(&n->disk, on_entry, &r, &err);
    if (r.survey.status < 0) {
        world_fail(w, "the journal of %zu: muster log refuses entry %" PRIu64 ": %s", k,
                   r.survey.bad_offset, r.survey.why.text);
    }
    rlog_survey_release(&r.survey);
    if (rc < 0) {
        world_note(w, "%zu does not start: %s", k, err.text);
        w->refused_disks++;
    } else {
        world_note(w, "%zu starts as %" PRIu64 " with %zu entries", k, n->id, r.count);
    }
    if ((rc < 0) != n->is_damaged) {
        world_fail(w, "the damage of %zu was %sfound", k,
                   rc < 0 ? "made up and " : "not ");
    }
    return rc == 0;
}

void world_start(struct world *w, size_t k)
{
    struct node *n = &w->nodes[k];
    if (disk_is_empty(&n->disk)) {
        n->id = ++w->last_id;
        n->seen = 0;
    }
    const struct paxos_config cfg = {.id = n->id,
                                     .address = n->address,
                                     .quorum = w->quorum,
                                     .seed = world_rand(w, 1, UINT64_MAX - 1)};
    n->p = paxos_create(&cfg);
    if (!replay(w, k)) {
        paxos_destroy(n->p);
        n->p = NULL;
        world_wipe(w, k); /* who reads the message moves the file away */
        world_start(w, k);
        return;
    }
    n->up = true;
    n->led = false;
    n->gen++;
    n->id = n->p->id;
    struct paxos_event ev = {.type = PAXOS_EV_START};
    world_step(w, k, &ev);
    if (!n->is_listed) {
        world_list(w, k, true);
    }
    tell_known(w, k);
    for (size_t other = 0; other < w->count; other++) {
        if (other != k) {
            world_connect(w, k, other);
        }
    }
}

void world_crash(struct world *w, size_t k)
{
    struct node *n = &w->nodes[k];
    if (!n->up) {
        return;
    }
    w->crashes++;
    world_note(w, "%zu dies", k);
    if (n->led) {
        client_lost(w, k);
    }
    for (size_t other = 0; other < w->count; other++) {
        if (other != k && w->known[other][k] != 0 && w->nodes[other].up) {
            tell(w, other, k, false);
            w->known[other][k] = 0;
        }
        w->known[k][other] = 0;
    }
    n->up = n->led = false;
    n->gen++;
    paxos_destroy(n->p);
    n->p = NULL;
    size_t kept = n->disk_failed ? 0 : world_rand(w, 0, n->queue.count);
    n->disk_failed = false; /* kept: written, but not told */
    for (size_t i = 0; i < n->queue.count; i++) {
        struct disk_op *op = &n->queue.v[i];
        if (i < kept) {
            write_down(w, k, op);
            continue;
        }
        if (i == kept && !op->is_rewrite && world_chance(w, w->faults.tear)) {
            w->torn++;
            disk_tear(&n->disk, &w->prng, &op->v.v[0]);
        }
        entries_release(&op->v);
    }
    n->queue.count = 0;
    n->disk_at = 0;
}

void world_wipe(struct world *w, size_t k)
{
    w->disks_lost++;
    world_note(w, "the disk of %zu is lost", k);
    disk_release(&w->nodes[k].disk);
    w->nodes[k].is_damaged = false;
}

/* ---- a run ---- */

void world_init(struct world *w, uint64_t seed, size_t members, bool has_spare)
{
    size_t count = members + has_spare;
    *w = (struct world){.seed = seed, .now_ms = 1000, .count = count, .members = members};
    w->quorum = (uint32_t)(members / 2 + 1);
    mu_prng_seed(&w->prng, seed);
    mu_heap_init(&w->heap);
    for (size_t k = 0; k < count; k++) {
        (void)snprintf(w->nodes[k].address, sizeof(w->nodes[k].address),
                       "10.0.0.%zu:5050", k + 1);
    }
}

void world_run_until(struct world *w, uint64_t at_ms)
{
    while (!w->failed && mu_heap_top(&w->heap) != NULL &&
           mu_heap_top(&w->heap)->key <= at_ms) {
        struct event *e = mu_container_of(mu_heap_pop(&w->heap), struct event, node);
        w->now_ms = e->node.key;
        w->events++;
        e->run(w, e);
        event_free(e);
    }
    if (!w->failed && at_ms > w->now_ms) {
        w->now_ms = at_ms;
    }
}

void world_release(struct world *w)
{
    for (struct mu_heap_node *n = mu_heap_pop(&w->heap); n != NULL;
         n = mu_heap_pop(&w->heap)) {
        event_free(mu_container_of(n, struct event, node));
    }
    mu_heap_release(&w->heap);
    for (size_t k = 0; k < w->count; k++) {
        struct node *n = &w->nodes[k];
        paxos_destroy(n->p);
        disk_release(&n->disk);
        for (size_t i = 0; i < n->queue.count; i++) {
            entries_release(&n->queue.v[i].v);
        }
        free(n->queue.v);
    }
    for (size_t i = 0; i < w->chosen.count; i++) {
        paxos_value_unref(w->chosen.v[i].value);
    }
    free(w->chosen.v);
    free(w->tokens.v);
    free(w->reigns.v);
}
