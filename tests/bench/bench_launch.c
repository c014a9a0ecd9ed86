/* How quick an agent starts tasks: a master that knows nothing but one agent.
 *
 *     bench_launch SINGLE AT_ONCE ROUNDS
 *
 * Prints the port it listens on, waits for the agent, and then measures from sending
 * RUN_TASK to hearing TASK_RUNNING: SINGLE tasks one after the other, then ROUNDS times
 * AT_ONCE tasks together. What a real master adds to ACCEPT is validation and booking, a
 * few microseconds each. Prints "single MEDIAN MIN MAX" in ms, "rate BEST MEDIAN" in
 * launches/s. Each task is killed, and its end heard, before the next is measured.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "runtime/host.h"
#include "runtime/http_server.h"
#include "runtime/link_server.h"

#define FRAMEWORK "bench-0000"
#define AGENT "bench-S0"
#define PATIENCE_MS 120000u

struct bench {
    uv_loop_t loop;
    uv_timer_t patience;
    struct rt_host *rt;
    const struct mu_host *host;
    struct link_server *links;
    uint64_t link; /* of the agent; 0: none yet */
    uint64_t next_task;
    uint64_t asked_ns, last_running_ns;
    unsigned running, ended;
    bool is_late;
};

static MU_PRINTF(1, 2) void fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("bench_launch: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void set(char *out, size_t size, const char *text)
{
    if (snprintf(out, size, "%s", text) >= (int)size) {
        fail("'%s' is too long", text);
    }
}

/* ---- what the agent says ---- */

static void answer_registration(struct bench *b, uint64_t link, const struct mu_msg *m)
{
    struct mu_msg answer;
    mu_msg_init(&answer,
                m->type == MU_MSG_REGISTER ? MU_MSG_REGISTERED : MU_MSG_REREGISTERED);
    set(answer.agent_id.s, sizeof(answer.agent_id.s), AGENT);
    answer.heartbeat_ms = PATIENCE_MS;
    answer.epoch = 1;
    b->link = link;
    link_server_send(b->links, link, &answer);
    mu_msg_release(&answer);
}

static void on_status(struct bench *b, const struct mu_msg *m)
{
    const struct mu_task_status *s = &m->statuses[0];
    struct mu_msg ack;
    mu_msg_init(&ack, MU_MSG_ACK_UPDATE);
    ack.framework_id = s->framework_id;
    ack.task_id = s->task_id;
    ack.uuid = s->uuid;
    link_server_send(b->links, b->link, &ack);
    mu_msg_release(&ack);
    if (s->state == MU_TASK_RUNNING) {
        b->running++;
        b->last_running_ns = uv_hrtime();
    } else if (s->state == MU_TASK_KILLED) {
        b->ended++;
    } else if (mu_task_state_is_terminal((enum mu_task_state)s->state)) {
        fail("%s: %s", mu_task_state_name((enum mu_task_state)s->state), s->message);
    }
}

static void on_message(void *arg, uint64_t link, const struct mu_msg *m)
{
    struct bench *b = arg;
    if (m->type == MU_MSG_REGISTER || m->type == MU_MSG_REREGISTER) {
        answer_registration(b, link, m);
    } else if (m->type == MU_MSG_STATUS_UPDATE && m->status_count > 0) {
        on_status(b, m);
    }
}

static void on_closed(void *arg, uint64_t link)
{
    (void)arg;
    (void)link;
    fail("the agent has gone");
}

static bool
on_gate(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    (void)arg;
    (void)x;
    (void)req;
    return true;
}

/* ---- what it is told ---- */

static void name_task(struct mu_task_id *id, uint64_t number)
{
    (void)snprintf(id->s, sizeof(id->s), "bench.%" PRIu64, number);
}

static void run_task(struct bench *b)
{
    struct mu_task_info *t = mu_task_info_create();
    name_task(&t->id, b->next_task++);
    set(t->framework_id.s, sizeof(t->framework_id.s), FRAMEWORK);
    set(t->agent_id.s, sizeof(t->agent_id.s), AGENT);
    t->name = mu_xstrdup("bench");
    if (mu_resources_parse("cpus:0.01;mem:8", "*", &t->resources, NULL) < 0) {
        fail("the resources are wrong");
    }
    t->command.has_value = t->command.shell = true;
    t->command.value = mu_xstrdup("exec sleep 1000");
    struct mu_framework_info f = {0};
    set(f.id.s, sizeof(f.id.s), FRAMEWORK);
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_RUN_TASK);
    mu_msg_add_framework(&m, &f);
    mu_msg_add_task(&m, t);
    mu_task_info_unref(t);
    link_server_send(b->links, b->link, &m);
    mu_msg_release(&m);
}

static void kill_task(struct bench *b, uint64_t number)
{
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_KILL_TASK);
    set(m.framework_id.s, sizeof(m.framework_id.s), FRAMEWORK);
    name_task(&m.task_id, number);
    m.has_grace = true;
    m.grace_ms = 1000;
    link_server_send(b->links, b->link, &m);
    mu_msg_release(&m);
}

/* ---- turns ---- */

static void on_patience(uv_timer_t *timer)
{
    struct bench *b = timer->data;
    b->is_late = true;
}

static void turn(struct bench *b, const char *what)
{
    (void)uv_run(&b->loop, UV_RUN_ONCE);
    if (b->is_late) {
        fail("not within %u s: %s", PATIENCE_MS / 1000, what);
    }
}

/* Start count tasks and wait until they run: ns from the first to the last. */
static uint64_t launch(struct bench *b, unsigned count)
{
    uv_timer_start(&b->patience, on_patience, PATIENCE_MS, 0);
    b->running = b->ended = 0;
    uint64_t first = b->next_task;
    b->asked_ns = uv_hrtime();
    for (unsigned i = 0; i < count; i++) {
        run_task(b);
    }
    while (b->running < count) {
        turn(b, "tasks run");
    }
    uint64_t took = b->last_running_ns - b->asked_ns;
    for (unsigned i = 0; i < count; i++) {
        kill_task(b, first + i);
    }
    while (b->ended < count) {
        turn(b, "tasks are killed");
    }
    return took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct bench *b, unsigned single, unsigned at_once, unsigned rounds)
{
    double *v = mu_xcalloc(single + rounds, sizeof(*v));
    for (unsigned i = 0; i < single; i++) {
        v[i] = (double)launch(b, 1) / 1e6;
    }
    qsort(v, single, sizeof(*v), by_value);
    printf("single %.2f %.2f %.2f\n", v[single / 2], v[0], v[single - 1]);
    for (unsigned i = 0; i < rounds; i++) {
        v[i] = at_once * 1e9 / (double)launch(b, at_once);
    }
    qsort(v, rounds, sizeof(*v), by_value);
    printf("rate %.0f %.0f\n", v[rounds - 1], v[rounds / 2]);
    free(v);
}

static void open_all(struct bench *b)
{
    static const struct link_server_events events = {on_gate, on_message, on_closed};
    const struct rt_host_config config = {.loop = &b->loop, .log_fd = STDERR_FILENO};
    struct mu_error err;
    uint16_t port = 0;
    if (uv_loop_init(&b->loop) < 0 || rt_host_open(&config, &b->rt, &err) < 0) {
        fail("no loop");
    }
    uv_timer_init(&b->loop, &b->patience);
    b->patience.data = b;
    b->host = rt_host_get(b->rt);
    struct http_server *http = http_server_create(&b->loop, NULL);
    rt_host_set_http_server(b->rt, http);
    b->links = link_server_create(b->host, &events, b);
    if (link_server_start(b->links, &err) < 0 ||
        http_server_listen(http, "master", "127.0.0.1", 0, &port, &err) < 0) {
        fail("%s", err.text);
    }
    printf("port %u\n", port);
    fflush(stdout);
}

static unsigned count_of(const char *text)
{
    uint64_t v = 0;
    if (mu_parse_u64(text, &v, NULL) < 0 || v == 0 || v > 100000) {
        fail("'%s' is no count", text);
    }
    return (unsigned)v;
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 4) {
        fail("usage: bench_launch SINGLE AT_ONCE ROUNDS");
    }
    open_all(&b);
    uv_timer_start(&b.patience, on_patience, PATIENCE_MS, 0);
    while (b.link == 0) {
        turn(&b, "an agent comes");
    }
    measure(&b, count_of(argv[1]), count_of(argv[2]), count_of(argv[3]));
    return 0; /* the process ends with all it has open */
}
