/* Which route takes a path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/http_router.h"

static void
handler(void *arg, struct mu_http_exchange *x, const struct mu_http_request *r)
{
    (void)arg;
    (void)x;
    (void)r;
}

/* The route's arg is its own pattern, so a match can be compared by text. */
static struct http_router *router_of(const char *const *patterns)
{
    struct http_router *r = http_router_create();
    for (; *patterns != NULL; patterns++) {
        struct mu_error err;
        void *arg = (void *)(uintptr_t)*patterns;
        if (http_router_add(r, "GET", *patterns, handler, arg, &err) < 0) {
            fail_msg("%s", err.text);
        }
    }
    return r;
}

static const char *
match(const struct http_router *r, const char *path, struct http_route_match *m)
{
    enum http_route_result result = http_router_match(r, "GET", path, strlen(path), m);
    return result == HTTP_ROUTE_FOUND ? m->arg : "none";
}

static void longest_literal_match_wins(void **state)
{
    (void)state;
    static const char *const patterns[] = {"/{any...}",
                                           "/v2/apps/{id...}",
                                           "/v2/apps",
                                           "/v2/{what}/all",
                                           "/v2/{what}/{which}",
                                           "/v2/{what...}",
                                           "/v2/apps/x/{y}",
                                           "/",
                                           NULL};
    static const char *const cases[][2] = {
        {"/", "/"},
        {"/health", "/{any...}"},
        {"/v2/apps", "/v2/apps"},
        {"/v2/apps/", "/v2/apps/{id...}"},
        {"/v2/apps/a/b", "/v2/apps/{id...}"},
        {"/v2/apps/x/1", "/v2/apps/x/{y}"},
        {"/v2/apps/x/1/2", "/v2/apps/{id...}"},
        {"/v2/groups/all", "/v2/{what}/all"},
        {"/v2/groups/some", "/v2/{what}/{which}"},
        {"/v2/groups", "/v2/{what...}"},
        {"/v2/groups/some/more", "/v2/{what...}"},
        {"/v2//all", "/v2/{what...}"},
    };
    struct http_router *r = router_of(patterns);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_route_match m;
        assert_string_equal(match(r, cases[i][0], &m), cases[i][1]);
    }
    http_router_destroy(r);
}

static void order_of_registration_does_not_matter(void **state)
{
    (void)state;
    static const char *const one[] = {"/a/{x}", "/a/{x...}", "/a/b", NULL};
    static const char *const two[] = {"/a/b", "/a/{x...}", "/a/{x}", NULL};
    static const char *const paths[] = {"/a/b", "/a/c", "/a/", "/a/c/d"};
    struct http_router *r1 = router_of(one);
    struct http_router *r2 = router_of(two);
    for (size_t i = 0; i < 4; i++) {
        struct http_route_match m;
        assert_string_equal(match(r1, paths[i], &m), match(r2, paths[i], &m));
    }
    http_router_destroy(r1);
    http_router_destroy(r2);
}

static void slashes_are_kept_in_a_tail(void **state)
{
    (void)state;
    static const char *const patterns[] = {"/v2/apps/{id...}", NULL};
    static const char *const cases[][2] = {{"/v2/apps//ubuntu", "/ubuntu"},
                                           {"/v2/apps/ubuntu", "ubuntu"},
                                           {"/v2/apps///a//b/", "//a//b/"},
                                           {"/v2/apps/", ""}};
    struct http_router *r = router_of(patterns);
    for (size_t i = 0; i < 4; i++) {
        struct http_route_match m;
        assert_string_equal(match(r, cases[i][0], &m), patterns[0]);
        assert_int_equal(m.hole_count, 1);
        assert_int_equal(m.holes[0].len, strlen(cases[i][1]));
        assert_memory_equal(m.holes[0].at, cases[i][1], m.holes[0].len);
    }
    struct http_route_match m;
    assert_string_equal(match(r, "/v2/apps", &m), "none");
    assert_string_equal(match(r, "//v2/apps/x", &m), "none");
    http_router_destroy(r);
}

static void escapes_match_literals_and_do_not_split_segments(void **state)
{
    (void)state;
    static const char *const patterns[] = {"/v2/apps", "/files/{name}", NULL};
    struct http_router *r = router_of(patterns);
    struct http_route_match m;
    assert_string_equal(match(r, "/v2/%61pps", &m), "/v2/apps");
    assert_string_equal(match(r, "/%76%32/%61%70%70%73", &m), "/v2/apps");
    assert_string_equal(match(r, "/v2%2Fapps", &m), "none");
    assert_string_equal(match(r, "/v2/%zzpps", &m), "none");
    assert_string_equal(match(r, "/files/a%2Fb", &m), "/files/{name}");
    assert_int_equal(m.holes[0].len, 5);
    http_router_destroy(r);
}

static void one_trailing_slash_is_forgiven(void **state)
{
    (void)state;
    static const char *const patterns[] = {"/v2/queue", "/a/{x}", NULL};
    struct http_router *r = router_of(patterns);
    struct http_route_match m;
    assert_string_equal(match(r, "/v2/queue/", &m), "/v2/queue");
    assert_string_equal(match(r, "/v2/queue//", &m), "none");
    assert_string_equal(match(r, "/a/b/", &m), "/a/{x}");
    assert_string_equal(match(r, "/a/", &m), "none");
    http_router_destroy(r);
}

static void methods_of_all_matching_patterns_are_allowed(void **state)
{
    (void)state;
    struct http_router *r = http_router_create();
    struct http_route_match m;
    char text[HTTP_ALLOW_TEXT_MAX];
    assert_int_equal(http_router_add(r, "GET", "/a/b", handler, NULL, NULL), 0);
    assert_int_equal(http_router_add(r, "DELETE", "/a/b", handler, NULL, NULL), 0);
    assert_int_equal(http_router_add(r, "POST", "/a/{x...}", handler, NULL, NULL), 0);
    assert_int_equal(http_router_match(r, "PUT", "/a/b", 4, &m), HTTP_ROUTE_NO_METHOD);
    assert_string_equal(http_router_format_allow(m.allow, text),
                        "GET, HEAD, POST, DELETE, OPTIONS");
    assert_int_equal(http_router_match(r, "PUT", "/a/c", 4, &m), HTTP_ROUTE_NO_METHOD);
    assert_string_equal(http_router_format_allow(m.allow, text), "POST, OPTIONS");
    assert_int_equal(http_router_match(r, "BREW", "/a/c", 4, &m), HTTP_ROUTE_NO_METHOD);
    assert_int_equal(http_router_match(r, "POST", "/a/b", 4, &m), HTTP_ROUTE_FOUND);
    assert_int_equal(http_router_match(r, "PUT", "/b", 2, &m), HTTP_ROUTE_NO_PATH);
    http_router_destroy(r);
}

static void same_shape_is_taken_whatever_the_holes_are_called(void **state)
{
    (void)state;
    struct http_router *r = http_router_create();
    struct mu_error err;
    assert_int_equal(http_router_add(r, "GET", "/a/{x}", handler, NULL, NULL), 0);
    assert_int_equal(http_router_add(r, "GET", "/a/{y}", handler, NULL, &err), -EEXIST);
    assert_string_equal(err.text, "route 'GET /a/{y}': taken already");
    assert_int_equal(http_router_add(r, "POST", "/a/{y}", handler, NULL, NULL), 0);
    assert_int_equal(http_router_add(r, "GET", "/a/{x...}", handler, NULL, NULL), 0);
    http_router_destroy(r);
}

static void bad_patterns_and_methods_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "a",
                                      "/{x...}/b",
                                      "/a{x}",
                                      "/{x}b",
                                      "/{}",
                                      "/{...}",
                                      "/{a b}",
                                      "/{x",
                                      "/x}",
                                      "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"};
    struct http_router *r = http_router_create();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_error err = {0};
        int status = http_router_add(r, "GET", bad[i], handler, NULL, &err);
        assert_int_equal(status, MU_E_INVALID);
        assert_true(strstr(err.text, bad[i]) != NULL);
    }
    assert_int_equal(http_router_add(r, "BREW", "/", handler, NULL, NULL), MU_E_INVALID);
    assert_int_equal(http_router_add(r, "HEAD", "/", handler, NULL, NULL), MU_E_INVALID);
    http_router_destroy(r);
}

static void removed_routes_are_gone_and_others_stay(void **state)
{
    (void)state;
    struct http_router *r = http_router_create();
    struct http_route_match m;
    int one;
    int two;
    assert_int_equal(http_router_add(r, "GET", "/a", handler, &one, NULL), 0);
    assert_int_equal(http_router_add(r, "POST", "/a", handler, &two, NULL), 0);
    assert_int_equal(http_router_add(r, "GET", "/b", handler, &one, NULL), 0);
    http_router_remove(r, &one);
    assert_int_equal(http_router_match(r, "GET", "/a", 2, &m), HTTP_ROUTE_NO_METHOD);
    assert_int_equal(http_router_match(r, "POST", "/a", 2, &m), HTTP_ROUTE_FOUND);
    assert_int_equal(http_router_match(r, "GET", "/b", 2, &m), HTTP_ROUTE_NO_PATH);
    assert_int_equal(http_router_add(r, "GET", "/a", handler, &two, NULL), 0);
    http_router_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_literal_match_wins),
        cmocka_unit_test(order_of_registration_does_not_matter),
        cmocka_unit_test(slashes_are_kept_in_a_tail),
        cmocka_unit_test(escapes_match_literals_and_do_not_split_segments),
        cmocka_unit_test(one_trailing_slash_is_forgiven),
        cmocka_unit_test(methods_of_all_matching_patterns_are_allowed),
        cmocka_unit_test(same_shape_is_taken_whatever_the_holes_are_called),
        cmocka_unit_test(bad_patterns_and_methods_are_refused),
        cmocka_unit_test(removed_routes_are_gone_and_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
