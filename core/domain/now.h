/* The time of an event, passed into every step of a pure machine. mono_ms decides;
 * wall_ms is data for humans and ids. */
#ifndef MU_DOMAIN_NOW_H
#define MU_DOMAIN_NOW_H

#include <stdint.h>

struct mu_now {
    uint64_t mono_ms;
    int64_t wall_ms;
};

#endif
