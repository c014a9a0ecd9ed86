/* The parts that need neither host nor core: label selectors, query parameters, Accept,
 * text lists, statistics of tasks. */
#include "kit.h"

#include <stdio.h>
#include <string.h>

#include <muster/json_writer.h>

#include "arguments.h"
#include "codec_task_stats.h"
#include "codec_tasks_text.h"
#include "selector.h"

static void selectors_match_as_marathons_do(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {
        {"foo==one", true},
        {"foo == one", true},
        {" foo  ==  one ", true},
        {"foo==two", false},
        {"foo!=two", true},
        {"foo!=one", false},
        {"gone!=one", false},
        {"gone notin (one)", false},
        {"foo", true},
        {"gone", false},
        {"foo in (one, two, three\\ is\\ cool)", true},
        {"cool in (one, three\\ is\\ cool)", true},
        {"foo in (two)", false},
        {"foo notin (two,three)", true},
        {"foo notin(one)", false},
        {"\\{\\{\\{ in (\\*\\*\\*)", true},
        {"foo==one, bla!=one, existence", true},
        {"foo==one, bla==one", false},
        {"in==1", true},
    };
    struct mu_pairs labels = {0};
    mu_pairs_add(&labels, "foo", "one");
    mu_pairs_add(&labels, "bla", "two");
    mu_pairs_add(&labels, "existence", "");
    mu_pairs_add(&labels, "cool", "three is cool");
    mu_pairs_add(&labels, "{{{", "***");
    mu_pairs_add(&labels, "in", "1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrt_selector s;
        struct mu_error err;
        if (mrt_selector_parse(cases[i].text, &s, &err) < 0) {
            fail_msg("'%s': %s", cases[i].text, err.text);
        }
        if (mrt_selector_matches(&s, &labels) != cases[i].matches) {
            fail_msg("'%s'", cases[i].text);
        }
        mrt_selector_release(&s);
    }
    mu_pairs_release(&labels);
}

static void bad_selectors_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const texts[] = {"foo some (one)",
                                        "foo in one",
                                        "foo test",
                                        "",
                                        ",",
                                        "foo,",
                                        "foo=one",
                                        "foo in (",
                                        "foo in ()",
                                        "foo in (a",
                                        "==x",
                                        "foo==",
                                        "\\",
                                        "foo in (a,)",
                                        "foo == a b",
                                        "foo in (a) b"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct mrt_selector s;
        struct mu_error err = {0};
        if (mrt_selector_parse(texts[i], &s, &err) != MU_E_INVALID) {
            fail_msg("'%s' was taken", texts[i]);
        }
        assert_non_null(strstr(err.text, "expected"));
        mrt_selector_release(&s);
    }
}

static struct mu_http_request with_query(const char *query)
{
    return (struct mu_http_request){.query = query};
}

static void flags_in_queries_are_lenient(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool value;
    } cases[] = {{"force", true},      {"force=true", true}, {"force=True", true},
                 {"force=TRUE", true}, {"force=1", true},    {"force=", true},
                 {"a=b&force", true},  {"force=yes", false}, {"force=false", false},
                 {"force=0", false},   {"force=%zz", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_http_request req = with_query(cases[i].query);
        assert_true(mrt_query_flag(&req, "force", false) == cases[i].value);
    }
    struct mu_http_request req = with_query("x");
    assert_true(mrt_query_flag(&req, "force", true));
    assert_false(mrt_query_flag(&req, "force", false));
}

static void text_is_sent_only_to_those_who_prefer_it(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum mrt_form form;
        bool events;
    } cases[] = {
        {NULL, MRT_FORM_JSON, true},
        {"", MRT_FORM_JSON, true},
        {"*/*", MRT_FORM_JSON, true},
        {"text/plain", MRT_FORM_TEXT, false},
        {"TEXT/PLAIN", MRT_FORM_TEXT, false},
        {"application/json", MRT_FORM_JSON, false},
        {"text/plain, */*", MRT_FORM_TEXT, false},
        {"text/plain;q=0.5, application/json", MRT_FORM_JSON, false},
        {"application/json;q=0.5, text/plain", MRT_FORM_TEXT, false},
        {"application/json, text/plain", MRT_FORM_JSON, false},
        {"text/plain, application/json", MRT_FORM_TEXT, false},
        {"text/*", MRT_FORM_TEXT, false},
        {"text/plain;q=0", MRT_FORM_JSON, false},
        {"text/plain;q=0.3;x=y,*/*;q=0.8", MRT_FORM_JSON, false},
        {"text/event-stream", MRT_FORM_JSON, true},
        {"text/html, text/event-stream", MRT_FORM_JSON, true},
        {"text/event-stream;q=0", MRT_FORM_JSON, false},
        {"text/html,application/xhtml+xml,*/*;q=0.8", MRT_FORM_JSON, false},
        {";;;,,,", MRT_FORM_JSON, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mu_http_header header = {"accept", cases[i].accept};
        const struct mu_http_request req = {.headers = &header,
                                            .header_count = cases[i].accept != NULL};
        if (mrt_accepted_form(&req) != cases[i].form) {
            fail_msg("'%s'", cases[i].accept);
        }
        if (mrt_accepts_events(&req) != cases[i].events) {
            fail_msg("events: '%s'", cases[i].accept);
        }
    }
}

static void embeds_need_their_prefix(void **state)
{
    (void)state;
    static const char *const both[] = {"apps.", "", NULL};
    static const char *const full[] = {"group.apps.", NULL};
    struct mu_http_request req =
        with_query("embed=apps.counts&embed=lastTaskFailure&embed=x&embed=apps.");
    assert_int_equal(mrt_query_embed(&req, both),
                     MRT_EMBED_COUNTS | MRT_EMBED_LAST_FAILURE);
    assert_int_equal(mrt_query_embed(&req, full), 0);
    req = with_query("embed=group.apps.tasks");
    assert_int_equal(mrt_query_embed(&req, full),
                     MRT_EMBED_TASKS | MRT_EMBED_DEPLOYMENTS);
    assert_true(mrt_query_has(&req, "embed", "group.apps.tasks"));
    assert_false(mrt_query_has(&req, "embed", "group"));
}

static void peers_lose_their_port(void **state)
{
    (void)state;
    char ip[64];
    mrt_peer_ip("127.0.0.1:4711", ip, sizeof(ip));
    assert_string_equal(ip, "127.0.0.1");
    mrt_peer_ip("[::1]:80", ip, sizeof(ip));
    assert_string_equal(ip, "::1");
    mrt_peer_ip("", ip, sizeof(ip));
    assert_string_equal(ip, "");
}

static void only_running_tasks_are_endpoints(void **state)
{
    (void)state;
    struct mu_app *app =
        kit_app("{\"id\":\"/a/b\",\"cmd\":\"x\",\"ports\":[9000,9001]}", NULL);
    struct mrt_tasks_text t = {.app = app};
    const uint16_t ports[] = {31000, 31001};
    struct mu_app_task_row row = {
        .host = "h", .ports = ports, .port_count = 2, .state = MU_TASK_RUNNING};
    struct mu_buf out;
    mu_buf_init(&out, 4096);
    mrt_tasks_text_write(&t, &out);
    assert_string_equal(mu_buf_str(&out), "a_b\t9000\t\na_b\t9001\t\n");
    mu_buf_clear(&out);
    mrt_tasks_text_add(&t, &row);
    row.state = MU_TASK_STAGING;
    mrt_tasks_text_add(&t, &row);
    row.state = MU_TASK_RUNNING;
    row.host = "i";
    row.port_count = 1; /* fewer than defined */
    mrt_tasks_text_add(&t, &row);
    mrt_tasks_text_write(&t, &out);
    assert_string_equal(mu_buf_str(&out),
                        "a_b\t9000\th:31000\ti:31000\t\na_b\t9001\th:31001\t\n");
    mrt_tasks_text_release(&t);
    mu_buf_release(&out);
    mu_app_unref(app);
}

static void statistics_split_tasks_by_configuration(void **state)
{
    (void)state;
    struct mu_app app = {.last_scaling_ms = 300, .last_config_ms = 200};
    struct mrt_task_stats s = {.app = &app, .now_ms = 10000};
    struct mu_app_task_row row = {
        .state = MU_TASK_RUNNING, .started_ms = 4000, .version_ms = 100};
    mrt_task_stats_add(&s, &row); /* outdated, 6 s */
    row.version_ms = 200;
    row.started_ms = 8000;
    mrt_task_stats_add(&s, &row); /* latest, 2 s */
    row.version_ms = 300;
    row.state = MU_TASK_STAGING;
    row.started_ms = 0;
    mrt_task_stats_add(&s, &row); /* latest, after scaling */
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, 4096);
    mu_jw_init(&w, &out);
    mrt_task_stats_write(&w, &s);
    json_t *got = json_loads(mu_buf_str(&out), 0, NULL);
    json_t *wanted = json_loads("{\"startedAfterLastScaling\":{\"stats\":{\"counts\":{"
                                "\"staged\":1,\"running\":0,\"healthy\":0,"
                                "\"unhealthy\":0}}},\"withLatestConfig\":{\"stats\":{"
                                "\"counts\":{\"staged\":1,\"running\":1,"
                                "\"healthy\":0,\"unhealthy\":0},\"lifeTime\":{"
                                "\"averageSeconds\":2,\"medianSeconds\":2}}},"
                                "\"withOutdatedConfig\":{\"stats\":{\"counts\":{"
                                "\"staged\":0,\"running\":1,\"healthy\":0,"
                                "\"unhealthy\":0},\"lifeTime\":{\"averageSeconds\":6,"
                                "\"medianSeconds\":6}}},\"totalSummary\":{"
                                "\"stats\":{\"counts\":{\"staged\":1,\"running\":2,"
                                "\"healthy\":0,\"unhealthy\":0},\"lifeTime\":{"
                                "\"averageSeconds\":4,\"medianSeconds\":4}}}}",
                                0, NULL);
    kit_assert_json(got, wanted, "taskStats");
    json_decref(got);
    json_decref(wanted);
    mu_buf_release(&out);
    mrt_task_stats_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_match_as_marathons_do),
        cmocka_unit_test(bad_selectors_are_refused_with_a_reason),
        cmocka_unit_test(flags_in_queries_are_lenient),
        cmocka_unit_test(text_is_sent_only_to_those_who_prefer_it),
        cmocka_unit_test(embeds_need_their_prefix),
        cmocka_unit_test(peers_lose_their_port),
        cmocka_unit_test(only_running_tasks_are_endpoints),
        cmocka_unit_test(statistics_split_tasks_by_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
