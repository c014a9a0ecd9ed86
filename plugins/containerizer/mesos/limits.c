#include "limits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define PERIOD_US INT64_C(100000)
#define QUOTA_MIN_US INT64_C(1000)
#define SHARES_PER_CPU INT64_C(1024)
#define SHARES_MIN INT64_C(2)
#define SHARES_MAX INT64_C(262144) /* the kernel's */
#define WEIGHT_PER_CPU INT64_C(100)
#define WEIGHT_MAX INT64_C(10000) /* the kernel's */

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Saturates: such an amount is "as much as there is". */
static int64_t scale(int64_t milli, int64_t per_unit)
{
    int64_t v;
    return __builtin_mul_overflow(milli, per_unit, &v) ? INT64_MAX / 1000 : v / 1000;
}

static void put(struct mu_pairs *out,
                const char *parent,
                const char *id,
                const char *file,
                const char *value)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s/%s", parent, id, file);
    mu_pairs_add(out, path, value);
}

static void put_number(struct mu_pairs *out,
                       const char *parent,
                       const char *id,
                       const char *file,
                       int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put(out, parent, id, file, text);
}

static void put_cpu_v1(const struct nat_layout *l,
                       bool has_quota,
                       const char *id,
                       int64_t cpus_milli,
                       struct mu_pairs *out)
{
    int64_t shares = clamp(scale(cpus_milli, SHARES_PER_CPU), SHARES_MIN, SHARES_MAX);
    put_number(out, l->cpu, id, "cpu.shares", shares);
    if (has_quota) {
        int64_t quota = clamp(scale(cpus_milli, PERIOD_US), QUOTA_MIN_US, INT64_MAX);
        put_number(out, l->cpu, id, "cpu.cfs_period_us", PERIOD_US);
        put_number(out, l->cpu, id, "cpu.cfs_quota_us", quota);
    }
}

static void put_cpu_v2(const struct nat_layout *l,
                       bool has_quota,
                       const char *id,
                       int64_t cpus_milli,
                       struct mu_pairs *out)
{
    int64_t weight = clamp(scale(cpus_milli, WEIGHT_PER_CPU), 1, WEIGHT_MAX);
    put_number(out, l->unified, id, "cpu.weight", weight);
    if (has_quota) {
        int64_t quota = clamp(scale(cpus_milli, PERIOD_US), QUOTA_MIN_US, INT64_MAX);
        char text[48];
        snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, quota, PERIOD_US);
        put(out, l->unified, id, "cpu.max", text);
    }
}

/* memory before memory.memsw: the latter may not be below the former. */
static void put_memory(const struct nat_layout *l,
                       bool has_swap_limit,
                       const char *id,
                       int64_t bytes,
                       struct mu_pairs *out)
{
    if (l->is_v2) {
        put_number(out, l->unified, id, "memory.low", bytes);
        put_number(out, l->unified, id, "memory.max", bytes);
        return;
    }
    put_number(out, l->memory, id, "memory.soft_limit_in_bytes", bytes);
    put_number(out, l->memory, id, "memory.limit_in_bytes", bytes);
    if (has_swap_limit && l->has_swap) {
        put_number(out, l->memory, id, "memory.memsw.limit_in_bytes", bytes);
    }
}

/* The limit that "mem" asks for. */
int64_t nat_limits_memory_bytes(const struct mu_resources *resources)
{
    if (mu_resources_find(resources, "mem", NULL) == NULL) {
        return 0;
    }
    int64_t bytes = scale(mu_resources_scalar(resources, "mem"), INT64_C(1) << 20);
    return clamp(bytes, NAT_MEMORY_MIN_BYTES, INT64_MAX);
}

/* Make the list of settings. */
void nat_limits_make(const struct nat_layout *layout,
                     const struct nat_limit_flags *flags,
                     const char *id,
                     const struct mu_resources *resources,
                     struct mu_pairs *out_settings)
{
    bool has_cpus = mu_resources_find(resources, "cpus", NULL) != NULL;
    int64_t cpus_milli = mu_resources_scalar(resources, "cpus");
    if (has_cpus && layout->has_cpu && layout->is_v2) {
        put_cpu_v2(layout, flags->has_quota, id, cpus_milli, out_settings);
    } else if (has_cpus && layout->has_cpu) {
        put_cpu_v1(layout, flags->has_quota, id, cpus_milli, out_settings);
    }
    int64_t bytes = nat_limits_memory_bytes(resources);
    if (bytes > 0 && layout->has_memory) {
        put_memory(layout, flags->has_swap_limit, id, bytes, out_settings);
    }
}
