/* Endpoints of apps: status codes, headers and bodies, and what becomes a command. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORY                                                                            \
    "{\"container\":{\"image\":\"docker:///libmesos/"                                    \
    "ubuntu\",\"options\":[]},\"id\":\"ubuntu\","                                        \
    "\"instances\":\"1\",\"cpus\":\".3\",\"mem\":\"200\",\"uris\":[],\"cmd\":\"while "   \
    "sleep 10; do date -u +%T; done\"}"

#define RESULT(ts) "{\"version\":\"" ts "\",\"deploymentId\":\"d-1\"}"
#define T0 "2016-01-01T00:00:00.000Z"
#define T1 "2016-01-01T00:00:00.001Z"
#define T2 "2016-01-01T00:00:00.002Z"

static void created_app_is_answered_when_it_is_stored(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = fake_ask(f, "POST", "/v2/apps?force=true", STORY);
    assert_int_equal(x->status, 0); /* not before it is durable */
    struct fake_command *k = fake_command(f);
    assert_int_equal(k->type, MU_CMD_APPS_PUT);
    assert_true(k->create_only);
    assert_true(k->force);
    assert_string_equal(k->client_ip, "10.0.0.9");
    assert_string_equal(k->uri, "/v2/apps?force=true");
    fake_succeed(f);
    assert_int_equal(x->status, 201);
    assert_string_equal(fake_header(x, "Location"), "http://us:8080/v2/apps/ubuntu");
    assert_string_equal(fake_header(x, "Marathon-Deployment-Id"), "d-1");
    assert_string_equal(fake_header(x, "X-Marathon-Leader"), "http://us:8080");
    assert_string_equal(fake_header(x, "X-Frame-Options"), "DENY");
    assert_string_equal(fake_header(x, "Cache-Control"),
                        "no-cache, no-store, must-revalidate");
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    json_t *extra = json_pack("{s:i,s:i,s:i,s:i,s:[{s:s}],s:[]}", "tasksStaged", 0,
                              "tasksRunning", 0, "tasksHealthy", 0, "tasksUnhealthy", 0,
                              "deployments", "id", "d-1", "tasks");
    const char *key;
    json_t *v;
    json_object_foreach (extra, key, v) {
        kit_assert_json(json_object_get(body, key), v, key);
        json_object_del(body, key);
    }
    json_t *definition = kit_app_json(f->apps[0].app);
    kit_assert_json(body, definition, "definition");
    json_decref(definition);
    json_decref(extra);
    json_decref(body);
    fake_close(f);
}

static void refused_definitions_never_reach_the_core(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = fake_ask(f, "POST", "/v2/apps", "{\"id\":");
    assert_int_equal(x->status, 400);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(body, "message")),
                        "Invalid JSON");
    assert_true(json_is_string(json_object_get(body, "details")));
    json_decref(body);
    fake_expect(
        f, "POST", "/v2/apps", "{\"id\":\"A\",\"cmd\":\"x\",\"cpus\":-1}", 422,
        "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/id\",\"errors\":["
        "\"must fully match regular expression "
        "'^(([a-z0-9]|[a-z0-9][a-z0-9\\\\-]*[a-z0-9])\\\\.)*([a-z0-9]|[a-z0-9][a-z0-"
        "9\\\\-]"
        "*[a-z0-9])|(\\\\.|\\\\.\\\\.)$'\"]},{\"path\":\"/cpus\",\"errors\":[\"got -1.0, "
        "expected 0.0 or more\"]}]}");
    fake_expect(
        f, "POST", "/v2/apps", "{\"id\":\"a\",\"instances\":[]}", 422,
        "{\"message\":\"Invalid JSON\",\"details\":[{\"path\":\"/instances\",\"errors\":["
        "\"error.expected.jsnumber\"]}]}");
    assert_int_equal(fake_ask(f, "POST", "/v2/apps", "")->status, 400);
    assert_null(f->commands);
    fake_close(f);
}

static void failures_of_the_core_have_marathons_status_and_body(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    static const struct {
        int code;
        const char *text, *path;
        int status;
        const char *body;
    } cases[] = {
        {MU_E_EXISTS, "An app with id [/a] already exists.", NULL, 409,
         "{\"message\":\"An app with id [/a] already exists.\"}"},
        {MU_E_INVALID, "Dependency graph has cyclic dependencies.", "/dependencies", 422,
         "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/dependencies\","
         "\"errors\":[\"Dependency graph has cyclic dependencies.\"]}]}"},
        {MU_E_NOT_FOUND, "App '/a' does not exist", NULL, 404,
         "{\"message\":\"App '/a' does not exist\"}"},
        {MU_E_LIMIT, "Max number (100) of running deployments is achieved.", NULL, 403,
         "{\"message\":\"Max number (100) of running deployments is achieved.\"}"},
        {MU_E_LIMIT, "All ports in the range [10000-20000) are already in use", NULL, 500,
         "{\"message\":\"All ports in the range [10000-20000) are already in use\"}"},
        {MU_E_LIMIT, "the change is too big", NULL, 422,
         "{\"message\":\"the change is too big\"}"},
        {MU_E_NOT_LEADER, "whether the change was stored is not known", NULL, 503,
         "{\"message\":\"whether the change was stored is not known\"}"},
        {MU_E_UNAVAILABLE, "the registry does not answer", NULL, 503,
         "{\"message\":\"the registry does not answer\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_http_exchange *x =
            fake_ask(f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}");
        fake_fail(f, cases[i].code, cases[i].text, cases[i].path);
        fake_expect_answer(x, cases[i].status, cases[i].body);
        assert_true((fake_header(x, "Retry-After") != NULL) == (cases[i].status == 503));
    }
    f->submit_code = MU_E_NOT_LEADER;
    fake_expect(
        f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}", 503,
        "{\"message\":\"This master does not lead at the moment. Please try again.\"}");
    fake_close(f);
}

static void locked_apps_are_a_conflict_with_the_deployments(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":2}");
    assert_false(fake_command(f)->force);
    fake_conflict(f, "d-9");
    fake_expect_answer(
        x, 409,
        "{\"message\":\"App is locked by one or more deployments. Override with the "
        "option "
        "'?force=true'. View details at "
        "'/v2/deployments/<DEPLOYMENT_ID>'.\",\"deployments\":[{\"id\":\"d-9\"}]}");
    fake_close(f);
}

static void update_is_laid_over_the_stored_definition(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a/b\",\"cmd\":\"x\",\"env\":{\"A\":\"1\"}}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps//a/b?force=True",
                                          "{\"id\":\"/a/b\",\"instances\":\"3\"}");
    struct fake_command *k = fake_command(f);
    assert_true(k->force);
    assert_false(k->create_only);
    assert_int_equal(k->apps[0]->instances, 3);
    assert_string_equal(k->apps[0]->cmd, "x");
    assert_int_equal(k->apps[0]->env.count, 1);
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T1));
    assert_string_equal(fake_header(x, "Marathon-Deployment-Id"), "d-1");
    assert_null(fake_header(x, "Location"));
    /* the whole definition anew */
    x = fake_ask(f, "PUT", "/v2/apps/a/b?partialUpdate=false", "{\"cmd\":\"y\"}");
    assert_int_equal(fake_command(f)->apps[0]->instances, 1);
    assert_int_equal(fake_command(f)->apps[0]->env.count, 0);
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T2));
    fake_close(f);
}

static void ids_in_urls_may_be_written_in_many_ways(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a/b\",\"cmd\":\"x\"}");
    static const char *const urls[] = {"/v2/apps/a/b", "/v2/apps//a/b", "/v2/apps/a/b/",
                                       "/v2/apps/%2Fa%2fb", "/v2/apps///a//b//"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct mu_http_exchange *x = fake_ask(f, "GET", urls[i], NULL);
        assert_int_equal(x->status, 200);
        assert_non_null(strstr(mu_buf_str(&x->body), "{\"app\":{\"id\":\"/a/b\""));
    }
    fake_close(f);
}

static void put_creates_and_patch_does_not(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/new", "{\"cmd\":\"x\"}");
    fake_succeed(f);
    fake_expect_answer(x, 201, RESULT(T0));
    assert_string_equal(fake_header(x, "Location"), "http://us:8080/v2/apps/new");
    fake_expect(f, "PATCH", "/v2/apps/other", "{\"cmd\":\"x\"}", 404,
                "{\"message\":\"App '/other' does not exist\"}");
    x = fake_ask(f, "PATCH", "/v2/apps/new", "{\"instances\":2}");
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_expect(
        f, "PUT", "/v2/apps/new", "{\"id\":\"/else\"}", 422,
        "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/id\",\"errors\":["
        "\"The id '/else' of the definition is not '/new', which the URL names\"]}]}");
    fake_close(f);
}

static void a_version_rolls_back(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"old\",\"instances\":4}");
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"new\"}");
    struct mu_http_exchange *x = fake_ask(
        f, "PUT", "/v2/apps/a", "{\"version\":\"2016-01-01T01:00:00.000+01:00\"}");
    assert_string_equal(fake_command(f)->apps[0]->cmd, "old");
    assert_int_equal(fake_command(f)->apps[0]->instances, 4);
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_expect(
        f, "PUT", "/v2/apps/a", "{\"version\":\"2015-01-01T00:00:00.000Z\"}", 404,
        "{\"message\":\"App '/a' does not exist in version 2015-01-01T00:00:00.000Z\"}");
    fake_expect(
        f, "PUT", "/v2/apps/a", "{\"version\":\"yesterday\"}", 422,
        "{\"message\":\"Invalid timestamp provided 'yesterday'. Expecting ISO-8601 "
        "datetime string.\"}");
    fake_expect(f, "PUT", "/v2/apps/none", "{\"version\":\"" T0 "\"}", 404,
                "{\"message\":\"App '/none' does not exist\"}");
    fake_expect(
        f, "PUT", "/v2/apps/a", "{\"version\":\"" T0 "\",\"cmd\":\"z\"}", 422,
        "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/\",\"errors\":["
        "\"The 'version' field may only be combined with the 'id' field.\"]}]}");
    fake_close(f);
}

static void what_get_answers_can_be_put_back(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, STORY);
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps/ubuntu", NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    char *text = json_dumps(json_object_get(body, "app"), 0);
    x = fake_ask(f, "PUT", "/v2/apps/ubuntu", text);
    assert_true(mu_app_same_config(fake_command(f)->apps[0], f->apps[0].app));
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    free(text);
    json_decref(body);
    fake_close(f);
}

static void changes_wait_for_each_other(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":7}");
    struct mu_http_exchange *y = fake_ask(f, "PUT", "/v2/apps/a", "{\"cmd\":\"y\"}");
    struct mu_http_exchange *bad = fake_ask(f, "PUT", "/v2/apps/a", "{\"cmd\":1}");
    assert_null(fake_command(f)->next); /* only the first is with the core */
    assert_int_equal(bad->status, 0);   /* judged in its turn */
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    assert_string_equal(fake_command(f)->apps[0]->cmd, "y");
    assert_int_equal(fake_command(f)->apps[0]->instances, 7); /* the first is not lost */
    fake_succeed(f);
    assert_int_equal(y->status, 200);
    assert_int_equal(bad->status, 422);
    fake_close(f);
}

static void clients_that_leave_take_only_waiting_changes_with_them(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":2}");
    struct mu_http_exchange *y = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":3}");
    struct mu_http_exchange *z = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":4}");
    fake_hang_up(x);
    fake_hang_up(y);
    fake_succeed(f);
    assert_int_equal(f->apps[0].app->instances, 2);
    assert_int_equal(fake_command(f)->apps[0]->instances, 4);
    fake_succeed(f);
    assert_int_equal(z->status, 200);
    assert_null(f->commands);
    fake_close(f);
}

static void clients_do_not_wait_for_ever(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":2}");
    fake_advance(f, 4000);
    struct mu_http_exchange *y = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":3}");
    struct mu_http_exchange *gone = fake_ask(f, "DELETE", "/v2/apps/a", NULL);
    fake_hang_up(gone);
    f->registry_why = "1 of 3 answer";
    fake_advance(f, 5999);
    assert_int_equal(x->status, 0);
    fake_advance(f, 1);
    fake_expect_answer(
        x, 503,
        "{\"message\":\"The change has not been stored within 10 s: 1 of 3 "
        "answer. Whether it will be is not known: look before you ask "
        "again.\"}");
    assert_string_equal(fake_header(x, "Retry-After"), "1");
    assert_int_equal(y->status, 0);
    f->registry_why = NULL;
    fake_advance(f, 4000);
    fake_expect_answer(y, 503,
                       "{\"message\":\"The change was not made: changes before it have "
                       "not been stored: the registry has not answered. Please try "
                       "again.\"}");
    struct mu_http_exchange *z = fake_ask(f, "PUT", "/v2/apps/a", "{\"instances\":4}");
    fake_succeed(f); /* the first one is made, as nobody was told that it was not */
    assert_int_equal(f->apps[0].app->instances, 2);
    assert_int_equal(fake_command(f)->apps[0]->instances, 4); /* the second one is not */
    fake_succeed(f);
    assert_int_equal(z->status, 200);
    assert_null(f->commands);
    fake_close(f);
}

static void waiting_changes_wait_on_when_the_leadership_goes(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "DELETE", "/v2/apps/a", NULL);
    struct mu_http_exchange *y = fake_ask(f, "DELETE", "/v2/apps/a", NULL);
    f->leads = false;
    fake_fail(f, MU_E_NOT_LEADER, NULL, NULL);
    assert_int_equal(x->status, 503);
    assert_int_equal(y->status, 0);
    fake_advance(f, 6000);
    assert_int_equal(y->status, 503);
    assert_string_equal(fake_header(y, "Retry-After"), "1");
    assert_null(fake_header(y, "X-Marathon-Leader"));
    fake_close(f);
}

static void too_many_waiting_changes_are_refused(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *last = NULL;
    for (int i = 0; i < 501; i++) {
        last = fake_ask(f, "POST", "/v2/apps", "{\"id\":\"a\",\"cmd\":\"x\"}");
    }
    assert_int_equal(last->status, 503);
    fake_close(f);
}

static void many_updates_are_one_deployment(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x =
        fake_ask(f, "PUT", "/v2/apps",
                 "[{\"id\":\"a\",\"instances\":2},{\"id\":\"b\",\"cmd\":\"y\"},{\"id\":"
                 "\"/a\",\"cmd\":\"z\"}]");
    struct fake_command *k = fake_command(f);
    assert_int_equal(k->app_count, 2);
    assert_int_equal(k->apps[0]->instances, 2);
    assert_string_equal(k->apps[0]->cmd, "z");
    assert_string_equal(k->apps[1]->id, "/b");
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T1));
    x = fake_ask(f, "PUT", "/v2/apps/", "[]");
    assert_int_equal(fake_command(f)->app_count, 0);
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T2));
    fake_expect(f, "PUT", "/v2/apps", "[{\"cmd\":\"x\"}]", 422,
                "{\"message\":\"App Update must have app id set\"}");
    fake_expect(
        f, "PUT", "/v2/apps", "{}", 422,
        "{\"message\":\"Invalid JSON\",\"details\":[{\"path\":\"/\",\"errors\":[\"error."
        "expected.jsarray\"]}]}");
    fake_expect(
        f, "PUT", "/v2/apps", "[{\"id\":\"a\",\"cpus\":-1}]", 422,
        "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/(0)/cpus\","
        "\"errors\":[\"got -1.0, expected 0.0 or more\"]}]}");
    fake_expect(f, "PATCH", "/v2/apps",
                "[{\"id\":\"a\"},{\"id\":\"nope\",\"cmd\":\"x\"}]", 404,
                "{\"message\":\"App '/nope' does not exist\"}");
    fake_close(f);
}

static void delete_and_restart(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a/b\",\"cmd\":\"x\"}");
    struct mu_http_exchange *x = fake_ask(f, "POST", "/v2/apps//a/b/restart", "{}");
    assert_int_equal(fake_command(f)->type, MU_CMD_APP_RESTART);
    assert_false(fake_command(f)->force);
    assert_string_equal(fake_command(f)->ids.v[0], "/a/b");
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T1));
    x = fake_ask(f, "DELETE", "/v2/apps/a/b?force=False", NULL);
    assert_false(fake_command(f)->force);
    fake_conflict(f, "d-2");
    assert_int_equal(x->status, 409);
    x = fake_ask(f, "DELETE", "/v2/apps/a/b", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_APP_DELETE);
    assert_true(fake_command(f)->force); /* by default */
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT(T2));
    fake_expect(f, "DELETE", "/v2/apps/a/b", NULL, 404,
                "{\"message\":\"App '/a/b' does not exist\"}");
    fake_expect(f, "POST", "/v2/apps/a/b/restart", NULL, 404,
                "{\"message\":\"App '/a/b' does not exist\"}");
    fake_close(f);
}

static void versions_are_listed_and_shown(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"old\"}");
    fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"new\"}");
    fake_expect(f, "GET", "/v2/apps/a/versions", NULL, 200,
                "{\"versions\":[\"" T1 "\",\"" T0 "\"]}");
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps/a/versions/" T0, NULL);
    assert_int_equal(x->status, 200);
    assert_non_null(strstr(mu_buf_str(&x->body), "{\"id\":\"/a\",\"cmd\":\"old\""));
    fake_expect(
        f, "GET", "/v2/apps/a/versions/2015-01-01T00:00:00.000Z", NULL, 404,
        "{\"message\":\"App '/a' does not exist in version 2015-01-01T00:00:00.000Z\"}");
    fake_expect(f, "GET", "/v2/apps/b/versions", NULL, 404,
                "{\"message\":\"App '/b' does not exist\"}");
    fake_expect(f, "GET", "/v2/apps/b/versions/" T0, NULL, 404,
                "{\"message\":\"App '/b' does not exist\"}");
    fake_expect(
        f, "GET", "/v2/apps/a/versions/x", NULL, 422,
        "{\"message\":\"Invalid timestamp provided 'x'. Expecting ISO-8601 datetime "
        "string.\"}");
    fake_close(f);
}

/* The ids in {"apps":[...]}, joined. */
static void assert_ids(struct fake *f, const char *url, const char *key, const char *ids)
{
    struct mu_http_exchange *x = fake_ask(f, "GET", url, NULL);
    json_error_t err;
    json_t *body = json_loads(mu_buf_str(&x->body), 0, &err);
    if (body == NULL) {
        fail_msg("%s: %s", err.text, mu_buf_str(&x->body));
    }
    char got[512] = "";
    size_t i, n = 0;
    json_t *app;
    json_array_foreach (json_object_get(body, key), i, app) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s ",
                              json_string_value(json_object_get(app, "id")));
    }
    json_decref(body);
    assert_int_equal(x->status, 200);
    assert_string_equal(got, ids);
}

static void lists_are_filtered(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    assert_ids(f, "/v2/apps", "apps", "");
    fake_add_app(
        f,
        "{\"id\":\"a\",\"cmd\":\"Sleep 1\",\"labels\":{\"env\":\"prod\",\"x y\":\"1\"}}");
    fake_add_app(f, "{\"id\":\"g/b\",\"cmd\":\"run\",\"labels\":{\"env\":\"test\"}}");
    fake_add_app(f, "{\"id\":\"g/h/c\",\"args\":[\"sleep\"]}");
    assert_ids(f, "/v2/apps", "apps", "/a /g/b /g/h/c ");
    assert_ids(f, "/v2/apps?cmd=sleep", "apps", "/a ");
    assert_ids(f, "/v2/apps?id=G/", "apps", "/g/b /g/h/c ");
    assert_ids(f, "/v2/apps?label=env", "apps", "/a /g/b ");
    assert_ids(f, "/v2/apps?label=env%3D%3Dprod", "apps", "/a ");
    assert_ids(f, "/v2/apps?label=env!%3Dprod", "apps", "/g/b ");
    assert_ids(f, "/v2/apps?label=env+in+(prod,+test)&id=a", "apps", "/a ");
    assert_ids(f, "/v2/apps?label=x%5C+y%3D%3D1", "apps", "/a ");
    assert_ids(f, "/v2/apps/g/*", "*", "/g/b /g/h/c ");
    assert_ids(f, "/v2/apps/*", "*", "/a /g/b /g/h/c ");
    fake_expect(
        f, "GET", "/v2/apps?label=env%3Dprod", NULL, 422,
        "{\"message\":\"Can not parse label selector env=prod. Reason: '==', '!=', 'in' "
        "or 'notin' expected at position 4, found '=prod'\"}");
    fake_expect(f, "GET", "/v2/apps/none/*", NULL, 404,
                "{\"message\":\"Group '/none' does not exist\"}");
    fake_expect(f, "GET", "/v2/apps/none", NULL, 404,
                "{\"message\":\"App '/none' does not exist\"}");
    fake_close(f);
}

static json_t *get_app(struct fake *f, const char *url, bool in_list)
{
    struct mu_http_exchange *x = fake_ask(f, "GET", url, NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    json_t *app = in_list ? json_array_get(json_object_get(body, "apps"), 0)
                          : json_object_get(body, "app");
    json_incref(app);
    json_decref(body);
    return app;
}

static void embed_adds_what_is_asked_for(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    const struct mu_task_failure failure = {.task_id = "a.t",
                                            .host = "h",
                                            .agent_id = "S0",
                                            .message = "boom",
                                            .state = MU_TASK_FAILED,
                                            .wall_ms = FAKE_WALL_MS,
                                            .version_ms = FAKE_WALL_MS};
    struct fake_app *a = fake_add_app(f, "{\"id\":\"a\",\"cmd\":\"x\"}");
    a->deployments[0] = "d-5";
    a->deployment_count = 1;
    a->failure = &failure;
    fake_add_task(f, "/a", "a.t1", MU_TASK_RUNNING, "h1", 31000);
    fake_add_task(f, "/a", "a.t2", MU_TASK_STAGING, "h2", 31001);
    json_t *app = get_app(f, "/v2/apps", true);
    assert_null(json_object_get(app, "tasks"));
    assert_null(json_object_get(app, "lastTaskFailure"));
    assert_null(json_object_get(app, "taskStats"));
    assert_int_equal(json_integer_value(json_object_get(app, "tasksRunning")), 1);
    assert_int_equal(json_integer_value(json_object_get(app, "tasksStaged")), 1);
    assert_int_equal(json_array_size(json_object_get(app, "deployments")), 1);
    json_decref(app);
    app = get_app(f, "/v2/apps?embed=apps.tasks&embed=nonsense", true);
    json_t *tasks = json_object_get(app, "tasks");
    assert_int_equal(json_array_size(tasks), 2);
    json_t *task = json_loads("{\"id\":\"a.t1\",\"appId\":\"/"
                              "a\",\"slaveId\":\"S0\",\"host\":\"h1\",\"state\":\"TASK_"
                              "RUNNING\",\"ports\":[31000],\"servicePorts\":[0],"
                              "\"ipAddresses\":[{\"ipAddress\":\"10.1."
                              "1.1\",\"protocol\":\"IPv4\"}],\"stagedAt\":\"" T0
                              "\",\"startedAt\":\"" T1 "\",\"version\":\"" T0 "\"}",
                              0, NULL);
    kit_assert_json(json_array_get(tasks, 0), task, "task");
    assert_true(json_is_null(json_object_get(json_array_get(tasks, 1), "startedAt")));
    json_decref(task);
    json_decref(app);
    app = get_app(
        f, "/v2/apps?embed=apps.failures&embed=apps.taskStats&embed=app.readiness", true);
    assert_true(json_is_array(json_object_get(app, "readinessCheckResults")));
    json_t *wanted = json_loads(
        "{\"appId\":\"/"
        "a\",\"host\":\"h\",\"message\":\"boom\",\"state\":\"TASK_FAILED\",\"taskId\":"
        "\"a.t\",\"slaveId\":\"S0\",\"timestamp\":\"" T0 "\",\"version\":\"" T0 "\"}",
        0, NULL);
    kit_assert_json(json_object_get(app, "lastTaskFailure"), wanted, "lastTaskFailure");
    json_decref(wanted);
    f->now_ms = 0;
    wanted = json_loads(
        "{\"counts\":{\"staged\":1,\"running\":1,\"healthy\":0,\"unhealthy\":0},"
        "\"lifeTime\":{\"averageSeconds\":0,\"medianSeconds\":0}}",
        0, NULL);
    kit_assert_json(
        json_object_get(
            json_object_get(json_object_get(app, "taskStats"), "totalSummary"), "stats"),
        wanted, "taskStats");
    assert_null(json_object_get(json_object_get(app, "taskStats"), "withOutdatedConfig"));
    json_decref(wanted);
    json_decref(app);
    app = get_app(f, "/v2/apps/a", false); /* always all of it */
    assert_int_equal(json_array_size(json_object_get(app, "tasks")), 2);
    assert_non_null(json_object_get(app, "lastTaskFailure"));
    json_decref(app);
    fake_close(f);
}

static void long_lists_come_in_pieces(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    for (int i = 0; i < 1000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"id\":\"app-%04d\",\"cmd\":\"x\"}", i);
        fake_add_app(f, text);
    }
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/apps", NULL);
    assert_true(x->streaming && x->bounded && !x->ended);
    assert_true(x->body.len < 300000);
    assert_true(fake_drain(x));
    for (int i = 999; i > 900; i--) { /* what goes away meanwhile is left out */
        mu_app_unref(f->apps[i].app);
        f->app_count--;
    }
    while (fake_drain(x)) {
    }
    assert_true(x->ended && !x->aborted);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(body, "apps")), 901);
    json_decref(body);
    /* a client that leaves halfway, and a leadership that does */
    x = fake_ask(f, "GET", "/v2/apps", NULL);
    fake_hang_up(x);
    x = fake_ask(f, "GET", "/v2/apps", NULL);
    f->leads = false;
    fake_drain(x);
    assert_true(x->aborted);
    f->leads = true;
    x = fake_ask(f, "GET", "/v2/apps", NULL); /* stop cuts it */
    assert_true(x->streaming && !x->ended);
    fake_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_app_is_answered_when_it_is_stored),
        cmocka_unit_test(refused_definitions_never_reach_the_core),
        cmocka_unit_test(failures_of_the_core_have_marathons_status_and_body),
        cmocka_unit_test(locked_apps_are_a_conflict_with_the_deployments),
        cmocka_unit_test(update_is_laid_over_the_stored_definition),
        cmocka_unit_test(ids_in_urls_may_be_written_in_many_ways),
        cmocka_unit_test(put_creates_and_patch_does_not),
        cmocka_unit_test(a_version_rolls_back),
        cmocka_unit_test(what_get_answers_can_be_put_back),
        cmocka_unit_test(changes_wait_for_each_other),
        cmocka_unit_test(clients_that_leave_take_only_waiting_changes_with_them),
        cmocka_unit_test(clients_do_not_wait_for_ever),
        cmocka_unit_test(waiting_changes_wait_on_when_the_leadership_goes),
        cmocka_unit_test(too_many_waiting_changes_are_refused),
        cmocka_unit_test(many_updates_are_one_deployment),
        cmocka_unit_test(delete_and_restart),
        cmocka_unit_test(versions_are_listed_and_shown),
        cmocka_unit_test(lists_are_filtered),
        cmocka_unit_test(embed_adds_what_is_asked_for),
        cmocka_unit_test(long_lists_come_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
