/* xoshiro256** and splitmix64, after Blackman and Vigna's public-domain reference code.
 *
 * Bounded numbers reject the uneven rest of the range instead of using a plain modulo, so
 * that they are unbiased; the expected number of draws is below two.
 */
#include "base/prng.h"

#include "base/check.h"

uint64_t mu_splitmix64(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void mu_prng_seed(struct mu_prng *p, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        p->s[i] = mu_splitmix64(&seed);
    }
}

static uint64_t rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

uint64_t mu_prng_next(struct mu_prng *p)
{
    uint64_t result = rotl(p->s[1] * 5, 7) * 9;
    uint64_t t = p->s[1] << 17;
    p->s[2] ^= p->s[0];
    p->s[3] ^= p->s[1];
    p->s[1] ^= p->s[2];
    p->s[0] ^= p->s[3];
    p->s[2] ^= t;
    p->s[3] = rotl(p->s[3], 45);
    return result;
}

uint64_t mu_prng_below(struct mu_prng *p, uint64_t n)
{
    MU_PRE(n > 0);
    uint64_t rest = (0 - n) % n; /* 2^64 mod n */
    uint64_t x;
    do {
        x = mu_prng_next(p);
    } while (x < rest);
    return x % n;
}

uint64_t mu_prng_range(struct mu_prng *p, uint64_t low, uint64_t high)
{
    MU_PRE(low <= high);
    uint64_t width = high - low + 1; /* 0: all of 2^64 */
    return width == 0 ? mu_prng_next(p) : low + mu_prng_below(p, width);
}

bool mu_prng_chance(struct mu_prng *p, uint32_t ppm)
{
    return mu_prng_below(p, 1000000) < ppm;
}
