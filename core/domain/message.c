/* Copy, move and release of the messages in message.h. Every member is owned, so release
 * is one walk over the struct. */
#include "domain/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

static const char *const type_names[MU_MSG_TYPE_COUNT] = {[MU_MSG_NONE] = "NONE",
#define MU_MSG_NAME(name) [MU_MSG_##name] = #name,
                                                          MU_MSG_TYPES(MU_MSG_NAME)
#undef MU_MSG_NAME
};

static char *copy_text(const char *s)
{
    return s == NULL ? NULL : mu_xstrdup(s);
}

void mu_framework_info_release(struct mu_framework_info *f)
{
    free(f->name);
    free(f->user);
    free(f->role);
    free(f->hostname);
    free(f->principal);
    free(f->webui_url);
    *f = (struct mu_framework_info){0};
}

void mu_framework_info_copy(struct mu_framework_info *dst,
                            const struct mu_framework_info *src)
{
    *dst = *src;
    dst->name = copy_text(src->name);
    dst->user = copy_text(src->user);
    dst->role = copy_text(src->role);
    dst->hostname = copy_text(src->hostname);
    dst->principal = copy_text(src->principal);
    dst->webui_url = copy_text(src->webui_url);
}

void mu_agent_info_release(struct mu_agent_info *a)
{
    free(a->hostname);
    free(a->ip);
    free(a->version);
    mu_resources_release(&a->resources);
    mu_pairs_release(&a->attributes);
    *a = (struct mu_agent_info){0};
}

void mu_agent_info_copy(struct mu_agent_info *dst, const struct mu_agent_info *src)
{
    *dst = (struct mu_agent_info){
        .id = src->id,
        .hostname = copy_text(src->hostname),
        .ip = copy_text(src->ip),
        .version = copy_text(src->version),
        .port = src->port,
    };
    mu_resources_copy(&dst->resources, &src->resources);
    mu_pairs_copy(&dst->attributes, &src->attributes);
}

void mu_offer_release(struct mu_offer *o)
{
    free(o->hostname);
    free(o->ip);
    mu_resources_release(&o->resources);
    mu_pairs_release(&o->attributes);
    *o = (struct mu_offer){0};
}

void mu_offer_copy(struct mu_offer *dst, const struct mu_offer *src)
{
    *dst = (struct mu_offer){
        .id = src->id,
        .framework_id = src->framework_id,
        .agent_id = src->agent_id,
        .hostname = copy_text(src->hostname),
        .ip = copy_text(src->ip),
        .port = src->port,
    };
    mu_resources_copy(&dst->resources, &src->resources);
    mu_pairs_copy(&dst->attributes, &src->attributes);
}

const char *mu_msg_type_name(enum mu_msg_type t)
{
    MU_ASSERT(t < MU_MSG_TYPE_COUNT);
    return type_names[t];
}

int mu_msg_type_parse(const char *name)
{
    for (int t = MU_MSG_NONE + 1; t < MU_MSG_TYPE_COUNT; t++) {
        if (strcmp(type_names[t], name) == 0) {
            return t;
        }
    }
    return -1;
}

void mu_msg_init(struct mu_msg *m, enum mu_msg_type type)
{
    *m = (struct mu_msg){.type = type};
}

void mu_msg_release(struct mu_msg *m)
{
    free(m->text);
    if (m->framework != NULL) {
        mu_framework_info_release(m->framework);
        free(m->framework);
    }
    if (m->agent != NULL) {
        mu_agent_info_release(m->agent);
        free(m->agent);
    }
    for (size_t i = 0; i < m->offer_count; i++) {
        mu_offer_release(&m->offers[i]);
    }
    free(m->offers);
    free(m->offer_ids);
    for (size_t i = 0; i < m->task_count; i++) {
        mu_task_info_unref(m->tasks[i]);
    }
    free(m->tasks);
    free(m->statuses);
    for (size_t i = 0; i < m->record_count; i++) {
        mu_task_info_unref(m->records[i].info);
    }
    free(m->records);
    for (size_t i = 0; i < m->framework_count; i++) {
        mu_framework_info_release(&m->frameworks[i]);
    }
    free(m->frameworks);
    *m = (struct mu_msg){0};
}

void mu_msg_move(struct mu_msg *dst, struct mu_msg *src)
{
    *dst = *src;
    *src = (struct mu_msg){0};
}

void mu_msg_copy(struct mu_msg *dst, const struct mu_msg *src)
{
    *dst = (struct mu_msg){
        .type = src->type,
        .framework_id = src->framework_id,
        .agent_id = src->agent_id,
        .task_id = src->task_id,
        .uuid = src->uuid,
        .refuse_ms = src->refuse_ms,
        .heartbeat_ms = src->heartbeat_ms,
        .has_grace = src->has_grace,
        .grace_ms = src->grace_ms,
        .latest_state = src->latest_state,
        .text = copy_text(src->text),
    };
    if (src->framework != NULL) {
        mu_msg_set_framework(dst, src->framework);
    }
    if (src->agent != NULL) {
        mu_msg_set_agent(dst, src->agent);
    }
    for (size_t i = 0; i < src->offer_count; i++) {
        mu_msg_add_offer(dst, &src->offers[i]);
    }
    for (size_t i = 0; i < src->offer_id_count; i++) {
        mu_msg_add_offer_id(dst, &src->offer_ids[i]);
    }
    for (size_t i = 0; i < src->task_count; i++) {
        mu_msg_add_task(dst, src->tasks[i]);
    }
    for (size_t i = 0; i < src->status_count; i++) {
        mu_msg_add_status(dst, &src->statuses[i]);
    }
    for (size_t i = 0; i < src->record_count; i++) {
        mu_msg_add_record(dst, &src->records[i]);
    }
    for (size_t i = 0; i < src->framework_count; i++) {
        mu_msg_add_framework(dst, &src->frameworks[i]);
    }
}

void mu_msg_set_text(struct mu_msg *m, const char *text)
{
    free(m->text);
    m->text = copy_text(text);
}

struct mu_framework_info *mu_msg_set_framework(struct mu_msg *m,
                                               const struct mu_framework_info *f)
{
    MU_ASSERT(m->framework == NULL);
    m->framework = mu_xcalloc(1, sizeof(*m->framework));
    mu_framework_info_copy(m->framework, f);
    return m->framework;
}

struct mu_agent_info *mu_msg_set_agent(struct mu_msg *m, const struct mu_agent_info *a)
{
    MU_ASSERT(m->agent == NULL);
    m->agent = mu_xcalloc(1, sizeof(*m->agent));
    mu_agent_info_copy(m->agent, a);
    return m->agent;
}

/* Make room for one more member of a list whose capacity is the next power of two above
 * its count. */
static void *grow(void *v, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0) {
        return v;
    }
    return mu_xrealloc(v, (count == 0 ? 1 : count * 2) * size);
}

void mu_msg_add_offer(struct mu_msg *m, const struct mu_offer *o)
{
    m->offers = grow(m->offers, m->offer_count, sizeof(*m->offers));
    mu_offer_copy(&m->offers[m->offer_count++], o);
}

void mu_msg_add_offer_id(struct mu_msg *m, const struct mu_offer_id *id)
{
    m->offer_ids = grow(m->offer_ids, m->offer_id_count, sizeof(*m->offer_ids));
    m->offer_ids[m->offer_id_count++] = *id;
}

void mu_msg_add_task(struct mu_msg *m, const struct mu_task_info *t)
{
    m->tasks = grow(m->tasks, m->task_count, sizeof(*m->tasks));
    m->tasks[m->task_count++] = mu_task_info_ref(t);
}

void mu_msg_add_status(struct mu_msg *m, const struct mu_task_status *s)
{
    m->statuses = grow(m->statuses, m->status_count, sizeof(*m->statuses));
    m->statuses[m->status_count++] = *s;
}

void mu_msg_add_record(struct mu_msg *m, const struct mu_task_record *r)
{
    m->records = grow(m->records, m->record_count, sizeof(*m->records));
    m->records[m->record_count] = *r;
    m->records[m->record_count++].info = mu_task_info_ref(r->info);
}

void mu_msg_add_framework(struct mu_msg *m, const struct mu_framework_info *f)
{
    m->frameworks = grow(m->frameworks, m->framework_count, sizeof(*m->frameworks));
    mu_framework_info_copy(&m->frameworks[m->framework_count++], f);
}
