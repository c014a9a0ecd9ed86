/* The writer: promises, what it finds, what it writes, how it ends. */
#include "kit.h"

#include <muster/error.h>

static void elected_with_a_quorum(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_crash(&k, 2);
    kit_lead(&k, 0, 1);
    kit_run(&k);
    assert_int_equal(k.nodes[0].led, 0);
    assert_true(kit_view(&k, 0).leads);
    assert_int_equal(kit_view(&k, 1).promised.epoch, 1);
    kit_release(&k);
}

static void election_without_a_quorum_waits(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_isolate(&k, 0);
    kit_lead(&k, 0, 1);
    kit_pass(&k, 60000);
    assert_int_equal(k.nodes[0].led, KIT_PENDING);
    assert_string_equal(
        kit_explain(&k, 0),
        "nothing can be written: 1 of 3 replicas answer, 2 are needed "
        "(10.0.0.1:5050 has been away for 60 s, 10.0.0.2:5050 has been away for 60 s)");
    kit_connect(&k, 0, 2);
    kit_run(&k);
    assert_int_equal(k.nodes[0].led, 0);
    assert_string_equal(kit_explain(&k, 0), "");
    kit_release(&k);
}

static void lost_promises_are_asked_for_again(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_drop(&k, KIT_ANY, 0, PAXOS_MSG_PROMISED);
    kit_lead(&k, 0, 1);
    kit_pass(&k, 2000);
    assert_int_equal(k.nodes[0].led, KIT_PENDING);
    assert_true(k.dropped >= 4);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    assert_int_equal(k.nodes[0].led, 0);
    kit_release(&k);
}

static void append_is_in_every_map(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    uint64_t x = kit_append(&k, 0, "x", "1");
    uint64_t y = kit_append(&k, 0, "y", "2");
    assert_int_equal(kit_answer(&k, x), KIT_PENDING);
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    assert_int_equal(kit_answer(&k, y), 0);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(kit_get(&k, i, "x"), "1");
        assert_string_equal(kit_get(&k, i, "y"), "2");
        kit_assert_same(&k, 0, i);
    }
    kit_release(&k);
}

static void append_before_leading_is_refused(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    uint64_t x = kit_append(&k, 0, "x", "1");
    assert_int_equal(kit_answer(&k, x), MU_E_FENCED);
    kit_release(&k);
}

static void append_without_a_quorum_waits_and_says_for_whom(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 0);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_pass(&k, 60000);
    assert_int_equal(kit_answer(&k, x), KIT_PENDING);
    assert_string_equal(
        kit_explain(&k, 0),
        "nothing can be written: 1 of 3 replicas answer, 2 are needed "
        "(10.0.0.1:5050 has been away for 60 s, 10.0.0.2:5050 has been away for 60 s)");
    kit_connect(&k, 0, 1);
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    kit_release(&k);
}

static void members_that_were_never_seen_are_named_so(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    for (int i = 0; i < 3; i++) {
        kit_crash(&k, i);
    }
    kit_start(&k, 0);
    kit_lead(&k, 0, 1);
    kit_pass(&k, 600000);
    assert_string_equal(
        kit_explain(&k, 0),
        "nothing can be written: 1 of 3 replicas answer, 2 are needed (10.0.0.1:5050 has "
        "not been seen since this master started, 10 min ago, 10.0.0.2:5050 has not been "
        "seen since this master started, 10 min ago)");
    kit_release(&k);
}

static void health_of_a_leader_and_of_one_behind_it(void **state)
{
    (void)state;
    struct kit k;
    struct paxos_health h;
    kit_init_voting(&k, 3, 2);
    paxos_health(k.nodes[1].p, &h);
    assert_string_equal(h.role, "following");
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    kit_cut(&k, 0, 1);
    kit_cut(&k, 2, 1);
    kit_append(&k, 0, "x", "2");
    kit_pass(&k, 3000);
    uint64_t committed = kit_view(&k, 0).committed;
    paxos_health(k.nodes[0].p, &h);
    assert_string_equal(h.role, "leading");
    assert_int_equal(h.last, committed);
    assert_int_equal(h.behind, 0);
    assert_int_equal(h.count, 3);
    for (size_t i = 0; i < h.count; i++) {
        bool is_away = h.v[i].id == k.nodes[1].id;
        assert_true(h.v[i].is_member && h.v[i].was_seen);
        assert_true(h.v[i].up == !is_away);
        assert_true(h.v[i].is_self == (h.v[i].id == k.nodes[0].id));
        assert_true(!is_away || k.now_ms - h.v[i].since_ms >= 3000);
    }
    kit_cut(&k, 0, 2);
    kit_append(&k, 0, "x", "3"); /* has a place, and is not chosen */
    kit_run(&k);
    paxos_health(k.nodes[0].p, &h);
    assert_int_equal(h.last, committed + 1);
    kit_hold(&k, 1, KIT_ANY, PAXOS_MSG_FETCH);
    kit_connect(&k, 0, 1);
    kit_pass(&k, 2000);
    paxos_health(k.nodes[1].p, &h);
    assert_true(h.behind >= 1);
    assert_string_equal(h.role, "following");
    kit_release(&k);
}

/* They are connected and say nothing. */
static void silent_replicas_are_spoken_of(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    k.nodes[1].holds_disk = k.nodes[2].holds_disk = true;
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    assert_string_equal(kit_explain(&k, 0), ""); /* nothing unusual yet */
    kit_pass(&k, 5000);
    assert_string_equal(kit_explain(&k, 0),
                        "the promises or votes of 2 of 3 replicas are awaited");
    kit_release(&k);
}

static void answers_come_in_order(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_hold(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    uint64_t x = kit_append(&k, 0, "x", "1");
    uint64_t y = kit_append(&k, 0, "y", "1");
    kit_run(&k);
    struct paxos_message m;
    assert_true(kit_take(&k, 0, 1, PAXOS_MSG_WRITE, &m)); /* the first */
    assert_true(kit_deliver(&k, 0, 1, PAXOS_MSG_WRITE));  /* the second */
    kit_run(&k);
    assert_int_equal(kit_answer(&k, y), KIT_PENDING); /* chosen, behind x */
    kit_say(&k, 0, 1, &m);
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    assert_int_equal(kit_answer(&k, y), 0);
    kit_release(&k);
}

static void lost_and_doubled_messages_change_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 0, 2, PAXOS_MSG_WRITE);
    kit_hold(&k, 1, 0, PAXOS_MSG_WROTE);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    kit_drop(&k, 1, 0, PAXOS_MSG_WROTE); /* the answer is lost, too */
    kit_no_rules(&k);
    kit_hold(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    kit_pass(&k, 3000);
    assert_true(kit_waiting(&k, 0, 1, PAXOS_MSG_WRITE) >= 2);
    kit_twice(&k, KIT_ANY, KIT_ANY, KIT_ANY);
    kit_no_rules(&k);
    kit_hold(&k, KIT_ANY, 0, PAXOS_MSG_WROTE);
    kit_run(&k);
    kit_twice(&k, KIT_ANY, KIT_ANY, KIT_ANY);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, x), 0);
    assert_int_equal(kit_view(&k, 0).committed, 2); /* the epoch, and x */
    kit_assert_same(&k, 0, 1);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* Nobody is asked again about a position that was settled, or in another round. */
static void late_answers_of_another_round_are_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_hold(&k, 1, 0, PAXOS_MSG_PROMISED);
    kit_hold(&k, 1, 0, PAXOS_MSG_WROTE);
    kit_lead(&k, 0, 1);
    kit_run(&k);
    assert_int_equal(k.nodes[0].led, 0); /* with 2 */
    kit_resign(&k, 0);
    kit_crash(&k, 2);
    kit_lead(&k, 0, 2);
    struct paxos_message m;
    assert_true(kit_take(&k, 1, 0, PAXOS_MSG_PROMISED, &m));
    kit_say(&k, 1, 0, &m);
    assert_true(kit_deliver(&k, 1, 0, PAXOS_MSG_WROTE));
    assert_int_equal(k.nodes[0].led, KIT_PENDING);
    kit_no_rules(&k);
    kit_pass(&k, 1000);
    assert_int_equal(k.nodes[0].led, 0);
    kit_release(&k);
}

static void second_coordinator_has_what_the_first_acknowledged(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 0, 1, PAXOS_MSG_WRITE); /* 1 has missed it */
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    kit_crash(&k, 0);
    kit_no_rules(&k);
    kit_must_lead(&k, 1, 2);
    assert_string_equal(kit_get(&k, 1, "x"), "1");
    kit_release(&k);
}

static void first_coordinator_is_fenced_by_its_next_write(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 0);
    uint64_t sent = kit_append(&k, 0, "x", "old");
    kit_must_lead(&k, 1, 2);
    kit_connect_all(&k);
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, sent), MU_E_UNKNOWN_OUTCOME);
    assert_int_equal(k.nodes[0].fenced, 1);
    assert_int_equal(kit_answer(&k, kit_append(&k, 0, "y", "1")), MU_E_FENCED);
    kit_pass(&k, 2000);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(kit_get(&k, i, "x"), "-");
    }
    kit_release(&k);
}

static void earlier_epoch_does_not_lead(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 5);
    kit_lead(&k, 1, 4);
    kit_run(&k);
    assert_int_equal(k.nodes[1].led, MU_E_FENCED);
    assert_string_equal(k.nodes[1].led_text, "a later epoch writes the log");
    uint64_t x = kit_append(&k, 0, "x", "1"); /* and has disturbed nobody */
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    kit_release(&k);
}

static void racing_elections_end_with_the_later_epoch(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_hold(&k, KIT_ANY, KIT_ANY, KIT_ANY);
    kit_lead(&k, 0, 1);
    kit_lead(&k, 1, 2);
    kit_run(&k);
    kit_deliver(&k, 0, 2, PAXOS_MSG_PROMISE_ASK); /* 2 promises the earlier one first */
    kit_run(&k);
    kit_deliver(&k, 2, 0, PAXOS_MSG_PROMISED); /* which has its quorum, and writes */
    kit_run(&k);
    kit_deliver(&k, 1, 2, PAXOS_MSG_PROMISE_ASK);
    kit_run(&k);
    kit_deliver(&k, 0, 2, PAXOS_MSG_WRITE); /* too late: it is rejected */
    kit_run(&k);
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    assert_int_equal(k.nodes[0].led, MU_E_FENCED);
    assert_int_equal(k.nodes[1].led, 0);
    assert_int_equal(kit_view(&k, 2).promised.epoch, 2);
    kit_release(&k);
}

/* Two of the same epoch: a fault of the election, and yet one log. */
static void racing_elections_of_one_epoch_end(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_lead(&k, 0, 1);
    kit_lead(&k, 1, 1);
    kit_lead(&k, 2, 1);
    kit_pass(&k, 20000);
    int leaders = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(k.nodes[i].led, KIT_PENDING);
        leaders += kit_view(&k, i).leads;
    }
    assert_int_equal(leaders, 1);
    kit_release(&k);
}

/* 0 has written x to itself alone, y behind it to 1 alone. */
static void holes_are_filled_with_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, KIT_ANY, 0, PAXOS_MSG_WROTE);
    kit_drop(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    uint64_t x = kit_append(&k, 0, "x", "1");
    k.rules.count = 1;
    kit_drop(&k, 0, 2, PAXOS_MSG_WRITE);
    uint64_t y = kit_append(&k, 0, "y", "1");
    kit_run(&k);
    kit_crash(&k, 0);
    kit_no_rules(&k);
    kit_must_lead(&k, 2, 2);
    assert_string_equal(kit_get(&k, 2, "x"), "-");
    assert_string_equal(kit_get(&k, 2, "y"), "1");    /* it was found */
    assert_int_equal(kit_view(&k, 2).committed, 4);   /* epoch, nothing, y, epoch */
    assert_int_equal(kit_answer(&k, x), KIT_PENDING); /* their client died with it */
    assert_int_equal(kit_answer(&k, y), KIT_PENDING);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 2); /* what 0 had there is gone */
    kit_release(&k);
}

static void filling_without_a_quorum_waits(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 1, 0, PAXOS_MSG_WROTE);
    kit_drop(&k, 0, 2, PAXOS_MSG_WRITE);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    kit_crash(&k, 0);
    kit_no_rules(&k);
    kit_drop(&k, 2, 1, PAXOS_MSG_WROTE); /* promises come, votes do not */
    kit_lead(&k, 1, 2);
    kit_pass(&k, 30000);
    assert_int_equal(k.nodes[1].led, KIT_PENDING);
    assert_string_equal(kit_get(&k, 1, "x"), "-");
    assert_string_equal(kit_explain(&k, 1),
                        "the promises or votes of 2 of 3 replicas are "
                        "awaited (10.0.0.0:5050 has been away for 30 s)");
    kit_no_rules(&k);
    kit_pass(&k, 2000);
    assert_int_equal(k.nodes[1].led, 0);
    assert_string_equal(kit_get(&k, 1, "x"), "1");
    kit_release(&k);
}

/* One position, three values, of epochs 1, 2 and 3: the one of the highest ballot among
 * those that answer is written again. */
static void filling_with_inconsistent_values_takes_the_highest_ballot(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    kit_append(&k, 0, "x", "of 1"); /* at 0 alone */
    kit_run(&k);
    kit_isolate(&k, 0);
    kit_no_rules(&k);
    kit_drop(&k, 1, 2, PAXOS_MSG_WRITE);
    kit_lead(&k, 1, 2); /* its epoch's entry stands at 1 alone */
    kit_pass(&k, 500);
    kit_isolate(&k, 1);
    assert_int_equal(k.nodes[1].led, KIT_PENDING);
    kit_no_rules(&k);
    kit_connect(&k, 0, 1);
    kit_must_lead(&k, 0, 3); /* finds both, and chooses that of epoch 2 */
    assert_string_equal(kit_get(&k, 0, "x"), "-");
    assert_string_equal(kit_get(&k, 1, "x"), "-");
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 1);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

static void value_learned_by_one_that_fails_and_recovers_is_kept(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 0, 2, KIT_ANY);
    kit_drop(&k, 0, 1, PAXOS_MSG_COMMITTED);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, x), 0);
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    assert_string_equal(kit_get(&k, 1, "x"), "-"); /* accepted, not learned */
    kit_crash(&k, 0);
    kit_no_rules(&k);
    kit_must_lead(&k, 2, 2);
    assert_string_equal(kit_get(&k, 2, "x"), "1");
    uint64_t y = kit_append(&k, 2, "y", "1");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, y), 0);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* A batch that a fenced coordinator left on a minority is found behind the epoch that
 * fenced it: it changes nothing. */
static void batch_of_a_fenced_epoch_changes_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_drop(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    kit_append(&k, 0, "x", "at 0 alone");
    kit_append(&k, 0, "y", "at 0 alone, behind it");
    kit_run(&k);
    kit_isolate(&k, 0);
    kit_no_rules(&k);
    kit_must_lead(&k, 1, 2); /* its epoch begins in the place of x */
    kit_crash(&k, 2);
    kit_connect(&k, 0, 1);
    kit_resign(&k, 1);
    kit_must_lead(&k, 1, 3); /* y is found, and chosen */
    kit_assert_same(&k, 0, 1);
    assert_string_equal(kit_get(&k, 1, "x"), "-");
    assert_string_equal(kit_get(&k, 1, "y"), "-");
    kit_release(&k);
}

static void resigned_coordinator_answers_all(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 0);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_resign(&k, 0);
    assert_int_equal(kit_answer(&k, x), MU_E_UNKNOWN_OUTCOME);
    kit_lead(&k, 0, 2);
    kit_resign(&k, 0);
    assert_int_equal(k.nodes[0].led, -ECANCELED);
    kit_release(&k);
}

/* What was in doubt is settled by the next election, before anything new is written. */
static void doubt_is_settled_by_the_next_election(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_hold(&k, KIT_ANY, 0, PAXOS_MSG_WROTE);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    kit_resign(&k, 0);
    assert_int_equal(kit_answer(&k, x), MU_E_UNKNOWN_OUTCOME);
    kit_no_rules(&k);
    kit_must_lead(&k, 0, 1); /* the same epoch again */
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    kit_release(&k);
}

/* It waits for a position that only one knows to be chosen, and that one is gone. */
static void fetching_from_one_that_is_gone_ends(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_drop(&k, 1, 0, KIT_ANY);
    kit_drop(&k, 1, 2, PAXOS_MSG_COMMITTED);
    kit_lead(&k, 1, 1);
    kit_run(&k);
    assert_int_equal(k.nodes[1].led, 0);
    kit_no_rules(&k);
    kit_drop(&k, 2, 0, PAXOS_MSG_PROMISED);
    kit_drop(&k, 1, 0, PAXOS_MSG_SNAPSHOT);
    kit_drop(&k, 1, 0, PAXOS_MSG_COMMITTED);
    kit_lead(&k, 0, 2);
    kit_run(&k);
    assert_int_equal(k.nodes[0].p->co.state, PAXOS_FETCHING);
    kit_crash(&k, 1);
    kit_no_rules(&k);
    kit_pass(&k, 6000);
    assert_int_equal(k.nodes[0].led, 0);
    kit_assert_same(&k, 0, 2);
    kit_release(&k);
}

/* The map arrives while the same positions are being settled. */
static void map_that_comes_while_settling_does_not_stop_it(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_drop(&k, 1, 0, PAXOS_MSG_WRITE);
    kit_drop(&k, 1, 2, PAXOS_MSG_COMMITTED);
    kit_hold(&k, 1, 0, PAXOS_MSG_SNAPSHOT);
    kit_lead(&k, 1, 1);
    kit_run(&k);
    assert_true(kit_waiting(&k, 1, 0, PAXOS_MSG_SNAPSHOT) > 0);
    kit_drop(&k, 1, 0, PAXOS_MSG_PROMISED);
    kit_drop(&k, 1, 0, PAXOS_MSG_WROTE);
    kit_hold(&k, 2, 0, PAXOS_MSG_WROTE);
    kit_lead(&k, 0, 2);
    kit_run(&k);
    assert_int_equal(k.nodes[0].p->co.state, PAXOS_SETTLING);
    assert_true(kit_deliver(&k, 1, 0, PAXOS_MSG_SNAPSHOT));
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    assert_int_equal(k.nodes[0].led, 0);
    kit_release(&k);
}

/* The leader's own replica is no member, so that its promise is not in its journal: the
 * second time it leads with an epoch it needs other ballots than the first time. */
static void no_ballot_is_used_twice(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 5, 3);
    kit_must_lead(&k, 1, 1);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_start(&k, 0);
    kit_resign(&k, 1);
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_lead(&k, 0, 2);
    while (k.nodes[0].led == KIT_PENDING) {
        kit_pass(&k, 50);
    }
    assert_int_equal(k.nodes[0].led, 0);
    kit_drop(&k, 0, 2, PAXOS_MSG_WRITE);
    kit_drop(&k, 0, 3, PAXOS_MSG_WRITE);
    kit_drop(&k, 0, 4, PAXOS_MSG_WRITE);
    kit_append(&k, 0, "x", "at 1 alone");
    kit_run(&k);
    kit_resign(&k, 0);
    kit_no_rules(&k);
    kit_drop(&k, 1, 0, PAXOS_MSG_PROMISED);
    kit_lead(&k, 0, 2);
    kit_pass(&k, 3000);
    assert_int_equal(k.nodes[0].led, 0);
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    for (int i = 1; i < 5; i++) {
        kit_assert_same(&k, 0, i);
    }
    kit_release(&k);
}

/* ---- limits, and disks ---- */

static void window_of_the_coordinator_is_kept(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_hold(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    for (size_t i = 0; i < PAXOS_IN_FLIGHT + 10; i++) {
        kit_append(&k, 0, "x", "1");
    }
    assert_int_equal(kit_view(&k, 0).in_flight, PAXOS_IN_FLIGHT);
    assert_int_equal(kit_view(&k, 0).waiting, 10);
    uint64_t last = kit_append(&k, 0, "y", "1");
    kit_no_rules(&k);
    for (int turns = 0; kit_answer(&k, last) != 0; turns++) {
        assert_true(turns < 100000);
        while (kit_deliver(&k, 0, 1, PAXOS_MSG_WRITE)) {
        }
        kit_durable(&k, 1, SIZE_MAX);
        kit_durable(&k, 0, SIZE_MAX);
        while (kit_deliver(&k, 1, 0, PAXOS_MSG_WROTE)) {
        }
    }
    assert_int_equal(kit_view(&k, 0).in_flight, 0);
    kit_release(&k);
}

static void too_much_that_waits_is_refused(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 1, 1);
    kit_must_lead(&k, 0, 1);
    k.nodes[0].holds_disk = true;
    size_t bytes = 0;
    uint64_t first = kit_append_bytes(&k, 0, "x", 1024 * 1024), last = first;
    while (kit_answer(&k, last) == KIT_PENDING) {
        bytes += 1024 * 1024;
        assert_true(bytes < 2 * (PAXOS_IN_FLIGHT_BYTES + PAXOS_WAITING_BYTES));
        last = kit_append_bytes(&k, 0, "x", 1024 * 1024);
    }
    assert_int_equal(kit_answer(&k, last), -ENOBUFS);
    assert_true(bytes >= PAXOS_IN_FLIGHT_BYTES + PAXOS_WAITING_BYTES);
    k.nodes[0].holds_disk = false;
    kit_run(&k);
    for (uint64_t token = first; token < last; token++) {
        assert_int_equal(kit_answer(&k, token), 0);
    }
    kit_release(&k);
}

static void failing_disk_of_the_leader_is_its_end(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    k.nodes[0].holds_disk = true;
    kit_hold(&k, KIT_ANY, 0, PAXOS_MSG_WROTE);
    uint64_t x = kit_append(&k, 0, "x", "1");
    kit_run(&k);
    k.nodes[0].disk_status = -EIO;
    kit_durable(&k, 0, 1);
    assert_int_equal(kit_answer(&k, x), MU_E_UNKNOWN_OUTCOME); /* two others have it */
    assert_int_equal(kit_answer(&k, kit_append(&k, 0, "y", "1")), -EIO);
    kit_lead(&k, 0, 2);
    assert_int_equal(k.nodes[0].led, -EIO);
    assert_int_equal(kit_view(&k, 0).failed, -EIO);
    assert_true(strncmp(kit_explain(&k, 0), "the log cannot be written: ", 27) == 0);
    assert_true(kit_said(&k, 0, "this replica answers no more"));
    assert_true(paxos_deadline_ms(k.nodes[0].p) == UINT64_MAX);
    kit_no_rules(&k);
    kit_must_lead(&k, 1, 3); /* the others go on */
    assert_string_equal(kit_get(&k, 1, "x"), "1");
    kit_release(&k);
}

static void failing_disk_while_asking_for_promises_ends_that(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    k.nodes[0].disk_status = -ENOSPC;
    kit_hold(&k, KIT_ANY, 0, PAXOS_MSG_PROMISED);
    kit_lead(&k, 0, 1);
    kit_run(&k);
    assert_int_equal(k.nodes[0].led, -ENOSPC);
    kit_release(&k);
}

/* Node 0 learns very much between the question and the last promise, and what that one
 * tells stands far behind the position that was asked about. */
static void late_promise_is_heard_whatever_was_learned_meanwhile(void **state)
{
    (void)state;
    static const uint64_t far = 5 * PAXOS_WINDOW;
    static const struct paxos_ballot none, old = {1, 1, 1};
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_drop(&k, 0, KIT_ANY, PAXOS_MSG_PROMISE_ASK);
    kit_lead(&k, 0, 2);
    kit_run(&k);
    struct paxos_value *nothing = paxos_value_create(PAXOS_NOTHING, NULL, 0);
    struct paxos_message values = {
        .type = PAXOS_MSG_VALUES, .position = 1, .committed = far};
    for (uint64_t at = 1; at <= far; at++) {
        paxos_message_add(&values, at, &none, nothing);
    }
    kit_say(&k, 1, 0, &values);
    kit_run(&k);
    assert_int_equal(kit_view(&k, 0).committed, far);

    struct paxos_message promised = {.type = PAXOS_MSG_PROMISED,
                                     .ballot = k.nodes[0].p->co.ballot,
                                     .position = 1,
                                     .committed = far};
    paxos_message_add(&promised, far + 2, &old, nothing);
    kit_hold(&k, 0, KIT_ANY, PAXOS_MSG_WRITE);
    kit_say(&k, 1, 0, &promised);
    assert_int_equal(kit_waiting(&k, 0, 1, PAXOS_MSG_WRITE), 2);
    struct paxos_message m;
    for (uint64_t at = far + 1; at <= far + 2; at++) {
        assert_true(kit_take(&k, 0, 1, PAXOS_MSG_WRITE, &m));
        assert_int_equal(m.records[0].position, at);
        assert_int_equal(m.records[0].value->kind, PAXOS_NOTHING);
        paxos_message_release(&m);
    }
    paxos_value_unref(nothing);
    kit_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elected_with_a_quorum),
        cmocka_unit_test(election_without_a_quorum_waits),
        cmocka_unit_test(lost_promises_are_asked_for_again),
        cmocka_unit_test(append_is_in_every_map),
        cmocka_unit_test(append_before_leading_is_refused),
        cmocka_unit_test(append_without_a_quorum_waits_and_says_for_whom),
        cmocka_unit_test(members_that_were_never_seen_are_named_so),
        cmocka_unit_test(health_of_a_leader_and_of_one_behind_it),
        cmocka_unit_test(silent_replicas_are_spoken_of),
        cmocka_unit_test(answers_come_in_order),
        cmocka_unit_test(lost_and_doubled_messages_change_nothing),
        cmocka_unit_test(late_answers_of_another_round_are_nothing),
        cmocka_unit_test(late_promise_is_heard_whatever_was_learned_meanwhile),
        cmocka_unit_test(second_coordinator_has_what_the_first_acknowledged),
        cmocka_unit_test(first_coordinator_is_fenced_by_its_next_write),
        cmocka_unit_test(earlier_epoch_does_not_lead),
        cmocka_unit_test(racing_elections_end_with_the_later_epoch),
        cmocka_unit_test(racing_elections_of_one_epoch_end),
        cmocka_unit_test(holes_are_filled_with_nothing),
        cmocka_unit_test(filling_without_a_quorum_waits),
        cmocka_unit_test(filling_with_inconsistent_values_takes_the_highest_ballot),
        cmocka_unit_test(value_learned_by_one_that_fails_and_recovers_is_kept),
        cmocka_unit_test(batch_of_a_fenced_epoch_changes_nothing),
        cmocka_unit_test(resigned_coordinator_answers_all),
        cmocka_unit_test(doubt_is_settled_by_the_next_election),
        cmocka_unit_test(fetching_from_one_that_is_gone_ends),
        cmocka_unit_test(map_that_comes_while_settling_does_not_stop_it),
        cmocka_unit_test(no_ballot_is_used_twice),
        cmocka_unit_test(window_of_the_coordinator_is_kept),
        cmocka_unit_test(too_much_that_waits_is_refused),
        cmocka_unit_test(failing_disk_of_the_leader_is_its_end),
        cmocka_unit_test(failing_disk_while_asking_for_promises_ends_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
