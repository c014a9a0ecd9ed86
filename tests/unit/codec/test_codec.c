/* The codecs: what is encoded reads back as the same (shown by encoding it again), and
 * foreign bytes are refused with the member's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/agent_json.h"
#include "codec/app_json.h"
#include "codec/master_json.h"
#include "codec/message_json.h"
#include "codec/scheduler_json.h"
#include "codec/task_json.h"

static void set(char *out, const char *text)
{
    memcpy(out, text, strlen(text) + 1);
}

static struct mu_task_info *full_task(const char *id)
{
    struct mu_task_info *t = mu_task_info_create();
    set(t->id.s, id);
    set(t->framework_id.s, "m-0000");
    set(t->agent_id.s, "m-S0");
    t->name = mu_xstrdup("ubuntu \"quoted\" \xc3\xa9");
    struct mu_error err;
    assert_int_equal(
        mu_resources_parse(
            "cpus:0.3;mem:200;ports:[31000-31002,31005-31005];disk(role):7;set:{a,b}",
            "*", &t->resources, &err),
        0);
    t->command.has_value = true;
    t->command.value = mu_xstrdup("while sleep 10; do date -u +%T; done");
    t->command.shell = true;
    mu_strings_add(&t->command.args, "x y");
    mu_pairs_add(&t->command.env, "A", "1=2");
    mu_pairs_add(&t->command.env, "EMPTY", "");
    struct mu_uri *u = mu_uris_add(&t->command.uris, "http://localhost/x.tgz");
    u->output_file = mu_xstrdup("sub/x.tgz");
    u->extract = true;
    t->command.user = mu_xstrdup("nobody");
    t->container.type = MU_CONTAINER_DOCKER;
    t->container.image = mu_xstrdup("libmesos/ubuntu");
    t->container.network = MU_NETWORK_BRIDGE;
    t->container.privileged = true;
    t->container.ports.v = mu_xcalloc(1, sizeof(*t->container.ports.v));
    t->container.ports.count = t->container.ports.cap = 1;
    t->container.ports.v[0] = (struct mu_port_mapping){
        .host_port = 31000, .container_port = 80, .protocol = "udp"};
    mu_pairs_add(&t->container.parameters, "label", "a=b");
    mu_pairs_add(&t->container.parameters, "label", "c=d");
    t->container.volumes.v = mu_xcalloc(1, sizeof(*t->container.volumes.v));
    t->container.volumes.count = t->container.volumes.cap = 1;
    t->container.volumes.v[0] =
        (struct mu_volume){mu_xstrdup("/data"), mu_xstrdup("/srv"), true};
    mu_pairs_add(&t->labels, "k", "v");
    t->has_kill_grace = true;
    t->kill_grace_ms = 0;
    t->discovery_json = mu_xstrdup("{\"visibility\":\"FRAMEWORK\"}");
    return t;
}

static struct mu_task_status full_status(void)
{
    struct mu_task_status s = {.state = MU_TASK_FAILED,
                               .source = MU_SOURCE_AGENT,
                               .wall_ms = 1399360089010,
                               .has_healthy = true};
    set(s.task_id.s, "t.1");
    set(s.framework_id.s, "m-0000");
    set(s.agent_id.s, "m-S0");
    set(s.container_id.s, "c");
    set(s.uuid.s, "00000000-0000-4000-8000-000000000000");
    set(s.reason, "REASON_CONTAINER_LAUNCH_FAILED");
    set(s.message, "exec '/no/such':\nno such file");
    set(s.ip, "172.17.0.2");
    return s;
}

static struct mu_framework_info full_framework(void)
{
    struct mu_framework_info f = {.failover_timeout_ms = 604800000,
                                  .checkpoint = true,
                                  .capabilities = MU_CAP_PARTITION_AWARE};
    set(f.id.s, "m-0000");
    f.name = mu_xstrdup("marathon");
    f.user = mu_xstrdup("root");
    f.role = mu_xstrdup("*");
    f.hostname = mu_xstrdup("localhost");
    f.webui_url = mu_xstrdup("http://localhost:8080");
    return f;
}

static struct mu_agent_info full_agent(void)
{
    struct mu_agent_info a = {.port = 5051};
    set(a.id.s, "m-S0");
    a.hostname = mu_xstrdup("node1");
    a.ip = mu_xstrdup("10.0.0.1");
    a.version = mu_xstrdup("0.1.0");
    struct mu_error err;
    assert_int_equal(mu_resources_parse("cpus:4;mem:4096;ports:[31000-32000]", "*",
                                        &a.resources, &err),
                     0);
    mu_pairs_add(&a.attributes, "rack", "r1");
    return a;
}

/* A message with every member filled, whatever its type. */
static void fill_message(struct mu_msg *m, enum mu_msg_type type)
{
    mu_msg_init(m, type);
    set(m->framework_id.s, "m-0000");
    set(m->agent_id.s, "m-S0");
    set(m->task_id.s, "t.1");
    set(m->uuid.s, "00000000-0000-4000-8000-000000000000");
    m->refuse_ms = 5000;
    m->heartbeat_ms = 15000;
    m->has_grace = true;
    m->grace_ms = 3000;
    m->latest_state = MU_TASK_RUNNING;
    mu_msg_set_text(m, "why");
    struct mu_framework_info f = full_framework();
    struct mu_agent_info a = full_agent();
    mu_msg_set_framework(m, &f);
    mu_msg_add_framework(m, &f);
    mu_msg_set_agent(m, &a);
    struct mu_offer o = {.hostname = mu_xstrdup("node1"), .port = 5051};
    set(o.id.s, "m-O7");
    set(o.agent_id.s, "m-S0");
    mu_resources_copy(&o.resources, &a.resources);
    mu_pairs_copy(&o.attributes, &a.attributes);
    mu_msg_add_offer(m, &o);
    mu_msg_add_offer(m, &o);
    mu_msg_add_offer_id(m, &o.id);
    struct mu_task_info *t = full_task("t.1");
    mu_msg_add_task(m, t);
    struct mu_task_status s = full_status();
    mu_msg_add_status(m, &s);
    struct mu_task_record rec = {
        .info = t, .state = MU_TASK_FAILED, .status = s, .terminal_acknowledged = true};
    mu_msg_add_record(m, &rec);
    mu_task_info_unref(t);
    mu_offer_release(&o);
    mu_framework_info_release(&f);
    mu_agent_info_release(&a);
}

static void every_message_type_reads_back_the_same(void **state)
{
    (void)state;
    for (int type = MU_MSG_NONE + 1; type < MU_MSG_TYPE_COUNT; type++) {
        struct mu_msg m, back, copy;
        fill_message(&m, (enum mu_msg_type)type);
        struct mu_buf a, b, c;
        mu_buf_init(&a, MU_MESSAGE_MAX);
        mu_buf_init(&b, MU_MESSAGE_MAX);
        mu_buf_init(&c, MU_MESSAGE_MAX);
        message_encode(&a, &m);
        struct mu_error err = {0};
        assert_int_equal(message_decode(a.data, a.len, &back, &err), 0);
        message_encode(&b, &back);
        assert_string_equal(a.data, b.data);
        mu_msg_copy(&copy, &back);
        mu_msg_release(&back);
        message_encode(&c, &copy);
        assert_string_equal(a.data, c.data);
        assert_int_equal(copy.type, type);
        assert_string_equal(copy.tasks[0]->command.value, m.tasks[0]->command.value);
        assert_true(mu_resources_equal(&copy.agent->resources, &m.agent->resources));
        mu_msg_release(&copy);
        mu_msg_release(&m);
        mu_buf_release(&a);
        mu_buf_release(&b);
        mu_buf_release(&c);
    }
}

static void a_cut_message_is_refused_at_every_byte(void **state)
{
    (void)state;
    struct mu_msg m, back;
    fill_message(&m, MU_MSG_REREGISTER);
    struct mu_buf a;
    mu_buf_init(&a, MU_MESSAGE_MAX);
    message_encode(&a, &m);
    for (size_t len = 0; len < a.len; len++) {
        assert_true(message_decode(a.data, len, &back, NULL) < 0);
    }
    mu_buf_release(&a);
    mu_msg_release(&m);
}

static void bad_messages_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"[]", "object"},
        {"{}", "type"},
        {"{\"type\":\"NOPE\"}", "NOPE"},
        {"{\"type\":\"PING\",\"type\":\"PING\"}", "duplicate"},
        {"{\"type\":\"RUN_TASK\"}", "tasks"},
        {"{\"type\":\"SUBSCRIBE\"}", "framework"},
        {"{\"type\":\"UPDATE\",\"statuses\":[]}", "statuses"},
        {"{\"type\":\"REGISTER\",\"agent\":[]}", "agent"},
        {"{\"type\":\"PING\",\"refuse\":-1}", "refuse"},
        {"{\"type\":\"PING\",\"refuse\":\"5\"}", "refuse"},
        {"{\"type\":\"UPDATE\",\"statuses\":[{\"task\":\"t\",\"state\":99}]}", "state"},
        {"{\"type\":\"RUN_TASK\",\"frameworks\":[{}],\"tasks\":[{\"id\":\"\"}]}", "id"},
        {"{\"type\":\"RUN_TASK\",\"frameworks\":[{}],\"tasks\":[{\"id\":\"t\",\"res\":[["
         "\"ports\",\"*\",[[5]]]]}]}",
         "res"},
        {"{\"type\":\"PING\",\"agent_id\":"
         "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
         "agent_id"},
        {"{\"type\":\"DECLINE\",\"offer_ids\":[7]}", "offer"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mu_msg m;
        struct mu_error err = {0};
        int rc = message_decode(cases[i].json, strlen(cases[i].json), &m, &err);
        if (rc >= 0 || strstr(err.text, cases[i].text) == NULL) {
            fail_msg("%s: %d '%s'", cases[i].json, rc, err.text);
        }
        assert_int_equal(rc, err.code);
    }
}

static void an_unknown_member_is_ignored(void **state)
{
    (void)state;
    static const char json[] = "{\"type\":\"PING\",\"from_the_future\":{\"x\":[1]}}";
    struct mu_msg m;
    assert_int_equal(message_decode(json, sizeof(json) - 1, &m, NULL), 0);
    assert_int_equal(m.type, MU_MSG_PING);
    mu_msg_release(&m);
}

static void agent_records_read_back_the_same(void **state)
{
    (void)state;
    for (uint32_t type = AGENT_REC_ID; type <= AGENT_REC_LAST; type++) {
        struct agent_record r = {.type = type,
                                 .pid = 4711,
                                 .wall_ms = 5,
                                 .has_grace = true,
                                 .grace_ms = 7,
                                 .epoch = (UINT64_C(1) << 62) + 5,
                                 .sandbox = mu_xstrdup("/x y")};
        set(r.agent_id.s, "m-S0");
        set(r.task_id.s, "t.1");
        set(r.container_id.s, "c");
        set(r.containerizer, "docker");
        r.task = full_task("t.1");
        r.framework = full_framework();
        r.status = full_status();
        struct mu_buf a, b;
        mu_buf_init(&a, MU_JOURNAL_RECORD_MAX);
        mu_buf_init(&b, MU_JOURNAL_RECORD_MAX);
        agent_record_encode(&a, &r);
        struct agent_record back;
        assert_int_equal(agent_record_decode(a.data, a.len, &back, NULL), 0);
        agent_record_encode(&b, &back);
        assert_string_equal(a.data, b.data);
        assert_int_equal(back.type, type);
        assert_int_equal(back.epoch, type == AGENT_REC_EPOCH ? r.epoch : 0);
        agent_record_release(&back);
        agent_record_release(&r);
        mu_buf_release(&a);
        mu_buf_release(&b);
    }
}

static void a_journal_record_of_no_type_is_refused(void **state)
{
    (void)state;
    struct agent_record r;
    assert_true(agent_record_decode("{\"rec\":0}", 9, &r, NULL) < 0);
    assert_true(agent_record_decode("{\"rec\":99}", 10, &r, NULL) < 0);
    assert_true(agent_record_decode("{\"rec\":2}", 9, &r, NULL) <
                0); /* a task record without its task */
}

static void master_records_read_back_the_same(void **state)
{
    (void)state;
    struct master_record r = {
        .agent = full_agent(), .state = MASTER_AGENT_UNREACHABLE, .since_ms = 99};
    struct mu_buf a, b, key;
    mu_buf_init(&a, 65536);
    mu_buf_init(&b, 65536);
    mu_buf_init(&key, 256);
    master_record_encode(&a, &r);
    master_record_key(&r, &key);
    assert_string_equal(key.data, "agents/m-S0");
    struct master_record back;
    assert_int_equal(master_record_decode(a.data, a.len, &back, NULL), 0);
    master_record_encode(&b, &back);
    assert_string_equal(a.data, b.data);
    assert_true(master_record_decode("{\"state\":1,\"agent\":{}}", 22, &back, NULL) < 0);
    mu_agent_info_release(&r.agent);
    mu_agent_info_release(&back.agent);
    mu_buf_release(&a);
    mu_buf_release(&b);
    mu_buf_release(&key);
}

static struct mu_app *full_app(void)
{
    struct mu_app *a = mu_app_create();
    a->id = mu_xstrdup("/a/b");
    a->cmd = mu_xstrdup("sleep 100");
    a->user = mu_xstrdup("nobody");
    mu_pairs_add(&a->env, "K", "V");
    mu_pairs_add(&a->labels, "L", "");
    a->instances = 3;
    a->cpus_milli = 300;
    a->mem_milli = 200000;
    a->has_container = true;
    a->container_type = MU_CONTAINER_DOCKER;
    a->image = mu_xstrdup("libmesos/ubuntu");
    mu_pairs_add(&a->parameters, "net", "host");
    a->network_mode = MU_APP_NET_BRIDGE;
    struct mu_app_port_mapping *m = mu_app_add_mapping(a);
    m->container_port = 80;
    m->has_host_port = true;
    m->service_port = 10000;
    m->protocol = mu_xstrdup("tcp");
    m->name = mu_xstrdup("http");
    mu_pairs_add(&m->labels, "VIP_0", "1.2.3.4:80");
    struct mu_port_definition *p = mu_app_add_port(a);
    p->port = 10001;
    p->protocol = mu_xstrdup("udp,tcp");
    struct mu_constraint *c = mu_app_add_constraint(a);
    c->field = mu_xstrdup("hostname");
    c->op = MU_OP_UNIQUE;
    mu_uris_add(&a->fetch, "/x")->cache = true;
    mu_strings_add(&a->dependencies, "/db");
    a->upgrade = (struct mu_upgrade_strategy){500000, 0};
    a->has_kill_grace = true;
    a->kill_grace_ms = 9000;
    a->kill_oldest_first = true;
    a->extra_json = mu_xstrdup("{\"tty\":true}");
    a->version_ms = a->last_scaling_ms = 1399360089010;
    a->last_config_ms = 1399360089009;
    return a;
}

static void expect_same(struct scheduler_record *rec, const char *want_key)
{
    struct mu_buf key, a, b;
    mu_buf_init(&key, 4096);
    mu_buf_init(&a, MU_REGISTRY_VALUE_MAX);
    mu_buf_init(&b, MU_REGISTRY_VALUE_MAX);
    scheduler_record_key(rec, &key);
    assert_string_equal(key.data, want_key);
    scheduler_record_encode(&a, rec);
    struct scheduler_record back;
    struct mu_error err = {0};
    if (scheduler_record_decode(key.data, a.data, a.len, &back, &err) < 0) {
        fail_msg("%s: %s", want_key, err.text);
    }
    assert_int_equal(back.kind, rec->kind);
    scheduler_record_encode(&b, &back);
    assert_string_equal(a.data, b.data);
    if (rec->app != NULL) {
        assert_true(mu_app_same_config(rec->app, back.app));
        assert_int_equal(back.app->instances, rec->app->instances);
        assert_int_equal(back.app->last_config_ms, rec->app->last_config_ms);
    }
    scheduler_record_release(&back);
    scheduler_record_release(rec);
    mu_buf_release(&key);
    mu_buf_release(&a);
    mu_buf_release(&b);
}

static void scheduler_records_read_back_the_same(void **state)
{
    (void)state;
    struct scheduler_record app = {.kind = SCHED_REC_APP, .app = full_app()};
    expect_same(&app, "apps/a/b");
    struct scheduler_record version = {.kind = SCHED_REC_VERSION, .app = full_app()};
    expect_same(&version, "versions/a/b/00000001399360089010");

    struct scheduler_record framework = {.kind = SCHED_REC_FRAMEWORK};
    set(framework.framework_id.s, "m-0000");
    expect_same(&framework, "framework");

    struct scheduler_task_record *t = mu_xcalloc(1, sizeof(*t));
    set(t->id.s, "a_b.550e8400-e29b-11d4-a716-446655440000");
    t->app_id = mu_xstrdup("/a/b");
    t->host = mu_xstrdup("node1");
    t->state = MU_TASK_STAGING;
    t->killing = true;
    t->ports = mu_xcalloc(2, sizeof(*t->ports));
    t->port_count = 2;
    t->ports[0] = 31000;
    t->ports[1] = 65535;
    mu_pairs_add(&t->attributes, "rack", "r1");
    struct scheduler_record task = {.kind = SCHED_REC_TASK, .task = t};
    expect_same(&task, "tasks/a_b.550e8400-e29b-11d4-a716-446655440000");

    struct scheduler_deployment_record *d = mu_xcalloc(1, sizeof(*d));
    set(d->id.s, "5ed4c0c5-9ff8-4a6f-a0cd-f57f59a34b43");
    d->version_ms = 7;
    d->change_count = 4;
    d->changes = mu_xcalloc(4, sizeof(*d->changes));
    d->changes[2] = (struct scheduler_change){
        .from_ms = 1700000000000, .to_ms = 1700000000001, .app_id = mu_xstrdup("/d")};
    d->changes[3] =
        (struct scheduler_change){.to_ms = 1700000000002, .app_id = mu_xstrdup("/e")};
    d->changes[0] = (struct scheduler_change){.from = full_app(),
                                              .to = full_app(),
                                              .app_id = mu_xstrdup("/a/b"),
                                              .restart = true};
    d->changes[1] =
        (struct scheduler_change){.from = full_app(), .app_id = mu_xstrdup("/c")};
    mu_strings_add(&d->victims, "t.1");
    struct scheduler_record deployment = {.kind = SCHED_REC_DEPLOYMENT, .deployment = d};
    expect_same(&deployment, "deployments/5ed4c0c5-9ff8-4a6f-a0cd-f57f59a34b43");

    struct scheduler_failure_record *f = mu_xcalloc(1, sizeof(*f));
    f->app_id = mu_xstrdup("/a/b");
    f->message = mu_xstrdup("exited with status 1");
    f->state = MU_TASK_FAILED;
    struct scheduler_record failure = {.kind = SCHED_REC_FAILURE, .failure = f};
    expect_same(&failure, "failures/a/b");

    struct scheduler_delay_record *y = mu_xcalloc(1, sizeof(*y));
    y->app_id = mu_xstrdup("/a/b");
    y->config_ms = 1700000000000;
    y->failed_ms = 1700000000001;
    y->delay_ms = 1150;
    struct scheduler_record delay = {.kind = SCHED_REC_DELAY, .delay = y};
    expect_same(&delay, "delays/a/b");
}

static void a_foreign_registry_key_is_refused(void **state)
{
    (void)state;
    struct scheduler_record r;
    struct mu_error err;
    assert_int_equal(scheduler_record_decode("other/x", "{}", 2, &r, &err), MU_E_INVALID);
    assert_non_null(strstr(err.text, "other/x"));
    assert_int_equal(scheduler_record_decode("apps/x", "{}", 2, &r, &err), MU_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_type_reads_back_the_same),
        cmocka_unit_test(a_cut_message_is_refused_at_every_byte),
        cmocka_unit_test(bad_messages_are_refused_by_name),
        cmocka_unit_test(an_unknown_member_is_ignored),
        cmocka_unit_test(agent_records_read_back_the_same),
        cmocka_unit_test(a_journal_record_of_no_type_is_refused),
        cmocka_unit_test(master_records_read_back_the_same),
        cmocka_unit_test(scheduler_records_read_back_the_same),
        cmocka_unit_test(a_foreign_registry_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
