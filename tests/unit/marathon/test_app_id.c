/* App ids as paths, and what task ids say. */
#include "kit.h"

#include <errno.h>
#include <string.h>

#include "app_id.h"

static void ids_become_absolute_and_normal(void **state)
{
    (void)state;
    static const struct {
        const char *text, *base, *id;
    } cases[] = {
        {"a", NULL, "/a"},         {"/a/b/", NULL, "/a/b"},
        {"//a///b", NULL, "/a/b"}, {"", NULL, "/"},
        {"/", NULL, "/"},          {"../..", NULL, "/"},
        {"a/./b", NULL, "/a/b"},   {"a/../b", NULL, "/b"},
        {"b", "/a", "/a/b"},       {"/b", "/a", "/b"},
        {"../b", "/a/c", "/a/b"},  {"b", "/", "/b"},
        {"..b", NULL, "/..b"},     {"../../x", "/a/b/c", "/a/x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[MU_APP_ID_MAX];
        assert_int_equal(
            mrt_app_id_normalise(cases[i].text, cases[i].base, id, sizeof(id)), 0);
        assert_string_equal(id, cases[i].id);
    }
}

static void long_ids_are_refused_not_cut(void **state)
{
    (void)state;
    char text[3000], id[MU_APP_ID_MAX];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(mrt_app_id_normalise(text, NULL, id, sizeof(id)), -E2BIG);
    text[MU_APP_ID_MAX - 1] = '\0'; /* with the slash one too long */
    assert_int_equal(mrt_app_id_normalise(text, NULL, id, sizeof(id)), -E2BIG);
    text[MU_APP_ID_MAX - 2] = '\0';
    assert_int_equal(mrt_app_id_normalise(text, NULL, id, sizeof(id)), 0);
    assert_int_equal(strlen(id), MU_APP_ID_MAX - 1);
}

static bool good(const char *id)
{
    struct mrt_problems p = {0};
    mrt_app_id_check(id, "/id", &p);
    bool ok = !mrt_problems_any(&p);
    mrt_problems_release(&p);
    return ok;
}

static void only_the_characters_of_marathon_are_taken(void **state)
{
    (void)state;
    static const char *const yes[] = {"/a", "/a-b", "/a.b", "/a/b-1.c-2", "/0"};
    static const char *const no[] = {"/",         "/A",          "/a_b",  "/-a",   "/a-",
                                     "/.a",       "/a.",         "/a..b", "/a.-b", "/a b",
                                     "/\xc3\xa4", "/a/versions", "/tasks"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_true(good(yes[i]));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(good(no[i]));
    }
}

#define UUID "550e8400-e29b-11d4-a716-446655440000"

static void task_ids_of_every_era_name_their_app(void **state)
{
    (void)state;
    static const struct {
        const char *text, *app, *task;
    } cases[] = {
        {"a_b." UUID, "/a/b", "a_b." UUID},
        {"a." UUID ".3", "/a", "a." UUID},
        {"a_b.marathon-" UUID, "/a/b", "a_b." UUID},
        {"a.instance-" UUID "._app.12", "/a", "a." UUID},
        {"a.b_c." UUID, "/a.b/c", "a.b_c." UUID},
        {"a." UUID "." UUID, "/a." UUID, "a." UUID "." UUID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrt_task_ref ref;
        assert_int_equal(mrt_task_id_parse(cases[i].text, &ref), 0);
        assert_string_equal(ref.app_id, cases[i].app);
        assert_string_equal(ref.task_id, cases[i].task);
    }
}

static void texts_that_are_no_task_ids_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",   ".",           "a",           "a.b",           "." UUID,
        UUID, "a." UUID "x", "a." UUID ".", "a.other-" UUID, "a.550e8400"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct mrt_task_ref ref;
        assert_int_equal(mrt_task_id_parse(texts[i], &ref), MU_E_INVALID);
    }
}

static void ids_are_written_in_the_forms_of_lists_and_events(void **state)
{
    (void)state;
    char out[600];
    mrt_app_id_safe("/a/b.c", out, sizeof(out));
    assert_string_equal(out, "a_b.c");
    mrt_instance_id("a_b." UUID, out, sizeof(out));
    assert_string_equal(out, "a_b.marathon-" UUID);
    mrt_instance_id("odd", out, sizeof(out));
    assert_string_equal(out, "odd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_become_absolute_and_normal),
        cmocka_unit_test(long_ids_are_refused_not_cut),
        cmocka_unit_test(only_the_characters_of_marathon_are_taken),
        cmocka_unit_test(task_ids_of_every_era_name_their_app),
        cmocka_unit_test(texts_that_are_no_task_ids_are_refused),
        cmocka_unit_test(ids_are_written_in_the_forms_of_lists_and_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
