/* Arena: alignment, big blocks, reset. */
#include "cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct mu_arena a;
    mu_arena_init(&a);
    char *p[300];
    for (int i = 0; i < 300; i++) {
        size_t size = (size_t)i * 7 % 100;
        p[i] = mu_arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        memset(p[i], i & 0x7f, size);
    }
    for (int i = 0; i < 300; i++) {
        for (size_t k = 0; k < (size_t)i * 7 % 100; k++) {
            assert_int_equal(p[i][k], i & 0x7f);
        }
    }
    mu_arena_release(&a);
    assert_null(a.blocks);
}

static void big_requests_get_blocks_of_their_own(void **state)
{
    (void)state;
    struct mu_arena a = {0};
    char *small = mu_arena_strdup(&a, "small");
    char *big = mu_arena_calloc(&a, 1000, 100);
    assert_int_equal(big[99999], 0);
    big[99999] = 1;
    assert_string_equal(small, "small");
    mu_arena_release(&a);
}

static void reset_keeps_one_block(void **state)
{
    (void)state;
    struct mu_arena a = {0};
    void *first = mu_arena_alloc(&a, 16);
    for (int i = 0; i < 100; i++) {
        (void)mu_arena_alloc(&a, 1000);
    }
    mu_arena_reset(&a);
    assert_int_equal(a.total, 0);
    assert_ptr_equal(mu_arena_alloc(&a, 16), first);
    mu_arena_release(&a);
}

static void texts(void **state)
{
    (void)state;
    struct mu_arena a = {0};
    assert_null(mu_arena_strdup(&a, NULL));
    assert_string_equal(mu_arena_memdup(&a, "abc", 2), "ab");
    assert_string_equal(mu_arena_printf(&a, "%d:%s", 3, "x"), "3:x");
    mu_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(big_requests_get_blocks_of_their_own),
        cmocka_unit_test(reset_keeps_one_block),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
