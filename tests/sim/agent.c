/* Agents: the machine, its journal, its containers, and the connection to the master's
 * process. */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "codec/agent_json.h"
#include "codec/message_json.h"

static void step_now(struct sim *s, size_t i, struct agent_event *ev);
static void connect_later(struct sim *s, size_t i);

static bool is_current(const struct sim *s, const struct event *e)
{
    return s->agents[e->agent].up && e->gen == s->agents[e->agent].gen;
}

static struct event *later(struct sim *s,
                           size_t i,
                           uint64_t delay,
                           const char *name,
                           void (*run)(struct sim *s, struct event *e))
{
    struct event *e = sim_later(s, delay, name, run);
    e->agent = i;
    e->gen = s->agents[i].gen;
    return e;
}

/* ---- the connection ---- */

static void on_agent_told(struct sim *s, struct event *e)
{
    struct agent_node *n = &s->agents[e->agent];
    if (is_current(s, e) && n->conn.gen == e->number) {
        struct agent_event ev = {.type = AGENT_EV_MASTER, .link = 0};
        step_now(s, e->agent, &ev);
        connect_later(s, e->agent);
    }
}

static void on_master_told(struct sim *s, struct event *e)
{
    struct master_node *n = &s->masters[e->master];
    if (n->up && e->number == n->gen && n->frozen_until > s->now.mono_ms) {
        struct event *again =
            sim_later(s, n->frozen_until - s->now.mono_ms, e->name, on_master_told);
        again->master = e->master;
        again->link = e->link;
        again->number = e->number;
        return;
    }
    if (e->number == n->gen) {
        sim_master_link_closed(s, e->master, e->link);
    }
}

void sim_agent_cut(struct sim *s, size_t i)
{
    struct agent_node *n = &s->agents[i];
    if (!n->conn.open) {
        return;
    }
    s->cuts++;
    n->conn.open = false;
    sim_note(s, "agent %zu: connection cut", i);
    if (n->conn.master_link != 0) {
        struct event *e =
            sim_later(s, sim_rand(s, 0, 500), "link_closed", on_master_told);
        e->link = n->conn.master_link;
        e->master = n->conn.master;
        e->number = n->conn.master_gen;
    }
    if (n->up) {
        later(s, i, sim_rand(s, 0, 500), "link_down", on_agent_told)->number =
            n->conn.gen;
    }
}

static void on_connect(struct sim *s, struct event *e)
{
    struct agent_node *n = &s->agents[e->agent];
    if (!is_current(s, e)) {
        return;
    }
    n->connecting = false;
    size_t k = n->leader; /* as its detector has told it last */
    if (k == MASTERS_MAX || !sim_leads(s, k) || sim_is_cut(s, k) ||
        sim_apart(s, k, SIM_AGENT(e->agent)) || n->silent_until > s->now.mono_ms) {
        n->backoff_ms = n->backoff_ms * 2 > 2000 ? 2000 : n->backoff_ms * 2;
        connect_later(s, e->agent);
        return;
    }
    n->backoff_ms = 100;
    n->conn = (struct conn){.master = k,
                            .master_gen = s->masters[k].gen,
                            .agent_link = ++n->last_link,
                            .gen = n->conn.gen + 1,
                            .opened_at = s->now.mono_ms,
                            .open = true};
    struct agent_event ev = {.type = AGENT_EV_MASTER, .link = n->conn.agent_link};
    step_now(s, e->agent, &ev);
}

static void connect_later(struct sim *s, size_t i)
{
    if (!s->agents[i].connecting) {
        s->agents[i].connecting = true;
        later(s, i, s->agents[i].backoff_ms, "connect", on_connect);
    }
}

static void on_to_master(struct sim *s, struct event *e)
{
    struct agent_node *n = &s->agents[e->agent];
    if (n->conn.gen != e->number || !n->conn.open) {
        return; /* lost with its connection */
    }
    size_t k = n->conn.master;
    struct master_node *master = &s->masters[k];
    if (master->up && master->gen == n->conn.master_gen &&
        master->frozen_until > s->now.mono_ms) { /* it lies in a socket until then */
        struct event *again =
            sim_later(s, master->frozen_until - s->now.mono_ms, e->name, on_to_master);
        struct mu_heap_node node = again->node;
        *again = *e;
        again->node = node;
        e->bytes = (struct mu_buf){0};
        return;
    }
    if (!sim_leads(s, k) || master->gen != n->conn.master_gen) {
        sim_agent_cut(s, e->agent);
        return;
    }
    if (n->conn.master_link == 0) {
        n->conn.master_link = ++s->last_link;
    }
    struct mu_msg m;
    struct mu_error err;
    if (message_decode(e->bytes.data, e->bytes.len, &m, &err) < 0) {
        sim_fail(s, "message of agent %zu: %s", e->agent, err.text);
        return;
    }
    sim_master_message(s, k, n->conn.master_link, &m);
    if (sim_chance(s, s->faults.duplicate)) {
        sim_master_message(s, k, n->conn.master_link, &m);
    }
    mu_msg_release(&m);
}

static void on_to_agent(struct sim *s, struct event *e)
{
    struct agent_node *n = &s->agents[e->agent];
    if (!is_current(s, e) || n->conn.gen != e->number || !n->conn.open) {
        return;
    }
    struct mu_msg m;
    struct mu_error err;
    if (message_decode(e->bytes.data, e->bytes.len, &m, &err) < 0) {
        sim_fail(s, "message to agent %zu: %s", e->agent, err.text);
        return;
    }
    for (int times = sim_chance(s, s->faults.duplicate) ? 2 : 1;
         times > 0 && is_current(s, e); times--) {
        struct agent_event ev = {
            .type = AGENT_EV_MESSAGE, .link = n->conn.agent_link, .msg = &m};
        step_now(s, e->agent, &ev);
    }
    bool registers = m.type == MU_MSG_REGISTERED || m.type == MU_MSG_REREGISTERED;
    if (registers && n->conn.open && n->conn.gen == e->number) {
        sim_check_leaves(s, e->agent, m.epoch);
        n->newest_epoch = m.epoch;
    }
    if (e->token == n->newest_epoch) {
        n->newest_at = s->now.mono_ms;
    }
    mu_msg_release(&m);
}

/* With the order of the connection; through a partition nothing passes. */
static void transmit(struct sim *s,
                     size_t i,
                     const struct mu_msg *m,
                     uint64_t *last_at,
                     const char *name,
                     void (*run)(struct sim *s, struct event *e))
{
    struct agent_node *n = &s->agents[i];
    sim_note(s, "%s %zu %s %s", name, i, mu_msg_type_name((enum mu_msg_type)m->type),
             m->status_count > 0
                 ? mu_task_state_name((enum mu_task_state)m->statuses[0].state)
                 : "");
    if (sim_chance(s, s->faults.cut)) {
        sim_agent_cut(s, i);
        return;
    }
    if (n->silent_until > s->now.mono_ms || sim_is_cut(s, n->conn.master) ||
        sim_apart(s, n->conn.master, SIM_AGENT(i))) {
        return;
    }
    uint64_t at = s->now.mono_ms + sim_rand(s, 0, 20);
    *last_at = at > *last_at ? at : *last_at;
    struct event *e = later(s, i, *last_at - s->now.mono_ms, name, run);
    e->number = n->conn.gen;
    e->token = s->masters[n->conn.master].epoch;
    mu_buf_init(&e->bytes, MU_MESSAGE_MAX);
    message_encode(&e->bytes, m);
}

/* Its detector says who leads: it leaves its last master for the new one. */
static void on_leader_told(struct sim *s, struct event *e)
{
    struct agent_node *n = &s->agents[e->agent];
    size_t leader = sim_election_leader(s);
    if (!is_current(s, e) || leader == MASTERS_MAX) {
        return; /* it will be told of the next one */
    }
    n->leader = leader;
    if (sim_chance(s, s->faults.stale_detector)) {
        /* Its ZooKeeper server is behind: for a while an older leader counts. */
        n->leader = sim_rand(s, 0, s->master_count - 1);
        later(s, e->agent, sim_rand(s, 200, 20000), "leader", on_leader_told);
    }
    if (n->conn.open && (n->conn.master != n->leader ||
                         n->conn.master_gen != s->masters[n->leader].gen)) {
        sim_agent_cut(s, e->agent);
    }
}

void sim_agent_new_leader(struct sim *s, size_t i)
{
    if (s->agents[i].up) {
        later(s, i, sim_rand(s, 1, 200), "leader", on_leader_told);
    }
}

void sim_agent_deliver(struct sim *s, size_t i, const struct mu_msg *m)
{
    transmit(s, i, m, &s->agents[i].conn.to_agent_at, "to_agent", on_to_agent);
}

/* ---- containers ---- */

static struct container *find(const struct agent_node *n, const char *id)
{
    for (size_t i = 0; i < n->containers.count; i++) {
        if (strcmp(n->containers.v[i]->id.s, id) == 0) {
            return n->containers.v[i];
        }
    }
    return NULL;
}

static void on_exited(struct sim *s, struct event *e)
{
    struct container *c = find(&s->agents[e->agent], e->id.s);
    if (is_current(s, e) && c != NULL && c->ended) {
        struct agent_event ev = {
            .type = AGENT_EV_EXITED, .container_id = &e->id, .exit = &c->exit};
        step_now(s, e->agent, &ev);
    }
}

static void end_container(struct sim *s,
                          size_t i,
                          struct container *c,
                          int wait_status,
                          bool oom,
                          const char *message)
{
    if (!c->running) {
        return;
    }
    c->running = false;
    c->ended = true;
    c->run_number++;
    c->exit = (struct mu_container_exit){.struct_size = sizeof(c->exit),
                                         .has_status = true,
                                         .wait_status = wait_status,
                                         .oom = oom,
                                         .message = message};
    sim_story(s, "container of %s ends: %s", c->task.s, message);
    if (s->agents[i].up) {
        later(s, i, sim_rand(s, 0, 20), "exited", on_exited)->id = c->id;
    }
}

static void on_own_end(struct sim *s, struct event *e)
{
    struct container *c = find(&s->agents[e->agent], e->id.s);
    if (c != NULL && c->running && c->run_number == e->number && !s->faults_over) {
        bool oom = sim_rand(s, 0, 9) == 0;
        end_container(s, e->agent, c, oom ? SIGKILL : (int)sim_rand(s, 0, 3) << 8, oom,
                      "by itself");
    }
}

static void on_launched(struct sim *s, struct event *e)
{
    if (!is_current(s, e)) {
        return;
    }
    static const struct mu_container_status status = {
        .struct_size = sizeof(status), .ip = "10.0.0.9", .pid = 1, .detail = ""};
    struct agent_event ev = {.type = AGENT_EV_LAUNCHED,
                             .container_id = &e->id,
                             .status = e->status,
                             .text = e->status < 0 ? "no such image" : "",
                             .container = e->status < 0 ? NULL : &status};
    step_now(s, e->agent, &ev);
}

static void launch(struct sim *s, size_t i, const struct agent_effect *fx)
{
    struct agent_node *n = &s->agents[i];
    struct container *c = find(n, fx->container_id.s);
    int status = sim_chance(s, s->faults.launch_fails) ? -ENOENT : 0;
    if (c == NULL) {
        c = MU_NEW(struct container);
        c->id = fx->container_id;
        c->task = fx->task->id;
        (void)snprintf(c->cmd, sizeof(c->cmd), "%s",
                       fx->task->command.value == NULL ? "" : fx->task->command.value);
        MU_VEC_PUSH(&n->containers, c);
    }
    if (status == 0) {
        c->starts++;
        n->total_starts++;
        c->running = true;
        sim_story(s, "container of %s starts on agent %zu", c->task.s, i);
        sim_check_start(s, c);
        if (c->starts > 1) {
            sim_fail(s, "container %s of %s is started %u times", c->id.s, c->task.s,
                     c->starts);
        }
        if (strncmp(c->cmd, "flaky", 5) == 0 && !s->faults_over) {
            struct event *end =
                sim_later(s, sim_rand(s, 100, 60000), "own_end", on_own_end);
            end->agent = i;
            end->id = c->id;
            end->number = c->run_number;
        }
    }
    struct event *e =
        later(s, i,
              sim_chance(s, s->faults.slow_launch) ? sim_rand(s, 1000, 30000)
                                                   : sim_rand(s, 1, 50),
              "launched", on_launched);
    e->id = fx->container_id;
    e->status = status;
}

static void on_chosen(struct sim *s, struct event *e)
{
    if (is_current(s, e)) {
        struct agent_event ev = {.type = AGENT_EV_CHOSEN,
                                 .container_id = &e->id,
                                 .status = e->status,
                                 .text = e->status < 0 ? "nobody takes it" : "fake"};
        step_now(s, e->agent, &ev);
    }
}

static void on_prepared(struct sim *s, struct event *e)
{
    if (is_current(s, e)) {
        struct agent_event ev = {.type = AGENT_EV_PREPARED,
                                 .container_id = &e->id,
                                 .status = e->status,
                                 .text = e->status < 0 ? "fetch failed" : ""};
        step_now(s, e->agent, &ev);
    }
}

static void on_destroyed(struct sim *s, struct event *e)
{
    if (is_current(s, e)) {
        struct agent_event ev = {.type = AGENT_EV_DESTROYED,
                                 .container_id = &e->id,
                                 .status = e->status,
                                 .text = e->status < 0 ? "device is busy" : ""};
        step_now(s, e->agent, &ev);
    }
}

static void destroy(struct sim *s, size_t i, const struct agent_effect *fx)
{
    struct container *c = find(&s->agents[i], fx->container_id.s);
    int status = sim_chance(s, s->faults.destroy_fails) ? -EBUSY : 0;
    if (c != NULL) {
        sim_check_stop(s, c, "destroyed");
        end_container(s, i, c, SIGKILL, false, "destroyed");
        c->removed = c->removed || status == 0;
    }
    struct event *e = later(s, i, sim_rand(s, 1, 100), "destroyed", on_destroyed);
    e->id = fx->container_id;
    e->status = status;
}

static void signal_container(struct sim *s, size_t i, const struct agent_effect *fx)
{
    struct container *c = find(&s->agents[i], fx->container_id.s);
    if (c != NULL && c->running) {
        sim_check_stop(s, c, "a signal");
        if (sim_rand(s, 0, 3) != 0) { /* one in four ignores SIGTERM */
            end_container(s, i, c, SIGTERM, false, "by SIGTERM");
        }
    }
}

/* ---- recovery ---- */

struct recovery {
    struct sim *s;
    size_t i;
    MU_VEC(struct mu_container_id) known;
};

static void take_known(void *arg, const char *by, const struct mu_container_known *k)
{
    (void)by;
    struct recovery *r = arg;
    MU_VEC_PUSH(&r->known, k->spec.id);
}

static void on_recovered(struct sim *s, struct event *e)
{
    if (!is_current(s, e)) {
        return;
    }
    struct agent_node *n = &s->agents[e->agent];
    struct recovery r = {.s = s, .i = e->agent};
    (void)agent_known(n->a, take_known, &r);
    for (size_t k = 0; k < n->containers.count;
         k++) { /* orphans: ended tasks whose clean-up was cut short */
        struct container *c = n->containers.v[k];
        bool known = false;
        for (size_t j = 0; j < r.known.count; j++) {
            known = known || strcmp(r.known.v[j].s, c->id.s) == 0;
        }
        if (!known) {
            sim_check_stop(s, c, "destroyed as an orphan");
            end_container(s, e->agent, c, SIGKILL, false, "destroyed as an orphan");
            c->removed = true;
        }
    }
    static const struct mu_container_status status = {
        .struct_size = sizeof(status), .ip = "10.0.0.9", .pid = 1, .detail = ""};
    static const struct mu_container_exit lost = {.struct_size = sizeof(lost),
                                                  .message = "forgotten"};
    for (size_t j = 0; j < r.known.count; j++) {
        struct container *c = find(n, r.known.v[j].s);
        struct agent_event ev = {.type = AGENT_EV_CONTAINER,
                                 .container_id = &r.known.v[j]};
        if (c != NULL && c->running) {
            ev.running = true;
            ev.container = &status;
        } else if (c != NULL && c->ended) {
            ev.exit = c->removed ? &lost : &c->exit;
        }
        step_now(s, e->agent, &ev);
    }
    free(r.known.v);
    struct agent_event ev = {.type = AGENT_EV_RECOVERED};
    step_now(s, e->agent, &ev);
}

/* ---- journal ---- */

static void on_journalled(struct sim *s, struct event *e)
{
    if (is_current(s, e)) {
        s->agents[e->agent].durable++;
        struct agent_event ev = {.type = AGENT_EV_JOURNALLED, .token = e->token};
        step_now(s, e->agent, &ev);
    }
}

static void journal(struct sim *s, size_t i, const struct agent_effect *fx)
{
    struct agent_node *n = &s->agents[i];
    MU_VEC_PUSH_ZERO(&n->journal);
    struct mu_buf *b = &n->journal.v[n->journal.count - 1];
    mu_buf_init(b, MU_JOURNAL_RECORD_MAX);
    agent_record_encode(b, &fx->record);
    later(s, i, 1, "journalled", on_journalled)->token =
        fx->token; /* one delay for all: their order is kept by the tie below */
}

static void take_record(void *arg, const struct agent_record *r)
{
    struct agent_node *n = arg;
    MU_VEC_PUSH_ZERO(&n->journal);
    struct mu_buf *b = &n->journal.v[n->journal.count - 1];
    mu_buf_init(b, MU_JOURNAL_RECORD_MAX);
    agent_record_encode(b, r);
}

/* What is being written comes behind the snapshot: only done when nothing is. */
static void compact(struct sim *s, size_t i)
{
    struct agent_node *n = &s->agents[i];
    if (n->durable != n->journal.count) {
        return;
    }
    for (size_t k = 0; k < n->journal.count; k++) {
        mu_buf_release(&n->journal.v[k]);
    }
    n->journal.count = 0;
    agent_snapshot(n->a, take_record, n);
    n->durable = n->journal.count;
    sim_note(s, "agent %zu: journal compacted to %zu records", i, n->durable);
}

/* ---- effects and steps ---- */

static void send(struct sim *s, size_t i, struct agent_effect *fx)
{
    struct agent_node *n = &s->agents[i];
    if (n->conn.open && fx->link == n->conn.agent_link) {
        transmit(s, i, &fx->msg, &n->conn.to_master_at, "from_agent", on_to_master);
    }
}

static void apply(struct sim *s, size_t i, struct agent_effect *fx)
{
    switch ((enum agent_effect_type)fx->type) {
    case AGENT_FX_JOURNAL:
        journal(s, i, fx);
        break;
    case AGENT_FX_SEND:
        send(s, i, fx);
        break;
    case AGENT_FX_RECONNECT:
        if (s->agents[i].conn.open) {
            sim_agent_cut(s, i);
        }
        break;
    case AGENT_FX_RECOVER:
        later(s, i, sim_rand(s, 1, 100), "recovered", on_recovered);
        break;
    case AGENT_FX_CHOOSE: {
        struct event *e = later(s, i, 0, "chosen", on_chosen);
        e->id = fx->container_id;
        e->status = sim_chance(s, s->faults.prepare_fails) ? -ENOTSUP : 0;
        break;
    }
    case AGENT_FX_PREPARE: {
        struct event *e = later(s, i, sim_rand(s, 0, 20), "prepared", on_prepared);
        e->id = fx->container_id;
        e->status = sim_chance(s, s->faults.prepare_fails) ? -ENOENT : 0;
        break;
    }
    case AGENT_FX_LAUNCH:
        launch(s, i, fx);
        break;
    case AGENT_FX_SIGNAL:
        signal_container(s, i, fx);
        break;
    case AGENT_FX_DESTROY:
        destroy(s, i, fx);
        break;
    case AGENT_FX_COMPACT:
        compact(s, i);
        break;
    case AGENT_FX_SHUTDOWN:
        sim_fail(s, "agent %zu is told to end: %s", i, fx->text);
        break;
    case AGENT_FX_LOG:
        sim_note(s, "agent %zu: %s", i, fx->text);
        break;
    case AGENT_FX_REMOVE_SANDBOX:
        break;
    }
}

static void on_wake(struct sim *s, struct event *e)
{
    if (is_current(s, e) && e->number == s->agents[e->agent].wake_gen) {
        struct agent_event ev = {.type = AGENT_EV_TICK};
        step_now(s, e->agent, &ev);
    }
}

static void step_now(struct sim *s, size_t i, struct agent_event *ev)
{
    struct agent_node *n = &s->agents[i];
    ev->now = s->now;
    struct agent_effects fx = {0};
    agent_step(n->a, ev, &fx);
    for (size_t k = 0; k < fx.count; k++) {
        apply(s, i, &fx.v[k]);
    }
    agent_effects_release(&fx);
    free(fx.v);
    n->wake_gen++;
    uint64_t at = agent_deadline_ms(n->a);
    if (at != UINT64_MAX) {
        later(s, i, at > s->now.mono_ms ? at - s->now.mono_ms : 0, "wake", on_wake)
            ->number = n->wake_gen;
    }
}

/* ---- life ---- */

void sim_agent_start(struct sim *s, size_t i)
{
    struct agent_node *n = &s->agents[i];
    char host[16], dir[32];
    (void)snprintf(host, sizeof(host), "agent%zu", i);
    (void)snprintf(dir, sizeof(dir), "/agent%zu", i);
    struct agent_config cfg = {
        .work_dir = dir,
        .seed = sim_rand(s, 1, UINT64_MAX - 1),
        .registration_backoff_ms = 1000,
        .default_kill_grace_ms = 3000,
        .max_completed_tasks = 50,
        .gc_delay_ms = 3600000,
    };
    cfg.info.hostname = mu_xstrdup(host);
    cfg.info.ip = mu_xstrdup("10.0.0.9");
    cfg.info.version = mu_xstrdup("sim");
    cfg.info.port = 5051;
    struct mu_error err;
    if (mu_resources_parse("cpus:2;mem:2048;ports:[31000-31100]", "*",
                           &cfg.info.resources, &err) < 0) {
        sim_fail(s, "%s", err.text);
    }
    n->up = true;
    n->gen++;
    n->connecting = false;
    n->backoff_ms = 100;
    n->newest_epoch = 0; /* what its journal says, below */
    n->leader = MASTERS_MAX;
    if (sim_election_leader(s) != MASTERS_MAX) {
        sim_agent_new_leader(s, i);
    }
    n->a = agent_create(&cfg);
    mu_agent_info_release(&cfg.info);
    sim_story(s, "agent %zu starts with %zu records", i, n->journal.count);
    for (size_t k = 0; k < n->journal.count; k++) {
        struct agent_record r;
        if (agent_record_decode(n->journal.v[k].data, n->journal.v[k].len, &r, &err) <
            0) {
            sim_fail(s, "journal of agent %zu: %s", i, err.text);
            return;
        }
        struct agent_event ev = {.type = AGENT_EV_REPLAY, .record = &r};
        step_now(s, i, &ev);
        n->newest_epoch = r.type == AGENT_REC_EPOCH ? r.epoch : n->newest_epoch;
        agent_record_release(&r);
    }
    n->newest_at = s->now.mono_ms;
    struct agent_event ev = {.type = AGENT_EV_REPLAYED};
    step_now(s, i, &ev);
    connect_later(s, i);
}

void sim_agent_crash(struct sim *s, size_t i)
{
    struct agent_node *n = &s->agents[i];
    if (!n->up) {
        return;
    }
    s->crashes++;
    sim_story(s, "agent %zu dies", i);
    sim_agent_cut(s, i);
    n->up = false;
    n->gen++;
    agent_destroy(n->a);
    n->a = NULL;
    size_t kept = n->durable + (n->journal.count > n->durable
                                    ? sim_rand(s, 0, n->journal.count - n->durable)
                                    : 0);
    while (n->journal.count > kept) {
        mu_buf_release(&n->journal.v[--n->journal.count]);
    }
    n->durable = n->journal.count;
}

void sim_agent_release(struct sim *s, size_t i)
{
    struct agent_node *n = &s->agents[i];
    agent_destroy(n->a);
    for (size_t k = 0; k < n->journal.count; k++) {
        mu_buf_release(&n->journal.v[k]);
    }
    free(n->journal.v);
    for (size_t k = 0; k < n->containers.count; k++) {
        free(n->containers.v[k]);
    }
    free(n->containers.v);
}

size_t sim_running_containers(const struct sim *s, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < s->agents[i].containers.count; k++) {
        n += s->agents[i].containers.v[k]->running;
    }
    return n;
}
