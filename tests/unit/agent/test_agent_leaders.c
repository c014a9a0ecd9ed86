/* Which leaders the agent's machine obeys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#define SMALL "cpus:0.5;mem:64"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    world_boot(&w);
    world_settle(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_release(&w);
    return 0;
}

static void dial(uint64_t epoch)
{
    w.epoch = epoch;
    world_dial(&w);
    world_pass(&w, 2000);
}

static void only_the_newest_leader_is_obeyed(void **state)
{
    (void)state;
    dial(5);
    dial(4); /* it does not know yet that it was deposed */
    assert_int_equal(w.reconnects, 1);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_null(world_container(&w, "t"));
    dial(5);
    assert_int_equal(w.reconnects, 1);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_non_null(world_container(&w, "t"));
    dial(6);
    assert_int_equal(w.reconnects, 1);
}

/* The epochs of an ensemble that was emptied begin anew. */
static void an_older_leader_is_obeyed_when_no_newer_one_is_left(void **state)
{
    (void)state;
    dial(5);
    w.has_master = false;
    world_dial(&w);
    world_pass(&w, 121000);
    w.has_master = true;
    size_t before = w.reconnects;
    dial(1);
    world_pass(&w, 60000);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_non_null(world_container(&w, "t"));
    assert_int_equal(w.reconnects, before);
}

static void restart(uint64_t epoch)
{
    w.epoch = epoch;
    world_crash(&w);
    world_boot(&w);
    world_pass(&w, 2000);
}

static void a_restarted_agent_knows_the_newest_leader(void **state)
{
    (void)state;
    dial(5);
    size_t records = w.journal.count;
    dial(5);
    assert_int_equal(w.journal.count, records); /* nothing new in it */
    restart(4);
    assert_int_equal(w.reconnects, 1);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_null(world_container(&w, "t"));
    restart(5);
    assert_int_equal(w.reconnects, 1);
    restart(4); /* it knows still, and believes after a time */
    assert_int_equal(w.reconnects, 2);
    world_pass(&w, 121000);
    dial(4);
    assert_int_equal(w.reconnects, 2);
    world_run(&w, "t", SMALL);
    world_settle(&w);
    assert_non_null(world_container(&w, "t"));
    restart(4); /* and that it believes is kept too */
    assert_int_equal(w.reconnects, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(only_the_newest_leader_is_obeyed),
        T(an_older_leader_is_obeyed_when_no_newer_one_is_left),
        T(a_restarted_agent_knows_the_newest_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
