/* See container.h. States and the moves between them are in the table of
 * container_states.c; one function per state says what an event means there. `act` is
 * what a state does on entry and again after a back-off: every such call is safe to
 * repeat. */
#include "container.h"

#include <errno.h>
#include <stdio.h>

#include "container_exit.h"
#include "util.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5000,
    LAUNCH_ATTEMPTS = 7, /* about 6 s of waiting */
    PID_KILL_ATTEMPTS = 3,
    GIVE_UP_ATTEMPTS = 9, /* about 16 s of waiting: then the agent gets an answer */
    CLASHES_MAX = 7,
    KILLS_MAX = 3,
    KILL_WAIT_MS = 5000,
    DRAIN_MS = 60000, /* each step of it has a shorter limit of its own */
};

static struct dkr_effect *emit(struct dkr_effects *out, enum dkr_effect_type type)
{
    assert(out->count < DKR_EFFECTS_MAX);
    struct dkr_effect *fx = &out->v[out->count++];
    *fx = (struct dkr_effect){.type = type};
    return fx;
}

static void call(struct dkr_container *c, struct dkr_effects *out, enum dkr_effect_type t)
{
    assert(!c->call_pending);
    emit(out, t)->force = t == DKR_FX_IMAGE && c->force_pull;
    c->call_pending = true;
}

static void arm_timer(struct dkr_container *c, struct dkr_effects *out, uint64_t delay_ms)
{
    emit(out, DKR_FX_TIMER)->delay_ms = delay_ms;
    c->timer_armed = true;
}

static uint64_t backoff_ms(unsigned attempts)
{
    uint64_t ms = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < attempts && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void retry_later(struct dkr_container *c, struct dkr_effects *out)
{
    arm_timer(c, out, backoff_ms(c->attempts));
}

static void start_wait(struct dkr_container *c, struct dkr_effects *out)
{
    if (!c->wait_pending) {
        (void)emit(out, DKR_FX_WAIT);
        c->wait_pending = true;
        c->has_wait_code = false;
    }
}

static void follow_logs(struct dkr_container *c, struct dkr_effects *out)
{
    if (!c->logs_open) {
        (void)emit(out, DKR_FX_LOGS_FOLLOW);
        c->logs_open = true;
    }
}

static void stop_following(struct dkr_container *c, struct dkr_effects *out)
{
    if (c->wait_pending) {
        (void)emit(out, DKR_FX_CANCEL_WAIT);
        c->wait_pending = false;
    }
    if (c->logs_open) {
        (void)emit(out, DKR_FX_LOGS_STOP);
        c->logs_open = false;
    }
}

/* What a state asks for, on entry and after a back-off. */
static void act(struct dkr_container *c, struct dkr_effects *out)
{
    switch (c->state) {
    case DKR_IMAGE:
        call(c, out, DKR_FX_IMAGE);
        break;
    case DKR_CREATE:
        call(c, out, DKR_FX_CREATE);
        break;
    case DKR_ADOPT:
    case DKR_CLASH:
    case DKR_FIND:
        call(c, out, DKR_FX_INSPECT_NAME);
        break;
    case DKR_START:
        call(c, out, DKR_FX_START);
        break;
    case DKR_LOOK:
    case DKR_EXAMINE:
        call(c, out, c->id[0] != '\0' ? DKR_FX_INSPECT : DKR_FX_INSPECT_NAME);
        break;
    case DKR_KILLING:
        c->kills++;
        start_wait(c, out);
        call(c, out, DKR_FX_KILL);
        break;
    case DKR_CLEAR:
    case DKR_REMOVE:
        call(c, out, DKR_FX_REMOVE);
        break;
    case DKR_RUNNING:
        start_wait(c, out);
        break;
    case DKR_DRAIN:
        (void)emit(out, DKR_FX_LOGS_DRAIN);
        c->logs_open = true;
        arm_timer(c, out, DRAIN_MS);
        break;
    case DKR_NEW:
    case DKR_EXITED:
    case DKR_GONE:
    case DKR_STATE_COUNT:
        break;
    }
}

static void enter(struct dkr_container *c, struct dkr_effects *out, enum dkr_state next)
{
    assert(dkr_states[c->state].next & (1u << next));
    if (c->call_pending) {
        (void)emit(out, DKR_FX_CANCEL);
        c->call_pending = false;
    }
    if (c->timer_armed) {
        (void)emit(out, DKR_FX_TIMER_STOP);
        c->timer_armed = false;
    }
    c->state = next;
    c->attempts = 0;
}

static void move(struct dkr_container *c, struct dkr_effects *out, enum dkr_state next)
{
    enter(c, out, next);
    act(c, out);
}

/* ---- what the agent is told ---- */

static void tell_launched(struct dkr_container *c, struct dkr_effects *out, int status)
{
    if (c->owes_launched) {
        struct dkr_effect *fx = emit(out, DKR_FX_LAUNCHED);
        fx->status = status;
        fx->text = status < 0 ? c->fail_text : "";
        c->owes_launched = false;
        c->owes_exit = status == 0;
        c->was_launched = status == 0;
    }
}

static void tell_recovered_running(struct dkr_container *c, struct dkr_effects *out)
{
    if (c->owes_recovered) {
        emit(out, DKR_FX_RECOVERED)->is_running = true;
        c->owes_recovered = false;
        c->owes_exit = true;
    }
}

/* The end, as an answer to recover or as an event, whichever is due. */
static void tell_exit(struct dkr_container *c, struct dkr_effects *out)
{
    c->exit.was_killed = c->was_killed;
    if (c->owes_recovered) {
        emit(out, DKR_FX_RECOVERED)->exit = c->was_launched ? &c->exit : NULL;
    } else if (c->owes_exit) {
        emit(out, DKR_FX_EXITED)->exit = &c->exit;
    }
    c->owes_recovered = false;
    c->owes_exit = false;
}

static void tell_destroyed(struct dkr_container *c, struct dkr_effects *out, int status)
{
    if (c->owes_destroyed) {
        struct dkr_effect *fx = emit(out, DKR_FX_DESTROYED);
        fx->status = status;
        fx->text = status < 0 ? c->fail_text : "";
        c->owes_destroyed = false;
    }
}

/* Nothing is left of it: pay what is owed, in the order that the agent expects. */
static void finish(struct dkr_container *c, struct dkr_effects *out)
{
    enter(c, out, DKR_GONE);
    stop_following(c, out);
    if (c->exit.message == NULL && c->was_killed && !c->has_wait_code) {
        dkr_exit_lost(c, "Container was removed by force");
    } else if (c->exit.message == NULL) {
        dkr_exit_of_missing(c);
    }
    tell_launched(c, out, c->fail_status < 0 ? c->fail_status : -ECANCELED);
    tell_exit(c, out);
    tell_destroyed(c, out, 0);
    (void)emit(out, DKR_FX_FORGET);
}

static void set_fail(struct dkr_container *c, int status, const char *text)
{
    c->fail_status = status;
    (void)snprintf(c->fail_text, sizeof(c->fail_text), "%s", text); /* may be cut */
}

static void note_found(struct dkr_container *c, const struct dkr_found *found)
{
    (void)snprintf(c->id, sizeof(c->id), "%s", found->id); /* fits */
    if (found->is_running) {
        c->pid = found->pid;
        (void)snprintf(c->ip, sizeof(c->ip), "%s", found->ip); /* fits */
    }
}

/* There is nothing left to remove. */
static void note_missing(struct dkr_container *c)
{
    dkr_exit_of_missing(c);
    c->id[0] = '\0';
    c->may_exist = false;
}

/* ---- ways out of a launch ---- */

/* Nobody wants it any more, or it cannot be had: remove what there is. */
static void give_up(struct dkr_container *c, struct dkr_effects *out)
{
    if (c->id[0] != '\0') {
        enter(c, out, DKR_REMOVE);
        stop_following(c, out);
        act(c, out);
    } else if (c->may_exist) {
        move(c, out, DKR_FIND);
    } else {
        finish(c, out);
    }
}

static void
fail(struct dkr_container *c, struct dkr_effects *out, int status, const char *text)
{
    if (!c->is_destroying) { /* then that is the reason already */
        set_fail(c, status, text);
    }
    give_up(c, out);
}

static bool is_no_answer(const struct dkr_event *ev)
{
    return ev->outcome == DKR_UNREACHED || ev->outcome == DKR_UNKNOWN;
}

static bool is_refused_with(const struct dkr_event *ev, int http_status)
{
    return ev->outcome == DKR_REFUSED && ev->http_status == http_status;
}

/* The call had no answer, or one that may change: again, a bounded number of times. */
static void retry_or_fail(struct dkr_container *c,
                          struct dkr_effects *out,
                          const struct dkr_event *ev)
{
    c->attempts++;
    if (c->attempts < LAUNCH_ATTEMPTS) {
        retry_later(c, out);
    } else {
        fail(c, out, MU_E_UNAVAILABLE, ev->text);
    }
}

/* ---- one function per state ---- */

static void
in_new(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_LAUNCH) {
        c->owes_launched = true;
        move(c, out, c->force_pull ? DKR_IMAGE : DKR_CREATE);
    } else if (ev->type == DKR_EV_RECOVER) {
        c->owes_recovered = true;
        c->was_launched = ev->was_launched;
        c->may_exist = true;
        move(c, out, DKR_ADOPT);
    } else if (ev->type == DKR_EV_DESTROY) {
        finish(c, out);
    }
}

static void
adopt_answer(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->outcome == DKR_OK && !ev->found->is_ours) {
        dkr_exit_lost(c, "Container is gone: its name is used by a container of others");
        finish(c, out);
    } else if (ev->outcome == DKR_OK) {
        note_found(c, ev->found);
        if (ev->found->is_running) {
            tell_recovered_running(c, out);
            follow_logs(c, out);
            move(c, out, c->is_destroying ? DKR_KILLING : DKR_RUNNING);
        } else if (ev->found->was_started) {
            c->was_launched = true; /* the agent died before it heard of the start */
            dkr_exit_from(c, ev->found);
            move(c, out, DKR_DRAIN);
        } else { /* told when it is removed: then its id is free again */
            dkr_exit_from(c, ev->found);
            move(c, out, DKR_REMOVE);
        }
    } else if (is_refused_with(ev, 404)) {
        note_missing(c);
        finish(c, out);
    } else if (++c->attempts < LAUNCH_ATTEMPTS) {
        retry_later(c, out);
    } else if (c->was_launched) { /* no news is no death: go on asking */
        tell_recovered_running(c, out);
        move(c, out, DKR_EXAMINE);
    } else { /* it may or may not run: not wanted any more, in either case */
        dkr_exit_lost(c, "");
        tell_exit(c, out);
        c->is_destroying = true;
        move(c, out, DKR_EXAMINE);
    }
}

static void
in_adopt(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_ANSWER) {
        adopt_answer(c, ev, out);
    } else if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    }
}

static void
in_image(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_ANSWER && ev->outcome == DKR_OK) {
        c->image_tried = true;
        move(c, out, DKR_CREATE);
    } else if (ev->type == DKR_EV_ANSWER && is_no_answer(ev)) {
        retry_or_fail(c, out, ev);
    } else if (ev->type == DKR_EV_ANSWER) {
        fail(c, out, MU_E_IMAGE, ev->text);
    } else if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while pulling image");
        give_up(c, out);
    }
}

static void create_answer(struct dkr_container *c,
                          const struct dkr_event *ev,
                          struct dkr_effects *out)
{
    if (ev->outcome == DKR_OK) {
        (void)snprintf(c->id, sizeof(c->id), "%s", ev->id); /* fits */
        c->may_exist = true;
    } else if (ev->outcome == DKR_UNKNOWN) {
        c->may_exist = true;
    }
    if (c->is_destroying) {
        give_up(c, out);
    } else if (ev->outcome == DKR_OK) {
        move(c, out, DKR_START);
    } else if (is_refused_with(ev, 404) && !c->image_tried) {
        move(c, out, DKR_IMAGE);
    } else if (is_refused_with(ev, 409) && c->clashes < CLASHES_MAX) {
        c->clashes++;
        move(c, out, DKR_CLASH);
    } else if (is_no_answer(ev)) {
        retry_or_fail(c, out, ev);
    } else {
        fail(c, out, MU_E_PLUGIN, ev->text);
    }
}

static void
in_create(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_ANSWER) {
        create_answer(c, ev, out);
    } else if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while being created");
        /* a create under way is not cancelled: the engine might finish it behind our back
         */
        if (!c->call_pending) {
            give_up(c, out);
        }
    }
}

static void
in_clash(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while being created");
        give_up(c, out);
    } else if (ev->type == DKR_EV_ANSWER && ev->outcome == DKR_OK) {
        if (ev->found->is_ours) {
            (void)snprintf(c->id, sizeof(c->id), "%s", ev->found->id); /* fits */
            move(c, out, DKR_CLEAR);
        } else {
            c->may_exist = false;
            fail(c, out, MU_E_CONFLICT,
                 "the container's name is taken by a container that is not ours");
        }
    } else if (ev->type == DKR_EV_ANSWER && is_refused_with(ev, 404)) {
        /* just gone, or not there yet: a create of before a crash that the engine is
         * still carrying out holds the name without being seen */
        enter(c, out, DKR_CREATE);
        arm_timer(c, out, backoff_ms(c->clashes));
    } else if (ev->type == DKR_EV_ANSWER) {
        retry_or_fail(c, out, ev);
    }
}

static void
in_clear(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while being created");
        give_up(c, out);
    } else if (ev->type == DKR_EV_ANSWER &&
               (ev->outcome == DKR_OK || is_refused_with(ev, 404))) {
        c->id[0] = '\0';
        c->may_exist = false;
        move(c, out, DKR_CREATE);
    } else if (ev->type == DKR_EV_ANSWER) {
        retry_or_fail(c, out, ev);
    }
}

static void
in_start(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while being started");
        give_up(c, out);
    } else if (ev->type == DKR_EV_ANSWER && ev->outcome == DKR_OK) {
        enter(c, out, DKR_LOOK);
        start_wait(c, out);
        follow_logs(c, out);
        act(c, out);
    } else if (ev->type == DKR_EV_ANSWER && is_no_answer(ev)) {
        retry_or_fail(c, out, ev);
    } else if (ev->type == DKR_EV_ANSWER) {
        fail(c, out, MU_E_PLUGIN, ev->text);
    }
}

static void enter_running(struct dkr_container *c, struct dkr_effects *out)
{
    if (!c->wait_pending && c->has_wait_code) { /* it ended while we looked */
        enter(c, out, DKR_RUNNING);
        move(c, out, DKR_EXAMINE);
    } else if (!c->wait_pending && c->wait_failures > 0) {
        enter(c, out, DKR_RUNNING);
        arm_timer(c, out, backoff_ms(c->wait_failures));
    } else {
        move(c, out, DKR_RUNNING);
    }
}

static void
look_answer(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->outcome == DKR_OK) {
        note_found(c, ev->found);
        tell_launched(c, out, 0);
        if (ev->found->is_running) {
            enter_running(c, out);
        } else {
            dkr_exit_from(c, ev->found);
            move(c, out, DKR_DRAIN);
        }
    } else if (is_refused_with(ev, 404) && c->has_wait_code) {
        tell_launched(c, out, 0);
        note_missing(c);
        move(c, out, DKR_DRAIN);
    } else if (is_refused_with(ev, 404)) {
        fail(c, out, MU_E_PLUGIN, "the container vanished right after its start");
    } else if (++c->attempts < LAUNCH_ATTEMPTS) {
        retry_later(c, out);
    } else { /* the start was acknowledged; the rest will be known later */
        tell_launched(c, out, 0);
        move(c, out, DKR_EXAMINE);
    }
}

static void
in_look(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_ANSWER) {
        look_answer(c, ev, out);
    } else if (ev->type == DKR_EV_DESTROY) {
        set_fail(c, -ECANCELED, "Container destroyed while being started");
        give_up(c, out);
    }
}

static void
in_running(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_WAITED || ev->type == DKR_EV_HINT) {
        move(c, out, DKR_EXAMINE);
    } else if (ev->type == DKR_EV_DESTROY) {
        move(c, out, DKR_KILLING);
    }
}

/* Destroy makes no headway: help the engine, then force. */
static void examine_trouble(struct dkr_container *c,
                            const struct dkr_event *ev,
                            struct dkr_effects *out)
{
    c->attempts++;
    if (c->is_destroying) {
        set_fail(c, MU_E_UNAVAILABLE, ev->text);
        if (c->attempts >= PID_KILL_ATTEMPTS && c->pid > 0 && !c->pid_killed) {
            (void)emit(out, DKR_FX_KILL_PID);
            c->pid_killed = true;
        }
        if (c->attempts >= LAUNCH_ATTEMPTS) {
            give_up(c, out);
            return;
        }
    }
    retry_later(c, out);
}

static void examine_answer(struct dkr_container *c,
                           const struct dkr_event *ev,
                           struct dkr_effects *out)
{
    if (ev->outcome == DKR_OK && !ev->found->is_ours) {
        note_missing(c);
        move(c, out, DKR_DRAIN);
    } else if (ev->outcome == DKR_OK && ev->found->is_running) {
        note_found(c, ev->found);
        c->has_wait_code = false; /* someone started it again */
        if (!c->is_destroying) {
            follow_logs(c, out);
            enter_running(c, out);
        } else if (c->kills < KILLS_MAX) {
            move(c, out, DKR_KILLING);
        } else {
            give_up(c, out);
        }
    } else if (ev->outcome == DKR_OK) {
        note_found(c, ev->found);
        dkr_exit_from(c, ev->found);
        move(c, out, DKR_DRAIN);
    } else if (is_refused_with(ev, 404)) {
        note_missing(c);
        move(c, out, DKR_DRAIN);
    } else {
        examine_trouble(c, ev, out);
    }
}

static void
in_examine(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_ANSWER) {
        examine_answer(c, ev, out);
    } else if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_DESTROY && !c->call_pending) { /* do not wait longer */
        c->attempts = 0;
        if (c->timer_armed) {
            (void)emit(out, DKR_FX_TIMER_STOP);
            c->timer_armed = false;
        }
        act(c, out);
    }
}

static void
in_killing(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_WAITED || ev->type == DKR_EV_TIMER) {
        move(c, out, DKR_EXAMINE);
    } else if (ev->type == DKR_EV_ANSWER && ev->outcome == DKR_OK) {
        if (c->wait_pending) {
            arm_timer(c, out, KILL_WAIT_MS);
        } else {
            move(c, out, DKR_EXAMINE);
        }
    } else if (ev->type == DKR_EV_ANSWER) { /* it may have ended by itself */
        move(c, out, DKR_EXAMINE);
    }
}

static void
in_drain(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_LOGS_DONE || ev->type == DKR_EV_TIMER) {
        if (ev->type == DKR_EV_LOGS_DONE) {
            c->logs_open = false;
        }
        stop_following(c, out);
        tell_exit(c, out);
        if (c->is_destroying) {
            give_up(c, out);
        } else {
            move(c, out, DKR_EXITED);
        }
    }
}

static void
in_exited(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_DESTROY) {
        give_up(c, out);
    }
}

/* The engine is no help: say so to who waits, and go on trying. */
static void removal_trouble(struct dkr_container *c,
                            const struct dkr_event *ev,
                            struct dkr_effects *out)
{
    c->attempts++;
    if (c->attempts == PID_KILL_ATTEMPTS && c->pid > 0 && !c->pid_killed) {
        (void)emit(out, DKR_FX_KILL_PID);
        c->pid_killed = true;
    }
    if (c->attempts >= GIVE_UP_ATTEMPTS) {
        tell_launched(c, out, c->fail_status < 0 ? c->fail_status : -ECANCELED);
        if (c->owes_recovered) {
            tell_exit(c, out);
        }
        if (c->owes_destroyed) {
            set_fail(c, MU_E_UNAVAILABLE, ev->text);
            tell_destroyed(c, out, MU_E_UNAVAILABLE);
        }
    }
    retry_later(c, out);
}

static void
in_find(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_ANSWER && ev->outcome == DKR_OK && ev->found->is_ours) {
        note_found(c, ev->found);
        move(c, out, DKR_REMOVE);
    } else if (ev->type == DKR_EV_ANSWER &&
               (ev->outcome == DKR_OK || is_refused_with(ev, 404))) {
        finish(c, out);
    } else if (ev->type == DKR_EV_ANSWER) {
        removal_trouble(c, ev, out);
    }
}

static void
in_remove(struct dkr_container *c, const struct dkr_event *ev, struct dkr_effects *out)
{
    if (ev->type == DKR_EV_TIMER) {
        act(c, out);
    } else if (ev->type == DKR_EV_ANSWER &&
               (ev->outcome == DKR_OK || is_refused_with(ev, 404))) {
        finish(c, out);
    } else if (ev->type == DKR_EV_ANSWER) {
        removal_trouble(c, ev, out);
    }
}

/* What an event means in any state. */
static void note_event(struct dkr_container *c, const struct dkr_event *ev)
{
    switch (ev->type) {
    case DKR_EV_ANSWER:
        assert(c->call_pending);
        c->call_pending = false;
        break;
    case DKR_EV_TIMER:
        assert(c->timer_armed);
        c->timer_armed = false;
        break;
    case DKR_EV_WAITED:
        assert(c->wait_pending);
        c->wait_pending = false;
        c->has_wait_code = ev->outcome == DKR_OK;
        c->wait_code = ev->code;
        c->wait_failures = ev->outcome == DKR_OK ? 0 : c->wait_failures + 1;
        break;
    case DKR_EV_DESTROY:
        c->owes_destroyed = true;
        c->was_killed = c->was_killed || c->state == DKR_RUNNING ||
                        c->state == DKR_EXAMINE || c->state == DKR_ADOPT;
        c->is_destroying = true;
        break;
    case DKR_EV_KILL_SENT:
        c->was_killed = true;
        break;
    case DKR_EV_LAUNCH:
    case DKR_EV_RECOVER:
    case DKR_EV_HINT:
    case DKR_EV_LOGS_DONE:
        break;
    }
}

typedef void (*state_cb)(struct dkr_container *c,
                         const struct dkr_event *ev,
                         struct dkr_effects *out);

void dkr_container_step(struct dkr_container *c,
                        const struct dkr_event *ev,
                        struct dkr_effects *out)
{
    static const state_cb handlers[DKR_STATE_COUNT] = {
        [DKR_NEW] = in_new,         [DKR_ADOPT] = in_adopt,
        [DKR_IMAGE] = in_image,     [DKR_CREATE] = in_create,
        [DKR_CLASH] = in_clash,     [DKR_CLEAR] = in_clear,
        [DKR_START] = in_start,     [DKR_LOOK] = in_look,
        [DKR_RUNNING] = in_running, [DKR_EXAMINE] = in_examine,
        [DKR_KILLING] = in_killing, [DKR_DRAIN] = in_drain,
        [DKR_EXITED] = in_exited,   [DKR_FIND] = in_find,
        [DKR_REMOVE] = in_remove,
    };
    out->count = 0;
    note_event(c, ev);
    if (handlers[c->state] != NULL) {
        handlers[c->state](c, ev, out);
    }
}

void dkr_container_init(struct dkr_container *c, bool force_pull)
{
    *c = (struct dkr_container){.state = DKR_NEW, .force_pull = force_pull};
}
