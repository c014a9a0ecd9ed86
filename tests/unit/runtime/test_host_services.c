/* What is left of the host: metrics, random numbers, failure, views, its own table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <muster/buf.h>

#include "lib/test_host.h"
#include "runtime/host.h"

static void append_metric(void *arg, const char *name, double value)
{
    assert_int_equal(mu_buf_printf(arg, "%s=%g ", name, value), 0);
}

static void metrics_come_out_sorted_and_summed(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    char name[16];
    for (int i = 0; i < 200; i++) { /* more than fits at first */
        snprintf(name, sizeof(name), "n/%03d", (i * 37) % 200);
        th->host->gauge_set(th->host, name, i);
    }
    th->host->counter_add(th->host, "a/count", 2);
    th->host->counter_add(th->host, "a/count", 3);
    th->host->gauge_set(th->host, "b", 7);
    th->host->gauge_set(th->host, "b", 8);
    struct mu_buf out;
    mu_buf_init(&out, 100000);
    th->host->metrics_each(th->host, append_metric, &out);
    assert_true(strncmp(mu_buf_str(&out), "a/count=5 b=8 n/000=0 n/001=", 28) == 0);
    mu_buf_release(&out);
    test_host_close(th);
}

static void random_numbers_differ(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    uint64_t seen[200];
    for (int i = 0; i < 200; i++) {
        seen[i] = th->host->random(th->host);
        for (int k = 0; k < i; k++) {
            assert_true(seen[i] != seen[k]);
        }
    }
    test_host_close(th);
}

static void failure_of_a_plugin_reaches_the_core_with_its_reason(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    const struct mu_host *view = rt_host_view(th->rt, "election_test");
    assert_ptr_not_equal(view, th->host);
    struct mu_error err;
    mu_fail(&err, MU_E_UNAVAILABLE, "no server left");
    view->failed(view, &err);
    assert_true(th->failed);
    assert_string_equal(th->reason.text, "no server left");
    assert_ptr_equal(rt_host_get(th->rt), th->host);
    test_host_close(th);
}

static void host_tells_its_abi_and_work_dir(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    assert_int_equal(th->host->struct_size, sizeof(struct mu_host));
    assert_int_equal(th->host->abi_major, MU_ABI_MAJOR);
    assert_int_equal(th->host->abi_minor, MU_ABI_MINOR);
    assert_string_equal(th->host->work_dir(th->host), th->work_dir);
    assert_ptr_equal(th->host->loop(th->host), th->loop);
    /* Every entry of the table is there: no plugin meets a NULL. */
    const unsigned char *bytes = (const unsigned char *)th->host;
    for (size_t at = offsetof(struct mu_host, log); at < sizeof(struct mu_host);
         at += sizeof(void *)) {
        void *entry;
        memcpy(&entry, bytes + at, sizeof(entry));
        if (entry == NULL) {
            fail_msg("entry at offset %zu is NULL", at);
        }
    }
    test_host_close(th);
}

struct talk {
    struct test_host *th;
    int status;
    char body[64];
    bool done;
};

static void
on_ping(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct talk *t = arg;
    assert_string_equal(req->path, "/ping");
    t->th->host->http_reply(x, 200, NULL, 0, "pong", 4);
}

static void on_answer(void *arg, const struct mu_http_answer *answer)
{
    struct talk *t = arg;
    t->status = answer->status;
    if (answer->body != NULL) {
        snprintf(t->body, sizeof(t->body), "%s", answer->body);
    }
    t->done = true;
}

static void plugin_can_serve_and_ask_over_http(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct talk t = {.th = th};
    struct mu_error err;
    uint16_t port = test_host_listen(th, "master");
    assert_int_equal(
        th->host->http_route(th->host, "master", "GET", "/ping", on_ping, &t, &err), 0);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/ping", port);
    const struct mu_http_ask ask = {.struct_size = sizeof(ask),
                                    .method = "GET",
                                    .url = url,
                                    .on_done = on_answer,
                                    .arg = &t};
    struct mu_http_call *call = NULL;
    assert_int_equal(th->host->http_request(th->host, &ask, &call, &err), 0);
    assert_false(t.done);
    assert_true(test_host_run_until(th, &t.done, 5000));
    assert_int_equal(t.status, 200);
    assert_string_equal(t.body, "pong");
    test_host_close(th);
}

static void request_under_way_is_cancelled_when_the_host_closes(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    struct talk t = {.th = th};
    struct mu_error err;
    const struct mu_http_ask ask = {.struct_size = sizeof(ask),
                                    .method = "GET",
                                    .url = "http://127.0.0.1:1/",
                                    .on_done = on_answer,
                                    .arg = &t};
    struct mu_http_call *call = NULL;
    assert_int_equal(th->host->http_request(th->host, &ask, &call, &err), 0);
    test_host_close(th);
    assert_true(t.done);
    assert_true(t.status < 0);
}

static void relative_work_dir_is_refused(void **state)
{
    (void)state;
    struct test_host *th = test_host_open();
    const struct rt_host_config config = {
        .loop = th->loop, .work_dir = "var", .log_fd = -1};
    struct rt_host *rt = NULL;
    struct mu_error err;
    assert_true(rt_host_open(&config, &rt, &err) < 0);
    assert_non_null(strstr(err.text, "'var'"));
    assert_null(rt);
    test_host_close(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_come_out_sorted_and_summed),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(failure_of_a_plugin_reaches_the_core_with_its_reason),
        cmocka_unit_test(host_tells_its_abi_and_work_dir),
        cmocka_unit_test(plugin_can_serve_and_ask_over_http),
        cmocka_unit_test(request_under_way_is_cancelled_when_the_host_closes),
        cmocka_unit_test(relative_work_dir_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
