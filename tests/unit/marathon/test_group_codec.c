/* Groups in requests: the tree flattened, and what a replacement drops. */
#include "kit.h"

#include <string.h>

#include "codec_group_in.h"

static struct mrt_problems problems;

static bool decode(const char *text, const char *path, bool create, struct mrt_group *out)
{
    struct mrt_body *b = mrt_body_parse(text, strlen(text), NULL);
    assert_non_null(b);
    const struct mrt_group_source source = {.path = path, .create = create};
    mrt_problems_release(&problems);
    bool ok = mrt_group_decode(b, &source, out, &problems);
    mrt_body_free(b);
    return ok;
}

static void nested_ids_are_relative_to_their_group(void **state)
{
    (void)state;
    struct mrt_group g;
    assert_true(decode(
        "{\"id\":\"/p\",\"dependencies\":[\"/base\"],\"groups\":[{\"id\":\"db\","
        "\"apps\":[{\"id\":\"mongo\",\"cmd\":\"x\"}]},{\"id\":\"/p/svc\",\"apps\":["
        "{\"id\":\"/p/svc/app\",\"cmd\":\"y\",\"dependencies\":[\"/p/db\"]}]}]}",
        "/", true, &g));
    assert_string_equal(g.path, "/p");
    assert_int_equal(g.app_count, 2);
    assert_string_equal(g.apps[0]->id, "/p/db/mongo");
    assert_string_equal(g.apps[1]->id, "/p/svc/app");
    assert_int_equal(g.apps[1]->dependencies.count, 2);
    assert_string_equal(g.apps[1]->dependencies.v[0], "/p/db");
    assert_string_equal(g.apps[1]->dependencies.v[1], "/base");
    mrt_group_release(&g);
}

static void bad_members_are_named_by_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *problem;
    } cases[] = {
        {"{\"id\":\"/"
         "p\",\"groups\":[{\"id\":\"a\",\"apps\":[{\"id\":\"x\",\"cmd\":\"c\"},"
         "{\"id\":\"y\",\"cmd\":\"c\",\"cpus\":-1}]}]}",
         "/groups(0)/apps(1)/cpus", "got -1.0, expected 0.0 or more"},
        {"{\"id\":\"/p\",\"apps\":[{\"id\":\"/q/x\",\"cmd\":\"c\"}]}", "/apps(0)/id",
         "Identifier is not child of '/p'."},
        {"{\"id\":\"/p\",\"groups\":[{\"id\":\"/q\"}]}", "/groups(0)/id",
         "Identifier is not child of '/p'."},
        {"{\"id\":\"/p\",\"groups\":[{}]}", "/groups(0)/id", "error.path.missing"},
        {"{\"id\":\"P\"}", "/id",
         "must fully match regular expression "
         "'^(([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])\\.)"
         "*([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])|(\\.|\\.\\.)$'"},
        {"{}", "/id", "error.path.missing"},
        {"[]", "/", "error.expected.jsobject"},
        {"{\"id\":\"/p\",\"pods\":[{}]}", "/pods",
         "pods are not supported by this version"},
        {"{\"id\":\"/"
         "p\",\"apps\":[{\"id\":\"x\",\"cmd\":\"c\"},{\"id\":\"x\",\"cmd\":\"d\"}]}",
         "/apps", "An app with the id [/p/x] is given twice."},
        {"{\"id\":\"/p\",\"scaleBy\":1e9}", "/scaleBy",
         "must be a factor between 0 and 1000000"},
        {"{\"id\":\"/p\",\"scaleBy\":2,\"apps\":[]}", "/scaleBy",
         "not allowed in conjunction with other properties."},
        {"{\"id\":\"/p\",\"version\":\"v\",\"dependencies\":[]}", "/version",
         "not allowed in conjunction with other properties."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrt_group g;
        assert_false(decode(cases[i].text, "/", true, &g));
        assert_string_equal(problems.v[0].path, cases[i].path);
        assert_string_equal(problems.v[0].text, cases[i].problem);
        mrt_group_release(&g);
    }
    mrt_problems_release(&problems);
}

static void a_replacement_may_repeat_the_urls_id_only(void **state)
{
    (void)state;
    static const char *const same[] = {"{}", "{\"id\":\"/a/b\"}", "{\"id\":\"a/b\"}",
                                       "{\"id\":\"b\"}"};
    struct mrt_group g;
    for (size_t i = 0; i < 4; i++) {
        assert_true(decode(same[i], "/a/b", false, &g));
        assert_string_equal(g.path, "/a/b");
        mrt_group_release(&g);
    }
    assert_false(decode("{\"id\":\"/c\"}", "/a/b", false, &g));
    mrt_group_release(&g);
    assert_true(decode("{\"id\":\"c\"}", "/a/b", true, &g));
    assert_string_equal(g.path, "/a/b/c");
    mrt_group_release(&g);
    mrt_problems_release(&problems);
}

static void lists_that_are_given_drop_what_they_do_not_name(void **state)
{
    (void)state;
    struct mrt_group g;
    assert_true(
        decode("{\"apps\":[{\"id\":\"keep\",\"cmd\":\"c\"}],\"groups\":[{\"id\":\"sub\","
               "\"groups\":[]},{\"id\":\"open\"}]}",
               "/p", false, &g));
    assert_false(mrt_group_drops(&g, "/p/keep"));
    assert_true(mrt_group_drops(&g, "/p/other"));
    assert_false(mrt_group_drops(&g, "/p/sub/app")); /* its apps are not listed */
    assert_true(mrt_group_drops(&g, "/p/sub/x/app"));
    assert_false(mrt_group_drops(&g, "/p/open/app"));
    assert_false(mrt_group_drops(&g, "/p/open/x/app"));
    assert_true(mrt_group_drops(&g, "/p/gone/app"));
    assert_false(mrt_group_drops(&g, "/q/app"));
    assert_false(mrt_group_drops(&g, "/pp/app"));
    mrt_group_release(&g);
    assert_true(decode("{\"groups\":[]}", "/", false, &g));
    assert_false(mrt_group_drops(&g, "/top"));
    assert_true(mrt_group_drops(&g, "/g/app"));
    mrt_group_release(&g);
}

static void special_bodies_scale_or_go_back(void **state)
{
    (void)state;
    struct mrt_group g;
    assert_true(decode("{\"scaleBy\":\"1.5\"}", "/p", false, &g));
    assert_true(g.scale_by);
    assert_true(g.factor == 1.5);
    mrt_group_release(&g);
    assert_true(decode("{\"version\":\"2016-01-01T00:00:00.000Z\"}", "/p", false, &g));
    assert_true(g.roll_back);
    assert_string_equal(g.version, "2016-01-01T00:00:00.000Z");
    mrt_group_release(&g);
    /* a group that was read back has a version too */
    assert_true(
        decode("{\"id\":\"/p\",\"version\":\"v\",\"apps\":[],\"groups\":[],\"pods\":[],"
               "\"dependencies\":[]}",
               "/p", false, &g));
    assert_false(g.roll_back);
    mrt_group_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_ids_are_relative_to_their_group),
        cmocka_unit_test(bad_members_are_named_by_their_place),
        cmocka_unit_test(a_replacement_may_repeat_the_urls_id_only),
        cmocka_unit_test(lists_that_are_given_drop_what_they_do_not_name),
        cmocka_unit_test(special_bodies_scale_or_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
