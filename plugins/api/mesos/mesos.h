/* The api plugin `mesos`: what its files share.
 *
 * routes.c names the endpoints, objects.c writes the objects that both roles show,
 * master.c and agent.c their /state, files.c serves sandboxes, process.c what every
 * process answers (/health, /version, /flags, /metrics/snapshot). Prefix: mso_. Loop
 * thread, but for the workers of files.c.
 */
#ifndef MSO_MESOS_H
#define MSO_MESOS_H

#include <muster/json_writer.h>
#include <muster/kind/api.h>
#include <muster/plugin.h>

struct mso {
    const struct mu_host *host;
    const struct mu_core *core;
    uint32_t roles;
    size_t works; /* on workers now */
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* What a handler is registered with: the plugin and whom it answers for. */
struct mso_route {
    struct mso *mso;
    bool is_agent;
};

/* ---- routes.c ---- */
int mso_routes_add(struct mso *m,
                   struct mso_route *master,
                   struct mso_route *agent,
                   struct mu_error *err);
/* Body limits of what is answered: a state with 100,000 tasks is about 100 MiB. */
#define MSO_JSON_MAX ((size_t)1024 * 1024 * 1024)
/* 200 with a JSON body, or `name(body);` as text/javascript for ?jsonp=name. Releases
 * out. */
void mso_reply_json(struct mso *m,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req,
                    struct mu_buf *out);
void mso_reply_text(struct mso *m,
                    struct mu_http_exchange *x,
                    int status,
                    const char *text);
/* Its name, or its address. */
const char *mso_host_of(const struct mu_member *member);
/* Is this process the leader (or an agent)? Otherwise the exchange is answered: 307 to
 * the leader, or 503. */
bool mso_leads(const struct mso_route *r,
               struct mu_http_exchange *x,
               const struct mu_http_request *req);

/* ---- objects.c ---- */
void mso_write_time(struct mu_jw *w,
                    const char *key,
                    int64_t wall_ms); /* seconds, as a double */
void mso_write_resources(struct mu_jw *w, const char *key, const struct mu_resources *r);
void mso_write_reserved(struct mu_jw *w,
                        const char *key,
                        const struct mu_resources *r); /* by role */
void mso_write_unreserved(struct mu_jw *w, const char *key, const struct mu_resources *r);
void mso_write_attributes(struct mu_jw *w, const struct mu_pairs *p);
void mso_write_flags(const struct mso *m, struct mu_jw *w);
void mso_write_build(struct mu_jw *w);

/* A task as both roles show it. */
struct mso_task {
    const struct mu_task_info *info;
    uint32_t state;
    const struct mu_task_status *statuses;
    size_t count;
};
void mso_write_task(struct mu_jw *w, const struct mso_task *t);

/* ---- handlers ---- */
void mso_on_health(void *arg,
                   struct mu_http_exchange *x,
                   const struct mu_http_request *req);
void mso_on_version(void *arg,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req);
void mso_on_flags(void *arg,
                  struct mu_http_exchange *x,
                  const struct mu_http_request *req);
void mso_on_metrics(void *arg,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req);
void mso_on_system_stats(void *arg,
                         struct mu_http_exchange *x,
                         const struct mu_http_request *req);
void mso_on_redirect(void *arg,
                     struct mu_http_exchange *x,
                     const struct mu_http_request *req);
void mso_on_master_state(void *arg,
                         struct mu_http_exchange *x,
                         const struct mu_http_request *req);
void mso_on_master_registry(void *arg,
                            struct mu_http_exchange *x,
                            const struct mu_http_request *req);
void mso_on_master_slaves(void *arg,
                          struct mu_http_exchange *x,
                          const struct mu_http_request *req);
void mso_on_master_frameworks(void *arg,
                              struct mu_http_exchange *x,
                              const struct mu_http_request *req);
void mso_on_agent_state(void *arg,
                        struct mu_http_exchange *x,
                        const struct mu_http_request *req);
void mso_on_browse(void *arg,
                   struct mu_http_exchange *x,
                   const struct mu_http_request *req);
void mso_on_read(void *arg,
                 struct mu_http_exchange *x,
                 const struct mu_http_request *req);
void mso_on_download(void *arg,
                     struct mu_http_exchange *x,
                     const struct mu_http_request *req);
void mso_on_files_debug(void *arg,
                        struct mu_http_exchange *x,
                        const struct mu_http_request *req);
void mso_maybe_stopped(struct mso *m); /* after a worker has come back */

#endif
