/* How the election's machine leads, leaves, and bears refusals and bad data. */
#include <stdio.h>

#include "unit/zk/election_kit.h"

/* ---- the lease ---- */

static void a_leader_asks_often_and_its_lease_follows_the_time_of_asking(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    uint64_t start = k->now;
    for (int i = 1; i <= 40; i++) {
        tick_due(k);
        bool is_listing = strstr(k->did, "list") != NULL;
        if (strstr(k->did, "ask") != NULL) {
            uint64_t asked_ms = k->now;
            assert_true(asked_ms <= start + T / 8);
            start = asked_ms;
            k->now += 3; /* until the answer */
            assert_string_equal(asked(k, OWN, asked_ms), "");
            assert_true(zke_lease_ms(k->m) == asked_ms + LEASE);
            owner(k, OWN, SESSION, CZXID);
        }
        if (is_listing) {
            listed(k, OWN);
        }
    }
    uint64_t lease = zke_lease_ms(k->m);
    assert_string_equal(asked(k, OWN, start - 1), ""); /* late: never backwards */
    assert_true(zke_lease_ms(k->m) == lease);
    kit_destroy(k);
}

static void a_leader_out_of_touch_leads_until_its_lease_is_over(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    uint64_t lease = zke_lease_ms(k->m);
    assert_string_equal(STEP(.type = ZKE_EV_SUSPENDED), "");
    assert_string_equal(tick_at(k, lease - 1), "");
    assert_true(k->elected);
    assert_string_equal(tick_at(k, lease), "lost;leader none;");
    assert_true(zke_lease_ms(k->m) == 0);
    /* back in the same session: the znode is still there, and goes before another comes
     */
    assert_string_equal(ready(k, false, SESSION), "leave " OWN ";list;");
    listed(k, OWN);
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_OK), "create;list;");
    created(k, "json.info_0000000009");
    owner(k, "json.info_0000000009", SESSION, 0x99);
    listed(k, "json.info_0000000009");
    assert_string_equal(asked(k, "json.info_0000000009", k->now),
                        "elected 4000000000000099;leader me;");
    kit_destroy(k);
}

/* Reads may come from a follower that nobody listens to any more. */
static void reads_alone_do_not_move_the_lease(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    uint64_t lease = zke_lease_ms(k->m);
    while (k->elected) {
        tick_due(k);
        bool is_listing = strstr(k->did, "list") != NULL;
        if (strstr(k->did, "look") != NULL) {
            owner(k, OWN, SESSION, CZXID);
        }
        if (is_listing) {
            listed(k, OWN);
        }
        assert_true(k->now <= lease);
    }
    kit_destroy(k);
}

static void a_process_that_was_frozen_tells_lost_first(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    k->now += 10 * T;
    assert_true(k->now >= zke_lease_ms(k->m)); /* whoever asks first sees it */
    assert_string_equal(listed(k, OWN), "lost;leave " OWN ";list;leader none;");
    kit_destroy(k);
}

/* The core may have seen it, and thrown its reign away. */
static void a_lease_that_was_over_for_a_moment_is_not_taken_up_again(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    uint64_t lease = zke_lease_ms(k->m);
    tick_due(k);
    uint64_t asked_ms = k->now;
    k->now = lease + 1;
    assert_true(asked_ms + LEASE > k->now);
    assert_non_null(strstr(asked(k, OWN, asked_ms), "lost;leave " OWN ";"));
    kit_destroy(k);
}

static void a_znode_that_somebody_deleted_ends_the_leadership(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "list;");
    assert_string_equal(listed(k, "json.info_0000000006"),
                        "lost;create;data json.info_0000000006;");
    kit_destroy(k);
    k = kit_leading();
    tick_due(k);
    assert_string_equal(answer(k, ZKE_EV_ASKED, OWN, ZKE_GONE),
                        "lost;create;list;leader none;");
    kit_destroy(k);
    k = kit_leading(); /* deleted with its path, and somebody else has the number */
    tick_due(k);
    assert_string_equal(owner(k, OWN, SESSION + 1, 0x77),
                        "lost;create;list;leader none;");
    kit_destroy(k);
}

static void a_follower_whose_znode_somebody_deleted_stands_again(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "list;");
    assert_string_equal(listed(k, OTHER), "create;"); /* and the leader stays the same */
    assert_string_equal(created(k, "json.info_0000000006"),
                        "look json.info_0000000006;list;");
    kit_destroy(k);
}

static void a_smaller_number_that_appears_ends_the_leadership(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_CHANGED);
    assert_string_equal(listed(k, "json.info_0000000000 " OWN),
                        "lost;leave " OWN ";data json.info_0000000000;");
    kit_destroy(k);
}

static void lost_is_told_before_the_znode_is_deleted(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    assert_string_equal(STEP(.type = ZKE_EV_WITHDRAW), "lost;leave " OWN ";leader none;");
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_OK), "withdrawn;list;");
    kit_destroy(k);
}

/* ---- the watchdog ---- */

static void the_list_is_repeated_without_any_watch(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    uint64_t start = k->now;
    while (strstr(tick_due(k), "list") == NULL) {
        assert_true(k->now <= start + T / 2);
    }
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";leader none;");
    kit_destroy(k);
}

static void a_list_without_an_answer_ends_the_session(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "list;");
    uint64_t start = k->now;
    while (strstr(k->did, "restart") == NULL) {
        tick_due(k);
        assert_true(k->now <= start + T);
    }
    assert_true(k->now == start + T);
    assert_string_equal(STEP(.type = ZKE_EV_EXPIRED, .text = "x"), "leader none;");
    kit_destroy(k);
}

/* Both are due at once after a freeze: what is told must not be lost by the restart. */
static void a_restart_comes_behind_all_that_is_told(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_CHANGED);
    assert_string_equal(tick_at(k, k->now + 2 * T),
                        "lost;leave " OWN ";leader none;restart;");
    kit_destroy(k);
}

static void a_change_during_a_list_leads_to_another_list(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    STEP(.type = ZKE_EV_CHANGED);
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "");
    assert_string_equal(listed(k, OWN " " OTHER), "list;");
    kit_destroy(k);
}

/* ---- withdrawing ---- */

static void who_withdraws_while_joining_leaves_when_it_has_joined(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    assert_string_equal(STEP(.type = ZKE_EV_WITHDRAW), "");
    assert_string_equal(created(k, OWN), "leave " OWN ";list;");
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_GONE), "withdrawn;");
    kit_destroy(k);
}

static void a_candidacy_begun_for_another_member_is_not_taken_over(void **state)
{
    (void)state;
    struct kit *k = kit_creating(); /* its znode says "me" */
    STEP(.type = ZKE_EV_WITHDRAW);
    contend_as(k, "myself");
    assert_string_equal(created(k, OWN), "leave " OWN ";list;");
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_OK), "withdrawn;create;");
    created(k, "json.info_0000000006");
    owner(k, "json.info_0000000006", SESSION, 0x66);
    listed(k, "json.info_0000000006");
    assert_string_equal(asked(k, "json.info_0000000006", k->now),
                        "elected 4000000000000066;leader myself;");
    kit_destroy(k);
}

static void a_withdrawal_out_of_touch_does_not_wait(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_SUSPENDED);
    assert_string_equal(STEP(.type = ZKE_EV_WITHDRAW), "lost;withdrawn;leader none;");
    assert_string_equal(ready(k, false, SESSION), "leave " OWN ";list;");
    kit_destroy(k);
}

static void a_withdrawal_that_is_not_answered_waits_a_second_only(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_WITHDRAW);
    uint64_t start = k->now;
    while (strstr(k->did, "withdrawn") == NULL) {
        tick_due(k);
        assert_true(k->now <= start + 1000);
    }
    kit_destroy(k);
}

static void a_deletion_whose_answer_is_lost_is_repeated(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_WITHDRAW);
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_LOST), "");
    assert_string_equal(tick_due(k), "leave " OWN ";");
    assert_string_equal(answer(k, ZKE_EV_LEFT, OWN, ZKE_GONE), "withdrawn;list;");
    kit_destroy(k);
}

/* Nobody listens any more, but a znode of this process would mislead the others. */
static void a_create_without_an_answer_is_cleared_up_after_the_withdrawal(void **state)
{
    (void)state;
    struct kit *k = kit_create();
    contend_as(k, "me");
    ready(k, true, SESSION);
    listed(k, "");
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    STEP(.type = ZKE_EV_SUSPENDED);
    assert_string_equal(STEP(.type = ZKE_EV_WITHDRAW), "withdrawn;");
    assert_string_equal(ready(k, false, SESSION), "sync;list;");
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    listed(k, OWN);
    assert_non_null(strstr(owner(k, OWN, SESSION, CZXID), "leave " OWN ";"));
    kit_destroy(k);
}

/* ---- the leader's data ---- */

static void data_that_vanished_leads_to_another_list(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    listed(k, OWN " " OTHER);
    assert_string_equal(answer(k, ZKE_EV_DATA, OTHER, ZKE_GONE), "list;");
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";");
    kit_destroy(k);
}

static void data_of_who_is_not_the_smallest_any_more_is_ignored(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    listed(k, OWN " " OTHER);
    STEP(.type = ZKE_EV_CHANGED);
    listed(k, OWN " json.info_0000000004");
    assert_string_equal(data(k, OTHER, "other", 7), "");
    assert_string_equal(data(k, "json.info_0000000004", "fourth", 8), "leader fourth;");
    kit_destroy(k);
}

static void
data_that_nobody_understands_is_no_leader_and_asked_for_ever_more_seldom(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    STEP(.type = ZKE_EV_CHANGED);
    listed(k, OWN " json.info_0000000004");
    assert_string_equal(data(k, "json.info_0000000004", NULL, 8), "leader none;");
    uint64_t asked_at = k->now, gap = 0;
    size_t count = 0;
    while (count < 10) {
        tick_due(k);
        bool is_listing = strstr(k->did, "list") != NULL;
        if (strstr(k->did, "data") != NULL) {
            assert_true(k->now - asked_at >= gap && k->now - asked_at <= 60000);
            gap = k->now - asked_at;
            asked_at = k->now;
            count++;
            if (count % 2 == 0) {
                data(k, "json.info_0000000004", NULL, 8);
            } else { /* or not permitted to read */
                assert_string_equal(
                    answer(k, ZKE_EV_DATA, "json.info_0000000004", ZKE_REFUSED),
                    "error;");
            }
        }
        if (is_listing) {
            listed(k, OWN " json.info_0000000004");
        }
    }
    assert_true(gap == 60000);
    kit_destroy(k);
}

/* ---- refusals ---- */

static void a_refused_candidacy_is_logged_and_tried_ever_more_seldom(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    uint64_t gap = 0, before = k->now;
    assert_string_equal(answer(k, ZKE_EV_CREATED, NULL, ZKE_REFUSED), "error;");
    for (size_t tries = 0; tries < 10;) {
        tick_due(k);
        bool is_listing = strstr(k->did, "list") != NULL;
        if (strstr(k->did, "create") != NULL) {
            assert_true(k->now - before >= gap);
            assert_true(k->now - before >= 2000 && k->now - before <= 60000);
            gap = k->now - before;
            before = k->now;
            tries++;
            assert_string_equal(answer(k, ZKE_EV_CREATED, NULL, ZKE_REFUSED), "error;");
        }
        if (is_listing) {
            listed(k, "");
        }
    }
    assert_true(gap == 60000);
    kit_destroy(k);
}

static void a_refused_list_is_logged_and_tried_ever_more_seldom(void **state)
{
    (void)state;
    struct kit *k = kit_create();
    STEP(.type = ZKE_EV_DETECT);
    assert_string_equal(ready(k, true, SESSION), "list;");
    uint64_t gap = 0, before = k->now;
    for (size_t tries = 0; tries < 10; tries++) {
        assert_string_equal(answer(k, ZKE_EV_LISTED, "", ZKE_REFUSED), "error;");
        assert_string_equal(tick_due(k), "list;");
        assert_true(k->now - before >= gap && k->now - before <= 60000);
        gap = k->now - before;
        before = k->now;
    }
    assert_true(gap == 60000);
    assert_string_equal(listed(k, OTHER), "data " OTHER ";");
    kit_destroy(k);
}

static void a_refused_question_is_an_error_and_no_lease(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    listed(k, OWN);
    assert_string_equal(answer(k, ZKE_EV_ASKED, OWN, ZKE_REFUSED), "error;");
    assert_false(k->elected);
    kit_destroy(k);
}

static void numbers_that_have_run_over_are_an_error(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    assert_string_equal(created(k, "json.info_-2147483647"),
                        "remove json.info_-2147483647;error;");
    kit_destroy(k);
}

/* ---- deposing ---- */

static void only_the_leader_that_was_told_can_be_deposed(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    struct mu_member who = {.id = "other"};
    assert_string_equal(zke_znode_of(k->m, &who), OTHER);
    who.znode = OTHER;
    assert_string_equal(zke_znode_of(k->m, &who), OTHER);
    who.znode = "json.info_0000000002";
    assert_null(zke_znode_of(k->m, &who)); /* an earlier candidacy of the same master */
    who = (struct mu_member){.id = "somebody"};
    assert_null(zke_znode_of(k->m, &who));
    kit_destroy(k);
    k = kit_leading();
    who = (struct mu_member){.id = "me"};
    assert_null(zke_znode_of(k->m, &who));
    kit_destroy(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_asks_often_and_its_lease_follows_the_time_of_asking),
        cmocka_unit_test(a_leader_out_of_touch_leads_until_its_lease_is_over),
        cmocka_unit_test(reads_alone_do_not_move_the_lease),
        cmocka_unit_test(a_process_that_was_frozen_tells_lost_first),
        cmocka_unit_test(a_lease_that_was_over_for_a_moment_is_not_taken_up_again),
        cmocka_unit_test(a_znode_that_somebody_deleted_ends_the_leadership),
        cmocka_unit_test(a_follower_whose_znode_somebody_deleted_stands_again),
        cmocka_unit_test(a_smaller_number_that_appears_ends_the_leadership),
        cmocka_unit_test(lost_is_told_before_the_znode_is_deleted),
        cmocka_unit_test(the_list_is_repeated_without_any_watch),
        cmocka_unit_test(a_list_without_an_answer_ends_the_session),
        cmocka_unit_test(a_restart_comes_behind_all_that_is_told),
        cmocka_unit_test(a_change_during_a_list_leads_to_another_list),
        cmocka_unit_test(who_withdraws_while_joining_leaves_when_it_has_joined),
        cmocka_unit_test(a_candidacy_begun_for_another_member_is_not_taken_over),
        cmocka_unit_test(a_withdrawal_out_of_touch_does_not_wait),
        cmocka_unit_test(a_withdrawal_that_is_not_answered_waits_a_second_only),
        cmocka_unit_test(a_deletion_whose_answer_is_lost_is_repeated),
        cmocka_unit_test(a_create_without_an_answer_is_cleared_up_after_the_withdrawal),
        cmocka_unit_test(data_that_vanished_leads_to_another_list),
        cmocka_unit_test(data_of_who_is_not_the_smallest_any_more_is_ignored),
        cmocka_unit_test(
            data_that_nobody_understands_is_no_leader_and_asked_for_ever_more_seldom),
        cmocka_unit_test(a_refused_candidacy_is_logged_and_tried_ever_more_seldom),
        cmocka_unit_test(a_refused_list_is_logged_and_tried_ever_more_seldom),
        cmocka_unit_test(a_refused_question_is_an_error_and_no_lease),
        cmocka_unit_test(numbers_that_have_run_over_are_an_error),
        cmocka_unit_test(only_the_leader_that_was_told_can_be_deposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
