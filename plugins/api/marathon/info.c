/* What any master answers of itself: info, leader, ping, configuration. */
#include <stdio.h>
#include <string.h>

#include <muster/time.h>

#include "arguments.h"
#include "handlers.h"

/* The dialect that is spoken. Clients choose their behaviour by it, so it is not this
 * program's version; that stands in `buildref`. */
#define DIALECT_VERSION "1.11.0"

enum { BODY_MAX = 4 * 1024 * 1024 };

static void on_flag(void *arg, const void *row)
{
    const struct mu_flag_row *f = row;
    mu_pairs_add(arg, f->name, f->value);
}

static void read_flags(struct mrt *m, struct mu_pairs *out)
{
    *out = (struct mu_pairs){0};
    (void)m->core->query(m->core, MU_Q_FLAGS, NULL, on_flag, out);
}

/* ---- /v2/info ---- */

enum kind { NUMBER, TEXT, BOOL, LIST };

struct key {
    const char *name;
    enum kind kind;
    const char *fallback; /* NULL: null, as a text */
};

/* Closed sets: strict clients fail on any other key. A key with a flag of its name has
 * the flag's value. */
static const struct key marathon_keys[] = {
    {"access_control_allow_origin", TEXT, NULL},
    {"checkpoint", BOOL, "true"},
    {"decline_offer_duration", NUMBER, "120000"},
    {"default_network_name", TEXT, NULL},
    {"env_vars_prefix", TEXT, NULL},
    {"executor", TEXT, "//cmd"},
    {"failover_timeout", NUMBER, "604800"},
    {"features", LIST, NULL},
    {"framework_name", TEXT, "marathon"},
    {"ha", BOOL, "true"},
    {"hostname", TEXT, ""},
    {"launch_token", NUMBER, "100"},
    {"launch_token_refresh_interval", NUMBER, "30000"},
    {"leader_proxy_connection_timeout_ms", NUMBER, "5000"},
    {"leader_proxy_read_timeout_ms", NUMBER, "10000"},
    {"local_port_max", NUMBER, "20000"},
    {"local_port_min", NUMBER, "10000"},
    {"maintenance_mode", BOOL, "false"},
    {"master", TEXT, ""},
    {"max_instances_per_offer", NUMBER, "100"},
    {"mesos_bridge_name", TEXT, "mesos-bridge"},
    {"mesos_heartbeat_failure_threshold", NUMBER, "5"},
    {"mesos_heartbeat_interval", NUMBER, "15000"},
    {"mesos_leader_ui_url", TEXT, NULL},
    {"mesos_role", TEXT, NULL},
    {"mesos_user", TEXT, NULL},
    {"min_revive_offers_interval", NUMBER, "5000"},
    {"new_group_enforce_role", TEXT, "off"},
    {"offer_matching_timeout", NUMBER, "3000"},
    {"on_elected_prepare_timeout", NUMBER, "180000"},
    {"reconciliation_initial_delay", NUMBER, "15000"},
    {"reconciliation_interval", NUMBER, "600000"},
    {"scale_apps_initial_delay", NUMBER, "15000"},
    {"scale_apps_interval", NUMBER, "300000"},
    {"store_cache", BOOL, "true"},
    {"task_launch_confirm_timeout", NUMBER, "300000"},
    {"task_launch_timeout", NUMBER, "300000"},
    {"task_lost_expunge_initial_delay", NUMBER, "300000"},
    {"task_lost_expunge_interval", NUMBER, "30000"},
    {"task_reservation_timeout", NUMBER, "20000"},
    {"webui_url", TEXT, NULL},
    {NULL, TEXT, NULL},
};

static const struct key zookeeper_keys[] = {
    {"zk", TEXT, ""},
    {"zk_compression", BOOL, "false"},
    {"zk_compression_threshold", NUMBER, "65536"},
    {"zk_connection_timeout", NUMBER, "10000"},
    {"zk_max_node_size", NUMBER, "1024000"},
    {"zk_max_versions", NUMBER, "50"},
    {"zk_session_timeout", NUMBER, "10000"},
    {"zk_timeout", NUMBER, "10000"},
    {NULL, TEXT, NULL},
};

/* "zk://user:pass@host/path" without who and how. */
static void write_text(struct mu_jw *w, const char *text)
{
    const char *scheme = text == NULL ? NULL : strstr(text, "://");
    const char *at = scheme == NULL ? NULL : strchr(scheme, '@');
    if (at == NULL) {
        mu_jw_string(w, text);
        return;
    }
    struct mu_buf safe;
    mu_buf_init(&safe, 64 * 1024);
    (void)mu_buf_append(&safe, text, (size_t)(scheme + 3 - text));
    (void)mu_buf_puts(&safe, "xxxxxxxx:xxxxxxxx");
    (void)mu_buf_puts(&safe, at);
    mu_jw_string(w, mu_buf_str(&safe));
    mu_buf_release(&safe);
}

/* A number in any unit comes as the flag has it; a duration's text does not. */
static void write_number(struct mu_jw *w, const char *text, const char *fallback)
{
    int64_t milli;
    uint64_t ms;
    if (mu_milli_parse(text, &milli, NULL) == 0) {
        mu_jw_milli(w, milli);
    } else if (mu_duration_parse(text, &ms, NULL) == 0) {
        mu_jw_uint(w, ms);
    } else {
        mu_jw_raw(w, fallback, strlen(fallback));
    }
}

static void
write_keys(struct mu_jw *w, const struct key *keys, const struct mu_pairs *flags)
{
    mu_jw_object_begin(w);
    for (const struct key *k = keys; k->name != NULL; k++) {
        const char *flag = mu_pairs_get(flags, k->name);
        const char *value = flag != NULL && flag[0] != '\0' ? flag : k->fallback;
        mu_jw_key(w, k->name);
        switch (k->kind) {
        case NUMBER:
            write_number(w, value, k->fallback);
            break;
        case BOOL:
            mu_jw_bool(w, strcmp(value, "true") == 0);
            break;
        case TEXT:
            write_text(w, value);
            break;
        case LIST:
            mu_jw_array_begin(w);
            mu_jw_array_end(w);
            break;
        }
    }
    mu_jw_object_end(w);
}

struct self {
    char framework_id[MU_ID_MAX];
    char version[64];
    uint32_t port;
};

static void on_scheduler(void *arg, const void *row)
{
    const struct mu_scheduler_row *r = row;
    struct self *s = arg;
    (void)snprintf(s->framework_id, sizeof(s->framework_id), "%s",
                   r->framework_id == NULL ? "" : r->framework_id);
}

static void on_process(void *arg, const void *row)
{
    const struct mu_process_row *r = row;
    struct self *s = arg;
    s->port = r->marathon_port;
    (void)snprintf(s->version, sizeof(s->version), "muster-%s",
                   r->version == NULL ? "" : r->version);
}

void mrt_info(struct mrt_request *rq)
{
    struct mrt *m = rq->m;
    struct self self = {.framework_id = ""};
    struct mrt_leader leader;
    bool has_leader = mrt_find_leader(m, &leader);
    struct mu_pairs flags;
    struct mu_buf body;
    struct mu_jw w;
    read_flags(m, &flags);
    (void)m->core->query(m->core, MU_Q_SCHEDULER, NULL, on_scheduler, &self);
    (void)m->core->query(m->core, MU_Q_PROCESS, NULL, on_process, &self);
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "name", "marathon");
    mu_jw_kv_string(&w, "version", DIALECT_VERSION);
    mu_jw_kv_string(&w, "buildref", self.version);
    mu_jw_kv_bool(&w, "elected", m->leads);
    mu_jw_kv_string(&w, "leader", has_leader ? leader.name : NULL);
    mu_jw_kv_string(&w, "frameworkId",
                    self.framework_id[0] == '\0' ? NULL : self.framework_id);
    mu_jw_key(&w, "marathon_config");
    write_keys(&w, marathon_keys, &flags);
    mu_jw_key(&w, "zookeeper_config");
    write_keys(&w, zookeeper_keys, &flags);
    mu_jw_key(&w, "event_subscriber");
    mu_jw_null(&w);
    mu_jw_key(&w, "http_config");
    mu_jw_object_begin(&w);
    mu_jw_kv_int(&w, "http_port", self.port);
    mu_jw_kv_int(&w, "https_port", 0);
    mu_jw_object_end(&w);
    mu_jw_object_end(&w);
    mrt_answer(m, rq->x, 200, &body);
    mu_buf_release(&body);
    mu_pairs_release(&flags);
}

/* ---- leader, ping ---- */

void mrt_leader_get(struct mrt_request *rq)
{
    struct mrt_leader leader;
    if (!mrt_find_leader(rq->m, &leader)) {
        mrt_answer_message(rq->m, rq->x, 404, "There is no leader");
        return;
    }
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "leader", leader.name);
    mu_jw_object_end(&w);
    mrt_answer(rq->m, rq->x, 200, &body);
    mu_buf_release(&body);
}

static void answer_abdicated(struct mrt_call *c, const struct mu_command_result *r)
{
    (void)r;
    mrt_answer_message(c->rq.m, c->rq.x, 200, "Leadership abdicated");
}

void mrt_leader_delete(struct mrt_call *c)
{
    struct mu_command_request cmd = {.type = MU_CMD_ABDICATE};
    mrt_call_submit(c, &cmd, answer_abdicated);
}

void mrt_ping(struct mrt_request *rq)
{
    const char *accept =
        mu_http_header_get(rq->http->headers, rq->http->header_count, "Accept");
    bool json = accept != NULL && strstr(accept, MRT_JSON) != NULL;
    struct mu_buf body;
    mu_buf_init(&body, 16);
    (void)mu_buf_puts(&body, json ? "\"pong\"" : "pong");
    mrt_answer_with(rq->m, rq->x, 200, json ? MRT_JSON : MRT_TEXT, &body, NULL, 0);
    mu_buf_release(&body);
}

/* ---- the rest ---- */

void mrt_config(struct mrt_request *rq)
{
    struct mu_pairs flags;
    struct mu_buf body;
    struct mu_jw w;
    read_flags(rq->m, &flags);
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    for (size_t i = 0; i < flags.count; i++) {
        mu_jw_key(&w, flags.v[i].key);
        write_text(&w, flags.v[i].value);
    }
    mu_jw_object_end(&w);
    mrt_answer(rq->m, rq->x, 200, &body);
    mu_buf_release(&body);
    mu_pairs_release(&flags);
}

/* The old web interface begins to poll only when this has answered. */
void mrt_plugins(struct mrt_request *rq)
{
    struct mu_buf body;
    mu_buf_init(&body, 64);
    (void)mu_buf_puts(&body, "{\"plugins\":[]}");
    mrt_answer(rq->m, rq->x, 200, &body);
    mu_buf_release(&body);
}

void mrt_no_subscriptions(struct mrt_request *rq)
{
    mrt_answer_message(rq->m, rq->x, 400,
                       "http event callback system is not running on this Marathon "
                       "instance. Please re-start this instance with "
                       "\"--event_subscriber http_callback\".");
}
