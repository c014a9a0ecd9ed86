/* A master's reigns: when they begin and end, what is served in them, and what is left of
 * them. The election is scripted; all the rest is what a real master runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <muster/kind/api.h>
#include <muster/time.h>

#include "base/alloc.h"
#include "runtime/host.h"
#include "runtime/link_client.h"
#include "unit/runtime/reign_kit.h"

static const char app_body[] = "{\"id\":\"a\",\"cmd\":\"true\",\"instances\":0}";

static void lead(struct kit *k)
{
    kit_elect(k);
    kit_wait_for_status(k, k->app_port, "/v2/apps", 200);
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 200);
}

/* ---- raw connections: bytes that wait in the kernel before the loop turns ---- */

static int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void raw_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* The status of the answer; turns the loop until its first bytes are there. */
static int raw_status(struct kit *k, int fd)
{
    char text[4096];
    for (int i = 0; i < 100000; i++) {
        ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
        if (n > 0) {
            text[n] = '\0';
            assert_int_equal(strncmp(text, "HTTP/1.1 ", 9), 0);
            return atoi(text + 9);
        }
        assert_true(n < 0);
        test_host_turn(k->th, 1);
    }
    fail_msg("no answer");
    return 0;
}

/* ---- the lease ---- */

/* The process was frozen: the requests are readable, and the timers due, when it wakes.
 */
static void
a_waiting_request_is_not_answered_as_the_leader_when_the_lease_is_over(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        bool marathon;
    } cases[] = {
        {"GET /state HTTP/1.1\r\nHost: x\r\n\r\n", false},
        {"POST /api/v1/agent-link HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
         false},
        {"GET /v2/apps HTTP/1.1\r\nHost: x\r\n\r\n", true},
        {"POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
         "Content-Length: 2\r\n\r\n{}",
         true},
    };
    for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
        struct kit *k = kit_open();
        lead(k);
        int fd = raw_connect(cases[i].marathon ? k->app_port : k->port);
        raw_send(fd, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
        (void)raw_status(k, fd); /* it is accepted now; kept alive */
        raw_send(fd, cases[i].request);
        k->lease_end_ms = k->th->host->now_ms(k->th->host);
        assert_int_equal(raw_status(k, fd), 503);
        close(fd);
        kit_close(k);
    }
}

static void a_lease_that_holds_changes_nothing(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    k->lease_end_ms = k->th->host->now_ms(k->th->host) + 3600000;
    lead(k);
    assert_int_equal(kit_ask(k, "POST", k->app_port, "/v2/apps", app_body), 201);
    assert_int_equal(kit_ask(k, "GET", k->port, "/health", NULL), 200);
    double left = kit_metric(k, "election/lease_ms");
    assert_true(left > 3000000 && left <= 3600000);
    kit_close(k);
}

/* The request is read while the lease holds, and the command it makes waits for its turn
 * of the loop; then the lease is over. */
static void what_is_decided_after_the_lease_is_neither_done_nor_acknowledged(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    lead(k);
    int fd = raw_connect(k->app_port);
    raw_send(fd, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_status(k, fd), 200);
    char request[512];
    snprintf(request, sizeof(request),
             "POST /v2/apps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(app_body), app_body);
    raw_send(fd, request);
    k->ends_lease_after = 1; /* the guard of this very request still finds it */
    assert_int_equal(raw_status(k, fd), 503);
    close(fd);
    assert_int_equal(k->lease_end_ms, 0);
    k->lease_end_ms = MU_NEVER_MS;
    kit_lose(k, "the session has expired");
    lead(k);
    assert_int_equal(kit_ask(k, "GET", k->app_port, "/v2/apps/a", NULL), 404);
    kit_close(k);
}

/* The election heard of its ensemble between waking up and its own timer. */
static void
an_election_that_says_nothing_after_the_lease_is_made_to_begin_anew(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    lead(k);
    k->lease_end_ms = 0;
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 503);
    k->lease_end_ms = MU_NEVER_MS;
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 503); /* thrown away */
    assert_int_equal(kit_ask(k, "GET", k->port, "/health", NULL), 503);
    while (k->contends < 2) {
        bool never = false;
        (void)test_host_run_until(k->th, &never, 20);
    }
    assert_int_equal(k->withdraws, 1);
    lead(k);
    assert_int_equal(kit_ask(k, "GET", k->port, "/health", NULL), 200);
    kit_close(k);
}

static void lost_after_the_lease_needs_no_withdrawal(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    lead(k);
    k->lease_end_ms = 0;
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 503);
    size_t timers = rt_host_timer_count(k->th->rt);
    kit_lose(k, "the session has expired");
    assert_int_equal(rt_host_timer_count(k->th->rt), timers - 1); /* none waits for it */
    k->lease_end_ms = MU_NEVER_MS;
    lead(k);
    assert_int_equal(k->withdraws, 0);
    kit_close(k);
}

/* ---- who leads ---- */

static void a_standby_names_the_leader_and_is_well_when_it_knows_one(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 503);
    assert_int_equal(kit_ask(k, "GET", k->port, "/health", NULL), 503);
    kit_name(k, "other", 4711);
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 307);
    assert_string_equal(k->location, "//localhost:4711/state");
    assert_int_equal(kit_ask(k, "POST", k->port, "/api/v1/agent-link", ""), 307);
    assert_string_equal(k->location, "http://localhost:4711/api/v1/agent-link");
    assert_int_equal(kit_ask(k, "GET", k->port, "/health", NULL), 200);
    assert_true(kit_metric(k, "election/lease_ms") == 0);
    kit_close(k);
}

/* Nobody is sent round in circles: before it leads and after it did, it does not name
 * itself. */
static void a_master_names_itself_only_while_it_leads(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    k->events->leader(k->events_arg, &k->self);
    assert_int_equal(kit_ask(k, "GET", k->port, "/redirect", NULL), 503);
    assert_int_equal(kit_ask(k, "POST", k->port, "/api/v1/agent-link", ""), 503);
    lead(k);
    assert_int_equal(kit_ask(k, "GET", k->port, "/redirect", NULL), 307);
    k->lease_end_ms = 0;
    assert_int_equal(kit_ask(k, "GET", k->port, "/redirect", NULL), 503);
    kit_lose(k, "the session has expired");
    kit_close(k);
}

struct other_master {
    const struct mu_host *host;
    const char *id;
    struct mu_http_exchange *stream;
};

static void on_watcher_gone(void *arg)
{
    struct other_master *m = arg;
    m->stream = NULL;
}

static void
on_watcher(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    (void)req;
    struct other_master *m = arg;
    const struct mu_http_header headers[] = {{"Muster-Master-Id", m->id}};
    m->stream = x;
    m->host->http_on_close(x, on_watcher_gone, m);
    m->host->http_stream_begin(x, 200, headers, 1, false);
}

static void wait_until(struct kit *k, const char *metric, double value)
{
    for (int i = 0; i < 2000 && kit_metric(k, metric) != value; i++) {
        bool never = false;
        (void)test_host_run_until(k->th, &never, 10);
    }
    assert_true(kit_metric(k, metric) == value);
}

/* The port of the named leader is another process's all of a sudden. */
static void a_standby_deposes_a_leader_whose_process_is_gone(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    struct other_master m = {.host = k->th->host, .id = "other"};
    assert_int_equal(k->th->host->http_route(k->th->host, "agent", "GET",
                                             "/api/v1/leader-watch", on_watcher, &m,
                                             NULL),
                     0);
    kit_name(k, "other", test_host_listen(k->th, "agent"));
    wait_until(k, "election/leader_watched", 1);
    assert_int_equal(k->deposes, 0);
    m.id = "newcomer";
    m.host->http_on_close(m.stream, NULL, NULL);
    m.host->http_stream_end(m.stream);
    wait_until(k, "election/depositions", 1);
    assert_int_equal(k->deposes, 1);
    assert_string_equal(k->deposed, "other");
    assert_non_null(strstr(k->proof, "newcomer"));
    kit_elect(k);
    wait_until(k, "election/leader_watched", 0);
    kit_close(k);
}

/* ---- stopping ---- */

static void a_stop_withdraws_before_anything_else_is_waited_for(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    lead(k);
    k->holds_withdrawals = true;
    kit_stop(k);
    assert_int_equal(k->withdraws, 1); /* inside the call already */
    for (int i = 0; i < 1000 && !k->probe_stops; i++) {
        test_host_turn(k->th, 1);
    }
    assert_true(k->probe_stops);
    assert_int_equal(k->withdraws_then, 1);
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL),
                     503); /* stopped serving */
    kit_name(k, "next", 4711);
    assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL),
                     307); /* it helps, even so */
    kit_withdrawn(k);
    kit_probe_stopped(k);
    assert_true(kit_run_until(k, &k->is_stopped));
    kit_close(k);
}

static void a_stop_does_not_wait_for_ever_for_the_election(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    lead(k);
    k->holds_withdrawals = true;
    kit_stop(k);
    for (int i = 0; i < 1000 && !k->probe_stops; i++) {
        test_host_turn(k->th, 1);
    }
    kit_probe_stopped(k);
    assert_true(kit_run_until(k, &k->is_stopped));
    kit_withdrawn(k); /* late, but before the plugin's own stop is through */
    kit_close(k);
}

/* ---- again and again ---- */

struct agent {
    struct kit *k;
    struct link_client *client;
    struct mu_agent_info info;
    int registered, downs;
    bool changed;
};

static void on_up(void *arg, uint64_t link)
{
    struct agent *a = arg;
    struct mu_msg m;
    bool again = !MU_ID_EMPTY(a->info.id);
    mu_msg_init(&m, again ? MU_MSG_REREGISTER : MU_MSG_REGISTER);
    mu_msg_set_agent(&m, &a->info);
    link_client_send(a->client, link, &m);
    mu_msg_release(&m);
}

static void on_down(void *arg, uint64_t link, const char *why)
{
    (void)link;
    (void)why;
    struct agent *a = arg;
    a->downs++;
    a->changed = true;
}

static void on_message(void *arg, uint64_t link, const struct mu_msg *msg)
{
    (void)link;
    struct agent *a = arg;
    if (msg->type == MU_MSG_REGISTERED || msg->type == MU_MSG_REREGISTERED) {
        a->info.id = msg->agent_id;
        a->registered++;
        a->changed = true;
    }
}

static const struct link_client_events link_events = {on_up, on_down, on_message};

static void wait_for(struct agent *a, const int *count, int at_least)
{
    while (*count < at_least) {
        a->changed = false;
        assert_true(kit_run_until(a->k, &a->changed));
    }
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

struct stream {
    bool begun, ended;
    int status;
};

static void on_head(void *arg, int status, const struct mu_http_header *h, size_t n)
{
    (void)h;
    (void)n;
    struct stream *s = arg;
    s->status = status;
    s->begun = true;
}

static void on_piece(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void on_end(void *arg, const struct mu_http_answer *a)
{
    (void)a;
    struct stream *s = arg;
    s->ended = true;
}

static void watch_events(struct kit *k, struct stream *s)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/v2/events", (unsigned)k->app_port);
    static const struct mu_http_header accept[] = {{"Accept", "text/event-stream"}};
    const struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = "GET",
        .url = url,
        .headers = accept,
        .header_count = 1,
        .on_headers = on_head,
        .on_data = on_piece,
        .on_done = on_end,
        .arg = s,
    };
    *s = (struct stream){0};
    assert_int_equal(k->th->host->http_request(k->th->host, &ask, NULL, NULL), 0);
    assert_true(kit_run_until(k, &s->begun));
    assert_int_equal(s->status, 200);
}

/* The framework's id, once it has subscribed in this reign. */
static void wait_for_framework(struct kit *k, char out[128])
{
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(kit_ask(k, "GET", k->port, "/frameworks", NULL), 200);
        const char *at = strstr(mu_buf_str(&k->body), "\"id\":\"");
        if (at != NULL) {
            snprintf(out, 128, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
            return;
        }
    }
    fail_msg("no framework: %s", mu_buf_str(&k->body));
}

static void leading_lost_and_leading_again_leaves_nothing_behind(void **state)
{
    (void)state;
    struct kit *k = kit_open();
    struct agent a = {.k = k};
    char address[32], framework[128] = "";
    mu_text_set(&a.info.hostname, "h");
    mu_text_set(&a.info.ip, "127.0.0.1");
    a.info.port = 5051;
    a.client = link_client_create(k->th->host, &link_events, &a);
    snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)k->port);
    link_client_set_master(a.client, address);
    size_t timers_before = 0;
    for (int i = 1; i <= 10; i++) {
        struct stream events;
        lead(k);
        char id[16], path[32], body[128], now[128];
        snprintf(id, sizeof(id), "app%d", i);
        snprintf(path, sizeof(path), "/v2/apps/%s", id);
        snprintf(body, sizeof(body), "{\"id\":\"%s\",\"cmd\":\"x\",\"instances\":0}", id);
        assert_int_equal(kit_ask(k, "POST", k->app_port, "/v2/apps", body), 201);
        for (int n = 1; n <= i; n++) { /* those of all reigns before, too */
            snprintf(path, sizeof(path), "/v2/apps/app%d", n);
            assert_int_equal(kit_ask(k, "GET", k->app_port, path, NULL), 200);
        }
        watch_events(k, &events);
        wait_for_framework(k, now);
        if (i > 1) {
            assert_string_equal(now, framework);
        }
        snprintf(framework, sizeof(framework), "%s", now);
        wait_for(&a, &a.registered, i);
        int downs = a.downs;
        kit_lose(k, "the test says so");
        assert_true(kit_run_until(k, &events.ended));
        wait_for(&a, &a.downs, downs + 1);
        assert_int_equal(kit_ask(k, "GET", k->app_port, "/v2/apps", NULL), 503);
        assert_int_equal(kit_ask(k, "GET", k->port, "/state", NULL), 503);
        size_t timers = rt_host_timer_count(k->th->rt);
        if (i == 1) {
            timers_before = timers;
        }
        assert_int_equal(timers, timers_before);
    }
    bool stopped = false;
    link_client_stop(a.client, set_flag, &stopped);
    assert_true(kit_run_until(k, &stopped));
    link_client_destroy(a.client);
    mu_agent_info_release(&a.info);
    kit_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_waiting_request_is_not_answered_as_the_leader_when_the_lease_is_over),
        cmocka_unit_test(a_lease_that_holds_changes_nothing),
        cmocka_unit_test(
            what_is_decided_after_the_lease_is_neither_done_nor_acknowledged),
        cmocka_unit_test(
            an_election_that_says_nothing_after_the_lease_is_made_to_begin_anew),
        cmocka_unit_test(lost_after_the_lease_needs_no_withdrawal),
        cmocka_unit_test(a_standby_names_the_leader_and_is_well_when_it_knows_one),
        cmocka_unit_test(a_master_names_itself_only_while_it_leads),
        cmocka_unit_test(a_standby_deposes_a_leader_whose_process_is_gone),
        cmocka_unit_test(a_stop_withdraws_before_anything_else_is_waited_for),
        cmocka_unit_test(a_stop_does_not_wait_for_ever_for_the_election),
        cmocka_unit_test(leading_lost_and_leading_again_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
