/* Clients, and the command line. See world.h.
 *
 * paxos_sim --seed N [--trace]
 *
 * paxos_sim --seeds A..B [--once]   unless once, each twice, with the same trace hash
 */
#include <inttypes.h>
#include <string.h>

#include "replicated_log/codec.h"
#include "world.h"

/* ---- clients ---- */

void client_led(struct world *w, size_t k, int status)
{
    struct node *n = &w->nodes[k];
    world_note(w, "%zu: leading with epoch %" PRIu64 ": %d, at %" PRIu64, k, n->epoch,
               status, n->p->committed);
    if (status != 0) {
        return;
    }
    n->led = true;
    w->reigns_led++;
    check_led(w, k);
    const struct reign r = {n->epoch, n->p->committed};
    MU_VEC_PUSH(&w->reigns, r);
}

void client_lost(struct world *w, size_t k)
{
    world_note(w, "%zu leads no more", k);
    w->nodes[k].led = false;
}

void client_done(struct world *w, uint64_t token, int status)
{
    struct token *t = &w->tokens.v[token - 1];
    world_note(w, "batch %" PRIu64 ": %d", token, status);
    if (t->acked || t->refused) {
        world_fail(w, "batch %" PRIu64 " is answered twice", token);
    }
    if (status == 0) {
        t->acked = true;
        w->acked++;
        check_acked(w, token);
    } else if (status == MU_E_FENCED) {
        t->refused = true;
        w->refused++;
        if (t->position != 0) {
            world_fail(w, "batch %" PRIu64 " is refused and was chosen", token);
        }
    } else {
        w->unknown++;
    }
}

static void append(struct world *w, size_t k)
{
    struct node *n = &w->nodes[k];
    const struct token fresh = {.epoch = n->epoch, .after = w->highest_acked};
    MU_VEC_PUSH(&w->tokens, fresh);
    uint64_t token = w->tokens.count;
    char key[16];
    uint64_t value[8] = {token};
    (void)snprintf(key, sizeof(key), "k%u", (unsigned)world_rand(w, 0, KEYS - 1));
    const struct mu_registry_op put = {key, value, world_rand(w, 8, sizeof(value))};
    struct mu_buf b;
    mu_buf_init(&b, 4096);
    rlog_encode_batch_head(&b, n->epoch, 1);
    rlog_encode_op(&b, &put);
    struct paxos_event ev = {
        .type = PAXOS_EV_APPEND, .data = mu_buf_str(&b), .len = b.len, .token = token};
    world_step(w, k, &ev);
    mu_buf_release(&b);
}

static void on_client(struct world *w, struct event *e)
{
    (void)e;
    if (w->faults_over && w->now_ms > FAULTS_END_MS + 60000) {
        return;
    }
    world_later(w, world_rand(w, 5, 1000), on_client);
    for (size_t k = 0; k < w->count; k++) {
        uint64_t burst = world_rand(w, 0, 9) == 0 ? world_rand(w, 2, 60) : 1;
        for (uint64_t i = 0; i < burst && w->nodes[k].led && !w->failed; i++) {
            append(w, k);
        }
    }
}

/* ---- a run ---- */

static void run(struct world *w, uint64_t seed, bool trace)
{
    static const size_t sizes[] = {1, 3, 3, 3, 5};
    world_init(w, seed, 3, false);
    size_t members = sizes[world_rand(w, 0, MU_COUNT_OF(sizes) - 1)];
    bool has_spare = members > 1 && world_rand(w, 0, 1) == 0;
    bool from_the_start = world_rand(w, 0, 5) == 0;
    uint64_t keep = w->prng.s[0];
    world_init(w, seed, members, has_spare);
    w->trace = trace;
    mu_prng_seed(&w->prng, keep);
    faults_begin(w);
    for (size_t k = 0; k < members; k++) {
        world_start(w, k);
    }
    if (has_spare) {
        faults_spare(w, from_the_start);
    }
    world_later(w, 1000, on_client);
    world_run_until(w, FAULTS_END_MS);
    if (!w->failed) {
        faults_end(w);
        world_run_until(w, CONVERGED_MS);
    }
    if (!w->failed) {
        check_end(w);
    }
    if (!w->failed && members > 1 && seed % 8 == 0) {
        size_t reigns = w->reigns.count, acked = w->acked;
        w->disasters++;
        faults_disaster(w);
        world_run_until(w, DISASTER_MS);
        check_disaster(w, reigns, acked);
    }
}

static int fail_run(const struct world *w)
{
    printf("seed %" PRIu64 " FAILED at %.3f s after %" PRIu64
           " events: %s\nrepeat with: paxos_sim --seed %" PRIu64 " --trace\n",
           w->seed, (double)w->now_ms / 1000.0, w->events, w->failure, w->seed);
    return 1;
}

static int run_many(uint64_t from, uint64_t to, bool once)
{
    static struct world w;
    uint64_t events = 0, acked = 0, refused = 0, unknown = 0, crashes = 0, reigns = 0,
             disks = 0, cuts = 0, maps = 0, members = 0, torn = 0, damaged = 0, anew = 0,
             disasters = 0;
    for (uint64_t seed = from; seed <= to; seed++) {
        uint64_t hash = 0;
        for (int turn = 0; turn < (once ? 1 : 2); turn++) {
            run(&w, seed, false);
            if (!w.failed && turn == 1 && w.hash != hash) {
                world_fail(&w, "two runs of the same seed differ");
            }
            if (w.failed) {
                return fail_run(&w);
            }
            hash = w.hash;
            events += w.events;
            acked += w.acked;
            refused += w.refused;
            unknown += w.unknown;
            crashes += w.crashes;
            reigns += w.reigns_led;
            disks += w.disks_lost;
            cuts += w.cuts;
            maps += w.snapshots;
            members += w.members_written;
            torn += w.torn;
            damaged += w.refused_disks;
            anew += w.restarts_from_nothing;
            disasters += w.disasters;
            world_release(&w);
        }
    }
    printf("seeds %" PRIu64 "..%" PRIu64 " passed%s: %" PRIu64 " events, %" PRIu64
           " acknowledged batches, %" PRIu64 " refused, %" PRIu64
           " with unknown outcome, %" PRIu64 " reigns, %" PRIu64 " crashes, %" PRIu64
           " cuts, %" PRIu64 " disks lost, %" PRIu64 " of them damaged, %" PRIu64
           " torn writes, %" PRIu64 " maps taken over, %" PRIu64
           " steps with new members, %" PRIu64 " logs that could not begin, %" PRIu64
           " quorums of disks lost\n",
           from, to, once ? "" : ", each twice", events, acked, refused, unknown, reigns,
           crashes, cuts, disks, damaged, torn, maps, members, anew, disasters);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t from, to;
    if (argc >= 3 && strcmp(argv[1], "--seeds") == 0 &&
        sscanf(argv[2], "%" SCNu64 "..%" SCNu64, &from, &to) == 2) {
        return run_many(from, to, argc > 3 && strcmp(argv[3], "--once") == 0);
    }
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0 &&
        sscanf(argv[2], "%" SCNu64, &from) == 1) {
        static struct world w;
        run(&w, from, argc > 3 && strcmp(argv[3], "--trace") == 0);
        int rc = w.failed ? fail_run(&w) : 0;
        printf("%" PRIu64 " events, hash %016" PRIx64 "\n", w.events, w.hash);
        world_release(&w);
        return rc;
    }
    fprintf(stderr, "usage: paxos_sim --seed N [--trace] | --seeds A..B [--once]\n");
    return 2;
}
