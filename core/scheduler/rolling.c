/* Capacities are parts per million, so that ceil and floor are exact. */
#include "scheduler/rolling.h"

#define PPM UINT64_C(1000000)

void rolling_limits(uint32_t n,
                    const struct mu_upgrade_strategy *upgrade,
                    bool tied,
                    uint32_t healthy,
                    struct rolling_limits *out)
{
    uint64_t min_healthy = ((uint64_t)n * upgrade->min_health_ppm + PPM - 1) / PPM;
    uint64_t max_capacity = (uint64_t)n * (PPM + upgrade->max_over_ppm) / PPM;
    uint64_t kill = healthy > min_healthy ? healthy - min_healthy : 0;
    if (min_healthy == max_capacity && max_capacity <= healthy) {
        if (tied) {
            kill = healthy - min_healthy + 1;
        } else {
            max_capacity++;
        }
    }
    *out = (struct rolling_limits){
        .min_healthy = (uint32_t)min_healthy,
        .max_capacity = max_capacity < UINT32_MAX ? (uint32_t)max_capacity : UINT32_MAX,
        .kill_now = (uint32_t)kill,
    };
}
