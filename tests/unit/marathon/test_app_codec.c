/* App definitions of every era in, the canonical form out: golden/eras.json; what is
 * refused and how: golden/errors.json; what was read back changes nothing. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_app_out.h"

static struct mu_app *app_of(const json_t *definition, const struct mu_app *base)
{
    char *text = json_dumps(definition, 0);
    struct mu_app *app = kit_app(text, base);
    free(text);
    return app;
}

static void check_case(const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    json_t *base_json = json_object_get(c, "base");
    struct mu_app *base = base_json == NULL ? NULL : app_of(base_json, NULL);
    struct mu_app *app = app_of(json_object_get(c, "in"), base);
    json_t *out = kit_app_json(app);
    if (json_object_get(c, "out") != NULL) {
        kit_assert_json(out, json_object_get(c, "out"), name);
    }
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(c, "has"), key, v) {
        char what[256];
        snprintf(what, sizeof(what), "%s: %s", name, key);
        kit_assert_json(json_object_get(out, key), v, what);
    }
    size_t i;
    json_array_foreach (json_object_get(c, "lacks"), i, v) {
        if (json_object_get(out, json_string_value(v)) != NULL) {
            fail_msg("%s: has '%s'", name, json_string_value(v));
        }
    }
    /* what GET answers can be sent back by PUT, whole */
    struct mu_app *again = app_of(out, app);
    if (!mu_app_same_config(app, again) || app->instances != again->instances) {
        json_t *other = kit_app_json(again);
        kit_assert_json(other, out, name);
        fail_msg("%s: what was read back is not what is stored", name);
    }
    mu_app_unref(again);
    json_decref(out);
    mu_app_unref(app);
    mu_app_unref(base);
}

static void every_era_becomes_the_canonical_form(void **state)
{
    (void)state;
    json_t *cases = kit_golden("eras.json");
    size_t i;
    json_t *c;
    json_array_foreach (cases, i, c) {
        check_case(c);
    }
    assert_true(i > 30);
    json_decref(cases);
}

static void check_error(const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    char *text = json_dumps(json_object_get(c, "in"), 0);
    struct mrt_problems problems = {0};
    struct mrt_body *b = mrt_body_parse(text, strlen(text), NULL);
    const struct mrt_app_source source = {.scheduler_role = "dev"};
    struct mu_app *app = mrt_request_app(b, MRT_WHOLE, &source, &problems);
    struct mu_buf out;
    mu_buf_init(&out, 65536);
    mrt_problems_write(&problems, &out);
    json_t *got = json_loads(mu_buf_str(&out), 0, NULL);
    kit_assert_json(json_object_get(got, "details"), json_object_get(c, "details"), name);
    const char *message = json_string_value(json_object_get(c, "message"));
    assert_string_equal(json_string_value(json_object_get(got, "message")),
                        message == NULL ? "Object is not valid" : message);
    assert_true(mrt_problems_any(&problems));
    assert_string_not_equal(mrt_problems_first(&problems), "");
    json_decref(got);
    mu_buf_release(&out);
    mu_app_unref(app);
    mrt_body_free(b);
    mrt_problems_release(&problems);
    free(text);
}

static void what_is_wrong_is_named_with_marathons_path_and_text(void **state)
{
    (void)state;
    json_t *cases = kit_golden("errors.json");
    size_t i;
    json_t *c;
    json_array_foreach (cases, i, c) {
        check_error(c);
    }
    assert_true(i > 50);
    json_decref(cases);
}

static void members_of_answers_are_ignored_in_requests(void **state)
{
    (void)state;
    struct mu_app *app = kit_app(
        "{\"id\":\"a\",\"cmd\":\"x\",\"tasks\":[{}],\"deployments\":[{\"id\":\"d\"}],"
        "\"tasksStaged\":1,\"tasksRunning\":1,\"tasksHealthy\":0,\"tasksUnhealthy\":0,"
        "\"lastTaskFailure\":{},\"versionInfo\":{},\"version\":\"v\",\"taskStats\":{},"
        "\"readinessCheckResults\":[],\"nobodyKnowsThis\":1}",
        NULL);
    assert_string_equal(app->id, "/a");
    assert_int_equal(app->version_ms, 0);
    mu_app_unref(app);
}

static void problems_are_limited_in_number(void **state)
{
    (void)state;
    struct mrt_problems p = {0};
    for (int i = 0; i < 1000; i++) {
        mrt_problem_add(&p, MRT_MODEL, "/x", "problem %d", i);
    }
    assert_int_equal(p.count, 100);
    mrt_problems_release(&p);
    assert_int_equal(p.count, 0);
}

static void long_port_lists_are_refused(void **state)
{
    (void)state;
    struct mu_buf text;
    mu_buf_init(&text, 1 << 20);
    mu_buf_puts(&text, "{\"id\":\"a\",\"cmd\":\"x\",\"portDefinitions\":[{}");
    for (int i = 0; i < 10000; i++) {
        mu_buf_puts(&text, ",{}");
    }
    mu_buf_puts(&text, "]}");
    struct mrt_problems problems = {0};
    struct mrt_body *b = mrt_body_parse(mu_buf_str(&text), text.len, NULL);
    const struct mrt_app_source source = {0};
    struct mu_app *app = mrt_request_app(b, MRT_WHOLE, &source, &problems);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.v[0].path, "/portDefinitions");
    mu_app_unref(app);
    mrt_body_free(b);
    mrt_problems_release(&problems);
    mu_buf_release(&text);
}

static void texts_that_are_not_json_give_the_parsers_words(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "{",     "{\"a\":1,\"a\":2}",
                                        "nope", "{} {}", "{\"a\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct mu_error err = {0};
        assert_null(mrt_body_parse(texts[i], strlen(texts[i]), &err));
        assert_non_null(strstr(err.text, "line"));
    }
}

static struct mrt_body *body(const char *text)
{
    struct mrt_body *b = mrt_body_parse(text, strlen(text), NULL);
    assert_non_null(b);
    return b;
}

static void a_version_alone_asks_to_go_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mrt_version_use use;
    } cases[] = {
        {"{\"version\":\"v\"}", MRT_VERSION_ALONE},
        {"{\"version\":\"v\",\"id\":\"/a\",\"cmd\":null}", MRT_VERSION_ALONE},
        {"{\"version\":\"v\",\"cmd\":\"x\"}", MRT_VERSION_BESIDE},
        {"{\"version\":null,\"cmd\":\"x\"}", MRT_VERSION_NONE},
        {"{\"version\":3}", MRT_VERSION_NONE},
        {"{}", MRT_VERSION_NONE},
        {"[]", MRT_VERSION_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *version = NULL;
        struct mrt_body *b = body(cases[i].text);
        assert_int_equal(mrt_request_version(b, MRT_WHOLE, &version), cases[i].use);
        mrt_body_free(b);
    }
}

static void lists_name_the_element_at_fault(void **state)
{
    (void)state;
    struct mrt_problems problems = {0};
    struct mrt_body *b =
        body("[{\"id\":\"/a\",\"cmd\":\"x\"},{\"id\":\"b\",\"cpus\":[]}]");
    const struct mrt_app_source source = {0};
    char id[MU_APP_ID_MAX];
    assert_true(mrt_body_is_list(b));
    assert_int_equal(mrt_body_count(b), 2);
    assert_true(mrt_request_id(b, 1, id));
    assert_string_equal(id, "/b");
    mu_app_unref(mrt_request_app(b, 0, &source, &problems));
    assert_false(mrt_problems_any(&problems));
    mu_app_unref(mrt_request_app(b, 1, &source, &problems));
    assert_string_equal(problems.v[0].path, "/(1)/cpus");
    mrt_problems_release(&problems);
    mrt_body_free(b);
}

static void ids_to_kill_are_read(void **state)
{
    (void)state;
    struct mrt_problems problems = {0};
    struct mu_strings ids = {0};
    struct mrt_body *b = body("{\"ids\":[\"a\",\"b\"]}");
    assert_true(mrt_request_ids(b, &ids, &problems));
    assert_int_equal(ids.count, 2);
    mrt_body_free(b);
    b = body("{}");
    assert_false(mrt_request_ids(b, &ids, &problems));
    assert_string_equal(problems.v[0].path, "/ids");
    mrt_body_free(b);
    mrt_problems_release(&problems);
    b = body("[]");
    assert_false(mrt_request_ids(b, &ids, &problems));
    mrt_body_free(b);
    mrt_problems_release(&problems);
    mu_strings_release(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_era_becomes_the_canonical_form),
        cmocka_unit_test(what_is_wrong_is_named_with_marathons_path_and_text),
        cmocka_unit_test(members_of_answers_are_ignored_in_requests),
        cmocka_unit_test(problems_are_limited_in_number),
        cmocka_unit_test(long_port_lists_are_refused),
        cmocka_unit_test(texts_that_are_not_json_give_the_parsers_words),
        cmocka_unit_test(a_version_alone_asks_to_go_back),
        cmocka_unit_test(lists_name_the_element_at_fault),
        cmocka_unit_test(ids_to_kill_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
