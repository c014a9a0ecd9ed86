/* What every process answers, leading or not. */
#include "mesos.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_unwell(void *arg, const void *row)
{
    const struct mu_process_row *process = row;
    if (process->unwell != NULL) {
        (void)mu_buf_puts(arg, process->unwell);
    }
}

static void take_unwell_agent(void *arg, const void *row)
{
    const struct mu_agent_row *agent = row;
    if (agent->unwell != NULL) {
        (void)mu_buf_puts(arg, agent->unwell);
    }
}

/* 200 as long as it is of use to ask here: of a leader that has recovered the registry,
 * and of a standby that knows the leader; else 503 with the reason. An agent is well
 * without a master, since its tasks run on, but not when it can take none. */
void mso_on_health(void *arg,
                   struct mu_http_exchange *x,
                   const struct mu_http_request *req)
{
    (void)req;
    const struct mso_route *r = arg;
    struct mu_buf unwell; /* nothing: it is well */
    mu_buf_init(&unwell, 8192);
    (void)r->mso->core->query(r->mso->core, r->is_agent ? MU_Q_LOCAL_AGENT : MU_Q_PROCESS,
                              NULL, r->is_agent ? take_unwell_agent : take_unwell,
                              &unwell);
    if (unwell.len == 0) {
        r->mso->host->http_reply(x, 200, NULL, 0, NULL, 0);
    } else {
        mso_reply_text(r->mso, x, 503, mu_buf_str(&unwell));
    }
    mu_buf_release(&unwell);
}

void mso_on_version(void *arg,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    mso_write_build(&w);
    mu_jw_object_end(&w);
    mso_reply_json(r->mso, x, req, &out);
}

void mso_on_flags(void *arg,
                  struct mu_http_exchange *x,
                  const struct mu_http_request *req)
{
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    mso_write_flags(r->mso, &w);
    mu_jw_object_end(&w);
    mso_reply_json(r->mso, x, req, &out);
}

static void write_number(void *arg, const char *name, double value)
{
    struct mu_jw *w = arg;
    mu_jw_key(w, name);
    mu_jw_double(w, value);
}

static void write_load(struct mu_jw *w, const char *const names[3])
{
    double load[3] = {0, 0, 0};
    (void)getloadavg(load, 3); /* zeroes where there is none */
    for (size_t i = 0; i < 3; i++) {
        write_number(w, names[i], load[i]);
    }
}

static void write_system(struct mu_jw *w, const char *const names[3])
{
    double page = (double)sysconf(_SC_PAGESIZE);
    write_number(w, names[0], (double)sysconf(_SC_NPROCESSORS_ONLN));
    write_number(w, names[1], (double)sysconf(_SC_PHYS_PAGES) * page);
    write_number(w, names[2], (double)sysconf(_SC_AVPHYS_PAGES) * page);
}

void mso_on_metrics(void *arg,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req)
{
    static const char *const load[] = {"system/load_1min", "system/load_5min",
                                       "system/load_15min"};
    static const char *const memory[] = {"system/cpus_total", "system/mem_total_bytes",
                                         "system/mem_free_bytes"};
    const struct mso_route *r = arg;
    const struct mu_host *h = r->mso->host;
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    h->metrics_each(h, write_number, &w);
    write_load(&w, load);
    write_system(&w, memory);
    mu_jw_object_end(&w);
    mso_reply_json(r->mso, x, req, &out);
}

void mso_on_system_stats(void *arg,
                         struct mu_http_exchange *x,
                         const struct mu_http_request *req)
{
    static const char *const load[] = {"avg_load_1min", "avg_load_5min",
                                       "avg_load_15min"};
    static const char *const memory[] = {"cpus_total", "mem_total_bytes",
                                         "mem_free_bytes"};
    const struct mso_route *r = arg;
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, MSO_JSON_MAX);
    mu_jw_init(&w, &out);
    mu_jw_object_begin(&w);
    write_load(&w, load);
    write_system(&w, memory);
    mu_jw_object_end(&w);
    mso_reply_json(r->mso, x, req, &out);
}
