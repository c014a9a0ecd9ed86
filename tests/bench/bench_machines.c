/* The return of all agents after a failover, on one core: the master's and the app
 * scheduler's machines with their codecs, without sockets and disks.
 *
 *     bench_machines [AGENTS [TASKS_PER_AGENT]]
 *
 * A new leader reads its two registries, the scheduler subscribes, and every agent
 * re-registers with its tasks, twice over: with a registry that names the agents, and
 * with one that is empty. The bytes that agents send are made before; what is measured is
 * the processor time of all that a leader does from the registries' bytes on until the
 * scheduler has heard of every task. Prints one line per part.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/parse.h"
#include "base/vec.h"
#include "codec/master_json.h"
#include "codec/message_json.h"
#include "codec/scheduler_json.h"
#include "master/master.h"
#include "scheduler/env.h"

#define APPS 1000
#define FRAMEWORK_ID "11111111-1111-4111-8111-111111111111-0000"
#define MASTER_ID "22222222-2222-4222-8222-222222222222"
#define VERSION_MS INT64_C(1700000000000)
#define SCHEDULER_LINK 1
#define FIRST_LINK 2

enum part { DECODE, MASTER, SCHEDULER, ENCODE, LOAD, PARTS };
static const char *const part_names[PARTS] = {"decode re-registrations", "master machine",
                                              "scheduler machine", "encode answers",
                                              "load both registries"};

struct blob {
    char *data;
    size_t len;
};
struct blobs {
    struct blob *v;
    size_t count, cap;
};

struct bench {
    size_t agents, tasks;
    struct mu_app *apps[APPS];
    struct blobs returns;       /* REREGISTER of each agent */
    struct blobs agent_records; /* of the master's registry */
    struct blobs keys, records; /* of the scheduler's */
    struct master *m;
    struct scheduler *s;
    struct mu_now now;
    uint64_t spent_ns[PARTS];
    MU_VEC(struct mu_msg) to_scheduler;
    MU_VEC(struct mu_msg) to_master;
    MU_VEC(uint64_t) commits; /* tokens of the master's */
    bool loads;
    size_t updates, answers;
};

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void keep(struct blobs *blobs, struct mu_buf *b)
{
    struct blob x = {mu_xmemdup(mu_buf_str(b), b->len + 1), b->len};
    MU_VEC_PUSH(blobs, x);
    mu_buf_release(b);
}

/* ---- what there is ---- */

static void make_app(struct bench *b, size_t i)
{
    struct mu_app *a = mu_app_create();
    a->id = mu_xasprintf("/prod/service-%04zu", i);
    a->cmd = mu_xstrdup("exec /opt/service/bin/serve --port $PORT0");
    a->instances = (uint32_t)((b->agents * b->tasks + APPS - 1 - i) / APPS);
    a->cpus_milli = 100;
    a->mem_milli = 64000;
    a->version_ms = a->last_scaling_ms = a->last_config_ms = VERSION_MS;
    for (int k = 0; k < 5; k++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "SETTING_%d", k);
        mu_pairs_add(&a->env, name, "a value that is neither short nor long");
    }
    b->apps[i] = a;
}

static void agent_info(struct mu_agent_info *out, size_t i)
{
    *out = (struct mu_agent_info){.port = 5051};
    (void)snprintf(out->id.s, sizeof(out->id.s),
                   "33333333-3333-4333-8333-333333333333-S%zu", i);
    out->hostname = mu_xasprintf("host-%05zu.example.net", i);
    out->ip = mu_xasprintf("10.%zu.%zu.%zu", i >> 16 & 255, i >> 8 & 255, i & 255);
    out->version = mu_xstrdup("0.1.0");
    int rc = mu_resources_parse("cpus:16;mem:65536;disk:500000;ports:[31000-32000]", "*",
                                &out->resources, NULL);
    MU_ASSERT(rc == 0);
    mu_pairs_add(&out->attributes, "rack", "r1");
}

static void add_task(struct bench *b, struct mu_msg *m, size_t number)
{
    const struct mu_app *app = b->apps[number % APPS];
    struct task_place place = {.app = app,
                               .agent_id = m->agent->id,
                               .host = m->agent->hostname,
                               .default_user = "root"};
    (void)snprintf(place.framework_id.s, sizeof(place.framework_id.s), FRAMEWORK_ID);
    (void)snprintf(place.task_id.s, sizeof(place.task_id.s),
                   "prod_service-%04zu.44444444-4444-11ee-8444-%012zx", number % APPS,
                   number);
    struct mu_resources r = {0};
    int rc = mu_resources_parse("cpus:0.1;mem:64", "*", &r, NULL);
    MU_ASSERT(rc == 0);
    const struct mu_task_info *info = task_info_build(&place, &r);
    struct mu_task_record rec = {.info = info, .state = MU_TASK_RUNNING};
    rec.status = (struct mu_task_status){.task_id = place.task_id,
                                         .framework_id = place.framework_id,
                                         .agent_id = place.agent_id,
                                         .state = MU_TASK_RUNNING,
                                         .source = MU_SOURCE_EXECUTOR,
                                         .wall_ms = VERSION_MS + 1000};
    mu_uuid_make(number, number * 31, &rec.status.uuid);
    mu_msg_add_record(m, &rec);
    struct scheduler_task_record t = {.id = place.task_id,
                                      .app_id = app->id,
                                      .version_ms = VERSION_MS,
                                      .staged_ms = VERSION_MS + 1,
                                      .started_ms = VERSION_MS + 1000,
                                      .agent_id = place.agent_id,
                                      .host = m->agent->hostname,
                                      .state = MU_TASK_RUNNING};
    const struct scheduler_record sr = {.kind = SCHED_REC_TASK, .task = &t};
    struct mu_buf key, value;
    mu_buf_init(&key, MU_REGISTRY_KEY_MAX);
    mu_buf_init(&value, MU_REGISTRY_VALUE_MAX);
    scheduler_record_key(&sr, &key);
    scheduler_record_encode(&value, &sr);
    keep(&b->keys, &key);
    keep(&b->records, &value);
    mu_task_info_unref(info);
}

static struct mu_framework_info framework(void)
{
    static char name[] = "marathon", user[] = "root";
    struct mu_framework_info f = {.name = name,
                                  .user = user,
                                  .failover_timeout_ms = 604800000,
                                  .checkpoint = true,
                                  .capabilities = MU_CAP_PARTITION_AWARE};
    (void)snprintf(f.id.s, sizeof(f.id.s), FRAMEWORK_ID);
    return f;
}

static void make_agent(struct bench *b, size_t i)
{
    struct mu_agent_info info;
    agent_info(&info, i);
    struct mu_msg m;
    mu_msg_init(&m, MU_MSG_REREGISTER);
    mu_msg_set_agent(&m, &info);
    for (size_t t = 0; t < b->tasks; t++) {
        add_task(b, &m, i * b->tasks + t);
    }
    struct mu_framework_info f = framework();
    mu_msg_add_framework(&m, &f);
    struct mu_buf bytes;
    mu_buf_init(&bytes, MU_MESSAGE_MAX);
    message_encode(&bytes, &m);
    keep(&b->returns, &bytes);
    mu_msg_release(&m);
    const struct master_record rec = {
        .agent = info, .state = MASTER_AGENT_ADMITTED, .since_ms = VERSION_MS};
    mu_buf_init(&bytes, MU_REGISTRY_VALUE_MAX);
    master_record_encode(&bytes, &rec);
    keep(&b->agent_records, &bytes);
    mu_agent_info_release(&info);
}

static void make_apps(struct bench *b)
{
    for (size_t i = 0; i < APPS; i++) {
        make_app(b, i);
        static const uint32_t kinds[] = {SCHED_REC_APP, SCHED_REC_VERSION};
        for (size_t k = 0; k < 2; k++) {
            const struct scheduler_record r = {.kind = kinds[k], .app = b->apps[i]};
            struct mu_buf key, value;
            mu_buf_init(&key, MU_REGISTRY_KEY_MAX);
            mu_buf_init(&value, MU_REGISTRY_VALUE_MAX);
            scheduler_record_key(&r, &key);
            scheduler_record_encode(&value, &r);
            keep(&b->keys, &key);
            keep(&b->records, &value);
        }
    }
}

/* ---- steps ---- */

static void step_master(struct bench *b, struct master_event *ev)
{
    struct master_effects fx = {0};
    ev->now = b->now;
    uint64_t before = cpu_ns();
    master_step(b->m, ev, &fx);
    b->spent_ns[MASTER] += cpu_ns() - before;
    for (size_t i = 0; i < fx.count; i++) {
        struct master_effect *e = &fx.v[i];
        if (e->type == MASTER_FX_COMMIT) {
            MU_VEC_PUSH(&b->commits, e->token);
        } else if (e->type == MASTER_FX_SEND && e->link == SCHEDULER_LINK) {
            b->updates += e->msg.type == MU_MSG_UPDATE;
            MU_VEC_PUSH_ZERO(&b->to_scheduler);
            mu_msg_move(&b->to_scheduler.v[b->to_scheduler.count - 1], &e->msg);
        } else if (e->type == MASTER_FX_SEND) {
            struct mu_buf bytes;
            mu_buf_init(&bytes, MU_MESSAGE_MAX);
            uint64_t from = cpu_ns();
            message_encode(&bytes, &e->msg);
            b->spent_ns[ENCODE] += cpu_ns() - from;
            b->answers += e->msg.type == MU_MSG_REREGISTERED;
            mu_buf_release(&bytes);
        }
    }
    before = cpu_ns();
    master_effects_release(&fx);
    b->spent_ns[MASTER] += cpu_ns() - before;
    free(fx.v);
}

static void step_scheduler(struct bench *b, struct scheduler_event *ev, enum part part)
{
    struct scheduler_effects fx = {0};
    ev->now = b->now;
    uint64_t before = cpu_ns();
    scheduler_step(b->s, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        struct scheduler_effect *e = &fx.v[i];
        b->loads = b->loads || e->type == SCHED_FX_LOAD;
        if (e->type == SCHED_FX_SEND) {
            MU_VEC_PUSH_ZERO(&b->to_master);
            mu_msg_move(&b->to_master.v[b->to_master.count - 1], &e->msg);
        }
    }
    scheduler_effects_release(&fx);
    free(fx.v);
    b->spent_ns[part] += cpu_ns() - before;
}

static void deliver(struct bench *b)
{
    while (b->to_scheduler.count > 0 || b->to_master.count > 0 || b->commits.count > 0) {
        for (size_t i = 0; i < b->to_scheduler.count; i++) {
            struct scheduler_event ev = {.type = SCHED_EV_MESSAGE,
                                         .msg = &b->to_scheduler.v[i]};
            step_scheduler(b, &ev, SCHEDULER);
            mu_msg_release(&b->to_scheduler.v[i]);
        }
        MU_VEC_CLEAR(&b->to_scheduler);
        if (b->to_master.count > 0) {
            struct mu_msg m = b->to_master.v[0];
            MU_VEC_REMOVE(&b->to_master, 0);
            struct master_event ev = {
                .type = MASTER_EV_MESSAGE, .link = SCHEDULER_LINK, .msg = &m};
            step_master(b, &ev);
            mu_msg_release(&m);
        } else if (b->commits.count > 0) {
            struct master_event ev = {.type = MASTER_EV_COMMITTED,
                                      .token = b->commits.v[0]};
            MU_VEC_REMOVE(&b->commits, 0);
            step_master(b, &ev);
        }
    }
}

static void pass_time(struct bench *b, uint64_t ms)
{
    b->now.mono_ms += ms;
    b->now.wall_ms += (int64_t)ms;
    while (master_deadline_ms(b->m) <= b->now.mono_ms ||
           scheduler_deadline_ms(b->s) <= b->now.mono_ms) {
        struct master_event me = {.type = MASTER_EV_TICK};
        step_master(b, &me);
        struct scheduler_event se = {.type = SCHED_EV_TICK};
        step_scheduler(b, &se, SCHEDULER);
        deliver(b);
    }
}

/* ---- the story ---- */

static void load_registries(struct bench *b, bool named)
{
    struct scheduler_event start = {.type = SCHED_EV_START, .epoch = 2};
    step_scheduler(b, &start, LOAD);
    struct scheduler_record f = {.kind = SCHED_REC_FRAMEWORK,
                                 .framework_id = framework().id};
    struct scheduler_event fe = {.type = SCHED_EV_ENTRY, .record = &f};
    step_scheduler(b, &fe, LOAD);
    for (size_t i = 0; i < b->records.count; i++) {
        uint64_t before = cpu_ns();
        struct scheduler_record r;
        int rc = scheduler_record_decode(b->keys.v[i].data, b->records.v[i].data,
                                         b->records.v[i].len, &r, NULL);
        MU_ASSERT(rc == 0);
        b->spent_ns[LOAD] += cpu_ns() - before;
        struct scheduler_event ev = {.type = SCHED_EV_ENTRY, .record = &r};
        step_scheduler(b, &ev, LOAD);
        scheduler_record_release(&r);
    }
    struct scheduler_event loaded = {.type = SCHED_EV_LOADED};
    step_scheduler(b, &loaded, LOAD);
    struct master_event elected = {.type = MASTER_EV_ELECTED, .epoch = 2};
    step_master(b, &elected);
    uint64_t before = cpu_ns();
    for (size_t i = 0; named && i < b->agent_records.count; i++) {
        struct master_record r;
        int rc = master_record_decode(b->agent_records.v[i].data,
                                      b->agent_records.v[i].len, &r, NULL);
        MU_ASSERT(rc == 0);
        struct master_event ev = {.type = MASTER_EV_ENTRY, .record = &r};
        step_master(b, &ev);
        mu_agent_info_release(&r.agent);
    }
    b->spent_ns[LOAD] += cpu_ns() - before;
    b->spent_ns[MASTER] = 0; /* it is part of the loading so far */
    struct master_event recovered = {.type = MASTER_EV_RECOVERED};
    step_master(b, &recovered);
}

static double number_of(const char *wanted, struct bench *b);

struct search {
    const char *name;
    double value;
};
static void on_metric(void *arg, const char *name, double value)
{
    struct search *s = arg;
    if (strcmp(s->name, name) == 0) {
        s->value = value;
    }
}
static double number_of(const char *wanted, struct bench *b)
{
    struct search s = {wanted, -1};
    master_metrics(b->m, on_metric, &s);
    scheduler_metrics(b->s, on_metric, &s);
    return s.value;
}

static void make_machines(struct bench *b)
{
    b->now = (struct mu_now){1000, VERSION_MS + 3600000};
    struct master_config mc = {.hostname = "master",
                               .ip = "10.0.0.1",
                               .version = "0.1.0",
                               .port = 5050,
                               .seed = 7,
                               .max_completed_frameworks = 50,
                               .max_completed_tasks = 1000};
    (void)snprintf(mc.id.s, sizeof(mc.id.s), MASTER_ID);
    const struct scheduler_config sc = {.name = "marathon",
                                        .role = "*",
                                        .seed = 7,
                                        .failover_timeout_ms = 604800000,
                                        .decline_ms = 120000,
                                        .min_revive_interval_ms = 5000,
                                        .reconcile_initial_ms = 15000,
                                        .reconcile_interval_ms = 600000,
                                        .scale_apps_initial_ms = 15000,
                                        .scale_apps_interval_ms = 300000,
                                        .launch_confirm_timeout_ms = 300000,
                                        .launch_timeout_ms = 300000,
                                        .kill_retry_ms = 30000,
                                        .max_tasks_per_offer = 100,
                                        .local_port_min = 10000,
                                        .local_port_max = 20000,
                                        .max_versions = 50,
                                        .max_running_deployments = 100};
    b->m = master_create(&mc);
    b->s = scheduler_create(&sc);
}

static void print_result(struct bench *b, bool named)
{
    uint64_t total = 0;
    printf("registry %s:\n", named ? "names the agents" : "is empty");
    for (size_t i = 0; i < PARTS; i++) {
        total += b->spent_ns[i];
        printf("  %-26s %8.3f s\n", part_names[i], (double)b->spent_ns[i] / 1e9);
    }
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    printf("  %-26s %8.3f s; %zu agents answered, %.0f tasks running, %.0f not heard of, "
           "%zu updates; %ld MB at most\n",
           "all, on one core", (double)total / 1e9, b->answers,
           number_of("marathon.instances.running.gauge", b),
           number_of("marathon.instances.unconfirmed.gauge", b), b->updates,
           u.ru_maxrss / 1024);
}

static void run(struct bench *b, bool named)
{
    memset(b->spent_ns, 0, sizeof(b->spent_ns));
    b->updates = b->answers = 0;
    make_machines(b);
    load_registries(b, named);
    struct scheduler_event up = {.type = SCHED_EV_CONNECTED};
    step_scheduler(b, &up, SCHEDULER);
    deliver(b);
    for (size_t i = 0; i < b->agents; i++) {
        struct mu_msg m;
        uint64_t before = cpu_ns();
        int rc = message_decode(b->returns.v[i].data, b->returns.v[i].len, &m, NULL);
        MU_ASSERT(rc == 0);
        b->spent_ns[DECODE] += cpu_ns() - before;
        struct master_event ev = {
            .type = MASTER_EV_MESSAGE, .link = FIRST_LINK + i, .msg = &m};
        step_master(b, &ev);
        before = cpu_ns();
        mu_msg_release(&m);
        b->spent_ns[DECODE] += cpu_ns() - before;
        deliver(b);
        if (i % 10 == 9) {
            pass_time(b, 1); /* four seconds for 40,000 */
        }
    }
    print_result(b, named);
    uint64_t before[] = {b->spent_ns[MASTER], b->spent_ns[SCHEDULER]};
    pass_time(b, 20000); /* the first reconciliation of all, and the first pings */
    for (int i = 0; i < 1000; i++) {
        pass_time(b, 10);
    }
    printf("  %-26s %8.3f s master, %.3f s scheduler\n", "the 30 seconds after that",
           (double)(b->spent_ns[MASTER] - before[0]) / 1e9,
           (double)(b->spent_ns[SCHEDULER] - before[1]) / 1e9);
    scheduler_destroy(b->s);
    master_destroy(b->m);
}

static void release(struct blobs *blobs)
{
    for (size_t i = 0; i < blobs->count; i++) {
        free(blobs->v[i].data);
    }
    MU_VEC_RELEASE(blobs);
}

static size_t argument(int argc, char **argv, int i, size_t fallback)
{
    uint64_t v = fallback;
    if (i < argc && (mu_parse_u64(argv[i], &v, NULL) < 0 || v == 0 || v > 1000000)) {
        fprintf(stderr, "usage: bench_machines [AGENTS [TASKS_PER_AGENT]]\n");
        exit(1);
    }
    return (size_t)v;
}

int main(int argc, char **argv)
{
    static struct bench b;
    b.agents = argument(argc, argv, 1, 40000);
    b.tasks = argument(argc, argv, 2, 10);
    make_apps(&b);
    for (size_t i = 0; i < b.agents; i++) {
        make_agent(&b, i);
    }
    run(&b, true);
    run(&b, false);
    release(&b.returns);
    release(&b.agent_records);
    release(&b.keys);
    release(&b.records);
    for (size_t i = 0; i < APPS; i++) {
        mu_app_unref(b.apps[i]);
    }
    MU_VEC_RELEASE(&b.to_scheduler);
    MU_VEC_RELEASE(&b.to_master);
    MU_VEC_RELEASE(&b.commits);
    return 0;
}
