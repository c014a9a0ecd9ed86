/* See kit.h. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_app_out.h"

json_t *kit_golden(const char *name)
{
    char path[4096];
    json_error_t err;
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
    if (root == NULL) {
        fail_msg("%s:%d: %s", name, err.line, err.text);
    }
    return root;
}

struct mu_app *kit_app(const char *text, const struct mu_app *base)
{
    struct mu_error err;
    struct mrt_problems problems = {0};
    struct mrt_body *b = mrt_body_parse(text, strlen(text), &err);
    if (b == NULL) {
        fail_msg("%s: %s", text, err.text);
    }
    const struct mrt_app_source source = {
        .base = base, .id = base == NULL ? NULL : base->id, .scheduler_role = "dev"};
    struct mu_app *app = mrt_request_app(b, MRT_WHOLE, &source, &problems);
    if (mrt_problems_any(&problems)) {
        struct mu_buf out;
        mu_buf_init(&out, 65536);
        mrt_problems_write(&problems, &out);
        fail_msg("%s: %s", text, mu_buf_str(&out));
    }
    mrt_body_free(b);
    return app;
}

char *kit_app_text(const struct mu_app *app)
{
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, 1 << 20);
    mu_jw_init(&w, &out);
    mrt_app_write(&w, app, NULL);
    assert_true(mu_buf_ok(&out));
    return mu_buf_take(&out);
}

json_t *kit_app_json(const struct mu_app *app)
{
    json_error_t err;
    char *text = kit_app_text(app);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &err);
    if (root == NULL) {
        fail_msg("no JSON (%s): %s", err.text, text);
    }
    free(text);
    return root;
}

/* 1 and 1.0 are the same number to us. */
static bool same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        return json_number_value(a) == json_number_value(b);
    }
    if (json_is_array(a) && json_is_array(b)) {
        bool equal = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; equal && i < json_array_size(a); i++) {
            equal = same(json_array_get(a, i), json_array_get(b, i));
        }
        return equal;
    }
    if (json_is_object(a) && json_is_object(b)) {
        bool equal = json_object_size(a) == json_object_size(b);
        const char *key;
        json_t *v;
        json_object_foreach ((json_t *)(uintptr_t)a, key, v) {
            equal = equal && same(v, json_object_get(b, key));
        }
        return equal;
    }
    return a != NULL && b != NULL && json_equal(a, b);
}

void kit_assert_json(const json_t *got, const json_t *wanted, const char *what)
{
    if (!same(got, wanted)) {
        char *g = json_dumps(got, JSON_SORT_KEYS | JSON_ENCODE_ANY);
        char *w = json_dumps(wanted, JSON_SORT_KEYS | JSON_ENCODE_ANY);
        fail_msg("%s:\n  got    %s\n  wanted %s", what, g == NULL ? "nothing" : g,
                 w == NULL ? "nothing" : w);
    }
}
