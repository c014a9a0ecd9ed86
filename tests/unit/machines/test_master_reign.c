/* Election, recovery of the registry, stepping down. */
#include <errno.h>

#include "master/state.h"
#include "master_kit.h"

#define A "99999999-9999-4999-8999-999999999999-S0"
#define FW OLD_MASTER_ID "-0003"

static void elected_master_recovers_the_registry_before_it_leads(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    assert_false(kit_master_row(&k).leading);
    kit_elect(&k, 3);
    assert_int_equal(k.recovers, 1);
    assert_true(kit_master_row(&k).leading);
    assert_false(kit_master_row(&k).recovered);
    kit_recovered(&k, 0);
    assert_true(kit_master_row(&k).recovered);
    assert_int_equal((int)kit_metric(&k, "master/elected"), 1);
    kit_destroy(&k);
}

static void standby_closes_links_that_speak(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    uint64_t agent = kit_register(&k, "host1");
    assert_true(kit_closed(&k, agent));
    kit_elect(&k, 1);
    uint64_t framework = kit_subscribe(&k, "fw");
    assert_true(kit_closed(&k, framework));
    assert_int_equal(kit_count(&k, framework, MU_MSG_SUBSCRIBED), 0);
    kit_destroy(&k);
}

static void loss_throws_away_the_whole_reign_and_closes_all_links(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_lead(&k);
    struct scene s = kit_running_task(&k);
    kit_lost(&k);
    assert_true(kit_closed(&k, s.agent));
    assert_true(kit_closed(&k, s.framework));
    assert_false(kit_master_row(&k).leading);
    assert_int_equal(kit_task_state(&k, "t1", NULL), -1);
    assert_true(master_deadline_ms(k.m) == MU_NEVER_MS);
    kit_elect(&k, 2);
    kit_recovered(&k, 0);
    assert_false(kit_agent(&k, MASTER_ID "-S0").found);
    kit_destroy(&k);
}

static void ids_are_not_used_again_after_a_second_election(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_lead(&k);
    kit_register(&k, "host1");
    kit_lost(&k);
    kit_elect(&k, 2);
    kit_recovered(&k, 0);
    kit_forget(&k);
    uint64_t link = kit_register(&k, "host2");
    assert_string_equal(kit_expect(&k, link, MU_MSG_REGISTERED)->agent_id.s,
                        MASTER_ID "-S1");
    kit_destroy(&k);
}

static void late_or_repeated_election_events_change_nothing(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_lost(&k);
    kit_elect(&k, 5);
    kit_elect(&k, 5);
    kit_elect(&k, 4);
    assert_int_equal(k.recovers, 1);
    kit_recovered(&k, 0);
    kit_recovered(&k, -EIO);
    assert_true(kit_master_row(&k).recovered);
    kit_elect(&k, 6); /* without a loss between: a new reign */
    assert_int_equal(k.recovers, 2);
    assert_false(kit_master_row(&k).recovered);
    kit_destroy(&k);
}

static void registry_events_of_an_earlier_reign_are_ignored(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_lost(&k);
    kit_elect(&k, 2);
    kit_step(&k, &(struct master_event){.type = MASTER_EV_RECOVERED, .epoch = 1});
    assert_false(kit_master_row(&k).recovered);
    kit_step(&k, &(struct master_event){.type = MASTER_EV_RECOVERED, .epoch = 2});
    assert_true(kit_master_row(&k).recovered);
    kit_destroy(&k);
}

static void commit_of_an_earlier_reign_admits_nobody(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_register(&k, "host1");
    kit_lost(&k);
    kit_elect(&k, 2);
    kit_recovered(&k, 0);
    kit_commit(&k, 0);
    assert_int_equal(kit_count(&k, link, MU_MSG_REGISTERED), 0);
    assert_false(kit_agent(&k, MASTER_ID "-S0").found);
    kit_destroy(&k);
}

static void failed_recovery_leads_back_to_standby(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_recovered(&k, -EIO);
    assert_false(kit_master_row(&k).leading);
    assert_int_equal(k.abdications, 1);
    kit_elect(&k, 2);
    kit_recovered(&k, 0);
    assert_true(kit_master_row(&k).recovered);
    kit_destroy(&k);
}

static void fenced_commit_ends_the_reign(void **state)
{
    (void)state;
    static const int codes[] = {MU_E_FENCED, MU_E_UNKNOWN_OUTCOME, -ECANCELED};
    for (size_t i = 0; i < MU_COUNT_OF(codes); i++) {
        struct kit k;
        kit_create(&k, NULL);
        kit_lead(&k);
        k.hold_commits = true;
        uint64_t link = kit_register(&k, "host1");
        kit_commit(&k, codes[i]);
        assert_false(kit_master_row(&k).leading);
        assert_int_equal(k.abdications, 1);
        assert_true(kit_closed(&k, link));
        kit_destroy(&k);
    }
}

static void full_registry_refuses_the_agent_and_leads_on(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_register(&k, "host1");
    kit_commit(&k, -ENOSPC);
    assert_string_equal(kit_expect(&k, link, MU_MSG_REFUSED)->text, "no space");
    assert_true(kit_master_row(&k).recovered);
    assert_false(kit_agent(&k, MASTER_ID "-S0").found);
    k.hold_commits = false;
    uint64_t again = kit_register(&k, "host1");
    kit_expect(&k, again, MU_MSG_REGISTERED);
    kit_destroy(&k);
}

static void explain(void *arg, struct mu_buf *out)
{
    (void)arg;
    mu_buf_puts(out, "1 of 3 answer");
}

static void with_a_reason(struct master_config *cfg)
{
    cfg->explain_registry = explain;
}

static void registry_that_does_not_answer_is_told_of_with_its_reason(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, with_a_reason);
    kit_elect(&k, 1);
    assert_string_equal(kit_waiting_for(&k),
                        "the registry to be recovered: 1 of 3 answer");
    kit_recovered(&k, 0);
    k.hold_commits = true;
    kit_register(&k, "host1");
    kit_wait(&k, 4000);
    assert_string_equal(kit_waiting_for(&k), "");
    assert_false(kit_logged(&k, "the registry has not answered"));
    kit_register(&k, "host2");
    kit_wait(&k, 1000);
    assert_string_equal(kit_waiting_for(&k),
                        "the registry, which does not answer: 1 of 3 answer");
    assert_true(
        kit_logged(&k, "for_ms=5000 commits=2 first=" MASTER_ID "-S0: 1 of 3 answer"));
    kit_wait(&k, 120000);
    assert_true(kit_logged(&k, "for_ms=80000 ")); /* again, but ever more seldom */
    assert_false(kit_logged(&k, "for_ms=85000 "));
    kit_commit(&k, 0);
    assert_true(kit_logged(&k, "the registry answers again: after_ms=125000"));
    assert_string_equal(kit_waiting_for(&k), "");
    kit_commit(&k, 0);
    assert_true(kit_agent(&k, MASTER_ID "-S1").found);
    kit_destroy(&k);
}

static void agents_of_the_registry_are_waited_for(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, A, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    assert_true(kit_agent(&k, A).found);
    assert_false(kit_agent(&k, A).active);
    assert_int_equal(kit_agent(&k, A).registered_ms, 0);
    assert_non_null(kit_master_row(&k).waiting_for);
    kit_wait(&k, 599000);
    assert_true(kit_agent(&k, A).found);
    kit_wait(&k, 2000);
    assert_false(kit_agent(&k, A).found);
    assert_int_equal(kit_master_row(&k).agents_unreachable, 1);
    assert_int_equal(k.commit_count, 1);
    kit_destroy(&k);
}

/* An announcement of the master's own would say that it ended, but not how; and the
 * agent's update behind it would be old news. */
static void an_end_while_nobody_led_is_told_in_the_agents_own_words(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, A, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    struct mu_framework_info info = framework_info(FW, "fw");
    uint64_t framework = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    struct mu_msg msg;
    reregister_msg(&msg, A, "host1");
    add_record(&msg, FW, "t1", MU_TASK_FAILED);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    assert_int_equal(kit_count(&k, framework, MU_MSG_UPDATE), 0);
    kit_update(&k, link, FW, "t1", MU_TASK_FAILED, "u-end");
    assert_int_equal(kit_status(&k, framework, "t1")->source, MU_SOURCE_EXECUTOR);
    kit_destroy(&k);
}

static void leader_is_shown_until_another_is_known(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    struct mu_member other = {.struct_size = sizeof(other),
                              .id = "other",
                              .hostname = "h2",
                              .ip = "10.0.0.2",
                              .port = 5050};
    kit_step(&k, &(struct master_event){.type = MASTER_EV_LEADER, .leader = &other});
    assert_string_equal(kit_master_row(&k).leader->hostname, "h2");
    assert_null(kit_master_row(&k).leader->znode);
    kit_step(&k, &(struct master_event){.type = MASTER_EV_LEADER});
    assert_null(kit_master_row(&k).leader);
    kit_destroy(&k);
}

static void state_tables_are_sound(void **state)
{
    (void)state;
    const struct mu_sm *tables[] = {&master_mode_sm, &master_agent_sm,
                                    &master_framework_sm};
    for (size_t i = 0; i < MU_COUNT_OF(tables); i++) {
        struct mu_error err = {0};
        if (mu_sm_check(tables[i], &err) < 0) {
            fail_msg("%s", err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_tables_are_sound),
        cmocka_unit_test(elected_master_recovers_the_registry_before_it_leads),
        cmocka_unit_test(standby_closes_links_that_speak),
        cmocka_unit_test(loss_throws_away_the_whole_reign_and_closes_all_links),
        cmocka_unit_test(ids_are_not_used_again_after_a_second_election),
        cmocka_unit_test(late_or_repeated_election_events_change_nothing),
        cmocka_unit_test(registry_events_of_an_earlier_reign_are_ignored),
        cmocka_unit_test(commit_of_an_earlier_reign_admits_nobody),
        cmocka_unit_test(failed_recovery_leads_back_to_standby),
        cmocka_unit_test(fenced_commit_ends_the_reign),
        cmocka_unit_test(full_registry_refuses_the_agent_and_leads_on),
        cmocka_unit_test(registry_that_does_not_answer_is_told_of_with_its_reason),
        cmocka_unit_test(agents_of_the_registry_are_waited_for),
        cmocka_unit_test(an_end_while_nobody_led_is_told_in_the_agents_own_words),
        cmocka_unit_test(leader_is_shown_until_another_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
