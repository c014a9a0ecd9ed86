/* Task descriptions and statuses as compact JSON: the form that the agent link, the
 * agent's journal and the registry share. */
#ifndef MU_CODEC_TASK_JSON_H
#define MU_CODEC_TASK_JSON_H

#include "codec/json_util.h"

void task_info_encode(struct mu_jw *w, const struct mu_task_info *t);
/* A new description (refs 1), or NULL with the reader's status set. */
struct mu_task_info *task_info_decode(struct mu_jr *r, const json_t *o);
void task_status_encode(struct mu_jw *w, const struct mu_task_status *s);
void task_status_decode(struct mu_jr *r, const json_t *o, struct mu_task_status *out);

#endif
