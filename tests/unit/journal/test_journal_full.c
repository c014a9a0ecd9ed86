/* A disk that cannot take more: every waiting and later call fails with the code, and
 * what was acknowledged is there at the next open.
 *
 * RLIMIT_FSIZE (EFBIG in the middle of a write) works everywhere; the small tmpfs
 * (ENOSPC) needs root and its test is skipped otherwise.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/journal_format.h"
#include "unit/journal/journal_kit.h"

struct fixture {
    struct test_host *th;
    char *path;
    char record[1000];
};

static int setup(void **state)
{
    struct fixture *f = MU_NEW(struct fixture);
    f->th = test_host_open();
    f->path = mu_xasprintf("%s/test.log", f->th->work_dir);
    memset(f->record, 'r', sizeof(f->record));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    test_host_close(f->th);
    free(f->path);
    free(f);
    return 0;
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void expect_same_failure_for_all(struct fixture *f, struct mu_journal *j, int code)
{
    struct acks a = {.count = 0};
    const struct mu_slice snapshot = {"s", 1};
    /* The first of them is under way when it fails, the others wait behind it. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(journal_append(j, f->record, 1000, acks_add, &a), 0);
    }
    assert_int_equal(journal_rewrite(j, &snapshot, 1, acks_add, &a), 0);
    assert_int_equal(journal_append(j, f->record, 1000, acks_add, &a), 0);
    acks_wait(f->th, &a, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(a.status[i], code);
    }
    assert_int_equal(journal_append(j, "x", 1, acks_add, &a), code);
}

static void failed_write_loses_nothing_and_is_cut_off_again(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one");
    kit_append(f->th, j, "two");
    uint64_t durable = journal_size(j);
    limit_file_size(durable + 500); /* half of the next record fits */
    expect_same_failure_for_all(f, j, -EFBIG);
    assert_int_equal(journal_size(j), durable);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, durable);
    kit_close(f->th, j);
    limit_file_size(RLIM_INFINITY);

    struct records r = {0};
    j = kit_open(f->th, f->path, &r);
    assert_int_equal(r.count, 2);
    assert_int_equal(journal_torn_bytes(j), 0);
    kit_append(f->th, j, "three"); /* a new open starts afresh */
    kit_close(f->th, j);
    records_release(&r);
}

static void failed_rewrite_keeps_the_old_content_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one");
    limit_file_size(journal_size(j) + 100);
    const struct mu_slice snapshot = {f->record, sizeof(f->record)};
    struct acks a = {.count = 0};
    assert_int_equal(journal_rewrite(j, &snapshot, 1, acks_add, &a), 0);
    assert_int_equal(journal_append(j, "behind", 6, acks_add, &a), 0);
    acks_wait(f->th, &a, 2);
    assert_int_equal(a.status[0], -EFBIG);
    assert_int_equal(a.status[1], 0);
    limit_file_size(RLIM_INFINITY);
    kit_close(f->th, j);
    mu_auto_free char *tmp = mu_xasprintf("%s.tmp", f->path);
    assert_int_equal(access(tmp, F_OK), -1);

    struct records r = {0};
    kit_close(f->th, kit_open(f->th, f->path, &r));
    assert_int_equal(r.count, 2);
    assert_true(record_is(&r, 0, "one"));
    assert_true(record_is(&r, 1, "behind"));
    records_release(&r);
}

static void a_rewrite_heals_a_failed_journal_or_fails_what_is_behind_it(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one");
    limit_file_size(journal_size(j) + 500);
    expect_same_failure_for_all(f, j, -EFBIG);

    const struct mu_slice big = {f->record, sizeof(f->record)};
    struct acks a = {.count = 0};
    assert_int_equal(journal_rewrite(j, &big, 1, acks_add, &a), 0);
    assert_int_equal(journal_append(j, "lost", 4, acks_add, &a), 0);
    acks_wait(f->th, &a, 2);
    assert_int_equal(a.status[0], -EFBIG);
    assert_int_equal(a.status[1], -EFBIG);
    assert_int_equal(journal_append(j, "x", 1, acks_add, &a), -EFBIG);

    const struct mu_slice small[] = {{"one", 3}, {"two", 3}};
    struct acks b = {.count = 0};
    assert_int_equal(journal_rewrite(j, small, 2, acks_add, &b), 0);
    assert_int_equal(journal_append(j, "three", 5, acks_add, &b), 0);
    acks_wait(f->th, &b, 2);
    assert_int_equal(b.status[0], 0);
    assert_int_equal(b.status[1], 0);
    kit_append(f->th, j, "four");
    limit_file_size(RLIM_INFINITY);
    kit_close(f->th, j);

    struct records r = {0};
    kit_close(f->th, kit_open(f->th, f->path, &r));
    assert_int_equal(r.count, 4);
    assert_true(record_is(&r, 0, "one"));
    assert_true(record_is(&r, 2, "three"));
    assert_true(record_is(&r, 3, "four"));
    records_release(&r);
}

static void new_journal_that_does_not_fit_is_not_left_half_made(void **state)
{
    struct fixture *f = *state;
    limit_file_size(10);
    struct records r = {0};
    struct mu_journal *j = NULL;
    struct mu_error err;
    assert_int_equal(journal_open(f->th->loop, f->path, records_add, &r, &j, &err),
                     -EFBIG);
    limit_file_size(RLIM_INFINITY);
    assert_non_null(strstr(err.text, f->path));
    assert_int_equal(access(f->path, F_OK), -1);
    kit_close(f->th, kit_open(f->th, f->path, NULL));
}

/* A disk that takes nothing at all makes filling the queue cheap. */
static void queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    limit_file_size(JOURNAL_HEADER_BYTES);
    struct acks a = {.count = 0};
    char *big = mu_xcalloc(1, MU_JOURNAL_RECORD_MAX);
    size_t taken = 0;
    int rc = 0;
    while (rc == 0) {
        rc = journal_append(j, big, MU_JOURNAL_RECORD_MAX, acks_add, &a);
        taken += rc == 0;
    }
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(taken, JOURNAL_QUEUE_MAX / MU_JOURNAL_RECORD_MAX - 1);
    acks_wait(f->th, &a, taken);
    limit_file_size(RLIM_INFINITY);
    kit_close(f->th, j);
    free(big);
}

static void full_disk_fails_until_there_is_room_again(void **state)
{
    struct fixture *f = *state;
    mu_auto_free char *dir = mu_xasprintf("%s/small", f->th->work_dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=64k") < 0) {
        print_message("no right to mount a tmpfs\n");
        skip();
    }
    mu_auto_free char *path = mu_xasprintf("%s/test.log", dir);
    struct mu_journal *j = kit_open(f->th, path, NULL);
    struct acks a = {.count = 0};
    size_t durable = 0;
    for (;;) {
        if (journal_append(j, f->record, sizeof(f->record), acks_add, &a) < 0) {
            break;
        }
        acks_wait(f->th, &a, a.count + 1);
        durable += a.status[a.count - 1] == 0;
    }
    assert_true(durable > 30);
    assert_int_equal(a.count, durable + 1);
    assert_int_equal(a.status[durable], -ENOSPC);
    kit_close(f->th, j);

    struct records r = {0};
    j = kit_open(f->th, path, &r);
    assert_int_equal(r.count, durable);
    struct acks b = {.count = 0};
    const struct mu_slice snapshot = {f->record, sizeof(f->record)};
    assert_int_equal(journal_rewrite(j, &snapshot, 1, acks_add, &b), 0);
    acks_wait(f->th, &b, 1);
    kit_close(f->th, j);
    records_release(&r);

    assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=256k"), 0);
    j = kit_open(f->th, path, &r);
    kit_append(f->th, j, "room");
    kit_close(f->th, j);
    records_release(&r);
    assert_int_equal(umount(dir), 0);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failed_write_loses_nothing_and_is_cut_off_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(failed_rewrite_keeps_the_old_content_and_goes_on,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_rewrite_heals_a_failed_journal_or_fails_what_is_behind_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            new_journal_that_does_not_fit_is_not_left_half_made, setup, teardown),
        cmocka_unit_test_setup_teardown(queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_fails_until_there_is_room_again, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
