/* Journal commits per second, beside bare write + fdatasync of the same size.
 *
 *     bench_journal DIR SECONDS
 *
 * For each number of commits in flight: the journal, which groups what waits, and a bare
 * loop that writes as many records with one write and one fdatasync. The two take turns
 * within the same seconds, so what else the machine does falls on both alike. Files are
 * made in DIR and removed. Bounded by SECONDS per number in flight and by TURN_COMMITS.
 * Prints one line per number: in flight, journal commits/s, bare commits/s.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "runtime/journal.h"

#define RECORD_BYTES 256
#define IN_FLIGHT_MAX 1000
#define TURNS 6              /* each of journal and bare, per number in flight */
#define TURN_COMMITS 200000u /* 50 MB */

static const unsigned in_flight[] = {1, 10, 100, IN_FLIGHT_MAX};

struct turn {
    struct mu_journal *journal;
    uint64_t end_ns, asked, done;
    bool is_closed;
};

struct tally {
    uint64_t commits, ns;
};

static void fail(const char *what, int status)
{
    fprintf(stderr, "bench_journal: %s: %s\n", what, uv_strerror(status));
    exit(1);
}

static const unsigned char *record(void)
{
    static const unsigned char zeros[RECORD_BYTES * IN_FLIGHT_MAX];
    return zeros;
}

static void on_closed(void *arg)
{
    struct turn *turn = arg;
    turn->is_closed = true;
}

static void on_committed(void *arg, int status);

static void commit(struct turn *turn)
{
    turn->asked++;
    int status =
        journal_append(turn->journal, record(), RECORD_BYTES, on_committed, turn);
    if (status < 0) {
        fail("append", status);
    }
}

static void on_committed(void *arg, int status)
{
    struct turn *turn = arg;
    if (status < 0) {
        fail("commit", status);
    }
    turn->done++;
    if (uv_hrtime() < turn->end_ns && turn->asked < TURN_COMMITS) {
        commit(turn);
    }
}

static void
journal_turn(const char *path, unsigned count, uint64_t turn_ns, struct tally *tally)
{
    uv_loop_t loop;
    struct turn turn = {.journal = NULL};
    struct mu_error err;
    uv_loop_init(&loop);
    if (journal_open(&loop, path, NULL, NULL, &turn.journal, &err) < 0) {
        fprintf(stderr, "bench_journal: %s\n", err.text);
        exit(1);
    }
    uint64_t begin = uv_hrtime();
    turn.end_ns = begin + turn_ns;
    for (unsigned i = 0; i < count; i++) {
        commit(&turn);
    }
    while (turn.done < turn.asked) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    tally->ns += uv_hrtime() - begin;
    tally->commits += turn.done;
    journal_close(turn.journal, on_closed, &turn);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (!turn.is_closed || uv_loop_close(&loop) != 0 || unlink(path) != 0) {
        fail("close", -EBUSY);
    }
}

static void
bare_turn(const char *path, unsigned count, uint64_t turn_ns, struct tally *tally)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail(path, -errno);
    }
    const size_t len = (size_t)RECORD_BYTES * count;
    uint64_t begin = uv_hrtime(), now = begin, done = 0;
    while (now - begin < turn_ns && done < TURN_COMMITS) {
        if (write(fd, record(), len) != (ssize_t)len || fdatasync(fd) != 0) {
            fail("write", -errno);
        }
        done += count;
        now = uv_hrtime();
    }
    tally->ns += now - begin;
    tally->commits += done;
    close(fd);
    unlink(path);
}

static double per_second(const struct tally *tally)
{
    return (double)tally->commits * 1e9 / (double)tally->ns;
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
    if (seconds <= 0 || seconds > 60) {
        fprintf(stderr, "usage: bench_journal DIR SECONDS (at most 60)\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/journal", argv[1]);
    uint64_t turn_ns = (uint64_t)(seconds * 1e9) / (2 * TURNS);
    for (size_t i = 0; i < sizeof(in_flight) / sizeof(in_flight[0]); i++) {
        struct tally journal = {0}, bare = {0};
        for (int t = 0; t < TURNS; t++) {
            journal_turn(path, in_flight[i], turn_ns, &journal);
            bare_turn(path, in_flight[i], turn_ns, &bare);
        }
        printf("%u %.0f %.0f\n", in_flight[i], per_second(&journal), per_second(&bare));
        fflush(stdout);
    }
    return 0;
}
