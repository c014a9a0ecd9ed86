/* Time, events, faults, and the command line. See sim.h.
 *
 * sim --seed N [--trace]     one run
 *
 * sim --seeds A..B [--once]  many; unless once, each twice, with the same trace hash
 *
 * sim --story life|restart|failover   the golden trace of the life of a task, of an
 * agent's restart, of a leader's death
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

uint64_t sim_rand(struct sim *s, uint64_t low, uint64_t high)
{
    return mu_prng_range(&s->prng, low, high);
}

bool sim_chance(struct sim *s, uint32_t ppm)
{
    return mu_prng_chance(&s->prng, ppm) && !s->faults_over;
}

struct event *sim_later(struct sim *s,
                        uint64_t delay_ms,
                        const char *name,
                        void (*run)(struct sim *s, struct event *e))
{
    struct event *e = MU_NEW(struct event);
    e->name = name;
    e->run = run;
    mu_heap_push(&s->heap, &e->node,
                 s->now.mono_ms + delay_ms); /* equal times: in the order of the calls */
    return e;
}

static MU_PRINTF(3, 0) void note(struct sim *s, FILE *also, const char *fmt, va_list ap)
{
    char text[700];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    size_t len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;
    s->hash = mu_siphash(s->hash, s->now.mono_ms, text, len);
    if (s->trace) {
        printf("%10.3f %s\n", (double)s->now.mono_ms / 1000.0, text);
    }
    if (also != NULL) {
        fprintf(also, "%10.3f %s\n", (double)s->now.mono_ms / 1000.0, text);
    }
}

void sim_note(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(s, s->golden, fmt, ap);
    va_end(ap);
}

void sim_story(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(s, s->golden, fmt, ap);
    va_end(ap);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->failed) {
        return; /* the first one tells */
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(s->failure, sizeof(s->failure), fmt, ap);
    va_end(ap);
    s->failed = true;
}

/* ---- faults ---- */

static void on_master_back(struct sim *s, struct event *e)
{
    if (!s->masters[e->master].up) {
        sim_master_start(s, e->master);
    }
}

static void on_agent_back(struct sim *s, struct event *e)
{
    if (!s->agents[e->agent].up) {
        sim_agent_start(s, e->agent);
    }
}

static void crash_master(struct sim *s, size_t k)
{
    if (s->masters[k].up) {
        sim_master_crash(s, k);
        sim_later(s, sim_rand(s, 0, 20000), "master_back", on_master_back)->master = k;
    }
}

static void heal_master(struct sim *s, size_t k)
{
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].conn.open && s->agents[i].conn.master == k) {
            sim_agent_cut(s, i); /* a partition that is over leaves dead connections */
        }
    }
}

/* ---- two parts that do not reach each other ---- */

bool sim_apart(const struct sim *s, size_t master, size_t part)
{
    return s->apart_until[master][part] > s->now.mono_ms;
}

static void reunite(struct sim *s, size_t k, size_t part)
{
    s->apart_until[k][part] = 0;
    if (part >= MASTERS_MAX && s->agents[part - MASTERS_MAX].conn.open &&
        s->agents[part - MASTERS_MAX].conn.master == k) {
        sim_agent_cut(s, part - MASTERS_MAX); /* what is left is a dead connection */
    }
}

static void on_reunited(struct sim *s, struct event *e)
{
    if (s->apart_until[e->master][e->number] == s->now.mono_ms) {
        reunite(s, e->master, e->number);
    }
}

static void cut_pair(struct sim *s)
{
    size_t k = sim_rand(s, 0, s->master_count - 1);
    size_t part = sim_rand(s, 0, s->master_count + s->agent_count - 1);
    part = part < s->master_count ? part : SIM_AGENT(part - s->master_count);
    if (part == k || sim_apart(s, k, part)) {
        return;
    }
    uint64_t span = sim_rand(s, 500, 60000);
    s->apart_until[k][part] = s->now.mono_ms + span;
    if (part < MASTERS_MAX) {
        s->apart_until[part][k] = s->now.mono_ms + span;
    }
    s->pair_cuts++;
    sim_story(s, "master %zu and %s %zu do not reach each other for a while", k,
              part < MASTERS_MAX ? "master" : "agent",
              part < MASTERS_MAX ? part : part - MASTERS_MAX);
    struct event *e = sim_later(s, span, "reunited", on_reunited);
    e->master = k;
    e->number = part;
}

/* Faults of the masters: the leader is hit more often than the others. */
static void hurt_masters(struct sim *s)
{
    size_t k = sim_rand(s, 0, s->master_count - 1), leader = sim_election_leader(s);
    if (leader != MASTERS_MAX && sim_rand(s, 0, 1) == 0) {
        k = leader;
    }
    struct master_node *n = &s->masters[k];
    if (sim_chance(s, s->faults.master_crash)) {
        crash_master(s, k);
    }
    if (sim_chance(s, s->faults.all_masters_crash)) {
        for (size_t i = 0; i < s->master_count; i++) {
            crash_master(s, i);
        }
    }
    if (sim_chance(s, s->faults.master_freeze) && n->up) {
        n->frozen_until = s->now.mono_ms + sim_rand(s, 100, 30000);
        s->freezes++;
        sim_story(s, "master %zu is frozen for a while", k);
    }
    if (sim_chance(s, s->faults.master_cut)) {
        n->cut_until = s->now.mono_ms + sim_rand(s, 500, 60000);
        s->master_cuts++;
        sim_story(s, "master %zu is cut off for a while", k);
    }
    if (sim_chance(s, s->faults.zk_cut)) {
        n->zk_cut_until = s->now.mono_ms + sim_rand(s, 500, 60000);
        s->master_cuts++;
        sim_story(s, "master %zu is cut off from the election for a while", k);
        if (s->faults.session_early != 0 && sim_rand(s, 0, 1) == 0) {
            sim_election_expire(s, k); /* so two lead, until its lease is over */
        }
    }
    if (sim_chance(s, s->faults.wrong_depose)) {
        sim_election_depose(s, k);
    }
    if (sim_chance(s, s->faults.session_early)) {
        sim_election_expire(s, k);
    }
}

static void crash_agent(struct sim *s, size_t i)
{
    if (s->agents[i].up) {
        sim_agent_crash(s, i);
        sim_later(s, sim_rand(s, 0, 30000), "agent_back", on_agent_back)->agent = i;
    }
}

/* Once a virtual second the dice are thrown for the faults that are no part of an
 * operation. */
static void on_faults(struct sim *s, struct event *e)
{
    (void)e;
    if (s->faults_over) {
        return;
    }
    sim_later(s, sim_rand(s, 1, 2000), "faults", on_faults);
    size_t i = sim_rand(s, 0, s->agent_count - 1);
    hurt_masters(s);
    if (sim_chance(s, s->faults.agent_crash)) {
        crash_agent(s, i);
    }
    if (sim_chance(s, s->faults.partition)) {
        s->agents[i].silent_until = s->now.mono_ms + sim_rand(s, 1000, 200000);
        s->partitions++;
        sim_story(s, "agent %zu is cut off for a while", i);
    }
    if (sim_chance(s, s->faults.pair_cut)) {
        cut_pair(s);
    }
    if (sim_rand(s, 0, 99) == 0) {
        s->now.wall_ms +=
            (int64_t)sim_rand(s, 0, 7200000) - 3600000; /* somebody sets the clock */
    }
}

static void choose_faults(struct sim *s)
{
    const struct {
        uint32_t *chance, max_ppm;
    } kinds[] = {
        {&s->faults.master_crash, 30000},
        {&s->faults.agent_crash, 30000},
        {&s->faults.cut, 20000},
        {&s->faults.partition, 10000},
        {&s->faults.slow_commit, 100000},
        {&s->faults.commit_fails, 5000},
        {&s->faults.launch_fails, 200000},
        {&s->faults.prepare_fails, 100000},
        {&s->faults.destroy_fails, 200000},
        {&s->faults.slow_launch, 300000},
        {&s->faults.duplicate, 50000},
        {&s->faults.master_freeze, 20000},
        {&s->faults.master_cut, 20000},
        {&s->faults.zk_cut, 20000},
        {&s->faults.wrong_depose, 10000},
        {&s->faults.all_masters_crash, 5000},
        {&s->faults.lost_reply, 100000},
        {&s->faults.session_early, 10000},
        {&s->faults.pair_cut, 30000},
        {&s->faults.by_standby, 700000},
        {&s->faults.stale_detector, 300000},
    };
    for (size_t i = 0; i < MU_COUNT_OF(kinds);
         i++) { /* a random subset: else the rare ones hide behind the common ones */
        *kinds[i].chance =
            sim_rand(s, 0, 1) == 0 ? 0 : (uint32_t)sim_rand(s, 1, kinds[i].max_ppm);
    }
}

static void end_faults(struct sim *s)
{
    s->faults_over = s->user_off = true;
    for (size_t i = 0; i < s->agent_count; i++) {
        if (s->agents[i].silent_until >
            s->now.mono_ms) { /* a healed partition: the old connection is dead */
            s->agents[i].silent_until = 0;
            sim_agent_cut(s, i);
        }
        if (!s->agents[i].up) {
            sim_agent_start(s, i);
        }
    }
    for (size_t k = 0; k < s->master_count; k++) {
        struct master_node *n = &s->masters[k];
        if (n->cut_until > s->now.mono_ms) {
            n->cut_until = s->now.mono_ms;
            heal_master(s, k);
        }
        for (size_t part = 0; part < MASTERS_MAX + AGENTS_MAX; part++) {
            reunite(s, k, part);
        }
        if (!n->up) {
            sim_master_start(s, k);
        }
    }
    sim_story(s, "faults are over");
}

/* ---- a run ---- */

void sim_init(struct sim *s, uint64_t seed)
{
    *s = (struct sim){.seed = seed, .now = {1000, 1399360089000}};
    mu_prng_seed(&s->prng, seed);
    mu_heap_init(&s->heap);
    mu_omap_init(&s->asked_to_stop);
    mu_omap_init(&s->may_stop);
    mu_omap_init(&s->shared[0].map);
    mu_omap_init(&s->shared[1].map);
    for (size_t k = 0; k < MASTERS_MAX; k++) {
        mu_omap_init(&s->masters[k].own.map);
        s->masters[k].told_leader = MASTERS_MAX;
    }
    s->last_leader = MASTERS_MAX;
}

static void event_free(struct event *e)
{
    mu_buf_release(&e->bytes);
    free(e);
}

void sim_run_until(struct sim *s, uint64_t mono_ms)
{
    while (!s->failed && mu_heap_top(&s->heap) != NULL &&
           mu_heap_top(&s->heap)->key <= mono_ms) {
        struct event *e = mu_container_of(mu_heap_pop(&s->heap), struct event, node);
        s->now.wall_ms += (int64_t)(e->node.key - s->now.mono_ms);
        s->now.mono_ms = e->node.key;
        s->events++;
        for (size_t i = 0; i < s->agent_count;
             i++) { /* a partition that is over leaves a dead connection */
            if (s->agents[i].silent_until != 0 &&
                s->agents[i].silent_until <= s->now.mono_ms) {
                s->agents[i].silent_until = 0;
                sim_agent_cut(s, i);
            }
        }
        for (size_t k = 0; k < s->master_count; k++) {
            struct master_node *n = &s->masters[k];
            if (n->cut_until != 0 && n->cut_until <= s->now.mono_ms) {
                n->cut_until = 0;
                heal_master(s, k);
            }
        }
        e->run(s, e);
        event_free(e);
        sim_check_always(s);
    }
    if (!s->failed && s->now.mono_ms < mono_ms) {
        s->now.wall_ms += (int64_t)(mono_ms - s->now.mono_ms);
        s->now.mono_ms = mono_ms;
    }
}

void sim_release(struct sim *s)
{
    for (struct mu_heap_node *n = mu_heap_pop(&s->heap); n != NULL;
         n = mu_heap_pop(&s->heap)) {
        event_free(mu_container_of(n, struct event, node));
    }
    mu_heap_release(&s->heap);
    for (size_t i = 0; i < s->agent_count; i++) {
        sim_agent_release(s, i);
    }
    for (size_t k = 0; k < MASTERS_MAX; k++) {
        sim_master_release(s, k);
    }
    sim_user_release(s);
    sim_store_release(&s->shared[0]);
    sim_store_release(&s->shared[1]);
    mu_omap_release(&s->asked_to_stop);
    mu_omap_release(&s->may_stop);
}

static void run_seed(struct sim *s, uint64_t seed, bool trace)
{
    sim_init(s, seed);
    s->trace = trace;
    s->agent_count = sim_rand(s, 1, AGENTS_MAX);
    s->app_count = sim_rand(s, 1, APPS_MAX);
    s->master_count = sim_rand(s, 1, MASTERS_MAX);
    s->own_master_store = sim_rand(s, 0, 1) == 0;
    choose_faults(s);
    for (size_t k = 0; k < s->master_count; k++) {
        sim_master_start(s, k);
    }
    for (size_t i = 0; i < s->agent_count; i++) {
        sim_agent_start(s, i);
    }
    sim_user_start(s);
    sim_later(s, 5000, "faults", on_faults);
    sim_run_until(s, FAULT_TIME_MS);
    if (!s->failed) {
        end_faults(s);
        sim_run_until(s, CONVERGE_TIME_MS);
    }
    if (!s->failed) {
        sim_check_end(s);
    }
}

/* ---- the golden traces ---- */

static const char *story_told(const char *which, FILE *out)
{
    static struct sim s;
    sim_init(&s, 1);
    s.golden = out;
    s.agent_count = s.app_count = s.master_count = 1;
    if (strcmp(which, "failover") == 0) {
        s.master_count = 2;
        s.own_master_store = true;
    }
    for (size_t k = 0; k < s.master_count; k++) {
        sim_master_start(&s, k);
    }
    sim_agent_start(&s, 0);
    (void)snprintf(s.apps[0].id, sizeof(s.apps[0].id), "/app0");
    sim_run_until(&s, 3000);
    struct mu_app *app = mu_app_create();
    mu_text_set(&app->id, "/app0");
    mu_text_set(&app->cmd, "forever 1");
    const struct mu_app *apps[] = {app};
    struct mu_command_request put = {.struct_size = sizeof(put),
                                     .type = MU_CMD_APPS_PUT,
                                     .apps = apps,
                                     .app_count = 1};
    s.apps[0].want_exists = true;
    s.apps[0].want_instances = app->instances;
    (void)snprintf(s.apps[0].want_cmd, sizeof(s.apps[0].want_cmd), "%s", app->cmd);
    s.apps[0].token = ++s.command_token;
    s.apps[0].asked = sim_ready(&s);
    s.apps[0].via = MASTERS_MAX;
    sim_command(&s, s.apps[0].asked, &put, s.apps[0].token);
    mu_app_unref(app);
    sim_run_until(&s, 8000);
    if (strcmp(which, "restart") == 0) {
        sim_agent_crash(&s, 0);
        sim_run_until(&s, 10000);
        sim_agent_start(&s, 0);
        sim_run_until(&s, 20000);
    }
    if (strcmp(which, "failover") == 0) {
        sim_master_crash(&s, s.apps[0].asked);
        sim_run_until(&s, 40000);
    }
    const char *ids[] = {"/app0"};
    struct mu_command_request gone = {.struct_size = sizeof(gone),
                                      .type = MU_CMD_APP_DELETE,
                                      .ids = ids,
                                      .id_count = 1,
                                      .force = true};
    s.apps[0].want_exists = false;
    s.apps[0].token = ++s.command_token;
    s.apps[0].asked = sim_ready(&s);
    sim_command(&s, s.apps[0].asked, &gone, s.apps[0].token);
    sim_run_until(&s, s.now.mono_ms + 60000);
    fprintf(out, "%zu containers run, %zu starts in all\n", sim_running_containers(&s, 0),
            s.agents[0].total_starts);
    static char failure[512];
    (void)snprintf(failure, sizeof(failure), "%s", s.failed ? s.failure : "");
    sim_release(&s);
    return failure;
}

static int tell(const char *which)
{
    const char *failure = story_told(which, stdout);
    if (failure[0] != '\0') {
        printf("FAILED: %s\n", failure);
    }
    return failure[0] != '\0';
}

/* ---- command line ---- */

static int fail_run(const struct sim *s, const char *text)
{
    printf("seed %" PRIu64 " FAILED at %.3f s after %" PRIu64
           " events: %s\nrepeat with: sim --seed %" PRIu64 " --trace\n",
           s->seed, (double)s->now.mono_ms / 1000.0, s->events, text, s->seed);
    return 1;
}

static int run_many(uint64_t from, uint64_t to, bool once)
{
    uint64_t events = 0, acknowledged = 0, crashes = 0, cuts = 0, starts = 0;
    uint64_t failovers = 0, freezes = 0, master_cuts = 0, fenced = 0, unknown = 0,
             partitions = 0, pair_cuts = 0, early = 0, passed_on = 0;
    static struct sim s;
    for (uint64_t seed = from; seed <= to; seed++) {
        uint64_t hash[2] = {0, 0};
        for (int turn = 0; turn < (once ? 1 : 2); turn++) {
            run_seed(&s, seed, false);
            hash[turn] = s.hash;
            bool failed = s.failed;
            if (failed) {
                return fail_run(&s, s.failure);
            }
            events += s.events;
            acknowledged += s.acknowledged;
            crashes += s.crashes;
            cuts += s.cuts;
            failovers += s.failovers;
            freezes += s.freezes;
            master_cuts += s.master_cuts;
            fenced += s.fenced;
            unknown += s.unknown;
            partitions += s.partitions;
            pair_cuts += s.pair_cuts;
            early += s.early_sessions;
            passed_on += s.passed_on;
            for (size_t i = 0; i < s.agent_count; i++) {
                starts += s.agents[i].total_starts;
            }
            sim_release(&s);
        }
        if (!once && hash[0] != hash[1]) {
            return fail_run(&s, "two runs of the same seed differ");
        }
    }
    printf("seeds %" PRIu64 "..%" PRIu64 " passed%s: %" PRIu64 " events, %" PRIu64
           " acknowledged commands, %" PRIu64 " container starts, %" PRIu64
           " crashes, %" PRIu64 " cut connections, %" PRIu64 " failovers, %" PRIu64
           " frozen masters, %" PRIu64 " cut masters, %" PRIu64 " cut agents, %" PRIu64
           " cut pairs, %" PRIu64 " sessions that ended early, %" PRIu64
           " commands by a standby, %" PRIu64 " fenced batches, %" PRIu64
           " lost outcomes\n",
           from, to, once ? "" : ", each twice", events, acknowledged, starts, crashes,
           cuts, failovers, freezes, master_cuts, partitions, pair_cuts, early, passed_on,
           fenced, unknown);
    return 0;
}

int main(int argc, char **argv)
{
    bool trace = argc > 3 && strcmp(argv[3], "--trace") == 0;
    uint64_t from, to;
    if (argc >= 3 && strcmp(argv[1], "--story") == 0) {
        return tell(argv[2]);
    }
    if (argc >= 3 && strcmp(argv[1], "--seeds") == 0 &&
        sscanf(argv[2], "%" SCNu64 "..%" SCNu64, &from, &to) == 2) {
        return run_many(from, to, argc > 3 && strcmp(argv[3], "--once") == 0);
    }
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0 &&
        sscanf(argv[2], "%" SCNu64, &from) == 1) {
        static struct sim s;
        printf("seed %" PRIu64 "\n", from);
        run_seed(&s, from, trace);
        int rc = s.failed ? fail_run(&s, s.failure) : 0;
        printf("%" PRIu64 " events, hash %016" PRIx64 "\n", s.events, s.hash);
        sim_release(&s);
        return rc;
    }
    fprintf(stderr, "usage: sim --seed N [--trace] | --seeds A..B [--once] | --story "
                    "life|restart|failover\n");
    return 2;
}
