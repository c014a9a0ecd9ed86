/* Registry zk: three writers that take the store from each other, commits of all sizes
 * and all faults of zk_world.h in any order, from a seed. MUSTER_TEST_SEEDS=FROM-TO runs
 * others than the usual ones; a failure names its seed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/zk_registry/zkr_kit.h"

#define SEEDS 250u
#define STEPS 4000u

static struct mu_prng *dice(struct zkr_kit *k)
{
    return &k->world.random;
}

static void commit_any(struct zkr_kit *k, size_t writer)
{
    const struct mu_registry_store *s = k->writers[writer].store;
    if (s->phase == ZKR_IDLE || s->phase == ZKR_RECOVERING ||
        (s->phase == ZKR_FENCED && !mu_prng_chance(dice(k), 30000))) {
        return;
    }
    struct mu_error err = {.text = ""};
    struct mu_registry_op ops[4];
    char keys[4][16];
    static char value[700 * 1024];
    size_t count = mu_prng_below(dice(k), 5);
    bool is_big = mu_prng_chance(dice(k), 60000);
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%" PRIu64, mu_prng_below(dice(k), 8));
        ops[i] = (struct mu_registry_op){.key = keys[i]};
        if (mu_prng_chance(dice(k), 700000)) {
            ops[i].value = value + mu_prng_below(dice(k), 1000);
            ops[i].value_len =
                mu_prng_below(dice(k), is_big ? sizeof(value) - 1000 : 100);
        }
    }
    if (kit_commit(k, writer, ops, count, &err) == NULL) {
        fail_msg("%s", err.text);
    }
}

static void fault(struct zkr_kit *k, struct zks *s)
{
    switch (mu_prng_below(dice(k), 4)) {
    case 0:
        (void)world_expire(s);
        break;
    default:
        (void)world_cut(s, (enum world_cut)mu_prng_below(dice(k), 3));
        break;
    }
}

/* Mostly one at a time, sometimes a whole recovery. */
static void several(struct zkr_kit *k, struct zks *s, bool (*one)(struct zks *s))
{
    size_t count = mu_prng_chance(dice(k), 800000) ? 1 : mu_prng_below(dice(k), 150);
    while (count-- > 0 && one(s)) {
    }
}

static void step(struct zkr_kit *k)
{
    size_t writer = mu_prng_below(dice(k), k->writer_count);
    struct zks *s = k->writers[writer].session;
    uint64_t what = mu_prng_below(dice(k), 1000);
    if (what < 300) {
        several(k, s, world_carry_out);
    } else if (what < 600) {
        several(k, s, world_deliver);
    } else if (what < 700) {
        (void)world_connect(s, mu_prng_chance(dice(k), 500000));
    } else if (what < 780) {
        (void)world_catch_up(s);
    } else if (what < 820) {
        (void)world_ghost(&k->world);
    } else if (what < 900) {
        (void)world_timer(&k->world);
    } else if (what < 985) {
        commit_any(k, writer);
    } else if (what < 992) {
        fault(k, s);
    } else if (what < 994) {
        kit_settle(k); /* otherwise nobody would ever get through a recovery */
    } else if (k->writers[writer].recovered != KIT_PENDING) {
        kit_recover(k, writer, 0);
    }
}

static void run_seed(uint64_t seed)
{
    struct zkr_kit k;
    kit_open(&k, seed, KIT_WRITERS);
    for (size_t i = 0; i < STEPS; i++) {
        step(&k);
    }
    kit_finish(&k);
    kit_close(&k);
}

static void nothing_acknowledged_is_lost_whatever_happens(void **state)
{
    (void)state;
    uint64_t from = 1, to = SEEDS;
    const char *text = getenv("MUSTER_TEST_SEEDS");
    if (text != NULL && sscanf(text, "%" SCNu64 "-%" SCNu64, &from, &to) != 2) {
        fail_msg("MUSTER_TEST_SEEDS is not FROM-TO");
    }
    for (uint64_t seed = from; seed <= to; seed++) {
        fprintf(stderr, "%s%" PRIu64 "%s",
                seed == from ? "seeds, the last one failed if this ends early: " : "",
                seed, seed == to ? "\n" : " ");
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_whatever_happens),
    };
    return cmocka_run_group_tests_name("zkr_random", tests, NULL, NULL);
}
