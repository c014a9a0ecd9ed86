/* Looking things up in the core, for handlers. */
#ifndef MRT_QUERY_H
#define MRT_QUERY_H

#include "marathon.h"

/* A reference of the caller's own to the app's newest definition (*out NULL: no such
 * app). 0 or a negative code. */
int mrt_find_app(struct mrt *m, const char *id, struct mu_app **out);
/* The same for one of its versions; MU_E_NOT_FOUND: no such version. */
int mrt_find_version(struct mrt *m,
                     const char *id,
                     int64_t version_ms,
                     struct mu_app **out);
/* Newest versions of all apps at or below path ("/": all), as references, by id. */
struct mrt_apps {
    struct mu_app **v;
    size_t count, cap;
};
int mrt_find_apps_below(struct mrt *m, const char *path, struct mrt_apps *out);
/* The same as they were at a time, which must be the version of one of them (else
 * MU_E_NOT_FOUND). Apps that came later are not among them. */
int mrt_find_apps_at(struct mrt *m,
                     const char *path,
                     int64_t version_ms,
                     struct mrt_apps *out);
void mrt_apps_add(struct mrt_apps *a, const struct mu_app *app);
void mrt_apps_release(struct mrt_apps *a);
/* Why the registry of the apps does not answer, as it says; nothing when it knows of no
 * reason. */
void mrt_registry_why(struct mrt *m, struct mu_buf *out);
/* Is id below the group path? */
bool mrt_is_below(const char *id, const char *path);

#endif
