#include "images.h"

#include <inttypes.h>
#include <stdio.h>

#include "pull_stream.h"
#include "util.h"

enum {
    INSPECT_TIMEOUT_MS = 30000,
    PROGRESS_LOG_MS = 10000,
    STALL_MS = 600000, /* extracting a large layer says nothing for minutes */
    PATH_MAX_BYTES = 4096,
    LAYERS_MAX = 256,
};

struct dkr_image_wait {
    struct image *image;
    struct dkr_image_wait *next;
    dkr_image_cb cb;
    void *arg;
};

struct layer {
    char id[64];
    int64_t current, total;
};

/* One image that somebody waits for. */
struct image {
    struct dkr_images *images;
    struct image *next;
    char *ref;
    bool must_pull, is_pulling, is_done;
    struct dkr_call *call;
    struct mu_timer *timer; /* progress and stall */
    struct dkr_image_wait *waits;

    struct dkr_pull_stream stream;
    uint64_t started_ms, heard_ms;
    char error[DKR_TEXT_SIZE]; /* in the stream of a pull */
    char status[128];          /* the last one without a layer */
    struct layer *layers;
    size_t layer_count;
};

struct dkr_images {
    const struct mu_host *host;
    struct dkr_engine *engine;
    struct image *first;
};

struct dkr_images *dkr_images_create(const struct mu_host *host,
                                     struct dkr_engine *engine)
{
    struct dkr_images *images = dkr_alloc(sizeof(*images));
    images->host = host;
    images->engine = engine;
    return images;
}

void dkr_images_destroy(struct dkr_images *images)
{
    if (images != NULL) {
        assert(images->first == NULL);
        free(images);
    }
}

static void image_unlink(struct image *image)
{
    struct image **slot = &image->images->first;
    while (*slot != image) {
        slot = &(*slot)->next;
    }
    *slot = image->next;
}

static void image_free(struct image *image)
{
    image->images->host->timer_cancel(image->images->host, image->timer);
    dkr_pull_stream_release(&image->stream);
    free(image->layers);
    free(image->ref);
    free(image);
}

static void image_done(struct image *image, enum dkr_outcome outcome, const char *text)
{
    image_unlink(image);
    image->is_done = true;
    while (image->waits != NULL) {
        struct dkr_image_wait *wait = image->waits;
        image->waits = wait->next;
        wait->cb(wait->arg, outcome, text);
        free(wait);
    }
    image_free(image);
}

static void image_refused(struct image *image, const char *why)
{
    char text[DKR_TEXT_SIZE + 320];
    (void)snprintf(text, /* may be cut */
                   sizeof(text), "image '%.256s' cannot be had: %s", image->ref, why);
    image->images->host->log(image->images->host, MU_WARN, "image cannot be had",
                             "image=%s reason=%s", image->ref, why);
    image_done(image, DKR_REFUSED, text);
}

/* ---- pull ---- */

static struct layer *layer_of(struct image *image, const char *id)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        if (dkr_equal(image->layers[i].id, id)) {
            return &image->layers[i];
        }
    }
    if (image->layer_count == LAYERS_MAX) {
        return NULL;
    }
    image->layers =
        dkr_realloc(image->layers, (image->layer_count + 1) * sizeof(image->layers[0]));
    struct layer *layer = &image->layers[image->layer_count++];
    *layer = (struct layer){0};
    (void)snprintf(layer->id, sizeof(layer->id), "%s", id); /* same size */
    return layer;
}

static void on_record(void *arg, const char *record, size_t len)
{
    struct image *image = arg;
    struct dkr_pull_record r;
    struct mu_error err;

    if (dkr_decode_pull_record(record, len, &r, &err) < 0) {
        (void)snprintf(image->error, sizeof(image->error), "%s", err.text); /* fits */
        return;
    }
    if (r.error[0] != '\0') {
        memcpy(image->error, r.error, sizeof(image->error));
    }
    if (r.layer[0] == '\0') {
        memcpy(image->status, r.status, sizeof(image->status));
    } else if (r.total > 0) {
        struct layer *layer = layer_of(image, r.layer);
        if (layer != NULL) {
            layer->current = r.current;
            layer->total = r.total;
        }
    }
}

static void on_pull_data(void *arg, const char *data, size_t len)
{
    struct image *image = arg;
    image->heard_ms = image->images->host->now_ms(image->images->host);
    dkr_pull_stream_feed(&image->stream, data, len, on_record, image);
}

static void log_progress(const struct image *image, const char *message)
{
    const struct mu_host *host = image->images->host;
    int64_t current = 0;
    int64_t total = 0;
    for (size_t i = 0; i < image->layer_count; i++) {
        current += image->layers[i].current;
        total += image->layers[i].total;
    }
    host->log(host, MU_INFO, message,
              "image=%s seconds=%" PRIu64 " layers=%zu done_bytes=%" PRId64
              " of_bytes=%" PRId64 " status=%s",
              image->ref, (host->now_ms(host) - image->started_ms) / 1000,
              image->layer_count, current, total, image->status);
}

static void on_progress_due(void *arg)
{
    struct image *image = arg;
    const struct mu_host *host = image->images->host;

    image->timer = NULL;
    if (host->now_ms(host) - image->heard_ms >= STALL_MS) {
        dkr_engine_cancel(image->call);
        image->call = NULL;
        image_refused(image, "the pull made no progress for 10 minutes");
        return;
    }
    log_progress(image, "pulling image");
    image->timer = host->timer_start(host, PROGRESS_LOG_MS, on_progress_due, image);
}

static void on_pulled(void *arg, const struct dkr_reply *reply)
{
    struct image *image = arg;

    image->call = NULL;
    if (reply->outcome == DKR_REFUSED) {
        image_refused(image, reply->text);
    } else if (reply->outcome != DKR_OK) {
        image_done(image, reply->outcome, reply->text);
    } else if (image->error[0] != '\0') {
        image_refused(image, image->error);
    } else if (!dkr_pull_stream_is_complete(&image->stream)) {
        image_refused(image, "the engine's report of the pull is not understood");
    } else {
        log_progress(image, "image pulled");
        image_done(image, DKR_OK, "");
    }
}

/* "repo:tag" and "repo@digest" -> the two query values; a port is no tag. */
static void append_ref(struct mu_buf *path, const char *ref)
{
    const char *slash = strrchr(ref, '/');
    const char *name = slash == NULL ? ref : slash;
    const char *cut = strchr(name, '@');
    if (cut == NULL) {
        cut = strrchr(name, ':');
    }
    char *repo = cut == NULL ? dkr_strdup(ref) : dkr_strndup(ref, (size_t)(cut - ref));
    (void)mu_buf_puts(path, "fromImage=");
    dkr_url_encode(path, repo);
    (void)mu_buf_puts(path, "&tag=");
    dkr_url_encode(path, cut == NULL ? "latest" : cut + 1);
    free(repo);
}

static void start_pull(struct image *image)
{
    const struct mu_host *host = image->images->host;
    struct mu_buf path;

    image->is_pulling = true;
    image->started_ms = host->now_ms(host);
    image->heard_ms = image->started_ms;
    host->log(host, MU_INFO, "pulling image", "image=%s", image->ref);
    mu_buf_init(&path, PATH_MAX_BYTES);
    (void)mu_buf_puts(&path, "/images/create?");
    append_ref(&path, image->ref);
    image->call = dkr_engine_ask(image->images->engine,
                                 &(struct dkr_ask){.method = "POST",
                                                   .path = mu_buf_str(&path),
                                                   .on_data = on_pull_data},
                                 on_pulled, image);
    image->timer = host->timer_start(host, PROGRESS_LOG_MS, on_progress_due, image);
    mu_buf_release(&path);
}

/* ---- look ---- */

static void on_inspected(void *arg, const struct dkr_reply *reply)
{
    struct image *image = arg;

    image->call = NULL;
    if (reply->outcome == DKR_OK && !image->must_pull) {
        image_done(image, DKR_OK, "");
    } else if (reply->outcome == DKR_OK ||
               (reply->outcome == DKR_REFUSED && reply->http_status == 404)) {
        start_pull(image);
    } else if (reply->outcome == DKR_REFUSED) {
        image_refused(image, reply->text);
    } else {
        image_done(image, reply->outcome, reply->text);
    }
}

static void start_inspect(struct image *image)
{
    struct mu_buf path;
    mu_buf_init(&path, PATH_MAX_BYTES);
    (void)mu_buf_puts(&path, "/images/");
    dkr_url_encode(&path, image->ref);
    (void)mu_buf_puts(&path, "/json");
    image->call = dkr_engine_ask(image->images->engine,
                                 &(struct dkr_ask){.method = "GET",
                                                   .path = mu_buf_str(&path),
                                                   .timeout_ms = INSPECT_TIMEOUT_MS},
                                 on_inspected, image);
    mu_buf_release(&path);
}

/* ---- waiting ---- */

struct dkr_image_wait *dkr_images_ensure(
    struct dkr_images *images, const char *ref, bool force, dkr_image_cb cb, void *arg)
{
    struct image *image = images->first;
    while (image != NULL && !dkr_equal(image->ref, ref)) {
        image = image->next;
    }
    bool is_new = image == NULL;
    if (is_new) {
        image = dkr_alloc(sizeof(*image));
        image->images = images;
        image->next = images->first;
        image->ref = dkr_strdup(ref);
        dkr_pull_stream_init(&image->stream);
        images->first = image;
    }
    struct dkr_image_wait *wait = dkr_alloc(sizeof(*wait));
    *wait = (struct dkr_image_wait){
        .image = image, .next = image->waits, .cb = cb, .arg = arg};
    image->waits = wait;
    image->must_pull = image->must_pull || force;
    if (is_new && force) {
        start_pull(image);
    } else if (is_new) {
        start_inspect(image);
    }
    return wait;
}

void dkr_images_cancel(struct dkr_image_wait *wait)
{
    if (wait == NULL) {
        return;
    }
    struct image *image = wait->image;
    struct dkr_image_wait **slot = &image->waits;
    while (*slot != wait) {
        slot = &(*slot)->next;
    }
    *slot = wait->next;
    free(wait);
    if (image->waits == NULL &&
        !image->is_done) { /* closing the connection ends the pull */
        if (image->is_pulling) {
            image->images->host->log(image->images->host, MU_INFO, "pull cancelled",
                                     "image=%s", image->ref);
        }
        dkr_engine_cancel(image->call);
        image_unlink(image);
        image_free(image);
    }
}
