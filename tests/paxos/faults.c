/* What goes wrong: each second the dice are thrown. */
#include "world.h"

static void on_back(struct world *w, struct event *e)
{
    if (!w->nodes[e->to].up) {
        world_start(w, e->to);
    }
}

static void crash(struct world *w, size_t k)
{
    if (w->nodes[k].up) {
        world_crash(w, k);
        world_later(w, world_rand(w, 0, 15000), on_back)->to = k;
    }
}

static void on_crash(struct world *w, struct event *e)
{
    if (!w->faults_over && w->nodes[e->to].up && w->nodes[e->to].gen == e->gen) {
        world_crash(w, e->to);
        world_later(w, world_rand(w, 0, 50), on_back)->to = e->to;
    }
}

/* It dies in the moment when somebody counts on what it has said, and is back at once. */
void faults_answered(struct world *w, size_t k)
{
    if (world_chance(w, w->faults.crash_on_answer)) {
        struct event *e = world_later(w, world_rand(w, 0, 10), on_crash);
        e->to = k;
        e->gen = w->nodes[k].gen;
    }
}

static void on_healed(struct world *w, struct event *e)
{
    if (w->cut_until[e->to][e->from] == w->now_ms) {
        world_connect(w, e->to, e->from);
    }
}

/* Both learn of it late, or (a short one) never. */
static void on_noticed(struct world *w, struct event *e)
{
    if (!world_reaches(w, e->to, e->from)) {
        world_disconnect(w, e->to, e->from);
    }
}

static void cut(struct world *w, size_t a, size_t b)
{
    if (a == b || !world_reaches(w, a, b)) {
        return;
    }
    w->cuts++;
    uint64_t span = world_rand(w, 100, 20000);
    w->cut_until[a][b] = w->cut_until[b][a] = w->now_ms + span;
    struct event *e = world_later(w, span, on_healed);
    e->to = a;
    e->from = b;
    e = world_later(w, world_rand(w, 1, 5000), on_noticed);
    e->to = a;
    e->from = b;
}

/* One disk at a time, and only while the others can do without it: what more is lost then
 * is lost. */
static bool may_lose_disk(const struct world *w, size_t k)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct node *n = &w->nodes[i];
        if (i != k &&
            (!n->up || n->lost_disk || n->p->failed != 0 ||
             n->p->status != PAXOS_VOTING || n->p->told_status != PAXOS_VOTING)) {
            return false;
        }
    }
    return w->count > 1 && !w->nodes[k].lost_disk;
}

static void lose_disk(struct world *w, size_t k, bool is_replaced)
{
    if (!w->nodes[k].up || !may_lose_disk(w, k)) {
        return;
    }
    crash(w, k);
    world_wipe(w, k);
    if (is_replaced) { /* by another machine, elsewhere */
        static const char *const places[] = {"a", "b", "c", "d"};
        (void)snprintf(w->nodes[k].address, sizeof(w->nodes[k].address), "%s%zu:5050",
                       places[world_rand(w, 0, 3)], (size_t)w->last_id);
    }
}

static void elect(struct world *w)
{
    size_t k = (size_t)world_rand(w, 0, w->count - 1);
    if (!w->nodes[k].up) {
        return;
    }
    uint64_t epoch = ++w->last_epoch;
    if (world_chance(w, w->faults.stale_leader) && epoch > 3) {
        epoch -= world_rand(w, 1, 2); /* it was elected before, and hears of it now */
    }
    for (size_t i = 0; i < w->count; i++) { /* the last one does not hear of it */
        if (w->nodes[i].led && world_chance(w, w->faults.unaware)) {
            cut(w, k, i);
        }
    }
    if (w->nodes[k].led) {
        client_lost(w, k);
    }
    world_note(w, "%zu is elected, epoch %llu", k, (unsigned long long)epoch);
    w->nodes[k].epoch = epoch;
    w->nodes[k].asked_at = w->highest_acked;
    struct paxos_event ev = {.type = PAXOS_EV_LEAD, .epoch = epoch, .token = epoch};
    world_step(w, k, &ev);
}

static void on_second(struct world *w, struct event *e)
{
    (void)e;
    if (w->faults_over) {
        return;
    }
    world_later(w, world_rand(w, 100, 1500), on_second);
    size_t k = (size_t)world_rand(w, 0, w->count - 1);
    if (world_chance(w, w->faults.crash)) {
        crash(w, k);
    }
    if (world_chance(w, w->faults.all_crash)) {
        for (size_t i = 0; i < w->count; i++) {
            crash(w, i);
        }
    }
    if (world_chance(w, w->faults.partition)) {
        cut(w, k, (size_t)world_rand(w, 0, w->count - 1));
    }
    if (world_chance(w, w->faults.isolate)) {
        for (size_t i = 0; i < w->count; i++) {
            cut(w, k, i);
        }
    }
    if (world_chance(w, w->faults.jump)) {
        w->nodes[k].ahead_ms += world_rand(w, 1, 60000);
    }
    if (world_chance(w, w->faults.lose_disk)) {
        lose_disk(w, k, world_chance(w, w->faults.replace));
    }
    if (w->nodes[k].up && w->nodes[k].p->failed != 0 && world_rand(w, 0, 3) == 0) {
        crash(w, k); /* somebody has looked, and starts it again */
    }
    if (w->now_ms >= w->next_election_ms) {
        w->next_election_ms = w->now_ms + world_rand(w, 500, 15000);
        elect(w);
        if (world_chance(w, w->faults.stale_leader)) {
            elect(w); /* two at once */
        }
    }
}

void faults_begin(struct world *w)
{
    const struct {
        uint32_t *chance, max_ppm;
    } kinds[] = {
        {&w->faults.crash, 100000},
        {&w->faults.all_crash, 10000},
        {&w->faults.partition, 100000},
        {&w->faults.isolate, 50000},
        {&w->faults.lose, 200000},
        {&w->faults.twice, 200000},
        {&w->faults.late, 50000},
        {&w->faults.disk_fails, 2000},
        {&w->faults.lose_disk, 60000},
        {&w->faults.replace, 1000000},
        {&w->faults.jump, 30000},
        {&w->faults.stale_leader, 500000},
        {&w->faults.crash_on_answer, 20000},
        {&w->faults.unaware, 900000},
    };
    for (size_t i = 0; i < MU_COUNT_OF(kinds); i++) { /* a random subset */
        *kinds[i].chance =
            world_rand(w, 0, 1) == 0 ? 0 : (uint32_t)world_rand(w, 1, kinds[i].max_ppm);
    }
    w->next_election_ms = w->now_ms + 100;
    world_later(w, 500, on_second);
}

void faults_end(struct world *w)
{
    world_note(w, "faults are over");
    w->faults_over = true;
    for (size_t a = 0; a < w->count; a++) {
        for (size_t b = 0; b < w->count; b++) {
            w->cut_until[a][b] = w->now_ms;
        }
    }
    for (size_t k = 0; k < w->count; k++) {
        if (w->nodes[k].up && w->nodes[k].p->failed != 0) {
            world_crash(w, k);
        }
    }
    for (size_t k = 0; k < w->count && !w->failed; k++) {
        if (!w->nodes[k].up) {
            world_start(w, k);
        }
        for (size_t other = 0; other < k; other++) {
            world_connect(w, k, other);
        }
    }
    size_t k = (size_t)world_rand(w, 0, w->count - 1);
    w->nodes[k].epoch = ++w->last_epoch;
    w->nodes[k].asked_at = w->highest_acked;
    if (w->nodes[k].led) {
        client_lost(w, k);
    }
    struct paxos_event ev = {
        .type = PAXOS_EV_LEAD, .epoch = w->last_epoch, .token = w->last_epoch};
    if (!w->failed) {
        world_step(w, k, &ev);
    }
}
