/* See membership.h.
 *
 * One round: make the directory, list it (with a watch), read every node, make the own
 * one if the session has none there. What is late for its round is dropped. A round that
 * failed is begun again after a second.
 */
#include "membership.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "zk/session.h"

#define MEMBERS_MAX 64u
#define ADDRESS_MAX 128u
#define RETRY_MS 1000u
#define PATH_SIZE 400u
#define PREFIX "log-replica(1)@"

struct rlog_membership {
    struct rlog_membership_config cfg;
    const struct mu_host *host;
    struct zks_url url;
    struct zks *session;
    struct mu_timer *retry;
    char directory[PATH_SIZE];
    uint64_t round;
    size_t asked; /* nodes of the round that are not read yet */
    bool has_own; /* the session has a node there */
    char addresses[MEMBERS_MAX][ADDRESS_MAX];
    size_t count;
    uint64_t told; /* hash of the members that were told last */
    mu_cb closed_cb;
    void *closed_arg;
};

struct question {
    struct rlog_membership *m;
    uint64_t round;
};

static void list(struct rlog_membership *m);

static struct question *question(struct rlog_membership *m)
{
    struct question *q = rlog_allocate(sizeof(*q));
    *q = (struct question){m, m->round};
    return q;
}

/* Of this round? The question is freed. */
static bool is_current(struct question *q, struct rlog_membership **out)
{
    *out = q->m;
    bool current = q->round == q->m->round;
    free(q);
    return current;
}

static void on_retry(void *arg)
{
    struct rlog_membership *m = arg;
    m->retry = NULL;
    list(m);
}

static void again(struct rlog_membership *m, const char *what, int rc)
{
    m->round++;
    if (m->retry != NULL || m->closed_cb != NULL) {
        return;
    }
    m->host->log(m->host, MU_WARN, "the masters of the log could not be looked up",
                 "path=%s what=%s error=%s", m->directory, what, zks_error_text(rc));
    m->retry = m->host->timer_start(m->host, RETRY_MS, on_retry, m);
}

/* ---- the own node ---- */

static void on_created(void *arg, const struct zks_answer *answer)
{
    struct rlog_membership *m;
    if (is_current(arg, &m) && answer->rc != ZOK) {
        again(m, "create the own node", answer->rc);
    } /* else the watch tells */
}

static void create_own(struct rlog_membership *m)
{
    char path[PATH_SIZE + 2];
    char data[ADDRESS_MAX + sizeof(PREFIX)];
    (void)snprintf(path, sizeof(path), "%s/", m->directory);
    (void)snprintf(data, sizeof(data), PREFIX "%s", m->host->master_address(m->host));
    zks_create(m->session, path, data, strlen(data), ZOO_EPHEMERAL | ZOO_SEQUENCE,
               on_created, question(m));
}

/* ---- the members ---- */

static uint64_t hash_of(const struct rlog_membership *m)
{
    uint64_t sum = m->count; /* FNV-1a of each, whatever their order */
    for (size_t i = 0; i < m->count; i++) {
        uint64_t h = 14695981039346656037u;
        for (const char *p = m->addresses[i]; *p != '\0'; p++) {
            h = (h ^ (uint8_t)*p) * 1099511628211u;
        }
        sum += h;
    }
    return sum;
}

static void tell(struct rlog_membership *m)
{
    const char *v[MEMBERS_MAX];
    uint64_t hash = hash_of(m);
    if (hash == m->told) {
        return;
    }
    m->told = hash;
    for (size_t i = 0; i < m->count; i++) {
        v[i] = m->addresses[i];
    }
    uint32_t expected = 2 * m->cfg.quorum - 1;
    if (m->cfg.quorum == 1 && m->count > 1) {
        m->host->log(m->host, MU_ERROR,
                     "several masters have --quorum=1: each keeps a log of its own, and "
                     "what one has stored is lost when another leads: stop all but one, "
                     "or use --quorum=2 with three",
                     "count=%zu", m->count);
    } else {
        m->host->log(m->host, m->count > expected ? MU_WARN : MU_INFO,
                     m->count > expected
                         ? "more masters keep the log than --quorum is for"
                         : "masters that keep the log",
                     "count=%zu expected=%u", m->count, expected);
    }
    m->cfg.changed(m->cfg.arg, v, m->count);
}

static void take(struct rlog_membership *m, const struct zks_answer *answer)
{
    size_t skip = sizeof(PREFIX) - 1;
    m->has_own = m->has_own || answer->stat.ephemeral_owner == zks_id(m->session);
    if (answer->len <= skip || strncmp(answer->data, PREFIX, skip) != 0 ||
        answer->len - skip >= ADDRESS_MAX || m->count == MEMBERS_MAX) {
        return; /* not one of ours */
    }
    const char *address = answer->data + skip;
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->addresses[i], address) == 0) {
            return; /* of its last session, which goes by itself */
        }
    }
    memcpy(m->addresses[m->count], address, answer->len - skip);
    m->addresses[m->count][answer->len - skip] = '\0';
    m->count++;
}

static void complete(struct rlog_membership *m)
{
    tell(m);
    if (!m->has_own) {
        create_own(m);
    }
}

static void on_read(void *arg, const struct zks_answer *answer)
{
    struct rlog_membership *m;
    if (!is_current(arg, &m)) {
        return;
    }
    if (answer->rc != ZOK && answer->rc != ZNONODE) { /* that one has just gone */
        again(m, "read a node", answer->rc);
        return;
    }
    if (answer->rc == ZOK) {
        take(m, answer);
    }
    m->asked--;
    if (m->asked == 0) {
        complete(m);
    }
}

static void on_listed(void *arg, const struct zks_answer *answer)
{
    struct rlog_membership *m;
    if (!is_current(arg, &m)) {
        return;
    }
    if (answer->rc != ZOK) {
        again(m, "list", answer->rc);
        return;
    }
    m->asked = answer->child_count;
    for (size_t i = 0; i < answer->child_count; i++) {
        char path[PATH_SIZE + 64];
        (void)snprintf(path, sizeof(path), "%s/%.60s", m->directory, answer->children[i]);
        zks_get(m->session, path, false, on_read, question(m));
    }
    if (answer->child_count == 0) {
        complete(m);
    }
}

static void on_made(void *arg, const struct zks_answer *answer)
{
    struct rlog_membership *m;
    if (!is_current(arg, &m)) {
        return;
    }
    if (answer->rc != ZOK && answer->rc != ZNODEEXISTS) {
        again(m, "make the directory", answer->rc);
        return;
    }
    zks_children(m->session, m->directory, true, on_listed, question(m));
}

static void list(struct rlog_membership *m)
{
    if (!zks_is_ready(m->session)) {
        return; /* when it is */
    }
    m->round++;
    m->count = 0;
    m->has_own = false;
    zks_create(m->session, m->directory, "", 0, 0, on_made, question(m));
}

/* ---- the session ---- */

static void on_ready(void *arg, bool fresh)
{
    (void)fresh;
    list(arg);
}

static void on_suspended(void *arg)
{
    struct rlog_membership *m = arg;
    m->round++;
}

static void on_expired(void *arg, const char *why)
{
    struct rlog_membership *m = arg;
    m->round++;
    m->host->log(m->host, MU_INFO, "this master's node among those of the log is gone",
                 "why=%s", why);
}

static void on_changed(void *arg, int type, const char *path)
{
    (void)type;
    (void)path; /* there is one watch only */
    list(arg);
}

static const struct zks_events session_events = {on_ready, on_suspended, on_expired,
                                                 on_changed};

int rlog_membership_create(const struct rlog_membership_config *cfg,
                           struct rlog_membership **out,
                           struct mu_error *err)
{
    struct rlog_membership *m = rlog_allocate(sizeof(*m));
    m->cfg = *cfg;
    m->host = cfg->host;
    int rc = zks_url_parse(cfg->url, &m->url, err);
    if (rc < 0) {
        free(m);
        return mu_wrap(err, rc, "--zk");
    }
    (void)snprintf(m->directory, sizeof(m->directory), "%s/log_replicas", m->url.path);
    m->session = zks_open(m->host, &m->url, cfg->timeout_ms, &session_events, m);
    zks_make_path(m->session);
    *out = m;
    return 0;
}

static void on_session_closed(void *arg)
{
    struct rlog_membership *m = arg;
    mu_cb cb = m->closed_cb;
    void *cb_arg = m->closed_arg;
    zks_url_release(&m->url);
    free(m);
    cb(cb_arg);
}

void rlog_membership_close(struct rlog_membership *m, mu_cb closed_cb, void *arg)
{
    m->round++;
    m->closed_cb = closed_cb;
    m->closed_arg = arg;
    m->host->timer_cancel(m->host, m->retry);
    m->retry = NULL;
    zks_close(m->session, on_session_closed, m);
}
