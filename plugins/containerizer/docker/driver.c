#include "driver.h"

#include <errno.h>
#include <stdio.h>

#include "logs.h"
#include "pid_kill.h"
#include "util.h"

enum {
    CREATE_TIMEOUT_MS = 60000,
    INSPECT_TIMEOUT_MS = 30000,
    START_TIMEOUT_MS = 120000,
    KILL_TIMEOUT_MS = 20000,
    REMOVE_TIMEOUT_MS = 60000,
    URL_PATH_MAX = 1024,
};

enum posted {
    POSTED_LAUNCH = 1,
    POSTED_RECOVER = 2,
    POSTED_HINT = 4,
    POSTED_DESTROY = 8
};

struct destroy_wait {
    struct destroy_wait *next;
    mu_status_cb cb;
    void *arg;
};

struct dkr_item {
    struct dkr_instance *in;
    struct dkr_item *prev, *next;
    struct dkr_container machine;
    struct mu_container_id id;
    struct mu_task_info *task;
    char name[DKR_NAME_MAX];
    char *agent_label;
    char *image;
    char *create_body; /* until it is created */
    struct dkr_logs *logs;

    unsigned posted; /* enum posted, handed over at the next turn of the loop */
    bool known_launched;
    struct dkr_call *call, *wait;
    enum dkr_effect_type call_type;
    struct dkr_image_wait *image_wait;
    struct mu_timer *timer;

    mu_launched_cb launched_cb;
    void *launched_arg;
    struct destroy_wait *destroys;
    bool is_gone; /* only its log files are still being closed */
};

static void run(struct dkr_item *item, const struct dkr_event *ev);

/* ---- items ---- */

static void item_unlink(struct dkr_item *item)
{
    if (item->prev != NULL) {
        item->prev->next = item->next;
    } else {
        item->in->items = item->next;
    }
    if (item->next != NULL) {
        item->next->prev = item->prev;
    }
}

static struct dkr_item *item_create(struct dkr_instance *in,
                                    const struct mu_container_spec *spec,
                                    bool has_tty,
                                    bool is_resumed)
{
    struct dkr_item *item = dkr_alloc(sizeof(*item));
    const char *label = spec->agent_label == NULL ? "" : spec->agent_label;

    *item = (struct dkr_item){.in = in, .next = in->items, .id = spec->id};
    item->task = mu_task_info_ref(spec->task);
    item->agent_label = dkr_strdup(label);
    dkr_spec_name(&spec->id, item->name);
    item->logs =
        dkr_logs_create(in->host, in->engine, spec->sandbox, has_tty, is_resumed);
    dkr_container_init(&item->machine, spec->task->container.force_pull);
    if (in->items != NULL) {
        in->items->prev = item;
    }
    in->items = item;
    if (in->agent_label == NULL || !dkr_equal(in->agent_label, label)) {
        dkr_set(&in->agent_label, label);
    }
    return item;
}

static void item_free(struct dkr_item *item)
{
    item_unlink(item);
    mu_task_info_unref(item->task);
    free(item->agent_label);
    free(item->image);
    free(item->create_body);
    free(item);
}

static void on_logs_closed(void *arg)
{
    struct dkr_item *item = arg;
    struct dkr_instance *in = item->in;
    in->jobs--;
    item_free(item);
    dkr_check_stopped(in);
}

/* Its last act: nothing refers to it any more but its own log files. */
static void item_let_go(struct dkr_item *item, bool is_removed)
{
    item->is_gone = true;
    item->in->jobs++;
    dkr_logs_close(item->logs, is_removed, on_logs_closed, item);
    item->logs = NULL;
}

struct dkr_item *dkr_item_find(struct dkr_instance *in, const char *container_id)
{
    for (struct dkr_item *item = in->items; item != NULL; item = item->next) {
        if (!item->is_gone && dkr_equal(item->id.s, container_id)) {
            return item;
        }
    }
    return NULL;
}

/* ---- events that come from the agent, never inside its call ---- */

static void deliver(struct dkr_item *item)
{
    static const struct {
        unsigned bit;
        enum dkr_event_type type;
    } order[] = {
        {POSTED_LAUNCH, DKR_EV_LAUNCH},
        {POSTED_RECOVER, DKR_EV_RECOVER},
        {POSTED_HINT, DKR_EV_HINT},
        {POSTED_DESTROY, DKR_EV_DESTROY},
    };
    for (size_t i = 0; i < DKR_COUNT(order) && !item->is_gone; i++) {
        if (item->posted & order[i].bit) {
            item->posted &= ~order[i].bit;
            run(item, &(struct dkr_event){.type = order[i].type,
                                          .was_launched = item->known_launched});
        }
    }
}

static void on_wake(void *arg)
{
    struct dkr_instance *in = arg;
    struct dkr_item *next = NULL;

    in->wake = NULL;
    /* an item that goes away is freed by a later turn of the loop, so next stays valid */
    for (struct dkr_item *item = in->items; item != NULL; item = next) {
        next = item->next;
        if (item->posted != 0) {
            deliver(item);
        }
    }
}

static void post(struct dkr_item *item, enum posted what)
{
    struct dkr_instance *in = item->in;
    item->posted |= what;
    if (in->wake == NULL) {
        in->wake = in->host->timer_start(in->host, 0, on_wake, in);
    }
}

/* ---- engine calls ---- */

static const char *engine_id(const struct dkr_item *item)
{
    return item->machine.id[0] != '\0' ? item->machine.id : item->name;
}

static void reply_to_event(struct dkr_event *ev, const struct dkr_reply *reply)
{
    ev->outcome = reply->outcome;
    ev->http_status = reply->http_status;
    ev->text = reply->text;
}

/* The engine said yes, but with what we do not understand: as good as no answer. */
static void not_understood(struct dkr_event *ev, const struct mu_error *err)
{
    ev->outcome = DKR_UNKNOWN;
    ev->text = err->text;
}

static void on_reply(void *arg, const struct dkr_reply *reply)
{
    struct dkr_item *item = arg;
    struct dkr_event ev = {.type = DKR_EV_ANSWER};
    struct dkr_inspect inspect;
    struct dkr_found found;
    char id[DKR_ENGINE_ID_SIZE];
    struct mu_error err = {0};
    bool is_inspect =
        item->call_type == DKR_FX_INSPECT || item->call_type == DKR_FX_INSPECT_NAME;

    item->call = NULL;
    reply_to_event(&ev, reply);
    if (reply->outcome == DKR_OK && item->call_type == DKR_FX_CREATE) {
        ev.id = id;
        if (dkr_decode_created(reply->body, reply->len, id, &err) < 0) {
            not_understood(&ev, &err);
        }
    } else if (reply->outcome == DKR_OK && is_inspect) {
        if (dkr_decode_inspect(reply->body, reply->len, item->agent_label, &inspect,
                               &err) < 0) {
            not_understood(&ev, &err);
        } else {
            found = (struct dkr_found){
                .id = inspect.id,
                .is_ours = inspect.is_ours && dkr_equal(inspect.container_id, item->id.s),
                .is_running = inspect.is_running,
                .was_started = inspect.was_started,
                .oom = inspect.oom,
                .pid = inspect.pid,
                .exit_code = inspect.exit_code,
                .error = inspect.error,
                .ip = inspect.ip};
            ev.found = &found;
        }
    }
    run(item, &ev);
}

static void on_waited(void *arg, const struct dkr_reply *reply)
{
    struct dkr_item *item = arg;
    struct dkr_event ev = {.type = DKR_EV_WAITED};
    struct mu_error err = {0};

    item->wait = NULL;
    reply_to_event(&ev, reply);
    if (reply->outcome == DKR_OK &&
        dkr_decode_wait(reply->body, reply->len, &ev.code, &err) < 0) {
        not_understood(&ev, &err);
    }
    run(item, &ev);
}

static void on_image(void *arg, enum dkr_outcome outcome, const char *text)
{
    struct dkr_item *item = arg;
    item->image_wait = NULL;
    run(item,
        &(struct dkr_event){.type = DKR_EV_ANSWER, .outcome = outcome, .text = text});
}

struct endpoint {
    const char *method;
    const char *format; /* @ is the container */
    uint64_t timeout_ms;
    bool by_name; /* even when its id is known */
};

static struct dkr_call *ask(struct dkr_item *item,
                            const struct endpoint *e,
                            const char *body,
                            dkr_reply_cb cb,
                            void *arg)
{
    struct mu_buf path;
    mu_buf_init(&path, URL_PATH_MAX);
    for (const char *p = e->format; *p != '\0'; p++) {
        if (*p == '@') {
            dkr_url_encode(&path, e->by_name ? item->name : engine_id(item));
        } else {
            (void)mu_buf_putc(&path, *p);
        }
    }
    struct dkr_call *call = dkr_engine_ask(item->in->engine,
                                           &(struct dkr_ask){.method = e->method,
                                                             .path = mu_buf_str(&path),
                                                             .body = body,
                                                             .timeout_ms = e->timeout_ms},
                                           cb, arg);
    mu_buf_release(&path);
    return call;
}

static void main_call(struct dkr_item *item, enum dkr_effect_type type)
{
    static const struct endpoint endpoints[] = {
        [DKR_FX_CREATE] = {"POST", "/containers/create?name=@", CREATE_TIMEOUT_MS, true},
        [DKR_FX_INSPECT_NAME] = {"GET", "/containers/@/json", INSPECT_TIMEOUT_MS, true},
        [DKR_FX_INSPECT] = {"GET", "/containers/@/json", INSPECT_TIMEOUT_MS, false},
        [DKR_FX_START] = {"POST", "/containers/@/start", START_TIMEOUT_MS, false},
        [DKR_FX_KILL] = {"POST", "/containers/@/kill?signal=SIGKILL", KILL_TIMEOUT_MS,
                         false},
        [DKR_FX_REMOVE] = {"DELETE", "/containers/@?force=1&v=1", REMOVE_TIMEOUT_MS,
                           false},
    };
    assert(type < DKR_COUNT(endpoints) && endpoints[type].method != NULL);
    item->call_type = type;
    item->call = ask(item, &endpoints[type],
                     type == DKR_FX_CREATE ? item->create_body : NULL, on_reply, item);
}

/* ---- what the agent is told ---- */

static struct mu_container_status status_of(const struct dkr_item *item)
{
    return (struct mu_container_status){.struct_size = sizeof(struct mu_container_status),
                                        .ip = item->machine.ip,
                                        .pid = item->machine.pid,
                                        .detail = item->machine.id};
}

static void tell_launched(struct dkr_item *item, int status, const char *text)
{
    struct mu_container_status container = status_of(item);
    mu_launched_cb cb = item->launched_cb;
    const struct mu_host *host = item->in->host;

    item->launched_cb = NULL;
    if (status == 0) {
        host->log(host, MU_INFO, "docker container started",
                  "container=%s task=%s engine_id=%.12s", item->id.s, item->task->id.s,
                  item->machine.id);
    } else {
        host->log(host, MU_WARN, "docker container not started",
                  "container=%s task=%s reason=%s", item->id.s, item->task->id.s, text);
    }
    cb(item->launched_arg, status, text, status == 0 ? &container : NULL);
}

static void on_recovery_over(void *arg)
{
    struct dkr_instance *in = arg;
    in->is_recovering = false;
    in->recovered_cb(in->recover_arg, 0, "");
}

static void tell_recovered(struct dkr_item *item,
                           bool is_running,
                           const struct mu_container_exit *how)
{
    struct dkr_instance *in = item->in;
    struct mu_container_status container = status_of(item);

    in->host->log(in->host, MU_INFO,
                  is_running ? "docker container taken over"
                             : "docker container ended while the agent was away",
                  "container=%s engine_id=%.12s how=%s", item->id.s, item->machine.id,
                  is_running    ? "it runs"
                  : how == NULL ? "it never started"
                                : how->message);
    in->on_recovered(in->recover_arg, &item->id, is_running,
                     is_running ? &container : NULL, how);
    assert(in->recover_left > 0);
    in->recover_left--;
    if (in->recover_left == 0) {
        on_recovery_over(in);
    }
}

static void tell_exited(struct dkr_item *item, const struct mu_container_exit *how)
{
    struct dkr_instance *in = item->in;
    in->host->log(in->host, MU_INFO, "docker container ended",
                  "container=%s task=%s how=%s", item->id.s, item->task->id.s,
                  how->message);
    if (in->events != NULL) {
        in->events->exited(in->events_arg, &item->id, how);
    }
}

static void tell_destroyed(struct dkr_item *item, int status, const char *text)
{
    struct destroy_wait *waits = item->destroys;
    item->destroys = NULL;
    while (waits != NULL) {
        struct destroy_wait *wait = waits;
        waits = wait->next;
        wait->cb(wait->arg, status, text);
        free(wait);
    }
}

/* ---- effects ---- */

static void on_timer(void *arg)
{
    struct dkr_item *item = arg;
    item->timer = NULL;
    run(item, &(struct dkr_event){.type = DKR_EV_TIMER});
}

static void stop_timer(struct dkr_item *item)
{
    item->in->host->timer_cancel(item->in->host, item->timer);
    item->timer = NULL;
}

static void on_logs_drained(void *arg)
{
    run(arg, &(struct dkr_event){.type = DKR_EV_LOGS_DONE});
}

static void cancel_call(struct dkr_item *item)
{
    dkr_engine_cancel(item->call);
    item->call = NULL;
    dkr_images_cancel(item->image_wait);
    item->image_wait = NULL;
}

static void cancel_wait(struct dkr_item *item)
{
    dkr_engine_cancel(item->wait);
    item->wait = NULL;
}

static void set_timer(struct dkr_item *item, uint64_t delay_ms)
{
    stop_timer(item);
    item->timer = item->in->host->timer_start(item->in->host, delay_ms, on_timer, item);
}

static void start_wait(struct dkr_item *item)
{
    static const struct endpoint wait = {"POST", "/containers/@/wait", 0, false};
    item->wait = ask(item, &wait, NULL, on_waited, item);
}

static void have_image(struct dkr_item *item, bool force)
{
    item->image_wait =
        dkr_images_ensure(item->in->images, item->image, force, on_image, item);
}

static void apply(struct dkr_item *item, const struct dkr_effect *fx)
{
    switch (fx->type) {
    case DKR_FX_IMAGE:
        have_image(item, fx->force);
        break;
    case DKR_FX_CREATE:
    case DKR_FX_INSPECT_NAME:
    case DKR_FX_INSPECT:
    case DKR_FX_START:
    case DKR_FX_KILL:
    case DKR_FX_REMOVE:
        main_call(item, fx->type);
        break;
    case DKR_FX_CANCEL:
        cancel_call(item);
        break;
    case DKR_FX_WAIT:
        start_wait(item);
        break;
    case DKR_FX_CANCEL_WAIT:
        cancel_wait(item);
        break;
    case DKR_FX_LOGS_FOLLOW:
        dkr_logs_follow(item->logs, engine_id(item));
        break;
    case DKR_FX_LOGS_DRAIN:
        dkr_logs_drain(item->logs, item->machine.id, on_logs_drained, item);
        break;
    case DKR_FX_LOGS_STOP:
        dkr_logs_stop(item->logs);
        break;
    case DKR_FX_KILL_PID:
        dkr_pid_kill(item->in, item->machine.pid, item->machine.id);
        break;
    case DKR_FX_TIMER:
        set_timer(item, fx->delay_ms);
        break;
    case DKR_FX_TIMER_STOP:
        stop_timer(item);
        break;
    case DKR_FX_LAUNCHED:
        tell_launched(item, fx->status, fx->text);
        break;
    case DKR_FX_RECOVERED:
        tell_recovered(item, fx->is_running, fx->exit);
        break;
    case DKR_FX_EXITED:
        tell_exited(item, fx->exit);
        break;
    case DKR_FX_DESTROYED:
        tell_destroyed(item, fx->status, fx->text);
        break;
    case DKR_FX_FORGET:
        item_let_go(item, true);
        break;
    }
}

static void run(struct dkr_item *item, const struct dkr_event *ev)
{
    struct dkr_effects fx;
    enum dkr_state before = item->machine.state;

    dkr_container_step(&item->machine, ev, &fx);
    if (item->machine.state != before) {
        item->in->host->log(item->in->host, MU_TRACE, "docker container moves",
                            "container=%s from=%s to=%s", item->id.s,
                            dkr_states[before].name,
                            dkr_states[item->machine.state].name);
    }
    if (item->machine.state == DKR_LOOK) { /* created and started: not needed again */
        free(item->create_body);
        item->create_body = NULL;
    }
    for (size_t i = 0; i < fx.count; i++) {
        apply(item, &fx.v[i]);
    }
}

/* ---- calls of the agent ---- */

int dkr_item_launch(struct dkr_instance *in,
                    const struct mu_container_spec *spec,
                    mu_launched_cb cb,
                    void *arg,
                    struct mu_error *err)
{
    const struct dkr_spec_options options = {.sandbox_directory = in->sandbox_directory,
                                             .enable_cfs = in->enable_cfs,
                                             .api_version =
                                                 dkr_engine_api_version(in->engine)};
    struct dkr_spec built;
    char *body = NULL;

    if (dkr_item_find(in, spec->id.s) != NULL) {
        return mu_fail(err, -EEXIST, "container '%s' exists already", spec->id.s);
    }
    int rc = dkr_spec_build(spec, &options, &built, err);
    if (rc < 0) {
        return rc;
    }
    rc = dkr_encode_create(&built.fields, &body, err);
    if (rc < 0) {
        dkr_spec_release(&built);
        return rc;
    }
    for (size_t i = 0; i < built.ignored.count; i++) {
        in->host->log(in->host, MU_WARN,
                      "docker parameter has no effect here, continuing without it",
                      "container=%s parameter=%s", spec->id.s, built.ignored.v[i]);
    }
    struct dkr_item *item = item_create(in, spec, built.has_tty, false);
    item->image = dkr_strdup(built.image);
    item->create_body = body;
    item->launched_cb = cb;
    item->launched_arg = arg;
    dkr_spec_release(&built);
    post(item, POSTED_LAUNCH);
    return 0;
}

void dkr_item_recover(struct dkr_instance *in, const struct mu_container_known *known)
{
    const struct dkr_spec_options options = {.sandbox_directory = in->sandbox_directory,
                                             .api_version =
                                                 dkr_engine_api_version(in->engine)};
    struct dkr_spec built = {0};
    bool has_tty = false;

    /* it was launched from this spec, so it can be built; else it has no terminal */
    if (dkr_spec_build(&known->spec, &options, &built, NULL) == 0) {
        has_tty = built.has_tty;
        dkr_spec_release(&built);
    }
    struct dkr_item *item = item_create(in, &known->spec, has_tty, true);
    item->known_launched = known->launched;
    post(item, POSTED_RECOVER);
}

void dkr_item_destroy(struct dkr_item *item, mu_status_cb cb, void *arg)
{
    struct destroy_wait *wait = dkr_alloc(sizeof(*wait));
    *wait = (struct destroy_wait){.next = item->destroys, .cb = cb, .arg = arg};
    item->destroys = wait;
    post(item, POSTED_DESTROY);
}

/* A signal under way; the item may be gone before it is answered. */
struct signal_call {
    const struct mu_host *host;
    struct mu_container_id id;
};

static void on_signalled(void *arg, const struct dkr_reply *reply)
{
    struct signal_call *s = arg;
    if (reply->outcome != DKR_OK) { /* who sent it sees no end, and will send another */
        s->host->log(s->host, MU_WARN, "docker container could not be signalled",
                     "container=%s reason=%s", s->id.s, reply->text);
    }
    free(s);
}

int dkr_item_kill(struct dkr_item *item, int signal_number, struct mu_error *err)
{
    char format[64];
    struct endpoint kill = {"POST", format, KILL_TIMEOUT_MS, false};
    struct dkr_effects none;

    if (!dkr_container_can_be_signalled(&item->machine)) {
        return mu_fail(err, -ESRCH, "container '%s' does not run: it is in state '%s'",
                       item->id.s, dkr_states[item->machine.state].name);
    }
    (void)snprintf(format, sizeof(format), "/containers/@/kill?signal=%d",
                   signal_number); /* fits */
    struct signal_call *s = dkr_alloc(sizeof(*s));
    *s = (struct signal_call){.host = item->in->host, .id = item->id};
    (void)ask(item, &kill, NULL, on_signalled, s);
    dkr_container_step(&item->machine, &(struct dkr_event){.type = DKR_EV_KILL_SENT},
                       &none);
    return 0;
}

void dkr_item_hint(struct dkr_item *item)
{
    post(item, POSTED_HINT);
}

const char *dkr_item_running_id(const struct dkr_item *item)
{
    return dkr_container_can_be_signalled(&item->machine) && item->machine.id[0] != '\0'
               ? item->machine.id
               : NULL;
}

const struct mu_task_info *dkr_item_task(const struct dkr_item *item)
{
    return item->task;
}

void dkr_items_compare(struct dkr_instance *in, const struct dkr_list *list)
{
    for (struct dkr_item *item = in->items; item != NULL; item = item->next) {
        bool is_seen = false;
        for (size_t i = 0; i < list->count && !is_seen; i++) {
            is_seen =
                list->v[i].is_running && dkr_equal(list->v[i].container_id, item->id.s);
        }
        if (!item->is_gone && !is_seen && item->machine.state == DKR_RUNNING) {
            dkr_item_hint(item);
        }
    }
}

void dkr_items_stop(struct dkr_instance *in)
{
    struct dkr_item *next = NULL;

    in->host->timer_cancel(in->host, in->wake);
    in->wake = NULL;
    for (struct dkr_item *item = in->items; item != NULL; item = next) {
        next = item->next;
        if (item->is_gone) {
            continue;
        }
        cancel_call(item);
        cancel_wait(item);
        stop_timer(item);
        if (item->launched_cb != NULL) {
            item->launched_cb(item->launched_arg, -ECANCELED, "stopping", NULL);
        }
        tell_destroyed(item, -ECANCELED, "stopping");
        item_let_go(item, false);
    }
}
