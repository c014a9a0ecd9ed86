/* Registry zk: one fault, at each request of a whole story in turn, of each kind. What
 * was answered is there, what is there is whole and in order, and nothing hangs. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "unit/zk_registry/zkr_kit.h"

#define BIG (540u * 1024) /* two chunks; a quarter of it is one */
#define ROUNDS_MAX 100000u

struct fault {
    size_t at; /* before this request is carried out */
    enum world_cut how;
    bool ends_session;
    bool is_behind; /* the next server has seen less */
    size_t late_by; /* a request that comes late comes so many requests later */
    bool has_come;
};

static void strike(struct zkr_kit *k, struct zks *s, struct fault *f)
{
    (void)k;
    f->has_come = true;
    (void)world_cut(s, f->how);
    while (world_deliver(s)) {
    }
    if (f->ends_session) {
        (void)world_expire(s);
    }
    (void)world_connect(s, f->is_behind);
}

/* In the order in which it would happen, with the fault when it is due. */
static void run(struct zkr_kit *k, struct fault *f)
{
    struct zk_world *w = &k->world;
    uint64_t limit_ms = w->now_ms + 60000;
    for (size_t round = 0;; round++) {
        assert_true(round < ROUNDS_MAX); /* it goes round in circles */
        bool moved = false;
        if (f->has_come && w->carried_out >= f->at + f->late_by) {
            moved |= world_ghost(w);
        }
        for (size_t i = 0; i < k->writer_count; i++) {
            struct zks *s = k->writers[i].session;
            if (!f->has_come && w->carried_out >= f->at && world_is_connected(s) &&
                world_has_work(s)) {
                strike(k, s, f);
            }
            moved |= world_connect(s, false) || world_deliver(s) || world_carry_out(s) ||
                     world_catch_up(s);
        }
        if (!moved && world_due_ms(w) <= limit_ms) {
            moved = world_timer(w);
        }
        if (!moved) {
            break;
        }
    }
}

static void commit_some(struct zkr_kit *k, size_t writer)
{
    struct mu_error err;
    (void)kit_put(k, writer, "small", 10);
    (void)kit_put(k, writer, "big", BIG);
    (void)kit_put(k, writer, "small", 11);
    (void)kit_put(k, writer, "big", BIG / 4);
    const struct mu_registry_op drop = {"small", NULL, 0};
    assert_non_null(kit_commit(k, writer, &drop, 1, &err));
    (void)kit_put(k, writer, "big", 10);
}

/* Returns whether the fault found its request. */
static bool story(struct fault *f)
{
    struct zkr_kit k;
    f->has_come = false;
    kit_open(&k, 7, 2);
    kit_recover(&k, 0, 0);
    run(&k, f);
    assert_int_equal(k.writers[0].recovered, 0);
    commit_some(&k, 0);
    run(&k, f);
    assert_int_equal(kit_unanswered(&k), 0);
    for (size_t i = 0; i < k.count; i++) {
        assert_int_equal(k.batches[i]->status, 0);
    }
    kit_recover(&k, 1, 0); /* the next one takes over, in the middle of more */
    commit_some(&k, 0);
    run(&k, f);
    assert_int_equal(k.writers[1].recovered, 0);
    assert_int_equal(kit_unanswered(&k), 0);
    assert_int_equal(k.writers[0].fenced, 1);
    commit_some(&k, 1);
    run(&k, f);
    for (size_t i = k.count - 6; i < k.count; i++) {
        assert_int_equal(k.batches[i]->status, 0);
    }
    bool has_come = f->has_come;
    kit_finish(&k);
    kit_close(&k);
    return has_come;
}

static void
at_each_request(enum world_cut how, bool ends_session, bool is_behind, size_t late)
{
    struct fault f = {.how = how,
                      .ends_session = ends_session,
                      .is_behind = is_behind,
                      .late_by = late};
    size_t at = 0;
    do {
        f.at = at;
        at += at < 70 ? 7 : 1; /* it begins with making nodes that are all alike */
    } while (story(&f));
    assert_true(at > 200); /* the story is as long as that */
}

#define STEPS(name, how, ends_session, is_behind, late)                                  \
    static void name(void **state)                                                       \
    {                                                                                    \
        (void)state;                                                                     \
        at_each_request(how, ends_session, is_behind, late);                             \
    }
STEPS(request_lost, WORLD_CUT_BEFORE, false, false, 0)
STEPS(request_lost_with_the_session, WORLD_CUT_BEFORE, true, true, 0)
STEPS(answer_lost, WORLD_CUT_AFTER, false, false, 0)
STEPS(answer_lost_and_the_next_server_is_behind, WORLD_CUT_AFTER, false, true, 0)
STEPS(answer_lost_with_the_session, WORLD_CUT_AFTER, true, false, 0)
STEPS(answer_lost_with_the_session_and_the_next_server_is_behind,
      WORLD_CUT_AFTER,
      true,
      true,
      0)
STEPS(request_comes_at_once_but_late, WORLD_CUT_LATE, false, false, 0)
STEPS(request_comes_one_later, WORLD_CUT_LATE, false, false, 1)
STEPS(request_comes_four_later, WORLD_CUT_LATE, false, false, 4)
STEPS(request_of_an_ended_session_comes_one_later, WORLD_CUT_LATE, true, false, 1)
STEPS(request_of_an_ended_session_comes_three_later, WORLD_CUT_LATE, true, true, 3)
STEPS(request_of_an_ended_session_comes_eight_later, WORLD_CUT_LATE, true, false, 8)

int main(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28); /* the big values come and go often */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_lost),
        cmocka_unit_test(request_lost_with_the_session),
        cmocka_unit_test(answer_lost),
        cmocka_unit_test(answer_lost_and_the_next_server_is_behind),
        cmocka_unit_test(answer_lost_with_the_session),
        cmocka_unit_test(answer_lost_with_the_session_and_the_next_server_is_behind),
        cmocka_unit_test(request_comes_at_once_but_late),
        cmocka_unit_test(request_comes_one_later),
        cmocka_unit_test(request_comes_four_later),
        cmocka_unit_test(request_of_an_ended_session_comes_one_later),
        cmocka_unit_test(request_of_an_ended_session_comes_three_later),
        cmocka_unit_test(request_of_an_ended_session_comes_eight_later),
    };
    return cmocka_run_group_tests_name("zkr_steps", tests, NULL, NULL);
}
