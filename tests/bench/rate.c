/* See rate.h. */
#include "rate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"
#include "base/alloc.h"

#define SAMPLES_MAX 100000u
#define WARM_WIDTH 100u   /* before all, unprinted: connections, compilers */
#define TURN_SECONDS 0.04 /* of one at a time, then of the bare ones */

uint64_t rate_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void rate_die(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, text);
    _exit(1);
}

static void on_alarm(int number)
{
    (void)number;
    static const char text[] = "bench: not done in time: a server does not answer\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

void rate_limit(unsigned seconds)
{
    (void)signal(SIGALRM, on_alarm);
    (void)alarm(seconds);
}

void rate_asked(struct rate *r)
{
    r->asked++;
}

bool rate_done(struct rate *r, uint64_t sent_ns)
{
    uint64_t now = rate_now_ns();
    r->done++;
    if (r->width == 1 && r->sample_count < SAMPLES_MAX) {
        r->samples[r->sample_count++] = (uint32_t)(now - sent_ns);
    }
    return now < r->end_ns;
}

bool rate_is_over(const struct rate *r)
{
    return r->done == r->asked;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

double rate_median_us(uint32_t *samples, size_t count)
{
    if (count == 0) {
        rate_die("samples", "none were taken in the time given");
    }
    qsort(samples, count, sizeof(*samples), compare);
    return (double)samples[count / 2] / 1000.0;
}

static void begin(struct rate *r, unsigned width)
{
    uint32_t *samples = r->samples;
    if (samples == NULL) {
        samples = mu_xalloc(SAMPLES_MAX * sizeof(*samples));
    }
    *r = (struct rate){.width = width, .samples = samples};
}

static void run_for(struct rate *r, double seconds, rate_run_cb run, void *arg)
{
    r->begin_ns = rate_now_ns();
    r->end_ns = r->begin_ns + (uint64_t)(seconds * 1e9);
    run(arg, r->width);
    r->took_ns += rate_now_ns() - r->begin_ns;
}

static void
run_alone(struct rate *r, double seconds, struct bare *bare, rate_run_cb run, void *arg)
{
    begin(r, 1);
    uint64_t end = rate_now_ns() + (uint64_t)(seconds * 1e9);
    while (rate_now_ns() < end) {
        bare_sample(bare, TURN_SECONDS);
        run_for(r, TURN_SECONDS, run, arg);
    }
    struct bare_medians b = bare_medians(bare);
    double us = rate_median_us(r->samples, r->sample_count);
    double p99 = (double)r->samples[r->sample_count * 99 / 100] / 1000.0;
    printf("1 %.0f %.1f %.1f %.1f %.1f %.1f\n",
           (double)r->done * 1e9 / (double)r->took_ns, us, p99, b.disk, b.trip, b.quorum);
}

void rate_run_all(
    struct rate *r, double seconds, struct bare *bare, rate_run_cb run, void *arg)
{
    static const unsigned widths[] = {10, 100, 1000};
    begin(r, WARM_WIDTH);
    run_for(r, seconds, run, arg);
    run_alone(r, seconds, bare, run, arg);
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        begin(r, widths[i]);
        run_for(r, seconds, run, arg);
        double rate = (double)r->done * 1e9 / (double)r->took_ns;
        printf("%u %.0f %.1f 0 0 0 0\n", widths[i], rate, 1e6 / rate);
    }
    (void)fflush(stdout);
}
