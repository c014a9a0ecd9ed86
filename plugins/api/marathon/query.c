/* See query.h, and mrt_ready and mrt_find_leader of marathon.h. */
#include "query.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"

static void take_app(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct mu_app **out = arg;
    mu_app_unref(*out);
    *out = mu_app_ref(r->app);
}

int mrt_find_app(struct mrt *m, const char *id, struct mu_app **out)
{
    *out = NULL;
    int rc = m->core->query(m->core, MU_Q_APPS, id, take_app, out);
    return rc < 0 && rc != MU_E_NOT_FOUND ? rc : 0;
}

struct version_search {
    int64_t version_ms;
    struct mu_app *found;
};

static void take_version(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct version_search *s = arg;
    if (r->app->version_ms == s->version_ms && s->found == NULL) {
        s->found = mu_app_ref(r->app);
    }
}

int mrt_find_version(struct mrt *m,
                     const char *id,
                     int64_t version_ms,
                     struct mu_app **out)
{
    struct version_search s = {version_ms, NULL};
    int rc = m->core->query(m->core, MU_Q_APP_VERSIONS, id, take_version, &s);
    *out = s.found;
    return rc < 0 ? rc : s.found == NULL ? MU_E_NOT_FOUND : 0;
}

bool mrt_is_below(const char *id, const char *path)
{
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);
    return strncmp(id, path, len) == 0 && id[len] == '/';
}

void mrt_apps_add(struct mrt_apps *a, const struct mu_app *app)
{
    a->v = mrt_grown(a->v, a->count, &a->cap, sizeof(struct mu_app *));
    a->v[a->count++] = mu_app_ref(app);
}

struct below_search {
    const char *path;
    struct mrt_apps *out;
};

static void take_below(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct below_search *s = arg;
    if (mrt_is_below(r->app->id, s->path)) {
        mrt_apps_add(s->out, r->app);
    }
}

int mrt_find_apps_below(struct mrt *m, const char *path, struct mrt_apps *out)
{
    struct below_search s = {path, out};
    *out = (struct mrt_apps){0};
    int rc = m->core->query(m->core, MU_Q_APPS, NULL, take_below, &s);
    return rc < 0 ? rc : 0;
}

struct time_search {
    int64_t version_ms;
    struct mrt_apps *out;
    bool taken, exact;
};

/* Versions come newest first. */
static void take_at_time(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct time_search *s = arg;
    s->exact = s->exact || r->app->version_ms == s->version_ms;
    if (!s->taken && r->app->version_ms <= s->version_ms) {
        mrt_apps_add(s->out, r->app);
        s->taken = true;
    }
}

int mrt_find_apps_at(struct mrt *m,
                     const char *path,
                     int64_t version_ms,
                     struct mrt_apps *out)
{
    struct mrt_apps now;
    struct time_search s = {.version_ms = version_ms, .out = out};
    *out = (struct mrt_apps){0};
    int rc = mrt_find_apps_below(m, path, &now);
    for (size_t i = 0; rc >= 0 && i < now.count; i++) {
        s.taken = false;
        rc = m->core->query(m->core, MU_Q_APP_VERSIONS, now.v[i]->id, take_at_time, &s);
    }
    mrt_apps_release(&now);
    return rc < 0 ? rc : s.exact ? 0 : MU_E_NOT_FOUND;
}

void mrt_apps_release(struct mrt_apps *a)
{
    for (size_t i = 0; i < a->count; i++) {
        mu_app_unref(a->v[i]);
    }
    free(a->v);
    *a = (struct mrt_apps){0};
}

/* ---- who leads ---- */

struct readiness {
    struct mrt *m;
    bool recovered;
};

static void on_scheduler(void *arg, const void *row)
{
    const struct mu_scheduler_row *r = row;
    struct readiness *x = arg;
    x->recovered = r->recovered;
    (void)snprintf(x->m->role, sizeof(x->m->role), "%s", r->role == NULL ? "*" : r->role);
}

static void write_address(char *out, size_t cap, const char *host, uint32_t port)
{
    bool is_ip6 = strchr(host, ':') != NULL;
    (void)snprintf(out, cap, is_ip6 ? "[%.*s]:%u" : "%.*s:%u", MRT_NAME_MAX - 1, host,
                   (unsigned)port);
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void on_process(void *arg, const void *row)
{
    const struct mu_process_row *r = row;
    struct mrt *m = arg;
    const char *host = is_given(r->hostname) ? r->hostname : r->ip;
    if (host != NULL && r->marathon_port != 0) {
        write_address(m->self, sizeof(m->self), host, r->marathon_port);
    }
}

int mrt_ready(struct mrt *m)
{
    struct readiness x = {m, false};
    if (m->self[0] == '\0') { /* constant once the ports are open */
        (void)m->core->query(m->core, MU_Q_PROCESS, NULL, on_process, m);
    }
    int rc = m->core->query(m->core, MU_Q_SCHEDULER, NULL, on_scheduler, &x);
    m->leads = rc >= 0;
    if (rc < 0) {
        return rc;
    }
    return x.recovered ? 0 : MU_E_UNAVAILABLE;
}

/* Masters reach each other by address, as agents reach them: a name may mean nothing
 * here. People and browsers are given the name. */
static void on_master(void *arg, const void *row)
{
    const struct mu_master_row *r = row;
    const struct mu_member *l = r->leader;
    struct mrt_leader *out = arg;
    if (l == NULL || (!is_given(l->hostname) && !is_given(l->ip))) {
        return;
    }
    const char *name = is_given(l->hostname) ? l->hostname : l->ip;
    write_address(out->name, sizeof(out->name), name,
                  l->app_port != 0 ? l->app_port : l->port);
    if (l->app_port != 0) {
        write_address(out->target, sizeof(out->target), is_given(l->ip) ? l->ip : name,
                      l->app_port);
    }
    out->is_self = r->id != NULL && l->id != NULL && strcmp(r->id, l->id) == 0;
}

bool mrt_find_leader(struct mrt *m, struct mrt_leader *out)
{
    *out = (struct mrt_leader){.is_self = false};
    (void)mrt_ready(m);
    if (m->leads && m->self[0] != '\0') {
        memcpy(out->name, m->self, sizeof(out->name));
        memcpy(out->target, m->self, sizeof(out->target));
        out->is_self = true;
    } else {
        (void)m->core->query(m->core, MU_Q_MASTER, NULL, on_master, out);
    }
    return out->target[0] != '\0';
}

static void on_registry(void *arg, const void *row)
{
    const struct mu_registry_row *r = row;
    if (r->waiting_for != NULL) {
        (void)mu_buf_puts(arg, r->waiting_for);
    }
}

void mrt_registry_why(struct mrt *m, struct mu_buf *out)
{
    (void)m->core->query(m->core, MU_Q_REGISTRY, "apps", on_registry, out);
}
