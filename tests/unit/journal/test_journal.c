/* The journal service on a real file: durability across opens, grouping, order, rewrite,
 * locking, limits. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/journal_format.h"
#include "unit/journal/journal_kit.h"

struct fixture {
    struct test_host *th;
    char *path, *tmp;
};

static int setup(void **state)
{
    struct fixture *f = MU_NEW(struct fixture);
    f->th = test_host_open();
    f->path = mu_xasprintf("%s/test.log", f->th->work_dir);
    f->tmp = mu_xasprintf("%s.tmp", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    test_host_close(f->th);
    free(f->path);
    free(f->tmp);
    free(f);
    return 0;
}

static void times_of_the_disk_are_told(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    struct mu_journal_stats s = {.struct_size = sizeof(s)};
    journal_stats(j, &s);
    assert_int_equal(s.groups + s.last_us + s.max_us + s.p50_us + s.p99_us, 0);
    for (int i = 0; i < 600; i++) { /* more than are kept */
        kit_append(f->th, j, "x");
    }
    journal_stats(j, &s);
    assert_int_equal(s.struct_size, sizeof(s));
    assert_int_equal(s.groups, 600);
    assert_true(s.p50_us > 0);
    assert_true(s.p50_us <= s.p90_us && s.p90_us <= s.p99_us && s.p99_us <= s.max_us);
    assert_true(s.last_us <= s.max_us);
    kit_close(f->th, j);
}

static void acknowledged_records_are_replayed_in_order(void **state)
{
    struct fixture *f = *state;
    struct records r = {0};
    struct mu_journal *j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 0);
    kit_append(f->th, j, "one");
    kit_append(f->th, j, "");
    kit_close(f->th, j);

    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 2);
    assert_true(record_is(&r, 0, "one"));
    assert_true(record_is(&r, 1, ""));
    assert_int_equal(journal_torn_bytes(j), 0);
    kit_append(f->th, j, "three");
    kit_close(f->th, j);

    records_release(&r);
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 3);
    assert_true(record_is(&r, 2, "three"));
    kit_close(f->th, j);
    records_release(&r);
}

static void record_of_the_largest_size_is_kept_and_a_larger_one_refused(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    struct acks a = {.count = 0};
    char *big = mu_xcalloc(1, MU_JOURNAL_RECORD_MAX + 1);
    big[MU_JOURNAL_RECORD_MAX - 1] = 'x';
    assert_int_equal(journal_append(j, big, MU_JOURNAL_RECORD_MAX + 1, acks_add, &a),
                     -E2BIG);
    const struct mu_slice slice = {big, MU_JOURNAL_RECORD_MAX + 1};
    assert_int_equal(journal_rewrite(j, &slice, 1, acks_add, &a), -E2BIG);
    assert_int_equal(journal_append(j, big, MU_JOURNAL_RECORD_MAX, acks_add, &a), 0);
    assert_int_equal(journal_append(j, "next", 4, acks_add, &a), 0);
    acks_wait(f->th, &a, 2);
    kit_close(f->th, j);

    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(a.count, 2);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.v[0].len, MU_JOURNAL_RECORD_MAX);
    assert_memory_equal(r.v[0].data, big, MU_JOURNAL_RECORD_MAX);
    assert_true(record_is(&r, 1, "next"));
    kit_close(f->th, j);
    records_release(&r);
    free(big);
}

static size_t count_groups(const char *path)
{
    size_t len;
    mu_auto_free uint8_t *data = kit_read_file(path, &len);
    size_t groups = 0;
    uint64_t last = 0;
    size_t at = JOURNAL_HEADER_BYTES;
    while (at < len) {
        uint32_t payload;
        uint64_t group;
        memcpy(&payload, data + at + 4, sizeof(payload));
        memcpy(&group, data + at + 16, sizeof(group));
        groups += group != last;
        last = group;
        at += JOURNAL_FRAME_BYTES + payload;
    }
    return groups;
}

static void on_done_turn(void *arg, int status)
{
    assert_int_equal(status, 0);
    ++*(size_t *)arg;
}

static void appends_that_wait_together_are_one_group(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    size_t done = 0;
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(journal_append(j, text, strlen(text), on_done_turn, &done), 0);
    }
    assert_int_equal(done, 0); /* never inline */
    while (done < 1000) {
        uv_run(f->th->loop, UV_RUN_ONCE);
    }
    assert_int_equal(count_groups(f->path),
                     1); /* nothing goes before the turn has ended */
    kit_close(f->th, j);
    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 1000);
    assert_true(record_is(&r, 999, "999"));
    kit_close(f->th, j);
    records_release(&r);
}

struct order {
    int seen[8];
    size_t count;
};
struct order_item {
    struct order *order;
    int number;
};
static void on_ordered(void *arg, int status)
{
    struct order_item *i = arg;
    assert_int_equal(status, 0);
    i->order->seen[i->order->count++] = i->number;
}
static void on_ordered_close(void *arg)
{
    struct order_item *i = arg;
    i->order->seen[i->order->count++] = i->number;
}

struct follower {
    struct mu_journal *j;
    struct acks acks;
};

static void append_two(void *arg, int status)
{
    struct follower *f = arg;
    acks_add(&f->acks, status);
    assert_int_equal(journal_append(f->j, "more", 4, acks_add, &f->acks), 0);
    assert_int_equal(journal_append(f->j, "more", 4, acks_add, &f->acks), 0);
}

static void appends_of_one_turns_callbacks_are_one_group(void **state)
{
    struct fixture *f = *state;
    struct follower follower = {.j = kit_open(f->th, f->path, NULL)};
    struct acks first = {.count = 0};
    assert_int_equal(journal_append(follower.j, "first", 5, acks_add, &first), 0);
    for (int i = 0; i < 2; i++) { /* they go together with the first */
        assert_int_equal(journal_append(follower.j, "a", 1, append_two, &follower), 0);
    }
    acks_wait(f->th, &follower.acks, 6);
    assert_int_equal(first.count, 1);
    assert_int_equal(count_groups(f->path), 2); /* the last: what both appended */
    kit_close(f->th, follower.j);
}

static void callbacks_come_in_the_order_of_the_calls_and_close_last(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    struct order order = {.count = 0};
    struct order_item item[6];
    for (int i = 0; i < 6; i++) {
        item[i] = (struct order_item){&order, i};
    }
    const struct mu_slice snapshot[] = {{"snap", 4}};
    assert_int_equal(journal_append(j, "a", 1, on_ordered, &item[0]), 0);
    assert_int_equal(journal_append(j, "b", 1, on_ordered, &item[1]), 0);
    assert_int_equal(journal_rewrite(j, snapshot, 1, on_ordered, &item[2]), 0);
    assert_int_equal(journal_append(j, "c", 1, on_ordered, &item[3]), 0);
    assert_int_equal(journal_append(j, "d", 1, on_ordered, &item[4]), 0);
    journal_close(j, on_ordered_close, &item[5]);
    assert_int_equal(journal_append(j, "late", 4, on_ordered, NULL), -ECANCELED);
    while (order.count < 6) {
        uv_run(f->th->loop, UV_RUN_ONCE);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(order.seen[i], i);
    }
    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 3);
    assert_true(record_is(&r, 0, "snap"));
    assert_true(record_is(&r, 1, "c"));
    assert_true(record_is(&r, 2, "d"));
    kit_close(f->th, j);
    records_release(&r);
}

struct chain {
    struct mu_journal *j;
    int left;
    bool closed;
};
static void on_chain_closed(void *arg)
{
    ((struct chain *)arg)->closed = true;
}
static void on_chain(void *arg, int status)
{
    struct chain *c = arg;
    assert_int_equal(status, 0);
    if (--c->left > 0) {
        assert_int_equal(journal_append(c->j, "x", 1, on_chain, c), 0);
    } else {
        journal_close(c->j, on_chain_closed, c);
    }
}

static void callback_may_append_and_close(void **state)
{
    struct fixture *f = *state;
    struct chain c = {.j = kit_open(f->th, f->path, NULL), .left = 5};
    assert_int_equal(journal_append(c.j, "x", 1, on_chain, &c), 0);
    assert_true(test_host_run_until(f->th, &c.closed, 20000));
    struct records r = {0};
    struct mu_journal *j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 5);
    kit_close(f->th, j);
    records_release(&r);
}

static void rewrite_shrinks_the_file_and_leaves_nothing_beside_it(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    char text[1000] = {0};
    struct acks a = {.count = 0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(journal_append(j, text, sizeof(text), acks_add, &a), 0);
    }
    acks_wait(f->th, &a, 100);
    assert_true(journal_size(j) > 100000);
    assert_int_equal(journal_rewrite(j, NULL, 0, acks_add, &a), 0);
    acks_wait(f->th, &a, 101);
    assert_int_equal(a.status[100], 0);
    assert_int_equal(journal_size(j), JOURNAL_HEADER_BYTES);
    assert_int_equal(access(f->tmp, F_OK), -1);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, JOURNAL_HEADER_BYTES);
    assert_int_equal(st.st_mode & 0777, 0600);
    kit_append(f->th, j, "after");
    kit_close(f->th, j);
    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 1);
    assert_true(record_is(&r, 0, "after"));
    kit_close(f->th, j);
    records_release(&r);
}

static void assert_locked(struct fixture *f)
{
    struct records r = {0};
    struct mu_journal *second = NULL;
    struct mu_error err;
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &second, &err),
                     -EWOULDBLOCK);
    assert_non_null(strstr(err.text, f->path));
    assert_non_null(strstr(err.text, "another muster uses this work_dir"));
    assert_int_equal(r.count, 0);
}

static void second_opener_is_refused_also_after_a_rewrite(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    assert_locked(f);
    const struct mu_slice snapshot[] = {{"snap", 4}};
    struct acks a = {.count = 0};
    assert_int_equal(journal_rewrite(j, snapshot, 1, acks_add, &a), 0);
    acks_wait(f->th, &a, 1);
    assert_locked(f);
    kit_close(f->th, j);
    kit_close(f->th, kit_open(f->th, f->path, NULL));
}

static void left_over_of_a_killed_rewrite_is_ignored_and_removed(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one");
    kit_close(f->th, j);
    kit_write_file(f->tmp, (const uint8_t *)"half a file", 11);
    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(access(f->tmp, F_OK), -1);
    kit_close(f->th, j);
    records_release(&r);
}

static void left_over_of_a_killed_creation_does_not_matter(void **state)
{
    struct fixture *f = *state;
    kit_write_file(f->tmp, (const uint8_t *)"MUST", 4);
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one");
    kit_close(f->th, j);
    struct records r = {0};
    kit_close(f->th, kit_open(f->th, f->path, &r));
    assert_int_equal(r.count, 1);
    records_release(&r);
}

static void tail_cut_at_any_byte_keeps_what_is_whole_and_goes_on_from_there(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "first");
    kit_append(f->th, j, "second");
    size_t before_third = (size_t)journal_size(j);
    kit_append(f->th, j, "third");
    size_t after_third = (size_t)journal_size(j);
    kit_close(f->th, j);
    size_t len;
    mu_auto_free uint8_t *data = kit_read_file(f->path, &len);
    assert_int_equal(len, after_third + JOURNAL_FRAME_BYTES); /* the seal */

    for (size_t cut = before_third; cut <= len; cut++) {
        kit_write_file(f->path, data, cut);
        size_t expected = cut >= after_third ? 3 : 2;
        struct records r = {0};
        j = kit_open(f->th, f->path, &r);
        assert_int_equal(r.count, expected);
        assert_int_equal(journal_torn_bytes(j), cut == len ? 0
                                                : cut >= after_third
                                                    ? cut - after_third
                                                    : cut - before_third);
        kit_append(f->th, j, "more");
        kit_close(f->th, j);
        records_release(&r);
        j = kit_open(f->th, f->path, &r);
        assert_int_equal(r.count, expected + 1);
        assert_true(record_is(&r, 1, "second"));
        assert_true(record_is(&r, expected, "more"));
        assert_int_equal(journal_torn_bytes(j), 0);
        kit_close(f->th, j);
        records_release(&r);
    }
}

static void numbers_of_a_cut_first_group_are_not_used_again(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "first");
    kit_close(f->th, j);
    size_t len;
    mu_auto_free uint8_t *data = kit_read_file(f->path, &len);
    len -= JOURNAL_FRAME_BYTES; /* the seal: without it this is the last group */
    data[len - 1] ^= 1;
    kit_write_file(f->path, data, len);

    j = kit_open(f->th, f->path, NULL);
    assert_int_equal(journal_torn_bytes(j), len - JOURNAL_HEADER_BYTES);
    /* The higher number is on the disk before anything is appended. */
    size_t sealed_len;
    mu_auto_free uint8_t *sealed = kit_read_file(f->path, &sealed_len);
    assert_int_equal(sealed_len, JOURNAL_HEADER_BYTES + JOURNAL_FRAME_BYTES);
    assert_int_equal(sealed[JOURNAL_HEADER_BYTES + 8], 2);
    kit_close(f->th, j);
}

static void damage_before_the_tail_is_an_error_that_names_file_and_offset(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "first");
    kit_append(f->th, j, "second");
    kit_close(f->th, j);
    size_t len;
    mu_auto_free uint8_t *data = kit_read_file(f->path, &len);
    data[JOURNAL_HEADER_BYTES + JOURNAL_FRAME_BYTES] ^= 0x10;
    kit_write_file(f->path, data, len);

    struct records r = {0};
    struct mu_error err;
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &j, &err),
                     MU_E_CORRUPT);
    assert_non_null(strstr(err.text, f->path));
    assert_non_null(strstr(err.text, "offset 64"));
    assert_int_equal(r.count, 0);
    size_t after;
    mu_auto_free uint8_t *same = kit_read_file(f->path, &after);
    assert_int_equal(after, len); /* it is left as it was, for whoever repairs it */
    assert_memory_equal(same, data, len);
}

static void what_is_not_a_journal_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct records r = {0};
    struct mu_journal *j = NULL;
    struct mu_error err;
    kit_write_file(f->path, (const uint8_t *)"", 0);
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &j, &err),
                     MU_E_CORRUPT);
    kit_write_file(f->path, (const uint8_t *)"#!/bin/sh\n", 10);
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &j, &err),
                     MU_E_CORRUPT);
    unlink(f->path);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &j, &err),
                     -EISDIR);
    assert_non_null(strstr(err.text, f->path));
    rmdir(f->path);
    assert_int_equal(journal_open(f->th->loop, "/dev/null", records_add, &r, &j, &err),
                     -EINVAL);
    assert_int_equal(
        journal_open(f->th->loop, "/nowhere/at/all", records_add, &r, &j, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(times_of_the_disk_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(acknowledged_records_are_replayed_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            record_of_the_largest_size_is_kept_and_a_larger_one_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(appends_that_wait_together_are_one_group, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(appends_of_one_turns_callbacks_are_one_group,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            callbacks_come_in_the_order_of_the_calls_and_close_last, setup, teardown),
        cmocka_unit_test_setup_teardown(callback_may_append_and_close, setup, teardown),
        cmocka_unit_test_setup_teardown(
            rewrite_shrinks_the_file_and_leaves_nothing_beside_it, setup, teardown),
        cmocka_unit_test_setup_teardown(second_opener_is_refused_also_after_a_rewrite,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            left_over_of_a_killed_rewrite_is_ignored_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(left_over_of_a_killed_creation_does_not_matter,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            tail_cut_at_any_byte_keeps_what_is_whole_and_goes_on_from_there, setup,
            teardown),
        cmocka_unit_test_setup_teardown(numbers_of_a_cut_first_group_are_not_used_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            damage_before_the_tail_is_an_error_that_names_file_and_offset, setup,
            teardown),
        cmocka_unit_test_setup_teardown(what_is_not_a_journal_is_refused_and_left_alone,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
