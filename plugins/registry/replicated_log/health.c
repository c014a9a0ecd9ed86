/* See health.h. */
#include "health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "paxos/explain.h"

static void gauge(const struct rlog_log *log, const char *what, double value)
{
    char name[160];
    bool is_registrar = strcmp(log->name, "master") == 0; /* the log that Mesos has */
    (void)snprintf(name, sizeof(name), "%s%s/log/%s", is_registrar ? "" : "registry/",
                   is_registrar ? "registrar" : log->name, what);
    log->host->gauge_set(log->host, name, value);
}

/* A number for a role: the higher, the more it does. */
static double number_of(const char *role)
{
    static const char *const roles[] = {"failed",    "starting", "recovering",
                                        "following", "elected",  "leading"};
    size_t i = 0;
    while (i + 1 < sizeof(roles) / sizeof(roles[0]) && strcmp(role, roles[i]) != 0) {
        i++;
    }
    return (double)i;
}

/* false: this host does not measure. */
static bool get_times(const struct rlog_log *log, struct mu_journal_stats *out)
{
    const struct mu_host *host = log->host;
    *out = (struct mu_journal_stats){.struct_size = sizeof(*out)};
    if (!MU_HAS(struct mu_host, host, journal_stats) || host->journal_stats == NULL ||
        log->is_closing) {
        return false;
    }
    host->journal_stats(log->journal, out);
    return true;
}

static double as_ms(uint64_t us)
{
    return (double)us / 1000;
}

static void publish_times(const struct rlog_log *log)
{
    struct mu_journal_stats t;
    if (!get_times(log, &t) || t.groups == 0) {
        return;
    }
    gauge(log, "fsync_ms", as_ms(t.last_us));
    gauge(log, "fsync_ms/count", (double)t.groups);
    gauge(log, "fsync_ms/max", as_ms(t.max_us));
    gauge(log, "fsync_ms/p50", as_ms(t.p50_us));
    gauge(log, "fsync_ms/p90", as_ms(t.p90_us));
    gauge(log, "fsync_ms/p99", as_ms(t.p99_us));
}

void rlog_health_publish(const struct rlog_log *log)
{
    struct paxos_view v;
    struct paxos_health h;
    size_t members = 0, up = 0;
    paxos_view(log->machine, &v);
    paxos_health(log->machine, &h);
    for (size_t i = 0; i < h.count; i++) {
        members += h.v[i].is_member;
        up += h.v[i].is_member && h.v[i].up;
    }
    gauge(log, "recovered", v.status == PAXOS_VOTING && v.failed == 0);
    gauge(log, "ensemble_size", (double)v.reachable);
    gauge(log, "quorum", log->quorum);
    gauge(log, "position", (double)v.committed);
    gauge(log, "last_position", (double)h.last);
    gauge(log, "behind", (double)h.behind);
    gauge(log, "leading", v.leads);
    gauge(log, "waiting", (double)(v.in_flight + v.waiting));
    gauge(log, "role", number_of(h.role));
    gauge(log, "members", (double)members);
    gauge(log, "members_up", (double)up);
    gauge(log, "ballot_epoch", (double)v.promised.epoch);
    gauge(log, "ballot_round", v.promised.round);
    gauge(log, "size_bytes", (double)log->host->journal_size(log->journal));
    publish_times(log);
}

void rlog_health_retract(const struct rlog_log *log)
{
    gauge(log, "recovered", 0);
    gauge(log, "leading", 0);
    gauge(log, "role", 0);
}

/* As `muster log` writes it: an id has more digits than a number in JavaScript. */
static void write_id(struct mu_jw *w, const char *key, uint64_t id)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%016" PRIx64, id);
    mu_jw_kv_string(w, key, text);
}

static void write_uint(struct mu_jw *w, const char *key, uint64_t value)
{
    mu_jw_key(w, key);
    mu_jw_uint(w, value);
}

static void write_ms(struct mu_jw *w, const char *key, uint64_t us)
{
    mu_jw_key(w, key);
    mu_jw_double(w, as_ms(us));
}

static void write_times(const struct rlog_log *log, struct mu_jw *w)
{
    struct mu_journal_stats t;
    if (!get_times(log, &t)) {
        return;
    }
    mu_jw_key(w, "fsync");
    mu_jw_object_begin(w);
    write_uint(w, "count", t.groups);
    write_ms(w, "last_ms", t.last_us);
    write_ms(w, "max_ms", t.max_us);
    write_ms(w, "p50_ms", t.p50_us);
    write_ms(w, "p90_ms", t.p90_us);
    write_ms(w, "p99_ms", t.p99_us);
    mu_jw_object_end(w);
}

static void write_member(const struct rlog_log *log,
                         const struct paxos_member_health *m,
                         struct mu_jw *w)
{
    char since[MU_TIME_TEXT];
    uint64_t ago_ms = log->host->now_ms(log->host) - m->since_ms;
    mu_time_format(log->host->wall_ms(log->host) - (int64_t)ago_ms, since);
    mu_jw_object_begin(w);
    write_id(w, "id", m->id);
    mu_jw_kv_string(w, "address", m->address);
    mu_jw_kv_bool(w, "self", m->is_self);
    mu_jw_kv_bool(w, "member", m->is_member);
    mu_jw_kv_bool(w, "up", m->up);
    if (m->was_seen) {
        mu_jw_kv_string(w, "since", since);
    } else {
        mu_jw_key(w, "since"); /* before this master started */
        mu_jw_null(w);
    }
    mu_jw_object_end(w);
}

void rlog_health_describe(const struct rlog_log *log, struct mu_jw *w)
{
    struct paxos_view v;
    struct paxos_health h;
    struct mu_buf why;
    paxos_view(log->machine, &v);
    paxos_health(log->machine, &h);
    mu_jw_kv_string(w, "role", h.role);
    write_id(w, "replica_id", v.id);
    mu_jw_kv_bool(w, "votes", v.status == PAXOS_VOTING && v.failed == 0);
    write_uint(w, "quorum", log->quorum);
    mu_jw_key(w, "ballot");
    mu_jw_object_begin(w);
    write_uint(w, "epoch", v.promised.epoch);
    write_uint(w, "round", v.promised.round);
    write_id(w, "replica_id", v.promised.replica);
    mu_jw_object_end(w);
    write_uint(w, "committed", v.committed);
    write_uint(w, "last", h.last);
    write_uint(w, "behind", h.behind);
    write_uint(w, "waiting", v.in_flight + v.waiting);
    write_uint(w, "size_bytes", log->host->journal_size(log->journal));
    write_times(log, w);
    mu_jw_key(w, "members");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < h.count; i++) {
        write_member(log, &h.v[i], w);
    }
    mu_jw_array_end(w);
    mu_buf_init(&why, 4096);
    rlog_health_explain(log, &why);
    if (why.len > 0) {
        mu_jw_kv_string(w, "waiting_for", mu_buf_str(&why));
    }
    mu_buf_release(&why);
}

void rlog_health_explain(const struct rlog_log *log, struct mu_buf *out)
{
    if (log->status < 0) {
        mu_buf_puts(out, log->error.text);
    } else {
        paxos_explain(log->machine, out);
    }
}
