/* Who votes: replicas that are replaced, come back, or want to come in. */
#include "kit.h"

#include <muster/error.h>

#include "base/check.h"

/* 0 leads three, 2 has been cut off for long, and 3 is a new replica that asks 0 to take
 * it in: its JOIN waits. */
static void about_to_join(struct kit *k)
{
    kit_init_voting(k, 3, 2);
    kit_must_lead(k, 0, 1);
    uint64_t before = kit_append(k, 0, "before", "1");
    kit_run(k);
    assert_int_equal(kit_answer(k, before), 0);
    kit_isolate(k, 2);
    kit_pass(k, 11000);
    kit_start(k, 3);
    kit_hold(k, 3, 0, PAXOS_MSG_JOIN);
    kit_connect(k, 3, 0);
    kit_connect(k, 3, 1);
    kit_pass(k, 3000);
    assert_true(kit_waiting(k, 3, 0, PAXOS_MSG_JOIN) > 0);
    kit_no_rules(k);
}

static void other_machine_takes_the_place_of_one_that_is_away(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_pass(&k, 3000);
    assert_true(kit_votes(&k, 3));
    assert_true(kit_is_member(&k, 0, 3) && !kit_is_member(&k, 0, 2));
    kit_crash(&k, 1); /* the new one counts */
    uint64_t after = kit_append(&k, 0, "after", "1");
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, after), 0);
    kit_assert_same(&k, 0, 3);
    kit_release(&k);
}

static void other_machine_waits_ten_seconds(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_start(&k, 3);
    kit_connect(&k, 3, 0);
    kit_connect(&k, 3, 1);
    kit_isolate(&k, 2);
    kit_pass(&k, 9000);
    assert_true(kit_is_member(&k, 0, 2));
    assert_int_equal(kit_status(&k, 3), PAXOS_RECOVERING);
    assert_true(kit_said(&k, 0,
                         "a replica at 10.0.0.3:5050 wants to be a member, and "
                         "there are 3 already"));
    assert_string_equal(kit_explain(&k, 3), "it has read the log and waits for the "
                                            "leading master to take it in");
    kit_pass(&k, 4000);
    assert_false(kit_is_member(&k, 0, 2));
    assert_true(kit_votes(&k, 3));
    kit_release(&k);
}

/* The leader has just started: whom it has not met yet may be a second late. */
static void one_that_was_never_met_is_not_away_at_once(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_start(&k, 3);
    kit_connect(&k, 3, 1);
    kit_connect(&k, 3, 2);
    kit_pass(&k, 2000);
    kit_crash(&k, 0);
    kit_start(&k, 0);
    kit_connect(&k, 0, 1);
    kit_connect(&k, 0, 3);
    kit_lead(&k, 0, 2);
    kit_pass(&k, 8000);
    assert_int_equal(k.nodes[0].led, 0);
    assert_true(kit_is_member(&k, 0, 2));
    kit_pass(&k, 5000);
    assert_false(kit_is_member(&k, 0, 2));
    assert_true(kit_is_member(&k, 0, 3));
    kit_release(&k);
}

static void two_that_are_away_are_not_guessed_about(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 5, 3);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 3);
    kit_isolate(&k, 4);
    kit_start(&k, 5);
    for (int i = 0; i < 3; i++) {
        kit_connect(&k, 5, i);
    }
    kit_pass(&k, 20000);
    assert_int_equal(kit_status(&k, 5), PAXOS_RECOVERING);
    assert_true(kit_said(&k, 0, "wants to be a member"));
    kit_connect_all(&k);
    kit_cut(&k, 4, 0);
    kit_pass(&k, 12000);
    assert_true(kit_votes(&k, 5));
    assert_true(kit_is_member(&k, 0, 3) && !kit_is_member(&k, 0, 4));
    kit_release(&k);
}

static void wiped_disk_comes_back_as_another_replica_at_the_same_address(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    uint64_t old = k.nodes[2].id;
    kit_crash(&k, 2);
    kit_wipe(&k, 2);
    kit_start(&k, 2);
    assert_true(k.nodes[2].id != old);
    kit_connect_all(&k);
    kit_pass(&k, 4000); /* no need to wait for ten seconds */
    assert_true(kit_votes(&k, 2));
    assert_int_equal(paxos_members_find(kit_view(&k, 0).members, old), -1);
    assert_string_equal(kit_get(&k, 2, "x"), "1");
    kit_crash(&k, 2);
    kit_start(&k, 2);
    assert_true(kit_votes(&k, 2));
    assert_string_equal(kit_get(&k, 2, "x"), "1");
    kit_release(&k);
}

static void two_disks_of_three_are_lost_and_the_third_stays_alone(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_append(&k, 0, "x", "1");
    kit_run(&k);
    for (int i = 1; i < 3; i++) {
        kit_crash(&k, i);
        kit_wipe(&k, i);
    }
    kit_start(&k, 1);
    kit_start(&k, 2);
    kit_connect_all(&k);
    kit_pass(&k, 60000);
    assert_int_equal(kit_status(&k, 1), PAXOS_EMPTY);
    assert_int_equal(kit_status(&k, 2), PAXOS_EMPTY);
    assert_string_equal(
        kit_explain(&k, 1),
        "1 of 3 replicas have the log, and 2 are needed to go on: start the others with "
        "their own directories replicated_log (a copy of another master's is not "
        "theirs)");
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    kit_release(&k);
}

/* A master with an empty disk is elected. */
static void leader_with_an_empty_disk_takes_itself_in(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 1, 1);
    kit_append(&k, 1, "x", "1");
    kit_run(&k);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_start(&k, 0);
    kit_resign(&k, 1);
    kit_connect_all(&k);
    kit_lead(&k, 0, 2);
    kit_pass(&k, 6000);
    assert_int_equal(k.nodes[0].led, 0);
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    assert_true(kit_votes(&k, 0));
    uint64_t y = kit_append(&k, 0, "y", "1");
    kit_crash(&k, 2);
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, y), 0); /* with its own vote */
    kit_release(&k);
}

/* It has promised nothing itself that would tell it of its own ballot. */
static void leader_that_is_no_member_uses_no_ballot_twice(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_start(&k, 0);
    kit_connect_all(&k);
    kit_hold(&k, 0, KIT_ANY, PAXOS_MSG_JOIN);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 0), PAXOS_RECOVERING);
    struct paxos_ballot last = {0};
    for (int i = 0; i < 20; i++) {
        kit_lead(&k, 0, 5); /* the store is recovered again, say */
        struct paxos_ballot ballot = k.nodes[0].p->co.ballot;
        assert_true(paxos_ballot_cmp(&ballot, &last) > 0);
        last = ballot;
        kit_resign(&k, 0);
    }
    kit_release(&k);
}

static void replaced_replica_that_comes_back_votes_no_more(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_pass(&k, 3000);
    assert_false(kit_is_member(&k, 0, 2));
    kit_append(&k, 0, "x", "1");
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    assert_int_equal(kit_status(&k, 2), PAXOS_RECOVERING);
    assert_true(kit_said(&k, 2, "this replica was replaced by another one"));
    kit_assert_same(&k, 0, 2); /* it reads along */
    kit_isolate(&k, 1);
    kit_pass(&k, 12000); /* and takes the next free place */
    assert_true(kit_votes(&k, 2));
    assert_true(kit_is_member(&k, 0, 2) && !kit_is_member(&k, 0, 1));
    kit_release(&k);
}

/* The replaced one does not know it, and is elected. What it finds at another one is the
 * entry that replaces it; what stands behind that it must ask the new members about. */
static void replaced_replica_that_is_elected_asks_the_new_members(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_drop(&k, 0, 1, PAXOS_MSG_COMMITTED);
    kit_run(&k);
    assert_true(kit_is_member(&k, 0, 3));
    assert_true(kit_votes(&k, 3));
    assert_false(kit_is_member(&k, 1, 3)); /* it has accepted it, and knows no more */
    kit_drop(&k, 0, 1, KIT_ANY);
    uint64_t y = kit_append(&k, 0, "y", "acknowledged");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, y), 0); /* by 0 and 3 */
    kit_isolate(&k, 0);
    kit_no_rules(&k);
    kit_connect(&k, 2, 1);
    kit_connect(&k, 2, 3);
    kit_connect(&k, 1, 3);
    kit_lead(&k, 2, 2);
    kit_pass(&k, 5000);
    assert_int_equal(k.nodes[2].led, 0);
    assert_string_equal(kit_get(&k, 2, "y"), "acknowledged");
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 2);
    kit_assert_same(&k, 1, 3);
    kit_release(&k);
}

/* Of five: 4 is replaced by 5, which 3 does not hear of; 3 hears only of the last of two
 * values behind it. 4 must not put anything in the gap under the old members. */
static void nothing_is_settled_behind_a_members_entry(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 5, 3);
    kit_must_lead(&k, 0, 1);
    kit_isolate(&k, 4);
    kit_pass(&k, 11000);
    kit_start(&k, 5);
    for (int i = 0; i < 4; i++) {
        kit_connect(&k, 5, i);
    }
    kit_hold(&k, 5, 0, PAXOS_MSG_JOIN);
    kit_pass(&k, 3000);
    kit_no_rules(&k);
    kit_drop(&k, 0, 3, KIT_ANY);
    kit_drop(&k, 0, 1, PAXOS_MSG_COMMITTED);
    kit_run(&k);
    assert_true(kit_votes(&k, 5) && kit_is_member(&k, 0, 5));
    kit_drop(&k, 0, 1, KIT_ANY);
    kit_drop(&k, 0, 5, PAXOS_MSG_COMMITTED);
    uint64_t y = kit_append(&k, 0, "y", "acknowledged");
    kit_run(&k);
    assert_int_equal(kit_answer(&k, y), 0); /* by 0, 2 and 5, which does not know it */
    kit_no_rules(&k);
    kit_drop(&k, 3, KIT_ANY, PAXOS_MSG_FETCH);
    kit_drop(&k, 0, 1, KIT_ANY);
    kit_drop(&k, 0, 5, KIT_ANY);
    kit_append(&k, 0, "z", "1");
    kit_run(&k);
    kit_isolate(&k, 0);
    kit_isolate(&k, 2);
    kit_no_rules(&k);
    kit_connect(&k, 4, 1);
    kit_connect(&k, 4, 3);
    kit_hold(&k, 5, KIT_ANY, KIT_ANY);
    kit_lead(&k, 4, 2);
    kit_pass(&k, 1000);
    kit_no_rules(&k);
    kit_connect(&k, 4, 5);
    kit_pass(&k, 5000);
    assert_int_equal(k.nodes[4].led, 0);
    assert_string_equal(kit_get(&k, 4, "y"), "acknowledged");
    kit_connect_all(&k);
    kit_pass(&k, 3000);
    kit_assert_same(&k, 0, 4);
    kit_release(&k);
}

/* The new members have promised nothing: that those of them who were members before have
 * accepted the entry stands for it. So the one that goes does not count. */
static void replaced_replica_has_no_vote_on_that(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_drop(&k, 0, 1, PAXOS_MSG_WRITE);
    kit_run(&k);
    kit_connect(&k, 2, 0); /* in the last moment */
    kit_pass(&k, 3000);
    assert_false(kit_is_member(&k, 0, 3));
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    assert_true(kit_is_member(&k, 0, 3) && !kit_is_member(&k, 0, 2));
    kit_release(&k);
}

/* ... and when the one that stays is dead, and the one that goes is back, the next leader
 * settles with the latter. This one must not wait for ever. */
static void leader_gives_up_when_one_that_stays_is_dead(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_drop(&k, 0, 1, PAXOS_MSG_WRITE);
    kit_run(&k);
    kit_no_rules(&k);
    kit_crash(&k, 1);
    uint64_t behind = kit_append(&k, 0, "behind", "1");
    kit_connect(&k, 2, 0);
    kit_pass(&k, 4000);
    assert_int_equal(kit_answer(&k, behind), KIT_PENDING);
    kit_pass(&k, 3000);
    assert_int_equal(kit_answer(&k, behind), MU_E_FENCED); /* it was not sent */
    assert_int_equal(k.nodes[0].fenced, 1);
    kit_must_lead(&k, 0, 2);
    assert_true(kit_is_member(&k, 0, 3));
    uint64_t after = kit_append(&k, 0, "after", "1");
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, after), 0);
    assert_string_equal(kit_get(&k, 0, "behind"), "-");
    kit_release(&k);
}

/* 1 knows that 3 counts, 3 does not yet, and 0, which wrote it, is gone for good. */
static void new_member_hears_of_it_from_any_other(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_drop(&k, 0, 3, KIT_ANY);
    kit_run(&k);
    assert_true(kit_is_member(&k, 1, 3));
    assert_int_equal(kit_status(&k, 3), PAXOS_RECOVERING);
    kit_crash(&k, 0);
    kit_no_rules(&k);
    kit_lead(&k, 1, 2);
    kit_pass(&k, 5000);
    assert_int_equal(k.nodes[1].led, 0);
    assert_true(kit_votes(&k, 3));
    kit_assert_same(&k, 1, 3);
    kit_release(&k);
}

/* 2 was replaced, and has settled that itself. 1 counts on it still; 3, which counts now,
 * knows nothing yet. */
static void replaced_replica_tells_what_it_knows(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_drop(&k, 0, 3, KIT_ANY);
    kit_drop(&k, 0, 1, PAXOS_MSG_COMMITTED);
    kit_run(&k);
    kit_crash(&k, 0);
    kit_cut(&k, 1, 3);
    kit_connect(&k, 1, 2);
    kit_no_rules(&k);
    kit_drop(&k, 2, 1, PAXOS_MSG_COMMITTED);
    kit_lead(&k, 2, 2);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 2), PAXOS_RECOVERING);
    assert_true(kit_is_member(&k, 2, 3) && !kit_is_member(&k, 1, 3));
    kit_resign(&k, 2);
    kit_no_rules(&k);
    kit_connect(&k, 1, 3);
    kit_lead(&k, 1, 3);
    kit_pass(&k, 5000);
    assert_int_equal(k.nodes[1].led, 0);
    assert_true(kit_votes(&k, 3));
    kit_release(&k);
}

static void nothing_is_written_behind_new_members_before_they_are_chosen(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_hold(&k, 1, 0, PAXOS_MSG_WROTE);
    kit_run(&k);
    uint64_t y = kit_append(&k, 0, "y", "1");
    kit_run(&k);
    assert_int_equal(kit_view(&k, 0).in_flight, 1);
    assert_int_equal(kit_view(&k, 0).waiting, 1);
    kit_no_rules(&k);
    kit_run(&k);
    assert_int_equal(kit_answer(&k, y), 0);
    assert_true(kit_is_member(&k, 0, 3));
    kit_release(&k);
}

/* It starts on its journal without what was written since the entry that takes 3 in was
 * accepted: it does not know that it was chosen. */
static void forget_committed(struct kit *k, int i)
{
    struct kit_node *n = &k->nodes[i];
    kit_crash(k, i);
    struct paxos_entry e = {0};
    struct mu_error err;
    do { /* the last entry that stays is the accepted one */
        assert_true(n->journal.count > 1);
        struct mu_buf *last = &n->journal.v[n->journal.count - 1];
        assert_int_equal(paxos_entry_decode(mu_buf_str(last), last->len, &e, &err), 0);
        bool is_it = e.kind == PAXOS_ENTRY_ACCEPT && e.value->kind == PAXOS_MEMBERS;
        paxos_value_unref(e.value);
        if (is_it) {
            break;
        }
        mu_buf_release(last);
        n->journal.count--;
    } while (true);
    kit_start(k, i);
}

/* A replica must not be talked out of its place by one that says it has its address. */
static void leader_does_not_replace_itself(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    memcpy(k.nodes[3].address, k.nodes[0].address, sizeof(k.nodes[3].address));
    kit_start(&k, 3);
    for (int i = 0; i < 3; i++) {
        kit_connect(&k, 3, i);
    }
    kit_pass(&k, 15000);
    assert_true(kit_is_member(&k, 0, 0));
    assert_true(kit_votes(&k, 0));
    assert_int_equal(kit_status(&k, 3), PAXOS_RECOVERING);
    kit_release(&k);
}

static void who_answers_is_not_replaced_by_one_at_its_address(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    memcpy(k.nodes[3].address, k.nodes[2].address, sizeof(k.nodes[3].address));
    kit_start(&k, 3);
    kit_connect(&k, 3, 0);
    kit_connect(&k, 3, 1);
    kit_pass(&k, 15000);
    assert_true(kit_is_member(&k, 0, 2) && !kit_is_member(&k, 0, 3));
    assert_true(kit_said(&k, 0, "two replicas say that they are at 10.0.0.2:5050"));
    kit_crash(&k, 2);
    kit_pass(&k, 3000);
    assert_true(kit_is_member(&k, 0, 3) && !kit_is_member(&k, 0, 2));
    assert_true(kit_votes(&k, 3));
    kit_release(&k);
}

/* 1 lives at another address now, and its old one was given to a new replica: that one
 * takes the place of 2, which is away. */
static void address_that_was_left_is_nobodys(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 3, 2);
    kit_must_lead(&k, 0, 1);
    kit_crash(&k, 1);
    memcpy(k.nodes[3].address, k.nodes[1].address, sizeof(k.nodes[3].address));
    (void)snprintf(k.nodes[1].address, sizeof(k.nodes[1].address), "10.0.0.9:5050");
    kit_start(&k, 1);
    kit_connect_all(&k);
    kit_isolate(&k, 2);
    kit_start(&k, 3);
    kit_connect(&k, 3, 0);
    kit_connect(&k, 3, 1);
    kit_pass(&k, 15000);
    assert_false(kit_said(&k, 0, "two replicas say that they are at"));
    assert_true(kit_is_member(&k, 0, 1) && kit_is_member(&k, 0, 3));
    assert_false(kit_is_member(&k, 0, 2));
    assert_true(kit_votes(&k, 3));
    kit_release(&k);
}

/* 0 has lost its disk, leads with the votes of others, and its first value is on 1 alone
 * when 4 has the first position with 2 and 3. The map that 0 takes over ends where its
 * own values do; they are not what was chosen. */
static void map_that_ends_where_its_values_do_is_not_theirs(void **state)
{
    (void)state;
    struct kit k;
    kit_init_voting(&k, 5, 3);
    kit_crash(&k, 0);
    kit_wipe(&k, 0);
    kit_start(&k, 0);
    for (int i = 1; i < 4; i++) {
        kit_connect(&k, 0, i);
    }
    kit_cut(&k, 1, 4);
    kit_pass(&k, 2000);
    assert_int_equal(kit_status(&k, 0), PAXOS_RECOVERING);
    kit_hold(&k, 0, 2, PAXOS_MSG_WRITE);
    kit_hold(&k, 0, 3, PAXOS_MSG_WRITE);
    kit_lead(&k, 0, 1);
    kit_run(&k);
    assert_int_equal(k.nodes[0].p->co.state, PAXOS_SETTLING);
    kit_must_lead(&k, 4, 2);
    kit_pass(&k, 2000);
    assert_int_equal(kit_view(&k, 0).committed, 1); /* it has the map of 2 or 3 */
    kit_isolate(&k, 0);
    kit_no_rules(&k);
    kit_connect_all(&k);
    kit_pass(&k, 5000);
    kit_assert_same(&k, 1, 4); /* and no position had two values: kit.c */
    assert_int_equal(kit_view(&k, 1).state->epoch, 2);
    kit_release(&k);
}

/* 1 does not answer, and without it nobody could go on: 0 waits with its entry. */
static void leader_without_a_quorum_keeps_an_exchange(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_hold(&k, 0, 1, PAXOS_MSG_WRITE);
    kit_pass(&k, 15000);
    assert_true(k.nodes[0].p->co.writes_members);
    assert_int_equal(k.nodes[0].fenced, 0);
    assert_true(kit_view(&k, 0).leads);
    kit_no_rules(&k);
    kit_pass(&k, 3000);
    assert_true(kit_is_member(&k, 0, 3) && kit_votes(&k, 3));
    kit_release(&k);
}

/* 3 has the place of 2 and knows it, 0 has only accepted that, and the disk of 1 is lost:
 * 0 is elected and reaches nobody whom it knows to be a member. */
static void new_member_is_heard_when_the_old_ones_are_gone(void **state)
{
    (void)state;
    struct kit k;
    about_to_join(&k);
    kit_run(&k);
    assert_true(kit_is_member(&k, 0, 3) && kit_is_member(&k, 3, 3));
    kit_append(&k, 0, "x", "1");
    kit_pass(&k, 2000);
    forget_committed(&k, 0);
    kit_crash(&k, 1);
    kit_wipe(&k, 1);
    kit_connect(&k, 0, 3);
    assert_false(kit_is_member(&k, 0, 3));
    kit_must_lead(&k, 0, 2);
    assert_true(kit_is_member(&k, 0, 3));
    assert_string_equal(kit_get(&k, 0, "x"), "1");
    uint64_t after = kit_append(&k, 0, "after", "1");
    kit_pass(&k, 2000);
    assert_int_equal(kit_answer(&k, after), 0);
    kit_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_machine_takes_the_place_of_one_that_is_away),
        cmocka_unit_test(other_machine_waits_ten_seconds),
        cmocka_unit_test(one_that_was_never_met_is_not_away_at_once),
        cmocka_unit_test(two_that_are_away_are_not_guessed_about),
        cmocka_unit_test(wiped_disk_comes_back_as_another_replica_at_the_same_address),
        cmocka_unit_test(two_disks_of_three_are_lost_and_the_third_stays_alone),
        cmocka_unit_test(leader_with_an_empty_disk_takes_itself_in),
        cmocka_unit_test(leader_that_is_no_member_uses_no_ballot_twice),
        cmocka_unit_test(replaced_replica_that_comes_back_votes_no_more),
        cmocka_unit_test(replaced_replica_that_is_elected_asks_the_new_members),
        cmocka_unit_test(nothing_is_settled_behind_a_members_entry),
        cmocka_unit_test(replaced_replica_has_no_vote_on_that),
        cmocka_unit_test(leader_gives_up_when_one_that_stays_is_dead),
        cmocka_unit_test(new_member_hears_of_it_from_any_other),
        cmocka_unit_test(replaced_replica_tells_what_it_knows),
        cmocka_unit_test(nothing_is_written_behind_new_members_before_they_are_chosen),
        cmocka_unit_test(leader_does_not_replace_itself),
        cmocka_unit_test(who_answers_is_not_replaced_by_one_at_its_address),
        cmocka_unit_test(address_that_was_left_is_nobodys),
        cmocka_unit_test(new_member_is_heard_when_the_old_ones_are_gone),
        cmocka_unit_test(map_that_ends_where_its_values_do_is_not_theirs),
        cmocka_unit_test(leader_without_a_quorum_keeps_an_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
