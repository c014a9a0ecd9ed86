/* A look at a journal: it tells what an open would find, and leaves no trace. */
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
#include "runtime/journal_read.h"
#include "unit/journal/journal_kit.h"

#define FRAME JOURNAL_FRAME_BYTES
#define FIRST JOURNAL_HEADER_BYTES

struct fixture {
    struct test_host *th;
    char *path;
};

/* Three records of four bytes, a group each, and a seal. */
static int setup(void **state)
{
    struct fixture *f = MU_NEW(struct fixture);
    f->th = test_host_open();
    f->path = mu_xasprintf("%s/test.log", f->th->work_dir);
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    kit_append(f->th, j, "one.");
    kit_append(f->th, j, "two.");
    kit_append(f->th, j, "3...");
    kit_close(f->th, j);
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

struct seen {
    struct records records;
    uint64_t offsets[8];
};

static void on_record(void *arg, uint64_t offset, const void *data, size_t len)
{
    struct seen *s = arg;
    assert_true(s->records.count < MU_COUNT_OF(s->offsets));
    s->offsets[s->records.count] = offset;
    records_add(&s->records, data, len);
}

/* Looks, and fails the test if that has changed anything. */
static int look(const struct fixture *f,
                struct seen *s,
                struct mu_journal_report *r,
                struct mu_error *err)
{
    size_t before_len = 0;
    size_t len = 0;
    struct stat before;
    struct stat after;
    uint8_t *old = kit_read_file(f->path, &before_len);
    assert_int_equal(stat(f->path, &before), 0);
    *s = (struct seen){.records = {0}};
    int rc = journal_read(f->path, on_record, s, r, err);
    assert_int_equal(stat(f->path, &after), 0);
    uint8_t *now = kit_read_file(f->path, &len);
    assert_int_equal(len, before_len);
    assert_memory_equal(now, old, len);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(before.st_ino, after.st_ino);
    free(old);
    free(now);
    return rc;
}

static void patch(const struct fixture *f, size_t at, uint8_t byte)
{
    size_t len = 0;
    uint8_t *data = kit_read_file(f->path, &len);
    assert_true(at < len);
    data[at] = byte;
    kit_write_file(f->path, data, len);
    free(data);
}

static void cut(const struct fixture *f, size_t keep)
{
    size_t len = 0;
    uint8_t *data = kit_read_file(f->path, &len);
    assert_true(keep < len);
    kit_write_file(f->path, data, keep);
    free(data);
}

static void whole_journal_is_told_record_by_record(void **state)
{
    struct fixture *f = *state;
    struct seen s;
    struct mu_journal_report r;
    assert_int_equal(look(f, &s, &r, NULL), 0);
    assert_int_equal(s.records.count, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(s.offsets[i], FIRST + i * (FRAME + 4));
    }
    assert_true(record_is(&s.records, 1, "two."));
    assert_int_equal(r.damage.code, 0);
    assert_int_equal(r.torn_bytes, 0);
    assert_int_equal(r.size_bytes, FIRST + 3 * (FRAME + 4) + FRAME);
    assert_int_equal(r.good_end, r.size_bytes);
    assert_true(r.is_sealed);
    records_release(&s.records);
}

static void torn_tail_is_told_and_left(void **state)
{
    struct fixture *f = *state;
    struct seen s;
    struct mu_journal_report r;
    cut(f, FIRST + 3 * (FRAME + 4) - 1); /* in the third */
    assert_int_equal(look(f, &s, &r, NULL), 0);
    assert_int_equal(s.records.count, 2);
    assert_int_equal(r.damage.code, 0);
    assert_int_equal(r.good_end, FIRST + 2 * (FRAME + 4));
    assert_int_equal(r.torn_bytes, FRAME + 3);
    assert_false(r.is_sealed);
    records_release(&s.records);
}

static void damage_is_told_with_its_place(void **state)
{
    struct fixture *f = *state;
    struct seen s;
    struct mu_journal_report r;
    patch(f, FIRST + FRAME + 4 + FRAME, 'T'); /* the second's payload */
    assert_int_equal(look(f, &s, &r, NULL), 0);
    assert_int_equal(s.records.count, 1);
    assert_int_equal(r.damage.code, MU_E_CORRUPT);
    assert_int_equal(r.good_end, FIRST + FRAME + 4);
    assert_non_null(strstr(r.damage.text, "offset 100"));
    assert_false(r.is_sealed);
    records_release(&s.records);

    patch(f, 20, 0xff); /* of the file's id */
    assert_int_equal(look(f, &s, &r, NULL), 0);
    assert_int_equal(s.records.count, 0);
    assert_int_equal(r.damage.code, MU_E_CORRUPT);
    assert_int_equal(r.good_end, 0);

    cut(f, 10);
    assert_int_equal(look(f, &s, &r, NULL), 0);
    assert_int_equal(r.damage.code, MU_E_CORRUPT);
    assert_int_equal(r.size_bytes, 10);
}

static void journal_that_is_open_is_refused_by_its_process(void **state)
{
    struct fixture *f = *state;
    struct seen s;
    struct mu_journal_report r;
    struct mu_error err;
    struct mu_journal *j = kit_open(f->th, f->path, NULL);
    assert_int_equal(look(f, &s, &r, &err), -EWOULDBLOCK);
    assert_int_equal(s.records.count, 0);
    assert_non_null(strstr(err.text, f->path));
    assert_non_null(strstr(err.text, "in use by "));
    kit_close(f->th, j);
    assert_int_equal(look(f, &s, &r, &err), 0);
    records_release(&s.records);
}

static void open_while_looking(void *arg, uint64_t offset, const void *data, size_t len)
{
    const struct fixture *f = arg;
    struct mu_journal *j = NULL;
    struct mu_journal_report r;
    struct seen s = {.records = {0}};
    (void)offset;
    (void)data;
    (void)len;
    assert_int_equal(f->th->host->journal_open(f->th->host, f->path, records_add,
                                               &s.records, &j, NULL),
                     -EWOULDBLOCK);
    assert_int_equal(s.records.count, 0);
    assert_int_equal(journal_read(f->path, on_record, &s, &r, NULL), 0);
    assert_int_equal(s.records.count, 3);
    records_release(&s.records);
}

static void nobody_opens_it_while_it_is_looked_at_but_others_look(void **state)
{
    struct fixture *f = *state;
    struct mu_journal_report r;
    assert_int_equal(journal_read(f->path, open_while_looking, f, &r, NULL), 0);
}

static void what_is_no_journal_is_refused_and_nothing_is_made(void **state)
{
    struct fixture *f = *state;
    struct mu_journal_report r;
    struct mu_error err;
    struct seen s = {.records = {0}};
    assert_int_equal(journal_read(f->th->work_dir, on_record, &s, &r, &err),
                     MU_E_INVALID);
    mu_auto_free char *pipe_path = mu_xasprintf("%s/pipe", f->th->work_dir);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(journal_read(pipe_path, on_record, &s, &r, &err), MU_E_INVALID);
    mu_auto_free char *none = mu_xasprintf("%s/none", f->th->work_dir);
    assert_int_equal(journal_read(none, on_record, &s, &r, &err), -ENOENT);
    assert_non_null(strstr(err.text, none));
    assert_int_equal(access(none, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_journal_is_told_record_by_record, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(torn_tail_is_told_and_left, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_told_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(journal_that_is_open_is_refused_by_its_process,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            nobody_opens_it_while_it_is_looked_at_but_others_look, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_journal_is_refused_and_nothing_is_made,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
