/* Effects of a step. Events borrow from an arena and from app references that live until
 * the next step begins; everything else is owned by the effect.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/internal.h"

#define LOG_TEXT_MAX 1024u

struct scheduler_effect *emit(struct scheduler *s, uint32_t type)
{
    MU_VEC_PUSH_ZERO(s->out);
    struct scheduler_effect *fx = &s->out->v[s->out->count - 1];
    fx->type = type;
    return fx;
}

void emit_begin(struct scheduler *s, struct scheduler_effects *out)
{
    s->out = out;
    mu_arena_reset(&s->arena);
    for (size_t i = 0; i < s->arena_apps.count; i++) {
        mu_app_unref(s->arena_apps.v[i]);
    }
    MU_VEC_CLEAR(&s->arena_apps);
}

void emit_log(struct scheduler *s, int level, const char *fmt, ...)
{
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct scheduler_effect *fx = emit(s, SCHED_FX_LOG);
    fx->level = level;
    fx->text = mu_xstrdup(text);
}

void emit_send(struct scheduler *s, struct mu_msg *msg)
{
    msg->framework_id = s->framework_id;
    mu_msg_move(&emit(s, SCHED_FX_SEND)->msg, msg);
}

const struct mu_app *emit_keep_app(struct scheduler *s, const struct mu_app *app)
{
    MU_VEC_PUSH(&s->arena_apps, mu_app_ref(app));
    return app;
}

struct mu_event *emit_event(struct scheduler *s, uint32_t type)
{
    struct mu_event *ev = &emit(s, SCHED_FX_EVENT)->event;
    ev->struct_size = sizeof(*ev);
    ev->type = type;
    ev->wall_ms = s->now.wall_ms;
    return ev;
}

const char *task_condition(const struct sched_task *t)
{
    switch ((enum mu_task_state)t->state) {
    case MU_TASK_STAGING:
        return "Staging";
    case MU_TASK_STARTING:
        return "Starting";
    case MU_TASK_RUNNING:
        return "Running";
    case MU_TASK_KILLING:
        return "Killing";
    case MU_TASK_UNREACHABLE:
        return t->inactive ? "UnreachableInactive" : "Unreachable";
    case MU_TASK_FINISHED:
        return "Finished";
    case MU_TASK_FAILED:
        return "Failed";
    case MU_TASK_KILLED:
        return "Killed";
    case MU_TASK_ERROR:
        return "Error";
    case MU_TASK_DROPPED:
        return "Dropped";
    case MU_TASK_LOST:
    case MU_TASK_GONE:
    case MU_TASK_GONE_BY_OPERATOR:
        return "Gone";
    case MU_TASK_UNKNOWN:
    case MU_TASK_STATE_COUNT:
        break;
    }
    return "Unknown";
}

static const char *task_waiting_for(const struct sched_task *t)
{
    if (t->killing && !t->kill_stored) {
        return "the registry, to store that it is to end";
    }
    if (t->killing) {
        return "its agent, to report its end";
    }
    if (!t->confirmed) {
        return "its agent, not heard of since the last failover";
    }
    if (!MU_ID_EMPTY(t->storing_uuid)) {
        return "the registry, to store its last update";
    }
    if (t->state == MU_TASK_UNREACHABLE) {
        return "its agent, to come back";
    }
    bool starts = t->state == MU_TASK_STAGING || t->state == MU_TASK_STARTING;
    return starts ? "its agent, to start it" : NULL;
}

void task_row(const struct sched_task *t, struct mu_app_task_row *out)
{
    *out = (struct mu_app_task_row){
        .id = t->id.s,
        .app_id = t->app->id,
        .agent_id = t->agent_id.s,
        .host = t->host,
        .ip = t->ip,
        .state = t->state,
        .staged_ms = t->staged_ms,
        .started_ms = t->started_ms,
        .version_ms = t->version_ms,
        .ports = t->ports,
        .port_count = t->port_count,
        .app = t->def,
        .has_healthy = t->has_healthy,
        .healthy = t->healthy,
        .waiting_for = task_waiting_for(t),
    };
}

/* The task may be gone before the effect is used. */
static const struct mu_app_task_row *keep_task(struct scheduler *s,
                                               const struct sched_task *t)
{
    struct mu_app_task_row *row = MU_ARENA_NEW(&s->arena, struct mu_app_task_row);
    task_row(t, row);
    row->id = mu_arena_strdup(&s->arena, row->id);
    row->app_id = mu_arena_strdup(&s->arena, row->app_id);
    row->agent_id = mu_arena_strdup(&s->arena, row->agent_id);
    row->host = mu_arena_strdup(&s->arena, row->host);
    row->ip = mu_arena_strdup(&s->arena, row->ip);
    uint16_t *ports = mu_arena_calloc(&s->arena, t->port_count, sizeof(*ports));
    if (t->port_count > 0) {
        memcpy(ports, t->ports, t->port_count * sizeof(*ports));
    }
    row->ports = ports;
    emit_keep_app(s, row->app);
    return row;
}

void emit_instance_event(struct scheduler *s, const struct sched_task *t)
{
    const struct mu_app_task_row *row = keep_task(s, t);
    struct mu_event *ev = emit_event(s, MU_EV_INSTANCE_CHANGED);
    ev->app_id = row->app_id;
    ev->version_ms = row->version_ms;
    ev->task = row;
    ev->condition = task_condition(t);
}

void emit_task_event(struct scheduler *s, const struct sched_task *t, const char *message)
{
    const struct mu_app_task_row *row = keep_task(s, t);
    struct mu_event *ev = emit_event(s, MU_EV_STATUS_UPDATE);
    ev->app_id = row->app_id;
    ev->version_ms = row->version_ms;
    ev->task = row;
    ev->text = mu_arena_strdup(&s->arena, message != NULL ? message : "");
    ev->condition = task_condition(t);
    emit_instance_event(s, t);
}

static const struct mu_deployment_step *keep_steps(struct scheduler *s,
                                                   const struct planner_plan *plan)
{
    struct mu_deployment_step *steps =
        mu_arena_calloc(&s->arena, plan->step_count, sizeof(*steps));
    for (size_t i = 0; i < plan->step_count; i++) {
        size_t count = plan->steps[i].count;
        struct mu_deployment_action *actions =
            mu_arena_calloc(&s->arena, count, sizeof(*actions));
        for (size_t a = 0; a < count; a++) {
            actions[a].kind = plan->steps[i].actions[a].kind;
            actions[a].app_id =
                mu_arena_strdup(&s->arena, plan->steps[i].actions[a].app_id);
        }
        steps[i] = (struct mu_deployment_step){.actions = actions, .count = count};
    }
    return steps;
}

static const char *const *
keep_texts(struct scheduler *s, const char *const *texts, size_t count)
{
    const char **out = mu_arena_calloc(&s->arena, count, sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        out[i] = mu_arena_strdup(&s->arena, texts[i]);
    }
    return out;
}

void emit_deployment_event(struct scheduler *s,
                           uint32_t type,
                           const struct deployment *d,
                           const char *reason)
{
    struct mu_deployment_row *row = MU_ARENA_NEW(&s->arena, struct mu_deployment_row);
    deploy_row(d, row);
    row->id = mu_arena_strdup(&s->arena, row->id);
    row->affected = keep_texts(s, row->affected, row->affected_count);
    row->steps = keep_steps(s, &d->plan);
    struct mu_event *ev = emit_event(s, type);
    ev->version_ms = d->version_ms;
    ev->deployment = row;
    ev->text = mu_arena_strdup(&s->arena, reason);
}
