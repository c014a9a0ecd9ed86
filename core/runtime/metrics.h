/* The process's metrics: named numbers, kept sorted by name so that every walk has the
 * same order. Some hundreds of names, so a sorted array and a binary search will do; loop
 * thread only.
 */
#ifndef MU_RUNTIME_METRICS_H
#define MU_RUNTIME_METRICS_H

#include <stddef.h>

struct rt_metrics;

struct rt_metrics *rt_metrics_create(void);
void rt_metrics_destroy(struct rt_metrics *m);
void rt_metrics_add(struct rt_metrics *m, const char *name, double delta);
void rt_metrics_set(struct rt_metrics *m, const char *name, double value);
/* In name order. cb must not add names. */
void rt_metrics_each(const struct rt_metrics *m,
                     void (*cb)(void *arg, const char *name, double value),
                     void *arg);

#endif
