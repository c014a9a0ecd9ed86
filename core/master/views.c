/* Read models: rows lent to the callback, built from the running reign.
 *
 * Keys: an agent's id for agents, a framework's id for frameworks, tasks and offers; NULL
 * for all. Agents the registry knows and that have not come back are listed with
 * registered_ms 0 and say what they are waited for; unreachable ones are only counted.
 */
#include <inttypes.h>
#include <string.h>

#include "base/vec.h"
#include "master/state.h"

static void waiting_text(const struct master *m, struct mu_buf *out)
{
    char returns[128];
    if (m->mode == MASTER_STANDBY) {
        mu_buf_puts(out, m->has_leader ? "stands by: another master leads"
                                       : "stands by: an election");
    } else if (m->mode == MASTER_RECOVERING) {
        mu_buf_puts(out, "the registry to be recovered");
        master_explain_registry(m, out);
    } else if (master_registry_is_slow(m)) {
        mu_buf_puts(out, "the registry, which does not answer");
        master_explain_registry(m, out);
    } else {
        master_returns_text(m, returns, sizeof(returns));
        mu_buf_puts(out, returns);
    }
}

static int query_master(const struct master *m, mu_row_cb cb, void *arg)
{
    struct mu_buf waiting;
    mu_buf_init(&waiting, 8192);
    waiting_text(m, &waiting);
    struct mu_master_row row = {
        .id = m->cfg.id.s,
        .hostname = m->cfg.hostname,
        .ip = m->cfg.ip,
        .version = m->cfg.version,
        .port = m->cfg.port,
        .start_ms = m->start_ms,
        .elected_ms = m->mode == MASTER_LEADING ? m->elected_ms : 0,
        .leading = m->reign != NULL,
        .recovered = m->mode == MASTER_LEADING,
        .leader = m->has_leader ? &m->leader : NULL,
        .waiting_for = waiting.len > 0 ? mu_buf_str(&waiting) : NULL,
    };
    if (m->reign != NULL) {
        const uint32_t *in = m->reign->agents_in;
        row.agents_active = in[AGENT_ACTIVE];
        row.agents_inactive = in[AGENT_DISCONNECTED] + in[AGENT_MARKING] +
                              in[AGENT_REMOVING] + in[AGENT_MARKING_GONE];
        row.agents_unreachable = in[AGENT_UNREACHABLE];
    }
    cb(arg, &row);
    mu_buf_release(&waiting);
    return 1;
}

static const char *agent_waits_for(const struct master_agent *a)
{
    if (mu_list_linked(&a->scheduled)) {
        return "its turn to be marked unreachable, unless it comes back "
               "(--agent_removal_rate_limit)";
    }
    switch ((enum master_agent_state)a->state) {
    case AGENT_RECOVERED:
        return "the agent to re-register after the failover";
    case AGENT_READMITTING:
        return "the registry, to admit it again";
    case AGENT_DISCONNECTED:
        return "the agent to reconnect";
    case AGENT_MARKING:
        return "the registry, to mark it unreachable";
    case AGENT_REMOVING:
        return "the registry, to remove it";
    case AGENT_MARKING_GONE:
        return "the registry, to mark it gone";
    case AGENT_ADMITTING:
    case AGENT_ACTIVE:
    case AGENT_UNREACHABLE:
    case AGENT_GONE:
    case AGENT_STATES:
        break;
    }
    return NULL;
}

static bool is_listed(const struct master_agent *a)
{
    return a->state != AGENT_ADMITTING && a->state != AGENT_UNREACHABLE &&
           a->state != AGENT_GONE;
}

static void agent_row(const struct master_agent *a, mu_row_cb cb, void *arg)
{
    const struct mu_agent_row row = {
        .id = a->info.id.s,
        .hostname = a->info.hostname,
        .ip = a->info.ip,
        .version = a->info.version,
        .port = a->info.port,
        .active = a->state == AGENT_ACTIVE,
        .connected = a->state == AGENT_ACTIVE,
        .registered_ms = a->registered_ms,
        .reregistered_ms = a->reregistered_ms,
        .total = &a->info.resources,
        .used = &a->used,
        .offered = &a->offered,
        .attributes = &a->info.attributes,
        .waiting_for = agent_waits_for(a),
    };
    cb(arg, &row);
}

static int query_agents(const struct master *m, const char *key, mu_row_cb cb, void *arg)
{
    int count = 0;
    if (key != NULL) {
        const struct master_agent *a = mu_map_get(&m->reign->agents, key);
        if (a != NULL && is_listed(a)) {
            agent_row(a, cb, arg);
            count = 1;
        }
        return count;
    }
    mu_map_foreach (e, &m->reign->agents) {
        if (is_listed(e->value)) {
            agent_row(e->value, cb, arg);
            count++;
        }
    }
    return count;
}

struct sink {
    const struct master *m;
    mu_row_cb cb;
    void *arg;
};

/* Call each for the framework of that id, or for all: live, then completed. */
static int each_framework(const struct sink *s,
                          const char *key,
                          int (*each)(const struct sink *s,
                                      const struct master_framework *f))
{
    const struct reign *r = s->m->reign;
    if (key != NULL) {
        const struct master_framework *f = mu_map_get(&r->frameworks, key);
        f = f != NULL ? f : mu_map_get(&r->completed, key);
        return f != NULL ? each(s, f) : 0;
    }
    int count = 0;
    mu_map_foreach (e, &r->frameworks) {
        count += each(s, e->value);
    }
    mu_map_foreach (e, &r->completed) {
        count += each(s, e->value);
    }
    return count;
}

static int framework_row(const struct sink *s, const struct master_framework *f)
{
    struct mu_resources used = {0};
    struct mu_resources offered = {0};
    quantities_to_resources(&f->used, &s->m->reign->names, &used);
    quantities_to_resources(&f->offered, &s->m->reign->names, &offered);
    const struct mu_framework_row row = {
        .id = f->info.id.s,
        .name = f->info.name,
        .user = f->info.user,
        .role = f->info.role != NULL && f->info.role[0] != '\0' ? f->info.role : "*",
        .hostname = f->info.hostname,
        .principal = f->info.principal,
        .webui_url = f->info.webui_url,
        .active = f->state == FRAMEWORK_CONNECTED,
        .connected = f->state == FRAMEWORK_CONNECTED,
        .completed = f->state >= FRAMEWORK_TERMINATING,
        .recovered = f->state == FRAMEWORK_RECOVERED,
        .registered_ms = f->registered_ms,
        .reregistered_ms = f->reregistered_ms,
        .unregistered_ms = f->unregistered_ms,
        .failover_timeout_ms = f->info.failover_timeout_ms,
        .used = &used,
        .offered = &offered,
    };
    s->cb(s->arg, &row);
    mu_resources_release(&used);
    mu_resources_release(&offered);
    return 1;
}

/* scratch: room for the expanded statuses, kept from row to row. */
struct statuses {
    struct mu_task_status *v;
    size_t count, cap;
};

static void
task_row(const struct sink *s, const struct master_task *t, struct statuses *scratch)
{
    MU_VEC_CLEAR(scratch);
    for (size_t i = 0; i < t->note_count; i++) {
        MU_VEC_PUSH_ZERO(scratch);
        master_note_expand(t, &t->notes[i], &scratch->v[i]);
    }
    const struct mu_task_row row = {
        .info = t->info,
        .state = t->state,
        .completed = t->completed,
        .statuses = scratch->v,
        .status_count = scratch->count,
    };
    s->cb(s->arg, &row);
}

static int task_rows(const struct sink *s, const struct master_framework *f)
{
    struct statuses scratch = {0};
    int count = 0;
    mu_map_foreach (e, &f->tasks) {
        task_row(s, e->value, &scratch);
        count++;
    }
    mu_list_foreach (node, &f->completed) {
        task_row(s, mu_list_entry(node, struct master_task, ring), &scratch);
        count++;
    }
    MU_VEC_RELEASE(&scratch);
    return count;
}

static int offer_rows(const struct sink *s, const struct master_framework *f)
{
    int count = 0;
    mu_list_foreach (node, &f->offers) {
        const struct master_offer *o =
            mu_list_entry(node, struct master_offer, of_framework);
        const struct mu_offer_row row = {.id = o->id.s,
                                         .agent_id = o->agent->info.id.s,
                                         .framework_id = f->info.id.s,
                                         .resources = &o->resources};
        s->cb(s->arg, &row);
        count++;
    }
    return count;
}

int master_query(
    const struct master *m, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    const struct sink s = {m, cb, arg};
    bool leading = m->mode == MASTER_LEADING;
    switch (type) {
    case MU_Q_MASTER:
        return query_master(m, cb, arg);
    case MU_Q_AGENTS:
        return leading ? query_agents(m, key, cb, arg) : 0;
    case MU_Q_FRAMEWORKS:
        return leading ? each_framework(&s, key, framework_row) : 0;
    case MU_Q_TASKS:
        return leading ? each_framework(&s, key, task_rows) : 0;
    case MU_Q_OFFERS:
        return leading ? each_framework(&s, key, offer_rows) : 0;
    default:
        return MU_E_INVALID;
    }
}
