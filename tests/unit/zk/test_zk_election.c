/* How the election's machine joins, and what it makes of sessions: every trap of how
 * Mesos' masters are elected, one test each. */
#include <stdio.h>

#include "unit/zk/election_kit.h"

/* ---- joining ---- */

static void nothing_is_asked_before_the_session_is_there(void **state)
{
    (void)state;
    struct kit *k = kit_create();
    assert_string_equal(STEP(.type = ZKE_EV_DETECT), "");
    contend_as(k, "me");
    assert_string_equal(k->did, "");
    assert_true(zke_deadline_ms(k->m) == UINT64_MAX);
    kit_destroy(k);
}

static void the_smallest_leads_once_a_quorum_has_said_so(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    assert_string_equal(created(k, OWN), "look " OWN ";list;");
    assert_string_equal(owner(k, OWN, SESSION, CZXID), "");
    /* in the list with a read: not enough */
    assert_string_equal(listed(k, OWN " json.info_0000000006"),
                        "ask " OWN ";look " OWN ";");
    assert_string_equal(asked(k, OWN, START), "elected " EPOCH ";leader me;");
    assert_true(zke_lease_ms(k->m) == START + LEASE);
    kit_destroy(k);
}

static void a_follower_asks_no_quorum(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    for (int i = 0; i < 20; i++) {
        assert_null(strstr(tick_due(k), "ask"));
        if (strstr(k->did, "list;") != NULL) {
            listed(k, OWN " " OTHER);
        }
    }
    kit_destroy(k);
}

static void numbers_are_compared_over_all_labels(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    assert_string_equal(listed(k, OWN " info_0000000002 json.info_0000000004 0000000001"),
                        "data 0000000001;");
    assert_string_equal(data(k, "0000000001", "old", 7), "leader old;");
    kit_destroy(k);
}

static void what_is_no_member_is_ignored(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    assert_string_equal(
        listed(k,
               "log_replicas registry json.info_-0000000003 json.info_ json.info "
               "other_0000000001 json.info_00000x0001 json.info_99999999999 "
               "json.info_2147483648 _0000000001 a_b_0000000001 "
               "json.info_0000000000000000000000000000000000000000000000000000000000001 "
               "- _ " OWN),
        "ask " OWN ";look " OWN ";");
    kit_destroy(k);
}

/* ---- a create without an answer ---- */

static void a_lost_create_is_looked_for_by_its_owner(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    assert_string_equal(answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST), "");
    STEP(.type = ZKE_EV_SUSPENDED);
    assert_string_equal(ready(k, false, SESSION), "sync;list;");
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    listed(k, OTHER " " OWN " info_0000000004");
    assert_non_null(strstr(k->did, "look " OWN ";look " OTHER ";"));
    assert_null(strstr(k->did, "info_0000000004"));
    assert_string_equal(owner(k, OWN, SESSION, CZXID), "list;"); /* and no create */
    owner(k, OTHER, SESSION + 1, 9);
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";");
    assert_string_equal(asked(k, OWN, k->now), "elected " EPOCH ";leader me;");
    kit_destroy(k);
}

static void a_create_that_never_was_is_made_again(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    assert_string_equal(tick_due(k), "sync;list;"); /* no event came of it */
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    listed(k, OTHER " json.info_0000000004");
    answer(k, ZKE_EV_OWNER, "json.info_0000000004", ZKE_GONE);
    assert_null(strstr(k->did, "create"));
    assert_non_null(strstr(owner(k, OTHER, SESSION + 1, 9), "create;"));
    kit_destroy(k);
}

/* A follower may show a list from before the create. */
static void a_list_that_is_not_known_to_be_new_decides_nothing(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    assert_string_equal(tick_due(k), "sync;list;");
    answer(k, ZKE_EV_SYNCED, "", ZKE_LOST);
    assert_string_equal(listed(k, ""), "");
    assert_string_equal(tick_due(k), "sync;list;");
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    assert_string_equal(listed(k, ""), "create;");
    kit_destroy(k);
}

static void a_look_that_is_lost_is_repeated(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    tick_due(k);
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    listed(k, OWN " " OTHER);
    answer(k, ZKE_EV_OWNER, OWN, ZKE_LOST);
    assert_null(strstr(owner(k, OTHER, SESSION + 1, 9), "create"));
    assert_string_equal(tick_due(k), "sync;list;");
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    assert_non_null(strstr(listed(k, OWN " " OTHER), "look " OWN));
    owner(k, OWN, SESSION, CZXID);
    assert_null(strstr(k->did, "create"));
    kit_destroy(k);
}

static void among_very_many_the_newest_are_looked_at(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    tick_due(k);
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    char names[4096] = "";
    for (int i = 0; i < 100; i++) { /* 0, 37, 74, 11, ... */
        size_t len = strlen(names);
        snprintf(names + len, sizeof(names) - len, "%sjson.info_%010d", i > 0 ? " " : "",
                 i * 37 % 100);
    }
    listed(k, names);
    assert_non_null(strstr(k->did, "look json.info_0000000099;"));
    assert_non_null(strstr(k->did, "look json.info_0000000068;"));
    assert_null(strstr(k->did, "look json.info_0000000067;"));
    kit_destroy(k);
}

/* Two of this session: the answer of the first create was lost, and it was not seen. */
static void a_second_znode_of_this_session_is_removed(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    assert_string_equal(listed(k, OTHER " " OWN), "data " OTHER ";");
    assert_string_equal(data(k, OTHER, "me", SESSION), "remove " OTHER ";");
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "list;");
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";");
    assert_string_equal(asked(k, OWN, k->now), "elected " EPOCH ";leader me;");
    kit_destroy(k);
}

static void a_removal_without_effect_is_repeated_with_the_next_list(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    listed(k, OTHER " " OWN);
    assert_string_equal(data(k, OTHER, "me", SESSION), "remove " OTHER ";");
    assert_string_equal(tick_due(k), "list;");
    assert_string_equal(listed(k, OTHER " " OWN), "data " OTHER ";");
    assert_string_equal(data(k, OTHER, "me", SESSION), "remove " OTHER ";");
    kit_destroy(k);
}

/* Between the lost answer and the look it is not known which is the only one. */
static void a_znode_that_is_being_looked_for_is_not_removed(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST);
    tick_due(k);
    answer(k, ZKE_EV_SYNCED, "", ZKE_OK);
    assert_string_equal(listed(k, OWN), "look " OWN ";data " OWN ";");
    assert_null(strstr(data(k, OWN, "me", SESSION), "remove"));
    assert_string_equal(owner(k, OWN, SESSION, CZXID), "ask " OWN ";look " OWN ";list;");
    kit_destroy(k);
}

/* ---- sessions ---- */

static void answers_of_an_older_session_change_nothing(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    STEP(.type = ZKE_EV_EXPIRED, .text = "expired");
    assert_string_equal(created(k, OWN), "");
    assert_string_equal(answer(k, ZKE_EV_CREATED, NULL, ZKE_LOST), "");
    assert_string_equal(ready(k, true, SESSION + 9), "create;list;");
    /* what is late about the old one */
    assert_string_equal(owner(k, OWN, SESSION, CZXID), "");
    assert_string_equal(asked(k, OWN, k->now), "");
    assert_string_equal(created(k, "json.info_0000000008"), "look json.info_0000000008;");
    assert_string_equal(owner(k, "json.info_0000000008", SESSION, 3), "create;");
    kit_destroy(k);
}

static void an_expired_leader_is_lost_at_once_and_stands_again(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    assert_string_equal(STEP(.type = ZKE_EV_EXPIRED, .text = "expired"),
                        "lost;leader none;");
    assert_string_equal(ready(k, true, SESSION + 1), "create;list;");
    listed(k, "");
    created(k, "json.info_0000000007");
    owner(k, "json.info_0000000007", SESSION + 1, 0x44);
    listed(k, "json.info_0000000007");
    assert_string_equal(asked(k, "json.info_0000000007", k->now),
                        "elected 4000000000000044;leader me;");
    kit_destroy(k);
}

/* The old znode of this process is waited for, however long the server keeps it. */
static void an_own_znode_of_an_earlier_session_is_neither_deleted_nor_obeyed(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    STEP(.type = ZKE_EV_EXPIRED, .text = "expired");
    ready(k, true, SESSION + 1);
    assert_string_equal(listed(k, OWN), "data " OWN ";");
    assert_string_equal(data(k, OWN, "me", SESSION), ""); /* none is told already */
    created(k, "json.info_0000000007");
    owner(k, "json.info_0000000007", SESSION + 1, 0x44);
    assert_string_equal(listed(k, OWN " json.info_0000000007"), "");
    STEP(.type = ZKE_EV_CHANGED);
    assert_string_equal(listed(k, "json.info_0000000007"),
                        "ask json.info_0000000007;look json.info_0000000007;");
    kit_destroy(k);
}

/* MESOS-422: a master restarted quickly sees its old self, by another id. */
static void
an_earlier_process_at_the_same_address_leads_until_its_session_ends(void **state)
{
    (void)state;
    struct kit *k = kit_creating();
    created(k, OWN);
    owner(k, OWN, SESSION, CZXID);
    listed(k, OWN " " OTHER);
    assert_string_equal(data(k, OTHER, "my-old-id", SESSION - 1), "leader my-old-id;");
    assert_null(zke_znode_of(k->m, &(struct mu_member){.id = "me"}));
    STEP(.type = ZKE_EV_CHANGED);
    assert_string_equal(listed(k, OWN), "ask " OWN ";look " OWN ";leader none;");
    kit_destroy(k);
}

static void detectors_keep_the_leader_until_the_session_is_over(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    assert_string_equal(STEP(.type = ZKE_EV_SUSPENDED), "");
    assert_string_equal(tick_at(k, k->now + T - 1), "");
    assert_string_equal(ready(k, false, SESSION), "list;");
    assert_string_equal(listed(k, OWN " " OTHER), "");
    STEP(.type = ZKE_EV_SUSPENDED);
    assert_string_equal(STEP(.type = ZKE_EV_EXPIRED, .text = "x"), "leader none;");
    assert_string_equal(ready(k, true, SESSION + 1), "create;list;");
    assert_string_equal(listed(k, OTHER), "data " OTHER ";");
    assert_string_equal(data(k, OTHER, "other", 7), "leader other;");
    kit_destroy(k);
}

static void a_change_that_was_missed_is_found_after_a_reconnect(void **state)
{
    (void)state;
    struct kit *k = kit_following();
    STEP(.type = ZKE_EV_SUSPENDED);
    assert_string_equal(ready(k, false, SESSION), "list;");
    assert_string_equal(listed(k, "json.info_0000000004 " OWN),
                        "data json.info_0000000004;");
    assert_string_equal(data(k, "json.info_0000000004", "third", 7), "leader third;");
    kit_destroy(k);
}

static void a_deleted_path_is_made_anew_by_a_new_session(void **state)
{
    (void)state;
    struct kit *k = kit_leading();
    assert_string_equal(STEP(.type = ZKE_EV_CHANGED), "list;");
    assert_string_equal(answer(k, ZKE_EV_LISTED, "", ZKE_GONE), "restart;");
    assert_string_equal(STEP(.type = ZKE_EV_EXPIRED, .text = "restart"),
                        "lost;leader none;");
    assert_string_equal(ready(k, true, SESSION + 1), "create;list;");
    assert_string_equal(answer(k, ZKE_EV_CREATED, NULL, ZKE_GONE), "");
    assert_string_equal(answer(k, ZKE_EV_LISTED, "", ZKE_GONE), "restart;");
    kit_destroy(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_before_the_session_is_there),
        cmocka_unit_test(the_smallest_leads_once_a_quorum_has_said_so),
        cmocka_unit_test(a_follower_asks_no_quorum),
        cmocka_unit_test(numbers_are_compared_over_all_labels),
        cmocka_unit_test(what_is_no_member_is_ignored),
        cmocka_unit_test(a_lost_create_is_looked_for_by_its_owner),
        cmocka_unit_test(a_create_that_never_was_is_made_again),
        cmocka_unit_test(a_list_that_is_not_known_to_be_new_decides_nothing),
        cmocka_unit_test(a_look_that_is_lost_is_repeated),
        cmocka_unit_test(among_very_many_the_newest_are_looked_at),
        cmocka_unit_test(a_second_znode_of_this_session_is_removed),
        cmocka_unit_test(a_removal_without_effect_is_repeated_with_the_next_list),
        cmocka_unit_test(a_znode_that_is_being_looked_for_is_not_removed),
        cmocka_unit_test(answers_of_an_older_session_change_nothing),
        cmocka_unit_test(an_expired_leader_is_lost_at_once_and_stands_again),
        cmocka_unit_test(
            an_own_znode_of_an_earlier_session_is_neither_deleted_nor_obeyed),
        cmocka_unit_test(
            an_earlier_process_at_the_same_address_leads_until_its_session_ends),
        cmocka_unit_test(detectors_keep_the_leader_until_the_session_is_over),
        cmocka_unit_test(a_change_that_was_missed_is_found_after_a_reconnect),
        cmocka_unit_test(a_deleted_path_is_made_anew_by_a_new_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
