/* The master's /state, /slaves, /frameworks and /registry. */
#include "mesos.h"

#include <stdio.h>
#include <string.h>

struct writer {
    const struct mso *m;
    struct mu_jw w;
    const char *agent_id, *framework_id; /* the only one that is wanted; NULL: all */
    bool recovered;                      /* which agents are wanted now */
    bool completed;                      /* which frameworks are wanted now */
};

static void
pid_text(const char *who, const char *ip, uint32_t port, char *out, size_t size)
{
    (void)snprintf(out, size, "%s@%s:%u", who, ip == NULL ? "" : ip, port);
}

static void write_capabilities(struct mu_jw *w)
{
    mu_jw_key(w, "capabilities");
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
}

/* ---- agents ---- */

static void write_waiting(struct mu_jw *w, const char *what)
{
    if (what != NULL) {
        mu_jw_kv_string(w, "waiting_for", what);
    }
}

/* Known from the registry, not yet back since the failover. */
static void write_recovered(struct mu_jw *w, const struct mu_agent_row *a)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", a->id);
    mu_jw_kv_string(w, "hostname", a->hostname);
    mu_jw_kv_int(w, "port", a->port);
    mso_write_attributes(w, a->attributes);
    mso_write_resources(w, "resources", a->total);
    write_waiting(w, a->waiting_for);
    mu_jw_object_end(w);
}

static void write_agent(void *arg, const void *data)
{
    struct writer *wr = arg;
    struct mu_jw *w = &wr->w;
    const struct mu_agent_row *a = data;
    char pid[320];
    bool is_recovered = a->registered_ms == 0;
    if (is_recovered != wr->recovered) {
        return;
    }
    if (is_recovered) {
        write_recovered(w, a);
        return;
    }
    pid_text("slave(1)", a->ip, a->port, pid, sizeof(pid));
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", a->id);
    mu_jw_kv_string(w, "hostname", a->hostname);
    mu_jw_kv_int(w, "port", a->port);
    mso_write_attributes(w, a->attributes);
    mu_jw_kv_string(w, "pid", pid);
    mso_write_time(w, "registered_time", a->registered_ms);
    if (a->reregistered_ms != 0) {
        mso_write_time(w, "reregistered_time", a->reregistered_ms);
    }
    mso_write_resources(w, "resources", a->total);
    mso_write_resources(w, "used_resources", a->used);
    mso_write_resources(w, "offered_resources", a->offered);
    mso_write_reserved(w, "reserved_resources", a->total);
    mso_write_unreserved(w, "unreserved_resources", a->total);
    mu_jw_kv_bool(w, "active", a->active);
    mu_jw_kv_bool(w, "deactivated", false);
    mu_jw_kv_string(w, "version", a->version);
    write_capabilities(w);
    write_waiting(w, a->waiting_for);
    mu_jw_object_end(w);
}

static void write_agents(struct writer *wr)
{
    static const char *const keys[] = {"slaves", "recovered_slaves"};
    for (size_t i = 0; i < 2; i++) {
        wr->recovered = i == 1;
        mu_jw_key(&wr->w, keys[i]);
        mu_jw_array_begin(&wr->w);
        (void)wr->m->core->query(wr->m->core, MU_Q_AGENTS, wr->agent_id, write_agent, wr);
        mu_jw_array_end(&wr->w);
    }
}

/* ---- frameworks ---- */

enum kind { LIVE, UNREACHABLE, COMPLETED, KINDS };

/* An array of tasks of each kind, written in one pass over all of a framework's tasks. */
struct tasks {
    struct mu_buf text[KINDS];
    struct mu_jw w[KINDS];
};

static void write_task(void *arg, const void *data)
{
    struct tasks *t = arg;
    const struct mu_task_row *row = data;
    enum kind kind = row->completed                      ? COMPLETED
                     : row->state == MU_TASK_UNREACHABLE ? UNREACHABLE
                                                         : LIVE;
    const struct mso_task task = {row->info, row->state, row->statuses,
                                  row->status_count};
    mso_write_task(&t->w[kind], &task);
}

static void write_tasks(struct writer *wr, const char *framework)
{
    static const char *const keys[KINDS] = {"tasks", "unreachable_tasks",
                                            "completed_tasks"};
    struct tasks t;
    for (int i = 0; i < KINDS; i++) {
        mu_buf_init(&t.text[i], MSO_JSON_MAX);
        mu_jw_init(&t.w[i], &t.text[i]);
        mu_jw_array_begin(&t.w[i]);
    }
    (void)wr->m->core->query(wr->m->core, MU_Q_TASKS, framework, write_task, &t);
    for (int i = 0; i < KINDS; i++) {
        mu_jw_array_end(&t.w[i]);
        mu_jw_key(&wr->w, keys[i]);
        mu_jw_raw(&wr->w, t.text[i].data, t.text[i].len);
        wr->w.out->overflow |= t.text[i].overflow;
        mu_buf_release(&t.text[i]);
    }
}

static void write_offer(void *arg, const void *data)
{
    struct mu_jw *w = arg;
    const struct mu_offer_row *o = data;
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", o->id);
    mu_jw_kv_string(w, "framework_id", o->framework_id);
    mu_jw_kv_string(w, "slave_id", o->agent_id);
    mso_write_resources(w, "resources", o->resources);
    mu_jw_object_end(w);
}

static void write_framework(void *arg, const void *data)
{
    struct writer *wr = arg;
    struct mu_jw *w = &wr->w;
    const struct mu_framework_row *f = data;
    if (f->completed != wr->completed) {
        return;
    }
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", f->id);
    mu_jw_kv_string(w, "name", f->name);
    mso_write_resources(w, "used_resources", f->used);
    mso_write_resources(w, "offered_resources", f->offered);
    write_capabilities(w);
    mu_jw_kv_string(w, "hostname", f->hostname == NULL ? "" : f->hostname);
    mu_jw_kv_string(w, "webui_url", f->webui_url == NULL ? "" : f->webui_url);
    mu_jw_kv_bool(w, "active", f->active);
    mu_jw_kv_bool(w, "connected", f->connected);
    mu_jw_kv_bool(w, "recovered", f->recovered);
    mu_jw_kv_string(w, "user", f->user == NULL ? "" : f->user);
    mu_jw_key(w, "failover_timeout");
    mu_jw_milli_double(w, (int64_t)f->failover_timeout_ms);
    mu_jw_kv_bool(w, "checkpoint", true);
    mso_write_time(w, "registered_time", f->registered_ms);
    mso_write_time(w, "unregistered_time", f->unregistered_ms);
    if (f->reregistered_ms != 0) {
        mso_write_time(w, "reregistered_time", f->reregistered_ms);
    }
    if (f->principal != NULL) {
        mu_jw_kv_string(w, "principal", f->principal);
    }
    struct mu_resources both = {0};
    mu_resources_copy(&both, f->used);
    int rc = mu_resources_add(&both, f->offered, NULL);
    mso_write_resources(w, "resources", rc == 0 ? &both : f->used);
    mu_resources_release(&both);
    mu_jw_kv_string(w, "role", f->role);
    write_tasks(wr, f->id);
    mu_jw_key(w, "offers");
    mu_jw_array_begin(w);
    (void)wr->m->core->query(wr->m->core, MU_Q_OFFERS, f->id, write_offer, w);
    mu_jw_array_end(w);
    mu_jw_key(w, "executors");
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
    mu_jw_object_end(w);
}

static void write_frameworks(struct writer *wr, const char *key, bool completed)
{
    wr->completed = completed;
    mu_jw_key(&wr->w, key);
    mu_jw_array_begin(&wr->w);
    (void)wr->m->core->query(wr->m->core, MU_Q_FRAMEWORKS, wr->framework_id,
                             write_framework, wr);
    mu_jw_array_end(&wr->w);
}

static void write_none(struct mu_jw *w, const char *key)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
}

/* ---- the master itself ---- */

static void write_count(struct mu_jw *w, const char *key, uint32_t n)
{
    mu_jw_key(w, key);
    mu_jw_milli_double(w, (int64_t)n * 1000);
}

static void write_leader(struct mu_jw *w, const struct mu_member *leader)
{
    char pid[320];
    pid_text("master", leader->ip, leader->port, pid, sizeof(pid));
    mu_jw_kv_string(w, "leader", pid);
    mu_jw_key(w, "leader_info");
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", leader->id);
    mu_jw_kv_string(w, "pid", pid);
    mu_jw_kv_int(w, "port", leader->port);
    mu_jw_kv_string(w, "hostname", mso_host_of(leader));
    mu_jw_object_end(w);
}

static void write_master(void *arg, const void *data)
{
    struct writer *wr = arg;
    struct mu_jw *w = &wr->w;
    const struct mu_master_row *m = data;
    char pid[320];
    pid_text("master", m->ip, m->port, pid, sizeof(pid));
    mso_write_time(w, "start_time", m->start_ms);
    if (m->elected_ms != 0) {
        mso_write_time(w, "elected_time", m->elected_ms);
    }
    mu_jw_kv_string(w, "id", m->id);
    mu_jw_kv_string(w, "pid", pid);
    mu_jw_kv_string(w, "hostname", m->hostname);
    write_capabilities(w);
    write_count(w, "activated_slaves", m->agents_active);
    write_count(w, "deactivated_slaves", m->agents_inactive);
    write_count(w, "unreachable_slaves", m->agents_unreachable);
    if (m->leader != NULL) {
        write_leader(w, m->leader);
    }
    write_waiting(w, m->waiting_for);
}

/* ---- the registry ---- */

static void write_store(void *arg, const void *data)
{
    struct mu_jw *w = arg;
    const struct mu_registry_row *r = data;
    mu_jw_key(w, r->store);
    mu_jw_raw(w, r->details, r->details_len);
}

static void write_registry(struct writer *wr)
{
    mu_jw_key(&wr->w, "registry");
    mu_jw_object_begin(&wr->w);
    (void)wr->m->core->query(wr->m->core, MU_Q_REGISTRY, NULL, write_store, &wr->w);
    mu_jw_object_end(&wr->w);
}

static void begin(struct writer *wr, const struct mso_route *r, struct mu_buf *out)
{
    *wr = (struct writer){.m = r->mso};
    mu_buf_init(out, MSO_JSON_MAX);
    mu_jw_init(&wr->w, out);
    mu_jw_object_begin(&wr->w);
}

/* The one id that the query asks for, or NULL. What no id can be is nobody's. */
static const char *
only_of(const struct mu_http_request *req, const char *name, char out[MU_ID_MAX])
{
    int len = mu_http_query_get(req->query, name, 0, out, MU_ID_MAX);
    if (len == MU_E_NOT_FOUND) {
        return NULL;
    }
    if (len < 0) {
        out[0] = '\0';
    }
    return out;
}

void mso_on_master_state(void *arg,
                         struct mu_http_exchange *x,
                         const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    if (!mso_leads(r, x, req)) {
        return;
    }
    struct mu_buf out;
    struct writer wr;
    begin(&wr, r, &out);
    mso_write_build(&wr.w);
    (void)r->mso->core->query(r->mso->core, MU_Q_MASTER, NULL, write_master, &wr);
    mso_write_flags(r->mso, &wr.w);
    write_registry(&wr);
    write_agents(&wr);
    write_frameworks(&wr, "frameworks", false);
    write_frameworks(&wr, "completed_frameworks", true);
    write_none(&wr.w, "orphan_tasks");
    write_none(&wr.w, "unregistered_frameworks");
    mu_jw_object_end(&wr.w);
    mso_reply_json(r->mso, x, req, &out);
}

/* Of this master's own part in it, whether it leads or not. */
void mso_on_master_registry(void *arg,
                            struct mu_http_exchange *x,
                            const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct writer wr;
    begin(&wr, r, &out);
    (void)r->mso->core->query(r->mso->core, MU_Q_MASTER, NULL, write_master, &wr);
    write_registry(&wr);
    mu_jw_object_end(&wr.w);
    mso_reply_json(r->mso, x, req, &out);
}

void mso_on_master_slaves(void *arg,
                          struct mu_http_exchange *x,
                          const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    if (!mso_leads(r, x, req)) {
        return;
    }
    struct mu_buf out;
    struct writer wr;
    char only[MU_ID_MAX];
    begin(&wr, r, &out);
    wr.agent_id = only_of(req, "slave_id", only);
    write_agents(&wr);
    mu_jw_object_end(&wr.w);
    mso_reply_json(r->mso, x, req, &out);
}

void mso_on_master_frameworks(void *arg,
                              struct mu_http_exchange *x,
                              const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    if (!mso_leads(r, x, req)) {
        return;
    }
    struct mu_buf out;
    struct writer wr;
    char only[MU_ID_MAX];
    begin(&wr, r, &out);
    wr.framework_id = only_of(req, "framework_id", only);
    write_frameworks(&wr, "frameworks", false);
    write_frameworks(&wr, "completed_frameworks", true);
    write_none(&wr.w, "unregistered_frameworks");
    mu_jw_object_end(&wr.w);
    mso_reply_json(r->mso, x, req, &out);
}
