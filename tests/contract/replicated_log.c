/* What registry replicated_log promises beyond the contract: it survives kill -9 at any
 * moment, keeps its file small, and says clearly what is wrong.
 *
 * Run as: replicated_log PATH/registry_replicated_log.so. The child of the kill test is
 * this program too: it commits batches that put the same growing number under two keys,
 * and writes each number to a pipe once it is acknowledged.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <muster/json_writer.h>
#include <muster/kind/registry.h>

#include "base/alloc.h"
#include "base/flag_values.h"
#include "base/parse.h"
#include "base/prng.h"
#include "contract/contract_kit.h"
#include "lib/killed_writer.h"
#include "runtime/host.h"
#include "runtime/journal.h"

#define ROUNDS 30

static struct kit kit; /* what main loaded */
static const char *plugin_path;
static const struct mu_registry_ops *ops;

struct result {
    bool is_done;
    int status;
    char text[256];
    size_t entries;
    uint64_t a, b; /* the values of these keys, as numbers */
    size_t a_len;
};

static void on_entry(void *arg, const char *key, const void *value, size_t len)
{
    struct result *r = arg;
    struct mu_error err;
    r->entries++;
    mu_auto_free char *text = mu_xstrndup(value, len);
    if (strcmp(key, "a") == 0) {
        r->a_len = len;
    }
    if (len < 20) {
        assert_int_equal(mu_parse_u64(text, strcmp(key, "a") == 0 ? &r->a : &r->b, &err),
                         0);
    }
}

static void on_done(void *arg, int status, const char *text)
{
    struct result *r = arg;
    r->is_done = true;
    r->status = status;
    snprintf(r->text, sizeof(r->text), "%s", text != NULL ? text : "");
}

static void on_fenced(void *arg)
{
    (void)arg;
    fail_msg("fenced");
}

static const struct mu_registry_events events = {on_fenced};

static struct mu_registry_store *open_store(const char *name)
{
    struct mu_registry_store *s = NULL;
    struct mu_error err;
    if (ops->open(kit.instance, name, &events, NULL, &s, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return s;
}

static void recover(struct mu_registry_store *s, uint64_t epoch, struct result *r)
{
    struct mu_error err;
    *r = (struct result){0};
    assert_int_equal(ops->recover(s, epoch, on_entry, on_done, r, &err), 0);
    assert_true(kit_run_until(&kit, &r->is_done));
}

static void
put(struct mu_registry_store *s, const void *value, size_t len, struct result *r)
{
    const struct mu_registry_op op = {"a", value, len};
    struct mu_error err;
    *r = (struct result){0};
    assert_int_equal(ops->commit(s, &op, 1, on_done, r, &err), 0);
    assert_true(kit_run_until(&kit, &r->is_done));
}

static void close_store(struct mu_registry_store *s)
{
    bool closed = false;
    ops->close(s, kit_set_flag, &closed);
    assert_true(kit_run_until(&kit, &closed));
}

static int setup(void **state)
{
    kit_host_open(&kit);
    kit_create(&kit);
    kit_start(&kit);
    *state = mu_xasprintf("%s/replicated_log/master.log", kit.th->work_dir);
    return 0;
}

static int teardown(void **state)
{
    kit_destroy(&kit, true);
    kit_host_close(&kit);
    free(*state);
    return 0;
}

static void refused_to_create(const char *quorum, const char *why)
{
    struct mu_error err;
    void *instance = NULL;
    assert_int_equal(mu_flags_assign(kit.flags, "quorum", quorum, &err), 0);
    assert_true(kit.plugin->create(kit.host, kit.flags, &instance, &err) < 0);
    assert_non_null(strstr(err.text, why));
    assert_null(instance);
    assert_int_equal(mu_flags_assign(kit.flags, "quorum", "1", &err), 0);
}

static void a_quorum_without_other_masters_is_refused_with_the_way_out(void **state)
{
    (void)state;
    refused_to_create("2", "--quorum=2 is for 3 masters");
    refused_to_create("2", "--log_peers=HOST:PORT");
    refused_to_create("0", "1 for one master");
    refused_to_create("-1", "1 for one master");
    refused_to_create("9", "up to 8");
}

static void missing_work_dir_is_named(void **state)
{
    (void)state;
    struct kit bare = kit;
    struct mu_error err;
    void *instance = NULL;
    bare.is_virtual = true;
    kit_host_open(&bare);
    assert_true(bare.plugin->create(bare.host, bare.flags, &instance, &err) < 0);
    assert_non_null(strstr(err.text, "--work_dir"));
    kit_host_close(&bare);
}

static void directory_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct kit other = kit;
    kit_host_open(&other);
    kit_create(&other);
    assert_int_equal(rmdir(other.th->work_dir), 0);
    struct mu_error err;
    assert_int_equal(other.plugin->start(other.instance, &err), -ENOENT);
    assert_non_null(strstr(err.text, other.th->work_dir));
    kit_destroy(&other, false);
    assert_int_equal(mkdir(other.th->work_dir, 0700), 0);
    kit_host_close(&other);
}

static void second_instance_on_one_work_dir_is_refused(void **state)
{
    struct mu_registry_store *s = open_store("master");
    struct kit second = kit;
    kit_create(&second);
    kit_start(&second);
    struct mu_registry_store *other = NULL;
    struct mu_error err;
    assert_int_equal(ops->open(second.instance, "master", &events, NULL, &other, &err),
                     -EWOULDBLOCK);
    assert_non_null(strstr(err.text, *state));
    assert_non_null(strstr(err.text, "another muster uses this work_dir"));
    kit_destroy(&second, true);
    close_store(s);
}

static void names_that_are_no_file_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "..", "a/b", "../x", "A b", "x.log"};
    for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
        struct mu_registry_store *s = NULL;
        struct mu_error err;
        assert_int_equal(ops->open(kit.instance, names[i], &events, NULL, &s, &err),
                         MU_E_INVALID);
    }
}

static void log_is_rewritten_when_most_of_it_is_dead(void **state)
{
    struct mu_registry_store *s = open_store("master");
    struct result r;
    recover(s, 1, &r);
    mu_auto_free char *value = mu_xalloc(MU_REGISTRY_VALUE_MAX);
    memset(value, '7', MU_REGISTRY_VALUE_MAX);
    struct stat st;
    for (int i = 0; i < 20; i++) {
        put(s, value, MU_REGISTRY_VALUE_MAX, &r);
        assert_int_equal(r.status, 0);
        assert_int_equal(stat(*state, &st), 0);
        assert_true(st.st_size < 7 * 1024 * 1024);
    }
    put(s, value, MU_REGISTRY_VALUE_MAX - 1, &r);
    close_store(s);
    s = open_store("master");
    recover(s, 1, &r);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.entries, 1);
    assert_int_equal(r.a_len, MU_REGISTRY_VALUE_MAX - 1);
    close_store(s);
}

/* A leader that is elected again before its first recovery was answered. */
static void later_recovery_of_a_store_is_not_ended_by_its_earlier_one(void **state)
{
    (void)state;
    struct mu_registry_store *s = open_store("master");
    struct result first = {0}, second = {0}, r;
    struct mu_error err;
    assert_int_equal(ops->recover(s, 1, on_entry, on_done, &first, &err), 0);
    assert_int_equal(ops->recover(s, 2, on_entry, on_done, &second, &err), 0);
    assert_true(kit_run_until(&kit, &second.is_done));
    assert_true(first.is_done);
    assert_int_equal(first.status, MU_E_FENCED);
    assert_int_equal(second.status, 0);
    put(s, "7", 1, &r);
    assert_int_equal(r.status, 0);
    close_store(s);
}

static void batch_over_the_limit_of_a_record_is_refused(void **state)
{
    (void)state;
    struct mu_registry_store *s = open_store("master");
    struct result r;
    struct mu_error err;
    recover(s, 1, &r);
    mu_auto_free char *value = mu_xcalloc(1, MU_REGISTRY_VALUE_MAX);
    struct mu_registry_op v[17];
    for (size_t i = 0; i < MU_COUNT_OF(v); i++) {
        v[i] = (struct mu_registry_op){"a", value, MU_REGISTRY_VALUE_MAX};
    }
    assert_int_equal(ops->commit(s, v, 17, on_done, &r, &err), -E2BIG);
    assert_non_null(strstr(err.text, "16 MiB"));
    close_store(s);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk_is_named_and_a_new_open_goes_on(void **state)
{
    struct mu_registry_store *s = open_store("master");
    struct result r;
    struct stat st;
    char value[2000];
    memset(value, '1', sizeof(value));
    recover(s, 1, &r);
    put(s, "1", 1, &r);
    assert_int_equal(r.status, 0);
    assert_int_equal(stat(*state, &st), 0);
    limit_file_size((rlim_t)st.st_size + 100);
    put(s, value, sizeof(value), &r);
    assert_int_equal(r.status, -EFBIG);
    assert_non_null(strstr(r.text, *state));
    put(s, "2", 1, &r); /* would fit, but comes too late */
    assert_int_equal(r.status, -EFBIG);
    recover(s, 2, &r);
    assert_int_equal(r.status, -EFBIG);
    assert_int_equal(r.entries, 0);
    struct mu_registry_store *second = NULL;
    struct mu_error err;
    assert_int_equal(ops->open(kit.instance, "master", &events, NULL, &second, &err),
                     -EFBIG);
    close_store(s);
    limit_file_size(RLIM_INFINITY);

    s = open_store("master");
    recover(s, 2, &r);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.a, 1);
    put(s, "3", 1, &r);
    assert_int_equal(r.status, 0);
    close_store(s);
}

static void none(void *arg, const void *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

/* A log with one record of these bytes. */
static void make_log(const char *path, const void *record, size_t len)
{
    struct mu_journal *j = NULL;
    struct mu_error err;
    assert_int_equal(journal_open(kit.th->loop, path, none, NULL, &j, &err), 0);
    assert_int_equal(journal_append(j, record, len, NULL, NULL), 0);
    bool closed = false;
    journal_close(j, kit_set_flag, &closed);
    assert_true(kit_run_until(&kit, &closed));
}

static void expect_unreadable(const char *path, const void *record, size_t len, int code)
{
    struct mu_registry_store *s = NULL;
    struct mu_error err;
    unlink(path);
    make_log(path, record, len);
    assert_int_equal(ops->open(kit.instance, "master", &events, NULL, &s, &err), code);
    assert_non_null(strstr(err.text, path));
    kit_destroy(&kit, true); /* with the journal still closing */
    kit_create(&kit);
    kit_start(&kit);
}

static void describe(const char *name, struct mu_buf *out)
{
    struct mu_jw w;
    mu_buf_clear(out);
    mu_jw_init(&w, out);
    mu_jw_object_begin(&w);
    ops->describe(kit.instance, name, &w);
    mu_jw_object_end(&w);
}

static void expect_in(const struct mu_buf *text, const char *part)
{
    if (strstr(mu_buf_str(text), part) == NULL) {
        fail_msg("'%s' is not in %s", part, mu_buf_str(text));
    }
}

static void it_says_how_it_is(void **state)
{
    (void)state;
    struct mu_buf text;
    struct result r;
    mu_buf_init(&text, 65536);
    describe("master", &text);
    assert_string_equal(mu_buf_str(&text), "{}"); /* nobody has asked for it yet */
    struct mu_registry_store *s = open_store("master");
    recover(s, 1, &r);
    put(s, "1", 1, &r);
    assert_int_equal(r.status, 0);
    describe("master", &text);
    expect_in(&text, "\"role\":\"leading\"");
    expect_in(&text, "\"votes\":true,\"quorum\":1,\"ballot\":{\"epoch\":1,");
    expect_in(&text, "\"committed\":2,\"last\":2,\"behind\":0,\"waiting\":0,");
    expect_in(&text, "\"fsync\":{\"count\":");
    expect_in(&text, "\"self\":true,\"member\":true,\"up\":true,\"since\":\"20");
    mu_buf_clear(&text);
    ops->explain(kit.instance, "master", &text);
    ops->explain(kit.instance, "other", &text);
    assert_int_equal(text.len, 0);
    close_store(s);
    mu_buf_release(&text);
}

/* An epoch, as the first logs of one master began. */
static void log_of_one_master_is_not_taken_for_one_of_several(void **state)
{
    const char *path = *state;
    static const char epoch[] = {'E', 1, 0, 0, 0, 0, 0, 0, 0};
    struct mu_error err;
    struct mu_registry_store *s = NULL;
    make_log(path, epoch, sizeof(epoch));
    kit_destroy(&kit, true);
    assert_int_equal(mu_flags_assign(kit.flags, "quorum", "2", &err), 0);
    assert_int_equal(mu_flags_assign(kit.flags, "log_peers", "127.0.0.1:1", &err), 0);
    kit_create(&kit);
    kit_start(&kit);
    assert_int_equal(ops->open(kit.instance, "master", &events, NULL, &s, &err),
                     MU_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "kept by one master alone (--quorum=1)"));
    assert_non_null(strstr(err.text, "start with --quorum=1"));
    assert_non_null(strstr(err.text, path));
    kit_destroy(&kit, true);
    assert_int_equal(mu_flags_assign(kit.flags, "quorum", "1", &err), 0);
    assert_int_equal(mu_flags_assign(kit.flags, "log_peers", "", &err), 0);
    kit_create(&kit);
    kit_start(&kit);
    s = open_store("master"); /* it is as it was */
    struct result r;
    recover(s, 2, &r);
    assert_int_equal(r.status, 0);
    close_store(s);
}

static void master_that_is_named_twice_is_refused(void **state)
{
    (void)state;
    struct mu_error err;
    assert_int_equal(mu_flags_assign(kit.flags, "log_peers", "a:1,b:1,a:1", &err), 0);
    refused_to_create("2", "--log_peers names 'a:1' twice");
    assert_int_equal(mu_flags_assign(kit.flags, "log_peers", "", &err), 0);
}

static void records_that_are_not_understood_are_an_error_not_skipped(void **state)
{
    expect_unreadable(*state, "Z23456789", 9, MU_E_UNSUPPORTED);
    expect_unreadable(*state, "E2345", 5, MU_E_CORRUPT);
    expect_unreadable(*state, "B\1\0\0\0\0\0\0\0\1\0\0\0", 13, MU_E_CORRUPT);
    expect_unreadable(*state, "B\1\0\0\0\0\0\0\0\0\0\0\0", 13,
                      MU_E_CORRUPT); /* no epoch */
}

/* ---- kill -9 ---- */

struct writer {
    struct mu_registry_store *store;
    uint64_t next, acked;
    struct mu_prng prng;
    struct result recovered;
};

static void commit_some(struct writer *w);

static void on_committed(void *arg, int status, const char *text)
{
    (void)text;
    struct writer *w = arg;
    w->acked++;
    if (status != 0 || write(STDOUT_FILENO, &w->acked, sizeof(w->acked)) < 0) {
        _exit(3);
    }
    if (w->acked + 1 == w->next) {
        commit_some(w);
    }
}

static void commit_some(struct writer *w)
{
    uint64_t count = mu_prng_range(&w->prng, 1, 20);
    for (uint64_t i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, w->next++);
        const struct mu_registry_op v[] = {{"a", text, strlen(text)},
                                           {"b", text, strlen(text)}};
        struct mu_error err;
        if (ops->commit(w->store, v, 2, on_committed, w, &err) < 0) {
            _exit(4);
        }
    }
}

static void on_recovered(void *arg, int status, const char *text)
{
    (void)text;
    struct writer *w = arg;
    if (status != 0 || w->recovered.a != w->recovered.b) {
        _exit(5);
    }
    w->acked = w->recovered.a;
    w->next = w->acked + 1;
    commit_some(w);
}

static void on_recovered_entry(void *arg, const char *key, const void *value, size_t len)
{
    on_entry(&((struct writer *)arg)->recovered, key, value, len);
}

static int writer_main(const char *work_dir, const char *epoch_text)
{
    uv_loop_t loop;
    struct rt_host *host = NULL;
    struct mu_error err;
    struct writer w = {0};
    uint64_t epoch = 0;
    const struct rt_host_config config = {.loop = &loop,
                                          .work_dir = work_dir,
                                          .log_fd = STDERR_FILENO,
                                          .log_level = MU_ERROR};
    if (mu_parse_u64(epoch_text, &epoch, &err) < 0 || uv_loop_init(&loop) != 0 ||
        rt_host_open(&config, &host, &err) < 0) {
        return 2;
    }
    mu_prng_seed(&w.prng, epoch);
    kit.host = rt_host_get(host);
    if (kit.plugin->create(kit.host, kit.flags, &kit.instance, &err) < 0 ||
        kit.plugin->start(kit.instance, &err) < 0 ||
        ops->open(kit.instance, "master", &events, NULL, &w.store, &err) < 0 ||
        ops->recover(w.store, epoch, on_recovered_entry, on_recovered, &w, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    return uv_run(&loop, UV_RUN_DEFAULT); /* until it is killed */
}

/* Returns the last acknowledged number, 0 if none came. */
static uint64_t run_and_kill(const char *work_dir, int epoch, struct mu_prng *prng)
{
    mu_auto_free char *plugin = mu_xstrdup(plugin_path);
    mu_auto_free char *dir = mu_xstrdup(work_dir);
    mu_auto_free char *number = mu_xasprintf("%d", epoch);
    char *const argv[] = {program_invocation_short_name, plugin, dir, number, NULL};
    return killed_writer_run(argv, prng);
}

static void killed_registry_loses_no_commit_and_tears_no_batch(void **state)
{
    (void)state;
    struct mu_prng prng;
    mu_prng_seed(&prng, (uint64_t)getpid());
    print_message("seed %d\n", (int)getpid());
    uint64_t before = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        uint64_t acked = run_and_kill(kit.th->work_dir, 2 * round, &prng);
        struct mu_registry_store *s = open_store("master");
        struct result r;
        recover(s, (uint64_t)(2 * round + 1), &r);
        assert_int_equal(r.status, 0);
        assert_int_equal(r.a, r.b);
        assert_true(r.a >= acked);
        assert_true(r.a >= before);
        before = r.a;
        close_store(s);
    }
    assert_true(before > ROUNDS);
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    bool is_writer = argc == 4;
    kit_load(&kit, 2, argv, MU_KIND_REGISTRY);
    plugin_path = argv[1];
    ops = kit.plugin->ops;
    if (is_writer) {
        return writer_main(argv[2], argv[3]);
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_quorum_without_other_masters_is_refused_with_the_way_out),
        TEST(missing_work_dir_is_named),
        TEST(directory_that_cannot_be_made_is_named),
        TEST(second_instance_on_one_work_dir_is_refused),
        TEST(names_that_are_no_file_names_are_refused),
        TEST(log_is_rewritten_when_most_of_it_is_dead),
        TEST(later_recovery_of_a_store_is_not_ended_by_its_earlier_one),
        TEST(batch_over_the_limit_of_a_record_is_refused),
        TEST(full_disk_is_named_and_a_new_open_goes_on),
        TEST(it_says_how_it_is),
        TEST(log_of_one_master_is_not_taken_for_one_of_several),
        TEST(master_that_is_named_twice_is_refused),
        TEST(records_that_are_not_understood_are_an_error_not_skipped),
        TEST(killed_registry_loses_no_commit_and_tears_no_batch),
    };
    int failed = cmocka_run_group_tests_name("replicated_log", tests, NULL, NULL);
    kit_unload(&kit);
    return failed;
}
