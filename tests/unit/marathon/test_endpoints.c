/* The other endpoints, and what all have in common: headers, methods, readiness, CORS,
 * limits, the end of the plugin. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

#define T0 "2016-01-01T00:00:00.000Z"
#define T1 "2016-01-01T00:00:00.001Z"

static void deployments_are_listed_and_undone(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_expect(f, "GET", "/v2/deployments", NULL, 200, "[]");
    const struct mu_deployment_action start = {MU_ACTION_START, "/a"},
                                      scale = {MU_ACTION_SCALE, "/a"};
    const struct mu_deployment_step steps[] = {{&start, 1}, {&scale, 1}};
    const char *const affected[] = {"/a"};
    const struct mu_deployment_row d = {.id = "d-7",
                                        .version_ms = FAKE_WALL_MS,
                                        .affected = affected,
                                        .affected_count = 1,
                                        .steps = steps,
                                        .step_count = 2,
                                        .current_step = 2,
                                        .waiting_for = "offers"};
    f->deployments = &d;
    f->deployment_count = 1;
    fake_expect(f, "GET", "/v2/deployments", NULL, 200,
                "[{\"id\":\"d-7\",\"version\":\"" T0
                "\",\"affectedApps\":[\"/a\"],\"affectedPods\":[],"
                "\"steps\":[{\"actions\":[{\"action\":\"StartApplication\",\"app\":\"/"
                "a\"}]},{\"actions\":"
                "[{\"action\":\"ScaleApplication\",\"app\":\"/"
                "a\"}]}],\"currentActions\":[{\"action\":"
                "\"ScaleApplication\",\"app\":\"/"
                "a\",\"readinessCheckResults\":[]}],\"currentStep\":2,"
                "\"totalSteps\":2}]");
    struct mu_http_exchange *x =
        fake_ask(f, "GET", "/v2/deployments?embed=waitingFor", NULL);
    assert_non_null(strstr(mu_buf_str(&x->body), "\"waitingFor\":\"offers\""));
    x = fake_ask(f, "DELETE", "/v2/deployments/d-7", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_DEPLOYMENT_STOP);
    assert_string_equal(fake_command(f)->ids.v[0], "d-7");
    assert_false(fake_command(f)->force);
    fake_succeed(f);
    fake_expect_answer(x, 200, "{\"version\":\"" T0 "\",\"deploymentId\":\"d-1\"}");
    x = fake_ask(f, "DELETE", "/v2/deployments/d-7?force=true", NULL);
    assert_true(fake_command(f)->force);
    fake_succeed(f);
    fake_expect_answer(x, 202, "");
    x = fake_ask(f, "DELETE", "/v2/deployments/none", NULL);
    fake_fail(f, MU_E_NOT_FOUND, "DeploymentPlan none does not exist", NULL);
    fake_expect_answer(x, 404, "{\"message\":\"DeploymentPlan none does not exist\"}");
    fake_close(f);
}

static void queue_tells_what_waits_and_why(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_expect(f, "GET", "/v2/queue", NULL, 200, "{\"queue\":[]}");
    struct fake_app *a = fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    const struct mu_queue_row q = {.app = a->app,
                                   .count = 3,
                                   .delay_left_ms = 1200,
                                   .since_ms = FAKE_WALL_MS,
                                   .offers_processed = 4,
                                   .offers_unused = 2,
                                   .last_unused_ms = FAKE_WALL_MS,
                                   .waiting_for = "cpus",
                                   .rejects = {{"InsufficientCpus", 2, 4}}};
    f->queue = &q;
    f->queue_count = 1;
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/queue", NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    json_t *entry = json_array_get(json_object_get(body, "queue"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(entry, "app"), "id")), "/a");
    json_object_del(entry, "app");
    json_t *wanted = json_loads(
        "{\"count\":3,\"delay\":{\"timeLeftSeconds\":2,\"overdue\":false},\"since\":\"" T0
        "\",\"processedOffersSummary\":{\"processedOffersCount\":4,\"unusedOffersCount\":"
        "2,"
        "\"lastUnusedOfferAt\":\"" T0
        "\",\"rejectSummaryLastOffers\":[{\"reason\":\"InsufficientCpus\",\"declined\":2,"
        "\"processed\":4}],\"rejectSummaryLaunchAttempt\":[{\"reason\":"
        "\"InsufficientCpus\","
        "\"declined\":2,\"processed\":4}]}}",
        0, NULL);
    kit_assert_json(entry, wanted, "queue");
    json_decref(wanted);
    json_decref(body);
    x = fake_ask(f, "GET", "/v2/queue?embed=lastUnusedOffers&embed=waitingFor", NULL);
    assert_non_null(strstr(mu_buf_str(&x->body), "\"lastUnusedOffers\":[]"));
    assert_non_null(strstr(mu_buf_str(&x->body), "\"waitingFor\":\"cpus\""));
    x = fake_ask(f, "DELETE", "/v2/queue//a/delay", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_QUEUE_RESET);
    assert_string_equal(fake_command(f)->ids.v[0], "/a");
    fake_succeed(f);
    fake_expect_answer(x, 204, "");
    fake_expect(f, "DELETE", "/v2/queue/b/delay", NULL, 404,
                "{\"message\":\"Application /b not found in tasks queue.\"}");
    fake_close(f);
}

static void leader_is_named_and_abdicates(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_expect(f, "GET", "/v2/leader", NULL, 200, "{\"leader\":\"us:8080\"}");
    struct mu_http_exchange *x = fake_ask(f, "DELETE", "/v2/leader", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_ABDICATE);
    fake_succeed(f);
    fake_expect_answer(x, 200, "{\"message\":\"Leadership abdicated\"}");
    f->leads = false;
    fake_expect(f, "GET", "/v2/leader", NULL, 404,
                "{\"message\":\"There is no leader\"}");
    f->leader_host = "other";
    fake_expect(f, "GET", "/v2/leader", NULL, 200, "{\"leader\":\"other:8081\"}");
    fake_close(f);
}

static void info_has_the_keys_that_strict_clients_know(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/info", NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), JSON_REJECT_DUPLICATES, NULL);
    json_t *config = json_object_get(body, "marathon_config");
    json_t *zk = json_object_get(body, "zookeeper_config");
    assert_int_equal(json_object_size(config), 41);
    assert_int_equal(json_object_size(zk), 8);
    assert_int_equal(json_object_size(body), 10);
    assert_int_equal(json_integer_value(json_object_get(config, "failover_timeout")), 99);
    assert_string_equal(json_string_value(json_object_get(config, "hostname")), "us");
    assert_string_equal(json_string_value(json_object_get(zk, "zk")),
                        "zk://xxxxxxxx:xxxxxxxx@z1:2181/mesos");
    assert_string_equal(json_string_value(json_object_get(body, "frameworkId")), "fw-1");
    assert_string_equal(json_string_value(json_object_get(body, "buildref")),
                        "muster-9.9");
    assert_true(json_is_true(json_object_get(body, "elected")));
    json_decref(body);
    f->leads = false; /* any master answers */
    x = fake_ask(f, "GET", "/v2/info", NULL);
    body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_true(json_is_false(json_object_get(body, "elected")));
    assert_true(json_is_null(json_object_get(body, "leader")));
    json_decref(body);
    fake_close(f);
}

static void small_endpoints_answer(void **state)
{
    (void)state;
    static const char *const json[] = {"Accept: application/json", NULL};
    struct fake *f = fake_open(NULL);
    fake_expect(f, "GET", "/ping", NULL, 200, "pong");
    fake_expect_answer(fake_ask_with(f, "GET", "/ping", json, NULL), 200, "\"pong\"");
    fake_expect(f, "GET", "/v2/plugins", NULL, 200, "{\"plugins\":[]}");
    fake_expect(f, "GET", "/metrics", NULL, 200,
                "{\"version\":\"4.0.0\",\"gauges\":{\"marathon.apps.active.gauge\":{"
                "\"value\":2}},"
                "\"counters\":{\"marathon.tasks.killed.counter\":{\"count\":5}},"
                "\"histograms\":{},"
                "\"meters\":{},\"timers\":{}}");
    struct mu_http_exchange *x = fake_ask(f, "GET", "/metrics/prometheus", NULL);
    assert_string_equal(
        mu_buf_str(&x->body),
        "# TYPE marathon_apps_active_gauge gauge\nmarathon_apps_active_gauge 2\n"
        "# TYPE marathon_tasks_killed_counter counter\n"
        "marathon_tasks_killed_counter 5\n");
    x = fake_ask(f, "GET", "/config", NULL);
    assert_null(strstr(mu_buf_str(&x->body), "secret"));
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    for (size_t i = 0; i < 3; i++) {
        x = fake_ask(f, methods[i], "/v2/eventSubscriptions?callbackUrl=http://x", NULL);
        assert_int_equal(x->status, 400);
        assert_non_null(strstr(mu_buf_str(&x->body), "--event_subscriber http_callback"));
    }
    fake_close(f);
}

static void unknown_paths_and_methods_are_answered_in_json(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_expect(f, "GET", "/v2/nope", NULL, 404,
                "{\"message\":\"URI not found: /v2/nope\"}");
    fake_expect(f, "POST", "/", NULL, 404, "{\"message\":\"URI not found: /\"}");
    fake_expect(f, "GET", "/v2/pods", NULL, 404,
                "{\"message\":\"URI not found: /v2/pods\"}");
    fake_expect(f, "DELETE", "/v2/queue/a", NULL, 404,
                "{\"message\":\"URI not found: /v2/queue/a\"}");
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"DELETE", "/v2/apps", "GET, HEAD, POST, PUT, PATCH, OPTIONS"},
        {"POST", "/v2/apps/a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
        {"GET", "/v2/apps/a/restart", "POST, OPTIONS"},
        {"POST", "/v2/apps/a/tasks", "GET, HEAD, DELETE, OPTIONS"},
        {"GET", "/v2/tasks/delete", "POST, OPTIONS"},
        {"PUT", "/v2/info", "GET, HEAD, OPTIONS"},
        {"GET", "/v2/deployments/x", "DELETE, OPTIONS"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_http_exchange *x = fake_ask(f, cases[i].method, cases[i].path, NULL);
        fake_expect_answer(x, 405, "{\"message\":\"HTTP 405 Method Not Allowed\"}");
        assert_string_equal(fake_header(x, "Allow"), cases[i].allow);
        x = fake_ask(f, "OPTIONS", cases[i].path, NULL);
        fake_expect_answer(x, 200, "");
        assert_string_equal(fake_header(x, "Allow"), cases[i].allow);
    }
    fake_close(f);
}

static void what_the_server_refuses_has_a_message_too(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_buf body;
    const char *type = NULL;
    mu_buf_init(&body, 4096);
    f->error_body(413, "the body is larger than 8388608 bytes", &body, &type);
    assert_string_equal(type, "application/json");
    assert_string_equal(mu_buf_str(&body),
                        "{\"message\":\"the body is larger than 8388608 bytes\"}");
    mu_buf_release(&body);
    fake_close(f);
}

static void standbys_and_loading_leaders_ask_to_come_again(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
    } cases[] = {{"GET", "/v2/apps", NULL},
                 {"GET", "/v2/groups", NULL},
                 {"GET", "/v2/tasks", NULL},
                 {"GET", "/v2/queue", NULL},
                 {"GET", "/v2/deployments", NULL},
                 {"GET", "/v2/apps/a/versions", NULL},
                 {"POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}"},
                 {"PUT", "/v2/apps/a", "{}"},
                 {"DELETE", "/v2/apps/a", NULL},
                 {"GET", "/v1/apps", NULL}};
    struct fake *f = fake_open((const char *const[]){"leader_wait=0secs", NULL});
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->leads = false;
        struct mu_http_exchange *x =
            fake_ask(f, cases[i].method, cases[i].path, cases[i].body);
        fake_expect_answer(x, 503,
                           "{\"message\":\"Could not determine the current leader.\"}");
        assert_string_equal(fake_header(x, "Retry-After"), "1");
        f->leads = true;
        f->recovered = false;
        x = fake_ask(f, cases[i].method, cases[i].path, cases[i].body);
        fake_expect_answer(
            x, 503,
            "{\"message\":\"The leader is still loading its state. Please try again.\"}");
        f->registry_why = "1 of 3 answer";
        x = fake_ask(f, cases[i].method, cases[i].path, cases[i].body);
        fake_expect_answer(x, 503,
                           "{\"message\":\"The leader is still loading its state: 1 of 3 "
                           "answer. Please try again.\"}");
        f->registry_why = NULL;
        f->recovered = true;
    }
    f->leads = false;
    assert_int_equal(fake_ask(f, "GET", "/ping", NULL)->status, 200);
    assert_int_equal(fake_ask(f, "GET", "/metrics", NULL)->status, 200);
    assert_null(f->commands);
    fake_close(f);
}

static void origins_are_allowed_by_flag(void **state)
{
    (void)state;
    static const char *const flags[] = {
        "access_control_allow_origin=http://a.example,http://b.example", NULL};
    static const char *const any[] = {"access_control_allow_origin=*", NULL};
    static const char *const b[] = {"Origin: http://b.example",
                                    "Access-Control-Request-Headers: X-Token", NULL};
    static const char *const c[] = {"Origin: http://c.example", NULL};
    struct fake *f = fake_open(flags);
    struct mu_http_exchange *x = fake_ask_with(f, "OPTIONS", "/v2/apps", b, NULL);
    assert_string_equal(fake_header(x, "Access-Control-Allow-Origin"),
                        "http://b.example");
    assert_string_equal(fake_header(x, "Access-Control-Allow-Headers"), "X-Token");
    assert_string_equal(fake_header(x, "Access-Control-Max-Age"), "86400");
    x = fake_ask_with(f, "GET", "/v2/apps", c, NULL);
    assert_null(fake_header(x, "Access-Control-Allow-Origin"));
    fake_close(f);
    f = fake_open(any);
    x = fake_ask_with(f, "GET", "/v2/apps", c, NULL);
    assert_string_equal(fake_header(x, "Access-Control-Allow-Origin"), "*");
    fake_close(f);
}

static void requests_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static const char *const flags[] = {"http_max_concurrent_requests=1", NULL};
    struct fake *f = fake_open(flags);
    struct mu_http_exchange *x =
        fake_ask(f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}");
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 503);
    fake_succeed(f);
    assert_int_equal(x->status, 201);
    assert_int_equal(fake_ask(f, "GET", "/v2/apps", NULL)->status, 200);
    fake_close(f);
}

static void stop_waits_for_the_commands_that_the_core_has(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x =
        fake_ask(f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *y =
        fake_ask(f, "POST", "/v2/apps", "{\"id\":\"b\",\"cmd\":\"x\"}");
    fake_close(f); /* proves that it stops; the first is answered by the core */
    (void)x;
    (void)y;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deployments_are_listed_and_undone),
        cmocka_unit_test(queue_tells_what_waits_and_why),
        cmocka_unit_test(leader_is_named_and_abdicates),
        cmocka_unit_test(info_has_the_keys_that_strict_clients_know),
        cmocka_unit_test(small_endpoints_answer),
        cmocka_unit_test(unknown_paths_and_methods_are_answered_in_json),
        cmocka_unit_test(what_the_server_refuses_has_a_message_too),
        cmocka_unit_test(standbys_and_loading_leaders_ask_to_come_again),
        cmocka_unit_test(origins_are_allowed_by_flag),
        cmocka_unit_test(requests_beyond_the_limit_are_refused),
        cmocka_unit_test(stop_waits_for_the_commands_that_the_core_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
