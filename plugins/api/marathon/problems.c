/* See problems.h. */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>

#include <muster/json_writer.h>
#include <muster/task.h>

#include "alloc.h"

/* A request may be wrong in more ways than anybody reads. */
#define PROBLEMS_MAX 100

void mrt_problem_add(
    struct mrt_problems *p, enum mrt_phase phase, const char *path, const char *fmt, ...)
{
    if (p->count == PROBLEMS_MAX) {
        return;
    }
    if (p->v == NULL) {
        p->v = mrt_calloc(PROBLEMS_MAX, sizeof(*p->v));
        p->cap = PROBLEMS_MAX;
    }
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct mrt_problem *x = &p->v[p->count++];
    x->phase = phase;
    mu_text_set(&x->path, path[0] == '\0' ? "/" : path);
    mu_text_set(&x->text, text);
}

bool mrt_problems_any(const struct mrt_problems *p)
{
    return p->count > 0;
}

bool mrt_problems_shape(const struct mrt_problems *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->v[i].phase == MRT_SHAPE) {
            return true;
        }
    }
    return false;
}

static bool seen_before(const struct mrt_problems *p, size_t at, uint32_t phase)
{
    for (size_t i = 0; i < at; i++) {
        if (p->v[i].phase == phase && strcmp(p->v[i].path, p->v[at].path) == 0) {
            return true;
        }
    }
    return false;
}

void mrt_problems_write(const struct mrt_problems *p, struct mu_buf *out)
{
    uint32_t phase = mrt_problems_shape(p) ? MRT_SHAPE : MRT_MODEL;
    struct mu_jw w;
    mu_jw_init(&w, out);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "message",
                    phase == MRT_SHAPE ? "Invalid JSON" : "Object is not valid");
    mu_jw_key(&w, "details");
    mu_jw_array_begin(&w);
    for (size_t i = 0; i < p->count; i++) {
        if (p->v[i].phase != phase || seen_before(p, i, phase)) {
            continue;
        }
        mu_jw_object_begin(&w);
        mu_jw_kv_string(&w, "path", p->v[i].path);
        mu_jw_key(&w, "errors");
        mu_jw_array_begin(&w);
        for (size_t j = i; j < p->count; j++) {
            if (p->v[j].phase == phase && strcmp(p->v[j].path, p->v[i].path) == 0) {
                mu_jw_string(&w, p->v[j].text);
            }
        }
        mu_jw_array_end(&w);
        mu_jw_object_end(&w);
    }
    mu_jw_array_end(&w);
    mu_jw_object_end(&w);
}

void mrt_problems_release(struct mrt_problems *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->v[i].path);
        free(p->v[i].text);
    }
    free(p->v);
    *p = (struct mrt_problems){0};
}

const char *mrt_problems_first(const struct mrt_problems *p)
{
    return p->count == 0 ? "" : p->v[0].text;
}
