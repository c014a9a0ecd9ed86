/* Registration, re-registration, silence, unreachable agents and their return. */
#include <errno.h>

#include "master_kit.h"

#define S0 MASTER_ID "-S0"
#define S1 MASTER_ID "-S1"
#define OLD OLD_MASTER_ID "-S7"
#define FW OLD_MASTER_ID "-0003"

static void lead(struct kit *k)
{
    kit_create(k, NULL);
    kit_lead(k);
}

/* ---- REGISTER ---- */

static void agent_is_told_registered_only_when_the_registry_has_it(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_register(&k, "host1");
    assert_int_equal(k.commits.count, 1);
    assert_int_equal(k.commits.v[0].record.state, MASTER_AGENT_ADMITTED);
    assert_int_equal(kit_count(&k, link, MU_MSG_REGISTERED), 0);
    assert_false(kit_agent(&k, S0).found);
    kit_commit(&k, 0);
    const struct mu_msg *msg = kit_expect(&k, link, MU_MSG_REGISTERED);
    assert_string_equal(msg->agent_id.s, S0);
    assert_int_equal(msg->heartbeat_ms, 75000);
    assert_true(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void repeated_registration_gives_one_id(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_register(&k, "host1");
    uint64_t second = kit_register(&k, "host1"); /* dialled again while it is admitted */
    assert_true(kit_closed(&k, link));
    assert_int_equal(k.commits.count, 1);
    kit_commit(&k, 0);
    assert_string_equal(kit_expect(&k, second, MU_MSG_REGISTERED)->agent_id.s, S0);
    uint64_t third = kit_register(&k, "host1"); /* the answer was lost */
    assert_string_equal(kit_expect(&k, third, MU_MSG_REGISTERED)->agent_id.s, S0);
    assert_int_equal(k.commit_count, 1);
    kit_destroy(&k);
}

static void registering_twice_on_one_link_is_answered_twice(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_register(&k, "host1");
    struct mu_agent_info info;
    agent_info(&info, "", "host1");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_REGISTER);
    mu_msg_set_agent(&msg, &info);
    mu_agent_info_release(&info);
    kit_message(&k, link, &msg);
    assert_int_equal(kit_count(&k, link, MU_MSG_REGISTERED), 2);
    assert_int_equal(k.commit_count, 1);
    kit_destroy(&k);
}

static void registration_without_a_hostname_is_refused(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_link(&k);
    kit_simple(&k, link, MU_MSG_REGISTER);
    kit_expect(&k, link, MU_MSG_REFUSED);
    uint64_t other = kit_link(&k);
    kit_simple(&k, other, MU_MSG_REREGISTER);
    kit_expect(&k, other, MU_MSG_REFUSED);
    kit_destroy(&k);
}

static void new_agent_at_the_address_of_one_with_tasks_replaces_it(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    uint64_t link = kit_register(&k, "host1");
    assert_true(kit_closed(&k, s.agent));
    assert_string_equal(kit_expect(&k, link, MU_MSG_REGISTERED)->agent_id.s, S1);
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_LOST);
    kit_expect(&k, s.framework, MU_MSG_FAILURE);
    assert_false(kit_agent(&k, S0).found);
    kit_destroy(&k);
}

static void agents_that_do_not_listen_are_told_apart(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    for (int i = 0; i < 2; i++) {
        struct mu_agent_info info;
        agent_info(&info, "", "host1");
        info.port = 0;
        struct mu_msg msg;
        mu_msg_init(&msg, MU_MSG_REGISTER);
        mu_msg_set_agent(&msg, &info);
        mu_agent_info_release(&info);
        kit_message(&k, kit_link(&k), &msg);
    }
    assert_true(kit_agent(&k, S0).active);
    assert_true(kit_agent(&k, S1).active);
    kit_destroy(&k);
}

static void link_lost_during_admission_leaves_the_agent_disconnected(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_register(&k, "host1");
    kit_close(&k, link);
    kit_commit(&k, 0);
    assert_true(kit_agent(&k, S0).found);
    assert_false(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void unregistered_agent_is_removed_and_its_tasks_are_lost(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_simple(&k, s.agent, MU_MSG_UNREGISTER);
    assert_false(kit_agent(&k, S0).found);
    assert_true(kit_closed(&k, s.agent));
    const struct mu_task_status *u = kit_status(&k, s.framework, "t1");
    assert_int_equal(u->state, MU_TASK_LOST);
    assert_string_equal(u->reason, "REASON_AGENT_REMOVED");
    assert_true(MU_ID_EMPTY(u->uuid));
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_LOST);
    assert_true(completed);
    kit_destroy(&k);
}

/* ---- REREGISTER ---- */

static void agent_of_the_registry_comes_back_without_a_commit(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    struct mu_msg msg;
    reregister_msg(&msg, OLD, "host1");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    assert_int_equal(k.commit_count, 0);
    assert_string_equal(kit_expect(&k, link, MU_MSG_REREGISTERED)->agent_id.s, OLD);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    assert_string_equal(kit_agent(&k, OLD).used, "cpus:1;mem:100");
    for (int i = 0; i < 45; i++) { /* beyond the recovery's timer */
        kit_wait(&k, 15000);
        kit_simple(&k, link, MU_MSG_PONG);
    }
    assert_true(kit_agent(&k, OLD).found);
    kit_destroy(&k);
}

static void agent_that_changed_while_away_is_committed_first(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    k.hold_commits = true;
    uint64_t link = kit_reregister(&k, OLD, "host-renamed");
    assert_int_equal(kit_count(&k, link, MU_MSG_REREGISTERED), 0);
    assert_string_equal(k.commits.v[0].record.agent.hostname, "host-renamed");
    kit_commit(&k, 0);
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    kit_destroy(&k);
}

static void unknown_agent_is_adopted_with_its_tasks_and_frameworks_are_told(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct mu_framework_info info = framework_info(FW, "fw");
    uint64_t framework = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    k.hold_commits = true;
    struct mu_msg msg;
    reregister_msg(&msg, OLD, "host1");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    assert_int_equal(kit_task_state(&k, "t1", NULL), -1);
    kit_commit(&k, 0);
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    const struct mu_task_status *u = kit_status(&k, framework, "t1");
    assert_int_equal(u->state, MU_TASK_RUNNING);
    assert_string_equal(u->reason, "REASON_AGENT_REREGISTERED");
    assert_string_equal(u->message, "Unknown agent reregistered");
    assert_int_equal(u->source, MU_SOURCE_MASTER);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void refused_readmission_forgets_an_unknown_agent(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    k.hold_commits = true;
    uint64_t link = kit_reregister(&k, OLD, "host1");
    kit_commit(&k, -ENOSPC);
    kit_expect(&k, link, MU_MSG_REFUSED);
    assert_false(kit_agent(&k, OLD).found);
    k.hold_commits = false;
    uint64_t again = kit_reregister(&k, OLD, "host1");
    kit_expect(&k, again, MU_MSG_REREGISTERED);
    kit_destroy(&k);
}

static void newer_link_replaces_the_older_one(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    assert_true(kit_closed(&k, s.agent));
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    kit_close(&k, s.agent); /* late news of the old one */
    assert_true(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void late_reregistration_on_an_older_link_is_turned_away(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t old = kit_link(&k);
    struct scene s = kit_running_task(&k);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    kit_message(&k, old, &msg);
    assert_true(kit_closed(&k, old));
    assert_false(kit_closed(&k, s.agent));
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void repeated_reregistration_on_one_link_changes_nothing(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1"); /* old: it does not name t1 */
    kit_message(&k, s.agent, &msg);
    assert_int_equal(kit_expect(&k, s.agent, MU_MSG_REREGISTERED)->status_count, 0);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void second_host_with_the_id_of_a_connected_agent_is_refused(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t first = kit_register(&k, "host1");
    uint64_t other = kit_reregister(&k, S0, "host2");
    assert_string_equal(kit_expect(&k, other, MU_MSG_REFUSED)->text,
                        "Agent attempted to reregister with different IP / hostname");
    assert_false(kit_closed(&k, first));
    kit_close(&k, first); /* gone: now it is a host that moved */
    uint64_t again = kit_reregister(&k, S0, "host2");
    kit_expect(&k, again, MU_MSG_REREGISTERED);
    kit_destroy(&k);
}

static void agent_with_other_resources_is_updated_in_the_registry_first(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t first = kit_register(&k, "host1");
    kit_close(&k, first);
    uint64_t framework = kit_subscribe(&k, "fw");
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    mu_resources_release(&msg.agent->resources);
    assert_int_equal(
        mu_resources_parse("cpus:8;mem:100", "*", &msg.agent->resources, NULL), 0);
    k.hold_commits = true;
    kit_message(&k, kit_link(&k), &msg);
    struct mu_offer offer;
    kit_take_offer(&k, framework, &offer);
    assert_int_equal(mu_resources_scalar(&offer.resources, "cpus"), 4000);
    mu_offer_release(&offer);
    kit_commit(&k, 0);
    kit_expect(&k, framework, MU_MSG_RESCIND);
    kit_take_offer(&k, framework, &offer);
    assert_int_equal(mu_resources_scalar(&offer.resources, "cpus"), 8000);
    mu_offer_release(&offer);
    kit_destroy(&k);
}

static void agent_that_shrank_below_its_tasks_is_not_offered(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    mu_resources_release(&msg.agent->resources);
    assert_int_equal(
        mu_resources_parse("cpus:0.5;mem:4096", "*", &msg.agent->resources, NULL), 0);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    kit_simple(&k, s.framework, MU_MSG_REVIVE);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    assert_string_equal(kit_agent(&k, S0).offered, "");
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    assert_string_equal(kit_agent(&k, S0).offered, "cpus:0.5;mem:4096");
    kit_destroy(&k);
}

static void tasks_the_agent_does_not_name_are_put_into_the_answer(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    uint64_t link = kit_reregister(&k, S0, "host1");
    const struct mu_msg *msg = kit_expect(&k, link, MU_MSG_REREGISTERED);
    assert_int_equal(msg->status_count, 1);
    assert_string_equal(msg->statuses[0].task_id.s, "t1");
    assert_int_equal(msg->framework_count, 1);
    assert_string_equal(msg->frameworks[0].id.s, s.framework_id);
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_DROPPED, "u-dropped");
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_DROPPED);
    assert_string_equal(kit_agent(&k, S0).used, "");
    kit_destroy(&k);
}

static void terminal_task_the_agent_has_forgotten_is_completed(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    kit_close(&k, s.agent);
    uint64_t link = kit_reregister(&k, S0, "host1");
    assert_int_equal(kit_expect(&k, link, MU_MSG_REREGISTERED)->status_count, 0);
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_FINISHED);
    assert_true(completed);
    kit_destroy(&k);
}

static void terminal_state_the_master_followed_is_not_revived_by_a_record(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FAILED, "u-end");
    kit_close(&k, s.agent);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_FAILED);
    kit_destroy(&k);
}

static void end_during_a_disconnection_is_taken_from_the_record(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_FINISHED);
    kit_message(&k, kit_link(&k), &msg);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_FINISHED);
    assert_string_equal(kit_agent(&k, S0).used, "");
    kit_destroy(&k);
}

static void gone_agent_is_told_to_shut_down(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD, MASTER_AGENT_GONE);
    kit_recovered(&k, 0);
    uint64_t link = kit_reregister(&k, OLD, "host1");
    assert_string_equal(kit_expect(&k, link, MU_MSG_SHUTDOWN)->text,
                        "Agent has been marked gone");
    assert_true(kit_closed(&k, link));
    kit_destroy(&k);
}

static void one_task_id_on_two_agents_is_counted_once(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct mu_msg msg;
    reregister_msg(&msg, OLD, "host1");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    reregister_msg(&msg, OLD_MASTER_ID "-S8", "host2");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    assert_string_equal(kit_agent(&k, OLD).used, "cpus:1;mem:100");
    assert_string_equal(kit_agent(&k, OLD_MASTER_ID "-S8").used, "");
    kit_destroy(&k);
}

/* ---- silence ---- */

static void agent_that_answers_pings_stays(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_register(&k, "host1");
    for (int i = 0; i < 20; i++) {
        kit_forget(&k);
        kit_wait(&k, 15000);
        kit_expect(&k, link, MU_MSG_PING);
        kit_simple(&k, link, MU_MSG_PONG);
    }
    assert_true(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void pong_in_time_starts_the_count_again(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_register(&k, "host1");
    kit_wait(&k, 80000); /* four pongs missing */
    kit_simple(&k, link, MU_MSG_PONG);
    kit_wait(&k, 80000);
    assert_true(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void missed_pings_make_an_agent_unreachable_and_its_tasks_too(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_wait(&k, 89000);
    assert_true(kit_agent(&k, S0).active);
    k.hold_commits = true;
    kit_wait(&k, 2000);
    assert_true(kit_closed(&k, s.agent));
    assert_null(kit_status(&k, s.framework, "t1")); /* the registry first */
    assert_int_equal(k.commits.v[0].record.state, MASTER_AGENT_UNREACHABLE);
    kit_commit(&k, 0);
    const struct mu_task_status *u = kit_status(&k, s.framework, "t1");
    assert_int_equal(u->state, MU_TASK_UNREACHABLE);
    assert_string_equal(u->reason, "REASON_AGENT_REMOVED");
    assert_string_equal(u->message, "health check timed out");
    assert_string_equal(kit_expect(&k, s.framework, MU_MSG_FAILURE)->agent_id.s, S0);
    assert_int_equal(kit_master_row(&k).agents_unreachable, 1);
    kit_destroy(&k);
}

static void stall_of_the_master_is_no_missed_ping(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    kit_wait(&k, 16000); /* a ping is out */
    for (int i = 0; i < 10; i++) {
        k.now.mono_ms += 60000; /* the loop hung: the pong may be in its queue */
        kit_step(&k, &(struct master_event){.type = MASTER_EV_TICK});
    }
    assert_true(kit_agent(&k, S0).active);
    kit_destroy(&k);
}

static void framework_without_partition_awareness_is_told_lost(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    struct mu_framework_info info = framework_info("", "plain");
    info.capabilities = 0;
    uint64_t framework = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    struct mu_offer offer;
    kit_take_offer(&k, framework, &offer);
    kit_accept(&k, framework, &offer, (const char *[]){"t1", NULL}, 3600000);
    kit_close(&k, agent);
    kit_wait(&k, 601000);
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_LOST);
    /* and it comes back all the same */
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, offer.framework_id.s, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    const struct mu_task_status *u = kit_status(&k, framework, "t1");
    assert_int_equal(u->state, MU_TASK_RUNNING);
    assert_string_equal(u->message, "Unreachable agent re-reregistered");
    bool completed = true;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_RUNNING);
    assert_false(completed);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    mu_offer_release(&offer);
    kit_destroy(&k);
}

static void disconnected_agent_keeps_its_tasks_until_its_time_is_over(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    assert_false(kit_agent(&k, S0).active);
    kit_wait(&k, 599000);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    assert_null(kit_status(&k, s.framework, "t1"));
    kit_wait(&k, 2000);
    assert_string_equal(kit_status(&k, s.framework, "t1")->message,
                        "agent did not reregister within 600secs after disconnecting");
    kit_destroy(&k);
}

static void disconnected_agent_that_returns_is_not_marked(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 599000);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    kit_wait(&k, 10000);
    assert_true(kit_agent(&k, S0).active);
    assert_null(kit_status(&k, s.framework, "t1"));
    kit_destroy(&k);
}

static void return_while_being_marked_waits_for_the_registry(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    k.hold_commits = true;
    kit_wait(&k, 601000);
    uint64_t early = kit_reregister(&k, S0, "host1");
    assert_int_equal(kit_count(&k, early, MU_MSG_REREGISTERED), 0);
    kit_commit(&k, 0);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_UNREACHABLE);
    k.hold_commits = false;
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void mark_that_the_registry_refuses_is_tried_again(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    k.hold_commits = true;
    kit_wait(&k, 601000);
    kit_commit(&k, -ENOSPC);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_wait(&k, 16000);
    kit_commit(&k, 0);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_UNREACHABLE);
    kit_destroy(&k);
}

static void task_that_ended_on_an_unreachable_agent_is_reported_on_return(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 601000);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_FINISHED);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_FINISHED);
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_FINISHED);
    assert_true(completed);
    kit_destroy(&k);
}

static void unreachable_task_the_agent_has_forgotten_is_put_into_the_answer(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 601000);
    uint64_t link = kit_reregister(&k, S0, "host1");
    assert_int_equal(kit_expect(&k, link, MU_MSG_REREGISTERED)->status_count, 1);
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_GONE, "u-gone");
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_GONE);
    kit_ack(&k, s.framework, S0, "t1", "u-gone");
    bool completed = false;
    kit_task_state(&k, "t1", &completed);
    assert_true(completed);
    kit_destroy(&k);
}

static void offer_of_what_a_task_turns_out_to_use_is_rescinded(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 601000);                            /* unreachable */
    uint64_t link = kit_reregister(&k, S0, "host1"); /* names no task */
    kit_simple(&k, s.framework, MU_MSG_REVIVE);
    struct mu_offer offer;
    kit_take_offer(&k, s.framework, &offer);
    assert_int_equal(mu_resources_scalar(&offer.resources, "cpus"), 4000);
    mu_offer_release(&offer);
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_RUNNING, "u-again");
    kit_expect(&k, s.framework, MU_MSG_RESCIND);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    kit_destroy(&k);
}

static void update_from_an_agent_marked_unreachable_is_ignored(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_wait(&k, 91000);
    kit_forget(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    assert_null(kit_status(&k, s.framework, "t1"));
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_UNREACHABLE);
    kit_destroy(&k);
}

static void few_histories(struct master_config *cfg)
{
    cfg->max_completed_tasks = 2;
}

static void list_of_unreachable_tasks_is_bounded(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, few_histories);
    kit_lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t framework = kit_subscribe(&k, "fw");
    struct mu_offer offer;
    kit_take_offer(&k, framework, &offer);
    kit_accept(&k, framework, &offer, (const char *[]){"a", "b", "c", "d", NULL},
               3600000);
    kit_close(&k, agent);
    kit_wait(&k, 601000);
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "b", &completed), MU_TASK_UNREACHABLE);
    assert_true(completed);
    kit_task_state(&k, "d", &completed);
    assert_false(completed);
    /* what went into the history comes back as well */
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, offer.framework_id.s, "b", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    assert_int_equal(kit_task_state(&k, "b", &completed), MU_TASK_RUNNING);
    assert_false(completed);
    mu_offer_release(&offer);
    kit_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_is_told_registered_only_when_the_registry_has_it),
        cmocka_unit_test(repeated_registration_gives_one_id),
        cmocka_unit_test(registering_twice_on_one_link_is_answered_twice),
        cmocka_unit_test(registration_without_a_hostname_is_refused),
        cmocka_unit_test(new_agent_at_the_address_of_one_with_tasks_replaces_it),
        cmocka_unit_test(agents_that_do_not_listen_are_told_apart),
        cmocka_unit_test(link_lost_during_admission_leaves_the_agent_disconnected),
        cmocka_unit_test(unregistered_agent_is_removed_and_its_tasks_are_lost),
        cmocka_unit_test(agent_of_the_registry_comes_back_without_a_commit),
        cmocka_unit_test(agent_that_changed_while_away_is_committed_first),
        cmocka_unit_test(unknown_agent_is_adopted_with_its_tasks_and_frameworks_are_told),
        cmocka_unit_test(refused_readmission_forgets_an_unknown_agent),
        cmocka_unit_test(newer_link_replaces_the_older_one),
        cmocka_unit_test(late_reregistration_on_an_older_link_is_turned_away),
        cmocka_unit_test(repeated_reregistration_on_one_link_changes_nothing),
        cmocka_unit_test(second_host_with_the_id_of_a_connected_agent_is_refused),
        cmocka_unit_test(agent_with_other_resources_is_updated_in_the_registry_first),
        cmocka_unit_test(agent_that_shrank_below_its_tasks_is_not_offered),
        cmocka_unit_test(tasks_the_agent_does_not_name_are_put_into_the_answer),
        cmocka_unit_test(terminal_task_the_agent_has_forgotten_is_completed),
        cmocka_unit_test(terminal_state_the_master_followed_is_not_revived_by_a_record),
        cmocka_unit_test(end_during_a_disconnection_is_taken_from_the_record),
        cmocka_unit_test(gone_agent_is_told_to_shut_down),
        cmocka_unit_test(one_task_id_on_two_agents_is_counted_once),
        cmocka_unit_test(agent_that_answers_pings_stays),
        cmocka_unit_test(pong_in_time_starts_the_count_again),
        cmocka_unit_test(missed_pings_make_an_agent_unreachable_and_its_tasks_too),
        cmocka_unit_test(stall_of_the_master_is_no_missed_ping),
        cmocka_unit_test(framework_without_partition_awareness_is_told_lost),
        cmocka_unit_test(disconnected_agent_keeps_its_tasks_until_its_time_is_over),
        cmocka_unit_test(disconnected_agent_that_returns_is_not_marked),
        cmocka_unit_test(return_while_being_marked_waits_for_the_registry),
        cmocka_unit_test(mark_that_the_registry_refuses_is_tried_again),
        cmocka_unit_test(task_that_ended_on_an_unreachable_agent_is_reported_on_return),
        cmocka_unit_test(unreachable_task_the_agent_has_forgotten_is_put_into_the_answer),
        cmocka_unit_test(offer_of_what_a_task_turns_out_to_use_is_rescinded),
        cmocka_unit_test(update_from_an_agent_marked_unreachable_is_ignored),
        cmocka_unit_test(list_of_unreachable_tasks_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
