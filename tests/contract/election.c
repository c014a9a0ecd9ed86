/* The contract of election plugins (core/include/muster/kind/election.h), for one
 * instance; see contract_kit.h for how it is run. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/buf.h>
#include <muster/kind/election.h>

#include "base/alloc.h"
#include "contract/contract_kit.h"

static struct kit kit; /* what main loaded */

/* One contender and what it heard, as text: "elected,leader a,lost,withdrawn,". */
struct subject {
    const struct mu_election_ops *ops;
    struct mu_buf heard;
    uint64_t epoch, epoch_before;
    size_t elected, lost, leaders;
    bool is_leading;
    char leader[64];
    bool was_elected, was_lost, knows_leader, knows_none; /* to wait for */
    void (*on_elected)(struct subject *s);                /* may be NULL */
    void (*on_lost)(struct subject *s);
};

static void heard_elected(void *arg, uint64_t epoch)
{
    struct subject *s = arg;
    mu_buf_puts(&s->heard, "elected,");
    assert_false(s->is_leading); /* never two without a lost between */
    assert_true(epoch > s->epoch);
    s->epoch_before = s->epoch;
    s->epoch = epoch;
    s->is_leading = true;
    s->elected++;
    s->was_elected = true;
    if (s->on_elected != NULL) {
        s->on_elected(s);
    }
}

static void heard_lost(void *arg, const char *why)
{
    struct subject *s = arg;
    mu_buf_puts(&s->heard, "lost,");
    assert_true(s->is_leading);
    assert_non_null(why);
    s->is_leading = false;
    s->lost++;
    s->was_lost = true;
    if (s->on_lost != NULL) {
        s->on_lost(s);
    }
}

static void heard_leader(void *arg, const struct mu_member *leader)
{
    struct subject *s = arg;
    const char *id = leader != NULL ? leader->id : "";
    mu_buf_printf(&s->heard, "leader %s,", id);
    assert_true(s->leaders == 0 || strcmp(s->leader, id) != 0); /* no repeats */
    s->leaders++;
    snprintf(s->leader, sizeof(s->leader), "%s", id);
    s->knows_leader = leader != NULL;
    s->knows_none = leader == NULL;
    if (leader != NULL) {
        assert_string_equal(leader->hostname, "host.example");
        assert_string_equal(leader->ip, "10.1.2.3");
        assert_int_equal(leader->port, 5050);
        assert_int_equal(leader->app_port, 8080);
        assert_string_equal(leader->version, "0.1");
    }
}

static const struct mu_election_events events = {heard_elected, heard_lost, heard_leader};

/* Stands for election with texts that are gone when this returns. */
static int contend(struct subject *s, const char *id, struct mu_error *err)
{
    mu_auto_free char *text = mu_xstrdup(id);
    mu_auto_free char *hostname = mu_xstrdup("host.example");
    const struct mu_member self = {
        .struct_size = sizeof(self),
        .id = text,
        .hostname = hostname,
        .ip = "10.1.2.3",
        .port = 5050,
        .app_port = 8080,
        .version = "0.1",
    };
    int rc = s->ops->contend(kit.instance, &self, err);
    memset(text, 'x', strlen(text));
    memset(hostname, 'x', strlen(hostname));
    return rc;
}

static void contend_ok(struct subject *s, const char *id)
{
    struct mu_error err;
    if (contend(s, id, &err) < 0) {
        fail_msg("contend: %s", err.text);
    }
}

static void wait_elected(struct subject *s)
{
    s->was_elected = false;
    assert_true(kit_run_until(&kit, &s->was_elected));
}

static void withdraw(struct subject *s)
{
    bool done = false;
    s->ops->withdraw(kit.instance, kit_set_flag, &done);
    assert_false(done);
    assert_true(kit_run_until(&kit, &done));
    assert_false(s->is_leading);
}

static int setup(void **state)
{
    struct subject *s = MU_NEW(struct subject);
    s->ops = kit.plugin->ops;
    mu_buf_init(&s->heard, 4096);
    kit.wall_back_ms = 0;
    kit_host_open(&kit);
    kit_create(&kit);
    s->ops->listen(kit.instance, &events, s);
    kit_start(&kit);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct subject *s = *state;
    kit_destroy(&kit, true);
    assert_false(s->is_leading); /* stop gives leadership up, and says so */
    kit_host_close(&kit);
    mu_buf_release(&s->heard);
    free(s);
    return 0;
}

static void contender_is_elected_with_a_positive_epoch_never_inline(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    assert_int_equal(s->elected, 0);
    wait_elected(s);
    assert_int_equal(s->elected, 1);
    assert_true(s->epoch > 0);
    kit_turn(&kit);
    assert_int_equal(s->elected, 1);
    assert_int_equal(s->leaders, 0); /* nobody asked for it */
}

static void detector_learns_the_leader_and_its_end(void **state)
{
    struct subject *s = *state;
    assert_int_equal(s->ops->detect(kit.instance, NULL), 0);
    assert_int_equal(s->leaders, 0);
    kit_turn(&kit);
    contend_ok(s, "a");
    assert_true(kit_run_until(&kit, &s->knows_leader));
    assert_string_equal(s->leader, "a");
    s->knows_none = false;
    withdraw(s);
    assert_true(kit_run_until(&kit, &s->knows_none));
}

static void detector_that_comes_late_learns_who_leads_already(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    wait_elected(s);
    assert_int_equal(s->ops->detect(kit.instance, NULL), 0);
    assert_true(kit_run_until(&kit, &s->knows_leader));
    assert_string_equal(s->leader, "a");
}

static void detect_twice_tells_nothing_twice(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    assert_int_equal(s->ops->detect(kit.instance, NULL), 0);
    assert_true(kit_run_until(&kit, &s->knows_leader));
    size_t leaders = s->leaders;
    assert_int_equal(s->ops->detect(kit.instance, NULL), 0);
    kit_turn(&kit);
    assert_int_equal(s->leaders, leaders);
}

static void withdrawn_leader_hears_lost_before_the_callback(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    wait_elected(s);
    withdraw(s);
    assert_int_equal(s->lost, 1);
    kit_turn(&kit);
    assert_int_equal(s->elected, 1);
    assert_int_equal(s->lost, 1);
}

static void contender_that_withdraws_at_once_is_never_elected(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    withdraw(s);
    kit_turn(&kit);
    assert_int_equal(s->elected, s->lost); /* none, or lost again before the callback */
    assert_false(s->is_leading);
}

static void withdraw_without_candidacy_is_answered(void **state)
{
    struct subject *s = *state;
    withdraw(s);
    withdraw(s);
    assert_int_equal(s->lost, 0);
}

static void each_of_two_withdrawals_is_answered(void **state)
{
    struct subject *s = *state;
    bool first = false;
    bool second = false;
    contend_ok(s, "a");
    wait_elected(s);
    s->ops->withdraw(kit.instance, kit_set_flag, &first);
    s->ops->withdraw(kit.instance, kit_set_flag, &second);
    assert_true(kit_run_until(&kit, &first));
    assert_true(kit_run_until(&kit, &second));
    assert_int_equal(s->lost, 1);
}

static void every_leadership_has_a_higher_epoch(void **state)
{
    struct subject *s = *state;
    for (size_t i = 1; i <= 5; i++) {
        contend_ok(s, "a");
        wait_elected(s); /* heard_elected compares the epochs */
        withdraw(s);
        assert_int_equal(s->elected, i);
        assert_int_equal(s->lost, i);
    }
}

static void second_candidacy_of_a_candidate_is_refused(void **state)
{
    struct subject *s = *state;
    struct mu_error err;
    contend_ok(s, "a");
    assert_true(contend(s, "b", &err) < 0);
    wait_elected(s);
    assert_true(contend(s, "b", &err) < 0);
    kit_turn(&kit);
    assert_int_equal(s->elected, 1);
}

static void contend_again_inside_lost(struct subject *s)
{
    s->on_lost = NULL;
    contend_ok(s, "b");
}

static void new_candidacy_made_inside_lost_is_elected_as_the_new_member(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    assert_int_equal(s->ops->detect(kit.instance, NULL), 0);
    assert_true(kit_run_until(&kit, &s->knows_leader));
    s->on_lost = contend_again_inside_lost;
    bool done = false;
    s->ops->withdraw(kit.instance, kit_set_flag, &done);
    wait_elected(s);
    assert_true(done);
    kit_turn(&kit);
    assert_string_equal(s->leader, "b");
    assert_int_equal(s->elected, 2);
}

static bool withdrawn_inside;

static void withdraw_inside_elected(struct subject *s)
{
    s->on_elected = NULL;
    s->ops->withdraw(kit.instance, kit_set_flag, &withdrawn_inside);
    assert_false(withdrawn_inside);
}

static void leader_may_withdraw_inside_elected(void **state)
{
    struct subject *s = *state;
    withdrawn_inside = false;
    s->on_elected = withdraw_inside_elected;
    contend_ok(s, "a");
    assert_true(kit_run_until(&kit, &withdrawn_inside));
    assert_int_equal(s->elected, 1);
    assert_int_equal(s->lost, 1);
}

static void later_instance_has_a_higher_epoch(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    wait_elected(s);
    uint64_t first = s->epoch;
    kit_destroy(&kit, true);
    assert_int_equal(s->lost, 1);
    bool is_later = false; /* a process takes longer than this to start */
    (void)kit.host->timer_start(kit.host, 2, kit_set_flag, &is_later);
    assert_true(kit_run_until(&kit, &is_later));
    kit_create(&kit);
    s->ops->listen(kit.instance, &events, s);
    kit_start(&kit);
    contend_ok(s, "b");
    wait_elected(s);
    assert_true(s->epoch > first);
}

static void epoch_grows_even_when_the_wall_clock_is_set_back(void **state)
{
    struct subject *s = *state;
    if (!kit.is_virtual) {
        skip();
    }
    contend_ok(s, "a");
    wait_elected(s);
    withdraw(s);
    kit.wall_back_ms = 3600 * 1000;
    contend_ok(s, "a");
    wait_elected(s);
    assert_true(s->epoch > s->epoch_before);
}

static void stop_answers_a_withdrawal_under_way(void **state)
{
    struct subject *s = *state;
    contend_ok(s, "a");
    wait_elected(s);
    bool withdrawn = false;
    s->ops->withdraw(kit.instance, kit_set_flag, &withdrawn);
    kit_destroy(&kit, true);
    assert_true(withdrawn);
    assert_int_equal(s->lost, 1);
    kit_create(&kit); /* for teardown */
    s->ops->listen(kit.instance, &events, s);
    kit_start(&kit);
}

int main(int argc, char **argv)
{
    kit_load(&kit, argc, argv, MU_KIND_ELECTION);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(contender_is_elected_with_a_positive_epoch_never_inline),
        TEST(detector_learns_the_leader_and_its_end),
        TEST(detector_that_comes_late_learns_who_leads_already),
        TEST(detect_twice_tells_nothing_twice),
        TEST(withdrawn_leader_hears_lost_before_the_callback),
        TEST(contender_that_withdraws_at_once_is_never_elected),
        TEST(withdraw_without_candidacy_is_answered),
        TEST(each_of_two_withdrawals_is_answered),
        TEST(every_leadership_has_a_higher_epoch),
        TEST(second_candidacy_of_a_candidate_is_refused),
        TEST(new_candidacy_made_inside_lost_is_elected_as_the_new_member),
        TEST(leader_may_withdraw_inside_elected),
        TEST(later_instance_has_a_higher_epoch),
        TEST(epoch_grows_even_when_the_wall_clock_is_set_back),
        TEST(stop_answers_a_withdrawal_under_way),
    };
    int failed = cmocka_run_group_tests_name(kit.plugin->name, tests, NULL, NULL);
    kit_unload(&kit);
    return failed;
}
