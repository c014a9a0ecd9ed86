/* Endpoints of tasks: lists as JSON and text, and every way to kill. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

#define U1 "550e8400-e29b-11d4-a716-446655440001"
#define U2 "550e8400-e29b-11d4-a716-446655440002"
#define U3 "550e8400-e29b-11d4-a716-446655440003"
#define RESULT "{\"version\":\"2016-01-01T00:00:00.002Z\",\"deploymentId\":\"d-1\"}"

static struct fake *two_apps(void)
{
    struct fake *f = fake_open(NULL);
    fake_add_app(f, "{\"id\":\"a/b\",\"cmd\":\"x\",\"ports\":[9000],\"instances\":2}");
    fake_add_app(f, "{\"id\":\"c\",\"cmd\":\"x\",\"ports\":[]}");
    fake_add_task(f, "/a/b", "a_b." U1, MU_TASK_RUNNING, "h1", 31000);
    fake_add_task(f, "/a/b", "a_b." U2, MU_TASK_STAGING, "h2", 31001);
    fake_add_task(f, "/c", "c." U3, MU_TASK_RUNNING, "h1", 0);
    return f;
}

/* The ids in {"tasks":[...]}, joined. */
static void assert_tasks(const struct mu_http_exchange *x, const char *ids)
{
    char got[1024] = "";
    size_t i, n = 0;
    json_t *task, *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(x->status, 200);
    assert_true(json_is_array(json_object_get(body, "tasks")));
    json_array_foreach (json_object_get(body, "tasks"), i, task) {
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s ",
                              json_string_value(json_object_get(task, "id")));
    }
    json_decref(body);
    assert_string_equal(got, ids);
}

static void tasks_are_listed_by_app_group_and_state(void **state)
{
    (void)state;
    struct fake *f = two_apps();
    assert_tasks(fake_ask(f, "GET", "/v2/tasks", NULL),
                 "a_b." U1 " a_b." U2 " c." U3 " ");
    assert_tasks(fake_ask(f, "GET", "/v2/tasks?status=running", NULL),
                 "a_b." U1 " c." U3 " ");
    assert_tasks(fake_ask(f, "GET", "/v2/tasks?status[]=staging&status[]=odd", NULL),
                 "a_b." U2 " ");
    assert_tasks(fake_ask(f, "GET", "/v2/apps/c/tasks", NULL), "c." U3 " ");
    assert_tasks(fake_ask(f, "GET", "/v2/apps//a/b/tasks", NULL),
                 "a_b." U1 " a_b." U2 " ");
    assert_tasks(fake_ask(f, "GET", "/v2/apps/a/*/tasks", NULL),
                 "a_b." U1 " a_b." U2 " ");
    fake_expect(f, "GET", "/v2/apps/z/tasks", NULL, 404,
                "{\"message\":\"App '/z' does not exist\"}");
    fake_expect(f, "GET", "/v2/apps/z/*/tasks", NULL, 404,
                "{\"message\":\"Group '/z' does not exist\"}");
    fake_close(f);
}

static void text_lists_have_a_line_per_app_and_port(void **state)
{
    (void)state;
    static const char *const text[] = {"Accept: text/plain", NULL};
    struct fake *f = two_apps();
    fake_add_app(f,
                 "{\"id\":\"d\",\"networks\":[{\"mode\":\"container\",\"name\":\"n\"}],"
                 "\"container\":{"
                 "\"docker\":{\"image\":\"i\"},\"portMappings\":[{\"containerPort\":80,"
                 "\"servicePort\":9100}]}}");
    fake_add_task(f, "/d", "d." U1, MU_TASK_RUNNING, "h9", 0);
    struct mu_http_exchange *x = fake_ask_with(f, "GET", "/v2/tasks", text, NULL);
    fake_expect_answer(x, 200,
                       "a_b\t9000\th1:31000\t\nc\t \th1 \nd\t9100\t10.1.1.1:80\t\n");
    assert_non_null(strstr(fake_header(x, "Content-Type"), "text/plain"));
    x = fake_ask_with(f, "GET", "/v2/apps/c/tasks", text, NULL);
    fake_expect_answer(x, 200, "c\t \th1 \n");
    fake_expect(f, "GET", "/v1/endpoints", NULL, 200,
                "a_b_9000 9000 h1:31000 \nc   h1 \nd_9100 9100 10.1.1.1:80 \n");
    fake_expect(f, "GET", "/v1/endpoints/a/b", NULL, 200, "a_b_9000 9000 h1:31000 \n");
    fake_close(f);
}

static void killed_tasks_are_answered_and_replaced(void **state)
{
    (void)state;
    struct fake *f = two_apps();
    struct mu_http_exchange *x = fake_ask(f, "DELETE", "/v2/apps/a/b/tasks", NULL);
    struct fake_command *k = fake_command(f);
    assert_int_equal(k->type, MU_CMD_TASKS_KILL);
    assert_false(k->scale);
    assert_int_equal(k->ids.count, 2);
    fake_succeed(f);
    assert_tasks(x, "a_b." U1 " a_b." U2 " ");
    x = fake_ask(f, "DELETE", "/v2/apps/a/b/tasks?host=h2", NULL);
    assert_int_equal(fake_command(f)->ids.count, 1);
    assert_string_equal(fake_command(f)->ids.v[0], "a_b." U2);
    fake_succeed(f);
    assert_tasks(x, "a_b." U2 " ");
    x = fake_ask(f, "DELETE", "/v2/apps/a/b/tasks?host=*", NULL);
    assert_int_equal(fake_command(f)->ids.count, 2);
    fake_succeed(f);
    assert_tasks(fake_ask(f, "DELETE", "/v2/apps/a/b/tasks?host=nowhere", NULL), "");
    fake_expect(f, "DELETE", "/v2/apps/z/tasks", NULL, 404,
                "{\"message\":\"App '/z' does not exist\"}");
    fake_close(f);
}

static void killed_and_scaled_tasks_are_a_deployment(void **state)
{
    (void)state;
    struct fake *f = two_apps();
    struct mu_http_exchange *x =
        fake_ask(f, "DELETE", "/v2/apps/a/b/tasks?scale=true&force=1", NULL);
    assert_true(fake_command(f)->scale);
    assert_true(fake_command(f)->force);
    fake_succeed(f);
    fake_expect_answer(x, 200, RESULT);
    fake_expect(f, "DELETE", "/v2/apps/a/b/tasks?scale=true&wipe=true", NULL, 400,
                "{\"message\":\"You cannot use scale and wipe at the same time.\"}");
    x = fake_ask(f, "DELETE", "/v2/apps/a/b/tasks?scale&host=nowhere", NULL);
    assert_int_equal(fake_command(f)->type, MU_CMD_APPS_PUT); /* nothing to do */
    assert_int_equal(fake_command(f)->app_count, 0);
    fake_succeed(f);
    assert_int_equal(x->status, 200);
    fake_close(f);
}

static void one_task_is_killed_by_any_form_of_its_id(void **state)
{
    (void)state;
    static const char *const urls[] = {"/v2/apps/a/b/tasks/a_b." U1,
                                       "/v2/apps//a/b/tasks/a_b.marathon-" U1,
                                       "/v2/apps/a/b/tasks/a_b.instance-" U1 "._app.1"};
    struct fake *f = two_apps();
    for (size_t i = 0; i < 3; i++) {
        struct mu_http_exchange *x = fake_ask(f, "DELETE", urls[i], NULL);
        assert_int_equal(fake_command(f)->ids.count, 1);
        assert_string_equal(fake_command(f)->ids.v[0], "a_b." U1);
        fake_succeed(f);
        assert_int_equal(x->status, 200);
        json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
        json_t *task = json_object_get(body, "task");
        assert_string_equal(json_string_value(json_object_get(task, "id")), "a_b." U1);
        assert_int_equal(json_object_size(body), 1);
        json_decref(body);
    }
    struct mu_http_exchange *x =
        fake_ask(f, "DELETE", "/v2/apps/a/b/tasks/a_b." U1 "?scale=true", NULL);
    fake_succeed(f);
    assert_non_null(strstr(mu_buf_str(&x->body), "deploymentId"));
    fake_expect(f, "DELETE", "/v2/apps/a/b/tasks/nope", NULL, 404,
                "{\"message\":\"Task 'nope' does not exist\"}");
    fake_expect(f, "DELETE", "/v2/apps/a/b/tasks/c." U3, NULL, 404,
                "{\"message\":\"Task 'c." U3 "' does not exist\"}");
    fake_close(f);
}

static void a_list_of_tasks_may_be_of_many_apps(void **state)
{
    (void)state;
    struct fake *f = two_apps();
    struct mu_http_exchange *x =
        fake_ask(f, "POST", "/v2/tasks/delete",
                 "{\"ids\":[\"c." U3 "\",\"a_b.marathon-" U2 "\",\"gone." U1 "\"]}");
    assert_int_equal(fake_command(f)->ids.count, 2);
    fake_succeed(f);
    assert_tasks(x, "a_b." U2 " c." U3 " ");
    x = fake_ask(f, "POST", "/v2/tasks/delete?scale=True", "{\"ids\":[\"c." U3 "\"]}");
    assert_true(fake_command(f)->scale);
    fake_succeed(f);
    assert_non_null(strstr(mu_buf_str(&x->body), "deploymentId"));
    assert_tasks(fake_ask(f, "POST", "/v2/tasks/delete", "{\"ids\":[\"gone." U1 "\"]}"),
                 "");
    assert_tasks(fake_ask(f, "POST", "/v2/tasks/delete", "{\"ids\":[]}"), "");
    fake_expect(
        f, "POST", "/v2/tasks/delete", "{\"ids\":[\"bad id\"]}", 400,
        "{\"message\":\"Invalid task id 'bad id'. [Expected an app's id with '_' for "
        "'/', a dot and a uuid]\"}");
    fake_expect(f, "POST", "/v2/tasks/delete", "{}", 422,
                "{\"message\":\"Invalid "
                "JSON\",\"details\":[{\"path\":\"/ids\",\"errors\":[\"error."
                "path.missing\"]}]}");
    assert_int_equal(fake_ask(f, "POST", "/v2/tasks/delete", "")->status, 400);
    fake_close(f);
}

static void the_api_of_2014_lists_and_commands(void **state)
{
    (void)state;
    struct fake *f = two_apps();
    struct mu_http_exchange *x = fake_ask(f, "GET", "/v1/apps", NULL);
    json_t *body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(body), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(body, 0), "id")),
                        "a/b");
    json_decref(body);
    x = fake_ask(f, "GET", "/v1/apps/search?id=C", NULL);
    body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(body), 1);
    json_decref(body);
    x = fake_ask(f, "GET", "/v1/tasks", NULL);
    body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(body, "a/b")), 2);
    assert_int_equal(json_array_size(json_object_get(body, "c")), 1);
    json_decref(body);
    x = fake_ask(f, "GET", "/v1/apps/c/tasks", NULL);
    body = json_loads(mu_buf_str(&x->body), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(body, "c")), 1);
    json_decref(body);
    x = fake_ask(f, "POST", "/v1/apps/start",
                 "{\"id\":\"n\",\"cmd\":\"x\",\"instances\":\"2\"}");
    assert_true(fake_command(f)->create_only);
    fake_succeed(f);
    fake_expect_answer(x, 204, "");
    x = fake_ask(f, "POST", "/v1/apps/scale", "{\"id\":\"n\",\"instances\":5}");
    assert_int_equal(fake_command(f)->apps[0]->instances, 5);
    fake_succeed(f);
    fake_expect_answer(x, 204, "");
    x = fake_ask(f, "POST", "/v1/apps/stop", "{\"id\":\"n\"}");
    assert_int_equal(fake_command(f)->type, MU_CMD_APP_DELETE);
    fake_succeed(f);
    fake_expect_answer(x, 204, "");
    fake_expect(f, "POST", "/v1/apps/stop", "{\"id\":\"n\"}", 404,
                "{\"message\":\"App '/n' does not exist\"}");
    assert_int_equal(fake_ask(f, "POST", "/v1/apps/stop", "{}")->status, 422);
    assert_int_equal(
        fake_ask(f, "POST", "/v1/apps/scale", "{\"id\":\"c\",\"instances\":-1}")->status,
        422);
    fake_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_listed_by_app_group_and_state),
        cmocka_unit_test(text_lists_have_a_line_per_app_and_port),
        cmocka_unit_test(killed_tasks_are_answered_and_replaced),
        cmocka_unit_test(killed_and_scaled_tasks_are_a_deployment),
        cmocka_unit_test(one_task_is_killed_by_any_form_of_its_id),
        cmocka_unit_test(a_list_of_tasks_may_be_of_many_apps),
        cmocka_unit_test(the_api_of_2014_lists_and_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
