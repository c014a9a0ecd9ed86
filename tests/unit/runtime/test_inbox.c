/* The inbox with real threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/test_host.h"

#define THREADS 4
#define PER_THREAD 2000

struct note {
    struct mu_inbox_item item;
    int thread, number;
};

struct box {
    struct test_host *th;
    struct mu_inbox *inbox;
    int next[THREADS]; /* the number expected from each */
    int count, dropped;
    bool all_here, closed, close_at_first;
};

static void on_closed(void *arg)
{
    ((struct box *)arg)->closed = true;
}

static void on_note(void *arg, struct mu_inbox_item *item)
{
    struct box *b = arg;
    struct note *n = mu_container_of(item, struct note, item);
    assert_false(b->closed);
    assert_int_equal(n->number, b->next[n->thread]);
    b->next[n->thread]++;
    b->count++;
    b->all_here = b->count == THREADS * PER_THREAD;
    free(n);
    if (b->close_at_first) {
        b->th->host->inbox_close(b->inbox, on_closed, b);
    }
}

static void on_drop(void *arg, struct mu_inbox_item *item)
{
    struct box *b = arg;
    b->dropped++;
    free(mu_container_of(item, struct note, item));
}

static void post(struct box *b, int thread, int number)
{
    struct note *n = MU_NEW(struct note);
    n->thread = thread;
    n->number = number;
    b->th->host->inbox_post(b->inbox, &n->item);
}

struct poster {
    struct box *box;
    int thread;
};

static void post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < PER_THREAD; i++) {
        post(p->box, p->thread, i);
    }
}

static struct box box_open(void)
{
    struct box b = {.th = test_host_open()};
    return b;
}

static void items_of_each_thread_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct box b = box_open();
    b.inbox = b.th->host->inbox_open(b.th->host, on_note, on_drop, &b);
    uv_thread_t threads[THREADS];
    struct poster posters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){&b, i};
        assert_int_equal(uv_thread_create(&threads[i], post_all, &posters[i]), 0);
    }
    bool all_here = test_host_run_until(b.th, &b.all_here, 20000);
    for (int i = 0; i < THREADS; i++) {
        uv_thread_join(&threads[i]);
    }
    assert_true(all_here);
    b.th->host->inbox_close(b.inbox, on_closed, &b);
    assert_true(test_host_run_until(b.th, &b.closed, 5000));
    assert_int_equal(b.dropped, 0);
    test_host_close(b.th);
}

static void closing_drops_what_was_not_delivered(void **state)
{
    (void)state;
    struct box b = box_open();
    b.inbox = b.th->host->inbox_open(b.th->host, on_note, on_drop, &b);
    post(&b, 0, 0);
    post(&b, 0, 1);
    b.th->host->inbox_close(b.inbox, on_closed, &b);
    post(&b, 0, 2); /* too late, but before the closed callback */
    assert_false(b.closed);
    assert_true(test_host_run_until(b.th, &b.closed, 5000));
    assert_int_equal(b.count, 0);
    assert_int_equal(b.dropped, 3);
    test_host_close(b.th);
}

static void inbox_can_be_closed_from_its_own_callback(void **state)
{
    (void)state;
    struct box b = box_open();
    b.close_at_first = true;
    b.inbox = b.th->host->inbox_open(b.th->host, on_note, on_drop, &b);
    post(&b, 0, 0);
    post(&b, 0, 1);
    post(&b, 0, 2);
    assert_true(test_host_run_until(b.th, &b.closed, 5000));
    assert_int_equal(b.count, 1);
    assert_int_equal(b.dropped, 2);
    test_host_close(b.th);
}

struct job {
    struct test_host *th;
    uv_thread_t worker;
    bool worked, done;
};

static void do_work(void *arg)
{
    struct job *j = arg;
    j->worker = uv_thread_self();
    j->worked = true;
}

static void on_done(void *arg)
{
    struct job *j = arg;
    assert_true(j->worked);
    j->done = true;
}

static void work_runs_on_another_thread_and_is_awaited_by_close(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct job *j = MU_NEW(struct job);
    j->th = th;
    assert_int_equal(th->host->work(th->host, do_work, on_done, j), 0);
    assert_false(j->done);
    test_host_close(th);
    assert_true(j->done);
    uv_thread_t self = uv_thread_self();
    assert_false(uv_thread_equal(&self, &j->worker));
    free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_of_each_thread_arrive_once_and_in_order),
        cmocka_unit_test(closing_drops_what_was_not_delivered),
        cmocka_unit_test(inbox_can_be_closed_from_its_own_callback),
        cmocka_unit_test(work_runs_on_another_thread_and_is_awaited_by_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
