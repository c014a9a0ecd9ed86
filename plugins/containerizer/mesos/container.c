#include "container.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TO(s) (1u << NAT_IS_##s)

static const struct {
    const char *name;
    unsigned next; /* allowed moves */
} states[NAT_IS_COUNT] = {
    /* clang-format off */
    [NAT_IS_NEW] = {"new", TO(USER) | TO(ADOPTING) | TO(EXAMINING) | TO(STOPPING) | TO(REMOVING) | TO(GONE)},
    [NAT_IS_USER] = {"user", TO(STARTING) | TO(GONE)},
    [NAT_IS_STARTING] = {"starting", TO(RUNNING) | TO(STOPPING) | TO(EXITED) | TO(REMOVING)},
    [NAT_IS_ADOPTING] = {"adopting", TO(RUNNING) | TO(STOPPING) | TO(EXAMINING) | TO(EXITED) | TO(REMOVING)},
    [NAT_IS_RUNNING] = {"running", TO(STOPPING) | TO(EXAMINING) | TO(EXITED)},
    [NAT_IS_STOPPING] = {"stopping", TO(REMOVING) | TO(EXAMINING)},
    [NAT_IS_EXAMINING] = {"examining", TO(EXITED) | TO(REMOVING)},
    [NAT_IS_EXITED] = {"exited", TO(REMOVING)},
    [NAT_IS_REMOVING] = {"removing", TO(GONE) | TO(STUCK)},
    [NAT_IS_STUCK] = {"stuck", TO(REMOVING)},
    [NAT_IS_GONE] = {"gone", 0},
    /* clang-format on */
};

/* A move that the table does not know is a bug of this file. */
static void move_to(struct nat_container *c, enum nat_state next)
{
    if ((states[c->state].next & (1u << next)) == 0) {
        fprintf(stderr, "native container: no move from %s to %s\n",
                states[c->state].name, states[next].name);
        abort();
    }
    c->state = next;
}

static struct nat_effect *put(struct nat_effects *out, enum nat_effect_type type)
{
    if (out->count == NAT_EFFECTS_MAX) {
        abort(); /* no step makes that many */
    }
    struct nat_effect *fx = &out->v[out->count++];
    *fx = (struct nat_effect){.type = type, .text = ""};
    return fx;
}

static const char *signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
        {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
        {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
        {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
        {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
        {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "a signal";
}

/* Describe an end for people. */
void nat_exit_text(const struct nat_status *s, char *out, size_t size)
{
    if (s->oom) {
        snprintf(out, size,
                 "Memory limit exceeded: requested: %lluMB maximum used: %lluMB",
                 (unsigned long long)(s->mem_limit_bytes >> 20),
                 (unsigned long long)(s->mem_max_bytes >> 20));
    } else if (!s->has_status) {
        snprintf(out, size, "lost: its supervisor is gone and left no exit status");
    } else if (WIFSIGNALED(s->wait_status)) {
        int number = WTERMSIG(s->wait_status);
        snprintf(out, size, "terminated by %s (%d)", signal_name(number), number);
    } else {
        snprintf(out, size, "exited with status %d", WEXITSTATUS(s->wait_status));
    }
}

static void keep_exit(struct nat_container *c, const struct nat_status *s)
{
    nat_exit_text(s, c->exit_text, sizeof(c->exit_text));
    c->exit = (struct mu_container_exit){
        .struct_size = sizeof(c->exit),
        .has_status = s->has_status,
        .wait_status = s->wait_status,
        .oom = s->oom,
        .was_killed = s->asked || c->was_killed,
        .message = c->exit_text,
    };
}

/* A launch that did not succeed; the first reason counts. */
static void keep_failure(struct nat_container *c, int code, const char *text)
{
    if (c->fail_code == 0) {
        c->fail_code = code;
        snprintf(c->fail_text, sizeof(c->fail_text), "%s", text);
    }
}

static void clean(struct nat_container *c, bool is_removing, struct nat_effects *out)
{
    struct nat_effect *fx = put(out, NAT_FX_CLEAN);
    fx->is_removing = is_removing;
    fx->is_forced = is_removing;
    fx->is_simple = is_removing && !c->has_leftover;
}

static void remove_all(struct nat_container *c, struct nat_effects *out)
{
    move_to(c, NAT_IS_REMOVING);
    clean(c, true, out);
}

static void stop(struct nat_container *c, struct nat_effects *out)
{
    move_to(c, NAT_IS_STOPPING);
    put(out, NAT_FX_STOP);
    put(out, NAT_FX_TIMER)->delay_ms = c->config->stop_ms;
}

/* The end becomes known: pay with it whatever is owed for it. */
static void report_exit(struct nat_container *c, struct nat_effects *out)
{
    if (c->owes_recovered) {
        c->owes_recovered = false;
        put(out, NAT_FX_RECOVERED)->exit = &c->exit;
    } else if (c->owes_exit) {
        put(out, NAT_FX_EXITED)->exit = &c->exit;
    }
    c->owes_exit = false;
}

static void report_started(struct nat_container *c, struct nat_effects *out)
{
    if (c->owes_launched) {
        c->owes_launched = false;
        put(out, NAT_FX_LAUNCHED);
    }
    if (c->owes_recovered) {
        c->owes_recovered = false;
        put(out, NAT_FX_RECOVERED)->is_running = true;
    }
    c->owes_exit = true;
}

static void report_not_launched(struct nat_container *c, struct nat_effects *out)
{
    if (c->owes_launched) {
        struct nat_effect *fx = put(out, NAT_FX_LAUNCHED);
        fx->code = c->is_destroying ? -ECANCELED : c->fail_code;
        fx->text = c->is_destroying ? "destroyed before it was started" : c->fail_text;
    }
    c->owes_launched = false;
}

static void gone(struct nat_container *c, struct nat_effects *out)
{
    move_to(c, NAT_IS_GONE);
    report_not_launched(c, out);
    if (c->owes_recovered) {
        put(out, NAT_FX_RECOVERED); /* never started */
    }
    if (c->owes_destroyed) {
        put(out, NAT_FX_DESTROYED);
    }
    c->owes_recovered = c->owes_destroyed = false;
    put(out, NAT_FX_FORGET);
}

static bool has_run(const struct nat_container *c, const struct nat_status *s)
{
    return c->was_launched || s->started || s->has_status;
}

static void
on_recover(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    c->owes_recovered = true;
    c->was_launched = ev->was_launched;
    c->has_leftover = true;
    switch (ev->found) {
    case NAT_FOUND_ALIVE:
        move_to(c, NAT_IS_ADOPTING);
        put(out, NAT_FX_TIMER)->delay_ms = c->config->adopt_ms;
        break;
    case NAT_FOUND_DEAD:
        move_to(c, NAT_IS_EXAMINING);
        clean(c, false, out);
        break;
    case NAT_FOUND_NOTHING:
        if (c->was_launched) {
            const struct nat_status lost = {0};
            keep_exit(c, &lost);
            report_exit(c, out);
        }
        gone(c, out);
        break;
    }
}

static void
on_orphan(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    c->is_orphan = true;
    c->is_destroying = true;
    c->has_leftover = true;
    if (ev->found == NAT_FOUND_ALIVE) {
        stop(c, out);
    } else {
        remove_all(c, out);
    }
}

static void on_destroy(struct nat_container *c, struct nat_effects *out)
{
    c->owes_destroyed = true;
    c->is_destroying = true;
    c->was_killed = true;
    switch (c->state) {
    case NAT_IS_STARTING:
    case NAT_IS_ADOPTING:
    case NAT_IS_RUNNING:
        stop(c, out);
        break;
    case NAT_IS_EXITED:
    case NAT_IS_STUCK:
        remove_all(c, out);
        break;
    case NAT_IS_NEW:
    case NAT_IS_USER:      /* the answer comes soon and ends it */
    case NAT_IS_STOPPING:  /* under way */
    case NAT_IS_EXAMINING: /* its end goes on to removal */
    case NAT_IS_REMOVING:
    case NAT_IS_GONE:
    case NAT_IS_COUNT:
        break;
    }
}

static void
on_user(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    if (c->state != NAT_IS_USER) {
        return;
    }
    if (ev->code < 0 || c->is_destroying) {
        keep_failure(c, ev->code, ev->code < 0 ? ev->text : "");
        gone(c, out);
        return;
    }
    move_to(c, NAT_IS_STARTING);
    put(out, NAT_FX_SPAWN);
}

static void on_started(struct nat_container *c, struct nat_effects *out)
{
    switch (c->state) {
    case NAT_IS_STARTING:
    case NAT_IS_ADOPTING:
        if (c->state == NAT_IS_ADOPTING) {
            put(out, NAT_FX_TIMER_STOP);
        }
        move_to(c, NAT_IS_RUNNING);
        c->was_launched = true;
        report_started(c, out);
        break;
    case NAT_IS_NEW:
    case NAT_IS_USER:
    case NAT_IS_RUNNING: /* the answer that the adoption no longer waited for */
    case NAT_IS_STOPPING:
    case NAT_IS_EXAMINING:
    case NAT_IS_EXITED:
    case NAT_IS_REMOVING:
    case NAT_IS_STUCK:
    case NAT_IS_GONE:
    case NAT_IS_COUNT:
        break;
    }
}

/* The supervisor could not be spawned, or said that the command could not be started. */
static void
on_failed(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    bool is_waiting = c->state == NAT_IS_STARTING || c->state == NAT_IS_ADOPTING ||
                      c->state == NAT_IS_STOPPING;
    if (!is_waiting) {
        return;
    }
    keep_failure(c, ev->code, ev->text);
    c->has_leftover = ev->status != NULL && ev->status->leftover;
    if (c->state != NAT_IS_STARTING) {
        put(out, NAT_FX_TIMER_STOP);
    }
    remove_all(c, out);
}

/* An end with a status. */
static void
on_ended(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    switch (c->state) {
    case NAT_IS_STARTING: /* so short that both came at once, or STARTED was lost */
    case NAT_IS_ADOPTING:
    case NAT_IS_RUNNING:
        if (c->state == NAT_IS_ADOPTING) {
            put(out, NAT_FX_TIMER_STOP);
        }
        if (c->state == NAT_IS_STARTING) {
            report_started(c, out);
        }
        c->has_leftover = ev->status->leftover;
        keep_exit(c, ev->status);
        move_to(c, NAT_IS_EXITED);
        report_exit(c, out);
        break;
    case NAT_IS_STOPPING:
        put(out, NAT_FX_TIMER_STOP);
        c->has_leftover = ev->status->leftover;
        keep_exit(c, ev->status);
        report_exit(c, out);
        remove_all(c, out);
        break;
    case NAT_IS_NEW:
    case NAT_IS_USER:
    case NAT_IS_EXAMINING:
    case NAT_IS_EXITED:
    case NAT_IS_REMOVING:
    case NAT_IS_STUCK:
    case NAT_IS_GONE:
    case NAT_IS_COUNT:
        break;
    }
}

/* The supervisor died (SIGKILL, a bug), or ended before we were accepted. */
static void on_lost(struct nat_container *c, struct nat_effects *out)
{
    switch (c->state) {
    case NAT_IS_STARTING:
        keep_failure(c, MU_E_UNKNOWN_OUTCOME,
                     "its supervisor died before the command was started");
        c->has_leftover = true;
        remove_all(c, out);
        break;
    case NAT_IS_ADOPTING:
    case NAT_IS_RUNNING:
    case NAT_IS_STOPPING:
        if (c->state != NAT_IS_RUNNING) {
            put(out, NAT_FX_TIMER_STOP);
        }
        c->has_leftover = true;
        move_to(c, NAT_IS_EXAMINING);
        clean(c, false, out);
        break;
    case NAT_IS_NEW:
    case NAT_IS_USER:
    case NAT_IS_EXAMINING:
    case NAT_IS_EXITED:
    case NAT_IS_REMOVING:
    case NAT_IS_STUCK:
    case NAT_IS_GONE:
    case NAT_IS_COUNT:
        break;
    }
}

/* How it ended has been found out. */
static void
examined(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    c->has_leftover = ev->code < 0;
    if (!has_run(c, ev->status)) {
        remove_all(c, out); /* then it is said that it never started */
        return;
    }
    keep_exit(c, ev->status);
    report_exit(c, out);
    if (c->is_destroying) {
        remove_all(c, out);
    } else {
        move_to(c, NAT_IS_EXITED);
    }
}

static void
on_cleaned(struct nat_container *c, const struct nat_event *ev, struct nat_effects *out)
{
    if (c->state == NAT_IS_EXAMINING) {
        examined(c, ev, out);
        return;
    }
    if (c->state != NAT_IS_REMOVING) {
        return;
    }
    /* When it was killed by force no status came, though one may have been written. */
    if (c->owes_exit || (c->owes_recovered && has_run(c, ev->status))) {
        keep_exit(c, ev->status);
        report_exit(c, out);
    }
    if (ev->code == 0 || !c->owes_destroyed) {
        gone(c, out); /* remains of a failed launch are found again by a later recover */
        return;
    }
    move_to(c, NAT_IS_STUCK);
    report_not_launched(c, out);
    c->has_leftover = true;
    c->owes_destroyed = false;
    struct nat_effect *fx = put(out, NAT_FX_DESTROYED);
    fx->code = ev->code;
    fx->text = ev->text;
}

static void on_timer(struct nat_container *c, struct nat_effects *out)
{
    if (c->state ==
        NAT_IS_ADOPTING) { /* it lives, but says nothing: stopped by somebody */
        move_to(c, NAT_IS_RUNNING);
        report_started(c, out);
    } else if (c->state == NAT_IS_STOPPING) {
        c->has_leftover = true;
        remove_all(c, out);
    }
}

/* Start with a new container. */
void nat_container_init(struct nat_container *c,
                        const struct nat_container_config *config)
{
    *c = (struct nat_container){.state = NAT_IS_NEW, .config = config};
}

/* One event in, effects out. */
void nat_container_step(struct nat_container *c,
                        const struct nat_event *ev,
                        struct nat_effects *out)
{
    out->count = 0;
    switch (ev->type) {
    case NAT_EV_LAUNCH:
        c->owes_launched = true;
        move_to(c, NAT_IS_USER);
        put(out, NAT_FX_FIND_USER);
        break;
    case NAT_EV_RECOVER:
        on_recover(c, ev, out);
        break;
    case NAT_EV_ORPHAN:
        on_orphan(c, ev, out);
        break;
    case NAT_EV_DESTROY:
        on_destroy(c, out);
        break;
    case NAT_EV_SIGNALLED:
        c->was_killed = true;
        break;
    case NAT_EV_USER_KNOWN:
        on_user(c, ev, out);
        break;
    case NAT_EV_FAILED:
        on_failed(c, ev, out);
        break;
    case NAT_EV_STARTED:
        on_started(c, out);
        break;
    case NAT_EV_ENDED:
        on_ended(c, ev, out);
        break;
    case NAT_EV_LOST:
        on_lost(c, out);
        break;
    case NAT_EV_CLEANED:
        on_cleaned(c, ev, out);
        break;
    case NAT_EV_TIMER:
        on_timer(c, out);
        break;
    }
}

/* May a signal be passed on? */
bool nat_container_can_signal(const struct nat_container *c)
{
    return c->state == NAT_IS_STARTING || c->state == NAT_IS_ADOPTING ||
           c->state == NAT_IS_RUNNING;
}

/* The state's name, for logs. */
const char *nat_state_name(enum nat_state s)
{
    return states[s].name;
}

/* What must hold between steps. */
int nat_container_check(const struct nat_container *c, struct mu_error *err)
{
    bool is_over = c->state == NAT_IS_GONE;
    bool is_owing =
        c->owes_launched || c->owes_recovered || c->owes_exit || c->owes_destroyed;
    if (is_over && is_owing) {
        return mu_fail(err, MU_E_INVALID, "gone, but something is still owed");
    }
    if (c->owes_launched && c->owes_exit) {
        return mu_fail(err, MU_E_INVALID, "an end is owed for what was not started");
    }
    if (c->owes_exit && (c->state == NAT_IS_EXITED || c->state == NAT_IS_STUCK)) {
        return mu_fail(err, MU_E_INVALID, "ended, but the end is still owed");
    }
    if (c->owes_destroyed && (c->state == NAT_IS_RUNNING || c->state == NAT_IS_EXITED)) {
        return mu_fail(err, MU_E_INVALID, "destroy is owed, but nothing is done for it");
    }
    return 0;
}
