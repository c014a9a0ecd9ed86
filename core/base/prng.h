/* Seeded random numbers: xoshiro256**, seeded through splitmix64.
 *
 * For simulation, jitter and shuffling; the same seed gives the same numbers everywhere.
 * Not for secrets.
 */
#ifndef MU_BASE_PRNG_H
#define MU_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct mu_prng {
    uint64_t s[4];
};

/* One step of splitmix64; *state may start anywhere. */
uint64_t mu_splitmix64(uint64_t *state);

void mu_prng_seed(struct mu_prng *p, uint64_t seed);
uint64_t mu_prng_next(struct mu_prng *p);
/* Uniform in 0..n-1, without bias; n > 0. */
uint64_t mu_prng_below(struct mu_prng *p, uint64_t n);
/* Uniform in low..high, both inside. */
uint64_t mu_prng_range(struct mu_prng *p, uint64_t low, uint64_t high);
/* True in ppm of a million cases. */
bool mu_prng_chance(struct mu_prng *p, uint32_t ppm);

#endif
