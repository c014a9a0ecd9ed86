/* After a failover: agents that come back, those that do not, how fast those are given
 * up, what becomes of old records, and what an operator says about an agent.
 */
#include <errno.h>

#include "master/state.h"
#include "master_kit.h"

#define FW OLD_MASTER_ID "-0000"
#define S(n) OLD_MASTER_ID "-S" #n
#define MINUTE 60000u
#define DAY (24 * 60 * MINUTE)

/* Elected, with agents S0..S(n-1) on host0.. in the registry. */
static void lead_with(struct kit *k, void (*change)(struct master_config *), size_t n)
{
    kit_create(k, change);
    kit_elect(k, 2);
    for (size_t i = 0; i < n; i++) {
        char id[MU_ID_MAX];
        char host[16];
        (void)snprintf(id, sizeof(id), OLD_MASTER_ID "-S%zu", i);
        (void)snprintf(host, sizeof(host), "host%zu", i);
        kit_entry_on(k, id, host, MASTER_AGENT_ADMITTED, 5);
    }
    kit_recovered(k, 0);
}

static uint64_t come_back(struct kit *k, size_t n)
{
    char id[MU_ID_MAX];
    char host[16];
    (void)snprintf(id, sizeof(id), OLD_MASTER_ID "-S%zu", n);
    (void)snprintf(host, sizeof(host), "host%zu", n);
    return kit_reregister(k, id, host);
}

static uint64_t come_back_with(struct kit *k, const char *id, const char *host)
{
    struct mu_msg msg;
    reregister_msg(&msg, id, host);
    add_record(&msg, FW, "t1", MU_TASK_RUNNING);
    uint64_t link = kit_link(k);
    kit_message(k, link, &msg);
    return link;
}

static uint64_t old_framework(struct kit *k)
{
    struct mu_framework_info info = framework_info(FW, "fw");
    uint64_t link = kit_subscribe_info(k, &info);
    mu_framework_info_release(&info);
    return link;
}

static void ask(struct kit *k, uint64_t framework, const char *task, const char *agent)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_RECONCILE);
    struct mu_task_status s = {.state = MU_TASK_RUNNING};
    (void)snprintf(s.task_id.s, sizeof(s.task_id.s), "%s", task);
    (void)snprintf(s.agent_id.s, sizeof(s.agent_id.s), "%s", agent);
    mu_msg_add_status(&msg, &s);
    kit_message(k, framework, &msg);
}

static void mark_gone(struct kit *k, const char *agent)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_MARK_GONE);
    (void)snprintf(msg.agent_id.s, sizeof(msg.agent_id.s), "%s", agent);
    kit_message(k, 0, &msg);
}

static int metric(struct kit *k, const char *name)
{
    char full[96];
    (void)snprintf(full, sizeof(full), "master/%s", name);
    return (int)kit_metric(k, full);
}

/* ---- coming back ---- */

static void progress_of_the_return_is_told(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 3);
    assert_string_equal(kit_waiting_for(&k), "3 agents to re-register, 0 of 3 are back");
    come_back(&k, 1);
    assert_true(kit_logged(&k, "1 of 3 agents are back"));
    assert_int_equal(metric(&k, "recovery_slaves_known"), 3);
    assert_int_equal(metric(&k, "recovery_slaves_back"), 1);
    come_back(&k, 1); /* again: not counted twice */
    assert_int_equal(metric(&k, "recovery_slaves_back"), 1);
    come_back(&k, 0);
    come_back(&k, 2);
    assert_true(kit_logged(&k, "all 3 agents are back"));
    assert_string_equal(kit_waiting_for(&k), "");
    kit_forget(&k);
    kit_wait(&k, 10 * MINUTE);
    assert_false(kit_logged(&k, "did not come back"));
    kit_destroy(&k);
}

static void framework_hears_of_its_tasks_as_their_agent_comes_back(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    uint64_t framework = old_framework(&k);
    ask(&k, framework, "t1", S(0));
    assert_null(kit_status(&k, framework, "t1")); /* silence: it may come back */
    come_back_with(&k, S(0), "host0");
    const struct mu_task_status *u = kit_status(&k, framework, "t1");
    assert_int_equal(u->state, MU_TASK_RUNNING);
    assert_string_equal(u->reason, "REASON_AGENT_REREGISTERED");
    kit_destroy(&k);
}

static void end_of_a_task_is_left_to_its_agent_to_tell(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    uint64_t framework = old_framework(&k);
    struct mu_msg msg;
    reregister_msg(&msg, S(0), "host0");
    add_record(&msg, FW, "t1", MU_TASK_FAILED);
    uint64_t agent = kit_link(&k);
    kit_message(&k, agent, &msg);
    assert_null(kit_status(&k, framework, "t1")); /* not without its exit status */
    ask(&k, framework, "t1", S(0));
    assert_null(kit_status(&k, framework, "t1"));
    kit_update(&k, agent, FW, "t1", MU_TASK_FAILED,
               "aaaaaaaa-0000-4000-8000-000000000000");
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_FAILED);
    assert_string_equal(kit_status(&k, framework, "t1")->uuid.s,
                        "aaaaaaaa-0000-4000-8000-000000000000");
    kit_forget(&k);
    ask(&k, framework, "t1", S(0)); /* now it was told, and can be told again */
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_FAILED);
    kit_destroy(&k);
}

static void agent_before_its_framework_keeps_the_tasks_for_it(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    come_back_with(&k, S(0), "host0");
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_RUNNING);
    uint64_t framework = old_framework(&k);
    ask(&k, framework, "t1", S(0));
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void tasks_of_a_framework_that_never_returns_are_stopped_after_its_time(void **st)
{
    (void)st;
    struct kit k;
    lead_with(&k, NULL, 1);
    uint64_t agent = come_back_with(&k, S(0), "host0");
    for (int i = 0; i < 39; i++) { /* its own failover time is a second */
        kit_wait(&k, 15000);
        kit_simple(&k, agent, MU_MSG_PONG);
    }
    assert_int_equal(kit_count(&k, agent, MU_MSG_KILL_TASK), 0);
    kit_wait(&k, 15001);
    assert_string_equal(kit_expect(&k, agent, MU_MSG_KILL_TASK)->task_id.s, "t1");
    kit_destroy(&k);
}

static void unknown_agent_that_dials_twice_is_admitted_as_it_is_now(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 0);
    k.hold_commits = true;
    uint64_t first = kit_reregister(&k, S(7), "host7");
    uint64_t second = kit_reregister(&k, S(7), "renamed");
    assert_true(kit_closed(&k, first));
    assert_int_equal(k.commits.count, 1);
    kit_commit(&k, 0);
    kit_expect(&k, second, MU_MSG_REREGISTERED);
    assert_int_equal(kit_count(&k, second, MU_MSG_REREGISTERED), 1);
    assert_int_equal(k.commits.count, 1); /* the registry has the old name */
    assert_string_equal(k.commits.v[0].record.agent.hostname, "renamed");
    kit_commit(&k, 0);
    assert_true(kit_agent(&k, S(7)).active);
    kit_destroy(&k);
}

static void answer_names_the_leadership(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    uint64_t link = come_back(&k, 0);
    assert_int_equal(kit_expect(&k, link, MU_MSG_REREGISTERED)->epoch, 2);
    link = kit_register(&k, "new");
    assert_int_equal(kit_expect(&k, link, MU_MSG_REGISTERED)->epoch, 2);
    kit_destroy(&k);
}

/* ---- not coming back ---- */

static void missing_agents_become_unreachable_when_their_time_is_over(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 3);
    uint64_t framework = old_framework(&k);
    uint64_t agent = come_back(&k, 1);
    for (int i = 0; i < 40; i++) {
        kit_simple(&k, agent, MU_MSG_PONG);
        kit_wait(&k, 15000);
    }
    assert_true(kit_logged(&k, "2 of 3 agents did not come back in time"));
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_UNREACHABLE);
    assert_int_equal(kit_record_state(&k, S(1)), MASTER_AGENT_ADMITTED);
    assert_int_equal(metric(&k, "recovery_slave_removals"), 2);
    ask(&k, framework, "t1", S(0));
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_UNREACHABLE);
    come_back_with(&k, S(0), "host0");
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_ADMITTED);
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void one_agent_a_minute(struct master_config *cfg)
{
    cfg->agent_removal_permits = 2;
    cfg->agent_removal_per_ms = 2 * MINUTE;
}

static void removals_keep_to_their_rate(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, one_agent_a_minute, 4);
    kit_wait(&k, 10 * MINUTE);
    assert_int_equal(metric(&k, "slave_unreachable_scheduled"), 4);
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 1);
    kit_wait(&k, MINUTE - 1);
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 1);
    kit_wait(&k, 1);
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 2);
    kit_wait(&k, 5 * MINUTE);
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 4);
    assert_int_equal(metric(&k, "slaves_unreachable"), 4);
    kit_destroy(&k);
}

static void return_in_time_cancels_a_scheduled_removal(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, one_agent_a_minute, 3);
    kit_wait(&k, 10 * MINUTE); /* S0 goes, S1 and S2 wait */
    uint64_t link = come_back(&k, 1);
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    assert_int_equal(metric(&k, "slave_unreachable_canceled"), 1);
    kit_wait(&k, MINUTE); /* S2 does not wait for the turn that S1 left */
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 2);
    assert_int_equal(kit_record_state(&k, S(1)), MASTER_AGENT_ADMITTED);
    assert_int_equal(kit_record_state(&k, S(2)), MASTER_AGENT_UNREACHABLE);
    kit_destroy(&k);
}

static void silent_agents_wait_for_their_turn_too(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, one_agent_a_minute, 0);
    for (int i = 0; i < 3; i++) {
        kit_register(&k, (const char *[]){"a", "b", "c"}[i]);
    }
    kit_wait(&k, 90000); /* five pings missed */
    assert_int_equal(metric(&k, "slave_unreachable_scheduled"), 3);
    assert_int_equal(metric(&k, "slave_unreachable_completed"), 1);
    assert_int_equal(metric(&k, "slave_removals/reason_unhealthy"), 1);
    uint64_t back = kit_reregister(&k, MASTER_ID "-S1", "b");
    kit_expect(&k, back, MU_MSG_REREGISTERED);
    assert_int_equal(metric(&k, "slave_unreachable_canceled"), 1);
    kit_wait(&k, 75000);
    assert_int_equal(metric(&k, "slave_removals/reason_unhealthy"), 2);
    assert_int_equal(kit_record_state(&k, MASTER_ID "-S2"), MASTER_AGENT_UNREACHABLE);
    kit_destroy(&k);
}

static void rate_is_kept_after_a_pause_and_by_the_next_reign(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, one_agent_a_minute, 2);
    kit_wait(&k, 20 * MINUTE); /* all have gone */
    kit_lost(&k);
    kit_elect(&k, 3);
    for (int i = 0; i < 3; i++) {
        kit_entry_on(&k, (const char *[]){S(5), S(6), S(7)}[i],
                     (const char *[]){"h5", "h6", "h7"}[i], MASTER_AGENT_ADMITTED, 5);
    }
    kit_recovered(&k, 0);
    kit_wait(&k, 10 * MINUTE); /* no burst for the time nobody was removed */
    assert_int_equal(metric(&k, "slaves_unreachable"), 1);
    kit_wait(&k, MINUTE);
    assert_int_equal(metric(&k, "slaves_unreachable"), 2);
    kit_destroy(&k);
}

static void half_must_return(struct master_config *cfg)
{
    cfg->recovery_returns_needed_ppm = 500000;
}

static void too_many_missing_agents_are_not_removed(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, half_must_return, 4);
    uint64_t framework = old_framework(&k);
    uint64_t first = come_back(&k, 0);
    for (int i = 0; i < 41; i++) {
        kit_simple(&k, first, MU_MSG_PONG);
        kit_wait(&k, 15000);
    }
    assert_true(kit_logged(&k, "--recovery_agent_removal_limit=50%"));
    assert_int_equal(metric(&k, "recovery_slave_removals_held"), 3);
    assert_int_equal(metric(&k, "slaves_unreachable"), 0);
    assert_string_equal(kit_waiting_for(&k),
                        "3 of 4 agents to re-register, too many to give them up");
    ask(&k, framework, "t1", S(2));
    assert_null(kit_status(&k, framework, "t1")); /* still silent */
    come_back(&k, 1); /* half of them are there: the others go */
    assert_int_equal(metric(&k, "recovery_slave_removals_held"), 0);
    assert_int_equal(metric(&k, "slaves_unreachable"), 2);
    kit_destroy(&k);
}

static void exactly_the_limit_may_be_missing(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, half_must_return, 2);
    uint64_t first = come_back(&k, 0);
    for (int i = 0; i < 41; i++) {
        kit_simple(&k, first, MU_MSG_PONG);
        kit_wait(&k, 15000);
    }
    assert_int_equal(metric(&k, "slaves_unreachable"), 1);
    kit_destroy(&k);
}

static void agent_replaced_at_its_address_is_not_waited_for(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 2);
    kit_register(&k, "host0"); /* an emptied work_dir */
    assert_int_equal(kit_record_state(&k, S(0)), 0);
    assert_int_equal(metric(&k, "recovery_slaves_known"), 1);
    come_back(&k, 1);
    assert_true(kit_logged(&k, "all 1 agents are back"));
    kit_destroy(&k);
}

static void refused_return_gets_its_time_again(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    kit_wait(&k, 9 * MINUTE);
    k.hold_commits = true;
    uint64_t link = kit_reregister(&k, S(0), "renamed");
    kit_wait(&k, 2 * MINUTE); /* the time is over while the registry thinks */
    kit_commit(&k, -ENOSPC);
    kit_expect(&k, link, MU_MSG_REFUSED);
    k.hold_commits = false;
    kit_wait(&k, 10 * MINUTE - 1);
    assert_int_equal(metric(&k, "slaves_unreachable"), 0);
    kit_wait(&k, 1);
    assert_int_equal(metric(&k, "slaves_unreachable"), 1);
    kit_destroy(&k);
}

/* ---- a registry that another master did not write ---- */

static void private_registry(struct master_config *cfg)
{
    cfg->registry_is_private = true;
}

static void private_registry_is_not_believed_about_unreachable_agents(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, private_registry);
    kit_elect(&k, 2);
    kit_entry_on(&k, S(0), "host0", MASTER_AGENT_UNREACHABLE, 5);
    kit_recovered(&k, 0);
    uint64_t framework = old_framework(&k);
    ask(&k, framework, "t1", S(0));
    assert_null(kit_status(&k, framework, "t1")); /* it may have come back since */
    come_back_with(&k, S(0), "host0");
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_ADMITTED);
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_RUNNING);
    kit_destroy(&k);
}

static void private_registry_may_miss_agents(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, private_registry, 1);
    come_back(&k, 0);
    uint64_t framework = old_framework(&k);
    assert_string_equal(
        kit_waiting_for(&k),
        "agents to re-register that the registry does not name, 0 are back");
    ask(&k, framework, "t1", S(9));
    assert_null(kit_status(&k, framework, "t1"));
    kit_wait(&k, 10 * MINUTE);
    assert_string_equal(kit_waiting_for(&k), "");
    ask(&k, framework, "t1", S(9));
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

static void shared_registry_knows_which_agents_there_are(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 1);
    uint64_t framework = old_framework(&k);
    ask(&k, framework, "t1", S(9));
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

/* ---- garbage ---- */

static void old_unreachable_and_gone_agents_are_forgotten(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 2);
    int64_t now = k.now.wall_ms;
    kit_entry_on(&k, S(0), "host0", MASTER_AGENT_UNREACHABLE, now - 13 * (int64_t)DAY);
    kit_entry_on(&k, S(1), "host1", MASTER_AGENT_UNREACHABLE, now - 15 * (int64_t)DAY);
    kit_entry_on(&k, S(2), "host2", MASTER_AGENT_GONE, now - 15 * (int64_t)DAY);
    kit_entry_on(&k, S(3), "host3", MASTER_AGENT_GONE, now);
    kit_recovered(&k, 0);
    kit_wait(&k, 15 * MINUTE);
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_UNREACHABLE);
    assert_int_equal(kit_record_state(&k, S(1)), 0);
    assert_int_equal(kit_record_state(&k, S(2)), 0);
    assert_int_equal(kit_record_state(&k, S(3)), MASTER_AGENT_GONE);
    assert_int_equal(metric(&k, "slaves_unreachable"), 1);
    assert_int_equal(metric(&k, "slaves_gone"), 1);
    assert_int_equal(metric(&k, "registry_agents_forgotten"), 2);
    kit_wait(&k, 2 * (uint64_t)DAY);
    assert_int_equal(metric(&k, "slaves_unreachable"), 0);
    kit_destroy(&k);
}

static void keep_two(struct master_config *cfg)
{
    cfg->registry_max_agent_count = 2;
}

static void surplus_records_go_the_oldest_first(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, keep_two);
    kit_elect(&k, 2);
    int64_t now = k.now.wall_ms;
    kit_entry_on(&k, S(0), "host0", MASTER_AGENT_UNREACHABLE, now - 1000);
    kit_entry_on(&k, S(1), "host1", MASTER_AGENT_UNREACHABLE, now - 4000);
    kit_entry_on(&k, S(2), "host2", MASTER_AGENT_UNREACHABLE, now - 2000);
    kit_entry_on(&k, S(3), "host3", MASTER_AGENT_UNREACHABLE, now - 3000);
    kit_recovered(&k, 0);
    kit_wait(&k, 15 * MINUTE);
    assert_int_equal(kit_record_state(&k, S(1)), 0);
    assert_int_equal(kit_record_state(&k, S(3)), 0);
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_UNREACHABLE);
    assert_int_equal(kit_record_state(&k, S(2)), MASTER_AGENT_UNREACHABLE);
    kit_destroy(&k);
}

static void agent_that_returns_while_it_is_being_forgotten_stays(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 2);
    kit_entry_on(&k, S(0), "host0", MASTER_AGENT_UNREACHABLE,
                 k.now.wall_ms - 15 * (int64_t)DAY);
    kit_recovered(&k, 0);
    k.hold_commits = true;
    kit_wait(&k, 15 * MINUTE);
    assert_int_equal(k.commits.count, 1); /* the deletion */
    uint64_t link = come_back_with(&k, S(0), "host0");
    assert_int_equal(k.commits.count, 2); /* the admission, behind it */
    kit_commit(&k, 0);
    kit_commit(&k, 0);
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_ADMITTED);
    assert_int_equal(metric(&k, "registry_agents_forgotten"), 0);
    kit_destroy(&k);
}

static void tasks_on_a_forgotten_agent_are_unknown(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 0);
    struct scene s = kit_running_task(&k);
    kit_close(&k, s.agent);
    kit_wait(&k, 10 * MINUTE);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_UNREACHABLE);
    kit_wait(&k, 15 * (uint64_t)DAY);
    assert_int_equal(kit_record_state(&k, MASTER_ID "-S0"), 0);
    bool completed = false;
    kit_task_state(&k, "t1", &completed);
    assert_true(completed);
    kit_forget(&k);
    ask(&k, s.framework, "t1", MASTER_ID "-S0");
    assert_int_equal(kit_status(&k, s.framework, "t1")->state, MU_TASK_UNKNOWN);
    kit_destroy(&k);
}

static void deletion_that_the_registry_refuses_is_tried_again(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, NULL);
    kit_elect(&k, 2);
    kit_entry_on(&k, S(0), "host0", MASTER_AGENT_GONE, k.now.wall_ms - 15 * (int64_t)DAY);
    kit_recovered(&k, 0);
    k.hold_commits = true;
    kit_wait(&k, 15 * MINUTE);
    kit_commit(&k, -ENOSPC);
    assert_int_equal(metric(&k, "slaves_gone"), 1);
    kit_wait(&k, 15 * MINUTE);
    kit_commit(&k, 0);
    assert_int_equal(metric(&k, "slaves_gone"), 0);
    kit_destroy(&k);
}

/* ---- gone ---- */

static void agent_marked_gone_is_shut_down_and_its_tasks_are_over(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 0);
    struct scene s = kit_running_task(&k);
    k.hold_commits = true;
    mark_gone(&k, MASTER_ID "-S0");
    mark_gone(&k, MASTER_ID "-S0"); /* once is enough */
    assert_int_equal(k.commits.count, 1);
    assert_int_equal(k.commits.v[0].record.state, MASTER_AGENT_GONE);
    assert_null(kit_status(&k, s.framework, "t1"));
    kit_commit(&k, 0);
    const struct mu_task_status *u = kit_status(&k, s.framework, "t1");
    assert_int_equal(u->state, MU_TASK_GONE_BY_OPERATOR);
    assert_string_equal(u->reason, "REASON_AGENT_REMOVED_BY_OPERATOR");
    assert_string_equal(kit_expect(&k, s.agent, MU_MSG_SHUTDOWN)->text,
                        "Agent has been marked gone");
    assert_true(kit_closed(&k, s.agent));
    kit_expect(&k, s.framework, MU_MSG_FAILURE);
    uint64_t again = kit_reregister(&k, MASTER_ID "-S0", "host1");
    kit_expect(&k, again, MU_MSG_SHUTDOWN);
    assert_int_equal(metric(&k, "slave_removals/reason_gone"), 1);
    kit_destroy(&k);
}

static void recovered_and_unreachable_agents_may_be_marked_gone(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 2);
    uint64_t framework = old_framework(&k);
    mark_gone(&k, S(0));
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_GONE);
    ask(&k, framework, "t1", S(0));
    assert_int_equal(kit_status(&k, framework, "t1")->state, MU_TASK_GONE_BY_OPERATOR);
    assert_int_equal(metric(&k, "recovery_slaves_known"), 1);
    kit_wait(&k, 10 * MINUTE);
    assert_int_equal(kit_record_state(&k, S(1)), MASTER_AGENT_UNREACHABLE);
    mark_gone(&k, S(1));
    assert_int_equal(kit_record_state(&k, S(1)), MASTER_AGENT_GONE);
    assert_int_equal(metric(&k, "slaves_gone"), 2);
    kit_destroy(&k);
}

static void agent_marked_gone_while_the_registry_works_on_it_goes_after_that(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 0);
    k.hold_commits = true;
    uint64_t link = kit_reregister(&k, S(0), "host0");
    mark_gone(&k, S(0));
    kit_commit(&k, 0);
    assert_int_equal(k.commits.count, 1);
    kit_commit(&k, 0);
    assert_int_equal(kit_record_state(&k, S(0)), MASTER_AGENT_GONE);
    kit_expect(&k, link, MU_MSG_SHUTDOWN);
    kit_destroy(&k);
}

static void
mark_gone_that_the_registry_refuses_leaves_the_agent_to_come_back(void **state)
{
    (void)state;
    struct kit k;
    lead_with(&k, NULL, 0);
    struct scene s = kit_running_task(&k);
    k.hold_commits = true;
    mark_gone(&k, MASTER_ID "-S0");
    kit_commit(&k, -ENOSPC);
    assert_true(kit_closed(&k, s.agent));
    assert_int_equal(kit_count(&k, s.agent, MU_MSG_SHUTDOWN), 0);
    k.hold_commits = false;
    uint64_t link = kit_reregister(&k, MASTER_ID "-S0", "host1");
    kit_expect(&k, link, MU_MSG_REREGISTERED);
    kit_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_of_the_return_is_told),
        cmocka_unit_test(framework_hears_of_its_tasks_as_their_agent_comes_back),
        cmocka_unit_test(end_of_a_task_is_left_to_its_agent_to_tell),
        cmocka_unit_test(agent_before_its_framework_keeps_the_tasks_for_it),
        cmocka_unit_test(
            tasks_of_a_framework_that_never_returns_are_stopped_after_its_time),
        cmocka_unit_test(unknown_agent_that_dials_twice_is_admitted_as_it_is_now),
        cmocka_unit_test(answer_names_the_leadership),
        cmocka_unit_test(missing_agents_become_unreachable_when_their_time_is_over),
        cmocka_unit_test(removals_keep_to_their_rate),
        cmocka_unit_test(return_in_time_cancels_a_scheduled_removal),
        cmocka_unit_test(silent_agents_wait_for_their_turn_too),
        cmocka_unit_test(rate_is_kept_after_a_pause_and_by_the_next_reign),
        cmocka_unit_test(too_many_missing_agents_are_not_removed),
        cmocka_unit_test(exactly_the_limit_may_be_missing),
        cmocka_unit_test(agent_replaced_at_its_address_is_not_waited_for),
        cmocka_unit_test(refused_return_gets_its_time_again),
        cmocka_unit_test(private_registry_is_not_believed_about_unreachable_agents),
        cmocka_unit_test(private_registry_may_miss_agents),
        cmocka_unit_test(shared_registry_knows_which_agents_there_are),
        cmocka_unit_test(old_unreachable_and_gone_agents_are_forgotten),
        cmocka_unit_test(surplus_records_go_the_oldest_first),
        cmocka_unit_test(agent_that_returns_while_it_is_being_forgotten_stays),
        cmocka_unit_test(tasks_on_a_forgotten_agent_are_unknown),
        cmocka_unit_test(deletion_that_the_registry_refuses_is_tried_again),
        cmocka_unit_test(agent_marked_gone_is_shut_down_and_its_tasks_are_over),
        cmocka_unit_test(recovered_and_unreachable_agents_may_be_marked_gone),
        cmocka_unit_test(
            agent_marked_gone_while_the_registry_works_on_it_goes_after_that),
        cmocka_unit_test(
            mark_gone_that_the_registry_refuses_leaves_the_agent_to_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
