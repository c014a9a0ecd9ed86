/* How a box gets its supervisor: a worker makes the state directory and starts the
 * process (both may wait for the disk), then the loop connects to it and says what to
 * run.
 *
 * Until it has been told that, a supervisor does nothing, and ends when its connection
 * does: whoever has changed his mind meanwhile only closes it. */
#include "native.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spawn.h"

struct nat_start {
    struct native *n;
    struct nat_box *box; /* NULL: gone meanwhile */
    struct mu_container_id id;
    char *state_dir, *leave_v2;
    struct nat_spawn spawn;
    bool has_leftover;
    int code;
    struct mu_error err;
};

static void start_free(struct nat_start *st)
{
    free(st->state_dir);
    free(st->leave_v2);
    free(st);
}

/* On a worker. */
static void start(void *arg)
{
    struct nat_start *st = arg;
    int listen_fd = nat_state_listen(st->state_dir);
    if (listen_fd < 0) {
        st->has_leftover = listen_fd == -EEXIST; /* of the same id: it must go entirely */
        st->code = mu_fail(&st->err, listen_fd, "make '%s': %s", st->state_dir,
                           mu_strerror(listen_fd));
        return;
    }
    st->spawn.listen_fd = listen_fd;
    st->code = nat_spawn(&st->spawn, &st->err);
    close(listen_fd);
}

/* Nobody wants it any more. */
static void let_go(struct nat_start *st)
{
    if (st->code == 0) {
        close(st->spawn.fd);
        nat_reap(st->n, st->spawn.pid);
    }
    if (st->code == 0 && !st->n->is_stopping) { /* at stop it is left for the recovery */
        (void)nat_state_remove(st->state_dir);  /* an orphan otherwise, found later */
    }
}

static bool
encode(const struct nat_box *box, const struct nat_spawn *s, struct nat_out *out)
{
    const struct native *n = box->n;
    const struct mu_host *h = n->host;
    struct nat_launch launch = {
        .id = box->id.s,
        .state_dir = box->state_dir,
        .sandbox = box->sandbox,
        .label = box->label,
        .task = box->task,
        .env = &box->env,
        .user = &box->user,
        .layout = &n->layout,
        .limits = &n->limits,
        .output_max = n->output_max,
        .flags = (s->is_in_namespaces ? NAT_NAMESPACES : 0u) |
                 (s->is_in_v2 ? NAT_IN_V2 : 0u) | (n->is_ephemeral ? NAT_EPHEMERAL : 0u),
    };
    if (MU_HAS(struct mu_host, h, descriptor_limit) && h->descriptor_limit != NULL) {
        (void)h->descriptor_limit(h, &launch.descriptors_soft, &launch.descriptors_hard);
    }
    return nat_codec_spec(&launch, out);
}

/* Say what to run, or why it is not to run. */
static int send_spec(struct nat_box *box, const struct nat_spawn *s, struct mu_error *err)
{
    if (box->machine.state == NAT_IS_STOPPING) {
        return mu_fail(err, -ECANCELED, "destroyed before it was started");
    }
    struct nat_out spec = {0};
    int rc = encode(box, s, &spec)
                 ? 0
                 : mu_fail(err, -E2BIG, "command and environment are too large");
    if (rc == 0) {
        nat_link_send(box->link, &spec);
    }
    nat_out_release(&spec);
    return rc;
}

/* Its failure is heard when the supervisor has ended: nothing is left then. */
static void hear(struct nat_box *box, struct nat_link *link, struct nat_start *st)
{
    const struct nat_spawn *s = &st->spawn;
    box->supervisor = s->pid;
    nat_box_attach(box, link);
    st->code = send_spec(box, s, &st->err);
    if (st->code < 0) {
        nat_box_keep_failure(box, st->code, st->has_leftover, st->err.text);
        nat_link_hang_up(link);
        return;
    }
    if (s->wants_namespaces && !s->is_in_namespaces) {
        char text[128];
        snprintf(text, sizeof(text), "make PID and mount namespaces: %s",
                 mu_strerror(-s->namespaces_errno));
        nat_box_warn(box, -s->namespaces_errno, text);
    }
    if (box->early_signal != 0) {
        (void)nat_box_signal(box, box->early_signal);
    }
}

static void go_on(struct nat_box *box, struct nat_start *st)
{
    struct nat_link *link;
    if (st->code == 0) {
        st->code = nat_link_open(box->n, st->spawn.fd, &link, &st->err);
        if (st->code == 0) {
            hear(box, link, st);
            return;
        }
        nat_reap(box->n, st->spawn.pid);
    }
    nat_box_keep_failure(box, st->code, st->has_leftover, st->err.text);
    nat_box_ended(box);
}

static void on_started(void *arg)
{
    struct nat_start *st = arg;
    struct native *n = st->n;
    struct nat_box *box = st->box;
    if (box != NULL) {
        box->start = NULL;
    }
    if (box == NULL || n->is_stopping) {
        let_go(st);
    } else {
        go_on(box, st);
    }
    start_free(st);
    nat_work_done(n);
}

/* Begin; it ends with NAT_EV_STARTED or another event of the supervisor, or with
 * NAT_EV_FAILED. */
void nat_start_begin(struct nat_box *box)
{
    struct native *n = box->n;
    struct nat_start *st = nat_alloc(sizeof(*st));
    st->n = n;
    st->box = box;
    st->id = box->id;
    st->state_dir = nat_text("%s", box->state_dir);
    if (n->layout.leave_v2[0] != '\0') {
        st->leave_v2 = nat_text("%s/supervisors", n->layout.leave_v2);
    }
    st->spawn = (struct nat_spawn){
        .helper = n->helper,
        .mode = "run",
        .id = st->id.s,
        .leave_v2 = st->leave_v2,
        .wants_namespaces = n->has_namespaces,
    };
    box->start = st;
    nat_work(n, start, on_started, st);
}

/* The box goes. */
void nat_start_abandon(struct nat_box *box)
{
    if (box->start != NULL) {
        box->start->box = NULL;
        box->start = NULL;
    }
}
