/* Many agents that only speak: a load for a real master over real HTTP.
 *
 *   agents --count=N --master=HOST:PORT[,HOST:PORT...]
 *
 * Each registers on a link of its own, answers pings, tells of each task that it runs as
 * soon as it is asked to run it, and comes back with its tasks when its link was cut: to
 * the next of the masters named, or to the one that a redirect names. A line is printed
 * whenever the number of those that are registered reaches all, or falls below. Ends with
 * SIGTERM.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <muster/resources.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "runtime/host.h"
#include "runtime/link_client.h"

#define MASTERS_MAX 16
#define TURN_MS 50u

struct world;

struct fake_agent {
    struct world *w;
    struct link_client *link;
    struct mu_agent_info info;
    bool is_registered;
    size_t master;         /* which of those named */
    struct mu_timer *turn; /* to the next of them */
    MU_VEC(struct mu_task_record) tasks;
    MU_VEC(struct mu_framework_info) frameworks;
};

struct world {
    uv_loop_t loop;
    struct rt_host *rt;
    const struct mu_host *host;
    const char *masters[MASTERS_MAX];
    size_t master_count;
    struct fake_agent *agents;
    size_t count, registered, tasks, stopped;
    uint64_t since_ms;
    bool is_ending;
    uv_signal_t end;
};

static void tell(struct world *w, const char *what)
{
    uint64_t now = w->host->now_ms(w->host);
    printf("%s: %zu of %zu agents, %zu tasks, after %" PRIu64 " ms\n", what,
           w->registered, w->count, w->tasks, now - w->since_ms);
    (void)fflush(stdout);
    w->since_ms = now;
}

static void on_up(void *arg, uint64_t link)
{
    struct fake_agent *a = arg;
    struct mu_msg m;
    bool again = !MU_ID_EMPTY(a->info.id);
    mu_msg_init(&m, again ? MU_MSG_REREGISTER : MU_MSG_REGISTER);
    mu_msg_set_agent(&m, &a->info);
    for (size_t i = 0; i < a->tasks.count; i++) {
        mu_msg_add_record(&m, &a->tasks.v[i]);
    }
    for (size_t i = 0; i < a->frameworks.count; i++) {
        mu_msg_add_framework(&m, &a->frameworks.v[i]);
    }
    link_client_send(a->link, link, &m);
    mu_msg_release(&m);
}

/* Not registered for a while: another of the masters may know who leads. */
static void on_turn(void *arg)
{
    struct fake_agent *a = arg;
    struct world *w = a->w;
    a->turn = NULL;
    if (!a->is_registered) {
        a->master = (a->master + 1) % w->master_count;
        link_client_set_master(a->link, w->masters[a->master]);
    }
}

static void on_down(void *arg, uint64_t link, const char *why)
{
    struct fake_agent *a = arg;
    struct world *w = a->w;
    (void)link;
    (void)why;
    if (a->is_registered) {
        a->is_registered = false;
        if (w->registered-- == w->count) {
            tell(w, "cut");
        }
    }
    if (a->turn == NULL && !w->is_ending) {
        a->turn = w->host->timer_start(w->host, TURN_MS, on_turn, a);
    }
}

static void registered(struct fake_agent *a, const struct mu_msg *m)
{
    struct world *w = a->w;
    a->info.id = m->agent_id;
    if (!a->is_registered) {
        a->is_registered = true;
        if (++w->registered == w->count) {
            tell(w, "all");
        }
    }
}

static void run_task(struct fake_agent *a, uint64_t link, const struct mu_msg *run)
{
    struct world *w = a->w;
    struct mu_task_record r = {.info = mu_task_info_ref(run->tasks[0]),
                               .state = MU_TASK_RUNNING};
    r.status = (struct mu_task_status){.task_id = run->tasks[0]->id,
                                       .framework_id = run->frameworks[0].id,
                                       .agent_id = a->info.id,
                                       .state = MU_TASK_RUNNING,
                                       .source = MU_SOURCE_EXECUTOR,
                                       .wall_ms = w->host->wall_ms(w->host)};
    mu_uuid_make(w->host->random(w->host), w->host->random(w->host), &r.status.uuid);
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_STATUS_UPDATE);
    mu_msg_add_status(&m, &r.status);
    m.latest_state = MU_TASK_RUNNING;
    link_client_send(a->link, link, &m);
    mu_msg_release(&m);
    MU_VEC_PUSH(&a->tasks, r);
    w->tasks++;
    if (a->frameworks.count == 0) {
        MU_VEC_PUSH_ZERO(&a->frameworks);
        mu_framework_info_copy(&a->frameworks.v[0], &run->frameworks[0]);
    }
}

static void on_message(void *arg, uint64_t link, const struct mu_msg *msg)
{
    struct fake_agent *a = arg;
    struct mu_msg pong;
    switch (msg->type) {
    case MU_MSG_REGISTERED:
    case MU_MSG_REREGISTERED:
        registered(a, msg);
        break;
    case MU_MSG_RUN_TASK:
        run_task(a, link, msg);
        break;
    case MU_MSG_PING:
        mu_msg_init(&pong, MU_MSG_PONG);
        link_client_send(a->link, link, &pong);
        mu_msg_release(&pong);
        break;
    default:
        break; /* acknowledgements, kills: nothing that the load needs */
    }
}

static const struct link_client_events events = {on_up, on_down, on_message};

static void on_host_closed(void *arg)
{
    (void)arg; /* the loop has nothing left to do */
}

static void on_failed(void *arg, const char *plugin, const struct mu_error *err)
{
    (void)arg;
    (void)plugin;
    fprintf(stderr, "%s\n", err->text);
}

static void on_stopped(void *arg)
{
    struct world *w = arg;
    if (++w->stopped == w->count) {
        rt_host_close(w->rt, on_host_closed, w);
    }
}

static void on_end(uv_signal_t *handle, int signum)
{
    struct world *w = handle->data;
    (void)signum;
    uv_close((uv_handle_t *)handle, NULL);
    w->is_ending = true;
    for (size_t i = 0; i < w->count; i++) {
        w->host->timer_cancel(w->host, w->agents[i].turn);
        link_client_stop(w->agents[i].link, on_stopped, w);
    }
}

static void make_agent(struct world *w, size_t i)
{
    struct fake_agent *a = &w->agents[i];
    struct mu_error err;
    a->w = w;
    a->master = i % w->master_count;
    a->info.hostname = mu_xasprintf("host%zu", i);
    a->info.ip = mu_xasprintf("10.%zu.%zu.%zu", i >> 16 & 255, i >> 8 & 255, i & 255);
    a->info.version = mu_xstrdup("bench");
    a->info.port = 5051;
    int rc = mu_resources_parse("cpus:16;mem:65536;disk:100000;ports:[31000-32000]", "*",
                                &a->info.resources, &err);
    MU_ASSERT(rc == 0);
    a->link = link_client_create(w->host, &events, a);
    link_client_set_master(a->link, w->masters[a->master]);
}

static void free_agent(struct fake_agent *a)
{
    link_client_destroy(a->link);
    mu_agent_info_release(&a->info);
    for (size_t i = 0; i < a->tasks.count; i++) {
        mu_task_info_unref(a->tasks.v[i].info); /* its status owns nothing */
    }
    free(a->tasks.v);
    for (size_t i = 0; i < a->frameworks.count; i++) {
        mu_framework_info_release(&a->frameworks.v[i]);
    }
    free(a->frameworks.v);
}

int main(int argc, char **argv)
{
    static struct world w;
    char *masters = NULL;
    for (int i = 1; i < argc; i++) {
        unsigned count = 0;
        if (sscanf(argv[i], "--count=%u", &count) == 1 && count >= 1 && count <= 20000) {
            w.count = count;
        } else if (strncmp(argv[i], "--master=", 9) == 0) {
            masters = argv[i] + 9;
        }
    }
    for (char *rest = masters, *one; (one = strsep(&rest, ",")) != NULL;) {
        if (w.master_count < MASTERS_MAX) {
            w.masters[w.master_count++] = one;
        }
    }
    if (w.count == 0 || w.master_count == 0) {
        fprintf(stderr,
                "usage: agents --count=N --master=HOST:PORT[,HOST:PORT...]  (N: 1 to "
                "20000)\n");
        return 2;
    }
    MU_ASSERT(uv_loop_init(&w.loop) == 0);
    const struct rt_host_config config = {.loop = &w.loop,
                                          .log_level = MU_ERROR,
                                          .log_fd = STDERR_FILENO,
                                          .on_failed = on_failed};
    struct mu_error err;
    if (rt_host_open(&config, &w.rt, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    w.host = rt_host_get(w.rt);
    w.since_ms = w.host->now_ms(w.host);
    uv_signal_init(&w.loop, &w.end);
    w.end.data = &w;
    uv_signal_start(&w.end, on_end, SIGTERM);
    w.agents = mu_xcalloc(w.count, sizeof(*w.agents));
    for (size_t i = 0; i < w.count; i++) {
        make_agent(&w, i);
    }
    uv_run(&w.loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < w.count; i++) {
        free_agent(&w.agents[i]);
    }
    free(w.agents);
    return uv_loop_close(&w.loop);
}
