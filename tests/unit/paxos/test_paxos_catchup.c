/* A replica that is behind: value by value, or the map in parts. */
#include "kit.h"

#include <muster/error.h>

#define BIG (600u * 1024)

/* 0 leads three; its map needs several parts; 2 has missed more than is kept. */
static void far_behind(struct kit *k)
{
    kit_init_voting(k, 3, 2);
    kit_must_lead(k, 0, 1);
    kit_isolate(k, 2);
    for (int i = 0; i < 20; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "k%d", i % 8);
        kit_append_bytes(k, 0, key, BIG);
        kit_run(k);
    }
    assert_true(k->nodes[0].p->kept.first > 3);
}

static void one_that_was_away_gets_what_it_missed(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 2);
    for (int i = 0; i < 1000; i++) {
        kit_append(&k, 0, "x", i % 2 == 0 ? "even" : "odd");
    }
    kit_run(&k);
    kit_drop(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT); /* the values do */
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 2);
    kit_crash(&k, 2); /* and they are on its disk */
    kit_start(&k, 2);
    assert_string_equal(kit_get(&k, 2, "x"), "odd");
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* Only one position in the middle was lost on the way. */
static void gap_is_filled(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "first", "1"); /* the map's place is taken: values from here on */
    kit_pass(&k, 2000);
    kit_hold(&k, 2, 0, PAXOS_MSG_FETCH);
    kit_hold(&k, 0, 2, PAXOS_MSG_WRITE);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    assert_true(kit_take(&k, 0, 2, PAXOS_MSG_WRITE, &m));
    paxos_message_release(&m);
    k.rules.count--;
    kit_append(&k, 0, "y", "1");
    kit_run(&k);
    assert_true(kit_take(&k, 2, 0, PAXOS_MSG_FETCH, &m));
    assert_int_equal(m.position, 3);
    paxos_message_release(&m);
    kit_no_rules(&k);
    kit_pass(&k, 3000); /* the question was lost, too */
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

static void one_that_is_far_behind_gets_the_map(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    kit_connect_all(&k);
    kit_pass(&k, 4000);
    assert_true(kit_said(&k, 2, "the map was taken over from another replica"));
    kit_assert_same(&k, 0, 2);
    assert_true(kit_votes(&k, 2));
    uint64_t id = k.nodes[2].id;
    kit_crash(&k, 2);
    kit_start(&k, 2);
    assert_true(k.nodes[2].id == id && kit_votes(&k, 2));
    kit_assert_same(&k, 0, 2);
    kit_crash(&k, 1);
    kit_connect_all(&k);
    uint64_t x = kit_append(&k, 0, "x", "1"); /* and it counts */
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, x), 0);
    kit_release(&k);
}

static void doubled_and_lost_parts_are_no_harm(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    kit_hold(&k, 0, 2, PAXOS_MSG_SNAPSHOT);
    kit_hold(&k, 1, 2, PAXOS_MSG_SNAPSHOT);
    kit_connect_all(&k);
    size_t parts = 0;
    for (int turn = 0; kit_view(&k, 2).committed < 21; turn++) {
        assert_true(turn < 40);
        kit_run(&k);
        if (turn == 2) { /* lost: asked for again, from another one perhaps */
            kit_drop(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT);
            k.rules.count--;
            kit_pass(&k, 6000);
        }
        kit_twice(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT);
        while (kit_deliver(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT)) {
            parts++;
        }
    }
    assert_true(parts > 8);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* Another one's map would have to be begun anew. */
static void slow_parts_are_awaited(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    kit_hold(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT);
    kit_connect_all(&k);
    kit_run(&k);
    assert_true(kit_deliver(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT));
    kit_run(&k);
    int sender = kit_waiting(&k, 0, 2, PAXOS_MSG_SNAPSHOT) > 0 ? 0 : 1;
    for (int part = 0; part < 2; part++) {
        kit_pass(&k, 4000);
        assert_int_equal(kit_waiting(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT), 1);
        assert_true(kit_deliver(&k, sender, 2, PAXOS_MSG_SNAPSHOT));
        kit_run(&k);
    }
    assert_int_equal(kit_waiting(&k, sender, 2, PAXOS_MSG_SNAPSHOT), 1);
    kit_isolate(&k, sender); /* and it never comes */
    kit_pass(&k, 1500);
    assert_int_equal(kit_waiting(&k, 1 - sender, 2, PAXOS_MSG_SNAPSHOT), 1);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    kit_assert_same(&k, 1 - sender, 2);
    kit_release(&k);
}

/* The second of a doubled first part does not begin the transfer anew. */
static void doubled_first_part_loses_nothing(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message first;
    far_behind(&k);
    kit_hold(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT);
    kit_connect_all(&k);
    kit_run(&k);
    assert_true(kit_waiting(&k, KIT_ANY, 2, PAXOS_MSG_SNAPSHOT) > 0);
    int from = k.messages.v[0].from;
    kit_twice(&k, from, 2, PAXOS_MSG_SNAPSHOT);
    assert_true(kit_deliver(&k, from, 2, PAXOS_MSG_SNAPSHOT));
    assert_true(kit_take(&k, from, 2, PAXOS_MSG_SNAPSHOT, &first));
    assert_int_equal(first.part, 0);
    kit_run(&k);
    assert_true(kit_deliver(&k, from, 2, PAXOS_MSG_SNAPSHOT));
    assert_int_equal(k.nodes[2].p->in.next, 2);
    kit_say(&k, from, 2, &first);
    assert_int_equal(k.nodes[2].p->in.next, 2);
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* Two of five ask the leader in turn while it writes: each new map would take away that
 * of the other one. */
static void two_that_are_far_behind_do_not_hinder_each_other(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 5, 3);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 3);
    kit_isolate(&k, 4);
    for (int i = 0; i < 20; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "k%d", i % 8);
        kit_append_bytes(&k, 0, key, BIG);
        kit_run(&k);
    }
    kit_connect(&k, 3, 0); /* no others that they could ask */
    kit_connect(&k, 4, 0);
    kit_hold(&k, 3, 0, PAXOS_MSG_FETCH);
    kit_hold(&k, 4, 0, PAXOS_MSG_FETCH);
    kit_run(&k);
    kit_pass(&k, 1000);
    for (int turn = 0; kit_view(&k, 3).committed < 20 || kit_view(&k, 4).committed < 20;
         turn++) {
        assert_true(turn < 40);
        for (int i = 3; i < 5; i++) {
            (void)kit_deliver(&k, i, 0, PAXOS_MSG_FETCH);
            kit_append(&k, 0, "x", "1");
            kit_run(&k);
        }
    }
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 3);
    kit_assert_same(&k, 0, 4);
    kit_release(&k);
}

/* Each question comes twice: the answers must not ask twice as much each time. */
static void doubled_questions_do_not_multiply(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 2);
    for (int i = 0; i < 13; i++) {
        kit_append_bytes(&k, 0, "x", BIG);
        kit_run(&k);
    }
    assert_true(k.nodes[0].p->kept.first <= 2);
    kit_hold(&k, 2, KIT_ANY, PAXOS_MSG_FETCH);
    kit_connect_all(&k);
    kit_pass(&k, 1000);
    size_t asked = 0;
    while (kit_view(&k, 2).committed < 14) {
        kit_twice(&k, 2, KIT_ANY, PAXOS_MSG_FETCH);
        while (kit_deliver(&k, 2, KIT_ANY, PAXOS_MSG_FETCH)) {
            asked++;
        }
        assert_true(asked < 100);
        kit_run(&k);
    }
    assert_true(asked <= 20); /* two values for each question */
    kit_release(&k);
}

static void one_that_is_ahead_is_asked_when_the_first_is_gone(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    kit_drop(&k, 0, 2, PAXOS_MSG_SNAPSHOT);
    kit_connect_all(&k);
    kit_pass(&k, 10000);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* The map is taken over, and the disk does not take it. */
static void failing_disk_under_a_map_is_the_end(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    k.nodes[2].holds_disk = true;
    kit_connect_all(&k);
    kit_run(&k);
    assert_true(k.nodes[2].rewrites > 0);
    k.nodes[2].disk_status = -ENOSPC;
    kit_durable(&k, 2, SIZE_MAX);
    assert_int_equal(kit_view(&k, 2).failed, -ENOSPC);
    kit_run(&k);
    kit_lead(&k, 2, 2);
    assert_int_equal(k.nodes[2].led, -ENOSPC);
    size_t waiting = kit_waiting(&k, 2, KIT_ANY, KIT_ANY);
    kit_pass(&k, 5000); /* it says nothing more */
    assert_int_equal(kit_waiting(&k, 2, KIT_ANY, KIT_ANY), waiting);
    kit_crash(&k, 2); /* its journal is the old one, and whole */
    k.nodes[2].holds_disk = false;
    kit_start(&k, 2);
    kit_connect_all(&k);
    kit_pass(&k, 4000);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* A leader is elected while it catches up. */
static void leader_that_is_far_behind_gets_the_map_first(void **state)
{
    (void)state;
    struct kit k;
    far_behind(&k);
    kit_crash(&k, 0);
    kit_connect_all(&k);
    kit_lead(&k, 2, 2);
    kit_pass(&k, 6000);
    assert_int_equal(k.nodes[2].led, 0);
    kit_assert_same(&k, 1, 2);
    kit_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_was_away_gets_what_it_missed),
        cmocka_unit_test(gap_is_filled),
        cmocka_unit_test(one_that_is_far_behind_gets_the_map),
        cmocka_unit_test(doubled_and_lost_parts_are_no_harm),
        cmocka_unit_test(slow_parts_are_awaited),
        cmocka_unit_test(doubled_first_part_loses_nothing),
        cmocka_unit_test(two_that_are_far_behind_do_not_hinder_each_other),
        cmocka_unit_test(doubled_questions_do_not_multiply),
        cmocka_unit_test(one_that_is_ahead_is_asked_when_the_first_is_gone),
        cmocka_unit_test(failing_disk_under_a_map_is_the_end),
        cmocka_unit_test(leader_that_is_far_behind_gets_the_map_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
