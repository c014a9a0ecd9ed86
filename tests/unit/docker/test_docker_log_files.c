/* Sandbox files and the note of what was written. */
#include "docker_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "log_files.h"

#define STAMP "2026-11-24T06:18:11.334413829Z"

struct fixture {
    char dir[64], sandbox[128];
    struct dkr_log_files files;
};

static int setup(void **state)
{
    struct fixture *x = MU_NEW(struct fixture);
    strcpy(x->dir, "/tmp/muster-logfiles-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->sandbox, sizeof(x->sandbox), "%s/box", x->dir);
    assert_int_equal(mkdir(x->sandbox, 0755), 0);
    dkr_log_files_init(&x->files, x->sandbox);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    dkr_log_files_release(&x->files);
    test_remove_tree(x->dir);
    free(x);
    return 0;
}

static void put(const struct fixture *x, const char *name, const char *content)
{
    mu_auto_free char *path = mu_xasprintf("%s/%s", x->sandbox, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(content, f);
    fclose(f);
}

static void assert_content(const struct fixture *x, const char *name, const char *wanted)
{
    char text[256] = "";
    mu_auto_free char *path = mu_xasprintf("%s/%s", x->sandbox, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, wanted);
}

static void open_files(const struct fixture *x, bool is_resumed, struct dkr_position *pos)
{
    struct mu_error err;
    if (dkr_log_files_open(&x->files, is_resumed, pos, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static size_t append(const struct fixture *x, int stream, const char *text)
{
    struct mu_error err;
    size_t written = 99;
    (void)dkr_log_files_append(&x->files, stream, text, strlen(text), &written, &err);
    return written;
}

static void a_note_comes_back_as_it_was(void **state)
{
    struct dkr_position pos[DKR_STREAMS] = {{.stamp = STAMP, .same = 3, .extra = 7},
                                            {.same = 0, .extra = 2}};
    uint64_t size[DKR_STREAMS] = {1000, 5};
    char text[DKR_NOTE_SIZE];
    (void)state;
    dkr_note_format(pos, size, text);
    size_t len = strlen(text);
    memset(pos, 0, sizeof(pos));
    assert_int_equal(dkr_note_parse(text, pos, size), 0);
    assert_string_equal(pos[0].stamp, STAMP);
    assert_int_equal(pos[0].same, 3);
    assert_int_equal(size[0], 993); /* at that position */
    assert_string_equal(pos[1].stamp, "");
    assert_int_equal(size[1], 3);
    size[0] = UINT64_MAX;
    pos[0].same = UINT32_MAX;
    dkr_note_format(pos, size, text);
    assert_int_equal(strlen(text), len); /* written over in place */
}

static void a_note_that_was_tampered_with_is_not_believed(void **state)
{
    static const char *const bad[] = {
        "", "1", "2 - 0 0\n2 - 0 0\n", "1 - 0 0\n", "1 2026 1 1\n1 - 0 0\n", "hello"};
    struct dkr_position pos[DKR_STREAMS];
    uint64_t size[DKR_STREAMS];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(dkr_note_parse(bad[i], pos, size), MU_E_CORRUPT);
    }
}

static void a_fresh_start_makes_both_files_and_counts_from_what_is_there(void **state)
{
    struct fixture *x = *state;
    struct dkr_position pos[DKR_STREAMS];
    put(x, "stdout", "fetched\n"); /* written before the container started */
    open_files(x, false, pos);
    assert_content(x, "stderr", "");
    assert_int_equal(pos[DKR_STDOUT].extra, 0);
    assert_int_equal(append(x, DKR_STDOUT, "one\n"), 4);
    open_files(x, true, pos); /* a crash before the position was noted */
    assert_int_equal(pos[DKR_STDOUT].extra, 4);
    assert_string_equal(pos[DKR_STDOUT].stamp, "");
    assert_content(x, "stdout", "fetched\none\n");
}

static void growth_since_the_note_is_known_after_a_crash(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    struct dkr_position pos[DKR_STREAMS];
    open_files(x, false, pos);
    append(x, DKR_STDOUT, "12345");
    strcpy(pos[DKR_STDOUT].stamp, STAMP);
    pos[DKR_STDOUT].same = 2;
    pos[DKR_STDOUT].extra = 1;
    assert_int_equal(dkr_log_files_note(&x->files, pos, &err), 0);
    append(x, DKR_STDOUT, "678");
    open_files(x, true, pos);
    assert_string_equal(pos[DKR_STDOUT].stamp, STAMP);
    assert_int_equal(pos[DKR_STDOUT].same, 2);
    assert_int_equal(pos[DKR_STDOUT].extra, 4);
}

static void without_a_note_all_that_is_there_counts(void **state)
{
    struct fixture *x = *state;
    struct dkr_position pos[DKR_STREAMS];
    put(x, "stdout", "12345");
    open_files(x, true, pos);
    assert_int_equal(pos[DKR_STDOUT].extra, 5);
    assert_int_equal(pos[DKR_STDERR].extra, 0);
}

static void a_file_that_was_cut_counts_nothing(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    struct dkr_position pos[DKR_STREAMS];
    open_files(x, false, pos);
    append(x, DKR_STDOUT, "12345");
    assert_int_equal(dkr_log_files_note(&x->files, pos, &err), 0);
    put(x, "stdout", "1");
    open_files(x, true, pos);
    assert_int_equal(pos[DKR_STDOUT].extra, 0);
}

static void links_and_pipes_of_the_task_are_not_written_to(void **state)
{
    struct fixture *x = *state;
    mu_auto_free char *out = mu_xasprintf("%s/stdout", x->sandbox);
    mu_auto_free char *err_path = mu_xasprintf("%s/stderr", x->sandbox);
    mu_auto_free char *victim = mu_xasprintf("%s/victim", x->dir);
    put(x, "../victim", "safe");
    assert_int_equal(symlink(victim, out), 0);
    assert_int_equal(mkfifo(err_path, 0600), 0);
    assert_int_equal(append(x, DKR_STDOUT, "evil"), 0);
    assert_int_equal(append(x, DKR_STDERR, "stuck"), 0);
    assert_content(x, "../victim", "safe");
}

static void the_note_is_no_link_either(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    struct dkr_position pos[DKR_STREAMS] = {{.same = 0}};
    mu_auto_free char *victim = mu_xasprintf("%s/victim", x->dir);
    put(x, "../victim", "safe");
    assert_int_equal(symlink(victim, x->files.note), 0);
    assert_true(dkr_log_files_note(&x->files, pos, &err) < 0);
    assert_content(x, "../victim", "safe");
}

static void a_note_that_is_forgotten_is_gone(void **state)
{
    struct fixture *x = *state;
    struct dkr_position pos[DKR_STREAMS];
    open_files(x, false, pos);
    assert_int_equal(access(x->files.note, F_OK), 0);
    dkr_log_files_forget(&x->files);
    assert_int_equal(access(x->files.note, F_OK), -1);
    dkr_log_files_forget(&x->files);
}

static void a_missing_sandbox_is_an_error_with_its_name(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    struct dkr_position pos[DKR_STREAMS];
    assert_int_equal(rmdir(x->sandbox), 0);
    assert_int_equal(dkr_log_files_open(&x->files, false, pos, &err), -ENOENT);
    assert_non_null(strstr(err.text, x->sandbox));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_note_comes_back_as_it_was),
        TEST(a_note_that_was_tampered_with_is_not_believed),
        TEST(a_fresh_start_makes_both_files_and_counts_from_what_is_there),
        TEST(growth_since_the_note_is_known_after_a_crash),
        TEST(without_a_note_all_that_is_there_counts),
        TEST(a_file_that_was_cut_counts_nothing),
        TEST(links_and_pipes_of_the_task_are_not_written_to),
        TEST(the_note_is_no_link_either),
        TEST(a_note_that_is_forgotten_is_gone),
        TEST(a_missing_sandbox_is_an_error_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
