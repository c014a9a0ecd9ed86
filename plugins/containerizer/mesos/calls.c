/* The calls of the kind (muster/kind/containerizer.h): checked here, then handed to the
 * container's box, or to a worker where they may block. */
#include "native.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void containerizer_listen(void *instance,
                                 const struct mu_containerizer_events *events,
                                 void *arg)
{
    struct native *n = instance;
    n->events = events;
    n->events_arg = arg;
}

static int check_volume(const struct mu_volume *v, struct mu_error *err)
{
    if (v->container_path == NULL || v->container_path[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "volume without a container path");
    }
    if (v->host_path == NULL && v->container_path[0] == '/') {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "volume '%s' of a native container needs a host path",
                       v->container_path);
    }
    return 0;
}

/* What would have to be left out is refused by name, not ignored. */
static int check_container(const struct mu_container_info *c, struct mu_error *err)
{
    if (c->image != NULL) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "images for native containers are not supported yet");
    }
    bool is_host_network = c->network == 0 || c->network == MU_NETWORK_HOST;
    if (!is_host_network || c->ports.count > 0) {
        return mu_fail(
            err, MU_E_UNSUPPORTED,
            "networks of their own for native containers are not supported yet");
    }
    for (size_t i = 0; i < c->volumes.count; i++) {
        int rc = check_volume(&c->volumes.v[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int containerizer_can_run(void *instance,
                                 const struct mu_container_spec *spec,
                                 struct mu_error *err)
{
    (void)instance;
    const struct mu_task_info *t = spec->task;
    if (t->container.type == MU_CONTAINER_DOCKER) {
        return 0;
    }
    if (t->container.type == MU_CONTAINER_MESOS) {
        int rc = check_container(&t->container, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (t->command.value == NULL || t->command.value[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "a native task needs a command value");
    }
    return 1;
}

static int containerizer_recover(void *instance,
                                 const struct mu_container_known *known,
                                 size_t count,
                                 mu_recovered_cb on_each,
                                 mu_status_cb cb,
                                 void *arg,
                                 struct mu_error *err)
{
    return nat_recover(instance, known, count, on_each, cb, arg, err);
}

static int containerizer_launch(void *instance,
                                const struct mu_container_spec *spec,
                                mu_launched_cb cb,
                                void *arg,
                                struct mu_error *err)
{
    struct native *n = instance;
    int rc = containerizer_can_run(n, spec, err);
    if (rc < 0) {
        return rc;
    }
    if (rc == 0) {
        return mu_fail(err, MU_E_UNSUPPORTED, "not a native container");
    }
    if (n->is_stopping) {
        return mu_fail(err, -ECANCELED, "the agent stops");
    }
    if (nat_box_find(n, spec->id.s) != NULL) {
        return mu_fail(err, MU_E_EXISTS, "container '%s' exists already", spec->id.s);
    }
    nat_use_label(n, spec->agent_label);
    struct nat_box *box = nat_box_create(n, &spec->id, spec);
    box->launched_cb = cb;
    box->launched_arg = arg;
    const struct nat_event ev = {.type = NAT_EV_LAUNCH};
    nat_box_step(box, &ev);
    return 0;
}

static int containerizer_kill(void *instance,
                              const struct mu_container_id *id,
                              int signal_number,
                              struct mu_error *err)
{
    struct nat_box *box = nat_box_find(instance, id->s);
    if (signal_number <= 0 || signal_number >= NSIG) {
        return mu_fail(err, -EINVAL, "signal %d", signal_number);
    }
    if (box == NULL || !nat_box_signal(box, signal_number)) {
        return mu_fail(err, -ESRCH, "container '%s' does not run", id->s);
    }
    return 0;
}

static void on_unknown_destroyed(void *arg)
{
    struct nat_waiter *w = arg;
    struct native *n = w->n;
    w->cb(w->arg, 0, "");
    free(w);
    nat_work_done(n);
}

static void containerizer_destroy(void *instance,
                                  const struct mu_container_id *id,
                                  mu_status_cb cb,
                                  void *arg)
{
    struct native *n = instance;
    struct nat_box *box = nat_box_find(n, id->s);
    struct nat_waiter *w = nat_alloc(sizeof(*w));
    *w = (struct nat_waiter){.n = n, .cb = cb, .arg = arg};
    if (box == NULL) {
        nat_later(n, on_unknown_destroyed, w);
        return;
    }
    w->next = box->waiters;
    box->waiters = w;
    const struct nat_event ev = {.type = NAT_EV_DESTROY};
    nat_box_step(box, &ev);
}

/* One request to a worker about a running container. */
struct inquiry {
    struct native *n;
    struct mu_container_id id;
    int64_t supervisor;
    struct mu_pairs settings;
    int64_t cpus_limit_milli;
    mu_status_cb status_cb;
    mu_usage_cb usage_cb;
    void *arg;
    struct mu_container_usage usage;
    struct mu_error err;
    int code;
};

static struct inquiry *inquiry_create(struct nat_box *box, void *arg)
{
    struct inquiry *q = nat_alloc(sizeof(*q));
    q->n = box->n;
    q->id = box->id;
    q->supervisor = box->supervisor;
    q->cpus_limit_milli = box->cpus_limit_milli;
    q->arg = arg;
    return q;
}

static void inquiry_free(struct inquiry *q)
{
    struct native *n = q->n;
    mu_pairs_release(&q->settings);
    free(q);
    nat_work_done(n);
}

static struct nat_box *
find_running(struct native *n, const struct mu_container_id *id, struct mu_error *err)
{
    struct nat_box *box = nat_box_find(n, id->s);
    if (box == NULL || box->machine.state != NAT_IS_RUNNING) {
        (void)mu_fail(err, -ESRCH, "container '%s' does not run", id->s);
        return NULL;
    }
    return box;
}

static void apply_limits(void *arg)
{
    struct inquiry *q = arg;
    q->code = nat_cgroups_apply(&q->settings, &q->err);
}

static void on_limits_applied(void *arg)
{
    struct inquiry *q = arg;
    struct nat_box *box = nat_box_find(q->n, q->id.s);
    if (q->code == 0 && box != NULL) {
        box->cpus_limit_milli = q->cpus_limit_milli;
    }
    q->status_cb(q->arg, q->code, q->code < 0 ? q->err.text : "");
    inquiry_free(q);
}

static int containerizer_update(void *instance,
                                const struct mu_container_id *id,
                                const struct mu_resources *resources,
                                mu_status_cb cb,
                                void *arg,
                                struct mu_error *err)
{
    struct native *n = instance;
    struct nat_box *box = find_running(n, id, err);
    if (box == NULL) {
        return -ESRCH;
    }
    struct inquiry *q = inquiry_create(box, arg);
    q->status_cb = cb;
    q->cpus_limit_milli = mu_resources_scalar(resources, "cpus");
    nat_limits_make(&n->layout, &n->limits, id->s, resources, &q->settings);
    nat_work(n, apply_limits, on_limits_applied, q);
    return 0;
}

static void read_usage(void *arg)
{
    struct inquiry *q = arg;
    q->code = nat_usage_read(&q->n->layout, q->id.s, q->supervisor, &q->usage);
}

static void on_usage_read(void *arg)
{
    struct inquiry *q = arg;
    q->usage.cpus_limit_milli = q->cpus_limit_milli;
    q->usage_cb(q->arg, q->code, q->code == 0 ? &q->usage : NULL);
    inquiry_free(q);
}

static int containerizer_usage(void *instance,
                               const struct mu_container_id *id,
                               mu_usage_cb cb,
                               void *arg,
                               struct mu_error *err)
{
    struct nat_box *box = find_running(instance, id, err);
    if (box == NULL) {
        return -ESRCH;
    }
    struct inquiry *q = inquiry_create(box, arg);
    q->usage_cb = cb;
    nat_work(box->n, read_usage, on_usage_read, q);
    return 0;
}

const struct mu_containerizer_ops nat_ops = {
    .struct_size = sizeof(struct mu_containerizer_ops),
    .listen = containerizer_listen,
    .can_run = containerizer_can_run,
    .recover = containerizer_recover,
    .launch = containerizer_launch,
    .kill = containerizer_kill,
    .destroy = containerizer_destroy,
    .update = containerizer_update,
    .usage = containerizer_usage,
};
