/* Endpoints of groups: the tree, and what a change of it becomes. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

#define T0 "2016-01-01T00:00:00.000Z"
#define T1 "2016-01-01T00:00:00.001Z"
#define T2 "2016-01-01T00:00:00.002Z"
#define T3 "2016-01-01T00:00:00.003Z"

static struct fake *small_tree(void)
{
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"top\",\"cmd\":\"x\"}");
    fake_add_app(f, "{\"id\":\"p/web\",\"cmd\":\"x\",\"instances\":3}");
    fake_add_app(f, "{\"id\":\"p/db/mongo\",\"cmd\":\"x\"}");
    fake_add_app(f, "{\"id\":\"p-2/x\",\"cmd\":\"x\"}");
    return f;
}

/* "id(apps|groups)" of a group's JSON, apps by id. */
static void outline(const json_t *g, char *out, size_t cap)
{
    size_t n = strlen(out), i;
    json_t *e;
    n += (size_t)snprintf(out + n, cap - n, "%s(",
                          json_string_value(json_object_get(g, "id")));
    json_array_foreach (json_object_get(g, "apps"), i, e) {
        n += (size_t)snprintf(out + n, cap - n, "%s ",
                              json_string_value(json_object_get(e, "id")));
    }
    n += (size_t)snprintf(out + n, cap - n, "|");
    json_array_foreach (json_object_get(g, "groups"), i, e) {
        outline(e, out, cap);
    }
    n = strlen(out);
    snprintf(out + n, cap - n, ")");
}

static void assert_outline(struct fake *f, const char *url, const char *wanted)
{
    struct mu_http_exchange *x = fake_ask(f, "GET", url, NULL);
    char got[2048] = "";
    json_error_t err;
    assert_int_equal(x->status, 200);
    json_t *body = json_loads(mu_buf_str(&x->body), JSON_REJECT_DUPLICATES, &err);
    if (body == NULL) {
        fail_msg("%s: %s", err.text, mu_buf_str(&x->body));
    }
    outline(body, got, sizeof(got));
    json_decref(body);
    assert_string_equal(got, wanted);
}

static void groups_are_derived_from_the_ids_of_apps(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    fake_expect(
        f, "GET", "/v2/groups", NULL, 200,
        "{\"id\":\"/"
        "\",\"apps\":[],\"groups\":[],\"pods\":[],\"dependencies\":[],\"version\":"
        "\"1970-01-01T00:00:00.000Z\"}");
    fake_close(f);
    f = small_tree();
    assert_outline(f, "/v2/groups",
                   "/(/top |/p(/p/web |/p/db(/p/db/mongo |))/p-2(/p-2/x |))");
    assert_outline(f, "/v2/groups//p", "/p(/p/web |/p/db(/p/db/mongo |))");
    assert_outline(f, "/v2/groups/p/db/", "/p/db(/p/db/mongo |)");
    fake_expect(f, "GET", "/v2/groups/none", NULL, 404,
                "{\"message\":\"Group '/none' does not exist\"}");
    fake_expect(f, "GET", "/v2/groups/top", NULL, 404,
                "{\"message\":\"Group '/top' does not exist\"}");
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/groups/p/apps", NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(body), 2);
    json_decref(body);
    fake_close(f);
}

static void embed_chooses_the_parts_of_a_group(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    fake_expect(f, "GET", "/v2/groups/p/db?embed=group.pods", NULL, 200,
                "{\"id\":\"/p/db\",\"pods\":[],\"dependencies\":[],\"version\":\"" T2
                "\"}");
    assert_outline(f, "/v2/groups/p?embed=group.groups", "/p(|/p/db(|))");
    struct mu_http_exchange *x = fake_ask(
        f, "GET",
        "/v2/"
        "groups?embed=group.groups&embed=group.apps&embed=group.apps.deployments&embed="
        "group.apps.counts",
        NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    json_t *app = json_array_get(json_object_get(body, "apps"), 0);
    assert_non_null(json_object_get(app, "tasksRunning"));
    assert_non_null(json_object_get(app, "deployments"));
    assert_null(json_object_get(body, "pods"));
    json_decref(body);
    x = fake_ask(f, "GET", "/v2/groups?embed=group.apps&embed=apps.counts", NULL);
    assert_null(strstr(mu_buf_str(&x->body), "tasksRunning")); /* not the full prefix */
    fake_close(f);
}

static void versions_of_a_group_are_those_of_its_apps(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    fake_add_app(f, "{\"id\":\"p/web\",\"cmd\":\"newer\"}");
    fake_expect(f, "GET", "/v2/groups/p/versions", NULL, 200,
                "[\"2016-01-01T00:00:00.004Z\",\"" T2 "\",\"" T1 "\"]");
    fake_expect(f, "GET", "/v2/groups/versions", NULL, 200,
                "[\"2016-01-01T00:00:00.004Z\",\"" T3 "\",\"" T2 "\",\"" T1 "\",\"" T0
                "\"]");
    assert_outline(f, "/v2/groups/p/versions/" T1, "/p(/p/web |)");
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/groups/p/versions/" T2, NULL);
    assert_non_null(
        strstr(mu_buf_str(&x->body), "\"cmd\":\"x\",\"env\":{},\"instances\":3"));
    fake_expect(f, "GET", "/v2/groups/p/versions/" T0, NULL, 404,
                "{\"message\":\"Group '/p' does not exist in version " T0 "\"}");
    fake_expect(f, "GET", "/v2/groups/none/versions", NULL, 404,
                "{\"message\":\"Group '/none' does not exist\"}");
    fake_close(f);
}

static void created_group_is_one_deployment_of_its_apps(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    struct mu_http_exchange *x =
        fake_ask(f, "POST", "/v2/groups",
                 "{\"id\":\"n\",\"apps\":[{\"id\":\"a\",\"cmd\":\"x\"}],\"groups\":[{"
                 "\"id\":\"g\",\"apps\":[{"
                 "\"id\":\"b\",\"cmd\":\"y\",\"dependencies\":[\"/n/a\"]}]}]}");
    struct fake_command *k = fake_command(f);
    assert_int_equal(k->type, MU_CMD_APPS_PUT);
    assert_true(k->create_only);
    assert_int_equal(k->app_count, 2);
    assert_string_equal(k->apps[0]->id, "/n/a");
    assert_string_equal(k->apps[1]->id, "/n/g/b");
    fake_succeed(f);
    assert_int_equal(x->status, 201);
    assert_string_equal(fake_header(x, "Location"), "http://us:8080/v2/groups/n");
    fake_expect(
        f, "POST", "/v2/groups", "{\"id\":\"p\"}", 409,
        "{\"message\":\"Group /p is already created. Use PUT to change this group.\"}");
    fake_expect(f, "POST", "/v2/groups", "{\"id\":\"top\"}", 409,
                "{\"message\":\"An app with the path /top already exists.\"}");
    fake_expect(
        f, "POST", "/v2/groups",
        "{\"id\":\"q\",\"apps\":[{\"id\":\"a\",\"cmd\":\"x\",\"cpus\":-1}]}", 422,
        "{\"message\":\"Object is not valid\",\"details\":[{\"path\":\"/apps(0)/cpus\","
        "\"errors\":[\"got -1.0, expected 0.0 or more\"]}]}");
    assert_int_equal(
        fake_ask(f, "POST", "/v2/groups", "{\"id\":\"q\",\"scaleBy\":2}")->status, 422);
    /* one without apps leaves nothing but its deployment */
    x = fake_ask(f, "POST", "/v2/groups/p", "{\"id\":\"empty\"}");
    assert_int_equal(fake_command(f)->app_count, 0);
    fake_succeed(f);
    assert_int_equal(x->status, 201);
    assert_string_equal(fake_header(x, "Location"), "http://us:8080/v2/groups/p/empty");
    fake_close(f);
}

static void replaced_group_loses_what_its_lists_do_not_name(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    struct mu_http_exchange *x = fake_ask(
        f, "PUT", "/v2/groups/p?force=true",
        "{\"apps\":[{\"id\":\"new\",\"cmd\":\"x\"}],\"groups\":[{\"id\":\"db\"}]}");
    struct fake_command *k = fake_command(f);
    assert_true(k->force);
    assert_int_equal(k->type, MU_CMD_APPS_PUT);
    assert_int_equal(k->app_count, 1);
    assert_int_equal(k->ids.count, 1);
    assert_string_equal(k->ids.v[0], "/p/web");
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    assert_outline(f, "/v2/groups/p", "/p(/p/new |/p/db(/p/db/mongo |))");
    x = fake_ask(f, "PUT", "/v2/groups/p", "{\"apps\":[],\"groups\":[]}");
    assert_int_equal(fake_command(f)->type, MU_CMD_APP_DELETE);
    assert_int_equal(fake_command(f)->ids.count, 2);
    fake_conflict(f, "d-3");
    assert_int_equal(x->status, 409);
    fake_expect(f, "PUT", "/v2/groups/p?dryRun=true", "{\"apps\":[]}", 422,
                "{\"message\":\"dryRun is not supported by this version.\"}");
    assert_null(f->commands);
    fake_close(f);
}

static void groups_are_scaled_and_rolled_back_whole(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    fake_add_app(f, "{\"id\":\"p/web\",\"cmd\":\"newer\",\"instances\":3}");
    struct mu_http_exchange *x = fake_ask(f, "PUT", "/v2/groups/p", "{\"scaleBy\":1.5}");
    assert_int_equal(fake_command(f)->app_count, 2);
    assert_int_equal(fake_command(f)->apps[0]->instances, 2); /* mongo: 1 -> 2 */
    assert_int_equal(fake_command(f)->apps[1]->instances, 5); /* web: 3 -> 5 */
    fake_fail(f, MU_E_UNAVAILABLE, "no", NULL);
    assert_int_equal(x->status, 503);
    x = fake_ask(f, "PUT", "/v2/groups/p", "{\"version\":\"" T1 "\"}");
    assert_int_equal(fake_command(f)->app_count, 1);
    assert_string_equal(fake_command(f)->apps[0]->cmd, "x");
    assert_int_equal(fake_command(f)->ids.count, 1); /* came later */
    assert_string_equal(fake_command(f)->ids.v[0], "/p/db/mongo");
    fake_fail(f, MU_E_UNAVAILABLE, "no", NULL);
    x = fake_ask(f, "PUT", "/v2/groups/p/versions/" T2, NULL);
    assert_int_equal(fake_command(f)->app_count, 2);
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_expect(f, "PUT", "/v2/groups/p", "{\"version\":\"2015-01-01T00:00:00.000Z\"}",
                404,
                "{\"message\":\"Group '/p' does not exist in version "
                "2015-01-01T00:00:00.000Z\"}");
    fake_expect(f, "PUT", "/v2/groups/none", "{\"scaleBy\":2}", 404,
                "{\"message\":\"Group '/none' does not exist\"}");
    fake_expect(f, "PUT", "/v2/groups/p", "{\"scaleBy\":2,\"apps\":[]}", 422,
                "{\"message\":\"Object is not "
                "valid\",\"details\":[{\"path\":\"/scaleBy\",\"errors\":["
                "\"not allowed in conjunction with other properties.\"]}]}");
    fake_close(f);
}

static void deleted_group_takes_its_apps_with_it(void **state)
{
    (void)state;
    struct fake *f = small_tree();
    struct mu_http_exchange *x = fake_ask(f, "DELETE", "/v2/groups/p", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_APP_DELETE);
    assert_int_equal(fake_command(f)->ids.count, 2);
    assert_false(fake_command(f)->force);
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_expect(f, "DELETE", "/v2/groups/p", NULL, 404,
                "{\"message\":\"Group '/p' does not exist\"}");
    fake_ask(f, "DELETE", "/v2/groups?force=true", NULL);
    assert_int_equal(fake_command(f)->ids.count, 2);
    fake_succeed(f);
    x = fake_ask(f, "DELETE", "/v2/groups", NULL); /* the root is always there */
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_close(f);
}

static void a_deep_tree_is_written_all_the_way_down(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    char text[MU_APP_ID_MAX + 64] = "{\"id\":\"";
    size_t n = strlen(text);
    for (int i = 0; i < 250; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "/a");
    }
    snprintf(text + n, sizeof(text) - n, "\",\"cmd\":\"x\"}");
    fake_add_app(f, text);
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v2/groups", NULL);
    assert_int_equal(x->status, 200);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_non_null(body);
    json_decref(body);
    fake_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_derived_from_the_ids_of_apps),
        cmocka_unit_test(embed_chooses_the_parts_of_a_group),
        cmocka_unit_test(versions_of_a_group_are_those_of_its_apps),
        cmocka_unit_test(created_group_is_one_deployment_of_its_apps),
        cmocka_unit_test(replaced_group_loses_what_its_lists_do_not_name),
        cmocka_unit_test(groups_are_scaled_and_rolled_back_whole),
        cmocka_unit_test(deleted_group_takes_its_apps_with_it),
        cmocka_unit_test(a_deep_tree_is_written_all_the_way_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
