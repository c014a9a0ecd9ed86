/* See agent_run.h. */
#include "runtime/agent_run.h"

#include <errno.h>
#include <inttypes.h>

#include <muster/time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/vec.h"
#include "codec/agent_json.h"
#include "runtime/link_client.h"
#include "runtime/sandbox.h"

struct agent_run {
    struct agent_run_config cfg;
    const struct mu_host *host;
    struct agent_containerizer *containerizers;
    char *work_dir;
    struct agent *machine;
    struct mu_journal *journal;
    struct link_client *link;
    struct mu_timer *deadline;
    size_t recovering; /* containerizers that have not answered */
    size_t asked; /* plugin and worker calls that have not answered; 0 when the plugins
                     and the host have stopped */
    int recover_status;
    char *recover_text;
    char *down_told; /* why the link ended, as logged last; NULL since it has worked */
    bool replaying, stepping, stopping;
    int replay_status;
    struct mu_error replay_error;
    int waits; /* of the stop */
    mu_cb stopped_cb;
    void *stopped_arg;
};

/* One question to a plugin or worker about one container, or one journal append. */
struct question {
    struct agent_run *run;
    uint64_t token;
    struct mu_container_id id;
    const struct agent_containerizer *by;
    int status;
    char *text;
    uint32_t event; /* for an answer of our own */
};

static void apply(struct agent_run *r, struct agent_effect *fx);
static void arm(struct agent_run *r);

static void step(struct agent_run *r, struct agent_event *ev)
{
    MU_PRE(!r->stepping);
    if (r->stopping) {
        return; /* what is learned from here on is learned again at the next start */
    }
    r->stepping = true;
    ev->now = (struct mu_now){r->host->now_ms(r->host), r->host->wall_ms(r->host)};
    struct agent_effects fx = {0};
    agent_step(r->machine, ev, &fx);
    for (size_t i = 0; i < fx.count; i++) {
        apply(r, &fx.v[i]);
    }
    agent_effects_release(&fx);
    free(fx.v);
    r->stepping = false;
    arm(r);
}

static void on_deadline(void *arg)
{
    struct agent_run *r = arg;
    r->deadline = NULL;
    struct agent_event ev = {.type = AGENT_EV_TICK};
    step(r, &ev);
}

static void arm(struct agent_run *r)
{
    r->host->timer_cancel(r->host, r->deadline);
    r->deadline = NULL;
    uint64_t at = agent_deadline_ms(r->machine);
    uint64_t t = r->host->now_ms(r->host);
    if (at != MU_NEVER_MS && !r->stopping && !r->replaying) {
        r->deadline = r->host->timer_start(r->host, at > t ? at - t : 0, on_deadline, r);
    }
}

/* ---- questions ---- */

static struct question *ask(struct agent_run *r,
                            const struct mu_container_id *id,
                            const struct agent_containerizer *by)
{
    struct question *q = MU_NEW(struct question);
    q->run = r;
    q->by = by;
    if (id != NULL) {
        q->id = *id;
    }
    r->asked++;
    return q;
}

static void answered(struct question *q)
{
    struct agent_run *r = q->run;
    r->asked--;
    free(q->text);
    free(q);
}

static void on_own_answer(void *arg)
{
    struct question *q = arg;
    struct agent_event ev = {.type = q->event,
                             .token = q->token,
                             .container_id = &q->id,
                             .status = q->status,
                             .text = q->text};
    step(q->run, &ev);
    answered(q);
}

/* Answer a question ourselves, from the loop. */
static void answer_later(struct question *q, uint32_t event, int status, const char *text)
{
    q->event = event;
    q->status = status;
    q->text = mu_xstrdup(text);
    (void)q->run->host->timer_start(q->run->host, 0, on_own_answer, q);
}

static const struct agent_containerizer *find_containerizer(const struct agent_run *r,
                                                            const char *name)
{
    for (size_t i = 0; i < r->cfg.containerizer_count; i++) {
        if (strcmp(r->containerizers[i].name, name) == 0) {
            return &r->containerizers[i];
        }
    }
    return NULL;
}

/* ---- journal ---- */

static void on_journalled(void *arg, int status)
{
    struct question *q = arg;
    struct agent_event ev = {
        .type = AGENT_EV_JOURNALLED, .token = q->token, .status = status};
    step(q->run, &ev);
    answered(q);
}

static void journal(struct agent_run *r, const struct agent_effect *fx)
{
    struct mu_buf buf;
    mu_buf_init(&buf, MU_JOURNAL_RECORD_MAX);
    agent_record_encode(&buf, &fx->record);
    struct question *q = ask(r, NULL, NULL);
    q->token = fx->token;
    int rc = mu_buf_ok(&buf) ? r->host->journal_append(r->journal, mu_buf_str(&buf),
                                                       buf.len, on_journalled, q)
                             : -E2BIG;
    if (rc < 0) {
        r->host->log(r->host, MU_ERROR, "agent journal: record not written", "error=%s",
                     mu_strerror(rc));
        q->event = AGENT_EV_JOURNALLED;
        q->status = rc;
        (void)r->host->timer_start(r->host, 0, on_own_answer, q);
    }
    mu_buf_release(&buf);
}

static void on_record(void *arg, const void *data, size_t len)
{
    struct agent_run *r = arg;
    if (r->replay_status < 0) {
        return;
    }
    struct agent_record rec;
    r->replay_status = agent_record_decode(data, len, &rec, &r->replay_error);
    if (r->replay_status == 0) {
        struct agent_event ev = {.type = AGENT_EV_REPLAY, .record = &rec};
        step(r, &ev);
        agent_record_release(&rec);
    }
}

struct snapshot {
    MU_VEC(struct mu_buf) records;
};

static void on_snapshot_record(void *arg, const struct agent_record *rec)
{
    struct snapshot *s = arg;
    MU_VEC_PUSH_ZERO(&s->records);
    struct mu_buf *b = &s->records.v[s->records.count - 1];
    mu_buf_init(b, MU_JOURNAL_RECORD_MAX);
    agent_record_encode(b, rec);
}

static void on_compacted(void *arg, int status)
{
    struct question *q = arg;
    struct agent_event ev = {
        .type = AGENT_EV_COMPACTED, .token = q->token, .status = status};
    step(q->run, &ev);
    answered(q);
}

static void compact(struct agent_run *r, const struct agent_effect *fx)
{
    struct snapshot s = {0};
    agent_snapshot(r->machine, on_snapshot_record, &s);
    struct mu_slice *slices = mu_xcalloc(s.records.count + 1, sizeof(*slices));
    int rc = 0;
    for (size_t i = 0; i < s.records.count; i++) {
        slices[i] = (struct mu_slice){s.records.v[i].data, s.records.v[i].len};
        rc = mu_buf_ok(&s.records.v[i]) ? rc : -E2BIG;
    }
    struct question *q = ask(r, NULL, NULL);
    q->token = fx->token;
    if (rc == 0) {
        rc = r->host->journal_rewrite(r->journal, slices, s.records.count, on_compacted,
                                      q);
    }
    if (rc < 0) {
        answer_later(q, AGENT_EV_COMPACTED, rc, "");
    }
    for (size_t i = 0; i < s.records.count; i++) {
        mu_buf_release(&s.records.v[i]);
    }
    free(s.records.v);
    free(slices);
}

/* ---- containers ---- */

static struct mu_container_spec spec_of(struct agent_run *r,
                                        const struct agent_effect *fx)
{
    return (struct mu_container_spec){
        .struct_size = sizeof(struct mu_container_spec),
        .id = fx->container_id,
        .task = fx->task,
        .sandbox = fx->sandbox,
        .env = &fx->env,
        .agent_label = r->work_dir,
    };
}

static void on_sandbox(void *arg, int status, const char *text)
{
    struct question *q = arg;
    struct agent_event ev = {.type = AGENT_EV_PREPARED,
                             .container_id = &q->id,
                             .status = status,
                             .text = text};
    step(q->run, &ev);
    answered(q);
}

static void prepare(struct agent_run *r, const struct agent_effect *fx)
{
    sandbox_prepare(r->host, fx->sandbox, fx->task->command.user, &fx->task->command.uris,
                    on_sandbox, ask(r, &fx->container_id, NULL));
}

/* The first that takes it. Answered later: no step runs inside another. */
static void choose(struct agent_run *r, const struct agent_effect *fx)
{
    struct mu_container_spec spec = spec_of(r, fx);
    struct mu_error err;
    (void)mu_fail(&err, MU_E_UNSUPPORTED,
                  "none of the agent's containerizers runs this kind of container");
    for (size_t i = 0; i < r->cfg.containerizer_count; i++) {
        const struct agent_containerizer *c = &r->containerizers[i];
        int can = c->ops->can_run(c->instance, &spec, &err);
        if (can > 0) {
            answer_later(ask(r, &fx->container_id, c), AGENT_EV_CHOSEN, 0, c->name);
            return;
        }
        if (can < 0) {
            break; /* its kind, but impossible: the reason is in err */
        }
    }
    answer_later(ask(r, &fx->container_id, NULL), AGENT_EV_CHOSEN, MU_E_UNSUPPORTED,
                 err.text);
}

static void on_launched(void *arg,
                        int status,
                        const char *text,
                        const struct mu_container_status *container)
{
    struct question *q = arg;
    struct agent_event ev = {.type = AGENT_EV_LAUNCHED,
                             .container_id = &q->id,
                             .status = status,
                             .text = text,
                             .container = container};
    step(q->run, &ev);
    answered(q);
}

static void launch(struct agent_run *r, const struct agent_effect *fx)
{
    const struct agent_containerizer *c = find_containerizer(r, fx->containerizer);
    struct question *q = ask(r, &fx->container_id, c);
    if (c == NULL) {
        answer_later(q, AGENT_EV_LAUNCHED, MU_E_UNSUPPORTED,
                     "its containerizer is not among --containerizers");
        return;
    }
    struct mu_container_spec spec = spec_of(r, fx);
    struct mu_error err;
    int rc = c->ops->launch(c->instance, &spec, on_launched, q, &err);
    if (rc < 0) {
        answer_later(q, AGENT_EV_LAUNCHED, rc, err.text);
    }
}

static void on_destroyed(void *arg, int status, const char *text)
{
    struct question *q = arg;
    struct agent_event ev = {.type = AGENT_EV_DESTROYED,
                             .container_id = &q->id,
                             .status = status,
                             .text = text};
    step(q->run, &ev);
    answered(q);
}

static void destroy(struct agent_run *r, const struct agent_effect *fx)
{
    const struct agent_containerizer *c = find_containerizer(r, fx->containerizer);
    struct question *q = ask(r, &fx->container_id, c);
    if (c == NULL) {
        answer_later(q, AGENT_EV_DESTROYED, 0, "");
    } else {
        c->ops->destroy(c->instance, &fx->container_id, on_destroyed, q);
    }
}

static void signal_container(struct agent_run *r, const struct agent_effect *fx)
{
    const struct agent_containerizer *c = find_containerizer(r, fx->containerizer);
    struct mu_error err;
    if (c != NULL && c->ops->kill(c->instance, &fx->container_id, fx->signal, &err) < 0) {
        r->host->log(r->host, MU_DEBUG, "container not signalled",
                     "container=%s error=%s", fx->container_id.s, err.text);
    }
}

static void on_exited(void *arg,
                      const struct mu_container_id *id,
                      const struct mu_container_exit *how)
{
    struct agent_run *r = arg;
    struct agent_event ev = {.type = AGENT_EV_EXITED, .container_id = id, .exit = how};
    step(r, &ev);
}

static const struct mu_containerizer_events containerizer_events = {on_exited};

/* ---- recovery ---- */

struct known_list {
    const struct agent_containerizer *of; /* NULL: those without a containerizer */
    struct agent_run *run;
    MU_VEC(struct mu_container_known) v;
};

static void on_known(void *arg, const char *name, const struct mu_container_known *k)
{
    struct known_list *list = arg;
    const struct agent_containerizer *c = find_containerizer(list->run, name);
    if (name[0] != '\0' && c == NULL && list->of == NULL) {
        list->run->recover_status = MU_E_UNSUPPORTED;
        free(list->run->recover_text);
        list->run->recover_text =
            mu_xasprintf("container %s was started by containerizer '%s', which "
                         "--containerizers leaves out",
                         k->spec.id.s, name);
    } else if (c == list->of) {
        MU_VEC_PUSH(&list->v, *k);
    }
}

static void on_container(void *arg,
                         const struct mu_container_id *id,
                         bool running,
                         const struct mu_container_status *container,
                         const struct mu_container_exit *how)
{
    struct question *q = arg;
    struct agent_event ev = {.type = AGENT_EV_CONTAINER,
                             .container_id = id,
                             .running = running,
                             .container = container,
                             .exit = how};
    step(q->run, &ev);
}

static void recovered_one(struct agent_run *r)
{
    r->recovering--;
    if (r->recovering > 0) {
        return;
    }
    struct agent_event ev = {
        .type = AGENT_EV_RECOVERED, .status = r->recover_status, .text = r->recover_text};
    step(r, &ev);
    if (r->recover_status < 0 && !r->stopping) {
        r->cfg.failed(r->cfg.arg, r->recover_text);
    }
}

static void on_recovered(void *arg, int status, const char *text)
{
    struct question *q = arg;
    struct agent_run *r = q->run;
    if (status < 0 && r->recover_status == 0) {
        r->recover_status = status;
        r->recover_text = mu_xasprintf("containerizer %s: %s", q->by->name, text);
    }
    recovered_one(r);
    answered(q);
}

/* Those for which no containerizer was chosen were never started. */
static void on_unstarted(void *arg)
{
    struct question *q = arg;
    struct known_list list = {.of = NULL, .run = q->run};
    (void)agent_known(q->run->machine, on_known, &list);
    for (size_t i = 0; i < list.v.count; i++) {
        struct mu_container_id id =
            list.v.v[i].spec.id; /* the step may change what k borrows from */
        on_container(q, &id, false, NULL, NULL);
    }
    free(list.v.v);
    recovered_one(q->run);
    answered(q);
}

static void recover(struct agent_run *r)
{
    r->recovering = r->cfg.containerizer_count + 1;
    for (size_t i = 0; i < r->cfg.containerizer_count; i++) {
        const struct agent_containerizer *c = &r->containerizers[i];
        struct known_list list = {.of = c, .run = r};
        (void)agent_known(r->machine, on_known, &list);
        struct question *q = ask(r, NULL, c);
        struct mu_error err;
        int rc = c->ops->recover(c->instance, list.v.v, list.v.count, on_container,
                                 on_recovered, q, &err);
        free(list.v.v);
        if (rc < 0) {
            r->recover_status = rc;
            free(r->recover_text);
            r->recover_text = mu_xasprintf("containerizer %s: %s", c->name, err.text);
            r->recovering--; /* never the last one: the turn below is still out */
            answered(q);
        }
    }
    (void)r->host->timer_start(r->host, 0, on_unstarted, ask(r, NULL, NULL));
}

/* ---- effects ---- */

static void apply(struct agent_run *r, struct agent_effect *fx)
{
    switch ((enum agent_effect_type)fx->type) {
    case AGENT_FX_JOURNAL:
        journal(r, fx);
        break;
    case AGENT_FX_SEND:
        link_client_send(r->link, fx->link, &fx->msg);
        break;
    case AGENT_FX_RECONNECT:
        link_client_reconnect(r->link, fx->link);
        break;
    case AGENT_FX_RECOVER:
        recover(r);
        break;
    case AGENT_FX_CHOOSE:
        choose(r, fx);
        break;
    case AGENT_FX_PREPARE:
        prepare(r, fx);
        break;
    case AGENT_FX_LAUNCH:
        launch(r, fx);
        break;
    case AGENT_FX_SIGNAL:
        signal_container(r, fx);
        break;
    case AGENT_FX_DESTROY:
        destroy(r, fx);
        break;
    case AGENT_FX_REMOVE_SANDBOX:
        sandbox_remove(r->host, fx->sandbox);
        break;
    case AGENT_FX_LOG:
        r->host->log(r->host, fx->level, "agent", "what=%s", fx->text);
        break;
    case AGENT_FX_COMPACT:
        compact(r, fx);
        break;
    case AGENT_FX_SHUTDOWN:
        r->cfg.shutdown(r->cfg.arg, fx->text);
        break;
    }
}

/* ---- the link ---- */

static void on_up(void *arg, uint64_t link)
{
    struct agent_run *r = arg;
    struct agent_event ev = {.type = AGENT_EV_MASTER, .link = link};
    step(r, &ev);
}

static void on_link_turn(void *arg)
{
    struct agent_run *r = arg;
    struct agent_event ev = {.type = AGENT_EV_MASTER, .link = 0};
    r->asked--;
    step(r, &ev);
}

static void on_down(void *arg, uint64_t link, const char *why)
{
    struct agent_run *r = arg;
    bool is_news = r->down_told == NULL || strcmp(r->down_told, why) != 0;
    r->host->log(r->host, is_news ? MU_WARN : MU_DEBUG,
                 "no link to the master, tasks run on", "link=%" PRIu64 " why=%s", link,
                 why);
    free(r->down_told);
    r->down_told = mu_xstrdup(why);
    if (r->stepping) { /* a send or reconnect of this very step ended it */
        r->asked++;
        (void)r->host->timer_start(r->host, 0, on_link_turn, r);
        return;
    }
    struct agent_event ev = {.type = AGENT_EV_MASTER, .link = 0};
    step(r, &ev);
}

static void on_message(void *arg, uint64_t link, const struct mu_msg *msg)
{
    struct agent_run *r = arg;
    free(r->down_told);
    r->down_told = NULL;
    struct agent_event ev = {.type = AGENT_EV_MESSAGE, .link = link, .msg = msg};
    step(r, &ev);
}

static const struct link_client_events link_events = {on_up, on_down, on_message};

/* ---- life ---- */

struct agent_run *agent_run_create(const struct agent_run_config *cfg)
{
    struct agent_run *r = MU_NEW(struct agent_run);
    r->cfg = *cfg;
    r->host = cfg->host;
    r->containerizers = mu_xmemdup(cfg->containerizers, cfg->containerizer_count *
                                                            sizeof(*cfg->containerizers));
    r->work_dir = mu_xstrdup(cfg->machine->work_dir);
    r->machine = agent_create(cfg->machine);
    r->link = link_client_create(cfg->host, &link_events, r);
    for (size_t i = 0; i < cfg->containerizer_count; i++) {
        r->containerizers[i].ops->listen(r->containerizers[i].instance,
                                         &containerizer_events, r);
    }
    return r;
}

int agent_run_start(struct agent_run *r, struct mu_error *err)
{
    mu_auto_free char *dir = mu_xasprintf("%s/meta", r->work_dir);
    mu_auto_free char *path = mu_xasprintf("%s/agent.journal", dir);
    int rc = sandbox_make_directories(dir, 0755, err);
    if (rc < 0) {
        return rc;
    }
    r->replaying = true;
    rc = r->host->journal_open(r->host, path, on_record, r, &r->journal, err);
    r->replaying = false;
    if (rc < 0) {
        return rc;
    }
    if (r->replay_status < 0) {
        return mu_fail(err, MU_E_CORRUPT, "journal '%s': %s; this version cannot read it",
                       path, r->replay_error.text);
    }
    struct agent_event ev = {.type = AGENT_EV_REPLAYED};
    step(r, &ev);
    return 0;
}

void agent_run_set_master(struct agent_run *r, const char *host_port)
{
    link_client_set_master(r->link, host_port);
}

static void on_part_stopped(void *arg)
{
    struct agent_run *r = arg;
    r->waits--;
    if (r->waits == 0) {
        r->stopped_cb(r->stopped_arg);
    }
}

void agent_run_stop(struct agent_run *r, mu_cb cb, void *arg)
{
    r->stopping = true;
    r->stopped_cb = cb;
    r->stopped_arg = arg;
    r->host->timer_cancel(r->host, r->deadline);
    r->deadline = NULL;
    r->waits = r->journal != NULL ? 2 : 1;
    link_client_stop(r->link, on_part_stopped, r);
    if (r->journal != NULL) {
        r->host->journal_close(r->journal, on_part_stopped, r);
        r->journal = NULL;
    }
}

void agent_run_destroy(struct agent_run *r)
{
    if (r == NULL) {
        return;
    }
    agent_destroy(r->machine);
    link_client_destroy(r->link);
    free(r->recover_text);
    free(r->down_told);
    free(r->containerizers);
    free(r->work_dir);
    free(r);
}

/* A row of the machine's on its way out, with what only the link knows. */
struct with_master {
    const char *master;
    mu_row_cb cb;
    void *arg;
};

static void add_master(void *arg, const void *data)
{
    const struct with_master *w = arg;
    struct mu_agent_row row = *(const struct mu_agent_row *)data;
    row.master = w->master;
    w->cb(w->arg, &row);
}

int agent_run_query(
    struct agent_run *r, uint32_t type, const char *key, mu_row_cb cb, void *arg)
{
    if (type == MU_Q_LOCAL_AGENT) {
        struct with_master w = {link_client_master(r->link), cb, arg};
        return agent_query(r->machine, type, key, add_master, &w);
    }
    return agent_query(r->machine, type, key, cb, arg);
}

void agent_run_metrics(struct agent_run *r,
                       void (*cb)(void *arg, const char *name, double value),
                       void *arg)
{
    agent_metrics(r->machine, cb, arg);
}
