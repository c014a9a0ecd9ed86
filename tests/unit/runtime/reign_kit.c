/* See reign_kit.h. Plugin descriptors have no argument: the one kit of the process is
 * found through `current`. */
#include "unit/runtime/reign_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/kind/api.h>
#include <muster/plugin.h>
#include <muster/time.h>

#include "base/alloc.h"
#include "runtime/flags.h"
#include "runtime/host.h"
#include "runtime/http_server.h"
#include "runtime/loader.h"

#define WAIT_MS 20000u

static struct kit *current;

/* ---- the election ---- */

static void el_listen(void *instance, const struct mu_election_events *events, void *arg)
{
    struct kit *k = instance;
    k->events = events;
    k->events_arg = arg;
}

static int el_contend(void *instance, const struct mu_member *self, struct mu_error *err)
{
    (void)err;
    struct kit *k = instance;
    assert_null(k->self.id); /* it stood already */
    k->self = *self;
    k->contends++;
    return 0;
}

static void on_withdraw_turn(void *arg)
{
    kit_withdrawn(arg);
}

static void el_withdraw(void *instance, mu_cb cb, void *arg)
{
    struct kit *k = instance;
    assert_null(k->withdrawn_cb);
    k->self = (struct mu_member){0};
    k->withdraws++;
    k->withdrawn_cb = cb;
    k->withdrawn_arg = arg;
    if (!k->holds_withdrawals) {
        (void)k->th->host->timer_start(k->th->host, 0, on_withdraw_turn, k);
    }
}

static int el_detect(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static int el_depose(void *instance,
                     const struct mu_member *member,
                     const char *proof,
                     struct mu_error *err)
{
    struct kit *k = instance;
    k->deposes++;
    snprintf(k->deposed, sizeof(k->deposed), "%s", member->id);
    snprintf(k->proof, sizeof(k->proof), "%s", proof);
    return k->depose_status < 0 ? mu_fail(err, k->depose_status, "not now") : 0;
}

static uint64_t el_lease_ms(void *instance)
{
    struct kit *k = instance;
    uint64_t end_ms = k->lease_end_ms;
    if (k->ends_lease_after > 0 && --k->ends_lease_after == 0) {
        k->lease_end_ms = 0;
    }
    return end_ms;
}

static int create(const struct mu_host *host,
                  const struct mu_flags *values,
                  void **out,
                  struct mu_error *err)
{
    (void)host;
    (void)values;
    (void)err;
    *out = current;
    return 0;
}

static int start(void *instance, struct mu_error *err)
{
    (void)instance;
    (void)err;
    return 0;
}

static void stop_at_once(void *instance, mu_cb cb, void *arg)
{
    struct kit *k = instance;
    (void)k->th->host->timer_start(k->th->host, 0, cb, arg);
}

static void destroy(void *instance)
{
    (void)instance;
}

static const struct mu_election_ops election_ops = {
    .struct_size = sizeof(struct mu_election_ops),
    .listen = el_listen,
    .contend = el_contend,
    .withdraw = el_withdraw,
    .detect = el_detect,
    .depose = el_depose,
    .lease_ms = el_lease_ms,
};

static const struct mu_plugin election = {
    MU_PLUGIN_HEAD,        .kind = MU_KIND_ELECTION, .name = "scripted", .version = "0",
    .summary = "scripted", .ops = &election_ops,     .create = create,   .start = start,
    .stop = stop_at_once,  .destroy = destroy,
};

/* ---- an api plugin that takes its time to stop ---- */

static void probe_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    (void)instance;
    (void)roles;
    (void)core;
}

static void probe_stop(void *instance, mu_cb cb, void *arg)
{
    struct kit *k = instance;
    k->probe_stops = true;
    k->withdraws_then = k->withdraws;
    k->probe_cb = cb;
    k->probe_arg = arg;
    if (!k->holds_withdrawals) {
        kit_probe_stopped(k);
    }
}

static const struct mu_api_ops probe_ops = {.struct_size = sizeof(struct mu_api_ops),
                                            .attach = probe_attach};

static const struct mu_plugin probe = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_API,
    .name = "probe",
    .version = "0",
    .summary = "slow to stop",
    .ops = &probe_ops,
    .create = create,
    .start = start,
    .stop = probe_stop,
    .destroy = destroy,
};

void kit_probe_stopped(struct kit *k)
{
    assert_non_null(k->probe_cb);
    (void)k->th->host->timer_start(k->th->host, 0, k->probe_cb, k->probe_arg);
    k->probe_cb = NULL;
}

/* ---- options ---- */

static void choose(struct kit *k, const struct mu_plugin *p)
{
    const struct flags_table t = {.title = p->name, .prefix = p->name, .table = p->flags};
    struct plugin_choice *c = &k->s.choices[k->s.choice_count++];
    c->plugin = p;
    assert_int_equal(flags_add(k->s.flags, &t, &c->values, NULL), 0);
}

static void choose_file(struct kit *k, uint32_t kind, const char *name)
{
    const struct mu_plugin *p = NULL;
    struct mu_error err;
    if (loader_open(k->s.loader, kind, name, &p, &err) < 0) {
        fail_msg("%s", err.text);
    }
    choose(k, p);
}

static void prepare(struct kit *k)
{
    static const char *const dirs[] = {PLUGIN_DIR};
    static const char *const argv[] = {
        "--ip=127.0.0.1",    "--hostname=localhost",       "--election=scripted",
        "--port=0",          "--registry=in_memory",       "--app_registry=in_memory",
        "--marathon_port=0", "--api=mesos,marathon,probe", "--marathon_leader_wait=0secs",
    };
    const struct loader_config config = {.dirs = dirs, .dir_count = 1};
    k->s.command = OPTIONS_MASTER;
    k->s.loader = loader_create(&config, NULL);
    k->s.flags = flags_create();
    k->s.core_table = options_table(OPTIONS_MASTER);
    const struct flags_table t = {.title = "core", .table = k->s.core_table};
    assert_int_equal(flags_add(k->s.flags, &t, &k->s.core, NULL), 0);
    mu_buf_init(&k->s.errors, 65536);
    mu_buf_init(&k->s.warnings, 65536);
    mu_buf_init(&k->s.out, 65536);
    choose(k, &election);
    choose_file(k, MU_KIND_REGISTRY, "in_memory");
    choose_file(k, MU_KIND_API, "mesos");
    choose_file(k, MU_KIND_API, "marathon");
    choose(k, &probe);
    const struct flags_input in = {.argc = MU_COUNT_OF(argv), .argv = argv};
    if (flags_parse(k->s.flags, &in, &k->s.errors, &k->s.warnings) < 0 ||
        options_resolve(OPTIONS_MASTER, k->s.core, &k->s.options, &k->s.errors) < 0) {
        fail_msg("%s", mu_buf_str(&k->s.errors));
    }
}

/* ---- life ---- */

static void on_request_stop(struct runtime *rt, int exit_code, const char *reason)
{
    struct kit *k = mu_container_of(rt, struct kit, rt);
    k->exit_code = exit_code;
    snprintf(k->reason, sizeof(k->reason), "%s", reason);
}

struct kit *kit_open(void)
{
    struct kit *k = MU_NEW(struct kit);
    current = k;
    k->th = test_host_open();
    k->exit_code = -1;
    k->lease_end_ms = MU_NEVER_MS;
    mu_buf_init(&k->body, 1024 * 1024);
    prepare(k);
    k->port = test_host_listen(k->th, "master");
    k->app_port = test_host_listen(k->th, "marathon");
    k->rt = (struct runtime){
        .loop = k->th->loop,
        .rt = k->th->rt,
        .host = k->th->host,
        .http = k->th->http,
        .options = &k->s.options,
        .flags = k->s.flags,
        .master_port = k->port,
        .marathon_port = k->app_port,
        .request_stop = on_request_stop,
    };
    struct mu_error err;
    if (plugins_create(&k->rt, k->s.choices, k->s.choice_count, &k->s.errors) < 0) {
        fail_msg("%s", mu_buf_str(&k->s.errors));
    }
    if (run_start(&k->rt, k->s.options.roles, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(k->contends, 1);
    return k;
}

bool kit_run_until(struct kit *k, const bool *flag)
{
    return test_host_run_until(k->th, flag, WAIT_MS);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void kit_stop(struct kit *k)
{
    run_stop(&k->rt, set_flag, &k->is_stopped);
}

static void stop_plugins(struct kit *k)
{
    static const uint32_t kinds[] = {MU_KIND_API, MU_KIND_ELECTION, MU_KIND_REGISTRY};
    for (size_t i = 0; i < MU_COUNT_OF(kinds); i++) {
        bool stopped = false;
        plugins_stop(&k->rt, kinds[i], set_flag, &stopped);
        assert_true(kit_run_until(k, &stopped));
    }
}

void kit_close(struct kit *k)
{
    if (!k->is_stopped) {
        kit_stop(k);
        assert_true(kit_run_until(k, &k->is_stopped));
    }
    stop_plugins(k);
    run_destroy(&k->rt);
    plugins_destroy(&k->rt);
    test_host_close(k->th);
    startup_release(&k->s);
    mu_buf_release(&k->body);
    free(k);
    current = NULL;
}

/* ---- what the election says ---- */

void kit_elect(struct kit *k)
{
    assert_non_null(k->self.id); /* it stands */
    k->events->elected(k->events_arg, ++k->epoch);
    struct mu_member self = k->self;
    self.znode = "json.info_0000000001";
    k->events->leader(k->events_arg, &self);
}

void kit_lose(struct kit *k, const char *why)
{
    k->events->lost(k->events_arg, why);
    k->events->leader(k->events_arg, NULL);
}

void kit_name(struct kit *k, const char *id, uint16_t port)
{
    const struct mu_member other = {
        .struct_size = sizeof(other),
        .id = id,
        .hostname = "localhost",
        .ip = "127.0.0.1",
        .port = port,
        .app_port = port,
        .version = "0",
        .znode = "json.info_0000000002",
    };
    k->events->leader(k->events_arg, &other);
}

void kit_withdrawn(struct kit *k)
{
    mu_cb cb = k->withdrawn_cb;
    assert_non_null(cb);
    k->withdrawn_cb = NULL;
    cb(k->withdrawn_arg);
}

/* ---- requests ---- */

struct answered {
    struct kit *kit;
    bool done;
};

static void on_answer(void *arg, const struct mu_http_answer *a)
{
    struct answered *x = arg;
    struct kit *k = x->kit;
    k->status = a->status;
    mu_buf_clear(&k->body);
    mu_buf_append(&k->body, a->body, a->body_len);
    const char *location = mu_http_header_get(a->headers, a->header_count, "Location");
    snprintf(k->location, sizeof(k->location), "%s", location == NULL ? "" : location);
    x->done = true;
}

int kit_ask(
    struct kit *k, const char *method, uint16_t port, const char *path, const char *body)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned)port, path);
    const struct mu_http_header headers[] = {{"Content-Type", "application/json"}};
    struct answered x = {.kit = k};
    const struct mu_http_ask ask = {
        .struct_size = sizeof(ask),
        .method = method,
        .url = url,
        .headers = headers,
        .header_count = body == NULL ? 0 : 1,
        .body = body,
        .body_len = body == NULL ? 0 : strlen(body),
        .on_done = on_answer,
        .arg = &x,
    };
    assert_int_equal(k->th->host->http_request(k->th->host, &ask, NULL, NULL), 0);
    assert_true(kit_run_until(k, &x.done));
    return k->status;
}

void kit_wait_for_status(struct kit *k, uint16_t port, const char *path, int status)
{
    for (int i = 0; i < 2000 && kit_ask(k, "GET", port, path, NULL) != status; i++) {
    }
    if (k->status != status) {
        fail_msg("%s answers %d: %s", path, k->status, mu_buf_str(&k->body));
    }
}

struct wanted {
    const char *name;
    double value;
};

static void on_metric(void *arg, const char *name, double value)
{
    struct wanted *w = arg;
    if (strcmp(name, w->name) == 0) {
        w->value = value;
    }
}

double kit_metric(struct kit *k, const char *name)
{
    struct wanted w = {name, -1};
    k->th->host->metrics_each(k->th->host, on_metric, &w);
    return w.value;
}
