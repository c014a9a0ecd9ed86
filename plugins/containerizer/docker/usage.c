#include "usage.h"

#include <errno.h>

#include "driver.h"
#include "util.h"

enum {
    STATS_TIMEOUT_MS = 10000,
    UPDATE_TIMEOUT_MS = 30000,
    URL_PATH_MAX = 512,
};

/* One question under way; the container may be gone before it is answered. */
struct question {
    int64_t cpus_limit_milli;
    mu_usage_cb usage_cb;
    mu_status_cb status_cb;
    void *arg;
};

static int status_of(const struct dkr_reply *reply)
{
    if (reply->outcome == DKR_OK) {
        return 0;
    }
    if (reply->outcome == DKR_REFUSED) {
        return reply->http_status == 404 ? -ESRCH : MU_E_PLUGIN;
    }
    return MU_E_UNAVAILABLE;
}

static int find_running(struct dkr_instance *in,
                        const struct mu_container_id *id,
                        struct dkr_item **out_item,
                        const char **out_engine_id,
                        struct mu_error *err)
{
    struct dkr_item *item = dkr_item_find(in, id->s);
    const char *engine_id = item == NULL ? NULL : dkr_item_running_id(item);
    if (engine_id == NULL) {
        return mu_fail(err, -ESRCH, "container '%s' does not run", id->s);
    }
    *out_item = item;
    *out_engine_id = engine_id;
    return 0;
}

static void ask(struct dkr_instance *in,
                struct dkr_ask *how,
                const char *engine_id,
                const char *what,
                dkr_reply_cb cb,
                struct question *q)
{
    struct mu_buf path;
    mu_buf_init(&path, URL_PATH_MAX);
    (void)mu_buf_printf(&path, "/containers/%s/%s", engine_id, what);
    how->path = mu_buf_str(&path);
    (void)dkr_engine_ask(in->engine, how, cb, q);
    mu_buf_release(&path);
}

static void on_stats(void *arg, const struct dkr_reply *reply)
{
    struct question *q = arg;
    struct mu_container_usage usage = {.struct_size = sizeof(usage)};
    int status = status_of(reply);

    if (status == 0) {
        status = dkr_decode_usage(reply->body, reply->len, &usage, NULL);
    }
    usage.cpus_limit_milli = q->cpus_limit_milli;
    q->usage_cb(q->arg, status, status == 0 ? &usage : NULL);
    free(q);
}

int dkr_usage(void *instance,
              const struct mu_container_id *id,
              mu_usage_cb cb,
              void *arg,
              struct mu_error *err)
{
    struct dkr_instance *in = instance;
    struct dkr_item *item = NULL;
    const char *engine_id = NULL;
    int rc = find_running(in, id, &item, &engine_id, err);
    if (rc < 0) {
        return rc;
    }
    struct question *q = dkr_alloc(sizeof(*q));
    *q = (struct question){
        .cpus_limit_milli = mu_resources_scalar(&dkr_item_task(item)->resources, "cpus"),
        .usage_cb = cb,
        .arg = arg};
    /* one-shot: without it the engine takes a second sample a second later */
    ask(in, &(struct dkr_ask){.method = "GET", .timeout_ms = STATS_TIMEOUT_MS}, engine_id,
        dkr_engine_api_version(in->engine) >= 141 ? "stats?stream=false&one-shot=true"
                                                  : "stats?stream=false",
        on_stats, q);
    return 0;
}

static void on_updated(void *arg, const struct dkr_reply *reply)
{
    struct question *q = arg;
    q->status_cb(q->arg, status_of(reply), reply->text == NULL ? "" : reply->text);
    free(q);
}

int dkr_update(void *instance,
               const struct mu_container_id *id,
               const struct mu_resources *resources,
               mu_status_cb cb,
               void *arg,
               struct mu_error *err)
{
    struct dkr_instance *in = instance;
    struct dkr_item *item = NULL;
    const char *engine_id = NULL;
    struct dkr_fields fields = {0};
    char *body = NULL;
    int rc = find_running(in, id, &item, &engine_id, err);
    if (rc < 0) {
        return rc;
    }
    dkr_spec_limits(resources, in->enable_cfs, &fields);
    const struct dkr_field *memory = dkr_fields_find(&fields, "HostConfig.Memory");
    if (memory != NULL && memory->number <= INT64_MAX / 2) {
        /* as the engine sets it at creation; else the old one forbids a larger memory */
        dkr_fields_int(&fields, "HostConfig.MemorySwap", memory->number * 2);
    }
    rc = dkr_encode_update(&fields, &body, err);
    dkr_fields_release(&fields);
    if (rc < 0) {
        return rc;
    }
    struct question *q = dkr_alloc(sizeof(*q));
    *q = (struct question){.status_cb = cb, .arg = arg};
    ask(in,
        &(struct dkr_ask){
            .method = "POST", .body = body, .timeout_ms = UPDATE_TIMEOUT_MS},
        engine_id, "update", on_updated, q);
    free(body);
    return 0;
}
