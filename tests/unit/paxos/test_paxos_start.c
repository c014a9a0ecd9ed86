/* How a log begins, and how a replica comes to vote. */
#include "kit.h"

#include <muster/error.h>

/* Three that are STARTING with the same set, and know it of each other; 0 votes already,
 * and has told nobody. */
static void first_one_votes(struct kit *k)
{
    kit_init(k, 3, 2);
    kit_connect_all(k);
    while (kit_status(k, 0) != PAXOS_STARTING || kit_status(k, 1) != PAXOS_STARTING ||
           kit_status(k, 2) != PAXOS_STARTING) {
        kit_pass(k, 50);
    }
    kit_drop(k, 0, KIT_ANY, PAXOS_MSG_STATUS);
    kit_pass(k, 1000);
    assert_int_equal(kit_status(k, 0), PAXOS_VOTING);
    assert_int_equal(kit_status(k, 1), PAXOS_STARTING);
    assert_int_equal(kit_status(k, 2), PAXOS_STARTING);
}

static void three_empty_replicas_begin_a_log(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kit_view(&k, i).members->count, 3);
        assert_string_equal(kit_explain(&k, i), "");
    }
    kit_release(&k);
}

static void one_replica_needs_nobody(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 1, 1);
    kit_must_lead(&k, 0, 1);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    kit_crash(&k, 0);
    kit_start(&k, 0);
    kit_must_lead(&k, 0, 2);
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    kit_release(&k);
}

static void log_begins_when_the_late_third_is_there(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 2, 2);
    kit_connect_all(&k);
    kit_lead(&k, 0, 1);
    kit_pass(&k, 60000);
    assert_int_equal(kit_status(&k, 0), PAXOS_EMPTY);
    assert_int_equal(k.nodes[0].led, KIT_PENDING);
    assert_string_equal(kit_explain(&k, 0),
                        "2 of 3 masters are there: a new log begins when all 3 that "
                        "--quorum=2 expects have been there at once");
    kit_start(&k, 2);
    kit_connect_all(&k);
    kit_pass(&k, 4000);
    for (int i = 0; i < 3; i++) {
        assert_true(kit_votes(&k, i));
    }
    assert_int_equal(k.nodes[0].led, 0);
    kit_release(&k);
}

/* Each answer of the recovery may be lost: it is asked again. */
static void lost_answers_are_asked_for_again(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 3, 2);
    kit_drop(&k, 1, KIT_ANY, PAXOS_MSG_STATUS);
    kit_drop(&k, 2, 0, PAXOS_MSG_STATUS_ASK);
    kit_connect_all(&k);
    kit_pass(&k, 30000);
    assert_int_equal(kit_status(&k, 0), PAXOS_EMPTY);
    assert_true(k.dropped > 20);
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    for (int i = 0; i < 3; i++) {
        assert_true(kit_votes(&k, i));
    }
    kit_release(&k);
}

static void too_many_masters_begin_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 4, 2);
    kit_connect_all(&k);
    kit_pass(&k, 30000);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kit_status(&k, i), PAXOS_EMPTY);
    }
    assert_string_equal(kit_explain(&k, 0), "4 masters are there, --quorum=2 is for 3: "
                                            "stop one, or give all of them a larger "
                                            "quorum");
    kit_crash(&k, 3);
    kit_pass(&k, 12000);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    kit_release(&k);
}

static void another_quorum_on_one_of_them_begins_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 2, 2);
    k.nodes[2].quorum = 3;
    kit_start(&k, 2);
    kit_connect_all(&k);
    kit_pass(&k, 30000);
    assert_int_equal(kit_status(&k, 0), PAXOS_EMPTY);
    assert_int_equal(kit_status(&k, 2), PAXOS_EMPTY);
    assert_string_equal(kit_explain(&k, 0),
                        "10.0.0.2:5050 has --quorum=3, this master --quorum=2: give all "
                        "masters the same; 3 of 3 masters are there: a new log begins "
                        "when all 3 that --quorum=2 expects have been there at once");
    assert_string_equal(kit_explain(&k, 2),
                        "10.0.0.0:5050 has --quorum=2, this master --quorum=3: give all "
                        "masters the same; 10.0.0.1:5050 has --quorum=2, this master "
                        "--quorum=3: give all masters the same; 3 of 5 masters are "
                        "there: a new log begins when all 5 that --quorum=3 expects have "
                        "been there at once");
    kit_release(&k);
}

static void another_quorum_does_not_lead_an_old_log(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_crash(&k, 0);
    k.nodes[0].quorum = 3;
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_lead(&k, 0, 1);
    assert_int_equal(k.nodes[0].led, MU_E_INVALID);
    assert_string_equal(
        k.nodes[0].led_text,
        "the log was made for --quorum=2 (3 masters), and this master has "
        "--quorum=3: give all masters the same");
    kit_release(&k);
}

/* Both steps are on the disk before anybody hears of them. */
static void status_is_told_when_it_is_durable(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_message m;
    kit_init(&k, 3, 2);
    kit_run(&k); /* its id is on the disk */
    k.nodes[0].holds_disk = true;
    kit_connect_all(&k);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 0), PAXOS_STARTING); /* not written yet */
    assert_int_equal(kit_status(&k, 1), PAXOS_STARTING);
    struct paxos_message ask = {.type = PAXOS_MSG_STATUS_ASK, .quorum = 2};
    kit_hold(&k, 0, 1, PAXOS_MSG_STATUS);
    kit_say(&k, 1, 0, &ask);
    assert_true(kit_take(&k, 0, 1, PAXOS_MSG_STATUS, &m));
    assert_int_equal(m.status, PAXOS_EMPTY);
    paxos_message_release(&m);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 1), PAXOS_STARTING);
    k.nodes[0].holds_disk = false;
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    kit_release(&k);
}

static void one_dies_between_the_two_steps(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_crash(&k, 0);
    kit_pass(&k, 30000);
    assert_int_equal(kit_status(&k, 1), PAXOS_STARTING);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 4000);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    kit_release(&k);
}

/* 0 may have voted, and been counted: nobody may begin with another set. */
static void disk_lost_between_the_two_steps_is_told(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 30000);
    for (int i = 0; i < 3; i++) {
        assert_true(kit_status(&k, i) != PAXOS_VOTING);
    }
    assert_string_equal(kit_explain(&k, 1),
                        "a new log has been begun with 10.0.0.0:5050, which has lost its "
                        "directory since: empty the directory replicated_log of all "
                        "masters");
    assert_string_equal(kit_explain(&k, 0),
                        "10.0.0.1:5050 has begun a new log with others than this master: "
                        "empty the directory replicated_log of all masters, and start 3 "
                        "of them");
    kit_release(&k);
}

/* Who has said its id keeps it: others may have written it down. */
static void id_is_told_when_it_is_durable(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 3, 2);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    k.nodes[0].holds_disk = true;
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kit_status(&k, i), PAXOS_EMPTY);
    }
    kit_durable(&k, 0, 1);
    uint64_t id = k.nodes[0].id;
    kit_pass(&k, 1000);
    assert_int_equal(kit_status(&k, 1), PAXOS_STARTING);
    kit_crash(&k, 0);
    k.nodes[0].holds_disk = false;
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    assert_true(k.nodes[0].id == id);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    kit_release(&k);
}

/* A fourth one is in the list, and cannot be reached: it may begin a log with others. */
static void a_master_that_is_only_known_of_counts(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 3, 2);
    kit_known(&k, 0, 4);
    kit_connect_all(&k);
    kit_pass(&k, 10000);
    for (int i = 0; i < 3; i++) {
        assert_true(kit_status(&k, i) != PAXOS_VOTING);
    }
    assert_string_equal(kit_explain(&k, 0), "4 masters are listed (--log_peers, --zk), "
                                            "--quorum=2 is for 3: stop one, or give all "
                                            "of them a larger quorum");
    kit_known(&k, 0, 3);
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    kit_release(&k);
}

/* Two times three masters that did not see each other have begun a log each. */
static void two_logs(struct kit *k)
{
    kit_init(k, 6, 2);
    for (int first = 0; first < 6; first += 3) {
        kit_connect(k, first, first + 1);
        kit_connect(k, first, first + 2);
        kit_connect(k, first + 1, first + 2);
    }
    kit_pass(k, 3000);
    for (int i = 0; i < 6; i++) {
        assert_true(kit_votes(k, i));
    }
}

static void two_logs_do_not_mix(void **state)
{
    (void)state;
    struct kit k;
    two_logs(&k);
    kit_connect_all(&k);
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_pass(&k, 5000);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(kit_view(&k, i).committed, i < 3 ? 2 : 0);
    }
    assert_true(kit_said(&k, 3, "10.0.0.0:5050 has another log than this master"));
    kit_crash(&k, 5);
    kit_wipe(&k, 5);
    kit_start(&k, 5);
    kit_connect_all(&k);
    kit_pass(&k, 5000); /* it must not choose */
    assert_int_equal(kit_status(&k, 5), PAXOS_EMPTY);
    assert_int_equal(kit_view(&k, 5).committed, 0);
    assert_string_equal(kit_explain(&k, 5),
                        "10.0.0.0:5050 and 10.0.0.3:5050 have different logs: take the "
                        "one whose log is not needed out of the list of masters, or "
                        "empty its directory replicated_log");
    for (int i = 0; i < 3; i++) {
        kit_cut(&k, 5, i);
    }
    kit_pass(&k, 3000); /* at its old address, in its own log */
    assert_int_equal(kit_status(&k, 5), PAXOS_RECOVERING);
    kit_connect_all(&k); /* what 0 has told before is no goal of its own log */
    kit_pass(&k, 20000);
    assert_int_equal(kit_status(&k, 5), PAXOS_RECOVERING);
    assert_string_equal(kit_explain(&k, 5), "it has read the log and waits for the "
                                            "leading master to take it in");
    kit_release(&k);
}

/* 1 and 2 know that 0 has begun the log, and have nothing of it when 0 loses its disk. */
static void log_that_was_lost_at_its_beginning_is_told(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_drop(&k, KIT_ANY, 0, PAXOS_MSG_FETCH);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 1), PAXOS_RECOVERING);
    assert_int_equal(kit_status(&k, 2), PAXOS_RECOVERING);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_no_rules(&k);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 20000);
    for (int i = 0; i < 3; i++) {
        assert_true(kit_status(&k, i) != PAXOS_VOTING);
    }
    assert_string_equal(kit_explain(&k, 1),
                        "this master knows that a log has begun, and nobody who is there "
                        "votes in it: start the master that does, or, if its directory "
                        "was lost, empty the directory replicated_log of all masters");
    assert_string_equal(kit_explain(&k, 0),
                        "10.0.0.1:5050 knows that a log has begun, and nobody who is "
                        "there votes in it: start the master that does, or, if its "
                        "directory was lost, empty the directory replicated_log of all "
                        "masters");
    kit_release(&k);
}

/* 0 votes and counts on 1 and 2. A fourth master must not become the third of another
 * log while 0 is away: both would have a quorum. */
static void fourth_master_does_not_take_a_place_in_a_log_that_begins(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_isolate(&k, 0);
    kit_start(&k, 3);
    kit_connect(&k, 3, 1);
    kit_connect(&k, 3, 2);
    kit_pass(&k, 30000);
    assert_int_equal(kit_status(&k, 1), PAXOS_STARTING);
    assert_int_equal(kit_status(&k, 2), PAXOS_STARTING);
    assert_true(kit_status(&k, 3) != PAXOS_VOTING);
    assert_string_equal(kit_explain(&k, 1),
                        "a new log has been begun with 10.0.0.0:5050, which is away: "
                        "start it, or empty the directory replicated_log of all masters");
    kit_connect_all(&k);
    kit_pass(&k, 15000);
    assert_true(kit_votes(&k, 0) && kit_votes(&k, 1) && kit_votes(&k, 2));
    assert_int_equal(kit_status(&k, 3), PAXOS_RECOVERING);
    kit_release(&k);
}

/* 1 learns that it is a member of a log that has begun, and its disk is late. */
static void late_disk_takes_no_vote_away(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_isolate(&k, 2);
    k.nodes[1].holds_disk = true;
    kit_pass(&k, 1000);
    assert_int_equal(kit_status(&k, 1), PAXOS_RECOVERING);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 1), PAXOS_RECOVERING); /* not written yet */
    k.nodes[1].holds_disk = false;
    kit_pass(&k, 2000);
    assert_true(kit_votes(&k, 1));
    kit_must_lead(&k, 0, 1); /* with 1 alone */
    kit_release(&k);
}

static void replica_that_was_not_there_at_the_beginning_recovers(void **state)
{
    (void)state;
    struct kit k;
    first_one_votes(&k);
    kit_no_rules(&k);
    kit_isolate(&k, 2);
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 1)); /* it learned from 0 that all have agreed */
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 2));
    assert_string_equal(kit_get(&k, 2, "x"), "1");
    kit_release(&k);
}

/* An old answer says nothing about now. */
static void old_answers_do_not_count(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 2, 2);
    kit_connect_all(&k);
    kit_pass(&k, 1000);
    kit_drop(&k, 1, 0, PAXOS_MSG_STATUS);
    kit_pass(&k, 11000);
    kit_start(&k, 2);
    kit_connect_all(&k);
    kit_pass(&k, 5000);
    assert_int_equal(kit_status(&k, 0), PAXOS_EMPTY);
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 0));
    kit_release(&k);
}

/* 5 has lost its disk, and begins to learn the log of 3 and 4 when 0, 1 and 2 with
 * another one come: it stops, though it has asked already. */
static void two_logs_are_noticed_before_the_map_has_come(void **state)
{
    (void)state;
    struct kit k;
    two_logs(&k);
    kit_crash(&k, 5);
    kit_wipe(&k, 5);
    kit_start(&k, 5);
    kit_drop(&k, 5, KIT_ANY, PAXOS_MSG_FETCH);
    kit_connect(&k, 5, 3);
    kit_connect(&k, 5, 4);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 5), PAXOS_RECOVERING);
    kit_connect_all(&k);
    kit_pass(&k, 2000);
    kit_no_rules(&k);
    kit_pass(&k, 20000);
    assert_int_equal(kit_view(&k, 5).members->count, 0); /* it must not choose */
    assert_non_null(strstr(kit_explain(&k, 5), "have different logs"));
    for (int i = 0; i < 3; i++) {
        kit_cut(&k, 5, i);
    }
    kit_pass(&k, 3000);
    assert_true(kit_view(&k, 5).members->log == kit_view(&k, 3).members->log);
    kit_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_empty_replicas_begin_a_log),
        cmocka_unit_test(one_replica_needs_nobody),
        cmocka_unit_test(log_begins_when_the_late_third_is_there),
        cmocka_unit_test(lost_answers_are_asked_for_again),
        cmocka_unit_test(too_many_masters_begin_nothing),
        cmocka_unit_test(another_quorum_on_one_of_them_begins_nothing),
        cmocka_unit_test(another_quorum_does_not_lead_an_old_log),
        cmocka_unit_test(status_is_told_when_it_is_durable),
        cmocka_unit_test(one_dies_between_the_two_steps),
        cmocka_unit_test(disk_lost_between_the_two_steps_is_told),
        cmocka_unit_test(id_is_told_when_it_is_durable),
        cmocka_unit_test(a_master_that_is_only_known_of_counts),
        cmocka_unit_test(two_logs_do_not_mix),
        cmocka_unit_test(log_that_was_lost_at_its_beginning_is_told),
        cmocka_unit_test(fourth_master_does_not_take_a_place_in_a_log_that_begins),
        cmocka_unit_test(late_disk_takes_no_vote_away),
        cmocka_unit_test(replica_that_was_not_there_at_the_beginning_recovers),
        cmocka_unit_test(old_answers_do_not_count),
        cmocka_unit_test(two_logs_are_noticed_before_the_map_has_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
