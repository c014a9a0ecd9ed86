/* Effects of the agent machine: making them, and releasing what they own. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

void agent_record_release(struct agent_record *r)
{
    mu_task_info_unref(r->task);
    mu_framework_info_release(&r->framework);
    free(r->sandbox);
    *r = (struct agent_record){0};
}

void agent_effects_release(struct agent_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        struct agent_effect *e = &fx->v[i];
        free(e->text);
        mu_msg_release(&e->msg);
        agent_record_release(&e->record);
        mu_task_info_unref(e->task);
        free(e->sandbox);
        mu_pairs_release(&e->env);
    }
    fx->count = 0;
}

struct agent_effect *agent_emit(struct agent *a, enum agent_effect_type type)
{
    MU_VEC_PUSH_ZERO(a->out);
    struct agent_effect *e = &a->out->v[a->out->count - 1];
    e->type = type;
    return e;
}

void agent_log(struct agent *a, int level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[1024];
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct agent_effect *e = agent_emit(a, AGENT_FX_LOG);
    e->level = level;
    e->text = mu_xstrdup(text);
}

struct agent_effect *
agent_emit_container(struct agent *a, enum agent_effect_type type, const struct task *t)
{
    struct agent_effect *e = agent_emit(a, type);
    e->container_id = t->container_id;
    e->task = mu_task_info_ref(t->info);
    e->sandbox = mu_xstrdup(t->sandbox);
    mu_pairs_copy(&e->env, &t->env);
    memcpy(e->containerizer, t->containerizer, sizeof(e->containerizer));
    return e;
}

struct mu_msg *agent_emit_send(struct agent *a, enum mu_msg_type type)
{
    MU_PRE(a->link != 0);
    struct agent_effect *e = agent_emit(a, AGENT_FX_SEND);
    e->link = a->link;
    mu_msg_init(&e->msg, type);
    e->msg.agent_id = a->info.id;
    return &e->msg;
}

struct agent_record *agent_journal(struct agent *a,
                                   enum agent_record_type type,
                                   enum then_kind then,
                                   const struct task *t)
{
    struct agent_effect *e = agent_emit(a, AGENT_FX_JOURNAL);
    e->token = ++a->last_token;
    a->records_since_compact++;
    e->record.type = type;
    e->record.wall_ms = a->now.wall_ms;
    struct then x = {.token = e->token, .kind = then};
    if (t != NULL) {
        e->record.framework_id = t->framework.id;
        e->record.task_id = t->info->id;
        e->record.container_id = t->container_id;
        char key[AGENT_KEY_MAX];
        agent_task_key(&t->framework.id, &t->info->id, key);
        x.key = mu_xstrdup(key);
    }
    MU_VEC_PUSH(&a->thens, x);
    return &e->record;
}
