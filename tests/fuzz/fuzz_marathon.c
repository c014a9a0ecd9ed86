/* Fuzzer of what api plugin `marathon` reads: definitions, groups, selectors, ids,
 * Accept.
 *
 * The first byte chooses. Definitions are read twice: on their own, and as an update of
 * what came before the first zero byte. One that is taken must come out as JSON, be taken
 * again, and then change nothing; that is what clients do who read, change and write. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/api/marathon/app_id.h"
#include "../../plugins/api/marathon/arguments.h"
#include "../../plugins/api/marathon/codec_app_out.h"
#include "../../plugins/api/marathon/codec_group_in.h"
#include "../../plugins/api/marathon/selector.h"
#include "base/alloc.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The definition, or NULL when it is refused. */
static struct mu_app *decode(const char *text, size_t len, const struct mu_app *base)
{
    struct mu_error err;
    struct mrt_problems problems = {0};
    struct mrt_body *b = mrt_body_parse(text, len, &err);
    if (b == NULL) {
        return NULL;
    }
    const struct mrt_app_source source = {
        .base = base, .id = base == NULL ? NULL : base->id, .scheduler_role = "dev"};
    struct mu_app *app =
        mrt_request_app(b, mrt_body_is_list(b) && mrt_body_count(b) > 0 ? 0 : MRT_WHOLE,
                        &source, &problems);
    if (mrt_problems_any(&problems)) {
        struct mu_buf out;
        mu_buf_init(&out, 1 << 20);
        mrt_problems_write(&problems, &out);
        MU_ASSERT(mu_buf_ok(&out));
        mu_buf_release(&out);
        mu_app_unref(app);
        app = NULL;
    }
    mrt_problems_release(&problems);
    mrt_body_free(b);
    return app;
}

static void fuzz_app(const char *text, size_t len, const struct mu_app *base)
{
    struct mu_app *app = decode(text, len, base);
    if (app == NULL) {
        return;
    }
    struct mu_buf out;
    struct mu_jw w;
    mu_buf_init(&out, 64 << 20);
    mu_jw_init(&w, &out);
    mrt_app_write(&w, app, NULL);
    struct mu_app *again = decode(mu_buf_str(&out), out.len, app);
    MU_ASSERT(again != NULL);
    MU_ASSERT(mu_app_same_config(app, again));
    MU_ASSERT(app->instances == again->instances);
    mu_app_unref(again);
    mu_buf_release(&out);
    mu_app_unref(app);
}

static void fuzz_group(const char *text, size_t len)
{
    struct mu_error err;
    struct mrt_problems problems = {0};
    struct mrt_group g;
    struct mrt_body *b = mrt_body_parse(text, len, &err);
    if (b == NULL) {
        return;
    }
    const struct mrt_group_source source = {.path = "/g", .create = len % 2 == 0};
    if (mrt_group_decode(b, &source, &g, &problems)) {
        (void)mrt_group_drops(&g, "/g/a/b");
    }
    mrt_group_release(&g);
    mrt_problems_release(&problems);
    mrt_body_free(b);
}

static void fuzz_texts(const char *text)
{
    struct mu_error err;
    struct mrt_selector selector;
    struct mrt_task_ref ref;
    char id[MU_APP_ID_MAX], safe[MU_APP_ID_MAX];
    struct mrt_problems problems = {0};
    const struct mu_pairs labels = {0};
    const struct mu_http_header accept = {"Accept", text};
    const struct mu_http_request req = {
        .query = text, .headers = &accept, .header_count = 1};
    if (mrt_selector_parse(text, &selector, &err) == 0) {
        (void)mrt_selector_matches(&selector, &labels);
    }
    mrt_selector_release(&selector);
    if (mrt_app_id_normalise(text, NULL, id, sizeof(id)) == 0) {
        MU_ASSERT(id[0] == '/');
        mrt_app_id_check(id, "/id", &problems);
        mrt_app_id_safe(id, safe, sizeof(safe));
    }
    mrt_problems_release(&problems);
    if (mrt_task_id_parse(text, &ref) == 0) {
        char app_id[MU_APP_ID_MAX];
        MU_ASSERT(ref.app_id[0] == '/');
        /* what we make of it is understood again, the same way */
        memcpy(app_id, ref.app_id, sizeof(app_id));
        MU_ASSERT(mrt_task_id_parse(ref.task_id, &ref) == 0);
        MU_ASSERT(strcmp(app_id, ref.app_id) == 0);
    }
    (void)mrt_accepted_form(&req);
    (void)mrt_accepts_events(&req);
    (void)mrt_query_flag(&req, "force", false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = mu_xcalloc(size, 1);
    memcpy(text, data + 1, size - 1);
    size_t first = strlen(text);
    switch (data[0] % 4) {
    case 0:
        fuzz_app(text, size - 1, NULL);
        break;
    case 1: {
        struct mu_app *base = decode(text, first, NULL);
        if (base != NULL && first + 1 < size - 1) {
            fuzz_app(text + first + 1, size - first - 2, base);
        }
        mu_app_unref(base);
        break;
    }
    case 2:
        fuzz_group(text, size - 1);
        break;
    default:
        fuzz_texts(text);
        break;
    }
    free(text);
    return 0;
}
