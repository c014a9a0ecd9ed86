/* The life of one container: stories, and every event in every state.
 *
 * The explorer starts from a launch and from a recovery and tries, in each state that it
 * reaches, every answer that an engine could give, the timer, the end of the wait, hints
 * and destroy, until no new state appears. A ledger checks after every step what the
 * agent was told. From each of the states a well-behaved engine then has to bring a
 * destroyed container to its end. */
#include "docker_kit.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "container.h"

/* ---- events ---- */

static const struct dkr_found running = {.id = "ours",
                                         .is_ours = true,
                                         .is_running = true,
                                         .was_started = true,
                                         .pid = 77,
                                         .error = "",
                                         .ip = "172.17.0.2"};
static const struct dkr_found ended = {.id = "ours",
                                       .is_ours = true,
                                       .was_started = true,
                                       .exit_code = 3,
                                       .error = "",
                                       .ip = ""};
static const struct dkr_found never_started = {
    .id = "ours", .is_ours = true, .error = "", .ip = ""};
static const struct dkr_found foreign = {
    .id = "foreign", .is_running = true, .was_started = true, .error = "", .ip = ""};

static struct dkr_event refused(int http_status, const char *text)
{
    return (struct dkr_event){.type = DKR_EV_ANSWER,
                              .outcome = DKR_REFUSED,
                              .http_status = http_status,
                              .text = text};
}

static struct dkr_event no_answer(enum dkr_outcome outcome)
{
    return (struct dkr_event){
        .type = DKR_EV_ANSWER, .outcome = outcome, .text = "no answer"};
}

static struct dkr_event yes(const struct dkr_found *found)
{
    return (struct dkr_event){.type = DKR_EV_ANSWER,
                              .outcome = DKR_OK,
                              .id = "ours",
                              .found = found,
                              .text = ""};
}

static struct dkr_event plain(enum dkr_event_type type)
{
    return (struct dkr_event){.type = type};
}

static struct dkr_event waited(enum dkr_outcome outcome, int64_t code)
{
    return (struct dkr_event){
        .type = DKR_EV_WAITED, .outcome = outcome, .code = code, .text = "broke"};
}

/* ---- stories ---- */

struct story {
    struct dkr_container c;
    struct dkr_effects fx;
};

static const struct dkr_effect *effect(const struct story *s, enum dkr_effect_type type)
{
    for (size_t i = 0; i < s->fx.count; i++) {
        if (s->fx.v[i].type == type) {
            return &s->fx.v[i];
        }
    }
    return NULL;
}

/* The one that must be there. */
static const struct dkr_effect *the(const struct story *s, enum dkr_effect_type type)
{
    const struct dkr_effect *fx = effect(s, type);
    if (fx == NULL) {
        fail_msg("in state %s effect %d is missing", dkr_states[s->c.state].name, type);
        abort(); /* not reached */
    }
    return fx;
}

static void step(struct story *s, struct dkr_event ev)
{
    struct mu_error err;
    dkr_container_step(&s->c, &ev, &s->fx);
    if (dkr_container_check(&s->c, &err) < 0) {
        fail_msg("in state %s: %s", dkr_states[s->c.state].name, err.text);
    }
}

static void expect(const struct story *s, enum dkr_state state, enum dkr_effect_type type)
{
    if (s->c.state != state || effect(s, type) == NULL) {
        fail_msg("in state %s, not %s, or effect %d is missing",
                 dkr_states[s->c.state].name, dkr_states[state].name, type);
    }
}

static void begin(struct story *s)
{
    dkr_container_init(&s->c, false);
    step(s, plain(DKR_EV_LAUNCH));
    expect(s, DKR_CREATE, DKR_FX_CREATE);
}

static void run(struct story *s)
{
    begin(s);
    step(s, yes(NULL));
    expect(s, DKR_START, DKR_FX_START);
    step(s, yes(NULL));
    expect(s, DKR_LOOK, DKR_FX_INSPECT);
    assert_non_null(effect(s, DKR_FX_WAIT));
    assert_non_null(effect(s, DKR_FX_LOGS_FOLLOW));
    step(s, yes(&running));
    expect(s, DKR_RUNNING, DKR_FX_LAUNCHED);
    assert_int_equal(the(s, DKR_FX_LAUNCHED)->status, 0);
    assert_int_equal(s->c.pid, 77);
}

static void a_container_runs_ends_and_is_removed(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 3));
    expect(&s, DKR_EXAMINE, DKR_FX_INSPECT);
    step(&s, yes(&ended));
    expect(&s, DKR_DRAIN, DKR_FX_LOGS_DRAIN);
    assert_null(effect(&s, DKR_FX_EXITED)); /* not before all output is there */
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_EXITED);
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->has_status);
    assert_int_equal(how->wait_status, 3 << 8);
    assert_string_equal(how->message, "Container exited with status 3");
    assert_false(how->was_killed);
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_FORGET);
    assert_int_equal(the(&s, DKR_FX_DESTROYED)->status, 0);
}

static void a_missing_image_is_pulled_once(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(404, "No such image: x"));
    expect(&s, DKR_IMAGE, DKR_FX_IMAGE);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
    step(&s, refused(404, "No such image: x"));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "No such image: x");
}

static void an_image_that_cannot_be_had_fails_the_launch(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(404, "No such image: x"));
    step(&s, refused(500, "image 'x' cannot be had: no route"));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_IMAGE);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text,
                        "image 'x' cannot be had: no route");
}

static void a_forced_pull_comes_before_the_create(void **state)
{
    struct story s;
    (void)state;
    dkr_container_init(&s.c, true);
    step(&s, plain(DKR_EV_LAUNCH));
    expect(&s, DKR_IMAGE, DKR_FX_IMAGE);
    assert_true(the(&s, DKR_FX_IMAGE)->force);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
}

static void our_own_leftover_of_the_name_is_removed_once(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(409, "in use"));
    expect(&s, DKR_CLASH, DKR_FX_INSPECT_NAME);
    step(&s, yes(&ended));
    expect(&s, DKR_CLEAR, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_CREATE, DKR_FX_CREATE);
    step(&s, refused(409, "in use"));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "in use");
}

static void a_foreign_container_of_the_name_is_left_alone(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, refused(409, "in use"));
    step(&s, yes(&foreign));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_null(effect(&s, DKR_FX_REMOVE));
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_CONFLICT);
}

static void a_start_that_is_refused_removes_the_container_first(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, yes(NULL));
    step(&s, refused(500, "port is already allocated"));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    assert_null(effect(&s, DKR_FX_LAUNCHED));
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_LAUNCHED);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "port is already allocated");
    assert_null(effect(&s, DKR_FX_EXITED));
}

static void a_create_without_an_answer_is_looked_for_before_giving_up(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, no_answer(DKR_UNKNOWN));
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_FIND, DKR_FX_INSPECT_NAME);
    step(&s, yes(&never_started));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, -ECANCELED);
}

static void a_create_under_way_is_not_cancelled_by_destroy(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    step(&s, plain(DKR_EV_DESTROY));
    assert_int_equal(s.c.state, DKR_CREATE);
    assert_int_equal(s.fx.count, 0);
    step(&s, yes(NULL));
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
}

static void an_engine_that_is_away_fails_the_launch_after_some_tries(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    uint64_t waited_ms = 0;
    while (s.c.state != DKR_GONE) {
        step(&s, no_answer(DKR_UNREACHED));
        if (s.c.state == DKR_CREATE) {
            waited_ms += the(&s, DKR_FX_TIMER)->delay_ms;
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(waited_ms > 2000 && waited_ms < 20000);
    assert_int_equal(the(&s, DKR_FX_LAUNCHED)->status, MU_E_UNAVAILABLE);
    assert_string_equal(the(&s, DKR_FX_LAUNCHED)->text, "no answer");
}

static void a_broken_wait_is_no_end(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_UNKNOWN, 0));
    for (int i = 0; i < 100; i++) { /* however long the engine is away */
        step(&s, no_answer(DKR_UNREACHED));
        assert_int_equal(s.c.state, DKR_EXAMINE);
        assert_true(the(&s, DKR_FX_TIMER)->delay_ms <= 5000);
        step(&s, plain(DKR_EV_TIMER));
    }
    step(&s, yes(&running));
    assert_int_equal(s.c.state, DKR_RUNNING);
    step(&s, plain(DKR_EV_TIMER)); /* not at once: it would spin */
    expect(&s, DKR_RUNNING, DKR_FX_WAIT);
}

static void a_container_removed_by_others_has_ended(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_REFUSED, 0));
    step(&s, refused(404, "No such container"));
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_EXITED);
    assert_false(the(&s, DKR_FX_EXITED)->exit->has_status);
    step(&s, plain(DKR_EV_DESTROY)); /* and there is nothing to remove */
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
}

static void a_container_removed_by_others_after_the_wait_keeps_its_status(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 137));
    step(&s, refused(404, "No such container"));
    step(&s, plain(DKR_EV_LOGS_DONE));
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->has_status);
    assert_string_equal(how->message, "Container exited with status 137 (signal 9)");
}

static void a_container_that_someone_starts_again_runs_on(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_WAIT);
}

static void a_kernel_kill_for_memory_is_told(void **state)
{
    struct story s;
    struct dkr_found oom = ended;
    (void)state;
    oom.oom = true;
    oom.exit_code = 137;
    run(&s);
    step(&s, waited(DKR_OK, 137));
    step(&s, yes(&oom));
    step(&s, plain(DKR_EV_LOGS_DONE));
    const struct mu_container_exit *how = the(&s, DKR_FX_EXITED)->exit;
    assert_true(how->oom);
    assert_string_equal(
        how->message,
        "Memory limit exceeded: Container exited with status 137 (signal 9)");
}

static void a_killed_child_is_no_kill_of_a_container_that_succeeds(void **state)
{
    struct story s;
    struct dkr_found oom = ended;
    (void)state;
    oom.oom = true;
    oom.exit_code = 0;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&oom));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_false(the(&s, DKR_FX_EXITED)->exit->oom);
}

static void destroy_kills_reports_and_removes(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    expect(&s, DKR_KILLING, DKR_FX_KILL);
    step(&s, yes(NULL));
    step(&s, waited(DKR_OK, 137));
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_REMOVE, DKR_FX_EXITED);
    assert_true(the(&s, DKR_FX_EXITED)->exit->was_killed);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_DESTROYED);
}

static void an_end_before_destroy_is_no_kill(void **state)
{
    struct story s;
    (void)state;
    run(&s);
    step(&s, waited(DKR_OK, 0));
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_DESTROY));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_false(the(&s, DKR_FX_EXITED)->exit->was_killed);
}

static void a_container_that_survives_kills_is_removed_by_force(void **state)
{
    struct story s;
    int kills = 0;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    while (s.c.state != DKR_REMOVE) {
        kills++;
        assert_int_equal(s.c.state, DKR_KILLING);
        step(&s, yes(NULL));
        step(&s, plain(DKR_EV_TIMER));
        step(&s, yes(&running));
    }
    assert_int_equal(kills, 3);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_EXITED);
    assert_string_equal(the(&s, DKR_FX_EXITED)->exit->message,
                        "Container was removed by force");
    assert_non_null(effect(&s, DKR_FX_DESTROYED));
}

static void an_engine_without_answer_is_helped_by_a_signal_to_the_pid(void **state)
{
    struct story s;
    bool was_signalled = false;
    (void)state;
    run(&s);
    step(&s, plain(DKR_EV_DESTROY));
    step(&s, no_answer(DKR_UNKNOWN)); /* of the kill */
    for (int i = 0; i < 20 && s.c.owes_destroyed; i++) {
        step(&s, no_answer(DKR_UNKNOWN));
        was_signalled = was_signalled || effect(&s, DKR_FX_KILL_PID) != NULL;
        if (s.c.owes_destroyed && s.c.timer_armed) {
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(was_signalled);
    assert_int_equal(the(&s, DKR_FX_DESTROYED)->status, MU_E_UNAVAILABLE);
    assert_string_equal(the(&s, DKR_FX_DESTROYED)->text, "no answer");
    step(&s, plain(DKR_EV_TIMER)); /* it is still being tried */
    expect(&s, DKR_REMOVE, DKR_FX_REMOVE);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_EXITED);
}

static void recover(struct story *s, bool was_launched)
{
    dkr_container_init(&s->c, false);
    struct dkr_event ev = plain(DKR_EV_RECOVER);
    ev.was_launched = was_launched;
    step(s, ev);
    expect(s, DKR_ADOPT, DKR_FX_INSPECT_NAME);
}

static void a_running_container_is_taken_over(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_RECOVERED);
    assert_true(the(&s, DKR_FX_RECOVERED)->is_running);
    assert_non_null(effect(&s, DKR_FX_WAIT));
    assert_non_null(effect(&s, DKR_FX_LOGS_FOLLOW));
    assert_int_equal(s.c.pid, 77);
}

static void an_ended_container_is_reported_after_its_last_output(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, yes(&ended));
    expect(&s, DKR_DRAIN, DKR_FX_LOGS_DRAIN);
    step(&s, plain(DKR_EV_LOGS_DONE));
    expect(&s, DKR_EXITED, DKR_FX_RECOVERED);
    assert_false(the(&s, DKR_FX_RECOVERED)->is_running);
    assert_int_equal(the(&s, DKR_FX_RECOVERED)->exit->wait_status, 3 << 8);
    assert_null(effect(&s, DKR_FX_EXITED)); /* that was it */
}

static void a_launch_that_the_agent_did_not_live_to_see_is_taken_over(void **state)
{
    struct story s;
    (void)state;
    recover(&s, false);
    step(&s, yes(&running));
    expect(&s, DKR_RUNNING, DKR_FX_RECOVERED);
    recover(&s, false);
    step(&s, yes(&ended));
    step(&s, plain(DKR_EV_LOGS_DONE));
    assert_non_null(the(&s, DKR_FX_RECOVERED)->exit);
}

static void a_container_that_was_created_only_is_removed(void **state)
{
    struct story s;
    (void)state;
    recover(&s, false);
    step(&s, yes(&never_started));
    expect(&s, DKR_REMOVE, DKR_FX_RECOVERED);
    assert_null(the(&s, DKR_FX_RECOVERED)->exit);
    step(&s, yes(NULL));
    expect(&s, DKR_GONE, DKR_FX_FORGET);
}

static void a_missing_container_was_lost_or_never_started(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    step(&s, refused(404, "No such container"));
    expect(&s, DKR_GONE, DKR_FX_RECOVERED);
    assert_false(the(&s, DKR_FX_RECOVERED)->exit->has_status);
    recover(&s, false);
    step(&s, refused(404, "No such container"));
    expect(&s, DKR_GONE, DKR_FX_RECOVERED);
    assert_null(the(&s, DKR_FX_RECOVERED)->exit);
}

static void recovery_does_not_wait_for_an_engine_that_is_away(void **state)
{
    struct story s;
    (void)state;
    recover(&s, true);
    while (s.c.owes_recovered) {
        step(&s, no_answer(DKR_UNREACHED));
        if (s.c.owes_recovered) {
            step(&s, plain(DKR_EV_TIMER));
        }
    }
    assert_true(the(&s, DKR_FX_RECOVERED)->is_running); /* no news is no death */
    assert_int_equal(s.c.state, DKR_EXAMINE);
    step(&s, no_answer(DKR_UNREACHED));
    step(&s, plain(DKR_EV_TIMER));
    step(&s, yes(&running));
    assert_int_equal(s.c.state, DKR_RUNNING);
    assert_non_null(effect(&s, DKR_FX_LOGS_FOLLOW));
}

/* ---- every event in every state ---- */

struct ledger {
    bool launch_asked, recover_asked, launched, is_up, recovered, exited, gone;
    unsigned destroys_owed;
    bool destroyed_for_good;
};

struct node {
    struct dkr_container c;
    struct ledger l;
    unsigned destroys; /* how often it was asked for so far */
};

enum { NODES_MAX = 400000, TABLE_SIZE = 1 << 20 };

struct explorer {
    struct node *nodes;
    size_t count, done;
    uint32_t *table; /* index + 1 */
};

static void account_one(struct node *n, const struct dkr_effect *fx)
{
    struct ledger *l = &n->l;
    assert_false(l->gone);
    switch ((int)fx->type) {
    case DKR_FX_LAUNCHED:
        assert_true(l->launch_asked && !l->launched);
        assert_true(fx->status == 0 || (fx->status < 0 && fx->text[0] != '\0'));
        l->launched = true;
        l->is_up = fx->status == 0;
        break;
    case DKR_FX_RECOVERED:
        assert_true(l->recover_asked && !l->recovered);
        l->recovered = true;
        l->is_up = fx->is_running;
        break;
    case DKR_FX_EXITED:
        assert_true(l->is_up && !l->exited && !l->destroyed_for_good);
        assert_non_null(fx->exit->message);
        l->exited = true;
        break;
    case DKR_FX_DESTROYED:
        assert_true(l->destroys_owed > 0);
        assert_true(fx->status == 0 || n->c.state == DKR_REMOVE ||
                    n->c.state == DKR_FIND);
        l->destroys_owed = 0; /* one answer for all who wait */
        l->destroyed_for_good = fx->status == 0;
        break;
    case DKR_FX_FORGET:
        assert_int_equal(n->c.state, DKR_GONE);
        assert_true(l->launched == l->launch_asked);
        assert_true(l->recovered == l->recover_asked);
        assert_true(l->exited == l->is_up);
        assert_int_equal(l->destroys_owed, 0);
        l->gone = true;
        break;
    case DKR_FX_REMOVE:
    case DKR_FX_START:
        assert_string_equal(n->c.id, "ours");
        break;
    default:
        break;
    }
}

static void advance(struct node *n, const struct dkr_event *ev)
{
    struct dkr_effects fx;
    struct mu_error err;
    if (ev->type == DKR_EV_DESTROY) {
        n->l.destroys_owed++;
        n->destroys++;
    }
    dkr_container_step(&n->c, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        account_one(n, &fx.v[i]);
    }
    if (dkr_container_check(&n->c, &err) < 0) {
        fail_msg("in state %s: %s", dkr_states[n->c.state].name, err.text);
    }
    assert_true(n->l.gone == (n->c.state == DKR_GONE));
}

/* Equal for states that behave alike: texts do not count, nor how long it has been tried.
 */
static struct node normal_form(const struct node *n)
{
    struct node copy;
    memcpy(&copy, n, sizeof(copy)); /* with its padding, which is zero */
    memset(copy.c.fail_text, 0, sizeof(copy.c.fail_text));
    memset(copy.c.exit_text, 0, sizeof(copy.c.exit_text));
    memset(copy.c.ip, 0, sizeof(copy.c.ip));
    bool has_exit = copy.c.exit.message != NULL;
    memset(&copy.c.exit, 0, sizeof(copy.c.exit));
    copy.c.exit.has_status = has_exit;
    copy.c.wait_code = 0;
    copy.c.attempts = copy.c.attempts > 10 ? 10 : copy.c.attempts;
    copy.c.wait_failures = copy.c.wait_failures > 1 ? 1 : copy.c.wait_failures;
    return copy;
}

static uint64_t hash(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 1099511628211u;
    }
    return h ^ h >> 29;
}

static void discover(struct explorer *x, struct node *n)
{
    n->c.attempts = n->c.attempts > 10 ? 10 : n->c.attempts;
    n->c.wait_failures = n->c.wait_failures > 1 ? 1 : n->c.wait_failures;
    struct node key = normal_form(n);
    for (uint64_t at = hash(&key, sizeof(key));; at++) {
        uint32_t *slot = &x->table[at & (TABLE_SIZE - 1)];
        if (*slot == 0) {
            assert_true(x->count < NODES_MAX);
            memcpy(&x->nodes[x->count], n, sizeof(*n));
            *slot = (uint32_t)++x->count;
            return;
        }
        struct node other = normal_form(&x->nodes[*slot - 1]);
        if (memcmp(&other, &key, sizeof(key)) == 0) {
            return;
        }
    }
}

static void try_event(struct explorer *x, size_t index, struct dkr_event ev)
{
    struct node n;
    memcpy(&n, &x->nodes[index], sizeof(n));
    if (n.c.exit.message != NULL) {
        n.c.exit.message = n.c.exit_text; /* it is a copy */
    }
    advance(&n, &ev);
    discover(x, &n);
}

static bool expects_found(enum dkr_state state)
{
    return state == DKR_ADOPT || state == DKR_CLASH || state == DKR_FIND ||
           state == DKR_LOOK || state == DKR_EXAMINE;
}

static void try_answers(struct explorer *x, size_t i)
{
    if (expects_found(x->nodes[i].c.state)) {
        try_event(x, i, yes(&running));
        try_event(x, i, yes(&ended));
        try_event(x, i, yes(&never_started));
        if (x->nodes[i].c.id[0] == '\0') { /* found by its name: it may be anyone's */
            try_event(x, i, yes(&foreign));
        }
    } else {
        try_event(x, i, yes(NULL));
    }
    try_event(x, i, refused(404, "missing"));
    try_event(x, i, refused(409, "conflict"));
    try_event(x, i, refused(500, "trouble"));
    try_event(x, i, no_answer(DKR_UNREACHED));
    try_event(x, i, no_answer(DKR_UNKNOWN));
}

static void try_all(struct explorer *x, size_t i)
{
    const struct dkr_container *c = &x->nodes[i].c;
    if (c->state == DKR_GONE) {
        return;
    }
    if (c->call_pending) {
        try_answers(x, i);
    }
    if (c->timer_armed) {
        try_event(x, i, plain(DKR_EV_TIMER));
    }
    if (c->wait_pending) {
        try_event(x, i, waited(DKR_OK, 3));
        try_event(x, i, waited(DKR_UNKNOWN, 0));
    }
    if (c->state == DKR_DRAIN) {
        try_event(x, i, plain(DKR_EV_LOGS_DONE));
    }
    try_event(x, i, plain(DKR_EV_HINT));
    if (dkr_container_can_be_signalled(c)) {
        try_event(x, i, plain(DKR_EV_KILL_SENT));
    }
    if (x->nodes[i].destroys < 2) {
        try_event(x, i, plain(DKR_EV_DESTROY));
    }
}

/* An engine that works: what would it answer, if it holds a running container of ours? */
static struct dkr_event
good_answer(const struct dkr_container *c, bool *is_there, bool *is_up)
{
    switch ((int)c->state) {
    case DKR_IMAGE:
        return yes(NULL);
    case DKR_CREATE:
        if (*is_there) {
            return refused(409, "in use");
        }
        *is_there = true;
        return yes(NULL);
    case DKR_CLEAR:
    case DKR_REMOVE: {
        bool was_there = *is_there;
        *is_there = false;
        *is_up = false;
        return was_there ? yes(NULL) : refused(404, "missing");
    }
    case DKR_KILLING:
        if (!*is_up) {
            return refused(409, "not running");
        }
        *is_up = false;
        return yes(NULL);
    case DKR_START:
        *is_up = *is_there;
        return *is_there ? yes(NULL) : refused(404, "missing");
    default:
        return !*is_there ? refused(404, "missing") : yes(*is_up ? &running : &ended);
    }
}

static void must_end_when_destroyed(const struct node *from)
{
    struct node n;
    memcpy(&n, from, sizeof(n));
    if (n.c.exit.message != NULL) {
        n.c.exit.message = n.c.exit_text;
    }
    bool is_there = n.c.id[0] != '\0' || n.c.may_exist;
    bool is_up = is_there;
    struct dkr_event ev = plain(DKR_EV_DESTROY);
    for (int steps = 0; n.c.state != DKR_GONE; steps++) {
        if (steps > 60) {
            fail_msg("from %s it does not end, but hangs in %s",
                     dkr_states[from->c.state].name, dkr_states[n.c.state].name);
        }
        advance(&n, &ev);
        if (n.c.wait_pending && !is_up) {
            ev = waited(DKR_OK, 137);
        } else if (n.c.call_pending) {
            ev = good_answer(&n.c, &is_there, &is_up);
        } else if (n.c.state == DKR_DRAIN) {
            ev = plain(DKR_EV_LOGS_DONE);
        } else {
            ev = plain(DKR_EV_TIMER);
        }
    }
    assert_false(is_there);
}

static void start_node(struct explorer *x, bool is_recovery, bool flag)
{
    struct node n;
    memset(&n, 0, sizeof(n));
    n.c.force_pull = !is_recovery && flag;
    n.l.launch_asked = !is_recovery;
    n.l.recover_asked = is_recovery;
    struct dkr_event ev = plain(is_recovery ? DKR_EV_RECOVER : DKR_EV_LAUNCH);
    ev.was_launched = flag;
    advance(&n, &ev);
    discover(x, &n);
}

static void every_event_in_every_state_keeps_the_books(void **state)
{
    struct explorer x = {.nodes = mu_xcalloc(NODES_MAX, sizeof(struct node)),
                         .table = mu_xcalloc(TABLE_SIZE, sizeof(uint32_t))};
    bool is_seen[DKR_STATE_COUNT] = {false};
    (void)state;
    start_node(&x, false, false);
    start_node(&x, false, true);
    start_node(&x, true, false);
    start_node(&x, true, true);
    for (; x.done < x.count; x.done++) {
        is_seen[x.nodes[x.done].c.state] = true;
        try_all(&x, x.done);
        if (x.nodes[x.done].c.state != DKR_GONE) {
            must_end_when_destroyed(&x.nodes[x.done]);
        }
    }
    print_message("%zu states\n", x.count);
    for (int i = DKR_NEW + 1; i < DKR_STATE_COUNT; i++) {
        assert_true(is_seen[i]);
    }
    free(x.nodes);
    free(x.table);
}

static void every_state_is_in_the_table(void **state)
{
    (void)state;
    for (int i = 0; i < DKR_STATE_COUNT; i++) {
        assert_non_null(dkr_states[i].name);
        assert_int_equal(dkr_states[i].next >> DKR_STATE_COUNT, 0);
        assert_int_equal(dkr_states[i].next & 1u << DKR_NEW, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_runs_ends_and_is_removed),
        cmocka_unit_test(a_missing_image_is_pulled_once),
        cmocka_unit_test(an_image_that_cannot_be_had_fails_the_launch),
        cmocka_unit_test(a_forced_pull_comes_before_the_create),
        cmocka_unit_test(our_own_leftover_of_the_name_is_removed_once),
        cmocka_unit_test(a_foreign_container_of_the_name_is_left_alone),
        cmocka_unit_test(a_start_that_is_refused_removes_the_container_first),
        cmocka_unit_test(a_create_without_an_answer_is_looked_for_before_giving_up),
        cmocka_unit_test(a_create_under_way_is_not_cancelled_by_destroy),
        cmocka_unit_test(an_engine_that_is_away_fails_the_launch_after_some_tries),
        cmocka_unit_test(a_broken_wait_is_no_end),
        cmocka_unit_test(a_container_removed_by_others_has_ended),
        cmocka_unit_test(a_container_removed_by_others_after_the_wait_keeps_its_status),
        cmocka_unit_test(a_container_that_someone_starts_again_runs_on),
        cmocka_unit_test(a_kernel_kill_for_memory_is_told),
        cmocka_unit_test(a_killed_child_is_no_kill_of_a_container_that_succeeds),
        cmocka_unit_test(destroy_kills_reports_and_removes),
        cmocka_unit_test(an_end_before_destroy_is_no_kill),
        cmocka_unit_test(a_container_that_survives_kills_is_removed_by_force),
        cmocka_unit_test(an_engine_without_answer_is_helped_by_a_signal_to_the_pid),
        cmocka_unit_test(a_running_container_is_taken_over),
        cmocka_unit_test(an_ended_container_is_reported_after_its_last_output),
        cmocka_unit_test(a_launch_that_the_agent_did_not_live_to_see_is_taken_over),
        cmocka_unit_test(a_container_that_was_created_only_is_removed),
        cmocka_unit_test(a_missing_container_was_lost_or_never_started),
        cmocka_unit_test(recovery_does_not_wait_for_an_engine_that_is_away),
        cmocka_unit_test(every_event_in_every_state_keeps_the_books),
        cmocka_unit_test(every_state_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
