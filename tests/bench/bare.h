/* What no replicated log can do without: a write with fdatasync, a round trip on loopback
 * to another process, and both at once, as three servers have to do it that share a disk:
 * the record goes to two others, all three sync it, and two of the three are awaited.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

struct bare;

struct bare_medians { /* microseconds */
    double disk, trip, quorum;
};

/* Files in dir, and two children; to be called before there are threads. */
struct bare *bare_open(const char *dir);
/* Measure all three for that long in all. */
void bare_sample(struct bare *b, double seconds);
/* Of all samples so far. */
struct bare_medians bare_medians(struct bare *b);
void bare_close(struct bare *b);

#endif
