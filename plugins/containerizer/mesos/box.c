/* The driver of one container: callbacks become events for its machine (container.c), and
 * the machine's effects become calls. Nothing is decided here.
 *
 * A box is found by its id until it is GONE; it is freed by NAT_FX_FORGET, the last
 * effect of all, so nothing touches a box after nat_box_step. */
#include "native.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spawn.h"

/* ---- table ---- */

static size_t bucket_of(const char *id)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *id != '\0'; id++) {
        h = (h ^ (unsigned char)*id) * 16777619u;
    }
    return h % NAT_BUCKETS;
}

/* Look up a container that is not gone. */
struct nat_box *nat_box_find(struct native *n, const char *id)
{
    struct nat_box *box = n->buckets[bucket_of(id)];
    while (box != NULL &&
           (box->machine.state == NAT_IS_GONE || strcmp(box->id.s, id) != 0)) {
        box = box->next;
    }
    return box;
}

/* Add a container. spec NULL: an orphan, of which only the id is known. */
struct nat_box *nat_box_create(struct native *n,
                               const struct mu_container_id *id,
                               const struct mu_container_spec *spec)
{
    struct nat_box *box = nat_alloc(sizeof(*box));
    box->n = n;
    box->id = *id;
    box->state_dir = nat_text("%s/%s", n->root, id->s);
    nat_container_init(&box->machine, &n->machine_config);
    if (spec != NULL) {
        box->task = mu_task_info_ref(spec->task);
        box->sandbox = nat_text("%s", spec->sandbox);
        box->label = nat_text("%s", spec->agent_label);
        mu_pairs_copy(&box->env, spec->env);
        box->cpus_limit_milli = mu_resources_scalar(&spec->task->resources, "cpus");
    }
    size_t b = bucket_of(id->s);
    box->next = n->buckets[b];
    n->buckets[b] = box;
    return box;
}

static void box_free(struct nat_box *box)
{
    mu_task_info_unref(box->task);
    mu_pairs_release(&box->env);
    free(box->sandbox);
    free(box->label);
    free(box->state_dir);
    free(box->last_word);
    free(box);
}

static void box_forget(struct nat_box *box)
{
    struct nat_box **at = &box->n->buckets[bucket_of(box->id.s)];
    while (*at != box) {
        at = &(*at)->next;
    }
    *at = box->next;
    if (box->machine.is_orphan) {
        nat_recovery_orphan_gone(box->n);
    }
    nat_start_abandon(box);
    if (box->link != NULL) { /* killed by force: nobody has heard its end */
        nat_reap(box->n, box->supervisor);
    }
    nat_link_close(box->link);
    nat_link_close(box->cleaner);
    box->n->host->timer_cancel(box->n->host, box->timer);
    box_free(box);
}

/* ---- the supervisor's connection ---- */

/* What could not be had for it. */
void nat_box_warn(struct nat_box *box, int code, const char *text)
{
    struct native *n = box->n;
    const struct mu_host *h = n->host;
    size_t kind = (size_t)(-code) % (sizeof(n->has_warned) / sizeof(n->has_warned[0]));
    int level = n->has_warned[kind] ? MU_DEBUG : MU_WARN;
    n->has_warned[kind] = true;
    h->log(h, level, "native container runs with less isolation, continuing",
           "container=%s missing=%s", box->id.s, text);
}

static void link_done(struct nat_box *box)
{
    nat_link_close(box->link);
    box->link = NULL;
    nat_reap(box->n, box->supervisor);
}

/* Its last word counts when the connection ends too: then the supervisor is gone, and a
 * container of which the agent hears that it has ended has no process left at all. */
static void keep_last_word(struct nat_box *box, const struct nat_message *m)
{
    free(box->last_word);
    box->last_word = nat_alloc(sizeof(*m));
    *box->last_word = *m;
}

static void on_message(void *arg, const struct nat_message *m)
{
    struct nat_box *box = arg;
    const struct nat_event started = {.type = NAT_EV_STARTED};
    switch (m->type) {
    case NAT_WARNING:
        nat_box_warn(box, m->code, m->text);
        break;
    case NAT_STARTED:
        box->supervisor = (pid_t)m->pid;
        nat_box_step(box, &started);
        break;
    case NAT_FAILED:
    case NAT_EXITED:
        keep_last_word(box, m);
        break;
    case NAT_SPEC:
    case NAT_KILL:
    case NAT_DESTROY:
    case NAT_CLEAN:
    case NAT_CLEANED:
    case NAT_RECORD:
    case NAT_STATUS:
        break; /* not for us */
    }
}

/* The event for the last word; without one the supervisor has died. */
void nat_box_ended(struct nat_box *box)
{
    struct nat_message *m = box->last_word;
    struct nat_event ev = {.type = NAT_EV_LOST};
    box->last_word = NULL;
    if (m != NULL) {
        ev.type = m->type == NAT_FAILED ? NAT_EV_FAILED : NAT_EV_ENDED;
        ev.code = m->code;
        ev.text = m->text;
        ev.status = &m->status;
    }
    nat_box_step(box, &ev);
    free(m);
}

static void on_ended(void *arg)
{
    struct nat_box *box = arg;
    link_done(box);
    nat_box_ended(box);
}

/* Hear the supervisor through this link. */
void nat_box_attach(struct nat_box *box, struct nat_link *link)
{
    static const struct nat_link_events events = {on_message, on_ended};
    box->link = link;
    nat_link_listen(link, &events, box);
}

static void send_signal(struct nat_box *box, int signal_number)
{
    struct nat_out out = {0};
    if (box->link != NULL && nat_codec_signal(signal_number, &out)) {
        nat_link_send(box->link, &out);
    }
    nat_out_release(&out);
}

/* Pass a signal on; false: there is nobody to get it. */
bool nat_box_signal(struct nat_box *box, int signal_number)
{
    bool is_early = box->link == NULL && box->start != NULL;
    if (!nat_container_can_signal(&box->machine) || (box->link == NULL && !is_early)) {
        return false;
    }
    const struct nat_event ev = {.type = NAT_EV_SIGNALLED};
    nat_box_step(box, &ev);
    if (is_early && box->early_signal != SIGKILL) {
        box->early_signal = signal_number;
    }
    send_signal(box, signal_number);
    return true;
}

/* ---- effects ---- */

struct user_request {
    struct nat_box *box;
    char *name;
    struct nat_user user;
    struct mu_error err;
    int code;
};

static void find_user(void *arg)
{
    struct user_request *r = arg;
    r->code = nat_user_find(r->name, &r->user, &r->err);
}

static void on_user(void *arg)
{
    struct user_request *r = arg;
    struct nat_box *box = r->box;
    struct native *n = box->n;
    box->user = r->user;
    const struct nat_event ev = {
        .type = NAT_EV_USER_KNOWN, .code = r->code, .text = r->err.text};
    if (!n->is_stopping) {
        nat_box_step(box, &ev);
    }
    free(r->name);
    free(r);
    nat_work_done(n);
}

static void start_find_user(struct nat_box *box)
{
    const char *name = box->task->command.user;
    struct user_request *r = nat_alloc(sizeof(*r));
    r->box = box;
    if (name == NULL || name[0] == '\0') {
        nat_later(box->n, on_user, r);
        return;
    }
    r->name = nat_text("%s", name);
    nat_work(box->n, find_user, on_user, r);
}

/* A failure to start is told as if the supervisor had said it. */
void nat_box_keep_failure(struct nat_box *box,
                          int code,
                          bool has_leftover,
                          const char *text)
{
    struct nat_message m = {.type = NAT_FAILED, .code = code};
    m.status.leftover = has_leftover;
    snprintf(m.text, sizeof(m.text), "%s", text);
    keep_last_word(box, &m);
}

static void report_cleaned(void *arg)
{
    struct nat_box *box = arg;
    struct native *n = box->n;
    if (box->cleaned.code < 0) {
        n->host->log(n->host, MU_WARN,
                     "clean-up of a native container failed, continuing",
                     "container=%s error=%s", box->id.s, box->cleaned.text);
    }
    const struct nat_event ev = {.type = NAT_EV_CLEANED,
                                 .code = box->cleaned.code,
                                 .text = box->cleaned.text,
                                 .status = &box->cleaned.status};
    if (!n->is_stopping) {
        nat_box_step(box, &ev);
    }
    nat_work_done(n);
}

static void remove_directory(void *arg)
{
    struct nat_box *box = arg; /* stays until the machine has its answer */
    box->cleaned = (struct nat_message){.type = NAT_CLEANED};
    int rc = nat_state_remove(box->state_dir);
    if (rc < 0) {
        box->cleaned.code = rc;
        snprintf(box->cleaned.text, sizeof(box->cleaned.text), "remove '%s': %s",
                 box->state_dir, mu_strerror(rc));
    }
}

static void on_cleaner_message(void *arg, const struct nat_message *m)
{
    struct nat_box *box = arg;
    if (m->type == NAT_CLEANED) {
        box->cleaned = *m;
    }
}

static void on_cleaner_ended(void *arg)
{
    struct nat_box *box = arg;
    nat_link_close(box->cleaner);
    box->cleaner = NULL;
    nat_reap(box->n, box->cleaner_pid);
    box->n->works++; /* report_cleaned counts as the end of a deferred call */
    report_cleaned(box);
}

static int spawn_cleaner(struct nat_box *box, struct mu_error *err)
{
    struct native *n = box->n;
    struct nat_spawn s = {
        .helper = n->helper, .mode = "clean", .id = box->id.s, .listen_fd = -1};
    int rc = nat_spawn(&s, err);
    if (rc < 0) {
        return rc;
    }
    box->cleaner_pid = s.pid;
    rc = nat_link_open(n, s.fd, &box->cleaner, err);
    if (rc < 0) {
        nat_reap(n, s.pid); /* it ends without its connection */
    }
    return rc;
}

static void start_clean(struct nat_box *box, const struct nat_effect *fx)
{
    static const struct nat_link_events events = {on_cleaner_message, on_cleaner_ended};
    struct native *n = box->n;
    if (fx->is_simple) {
        nat_work(n, remove_directory, report_cleaned, box);
        return;
    }
    uint32_t flags = (fx->is_removing ? (uint32_t)NAT_REMOVE : 0u) |
                     (fx->is_forced ? (uint32_t)NAT_FORCE : 0u);
    struct nat_out out = {0};
    struct mu_error err;
    box->cleaned = (struct nat_message){
        .type = NAT_CLEANED, .code = MU_E_UNKNOWN_OUTCOME, .text = "clean-up failed"};
    int rc = spawn_cleaner(box, &err);
    if (rc < 0) {
        box->cleaned.code = rc;
        snprintf(box->cleaned.text, sizeof(box->cleaned.text), "%s", err.text);
        nat_later(n, report_cleaned, box);
        return;
    }
    nat_link_listen(box->cleaner, &events, box);
    if (nat_codec_clean(box->state_dir, flags, n->destroy_timeout_ms, &out)) {
        nat_link_send(box->cleaner, &out);
    }
    nat_out_release(&out);
}

static void on_timer(void *arg)
{
    struct nat_box *box = arg;
    const struct mu_host *h = box->n->host;
    box->timer = NULL;
    h->log(h, MU_WARN, "the supervisor of a native container does not answer, continuing",
           "container=%s state=%s pid=%d", box->id.s, nat_state_name(box->machine.state),
           (int)box->supervisor);
    const struct nat_event ev = {.type = NAT_EV_TIMER};
    nat_box_step(box, &ev);
}

static struct mu_container_status status_of(const struct nat_box *box)
{
    return (struct mu_container_status){.struct_size = sizeof(struct mu_container_status),
                                        .ip = "",
                                        .pid = box->supervisor,
                                        .detail = ""};
}

static void report_launched(struct nat_box *box, const struct nat_effect *fx)
{
    const struct mu_container_status status = status_of(box);
    mu_launched_cb cb = box->launched_cb;
    box->launched_cb = NULL;
    if (cb == NULL) {
        return; /* not a launch; the machine never asks for this then */
    }
    cb(box->launched_arg, fx->code, fx->text, fx->code == 0 ? &status : NULL);
}

static void report_destroyed(struct nat_box *box, int code, const char *text)
{
    struct nat_waiter *w = box->waiters;
    box->waiters = NULL;
    if (code < 0) {
        box->n->host->counter_add(box->n->host,
                                  "containerizer/mesos/container_destroy_errors", 1);
    }
    while (w != NULL) {
        struct nat_waiter *next = w->next;
        w->cb(w->arg, code, text);
        free(w);
        w = next;
    }
}

static void apply(struct nat_box *box, const struct nat_effect *fx)
{
    struct native *n = box->n;
    const struct mu_container_status status = status_of(box);
    switch (fx->type) {
    case NAT_FX_FIND_USER:
        start_find_user(box);
        break;
    case NAT_FX_SPAWN:
        nat_start_begin(box);
        break;
    case NAT_FX_STOP:
        send_signal(box, 0);
        break;
    case NAT_FX_CLEAN:
        start_clean(box, fx);
        break;
    case NAT_FX_TIMER:
        n->host->timer_cancel(n->host, box->timer);
        box->timer = n->host->timer_start(n->host, fx->delay_ms, on_timer, box);
        break;
    case NAT_FX_TIMER_STOP:
        n->host->timer_cancel(n->host, box->timer);
        box->timer = NULL;
        break;
    case NAT_FX_LAUNCHED:
        report_launched(box, fx);
        break;
    case NAT_FX_RECOVERED:
        nat_recovery_report(n, box, fx->is_running, &status, fx->exit);
        break;
    case NAT_FX_EXITED:
        n->events->exited(n->events_arg, &box->id, fx->exit);
        break;
    case NAT_FX_DESTROYED:
        report_destroyed(box, fx->code, fx->text);
        break;
    case NAT_FX_FORGET:
        break; /* nat_box_step's */
    }
}

/* One event, and what follows from it. The box may be gone after. */
void nat_box_step(struct nat_box *box, const struct nat_event *ev)
{
    struct nat_effects fx;
    enum nat_state before = box->machine.state;
    const struct mu_host *h = box->n->host;
    nat_container_step(&box->machine, ev, &fx);
    if (box->machine.state != before) {
        h->log(h, MU_TRACE, "native container moves", "container=%s from=%s to=%s",
               box->id.s, nat_state_name(before), nat_state_name(box->machine.state));
    }
    for (size_t i = 0; i < fx.count; i++) {
        if (fx.v[i].type == NAT_FX_FORGET) {
            box_forget(box);
            return; /* it is the last */
        }
        apply(box, &fx.v[i]);
    }
}

/* ---- stop ---- */

static void each_box(struct native *n, void (*visit)(struct nat_box *box))
{
    for (size_t b = 0; b < NAT_BUCKETS; b++) {
        struct nat_box *next;
        for (struct nat_box *box = n->buckets[b]; box != NULL; box = next) {
            next = box->next;
            visit(box);
        }
    }
}

static void stop_box(struct nat_box *box)
{
    box->n->host->timer_cancel(box->n->host, box->timer);
    box->timer = NULL;
    nat_link_close(box->link);
    nat_link_close(box->cleaner);
    box->link = box->cleaner = NULL;
}

static void answer_box(struct nat_box *box)
{
    static const char text[] = "the agent stops";
    if (box->launched_cb != NULL) {
        mu_launched_cb cb = box->launched_cb;
        box->launched_cb = NULL;
        cb(box->launched_arg, -ECANCELED, text, NULL);
    }
    report_destroyed(box, -ECANCELED, text);
}

/* Let go of all containers; they run on. */
void nat_boxes_stop(struct native *n)
{
    each_box(n, stop_box);
}

/* Nobody may wait for an answer for ever. */
void nat_boxes_answer(struct native *n)
{
    each_box(n, answer_box);
}

/* Free them. */
void nat_boxes_destroy(struct native *n)
{
    each_box(n, box_free);
    memset(n->buckets, 0, sizeof(n->buckets));
}
