/* The agent's /state. Muster runs a task without an executor process; the executor shown
 * for it stands for its container, as Mesos' command executor does. */
#include "mesos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct mso *m;
    struct mu_jw w;
    struct mu_strings frameworks; /* ids, each once, in the order seen */
    const char *framework;        /* the one being written */
    bool completed, named;
};

static void collect_framework(void *arg, const void *data)
{
    struct writer *wr = arg;
    const struct mu_local_task_row *t = data;
    for (size_t i = 0; i < wr->frameworks.count; i++) {
        if (strcmp(wr->frameworks.v[i], t->info->framework_id.s) == 0) {
            return;
        }
    }
    mu_strings_add(&wr->frameworks, t->info->framework_id.s);
}

static void write_name(void *arg, const void *data)
{
    struct writer *wr = arg;
    const struct mu_local_task_row *t = data;
    if (wr->named || strcmp(t->info->framework_id.s, wr->framework) != 0) {
        return;
    }
    wr->named = true;
    mu_jw_kv_string(&wr->w, "name", t->framework_name == NULL ? "" : t->framework_name);
    mu_jw_kv_string(&wr->w, "user", t->framework_user == NULL ? "" : t->framework_user);
}

static void write_list(struct mu_jw *w, const char *key, const struct mso_task *task)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    if (task != NULL) {
        mso_write_task(w, task);
    }
    mu_jw_array_end(w);
}

static void write_executor(void *arg, const void *data)
{
    struct writer *wr = arg;
    struct mu_jw *w = &wr->w;
    const struct mu_local_task_row *t = data;
    if (t->completed != wr->completed ||
        strcmp(t->info->framework_id.s, wr->framework) != 0) {
        return;
    }
    const struct mso_task task = {t->info, t->state, t->statuses, t->status_count};
    char name[512];
    (void)snprintf(name, sizeof(name), "Command Executor (Task: %s) (Command: %.15s)",
                   t->info->id.s,
                   t->info->command.has_value ? t->info->command.value : "NO COMMAND");
    bool ended = mu_task_state_is_terminal((enum mu_task_state)t->state);
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", t->info->id.s);
    mu_jw_kv_string(w, "name", name);
    mu_jw_kv_string(w, "source", t->info->id.s);
    mu_jw_kv_string(w, "container", t->container->s);
    mu_jw_kv_string(w, "directory", t->sandbox);
    mso_write_resources(w, "resources", &t->info->resources);
    mu_jw_kv_string(w, "role", "*");
    write_list(w, "tasks", !ended && t->state != MU_TASK_STAGING ? &task : NULL);
    write_list(w, "queued_tasks", t->state == MU_TASK_STAGING ? &task : NULL);
    write_list(w, "completed_tasks", ended ? &task : NULL);
    mu_jw_object_end(w);
}

static void write_executors(struct writer *wr, const char *key, bool completed)
{
    wr->completed = completed;
    mu_jw_key(&wr->w, key);
    mu_jw_array_begin(&wr->w);
    (void)wr->m->core->query(wr->m->core, MU_Q_LOCAL_TASKS, NULL, write_executor, wr);
    mu_jw_array_end(&wr->w);
}

static void write_frameworks(struct writer *wr)
{
    (void)wr->m->core->query(wr->m->core, MU_Q_LOCAL_TASKS, NULL, collect_framework, wr);
    mu_jw_key(&wr->w, "frameworks");
    mu_jw_array_begin(&wr->w);
    for (size_t i = 0; i < wr->frameworks.count; i++) {
        wr->framework = wr->frameworks.v[i];
        wr->named = false;
        mu_jw_object_begin(&wr->w);
        mu_jw_kv_string(&wr->w, "id", wr->framework);
        (void)wr->m->core->query(wr->m->core, MU_Q_LOCAL_TASKS, NULL, write_name, wr);
        mu_jw_kv_bool(&wr->w, "checkpoint", true);
        write_executors(wr, "executors", false);
        write_executors(wr, "completed_executors", true);
        mu_jw_object_end(&wr->w);
    }
    mu_jw_array_end(&wr->w);
    mu_jw_key(&wr->w, "completed_frameworks");
    mu_jw_array_begin(&wr->w);
    mu_jw_array_end(&wr->w);
    mu_strings_release(&wr->frameworks);
}

/* Without the port: "host:port", "[address]:port". */
static void write_master(struct mu_jw *w, const char *address)
{
    char host[256];
    const char *from = address[0] == '[' ? address + 1 : address;
    const char *end = address[0] == '[' ? strchr(from, ']') : strrchr(from, ':');
    size_t len = end != NULL ? (size_t)(end - from) : strlen(from);
    (void)snprintf(host, sizeof(host), "%.*s", (int)len, from);
    mu_jw_kv_string(w, "master_hostname", host);
}

static void write_agent(void *arg, const void *data)
{
    struct writer *wr = arg;
    struct mu_jw *w = &wr->w;
    const struct mu_agent_row *a = data;
    char pid[320];
    (void)snprintf(pid, sizeof(pid), "slave(1)@%s:%u", a->ip, a->port);
    mso_write_time(w, "start_time", a->start_ms);
    mu_jw_kv_string(w, "id", a->id);
    mu_jw_kv_string(w, "pid", pid);
    mu_jw_kv_string(w, "hostname", a->hostname);
    mu_jw_key(w, "capabilities");
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
    mso_write_resources(w, "resources", a->total);
    mso_write_reserved(w, "reserved_resources", a->total);
    mso_write_unreserved(w, "unreserved_resources", a->total);
    mu_jw_key(w, "reserved_resources_allocated");
    mu_jw_object_begin(w);
    mu_jw_object_end(w);
    mso_write_unreserved(w, "unreserved_resources_allocated", a->used);
    mu_jw_key(w, "resource_providers");
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
    mso_write_attributes(w, a->attributes);
    if (a->master != NULL) {
        write_master(w, a->master);
    }
    if (a->waiting_for != NULL) {
        mu_jw_kv_string(w, "waiting_for", a->waiting_for);
    }
}

void mso_on_agent_state(void *arg,
                        struct mu_http_exchange *x,
                        const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct writer wr = {.m = r->mso};
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&wr.w, &out);
    mu_jw_object_begin(&wr.w);
    mso_write_build(&wr.w);
    (void)r->mso->core->query(r->mso->core, MU_Q_LOCAL_AGENT, NULL, write_agent, &wr);
    mso_write_flags(r->mso, &wr.w);
    write_frameworks(&wr);
    mu_jw_object_end(&wr.w);
    mso_reply_json(r->mso, x, req, &out);
}
