/* What goes wrong: each second the dice are thrown. */
#include "world.h"

static void on_back(struct world *w, struct event *e)
{
    if (!w->nodes[e->to].up && w->nodes[e->to].is_listed) { /* else it was taken away */
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

/* Who votes, as the one says that knows most. */
static const struct paxos_members *members_now(const struct world *w)
{
    const struct paxos *last = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct paxos *p = w->nodes[i].up ? w->nodes[i].p : NULL;
        bool has_log = p != NULL && (p->status == PAXOS_VOTING ||
                                     (p->status == PAXOS_RECOVERING && p->committed > 0));
        if (has_log && (last == NULL || p->committed > last->committed)) {
            last = p;
        }
    }
    return last == NULL ? NULL : &last->members;
}

/* One disk at a time, and only while the others can do without it: what more is lost then
 * is lost. Of members only: a replica that is on its way in may be one already. */
static bool may_lose_disk(struct world *w, size_t k)
{
    const struct paxos_members *members = members_now(w);
    size_t voting = 0;
    if (members == NULL || w->members == 1 ||
        paxos_members_find(members, w->nodes[k].id) < 0) {
        return false;
    }
    for (size_t i = 0; i < w->count; i++) {
        struct node *n = &w->nodes[i];
        if (n->lost_id != 0 && paxos_members_find(members, n->lost_id) >= 0) {
            return false;
        }
        n->lost_id = 0; /* another one has its place */
        voting += i != k && n->up && n->p->failed == 0 && n->p->status == PAXOS_VOTING &&
                  n->p->told_status == PAXOS_VOTING &&
                  paxos_members_find(members, n->id) >= 0;
    }
    return voting >= w->members - 1;
}

static void lose_disk(struct world *w, size_t k, bool is_replaced)
{
    struct node *n = &w->nodes[k];
    if (!n->up || !may_lose_disk(w, k)) {
        return;
    }
    uint64_t id = n->id;
    crash(w, k);
    if (world_chance(w, w->faults.damage)) { /* seen when it starts */
        n->is_damaged = disk_damage(&n->disk, &w->prng);
        n->lost_id = n->is_damaged ? id : 0;
        return;
    }
    world_wipe(w, k);
    n->lost_id = id;
    if (is_replaced) { /* by another machine, elsewhere */
        static const char *const places[] = {"a", "b", "c", "d"};
        (void)snprintf(n->address, sizeof(n->address), "%s%zu:5050",
                       places[world_rand(w, 0, 3)], (size_t)w->last_id);
    }
}

/* ---- a master more than the log is for ---- */

static bool has_begun(const struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct node *n = &w->nodes[i];
        bool may_vote =
            n->up && (n->p->status == PAXOS_VOTING || n->p->status == PAXOS_RECOVERING);
        if (may_vote || (!n->up && n->seen > 0)) {
            return true;
        }
    }
    return false;
}

/* There is no log yet, and perhaps there never will be: somebody does what the messages
 * say. */
static void help_to_begin(struct world *w)
{
    bool has_set = false;
    size_t up = 0;
    for (size_t i = 0; i < w->count; i++) {
        up += w->nodes[i].up;
        has_set = has_set || (w->nodes[i].up && w->nodes[i].p->status == PAXOS_STARTING);
    }
    if (up < w->count && !w->faults_over) {
        return; /* who is down may vote */
    }
    size_t spare = w->count - 1;
    world_note(w, "the spare is taken away%s", has_set ? ", all disks are emptied" : "");
    world_crash(w, spare);
    world_list(w, spare, false);
    if (!has_set) {
        return;
    }
    w->restarts_from_nothing++;
    for (size_t i = 0; i < w->count; i++) {
        world_crash(w, i);
        world_wipe(w, i);
        w->nodes[i].lost_id = 0;
    }
    for (size_t i = 0; i < w->members; i++) {
        world_start(w, i);
    }
}

static void on_operator(struct world *w, struct event *e)
{
    (void)e;
    size_t spare = w->count - 1;
    if (w->faults_over) {
        return;
    }
    world_later(w, world_rand(w, 5000, 30000), on_operator);
    if (has_begun(w)) {
        if (!w->nodes[spare].up) {
            world_start(w, spare);
        }
    } else if (w->nodes[spare].is_listed) {
        help_to_begin(w);
    }
}

void faults_spare(struct world *w, bool from_the_start)
{
    if (from_the_start) {
        world_start(w, w->count - 1);
    }
    world_later(w, world_rand(w, 2000, 60000), on_operator);
}

static void make_lead(struct world *w, size_t k, uint64_t epoch)
{
    if (w->nodes[k].led) {
        client_lost(w, k);
    }
    world_note(w, "%zu is elected, epoch %llu", k, (unsigned long long)epoch);
    w->nodes[k].epoch = epoch;
    w->nodes[k].asked_at = w->highest_acked;
    struct paxos_event ev = {.type = PAXOS_EV_LEAD, .epoch = epoch, .token = epoch};
    world_step(w, k, &ev);
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
    make_lead(w, k, epoch);
}

/* One of those who stay is cut off in the moment when one is exchanged, and the one that
 * goes is back; or one that was elected before hears of it now. */
static void on_exchanging(struct world *w, struct event *e)
{
    for (size_t i = 0; i < w->count && w->nodes[e->to].up && !w->faults_over; i++) {
        if (i != e->to && !world_reaches(w, i, e->to)) {
            w->cut_until[i][e->to] = w->cut_until[e->to][i] = w->now_ms;
            world_connect(w, i, e->to);
        } else if (world_rand(w, 0, 2) == 0) {
            cut(w, i, e->to);
        }
    }
    size_t other = (size_t)world_rand(w, 0, w->count - 1);
    uint64_t epoch = w->nodes[e->to].epoch;
    if (!w->faults_over && other != e->to && w->nodes[other].up && epoch > 1) {
        make_lead(w, other, epoch - 1);
    }
}

void faults_exchanging(struct world *w, size_t k)
{
    if (world_chance(w, w->faults.returns)) {
        world_later(w, world_rand(w, 0, 10), on_exchanging)->to = k;
    }
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
        {&w->faults.damage, 1000000},
        {&w->faults.tear, 1000000},
        {&w->faults.jump, 30000},
        {&w->faults.stale_leader, 500000},
        {&w->faults.crash_on_answer, 20000},
        {&w->faults.unaware, 900000},
        {&w->faults.returns, 900000},
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
        bool is_spare = k >= w->members;
        if (!w->nodes[k].up && (!is_spare || w->nodes[k].is_listed || has_begun(w))) {
            world_start(w, k);
        }
        for (size_t other = 0; other < k; other++) {
            world_connect(w, k, other);
        }
    }
    if (!w->failed && w->count > w->members && !has_begun(w)) {
        help_to_begin(w);
    }
    if (!w->failed) {
        make_lead(w, (size_t)world_rand(w, 0, w->members - 1), ++w->last_epoch);
    }
}

void faults_disaster(struct world *w)
{
    size_t lost = 0;
    world_note(w, "a quorum of disks is lost");
    for (size_t k = 0; k < w->count && lost < w->quorum; k++) {
        if (w->nodes[k].up && w->nodes[k].p->status == PAXOS_VOTING) {
            world_crash(w, k);
            world_wipe(w, k);
            lost++;
        }
    }
    for (size_t k = 0; k < w->members && !w->failed; k++) {
        if (!w->nodes[k].up) {
            world_start(w, k);
        }
    }
    for (size_t k = 0; k < w->count && !w->failed; k++) {
        if (w->nodes[k].up) { /* each of them tries */
            make_lead(w, k, ++w->last_epoch);
        }
    }
}
