/* Apps and their tasks as Marathon's JSON: the canonical form of today plus the legacy
 * keys `ports` and `uris`, and no key that a strict client would not know. */
#ifndef MRT_CODEC_APP_OUT_H
#define MRT_CODEC_APP_OUT_H

#include <muster/json_writer.h>
#include <muster/kind/api.h>

/* What goes into an app's object beside the definition. */
struct mrt_app_parts {
    const struct mu_app_row
        *row; /* counts, deployments, last failure: NULL for the definition alone */
    bool counts, deployments, last_failure;
    bool readiness; /* an empty list: no readiness checks are run */
    /* Writes the elements of `tasks`, each with mrt_task_write; NULL: no `tasks`. */
    void (*write_tasks)(void *arg, struct mu_jw *w, const char *app_id);
    /* Writes the value of `taskStats`; NULL: none. */
    void (*write_stats)(void *arg, struct mu_jw *w, const struct mu_app *app);
    void *arg;
};

void mrt_app_write(struct mu_jw *w,
                   const struct mu_app *app,
                   const struct mrt_app_parts *parts);
void mrt_task_write(struct mu_jw *w, const struct mu_app_task_row *t);
void mrt_time_write(struct mu_jw *w, const char *key, int64_t wall_ms);
/* Members `ports` and `ipAddresses` of a task; ip may be NULL or "". */
void mrt_ports_write(struct mu_jw *w, const struct mu_app_task_row *t);
void mrt_addresses_write(struct mu_jw *w, const char *ip);

#endif
