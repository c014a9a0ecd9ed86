/* See master_kit.h. */
#include "master_kit.h"

static void put(char *dst, size_t size, const char *text)
{
    (void)snprintf(dst, size, "%s", text);
}
#define PUT(id, text) put((id).s, sizeof((id).s), (text))

void kit_create(struct kit *k, void (*change)(struct master_config *cfg))
{
    *k = (struct kit){.now = {1000, 1700000000000}, .next_link = 1};
    mu_buf_init(&k->log, 1u << 24);
    struct master_config cfg = {.hostname = "master",
                                .ip = "10.0.0.1",
                                .version = "0.1",
                                .port = 5050,
                                .seed = 7,
                                .agent_ping_timeout_ms = 15000,
                                .max_agent_ping_timeouts = 5,
                                .agent_reregister_timeout_ms = 600000,
                                .allocation_interval_ms = 1000,
                                .framework_heartbeat_ms = 15000,
                                .max_completed_frameworks = 50,
                                .max_completed_tasks = 1000};
    PUT(cfg.id, MASTER_ID);
    if (change != NULL) {
        change(&cfg);
    }
    k->m = master_create(&cfg);
}

void kit_forget(struct kit *k)
{
    for (size_t i = 0; i < k->sent.count; i++) {
        mu_msg_release(&k->sent.v[i].msg);
    }
    MU_VEC_CLEAR(&k->sent);
    mu_buf_release(&k->log);
    mu_buf_init(&k->log, 1u << 24);
}

void kit_destroy(struct kit *k)
{
    kit_forget(k);
    MU_VEC_RELEASE(&k->sent);
    for (size_t i = 0; i < k->commits.count; i++) {
        mu_agent_info_release(&k->commits.v[i].record.agent);
    }
    MU_VEC_RELEASE(&k->commits);
    MU_VEC_RELEASE(&k->records);
    mu_buf_release(&k->log);
    master_destroy(k->m);
}

/* ---- events ---- */

static void keep(struct kit *k, struct master_effect *fx)
{
    switch ((enum master_effect_type)fx->type) {
    case MASTER_FX_SEND:
    case MASTER_FX_CLOSE: {
        MU_VEC_PUSH_ZERO(&k->sent);
        struct sent *s = &k->sent.v[k->sent.count - 1];
        s->link = fx->link;
        s->closed = fx->type == MASTER_FX_CLOSE;
        mu_msg_move(&s->msg, &fx->msg);
        break;
    }
    case MASTER_FX_COMMIT:
        MU_VEC_PUSH(&k->commits, *fx);
        fx->record.agent = (struct mu_agent_info){0};
        k->commit_count++;
        break;
    case MASTER_FX_RECOVER:
        k->recovers++;
        break;
    case MASTER_FX_ABDICATE:
        k->abdications++;
        break;
    case MASTER_FX_LOG:
        assert_non_null(fx->text);
        (void)mu_buf_printf(&k->log, "%s\n", fx->text);
        break;
    }
}

void kit_step(struct kit *k, const struct master_event *ev)
{
    struct master_event copy = *ev;
    copy.now = k->now;
    struct master_effects fx = {0};
    master_step(k->m, &copy, &fx);
    struct mu_error err = {0};
    if (master_check(k->m, &err) < 0) {
        fail_msg("after event %u: %s", ev->type, err.text);
    }
    for (size_t i = 0; i < fx.count; i++) {
        keep(k, &fx.v[i]);
    }
    master_effects_release(&fx);
    while (!k->hold_commits && k->commits.count > 0) {
        kit_commit(k, 0);
    }
}

static struct kit_record *find_record(const struct kit *k, const char *agent_id)
{
    for (size_t i = 0; i < k->records.count; i++) {
        if (strcmp(k->records.v[i].id, agent_id) == 0) {
            return &k->records.v[i];
        }
    }
    return NULL;
}

uint32_t kit_record_state(const struct kit *k, const char *agent_id)
{
    const struct kit_record *r = find_record(k, agent_id);
    return r != NULL ? r->state : 0;
}

static void set_record(struct kit *k, const char *agent_id, uint32_t state)
{
    struct kit_record *r = find_record(k, agent_id);
    if (r == NULL) {
        MU_VEC_PUSH_ZERO(&k->records);
        r = &k->records.v[k->records.count - 1];
        put(r->id, sizeof(r->id), agent_id);
    }
    r->state = state;
}

void kit_commit(struct kit *k, int status)
{
    assert_true(k->commits.count > 0);
    struct master_effect fx = k->commits.v[0];
    MU_VEC_REMOVE(&k->commits, 0);
    if (status == 0) {
        set_record(k, fx.record.agent.id.s, fx.record.remove ? 0 : fx.record.state);
    }
    mu_agent_info_release(&fx.record.agent);
    kit_step(k, &(struct master_event){.type = MASTER_EV_COMMITTED,
                                       .token = fx.token,
                                       .status = status,
                                       .text = status < 0 ? "no space" : NULL});
}

void kit_elect(struct kit *k, uint64_t epoch)
{
    kit_step(k, &(struct master_event){.type = MASTER_EV_ELECTED, .epoch = epoch});
}

void kit_recovered(struct kit *k, int status)
{
    kit_step(k, &(struct master_event){.type = MASTER_EV_RECOVERED, .status = status});
}

void kit_entry_on(struct kit *k,
                  const char *agent_id,
                  const char *host,
                  uint32_t state,
                  int64_t since_ms)
{
    struct master_record r = {.state = state, .since_ms = since_ms};
    agent_info(&r.agent, agent_id, host);
    kit_step(k, &(struct master_event){.type = MASTER_EV_ENTRY, .record = &r});
    mu_agent_info_release(&r.agent);
    set_record(k, agent_id, state);
}

void kit_entry(struct kit *k, const char *agent_id, uint32_t state)
{
    kit_entry_on(k, agent_id, "host1", state, 5);
}

void kit_lead(struct kit *k)
{
    kit_elect(k, 1);
    kit_recovered(k, 0);
}

void kit_lost(struct kit *k)
{
    kit_step(k, &(struct master_event){.type = MASTER_EV_LOST, .text = "session"});
}

void kit_wait(struct kit *k, uint64_t ms)
{
    uint64_t end = k->now.mono_ms + ms;
    for (;;) {
        uint64_t next = master_deadline_ms(k->m);
        if (next > end) {
            break;
        }
        uint64_t step = next > k->now.mono_ms ? next - k->now.mono_ms : 0;
        k->now.mono_ms += step;
        k->now.wall_ms += (int64_t)step;
        kit_step(k, &(struct master_event){.type = MASTER_EV_TICK});
        assert_true(master_deadline_ms(k->m) > k->now.mono_ms); /* or it would spin */
    }
    k->now.wall_ms += (int64_t)(end - k->now.mono_ms);
    k->now.mono_ms = end;
}

void kit_close(struct kit *k, uint64_t link)
{
    kit_step(k, &(struct master_event){.type = MASTER_EV_LINK_CLOSED, .link = link});
}

void kit_message(struct kit *k, uint64_t link, struct mu_msg *msg)
{
    kit_step(k,
             &(struct master_event){.type = MASTER_EV_MESSAGE, .link = link, .msg = msg});
    mu_msg_release(msg);
}

void kit_simple(struct kit *k, uint64_t link, uint32_t type)
{
    struct mu_msg msg;
    mu_msg_init(&msg, type);
    kit_message(k, link, &msg);
}

/* ---- peers ---- */

uint64_t kit_link(struct kit *k)
{
    return k->next_link++;
}

void agent_info(struct mu_agent_info *out, const char *id, const char *host)
{
    *out = (struct mu_agent_info){.port = 5051};
    PUT(out->id, id);
    out->hostname = mu_xstrdup(host);
    out->ip = mu_xstrdup("10.0.1.1");
    out->version = mu_xstrdup("0.1");
    assert_int_equal(mu_resources_parse("cpus:4;mem:4096;ports:[31000-31009]", "*",
                                        &out->resources, NULL),
                     0);
}

uint64_t kit_register_with(struct kit *k, const char *host, const char *resources)
{
    struct mu_agent_info info;
    agent_info(&info, "", host);
    mu_resources_release(&info.resources);
    assert_int_equal(mu_resources_parse(resources, "*", &info.resources, NULL), 0);
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_REGISTER);
    mu_msg_set_agent(&msg, &info);
    mu_agent_info_release(&info);
    uint64_t link = kit_link(k);
    kit_message(k, link, &msg);
    return link;
}

uint64_t kit_register(struct kit *k, const char *host)
{
    return kit_register_with(k, host, "cpus:4;mem:4096;ports:[31000-31009]");
}

void reregister_msg(struct mu_msg *msg, const char *id, const char *host)
{
    struct mu_agent_info info;
    agent_info(&info, id, host);
    mu_msg_init(msg, MU_MSG_REREGISTER);
    mu_msg_set_agent(msg, &info);
    mu_agent_info_release(&info);
}

uint64_t kit_reregister(struct kit *k, const char *id, const char *host)
{
    struct mu_msg msg;
    reregister_msg(&msg, id, host);
    uint64_t link = kit_link(k);
    kit_message(k, link, &msg);
    return link;
}

struct mu_task_info *
task_info(const char *framework, const char *agent, const char *id, const char *resources)
{
    struct mu_task_info *t = mu_task_info_create();
    PUT(t->id, id);
    PUT(t->framework_id, framework);
    PUT(t->agent_id, agent);
    t->name = mu_xstrdup(id);
    t->command.has_value = true;
    t->command.shell = true;
    t->command.value = mu_xstrdup("sleep 1000");
    assert_int_equal(mu_resources_parse(resources, "*", &t->resources, NULL), 0);
    return t;
}

/* Also adds the framework's info. */
void add_record(struct mu_msg *msg,
                const char *framework,
                const char *task,
                uint32_t state)
{
    struct mu_task_info *t =
        task_info(framework, msg->agent->id.s, task, "cpus:1;mem:100");
    struct mu_task_record r = {.info = t, .state = state};
    r.status.state = state;
    PUT(r.status.uuid, "aaaaaaaa-0000-4000-8000-000000000000");
    PUT(r.status.task_id, task);
    mu_msg_add_record(msg, &r);
    mu_task_info_unref(t);
    struct mu_framework_info f = framework_info(framework, "reported");
    f.failover_timeout_ms = 1000;
    mu_msg_add_framework(msg, &f);
    mu_framework_info_release(&f);
}

struct mu_framework_info framework_info(const char *id, const char *name)
{
    struct mu_framework_info f = {.failover_timeout_ms = 3600000,
                                  .checkpoint = true,
                                  .capabilities = MU_CAP_PARTITION_AWARE};
    PUT(f.id, id);
    f.name = mu_xstrdup(name);
    f.user = mu_xstrdup("root");
    return f;
}

uint64_t kit_subscribe_info(struct kit *k, const struct mu_framework_info *info)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_SUBSCRIBE);
    mu_msg_set_framework(&msg, info);
    uint64_t link = kit_link(k);
    kit_message(k, link, &msg);
    return link;
}

uint64_t kit_subscribe(struct kit *k, const char *name)
{
    struct mu_framework_info info = framework_info("", name);
    uint64_t link = kit_subscribe_info(k, &info);
    mu_framework_info_release(&info);
    return link;
}

void kit_accept(struct kit *k,
                uint64_t link,
                const struct mu_offer *offer,
                const char *const *ids,
                uint64_t refuse_ms)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ACCEPT);
    msg.refuse_ms = refuse_ms;
    mu_msg_add_offer_id(&msg, &offer->id);
    for (size_t i = 0; ids != NULL && ids[i] != NULL; i++) {
        struct mu_task_info *t =
            task_info(offer->framework_id.s, offer->agent_id.s, ids[i], "cpus:1;mem:100");
        mu_msg_add_task(&msg, t);
        mu_task_info_unref(t);
    }
    kit_message(k, link, &msg);
}

void kit_update(struct kit *k,
                uint64_t agent_link,
                const char *framework,
                const char *task,
                uint32_t state,
                const char *uuid)
{
    struct mu_task_status s = {.state = state, .source = MU_SOURCE_EXECUTOR};
    PUT(s.task_id, task);
    PUT(s.framework_id, framework);
    PUT(s.uuid, uuid);
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_STATUS_UPDATE);
    mu_msg_add_status(&msg, &s);
    msg.latest_state = state;
    kit_message(k, agent_link, &msg);
}

void kit_ack(
    struct kit *k, uint64_t link, const char *agent, const char *task, const char *uuid)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ACKNOWLEDGE);
    PUT(msg.agent_id, agent);
    PUT(msg.task_id, task);
    PUT(msg.uuid, uuid);
    kit_message(k, link, &msg);
}

struct scene kit_running_task(struct kit *k)
{
    struct scene s = {.agent = kit_register(k, "host1")};
    s.framework = kit_subscribe(k, "fw");
    struct mu_offer offer;
    kit_take_offer(k, s.framework, &offer);
    put(s.framework_id, sizeof(s.framework_id), offer.framework_id.s);
    kit_accept(k, s.framework, &offer, (const char *[]){"t1", NULL}, 3600000);
    kit_expect(k, s.agent, MU_MSG_RUN_TASK);
    kit_update(k, s.agent, s.framework_id, "t1", MU_TASK_RUNNING, "u-run");
    kit_ack(k, s.framework, offer.agent_id.s, "t1", "u-run");
    mu_offer_release(&offer);
    kit_forget(k);
    return s;
}

/* ---- what was sent ---- */

const struct mu_msg *kit_find(const struct kit *k, uint64_t link, uint32_t type, size_t n)
{
    for (size_t i = 0; i < k->sent.count; i++) {
        const struct sent *s = &k->sent.v[i];
        if (!s->closed && s->link == link && s->msg.type == type && n-- == 0) {
            return &s->msg;
        }
    }
    return NULL;
}

const struct mu_msg *kit_expect(const struct kit *k, uint64_t link, uint32_t type)
{
    const struct mu_msg *msg = kit_find(k, link, type, 0);
    if (msg == NULL) {
        fail_msg("no %s on link %d", mu_msg_type_name(type), (int)link);
    }
    return msg;
}

size_t kit_count(const struct kit *k, uint64_t link, uint32_t type)
{
    size_t n = 0;
    while (kit_find(k, link, type, n) != NULL) {
        n++;
    }
    return n;
}

bool kit_closed(const struct kit *k, uint64_t link)
{
    for (size_t i = 0; i < k->sent.count; i++) {
        if (k->sent.v[i].closed && k->sent.v[i].link == link) {
            return true;
        }
    }
    return false;
}

const struct mu_task_status *
kit_status(const struct kit *k, uint64_t link, const char *task)
{
    const struct mu_task_status *found = NULL;
    const struct mu_msg *msg = NULL;
    for (size_t n = 0; (msg = kit_find(k, link, MU_MSG_UPDATE, n)) != NULL; n++) {
        if (strcmp(msg->statuses[0].task_id.s, task) == 0) {
            found = &msg->statuses[0];
        }
    }
    return found;
}

void kit_take_offer(const struct kit *k, uint64_t link, struct mu_offer *out)
{
    size_t n = kit_count(k, link, MU_MSG_OFFERS);
    const struct mu_msg *msg = n > 0 ? kit_find(k, link, MU_MSG_OFFERS, n - 1) : NULL;
    if (msg == NULL) {
        fail_msg("no offer on link %d", (int)link);
        return;
    }
    mu_offer_copy(out, &msg->offers[msg->offer_count - 1]);
}

/* ---- views ---- */

struct task_search {
    const char *id;
    int state;
    bool completed;
};

static void on_task_row(void *arg, const void *row)
{
    struct task_search *s = arg;
    const struct mu_task_row *t = row;
    bool better = s->state < 0 || !t->completed; /* a live one before the history */
    if (strcmp(t->info->id.s, s->id) == 0 && better) {
        s->state = (int)t->state;
        s->completed = t->completed;
    }
}

int kit_task_state(struct kit *k, const char *task, bool *completed)
{
    struct task_search s = {.id = task, .state = -1};
    assert_true(master_query(k->m, MU_Q_TASKS, NULL, on_task_row, &s) >= 0);
    if (completed != NULL) {
        *completed = s.completed;
    }
    return s.state;
}

static void text_of(const struct mu_resources *r, char *out, size_t size)
{
    struct mu_buf b;
    mu_buf_init(&b, 4096);
    mu_resources_format(r, &b);
    put(out, size, mu_buf_str(&b));
    mu_buf_release(&b);
}

static void on_agent_row(void *arg, const void *row)
{
    struct agent_view *v = arg;
    const struct mu_agent_row *a = row;
    v->found = true;
    v->active = a->active;
    v->registered_ms = a->registered_ms;
    text_of(a->used, v->used, sizeof(v->used));
    text_of(a->offered, v->offered, sizeof(v->offered));
}

struct agent_view kit_agent(struct kit *k, const char *id)
{
    struct agent_view v = {0};
    assert_true(master_query(k->m, MU_Q_AGENTS, id, on_agent_row, &v) >= 0);
    return v;
}

struct metric_search {
    const char *name;
    double value;
    bool found;
};

static void on_metric(void *arg, const char *name, double value)
{
    struct metric_search *s = arg;
    if (strcmp(name, s->name) == 0) {
        s->value = value;
        s->found = true;
    }
}

double kit_metric(struct kit *k, const char *name)
{
    struct metric_search s = {.name = name};
    master_metrics(k->m, on_metric, &s);
    assert_true(s.found);
    return s.value;
}

static void on_master_row(void *arg, const void *row)
{
    *(struct mu_master_row *)arg = *(const struct mu_master_row *)row;
}

struct mu_master_row kit_master_row(struct kit *k)
{
    struct mu_master_row row = {0};
    assert_int_equal(master_query(k->m, MU_Q_MASTER, NULL, on_master_row, &row), 1);
    return row;
}

static void on_waiting(void *arg, const void *row)
{
    const struct mu_master_row *r = row;
    put(arg, 160, r->waiting_for != NULL ? r->waiting_for : "");
}

const char *kit_waiting_for(struct kit *k)
{
    static char text[160];
    assert_int_equal(master_query(k->m, MU_Q_MASTER, NULL, on_waiting, text), 1);
    return text;
}

bool kit_logged(const struct kit *k, const char *text)
{
    return strstr(mu_buf_str(&k->log), text) != NULL;
}
