/* Hashes and random numbers against published vectors. */
#include "cm.h"

#include <string.h>

#include "base/hash.h"
#include "base/prng.h"

static void crc32c_matches_rfc_3720(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_int_equal(mu_crc32c(0, "", 0), 0);
    assert_int_equal(mu_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(mu_crc32c(0, bytes, 32), 0x46dd794eu);
}

static void crc32c_goes_on_from_a_part(void **state)
{
    (void)state;
    uint32_t part = mu_crc32c(0, "12345", 5);
    assert_int_equal(mu_crc32c(part, "6789", 4), 0xe3069283u);
}

static void siphash_matches_the_paper(void **state)
{
    (void)state;
    const uint64_t k0 = UINT64_C(0x0706050403020100);
    const uint64_t k1 = UINT64_C(0x0f0e0d0c0b0a0908);
    unsigned char bytes[16];
    for (int i = 0; i < 16; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_true(mu_siphash(k0, k1, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(mu_siphash(k0, k1, bytes, 1) == UINT64_C(0x74f839c593dc67fd));
    assert_true(mu_siphash(k0, k1, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void hash64_depends_on_the_seed(void **state)
{
    (void)state;
    assert_true(mu_hash64(1, "a", 1) != mu_hash64(2, "a", 1));
}

static void splitmix64_matches_the_reference(void **state)
{
    (void)state;
    uint64_t s = 1234567;
    assert_true(mu_splitmix64(&s) == UINT64_C(6457827717110365317));
    assert_true(mu_splitmix64(&s) == UINT64_C(3203168211198807973));
    assert_true(mu_splitmix64(&s) == UINT64_C(9817491932198370423));
}

static void xoshiro_matches_the_reference(void **state)
{
    (void)state;
    struct mu_prng p = {{1, 2, 3, 4}};
    const uint64_t want[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
    for (int i = 0; i < 4; i++) {
        assert_true(mu_prng_next(&p) == want[i]);
    }
}

static void same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    struct mu_prng a;
    struct mu_prng b;
    mu_prng_seed(&a, 5);
    mu_prng_seed(&b, 5);
    for (int i = 0; i < 100; i++) {
        assert_true(mu_prng_next(&a) == mu_prng_next(&b));
    }
    mu_prng_seed(&b, 6);
    assert_true(mu_prng_next(&a) != mu_prng_next(&b));
}

static void bounded_numbers_stay_inside_and_reach_the_ends(void **state)
{
    (void)state;
    struct mu_prng p;
    mu_prng_seed(&p, 3);
    int seen[5] = {0};
    for (int i = 0; i < 1000; i++) {
        seen[mu_prng_range(&p, 10, 14) - 10]++;
        assert_int_equal(mu_prng_below(&p, 1), 0);
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(seen[i], 100, 300);
    }
    (void)mu_prng_range(&p, 0, UINT64_MAX); /* the whole width must not divide by 0 */
    assert_true(mu_prng_range(&p, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void chance_of_none_and_all(void **state)
{
    (void)state;
    struct mu_prng p;
    mu_prng_seed(&p, 3);
    int hits = 0;
    for (int i = 0; i < 10000; i++) {
        assert_false(mu_prng_chance(&p, 0));
        assert_true(mu_prng_chance(&p, 1000000));
        hits += mu_prng_chance(&p, 250000);
    }
    assert_in_range(hits, 2300, 2700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_matches_rfc_3720),
        cmocka_unit_test(crc32c_goes_on_from_a_part),
        cmocka_unit_test(siphash_matches_the_paper),
        cmocka_unit_test(hash64_depends_on_the_seed),
        cmocka_unit_test(splitmix64_matches_the_reference),
        cmocka_unit_test(xoshiro_matches_the_reference),
        cmocka_unit_test(same_seed_gives_the_same_numbers),
        cmocka_unit_test(bounded_numbers_stay_inside_and_reach_the_ends),
        cmocka_unit_test(chance_of_none_and_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
