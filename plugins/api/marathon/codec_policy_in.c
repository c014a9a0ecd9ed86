/* How an app is started, replaced and given up: upgrade, backoff, kill grace,
 * unreachable tasks. */
#include "codec_app_parts.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

static void
decode_ppm(const struct mrt_at *at, const json_t *o, const char *key, uint32_t *out)
{
    double v;
    if (!mrt_read_double(at, o, key, &v)) {
        return;
    }
    if (!(v >= 0.0 && v <= 1.0)) {
        char path[MRT_PATH_MAX], text[MRT_DOUBLE_TEXT];
        mrt_path(at, key, path);
        mrt_double_text(v, text);
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "got %s, expected between 0.0 and 1.0", text);
        return;
    }
    *out = (uint32_t)lround(v * 1e6);
}

static void decode_seconds(const struct mrt_at *at,
                           const json_t *o,
                           const char *key,
                           uint64_t *out_ms)
{
    int64_t n;
    if (mrt_read_int(at, o, key, 0, 10LL * 365 * 86400, &n)) {
        *out_ms = (uint64_t)n * 1000;
    }
}

static void
decode_unreachable(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *v = mrt_get(body, "unreachableStrategy");
    if (v == NULL) {
        return;
    }
    if (json_is_string(v) && strcasecmp(json_string_value(v), "disabled") == 0) {
        app->unreachable = (struct mu_unreachable_strategy){.disabled = true};
        return;
    }
    json_t *o = mrt_read_object(at, body, "unreachableStrategy");
    if (o == NULL) {
        return;
    }
    char path[MRT_PATH_MAX];
    mrt_path(at, "unreachableStrategy", path);
    const struct mrt_at in = {at->problems, path};
    app->unreachable = (struct mu_unreachable_strategy){0};
    decode_seconds(&in, o, "inactiveAfterSeconds", &app->unreachable.inactive_after_ms);
    decode_seconds(&in, o, "expungeAfterSeconds", &app->unreachable.expunge_after_ms);
    if (app->unreachable.inactive_after_ms > app->unreachable.expunge_after_ms) {
        mrt_problem_add(at->problems, MRT_MODEL, path,
                        "inactiveAfterSeconds (%llu) must be less or equal to "
                        "expungeAfterSeconds, which is %llu",
                        (unsigned long long)app->unreachable.inactive_after_ms / 1000,
                        (unsigned long long)app->unreachable.expunge_after_ms / 1000);
    }
}

void mrt_policy_decode(const struct mrt_at *at, const json_t *body, struct mu_app *app)
{
    json_t *up = mrt_read_object(at, body, "upgradeStrategy");
    if (up != NULL) {
        char path[MRT_PATH_MAX];
        mrt_path(at, "upgradeStrategy", path);
        const struct mrt_at in = {at->problems, path};
        app->upgrade = (struct mu_upgrade_strategy){1000000, 1000000};
        decode_ppm(&in, up, "minimumHealthCapacity", &app->upgrade.min_health_ppm);
        decode_ppm(&in, up, "maximumOverCapacity", &app->upgrade.max_over_ppm);
    }
    decode_seconds(at, body, "backoffSeconds", &app->backoff_ms);
    decode_seconds(at, body, "maxLaunchDelaySeconds", &app->max_launch_delay_ms);
    int64_t factor;
    if (mrt_read_milli(at, body, "backoffFactor", &factor)) {
        if (factor < 1000 || factor > 1000000) {
            char path[MRT_PATH_MAX], text[MRT_DOUBLE_TEXT];
            mrt_path(at, "backoffFactor", path);
            mrt_double_text((double)factor / 1000.0, text);
            mrt_problem_add(at->problems, MRT_MODEL, path, "got %s, expected %s", text,
                            factor < 1000 ? "1.0 or more" : "1000.0 or less");
        } else {
            app->backoff_factor_milli = (uint32_t)factor;
        }
    }
    if (mrt_get(body, "taskKillGracePeriodSeconds") != NULL) {
        app->has_kill_grace = true;
        decode_seconds(at, body, "taskKillGracePeriodSeconds", &app->kill_grace_ms);
    }
    decode_unreachable(at, body, app);
    static const char *const selections[] = {"YOUNGEST_FIRST", "OLDEST_FIRST",
                                             "YoungestFirst", "OldestFirst", NULL};
    int s = mrt_read_enum(at, body, "killSelection", selections);
    if (s >= 0) {
        app->kill_oldest_first = s % 2 == 1;
    }
}
