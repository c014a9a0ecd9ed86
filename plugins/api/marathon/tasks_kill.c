/* Killing tasks: all of an app, one, or a list; with `scale` the instances go down with
 * them, through a deployment. The tasks are answered as they were before. */
#include <string.h>

#include "alloc.h"
#include "app_id.h"
#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"

enum { IDS_MAX = 100000 };

struct kill {
    struct mrt_call *c;
    const char *host;                /* only tasks there; NULL: all */
    const char *task_id;             /* only this one; NULL: all */
    const char *legacy_id;           /* the same in the form that we give */
    const struct mu_strings *wanted; /* sorted; NULL: all */
    struct mu_strings ids;           /* what was found */
    struct mu_jw w;                  /* into c->body */
};

static int compare_texts(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bool is_meant(const struct kill *k, const struct mu_app_task_row *t)
{
    if (k->host != NULL && (t->host == NULL || strcmp(t->host, k->host) != 0)) {
        return false;
    }
    if (k->task_id != NULL && strcmp(t->id, k->task_id) != 0 &&
        strcmp(t->id, k->legacy_id) != 0) {
        return false;
    }
    return k->wanted == NULL ||
           (k->wanted->count > 0 && bsearch(&t->id, k->wanted->v, k->wanted->count,
                                            sizeof(char *), compare_texts) != NULL);
}

static void on_task(void *arg, const void *row)
{
    struct kill *k = arg;
    const struct mu_app_task_row *t = row;
    if (is_meant(k, t)) {
        mu_strings_add(&k->ids, t->id);
        mrt_task_write(&k->w, t);
    }
}

static void answer_tasks(struct mrt_call *c, const struct mu_command_result *r)
{
    (void)r;
    mrt_answer(c->rq.m, c->rq.x, 200, &c->body);
}

/* scale and wipe say opposite things about what comes after. False: answered. */
static bool options_agree(struct mrt_call *c)
{
    bool both = mrt_query_flag(c->rq.http, "scale", false) &&
                mrt_query_flag(c->rq.http, "wipe", false);
    if (both) {
        mrt_call_refuse(c, 400, "You cannot use scale and wipe at the same time.");
    }
    return !both;
}

/* c->body holds the answer of a kill without scale. */
static void submit_kill(struct kill *k)
{
    struct mrt_call *c = k->c;
    bool scale = mrt_query_flag(c->rq.http, "scale", false);
    struct mu_command_request cmd = {
        .type = MU_CMD_TASKS_KILL,
        .ids = (const char *const *)k->ids.v,
        .id_count = k->ids.count,
        .force = mrt_query_flag(c->rq.http, "force", false),
        .scale = scale,
    };
    if (k->ids.count == 0 && !scale) {
        mrt_answer(c->rq.m, c->rq.x, 200, &c->body);
        mrt_call_end(c);
        return;
    }
    if (k->ids.count == 0) {
        cmd.type = MU_CMD_APPS_PUT; /* nothing to do: a deployment without steps */
    }
    mrt_call_submit(c, &cmd, scale ? mrt_call_answer_result : answer_tasks);
}

/* Finds the meant tasks of the app (NULL: of all apps) and writes them as list. */
static int find_tasks(struct kill *k, const char *app_id)
{
    struct mrt_call *c = k->c;
    mu_jw_init(&k->w, &c->body);
    mu_jw_object_begin(&k->w);
    mu_jw_key(&k->w, "tasks");
    mu_jw_array_begin(&k->w);
    int rc = c->rq.m->core->query(c->rq.m->core, MU_Q_APP_TASKS, app_id, on_task, k);
    mu_jw_array_end(&k->w);
    mu_jw_object_end(&k->w);
    return rc == MU_E_NOT_FOUND ? 0 : rc;
}

void mrt_app_tasks_kill(struct mrt_call *c)
{
    char host[MRT_NAME_MAX];
    struct kill k = {.c = c};
    if (!options_agree(c) || !mrt_call_app_exists(c)) {
        return;
    }
    int n = mu_http_query_get(c->rq.http->query, "host", 0, host, sizeof(host));
    if (n >= 0 && strcmp(host, "*") != 0) {
        k.host = host;
    } else if (n < 0 && n != MU_E_NOT_FOUND) {
        mrt_call_refuse(c, 422, "The host's name is not readable.");
        return;
    }
    int rc = find_tasks(&k, c->rq.id);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else {
        submit_kill(&k);
    }
    mu_strings_release(&k.ids);
}

/* {"tasks":[T]} -> {"task":T} */
static void make_single(struct mu_buf *body)
{
    static const char head[] = "{\"task\":";
    size_t before = strlen("{\"tasks\":["), after = strlen("]}");
    size_t len = body->len - before - after;
    memmove(body->data + strlen(head), body->data + before, len);
    memcpy(body->data, head, strlen(head));
    body->data[strlen(head) + len] = '}';
    body->len = strlen(head) + len + 1;
    body->data[body->len] = '\0';
}

void mrt_app_task_kill(struct mrt_call *c)
{
    struct mrt_task_ref ref;
    struct kill k = {.c = c, .task_id = c->rq.sub, .legacy_id = c->rq.sub};
    if (!options_agree(c) || !mrt_call_app_exists(c)) {
        return;
    }
    if (mrt_task_id_parse(c->rq.sub, &ref) == 0) {
        k.legacy_id = ref.task_id;
    }
    int rc = find_tasks(&k, c->rq.id);
    if (rc < 0) {
        mrt_call_not_ready(c, rc);
    } else if (k.ids.count == 0) {
        mrt_call_refuse(c, 404, "Task '%s' does not exist", c->rq.sub);
    } else {
        make_single(&c->body);
        submit_kill(&k);
    }
    mu_strings_release(&k.ids);
}

/* The ids in the form that we give, sorted; false: answered. */
static bool read_ids(struct mrt_call *c, struct mu_strings *out)
{
    struct mrt_problems problems = {0};
    struct mu_strings given = {0};
    struct mrt_body *b = mrt_call_body(c);
    bool ok = false;
    if (b == NULL) {
        return false;
    }
    if (!mrt_request_ids(b, &given, &problems)) {
        mrt_call_problems(c, &problems);
    } else if (given.count > IDS_MAX) {
        mrt_call_refuse(c, 422, "got %zu task ids, expected %d or less", given.count,
                        (int)IDS_MAX);
    } else {
        ok = true;
        for (size_t i = 0; ok && i < given.count; i++) {
            struct mrt_task_ref ref;
            ok = mrt_task_id_parse(given.v[i], &ref) == 0;
            if (ok) {
                mu_strings_add(out, ref.task_id);
            } else {
                mrt_call_refuse(
                    c, 400,
                    "Invalid task id '%s'. [Expected an app's id with '_' for "
                    "'/', a dot and a uuid]",
                    given.v[i]);
            }
        }
    }
    mrt_body_free(b);
    mrt_problems_release(&problems);
    mu_strings_release(&given);
    if (ok && out->count > 0) {
        qsort(out->v, out->count, sizeof(char *), compare_texts);
    }
    return ok;
}

void mrt_tasks_delete(struct mrt_call *c)
{
    struct mu_strings wanted = {0};
    struct kill k = {.c = c, .wanted = &wanted};
    if (options_agree(c) && read_ids(c, &wanted)) {
        int rc = find_tasks(&k, NULL);
        if (rc < 0) {
            mrt_call_not_ready(c, rc);
        } else {
            submit_kill(&k);
        }
    }
    mu_strings_release(&k.ids);
    mu_strings_release(&wanted);
}
