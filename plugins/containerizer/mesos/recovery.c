/* After a restart of the agent: what the journal knows is matched with what the state
 * directories say. A known container with a living supervisor is connected to again, one
 * without is examined, and a directory that nobody knows is an orphan of this agent (it
 * lies in its work_dir) and is destroyed. cb waits for the orphans too: each is bounded
 * by the destroy time-out. */
#include "native.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct nat_recovery {
    struct native *n;
    mu_recovered_cb on_each;
    mu_status_cb cb;
    void *arg;
    struct nat_box **known; /* in the order given; NULL once it is begun */
    bool *was_launched;
    size_t known_count;
    size_t pending; /* boxes that have not answered, plus 1 while they are begun */
    struct mu_container_id *found; /* state directories */
    size_t found_count, found_cap;
    int code; /* of reading them */
};

static void add_found(struct nat_recovery *r, const char *name)
{
    if (r->found_count == r->found_cap) {
        r->found_cap = r->found_cap != 0 ? r->found_cap * 2 : 16;
        struct mu_container_id *more = realloc(r->found, r->found_cap * sizeof(*more));
        if (more == NULL) {
            abort();
        }
        r->found = more;
    }
    struct mu_container_id id;
    if (MU_ID_SET(&id, "container id", name, NULL) == 0) { /* others are not ours */
        r->found[r->found_count++] = id;
    }
}

static void scan(void *arg)
{
    struct nat_recovery *r = arg;
    if (r->n->root == NULL) {
        return;
    }
    DIR *d = opendir(r->n->root);
    if (d == NULL) {
        r->code = errno == ENOENT ? 0 : -errno;
        return;
    }
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            add_found(r, e->d_name);
        }
    }
    closedir(d);
}

static void finish_one(struct nat_recovery *r)
{
    r->pending--;
    if (r->pending > 0) {
        return;
    }
    struct native *n = r->n;
    n->recovery = NULL;
    if (r->code < 0) {
        struct mu_error err;
        (void)mu_fail(&err, r->code, "read '%s': %s", n->root, mu_strerror(r->code));
        r->cb(r->arg, r->code, err.text);
    } else {
        r->cb(r->arg, 0, "");
    }
    free(r->known);
    free(r->was_launched);
    free(r->found);
    free(r);
}

static bool has_directory(const struct nat_recovery *r, const char *id)
{
    for (size_t i = 0; i < r->found_count; i++) {
        if (strcmp(r->found[i].s, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Connect to its supervisor, if there is one. */
static enum nat_found look_for(struct nat_box *box)
{
    int fd = nat_state_connect(box->state_dir);
    if (fd < 0) {
        return NAT_FOUND_DEAD;
    }
    struct nat_link *link;
    struct mu_error err;
    if (nat_link_open(box->n, fd, &link, &err) < 0) {
        return NAT_FOUND_DEAD; /* the clean-up looks again and refuses if it lives */
    }
    nat_box_attach(box, link);
    return NAT_FOUND_ALIVE;
}

static void begin_known(struct nat_recovery *r, size_t i)
{
    struct nat_box *box = r->known[i];
    struct nat_event ev = {.type = NAT_EV_RECOVER, .was_launched = r->was_launched[i]};
    ev.found = has_directory(r, box->id.s) ? look_for(box) : NAT_FOUND_NOTHING;
    nat_box_step(box, &ev);
}

static void begin_orphan(struct nat_recovery *r, const struct mu_container_id *id)
{
    struct native *n = r->n;
    n->host->log(n->host, MU_INFO, "destroying an orphaned native container",
                 "container=%s", id->s);
    struct nat_box *box = nat_box_create(n, id, NULL);
    struct nat_event ev = {.type = NAT_EV_ORPHAN, .found = look_for(box)};
    r->pending++;
    nat_box_step(box, &ev);
}

static void on_scanned(void *arg)
{
    struct nat_recovery *r = arg;
    struct native *n = r->n;
    if (!n->is_stopping) {
        for (size_t i = 0; i < r->known_count; i++) {
            begin_known(r, i);
        }
        for (size_t i = 0; i < r->found_count; i++) {
            if (nat_box_find(n, r->found[i].s) == NULL) {
                begin_orphan(r, &r->found[i]);
            }
        }
        finish_one(r);
    }
    nat_work_done(n);
}

/* Begin the recovery. */
int nat_recover(struct native *n,
                const struct mu_container_known *known,
                size_t count,
                mu_recovered_cb on_each,
                mu_status_cb cb,
                void *arg,
                struct mu_error *err)
{
    if (n->recovery != NULL) {
        return mu_fail(err, MU_E_CONFLICT, "recovery is under way");
    }
    struct nat_recovery *r = nat_alloc(sizeof(*r));
    *r = (struct nat_recovery){
        .n = n, .on_each = on_each, .cb = cb, .arg = arg, .pending = count + 1};
    r->known = nat_alloc((count + 1) * sizeof(struct nat_box *));
    r->was_launched = nat_alloc((count + 1) * sizeof(*r->was_launched));
    r->known_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct mu_container_spec *spec = &known[i].spec;
        nat_use_label(n, spec->agent_label);
        r->known[i] = nat_box_create(n, &spec->id, spec);
        r->was_launched[i] = known[i].launched;
    }
    n->recovery = r;
    nat_work(n, scan, on_scanned, r);
    return 0;
}

/* What became of one known container. */
void nat_recovery_report(struct native *n,
                         const struct nat_box *box,
                         bool is_running,
                         const struct mu_container_status *status,
                         const struct mu_container_exit *how)
{
    struct nat_recovery *r = n->recovery;
    r->on_each(r->arg, &box->id, is_running, is_running ? status : NULL, how);
    finish_one(r);
}

/* An orphan is destroyed, or given up until the next restart. */
void nat_recovery_orphan_gone(struct native *n)
{
    if (n->recovery != NULL) {
        finish_one(n->recovery);
    }
}

/* The agent stops in the middle of it. */
void nat_recovery_answer(struct native *n)
{
    struct nat_recovery *r = n->recovery;
    if (r != NULL) {
        r->code = -ECANCELED;
        r->pending = 1;
        finish_one(r);
    }
}
