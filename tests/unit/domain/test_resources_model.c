/* Properties of resource arithmetic, against a model that cannot be wrong: a scalar is an
 * integer, a range value is a bit per number, a set is a bit per item.
 *
 * Ranges are tried at the low and at the very high end of 64 bits.
 */
#include "cm.h"

#include <muster/resources.h>

#include <stdio.h>
#include <string.h>

#include "base/prng.h"

#define NAMES 4 /* cpus: scalar, ports: low ranges, top: high ranges, zone: set */
#define ROLES 2

struct model {
    uint64_t v[NAMES][ROLES]; /* milli-units, or bits */
};

static const char *const names[NAMES] = {"cpus", "ports", "top", "zone"};
static const char *const roles[ROLES] = {"*", "web"};

static void build(const struct model *m, struct mu_resources *out)
{
    mu_resources_init(out);
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            uint64_t v = m->v[n][r];
            if (n == 0) {
                assert_int_equal(
                    mu_resources_add_scalar(out, names[n], roles[r], (int64_t)v, NULL),
                    0);
            }
            for (unsigned bit = 0; n > 0 && bit < 64; bit++) {
                uint64_t number = n == 2 ? UINT64_MAX - bit : 31000 + bit;
                char item[4] = {(char)('a' + bit / 26), (char)('a' + bit % 26)};
                if ((v >> bit & 1) == 0) {
                    continue;
                }
                assert_int_equal(
                    n == 3 ? mu_resources_add_item(out, names[n], roles[r], item, NULL)
                           : mu_resources_add_range(out, names[n], roles[r], number,
                                                    number, NULL),
                    0);
            }
        }
    }
}

static uint64_t random_bits(struct mu_prng *rng)
{
    switch (mu_prng_below(rng, 5)) {
    case 0:
        return 0;
    case 1:
        return mu_prng_next(rng);
    case 2: /* one run */
        return (UINT64_MAX >> mu_prng_below(rng, 64)) << mu_prng_below(rng, 64);
    case 3: /* sparse */
        return mu_prng_next(rng) & mu_prng_next(rng) & mu_prng_next(rng);
    default:
        return UINT64_MAX;
    }
}

static struct model random_model(struct mu_prng *rng)
{
    struct model m = {0};
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            m.v[n][r] = n == 0 ? mu_prng_below(rng, 3) * mu_prng_below(rng, 100000)
                               : random_bits(rng);
        }
    }
    return m;
}

static bool model_contains(const struct model *whole, const struct model *part)
{
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            uint64_t w = whole->v[n][r];
            uint64_t p = part->v[n][r];
            if (n == 0 ? w < p : (p & ~w) != 0) {
                return false;
            }
        }
    }
    return true;
}

static struct model model_add(const struct model *a, const struct model *b)
{
    struct model sum = *a;
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            sum.v[n][r] = n == 0 ? a->v[n][r] + b->v[n][r] : a->v[n][r] | b->v[n][r];
        }
    }
    return sum;
}

static struct model model_subtract(const struct model *a, const struct model *b)
{
    struct model rest = *a;
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            rest.v[n][r] = n == 0 ? a->v[n][r] - b->v[n][r] : a->v[n][r] & ~b->v[n][r];
        }
    }
    return rest;
}

/* A random part of m. */
static struct model random_part(struct mu_prng *rng, const struct model *m)
{
    struct model part = random_model(rng);
    for (int n = 0; n < NAMES; n++) {
        for (int r = 0; r < ROLES; r++) {
            part.v[n][r] =
                n == 0 ? mu_prng_below(rng, m->v[n][r] + 1) : part.v[n][r] & m->v[n][r];
        }
    }
    return part;
}

static void assert_normal(const struct mu_resources *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct mu_resource *e = &r->v[i];
        assert_true(e->scalar_milli > 0 || e->range_count > 0 || e->item_count > 0);
        for (size_t k = 0; k < e->range_count; k++) {
            assert_true(e->ranges[k].begin <= e->ranges[k].end);
            assert_true(k == 0 || e->ranges[k - 1].end + 1 < e->ranges[k].begin);
        }
        for (size_t k = 1; k < e->item_count; k++) {
            assert_true(strcmp(e->items[k - 1], e->items[k]) < 0);
        }
        if (i > 0) {
            int order = strcmp(r->v[i - 1].name, e->name);
            assert_true(order < 0 ||
                        (order == 0 && strcmp(r->v[i - 1].role, e->role) < 0));
        }
    }
}

static void assert_is(const struct mu_resources *r, const struct model *m)
{
    struct mu_resources want;
    build(m, &want);
    assert_true(mu_resources_equal(r, &want));
    assert_normal(r);
    mu_resources_release(&want);
}

static void sums_differences_and_containment_match_the_model(void **state)
{
    (void)state;
    struct mu_prng rng;
    mu_prng_seed(&rng, 2024);
    for (int i = 0; i < 1500; i++) {
        struct model ma = random_model(&rng);
        struct model mb =
            mu_prng_chance(&rng, 500000) ? random_part(&rng, &ma) : random_model(&rng);
        struct mu_resources a;
        struct mu_resources b;
        build(&ma, &a);
        build(&mb, &b);
        bool contained = model_contains(&ma, &mb);
        assert_int_equal(mu_resources_contains(&a, &b), contained);

        struct mu_resources sum = {0};
        mu_resources_copy(&sum, &a);
        struct model msum = model_add(&ma, &mb);
        assert_int_equal(mu_resources_add(&sum, &b, NULL), 0);
        assert_is(&sum, &msum);
        assert_true(mu_resources_contains(&sum, &a));
        assert_true(mu_resources_contains(&sum, &b));

        struct model mrest = contained ? model_subtract(&ma, &mb) : ma;
        assert_int_equal(mu_resources_subtract(&a, &b, NULL),
                         contained ? 0 : MU_E_INVALID);
        assert_is(&a, &mrest);
        assert_is(&b, &mb);
        mu_resources_release(&a);
        mu_resources_release(&b);
        mu_resources_release(&sum);
    }
}

/* Many small bookings and releases in any order end exactly where they began. */
static void bookings_given_back_in_any_order_restore_the_whole(void **state)
{
    (void)state;
    struct mu_prng rng;
    mu_prng_seed(&rng, 7);
    struct model whole = {
        {{123456, 5}, {UINT64_MAX, 0xff}, {UINT64_MAX, 1}, {0xfffff, 0}}};
    struct mu_resources total;
    struct mu_resources rest = {0};
    build(&whole, &total);
    mu_resources_copy(&rest, &total);
    struct model mrest = whole;
    struct mu_resources booked[16] = {0};
    struct model mbooked[16] = {0};
    for (int step = 0; step < 3000; step++) {
        size_t slot = mu_prng_below(&rng, 16);
        if (mu_resources_empty(&booked[slot])) {
            mbooked[slot] = random_part(&rng, &mrest);
            build(&mbooked[slot], &booked[slot]);
            assert_int_equal(mu_resources_subtract(&rest, &booked[slot], NULL), 0);
            mrest = model_subtract(&mrest, &mbooked[slot]);
        } else {
            assert_int_equal(mu_resources_add(&rest, &booked[slot], NULL), 0);
            mrest = model_add(&mrest, &mbooked[slot]);
            mu_resources_release(&booked[slot]);
        }
        if (step % 50 == 0) {
            assert_is(&rest, &mrest);
        }
    }
    for (size_t slot = 0; slot < 16; slot++) {
        assert_int_equal(mu_resources_add(&rest, &booked[slot], NULL), 0);
        mu_resources_release(&booked[slot]);
    }
    assert_true(mu_resources_equal(&rest, &total));
    mu_resources_release(&rest);
    mu_resources_release(&total);
}

static void format_and_parse_are_inverse(void **state)
{
    (void)state;
    struct mu_prng rng;
    mu_prng_seed(&rng, 11);
    struct mu_buf text;
    mu_buf_init(&text, 1 << 20);
    for (int i = 0; i < 500; i++) {
        struct model m = random_model(&rng);
        struct mu_resources r;
        struct mu_resources back;
        build(&m, &r);
        mu_buf_clear(&text);
        mu_resources_format(&r, &text);
        assert_int_equal(mu_resources_parse(mu_buf_str(&text), "*", &back, NULL), 0);
        assert_true(mu_resources_equal(&r, &back));
        mu_resources_release(&r);
        mu_resources_release(&back);
    }
    mu_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_differences_and_containment_match_the_model),
        cmocka_unit_test(bookings_given_back_in_any_order_restore_the_whole),
        cmocka_unit_test(format_and_parse_are_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
