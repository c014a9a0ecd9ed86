/* /v2/events: frames, filters, heartbeats, slow readers, the end of a leadership. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID "550e8400-e29b-11d4-a716-446655440001"
#define T0 "2016-01-01T00:00:00.000Z"

static struct mu_http_exchange *subscribe(struct fake *f, const char *url)
{
    static const char *const headers[] = {"Accept: text/event-stream", NULL};
    struct mu_http_exchange *x = fake_ask_with(f, "GET", url, headers, NULL);
    assert_int_equal(x->status, 200);
    assert_true(x->streaming && !x->bounded && !x->ended);
    return x;
}

/* What came since the last call: "name name ", checking each frame. */
static const char *names(struct mu_http_exchange *x)
{
    static char out[2048];
    size_t n = 0;
    out[0] = '\0';
    const char *p = mu_buf_str(&x->body);
    while (*p != '\0') {
        if (strncmp(p, "\r\n", 2) == 0) {
            n += (size_t)snprintf(out + n, sizeof(out) - n, "~ ");
            p += 2;
            continue;
        }
        assert_int_equal(strncmp(p, "event: ", 7), 0);
        const char *end = strstr(p, "\r\n");
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s ", (int)(end - p - 7),
                              p + 7);
        assert_int_equal(strncmp(end, "\r\ndata: {", 9), 0);
        end = strstr(end + 2, "\r\n\r\n");
        assert_non_null(end);
        p = end + 4;
    }
    mu_buf_clear(&x->body);
    return out;
}

static void subscribers_see_their_own_coming_and_others_going(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = subscribe(f, "/v2/events");
    assert_string_equal(fake_header(x, "Content-Type"),
                        "text/event-stream;charset=UTF-8");
    assert_string_equal(fake_header(x, "Connection"), "close");
    assert_string_equal(
        mu_buf_str(&x->body),
        "event: event_stream_attached\r\ndata: {\"remoteAddress\":\"10.0.0.9:4711\","
        "\"eventType\":\"event_stream_attached\",\"timestamp\":\"" T0 "\"}\r\n\r\n");
    mu_buf_clear(&x->body);
    struct mu_http_exchange *y = subscribe(f, "/v2/events");
    assert_int_equal(f->watches, 1); /* one for all */
    assert_string_equal(names(x), "event_stream_attached ");
    fake_hang_up(y);
    assert_string_equal(names(x), "event_stream_detached ");
    fake_hang_up(x);
    assert_int_equal(f->watches, 0);
    assert_null(f->timers);
    fake_close(f);
}

static void only_those_who_ask_for_a_stream_get_one(void **state)
{
    (void)state;
    static const char *const html[] = {"Accept: text/html,*/*;q=0.8", NULL};
    struct fake *f = fake_open(NULL);
    assert_int_equal(fake_ask_with(f, "GET", "/v2/events", html, NULL)->status, 405);
    struct mu_http_exchange *x = fake_ask(f, "OPTIONS", "/v2/events", NULL);
    assert_int_equal(x->status, 200);
    assert_string_equal(fake_header(x, "Allow"), "GET, HEAD, OPTIONS");
    f->leads = false;
    x = fake_ask(f, "GET", "/v2/events", NULL);
    assert_int_equal(x->status, 0); /* it waits for a leader */
    fake_advance(f, 6000);
    assert_int_equal(x->status, 503);
    fake_close(f);
}

static void silence_is_filled_every_ten_seconds(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = subscribe(f, "/v2/events");
    (void)names(x);
    fake_advance(f, 9999);
    assert_string_equal(names(x), "");
    fake_advance(f, 1);
    assert_string_equal(mu_buf_str(&x->body), "\r\n");
    fake_advance(f, 20000);
    assert_string_equal(names(x), "~ ~ ~ ");
    fake_close(f);
}

/* The JSON of the first frame, which must have that name. */
static json_t *data(struct mu_http_exchange *x, const char *name)
{
    char head[128];
    int n = snprintf(head, sizeof(head), "event: %s\r\ndata: ", name);
    const char *text = mu_buf_str(&x->body);
    if (strncmp(text, head, (size_t)n) != 0) {
        fail_msg("wanted %s, got %.60s", name, text);
    }
    const char *end = strstr(text, "\r\n\r\n");
    json_t *root = json_loadb(text + n, (size_t)(end - text) - (size_t)n, 0, NULL);
    assert_non_null(root);
    mu_buf_consume(&x->body, (size_t)(end - text) + 4);
    return root;
}

static void assert_event(struct fake *f,
                         struct mu_http_exchange *x,
                         struct mu_event *ev,
                         const char *name,
                         const char *fields)
{
    fake_emit(f, ev);
    json_t *got = data(x, name);
    json_t *wanted = json_loads(fields, 0, NULL);
    assert_non_null(wanted);
    json_object_set_new(wanted, "eventType", json_string(name));
    json_object_set_new(wanted, "timestamp", json_string(T0));
    kit_assert_json(got, wanted, name);
    json_decref(got);
    json_decref(wanted);
}

static void events_of_tasks_and_apps_have_marathons_fields(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = subscribe(f, "/v2/events");
    (void)names(x);
    const uint16_t ports[] = {31012};
    const struct mu_app_task_row task = {.id = "a_b." UUID,
                                         .app_id = "/a/b",
                                         .agent_id = "S0",
                                         .host = "n1",
                                         .ip = "10.0.0.1",
                                         .state = MU_TASK_RUNNING,
                                         .version_ms = FAKE_WALL_MS,
                                         .ports = ports,
                                         .port_count = 1};
    struct mu_event ev = {.type = MU_EV_STATUS_UPDATE, .task = &task};
    assert_event(
        f, x, &ev, "status_update_event",
        "{\"slaveId\":\"S0\",\"taskId\":\"a_b." UUID
        "\",\"taskStatus\":\"TASK_RUNNING\",\"message\":\"\",\"appId\":\"/a/"
        "b\",\"host\":\"n1\",\"ipAddresses\":[{\"ipAddress\":\"10.0.0.1\",\"protocol\":"
        "\"IPv4\"}],\"ports\":[31012],\"version\":\"" T0 "\"}");
    ev = (struct mu_event){
        .type = MU_EV_INSTANCE_CHANGED, .task = &task, .condition = "Running"};
    assert_event(f, x, &ev, "instance_changed_event",
                 "{\"instanceId\":\"a_b.marathon-" UUID
                 "\",\"condition\":\"Running\",\"runSpecId\":\"/a/"
                 "b\",\"agentId\":\"S0\",\"host\":\"n1\",\"runSpecVersion\":\"" T0 "\"}");
    ev = (struct mu_event){
        .type = MU_EV_UNKNOWN_TERMINATED, .text = "a_b." UUID, .condition = "Killed"};
    assert_event(f, x, &ev, "unknown_instance_terminated_event",
                 "{\"instanceId\":\"a_b.marathon-" UUID
                 "\",\"condition\":\"Killed\",\"runSpecId\":\"/a/b\"}");
    ev = (struct mu_event){.type = MU_EV_APP_TERMINATED, .app_id = "/a/b"};
    assert_event(f, x, &ev, "app_terminated_event", "{\"appId\":\"/a/b\"}");
    ev =
        (struct mu_event){.type = MU_EV_GROUP_CHANGE_SUCCESS, .version_ms = FAKE_WALL_MS};
    assert_event(f, x, &ev, "group_change_success",
                 "{\"groupId\":\"/\",\"version\":\"" T0 "\"}");
    ev = (struct mu_event){
        .type = MU_EV_GROUP_CHANGE_FAILED, .version_ms = FAKE_WALL_MS, .text = "why"};
    assert_event(f, x, &ev, "group_change_failed",
                 "{\"groupId\":\"/\",\"version\":\"" T0 "\",\"reason\":\"why\"}");
    struct mu_app *app = kit_app("{\"id\":\"a\",\"cmd\":\"x\"}", NULL);
    char *definition = kit_app_text(app), fields[4096];
    snprintf(fields, sizeof(fields),
             "{\"clientIp\":\"1.2.3.4\",\"uri\":\"/v2/apps\",\"appDefinition\":%s}",
             definition);
    ev = (struct mu_event){
        .type = MU_EV_API_POST, .app = app, .client_ip = "1.2.3.4", .uri = "/v2/apps"};
    assert_event(f, x, &ev, "api_post_event", fields);
    free(definition);
    mu_app_unref(app);
    fake_close(f);
}

#define STEP                                                                             \
    "{\"actions\":[{\"action\":\"ScaleApplication\",\"type\":\"ScaleApplication\","      \
    "\"app\":\"/"                                                                        \
    "a\"}]}"
#define STUB                                                                             \
    "{\"id\":\"/"                                                                        \
    "\",\"apps\":[],\"groups\":[],\"pods\":[],\"dependencies\":[],\"version\":\"" T0     \
    "\"}"
#define LIGHT "{\"id\":\"d-1\",\"version\":\"" T0 "\",\"steps\":[" STEP "]}"
#define FULL                                                                             \
    "{\"id\":\"d-1\",\"version\":\"" T0 "\",\"original\":" STUB ",\"target\":" STUB      \
    ",\"steps\":[" STEP "]}"

static void plans_come_with_or_without_their_groups(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *full = subscribe(f, "/v2/events");
    struct mu_http_exchange *light = subscribe(f, "/v2/events?plan-format=light");
    (void)names(full);
    (void)names(light);
    const struct mu_deployment_action action = {MU_ACTION_SCALE, "/a"};
    const struct mu_deployment_step step = {&action, 1};
    const struct mu_deployment_row d = {.id = "d-1",
                                        .version_ms = FAKE_WALL_MS,
                                        .steps = &step,
                                        .step_count = 1,
                                        .current_step = 1};
    struct mu_event ev = {.type = MU_EV_DEPLOYMENT_INFO, .deployment = &d};
    assert_event(f, full, &ev, "deployment_info",
                 "{\"plan\":" FULL ",\"currentStep\":" STEP "}");
    json_decref(data(light, "deployment_info"));
    ev.type = MU_EV_DEPLOYMENT_STEP_SUCCESS;
    assert_event(f, light, &ev, "deployment_step_success",
                 "{\"plan\":" LIGHT ",\"currentStep\":" STEP "}");
    (void)names(full);
    ev.type = MU_EV_DEPLOYMENT_SUCCESS;
    assert_event(f, full, &ev, "deployment_success",
                 "{\"id\":\"d-1\",\"plan\":" FULL "}");
    (void)names(light);
    ev.type = MU_EV_DEPLOYMENT_FAILED;
    ev.text = "cancelled";
    assert_event(f, light, &ev, "deployment_failed",
                 "{\"id\":\"d-1\",\"plan\":" LIGHT ",\"reason\":\"cancelled\"}");
    fake_close(f);
}

static void filters_choose_by_name(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *all = subscribe(f, "/v2/events");
    struct mu_http_exchange *some = subscribe(
        f,
        "/v2/"
        "events?event_type=app_terminated_event&event_type=scheduler_registered_event");
    assert_string_equal(names(all), "event_stream_attached event_stream_attached ");
    assert_string_equal(names(some), "");
    struct mu_event ev = {.type = MU_EV_APP_TERMINATED, .app_id = "/a"};
    fake_emit(f, &ev);
    ev = (struct mu_event){.type = MU_EV_GROUP_CHANGE_SUCCESS};
    fake_emit(f, &ev);
    ev = (struct mu_event){.type = MU_EV_SCHEDULER_REGISTERED, .text = "fw"};
    fake_emit(f, &ev);
    /* strict clients do not know the last one: only by name */
    assert_string_equal(names(all), "app_terminated_event group_change_success ");
    assert_string_equal(names(some), "app_terminated_event scheduler_registered_event ");
    fake_close(f);
}

static void slow_readers_are_cut_off_and_nobody_else(void **state)
{
    (void)state;
    static const char *const flags[] = {"event_stream_max_outstanding_messages=5", NULL};
    struct fake *f = fake_open(flags);
    struct mu_http_exchange *slow = subscribe(f, "/v2/events");
    struct mu_http_exchange *quick = subscribe(f, "/v2/events");
    struct mu_event ev = {.type = MU_EV_APP_TERMINATED, .app_id = "/a"};
    for (int i = 0; i < 3; i++) { /* with two attached: 5 */
        fake_emit(f, &ev);
        assert_true(fake_drain(quick));
    }
    assert_false(slow->ended);
    (void)names(quick);
    fake_emit(f, &ev);
    assert_true(slow->ended);
    assert_false(quick->ended);
    assert_string_equal(names(quick), "app_terminated_event event_stream_detached ");
    fake_drain(quick);
    fake_emit(f, &ev);
    assert_string_equal(names(quick), "app_terminated_event ");
    /* all at once, in one event: the watch goes with the last */
    for (int i = 0; i < 6; i++) {
        fake_emit(f, &ev);
    }
    assert_true(quick->ended);
    assert_int_equal(f->watches, 0);
    fake_close(f);
}

static void streams_end_with_the_leadership(void **state)
{
    (void)state;
    struct fake *f = fake_open(NULL);
    struct mu_http_exchange *x = subscribe(f, "/v2/events");
    struct mu_event ev = {.type = MU_EV_LEADERSHIP_LOST};
    fake_emit(f, &ev);
    assert_true(x->ended);
    assert_int_equal(f->watches, 0);
    x = subscribe(f, "/v2/events"); /* and begin anew with the next one */
    assert_int_equal(f->watches, 1);
    fake_close(f); /* stop ends them too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribers_see_their_own_coming_and_others_going),
        cmocka_unit_test(only_those_who_ask_for_a_stream_get_one),
        cmocka_unit_test(silence_is_filled_every_ten_seconds),
        cmocka_unit_test(events_of_tasks_and_apps_have_marathons_fields),
        cmocka_unit_test(plans_come_with_or_without_their_groups),
        cmocka_unit_test(filters_choose_by_name),
        cmocka_unit_test(slow_readers_are_cut_off_and_nobody_else),
        cmocka_unit_test(streams_end_with_the_leadership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
