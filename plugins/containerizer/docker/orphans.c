#include "orphans.h"

#include "driver.h"
#include "util.h"

enum {
    SWEEP_FIRST_MS =
        2000, /* what the engine was still about when we asked, it has done */
    SWEEP_MAX_MS = 60000,
    LIST_TIMEOUT_MS = 30000,
    REMOVE_TIMEOUT_MS = 60000,
    PATH_MAX_BYTES = 16 * 1024,
};

struct removal {
    const struct mu_host *host;
    char id[DKR_ENGINE_ID_SIZE];
};

static void on_removed(void *arg, const struct dkr_reply *reply)
{
    struct removal *r = arg;
    if (reply->outcome != DKR_OK && reply->http_status != 404) {
        r->host->log(r->host, MU_WARN,
                     "orphaned docker container could not be removed, trying again later",
                     "engine_id=%.12s reason=%s", r->id, reply->text);
    }
    free(r);
}

static void remove_orphan(struct dkr_instance *in, const struct dkr_listed *listed)
{
    struct removal *r = dkr_alloc(sizeof(*r));
    struct mu_buf path;

    r->host = in->host;
    memcpy(r->id, listed->id, sizeof(r->id));
    in->host->log(in->host, MU_INFO, "removing an orphaned docker container",
                  "container=%s engine_id=%.12s running=%s", listed->container_id,
                  listed->id, listed->is_running ? "true" : "false");
    mu_buf_init(&path, PATH_MAX_BYTES);
    (void)mu_buf_puts(&path, "/containers/");
    dkr_url_encode(&path, listed->id);
    (void)mu_buf_puts(&path, "?force=1&v=1");
    (void)dkr_engine_ask(in->engine,
                         &(struct dkr_ask){.method = "DELETE",
                                           .path = mu_buf_str(&path),
                                           .timeout_ms = REMOVE_TIMEOUT_MS},
                         on_removed, r);
    mu_buf_release(&path);
}

static void sweep(struct dkr_instance *in);

static void on_sweep_due(void *arg)
{
    struct dkr_instance *in = arg;
    in->sweep_timer = NULL;
    sweep(in);
}

static void sweep_later(struct dkr_instance *in)
{
    if (in->sweep_timer == NULL && !in->is_stopping) {
        in->sweep_timer =
            in->host->timer_start(in->host, in->sweep_delay_ms, on_sweep_due, in);
        in->sweep_delay_ms *= 2;
        if (in->sweep_delay_ms > SWEEP_MAX_MS) {
            in->sweep_delay_ms = SWEEP_MAX_MS;
        }
    }
}

static void on_listed(void *arg, const struct dkr_reply *reply)
{
    struct dkr_instance *in = arg;
    struct dkr_list list = {0};
    struct mu_error err;

    in->sweep = NULL;
    sweep_later(in);
    if (reply->outcome != DKR_OK) {
        return; /* the engine's trouble is logged where it is found */
    }
    if (dkr_decode_list(reply->body, reply->len, &list, &err) < 0) {
        in->host->log(in->host, MU_WARN,
                      "list of docker containers is not understood, continuing",
                      "reason=%s", err.text);
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (list.v[i].container_id[0] != '\0' &&
            dkr_item_find(in, list.v[i].container_id) == NULL) {
            remove_orphan(in, &list.v[i]);
        }
    }
    dkr_items_compare(in, &list);
    free(list.v);
}

static void sweep(struct dkr_instance *in)
{
    struct mu_buf path;
    char *filter = NULL;

    if (in->sweep != NULL || in->agent_label == NULL || in->is_stopping) {
        return;
    }
    filter = dkr_encode_label_filter(DKR_LABEL_AGENT, in->agent_label);
    if (filter == NULL) {
        return; /* a work_dir that is not UTF-8: no container can carry it either */
    }
    in->host->timer_cancel(in->host, in->sweep_timer);
    in->sweep_timer = NULL;
    mu_buf_init(&path, PATH_MAX_BYTES);
    (void)mu_buf_puts(&path, "/containers/json?all=1&filters=");
    dkr_url_encode(&path, filter);
    free(filter);
    in->sweep = dkr_engine_ask(in->engine,
                               &(struct dkr_ask){.method = "GET",
                                                 .path = mu_buf_str(&path),
                                                 .timeout_ms = LIST_TIMEOUT_MS},
                               on_listed, in);
    mu_buf_release(&path);
}

void dkr_orphans_sweep_soon(struct dkr_instance *in)
{
    in->sweep_delay_ms = SWEEP_FIRST_MS;
    if (in->may_sweep) {
        sweep(in);
        sweep_later(in);
    }
}

void dkr_orphans_start(struct dkr_instance *in)
{
    in->may_sweep = true;
    if (in->agent_label == NULL && in->host->work_dir(in->host) != NULL) {
        dkr_set(&in->agent_label, in->host->work_dir(in->host));
    }
    dkr_orphans_sweep_soon(in);
}

void dkr_orphans_stop(struct dkr_instance *in)
{
    dkr_engine_cancel(in->sweep);
    in->sweep = NULL;
    in->host->timer_cancel(in->host, in->sweep_timer);
    in->sweep_timer = NULL;
}
