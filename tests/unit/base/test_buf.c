/* Byte buffer: termination, the maximum, the sticky flag. */
#include "cm.h"

#include <muster/buf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_is_never_null_and_terminated(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 100);
    assert_string_equal(mu_buf_str(&b), "");
    assert_null(b.data);
    assert_int_equal(mu_buf_append(&b, "ab\0c", 4), 0);
    assert_int_equal(b.len, 4);
    assert_int_equal(b.data[4], '\0');
    assert_int_equal(mu_buf_puts(&b, "de"), 0);
    assert_int_equal(mu_buf_putc(&b, 'f'), 0);
    assert_memory_equal(b.data, "ab\0cdef", 8);
    mu_buf_release(&b);
    mu_buf_release(&b);
    assert_null(b.data);
}

static void append_past_max_changes_nothing_and_sticks(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 5);
    assert_int_equal(mu_buf_puts(&b, "12345"), 0);
    assert_true(mu_buf_ok(&b));
    assert_int_equal(mu_buf_putc(&b, '6'), -E2BIG);
    assert_false(mu_buf_ok(&b));
    assert_string_equal(mu_buf_str(&b), "12345");
    mu_buf_consume(&b, 3);
    assert_int_equal(mu_buf_putc(&b, '7'), -E2BIG); /* no text with a hole */
    assert_int_equal(mu_buf_printf(&b, "x"), -E2BIG);
    assert_string_equal(mu_buf_str(&b), "45");
    mu_buf_clear(&b);
    assert_true(mu_buf_ok(&b));
    assert_string_equal(mu_buf_str(&b), "");
    assert_int_equal(mu_buf_puts(&b, "abcde"), 0);
    assert_null(mu_buf_reserve(&b, 1));
    mu_buf_release(&b);
}

static void printf_of_any_length(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, SIZE_MAX);
    char want[2000];
    size_t len = 0;
    for (int width = 1; width < 300; width += 33) {
        assert_int_equal(mu_buf_printf(&b, "%*d", width, 7), 0);
        len += (size_t)snprintf(want + len, sizeof(want) - len, "%*d", width, 7);
        assert_string_equal(mu_buf_str(&b), want);
        assert_int_equal(b.len, len);
    }
    mu_buf_release(&b);
    mu_buf_init(&b, 200);
    assert_int_equal(mu_buf_printf(&b, "%201d", 1), -E2BIG);
    assert_int_equal(b.len, 0);
    mu_buf_release(&b);
}

static void reserve_gives_room_that_stays_terminated(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 1000);
    char *p = mu_buf_reserve(&b, 500);
    assert_non_null(p);
    memset(p, 'x', 500);
    b.len += 500;
    assert_int_equal(strlen(mu_buf_str(&b)), 500);
    assert_null(mu_buf_reserve(&b, SIZE_MAX));
    mu_buf_release(&b);
}

static void consume_drops_from_the_front(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 100);
    mu_buf_consume(&b, 0);
    (void)mu_buf_puts(&b, "hello world");
    mu_buf_consume(&b, 6);
    assert_string_equal(mu_buf_str(&b), "world");
    mu_buf_consume(&b, 5);
    assert_string_equal(mu_buf_str(&b), "");
    mu_buf_release(&b);
}

static void take_hands_over_a_text(void **state)
{
    (void)state;
    struct mu_buf b;
    mu_buf_init(&b, 100);
    char *empty = mu_buf_take(&b);
    assert_string_equal(empty, "");
    free(empty);
    (void)mu_buf_puts(&b, "abc");
    char *text = mu_buf_take(&b);
    assert_string_equal(text, "abc");
    free(text);
    assert_int_equal(b.len, 0);
    assert_int_equal(mu_buf_puts(&b, "usable"), 0);
    mu_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_never_null_and_terminated),
        cmocka_unit_test(append_past_max_changes_nothing_and_sticks),
        cmocka_unit_test(printf_of_any_length),
        cmocka_unit_test(reserve_gives_room_that_stays_terminated),
        cmocka_unit_test(consume_drops_from_the_front),
        cmocka_unit_test(take_hands_over_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
