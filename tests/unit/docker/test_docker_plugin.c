/* The whole plugin on a fake host: what it asks an engine, and what it tells the agent.
 */
#include "docker_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include <muster/plugin.h>

#include "base/alloc.h"
#include "base/flag_values.h"
#include "fake_host.h"
#include "lib/test_host.h"

#define ID "c0ffee00-1111-4222-8333-444444444444"
#define C "/v1.41/containers/"
#define CREATE "POST " C "create?name=mesos-" ID
#define BY_NAME "GET " C "mesos-" ID "/json"
#define INSPECT "GET " C "abc/json"
#define LIST "GET " C "json?all=1&filters=*"
#define LABELS(agent)                                                                    \
    "\"Config\":{\"Labels\":{\"muster.agent\":\"" agent                                  \
    "\",\"muster.container_id\":\"" ID "\"}}"
#define INSPECTED(agent, state) "{\"Id\":\"abc\",\"State\":{" state "}," LABELS(agent) "}"
#define STARTED "\"StartedAt\":\"2026-11-24T06:18:11Z\""
#define UP INSPECTED("/var/lib/muster", "\"Running\":true,\"Pid\":77," STARTED)
#define DOWN INSPECTED("/var/lib/muster", "\"Running\":false,\"ExitCode\":3," STARTED)

extern const struct mu_plugin mu_plugin;

struct fixture {
    struct fake_host host;
    struct mu_flags *flags;
    const struct mu_containerizer_ops *ops;
    void *instance;
    struct docker_task task;
    char dir[64], sandbox[128];

    unsigned launched, exited, destroyed, recovered, recovery_done;
    int launch_status, destroy_status, recovery_status;
    char text[512];
    bool recovered_running;
    char how[512];
};

/* ---- what is heard ---- */

static void on_exited(void *arg,
                      const struct mu_container_id *id,
                      const struct mu_container_exit *how)
{
    struct fixture *x = arg;
    assert_string_equal(id->s, ID);
    x->exited++;
    strcpy(x->how, how->message);
}

static const struct mu_containerizer_events events = {.exited = on_exited};

static void on_launched(void *arg,
                        int status,
                        const char *text,
                        const struct mu_container_status *container)
{
    struct fixture *x = arg;
    x->launched++;
    x->launch_status = status;
    strcpy(x->text, text);
    assert_true((status == 0) == (container != NULL));
}

static void on_destroyed(void *arg, int status, const char *text)
{
    struct fixture *x = arg;
    (void)text;
    x->destroyed++;
    x->destroy_status = status;
}

static void on_recovered(void *arg,
                         const struct mu_container_id *id,
                         bool is_running,
                         const struct mu_container_status *container,
                         const struct mu_container_exit *how)
{
    struct fixture *x = arg;
    assert_string_equal(id->s, ID);
    assert_true(is_running == (container != NULL));
    x->recovered++;
    x->recovered_running = is_running;
    strcpy(x->how, how == NULL ? "" : how->message);
}

static void on_recovery_done(void *arg, int status, const char *text)
{
    struct fixture *x = arg;
    (void)text;
    x->recovery_done++;
    x->recovery_status = status;
}

/* ---- life ---- */

static int setup(void **state)
{
    struct fixture *x = MU_NEW(struct fixture);
    struct mu_error err;
    strcpy(x->dir, "/tmp/muster-plugin-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->sandbox, sizeof(x->sandbox), "%s/box", x->dir);
    assert_int_equal(mkdir(x->sandbox, 0755), 0);
    docker_task_open(&x->task);
    x->task.spec.sandbox = x->sandbox;
    fake_open(&x->host, "/var/lib/muster");
    assert_int_equal(mu_flags_create(mu_plugin.flags, &x->flags, &err), 0);
    assert_int_equal(mu_plugin.create(&x->host.table, x->flags, &x->instance, &err), 0);
    x->ops = mu_plugin.ops;
    x->ops->listen(x->instance, &events, x);
    assert_int_equal(mu_plugin.start(x->instance, &err), 0);
    *state = x;
    return 0;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void stop(struct fixture *x)
{
    bool is_stopped = false;
    mu_plugin.stop(x->instance, set_flag, &is_stopped);
    assert_false(is_stopped);
    fake_turn(&x->host);
    assert_true(is_stopped);
    mu_plugin.destroy(x->instance);
    x->instance = NULL;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    if (x->instance != NULL) {
        stop(x);
    }
    fake_close(&x->host);
    mu_flags_destroy(x->flags);
    docker_task_close(&x->task);
    test_remove_tree(x->dir);
    free(x);
    return 0;
}

static void be_ready(struct fixture *x)
{
    fake_answer(fake_take(&x->host, "GET /version"), 200, "{\"ApiVersion\":\"1.41\"}");
}

static void recover_none(struct fixture *x)
{
    struct mu_error err;
    assert_int_equal(
        x->ops->recover(x->instance, NULL, 0, on_recovered, on_recovery_done, x, &err),
        0);
    assert_int_equal(x->recovery_done, 0);
    fake_turn(&x->host);
    assert_int_equal(x->recovery_done, 1);
    fake_answer(fake_take(&x->host, LIST), 200, "[]");
}

static void launch(struct fixture *x)
{
    struct mu_error err;
    assert_int_equal(x->ops->launch(x->instance, &x->task.spec, on_launched, x, &err), 0);
    fake_turn(&x->host);
}

static void run(struct fixture *x)
{
    be_ready(x);
    recover_none(x);
    launch(x);
    fake_answer(fake_take(&x->host, CREATE), 201, "{\"Id\":\"abc\"}");
    fake_answer(fake_take(&x->host, "POST " C "abc/start"), 204, "");
    fake_answer(fake_take(&x->host, INSPECT), 200, UP);
    fake_turn(&x->host);
    assert_int_equal(x->launched, 1);
    assert_int_equal(x->launch_status, 0);
}

static void recover_one(struct fixture *x, bool was_launched)
{
    struct mu_error err;
    struct mu_container_known known = {.spec = x->task.spec, .launched = was_launched};
    assert_int_equal(
        x->ops->recover(x->instance, &known, 1, on_recovered, on_recovery_done, x, &err),
        0);
    fake_turn(&x->host);
}

/* ---- tests ---- */

static void a_container_goes_through_its_life(void **state)
{
    struct fixture *x = *state;
    run(x);
    assert_non_null(fake_find(&x->host, "GET " C "abc/logs?*"));
    fake_answer(fake_take(&x->host, "POST " C "abc/wait"), 200, "{\"StatusCode\":3}");
    fake_answer(fake_take(&x->host, INSPECT), 200, DOWN);
    assert_int_equal(x->exited, 0); /* the output comes first */
    fake_answer(
        fake_take(&x->host, "GET " C "abc/logs?stdout=1&stderr=1&timestamps=1&follow=1"),
        200, "");
    fake_answer(fake_take(&x->host, "GET " C "abc/logs?stdout=1&stderr=1&timestamps=1"),
                200, "");
    fake_turn(&x->host);
    assert_int_equal(x->exited, 1);
    assert_string_equal(x->how, "Container exited with status 3");
    x->ops->destroy(x->instance, &x->task.spec.id, on_destroyed, x);
    fake_turn(&x->host);
    fake_answer(fake_take(&x->host, "DELETE " C "abc?force=1&v=1"), 204, "");
    fake_turn(&x->host);
    assert_int_equal(x->destroyed, 1);
    assert_int_equal(x->destroy_status, 0);
    assert_int_equal(fake_pending(&x->host), 0);
}

static void a_launch_without_an_engine_names_the_socket_at_once(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    fake_fail(fake_take(&x->host, "GET /version"), -ENOENT);
    assert_int_equal(x->host.engine_available, 0);
    assert_int_equal(x->ops->launch(x->instance, &x->task.spec, on_launched, x, &err),
                     MU_E_UNAVAILABLE);
    assert_string_equal(err.text,
                        "docker engine at '/var/run/docker.sock' is not available: No "
                        "such file or directory");
    fake_advance(&x->host, 300);
    be_ready(x);
    assert_int_equal(x->host.engine_available, 1);
}

static void only_its_own_kind_is_taken(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    assert_int_equal(x->ops->can_run(x->instance, &x->task.spec, &err), 1);
    x->task.task->container.type = MU_CONTAINER_MESOS;
    assert_int_equal(x->ops->can_run(x->instance, &x->task.spec, &err), 0);
    x->task.task->container.type = MU_CONTAINER_NONE;
    assert_int_equal(x->ops->can_run(x->instance, &x->task.spec, &err), 0);
    x->task.task->container.type = MU_CONTAINER_DOCKER;
    mu_pairs_add(&x->task.task->container.parameters, "colour", "red");
    assert_int_equal(x->ops->can_run(x->instance, &x->task.spec, &err), MU_E_INVALID);
    assert_string_equal(err.text, "docker parameter 'colour' is not known");
}

static void the_same_id_is_not_launched_twice(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    run(x);
    assert_int_equal(x->ops->launch(x->instance, &x->task.spec, on_launched, x, &err),
                     -EEXIST);
}

static void a_signal_is_passed_on(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    assert_int_equal(x->ops->kill(x->instance, &x->task.spec.id, SIGTERM, &err), -ESRCH);
    run(x);
    assert_int_equal(x->ops->kill(x->instance, &x->task.spec.id, SIGTERM, &err), 0);
    fake_answer(fake_take(&x->host, "POST " C "abc/kill?signal=15"), 204, "");
}

static void orphans_of_this_agent_are_removed_and_no_others(void **state)
{
    struct fixture *x = *state;
    run(x);
    fake_advance(&x->host, 60000);
    struct mu_http_call *call = fake_take(&x->host, LIST);
    assert_non_null(fake_find(
        &x->host, "GET " C "json?all=1&filters=%7B%22label%22:%5B%22muster.agent%3D/"
                  "var/lib/muster%22%5D%7D"));
    fake_answer(
        call, 200,
        "[{\"Id\":\"abc\",\"State\":\"running\",\"Labels\":{\"muster.container_id\":\"" ID
        "\"}},{\"Id\":\"left\",\"State\":\"exited\",\"Labels\":{\"muster.container_id\":"
        "\"unknown\"}},{\"Id\":\"odd\",\"State\":\"running\",\"Labels\":{}}]");
    fake_answer(fake_take(&x->host, "DELETE " C "left?force=1&v=1"), 500,
                "{\"message\":\"device busy\"}");
    assert_null(fake_find(&x->host, "DELETE *"));
    assert_null(fake_find(&x->host, INSPECT));
}

static void a_container_that_the_list_does_not_show_is_looked_into(void **state)
{
    struct fixture *x = *state;
    run(x);
    fake_advance(&x->host, 60000);
    fake_answer(fake_take(&x->host, LIST), 200, "[]");
    fake_turn(&x->host);
    fake_answer(fake_take(&x->host, INSPECT), 200, UP); /* it was only slow to appear */
    assert_int_equal(x->exited, 0);
    fake_advance(&x->host, 60000);
    fake_answer(fake_take(&x->host, LIST), 200, "[]");
    fake_turn(&x->host);
    fake_answer(fake_take(&x->host, INSPECT), 404, "{\"message\":\"No such container\"}");
    fake_advance(&x->host, 3100);
    fake_answer(fake_take(&x->host, "GET " C "abc/logs*"), 404, "{}");
    fake_turn(&x->host);
    assert_int_equal(x->exited, 1); /* although the wait still hangs */
}

static void nothing_is_swept_before_the_recovery(void **state)
{
    struct fixture *x = *state;
    be_ready(x);
    fake_advance(&x->host, 200000);
    assert_int_equal(fake_pending(&x->host), 0);
}

static void a_running_container_is_taken_over(void **state)
{
    struct fixture *x = *state;
    be_ready(x);
    recover_one(x, true);
    assert_int_equal(x->recovery_done, 0);
    fake_answer(fake_take(&x->host, BY_NAME), 200, UP);
    assert_int_equal(x->recovered, 1);
    assert_true(x->recovered_running);
    assert_int_equal(x->recovery_done, 1);
    assert_non_null(fake_find(&x->host, "POST " C "abc/wait"));
    /* an orphan sweep that lists it does it no harm */
    fake_answer(
        fake_take(&x->host, LIST), 200,
        "[{\"Id\":\"abc\",\"State\":\"running\",\"Labels\":{\"muster.container_id\":\"" ID
        "\"}}]");
    assert_null(fake_find(&x->host, "DELETE *"));
}

static void a_container_of_that_name_of_another_agent_is_not_ours(void **state)
{
    struct fixture *x = *state;
    be_ready(x);
    recover_one(x, true);
    fake_answer(fake_take(&x->host, BY_NAME), 200,
                INSPECTED("/other", "\"Running\":true,\"Pid\":77," STARTED));
    fake_turn(&x->host);
    assert_false(x->recovered_running);
    assert_int_equal(x->recovery_done, 1);
    assert_null(fake_find(&x->host, "DELETE *"));
    assert_null(fake_find(&x->host, "POST *"));
}

static void recovery_without_an_engine_is_answered_and_made_good_later(void **state)
{
    struct fixture *x = *state;
    recover_one(x, true);
    for (int i = 0; i < 100 && x->recovery_done == 0; i++) {
        struct mu_http_call *call = fake_find(&x->host, "GET /version");
        if (call != NULL) {
            fake_fail(call, -ECONNREFUSED);
        }
        fake_advance(&x->host, 500);
    }
    assert_int_equal(x->recovery_done, 1);
    assert_int_equal(x->recovery_status, 0);
    assert_true(x->recovered_running);
    assert_int_equal(x->exited, 0);
    while (fake_find(&x->host, "GET /version") == NULL) {
        fake_advance(&x->host, 100);
    }
    fake_answer(fake_take(&x->host, "GET /version"), 200, "{\"ApiVersion\":\"1.41\"}");
    fake_advance(&x->host, 5000);
    fake_answer(fake_take(&x->host, BY_NAME), 200, DOWN);
    fake_turn(&x->host);
    fake_answer(fake_take(&x->host, "GET " C "abc/logs*"), 200, "");
    fake_turn(&x->host);
    assert_int_equal(x->exited, 1);
    assert_string_equal(x->how, "Container exited with status 3");
}

static void a_stop_lets_the_container_run_and_answers_what_is_owed(void **state)
{
    struct fixture *x = *state;
    be_ready(x);
    recover_none(x);
    launch(x);
    x->ops->destroy(x->instance, &x->task.spec.id, on_destroyed, x);
    stop(x);
    assert_int_equal(x->launched, 1);
    assert_int_equal(x->launch_status, -ECANCELED);
    assert_int_equal(x->destroyed, 1);
    assert_int_equal(x->destroy_status, -ECANCELED);
}

static void a_stop_during_recovery_answers_it(void **state)
{
    struct fixture *x = *state;
    be_ready(x);
    recover_one(x, true);
    stop(x);
    assert_int_equal(x->recovery_done, 1);
    assert_int_equal(x->recovery_status, -ECANCELED);
    assert_int_equal(x->recovered, 0);
}

static void a_stop_at_once_after_the_start_is_clean(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    struct mu_container_id unknown = {"00000000-0000-4000-8000-000000000000"};
    assert_int_equal(
        x->ops->recover(x->instance, NULL, 0, on_recovered, on_recovery_done, x, &err),
        0);
    x->ops->destroy(x->instance, &unknown, on_destroyed, x);
    stop(x);
    assert_int_equal(x->recovery_done, 1);
    assert_int_equal(x->destroyed, 1);
}

static void bad_flags_are_refused_by_name(void **state)
{
    struct fixture *x = *state;
    struct mu_error err;
    void *instance = NULL;
    assert_int_equal(mu_flags_assign(x->flags, "docker_socket", "docker.sock", &err), 0);
    assert_int_equal(mu_plugin.create(&x->host.table, x->flags, &instance, &err),
                     MU_E_INVALID);
    assert_string_equal(err.text,
                        "--docker_socket: 'docker.sock' is not an absolute path");
    assert_int_equal(
        mu_flags_assign(x->flags, "docker_socket", "unix:///run/d.sock", &err), 0);
    assert_int_equal(mu_plugin.create(&x->host.table, x->flags, &instance, &err), 0);
    mu_plugin.destroy(instance); /* also when it was never started */
    mu_plugin.destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_container_goes_through_its_life),
        TEST(a_launch_without_an_engine_names_the_socket_at_once),
        TEST(only_its_own_kind_is_taken),
        TEST(the_same_id_is_not_launched_twice),
        TEST(a_signal_is_passed_on),
        TEST(orphans_of_this_agent_are_removed_and_no_others),
        TEST(a_container_that_the_list_does_not_show_is_looked_into),
        TEST(nothing_is_swept_before_the_recovery),
        TEST(a_running_container_is_taken_over),
        TEST(a_container_of_that_name_of_another_agent_is_not_ours),
        TEST(recovery_without_an_engine_is_answered_and_made_good_later),
        TEST(a_stop_lets_the_container_run_and_answers_what_is_owed),
        TEST(a_stop_during_recovery_answers_it),
        TEST(a_stop_at_once_after_the_start_is_clean),
        TEST(bad_flags_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
