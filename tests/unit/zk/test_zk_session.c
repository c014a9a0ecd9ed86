/* The session layer against a real server: its life through every fault, and that each
 * question is answered exactly once. Runs below with-zookeeper 1. */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"
#include "lib/zk_servers.h"
#include "zk/internal.h"
#include "zk/session.h"

#define SHORT_MS 1000u /* the least that the test's servers grant */
#define LONG_MS 10000u
/* The most that is granted; a server's restart fits in, on a busy machine too. */
#define RESTART_MS 40000u
#define WAIT_MS 60000u

struct subject {
    struct test_host *th;
    const struct mu_host *host;
    struct zks_url url;
    struct zks *session;
    size_t fresh, resumed, suspended, expired, changed;
    bool is_ready, is_suspended, was_expired, was_changed, is_closed;
    bool has_moved; /* any of the first three has changed since this was reset */
    int64_t id;
    char why[128], changed_path[256];
};

static void heard_ready(void *arg, bool fresh)
{
    struct subject *s = arg;
    assert_true(zks_is_ready(s->session));
    assert_true(zks_id(s->session) != 0);
    s->fresh += fresh;
    s->resumed += !fresh;
    s->id = zks_id(s->session);
    s->is_ready = s->has_moved = true;
    s->is_suspended = false;
}

static void heard_suspended(void *arg)
{
    struct subject *s = arg;
    assert_true(s->is_ready); /* never twice, never before ready */
    s->is_ready = false;
    s->is_suspended = s->has_moved = true;
    s->suspended++;
}

static void heard_expired(void *arg, const char *why)
{
    struct subject *s = arg;
    assert_true(s->fresh > s->expired); /* one for each fresh session */
    s->expired++;
    s->is_ready = false;
    s->is_suspended = false;
    s->was_expired = s->has_moved = true;
    snprintf(s->why, sizeof(s->why), "%s", why);
}

static void heard_changed(void *arg, int type, const char *path)
{
    struct subject *s = arg;
    (void)type;
    s->changed++;
    s->was_changed = true;
    snprintf(s->changed_path, sizeof(s->changed_path), "%s", path);
}

static const struct zks_events events = {heard_ready, heard_suspended, heard_expired,
                                         heard_changed};

static void run_until(struct subject *s, const bool *flag)
{
    if (!test_host_run_until(s->th, flag, WAIT_MS)) {
        fail_msg("nothing came; the session is %s", zks_state_name(s->session));
    }
}

static void open_looking(struct subject *s, const char *url, uint64_t timeout_ms)
{
    struct mu_error err;
    if (zks_url_parse(url, &s->url, &err) < 0) {
        fail_msg("%s", err.text);
    }
    s->session = zks_open(s->host, &s->url, timeout_ms, &events, s);
}

static void open_session(struct subject *s, const char *url, uint64_t timeout_ms)
{
    open_looking(s, url, timeout_ms);
    zks_make_path(s->session);
}

static void open_ready(struct subject *s, const char *path, uint64_t timeout_ms)
{
    mu_auto_free char *url = zk_servers_url(path);
    open_session(s, url, timeout_ms);
    run_until(s, &s->is_ready);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_session(struct subject *s)
{
    zks_close(s->session, set_flag, &s->is_closed);
    assert_false(s->is_closed);
    if (!test_host_run_until(s->th, &s->is_closed, WAIT_MS)) {
        fail_msg("it does not close");
    }
    zks_url_release(&s->url);
    s->session = NULL;
}

static struct subject *subject_create(void)
{
    struct subject *s = MU_NEW(struct subject);
    s->th = test_host_open();
    s->host = s->th->host;
    return s;
}

static void subject_destroy(struct subject *s)
{
    test_host_close(s->th);
    free(s);
}

/* ---- one question, answered once ---- */

struct asked {
    bool answered;
    int rc;
    char text[256]; /* path or data */
    size_t len, child_count;
    char children[4][64];
    struct zks_stat stat;
};

static void on_answer(void *arg, const struct zks_answer *a)
{
    struct asked *q = arg;
    assert_false(q->answered);
    q->answered = true;
    q->rc = a->rc;
    q->len = a->len;
    q->stat = a->stat;
    const char *text = a->path != NULL ? a->path : a->data;
    snprintf(q->text, sizeof(q->text), "%s", text);
    q->child_count = a->child_count;
    for (size_t i = 0; i < a->child_count && i < 4; i++) {
        snprintf(q->children[i], sizeof(q->children[i]), "%s", a->children[i]);
    }
}

static int finish(struct subject *s, struct asked *q)
{
    assert_false(q->answered); /* never inline */
    run_until(s, &q->answered);
    return q->rc;
}

static struct asked
create(struct subject *s, const char *path, const char *data, int flags)
{
    struct asked q = {0};
    zks_create(s->session, path, data, strlen(data), flags, on_answer, &q);
    (void)finish(s, &q);
    return q;
}

static struct asked get(struct subject *s, const char *path)
{
    struct asked q = {0};
    zks_get(s->session, path, false, on_answer, &q);
    (void)finish(s, &q);
    return q;
}

/* ---- what works ---- */

static void a_session_makes_its_path_and_answers_questions(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session/deep/er", LONG_MS);
    assert_int_equal(zks_timeout_ms(s->session), LONG_MS);
    struct asked q =
        create(s, "/session/deep/er/n-", "one", ZOO_EPHEMERAL | ZOO_SEQUENCE);
    assert_int_equal(q.rc, ZOK);
    assert_string_equal(q.text, "/session/deep/er/n-0000000000");
    q = get(s, "/session/deep/er/n-0000000000");
    assert_string_equal(q.text, "one");
    assert_int_equal(q.len, 3);
    assert_true(q.stat.ephemeral_owner == s->id);
    assert_true(q.stat.czxid > 0);

    q = (struct asked){0};
    zks_children(s->session, "/session/deep/er", true, on_answer, &q);
    assert_int_equal(finish(s, &q), ZOK);
    assert_int_equal(q.child_count, 1);
    assert_string_equal(q.children[0], "n-0000000000");

    const struct zks_op ops[] = {
        {.kind = ZKS_OP_CREATE, .path = "/session/deep/er/a", .data = "1", .len = 1},
        {.kind = ZKS_OP_SET, .path = "/session/deep/er/a", .data = "22", .len = 2},
        {.kind = ZKS_OP_CHECK, .path = "/session/deep/er/n-0000000000", .version = -1},
    };
    q = (struct asked){0};
    zks_multi(s->session, ops, 3, on_answer, &q);
    assert_int_equal(finish(s, &q), ZOK);
    run_until(s, &s->was_changed);
    assert_string_equal(s->changed_path, "/session/deep/er");
    assert_string_equal(get(s, "/session/deep/er/a").text, "22");

    const struct zks_op bad[] = {
        {.kind = ZKS_OP_DELETE, .path = "/session/deep/er/a", .version = -1},
        {.kind = ZKS_OP_CHECK, .path = "/session/deep/er/none", .version = -1},
    };
    q = (struct asked){0};
    zks_multi(s->session, bad, 2, on_answer, &q);
    assert_int_equal(finish(s, &q), ZNONODE);
    assert_int_equal(get(s, "/session/deep/er/a").rc, ZOK); /* all or none */

    q = (struct asked){0};
    zks_sync(s->session, "/session/deep/er", on_answer, &q);
    assert_int_equal(finish(s, &q), ZOK);
    q = (struct asked){0};
    zks_exists(s->session, "/session/deep/er/none", false, on_answer, &q);
    assert_int_equal(finish(s, &q), ZNONODE);
    q = (struct asked){0};
    zks_delete(s->session, "/session/deep/er/a", -1, on_answer, &q);
    assert_int_equal(finish(s, &q), ZOK);
    close_session(s);
    assert_int_equal(s->fresh, 1);
    assert_int_equal(s->expired, 0);
    subject_destroy(s);
}

/* ---- a handle that is quicker than its worker ---- */

static struct mu_host slow_host; /* its workers end after the first event was posted */
static const struct mu_host *real_host;
static sem_t posted;

static void post_and_tell(struct mu_inbox *in, struct mu_inbox_item *item)
{
    real_host->inbox_post(in, item);
    sem_post(&posted);
}

struct slow_work {
    mu_cb work, done;
    void *arg;
};

static void do_slow_work(void *arg)
{
    struct slow_work *w = arg;
    w->work(w->arg);
    struct timespec until;
    timespec_get(&until, TIME_UTC);
    until.tv_sec += 10;
    (void)sem_timedwait(&posted, &until);
}

static void slow_work_done(void *arg)
{
    struct slow_work *w = arg;
    w->done(w->arg);
    free(w);
}

static int work_slowly(const struct mu_host *h, mu_cb work, mu_cb done, void *arg)
{
    struct slow_work *w = MU_NEW(struct slow_work);
    *w = (struct slow_work){work, done, arg};
    return real_host->work(h, do_slow_work, slow_work_done, w);
}

static void a_connection_that_is_there_before_its_handle_is_seen(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    real_host = s->th->host;
    slow_host = *real_host;
    slow_host.inbox_post = post_and_tell;
    slow_host.work = work_slowly;
    assert_int_equal(sem_init(&posted, 0, 0), 0);
    s->host = &slow_host;
    mu_auto_free char *url = zk_servers_url("/session/quick");
    open_session(s, url, LONG_MS);
    /* without a look at what came early: after the connect timeout only */
    if (!test_host_run_until(s->th, &s->is_ready, 4000)) {
        fail_msg("the session is %s", zks_state_name(s->session));
    }
    assert_int_equal(s->fresh, 1);
    slow_host.work = real_host->work;
    close_session(s);
    subject_destroy(s);
    sem_destroy(&posted);
}

/* ---- faults ---- */

static void a_server_that_comes_back_in_time_finds_the_same_session(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", RESTART_MS);
    int64_t id = s->id;
    assert_int_equal(create(s, "/session/stays", "", ZOO_EPHEMERAL).rc, ZOK);
    struct asked q = {0};
    zks_children(s->session, "/session", true, on_answer, &q);
    assert_int_equal(finish(s, &q), ZOK);
    zk_servers_do(s->th, "kill", 1);
    run_until(s, &s->is_suspended);
    zk_servers_do(s->th, "start", 1);
    run_until(s, &s->is_ready);
    assert_true(s->id == id);
    assert_int_equal(s->resumed, 1);
    assert_int_equal(s->expired, 0);
    assert_true(get(s, "/session/stays").stat.ephemeral_owner == id);
    s->was_changed = false; /* the watch is still set */
    assert_int_equal(create(s, "/session/new", "", ZOO_EPHEMERAL).rc, ZOK);
    run_until(s, &s->was_changed);
    close_session(s);
    subject_destroy(s);
}

/* The session's timer, of those that run: it is known by its delay. */
static struct {
    struct mu_timer *timer; /* NULL: it does not run */
    size_t starts;
} session_timer;

static struct mu_timer *
start_and_note(const struct mu_host *h, uint64_t delay_ms, mu_cb cb, void *arg)
{
    struct mu_timer *timer = real_host->timer_start(h, delay_ms, cb, arg);
    if (delay_ms == RESTART_MS) {
        assert_null(session_timer.timer);
        session_timer.timer = timer;
        session_timer.starts++;
    }
    return timer;
}

static void cancel_and_note(const struct mu_host *h, struct mu_timer *timer)
{
    if (timer != NULL && timer == session_timer.timer) {
        session_timer.timer = NULL;
    }
    real_host->timer_cancel(h, timer);
}

static void each_disconnect_has_the_whole_timeout_before_it(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    real_host = s->th->host;
    struct mu_host noting = *real_host;
    noting.timer_start = start_and_note;
    noting.timer_cancel = cancel_and_note;
    s->host = &noting;
    session_timer.timer = NULL;
    open_ready(s, "/session", RESTART_MS);
    for (size_t i = 1; i <= 2; i++) {
        session_timer.starts = 0;
        assert_null(session_timer.timer);
        zk_servers_do(s->th, "kill", 1);
        run_until(s, &s->is_suspended);
        assert_non_null(session_timer.timer);
        assert_int_equal(session_timer.starts, 1);
        zk_servers_do(s->th, "start", 1);
        run_until(s, &s->is_ready);
        assert_int_equal(s->resumed, i);
        assert_null(session_timer.timer); /* nothing of it is left */
    }
    close_session(s);
    subject_destroy(s);
}

static void what_may_have_been_done_is_told_from_what_was_refused(void **state)
{
    (void)state;
    const int unknown[] = {ZCONNECTIONLOSS, ZOPERATIONTIMEOUT, ZSESSIONEXPIRED,
                           ZSESSIONMOVED,   ZINVALIDSTATE,     ZCLOSING};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        assert_true(zks_is_unknown(unknown[i]));
    }
    const int known[] = {ZOK,     ZNONODE,       ZNODEEXISTS, ZBADVERSION,   ZAUTHFAILED,
                         ZNOAUTH, ZBADARGUMENTS, ZINVALIDACL, ZUNIMPLEMENTED};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        assert_false(zks_is_unknown(known[i]));
    }
}

static void questions_of_a_lost_connection_are_answered_as_lost(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", LONG_MS);
    zk_server_freeze(1);
    struct asked q[3] = {{0}};
    zks_create(s->session, "/session/maybe", "", 0, ZOO_EPHEMERAL, on_answer, &q[0]);
    zks_get(s->session, "/session", false, on_answer, &q[1]);
    zks_multi(s->session,
              &(struct zks_op){.kind = ZKS_OP_CHECK, .path = "/session", .version = -1},
              1, on_answer, &q[2]);
    test_host_turn(s->th, 5);
    assert_false(q[0].answered);
    zk_servers_do(s->th, "kill", 1);
    for (size_t i = 0; i < 3; i++) {
        run_until(s, &q[i].answered);
        assert_true(zks_is_unknown(q[i].rc));
    }
    run_until(s, &s->is_suspended);
    zk_servers_do(s->th, "start", 1);
    run_until(s, &s->is_ready);
    close_session(s);
    subject_destroy(s);
}

static void a_session_out_of_touch_for_its_timeout_is_given_up_here(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", SHORT_MS);
    assert_int_equal(zks_timeout_ms(s->session), SHORT_MS);
    int64_t id = s->id;
    struct asked q = {0};
    zk_server_freeze(1);
    zks_get(s->session, "/session", false, on_answer, &q);
    run_until(s, &s->was_expired);
    assert_non_null(strstr(s->why, "out of touch"));
    assert_true(q.answered && zks_is_unknown(q.rc)); /* before `expired` */
    assert_true(zks_id(s->session) == 0);
    struct asked late = {0};
    zks_get(s->session, "/session", false, on_answer, &late);
    assert_int_equal(finish(s, &late), ZINVALIDSTATE);
    zk_server_resume(1);
    run_until(s, &s->is_ready);
    assert_int_equal(s->fresh, 2);
    assert_true(s->id != id);
    close_session(s);
    subject_destroy(s);
}

/* Somebody else takes the session over and ends it. Ours takes it back at once, so it may
 * need more than one try. */
static void
on_second_event(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    (void)zh;
    (void)path;
    bool is_over = state == ZOO_EXPIRED_SESSION_STATE; /* by the try before */
    if (type == ZOO_SESSION_EVENT && (state == ZOO_CONNECTED_STATE || is_over)) {
        sem_post(context);
    }
}

static void a_session_that_the_server_ends_is_followed_by_another(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", LONG_MS);
    int64_t id = s->id;
    const clientid_t client = *zoo_client_id(s->session->handle->zh);
    sem_t connected;
    assert_int_equal(sem_init(&connected, 0, 0), 0);
    for (int tries = 0; tries < 50 && !s->was_expired; tries++) {
        zhandle_t *second = zookeeper_init(s->url.hosts, on_second_event, (int)LONG_MS,
                                           &client, &connected, 0);
        assert_non_null(second);
        s->has_moved = false;
        sem_wait(&connected);
        zookeeper_close(second);
        while (sem_trywait(&connected) == 0) {
            continue; /* of this one */
        }
        run_until(s, &s->has_moved); /* lost and there again may come in one turn */
        while (s->is_suspended) {
            run_until(s, s->was_expired ? &s->was_expired : &s->is_ready);
        }
    }
    sem_destroy(&connected);
    assert_true(s->was_expired);
    assert_non_null(strstr(s->why, "ended the session"));
    run_until(s, &s->is_ready);
    assert_true(s->id != id);
    assert_int_equal(s->fresh, 2);
    close_session(s);
    subject_destroy(s);
}

static void a_restarted_session_tells_its_end_and_comes_back(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", LONG_MS);
    struct asked q = {0};
    zks_get(s->session, "/session", false, on_answer, &q);
    zks_restart(s->session, "because of this test");
    assert_int_equal(s->expired, 1);
    assert_string_equal(s->why, "because of this test");
    assert_true(q.answered && q.rc == ZSESSIONEXPIRED);
    run_until(s, &s->is_ready);
    assert_int_equal(s->fresh, 2);
    close_session(s);
    subject_destroy(s);
}

static void servers_that_are_down_are_waited_for_without_work(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    zk_servers_do(s->th, "kill", 1);
    mu_auto_free char *url = zk_servers_url("/session");
    struct rusage before, after;
    open_session(s, url, SHORT_MS);
    bool later = false;
    (void)s->host->timer_start(s->host, 3000, set_flag, &later);
    getrusage(RUSAGE_SELF, &before);
    run_until(s, &later);
    getrusage(RUSAGE_SELF, &after);
    int64_t used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec +
                       after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
                          INT64_C(1000000) +
                      after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                      after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    printf("used %" PRId64 " us of 3 s\n", used_us);
    assert_true(used_us < 1500000); /* a loop that spins needs twice this */
    assert_false(s->is_ready);
    zk_servers_do(s->th, "start", 1);
    run_until(s, &s->is_ready);
    close_session(s);
    subject_destroy(s);
}

static void look_at_generation(void *arg)
{
    struct subject *s = arg;
    s->has_moved = s->session->generation > 1;
    if (!s->has_moved) {
        (void)s->host->timer_start(s->host, 20, look_at_generation, s);
    }
}

/* It takes connections, and says nothing on them. */
static void a_server_that_never_answers_is_looked_up_anew(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    zk_server_freeze(1);
    mu_auto_free char *url = zk_servers_url("/session");
    open_session(s, url, SHORT_MS);
    look_at_generation(s);
    run_until(s, &s->has_moved); /* another handle, made from the names */
    assert_false(s->is_ready);
    assert_int_equal(s->expired, 0); /* there never was one */
    zk_server_resume(1);
    run_until(s, &s->is_ready);
    assert_int_equal(s->fresh, 1);
    close_session(s);
    subject_destroy(s);
}

/* ---- closing at the worst moment ---- */

static void closed_while_it_opens(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    mu_auto_free char *url = zk_servers_url("/session");
    open_session(s, url, LONG_MS);
    struct asked q = {0};
    zks_get(s->session, "/session", false, on_answer, &q);
    close_session(s);
    assert_true(q.answered);
    assert_int_equal(s->fresh, 0);
    subject_destroy(s);
}

static void closed_while_no_name_is_found(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_session(s, "zk://no.such.host.invalid:2181/session", LONG_MS);
    struct asked q = {0};
    bool later = false;
    (void)s->host->timer_start(s->host, 500, set_flag, &later);
    run_until(s, &later); /* it waits to try again: no worker, no handle */
    zks_get(s->session, "/session", false, on_answer, &q);
    close_session(s); /* in the same turn as the question */
    assert_true(q.answered);
    assert_true(zks_is_unknown(q.rc));
    subject_destroy(s);
}

static void closed_while_questions_are_open(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    open_ready(s, "/session", LONG_MS);
    zk_server_freeze(1);
    struct asked q[2] = {{0}};
    zks_create(s->session, "/session/q", "", 0, ZOO_EPHEMERAL, on_answer, &q[0]);
    zks_get(s->session, "/session", false, on_answer, &q[1]);
    close_session(s); /* waits for the server a little */
    assert_true(q[0].answered && q[1].answered);
    assert_int_equal(q[0].rc, ZCLOSING);
    zk_server_resume(1);
    assert_int_equal(s->expired, 0);
    subject_destroy(s);
}

static void closed_with_answers_under_way(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct subject *s = subject_create();
        open_ready(s, "/session", LONG_MS);
        struct asked q[8] = {{0}};
        for (size_t k = 0; k < 8; k++) {
            zks_get(s->session, "/session", true, on_answer, &q[k]);
        }
        test_host_turn(s->th, i);
        close_session(s);
        for (size_t k = 0; k < 8; k++) {
            assert_true(q[k].answered);
        }
        subject_destroy(s);
    }
}

/* ---- credentials ---- */

static char *url_of(const char *auth, const char *path)
{
    return mu_xasprintf("zk://%s%s%s", auth, getenv("MUSTER_TEST_ZK"), path);
}

static void a_protected_path_is_readable_for_all_and_writable_for_its_owner(void **state)
{
    (void)state;
    struct subject *owner = subject_create();
    mu_auto_free char *with = url_of("me:se:cr@et@", "/protected/path");
    open_session(owner, with, LONG_MS);
    run_until(owner, &owner->is_ready);
    assert_int_equal(create(owner, "/protected/path/n", "hello", 0).rc, ZOK);
    struct subject *other = subject_create();
    mu_auto_free char *without = url_of("", "/protected/path");
    open_session(other, without, LONG_MS);
    run_until(other, &other->is_ready);
    assert_string_equal(get(other, "/protected/path/n").text, "hello");
    assert_int_equal(create(other, "/protected/path/x", "", ZOO_EPHEMERAL).rc, ZNOAUTH);
    struct asked q = {0};
    zks_delete(other->session, "/protected/path/n", -1, on_answer, &q);
    assert_int_equal(finish(other, &q), ZNOAUTH);
    close_session(other);
    subject_destroy(other);

    struct subject *wrong = subject_create();
    mu_auto_free char *guess = url_of("me:guess@", "/protected/path");
    open_session(wrong, guess, LONG_MS);
    run_until(wrong, &wrong->is_ready);
    assert_int_equal(create(wrong, "/protected/path/x", "", ZOO_EPHEMERAL).rc, ZNOAUTH);
    close_session(wrong);
    subject_destroy(wrong);

    /* the credentials are given again after a reconnect */
    zk_servers_do(owner->th, "kill", 1);
    run_until(owner, &owner->is_suspended);
    zk_servers_do(owner->th, "start", 1);
    run_until(owner, &owner->is_ready);
    assert_int_equal(create(owner, "/protected/path/again", "", ZOO_EPHEMERAL).rc, ZOK);
    close_session(owner);
    subject_destroy(owner);
}

static void a_path_that_cannot_be_made_is_tried_again_until_it_can(void **state)
{
    (void)state;
    struct subject *owner = subject_create();
    mu_auto_free char *with = url_of("me:secret@", "/closed");
    open_session(owner, with, LONG_MS);
    run_until(owner, &owner->is_ready);
    struct subject *other = subject_create();
    mu_auto_free char *below = url_of("", "/closed/below");
    open_session(other, below, LONG_MS);
    bool later = false;
    (void)other->host->timer_start(other->host, 1000, set_flag, &later);
    run_until(other, &later);
    assert_string_equal(zks_state_name(other->session), "preparing");
    /* the obstacle goes: the owner makes it, open to all */
    assert_int_equal(create(owner, "/closed/below", "", 0).rc, ZOK);
    run_until(other, &other->is_ready);
    close_session(other);
    subject_destroy(other);
    close_session(owner);
    subject_destroy(owner);
}

static void who_only_looks_waits_until_somebody_makes_the_path(void **state)
{
    (void)state;
    struct subject *s = subject_create();
    mu_auto_free char *url = zk_servers_url("/made/by/another");
    open_looking(s, url, LONG_MS);
    bool later = false;
    (void)s->host->timer_start(s->host, 700, set_flag, &later);
    run_until(s, &later);
    assert_string_equal(zks_state_name(s->session), "preparing");
    struct subject *maker = subject_create();
    open_session(maker, url, LONG_MS);
    run_until(maker, &maker->is_ready);
    run_until(s, &s->is_ready);
    close_session(maker);
    subject_destroy(maker);
    close_session(s);
    subject_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_makes_its_path_and_answers_questions),
        cmocka_unit_test(a_connection_that_is_there_before_its_handle_is_seen),
        cmocka_unit_test(a_server_that_comes_back_in_time_finds_the_same_session),
        cmocka_unit_test(each_disconnect_has_the_whole_timeout_before_it),
        cmocka_unit_test(what_may_have_been_done_is_told_from_what_was_refused),
        cmocka_unit_test(questions_of_a_lost_connection_are_answered_as_lost),
        cmocka_unit_test(a_session_out_of_touch_for_its_timeout_is_given_up_here),
        cmocka_unit_test(a_session_that_the_server_ends_is_followed_by_another),
        cmocka_unit_test(a_restarted_session_tells_its_end_and_comes_back),
        cmocka_unit_test(servers_that_are_down_are_waited_for_without_work),
        cmocka_unit_test(a_server_that_never_answers_is_looked_up_anew),
        cmocka_unit_test(closed_while_it_opens),
        cmocka_unit_test(closed_while_no_name_is_found),
        cmocka_unit_test(closed_while_questions_are_open),
        cmocka_unit_test(closed_with_answers_under_way),
        cmocka_unit_test(a_protected_path_is_readable_for_all_and_writable_for_its_owner),
        cmocka_unit_test(who_only_looks_waits_until_somebody_makes_the_path),
        cmocka_unit_test(a_path_that_cannot_be_made_is_tried_again_until_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
