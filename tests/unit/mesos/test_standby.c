/* Who answers what in a cluster of several masters: the leader, the others, and a master
 * whose cluster has no leader. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const struct mu_member them = {.struct_size = sizeof(them),
                                      .id = "m-them",
                                      .hostname = "them",
                                      .ip = "10.0.0.7",
                                      .port = 5050,
                                      .app_port = 8080};
static const struct mu_member us = {.struct_size = sizeof(us),
                                    .id = "m-us",
                                    .hostname = "us",
                                    .ip = "10.0.0.1",
                                    .port = 5051,
                                    .app_port = 8081};

static struct world *master(bool leads, const struct mu_member *leader)
{
    struct world *w = world_open(MU_ROLE_MASTER);
    w->master = (struct mu_master_row){.id = "m-us",
                                       .hostname = "us",
                                       .ip = "10.0.0.1",
                                       .port = 5051,
                                       .start_ms = 1500,
                                       .elected_ms = leads ? 2500 : 0,
                                       .leading = leads,
                                       .leader = leader};
    return w;
}

static const char *const of_the_leader[] = {"/state", "/state.json", "/slaves",
                                            "/frameworks"};

static void standby_names_the_leader_with_path_and_query(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "POST"};
    struct world *w = master(false, &them);
    for (size_t i = 0; i < MU_COUNT_OF(of_the_leader); i++) {
        for (size_t k = 0; k < MU_COUNT_OF(methods); k++) {
            static const char *const forms[][2] = {
                {"", "?jsonp=a&b=%20"}, {"/master", ""}, {"", "/"}};
            for (size_t f = 0; f < MU_COUNT_OF(forms); f++) {
                char target[128], wanted[160];
                snprintf(target, sizeof(target), "%s%s%s", forms[f][0], of_the_leader[i],
                         forms[f][1]);
                snprintf(wanted, sizeof(wanted), "//them:5050%s", target);
                const struct world_answer *a = world_ask(w, methods[k], target);
                assert_int_equal(a->status, 307);
                assert_string_equal(a->location, wanted);
                assert_int_equal(a->body.len, 0);
            }
        }
    }
    world_close(w);
}

static void redirect_is_to_the_leader_itself(void **state)
{
    (void)state;
    struct world *w = master(false, &them);
    const char *const targets[] = {"/redirect", "/master/redirect", "/redirect/",
                                   "/redirect?x=1"};
    for (size_t i = 0; i < MU_COUNT_OF(targets); i++) {
        const struct world_answer *a = world_ask(w, "GET", targets[i]);
        assert_int_equal(a->status, 307);
        assert_string_equal(a->location, "//them:5050");
    }
    assert_int_equal(world_ask(w, "GET", "/redirect/x")->status, 404);
    w->master.leading = true;
    w->master.leader = &us;
    assert_string_equal(world_ask(w, "GET", "/redirect")->location, "//us:5051");
    world_close(w);
}

static void without_a_leader_clients_are_asked_to_come_again(void **state)
{
    (void)state;
    struct world *w = master(false, NULL);
    for (size_t i = 0; i <= MU_COUNT_OF(of_the_leader); i++) {
        const struct world_answer *a = world_ask(
            w, "GET", i < MU_COUNT_OF(of_the_leader) ? of_the_leader[i] : "/redirect");
        assert_int_equal(a->status, 503);
        assert_string_equal(mu_buf_str(&w->answer.body), "No leader elected");
        assert_string_equal(a->retry_after, "1");
        assert_null(a->location);
    }
    world_close(w);
}

static void every_master_answers_of_itself(void **state)
{
    (void)state;
    static const char *const own[] = {
        "/health",           "/version",           "/flags",
        "/metrics/snapshot", "/system/stats.json", "/files/debug"};
    struct world *w = master(false, &them);
    for (int has_leader = 1; has_leader >= 0; has_leader--) {
        w->master.leader = has_leader ? &them : NULL;
        for (size_t i = 0; i < MU_COUNT_OF(own); i++) {
            char prefixed[64];
            snprintf(prefixed, sizeof(prefixed), "/master%s", own[i]);
            assert_int_equal(world_ask(w, "GET", own[i])->status, 200);
            assert_int_equal(world_ask(w, "GET", prefixed)->status, 200);
            assert_int_equal(world_ask(w, "POST", own[i])->status, 200);
        }
    }
    world_close(w);
}

static void health_says_whether_it_is_of_use_to_ask(void **state)
{
    (void)state;
    struct world *w = master(false, &them);
    assert_int_equal(world_ask(w, "GET", "/health")->status, 200);
    w->process.unwell = "no leading master is known";
    const struct world_answer *a = world_ask(w, "GET", "/health");
    assert_int_equal(a->status, 503);
    assert_string_equal(mu_buf_str(&w->answer.body), "no leading master is known");
    world_close(w);
    w = world_open(MU_ROLE_AGENT); /* its tasks run on without any master */
    w->process.unwell = "no leading master is known";
    assert_int_equal(world_ask(w, "GET", "/health")->status, 200);
    world_close(w);
}

static void every_master_says_how_its_registry_is(void **state)
{
    (void)state;
    static const struct mu_registry_row stores[] = {
        {.store = "master",
         .plugin = "x",
         .details = "{\"role\":\"following\"}",
         .details_len = 20},
        {.store = "apps", .plugin = "x", .details = "{}", .details_len = 2},
    };
    static const char *const targets[] = {"/registry", "/master/registry", "/state"};
    for (size_t i = 0; i < MU_COUNT_OF(targets); i++) {
        bool leads = strcmp(targets[i], "/state") == 0;
        struct world *w = master(leads, leads ? &us : &them);
        w->stores = (struct world_rows){stores, MU_COUNT_OF(stores), sizeof(stores[0])};
        json_t *s = world_get(w, targets[i]);
        const json_t *registry = json_object_get(s, "registry");
        const json_t *store = json_object_get(registry, "master");
        assert_string_equal(json_string_value(json_object_get(store, "role")),
                            "following");
        assert_int_equal(json_object_size(registry), 2);
        assert_string_equal(json_string_value(json_object_get(s, "id")), "m-us");
        json_decref(s);
        world_close(w);
    }
}

/* Another system may write a leader without a name; addresses have brackets. */
static void leader_without_a_name_is_named_by_address(void **state)
{
    (void)state;
    struct mu_member m = them;
    m.hostname = "";
    struct world *w = master(false, &m);
    assert_string_equal(world_ask(w, "GET", "/redirect")->location, "//10.0.0.7:5050");
    m.hostname = NULL;
    m.ip = "fd00::7";
    assert_string_equal(world_ask(w, "GET", "/redirect")->location, "//[fd00::7]:5050");
    world_close(w);
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void leader_says_who_leads_and_since_when(void **state)
{
    (void)state;
    struct world *w = master(true, &us);
    w->master.waiting_for = "2 agents";
    json_t *s = world_get(w, "/state");
    assert_string_equal(text(s, "id"), "m-us");
    assert_string_equal(text(s, "pid"), "master@10.0.0.1:5051");
    assert_string_equal(text(s, "leader"), "master@10.0.0.1:5051");
    assert_true(json_real_value(json_object_get(s, "elected_time")) == 2.5);
    assert_string_equal(text(s, "waiting_for"), "2 agents");
    json_t *info = json_object_get(s, "leader_info");
    assert_string_equal(text(info, "id"), "m-us");
    assert_string_equal(text(info, "pid"), "master@10.0.0.1:5051");
    assert_string_equal(text(info, "hostname"), "us");
    assert_int_equal(json_integer_value(json_object_get(info, "port")), 5051);
    json_decref(s);
    world_close(w);
}

static void agents_that_are_not_back_are_told_apart(void **state)
{
    (void)state;
    static const struct mu_resources none;
    const struct mu_agent_row rows[] = {
        {.id = "S0",
         .hostname = "a",
         .ip = "10.0.0.2",
         .port = 5051,
         .active = true,
         .registered_ms = 7,
         .total = &none,
         .used = &none,
         .offered = &none},
        {.id = "S1",
         .hostname = "b",
         .ip = "10.0.0.3",
         .port = 5051,
         .total = &none,
         .used = &none,
         .offered = &none,
         .waiting_for = "the agent to re-register after the failover"},
    };
    struct world *w = master(true, &us);
    w->agents = (struct world_rows){rows, 2, sizeof(rows[0])};
    static const char *const targets[] = {"/state", "/slaves"};
    for (size_t i = 0; i < 2; i++) {
        json_t *s = world_get(w, targets[i]);
        const json_t *back = json_object_get(s, "slaves");
        const json_t *missing = json_object_get(s, "recovered_slaves");
        assert_int_equal(json_array_size(back), 1);
        assert_int_equal(json_array_size(missing), 1);
        assert_string_equal(text(json_array_get(back, 0), "id"), "S0");
        const json_t *one = json_array_get(missing, 0);
        assert_string_equal(text(one, "id"), "S1");
        assert_string_equal(text(one, "hostname"), "b");
        assert_string_equal(text(one, "waiting_for"), rows[1].waiting_for);
        assert_null(json_object_get(one, "registered_time"));
        json_decref(s);
    }
    world_close(w);
}

static size_t count(struct world *w, const char *target, const char *key)
{
    json_t *s = world_get(w, target);
    size_t n = json_array_size(json_object_get(s, key));
    json_decref(s);
    return n;
}

static void lists_may_be_asked_for_one(void **state)
{
    (void)state;
    static const struct mu_resources none;
    const struct mu_agent_row agents[] = {
        {.id = "S0", .registered_ms = 7, .total = &none, .used = &none, .offered = &none},
        {.id = "S1", .registered_ms = 7, .total = &none, .used = &none, .offered = &none},
    };
    const struct mu_framework_row frameworks[] = {
        {.id = "F0", .used = &none, .offered = &none},
        {.id = "F1", .used = &none, .offered = &none, .recovered = true},
    };
    struct world *w = master(true, &us);
    w->agents = (struct world_rows){agents, 2, sizeof(agents[0])};
    w->frameworks = (struct world_rows){frameworks, 2, sizeof(frameworks[0])};
    assert_int_equal(count(w, "/slaves", "slaves"), 2);
    assert_int_equal(count(w, "/slaves?slave_id=S1", "slaves"), 1);
    assert_int_equal(count(w, "/slaves?slave_id=nope", "slaves"), 0);
    assert_int_equal(count(w, "/slaves?slave_id=%zz", "slaves"), 0);
    assert_int_equal(count(w, "/frameworks", "frameworks"), 2);
    assert_int_equal(count(w, "/frameworks?framework_id=", "frameworks"), 0);
    json_t *s = world_get(w, "/frameworks?framework_id=F1");
    const json_t *one = json_array_get(json_object_get(s, "frameworks"), 0);
    assert_string_equal(text(one, "id"), "F1");
    assert_true(json_is_true(json_object_get(one, "recovered")));
    json_decref(s);
    assert_int_equal(count(w, "/state?slave_id=S1", "slaves"), 2); /* no such filter */
    world_close(w);
}

static void agent_names_its_master(void **state)
{
    (void)state;
    static const struct mu_resources none;
    static const struct {
        const char *master, *hostname;
    } cases[] = {{"10.0.0.1:5050", "10.0.0.1"},
                 {"m1.example:5050", "m1.example"},
                 {"[fd00::1]:5050", "fd00::1"},
                 {NULL, NULL}};
    struct world *w = world_open(MU_ROLE_AGENT);
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        w->local_agent = (struct mu_agent_row){.id = "S0",
                                               .ip = "10.0.0.2",
                                               .total = &none,
                                               .used = &none,
                                               .offered = &none,
                                               .master = cases[i].master};
        json_t *s = world_get(w, "/slave(1)/state");
        const char *got = text(s, "master_hostname");
        if (cases[i].hostname == NULL) {
            assert_null(got);
        } else {
            assert_string_equal(got, cases[i].hostname);
        }
        json_decref(s);
    }
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standby_names_the_leader_with_path_and_query),
        cmocka_unit_test(redirect_is_to_the_leader_itself),
        cmocka_unit_test(without_a_leader_clients_are_asked_to_come_again),
        cmocka_unit_test(every_master_answers_of_itself),
        cmocka_unit_test(health_says_whether_it_is_of_use_to_ask),
        cmocka_unit_test(every_master_says_how_its_registry_is),
        cmocka_unit_test(leader_without_a_name_is_named_by_address),
        cmocka_unit_test(leader_says_who_leads_and_since_when),
        cmocka_unit_test(agents_that_are_not_back_are_told_apart),
        cmocka_unit_test(lists_may_be_asked_for_one),
        cmocka_unit_test(agent_names_its_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
