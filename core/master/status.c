/* Task statuses: those the master makes itself, and the packed history of a task.
 *
 * A struct mu_task_status has room for the longest texts; a hundred thousand tasks would
 * carry hundreds of megabytes of blanks. A note keeps the same content in the length it
 * has.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "master/state.h"

#define NOTES_MAX 32 /* an agent that comes and goes for weeks adds two each time */

/* Copy at most size - 1 bytes of src; dst was zeroed. */
static void put_text(char *dst, size_t size, const char *src)
{
    size_t len = strnlen(src, size - 1);
    memcpy(dst, src, len);
    dst[len] = '\0';
}

static char *pack_texts(const struct mu_task_status *s)
{
    const char *texts[] = {s->reason, s->message, s->container_id.s, s->ip};
    size_t size = 0;
    for (size_t i = 0; i < MU_COUNT_OF(texts); i++) {
        size += strlen(texts[i]) + 1;
    }
    char *packed = mu_xalloc(size);
    char *end = packed;
    for (size_t i = 0; i < MU_COUNT_OF(texts); i++) {
        size_t len = strlen(texts[i]) + 1;
        memcpy(end, texts[i], len);
        end += len;
    }
    return packed;
}

void master_note_add(struct master_task *t, const struct mu_task_status *s)
{
    struct master_note note = {.state = (uint8_t)s->state,
                               .source = (uint8_t)s->source,
                               .has_healthy = s->has_healthy,
                               .healthy = s->healthy,
                               .wall_ms = s->wall_ms,
                               .uuid = s->uuid,
                               .texts = pack_texts(s)};
    struct {
        struct master_note *v;
        size_t count, cap;
    } notes = {t->notes, t->note_count, t->note_cap};
    if (notes.count > 0 && notes.v[notes.count - 1].state == note.state) {
        free(notes.v[notes.count - 1].texts);
        notes.v[notes.count - 1] = note;
    } else {
        if (notes.count >= NOTES_MAX) {
            free(notes.v[0].texts);
            MU_VEC_REMOVE(&notes, 0);
        }
        MU_VEC_PUSH(&notes, note);
    }
    t->notes = notes.v;
    t->note_count = notes.count;
    t->note_cap = notes.cap;
}

void master_note_expand(const struct master_task *t,
                        const struct master_note *n,
                        struct mu_task_status *out)
{
    *out = (struct mu_task_status){.task_id = t->info->id,
                                   .framework_id = t->info->framework_id,
                                   .agent_id = t->info->agent_id,
                                   .uuid = n->uuid,
                                   .state = n->state,
                                   .source = n->source,
                                   .wall_ms = n->wall_ms,
                                   .has_healthy = n->has_healthy,
                                   .healthy = n->healthy};
    const char *text = n->texts;
    put_text(out->reason, sizeof(out->reason), text);
    text += strlen(text) + 1;
    put_text(out->message, sizeof(out->message), text);
    text += strlen(text) + 1;
    put_text(out->container_id.s, sizeof(out->container_id.s), text);
    text += strlen(text) + 1;
    put_text(out->ip, sizeof(out->ip), text);
}

void master_notes_release(struct master_task *t)
{
    for (size_t i = 0; i < t->note_count; i++) {
        free(t->notes[i].texts);
    }
    free(t->notes);
    t->notes = NULL;
    t->note_count = 0;
    t->note_cap = 0;
}

/* ---- what the master says itself ---- */

static bool needs_partition_awareness(uint32_t state)
{
    return state == MU_TASK_DROPPED || state == MU_TASK_UNREACHABLE ||
           state == MU_TASK_GONE || state == MU_TASK_GONE_BY_OPERATOR ||
           state == MU_TASK_UNKNOWN;
}

uint32_t master_state_for(const struct master_framework *f, uint32_t state)
{
    bool translate = needs_partition_awareness(state) &&
                     !master_framework_can(f, MU_CAP_PARTITION_AWARE);
    return translate ? (uint32_t)MU_TASK_LOST : state;
}

void master_status_make(struct master *m,
                        const struct master_framework *f,
                        const struct master_status_about *about,
                        struct mu_task_status *out,
                        const char *fmt,
                        ...)
{
    *out = (struct mu_task_status){.task_id = *about->task_id,
                                   .framework_id = f->info.id,
                                   .agent_id = *about->agent_id,
                                   .state = about->state,
                                   .source = MU_SOURCE_MASTER,
                                   .wall_ms = m->now.wall_ms};
    put_text(out->reason, sizeof(out->reason), about->reason);
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(out->message, sizeof(out->message), fmt, args);
    va_end(args);
    if (len >= (int)sizeof(out->message)) {
        memcpy(out->message + sizeof(out->message) - 4, "...", 4);
    }
}

void master_send_update(struct master *m,
                        const struct master_framework *f,
                        const struct mu_task_status *s)
{
    if (f->peer.link == 0) {
        return;
    }
    struct mu_msg msg;
    mu_msg_init(&msg, MU_MSG_UPDATE);
    mu_msg_add_status(&msg, s);
    msg.statuses[0].state = master_state_for(f, s->state);
    master_send(m, f->peer.link, &msg);
}
