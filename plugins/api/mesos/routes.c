/* Which path is whose. Every endpoint exists bare and under the name of its process
 * (/master/state, /slave(1)/state); spellings with `.json`, which newer Mesos dropped,
 * still work; a trailing slash is ignored. What is read may be POSTed for too, as in
 * Mesos.
 */
#include "mesos.h"

#include <stdio.h>
#include <string.h>

struct endpoint {
    const char *name;
    mu_http_handler_cb handler;
};

static const struct endpoint common[] = {
    {"health", mso_on_health},
    {"version", mso_on_version},
    {"flags", mso_on_flags},
    {"metrics/snapshot", mso_on_metrics},
    {"system/stats.json", mso_on_system_stats},
    {"files/browse", mso_on_browse},
    {"files/browse.json", mso_on_browse},
    {"files/read", mso_on_read},
    {"files/read.json", mso_on_read},
    {"files/download", mso_on_download},
    {"files/debug", mso_on_files_debug},
};
static const struct endpoint of_master[] = {
    {"state", mso_on_master_state},   {"state.json", mso_on_master_state},
    {"slaves", mso_on_master_slaves}, {"frameworks", mso_on_master_frameworks},
    {"redirect", mso_on_redirect},    {"registry", mso_on_master_registry},
};
static const struct endpoint of_agent[] = {
    {"state", mso_on_agent_state},
    {"state.json", mso_on_agent_state},
};

static int add_one(struct mso *m,
                   const char *listener,
                   const char *prefix,
                   const struct endpoint *e,
                   struct mso_route *route,
                   struct mu_error *err)
{
    static const char *const forms[][2] = {
        {"GET", ""}, {"GET", "/"}, {"POST", ""}, {"POST", "/"}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s%s", prefix, e->name, forms[i][1]);
        int rc = m->host->http_route(m->host, listener, forms[i][0], path, e->handler,
                                     route, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int add_all(struct mso *m,
                   const char *listener,
                   const char *prefix,
                   const struct endpoint *list,
                   size_t count,
                   struct mso_route *route,
                   struct mu_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = add_one(m, listener, "", &list[i], route, err);
        if (rc == 0) {
            rc = add_one(m, listener, prefix, &list[i], route, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

int mso_routes_add(struct mso *m,
                   struct mso_route *master,
                   struct mso_route *agent,
                   struct mu_error *err)
{
    int rc = 0;
    if ((m->roles & MU_ROLE_MASTER) != 0) {
        rc = add_all(m, "master", "/master", common, COUNT(common), master, err);
        rc = rc < 0 ? rc
                    : add_all(m, "master", "/master", of_master, COUNT(of_master), master,
                              err);
    }
    if (rc == 0 && (m->roles & MU_ROLE_AGENT) != 0) {
        rc = add_all(m, "agent", "/slave(1)", common, COUNT(common), agent, err);
        rc = rc < 0 ? rc
                    : add_all(m, "agent", "/slave(1)", of_agent, COUNT(of_agent), agent,
                              err);
    }
    return rc;
}

/* ---- answers ---- */

void mso_reply_text(struct mso *m,
                    struct mu_http_exchange *x,
                    int status,
                    const char *text)
{
    static const struct mu_http_header headers[] = {
        {"Content-Type", "text/plain; charset=utf-8"}};
    m->host->http_reply(x, status, headers, 1, text, strlen(text));
}

/* A callback's name goes into a script: only what a name may be made of. */
static bool is_callback_name(const char *s)
{
    return s[0] != '\0' &&
           s[strspn(
               s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.")] ==
               '\0';
}

void mso_reply_json(struct mso *m,
                    struct mu_http_exchange *x,
                    const struct mu_http_request *req,
                    struct mu_buf *out)
{
    static const struct mu_http_header json[] = {{"Content-Type", "application/json"}};
    static const struct mu_http_header script[] = {{"Content-Type", "text/javascript"}};
    char name[256];
    int len = mu_http_query_get(req->query, "jsonp", 0, name, sizeof(name));
    if (!mu_buf_ok(out)) {
        mso_reply_text(m, x, 500, "the answer is too large");
    } else if (len > 0 && is_callback_name(name)) {
        struct mu_buf wrapped;
        mu_buf_init(&wrapped, MSO_JSON_MAX + 512);
        mu_buf_printf(&wrapped, "%s(", name);
        mu_buf_append(&wrapped, mu_buf_str(out), out->len);
        mu_buf_puts(&wrapped, ");");
        m->host->http_reply(x, 200, script, 1, mu_buf_str(&wrapped), wrapped.len);
        mu_buf_release(&wrapped);
    } else {
        m->host->http_reply(x, 200, json, 1, mu_buf_str(out), out->len);
    }
    mu_buf_release(out);
}

/* ---- who leads ---- */

/* What clients are told; other systems may write a leader without a name. */
const char *mso_host_of(const struct mu_member *member)
{
    const char *name = member->hostname;
    return name != NULL && name[0] != '\0' ? name : member->ip != NULL ? member->ip : "";
}

struct leader {
    bool leading;
    char address[320]; /* "host:port"; "" none known */
};

static void take_leader(void *arg, const void *row)
{
    const struct mu_master_row *master = row;
    struct leader *l = arg;
    l->leading = master->leading;
    if (master->leader != NULL) {
        const char *host = mso_host_of(master->leader);
        bool is_ip6 = strchr(host, ':') != NULL;
        (void)snprintf(l->address, sizeof(l->address),
                       is_ip6 ? "[%.255s]:%u" : "%.255s:%u", host, master->leader->port);
    }
}

static void redirect(const struct mso_route *r,
                     struct mu_http_exchange *x,
                     const struct leader *l,
                     const char *path,
                     const char *query)
{
    if (l->address[0] == '\0') {
        static const struct mu_http_header headers[] = {
            {"Content-Type", "text/plain; charset=utf-8"}, {"Retry-After", "1"}};
        static const char text[] = "No leader elected";
        r->mso->host->http_reply(x, 503, headers, 2, text, sizeof(text) - 1);
        return;
    }
    struct mu_buf location;
    mu_buf_init(&location, 65536);
    mu_buf_printf(&location, "//%s%s%s%s", l->address, path, query[0] != '\0' ? "?" : "",
                  query);
    const struct mu_http_header headers[] = {{"Location", mu_buf_str(&location)}};
    r->mso->host->http_reply(x, 307, headers, 1, NULL, 0);
    mu_buf_release(&location);
}

bool mso_leads(const struct mso_route *r,
               struct mu_http_exchange *x,
               const struct mu_http_request *req)
{
    struct leader l = {0};
    (void)r->mso->core->query(r->mso->core, MU_Q_MASTER, NULL, take_leader, &l);
    if (!l.leading) {
        redirect(r, x, &l, req->path, req->query);
    }
    return l.leading;
}

void mso_on_redirect(void *arg,
                     struct mu_http_exchange *x,
                     const struct mu_http_request *req)
{
    (void)req;
    const struct mso_route *r = arg;
    struct leader l = {0};
    (void)r->mso->core->query(r->mso->core, MU_Q_MASTER, NULL, take_leader, &l);
    redirect(r, x, &l, "", "");
}
