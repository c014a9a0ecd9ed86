/* GET of groups. Groups are not things of their own here: the tree is derived from the
 * ids of the apps, and a group exists as long as an app is below it (the root always).
 *
 * A group's version is the newest of its apps'. Its versions are those of the apps that
 * are there now, and its body in one of them has each app as it was then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/time.h>

#include "alloc.h"
#include "app_view.h"
#include "arguments.h"
#include "codec_app_out.h"
#include "handlers.h"
#include "query.h"

enum { BODY_MAX = 256 * 1024 * 1024 };

enum { SHOW_GROUPS = 1, SHOW_APPS = 2, SHOW_PODS = 4 };

/* Order of a walk through the tree: '/' before every other byte. */
static int compare_ids(const char *a, const char *b)
{
    for (; *a == *b && *a != '\0'; a++, b++) {
    }
    int x = *a == '/' ? 1 : (unsigned char)*a;
    int y = *b == '/' ? 1 : (unsigned char)*b;
    return (*a == '\0' ? 0 : x) - (*b == '\0' ? 0 : y);
}

static int compare_apps(const void *a, const void *b)
{
    const struct mu_app *const *x = a, *const *y = b;
    return compare_ids((*x)->id, (*y)->id);
}

/* ---- the tree ---- */

struct tree {
    struct mrt_pages *pages;
    const struct mrt_apps *apps; /* sorted by compare_ids */
    uint32_t show;
    bool as_they_are; /* write these definitions, not the newest when their turn comes */
};

static void write_version(const struct mrt_apps *apps, size_t from, size_t to, char *out)
{
    int64_t newest = 0;
    for (size_t i = from; i < to; i++) {
        newest = apps->v[i]->version_ms > newest ? apps->v[i]->version_ms : newest;
    }
    mu_time_format(newest, out);
}

static void add_head(struct tree *t, const char *path)
{
    struct mu_buf text;
    struct mu_jw w;
    mu_buf_init(&text, 8 * MU_APP_ID_MAX);
    mu_buf_puts(&text, "{\"id\":");
    mu_jw_init(&w, &text);
    mu_jw_string(&w, path);
    mrt_pages_add_text(t->pages, mu_buf_str(&text));
    mu_buf_release(&text);
}

static void add_tail(struct tree *t, size_t from, size_t to)
{
    char version[MU_TIME_TEXT], text[128];
    write_version(t->apps, from, to, version);
    (void)snprintf(text, sizeof(text), "%s,\"dependencies\":[],\"version\":\"%s\"}",
                   (t->show & SHOW_PODS) != 0 ? ",\"pods\":[]" : "", version);
    mrt_pages_add_text(t->pages, text);
}

/* The end of the run of apps that are in the same child group as the one at i, or i + 1
 * when that one is itself a child. len: of the path, without a slash at the end. */
static size_t end_of_child(const struct tree *t, size_t i, size_t to, size_t len)
{
    const char *id = t->apps->v[i]->id;
    const char *slash = strchr(id + len + 1, '/');
    size_t end = i + 1;
    if (slash == NULL) {
        return end;
    }
    size_t child = (size_t)(slash - id) + 1; /* with its slash */
    while (end < to && strncmp(t->apps->v[end]->id, id, child) == 0) {
        end++;
    }
    return end;
}

static void add_definition(struct tree *t, const struct mu_app *app, const char *comma)
{
    struct mu_buf text;
    struct mu_jw w;
    mu_buf_init(&text, BODY_MAX);
    mu_buf_puts(&text, comma);
    mu_jw_init(&w, &text);
    mrt_app_write(&w, app, NULL);
    mrt_pages_add_text(t->pages, mu_buf_str(&text));
    mu_buf_release(&text);
}

/* The apps that are children of the path whose length is len. */
static void add_apps(struct tree *t, size_t len, size_t from, size_t to)
{
    const char *comma = "";
    mrt_pages_add_text(t->pages, ",\"apps\":[");
    for (size_t i = from; i < to; i++) {
        const struct mu_app *app = t->apps->v[i];
        if (strchr(app->id + len + 1, '/') != NULL) {
            continue;
        }
        if (t->as_they_are) {
            add_definition(t, app, comma);
            comma = ",";
        } else {
            mrt_pages_add_app(t->pages, app->id);
        }
    }
    mrt_pages_add_text(t->pages, "]");
}

static void add_group(struct tree *t, const char *path, size_t from, size_t to);

static void add_groups(struct tree *t, size_t len, size_t from, size_t to)
{
    const char *separator = "";
    mrt_pages_add_text(t->pages, ",\"groups\":[");
    for (size_t i = from, end; i < to; i = end) {
        const char *id = t->apps->v[i]->id;
        const char *slash = strchr(id + len + 1, '/');
        char child[MU_APP_ID_MAX];
        end = end_of_child(t, i, to, len);
        if (slash != NULL) {
            (void)snprintf(child, sizeof(child), "%.*s", (int)(slash - id), id);
            mrt_pages_add_text(t->pages, separator);
            add_group(t, child, i, end);
            separator = ",";
        }
    }
    mrt_pages_add_text(t->pages, "]");
}

/* apps[from..to) are those below path. Calls itself as deep as an id has segments. */
static void add_group(struct tree *t, const char *path, size_t from, size_t to)
{
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);
    add_head(t, path);
    if ((t->show & SHOW_APPS) != 0) {
        add_apps(t, len, from, to);
    }
    if ((t->show & SHOW_GROUPS) != 0) {
        add_groups(t, len, from, to);
    }
    add_tail(t, from, to);
}

static uint32_t read_show(const struct mu_http_request *req)
{
    char any[8];
    if (mu_http_query_get(req->query, "embed", 0, any, sizeof(any)) == MU_E_NOT_FOUND) {
        return SHOW_GROUPS | SHOW_APPS | SHOW_PODS;
    }
    uint32_t show = 0;
    show |= mrt_query_has(req, "embed", "group.groups") ? SHOW_GROUPS : 0;
    show |= mrt_query_has(req, "embed", "group.apps") ? SHOW_APPS : 0;
    show |= mrt_query_has(req, "embed", "group.pods") ? SHOW_PODS : 0;
    return show;
}

/* The apps below the request's group; false: answered. */
static bool find_group(struct mrt_request *rq, struct mrt_apps *out)
{
    int rc = mrt_find_apps_below(rq->m, rq->id, out);
    if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else if (out->count == 0 && strcmp(rq->id, "/") != 0) {
        mrt_answer_message(rq->m, rq->x, 404, "Group '%s' does not exist", rq->id);
    } else {
        if (out->count > 0) {
            qsort(out->v, out->count, sizeof(void *), compare_apps);
        }
        return true;
    }
    mrt_apps_release(out);
    return false;
}

void mrt_group_get(struct mrt_request *rq)
{
    static const char *const prefixes[] = {"group.apps.", NULL};
    struct mrt_apps apps;
    if (!find_group(rq, &apps)) {
        return;
    }
    struct tree t = {.apps = &apps, .show = read_show(rq->http)};
    t.pages = mrt_pages_create(rq, MRT_JSON, mrt_page_app);
    t.pages->embed = mrt_query_embed(rq->http, prefixes);
    add_group(&t, rq->id, 0, apps.count);
    mrt_apps_release(&apps);
    mrt_pages_send(t.pages);
}

void mrt_group_apps(struct mrt_request *rq)
{
    static const char *const prefixes[] = {"group.apps.", "apps.", "", NULL};
    struct mrt_apps apps;
    if (!find_group(rq, &apps)) {
        return;
    }
    struct mrt_pages *p = mrt_pages_create(rq, MRT_JSON, mrt_page_app);
    p->embed = mrt_query_embed(rq->http, prefixes);
    mrt_pages_add_text(p, "[");
    for (size_t i = 0; i < apps.count; i++) {
        mrt_pages_add_app(p, apps.v[i]->id);
    }
    mrt_pages_add_text(p, "]");
    mrt_apps_release(&apps);
    mrt_pages_send(p);
}

/* ---- versions ---- */

struct versions {
    int64_t *v;
    size_t count, cap;
};

static void on_version(void *arg, const void *row)
{
    const struct mu_app_row *r = row;
    struct versions *s = arg;
    s->v = mrt_grown(s->v, s->count, &s->cap, sizeof(*s->v));
    s->v[s->count++] = r->app->version_ms;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

void mrt_group_versions(struct mrt_request *rq)
{
    struct mrt_apps apps;
    struct versions all = {0};
    if (!find_group(rq, &apps)) {
        return;
    }
    for (size_t i = 0; i < apps.count; i++) {
        (void)rq->m->core->query(rq->m->core, MU_Q_APP_VERSIONS, apps.v[i]->id,
                                 on_version, &all);
    }
    if (all.count > 0) {
        qsort(all.v, all.count, sizeof(*all.v), newest_first);
    }
    struct mu_buf body;
    struct mu_jw w;
    mu_buf_init(&body, BODY_MAX);
    mu_jw_init(&w, &body);
    mu_jw_array_begin(&w);
    for (size_t i = 0; i < all.count; i++) {
        char text[MU_TIME_TEXT];
        if (i == 0 || all.v[i] != all.v[i - 1]) {
            mu_time_format(all.v[i], text);
            mu_jw_string(&w, text);
        }
    }
    mu_jw_array_end(&w);
    mrt_answer(rq->m, rq->x, 200, &body);
    mu_buf_release(&body);
    free(all.v);
    mrt_apps_release(&apps);
}

void mrt_group_version(struct mrt_request *rq)
{
    struct mrt_apps apps;
    int64_t version_ms;
    if (mu_time_parse(rq->sub, &version_ms, NULL) < 0) {
        mrt_answer_message(rq->m, rq->x, 422,
                           "Invalid timestamp provided '%s'. Expecting ISO-8601 datetime "
                           "string.",
                           rq->sub);
        return;
    }
    int rc = mrt_find_apps_at(rq->m, rq->id, version_ms, &apps);
    if (rc == MU_E_NOT_FOUND) {
        mrt_answer_message(rq->m, rq->x, 404, "Group '%s' does not exist in version %s",
                           rq->id, rq->sub);
    } else if (rc < 0) {
        mrt_answer_not_ready(rq->m, rq->x, rc);
    } else {
        qsort(apps.v, apps.count, sizeof(void *), compare_apps);
        struct tree t = {.apps = &apps, .show = read_show(rq->http), .as_they_are = true};
        t.pages = mrt_pages_create(rq, MRT_JSON, mrt_page_app);
        add_group(&t, rq->id, 0, apps.count);
        mrt_pages_send(t.pages);
    }
    mrt_apps_release(&apps);
}
