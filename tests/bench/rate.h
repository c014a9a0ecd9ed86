/* What all writers of `scripts/bench log` count and print alike, whoever keeps what they
 * write: runs of some seconds with a number of writes on their way, each replaced by
 * another one when it is done. rate_* is called by one thread at once.
 */
#ifndef BENCH_RATE_H
#define BENCH_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_VALUE_BYTES 256
#define RATE_KEYS 10000u /* that are written again and again */

struct bare;

struct rate {
    unsigned width; /* writes on their way */
    uint64_t begin_ns, end_ns, took_ns, asked, done;
    uint32_t *samples; /* ns from asked to done; of one at a time only */
    size_t sample_count;
};

/* Keep width writes on their way, until rate_done says that the time is over and
 * rate_is_over that nothing is on its way any more. */
typedef void (*rate_run_cb)(void *arg, unsigned width);

uint64_t rate_now_ns(void);
/* Prints "PROGRAM: what: text" and ends the process. */
__attribute__((noreturn)) void rate_die(const char *what, const char *text);
/* Ends the process with a message when it has not ended by itself after seconds. */
void rate_limit(unsigned seconds);
/* One is on its way. */
void rate_asked(struct rate *r);
/* One is done. True: ask for another one; false: the time is over. */
bool rate_done(struct rate *r, uint64_t sent_ns);
/* All that was asked for is done. */
bool rate_is_over(const struct rate *r);
/* Warm up, then 1, 10, 100 and 1,000 writes on their way, each for that long; prints
 * "WIDTH WRITES_PER_SECOND MICROSECONDS P99 FDATASYNC ROUND_TRIP QUORUM" for each. Of one
 * at a time these are medians, and the bare ones were taken in turns with it, many times
 * a second: a machine with other work, too, has not the same disk all the time. Else it
 * is the time by the rate, and zeros. */
void rate_run_all(
    struct rate *r, double seconds, struct bare *bare, rate_run_cb run, void *arg);
/* The median in microseconds; sorts. */
double rate_median_us(uint32_t *samples, size_t count);

#endif
