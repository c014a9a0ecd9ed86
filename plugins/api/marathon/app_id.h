/* App ids are paths: made absolute and normal, then checked; task ids carry one. Pure. */
#ifndef MRT_APP_ID_H
#define MRT_APP_ID_H

#include <muster/app.h>

#include "problems.h"

/* "a//b/", "../b" below base ("/" when NULL) -> "/a/b"; repeated slashes collapse, ".."
 * goes up. -E2BIG if longer than MU_APP_ID_MAX. */
int mrt_app_id_normalise(const char *text, const char *base, char *out, size_t cap);
/* Problems at path if the absolute id is the root, has bad characters or ends in a
 * reserved word. */
void mrt_app_id_check(const char *id, const char *path, struct mrt_problems *problems);
/* "/a/b" -> "a_b" */
void mrt_app_id_safe(const char *id, char *out, size_t cap);

/* What a task id says, in any form that Marathon had: "a_b.<uuid>",
 * "a_b.marathon-<uuid>", "a_b.instance-<uuid>", each with or without an incarnation
 * behind it ("._app.1", ".3"). */
struct mrt_task_ref {
    char app_id[MU_APP_ID_MAX];                 /* "/a/b" */
    char task_id[MU_APP_ID_MAX + MU_UUID_TEXT]; /* "a_b.<uuid>" */
};
int mrt_task_id_parse(const char *text, struct mrt_task_ref *out); /* or MU_E_INVALID */
/* "a_b.<uuid>" -> "a_b.marathon-<uuid>" */
void mrt_instance_id(const char *task_id, char *out, size_t cap);

#endif
