/* Subscription, failover, disconnection and removal of frameworks. */
#include "master_kit.h"

#define S0 MASTER_ID "-S0"
#define FW OLD_MASTER_ID "-0003"

static void lead(struct kit *k)
{
    kit_create(k, NULL);
    kit_lead(k);
}

struct framework_view {
    const char *id;
    bool found, connected, completed;
    int64_t unregistered_ms;
    char role[64];
    int64_t used_cpus;
};

static void on_row(void *arg, const void *row)
{
    struct framework_view *v = arg;
    const struct mu_framework_row *f = row;
    v->found = true;
    v->connected = f->connected;
    v->completed = f->completed;
    v->unregistered_ms = f->unregistered_ms;
    v->used_cpus = mu_resources_scalar(f->used, "cpus");
    (void)snprintf(v->role, sizeof(v->role), "%s", f->role);
}

static struct framework_view view(struct kit *k, const char *id)
{
    struct framework_view v = {.id = id};
    assert_true(master_query(k->m, MU_Q_FRAMEWORKS, id, on_row, &v) >= 0);
    return v;
}

static uint64_t resubscribe(struct kit *k, const char *id)
{
    struct mu_framework_info info = framework_info(id, "fw");
    uint64_t link = kit_subscribe_info(k, &info);
    mu_framework_info_release(&info);
    return link;
}

static void new_framework_gets_an_id_a_heartbeat_and_offers(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    const struct mu_msg *msg = kit_expect(&k, link, MU_MSG_SUBSCRIBED);
    assert_string_equal(msg->framework_id.s, MASTER_ID "-0000");
    assert_string_equal(msg->text, MASTER_ID);
    assert_int_equal(msg->heartbeat_ms, 15000);
    kit_expect(&k, link, MU_MSG_HEARTBEAT);
    kit_expect(&k, link, MU_MSG_OFFERS);
    kit_wait(&k, 15000);
    assert_int_equal(kit_count(&k, link, MU_MSG_HEARTBEAT), 2);
    kit_destroy(&k);
}

static void subscribing_twice_on_one_link_makes_one_framework(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_framework_info info = framework_info("", "fw");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_SUBSCRIBE);
    mu_msg_set_framework(&msg, &info);
    mu_framework_info_release(&info);
    kit_message(&k, link, &msg);
    assert_int_equal(kit_count(&k, link, MU_MSG_SUBSCRIBED), 2);
    assert_string_equal(kit_find(&k, link, MU_MSG_SUBSCRIBED, 1)->framework_id.s,
                        MASTER_ID "-0000");
    assert_false(view(&k, MASTER_ID "-0001").found);
    kit_destroy(&k);
}

static void id_of_another_master_is_kept(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = resubscribe(&k, "nope");
    assert_string_equal(kit_expect(&k, link, MU_MSG_SUBSCRIBED)->framework_id.s, "nope");
    kit_destroy(&k);
}

static void invalid_infos_are_refused_with_an_error(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    static const char *const roles[] = {"a b", "/a", "a//b", "..", "-x"};
    for (size_t i = 0; i < MU_COUNT_OF(roles); i++) {
        struct mu_framework_info info = framework_info("", "fw");
        info.role = mu_xstrdup(roles[i]);
        uint64_t link = kit_subscribe_info(&k, &info);
        mu_framework_info_release(&info);
        assert_non_null(
            strstr(kit_expect(&k, link, MU_MSG_ERROR)->text, "is not a valid role"));
        assert_true(kit_closed(&k, link));
    }
    struct mu_framework_info info = framework_info("", "fw");
    info.failover_timeout_ms = UINT64_MAX;
    uint64_t link = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    assert_non_null(strstr(kit_expect(&k, link, MU_MSG_ERROR)->text, "failover_timeout"));
    uint64_t bad_id = resubscribe(&k, "a/b");
    kit_expect(&k, bad_id, MU_MSG_ERROR);
    uint64_t nothing = kit_link(&k);
    kit_simple(&k, nothing, MU_MSG_SUBSCRIBE);
    kit_expect(&k, nothing, MU_MSG_ERROR);
    kit_destroy(&k);
}

static void newer_connection_takes_over_and_the_older_one_is_told(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t old = kit_subscribe(&k, "fw");
    struct mu_offer offer;
    kit_take_offer(&k, old, &offer);
    uint64_t link = resubscribe(&k, MASTER_ID "-0000");
    assert_string_equal(kit_expect(&k, old, MU_MSG_ERROR)->text, "Framework failed over");
    assert_true(kit_closed(&k, old));
    assert_int_equal(kit_count(&k, old, MU_MSG_RESCIND), 0);
    kit_expect(&k, link, MU_MSG_SUBSCRIBED);
    kit_expect(&k, link, MU_MSG_OFFERS);
    kit_close(&k, old); /* late */
    assert_true(view(&k, MASTER_ID "-0000").connected);
    /* the old offer is void */
    kit_accept(&k, link, &offer, (const char *[]){"t1", NULL}, 0);
    assert_int_equal(kit_status(&k, link, "t1")->state, MU_TASK_DROPPED);
    mu_offer_release(&offer);
    kit_destroy(&k);
}

static void calls_over_a_replaced_link_are_dropped(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    resubscribe(&k, s.framework_id);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    assert_true(view(&k, s.framework_id).connected);
    assert_true(kit_metric(&k, "master/dropped_messages") >= 1);
    kit_destroy(&k);
}

static void call_that_names_another_framework_is_dropped(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    kit_subscribe(&k, "victim");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_TEARDOWN);
    (void)snprintf(msg.framework_id.s, sizeof(msg.framework_id.s), MASTER_ID "-0001");
    kit_message(&k, link, &msg);
    assert_true(view(&k, MASTER_ID "-0000").connected);
    assert_true(view(&k, MASTER_ID "-0001").connected);
    kit_destroy(&k);
}

static void principal_must_stay_the_same(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t old = kit_subscribe(&k, "fw");
    struct mu_framework_info info = framework_info(MASTER_ID "-0000", "fw");
    info.principal = mu_xstrdup("other");
    uint64_t link = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    assert_string_equal(kit_expect(&k, link, MU_MSG_ERROR)->text,
                        "Changing framework's principal is not allowed.");
    assert_false(kit_closed(&k, old));
    kit_destroy(&k);
}

static void role_may_change_on_return(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    struct mu_framework_info info = framework_info(s.framework_id, "fw");
    info.role = mu_xstrdup("web");
    kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    struct framework_view v = view(&k, s.framework_id);
    assert_string_equal(v.role, "web");
    assert_int_equal(v.used_cpus, 1000);
    kit_destroy(&k);
}

static void disconnected_framework_keeps_its_tasks_until_its_failover_time(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.framework);
    assert_false(view(&k, s.framework_id).connected);
    for (int i = 0; i < 239; i++) {
        kit_wait(&k, 15000);
        kit_simple(&k, s.agent, MU_MSG_PONG);
    }
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_KILL_TASK), 0);
    kit_wait(&k, 16000);
    assert_string_equal(kit_expect(&k, s.agent, MU_MSG_KILL_TASK)->task_id.s, "t1");
    assert_true(view(&k, s.framework_id).completed);
    kit_destroy(&k);
}

static void framework_that_returns_in_time_is_not_removed(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.framework);
    kit_wait(&k, 3000);
    resubscribe(&k, s.framework_id);
    for (int i = 0; i < 250; i++) {
        kit_wait(&k, 15000);
        kit_simple(&k, s.agent, MU_MSG_PONG);
    }
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_KILL_TASK), 0);
    kit_destroy(&k);
}

static void failover_time_of_zero_removes_at_once(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct mu_framework_info info = framework_info("", "fw");
    info.failover_timeout_ms = 0;
    uint64_t link = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    kit_close(&k, link);
    assert_true(view(&k, MASTER_ID "-0000").completed);
    kit_destroy(&k);
}

static void torn_down_framework_stays_until_its_tasks_have_ended(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    assert_true(kit_closed(&k, s.framework));
    assert_int_equal(kit_count(&k, s.framework, MU_MSG_ERROR), 0);
    kit_expect(&k, s.agent, MU_MSG_KILL_TASK);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100"); /* it still runs */
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLED, "u-end");
    assert_string_equal(kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE)->uuid.s, "u-end");
    assert_string_equal(kit_agent(&k, S0).used, "");
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_KILLED);
    assert_true(completed);
    kit_destroy(&k);
}

static void operator_may_tear_down_any_framework(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_TEARDOWN);
    (void)snprintf(msg.framework_id.s, sizeof(msg.framework_id.s), MASTER_ID "-0000");
    kit_message(&k, 0, &msg);
    assert_true(kit_closed(&k, link));
    assert_true(view(&k, MASTER_ID "-0000").completed);
    kit_simple(&k, 0, MU_MSG_TEARDOWN); /* nobody's: dropped */
    kit_destroy(&k);
}

static void removed_framework_may_not_return(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    uint64_t link = resubscribe(&k, s.framework_id);
    assert_string_equal(kit_expect(&k, link, MU_MSG_ERROR)->text,
                        "Framework has been removed");
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLED, "u-end");
    uint64_t later = resubscribe(&k, s.framework_id);
    kit_expect(&k, later, MU_MSG_ERROR);
    kit_destroy(&k);
}

static void tasks_of_a_removed_framework_are_killed_when_their_agent_returns(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 601000); /* unreachable */
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_KILLED);
    assert_true(completed);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    kit_expect(&k, link, MU_MSG_KILL_TASK);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    kit_update(&k, link, s.framework_id, "t1", MU_TASK_KILLED, "u-end");
    kit_expect(&k, link, MU_MSG_ACK_UPDATE);
    assert_true(view(&k, s.framework_id).completed);
    kit_destroy(&k);
}

static void removal_is_complete_when_a_silent_agent_becomes_unreachable(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    bool completed = true;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_RUNNING);
    assert_false(completed); /* it may still run: nobody could be asked to end it */
    kit_wait(&k, 601000);
    kit_task_state(&k, "t1", &completed);
    assert_true(completed);
    kit_destroy(&k);
}

static void update_of_a_framework_nobody_knows_is_acknowledged(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    kit_update(&k, agent, "long-gone", "t1", MU_TASK_FINISHED, "u-end");
    assert_string_equal(kit_expect(&k, agent, MU_MSG_ACK_UPDATE)->uuid.s, "u-end");
    kit_destroy(&k);
}

static void framework_known_through_agents_becomes_live_on_subscribe(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct mu_msg msg;
    reregister_msg(&msg, OLD_MASTER_ID "-S1", "host1");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    kit_message(&k, kit_link(&k), &msg);
    assert_true(view(&k, FW).found);
    assert_false(view(&k, FW).connected);
    assert_int_equal(view(&k, FW).used_cpus, 1000);
    uint64_t link = resubscribe(&k, FW);
    kit_expect(&k, link, MU_MSG_SUBSCRIBED);
    assert_true(view(&k, FW).connected);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void recovered_framework_is_waited_for_as_long_as_agents_are(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct mu_msg msg;
    reregister_msg(&msg, OLD_MASTER_ID "-S1", "host1");
    add_record(&msg, FW, "t1", MU_TASK_RUNNING); /* its failover time is one second */
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    for (int i = 0; i < 39; i++) {
        kit_wait(&k, 15000);
        kit_simple(&k, link, MU_MSG_PONG);
    }
    assert_int_equal(kit_count(&k, link, MU_MSG_KILL_TASK), 0);
    kit_wait(&k, 16000);
    kit_expect(&k, link, MU_MSG_KILL_TASK);
    kit_destroy(&k);
}

static void small_rings(struct master_config *cfg)
{
    cfg->max_completed_frameworks = 1;
    cfg->max_completed_tasks = 1;
}

static void histories_are_bounded(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, small_rings);
    kit_lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u1");
    kit_ack(&k, s.framework, S0, "t1", "u1");
    kit_simple(&k, s.framework, MU_MSG_REVIVE);
    struct mu_offer offer;
    kit_take_offer(&k, s.framework, &offer);
    kit_accept(&k, s.framework, &offer, (const char *[]){"t2", NULL}, 1000);
    mu_offer_release(&offer);
    kit_update(&k, s.agent, s.framework_id, "t2", MU_TASK_FINISHED, "u2");
    kit_ack(&k, s.framework, S0, "t2", "u2");
    assert_int_equal(kit_task_state(&k, "t1", NULL), -1);
    assert_int_equal(kit_task_state(&k, "t2", NULL), MU_TASK_FINISHED);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    assert_true(view(&k, s.framework_id).found);
    uint64_t link = kit_subscribe(&k, "another");
    kit_simple(&k, link, MU_MSG_TEARDOWN);
    assert_false(view(&k, s.framework_id).found);
    kit_destroy(&k);
}

static void no_rings(struct master_config *cfg)
{
    cfg->max_completed_frameworks = 0;
    cfg->max_completed_tasks = 0;
}

static void histories_may_be_switched_off(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, no_rings);
    kit_lead(&k);
    struct scene s = kit_running_task(&k);
    kit_simple(&k, s.framework, MU_MSG_TEARDOWN);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLED, "u-end");
    assert_int_equal(kit_task_state(&k, "t1", NULL), -1);
    assert_false(view(&k, s.framework_id).found);
    kit_destroy(&k);
}

static void unacknowledged_update_is_sent_again_after_a_return(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.framework);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    uint64_t link = resubscribe(&k, s.framework_id);
    assert_string_equal(kit_status(&k, link, "t1")->uuid.s, "u-end");
    kit_ack(&k, link, S0, "t1", "u-end");
    assert_string_equal(kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE)->uuid.s, "u-end");
    kit_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_framework_gets_an_id_a_heartbeat_and_offers),
        cmocka_unit_test(subscribing_twice_on_one_link_makes_one_framework),
        cmocka_unit_test(id_of_another_master_is_kept),
        cmocka_unit_test(invalid_infos_are_refused_with_an_error),
        cmocka_unit_test(newer_connection_takes_over_and_the_older_one_is_told),
        cmocka_unit_test(calls_over_a_replaced_link_are_dropped),
        cmocka_unit_test(call_that_names_another_framework_is_dropped),
        cmocka_unit_test(principal_must_stay_the_same),
        cmocka_unit_test(role_may_change_on_return),
        cmocka_unit_test(disconnected_framework_keeps_its_tasks_until_its_failover_time),
        cmocka_unit_test(framework_that_returns_in_time_is_not_removed),
        cmocka_unit_test(failover_time_of_zero_removes_at_once),
        cmocka_unit_test(torn_down_framework_stays_until_its_tasks_have_ended),
        cmocka_unit_test(operator_may_tear_down_any_framework),
        cmocka_unit_test(removed_framework_may_not_return),
        cmocka_unit_test(
            tasks_of_a_removed_framework_are_killed_when_their_agent_returns),
        cmocka_unit_test(removal_is_complete_when_a_silent_agent_becomes_unreachable),
        cmocka_unit_test(update_of_a_framework_nobody_knows_is_acknowledged),
        cmocka_unit_test(framework_known_through_agents_becomes_live_on_subscribe),
        cmocka_unit_test(recovered_framework_is_waited_for_as_long_as_agents_are),
        cmocka_unit_test(histories_are_bounded),
        cmocka_unit_test(histories_may_be_switched_off),
        cmocka_unit_test(unacknowledged_update_is_sent_again_after_a_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
