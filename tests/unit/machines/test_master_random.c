/* Random events against the master: whatever peers say, in whatever order, how often and
 * how late, its invariants hold after every step, and nothing is sent on a link that it
 * has closed or that was never opened.
 *
 * A failing run prints its seed; the same seed repeats it.
 */
#include "base/prng.h"
#include "master_kit.h"

#define SEEDS 90
#define STEPS 400
#define AGENTS 5
#define FRAMEWORKS 4
#define TASKS 6

struct chaos {
    struct kit k;
    struct mu_prng r;
    uint64_t epoch;
    uint64_t agent_link[AGENTS], framework_link[FRAMEWORKS]; /* 0: none */
    char agent_id[AGENTS][64], framework_id[FRAMEWORKS][MU_ID_MAX];
    struct mu_offer_id offers[16]; /* lately seen */
    struct mu_agent_id offer_agents[16];
    size_t offer_count;
};

static size_t below(struct chaos *c, size_t n)
{
    return (size_t)mu_prng_below(&c->r, n);
}

static const char *task_name(struct chaos *c)
{
    static const char *const names[TASKS] = {"t0", "t1", "t2", "t3", "t4", "t5"};
    return names[below(c, TASKS)];
}

static const char *uuid_name(struct chaos *c)
{
    static const char *const names[] = {"", "u0", "u1", "u2"};
    return names[below(c, MU_COUNT_OF(names))];
}

static const char *some_agent(struct chaos *c)
{
    return below(c, 8) == 0 ? "nobody" : c->agent_id[below(c, AGENTS)];
}

static const char *some_framework(struct chaos *c)
{
    return below(c, 8) == 0 ? "nobody" : c->framework_id[below(c, FRAMEWORKS)];
}

/* ---- what peers learn ---- */

static void learn(struct chaos *c, uint64_t link, const struct mu_msg *msg)
{
    for (size_t i = 0; i < AGENTS; i++) {
        if (c->agent_link[i] == link && msg->type == MU_MSG_REGISTERED) {
            (void)snprintf(c->agent_id[i], sizeof(c->agent_id[i]), "%s", msg->agent_id.s);
        }
    }
    for (size_t i = 0; i < FRAMEWORKS; i++) {
        if (c->framework_link[i] == link && msg->type == MU_MSG_SUBSCRIBED) {
            (void)snprintf(c->framework_id[i], sizeof(c->framework_id[i]), "%s",
                           msg->framework_id.s);
        }
    }
    for (size_t i = 0; i < msg->offer_count; i++) {
        size_t at = c->offer_count++ % MU_COUNT_OF(c->offers);
        c->offers[at] = msg->offers[i].id;
        c->offer_agents[at] = msg->offers[i].agent_id;
    }
}

static void drop_link(struct chaos *c, uint64_t link)
{
    for (size_t i = 0; i < AGENTS; i++) {
        c->agent_link[i] = c->agent_link[i] == link ? 0 : c->agent_link[i];
    }
    for (size_t i = 0; i < FRAMEWORKS; i++) {
        c->framework_link[i] = c->framework_link[i] == link ? 0 : c->framework_link[i];
    }
}

static void read_sent(struct chaos *c)
{
    for (size_t i = 0; i < c->k.sent.count; i++) {
        const struct sent *s = &c->k.sent.v[i];
        assert_true(s->link != 0 && s->link < c->k.next_link);
        if (s->closed) {
            drop_link(c, s->link);
        } else {
            learn(c, s->link, &s->msg);
        }
        for (size_t later = i + 1; s->closed && later < c->k.sent.count; later++) {
            assert_true(c->k.sent.v[later].link != s->link); /* it is closed */
        }
    }
    kit_forget(&c->k);
}

/* ---- what peers do ---- */

static void do_register(struct chaos *c)
{
    size_t i = below(c, AGENTS);
    char host[16];
    (void)snprintf(host, sizeof(host), "host%zu", below(c, AGENTS));
    static const char *const resources[] = {"cpus:4;mem:4096;ports:[1-20]",
                                            "cpus:0.5;mem:200;cpus(web):1",
                                            "cpus:100;mem:9000;disk:5", ""};
    c->agent_link[i] = kit_register_with(&c->k, host, resources[below(c, 4)]);
}

static void do_reregister(struct chaos *c)
{
    size_t i = below(c, AGENTS);
    char host[16];
    (void)snprintf(host, sizeof(host), "host%zu",
                   below(c, 3) == 0 ? below(c, AGENTS) : i);
    struct mu_msg msg;
    reregister_msg(&msg, some_agent(c), host);
    for (size_t n = below(c, 4); n > 0; n--) {
        add_record(&msg, some_framework(c), task_name(c),
                   (uint32_t)below(c, MU_TASK_STATE_COUNT));
        msg.records[msg.record_count - 1].terminal_acknowledged = below(c, 6) == 0;
    }
    bool same_link = below(c, 5) == 0 && c->agent_link[i] != 0;
    uint64_t link = same_link ? c->agent_link[i] : kit_link(&c->k);
    c->agent_link[i] = link;
    kit_message(&c->k, link, &msg);
}

static void do_subscribe(struct chaos *c)
{
    size_t i = below(c, FRAMEWORKS);
    struct mu_framework_info info =
        framework_info(below(c, 3) == 0 ? "" : some_framework(c), "fw");
    info.capabilities = below(c, 2) == 0 ? MU_CAP_PARTITION_AWARE : 0;
    static const uint64_t times[] = {0, 2000, 3600000};
    info.failover_timeout_ms = times[below(c, 3)];
    info.role = below(c, 3) == 0 ? mu_xstrdup("web") : NULL;
    c->framework_link[i] = kit_subscribe_info(&c->k, &info);
    mu_framework_info_release(&info);
}

static void do_accept(struct chaos *c)
{
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_ACCEPT);
    msg.refuse_ms = below(c, 3) * 2500;
    const char *agent = some_agent(c);
    for (size_t n = below(c, 3) + (c->offer_count > 0 ? 1 : 0); n > 0; n--) {
        size_t at = below(c, MU_COUNT_OF(c->offers));
        mu_msg_add_offer_id(&msg, &c->offers[at]);
        agent = below(c, 8) != 0 ? c->offer_agents[at].s : agent;
    }
    size_t i = below(c, FRAMEWORKS);
    for (size_t n = below(c, 4); n > 0; n--) {
        static const char *const wants[] = {"cpus:0.5;mem:64", "cpus:2;ports:[3-4]", ""};
        struct mu_task_info *t =
            task_info(c->framework_id[i], agent, task_name(c), wants[below(c, 3)]);
        mu_msg_add_task(&msg, t);
        mu_task_info_unref(t);
    }
    msg.type = below(c, 4) == 0 ? MU_MSG_DECLINE : MU_MSG_ACCEPT;
    kit_message(&c->k, c->framework_link[i], &msg);
}

static void do_framework_call(struct chaos *c)
{
    static const uint32_t types[] = {
        MU_MSG_REVIVE, MU_MSG_SUPPRESS,    MU_MSG_RECONCILE,   MU_MSG_KILL,
        MU_MSG_KILL,   MU_MSG_ACKNOWLEDGE, MU_MSG_ACKNOWLEDGE, MU_MSG_TEARDOWN};
    struct mu_msg msg;
    mu_msg_init(&msg, types[below(c, 40) == 0 ? 7 : below(c, 7)]);
    (void)snprintf(msg.task_id.s, sizeof(msg.task_id.s), "%s", task_name(c));
    (void)snprintf(msg.agent_id.s, sizeof(msg.agent_id.s), "%s",
                   below(c, 3) == 0 ? "" : some_agent(c));
    (void)snprintf(msg.uuid.s, sizeof(msg.uuid.s), "%s", uuid_name(c));
    if (msg.type == MU_MSG_RECONCILE && below(c, 2) == 0) {
        struct mu_task_status s = {.task_id = msg.task_id, .agent_id = msg.agent_id};
        mu_msg_add_status(&msg, &s);
    }
    kit_message(&c->k, c->framework_link[below(c, FRAMEWORKS)], &msg);
}

static void do_update(struct chaos *c)
{
    kit_update(&c->k, c->agent_link[below(c, AGENTS)], some_framework(c), task_name(c),
               (uint32_t)below(c, MU_TASK_STATE_COUNT + 1), uuid_name(c));
}

static void do_agent_talk(struct chaos *c)
{
    static const uint32_t types[] = {MU_MSG_PONG, MU_MSG_PONG, MU_MSG_STATUS_UPDATE,
                                     MU_MSG_OFFERS, MU_MSG_UNREGISTER};
    kit_simple(&c->k, c->agent_link[below(c, AGENTS)],
               types[below(c, 20) == 0 ? 4 : below(c, 4)]);
}

static void do_close(struct chaos *c)
{
    uint64_t link = below(c, 2) == 0 ? c->agent_link[below(c, AGENTS)]
                                     : c->framework_link[below(c, FRAMEWORKS)];
    drop_link(c, link);
    kit_close(&c->k, link);
}

static void do_wait(struct chaos *c)
{
    static const uint64_t times[] = {1, 900, 5000, 16000, 80000, 601000, 2000000};
    kit_wait(&c->k, times[below(c, MU_COUNT_OF(times))]);
}

static void do_commit(struct chaos *c)
{
    static const int statuses[] = {0, 0, 0, 0, -28};
    c->k.hold_commits = below(c, 2) == 0;
    while (c->k.commits.count > 0 && below(c, 4) != 0) {
        kit_commit(&c->k, statuses[below(c, MU_COUNT_OF(statuses))]);
    }
}

static void do_election(struct chaos *c)
{
    if (below(c, 6) != 0) {
        return;
    }
    if (below(c, 2) == 0) {
        kit_lost(&c->k);
    }
    kit_elect(&c->k, ++c->epoch);
    for (size_t i = 0; i < below(c, AGENTS); i++) {
        kit_entry(&c->k, c->agent_id[i], (uint32_t)below(c, 3) + 1);
    }
    kit_recovered(&c->k, below(c, 10) == 0 ? -5 : 0);
}

static void do_mark_gone(struct chaos *c)
{
    if (below(c, 6) != 0) {
        return;
    }
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_MARK_GONE);
    (void)snprintf(msg.agent_id.s, sizeof(msg.agent_id.s), "%s", some_agent(c));
    kit_message(&c->k, 0, &msg);
}

static void look_around(struct chaos *c)
{
    (void)kit_waiting_for(&c->k);
    (void)kit_master_row(&c->k);
    (void)kit_agent(&c->k, c->agent_id[0]);
    (void)kit_task_state(&c->k, "t0", NULL);
    (void)kit_metric(&c->k, "master/tasks_running");
}

static void rings_of_two(struct master_config *cfg)
{
    cfg->max_completed_tasks = 2;
    cfg->max_completed_frameworks = 1;
}

static void slow_removals(struct master_config *cfg)
{
    rings_of_two(cfg);
    cfg->agent_removal_permits = 1;
    cfg->agent_removal_per_ms = 30000;
    cfg->recovery_returns_needed_ppm = 400000;
    cfg->registry_max_agent_age_ms = 1000000;
    cfg->registry_max_agent_count = 3;
}

static void private_registry(struct master_config *cfg)
{
    slow_removals(cfg);
    cfg->registry_is_private = true;
}

static void run(uint64_t seed)
{
    static void (*const acts[])(struct chaos *) = {
        do_register,   do_reregister, do_reregister,     do_subscribe, do_accept,
        do_accept,     do_accept,     do_framework_call, do_update,    do_update,
        do_close,      do_wait,       do_commit,         do_commit,    do_election,
        do_agent_talk, do_mark_gone};
    struct chaos c = {.epoch = 1};
    mu_prng_seed(&c.r, seed);
    static void (*const changes[])(struct master_config *) = {
        NULL, rings_of_two, slow_removals, private_registry};
    kit_create(&c.k, changes[seed % MU_COUNT_OF(changes)]);
    for (size_t i = 0; i < AGENTS; i++) {
        (void)snprintf(c.agent_id[i], sizeof(c.agent_id[i]), OLD_MASTER_ID "-S%zu", i);
    }
    for (size_t i = 0; i < FRAMEWORKS; i++) {
        (void)snprintf(c.framework_id[i], MU_ID_MAX, OLD_MASTER_ID "-000%zu", i);
    }
    kit_lead(&c.k);
    for (int step = 0; step < STEPS; step++) {
        acts[below(&c, MU_COUNT_OF(acts))](&c);
        read_sent(&c);
        if (step % 50 == 0) {
            look_around(&c);
        }
    }
    kit_destroy(&c.k);
}

static void invariants_hold_whatever_peers_do(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        (void)fprintf(stderr, "%s%d", seed == 1 ? "seeds: " : " ", (int)seed);
        run(seed);
    }
    (void)fprintf(stderr, "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_whatever_peers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
