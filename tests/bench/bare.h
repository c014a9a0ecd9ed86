/* What no replicated log can do without: a write with fdatasync, and a round trip on
 * loopback to another process.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

struct bare;

/* A file in dir, and a child that echoes; to be called before there are threads. */
struct bare *bare_open(const char *dir);
/* Measure both for that long in all. */
void bare_sample(struct bare *b, double seconds);
/* Medians of all samples so far, in microseconds. */
void bare_medians(struct bare *b, double *out_disk_us, double *out_trip_us);
void bare_close(struct bare *b);

#endif
