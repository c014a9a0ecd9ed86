/* See codec_deployment_out.h. */
#include "codec_deployment_out.h"

#include <muster/time.h>

static const char *action_name(uint32_t kind)
{
    switch ((enum mu_action_kind)kind) {
    case MU_ACTION_START:
        return "StartApplication";
    case MU_ACTION_STOP:
        return "StopApplication";
    case MU_ACTION_SCALE:
        return "ScaleApplication";
    case MU_ACTION_RESTART:
        return "RestartApplication";
    }
    return "ScaleApplication";
}

/* Until 1.1 events called the action `type`; some clients read only that. */
static void actions_write(struct mu_jw *w,
                          const struct mu_deployment_step *step,
                          bool with_type,
                          bool with_results)
{
    mu_jw_array_begin(w);
    for (size_t i = 0; i < step->count; i++) {
        const struct mu_deployment_action *a = &step->actions[i];
        mu_jw_object_begin(w);
        mu_jw_kv_string(w, "action", action_name(a->kind));
        if (with_type) {
            mu_jw_kv_string(w, "type", action_name(a->kind));
        }
        mu_jw_kv_string(w, "app", a->app_id);
        if (with_results) {
            mu_jw_key(w, "readinessCheckResults");
            mu_jw_array_begin(w);
            mu_jw_array_end(w);
        }
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static void
steps_write(struct mu_jw *w, const struct mu_deployment_row *d, bool with_type)
{
    mu_jw_key(w, "steps");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < d->step_count; i++) {
        mu_jw_object_begin(w);
        mu_jw_key(w, "actions");
        actions_write(w, &d->steps[i], with_type, false);
        mu_jw_object_end(w);
    }
    mu_jw_array_end(w);
}

static const struct mu_deployment_step *current(const struct mu_deployment_row *d)
{
    static const struct mu_deployment_step none = {0};
    return d->current_step >= 1 && d->current_step <= d->step_count
               ? &d->steps[d->current_step - 1]
               : &none;
}

static void empty_list(struct mu_jw *w, const char *key)
{
    mu_jw_key(w, key);
    mu_jw_array_begin(w);
    mu_jw_array_end(w);
}

void mrt_deployment_write(struct mu_jw *w,
                          const struct mu_deployment_row *d,
                          bool with_waiting)
{
    char version[MU_TIME_TEXT];
    mu_time_format(d->version_ms, version);
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", d->id);
    mu_jw_kv_string(w, "version", version);
    mu_jw_key(w, "affectedApps");
    mu_jw_array_begin(w);
    for (size_t i = 0; i < d->affected_count; i++) {
        mu_jw_string(w, d->affected[i]);
    }
    mu_jw_array_end(w);
    empty_list(w, "affectedPods");
    steps_write(w, d, false);
    mu_jw_key(w, "currentActions");
    actions_write(w, current(d), false, true);
    mu_jw_kv_int(w, "currentStep", (int64_t)d->current_step);
    mu_jw_kv_int(w, "totalSteps", (int64_t)d->step_count);
    if (with_waiting) {
        mu_jw_kv_string(w, "waitingFor", d->waiting_for);
    }
    mu_jw_object_end(w);
}

/* Clients that want the groups before and after want objects with these keys; what is in
 * them nobody reads. */
static void stub_write(struct mu_jw *w, const char *key, const char *version)
{
    mu_jw_key(w, key);
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", "/");
    empty_list(w, "apps");
    empty_list(w, "groups");
    empty_list(w, "pods");
    empty_list(w, "dependencies");
    mu_jw_kv_string(w, "version", version);
    mu_jw_object_end(w);
}

void mrt_plan_write(struct mu_jw *w, const struct mu_deployment_row *d, bool light)
{
    char version[MU_TIME_TEXT];
    mu_time_format(d->version_ms, version);
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "id", d->id);
    mu_jw_kv_string(w, "version", version);
    if (!light) {
        stub_write(w, "original", version);
        stub_write(w, "target", version);
    }
    steps_write(w, d, true);
    mu_jw_object_end(w);
}

void mrt_current_step_write(struct mu_jw *w, const struct mu_deployment_row *d)
{
    mu_jw_object_begin(w);
    mu_jw_key(w, "actions");
    actions_write(w, current(d), true, false);
    mu_jw_object_end(w);
}
