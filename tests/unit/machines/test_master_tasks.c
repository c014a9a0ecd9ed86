/* Status updates, acknowledgements, kills, reconciliation. */
#include "master_kit.h"

#define S0 MASTER_ID "-S0"
#define OLD OLD_MASTER_ID "-S7"
#define FW OLD_MASTER_ID "-0003"

static void lead(struct kit *k)
{
    kit_create(k, NULL);
    kit_lead(k);
}

static void kill_task(struct kit *k, uint64_t link, const char *agent, const char *task)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_KILL);
    (void)snprintf(msg.agent_id.s, sizeof(msg.agent_id.s), "%s", agent);
    (void)snprintf(msg.task_id.s, sizeof(msg.task_id.s), "%s", task);
    msg.has_grace = true;
    msg.grace_ms = 7000;
    kit_message(k, link, &msg);
}

static void reconcile(struct kit *k, uint64_t link, const char *agent, const char *task)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_RECONCILE);
    if (task != NULL) {
        struct mu_task_status s = {.state = MU_TASK_RUNNING};
        (void)snprintf(s.agent_id.s, sizeof(s.agent_id.s), "%s", agent);
        (void)snprintf(s.task_id.s, sizeof(s.task_id.s), "%s", task);
        mu_msg_add_status(&msg, &s);
    }
    kit_message(k, link, &msg);
}

static uint64_t subscribe_as(struct kit *k, const char *id, uint32_t capabilities)
{
    struct mu_framework_info info = framework_info(id, "fw");
    info.capabilities = capabilities;
    uint64_t link = kit_subscribe_info(k, &info);
    mu_framework_info_release(&info);
    return link;
}

/* ---- updates and acknowledgements ---- */

static void update_is_passed_on_and_its_acknowledgement_back(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLING, "u2");
    const struct mu_task_status *u = kit_status(&k, s.framework, "t1");
    assert_int_equal(u->state, MU_TASK_KILLING);
    assert_string_equal(u->uuid.s, "u2");
    assert_string_equal(u->agent_id.s, S0);
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_ACK_UPDATE), 0);
    kit_ack(&k, s.framework, S0, "t1", "u2");
    const struct mu_msg *ack = kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE);
    assert_string_equal(ack->uuid.s, "u2");
    assert_string_equal(ack->task_id.s, "t1");
    assert_string_equal(ack->framework_id.s, s.framework_id);
    kit_destroy(&k);
}

static void terminal_update_frees_resources_before_it_is_acknowledged(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    assert_string_equal(kit_agent(&k, S0).used, "");
    bool completed = true;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_FINISHED);
    assert_false(completed);
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    kit_task_state(&k, "t1", &completed);
    assert_true(completed);
    assert_int_equal((int)kit_metric(&k, "master/tasks_finished"), 1);
    kit_destroy(&k);
}

static void latest_state_runs_ahead_of_the_update_being_delivered(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    struct mu_task_status status = {.state = MU_TASK_KILLING};
    (void)snprintf(status.task_id.s, sizeof(status.task_id.s), "t1");
    (void)snprintf(status.framework_id.s, sizeof(status.framework_id.s), "%s",
                   s.framework_id);
    (void)snprintf(status.uuid.s, sizeof(status.uuid.s), "u2");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_STATUS_UPDATE);
    mu_msg_add_status(&msg, &status);
    msg.latest_state = MU_TASK_KILLED;
    kit_message(&k, s.agent, &msg);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_KILLED);
    assert_string_equal(kit_agent(&k, S0).used, "");
    /* reconciliation speaks of the update that will be acknowledged */
    kit_forget(&k);
    reconcile(&k, s.framework, S0, "t1");
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_KILLING);
    /* its acknowledgement does not complete the task */
    kit_ack(&k, s.framework, S0, "t1", "u2");
    bool completed = true;
    kit_task_state(&k, "t1", &completed);
    assert_false(completed);
    kit_destroy(&k);
}

static void repeated_update_is_passed_on_again_and_counted_once(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    for (int i = 0; i < 3; i++) {
        kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FAILED, "u-end");
    }
    assert_int_equal(kit_count(&k, s.framework, MU_MSG_UPDATE), 3);
    assert_int_equal((int)kit_metric(&k, "master/tasks_failed"), 1);
    kit_destroy(&k);
}

static void repeated_update_after_its_acknowledgement_is_acknowledged_again(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    kit_forget(&k); /* the ACK_UPDATE got lost */
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    assert_string_equal(kit_status(&k, s.framework, "t1")->uuid.s, "u-end");
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE);
    bool completed = false;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_FINISHED);
    assert_true(completed);
    kit_destroy(&k);
}

static void terminal_state_is_never_replaced(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FAILED, "u-end");
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_RUNNING, "u-late");
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_FAILED);
    assert_string_equal(kit_agent(&k, S0).used, "");
    kit_destroy(&k);
}

static void unusable_updates_are_ignored(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLING, "");
    kit_update(&k, s.agent, s.framework_id, "t9", MU_TASK_FAILED, "");
    kit_update(&k, s.agent, s.framework_id, "t1", 99, "u");
    kit_update(&k, s.agent, s.framework_id, "", MU_TASK_FAILED, "u");
    kit_simple(&k, s.agent, MU_MSG_STATUS_UPDATE);
    kit_update(&k, s.framework, s.framework_id, "t1", MU_TASK_FAILED,
               "u");                                                 /* not an agent */
    kit_update(&k, 9999, s.framework_id, "t1", MU_TASK_FAILED, "u"); /* nobody's link */
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    assert_int_equal(kit_count(&k, s.framework, MU_MSG_UPDATE), 0);
    kit_destroy(&k);
}

static void refusal_the_agent_does_not_keep_ends_the_task_at_once(void **state)
{
    (void)state;
    static const struct {
        uint32_t capabilities, told;
    } cases[] = {{MU_CAP_PARTITION_AWARE, MU_TASK_DROPPED}, {0, MU_TASK_LOST}};
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct kit k;
        lead(&k);
        uint64_t agent = kit_register(&k, "host1");
        uint64_t link = subscribe_as(&k, "", cases[i].capabilities);
        struct mu_offer o;
        kit_take_offer(&k, link, &o);
        kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 3600000);
        kit_update(&k, agent, o.framework_id.s, "t1", MU_TASK_DROPPED, "");
        mu_offer_release(&o);
        const struct mu_task_status *u = kit_status(&k, link, "t1");
        assert_int_equal(u->state, cases[i].told);
        assert_string_equal(u->agent_id.s, S0);
        assert_true(MU_ID_EMPTY(u->uuid));
        bool completed = false;
        assert_int_equal(kit_task_state(&k, "t1", &completed), cases[i].told);
        assert_true(completed);
        assert_string_equal(kit_agent(&k, S0).used, "");
        kit_destroy(&k);
    }
}

static void refusal_the_agent_does_not_keep_spares_an_end_on_its_way(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_GONE, ""); /* crossed */
    bool completed = true;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_FINISHED);
    assert_false(completed);
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE);
    kit_destroy(&k);
}

static void update_of_a_task_the_master_lacks_is_passed_on(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "unknown", MU_TASK_FAILED, "u9");
    assert_int_equal(kit_status(&k, s.framework, "unknown")->state, MU_TASK_FAILED);
    kit_ack(&k, s.framework, S0, "unknown", "u9");
    assert_string_equal(kit_expect(&k, s.agent, MU_MSG_ACK_UPDATE)->uuid.s, "u9");
    kit_destroy(&k);
}

static void another_agents_update_does_not_touch_a_task_of_the_same_id(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    uint64_t other = kit_register(&k, "host2");
    kit_update(&k, other, s.framework_id, "t1", MU_TASK_FAILED, "u9");
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    kit_destroy(&k);
}

static void new_states_are_translated_for_old_frameworks(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = subscribe_as(&k, FW, 0);
    kit_update(&k, agent, FW, "t9", MU_TASK_GONE, "u9");
    assert_int_equal(kit_status(&k, link, "t9")->state, MU_TASK_LOST);
    kit_destroy(&k);
}

static void wrong_acknowledgements_are_dropped(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    kit_ack(&k, s.framework, "nobody", "t1", "u-end");
    kit_ack(&k, s.framework, S0, "t1", "");
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_ACK_UPDATE), 0);
    kit_ack(&k, s.framework, S0, "t1", "u-other"); /* the agent decides about that one */
    bool completed = true;
    kit_task_state(&k, "t1", &completed);
    assert_false(completed);
    kit_close(&k, s.agent);
    kit_forget(&k);
    kit_ack(&k, s.framework, S0, "t1", "u-end"); /* the agent is away: it resends later */
    kit_task_state(&k, "t1", &completed);
    assert_false(completed);
    kit_destroy(&k);
}

static void acknowledgement_before_any_update_came_through_is_dropped(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 0);
    mu_offer_release(&o);
    kit_ack(&k, link, S0, "t1", "u-stale");
    assert_int_equal(kit_count(&k, agent, MU_MSG_ACK_UPDATE), 0);
    kit_destroy(&k);
}

static void task_id_may_be_used_again_when_its_end_is_acknowledged(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    struct mu_offer o;
    kit_take_offer(&k, s.framework, &o);
    kit_accept(&k, s.framework, &o, (const char *[]){"t1", NULL}, 0);
    mu_offer_release(&o);
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_ERROR);
    kit_ack(&k, s.framework, S0, "t1", "u-end");
    kit_wait(&k, 2000);
    kit_take_offer(&k, s.framework, &o);
    kit_accept(&k, s.framework, &o, (const char *[]){"t1", NULL}, 0);
    mu_offer_release(&o);
    bool completed = true;
    assert_int_equal(kit_task_state(&k, "t1", &completed), MU_TASK_STAGING);
    assert_false(completed);
    kit_destroy(&k);
}

/* ---- KILL ---- */

static void kill_is_passed_to_the_agent(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kill_task(&k, s.framework, "", "t1");
    const struct mu_msg *msg = kit_expect(&k, s.agent, MU_MSG_KILL_TASK);
    assert_string_equal(msg->task_id.s, "t1");
    assert_true(msg->has_grace);
    assert_int_equal(msg->grace_ms, 7000);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void kill_that_names_another_agent_is_dropped(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kill_task(&k, s.framework, "other", "t1");
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_KILL_TASK), 0);
    kit_destroy(&k);
}

static void kill_while_the_agent_is_away_is_sent_when_it_returns(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kill_task(&k, s.framework, S0, "t1");
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    assert_int_equal(kit_expect(&k, link, MU_MSG_KILL_TASK)->grace_ms, 7000);
    kit_destroy(&k);
}

static void kill_of_an_unreachable_task_answers_and_is_kept(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 601000);
    kit_forget(&k);
    kill_task(&k, s.framework, S0, "t1");
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_UNREACHABLE);
    struct mu_msg msg;
    reregister_msg(&msg, S0, "host1");
    add_record(&msg, s.framework_id, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(&k);
    kit_message(&k, link, &msg);
    kit_expect(&k, link, MU_MSG_KILL_TASK);
    kit_destroy(&k);
}

static void kill_of_an_ended_task_is_not_passed_on(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    kill_task(&k, s.framework, S0, "t1");
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_KILL_TASK), 0);
    kit_destroy(&k);
}

static void kill_of_an_unknown_task_is_answered(void **state)
{
    (void)state;
    static const struct {
        uint32_t capabilities;
        const char *agent;
        uint32_t state;
    } cases[] = {
        {MU_CAP_PARTITION_AWARE, "", MU_TASK_UNKNOWN},
        {MU_CAP_PARTITION_AWARE, "nobody", MU_TASK_UNKNOWN},
        {MU_CAP_PARTITION_AWARE, S0, MU_TASK_GONE},
        {0, "", MU_TASK_LOST},
        {0, S0, MU_TASK_LOST},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct kit k;
        lead(&k);
        kit_register(&k, "host1");
        uint64_t link = subscribe_as(&k, "", cases[i].capabilities);
        kill_task(&k, link, cases[i].agent, "t9");
        const struct mu_task_status *u = kit_status(&k, link, "t9");
        assert_int_equal(u->state, cases[i].state);
        assert_string_equal(u->reason, "REASON_RECONCILIATION");
        assert_true(MU_ID_EMPTY(u->uuid));
        kit_destroy(&k);
    }
}

/* ---- RECONCILE ---- */

static void known_task_is_answered_with_its_state(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    reconcile(&k, s.framework, S0, "t1");
    const struct mu_task_status *u = kit_status(&k, s.framework, "t1");
    assert_int_equal(u->state, MU_TASK_RUNNING);
    assert_int_equal(u->source, MU_SOURCE_MASTER);
    assert_string_equal(u->message, "Reconciliation: Latest task state");
    assert_true(MU_ID_EMPTY(u->uuid));
    kit_destroy(&k);
}

static void implicit_reconciliation_names_all_tasks_still_held(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_accept(&k, link, &o, (const char *[]){"a", "b", "c", NULL}, 3600000);
    kit_update(&k, agent, o.framework_id.s, "b", MU_TASK_FAILED, "ub");
    kit_update(&k, agent, o.framework_id.s, "c", MU_TASK_FAILED, "uc");
    kit_ack(&k, link, S0, "c", "uc");
    kit_forget(&k);
    reconcile(&k, link, NULL, NULL);
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 2);
    assert_int_equal(kit_status(&k, link, "a")->state, MU_TASK_STAGING);
    assert_int_equal(kit_status(&k, link, "b")->state, MU_TASK_FAILED);
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void unreachable_and_gone_agents_are_told_apart(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD_MASTER_ID "-S1", MASTER_AGENT_UNREACHABLE);
    kit_entry(&k, OLD_MASTER_ID "-S2", MASTER_AGENT_GONE);
    kit_recovered(&k, 0);
    uint64_t link = subscribe_as(&k, FW, MU_CAP_PARTITION_AWARE);
    reconcile(&k, link, OLD_MASTER_ID "-S1", "a");
    reconcile(&k, link, OLD_MASTER_ID "-S2", "b");
    reconcile(&k, link, OLD_MASTER_ID "-S3", "c");
    assert_int_equal(kit_status(&k, link, "a")->state, MU_TASK_UNREACHABLE);
    assert_int_equal(kit_status(&k, link, "b")->state, MU_TASK_GONE_BY_OPERATOR);
    assert_int_equal(kit_status(&k, link, "c")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

static void nothing_is_said_while_a_recovered_agent_may_come_back(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    uint64_t link = subscribe_as(&k, FW, MU_CAP_PARTITION_AWARE);
    reconcile(&k, link, OLD, "t1");
    reconcile(&k, link, "", "t1");
    kill_task(&k, link, OLD, "t1");
    assert_null(kit_status(&k, link, "t1"));
    k.hold_commits = true;
    kit_wait(&k, 601000); /* being marked: still nothing */
    reconcile(&k, link, OLD, "t1");
    assert_null(kit_status(&k, link, "t1"));
    kit_commit(&k, 0);
    reconcile(&k, link, OLD, "t1");
    assert_int_equal(kit_status(&k, link, "t1")->state, MU_TASK_UNREACHABLE);
    kit_destroy(&k);
}

static void returned_agent_without_the_task_ends_the_silence(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD, MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    uint64_t link = subscribe_as(&k, FW, MU_CAP_PARTITION_AWARE);
    kit_reregister(&k, OLD, "host1");
    reconcile(&k, link, OLD, "t1");
    assert_int_equal(kit_status(&k, link, "t1")->state, MU_TASK_GONE);
    reconcile(&k, link, "", "t2");
    assert_int_equal(kit_status(&k, link, "t2")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

static void open_question_is_answered_in_slices(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 1);
    kit_entry(&k, OLD_MASTER_ID "-S0", MASTER_AGENT_ADMITTED);
    kit_recovered(&k, 0);
    struct mu_msg msg;
    reregister_msg(&msg, OLD_MASTER_ID "-S0", "host1");
    for (int i = 0; i < 2500; i++) {
        char task[16];
        (void)snprintf(task, sizeof(task), "t%d", i);
        add_record(&msg, OLD_MASTER_ID "-0000", task, MU_TASK_RUNNING);
    }
    kit_message(&k, kit_link(&k), &msg);
    struct mu_framework_info info = framework_info(OLD_MASTER_ID "-0000", "fw");
    uint64_t link = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    kit_forget(&k);
    kit_simple(&k, link, MU_MSG_RECONCILE);
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 1000);
    kit_wait(&k, 10);
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 2000);
    kit_simple(&k, link, MU_MSG_RECONCILE); /* asked anew: all again */
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 3000);
    kit_wait(&k, 1000);
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 4500);
    kit_forget(&k);
    kit_simple(&k, link, MU_MSG_RECONCILE);
    kit_close(&k, link); /* nobody is there for the rest */
    kit_wait(&k, 1000);
    assert_int_equal(kit_count(&k, link, MU_MSG_UPDATE), 1000);
    kit_destroy(&k);
}

static void empty_registry_keeps_silent_towards_older_frameworks(void **state)
{
    (void)state;
    struct kit k;
    lead(&k); /* a registry in memory: this master has never heard of any agent */
    uint64_t older = subscribe_as(&k, FW, MU_CAP_PARTITION_AWARE);
    uint64_t born_here = subscribe_as(&k, "", MU_CAP_PARTITION_AWARE);
    reconcile(&k, older, OLD, "t1");
    assert_null(kit_status(&k, older, "t1"));
    reconcile(&k, born_here, OLD, "t2");
    assert_int_equal(kit_status(&k, born_here, "t2")->state, MU_TASK_UNKNOWN);
    kit_wait(&k, 601000);
    reconcile(&k, older, OLD, "t1");
    assert_int_equal(kit_status(&k, older, "t1")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

/* ---- views ---- */

struct statuses {
    char text[256];
};

static void on_task(void *arg, const void *row)
{
    struct statuses *s = arg;
    const struct mu_task_row *t = row;
    for (size_t i = 0; i < t->status_count; i++) {
        size_t at = strlen(s->text);
        (void)snprintf(s->text + at, sizeof(s->text) - at, "%s:%s:%s ",
                       mu_task_state_name(t->statuses[i].state), t->statuses[i].uuid.s,
                       t->statuses[i].message);
    }
}

static void history_keeps_the_last_status_of_each_run_of_equal_states(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_RUNNING, "u-run2");
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    struct statuses seen = {""};
    assert_int_equal(master_query(k.m, MU_Q_TASKS, s.framework_id, on_task, &seen), 1);
    assert_string_equal(seen.text, "TASK_RUNNING:u-run2: TASK_FINISHED:u-end: ");
    assert_int_equal(master_query(k.m, MU_Q_TASKS, "nobody", on_task, &seen), 0);
    assert_int_equal(master_query(k.m, MU_Q_APPS, NULL, on_task, &seen), MU_E_INVALID);
    kit_destroy(&k);
}

static void metrics_follow_the_tasks(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k);
    assert_int_equal((int)kit_metric(&k, "master/tasks_running"), 1);
    assert_int_equal((int)kit_metric(&k, "master/slaves_active"), 1);
    assert_int_equal((int)kit_metric(&k, "master/cpus_used"), 1);
    assert_int_equal((int)kit_metric(&k, "master/cpus_total"), 4);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_KILLED, "u-end");
    assert_int_equal((int)kit_metric(&k, "master/tasks_running"), 0);
    assert_int_equal((int)kit_metric(&k, "master/tasks_killed"), 1);
    assert_int_equal((int)kit_metric(&k, "master/cpus_used"), 0);
    kit_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_is_passed_on_and_its_acknowledgement_back),
        cmocka_unit_test(terminal_update_frees_resources_before_it_is_acknowledged),
        cmocka_unit_test(latest_state_runs_ahead_of_the_update_being_delivered),
        cmocka_unit_test(repeated_update_is_passed_on_again_and_counted_once),
        cmocka_unit_test(repeated_update_after_its_acknowledgement_is_acknowledged_again),
        cmocka_unit_test(terminal_state_is_never_replaced),
        cmocka_unit_test(unusable_updates_are_ignored),
        cmocka_unit_test(refusal_the_agent_does_not_keep_ends_the_task_at_once),
        cmocka_unit_test(refusal_the_agent_does_not_keep_spares_an_end_on_its_way),
        cmocka_unit_test(update_of_a_task_the_master_lacks_is_passed_on),
        cmocka_unit_test(another_agents_update_does_not_touch_a_task_of_the_same_id),
        cmocka_unit_test(new_states_are_translated_for_old_frameworks),
        cmocka_unit_test(wrong_acknowledgements_are_dropped),
        cmocka_unit_test(acknowledgement_before_any_update_came_through_is_dropped),
        cmocka_unit_test(task_id_may_be_used_again_when_its_end_is_acknowledged),
        cmocka_unit_test(kill_is_passed_to_the_agent),
        cmocka_unit_test(kill_that_names_another_agent_is_dropped),
        cmocka_unit_test(kill_while_the_agent_is_away_is_sent_when_it_returns),
        cmocka_unit_test(kill_of_an_unreachable_task_answers_and_is_kept),
        cmocka_unit_test(kill_of_an_ended_task_is_not_passed_on),
        cmocka_unit_test(kill_of_an_unknown_task_is_answered),
        cmocka_unit_test(known_task_is_answered_with_its_state),
        cmocka_unit_test(implicit_reconciliation_names_all_tasks_still_held),
        cmocka_unit_test(unreachable_and_gone_agents_are_told_apart),
        cmocka_unit_test(nothing_is_said_while_a_recovered_agent_may_come_back),
        cmocka_unit_test(returned_agent_without_the_task_ends_the_silence),
        cmocka_unit_test(open_question_is_answered_in_slices),
        cmocka_unit_test(empty_registry_keeps_silent_towards_older_frameworks),
        cmocka_unit_test(history_keeps_the_last_status_of_each_run_of_equal_states),
        cmocka_unit_test(metrics_follow_the_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
