/* App ids are paths: made absolute and normal, then checked. Pure. */
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
/* "a_b.550e8400-..." -> "/a/b"; MU_E_INVALID if it is no task id of ours or Marathon's.
 */
int mrt_app_id_of_task(const char *task_id, char *out, size_t cap);

#endif
