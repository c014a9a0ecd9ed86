/* Containerizer "docker": runs tasks in containers of a Docker engine, through its HTTP
 * API on a unix socket.
 *
 * This file answers the host. Where to look further: container.c decides what is done for
 * one container and when, driver.c does it, engine.c speaks to the engine, spec.c and
 * params.c turn a task into the container's settings, logs.c brings the output home.
 */
#include <muster/kind/containerizer.h>
#include <muster/plugin.h>

#include <errno.h>

#include "driver.h"
#include "orphans.h"
#include "usage.h"
#include "util.h"

static const struct mu_flag flags[] = {
    {.name = "docker_socket",
     .type = MU_FLAG_STRING,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "/var/run/docker.sock",
     .value_name = "PATH",
     .help = "Unix socket of the Docker engine. The agent starts without an engine too: "
             "its containers are refused until it is there."},
    {.name = "sandbox_directory",
     .type = MU_FLAG_STRING,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "/mnt/mesos/sandbox",
     .value_name = "PATH",
     .help = "Where a container with an image sees its sandbox."},
    {.name = "cgroups_enable_cfs",
     .type = MU_FLAG_BOOL,
     .bits = MU_FLAG_GLOBAL_NAME,
     .default_text = "false",
     .help = "Make a task's cpus a hard limit (CFS quota) beside their weight."},
    {0},
};

/* ---- life ---- */

static void on_engine_change(void *arg, bool is_ready, const char *text)
{
    struct dkr_instance *in = arg;
    (void)text;
    in->host->gauge_set(in->host, "containerizer/docker/engine_available",
                        is_ready ? 1 : 0);
    if (is_ready) {
        dkr_orphans_sweep_soon(in);
    }
}

static int check_flag(const char *name, const char *value, struct mu_error *err)
{
    if (value == NULL || value[0] != '/') {
        return mu_fail(err, MU_E_INVALID, "--%s: '%s' is not an absolute path", name,
                       value == NULL ? "" : value);
    }
    return 0;
}

static int dkr_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    const char *socket = mu_flags_string(values, "docker_socket");
    const char *sandbox_directory = mu_flags_string(values, "sandbox_directory");
    int rc = 0;

    if (host->loop(host) == NULL) {
        return mu_fail(err, -ENOTSUP, "docker needs a real event loop");
    }
    if (socket != NULL && dkr_starts_with(socket, "unix://")) {
        socket += strlen("unix://");
    }
    if ((rc = check_flag("docker_socket", socket, err)) < 0 ||
        (rc = check_flag("sandbox_directory", sandbox_directory, err)) < 0) {
        return rc;
    }
    struct dkr_instance *in = dkr_alloc(sizeof(*in));
    in->host = host;
    in->socket = dkr_strdup(socket);
    in->sandbox_directory = dkr_strdup(sandbox_directory);
    in->enable_cfs = mu_flags_bool(values, "cgroups_enable_cfs");
    in->engine = dkr_engine_create(host, socket, on_engine_change, in);
    in->images = dkr_images_create(host, in->engine);
    *out_instance = in;
    return 0;
}

static int dkr_start(void *instance, struct mu_error *err)
{
    struct dkr_instance *in = instance;
    (void)err;
    dkr_engine_start(in->engine);
    return 0;
}

static void on_stop_due(void *arg)
{
    struct dkr_instance *in = arg;
    in->stop_timer = NULL;
    in->stopped_cb(in->stopped_arg);
}

void dkr_check_stopped(struct dkr_instance *in)
{
    if (in->is_stopping && in->engine_has_stopped && in->jobs == 0 &&
        in->stop_timer == NULL) {
        in->stop_timer = in->host->timer_start(in->host, 0, on_stop_due, in);
    }
}

static void on_engine_stopped(void *arg)
{
    struct dkr_instance *in = arg;
    in->engine_has_stopped = true;
    dkr_check_stopped(in);
}

static void dkr_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct dkr_instance *in = instance;

    in->is_stopping = true;
    in->stopped_cb = stopped_cb;
    in->stopped_arg = arg;
    dkr_orphans_stop(in);
    dkr_items_stop(in);
    if (in->is_recovering) {
        in->is_recovering = false;
        in->recovered_cb(in->recover_arg, -ECANCELED, "stopping");
    }
    dkr_engine_stop(in->engine, on_engine_stopped, in);
}

static void dkr_destroy(void *instance)
{
    struct dkr_instance *in = instance;
    if (in != NULL) {
        assert(in->items == NULL && in->jobs == 0);
        dkr_images_destroy(in->images);
        dkr_engine_destroy(in->engine);
        free(in->agent_label);
        free(in->socket);
        free(in->sandbox_directory);
        free(in);
    }
}

/* ---- containerizer ---- */

static void
dkr_listen(void *instance, const struct mu_containerizer_events *events, void *arg)
{
    struct dkr_instance *in = instance;
    in->events = events;
    in->events_arg = arg;
}

static int
dkr_can_run(void *instance, const struct mu_container_spec *spec, struct mu_error *err)
{
    struct dkr_instance *in = instance;
    const struct dkr_spec_options options = {.sandbox_directory = in->sandbox_directory,
                                             .enable_cfs = in->enable_cfs,
                                             .api_version =
                                                 dkr_engine_api_version(in->engine)};
    struct dkr_spec built;
    char *body = NULL;

    if (spec->task->container.type != MU_CONTAINER_DOCKER) {
        return 0;
    }
    int rc = dkr_spec_build(spec, &options, &built, err);
    if (rc < 0) {
        return rc;
    }
    rc = dkr_encode_create(&built.fields, &body, err);
    free(body);
    dkr_spec_release(&built);
    return rc < 0 ? rc : 1;
}

static void on_nothing_recovered(void *arg)
{
    struct dkr_instance *in = arg;
    in->jobs--;
    if (in->is_recovering) { /* not stopped meanwhile */
        in->is_recovering = false;
        in->recovered_cb(in->recover_arg, 0, "");
    }
    dkr_check_stopped(in);
}

static int dkr_recover(void *instance,
                       const struct mu_container_known *known,
                       size_t count,
                       mu_recovered_cb on_each,
                       mu_status_cb cb,
                       void *arg,
                       struct mu_error *err)
{
    struct dkr_instance *in = instance;

    if (in->may_sweep) {
        return mu_fail(err, -EALREADY, "recover was called before");
    }
    in->on_recovered = on_each;
    in->recovered_cb = cb;
    in->recover_arg = arg;
    in->is_recovering = true;
    in->recover_left = count;
    for (size_t i = 0; i < count; i++) {
        dkr_item_recover(in, &known[i]);
    }
    if (count == 0) {
        in->jobs++;
        (void)in->host->timer_start(in->host, 0, on_nothing_recovered, in);
    }
    dkr_orphans_start(in); /* the known ones have their items, so they are safe */
    return 0;
}

static int dkr_launch(void *instance,
                      const struct mu_container_spec *spec,
                      mu_launched_cb cb,
                      void *arg,
                      struct mu_error *err)
{
    struct dkr_instance *in = instance;
    const char *trouble = dkr_engine_trouble(in->engine);
    if (trouble != NULL) {
        return mu_fail(err, MU_E_UNAVAILABLE, "%s", trouble);
    }
    return dkr_item_launch(in, spec, cb, arg, err);
}

static int dkr_kill(void *instance,
                    const struct mu_container_id *id,
                    int signal_number,
                    struct mu_error *err)
{
    struct dkr_item *item = dkr_item_find(instance, id->s);
    if (item == NULL) {
        return mu_fail(err, -ESRCH, "container '%s' is not known", id->s);
    }
    return dkr_item_kill(item, signal_number, err);
}

struct answer_later {
    struct dkr_instance *in;
    mu_status_cb cb;
    void *arg;
};

static void on_answer_due(void *arg)
{
    struct answer_later *a = arg;
    struct dkr_instance *in = a->in;
    a->cb(a->arg, 0, "");
    free(a);
    in->jobs--;
    dkr_check_stopped(in);
}

static void dkr_destroy_container(void *instance,
                                  const struct mu_container_id *id,
                                  mu_status_cb cb,
                                  void *arg)
{
    struct dkr_instance *in = instance;
    struct dkr_item *item = dkr_item_find(in, id->s);
    if (item != NULL) {
        dkr_item_destroy(item, cb, arg);
        return;
    }
    struct answer_later *a = dkr_alloc(sizeof(*a));
    *a = (struct answer_later){.in = in, .cb = cb, .arg = arg};
    in->jobs++;
    (void)in->host->timer_start(in->host, 0, on_answer_due, a);
}

static const struct mu_containerizer_ops ops = {
    .struct_size = sizeof(ops),
    .listen = dkr_listen,
    .can_run = dkr_can_run,
    .recover = dkr_recover,
    .launch = dkr_launch,
    .kill = dkr_kill,
    .destroy = dkr_destroy_container,
    .update = dkr_update,
    .usage = dkr_usage,
};

MU_PLUGIN_DEFINE(containerizer_docker) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_CONTAINERIZER,
    .name = "docker",
    .version = MU_PLUGIN_VERSION,
    .summary = "containers of a Docker engine",
    .flags = flags,
    .ops = &ops,
    .create = dkr_create,
    .start = dkr_start,
    .stop = dkr_stop,
    .destroy = dkr_destroy,
};
