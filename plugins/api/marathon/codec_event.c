/* See codec_event.h. */
#include "codec_event.h"

#include <string.h>

#include "app_id.h"
#include "codec_app_out.h"
#include "codec_deployment_out.h"

const char *mrt_event_name(uint32_t type)
{
    switch ((enum mu_event_type)type) {
    case MU_EV_API_POST:
        return "api_post_event";
    case MU_EV_STATUS_UPDATE:
        return "status_update_event";
    case MU_EV_DEPLOYMENT_INFO:
        return "deployment_info";
    case MU_EV_DEPLOYMENT_STEP_SUCCESS:
        return "deployment_step_success";
    case MU_EV_DEPLOYMENT_STEP_FAILURE:
        return "deployment_step_failure";
    case MU_EV_DEPLOYMENT_SUCCESS:
        return "deployment_success";
    case MU_EV_DEPLOYMENT_FAILED:
        return "deployment_failed";
    case MU_EV_GROUP_CHANGE_SUCCESS:
        return "group_change_success";
    case MU_EV_GROUP_CHANGE_FAILED:
        return "group_change_failed";
    case MU_EV_APP_TERMINATED:
        return "app_terminated_event";
    case MU_EV_INSTANCE_CHANGED:
        return "instance_changed_event";
    case MU_EV_UNKNOWN_TERMINATED:
        return "unknown_instance_terminated_event";
    case MU_EV_SCHEDULER_REGISTERED:
        return "scheduler_registered_event";
    case MU_EV_LEADERSHIP_LOST:
    case MU_EV_COUNT:
        break;
    }
    return NULL;
}

bool mrt_event_is_rare(uint32_t type)
{
    return type == MU_EV_SCHEDULER_REGISTERED;
}

static const char *or_empty(const char *s)
{
    return s == NULL ? "" : s;
}

static void api_post(struct mu_jw *w, const struct mu_event *ev)
{
    mu_jw_kv_string(w, "clientIp", or_empty(ev->client_ip));
    mu_jw_kv_string(w, "uri", or_empty(ev->uri));
    if (ev->app != NULL) {
        mu_jw_key(w, "appDefinition");
        mrt_app_write(w, ev->app, NULL);
    }
}

static void status_update(struct mu_jw *w, const struct mu_event *ev)
{
    const struct mu_app_task_row *t = ev->task;
    mu_jw_kv_string(w, "slaveId", t->agent_id);
    mu_jw_kv_string(w, "taskId", t->id);
    mu_jw_kv_string(w, "taskStatus", mu_task_state_name((enum mu_task_state)t->state));
    mu_jw_kv_string(w, "message", or_empty(ev->text));
    mu_jw_kv_string(w, "appId", t->app_id);
    mu_jw_kv_string(w, "host", t->host);
    mrt_addresses_write(w, t->ip);
    mrt_ports_write(w, t);
    mrt_time_write(w, "version", t->version_ms);
}

static void instance_changed(struct mu_jw *w, const struct mu_event *ev)
{
    const struct mu_app_task_row *t = ev->task;
    char id[2 * MU_APP_ID_MAX];
    mrt_instance_id(t->id, id, sizeof(id));
    mu_jw_kv_string(w, "instanceId", id);
    mu_jw_kv_string(w, "condition", or_empty(ev->condition));
    mu_jw_kv_string(w, "runSpecId", t->app_id);
    mu_jw_kv_string(w, "agentId", t->agent_id);
    mu_jw_kv_string(w, "host", t->host);
    mrt_time_write(w, "runSpecVersion", t->version_ms);
}

static void unknown_terminated(struct mu_jw *w, const struct mu_event *ev)
{
    struct mrt_task_ref ref;
    char id[2 * MU_APP_ID_MAX];
    mrt_instance_id(or_empty(ev->text), id, sizeof(id));
    mu_jw_kv_string(w, "instanceId", id);
    if (mrt_task_id_parse(or_empty(ev->text), &ref) == 0) {
        mu_jw_kv_string(w, "runSpecId", ref.app_id);
    }
    mu_jw_kv_string(w, "condition", or_empty(ev->condition));
}

static void group_change(struct mu_jw *w, const struct mu_event *ev)
{
    mu_jw_kv_string(w, "groupId", "/");
    mrt_time_write(w, "version", ev->version_ms);
    if (ev->type == MU_EV_GROUP_CHANGE_FAILED) {
        mu_jw_kv_string(w, "reason", or_empty(ev->text));
    }
}

static void deployment(struct mu_jw *w, const struct mu_event *ev, bool light)
{
    bool ended =
        ev->type == MU_EV_DEPLOYMENT_SUCCESS || ev->type == MU_EV_DEPLOYMENT_FAILED;
    if (ended) {
        mu_jw_kv_string(w, "id", ev->deployment->id);
    }
    mu_jw_key(w, "plan");
    mrt_plan_write(w, ev->deployment, light);
    if (!ended) {
        mu_jw_key(w, "currentStep");
        mrt_current_step_write(w, ev->deployment);
    }
    if (ev->type == MU_EV_DEPLOYMENT_FAILED && ev->text != NULL) {
        mu_jw_kv_string(w, "reason", ev->text);
    }
}

static void fields(struct mu_jw *w, const struct mu_event *ev, bool light)
{
    switch ((enum mu_event_type)ev->type) {
    case MU_EV_API_POST:
        api_post(w, ev);
        break;
    case MU_EV_STATUS_UPDATE:
        status_update(w, ev);
        break;
    case MU_EV_DEPLOYMENT_INFO:
    case MU_EV_DEPLOYMENT_STEP_SUCCESS:
    case MU_EV_DEPLOYMENT_STEP_FAILURE:
    case MU_EV_DEPLOYMENT_SUCCESS:
    case MU_EV_DEPLOYMENT_FAILED:
        deployment(w, ev, light);
        break;
    case MU_EV_GROUP_CHANGE_SUCCESS:
    case MU_EV_GROUP_CHANGE_FAILED:
        group_change(w, ev);
        break;
    case MU_EV_APP_TERMINATED:
        mu_jw_kv_string(w, "appId", ev->app_id);
        break;
    case MU_EV_INSTANCE_CHANGED:
        instance_changed(w, ev);
        break;
    case MU_EV_UNKNOWN_TERMINATED:
        unknown_terminated(w, ev);
        break;
    case MU_EV_SCHEDULER_REGISTERED:
        mu_jw_kv_string(w, "frameworkId", or_empty(ev->text));
        mu_jw_kv_string(w, "master", "");
        break;
    case MU_EV_LEADERSHIP_LOST:
    case MU_EV_COUNT:
        break;
    }
}

void mrt_event_write(struct mu_jw *w, const struct mu_event *ev, bool light)
{
    mu_jw_object_begin(w);
    fields(w, ev, light);
    mu_jw_kv_string(w, "eventType", mrt_event_name(ev->type));
    mrt_time_write(w, "timestamp", ev->wall_ms);
    mu_jw_object_end(w);
}

void mrt_stream_event_write(struct mu_jw *w,
                            const char *name,
                            const char *remote_address,
                            int64_t wall_ms)
{
    mu_jw_object_begin(w);
    mu_jw_kv_string(w, "remoteAddress", remote_address);
    mu_jw_kv_string(w, "eventType", name);
    mrt_time_write(w, "timestamp", wall_ms);
    mu_jw_object_end(w);
}
