/* Offers: who gets them, filters, and what ACCEPT does with them. */
#include "master_kit.h"

#define S0 MASTER_ID "-S0"
#define S1 MASTER_ID "-S1"
#define WHOLE "cpus:4;mem:4096;ports:[31000-31009]"

static void lead(struct kit *k)
{
    kit_create(k, NULL);
    kit_lead(k);
}

static void decline(struct kit *k, uint64_t link, const struct mu_offer *o, uint64_t ms)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_DECLINE);
    msg.refuse_ms = ms;
    mu_msg_add_offer_id(&msg, &o->id);
    kit_message(k, link, &msg);
}

static void expect_resources(const struct mu_offer *o, const char *text)
{
    struct mu_resources r = {0};
    assert_int_equal(mu_resources_parse(text, "*", &r, NULL), 0);
    assert_true(mu_resources_equal(&o->resources, &r));
    mu_resources_release(&r);
}

static void expect_no_offer_for(struct kit *k, uint64_t link, uint64_t ms)
{
    kit_forget(k);
    kit_wait(k, ms);
    assert_int_equal(kit_count(k, link, MU_MSG_OFFERS), 0);
}

static void accept_one(struct kit *k,
                       uint64_t link,
                       const struct mu_offer *offers,
                       size_t count,
                       struct mu_task_info *task)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ACCEPT);
    msg.refuse_ms = 3600000;
    for (size_t i = 0; i < count; i++) {
        mu_msg_add_offer_id(&msg, &offers[i].id);
    }
    mu_msg_add_task(&msg, task);
    mu_task_info_unref(task);
    kit_message(k, link, &msg);
}

/* ---- making and ending offers ---- */

static void offer_names_the_whole_agent(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    assert_string_equal(o.id.s, MASTER_ID "-O0");
    assert_string_equal(o.agent_id.s, S0);
    assert_string_equal(o.framework_id.s, MASTER_ID "-0000");
    assert_string_equal(o.hostname, "host1");
    assert_int_equal(o.port, 5051);
    expect_resources(&o, WHOLE);
    assert_string_equal(kit_agent(&k, S0).offered, WHOLE);
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void agent_that_registers_later_is_offered_at_once(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 0);
    kit_register(&k, "host1");
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 1);
    kit_destroy(&k);
}

static void many_offers_travel_in_few_messages(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    for (int i = 0; i < 100; i++) {
        char host[16];
        (void)snprintf(host, sizeof(host), "host%d", i);
        kit_register(&k, host);
    }
    uint64_t link = kit_subscribe(&k, "fw");
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 2);
    assert_int_equal(kit_find(&k, link, MU_MSG_OFFERS, 0)->offer_count, 64);
    assert_int_equal(kit_find(&k, link, MU_MSG_OFFERS, 1)->offer_count, 36);
    assert_int_equal((int)kit_metric(&k, "master/outstanding_offers"), 100);
    kit_destroy(&k);
}

static void absurd_agents_do_not_overflow_the_sums(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    for (int i = 0; i < 3; i++) {
        char host[16];
        (void)snprintf(host, sizeof(host), "host%d", i);
        kit_register_with(&k, host, "cpus:9000000000000000");
    }
    assert_true(kit_metric(&k, "master/cpus_total") > 2.6e16);
    kit_destroy(&k);
}

static void too_little_is_not_offered(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    kit_register_with(&k, "host1", "cpus:0.009;mem:31;ports:[1-10]");
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 0);
    kit_register_with(&k, "host2", "cpus:0.01");
    kit_register_with(&k, "host3", "mem:32");
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 2);
    kit_destroy(&k);
}

static void reserved_resources_go_to_their_role_only(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t plain = kit_subscribe(&k, "plain");
    kit_register_with(&k, "host1", "cpus:1;cpus(web):2;mem:100");
    struct mu_offer o;
    kit_take_offer(&k, plain, &o);
    expect_resources(&o, "cpus:1;mem:100");
    mu_offer_release(&o);
    struct mu_framework_info info = framework_info("", "shop");
    info.role = mu_xstrdup("web/shop");
    uint64_t web = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    kit_take_offer(&k, web, &o);
    expect_resources(&o, "cpus(web):2");
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void declined_offer_goes_to_the_next_framework(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t a = kit_subscribe(&k, "a");
    uint64_t b = kit_subscribe(&k, "b");
    assert_int_equal(kit_count(&k, b, MU_MSG_OFFERS), 0);
    struct mu_offer o;
    kit_take_offer(&k, a, &o);
    decline(&k, a, &o, 5000);
    mu_offer_release(&o);
    kit_take_offer(&k, b, &o);
    decline(&k, b, &o, 5000);
    mu_offer_release(&o);
    expect_no_offer_for(&k, a, 4000);
    kit_wait(&k, 2500);
    assert_int_equal(kit_count(&k, a, MU_MSG_OFFERS) + kit_count(&k, b, MU_MSG_OFFERS),
                     1);
    kit_destroy(&k);
}

static void declined_offer_returns_after_its_filter_timeout(void **state)
{
    (void)state;
    static const struct {
        uint64_t refuse_ms, silent_ms, then_ms;
    } cases[] = {
        {0, 900, 1200},           /* at least one allocation interval */
        {5000, 4900, 1200},       /* the default of frameworks */
        {60000, 59900, 1200},     /* longer */
        {UINT64_MAX, 86400000, 0} /* a year at most, here: not within a day */
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct kit k;
        lead(&k);
        uint64_t agent = kit_register(&k, "host1");
        uint64_t link = kit_subscribe(&k, "fw");
        struct mu_offer o;
        kit_take_offer(&k, link, &o);
        decline(&k, link, &o, cases[i].refuse_ms);
        mu_offer_release(&o);
        kit_forget(&k);
        for (uint64_t left = cases[i].silent_ms; left > 0;) {
            uint64_t step = left < 15000 ? left : 15000;
            kit_wait(&k, step);
            kit_simple(&k, agent, MU_MSG_PONG);
            left -= step;
        }
        assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 0);
        kit_wait(&k, cases[i].then_ms);
        assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS),
                         cases[i].then_ms > 0 ? 1 : 0);
        kit_destroy(&k);
    }
}

static void revive_drops_the_filters(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    decline(&k, link, &o, 3600000);
    mu_offer_release(&o);
    expect_no_offer_for(&k, link, 5000);
    kit_simple(&k, link, MU_MSG_REVIVE);
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 1);
    kit_destroy(&k);
}

static void suppressed_framework_gets_nothing_until_it_revives(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t link = kit_subscribe(&k, "fw");
    kit_simple(&k, link, MU_MSG_SUPPRESS);
    kit_simple(&k, link, MU_MSG_SUPPRESS);
    kit_register(&k, "host1");
    expect_no_offer_for(&k, link, 10000);
    kit_simple(&k, link, MU_MSG_REVIVE);
    assert_int_equal(kit_count(&k, link, MU_MSG_OFFERS), 1);
    kit_destroy(&k);
}

static void resubscription_ends_suppression_and_filters(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    decline(&k, link, &o, 3600000);
    kit_simple(&k, link, MU_MSG_SUPPRESS);
    struct mu_framework_info info = framework_info(o.framework_id.s, "fw");
    uint64_t again = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    mu_offer_release(&o);
    assert_int_equal(kit_count(&k, again, MU_MSG_OFFERS), 1);
    kit_destroy(&k);
}

static void more_than_what_was_refused_is_offered(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    struct scene s = kit_running_task(&k); /* the rest is refused for an hour */
    expect_no_offer_for(&k, s.framework, 5000);
    kit_update(&k, s.agent, s.framework_id, "t1", MU_TASK_FINISHED, "u-end");
    struct mu_offer o;
    kit_take_offer(&k, s.framework, &o);
    expect_resources(&o, WHOLE);
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void parts_declined_together_are_refused_together(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer first;
    struct mu_offer second;
    kit_take_offer(&k, link, &first);
    kit_accept(&k, link, &first, (const char *[]){"t1", NULL}, 0);
    kit_forget(&k);
    kit_wait(&k, 2000);
    struct mu_offer rest;
    kit_take_offer(&k, link, &rest); /* the remainder */
    kit_update(&k, agent, first.framework_id.s, "t1", MU_TASK_FINISHED, "u-end");
    kit_take_offer(&k, link, &second); /* what t1 had */
    expect_resources(&second, "cpus:1;mem:100");
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_DECLINE);
    msg.refuse_ms = 60000;
    mu_msg_add_offer_id(&msg, &rest.id);
    mu_msg_add_offer_id(&msg, &second.id);
    kit_forget(&k);
    kit_message(&k, link, &msg);
    expect_no_offer_for(&k, link, 50000);
    mu_offer_release(&first);
    mu_offer_release(&second);
    mu_offer_release(&rest);
    kit_destroy(&k);
}

static void lost_agent_rescinds_its_offers(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_close(&k, agent);
    assert_string_equal(kit_expect(&k, link, MU_MSG_RESCIND)->offer_ids[0].s, o.id.s);
    kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 0);
    const struct mu_task_status *u = kit_status(&k, link, "t1");
    assert_int_equal(u->state, MU_TASK_DROPPED);
    assert_string_equal(u->reason, "REASON_INVALID_OFFERS");
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void lost_framework_gives_its_offers_back(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t a = kit_subscribe(&k, "a");
    uint64_t b = kit_subscribe(&k, "b");
    kit_close(&k, a);
    assert_int_equal(kit_count(&k, b, MU_MSG_OFFERS), 1);
    kit_destroy(&k);
}

static void ten_seconds(struct master_config *cfg)
{
    cfg->offer_timeout_ms = 10000;
}

static void unused_offer_is_rescinded_after_the_offer_timeout(void **state)
{
    (void)state;
    struct kit k;
    kit_create(&k, ten_seconds);
    kit_lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    kit_wait(&k, 9000);
    assert_int_equal(kit_count(&k, link, MU_MSG_RESCIND), 0);
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_wait(&k, 2000);
    assert_string_equal(kit_expect(&k, link, MU_MSG_RESCIND)->offer_ids[0].s, o.id.s);
    mu_offer_release(&o);
    kit_take_offer(&k, link, &o); /* offered again: declined it has not */
    kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 3600000);
    kit_forget(&k);
    kit_wait(&k, 20000);
    assert_int_equal(kit_count(&k, link, MU_MSG_RESCIND), 0);
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void idle_master_wants_no_timer_for_allocation(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_wait(&k, 600000); /* the time for agents to come back */
    assert_true(master_deadline_ms(k.m) == MU_NEVER_MS);
    kit_subscribe(&k, "fw");
    assert_int_equal(master_deadline_ms(k.m), k.now.mono_ms + 15000); /* heartbeat */
    kit_destroy(&k);
}

/* ---- fairness ---- */

static void next_agent_goes_to_the_smaller_dominant_share(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t a = kit_subscribe(&k, "a");
    uint64_t b = kit_subscribe(&k, "b");
    kit_register(&k, "host1"); /* equal shares: the smaller id */
    assert_int_equal(kit_count(&k, a, MU_MSG_OFFERS), 1);
    kit_register(&k, "host2");
    assert_int_equal(kit_count(&k, b, MU_MSG_OFFERS), 1);
    kit_register_with(&k, "host3", "cpus:1;mem:8000"); /* to a, by its id again */
    assert_int_equal(kit_count(&k, a, MU_MSG_OFFERS), 2);
    kit_register(&k, "host4");
    kit_register(&k, "host5"); /* a's share of memory is still larger */
    assert_int_equal(kit_count(&k, b, MU_MSG_OFFERS), 3);
    kit_destroy(&k);
}

static void roles_are_served_before_frameworks(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t plain[3];
    for (int i = 0; i < 3; i++) {
        plain[i] = kit_subscribe(&k, "plain");
    }
    struct mu_framework_info info = framework_info("", "web");
    info.role = mu_xstrdup("web");
    uint64_t web = kit_subscribe_info(&k, &info);
    mu_framework_info_release(&info);
    for (int i = 0; i < 6; i++) {
        char host[16];
        (void)snprintf(host, sizeof(host), "host%d", i);
        kit_register(&k, host);
    }
    assert_int_equal(kit_count(&k, web, MU_MSG_OFFERS), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kit_count(&k, plain[i], MU_MSG_OFFERS), 1);
    }
    kit_destroy(&k);
}

/* ---- ACCEPT ---- */

static void tasks_are_sent_and_the_rest_is_free_again(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    uint64_t other = kit_subscribe(&k, "other");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_accept(&k, link, &o, (const char *[]){"t1", "t2", NULL}, 5000);
    mu_offer_release(&o);
    assert_int_equal(kit_count(&k, agent, MU_MSG_RUN_TASK), 2);
    const struct mu_msg *run = kit_find(&k, agent, MU_MSG_RUN_TASK, 0);
    assert_string_equal(run->tasks[0]->id.s, "t1");
    assert_string_equal(run->frameworks[0].id.s, MASTER_ID "-0000");
    assert_string_not_equal(run->uuid.s, kit_find(&k, agent, MU_MSG_RUN_TASK, 1)->uuid.s);
    assert_int_equal(kit_task_state(&k, "t2", NULL), MU_TASK_STAGING);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:2;mem:200");
    kit_take_offer(&k, other, &o);
    expect_resources(&o, "cpus:2;mem:3896;ports:[31000-31009]");
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void accept_without_tasks_is_a_decline(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_accept(&k, link, &o, NULL, 5000);
    mu_offer_release(&o);
    expect_no_offer_for(&k, link, 4000);
    assert_string_equal(kit_agent(&k, S0).offered, "");
    kit_destroy(&k);
}

static void two_offers_of_one_agent_may_be_used_together(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o[2];
    kit_take_offer(&k, link, &o[0]);
    kit_accept(&k, link, &o[0], (const char *[]){"t1", NULL}, 0);
    mu_offer_release(&o[0]);
    kit_forget(&k);
    kit_wait(&k, 2000);
    kit_take_offer(&k, link, &o[0]);
    kit_update(&k, agent, o[0].framework_id.s, "t1", MU_TASK_FINISHED, "u-end");
    kit_take_offer(&k, link, &o[1]);
    accept_one(&k, link, o, 2, task_info(o[0].framework_id.s, S0, "big", WHOLE));
    kit_expect(&k, agent, MU_MSG_RUN_TASK);
    assert_string_equal(kit_agent(&k, S0).used, WHOLE);
    mu_offer_release(&o[0]);
    mu_offer_release(&o[1]);
    kit_destroy(&k);
}

static void invalid_offers_drop_the_tasks_and_end_the_offers(void **state)
{
    (void)state;
    enum { UNKNOWN, TWICE, TWO_AGENTS, NONE, ANOTHERS, CASES };
    static const char *const texts[CASES] = {"no longer valid", "Duplicate offer",
                                             "must belong to one single agent",
                                             "No offers specified", "no longer valid"};
    for (int c = 0; c < CASES; c++) {
        struct kit k;
        lead(&k);
        uint64_t agent = kit_register(&k, "host1");
        kit_register(&k, "host2");
        uint64_t link = kit_subscribe(&k, "fw");
        uint64_t thief = kit_subscribe(&k, "thief");
        const struct mu_msg *offers = kit_expect(&k, link, MU_MSG_OFFERS);
        assert_int_equal(offers->offer_count, 2);
        struct mu_msg msg;
        mu_msg_init(&msg, MU_MSG_ACCEPT);
        msg.refuse_ms = 5000;
        if (c != NONE) {
            mu_msg_add_offer_id(&msg, &offers->offers[0].id);
        }
        if (c == UNKNOWN) {
            mu_msg_add_offer_id(&msg, &(struct mu_offer_id){"bogus-O1"});
        } else if (c == TWICE) {
            mu_msg_add_offer_id(&msg, &offers->offers[0].id);
        } else if (c == TWO_AGENTS) {
            mu_msg_add_offer_id(&msg, &offers->offers[1].id);
        }
        uint64_t sender = c == ANOTHERS ? thief : link;
        struct mu_task_info *t = task_info(
            c == ANOTHERS ? MASTER_ID "-0001" : MASTER_ID "-0000", S0, "t1", "cpus:1");
        mu_msg_add_task(&msg, t);
        mu_task_info_unref(t);
        kit_message(&k, sender, &msg);
        const struct mu_task_status *u = kit_status(&k, sender, "t1");
        assert_int_equal(u->state, MU_TASK_DROPPED);
        assert_string_equal(u->reason, "REASON_INVALID_OFFERS");
        assert_non_null(strstr(u->message, texts[c]));
        assert_int_equal(kit_count(&k, agent, MU_MSG_RUN_TASK), 0);
        assert_int_equal(kit_task_state(&k, "t1", NULL), -1);
        kit_destroy(&k);
    }
}

static void invalid_tasks_are_errors_and_the_others_go_on(void **state)
{
    (void)state;
    static const struct {
        const char *id, *framework, *agent, *resources, *text;
        bool no_command;
    } cases[] = {
        {"a/b", "-0000", S0, "cpus:1", "invalid characters", false},
        {"..", "-0000", S0, "cpus:1", "invalid characters", false},
        {"t", "-0009", S0, "cpus:1", "belongs to framework", false},
        {"good", "-0000", S0, "cpus:1", "duplicate ID", false},
        {"t", "-0000", "nope", "cpus:1", "invalid agent nope", false},
        {"t", "-0000", S0, "", "uses no resources", false},
        {"t", "-0000", S0, "cpus:100", "more than available", false},
        {"t", "-0000", S0, "cpus:3.5", "more than available", false}, /* good took 1 */
        {"t", "-0000", S0, "ports:[31000-31010]", "more than available", false},
        {"t", "-0000", S0, "gpus:1", "more than available", false},
        {"t", "-0000", S0, "cpus:1", "neither a command nor an image", true},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct kit k;
        lead(&k);
        uint64_t agent = kit_register(&k, "host1");
        uint64_t link = kit_subscribe(&k, "fw");
        struct mu_offer o;
        kit_take_offer(&k, link, &o);
        char framework[64];
        (void)snprintf(framework, sizeof(framework), MASTER_ID "%s", cases[i].framework);
        struct mu_task_info *bad =
            task_info(framework, cases[i].agent, cases[i].id, cases[i].resources);
        if (cases[i].no_command) {
            free(bad->command.value);
            bad->command.value = NULL;
        }
        struct mu_task_info *good = task_info(o.framework_id.s, S0, "good", "cpus:1");
        struct mu_task_info *last = task_info(o.framework_id.s, S0, "last", "cpus:1");
        struct mu_msg msg;
        mu_msg_init(&msg, MU_MSG_ACCEPT);
        mu_msg_add_offer_id(&msg, &o.id);
        mu_msg_add_task(&msg, good);
        mu_msg_add_task(&msg, bad);
        mu_msg_add_task(&msg, last);
        mu_task_info_unref(good);
        mu_task_info_unref(bad);
        mu_task_info_unref(last);
        kit_message(&k, link, &msg);
        const struct mu_task_status *u = kit_status(&k, link, cases[i].id);
        assert_non_null(u);
        assert_int_equal(u->state, MU_TASK_ERROR);
        assert_string_equal(u->reason, "REASON_TASK_INVALID");
        if (strstr(u->message, cases[i].text) == NULL) {
            fail_msg("case %zu: '%s'", i, u->message);
        }
        assert_int_equal(kit_count(&k, agent, MU_MSG_RUN_TASK), 2);
        assert_string_equal(kit_agent(&k, S0).used, "cpus:2");
        mu_offer_release(&o);
        kit_destroy(&k);
    }
}

static void negative_resources_are_an_error(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    struct mu_task_info *t = task_info(o.framework_id.s, S0, "t", "cpus:1");
    t->resources.v[0].scalar_milli = -1000;
    accept_one(&k, link, &o, 1, t);
    assert_int_equal(kit_status(&k, link, "t")->state, MU_TASK_ERROR);
    assert_int_equal(kit_count(&k, agent, MU_MSG_RUN_TASK), 0);
    mu_offer_release(&o);
    kit_destroy(&k);
}

static void accepted_offer_cannot_be_used_twice(void **state)
{
    (void)state;
    struct kit k;
    lead(&k);
    uint64_t agent = kit_register(&k, "host1");
    uint64_t link = kit_subscribe(&k, "fw");
    struct mu_offer o;
    kit_take_offer(&k, link, &o);
    kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 5000);
    kit_accept(&k, link, &o, (const char *[]){"t1", NULL}, 5000); /* delivered twice */
    assert_int_equal(kit_count(&k, agent, MU_MSG_RUN_TASK), 1);
    assert_int_equal(kit_task_state(&k, "t1", NULL), MU_TASK_STAGING);
    assert_string_equal(kit_agent(&k, S0).used, "cpus:1;mem:100");
    mu_offer_release(&o);
    kit_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offer_names_the_whole_agent),
        cmocka_unit_test(agent_that_registers_later_is_offered_at_once),
        cmocka_unit_test(many_offers_travel_in_few_messages),
        cmocka_unit_test(absurd_agents_do_not_overflow_the_sums),
        cmocka_unit_test(too_little_is_not_offered),
        cmocka_unit_test(reserved_resources_go_to_their_role_only),
        cmocka_unit_test(declined_offer_goes_to_the_next_framework),
        cmocka_unit_test(declined_offer_returns_after_its_filter_timeout),
        cmocka_unit_test(revive_drops_the_filters),
        cmocka_unit_test(suppressed_framework_gets_nothing_until_it_revives),
        cmocka_unit_test(resubscription_ends_suppression_and_filters),
        cmocka_unit_test(more_than_what_was_refused_is_offered),
        cmocka_unit_test(parts_declined_together_are_refused_together),
        cmocka_unit_test(lost_agent_rescinds_its_offers),
        cmocka_unit_test(lost_framework_gives_its_offers_back),
        cmocka_unit_test(unused_offer_is_rescinded_after_the_offer_timeout),
        cmocka_unit_test(idle_master_wants_no_timer_for_allocation),
        cmocka_unit_test(next_agent_goes_to_the_smaller_dominant_share),
        cmocka_unit_test(roles_are_served_before_frameworks),
        cmocka_unit_test(tasks_are_sent_and_the_rest_is_free_again),
        cmocka_unit_test(accept_without_tasks_is_a_decline),
        cmocka_unit_test(two_offers_of_one_agent_may_be_used_together),
        cmocka_unit_test(invalid_offers_drop_the_tasks_and_end_the_offers),
        cmocka_unit_test(invalid_tasks_are_errors_and_the_others_go_on),
        cmocka_unit_test(negative_resources_are_an_error),
        cmocka_unit_test(accepted_offer_cannot_be_used_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
