/* See process.h.
 *
 * Stopping is a sequence of steps (enum step), each asynchronous: one function goes from
 * step to step, and every callback only leads back to it. The first SIGTERM or SIGINT
 * begins it; a second one, or the deadline, ends the wait and says what was still open.
 */
#include "runtime/process.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"
#include "runtime/clock.h"
#include "runtime/clock_watch.h"
#include "runtime/crash.h"
#include "runtime/flags.h"
#include "runtime/host.h"
#include "runtime/http_server.h"
#include "runtime/loader.h"
#include "runtime/startup.h"

#define STOP_DEADLINE_MS 10000u
#define HTTP_GRACE_MS 2000u
#define SIGNAL_ECHO_MS 100u
#define OWN_DESCRIPTORS 256u /* journals, plugins, children: never a client's */
#define CONNECTIONS_MIN 64u
#define CONNECTIONS_MAX 100000u

enum step {
    STEP_RUNNING,
    STEP_ROLES, /* the roles end; run.c stops the plugins whose order matters to it */
    STEP_API,
    STEP_ELECTION,
    STEP_REGISTRY,
    STEP_CONTAINERIZER,
    STEP_HTTP,
    STEP_DESTROY, /* no callback of any plugin is left */
    STEP_HOST,
    STEP_GONE,
};

struct process {
    struct runtime rt;
    uv_loop_t loop;
    uv_signal_t signals[2]; /* SIGTERM, SIGINT */
    uv_timer_t deadline;
    int open_handles; /* of the three above */
    struct clock_watch *clock_watch;
    enum step step;
    bool stop_requested, gave_up;
    uint64_t signalled_ms; /* when the last signal came */
    int exit_code;
};

static void step_on(void *arg);

static const struct mu_host *host_of(const struct process *p)
{
    return p->rt.host;
}

/* ---- stopping ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct process *p = timer->data;
    host_of(p)->log(host_of(p), MU_ERROR, "could not stop in time, giving up", "step=%d",
                    (int)p->step);
    p->gave_up = true;
    uv_stop(&p->loop);
}

static void begin_stop(void *arg)
{
    struct process *p = arg;
    (void)uv_timer_start(&p->deadline, on_deadline, STOP_DEADLINE_MS, 0);
    step_on(p);
}

static void request_stop(struct runtime *rt, int exit_code, const char *reason)
{
    struct process *p = mu_container_of(rt, struct process, rt);
    p->exit_code = exit_code > p->exit_code ? exit_code : p->exit_code;
    int level = exit_code == 0 ? MU_INFO : MU_ERROR;
    if (p->stop_requested) {
        host_of(p)->log(host_of(p), level, "stop asked for again", "reason=%s", reason);
        return;
    }
    p->stop_requested = true;
    host_of(p)->log(host_of(p), level, "stopping", "reason=%s", reason);
    (void)host_of(p)->timer_start(host_of(p), 0, begin_stop, p);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;
    /* `timeout` and shells signal a process and its group: one wish, told twice */
    bool is_echo = host_of(p)->now_ms(host_of(p)) - p->signalled_ms < SIGNAL_ECHO_MS;
    if (p->stop_requested && is_echo) {
        return;
    }
    p->signalled_ms = host_of(p)->now_ms(host_of(p));
    if (p->stop_requested) {
        host_of(p)->log(host_of(p), MU_WARN, "second signal: not waiting any longer",
                        "signal=%d step=%d", number, (int)p->step);
        p->gave_up = true;
        uv_stop(&p->loop);
        return;
    }
    request_stop(&p->rt, 0, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_plugin_failed(void *arg, const char *plugin, const struct mu_error *err)
{
    struct process *p = arg;
    char reason[320];
    (void)snprintf(reason, sizeof(reason), "%s: %s", plugin == NULL ? "core" : plugin,
                   err->text);
    request_stop(&p->rt, 1, reason);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;
    if (--p->open_handles == 0 && p->step == STEP_GONE) {
        uv_stop(&p->loop);
    }
}

static void close_handles(struct process *p)
{
    uv_close((uv_handle_t *)&p->signals[0], on_handle_closed);
    uv_close((uv_handle_t *)&p->signals[1], on_handle_closed);
    uv_close((uv_handle_t *)&p->deadline, on_handle_closed);
}

static void destroy_plugins(struct process *p)
{
    run_destroy(&p->rt);
    plugins_destroy(&p->rt);
    clock_watch_destroy(p->clock_watch);
    http_server_destroy(p->rt.http);
    rt_host_set_http_server(p->rt.rt, NULL);
    p->rt.http = NULL;
}

/* One step further; each case asks for something whose callback comes back here. */
static void step_on(void *arg)
{
    struct process *p = arg;
    p->step++;
    switch (p->step) {
    case STEP_ROLES:
        if (p->rt.run != NULL) {
            run_stop(&p->rt, step_on, p);
            return;
        }
        p->step = STEP_API;
        __attribute__((fallthrough));
    case STEP_API:
        plugins_stop(&p->rt, MU_KIND_API, step_on, p);
        return;
    case STEP_ELECTION:
        plugins_stop(&p->rt, MU_KIND_ELECTION, step_on, p);
        return;
    case STEP_REGISTRY:
        plugins_stop(&p->rt, MU_KIND_REGISTRY, step_on, p);
        return;
    case STEP_CONTAINERIZER:
        plugins_stop(&p->rt, MU_KIND_CONTAINERIZER, step_on, p);
        return;
    case STEP_HTTP:
        http_server_stop(p->rt.http, HTTP_GRACE_MS, step_on, p);
        return;
    case STEP_DESTROY:
        destroy_plugins(p);
        p->step = STEP_HOST;
        __attribute__((fallthrough));
    case STEP_HOST:
        host_of(p)->log(host_of(p), MU_INFO, "stopped", NULL);
        rt_host_close(p->rt.rt, step_on, p);
        return;
    case STEP_GONE:
        close_handles(p);
        return;
    case STEP_RUNNING:
        break;
    }
    MU_NEVER("a step behind the last one");
}

/* For the Date of every answer. */
static int64_t wall_ms(void *arg)
{
    (void)arg;
    return rt_clock_wall_ms();
}

/* ---- starting ---- */

/* Each agent holds one connection, so the bound is what the system gives (main.c has
 * raised it). */
static size_t max_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur < OWN_DESCRIPTORS + CONNECTIONS_MIN) {
        return CONNECTIONS_MIN;
    }
    rlim_t left = limit.rlim_cur - OWN_DESCRIPTORS;
    return left < CONNECTIONS_MAX ? (size_t)left : CONNECTIONS_MAX;
}

static int open_process(struct process *p, const struct startup *s, struct mu_error *err)
{
    int status = uv_loop_init(&p->loop);
    if (status < 0) {
        return mu_fail(err, status, "event loop: %s", uv_strerror(status));
    }
    (void)uv_timer_init(&p->loop, &p->deadline); /* these cannot fail on Linux */
    (void)uv_signal_init(&p->loop, &p->signals[0]);
    (void)uv_signal_init(&p->loop, &p->signals[1]);
    p->deadline.data = p->signals[0].data = p->signals[1].data = p;
    p->open_handles = 3;
    const struct rt_host_config config = {
        .loop = &p->loop,
        .work_dir = s->options.work_dir,
        .log_level = s->options.log_level,
        .log_json = s->options.log_json,
        .log_fd = STDERR_FILENO,
        .descriptors_soft = s->descriptors_soft,
        .descriptors_hard = s->descriptors_hard,
        .on_failed = on_plugin_failed,
        .arg = p,
    };
    status = rt_host_open(&config, &p->rt.rt, err);
    if (status < 0) {
        close_handles(p);
        return status;
    }
    const struct http_server_config http = {.max_connections = max_connections(),
                                            .wall_ms = wall_ms,
                                            .log = rt_host_log_detail,
                                            .log_arg = p->rt.rt};
    p->rt.host = rt_host_get(p->rt.rt);
    p->rt.http = http_server_create(&p->loop, &http);
    rt_host_set_http_server(p->rt.rt, p->rt.http);
    p->clock_watch = clock_watch_create(p->rt.host);
    return 0;
}

static void log_line_each(const struct process *p, const char *message, const char *lines)
{
    const struct mu_host *h = host_of(p);
    for (const char *at = lines; *at != '\0';) {
        int len = (int)strcspn(at, "\n");
        h->log(h, MU_WARN, message, "detail=%.*s", len, at);
        at += len + (at[len] == '\n');
    }
}

static void log_flag(void *arg, const char *name, const char *value)
{
    const struct mu_host *h = arg;
    if (value != NULL) {
        h->log(h, MU_DEBUG, "flag", "name=%s value=%s", name, value);
    }
}

static void announce(const struct process *p, const struct startup *s)
{
    const struct mu_host *h = host_of(p);
    struct mu_buf plugins;
    mu_buf_init(&plugins, 16384);
    loader_describe(s->loader, &plugins);
    crash_set_plugins(mu_buf_str(&plugins));
    h->log(h, MU_INFO, "starting",
           "command=%s version=%s hostname=%s work_dir=%s plugins=%s",
           options_command_name(s->command), MUSTER_VERSION, s->options.hostname,
           s->options.work_dir, mu_buf_str(&plugins));
    mu_buf_release(&plugins);
    log_line_each(p, "old spelling of a flag, going on", mu_buf_str(&s->warnings));
    union {
        const struct mu_host *in;
        void *out;
    } arg = {.in = h}; /* flags_each has no const arg; log_flag only reads */
    flags_each(s->flags, log_flag, arg.out);
}

static int listen_one(struct process *p,
                      const char *listener,
                      const char *flag,
                      uint16_t port,
                      uint16_t *out_port,
                      struct mu_error *err)
{
    const struct mu_host *h = host_of(p);
    const char *ip = p->rt.options->listen_ip;
    int status = http_server_listen(p->rt.http, listener, ip, port, out_port, err);
    if (status == 0) {
        h->log(h, MU_INFO, "listening", "for=%s ip=%s port=%u", listener, ip, *out_port);
        return 0;
    }
    return mu_wrap(err, status, "--%s", flag);
}

static int listen_all(struct process *p, struct mu_error *err)
{
    const struct options *o = p->rt.options;
    bool is_master = (o->roles & MU_ROLE_MASTER) != 0;
    int status = 0;
    if (is_master) {
        status = listen_one(p, "master", "port", o->master_port, &p->rt.master_port, err);
        if (status == 0) {
            status = listen_one(p, "marathon", "marathon_port", o->marathon_port,
                                &p->rt.marathon_port, err);
        }
    }
    if (status == 0 && (o->roles & MU_ROLE_AGENT) != 0) {
        status = listen_one(p, "agent", is_master ? "agent_port" : "port", o->agent_port,
                            &p->rt.agent_port, err);
    }
    return status;
}

static int start(struct process *p, const struct startup *s, struct mu_error *err)
{
    struct mu_buf errors;
    mu_buf_init(&errors, 65536);
    int status = plugins_create(&p->rt, s->choices, s->choice_count, &errors);
    if (status < 0) {
        log_line_each(p, "a plugin cannot be set up", mu_buf_str(&errors));
        (void)mu_fail(err, status, "plugins cannot be set up");
    }
    mu_buf_release(&errors);
    if (status == 0) {
        status = listen_all(p, err);
    }
    if (status == 0) {
        status = run_start(&p->rt, s->options.roles, err);
    }
    return status;
}

int process_run(const struct startup *s)
{
    struct process *p = MU_NEW(struct process);
    struct mu_error err = {0};
    p->rt.loop = &p->loop;
    p->rt.options = &s->options;
    p->rt.flags = s->flags;
    p->rt.start_wall_ms = rt_clock_wall_ms();
    p->rt.request_stop = request_stop;
    if (open_process(p, s, &err) < 0) {
        (void)fprintf(stderr, "muster: %s\n", err.text);
        free(p);
        return 1;
    }
    announce(p, s);
    (void)uv_signal_start(&p->signals[0], on_signal, SIGTERM);
    (void)uv_signal_start(&p->signals[1], on_signal, SIGINT);
    if (start(p, s, &err) < 0) {
        request_stop(&p->rt, 1, err.text);
    }
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    int exit_code = p->exit_code;
    if (p->gave_up || uv_loop_close(&p->loop) != 0) {
        (void)fprintf(stderr, "muster: still open at the end:\n");
        uv_print_all_handles(&p->loop, stderr);
        return 1; /* p stays: what is still open points into it */
    }
    free(p);
    return exit_code;
}
