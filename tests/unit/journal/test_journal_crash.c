/* A writer that is killed -9 at random moments, again and again, on one file.
 *
 * The child (this program with arguments) appends the numbers 1, 2, 3, ... in bursts,
 * with payloads of many sizes, and writes each number to a pipe once it is acknowledged;
 * with "rewrite" it also replaces the file, now and then, by one record that stands for
 * all numbers so far. After each kill the file must hold every number without a gap, at
 * least up to the last one that came through the pipe.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/prng.h"
#include "lib/killed_writer.h"
#include "unit/journal/journal_kit.h"

#define ROUNDS 30
#define PAYLOAD_MAX 70000

struct entry {
    uint64_t is_base; /* stands for all numbers up to this one */
    uint64_t number;
};

/* Replay: numbers follow each other; the bytes behind them are the right ones. */
struct numbers {
    uint64_t last;
    size_t count;
    bool wrong;
};

static uint8_t filler(uint64_t number, size_t i)
{
    return (uint8_t)(number * 31 + i);
}

static void on_record(void *arg, const void *data, size_t len)
{
    struct numbers *n = arg;
    struct entry e;
    if (len < sizeof(e)) {
        n->wrong = true;
        return;
    }
    memcpy(&e, data, sizeof(e));
    n->wrong = n->wrong || (e.is_base != 0 ? n->count > 0 : e.number != n->last + 1);
    const uint8_t *p = data;
    for (size_t i = sizeof(e); i < len; i++) {
        n->wrong = n->wrong || p[i] != filler(e.number, i);
    }
    n->last = e.number;
    n->count++;
}

/* ---- the child ---- */

struct writer {
    struct mu_journal *j;
    struct mu_prng prng;
    uint64_t next, waiting, acked;
    bool can_rewrite;
};

static void burst(struct writer *w);

static void on_appended(void *arg, int status)
{
    struct writer *w = arg;
    w->acked++;
    if (status != 0 || write(STDOUT_FILENO, &w->acked, sizeof(w->acked)) < 0) {
        _exit(3);
    }
    if (--w->waiting == 0) {
        burst(w);
    }
}

static void on_rewritten(void *arg, int status)
{
    (void)arg;
    if (status != 0) {
        _exit(4);
    }
}

static void rewrite(struct writer *w)
{
    struct entry e = {1, w->next - 1};
    const struct mu_slice one = {&e, sizeof(e)};
    if (journal_rewrite(w->j, &one, 1, on_rewritten, w) != 0) {
        _exit(5);
    }
}

static void burst(struct writer *w)
{
    mu_auto_free uint8_t *data = mu_xalloc(PAYLOAD_MAX);
    uint64_t count = mu_prng_range(&w->prng, 1, 20);
    w->waiting = count;
    for (uint64_t i = 0; i < count; i++) {
        if (w->can_rewrite && mu_prng_below(&w->prng, 8) == 0) {
            rewrite(w);
        }
        struct entry e = {0, w->next++};
        bool is_big = mu_prng_below(&w->prng, 10) == 0;
        size_t len = mu_prng_range(&w->prng, sizeof(e), is_big ? PAYLOAD_MAX : 100);
        memcpy(data, &e, sizeof(e));
        for (size_t k = sizeof(e); k < len; k++) {
            data[k] = filler(e.number, k);
        }
        if (journal_append(w->j, data, len, on_appended, w) != 0) {
            _exit(6);
        }
    }
}

static int writer_main(const char *path, const char *seed, bool can_rewrite)
{
    struct writer w = {.can_rewrite = can_rewrite};
    uint64_t seed_number = 0;
    struct mu_error err;
    if (mu_parse_u64(seed, &seed_number, &err) < 0) {
        return 2;
    }
    mu_prng_seed(&w.prng, seed_number);
    uv_loop_t loop;
    struct numbers n = {.last = 0};
    if (uv_loop_init(&loop) != 0 ||
        journal_open(&loop, path, on_record, &n, &w.j, &err) < 0 || n.wrong) {
        return 2;
    }
    w.next = n.last + 1;
    w.acked = n.last;
    burst(&w);
    return uv_run(&loop, UV_RUN_DEFAULT); /* until it is killed */
}

/* ---- the parent ---- */

static uint64_t run_and_kill(const char *path, int round, struct mu_prng *prng, bool rw)
{
    char seed[24];
    snprintf(seed, sizeof(seed), "%d", round);
    mu_auto_free char *mode = mu_xstrdup(rw ? "rewrite" : "append");
    mu_auto_free char *file = mu_xstrdup(path);
    char *const argv[] = {program_invocation_short_name, mode, file, seed, NULL};
    return killed_writer_run(argv, prng);
}

static void kill_again_and_again(bool can_rewrite)
{
    struct test_host *th = test_host_open();
    mu_auto_free char *path = mu_xasprintf("%s/test.log", th->work_dir);
    struct mu_prng prng;
    mu_prng_seed(&prng, (uint64_t)getpid());
    print_message("seed %d\n", (int)getpid());
    uint64_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t acked = run_and_kill(path, round, &prng, can_rewrite);
        struct numbers n = {.last = 0};
        struct mu_journal *j = NULL;
        struct mu_error err;
        if (journal_open(th->loop, path, on_record, &n, &j, &err) < 0) {
            fail_msg("round %d: %s", round, err.text);
        }
        assert_false(n.wrong);
        assert_true(n.last >= acked);
        assert_true(n.last >= before); /* what was there stays */
        before = n.last;
        kit_close(th, j);
    }
    assert_true(before > ROUNDS);
    test_host_close(th);
}

static void killed_writer_loses_nothing_that_it_acknowledged(void **state)
{
    (void)state;
    kill_again_and_again(false);
}

static void writer_killed_while_it_rewrites_loses_nothing_either(void **state)
{
    (void)state;
    kill_again_and_again(true);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        return writer_main(argv[2], argv[3], strcmp(argv[1], "rewrite") == 0);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_writer_loses_nothing_that_it_acknowledged),
        cmocka_unit_test(writer_killed_while_it_rewrites_loses_nothing_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
