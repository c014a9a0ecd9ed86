/* Output on its way home: followed, broken, read on, drained; files that cannot be
 * written; drivers that cannot be read. */
#include "docker_kit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "demux.h"
#include "fake_host.h"
#include "lib/test_host.h"
#include "logs.h"

#define BASE "GET /v1.41/containers/abc/logs?stdout=1&stderr=1&timestamps=1"
#define FOLLOW BASE "&follow=1"
#define T1 "2026-11-24T06:18:11.000000001Z"
#define T2 "2026-11-24T06:18:12.000000001Z"
#define T3 "2026-11-24T06:18:13.000000001Z"

struct fixture {
    struct fake_host host;
    struct dkr_engine *engine;
    struct dkr_logs *logs;
    char dir[64], sandbox[128];
    unsigned drained;
    bool is_closed;
};

static void ignore_change(void *arg, bool is_ready, const char *text)
{
    (void)arg, (void)is_ready, (void)text;
}

static int setup(void **state)
{
    struct fixture *x = MU_NEW(struct fixture);
    strcpy(x->dir, "/tmp/muster-logs-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->sandbox, sizeof(x->sandbox), "%s/box", x->dir);
    assert_int_equal(mkdir(x->sandbox, 0755), 0);
    fake_open(&x->host, x->dir);
    x->engine = dkr_engine_create(&x->host.table, "/run/d.sock", ignore_change, NULL);
    dkr_engine_start(x->engine);
    fake_answer(fake_take(&x->host, "GET /version"), 200, "{\"ApiVersion\":\"1.41\"}");
    x->logs = dkr_logs_create(&x->host.table, x->engine, x->sandbox, false, false);
    *state = x;
    return 0;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_logs(struct fixture *x, bool forget)
{
    x->is_closed = false;
    dkr_logs_close(x->logs, forget, set_flag, &x->is_closed);
    assert_false(x->is_closed); /* never inside the call */
    fake_turn(&x->host);
    assert_true(x->is_closed);
    x->logs = NULL;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    bool is_stopped = false;
    if (x->logs != NULL) {
        close_logs(x, false);
    }
    dkr_engine_stop(x->engine, set_flag, &is_stopped);
    fake_turn(&x->host);
    assert_true(is_stopped);
    dkr_engine_destroy(x->engine);
    fake_close(&x->host);
    test_remove_tree(x->dir);
    free(x);
    return 0;
}

static void on_drained(void *arg)
{
    ((struct fixture *)arg)->drained++;
}

static void follow(struct fixture *x)
{
    dkr_logs_follow(x->logs, "abc");
    fake_turn(&x->host);
}

static void drain(struct fixture *x)
{
    dkr_logs_drain(x->logs, "abc", on_drained, x);
    fake_turn(&x->host);
}

/* A frame of the stream. */
static void
send_frame(struct mu_http_call *call, int stream, const char *stamp, const char *text)
{
    char frame[512];
    size_t len = (size_t)snprintf(frame + 8, sizeof(frame) - 8, "%s %s", stamp, text);
    memcpy(frame, "\1\0\0\0\0\0\0\0", 8);
    frame[0] = (char)(stream + 1);
    frame[6] = (char)(len >> 8);
    frame[7] = (char)len;
    fake_data(call, frame, len + 8);
}

static struct mu_http_call *begin(struct fixture *x, const char *request)
{
    struct mu_http_call *call = fake_take(&x->host, request);
    fake_headers(call, 200);
    return call;
}

static void assert_file(const struct fixture *x, const char *name, const char *wanted)
{
    char text[1024] = "";
    mu_auto_free char *path = mu_xasprintf("%s/%s", x->sandbox, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, wanted);
}

static void output_is_written_as_it_comes(void **state)
{
    struct fixture *x = *state;
    follow(x);
    assert_file(x, "stdout", ""); /* there from the start */
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    send_frame(call, DKR_STDERR, T2, "two\n");
    fake_turn(&x->host);
    assert_file(x, "stdout", "one\n");
    assert_file(x, "stderr", "two\n");
}

static void a_stream_that_breaks_is_read_on(void **state)
{
    struct fixture *x = *state;
    follow(x);
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    fake_turn(&x->host);
    fake_fail(call, -ECONNRESET);
    fake_advance(&x->host, 500);
    call = begin(x, FOLLOW "&since=1795501089.000000001"); /* two seconds before T1 */
    send_frame(call, DKR_STDOUT, T1, "one\n");
    send_frame(call, DKR_STDOUT, T2, "two\n");
    fake_turn(&x->host);
    assert_file(x, "stdout", "one\ntwo\n");
}

static void an_engine_that_is_away_is_asked_again_less_and_less_often(void **state)
{
    struct fixture *x = *state;
    unsigned asked = 0;
    follow(x);
    for (int i = 0; i < 600; i++) { /* ten minutes */
        struct mu_http_call *call = fake_find(&x->host, FOLLOW);
        if (call != NULL) {
            fake_fail(call, -ECONNRESET);
            asked++;
        }
        fake_advance(&x->host, 1000);
    }
    assert_true(asked > 50 && asked < 100);
}

static void the_end_is_drained_before_it_is_told(void **state)
{
    struct fixture *x = *state;
    follow(x);
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    drain(x);
    assert_int_equal(x->drained, 0);
    send_frame(call, DKR_STDOUT, T2, "two\n");
    fake_end(call); /* the engine ends the stream of a container that has ended */
    fake_turn(&x->host);
    call = begin(x, BASE "&since=1795501090.000000001"); /* once more, to be sure */
    send_frame(call, DKR_STDOUT, T2, "two\n");
    send_frame(call, DKR_STDERR, T3, "last words");
    fake_end(call);
    assert_int_equal(x->drained, 0); /* not before it is written */
    fake_turn(&x->host);
    assert_int_equal(x->drained, 1);
    assert_file(x, "stdout", "one\ntwo\n");
    assert_file(x, "stderr", "last words");
}

static void a_stream_that_does_not_end_is_not_waited_for_long(void **state)
{
    struct fixture *x = *state;
    follow(x);
    (void)begin(x, FOLLOW);
    drain(x);
    fake_advance(&x->host, 2900);
    assert_null(fake_find(&x->host, BASE));
    fake_advance(&x->host, 200);
    assert_null(fake_find(&x->host, FOLLOW));
    fake_end(begin(x, BASE));
    fake_turn(&x->host);
    assert_int_equal(x->drained, 1);
}

static void a_container_that_is_gone_has_nothing_to_drain(void **state)
{
    struct fixture *x = *state;
    drain(x);
    fake_answer(fake_take(&x->host, BASE), 404, "{\"message\":\"No such container\"}");
    fake_turn(&x->host);
    assert_int_equal(x->drained, 1);
}

static void draining_gives_up_on_an_engine_without_answers(void **state)
{
    struct fixture *x = *state;
    drain(x);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(x->drained, 0);
        fake_fail(fake_take(&x->host, BASE), -ETIMEDOUT);
        fake_advance(&x->host, 10000);
    }
    assert_int_equal(x->drained, 1);
    assert_non_null(strstr(x->host.last_warning, "may be missing"));
}

static void an_unreadable_log_driver_is_told_to_the_user(void **state)
{
    struct fixture *x = *state;
    follow(x);
    fake_answer(fake_take(&x->host, FOLLOW), 501,
                "{\"message\":\"configured logging driver does not support reading\"}");
    fake_advance(&x->host, 60000);
    assert_int_equal(fake_pending(&x->host), 0); /* it will not change */
    assert_file(
        x, "stderr",
        "The output of this container cannot be read: configured logging driver does "
        "not support reading\n");
    drain(x);
    assert_int_equal(x->drained, 1);
}

/* A directory in the place of the file: nobody can write to that, not even root. */
static void block_stdout(const struct fixture *x, bool is_blocked)
{
    mu_auto_free char *path = mu_xasprintf("%s/stdout", x->sandbox);
    mu_auto_free char *aside = mu_xasprintf("%s/aside", x->sandbox);
    if (is_blocked) {
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(mkdir(path, 0755), 0);
    } else {
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(rename(aside, path), 0);
    }
}

static void what_could_not_be_written_is_written_later(void **state)
{
    struct fixture *x = *state;
    follow(x);
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    fake_turn(&x->host);
    block_stdout(x, true);
    send_frame(call, DKR_STDOUT, T2, "two\n");
    fake_turn(&x->host);
    assert_int_equal(x->host.warnings, 1);
    assert_int_equal(fake_pending(&x->host), 0); /* let go: memory is bounded */
    block_stdout(x, false);
    fake_advance(&x->host, 500);
    call = begin(x, FOLLOW "&since=1795501089.000000001");
    send_frame(call, DKR_STDOUT, T1, "one\n");
    send_frame(call, DKR_STDOUT, T2, "two\n");
    fake_turn(&x->host);
    assert_file(x, "stdout", "one\ntwo\n");
}

static void draining_gives_up_on_files_that_cannot_be_written(void **state)
{
    struct fixture *x = *state;
    follow(x);
    (void)begin(x, FOLLOW);
    block_stdout(x, true);
    drain(x);
    fake_advance(&x->host, 3100);
    for (int i = 0; i < 10 && x->drained == 0; i++) {
        struct mu_http_call *call = fake_find(&x->host, BASE);
        if (call != NULL) {
            fake_headers(call, 200);
            send_frame(call, DKR_STDOUT, T1, "lost\n");
            fake_end(call);
        }
        fake_advance(&x->host, 5000);
    }
    assert_int_equal(x->drained, 1);
    block_stdout(x, false);
}

static void a_disk_that_is_slower_than_the_output_stops_the_stream(void **state)
{
    struct fixture *x = *state;
    static char text[400];
    unsigned sent = 0;
    memset(text, 'a', sizeof(text) - 1);
    follow(x);
    struct mu_http_call *call = begin(x, FOLLOW);
    while (fake_find(&x->host, FOLLOW) != NULL &&
           sent < 100000) { /* no turn: no writing */
        send_frame(call, DKR_STDOUT, T1, text);
        sent++;
    }
    assert_true(sent * sizeof(text) > 4 * 1024 * 1024 && sent < 100000);
    fake_turn(&x->host);
    assert_non_null(fake_find(&x->host, FOLLOW "&since=*")); /* written: it goes on */
    struct stat st;
    mu_auto_free char *path = mu_xasprintf("%s/stdout", x->sandbox);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, sent * (sizeof(text) - 1));
}

static void garbage_is_read_again(void **state)
{
    struct fixture *x = *state;
    follow(x);
    fake_data(begin(x, FOLLOW), "<html>...", 9);
    fake_turn(&x->host);
    fake_advance(&x->host, 500);
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    fake_turn(&x->host);
    assert_file(x, "stdout", "one\n");
}

static void a_later_agent_reads_on_from_the_note(void **state)
{
    struct fixture *x = *state;
    follow(x);
    struct mu_http_call *call = begin(x, FOLLOW);
    send_frame(call, DKR_STDOUT, T1, "one\n");
    send_frame(call, DKR_STDOUT, T2, "two\n");
    close_logs(x, false); /* what was read is still written */
    assert_file(x, "stdout", "one\ntwo\n");
    x->logs = dkr_logs_create(&x->host.table, x->engine, x->sandbox, false, true);
    follow(x);
    call = begin(x, FOLLOW "&since=1795501090.000000001");
    send_frame(call, DKR_STDOUT, T1, "one\n");
    send_frame(call, DKR_STDOUT, T2, "two\n");
    send_frame(call, DKR_STDOUT, T3, "three\n");
    fake_turn(&x->host);
    assert_file(x, "stdout", "one\ntwo\nthree\n");
}

static void the_note_is_forgotten_with_the_container(void **state)
{
    struct fixture *x = *state;
    mu_auto_free char *note = mu_xasprintf("%s/.box.log-position", x->dir);
    follow(x);
    assert_int_equal(access(note, F_OK), 0);
    close_logs(x, true);
    assert_int_equal(access(note, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(output_is_written_as_it_comes),
        TEST(a_stream_that_breaks_is_read_on),
        TEST(an_engine_that_is_away_is_asked_again_less_and_less_often),
        TEST(the_end_is_drained_before_it_is_told),
        TEST(a_stream_that_does_not_end_is_not_waited_for_long),
        TEST(a_container_that_is_gone_has_nothing_to_drain),
        TEST(draining_gives_up_on_an_engine_without_answers),
        TEST(an_unreadable_log_driver_is_told_to_the_user),
        TEST(what_could_not_be_written_is_written_later),
        TEST(draining_gives_up_on_files_that_cannot_be_written),
        TEST(a_disk_that_is_slower_than_the_output_stops_the_stream),
        TEST(garbage_is_read_again),
        TEST(a_later_agent_reads_on_from_the_note),
        TEST(the_note_is_forgotten_with_the_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
